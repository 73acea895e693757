"""
UDP between the machines of a network in memory, and what becomes of datagrams
on the way.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort
from zope.interface import implementer

if TYPE_CHECKING:
    from netstream.testing.network import Machine, Network

Place = tuple[str, int]


class Weather:
    """
    What happens to datagrams, by a seed.

    @ivar loss: Share that is lost.
    @ivar doubles: Share that arrives twice.
    @ivar late: Share that others overtake.
    @ivar lateness: Seconds by which these come later, at most.
    """

    def __init__(self, seed: int = 0) -> None:
        self._random = Random(seed)
        self.loss = 0.0
        self.doubles = 0.0
        self.late = 0.0
        self.lateness = 0.02

    def arrivals(self, latency: float) -> list[float]:
        """
        @return: After how many seconds a datagram arrives, each time that it
            does.
        """
        chance = self._random.random
        if self.loss and chance() < self.loss:
            return []
        times = 2 if self.doubles and chance() < self.doubles else 1
        return [
            latency + (self.lateness * chance() if self.late and chance() < self.late else 0.0) for _ in range(times)
        ]


@implementer(IListeningPort)
class SimulatedDatagramPort:
    """
    A UDP socket.

    @ivar outside: As whom others see it, which translation of addresses
        changes.
    @ivar sent: Datagrams that were sent.
    """

    def __init__(self, machine: Machine, number: int, protocol: Any) -> None:
        self._machine = machine
        self._life = machine.life
        self._protocol = protocol
        self._other: Place | None = None
        self.number = number
        self.outside = (machine.address, number)
        self.sent = 0

    @property
    def _network(self) -> Network:
        return self._machine.network

    def startListening(self) -> None:
        """
        Listen.
        """
        if self.outside in self._network.sockets:
            raise CannotListenError(self._machine.address, self.number, OSError("Address already in use"))
        self._network.sockets[self.outside] = self
        self._protocol.makeConnection(self)

    def stopListening(self) -> Deferred[None]:
        """
        Listen no more.
        """
        if self._network.sockets.get(self.outside) is self:
            del self._network.sockets[self.outside]
            self._protocol.doStop()
        return succeed(None)

    def is_at(self, address: str) -> bool:
        """
        @return: Whether it belongs to a machine.
        """
        return self._machine.address == address

    @property
    def is_client(self) -> bool:
        """
        Whether it takes datagrams of one other socket only.
        """
        return self._other is not None

    def getHost(self) -> IPv4Address:
        """
        @return: Where it is, as it knows itself.
        """
        return IPv4Address("UDP", self._machine.address, self.number)

    def connect(self, host: str, port: int) -> None:
        """
        Take datagrams of one other socket only, and hear if there is none.
        """
        self._other = (host, port)

    def write(self, datagram: bytes, addr: Place | None = None) -> None:
        """
        Send a datagram.
        """
        target = addr or self._other
        assert target is not None
        self.sent += 1
        for delay in self._network.weather.arrivals(self._network.latency):
            self._network.clock.callLater(delay, self._arrive, bytes(datagram), target, self.outside)

    def _arrive(self, datagram: bytes, target: Place, source: Place) -> None:
        network = self._network
        if network.is_cut(self._machine.address, target[0]):
            return
        socket = network.sockets.get(target)
        if socket is not None:
            socket.receive(datagram, source)
        elif self._other == target and target[0] in network.machines and network.sockets.get(self.outside) is self:
            network.clock.callLater(network.latency, self._refused)

    def _refused(self) -> None:
        if self._machine.lives(self._life):
            self.stopListening()  # as Twisted's reactor with epoll does

    def receive(self, datagram: bytes, source: Place) -> None:
        """
        A datagram arrives.
        """
        if self._machine.lives(self._life) and self._other in (None, source):
            self._protocol.datagramReceived(datagram, source)

    def move(self, outside: Place) -> None:
        """
        Be seen as another from now on.
        """
        del self._network.sockets[self.outside]
        self.outside = outside
        self._network.sockets[outside] = self
