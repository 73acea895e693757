"""
Samples as columns, and the table that gives each series of a node its number.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from attrs import frozen

ANOMALOUS = 1
"""Flag: the origin's machine learning found the sample anomalous."""
RESET = 2
"""Flag: a counter was reset or overflowed."""
EMPTY = 4
"""Flag: a gap; the value is NaN."""

Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
Float64s = npt.NDArray[np.float64]
Bytes = npt.NDArray[np.uint8]


class SeriesTable:
    """
    Numbers the series of one node from 0 on; it only grows.

    A series is (chart id, dimension id).  Numbers are valid as long as the
    table lives, which is as long as the process knows the node; what is kept
    longer is named by ids.

    @ivar node: Machine GUID of the node.
    """

    def __init__(self, node: str) -> None:
        self.node = node
        self._numbers: dict[tuple[str, str], int] = {}
        self._keys: list[tuple[str, str]] = []

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._keys)

    def __getitem__(self, number: int) -> tuple[str, str]:
        """
        @return: Chart id and dimension id of a series.
        """
        return self._keys[number]

    def find(self, chart: str, dimension: str) -> int | None:
        """
        @return: The number of a series; L{None} if it has none.
        """
        return self._numbers.get((chart, dimension))

    def number(self, chart: str, dimension: str) -> int:
        """
        @return: The number of a series, which it gets now if it had none.
        """
        key = (chart, dimension)
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self._keys)
            self._keys.append(key)
        return number


@frozen(eq=False)
class SampleBatch:
    """
    Samples of one node as columns of equal length, in the order of the wire:
    the samples of one chart and second stand together.

    @ivar table: What the numbers in C{series} mean.
    @ivar series: int32, number of the series.
    @ivar time: int64, UTC second of the sample, which covers the period that
        ends then.
    @ivar collected: int64, last raw integer collected.
    @ivar value: float64, the value to store; NaN in a gap.
    @ivar flags: uint8, L{ANOMALOUS}, L{RESET}, L{EMPTY}; 0 is an ordinary
        sample.
    @ivar lines: The version 1 lines (C{BEGIN}, C{SET}, C{END}) that the samples
        were made of, whole blocks, if that is how they came.  There may be
        lines without samples, since the first collection of a chart stores
        nothing.
    """

    table: SeriesTable
    series: Int32s
    time: Int64s
    collected: Int64s
    value: Float64s
    flags: Bytes
    lines: bytes | None = None

    def __len__(self) -> int:
        return len(self.series)

    def until(self, last: int) -> SampleBatch:
        """
        @param last: UTC second.
        @return: The samples up to that second; the batch itself if it has no
            later ones.
        """
        if not len(self) or int(self.time.max()) <= last:
            return self
        kept = self.time <= last
        return SampleBatch(
            self.table,
            self.series[kept],
            self.time[kept],
            self.collected[kept],
            self.value[kept],
            self.flags[kept],
            self.lines,
        )
