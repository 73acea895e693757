"""
Lookups of many alerts as few questions to the database.

Alerts that fold the same seconds in the same way are answered together, each
chart once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from attrs import define, field, frozen

from netstream.db.interfaces import Columns, SeriesKey, Span, Window
from netstream.db.windows import window
from netstream.health.alerts import Alert
from netstream.health.lookups import Lookup
from netstream.hub.hub import Host
from netstream.model.chart import Chart, Dimension
from netstream.model.pattern import SimplePattern
from netstream.model.samples import ANOMALOUS, EMPTY, Float64s

MOST_CELLS = 1 << 19
"""Samples that one question may touch."""


@frozen
class _Kind:
    window: Window
    method: str
    condition: str
    anomalies: bool


@define(eq=False)
class Question:
    """
    One question for the database, and who waits for its answer.

    @ivar series: The columns.
    """

    window: Window
    method: str
    condition: str
    anomalies: bool
    series: list[SeriesKey] = field(factory=list)
    _starts: list[int] = field(factory=list)
    _places: dict[tuple[str, tuple[str, ...]], int] = field(factory=dict)
    _waiting: list[tuple[Alert, int, int]] = field(factory=list)

    def add(self, alert: Alert, chart: str, dimensions: tuple[str, ...], chosen: int) -> None:
        """
        @param chosen: How many of the dimensions are meant; the others only
            tell what all is.
        """
        key = chart, dimensions
        place = self._places.get(key)
        if place is None:
            place = self._places[key] = len(self._starts)
            self._starts.append(len(self.series))
            self.series += [(chart, dimension) for dimension in dimensions]
        self._waiting.append((alert, place, chosen))

    @property
    def waiting(self) -> Iterable[int]:
        """
        The C{id} of each alert that waits for the answer.
        """
        return (id(alert) for alert, _, _ in self._waiting)

    def answer(self, columns: Columns) -> None:
        """
        Tell every alert what it found.

        @param columns: One row of the values; all samples if it is about
            anomalies.
        """
        row = self._anomalous(columns) if self.anomalies else columns.values[0] if len(columns.values) else None
        if row is None or not len(row):
            row = np.full(len(self.series), np.nan)
        starts = np.asarray(self._starts)
        known = ~np.isnan(row)
        counts = np.add.reduceat(known.astype(np.int64), starts).tolist()
        sums: dict[bool, Sequence[float]] = {}
        ends = [*self._starts[1:], len(row)]
        for alert, place, chosen in self._waiting:
            lookup = alert.definition.lookup
            assert lookup is not None
            absolute = "absolute" in lookup.options
            alert.after, alert.before = self.window.after + 1, self.window.before
            if lookup.fold == "sum" and "percentage" not in lookup.options:
                if absolute not in sums:
                    sized = np.abs(row) if absolute else row
                    sums[absolute] = np.add.reduceat(np.where(known, sized, 0.0), starts).tolist()
                found = sums[absolute][place] if counts[place] else None
            else:
                found = _folded(row[self._starts[place] : ends[place]], lookup, chosen)
            alert.no_data = found is None
            alert.looked = found if found is not None else 0.0 if "null2zero" in lookup.options else np.nan

    def _anomalous(self, columns: Columns) -> Float64s:
        """
        @return: Percent of the samples of each column that are anomalous.
        """
        there = np.count_nonzero((columns.flags & EMPTY) == 0, axis=0)
        odd = np.count_nonzero((columns.flags & (EMPTY | ANOMALOUS)) == ANOMALOUS, axis=0)
        return np.where(there > 0, 100.0 * odd / np.maximum(there, 1), np.nan)


def _folded(values: Float64s, lookup: Lookup, chosen: int) -> float | None:
    """
    @return: The dimensions of one chart as one number; L{None} if none has a
        value.
    """
    if "absolute" in lookup.options:
        values = np.abs(values)
    if "percentage" in lookup.options:
        total = float(np.nansum(values))
        values = values[:chosen]
        values = values * 100 / total if total else np.where(values == 0, 0.0, np.nan)
    else:
        values = values[:chosen]
    values = values[~np.isnan(values)]
    if not len(values):
        return None
    fold = lookup.fold
    if fold == "min2max":
        return float(values.max() - values.min())
    if fold == "average":
        return float(values.mean())
    if fold == "min":
        return float(values.min())
    return float(values.max() if fold == "max" else values.sum())


def _wanted(dimension: Dimension, lookup: Lookup, pattern: SimplePattern | None) -> bool:
    if pattern is None:
        return not dimension.hidden
    only_names = "match-names" in lookup.options and "match-ids" not in lookup.options
    only_ids = "match-ids" in lookup.options and "match-names" not in lookup.options
    return (not only_names and pattern.matches(dimension.id)) or (not only_ids and pattern.matches(dimension.name))


def _dimensions(chart: Chart, lookup: Lookup) -> tuple[tuple[str, ...], int]:
    """
    @return: The columns that a lookup needs, and how many of them are meant.
    """
    pattern = lookup.pattern
    wanted = tuple(id for id, dimension in chart.dimensions.items() if _wanted(dimension, lookup, pattern))
    rest = (id for id in chart.dimensions if id not in wanted) if "percentage" in lookup.options else ()
    return (*wanted, *rest), len(wanted)


class Asking:
    """
    Collects the lookups of one pass over a host.
    """

    def __init__(self, host: Host, now: int) -> None:
        self._host = host
        self._now = now
        self._open: dict[_Kind, Question] = {}
        self._full: list[Question] = []
        self._windows: dict[tuple[int, int, int, bool, int], Window] = {}

    def window_of(self, lookup: Lookup, update_every: int, last: int) -> Window:
        """
        @param last: The newest second of the chart.
        """
        aligned = "unaligned" not in lookup.options
        key = lookup.after, lookup.before, update_every, aligned, last
        found = self._windows.get(key)
        if found is None:
            span = Span(0, last)
            found = window(lookup.after, lookup.before, 1, update_every, self._now, aligned, span)
            self._windows[key] = found
        return found

    def add(self, alert: Alert, chart: Chart, last: int) -> None:
        """
        Let an alert's lookup be answered.
        """
        lookup = alert.definition.lookup
        assert lookup is not None
        alert.looked, alert.no_data = np.nan, True
        if alert.columns_of is not chart:
            alert.columns, alert.columns_of = _dimensions(chart, lookup), chart
        dimensions, chosen = alert.columns
        if not chosen:
            return
        anomalies = "anomaly-bit" in lookup.options
        plan = self.window_of(lookup, chart.update_every, last)
        if len(plan) > 1:  # the last row stands for what is newest
            plan = Window(plan.before - plan.step, plan.before, plan.step)
        kind = _Kind(plan, lookup.method, lookup.condition, anomalies)
        question = self._open.get(kind)
        if question is None:
            question = self._open[kind] = Question(plan, lookup.method, lookup.condition, anomalies)
        question.add(alert, chart.id, dimensions, chosen)
        rows = max(1, plan.step // max(1, chart.update_every))
        if len(question.series) * rows > MOST_CELLS:
            self._full.append(self._open.pop(kind))

    @property
    def questions(self) -> Iterable[Question]:
        """
        All that is to be asked.
        """
        return [*self._full, *self._open.values()]
