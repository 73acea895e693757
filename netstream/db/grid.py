"""
The samples of one node in memory: seconds by series, sparse in time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from weakref import WeakKeyDictionary

import numpy as np

from netstream.db.interfaces import Columns, SeriesKey, Span
from netstream.model.samples import EMPTY, Bytes, Float64s, Int32s, Int64s, SampleBatch, SeriesTable

SECONDS = 64
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
        NaN where there is no sample.
    @ivar flags: uint8 of the same shape; L{None} as long as every sample is an
        ordinary one, which is how it nearly always is.
    """

    __slots__ = ("_row", "_used", "flags", "start", "values")

    def __init__(self, start: int, width: int) -> None:
        self.start = start
        self.values: Float64s = np.full((_FIRST_ROWS, width), np.nan)
        self.flags: Bytes | None = None
        self._row = np.full(SECONDS, -1, np.int8)
        self._used = 0

    @property
    def nbytes(self) -> int:
        """
        Bytes of its arrays.
        """
        return self.values.nbytes + (0 if self.flags is None else self.flags.nbytes) + self._row.nbytes

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
        rows = self._row[offset]
        if rows.min() < 0:
            new = np.unique(offset[rows < 0])
            self._row[new] = np.arange(self._used, self._used + len(new), dtype=np.int8)
            self._used += len(new)
            rows = self._row[offset]
        self._fit(self._used, width)
        self.values[rows, column] = value
        if flags is not None and self.flags is None:
            self.flags = np.zeros(self.values.shape, np.uint8)
        if self.flags is not None:
            self.flags[rows, column] = 0 if flags is None else flags

    def get(self, column: Int32s, after: int, before: int) -> Columns:
        """
        @param column: Columns wanted; -1 and columns it has not are empty.
        @return: The rows after C{after} up to C{before} that it has made,
            oldest first, whether they hold anything or not.
        """
        lowest = max(0, after + 1 - self.start)
        highest = max(lowest, min(SECONDS, before + 1 - self.start))
        rows = self._row[lowest:highest]
        offset = np.flatnonzero(rows >= 0)
        rows = rows[offset]
        values = np.full((len(rows), len(column)), np.nan)
        flags = np.zeros(values.shape, np.uint8)
        here = np.flatnonzero((column >= 0) & (column < self.values.shape[1]))
        values[:, here] = self.values[np.ix_(rows, column[here])]
        if self.flags is not None:
            flags[:, here] = self.flags[np.ix_(rows, column[here])]
        flags[np.isnan(values)] = EMPTY
        return Columns(offset + (self.start + lowest), values, flags)

    def erase(self, column: Int32s) -> None:
        """
        Empty columns.
        """
        column = column[column < self.values.shape[1]]
        self.values[:, column] = np.nan
        if self.flags is not None:
            self.flags[:, column] = 0

    def count(self) -> int:
        """
        @return: Samples it holds.
        """
        return int(np.count_nonzero(~np.isnan(self.values)))


class Grid:
    """
    The samples of one node, in blocks of seconds, and which column belongs to
    which series.

    @ivar blocks: By number, which is the second divided by L{SECONDS}.
    @ivar samples: How many were written.
    """

    def __init__(self) -> None:
        self.blocks: dict[int, Block] = {}
        self.samples = 0
        self._columns: dict[SeriesKey, int] = {}
        self._free: list[int] = []
        self._width = 0
        self._first: Int64s = np.zeros(0, np.int64)
        self._last: Int64s = np.zeros(0, np.int64)
        self._tables: WeakKeyDictionary[SeriesTable, Int32s] = WeakKeyDictionary()

    def __len__(self) -> int:
        """
        @return: Series that it knows.
        """
        return len(self._columns)

    @property
    def newest(self) -> int:
        """
        The last second it was given; 0 if there is none.
        """
        return int(self._last.max(initial=0))

    @property
    def nbytes(self) -> int:
        """
        Bytes of its arrays.
        """
        return sum(b.nbytes for b in self.blocks.values()) + self._first.nbytes * 2

    def keys(self) -> Mapping[SeriesKey, int]:
        """
        @return: The column of each series.
        """
        return self._columns

    def column(self, key: SeriesKey) -> int:
        """
        @return: The column of a series, which it gets now if it had none.
        """
        column = self._columns.get(key)
        if column is None:
            if self._free:
                column = self._free.pop()
            else:
                column = self._width
                self._width += 1
                if self._width > len(self._first):
                    more = max(16, len(self._first) // 2)
                    self._first = np.concatenate((self._first, np.full(more, _NEVER)))
                    self._last = np.concatenate((self._last, np.zeros(more, np.int64)))
            self._columns[key] = column
        return column

    def _columns_of(self, table: SeriesTable) -> Int32s:
        known = self._tables.get(table)
        if known is None or len(known) < len(table):
            start = 0 if known is None else len(known)
            new = [self.column(table[number]) for number in range(start, len(table))]
            added = np.array(new, np.int32)
            known = added if known is None else np.concatenate((known, added))
            self._tables[table] = known
        return known

    def append(self, batch: SampleBatch, oldest: int = 0) -> None:
        """
        Write samples.

        @param oldest: What is older than this second is not kept.
        """
        if not len(batch):
            return
        column = self._columns_of(batch.table)[batch.series]
        self.write(column, batch.time, batch.value, batch.flags, oldest)

    def write(self, column: Int32s, time: Int64s, value: Float64s, flags: Bytes, oldest: int = 0) -> None:
        """
        Write samples whose columns are known already.

        @param column: What L{column} gave for their series.
        """
        if oldest and int(time.min()) < oldest:
            keep = time >= oldest
            column, time, value, flags = column[keep], time[keep], value[keep], flags[keep]
            if not len(time):
                return
        odd: Bytes | None = flags
        if flags.any():
            value = np.where(flags & EMPTY, np.nan, value)
        else:
            odd = None
        self.samples += len(time)
        np.minimum.at(self._first, column, time)
        np.maximum.at(self._last, column, time)
        numbers = time // SECONDS
        lowest = int(numbers.min())
        if lowest == int(numbers.max()):
            self._block(lowest).put(self._width, time - lowest * SECONDS, column, value, odd)
            return
        for number in np.unique(numbers).tolist():
            mine = numbers == number
            self._block(number).put(
                self._width,
                time[mine] - number * SECONDS,
                column[mine],
                value[mine],
                None if odd is None else odd[mine],
            )

    def _block(self, number: int) -> Block:
        block = self.blocks.get(number)
        if block is None:
            block = self.blocks[number] = Block(number * SECONDS, self._width)
        return block

    def trim(self, oldest: int) -> None:
        """
        Drop the blocks that end before a second.
        """
        for number in [n for n in self.blocks if (n + 1) * SECONDS <= oldest]:
            del self.blocks[number]

    def bounds(self) -> Mapping[str, Span]:
        """
        @return: The oldest and newest second of each chart, gaps that were
            written included.
        """
        if not self.blocks:
            return {}
        start = min(self.blocks) * SECONDS
        found: dict[str, Span] = {}
        for (chart, _), column in self._columns.items():
            first, last = max(start, int(self._first[column])), int(self._last[column])
            if first > last:
                continue
            seen = found.get(chart)
            found[chart] = Span(min(first, seen.first), max(last, seen.last)) if seen else Span(first, last)
        return found

    def read(self, series: Sequence[SeriesKey], after: int, before: int) -> Columns:
        """
        @return: What was written, in rows that have at least one sample.
        """
        column = np.array([self._columns.get(key, -1) for key in series], np.int32)
        return joined([block.get(column, after, before) for block in self._between(after, before)], len(series))

    def _between(self, after: int, before: int) -> Iterator[Block]:
        for number in sorted(n for n in self.blocks if (after + 1) // SECONDS <= n <= before // SECONDS):
            yield self.blocks[number]

    def forget(self, chart: str) -> None:
        """
        Remove the series of a chart with their samples.
        """
        gone = {key: column for key, column in self._columns.items() if key[0] == chart}
        if not gone:
            return
        columns = np.array(list(gone.values()), np.int32)
        for block in self.blocks.values():
            block.erase(columns)
        self._first[columns] = _NEVER
        self._last[columns] = 0
        for key in gone:
            del self._columns[key]
        self._free.extend(columns.tolist())
        self._tables = WeakKeyDictionary()


def joined(parts: Sequence[Columns], series: int) -> Columns:
    """
    Put parts one after another and leave out the rows without a sample.

    @param parts: In order of time and without a second in common.
    """
    parts = [part for part in parts if len(part.times)]
    if not parts:
        return Columns(np.zeros(0, np.int64), np.zeros((0, series)), np.full((0, series), EMPTY, np.uint8))
    values = np.concatenate([part.values for part in parts])
    some = ~np.isnan(values).all(axis=1)
    return Columns(
        np.concatenate([part.times for part in parts])[some],
        values[some],
        np.concatenate([part.flags for part in parts])[some],
    )
