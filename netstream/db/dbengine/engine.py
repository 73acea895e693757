"""
The whole of the engine C{dbengine}: an L{IMetricsDB} on files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, fail, maybeDeferred, succeed
from twisted.internet.task import LoopingCall, deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from netstream.db import metadata
from netstream.db.aggregations import method_of
from netstream.db.dbengine.cleaning import Cleaning, Cleanup
from netstream.db.dbengine.definitions import Definitions
from netstream.db.dbengine.exchange import Exchange
from netstream.db.dbengine.names import Names
from netstream.db.dbengine.near import Near, Newest
from netstream.db.dbengine.node import HotNode
from netstream.db.dbengine.pages import Block, boot_id, start_of
from netstream.db.dbengine.retention import Retention
from netstream.db.dbengine.sources import StoredSource
from netstream.db.dbengine.storage import Storage, find
from netstream.db.dbengine.trouble import Trouble
from netstream.db.dbengine.upgrade import upgraded
from netstream.db.dbengine.upkeep import MOST_EPOCHS, MOST_PRIVATE, Upkeep
from netstream.db.interfaces import (
    Columns,
    Durability,
    Health,
    HostRecord,
    HotRows,
    IAtHand,
    IExchange,
    IExchanging,
    IMetricsDB,
    INear,
    SeriesKey,
    Span,
    Stats,
    StoredHost,
    UnknownMethod,
    Window,
)
from netstream.db.merging import MERGING
from netstream.db.overlay import finished, nothing
from netstream.db.planning import answer
from netstream.db.tiers import STEPS
from netstream.db.workers import Threads, Workers
from netstream.model.chart import Chart
from netstream.model.samples import SampleBatch

RETENTION = (14 * 86400, 90 * 86400, 730 * 86400)
"""Seconds by tier."""

SYNC_EVERY = 1.0
"""Seconds between two times at which the disk is told to have everything: what
a power cut may cost."""

_RETRY = 5
_COUNTED_AT_ONCE = 100


@implementer(IMetricsDB, IExchanging, IAtHand)
class DBEngine:
    """
    Newest samples in hot pages, older ones as row groups, in three tiers.

    @ivar damaged: Parts of files that could not be read since the start.
    @ivar tiers: Seconds of a row of each tier.
    @ivar exchange: Tells other nodes what is stored, and learns it from them.
    @ivar recall: Gives the definition of a chart of a node that was forgotten
        here and comes back unchanged, from whoever still has it.
    """

    _log = Logger()

    mode = "dbengine"
    durability = Durability.PROCESS
    fresh = 0.0
    keeps = True

    def __init__(
        self,
        directory: Path,
        reactor: Any,
        *,
        retention: Sequence[int] = RETENTION,
        sizes: Sequence[int] = (0, 0, 0),
        single: bool = False,
        cleanup: Cleanup | None = None,
        workers: Workers | None = None,
        boot: str | None = None,
    ) -> None:
        """
        @param directory: Where everything is; it is made if need be, and no
            second engine can use it.
        @param reactor: Provides C{IReactorTime}, and threads unless
            C{workers} does.
        @param retention: Seconds that rows of each tier are kept, unless
            L{retain} says otherwise; 0 is no limit.  There are as many tiers.
        @param sizes: Bytes that the files of each tier may use; 0 is no limit.
        @param single: Keep float32 instead of float64.
        @param cleanup: When charts and nodes of which nothing is left are
            forgotten.
        @param workers: Where blocking work is done.
        @param boot: What tells this start of the system from others.
        """
        self.directory = directory
        self.damaged = 0
        self._reactor = reactor
        self.tiers = STEPS[: len(retention)]
        self._retention = Retention(tuple(retention), tuple(sizes))
        self._single = single
        self._cleanup = cleanup or Cleanup()
        self._workers = workers or Threads(reactor)
        self._boot = boot_id() if boot is None else boot
        self._trouble = Trouble(directory)
        self._storage: Storage | None = None
        self._nodes: dict[str, HotNode] = {}
        self._next_id = 1
        self._definitions = Definitions()
        self.recall: Callable[[str, str], Chart | None] = _nothing_known
        self._forgot: set[str] = set()
        self._putting = False
        self._after_put: list[Deferred[None]] = []
        self._no_room_until = 0.0
        self._upkeep: Upkeep | None = None
        self._newest: Newest | None = None
        self.exchange: IExchange | None = None
        self._cleaning: Cleaning | None = None
        self._loop = LoopingCall(self._tick)
        self._loop.clock = reactor

    # Its life.

    def open(self) -> Deferred[None]:
        return Deferred.fromCoroutine(self._open())

    async def _open(self) -> None:
        self._workers.start()
        now = self._reactor.seconds()
        said: list[str] = []
        try:
            storage = await self._workers.write(lambda: self._found(now, said))
        except BaseException:
            self._workers.stop()
            raise
        for sentence in said:
            self._log.info("{sentence}", sentence=sentence)
        self._storage = storage
        self._newest = Newest(self._nodes, storage.tiers[0], self._retention, self._reactor)
        self._nodes.update((node.guid, node) for node in storage.nodes)
        for node in storage.nodes:
            node.named = self._name
        self._next_id = storage.next_id
        self._note_damage(storage.damages())
        self._upkeep = Upkeep(storage, self._nodes, self._retention, self._reactor, self._workers, self._trouble)
        self._cleaning = Cleaning(
            storage, self._nodes, self._retention, self._cleanup, self._reactor, self._workers, self._forget
        )
        self.exchange = Exchange(storage, self._nodes, self._retention, self._reactor, self._workers, self._name)
        self._loop.start(SYNC_EVERY, now=False)

    def limit(self, retention: Sequence[int], sizes: Sequence[int], cleanup: Cleanup) -> None:
        """
        Keep samples for another time, or in another space, from now on.

        @param retention: As many as there are tiers, as of C{__init__}.
        """
        self._retention.seconds = tuple(retention)
        self._cleanup = cleanup
        self.allot(sizes)
        if self._cleaning is not None:
            self._cleaning.cleanup = cleanup

    def _found(self, now: float, said: list[str]) -> Storage:
        """
        @param said: Gets what is worth a line in the log.
        @return: What is in the directory.
        """
        storage = find(self.directory, now, len(self._retention.tiers), self._boot, self._single)
        return upgraded(storage, self._retention, now, said)

    def close(self) -> Deferred[None]:
        return Deferred.fromCoroutine(self._close())

    async def _close(self) -> None:
        storage = self._storage
        if storage is None or self._upkeep is None:
            return
        self._loop.stop()
        self._upkeep.stop()
        if self._cleaning is not None:
            self._cleaning.stop()
        now = self._reactor.seconds()
        self.exchange = None
        try:
            await self._put()
            await self._upkeep.synced()
            await self._workers.write(lambda: storage.close(now))
        finally:
            self._storage = self._newest = None
            self._nodes.clear()
            self._workers.stop()

    @property
    def _ours(self) -> Storage:
        if self._storage is None:
            raise ValueError(f"{self.directory}: the database is not open")
        return self._storage

    @property
    def problem(self) -> str | None:
        """
        What keeps it from storing just now, as a sentence; L{None} if nothing
        does.
        """
        return self._trouble.problem

    def _tick(self) -> None:
        try:
            self._put_definitions()
            if self._upkeep is not None:
                self._upkeep.work()
            if self._cleaning is not None:
                self._cleaning.work()
            if self._storage is not None:
                self._note_damage(self._storage.damages())
        except Exception:
            self._log.failure("{directory}: not everything was done", directory=self.directory)

    # What is said of nodes and charts.

    def put_host(self, record: HostRecord) -> Deferred[None]:
        node = self._node(record.info.guid)
        if not any(node.hot()):
            node.step = max(1, record.info.update_every)
        self._definitions.records[record.info.guid] = record
        return succeed(None)

    def put_chart(self, node: str, chart: Chart) -> Deferred[None]:
        self._node(node)
        self._definitions.charts[node, chart.id] = chart
        return succeed(None)

    def retain(self, node: str, seconds: int | None) -> Deferred[None]:
        known = self._node(node)
        if known.retention != seconds:
            known.retention = seconds
            self._definitions.retentions[node] = seconds
        return succeed(None)

    def _node(self, guid: str) -> HotNode:
        node = self._nodes.get(guid)
        if node is None:
            node = self._nodes[guid] = HotNode(guid, self._next_id, self._name)
            self._next_id += 1
        return node

    def _name(self, node: HotNode, series: Sequence[tuple[int, SeriesKey]]) -> bool:
        """
        Series get numbers: have that where a kill cannot undo it.

        @return: Whether that was possible.
        """
        try:
            self._ours.names.append(Names(node.id, node.guid, series))
        except OSError as problem:
            self._trouble.failed("names of series", Failure(problem))
            return False
        self._trouble.over("names of series")
        for _, (chart, _dimension) in series:
            self._definitions.series[node.guid, chart] = node.series.chart(chart).numbers
        if node.guid in self._forgot:
            for chart in {chart for _, (chart, _dimension) in series}:
                known = self.recall(node.guid, chart)
                if known is not None:
                    self._definitions.charts.setdefault((node.guid, chart), known)
        return True

    def _put_definitions(self) -> Deferred[bool]:
        if not self._definitions or self._putting:
            return succeed(True)
        storage, taken = self._ours, self._definitions
        self._definitions = Definitions()
        self._putting = True
        nodes = {guid: self._nodes[guid].id for guid in taken.guids() if guid in self._nodes}
        generation = storage.names.turn()

        def work() -> None:
            storage.catalog.put(nodes, *taken.texts(nodes))
            storage.names.drop(generation)

        def put(done: bool) -> bool:
            self._putting = False
            if not done:
                self._definitions.add_older(taken)
            waiting, self._after_put = self._after_put, []
            for deferred in waiting:
                deferred.callback(None)
            return done

        return self._trouble.attempt("definitions of nodes and charts", work, self._workers.write).addCallback(put)

    async def _put(self) -> None:
        """
        Have the catalog have all definitions, unless it cannot be written.
        """
        while self._putting:
            waiting: Deferred[None] = Deferred()
            self._after_put.append(waiting)
            await waiting
        await self._put_definitions()

    def stored(self) -> Deferred[Sequence[StoredHost]]:
        return Deferred.fromCoroutine(self._stored())

    async def _stored(self) -> Sequence[StoredHost]:
        await self._put()
        catalog = self._ours.catalog
        found = await self._workers.write(lambda: list(catalog.definitions()))
        now = self._reactor.seconds()
        hosts = []
        for node, charts in found:
            if node.guid not in self._nodes or node.record is None:
                continue
            try:
                spans = self._spans(self._nodes[node.guid])
                known = {}
                for text in charts:
                    chart = metadata.chart_of(text.definition or "")
                    if self._cleanup.shows(chart, spans[chart.id].last if chart.id in spans else 0, now):
                        known[chart.id] = chart
                hosts.append(StoredHost(metadata.host_of(node.record), known, spans))
            except ValueError as problem:
                self._note_damage([f"{self.directory}: node {node.guid}: {problem}"])
        return hosts

    # Samples come in.

    def append(self, batch: SampleBatch) -> Deferred[None]:
        if not len(batch.series) or self._storage is None or self._upkeep is None:
            return succeed(None)
        guid, now = batch.table.node, self._reactor.seconds()
        node = self._nodes.get(guid) or self._node(guid)
        self._trouble.lost += node.append(batch, self._retention.oldest(node, 0, now), now, self._reserve)
        if len(node.epochs) > MOST_EPOCHS or self._storage.pool.private > MOST_PRIVATE:
            return self._upkeep.crowded() or succeed(None)
        return succeed(None)

    def _reserve(self, node: HotNode, start: int, step: int, width: int) -> Block | None:
        now = self._reactor.seconds()
        if self._no_room_until - _RETRY <= now < self._no_room_until:
            return None
        # What samples replace that are on their way to a row group must come first in the files.
        late = any((epoch.start, epoch.step) == (start, step) for epoch in node.sealing)
        shared = not late and start in (start_of(int(now), step), start_of(int(now) + 60, step))
        try:
            block = self._ours.pool.take(node.id, start, step, width, shared)
        except OSError as problem:
            self._no_room_until = now + _RETRY
            self._trouble.failed("newest samples", Failure(problem))
            return None
        self._trouble.over("newest samples")
        return block

    def _note_damage(self, problems: Sequence[str]) -> None:
        for problem in problems:
            self.damaged += 1
            self._log.error("damaged: {problem}", problem=problem)

    # Samples are asked for.

    def _spans(self, node: HotNode) -> dict[str, Span]:
        return self._newest.spans(node) if self._newest is not None else {}

    def bounds(self, node: str, charts: Sequence[str] | None = None) -> Deferred[Mapping[str, Span]]:
        known = self._nodes.get(node)
        return succeed(self._newest.spans(known, charts) if known and self._newest else {})

    def near(self, node: str, series: Sequence[SeriesKey]) -> INear | None:
        known = self._nodes.get(node)
        if known is None or self._newest is None or min(map(known.series.find, series), default=-1) < 0:
            return None
        return Near(self._newest, known, series)

    def _source(self, node: HotNode, series: Sequence[SeriesKey]) -> StoredSource:
        """
        @return: What is stored of series, for a thread that reads.
        """
        now, retention = self._reactor.seconds(), self._retention
        oldest = [retention.oldest(node, tier, now) for tier in retention.tiers]
        return StoredSource.of(self._ours.tiers, node, series, oldest)

    def read(self, node: str, series: Sequence[SeriesKey], after: int, before: int) -> Deferred[Columns]:
        known = self._nodes.get(node)
        if known is None or self._storage is None:
            return succeed(nothing(len(series)))
        source = self._source(known, series)
        return self._read(source, lambda: finished(source.raw(after, before)), source.at_hand(after, before))

    def query(
        self, node: str, series: Sequence[SeriesKey], window: Window, method: str, options: str = ""
    ) -> Deferred[Columns]:
        try:
            method_of(method, options)
        except UnknownMethod:
            return fail()
        known = self._nodes.get(node)
        recent = self._recent(known, series, window) if known is not None and method in MERGING else None
        if recent is not None:
            return succeed(recent.samples(window))
        source = self._source(known or HotNode(node, 0), series)
        at_hand = source.at_hand(window.after, window.before)
        return self._read(source, lambda: answer(source, window, method, options), at_hand)

    def _recent(self, node: HotNode, series: Sequence[SeriesKey], window: Window) -> HotRows | None:
        """
        @return: What answers methods that go by parts, if each row is one
            sample and none of them is in a row group yet.
        """
        return None if self._newest is None else self._newest.rows(node, node.series.seats(series), window)

    def _read(self, source: StoredSource, work: Callable[[], Columns], at_hand: bool) -> Deferred[Columns]:
        """
        @param at_hand: Whether it is so little work that a thread would be
            more.
        """

        def found(columns: Columns) -> Columns:
            self._note_damage(source.damage)
            return columns

        return (maybeDeferred(work) if at_hand else self._workers.read(work)).addCallback(found)

    # The rest.

    def forget(self, node: str, chart: str | None = None) -> Deferred[None]:
        return Deferred.fromCoroutine(self._forget(node, None if chart is None else [chart]))

    async def _forget(self, guid: str, charts: Sequence[str] | None) -> None:
        self._forgot.add(guid)
        # The log of names must not know any more what the catalog is told to forget.
        await self._put()
        for chart in (None,) if charts is None else charts:
            self._definitions.forget(guid, chart)
        known = self._nodes.get(guid)
        if known is None or self._storage is None:
            return
        storage = self._storage
        if charts is not None:
            for each in charts:
                known.forget(each)
            await self._workers.write(lambda: storage.catalog.forget(known.id, charts, known.series.next))
            return
        del self._nodes[guid]
        for epoch in known.hot():
            for block in epoch.blocks:
                block.clear()
                block.release()
        await self._workers.write(lambda: storage.forget(known.id))
        if self._upkeep is not None:
            self._upkeep.sweep()

    def allot(self, sizes: Sequence[int]) -> None:
        """
        Change how much the files may use.

        @param sizes: Bytes by tier; 0 is no limit.
        """
        self._retention.sizes = tuple(sizes)

    def health(self) -> Health:
        if self._storage is None:
            return Health(self.problem, self.damaged, self._trouble.lost)
        disk = {"newest": self._storage.pool.nbytes}
        disk.update((f"tier {tier}", segments.nbytes) for tier, segments in enumerate(self._storage.tiers))
        return Health(self.problem, self.damaged, self._trouble.lost, disk)

    def stats(self) -> Deferred[Stats]:
        return Deferred.fromCoroutine(self._stats(self._ours))

    async def _stats(self, storage: Storage) -> Stats:
        nodes, series, samples = tuple(self._nodes.values()), 0, 0
        for number, node in enumerate(nodes, 1):
            series += node.series.count
            samples += sum(block.count() for epoch in node.hot() for block in epoch.blocks)
            if number % _COUNTED_AT_ONCE == 0:
                await deferLater(self._reactor, 0)
        return Stats(
            nodes=len(nodes),
            series=series,
            samples=storage.tiers[0].samples + samples,
            memory=storage.pool.nbytes,
            disk=sum(segments.nbytes for segments in storage.tiers) + storage.pool.nbytes,
        )


def _nothing_known(node: str, chart: str) -> None:
    """
    Nobody has definitions besides the engine.
    """
