"""
The series of a node in the disk engine: their numbers, what row groups have of
them, and where they are in hot pages.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from weakref import ref

import numpy as np
from attrs import define, field, frozen

from netstream.db.dbengine.pages import Block
from netstream.db.interfaces import SeriesKey, Span
from netstream.model.samples import Int32s, Int64s

_NEVER = np.iinfo(np.int64).max
_MOST_SEATS = 16
_NONE: Int32s = np.zeros(0, np.int32)


@frozen(eq=False)
class Seat:
    """
    Where some series are in one block.

    @ivar block: It may be gone.
    @ivar changes: Those of the block by which that is known.
    @ivar columns: int32 by series; -1 for those that have none there.
    @ivar whole: Whether all have one.
    """

    block: ref[Block]
    changes: int
    columns: Int32s
    whole: bool


@define(eq=False)
class Seats:
    """
    Where some series are, by block.

    @ivar numbers: int32: the series; -1 is none.
    """

    numbers: Int32s
    _known: dict[int, Seat] = field(factory=dict)

    def of(self, block: Block) -> Seat:
        """
        @return: Where they are in a block now.
        """
        seat = self._known.get(id(block))
        if seat is None or seat.changes != block.changes or seat.block() is not block:
            if len(self._known) >= _MOST_SEATS:
                self._known.clear()
            changes, columns = block.changes, block.columns(self.numbers)
            whole = bool(len(columns)) and int(columns.min()) >= 0
            seat = self._known[id(block)] = Seat(ref(block), changes, columns, whole)
        return seat


@define(eq=False)
class StoredSeries:
    """
    The series of one chart.

    @ivar chart: Its id.
    @ivar index: Counts the charts of the node.
    @ivar numbers: Number by dimension.
    """

    chart: str
    index: int
    numbers: dict[str, int] = field(factory=dict)
    _seats: Seats | None = None

    def set(self, dimension: str, number: int) -> None:
        """
        Take a number as that of a dimension.
        """
        self.numbers[dimension] = number
        self._seats = None

    @property
    def seats(self) -> Seats:
        """
        Where all of them are.
        """
        seats = self._seats
        if seats is None:
            seats = self._seats = Seats(np.array(list(self.numbers.values()), np.int32))
        return seats


class SeriesNumbers:
    """
    The numbers that the series of a node have for ever.

    @ivar next: For the next new series.
    @ivar count: How many series there are.
    @ivar charts: By id.
    @ivar first: int64 by index of chart: oldest second in row groups.
    @ivar last: int64 by index of chart: newest one; 0 if there is none.
    """

    def __init__(self) -> None:
        self.next = 0
        self.count = 0
        self.charts: dict[str, StoredSeries] = {}
        self._order: list[StoredSeries | None] = []
        self._chart_of: Int32s = _NONE
        self.first: Int64s = np.zeros(0, np.int64)
        self.last: Int64s = np.zeros(0, np.int64)

    def find(self, key: SeriesKey) -> int:
        """
        @return: The number of a series; -1 if it has none.
        """
        known = self.charts.get(key[0])
        return -1 if known is None else known.numbers.get(key[1], -1)

    def seats(self, keys: Iterable[SeriesKey]) -> Seats:
        """
        @return: Where some series are.
        """
        return Seats(np.array([self.find(key) for key in keys], np.int32))

    def set(self, key: SeriesKey, number: int) -> None:
        """
        Take a number as that of a series.
        """
        known = self.chart(key[0])
        self.count += key[1] not in known.numbers
        known.set(key[1], number)
        if number >= len(self._chart_of):
            more = np.full(max(64, number + 1 - len(self._chart_of), len(self._chart_of) // 2), -1, np.int32)
            self._chart_of = np.concatenate((self._chart_of, more))
        self._chart_of[number] = known.index
        self.next = max(self.next, number + 1)

    def chart(self, chart: str) -> StoredSeries:
        """
        @return: A chart, which is known from now on.
        """
        known = self.charts.get(chart)
        if known is None:
            known = self.charts[chart] = StoredSeries(chart, len(self._order))
            self._order.append(known)
            if known.index >= len(self.first):
                more = max(16, len(self.first) // 2)
                self.first = np.concatenate((self.first, np.full(more, _NEVER)))
                self.last = np.concatenate((self.last, np.zeros(more, np.int64)))
        return known

    def unknown(self, numbers: Int32s) -> Int32s:
        """
        @param numbers: Of series; -1 is none.
        @return: int32: those that have no name.
        """
        numbers = numbers[numbers >= 0]
        inside = numbers < len(self._chart_of)
        named = np.zeros(len(numbers), np.bool_)
        named[inside] = self._chart_of[numbers[inside]] >= 0
        return numbers[~named]

    def forget(self, chart: str) -> Int32s:
        """
        @return: The numbers of the series of a chart, which is known no more.
        """
        known = self.charts.pop(chart, None)
        if known is None:
            return _NONE
        self.count -= len(known.numbers)
        self._order[known.index] = None
        numbers = np.array(list(known.numbers.values()), np.int32)
        self._chart_of[numbers] = -1
        return numbers

    def widen(self, span: Mapping[str, Span]) -> None:
        """
        Row groups have these seconds of charts from now on.
        """
        for chart, seconds in span.items():
            index = self.chart(chart).index
            self.first[index] = min(self.first[index], seconds.first)
            self.last[index] = max(self.last[index], seconds.last)

    def spans(
        self, blocks: Iterable[Block], sealed: bool, oldest: int = 0, charts: Iterable[str] | None = None
    ) -> dict[str, Span]:
        """
        @param sealed: Whether what row groups have counts as well.
        @param oldest: What is older than this second does not count.
        @param charts: Those that are meant; L{None} is all.
        @return: Oldest and newest second of each chart that has any.
        """
        count = len(self._order)
        first = self.first[:count].copy() if sealed else np.full(count, _NEVER)
        last = self.last[:count].copy() if sealed else np.zeros(count, np.int64)
        for block in blocks:
            numbers = block.numbers
            if not len(numbers) or not len(self._chart_of):
                continue
            chart = np.where(numbers >= 0, self._chart_of[numbers], -1)
            some = np.flatnonzero((chart >= 0) & (block.highest[: block.used] >= 0))
            start, step = block.page.start, block.page.step
            np.minimum.at(first, chart[some], start + step * block.lowest[some].astype(np.int64))
            np.maximum.at(last, chart[some], start + step * block.highest[some].astype(np.int64))
        first = np.maximum(first, oldest)
        some = np.flatnonzero((last >= first) & (last > 0))
        if charts is not None:
            meant = [known.index for known in map(self.charts.get, charts) if known is not None]
            some = np.intersect1d(some, np.array(meant, np.intp))
        found = {}
        for index, begin, end in zip(some.tolist(), first[some].tolist(), last[some].tolist(), strict=True):
            known = self._order[index]
            if known is not None:
                found[known.chart] = Span(begin, end)
        return found

    def span(self, chart: str, blocks: Iterable[Block], oldest: int) -> Span | None:
        """
        @return: As L{spans}, of one chart, whatever else there is.
        """
        known = self.charts.get(chart)
        if known is None:
            return None
        first, last = self.first.item(known.index), self.last.item(known.index)
        for block in blocks:
            low, high = block.reach(known.seats.of(block).columns)
            if high >= 0:
                start, step = block.page.start, block.page.step
                first = min(first, start + step * low)
                last = max(last, start + step * high)
        first = max(first, oldest)
        return Span(first, last) if 0 < last >= first else None
