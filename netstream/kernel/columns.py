"""
Samples on their way from lines to columns.
"""

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
    """

    __slots__ = ("rows", "complete", "series", "time", "collected", "value", "flags")

    def __init__(self) -> None:
        self.rows = 0
        self.complete = 0
        self.series: list[int] = []
        self.time: list[int] = []
        self.collected: list[int] = []
        self.value: list[float] = []
        self.flags: list[int] = []

    def add(self, series: int, time: int, collected: int, value: float, flags: int) -> None:
        """
        Add a row.
        """
        self.series.append(series)
        self.time.append(time)
        self.collected.append(collected)
        self.value.append(value)
        self.flags.append(flags)
        self.rows += 1

    def finish(self) -> None:
        """
        Make all rows complete.
        """
        self.complete = self.rows

    def finish_open(self) -> None:
        """
        Make the rows of an open block complete if nothing else is.
        """

    def take(self) -> tuple[Int32s, Int64s, Int64s, Float64s, Bytes]:
        """
        Remove the complete rows.

        @return: Arrays of the series (int32), times (int64), collected values
            (int64), values (float64) and flags (uint8).
        """
        n = self.complete
        taken = (
            np.array(self.series[:n], np.int32),
            np.array(self.time[:n], np.int64),
            np.array(self.collected[:n], np.int64),
            np.array(self.value[:n], np.float64),
            np.array(self.flags[:n], np.uint8),
        )
        del self.series[:n], self.time[:n], self.collected[:n], self.value[:n], self.flags[:n]
        self.rows -= n
        self.complete = 0
        return taken
