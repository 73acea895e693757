"""
The whole of the engine C{dbengine}: an L{IMetricsDB} on files.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from netstream.db import metadata
from netstream.db.aggregations import method_of
from netstream.db.dbengine.definitions import Definitions
from netstream.db.dbengine.names import Names
from netstream.db.dbengine.node import Epoch, HotNode
from netstream.db.dbengine.pages import Block, boot_id, start_of
from netstream.db.dbengine.sources import StoredSource
from netstream.db.dbengine.storage import Sealed, Storage, find
from netstream.db.interfaces import (
    Columns,
    Durability,
    HostRecord,
    IMetricsDB,
    SeriesKey,
    Span,
    Stats,
    StoredHost,
    UnknownMethod,
    Window,
)
from netstream.db.overlay import finished, nothing
from netstream.db.planning import answer
from netstream.db.tiers import GROUP_ROWS, STEPS
from netstream.db.workers import Threads, Workers
from netstream.model.chart import Chart
from netstream.model.samples import SampleBatch

RETENTION = (14 * 86400, 90 * 86400, 730 * 86400)
"""Seconds by tier."""

SYNC_EVERY = 1.0
"""Seconds between two times at which the disk is told to have everything: what
a power cut may cost."""

LATE = 10
"""Seconds, or steps of the node, after the end of an epoch at which it may
become a row group."""
IDLE = 5
"""Seconds without samples after which it does."""
MOST_EPOCHS = 3
"""Epochs of a node that are written to; more become row groups at once."""
MOST_PRIVATE = 256
"""Pages of one node each; while there are more, whoever writes has to wait."""
MOST_COLUMNS = 4096
"""Columns that become row groups in one piece of work, unless one node has more."""

_DERIVE_EVERY = 60
_EXPIRE_EVERY = 600
_RETRY = 5
_MOST_FAILURES = 1000


@implementer(IMetricsDB)
class DBEngine:
    """
    Newest samples in hot pages, older ones as row groups, in three tiers.

    @ivar damaged: Parts of files that could not be read since the start.
    @ivar problem: What keeps it from storing just now, as a sentence;
        C{None} if nothing does.
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
        @param workers: Where blocking work is done.
        @param boot: What tells this start of the system from others.
        """
        self.directory = directory
        self.damaged = 0
        self._reactor = reactor
        self._retention = tuple(retention)
        self._sizes = tuple(sizes)
        self._single = single
        self._workers = workers or Threads(reactor)
        self._boot = boot_id() if boot is None else boot
        self._storage: Storage | None = None
        self._nodes: dict[str, HotNode] = {}
        self._next_id = 1
        self._definitions = Definitions()
        self._putting = self._syncing = self._sealing = False
        self._failing: dict[str, str] = {}
        self._no_room_until = 0.0
        self._retry_at = 0.0
        self._derive_at = 0.0
        self._expire_at = 0.0
        self._waiting: list[Deferred[None]] = []
        self._gone: set[str] = set()
        self._loop = LoopingCall(self._tick)
        self._loop.clock = reactor

    # Its life.

    def open(self) -> Deferred[None]:
        return Deferred.fromCoroutine(self._open())

    async def _open(self) -> None:
        self._workers.start()
        now = self._reactor.seconds()
        try:
            storage = await self._workers.write(
                lambda: find(self.directory, now, len(self._retention), self._boot, self._single)
            )
        except BaseException:
            self._workers.stop()
            raise
        self._storage = storage
        self._nodes = {node.guid: node for node in storage.nodes}
        for node in storage.nodes:
            node.named = self._name
        self._next_id = max((node.id for node in storage.nodes), default=0) + 1
        self._note_damage(storage.damage)
        self._derive_at = now + _DERIVE_EVERY
        self._loop.start(SYNC_EVERY, now=False)

    def close(self) -> Deferred[None]:
        return Deferred.fromCoroutine(self._close())

    async def _close(self) -> None:
        storage = self._storage
        if storage is None:
            return
        self._loop.stop()
        self._release_waiting()
        try:
            await self._put_definitions()
            await self._sync()
            await self._workers.write(storage.close)
        finally:
            self._storage = None
            self._nodes.clear()
            self._workers.stop()

    @property
    def _ours(self) -> Storage:
        if self._storage is None:
            raise ValueError(f"{self.directory}: the database is not open")
        return self._storage

    @property
    def problem(self) -> str | None:
        return next(iter(self._failing.values()), None)

    def _tick(self) -> None:
        try:
            self._work(self._reactor.seconds())
        except Exception:
            self._log.failure("{directory}: not everything was done", directory=self.directory)

    def _work(self, now: float) -> None:
        self._put_definitions()
        self._sync()
        self._seal()
        if now >= self._derive_at:
            self._derive_at = now + _DERIVE_EVERY
            self._derive()
        if now >= self._expire_at:
            self._expire_at = now + _EXPIRE_EVERY
            self._expire()

    # What is said of nodes and charts.

    def put_host(self, record: HostRecord) -> Deferred[None]:
        node = self._node(record.info.guid)
        if not node.epochs:
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

    def _name(self, node: HotNode, series: Sequence[tuple[int, SeriesKey]]) -> None:
        """
        Series have got numbers: have that where a kill cannot undo it.
        """
        for _, (chart, _dimension) in series:
            self._definitions.series[node.guid, chart] = node.series.charts[chart].numbers
        try:
            self._ours.names.append(Names(node.id, node.guid, series))
        except OSError as problem:
            self._failed("names of series", Failure(problem))

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
            return done

        return self._try("definitions of nodes and charts", work).addCallback(put)

    def stored(self) -> Deferred[Sequence[StoredHost]]:
        return Deferred.fromCoroutine(self._stored())

    async def _stored(self) -> Sequence[StoredHost]:
        await self._put_definitions()
        catalog = self._ours.catalog
        texts = await self._workers.write(
            lambda: [
                (n.guid, n.record, [c.definition for c in catalog.charts(n.id) if c.definition])
                for n in catalog.nodes()
                if n.record
            ]
        )
        hosts = []
        for guid, record, charts in texts:
            if guid not in self._nodes:
                continue
            try:
                known = [metadata.chart_of(text) for text in charts]
                spans = self._spans(self._nodes[guid])
                hosts.append(StoredHost(metadata.host_of(record), {chart.id: chart for chart in known}, spans))
            except ValueError as problem:
                self._note_damage([f"{self.directory}: node {guid}: {problem}"])
        return hosts

    # Samples come in.

    def _kept(self, node: HotNode, tier: int) -> int:
        """
        @return: Seconds that rows of a tier are kept of a node; 0 is for ever.
        """
        kept = self._retention[tier]
        if node.retention is None or tier == 0:
            return kept if node.retention is None else node.retention
        return kept * node.retention // self._retention[0] if self._retention[0] else kept

    def _oldest(self, node: HotNode, tier: int = 0) -> int:
        kept = self._kept(node, tier)
        return int(self._reactor.seconds()) - kept if kept else 0

    def append(self, batch: SampleBatch) -> Deferred[None]:
        if not len(batch) or self._storage is None:
            return succeed(None)
        node = self._node(batch.table.node)
        node.append(batch, self._oldest(node), self._reactor.seconds(), self._reserve)
        if len(node.epochs) > MOST_EPOCHS or self._storage.pool.private > MOST_PRIVATE:
            self._seal()
            if self._storage.pool.private > MOST_PRIVATE:
                waiting: Deferred[None] = Deferred()
                self._waiting.append(waiting)
                return waiting
        return succeed(None)

    def _release_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        for deferred in waiting:
            deferred.callback(None)

    def _reserve(self, node: HotNode, start: int, step: int, width: int) -> Block | None:
        now = self._reactor.seconds()
        if now < self._no_room_until:
            return None
        shared = start in (start_of(int(now), step), start_of(int(now) + 60, step))
        try:
            block = self._ours.pool.take(node.id, start, step, width, shared)
        except OSError as problem:
            self._no_room_until = now + _RETRY
            self._failed("hot pages", Failure(problem))
            return None
        self._mended("hot pages")
        return block

    def _sync(self) -> Deferred[bool]:
        """
        Have the disk have everything.
        """
        storage = self._ours
        dirty = [page for page in storage.pool if page.dirty]
        if self._syncing or not (dirty or storage.names.dirty):
            return succeed(True)
        self._syncing = True
        second = int(self._reactor.seconds())

        def work() -> None:
            storage.names.sync()
            storage.pool.sync()
            for page in dirty:
                page.sync(second)

        def synced(done: bool) -> bool:
            self._syncing = False
            return done

        return self._try("hot pages", work, self._workers.sync).addCallback(synced)

    def _due(self, now: float) -> list[tuple[HotNode, Epoch]]:
        """
        @return: What shall become row groups, the longest waiting first.
        """
        found = []
        crowded = self._ours.pool.private > MOST_PRIVATE // 2
        for node in self._nodes.values():
            if not node.epochs:
                continue
            most = 1 if crowded else MOST_EPOCHS
            spare = len(node.epochs) - most
            for epoch in sorted(node.epochs.values(), key=lambda epoch: epoch.touched):
                over = now - epoch.end > LATE * epoch.step
                if (over and now - epoch.touched >= IDLE) or spare > 0:
                    found.append((node, epoch))
                    spare -= 1
        found.sort(key=lambda each: each[1].touched)
        return found

    def _seal(self) -> None:
        """
        Make row groups of what waits for it, a piece at a time.
        """
        now = self._reactor.seconds()
        if self._sealing or self._storage is None or now < self._retry_at:
            return
        storage = self._storage
        retry = [
            (node, epoch) for node in self._nodes.values() for epoch in node.sealing if epoch.failures < _MOST_FAILURES
        ]
        taken: list[tuple[HotNode, Epoch]] = []
        columns = 0
        for node, epoch in retry or self._due(now):
            if taken and columns + epoch.used > MOST_COLUMNS:
                break
            columns += epoch.used
            taken.append((node, epoch))
            if not retry:
                node.retire(epoch)
        if not taken:
            self._sweep()
            return
        self._sealing = True
        tiers = range(len(self._retention))
        jobs = [
            Sealed(
                node.id,
                epoch,
                [self._kept(node, tier) for tier in tiers],
                node.series.spans(epoch.blocks, sealed=False),
            )
            for node, epoch in taken
        ]

        def sealed(done: bool) -> None:
            self._sealing = False
            if not done:
                self._retry_at = self._reactor.seconds() + _RETRY
                for _, epoch in taken:
                    epoch.failures += 1
                return
            for (node, epoch), job in zip(taken, jobs, strict=True):
                node.sealed(epoch, job.spans)
                for tier, stretch in job.stale(len(self._retention)):
                    node.stale[tier, stretch] = self._reactor.seconds()
                for block in epoch.blocks:
                    storage.pool.release(block)
            self._sweep()
            self._seal()

        self._try("row groups", lambda: storage.seal(jobs)).addCallback(sealed)

    def _sweep(self) -> None:
        """
        Give pages back that nobody needs.
        """
        storage = self._storage
        if storage is None:
            return
        unused = storage.pool.sweep(self._reactor.seconds())
        if unused:

            def unlink() -> None:
                for page in unused:
                    page.unlink()

            self._try("hot pages", unlink, self._workers.sync)
        if self._waiting and storage.pool.private <= MOST_PRIVATE:
            self._release_waiting()

    def _derive(self) -> None:
        """
        Make the rows of coarser tiers whose time is over and whose samples
        came to rest.
        """
        storage, now = self._ours, self._reactor.seconds()
        for node in self._nodes.values():
            for (tier, stretch), touched in sorted(node.stale.items()):
                end = stretch + STEPS[tier] * GROUP_ROWS[tier]
                finer_waits = any(
                    other == tier - 1 and stretch <= start < end for other, start in node.stale if other < tier
                )
                unsealed = any(epoch.start <= end and epoch.end > stretch for epoch in node.hot())
                if now - touched < _DERIVE_EVERY or now <= end + 2 * STEPS[tier] or finer_waits or unsealed:
                    continue
                self._derive_one(storage, node, tier, stretch, touched)

    def _derive_one(self, storage: Storage, node: HotNode, tier: int, stretch: int, touched: float) -> None:
        oldest, kept = self._oldest(node, tier - 1), self._kept(node, tier)

        def derived(done: bool) -> None:
            if done and node.stale.get((tier, stretch)) == touched:
                del node.stale[tier, stretch]

        self._try("row groups", lambda: storage.derive(node.id, tier, stretch, oldest, kept)).addCallback(derived)

    def _expire(self) -> None:
        storage, now = self._ours, int(self._reactor.seconds())

        def work() -> list[str]:
            said = []
            for segments, size in zip(storage.tiers, self._sizes, strict=False):
                said += segments.expire(now, size or None)
                while segments.compact():
                    pass
            return said

        self._try("row groups", work)

    def _try(
        self,
        what: str,
        work: Callable[[], object],
        worker: Callable[[Callable[[], object]], Deferred[object]] | None = None,
    ) -> Deferred[bool]:
        """
        Do work that the disk may refuse.

        @return: Fires with whether it was done; if not, it may be tried again.
        """

        def done(_: object) -> bool:
            self._mended(what)
            return True

        return (worker or self._workers.write)(work).addCallbacks(done, lambda failure: self._failed(what, failure))

    def _mended(self, what: str) -> None:
        if self._failing.pop(what, None) is not None:
            lost = sum(node.lost for node in self._nodes.values())
            self._log.info(
                "{directory}: {what} can be written again; {lost} samples were not stored since the start",
                directory=self.directory,
                what=what,
                lost=lost,
            )

    def _failed(self, what: str, failure: Failure) -> bool:
        if not failure.check(OSError, sqlite3.Error):
            self._log.failure("{directory}: {what} were not stored", failure, directory=self.directory, what=what)
            return False
        if what not in self._failing:
            self._failing[what] = (
                f"{self.directory}: {what} cannot be written: {failure.getErrorMessage()}. It is tried again; "
                "free some space or mend the disk"
            )
            self._log.error("{problem}", problem=self._failing[what])
        return False

    def _note_damage(self, problems: Sequence[str]) -> None:
        for problem in problems:
            self.damaged += 1
            self._log.error("damaged: {problem}", problem=problem)

    # Samples are asked for.

    def _spans(self, node: HotNode) -> dict[str, Span]:
        oldest = min(self._oldest(node, tier) for tier in range(len(self._retention)))
        return node.spans(max(oldest, 1))

    def bounds(self, node: str) -> Deferred[Mapping[str, Span]]:
        known = self._nodes.get(node)
        return succeed(self._spans(known) if known else {})

    def _source(self, node: HotNode, series: Sequence[SeriesKey]) -> StoredSource:
        """
        @return: What is stored of series, for a thread that reads.
        """
        tiers = range(len(self._retention))
        return StoredSource.of(self._ours.tiers, node, series, [self._oldest(node, tier) for tier in tiers])

    def read(self, node: str, series: Sequence[SeriesKey], after: int, before: int) -> Deferred[Columns]:
        known = self._nodes.get(node)
        if known is None or self._storage is None:
            return succeed(nothing(len(series)))
        source = self._source(known, series)
        return self._read(source, lambda: finished(source.raw(after, before)))

    def query(
        self, node: str, series: Sequence[SeriesKey], window: Window, method: str, options: str = ""
    ) -> Deferred[Columns]:
        try:
            method_of(method, options)
        except UnknownMethod:
            return fail()
        source = self._source(self._nodes.get(node) or HotNode(node, 0), series)
        return self._read(source, lambda: answer(source, window, method, options))

    def _read(self, source: StoredSource, work: Callable[[], Columns]) -> Deferred[Columns]:
        def found(columns: Columns) -> Columns:
            self._note_damage(source.damage)
            return columns

        return self._workers.read(work).addCallback(found)

    # The rest.

    def forget(self, node: str, chart: str | None = None) -> Deferred[None]:
        return Deferred.fromCoroutine(self._forget(node, chart))

    async def _forget(self, guid: str, chart: str | None) -> None:
        self._definitions.forget(guid, chart)
        known = self._nodes.get(guid)
        if known is None or self._storage is None:
            return
        storage = self._storage
        if chart is not None:
            known.forget(chart)
            await self._workers.write(lambda: storage.catalog.forget(known.id, [chart], known.series.next))
            return
        del self._nodes[guid]

        def work() -> None:
            storage.catalog.forget(known.id, None, 0)
            for segments in storage.tiers:
                segments.forget(known.id)

        for epoch in known.hot():
            for block in epoch.blocks:
                block.clear()
                storage.pool.release(block)
        await self._workers.write(work)
        self._sweep()

    def stats(self) -> Deferred[Stats]:
        storage = self._ours
        return succeed(
            Stats(
                nodes=len(self._nodes),
                series=sum(
                    len(chart.numbers) for node in self._nodes.values() for chart in node.series.charts.values()
                ),
                samples=storage.tiers[0].samples
                + sum(block.count() for node in self._nodes.values() for epoch in node.hot() for block in epoch.blocks),
                memory=storage.pool.nbytes,
                disk=sum(segments.nbytes for segments in storage.tiers) + storage.pool.nbytes,
            )
        )
