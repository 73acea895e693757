"""
Rows of a tier: what is left of the samples of a minute or an hour.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from attrs import frozen

from netstream.db.interfaces import Window
from netstream.model.samples import Float64s, Int64s

Counts = npt.NDArray[Any]
"""Numbers of samples: of any integer type as they are stored, float64 where a
row was cut."""


@frozen(eq=False)
class Aggregates:
    """
    Rows of one tier, each about the samples of a fixed number of seconds.

    Where C{count} is 0, the other fields mean nothing.

    @ivar times: int64 of shape (rows,), ascending: the second at which each
        row ends.
    @ivar sum: float64 of shape (rows, series): the sum of the samples.
    @ivar min: The least of them.
    @ivar max: The greatest of them.
    @ivar count: How many there are; gaps do not count.
    @ivar anomalous: How many of them are anomalous.
    """

    times: Int64s
    sum: Float64s
    min: Float64s
    max: Float64s
    count: Counts
    anomalous: Counts

    def __len__(self) -> int:
        return len(self.times)

    def part(self, rows: slice) -> Aggregates:
        """
        @return: Some rows that follow each other.
        """
        return Aggregates(
            self.times[rows], self.sum[rows], self.min[rows], self.max[rows], self.count[rows], self.anomalous[rows]
        )

    def taken(self, some: npt.NDArray[np.bool_]) -> Aggregates:
        """
        @param some: Whether to take each of the rows.
        """
        rows = np.flatnonzero(some)
        fields = (self.sum, self.min, self.max, self.count, self.anomalous)
        return Aggregates(self.times[rows], *(np.take(each, rows, axis=0) for each in fields))

    def averages(self) -> Float64s:
        """
        @return: The mean of the samples of each row; NaN where there are none.
        """
        there = self.count > 0
        found: Float64s = np.full(self.sum.shape, np.nan)
        with np.errstate(all="ignore"):
            np.divide(self.sum, self.count, out=found, where=there)
        return found


def straddling(rows: Aggregates, step: int, window: Window) -> npt.NDArray[np.bool_]:
    """
    @param step: Seconds of a row of the tier.
    @return: Which rows lie in more than one row of the window.
    """
    behind = rows.times - (window.after + 1)
    found: npt.NDArray[np.bool_] = behind // window.step != (behind - (step - 1)) // window.step
    return found


def cut(rows: Aggregates, step: int, window: Window) -> Aggregates:
    """
    Cut rows where rows of a window end, as if their samples had all been
    alike and spread evenly.

    @param step: Seconds of a row of the tier.
    @return: Rows that lie in one row of the window each and within it; their
        sums and counts are shares.
    """
    inside = (rows.times > window.after) & (rows.times - step < window.before)
    wide = straddling(rows, step, window)
    if inside.all() and not wide.any():
        return rows
    first = np.maximum((rows.times - step - window.after) // window.step, 0)
    last = np.minimum((rows.times - window.after - 1) // window.step, len(window) - 1)
    pieces = np.where(inside, last - first + 1, 0)
    row = np.repeat(np.arange(len(rows)), pieces)
    group = first[row] + np.arange(len(row)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    start = np.maximum(rows.times[row] - step, window.after + group * window.step)
    times = np.minimum(rows.times[row], window.after + (group + 1) * window.step)
    share = ((times - start) / step)[:, None]
    return Aggregates(
        times, rows.sum[row] * share, rows.min[row], rows.max[row], rows.count[row] * share, rows.anomalous[row] * share
    )
