"""
Collectors that may have to wait, in a thread of their own.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from threading import Lock

from netstream.collect.collector import Collector

Start = Callable[[Callable[[], None]], object]
"""Has something done in a thread, or at once."""


class Aside:
    """
    Has a collector measure where nobody waits for it.

    The kernel lets whoever reads how a process is doing wait for as long as
    that process is changing its memory.  What was measured is said at the next
    tick after it is there, and no tick is made up for that came meanwhile.

    @ivar collector: What measures.
    """

    def __init__(self, collector: Collector, start: Start) -> None:
        self.collector = collector
        self._start = start
        self._lock = Lock()
        self._measures = False
        self._said: deque[bytes | Exception] = deque()

    @property
    def source(self) -> str:
        """
        What it reads, for messages.
        """
        return self.collector.source

    def collect(self, now: int) -> bytes:
        """
        Have it measure, unless it still does.

        @return: What it said last, if that was not said before.
        """
        if not self._measures:
            self._measures = True
            self._start(partial(self._measure, now))
        if not self._said:
            return b""
        said = self._said.popleft()
        if isinstance(said, Exception):
            raise said
        return said

    def _measure(self, now: int) -> None:
        with self._lock:
            try:
                self._said.append(self.collector.collect(now))
            except Exception as problem:
                self._said.append(problem)
            finally:
                self._measures = False

    def withdraw(self) -> bytes:
        """
        Wait until it does not measure.

        @return: Protocol text that declares all charts obsolete.
        """
        with self._lock:
            self._said.clear()
            return self.collector.withdraw()

    def close(self) -> None:
        """
        Release what is open, when it does not measure any more.
        """
        with self._lock:
            self.collector.close()
