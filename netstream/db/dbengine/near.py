"""
What is near at hand: samples that are in hot pages, which takes no thread to
look at.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from netstream.db.dbengine.node import Epoch, HotNode
from netstream.db.dbengine.pages import ROWS
from netstream.db.dbengine.retention import Retention
from netstream.db.dbengine.series import Seat, Seats
from netstream.db.interfaces import HotRows, INear, Look, SeriesKey, Span, Window
from netstream.db.rowgroups import Damaged, RowGroup
from netstream.db.segment import Place
from netstream.db.segments import Segments
from netstream.kernel.cells import load
from netstream.model.samples import Bytes, Float64s, Int32s

MOST_EPOCHS = 4
"""Of the past that are looked at, an hour of seconds."""
MOST_DECODED = 8 << 20
"""Bytes of columns of row groups that are remembered."""


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
        self._decoded = Decoded()

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

    def look(self, node: HotNode, charts: Sequence[str], seats: Seats, since: int | None) -> Look | None:
        """
        @param charts: Those of the series.
        @param since: As L{INear.look} has it.
        @return: Where the newest samples are, if all series are in one block.
        """
        spans = self.spans(node, charts)
        epochs = sorted((*node.sealing, *node.epochs.values()), key=_start)
        span = Span.over(spans.values())
        if span is None or not epochs or len(spans) != len(charts):
            return None
        newest, others = epochs[-1], epochs[:-1]
        seat = _seat(newest, seats)
        if seat is None:
            return None
        past = self._past(node, seats, newest, others, since) if since is not None else []
        if past:
            values, flags = (np.concatenate(parts) for parts in zip(*past, strict=True))
            oldest = self._retention.oldest(node, 0, self._time.seconds())
            floor = max(oldest, newest.start - (len(values) + 1) * newest.step)
        else:
            values, flags = np.empty((0, len(seats.numbers))), np.empty((0, len(seats.numbers)), np.uint8)
            floor = max([self._floor(node), *(epoch.end for epoch in others)])
        return Look(span, floor, newest.start, newest.step, seat.block, seat.columns, values, flags)

    def _past(
        self, node: HotNode, seats: Seats, newest: Epoch, others: Sequence[Epoch], since: int
    ) -> list[tuple[Float64s, Bytes]]:
        """
        @return: Values and flags of epochs before the newest one, back to a
            second, as far as each is in one place and takes no reading from the
            disk; the oldest first.
        """
        before, sealed = newest.start - newest.step, self._sealed.span(node.id)
        found: list[tuple[Float64s, Bytes]] = []
        while before > since and len(found) < MOST_EPOCHS and (sealed is None or sealed.last < newest.start):
            epoch = self._epoch(node, seats, others, before, newest.step)
            if epoch is None:
                break
            found.insert(0, epoch)
            before -= ROWS * newest.step
        return found

    def _epoch(
        self, node: HotNode, seats: Seats, others: Sequence[Epoch], before: int, step: int
    ) -> tuple[Float64s, Bytes] | None:
        """
        @param before: The last second of the epoch.
        """
        after = before - ROWS * step
        places = self._sealed.find(node.id, after, before)
        hot = [epoch for epoch in others if epoch.end > after and epoch.start <= before]
        if len(places) + len(hot) != 1:
            return None
        if places:
            place = places[0]
            cached = place.step == step and self._sealed.cached(place)
            return self._decoded.of(self._sealed, place, seats.numbers, after) if cached else None
        seat = _seat(hot[0], seats)
        block = seat.block() if seat is not None else None
        if seat is None or block is None or (hot[0].end, hot[0].step) != (before, step):
            return None
        values = np.empty((ROWS, len(seat.columns)))
        flags = np.empty(values.shape, np.uint8)
        load(block.cells, block.marks, seat.columns, values, flags)
        return values, flags


class Decoded:
    """
    Columns of row groups that were read lately.
    """

    def __init__(self, most: int = MOST_DECODED) -> None:
        """
        @param most: Bytes.
        """
        self._most = most
        self._bytes = 0
        self._known: OrderedDict[tuple[Path, int, bytes], tuple[Float64s, Bytes]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def of(self, segments: Segments, place: Place, numbers: Int32s, after: int) -> tuple[Float64s, Bytes] | None:
        """
        @param numbers: Of the series wanted.
        @param after: Second before that of the first row of its epoch.
        @return: Values and flags of all rows of an epoch; L{None} if not all
            of it can be read, which others say.
        """
        key = place.segment.path, place.offset, numbers.tobytes()
        known = self._known.get(key)
        if known is not None:
            self._known.move_to_end(key)
            return known
        try:
            group = RowGroup(segments.read(place))
            part, marks, damaged = group.read(numbers)
        except (Damaged, OSError):
            return None
        low, odd = divmod(group.start - after, group.step)
        high = low - 1 + len(part)
        if damaged or odd or low < 1 or high > ROWS:
            return None
        values = np.full((ROWS, len(numbers)), np.nan)
        flags = np.zeros(values.shape, np.uint8)
        values[low - 1 : high], flags[low - 1 : high] = part, marks
        self._known[key] = values, flags
        self._bytes += values.nbytes + flags.nbytes
        while self._bytes > self._most:
            _, old = self._known.popitem(last=False)
            self._bytes -= old[0].nbytes + old[1].nbytes
        return values, flags


def _seat(epoch: Epoch, seats: Seats) -> Seat | None:
    """
    @return: Where all series are in one block of an epoch.
    """
    return next((seat for seat in map(seats.of, epoch.blocks) if seat.whole), None)


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

    def look(self, since: int | None = None) -> Look | None:
        node = self._node
        known = node.series.charts.get
        if self._newest.nodes.get(node.guid) is not node:
            return None
        for chart, series in self._charts.items():
            if known(chart) is not series:
                return None  # it was forgotten
        return self._newest.look(node, self._ids, self._seats, since)
