"""
Endpoints as strings of C{clientFromString}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IStreamClientEndpoint

from netstream.config.settings import SocksProxy
from netstream.streaming.socks import SocksEndpoint


def socks5(
    reactor: Any,
    host: str,
    port: str,
    *,
    proxy: str,
    proxyPort: str = "1080",
    user: str = "",
    password: str = "",
    timeout: str = "30",
) -> IStreamClientEndpoint:
    """
    An endpoint that connects through a SOCKS5 proxy.

    @param reactor: Provides time, TCP and names.
    @param host: Name, which the proxy looks up, or numeric address.
    @param proxy: Where the proxy is.
    @param proxyPort: Its port.
    @param user: For a proxy that asks for one.
    @param timeout: Seconds.
    """
    return SocksEndpoint(
        reactor, SocksProxy(proxy, int(proxyPort), user, password), host, int(port), timeout=float(timeout)
    )
