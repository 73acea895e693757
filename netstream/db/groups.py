"""
Row groups as plain columns: what a node has measured in a stretch of time.

Values and flags are raw in the sense of L{netstream.db.overlay}.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt
from attrs import frozen

from netstream.kernel.seal import turn
from netstream.model.samples import EMPTY, Bytes, Float64s, Int32s

EPOCH_ROWS = 900
"""Rows of a row group of samples."""

MOST_ROWS = 1024
"""Rows of any row group, at most."""

Uint32s = npt.NDArray[np.uint32]
Uint64s = npt.NDArray[np.uint64]


class Field(IntEnum):
    """
    What a column holds: samples, or what is left of those of a longer time.
    """

    VALUE = 0
    SUM = 1
    MIN = 2
    MAX = 3
    COUNT = 4
    ANOMALOUS = 5


@frozen(eq=False)
class Part:
    """
    The columns of one field, raw.

    @ivar numbers: uint32, ascending: the series.
    @ivar values: float64 of shape (series, rows).
    @ivar flags: uint8 of the same shape; L{None} if all are 0.
    """

    numbers: Uint32s
    values: Float64s
    flags: Bytes | None = None

    def marks(self) -> Bytes:
        """
        @return: The flags; read only if there are none.
        """
        return np.broadcast_to(np.uint8(0), self.values.shape) if self.flags is None else self.flags


@frozen(eq=False)
class Group:
    """
    A row group as plain columns.

    @ivar start: Second of the first row.
    @ivar step: Seconds from row to row.
    @ivar rows: How many rows there are.
    @ivar parts: The columns of each field that there is.
    @ivar damaged: How many columns are missing because they are damaged.
    """

    start: int
    step: int
    rows: int
    parts: Mapping[Field, Part]
    damaged: int = 0


def columns_used(numbers: npt.NDArray[Any]) -> Int32s:
    """
    @return: The columns that have a series, by number of the series.
    """
    number = np.asarray(numbers, np.int64)
    used = np.flatnonzero(number >= 0)
    return used[np.argsort(number[used], kind="stable")].astype(np.int32)


def of_cells(start: int, step: int, numbers: npt.NDArray[Any], cells: Uint64s, flags: Bytes) -> Group:
    """
    Read columns of a hot page.

    @param start: Second of row 0.
    @param step: Seconds from row to row.
    @param numbers: The series of each column of the page; -1 for none.
    @param cells: uint64 of shape (rows, columns).
    @param flags: uint8 of the same shape.
    @return: All columns that have a series.
    """
    columns = columns_used(numbers)
    values = np.empty((len(columns), len(cells)))
    marks = np.empty(values.shape, np.uint8)
    turn(cells, flags, columns, values, marks)
    part = Part(np.asarray(numbers)[columns].astype(np.uint32), values, marks)
    return Group(start, step, len(cells), {Field.VALUE: part})


def merged(older: Group, newer: Group) -> Group:
    """
    @return: Both as one, cell by cell: what C{newer} has written is as it says,
        gaps included.
    @raise ValueError: Their rows do not fit together.
    """
    start = min(older.start, newer.start)
    end = max(group.start + group.step * group.rows for group in (older, newer))
    rows = (end - start) // newer.step
    if older.step != newer.step or (older.start - newer.start) % newer.step or rows > MOST_ROWS:
        raise ValueError("row groups of other times")
    parts = {}
    for field in sorted({*older.parts, *newer.parts}):
        layers = [(group, group.parts[field]) for group in (older, newer) if field in group.parts]
        numbers = np.unique(np.concatenate([part.numbers for _, part in layers]))
        values = np.full((len(numbers), rows), np.nan)
        flags = np.zeros(values.shape, np.uint8)
        for group, part in layers:
            first = (group.start - start) // group.step
            at = (np.searchsorted(numbers, part.numbers)[:, None], np.arange(first, first + group.rows))
            written = ~np.isnan(part.values) | (part.marks() & EMPTY > 0)
            values[at] = np.where(written, part.values, values[at])
            flags[at] = np.where(written, part.marks(), flags[at])
        parts[field] = Part(numbers, values, flags if flags.any() else None)
    return Group(start, newer.step, rows, parts, older.damaged + newer.damaged)
