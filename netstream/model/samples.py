"""
Samples as columns, and the table that gives each series of a node its number.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

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
    Numbers the series of one node from 0 on.

    A series is (chart id, dimension id).  Numbers are valid until the chart is
    released; what is kept longer is named by ids.

    A number that was released is given to another series only after L{recycle}
    was called twice, so that samples under way keep their meaning.

    @ivar node: Machine GUID of the node.
    @ivar living: How many series have numbers.
    @ivar given: How often a series got a number.
    @ivar releases: How many charts were released.
    @ivar generation: How often numbers became free for other series.
    """

    def __init__(self, node: str) -> None:
        self.node = node
        self.living = 0
        self.given = 0
        self.releases = 0
        self.generation = 0
        self._numbers: dict[str, dict[str, int]] = {}
        self._charts: list[str] = []
        self._dimensions: list[str] = []
        self._released: list[int] = []
        self._resting: list[int] = []
        self._free: list[int] = []
        self._freed: list[int] = []

    def __len__(self) -> int:
        """
        @return: One more than the highest number.
        """
        return len(self._charts)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """
        @return: Chart id and dimension id of each number, in their order.
        """
        return zip(self._charts, self._dimensions, strict=True)

    def __getitem__(self, number: int) -> tuple[str, str]:
        """
        @return: Chart id and dimension id of a series; of one that was
            released, until its number is another's.
        """
        return self._charts[number], self._dimensions[number]

    def knows(self, chart: str) -> bool:
        """
        @return: Whether a series of that chart has a number.
        """
        return chart in self._numbers

    def find(self, chart: str, dimension: str) -> int | None:
        """
        @return: The number of a series; L{None} if it has none.
        """
        numbers = self._numbers.get(chart)
        return None if numbers is None else numbers.get(dimension)

    def number(self, chart: str, dimension: str) -> int:
        """
        @return: The number of a series, which it gets now if it had none.
        """
        numbers = self._numbers.get(chart)
        if numbers is None:
            numbers = self._numbers[chart] = {}
        number = numbers.get(dimension)
        if number is None:
            if self._free:
                number = self._free.pop()
                self._charts[number] = chart
                self._dimensions[number] = dimension
            else:
                number = len(self._charts)
                self._charts.append(chart)
                self._dimensions.append(dimension)
            numbers[dimension] = number
            self.given += 1
            self.living += 1
        return number

    def assign(self, chart: str, dimension: str, number: int) -> None:
        """
        Give a series the number that it has in another table, of which this
        one is a copy; numbers that nobody has yet stand for C{("", "")}.
        """
        more = number + 1 - len(self._charts)
        if more > 0:
            self._charts += [""] * more
            self._dimensions += [""] * more
        self._charts[number] = chart
        self._dimensions[number] = dimension
        numbers = self._numbers.setdefault(chart, {})
        if dimension not in numbers:
            self.living += 1
        numbers[dimension] = number
        self.given += 1

    def withdraw(self, chart: str) -> None:
        """
        In a copy of another table, take the numbers of a chart away from its
        series: they may be others' at once, as that table says.
        """
        self._freed = list(self._numbers.pop(chart, {}).values())
        self.living -= len(self._freed)
        self.releases += 1
        self.generation += 1

    def withdraw_all(self) -> None:
        """
        In a copy of another table, take the numbers away from all series: it
        will be a copy of yet another one.
        """
        self._numbers.clear()
        self._freed = list(range(len(self)))
        self.living = 0
        self.releases += 1
        self.generation += 1

    def release(self, chart: str) -> Sequence[int]:
        """
        Take the numbers of a chart away from its series.

        @return: These numbers.
        """
        numbers = tuple(self._numbers.pop(chart, {}).values())
        self._released += numbers
        self.living -= len(numbers)
        self.releases += 1
        return numbers

    def recycle(self) -> None:
        """
        Free for other series what was released before the last call.
        """
        freed, self._resting, self._released = self._resting, self._released, []
        if freed:
            self._free += freed
            self._freed = freed
            self.generation += 1

    def freed_since(self, generation: int) -> Sequence[int]:
        """
        @param generation: One that was.
        @return: Numbers that stand for another series now, or may soon, for
            those who keep something by number.
        """
        if generation == self.generation:
            return ()
        return self._freed if generation == self.generation - 1 else range(len(self))


@frozen
class ChartState:
    """
    Where the collection of a chart stands, for one who goes on with it.

    @ivar collected_at: Time of the last collection, UTC microseconds; 0 before
        the first.
    @ivar updated_at: Time of the last sample, UTC microseconds; 0 before the
        first.
    @ivar dimensions: By series number of each dimension that was collected,
        the last integer and what was calculated of it; of an incremental
        dimension, the part that is not stored yet.
    """

    collected_at: int
    updated_at: int
    dimensions: Mapping[int, tuple[int, float]]


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
    @ivar past: Whether the samples are of the past and were asked for: they
        fill what was missing, and are no news.
    """

    table: SeriesTable
    series: Int32s
    time: Int64s
    collected: Int64s
    value: Float64s
    flags: Bytes
    lines: bytes | None = None
    past: bool = False

    def __len__(self) -> int:
        return len(self.series)

    @classmethod
    def of_second(cls, table: SeriesTable, second: int, series: Sequence[int], values: Sequence[float]) -> SampleBatch:
        """
        @param second: UTC second.
        @param series: By number in the table.
        @param values: As they are to be stored; what was collected is said to
            be the next integers below them.
        @return: One ordinary sample of each.
        """
        value = np.asarray(values, np.float64)
        return cls(
            table,
            np.asarray(series, np.int32),
            np.full(len(value), second, np.int64),
            np.floor(value).astype(np.int64),
            value,
            np.zeros(len(value), np.uint8),
        )

    def until(self, last: int) -> SampleBatch:
        """
        @param last: UTC second.
        @return: The samples up to that second; the batch itself if it has no
            later ones.
        """
        if not len(self) or int(self.time.max()) <= last:
            return self
        return self._only(self.time <= last)

    def since(self, first: int) -> SampleBatch:
        """
        @param first: UTC second.
        @return: The samples from that second on; the batch itself if it has
            no earlier ones.
        """
        if not len(self) or int(self.time.min()) >= first:
            return self
        return self._only(self.time >= first)

    def _only(self, kept: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> SampleBatch:
        return SampleBatch(
            self.table,
            self.series[kept],
            self.time[kept],
            self.collected[kept],
            self.value[kept],
            self.flags[kept],
            self.lines,
            self.past,
        )
