"""
What of this node people should be told in time, as charts: its certificate,
and how far its history goes back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import define

from netstream.config.settings import DBSettings
from netstream.db.interfaces import Span
from netstream.hub.hub import Hub
from netstream.model.chart import Chart, Dimension
from netstream.model.samples import SampleBatch
from netstream.model.updates import ChartDefined

EVERY = 600
"""Seconds between two samples."""


def _chart(name: str, title: str, units: str, priority: int, *dimensions: str) -> Chart:
    return Chart(
        f"netstream.{name}",
        title=f"netstream {title}",
        units=units,
        family=name,
        context=f"netstream.{name}",
        priority=priority,
        update_every=EVERY,
        plugin="netstream.plugin",
        module="own",
        dimensions={id: Dimension(id) for id in dimensions},
    )


CERTIFICATE = _chart("certificate", "certificate: time until it expires", "seconds", 130032, "left")
RETENTION = _chart("retention", "history: how far it goes back, and the room it has", "hours", 130033, "kept", "full")


@define(eq=False)
class OwnCharts:
    """
    Collects them.

    @ivar hub: All that this node knows.
    @ivar expires: When its certificate expires, UTC seconds; L{None} if it has
        none.
    @ivar settings: Of its database.
    """

    hub: Hub
    expires: Callable[[], float | None]
    settings: DBSettings

    async def collect(self, now: int) -> None:
        """
        Collect once.

        @param now: UTC second.
        """
        expires = self.expires()
        if expires is not None:
            self._put(CERTIFICATE, now, (round(expires - now),))
        used = self.hub.health().disk.get("tier 0")
        limit = self.settings.tier_size[0] if self.settings.tier_size else 0
        if used is None or not limit:
            return
        local = self.hub.local
        spans: Sequence[Span] = list((await local.db.bounds(local.info.guid)).values())
        if spans:
            kept = (now - min(span.first for span in spans)) / 3600
            self._put(RETENTION, now, (kept, 100 * used / limit))

    def _put(self, chart: Chart, now: int, values: Sequence[float]) -> None:
        host = self.hub.local
        host.apply(ChartDefined(chart))
        numbers = [host.table.number(chart.id, dimension) for dimension in chart.dimensions]
        host.apply(SampleBatch.of_second(host.table, now, numbers, values))
