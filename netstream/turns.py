"""
How long one kind of work may keep the reactor busy in one turn.

After a restart of a parent every child has much to say at once, and the first
seconds of thousands of new series are slow to take.  One turn of the reactor
would deal with all of them, and nobody else would get an answer meanwhile.  So
after some milliseconds of a turn those who are left have to wait, in the order
in which they came: connections, of which what each has said already is kept
until it is served, pages that are to be told of something, or what makes a long
answer, which lets others go on whenever it has done a piece.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

ENOUGH = 0.005
"""Seconds of one turn after which the next one waits for a later turn."""
LITTLE = 0.001
"""Seconds within which it does not matter whether it is one turn or several."""


class Turns:
    """
    Divides the reactor's turns among those who have something to do, and
    between them and everybody else.

    @ivar clock: Where the turns are.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self.clock = clock
        self._began = float("-inf")
        self._ends = False
        self._waiting: deque[Callable[[], None]] = deque()

    def is_over(self) -> bool:
        """
        @return: Whether who has something to do should wait.
        """
        return bool(self._waiting) or self.is_long()

    def is_long(self) -> bool:
        """
        @return: Whether who is at work should let others go on.
        """
        now = self.clock.seconds()
        if self._ends:
            return not 0 <= now - self._began < ENOUGH  # the clock may be set meanwhile
        if not 0 <= now - self._began < LITTLE:
            # To learn when a turn ends costs as much as many a request.
            self._began = now
            self._ends = True
            self.clock.callLater(0, self._end)
        return False

    def wait(self, serve: Callable[[], None]) -> None:
        """
        Wait for one's turn, when this one is over.

        @param serve: Is called when it comes, once.
        """
        self._waiting.append(serve)

    async def breathe(self) -> None:
        """
        Let others go on, if it is time.
        """
        if self.is_over():
            its_turn: Deferred[None] = Deferred()
            self.wait(lambda: its_turn.callback(None))
            await its_turn

    def _end(self) -> None:
        self._ends = False
        if self._waiting:
            # Asked for only now, it comes after all calls that have become due meanwhile.
            self._ends = True
            self.clock.callLater(0, self._serve)

    def _serve(self) -> None:
        self._began = self.clock.seconds()
        try:
            while self._waiting and 0 <= self.clock.seconds() - self._began < ENOUGH:
                self._waiting.popleft()()
        finally:
            self.clock.callLater(0, self._serve if self._waiting else self._end)
