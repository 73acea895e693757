"""
The variables of expressions: where the value of a name comes from.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from netstream.health.alerts import CONSTANTS, Alert
from netstream.hub.hub import Host
from netstream.model.chart import Chart

Reader = Callable[[], float]
"""Gives the value of one variable now; NaN if it has none."""

RAW, COLLECTED = "_raw", "_last_collected_t"
MOST_CANDIDATES = 1000
"""Charts of a context that are compared to find the one that is meant."""

_BUILT_IN: Mapping[str, Callable[[Alert, int], float]] = {
    "this": lambda alert, now: alert.value,
    "after": lambda alert, now: float(alert.after),
    "before": lambda alert, now: float(alert.before),
    "now": lambda alert, now: float(now),
    "status": lambda alert, now: float(alert.status),
    "green": lambda alert, now: alert.definition.green,
    "red": lambda alert, now: alert.definition.red,
}


def newest(host: Host, chart: Chart) -> int:
    """
    @return: The second of the newest sample of a chart; 0 if there is none.
    """
    of, find = host.latest.time, host.table.find
    last, size = 0, len(of)
    for dimension in chart.dimensions:
        number = find(chart.id, dimension)
        if number is not None and number < size and of[number] > last:
            last = int(of[number])
    return last


def _nothing() -> float:
    return math.nan


class Variables:
    """
    Finds the variables of the alerts of one host.

    @ivar generation: Changes when a name may mean something else.
    """

    def __init__(self, host: Host, alerts: Mapping[tuple[str, str], Alert]) -> None:
        """
        @param alerts: Those that run, by chart and name.
        """
        self.generation = 0
        self._host = host
        self._alerts = alerts
        self._names: dict[str, Chart] = {}
        self._contexts: dict[str, list[Chart]] = {}
        self._by_name: dict[str, list[Alert]] = {}
        self._built = -1

    def changed(self) -> None:
        """
        Charts, labels or alerts have changed.
        """
        self.generation += 1

    def value(self, alert: Alert, name: str, now: int) -> float:
        """
        @return: What a variable is for an alert; NaN if it is not known.
        """
        built_in = _BUILT_IN.get(name)
        if built_in is not None:
            return built_in(alert, now)
        if name in CONSTANTS:
            return CONSTANTS[name]
        if alert.bound != self.generation:
            alert.readers.clear()
            alert.bound = self.generation
        reader: Reader | None = alert.readers.get(name)
        if reader is None:
            reader = alert.readers[name] = self._reader(alert, name)
        return reader()

    def _reader(self, alert: Alert, name: str) -> Reader:
        chart = self._host.charts.get(alert.chart)
        if chart is None:
            return _nothing
        if name == "last_collected_t":
            return lambda: float(newest(self._host, chart))
        if name == "update_every":
            return lambda: float(chart.update_every)
        return self._of_chart(chart, name) or self._elsewhere(alert, chart, name)

    def _of_chart(self, chart: Chart, name: str) -> Reader | None:
        """
        @return: Reads a dimension.
        """
        latest, find, chart_id = self._host.latest, self._host.table.find, chart.id
        for suffix, place in (("", 1), (RAW, 2), (COLLECTED, 0)):
            if suffix and not name.endswith(suffix):
                continue
            stem = name[: len(name) - len(suffix)]
            dimension = chart.dimensions.get(stem)
            if dimension is None:
                dimension = next((d for d in chart.dimensions.values() if d.name == stem), None)
            if dimension is not None:
                id, field = dimension.id, place
                return lambda: float(latest.of(find(chart_id, id))[field])
        return None

    def _elsewhere(self, alert: Alert, chart: Chart, name: str) -> Reader:
        variables = self._host.variables
        of_chart, of_host = (chart.id, name), ("", name)
        far: list[Reader] = []

        def read() -> float:
            value = variables.get(of_chart)
            if value is None:
                value = variables.get(of_host)
            if value is not None:
                return value
            if not far:
                far.append(self._of_alert(chart, name, alert) or self._dotted(chart, name) or _nothing)
            return far[0]()

        return read

    def _index(self) -> None:
        if self._built == self.generation:
            return
        self._built = self.generation
        self._names, self._contexts, self._by_name = {}, {}, {}
        for chart in self._host.charts.values():
            if chart.obsolete:
                continue
            self._names.setdefault(chart.name, chart)
            self._contexts.setdefault(chart.context, []).append(chart)
        for other in self._alerts.values():
            self._by_name.setdefault(other.name, []).append(other)

    def _of_alert(self, chart: Chart, name: str, alert: Alert) -> Reader | None:
        self._index()
        found = [other for other in self._by_name.get(name, ())[:MOST_CANDIDATES] if other is not alert]
        if not found:
            return None
        best = max(found, key=lambda other: self._likeness(chart, self._host.charts.get(other.chart)))
        return lambda: best.value

    def _dotted(self, chart: Chart, name: str) -> Reader | None:
        self._index()
        at = name.rfind(".")
        while at > 0:
            left, right = name[:at], name[at + 1 :]
            one = self._host.charts.get(left) or self._names.get(left)
            candidates = [one] if one is not None else self._contexts.get(left, [])[:MOST_CANDIDATES]
            found = [(each, reader) for each in candidates if (reader := self._of_chart(each, right)) is not None]
            if found:
                return max(found, key=lambda pair: self._likeness(chart, pair[0]))[1]
            at = name.rfind(".", 0, at)
        return None

    @staticmethod
    def _likeness(one: Chart, other: Chart | None) -> tuple[bool, int]:
        """
        @return: How much two charts belong together, to be compared.
        """
        if other is None:
            return False, -1
        if other.id == one.id:
            return True, len(one.labels)
        return False, sum(other.labels.get(name) == label for name, label in one.labels.items())
