"""
Tests for the one port that serves children and browsers.
"""

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from netstream.config.settings import Listener, WebSettings
from netstream.model.pattern import pattern
from netstream.streaming.closing import CLOSED_WITHIN
from netstream.streaming.front import (
    CROWD_DECIDES_WITHIN,
    CROWD_PER_ADDRESS,
    UNDECIDED_PER_ADDRESS,
    FrontFactory,
    address_text,
    peer_text,
)

ALL = frozenset({"dashboard", "streaming"})
PEER = IPv4Address("TCP", "192.0.2.7", 4711)


class Recorder(Protocol):
    """
    Keeps what it is given.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.received = b""
        self.lost = False

    def dataReceived(self, data: bytes) -> None:
        self.received += data

    def connectionLost(self, reason: object = None) -> None:
        self.lost = True


class FrontTests(SynchronousTestCase):
    """
    L{FrontFactory} and its protocol.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.made: list[Recorder] = []

    def front(self, web: WebSettings | None = None, features: frozenset[str] = ALL) -> FrontFactory:
        def make(kind: str) -> Recorder:
            self.made.append(Recorder(kind))
            return self.made[-1]

        def stream(address: IAddress, allowed: bool) -> Recorder:
            return make(f"stream {allowed}")

        return FrontFactory(
            self.clock,
            Listener("*", "tcp", "", 19999, features),
            web or WebSettings(),
            stream,
            lambda address: make("http"),
        )

    def connect(self, front: FrontFactory) -> tuple[Protocol, StringTransport]:
        protocol = front.buildProtocol(PEER)
        assert isinstance(protocol, Protocol)
        transport = StringTransport(peerAddress=PEER)
        protocol.makeConnection(transport)
        return protocol, transport

    def test_every_split(self) -> None:
        """
        However the bytes are cut, streaming is told from HTTP and nothing is
        lost.
        """
        for data, kind in (
            (b"STREAM key=1 HTTP/1.1\r\n\r\n", "stream True"),
            (b"GET / HTTP/1.1\r\n\r\n", "http"),
            (b"STREAMS", "http"),
            (b"stream key", "http"),
        ):
            for size in range(1, len(data) + 1):
                protocol, _ = self.connect(self.front())
                for at in range(0, len(data), size):
                    protocol.dataReceived(data[at : at + size])
                self.assertEqual((self.made[-1].kind, self.made[-1].received), (kind, data))

    def test_tls_on_a_plain_port(self) -> None:
        """
        A TLS hello gets an answer in clear, and the connection ends.
        """
        protocol, transport = self.connect(self.front())
        protocol.dataReceived(b"\x16\x03\x01")
        self.assertTrue(transport.value().startswith(b"HTTP/1.1 400 "))
        self.assertTrue(transport.disconnecting)
        head, body = transport.value().split(b"\r\n\r\n")
        self.assertIn(b"Content-Length: %d" % len(body), head)

    def test_features(self) -> None:
        """
        A port for children only answers browsers with 403, and a port for
        browsers only tells the streaming side so.
        """
        protocol, transport = self.connect(self.front(features=frozenset({"streaming"})))
        protocol.dataReceived(b"GET / HTTP/1.1\r\n\r\n")
        self.assertTrue(transport.value().startswith(b"HTTP/1.1 403 "))
        self.assertEqual(self.made, [])
        protocol, transport = self.connect(self.front(features=frozenset({"dashboard"})))
        protocol.dataReceived(b"STREAM key=")
        self.assertEqual(self.made[-1].kind, "stream False")

    def test_silent_peer(self) -> None:
        """
        Who says nothing is cut off, and leaves no timer.
        """
        protocol, transport = self.connect(self.front())
        self.clock.advance(10)
        self.assertTrue(transport.disconnected)
        protocol.connectionLost()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_decided_has_no_deadline(self) -> None:
        """
        Once it is clear what a peer wants, the front no longer limits it.
        """
        protocol, transport = self.connect(self.front())
        protocol.dataReceived(b"GET ")
        self.assertEqual(self.clock.getDelayedCalls(), [])
        protocol.connectionLost()
        self.assertTrue(self.made[-1].lost)

    def test_undecided_are_bounded(self) -> None:
        """
        One address cannot hold many connections that say nothing.
        """
        front = self.front()
        for _ in range(CROWD_PER_ADDRESS):
            protocol, _ = self.connect(front)
        self.assertIsNone(front.buildProtocol(PEER))
        protocol.dataReceived(b"GET ")
        self.assertIsNotNone(front.buildProtocol(PEER))

    def test_crowd(self) -> None:
        """
        When many come from one address at once, each has a moment to say what
        it wants; no more than a hundred may take longer.
        """
        front = self.front()
        found = [self.connect(front) for _ in range(UNDECIDED_PER_ADDRESS + 50)]
        protocol, _ = found[-1]
        protocol.dataReceived(b"GET ")
        self.clock.advance(CROWD_DECIDES_WITHIN)
        aborted = [number for number, (_, transport) in enumerate(found) if transport.disconnecting]
        self.assertEqual(aborted, list(range(UNDECIDED_PER_ADDRESS, UNDECIDED_PER_ADDRESS + 49)))

    def test_allow_connections_from(self) -> None:
        """
        A peer that C{allow connections from} does not name is closed at once.
        """
        web = WebSettings(allow={"connections": pattern("10.*")})
        self.assertIsNone(self.front(web).buildProtocol(PEER))
        web = WebSettings(allow={"connections": pattern("192.0.*")})
        self.assertIsNotNone(self.front(web).buildProtocol(PEER))

    def test_close(self) -> None:
        """
        Closing is done when the last connection is closed, and leaves no timer.
        """
        front = self.front()
        one, transport = self.connect(front)
        other, _ = self.connect(front)
        other.dataReceived(b"GET ")
        closed = front.close()
        self.assertTrue(transport.disconnecting)
        one.connectionLost()
        self.assertNoResult(closed)
        other.connectionLost()
        self.successResultOf(closed)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.successResultOf(front.close())

    def test_close_with_a_peer_that_does_not_read(self) -> None:
        """
        Who does not read the rest does not keep the node from stopping.
        """
        front = self.front()
        protocol, transport = self.connect(front)
        protocol.dataReceived(b"GET ")
        closed = front.close()
        self.assertFalse(transport.disconnected)
        self.clock.advance(CLOSED_WITHIN)
        self.assertTrue(transport.disconnected)
        protocol.connectionLost()
        self.successResultOf(closed)

    def test_names_of_peers(self) -> None:
        """
        A port for IPv4 and IPv6 names an IPv4 peer as IPv4, to logs and to
        access lists.
        """
        for address, text, name in (
            (PEER, "192.0.2.7:4711", "192.0.2.7"),
            (IPv6Address("TCP", "::ffff:192.0.2.7", 4711), "192.0.2.7:4711", "192.0.2.7"),
            (IPv6Address("TCP", "::ffff:127.0.0.1", 4711), "127.0.0.1:4711", "localhost"),
            (IPv6Address("TCP", "fe80::1%eth0.7", 4711), "[fe80::1%eth0.7]:4711", "fe80::1%eth0.7"),
            (UNIXAddress(None), "unix socket", "localhost"),
        ):
            with self.subTest(address=address):
                self.assertEqual((peer_text(address), address_text(address)), (text, name))
