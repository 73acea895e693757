"""
Telling another node what is stored of a host, and keeping what that one has
and is missing here: rows as they are stored, in columns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress

import numpy as np
from attrs import frozen
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from netstream.db import metadata
from netstream.db.dbengine.node import HotNode
from netstream.db.dbengine.retention import Retention
from netstream.db.dbengine.sources import StoredSource
from netstream.db.dbengine.storage import FOREVER, STRETCH, Storage, stretches
from netstream.db.interfaces import IExchange, SeriesKey, Span
from netstream.db.overlay import finished
from netstream.db.records import Data
from netstream.db.rowgroups import Field, Group, Part, RowGroup, encode, rewritten
from netstream.db.tiers import FIELDS, GROUP_ROWS, STEPS
from netstream.db.workers import Workers
from netstream.model.chart import Chart
from netstream.model.samples import EMPTY, Bytes, Float64s
from netstream.model.stored import COUNT, RESTLESS, Cells, StoredRows

AT_ONCE = 256
"""Series that are read at once."""

SERIES_MOST = 2_000_000
"""Series of one node that get numbers, at most, when others tell of them."""


@frozen(eq=False)
class Filling:
    """
    Rows that shall be kept where there are none.

    @ivar numbers: Of their series.
    @ivar next: The number below which those of all series are.
    @ivar retention: Seconds that they are kept; 0 is for ever.
    """

    node: int
    guid: str
    numbers: Sequence[int]
    next: int
    cells: Cells
    retention: int
    spans: Mapping[str, Span]
    stale: Sequence[tuple[int, int]]


@implementer(IExchange)
class Exchange:
    """
    See L{IExchange}.
    """

    def __init__(
        self,
        storage: Storage,
        nodes: Mapping[str, HotNode],
        retention: Retention,
        clock: IReactorTime,
        workers: Workers,
        name: Callable[[HotNode, Sequence[tuple[int, SeriesKey]]], bool],
    ) -> None:
        """
        @param name: Writes down numbers of series.
        """
        self._storage = storage
        self._nodes = nodes
        self._retention = retention
        self._clock = clock
        self._workers = workers
        self._name = name

    def kept(self, node: str) -> Sequence[StoredRows]:
        known = self._nodes.get(node)
        if known is None:
            return ()
        found: list[StoredRows] = []
        firsts: list[int] = []
        for tier, segments in enumerate(self._storage.tiers):
            places = segments.find(known.id, 0, 1 << 61)
            firsts.append(min((place.start for place in places), default=0))
            for place in places:
                partial = tier > 0 and place.start - place.step < firsts[tier - 1] <= place.last
                rows = (place.last - place.start) // place.step + 1
                found.append(StoredRows(tier, place.start, place.step, rows, place.samples, partial))
        for epoch in known.hot():
            rows = (epoch.end - epoch.start) // epoch.step + 1
            found.append(StoredRows(0, epoch.start, epoch.step, rows, RESTLESS))
            found += [_changing(tier, start) for tier in self._coarser for start in stretches(epoch.start, epoch.end)]
        found += [_changing(tier, start) for tier, start in known.stale]
        return found

    @property
    def _coarser(self) -> range:
        return range(1, len(self._storage.tiers))

    def oldest(self, node: str) -> Sequence[int]:
        known = self._nodes.get(node)
        if known is None:
            return ()
        now = self._clock.seconds()
        return [max(1, self._retention.oldest(known, tier, now)) for tier in self._retention.tiers]

    def lacks(self, node: str, charts: Iterable[str]) -> Sequence[str]:
        known = self._nodes.get(node)
        return [chart for chart in charts if known is None or chart not in known.series.charts]

    def _source(self, node: HotNode, series: Sequence[SeriesKey]) -> StoredSource:
        now, retention = self._clock.seconds(), self._retention
        return StoredSource.of(
            self._storage.tiers, node, series, [retention.oldest(node, tier, now) for tier in retention.tiers]
        )

    def counts(self, node: str, where: StoredRows) -> Deferred[Mapping[str, int]]:
        known = self._nodes.get(node)
        if known is None or where.tier >= len(self._storage.tiers):
            return succeed({})
        charts = [(chart.chart, list(chart.numbers)) for chart in known.series.charts.values()]
        series = [(chart, dimension) for chart, dimensions in charts for dimension in dimensions]
        if not series:
            return succeed({})
        source = self._source(known, series)

        def work() -> Mapping[str, int]:
            found = np.zeros(len(series), np.int64)
            for begin in range(0, len(series), AT_ONCE):
                fields, _ = _grid(source.part(begin, begin + AT_ONCE), where)
                there = np.nan_to_num(fields[COUNT]) if where.tier else ~np.isnan(fields[0])
                found[begin : begin + AT_ONCE] = there.sum(axis=1)
            ends = np.cumsum([len(dimensions) for _, dimensions in charts])
            totals = np.diff(np.concatenate(([0], np.cumsum(found)[ends - 1])))
            return {chart: total for (chart, _), total in zip(charts, totals.tolist(), strict=True) if total}

        return self._workers.read(work)

    def cells(
        self, node: str, where: StoredRows, charts: Sequence[str], skip: int, most: int
    ) -> Deferred[tuple[Cells, bool]]:
        known = self._nodes.get(node)
        series: list[SeriesKey] = []
        if known is not None and where.tier < len(self._storage.tiers):
            for chart in charts:
                numbered = known.series.charts.get(chart)
                series += [(chart, dimension) for dimension in sorted(numbered.numbers)] if numbered else []
        more = len(series) > skip + most
        series = series[skip : skip + most]
        if known is None or not series:
            fields = len(FIELDS) if where.tier else 1
            empty = np.zeros((fields, 0, where.rows))
            return succeed((Cells(where, (), empty, np.zeros((0, where.rows), np.uint8)), False))
        source = self._source(known, series)
        return self._workers.read(lambda: (Cells(where, series, *_grid(source, where)), more))

    def definitions(self, node: str, charts: Sequence[str]) -> Deferred[Sequence[Chart]]:
        known, catalog = self._nodes.get(node), self._storage.catalog
        if known is None:
            return succeed(())

        def work() -> Sequence[Chart]:
            found = []
            for text in catalog.charts(known.id, charts):
                with suppress(ValueError):
                    found.append(metadata.chart_of(text))
            return found

        return self._workers.write(work)

    def fill(self, node: str, cells: Cells) -> Deferred[int]:
        return Deferred.fromCoroutine(self._fill(node, cells))

    async def _fill(self, guid: str, cells: Cells) -> int:
        node, where = self._nodes.get(guid), cells.where
        if node is None or where.tier >= len(self._storage.tiers):
            return 0
        step = where.step
        if where.start % step or (where.tier and step != STEPS[where.tier]):
            raise ValueError(f"rows of {step} s from {where.start} on do not fit into tier {where.tier}")
        now = self._clock.seconds()
        oldest = self._retention.oldest(node, where.tier, now)
        times = where.start + step * np.arange(where.rows, dtype=np.int64)
        outside = (times < oldest) | (times > now + step)
        cells.fields[:, :, outside] = np.nan
        there = ~np.isnan(cells.fields[0])
        some = np.flatnonzero(there.any(axis=1)).tolist()
        keys = [cells.series[place] for place in some]
        if not keys or not self._numbered(node, keys):
            return 0
        spans: dict[str, Span] = {}
        for place, (chart, _) in zip(some, keys, strict=True):
            seconds = times[there[place]]
            first, last = int(seconds[0]) - (step - 1 if where.tier else 0), int(seconds[-1])
            known = spans.get(chart)
            spans[chart] = Span(min(known.first, first), max(known.last, last)) if known else Span(first, last)
        stale = []
        if not where.tier:
            stale = [(tier, start) for tier in self._coarser for start in stretches(where.start, where.last)]
        numbers = np.array([node.series.find(key) for key in keys], np.int64)
        order = np.argsort(numbers)
        chosen = np.array(some)[order]
        job = Filling(
            node.id,
            guid,
            numbers[order].tolist(),
            node.series.next,
            Cells(where, keys, cells.fields[:, chosen], cells.flags[chosen]),
            self._retention.of(node, where.tier),
            spans,
            stale,
        )
        storage = self._storage
        added = await self._workers.write(lambda: fill(storage, job))
        if added and self._nodes.get(guid) is node:
            node.series.widen({chart: span for chart, span in spans.items() if chart in node.series.charts})
            for stretch in stale:
                node.stale[stretch] = self._clock.seconds()
        return added

    def _numbered(self, node: HotNode, keys: Sequence[SeriesKey]) -> bool:
        """
        @return: Whether all series have numbers, which they are given if need
            be.
        """
        new = [key for key in keys if node.series.find(key) < 0]
        if node.series.next + len(new) > SERIES_MOST:
            raise ValueError(f"the node would have more than {SERIES_MOST} series")
        fresh = [(node.series.next + place, key) for place, key in enumerate(new)]
        if fresh and not self._name(node, fresh):
            return False
        for number, key in fresh:
            node.series.set(key, number)
        return True


def _changing(tier: int, stretch: int) -> StoredRows:
    step = STEPS[tier]
    return StoredRows(tier, stretch + step, step, STRETCH // step, RESTLESS)


def _grid(source: StoredSource, where: StoredRows) -> tuple[Float64s, Bytes]:
    """
    @return: Fields and flags of rows, as L{Cells} have them.
    """
    shape = (source.width, where.rows)
    flags = np.zeros(shape, np.uint8)
    if where.tier:
        found = source.rows(where.tier, where.start - where.step, where.last)
        times = found.times
        read = np.stack([found.sum, found.min, found.max, found.count, found.anomalous]).astype(np.float64)
        read[:, found.count == 0] = np.nan
        marks = None
    else:
        columns = finished(source.raw(where.start - where.step, where.last))
        times, read, marks = columns.times, columns.values[None], columns.flags
    fields = np.full((len(read), *shape), np.nan)
    rows, odd = np.divmod(times - where.start, where.step)
    here = np.flatnonzero((odd == 0) & (rows >= 0) & (rows < where.rows))
    fields[:, :, rows[here]] = read[:, here].transpose(0, 2, 1)
    if marks is not None:
        flags[:, rows[here]] = marks[here].T & ~np.uint8(EMPTY)
    return fields, flags


def fill(storage: Storage, job: Filling) -> int:
    """
    Keep rows where there are none, in the thread that changes files.

    @return: How many cells were written.
    @raise OSError: The disk refuses.
    """
    cells, where = job.cells, job.cells.where
    stale = [(job.node, *stretch) for stretch in job.stale]
    storage.names.sync()
    storage.catalog.widen([(job.node, job.guid, job.next)], [(job.node, job.spans)], stale)
    length = GROUP_ROWS[where.tier] * where.step
    added = 0
    start = (where.start - where.step) // length * length + where.step
    for begin in range(start, where.last + 1, length):
        low = max(0, (begin - where.start) // where.step)
        high = min(where.rows, (begin + length - where.start) // where.step)
        if low < high and not np.isnan(cells.fields[0, :, low:high]).all():
            added += _merge(storage, job, begin, slice(low, high))
    if added:
        storage.tiers[where.tier].sync()
    return added


def _merge(storage: Storage, job: Filling, begin: int, rows: slice) -> int:
    """
    @param begin: First second of the row group that there shall be.
    @param rows: Which rows go there.
    @return: How many cells were written.
    """
    cells, where, segments = job.cells, job.cells.where, storage.tiers[job.cells.where.tier]
    first = where.start + where.step * rows.start
    last = where.start + where.step * (rows.stop - 1)
    older: RowGroup | None = None
    for place in segments.find(job.node, first - where.step, last):
        if (place.start, place.step) != (begin, where.step):
            return 0  # samples of another step are there
        older = RowGroup(segments.read(place))
    fields, flags = cells.fields[:, :, rows].copy(), cells.flags[:, rows]
    if older is not None:
        mine = _own(older, job.numbers, where.tier, (first - begin) // where.step, rows.stop - rows.start)
        theirs = fields[COUNT] if where.tier else ~np.isnan(fields[0])
        fields[:, ~(theirs > mine)] = np.nan
    added = int(np.count_nonzero(~np.isnan(fields[0])))
    if not added:
        return 0
    numbers = np.array(job.numbers, np.uint32)
    kinds = FIELDS if where.tier else (Field.VALUE,)
    parts = {
        kind: Part(numbers, values, None if where.tier else np.where(np.isnan(values), np.uint8(0), flags))
        for kind, values in zip(kinds, fields, strict=True)
    }
    newer = Group(first, where.step, rows.stop - rows.start, parts)
    data = _whole(older, newer, begin, storage.single)
    group = RowGroup(data)
    segments.append(
        job.node,
        begin,
        begin + where.step * (group.rows - 1),
        where.step,
        group.samples(),
        data,
        job.retention or FOREVER,
    )
    return added


def _own(older: RowGroup, numbers: Sequence[int], tier: int, low: int, rows: int) -> Float64s:
    """
    @return: By series and row, how many samples are here already.
    """
    found = np.zeros((len(numbers), rows))
    values, flags, _ = older.read(numbers, Field.COUNT if tier else Field.VALUE, min(low, older.rows))
    here = min(rows, len(values))
    if tier:
        found[:, :here] = np.nan_to_num(values[:here].T)
    else:
        found[:, :here] = (~np.isnan(values) | (flags & EMPTY > 0))[:here].T
    return found


def _whole(older: RowGroup | None, newer: Group, begin: int, single: bool) -> Data:
    """
    @return: What is stored with newer rows in it, from a second on.
    """
    if older is not None:
        return rewritten(older, newer, single=single)
    ahead = (newer.start - begin) // newer.step
    parts = {}
    for kind, part in newer.parts.items():
        values = np.full((len(part.numbers), ahead + newer.rows), np.nan)
        values[:, ahead:] = part.values
        flags = np.zeros(values.shape, np.uint8)
        flags[:, ahead:] = part.marks()
        parts[kind] = Part(part.numbers, values, flags)
    return encode(Group(begin, newer.step, ahead + newer.rows, parts), single=single)
