"""
How far the replication of a host is.
"""

from __future__ import annotations

from attrs import define


@define
class Progress:
    """
    What one node fetched of another's past, or was asked for, on one
    connection.

    @ivar charts: Charts whose past is looked after on the connection.
    @ivar complete: Those of them of which nothing is missing any more.
    @ivar given_up: Those of them whose peer did not answer.
    @ivar asked: Requests.
    @ivar samples: Samples that came or were sent.
    @ivar seconds: Seconds of the past that were dealt with, over all charts.
    @ivar missing: Seconds of the past that are still missing, over all charts,
        as far as is known.
    @ivar since: When the first request was made, UTC seconds; 0 before it.
    @ivar until: When something was dealt with last, UTC seconds.
    """

    charts: int = 0
    complete: int = 0
    given_up: int = 0
    asked: int = 0
    samples: int = 0
    seconds: int = 0
    missing: int = 0
    since: float = 0.0
    until: float = 0.0

    @property
    def done(self) -> bool:
        """
        Whether nothing is missing.
        """
        return self.complete >= self.charts

    @property
    def fraction(self) -> float:
        """
        How much of the past is there, from 0 to 1.
        """
        if self.done:
            return 1.0
        known = self.seconds + self.missing
        return self.seconds / known if known else self.complete / self.charts

    @property
    def rate(self) -> float:
        """
        Samples a second.
        """
        took = self.until - self.since
        return self.samples / took if self.samples and took > 0 else 0.0

    @property
    def left(self) -> float | None:
        """
        Seconds that the rest takes at the speed so far; L{None} if that is not
        known yet.
        """
        if self.done:
            return 0.0
        took = self.until - self.since
        return self.missing * took / self.seconds if self.seconds and took > 0 else None
