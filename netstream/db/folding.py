"""
Time aggregation: several stored rows become one.
"""

from __future__ import annotations

import warnings

import numpy as np

from netstream.db.aggregations import method_of
from netstream.db.interfaces import Columns, Window
from netstream.model.samples import ANOMALOUS, EMPTY, RESET, Int64s


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
