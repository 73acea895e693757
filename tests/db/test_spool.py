"""
Tests for the spool: samples that wait in memory for parents.
"""

from __future__ import annotations

import numpy as np
from twisted.trial.unittest import SynchronousTestCase

from netstream.db import Spool
from netstream.db.grid import SECONDS
from netstream.db.spool import KEPT, LATE, WIDEST
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
