"""
The charts of collectors, as the text that plugins write.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from attrs import evolve, frozen

from netstream.model.chart import Algorithm, Chart, ChartType, Dimension
from netstream.model.host import Label
from netstream.session.definitions import definition
from netstream.wire.capabilities import Capability
from netstream.wire.words import quote

LINE, AREA, STACKED = ChartType.LINE, ChartType.AREA, ChartType.STACKED

_NOT_IN_IDS = re.compile(r"[\s/!=,\\'\"\x00-\x1f\x7f]")
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]")
_AUTOMATIC = 1


def absolute(dimension: str, multiplier: int = 1, divisor: int = 1, name: str = "") -> Dimension:
    """
    @return: A dimension that shows what is collected.
    """
    return Dimension(dimension, name, Algorithm.ABSOLUTE, multiplier, divisor)


def incremental(dimension: str, multiplier: int = 1, divisor: int = 1, name: str = "") -> Dimension:
    """
    @return: A dimension that shows a counter's growth per second.
    """
    return Dimension(dimension, name, Algorithm.INCREMENTAL, multiplier, divisor)


def safe_id(text: str) -> str:
    """
    @return: The text with C{_} for each slash and for each character that a
        chart's id should not have.
    """
    return _NOT_IN_IDS.sub("_", text)


def safe_name(text: str) -> str:
    """
    @return: The text with C{_} for each character that a chart's name cannot
        have.
    """
    return _NOT_IN_NAMES.sub("_", text)


class ChartText:
    """
    One chart, written as protocol text: its definition when it is new, then a
    block of samples for each collection.

    @ivar chart: What it is.
    """

    __slots__ = ("chart", "_variables", "_template", "_last")

    def __init__(self, chart: Chart, variables: Mapping[str, float] | None = None) -> None:
        """
        @param variables: Of the chart, by name; written with its definition.
        """
        self.chart = chart
        self._variables = variables or {}
        sets = "".join(f"SET {_word(dimension)} = %d\n" for dimension in chart.dimensions)
        self._template = f"BEGIN {_word(chart.id)} %d\n{sets}END\n".encode()
        self._last = 0

    @property
    def shown(self) -> bool:
        """
        Whether it was defined, and not withdrawn since.
        """
        return self._last > 0

    def block(self, now: int, *values: int) -> bytes:
        """
        Write a collection; the first one is preceded by the definition.

        @param now: UTC microseconds.
        @param values: One for each dimension.
        """
        last, self._last = self._last, now
        if last:
            # A clock that was set back gives 0, for which the reader's own clock stands.
            return self._template % (max(0, now - last), *values)
        return definition(self.chart, Capability.CLABELS, self._variables) + self._template % (0, *values)

    def redefined(self, former: ChartText, gone: Iterable[Dimension]) -> bytes:
        """
        Write the definition of this chart in the place of a former one with
        the same id, whose collections it goes on with.

        @param gone: Dimensions of the former one that this one has not; they
            are declared obsolete.
        """
        self._last = former._last
        extended = {**self.chart.dimensions, **{dimension.id: dimension for dimension in gone}}
        return definition(evolve(self.chart, dimensions=extended), Capability.CLABELS, self._variables)

    def vary(self, variables: Mapping[str, float]) -> bytes:
        """
        Give it other variables; write the definition that says so, unless it
        is yet to be defined.
        """
        if variables == self._variables:
            return b""
        self._variables = variables
        return definition(self.chart, Capability.CLABELS, variables) if self._last else b""

    def unless_idle(self, now: int, *values: int) -> bytes:
        """
        The same, but nothing while all values have been 0 ever since.
        """
        return self.block(now, *values) if self._last or any(values) else b""

    def withdraw(self) -> bytes:
        """
        Write that it is not collected any more; L{block} defines it anew.
        """
        if not self._last:
            return b""
        self._last = 0
        return definition(evolve(self.chart, obsolete=True), Capability.CLABELS, {})


def _word(text: str) -> str:
    return quote(text).replace("%", "%%")


@frozen
class Source:
    """
    Where charts come from.

    @ivar plugin: Name of the collector plugin.
    @ivar module: Name of its part, often the path of a file.
    @ivar update_every: Seconds between collections.
    """

    plugin: str
    module: str
    update_every: int

    def chart(
        self,
        chart_id: str,
        title: str,
        units: str,
        family: str,
        context: str,
        chart_type: ChartType,
        priority: int,
        *dimensions: Dimension,
        name: str = "",
        detail: bool = False,
        labels: Mapping[str, str] | None = None,
        variables: Mapping[str, float] | None = None,
    ) -> ChartText:
        """
        Make a chart.

        @param name: With its type, if it differs from the id.
        @param labels: By name, besides those that say who collects.
        @param variables: Of the chart, by name.
        """
        values = {"_collect_plugin": self.plugin, "_collect_module": self.module, **(labels or {})}
        chart = Chart(
            id=chart_id,
            name=safe_name(name or chart_id),
            title=title,
            units=units,
            family=family,
            context=context,
            chart_type=chart_type,
            priority=priority,
            update_every=self.update_every,
            plugin=self.plugin,
            module=self.module,
            detail=detail,
            dimensions={dimension.id: dimension for dimension in dimensions},
            # An empty label is spelled like this by real agents.
            labels={label: Label(value or "[none]", _AUTOMATIC) for label, value in values.items()},
        )
        return ChartText(chart, variables)
