"""
A connection goes on in another process of this node.

A plain socket goes there as it is.  What this process must see through to the
end, such as TLS, is relayed: the other process gets one end of a pair of
sockets, and speaks as if the child were there.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import Any, cast

from attrs import frozen
from twisted.internet import tcp
from twisted.internet.address import IPv4Address, UNIXAddress
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IAddress, IConsumer, IPushProducer, ITCPTransport, ITransport
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from netstream.streaming.papers import Papers


@frozen
class Handed:
    """
    A connection of which the request was read.

    @ivar host: Numeric address of the child; L{None} is a Unix socket.
    @ivar head: The request.
    @ivar rest: What was read behind it.
    @ivar papers: What TLS says of the child.
    """

    host: str | None
    port: int
    head: bytes
    rest: bytes
    papers: Papers = Papers()

    @property
    def address(self) -> IAddress:
        """
        Where the child is.
        """
        if self.host is None:
            return cast(IAddress, UNIXAddress(None))
        return cast(IAddress, IPv4Address("TCP", self.host, self.port))


Taker = Callable[[int, Handed], Deferred[None]]
"""Gives a connection's descriptor to another process; fires when that has it,
or will not have it any more."""


def passable(transport: object) -> bool:
    """
    @return: Whether all there is of a connection is its socket.
    """
    return isinstance(transport, tcp.Server) and not getattr(transport, "TLS", False)


def hand_over(transport: ITransport, handed: Handed, taker: Taker, reactor: Any) -> Relay | None:
    """
    Let another process go on with a connection.

    @param reactor: Adopts the end of a pair of sockets.
    @return: What takes the bytes that the child sends from now on, where they
        cannot go by themselves.
    """
    if not passable(transport):
        return _relayed(transport, handed, taker, reactor)
    connection = cast(tcp.Server, transport)
    connection.stopReading()
    connection.stopWriting()
    # A duplicate, since the number of a socket that closes meanwhile may be another's.
    descriptor = os.dup(connection.fileno())

    def taken(_: object) -> None:
        os.close(descriptor)
        _let_go(connection)

    taker(descriptor, handed).addBoth(taken)
    return None


def _let_go(connection: Any) -> None:
    """
    Close our copy of a socket, without a word to the other end.
    """
    if connection.disconnected or not hasattr(connection, "socket"):
        return
    os.close(connection.socket.detach())
    connection.connectionLost(Failure(ConnectionDone("another process has it")))


class Relay(Protocol):
    """
    Our end of the pair of sockets, of which another process has the other.
    """

    transport: ITCPTransport | None

    def __init__(self, child: ITransport) -> None:
        self._child = child

    def connectionMade(self) -> None:
        """
        Neither end gets more than the other takes (called by Twisted).
        """
        assert self.transport is not None
        cast(IConsumer, self._child).registerProducer(cast(IPushProducer, self.transport), True)
        cast(IConsumer, self.transport).registerProducer(cast(IPushProducer, self._child), True)

    def dataReceived(self, data: bytes) -> None:
        """
        The other process speaks to the child (called by Twisted).
        """
        self._child.write(data)

    def take(self, data: bytes) -> None:
        """
        The child speaks.
        """
        if self.transport is not None:
            self.transport.write(data)

    def close(self) -> None:
        """
        The child is gone.
        """
        if self.transport is not None:
            cast(IConsumer, self.transport).unregisterProducer()
            self.transport.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        The other process closed the connection (called by Twisted).
        """
        self.transport = None
        cast(IConsumer, self._child).unregisterProducer()
        self._child.loseConnection()


def _relayed(transport: ITransport, handed: Handed, taker: Taker, reactor: Any) -> Relay:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        theirs.setblocking(False)
        relay = Relay(transport)
        reactor.adoptStreamConnection(ours.fileno(), socket.AF_UNIX, One(relay))
        descriptor = theirs.detach()
    taker(descriptor, handed).addBoth(lambda _: os.close(descriptor))
    return relay


class One(Factory):
    """
    Makes one protocol, which is there already.
    """

    noisy = False

    def __init__(self, made: Protocol) -> None:
        self._made = made

    def buildProtocol(self, addr: IAddress | None) -> Protocol:
        """
        Give the protocol (called by Twisted).
        """
        return self._made


def family_of(descriptor: int) -> int:
    """
    @return: The address family of a socket.
    """
    with socket.socket(fileno=os.dup(descriptor)) as found:
        return found.family
