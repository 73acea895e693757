"""
One port for children, browsers and programs: the first bytes decide.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IDelayedCall, IProtocol, IReactorTime, ITCPTransport
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure

from netstream.config.settings import Listener, WebSettings
from netstream.model.address import peer_name, unmapped
from netstream.streaming.liveness import watch_over

_STREAM = b"STREAM "


def _page(status: str, text: str) -> bytes:
    """
    @return: A whole HTTP answer after which the connection ends.
    """
    return (
        f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {len(text) + 1}\r\n"
        f"Connection: close\r\n\r\n{text}\n"
    ).encode()


_NO_TLS = _page("400 Bad Request", "This port speaks no TLS, plain only")
_NO_DASHBOARD = _page(
    "403 Forbidden", "This port does not serve the dashboard and API: see [web] bind to of the node's netstream.conf"
)

FIRST_BYTES_WITHIN = 10.0
"""Seconds that a peer has until its first bytes tell what it wants."""

CLOSED_WITHIN = 5.0
"""Seconds that peers have to read the rest when this node stops."""

UNDECIDED_PER_ADDRESS = 100
"""Connections of one address that may be undecided at once for long."""

CROWD_PER_ADDRESS = 1000
"""And for a moment: all children behind one address come at once."""

CROWD_DECIDES_WITHIN = 1.0
"""Seconds that those have who are more than may be undecided for long."""


def address_text(address: object) -> str:
    """
    @return: The peer's address as the access lists know it: numeric, or
        C{localhost}.
    """
    return peer_name(getattr(address, "host", None) or "localhost")


def peer_text(address: object) -> str:
    """
    @return: The peer for a log: address and port, or C{unix socket}.
    """
    host, port = getattr(address, "host", None), getattr(address, "port", None)
    if host is None:
        return "unix socket"
    host = unmapped(host)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class FrontProtocol(Protocol):
    """
    Holds the first bytes until they tell streaming from HTTP, then hands the
    connection on.
    """

    transport: ITCPTransport | None

    def __init__(self, front: FrontFactory, address: IAddress) -> None:
        self._front = front
        self._address = address
        self._held = b""
        self._inner: IProtocol | None = None
        self._deadline: IDelayedCall | None = None

    def connectionMade(self) -> None:
        """
        Begin to wait for the first bytes (called by Twisted).
        """
        assert self.transport is not None
        self._front.connections.add(self)
        address = address_text(self._address)
        self._front.undecided[address] += 1
        crowd = self._front.undecided[address] > UNDECIDED_PER_ADDRESS
        limit = CROWD_DECIDES_WITHIN if crowd else FIRST_BYTES_WITHIN
        self._deadline = self._front.clock.callLater(limit, self.transport.abortConnection)
        watch_over(self.transport)

    def dataReceived(self, data: bytes) -> None:
        """
        Decide, or pass on (called by Twisted).
        """
        if self._inner is not None:
            self._inner.dataReceived(data)
            return
        if self._deadline is None:
            return
        self._held += data
        if len(self._held) < len(_STREAM) and _STREAM.startswith(self._held):
            return
        assert self.transport is not None
        self._decided()
        streams = self._held.startswith(_STREAM)
        if self._held[0] <= 0x17:
            self._front.refuse_tls(self._address)
            self._refuse(_NO_TLS)
            return
        if not streams and not self._front.serves("dashboard"):
            self._refuse(_NO_DASHBOARD)
            return
        inner = self._front.build(streams, self._address)
        if inner is None:
            self.transport.abortConnection()
            return
        held, self._held, self._inner = self._held, b"", inner
        inner.makeConnection(self.transport)
        inner.dataReceived(held)

    def _refuse(self, page: bytes) -> None:
        assert self.transport is not None
        self._held = b""
        self.transport.write(page)
        self.transport.loseConnection()

    def _decided(self) -> None:
        if self._deadline is not None:
            self._front.leave(address_text(self._address))
            if self._deadline.active():
                self._deadline.cancel()
            self._deadline = None

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Pass the end on (called by Twisted).
        """
        self._decided()
        if self._inner is not None:
            self._inner.connectionLost(reason)
        self._front.lost(self)


class FrontFactory(Factory):
    """
    What listens on one entry of C{bind to}.

    @ivar clock: Where its timers are.
    @ivar undecided: Connections that have not told what they want, by address.
    """

    noisy = False
    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        listener: Listener,
        web: WebSettings,
        stream: Callable[[IAddress, bool], IProtocol],
        http: Callable[[IAddress], IProtocol | None],
    ) -> None:
        """
        @param stream: Makes the protocol of a streaming request; is told
            whether this port serves streaming at all.
        @param http: Makes the protocol of any other connection.
        """
        self.clock = clock
        self._listener = listener
        self._allowed = web.allow.get("connections")
        self._stream = stream
        self._http = http
        self.undecided: Counter[str] = Counter()
        self.connections: set[FrontProtocol] = set()
        self._closed: Deferred[None] | None = None
        self._limit: IDelayedCall | None = None

    def buildProtocol(self, addr: IAddress | None) -> FrontProtocol | None:
        """
        Admit a connection by its address (called by Twisted).
        """
        assert addr is not None
        address = address_text(addr)
        if self._allowed is not None and not self._allowed.matches(address):
            self._log.info(
                "{peer}: connection closed; [web] allow connections from does not admit it", peer=peer_text(addr)
            )
            return None
        if self.undecided[address] >= CROWD_PER_ADDRESS:
            return None
        return FrontProtocol(self, addr)

    def serves(self, feature: str) -> bool:
        """
        @return: Whether C{bind to} lets this port serve a feature.
        """
        return feature in self._listener.features

    def build(self, streams: bool, address: IAddress) -> IProtocol | None:
        """
        @return: The protocol that takes a connection over.
        """
        if streams:
            return self._stream(address, self.serves("streaming"))
        return self._http(address)

    def close(self) -> Deferred[None]:
        """
        Close every connection, as this node stops.

        @return: Fires when the last one is closed; who does not read the rest
            is cut off.
        """
        closed: Deferred[None] = Deferred()
        if not self.connections:
            closed.callback(None)
            return closed
        self._closed = closed
        self._limit = self.clock.callLater(CLOSED_WITHIN, self._cut_off)
        for connection in tuple(self.connections):
            if connection.transport is not None:
                connection.transport.loseConnection()
        return closed

    def _cut_off(self) -> None:
        for connection in tuple(self.connections):
            if connection.transport is not None:
                connection.transport.abortConnection()

    def lost(self, connection: FrontProtocol) -> None:
        """
        A connection is closed.
        """
        self.connections.discard(connection)
        if self._closed is not None and not self.connections:
            closed, self._closed = self._closed, None
            if self._limit is not None and self._limit.active():
                self._limit.cancel()
            closed.callback(None)

    def leave(self, address: str) -> None:
        """
        A connection of that address is undecided no more.
        """
        self.undecided[address] -= 1
        if not self.undecided[address]:
            del self.undecided[address]

    def refuse_tls(self, address: IAddress) -> None:
        """
        Say that someone tried TLS where there is none.
        """
        self._log.warn("{peer}: asked for TLS on a port that speaks plain only", peer=peer_text(address))
