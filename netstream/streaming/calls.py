"""
Calls of functions on their way: down to a child that answers, and up to the
parent that asked.
"""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

from attrs import frozen
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from netstream.hub.figures import Counts
from netstream.hub.hub import Host
from netstream.model.calls import Call, Caller, Outcome, Over, Running, failed
from netstream.session.functions import Asked, Serving, answer, progress
from netstream.wire.capabilities import Capability
from netstream.wire.commands import CancelFunction, FunctionCall, Line

NO_ROOM = failed(503, "The parent that asked does not read fast enough")


def mint() -> str:
    """
    @return: The name of a new transaction.
    """
    return uuid4().hex


class AskedChild:
    """
    Asks a child, as long as it is connected.

    @ivar asked: The calls that wait for it.
    """

    def __init__(
        self,
        capabilities: Capability,
        say: Callable[[bytes], None],
        clock: IReactorTime,
        counts: Counts | None = None,
    ) -> None:
        """
        @param say: Tells the child something.
        @param counts: Where calls are counted; nowhere if not given.
        """
        self.asked = Asked(capabilities, mint, outcomes=counts.calls if counts is not None else None)
        self._say = say
        self._clock = clock
        self._timer: IDelayedCall | None = None

    def call(self, call: Call, caller: Caller) -> Running:
        """
        Pass a call on.
        """
        transaction, said = self.asked.begin(call, caller, self._clock.seconds())
        if not said:
            return Over()
        self._say(said)
        self._plan()
        return _Asking(self, transaction)

    def ask(self, transaction: str) -> None:
        """
        A caller wants to know how far its answer is.
        """
        self._tell(self.asked.ask(transaction, self._clock.seconds()))

    def cancel(self, transaction: str) -> None:
        """
        A caller waits no more.
        """
        self._tell(self.asked.cancel(transaction))

    def _tell(self, said: bytes) -> None:
        if said:
            self._say(said)
        self._plan()

    def _plan(self) -> None:
        after = self.asked.next
        if self._timer is not None and self._timer.active():
            if after is not None and self._timer.getTime() <= after:
                return  # it looks again then
            self._timer.cancel()
        self._timer = None
        if after is not None:
            self._timer = self._clock.callLater(max(0.0, after - self._clock.seconds()), self._expire)

    def _expire(self) -> None:
        self._timer = None
        self._tell(self.asked.expire(self._clock.seconds()))

    def end(self) -> None:
        """
        The child is gone.
        """
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
        self.asked.lost()


@frozen
class _Asking:
    """
    One call that a child has to answer.
    """

    child: AskedChild
    transaction: str

    def cancel(self) -> None:
        self.child.cancel(self.transaction)

    def ask(self) -> None:
        self.child.ask(self.transaction)


class ServedParent:
    """
    Answers a parent's calls of one host's functions, as long as it is
    connected.
    """

    def __init__(
        self, host: Host, capabilities: Capability, say: Callable[[bytes], None], room: Callable[[], int]
    ) -> None:
        """
        @param say: Tells the parent something.
        @param room: Bytes that may be said now.
        """
        self._host = host
        self._progress = Capability.PROGRESS in capabilities
        self._say = say
        self._room = room
        self._serving = Serving()

    def heard(self, line: Line) -> None:
        """
        The parent says something of calls.
        """
        if isinstance(line, FunctionCall):
            self._call(line)
        elif isinstance(line, CancelFunction):
            self._serving.cancel(line)

    def _call(self, line: FunctionCall) -> None:
        call = self._serving.begin(line)
        if isinstance(call, Outcome):
            self._say(answer(line.transaction, call))
            return
        running = self._host.call(call, _Parent(self, call.transaction))
        self._serving.passed_on(call.transaction, running)

    def progressed(self, transaction: str, done: int, everything: int) -> None:
        """
        Tell the parent how far a call is.
        """
        said = progress(transaction, done, everything)
        if self._progress and transaction in self._serving.under_way and len(said) <= self._room():
            self._say(said)

    def answered(self, transaction: str, outcome: Outcome) -> None:
        """
        Tell the parent the answer, if it still waits.
        """
        if not self._serving.over(transaction):
            return
        said = answer(transaction, outcome)
        self._say(said if len(said) <= self._room() else answer(transaction, NO_ROOM))

    def end(self) -> None:
        """
        The parent is gone.
        """
        self._serving.lost()


@frozen
class _Parent:
    """
    A parent that waits for one answer.
    """

    served: ServedParent
    transaction: str

    def progressed(self, done: int, everything: int) -> None:
        self.served.progressed(self.transaction, done, everything)

    def answered(self, outcome: Outcome) -> None:
        self.served.answered(self.transaction, outcome)
