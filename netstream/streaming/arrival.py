"""
A child arrives: its request is read, it waits to be admitted, and is taken in
here, handed over to another process, or refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from twisted.internet.interfaces import IAddress, IDelayedCall, ISSLTransport, ITCPTransport
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure

from netstream.endings import how_ended
from netstream.hub.hub import Host
from netstream.model.identity import fingerprint
from netstream.streaming.door import ASKING, PASSING, Candidate
from netstream.streaming.intake import Intake
from netstream.streaming.papers import Papers, papers_of
from netstream.streaming.passing import Handed, Relay, Taker, hand_over
from netstream.streaming.peername import address_text, peer_text
from netstream.wire.capabilities import Capability
from netstream.wire.handshake import HandshakeError, Refusal, RequestReader, parse_request

if TYPE_CHECKING:
    from netstream.streaming.parent import Parent

HEADER_WITHIN = 10.0
"""Seconds a child has to send its whole request."""

EARLY_MOST = 16384
"""Bytes that a child may say before it is answered; real ones say nothing."""

LET_GO_WITHIN = 5.0
"""Seconds that a child has to end its side when it is let go."""

STALE_AFTER = 10.0
"""Seconds without a byte after which a child may be replaced by a newer
connection with its GUID, at least."""


class ParentProtocol(Protocol):
    """
    One connection of a child.

    @ivar at_request: Is called when it has asked.
    @ivar waits: Whether it has asked, and waits for its answer.
    @ivar host: Who it is, once it is admitted.
    @ivar candidate: As what it was admitted.
    @ivar heard: When its last bytes came, UTC seconds.
    @ivar removed_at: When the host was removed here, if others bring it
        back: it stays removed until they bring a sample that is newer.
    """

    transport: ITCPTransport | None
    _log = Logger()

    def __init__(self, parent: Parent, address: IAddress, allowed: bool) -> None:
        """
        @param allowed: Whether this port serves streaming.
        """
        self._parent = parent
        self._address = address
        self._allowed = allowed
        self.at_request: Callable[[], None] = lambda: None
        self._reader: RequestReader | None = RequestReader()
        self._head = b""
        self._rest = b""
        self._relay: Relay | None = None
        self._intake: Intake | None = None
        self._timer: IDelayedCall | None = None
        self._parting: IDelayedCall | None = None
        self._reason = ""
        self.waits = False
        self.host: Host | None = None
        self.candidate: Candidate | None = None
        self.heard = 0.0
        self.removed_at = 0.0

    @property
    def peer(self) -> str:
        """
        Where the child is, for a log.
        """
        return peer_text(self._address)

    @property
    def key(self) -> str:
        """
        The first digits of the SHA-256 of its API key, once it is admitted.
        """
        return fingerprint(self.candidate.request.key.lower()) if self.candidate is not None else ""

    @property
    def reason(self) -> str:
        """
        Why it ended.
        """
        return self._reason

    @property
    def stale_after(self) -> float:
        """
        Seconds without a byte after which a newer connection may take over.
        """
        return max(STALE_AFTER, 3.0 * self.host.info.update_every if self.host is not None else 0.0)

    def connectionMade(self) -> None:
        """
        Begin to wait for the request (called by Twisted).
        """
        self.heard = self._parent.clock.seconds()
        self._timer = self._parent.clock.callLater(HEADER_WITHIN, self._no_request)

    def dataReceived(self, data: bytes) -> None:
        """
        Read the request, then what is streamed (called by Twisted).
        """
        self.heard = self._parent.clock.seconds()
        if self._intake is not None:
            if not self._intake.over:
                self._intake.receive(data, self.heard)
        elif self._reader is not None:
            self._read_request(self._reader, data)
        elif self.waits:
            self._rest += data
            if len(self._rest) > EARLY_MOST:
                self._abort()
        elif self._relay is not None:
            self._relay.take(data)

    def _no_request(self) -> None:
        self._log.warn("{peer}: no complete request in {limit:g} s; closed", peer=self.peer, limit=HEADER_WITHIN)
        self._abort()

    def _read_request(self, reader: RequestReader, data: bytes) -> None:
        try:
            request = reader.receive(data)
        except HandshakeError as problem:
            if data == ASKING:
                self._log.info("{peer}: 'netstream check' there sees that there is an answer", peer=self.peer)
            else:
                self._log.warn("{peer}: streaming refused: {problem}", peer=self.peer, problem=problem)
            self._refuse(problem.refusal or Refusal.DENIED)
            return
        if request is None:
            return
        if not self._allowed or not self._parent.address_allowed(self._address):
            self._log.warn(
                "{peer}: streaming refused; the port's features in [web] bind to, or [web] allow streaming from, do"
                " not admit it",
                peer=self.peer,
            )
            self._refuse(Refusal.NOT_ALLOWED)
            return
        papers = papers_of(self.transport, unix=peer_text(self._address) == "unix socket")
        self._reader = None
        self._stop_timer()
        self.at_request()
        self._head, self._rest = reader.head, reader.rest
        self.waits = True
        self._parent.consider(Candidate(self, request, address_text(self._address), papers))

    def hand_over(self, taker: Taker, papers: Papers) -> None:
        """
        Another process of this node takes the child in, which is admitted.
        """
        assert self.transport is not None
        host, port = getattr(self._address, "host", None), getattr(self._address, "port", 0)
        handed = Handed(host, port, self._head, self._rest, papers)
        self.waits, self._head, self._rest = False, b"", b""
        self._relay = hand_over(self.transport, handed, taker, self._parent.clock)

    def go_on(self, handed: Handed) -> None:
        """
        Take in the child of a connection that another process handed over.
        """
        self._reader = None
        self._stop_timer()
        self._rest = handed.rest
        self.waits = True
        request = parse_request(handed.head)
        self._parent.take_in(Candidate(self, request, address_text(self._address), handed.papers))

    def refuse(self, refusal: Refusal, offered: Capability) -> None:
        """
        The child is not admitted.

        @param offered: What it can do.  Old agents take a reason that passes
            for nonsense and stay away for a minute; without an answer they
            are back earlier.
        """
        if refusal in PASSING and Capability.INTERPOLATED not in offered:
            assert self.transport is not None
            self._parent.counts.refused[refusal.name.lower()] += 1
            self.waits, self._rest = False, b""
            self.transport.loseConnection()
        else:
            self._refuse(refusal)

    def _refuse(self, refusal: Refusal) -> None:
        assert self.transport is not None
        self._reader = None
        self._stop_timer()
        self._parent.counts.refused[refusal.name.lower()] += 1
        self.waits, self._rest = False, b""
        self.transport.write(refusal.line())
        self.transport.loseConnection()

    def begin(self, agreed: Capability, host: Host) -> None:
        """
        The child is admitted: tell it, and read its lines from now on.
        """
        assert self.transport is not None
        self.waits = False
        self.heard = self._parent.clock.seconds()
        self.host = host
        self._intake = Intake(self._parent, self, host, agreed, self.transport, self.heard)
        rest, self._rest = self._rest, b""
        self._intake.begin(rest)

    def broke(self, reason: str) -> None:
        """
        What the child streams is wrong, or it does not stream any more.
        """
        self._reason = reason
        self._abort()

    def replaced(self) -> None:
        """
        A newer connection of the same host takes over.
        """
        self._reason = "replaced by a newer connection"
        self._end()
        self.host = None
        self._abort()

    def expel(self, reason: str) -> None:
        """
        The child is not admitted any more.
        """
        self.broke(reason)

    def let_go(self, reason: str) -> None:
        """
        Let the child go elsewhere: end our side of the connection, and read
        what it has under way until it ends its own.
        """
        assert self.transport is not None
        if self._reason or self._intake is None or self._intake.over:
            return
        self._reason = reason
        self._parting = self._parent.clock.callLater(LET_GO_WITHIN, self._abort)
        if ISSLTransport.providedBy(self.transport):
            # That says so within TLS, and reads on until the other side does.
            self.transport.loseConnection()
        else:
            self.transport.loseWriteConnection()

    def close(self) -> None:
        """
        This node stops.
        """
        assert self.transport is not None
        self._reason = "this node stops"
        self.transport.loseConnection()

    def _abort(self) -> None:
        assert self.transport is not None
        self._end()
        self.transport.abortConnection()

    def _end(self) -> None:
        """
        Read nothing more.
        """
        self._stop_timer()
        if self._parting is not None and self._parting.active():
            self._parting.cancel()
        self.waits, self._rest = False, b""
        if self._intake is not None:
            self._intake.stop()

    def _stop_timer(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        The child is gone (called by Twisted).
        """
        if self._intake is not None:
            self._intake.finish()
        self._parent.gave_up(self)
        self._end()
        if self._relay is not None:
            self._relay.close()
        self._reason = self._reason or how_ended(reason, "the child")
        if self.host is not None:
            self._log.info(
                "{peer}: {host} disconnected: {reason}",
                peer=self.peer,
                host=self.host.info.hostname,
                reason=self.reason,
            )
            self._parent.lost(self)
