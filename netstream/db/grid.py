"""
The samples of one node in memory: seconds by series, sparse in time.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from weakref import WeakKeyDictionary

import numpy as np

from netstream.db.interfaces import Columns, SeriesKey, Span
from netstream.db.overlay import chained
from netstream.db.packed import Packed
from netstream.model.samples import EMPTY, Bytes, Float64s, Int32s, Int64s, SampleBatch, SeriesTable, distinct

SECONDS = 128
"""Seconds a L{Block} stands for."""

_FIRST_ROWS = 4
_NEVER = np.iinfo(np.int64).max


class Block:
    """
    The samples of L{SECONDS} seconds in a row: a row for each second that
    has one, a column for each series.

    Rows and columns are made when the first sample asks for them, so that
    slow charts and hosts that come and go cost what they send.

    @ivar start: Its first second, a multiple of L{SECONDS}.
    @ivar values: float64 of shape (rows made so far, columns made so far);
        NaN where there is no sample. Empty while it is packed.
    @ivar flags: uint8 of the same shape; L{None} as long as every sample is an
        ordinary one, which is how it nearly always is.
    """

    __slots__ = ("_packed", "_row", "_used", "flags", "start", "values")

    def __init__(self, start: int, width: int) -> None:
        self.start = start
        self.values: Float64s = np.full((_FIRST_ROWS, width), np.nan)
        self.flags: Bytes | None = None
        self._row = np.full(SECONDS, -1, np.int8)
        self._used = 0
        self._packed: Packed | None = None

    @property
    def end(self) -> int:
        """
        Its last second.
        """
        return self.start + SECONDS - 1

    @property
    def rows(self) -> int:
        """
        Seconds that have a row.
        """
        return self._used

    @property
    def width(self) -> int:
        """
        Columns made so far.
        """
        return self.values.shape[1] if self._packed is None else self._packed.shape[1]

    @property
    def nbytes(self) -> int:
        """
        Bytes of its samples.
        """
        packed = 0 if self._packed is None else self._packed.nbytes
        return packed + self.values.nbytes + (0 if self.flags is None else self.flags.nbytes) + self._row.nbytes

    def pack(self) -> None:
        """
        Take less memory until it is written again; reading takes longer.
        """
        if self._packed is None and self._used:
            flags = None if self.flags is None else self.flags[: self._used]
            self._packed = Packed(self.values[: self._used], flags)
            self.values, self.flags = np.empty((0, 0)), None

    def _unpack(self) -> None:
        if self._packed is not None:
            self.values, self.flags = self._packed.all()
            self._packed = None

    def _fit(self, rows: int, width: int) -> None:
        have_rows, have_width = self.values.shape
        if rows <= have_rows and width <= have_width:
            return
        rows = have_rows if rows <= have_rows else min(SECONDS, max(rows, have_rows * 2))
        values = np.full((rows, max(width, have_width)), np.nan)
        values[:have_rows, :have_width] = self.values
        self.values = values
        if self.flags is not None:
            flags = np.zeros(values.shape, np.uint8)
            flags[:have_rows, :have_width] = self.flags
            self.flags = flags

    def put(self, width: int, offset: Int64s, column: Int32s, value: Float64s, flags: Bytes | None) -> None:
        """
        Write samples; of two with the same identity the later one stays.

        @param width: Columns there are by now; more than the largest of
            C{column}.
        @param offset: Seconds after C{start}.
        @param flags: L{None} if all are ordinary.
        """
        self._unpack()
        rows = self._row[offset]
        if rows.min() < 0:
            new = distinct(offset[rows < 0])
            self._row[new] = np.arange(self._used, self._used + len(new), dtype=np.int8)
            self._used += len(new)
            rows = self._row[offset]
        self._fit(self._used, width)
        self.values[rows, column] = value
        if flags is not None and self.flags is None:
            self.flags = np.zeros(self.values.shape, np.uint8)
        if self.flags is not None:
            self.flags[rows, column] = 0 if flags is None else flags

    def put_second(self, width: int, offset: int, column: Int32s, value: Float64s, flags: Bytes | None) -> None:
        """
        Write samples of one second; otherwise as L{put}.
        """
        self._unpack()
        row = int(self._row[offset])
        if row < 0:
            row = self._row[offset] = self._used
            self._used += 1
        self._fit(self._used, width)
        self.values[row, column] = value
        if flags is not None and self.flags is None:
            self.flags = np.zeros(self.values.shape, np.uint8)
        if self.flags is not None:
            self.flags[row, column] = 0 if flags is None else flags

    def get(self, column: Int32s, after: int, before: int) -> Columns:
        """
        @param column: Columns wanted; -1 and columns it has not are empty.
        @return: The rows after C{after} up to C{before} that it has made,
            oldest first and raw (see L{netstream.db.overlay}).
        """
        lowest = max(0, after + 1 - self.start)
        highest = max(lowest, min(SECONDS, before + 1 - self.start))
        rows = self._row[lowest:highest]
        offset = np.flatnonzero(rows >= 0)
        rows = rows[offset]
        values = np.full((len(rows), len(column)), np.nan)
        flags = np.zeros(values.shape, np.uint8)
        here = np.flatnonzero((column >= 0) & (column < self.width))
        if self._packed is not None:
            if len(rows) and len(here):
                all_values, all_flags = self._packed.take(column[here])
                values[:, here] = all_values[rows]
                if all_flags is not None:
                    flags[:, here] = all_flags[rows]
            return Columns(offset + (self.start + lowest), values, flags)
        values[:, here] = self.values[np.ix_(rows, column[here])]
        if self.flags is not None:
            flags[:, here] = self.flags[np.ix_(rows, column[here])]
        return Columns(offset + (self.start + lowest), values, flags)

    def erase(self, column: Int32s) -> None:
        """
        Empty columns.
        """
        self._unpack()
        column = column[column < self.values.shape[1]]
        self.values[:, column] = np.nan
        if self.flags is not None:
            self.flags[:, column] = 0

    def count(self) -> int:
        """
        @return: Samples it holds.
        """
        values = self.values if self._packed is None else self._packed.all()[0]
        return int(np.count_nonzero(~np.isnan(values)))


class Grid:
    """
    The samples of one node, in blocks of seconds, and which column belongs to
    which series.  A series has a column as long as it has samples.

    @ivar blocks: By number, which is the second divided by L{SECONDS}.
    @ivar samples: How many were written.
    """

    def __init__(self) -> None:
        self.blocks: dict[int, Block] = {}
        self.samples = 0
        self._columns: dict[SeriesKey, int] = {}
        self._charts: dict[str, list[int]] = {}
        self._keys: list[SeriesKey | None] = []
        self._free: list[int] = []
        self._first: Int64s = np.zeros(0, np.int64)
        self._last: Int64s = np.zeros(0, np.int64)
        self._tables: WeakKeyDictionary[SeriesTable, tuple[int, Int32s]] = WeakKeyDictionary()

    def __len__(self) -> int:
        """
        @return: Series that it has samples of.
        """
        return len(self._columns)

    @property
    def keys(self) -> Sequence[SeriesKey | None]:
        """
        The series of each column; L{None} where a column is free.
        """
        return self._keys

    @property
    def newest(self) -> int:
        """
        The last second it was given; 0 if there is none.
        """
        return int(self._last.max(initial=0))

    @property
    def rows(self) -> int:
        """
        Seconds that have a row.
        """
        return sum(block.rows for block in self.blocks.values())

    @property
    def nbytes(self) -> int:
        """
        Bytes of its arrays.
        """
        return sum(b.nbytes for b in self.blocks.values()) + self._first.nbytes * 2

    def count(self) -> int:
        """
        @return: Samples it holds.
        """
        return sum(block.count() for block in self.blocks.values())

    def column(self, key: SeriesKey) -> int:
        """
        @return: The column of a series, which it gets now if it had none.
        """
        column = self._columns.get(key)
        if column is None:
            if self._free:
                column = self._free.pop()
                self._keys[column] = key
            else:
                column = len(self._keys)
                self._keys.append(key)
                if column >= len(self._first):
                    more = max(16, len(self._first) // 2)
                    self._first = np.concatenate((self._first, np.full(more, _NEVER)))
                    self._last = np.concatenate((self._last, np.zeros(more, np.int64)))
            self._columns[key] = column
            self._charts.setdefault(key[0], []).append(column)
        return column

    def columns(self, table: SeriesTable, series: Int32s) -> Int32s:
        """
        @param series: Numbers of series in the table.
        @return: The column of each, given now to those that had none.
        """
        generation, known = self._tables.get(table) or (table.generation, np.zeros(0, np.int32))
        if generation != table.generation:
            # Some numbers stand for other series now.
            freed = np.array(table.freed_since(generation), np.int64)
            known[freed[freed < len(known)]] = -1
        if len(known) < len(table):
            known = np.concatenate((known, np.full(len(table) - len(known), -1, np.int32)))
        self._tables[table] = table.generation, known
        found = known[series]
        if found.min() < 0:
            for number in distinct(series[found < 0]).tolist():
                known[number] = self.column(table[number])
            found = known[series]
        return found

    def append(self, batch: SampleBatch, oldest: int = 0) -> Int32s | None:
        """
        Write samples.

        @param oldest: What is older than this second is not kept.
        @return: The columns of the samples; L{None} if none was kept.
        """
        if not len(batch) or (oldest and int(batch.time.max()) < oldest):
            return None
        column = self.columns(batch.table, batch.series)
        self.write(column, batch.time, batch.value, batch.flags, oldest)
        return column

    def write(self, column: Int32s, time: Int64s, value: Float64s, flags: Bytes, oldest: int = 0) -> None:
        """
        Write samples whose columns are known already.

        Of samples with the same identity the last one stays: numpy assigns in
        order where all indexes are one-dimensional.

        @param column: What L{column} gave for their series.
        """
        if oldest and int(time.min()) < oldest:
            keep = time >= oldest
            column, time, value, flags = column[keep], time[keep], value[keep], flags[keep]
        if not len(time):
            return
        odd: Bytes | None = None
        if flags.any():
            odd = flags
            value = np.where(flags & EMPTY, np.nan, value)
        elif np.isnan(value).any():
            odd = np.where(np.isnan(value), np.uint8(EMPTY), flags)
        self.samples += len(time)
        second = int(time[0])
        if (time == second).all():
            self._first[column] = np.minimum(self._first[column], second)
            self._last[column] = np.maximum(self._last[column], second)
            block = self._block(second // SECONDS)
            block.put_second(len(self._keys), second - block.start, column, value, odd)
            return
        np.minimum.at(self._first, column, time)
        np.maximum.at(self._last, column, time)
        numbers = time // SECONDS
        lowest = int(numbers.min())
        if lowest == int(numbers.max()):
            self._block(lowest).put(len(self._keys), time - lowest * SECONDS, column, value, odd)
            return
        order = np.argsort(numbers, kind="stable")
        cuts = np.flatnonzero(np.diff(numbers[order])) + 1
        for mine in np.split(order, cuts):
            number = int(numbers[mine[0]])
            self._block(number).put(
                len(self._keys),
                time[mine] - number * SECONDS,
                column[mine],
                value[mine],
                None if odd is None else odd[mine],
            )

    def _block(self, number: int) -> Block:
        block = self.blocks.get(number)
        if block is None:
            block = self.blocks[number] = Block(number * SECONDS, len(self._keys))
        return block

    def pack(self, before: int) -> None:
        """
        Pack the blocks that end before a second.
        """
        for number, block in self.blocks.items():
            if (number + 1) * SECONDS <= before:
                block.pack()

    def trim(self, oldest: int) -> None:
        """
        Drop the blocks that end before a second, and the series that have no
        samples any more.
        """
        past = [number for number in self.blocks if (number + 1) * SECONDS <= oldest]
        if not past:
            return
        for number in past:
            del self.blocks[number]
        start = min(self.blocks, default=_NEVER // SECONDS) * SECONDS
        gone = np.flatnonzero(self._last[: len(self._keys)] < start)
        self._release([column for column in gone.tolist() if self._keys[column] is not None])

    def forget(self, chart: str) -> None:
        """
        Remove the series of a chart with their samples.
        """
        gone = list(self._charts.get(chart, ()))
        columns = np.array(gone, np.int32)
        for block in self.blocks.values():
            block.erase(columns)
        self._release(gone)

    def _release(self, columns: Sequence[int]) -> None:
        if not columns:
            return
        self._first[columns] = _NEVER
        self._last[columns] = 0
        for column in columns:
            key = self._keys[column]
            if key is not None:
                del self._columns[key]
                others = self._charts[key[0]]
                others.remove(column)
                if not others:
                    del self._charts[key[0]]
                self._keys[column] = None
        self._free.extend(columns)
        self._tables = WeakKeyDictionary()

    def bounds(self, charts: Collection[str] | None = None) -> dict[str, Span]:
        """
        @param charts: Those that are meant; L{None} is all.
        @return: The oldest and newest second of each chart, gaps that were
            written included.
        """
        start = min(self.blocks, default=0) * SECONDS
        found: dict[str, Span] = {}
        for chart in self._charts if charts is None else charts:
            columns = self._charts.get(chart)
            if columns:
                first = min(int(self._first[column]) for column in columns)
                found[chart] = Span(max(first, start), max(int(self._last[column]) for column in columns))
        return found

    def read(self, series: Sequence[SeriesKey], after: int, before: int) -> Columns:
        """
        @return: The rows there are, raw (see L{netstream.db.overlay}).
        """
        column = np.array([self._columns.get(key, -1) for key in series], np.int32)
        lowest, highest = (after + 1) // SECONDS, before // SECONDS
        numbers = sorted(number for number in self.blocks if lowest <= number <= highest)
        return chained([self.blocks[number].get(column, after, before) for number in numbers], len(series))
