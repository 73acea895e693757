"""
Connections through a SOCKS5 proxy.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.error import ConnectError
from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IProtocol,
    IProtocolFactory,
    IReactorTime,
    IStreamClientEndpoint,
    ITCPTransport,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from netstream.config.settings import SocksProxy
from netstream.endings import how_ended
from netstream.streaming.strangers import recognised
from netstream.wire.socks import SocksError, SocksRequest


class SocksFailed(ConnectError):
    """
    The proxy cannot be reached, or does not connect us.
    """

    def __init__(self, proxy: str, reason: str) -> None:
        super().__init__()
        self.args = (f"SOCKS5 proxy {proxy}: {reason}",)

    def __str__(self) -> str:
        return str(self.args[0])


class _Asking(Protocol):
    """
    Asks the proxy, then passes on what comes.
    """

    transport: ITCPTransport | None

    def __init__(self, request: SocksRequest, through: _Through, address: IAddress) -> None:
        self._request = request
        self._through = through
        self._address = address
        self._inner: IProtocol | None = None

    def connectionMade(self) -> None:
        """
        Greet the proxy (called by Twisted).
        """
        assert self.transport is not None
        self._through.began(self.transport)
        self.transport.write(self._request.begin())

    def dataReceived(self, data: bytes) -> None:
        """
        Read the proxy's answers, then what is for the application (called by
        Twisted).
        """
        if self._inner is not None:
            self._inner.dataReceived(data)
            return
        if self._through.over:
            return
        assert self.transport is not None
        try:
            answer = self._request.receive(data)
        except SocksError as problem:
            reason = str(problem)
            if reason.startswith("what answers"):
                reason += f": {recognised(self._request.heard)}"
            self._through.refused(reason)
            return
        if answer:
            self.transport.write(answer)
        if self._request.done:
            self._inner = self._through.connected(self._address)
            if self._inner is None:
                self.transport.abortConnection()
                return
            self._inner.makeConnection(self.transport)
            if self._request.rest:
                self._inner.dataReceived(self._request.rest)
            self._through.made(self._inner)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Pass the end on (called by Twisted).
        """
        if self._inner is not None:
            self._inner.connectionLost(reason)
        else:
            self._through.refused("it closed the connection instead of an answer")


class _Through(Factory):
    """
    One attempt to connect through a proxy.
    """

    noisy = False

    def __init__(
        self, name: str, request: SocksRequest, factory: IProtocolFactory, clock: IReactorTime, within: float
    ) -> None:
        self._name = name
        self._request = request
        self._factory = factory
        self._clock = clock
        self._within = within
        self._transport: ITCPTransport | None = None
        self._under_way: Deferred[IProtocol] | None = None
        self._timer: IDelayedCall | None = None
        self.over = False
        """Whether it is decided how the attempt ends."""
        self.result: Deferred[IProtocol] = Deferred(self._cancel)

    def begin(self, proxy: IStreamClientEndpoint) -> Deferred[IProtocol]:
        """
        Connect to the proxy.
        """
        self._under_way = proxy.connect(self)
        self._under_way.addErrback(
            lambda failure: self.refused(f"cannot be connected: {how_ended(failure, 'the proxy')}")
        )
        return self.result

    def buildProtocol(self, addr: IAddress | None) -> Protocol:
        """
        The proxy is connected (called by Twisted).
        """
        assert addr is not None
        return _Asking(self._request, self, addr)

    def began(self, transport: ITCPTransport) -> None:
        """
        Wait for the proxy's answers, not for ever.
        """
        self._transport = transport
        self._timer = self._clock.callLater(self._within, self.refused, f"no connection within {self._within:g} s")

    def connected(self, address: IAddress) -> IProtocol | None:
        """
        @return: The protocol of the application, which may begin.
        """
        self._end()
        return self._factory.buildProtocol(address)

    def made(self, protocol: IProtocol) -> None:
        """
        The application has its connection.
        """
        if not self.result.called:
            self.result.callback(protocol)

    def refused(self, reason: str) -> None:
        """
        There will be no connection.
        """
        if self.over:
            return
        self._end()
        if self._transport is not None:
            self._transport.abortConnection()
        if not self.result.called:
            self.result.errback(Failure(SocksFailed(self._name, reason)))

    def _end(self) -> None:
        self.over = True
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

    def _cancel(self, result: Deferred[IProtocol]) -> None:
        """
        Nobody wants the connection any more.
        """
        self._end()
        if self._transport is not None:
            self._transport.abortConnection()
        elif self._under_way is not None:
            self._under_way.cancel()


@implementer(IStreamClientEndpoint)
class SocksEndpoint:
    """
    Connects to a host through a SOCKS5 proxy, which looks its name up.
    """

    def __init__(self, reactor: Any, proxy: SocksProxy, host: str, port: int, timeout: float = 30.0) -> None:
        """
        @param reactor: Provides time, TCP and names.
        @param timeout: Seconds to connect to the proxy, and for it to connect
            to the host.
        """
        self._proxy = proxy
        self._host = host
        self._port = port
        self._timeout = timeout
        self._clock = reactor
        self._to_proxy = HostnameEndpoint(reactor, proxy.host, proxy.port, timeout=timeout)

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """
        Connect (called by Twisted).
        """
        proxy = self._proxy
        try:
            request = SocksRequest(self._host, self._port, proxy.user, proxy.password)
        except ValueError as problem:
            refused: Deferred[IProtocol] = Deferred()
            refused.errback(Failure(SocksFailed(proxy.text, str(problem))))
            return refused
        through = _Through(proxy.text, request, protocolFactory, self._clock, self._timeout)
        return through.begin(self._to_proxy)
