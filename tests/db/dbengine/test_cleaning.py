"""
What the disk engine forgets by itself, and what it does not.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from attrs import evolve
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from netstream.config import load
from netstream.config.settings import Mode
from netstream.db import DBEngine
from netstream.db.databases import Databases
from netstream.db.dbengine.cleaning import Cleanup
from netstream.db.dbengine.node import HotNode
from netstream.db.dbengine.retention import Retention
from netstream.db.interfaces import HostRecord, Window
from netstream.db.workers import Inline
from netstream.model.chart import Chart, Dimension
from netstream.model.host import HostInfo, Label
from netstream.model.samples import SampleBatch, SeriesTable
from netstream.testing import metrics_db

NODE = "aaaaaaaa-bbbb-4ccc-8ddd-000000000001"
NOW = 1_800_000_000 // 864_000 * 864_000
HOUR, DAY = 3600, 86400
CHART = Chart("a.chart", title="A chart", dimensions={"x": Dimension("x")})


def batch(chart: str, *times: int, node: str = NODE) -> SampleBatch:
    """
    @return: A sample of dimension C{x} at each time, whose value it is.
    """
    return metrics_db.batch(SeriesTable(node), [((chart, "x"), time, time) for time in times])


class CleaningTests(SynchronousTestCase):
    """
    Tiers are kept for a day, two days and four days.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(NOW)
        self.directory = Path(self.mktemp())
        self.db: DBEngine

    def start(self, **cleanup: int) -> None:
        self.db = DBEngine(
            self.directory,
            self.clock,
            retention=(DAY, 2 * DAY, 4 * DAY),
            cleanup=Cleanup(**cleanup),
            workers=Inline(),
            boot="boot",
        )
        self.successResultOf(self.db.open())
        self.addCleanup(lambda: self.db.close())

    def stop(self) -> None:
        self.successResultOf(self.db.close())

    def put(self, *charts: Chart, node: str = NODE, **labels: str) -> None:
        known = {name: Label(value) for name, value in labels.items()}
        record = HostRecord(HostInfo(node, "box"), known, int(self.clock.seconds()))
        self.successResultOf(self.db.put_host(record))
        for chart in charts:
            self.successResultOf(self.db.put_chart(node, chart))

    def add(self, chart: str, *, node: str = NODE) -> None:
        now = int(self.clock.seconds())
        self.successResultOf(self.db.append(batch(chart, *range(now - 60, now), node=node)))

    def wait(self, seconds: int) -> None:
        """
        Let time pass, at first in small steps so that row groups are made.
        """
        self.clock.pump([60] * 40)
        self.clock.pump([600] * (seconds // 600))
        self.clock.pump([1] * 10)

    def charts(self) -> dict[str, Any]:
        return {host.record.info.guid: set(host.charts) for host in self.successResultOf(self.db.stored())}

    def test_chart(self) -> None:
        """
        A chart that sends no more is forgotten once its last hour is past the
        retention of every tier, and not before; one that goes on is not.
        """
        self.start()
        self.put(CHART, evolve(CHART, id="other.chart", name="other.chart"))
        self.add("a.chart")
        self.add("other.chart")
        for _ in range(3):
            self.wait(DAY)
            self.add("other.chart")
        self.assertEqual(self.charts(), {NODE: {"a.chart", "other.chart"}})
        for _ in range(2):
            self.wait(DAY)
            self.add("other.chart")
        self.assertEqual(self.charts(), {NODE: {"other.chart"}})
        self.assertEqual(self.successResultOf(self.db.stats()).series, 1)
        self.stop()
        self.start()
        self.assertEqual(self.charts(), {NODE: {"other.chart"}})

    def test_comes_back(self) -> None:
        """
        A chart that was forgotten and comes back has its new samples and none
        of the old.
        """
        self.start()
        self.put(CHART, evolve(CHART, id="other.chart", name="other.chart"))
        self.add("a.chart")
        for _ in range(6):
            self.wait(DAY)
            self.add("other.chart")
        self.put(CHART)
        self.add("a.chart")
        now = int(self.clock.seconds())
        found = self.successResultOf(self.db.read(NODE, [("a.chart", "x")], 0, now))
        self.assertEqual(found.values[:, 0].tolist(), list(range(now - 60, now)))
        self.stop()
        self.start()
        self.assertEqual(self.charts(), {NODE: {"a.chart", "other.chart"}})

    def test_comes_back_unchanged(self) -> None:
        """
        A chart that was forgotten and goes on without being defined again,
        since this node still knows it, is known after the next start as well;
        so is one of a node that was forgotten as a whole.
        """
        for others in (True, False):
            self.start()
            self.db.recall = lambda node, chart: {(NODE, "a.chart"): CHART}.get((node, chart))
            self.put(CHART, evolve(CHART, id="other.chart", name="other.chart"))
            self.add("a.chart")
            for _ in range(6):
                self.wait(DAY)
                if others:
                    self.add("other.chart")
            self.assertNotIn("a.chart", self.charts().get(NODE, set()))
            self.put()
            self.add("a.chart")
            self.stop()
            self.start()
            self.assertIn("a.chart", self.charts()[NODE])
            self.successResultOf(self.db.forget(NODE))
            self.stop()

    def test_defined_only(self) -> None:
        """
        A chart that was defined and never had a sample stays.
        """
        self.start()
        self.put(CHART, evolve(CHART, id="other.chart", name="other.chart"))
        for _ in range(6):
            self.add("other.chart")
            self.wait(DAY)
        self.assertEqual(self.charts(), {NODE: {"a.chart", "other.chart"}})

    def test_node(self) -> None:
        """
        A node is forgotten when nothing of it is left and it is gone; its
        files are empty then.
        """
        self.start()
        self.put(CHART)
        self.add("a.chart")
        self.wait(3 * DAY)
        self.assertEqual(set(self.charts()), {NODE})
        self.wait(2 * DAY)
        self.assertEqual(self.charts(), {})
        self.assertEqual(self.successResultOf(self.db.stats()).nodes, 0)
        self.stop()
        self.start()
        self.assertEqual(self.charts(), {})

    def test_node_never(self) -> None:
        """
        With C{off} a node stays known when nothing is left of it, and so does
        one that was heard of lately.
        """
        self.start(nodes=0)
        self.put(CHART)
        self.wait(DAY)
        self.assertEqual(set(self.charts()), {NODE})
        self.stop()
        self.start(nodes=2 * DAY)
        self.wait(DAY // 2)
        self.assertEqual(set(self.charts()), {NODE})
        self.wait(DAY)
        self.assertEqual(set(self.charts()), set())

    def test_ephemeral(self) -> None:
        """
        An ephemeral host that is gone for long enough is forgotten with its
        samples; others are not.
        """
        other = NODE[:-1] + "2"
        self.start(ephemeral=6 * HOUR)
        self.put(CHART, _is_ephemeral="true")
        self.put(CHART, node=other, _is_ephemeral="false")
        self.add("a.chart")
        self.add("a.chart", node=other)
        self.wait(3 * HOUR)
        self.assertEqual(set(self.charts()), {NODE, other})
        self.wait(4 * HOUR)
        self.assertEqual(set(self.charts()), {other})
        now = int(self.clock.seconds())
        self.assertEqual(len(self.successResultOf(self.db.read(NODE, [("a.chart", "x")], 0, now)).times), 0)
        self.assertEqual(len(self.successResultOf(self.db.read(other, [("a.chart", "x")], 0, now)).times), 60)

    def test_archived(self) -> None:
        """
        A node that starts does not get charts that have long been obsolete,
        but what they measured can still be read.
        """
        self.start()
        self.put(evolve(CHART, obsolete=True), evolve(CHART, id="other.chart", name="other.chart"))
        self.add("a.chart")
        self.add("other.chart")
        self.wait(3 * HOUR)
        self.stop()
        self.start()
        self.assertEqual(self.charts(), {NODE: {"other.chart"}})
        now = int(self.clock.seconds())
        self.assertEqual(len(self.successResultOf(self.db.read(NODE, [("a.chart", "x")], 0, now)).times), 60)
        self.stop()
        self.start(charts=0)
        self.assertEqual(self.charts(), {NODE: {"a.chart", "other.chart"}})
        self.stop()
        self.start(charts=5 * HOUR)
        self.assertEqual(self.charts(), {NODE: {"a.chart", "other.chart"}})


class LimitTests(SynchronousTestCase):
    """
    What the options of a node come to.
    """

    def start(self, lines: str) -> None:
        top = Path(self.mktemp())
        (top / "etc").mkdir(parents=True)
        (top / "etc" / "netstream.conf").write_text(f"[db]\n{lines}")
        settings = load("standalone", top / "etc", top / "data")
        self.assertEqual(settings.warnings, ())
        self.clock = Clock()
        self.clock.advance(NOW)
        databases = Databases(settings, self.clock, Inline())
        self.successResultOf(databases.open())
        self.addCleanup(lambda: self.successResultOf(databases.close()))
        self.db = databases.of(Mode.DBENGINE)
        self.tiers = top / "data" / "db"
        self.successResultOf(self.db.put_host(HostRecord(HostInfo(NODE, "box", update_every=10))))

    def run_for(self, seconds: int) -> None:
        """
        Store a sample every ten seconds.
        """
        for start in range(int(self.clock.seconds()), int(self.clock.seconds()) + seconds, 600):
            times = range(start + 10, start + 601, 10)
            table = SeriesTable(NODE)
            rows = [(("a.chart", "x"), time, time + 0.1) for time in times]
            self.clock.pump([60] * 10)
            self.successResultOf(self.db.append(metrics_db.batch(table, rows)))

    def first(self, chart: str = "a.chart") -> tuple[int, int]:
        """
        @return: How long ago the first sample is that is stored, and the
            first second of which at least a coarser tier knows.
        """
        now = int(self.clock.seconds())
        samples = self.successResultOf(self.db.read(NODE, [(chart, "x")], 0, now))
        window = Window(NOW, now // 3600 * 3600, 3600)
        rows = self.successResultOf(self.db.query(NODE, [(chart, "x")], window, "average"))
        there = rows.times[~np.isnan(rows.values[:, 0])]
        return now - int(samples.times[0]), int(there[0]) - NOW

    def test_size(self) -> None:
        """
        Files of a tier that are too large lose their oldest; coarser tiers
        have the rest.
        """
        self.start("dbengine tier 0 retention size = 4KiB\ndbengine tier 0 retention time = off\n")
        self.run_for(3 * DAY)
        used = sum(path.stat().st_size for path in (self.tiers / "tier0").iterdir())
        self.assertLess(used, 8192)
        samples, rows = self.first()
        self.assertLess(samples, 2 * DAY)
        self.assertEqual(rows, 3600)

    def test_time(self) -> None:
        """
        Each tier is kept for its own time.
        """
        self.start("dbengine tier 0 retention time = 1d\ndbengine tier 1 retention time = 2d\n")
        self.run_for(3 * DAY)
        samples, rows = self.first()
        self.assertLessEqual(samples, DAY)
        self.assertEqual(rows, 3600)

    def test_changed(self) -> None:
        """
        What a reload says of retention holds without a restart.
        """
        self.start("dbengine tier 0 retention time = 3d\n")
        self.run_for(2 * DAY)
        self.assertGreater(self.first()[0], DAY + 3600)
        self.db.limit((DAY, 2 * DAY, 0), (0, 0, 0), Cleanup())
        self.run_for(3600)
        self.assertLessEqual(self.first()[0], DAY)

    def test_one_tier(self) -> None:
        """
        With one tier nothing is left of samples that are too old.
        """
        self.start("storage tiers = 1\ndbengine tier 0 retention time = 1d\n")
        self.run_for(2 * DAY)
        samples, rows = self.first()
        self.assertLessEqual(samples, DAY)
        self.assertGreaterEqual(rows, DAY - 3600)
        self.assertFalse((self.tiers / "tier1").exists())

    def test_precision(self) -> None:
        """
        In C{float32} samples have seven digits once they are packed; newer
        ones have all.
        """
        for precision in ("float32", "float64"):
            self.start(f"precision = {precision}\n")
            self.run_for(DAY)
            now = int(self.clock.seconds())
            found = self.successResultOf(self.db.read(NODE, [("a.chart", "x")], 0, now))
            exact = found.times + 0.1
            rounded = exact.astype(np.float32).astype(np.float64) if precision == "float32" else exact
            self.assertEqual(found.values[0, 0], rounded[0])
            self.assertEqual(found.values[-1, 0], exact[-1])


class RetentionTests(SynchronousTestCase):
    """
    How long what is kept of a node that has a retention of its own.
    """

    def test_proportion(self) -> None:
        """
        Coarser tiers follow the node's own retention, and are never kept for
        less than its samples; no limit stays none.
        """
        node = HotNode(NODE, 1)
        limits = Retention((10 * DAY, 100 * DAY, 0), (0, 0, 0))
        self.assertEqual([limits.of(node, tier) for tier in limits.tiers], [10 * DAY, 100 * DAY, 0])
        node.retention = 5 * DAY
        self.assertEqual([limits.of(node, tier) for tier in limits.tiers], [5 * DAY, 50 * DAY, 0])
        node.retention = 0
        self.assertEqual([limits.of(node, tier) for tier in limits.tiers], [0, 0, 0])
        endless = Retention((0, 100 * DAY), (0, 0))
        node.retention = 200 * DAY
        self.assertEqual([endless.of(node, tier) for tier in endless.tiers], [200 * DAY, 200 * DAY])
