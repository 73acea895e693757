"""
Contexts of one node: charts that are alike, together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from attrs import frozen

from netstream.db.interfaces import Span
from netstream.db.windows import window
from netstream.hub.hub import Host
from netstream.model.chart import Chart
from netstream.model.pattern import SimplePattern
from netstream.turns import Turns
from netstream.web.charts import fitting, label_patterns, labelled, list_pattern, own_labels, span_of
from netstream.web.questions import FAR
from netstream.web.target import Parameters

OPTIONS = ("charts", "dimensions", "labels", "full", "all")
"""Words that say what more is told."""


@frozen
class Wanted:
    """
    What is asked of contexts.

    @ivar options: Those of C{charts}, C{dimensions} and C{labels} of which more
        is told.
    @ivar labels: From L{label_patterns}.
    @ivar dimensions: Only charts with such a dimension, and of them those; L{None}
        is all.
    @ivar span: Only what has samples then; L{None} is always.
    """

    options: frozenset[str]
    labels: Sequence[str]
    dimensions: SimplePattern | None
    span: Span | None

    @classmethod
    def parse(cls, parameters: Parameters, now: int) -> Wanted:
        """
        @param now: The current second.
        @raise BadParameter: A number is none.
        """
        options, labels = set(parameters.words("options")), label_patterns(parameters)
        if options & {"full", "all"}:
            options |= {"charts", "dimensions", "labels"}
        dimensions = parameters.patterns("dimensions")
        if dimensions:
            options.add("dimensions")
        if labels or options & {"dimensions", "labels"}:
            options.add("charts")
        after, before = (parameters.number(name, 0, -FAR, FAR) for name in ("after", "before"))
        asked = window(after, before, 0, 1, now, aligned=False) if after or before else None
        return cls(
            frozenset(options & {"charts", "dimensions", "labels"}),
            labels,
            list_pattern(dimensions) if dimensions else None,
            Span(asked.after + 1, asked.before) if asked is not None else None,
        )

    def _fits(self, host: Host, chart: Chart, bounds: Mapping[str, Span]) -> bool:
        if chart.hidden or not chart.dimensions or not self._shown(chart):
            return False
        if self.span is None:
            return True
        stored = span_of(host, chart, bounds)
        return stored.first <= self.span.last and self.span.first <= stored.last

    def _shown(self, chart: Chart) -> list[str]:
        """
        @return: The dimensions of a chart that are wanted, by id.
        """
        wanted = self.dimensions
        return [
            d.id for d in chart.dimensions.values() if wanted is None or wanted.matches(d.id) or wanted.matches(d.name)
        ]

    async def of(self, host: Host, bounds: Mapping[str, Span], turns: Turns, context: str = "") -> dict[str, Any]:
        """
        @param bounds: What the database has of the host.
        @param turns: Lets other work go on in between.
        @param context: The only one; C{""} for all.
        @return: The contexts of a host by id, as C{contexts} answers them.
        """

        def fits(chart: Chart) -> bool:
            return (not context or chart.context == context) and self._fits(host, chart, bounds)

        members: dict[str, list[Chart]] = {}
        for chart in await fitting(await labelled(host.charts.values(), self.labels, turns), fits, turns):
            members.setdefault(chart.context, []).append(chart)
        found = {}
        for name, charts in members.items():
            await turns.breathe()
            found[name] = self._context(host, charts, bounds)
        return found

    def _context(self, host: Host, charts: Sequence[Chart], bounds: Mapping[str, Span]) -> dict[str, Any]:
        first = min(charts, key=lambda chart: chart.priority)
        spans = [span for chart in charts if (span := span_of(host, chart, bounds)).last]
        described: dict[str, Any] = {
            "title": first.title,
            "units": first.units,
            "family": _common(chart.family for chart in charts),
            "chart_type": first.chart_type.value,
            "priority": first.priority,
            "first_time_t": min((span.first for span in spans), default=0),
            "last_time_t": max((span.last for span in spans), default=0),
            "collected": host.online and any(not chart.obsolete for chart in charts),
        }
        if "charts" in self.options:
            described["charts"] = {chart.id: self._chart(host, chart, bounds) for chart in charts}
        return described

    def _chart(self, host: Host, chart: Chart, bounds: Mapping[str, Span]) -> dict[str, Any]:
        span = span_of(host, chart, bounds)
        lasting = {
            "first_time_t": span.first,
            "last_time_t": span.last,
            "collected": host.online and not chart.obsolete,
        }
        described: dict[str, Any] = {
            "name": chart.name,
            "context": chart.context,
            "title": chart.title,
            "units": chart.units,
            "family": chart.family,
            "chart_type": chart.chart_type.value,
            "priority": chart.priority,
            "update_every": chart.update_every,
            **lasting,
        }
        if "labels" in self.options:
            described["labels"] = own_labels(chart)
        if "dimensions" in self.options:
            described["dimensions"] = {id: {"name": chart.dimensions[id].name, **lasting} for id in self._shown(chart)}
        return described


def _common(texts: Iterable[str]) -> str:
    different = list(dict.fromkeys(texts))
    return different[0] if len(different) == 1 else "[x]"
