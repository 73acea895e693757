"""
Samples into the columns of newest samples.
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


def renew(
    times: Int64s,
    values: Float64s,
    integers: Int64s,
    series: Int32s,
    time: Int64s,
    collected: Int64s,
    value: Float64s,
    flags: Bytes,
) -> None:
    """
    Keep the newest sample of each series; of those of one second, the last.

    @param times: int64 by series: second of the newest sample.
    @param values: float64 by series: its value; NaN if it is a gap.
    @param integers: int64 by series: its collected integer.
    @param series: int32 by sample.
    @param time: int64 by sample: its second.
    @param collected: int64 by sample.
    @param value: float64 by sample.
    @param flags: uint8 by sample.
    @raise ValueError: Columns are not of equal length, or a series is not in
        them; then some samples may have been kept.
    """
    if COMPILED:
        _one_by_one(times, values, integers, series, time, collected, value, flags)
    else:
        _together(times, values, integers, series, time, collected, value, flags)


def newest(time: Int64s) -> int:
    """
    @param time: int64, one or more.
    @return: The highest.
    """
    return _highest(time) if COMPILED else int(time.max())


def _highest(time: Int64s) -> int:
    """
    The compiled way, which takes a fraction of numpy's where they are few.
    """
    last = time[0]
    for i in range(time.shape[0]):
        if time[i] > last:
            last = time[i]
    return int(last)


def _one_by_one(
    times: Int64s,
    values: Float64s,
    integers: Int64s,
    series: Int32s,
    time: Int64s,
    collected: Int64s,
    value: Float64s,
    flags: Bytes,
) -> int:
    """
    The compiled way.
    """
    known = times.shape[0]
    count = series.shape[0]
    if (
        values.shape[0] != known
        or integers.shape[0] != known
        or time.shape[0] != count
        or collected.shape[0] != count
        or value.shape[0] != count
        or flags.shape[0] != count
    ):
        raise ValueError("columns of unequal length")
    nan = float("nan")
    for i in range(count):
        number = series[i]
        if number < 0 or number >= known:
            raise ValueError("a series that is not in the columns")
        if time[i] >= times[number]:
            times[number] = time[i]
            values[number] = nan if flags[i] & 4 else value[i]
            integers[number] = collected[i]
    return 0


def _together(
    times: Int64s,
    values: Float64s,
    integers: Int64s,
    series: Int32s,
    time: Int64s,
    collected: Int64s,
    value: Float64s,
    flags: Bytes,
) -> None:
    """
    The way without a compiler.
    """
    if not len(times) == len(values) == len(integers):
        raise ValueError("columns of unequal length")
    if not len(series) == len(time) == len(collected) == len(value) == len(flags):
        raise ValueError("columns of unequal length")
    if len(series) and not (int(series.min()) >= 0 and int(series.max()) < len(times)):
        raise ValueError("a series that is not in the columns")
    newer = np.flatnonzero(time >= times[series])
    kept = time[newer]
    if (kept[1:] < kept[:-1]).any():
        # The last of a series is the one that stays.
        newer = newer[np.argsort(kept, kind="stable")]
    number = series[newer]
    times[number] = time[newer]
    values[number] = np.where(flags[newer] & EMPTY, np.nan, value[newer])
    integers[number] = collected[newer]
