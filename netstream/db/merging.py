"""
Time aggregation by parts: of each row of a window so little is kept that
samples, and rows of tiers that stand for many of them, can be added bit by bit.

That is possible for the sum, the average, and for what is nearest to zero or
farthest from it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from netstream.db.interfaces import Columns, Window
from netstream.db.tier_rows import Aggregates, Counts
from netstream.model.samples import ANOMALOUS, EMPTY, RESET, Bytes, Float64s, Int64s

Mask = npt.NDArray[np.bool_]
Rows = slice | npt.NDArray[np.intp]
"""Rows of a window, as an index of numpy."""

NOTED = np.uint8(ANOMALOUS | RESET)
"""Flags that a row has if one of its samples has them."""


def as_answered(raw: Columns) -> Columns:
    """
    @return: Raw rows, each of which is a row of an answer.
    """
    empty = np.isnan(raw.values)
    return Columns(raw.times, raw.values + 0.0, np.where(empty, np.uint8(EMPTY), raw.flags & NOTED))


class Groups:
    """
    Which of some times belong to which row of a window.

    @ivar inside: The times that belong to any.
    @ivar starts: Index of the first time of each row that has any, within
        those inside.
    @ivar counts: How many times each of these rows has.
    @ivar rows: Which rows these are.
    @ivar single: Whether each has one time.
    """

    def __init__(self, times: Int64s, window: Window) -> None:
        """
        @param times: Ascending seconds.
        """
        places = _places(times, window)
        lowest, highest = int(places[0]), int(places[-1])
        self.inside = slice(lowest, highest)
        counts = np.diff(places)
        used = np.flatnonzero(counts)
        self.rows: Rows = used
        if len(used) and used[-1] - used[0] == len(used) - 1:
            self.rows = slice(int(used[0]), int(used[-1]) + 1)
        self.counts = counts[used]
        self.starts = places[:-1][used] - lowest
        self.single = highest - lowest == len(used)

    def __len__(self) -> int:
        return len(self.starts)

    def reduced(self, reduce: np.ufunc, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """
        @param values: Of the times inside, by series.
        @return: One row for each row that has any.
        """
        if self.single:
            return values
        found: npt.NDArray[Any] = reduce.reduceat(values, self.starts, axis=0)
        return found


def _places(times: Int64s, window: Window) -> npt.NDArray[np.intp]:
    """
    @return: How many of the times are not after each of the seconds between
        the rows of the window, its ends included.
    """
    edges = window.after + window.step * np.arange(len(window) + 1, dtype=np.int64)
    if not len(times):
        return np.zeros(len(edges), np.intp)
    first = int(times[0])
    if int(times[-1]) - first == len(times) - 1:  # each second
        return np.clip(edges - (first - 1), 0, len(times)).astype(np.intp)
    return np.searchsorted(times, edges, "right")


class Merging:
    """
    What is known so far of the rows of a window.

    What is added may come in any order, but a sample only once.
    """

    def __init__(self, window: Window, series: int) -> None:
        self._window = window
        self._flags: Bytes = np.zeros((len(window), series), np.uint8)

    def add(self, columns: Columns) -> None:
        """
        @param columns: Samples, raw; those outside of the window do not count.
        """
        groups = Groups(columns.times, self._window)
        if not len(groups):
            return
        flags = columns.flags[groups.inside]
        if flags.max(initial=0):
            self._flags[groups.rows] |= groups.reduced(np.bitwise_or, flags & NOTED)
        with np.errstate(all="ignore"):
            self._samples(groups, columns.values[groups.inside])

    def add_rows(self, rows: Aggregates) -> None:
        """
        @param rows: Rows of a tier, each within one row of the window; others
            are outside of it and do not count.
        """
        groups = Groups(rows.times, self._window)
        if not len(groups):
            return
        rows = rows.part(groups.inside)
        anomalous = groups.reduced(np.add, rows.anomalous) > 0
        if anomalous.any():
            self._flags[groups.rows] |= anomalous.astype(np.uint8) * np.uint8(ANOMALOUS)
        with np.errstate(all="ignore"):
            self._aggregates(groups, rows)

    def unsure(self, rows: Aggregates) -> Mask:
        """
        @return: Which rows of a tier say too little of their samples.
        """
        return np.zeros(len(rows), np.bool_)

    def doubtful(self) -> Mask:
        """
        @return: Of which rows of the window the values have to be seen one
            after the other.
        """
        return np.zeros(len(self._window), np.bool_)

    def done(self) -> Columns:
        """
        @return: The rows of the window.
        """
        window = self._window
        times = window.after + window.step * np.arange(1, len(window) + 1, dtype=np.int64)
        with np.errstate(all="ignore"):
            values = self._values()
        return Columns(times, values, np.where(np.isnan(values), np.uint8(EMPTY), self._flags))

    def _samples(self, groups: Groups, values: Float64s) -> None:
        raise NotImplementedError

    def _aggregates(self, groups: Groups, rows: Aggregates) -> None:
        raise NotImplementedError

    def _values(self) -> Float64s:
        raise NotImplementedError


class Sum(Merging):
    """
    The sum of the samples.
    """

    def __init__(self, window: Window, series: int) -> None:
        super().__init__(window, series)
        self._sum: Float64s = np.zeros((len(window), series))
        self._count: Counts = np.zeros((len(window), series))

    def _samples(self, groups: Groups, values: Float64s) -> None:
        total = groups.reduced(np.add, values)
        if np.isnan(total).any():
            there = ~np.isnan(values)
            total = groups.reduced(np.add, np.where(there, values, 0.0))
            self._count[groups.rows] += groups.reduced(np.add, there.astype(np.int64))
        else:
            self._count[groups.rows] += groups.counts[:, None]
        self._sum[groups.rows] += total

    def _aggregates(self, groups: Groups, rows: Aggregates) -> None:
        count = rows.count
        total = groups.reduced(np.add, rows.sum)
        if not np.isfinite(total).all():
            total = groups.reduced(np.add, np.where(count > 0, rows.sum, 0.0))
        wide = count if count.dtype.kind == "f" else count.astype(np.int64)
        self._count[groups.rows] += groups.reduced(np.add, wide)
        self._sum[groups.rows] += total

    def _values(self) -> Float64s:
        self._sum[self._count == 0] = np.nan
        return self._sum


class Average(Sum):
    """
    The mean of the samples.
    """

    def _values(self) -> Float64s:
        return super()._values() / self._count


class Extreme(Merging):
    """
    What decides on the sample that is farthest from zero: the least and the
    greatest.
    """

    def __init__(self, window: Window, series: int) -> None:
        super().__init__(window, series)
        self._low: Float64s = np.full((len(window), series), np.nan)
        self._high: Float64s = np.full((len(window), series), np.nan)

    def _samples(self, groups: Groups, values: Float64s) -> None:
        self._merge(groups, values, values)

    def _aggregates(self, groups: Groups, rows: Aggregates) -> None:
        low, high = _present(rows)
        self._merge(groups, low, high)

    def _merge(self, groups: Groups, low: Float64s, high: Float64s) -> None:
        _keep(np.minimum, np.fmin, groups, low, self._low)
        _keep(np.maximum, np.fmax, groups, high, self._high)

    def doubtful(self) -> Mask:
        """
        What is as far from zero on either side is taken from where it comes
        first.
        """
        with np.errstate(all="ignore"):
            found: Mask = np.logical_or.reduce((self._low == -self._high) & (self._high != 0), axis=1)
        return found

    def _values(self) -> Float64s:
        return np.where(-self._low > self._high, self._low, self._high)


class Nearest(Merging):
    """
    What decides on the sample that is nearest to zero: the nearest of those
    below zero and the nearest of the others.
    """

    def __init__(self, window: Window, series: int) -> None:
        super().__init__(window, series)
        self._below: Float64s = np.full((len(window), series), np.nan)
        self._above: Float64s = np.full((len(window), series), np.nan)

    def _samples(self, groups: Groups, values: Float64s) -> None:
        if np.fmin.reduce(values, axis=None, initial=0.0) < 0:
            _keep(np.fmax, np.fmax, groups, np.where(values < 0, values, np.nan), self._below)
            values = np.where(values >= 0, values, np.nan)
        _keep(np.minimum, np.fmin, groups, values, self._above)

    def _aggregates(self, groups: Groups, rows: Aggregates) -> None:
        low, high = _present(rows)
        if np.fmin.reduce(low, axis=None, initial=0.0) < 0:
            # Where there are both signs, both ends are candidates; more is not known.
            _keep(np.fmax, np.fmax, groups, np.where(high < 0, high, np.where(low < 0, low, np.nan)), self._below)
            low = np.where(low >= 0, low, np.where(high >= 0, high, np.nan))
        _keep(np.minimum, np.fmin, groups, low, self._above)

    def unsure(self, rows: Aggregates) -> Mask:
        """
        A row with samples on both sides of zero does not tell which of them
        are close to it.
        """
        low, high = _present(rows)
        if np.fmin.reduce(low, axis=None, initial=0.0) >= 0:
            return super().unsure(rows)
        found: Mask = np.logical_or.reduce((low < 0) & (high > 0), axis=1)
        return found

    def doubtful(self) -> Mask:
        """
        What is as close to zero on either side is taken from where it comes
        first.
        """
        with np.errstate(all="ignore"):
            found: Mask = np.logical_or.reduce(self._below == -self._above, axis=1)
        return found

    def _values(self) -> Float64s:
        below, above = self._below, self._above
        return np.where(np.isnan(above) | (-below < above), below, above)


def _present(rows: Aggregates) -> tuple[Float64s, Float64s]:
    """
    @return: The least and the greatest of each row, NaN where there is none.
    """
    nothing = rows.count == 0
    if not nothing.any():
        return rows.min, rows.max
    return np.where(nothing, np.nan, rows.min), np.where(nothing, np.nan, rows.max)


def _keep(reduce: np.ufunc, careful: np.ufunc, groups: Groups, values: Float64s, known: Float64s) -> None:
    """
    Bring in values.

    @param reduce: What makes one value of several, and NaN where one is NaN.
    @param careful: The same, but past what is NaN.
    @param known: Changed in place.
    """
    found = groups.reduced(reduce, values)
    if reduce is not careful and np.isnan(found).any():
        found = groups.reduced(careful, values)
    known[groups.rows] = careful(known[groups.rows], found)


MERGING: dict[str, Callable[[Window, int], Merging]] = {
    "average": Average,
    "avg": Average,
    "mean": Average,
    "sum": Sum,
    "min": Nearest,
    "max": Extreme,
    "extremes": Extreme,
}
"""Methods that can be made by parts."""
