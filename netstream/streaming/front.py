"""
One port for children, browsers and programs: the first bytes decide.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from email.utils import formatdate
from functools import partial
from typing import Protocol as TypedProtocol
from typing import cast

from OpenSSL import SSL
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IHandshakeListener,
    IProtocol,
    IReactorTime,
    ITCPTransport,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.logger import Logger
from twisted.protocols.tls import BufferingTLSTransport, TLSMemoryBIOFactory
from twisted.python.failure import Failure
from zope.interface import implementer

from netstream.config.settings import Listener, WebSettings
from netstream.streaming.closing import Connections
from netstream.streaming.listening import accept_few
from netstream.streaming.liveness import watch_over
from netstream.streaming.lobby import Lobby
from netstream.streaming.peername import address_text, peer_text
from netstream.streaming.redirect import Redirect
from netstream.tls.certificates import described
from netstream.tls.problem import HELLO, Problem
from netstream.tls.server import Server
from netstream.wire.handshake import Refusal

_STREAM = b"STREAM "
_HANDSHAKE = 0x16
"""First byte of the record with which a client of TLS begins."""
_LONGEST_RECORD = 1 << 14
_LAST_RECORD = 0x17
"""First byte of the highest type of TLS record; letters are above."""


def _page(status: str, text: str, headers: str = "") -> bytes:
    """
    @param headers: More of them, each with its line end.
    @return: A whole HTTP answer after which the connection ends.
    """
    return (
        f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {len(text) + 1}\r\n"
        f"X-Content-Type-Options: nosniff\r\n{headers}Connection: close\r\n\r\n{text}\n"
    ).encode()


_NO_TLS = _page("400 Bad Request", "This port speaks no TLS, plain only")


def _streams_alone(now: float) -> bytes:
    """
    @param now: UTC seconds, by which who asks sees whether the clocks agree.
    """
    return _page(
        "403 Forbidden",
        "This port serves 'streaming' alone, and none of 'dashboard', 'registry', 'badges', 'management', "
        "'netdata.conf': see [web] bind to of the node's netstream.conf",
        f"Date: {formatdate(now, usegmt=True)}\r\n",
    )


FIRST_BYTES_WITHIN = 10.0
"""Seconds that a peer has until its first bytes tell what it wants."""

UNDECIDED_PER_ADDRESS = 100
"""Connections of one address that may be undecided at once for long."""

CROWD_PER_ADDRESS = 1000
"""And for a moment: all children behind one address come at once."""

CROWD_DECIDES_WITHIN = 1.0
"""Seconds that those have who are more than may be undecided for long."""


def _begins_with_part(held: bytes) -> bool:
    """
    @return: Whether that is the beginning of a record of TLS, the rest of
        which is yet to come: until then it costs nothing but its bytes.
    """
    if held[0] != _HANDSHAKE:
        return False
    length = int.from_bytes(held[3:5], "big") if len(held) >= 5 else 0
    return len(held) < 5 or (length <= _LONGEST_RECORD and len(held) < 5 + length)


class ITellsOfRequest(TypedProtocol):
    """
    What is handed a connection, and tells when the peer has said what it
    wants.

    @ivar at_request: Is called when it has.
    """

    at_request: Callable[[], None]


@implementer(IHandshakeListener)
class SecuredProtocol(Protocol):
    """
    Holds the first bytes that come through TLS.
    """

    transport: BufferingTLSTransport | None

    def __init__(self, outer: FrontProtocol) -> None:
        self._outer = outer
        self.complete = False
        """Whether the handshake is done."""

    def handshakeCompleted(self) -> None:
        """
        What comes now is what a peer wants (called by Twisted).
        """
        self.complete = True
        self._outer.shook_hands()

    def dataReceived(self, data: bytes) -> None:
        """
        Let the front decide (called by Twisted).
        """
        self._outer.read(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Say why there was no TLS (called by Twisted).
        """
        if self.complete:
            self._outer.said_nothing()
        else:
            self._outer.handshake_failed(reason)


class FrontProtocol(Protocol):
    """
    Holds the first bytes until they tell streaming from HTTP, within TLS or
    not, then hands the connection on.
    """

    transport: ITCPTransport | None

    def __init__(self, front: FrontFactory, address: IAddress) -> None:
        self._front = front
        self._address = address
        self._held = b""
        self._inner: IProtocol | None = None
        self._secured: BufferingTLSTransport | None = None
        self._deadline: IDelayedCall | None = None
        self._late = False
        self._answered = False

    def connectionMade(self) -> None:
        """
        Begin to wait for the first bytes (called by Twisted).
        """
        assert self.transport is not None
        self._front.open(self)
        accept_few(getattr(self.transport, "server", None))
        if not self._front.lobby.enter(self):
            self.transport.abortConnection()
            return
        address = address_text(self._address)
        self._front.undecided[address] += 1
        crowd = self._front.undecided[address] > UNDECIDED_PER_ADDRESS
        limit = CROWD_DECIDES_WITHIN if crowd else FIRST_BYTES_WITHIN
        self._deadline = self._front.clock.callLater(limit, self._too_late)
        watch_over(self.transport)

    def send_away(self) -> None:
        """
        There is no room for it.
        """
        assert self.transport is not None
        self._answered = True
        self.transport.abortConnection()

    def _too_late(self) -> None:
        assert self.transport is not None
        self._late = True
        self.transport.abortConnection()

    def dataReceived(self, data: bytes) -> None:
        """
        Decide, or pass on (called by Twisted).
        """
        if self._inner is not None:
            self._inner.dataReceived(data)
        else:
            self.read(data)

    def read(self, data: bytes) -> None:
        """
        Take bytes that are not decided upon, from within TLS or not.
        """
        if self._deadline is None:
            return
        self._held += data
        if len(self._held) < len(_STREAM) and _STREAM.startswith(self._held):
            return
        secure = self._secured is not None
        if self._held[0] <= _LAST_RECORD and not secure:
            if self._front.securing is None or not _begins_with_part(self._held):
                self._begin_tls()
            return
        self._decided()
        streams = self._held.startswith(_STREAM)
        if not streams and not self._front.serves_http:
            self._refuse(_streams_alone(self._front.clock.seconds()))
        elif secure or not self._front.wants_tls(streams):
            self._hand_on(self._front.build(streams, self._address))
        elif streams:
            self._front.refuse_plain(self._address)
            self._refuse(Refusal.TLS_ONLY.line())
        else:
            self._hand_on(Redirect(self._front.clock))

    def _begin_tls(self) -> None:
        """
        Let TLS read all that came, and decide upon what is within.
        """
        assert self.transport is not None
        if self._front.securing is None:
            self._decided()
            self._front.refuse_tls(self._address)
            self._refuse(_NO_TLS)
            return
        self._front.lobby.begin_handshake(self)
        held, self._held = self._held, b""
        self._secured = self._inner = BufferingTLSTransport(self._front.securing, SecuredProtocol(self))
        self._secured.makeConnection(self.transport)
        self._secured.dataReceived(held)

    def _hand_on(self, inner: IProtocol | None) -> None:
        transport = self._secured or self.transport
        assert transport is not None
        if inner is None:
            transport.abortConnection()
            return
        held, self._held = self._held, b""
        if hasattr(inner, "at_request"):
            cast(ITellsOfRequest, inner).at_request = partial(self._front.lobby.leave, self)
        if self._secured is not None:
            self._secured.wrappedProtocol = inner
        else:
            self._inner = inner
        inner.makeConnection(transport)
        inner.dataReceived(held)

    def _refuse(self, page: bytes) -> None:
        transport = self._secured or self.transport
        assert transport is not None
        self._held = b""
        self._answered = True
        transport.write(page)
        transport.loseConnection()

    def handshake_failed(self, reason: Failure) -> None:
        """
        The connection ended before TLS was there.
        """
        handle = self._secured.getHandle() if self._secured is not None else None
        self._front.handshake_failed(self._address, handle, reason, late=self._late)

    def shook_hands(self) -> None:
        """
        TLS is there.
        """
        self._front.lobby.end_handshake(self)

    def said_nothing(self) -> None:
        """
        The connection ended after TLS was there, and nobody decided upon it.
        """
        if not (self._held or self._answered or self._late):
            self._front.said_nothing(self._address)

    def close(self) -> None:
        """
        Close the connection once all is sent.
        """
        transport = self._secured or self.transport
        if transport is not None:
            transport.loseConnection()

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
        self._front.lobby.lost(self)
        if self._inner is not None:
            self._inner.connectionLost(reason)
        elif self._late and self._held[:1] == bytes((_HANDSHAKE,)):
            self.handshake_failed(reason)
        self._secured = None
        self._front.lost(self)


class FrontFactory(Factory):
    """
    What listens on one entry of C{bind to}.

    @ivar clock: Where its timers are.
    @ivar lobby: Connections that have not told what they want, on all ports.
    @ivar undecided: The same on this one, by address.
    @ivar securing: Makes TLS; L{None} if this port speaks none.
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
        tls: Server | None = None,
        lobby: Lobby | None = None,
    ) -> None:
        """
        @param stream: Makes the protocol of a streaming request; is told
            whether this port serves streaming at all.
        @param http: Makes the protocol of any other connection.
        @param tls: Has the certificate of this node.
        @param lobby: Of all ports of the node.
        """
        self.clock = clock
        self.lobby = lobby if lobby is not None else Lobby(clock)
        self._stream = stream
        self._http = http
        self._tls: Server | None = None
        self.securing: TLSMemoryBIOFactory | None = None
        self.serve(listener, web, tls)
        self.undecided: Counter[str] = Counter()
        self._connections = Connections(clock)

    def serve(self, listener: Listener, web: WebSettings, tls: Server | None) -> None:
        """
        Go by an entry of C{bind to}, from the next connection on.

        @param tls: As of C{__init__}.
        """
        self._listener = listener
        self._allowed = web.allow.get("connections")
        if listener.protocol != "tcp":
            tls = None  # that of UDP is part of its connections
        if tls is None:
            self.securing = None
        elif self.securing is None or tls is not self._tls:
            self.securing = TLSMemoryBIOFactory(tls, False, self, self.clock)
        # Handshakes that are under way may still ask the one before why they failed.
        self._tls = tls or self._tls
        needed = web.tls.client_needed if web.tls is not None else "no"
        self._browsers_need_certificate = needed == "yes"

    @property
    def entry(self) -> Listener:
        """
        The entry of C{bind to} that it goes by.
        """
        return self._listener

    @property
    def connections(self) -> int:
        """
        How many are open.
        """
        return len(self._connections)

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

    @property
    def serves_http(self) -> bool:
        """
        Whether there is anything for browsers and programs.
        """
        return bool(self._listener.features - {"streaming"})

    def serves(self, feature: str) -> bool:
        """
        @return: Whether C{bind to} lets this port serve a feature.
        """
        return feature in self._listener.features

    def wants_tls(self, streams: bool) -> bool:
        """
        @return: Whether a peer has to come back with TLS: as C{^SSL=} of the
            port says, which without it goes for HTTP alone.
        """
        if self.securing is None:
            return False
        if self._browsers_need_certificate or self._listener.tls == "force":
            return True
        return not streams and not self._listener.tls

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
        return self._connections.close()

    def open(self, connection: FrontProtocol) -> None:
        """
        A connection is open.
        """
        self._connections.add(connection)

    def lost(self, connection: FrontProtocol) -> None:
        """
        A connection is closed.
        """
        self._connections.lost(connection)

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
        self._log.warn(
            "{peer}: asked for TLS on a port that speaks plain only; 'netstream gencert' makes the pair for 'ssl "
            "certificate' and 'ssl key' in [web], or the child leaves ':SSL' out of its destination",
            peer=peer_text(address),
        )

    def refuse_plain(self, address: IAddress) -> None:
        """
        Say that a child came without TLS where it must not.
        """
        self._log.warn(
            "{peer}: streaming refused; it came without TLS, and '{entry}' in [web] bind to forces TLS: the child "
            "needs ':SSL' at the end of its destination",
            peer=peer_text(address),
            entry=self._listener.text,
        )

    def said_nothing(self, address: IAddress) -> None:
        """
        Say that a peer went as soon as it had seen the certificate.
        """
        assert self._tls is not None
        self._log.info(
            "{peer}: closed after the TLS handshake without a word, as an agent does that does not trust it"
            " and needs 'CAfile' with its authority in [stream] [{certificate}]",
            peer=peer_text(address),
            certificate=described(self._tls.pair.certificate),
        )

    def handshake_failed(
        self, address: IAddress, handle: SSL.Connection | None, reason: Failure, *, late: bool
    ) -> None:
        """
        Say why a peer that asked for TLS did not get it.

        @param handle: What there is of it.
        @param late: Whether it took too long.
        """
        assert self._tls is not None
        if late or handle is None:
            problem = Problem(HELLO, f"it was not complete within {FIRST_BYTES_WITHIN:g} s")
        else:
            problem = self._tls.explain(handle, reason)
        self._log.warn("{peer}: {problem}", peer=peer_text(address), problem=str(problem))
