"""
C{allmetrics} in the text format of Prometheus.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence

from attrs import define, field, frozen

from netstream.hub.hub import Host
from netstream.model.chart import Algorithm, Chart, Dimension
from netstream.model.host import Label
from netstream.model.naming import name_part, name_start, units_part
from netstream.model.pattern import SimplePattern
from netstream.turns import Turns
from netstream.web.answer import Refusal, clean
from netstream.web.charts import any_pattern, version_of
from netstream.web.latest import taken
from netstream.web.scraping import Visit
from netstream.web.target import Parameters

CONTENT_TYPE = "text/plain; version=0.0.4"

_SOURCES = {
    "average": "average",
    "sum": "sum",
    "volume": "sum",
    "as-collected": "as-collected",
    "as collected": "as-collected",
    "raw": "as-collected",
}
_COUNTERS = (Algorithm.INCREMENTAL, Algorithm.PERCENTAGE_OF_INCREMENTAL_ROW)
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f\x85\u2028\u2029]")
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})
_HELP_ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n"})


def label_value(text: str) -> str:
    """
    @return: The text as it stands between the quotes of a label.
    """
    return _CONTROL.sub(" ", clean(text)).translate(_ESCAPES)


@frozen
class Choice:
    """
    What a scraper asked for.
    """

    source: str
    prefix: str
    filter: SimplePattern | None
    names: bool
    timestamps: bool
    help: bool
    types: bool
    units: bool
    old_units: bool
    variables: bool
    instance: bool

    @classmethod
    def parse(cls, parameters: Parameters, all_hosts: bool) -> Choice:
        """
        @raise Refusal: There is no such source.
        """
        source = parameters.text("source", "data", default="average")
        if source not in _SOURCES:
            raise Refusal(400, f"source: {source[:40]!r} is not average, sum or as-collected.\n")
        prefix = parameters.text("prefix", default="netdata")[:100]
        return cls(
            _SOURCES[source],
            name_start(prefix) if prefix else "",
            any_pattern(parameters.patterns("filter")),
            parameters.truth("names", True),
            parameters.truth("timestamps", True),
            parameters.truth("help", False),
            parameters.truth("types", False),
            not parameters.truth("hideunits", False),
            parameters.truth("oldunits", False),
            parameters.truth("variables", False),
            all_hosts,
        )


@define
class _Family:
    kind: str
    help: str
    lines: dict[str, str] = field(factory=dict)


class Exposition:
    """
    Collects samples, all of a metric together, with one type each.
    """

    def __init__(self, choice: Choice) -> None:
        self._choice = choice
        self._families: dict[str, _Family] = {}
        self._instances: dict[str, str] = {}

    def add(self, name: str, kind: str, help: str, labels: str, spare: str, value: str, milliseconds: int) -> None:
        """
        Add a sample.

        @param labels: What is between the braces.
        @param spare: The same made of ids, in case that a sample with those
            labels is there already.
        """
        family = self._families.setdefault(name, _Family(kind, help))
        if family.kind != kind:
            family.kind = "untyped"
        moment = f" {milliseconds}" if self._choice.timestamps else ""
        braces = f"{{{labels if labels not in family.lines else spare}}}" if labels else ""
        family.lines.setdefault(labels if labels not in family.lines else spare, f"{name}{braces} {value}{moment}")

    def __bytes__(self) -> bytes:
        out = []
        for name, family in self._families.items():
            if self._choice.help and family.help:
                out.append(f"# HELP {name} {_CONTROL.sub(' ', clean(family.help)).translate(_HELP_ESCAPES)}")
            if self._choice.types:
                out.append(f"# TYPE {name} {family.kind}")
            out += family.lines.values()
        return ("\n".join(out) + "\n").encode("utf-8", "replace")

    def node(self, host: Host, now: float) -> None:
        """
        Add who a node is; call it first.  A node whose name is taken by one
        before it goes by its GUID.
        """
        info = host.info
        instance = info.guid if info.hostname in self._instances.values() else info.hostname
        self._instances[info.guid] = instance
        labels = {
            "instance": instance,
            "application": info.program or "netdata",
            "version": version_of(host),
        }
        text = ",".join(
            f'{name}="{label_value(value)}"' for name, value in (labels | _names(host.labels, labels)).items()
        )
        self.add("netdata_info", "gauge", "The node and its labels", text, text, "1", int(now * 1000))

    def host_variables(self, host: Host, now: float) -> None:
        """
        Add the variables of a node.
        """
        labels = self._instance(host).lstrip(",")
        for (chart, name), value in host.variables.items():
            if not chart and math.isfinite(value):
                metric = f"{self._choice.prefix}_{name_part(name)}"
                self.add(metric, "gauge", "", labels, labels, f"{value:.7f}", int(now) * 1000)

    def _instance(self, host: Host) -> str:
        return f',instance="{label_value(self._instances[host.info.guid])}"' if self._choice.instance else ""

    def _labels(self, host: Host, chart: Chart, dimension: Dimension | None, names: bool) -> str:
        text = f'chart="{label_value(chart.name if names else chart.id)}",family="{label_value(chart.family)}"'
        if dimension is not None:
            text += f',dimension="{label_value(dimension.name if names else dimension.id)}"'
        return text + self._instance(host)

    def folded(self, host: Host, chart: Chart, values: Mapping[str, float], moment: int) -> None:
        """
        Add averages or sums.

        @param values: By dimension id.
        @param moment: Second at which their window ends.
        """
        choice = self._choice
        units = units_part(chart.units, choice.old_units) if choice.units and choice.source == "average" else ""
        name = f"{choice.prefix}_{name_part(chart.context)}{units}_{choice.source}"
        for dimension in chart.dimensions.values():
            value = values.get(dimension.id, math.nan)
            if math.isfinite(value):
                labels = self._labels(host, chart, dimension, choice.names)
                spare = self._labels(host, chart, dimension, False)
                self.add(name, "gauge", chart.title, labels, spare, f"{value:.7f}", moment * 1000)

    def collected(self, host: Host, chart: Chart, visit: Visit) -> None:
        """
        Add what was collected, before any arithmetic.
        """
        choice = self._choice
        context = f"{choice.prefix}_{name_part(chart.context)}"
        ways = {(d.algorithm, abs(d.multiplier), abs(d.divisor)) for d in chart.dimensions.values()}
        for dimension in chart.dimensions.values():
            moment, value, collected = host.latest.of(host.table.find(chart.id, dimension.id))
            if not moment or math.isnan(value) or not visit.fresh(moment, chart.update_every):
                continue
            counter = dimension.algorithm in _COUNTERS
            total = "_total" if counter and chart.module != "prometheus" else ""
            inside: Dimension | None = dimension
            name = context + total
            if len(ways) > 1:
                inside = None
                name = f"{context}_{name_part(dimension.name if choice.names else dimension.id)}{total}"
            labels = self._labels(host, chart, inside, choice.names)
            spare = self._labels(host, chart, inside, False)
            kind = "counter" if counter else "gauge"
            self.add(name, kind, chart.title, labels, spare, str(collected), moment * 1000)


def _names(labels: Mapping[str, Label], taken: Iterable[str]) -> dict[str, str]:
    taken = set(taken)
    found: dict[str, str] = {}
    for key, label in labels.items():
        name = name_start(key) if key else ""
        if name and name not in taken and name not in found and not name.startswith("__"):
            found[name] = label.value
    return found


async def _folded_values(
    host: Host, charts: Sequence[Chart], visit: Visit, method: str, turns: Turns
) -> dict[str, tuple[int, dict[str, float]]]:
    """
    @return: By chart id: the end of the window, and the values of the chart by
        dimension id.
    """
    by_period: dict[int, list[Chart]] = {}
    for chart in charts:
        by_period.setdefault(max(1, chart.update_every), []).append(chart)
    found: dict[str, tuple[int, dict[str, float]]] = {}
    for period, members in by_period.items():
        plan = visit.window(period)
        await turns.breathe()
        series = [(chart.id, dimension) for chart in members for dimension in chart.dimensions]
        columns = await host.db.query(host.info.guid, series, plan, method)
        await turns.breathe()
        for (id, dimension), value in zip(series, columns.values[0].tolist(), strict=True):
            found.setdefault(id, (plan.before, {}))[1][dimension] = value
    return found


async def expose(hosts: Sequence[Host], choice: Choice, visits: Mapping[str, Visit], turns: Turns) -> bytes:
    """
    @param visits: By GUID of the host.
    @return: The samples of hosts.
    """
    now = turns.clock.seconds()
    out = Exposition(choice)
    for host in hosts:
        out.node(host, now)
        if choice.variables:
            out.host_variables(host, now)
        charts = await taken(host, choice.filter, turns)
        visit = visits[host.info.guid]
        values = {}
        if choice.source != "as-collected" and charts:
            values = await _folded_values(host, charts, visit, choice.source, turns)
        for chart in charts:
            await turns.breathe()
            if choice.source == "as-collected":
                out.collected(host, chart, visit)
            else:
                moment, of_period = values[chart.id]
                out.folded(host, chart, of_period, moment)
    return bytes(out)
