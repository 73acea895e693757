"""
Questions about many series of many nodes at once: how they are put together,
and what comes of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from attrs import define, evolve, field, frozen
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IReactorThreads, IReactorTime
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.failure import Failure

from netstream.db.folding import times_of
from netstream.db.interfaces import Columns, SeriesKey, Span, UnknownMethod, Window
from netstream.db.messages import Unavailable
from netstream.db.windows import RELATIVE, of_tier, unit_of, window
from netstream.hub.hub import Host
from netstream.model.chart import Chart, Dimension
from netstream.model.samples import Float64s, Int64s
from netstream.turns import Turns
from netstream.web.answer import Refusal
from netstream.web.formats import check_format
from netstream.web.grouping import (
    Accumulation,
    Grouped,
    Places,
    Statistics,
    rates_of,
    resets_of,
)
from netstream.web.passes import Group, Groups, Pass, parts_of, passes_of
from netstream.web.query import MOST_CELLS
from netstream.web.questions import AFTER, FAR, MOST_ROWS, MOST_TIERS, OPTIONS
from netstream.web.resampling import resampled
from netstream.web.selection import Choice, Choosing, Instance
from netstream.web.target import Parameters

_T = TypeVar("_T")

MOST_SERIES = 20_000
"""Series of which one answer is made."""
MOST_READ = 20_000_000
"""Rows times series that are read for one answer; more series get fewer rows."""
PART = 500_000
"""Rows times series that are read at once."""
AT_ONCE = 20_000
"""Rows times series that are put together without the help of a thread."""

JSON2 = "json2"
"""The format that tells of a group all that is known."""

MORE_OPTIONS = (
    "raw",
    "minify",
    "details",
    "debug",
    "group-by-labels",
    "minimal",
    "long-keys",
    "virtual-points",
    "natural-points",
    "anomaly-bit",
)
"""Options that agents know here besides those of version 1; only C{raw} and
C{minify} change anything."""


@frozen
class Question:
    """
    What a client asked for.

    @ivar after: First second wanted, as the client wrote it.
    @ivar before: Last second wanted, as the client wrote it.
    @ivar points: Rows wanted; 0 is one for each stored point.
    @ivar limit: Groups that are told of at most; the smallest are put
        together.  0 is no limit.
    @ivar unit: Seconds that averages are told for; 0 for those of a sample.
    @ivar tier: The tier of which each row is told where no C{points} are; -1 for any.
    """

    scope: Choice
    filters: Choice
    alerts: str
    passes: tuple[Pass, ...]
    after: int
    before: int
    points: int
    method: str
    argument: str
    limit: int
    options: frozenset[str]
    format: str
    unit: int
    tier: int

    @classmethod
    def parse(cls, parameters: Parameters) -> Question:
        """
        @raise BadParameter: A number is none.
        @raise Refusal: Something is asked for that is not offered.
        """
        form = parameters.text("format", default=JSON2)
        if form != JSON2:
            check_format(form, JSON2)
        known = OPTIONS | {word: word for word in MORE_OPTIONS}
        return cls(
            Choice.parse(parameters, "scope_"),
            Choice.parse(parameters),
            parameters.patterns("alerts"),
            passes_of(parameters),
            parameters.number("after", AFTER, -FAR, FAR),
            parameters.number("before", 0, -FAR, FAR),
            parameters.number("points", 0, 0, MOST_ROWS),
            parameters.text("time_group", "group", default="average"),
            parameters.text("time_group_options", "group_options"),
            parameters.number("cardinality_limit", 0, 0, MOST_SERIES),
            frozenset(known[word] for word in parameters.words("options") if word in known),
            form,
            parameters.number("time_resampling", parameters.number("gtime", 0, 0, RELATIVE), 0, RELATIVE),
            parameters.number("tier", -1, -1, MOST_TIERS),
        )

    @property
    def whole(self) -> bool:
        """
        Whether groups are shares of something.
        """
        return self.passes[0].way == "percentage"


@define(eq=False)
class Series:
    """
    The series that are asked for: instance, dimension and group of each.
    """

    instances: list[Instance] = field(factory=list)
    dimensions: list[Dimension] = field(factory=list)
    groups: list[int] = field(factory=list)

    def __len__(self) -> int:
        return len(self.groups)


@frozen(eq=False)
class Result:
    """
    What comes of a question.

    @ivar hosts: Nodes in scope.
    @ivar choosing: What was found of them.
    @ivar instances: Charts in scope of which more is told.
    @ivar series: What the answer is made of.
    @ivar statistics: Of each series.
    @ivar failed: Places of nodes that could not be asked.
    @ivar groups: The columns.
    @ivar columns: For each series the column that it is in; -1 is none.
    @ivar grouped: Their values.
    @ivar times: The second at which each row ends, ascending.
    @ivar plan: The rows.
    @ivar update_every: Seconds between stored points.
    @ivar span: What is stored of it all; L{None} if nothing is.
    """

    question: Question
    hosts: Sequence[Host]
    choosing: Choosing
    instances: Sequence[Instance]
    series: Series
    statistics: Statistics
    failed: frozenset[int]
    groups: Sequence[Group]
    columns: Places
    grouped: Grouped
    times: Int64s
    plan: Window
    update_every: int
    span: Span | None

    @property
    def first(self) -> int:
        """
        Second of the oldest row; 0 if there is none.
        """
        return int(self.times[0]) if len(self.times) else 0

    @property
    def step(self) -> int:
        """
        Seconds between rows.
        """
        return self.plan.step

    @property
    def options(self) -> frozenset[str]:
        """
        What was asked for besides.
        """
        return self.question.options

    @property
    def values(self) -> Float64s:
        """
        Of the columns: float64 of shape (rows, groups).
        """
        return self.grouped.values

    @property
    def names(self) -> list[str]:
        """
        What the columns are called.
        """
        return [group.name for group in self.groups]

    @property
    def keys(self) -> list[str]:
        """
        A name of its own for each column.
        """
        return [group.id if group.id != "time" else f"{self.question.passes[-1].by[0]}.time" for group in self.groups]

    def part(self, some: slice) -> Result:
        """
        @return: Some of the rows.
        """
        return evolve(self, times=self.times[some], grouped=Grouped(*(each[some] for each in _columns(self.grouped))))


def in_thread(clock: IReactorTime, work: Callable[[], _T]) -> Deferred[_T]:
    """
    Do something in a thread, if there are any.
    """
    if not IReactorThreads.providedBy(clock):
        return maybeDeferred(work)
    return deferToThreadPool(clock, clock.getThreadPool(), work)


_Member = tuple[Instance, Dimension, int]
"""A series that is read: its place in the answer is -1 if it only counts in a
total."""


def _beside(members: Sequence[_Member]) -> list[_Member]:
    """
    @return: The series of the same charts that are not among these.
    """
    shown: dict[int, tuple[Instance, set[str]]] = {}
    for instance, dimension, _ in members:
        shown.setdefault(instance.number, (instance, set()))[1].add(dimension.id)
    return [
        (instance, dimension, -1)
        for instance, these in shown.values()
        for dimension in instance.chart.dimensions.values()
        if dimension.id not in these
    ]


class _Reading:
    """
    Reads the series of an answer, node by node, and puts them together.
    """

    _log = Logger()

    def __init__(self, question: Question, plan: Window, groups: Groups, turns: Turns) -> None:
        self._question = question
        self._plan = plan
        self._turns = turns
        self._groups = groups
        totals = np.asarray(groups.totals, np.intp) if question.whole else None
        self.into = Accumulation(len(plan), len(groups.found), totals)
        self.statistics: list[Statistics] = []
        self.order: list[Places] = []
        self.failed: set[int] = set()

    async def node(self, host: Host, node: int, series: Series, places: Sequence[int]) -> None:
        """
        @param places: Which of the series are its own.
        """
        members = [(series.instances[at], series.dimensions[at], at) for at in places]
        if self._question.whole:
            members += _beside(members)
        by_step: dict[int, list[_Member]] = {}
        for member in members:
            by_step.setdefault(member[0].chart.update_every, []).append(member)
        most = max(1, PART // max(1, len(self._plan)))
        try:
            for every, these in by_step.items():
                for start in range(0, len(these), most):
                    await self._part(host, every, series, these[start : start + most])
        except UnknownMethod as problem:
            raise Refusal(400, f"time_group: {problem}.\n") from problem
        except Unavailable:
            self.failed.add(node)
        except (OSError, ValueError):
            self._log.failure("{host}: was not asked for its samples", Failure(), host=host.info.hostname)
            self.failed.add(node)

    async def _part(self, host: Host, every: int, series: Series, these: Sequence[_Member]) -> None:
        columns = await self._query(host, [(instance.chart.id, d.id) for instance, d, _ in these], every)
        places = np.asarray([at for _, _, at in these], np.intp)
        shown = np.flatnonzero(places >= 0)
        groups = np.asarray([series.groups[at] for at in places[shown].tolist()], np.intp)
        how = self._question.passes[0]
        totals = [self._groups.total(parts_of(how, i, d)) for i, d, _ in these] if self._question.whole else []

        def work() -> None:
            values = np.abs(columns.values) if "abs" in self._question.options else columns.values
            flags = columns.flags
            if totals:
                self.into.add_whole(values, np.asarray(totals, np.intp))
                values, flags = values[:, shown], flags[:, shown]
            rates = rates_of(flags)
            self.into.add(values, rates, resets_of(flags), groups)
            self.statistics.append(Statistics.of(values, rates))

        await self._work(work, columns.values.size)
        self.order.append(places[shown])

    async def _query(self, host: Host, keys: Sequence[SeriesKey], every: int) -> Columns:
        plan, method, argument = self._plan, self._question.method, self._question.argument
        if every <= plan.step:
            if unit := unit_of(self._question.unit, every):
                return await resampled(host.db, host.info.guid, keys, plan, method, argument, unit)
            return await host.db.query(host.info.guid, keys, plan, method, argument)
        slow = Window(plan.after - plan.after % every, plan.before + -plan.before % every, every)
        columns = await host.db.query(host.info.guid, keys, slow, method, argument)
        return spread(columns, slow, plan)

    async def _work(self, work: Callable[[], None], size: int) -> None:
        if size <= AT_ONCE:
            work()
        else:
            await in_thread(self._turns.clock, work)

    def of_series(self, count: int) -> Statistics:
        """
        @param count: How many series were asked for.
        @return: What can be said of each.
        """
        read = Statistics.together(self.statistics)
        order = np.concatenate([np.zeros(0, np.intp), *self.order])
        return read.folded(order, count)


def spread(columns: Columns, slow: Window, plan: Window) -> Columns:
    """
    @param columns: The rows of a window with longer steps.
    @param slow: That window.
    @param plan: The one that is wanted; what a point was collected for are all
        seconds since the one before it.
    """
    times = times_of(plan)
    at = -(-times // slow.step) - slow.after // slow.step - 1
    return Columns(times, columns.values[at], columns.flags[at])


async def ask(
    hosts: Iterable[Host], question: Question, now: int, turns: Turns, alerts: Callable[[Host, Chart], bool]
) -> Result:
    """
    Answer a question.

    @param hosts: The nodes that may be meant.
    @param now: The current second.
    @param alerts: Whether the alerts of a chart are such that it is wanted.
    @raise Refusal: Too much fits, or there is no such way to fold.
    """
    scope = []
    for host in hosts:
        await turns.breathe()
        if question.scope.node(host):
            scope.append(host)
    choosing = Choosing(question.scope, question.filters, "all-dimensions" in question.options, alerts)
    groups, series = Groups(question.passes[0]), Series()
    instances: list[Instance] = []
    of_node: dict[int, list[int]] = {}
    for node, host in enumerate(scope):
        for instance in choosing.of(node, host):
            await turns.breathe()
            if instance is None:
                continue
            instances.append(instance)
            for dimension in instance.shown:
                of_node.setdefault(node, []).append(len(series))
                series.instances.append(instance)
                series.dimensions.append(dimension)
                parts = parts_of(question.passes[0], instance, dimension)
                chart = instance.chart
                series.groups.append(groups.number(parts, chart.units, chart.priority, 1))
            if max(len(series), len(instances)) > MOST_SERIES:
                raise Refusal(
                    400, f"More than {MOST_SERIES} series fit: narrow nodes=, scope_contexts= or dimensions=.\n"
                )
    plan, every, span = await _planned(question, scope, series, of_node, len(groups.found), now)
    reading = _Reading(question, plan, groups, turns)
    for node, places in of_node.items():
        await reading.node(scope[node], node, series, places)
    found, grouped, where = _folded(question, groups.found, reading.into)
    return Result(
        question,
        scope,
        choosing,
        instances,
        series,
        reading.of_series(len(series)),
        frozenset(reading.failed),
        found,
        where[np.asarray(series.groups, np.intp)],
        grouped,
        times_of(plan),
        plan,
        every,
        span,
    )


async def _planned(
    question: Question,
    scope: Sequence[Host],
    series: Series,
    of_node: Mapping[int, Sequence[int]],
    groups: int,
    now: int,
) -> tuple[Window, int, Span | None]:
    """
    @return: The rows, the seconds between stored points, and what is stored.
    """
    spans: list[Span] = []
    for node, places in of_node.items():
        host = scope[node]
        charts = dict.fromkeys(series.instances[place].chart.id for place in places)
        with suppress(Unavailable):  # as above
            spans += (await host.db.bounds(host.info.guid, list(charts))).values()
    span = Span.over(spans)
    every = min((instance.chart.update_every for instance in series.instances), default=1)
    tiers = scope[next(iter(of_node))].db.tiers if of_node else ()
    most = max(1, min(MOST_ROWS, MOST_CELLS // max(1, groups), MOST_READ // max(1, len(series))))

    def planned(points: int) -> Window:
        aligned = "unaligned" not in question.options
        finest, some = of_tier(tiers, question.tier, question.points, every)
        unit = unit_of(question.unit, every)
        return window(question.after, question.before, points, finest, now, aligned, span, some, unit, len(series))

    plan = planned(question.points)
    if len(plan) > most:  # a window has up to half as many rows again as it is asked for
        plan = planned(max(1, most * 2 // 3))
    return plan, every, span


def _folded(question: Question, groups: Sequence[Group], into: Accumulation) -> tuple[Sequence[Group], Grouped, Places]:
    """
    @return: The columns of the answer, after all that the question wants, and
        in which of them each group is now; -1 is in none.
    """
    first, *more = question.passes
    way, where = first.way, np.arange(len(groups))
    for other in more:
        groups, into, where = _again(first, other, groups, into.done(way))
        way = other.way
    grouped = into.done(way)
    if question.limit and len(groups) > question.limit:
        groups, places = _fewer(groups, grouped, question.limit)
        grouped, where = into.merged(places, len(groups)).done(way), places[where]
    if "nonzero" in question.options:
        some = np.flatnonzero(np.any(np.nan_to_num(grouped.values) != 0, axis=0))
        if 0 < len(some) < len(groups):
            kept = np.full(len(groups), -1, np.intp)
            kept[some] = np.arange(len(some))
            groups, where = [groups[at] for at in some.tolist()], kept[where]
            grouped = Grouped(*(part[:, some] for part in _columns(grouped)))
    if "null2zero" in question.options:
        grouped = evolve(grouped, values=np.nan_to_num(grouped.values, nan=0.0, posinf=np.inf, neginf=-np.inf))
    return groups, grouped, where


def _columns(grouped: Grouped) -> Iterator[npt.NDArray[Any]]:
    return (getattr(grouped, name) for name in ("values", "rates", "notes", "counts"))


def _again(
    first: Pass, how: Pass, groups: Sequence[Group], grouped: Grouped
) -> tuple[Sequence[Group], Accumulation, Places]:
    """
    Put groups together once more.

    @return: The new ones, and in which of them each of the old is.
    """
    at = [first.parts.index(part) for part in how.parts]
    new = Groups(how)
    places = [new.number(tuple(g.parts[one] for one in at), g.units, g.priority, g.members) for g in groups]
    chosen = np.asarray(places, np.intp)
    totals = np.asarray(new.totals, np.intp)
    into = Accumulation(len(grouped.values), len(new.found), totals if how.way == "percentage" else None)
    into.add(grouped.values, grouped.rates, (grouped.notes & 2) != 0, chosen)
    if how.way == "percentage" and len(chosen):
        into.add_whole(grouped.values, totals[chosen])
    return new.found, into, chosen


def _fewer(groups: Sequence[Group], grouped: Grouped, limit: int) -> tuple[Sequence[Group], Places]:
    """
    @return: At most so many groups, and which of them each is in now: the
        smallest are one.
    """
    volume = np.nansum(np.abs(grouped.values), axis=0)
    kept = np.sort(np.argsort(-volume, kind="stable")[: limit - 1])
    rest = len(groups) - len(kept)
    places = np.full(len(groups), len(kept), np.intp)
    places[kept] = np.arange(len(kept))
    others = [group for at, group in enumerate(groups) if places[at] == len(kept)]
    name = f"remaining {rest} dimensions"
    together = Group((("__remaining_dimensions__", name),), others[0].units, others[0].priority)
    together.members = sum(group.members for group in others)
    return [*(groups[at] for at in kept.tolist()), together], places
