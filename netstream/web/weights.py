"""
Which series changed most, or are worth a look: each gets a weight.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from attrs import define, frozen

from netstream.db.interfaces import Columns, UnknownMethod, Window
from netstream.db.windows import RELATIVE, window
from netstream.hub.hub import Host
from netstream.model.chart import Chart, Dimension
from netstream.model.samples import ANOMALOUS, EMPTY, Float64s
from netstream.turns import Turns
from netstream.web import changes
from netstream.web.answer import Answer, Refusal, json_answer
from netstream.web.charts import of_contexts
from netstream.web.grouped import MOST_READ, MOST_SERIES, in_thread
from netstream.web.nodes import identity
from netstream.web.questions import AFTER, FAR, OPTIONS
from netstream.web.target import Parameters

METHODS = ("ks2", "volume", "anomaly-rate", "value")
WITH_BASELINE = frozenset(("ks2", "volume"))
"""Methods that compare a window with another."""

FEWEST_POINTS = 15
PART = 100_000
"""Rows times series that are read at once, which a database in memory does
without a thread."""
PAUSE_EVERY = 1000
"""Series that are looked for before other work gets its turn."""
POINTS = 500
MOST_POINTS = 10_000
"""Rows of a window that are compared."""
MOST_TIMES = 16
"""How much longer than the window a baseline may be."""
LONGEST = 600_000
"""Milliseconds that an answer may take."""

RAW = "raw"
"""The option that leaves weights as they are."""


class NoWeights(Refusal):
    """
    There are none, which agents say in JSON.
    """

    @property
    def answer(self) -> Answer:
        """
        The response that says so.
        """
        return json_answer({"error": self.text}, self.status)


@frozen
class Question:
    """
    What a client asked for.

    @ivar window: First and last second.
    @ivar baseline: First second and last of what it is compared with, which is
        1, 2, 4, 8 or 16 times as long.
    @ivar points: Rows of the window; of a method without a baseline what the
        client said.
    @ivar limit: Series that are told of at most, those that changed most; 0 is
        no limit.
    @ivar timeout: Seconds that it may take; 0 for any.
    """

    method: str
    window: tuple[int, int]
    baseline: tuple[int, int]
    points: int
    group: str
    argument: str
    options: frozenset[str]
    limit: int
    timeout: float

    @classmethod
    def parse(cls, parameters: Parameters, method: str, now: int) -> Question:
        """
        @param method: The one that is meant if none is named.
        @param now: The current second.
        @raise BadParameter: A number is none.
        @raise Refusal: There is no such method.
        @raise NoWeights: The window cannot be compared.
        """
        method = parameters.text("method", default=method)
        if method not in METHODS:
            raise Refusal(400, f"method: there is no {method[:40]!r}, but {', '.join(METHODS)}.\n")

        def seconds(after: int, before: int) -> tuple[int, int]:
            found = window(after, before, 0, 1, now, False)
            return found.after + 1, found.before

        first, last = seconds(
            parameters.number("after", AFTER, -FAR, FAR),
            parameters.number("before", 0, -FAR, FAR),
        )
        if first >= last:
            raise NoWeights(400, "Invalid selected time-range.")
        points = parameters.number("points", 0, 0, FAR)
        before = parameters.number("baseline_before", 0, -FAR, FAR)
        after, baseline = parameters.number("baseline_after", AFTER, -FAR, FAR), (0, 0)
        if method in WITH_BASELINE:
            if 0 < points < FEWEST_POINTS:
                raise NoWeights(400, f"Too few points available, at least {FEWEST_POINTS} are needed.")
            earliest, latest = seconds(after, before if abs(before) > RELATIVE else first - abs(before))
            points, times = _sizes(points or POINTS, (latest - earliest) / (last - first))
            baseline = latest - times * (last - first), latest
        words = parameters.words("options") or ["nonzero"]
        known = {OPTIONS.get(word, word) for word in words}
        return cls(
            method,
            (first, last),
            baseline,
            points,
            parameters.text("group", "time_group", default="average"),
            parameters.text("group_options", "time_group_options"),
            frozenset(known & {*OPTIONS.values(), RAW}) | {"null2zero", "unaligned"},
            parameters.number("cardinality_limit", 0, 0, MOST_SERIES),
            parameters.number("timeout", 0, 0, LONGEST) / 1000,
        )

    @property
    def said(self) -> dict[str, Any]:
        """
        The question as an answer repeats it.
        """

        def told(before: str, span: tuple[int, int], points: int) -> dict[str, int]:
            words = ("after", "before", "duration", "points")
            return dict(zip((before + word for word in words), (*span, span[1] - span[0], points), strict=True))

        compared = {}
        if self.method in WITH_BASELINE:
            compared = told("baseline_", self.baseline, self.points * self.times)
        return told("", self.window, self.points) | compared

    @property
    def times(self) -> int:
        """
        How many windows the baseline is long.
        """
        return (self.baseline[1] - self.baseline[0]) // (self.window[1] - self.window[0])

    @property
    def option_words(self) -> str:
        """
        The options as an answer repeats them.
        """
        words = {**dict.fromkeys(OPTIONS.values()), "anomaly-bit": None, RAW: None}
        also = {"anomaly-bit"} if self.method == "anomaly-rate" else set()
        return ",".join(word for word in words if word in self.options | also)


def _sizes(points: int, ratio: float) -> tuple[int, int]:
    """
    @param ratio: How much longer the baseline shall be than the window.
    @return: Rows of the window, and how many times as long the baseline is.
    """
    times = 1
    while times < min(MOST_TIMES, int(ratio + 0.5)):
        times *= 2
    while points * times > MOST_POINTS:
        points, times = (points, times // 2) if times > 1 else (points // 2, 1)
    return points, times


@frozen(eq=False)
class Series:
    """
    One that is weighed.
    """

    host: Host
    chart: Chart
    dimension: Dimension


async def of_host(host: Host, parameters: Parameters, turns: Turns) -> Iterator[Series]:
    """
    @return: The dimensions of a node, all or those of some contexts.
    """
    contexts = parameters.patterns("context", "contexts")
    charts = await of_contexts(host, contexts, turns) if contexts else tuple(host.charts.values())
    return (Series(host, chart, dimension) for chart in charts for dimension in chart.dimensions.values())


@define
class Weighed:
    """
    The weights of series, and what they cost.

    @ivar total: How many series were meant.
    @ivar weights: Those that have a weight, with it.
    """

    question: Question
    total: int
    weights: Sequence[tuple[Series, float]]
    milliseconds: float
    queries: int
    points: int

    def told(self, **members: Any) -> dict[str, Any]:
        """
        @param members: The weights, and how many there are.
        @return: What is answered.
        """
        question = self.question
        return {
            **question.said,
            "statistics": {
                "query_time_ms": self.milliseconds,
                "db_queries": self.queries,
                "query_result_points": self.points,
                "binary_searches": 0,
                "db_points_read": self.points,
                "db_points_per_tier": [self.points],
            },
            "group": question.group,
            "method": question.method,
            "options": question.option_words,
            **members,
            "total_dimensions_count": self.total,
        }


def by_chart(weighed: Weighed) -> dict[str, Any]:
    """
    @return: The weights of one node, by chart.
    """
    found: dict[str, Any] = {}
    for series, weight in weighed.weights:
        chart = found.setdefault(series.chart.id, {"context": series.chart.context, "dimensions": {}})
        chart["dimensions"][series.dimension.name] = round(weight, 7)
    return weighed.told(correlated_charts=found, correlated_dimensions=len(weighed.weights))


def by_context(weighed: Weighed) -> dict[str, Any]:
    """
    @return: The weights of one node, by context and chart.
    """
    return weighed.told(contexts=_contexts(weighed.weights), weighted_dimensions=len(weighed.weights))


def by_node(weighed: Weighed) -> dict[str, Any]:
    """
    @return: All weights, by node, context and chart.
    """
    found: dict[str, tuple[Host, list[tuple[Series, float]]]] = {}
    for series, weight in weighed.weights:
        found.setdefault(series.host.info.guid, (series.host, []))[1].append((series, weight))
    nodes = [
        identity(host, index) | {"contexts": _contexts(these)} for index, (host, these) in enumerate(found.values())
    ]
    return weighed.told(nodes=nodes, weighted_dimensions=len(weighed.weights))


def _contexts(weights: Iterable[tuple[Series, float]]) -> dict[str, Any]:
    """
    @return: Weights of one node, by context and chart; of each of these the
        mean.
    """
    found: dict[str, dict[str, dict[str, float]]] = {}
    for series, weight in weights:
        chart = found.setdefault(series.chart.context, {}).setdefault(series.chart.id, {})
        chart[series.dimension.name] = weight

    def mean(these: Sequence[float]) -> float:
        return round(sum(these) / len(these), 7)

    return {
        context: {
            "charts": {
                id: {
                    "dimensions": {name: round(weight, 7) for name, weight in these.items()},
                    "weight": mean([*these.values()]),
                }
                for id, these in charts.items()
            },
            "weight": mean([weight for these in charts.values() for weight in these.values()]),
        }
        for context, charts in found.items()
    }


class _Scale:
    """
    Weighs series, some at once.

    @ivar queries: How often a database was asked.
    @ivar points: How many rows of series it told.
    """

    def __init__(self, question: Question, now: int, turns: Turns) -> None:
        self.queries = 0
        self.points = 0
        self._question = question
        self._now = now
        self._turns = turns

    async def weigh(self, series: Sequence[Series]) -> Float64s:
        """
        @return: The weight of each of them; NaN for those that have none.
        """
        weights = np.full(len(series), np.nan)
        alike: dict[tuple[str, int], list[int]] = {}
        for place, one in enumerate(series):
            if not one.dimension.hidden or "all-dimensions" in self._question.options:
                alike.setdefault((one.host.info.guid, one.chart.update_every), []).append(place)
        begun = self._turns.clock.seconds()
        most = MOST_READ // max(1, len(series))
        for places in alike.values():
            every = series[places[0]].chart.update_every
            at_once = max(1, PART // max(1, len(self._rows(self._question.window, every, most))))
            if self._question.method == "ks2":
                at_once = max(1, at_once // (1 + self._question.times))
            for start in range(0, len(places), at_once):
                await self._turns.breathe()
                some = places[start : start + at_once]
                weights[some] = await self._some([series[place] for place in some], every, most)
                if self._question.timeout and self._turns.clock.seconds() - begun > self._question.timeout:
                    raise NoWeights(504, f"timed out after {self._question.timeout} seconds.")
        return weights

    def _rows(self, span: tuple[int, int], every: int, most: int) -> Window:
        """
        @param every: Seconds between stored points.
        @param most: Rows at most.
        @return: The rows of a span in which each sample counts by itself, if
            there may be so many.
        """
        return window(*span, min(MOST_POINTS, most), every, self._now, False)

    async def _some(self, series: Sequence[Series], every: int, most: int) -> Float64s:
        question = self._question
        finest = self._rows(question.window, every, most)
        if question.method == "anomaly-rate":
            found = await self._ask(series, finest)
            return changes.rates((found.flags & ANOMALOUS) != 0, (found.flags & EMPTY) == 0)
        if question.method == "value":
            found = await self._ask(series, _whole(question.window, every), question.group)
            return np.asarray(self._values(found)[0])
        if question.method == "volume":
            before = await self._ask(series, _whole(question.baseline, every), question.group)
            after = await self._ask(series, _whole(question.window, every), question.group)
            samples = await self._ask(series, finest)
            three = self._values(before)[0], self._values(after)[0], self._values(samples)
            return await in_thread(self._turns.clock, lambda: changes.volume(*three))
        spans = (question.baseline, question.points * question.times), (question.window, question.points)
        plans = [window(*span, points, every, self._now, False) for span, points in spans]
        baseline, compared = [self._values(await self._ask(series, plan, question.group)) for plan in plans]
        return await in_thread(self._turns.clock, lambda: changes.ks2(baseline, compared))

    def _values(self, columns: Columns) -> Float64s:
        values = columns.values
        return np.abs(values, out=values) if "abs" in self._question.options else values

    async def _ask(self, series: Sequence[Series], plan: Window, group: str = "average") -> Columns:
        host = series[0].host
        keys = [(one.chart.id, one.dimension.id) for one in series]
        try:
            columns = await host.db.query(host.info.guid, keys, plan, group, self._question.argument)
        except UnknownMethod as problem:
            raise Refusal(400, f"group: {problem}.\n") from problem
        self.queries += 1
        self.points += columns.values.size
        return columns


def _whole(span: tuple[int, int], every: int) -> Window:
    """
    @return: One row for all of a span.
    """
    after, before = (span[0] - 1) // every * every, span[1] // every * every
    return Window(after, max(before, after + every), max(before - after, every))


async def _meant(series: Iterable[Series | None], turns: Turns) -> list[Series]:
    found: list[Series] = []
    for one in series:
        if one is None:
            await turns.breathe()
            continue
        found.append(one)
        if len(found) % PAUSE_EVERY == 0:
            await turns.breathe()
        if len(found) > MOST_SERIES:
            raise Refusal(400, f"More than {MOST_SERIES} series fit: narrow contexts=.\n")
    return found


async def weigh(series: Iterable[Series | None], parameters: Parameters, method: str, turns: Turns) -> Weighed:
    """
    Answer a question.

    @param series: Those that are meant; L{None} where other work may go on.
    @param method: How series are weighed if the client does not say it.
    @raise BadParameter: A number is none.
    @raise NoWeights: No series has a weight.
    @raise Refusal: Something is asked for that is not offered, or too much
        fits.
    """
    begun = turns.clock.seconds()
    question = Question.parse(parameters, method, int(begun))
    meant = await _meant(series, turns)
    rows = (question.times + 1) * min(question.points, question.window[1] - question.window[0] + 1)
    if question.method == "ks2" and len(meant) * rows > MOST_READ:
        raise Refusal(
            400, f"{len(meant)} series of {rows} rows are too much: narrow contexts=, or ask for fewer points=.\n"
        )
    scale = _Scale(question, int(begun), turns)
    weights = await scale.weigh(meant)
    weights[~np.isfinite(weights) | ((weights == 0) & ("nonzero" in question.options))] = np.nan
    if 0 < question.limit < np.count_nonzero(~np.isnan(weights)):
        weights[np.argsort(-np.abs(weights), kind="stable")[question.limit :]] = np.nan
    if RAW not in question.options:
        weights = changes.evenly(np.abs(weights))
    found = [(meant[place], float(weights[place])) for place in np.flatnonzero(~np.isnan(weights)).tolist()]
    if not found:
        raise NoWeights(404, "no results produced.")
    spent = round((turns.clock.seconds() - begun) * 1000, 3)
    return Weighed(question, len(meant), found, spent, scale.queries, scale.points)
