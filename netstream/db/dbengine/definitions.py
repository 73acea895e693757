"""
What was said of nodes and charts and is not on disk yet.
"""

from __future__ import annotations

from collections.abc import Container, Mapping

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
    @ivar series: Number by dimension, by GUID and chart id.
    """

    records: dict[str, HostRecord] = field(factory=dict)
    charts: dict[tuple[str, str], Chart] = field(factory=dict)
    retentions: dict[str, int | None] = field(factory=dict)
    series: dict[tuple[str, str], dict[str, int]] = field(factory=dict)

    def __bool__(self) -> bool:
        return bool(self.records or self.charts or self.retentions or self.series)

    def guids(self) -> set[str]:
        """
        @return: The nodes that it is about.
        """
        return {*self.records, *self.retentions, *(guid for guid, _ in self.charts), *(guid for guid, _ in self.series)}

    def texts(
        self, nodes: Container[str]
    ) -> tuple[
        dict[str, str], dict[tuple[str, str], str], dict[str, int | None], dict[tuple[str, str], Mapping[str, int]]
    ]:
        """
        @param nodes: Leave out all others.
        @return: The four, definitions as JSON.
        """
        # The charts of one kind of machine are the same on each, and one value then.
        charts = {id(chart): chart for key, chart in self.charts.items() if key[0] in nodes}
        texts = {key: metadata.chart_text(chart) for key, chart in charts.items()}
        return (
            {guid: metadata.host_text(record) for guid, record in self.records.items() if guid in nodes},
            {key: texts[id(chart)] for key, chart in self.charts.items() if key[0] in nodes},
            {guid: kept for guid, kept in self.retentions.items() if guid in nodes},
            {key: dict(numbers) for key, numbers in self.series.items() if key[0] in nodes},
        )

    def add_older(self, older: Definitions) -> None:
        """
        Take back what could not be written, unless something newer came.
        """
        self.records = {**older.records, **self.records}
        self.charts = {**older.charts, **self.charts}
        self.retentions = {**older.retentions, **self.retentions}
        self.series = {**older.series, **self.series}

    def forget(self, guid: str, chart: str | None) -> None:
        """
        Leave out a chart or a whole node.
        """
        if chart is None:
            self.records.pop(guid, None)
            self.retentions.pop(guid, None)
        for keyed in (self.charts, self.series):
            for key in [key for key in keyed if key[0] == guid and chart in (None, key[1])]:
                del keyed[key]
