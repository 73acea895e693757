"""
Reading the connections of many children one after another, some times a second.

A child says all of its second at once, and each of many does so at a moment of
its own.  To be woken for each costs more than what is to be done then: the
processor has forgotten meanwhile whatever it needs for that.  So where there
are many children, those from which nothing is expected within a moment wait
for a round, which finds out who has said something, and all of these are dealt
with together.
"""

from __future__ import annotations

from collections.abc import Callable
from selectors import EVENT_READ, BaseSelector, DefaultSelector

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

EVERY = 0.1
"""Seconds from round to round."""

CROWD = 8
"""Connections from which on there are rounds: less are no trouble."""


class Rounds:
    """
    Has a look at the connections that wait, without waiting itself.
    """

    _log = Logger()

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._members: dict[int, Callable[[], None]] = {}
        self._waiting: set[int] = set()
        self._selector: BaseSelector | None = None
        self._timer: IDelayedCall | None = None

    def __len__(self) -> int:
        """
        @return: How many connections might wait.
        """
        return len(self._members)

    def wait(self, number: int, read: Callable[[], None]) -> bool:
        """
        Wait until there is something to read.

        @param number: Of the descriptor of a connection, which is open until
            it is told that it is not.
        @param read: Is called in a round, once, when there is.
        @return: Whether it waits; it does not where there are too few.
        """
        if number not in self._members:
            if self._selector is None:
                self._selector = DefaultSelector()
            self._selector.register(number, EVENT_READ)
        self._members[number] = read
        if len(self._members) < CROWD:
            return False
        self._waiting.add(number)
        if self._timer is None:
            self._timer = self._clock.callLater(EVERY, self._go_round)
        return True

    def wait_no_more(self, number: int) -> None:
        """
        A connection goes on by itself.
        """
        self._waiting.discard(number)

    def leave(self, number: int) -> None:
        """
        A connection ends.
        """
        self._waiting.discard(number)
        if self._members.pop(number, None) is None or self._selector is None:
            return
        self._selector.unregister(number)
        if not self._members:
            self._selector.close()
            self._selector = None
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    def _go_round(self) -> None:
        self._timer = None
        if not self._waiting or self._selector is None:
            return
        for key, _ in self._selector.select(0):
            if key.fd in self._waiting:
                self._waiting.discard(key.fd)
                try:
                    self._members[key.fd]()
                except Exception:
                    self._log.failure("a connection could not be read; the others go on", Failure())
        if self._waiting and self._timer is None:
            self._timer = self._clock.callLater(EVERY, self._go_round)
