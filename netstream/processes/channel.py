"""
The connection between two processes of one node.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.defer import Deferred, fail, maybeDeferred
from twisted.internet.interfaces import IFileDescriptorReceiver
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from netstream.db.interfaces import UnknownMethod
from netstream.db.messages import NOTHING, Message, Unavailable
from netstream.processes.frames import BadFrame, Frame, FrameReader, Kind

DESCRIPTORS_MOST = 4096
"""Descriptors that may have come before what is said of them."""

_KNOWN: Mapping[str, type[Exception]] = {
    "UnknownMethod": UnknownMethod,
    "ValueError": ValueError,
    "OSError": OSError,
}
"""Failures that keep their type on their way."""

Answer = Message | Deferred[Message] | None


class Failed(Exception):
    """
    The other process met an error of its own.
    """


@implementer(IFileDescriptorReceiver)
class Channel(Protocol):
    """
    Questions, answers and descriptors, both ways, over a Unix socket.

    A verb of the other side that is not known fails there, not here.

    @ivar name: Who is at the other end, for logs.
    @ivar verbs: Who answers what the other side asks or tells.
    @ivar connected: Whether anything can be said.
    """

    transport: Any
    _log = Logger()

    def __init__(self, name: str, lost: Callable[[], None] = lambda: None) -> None:
        """
        @param lost: Is called when the connection has ended.
        """
        self.name = name
        self.verbs: dict[str, Callable[[Message], Answer]] = {}
        self._lost = lost
        self._reader = FrameReader()
        self._asked: dict[int, Deferred[Message]] = {}
        self._number = 0
        self._descriptors: deque[int] = deque()

    # Said by us.

    def ask(self, verb: str, message: Message = NOTHING, descriptor: int | None = None) -> Deferred[Message]:
        """
        As L{netstream.db.messages.Ask}.

        @param descriptor: Goes with it; it is ours to close once there is an
            answer.
        """
        if not self.connected:
            return fail(Unavailable(f"{self.name} does not run just now"))
        self._number = self._number % 0xFFFFFFFF + 1
        try:
            pieces = Frame(Kind.ASK, self._number, verb, message).pieces()
        except ValueError:
            return fail()
        if descriptor is not None:
            self.transport.sendFileDescriptor(descriptor)
        answer = self._asked[self._number] = Deferred()
        self._write(pieces)
        return answer

    def tell(self, verb: str, message: Message = NOTHING) -> None:
        """
        Say something that needs no answer; nobody hears it if the connection
        has ended.
        """
        if self.connected:
            self._write(Frame(Kind.TELL, 0, verb, message).pieces())

    def close(self) -> None:
        """
        End the connection when all that was said is written.
        """
        if self.transport is not None:
            self.transport.loseConnection()

    def descriptor(self) -> int:
        """
        @return: The descriptor that came with what is being dealt with; it is
            the caller's from now on.
        @raise ValueError: None came.
        """
        if not self._descriptors:
            raise ValueError("no descriptor came")
        return self._descriptors.popleft()

    def _write(self, pieces: list[bytes | memoryview]) -> None:
        self.transport.writeSequence([bytes(piece) for piece in pieces])

    # Said to us.

    def fileDescriptorReceived(self, descriptor: int) -> None:
        """
        Keep a descriptor for the question that it comes with (called by
        Twisted).
        """
        os.set_inheritable(descriptor, False)
        if len(self._descriptors) >= DESCRIPTORS_MOST:
            os.close(descriptor)
            return
        self._descriptors.append(descriptor)

    def dataReceived(self, data: bytes) -> None:
        """
        Deal with what was said (called by Twisted).
        """
        try:
            for frame in self._reader.receive(data):
                self._take(frame)
        except BadFrame as problem:
            self._log.error("{name}: {problem}", name=self.name, problem=problem)
            self.transport.abortConnection()

    def _take(self, frame: Frame) -> None:
        if frame.kind in (Kind.ANSWER, Kind.FAILURE):
            asked = self._asked.pop(frame.number, None)
            if asked is None:
                return
            if frame.kind is Kind.ANSWER:
                asked.callback(frame.message)
            else:
                fields = frame.message.fields
                asked.errback(_KNOWN.get(fields["kind"], Failed)(fields["text"]))
            return
        done: Deferred[None] = maybeDeferred(self._verb, frame).addCallback(lambda said: self._answer(said, frame))
        if frame.kind is Kind.ASK:
            done.addErrback(self._fail, frame)
        done.addErrback(lambda failure: self._log.failure("{name}: {verb}", failure, name=self.name, verb=frame.verb))

    def _verb(self, frame: Frame) -> Answer:
        known = self.verbs.get(frame.verb)
        if known is None:
            raise ValueError(f"'{frame.verb}' is nothing that can be asked here")
        return known(frame.message)

    def _answer(self, said: Any, frame: Frame) -> None:
        if self.connected and frame.kind is Kind.ASK:
            self._write(Frame(Kind.ANSWER, frame.number, "", said or NOTHING).pieces())

    def _fail(self, failure: Failure, frame: Frame) -> None:
        kind = next((name for name in _KNOWN if failure.check(_KNOWN[name])), "")
        if not kind:
            self._log.failure("{name}: {verb} failed", failure, name=self.name, verb=frame.verb)
        if self.connected:
            said: dict[str, Any] = {"kind": kind, "text": failure.getErrorMessage()}
            self._write(Frame(Kind.FAILURE, frame.number, "", Message(said)).pieces())

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Whoever waits for an answer gets none (called by Twisted).
        """
        self.connected = 0
        asked, self._asked = self._asked, {}
        while self._descriptors:
            os.close(self._descriptors.popleft())
        self._lost()
        for deferred in asked.values():
            deferred.errback(Unavailable(f"{self.name} ended"))
