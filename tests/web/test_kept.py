"""
Answers that are given again while nothing has changed.
"""

from typing import Any

from twisted.internet.abstract import FileDescriptor
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from netstream.db.interfaces import Columns
from netstream.db.ram import RamDB
from netstream.hub.hub import Host
from netstream.model.pattern import SimplePattern
from netstream.web.answer import Answer
from netstream.web.kept import Kept, Packed, State
from tests.web.stage import LOAD, NOW, Stage, settings

DATA = "/api/v1/data?chart=system.load&after=-60&points=60&options=seconds"


class _CountingDB(RamDB):
    """
    Counts what it is asked.
    """

    def __init__(self) -> None:
        super().__init__(86400, 1)
        self.asked = 0

    def query(self, *question: Any) -> Deferred[Columns]:
        self.asked += 1
        return super().query(*question)


class _Trickle(FileDescriptor):
    """
    A transport that takes some bytes at a time.
    """

    def __init__(self, most: int) -> None:
        super().__init__(MemoryReactorClock())  # type: ignore[no-untyped-call]
        self.connected = 1
        self.most = most
        self.taken = b""

    def writeSomeData(self, data: Any) -> int:
        some = bytes(data[: self.most])
        self.taken += some
        return len(some)

    def getPeer(self) -> IPv4Address:
        return IPv4Address("TCP", "127.0.0.1", 4321)

    def getHost(self) -> IPv4Address:
        return IPv4Address("TCP", "127.0.0.1", 19999)


class KeptTests(SynchronousTestCase):
    """
    L{Kept}.
    """

    def setUp(self) -> None:
        self.stage = Stage()
        self.settings = settings()

    def state(self, now: float = NOW) -> State:
        found = State.of(self.stage.local, now, self.settings)
        assert found is not None
        return found

    def test_bounded(self) -> None:
        """
        There are never more bytes than there may be, and none of an earlier
        second.
        """
        kept, packed = Kept(1000), Packed(Answer(b""), {}, b"x" * 90)
        for number in range(100):
            kept.keep((b"%10d" % number, ""), self.state(), packed)
        self.assertEqual(len(kept), 10)
        kept.keep((b"%10d" % 3, ""), self.state(), packed)  # again, which takes no more room
        self.assertEqual(len(kept), 10)
        kept.keep((b"later", ""), self.state(NOW + 1), packed)
        self.assertEqual(len(kept), 1)

    def test_unknown_changes(self) -> None:
        """
        Of a host that another process takes in nothing is kept.
        """
        host = Host(self.stage.local.info, self.stage.db, elsewhere=True)
        self.assertIsNone(State.of(host, NOW, self.settings))


class AgainTests(SynchronousTestCase):
    """
    Requests that come again over a connection.
    """

    def setUp(self) -> None:
        self.db = _CountingDB()
        self.stage = Stage(self.db)
        self.stage.usual()
        self.client = self.stage.connect()

    def ask(self, target: str = DATA, *lines: str) -> bytes:
        """
        @return: All that is answered.
        """
        protocol, transport = self.client
        transport.clear()
        protocol.dataReceived("\r\n".join([f"GET {target} HTTP/1.1", "Host: localhost", *lines, "", ""]).encode())
        found: bytes = transport.value()
        return found

    def test_same(self) -> None:
        """
        The same question has the same answer, which is not computed anew, also
        for those who ask over other connections.
        """
        first = self.ask()
        self.assertIn(b" 200 OK", first)
        self.assertEqual(self.ask(), first)
        self.client = self.stage.connect()
        self.assertEqual((self.ask(), self.ask()), (first, first))
        self.assertEqual(self.db.asked, 1)

    def test_packing(self) -> None:
        """
        Each gets what it takes.
        """
        long = f"{DATA}&options=seconds,jsonwrap"
        plain, small = self.ask(long), self.ask(long, "Accept-Encoding: gzip")
        self.assertNotIn(b"Content-Encoding", plain)
        self.assertIn(b"Content-Encoding: gzip", small)
        self.assertEqual(self.ask(long), plain)
        self.assertEqual(self.ask(long, "Accept-Encoding: gzip"), small)

    def test_new_sample(self) -> None:
        """
        A sample that came since is in the answer, of whatever second it is.
        """
        first = self.ask()
        self.stage.fill(LOAD, {NOW - 5: [77.0, 0.5]})
        self.assertIn(b",77", self.ask())
        self.assertNotIn(b",77", first)

    def test_next_second(self) -> None:
        """
        A window moves on with time.
        """
        first = self.ask()
        self.stage.clock.advance(1)
        self.assertNotEqual(self.ask().partition(b"\r\n\r\n")[2], first.partition(b"\r\n\r\n")[2])

    def test_which_host(self) -> None:
        """
        A name means who has it now.
        """
        first = self.ask("/host/web1" + DATA)
        host = self.stage.hub.find("web1")
        assert host is not None
        self.stage.hub.disconnect(host, NOW)
        other = self.stage.child(guid="33333333-3333-3333-3333-333333333333")
        self.stage.fill(LOAD, {second: [8.25, 0.5] for second in range(NOW - 60, NOW)}, other)
        self.assertNotIn(b"8.25", first)
        self.assertIn(b"8.25", self.ask("/host/web1" + DATA))
        self.successResultOf(self.stage.hub.remove(host))
        self.assertIn(b"8.25", self.ask("/host/web1" + DATA))

    def test_settings(self) -> None:
        """
        Who may not look any more gets nothing, though it did a moment ago.
        """
        self.assertIn(b" 200 OK", self.ask())
        self.assertIn(b" 200 OK", self.ask())
        self.stage.site.reconfigure(settings(allow={"dashboard": SimplePattern.parse("10.*")}))
        self.assertIn(b" 403 ", self.ask())

    def test_like(self) -> None:
        """
        Who says something else about itself is looked at anew.
        """
        self.assertIn(b" 200 OK", self.ask())
        self.assertIn(b" 400 ", self.ask(DATA, "Host: evil.example"))
        self.assertIn(b" 200 OK", self.ask())

    def test_children_only(self) -> None:
        """
        Who may ask what children ask, from wherever and by whatever name, may
        look at nothing else for that.
        """
        asked = "/api/v3/stream_info?machine_guid=x"
        self.stage = Stage(self.db, allow={"dashboard": SimplePattern.parse("10.*")})
        self.stage.usual()
        self.client = self.stage.connect("192.0.2.1")
        self.assertNotIn(b" 403 ", self.ask(asked))
        self.assertIn(b" 403 ", self.ask())
        self.stage = Stage(self.db)
        self.stage.usual()
        self.client = self.stage.connect()
        for target, refused in ((asked, False), (DATA, True)):
            protocol, transport = self.client
            transport.clear()
            protocol.dataReceived(f"GET {target} HTTP/1.1\r\nHost: evil.example\r\n\r\n".encode())
            self.assertEqual(b" 421 " in transport.value(), refused, target)

    def test_features(self) -> None:
        """
        A port that serves less now serves less.
        """
        self.assertIn(b" 200 OK", self.ask())
        self.client[0].site.serve(["badges"])
        self.assertIn(b" 403 ", self.ask())


class TrickleTests(SynchronousTestCase):
    """
    Answers go out whole, however little a transport takes at a time.
    """

    def test_pieces(self) -> None:
        """
        What does not go out at once waits its turn, and what is answered
        meanwhile comes behind it.
        """
        stage = Stage()
        stage.usual()
        data = f"GET {DATA} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        protocol, transport = stage.connect()
        for _ in range(3):
            protocol.dataReceived(data)
        for most in (1 << 20, 700, 1):
            protocol = stage.site.buildProtocol(IPv4Address("TCP", "127.0.0.1", 4321))
            trickle = _Trickle(most)
            protocol.makeConnection(trickle)
            for _ in range(3):
                protocol.dataReceived(data)
            while trickle in trickle.reactor.getWriters():
                trickle.doWrite()
            self.assertEqual(trickle.taken, transport.value())
