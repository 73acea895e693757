"""
How fast samples travel: looks at the counts of all connections again and again.
"""

from __future__ import annotations

from twisted.application.service import Service
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from netstream.hub.hub import Hub

MARKED_EVERY = 10.0
"""Seconds over which speeds are measured."""


class Figures(Service):
    """
    Ends a stretch of measured time every ten seconds.
    """

    def __init__(self, hub: Hub, clock: IReactorTime) -> None:
        self._hub = hub
        self._clock = clock
        self._timer: IDelayedCall | None = None

    def startService(self) -> None:
        """
        Begin (called by Twisted).
        """
        super().startService()
        self._mark()

    def _mark(self) -> None:
        self._timer = self._clock.callLater(MARKED_EVERY, self._mark)
        now = self._clock.seconds()
        for traffic in (self._hub.counts.received, self._hub.counts.sent):
            traffic.mark(now)
        lag, backlog, filling = 0.0, 0, 0
        for host in self._hub:
            link, shown = host.link, host.upstream
            if link is not None:
                link.traffic.mark(now)
                filling += host.replication is not None and not host.replication.done
                newest = host.latest.newest
                lag = max(lag, now - newest if newest else 0.0)
            if shown is not None:
                shown.traffic.mark(now)
                backlog += shown.backlog()
                filling += shown.replication is not None and not shown.replication.done
        counts = self._hub.counts
        counts.lag, counts.backlog, counts.filling = lag, backlog, filling

    def stopService(self) -> None:
        """
        Measure no more (called by Twisted).
        """
        super().stopService()
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
