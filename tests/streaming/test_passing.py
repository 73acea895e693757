"""
Connections that go on in another process: real sockets, since descriptors are what it is about.
"""

from __future__ import annotations

import os
from typing import Any

from twisted.internet import reactor as installed
from twisted.internet.defer import Deferred, succeed
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.protocols.policies import WrappingFactory
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from netstream.streaming.passing import Handed, One, Relay, family_of, hand_over, passable

reactor: Any = installed


class Said(Protocol):
    """
    Keeps what is said to it.
    """

    def __init__(self) -> None:
        self.received = b""
        self.made: Deferred[Said] = Deferred()
        self.ended: Deferred[None] = Deferred()
        self._wanted: tuple[bytes, Deferred[None]] | None = None

    def connectionMade(self) -> None:
        self.made.callback(self)

    def dataReceived(self, data: bytes) -> None:
        self.received += data
        if self._wanted is not None and self.received == self._wanted[0]:
            self._wanted[1].callback(None)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.ended.callback(None)

    def hears(self, text: bytes) -> Deferred[None]:
        """
        @return: Fires when this is all that it has heard.
        """
        if self.received == text:
            return succeed(None)
        self._wanted = text, Deferred()
        return self._wanted[1]


class PassingTests(TestCase):
    """
    A child, the process that accepts it, and the one that takes it over.
    """

    timeout = 60
    relay: Relay | None = None

    async def accepted(self, factory: Factory, server: Said) -> Said:
        """
        @return: A child that is connected to a server.
        """
        port = reactor.listenTCP(0, factory, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        child = Said()
        await TCP4ClientEndpoint(reactor, "127.0.0.1", port.getHost().port).connect(One(child))
        await server.made
        return child

    def take(self, descriptor: int, handed: Handed) -> Deferred[None]:
        """
        The other process takes the connection over.
        """
        self.handed, self.other = handed, Said()
        reactor.adoptStreamConnection(descriptor, family_of(descriptor), One(self.other))
        done: Deferred[None] = Deferred()
        reactor.callLater(0, done.callback, None)  # its answer comes later
        return done

    async def both_ways(self, child: Said) -> None:
        """
        The child and the other process talk until the child leaves.
        """
        assert child.transport is not None and self.other.transport is not None
        child.transport.write(b"from the child")
        await self.other.hears(b"from the child")
        self.other.transport.write(b"from the other")
        await child.hears(b"from the other")

    async def test_socket(self) -> None:
        """
        A plain socket goes as it is, and the process that accepted it has nothing of it any more.
        """
        server = Said()
        child = await self.accepted(One(server), server)
        transport: Any = server.transport
        self.assertTrue(passable(transport))
        descriptor = transport.fileno()
        self.assertIsNone(hand_over(transport, Handed("127.0.0.1", 5, b"head", b"rest"), self.take, reactor))
        await server.ended
        with self.assertRaises(OSError):
            os.fstat(descriptor)
        self.assertEqual((self.handed.head, self.handed.rest), (b"head", b"rest"))
        await self.both_ways(child)
        self.assertEqual(server.received, b"")
        child.transport.loseConnection()  # type: ignore[union-attr]
        await self.other.ended

    async def test_relay(self) -> None:
        """
        What cannot go by itself is relayed, and ends when either side does.
        """
        for leaves in ("child", "other"):
            server = Said()
            child = await self.accepted(WrappingFactory(One(server)), server)
            transport: Any = server.transport
            self.assertFalse(passable(transport))
            relay = hand_over(transport, Handed("127.0.0.1", 5, b"", b""), self.take, reactor)
            assert relay is not None
            server.dataReceived = relay.take  # type: ignore[method-assign]
            server.ended.addCallback(lambda _, relay=relay: relay.close())
            await self.both_ways(child)
            (child if leaves == "child" else self.other).transport.loseConnection()  # type: ignore[union-attr]
            await child.ended
            await self.other.ended
            await server.ended

    async def test_nobody_takes_it(self) -> None:
        """
        If the other process does not take it, the child's connection ends.
        """
        server = Said()
        child = await self.accepted(One(server), server)
        transport: Any = server.transport
        hand_over(transport, Handed("127.0.0.1", 5, b"", b""), lambda descriptor, handed: succeed(None), reactor)
        await child.ended
        await server.ended
