"""
Tests for the spools: samples that wait for parents, in memory or on disk.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from netstream.db import Spool
from netstream.db.dbengine.spool import DELIVERED, DiskSpool
from netstream.db.dbengine.storage import STRETCHES
from netstream.db.grid import SECONDS
from netstream.db.spool import KEPT, LATE, WIDEST
from netstream.db.workers import Inline
from netstream.model.samples import SampleBatch, SeriesTable
from netstream.testing import metrics_db
from netstream.testing.metrics_db import NODE, NOW, X

T = 1_800_000_000


class SpoolDBTests(metrics_db.MetricsDBTests):
    """
    It is a metrics database, as far as memory goes.
    """

    def make_db(self) -> Spool:
        return Spool(1 << 30)

    def test_definitions(self) -> None:
        """
        It knows neither nodes nor charts: whoever sends them defines them.
        """
        self.assertEqual(self.result(self.db.stored()), [])

    def test_forget_chart(self) -> None:
        """
        The samples of a chart that is forgotten are gone.
        """
        self.append((X, NOW, 1.0))
        self.result(self.db.forget(NODE, "chart.a"))
        self.assertEqual(dict(self.bounds()), {})


class BoundTests(SynchronousTestCase):
    """
    It never needs more memory than it may.
    """

    def setUp(self) -> None:
        self.spool = Spool(400_000)
        self.told: list[tuple[str, int]] = []
        self.spool.spilled = lambda guid, samples: self.told.append((guid, samples))
        self.tables: dict[str, SeriesTable] = {}
        self.rng = np.random.default_rng(3)

    def collect(self, guid: str, first: int, last: int) -> None:
        """
        100 series collect a sample each second.
        """
        table = self.tables.setdefault(guid, SeriesTable(guid))
        numbers = np.array([table.number("a.b", f"d{each}") for each in range(100)], np.int32)
        for second in range(first, last + 1):
            batch = SampleBatch(
                table,
                numbers,
                np.full(100, second, np.int64),
                np.zeros(100, np.int64),
                self.rng.random(100),
                np.zeros(100, np.uint8),
            )
            self.successResultOf(self.spool.append(batch))

    def spans(self, guid: str) -> tuple[int, int]:
        span = self.successResultOf(self.spool.bounds(guid))["a.b"]
        return span.first, span.last

    def test_oldest_go(self) -> None:
        """
        While a parent is away, the newest samples are kept, and those that
        are dropped are counted exactly.
        """
        self.collect("one", T, T + 1499)
        first, last = self.spans("one")
        self.assertEqual(last, T + 1499)
        self.assertGreater(last - first, 250)
        self.assertEqual(self.spool.lost, 100 * (first - T))
        self.assertEqual(sum(samples for _, samples in self.told), self.spool.lost)
        self.assertLessEqual(self.successResultOf(self.spool.stats()).memory, 400_000)

    def test_fair(self) -> None:
        """
        The oldest samples of all nodes go first.
        """
        self.collect("old", T, T + 200)
        self.collect("new", T + 5000, T + 5000 + 600)
        self.assertEqual({guid for guid, _ in self.told[:1]}, {"old"})

    def test_delivered(self) -> None:
        """
        What a parent was given goes after a while, and is not counted as
        lost, whatever becomes of it.
        """
        self.collect("one", T, T + 199)
        self.spool.delivered("one", T + 199)
        self.collect("one", T + 200, T + 900)
        self.spool.delivered("one", T + 900)
        self.assertEqual(self.spool.lost, max(0, 100 * (self.spans("one")[0] - T - 200)))
        roomy = self.spool = Spool(1 << 30)
        self.collect("one", T, T + KEPT + 2 * SECONDS)
        roomy.delivered("one", T + KEPT + 2 * SECONDS)
        first, _ = self.spans("one")
        self.assertGreaterEqual(first, T + SECONDS)
        self.assertLessEqual(first, T + 2 * SECONDS)
        self.assertEqual(roomy.lost, 0)


class PackingTests(SynchronousTestCase):
    """
    What is complete takes less memory.
    """

    def setUp(self) -> None:
        self.spool = Spool(1 << 30)
        self.table = SeriesTable("one")

    def collect(self, first: int, last: int, width: int) -> None:
        """
        Gauges that move a little each second.
        """
        numbers = np.array([self.table.number("a.b", f"d{each}") for each in range(width)], np.int32)
        zeros = np.zeros(width, np.int64)
        for second in range(first, last + 1):
            values = 1000.0 * np.arange(width) + second % 7
            batch = SampleBatch(self.table, numbers, zeros + second, zeros, values, zeros.astype(np.uint8))
            self.successResultOf(self.spool.append(batch))

    def memory(self) -> int:
        return self.successResultOf(self.spool.stats()).memory

    def value(self, second: int, dimension: str) -> float:
        columns = self.successResultOf(self.spool.read("one", [("a.b", dimension)], second - 1, second))
        return float(columns.values[0, 0])

    def test_quarter(self) -> None:
        """
        A child that runs for twenty minutes needs a quarter of the memory for its spool, and what it held is the same.
        """
        first = T - T % SECONDS
        self.collect(first, first + SECONDS * 9 + LATE, 500)
        self.assertLess(self.memory(), 1200 * 500 * 8 / 3)
        for at in (0, 1, 127, 128, 1000):
            self.assertEqual(self.value(first + at, "d31"), 31000.0 + (first + at) % 7)
        self.assertEqual(self.spool.lost, 0)

    def test_written_again(self) -> None:
        """
        Samples of the past find their place, beside the others, and are packed in turn.
        """
        first = T - T % SECONDS
        self.collect(first, first + SECONDS + LATE, 100)
        before = self.memory()
        self.collect(first + 5, first + 5, 1)
        self.assertGreater(self.memory(), before)
        self.assertEqual(self.value(first + 5, "d0"), (first + 5) % 7)
        self.assertEqual(self.value(first + 5, "d99"), 99000.0 + (first + 5) % 7)
        self.collect(first + SECONDS + LATE + 1, first + 2 * SECONDS + LATE, 100)
        self.assertLess(self.memory(), before + 100_000)

    def test_too_wide(self) -> None:
        """
        The samples of a node so large that packing them would keep others waiting stay as they are.
        """
        first = T - T % SECONDS
        self.collect(first, first + SECONDS + LATE, WIDEST + 1)
        self.assertGreater(self.memory(), SECONDS * WIDEST * 8)


class DiskTests(SynchronousTestCase):
    """
    The spool on disk counts what it drops.
    """

    STRETCH = STRETCHES[0]

    def setUp(self) -> None:
        self.clock = Clock()
        self.start = -(-T // self.STRETCH) * self.STRETCH
        self.clock.advance(self.start)
        self.directory = Path(self.mktemp())
        self.told: list[tuple[str, int]] = []
        self.table = SeriesTable("one")
        self.open()

    def open(self) -> None:
        """
        Open it, as a node does that starts.
        """
        self.spool = DiskSpool(self.directory, self.clock, most=1, workers=Inline())
        self.spool.spilled = lambda guid, samples: self.told.append((guid, samples))
        self.successResultOf(self.spool.open())
        self.addCleanup(self.spool.close)

    def collect(self, first: int, count: int) -> None:
        """
        Two series collect a sample each second.
        """
        numbers = [self.table.number("a.b", dimension) for dimension in "xy"]
        times = np.tile(np.arange(first, first + count, dtype=np.int64), 2)
        series = np.repeat(np.array(numbers, np.int32), count)
        zeros = np.zeros(2 * count, np.int64)
        batch = SampleBatch(self.table, series, times, zeros, (times % 7).astype(np.float64), zeros.astype(np.uint8))
        self.successResultOf(self.spool.append(batch))

    def stretches(self, delivered: int = 0) -> None:
        """
        Two files are filled, a third is begun, and there is no room for more
        than one.

        @param delivered: What a parent was given, as it turns out soon.
        """
        for number in range(3):
            begin = self.start + number * self.STRETCH
            self.clock.advance(begin + 1000 - self.clock.seconds())
            self.collect(begin + 10, 300)
            self.spool.delivered("one", delivered)
            for _ in range(20):
                self.clock.advance(100)

    def make_room(self) -> None:
        """
        Let the time pass until it looks how much it uses.
        """
        for _ in range(700):
            self.clock.advance(1)

    def test_counted(self) -> None:
        """
        What went and no parent was given is counted, and told of which node
        it was.
        """
        self.stretches()
        self.make_room()
        self.assertEqual(sum(samples for _, samples in self.told), 1200)
        self.assertEqual({guid for guid, _ in self.told}, {"one"})
        self.assertEqual((self.spool.lost, self.spool.health().lost), (1200, 1200))
        self.assertEqual(self.successResultOf(self.spool.stats()).samples, 600)

    def test_delivered(self) -> None:
        """
        What a parent was given is not lost when it goes, not even if that was
        in an earlier life of the node.
        """
        self.stretches(self.start + self.STRETCH + 109)
        self.make_room()
        self.assertEqual(self.spool.lost, 400)
        self.spool.delivered("one", self.start + 2 * self.STRETCH + 309)
        self.clock.advance(20)
        self.successResultOf(self.spool.close())
        self.open()
        self.collect(self.start + 3 * self.STRETCH + 10, 300)
        self.clock.advance(2 * self.STRETCH)
        self.make_room()
        self.assertEqual(self.spool.lost, 0)
        self.assertEqual(self.successResultOf(self.spool.stats()).samples, 600)

    def test_unreadable(self) -> None:
        """
        If what parents were given cannot be read any more, rather too much
        counts as lost.
        """
        self.stretches(self.start + 9 * self.STRETCH)
        self.successResultOf(self.spool.close())
        for text in ("{", "[]", '{"one": "late"}'):
            (self.directory / DELIVERED).write_text(text)
            self.open()
            self.assertEqual(self.spool._delivered, {})
            self.successResultOf(self.spool.close())
