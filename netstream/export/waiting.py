"""
Waiting for what may happen: a bell that wakes, and pauses that grow.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime


class Bell:
    """
    Wakes the one that waits for it.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._waiting: Deferred[None] | None = None

    def ring(self) -> None:
        """
        Something happened.
        """
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.callback(None)

    async def wait(self, seconds: float | None = None) -> None:
        """
        Wait until it rings, or for some time.

        @param seconds: L{None} is for ever.
        """
        waiting = self._waiting = Deferred(self._forget)
        call = None if seconds is None else self._clock.callLater(max(0.0, seconds), self.ring)
        try:
            await waiting
        finally:
            if call is not None and call.active():
                call.cancel()

    def _forget(self, waiting: Deferred[None]) -> None:
        if self._waiting is waiting:
            self._waiting = None


class Pauses:
    """
    Pauses between attempts: each up to twice the one before, never above a
    bound, and random so that many do not come back as one.
    """

    def __init__(self, first: float, most: float, jitter: Callable[[], float]) -> None:
        """
        @param first: Seconds.
        @param most: Seconds.
        @param jitter: Gives a random number from 0 to 1.
        """
        self._first = min(first, most)
        self._most = most
        self._jitter = jitter
        self._next = self._first

    def next(self) -> float:
        """
        @return: Seconds to wait now.
        """
        pause = self._next
        self._next = min(self._most, pause * 2)
        return pause * (0.5 + self._jitter() / 2)

    def reset(self) -> None:
        """
        It works: begin with short pauses again.
        """
        self._next = self._first
