"""
Noticing that the other machine is gone.
"""

from __future__ import annotations

import contextlib
import socket

from twisted.internet.interfaces import ISSLTransport, ITCPTransport, ITransport

UNACKNOWLEDGED_MOST = 30
"""Seconds that sent bytes may stay unacknowledged by the other machine."""

_OPTIONS = (
    ("TCP_KEEPIDLE", 30),
    ("TCP_KEEPINTVL", 10),
    ("TCP_KEEPCNT", 3),
    ("TCP_USER_TIMEOUT", UNACKNOWLEDGED_MOST * 1000),
)


def watch_over(transport: ITransport) -> None:
    """
    Let the kernel end a TCP connection whose other machine does not answer
    within half a minute, and send small writes at once.

    Other transports are left as they are, and so are options that this
    system does not have.
    """
    if ISSLTransport.providedBy(transport):
        transport = getattr(transport, "transport", transport)
    if not ITCPTransport.providedBy(transport):
        return
    transport.setTcpNoDelay(True)
    transport.setTcpKeepAlive(True)
    handle = getattr(transport, "getHandle", lambda: None)()
    if handle is None:
        return
    for name, value in _OPTIONS:
        with contextlib.suppress(AttributeError, OSError):
            handle.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
