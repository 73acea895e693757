"""
A network in memory: machines with names and addresses, TCP and UDP between
them, and one clock that only moves when it is told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import CannotListenError, ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.error import ConnectionRefusedError as Refused
from twisted.internet.error import TimeoutError as TimedOut
from twisted.internet.interfaces import (
    IAddress,
    IConnector,
    IConsumer,
    IDelayedCall,
    IHalfCloseableProtocol,
    IHostnameResolver,
    IHostResolution,
    IListeningPort,
    IProtocol,
    IPushProducer,
    IReactorPluggableNameResolver,
    IReactorTCP,
    IReactorTime,
    IResolutionReceiver,
    ITransport,
)
from twisted.python.failure import Failure
from zope.interface import implementer

from netstream.testing.datagrams import SimulatedDatagramPort, Weather
from netstream.testing.schedule import Schedule

WINDOW = 65536
"""Bytes that may be under way in one direction before a writer is paused."""


@implementer(ITransport, IConsumer, IPushProducer)
class SimulatedTransport:
    """
    One end of a connection.

    @ivar disconnecting: Whether it closes once all is sent.
    """

    def __init__(self, network: Network, host: IPv4Address, peer: IPv4Address) -> None:
        self._network = network
        self._host = host
        self._peer = peer
        self._protocol: IProtocol | None = None
        self._other: SimulatedTransport | None = None
        self._out = bytearray()
        self._producer: Any = None
        self._producer_paused = False
        self._reading = True
        self._lost = False
        self._scheduled = False
        self._halving = False
        self.disconnecting = False

    def join(self, other: SimulatedTransport, protocol: IProtocol) -> None:
        """
        Be one end of a connection.

        @param protocol: What speaks at this end.
        """
        self._other = other
        self._protocol = protocol

    def is_at(self, address: str) -> bool:
        """
        @return: Whether this end is on that machine.
        """
        return self._host.host == address

    def between(self, a: str, b: str) -> bool:
        """
        @return: Whether this connection joins two addresses.
        """
        return {self._host.host, self._peer.host} == {a, b}

    @property
    def unsent(self) -> int:
        """
        Bytes that the other end has not read.
        """
        return len(self._out)

    def write(self, data: bytes) -> None:
        """
        Send bytes.
        """
        if self._lost:
            return
        self._out += data
        if len(self._out) > WINDOW and self._producer is not None and not self._producer_paused:
            self._producer_paused = True
            self._producer.pauseProducing()
        self._schedule()

    def writeSequence(self, data: Iterable[bytes]) -> None:
        """
        Send bytes.
        """
        self.write(b"".join(data))

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._network.clock.callLater(self._network.latency, self._deliver)

    def _deliver(self) -> None:
        self._scheduled = False
        other = self._other
        if self._lost or other is None:
            return
        if self._cut:
            if self.disconnecting and not self._out:
                self._end(ConnectionDone(), ConnectionDone())
            return
        if other._lost:
            # It went while the network was cut, and answers now that it is gone.
            self._end(ConnectionLost(), ConnectionLost())
            return
        if self._out and other._reading and not other._lost:
            size = self._network.chunk(len(self._out))
            piece = bytes(self._out[:size])
            del self._out[:size]
            assert other._protocol is not None
            other._protocol.dataReceived(piece)
            if self._lost:
                return
        if self._out:
            if other._reading:
                self._schedule()
            return
        if self._producer_paused and self._producer is not None:
            # As Twisted's: who has a producer that was paused closes after that had its turn.
            self._producer_paused = False
            self._producer.resumeProducing()
        elif self._producer is not None and self._producer_pulls:
            self._producer.resumeProducing()
        elif self.disconnecting:
            self._end(ConnectionDone(), ConnectionDone())
        elif self._halving:
            self._halve()

    def wake(self) -> None:
        """
        The network works again.
        """
        if self._out or self.disconnecting or self._halving or (self._other is not None and self._other._lost):
            self._schedule()

    @property
    def _cut(self) -> bool:
        return self._network.is_cut(self._host.host, self._peer.host)

    def _end(self, mine: Exception, theirs: Exception) -> None:
        """
        Be closed; the other end hears of it unless the network is cut.
        """
        if self._lost:
            return
        other = None if self._cut else self._other
        for end, reason in ((self, mine), (other, theirs)):
            if end is not None and not end._lost:
                end._lost = True
                end._producer = None
                self._network.transports.pop(end, None)
                assert end._protocol is not None
                end._protocol.connectionLost(Failure(reason))

    def vanish(self, silent: bool) -> None:
        """
        The program at this end died, and hears of nothing any more.

        @param silent: Whether the machine died as well, so that nobody tells
            the other end.
        """
        if self._lost:
            return
        self._lost = True
        self._producer = None
        self._network.transports.pop(self, None)
        other = self._other
        if other is not None and not silent and not self._cut:
            self._network.clock.callLater(self._network.latency, other.reset)

    def reset(self) -> None:
        """
        The network says that there is nobody at the other end.
        """
        if not self._lost and not self._cut:
            self._end(ConnectionLost(), ConnectionLost())

    def loseConnection(self) -> None:
        """
        Close when all is sent.
        """
        if not self.disconnecting:
            self.disconnecting = True
            self._reading = False
            self._schedule()

    def loseWriteConnection(self) -> None:
        """
        Send no more once all is sent; the other end may go on.
        """
        self._halving = True
        self._schedule()

    def _halve(self) -> None:
        self._halving = False
        other = self._other
        assert other is not None and other._protocol is not None
        if IHalfCloseableProtocol.providedBy(other._protocol):
            other._protocol.readConnectionLost()
        else:
            other._end(ConnectionDone(), ConnectionDone())

    def abortConnection(self) -> None:
        """
        Close at once.
        """
        self.disconnecting = True
        self._reading = False
        self._network.clock.callLater(0, self._end, ConnectionAborted(), ConnectionLost())

    def getPeer(self) -> IAddress:
        """
        @return: The address of the other end.
        """
        return self._peer

    def getHost(self) -> IAddress:
        """
        @return: The address of this end.
        """
        return self._host

    def setTcpNoDelay(self, enabled: bool) -> None:
        """
        Nothing is held back here anyway.
        """

    _producer_pulls = False

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """
        Tell a producer when to pause and to go on.
        """
        self._producer = producer
        self._producer_pulls = not streaming
        self._producer_paused = False
        if not streaming:
            producer.resumeProducing()

    def unregisterProducer(self) -> None:
        """
        There is no producer any more.
        """
        self._producer = None
        if self.disconnecting:
            self._schedule()

    def pauseProducing(self) -> None:
        """
        Read no more until told.
        """
        self._reading = False

    def resumeProducing(self) -> None:
        """
        Read again.
        """
        self._reading = not self.disconnecting
        if self._other is not None:
            self._other.wake()

    def stopProducing(self) -> None:
        """
        Close the connection.
        """
        self.loseConnection()


@implementer(IListeningPort)
class SimulatedPort:
    """
    A port that listens.
    """

    def __init__(self, machine: Machine, number: int, factory: Any) -> None:
        self._machine = machine
        self.number = number
        self.factory = factory

    def startListening(self) -> None:
        """
        Listen.
        """
        if self.number in self._machine.ports:
            raise CannotListenError(self._machine.address, self.number, OSError("Address already in use"))
        self._machine.ports[self.number] = self
        self.factory.doStart()

    def stopListening(self) -> Deferred[None]:
        """
        Listen no more.
        """
        if self._machine.ports.pop(self.number, None) is not None:
            self.factory.doStop()
        return succeed(None)

    def getHost(self) -> IAddress:
        """
        @return: Where it listens.
        """
        return IPv4Address("TCP", self._machine.address, self.number)


@implementer(IConnector)
class SimulatedConnector:
    """
    One attempt to connect.
    """

    def __init__(self, machine: Machine, host: str, port: int, factory: Any, timeout: float) -> None:
        self._machine = machine
        self._host = host
        self._port = port
        self._factory = factory
        self._timeout = timeout
        self._call: IDelayedCall | None = None
        self._transport: SimulatedTransport | None = None
        self._life = machine.life

    def connect(self) -> None:
        """
        Try, a moment later.
        """
        self._factory.doStart()
        self._factory.startedConnecting(self)
        network = self._machine.network
        cut = network.is_cut(self._machine.address, self._host)
        delay = self._timeout if cut else network.latency
        self._call = network.clock.callLater(delay, self._timed_out if cut else self._establish)

    def _timed_out(self) -> None:
        self._call = None
        if not self._machine.lives(self._life):
            return
        self._factory.clientConnectionFailed(self, Failure(TimedOut()))

    def _establish(self) -> None:
        self._call = None
        network = self._machine.network
        if not self._machine.lives(self._life):
            return
        server = network.machines.get(self._host)
        port = server.ports.get(self._port) if server is not None else None
        here = IPv4Address("TCP", self._machine.address, network.next_port())
        there = IPv4Address("TCP", self._host, self._port)
        accepting = port.factory.buildProtocol(here) if port is not None else None
        if accepting is None:
            self._factory.clientConnectionFailed(self, Failure(Refused()))
            return
        calling = self._factory.buildProtocol(there)
        mine = SimulatedTransport(network, here, there)
        theirs = SimulatedTransport(network, there, here)
        mine.join(theirs, calling)
        theirs.join(mine, accepting)
        network.transports |= {mine: None, theirs: None}
        self._transport = mine
        accepting.makeConnection(theirs)
        calling.makeConnection(mine)

    def stopConnecting(self) -> None:
        """
        Give up.
        """
        if self._call is not None and self._call.active():
            self._call.cancel()
            self._factory.clientConnectionFailed(self, Failure(ConnectionAborted()))

    def disconnect(self) -> None:
        """
        End the attempt or the connection.
        """
        if self._transport is not None:
            self._transport.loseConnection()
        else:
            self.stopConnecting()

    def getDestination(self) -> IAddress:
        """
        @return: Where to.
        """
        return IPv4Address("TCP", self._host, self._port)


@implementer(IReactorTCP, IReactorTime, IReactorPluggableNameResolver)
class Machine:
    """
    A machine on the network: the reactor of what runs there.

    @ivar address: Its IPv4 address.
    @ivar ports: What listens, by port.
    @ivar skew: Seconds by which its clock is ahead of the true time.
    @ivar life: How often it crashed.
    """

    def __init__(self, network: Network, address: str) -> None:
        self.network = network
        self.address = address
        self.ports: dict[int, SimulatedPort] = {}
        self.skew = 0.0
        self.life = 0
        self.nameResolver: IHostnameResolver = _Names(network)

    def lives(self, life: int) -> bool:
        """
        @return: Whether it has not crashed since.
        """
        return life == self.life

    def crash(self, silent: bool = False) -> None:
        """
        Let all that runs here end at once, in the middle of whatever it does:
        its timers never fire, its connections and ports are gone.

        @param silent: Whether the power went, so that the other ends of its
            connections hear nothing until L{power_on}.
        """
        self.life += 1
        self.ports.clear()
        for place, socket in tuple(self.network.sockets.items()):
            if socket.is_at(self.address):
                del self.network.sockets[place]
        if silent:
            self.network.off.add(self.address)
        for transport in tuple(self.network.transports):
            if transport.is_at(self.address):
                transport.vanish(silent)

    def power_on(self) -> None:
        """
        Answer again, to say that what was connected before is not.
        """
        self.network.off.discard(self.address)
        self.network.wake()

    def installNameResolver(self, resolver: IHostnameResolver) -> IHostnameResolver:
        """
        Resolve names in another way.
        """
        old, self.nameResolver = self.nameResolver, resolver
        return old

    def listenTCP(self, port: int, factory: Any, backlog: int = 50, interface: str = "") -> SimulatedPort:
        """
        Listen on a port; 0 takes a free one.
        """
        listening = SimulatedPort(self, port or self.network.next_port(), factory)
        listening.startListening()
        return listening

    def listenUDP(
        self, port: int, protocol: Any, interface: str = "", maxPacketSize: int = 8192
    ) -> SimulatedDatagramPort:
        """
        Open a UDP socket; 0 takes a free port.
        """
        socket = SimulatedDatagramPort(self, port or self.network.next_port(), protocol)
        socket.startListening()
        return socket

    def connectTCP(
        self, host: str, port: int, factory: Any, timeout: float = 30, bindAddress: Any = None
    ) -> SimulatedConnector:
        """
        Connect to a port of a machine.
        """
        connector = SimulatedConnector(self, host, port, factory, timeout)
        connector.connect()
        return connector

    def seconds(self) -> float:
        """
        @return: UTC seconds, as its clock has them.
        """
        return float(self.network.clock.seconds()) + self.skew

    def callLater(self, delay: float, callable: Callable[..., object], *args: object, **kw: object) -> IDelayedCall:
        """
        Call something later, unless the machine crashes before.
        """
        life = self.life

        def due() -> None:
            if life == self.life:
                callable(*args, **kw)

        call: IDelayedCall = self.network.clock.callLater(delay, due)
        return call

    def getDelayedCalls(self) -> Sequence[IDelayedCall]:
        """
        @return: What waits to be called on the whole network.
        """
        calls: Sequence[IDelayedCall] = self.network.clock.getDelayedCalls()
        return calls

    def callFromThread(self, callable: Callable[..., object], *args: object, **kw: object) -> None:
        """
        Call something; there are no threads in the simulation.
        """
        self.callLater(0, callable, *args, **kw)


@implementer(IHostResolution)
class _Resolution:
    def __init__(self, name: str) -> None:
        self.name = name

    def cancel(self) -> None:
        pass


@implementer(IHostnameResolver)
class _Names:
    def __init__(self, network: Network) -> None:
        self._network = network

    def resolveHostName(
        self,
        resolutionReceiver: IResolutionReceiver,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Any = None,
        transportSemantics: str = "TCP",
    ) -> IHostResolution:
        resolution = _Resolution(hostName)
        resolutionReceiver.resolutionBegan(resolution)
        address = self._network.names.get(hostName, hostName)
        if address in self._network.machines:
            resolutionReceiver.addressResolved(IPv4Address("TCP", address, portNumber))
        resolutionReceiver.resolutionComplete()
        return resolution


class Network:
    """
    Machines, and what is under way between them.

    @ivar clock: The time of all of them.
    @ivar latency: Seconds that bytes take.
    @ivar machines: By address.
    @ivar names: Addresses by host name.
    @ivar chunk: Says how many of the bytes that wait arrive at once.
    @ivar off: Addresses of the machines that have no power.
    @ivar sockets: Those of UDP, by address and port as others see them.
    @ivar weather: What becomes of datagrams.
    """

    def __init__(self, now: float, chunk: Callable[[int], int] = lambda size: size) -> None:
        """
        @param now: UTC seconds at which the simulation begins.
        """
        self.clock = Schedule()
        self.clock.rightNow = now
        self.latency = 0.0005
        self.chunk = chunk
        self.machines: dict[str, Machine] = {}
        self.names: dict[str, str] = {}
        self.transports: dict[SimulatedTransport, None] = {}
        self.off: set[str] = set()
        self.sockets: dict[tuple[str, int], SimulatedDatagramPort] = {}
        self.weather = Weather()
        self._cuts: set[frozenset[str]] = set()
        self._port = 40000

    def next_port(self) -> int:
        """
        @return: A port that nothing uses.
        """
        self._port += 1
        return self._port

    def machine(self, name: str) -> Machine:
        """
        @return: A new machine of that name.
        """
        address = f"10.0.0.{len(self.machines) + 1}"
        self.names[name] = address
        self.machines[address] = Machine(self, address)
        return self.machines[address]

    def is_cut(self, a: str, b: str) -> bool:
        """
        @return: Whether nothing passes between two addresses.
        """
        return frozenset((a, b)) in self._cuts or a in self.off or b in self.off

    def cut(self, a: str, b: str) -> None:
        """
        Let nothing pass between two machines, in silence: neither side hears
        of it.
        """
        self._cuts.add(frozenset((self.names[a], self.names[b])))

    def heal(self, a: str, b: str) -> None:
        """
        Let bytes pass again.
        """
        self._cuts.discard(frozenset((self.names[a], self.names[b])))
        self.wake()

    def wake(self) -> None:
        """
        Let bytes that waited for the network go on.
        """
        for transport in tuple(self.transports):
            transport.wake()

    def move(self, name: str) -> None:
        """
        Let the UDP of a machine's clients come from other ports from now on,
        as when what translates addresses forgets.
        """
        for socket in tuple(self.sockets.values()):
            if socket.is_at(self.names[name]) and socket.is_client:
                socket.move((socket.outside[0], self.next_port()))

    def drop(self, a: str, b: str) -> None:
        """
        End every connection between two machines; both sides hear of it.
        """
        for transport in tuple(self.transports):
            if transport.between(self.names[a], self.names[b]):
                transport.reset()

    def advance(self, seconds: float) -> None:
        """
        Let time pass, event by event.
        """
        end = self.clock.seconds() + seconds
        while (time := self.clock.next()) <= end:
            self.clock.advance(max(0.0, time - self.clock.seconds()))
        self.clock.advance(max(0.0, end - self.clock.seconds()))
