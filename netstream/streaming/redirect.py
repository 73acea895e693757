"""
Where browsers that come without TLS are sent.
"""

from __future__ import annotations

import re

from twisted.internet.interfaces import IDelayedCall, IReactorTime, ITCPTransport
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

HEAD_MOST = 8192
"""Bytes of a request until its headers end."""

HEAD_WITHIN = 10.0
"""Seconds in which they come."""

_TARGET = re.compile(r"/[!-~]*\Z", re.ASCII)
_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]{1,253})(?::\d{1,5})?\Z", re.ASCII)


def location(head: bytes, here: str) -> str:
    """
    @param head: A request up to the end of its headers.
    @param here: Address and port that were connected to, for who does not say
        how it calls this node.
    @return: The same by HTTPS.
    """
    first, *lines = head.decode("latin-1").split("\r\n")
    words = first.split(" ")
    target = words[1] if len(words) > 1 and _TARGET.match(words[1]) and not words[1].startswith("//") else "/"
    hosts = [line.partition(":")[2].strip() for line in lines if line.partition(":")[0].strip().lower() == "host"]
    host = hosts[0] if len(hosts) == 1 and _HOST.match(hosts[0]) else here
    return f"https://{host}{target}"


class Redirect(Protocol):
    """
    Answers one request: the same by HTTPS.
    """

    transport: ITCPTransport | None

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._head = b""
        self._limit: IDelayedCall | None = None

    def connectionMade(self) -> None:
        """
        Begin to wait for the request (called by Twisted).
        """
        assert self.transport is not None
        self._limit = self._clock.callLater(HEAD_WITHIN, self.transport.abortConnection)

    def dataReceived(self, data: bytes) -> None:
        """
        Answer once the headers are complete (called by Twisted).
        """
        assert self.transport is not None
        if self._limit is None:
            return
        self._head += data[: HEAD_MOST - len(self._head)]
        head, end, _ = self._head.partition(b"\r\n\r\n")
        if not end and len(self._head) < HEAD_MOST:
            return
        self._stop()
        address = self.transport.getHost()
        host, port = getattr(address, "host", "localhost"), getattr(address, "port", 443)
        where = location(head, f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
        text = f"This node is reached by HTTPS: {where}\n"
        self.transport.write(
            f"HTTP/1.1 307 Temporary Redirect\r\nLocation: {where}\r\n"
            f"Content-Type: text/plain\r\nX-Content-Type-Options: nosniff\r\nContent-Length: {len(text)}\r\n"
            f"Connection: close\r\n\r\n{text}".encode()
        )
        self.transport.loseConnection()

    def _stop(self) -> None:
        if self._limit is not None and self._limit.active():
            self._limit.cancel()
        self._limit = None

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        The client is gone (called by Twisted).
        """
        self._stop()
