"""
The newest sample of every series of one host, as columns.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from netstream.kernel import renew
from netstream.model.samples import Float64s, Int64s, SampleBatch


class Latest:
    """
    Arrays by series number, that grow with the table of the host.

    A series without a sample has time 0 and value NaN.

    @ivar time: int64, UTC second of the newest sample.
    @ivar value: float64, its stored value; NaN if it is a gap.
    @ivar collected: int64, its raw collected integer.
    """

    def __init__(self) -> None:
        self.time: Int64s = np.zeros(0, np.int64)
        self.value: Float64s = np.zeros(0)
        self.collected: Int64s = np.zeros(0, np.int64)

    def _grow(self, size: int) -> None:
        old = len(self.time)
        time, value, collected = self._columns(max(64, size * 3 // 2))
        time[:old], value[:old], collected[:old] = self.time, self.value, self.collected
        time[old:], value[old:], collected[old:] = 0, np.nan, 0
        self.time, self.value, self.collected = time, value, collected

    def _columns(self, size: int) -> tuple[Int64s, Float64s, Int64s]:
        """
        @return: Columns for that many series or more, whatever is in them.
        """
        return np.empty(size, np.int64), np.empty(size), np.empty(size, np.int64)

    def update(self, batch: SampleBatch) -> None:
        """
        Take in what is newer than what is here.
        """
        if not len(batch):
            return
        if len(batch.table) > len(self.time):
            self._grow(len(batch.table))
        renew(
            self.time,
            self.value,
            self.collected,
            batch.series,
            batch.time,
            batch.collected,
            batch.value,
            batch.flags,
        )

    def forget(self, series: Sequence[int]) -> None:
        """
        Let series be without a sample again.
        """
        numbers = [number for number in series if number < len(self.time)]
        self.time[numbers] = 0
        self.value[numbers] = np.nan
        self.collected[numbers] = 0

    def of(self, series: int | None) -> tuple[int, float, int]:
        """
        @return: Time, value and collected integer of one series.
        """
        if series is None or series >= len(self.time):
            return 0, float("nan"), 0
        return int(self.time[series]), float(self.value[series]), int(self.collected[series])
