"""
How the samples of a host get to its next parent, from whichever process.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from twisted.internet.abstract import isIPAddress
from twisted.internet.endpoints import HostnameEndpoint, TCP4ClientEndpoint, UNIXClientEndpoint
from twisted.internet.interfaces import IStreamClientEndpoint

from netstream.config.settings import ClientTLS, Destination, StreamSettings
from netstream.db.interfaces import IMetricsDB
from netstream.hub.figures import Counts
from netstream.hub.hub import Host
from netstream.streaming.choice import Connector
from netstream.streaming.strangers import recognised
from netstream.streaming.uplink import Uplink

if TYPE_CHECKING:
    from netstream.tls.client import Client


class Uplinks:
    """
    Makes the services that send.

    @ivar counts: What is counted.
    @ivar spool: Gives what keeps the samples of a host without a database
        while its parent is away, by machine GUID; L{None} if nothing does.
    """

    def __init__(self, reactor: Any, jitter: Callable[[], float], node: str = "", counts: Counts | None = None) -> None:
        """
        @param reactor: Provides time, TCP, UDP, Unix sockets and names.
        @param jitter: Gives a random number from 0 to 1.
        @param node: Machine GUID of this node.
        """
        self._reactor = reactor
        self._jitter = jitter
        self._node = node
        self.counts = counts
        self.spool: Callable[[str], IMetricsDB | None] = lambda guid: None
        self._trust: dict[ClientTLS, Client] = {}

    def make(self, host: Host, settings: StreamSettings) -> Uplink:
        """
        @return: What sends a host's samples, not yet started.
        """
        if host.spool is None and not host.db.keeps:
            host.spool = self.spool(host.info.guid)
            host.save()
        return Uplink(host, settings, self._reactor, self.connector(settings), self._jitter, self._node, self.counts)

    def connector(self, settings: StreamSettings) -> Connector:
        """
        @return: What makes the endpoints of destinations by these settings.
        """
        return partial(self._endpoint, settings)

    def trust(self, settings: ClientTLS) -> Client:
        """
        @return: What is trusted; the files are read once.
        @raise ConfigError: One cannot be used.
        """
        from netstream.tls.client import Client

        if settings not in self._trust:
            self._trust[settings] = Client(settings)
        return self._trust[settings]

    def plain(self, settings: StreamSettings, destination: Destination, timeout: float) -> IStreamClientEndpoint:
        """
        @return: What connects to a destination, without TLS.
        """
        if destination.protocol == "unix":
            return UNIXClientEndpoint(self._reactor, destination.host, timeout=timeout)
        if settings.proxy is not None:
            from netstream.streaming.socks import SocksEndpoint

            return SocksEndpoint(self._reactor, settings.proxy, destination.host, destination.port, timeout)
        if isIPAddress(destination.host):
            # There is no name to be found, which would take a thread and tables of letters.
            return TCP4ClientEndpoint(self._reactor, destination.host, destination.port, timeout=timeout)
        host = destination.host + ("%" + destination.interface if destination.interface else "")
        return HostnameEndpoint(self._reactor, host, destination.port, timeout=timeout)

    def _endpoint(self, settings: StreamSettings, destination: Destination, timeout: float) -> IStreamClientEndpoint:
        trust = partial(self.trust, settings.tls)
        if destination.protocol == "udp":
            from netstream.quic.client import QuicEndpoint  # which few nodes need, and is large

            return QuicEndpoint(self._reactor, destination.host, destination.port, trust, timeout)
        plain = self.plain(settings, destination, timeout)
        if not destination.tls:
            return plain
        from netstream.tls.endpoint import TLSEndpoint

        return TLSEndpoint(plain, trust, destination.host, self._reactor, partial(recognised, tls=True))
