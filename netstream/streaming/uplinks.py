"""
How the samples of a host get to its next parent, from whichever process.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.endpoints import HostnameEndpoint, UNIXClientEndpoint
from twisted.internet.interfaces import IStreamClientEndpoint

from netstream.config.settings import Destination, StreamSettings
from netstream.hub.hub import Host
from netstream.streaming.child import Uplink


class Uplinks:
    """
    Makes the services that send.
    """

    def __init__(self, reactor: Any) -> None:
        """
        @param reactor: Provides time, TCP, Unix sockets and names.
        """
        self._reactor = reactor

    def make(self, host: Host, settings: StreamSettings) -> Uplink:
        """
        @return: What sends a host's samples, not yet started.
        """
        return Uplink(host, settings, self._reactor, self._endpoint)

    def _endpoint(self, destination: Destination, timeout: float) -> IStreamClientEndpoint:
        if destination.protocol == "unix":
            return UNIXClientEndpoint(self._reactor, destination.host, timeout=timeout)
        host = destination.host + ("%" + destination.interface if destination.interface else "")
        return HostnameEndpoint(self._reactor, host, destination.port, timeout=timeout)
