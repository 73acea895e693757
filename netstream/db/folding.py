"""
Time aggregation: several stored rows become one.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from netstream.db.interfaces import Columns, UnknownMethod, Window
from netstream.model.samples import ANOMALOUS, EMPTY, RESET, Float64s, Int64s

Cube = npt.NDArray[np.float64]
"""Rows of a query by stored rows in each by series; NaN where there is none."""

Method = Callable[[Cube], Float64s]
"""Makes rows by series of a cube; what it says of empty groups is ignored."""


def _average(cube: Cube) -> Float64s:
    found: Float64s = np.nanmean(cube, axis=1)
    return found


def _sum(cube: Cube) -> Float64s:
    found: Float64s = np.nansum(cube, axis=1)
    return found


def _picked(cube: Cube, where: npt.NDArray[np.intp]) -> Float64s:
    found: Float64s = np.take_along_axis(cube, where[:, None, :], axis=1)[:, 0, :]
    return found


def _smallest(cube: Cube) -> Float64s:
    """
    The value nearest to zero, whatever its sign.
    """
    return _picked(cube, np.argmin(np.where(np.isnan(cube), np.inf, np.abs(cube)), axis=1))


def _largest(cube: Cube) -> Float64s:
    """
    The value farthest from zero, whatever its sign.
    """
    return _picked(cube, np.argmax(np.where(np.isnan(cube), -1, np.abs(cube)), axis=1))


def _median(cube: Cube) -> Float64s:
    found: Float64s = np.nanmedian(cube, axis=1)
    return found


METHODS: dict[str, Method] = {
    "average": _average,
    "avg": _average,
    "mean": _average,
    "min": _smallest,
    "max": _largest,
    "sum": _sum,
    "median": _median,
}


def method_of(name: str, options: str = "") -> Method:
    """
    @raise UnknownMethod: There is none of that name.
    """
    try:
        return METHODS[name]
    except KeyError:
        raise UnknownMethod(f"{name!r} is not a time aggregation such as 'average', 'min', 'max' or 'sum'") from None


def fold(columns: Columns, window: Window, method: str, options: str = "") -> Columns:
    """
    Fold stored rows into those of a window.

    @param columns: Rows as they are stored; those outside the window are
        left out.
    @param method: Name of a time aggregation.
    @param options: Its argument.
    @return: One row for each of the window.  A row whose stored rows are all
        gaps is a gap; its flags are those of all its stored rows together.
    @raise UnknownMethod: There is none of that name.
    """
    work = method_of(method, options)
    times: Int64s = window.after + window.step * np.arange(1, len(window) + 1, dtype=np.int64)
    series = columns.values.shape[1]
    values = np.full((len(times), series), np.nan)
    flags = np.full((len(times), series), EMPTY, np.uint8)
    inside = slice(*np.searchsorted(columns.times, (window.after, window.after + len(times) * window.step), "right"))
    group = (columns.times[inside] - window.after - 1) // window.step
    if len(group):
        used, start, count = np.unique(group, return_index=True, return_counts=True)
        cube = np.full((len(used), int(count.max()), series), np.nan)
        place = np.repeat(np.arange(len(used)), count), np.arange(len(group)) - np.repeat(start, count)
        cube[place] = columns.values[inside]
        some = ~np.isnan(cube).all(axis=1)
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore", RuntimeWarning)
            found = work(cube)
        values[used] = np.where(some, found, np.nan)
        noted = np.bitwise_or.reduceat(columns.flags[inside] & np.uint8(ANOMALOUS | RESET), start, axis=0)
        flags[used] = np.where(np.isnan(values[used]), EMPTY, noted)
    return Columns(times, values, flags)
