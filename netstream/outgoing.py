"""
How this machine connects to parents: by TCP, through SOCKS, by Unix sockets
and UDP, with TLS or without.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from twisted.internet.endpoints import HostnameEndpoint, UNIXClientEndpoint
from twisted.internet.interfaces import IStreamClientEndpoint

from netstream.config.settings import ClientTLS, Destination, StreamSettings
from netstream.streaming.choice import Connector
from netstream.streaming.socks import SocksEndpoint
from netstream.streaming.strangers import recognised
from netstream.tls.client import Client
from netstream.tls.endpoint import TLSEndpoint


class Outgoing:
    """
    Makes endpoints of destinations.
    """

    def __init__(self, reactor: Any) -> None:
        """
        @param reactor: Provides time, TCP, UDP, Unix sockets and names.
        """
        self._reactor = reactor
        self._trust: dict[ClientTLS, Client] = {}

    def trust(self, settings: ClientTLS) -> Client:
        """
        @return: Whom connections trust.
        @raise ConfigError: A file that the settings name cannot be used.
        """
        if settings not in self._trust:
            self._trust[settings] = Client(settings)
        return self._trust[settings]

    def connector(self, settings: StreamSettings) -> Connector:
        """
        @return: What makes the endpoints of destinations by these settings.
        """
        return partial(self.endpoint, settings)

    def endpoint(self, settings: StreamSettings, destination: Destination, timeout: float) -> IStreamClientEndpoint:
        """
        @param timeout: Seconds to connect.
        @return: The endpoint of a destination.
        """
        trust = partial(self.trust, settings.tls)
        if destination.protocol == "udp":
            from netstream.quic.client import QuicEndpoint

            return QuicEndpoint(self._reactor, destination.host, destination.port, trust, timeout)
        plain = self.plain(settings, destination, timeout)
        if not destination.tls:
            return plain
        return TLSEndpoint(plain, trust, destination.host, self._reactor, recognised)

    def plain(self, settings: StreamSettings, destination: Destination, timeout: float) -> IStreamClientEndpoint:
        """
        @return: The endpoint of a destination, but without TLS.
        """
        if destination.protocol == "unix":
            return UNIXClientEndpoint(self._reactor, destination.host, timeout=timeout)
        if settings.proxy is not None:
            return SocksEndpoint(self._reactor, settings.proxy, destination.host, destination.port, timeout)
        host = destination.host + ("%" + destination.interface if destination.interface else "")
        return HostnameEndpoint(self._reactor, host, destination.port, timeout=timeout)
