"""
Definitions tried on history: when would their alerts have fired?

It runs the very code that watches hosts, on samples that were stored, in the
time in which they were collected.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from attrs import define, field, frozen

from netstream.db.interfaces import SeriesKey, Span
from netstream.db.ram import RamDB
from netstream.health.alerts import Alert, Status, Transition
from netstream.health.binding import Bindings
from netstream.health.definitions import Definition
from netstream.health.engine import Counter, HostAlerts, Rules
from netstream.health.journal import reason_not_to_tell
from netstream.health.questions import Question
from netstream.health.stretches import Coarse, Stretch
from netstream.hub.hub import Host
from netstream.model.chart import Chart
from netstream.model.host import HostInfo, Label
from netstream.model.samples import EMPTY, Float64s, SampleBatch
from netstream.model.updates import ChartDefined, LabelsReplaced

CELLS = 2_000_000
"""Samples that are held at once, about; more history is gone through in pieces."""
SHORTEST = 600
"""Seconds of a piece, at least."""

AFTERWARDS = 120
"""Seconds without any sample after which it ends."""


class History(Protocol):
    """
    What was stored of one host.

    @ivar info: Whose it is.
    @ivar labels: Its labels.
    @ivar charts: What it collects.
    """

    info: HostInfo
    labels: Mapping[str, Label]
    charts: Mapping[str, Chart]

    def span(self, chart: str) -> Span | None:
        """
        @return: The seconds of which there are samples; L{None} is none.
        """

    def read(self, series: Sequence[SeriesKey], after: int, before: int) -> Stretch:
        """
        @return: The samples after C{after} up to C{before}, or what is left of
            them.
        """


@define
class Event:
    """
    One change of an alert.

    @ivar said: What changed.
    @ivar told: When people would have been told; L{None} if they would not.
    @ivar why: Why not.
    """

    said: Transition
    told: int | None = None
    why: str = ""


@frozen
class Outcome:
    """
    How one alert fared.

    @ivar alert: As it is at the end.
    @ivar raised: How often it was raised.
    @ivar seconds: For how long in all.
    @ivar evaluated: How often it was evaluated.
    @ivar unknown: Variables that had no value at the end.
    """

    alert: Alert
    raised: int
    seconds: int
    evaluated: int
    unknown: Sequence[str] = ()


class Nothing(ValueError):
    """
    There is nothing to try; the text says what is missing.
    """


def _dotted(definitions: Iterable[Definition]) -> set[str]:
    """
    @return: Names in expressions that may be of another chart.
    """
    expressions = (each for d in definitions for each in (d.calc, d.warn, d.crit) if each is not None)
    return {name for expression in expressions for name in expression.names if "." in name}


@define(eq=False)
class Backtest:
    """
    One run.

    @ivar after: The second at which it begins.
    @ivar before: Its last second.
    @ivar events: What happened, in order.
    @ivar coarse: Where there were coarser rows, by their seconds.
    """

    history: History
    definitions: Sequence[Definition]
    after: int
    before: int
    events: list[Event] = field(factory=list)
    coarse: dict[int, Coarse] = field(factory=dict)
    _waiting: dict[tuple[str, str], Event] = field(factory=dict)
    _told: dict[tuple[str, str], Status] = field(factory=dict)
    _evaluated: dict[tuple[str, str], int] = field(factory=dict)
    _raised: dict[tuple[str, str], list[int]] = field(factory=dict)

    def run(self) -> list[Outcome]:
        """
        Go through the history.

        @return: How each alert fared.
        @raise Nothing: The definitions apply to no chart of the host, or
            nothing is stored of that time.
        """
        host = self._host()
        these = HostAlerts(host, Rules(tuple(self.definitions)), Counter(), {})
        these.refresh(self.after)
        if not these.alerts:
            raise Nothing(f"{host.info.hostname} has no chart to which one of the definitions applies")
        spans = {chart: span for chart in host.charts if (span := self.history.span(chart)) is not None}
        stored = [spans[chart] for chart in {alert.chart for alert in these.alerts.values()} & spans.keys()]
        if not stored:
            raise Nothing(f"nothing is stored of the charts of {host.info.hostname} that they are about")
        first, last = min(span.first for span in stored), max(span.last for span in stored)
        if first > self.before or last < self.after:
            raise Nothing(f"of these charts there are only samples from {first} to {last}")
        self.before = min(self.before, last + AFTERWARDS)
        for samples, until in self._pieces(these, host):
            self._piece(these, samples, spans, until)
        return [self._outcome(these, alert) for alert in these.alerts.values()]

    def _host(self) -> Host:
        """
        @return: The host, with the charts that matter.
        """
        history = self.history
        host = Host(history.info, RamDB(1), local=True)
        host.apply(LabelsReplaced(history.labels))
        bindings = Bindings(self.definitions, host)
        far = _dotted(self.definitions)
        for chart in history.charts.values():
            named = (f"{chart.id}.", f"{chart.name}.", f"{chart.context}.")
            if not chart.obsolete and (bindings.of(chart) or any(name.startswith(named) for name in far)):
                host.apply(ChartDefined(chart))
        return host

    def _pieces(self, these: HostAlerts, host: Host) -> Iterator[tuple[_Samples, int]]:
        lookups = [alert.definition.lookup for alert in these.alerts.values() if alert.definition.lookup is not None]
        back = max((-(lookup.after + lookup.before) for lookup in lookups), default=0)
        # An aligned window may begin one of its lengths earlier.
        back = 2 * back + 120
        series = [(chart.id, dimension) for chart in host.charts.values() for dimension in chart.dimensions]
        length = max(SHORTEST, CELLS // max(1, len(series)) - back)
        at = self.after
        while at <= self.before:
            until = min(self.before, at + length - 1)
            stretch = self.history.read(series, at - back - 1, until)
            for each in stretch.coarse:
                known = self.coarse.get(each.step, each)
                self.coarse[each.step] = Coarse(min(known.first, each.first), max(known.last, each.last), each.step)
            yield _Samples(host, series, stretch), until
            at = until + 1

    def _piece(self, these: HostAlerts, samples: _Samples, spans: Mapping[str, Span], until: int) -> None:
        now = max(self.after, these.evaluated + 1)
        while now <= until:
            samples.pass_on(now)
            due = these.due(now)
            these.span(these.spans_wanted(due, now), spans, now)
            runnable, questions, gone = these.ask(due, now)
            for question in questions:
                samples.answer(question)
            for said in [*gone, *these.settle(runnable, now)]:
                self._changed(said)
            for alert in runnable:
                key = alert.chart, alert.name
                self._evaluated[key] = self._evaluated.get(key, 0) + 1
            these.evaluated = now
            self._tell(now)
            soonest = min((event.said.delay_until for event in self._waiting.values()), default=1 << 40)
            now = max(now + 1, min(these.next_due, soonest))

    def _changed(self, said: Transition) -> None:
        key = said.chart, said.name
        before = self._waiting.pop(key, None)
        if before is not None:
            before.why = "it changed again before its delay was over"
        event = self._waiting[key] = Event(said)
        self.events.append(event)
        if said.status.raised and not said.old_status.raised:
            self._raised.setdefault(key, []).append(said.when)
        elif said.old_status.raised and not said.status.raised:
            self._raised[key].append(said.when)

    def _tell(self, now: int) -> None:
        for key, event in tuple(self._waiting.items()):
            if event.said.delay_until <= now:
                del self._waiting[key]
                event.why = reason_not_to_tell(event.said, self._told.get(key), False)
                if not event.why:
                    event.told = self._told_at(key, event.said, now)

    def _told_at(self, key: tuple[str, str], said: Transition, now: int) -> int:
        self._told[key] = said.status
        return now

    def _outcome(self, these: HostAlerts, alert: Alert) -> Outcome:
        key = alert.chart, alert.name
        turns = [*self._raised.get(key, ())]
        if len(turns) % 2:
            turns.append(self.before)
        seconds = sum(end - begin for begin, end in zip(turns[::2], turns[1::2], strict=True))
        definition = alert.definition
        unknown: dict[str, None] = {}
        for expression in (definition.calc, definition.warn, definition.crit):
            if expression is not None:
                found = these.explained(alert, expression, self.before)
                unknown |= dict.fromkeys(name for name, value in found.items() if math.isnan(value))
        for name in ("this", "green", "red"):
            unknown.pop(name, None)
        return Outcome(alert, len(turns) // 2, seconds, self._evaluated.get(key, 0), tuple(unknown))


class _Samples:
    """
    A piece of history as samples of a host.
    """

    def __init__(self, host: Host, series: Sequence[SeriesKey], stretch: Stretch) -> None:
        self._host = host
        self._columns = stretch.columns
        self._numbers = np.array([host.table.number(*key) for key in series], np.int32)
        self._given = 0
        every = self._db(stretch.columns.values)
        # A lookup for what was least asks for the least of coarser rows.
        self._of_method = {
            method: every if values is stretch.columns.values else self._db(values)
            for method, values in (("min", stretch.least), ("max", stretch.most))
        }
        self._of_all = every

    def _db(self, values: Float64s) -> RamDB:
        """
        @return: A database with all.
        """
        ram = RamDB(1 << 40)
        ram.append(self._batch(values, 0, len(self._columns.times)))
        return ram

    def _batch(self, all_values: Float64s, first: int, end: int) -> SampleBatch:
        times, values = self._columns.times[first:end], all_values[first:end]
        flags = self._columns.flags[first:end]
        rows, columns = np.nonzero(~np.isnan(values) & (flags & EMPTY == 0))
        chosen = values[rows, columns]
        collected = np.clip(np.rint(chosen), -(2**62), 2**62).astype(np.int64)
        return SampleBatch(
            self._host.table, self._numbers[columns], times[rows], collected, chosen, flags[rows, columns]
        )

    def pass_on(self, now: int) -> None:
        """
        Let the host have what was collected until then.
        """
        end = int(np.searchsorted(self._columns.times, now, "right"))
        if end > self._given:
            self._host.latest.update(self._batch(self._columns.values, self._given, end))
            self._given = end

    def answer(self, question: Question) -> None:
        """
        Answer what lookups ask for.
        """
        window, guid = question.window, self._host.info.guid
        if question.anomalies:
            done = self._of_all.read(guid, question.series, window.after, window.before)
        else:
            db = self._of_method.get(question.method, self._of_all)
            done = db.query(guid, question.series, window, question.method, question.condition)
        found: list[Any] = []
        done.addCallback(found.append)
        question.answer(found[0])
