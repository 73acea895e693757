"""
When each scraper last came, so that averages cover the time in between.
"""

from __future__ import annotations

from collections import OrderedDict

from attrs import frozen

from netstream.db.interfaces import Window

FIRST_WINDOW = 10
"""Seconds that a scraper gets on its first visit."""
LONGEST_WINDOW = 3600
"""Seconds that a scraper gets after a long absence."""
SETTLED = 3
"""Periods of a chart that are left to late samples."""

_MOST_SCRAPERS = 1000


@frozen
class Visit:
    """
    One visit of a scraper to one node.

    @ivar after: The second of its visit before.
    @ivar before: This second.
    """

    after: int
    before: int

    def window(self, update_every: int) -> Window:
        """
        @return: One row of complete points: those since the last visit, and at
            least the last one.  The windows of visits in a row touch each other.
        """
        before = (self.before // update_every - SETTLED) * update_every
        after = (self.after // update_every - SETTLED) * update_every
        after = min(after, before - update_every)
        return Window(after, before, before - after)

    def fresh(self, moment: int, update_every: int) -> bool:
        """
        @return: Whether a sample is new enough to be told: collected since the
            last visit, with some patience.
        """
        return moment > min(self.after, self.before - update_every) - SETTLED * update_every


class Visits:
    """
    The last visits by node and scraper; those that stay away longest are
    forgotten first.
    """

    def __init__(self) -> None:
        self._seen: OrderedDict[tuple[str, str], int] = OrderedDict()

    def visit(self, node: str, scraper: str, now: int) -> Visit:
        """
        @param scraper: The name that it goes by.
        @return: What it gets this time.
        """
        key = (node, scraper[:200])
        after = self._seen.pop(key, now - FIRST_WINDOW)
        self._seen[key] = now
        if len(self._seen) > _MOST_SCRAPERS:
            self._seen.popitem(last=False)
        return Visit(max(min(after, now), now - LONGEST_WINDOW), now)
