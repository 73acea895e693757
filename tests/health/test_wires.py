"""
Messages over real connections: SMTP, HTTP, datagrams and programs.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import ssl
import subprocess
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult
from attrs import define, evolve
from twisted.internet import reactor
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import CancelledError
from twisted.internet.error import DNSLookupError
from twisted.internet.interfaces import (
    IHostnameResolver,
    IHostResolution,
    IReactorPluggableNameResolver,
    IResolutionReceiver,
)
from twisted.internet.ssl import Certificate, trustRootFromCertificates
from twisted.internet.task import Clock
from twisted.python.filepath import FilePath
from twisted.trial.unittest import TestCase
from twisted.web.iweb import IRequest
from twisted.web.resource import Resource
from twisted.web.server import Site
from zope.interface import implementer

from netstream.health.notify.email import Server, mail
from netstream.health.notify.local import Program, Syslog
from netstream.health.notify.methods import Refused, TryLater
from netstream.health.notify.wires import Reactor
from tests.health.test_notify import HOSTILE, MESSAGE
from tests.interop.peers import free_port


class Box:
    """
    Takes mail.
    """

    def __init__(self, answer: str = "250 OK") -> None:
        self.got: list[tuple[str, list[str], bytes]] = []
        self.answer = answer

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.got.append((envelope.mail_from, envelope.rcpt_tos, envelope.content))
        return self.answer


class _Sink(Resource):
    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.got: list[tuple[bytes, bytes, dict[bytes, list[bytes]], bytes]] = []
        self.status = 200
        self.retry = b""

    def render(self, request: IRequest) -> bytes:
        headers = dict(request.requestHeaders.getAllRawHeaders())
        content: Any = request.content
        self.got.append((request.method, request.uri, headers, content.read()))
        request.setResponseCode(self.status)
        if self.retry:
            request.setHeader(b"Retry-After", self.retry)
        return b"because"


@implementer(IHostResolution)
@define
class _Asked:
    """
    A name that is being looked up.
    """

    name: str
    port: int
    receiver: IResolutionReceiver
    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True


@implementer(IReactorPluggableNameResolver, IHostnameResolver)
class Names(Clock):
    """
    A reactor whose names are looked up when a test says so.
    """

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[_Asked] = []
        self.nameResolver = self

    def resolveHostName(
        self,
        resolutionReceiver: IResolutionReceiver,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Any = None,
        transportSemantics: str = "TCP",
    ) -> IHostResolution:
        asked = _Asked(hostName, portNumber, resolutionReceiver)
        self.asked.append(asked)
        resolutionReceiver.resolutionBegan(asked)
        return asked

    def installNameResolver(self, resolver: IHostnameResolver) -> IHostnameResolver:
        raise NotImplementedError


class WiresTests(TestCase):
    """
    L{Reactor}.
    """

    timeout = 100

    def setUp(self) -> None:
        # It logs what the test provokes.
        logging.getLogger("mail.log").setLevel(logging.CRITICAL)

    def certificate(self) -> tuple[ssl.SSLContext, Any]:
        """
        @return: What a server needs for TLS as C{localhost}, and what trusts it.
        """
        directory = Path(self.mktemp())
        directory.mkdir()
        subprocess.run(
            [
                *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
                *("-keyout", directory / "key.pem", "-out", directory / "cert.pem", "-days", "2"),
                *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
            ],
            check=True,
            capture_output=True,
        )
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(directory / "cert.pem", directory / "key.pem")
        authority = Certificate.loadPEM(FilePath(str(directory / "cert.pem")).getContent())
        return context, trustRootFromCertificates([authority])

    def smtp(self, box: Box, **more: Any) -> int:
        """
        Run a real SMTP server.

        @return: Its port.
        """
        port = free_port()
        controller = Controller(box, hostname="localhost", port=port, **more)
        controller.start()
        self.addCleanup(controller.stop)
        return port

    async def send(self, wires: Reactor, server: Server) -> None:
        """
        Send a message whose texts are hostile.
        """
        await wires.mail(
            server, "n@example.org", "admin@example.org", mail(MESSAGE, "n@example.org", "admin@example.org", "k")
        )

    async def test_plain(self) -> None:
        """
        A server without TLS gets the message once.
        """
        box = Box()
        await self.send(Reactor(reactor), Server("localhost", self.smtp(box)))
        ((sender, recipients, content),) = box.got
        self.assertEqual((sender, recipients), ("n@example.org", ["admin@example.org"]))
        self.assertIn(b"Subject: web1 is critical: Disk / is full =", content)

    async def test_starttls_and_password(self) -> None:
        """
        Name and password go to a server after STARTTLS, whose certificate is verified.
        """
        context, trust = self.certificate()
        box, logins = Box(), []

        def login(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
            logins.append((data.login, data.password))
            return AuthResult(success=True)

        port = self.smtp(box, tls_context=context, require_starttls=True, authenticator=login, auth_required=True)
        server = Server("localhost", port, "starttls", "me", "pass")
        await self.send(Reactor(reactor, tls=trust), server)
        self.assertEqual((len(box.got), logins), (1, [(b"me", b"pass")]))
        with self.assertRaises(TryLater):
            await self.send(Reactor(reactor), server)
        self.assertEqual((len(box.got), len(logins)), (1, 1))

    async def test_tls_from_the_start(self) -> None:
        """
        A server that speaks TLS from the first byte gets the message; a stranger's certificate is refused.
        """
        context, trust = self.certificate()
        box = Box()
        port = free_port()

        class Wrapped(Controller):
            def factory(self) -> SMTP:
                return SMTP(self.handler)

        controller = Wrapped(box, hostname="localhost", port=port, ssl_context=context)
        controller.start()
        self.addCleanup(controller.stop)
        await self.send(Reactor(reactor, tls=trust), Server("localhost", port, "tls"))
        self.assertEqual(len(box.got), 1)
        with self.assertRaises(TryLater):
            await self.send(Reactor(reactor), Server("localhost", port, "tls"))

    async def test_refused_mail(self) -> None:
        """
        What a server will never take is refused, what it does not take now comes later.
        """
        with self.assertRaises(Refused) as caught:
            await self.send(Reactor(reactor), Server("localhost", self.smtp(Box("554 no"))))
        self.assertIn("554", str(caught.exception))
        with self.assertRaises(TryLater):
            await self.send(Reactor(reactor), Server("localhost", self.smtp(Box("451 later"))))
        with self.assertRaises(TryLater):
            await self.send(Reactor(reactor), Server("localhost", free_port()))
        with self.assertRaises(TryLater):
            await self.send(Reactor(reactor), Server("localhost", self.smtp(Box()), "starttls"))

    async def test_http(self) -> None:
        """
        A sink gets body and headers; its status decides what becomes of the message.
        """
        sink = _Sink()
        port: Any = reactor.listenTCP(0, Site(sink), interface="127.0.0.1")  # type: ignore[attr-defined]
        self.addCleanup(port.stopListening)
        url = f"http://127.0.0.1:{port.getHost().port}/in?x=1"
        wires = Reactor(reactor)

        async def post() -> bytes:
            return await wires.request("POST", url, {"X-Key": "k"}, b'{"a": 1}')

        self.assertEqual(await post(), b"because")
        method, uri, headers, body = sink.got[0]
        self.assertEqual((method, uri, json.loads(body)), (b"POST", b"/in?x=1", {"a": 1}))
        self.assertEqual(headers[b"X-Key"], [b"k"])
        for status, kind in ((404, Refused), (302, Refused), (500, TryLater), (503, TryLater), (429, TryLater)):
            sink.status, sink.retry = status, b"7" if status == 429 else b""
            with self.assertRaises(kind) as caught:
                await post()
            self.assertIn(f"HTTP {status}: because", str(caught.exception))
        self.assertEqual(caught.exception.after, 7.0)  # type: ignore[attr-defined]
        with self.assertRaises(TryLater):
            await wires.request("POST", f"http://127.0.0.1:{free_port()}/", {}, b"")

    async def test_program(self) -> None:
        """
        A program gets hostile texts as arguments, no shell sees them, and its environment is ours alone.
        """
        directory = Path(self.mktemp()).absolute()
        directory.mkdir()
        script, out = directory / "tell", directory / "out"
        script.write_text(f'#!/bin/sh\nprintf \'%s\\n\' "$#" "$2" "$17" > {out}\nenv >> {out}\nexit $EXIT\n')
        script.chmod(0o755)
        wires = Reactor(reactor, 5)
        hostile = evolve(MESSAGE, hostname=f"$(touch {directory}/pwned)", info=f"`touch {directory}/pwned`;{HOSTILE}")
        await Program({}, wires).send(hostile, f"{script} root", "k")
        said = out.read_text().splitlines()
        self.assertEqual(said[:2], ["33", f"$(touch {directory}/pwned)"])
        self.assertFalse((directory / "pwned").exists())
        self.assertNotIn("HOME=", "\n".join(said))
        for program, kind in ((directory / "none", Refused), (Path("/bin/false"), Refused)):
            with self.assertRaises(kind):
                await Program({}, wires).send(MESSAGE, f"{program} root", "k")
        slow = directory / "slow"
        slow.write_text("#!/bin/sh\nexec sleep 60\n")
        slow.chmod(0o755)
        with self.assertRaises(Refused) as caught:
            await Program({}, Reactor(reactor, 0.2)).send(MESSAGE, f"{slow} root", "k")
        self.assertIn("did not end within 0.2 s", str(caught.exception))

    async def test_datagrams(self) -> None:
        """
        Datagrams arrive, by UDP and at a Unix socket.
        """
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind(("127.0.0.1", 0))
            await Reactor(reactor).datagram("127.0.0.1", sock.getsockname()[1], b"one")
            self.assertEqual(sock.recv(100), b"one")
        path = os.path.join("/tmp", f"netstream-{os.getpid()}.sock")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.bind(path)
            self.addCleanup(os.unlink, path)
            await Reactor(reactor).datagram(path, 0, b"two")
            self.assertEqual(sock.recv(100), b"two")
        with self.assertRaises(OSError):
            await Reactor(reactor).datagram(f"{path}.none", 0, b"three")

    async def test_slow_name(self) -> None:
        """
        A syslog server whose name takes long to look up holds up nothing, and gets its message once the name is known.
        """
        names = Names()
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            sock.bind(("::1", 0))
            port = sock.getsockname()[1]
            sent = Syslog({}, Reactor(names)).send(MESSAGE, f"daemon.err@log.example:{port}/node", "key")
            self.assertFalse(sent.called)
            (asked,) = names.asked
            self.assertEqual((asked.name, asked.port), ("log.example", port))
            for address in (IPv6Address("UDP", "::1", port), IPv4Address("UDP", "127.0.0.1", port)):
                asked.receiver.addressResolved(address)
            asked.receiver.resolutionComplete()
            await sent
            self.assertIn(b"<27>1 ", sock.recv(1000))
            with self.assertRaises(BlockingIOError):
                sock.recv(1000)
        sent = Reactor(names).datagram("nowhere.example", 514, b"four")
        names.asked[1].receiver.resolutionComplete()
        with self.assertRaises(DNSLookupError) as caught:
            await sent
        self.assertIn("nowhere.example", str(caught.exception))
        sent = Reactor(names).datagram("slow.example", 514, b"five")
        sent.cancel()
        self.assertTrue(names.asked[2].cancelled)
        await self.assertFailure(sent, CancelledError)
