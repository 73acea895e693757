"""
The alerts that come with netstream: each one looks at a chart that there is,
fires when it should, and clears.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from attrs import field, frozen
from twisted.trial.unittest import SynchronousTestCase

from netstream.config.places import STOCK
from netstream.health.alerts import Status
from netstream.health.definitions import Definition
from netstream.health.library import library
from netstream.health.own import CERTIFICATE, RETENTION
from netstream.model.chart import Chart, Dimension
from netstream.model.host import Label
from netstream.model.pattern import pattern
from netstream.model.updates import ChartDefined, VariableSet
from tests.health.stage import Stage, put

Values = Mapping[str, float] | Callable[[int], Mapping[str, float]]


@frozen
class Example:
    """
    What makes an alert fire.

    @ivar calm: Values of all dimensions as they should be.
    @ivar bad: Those that differ when it fires, maybe by second.
    @ivar status: How it stands then.
    @ivar labels: Of the chart.
    @ivar variables: Of the host.
    @ivar others: Values of other charts, by chart and dimension.
    """

    calm: Mapping[str, float]
    bad: Values
    status: Status = Status.WARNING
    labels: Mapping[str, str] = field(factory=dict)
    variables: Mapping[str, float] = field(factory=dict)
    others: Mapping[str, Mapping[str, float]] = field(factory=dict)


CRITICAL = Status.CRITICAL
CPU = dict.fromkeys(("user", "system", "softirq", "irq", "nice", "guest", "guest_nice", "steal", "iowait"), 1.0)
SPACE = {"avail": 80.0, "used": 20.0, "reserved for root": 5.0}
MOUNT = {"mount_point": "/"}
CHILD = {"silent": 0.0, "connected": 1.0, "came": 1.0, "stopped": 0.0}
STEADY = {"ephemeral": "no", "child": "web1"}
RAM = {"system.ram": {"free": 50.0, "used": 30.0, "cached": 20.0, "buffers": 0.0}}
NETSTREAM = {"messages_waiting": 0.0, "messages_given_up": 0.0, "database_problem": 0.0}
REFUSED = dict.fromkeys(
    ("denied", "not_allowed", "already_streaming", "localhost", "busy", "initializing", "other"), 0.0
)
EXAMPLES = {
    "cpu_busy": Example(CPU, {"user": 91.0}, CRITICAL),
    "cpu_iowait": Example(CPU, {"iowait": 50.0}),
    "cpu_stolen": Example(CPU, {"steal": 20.0}),
    "load_high": Example(
        {"load1": 1.0, "load5": 1.0, "load15": 1.0}, {"load15": 7.0}, variables={"active_processors": 2.0}
    ),
    "ram_available": Example({"avail": 60.0}, {"avail": 2.0}, CRITICAL, others=RAM),
    "swap_used": Example({"free": 90.0, "used": 10.0}, {"free": 8.0, "used": 92.0}),
    "swapping": Example({"in": 0.0, "out": 0.0}, {"in": 3000.0, "out": -3000.0}),
    "out_of_memory_kill": Example({"kills": 0.0}, {"kills": 1.0}),
    "disk_space": Example(SPACE, {"avail": 1.0, "used": 99.0}, CRITICAL, MOUNT),
    "disk_full_soon": Example(
        SPACE, lambda second: {"avail": 30.0, "used": 20 + second % 100_000 / 1000}, labels=MOUNT
    ),
    "disk_inodes": Example(SPACE, {"avail": 5.0, "used": 95.0}, labels=MOUNT),
    "disk_backlog": Example({"backlog": 10.0}, {"backlog": 6000.0}),
    "interface_errors": Example({"inbound": 0.0, "outbound": 0.0}, {"inbound": 0.1}),
    "interface_drops": Example(
        {"inbound": 0.0, "outbound": 0.0}, {"outbound": -20.0}, labels={"interface_type": "real"}
    ),
    "processes_many": Example({"active": 100.0}, {"active": 880.0}, variables={"pidmax": 1000.0}),
    "clock_not_synchronized": Example({"state": 1.0}, {"state": 0.0}),
    "clock_off": Example({"offset": -3.0}, {"offset": -700.0}),
    "child_silent": Example(CHILD, {"silent": 1000.0, "connected": 0.0}, CRITICAL, STEADY),
    "child_lost": Example(CHILD, {"silent": 1000.0, "connected": 0.0, "came": 0.0}, labels=STEADY),
    "child_charts_stopped": Example(CHILD, {"stopped": 2.0}, labels=STEADY),
    "samples_lost": Example({"lost": 0.0}, {"lost": 3.0}, CRITICAL),
    "database_damaged": Example({"damaged": 0.0}, {"damaged": 1.0}),
    "database_problem": Example(NETSTREAM, {"database_problem": 1.0}, CRITICAL),
    "messages_waiting": Example(NETSTREAM, {"messages_waiting": 4.0}),
    "history_short": Example({"kept": 20.0, "full": 40.0}, {"kept": 20.0, "full": 99.0}),
    "certificate_expires": Example({"left": 90 * 86400.0}, {"left": 5 * 86400.0}),
    "children_behind": Example({"lag": 1.0}, {"lag": 60.0}),
    "parents_behind": Example({"waiting": 3.0}, {"waiting": 3000.0}),
    "samples_dropped": Example({"slow_parent": 0.0, "ahead": 0.0}, {"slow_parent": 5.0}),
    "samples_spilled": Example({"spool_full": 0.0}, {"spool_full": 5.0}, CRITICAL),
    "samples_ahead": Example({"slow_parent": 0.0, "ahead": 0.0}, {"ahead": 5.0}),
    "children_refused": Example(REFUSED, {"denied": 0.1}),
    "streams_broken": Example({"broken": 0.0}, {"broken": 0.1}),
}

TOPICS = (
    *("cpu_busy", "load_high", "ram_available", "swap_used", "disk_space", "disk_full_soon", "disk_inodes"),
    *("disk_backlog", "interface_errors", "interface_drops", "processes_many", "clock_off", "children_behind"),
    *("parents_behind", "children_refused", "database_problem", "history_short", "certificate_expires"),
)
"""One of each thing that people want to be told without asking."""


class StockTests(SynchronousTestCase):
    """
    The stock alerts.
    """

    def setUp(self) -> None:
        found = library(Path(self.mktemp()))
        self.assertEqual(found.problems, [])
        self.definitions: dict[str, Definition] = {each.name: each for each in found.definitions}

    def test_all(self) -> None:
        """
        There is an example for each, and an alert for each thing that matters.
        """
        self.assertEqual(set(EXAMPLES), set(self.definitions))
        self.assertEqual([name for name in TOPICS if name not in self.definitions], [])

    def test_described(self) -> None:
        """
        Each one says what it is about, what to do with it, and whom to tell.
        """
        for name, each in self.definitions.items():
            self.assertTrue(each.template and each.info and each.summary and each.units, name)
            self.assertTrue(each.classification and each.component and each.type, name)
            self.assertIn(each.to, ("sysadmin", "silent"), name)

    def test_charts(self) -> None:
        """
        Each one looks at a context that is collected.
        """
        page = (Path(__file__).parents[2] / "docs" / "collection.md").read_text()
        collected = set(re.findall(r"`([\w.]+)`", page))
        collected |= {CERTIFICATE.context, RETENTION.context, "netstream.alerts", "netstream.child"}
        wanted = {each.on for each in self.definitions.values()}
        self.assertEqual(wanted - collected, set())

    def test_fires_and_clears(self) -> None:
        """
        Each one is clear in ordinary times, fires when things are bad, and clears again.
        """
        found = {name: self.fares(self.definitions[name], example) for name, example in EXAMPLES.items()}
        expected = {name: [Status.CLEAR, example.status, Status.CLEAR] for name, example in EXAMPLES.items()}
        self.maxDiff = None
        self.assertEqual(found, expected)

    def fares(self, definition: Definition, example: Example) -> list[Status]:
        text = "".join(path.read_text() + "\n" for path in sorted((STOCK / "health.d").glob("*.conf")))
        stage = Stage(Path(self.mktemp()), text, alerts=pattern(definition.name))
        labels = {label: Label(value) for label, value in example.labels.items()}
        dimensions = {id: Dimension(id) for id in example.calm}
        chart = Chart("a.chart", context=definition.on, family="it", dimensions=dimensions, labels=labels)
        for variable, value in example.variables.items():
            stage.local.apply(VariableSet(variable, value))
        self.addCleanup(stage.start().stopService)
        lookup = definition.lookup
        length = (-lookup.after if lookup is not None else 0) + max(definition.every, 60) + 60
        others = [
            (Chart(id, context=id, dimensions={d: Dimension(d) for d in values}), values)
            for id, values in example.others.items()
        ]
        for each in (chart, *(other for other, _ in others)):
            stage.local.apply(ChartDefined(each))

        def go_on(bad: Values | None) -> Status:
            begun = stage.now
            rows = {}
            for second in range(begun + 1, begun + length + 1):
                differing = {} if bad is None else bad(second) if callable(bad) else bad
                rows[second] = list({**example.calm, **differing}.values())
            put(stage.local, chart, rows)
            for other, values in others:
                put(stage.local, other, {second: list(values.values()) for second in rows})
            stage.clock.advance(length)
            for _ in range(3):
                stage.clock.advance(1)
            return stage.alert(definition.name, chart="a.chart").status

        return [go_on(None), go_on(example.bad), go_on(None)]
