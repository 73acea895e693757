"""
Which definitions apply to which chart.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from netstream.config.settings import EVERYTHING
from netstream.health.definitions import Definition, Labels, first_of_each
from netstream.hub.hub import Host
from netstream.model.chart import Chart
from netstream.model.pattern import SimplePattern

_TEMPLATE = re.compile(r"\$\{([^{}]*)\}|\$family\b")


def _host_labels(host: Host) -> dict[str, str]:
    return {"_os": host.info.os, "_hostname": host.info.hostname} | {
        name: label.value for name, label in host.labels.items()
    }


def _chart_labels(chart: Chart) -> dict[str, str]:
    own = {name: label.value for name, label in chart.labels.items()}
    return {"_collect_plugin": chart.plugin, "_collect_module": chart.module} | own


def _fit(labels: Labels, given: Mapping[str, str]) -> bool:
    return all(name in given and pattern.matches(given[name]) for name, pattern in labels)


def _fits(filter: SimplePattern | None, text: str) -> bool:
    return filter is None or filter.matches(text)


class Bindings:
    """
    The definitions that a host can need, by what they are for.
    """

    def __init__(self, definitions: Sequence[Definition], host: Host, enabled: SimplePattern = EVERYTHING) -> None:
        """
        @param enabled: Names of the alerts that may run.
        """
        self._charts: dict[str, list[Definition]] = {}
        self._contexts: dict[str, list[Definition]] = {}
        labels = _host_labels(host)
        for each in first_of_each(definitions):
            if (
                not each.disabled
                and enabled.matches(each.name)
                and _fits(each.os, labels["_os"])
                and _fits(each.hosts, labels["_hostname"])
                and _fit(each.host_labels, labels)
            ):
                (self._contexts if each.template else self._charts).setdefault(each.on, []).append(each)

    def of(self, chart: Chart) -> Mapping[str, Definition]:
        """
        @return: What applies to a chart, by name.
        """
        found: dict[str, Definition] = {}
        for each in self._candidates(chart):
            if each.lookup is not None and each.lookup.foreach:
                chosen = SimplePattern.parse(each.lookup.foreach, ",| \t")
                for dimension in chart.dimensions.values():
                    if chosen.matches(dimension.id) or chosen.matches(dimension.name):
                        single = each.of_dimension(dimension.id)
                        found.setdefault(single.name, single)
            else:
                found.setdefault(each.name, each)
        return found

    def _candidates(self, chart: Chart) -> Iterable[Definition]:
        keys = dict.fromkeys((chart.id, chart.name))
        named = [each for key in keys for each in self._charts.get(key, ())]
        several = [*named, *self._contexts.get(chart.context, ())]
        if not several:
            return
        labels = _chart_labels(chart)
        for each in several:
            if (
                _fits(each.plugin, labels["_collect_plugin"])
                and _fits(each.module, labels["_collect_module"])
                and _fit(each.chart_labels, labels)
            ):
                yield each


def filled(text: str, chart: Chart) -> str:
    """
    Fill C{info} and C{summary} in.

    @return: The text with C{${family}} and C{${label:NAME}} replaced.
    """
    if "$" not in text:
        return text

    def value(found: re.Match[str]) -> str:
        name = found[1]
        if name is None or name == "family":
            return chart.family
        if name.startswith("label:"):
            label = name.removeprefix("label:").strip()
            return _chart_labels(chart).get(label, found[0])
        return found[0]

    return _TEMPLATE.sub(value, text)
