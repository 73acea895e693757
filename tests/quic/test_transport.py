"""
Tests for streams over UDP, on a simulated link that loses, doubles and
reorders datagrams, and that changes addresses.
"""

from __future__ import annotations

from random import Random
from typing import Any

from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IPushProducer, ISSLTransport
from zope.interface import implementer
from zope.interface.verify import verifyObject

from netstream.quic.carrier import FULL
from netstream.quic.connection import IDLE, WINDOW
from tests.quic.case import PORT, LinkCase, Talker


@implementer(IPushProducer)
class Source:
    """
    Writes as long as it may.
    """

    def __init__(self, talker: Talker, clock: Any) -> None:
        self._talker = talker
        self._clock = clock
        self.paused = False
        self.pauses = 0
        self.written = 0
        self.stopped = False

    def run(self) -> None:
        if not self.paused and not self.stopped:
            self._talker.transport.write(b"x" * 10_000)
            self.written += 10_000
            self._clock.callLater(0.001, self.run)

    def pauseProducing(self) -> None:
        self.paused = True
        self.pauses += 1

    def resumeProducing(self) -> None:
        self.paused = False
        self.run()

    def stopProducing(self) -> None:
        self.stopped = True


class TransportTests(LinkCase):
    """
    Bytes in both directions.
    """

    def test_both_ways(self) -> None:
        """
        What one side writes, the other reads, as over TCP; either may begin.
        """
        self.listen()
        client = self.connected()
        (server,) = self.accepted
        server.transport.write(b"welcome")
        self.network.advance(1)
        self.assertEqual(client.heard, b"welcome")
        client.transport.writeSequence([b"thank ", b"you"])
        self.network.advance(1)
        self.assertEqual(server.heard, b"thank you")
        verifyObject(ISSLTransport, client.transport)
        verifyObject(IPushProducer, client.transport)
        self.assertEqual(client.transport.getPeer().port, PORT)
        self.assertEqual(server.transport.getPeer().host, self.child.address)
        self.assertEqual(client.transport.getHost().host, self.child.address)

    def test_bad_weather(self) -> None:
        """
        A link that loses one datagram of twenty, doubles and reorders others
        delivers all that was written, in order and once, with ten seeds.
        """
        self.listen()
        weather = self.network.weather
        weather.loss, weather.doubles, weather.late = 0.05, 0.05, 0.1
        for seed in range(10):
            weather._random = Random(seed)
            self.accepted.clear()
            client = self.connected()
            (server,) = self.accepted
            up, down = Random(seed).randbytes(200_000), Random(seed + 1).randbytes(100_000)
            client.transport.write(up)
            server.transport.write(down)
            self.until(lambda s=server, c=client: len(s.heard) >= 200_000 and len(c.heard) >= 100_000, 120)
            client.transport.loseConnection()
            self.until(lambda s=server, c=client: s.lost and c.lost, 60)
            self.assertEqual((server.heard, client.heard), (up, down), seed)
            self.assertTrue(client.lost and client.lost.check(ConnectionDone), f"{seed}: {client.end}")
            self.assertTrue(server.lost and server.lost.check(ConnectionDone), f"{seed}: {server.end}")

    def test_new_address(self) -> None:
        """
        A connection goes on when what translates addresses gives the child
        another port, also while much is under way.
        """
        port = self.listen()
        client = self.connected()
        (server,) = self.accepted
        before = server.transport.getPeer()
        client.transport.write(b"x" * 2_000_000)
        for _ in range(3):
            self.network.advance(0.3)
            self.network.move("child")
        self.until(lambda: len(server.heard) == 2_000_000, 60)
        self.assertNotEqual(server.transport.getPeer().port, before.port)
        server.transport.write(b"still here")
        # Nobody can send to a child that has said nothing since: that takes until it keeps the way open.
        self.until(lambda: bool(client.heard), 20)
        self.assertEqual(client.heard, b"still here")
        self.assertEqual(len(port.connections), 1)

    def test_way_lost(self) -> None:
        """
        Where nothing comes back any more, the child tries from another port
        of its own before it gives up.
        """
        self.listen()
        client = self.connected()
        (server,) = self.accepted
        old = client.transport.getHost().port
        del self.network.sockets[self.child.address, old]
        for _ in range(15):
            client.transport.write(b"1")
            self.network.advance(1)
        self.assertEqual(server.heard, b"1" * 15)
        self.assertIsNone(client.lost)
        self.assertNotEqual(client.transport.getHost().port, old)

    def test_kept_alive(self) -> None:
        """
        A connection on which nothing is said lasts, and says something often
        enough for what translates addresses.
        """
        self.listen()
        client = self.connected()
        self.network.advance(1)
        socket = self.network.sockets[self.child.address, client.transport.getHost().port]
        for _ in range(10):
            sent = socket.sent
            self.network.advance(20)
            self.assertGreater(socket.sent, sent)
        self.assertIsNone(client.lost)
        self.assertIsNone(self.accepted[0].lost)

    def test_gone(self) -> None:
        """
        When the other machine is gone, both sides notice within half a minute
        or so.
        """
        port = self.listen()
        client = self.connected()
        (server,) = self.accepted
        self.network.cut("parent", "child")
        client.transport.write(b"hello?")
        self.network.advance(IDLE + 20)
        self.assertTrue(client.lost and client.lost.check(ConnectionLost))
        self.assertIn("nothing was heard of the other side any more", client.end)
        self.assertTrue(server.lost and server.lost.check(ConnectionLost))
        self.assertEqual((port.connections, port._routes), ({}, {}))

    def test_restarted(self) -> None:
        """
        A child that was connected to a parent before its crash is told at once
        that this one knows nothing of it; one whose parent is away, when the
        other machine says that nothing listens.
        """
        for back in (True, False):
            port = self.listen()
            self.accepted.clear()
            client = self.connected()
            self.parent.crash()
            if back:
                port = self.listen()
            client.transport.write(b"hello?")
            self.network.advance(1 if back else 8)
            self.assertTrue(client.lost and client.lost.check(ConnectionLost), back)
            self.assertIn("after a restart" if back else "nothing listens there any more", client.end)
            port.stopListening()


class EndTests(LinkCase):
    """
    How connections end.
    """

    def test_closed(self) -> None:
        """
        Whoever closes, what was written before is read, and both are told that
        it ended well.
        """
        port = self.listen()
        for closes in (0, 1):
            self.accepted.clear()
            client = self.connected()
            sides = client, self.accepted[0]
            for side in sides:
                side.transport.write(b"y" * 300_000)
            sides[closes].transport.loseConnection()
            self.until(lambda sides=sides: all(side.lost for side in sides), 20)
            for side in sides:
                self.assertTrue(side.lost and side.lost.check(ConnectionDone), side.end)
                self.assertEqual(len(side.heard), 300_000)
                side.transport.write(b"too late")
        self.network.advance(10)
        self.assertEqual((port.connections, port._routes, port._handshakes), ({}, {}, {}))
        self.assertEqual(list(self.network.sockets), [(self.parent.address, PORT)])

    def test_aborted(self) -> None:
        """
        An abort ends a connection at once; the other side is told that it did
        not end well, also if the first word of it is lost.
        """
        self.listen()
        for lost in (False, True):
            self.accepted.clear()
            client = self.connected()
            (server,) = self.accepted
            self.network.weather.loss = 1.0 if lost else 0.0
            client.transport.abortConnection()
            self.network.advance(0.01)
            self.network.weather.loss = 0.0
            self.assertTrue(client.lost and client.lost.check(ConnectionAborted))
            if lost:
                server.transport.write(b"are you there?")
            self.network.advance(0.5)
            self.assertTrue(server.lost and server.lost.check(ConnectionLost), lost)

    def test_end_waits(self) -> None:
        """
        What came before the end is not lost on one who reads nothing just
        then, however long that lasts; then the end is told.
        """
        self.listen()
        client = self.connected()
        (server,) = self.accepted
        server.transport.pauseProducing()
        client.transport.write(b"last words")
        self.network.advance(1)
        client.transport.abortConnection()
        self.network.advance(60)
        self.assertEqual((server.heard, server.lost), (b"", None))
        server.transport.resumeProducing()
        self.network.advance(1)
        self.assertEqual(server.heard, b"last words")
        self.assertTrue(server.lost and server.lost.check(ConnectionLost))

    def test_never_ends(self) -> None:
        """
        A side that does not end with the other is cut off.
        """
        self.listen()
        client = self.connected()
        (server,) = self.accepted
        client.transport.pauseProducing()
        client.loseConnection = lambda: None  # type: ignore[attr-defined]
        server.transport.write(b"bye")
        server.transport.loseConnection()
        self.network.advance(40)
        self.assertTrue(server.lost)

    def test_protocol_fails(self) -> None:
        """
        A protocol that fails costs its own connection only.
        """
        self.listen()
        client, other = self.connected(), self.connected()
        server = self.accepted[0]
        server.dataReceived = lambda data: 1 // 0  # type: ignore[assignment]
        client.transport.write(b"x")
        self.network.advance(1)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertTrue(client.lost and server.lost)
        other.transport.write(b"fine")
        self.network.advance(1)
        self.assertEqual(self.accepted[1].heard, b"fine")


class PressureTests(LinkCase):
    """
    Who does not read stops who writes.
    """

    def test_bounded(self) -> None:
        """
        While one side reads nothing, the other stops writing; neither keeps
        more than the window and what a writer may have under way.  Then all
        goes on.
        """
        self.listen()
        client = self.connected()
        (server,) = self.accepted
        server.transport.pauseProducing()
        source = Source(client, self.child)
        client.transport.registerProducer(source, True)
        source.run()
        self.network.advance(20)
        self.assertTrue(source.paused)
        self.assertEqual(server.heard, b"")
        held = sum(map(len, server.transport._held))
        self.assertLessEqual(held, WINDOW)
        self.assertGreater(held, WINDOW // 2)
        self.assertLessEqual(source.written, WINDOW + FULL + 20_000)
        written = source.written
        self.network.advance(60)
        self.assertEqual(source.written, written)
        self.assertIsNone(client.lost)
        server.transport.resumeProducing()
        self.network.advance(5)
        self.assertGreater(source.written, 3 * written)
        source.stopped = True
        self.network.advance(5)
        self.assertEqual(len(server.heard), source.written)
        self.assertGreater(source.pauses, 1)
        client.transport.unregisterProducer()

    def test_much(self) -> None:
        """
        The window moves with what is read, far beyond its size.
        """
        self.listen()
        client = self.connected()
        client.transport.write(b"z" * (6 * WINDOW))
        self.until(lambda: len(self.accepted[0].heard) == 6 * WINDOW, 60)
        # Datagrams that came together are read together.
        self.assertLess(self.accepted[0].pieces, 6 * WINDOW / 1200 * 0.75)

    def test_producer_of_the_lost(self) -> None:
        """
        A producer is stopped with its connection.
        """
        self.listen()
        client = self.connected()
        source = Source(client, self.child)
        client.transport.registerProducer(source, True)
        self.accepted[0].transport.abortConnection()
        self.network.advance(1)
        self.assertTrue(source.stopped)
        late = Source(client, self.child)
        client.transport.registerProducer(late, True)
        self.assertTrue(late.stopped)
