"""
How long one kind of work may keep the reactor busy in one turn.

After a restart of a parent every child has much to say at once, and the first
seconds of thousands of new series are slow to take.  One turn of the reactor
would deal with all of them, and nobody else would get an answer meanwhile.  So
after some milliseconds of a turn those who are left have to wait, in the order
in which they came: connections, of which what each has said already is kept
until it is served, or pages that are to be told of something.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from twisted.internet.interfaces import IReactorTime

ENOUGH = 0.005
"""Seconds of one turn after which the next one waits for a later turn."""


class Turns:
    """
    Divides the reactor's turns among those who have something to do, and
    between them and everybody else.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._began: float | None = None
        self._waiting: deque[Callable[[], None]] = deque()

    def is_over(self) -> bool:
        """
        @return: Whether who has something to do should wait.
        """
        if self._waiting:
            return True
        if self._began is None:
            self._began = self._clock.seconds()
            self._clock.callLater(0, self._end)
            return False
        return self._is_long()

    def wait(self, serve: Callable[[], None]) -> None:
        """
        Wait for one's turn.

        @param serve: Is called when it comes, once.
        """
        self._waiting.append(serve)

    def _is_long(self) -> bool:
        assert self._began is not None
        return not 0 <= self._clock.seconds() - self._began < ENOUGH  # the clock may be set meanwhile

    def _end(self) -> None:
        self._began = None
        if self._waiting:
            # Asked for only now, it comes after all calls that have become due meanwhile.
            self._clock.callLater(0, self._serve)

    def _serve(self) -> None:
        self._began = self._clock.seconds()
        try:
            while self._waiting and not self._is_long():
                self._waiting.popleft()()
        finally:
            self._clock.callLater(0, self._serve if self._waiting else self._end)
