"""
Tests for connections through a SOCKS5 proxy.
"""

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP4ServerEndpoint, clientFromString
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IProtocol
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from netstream.config.settings import SocksProxy
from netstream.streaming.socks import SocksEndpoint, SocksFailed
from netstream.testing import KEY
from netstream.testing.network import Network
from tests.streaming.case import WorldCase

BOUND = b"\x05\x00\x00\x01\x7f\x00\x00\x01\x12\x34"


class Kept(Protocol):
    """
    Keeps what it is given.
    """

    def __init__(self) -> None:
        self.received = b""
        self.lost: Failure | None = None

    def dataReceived(self, data: bytes) -> None:
        self.received += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.lost = reason


class Proxy(Protocol):
    """
    A SOCKS5 proxy that connects by name, for anyone.
    """

    transport: Any

    def __init__(self, machine: Any) -> None:
        self._machine = machine
        self._data = b""
        self._there: Any = None

    def dataReceived(self, data: bytes) -> None:
        if self._there is not None:
            self._there.transport.write(data)
            return
        self._data += data
        if self._data == b"\x05\x01\x00":
            self.transport.write(b"\x05\x00")
        elif len(self._data) > 8:
            size = self._data[7]
            name, port = self._data[8 : 8 + size].decode(), int.from_bytes(self._data[8 + size :], "big")
            address = self._machine.network.names[name]
            factory = Factory.forProtocol(lambda: Backward(self))
            TCP4ClientEndpoint(self._machine, address, port).connect(factory).addCallbacks(
                self._connected, lambda failure: self.transport.write(b"\x05\x05\x00\x01" + b"\x00" * 6)
            )

    def _connected(self, there: Any) -> None:
        self._there = there
        self.transport.write(BOUND)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._there is not None:
            self._there.transport.loseConnection()


class Backward(Protocol):
    """
    The other half of it.
    """

    def __init__(self, front: Proxy) -> None:
        self._front = front

    def dataReceived(self, data: bytes) -> None:
        self._front.transport.write(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._front.transport.loseConnection()


class EndpointTests(SynchronousTestCase):
    """
    L{SocksEndpoint}, with a proxy that a test plays.
    """

    def setUp(self) -> None:
        self.network = Network(0.0)
        self.machine = self.network.machine("child")
        self.there = self.network.machine("proxy")
        self.proxy = Kept()
        TCP4ServerEndpoint(self.there, 1080).listen(Factory.forProtocol(lambda: self.proxy))
        self.inner = Kept()

    def connect(self) -> Deferred[IProtocol]:
        endpoint = SocksEndpoint(self.machine, SocksProxy("proxy", 1080, "me", "secret"), "parent.example", 19999)
        made = endpoint.connect(Factory.forProtocol(lambda: self.inner))
        self.network.advance(1)
        return made

    def answer(self, data: bytes) -> None:
        transport: Any = self.proxy.transport
        transport.write(data)
        self.network.advance(1)

    def test_connects(self) -> None:
        """
        The application begins once the proxy has connected it, and hears all
        that comes behind the proxy's answer.
        """
        made = self.connect()
        self.answer(b"\x05\x02\x01")
        self.assertIsNone(self.inner.transport)
        self.answer(b"\x00" + BOUND + b"first ")
        self.assertIs(self.successResultOf(made), self.inner)
        self.answer(b"words")
        self.assertEqual(self.inner.received, b"first words")
        transport: Any = self.inner.transport
        transport.write(b"answer")
        self.network.advance(1)
        self.assertTrue(self.proxy.received.endswith(b"\x4e\x1fanswer"))
        transport.loseConnection()
        self.network.advance(1)
        assert self.inner.lost is not None
        self.assertTrue(self.inner.lost.check(ConnectionDone))
        self.assertEqual(self.network.clock.getDelayedCalls(), [])

    def test_fails(self) -> None:
        """
        What went wrong is said, with where the proxy is and without the
        password.
        """
        for data, words in (
            (b"\x05\x02\x01\x01", "does not accept this user"),
            (b"HTTP/1.1 400 Bad Request\r\n\r\n", "no SOCKS5 proxy: this is an HTTP server"),
            (b"\x05\x00\x05\x04", "does not know its name"),
            (b"", "no connection within 30 s"),
        ):
            self.setUp()
            made = self.connect()
            if data:
                self.answer(data)
            self.network.advance(30)
            text = str(self.failureResultOf(made, SocksFailed).value)
            self.assertIn("SOCKS5 proxy proxy:1080: ", text)
            self.assertIn(words, text)
            self.assertNotIn("secret", text)
            self.assertIsNotNone(self.proxy.lost)
            self.assertEqual(self.network.clock.getDelayedCalls(), [])

    def test_gone(self) -> None:
        """
        A proxy that is not there, or closes, is said to.
        """
        made = self.connect()
        transport: Any = self.proxy.transport
        transport.loseConnection()
        self.network.advance(1)
        self.assertIn("closed the connection", str(self.failureResultOf(made, SocksFailed).value))
        endpoint = SocksEndpoint(self.machine, SocksProxy("proxy", 9), "a", 1)
        made = endpoint.connect(Factory.forProtocol(Kept))
        self.network.advance(60)
        self.assertIn("cannot be connected", str(self.failureResultOf(made, SocksFailed).value))

    def test_cancelled(self) -> None:
        """
        A connection that nobody wants any more is closed.
        """
        made = self.connect()
        made.cancel()
        self.network.advance(1)
        self.failureResultOf(made)
        self.assertIsNotNone(self.proxy.lost)
        self.assertEqual(self.network.clock.getDelayedCalls(), [])


class StringTests(SynchronousTestCase):
    """
    The endpoint as a string.
    """

    def test_plugin(self) -> None:
        """
        Any Twisted program can connect through a proxy, by a string.
        """
        machine = Network(0.0).machine("child")
        endpoint = clientFromString(
            machine, "socks5:parent.example:19999:proxy=10.0.0.9:proxyPort=1081:user=me:password=x"
        )
        assert isinstance(endpoint, SocksEndpoint)
        self.assertEqual(endpoint._proxy, SocksProxy("10.0.0.9", 1081, "me", "x"))
        self.assertEqual((endpoint._host, endpoint._port), ("parent.example", 19999))
        self.assertNotIn("password", repr(endpoint._proxy))


class NodeTests(WorldCase):
    """
    A node behind a proxy.
    """

    def test_streams(self) -> None:
        """
        A child that reaches its parent through a proxy alone streams, and says
        what the proxy says when it does not.
        """
        parent = self.world.node("parent", "parent")
        proxy = self.world.network.machine("proxy")
        TCP4ServerEndpoint(proxy, 1080).listen(Factory.forProtocol(lambda: Proxy(proxy)))
        stream = "[stream]\nproxy = socks5://proxy:1080\n"
        child = self.world.node("child", "child", destination="parent", stream=stream)
        self.world.cut(parent, child)
        self.world.advance(10)
        self.assertGreater(len(parent.read("child", "test.clock", "second", self.world.now - 5, self.world.now)), 2)
        parent.stop()
        self.world.advance(30)
        self.assertIn("SOCKS5 proxy proxy:1080: that host refuses the connection", " ".join(self.logged))
        self.assertNotIn(KEY, " ".join(self.logged))
