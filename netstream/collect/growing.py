"""
Charts whose dimensions come and go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from attrs import evolve

from netstream.collect.charts import ChartText
from netstream.model.chart import Dimension

MakeChart = Callable[[Iterable[Dimension]], ChartText]
"""Makes the chart, with these dimensions."""


class Growing:
    """
    A chart that is defined anew, with the same id, when a dimension is new or
    is not collected any more.
    """

    __slots__ = ("_make", "_dimension", "_dimensions", "_chart")

    def __init__(self, make: MakeChart, dimension: Callable[[str], Dimension]) -> None:
        """
        @param dimension: Makes the dimension of an id.
        """
        self._make = make
        self._dimension = dimension
        self._dimensions: dict[str, Dimension] = {}
        self._chart: ChartText | None = None

    def block(self, now: int, values: Mapping[str, int]) -> bytes:
        """
        Write a collection.

        @param now: UTC microseconds.
        @param values: By the dimensions' ids. One that is missing, and was
            there, is declared obsolete.
        """
        if not values:
            return self.withdraw()
        redefined = b""
        if self._chart is None or values.keys() != self._dimensions.keys():
            gone = [evolve(it, obsolete=True) for name, it in self._dimensions.items() if name not in values]
            kept = {name: it for name, it in self._dimensions.items() if name in values}
            for name in values:
                if name not in kept:
                    kept[name] = self._dimension(name)
            self._dimensions = kept
            new = self._make(kept.values())
            if self._chart is not None and self._chart.shown:
                redefined = new.redefined(self._chart, gone)
            self._chart = new
        return redefined + self._chart.block(now, *[values[name] for name in self._dimensions])

    def grow(self, now: int, values: Mapping[str, int]) -> bytes:
        """
        Write a collection; a dimension begins when its value is not 0, and
        then stays for as long as it is among the values.
        """
        known = self._dimensions
        return self.block(now, {name: value for name, value in values.items() if value or name in known})

    def withdraw(self) -> bytes:
        """
        Write that it is not collected any more.
        """
        text = self._chart.withdraw() if self._chart is not None else b""
        self._chart = None
        self._dimensions = {}
        return text
