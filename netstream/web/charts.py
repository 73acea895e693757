"""
Charts and contexts, as clients of an agent know them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote
from weakref import WeakKeyDictionary

from orjson import Fragment
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.python.failure import Failure

from netstream import __version__
from netstream.config.settings import Settings
from netstream.db.interfaces import IMetricsDB, Span, Stats
from netstream.hub.hub import Host, Hub
from netstream.model.chart import Chart, Dimension
from netstream.model.host import Function
from netstream.model.pattern import SimplePattern
from netstream.turns import Turns
from netstream.web.functions import described
from netstream.web.target import Parameters

MEMORY_EVERY = 10.0
"""Seconds for which it holds how much memory a database takes."""


class Memories:
    """
    What databases hold in memory.

    To find out takes a look at all that each has, so that it is not asked
    again for a while.
    """

    def __init__(self) -> None:
        self._known: WeakKeyDictionary[IMetricsDB, tuple[float, int]] = WeakKeyDictionary()
        self._waiting: dict[IMetricsDB, list[Deferred[int]]] = {}

    async def of(self, db: IMetricsDB, now: float) -> int:
        """
        @param now: UTC seconds.
        @return: Bytes, as of some seconds ago at most.
        """
        known = self._known.get(db)
        if known is not None and 0 <= now - known[0] < MEMORY_EVERY:
            return known[1]
        told: Deferred[int] = Deferred()
        waiting = self._waiting.setdefault(db, [])
        waiting.append(told)
        if len(waiting) == 1:
            maybeDeferred(db.stats).addBoth(self._tell, db, now)
        return await told

    def _tell(self, found: Stats | Failure, db: IMetricsDB, now: float) -> None:
        if isinstance(found, Stats):
            self._known[db] = now, found.memory
        for told in self._waiting.pop(db):
            if isinstance(found, Stats):
                told.callback(found.memory)
            else:
                told.errback(found)


def list_pattern(text: str) -> SimplePattern:
    """
    @return: A pattern as parameters write it: words divided by commas or bars.
    """
    return SimplePattern.parse(text, ",|")


def any_pattern(text: str) -> SimplePattern | None:
    """
    @return: A pattern whose words are divided by commas, bars or blanks;
        L{None} for no text, which is no restriction.
    """
    return SimplePattern.parse(text, ",| ") if text else None


async def fitting(charts: Iterable[Chart], fits: Callable[[Chart], bool], turns: Turns) -> list[Chart]:
    """
    @return: Those of any number of charts that fit; other work goes on in
        between.
    """
    found = []
    for chart in tuple(charts):
        await turns.breathe()
        if fits(chart):
            found.append(chart)
    return found


def shown(chart: Chart) -> bool:
    """
    Whether a chart belongs into lists: it is still collected and has
    something to show.
    """
    return not chart.hidden and not chart.obsolete and any(not d.hidden for d in chart.dimensions.values())


def listed(host: Host) -> list[Chart]:
    """
    @return: The charts of a host that belong into lists.
    """
    return [chart for chart in host.charts.values() if shown(chart)]


def named(host: Host, text: str) -> Chart | None:
    """
    @return: The chart of that id, else of that name.
    """
    found = host.charts.get(text)
    return found or next((chart for chart in host.charts.values() if chart.name == text), None)


async def chosen(host: Host, text: str, turns: Turns) -> list[Chart]:
    """
    Find charts as a parameter names them.

    @param text: Id or name of one, else a list of patterns of either.
    """
    if (one := named(host, text)) is not None:
        return [one]
    wanted = list_pattern(text)

    def fits(chart: Chart) -> bool:
        return wanted.matches(chart.id) or (chart.name != chart.id and wanted.matches(chart.name))

    return await fitting(host.charts.values(), fits, turns)


async def of_contexts(host: Host, text: str, turns: Turns) -> list[Chart]:
    """
    @param text: A list of patterns of contexts.
    """
    wanted = list_pattern(text)
    return await fitting(host.charts.values(), lambda chart: wanted.matches(chart.context), turns)


def newest(host: Host, chart: Chart) -> int:
    """
    @return: The second of the newest sample of a chart; 0 if there is none.
    """
    of, find = host.latest.of, host.table.find
    return max((of(find(chart.id, d))[0] for d in chart.dimensions), default=0)


def span_of(host: Host, chart: Chart, bounds: Mapping[str, Span]) -> Span:
    """
    @param bounds: What the database has of the host.
    @return: From the first to the last sample of a chart; a host that stores
        nothing still has the newest.
    """
    found = bounds.get(chart.id)
    if found is not None:
        return found
    last = newest(host, chart)
    return Span(last, last)


def _visible(chart: Chart) -> Iterator[Dimension]:
    return (d for d in chart.dimensions.values() if not d.hidden)


def own_labels(chart: Chart) -> dict[str, str]:
    """
    @return: The labels of a chart as agents have them: with what collects it.
    """
    labels = {"_collect_plugin": chart.plugin or "[none]", "_collect_module": chart.module or "[none]"}
    return labels | {name: label.value for name, label in chart.labels.items()}


def variables(host: Host) -> dict[str, dict[str, float]]:
    """
    @return: Variables by name, by chart id.
    """
    found: dict[str, dict[str, float]] = {}
    for (chart, name), value in host.variables.items():
        found.setdefault(chart, {})[name] = value
    return found


def functions_of(host: Host) -> Mapping[str, Sequence[Function]]:
    """
    @return: The functions of each chart of a host that has any.
    """
    found: dict[str, list[Function]] = {}
    for (chart, _), function in host.functions.items():
        if chart:
            found.setdefault(chart, []).append(function)
    return found


def describe(
    host: Host,
    chart: Chart,
    bounds: Mapping[str, Span],
    of_chart: Mapping[str, Mapping[str, float]],
    functions: Mapping[str, Sequence[Function]] | None = None,
) -> dict[str, Any]:
    """
    @param of_chart: What L{variables} says of the host.
    @param functions: What L{functions_of} says of it.
    @return: One chart as C{chart} and C{charts} answer it.
    """
    span = span_of(host, chart, bounds)
    return {
        "id": chart.id,
        "name": chart.name,
        "type": chart.type,
        "family": chart.family,
        "context": chart.context,
        "title": f"{chart.title} ({chart.name})",
        "priority": chart.priority,
        "plugin": chart.plugin,
        "module": chart.module,
        "units": chart.units,
        "data_url": "/api/v1/data?chart=" + quote(chart.name, safe="", errors="replace"),
        "chart_type": chart.chart_type.value,
        "duration": span.last - span.first + chart.update_every if span.last else 0,
        "first_entry": span.first,
        "last_entry": span.last,
        "update_every": chart.update_every,
        "dimensions": {d.id: {"name": d.name} for d in _visible(chart)},
        "chart_variables": of_chart.get(chart.id, {}),
        "green": None,
        "red": None,
        "alarms": {},
        "chart_labels": own_labels(chart),
        "functions": described(functions.get(chart.id, ())) if functions else {},
    }


def overview(
    hub: Hub, host: Host, settings: Settings, charts: Fragment, count: int, dimensions: int, alarms: int, memory: int
) -> dict[str, Any]:
    """
    @param charts: Descriptions by id, with their alerts.
    @param count: How many these are.
    @param dimensions: How many dimensions they have.
    @param alarms: How many alerts they have.
    @param memory: Bytes that the database holds in memory.
    @return: What C{charts} answers.
    """
    hosts = [host, *(other for other in hub if other is not host)]
    return {
        "hostname": host.info.hostname,
        "version": version_of(host),
        "release_channel": "stable",
        "os": host.info.os,
        "timezone": host.info.timezone,
        "update_every": host.info.update_every,
        "history": settings.db.retention,
        "memory_mode": host.db.mode,
        "custom_info": "",
        "charts": charts,
        "charts_count": count,
        "dimensions_count": dimensions,
        "alarms_count": alarms,
        "rrd_memory_bytes": memory,
        "hosts_count": len(hosts),
        "hosts": [{"hostname": other.info.hostname} for other in hosts],
    }


def version_of(host: Host) -> str:
    """
    @return: The version of the program at the origin of a host.
    """
    return host.info.version or (f"v{__version__}" if host.local else "unknown")


def label_patterns(parameters: Parameters) -> Sequence[str]:
    """
    @return: Patterns of labels, by name alone or with their value, each of
        which a chart has to fit.
    @raise BadParameter: One has too many stars.
    """
    return [*filter(None, map(parameters.patterns, ("chart_label_key", "chart_labels_filter")))]


async def labelled(charts: Iterable[Chart], patterns: Sequence[str], turns: Turns) -> list[Chart]:
    """
    @param patterns: From L{label_patterns}.
    @return: The charts of which a label fits each of them.
    """
    wanted = [list_pattern(text) for text in patterns]

    def fits(chart: Chart, pattern: SimplePattern) -> bool:
        return any(pattern.matches(name) or pattern.matches(f"{name}:{v}") for name, v in own_labels(chart).items())

    if not wanted:
        return [*charts]
    return await fitting(charts, lambda chart: all(fits(chart, pattern) for pattern in wanted), turns)
