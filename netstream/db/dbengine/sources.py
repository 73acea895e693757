"""
What is stored of some series, put together for one question.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from attrs import define, evolve, field, fields

from netstream.db.dbengine.node import Epoch, HotNode
from netstream.db.interfaces import Columns, SeriesKey, Span
from netstream.db.overlay import nothing, overlaid
from netstream.db.rowgroups import Damaged, Field, RowGroup
from netstream.db.segment import Place
from netstream.db.segments import Segments
from netstream.db.tier_rows import Aggregates
from netstream.db.tiers import STEPS, stored_rows
from netstream.model.samples import Bytes, Float64s, Int32s, Int64s

_NEVER = 1 << 62
MOST_AT_HAND = 1 << 14
"""Rows times series that are read in some millisecond."""

_FIELDS = [a.name for a in fields(Aggregates)]


@define(eq=False)
class StoredSource:
    """
    A L{netstream.db.planning.Source} of the disk engine.

    It is made in the reactor's thread and used in another one: hot pages are
    looked at first, so that what becomes a row group meanwhile is not missed.

    @ivar step: Seconds between the node's points.
    @ivar tiers: For each tier the seconds of which it has rows.
    @ivar damage: Gets a sentence for each part that could not be read.
    """

    step: int
    tiers: Sequence[Span | None]
    _segments: Sequence[Segments]
    _node: int
    _numbers: Int32s
    _epochs: Sequence[Epoch]
    _oldest: int
    _newest: int
    _stored: int
    damage: list[str] = field(factory=list)

    @classmethod
    def of(
        cls, segments: Sequence[Segments], node: HotNode, series: Sequence[SeriesKey], oldest: Sequence[int]
    ) -> StoredSource:
        """
        @param oldest: By tier: what is older than this second does not count.
        """
        numbers = np.array([node.series.find(key) for key in series], np.int32)
        epochs = tuple(node.hot())
        tiers: list[Span | None] = []
        stored = 0
        for tier, each in enumerate(segments):
            span = each.span(node.id)
            first, last = (span.first, span.last) if span else (_NEVER, -1)
            stored = max(stored, last)
            if tier == 0:
                for epoch in epochs:
                    first, last = min(first, epoch.start), max(last, epoch.end)
            else:
                first -= STEPS[tier] - 1  # a row's first second
                # What is not a row group yet, or is one since, may be newer than these rows.
                stale = [start for other, start in node.stale if other == tier]
                last = min([last, *stale, *(epoch.start - epoch.step for epoch in epochs)])
            first = max(first, oldest[tier], 1)
            tiers.append(Span(first, last) if first <= last else None)
        newest = max([epoch.newest for epoch in epochs], default=0)
        return cls(node.step, tiers, segments, node.id, numbers, epochs, oldest[0], newest, stored)

    @property
    def width(self) -> int:
        return len(self._numbers)

    def part(self, first: int, last: int) -> StoredSource:
        """
        @return: The same for some of the series.
        """
        return evolve(self, numbers=self._numbers[first:last], damage=self.damage)

    def at_hand(self, after: int, before: int) -> bool:
        """
        @return: Whether all of a span is in memory, and little enough to be
            read in the reactor's thread: handing it to another one costs more.
        """
        if (before - after) // self.step * self.width > MOST_AT_HAND:
            return False
        return after >= self._stored or all(
            segments.cached(place) for segments in self._segments for place in segments.find(self._node, after, before)
        )

    def raw(self, after: int, before: int) -> Columns:
        """
        @return: The samples after C{after} up to C{before}, raw.
        """
        after = max(after, self._oldest - 1)
        places = self._segments[0].find(self._node, after, before)
        epochs = [epoch for epoch in self._epochs if epoch.start <= before and epoch.end > after]
        layers = []
        if len(places) > 1 and len({(place.step, place.start % place.step) for place in places}) == 1:
            layers.append(self._regular(places, after, before))
        else:
            layers += [Columns(*self._part(place, after, before)) for place in places]
        # What is written from now on may be half there.
        layers += [epoch.read(self._numbers, after, min(before, self._newest)) for epoch in epochs]
        return overlaid(layers, self.width)

    def _part(self, place: Place, after: int, before: int) -> tuple[Int64s, Float64s, Bytes]:
        """
        @return: Times, values and flags of a row group; none if it cannot be
            read.
        """
        try:
            group = RowGroup(self._segments[0].read(place))
            low = max(0, (after - group.start) // group.step + 1)
            high = min(group.rows, (before - group.start) // group.step + 1)
            values, flags, damaged = group.read(self._numbers, Field.VALUE, low, high)
        except (Damaged, OSError) as problem:
            self.damage.append(f"tier 0 of node {self._node}: {problem}")
            empty = nothing(self.width)
            return empty.times, empty.values, empty.flags
        if damaged:
            self.damage.append(f"tier 0 of node {self._node}: {damaged} columns from {group.start} on are damaged")
        return group.start + group.step * np.arange(low, high, dtype=np.int64), values, flags

    def _regular(self, places: Sequence[Place], after: int, before: int) -> Columns:
        """
        @param places: Row groups of the same step, in order of time.
        @return: Their rows, and empty ones between them.
        """
        step, start = places[0].step, places[0].start
        first = max(0, (after - start) // step + 1)
        last = (min(before, places[-1].last) - start) // step + 1
        values = np.full((self.width, last - first), np.nan)
        flags = np.zeros(values.shape, np.uint8)
        for place in places:
            times, part, marks = self._part(place, after, before)
            if len(times):
                low = (int(times[0]) - start) // step - first
                values[:, low : low + len(times)] = part.T
                if marks.any():
                    flags[:, low : low + len(times)] = marks.T
        times = start + step * np.arange(first, last, dtype=np.int64)
        return Columns(times, values.T, flags.T)

    def rows(self, tier: int, after: int, before: int) -> Aggregates:
        """
        @return: The rows of a tier that end after C{after} and not after
            C{before}.
        """
        found = []
        for place in self._segments[tier].find(self._node, after, before):
            try:
                group = RowGroup(self._segments[tier].read(place))
            except (Damaged, OSError) as problem:
                self.damage.append(f"tier {tier} of node {self._node}: {problem}")
                continue
            rows, damaged = stored_rows(group, self._numbers, after, before)
            if damaged:
                self.damage.append(f"tier {tier} of node {self._node}: {damaged} columns are damaged")
            found.append(rows)
        if not found:
            none = np.zeros((0, self.width))
            return Aggregates(np.zeros(0, np.int64), none, none, none, none, none)
        return (
            found[0]
            if len(found) == 1
            else Aggregates(*(np.concatenate([getattr(rows, name) for rows in found]) for name in _FIELDS))
        )
