"""
Which rows a client gets for what it asks.
"""

from __future__ import annotations

import json
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from netstream.db.interfaces import Span, Window
from netstream.db.windows import window

NOW = 1_800_000_003


class WindowTests(SynchronousTestCase):
    """
    L{window} plans the rows that clients expect.
    """

    def test_as_agents_do(self) -> None:
        """
        Clients of an agent get rows of the same seconds from us.

        The table was made by asking agent 1.37.1; each line is after, before,
        points, update every, now, aligned, first and last second stored, and
        then second before the first row, last row, step.
        """
        text = Path(__file__).with_name("agent_windows.json").read_text()
        table = json.loads(text)
        self.assertGreater(len(table), 300)
        for after, before, points, every, now, aligned, first, last, *expected in table:
            found = window(after, before, points, every, now, bool(aligned), Span(first, last))
            self.assertEqual([found.after, found.before, found.step], expected, (after, before, points, every, now))

    def test_last_second(self) -> None:
        """
        The last value, as home automation asks for it, is one row.
        """
        stored = Span(NOW - 100, NOW - 1)
        self.assertEqual(window(-1, 0, 0, 1, NOW, span=stored), Window(NOW - 2, NOW - 1, 1))

    def test_natural(self) -> None:
        """
        Without points each stored second is a row.
        """
        self.assertEqual(window(-600, 0, 0, 1, NOW), Window(NOW - 601, NOW - 1, 1))
        self.assertEqual(len(window(-600, 0, 0, 1, NOW)), 600)

    def test_slow_chart(self) -> None:
        """
        A chart that is collected every five seconds has a row every five.
        """
        found = window(-60, 0, 0, 5, NOW, span=Span(NOW - 1003, NOW - 3))
        self.assertEqual((found.step, found.before % 5, len(found)), (5, 0, 12))

    def test_aligned(self) -> None:
        """
        Rows of several seconds end at multiples of their length unless the
        client does not want that.
        """
        self.assertEqual(window(-600, 0, 10, 1, NOW).before % 60, 0)
        self.assertEqual(window(-600, 0, 10, 1, NOW, aligned=False).before, NOW - 1)

    def test_tiers(self) -> None:
        """
        A long window of many series is planned on the rows of a tier; what is
        read quickly has the rows that are asked for, as it has without tiers.
        """
        for after, points in ((-90, 1), (-600, 6), (-5400, 1), (-86400, 600)):
            plain = window(after, 0, points, 1, NOW)
            self.assertEqual(window(after, 0, points, 1, NOW, tiers=(1, 60, 3600), width=1), plain)
            for width in (0, 100_000):
                found = window(after, 0, points, 1, NOW, tiers=(1, 60, 3600), width=width)
                self.assertEqual(found.step % 60, 0)
        self.assertEqual(window(-90, 0, 1, 1, NOW, tiers=(1, 60, 3600), width=9).step, 90)

    def test_everything(self) -> None:
        """
        0 and 0 is all that is stored.
        """
        self.assertEqual(window(0, 0, 0, 1, NOW, span=Span(NOW - 50, NOW - 1)), Window(NOW - 51, NOW - 1, 1))

    def test_nothing_known(self) -> None:
        """
        Without stored samples 0 is ten minutes.
        """
        self.assertEqual(len(window(0, 0, 0, 1, NOW)), 600)

    def test_odd(self) -> None:
        """
        No numbers that a client may send make a window that is empty or never
        ends, or one that fills the memory.
        """
        odd = (0, 1, -1, 7, -7, 100_000, -100_000, NOW, NOW + 5, NOW - 5, 1 << 40, -(1 << 40))
        for after in odd:
            for before in odd:
                for points in (0, 1, 7, -3, 1 << 40):
                    for every in (0, 1, 10):
                        found = window(after, before, points, every, NOW)
                        self.assertGreaterEqual(len(found), 1)
                        self.assertLessEqual(len(found), 500_000)
                        self.assertGreaterEqual(found.step, 1)
                        self.assertEqual((found.before - found.after) % found.step, 0)
