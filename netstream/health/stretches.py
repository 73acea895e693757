"""
Stretches of history: samples, and where there are none any more, coarser rows
in their place.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from attrs import frozen

from netstream.db.interfaces import Columns
from netstream.db.tier_rows import Aggregates
from netstream.model.samples import EMPTY, Float64s, Int64s


@frozen
class Coarse:
    """
    Seconds of which only coarser rows are left.

    @ivar first: The first of them.
    @ivar last: The last one.
    @ivar step: Seconds of a row; 0 if that is not known.
    """

    first: int
    last: int
    step: int


@frozen(eq=False)
class Stretch:
    """
    Some seconds of history.

    @ivar columns: Samples; of a coarser row its average, as if all of its
        samples had been that.
    @ivar least: The same with the minimum of a coarser row.
    @ivar most: The same with its maximum.
    @ivar coarse: Where there are coarser rows.
    """

    columns: Columns
    least: Float64s
    most: Float64s
    coarse: Sequence[Coarse] = ()

    @classmethod
    def exact(cls, columns: Columns) -> Stretch:
        """
        @return: One of samples.
        """
        return cls(columns, columns.values, columns.values)


def columns_of(times: Int64s, values: Float64s) -> Columns:
    """
    @return: Values with what is NaN marked as empty.
    """
    return Columns(times, values, np.where(np.isnan(values), EMPTY, 0).astype(np.uint8))


def coarse_of(times: Int64s, some: npt.NDArray[np.bool_], step: int) -> list[Coarse]:
    """
    @param some: Which of the seconds are meant.
    """
    chosen = times[some]
    return [Coarse(int(chosen[0]), int(chosen[-1]), step)] if len(chosen) else []


def spread(rows: Aggregates, step: int, every: Sequence[int], after: int, before: int) -> Stretch:
    """
    @param step: Seconds of a row.
    @param every: Seconds between the samples of each series.
    @param after: Rows are cut to the seconds after this one.
    @param before: And to those up to this one.
    @return: For each row, as many samples of each series as it was made of,
        the last one at its end.
    """
    between = np.minimum(np.asarray(every, np.int64), step)
    grid = int(np.gcd.reduce(between)) if len(between) else step
    back = np.arange(step - grid, -1, -grid)
    times = (rows.times[:, None] - back).ravel()
    # Which sample of its row, counted from the end, a second would be.
    place = np.where(back[:, None] % between == 0, back[:, None] // between, step)
    kept = (place[None, :, :] < np.asarray(rows.count)[:, None, :]).reshape(len(times), len(between))
    inside = (times > after) & (times <= before) & kept.any(axis=1)
    average, least, most = (
        np.where(kept, np.repeat(values, len(back), axis=0), np.nan)[inside]
        for values in (rows.averages(), rows.min, rows.max)
    )
    found = columns_of(times[inside], average)
    return Stretch(found, least, most, coarse_of(found.times, np.ones(len(found.times), np.bool_), step))


def joined(parts: Sequence[Stretch], width: int) -> Stretch:
    """
    @param parts: In order of time.
    @param width: How many series.
    """
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return Stretch.exact(columns_of(np.zeros(0, np.int64), np.zeros((0, width))))
    fields = (np.concatenate([getattr(part.columns, name) for part in parts]) for name in ("times", "values", "flags"))
    least, most = (np.concatenate([getattr(part, name) for part in parts]) for name in ("least", "most"))
    return Stretch(Columns(*fields), least, most, [each for part in parts for each in part.coarse])
