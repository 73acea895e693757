"""
Tests for how connections by UDP begin, or why not.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.error import ConnectionRefusedError, DNSLookupError
from twisted.internet.protocol import Factory

from netstream.endings import how_ended
from netstream.quic import connection as connections
from netstream.quic.client import QuicEndpoint, QuicFailed
from netstream.quic.connection import Connection, configuration
from netstream.quic.server import HANDSHAKES, HANDSHAKES_PER_ADDRESS, QuicServerEndpoint
from netstream.tls.certificates import certificate_fingerprint
from netstream.tls.problem import TLSFailed
from tests.quic.case import PORT, LinkCase, Talker
from tests.tls.papers import pair, write, write_authority

NAMED = "11111111-2222-4333-8444-555555555555"


class TrustTests(LinkCase):
    """
    Certificates are held to the same as over TCP.
    """

    def failure(self, **more: Any) -> str:
        """
        @return: Why there is no connection.
        """
        connecting = self.connecting(**more)
        self.network.advance(11)
        problem = self.failureResultOf(connecting, TLSFailed)
        self.network.advance(5)
        return problem.getErrorMessage()

    def test_trusted(self) -> None:
        """
        A certificate of a known authority, for the name that is connected to,
        is good; and so is any if that is said, or the one of a fingerprint.
        """
        self.listen()
        self.assertEqual(self.connected().transport.getPeerCertificate().get_subject().CN, "parent")
        for tls in (
            {"skip_verification": True},
            {"fingerprint": certificate_fingerprint(pair("parent").certificate)},
        ):
            client = self.connected(**tls)
            client.transport.write(b"x")
            client.transport.loseConnection()
            self.network.advance(5)
        self.assertIsNone(self.accepted[0].transport.getPeerCertificate())
        self.assertEqual(self.said("handshake failed"), [])

    def test_unknown_authority(self) -> None:
        """
        A certificate of an unknown authority is refused; both sides say so,
        and what would help.
        """
        self.listen()
        other = write_authority(self.directory / "other", "Other CA")
        said = self.failure(ca_file=other)
        self.assertIn("TLS handshake failed (certificate): the certificate is issued by an authority that is not", said)
        self.assertIn("ssl certificate fingerprint = ", said)
        (line,) = self.said("by UDP: TLS handshake failed (certificate)")
        self.assertIn("it does not accept the certificate that it was shown; it needs 'CAfile'", line)
        self.assertEqual(self.accepted, [])

    def test_wrong_name(self) -> None:
        """
        A certificate for another name is refused, unless names do not matter.
        """
        self.certificate, self.key = write(pair("elsewhere"), self.directory)
        self.listen()
        said = self.failure()
        self.assertIn("the certificate is not for 'parent'; write one of its names in 'destination'", said)
        self.assertIn("'ssl verify hostname = no'", said)
        self.connected(ca_file=self.ca, verify_hostname=False)

    def test_address(self) -> None:
        """
        A numeric address is a name too.
        """
        self.listen()
        connecting = self.connecting(host=self.parent.address)
        self.network.advance(2)
        self.assertIn(f"is not for '{self.parent.address}'", self.failureResultOf(connecting).getErrorMessage())
        self.certificate, self.key = write(pair(self.parent.address), self.directory)
        self.listen(PORT + 1)
        connecting = self.connecting(host=self.parent.address, port=PORT + 1)
        self.network.advance(2)
        self.successResultOf(connecting)

    def test_expired(self) -> None:
        """
        An expired certificate is refused with the dates.
        """
        self.listen()
        self.certificate, self.key = write(pair("parent", made=-60), self.directory, "old-")
        self.successResultOf(
            QuicServerEndpoint(self.parent, PORT + 1, _Expired(self.certificate, self.key)).listen(Factory())
        )
        said = self.failure(port=PORT + 1)
        self.assertIn("the certificate expired on", said)

    def test_not_for_servers(self) -> None:
        """
        The certificate of a client does not make a server.
        """
        self.certificate, self.key = write(pair("parent", client=True), self.directory)
        self.listen()
        self.assertIn("not meant for this use", self.failure())

    def test_client_certificates(self) -> None:
        """
        A client presents its certificate where one is asked for: without one,
        or with one of another authority, there is no connection where it is
        demanded; with a good one, the server knows it.
        """
        self.listen(client_ca=self.ca, client_needed="yes")
        connecting = self.connecting()
        self.network.advance(1)
        # In TLS 1.3 a client is done before it hears what the server thinks of it.
        client = self.successResultOf(connecting)
        assert client.lost is not None
        self.assertIn("the other side refused: it demands a certificate", how_ended(client.lost))
        (line,) = self.said("by UDP: TLS handshake failed")
        self.assertIn("it presented no certificate, and 'ssl require client certificate' in [web] demands one", line)
        write_authority(self.directory / "other", "Other CA")
        for by, good in (("Other CA", False), ("Test CA", True)):
            certificate, key = write(pair(f"urn:uuid:{NAMED}", by=by, client=True), self.directory, "client-")
            self.logged.clear()
            connecting = self.connecting(ca_file=self.ca, certificate=certificate, key=key)
            self.network.advance(1)
            client = self.successResultOf(connecting)
            self.assertEqual(client.lost is None, good, client.end)
            self.assertEqual(bool(self.said("issued by an authority that is not known here")), not good, self.logged)
        (server,) = self.accepted
        self.assertEqual(server.transport.getPeerCertificate().get_subject().CN, NAMED)

    def test_optional(self) -> None:
        """
        Where only children need a certificate, others come without.
        """
        self.listen(client_ca=self.ca, client_needed="streaming")
        self.assertIsNone(self.connected().lost)

    def test_new_certificate(self) -> None:
        """
        A new certificate is presented to who comes next; nobody is cut off.
        """
        self.listen()
        client = self.connected()
        write(pair("parent", "other"), self.directory)
        first = client.transport.getPeerCertificate().get_serial_number()
        second = self.connected().transport.getPeerCertificate().get_serial_number()
        self.assertNotEqual(first, second)
        self.assertIsNone(client.lost)


class _Expired:
    """
    What a server has whose certificate expired while it ran.
    """

    asks = False

    def __init__(self, certificate: Any, key: Any) -> None:
        self.pair = pair("parent", made=-60)

    def refresh(self) -> Any:
        return self.pair

    def examine(self, chain: Any) -> None:
        return None

    def explain(self, connection: Any, reason: Any) -> Any:
        return reason.getErrorMessage()


class ReachTests(LinkCase):
    """
    Why nobody is reached.
    """

    def test_nobody_listens(self) -> None:
        """
        When nothing listens, the other machine says so, and it is believed at
        once.
        """
        connecting = self.connecting()
        self.network.advance(0.2)
        problem = self.failureResultOf(connecting, ConnectionRefusedError)
        self.assertIn("nothing listens there for UDP", problem.getErrorMessage())
        self.assertEqual(self.network.sockets, {})

    def test_nothing_answers(self) -> None:
        """
        When nothing comes back, the time is bounded, and it is said what to
        look at.
        """
        self.listen()
        self.network.cut("parent", "child")
        connecting = self.connecting(timeout=7)
        self.network.advance(7.1)
        said = self.failureResultOf(connecting, QuicFailed).getErrorMessage()
        self.assertIn("nothing answered by UDP within 7 s; does the parent have 'udp:' in 'bind to'", said)

    def test_no_such_name(self) -> None:
        """
        A name without an address is told.
        """
        problem = self.failureResultOf(self.connecting(host="nowhere"), DNSLookupError)
        self.assertIn("nowhere has no address", problem.getErrorMessage())

    def test_cancelled(self) -> None:
        """
        An attempt that nobody wants any more leaves nothing behind.
        """
        self.listen()
        connecting = self.connecting()
        self.network.advance(0.03)
        connecting.cancel()
        self.failureResultOf(connecting)
        self.network.advance(20)
        self.assertEqual(len(self.network.sockets), 1)
        self.assertEqual(self.accepted, [])

    def test_other_application(self) -> None:
        """
        A server that speaks QUIC for something else is not taken for a parent,
        and says what came.
        """
        self.listen()
        self.patch(connections, "ALPN", "h3")
        connecting = self.connecting()
        self.patch(connections, "ALPN", "netstream/1")
        self.network.advance(5)
        self.assertIn("speaks QUIC, but is no streaming node", self.failureResultOf(connecting).getErrorMessage())
        (line,) = self.said("by UDP: ")
        self.assertIn("it speaks QUIC, but wants something else than a streaming node", line)

    def test_bad_weather(self) -> None:
        """
        Handshakes succeed although one datagram in five is lost.
        """
        self.listen()
        self.network.weather.loss = 0.2
        for _ in range(20):
            self.connected()


class HostileTests(LinkCase):
    """
    Those who do not mean it.
    """

    def first(self, address: Any = None) -> bytes:
        """
        @return: The first datagram of a client.
        """
        client = Connection(configuration(client=True))
        client.connect((self.parent.address, PORT), 0.0)
        ((datagram, _),) = client.datagrams_to_send(0.0)
        return datagram

    def test_nothing_is_kept(self) -> None:
        """
        First datagrams, also with addresses that are not their senders',
        leave nothing behind and are answered with less than they are.
        """
        port = self.listen()
        sent: list[int] = []
        self.patch(port.transport, "write", lambda data, addr: sent.append(len(data)))
        for number in range(1000):
            port.datagramReceived(self.first(), (f"10.1.{number // 250}.{number % 250}", number + 1))
        self.assertEqual((port.connections, port._routes, port._handshakes), ({}, {}, {}))
        self.assertEqual(len(sent), 1000)
        self.assertLess(max(sent), 300)

    def test_tokens(self) -> None:
        """
        A token counts for the address to which it was sent, and not for long.
        """
        port = self.listen()
        written: list[bytes] = []
        self.patch(port.transport, "write", lambda data, addr: written.append(data))
        client = Connection(configuration(client=True))
        client.connect((self.parent.address, PORT), 0.0)
        here, there = (self.child.address, 5), ("10.9.9.9", 5)
        port.datagramReceived(client.datagrams_to_send(0.0)[0][0], here)
        client.receive_datagram(written[0], (self.parent.address, PORT), 0.1)
        again = client.datagrams_to_send(0.1)[0][0]
        port.datagramReceived(again, there)
        self.assertEqual(len(port.connections), 0)
        self.network.advance(31)
        port.datagramReceived(again, here)
        self.assertEqual(len(port.connections), 0)

    def begin(self, port: Any, address: Any) -> None:
        """
        Begin a handshake that nobody will end.
        """
        written: list[bytes] = []
        self.patch(port.transport, "write", lambda data, addr: written.append(data))
        client = Connection(configuration(client=True))
        client.connect((self.parent.address, PORT), 0.0)
        port.datagramReceived(client.datagrams_to_send(0.0)[0][0], address)
        client.receive_datagram(written[0], (self.parent.address, PORT), 0.1)
        for datagram, _ in client.datagrams_to_send(0.1):
            port.datagramReceived(datagram, address)

    def test_handshakes(self) -> None:
        """
        Handshakes that nobody ends are bounded, for each address and in all,
        and are forgotten soon; then others have their turn.
        """
        port = self.listen()
        for number in range(HANDSHAKES_PER_ADDRESS + 5):
            self.begin(port, ("10.2.0.0", number + 1))
        self.assertEqual(len(port.connections), HANDSHAKES_PER_ADDRESS)
        for number in range(HANDSHAKES):
            self.begin(port, (f"10.3.0.{number}", 1))
        self.assertEqual(len(port.connections), HANDSHAKES)
        self.network.advance(11)
        self.assertEqual((port.connections, port._routes, port._handshakes), ({}, {}, {}))
        self.assertEqual(port._undecided, {})
        self.assertIn("it was not complete within 10 s", self.said("by UDP: ")[0])

    def test_storm_of_nothing(self) -> None:
        """
        Datagrams of no connection are answered some hundred times a second at
        most, always with less than they are.
        """
        port = self.listen()
        sent: list[int] = []
        self.patch(port.transport, "write", lambda data, addr: sent.append(len(data)))
        for number in range(2000):
            port.datagramReceived(b"\x40" + number.to_bytes(8, "big") + bytes(16 + number % 60), ("10.4.0.1", 1))
        self.assertEqual(len(sent), 100)
        sent.clear()
        self.network.advance(1)
        port.datagramReceived(b"\xc0\x11\x22\x33\x44\x08" + bytes(1250), ("10.4.0.1", 1))
        port.datagramReceived(b"\xc0\x11\x22\x33\x44\x08" + bytes(250), ("10.4.0.1", 1))
        self.assertEqual(len(sent), 1)
        for size in range(60):
            port.datagramReceived(b"\xc0" * size, ("10.4.0.1", 1))
            port.datagramReceived(b"\x00" * size, ("10.4.0.1", 1))

    def test_second_stream(self) -> None:
        """
        A client that opens more than the one stream is closed on.
        """
        self.listen()
        client = self.connected()
        connection = client.transport.connection
        stream = connection._get_or_create_stream_for_send(4)
        stream.is_blocked = False
        connection.send_stream_data(4, b"more")
        client.transport.soon()
        self.network.advance(1)
        self.assertTrue(self.accepted[0].lost)
        self.assertIn("Too many streams open", client.end)

    def test_library_fails(self) -> None:
        """
        A datagram that breaks the library costs its own connection, and is
        told without a traceback.
        """
        port = self.listen()
        client, other = self.connected(), self.connected()

        def broken(*arguments: Any) -> None:
            raise IndexError("oh")

        self.accepted[0].transport.connection.receive_datagram = broken
        client.transport.write(b"x")
        self.network.advance(1)
        self.assertTrue(self.accepted[0].lost)
        self.assertEqual(len(self.said("a datagram was not understood")), 1)
        self.assertIsNone(other.lost)
        self.assertEqual(len(port.connections), 1)

    def test_stops(self) -> None:
        """
        A server that stops takes nobody more, lets those go on who are there,
        and closes its port with the last of them.
        """
        port = self.listen()
        client = self.connected()
        self.successResultOf(port.stopListening())
        late = self.connecting(timeout=3)
        client.transport.write(b"still")
        self.network.advance(4)
        self.failureResultOf(late)
        self.assertEqual(self.accepted[0].heard, b"still")
        self.accepted[0].transport.loseConnection()
        self.network.advance(3)
        self.assertEqual(client.end, "Connection was closed cleanly.")
        self.assertEqual(self.network.sockets, {})

    def test_refused_by_factory(self) -> None:
        """
        Whom the factory does not want is cut off.
        """
        self.listen()
        self.accept = lambda: None  # type: ignore[assignment,method-assign,return-value]
        factory = Factory.forProtocol(lambda: None)
        factory.buildProtocol = lambda addr: None
        other = self.listen(PORT + 1)
        other._factory = factory
        connecting = QuicEndpoint(self.child, "parent", PORT + 1, self.trusting, 5).connect(Factory.forProtocol(Talker))
        self.network.advance(1)
        client: Any = self.successResultOf(connecting)
        self.assertIn("aborted", client.end)
        self.assertEqual(self.said("by UDP: "), [])
