"""
The engine that keeps everything in memory.
"""

from __future__ import annotations

from netstream.db import RamDB
from netstream.db.interfaces import IMetricsDB, Span
from netstream.testing import metrics_db
from netstream.testing.metrics_db import NODE, NOW, X, Z


class RamDBTests(metrics_db.MetricsDBTests):
    """
    L{RamDB} keeps the contract.
    """

    def make_db(self) -> IMetricsDB:
        return RamDB(3600)

    def test_ring(self) -> None:
        """
        However long it runs, memory holds about the retention.
        """
        self.result(self.db.retain(NODE, 300))
        for i in range(2000):
            self.append((X, NOW + i, float(i)))
        stats = self.result(self.db.stats())
        self.assertLess(stats.samples, 300 + 64)
        self.assertLess(stats.memory, 64 * 1024)
        self.assertEqual(
            self.read(X, before=NOW + 2000).values[-300:, 0].tolist(), [float(i) for i in range(1700, 2000)]
        )
        self.assertLessEqual(self.bounds()["chart.a"].first, NOW + 1700)

    def test_older_than_the_ring(self) -> None:
        """
        A sample that is older than the retention is not kept.
        """
        self.append((X, NOW, 1.0))
        self.append((X, NOW - 10_000, 2.0), (X, NOW + 1, 3.0))
        self.assert_rows(self.read(X), (NOW, 1.0), (NOW + 1, 3.0))

    def test_series_end(self) -> None:
        """
        A series that ended costs nothing once its samples are too old.
        """
        self.append((X, NOW, 1.0))
        for i in range(0, 10_000, 60):
            self.append((Z, NOW + i, 1.0))
        self.assertEqual(self.result(self.db.stats()).series, 1)
        self.assertEqual(list(self.bounds()), ["chart.b"])
        self.append((X, NOW + 10_000, 2.0))
        self.assertEqual(self.bounds()["chart.a"], Span(NOW + 10_000, NOW + 10_000))

    def test_memory(self) -> None:
        """
        A sample costs little more than its eight bytes, and a slow chart no
        rows that it does not use.
        """
        keys = [(f"c{i}", "d") for i in range(200)]
        for i in range(640):
            self.append(*[(key, NOW + i, float(i)) for key in keys])
        self.assertLess(self.result(self.db.stats()).memory, 200 * 640 * 8 * 1.1)
        slow = RamDB(3600)
        table = metrics_db.SeriesTable(NODE)
        for i in range(0, 3600, 10):
            slow.append(metrics_db.batch(table, [(key, NOW + i, float(i)) for key in keys]))
        self.assertLess(self.result(slow.stats()).memory, 200 * 360 * 8 * 1.5)
