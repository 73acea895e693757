"""
A clock that only moves when it is told, for many calls at once.
"""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Callable
from operator import attrgetter

from twisted.internet.base import DelayedCall
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.task import Clock


class Schedule(Clock):
    """
    Twisted's clock, but for sorting all its calls again and again.

    Calls that are put off stay where they are until it is their turn.
    """

    calls: list[DelayedCall]

    def callLater(self, delay: float, callable: Callable[..., object], *args: object, **kw: object) -> IDelayedCall:
        """
        Call something later (see C{IReactorTime}).
        """
        call = DelayedCall(
            self.seconds() + delay, callable, args, kw, self.calls.remove, self._brought_forward, self.seconds
        )
        self._insert(call)
        return call

    def _insert(self, call: DelayedCall) -> None:
        insort(self.calls, call, key=attrgetter("time"))

    def _brought_forward(self, call: DelayedCall) -> None:
        self.calls.remove(call)
        self._insert(call)

    def next(self) -> float:
        """
        @return: When something is called next; infinity if nothing is.
        """
        while self.calls:
            first = self.calls[0]
            if not first.delayed_time:
                return float(first.time)
            first.activate_delay()
            self._brought_forward(first)
        return math.inf

    def advance(self, amount: float) -> None:
        """
        Let time pass, and call what is due by then.

        @param amount: Seconds.
        """
        self.rightNow += amount
        while self.next() <= self.rightNow:
            call = self.calls.pop(0)
            call.called = 1
            call.func(*call.args, **call.kw)
