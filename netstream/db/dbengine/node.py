"""
What the disk engine has of one node outside of row groups.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from math import gcd
from weakref import WeakKeyDictionary

import numpy as np
from attrs import define, field

from netstream.db.dbengine.pages import ROWS, Block, start_of
from netstream.db.dbengine.series import Seats, SeriesNumbers
from netstream.db.interfaces import Columns, HotRows, SeriesKey, Span, Window
from netstream.db.overlay import nothing
from netstream.kernel.cells import ABSENT, GAP, store
from netstream.kernel.seal import turn
from netstream.model.samples import EMPTY, Bytes, Float64s, Int32s, Int64s, SampleBatch, SeriesTable

Reserve = Callable[["HotNode", int, int, int], "Block | None"]
"""Gives a node a block for the epoch that begins at a second with a step, for
so many series at least; L{None} if there is no room on the disk."""

Named = Callable[["HotNode", Sequence[tuple[int, SeriesKey]]], bool]
"""Is told of the series of a node that shall get a number; says whether that
is written down."""

_ONE_BY_ONE = 50
"""Charts up to which each is looked at by itself, whatever else there is."""
_NONE: Int32s = np.zeros(0, np.int32)
_XOR = np.uint64(ABSENT)
_GAP = np.uint64(GAP)
_NAN = np.float64("nan").view(np.uint64)


@define(eq=False)
class _Numbered:
    """
    What is kept by the numbers of a table, some of which may come to stand
    for another series.

    @ivar arrays: int32 each, by number in the table; -1 is nothing.
    """

    generation: int
    arrays: list[Int32s] = field(factory=list)

    def of(self, table: SeriesTable) -> list[Int32s]:
        """
        @return: The arrays, without what numbers stood for.
        """
        if self.generation != table.generation:
            freed = np.array(table.freed_since(self.generation), np.int64)
            for array in self.arrays:
                array[freed[freed < len(array)]] = -1
            self.generation = table.generation
        return self.arrays


class Epoch:
    """
    One node's hot samples of one epoch.

    @ivar start: Second of its first row.
    @ivar step: Seconds from row to row.
    @ivar touched: When something was written last, by the clock of whoever
        writes.
    """

    def __init__(self, start: int, step: int, blocks: Iterable[Block] = ()) -> None:
        self.start = start
        self.step = step
        self.touched = 0.0
        self.blocks = list(blocks)
        self._places: WeakKeyDictionary[SeriesTable, _Numbered] = WeakKeyDictionary()

    @property
    def end(self) -> int:
        """
        Second of its last row.
        """
        return self.start + (ROWS - 1) * self.step

    @property
    def used(self) -> int:
        """
        Columns that belong to a series.
        """
        return sum(block.used for block in self.blocks)

    def add(self, block: Block) -> None:
        """
        Have another block.
        """
        self.blocks.append(block)

    def reset(self) -> None:
        """
        Columns do not belong to the series any more to which they did.
        """
        self._places = WeakKeyDictionary()

    def store(self, table: SeriesTable, series: Int32s, time: Int64s, value: Float64s, flags: Bytes) -> Int64s | None:
        """
        Write the samples that have a cell.

        @return: Which ones have none, by position; L{None} if all have one.
        """
        known = self._places.get(table)
        places: Sequence[Int32s] = () if known is None else known.of(table)
        rest: Int64s | None = None
        for block, place in zip(self.blocks, places, strict=False):
            left = np.empty(len(series), np.uint8)
            missed = store(
                block.cells,
                block.marks,
                block.lowest,
                block.highest,
                place,
                self.start,
                self.step,
                series,
                time,
                value,
                flags,
                left,
            )
            if missed < len(series):
                block.page.dirty = True
            if not missed:
                return None
            if missed < len(series):
                here = np.flatnonzero(left)
                rest = here if rest is None else rest[here]
                series, time, value, flags = series[here], time[here], value[here], flags[here]
        return np.arange(len(series)) if rest is None else rest

    def place(self, table: SeriesTable, series: Int32s, numbers: Int32s) -> Int32s:
        """
        Give the series of a table their columns as far as there is room.

        @param series: By number in the table.
        @param numbers: Their numbers in the database.
        @return: The series that have no column.
        """
        known = self._places.get(table)
        if known is None:
            known = self._places[table] = _Numbered(table.generation)
        places = known.of(table)
        for i, block in enumerate(self.blocks):
            if i == len(places):
                places.append(_NONE)
            if len(places[i]) < len(table):
                wider = np.full(len(table), -1, np.int32)
                wider[: len(places[i])] = places[i]
                places[i] = wider
            column = block.columns(numbers)
            here = column >= 0
            places[i][series[here]] = column[here]
            series, numbers = series[~here], numbers[~here]
        for place, block in zip(places, self.blocks, strict=True):
            room = min(block.room, len(series))
            if room:
                place[series[:room]] = block.assign(numbers[:room])
                block.page.dirty = True
                series, numbers = series[room:], numbers[room:]
        return series

    @property
    def newest(self) -> int:
        """
        Second of the last row that was written.
        """
        row = max((int(block.highest.max(initial=-1)) for block in self.blocks), default=-1)
        return self.start + row * self.step

    def read(self, numbers: Int32s, after: int, before: int) -> Columns:
        """
        @param numbers: Of the series wanted; -1 is empty.
        @return: The rows after C{after} up to C{before}, raw (see
            L{netstream.db.overlay}).
        """
        low = max(0, (after - self.start) // self.step + 1)
        high = min(ROWS, (before - self.start) // self.step + 1)
        if low >= high:
            return nothing(len(numbers))
        blocks = tuple(self.blocks)  # this is done in other threads as well, and the node may get another one meanwhile
        columns = [block.columns(numbers) for block in blocks]
        for block, column in zip(blocks, columns, strict=True):
            if len(column) and column.min() >= 0:
                return self._read_one(block, column, low, high)
        values = np.full((high - low, len(numbers)), np.nan)
        flags = np.zeros(values.shape, np.uint8)
        written = np.zeros(high - low, np.bool_)
        for block, column in zip(blocks, columns, strict=True):
            here = np.flatnonzero(column >= 0)
            if not len(here):
                continue
            column = column[here]
            cells = block.cells[low:high, column]
            some = cells != 0
            written |= some.any(axis=1)
            bits = cells ^ _XOR
            gaps = bits == _GAP
            marks = block.marks[low:high, column]
            if gaps.any():
                marks |= np.where(gaps, np.uint8(EMPTY), np.uint8(0))
                bits[gaps] = _NAN
            bits[~some] = _NAN
            values[:, here] = bits.view(np.float64)
            flags[:, here] = marks
        rows = np.flatnonzero(written)
        times = self.start + self.step * (low + rows)
        if len(rows) == len(written):
            return Columns(times, values, flags)
        return Columns(times, values[rows], flags[rows])

    def rows(self, seats: Seats, window: Window) -> HotRows | None:
        """
        @return: A row for each of a window, if all is here and in one block.
        """
        for block in self.blocks:
            seat = seats.of(block)
            if seat.whole:
                return HotRows.of(block, seat.columns, self.start, self.step, window)
        return None

    def _read_one(self, block: Block, columns: Int32s, low: int, high: int) -> Columns:
        """
        @param columns: In one block, as those of a chart mostly are.
        @return: The rows from C{low} up to C{high}, which is not included;
            empty ones stay.
        """
        values = np.empty((len(columns), high - low))
        flags = np.empty(values.shape, np.uint8)
        turn(block.cells[low:high], block.marks[low:high], columns, values, flags)
        first = self.start + self.step * low
        return Columns(np.arange(first, first + self.step * (high - low), self.step, dtype=np.int64), values.T, flags.T)


class HotNode:
    """
    A node, its series, and the epochs that are not row groups yet.

    @ivar guid: Machine GUID.
    @ivar id: Its id in the catalog, pages and segments.
    @ivar step: Seconds of which its times are multiples.
    @ivar series: The numbers of its series.
    @ivar epochs: Those that are written to, by start and step.
    @ivar sealing: Those that become row groups just now, oldest first.
    @ivar retention: Seconds that its own samples are kept; L{None} is the
        default.
    @ivar stale: When stretches of coarser tiers, by tier and the second
        before them, were last touched by samples that they do not have.
    """

    def __init__(self, guid: str, id: int, named: Named | None = None) -> None:
        """
        @param named: Is told of series that got a number, before any sample
            is stored under it.
        """
        self.guid = guid
        self.id = id
        self.named = named
        self.step = 1
        self.series = SeriesNumbers()
        self.epochs: dict[tuple[int, int], Epoch] = {}
        self.sealing: list[Epoch] = []
        self.stale: dict[tuple[int, int], float] = {}
        self.retention: int | None = None
        self._current: Epoch | None = None
        self._numbers: WeakKeyDictionary[SeriesTable, _Numbered] = WeakKeyDictionary()

    def append(self, batch: SampleBatch, oldest: int, now: float, reserve: Reserve) -> int:
        """
        Take samples in.

        @param oldest: What is older than this second is not kept.
        @param reserve: Gives a block where the node needs one.
        @return: How many found no room.
        """
        lost = 0
        series, time, value, flags = batch.series, batch.time, batch.value, batch.flags
        current = self._current
        if current is not None and current.start >= oldest:
            current.touched = now
            rest = current.store(batch.table, series, time, value, flags)
            if rest is None:
                return 0
            if len(rest) < len(series):
                series, time, value, flags = series[rest], time[rest], value[rest], flags[rest]
        kept = np.flatnonzero(time >= max(oldest, 1))
        if len(kept) < len(series):
            series, time, value, flags = series[kept], time[kept], value[kept], flags[kept]
        while len(series):
            self._fit_step(time)
            start = start_of(int(time[0]), self.step)
            end = start + (ROWS - 1) * self.step
            mine = (time >= start) & (time <= end)
            here = np.flatnonzero(mine)
            epoch = self.epochs.get((start, self.step))
            if epoch is None:
                epoch = self.epochs[start, self.step] = Epoch(start, self.step)
            epoch.touched = now
            if current is None or epoch.start >= current.start:
                self._current = current = epoch
            lost += self._store(epoch, batch.table, series[here], time[here], value[here], flags[here], reserve)
            others = np.flatnonzero(~mine)
            series, time, value, flags = series[others], time[others], value[others], flags[others]
        return lost

    def _fit_step(self, time: Int64s) -> None:
        if self.step == 1:
            return
        step = gcd(self.step, int(np.gcd.reduce(time)))
        if self.step != step:
            self.step = step
            self._current = None

    def _store(
        self,
        epoch: Epoch,
        table: SeriesTable,
        series: Int32s,
        time: Int64s,
        value: Float64s,
        flags: Bytes,
        reserve: Reserve,
    ) -> int:
        rest = epoch.store(table, series, time, value, flags)
        if rest is None:
            return 0
        homeless: Int32s = np.unique(series[rest]).astype(np.int32)
        # In the order of the batch, so that the cells of a second lie as they will come again.
        homeless = homeless[np.argsort(_first_positions(series, homeless), kind="stable")]
        numbers = self.numbers(table, homeless)
        named = numbers >= 0
        if not named.all():
            homeless, numbers = homeless[named], numbers[named]
        left = epoch.place(table, homeless, numbers)
        while len(left):
            expected = max(len(left), min(len(table) - epoch.used, 4 * len(left) + 1024))
            block = reserve(self, epoch.start, epoch.step, expected)
            if block is None:
                break
            epoch.add(block)
            left = epoch.place(table, homeless, numbers)
        rest = epoch.store(table, series, time, value, flags)
        return 0 if rest is None else len(rest)

    def numbers(self, table: SeriesTable, series: Int32s) -> Int32s:
        """
        @param series: By number in the table.
        @return: int32, their numbers in the database, given now to those that
            have none; -1 where that could not be written down.
        """
        numbered = self._numbers.get(table)
        if numbered is None:
            numbered = self._numbers[table] = _Numbered(table.generation, [_NONE])
        arrays = numbered.of(table)
        if len(arrays[0]) < len(table):
            wider = np.full(len(table) + len(table) // 8, -1, np.int32)
            wider[: len(arrays[0])] = arrays[0]
            arrays[0] = wider
        known = arrays[0]
        found = known[series]
        fresh: list[tuple[int, SeriesKey]] = []
        nameless: list[int] = []
        for i in np.flatnonzero(found < 0).tolist():
            key = table[int(series[i])]
            number = self.series.find(key)
            if number < 0:
                number = self.series.next + len(fresh)
                fresh.append((number, key))
                nameless.append(i)
            else:
                known[series[i]] = number
            found[i] = number
        if fresh and self.named is not None and not self.named(self, fresh):
            found[nameless] = -1
            return found
        for i, (number, key) in zip(nameless, fresh, strict=True):
            self.series.set(key, number)
            known[series[i]] = number
        return found

    def retire(self, epoch: Epoch) -> None:
        """
        Write to an epoch no more, as it becomes a row group.
        """
        del self.epochs[epoch.start, epoch.step]
        if self._current is epoch:
            self._current = None
        self.sealing.append(epoch)

    def sealed(self, epoch: Epoch, spans: Mapping[str, Span]) -> None:
        """
        An epoch has become a row group.

        @param spans: What it holds, by chart.
        """
        self.sealing.remove(epoch)
        self.series.widen({chart: span for chart, span in spans.items() if chart in self.series.charts})

    def forget(self, chart: str) -> None:
        """
        Remove a chart.
        """
        numbers = self.series.forget(chart)
        for epoch in self.hot():
            for block in epoch.blocks:
                block.forget(numbers)
            epoch.reset()
        self._numbers = WeakKeyDictionary()

    def adopt(self, block: Block) -> None:
        """
        Take back a block that an earlier process wrote.
        """
        key = (block.page.start, block.page.step)
        epoch = self.epochs.get(key)
        if epoch is not None and any((known.columns(block.numbers) >= 0).any() for known in epoch.blocks):
            # That one was on its way to become a row group when samples came late.
            self.retire(epoch)
            epoch = None
        if epoch is None:
            epoch = self.epochs[key] = Epoch(*key)
        epoch.add(block)
        self.step = min(known.step for known in self.hot())

    def hot(self) -> Iterator[Epoch]:
        """
        @return: Its epochs, those first whose samples others replace: as long
            as there are any, the node's step only becomes smaller.
        """
        yield from self.sealing
        yield from sorted(self.epochs.values(), key=_step, reverse=True)

    def blocks(self) -> list[Block]:
        """
        @return: Where it has samples that are not in row groups.
        """
        return [block for epoch in (*self.sealing, *self.epochs.values()) for block in epoch.blocks]

    def recent(self, seats: Seats, window: Window) -> HotRows | None:
        """
        @param seats: Of the series wanted.
        @return: A row for each of their samples, if all of a window is in one
            epoch; L{None} if it takes more than looking there.
        """
        if window.step != self.step:
            return None
        found = None
        for epoch in (*self.sealing, *self.epochs.values()):
            if epoch.start <= window.before and epoch.end > window.after:
                if found is not None:
                    return None
                found = epoch
        return None if found is None else found.rows(seats, window)

    def waiting(self, tier: int) -> int | None:
        """
        @param tier: A coarser one that there is.
        @return: After or at which second there may be samples of which it has
            no rows yet; L{None} if it has all.
        """
        begins = [stretch for other, stretch in self.stale if other == tier]
        begins += [epoch.start for epoch in self.hot()]
        return min(begins, default=None)

    def spans(self, oldest: int, charts: Collection[str] | None = None) -> dict[str, Span]:
        """
        @param oldest: What is older than this second does not count.
        @param charts: Those that are meant; L{None} is all.
        @return: Oldest and newest second of each chart that has any.
        """
        blocks = self.blocks()
        if charts is None or len(charts) > _ONE_BY_ONE:
            return self.series.spans(blocks, True, oldest, charts)
        found = ((chart, self.series.span(chart, blocks, oldest)) for chart in charts)
        return {chart: span for chart, span in found if span is not None}

    def read(self, epochs: Iterable[Epoch], numbers: Int32s, after: int, before: int) -> list[Columns]:
        """
        @param epochs: From L{hot}.
        @return: Raw rows, those first that others replace.
        """
        return [epoch.read(numbers, after, before) for epoch in epochs if epoch.start <= before and epoch.end > after]


def _step(epoch: Epoch) -> int:
    return epoch.step


def _first_positions(series: Int32s, wanted: Int32s) -> Int64s:
    """
    @return: Where each of the wanted ones comes first.
    """
    order = np.argsort(series, kind="stable")
    found: Int64s = order[np.searchsorted(series[order], wanted)]
    return found
