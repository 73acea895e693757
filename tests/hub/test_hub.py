"""
Tests for what a node knows of hosts.
"""

import math

import numpy as np
from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from netstream.db import NoneDB, RamDB
from netstream.hub.hub import Host, Hub, Link
from netstream.model.chart import Chart, Dimension
from netstream.model.host import Function, HostInfo, Label
from netstream.model.samples import EMPTY, SampleBatch
from netstream.model.updates import (
    ChartDefined,
    ChartForgotten,
    FunctionOffered,
    FunctionWithdrawn,
    LabelsReplaced,
    Update,
    VariableSet,
)

LOCAL = HostInfo("11111111-1111-4111-8111-111111111111", "here")
CHILD = HostInfo("22222222-2222-4222-8222-222222222222", "child", hops=1)
TWIN = HostInfo("33333333-3333-4333-8333-333333333333", "child", hops=1)
LINK = Link("192.0.2.1:1", 1000.0)


def batch(host: Host, *samples: tuple[str, int, float]) -> SampleBatch:
    numbers = [host.table.number("c", name) for name, _, _ in samples]
    values = np.array([value for _, _, value in samples])
    return SampleBatch(
        host.table,
        np.array(numbers, np.int32),
        np.array([time for _, time, _ in samples], np.int64),
        np.nan_to_num(values).astype(np.int64),
        values,
        np.where(np.isnan(values), EMPTY, 0).astype(np.uint8),
    )


class HostTests(SynchronousTestCase):
    """
    L{Host} changes by updates.
    """

    def setUp(self) -> None:
        self.db = RamDB(60, 1)
        self.successResultOf(self.db.open())
        self.host = Host(CHILD, self.db)

    def test_samples(self) -> None:
        """
        A sample is the newest of its series, is stored, and is told to those
        who listen.
        """
        heard: list[Update] = []
        self.host.subscribe(heard.append)
        sent = batch(self.host, ("a", 100, 1.5), ("b", 100, math.nan))
        self.host.apply(sent)
        self.assertEqual(self.host.latest.of(self.host.table.find("c", "a")), (100, 1.5, 1))
        self.assertTrue(math.isnan(self.host.latest.of(self.host.table.find("c", "b"))[1]))
        columns = self.successResultOf(self.db.read(CHILD.guid, [("c", "a")], 99, 100))
        self.assertEqual(columns.values.tolist(), [[1.5]])
        self.assertEqual(heard, [sent])

    def test_older_is_not_newest(self) -> None:
        """
        An old sample that arrives late does not pass for the newest.
        """
        self.host.apply(batch(self.host, ("a", 100, 1.0)))
        self.host.apply(batch(self.host, ("a", 90, 2.0)))
        self.assertEqual(self.host.latest.of(0)[:2], (100, 1.0))

    def test_any_order_in_a_batch(self) -> None:
        """
        Of several samples of one series that arrive together, in whatever
        order, the one of the latest second is the newest.
        """
        self.host.apply(batch(self.host, ("a", 102, 2.0), ("b", 101, 4.0), ("a", 101, 1.0), ("b", 103, 5.0)))
        self.assertEqual(self.host.latest.of(0)[:2], (102, 2.0))
        self.assertEqual(self.host.latest.of(1)[:2], (103, 5.0))
        self.host.apply(batch(self.host, ("a", 104, 6.0), ("a", 103, 7.0), ("a", 104, 8.0)))
        self.assertEqual(self.host.latest.of(0)[:2], (104, 8.0))

    def test_said_again(self) -> None:
        """
        A definition that says what is known already is not passed on; one
        that differs is.
        """
        heard: list[Update] = []
        self.host.subscribe(heard.append)
        for title in ("One", "One", "Other"):
            self.host.apply(ChartDefined(Chart("c.d", title=title, dimensions={"a": Dimension("a")})))
        self.assertEqual([u.chart.title for u in heard if isinstance(u, ChartDefined)], ["One", "Other"])

    def test_listener_that_fails(self) -> None:
        """
        One listener that fails keeps no update from the others.
        """
        heard: list[Update] = []

        def fail(update: Update) -> None:
            raise KeyError("broken")

        self.host.subscribe(fail)
        self.host.subscribe(heard.append)
        self.host.apply(VariableSet("v", 2.0))
        self.assertEqual(len(heard), 1)
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)

    def test_unknown_series(self) -> None:
        """
        A series without a sample has none.
        """
        self.assertEqual(self.host.latest.of(None)[0], 0)
        self.assertEqual(self.host.latest.of(7)[0], 0)

    def test_definitions(self) -> None:
        """
        Charts, labels and variables are known once they are told.
        """
        chart = Chart("c.d", dimensions={"a": Dimension("a")})
        self.host.apply(ChartDefined(chart))
        self.host.apply(LabelsReplaced({"x": Label("y")}))
        self.host.apply(VariableSet("v", 2.0))
        self.assertEqual(self.host.charts, {"c.d": chart})
        self.assertEqual(self.host.labels, {"x": Label("y")})
        self.assertEqual(self.host.variables, {("", "v"): 2.0})

    def test_cancel(self) -> None:
        """
        Who cancels hears no more, also when that happens while others hear.
        """
        heard: list[Update] = []
        cancel = self.host.subscribe(heard.append)
        cancel()
        cancel()
        self.host.apply(VariableSet("v", 2.0))
        self.host.apply(SampleBatch.of_second(self.host.table, 5, [self.host.table.number("c.d", "x")], [1.0]))
        self.assertEqual(heard, [])

    def test_without_samples(self) -> None:
        """
        Who does not want samples hears of all else, in its turn.
        """
        heard: list[tuple[str, type]] = []
        self.host.subscribe(lambda update: heard.append(("first", type(update))), samples=False)
        self.host.subscribe(lambda update: heard.append(("second", type(update))))
        self.host.apply(SampleBatch.of_second(self.host.table, 5, [self.host.table.number("c.d", "x")], [1.0]))
        self.host.apply(VariableSet("v", 2.0))
        self.assertEqual(heard, [("second", SampleBatch), ("first", VariableSet), ("second", VariableSet)])


class DefinitionsTests(SynchronousTestCase):
    """
    Whoever remembers what a L{Host} has sees that it has something else.
    """

    def test_counted(self) -> None:
        """
        Charts, functions and names count; samples, labels, and what is said
        again do not.
        """
        host = Host(HostInfo("g", "web1"), RamDB(60, 1))
        chart, function = Chart("a.b", dimensions={"x": Dimension("x")}), Function("top")
        for update, counts in (
            (ChartDefined(chart), True),
            (ChartDefined(evolve(chart)), False),
            (ChartDefined(evolve(chart, title="other")), True),
            (LabelsReplaced({}), False),
            (VariableSet("v", 1.0), False),
            (FunctionOffered(function), True),
            (FunctionOffered(function), False),
            (FunctionWithdrawn("top"), True),
            (ChartForgotten("a.b"), True),
        ):
            before = host.definitions
            host.apply(update)
            self.assertEqual(host.definitions > before, counts, update)
        before = host.definitions
        host.info = HostInfo("g", "web2")
        self.assertGreater(host.definitions, before)


class HubTests(SynchronousTestCase):
    """
    L{Hub} knows hosts by GUID and by name.
    """

    def setUp(self) -> None:
        self.hub = Hub(LOCAL, NoneDB())

    def test_find(self) -> None:
        """
        A host is found by name or GUID in any case; of two with one name the
        one that is online comes first.
        """
        first = self.hub.connect(CHILD, NoneDB(), LINK)
        second = self.hub.connect(TWIN, NoneDB(), LINK)
        self.hub.disconnect(first, 2000.0)
        self.assertIs(self.hub.find("Child"), second)
        self.assertIs(self.hub.find(CHILD.guid.upper()), first)
        self.assertIsNone(self.hub.find("nobody"))
        self.assertIs(self.hub.find("here"), self.hub.local)
        self.assertIs(self.hub.find("localhost"), self.hub.local)

    def test_returns(self) -> None:
        """
        A host that comes back is the same, with its charts.
        """
        host = self.hub.connect(CHILD, NoneDB(), LINK)
        host.apply(ChartDefined(Chart("c.d")))
        self.hub.disconnect(host, 2000.0)
        self.assertFalse(host.online)
        self.assertIs(self.hub.connect(CHILD, NoneDB(), LINK), host)
        self.assertTrue(host.online)
        self.assertIn("c.d", host.charts)

    def test_watch(self) -> None:
        """
        A watcher hears of each coming and going.
        """
        heard: list[tuple[str, bool]] = []
        self.hub.watch(lambda host: heard.append((host.info.hostname, host.online)))
        self.hub.disconnect(self.hub.connect(CHILD, NoneDB(), LINK), 2000.0)
        self.assertEqual(heard, [("child", True), ("child", False)])
