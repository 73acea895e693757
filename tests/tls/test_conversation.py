"""
Tests for TLS between two nodes, in memory.
"""

import contextlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from attrs import evolve
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID
from OpenSSL import SSL
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocol
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.logger import globalLogPublisher
from twisted.protocols.tls import BufferingTLSTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from netstream.config import ConfigError
from netstream.config.settings import ClientTLS, Listener, ServerTLS, WebSettings
from netstream.streaming.front import FrontFactory
from netstream.streaming.papers import Papers, papers_of
from netstream.tls.certificates import Pair, certificate_fingerprint
from netstream.tls.client import Client
from netstream.tls.endpoint import HANDSHAKE_WITHIN, TLSEndpoint
from netstream.tls.problem import TLSFailed
from netstream.tls.server import Server
from tests.tls.papers import pair, write, write_authority

ALL = frozenset({"dashboard", "streaming"})
GUID = "99999999-9999-4999-8999-999999999999"


class Recorder(Protocol):
    """
    Keeps what it is given.
    """

    def __init__(self, kind: str = "") -> None:
        self.kind = kind
        self.received = b""
        self.lost: Failure | None = None

    def dataReceived(self, data: bytes) -> None:
        self.received += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.lost = reason


class Wire:
    """
    An endpoint that is connected to a front, in memory.
    """

    def __init__(self, front: FrontFactory) -> None:
        self.front = front
        self.here, self.there = StringTransport(), StringTransport()
        self.theirs: Any = None
        self.ours: Any = None
        self.chunk = 1 << 20

    def connect(self, factory: Any) -> Deferred[IProtocol]:
        """
        Connect at once.
        """
        made: Deferred[IProtocol] = Deferred()
        self.theirs = self.front.buildProtocol(self.there.getPeer())
        self.ours = factory.buildProtocol(self.here.getPeer())
        self.theirs.makeConnection(self.there)
        self.ours.makeConnection(self.here)
        made.callback(self.ours)
        return made

    def pump(self, clock: Clock) -> None:
        """
        Carry bytes until there are no more, then the end of the connection.
        """
        moved = True
        while moved:
            clock.advance(0)
            moved = False
            for source, to in ((self.here, self.theirs), (self.there, self.ours)):
                data = source.value()
                source.clear()
                for at in range(0, len(data), self.chunk):
                    to.dataReceived(data[at : at + self.chunk])
                    moved = True
        if any(end.disconnecting or end.disconnected for end in (self.here, self.there)):
            for end in (self.theirs, self.ours):
                end.connectionLost(Failure(connectionDone.value))


class TLSCase(SynchronousTestCase):
    """
    A front with a certificate, and those who connect to it.
    """

    def setUp(self) -> None:
        self.directory = Path(self.mktemp())
        self.directory.mkdir()
        self.clock = Clock()
        self.made: list[Recorder] = []
        self.logged: list[str] = []

        def observe(event: Any) -> None:
            if event.get("log_format"):
                self.logged.append(f"{event['log_level'].name} {event['log_format'].format(**event)}")

        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)
        self.ca = write_authority(self.directory)
        self.certificate, self.key = write(pair("parent.example", "10.0.0.5"), self.directory)
        self.settings = ServerTLS(self.certificate, self.key)

    def front(self, settings: ServerTLS | None = None, mode: str = "", features: frozenset[str] = ALL) -> FrontFactory:
        settings = settings or self.settings

        def make(kind: str) -> Recorder:
            self.made.append(Recorder(kind))
            return self.made[-1]

        return FrontFactory(
            self.clock,
            Listener("*", "tcp", "", 19999, features, "", mode),
            WebSettings(tls=settings),
            lambda address, allowed: make("stream"),
            lambda address: make("http"),
            Server(settings),
        )

    def connect(
        self, front: FrontFactory, trust: ClientTLS | None = None, name: str = "parent.example", chunk: int = 1 << 20
    ) -> tuple[Wire, Recorder, Deferred[IProtocol]]:
        """
        @return: What carries bytes, what a child is, and the result of its
            endpoint.
        """
        wire, child = Wire(front), Recorder()
        wire.chunk = chunk
        endpoint: Any = wire
        client = Client(trust or ClientTLS(ca_file=self.ca))
        made = TLSEndpoint(endpoint, lambda: client, name, self.clock).connect(Factory.forProtocol(lambda: child))
        wire.pump(self.clock)
        return wire, child, made

    def failed(self, front: FrontFactory, trust: ClientTLS | None = None, name: str = "parent.example") -> str:
        """
        @return: Why a child got no connection.
        """
        _, child, made = self.connect(front, trust, name)
        failure = self.failureResultOf(made, TLSFailed)
        self.assertIsNone(child.transport)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        return str(failure.value)

    def exchange(self, wire: Wire, child: Recorder, data: bytes) -> None:
        assert child.transport is not None
        child.transport.write(data)
        wire.pump(self.clock)


class ServingTests(TLSCase):
    """
    One port for those with TLS and those without.
    """

    def test_every_split(self) -> None:
        """
        However the bytes of TLS are cut, from the very first on, streaming and
        HTTP arrive within it.
        """
        for chunk in (1, 2, 7, 100, 1 << 20):
            for data, kind in ((b"STREAM key=1 HTTP/1.1\r\n\r\n", "stream"), (b"GET / HTTP/1.1\r\n\r\n", "http")):
                wire, child, made = self.connect(self.front(), chunk=chunk)
                self.assertIs(self.successResultOf(made), child)
                self.exchange(wire, child, data)
                self.assertEqual((self.made[-1].kind, self.made[-1].received), (kind, data))
                transport: Any = self.made[-1].transport
                transport.write(b"answer")
                wire.pump(self.clock)
                self.assertEqual(child.received, b"answer")
                self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_plain(self) -> None:
        """
        What comes without TLS is served, sent to HTTPS or refused, as the
        table in the documentation says.
        """
        stream, page = b"STREAM key=1", b"GET /a?b=c HTTP/1.1\r\nHost: parent.example:19999\r\n\r\n"
        for mode, data, outcome in (
            ("", page, b"HTTP/1.1 307 "),
            ("", stream, b"stream"),
            ("force", page, b"HTTP/1.1 307 "),
            ("force", stream, b"This port takes TLS only"),
            ("optional", page, b"http"),
            ("optional", stream, b"stream"),
        ):
            with self.subTest(mode=mode, data=data):
                front = self.front(mode=mode)
                protocol: Any = front.buildProtocol(StringTransport().getPeer())
                transport = StringTransport()
                protocol.makeConnection(transport)
                protocol.dataReceived(data)
                if outcome in (b"http", b"stream"):
                    self.assertEqual((self.made[-1].kind, self.made[-1].received), (outcome.decode(), data))
                else:
                    self.assertTrue(transport.value().startswith(outcome), transport.value())
                    self.assertTrue(transport.disconnecting)
                    if b"307" in outcome:
                        self.assertIn(b"\r\nLocation: https://parent.example:19999/a?b=c\r\n", transport.value())
                    else:
                        self.assertIn("the child needs ':SSL'", self.logged[-1])
                protocol.connectionLost(connectionDone)
                self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_certificate_for_everyone(self) -> None:
        """
        Where everyone needs a certificate, nobody is served without TLS.
        """
        front = self.front(evolve(self.settings, client_ca=self.ca, client_needed="yes"), mode="optional")
        self.assertTrue(front.wants_tls(True) and front.wants_tls(False))

    def test_half_a_handshake(self) -> None:
        """
        Who begins TLS and says no more is cut off after ten seconds, however
        it drips, and the log says so.
        """
        front = self.front()
        protocol: Any = front.buildProtocol(StringTransport().getPeer())
        transport = StringTransport()
        protocol.makeConnection(transport)
        for byte in b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc":
            protocol.dataReceived(bytes([byte]))
            self.clock.advance(1)
        self.assertFalse(transport.disconnected)
        self.clock.advance(1)
        self.assertTrue(transport.disconnected)
        protocol.connectionLost(Failure(connectionDone.value))
        self.assertIn("TLS handshake failed (hello): it was not complete within 10 s", self.logged[-1])
        self.assertEqual((len(front._connections), sum(front.undecided.values())), (0, 0))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_garbage(self) -> None:
        """
        What only begins like TLS is closed, and leaves nothing behind.
        """
        for data in (
            b"\x16" * 50,
            b"\x00" * 70000,
            b"\x15\x03\x01\x00\x02\x02\x28",
            b"\x16\x03\x01\xff\xff" + b"x" * 9999,
        ):
            front = self.front()
            protocol: Any = front.buildProtocol(StringTransport().getPeer())
            transport = StringTransport()
            protocol.makeConnection(transport)
            protocol.dataReceived(data)
            if not transport.disconnecting:
                self.clock.advance(10)
            protocol.connectionLost(Failure(connectionDone.value))
            self.assertIn("TLS handshake failed", self.logged[-1])
            self.assertEqual((len(front._connections), self.clock.getDelayedCalls()), (0, []))

    def test_close(self) -> None:
        """
        A node that stops ends TLS in good order.
        """
        front = self.front()
        wire, child, made = self.connect(front)
        self.successResultOf(made)
        self.exchange(wire, child, b"GET ")
        closed = front.close()
        wire.pump(self.clock)
        self.successResultOf(closed)
        assert child.lost is not None
        self.assertTrue(child.lost.check(type(connectionDone.value)), child.lost)


class TrustTests(TLSCase):
    """
    Whom a child trusts, and what is said when it does not.
    """

    def test_trusted(self) -> None:
        """
        A certificate of a known authority is good for each of its names, and a
        certain one by its fingerprint.
        """
        digest = certificate_fingerprint(pair("parent.example", "10.0.0.5").certificate)
        for trust, name in (
            (ClientTLS(ca_file=self.ca), "parent.example"),
            (ClientTLS(ca_file=self.ca), "10.0.0.5"),
            (ClientTLS(ca_file=self.ca, verify_hostname=False), "other.example"),
            (ClientTLS(fingerprint=digest), "other.example"),
            (ClientTLS(skip_verification=True), "other.example"),
        ):
            _, child, made = self.connect(self.front(), trust, name)
            self.assertIs(self.successResultOf(made), child)
            self.assertIsInstance(child.transport, BufferingTLSTransport)

    def test_wrong_name(self) -> None:
        """
        A certificate for another name is refused; both logs say which names it
        has, and how to change that.
        """
        for name in ("other.example", "10.0.0.6"):
            text = self.failed(self.front(), name=name)
            for word in ("(certificate)", f"not for '{name}'", "ssl verify hostname", "subject 'CN=parent.example'"):
                self.assertIn(word, text)
            for word in (
                "192.168.1.1:54321: TLS handshake failed (certificate)",
                "does not accept",
                "CAfile",
                "CN=Test CA",
            ):
                self.assertIn(word, self.logged[-1])

    def test_unknown_authority(self) -> None:
        """
        A certificate of an unknown authority is refused, and both logs say who
        issued it.
        """
        text = self.failed(self.front(), ClientTLS())
        for word in ("an authority that is not known here", "CAfile", "issuer 'CN=Test CA'", "valid from"):
            self.assertIn(word, text)
        self.assertIn("does not know the authority", self.logged[-1])

    def test_dates(self) -> None:
        """
        A certificate that has expired while the parent ran is refused, with
        its dates.
        """
        front = self.front()
        expired = pair("parent.example", made=-40)
        tls: Any = front.securing
        server: Any = front._tls
        from netstream.tls.contexts import hardened, present

        context = hardened()
        present(context, expired, Path(), "")
        server._context = context
        self.assertIsNotNone(tls)
        text = self.failed(front)
        self.assertRegex(text, r"the certificate expired on \d{4}-\d\d-\d\d")
        self.assertIn("for it, the certificate that it was shown has expired", self.logged[-1])

    def test_another_fingerprint(self) -> None:
        """
        Another certificate than the one that is trusted is refused, whoever
        issued it.
        """
        text = self.failed(self.front(), ClientTLS(fingerprint="ab" * 32, ca_file=self.ca))
        self.assertIn("another one than 'ssl certificate fingerprint'", text)

    def test_no_tls(self) -> None:
        """
        A port without TLS is told from one with, and who answers is said.
        """
        front = FrontFactory(
            self.clock,
            Listener("*", "tcp", "", 19999, ALL),
            WebSettings(),
            lambda address, allowed: Recorder(),
            lambda address: Recorder(),
        )
        text = self.failed(front)
        self.assertIn("speaks no TLS", text)
        self.assertEqual(text.count("leave ':SSL' out"), 1, text)
        self.assertIn("'netstream gencert'", self.logged[-1])

    def test_silent(self) -> None:
        """
        A parent that does not go on with the handshake is given up.
        """
        wire, child = Wire(self.front()), Recorder()
        endpoint: Any = wire
        made = TLSEndpoint(endpoint, lambda: Client(ClientTLS(ca_file=self.ca)), "a", self.clock).connect(
            Factory.forProtocol(lambda: child)
        )
        self.clock.advance(HANDSHAKE_WITHIN)
        self.assertTrue(wire.here.disconnected)
        wire.ours.connectionLost(Failure(connectionDone.value))
        self.assertIn("not complete within 15 s", str(self.failureResultOf(made, TLSFailed).value))

    def test_cancelled(self) -> None:
        """
        A connection that is not wanted any more is closed.
        """
        wire = Wire(self.front())
        endpoint: Any = wire
        made = TLSEndpoint(endpoint, lambda: Client(ClientTLS()), "a", self.clock).connect(
            Factory.forProtocol(Recorder)
        )
        made.cancel()
        self.assertTrue(wire.here.disconnected)
        wire.ours.connectionLost(Failure(connectionDone.value))
        self.failureResultOf(made)

    def test_file_goes_bad(self) -> None:
        """
        A file that cannot be used any more fails the connection, and nothing
        else.
        """
        endpoint: Any = Wire(self.front())
        trust = ClientTLS(ca_file=self.directory / "none")
        made = TLSEndpoint(endpoint, lambda: Client(trust), "a", self.clock).connect(Factory.forProtocol(Recorder))
        self.assertIn("none: cannot be read", str(self.failureResultOf(made, ConfigError).value))

    def test_files(self) -> None:
        """
        Files that cannot be used stop the start, with name and reason.
        """
        for trust, words in (
            (ClientTLS(ca_file=self.directory / "none"), "none: cannot be read"),
            (ClientTLS(ca_path=self.ca), "is not a directory"),
            (ClientTLS(certificate=self.certificate, key=self.ca), "holds no private key"),
        ):
            self.assertIn(words, str(self.assertRaises(ConfigError, Client, trust)))


class WeakTests(TLSCase):
    """
    What is old or weak is never spoken.
    """

    def hello(self, version: int, ciphers: bytes, server: ServerTLS | None = None) -> tuple[str, SSL.Connection]:
        """
        @return: How a handshake ends for a client of that kind, and the
            client.
        """
        front = self.front(server)
        context = SSL.Context(SSL.TLS_METHOD)
        context.set_min_proto_version(SSL.TLS1_VERSION)
        context.set_max_proto_version(version)
        context.set_cipher_list(ciphers)
        connection = SSL.Connection(context, None)
        connection.set_connect_state()
        protocol: Any = front.buildProtocol(StringTransport().getPeer())
        transport = StringTransport()
        protocol.makeConnection(transport)
        try:
            for _ in range(6):
                try:
                    connection.do_handshake()
                    return "", connection
                except SSL.WantReadError:
                    pass
                with contextlib.suppress(SSL.WantReadError):
                    protocol.dataReceived(connection.bio_read(1 << 16))
                connection.bio_write(transport.value())
                transport.clear()
        except SSL.Error as problem:
            protocol.connectionLost(Failure(connectionDone.value))
            return str(problem), connection
        return "nothing", connection

    def test_versions(self) -> None:
        """
        TLS 1.2 and 1.3 are spoken, nothing older.
        """
        every = b"ALL:@SECLEVEL=0"
        self.assertNotEqual(self.hello(SSL.TLS1_VERSION, every)[0], "")
        self.assertNotEqual(self.hello(SSL.TLS1_1_VERSION, every)[0], "")
        self.assertIn("no version of TLS", self.logged[-1])
        self.assertEqual(self.hello(SSL.TLS1_2_VERSION, every)[0], "")
        found = self.hello(SSL.TLS1_3_VERSION, every)[1]
        self.assertEqual(found.get_protocol_version_name(), "TLSv1.3")
        older = evolve(self.settings, newest="1.2")
        self.assertEqual(self.hello(SSL.TLS1_3_VERSION, every, older)[1].get_protocol_version_name(), "TLSv1.2")

    def test_ciphers(self) -> None:
        """
        Of TLS 1.2, only suites with ECDHE and authenticated encryption are
        spoken.
        """
        for cipher in (b"ECDHE-ECDSA-AES128-SHA256", b"AES128-GCM-SHA256", b"DHE-RSA-AES128-GCM-SHA256"):
            self.assertNotEqual(self.hello(SSL.TLS1_2_VERSION, cipher)[0], "", cipher)
            self.assertIn("no cipher is known to both", self.logged[-1])
        self.assertEqual(self.hello(SSL.TLS1_2_VERSION, b"ECDHE-ECDSA-AES256-GCM-SHA384")[0], "")

    def test_renegotiation(self) -> None:
        """
        A client that wants to negotiate again is refused.
        """
        front = self.front()
        server: Any = front._tls
        context = SSL.Context(SSL.TLS_METHOD)
        context.set_max_proto_version(SSL.TLS1_2_VERSION)
        client, other = SSL.Connection(context, None), server.serverConnectionForTLS(None)
        client.set_connect_state()
        other.set_accept_state()

        def pump() -> None:
            for _ in range(8):
                for a, b in ((client, other), (other, client)):
                    with contextlib.suppress(SSL.WantReadError):
                        a.do_handshake()
                    with contextlib.suppress(SSL.WantReadError):
                        b.bio_write(a.bio_read(1 << 16))

        pump()
        self.assertEqual(client.get_protocol_version_name(), "TLSv1.2")
        self.assertTrue(client.renegotiate())
        with self.assertRaises(SSL.Error):
            for _ in range(4):
                pump()
                with contextlib.suppress(SSL.WantReadError):
                    other.recv(100)
                client.recv(100)


class ReloadTests(TLSCase):
    """
    Certificates are changed without a restart.
    """

    def served(self, front: FrontFactory) -> str:
        """
        @return: The fingerprint of what a new connection is shown.
        """
        wire, child, made = self.connect(front, ClientTLS(skip_verification=True))
        self.successResultOf(made)
        transport: Any = child.transport
        return certificate_fingerprint(transport.getPeerCertificate().to_cryptography())

    def test_new(self) -> None:
        """
        A new connection gets a new certificate, and those of before go on.
        """
        front = self.front()
        first = self.served(front)
        wire, child, made = self.connect(front)
        self.successResultOf(made)
        new = pair("parent.example", by="Other CA")
        write(new, self.directory)
        self.assertEqual(self.served(front), certificate_fingerprint(new.certificate))
        self.assertNotEqual(first, certificate_fingerprint(new.certificate))
        self.assertIn("new connections get the new certificate", " ".join(self.logged))
        self.exchange(wire, child, b"GET / HTTP/1.1\r\n\r\n")
        self.assertEqual(self.made[-1].received, b"GET / HTTP/1.1\r\n\r\n")

    def test_bad(self) -> None:
        """
        A new pair that cannot be used leaves the old one, says so once, and is
        forgotten once there is a good one.
        """
        front = self.front()
        first = self.served(front)
        good = self.certificate.read_bytes()
        for wrong in (b"", b"nonsense", good[: len(good) // 2]):
            self.logged.clear()
            self.certificate.write_bytes(wrong)
            self.assertEqual(self.served(front), first)
            self.assertEqual(self.served(front), first)
            said = [line for line in self.logged if "stays in use" in line]
            self.assertEqual(len(said), 1, self.logged)
            self.assertIn("cert.pem: holds no certificate" if b"BEGIN" not in wrong else "is damaged", said[0])
        self.certificate.unlink()
        self.assertEqual(self.served(front), first)
        write(pair("a.example"), self.directory)
        self.assertEqual(self.served(front), certificate_fingerprint(pair("a.example").certificate))

    def test_soon(self) -> None:
        """
        A certificate that ends soon is warned of, as is a key that others can
        read.
        """
        write(pair("parent.example", days=3), self.directory)
        self.key.chmod(0o640)
        Server(self.settings).remind()
        self.assertIn("expires on", self.logged[-2])
        self.assertIn("chmod 600", self.logged[-1])

    def test_start(self) -> None:
        """
        A node does not start with a certificate that cannot be used.
        """
        self.key.unlink()
        self.assertIn("key.pem: cannot be read", str(self.assertRaises(ConfigError, Server, self.settings)))

    def test_too_weak(self) -> None:
        """
        Nor does it with one that OpenSSL does not show, be it a node's or a child's: file and reason are said.
        """
        key = rsa.generate_private_key(65537, 1024)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "weak.example")])
        moment = datetime.now(UTC)
        made = x509.CertificateBuilder(name, name, key.public_key(), 7, moment, moment + timedelta(days=1))
        write(Pair((made.sign(key, SHA256()),), key), self.directory)
        for make, settings in (
            (Server, self.settings),
            (Client, ClientTLS(certificate=self.certificate, key=self.key)),
        ):
            said = str(self.assertRaises(ConfigError, make, settings))
            self.assertRegex(
                said, r"cert\.pem: cannot be shown: ee key too small; .* 2048 bits .*weak\.example.*ssl cert"
            )


class ClientCertificateTests(TLSCase):
    """
    Who connects presents a certificate.
    """

    def presenting(self, *names: str, by: str = "Test CA", made: float = 0.0) -> ClientTLS:
        """
        @return: What a child has to present and to trust.
        """
        certificate, key = write(pair(*names, by=by, made=made, client=True), self.directory, "client-")
        return ClientTLS(ca_file=self.ca, certificate=certificate, key=key)

    def asked(self, needed: str = "streaming") -> ServerTLS:
        return evolve(self.settings, client_ca=self.ca, client_needed=needed)

    def papers(self, trust: ClientTLS | None) -> Papers:
        wire, child, made = self.connect(self.front(self.asked()), trust)
        self.successResultOf(made)
        self.exchange(wire, child, b"STREAM k")
        return papers_of(self.made[-1].transport)

    def test_presented(self) -> None:
        """
        What a child presents is known, with its names and GUID.
        """
        papers = self.papers(self.presenting(f"urn:uuid:{GUID}", "web-1"))
        self.assertEqual(papers.guids, {GUID})
        self.assertIn("web-1", papers.names)
        papers.check(self.asked(), GUID)
        from netstream.config import Refused

        refused = self.assertRaises(Refused, papers.check, self.asked(), "0" + GUID[1:])
        self.assertIn("bound to machine GUID", refused.reason)
        self.assertIn("CN=" + GUID, refused.reason)

    def test_none(self) -> None:
        """
        A child without one is connected, so that a browser is, and refused as
        it wants to stream; a Unix socket has no TLS and needs none.
        """
        from netstream.config import Refused

        papers = self.papers(None)
        refused = self.assertRaises(Refused, papers.check, self.asked(), GUID)
        self.assertIn("ssl require client certificate", refused.reason)
        papers.check(self.asked("no"), GUID)
        papers.check(None, GUID)
        papers_of(StringTransport(), unix=True).check(self.asked(), GUID)
        self.assertRaises(Refused, papers_of(StringTransport()).check, self.asked(), GUID)

    def test_everyone(self) -> None:
        """
        Where everyone needs one, the handshake fails without, and both logs
        say so.
        """
        trust = evolve(self.presenting("a"), certificate=None, key=None)
        wire, child, made = self.connect(self.front(self.asked("yes")), trust)
        self.assertIn("it presented no certificate, and 'ssl require client certificate'", self.logged[-1])
        # With TLS 1.3 a client learns only after its own part of the handshake that it failed.
        self.successResultOf(made)
        from netstream.endings import how_ended

        assert child.lost is not None
        self.assertIn("it demands a certificate", how_ended(child.lost))

    def test_stranger(self) -> None:
        """
        A certificate of another authority, or one that has expired, is
        refused, and the log says whose it is.
        """
        for trust, words in (
            (
                self.presenting("web-1", by="Other CA"),
                ("authority that is not known here", "[web] ssl client CA", "Other CA"),
            ),
        ):
            self.connect(self.front(self.asked()), trust)
            for word in words:
                self.assertIn(word, self.logged[-1])

    def test_server_certificate(self) -> None:
        """
        A parent's certificate is not one of a child.
        """
        certificate, key = write(pair("parent.example"), self.directory, "wrong-")
        self.connect(self.front(self.asked()), ClientTLS(ca_file=self.ca, certificate=certificate, key=key))
        self.assertIn("not meant for this use", self.logged[-1])
