"""
Samples into the sums and counts of a stretch of time.
"""

import numpy as np
import numpy.typing as npt

COMPILED = not __file__.endswith(".py")

EMPTY = 4
"""The flag of a sample that is a gap."""

Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
Float64s = npt.NDArray[np.float64]
Bytes = npt.NDArray[np.uint8]


def gather(
    sums: Float64s,
    counts: Int64s,
    series: Int32s,
    time: Int64s,
    value: Float64s,
    flags: Bytes,
    start: int,
    after: int,
    before: int,
) -> int:
    """
    Add samples until one comes that is not of the stretch.  Gaps are passed
    over.

    @param sums: float64 by series.
    @param counts: int64 by series: how many samples are in its sum.
    @param series: int32 by sample.
    @param time: int64 by sample: its second.
    @param value: float64 by sample.
    @param flags: uint8 by sample.
    @param start: The first sample to look at.
    @param after: Second before the stretch.
    @param before: Last second of the stretch.
    @return: Number of the sample that is not, or how many samples there are.
    @raise ValueError: Columns are not of equal length, or a series is not in
        them; then some samples may have been added.
    """
    if COMPILED:
        return _one_by_one(sums, counts, series, time, value, flags, start, after, before)
    return _together(sums, counts, series, time, value, flags, start, after, before)


def _one_by_one(
    sums: Float64s,
    counts: Int64s,
    series: Int32s,
    time: Int64s,
    value: Float64s,
    flags: Bytes,
    start: int,
    after: int,
    before: int,
) -> int:
    """
    The compiled way.
    """
    known = sums.shape[0]
    count = series.shape[0]
    if counts.shape[0] != known or time.shape[0] != count or value.shape[0] != count or flags.shape[0] != count:
        raise ValueError("columns of unequal length")
    if start < 0:
        raise ValueError("a sample that is not there")
    for i in range(start, count):
        if time[i] > before or time[i] <= after:
            return i
        number = series[i]
        if number < 0 or number >= known:
            raise ValueError("a series that is not in the columns")
        number_value = value[i]
        if not flags[i] & 4 and number_value == number_value:
            sums[number] += number_value
            counts[number] += 1
    return int(count)


def _together(
    sums: Float64s,
    counts: Int64s,
    series: Int32s,
    time: Int64s,
    value: Float64s,
    flags: Bytes,
    start: int,
    after: int,
    before: int,
) -> int:
    """
    The way without a compiler.
    """
    count = len(series)
    if len(counts) != len(sums) or not len(time) == len(value) == len(flags) == count:
        raise ValueError("columns of unequal length")
    if start < 0:
        raise ValueError("a sample that is not there")
    others = np.flatnonzero((time[start:] > before) | (time[start:] <= after))
    end = start + int(others[0]) if len(others) else count
    part = slice(start, end)
    if end > start and not (int(series[part].min()) >= 0 and int(series[part].max()) < len(sums)):
        raise ValueError("a series that is not in the columns")
    taken = np.flatnonzero(((flags[part] & EMPTY) == 0) & ~np.isnan(value[part])) + start
    np.add.at(sums, series[taken], value[taken])
    np.add.at(counts, series[taken], 1)
    return max(end, start) if start < count else count
