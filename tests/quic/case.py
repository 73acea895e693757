"""
Two machines with a UDP link between them, and who talks over it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.logger import globalLogPublisher
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from netstream.config.settings import ClientTLS, ServerTLS
from netstream.quic.client import QuicEndpoint
from netstream.quic.server import QuicPort, QuicServerEndpoint
from netstream.testing.network import Network
from netstream.tls.client import Client
from netstream.tls.server import Server
from tests.tls.papers import pair, write, write_authority

PORT = 19999


class Talker(Protocol):
    """
    Keeps what it hears.
    """

    transport: Any

    def __init__(self) -> None:
        self.heard = bytearray()
        self.pieces = 0
        self.lost: Failure | None = None

    def dataReceived(self, data: bytes) -> None:
        self.heard += data
        self.pieces += 1

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.lost = reason

    @property
    def end(self) -> str:
        """
        How its connection ended.
        """
        return self.lost.getErrorMessage() if self.lost is not None else ""


class LinkCase(SynchronousTestCase):
    """
    A server, and machines that connect to it.

    @ivar logged: What was logged, as text.
    @ivar accepted: The server's side of each connection.
    """

    def setUp(self) -> None:
        self.logged: list[str] = []
        observer = self.observe
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        self.directory = Path(self.mktemp()).absolute()
        self.ca = write_authority(self.directory)
        self.certificate, self.key = write(pair("parent"), self.directory)
        self.network = Network(1_800_000_000.0)
        self.network.latency = 0.02
        self.parent = self.network.machine("parent")
        self.child = self.network.machine("child")
        self.accepted: list[Talker] = []

    def observe(self, event: Any) -> None:
        format = event.get("log_format")
        if format:
            self.logged.append(format.format(**event))

    def accept(self) -> Talker:
        """
        @return: The server's side of a new connection.
        """
        self.accepted.append(Talker())
        return self.accepted[-1]

    def listen(self, port: int = PORT, **tls: Any) -> QuicPort:
        """
        @return: A port of the server.
        """
        server = Server(ServerTLS(self.certificate, self.key, **tls))
        factory = Factory.forProtocol(self.accept)
        factory.noisy = False
        found = self.successResultOf(QuicServerEndpoint(self.parent, port, server).listen(factory))
        assert isinstance(found, QuicPort)
        return found

    def trusting(self, **tls: Any) -> Client:
        """
        @return: Whom a client trusts: the test's authority, if not told else.
        """
        return Client(ClientTLS(**(tls or {"ca_file": self.ca})))

    def connecting(self, host: str = "parent", port: int = PORT, timeout: float = 10, **tls: Any) -> Deferred[Talker]:
        """
        @return: A connection of a client under way.
        """
        client = self.trusting(**tls)
        factory = Factory.forProtocol(Talker)
        factory.noisy = False
        found: Any = QuicEndpoint(self.child, host, port, lambda: client, timeout).connect(factory)
        return found

    def connected(self, **tls: Any) -> Talker:
        """
        @return: The client's side of a connection; L{accepted} has the other.
        """
        connecting = self.connecting(**tls)
        self.until(lambda: bool(connecting.called), 10)
        found = self.successResultOf(connecting)
        self.until(lambda: bool(self.accepted), 10)
        return found

    def until(self, done: Any, seconds: float) -> None:
        """
        Let time pass until something is so.
        """
        end = self.network.clock.seconds() + seconds
        while not done():
            self.assertLess(self.network.clock.seconds(), end, "it did not come to that")
            self.network.advance(0.01)

    def said(self, words: str) -> list[str]:
        """
        @return: The lines of the log with these words.
        """
        return [line for line in self.logged if words in line]
