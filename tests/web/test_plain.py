"""
Requests that are asked again and again over connections that are kept.
"""

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from netstream.db.interfaces import Columns
from netstream.db.ram import RamDB
from netstream.web.plain import LONGEST, MOST, Heads
from tests.web.stage import NOW, Stage

DATA = "/api/v1/data?chart=system.load&after=-60&points=60&options=seconds"
TWISTED = "X-Folded: a\r\n b"
"""A header that is not plain."""


def _request(target: str, *lines: str) -> bytes:
    return "\r\n".join([f"GET {target} HTTP/1.1", "Host: localhost", *lines, "", ""]).encode()


class _SlowDB(RamDB):
    """
    Answers when it is told to.
    """

    def __init__(self) -> None:
        super().__init__(86400, 1)
        self.waiting: list[Deferred[None]] = []
        self.given_up: list[Deferred[None]] = []

    def query(self, *question: Any) -> Deferred[Columns]:
        waits: Deferred[None] = Deferred(self.given_up.append)
        self.waiting.append(waits)
        return waits.addCallback(lambda _: RamDB.query(self, *question))


class HeadsTests(SynchronousTestCase):
    """
    L{Heads}.
    """

    def test_known_again(self) -> None:
        """
        What came before is not taken apart again.
        """
        heads, data = Heads(), _request("/api/v1/info?x=%20y", "Accept: */*")
        head = heads.find(data)
        assert head is not None
        self.assertIs(heads.find(bytes(bytearray(data))), head)
        self.assertEqual(head.target.path, "/api/v1/info")
        self.assertEqual(head.target.parameters.text("x"), " y")
        self.assertEqual(head.manner.headers.getRawHeaders(b"accept"), [b"*/*"])

    def test_windows(self) -> None:
        """
        Of what asks for another window only the window is looked at.
        """
        heads = Heads()
        head = heads.find(_request("/api/v1/data?after=-60&chart=a%26b&points=7&before="))
        assert head is not None
        self.assertIsNone(head.shape)  # an empty number is none
        first, other = (heads.find(_request(f"/api/v1/data?after={after}&chart=a%26b")) for after in ("-60", "5"))
        assert first is not None and other is not None and other.shape is not None
        self.assertIs(first.shape, other.shape)
        self.assertEqual((first.window, other.window), ((-60, None, None), (5, None, None)))
        self.assertEqual([head.target.parameters.text("after") for head in (first, other)], ["-60", "5"])
        self.assertEqual(other.uri, b"/api/v1/data?after=5&chart=a%26b")
        self.assertEqual(other.target.parameters.text("chart"), "a&b")
        self.assertTrue(other.like(first))

    def test_bounded(self) -> None:
        """
        Those who ask for something new each time do not fill the memory.
        """
        heads = Heads()
        for number in range(2 * MOST):
            self.assertIsNotNone(heads.find(_request(f"/api/v1/info?{number}")))
        self.assertEqual(len(heads), MOST)
        for number in range(2 * MOST):
            self.assertIsNotNone(heads.find(_request(f"/api/v1/data?chart={number}&after=-60")))
        self.assertEqual(len(heads), 2 * MOST)
        self.assertIsNone(heads.find(_request("/api/v1/info?" + "x" * LONGEST)))

    def test_secrets(self) -> None:
        """
        A token is not kept for longer than its request.
        """
        heads = Heads()
        for target in ("/api/v1/info", DATA):
            self.assertIsNotNone(heads.find(_request(target, "Authorization: Bearer abc")))
        self.assertEqual(len(heads), 0)

    def test_others(self) -> None:
        """
        What has a body, more than one request, or any other oddity is left to
        a parser that knows all of HTTP.
        """
        plain = _request("/api/v1/info")
        for data in (
            plain[:-1],
            plain + plain,
            plain + b"x",
            b"\r\n" + plain,
            plain.replace(b"GET", b"HEAD"),
            plain.replace(b"HTTP/1.1", b"HTTP/1.0"),
            plain.replace(b"\r\n", b"\n"),
            plain.replace(b"/api", b"http://localhost/api"),
            plain.replace(b"/api", b"/\xc3\xa4pi"),
            _request("/api/v1/info", "Content-Length: 0"),
            _request("/api/v1/info", "Transfer-Encoding: chunked"),
            _request("/api/v1/info", "Expect: 100-continue"),
            _request("/api/v1/info", "Connection: close"),
            _request("/api/v1/info", "Connection: Upgrade", "Upgrade: websocket"),
            _request("/api/v1/info", "Name : value"),
            _request("/api/v1/info", "no colon"),
            _request("/api/v1/info", "X-Null: a\0b"),
            _request("/api/v1/info", TWISTED),
        ):
            self.assertIsNone(Heads().find(data), data)


class PlainTests(SynchronousTestCase):
    """
    Answers to plain requests.
    """

    def setUp(self) -> None:
        self.stage = Stage()
        self.stage.usual()

    def test_same(self) -> None:
        """
        A client gets the same, however plain its request is.
        """
        for stage in (self.stage, Stage(allow={}), Stage(gzip=False)):
            if stage is not self.stage:
                stage.usual()
            for target in (
                DATA,
                f"{DATA}&after={NOW - 300}&before={NOW - 100}",
                "/host/web1" + DATA,
                "/host/nobody" + DATA,
                "/api/v1/data?chart=nothing",
                "/api/v1/data?chart=system.load&after=x",
                "/api/v1/data?chart=system.load&filename=a.json",
                "/api/v1/info",
                "/api/v1/charts",
                "/api/v3/nodes",
                "/api/v3/nothing",
                "/api/v1/badge.svg?chart=nothing",
                "/host/nobody/api/v1/badge.svg?chart=nothing",
            ):
                for line in (
                    "Accept-Encoding: gzip",
                    "Accept-Encoding: identity",
                    "Host: evil.example",
                    "Accept: text/html",
                ):
                    for peer in ("127.0.0.1", "192.0.2.1"):
                        (plain,) = stage.raw(_request(target, line), peer)
                        (other,) = stage.raw(_request(target, line, TWISTED), peer)
                        self.assertEqual(plain.status, other.status, (target, line, peer))
                        self.assertEqual(plain.headers, other.headers, (target, line, peer))
                        self.assertEqual(plain.body, other.body, (target, line, peer))

    def test_kept(self) -> None:
        """
        A connection answers one request after the other, whether they are
        plain or not, and whether they come alone or together.
        """
        plain, other = _request("/api/v1/info"), _request("/api/v1/info", TWISTED)
        client = self.stage.connect()
        protocol, transport = client
        for data, count in ((plain, 1), (other, 1), (plain, 1), (plain + plain, 2), (other + plain, 2), (plain, 1)):
            transport.clear()
            protocol.dataReceived(data)
            for _ in range(10):
                self.stage.clock.advance(0)
            self.assertEqual(transport.value().count(b"HTTP/1.1 200 OK"), count, data)

    def test_in_pieces(self) -> None:
        """
        A request may come in any pieces.
        """
        data = _request("/api/v1/info")
        for at in range(1, len(data)):
            protocol, transport = self.stage.connect()
            protocol.dataReceived(data[:at])
            protocol.dataReceived(data[at:])
            protocol.dataReceived(data)
            self.assertEqual(transport.value().count(b"HTTP/1.1 200 OK"), 2, at)

    def test_idle(self) -> None:
        """
        A connection that says nothing for too long ends, counted from its last
        request.
        """
        stage = Stage(idle_timeout=60)
        protocol, transport = stage.connect()
        for _ in range(4):
            self.assertEqual(stage.ask((protocol, transport)), 200)
            stage.clock.advance(50)
            self.assertFalse(transport.disconnecting)
        stage.clock.advance(11)
        self.assertTrue(transport.disconnecting)


class SlowTests(SynchronousTestCase):
    """
    Plain requests whose answer takes a while.
    """

    def setUp(self) -> None:
        self.db = _SlowDB()
        self.stage = Stage(self.db, idle_timeout=60)
        self.stage.usual()
        self.protocol, self.transport = self.stage.connect()

    def _answers(self) -> int:
        return self.transport.value().count(b"HTTP/1.1 200 OK")

    def test_order(self) -> None:
        """
        What is asked meanwhile is answered afterwards, in its turn.
        """
        self.protocol.dataReceived(_request(DATA))
        self.protocol.dataReceived(_request("/api/v1/info"))
        self.assertEqual(self._answers(), 0)
        self.stage.clock.advance(100)  # to answer may take longer than to be idle
        self.db.waiting.pop().callback(None)
        self.assertEqual(self._answers(), 2)
        self.assertLess(self.transport.value().index(b'"data"'), self.transport.value().index(b'"mirrored_hosts"'))
        self.protocol.dataReceived(_request(DATA))
        self.db.waiting.pop().callback(None)
        self.assertEqual(self._answers(), 3)

    def test_gone(self) -> None:
        """
        When a client leaves before it is answered, its question ends with it.
        """
        self.protocol.dataReceived(_request(DATA))
        self.protocol.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(self.db.given_up, self.db.waiting)
        self.assertEqual(self._answers(), 0)

    def test_broken(self) -> None:
        """
        A mistake of the node is told as such, and the connection goes on.
        """
        self.protocol.dataReceived(_request(DATA))
        self.db.waiting.pop().errback(RuntimeError("broken"))
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        self.assertIn(b"HTTP/1.1 500 ", self.transport.value())
        self.protocol.dataReceived(_request("/api/v1/info"))
        self.assertEqual(self._answers(), 1)
