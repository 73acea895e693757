"""
Questions for data, answered: which series they mean, and the rows of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from weakref import WeakKeyDictionary

import numpy as np
from attrs import define, evolve, field, frozen

from netstream.db.folding import times_of
from netstream.db.interfaces import (
    Columns,
    IAtHand,
    INear,
    Look,
    SeriesKey,
    Span,
    UnknownMethod,
    Window,
    exchange_of,
)
from netstream.db.merging import MERGING
from netstream.db.windows import of_tier, unit_of, window
from netstream.hub.hub import Host
from netstream.kernel.forms import Form
from netstream.kernel.rows import extent
from netstream.model.chart import Chart, Dimension
from netstream.model.pattern import SimplePattern
from netstream.model.samples import ANOMALOUS, EMPTY, Float64s, Int32s, Int64s, SeriesTable
from netstream.turns import Turns
from netstream.web.answer import Refusal
from netstream.web.charts import chosen, labelled, list_pattern, of_contexts
from netstream.web.questions import MOST_ROWS, Question, Terms
from netstream.web.resampling import resampled

MOST_CELLS = 500_000
"""Rows times dimensions of an answer; wider answers get fewer rows."""
MOST_DIMENSIONS = 2000
"""Dimensions of one answer."""
MOST_KNOWN = 20_000
"""Dimensions of all choices that are known at once."""
_CHANGING = frozenset(("abs", "anomaly-bit", "nonzero", "null2zero", "objectrows", "percentage"))
"""Options that make other numbers of samples, or leave some out, or write rows
another way."""
_NO_NUMBERS: Int32s = np.zeros(0, np.int32)


@define(eq=False, slots=False)
class Choice:
    """
    The charts and dimensions of a host that terms mean.

    @ivar charts: Those of which a dimension is meant.
    @ivar dimensions: Chart and dimension of each column.
    @ivar form: Writes plain answers, once somebody has asked for one.
    @ivar frame: What C{jsonwrap} says of it, likewise.
    """

    terms: Terms
    charts: Sequence[Chart]
    dimensions: Sequence[tuple[Chart, Dimension]]
    form: Form | None = field(default=None, init=False)
    frame: bytes = field(default=b"", init=False)
    _near: INear | None = field(default=None, init=False)
    _numbers: tuple[tuple[int, int], Int32s] = field(default=((-1, -1), _NO_NUMBERS), init=False)
    _look: tuple[int, int, int | None, Look | None] = field(default=(-1, 0, None, None), init=False)

    def numbers(self, table: SeriesTable) -> Int32s:
        """
        @param table: That of the host.
        @return: int32 by column: its number; -1 if it has none.
        """
        state = table.given, table.generation
        if self._numbers[0] != state:
            found = [table.find(chart, dimension) for chart, dimension in self.series]
            numbers = np.array([-1 if number is None else number for number in found], np.int32)
            self._numbers = state, numbers
        return self._numbers[1]

    def look(self, host: Host, now: int, since: int | None = None) -> Look | None:
        """
        @param host: Whose they are.
        @param now: The current second.
        @param since: As L{INear.look} has it.
        @return: Where the newest samples of the columns are; L{None} if nothing
            tells that at once.
        """
        changes, second, tried, look = self._look
        if changes == host.changes and second == now and (since is None or (tried is not None and tried <= since)):
            return look
        near = self._near
        if near is None and IAtHand.providedBy(host.db):
            near = self._near = host.db.near(host.info.guid, self.series)
        look = near.look(since) if near is not None else None
        if look is None:
            self._near = None
        self._look = host.changes, now, since, look
        return look

    @classmethod
    async def of(cls, terms: Terms, charts: Sequence[Chart], turns: Turns) -> Choice:
        """
        @param charts: Those of the host that C{terms} name.
        @raise Refusal: Nothing of them fits, or too much.
        """
        pattern = list_pattern(terms.dimensions) if terms.dimensions else None
        dimensions: list[tuple[Chart, Dimension]] = []
        for chart in await labelled(charts, terms.labels, turns):
            await turns.breathe()
            dimensions += [(chart, d) for d in chart.dimensions.values() if _wanted(d, pattern, terms)]
        if not dimensions:
            raise nothing()
        if len(dimensions) > MOST_DIMENSIONS:
            raise Refusal(
                400,
                f"{len(dimensions)} dimensions fit, more than {MOST_DIMENSIONS}: "
                "narrow chart=, context= or dimensions=.\n",
            )
        return cls(terms, [*{chart.id: chart for chart, _ in dimensions}.values()], dimensions)

    @cached_property
    def series(self) -> tuple[SeriesKey, ...]:
        """
        The columns.
        """
        return tuple([(chart.id, dimension.id) for chart, dimension in self.dimensions])

    @cached_property
    def others(self) -> tuple[SeriesKey, ...]:
        """
        The series of its charts that are no columns.
        """
        here = set(self.series)
        return tuple([(c.id, d) for c in self.charts for d in c.dimensions if (c.id, d) not in here])

    @cached_property
    def is_direct(self) -> bool:
        """
        Whether rows of one sample are made of that sample alone.
        """
        terms = self.terms
        return terms.method in MERGING and not terms.unit and terms.tier <= 0 and "percentage" not in terms.options

    @cached_property
    def is_plain(self) -> bool:
        """
        Whether an answer is JSON that has rows of samples as they are stored.
        """
        return self.is_direct and self.terms.format == "json" and not self.terms.options & _CHANGING

    @cached_property
    def ids(self) -> list[str]:
        """
        Ids of the charts.
        """
        return [chart.id for chart in self.charts]

    @cached_property
    def update_every(self) -> int:
        """
        Seconds between the stored points of the fastest chart.
        """
        return min(chart.update_every for chart in self.charts)

    @cached_property
    def names(self) -> list[str]:
        """
        What the columns are called.
        """
        return [dimension.name for _, dimension in self.dimensions]

    @cached_property
    def keys(self) -> list[str]:
        """
        A name of its own for each column.
        """
        names = self.names
        twice = {"time", *(name for name, count in Counter(names).items() if count > 1)}
        return [
            f"{chart.id}.{dimension.id}" if name in twice else name
            for (chart, dimension), name in zip(self.dimensions, names, strict=True)
        ]

    def only(self, columns: Sequence[int]) -> Choice:
        """
        @return: Some of the columns.
        """
        return Choice(self.terms, self.charts, [self.dimensions[at] for at in columns])


def _wanted(dimension: Dimension, pattern: SimplePattern | None, terms: Terms) -> bool:
    if pattern is None:
        return not dimension.hidden or "all-dimensions" in terms.options
    only_names = "match-names" in terms.options and "match-ids" not in terms.options
    only_ids = "match-ids" in terms.options and "match-names" not in terms.options
    by_id = not only_names and pattern.matches(dimension.id)
    return by_id or (not only_ids and pattern.matches(dimension.name))


def nothing() -> Refusal:
    """
    @return: What is answered where nothing is.
    """
    return Refusal(404, "No metrics where matched to query.\n")


class Choices:
    """
    What terms meant that came lately, as long as their host defines nothing
    anew.

    @ivar turns: Lets other work go on in between.
    """

    def __init__(self, turns: Turns, most: int = MOST_KNOWN) -> None:
        """
        @param turns: Lets other work go on in between.
        @param most: Dimensions.
        """
        self.turns = turns
        self._most = most
        self._count = 0
        self._known: WeakKeyDictionary[Host, tuple[int, dict[Terms, Choice]]] = WeakKeyDictionary()

    def __len__(self) -> int:
        return sum(len(choices) for _, choices in self._known.values())

    def known(self, host: Host, terms: Terms) -> Choice | None:
        """
        @return: What terms mean in a host, if somebody has used them lately.
        """
        known = self._known.get(host)
        return known[1].get(terms) if known is not None and known[0] == host.definitions else None

    async def of(self, host: Host, terms: Terms) -> Choice:
        """
        @return: What terms mean in a host.
        @raise Refusal: Nothing fits, or too much.
        """
        known = self._known.get(host)
        if known is None or known[0] != host.definitions:
            known = self._known[host] = host.definitions, {}
        choice = known[1].get(terms)
        if choice is None:
            turns = self.turns
            if terms.chart:
                charts = await chosen(host, terms.chart, turns)
            else:
                charts = await of_contexts(host, terms.context, turns)
            if not charts and terms.chart:
                return await Choice.of(terms, await _forgotten(host, terms.chart), turns)
            choice = await Choice.of(terms, charts, turns)
            if host.definitions == known[0]:
                self._keep(known[1], choice)
        return choice

    def _keep(self, known: dict[Terms, Choice], choice: Choice) -> None:
        self._count += len(choice.dimensions)
        if self._count > self._most:
            for _, choices in self._known.values():
                choices.clear()
            self._count = len(choice.dimensions)
        known[choice.terms] = choice


async def _forgotten(host: Host, chart: str) -> list[Chart]:
    """
    @param chart: Id of a chart that has left the lists; its history stays.
    """
    exchange = exchange_of(host.db)
    return [*await exchange.definitions(host.info.guid, [chart])] if exchange is not None else []


@frozen(eq=False)
class View:
    """
    The answer to a question, before it is written.

    @ivar choice: What it tells of.
    @ivar plan: The rows, oldest first.
    @ivar values: float64 of shape (rows, dimensions); NaN where there is none.
    @ivar rates: The same shape: 100 where samples of the row are anomalous, 0
        where none is; L{None} if nobody asked or none is anywhere.
    @ivar span: What is stored of the charts; L{None} if nothing is.
    @ivar points: Rows times columns that were found to hold a value.
    """

    host: Host
    question: Question
    choice: Choice
    plan: Window
    values: Float64s
    span: Span | None
    points: int
    rates: Float64s | None = None

    @property
    def first(self) -> int:
        """
        Second of the oldest row.
        """
        return self.plan.after + self.plan.step

    @property
    def step(self) -> int:
        """
        Seconds between rows.
        """
        return self.plan.step

    @property
    def times(self) -> Int64s:
        """
        int64 of shape (rows,), ascending: the second at which each row ends.
        """
        return times_of(self.plan)

    @property
    def names(self) -> list[str]:
        """
        What the columns are called.
        """
        return self.choice.names

    @property
    def keys(self) -> list[str]:
        """
        A name of its own for each column.
        """
        return self.choice.keys

    @property
    def options(self) -> frozenset[str]:
        """
        Canonical names of what was asked for besides.
        """
        return self.choice.terms.options

    def part(self, some: slice) -> View:
        """
        @return: Some of the rows.
        """
        plan, (start, stop, _) = self.plan, some.indices(len(self.values))
        part = Window(plan.after + start * plan.step, plan.after + stop * plan.step, plan.step)
        return evolve(self, plan=part, values=self.values[start:stop])


async def view(host: Host, question: Question, now: int, choices: Choices) -> View:
    """
    Answer a question.

    @param now: The current second.
    @raise Refusal: Nothing fits, too much fits, or there is no such way to
        fold.
    """
    choice = await choices.of(host, question.terms)
    look = choice.look(host, now)
    if look is not None and choice.is_direct:
        plan = _plan(host, question, choice, look.span, now)
        rows = look.rows(plan)
        if rows is not None:
            return _made(host, question, choice, plan, look.span, rows.samples(plan))
    terms, node = choice.terms, host.info.guid
    bounds = await host.db.bounds(node, choice.ids)
    span = Span.over([bounds[chart] for chart in choice.ids if chart in bounds])
    plan, unit = _plan(host, question, choice, span, now), unit_of(terms.unit, choice.update_every)
    series = choice.series
    if "percentage" in terms.options:
        series += choice.others
    try:
        if unit:
            columns = await resampled(host.db, node, series, plan, terms.method, terms.argument, unit)
        else:
            columns = await host.db.query(node, series, plan, terms.method, terms.argument)
    except UnknownMethod as problem:
        raise Refusal(400, f"group: {problem}.\n") from problem
    await choices.turns.breathe()
    return _made(host, question, choice, plan, span, columns)


def _made(host: Host, question: Question, choice: Choice, plan: Window, span: Span | None, columns: Columns) -> View:
    """
    @param columns: Of the series of the choice, with C{percentage} of the
        others of their charts as well.
    """
    options, count, values = choice.terms.options, len(choice.dimensions), columns.values
    rates = _rates(columns, count, options)
    if "anomaly-bit" in options and rates is not None:
        values = rates
    if "abs" in options:
        values = np.abs(values)
    if "percentage" in options and "anomaly-bit" not in options:
        values = _share(values, [id for id, _ in (*choice.series, *choice.others)], count)
    found = extent(values)[0]
    values, kept = _shape(values, options)
    if kept is not None:
        choice = choice.only(kept)
        rates = rates[:, kept] if rates is not None else None
    if rates is not None and not np.nansum(rates):
        rates = None
    return View(host, question, choice, plan, values, span, found, rates)


def _plan(host: Host, question: Question, choice: Choice, span: Span | None, now: int) -> Window:
    """
    @param span: What is stored of the charts; L{None} if nothing is.
    @raise Refusal: None of that is asked for.
    """
    every, terms, tiers = choice.update_every, choice.terms, host.db.tiers
    after, before, aligned = question.after, question.before, "unaligned" not in terms.options
    unit = unit_of(terms.unit, every)
    every, tiers = of_tier(tiers, terms.tier, question.points, every)
    width = len(choice.dimensions)
    plan = window(after, before, question.points, every, now, aligned, span, tiers, unit, width)
    most = max(1, min(MOST_ROWS, MOST_CELLS // width))
    if (plan.before - plan.after) // plan.step > most:
        # A window has up to half as many rows again as it is asked for.
        plan = window(after, before, max(1, most * 2 // 3), every, now, aligned, span, tiers, unit, width)
    if span is None or (plan.step == every and plan.before >= span.first and plan.after < span.last):
        return plan
    # Long rows may end before the first sample though their window does not.
    asked = window(after, before, 0, every, now, False, span)
    if asked.before < span.first or asked.after >= span.last:
        raise nothing()
    return plan


def _rates(columns: Columns, count: int, options: frozenset[str]) -> Float64s | None:
    """
    @param count: Columns that are shown.
    @return: Anomaly rates in percent, if somebody asks for them.
    """
    if not options & {"anomaly-bit", "jw-anomaly-rates"}:
        return None
    flags = columns.flags[:, :count]
    anomalous = flags & ANOMALOUS
    if "anomaly-bit" not in options and not anomalous.any():
        return None
    return np.where(flags & EMPTY, np.nan, np.where(anomalous, 100.0, 0.0))


def _share(values: Float64s, owners: Sequence[str], count: int) -> Float64s:
    """
    @param owners: Chart of each column.
    @return: The first columns in percent of the sum of all of their chart.
    """
    numbers = {owner: number for number, owner in enumerate(dict.fromkeys(owners))}
    of = np.array([numbers[owner] for owner in owners])
    order = np.argsort(of, kind="stable")
    begins = np.searchsorted(of[order], np.arange(len(numbers)))
    totals = np.add.reduceat(np.where(np.isnan(values), 0.0, values)[:, order], begins, axis=1)
    totals[totals == 0] = 1.0  # as agents do; values of both signs can make up nothing
    shares: Float64s = values[:, :count] * 100 / totals[:, of[:count]]
    return shares


def _shape(values: Float64s, options: frozenset[str]) -> tuple[Float64s, Sequence[int] | None]:
    """
    @return: The values after C{options}, and which columns are left; L{None}
        is all.
    """
    kept = None
    if "nonzero" in options:
        some = np.flatnonzero(np.any(np.nan_to_num(values) != 0, axis=0))
        if 0 < len(some) < values.shape[1]:
            values, kept = values[:, some], some.tolist()
    if "null2zero" in options:
        values = np.nan_to_num(values, nan=0.0, posinf=np.inf, neginf=-np.inf)
    return values, kept
