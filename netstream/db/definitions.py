"""
What was said of nodes and charts and is not on disk yet.
"""

from __future__ import annotations

from attrs import define, field

from netstream.db import metadata
from netstream.db.interfaces import HostRecord
from netstream.model.chart import Chart


@define(eq=False)
class Definitions:
    """
    The newest of each; a node may define a thousand charts in one second.

    @ivar records: By GUID.
    @ivar charts: By GUID and chart id.
    @ivar retentions: Seconds by GUID; L{None} is the default.
    """

    records: dict[str, HostRecord] = field(factory=dict)
    charts: dict[tuple[str, str], Chart] = field(factory=dict)
    retentions: dict[str, int | None] = field(factory=dict)

    def __bool__(self) -> bool:
        return bool(self.records or self.charts or self.retentions)

    def texts(self) -> tuple[dict[str, str], dict[tuple[str, str], str], dict[str, int | None]]:
        """
        @return: The three, definitions as JSON.
        """
        return (
            {guid: metadata.host_text(record) for guid, record in self.records.items()},
            {key: metadata.chart_text(chart) for key, chart in self.charts.items()},
            self.retentions,
        )

    def add_older(self, older: Definitions) -> None:
        """
        Take back what could not be written, unless something newer came.
        """
        self.records = {**older.records, **self.records}
        self.charts = {**older.charts, **self.charts}
        self.retentions = {**older.retentions, **self.retentions}

    def forget(self, guid: str, chart: str | None) -> None:
        """
        Leave out a chart or a whole node.
        """
        if chart is None:
            self.records.pop(guid, None)
            self.retentions.pop(guid, None)
        for key in [key for key in self.charts if key[0] == guid and chart in (None, key[1])]:
            del self.charts[key]
