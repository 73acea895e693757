"""
Tests of the values that a parent computes of version 1 blocks.

The numbers of the first class are those that an agent, version 1.37.1, stored
of the same lines.
"""

from __future__ import annotations

from tests.kernel import plain
from tests.kernel.case import ABSOLUTE, INCREMENTAL, INCREMENTS, NOW, RESET, ROW, START, KernelTestCase, block

STEP = 1_000_000


class ValueTests(KernelTestCase):
    """
    Values at whole seconds.
    """

    def test_first_collection(self) -> None:
        """
        The first collection sets the clock and stores nothing.
        """
        ingest = self.ingest(("x", ABSOLUTE), ("y", INCREMENTAL))
        self.collect(ingest, 0, NOW, x=1, y=1000)
        self.assertEqual(self.rows(ingest), [])
        self.collect(ingest, 123, NOW + STEP, x=2, y=2000)
        # The clock began in the middle of the second.
        self.assertEqual(self.values(ingest), [(1, 2.0), (1, 1000 * 500_000 / 600_000)])

    def test_clock(self) -> None:
        """
        The second collection, and one without duration, are timed by the
        parent; the others by the child.
        """
        ingest = self.ingest(("y", INCREMENTAL))
        self.collect(ingest, 0, NOW, y=0)
        self.collect(ingest, 5 * STEP, NOW + STEP, y=0)
        self.assertEqual(self.values(ingest), [(1, 0.0)])
        self.collect(ingest, STEP, NOW + 50 * STEP, y=100)
        self.assertEqual(self.values(ingest), [(2, 90.0)])
        self.collect(ingest, 0, NOW + 3 * STEP, y=200)
        self.assertEqual(self.values(ingest), [(3, 10.0 + 90.0)])

    def test_absolute(self) -> None:
        """
        An absolute value is the one collected last, or lies between two when
        more than one second has passed.
        """
        ingest = self.ingest(("x", ABSOLUTE, -3, 7))
        self.collect(ingest, 0, NOW, x=0)
        self.collect(ingest, 0, NOW + STEP, x=7)
        self.assertEqual(self.values(ingest), [(1, -3.0)])
        self.collect(ingest, 400_000, x=14)
        self.collect(ingest, 400_000, x=21)
        self.assertEqual(self.values(ingest), [])
        self.collect(ingest, 400_000, x=28)
        self.assertEqual(self.values(ingest), [(2, -12.0)])
        self.collect(ingest, 2 * STEP, x=70)
        (first, low), (second, high) = self.values(ingest)
        self.assertEqual((first, second, high), (3, 4, -30.0))
        self.assertAlmostEqual(low, -12.0 - 18.0 * 0.35)

    def test_incremental(self) -> None:
        """
        What a counter grew is shared among the seconds it grew in, and nothing
        of it is lost.
        """
        ingest = self.ingest(("y", INCREMENTAL, 2, 1))
        self.collect(ingest, 0, NOW, y=0)
        self.collect(ingest, 0, NOW + STEP, y=600)
        total = 0.0
        counter = 600
        for usec in (1_001_000, 300_000, 1_900_000, 250_000, 2_100_000, 999_000):
            counter += usec // 1000
            self.collect(ingest, usec, y=counter)
        points = self.values(ingest)
        self.assertEqual([second for second, _ in points], list(range(1, 8)))
        total = sum(value for _, value in points)
        # From the middle of the first second until the last whole one.
        self.assertAlmostEqual(total, 2 * (counter - (1_100_000 + 6_550_000 - 7_000_000) / 1000), 6)

    def test_percentages(self) -> None:
        """
        Percentages are of what was collected in the same block.
        """
        ingest = self.ingest(("a", ROW), ("b", ROW), ("c", INCREMENTS), ("d", INCREMENTS))
        self.collect(ingest, 0, NOW, a=1, b=1, c=0, d=0)
        self.collect(ingest, 0, NOW + STEP, a=0, b=0, c=0, d=0)
        self.assertEqual([value for _, value in self.values(ingest)], [0.0, 0.0, 0.0, 0.0])
        self.collect(ingest, STEP, a=1, b=3)
        self.assertEqual([value for _, value in self.values(ingest)], [25.0, 75.0])
        self.collect(ingest, STEP, a=10, b=20, c=30, d=40)
        row = [value for _, value in self.values(ingest)]
        growth = 9 + 17 + 30 + 40
        self.assertEqual(row, [10.0, 20.0, 100 * 30 / growth, 100 * 40 / growth])

    def test_missing(self) -> None:
        """
        A dimension that a block leaves out has no point; its counter goes on
        later.
        """
        ingest = self.ingest(("x", ABSOLUTE), ("y", INCREMENTAL))
        self.collect(ingest, 0, NOW, x=1, y=0)
        self.collect(ingest, 0, NOW + STEP, x=1, y=0)
        self.rows(ingest)
        self.collect(ingest, STEP, x=3)
        self.assertEqual(self.values(ingest), [(2, 3.0)])
        self.collect(ingest, STEP, x=3, y=100)
        self.assertEqual(self.values(ingest), [(3, 3.0), (3, 90.0)])
        self.collect(ingest, STEP, x=3, y=100)
        self.assertEqual(self.values(ingest), [(4, 3.0), (4, 10.0)])

    def test_late_dimension(self) -> None:
        """
        A dimension is stored from its second collection on.
        """
        ingest = self.ingest(("x", ABSOLUTE), ("y", INCREMENTAL))
        self.collect(ingest, 0, NOW, x=1)
        self.collect(ingest, 0, NOW + STEP, x=1)
        self.rows(ingest)
        self.collect(ingest, STEP, x=1, y=1000)
        self.assertEqual(self.values(ingest), [(2, 1.0)])
        self.collect(ingest, STEP, x=1, y=1100)
        self.assertEqual(self.values(ingest), [(3, 1.0), (3, 90.0)])

    def test_resets(self) -> None:
        """
        A counter that begins anew adds nothing, and the point says so.
        """
        for no_reset, flags in ((False, RESET), (True, 0)):
            ingest = self.ingest(("x", ABSOLUTE), ("y", INCREMENTAL, 1, 1, no_reset))
            for turn, value in enumerate((1000, 2000, 3000, 10, 1010)):
                self.collect(ingest, STEP, NOW + turn * STEP, x=1, y=value)
            rows = self.rows(ingest)
            self.assertEqual([row[4] for row in rows], [0, 0, 0, 0, flags, flags, 0, 0])
            self.assertEqual([round(row[3]) for row in rows if row[0] == 1], [833, 1067, 100, 900])

    def test_overflow(self) -> None:
        """
        A counter that overflows goes on, with 32 bits or with 64.
        """
        for first, second, third in ((2**32 - 11, 2**32 - 1, 9), (2**33, -11, 9), (-21, -1, 19)):
            ingest = self.ingest(("y", INCREMENTAL))
            self.collect(ingest, 0, NOW, y=2**40 if first < 0 else first)
            self.collect(ingest, 0, NOW + STEP, y=first)
            self.collect(ingest, STEP, y=second)
            self.rows(ingest)
            self.collect(ingest, STEP, y=third)
            self.collect(ingest, STEP, y=third)
            self.assertEqual(self.rows(ingest)[0][4], RESET)

    def test_far_from_the_limit(self) -> None:
        """
        A counter that falls and was not near its limit was reset.
        """
        for values in ((250, 255, 3), (65_530, 65_535, 3), (2**31, 2**31 + 5, 3), (2**62, 2**62 + 5, 3)):
            ingest = self.ingest(("y", INCREMENTAL))
            for turn, value in enumerate(values):
                self.collect(ingest, STEP, NOW + turn * STEP, y=value)
            self.assertAlmostEqual(self.rows(ingest)[-1][3], 5 * 0.1 / 0.6)

    def test_holes(self) -> None:
        """
        Of a long hole only the last two seconds are filled, or as many more as
        is asked for.
        """
        for gap, seconds in ((1, [5, 6]), (2, [4, 5, 6]), (20, [2, 3, 4, 5, 6])):
            ingest = self.ingest(("x", ABSOLUTE), ("y", INCREMENTAL), gap_when_lost=gap)
            self.collect(ingest, 0, NOW, x=0, y=0)
            self.collect(ingest, 0, NOW + STEP, x=0, y=0)
            self.rows(ingest)
            self.collect(ingest, 5 * STEP, x=50, y=500)
            points = self.values(ingest)
            self.assertEqual([second for second, _ in points], [second for second in seconds for _ in "xy"])
            self.assertEqual(points[-2], (6, 50.0))
            self.assertAlmostEqual(points[-1][1], 100.0)

    def test_very_long_hole(self) -> None:
        """
        A hole of years costs no more than one of seconds.
        """
        ingest = self.ingest(("y", INCREMENTAL))
        self.collect(ingest, 0, NOW, y=0)
        self.collect(ingest, 0, NOW + STEP, y=0)
        for _ in range(30_000):
            self.collect(ingest, 10**15, y=10**15)
        self.assertLess(self.rows(ingest)[-1][1], 10**10)

    def test_period(self) -> None:
        """
        Points of a slower chart lie at multiples of its period.
        """
        ingest = self.ingest(("x", ABSOLUTE), ("y", INCREMENTAL), update_every=10)
        self.collect(ingest, 0, NOW + 3 * STEP, x=1, y=0)
        for turn in range(1, 5):
            self.collect(ingest, 10 * STEP, NOW + (3 + 10 * turn) * STEP, x=1, y=1000 * turn)
        points = self.values(ingest)
        self.assertEqual([second for second, _ in points], [10, 10, 20, 20, 30, 30, 40, 40])
        self.assertEqual([value for _, value in points[2::2]], [1.0] * 3)
        self.assertAlmostEqual(points[-1][1], 100.0)

    def test_store_first(self) -> None:
        """
        The first collection is stored if the chart says so, and counters count
        from 0.
        """
        ingest = self.ingest(("x", ABSOLUTE), ("y", INCREMENTAL), store_first=True)
        self.collect(ingest, 0, NOW, x=-725, y=582)
        self.assertEqual(self.values(ingest), [(0, -725.0), (0, 582.0)])
        self.collect(ingest, 0, NOW + STEP, x=1, y=582 + 1100)
        points = self.values(ingest)
        self.assertEqual(points[0], (1, 1.0))
        self.assertAlmostEqual(points[1][1], 1000.0)

    def test_redefined(self) -> None:
        """
        A chart that is defined again keeps its counters; its next collection is
        timed by the parent.
        """
        ingest = self.ingest(("x", ABSOLUTE), ("y", INCREMENTAL))
        self.collect(ingest, 0, NOW, x=1, y=0)
        self.collect(ingest, 0, NOW + STEP, x=1, y=0)
        self.rows(ingest)
        ingest.chart("a.b", 1)
        ingest.dimension("a.b", "x", 7, ABSOLUTE, 1, 1)
        ingest.dimension("a.b", "y", 8, INCREMENTAL, 1, 1)
        self.collect(ingest, 9 * STEP, NOW + 2 * STEP, x=2, y=100)
        self.assertEqual(self.rows(ingest), [(7, START + 2, 2, 2.0, 0), (8, START + 2, 100, 90.0, 0)])

    def test_other_algorithm(self) -> None:
        """
        A dimension whose algorithm changes begins anew.
        """
        ingest = self.ingest(("x", ABSOLUTE), ("y", ABSOLUTE))
        for turn in range(3):
            self.collect(ingest, STEP, NOW + turn * STEP, x=1, y=100 * turn)
        self.rows(ingest)
        ingest.dimension("a.b", "y", 1, INCREMENTAL, 1, 1)
        self.collect(ingest, STEP, x=1, y=300)
        self.assertEqual(self.values(ingest), [(3, 1.0)])
        self.collect(ingest, STEP, x=1, y=400)
        self.assertEqual(self.values(ingest), [(4, 1.0), (4, 90.0)])

    def test_resumed(self) -> None:
        """
        After replication a chart goes on from the child's own state: the first
        collection is stored.
        """
        ingest = self.ingest(("x", ABSOLUTE), ("y", INCREMENTAL))
        ingest.resume("a.b", START * STEP + 250_000, START * STEP)
        ingest.resume_dimension("a.b", "x", 5, 5.0)
        ingest.resume_dimension("a.b", "y", 1000, 25.0)
        self.collect(ingest, STEP, x=6, y=1100)
        self.assertEqual(self.values(ingest), [(1, 6.0), (1, 100.0)])

    def test_resumed_nowhere(self) -> None:
        """
        A child that says impossible times of its state gets the parent's own
        clock, and one whose times contradict each other does no harm.
        """
        for collected, updated in (
            (2**63 - 1, 2**63 - 1),
            (START * STEP, 2**63 - 1),
            (2**70, -(2**70)),
            (0, 10**17 - 1),
            (10**17 - 1, 0),
            (NOW, START * STEP - 10 * STEP),
            (NOW + 5 * STEP, START * STEP),
        ):
            ingest = self.ingest(("x", ABSOLUTE), ("y", INCREMENTAL))
            ingest.resume("a.b", collected, updated)
            ingest.resume_dimension("a.b", "y", -(2**63), 1e300)
            for turn in range(4):
                self.collect(ingest, 0, NOW + turn // 2 * STEP, x=1, y=turn)
            self.assertLess(len(self.rows(ingest)), 30)

    def test_block_is_whole(self) -> None:
        """
        Nothing of a block is stored before its end.
        """
        ingest = self.ingest(("x", ABSOLUTE))
        self.collect(ingest, 0, NOW, x=1)
        text = block(0, x=2)
        at = ingest.feed(text[:-4], 0, NOW + STEP)
        self.assertEqual(self.rows(ingest), [])
        ingest.feed(text, at, NOW + 5 * STEP)
        # The time of its begin counts.
        self.assertEqual(self.values(ingest), [(1, 2.0)])


class PlainValueTests(ValueTests):
    """
    The same in plain Python.
    """

    kernel = plain
