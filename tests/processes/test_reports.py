"""
What a worker knows of its hosts, and what the process that serves knows then.
"""

from __future__ import annotations

import numpy as np
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from netstream.db import RamDB
from netstream.db.messages import NOTHING, Message
from netstream.db.remote import RemoteDB, Traits
from netstream.health.children import STOPPED_AFTER, _Child
from netstream.hub.hub import Host, Hub, Link
from netstream.hub.shared import Arena, SharedLatest
from netstream.model.chart import Chart, Dimension
from netstream.model.host import Function, HostInfo, Label
from netstream.model.samples import SampleBatch
from netstream.model.updates import (
    ChartDefined,
    ChartForgotten,
    ClaimSet,
    FunctionOffered,
    FunctionWithdrawn,
    LabelsReplaced,
    PathKnown,
    Update,
    VariableSet,
)
from netstream.processes import reports
from netstream.processes.mirror import Mirror
from netstream.processes.reports import REPORT, Reports
from tests.processes.case import memory
from tests.processes.test_remote import over_the_wire

HERE = HostInfo("11111111-1111-4111-8111-111111111111", "here")
CHILD = HostInfo("22222222-2222-4222-8222-222222222222", "child")
LINK = Link("127.0.0.1:1", 5.0, 7)


def chart(name: str, *dimensions: str) -> Chart:
    """
    @return: A chart with these dimensions.
    """
    return Chart(name, "title", "units", dimensions={d: Dimension(d) for d in dimensions})


class ReportsTests(SynchronousTestCase):
    """
    L{Reports} of one hub, taken by a L{Mirror} into another.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        writes, self.words = memory()
        self.arena = Arena(writes)
        self.db = RamDB(3600)
        self.theirs = Hub(HERE, self.db, latest=lambda: SharedLatest(self.arena))
        self.ours = Hub(HERE, RamDB(3600))
        self.mirror = Mirror(self.ours, "worker 1")
        self.remote = RemoteDB(self.ask, 0, Traits.of(self.db))
        self.mirror.begin([self.remote], self.words)
        self.reported: list[Message] = []
        self.answers: list[Deferred[Message]] = []
        self.slow = False
        self.ready = 0
        self.heard: list[Update] = []
        self.states: list[tuple[str, bool]] = []
        self.ours.watch(lambda host: self.states.append((host.info.hostname, host.online)))
        self.reports = Reports(self.theirs, [self.db], self.arena, self.ask, self.be_ready, self.clock)
        self.addCleanup(self.reports.stop)

    def be_ready(self) -> None:
        self.ready += 1

    def ask(self, verb: str, message: Message = NOTHING) -> Deferred[Message]:
        self.assertEqual(verb, REPORT)
        arrived = over_the_wire(message)
        self.reported.append(arrived)
        self.mirror.report(arrived)
        answer: Deferred[Message] = Deferred()
        self.answers.append(answer)
        if not self.slow:
            answer.callback(NOTHING)
        return answer

    def pass_on(self) -> None:
        """
        Let what is new be said.
        """
        self.clock.advance(reports.SOON)

    def child(self) -> Host:
        """
        @return: A child that is connected to the worker.
        """
        return self.theirs.connect(CHILD, self.db, LINK)

    def shown(self) -> Host:
        """
        @return: The child as the process that serves has it.
        """
        host = self.ours.get(CHILD.guid)
        assert host is not None
        return host

    def test_everything(self) -> None:
        """
        All that a worker learns of a host is known to the process that serves, and its listeners hear of it.
        """
        self.reports.start()
        host = self.child()
        self.pass_on()
        shown = self.shown()
        shown.subscribe(self.heard.append)
        self.assertEqual((shown.info, shown.link, shown.online, shown.elsewhere), (CHILD, LINK, True, True))
        self.assertIs(shown.db, self.remote)
        function = Function("processes", 60, "what runs")
        for update in (
            ChartDefined(chart("a.b", "x", "y")),
            LabelsReplaced({"os": Label("linux", 2)}),
            VariableSet("cores", 4.5),
            VariableSet("odd", float("inf"), "a.b"),
            FunctionOffered(function),
            ClaimSet("claim"),
            PathKnown(({"host": "child"},)),
        ):
            host.apply(update)
        self.pass_on()
        self.assertEqual(shown.charts, host.charts)
        self.assertEqual(shown.labels, host.labels)
        self.assertEqual(shown.variables, {("", "cores"): 4.5, ("a.b", "odd"): float("inf")})
        self.assertEqual(shown.functions, {("", "processes"): function})
        self.assertEqual((shown.claim_id, shown.path), ("claim", ({"host": "child"},)))
        self.assertEqual(len(self.heard), 7)
        host.apply(FunctionWithdrawn("processes"))
        host.apply(ChartForgotten("a.b"))
        self.pass_on()
        self.assertEqual((shown.functions, shown.charts), ({}, {}))
        self.theirs.disconnect(host, 99.0)
        self.pass_on()
        self.assertEqual((shown.online, shown.seen), (False, 99.0))
        self.assertEqual(self.states[0], ("child", True))
        self.assertEqual(self.states[-1], ("child", False))
        self.assertEqual(self.mirror.online, set())

    def test_newest_samples(self) -> None:
        """
        The newest samples of a chart are seen under its own name, though nothing is said of each; a number that
        another chart gets later means that one.
        """
        self.reports.start()
        host = self.child()
        for name in ("a.b", "a.c"):
            host.apply(ChartDefined(chart(name, "x", "y")))
        self.pass_on()
        self.sample(host, ("a.c", "y"), 7, 1.5)
        for _ in range(reports.FIGURES_EVERY):
            self.clock.advance(reports.EVERY)
            self.pass_on()
        said = len(self.reported)
        shown = self.shown()
        self.assertEqual(shown.latest.of(shown.table.find("a.c", "y"))[:2], (7, 1.5))
        self.assertIsNone(shown.table.find("a.b", "x"))
        self.sample(host, ("a.c", "y"), 8, 2.5)
        self.assertEqual(shown.latest.of(shown.table.find("a.c", "y"))[:2], (8, 2.5))
        self.clock.advance(reports.EVERY)
        self.pass_on()
        self.assertEqual(len(self.reported), said)
        host.apply(ChartForgotten("a.c"))
        host.table.recycle()
        host.table.recycle()
        host.apply(ChartDefined(chart("a.d", "z")))
        self.sample(host, ("a.d", "z"), 9, 3.5)
        self.clock.advance(reports.EVERY)
        self.pass_on()
        self.assertEqual(shown.latest.of(shown.table.find("a.d", "z"))[:2], (9, 3.5))
        self.assertIsNone(shown.table.find("a.c", "y"))

    def sample(self, host: Host, series: tuple[str, str], time: int, value: float) -> None:
        """
        A sample comes in.
        """
        host.apply(
            SampleBatch(
                host.table,
                np.array([host.table.number(*series)], np.int32),
                np.array([time]),
                np.array([0]),
                np.array([value]),
                np.zeros(1, np.uint8),
            )
        )

    def test_from_before(self) -> None:
        """
        Hosts that the worker has from before are said before it is ready, however many charts they have.
        """
        host = self.child()
        for i in range(2 * reports.CHARTS_AT_ONCE + 1):
            host.apply(ChartDefined(chart(f"a.c{i}", "x")))
        self.theirs.disconnect(host, 9.0)
        self.slow = True
        self.reports.start()
        self.pass_on()
        while not self.ready:
            self.assertEqual(len(self.answers), 1)
            self.assertLessEqual(len(self.reported[-1].fields["hosts"][0]["charts"]), reports.CHARTS_AT_ONCE)
            self.answers.pop().callback(NOTHING)
        self.assertEqual(list(self.shown().charts), list(host.charts))
        self.assertEqual(len(self.reported), 3)

    def test_nothing_from_before(self) -> None:
        """
        A worker without hosts is ready at once.
        """
        self.reports.start()
        self.pass_on()
        self.assertEqual((self.ready, len(self.ours)), (1, 1))

    def test_waits(self) -> None:
        """
        While a report is not answered, nothing is said; what changed often meanwhile is said once.
        """
        self.slow = True
        self.reports.start()
        host = self.child()
        self.pass_on()
        for i in range(1000):
            host.apply(VariableSet("busy", float(i)))
            self.clock.advance(0.1)
        self.assertEqual(len(self.reported), 1)
        self.answers.pop().callback(NOTHING)
        self.assertEqual(len(self.reported), 2)
        self.assertEqual(self.reported[1].fields["hosts"][0]["variables"], [["", "busy", "999.0"]])

    def test_worker_again(self) -> None:
        """
        When a worker ends its hosts are offline, with what is known of them; what it says when it runs again
        is meant anew.
        """
        self.reports.start()
        host = self.child()
        host.apply(ChartDefined(chart("a.b", "x")))
        self.sample(host, ("a.b", "x"), 7, 1.5)
        self.clock.advance(reports.EVERY)
        self.pass_on()
        shown = self.shown()
        find = shown.table.find  # as alerts and pages keep it
        watched = _Child(shown)
        self.assertEqual(watched.stopped(), 0)
        self.mirror.end(50.0)
        self.assertEqual((shown.online, shown.seen, list(shown.charts)), (False, 50.0, ["a.b"]))
        self.assertEqual(shown.latest.of(0)[0], 0)
        self.reports.stop()
        writes, words = memory()
        self.arena = Arena(writes)
        self.theirs = Hub(HERE, self.db, latest=lambda: SharedLatest(self.arena))
        self.mirror.begin([self.remote], words)
        again = Reports(self.theirs, [self.db], self.arena, self.ask, self.be_ready, self.clock)
        self.addCleanup(again.stop)
        again.start()
        host = self.child()
        host.apply(ChartDefined(chart("a.c", "y")))
        host.apply(ChartDefined(chart("a.b", "x")))
        self.sample(host, ("a.c", "y"), 8, 2.5)
        self.sample(host, ("a.b", "x"), 8, 3.5)
        self.clock.advance(reports.EVERY)
        self.pass_on()
        self.assertIs(self.shown(), shown)
        self.assertTrue(shown.online)
        self.assertEqual(shown.latest.of(find("a.b", "x"))[:2], (8, 3.5))
        self.assertEqual(shown.table.living, 2)
        self.sample(host, ("a.b", "x"), 8 + 2 * STOPPED_AFTER, 4.5)
        self.assertEqual(watched.stopped(), 1)

    def test_in_two_databases(self) -> None:
        """
        A host that the process that serves has itself stays its own.
        """
        ours = self.ours.connect(CHILD, RamDB(3600), LINK)
        self.reports.start()
        host = self.child()
        host.apply(ChartDefined(chart("a.b", "x")))
        self.pass_on()
        self.assertIs(self.shown(), ours)
        self.assertEqual((ours.elsewhere, ours.charts), (False, {}))

    def test_health(self) -> None:
        """
        What keeps a worker from storing is known.
        """
        self.reports.start()
        self.pass_on()
        self.assertEqual(self.remote.health(), self.db.health())
