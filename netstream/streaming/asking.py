"""
Asking a parent what it has of a host, before it is asked to take it.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime, IStreamClientEndpoint, ITCPTransport
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from netstream.session.choosing import AnswerReader, StreamInfo

ASK_WITHIN = 5.0
"""Seconds to connect, and again to be answered."""


class _Question(Protocol):
    """
    One question, on a connection of its own.

    @ivar answer: Fires with what is said; L{None} is no information.
    """

    transport: ITCPTransport | None

    def __init__(self, text: bytes, clock: IReactorTime) -> None:
        self._text = text
        self._clock = clock
        self._reader = AnswerReader()
        self._limit: IDelayedCall | None = None
        self._over = False
        self.answer: Deferred[StreamInfo | None] = Deferred(lambda _: self._end())

    def connectionMade(self) -> None:
        """
        Ask (called by Twisted).
        """
        assert self.transport is not None
        self._limit = self._clock.callLater(ASK_WITHIN, self._end)
        self.transport.write(self._text)

    def dataReceived(self, data: bytes) -> None:
        """
        Read the answer (called by Twisted).
        """
        if not self._over and self._reader.receive(data):
            self._end()

    def _end(self) -> None:
        assert self.transport is not None
        if not self._over:
            self.transport.abortConnection()
            self._tell()

    def _tell(self) -> None:
        self._over = True
        if self._limit is not None and self._limit.active():
            self._limit.cancel()
        if not self.answer.called:
            self.answer.callback(self._reader.finish())

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        The connection is closed (called by Twisted).
        """
        if not self._over:
            self._tell()


def ask(endpoint: IStreamClientEndpoint, text: bytes, clock: IReactorTime) -> Deferred[StreamInfo | None]:
    """
    Ask a parent.

    @param endpoint: Where it is; does not take longer than L{ASK_WITHIN} to
        connect.
    @param text: The question.
    @return: Fires with what it says; L{None} is no information.  Fails if it
        cannot be connected.
    """
    return Deferred.fromCoroutine(_ask(endpoint, text, clock))


async def _ask(endpoint: IStreamClientEndpoint, text: bytes, clock: IReactorTime) -> StreamInfo | None:
    question = _Question(text, clock)
    factory = Factory.forProtocol(lambda: question)
    factory.noisy = False
    await endpoint.connect(factory)
    return await question.answer
