"""
Charts of named numbers: files of the kernel that are lists of counters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import ClassVar, Protocol

from attrs import frozen

from netstream.collect.charts import ChartText, Source
from netstream.collect.collector import PROC, Odd
from netstream.collect.files import KernelFile, Machine
from netstream.model.chart import Algorithm, ChartType, Dimension


@frozen
class Column:
    """
    A dimension, and which numbers it shows.

    @ivar dimension: As it is in the chart.
    @ivar keys: Names of numbers; their sum is shown.
    """

    dimension: Dimension
    keys: tuple[str, ...]


class _MakeColumn(Protocol):
    def __call__(
        self,
        keys: str | tuple[str, ...],
        dimension: str,
        multiplier: int = 1,
        divisor: int = 1,
        *,
        name: str = "",
    ) -> Column: ...


def _columns(algorithm: Algorithm) -> _MakeColumn:
    def make(
        keys: str | tuple[str, ...], dimension: str, multiplier: int = 1, divisor: int = 1, *, name: str = ""
    ) -> Column:
        names = (keys,) if isinstance(keys, str) else keys
        return Column(Dimension(dimension, name, algorithm, multiplier, divisor), names)

    return make


level = _columns(Algorithm.ABSOLUTE)
"""Makes a column that shows the number."""
rate = _columns(Algorithm.INCREMENTAL)
"""Makes a column that shows the number's growth per second."""
share = _columns(Algorithm.PERCENTAGE_OF_INCREMENTAL_ROW)
"""Makes a column that shows a part of the growth of all columns."""
part = _columns(Algorithm.PERCENTAGE_OF_ABSOLUTE_ROW)
"""Makes a column that shows a part of the sum of all columns."""


class Row:
    """
    A chart of named numbers.

    @ivar columns: Its dimensions.
    @ivar always: Whether it is there though all numbers are 0.
    @ivar group: Charts of one group appear together.
    """

    __slots__ = ("columns", "always", "group", "_make")

    def __init__(
        self,
        chart_id: str,
        title: str,
        units: str,
        family: str,
        chart_type: ChartType,
        priority: int,
        *columns: Column,
        context: str = "",
        detail: bool = False,
        always: bool = False,
        group: str = "",
    ) -> None:
        """
        @param context: If it differs from the id.
        """
        self.columns = columns
        self.always = always
        self.group = group

        def make(source: Source) -> ChartText:
            dimensions = (column.dimension for column in columns)
            return source.chart(
                chart_id, title, units, family, context or chart_id, chart_type, priority, *dimensions, detail=detail
            )

        self._make: Callable[[Source], ChartText] = make

    def chart(self, source: Source) -> ChartText:
        """
        @return: The chart, as collected from there.
        """
        return self._make(source)


class Sheet:
    """
    The charts of one list of numbers.

    A chart of which the list has no number at all does not exist; a single
    number that is not in the list counts as 0.
    """

    def __init__(self, source: Source, rows: Iterable[Row]) -> None:
        self._charts = [(row.columns, row.always, row.group, row.chart(source)) for row in rows]
        self._groups: set[str] = set()

    def blocks(self, now: int, of: Mapping[str, int]) -> bytes:
        """
        Write a collection.

        @param now: UTC microseconds.
        @param of: The numbers, by name.
        """
        text = []
        for columns, always, group, chart in self._charts:
            known = False
            values = []
            for column in columns:
                value = 0
                for key in column.keys:
                    if key in of:
                        known = True
                        value += of[key]
                values.append(value)
            if not known:
                continue
            if group and any(values):
                self._groups.add(group)
            shown = always or group in self._groups
            text.append(chart.block(now, *values) if shown else chart.unless_idle(now, *values))
        return b"".join(text)

    def vary(self, chart_id: str, variables: Mapping[str, float]) -> bytes:
        """
        Give one of its charts other variables.
        """
        return b"".join(chart.vary(variables) for _, _, _, chart in self._charts if chart.chart.id == chart_id)

    def withdraw(self) -> bytes:
        """
        @return: Protocol text that declares its charts obsolete.
        """
        return b"".join(chart.withdraw() for _, _, _, chart in self._charts)


class CounterFile:
    """
    A collector of one file that is a list of numbers; subclasses know its
    form.
    """

    PATH = ""
    """Below C{/proc}."""
    MODULE = ""
    """Name of its part of the plugin, if it is not the path."""
    ROWS: ClassVar[Sequence[Row]] = ()
    """Its charts."""

    def __init__(self, machine: Machine, update_every: int) -> None:
        self._file = KernelFile(machine.proc / self.PATH)
        self._sheet = Sheet(Source(PROC, self.MODULE or f"/proc/{self.PATH}", update_every), self.ROWS)

    @property
    def source(self) -> str:
        """
        What it reads, for messages.
        """
        return str(self._file.path)

    def numbers(self, text: bytes) -> dict[str, int]:
        """
        Read the file's text; this one is lines of a name and a number.

        @raise ValueError: It is something else.
        """
        words = text.decode("ascii").split()
        return dict(zip(words[::2], map(int, words[1::2]), strict=True))

    def collect(self, now: int) -> bytes:
        """
        Measure.
        """
        of = self.numbers(self._file.read())
        if not of:
            raise Odd(self._file.path, "it is empty")
        return self._sheet.blocks(now, of)

    def withdraw(self) -> bytes:
        """
        @return: Protocol text that declares all charts obsolete.
        """
        return self._sheet.withdraw()

    def close(self) -> None:
        """
        Release what is open.
        """
        self._file.close()
