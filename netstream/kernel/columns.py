"""
Samples on their way from lines to columns.
"""

from array import array

import numpy as np
import numpy.typing as npt

ANOMALOUS, RESET, EMPTY = 1, 2, 4

Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
Float64s = npt.NDArray[np.float64]
Bytes = npt.NDArray[np.uint8]


class Columns:
    """
    Rows that are complete can be taken away; those of an open block cannot.

    @ivar rows: How many rows there are.
    @ivar complete: How many of them, counted from the first, are complete.
    @ivar room: How many there may be before the arrays have to grow.
    """

    __slots__ = ("rows", "complete", "room", "series", "time", "collected", "value", "flags")

    def __init__(self) -> None:
        self.rows = 0
        self.complete = 0
        self.room = 64
        self.series = array("i", bytes(4 * 64))
        self.time = array("q", bytes(8 * 64))
        self.collected = array("q", bytes(8 * 64))
        self.value = array("d", bytes(8 * 64))
        self.flags = array("B", bytes(64))

    def add(self, series: int, time: int, collected: int, value: float, flags: int) -> int:
        """
        Add a row.
        """
        row = self.rows
        if row == self.room:
            self.grow()
        self.series[row] = series
        self.time[row] = time
        self.collected[row] = collected
        self.value[row] = value
        self.flags[row] = flags
        self.rows = row + 1
        return 0

    def grow(self) -> int:
        """
        Double the room.
        """
        room = self.room
        self.series = array("i", bytes(self.series) + bytes(4 * room))
        self.time = array("q", bytes(self.time) + bytes(8 * room))
        self.collected = array("q", bytes(self.collected) + bytes(8 * room))
        self.value = array("d", bytes(self.value) + bytes(8 * room))
        self.flags = array("B", bytes(self.flags) + bytes(room))
        self.room = 2 * room
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
        taken = (
            np.frombuffer(self.series, np.int32, complete).copy(),
            np.frombuffer(self.time, np.int64, complete).copy(),
            np.frombuffer(self.collected, np.int64, complete).copy(),
            np.frombuffer(self.value, np.float64, complete).copy(),
            np.frombuffer(self.flags, np.uint8, complete).copy(),
        )
        for row in range(complete, self.rows):
            self.series[row - complete] = self.series[row]
            self.time[row - complete] = self.time[row]
            self.collected[row - complete] = self.collected[row]
            self.value[row - complete] = self.value[row]
            self.flags[row - complete] = self.flags[row]
        self.rows -= complete
        self.complete = 0
        return taken
