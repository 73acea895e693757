"""
Tests of samples that are to be kept for less time than passes until the minutes are made of them.
"""

from __future__ import annotations

from math import isnan

from netstream.db.dbengine.cleaning import Cleanup
from netstream.db.dbengine.storage import STRETCH
from netstream.db.interfaces import Window
from netstream.testing.metrics_db import NODE, NOW, X
from tests.db.dbengine.lives import Case

HOUR = 3600
DAY = 24 * HOUR
SPAN = 9 * HOUR
"""So long that the first files of samples are past their time."""


class ShortRetentionTests(Case):
    """
    An hour of samples, and minutes for ever.
    """

    retention = (HOUR, 0, 0)

    def live(self, first: int, last: int) -> None:
        """
        Let a sample come every second.
        """
        for second in range(first, last, 300):
            self.append(second, 300)
            self.clock.advance(300 - 10)
            self.pass_time(10)

    def assert_minutes(self, first: int, last: int) -> None:
        """
        Each minute is there, made of all of its samples.
        """
        found = self.successResultOf(self.db.query(NODE, [X], Window(NOW + first, NOW + last, 60), "average"))
        missing = [int(time) - NOW for time, (value,) in zip(found.times, found.values, strict=True) if isnan(value)]
        self.assertEqual(missing, [])
        self.assertEqual(len(found.times), (last - first) // 60)
        for time, (value,) in zip(found.times, found.values, strict=True):
            self.assertEqual(value, int(time) - NOW - 29.5)

    def test_minutes(self) -> None:
        """
        No minute lacks a sample, neither while it is still to be made nor later; and what was summed up goes.
        """
        for first in range(0, SPAN, HOUR):
            self.live(first + 1, first + HOUR + 1)
            self.assert_minutes(0, first + HOUR - 60)
        assert self.db._storage is not None
        span = self.db._storage.tiers[0].span(1)
        assert span is not None
        self.assertGreater(span.first, NOW + STRETCH)
        shown = self.successResultOf(self.db.bounds(NODE))
        self.assertEqual(min(each.first for each in shown.values()), NOW + 1)

    def test_away(self) -> None:
        """
        What came before the node was off for days is summed up when it is back.
        """
        self.live(1, 2 * HOUR + 1)
        self.stop()
        self.clock.advance(3 * DAY)
        self.start()
        self.pass_time(1300)
        self.assert_minutes(0, 2 * HOUR)
        assert self.db._storage is not None
        self.assertEqual(self.db._storage.tiers[0].nbytes, 0)

    def test_size(self) -> None:
        """
        That there are more bytes than there should be is no reason to drop what is still to be summed up.
        """
        self.db.limit(self.retention, (1, 0, 0), Cleanup())
        self.live(1, 8 * HOUR + 1)
        self.pass_time(700)
        self.assert_minutes(0, 8 * HOUR - 60)
