"""
Datagrams of strangers, of children and of parents, by UDP.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from aioquic import tls
from aioquic.buffer import Buffer
from aioquic.quic.packet import QuicPacketType, encode_long_header_first_byte
from twisted.internet.protocol import Factory, Protocol

from netstream.config.settings import ClientTLS, ServerTLS
from netstream.quic.client import QuicEndpoint
from netstream.quic.connection import STREAM, WINDOW, Connection, configuration
from netstream.quic.server import QuicPort, QuicServerEndpoint
from netstream.testing.network import Network
from netstream.tls.client import Client
from netstream.tls.making import issue, make_authority, save
from netstream.tls.server import Server

PORT: Final = 19999
_KEPT: Final = 3 * WINDOW
"""Bytes that one connection keeps of a peer at most, what aioquic keeps of handshakes included."""


@lru_cache(maxsize=1)
def _papers() -> tuple[Server, Client]:
    with tempfile.TemporaryDirectory(prefix="netstream-fuzz-") as place:
        files = Path(place) / "cert.pem", Path(place) / "key.pem"
        save(issue(make_authority("fuzz", time.time()), ["server"], time.time()), *files)
        # The files are gone afterwards; what cannot be read leaves the certificate of before.
        return Server(ServerTLS(*files)), Client(ClientTLS(skip_verification=True))


class _Link:
    """
    A server, and a client that is connected to it where that is wanted.
    """

    def __init__(self) -> None:
        server, self._trust = _papers()
        server.refresh = lambda: server.pair  # type: ignore[method-assign]  # not a stat for each input
        self.network = Network(1_800_000_000.0)
        self.server, self.client = self.network.machine("server"), self.network.machine("client")
        self.accepted: list[Any] = []
        factory = Factory.forProtocol(self._accept)
        factory.noisy = False
        found: list[Any] = []
        QuicServerEndpoint(self.server, PORT, server).listen(factory).addCallback(found.append)
        self.port: QuicPort = found[0]

    def _accept(self) -> Protocol:
        self.accepted.append(Protocol())
        return self.accepted[-1]  # type: ignore[no-any-return]

    def connect(self) -> Any:
        """
        @return: The client's side of a connection.
        """
        made: list[Any] = []
        factory = Factory.forProtocol(Protocol)
        factory.noisy = False
        QuicEndpoint(self.client, "server", PORT, lambda: self._trust).connect(factory).addCallback(made.append)
        self.network.advance(0.1)
        return made[0].transport

    def finish(self) -> None:
        """
        Whatever came, it is over some time later.
        """
        self.network.advance(1)
        for carrier in list(self.port.connections):
            kept = sum(map(len, carrier._held))
            stream = carrier.connection._streams.get(STREAM)
            kept += len(stream.receiver._buffer) if stream is not None else 0
            crypto = getattr(carrier.connection, "_crypto_streams", {})
            kept += sum(len(each.receiver._buffer) for each in crypto.values())
            assert kept <= _KEPT, kept
        self.network.advance(120)
        assert not self.port.connections and not self.port._routes and not self.port._handshakes


def strangers(cut: Iterator[bytes]) -> None:
    """
    Who sends datagrams to the port and is connected to nothing.
    """
    link = _Link()
    said: list[int] = []
    link.port.transport.write = lambda data, addr: said.append(len(data))
    for number, piece in enumerate(cut):
        said.clear()
        link.port.datagramReceived(piece, ("10.9.9.9", 1 + number % 3))
        assert sum(said) <= len(piece), "more is answered than came"
    link.finish()


def first_frames(cut: Iterator[bytes]) -> None:
    """
    Who knows how first datagrams are made, and puts anything into them.
    """
    link = _Link()
    said: list[bytes] = []
    link.port.transport.write = lambda data, addr: said.append(data)
    place, server = ("10.9.9.9", 7), (link.server.address, PORT)
    client = Connection(configuration(client=True))
    client.connect(server, 0.0)
    link.port.datagramReceived(client.datagrams_to_send(0.0)[0][0], place)
    client.receive_datagram(said[0], server, 0.1)
    for number, piece in enumerate(cut):
        link.port.datagramReceived(_initial(client, piece[:1100], number), place)
        link.network.advance(0.001)
    link.network.advance(11)
    link.finish()


def _initial(client: Any, payload: bytes, number: int) -> bytes:
    """
    @return: An Initial packet with any frames.
    """
    payload = payload.ljust(1100, b"\x00")
    header = Buffer(capacity=600)
    header.push_uint8(encode_long_header_first_byte(client._version, QuicPacketType.INITIAL, 1))
    header.push_uint32(client._version)
    for name in (client._peer_cid.cid, client.host_cid):
        header.push_uint8(len(name))
        header.push_bytes(name)
    header.push_uint_var(len(client._peer_token))
    header.push_bytes(client._peer_token)
    header.push_uint16((len(payload) + 2 + 16) | 0x4000)
    header.push_uint16(number)
    crypto = client._cryptos_initial[client._version]
    found: bytes = crypto.encrypt_packet(header.data, payload, number)
    return found.ljust(1200, b"\x00")


def _one_rtt(sender: Any, payload: bytes, number: int) -> bytes:
    """
    @return: A packet of an established connection with any frames; nothing
        once the connection is over.
    """
    payload = payload.ljust(4, b"\x00")
    crypto = sender._cryptos[tls.Epoch.ONE_RTT]
    if not crypto.send.is_valid():
        return b""
    header = bytes([0x40 | crypto.key_phase << 2 | 1]) + sender._peer_cid.cid + number.to_bytes(2, "big")
    found: bytes = crypto.encrypt_packet(header, payload, number)
    return found


def child_frames(cut: Iterator[bytes]) -> None:
    """
    A child that is connected, and sends anything.
    """
    link = _Link()
    mine = link.connect()
    if not link.accepted:
        return
    here = mine.getHost()
    for number, piece in enumerate(cut):
        if piece:
            datagram = _one_rtt(mine.connection, piece[:1100], 1000 + number)
            link.port.datagramReceived(datagram, (link.client.address, here.port + number % 2))
        link.network.advance(0.05)
    link.port.stopListening()
    mine.abortConnection()
    link.finish()


def parent_frames(cut: Iterator[bytes]) -> None:
    """
    A parent that sends anything.
    """
    link = _Link()
    mine = link.connect()
    theirs = link.accepted[0].transport
    for number, piece in enumerate(cut):
        if piece:
            datagram = _one_rtt(theirs.connection, piece[:1100], 1000 + number)
            mine.received(datagram, (link.server.address, PORT))
        link.network.advance(0.05)
    mine.abortConnection()
    link.network.advance(120)
    assert set(link.network.sockets) <= {(link.server.address, PORT)}, "a socket is left"
    link.finish()


def stranger_seeds() -> Iterator[bytes]:
    """
    @return: First datagrams, whole and too short, of known and unknown
        versions, and what belongs to no connection.
    """
    client = Connection(configuration(client=True))
    client.connect(("10.0.0.1", PORT), 0.0)
    first = client.datagrams_to_send(0.0)[0][0]
    yield b"\x00" + first
    yield b"\x01" + first + first
    yield b"\x00" + first[:600]
    yield b"\x00\xc0\x11\x22\x33\x44\x08" + bytes(1250)
    yield b"\x00\x40" + os.urandom(50)
    yield b"\x00\xc0\x00\x00\x00\x00\x08" + bytes(1250)


FRAMES: Final = (
    b"\x00\x01\x00\x00",
    b"\x00\x06\x00\x44\x00" + b"\x01\x00\x03\xfc\x03\x03" + bytes(1018),
    b"\x00\x06\x80\x07\x00\x00\x41\x00" + bytes(256),
    b"\x00\x0a\x00\x05hello",
    b"\x00\x0e\x00\x80\x07\xff\x00\x40\x10" + bytes(16),
    b"\x01\x0f\x00\x80\x01\x00\x00\x10" + bytes(16) + b"\x04\x00\x00\x80\x01\x00\x00",
    b"\x00\x10\xbf\xff\xff\xff\x11\x00\xbf\xff\xff\xff",
    b"\x00\x18\x05\x00\x08" + bytes(range(24)) + b"\x19\x01",
    b"\x00\x1a12345678\x1b87654321",
    b"\x00\x1c\x00\x00\x03bye",
    b"\x00\x1d\x01\x03bye",
    b"\x00\x02\x43\xe8\x00\x00\x00\x03\x43\xe9\x00\x01\x00\x00\x00\x00\x00\x00",
    b"\x00\x05\x00\x01\x04\x04\x01\x00",
    b"\x00\x07\x05token\x1e\x30\x05abcde",
)
"""Frames of each kind."""
