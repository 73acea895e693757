"""
Which samples an interval has, whenever they come and whatever clock they have.
"""

from __future__ import annotations

import numpy as np
from twisted.trial.unittest import SynchronousTestCase

from netstream.export.windows import Windows
from netstream.model.samples import SampleBatch, SeriesTable

T = 1_800_000_000


class WindowsTests(SynchronousTestCase):
    """
    Tests for L{Windows}.
    """

    def setUp(self) -> None:
        self.table = SeriesTable("node")
        for number in range(3):
            self.table.number("c", str(number))
        self.windows = Windows(10)

    def add(self, *samples: tuple[int, int, float]) -> None:
        """
        @param samples: Series, second after L{T}, and value.
        """
        series, seconds, values = zip(*samples, strict=True)
        count = len(samples)
        self.windows.add(
            SampleBatch(
                self.table,
                np.array(series, np.int32),
                np.array(seconds, np.int64) + T,
                np.zeros(count, np.int64),
                np.array(values, float),
                np.zeros(count, np.uint8),
            )
        )

    def close(self) -> list[tuple[int, list[float], list[int]]]:
        """
        @return: End after L{T}, sums and counts of the first series.
        """
        found = []
        for interval in self.windows.close():
            found.append((interval.end - T, interval.sums[:3].tolist(), interval.counts[:3].tolist()))
            self.windows.done(interval)
        return found

    def test_intervals(self) -> None:
        """
        An interval has the seconds up to its end, and is over when a later
        sample is there.
        """
        for second in range(1, 11):
            self.add((0, second, 1.0), (1, second, 2.0))
        self.assertEqual(self.close(), [])
        self.add((0, 11, 5.0), (1, 11, 5.0))
        self.assertEqual(self.close(), [(10, [10, 20, 0], [10, 10, 0])])
        self.add((0, 21, 7.0))
        self.assertEqual(self.close(), [(20, [5, 5, 0], [1, 1, 0])])

    def test_order(self) -> None:
        """
        A slow chart whose sample comes a little after the next interval began
        is in its interval.
        """
        self.add((0, 10, 1.0), (0, 11, 1.0), (1, 10, 3.0), (0, 12, 1.0))
        self.assertEqual(self.close(), [(10, [1, 3, 0], [1, 1, 0])])

    def test_late(self) -> None:
        """
        What comes after its interval was sent changes no other one.
        """
        self.add((0, 10, 1.0), (0, 11, 1.0))
        self.close()
        self.add(*((2, second, 9.0) for second in range(-5000, 11)), (0, 12, 1.0), (0, 21, 1.0))
        self.assertEqual(self.close(), [(20, [2, 0, 0], [2, 0, 0])])

    def test_silent(self) -> None:
        """
        The last interval of a node that is gone is sent, as far as it went.
        """
        self.add((0, 3, 4.0))
        self.assertEqual(self.close(), [])
        self.assertEqual(self.close(), [(10, [4, 0, 0], [1, 0, 0])])
        self.assertEqual(self.close(), [])

    def test_clock_set_back(self) -> None:
        """
        A node whose clock is an hour earlier all at once is exported again
        before long; one sample from the future costs some intervals at most.
        """
        self.add((0, 10, 1.0), (0, 11, 1.0))
        self.close()
        self.close()
        for _ in range(2):
            self.add((0, -3600, 1.0))
            self.close()
        self.add((0, -3580, 2.0), (0, -3579, 2.0))
        self.assertEqual(self.close(), [(-3580, [2, 0, 0], [1, 0, 0])])

    def test_bounded(self) -> None:
        """
        A node cannot keep any number of intervals open.
        """
        for second in range(0, 100_000, 10):
            self.add((0, second, 1.0))
        self.assertLessEqual(len(self.close()), 4)
        for second in range(200_000, 100_000, -10):
            self.add((0, second, 1.0))
        self.assertLessEqual(len(self.windows._open), 4)

    def test_growth(self) -> None:
        """
        Series that are new within an interval are in it.
        """
        self.add((0, 1, 1.0))
        for number in range(500):
            self.table.number("d", str(number))
        self.add((400, 2, 6.0), (0, 11, 1.0))
        (interval,) = self.windows.close()
        self.assertEqual((interval.sums[0], interval.sums[400]), (1.0, 6.0))
