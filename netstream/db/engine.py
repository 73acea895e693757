"""
The engine C{dbengine}: on disk, so that a restart keeps history.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from netstream.db import metadata
from netstream.db.aggregations import method_of
from netstream.db.catalog import Catalog
from netstream.db.definitions import Definitions
from netstream.db.folding import fold
from netstream.db.hot import HotNode, Unwritten
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
from netstream.db.journal import Journal
from netstream.db.overlay import finished, nothing, overlaid
from netstream.db.version1.rowgroups import columns_of, sealed
from netstream.db.startup import CATALOG, Found, find, journal_path
from netstream.db.workers import Threads, Workers
from netstream.model.chart import Chart
from netstream.model.samples import SampleBatch

WRITE_EVERY = 2.0
"""Seconds between two writes of the journals: what C{kill -9} may cost."""

ROWS = 256
"""Rows that a node has in memory, at least, before they become row groups; up
to half as many more, so that not all nodes do it at once."""

_IDLE = 600
_EXPIRE_EVERY = 600
_RETRY = 30
_MOST_WAITING = 512 << 20
_MOST_UNWRITTEN = 4_000_000


@implementer(IMetricsDB)
class DBEngine:
    """
    Newest samples in memory and in a journal for each node; older ones as
    compressed row groups in SQLite.

    @ivar damaged: Parts of files that could not be read since the start.
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
        retention: int = 14 * 86400,
        workers: Workers | None = None,
        rows: int = ROWS,
    ) -> None:
        """
        @param directory: Where everything is; it is made if need be, and no
            second engine can use it.
        @param reactor: Provides C{IReactorTime}, and threads unless
            C{workers} does.
        @param retention: Seconds that samples are kept unless L{retain} says
            otherwise.
        @param workers: Where blocking work is done.
        @param rows: See L{ROWS}.
        """
        self.directory = directory
        self.damaged = 0
        self._reactor = reactor
        self._retention = retention
        self._workers = workers or Threads(reactor)
        self._rows = rows
        self._found: Found | None = None
        self._nodes: dict[str, HotNode] = {}
        self._journals: dict[Path, Journal] = {}
        self._definitions = Definitions()
        self._failing: set[str] = set()
        self._seen_damage: set[int] = set()
        self._sealing = False
        self._retry_at = 0.0
        self._expire_at = 0.0
        self._loop = LoopingCall(self._tick)
        self._loop.clock = reactor

    # Its life.

    def open(self) -> Deferred[None]:
        return Deferred.fromCoroutine(self._open())

    async def _open(self) -> None:
        self._workers.start()
        now = self._reactor.seconds()
        try:
            found = await self._workers.write(lambda: find(self.directory, now, self._retention))
        except BaseException:
            self._workers.stop()
            raise
        self._found = found
        self._nodes = {node.guid: node for node in found.nodes}
        self._journals = {journal.path: journal for journal in found.journals}
        self._note_damage(found.damage)
        self._loop.start(WRITE_EVERY, now=False)

    def close(self) -> Deferred[None]:
        return Deferred.fromCoroutine(self._close())

    async def _close(self) -> None:
        if self._found is None:
            return
        found = self._found
        self._loop.stop()
        self._write_definitions()
        self._write_journals(self._nodes.values())
        self._found = None
        journals = list(self._journals.values())
        self._journals.clear()

        def close_journals() -> None:
            for journal in journals:
                journal.close()

        try:
            await self._try("journals", close_journals)
            await self._workers.read(found.reader.close)
            await self._workers.write(found.writer.close)
        finally:
            os.close(found.lock)
            self._nodes.clear()
            self._workers.stop()

    def _tick(self) -> None:
        try:
            self._work(self._reactor.seconds())
        except Exception:
            self._log.failure("{directory}: not everything was written", directory=self.directory)

    def _work(self, now: float) -> None:
        self._write_definitions()
        self._write_journals(node for node in self._nodes.values() if not node.writing)
        for node in self._nodes.values():
            rows = node.grid.rows
            if rows >= self._rows + node.stagger * self._rows // 512 or (rows and now - node.touched > _IDLE):
                self._freeze(node)
        self._seal()
        if now >= self._expire_at:
            self._expire_at = now + _EXPIRE_EVERY
            self._expire()

    # What is said of nodes and charts.

    def put_host(self, record: HostRecord) -> Deferred[None]:
        self._definitions.records[record.info.guid] = record
        return succeed(None)

    def put_chart(self, node: str, chart: Chart) -> Deferred[None]:
        self._definitions.charts[node, chart.id] = chart
        return succeed(None)

    def retain(self, node: str, seconds: int | None) -> Deferred[None]:
        known = self._node(node)
        if known.retention != seconds:
            known.retention = seconds
            self._definitions.retentions[node] = seconds
            self._expire_at = 0.0
        return succeed(None)

    def _write_definitions(self) -> None:
        if not self._definitions:
            return
        taken, self._definitions = self._definitions, Definitions()
        catalog = self._ours.writer

        def put(done: bool) -> None:
            if not done:
                self._definitions.add_older(taken)

        self._try("definitions of nodes and charts", lambda: catalog.put(*taken.texts())).addCallback(put)

    def stored(self) -> Deferred[Sequence[StoredHost]]:
        return Deferred.fromCoroutine(self._stored())

    async def _stored(self) -> Sequence[StoredHost]:
        self._write_definitions()
        catalog = self._ours.writer
        texts = await self._workers.write(
            lambda: [(n.guid, n.record, catalog.charts(n.id)) for n in catalog.nodes() if n.record]
        )
        hosts = []
        for guid, record, charts in texts:
            try:
                known = [metadata.chart_of(text) for text in charts]
                spans = self._node(guid).bounds(self._oldest(self._node(guid)))
                hosts.append(StoredHost(metadata.host_of(record), {chart.id: chart for chart in known}, spans))
            except ValueError as problem:
                self._note_damage([f"{self.directory / CATALOG}: node {guid}: {problem}"])
        return hosts

    # Samples come in.

    @property
    def _ours(self) -> Found:
        if self._found is None:
            raise ValueError(f"{self.directory}: the database is not open")
        return self._found

    def _node(self, guid: str) -> HotNode:
        node = self._nodes.get(guid)
        if node is None:
            node = self._nodes[guid] = HotNode(guid)
        return node

    def _oldest(self, node: HotNode) -> int:
        kept = self._retention if node.retention is None else node.retention
        return int(self._reactor.seconds()) - kept

    def append(self, batch: SampleBatch) -> Deferred[None]:
        if len(batch) and self._found is not None:
            node = self._node(batch.table.node)
            node.touched = self._reactor.seconds()
            node.append(batch, self._oldest(node))
            if len(node.grid.blocks) > self._rows:
                self._write_journals([node])
                self._freeze(node)
                self._seal()
        return succeed(None)

    def _write_journals(self, nodes: Iterable[HotNode]) -> None:
        """
        Write what the journals of some nodes lack, all in one piece of work:
        handing work to a thread costs both threads time.
        """
        taken: list[tuple[HotNode, Journal, Unwritten]] = []
        for node in nodes:
            unwritten = node.take()
            if unwritten:
                path = journal_path(self.directory, node.guid, node.generation)
                taken.append((node, self._journals.setdefault(path, Journal(path)), unwritten))
                node.writing += 1
        left = list(taken)

        def work() -> None:
            while left:
                _, journal, unwritten = left[0]
                journal.write(unwritten.records())
                del left[0]

        def done(_: bool) -> None:
            for node, _journal, _unwritten in taken:
                node.writing -= 1
            for node, _journal, unwritten in left:
                node.unwritten = unwritten.before(node.unwritten)
                if node.unwritten.samples > _MOST_UNWRITTEN:
                    node.unwritten.chunks.clear()

        if taken:
            self._try("journals", work).addCallback(done)

    def _seal(self) -> None:
        """
        Make row groups of what waits for it, one grid after the other.
        """
        if self._sealing or self._found is None or self._reactor.seconds() < self._retry_at:
            return
        node = next((node for node in self._nodes.values() if node.frozen), None)
        if node is None:
            return
        self._sealing = True
        job, series, numbers = node.frozen[0], dict(node.unsealed), node.next_number
        spans, catalog = job.grid.bounds(), self._ours.writer
        paths = [
            journal_path(self.directory, node.guid, generation)
            for generation in range(node.oldest_journal, job.generation + 1)
        ]
        journals = [self._journals.get(path) or Journal(path) for path in paths]

        def work() -> None:
            groups = sealed(job.blocks(), job.numbers)
            catalog.seal(node.guid, groups, series, spans, numbers, job.generation + 1)
            for journal in journals:
                journal.remove()

        def stored(done: bool) -> None:
            self._sealing = False
            if done:
                for journal in journals:
                    if self._journals.get(journal.path) is journal:
                        del self._journals[journal.path]
                node.sealed(job, series)
                self._seal()
            else:
                self._retry_at = self._reactor.seconds() + _RETRY

        self._try("row groups", work).addCallback(stored)

    def _freeze(self, node: HotNode) -> None:
        node.freeze()
        while sum(waiting.grid.nbytes for waiting in node.frozen[1:]) > _MOST_WAITING:
            dropped = node.frozen.pop(1)
            self._log.error(
                "{directory}: {samples} samples of {node} are dropped, as they come faster than they can be stored",
                directory=self.directory,
                samples=dropped.grid.samples,
                node=node.guid,
            )

    def _expire(self) -> None:
        catalog = self._ours.writer
        oldest = {node.guid: self._oldest(node) for node in self._nodes.values()}

        def work() -> None:
            more = [catalog.expire(guid, second) for guid, second in oldest.items()]
            if any(more):
                self._expire_at = 0.0

        self._try("row groups", work)

    def _try(self, what: str, work: Callable[[], object]) -> Deferred[bool]:
        """
        Do work that the disk may refuse.

        @return: Fires with whether it was done; if not, it may be tried again.
        """

        def done(_: object) -> bool:
            if what in self._failing:
                self._failing.remove(what)
                self._log.info("{directory}: {what} can be written again", directory=self.directory, what=what)
            return True

        return self._workers.write(work).addCallbacks(done, lambda failure: self._failed(what, failure))

    def _failed(self, what: str, failure: Failure) -> bool:
        if not failure.check(OSError, sqlite3.Error):
            self._log.failure("{directory}: {what} were not stored", failure, directory=self.directory, what=what)
            return True
        if what not in self._failing:
            self._failing.add(what)
            self._log.error(
                "{directory}: {what} cannot be written: {problem}. Newest samples stay in memory and it is tried "
                "again; free some space or mend the disk",
                directory=self.directory,
                what=what,
                problem=failure.getErrorMessage(),
            )
        return False

    def _note_damage(self, problems: Sequence[str]) -> None:
        for problem in problems:
            self.damaged += 1
            self._log.error("damaged: {problem}", problem=problem)

    # Samples are asked for.

    def bounds(self, node: str) -> Deferred[Mapping[str, Span]]:
        known = self._nodes.get(node)
        return succeed(known.bounds(self._oldest(known)) if known else {})

    def read(self, node: str, series: Sequence[SeriesKey], after: int, before: int) -> Deferred[Columns]:
        return self._rows_of(node, series, after, before, finished)

    def query(
        self, node: str, series: Sequence[SeriesKey], window: Window, method: str, options: str = ""
    ) -> Deferred[Columns]:
        try:
            method_of(method, options)
        except UnknownMethod:
            return fail()
        return self._rows_of(
            node, series, window.after, window.before, lambda rows: fold(rows, window, method, options)
        )

    def _rows_of(
        self, guid: str, series: Sequence[SeriesKey], after: int, before: int, then: Callable[[Columns], Columns]
    ) -> Deferred[Columns]:
        """
        @param then: What to do with the raw rows, which may be in a thread.
        """
        node, width = self._nodes.get(guid), len(series)
        if node is None or self._found is None:
            return succeed(then(nothing(width)))
        after = max(after, self._oldest(node) - 1)
        layers = node.read(series, after, before)
        if not node.on_disk(series, after):
            return succeed(then(overlaid(layers, width)))
        numbers = [node.numbers.get(key, -1) for key in series]
        catalog = self._found.reader
        damage: list[tuple[int, str]] = []

        def work() -> Columns:
            stored = _stored_rows(catalog, guid, numbers, after, before, damage)
            return then(overlaid([*stored, *layers], width))

        def note(columns: Columns) -> Columns:
            new = [(place, problem) for place, problem in damage if place not in self._seen_damage]
            self._seen_damage.update(place for place, _ in new)
            self._note_damage([f"{self.directory / CATALOG}: {problem}" for _, problem in new])
            return columns

        return self._workers.read(work).addCallback(note)

    def forget(self, node: str, chart: str | None = None) -> Deferred[None]:
        self._definitions.forget(node, chart)
        known = self._nodes.get(node)
        if self._found is None:
            return succeed(None)
        catalog = self._found.writer
        numbers = 0
        journals: list[Journal] = []
        if chart is None:
            self._nodes.pop(node, None)
            if known is not None:
                generations = range(known.oldest_journal, known.generation + 1)
                paths = [journal_path(self.directory, node, generation) for generation in generations]
                journals = [self._journals.pop(path, Journal(path)) for path in paths]
        elif known is not None:
            numbers = known.next_number
            known.forget(chart)
            self._write_journals([known])

        def work() -> None:
            for journal in journals:
                journal.remove()
            catalog.forget(node, chart, numbers)

        return self._workers.write(work)

    def stats(self) -> Deferred[Stats]:
        nodes = list(self._nodes.values())
        grids = [grid for node in nodes for grid in (node.grid, *(frozen.grid for frozen in node.frozen))]
        series, memory = sum(len(node.numbers) for node in nodes), sum(grid.nbytes for grid in grids)
        hot = sum(grid.count() for grid in grids)
        catalog = self._ours.reader

        def work() -> Stats:
            disk = 0
            for path in self.directory.rglob("*"):
                with suppress(FileNotFoundError):
                    disk += path.stat().st_size
            return Stats(len(nodes), series, hot + catalog.samples(), memory, disk)

        return self._workers.read(work)


def _stored_rows(
    catalog: Catalog, guid: str, numbers: Sequence[int], after: int, before: int, damage: list[tuple[int, str]]
) -> list[Columns]:
    """
    @param damage: Gets the sequence of each row group that is damaged, and
        how; what is damaged is a gap.
    """
    found = []
    try:
        for sequence, stored in catalog.groups(guid, after, before):
            try:
                rows, columns = columns_of(stored, numbers, after, before)
            except ValueError as problem:
                damage.append((sequence, f"row group {sequence} of {guid} is a gap: {problem}"))
                continue
            if columns:
                damage.append((sequence, f"row group {sequence} of {guid}: {columns} series are gaps"))
            found.append(rows)
    except sqlite3.DatabaseError as problem:
        damage.append((-1, f"row groups of {guid} are gaps: {problem}"))
    return found
