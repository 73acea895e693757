"""
Putting together what several places hold of the same series.

Between those places rows travel in raw form: NaN with the flag EMPTY is a gap
that was written, NaN without it says that nothing was written.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from netstream.db.interfaces import Columns
from netstream.model.samples import EMPTY


def nothing(series: int) -> Columns:
    """
    @return: No rows of some number of series.
    """
    return Columns(np.zeros(0, np.int64), np.zeros((0, series)), np.zeros((0, series), np.uint8))


def chained(parts: Sequence[Columns], series: int) -> Columns:
    """
    @param parts: Raw rows in order of time, without a second in common.
    @return: The same as one, still raw.
    """
    parts = [part for part in parts if len(part.times)]
    if not parts:
        return nothing(series)
    if len(parts) == 1:
        return parts[0]
    return Columns(
        np.concatenate([part.times for part in parts]),
        np.concatenate([part.values for part in parts]),
        np.concatenate([part.flags for part in parts]),
    )


def overlaid(layers: Sequence[Columns], series: int) -> Columns:
    """
    @param layers: Raw rows, oldest write first: what is in a later one
        replaces what is in an earlier one.
    @return: The same as one, still raw.
    """
    layers = [layer for layer in layers if len(layer.times)]
    ordered = sorted(layers, key=lambda layer: int(layer.times[0]))
    if all(a.times[-1] < b.times[0] for a, b in zip(ordered, ordered[1:], strict=False)):
        return chained(ordered, series)
    times = np.unique(np.concatenate([layer.times for layer in layers]))
    values = np.full((len(times), series), np.nan)
    flags = np.zeros(values.shape, np.uint8)
    for layer in layers:
        rows = np.searchsorted(times, layer.times)
        written = ~np.isnan(layer.values) | (layer.flags != 0)
        values[rows] = np.where(written, layer.values, values[rows])
        flags[rows] = np.where(written, layer.flags, flags[rows])
    return Columns(times, values, flags)


def finished(raw: Columns) -> Columns:
    """
    @return: The rows that have at least one sample, as L{IMetricsDB.read}
        gives them.
    """
    empty = np.isnan(raw.values)
    some = ~empty.all(axis=1)
    if not some.all():
        raw, empty = Columns(raw.times[some], raw.values[some], raw.flags[some]), empty[some]
    return Columns(raw.times, raw.values, np.where(empty, np.uint8(EMPTY), raw.flags))
