"""
Tests for reading the connections of many children one after another.
"""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.epollreactor import EPollReactor
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import ISSLTransport
from twisted.internet.pollreactor import PollReactor
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.selectreactor import SelectReactor
from twisted.internet.tcp import Connection
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from netstream.streaming.pace import BUFFERS, PAUSE, PROMPT, TRICKLES, Pace
from netstream.streaming.rounds import CROWD, EVERY, Rounds
from netstream.turns import ENOUGH, Turns


class Child(Protocol):
    """
    The parent's end of a connection, and the child's.

    @ivar peer: The child's.
    @ivar dealt: How many bytes were dealt with at once.
    @ivar cost: Seconds that this takes each time.
    @ivar ended: How it ended.
    """

    transport: Any

    def __init__(self, reactor: Any, rounds: Rounds, turns: Turns) -> None:
        self.reactor = reactor
        ours, self.peer = socket.socketpair()
        ours.setblocking(False)
        self.dealt: list[int] = []
        self.cost = 0.0
        self.fails = False
        self.ended: type[Exception] | None = None
        self.connection: Any = Connection(ours, self, reactor)
        self.connection.connected = True
        self.connection.startReading()
        self.pace = Pace(self.connection, reactor, self._deal, turns, rounds)

    @property
    def reads(self) -> bool:
        """
        Whether the reactor reads it.
        """
        return self.connection in self.reactor.getReaders()

    def dataReceived(self, data: bytes) -> None:
        if self.fails:
            raise RuntimeError("a mistake of ours")
        data = self.pace.gather(data, self.reactor.seconds())
        if data:
            self._deal(data)

    def _deal(self, data: bytes) -> None:
        self.dealt.append(len(data))
        self.reactor.rightNow += self.cost
        self.pace.received(len(data), self.reactor.seconds())

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.ended = reason.type
        self.pace.stop()


class RoundsTests(SynchronousTestCase):
    """
    Who waits for a round, and who is read in it.
    """

    def setUp(self) -> None:
        self.reactor: Any = MemoryReactorClock()
        self.reactor.advance(1000.0)
        self.rounds = Rounds(self.reactor)
        self.turns = Turns(self.reactor)
        self.children: list[Child] = []
        self.addCleanup(self.leave)

    def leave(self) -> None:
        for child in self.children:
            child.pace.stop()
            if child.ended is None:
                child.connection.socket.close()
            child.peer.close()

    def connect(self, count: int) -> list[Child]:
        """
        @return: Children that have said something.
        """
        new = [Child(self.reactor, self.rounds, self.turns) for _ in range(count)]
        self.children += new
        for child in new:
            child.peer.send(b"hello")
        self.look()
        return new

    def crowd(self, count: int = CROWD) -> list[Child]:
        """
        @return: Children that wait for a round, and of which all was dealt
            with.
        """
        children = self.connect(count)
        for child in children:
            if child.reads:
                child.peer.send(b"again")
        self.look()
        for child in children:
            self.assertFalse(child.reads)
            child.dealt.clear()
        return children

    def go_round(self) -> None:
        """
        Let time pass until the next round is over.
        """
        self.reactor.advance(EVERY * 1.001)

    def look(self) -> None:
        """
        Read as the reactor does.
        """
        for connection in tuple(self.reactor.getReaders()):
            try:
                connection.socket.recv(1, socket.MSG_PEEK)
            except BlockingIOError:
                continue
            except OSError:
                pass
            why = connection.doRead()
            if why is not None:
                connection.connectionLost(Failure(why))
        self.reactor.advance(0)

    def test_few(self) -> None:
        """
        A parent of few children reads each as soon as it says something.
        """
        for child in self.connect(CROWD - 1):
            self.assertTrue(child.reads)
        self.reactor.advance(0)
        self.assertFalse(self.reactor.getDelayedCalls())

    def test_round(self) -> None:
        """
        Of many children those that say something are read together a moment
        later, each as a whole, and the reactor is not woken for each.
        """
        first, second, third, *_ = self.crowd()
        for _ in range(40):
            first.peer.send(bytes(1400))
        second.peer.send(bytes(3))
        self.look()
        self.assertEqual([child.dealt for child in (first, second, third)], [[], [], []])
        self.go_round()
        self.assertEqual([child.dealt for child in (first, second, third)], [[40 * 1400], [3], []])
        self.assertFalse(any(child.reads for child in self.children))

    def test_becomes_crowd(self) -> None:
        """
        When there are many children, those that were there before wait for
        rounds as well.
        """
        few = self.connect(CROWD - 1)
        self.connect(1)
        for child in few:
            child.peer.send(b"x")
        self.look()
        self.assertFalse(any(child.reads for child in few))

    def test_no_delay(self) -> None:
        """
        Nothing waits for longer than from one round to the next, whatever
        came before.
        """
        child, *_ = self.crowd()
        for _ in range(100):
            child.peer.send(b"x")
            before = sum(child.dealt)
            self.go_round()
            self.assertGreater(sum(child.dealt), before)
            self.reactor.advance(EVERY * 0.37)

    def test_more_than_one_read(self) -> None:
        """
        A child that has more to say than one read takes is read until that is
        all.
        """
        *_, child = self.crowd()
        child.peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        sent = child.peer.send(bytes(150_000))
        self.assertGreater(sent, BUFFERS[0])
        self.go_round()
        self.assertTrue(child.reads)
        while child.reads:
            self.look()
        self.assertEqual(sum(child.dealt), sent)

    def test_full_speed(self) -> None:
        """
        A child that sends much waits for a second at most in all.
        """
        *_, child = self.crowd()
        waited = said = 0
        while said < 8_000_000:
            said += child.peer.send(bytes(30_000))
            if child.reads:
                self.look()
            else:
                waited += 1
            self.reactor.advance(0.02)
        self.assertLess(waited * 0.02, 1.5)

    def test_answer_expected(self) -> None:
        """
        A child that was asked something is read at once.
        """
        *_, child = self.crowd()
        child.pace.hurry()
        self.assertTrue(child.reads)
        child.peer.send(b"answer")
        self.look()
        self.assertEqual(child.dealt, [6])
        self.assertTrue(child.reads)
        self.reactor.advance(PROMPT)
        child.peer.send(b"more")
        self.look()
        self.assertFalse(child.reads)

    def test_hold(self) -> None:
        """
        A child that has to wait is read in no round before it may go on.
        """
        *_, child = self.crowd()
        ready: Deferred[None] = Deferred()
        child.pace.hold(ready)
        child.peer.send(b"x")
        self.reactor.advance(10)
        self.assertEqual(child.dealt, [])
        ready.callback(None)
        self.look()
        self.assertEqual(child.dealt, [1])

    def test_turns(self) -> None:
        """
        Who is read in a long round has its turn later, and waits for the next
        round again.
        """
        children = self.crowd()
        for child in children:
            child.cost = ENOUGH
            child.peer.send(b"x")
        self.go_round()
        for _ in range(CROWD):
            self.reactor.advance(0)
        self.assertEqual([child.dealt for child in children], [[1]] * CROWD)
        self.assertFalse(any(child.reads for child in children))

    def test_left(self) -> None:
        """
        A child that leaves while it is not read is gone after the next round,
        and what it said last is not lost.
        """
        *_, child = self.crowd()
        child.peer.send(b"last")
        child.peer.close()
        self.go_round()
        self.go_round()
        self.look()
        self.assertEqual((child.dealt, child.ended), ([4], ConnectionDone))
        self.assertEqual(len(self.rounds), CROWD - 1)

    def test_lost(self) -> None:
        """
        Of a child whose connection breaks it is known that it broke.
        """
        *_, child = self.crowd()
        child.connection.socket.close()
        child.connection.socket = Broken()
        child.pace._read()
        self.assertEqual(child.ended, ConnectionLost)

    def test_mistake(self) -> None:
        """
        A mistake in dealing with one child ends its connection, is logged,
        and harms no other child.
        """
        bad, *others = self.crowd()
        bad.fails = True
        for child in self.children:
            child.peer.send(b"x")
        self.go_round()
        self.reactor.advance(0)
        self.assertEqual(bad.ended, ConnectionAborted)
        self.assertEqual([child.dealt for child in others], [[1]] * (CROWD - 1))
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_all_leave(self) -> None:
        """
        When all are gone no timer is left.
        """
        for child in self.crowd():
            child.pace.stop()
            child.pace.stop()
        self.assertEqual(len(self.rounds), 0)
        self.reactor.advance(0)
        self.assertFalse(self.reactor.getDelayedCalls())
        self.assertFalse(self.connect(1)[0].pace.waits)

    def test_rests(self) -> None:
        """
        When nobody waits for a round there is none; when somebody does there
        is.
        """
        children = self.crowd()
        for child in children:
            child.pace.hurry()
        self.go_round()
        self.assertFalse(self.reactor.getDelayedCalls())
        self.reactor.advance(PROMPT)
        children[0].peer.send(b"x")
        self.look()
        children[0].peer.send(b"y")
        self.go_round()
        self.assertEqual(children[0].dealt, [1, 1])

    def test_no_socket(self) -> None:
        """
        A connection without a descriptor of its own is read as before.
        """
        self.crowd()

        class Stream:
            reads = True

            def pauseProducing(self) -> None:
                self.reads = False

            def resumeProducing(self) -> None:
                self.reads = True

        stream: Any = Stream()
        pace = Pace(stream, self.reactor, rounds=self.rounds)
        for _ in range(2 * TRICKLES):
            pace.received(1400, self.reactor.seconds())
        self.assertFalse(stream.reads)
        self.assertEqual(len(self.rounds), CROWD)
        self.reactor.advance(PAUSE)
        self.assertTrue(stream.reads)
        pace.stop()

    def test_encrypted(self) -> None:
        """
        What comes through TLS is read in rounds as well; the pieces of one
        read are all dealt with.
        """
        self.crowd(CROWD + 1)

        @implementer(ISSLTransport)
        class Encrypted(Protocol):
            def __init__(self, connection: Any) -> None:
                self.transport = connection

            def pauseProducing(self) -> None:
                self.transport.pauseProducing()

            def resumeProducing(self) -> None:
                self.transport.resumeProducing()

        child = self.children[-1]
        child.pace.stop()
        child.pace = Pace(Encrypted(child.connection), self.reactor, child._deal, self.turns, self.rounds)  # type: ignore[arg-type]
        for size in (100, 200, 300):
            child.dataReceived(bytes(size))
        self.assertEqual(child.dealt, [100, 200, 300])
        self.assertFalse(child.reads)
        child.peer.send(b"x")
        self.go_round()
        self.assertEqual(child.dealt, [100, 200, 300, 1])


class Broken:
    """
    A socket whose connection was reset.
    """

    def fileno(self) -> int:
        return -1

    def recv(self, size: int) -> bytes:
        raise ConnectionResetError(104, "Connection reset by peer")

    def shutdown(self, how: int) -> None:
        raise OSError(107, "not connected")

    def close(self) -> None:
        pass


class _Parent(Protocol):
    """
    Counts what it reads, and how often.
    """

    transport: Any

    def __init__(self, reactor: Any, rounds: Rounds, all_gone: Any) -> None:
        self.reactor = reactor
        self.rounds = rounds
        self.all_gone = all_gone
        self.read = 0
        self.reads = 0

    def connectionMade(self) -> None:
        self.pace = Pace(self.transport, self.reactor, self._deal, None, self.rounds)

    def dataReceived(self, data: bytes) -> None:
        data = self.pace.gather(data, self.reactor.seconds())
        if data:
            self._deal(data)

    def _deal(self, data: bytes) -> None:
        self.read += len(data)
        self.reads += 1
        self.pace.received(len(data), self.reactor.seconds())

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.pace.stop()
        self.all_gone(self)


class ReactorTests(SynchronousTestCase):
    """
    Real sockets on real reactors.
    """

    def assert_all_read(self, reactor: Any) -> None:
        """
        Of children that say something again and again, and leave, all was
        read, in fewer pieces than it came.
        """
        rounds = Rounds(reactor)
        parents: list[_Parent] = []
        gone: list[_Parent] = []

        def all_gone(parent: _Parent) -> None:
            gone.append(parent)
            if len(gone) == 2 * CROWD:
                reactor.stop()

        def make() -> _Parent:
            parents.append(_Parent(reactor, rounds, all_gone))
            return parents[-1]

        factory = Factory.forProtocol(make)
        factory.noisy = False
        port = reactor.listenTCP(0, factory, interface="127.0.0.1")
        peers = [socket.create_connection(("127.0.0.1", port.getHost().port)) for _ in range(2 * CROWD)]
        sent = 0

        def say(left: int) -> None:
            nonlocal sent
            for peer in peers:
                sent += peer.send(bytes(1000))
                if not left:
                    peer.close()
            if left:
                reactor.callLater(0.002, say, left - 1)

        reactor.callWhenRunning(say, 100)
        limit = reactor.callLater(100, reactor.stop)
        reactor.run(installSignalHandlers=False)
        if limit.active():
            limit.cancel()
        self.assertEqual(len(gone), 2 * CROWD)
        self.assertEqual(sum(parent.read for parent in parents), sent)
        self.assertLess(sum(parent.reads for parent in parents), 2 * CROWD * 40)
        self.assertEqual(len(rounds), 0)

    def test_select(self) -> None:
        """
        C{--reactor select}.
        """
        self.assert_all_read(SelectReactor())

    def test_poll(self) -> None:
        """
        C{--reactor poll}.
        """
        self.assert_all_read(PollReactor())

    def test_epoll(self) -> None:
        """
        C{--reactor epoll}.
        """
        self.assert_all_read(EPollReactor())
