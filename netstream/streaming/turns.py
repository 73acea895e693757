"""
How long the connections of all children may keep the reactor busy in one turn.

After a restart of a parent every child has much to say at once, and the first
seconds of thousands of new series are slow to take.  One turn of the reactor
would deal with all of them, and nobody else would get an answer meanwhile.  So
after some milliseconds of a turn connections have to wait, in the order in
which they came, and what each has said already is kept until it is served.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from twisted.internet.interfaces import IReactorTime

ENOUGH = 0.01
"""Seconds of one turn after which the next connection waits for a later one."""


class Turns:
    """
    Divides the reactor's turns among connections, and between them and
    everybody else.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._began: float | None = None
        self._waiting: deque[Callable[[], None]] = deque()

    def is_over(self) -> bool:
        """
        @return: Whether who has something to say should wait.
        """
        if self._began is None:
            self._begin()
            return False
        return bool(self._waiting) or self._is_long()

    def wait(self, serve: Callable[[], None]) -> None:
        """
        Wait for one's turn.

        @param serve: Is called when it comes, once.
        """
        self._waiting.append(serve)

    def _begin(self) -> None:
        self._began = self._clock.seconds()
        self._clock.callLater(0, self._next)

    def _is_long(self) -> bool:
        assert self._began is not None
        return not 0 <= self._clock.seconds() - self._began < ENOUGH  # the clock may be set meanwhile

    def _next(self) -> None:
        self._began = None
        if not self._waiting:
            return
        self._begin()
        while self._waiting and not self._is_long():
            self._waiting.popleft()()
