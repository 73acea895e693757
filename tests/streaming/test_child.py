"""
Tests for the sending side, against a parent that is written down.
"""

from typing import Any

import numpy as np
from attrs import evolve
from twisted.internet.defer import Deferred, fail
from twisted.internet.error import ConnectionDone
from twisted.internet.error import ConnectionRefusedError as Refused
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IStreamClientEndpoint
from twisted.internet.protocol import connectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.logger import globalLogPublisher
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from netstream.config.settings import Destination, StreamSettings
from netstream.db import NoneDB
from netstream.hub.hub import Host
from netstream.model.chart import Chart, Dimension
from netstream.model.host import HostInfo
from netstream.model.samples import SampleBatch
from netstream.model.updates import ChartDefined, VariableSet
from netstream.session.handshake import OFFER
from netstream.streaming.child import REST_OF_REPLY_WITHIN, STOP_WITHIN
from netstream.streaming.uplink import Uplink
from netstream.wire.capabilities import COMPRESSIONS, Capability
from netstream.wire.compression import ALGORITHMS, CompressionError, Compressor, Decompressor, Levels
from netstream.wire.handshake import Refusal, RequestReader, accepted

KEY = "6ea7d4b2-52f0-4f43-9d5e-0d7cbbd1a3ba"
A = Destination("a", "tcp", "a", 19999)
B = Destination("b", "tcp", "b", 19999)
REPLY = accepted(OFFER & ~COMPRESSIONS & ~Capability.REPLICATION)
SETTINGS = StreamSettings(True, (A,), KEY, timeout=60.0, buffer_size=1000)
INFO = HostInfo("11111111-1111-4111-8111-111111111111", "here")
CHART = Chart("c.d", dimensions={"a": Dimension("a")})


class Wire(StringTransport):
    """
    A transport whose other end reads only when told; it closes as Twisted's
    do, not before a producer that was paused has had its turn.

    @ivar aborted: Whether it was cut off.
    """

    full = 500

    def __init__(self) -> None:
        super().__init__()
        self.protocol: Any = None
        self.aborted = False
        self.unread = 0
        self.reading = True
        self.is_paused = False
        self.lost = False

    def write(self, data: bytes) -> None:
        super().write(data)
        if not self.reading:
            self.unread += len(data)
            if self.unread > self.full and self.producer is not None:
                self.is_paused = True
                self.producer.pauseProducing()

    def read(self, on: bool = True) -> None:
        """
        Read all that is under way.

        @param on: Read what comes after it as well.
        """
        self.unread, self.reading = 0, on
        if self.is_paused and self.producer is not None:
            self.is_paused = False
            self.producer.resumeProducing()
        elif self.disconnecting and not self.unread:
            self.close()

    def loseConnection(self) -> None:
        self.disconnecting = True
        if not self.unread and not (self.is_paused and self.producer is not None):
            self.close()

    def abortConnection(self) -> None:
        self.aborted = True

    def close(self, reason: Failure = connectionDone) -> None:
        if not self.lost:
            self.lost = True
            self.protocol.connectionLost(reason)


@implementer(IStreamClientEndpoint)
class Endpoint:
    """
    A destination that is written down.
    """

    def __init__(self, net: "Net", destination: Destination) -> None:
        self.net = net
        self.destination = destination

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        self.net.tried.append((self.net.clock.seconds(), self.destination.text))
        if self.net.refuses:
            return fail(Refused())
        connecting: Deferred[IProtocol] = Deferred()
        if self.net.connects:
            wire = Wire()
            wire.protocol = protocolFactory.buildProtocol(None)  # type: ignore[arg-type]
            wire.protocol.makeConnection(wire)
            self.net.wires.append(wire)
            connecting.callback(wire.protocol)
        return connecting


class Net:
    """
    What became of the attempts.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.connects = True
        self.refuses = False
        self.wires: list[Wire] = []
        self.tried: list[tuple[float, str]] = []


class ChildCase(SynchronousTestCase):
    """
    An uplink of a host with one chart.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.net = Net(self.clock)
        self.host = Host(INFO, NoneDB(), local=True)
        self.host.apply(ChartDefined(CHART))
        self.events: list[str] = []
        observer = self.observe
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)

    def observe(self, event: Any) -> None:
        text = (event.get("log_format") or "").format(**event)
        if text:
            self.events.append(text)

    def uplink(self, settings: StreamSettings = SETTINGS, start: bool = True) -> Uplink:
        uplink = Uplink(self.host, settings, self.clock, lambda d, timeout: Endpoint(self.net, d), lambda: 0.5)
        if start:
            uplink.startService()
        return uplink

    def answered(self, reply: bytes = REPLY, settings: StreamSettings = SETTINGS) -> tuple[Uplink, Wire]:
        """
        @return: An uplink that got a reply, and its connection without what
            was said so far.
        """
        uplink = self.uplink(settings)
        wire = self.wire
        wire.protocol.dataReceived(reply)
        wire.clear()
        return uplink, wire

    @property
    def wire(self) -> Wire:
        return self.net.wires[-1]

    def sample(self, time: int, value: int = 1, lines: bytes | None = None) -> None:
        number = self.host.table.number("c.d", "a")
        self.host.apply(
            SampleBatch(
                self.host.table,
                np.array([number], np.int32),
                np.array([time], np.int64),
                np.array([value], np.int64),
                np.array([float(value)]),
                np.zeros(1, np.uint8),
                lines,
            )
        )

    def clean(self) -> None:
        """
        Nothing is left behind.
        """
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.host._listeners, [])


class HandshakeTests(ChildCase):
    """
    Until a parent has accepted.
    """

    def test_request(self) -> None:
        """
        The request is one write, with one hop more and the key.
        """
        self.uplink()
        self.assertTrue(self.wire.value().startswith(b"STREAM key=" + KEY.encode()))
        self.assertIn(b"&hops=1&", self.wire.value())

    def test_reply_in_pieces(self) -> None:
        """
        However the reply is cut, it is understood; definitions follow it.
        """
        for size in range(1, len(REPLY) + 1):
            uplink = self.uplink()
            self.wire.clear()
            for at in range(0, len(REPLY), size):
                self.wire.protocol.dataReceived(REPLY[at : at + size])
            self.assertEqual(uplink.connected, A)
            self.assertIn(b"c.d", self.wire.value())
            self.successResultOf(uplink.stopService())
            self.clean()

    def test_reply_that_compresses_in_pieces(self) -> None:
        """
        The same when the parent has chosen a compression, whichever.
        """
        for bit in ALGORITHMS.values():
            reply = accepted(OFFER & ~COMPRESSIONS & ~Capability.REPLICATION | bit)
            for at in range(1, len(reply)):
                uplink = self.uplink()
                self.wire.protocol.dataReceived(reply[:at])
                self.wire.protocol.dataReceived(reply[at:])
                self.assertEqual(uplink.connected, A)
                self.assertFalse(self.wire.aborted)
                self.successResultOf(uplink.stopService())
                self.clean()

    def test_number_that_may_go_on(self) -> None:
        """
        A number that could go on is complete when nothing more comes.
        """
        uplink = self.uplink()
        self.wire.protocol.dataReceived(b"Hit me baby, push them over with the version=4")
        self.assertIsNone(uplink.connected)
        self.clock.advance(REST_OF_REPLY_WITHIN)
        self.assertEqual(uplink.connected, A)

    def test_command_behind_the_reply(self) -> None:
        """
        What a parent says in one piece with its reply is heard.
        """
        self.uplink()
        self.wire.protocol.dataReceived(REPLY + b"FUNCTION t1 10 'top'\n")
        self.assertIn(b"FUNCTION_RESULT_BEGIN", self.wire.value())

    def test_refusals(self) -> None:
        """
        Each refusal keeps us away for as long as its text asks for, whether
        it comes whole, in pieces or cut short.
        """
        for refusal in (r for r in Refusal if r.text):
            for pieces in ([refusal.line()], [refusal.line()[:9], refusal.line()[9:]]):
                with self.subTest(refusal=refusal, pieces=len(pieces)):
                    uplink = self.uplink(evolve(SETTINGS, reconnect_delay=1.0))
                    for piece in pieces:
                        self.wire.protocol.dataReceived(piece)
                    self.assertTrue(self.wire.aborted)
                    self.wire.close()
                    before = len(self.net.wires)
                    wait = 5 + (refusal.postpone - 5) * 0.5
                    self.clock.advance(wait - 0.01)
                    self.assertEqual(len(self.net.wires), before)
                    self.clock.advance(0.02)
                    self.assertEqual(len(self.net.wires), before + 1)
                    self.successResultOf(uplink.stopService())
                    self.clean()

    def test_refusal_cut_short(self) -> None:
        """
        A reply that ends in the middle is not taken for a lost connection.
        """
        uplink = self.uplink()
        self.wire.protocol.dataReceived(b"You are not permitted")
        self.wire.close()
        self.clock.advance(20)
        self.assertEqual(len(self.net.wires), 1)
        self.successResultOf(uplink.stopService())
        self.clean()

    def test_next_in_the_list(self) -> None:
        """
        When one refuses the next is asked at once.
        """
        self.uplink(evolve(SETTINGS, destinations=(A, B)))
        self.wire.protocol.dataReceived(Refusal.DENIED.line())
        self.wire.close()
        self.clock.advance(0.5)
        self.assertEqual([name for _, name in self.net.tried], ["a", "b"])

    def test_no_reply(self) -> None:
        """
        A parent that does not answer within the timeout is left.
        """
        self.uplink()
        self.clock.advance(60)
        self.assertTrue(self.wire.aborted)
        self.wire.close()
        self.clock.advance(17)
        self.assertEqual(len(self.net.wires), 1)

    def test_request_too_long(self) -> None:
        """
        A host that cannot be introduced is not asked for, says so once, and
        keeps nothing from stopping.
        """
        self.host.info = evolve(INFO, hostname="x" * 9000)
        uplink = self.uplink()
        self.assertEqual(self.wire.value(), b"")
        self.assertTrue(self.wire.aborted)
        self.wire.close()
        self.clock.advance(40)
        self.wire.close()
        self.assertEqual(len([text for text in self.events if "too long" in text]), 1)
        self.successResultOf(uplink.stopService())
        self.clean()

    def test_log(self) -> None:
        """
        A parent that is away for an hour costs one line of the log, and none
        of the lines tells the key.
        """
        self.net.refuses = True
        uplink = self.uplink()
        self.clock.pump([1.0] * 3600)
        self.assertGreater(len(self.net.tried), 200)
        self.assertEqual(len(self.events), 1)
        self.net.refuses = False
        self.clock.advance(60)
        self.wire.protocol.dataReceived(REPLY)
        self.successResultOf(uplink.stopService())
        self.assertNotIn(KEY, "".join(self.events))


class ReconnectTests(ChildCase):
    """
    A parent that accepted is lost.
    """

    def test_definitions_again(self) -> None:
        """
        On the next connection everything is defined anew before its samples,
        those of the time between among them.
        """
        _, wire = self.answered()
        self.sample(1_800_000_000)
        self.clock.advance(60)
        wire.close()
        self.sample(1_800_000_001)
        self.clock.advance(1)
        self.assertIsNot(self.wire, wire)
        self.wire.protocol.dataReceived(REPLY)
        self.sample(1_800_000_002)
        said = self.wire.value()
        self.assertLess(said.index(b"CHART "), said.index(b"BEGIN2 "))
        self.assertEqual(said.count(b"BEGIN2 "), 2)

    def test_parent_that_ends_us_at_once(self) -> None:
        """
        A parent that accepts and closes is not hammered, be it one or two;
        after a connection that held, the pauses are short again.
        """
        for destinations in ((A,), (A, B)):
            self.net.tried.clear()
            uplink = self.uplink(evolve(SETTINGS, destinations=destinations))
            for _ in range(600):
                if not self.wire.lost:
                    self.wire.protocol.dataReceived(REPLY)
                    self.wire.close()
                self.clock.advance(0.5)
            self.assertLess(len(self.net.tried), 100)
            while self.wire.lost:
                self.clock.advance(0.5)
            self.wire.protocol.dataReceived(REPLY)
            self.clock.advance(60)
            count = len(self.net.tried)
            self.wire.close()
            self.clock.advance(1)
            self.assertEqual(len(self.net.tried), count + 1)
            self.successResultOf(uplink.stopService())
            self.clean()

    def test_parent_that_breaks_the_protocol(self) -> None:
        """
        A parent whose line never ends is left, with the reason in the log.
        """
        _, wire = self.answered()
        wire.protocol.dataReceived(b"x" * 100_000)
        self.assertTrue(wire.aborted)
        wire.protocol.dataReceived(b"x" * 100_000)
        self.sample(1_800_000_000)
        self.assertEqual(wire.value(), b"")
        wire.close()
        self.assertIn("breaks the protocol", self.events[-1])

    def test_own_mistake(self) -> None:
        """
        An update that cannot be sent ends this connection, and nothing else.
        """
        _, wire = self.answered()
        self.host.apply(VariableSet("v", None))  # type: ignore[arg-type]
        self.assertEqual(len(self.flushLoggedErrors()), 1)
        self.assertTrue(wire.aborted)
        self.host.apply(VariableSet("v", None))  # type: ignore[arg-type]
        wire.close()
        self.clock.advance(1)
        self.wire.protocol.dataReceived(REPLY + b"FUNCTION t1 10 'top'\n")
        self.assertEqual(len(self.flushLoggedErrors()), 1)
        self.assertTrue(self.wire.aborted)
        self.wire.close()
        self.host.variables.clear()
        self.clock.advance(60)
        self.wire.protocol.dataReceived(REPLY)
        self.assertIn(b"c.d", self.wire.value())


class SlowTests(ChildCase):
    """
    A parent that reads slowly.
    """

    def fill(self, wire: Wire, seconds: int = 50, begin: int = 1_800_000_000) -> None:
        wire.reading = False
        for second in range(seconds):
            self.sample(begin + second)

    def test_waits(self) -> None:
        """
        What a slow parent does not take yet comes later, whole and in order.
        """
        _, wire = self.answered(settings=evolve(SETTINGS, buffer_size=100_000))
        self.fill(wire)
        before = wire.value().count(b"BEGIN2")
        self.assertLess(before, 50)
        wire.read()
        said = wire.value()
        self.assertEqual(said.count(b"BEGIN2"), 50)
        self.assertFalse(wire.aborted)

    def test_drops(self) -> None:
        """
        Beyond the buffer the oldest samples go, definitions stay, the log says
        so once, and the count is kept.
        """
        uplink, wire = self.answered()
        self.fill(wire, 60)
        self.host.apply(ChartDefined(evolve(CHART, title="Other")))
        self.fill(wire, 60, 1_800_000_060)
        self.assertEqual(len([text for text in self.events if "reads too slowly" in text]), 1)
        wire.read()
        said = wire.value()
        self.assertIn(b"Other", said)
        count = said.count(b"BEGIN2")
        wire.close()
        self.assertEqual(uplink.dropped, 120 - count)

    def test_takes_nothing(self) -> None:
        """
        A parent that takes nothing for the timeout is left.
        """
        _, wire = self.answered()
        self.fill(wire)
        self.clock.advance(59)
        self.assertFalse(wire.aborted)
        self.clock.advance(1)
        self.assertTrue(wire.aborted)
        wire.close()
        self.assertIn("it took nothing for 60 s", self.events[-1])

    def test_slow_but_steady(self) -> None:
        """
        A parent that takes a little now and then is not left.
        """
        _, wire = self.answered()
        for minute in range(10):
            self.fill(wire, begin=1_800_000_000 + 60 * minute)
            self.clock.advance(40)
            wire.read(on=False)
        self.assertFalse(wire.aborted)
        wire.read()
        self.clock.advance(60)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_long_beginning(self) -> None:
        """
        Definitions that are more than the buffer reach a parent that takes
        them piece by piece, however long that lasts.
        """
        for number in range(2000):
            self.host.apply(ChartDefined(evolve(CHART, id=f"c.d{number}")))
        uplink = self.uplink()
        wire = self.wire
        wire.read(on=False)
        wire.protocol.dataReceived(REPLY)
        for _ in range(1000):
            if not self.clock.getDelayedCalls():
                break
            self.sample(1_800_000_000)
            self.clock.advance(40)
            wire.read(on=False)
        self.assertFalse(wire.aborted)
        self.assertIn(b"c.d1999", wire.value())
        self.assertEqual(uplink.connected, A)

    def test_definitions_alone_overflow(self) -> None:
        """
        What cannot be dropped is bounded as well: the connection ends.
        """
        _, wire = self.answered()
        self.fill(wire)
        for number in range(1000):
            if wire.aborted:
                break
            self.host.apply(ChartDefined(evolve(CHART, id=f"c.d{number}")))
        self.assertTrue(wire.aborted)
        wire.close()
        self.assertIn("buffer size", self.events[-1])

    def test_version_1(self) -> None:
        """
        Of samples that only tell their distance from the ones before, all that
        wait go, and the parent's clock tells the time of the next one.
        """
        settings = evolve(SETTINGS, clock_resync_iterations=1)
        uplink, wire = self.answered(b"Hit me baby, push them over with the version=4 ", settings)
        self.fill(wire, 60)
        self.assertFalse(wire.aborted)
        wire.read()
        times = [line.split()[-1] for line in wire.value().split(b"\n") if line.startswith(b"BEGIN")]
        after = len(times) - times.index(b"0", 1)
        self.assertGreater(after, 1)
        self.assertEqual(times[-after:], [b"0"] + [b"1000000"] * (after - 1))
        self.assertEqual(uplink.upstream.dropped, 60 - len(times))
        self.assertGreater(uplink.upstream.dropped, 1)
        wire.close()


class StopTests(ChildCase):
    """
    An uplink stops whatever it is doing, and leaves nothing behind.
    """

    def stop(self, uplink: Uplink) -> Deferred[None]:
        self.events.clear()
        return uplink.stopService()

    def test_connecting(self) -> None:
        """
        While it connects, without a complaint that it did not.
        """
        self.net.connects = False
        self.successResultOf(self.stop(self.uplink()))
        self.assertEqual(self.events, [])
        self.clean()

    def test_waiting(self) -> None:
        """
        While it waits for the next attempt.
        """
        self.net.refuses = True
        self.successResultOf(self.stop(self.uplink()))
        self.clean()

    def test_asking(self) -> None:
        """
        While a parent has not answered.
        """
        self.successResultOf(self.stop(self.uplink()))
        self.assertEqual(self.events, [])
        self.clean()

    def test_connected(self) -> None:
        """
        While it streams.
        """
        uplink, wire = self.answered()
        self.successResultOf(self.stop(uplink))
        self.assertTrue(wire.lost)
        self.clean()

    def test_paused(self) -> None:
        """
        While a parent is slow: it gets the rest.
        """
        uplink, wire = self.answered(settings=evolve(SETTINGS, buffer_size=100_000))
        wire.reading = False
        for second in range(50):
            self.sample(1_800_000_000 + second)
        stopped = self.stop(uplink)
        self.assertNoResult(stopped)
        wire.read()
        self.successResultOf(stopped)
        self.assertEqual(wire.value().count(b"BEGIN2"), 50)
        self.clean()

    def test_paused_with_nothing_waiting(self) -> None:
        """
        While the last bytes are on their way: it ends when they arrived.
        """
        uplink, wire = self.answered()
        wire.reading = False
        while not wire.is_paused:
            self.sample(1_800_000_000)
        stopped = self.stop(uplink)
        wire.read()
        self.successResultOf(stopped)
        self.clean()

    def test_parent_never_reads(self) -> None:
        """
        While a parent reads nothing any more: not for long.
        """
        uplink, wire = self.answered()
        wire.reading = False
        for second in range(50):
            self.sample(1_800_000_000 + second)
        stopped = self.stop(uplink)
        self.clock.advance(STOP_WITHIN)
        self.assertTrue(wire.aborted)
        wire.close(Failure(ConnectionDone()))
        self.successResultOf(stopped)
        self.clean()

    def test_lost_meanwhile(self) -> None:
        """
        While a parent goes away: it does not come back.
        """
        uplink, wire = self.answered()
        wire.close()
        self.successResultOf(self.stop(uplink))
        self.clock.advance(100)
        self.assertEqual(len(self.net.wires), 1)
        self.clean()


class CompressionTests(ChildCase):
    """
    A parent has chosen a compression.
    """

    def chosen(self, name: str = "zstd", **settings: Any) -> tuple[Uplink, Wire]:
        """
        @return: An uplink whose parent has chosen an algorithm, and its
            connection without the request.
        """
        uplink = self.uplink(evolve(SETTINGS, **settings))
        self.wire.clear()
        self.wire.protocol.dataReceived(accepted(OFFER & ~COMPRESSIONS & ~Capability.REPLICATION | ALGORITHMS[name]))
        return uplink, self.wire

    def offered(self) -> Capability:
        """
        @return: What the last request offered.
        """
        request = RequestReader().receive(self.wire.value())
        assert request is not None
        return request.capabilities & COMPRESSIONS

    def test_offer(self) -> None:
        """
        All algorithms are offered, none if C{enable compression} says no.
        """
        self.uplink()
        self.assertEqual(self.offered(), COMPRESSIONS)
        self.uplink(evolve(SETTINGS, compression=False))
        self.assertEqual(self.offered(), Capability(0))

    def test_not_offered(self) -> None:
        """
        A parent that chooses what was not offered gets plain text.
        """
        _, wire = self.chosen(compression=False)
        self.clock.advance(REST_OF_REPLY_WITHIN)
        self.assertIn(b"CHART ", wire.value())

    def test_all(self) -> None:
        """
        Definitions and samples go in frames of the algorithm that was chosen, from the first byte.
        """
        for name in ALGORITHMS:
            uplink, wire = self.chosen(name)
            self.clock.advance(0)
            self.sample(1700000000, 21)
            self.sample(1700000001, 22)
            self.clock.advance(0)
            text = b"".join(Decompressor(name).receive(wire.value()))
            self.assertIn(b"CHART ", text)
            self.assertEqual(text.count(b"BEGIN2"), 2)
            self.assertIn(f"streams to a, compressed with {name}", self.events[-1])
            self.successResultOf(uplink.stopService())
            self.clean()

    def test_levels(self) -> None:
        """
        The levels of C{[stream]} are heeded.
        """
        uplink = self.uplink(evolve(SETTINGS, zstd_level=9, lz4_acceleration=2, brotli_level=4, gzip_level=5))
        self.assertEqual(uplink.levels, Levels(9, 2, 4, 5))

    def test_end(self) -> None:
        """
        What was gathered when the node stops is sent before the connection is closed.
        """
        uplink, wire = self.chosen()
        self.sample(1700000000, 21)
        self.successResultOf(uplink.stopService())
        self.assertIn(b"BEGIN2", b"".join(Decompressor("zstd").receive(wire.value())))
        self.clean()

    def test_fails(self) -> None:
        """
        When compressing fails the connection is reset, and the next one does without that algorithm.
        """
        uplink, wire = self.chosen()
        self.clock.advance(0)

        def broken(self: Compressor, text: bytes) -> bytes:
            raise CompressionError("zstd", "it failed (broken)")

        self.patch(Compressor, "compress", broken)
        self.sample(1700000000)
        self.clock.advance(0)
        self.sample(1700000001)
        self.assertTrue(wire.aborted)
        wire.close()
        self.assertIn("zstd compression: it failed (broken); the next connection does without", self.events[-1])
        self.clock.advance(100)
        self.assertEqual(self.offered(), COMPRESSIONS & ~Capability.ZSTD)
        self.successResultOf(uplink.stopService())
        self.clean()
