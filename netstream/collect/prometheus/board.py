"""
Charts of series whose values come with their time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from attrs import define, evolve

from netstream.collect.prometheus.points import (
    DIVISOR,
    GROWING,
    About,
    Series,
    chart,
    chart_id,
    chart_labels,
    dimension,
    shorter,
)
from netstream.hub.hub import Host
from netstream.model.chart import Chart
from netstream.model.samples import RESET, SampleBatch
from netstream.model.updates import ChartDefined

_LARGEST = float((1 << 63) - 1024)

Point = tuple[Series, float, int]
"""A series, its value, and the UTC second."""

NEWS = 60
"""Seconds after which a sample is of the past and no news."""

OLDEST = 86_400
"""Seconds after which a sample is not taken any more."""

FUTURE = 60
"""Seconds that a clock may be ahead."""

FINEST = 1
COARSEST = 3600
"""Bounds of the period of a chart, in seconds."""


@define(eq=False)
class _Slot:
    """
    One series.

    @ivar number: In the table of the host; -1 while its chart is not defined.
    @ivar place: Of its chart among all.
    @ivar time: UTC second of its last value; 0 is never.
    @ivar value: Its last value.
    @ivar seen: When that came, UTC seconds.
    """

    series: Series
    chart: str
    number: int = -1
    place: int = 0
    time: int = 0
    value: float = 0.0
    seen: float = 0.0


@define(eq=False)
class _Shown:
    """
    One chart.

    @ivar slots: How many series it has.
    """

    chart: Chart
    place: int
    slots: int = 0


class Board:
    """
    Makes charts of series, and samples of their values.

    A counter is shown by how much it grew a second since the value before; one
    that is smaller than before has begun anew.

    @ivar about: What exporters say of metrics, by the name of their series.
    @ivar refused: Values of series for which there was no room, or whose names are
        unreasonable.
    @ivar late: Values that came out of order, too late or too early.
    """

    def __init__(
        self,
        host: Host,
        section: Callable[[Series], str],
        plugin: str,
        module: str,
        most: int,
        update_every: int = 0,
        least: int = FINEST,
    ) -> None:
        """
        @param host: Whose charts they are.
        @param section: Gives the first part of the id of a chart.
        @param most: Series at once.
        @param update_every: Seconds between two values; 0 finds out, for each
            series from its first two.
        @param least: The smallest period that is found out, seconds.
        """
        self._host = host
        self._section = section
        self._plugin = plugin
        self._module = module
        self._most = most
        self._every = update_every
        self._least = least
        self._slots: dict[Series, _Slot] = {}
        self._shown: dict[str, _Shown] = {}
        self._owners: dict[str, tuple[str, object]] = {}
        self._places = 0
        self.about: dict[str, About] = {}
        self.refused = 0
        self.late = 0

    def __len__(self) -> int:
        return len(self._slots)

    def take(self, points: Iterable[Point], now: float) -> None:
        """
        Take in values.

        @param now: UTC seconds.
        """
        numbers: list[int] = []
        places: list[int] = []
        times: list[int] = []
        values: list[float] = []
        raw: list[float] = []
        flags: list[int] = []
        oldest, newest = now - OLDEST, now + FUTURE
        for series, value, second in points:
            slot = self._slots.get(series) or self._slot(series)
            if slot is None:
                continue
            slot.seen = now
            if value - value != 0:
                continue  # there is none
            if second <= slot.time or not oldest < second < newest:
                self.late += 1
                continue
            since, before = slot.time, slot.value
            slot.time, slot.value = second, value
            every = self._every or (self._found_out(slot, second - since) if since else 0)
            if not every:
                continue
            if slot.number < 0:
                self._define(slot, every)
            shown, flag = value, 0
            if series.kind in GROWING:
                if not since:
                    continue
                grown = value - before
                if grown < 0:
                    grown, flag = value, RESET
                shown = grown / (second - since)
            numbers.append(slot.number)
            places.append(slot.place)
            times.append(second - second % every)
            values.append(shown)
            raw.append(value)
            flags.append(flag)
        if numbers:
            self._tell(numbers, places, times, values, raw, flags, now)

    def _tell(
        self,
        numbers: list[int],
        places: list[int],
        times: list[int],
        values: list[float],
        raw: list[float],
        flags: list[int],
        now: float,
    ) -> None:
        series, time = np.array(numbers, np.int32), np.array(times, np.int64)
        order = np.lexsort((series, np.array(places), time))
        with np.errstate(over="ignore"):  # what is too large is bounded
            collected = np.clip(np.array(raw) * DIVISOR, -_LARGEST, _LARGEST).round().astype(np.int64)
        columns: tuple[Any, ...] = (series, time, collected, np.array(values, np.float64), np.array(flags, np.uint8))
        for past in (True, False):
            chosen = order[(time[order] < now - NEWS) == past]
            if len(chosen):
                batch = SampleBatch(self._host.table, *(each[chosen] for each in columns))
                self._host.apply(evolve(batch, past=past))

    def _slot(self, series: Series) -> _Slot | None:
        if len(self._slots) >= self._most or not series.reasonable:
            self.refused += 1
            return None
        wanted = chart_id(self._section(series), series)
        owner = series.name, chart_labels(series)
        name = shorter(wanted)
        if self._owners.setdefault(name, owner) != owner:
            # Labels that differ only in what ids cannot hold.
            name = shorter(f"{wanted}{owner}", distinct=False)
            self._owners[name] = owner
        slot = self._slots[series] = _Slot(series, name)
        return slot

    def _found_out(self, slot: _Slot, between: int) -> int:
        """
        @return: The period of its chart, which never grows.
        """
        period = max(self._least, min(between, COARSEST))
        shown = self._shown.get(slot.chart)
        if shown is None or shown.chart.update_every <= period:
            return period if shown is None else shown.chart.update_every
        shown.chart = evolve(shown.chart, update_every=period)
        self._host.apply(ChartDefined(shown.chart))
        return period

    def _define(self, slot: _Slot, every: int) -> None:
        series = slot.series
        shown = self._shown.get(slot.chart)
        if shown is None:
            about = self.about.get(series.name, About())
            made = chart(slot.chart, series, about, every, self._plugin, self._module)
            self._places += 1
            shown = self._shown[slot.chart] = _Shown(made, self._places)
        one = dimension(series)
        shown.slots += 1
        shown.chart = evolve(shown.chart, dimensions={**shown.chart.dimensions, one.id: one})
        self._host.apply(ChartDefined(shown.chart))
        slot.place = shown.place
        slot.number = self._host.table.number(slot.chart, one.id)

    def sweep(self, now: float, after: float) -> None:
        """
        Forget series of which nothing was heard.

        @param now: UTC seconds.
        @param after: Seconds.
        """
        for series, slot in tuple(self._slots.items()):
            if now - slot.seen >= after:
                self._forget(series, slot)

    def _forget(self, series: Series, slot: _Slot) -> None:
        del self._slots[series]
        shown = self._shown.get(slot.chart)
        if slot.number < 0 or shown is None:
            if shown is None:
                self._owners.pop(slot.chart, None)
            return
        shown.slots -= 1
        if not shown.slots:
            del self._shown[slot.chart]
            self._owners.pop(slot.chart, None)
            self._host.apply(ChartDefined(evolve(shown.chart, obsolete=True)))

    def end(self) -> None:
        """
        Its source is gone.
        """
        for series, slot in tuple(self._slots.items()):
            self._forget(series, slot)
