"""
What many nodes have: their contexts, and a search through all that has a name.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from attrs import define, field

from netstream.db.interfaces import Span
from netstream.hub.hub import Host
from netstream.model.chart import Chart
from netstream.turns import Turns
from netstream.web.charts import span_of
from netstream.web.node import bounds
from netstream.web.selection import Choice, labels_of

MOST_INSTANCES = 20_000
"""Instances that one answer lists."""
MOST_NAMES = 1000
"""Different names of one kind that a context lists."""


@define(eq=False)
class _Context:
    """
    Charts that are alike.

    @ivar chart: That of the least priority, which stands for all.
    """

    chart: Chart
    first: int = 0
    last: int = 0
    live: bool = False
    dimensions: dict[str, str] = field(factory=dict)
    labels: dict[str, dict[str, None]] = field(factory=dict)
    instances: list[dict[str, Any]] = field(factory=list)
    nodes: dict[str, None] = field(factory=dict)

    def add(self, host: Host, chart: Chart, span: Span) -> None:
        """
        Take in a chart.
        """
        if chart.priority < self.chart.priority:
            self.chart = chart
        if span.last:
            self.first = min(self.first or span.first, span.first)
            self.last = max(self.last, span.last)
        self.live |= host.online and not chart.obsolete
        self.nodes[host.info.guid] = None
        for dimension in chart.dimensions.values():
            if not dimension.hidden and len(self.dimensions) < MOST_NAMES:
                self.dimensions.setdefault(dimension.id, dimension.name)

    def said(self, options: Sequence[str]) -> dict[str, Any]:
        """
        @param options: What more is told: C{dimensions}, C{labels}, C{instances}.
        """
        chart = self.chart
        told: dict[str, Any] = {
            "title": chart.title,
            "family": chart.family,
            "units": chart.units,
            "chart_type": chart.chart_type.value,
            "priority": chart.priority,
            "first_entry": self.first,
            "last_entry": self.last,
            "live": self.live,
            "nodes": len(self.nodes),
        }
        if "dimensions" in options:
            told["dimensions"] = [{"id": id, "nm": name} for id, name in self.dimensions.items()]
        if "labels" in options:
            told["labels"] = {name: list(values) for name, values in self.labels.items()}
        if "instances" in options:
            told["instances"] = self.instances
        return told


def _charts(host: Host) -> Iterator[Chart]:
    return (chart for chart in tuple(host.charts.values()) if not chart.hidden and chart.dimensions)


async def contexts(
    hosts: Sequence[Host], scope: Choice, filters: Choice, options: Sequence[str], turns: Turns
) -> dict[str, Any]:
    """
    @param options: As L{_Context.said} takes them.
    @return: The contexts of some nodes by id.
    """
    found: dict[str, _Context] = {}
    listed = 0
    for host in hosts:
        await turns.breathe()
        if not scope.node(host) or not filters.node(host):
            continue
        spans = await bounds(host)
        for chart in _charts(host):
            await turns.breathe()
            if not (scope.chart(host, chart) and filters.chart(host, chart)):
                continue
            one = found.setdefault(chart.context, _Context(chart))
            one.add(host, chart, span_of(host, chart, spans))
            if "labels" in options:
                for name, value in labels_of(host, chart).items():
                    values = one.labels.setdefault(name, {})
                    if len(values) < MOST_NAMES:
                        values[value] = None
            if "instances" in options and listed < MOST_INSTANCES:
                listed += 1
                one.instances.append({"id": chart.id, "nm": chart.name, "mg": host.info.guid})
    return {name: one.said(options) for name, one in sorted(found.items(), key=_order)}


def _order(item: tuple[str, _Context]) -> tuple[int, str]:
    name, one = item
    return one.chart.priority, name


async def search(hosts: Sequence[Host], scope: Choice, wanted: str, turns: Turns) -> dict[str, Any]:
    """
    Look for words in all names.

    @param wanted: Words divided by blanks, each of which has to be found in
        one thing, in any case.
    @return: What was found: nodes, and contexts with why.
    """
    words = wanted.lower().split()

    def fits(*texts: str) -> bool:
        text = "\n".join(texts).lower()
        return all(word in text for word in words)

    nodes, looked = [], 0
    found: dict[str, _Context] = {}
    why: dict[str, dict[str, None]] = {}
    for host in hosts:
        await turns.breathe()
        if not scope.node(host):
            continue
        own = [f"{name}:{label.value}" for name, label in host.labels.items()]
        looked += 2 + len(own)
        if fits(host.info.hostname, host.info.guid, *own):
            nodes.append({"mg": host.info.guid, "nm": host.info.hostname})
        for chart in _charts(host):
            await turns.breathe()
            if not scope.chart(host, chart):
                continue
            named = {
                "id": (chart.context,),
                "title": (chart.title,),
                "family": (chart.family,),
                "units": (chart.units,),
                "instance": (chart.id, chart.name),
                "dimension": tuple(text for d in chart.dimensions.values() for text in (d.id, d.name)),
                "label": tuple(f"{name}:{label.value}" for name, label in chart.labels.items()),
            }
            looked += sum(len(texts) for texts in named.values())
            if fits(*(text for texts in named.values() for text in texts)):
                matched = [kind for kind, texts in named.items() if _touches(words, texts)]
                why.setdefault(chart.context, {}).update(dict.fromkeys(matched))
                found.setdefault(chart.context, _Context(chart)).add(host, chart, Span(0, 0))
    described = {}
    for name, one in sorted(found.items(), key=_order):
        told = one.said(())
        described[name] = {key: told[key] for key in ("title", "family", "units", "priority", "live", "nodes")} | {
            "matched": list(why[name])
        }
    return {"nodes": nodes, "contexts": described, "searches": {"strings": looked}}


def _touches(words: Sequence[str], texts: Sequence[str]) -> bool:
    text = "\n".join(texts).lower()
    return any(word in text for word in words)
