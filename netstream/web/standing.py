"""
C{alerts}: how the alerts of all nodes stand, by name, by what they are about,
and one by one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from attrs import define, field, frozen

from netstream.health.alerts import Alert, Status, Transition
from netstream.health.definitions import SILENT
from netstream.health.engine import HostAlerts
from netstream.hub.hub import Host
from netstream.model.chart import Chart
from netstream.model.pattern import SimplePattern
from netstream.turns import Turns
from netstream.web import nodes
from netstream.web.alerts import Alerts, finite
from netstream.web.answer import Refusal
from netstream.web.charts import list_pattern
from netstream.web.selection import Choice
from netstream.web.target import Parameters

MOST_INSTANCES = 20_000
"""Alerts of charts that one answer lists."""
STATUSES: Mapping[str, frozenset[Status]] = {
    "uninitialized": frozenset((Status.UNINITIALIZED,)),
    "undefined": frozenset((Status.UNDEFINED,)),
    "clear": frozenset((Status.CLEAR,)),
    "warning": frozenset((Status.WARNING,)),
    "critical": frozenset((Status.CRITICAL,)),
    "raised": frozenset((Status.WARNING, Status.CRITICAL)),
    "active": frozenset((Status.WARNING, Status.CRITICAL)),
}
"""What C{status} may ask for."""
OPTIONS = ("summary", "instances", "values", "long-json-keys")
"""Words of C{options} that change the answer."""
_COUNTED = {Status.CRITICAL: "cr", Status.WARNING: "wr", Status.CLEAR: "cl", Status.UNDEFINED: "er"}
_LONG = {
    "ati": "alerts_array_index_id",
    "ni": "nodes_array_index",
    "gi": "global_id",
    "sum": "summary",
    "cr": "critical",
    "wr": "warning",
    "cl": "clear",
    "er": "error",
    "in": "instances_count",
    "nd": "nodes_count",
    "cfg": "configurations_count",
    "ctx": "contexts",
    "cls": "classifications",
    "cp": "components",
    "ty": "types",
    "to": "recipients",
    "nm": "alert",
}
_LONG_INSTANCE = {
    **_LONG,
    "ctx": "context",
    "ch": "instance_id",
    "ch_n": "instance",
    "st": "status",
    "fami": "family",
    "tr_i": "last_transition_id",
    "tr_v": "last_transition_value",
    "tr_t": "last_transition_timestamp",
    "v": "last_updated_value",
    "t": "last_updated_timestamp",
    "cfg": "config_hash_id",
    "src": "source",
    "tp": "type",
    "cm": "component",
    "cl": "classification",
}
_LONG_NODE = {"ni": "nodes_array_index", "mg": "machine_guid", "nd": "node_id", "nm": "hostname"}
"""What keys are called with C{long-json-keys}."""


@frozen
class Question:
    """
    What a client asked for.

    @ivar names: Patterns of names of alerts; L{None} is all.
    @ivar statuses: Empty is all.
    @ivar transition: Only the alert whose last transition that is.
    @ivar most: Alerts of charts that are listed.
    """

    scope: Choice
    filters: Choice
    names: SimplePattern | None
    statuses: frozenset[Status]
    transition: str
    most: int
    options: frozenset[str]

    @classmethod
    def parse(cls, parameters: Parameters) -> Question:
        """
        @raise BadParameter: A number is none.
        @raise Refusal: There is no such status.
        """
        words = [word.lower() for word in parameters.words("status")]
        for word in words:
            if word not in STATUSES:
                raise Refusal(400, f"status: {word[:40]!r} is none; there are {', '.join(STATUSES)}.\n")
        names = parameters.patterns("alert")
        options = {"long-json-keys" if word == "long-keys" else word for word in parameters.words("options")}
        if not options & {"summary", "instances", "values"}:
            options.add("summary")
        return cls(
            Choice.parse(parameters, "scope_"),
            Choice.parse(parameters),
            list_pattern(names) if names else None,
            frozenset[Status]().union(*(STATUSES[word] for word in words)),
            parameters.text("transition"),
            parameters.number("cardinality_limit", MOST_INSTANCES, 1, MOST_INSTANCES),
            frozenset(options),
        )

    def wants(self, host: Host, alert: Alert, chart: Chart) -> bool:
        """
        @return: Whether an alert of a chart is asked for.
        """
        if self.statuses and alert.status not in self.statuses:
            return False
        if self.names is not None and not self.names.matches(alert.name):
            return False
        return self.scope.chart(host, chart) and self.filters.chart(host, chart)


@define(eq=False)
class _Name:
    """
    All alerts of one name.

    @ivar number: Its place in the answer.
    """

    number: int
    summary: str
    statuses: Counter[Status] = field(factory=Counter)
    nodes: dict[int, None] = field(factory=dict)
    configurations: set[str] = field(factory=set)
    contexts: dict[str, None] = field(factory=dict)
    classifications: dict[str, None] = field(factory=dict)
    components: dict[str, None] = field(factory=dict)
    types: dict[str, None] = field(factory=dict)
    recipients: dict[str, None] = field(factory=dict)

    def add(self, node: int, alert: Alert, chart: Chart) -> None:
        """
        Take in an alert.
        """
        definition = alert.definition
        self.statuses[alert.status] += 1
        self.nodes[node] = None
        self.configurations.add(definition.hash)
        self.contexts[chart.context] = None
        for into, text in (
            (self.classifications, definition.classification),
            (self.components, definition.component),
            (self.types, definition.type),
            (self.recipients, definition.to),
        ):
            if text:
                into[text] = None

    def said(self, name: str) -> dict[str, Any]:
        """
        @return: It, as C{alerts} has it.
        """
        return {
            "ati": self.number,
            "ni": list(self.nodes),
            "nm": name,
            "sum": self.summary,
            **_counts(self.statuses),
            "in": self.statuses.total(),
            "nd": len(self.nodes),
            "cfg": len(self.configurations),
            "ctx": list(self.contexts),
            "cls": list(self.classifications),
            "cp": list(self.components),
            "ty": list(self.types),
            "to": list(self.recipients),
        }


def _counts(statuses: Mapping[Status, int]) -> dict[str, int]:
    return {key: statuses.get(status, 0) for status, key in _COUNTED.items()}


@define(eq=False)
class _Group:
    """
    Alerts that have a text in common.
    """

    statuses: Counter[Status] = field(factory=Counter)
    silent: int = 0
    configurations: set[str] = field(factory=set)

    def add(self, alert: Alert) -> None:
        """
        Take in an alert.
        """
        self.statuses[alert.status] += 1
        self.silent += alert.silenced or alert.definition.to == SILENT
        self.configurations.add(alert.definition.hash)

    def said(self, name: str) -> dict[str, Any]:
        """
        @return: It, as C{alerts_by_...} has it.
        """
        return {
            "name": name,
            **_counts(self.statuses),
            "running": self.statuses.total(),
            "running_silent": self.silent,
            "available": len(self.configurations),
        }


def _groups(alert: Alert, chart: Chart) -> Iterator[tuple[str, str]]:
    """
    @return: The groups of an alert, by what they are groups.
    """
    definition = alert.definition
    yield "type", definition.type
    yield "component", definition.component
    yield "classification", definition.classification
    for recipient in definition.to.split():
        yield "recipient", recipient
    yield "module", chart.module or "[none]"


class _Told:
    """
    What is said of the alerts of many nodes.
    """

    def __init__(self, question: Question, alerts: Alerts) -> None:
        self._question = question
        self._alerts = alerts
        self._names: dict[str, _Name] = {}
        self._groups: dict[str, dict[str, _Group]] = {
            by: {} for by in ("type", "component", "classification", "recipient", "module")
        }
        self.instances: list[dict[str, Any]] = []

    def add(self, node: int, these: HostAlerts, alert: Alert, chart: Chart, last: Transition | None) -> None:
        """
        Take in an alert.

        @param last: What happened to it last, if that is known.
        """
        name = self._names.get(alert.name)
        if name is None:
            name = self._names[alert.name] = _Name(len(self._names), alert.definition.summary)
        name.add(node, alert, chart)
        for by, text in _groups(alert, chart):
            if text:
                self._groups[by].setdefault(text, _Group()).add(alert)
        if self._question.options & {"instances", "values"} and len(self.instances) < self._question.most:
            self.instances.append(self._instance(node, name.number, these, alert, chart, last))

    def _instance(
        self, node: int, number: int, these: HostAlerts, alert: Alert, chart: Chart, last: Transition | None
    ) -> dict[str, Any]:
        definition, options = alert.definition, self._question.options
        told: dict[str, Any] = {"ati": number} if "summary" in options else {}
        told |= {"ni": node, "nm": alert.name, "ch": chart.id, "ch_n": chart.name or chart.id}
        if "instances" in options:
            summary, info = these.transition_texts(alert)
            told |= {
                "gi": alert.last_event,
                "ctx": chart.context,
                "st": alert.status.name,
                "fami": chart.family,
                "info": info,
                "sum": summary,
                "units": these.units(alert, chart),
                "tr_i": last.transition_id if last is not None else None,
                "tr_v": finite(last.value) if last is not None else None,
                "tr_t": alert.changed,
                "cfg": definition.hash,
                "src": definition.source,
                "to": definition.to,
                "tp": definition.type,
                "cm": definition.component,
                "cl": definition.classification,
            }
        if "values" in options:
            told |= {"v": finite(alert.value), "t": alert.updated}
        return told

    def said(self, nodes: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """
        @param nodes: Those in scope.
        @return: All of it.
        """
        options = self._question.options
        told: dict[str, Any] = {"nodes": nodes}
        if "summary" in options:
            told["alerts"] = [each.said(name) for name, each in self._names.items()]
            for by, groups in self._groups.items():
                told[f"alerts_by_{by}"] = [each.said(name) for name, each in groups.items()]
        if options & {"instances", "values"}:
            told["alert_instances"] = self.instances
        return _spelled_out(told) if "long-json-keys" in options else told


def _spelled_out(told: Mapping[str, Any]) -> dict[str, Any]:
    keys = {"nodes": _LONG_NODE, "alert_instances": _LONG_INSTANCE}
    return {
        name: [{keys.get(name, _LONG).get(key, key): value for key, value in each.items()} for each in these]
        for name, these in told.items()
    }


async def standing(hosts: Iterable[Host], alerts: Alerts, parameters: Parameters, turns: Turns) -> dict[str, Any]:
    """
    @param hosts: The nodes that may be meant.
    @return: What C{alerts} answers, besides what all answers have.
    @raise BadParameter: A number is none.
    @raise Refusal: There is no such status.
    """
    question = Question.parse(parameters)
    told = _Told(question, alerts)
    listed: list[dict[str, Any]] = []
    for host in hosts:
        await turns.breathe()
        if not question.scope.node(host) or not question.filters.node(host):
            continue
        node = len(listed)
        listed.append(nodes.identity(host, node))
        these = alerts.of(host)
        if these is None:
            continue
        for alert in tuple(these.alerts.values()):
            await turns.breathe()
            chart = host.charts.get(alert.chart)
            if chart is None or not question.wants(host, alert, chart):
                continue
            said = alerts.last_transition(host, alert)
            if question.transition and (said is None or said.transition_id != question.transition):
                continue
            told.add(node, these, alert, chart, said)
    return told.said(listed)
