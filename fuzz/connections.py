"""
The first bytes of connections, to us and from a proxy.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from OpenSSL import SSL
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from netstream.config.settings import Listener, ServerTLS, WebSettings
from netstream.streaming.front import FrontFactory
from netstream.streaming.strangers import recognised
from netstream.tls.making import issue, make_authority, save
from netstream.tls.server import Server
from netstream.wire.socks import SocksError, SocksRequest

_ANSWERED = 4096
"""Most bytes that are said to who is not known yet, certificate and all."""


@lru_cache(maxsize=1)
def _server() -> tuple[Server, WebSettings]:
    with tempfile.TemporaryDirectory(prefix="netstream-fuzz-") as place:
        files = Path(place) / "cert.pem", Path(place) / "key.pem"
        save(issue(make_authority("fuzz", time.time()), ["localhost"], time.time()), *files)
        settings = ServerTLS(*files)
        # The files are gone afterwards; what cannot be read leaves the certificate of before.
        return Server(settings), WebSettings(tls=settings)


def first_bytes(cut: Iterator[bytes]) -> None:
    """
    Who comes to the one port, with TLS or without.
    """
    server, web = _server()
    clock = Clock()
    listener = Listener("*", "tcp", "", 1, frozenset({"dashboard", "streaming"}))
    front = FrontFactory(clock, listener, web, lambda address, allowed: Protocol(), lambda address: Protocol(), server)
    transport = StringTransport()
    protocol: Any = front.buildProtocol(transport.getPeer())
    protocol.makeConnection(transport)
    for piece in cut:
        if piece and not transport.disconnecting:
            protocol.dataReceived(piece)
    clock.advance(30)
    assert len(transport.value()) <= _ANSWERED
    protocol.connectionLost(Failure(connectionDone.value))
    clock.advance(0)
    assert not front._connections and not front.undecided and not clock.getDelayedCalls()


def proxy(cut: Iterator[bytes]) -> None:
    """
    What answers in the place of a SOCKS5 proxy.
    """
    asked = SocksRequest("parent.example", 19999, "me", "secret")
    asked.begin()
    try:
        for piece in cut:
            asked.receive(piece)
            if asked.done:
                return
    except SocksError:
        pass
    text = recognised(asked.heard)
    assert text.isprintable() and len(text) < 400


def first_bytes_seeds() -> Iterator[bytes]:
    """
    @return: What clients of each kind say first.
    """
    for newest in (SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION):
        context = SSL.Context(SSL.TLS_METHOD)
        context.set_max_proto_version(newest)
        client = SSL.Connection(context, None)
        client.set_connect_state()
        try:
            client.do_handshake()
        except SSL.WantReadError:
            yield b"\x02" + client.bio_read(1 << 16)
    yield b"\x01STREAM key=1&hostname=a HTTP/1.1\r\n\r\n"
    yield b"\x01GET /api/v1/info HTTP/1.1\r\nHost: localhost:19999\r\n\r\n"


PROXY_SEEDS = (
    b"\x01\x05\x02\x01\x00\x05\x00\x00\x01\x7f\x00\x00\x01\x12\x34Hit me",
    b"\x02\x05\x00\x05\x00\x00\x03\x03abc\x00\x00",
    b"\x01\x05\x00\x05\x05\x00\x01",
    b"\x01HTTP/1.1 400 Bad Request\r\nServer: squid\r\n\r\n",
)
"""What proxies answer."""
