"""
The newest sample of every series of one host, as columns.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from netstream.kernel import newest, renew
from netstream.model.samples import Float64s, Int32s, Int64s, SampleBatch


def last_of(batch: SampleBatch) -> int:
    """
    @return: The second of the newest sample of a batch; 0 if it has none.
    """
    time = batch.time
    return newest(time) if len(time) else 0


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
        self._past: Int64s = np.zeros(0, np.int64)

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
        if not len(batch.series):
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
        if batch.past:
            more = np.zeros(len(self.time) - len(self._past), np.int64)
            self._past = np.concatenate((self._past, more))
            np.maximum.at(self._past, batch.series, batch.time)

    def is_collected(self, series: int | None) -> bool:
        """
        @return: Whether the collected integer of a series is known: it is not
            of samples of the past that were asked for.
        """
        if series is None or series >= len(self.time) or not self.time[series]:
            return False
        return series >= len(self._past) or bool(self.time[series] > self._past[series])

    @property
    def newest(self) -> int:
        """
        The second of the newest sample of all; 0 if there is none.
        """
        return int(self.time.max()) if len(self.time) else 0

    def forget(self, series: Sequence[int]) -> None:
        """
        Let series be without a sample again.
        """
        numbers = [number for number in series if number < len(self.time)]
        self.time[numbers] = 0
        self.value[numbers] = np.nan
        self.collected[numbers] = 0
        self._past[[number for number in numbers if number < len(self._past)]] = 0

    def of(self, series: int | None) -> tuple[int, float, int]:
        """
        @return: Time, value and collected integer of one series.
        """
        if series is None or series >= len(self.time):
            return 0, float("nan"), 0
        return int(self.time[series]), float(self.value[series]), int(self.collected[series])

    def values(self, series: Int32s) -> list[float]:
        """
        @param series: Numbers; -1 is none.
        @return: The value of each; NaN if there is none.
        """
        known, item = len(self.value), self.value.item
        return [item(number) if 0 <= number < known else math.nan for number in series.tolist()]
