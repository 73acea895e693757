"""
What a child streams once it is admitted: its lines become updates of its host,
at the pace at which this node can deal with them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from time import thread_time
from typing import TYPE_CHECKING, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IPushProducer, ITCPTransport
from twisted.logger import Logger

from netstream.db.interfaces import exchange_of
from netstream.hub.figures import Traffic
from netstream.hub.hub import Host
from netstream.hub.latest import last_of
from netstream.model.samples import SampleBatch
from netstream.model.updates import ChartDefined
from netstream.session import ProtocolError
from netstream.session.path import path_document
from netstream.session.receiver import Receiver
from netstream.session.replication import Replication
from netstream.streaming.backfill import Backfill
from netstream.streaming.calls import AskedChild
from netstream.streaming.completion import Completion
from netstream.streaming.pace import Pace
from netstream.wire.capabilities import Capability
from netstream.wire.compression import CompressionError, Decompressor, algorithm_of
from netstream.wire.handshake import accepted

if TYPE_CHECKING:
    from netstream.streaming.arrival import ParentProtocol
    from netstream.streaming.parent import Parent

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

PIECE = 1 << 14
"""Bytes that are dealt with at once of a child that defines charts: the first
samples of each series cost many times what others do."""

SHARE = 0.001
"""Seconds that a child has at least when it is its turn: to go on with another
one takes time as well, as little of what that needs is in the processor's caches."""

_SAMPLES = b"\nBEGIN"

NEW_FOR = 10.0
"""Seconds after the last definition for which that holds."""

TOLD_EVERY = 3600.0
"""Seconds between two lines of a log about a child that has to wait."""


class Intake:
    """
    What comes from one child, until its connection ends.

    What was read is dealt with in as many turns of the reactor as that takes,
    so that others need not wait for all of it; nothing more is read meanwhile.

    @ivar over: Whether nothing more is read.
    """

    _log = Logger()

    def __init__(
        self,
        parent: Parent,
        connection: ParentProtocol,
        host: Host,
        agreed: Capability,
        transport: ITCPTransport,
        now: float,
    ) -> None:
        """
        @param connection: Is told when what comes is wrong.
        @param agreed: What both can do.
        @param now: UTC seconds.
        """
        self._parent = parent
        self._connection = connection
        self._peer = connection.peer
        self._host = host
        self._agreed = agreed
        self._transport = transport
        self._heard = now
        self.over = False
        self._defines = False
        self._new_until = now + NEW_FOR
        self._taken = 0
        self._took = 0.0
        self._size = 0
        self._work: Iterator[None] | None = None
        self._dealt: Deferred[None] | None = None
        self._later: list[bytes] = []
        self._refused = 0
        self._told_of_quota = 0.0
        self._told = b""
        self._waiting: IDelayedCall | None = None
        self._unlisten: Callable[[], None] | None = None
        clock = parent.clock
        self._backfill: Backfill | None = None
        self._completion: Completion | None = None
        replication = self._replication() if Capability.REPLICATION in agreed else None
        if replication is not None:
            self._backfill = Backfill(host, replication, clock, self._say, self._peer)
        if Capability.TIERS in agreed:
            self._completion = Completion(
                host,
                lambda: exchange_of(host.db),
                replication,
                clock,
                self._say,
                self._peer,
                parent.completing,
            )
        host.replication = replication.progress if replication is not None else None
        algorithm = algorithm_of(agreed)
        self._decompressor = Decompressor(algorithm) if algorithm else None
        self._traffic = host.link.traffic if host.link is not None else Traffic()
        self._child = AskedChild(agreed, self._say, clock, parent.counts)
        self._receiver = Receiver(
            host.table,
            agreed,
            update_every=host.info.update_every,
            gap_when_lost=parent.settings.db.gap_when_lost,
            node=host.info.guid,
            vocabulary=parent.vocabulary,
            replication=replication,
            asked=self._child.asked,
            exchange=self._hear_exchange if self._completion is not None else None,
        )
        host.state = self._receiver.state
        self._silence = max(SILENT_FOR, 3 * host.info.update_every)
        self._timer = clock.callLater(self._silence, self._check_silence)
        self._pace = Pace(cast(IPushProducer, transport), clock, self._deal, parent.turns, parent.rounds)

    def _replication(self) -> Replication:
        host = self._host
        settings = self._parent.admitted[host.info.guid]
        # What only goes through here is not fetched from as far back.
        most = settings.replication_period
        period = most if host.db.keeps else min(most, PASSED_ON)
        return Replication(period, settings.replication_step, host.past.keeps)

    def begin(self, rest: bytes) -> None:
        """
        Tell the child that it is admitted.

        @param rest: What it has streamed already.
        """
        self._transport.write(accepted(self._agreed))
        self._pace.hurry()
        if rest:
            self._traffic.moved(wire=len(rest))
            self._deal(rest)

    def receive(self, data: bytes, now: float) -> None:
        """
        Take in what was read from the connection, or keep it for a moment.

        @param now: UTC seconds.
        """
        self._heard = now
        self._traffic.moved(wire=len(data))
        if self._work is not None:
            self._later.append(data)  # TLS delivers several pieces of one read, whether it was paused or not
        elif data := self._pace.gather(data, now):
            self._deal(data)
        if not self.over and self._host.callee is not self._child:
            self._may_speak()

    def finish(self) -> None:
        """
        The connection ended: take in what was kept.
        """
        work, self._work = self._work, None
        kept = [*self._later, self._pace.rest()]
        self._later.clear()
        for rest in (work or (), self._take(b"".join(kept))):
            for _ in rest:
                if self.over:
                    return

    def stop(self) -> None:
        """
        Read nothing more.
        """
        if self.over:
            return
        self.over = True
        self._work = None
        for timer in (self._timer, self._waiting):
            if timer is not None and timer.active():
                timer.cancel()
        for part in (self._backfill, self._completion, self._pace):
            if part is not None:
                part.stop()
        self._pace.rest()
        self._later.clear()
        if self._host.callee is self._child:
            self._host.callee = None
        if self._unlisten is not None:
            self._unlisten()
        self._child.end()

    def _deal(self, data: bytes) -> None:
        self._defines, self._taken, self._took, self._size = False, 0, 0.0, len(data)
        self._work = self._take(data)
        self._go_on()

    def _go_on(self) -> None:
        """
        Deal with what was read, until it is time for others.
        """
        if self._work is None:
            return
        turns = self._parent.turns
        began, since = thread_time(), turns.clock.seconds()
        for _ in self._work:
            if self.over:
                return
            if not 0 <= turns.clock.seconds() - since < SHARE and turns.is_long():
                self._took += thread_time() - began
                if self._dealt is None:
                    self._dealt = Deferred()
                    self._pace.hold(self._dealt)
                turns.wait(self._its_turn)
                return
        self._work = None
        self._look()
        self._took += thread_time() - began
        if not self.over:
            self._go_further()

    def _its_turn(self) -> None:
        try:
            self._go_on()
        except Exception:
            self._connection.broke("a mistake of this node, see its log")
            raise

    def _go_further(self) -> None:
        """
        All that was read is dealt with: read more, when that is good.
        """
        dealt, self._dealt = self._dealt, None
        if dealt is not None:
            dealt.callback(None)
        self._pace.received(self._size, self._heard, may_wait=not self._defines, took=self._took)
        if self._host.unkept:
            self._pace.hold(self._host.kept())
        self._keep_to_quota()
        if self._later:
            data = b"".join(self._later)
            self._later.clear()
            self._deal(data)

    def _keep_to_quota(self) -> None:
        """
        Do not listen to a child that sends too much, until it is within its
        quota again: it has to wait, and nothing is lost.
        """
        wait, why = self._parent.quotas.take(self._host.info.guid, self._taken, self._heard)
        if not wait or self._pace.held:
            return
        if self._heard >= self._told_of_quota:
            self._told_of_quota = self._heard + TOLD_EVERY
            self._log.warn("{peer}: {host} has to wait: {why}", peer=self._peer, host=self._host.info.hostname, why=why)
        over: Deferred[None] = Deferred()
        self._waiting = self._parent.clock.callLater(wait, over.callback, None)
        self._pace.hold(over)

    def _look(self) -> None:
        """
        Ask for what is missing of the past, if anything was heard of it.
        """
        if not self.over and self._backfill is not None:
            self._backfill.look()

    def _may_speak(self) -> None:
        """
        The child has read our reply, so that it takes more.
        """
        host = self._host
        host.callee = self._child
        if Capability.PATHS in self._agreed:
            self._unlisten = host.route.listen(self._tell_path)
            self._tell_path()

    def _tell_path(self) -> None:
        document = path_document(self._host.path)
        if document != self._told:
            self._told = document
            self._say(document)

    def _say(self, text: bytes) -> None:
        """
        Tell the child something to which it may answer.
        """
        self._transport.write(text)
        self._pace.hurry()

    def _take(self, data: bytes) -> Iterator[None]:
        """
        Read what is streamed, compressed or not.

        @return: Comes to its end with the data; between two steps others may
            work.
        """
        if self._decompressor is None:
            # Definitions, and answers about the past, cost the more the fewer of them are read together.
            may_be_new = self._heard < self._new_until and _SAMPLES in data
            piece = PIECE if may_be_new else max(1, len(data))
            for start in range(0, len(data), piece):
                yield from self._obey(data[start : start + piece])
                if self.over:
                    return
            return
        try:
            for text in self._decompressor.receive(data):
                yield from self._obey(text)
                if self.over:
                    return
        except CompressionError as problem:
            self._log.warn(
                "{peer}: {host}: closed: {problem}; its next connections do without {algorithm}",
                peer=self._peer,
                host=self._host.info.hostname,
                problem=problem,
                algorithm=problem.algorithm,
            )
            self._parent.counts.broken += 1
            self._parent.spoiled.note(self._host.info.guid, problem.algorithm, self._heard)
            self._connection.broke(str(problem))

    def _obey(self, data: bytes) -> Iterator[None]:
        host, receiver, samples, past = self._host, self._receiver, 0, 0
        try:
            for update in receiver.receive(data, self._heard):
                if isinstance(update, SampleBatch):
                    update = self._not_ahead(host, update)
                    count = len(update.series)
                    samples += count
                    past += count if update.past else 0
                    if self._connection.removed_at:
                        update = self._not_removed(update)
                elif isinstance(update, ChartDefined):
                    self._defines = True
                    self._new_until = self._heard + NEW_FOR
                    if self._too_much(host, update):
                        raise ProtocolError(
                            receiver.lines,
                            f"the host has more than {CHARTS_MOST} charts or {SERIES_MOST} series over all its"
                            " connections",
                        )
                    host.apply(update)
                    over = self._parent.quotas.define(host.info.guid, host.table.living, self._heard)
                    if over:
                        raise ProtocolError(receiver.lines, over)
                    yield
                    continue
                host.apply(update)
                yield
        except ProtocolError as problem:
            self._log.warn(
                "{peer}: {host}: closed: {problem}", peer=self._peer, host=host.info.hostname, problem=problem
            )
            self._parent.counts.broken += 1
            self._connection.broke(str(problem))
        self._taken += samples
        # Lines of both kinds that came together are about as long as each other.
        replication = len(data) * past // samples if past else 0
        self._traffic.moved(text=len(data), samples=samples, replication=replication)
        for keyword in receiver.notes.news():
            self._log.info(
                "{peer}: {host}: lines {keyword} are skipped", peer=self._peer, host=host.info.hostname, keyword=keyword
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
        if last <= self._heard + AHEAD_MOST:
            if last and clock is not None:
                if batch.past:
                    clock.heard = self._heard  # which tells nothing of its clock
                else:
                    clock.note(last, self._heard)
            return batch
        kept = batch.until(int(self._heard) + AHEAD_MOST)
        if kept is not batch:
            if clock is not None:
                clock.note(last, self._heard)
                clock.ahead += len(batch) - len(kept)
            if not self._refused:
                self._log.warn(
                    "{peer}: {host}: its clock is ahead: samples of {time} are refused; set its clock right",
                    peer=self._peer,
                    host=host.info.hostname,
                    time=int(batch.time.max()),
                )
            self._refused += len(batch) - len(kept)
            self._parent.counts.ahead += len(batch) - len(kept)
        return kept

    def _not_removed(self, batch: SampleBatch) -> SampleBatch:
        """
        Leave out samples of a host that was removed here, up to the moment of
        its removal; one that is newer shows that the host is back.
        """
        kept = batch.since(math.floor(self._connection.removed_at) + 1)
        if len(kept):
            self._parent.returned(self._connection)
        return kept

    def _check_silence(self) -> None:
        silent = self._parent.clock.seconds() - self._heard
        if self._pace.held:
            silent = 0.0  # it is us who do not listen
        if silent < self._silence:
            self._timer = self._parent.clock.callLater(self._silence - silent, self._check_silence)
            return
        self._connection.broke(f"silent for {silent:.0f} s")
