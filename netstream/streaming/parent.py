"""
The receiving side: children connect, are checked, and stream into the hub.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from attrs import evolve
from twisted.internet.interfaces import IAddress, IDelayedCall, IPushProducer, IReactorTime, ITCPTransport
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure

from netstream.config.settings import KeySettings, Mode, Refused, Settings
from netstream.db.interfaces import IMetricsDB
from netstream.hub.figures import Traffic
from netstream.hub.hub import Host, Hub, Link
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
from netstream.streaming.front import address_text, peer_text
from netstream.streaming.pace import Pace
from netstream.streaming.papers import Papers, papers_of
from netstream.streaming.turns import Turns
from netstream.wire.capabilities import Capability
from netstream.wire.compression import CompressionError, Decompressor, algorithm_of
from netstream.wire.handshake import HandshakeError, Refusal, RequestReader, StreamRequest, accepted

HEADER_WITHIN = 10.0
"""Seconds a child has to send its whole request."""

SILENT_FOR = 60.0
"""Seconds without a byte after which a child is taken for dead, at least."""

HOSTS_MOST = 20_000
"""Hosts that this node knows at most; a new one beyond is refused as busy."""

CHARTS_MOST = 100_000
"""Charts of one host over all its connections."""

SERIES_MOST = 1_000_000
"""Series of one host over all its connections."""

AHEAD_MOST = 60
"""Seconds that a sample may be ahead of our clock; later ones are refused."""

SWEPT_EVERY = 60.0
"""Seconds between two looks for charts that have been obsolete for long."""

STALE_AFTER = 10.0
"""Seconds without a byte after which a child may be replaced by a newer
connection with its GUID, at least."""


class ParentProtocol(Protocol):
    """
    One connection of a child.

    @ivar host: Who it is, once it is admitted.
    @ivar heard: When its last bytes came, UTC seconds.
    @ivar refused: Samples that were refused, being ahead of our clock.
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
        self._reader: RequestReader | None = RequestReader()
        self._receiver: Receiver | None = None
        self._decompressor: Decompressor | None = None
        self._pace: Pace | None = None
        self._backfill: Backfill | None = None
        self._defines = False
        self._child: AskedChild | None = None
        self._agreed = Capability(0)
        self._traffic = Traffic()
        self._told = b""
        self._unlisten: Callable[[], None] | None = None
        self._timer: IDelayedCall | None = None
        self._silence = SILENT_FOR
        self._reason = ""
        self.host: Host | None = None
        self.heard = 0.0
        self.refused = 0

    @property
    def peer(self) -> str:
        """
        Where the child is, for a log.
        """
        return peer_text(self._address)

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

    def _deal(self, data: bytes) -> None:
        self._defines = False
        self._take(data)
        self._look()
        if self._receiver is not None and self._pace is not None:
            self._pace.received(len(data), self.heard, may_wait=not self._defines)
            if self.host is not None and self.host.unkept:
                self._pace.hold(self.host.kept())

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
        refusal = self._parent.consider(self, request, address_text(self._address), papers)
        if refusal is not None:
            self._refuse(refusal)
        elif reader.rest:
            self._take(reader.rest)
            self._look()

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
        self.transport.write(refusal.line())
        self.transport.loseConnection()

    def begin(self, agreed: Capability, host: Host) -> None:
        """
        The child is admitted: tell it, and read its lines from now on.
        """
        assert self.transport is not None
        self._reader = None
        self._stop_timer()
        self.host = host
        replication = None
        if Capability.REPLICATION in agreed:
            settings = self._parent.admitted[host.info.guid]
            replication = Replication(settings.replication_period, settings.replication_step, host.db.keeps)
            self._backfill = Backfill(host, replication, self._parent.clock, self._say, self.peer)
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
        )
        host.state = self._receiver.state
        self._silence = max(SILENT_FOR, 3 * host.info.update_every)
        self._timer = self._parent.clock.callLater(self._silence, self._check_silence)
        self._pace = Pace(cast(IPushProducer, self.transport), self._parent.clock, self._deal, self._parent.turns)
        self.transport.write(accepted(agreed))
        self._pace.hurry()

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
        host, receiver, samples = self.host, self._receiver, 0
        try:
            for update in receiver.receive(data, self.heard):
                if isinstance(update, SampleBatch):
                    update = self._not_ahead(host, update)
                    samples += len(update)
                elif isinstance(update, ChartDefined):
                    self._defines = True
                    if self._too_much(host, update):
                        raise ProtocolError(
                            receiver.lines,
                            f"the host has more than {CHARTS_MOST} charts or {SERIES_MOST} series over all its"
                            " connections",
                        )
                host.apply(update)
        except ProtocolError as problem:
            self._reason = str(problem)
            self._log.warn(
                "{peer}: {host}: closed: {problem}", peer=self.peer, host=host.info.hostname, problem=problem
            )
            self._parent.counts.broken += 1
            self._abort()
        self._traffic.moved(text=len(data), samples=samples)
        for keyword in receiver.notes.news():
            self._log.info(
                "{peer}: {host}: lines {keyword} are skipped", peer=self.peer, host=host.info.hostname, keyword=keyword
            )

    def _too_much(self, host: Host, defined: ChartDefined) -> bool:
        new = defined.chart.id not in host.charts
        return (new and len(host.charts) >= CHARTS_MOST) or host.table.living > SERIES_MOST

    def _not_ahead(self, host: Host, batch: SampleBatch) -> SampleBatch:
        """
        Leave out samples of a child whose clock is wrong, since they would
        stand before all honest ones to come.
        """
        kept = batch.until(int(self.heard) + AHEAD_MOST)
        if kept is not batch:
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
        self._end()
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
    @ivar counts: What is counted.
    @ivar admitted: What C{stream.conf} says for each host that was admitted,
        by machine GUID.
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
        self.spoiled = Spoiled()
        self.turns = Turns(clock)
        self.vocabulary = Vocabulary()
        self._sweeping: IDelayedCall | None = None
        if settings.db.cleanup_charts:
            self._sweeping = clock.callLater(SWEPT_EVERY, self._sweep)
        self._hub = hub
        self.counts = hub.counts
        self._database = database
        self._last_accepted = clock.seconds() if settings.web.streaming_every else 0.0
        self._stopping = False

    def protocol(self, address: IAddress, allowed: bool) -> ParentProtocol:
        """
        @return: The protocol of a new connection.
        """
        return ParentProtocol(self, address, allowed)

    def address_allowed(self, address: IAddress) -> bool:
        """
        @return: Whether C{[web] allow streaming from} admits a peer.
        """
        allowed = self.settings.web.allow.get("streaming")
        return allowed is None or allowed.matches(address_text(address))

    def consider(
        self, connection: ParentProtocol, request: StreamRequest, address: str, papers: Papers
    ) -> Refusal | None:
        """
        Admit a child, or not.

        @param address: The peer as access lists know it.
        @param papers: What it presented by TLS.
        @return: Why not; L{None} if its connection has begun.
        """
        info = request.info
        now = self.clock.seconds()
        try:
            papers.check(self.settings.web.tls, info.guid)
            self._check_no_machine(request.key)
            settings = self.settings.admit(request.key, info.guid, address, now, papers.names)
        except Refused as refused:
            self._log.warn(
                "{peer}: {host} ({guid}) refused: {reason}",
                peer=connection.peer,
                host=info.hostname,
                guid=info.guid,
                reason=refused.reason,
            )
            return Refusal.DENIED
        if info.guid == self._hub.local.info.guid:
            self._log.warn(
                "{peer}: {host} streams this node's own machine GUID {guid} back; give each node its own machine.guid",
                peer=connection.peer,
                host=info.hostname,
                guid=info.guid,
            )
            return Refusal.LOCALHOST
        if len(self._hub) >= HOSTS_MOST and self._hub.get(info.guid) is None:
            self._log.warn(
                "{peer}: {host} ({guid}) refused: this node knows {most} hosts already, which is the most",
                peer=connection.peer,
                host=info.hostname,
                guid=info.guid,
                most=HOSTS_MOST,
            )
            return Refusal.BUSY
        every = self.settings.web.streaming_every
        if self._stopping:
            return Refusal.BUSY
        if every and now - self._last_accepted < every:
            self._log.info(
                "{peer}: {host} refused for now: [web] accept a streaming request every {every} s",
                peer=connection.peer,
                host=info.hostname,
                every=every,
            )
            return Refusal.BUSY
        older = self.connections.get(info.guid)
        if older is not None:
            if now - older.heard < older.stale_after:
                self._log.warn(
                    "{peer}: {host} refused: {guid} is already streaming from {older}",
                    peer=connection.peer,
                    host=info.hostname,
                    guid=info.guid,
                    older=older.peer,
                )
                return Refusal.ALREADY_STREAMING
            self._log.warn(
                "{peer}: {host} takes over from {older}, which has been silent for {silent:.0f} s",
                peer=connection.peer,
                host=info.hostname,
                older=older.peer,
                silent=now - older.heard,
            )
            replaced = older.host
            older.replaced()
            if replaced is not None:
                # Who listens begins anew, since the one that comes may be set up otherwise.
                self._hub.disconnect(replaced, now)
        self._last_accepted = now
        self.admitted[info.guid] = settings
        if settings.update_every:
            info = evolve(info, update_every=settings.update_every)
        wanted = settings.compressions if settings.compression else ()
        own = OWN if settings.replication else OWN & ~Capability.REPLICATION
        agreed = negotiate(request.capabilities, own, compressions=self.spoiled.left(info.guid, wanted, now))
        link = Link(connection.peer, now, int(agreed), tuple(agreed.names()), Traffic(self.counts.received))
        self.counts.accepted += 1
        database = self._database(settings)
        host = self._hub.connect(info, database, link)
        if host.db is database and database.keeps:
            kept = settings.retention * info.update_every if settings.mode is Mode.RAM else settings.kept
            database.retain(info.guid, kept).addErrback(
                lambda failure: self._log.failure("{host}: retention", failure, host=info.hostname)
            )
        self.connections[info.guid] = connection
        connection.begin(agreed, host)
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
        return None

    def _check_no_machine(self, key: str) -> None:
        """
        Whatever C{stream.conf} says, the machine GUID of a node is no key:
        whoever sees the node knows it.
        """
        host = self._hub.get(key.lower())
        if host is not None:
            raise Refused(
                f"API key {fingerprint(key.lower())} is the machine GUID of {host.info.hostname}, which is no secret; "
                "give the host a key that 'netstream genkey' made"
            )

    def lost(self, connection: ParentProtocol) -> None:
        """
        A child's connection ended.
        """
        host = connection.host
        if host is not None and self.connections.get(host.info.guid) is connection:
            del self.connections[host.info.guid]
            host.left = connection.reason
            self._hub.disconnect(host, self.clock.seconds())

    def _sweep(self) -> None:
        self._sweeping = self.clock.callLater(SWEPT_EVERY, self._sweep)
        now = self.clock.seconds()
        for host in self._hub:
            host.sweep(now, self.settings.db.cleanup_charts)

    def stop(self) -> None:
        """
        Accept nobody any more and close all connections.
        """
        self._stopping = True
        if self._sweeping is not None and self._sweeping.active():
            self._sweeping.cancel()
        for connection in tuple(self.connections.values()):
            connection.close()
