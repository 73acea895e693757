"""
All alerts of one host: which there are, what they find, how they stand.

Nothing here knows the time or waits: a pass is L{HostAlerts.due}, the questions
of L{HostAlerts.ask} answered by whoever has the database, then
L{HostAlerts.settle}.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from uuid import uuid4

from attrs import define, frozen

from netstream.config.settings import EVERYTHING
from netstream.db.interfaces import Span
from netstream.health.alerts import Alert, Status, Transition, verdict
from netstream.health.binding import Bindings, filled
from netstream.health.definitions import Definition, Repeat
from netstream.health.expressions import Expression
from netstream.health.numbers import number_text
from netstream.health.questions import Asking, Question
from netstream.health.variables import Variables, newest
from netstream.hub.hub import Host, Link
from netstream.model.chart import Chart
from netstream.model.pattern import SimplePattern
from netstream.model.updates import ChartDefined, ChartForgotten, LabelsReplaced, Update

GONE_AFTER = 60
"""Seconds without a sample after which the alerts of a chart are removed; at
least, since a chart may be slow."""

SOON = 10
"""Seconds until it is looked again for samples that were not there yet."""

SETTLED = 10
"""Seconds from a connection until all charts send what is new."""

MOST_ALERTS = 200_000
"""Alerts of one host; more are not made."""


@define
class Counter:
    """
    Numbers that grow over restarts.

    @ivar last: The last one that was given.
    """

    last: int = 0

    def next(self) -> int:
        """
        @return: A new one.
        """
        self.last += 1
        return self.last


@frozen
class Rules:
    """
    What holds for the alerts of every host.

    @ivar enabled: Names of the alerts that run.
    @ivar repeat: How often raised alerts are told again, unless they say.
    @ivar exec: What is run to tell someone, unless an alert says; C{""} is
        nothing but what is built in.
    """

    definitions: Sequence[Definition] = ()
    enabled: SimplePattern = EVERYTHING
    repeat: Repeat = Repeat()
    exec: str = ""


class HostAlerts:
    """
    The alerts of one host.

    @ivar host: Whose they are.
    @ivar alerts: By chart and name.
    @ivar ready: They are evaluated from this second on.
    @ivar link: The connection for which that was said.
    @ivar wake: The second at which something is due again; 0 is at once.
    @ivar evaluated: When they were evaluated last.
    @ivar owned: Whether this node told people of the host just before.
    @ivar overfull: Alerts that were not made, since there are too many.
    @ivar revision: How often it changed which alerts there are.
    """

    def __init__(self, host: Host, rules: Rules, numbers: Counter, known: Mapping[tuple[str, str], Transition]) -> None:
        """
        @param numbers: Gives unique ids.
        @param known: The last transition of each alert before this process.
        """
        self.host = host
        self.alerts: dict[tuple[str, str], Alert] = {}
        self.ready = 0
        self.link: Link | None = None
        self.wake = 0
        self.evaluated = 0
        self.owned = True
        self.overfull = 0
        self.revision = 0
        self.variables = Variables(host, self.alerts)
        self._rules = rules
        self._numbers = numbers
        self._known = known
        self._bindings: Bindings | None = None
        self._changed: dict[str, None] = dict.fromkeys(host.charts)
        self._of_chart: dict[str, list[str]] = {}
        self._spans: dict[str, tuple[int, int]] = {}
        self._cancel = host.subscribe(self._heard, samples=False)

    def close(self) -> None:
        """
        Hear of the host no more.
        """
        self._cancel()

    def _heard(self, update: Update) -> None:
        if isinstance(update, ChartDefined):
            self._changed[update.chart.id] = None
        elif isinstance(update, ChartForgotten):
            self._changed[update.chart_id] = None
        elif isinstance(update, LabelsReplaced):
            self._rebind()

    def _rebind(self) -> None:
        self._bindings = None
        self._changed = dict.fromkeys([*self.host.charts, *self._of_chart])

    def follow(self, rules: Rules) -> None:
        """
        Take new definitions; alerts whose definition is the same go on.
        """
        self._rules = rules
        self._rebind()

    # Which alerts there are.

    @property
    def stale(self) -> bool:
        """
        Whether L{refresh} has something to do.
        """
        return bool(self._changed)

    def refresh(self, now: int, most: int | None = None) -> list[Transition]:
        """
        Make the alerts of new charts, and remove those of charts that are no
        more.

        @param most: Charts that are looked at, so that the rest has to wait;
            L{None} is all.
        @return: What happened to alerts that were removed.
        """
        if not self._changed:
            return []
        if self._bindings is None:
            self._bindings = Bindings(self._rules.definitions, self.host, self._rules.enabled)
        gone: list[Transition] = []
        for chart_id in tuple(islice(self._changed, most)):
            del self._changed[chart_id]
            gone += self._bind(chart_id, self._bindings, now)
        self.variables.changed()
        return gone

    def _bind(self, chart_id: str, bindings: Bindings, now: int) -> list[Transition]:
        chart = self.host.charts.get(chart_id)
        wanted = bindings.of(chart) if chart is not None and not chart.obsolete else {}
        gone = []
        for name in self._of_chart.get(chart_id, []):
            alert = self.alerts[chart_id, name]
            new = wanted.get(name)
            if new is None:
                if alert.status > Status.UNINITIALIZED:
                    gone.append(self._turn(alert, chart, Status.REMOVED, now))
                del self.alerts[chart_id, name]
                self.revision += 1
            elif new is not alert.definition and new.hash != alert.definition.hash:
                self.alerts[chart_id, name] = self._successor(alert, new, chart)
                self.revision += 1
            else:
                alert.definition = new
                alert.every = max(new.every, chart.update_every if chart else 1)
        for name, definition in wanted.items():
            if (chart_id, name) not in self.alerts and chart is not None:
                if len(self.alerts) >= MOST_ALERTS:
                    self.overfull += 1
                    continue
                self.alerts[chart_id, name] = self._made(chart, definition)
                self.revision += 1
        if wanted:
            self._of_chart[chart_id] = [name for name in wanted if (chart_id, name) in self.alerts]
        else:
            self._of_chart.pop(chart_id, None)
            self._spans.pop(chart_id, None)
        return gone

    def _made(self, chart: Chart, definition: Definition) -> Alert:
        last = self._known.get((chart.id, definition.name))
        every = max(definition.every, chart.update_every)
        number = self._numbers.next() if last is None else last.alarm_id
        alert = Alert(number, self.host.info.guid, chart.id, definition, every)
        if last is not None:
            alert.events, alert.last_event = last.event_id, last.unique_id
        return alert

    def _successor(self, old: Alert, definition: Definition, chart: Chart | None) -> Alert:
        every = max(definition.every, chart.update_every if chart is not None else 1)
        new = Alert(old.id, old.guid, old.chart, definition, every, old.status, old.value, old.old_value)
        new.changed, new.told, new.repeated, new.events = old.changed, old.told, old.repeated, old.events
        new.last_event, new.raised_for, new.old_status = old.last_event, old.raised_for, old.old_status
        return new

    def of_chart(self, chart_id: str) -> list[Alert]:
        """
        @return: The alerts of a chart.
        """
        return [self.alerts[chart_id, name] for name in self._of_chart.get(chart_id, ())]

    # One pass.

    def due(self, now: int) -> list[Alert]:
        """
        @return: Those whose time has come.
        """
        found = []
        for alert in self.alerts.values():
            if alert.next > now + alert.every:
                alert.next = now  # the clock went back
            if alert.next <= now and not alert.disabled:
                found.append(alert)
        return found

    def spans_wanted(self, due: Iterable[Alert], now: int) -> list[str]:
        """
        @return: Charts with lookups of which it is not known since when there
            are samples, or not for sure any more.
        """
        charts = dict.fromkeys(alert.chart for alert in due if alert.definition.lookup is not None)
        return [chart for chart in charts if self._spans.get(chart, (0, 0))[1] <= now]

    def span(self, charts: Iterable[str], spans: Mapping[str, Span], now: int) -> None:
        """
        @param spans: What the database has of these charts.
        """
        for chart in charts:
            span = spans.get(chart)
            # A window that is not there yet may arrive by replication.
            self._spans[chart] = (span.first if span else 0, now + (300 if span else 10))

    def ask(self, due: Sequence[Alert], now: int) -> tuple[list[Alert], Iterable[Question], list[Transition]]:
        """
        @param due: Some of those whose time has come.
        @return: Those that can be evaluated, the questions to be answered
            before, and what happened to others.
        """
        asking = Asking(self.host, now)
        runnable, gone = [], []
        last_of: dict[str, int] = {}
        for alert in due:
            alert.next = now + alert.every
            chart = self.host.charts.get(alert.chart)
            if chart is None:
                continue
            last = last_of.get(chart.id)
            if last is None:
                last = last_of[chart.id] = newest(self.host, chart)
            if last and now - last > max(GONE_AFTER, 2 * chart.update_every):
                if alert.status not in (Status.REMOVED, Status.UNINITIALIZED):
                    gone.append(self._turn(alert, chart, Status.REMOVED, now))
                continue
            if not last or not self._covered(alert, chart, last, now):
                alert.next = now + min(alert.every, SOON)
                continue
            if alert.definition.lookup is not None:
                asking.add(alert, chart, last)
            runnable.append(alert)
        return runnable, asking.questions, gone

    def _covered(self, alert: Alert, chart: Chart, last: int, now: int) -> bool:
        """
        @return: Whether all of the window of a lookup has been stored.
        """
        lookup = alert.definition.lookup
        if lookup is None:
            return True
        first = self._spans.get(chart.id, (0, 0))[0]
        start = now + lookup.before + lookup.after
        if chart.id in self.host.incomplete and not self._live(chart, start, last, now + lookup.before):
            return False
        covered = bool(first) and start + chart.update_every >= first and start - chart.update_every <= last
        if not covered and first:
            self._spans[chart.id] = first, now + 10
        return covered

    def _live(self, chart: Chart, start: int, last: int, end: int) -> bool:
        """
        @return: Whether the seconds of a window came as they were collected, so
            that it does not matter that older ones are still on their way.
        """
        link = self.host.link
        return link is not None and start >= link.since + SETTLED and last + 3 * chart.update_every >= end

    def settle(self, alerts: Sequence[Alert], now: int) -> list[Transition]:
        """
        Work out values, then how each stands.

        @param alerts: Whose lookups were answered.
        @return: What has changed.
        """
        for alert in alerts:
            self._compute(alert, now)
        return self.judge(alerts, now)

    def _compute(self, alert: Alert, now: int) -> None:
        definition = alert.definition
        alert.old_value = alert.value
        alert.value = alert.looked if definition.lookup is not None else math.nan
        if definition.calc is not None:
            alert.value = self._evaluate(alert, definition.calc, now)
        alert.updated = now

    def compute(self, alerts: Sequence[Alert], now: int) -> None:
        """
        The first half of L{settle}, where others come in between.
        """
        for alert in alerts:
            self._compute(alert, now)

    def judge(self, alerts: Sequence[Alert], now: int) -> list[Transition]:
        """
        The second half of L{settle}.
        """
        found = []
        for alert in alerts:
            definition = alert.definition
            warn = None if definition.warn is None else self._evaluate(alert, definition.warn, now)
            crit = None if definition.crit is None else self._evaluate(alert, definition.crit, now)
            status = verdict(warn, crit)
            if status != alert.status:
                alert.fired = definition.crit if status == Status.CRITICAL else definition.warn or definition.crit
                found.append(self._turn(alert, self.host.charts.get(alert.chart), status, now))
        return found

    def _evaluate(self, alert: Alert, expression: Expression, now: int) -> float:
        value = self.variables.value
        return expression.evaluate([value(alert, name, now) for name in expression.names])

    def explained(self, alert: Alert, expression: Expression, now: int) -> dict[str, float]:
        """
        @return: The value of each variable of an expression now.
        """
        return {name: self.variables.value(alert, name, now) for name in expression.names}

    # What happened.

    def _turn(self, alert: Alert, chart: Chart | None, status: Status, now: int) -> Transition:
        old = alert.status
        before = alert.old_value
        expression = alert.fired if status.raised or old.raised else None
        values = self._values(alert, expression, now) if status is not Status.REMOVED else ""
        lasted = alert.turn(status, now)
        said = self.transition(alert, chart, now)
        said.old_status, said.duration, said.old_value = old, lasted, before
        said.expression, said.expression_values = (expression.source if expression else ""), values
        said.updates, alert.last_event = alert.last_event, said.unique_id
        return said

    def _values(self, alert: Alert, expression: Expression | None, now: int) -> str:
        """
        @return: The variables of an expression, for a person.
        """
        found = self.explained(alert, expression, now) if expression is not None else {}
        return ", ".join(f"${name} = {number_text(v) if math.isfinite(v) else v}" for name, v in found.items())

    def transition_texts(self, alert: Alert) -> tuple[str, str]:
        """
        @return: Summary and info of an alert, filled in.
        """
        chart = self.host.charts.get(alert.chart)
        texts = alert.definition.summary, alert.definition.info
        return (filled(texts[0], chart), filled(texts[1], chart)) if chart is not None else texts

    def would_say(self, alert: Alert) -> Transition:
        """
        @return: What would be told of an alert as it is now; it gets no number.
        """
        last = self._numbers.last
        said = self.transition(alert, self.host.charts.get(alert.chart), alert.updated)
        self._numbers.last = last
        return said

    def transition(self, alert: Alert, chart: Chart | None, now: int) -> Transition:
        """
        @return: What there is to tell about an alert as it is now.
        """
        definition = alert.definition
        return Transition(
            self._numbers.next(),
            str(uuid4()),
            self.host.info.guid,
            self.host.info.hostname,
            alert.id,
            alert.events,
            definition.hash,
            alert.name,
            alert.chart,
            chart.name if chart else alert.chart,
            chart.context if chart else "",
            chart.family if chart else "",
            definition.classification,
            definition.component,
            definition.type,
            definition.to,
            definition.exec or self._rules.exec,
            definition.source,
            self.units(alert, chart),
            filled(definition.summary, chart) if chart else definition.summary,
            filled(definition.info, chart) if chart else definition.info,
            now,
            0,
            alert.raised_for,
            alert.status,
            alert.status,
            alert.value,
            alert.old_value,
            alert.delay,
            alert.delay_until,
            definition.no_clear,
        )

    @staticmethod
    def units(alert: Alert, chart: Chart | None) -> str:
        """
        @return: What the value of an alert is counted in.
        """
        return alert.definition.units or (chart.units if chart else "")

    def repeats(self, now: int) -> list[Transition]:
        """
        @return: What is to be told again, as transitions that are none.
        """
        found = []
        for alert in self.alerts.values():
            every = self.repeat_of(alert)
            if every and alert.told == alert.status and now - alert.repeated >= every:
                alert.repeated = now
                alert.times_repeated += 1
                said = self.transition(alert, self.host.charts.get(alert.chart), now)
                said.repeat, said.delay, said.delay_until, said.repeated = True, 0, now, now
                said.old_status, said.duration = alert.old_status, max(0, now - alert.changed)
                if alert.fired is not None:
                    said.expression = alert.fired.source
                    said.expression_values = self._values(alert, alert.fired, now)
                found.append(said)
        return found

    def repeat_of(self, alert: Alert) -> int:
        """
        @return: Seconds after which an alert is told again as it is now; 0 is
            never.
        """
        repeat = alert.definition.repeat or self._rules.repeat
        if alert.status == Status.CRITICAL:
            return repeat.critical
        return repeat.warning if alert.status == Status.WARNING else 0

    @property
    def next_due(self) -> int:
        """
        The second at which the next alert is due; a far one if there is none.
        """
        return min((alert.next for alert in self.alerts.values() if not alert.disabled), default=1 << 40)

    def counts(self) -> dict[str, int]:
        """
        @return: How many alerts are clear, warning and critical.
        """
        statuses = [alert.status for alert in self.alerts.values()]
        return {
            "normal": statuses.count(Status.CLEAR),
            "warning": statuses.count(Status.WARNING),
            "critical": statuses.count(Status.CRITICAL),
        }
