"""
The receiving side: children connect, are checked, and stream into the hub.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import cast

from attrs import evolve
from twisted.internet.defer import Deferred, DeferredSemaphore
from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IPushProducer,
    IReactorTime,
    ISSLTransport,
    ITCPTransport,
)
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure

from netstream.config.settings import KeySettings, Mode, Refused, Settings
from netstream.db import NoneDB
from netstream.db.interfaces import IMetricsDB, exchange_of
from netstream.hub.figures import Traffic
from netstream.hub.hub import Host, Hub, Link
from netstream.hub.latest import last_of
from netstream.model.host import HostInfo
from netstream.model.identity import fingerprint
from netstream.model.samples import SampleBatch
from netstream.model.updates import ChartDefined
from netstream.session import ProtocolError
from netstream.session.handshake import OWN, Spoiled, negotiate
from netstream.session.path import path_document
from netstream.session.receiver import Receiver
from netstream.session.replication import Replication
from netstream.session.vocabulary import Vocabulary
from netstream.streaming.backfill import Backfill
from netstream.streaming.calls import AskedChild
from netstream.streaming.completion import Completion
from netstream.streaming.door import PASSING, Candidate, Door, Turned
from netstream.streaming.pace import Pace
from netstream.streaming.papers import Papers, papers_of
from netstream.streaming.passing import Handed, Relay, Taker, hand_over
from netstream.streaming.peername import address_text, peer_text
from netstream.streaming.quotas import Quotas
from netstream.streaming.rounds import Rounds
from netstream.streaming.turns import Turns
from netstream.wire.capabilities import Capability
from netstream.wire.compression import CompressionError, Decompressor, algorithm_of
from netstream.wire.handshake import HandshakeError, Refusal, RequestReader, accepted, parse_request

HEADER_WITHIN = 10.0
"""Seconds a child has to send its whole request."""

PASSED_ON = 3600
"""Seconds of the past, at most, that are asked for where they only pass
through the spool."""

SILENT_FOR = 60.0
"""Seconds without a byte after which a child is taken for dead, at least."""

CHARTS_MOST = 100_000
"""Charts of one host over all its connections."""

SERIES_MOST = 1_000_000
"""Series of one host over all its connections."""

AHEAD_MOST = 60
"""Seconds that a sample may be ahead of our clock; later ones are refused."""

SWEPT_EVERY = 60.0
"""Seconds between two looks for charts that have been obsolete for long."""

EXPIRY_LOOKED_AT = 3600.0
"""Seconds after which it is looked again at when keys expire, at most: the
clock may be set."""

TOLD_EVERY = 3600.0
"""Seconds between two lines of a log about a child that has to wait."""

COMPLETED_AT_ONCE = 4
"""Hosts whose older history is fetched at the same time."""

EARLY_MOST = 16384
"""Bytes that a child may say before it is answered; real ones say nothing."""

LET_GO_WITHIN = 5.0
"""Seconds that a child has to end its side when it is let go."""

LET_GO_AT_ONCE, LET_GO_EVERY = 5, 0.1
"""How many children are let go at once, and seconds between two such lots."""

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
    @ivar refused: Samples that were refused, being ahead of our clock.
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
        self._receiver: Receiver | None = None
        self._decompressor: Decompressor | None = None
        self._pace: Pace | None = None
        self._backfill: Backfill | None = None
        self._completion: Completion | None = None
        self._defines = False
        self._taken = 0
        self._told_of_quota = 0.0
        self._waiting: IDelayedCall | None = None
        self._child: AskedChild | None = None
        self._agreed = Capability(0)
        self._traffic = Traffic()
        self._told = b""
        self._unlisten: Callable[[], None] | None = None
        self.waits = False
        self._head = b""
        self._relay: Relay | None = None
        self._timer: IDelayedCall | None = None
        self._silence = SILENT_FOR
        self._reason = ""
        self._rest = b""
        self._parting: IDelayedCall | None = None
        self.host: Host | None = None
        self.candidate: Candidate | None = None
        self.heard = 0.0
        self.refused = 0
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
        if self._receiver is not None:
            self._traffic.moved(wire=len(data))
            if self._pace is not None:
                data = self._pace.gather(data, self.heard)
            if data:
                self._deal(data)
            if self.host is not None and self.host.callee is not self._child:
                self._may_speak(self.host)
        elif self._reader is not None:
            self._read_request(self._reader, data)
        elif self.waits:
            self._rest += data
            if len(self._rest) > EARLY_MOST:
                self._abort()
        elif self._relay is not None:
            self._relay.take(data)

    def _deal(self, data: bytes) -> None:
        self._defines, self._taken = False, 0
        self._take(data)
        self._look()
        if self._receiver is not None and self._pace is not None:
            self._pace.received(len(data), self.heard, may_wait=not self._defines)
            if self.host is not None and self.host.unkept:
                self._pace.hold(self.host.kept())
            self._keep_to_quota(self._pace)

    def _keep_to_quota(self, pace: Pace) -> None:
        """
        Do not listen to a child that sends too much, until it is within its
        quota again: it has to wait, and nothing is lost.
        """
        assert self.host is not None
        wait, why = self._parent.quotas.take(self.host.info.guid, self._taken, self.heard)
        if not wait or pace.held:
            return
        if self.heard >= self._told_of_quota:
            self._told_of_quota = self.heard + TOLD_EVERY
            self._log.warn("{peer}: {host} has to wait: {why}", peer=self.peer, host=self.host.info.hostname, why=why)
        over: Deferred[None] = Deferred()
        self._waiting = self._parent.clock.callLater(wait, over.callback, None)
        pace.hold(over)

    def _no_request(self) -> None:
        self._log.warn("{peer}: no complete request in {limit:g} s; closed", peer=self.peer, limit=HEADER_WITHIN)
        self._abort()

    def _read_request(self, reader: RequestReader, data: bytes) -> None:
        try:
            request = reader.receive(data)
        except HandshakeError as problem:
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

    def _look(self) -> None:
        """
        Ask for what is missing of the past, if anything was heard of it.
        """
        if self._receiver is not None and self._backfill is not None:
            self._backfill.look()

    def _refuse(self, refusal: Refusal) -> None:
        assert self.transport is not None
        self._reader = None
        self._stop_timer()
        self._parent.counts.refused[refusal.name.lower()] += 1
        self.waits, self._rest = False, b""
        self.transport.write(refusal.line())
        self.transport.loseConnection()

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

    def begin(self, agreed: Capability, host: Host) -> None:
        """
        The child is admitted: tell it, and read its lines from now on.
        """
        assert self.transport is not None
        self.waits = False
        self.heard = self._parent.clock.seconds()
        self.host = host
        replication = None
        if Capability.REPLICATION in agreed:
            settings = self._parent.admitted[host.info.guid]
            # What only goes through here is not fetched from as far back.
            most = settings.replication_period
            period = most if host.db.keeps else min(most, PASSED_ON)
            replication = Replication(period, settings.replication_step, host.past.keeps)
            self._backfill = Backfill(host, replication, self._parent.clock, self._say, self.peer)
        if Capability.TIERS in agreed:
            self._completion = Completion(
                host,
                lambda: exchange_of(host.db),
                replication,
                self._parent.clock,
                self._say,
                self.peer,
                self._parent.completing,
            )
        host.replication = replication.progress if replication is not None else None
        self._agreed = agreed
        algorithm = algorithm_of(agreed)
        self._decompressor = Decompressor(algorithm) if algorithm else None
        if host.link is not None:
            self._traffic = host.link.traffic
        self._child = AskedChild(agreed, self._say, self._parent.clock, self._parent.counts)
        self._receiver = Receiver(
            host.table,
            agreed,
            update_every=host.info.update_every,
            gap_when_lost=self._parent.settings.db.gap_when_lost,
            node=host.info.guid,
            vocabulary=self._parent.vocabulary,
            replication=replication,
            asked=self._child.asked,
            exchange=self._hear_exchange if self._completion is not None else None,
        )
        host.state = self._receiver.state
        self._silence = max(SILENT_FOR, 3 * host.info.update_every)
        self._timer = self._parent.clock.callLater(self._silence, self._check_silence)
        self._pace = Pace(
            cast(IPushProducer, self.transport),
            self._parent.clock,
            self._deal,
            self._parent.turns,
            self._parent.rounds,
        )
        self.transport.write(accepted(agreed))
        self._pace.hurry()
        rest, self._rest = self._rest, b""
        if rest:
            self._traffic.moved(wire=len(rest))
            self._take(rest)
            self._look()

    def _may_speak(self, host: Host) -> None:
        """
        The child has read our reply, so that it takes more.
        """
        host.callee = self._child
        if Capability.PATHS in self._agreed:
            self._unlisten = host.route.listen(self._tell_path)
            self._tell_path()

    def _tell_path(self) -> None:
        assert self.host is not None
        document = path_document(self.host.path)
        if document != self._told:
            self._told = document
            self._say(document)

    def _say(self, text: bytes) -> None:
        """
        Tell the child something to which it may answer.
        """
        assert self.transport is not None
        self.transport.write(text)
        if self._pace is not None:
            self._pace.hurry()

    def _take(self, data: bytes) -> None:
        """
        Read what is streamed, compressed or not.
        """
        if self._decompressor is None:
            self._obey(data)
            return
        assert self.host is not None
        try:
            for text in self._decompressor.receive(data):
                self._obey(text)
                if self._receiver is None:
                    return
        except CompressionError as problem:
            self._reason = str(problem)
            self._log.warn(
                "{peer}: {host}: closed: {problem}; its next connections do without {algorithm}",
                peer=self.peer,
                host=self.host.info.hostname,
                problem=problem,
                algorithm=problem.algorithm,
            )
            self._parent.counts.broken += 1
            self._parent.spoiled.note(self.host.info.guid, problem.algorithm, self.heard)
            self._abort()

    def _obey(self, data: bytes) -> None:
        assert self._receiver is not None and self.host is not None
        host, receiver, samples, past = self.host, self._receiver, 0, 0
        try:
            for update in receiver.receive(data, self.heard):
                if isinstance(update, SampleBatch):
                    update = self._not_ahead(host, update)
                    samples += len(update)
                    past += len(update) if update.past else 0
                    if self.removed_at:
                        update = self._not_removed(update)
                elif isinstance(update, ChartDefined):
                    self._defines = True
                    if self._too_much(host, update):
                        raise ProtocolError(
                            receiver.lines,
                            f"the host has more than {CHARTS_MOST} charts or {SERIES_MOST} series over all its"
                            " connections",
                        )
                    host.apply(update)
                    over = self._parent.quotas.define(host.info.guid, host.table.living, self.heard)
                    if over:
                        raise ProtocolError(receiver.lines, over)
                    continue
                host.apply(update)
        except ProtocolError as problem:
            self._reason = str(problem)
            self._log.warn(
                "{peer}: {host}: closed: {problem}", peer=self.peer, host=host.info.hostname, problem=problem
            )
            self._parent.counts.broken += 1
            self._abort()
        self._taken += samples
        # Lines of both kinds that came together are about as long as each other.
        replication = len(data) * past // samples if past else 0
        self._traffic.moved(text=len(data), samples=samples, replication=replication)
        for keyword in receiver.notes.news():
            self._log.info(
                "{peer}: {host}: lines {keyword} are skipped", peer=self.peer, host=host.info.hostname, keyword=keyword
            )

    def _hear_exchange(self, body: bytes) -> None:
        if self._completion is not None:
            self._traffic.moved(replication=len(body))
            self._completion.heard(body)

    def _too_much(self, host: Host, defined: ChartDefined) -> bool:
        new = defined.chart.id not in host.charts
        return (new and len(host.charts) >= CHARTS_MOST) or host.table.living > SERIES_MOST

    def _not_ahead(self, host: Host, batch: SampleBatch) -> SampleBatch:
        """
        Leave out samples of a child whose clock is wrong, since they would
        stand before all honest ones to come.
        """
        clock = host.link.clock if host.link is not None else None
        last = last_of(batch)
        if last <= self.heard + AHEAD_MOST:
            if last and clock is not None:
                if batch.past:
                    clock.heard = self.heard  # which tells nothing of its clock
                else:
                    clock.note(last, self.heard)
            return batch
        kept = batch.until(int(self.heard) + AHEAD_MOST)
        if kept is not batch:
            if clock is not None:
                clock.note(last, self.heard)
                clock.ahead += len(batch) - len(kept)
            if not self.refused:
                self._log.warn(
                    "{peer}: {host}: its clock is ahead: samples of {time} are refused; set its clock right",
                    peer=self.peer,
                    host=host.info.hostname,
                    time=int(batch.time.max()),
                )
            self.refused += len(batch) - len(kept)
            self._parent.counts.ahead += len(batch) - len(kept)
        return kept

    def _not_removed(self, batch: SampleBatch) -> SampleBatch:
        """
        Leave out samples of a host that was removed here, up to the moment of
        its removal; one that is newer shows that the host is back.
        """
        assert self.host is not None
        kept = batch.since(math.floor(self.removed_at) + 1)
        if len(kept):
            self._parent.returned(self)
        return kept

    def _check_silence(self) -> None:
        silent = self._parent.clock.seconds() - self.heard
        if self._pace is not None and self._pace.held:
            silent = 0.0  # it is us who do not listen
        if silent < self._silence:
            self._timer = self._parent.clock.callLater(self._silence - silent, self._check_silence)
            return
        self._reason = f"silent for {silent:.0f} s"
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
        self._reason = reason
        self._abort()

    def let_go(self, reason: str) -> None:
        """
        Let the child go elsewhere: end our side of the connection, and read
        what it has under way until it ends its own.
        """
        assert self.transport is not None
        if self._reason or self._receiver is None:
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
        self._receiver = None
        self._stop_timer()
        if self._backfill is not None:
            self._backfill.stop()
        for timer in (self._parting, self._waiting):
            if timer is not None and timer.active():
                timer.cancel()
        if self._completion is not None:
            self._completion.stop()
        self.waits, self._rest = False, b""
        if self._pace is not None:
            self._pace.stop()
            self._pace.rest()
        if self._child is not None:
            child, self._child = self._child, None
            if self.host is not None and self.host.callee is child:
                self.host.callee = None
            if self._unlisten is not None:
                self._unlisten()
            child.end()

    def _stop_timer(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        The child is gone (called by Twisted).
        """
        if self._receiver is not None and self._pace is not None:
            self._take(self._pace.rest())
        self._parent.gave_up(self)
        self._end()
        if self._relay is not None:
            self._relay.close()
        self._reason = self._reason or reason.getErrorMessage()
        if self.host is not None:
            self._log.info(
                "{peer}: {host} disconnected: {reason}",
                peer=self.peer,
                host=self.host.info.hostname,
                reason=self.reason,
            )
            self._parent.lost(self)


class Parent:
    """
    What all children's connections share.

    @ivar clock: Where timers are; its seconds are UTC.
    @ivar connections: The connection of each child, by machine GUID.
    @ivar vocabulary: What definitions have in common.
    @ivar spoiled: Which compressions failed, by machine GUID.
    @ivar turns: When each may be dealt with.
    @ivar completing: How many hosts' older history may be fetched at once.
    @ivar counts: What is counted.
    @ivar used: When each API key was used last, UTC seconds, by the first
        digits of its SHA-256.
    @ivar quotas: What is used of quotas.
    @ivar admitted: What C{stream.conf} says for each host that was admitted,
        by machine GUID.
    @ivar elsewhere: Says which process of this node takes a host, by machine
        GUID: L{None} is this one.
    """

    _log = Logger()

    def __init__(
        self,
        hub: Hub,
        settings: Settings,
        database: Callable[[KeySettings], IMetricsDB],
        clock: IReactorTime,
    ) -> None:
        """
        @param database: Gives the database that a host's settings ask for.
        """
        self.settings = settings
        self.clock = clock
        self.connections: dict[str, ParentProtocol] = {}
        self.admitted: dict[str, KeySettings] = {}
        self.used: dict[str, float] = {}
        self._expiring: IDelayedCall | None = None
        self.elsewhere: Callable[[str], Taker | Refusal | None] = lambda guid: None
        self.spoiled = Spoiled()
        self.turns = Turns(clock)
        self.rounds = Rounds(clock)
        self.completing = DeferredSemaphore(COMPLETED_AT_ONCE)
        self.vocabulary = Vocabulary()
        self._sweeping: IDelayedCall | None = None
        self._plan_sweep()
        self._hub = hub
        self.counts = hub.counts
        self._database = database
        self.quotas = Quotas()
        self._door = Door(hub, settings, clock, self.connections, self._begin, self.quotas, self._place)
        self._stopping = False
        self._unwatch = hub.watch(self._told)

    def reconfigure(self, settings: Settings) -> list[str]:
        """
        Go by other settings.  Who is admitted by them as before stays
        connected; who is not is cut off, and who needs another database or
        period is asked to connect anew.

        @return: One line for each child that had to go.
        """
        self.settings = settings
        self._door.reconfigure(settings)
        if self._sweeping is None:
            self._plan_sweep()
        went = [line for each in tuple(self.connections.values()) for line in self._judge(each)]
        known = set(settings.keys)
        self.used = {key: at for key, at in self.used.items() if key in known}
        self._plan_expiry()
        return went

    def _plan_expiry(self) -> None:
        """
        Wait for the moment at which the first section of a child that is
        connected expires.
        """
        if self._expiring is not None and self._expiring.active():
            self._expiring.cancel()
        ends = [self.admitted[guid].until for guid in self.connections if guid in self.admitted]
        first = min((end for end in ends if end is not None), default=None)
        self._expiring = None
        if first is not None:
            wait = min(max(0.0, first - self.clock.seconds()), EXPIRY_LOOKED_AT)
            self._expiring = self.clock.callLater(wait, self._expire)

    def _expire(self) -> None:
        now = self.clock.seconds()
        for connection in tuple(self.connections.values()):
            settings = self.admitted.get(connection.host.info.guid) if connection.host is not None else None
            if settings is not None and settings.until is not None and settings.until <= now:
                list(self._judge(connection))
        self._plan_expiry()

    def _judge(self, connection: ParentProtocol) -> Iterable[str]:
        """
        Hold a child that is connected against the settings as they are now.

        @return: What became of it, if it had to go.
        """
        host, candidate = connection.host, connection.candidate
        if host is None or candidate is None:
            return
        try:
            if not self._allows(candidate.address):
                raise Refused(f"[web] allow streaming from does not admit {candidate.address}")
            settings = self._door.check(candidate)
        except Refused as refused:
            self._log.warn(
                "{peer}: {host} ({guid}) is cut off: {reason}",
                peer=connection.peer,
                host=host.info.hostname,
                guid=host.info.guid,
                reason=refused.reason,
            )
            connection.expel("stream.conf does not admit it any more")
            yield f"{host.info.hostname} ({host.info.guid}) is cut off: {refused.reason}"
            return
        before, self.admitted[host.info.guid] = self.admitted[host.info.guid], settings
        if (settings.mode, settings.update_every) != (before.mode, before.update_every):
            connection.let_go("its settings in stream.conf changed")
            yield f"{host.info.hostname} ({host.info.guid}) connects anew, since its database or period changed"
            return
        if settings.quotas != before.quotas:
            self.quotas.enter(host.info.guid, settings.quotas, host.table.living, self.clock.seconds())
        if (settings.retention, settings.kept) != (before.retention, before.kept):
            self._retain(host, self._database(settings), settings)

    def protocol(self, address: IAddress, allowed: bool) -> ParentProtocol:
        """
        @return: The protocol of a new connection.
        """
        return ParentProtocol(self, address, allowed)

    def address_allowed(self, address: IAddress) -> bool:
        """
        @return: Whether C{[web] allow streaming from} admits a peer.
        """
        return self._allows(address_text(address))

    def _allows(self, address: str) -> bool:
        allowed = self.settings.web.allow.get("streaming")
        return allowed is None or allowed.matches(address)

    def consider(self, candidate: Candidate) -> None:
        """
        Admit a child at once or in its turn, or refuse it.
        """
        self._door.consider(candidate)

    @property
    def key_use(self) -> Counter[str]:
        """
        How many children are connected with each API key.
        """
        return Counter(connection.key for connection in self.connections.values())

    @property
    def turned(self) -> Sequence[Turned]:
        """
        The children that were refused for good lately, the latest last.
        """
        return tuple(self._door.turned)

    def gave_up(self, connection: ParentProtocol) -> None:
        """
        A child went before it was answered.
        """
        self._door.gave_up(connection)

    def take_in(self, candidate: Candidate) -> None:
        """
        Take in a child that another process of this node has admitted, or
        refuse it after all.
        """
        self._door.take_in(candidate)

    def _place(self, candidate: Candidate) -> Refusal | bool:
        """
        Hand a child over to the process that takes it.

        One that was removed is dealt with here, where that is remembered.

        @return: Whether that was done; why the child is refused for now.
        """
        guid = candidate.request.info.guid
        if self._hub.tombstones.of(guid) is not None:
            return False
        taker = self.elsewhere(guid)
        if isinstance(taker, Refusal):
            self._log.warn(
                "{peer}: {host} refused for now: its worker is not ready",
                peer=candidate.connection.peer,
                host=candidate.request.info.hostname,
            )
            return taker
        if taker is None:
            return False
        assert isinstance(candidate.connection, ParentProtocol)
        names, now = candidate.papers.names, self.clock.seconds()
        self.admitted[guid] = self.settings.admit(candidate.request.key, guid, candidate.address, now, names)
        candidate.connection.hand_over(taker, candidate.papers)
        return True

    def _begin(self, candidate: Candidate) -> None:
        connection, request = candidate.connection, candidate.request
        assert isinstance(connection, ParentProtocol)
        info, now = request.info, self.clock.seconds()
        settings = self.settings.admit(request.key, info.guid, candidate.address, now, candidate.papers.names)
        self.admitted[info.guid] = settings
        connection.candidate = candidate
        if settings.update_every:
            info = evolve(info, update_every=settings.update_every)
        wanted = settings.compressions if settings.compression else ()
        own = OWN if settings.replication else OWN & ~Capability.REPLICATION
        database = self._database(settings)
        if not (settings.replication and settings.tiers and exchange_of(database)):
            own &= ~Capability.TIERS
        agreed = negotiate(request.capabilities, own, compressions=self.spoiled.left(info.guid, wanted, now))
        link = Link(
            connection.peer,
            now,
            int(agreed),
            tuple(agreed.names()),
            Traffic(self.counts.received),
            candidate.papers.expires,
        )
        self.counts.accepted += 1
        host = self._known(connection, info, database, link)
        self._retain(host, database, settings)
        self.connections[info.guid] = connection
        self.used[fingerprint(request.key.lower())] = now
        self.quotas.enter(info.guid, settings.quotas, host.table.living, now)
        connection.begin(agreed, host)
        if settings.until is not None and not self._expires_before(settings.until):
            self._plan_expiry()
        self._log.info(
            "{peer}: {host} ({guid}) connected: {program} {version}, {hops} hops, {compression}, database {mode}",
            peer=connection.peer,
            host=info.hostname,
            guid=info.guid,
            program=info.program,
            version=info.version,
            hops=info.hops,
            compression=algorithm_of(agreed) or "not compressed",
            mode=host.db.mode,
        )

    def _expires_before(self, moment: float) -> bool:
        due = self._expiring.getTime() if self._expiring is not None and self._expiring.active() else math.inf
        return due <= moment

    def _known(self, connection: ParentProtocol, info: HostInfo, database: IMetricsDB, link: Link) -> Host:
        """
        @return: The host of a connection; one that was removed here, and that
            another node brings, is not in the hub yet.
        """
        known = self._hub.get(info.guid)
        if known is not None and known.info.hostname != info.hostname:
            self._log.info(
                "{guid}, known as {old}, is now called {new}",
                guid=info.guid,
                old=known.info.hostname,
                new=info.hostname,
            )
        tombstone = self._hub.tombstones.of(info.guid)
        if tombstone is not None and info.hops > 1:
            connection.removed_at = tombstone.at
            apart = Host(info, NoneDB())
            apart.link = link
            return apart
        if tombstone is not None:
            self._lift(info.guid)
        return self._hub.connect(info, database, link)

    def _lift(self, guid: str) -> None:
        try:
            self._hub.tombstones.lift(guid)
        except OSError as problem:
            self._log.error("the removal of {guid} cannot be taken back: {problem}", guid=guid, problem=problem)

    def returned(self, connection: ParentProtocol) -> None:
        """
        A host that was removed here is back: others bring samples of it that
        were taken later.
        """
        host = connection.host
        assert host is not None and host.link is not None
        connection.removed_at = 0.0
        self._lift(host.info.guid)
        settings = self.admitted[host.info.guid]
        database = self._database(settings)
        self._hub.adopt(host, database, host.link)
        self._retain(host, database, settings)
        self._log.info("{host} ({guid}), which was removed, is back", host=host.info.hostname, guid=host.info.guid)

    def _retain(self, host: Host, database: IMetricsDB, settings: KeySettings) -> None:
        if host.db is not database or not database.keeps:
            return
        kept = settings.retention * host.info.update_every if settings.mode is Mode.RAM else settings.kept
        database.retain(host.info.guid, kept).addErrback(
            lambda failure: self._log.failure("{host}: retention", failure, host=host.info.hostname)
        )

    def let_go(self, guids: Iterable[str], reason: str) -> Deferred[int]:
        """
        Let children go elsewhere, at a pace.

        @return: Fires with how many there were, once each has been told.
        """
        going = [guid for guid in guids if guid in self.connections]
        done: Deferred[int] = Deferred()

        def some(first: int) -> None:
            after = first + LET_GO_AT_ONCE
            for guid in going[first:after]:
                if guid in self.connections:
                    self.connections[guid].let_go(reason)
            if after < len(going) and not self._stopping:
                self.clock.callLater(LET_GO_EVERY, some, after)
            else:
                done.callback(len(going))

        some(0)
        return done

    def _told(self, host: Host) -> None:
        """
        A host came, went or was removed; those of other processes count here
        as well, since here it is decided who is let in.
        """
        guid = host.info.guid
        if host.elsewhere:
            settings = self.admitted.get(guid)
            if settings is not None and host.online and not host.removed:
                self.quotas.enter(guid, settings.quotas, host.table.living, self.clock.seconds())
            else:
                self.quotas.leave(guid)
        if host.removed:
            self.admitted.pop(guid, None)

    @property
    def waiting(self) -> int:
        """
        How many children wait to be admitted.
        """
        return len(self._door)

    def lost(self, connection: ParentProtocol) -> None:
        """
        A child's connection ended.
        """
        host = connection.host
        if host is not None and self.connections.get(host.info.guid) is connection:
            del self.connections[host.info.guid]
            if connection.key in self.used:
                self.used[connection.key] = self.clock.seconds()
            self.quotas.leave(host.info.guid)
            host.left = connection.reason
            if not connection.removed_at:
                self._hub.disconnect(host, self.clock.seconds())

    def _plan_sweep(self) -> None:
        after = self.settings.db.cleanup_charts
        self._sweeping = self.clock.callLater(SWEPT_EVERY, self._sweep) if after else None

    def _sweep(self) -> None:
        self._plan_sweep()
        if self._sweeping is None:
            return
        now = self.clock.seconds()
        for host in self._hub:
            host.sweep(now, self.settings.db.cleanup_charts)

    def stop(self) -> None:
        """
        Accept nobody any more and close all connections.
        """
        self._stopping = True
        self._unwatch()
        self._door.close()
        for timer in (self._sweeping, self._expiring):
            if timer is not None and timer.active():
                timer.cancel()
        for connection in tuple(self.connections.values()):
            connection.close()
