"""
What is near at hand: samples that are in hot pages, which takes no thread to
look at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from netstream.db.dbengine.node import Epoch, HotNode
from netstream.db.dbengine.retention import Retention
from netstream.db.dbengine.series import Seats
from netstream.db.interfaces import HotRows, INear, Look, SeriesKey, Span, Window
from netstream.db.segments import Segments


class Newest:
    """
    The newest samples of all nodes.

    @ivar nodes: By GUID, those that there are now.
    """

    def __init__(
        self, nodes: Mapping[str, HotNode], sealed: Segments, retention: Retention, time: IReactorTime
    ) -> None:
        """
        @param sealed: Samples that are in row groups.
        """
        self.nodes = nodes
        self._sealed = sealed
        self._retention = retention
        self._time = time

    def spans(self, node: HotNode, charts: Sequence[str] | None = None) -> dict[str, Span]:
        """
        @param charts: Those that are meant; L{None} is all.
        @return: Oldest and newest second of each chart that has any.
        """
        return node.spans(max(1, self._retention.first(node, self._time.seconds())), charts)

    def rows(self, node: HotNode, seats: Seats, window: Window) -> HotRows | None:
        """
        @return: The rows of a window, if each is one sample of each series, and
            none is in a row group yet.
        """
        return node.recent(seats, window) if self._floor(node) <= window.after else None

    def _floor(self, node: HotNode) -> int:
        """
        @return: Up to which second samples may be in row groups, or not count.
        """
        sealed, oldest = self._sealed.span(node.id), self._retention.oldest(node, 0, self._time.seconds())
        return oldest if sealed is None else max(oldest, sealed.last)

    def look(self, node: HotNode, charts: Sequence[str], seats: Seats) -> Look | None:
        """
        @param charts: Those of the series.
        @return: Where the newest samples are, if all series are in one block.
        """
        spans = self.spans(node, charts)
        *others, newest = sorted((*node.sealing, *node.epochs.values()), key=_start) or (None,)
        if newest is None or len(spans) != len(charts):
            return None
        span = Span(min([s.first for s in spans.values()]), max([s.last for s in spans.values()]))
        floor = max([self._floor(node), *(epoch.end for epoch in others if epoch is not None)])
        for block in newest.blocks:
            seat = seats.of(block)
            if seat.whole:
                return Look(span, floor, newest.start, newest.step, seat.block, seat.columns)
        return None


def _start(epoch: Epoch) -> int:
    return epoch.start


@implementer(INear)
class Near:
    """
    The newest samples of some series of a node.
    """

    def __init__(self, newest: Newest, node: HotNode, series: Sequence[SeriesKey]) -> None:
        """
        @param series: Such that have a number.
        """
        self._newest = newest
        self._node = node
        self._charts = {chart: node.series.charts[chart] for chart, _ in series}
        self._ids = list(self._charts)
        self._seats = node.series.seats(series)

    def look(self) -> Look | None:
        node = self._node
        known = node.series.charts.get
        if self._newest.nodes.get(node.guid) is not node:
            return None
        for chart, series in self._charts.items():
            if known(chart) is not series:
                return None  # it was forgotten
        return self._newest.look(node, self._ids, self._seats)
