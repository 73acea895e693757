"""
Tests of charts that a program makes.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from twisted.application.service import Application
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.test.requesthelper import DummyRequest

from netstream.collect.program import NumberCharts
from netstream.collect.twisted_charts import TwistedCharts, kind
from netstream.config.settings import NodeSettings, Role, Settings
from netstream.db.none import NoneDB
from netstream.db.workers import Inline
from netstream.hub.hub import Hub
from netstream.model.host import HostInfo
from netstream.roles import Node
from netstream.session.errors import ProtocolError

GUID = "11111111-1111-4111-8111-111111111111"
START = 1_800_000_000.0
PAGE = Path(__file__).parents[2] / "docs" / "embedding.md"


class ProgramTestCase(SynchronousTestCase):
    """
    A hub with charts of a program.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(START)
        self.hub = Hub(HostInfo(GUID, "own"), NoneDB())
        self.settings = Settings(Role.STANDALONE, Path("/none"), Path("/none"), NodeSettings("own"))

    def run_charts(self, charts: NumberCharts) -> None:
        """
        Start to collect.
        """
        charts.attach(self.hub, self.settings, self.clock)
        charts.startService()
        self.addCleanup(charts.stopService)

    def advance(self, seconds: int) -> None:
        """
        Let time pass.
        """
        for _ in range(seconds):
            self.clock.advance(1)

    def value(self, chart: str, dimension: str) -> float:
        """
        @return: The newest value.
        """
        return float(self.hub.local.latest.value[self.hub.local.table.number(chart, dimension)])


class Stubborn:
    """
    Says that it is a number, and is none.
    """

    def __float__(self) -> float:
        return 1.0


class NumberTests(ProgramTestCase):
    """
    Numbers that are set and added to.
    """

    def test_counted(self) -> None:
        """
        What was counted is shown a second, what was set as it is, with the digits that were asked for.
        """
        charts = NumberCharts("test.plugin")
        counted = charts.chart("app.requests", units="req/s").dimension("ok", "incremental")
        level = charts.chart("app.level").dimension("now", decimals=2)
        self.run_charts(charts)
        for _ in range(4):
            counted.add(3)
            level.set(-1.257)
            self.advance(1)
        self.assertAlmostEqual(self.value("app.requests", "ok"), 3.0, 6)
        self.assertAlmostEqual(self.value("app.level", "now"), -1.26, 6)
        chart = self.hub.local.charts["app.requests"]
        self.assertEqual((chart.units, chart.plugin, chart.family), ("req/s", "test.plugin", "app"))

    def test_unset(self) -> None:
        """
        A number that was never set has no samples, nor has one that is no number.
        """
        charts = NumberCharts("test.plugin")
        number = charts.chart("app.level").dimension("now")
        self.run_charts(charts)
        self.advance(2)
        self.assertNotIn("app.level", self.hub.local.charts)
        number.set(float("nan"))
        self.advance(2)
        self.assertNotIn("app.level", self.hub.local.charts)
        number.set(10.0**40)
        self.advance(2)
        self.assertTrue(np.isfinite(self.value("app.level", "now")))

    def test_huge(self) -> None:
        """
        An integer that is larger than any float is bounded, as other huge numbers are.
        """
        charts = NumberCharts("test.plugin")
        level = charts.chart("app.level").dimension("now")
        grown = charts.chart("app.grown").dimension("all")
        grown.set(0.5)
        level.set(-(10**400))
        grown.add(10**400)
        self.run_charts(charts)
        self.advance(2)
        self.assertEqual(self.value("app.level", "now"), -float(1 << 63))
        self.assertEqual(self.value("app.grown", "all"), float(1 << 63))

    def test_unwritten(self) -> None:
        """
        A chart that cannot be written costs the others nothing, and comes when it can be.
        """
        charts = NumberCharts("test.plugin")
        good, bad, last = (charts.chart(f"app.{name}").dimension("a") for name in ("good", "bad", "last"))
        for number in (good, bad, last):
            number.set(1)
        bad.set(Stubborn())  # type: ignore[arg-type]
        self.run_charts(charts)
        for second in range(3):
            good.set(second)
            last.set(second)
            self.advance(1)
        self.assertEqual((self.value("app.good", "a"), self.value("app.last", "a")), (2.0, 2.0))
        self.assertNotIn("app.bad", self.hub.local.charts)
        self.assertEqual(len(self.flushLoggedErrors(TypeError)), 1)
        bad.set(7)
        self.advance(2)
        self.assertEqual(self.value("app.bad", "a"), 7.0)

    def test_unheard(self) -> None:
        """
        A chart that is not taken in is found, and costs the others a moment once.
        """
        charts = NumberCharts("test.plugin")
        numbers = [charts.chart(f"app.{name}").dimension("a") for name in ("good", "bad", "last")]
        for number in numbers:
            number.set(1)
        bad = charts.charts["app.bad"]
        written, bad.text = bad.text, lambda now: b"BEGIN app.nobody\n"  # type: ignore[method-assign]
        self.run_charts(charts)
        self.advance(3)
        self.assertEqual(len(self.flushLoggedErrors(ProtocolError)), 2)
        for second in range(4):
            numbers[0].set(second)
            numbers[2].set(second)
            self.advance(1)
        self.assertEqual((self.value("app.good", "a"), self.value("app.last", "a")), (3.0, 3.0))
        self.assertFalse(self.hub.local.charts["app.good"].obsolete)
        bad.text = written  # type: ignore[method-assign]
        bad.dimension("b").set(2)
        self.advance(2)
        self.assertEqual(self.value("app.bad", "b"), 2.0)

    def test_late_dimension(self) -> None:
        """
        A dimension may be added, and a chart removed, at any time.
        """
        charts = NumberCharts("test.plugin")
        chart = charts.chart("app.level")
        chart.dimension("a").set(1)
        self.run_charts(charts)
        self.advance(2)
        chart.dimension("b").set(2)
        self.advance(3)
        self.assertEqual(self.value("app.level", "b"), 2.0)
        charts.remove("app.level")
        self.assertTrue(self.hub.local.charts["app.level"].obsolete)

    def test_again(self) -> None:
        """
        The same names give the same chart and number; wrong ones are said to be wrong.
        """
        charts = NumberCharts("test.plugin", most=1)
        chart = charts.chart("app.level")
        self.assertIs(charts.chart("app.level"), chart)
        self.assertIs(chart.dimension("a"), chart.dimension("a"))
        for wrong in ("level", ".x", "a."):
            self.assertRaisesRegex(ValueError, "TYPE.NAME", charts.chart, wrong)
        self.assertRaisesRegex(ValueError, "as many", charts.chart, "app.other")
        self.assertRaisesRegex(ValueError, "incremental", chart.dimension, "b", "growing")

    def test_names(self) -> None:
        """
        Nothing that a chart is called breaks the lines that tell of it.
        """
        charts = NumberCharts("test.plugin")
        charts.chart("app.a b\n\"c'", title="x' y\nDISABLE\n\"z", units="'\n").dimension("d\n'e f").set(1)
        self.run_charts(charts)
        self.advance(2)
        self.assertEqual([*self.hub.local.charts], ["app.a_b__c_"])
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_restart(self) -> None:
        """
        When collecting stops the charts are not current, and they come again.
        """
        charts = NumberCharts("test.plugin")
        charts.chart("app.level").dimension("a").set(1)
        charts.attach(self.hub, self.settings, self.clock)
        charts.startService()
        self.advance(2)
        charts.stopService()
        self.assertTrue(self.hub.local.charts["app.level"].obsolete)
        self.run_charts(charts)
        self.advance(2)
        self.assertFalse(self.hub.local.charts["app.level"].obsolete)


class ReactorTests(ProgramTestCase):
    """
    Charts of the reactor.
    """

    def test_latency(self) -> None:
        """
        A reactor that was busy shows in the latency of its timers.
        """
        charts = TwistedCharts(self.clock)
        self.run_charts(charts)
        for _ in range(8):
            self.clock.advance(0.25)
        self.clock.advance(0.65)
        self.clock.advance(0.35)
        self.advance(1)
        self.assertGreater(self.value("twisted.reactor_latency", "max"), 300)
        self.assertGreater(self.value("twisted.delayed_calls", "waiting"), 0)

    def test_real(self) -> None:
        """
        The real reactor tells of its descriptors and threads.
        """
        from twisted.internet import reactor

        charts = TwistedCharts(reactor)
        charts.measure(START)
        numbers = {
            f"{name}.{each}": number.value
            for name, chart in charts.charts.items()
            for each, number in chart.numbers.items()
        }
        self.assertIsNotNone(numbers["twisted.watched.readers"])
        self.assertIsNotNone(numbers["twisted.connections.tcp_server"])
        self.assertEqual(kind(object()), "other")


class ExampleTests(SynchronousTestCase):
    """
    The application of the page on embedding.
    """

    def test_example(self) -> None:
        """
        The example counts its requests and shows them, and stops without a trace.
        """
        text = next(
            block
            for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
            if "counted_site" in block
        )
        names: dict[str, Any] = {}
        exec(compile(text, str(PAGE), "exec"), names)
        names["Node"] = partial(Node, workers=Inline())
        reactor: Any = MemoryReactorClock()
        reactor.advance(START)
        directory = Path(self.mktemp())
        node, site = names["counted_site"](Application("documented"), reactor, directory)
        self.assertIsInstance(node, Node)
        node.startService()
        self.successResultOf(node.ready)
        for _ in range(4):
            for path in (b"/", b"/", b"/nothing"):
                request: Any = DummyRequest([])
                request.uri = path
                site.resource.render_GET(request)
            reactor.advance(1)
        host = node.hub.local
        self.assertAlmostEqual(float(host.latest.value[host.table.number("app.requests", "ok")]), 2.0, 6)
        self.assertAlmostEqual(float(host.latest.value[host.table.number("app.page", "size")]), 4.88, 6)
        self.assertIn("twisted.delayed_calls", host.charts)
        self.successResultOf(node.stopService())
