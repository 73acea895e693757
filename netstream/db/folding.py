"""
Time aggregation: several stored rows become one.
"""

from __future__ import annotations

import warnings

import numpy as np

from netstream.db.aggregations import Cube, method_of
from netstream.db.interfaces import Columns, Window
from netstream.db.merging import MERGING, NOTED, Groups, Merging
from netstream.model.samples import EMPTY, Bytes, Float64s, Int64s


class Gathering:
    """
    Time aggregation by a method that has to see all samples of a row at once.
    """

    def __init__(self, window: Window, series: int, method: str, options: str = "") -> None:
        """
        @raise UnknownMethod: There is none of that name.
        """
        self._window = window
        self._work = method_of(method, options)
        self._values: Float64s = np.full((len(window), series), np.nan)
        self._flags: Bytes = np.full((len(window), series), EMPTY, np.uint8)

    def add(self, columns: Columns) -> None:
        """
        @param columns: All samples of some rows of the window, which come
            after those that were added before; others do not count.
        """
        groups = Groups(columns.times, self._window)
        if not len(groups):
            return
        cube = _cube(groups, columns.values[groups.inside])
        empty = np.isnan(cube)
        none = empty.all(axis=1) if empty.any() else None
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore", RuntimeWarning)
            found = self._work(cube)
        if none is not None:
            found = np.where(none, np.nan, found)
        self._values[groups.rows] = found
        noted = groups.reduced(np.bitwise_or, columns.flags[groups.inside] & NOTED)
        self._flags[groups.rows] = np.where(np.isnan(found), np.uint8(EMPTY), noted)

    def done(self) -> Columns:
        """
        @return: The rows of the window.
        """
        return Columns(times_of(self._window), self._values, self._flags)


def _cube(groups: Groups, values: Float64s) -> Cube:
    most, series = int(groups.counts.max()), values.shape[1]
    if int(groups.counts.min()) == most:
        return values.reshape(len(groups), most, series)
    cube = np.full((len(groups), most, series), np.nan)
    row = np.repeat(np.arange(len(groups)), groups.counts)
    cube[row, np.arange(len(values)) - groups.starts[row]] = values
    return cube


def times_of(window: Window) -> Int64s:
    """
    @return: The seconds at which the rows of a window end.
    """
    return np.arange(window.after + window.step, window.before + 1, window.step, dtype=np.int64)


def merging(method: str, window: Window, series: int) -> Merging | None:
    """
    @return: What makes the rows of a window by parts; L{None} if the method
        has to see all samples of a row at once.
    """
    make = MERGING.get(method)
    return None if make is None else make(window, series)


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
    series = columns.values.shape[1]
    parts = merging(method, window, series)
    if parts is not None:
        parts.add(columns)
        if not parts.doubtful().any():
            return parts.done()
    whole = Gathering(window, series, method, options)
    whole.add(columns)
    return whole.done()
