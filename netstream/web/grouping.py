"""
Many series as few: columns of the same rows, put together by groups.

Everything is done on whole columns, a part of the series at a time, so that
what is held does not grow with the number of nodes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from attrs import field, frozen

from netstream.model.samples import ANOMALOUS, RESET, Bytes, Float64s, Int64s

AGGREGATIONS = {
    "avg": "average",
    "average": "average",
    "sum": "sum",
    "min": "min",
    "max": "max",
    "percentage": "percentage",
    "extremes": "extremes",
}
"""How the values of a group become one: what it may be called, and what it is."""

EMPTY_POINT = 1
"""Note: the group has no value."""
RESET_POINT = 2
"""Note: a counter of the group was reset."""
PARTIAL_POINT = 4
"""Note: some series of the group that have values elsewhere have none here."""

Places = npt.NDArray[np.intp]
"""For each of several things, its place among others."""
Bools = npt.NDArray[np.bool_]


@frozen(eq=False)
class Grouped:
    """
    Rows of groups.

    @ivar values: float64 of shape (rows, groups); NaN where there is none.
    @ivar rates: The same shape: which part of its values is anomalous, from 0
        to 1.
    @ivar notes: uint8 of the same shape: L{EMPTY_POINT}, L{RESET_POINT} and
        L{PARTIAL_POINT}.
    @ivar counts: How many values each is made of.
    """

    values: Float64s
    rates: Float64s
    notes: Bytes
    counts: Int64s


def _runs(groups: Places) -> tuple[Places, Places]:
    """
    @return: The order in which columns of one group are neighbours, and where
        each group begins in it.
    """
    order = np.argsort(groups, kind="stable")
    ordered = groups[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    return order, starts


@frozen(eq=False)
class _Part:
    """
    What is added: of each series, or each group, at each row.
    """

    sums: Float64s
    counts: Int64s
    low: Float64s
    high: Float64s
    anomalous: Float64s | None
    resets: Bools | None
    members: Int64s


class Accumulation:
    """
    Rows of groups, to which series are added.
    """

    def __init__(self, rows: int, groups: int, totals: Places | None = None) -> None:
        """
        @param totals: For each group, the number of the total of which it is a
            share; L{None} if nobody asks.
        """
        shape = (rows, groups)
        self._sums: Float64s = np.zeros(shape)
        self._low: Float64s = np.full(shape, np.inf)
        self._high: Float64s = np.full(shape, -np.inf)
        self._counts: Int64s = np.zeros(shape, np.int64)
        self._anomalous: Float64s = np.zeros(shape)
        self._resets: Bools = np.zeros(shape, np.bool_)
        self._members: Int64s = np.zeros(groups, np.int64)
        self._totals = totals
        self._whole: Float64s = np.zeros((rows, int(totals.max()) + 1 if totals is not None and len(totals) else 0))

    def add(self, values: Float64s, rates: Float64s | None, resets: Bools | None, groups: Places) -> None:
        """
        Add series.

        @param values: float64 of shape (rows, series); NaN is no value.
        @param rates: Which part of each value is anomalous; L{None} is nothing.
        @param resets: Where a counter was reset; L{None} is nowhere.
        @param groups: The group of each series.
        """
        there = ~np.isnan(values)
        part = _Part(
            np.where(there, values, 0.0),
            there.astype(np.int64),
            np.where(there, values, np.inf),
            np.where(there, values, -np.inf),
            None if rates is None else np.where(there, rates, 0.0),
            resets,
            np.asarray(there.any(axis=0), np.int64),
        )
        self._absorb(part, groups)

    def _absorb(self, part: _Part, groups: Places) -> None:
        if not len(groups):
            return
        order, starts = _runs(groups)
        into = groups[order][starts]

        def folded(how: np.ufunc, what: npt.NDArray[Any]) -> npt.NDArray[Any]:
            found: npt.NDArray[Any] = how.reduceat(what[..., order], starts, axis=-1)
            return found

        self._sums[:, into] += folded(np.add, part.sums)
        self._counts[:, into] += folded(np.add, part.counts)
        self._low[:, into] = np.minimum(self._low[:, into], folded(np.minimum, part.low))
        self._high[:, into] = np.maximum(self._high[:, into], folded(np.maximum, part.high))
        if part.anomalous is not None:
            self._anomalous[:, into] += folded(np.add, part.anomalous)
        if part.resets is not None:
            self._resets[:, into] |= folded(np.logical_or, part.resets)
        self._members[into] += folded(np.add, part.members)

    def add_whole(self, values: Float64s, totals: Places) -> None:
        """
        Add series to the totals of which groups are shares.

        @param totals: The number of the total of each series.
        """
        if len(totals) and self._whole.shape[1]:
            order, starts = _runs(totals)
            self._whole[:, totals[order][starts]] += np.add.reduceat(np.nan_to_num(values[:, order]), starts, axis=1)

    def done(self, way: str) -> Grouped:
        """
        @param way: One of the values of L{AGGREGATIONS}.
        """
        none = self._counts == 0
        with np.errstate(all="ignore"):
            values = np.where(none, np.nan, self._made(way))
            rates = np.where(none, 0.0, self._anomalous / self._counts)
        notes = np.where(none, np.uint8(EMPTY_POINT), np.uint8(0))
        notes |= np.where(self._resets, np.uint8(RESET_POINT), np.uint8(0))
        notes |= np.where(~none & (self._counts < self._members), np.uint8(PARTIAL_POINT), np.uint8(0))
        return Grouped(values, rates, notes, self._counts)

    def _made(self, way: str) -> Float64s:
        if way == "average":
            return self._sums / self._counts
        if way == "min":
            return self._low
        if way == "max":
            return self._high
        if way == "extremes":
            return np.where(-self._low > self._high, self._low, self._high)
        if way == "percentage":
            whole = self._whole[:, self._totals]
            return np.where(self._sums == 0, 0.0, np.where(whole == 0, np.nan, self._sums * 100 / whole))
        return self._sums

    def merged(self, places: Places, groups: int) -> Accumulation:
        """
        Put groups together.

        @param places: The new number of each group.
        @param groups: How many there will be.
        """
        new = Accumulation(len(self._sums), groups)
        part = _Part(self._sums, self._counts, self._low, self._high, self._anomalous, self._resets, self._members)
        new._absorb(part, places)
        if self._totals is not None and len(places):
            shares = np.unique(np.stack((places, self._totals), axis=1), axis=0)
            _, starts = _runs(shares[:, 0])
            new._whole = np.add.reduceat(self._whole[:, shares[:, 1]], starts, axis=1)
            new._totals = np.arange(groups)
        return new


@frozen(eq=False)
class Statistics:
    """
    What can be said of the values of several columns, each of them.

    @ivar count: How many values.
    @ivar total: Their sum.
    @ivar low: The lowest; infinite if there is none.
    @ivar high: The highest.
    @ivar volume: The sum of what they are without their signs.
    @ivar anomalous: How many of them are anomalous.
    """

    count: Float64s = field(factory=lambda: np.zeros(0))
    total: Float64s = field(factory=lambda: np.zeros(0))
    low: Float64s = field(factory=lambda: np.zeros(0))
    high: Float64s = field(factory=lambda: np.zeros(0))
    volume: Float64s = field(factory=lambda: np.zeros(0))
    anomalous: Float64s = field(factory=lambda: np.zeros(0))

    @classmethod
    def of(cls, values: Float64s, rates: Float64s | None) -> Self:
        """
        @return: Those of each column.
        """
        there = ~np.isnan(values)
        zeroed = np.where(there, values, 0.0)
        width = values.shape[1]
        return cls(
            there.sum(axis=0).astype(float),
            zeroed.sum(axis=0),
            np.where(there, values, np.inf).min(axis=0, initial=np.inf),
            np.where(there, values, -np.inf).max(axis=0, initial=-np.inf),
            np.abs(zeroed).sum(axis=0),
            np.zeros(width) if rates is None else np.where(there, rates, 0.0).sum(axis=0),
        )

    @classmethod
    def together(cls, parts: Sequence[Statistics]) -> Self:
        """
        @return: Those of several, one behind the other.
        """
        names = ("count", "total", "low", "high", "volume", "anomalous")
        return cls(*(np.concatenate([np.zeros(0), *(getattr(part, name) for part in parts)]) for name in names))

    def folded(self, places: Places, count: int) -> Statistics:
        """
        @param places: For each column, which it belongs to.
        @param count: How many there are to belong to.
        @return: Those of all columns that belong together.
        """

        def added(each: Float64s) -> Float64s:
            return np.bincount(places, each, count).astype(np.float64)

        low, high = np.full(count, np.inf), np.full(count, -np.inf)
        np.minimum.at(low, places, self.low)
        np.maximum.at(high, places, self.high)
        return Statistics(added(self.count), added(self.total), low, high, added(self.volume), added(self.anomalous))

    def at(self, places: Places) -> Statistics:
        """
        @return: Those of some columns.
        """
        return Statistics(
            self.count[places],
            self.total[places],
            self.low[places],
            self.high[places],
            self.volume[places],
            self.anomalous[places],
        )

    def said(self) -> dict[str, Float64s]:
        """
        @return: By column, what an answer says: lowest, highest, average,
            percent that are anomalous, percent of the volume of all.
        """
        none = self.count == 0
        whole = float(self.volume.sum())
        with np.errstate(all="ignore"):
            return {
                "min": np.where(none, np.nan, self.low),
                "max": np.where(none, np.nan, self.high),
                "avg": np.where(none, np.nan, self.total / self.count),
                "arp": np.where(none, 0.0, 100 * self.anomalous / self.count),
                "con": 100 * self.volume / whole if whole else np.zeros(len(none)),
            }


def rates_of(flags: Bytes) -> Float64s | None:
    """
    @param flags: As in L{netstream.model.samples}.
    @return: 1 where a value is anomalous; L{None} if none is.
    """
    anomalous = (flags & ANOMALOUS) != 0
    return anomalous.astype(float) if anomalous.any() else None


def resets_of(flags: Bytes) -> Bools | None:
    """
    @return: Where a counter was reset; L{None} if nowhere.
    """
    resets: Bools = (flags & RESET) != 0
    return resets if resets.any() else None
