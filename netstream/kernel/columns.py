"""
Samples on their way from lines to columns.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

ANOMALOUS, RESET, EMPTY, PAST = 1, 2, 4, 8

_ROOM = 64
"""How many rows there is room for at first."""
_MOST_ROOM = 4096
"""Room for more rows is given back when they are taken."""

Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
Float64s = npt.NDArray[np.float64]
Bytes = npt.NDArray[np.uint8]


class Columns:
    """
    Rows that are complete can be taken away; those of an open block cannot.

    The arrays stay, so that they are in the caches when the next rows come;
    who takes rows gets copies of just their size.

    @ivar rows: How many rows there are.
    @ivar complete: How many of them, counted from the first, are complete.
    @ivar room: How many there may be before the arrays have to grow.
    @ivar arrays: The arrays of series, time, collected, value and flags.
    """

    __slots__ = ("rows", "complete", "room", "series", "time", "collected", "value", "flags", "arrays")

    arrays: tuple[Int32s, Int64s, Int64s, Float64s, Bytes]
    # Views of the arrays, since storing one by one in an array itself is slow.
    series: Any
    time: Any
    collected: Any
    value: Any
    flags: Any

    def __init__(self) -> None:
        self.rows = 0
        self.complete = 0
        self.grow(_ROOM)

    def add(self, series: int, time: int, collected: int, value: float, flags: int) -> int:
        """
        Add a row.
        """
        row = self.rows
        if row == self.room:
            self.grow(2 * row)
        self.series[row] = series
        self.time[row] = time
        self.collected[row] = collected
        self.value[row] = value
        self.flags[row] = flags
        self.rows = row + 1
        return 0

    def grow(self, room: int) -> int:
        """
        Get larger arrays.
        """
        series = np.empty(room, np.int32)
        time = np.empty(room, np.int64)
        collected = np.empty(room, np.int64)
        value = np.empty(room, np.float64)
        flags = np.empty(room, np.uint8)
        new = (series, time, collected, value, flags)
        for column in range(len(new) if self.rows else 0):
            new[column][: self.rows] = self.arrays[column][: self.rows]
        self.arrays = new
        self.series = series.data
        self.time = time.data
        self.collected = collected.data
        self.value = value.data
        self.flags = flags.data
        self.room = room
        return 0

    def finish(self) -> int:
        """
        Make all rows complete.
        """
        self.complete = self.rows
        return 0

    def take(self) -> tuple[Int32s, Int64s, Int64s, Float64s, Bytes]:
        """
        Remove the complete rows.

        @return: Arrays of the series (int32), times (int64), collected values
            (int64), values (float64) and flags (uint8).
        """
        complete = self.complete
        rows = self.rows
        series, time, collected, value, flags = self.arrays
        taken = (
            series[:complete].copy(),
            time[:complete].copy(),
            collected[:complete].copy(),
            value[:complete].copy(),
            flags[:complete].copy(),
        )
        if rows > complete:
            for array in self.arrays:
                array[: rows - complete] = array[complete:rows].copy()
        self.rows = rows - complete
        self.complete = 0
        if self.room > _MOST_ROOM and self.rows <= _ROOM:
            self.grow(_ROOM)
        return taken
