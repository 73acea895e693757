"""
Tests for reading in few big pieces what comes in many small ones.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

from twisted.internet.asyncioreactor import AsyncioSelectorReactor
from twisted.internet.defer import Deferred
from twisted.internet.epollreactor import EPollReactor
from twisted.internet.pollreactor import PollReactor
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.selectreactor import SelectReactor
from twisted.internet.task import Clock
from twisted.internet.tcp import Connection
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from netstream.streaming.pace import BUFFERS, LONG, PAUSE, PLENTY, PROMPT, TRICKLES, Pace
from tests.streaming.case import CHART, ScriptedChild, WorldCase


class Switch:
    """
    A transport that knows whether it reads.
    """

    def __init__(self) -> None:
        self.reads = True
        self.resumed: Callable[[], object] = bool

    def pauseProducing(self) -> None:
        self.reads = False

    def resumeProducing(self) -> None:
        self.reads = True
        self.resumed()


class PaceTests(SynchronousTestCase):
    """
    When a connection is left alone, and for how long.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1000)
        self.transport: Any = Switch()
        self.pace = Pace(self.transport, self.clock)

    def read(self, size: int, after: float = 0.001, may_wait: bool = True) -> bool:
        """
        @return: Whether the connection reads on.
        """
        self.clock.advance(after)
        self.pace.received(size, self.clock.seconds(), may_wait)
        reads: bool = self.transport.reads
        return reads

    def trickle(self) -> None:
        """
        Read small pieces until the connection is left alone.
        """
        for _ in range(2 * TRICKLES):
            if not self.read(1400):
                return
        self.fail("it is never left alone")

    def test_trickle(self) -> None:
        """
        After some small pieces in a row the connection is left alone for a
        moment, and then read again.
        """
        self.trickle()
        self.assertTrue(self.pace.waits)
        self.clock.advance(PAUSE * 0.99)
        self.assertFalse(self.transport.reads)
        self.clock.advance(PAUSE * 0.02)
        self.assertTrue(self.transport.reads)
        self.assertFalse(self.pace.waits)

    def test_remembered(self) -> None:
        """
        A child that trickled in the last second is left alone after the first
        piece of the next one.
        """
        for _ in range(20):
            self.read(1400)
            self.clock.advance(PAUSE)
        for _ in range(5):
            self.assertFalse(self.read(1400, after=0.9))
            self.clock.advance(PAUSE)
            self.read(20000, after=0)
            self.clock.advance(PAUSE)

    def bursts(self, *pieces: int) -> list[int]:
        """
        A child that trickled says so many bytes at once, each second.

        @return: How many bytes were dealt with at once.
        """
        dealt: list[int] = []

        def deal(data: bytes) -> None:
            dealt.append(len(data))
            self.pace.received(len(data), self.clock.seconds())

        left: list[int] = []

        def read() -> None:
            if left and (data := self.pace.gather(bytes(left.pop(0)), self.clock.seconds())):
                deal(data)

        self.pace = Pace(self.transport, self.clock, deal)
        self.trickle()
        self.clock.advance(PAUSE)
        self.transport.resumed = lambda: self.clock.callLater(0, read)
        for _ in range(20):
            self.clock.advance(0.9)
            left += pieces
            read()
            self.clock.advance(PAUSE)
        return dealt

    def test_bursts(self) -> None:
        """
        The first piece of a burst waits for the rest, and both are dealt with
        as one.
        """
        self.assertEqual(self.bursts(1400, 60000), [61400] * 20)

    def test_whole_bursts(self) -> None:
        """
        Nothing is waited for in vain for long: whose bursts are read as a
        whole is dealt with at once.
        """
        self.assertEqual(self.bursts(60000), [60000] * 20)
        self.assertEqual(self.bursts(9000), [9000] * 20)
        self.assertFalse(self.pace.waits)

    def test_few(self) -> None:
        """
        A child that says little, or all at once, is always read at once.
        """
        for _ in range(100):
            self.assertTrue(self.read(1400, after=0.25))

    def test_plenty(self) -> None:
        """
        A child that sends as fast as it can is never left alone.
        """
        for _ in range(100):
            self.assertTrue(self.read(PLENTY))

    def test_bulk(self) -> None:
        """
        A child that has much to say is soon read without a pause, however
        little the buffer of the system holds.
        """
        waited, said = 0.0, 0
        while said < 20_000_000:
            said += 20_000
            if not self.read(20_000):
                waited += PAUSE
                self.clock.advance(PAUSE)
        self.assertLess(waited, 1.5)
        self.clock.advance(PROMPT)
        self.trickle()

    def test_answer_expected(self) -> None:
        """
        Nothing is delayed that asks for an answer, or that may be one.
        """
        for _ in range(100):
            self.assertTrue(self.read(1400, may_wait=False))
        self.trickle()
        self.pace.hurry()
        self.assertTrue(self.transport.reads)
        for _ in range(100):
            self.assertTrue(self.read(1400, after=PROMPT / 200))
        self.clock.advance(PROMPT)
        self.trickle()

    def test_pieces_while_it_waits(self) -> None:
        """
        A transport that delivers what it had read already, as TLS does, goes
        on at once when that is plenty: nobody is slowed down.
        """
        self.trickle()
        self.assertFalse(self.read(PLENTY // 2, after=0))
        self.assertTrue(self.read(PLENTY // 2, after=0))
        self.assertTrue(self.read(PLENTY // 2, after=0))
        self.assertFalse(self.clock.getDelayedCalls())

    def test_stop(self) -> None:
        """
        Of a connection that is closed no timer is left.
        """
        self.trickle()
        self.pace.stop()
        self.assertFalse(self.clock.getDelayedCalls())
        self.pace.stop()

    def test_buffer(self) -> None:
        """
        Who sends fast is read in bigger pieces, up to a bound; who stopped
        needs no such buffer any more.
        """
        ours, theirs = socket.socketpair()
        self.addCleanup(ours.close)
        self.addCleanup(theirs.close)
        connection = Connection(ours, Protocol(), None)
        pace = Pace(connection, self.clock)
        least, most = BUFFERS
        for _ in range(10):
            pace.received(connection.bufferSize, 0.0)
        self.assertEqual(connection.bufferSize, most)
        for _ in range(10):
            pace.received(100, 0.0, may_wait=False)
        self.assertEqual(connection.bufferSize, least)

    def test_slow_to_take(self) -> None:
        """
        Of what takes long to deal with less is read at once, down to a bound,
        however much comes; and more again when that is over.
        """
        ours, theirs = socket.socketpair()
        self.addCleanup(ours.close)
        self.addCleanup(theirs.close)
        connection = Connection(ours, Protocol(), None)
        pace = Pace(connection, self.clock)
        least, most = BUFFERS
        pace.received(least, 0.0)
        pace.received(2 * least, 0.0)
        self.assertEqual(connection.bufferSize, 4 * least)
        pace.received(4 * least, 0.0, took=2 * LONG)
        self.assertEqual(connection.bufferSize, 2 * least)
        pace.received(2 * least, 0.0, took=LONG * 0.9)
        self.assertEqual(connection.bufferSize, 2 * least)
        for _ in range(10):
            pace.received(connection.bufferSize, 0.0, took=2 * LONG)
        self.assertEqual(connection.bufferSize, least)
        for _ in range(10):
            pace.received(connection.bufferSize, 0.0, took=LONG / 4)
        self.assertEqual(connection.bufferSize, most)

    def test_hold(self) -> None:
        """
        While the database has not accepted what was read, nothing more is
        read, however much time passes; then it goes on.
        """
        ready: Deferred[None] = Deferred()
        self.trickle()
        self.pace.hold(ready)
        self.pace.hold(Deferred())
        self.clock.advance(60)
        self.pace.hurry()
        self.assertFalse(self.read(PLENTY))
        ready.callback(None)
        self.assertTrue(self.transport.reads)
        self.assertFalse(self.pace.held)

    def test_closed_while_held(self) -> None:
        """
        A connection that ended while it was held is not touched any more.
        """
        ready: Deferred[None] = Deferred()
        self.pace.hold(ready)
        self.pace.stop()
        ready.callback(None)
        self.assertFalse(self.transport.reads)


class ParentTests(WorldCase):
    """
    A parent whose child trickles.
    """

    def trickling(self) -> tuple[Any, ScriptedChild, int]:
        """
        @return: A parent, a child in whose connection the parent waits now,
            and the second of its next sample.
        """
        parent = self.world.node("parent", "parent")
        child = self.child(parent)
        child.say(CHART)
        self.world.advance(2)
        time = int(self.world.network.clock.seconds()) - 50
        for _ in range(2 * TRICKLES):
            child.sample(time, time)
            time += 1
            self.world.advance(0.005)
        return parent, child, time

    def test_waits(self) -> None:
        """
        What comes while the parent waits is known a moment later.
        """
        parent, child, time = self.trickling()
        latest = self.host(parent).latest
        child.sample(time)
        self.world.advance(0.005)
        self.assertLess(latest.of(0)[0], time)
        self.world.advance(PAUSE)
        self.assertEqual(latest.of(0)[0], time)

    def test_last_words(self) -> None:
        """
        What a child says right before it leaves is not lost, though the parent
        was waiting then.
        """
        parent, child, time = self.trickling()
        child.sample(time)
        child.leave()
        self.world.advance(1)
        self.assertEqual(self.host(parent).latest.of(0)[0], time)
        self.assertFalse(self.host(parent).online)

    def test_last_words_of_a_burst(self) -> None:
        """
        The first piece of a burst is not lost when nothing follows, nor when
        the child leaves.
        """
        parent, child, time = self.trickling()
        latest = self.host(parent).latest
        self.world.advance(1)
        child.sample(time)
        self.world.advance(0.005)
        self.assertLess(latest.of(0)[0], time)
        self.world.advance(2 * PAUSE)
        self.assertEqual(latest.of(0)[0], time)
        self.world.advance(1)
        child.sample(time + 1)
        self.world.advance(0.005)
        child.leave()
        self.world.advance(1)
        self.assertEqual(latest.of(0)[0], time + 1)

    def test_bad_line(self) -> None:
        """
        A child that is thrown out while it trickles leaves no timer behind.
        """
        parent, child, time = self.trickling()
        child.say(b"SET nothing = 1\n")
        self.world.advance(1)
        self.assertTrue(child.closed)
        self.assertFalse(self.host(parent).online)


class _Reader(Protocol):
    """
    Counts what it reads at a pace, and stops its reactor at the end.
    """

    transport: Any

    def __init__(self, reactor: Any) -> None:
        self.reactor = reactor
        self.read = 0
        self.reads = 0
        self.waited = False

    def connectionMade(self) -> None:
        self.pace = Pace(self.transport, self.reactor)

    def dataReceived(self, data: bytes) -> None:
        self.read += len(data)
        self.reads += 1
        self.pace.received(len(data), self.reactor.seconds())

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.pace.stop()
        self.reactor.stop()


class ReactorTests(SynchronousTestCase):
    """
    Real sockets on each of the reactors.
    """

    def assert_read_to_the_end(self, reactor: Any) -> None:
        """
        A peer that says its last while it is not read, and closes, was read
        to the end.
        """
        reader = _Reader(reactor)
        factory = Factory.forProtocol(lambda: reader)
        factory.noisy = False
        port = reactor.listenTCP(0, factory, interface="127.0.0.1")
        peer = socket.create_connection(("127.0.0.1", port.getHost().port))
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.addCleanup(peer.close)
        sent = 0

        def say() -> None:
            nonlocal sent
            sent += peer.send(bytes(1400))
            if sent < 2000 * 1400 and not reader.reads or not reader.pace.waits:
                reactor.callLater(0.001, say)
                return
            reader.waited = True
            for _ in range(50):
                sent += peer.send(bytes(1000))
            peer.close()

        reactor.callWhenRunning(say)
        limit = reactor.callLater(100, reactor.stop)
        reactor.run(installSignalHandlers=False)
        if limit.active():
            limit.cancel()
        self.assertTrue(reader.waited)
        self.assertEqual(reader.read, sent)
        self.assertLess(reader.reads, 2 * TRICKLES + 6)

    def test_select(self) -> None:
        """
        C{--reactor select}.
        """
        self.assert_read_to_the_end(SelectReactor())

    def test_poll(self) -> None:
        """
        C{--reactor poll}.
        """
        self.assert_read_to_the_end(PollReactor())

    def test_epoll(self) -> None:
        """
        C{--reactor epoll}.
        """
        self.assert_read_to_the_end(EPollReactor())

    def test_asyncio(self) -> None:
        """
        C{--reactor asyncio}.
        """
        loop = asyncio.new_event_loop()
        self.addCleanup(loop.close)
        self.assert_read_to_the_end(AsyncioSelectorReactor(loop))
