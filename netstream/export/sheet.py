"""
The templates of one node's series for one target, kept up to date chart by
chart.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from attrs import define, field

from netstream.config.settings import ExportTarget
from netstream.export.format import Block, Format
from netstream.export.names import Naming, Origin, Series, sent_labels
from netstream.export.windows import Interval
from netstream.hub.hub import Host
from netstream.model.chart import Chart
from netstream.model.samples import Int64s

BLOCK = 1000
"""Series of a block, unless one chart has more."""


@define(eq=False)
class _Group:
    """
    Charts whose series stand in one block.

    @ivar block: Their templates; L{None} if they are to be made anew.
    @ivar numbers: int64, the number of each series.
    @ivar told: int64 by series, the second of the last collected value that
        was sent.
    """

    charts: dict[str, Chart] = field(factory=dict)
    size: int = 0
    block: Block | None = None
    numbers: Int64s = field(factory=lambda: np.zeros(0, np.int64))
    told: Int64s = field(factory=lambda: np.zeros(0, np.int64))


def _selected(chart: Chart, target: ExportTarget) -> bool:
    if chart.hidden or chart.obsolete or not chart.dimensions:
        return False
    matches = target.charts.matches
    return target.charts.everything or matches(chart.id) or matches(chart.name)


class Sheet:
    """
    What a target is told of one node.

    @ivar origin: The node, as the target shall know it.
    """

    def __init__(self, host: Host, name: str, target: ExportTarget, form: Format) -> None:
        """
        @param name: What the node is called there.
        """
        self._host = host
        self._target = target
        self._format = form
        self._groups: list[_Group] = []
        self._place: dict[str, _Group] = {}
        self._names: dict[str, str] = {}
        self._info: Block | None = None
        self.origin: Origin
        self.call(name)
        for chart in host.charts.values():
            self.define(chart)

    def call(self, name: str) -> None:
        """
        The node is called otherwise, or has other labels.
        """
        info = self._host.info
        labels = sent_labels(self._host.labels, self._target)
        self.origin = Origin(name, info.program or "netdata", info.version, labels)
        self._info = self._format.info(self.origin)
        for group in self._groups:
            group.block = None

    def define(self, chart: Chart) -> None:
        """
        A chart is new, or has changed.
        """
        self.forget(chart.id)
        if not _selected(chart, self._target):
            return
        size = len(chart.dimensions)
        group = next((g for g in reversed(self._groups) if g.size + size <= BLOCK), None)
        if group is None:
            group = _Group()
            self._groups.append(group)
        group.charts[chart.id] = chart
        group.size += size
        group.block = None
        self._place[chart.id] = group
        self._names.setdefault(chart.name, chart.id)

    def forget(self, chart_id: str) -> None:
        """
        A chart is not there any more.
        """
        group = self._place.pop(chart_id, None)
        if group is None:
            return
        chart = group.charts.pop(chart_id)
        group.size -= len(chart.dimensions)
        group.block = None
        if self._names.get(chart.name) == chart_id:
            del self._names[chart.name]
        if not group.charts:
            self._groups.remove(group)

    def _series(self, chart: Chart, naming: Naming) -> Iterator[Series]:
        chart_name = chart.name if naming.names and self._names.get(chart.name) == chart.id else chart.id
        seen: set[str] = set()
        matches = self._target.dimensions.matches
        for one in chart.dimensions.values():
            name = one.name if naming.names and one.name not in seen else one.id
            seen.add(name)
            if one.obsolete or not (self._target.dimensions.everything or matches(one.id) or matches(one.name)):
                continue
            yield Series(chart, one, chart_name, name)

    def _made(self, group: _Group) -> Block:
        if group.block is None:
            naming = self._format.naming
            series = [one for chart in group.charts.values() for one in self._series(chart, naming)]
            number = self._host.table.number
            told = dict(zip(group.numbers.tolist(), group.told.tolist(), strict=True))
            numbers = [number(one.chart.id, one.dimension.id) for one in series]
            group.numbers = np.array(numbers, np.int64)
            group.told = np.array([told.get(n, 0) for n in numbers], np.int64)
            group.block = self._format.block(self.origin, series)
        return group.block

    def folded(self, interval: Interval, average: bool) -> Iterator[tuple[bytes, int]]:
        """
        @param average: Whether averages or sums are wanted.
        @return: A part for each block that has values, and how many it has.
        """
        yield from self._about(interval.end)
        known = len(interval.sums)
        for group in tuple(self._groups):
            block, numbers = self._made(group), group.numbers
            if not len(block):
                continue
            inside = numbers < known
            if not inside.all():
                numbers = np.where(inside, numbers, 0)
            counts = interval.counts[numbers]
            values = interval.sums[numbers]
            present = (counts > 0) & np.isfinite(values) & inside
            if not present.any():
                continue
            values = values[present]
            if average:
                values = values / counts[present]
            times = np.full(len(values), interval.end, np.int64)
            yield self._format.fill(block, present, values, times), len(values)

    def collected(self, now: int) -> Iterator[tuple[bytes, int]]:
        """
        @param now: UTC seconds.
        @return: A part for each block that has values collected since the last
            time, and how many it has.
        """
        yield from self._about(now)
        latest = self._host.latest
        known = len(latest.time)
        for group in tuple(self._groups):
            block, numbers = self._made(group), group.numbers
            if not len(block) or not known:
                continue
            inside = numbers < known
            if not inside.all():
                numbers = np.where(inside, numbers, 0)
            times = latest.time[numbers]
            present = (times > group.told) & ~np.isnan(latest.value[numbers]) & inside
            if not present.any():
                continue
            group.told[present] = times[present]
            values = latest.collected[numbers][present]
            yield self._format.fill(block, present, values, times[present]), len(values)

    def _about(self, second: int) -> Iterator[tuple[bytes, int]]:
        if self._info is not None and self._groups:
            one: Sequence[int] = (1,)
            kind = np.int64 if self._format.naming.integers else np.float64
            yield self._format.fill(self._info, np.ones(1, np.bool_), np.array(one, kind), np.array([second])), 1
