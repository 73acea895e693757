"""
Calls of functions of hosts that another process of this node has.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from netstream.db.messages import Ask, Message
from netstream.hub.hub import Hub
from netstream.model.calls import Call, Caller, Outcome, Running, failed
from netstream.processes.channel import Channel

CALL, CANCEL, NUDGE, PROGRESS = "call", "cancel call", "nudge call", "call goes on"
"""Verbs: a call, that nobody waits for its answer any more, that someone still
does, and that the answer is on its way."""


class Calls:
    """
    The side of the process that serves: calls that went to one worker.
    """

    def __init__(self, ask: Ask, tell: Callable[[str, Message], None]) -> None:
        """
        @param ask: Puts a question to the worker.
        @param tell: Says something to it that needs no answer.
        """
        self._ask = ask
        self._tell = tell
        self._callers: dict[int, Caller] = {}
        self._number = 0

    def begin(self, guid: str, call: Call, caller: Caller) -> Running:
        """
        Pass a call on.
        """
        self._number += 1
        number = self._number
        self._callers[number] = caller
        fields = {
            "guid": guid,
            "number": number,
            "call": [call.transaction, call.command, call.timeout, call.access, call.source, call.content_type],
        }
        parts = () if call.payload is None else (call.payload,)
        self._ask(CALL, Message(fields, parts)).addCallbacks(_outcome, _unanswered).addCallback(self._answered, number)
        return _Passed(self, number)

    def _answered(self, outcome: Outcome, number: int) -> None:
        caller = self._callers.pop(number, None)
        if caller is not None:
            caller.answered(outcome)

    def progressed(self, message: Message) -> None:
        """
        Deal with L{PROGRESS}.
        """
        fields = message.fields
        caller = self._callers.get(fields["number"])
        if caller is not None:
            caller.progressed(fields["done"], fields["everything"])

    def say(self, verb: str, number: int) -> None:
        """
        Say something about a call that still goes on.
        """
        if number in self._callers:
            self._tell(verb, Message({"number": number}))

    def drop(self, number: int) -> None:
        """
        Nobody waits for an answer any more.
        """
        self.say(CANCEL, number)
        self._callers.pop(number, None)


class Away:
    """
    Answers calls of one host's functions, from where the host is.
    """

    def __init__(self, calls: Calls, guid: str) -> None:
        self._calls = calls
        self._guid = guid

    def call(self, call: Call, caller: Caller) -> Running:
        """
        As L{netstream.model.calls.Callee.call}.
        """
        return self._calls.begin(self._guid, call, caller)


class _Passed:
    """
    A call that went to a worker.
    """

    def __init__(self, calls: Calls, number: int) -> None:
        self._calls = calls
        self._number = number

    def cancel(self) -> None:
        self._calls.drop(self._number)

    def ask(self) -> None:
        self._calls.say(NUDGE, self._number)


def _outcome(message: Message) -> Outcome:
    code, content_type, expires, local = message.fields["outcome"]
    return Outcome(code, bytes(message.parts[0]), content_type, expires, local)


def _unanswered(failure: Failure) -> Outcome:
    return failed(503, "The process of this node that has the host does not answer")


class Answering:
    """
    The side of a worker.
    """

    def __init__(self, hub: Hub, channel: Channel) -> None:
        self._hub = hub
        self._channel = channel
        self._running: dict[int, _Answer] = {}
        channel.verbs[CALL] = self._call
        channel.verbs[CANCEL] = self._cancel
        channel.verbs[NUDGE] = self._nudge

    def _call(self, message: Message) -> Deferred[Message]:
        fields, payload = message.fields, bytes(message.parts[0]) if message.parts else None
        answer = _Answer(fields["number"], self._channel)
        host = self._hub.get(fields["guid"])
        if host is None:
            answer.answered(failed(404, "This node knows no such node"))
            return answer.done
        transaction, command, timeout, access, source, content_type = fields["call"]
        self._running[answer.number] = answer
        answer.running = host.call(
            Call(transaction, command, timeout, access, source, content_type, payload),
            answer,
        )
        return answer.done.addBoth(self._over, answer.number)

    def _over(self, result: Message, number: int) -> Message:
        self._running.pop(number, None)
        return result

    def _cancel(self, message: Message) -> None:
        answer = self._running.get(message.fields["number"])
        if answer is not None and answer.running is not None:
            answer.running.cancel()
            answer.answered(failed(499, "The call was cancelled"))

    def _nudge(self, message: Message) -> None:
        answer = self._running.get(message.fields["number"])
        if answer is not None and answer.running is not None:
            answer.running.ask()


class _Answer:
    """
    Waits for one answer, in a worker.
    """

    def __init__(self, number: int, channel: Channel) -> None:
        self.number = number
        self.done: Deferred[Message] = Deferred()
        self.running: Running | None = None
        self._channel = channel

    def progressed(self, done: int, everything: int) -> None:
        self._channel.tell(PROGRESS, Message({"number": self.number, "done": done, "everything": everything}))

    def answered(self, outcome: Outcome) -> None:
        if not self.done.called:
            said = [outcome.code, outcome.content_type, outcome.expires, outcome.local]
            self.done.callback(Message({"outcome": said}, (outcome.body or b"",)))
