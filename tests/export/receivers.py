"""
Receivers on a simulated network.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import frozen
from twisted.internet.interfaces import IListeningPort
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import Site

from netstream.testing import World


class _Listening(Protocol):
    transport: Any

    def __init__(self, receiver: LineReceiver) -> None:
        self._receiver = receiver
        self.rest = b""

    def connectionMade(self) -> None:
        self._receiver.connections.append(self)
        if self._receiver.slow:
            self.transport.pauseProducing()

    def dataReceived(self, data: bytes) -> None:
        *lines, self.rest = (self.rest + data).split(b"\n")
        self._receiver.lines += [line.decode() for line in lines]

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._receiver.connections.remove(self)


class LineReceiver:
    """
    Takes lines, as Graphite does.

    @ivar lines: What arrived, whole lines.
    @ivar slow: Whether new connections read nothing.
    """

    def __init__(self, world: World, name: str = "graphite", port: int = 2003) -> None:
        self._machine = world.network.machine(name)
        self._port = port
        self._listening: IListeningPort | None = None
        self.lines: list[str] = []
        self.connections: list[_Listening] = []
        self.slow = False

    def start(self) -> None:
        """
        Listen.
        """
        factory = Factory.forProtocol(lambda: _Listening(self))
        self._listening = self._machine.listenTCP(self._port, factory)

    def kill(self) -> None:
        """
        Be gone, with what has arrived but not been read.
        """
        assert self._listening is not None
        self._listening.stopListening()
        for connection in tuple(self.connections):
            connection.transport.abortConnection()

    def read(self, slow: bool = False) -> None:
        """
        Read from now on, or no more.
        """
        self.slow = slow
        for connection in self.connections:
            (connection.transport.pauseProducing if slow else connection.transport.resumeProducing)()


@frozen
class Posted:
    """
    One request.
    """

    path: str
    headers: dict[str, str]
    body: bytes


class _Everything(Resource):
    isLeaf = True

    def __init__(self, receiver: HTTPReceiver) -> None:
        super().__init__()
        self.receiver = receiver

    def render(self, request: Any) -> bytes:
        headers = {n.decode().lower(): v[0].decode() for n, v in request.requestHeaders.getAllRawHeaders()}
        posted = Posted(request.uri.decode(), headers, request.content.read())
        status, more, text = self.receiver.answer(posted)
        request.setResponseCode(status)
        for name, value in more.items():
            request.setHeader(name, value)
        if status < 300:
            self.receiver.accepted.append(posted)
        else:
            self.receiver.refused.append(posted)
        return text


class HTTPReceiver:
    """
    Takes what is posted.

    @ivar answer: Gives status, headers and text of the answer to a request.
    """

    def __init__(self, world: World, name: str = "prometheus", port: int = 9090) -> None:
        self._machine = world.network.machine(name)
        self._port = port
        self._listening: Any = None
        self.answer: Callable[[Posted], tuple[int, dict[str, str], bytes]] = lambda posted: (204, {}, b"")
        self.accepted: list[Posted] = []
        self.refused: list[Posted] = []
        self.connections = 0

    def start(self) -> None:
        """
        Listen.
        """
        site = Site(_Everything(self), reactor=self._machine)
        build = site.buildProtocol

        def counted(address: Any) -> Any:
            self.connections += 1
            return build(address)

        site.buildProtocol = counted
        self._listening = self._machine.listenTCP(self._port, site)

    def kill(self) -> None:
        """
        Listen no more.
        """
        self._listening.stopListening()
