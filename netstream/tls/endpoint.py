"""
A TLS connection over any other: it counts as made when the certificate is
accepted.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IHandshakeListener,
    IProtocol,
    IProtocolFactory,
    IReactorTime,
    IStreamClientEndpoint,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.protocols.tls import BufferingTLSTransport, TLSMemoryBIOFactory
from twisted.python.failure import Failure
from zope.interface import implementer

from netstream.tls.client import Attempt, Client
from netstream.tls.problem import FINISH, HELLO, Problem, TLSFailed

HANDSHAKE_WITHIN = 15.0
"""Seconds that the other side has for the handshake."""

_KEPT = 512
"""First bytes that are kept until the handshake is done."""

_RECORDS = frozenset(range(0x14, 0x18))
"""First bytes of what speaks TLS."""

Recognise = Callable[[bytes], str]
"""Says who answered with these first bytes, where TLS was expected."""


class _Transport(BufferingTLSTransport):
    """
    Keeps the first bytes that it receives, which tell what answers if that is
    no TLS.
    """

    first: bytes | None = b""

    def dataReceived(self, data: bytes) -> None:
        if self.first is not None and len(self.first) < _KEPT:
            self.first += data[:_KEPT]
        super().dataReceived(data)


@implementer(IHandshakeListener)
class _Handshake(Protocol):
    """
    Stands where the application's protocol will, until that may begin.
    """

    def __init__(self, connecting: _Connecting, address: IAddress) -> None:
        self._connecting = connecting
        self._address = address

    def connectionMade(self) -> None:
        assert isinstance(self.transport, _Transport)
        self._connecting.began(self.transport)

    def handshakeCompleted(self) -> None:
        assert isinstance(self.transport, _Transport)
        self._connecting.complete(self.transport, self._address)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._connecting.lost(reason)


class _Connecting(Factory):
    """
    One attempt: makes the protocol of the handshake, and of the application
    after it.
    """

    noisy = False

    def __init__(self, attempt: Attempt, factory: IProtocolFactory, clock: IReactorTime, recognise: Recognise) -> None:
        self._attempt = attempt
        self._factory = factory
        self._clock = clock
        self._recognise = recognise
        self._under_way: Deferred[IProtocol] | None = None
        self._transport: _Transport | None = None
        self._timer: IDelayedCall | None = None
        self._late = False
        self.result: Deferred[IProtocol] = Deferred(self._cancel)

    def begin(self, inner: IStreamClientEndpoint) -> Deferred[IProtocol]:
        """
        Connect.
        """
        wrapping = TLSMemoryBIOFactory(self._attempt, True, self, self._clock)
        wrapping.protocol = _Transport
        self._under_way = inner.connect(wrapping)
        self._under_way.addErrback(self._not_connected)
        return self.result

    def buildProtocol(self, addr: IAddress | None) -> Protocol:
        """
        The connection is made; the handshake begins (called by Twisted).
        """
        assert addr is not None
        return _Handshake(self, addr)

    def began(self, transport: _Transport) -> None:
        """
        The handshake is under way.
        """
        self._transport = transport
        self._timer = self._clock.callLater(HANDSHAKE_WITHIN, self._too_late)

    def _too_late(self) -> None:
        self._late = True
        assert self._transport is not None
        self._transport.abortConnection()

    def complete(self, transport: _Transport, address: IAddress) -> None:
        """
        The handshake is done: let the application begin.
        """
        self._stop_timer()
        transport.first = None
        protocol = self._factory.buildProtocol(address) if self._attempt.trusted else None
        if protocol is None:
            transport.abortConnection()
            return
        result, self.result = self.result, Deferred()
        transport.wrappedProtocol = protocol
        protocol.makeConnection(transport)
        result.callback(protocol)

    def lost(self, reason: Failure) -> None:
        """
        The connection ended before the handshake was done.
        """
        self._stop_timer()
        assert self._transport is not None
        self._fail(Failure(TLSFailed(self._problem(self._transport.first or b"", reason))))

    def _problem(self, first: bytes, reason: Failure) -> Problem:
        if self._late:
            phase = FINISH if first else HELLO
            return Problem(phase, f"it was not complete within {HANDSHAKE_WITHIN:g} s; does TLS answer on that port?")
        if first and first[0] not in _RECORDS:
            said, _, advice = self._recognise(first).partition("; ")
            here = (
                "leave ':SSL' out of the destination, or let the parent have a certificate ('ssl certificate' in [web])"
            )
            return Problem(HELLO, f"what answers speaks no TLS: {said}; {here if advice in here else advice}")
        return self._attempt.explain(reason)

    def _not_connected(self, failure: Failure) -> None:
        self._fail(failure)

    def _fail(self, failure: Failure) -> None:
        result, self.result = self.result, Deferred()
        if not result.called:
            result.errback(failure)

    def _cancel(self, result: Deferred[IProtocol]) -> None:
        """
        Nobody wants the connection any more.
        """
        if self._transport is not None:
            self._transport.abortConnection()
        elif self._under_way is not None:
            self._under_way.cancel()

    def _stop_timer(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()


@implementer(IStreamClientEndpoint)
class TLSEndpoint:
    """
    Connects with TLS over what another endpoint connects.

    Its Deferred fires once the certificate of the other side is accepted, and
    fails with L{TLSFailed} if it is not.
    """

    def __init__(
        self,
        inner: IStreamClientEndpoint,
        client: Callable[[], Client],
        name: str,
        clock: IReactorTime,
        recognise: Recognise = lambda first: f"it begins {first[:16]!r}",
    ) -> None:
        """
        @param client: Gives whom is trusted; what it raises, the connection
            fails with.
        @param name: Host name or numeric address for which the certificate
            must be.
        @param recognise: Says who answers if it is no TLS.
        """
        self._inner = inner
        self._client = client
        self._name = name
        self._clock = clock
        self._recognise = recognise

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """
        Connect (called by Twisted).
        """
        try:
            attempt = self._client().attempt(self._name)
        except Exception:
            refused: Deferred[IProtocol] = Deferred()
            refused.errback(Failure())
            return refused
        return _Connecting(attempt, protocolFactory, self._clock, self._recognise).begin(self._inner)
