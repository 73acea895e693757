"""
Which calls of functions are under way on a connection, in either direction.

L{Asked} is the parent's side: calls that went to a child and wait for its
answer.  L{Serving} is the child's side: calls that came from a parent.  Both
are bounded, and take the time as an argument.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable

from attrs import define

from netstream.model.calls import MOST_TIMEOUT, Call, Caller, Outcome, Running, failed
from netstream.wire.capabilities import Capability
from netstream.wire.commands import (
    AskProgress,
    CancelFunction,
    FunctionCall,
    FunctionCallWithPayload,
    FunctionProgress,
    FunctionResult,
    Line,
)

MOST_CALLS = 100
"""Calls that may be under way on one connection."""

LONGEST_COMMAND = 8192
"""Bytes of a function's name and arguments."""

LONGEST_CALL = 3 * MOST_TIMEOUT
"""Seconds after which a call is over, however much progress is reported."""

_TRANSACTION = re.compile(r"[A-Za-z0-9_.:-]{1,100}\Z")

DISCONNECTED = failed(503, "The node that should answer is not connected")
TIMED_OUT = failed(504, "The node did not answer in time")
TOO_MANY = failed(503, "Too many calls wait for this node already")
CANCELLED = failed(499, "The call was cancelled")
NO_PAYLOAD = failed(501, "The version of the node takes no payloads")
NO_FUNCTIONS = failed(501, "The node takes no calls of functions")
TOO_LONG = failed(400, "The name of the function and its arguments are too long")
TOO_LARGE = failed(502, "The answer is larger than this node passes on")


@define(eq=False)
class _Waiting:
    """
    A call that waits for its answer.

    @ivar transaction: As the child knows it.
    @ivar ends: Second at which it is over.
    """

    transaction: str
    call: Call
    caller: Caller
    began: float
    ends: float

    def extend(self, now: float) -> None:
        """
        It goes on: wait once more as long as the caller would.
        """
        self.ends = min(now + self.call.timeout, self.began + LONGEST_CALL)


class Asked:
    """
    The calls that a child has to answer.

    What has to be said to the child is returned as bytes; callers are told at
    once.  A caller is told exactly once, unless it cancels.

    @ivar outcomes: Counts what became of calls: C{answered}, C{expired} (no
        answer in time), C{late} (an answer after that), C{lost} (the child
        left), C{cancelled} (the caller did).
    """

    def __init__(
        self,
        capabilities: Capability,
        mint: Callable[[], str],
        most: int = MOST_CALLS,
        outcomes: Counter[str] | None = None,
    ) -> None:
        """
        @param capabilities: What was agreed on with the child.
        @param mint: Makes the name of a transaction that has none that can be
            kept.
        @param most: Calls that may wait at once.
        @param outcomes: Counts for other children too, if given.
        """
        self._functions = Capability.FUNCTIONS in capabilities
        self._progress = Capability.PROGRESS in capabilities
        self._details = bool(capabilities & (Capability.INTERPOLATED | Capability.PROGRESS))
        self._mint = mint
        self._most = most
        self._waiting: dict[str, _Waiting] = {}
        self._over = False
        self.outcomes: Counter[str] = Counter() if outcomes is None else outcomes

    def __len__(self) -> int:
        return len(self._waiting)

    def wants(self, transaction: str) -> bool:
        """
        @return: Whether someone waits for the answer.
        """
        return transaction in self._waiting

    def begin(self, call: Call, caller: Caller, now: float) -> tuple[str, bytes]:
        """
        Someone calls.

        @return: The transaction as the child knows it, and what it is to be
            told; two empty texts if the caller has its answer already.
        """
        refusal = self._refusal(call)
        if refusal is not None:
            caller.answered(refusal)
            return "", b""
        transaction = call.transaction
        while not _TRANSACTION.match(transaction) or transaction in self._waiting:
            transaction = self._mint()
        timeout = max(1, min(call.timeout, MOST_TIMEOUT))
        waiting = _Waiting(transaction, call, caller, now, now + timeout)
        self._waiting[transaction] = waiting
        return transaction, self._line(transaction, call, timeout).line()

    def _refusal(self, call: Call) -> Outcome | None:
        if self._over:
            return DISCONNECTED
        if not self._functions:
            return NO_FUNCTIONS
        if call.payload is not None and not self._details:
            return NO_PAYLOAD
        if len(call.command.encode("utf-8", "surrogatepass")) > LONGEST_COMMAND:
            return TOO_LONG
        return TOO_MANY if len(self._waiting) >= self._most else None

    def _line(self, transaction: str, call: Call, timeout: int) -> Line:
        if call.payload is not None:
            return FunctionCallWithPayload(
                transaction, timeout, call.command, call.access, call.source, call.content_type, call.payload
            )
        if not self._details or call.access is None:
            return FunctionCall(transaction, timeout, call.command)
        return FunctionCall(transaction, timeout, call.command, call.access, call.source)

    def result(self, line: FunctionResult) -> None:
        """
        The child answers.
        """
        waiting = self._waiting.pop(line.transaction, None)
        if waiting is None:
            self.outcomes["late"] += 1
            return
        self.outcomes["answered"] += 1
        if line.oversize:
            waiting.caller.answered(TOO_LARGE)
        else:
            waiting.caller.answered(Outcome(line.code, line.body, line.content_type, line.expires))

    def progress(self, line: FunctionProgress, now: float) -> None:
        """
        The child says how far it is.
        """
        waiting = self._waiting.get(line.transaction)
        if waiting is not None:
            waiting.extend(now)
            waiting.caller.progressed(line.done, line.all)

    def ask(self, transaction: str, now: float) -> bytes:
        """
        A caller still waits.

        @return: What the child is to be told.
        """
        waiting = self._waiting.get(transaction)
        if waiting is None:
            return b""
        waiting.extend(now)
        return AskProgress(transaction).line() if self._progress else b""

    def cancel(self, transaction: str) -> bytes:
        """
        A caller waits no more, and is told nothing.

        @return: What the child is to be told.
        """
        if self._waiting.pop(transaction, None) is None:
            return b""
        self.outcomes["cancelled"] += 1
        return self._cancel(transaction)

    def _cancel(self, transaction: str) -> bytes:
        return CancelFunction(transaction).line() if self._progress else b""

    @property
    def next(self) -> float | None:
        """
        The second at which the next call is over; L{None} if none waits.
        """
        return min((waiting.ends for waiting in self._waiting.values()), default=None)

    def expire(self, now: float) -> bytes:
        """
        Tell those whose time is over.

        @return: What the child is to be told.
        """
        over = [waiting for waiting in self._waiting.values() if waiting.ends <= now]
        for waiting in over:
            del self._waiting[waiting.transaction]
        said = [self._cancel(waiting.transaction) for waiting in over]
        self.outcomes["expired"] += len(over)
        _tell(over, TIMED_OUT)
        return b"".join(said)

    def lost(self) -> None:
        """
        The child is gone: nobody needs to wait for it.
        """
        self._over = True
        waiting = list(self._waiting.values())
        self._waiting.clear()
        self.outcomes["lost"] += len(waiting)
        _tell(waiting, DISCONNECTED)


def _tell(waiting: Iterable[_Waiting], outcome: Outcome) -> None:
    for each in waiting:
        each.caller.answered(outcome)


class Serving:
    """
    The calls of a parent that we have to answer.

    @ivar under_way: By transaction; L{None} while it is being passed on.
    """

    def __init__(self, most: int = MOST_CALLS) -> None:
        self._most = most
        self.under_way: dict[str, Running | None] = {}

    def begin(self, line: FunctionCall) -> Call | Outcome:
        """
        The parent calls.

        @return: The call to pass on, which is under way now, or the answer if
            it is not passed on.
        """
        if line.transaction in self.under_way:
            return failed(400, "There is a call of that transaction already")
        if len(self.under_way) >= self._most:
            return TOO_MANY
        self.under_way[line.transaction] = None
        payload, content_type = None, ""
        if isinstance(line, FunctionCallWithPayload):
            payload, content_type = line.body, line.content_type
        return Call(line.transaction, line.command, line.timeout, line.access, line.source, content_type, payload)

    def passed_on(self, transaction: str, running: Running) -> None:
        """
        Know what to cancel.
        """
        if transaction in self.under_way:
            self.under_way[transaction] = running

    def over(self, transaction: str) -> bool:
        """
        There is an answer.

        @return: Whether the parent waits for it.
        """
        return self.under_way.pop(transaction, self) is not self

    def cancel(self, line: CancelFunction) -> None:
        """
        The parent waits no more, or wants to know how far it is.
        """
        running = self.under_way.get(line.transaction)
        if isinstance(line, AskProgress):
            if running is not None:
                running.ask()
            return
        self.under_way.pop(line.transaction, None)
        if running is not None:
            running.cancel()

    def lost(self) -> None:
        """
        The parent is gone: whoever works for it may stop.
        """
        running = list(self.under_way.values())
        self.under_way.clear()
        for each in running:
            if each is not None:
                each.cancel()


def answer(transaction: str, outcome: Outcome) -> bytes:
    """
    @return: An answer as the parent is told.
    """
    return FunctionResult(transaction, outcome.code, outcome.content_type, outcome.expires, outcome.body).line()


def progress(transaction: str, done: int, everything: int) -> bytes:
    """
    @return: Progress as the parent is told.
    """
    return FunctionProgress(transaction, done, everything).line()
