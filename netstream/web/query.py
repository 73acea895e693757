"""
Questions for data: what a client asks, and the view it gets.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from attrs import evolve, frozen

from netstream.db.interfaces import Columns, Span, UnknownMethod, Window, exchange_of
from netstream.db.windows import RELATIVE, unit_of, window
from netstream.hub.hub import Host
from netstream.kernel.rows import extent
from netstream.model.chart import Chart, Dimension
from netstream.model.pattern import SimplePattern
from netstream.model.samples import ANOMALOUS, EMPTY, Float64s, Int64s
from netstream.web.answer import Refusal
from netstream.web.charts import chosen, label_patterns, labelled, list_pattern, of_contexts
from netstream.web.resampling import resampled
from netstream.web.target import Parameters

MOST_ROWS = 86400
"""Rows of an answer; more are folded."""
MOST_CELLS = 500_000
"""Rows times dimensions of an answer; wider answers get fewer rows."""
MOST_DIMENSIONS = 2000
"""Dimensions of one answer."""

FAR = 10**11

OPTIONS = {
    "nonzero": "nonzero",
    "flip": "flip",
    "reversed": "flip",
    "reverse": "flip",
    "jsonwrap": "jsonwrap",
    "min2max": "min2max",
    "ms": "ms",
    "milliseconds": "ms",
    "abs": "abs",
    "absolute": "abs",
    "absolute-sum": "abs",
    "absolute_sum": "abs",
    "seconds": "seconds",
    "null2zero": "null2zero",
    "objectrows": "objectrows",
    "percentage": "percentage",
    "unaligned": "unaligned",
    "match-ids": "match-ids",
    "match_ids": "match-ids",
    "match-names": "match-names",
    "match_names": "match-names",
    "all-dimensions": "all-dimensions",
    "all_dimensions": "all-dimensions",
    "anomaly-bit": "anomaly-bit",
    "anomaly_bit": "anomaly-bit",
    "jw-anomaly-rates": "jw-anomaly-rates",
    "jw_anomaly_rates": "jw-anomaly-rates",
    "label-quotes": "label-quotes",
    "label_quotes": "label-quotes",
    "average": "average",
    "min": "min",
    "max": "max",
}
"""Words of C{options} and what they are called in an answer, in its order."""


@frozen
class Question:
    """
    What a client asked for.

    @ivar after: First second wanted, as the client wrote it.
    @ivar before: Last second wanted, as the client wrote it.
    @ivar points: Rows wanted; 0 is one for each stored point.
    @ivar options: Canonical names of L{OPTIONS}.
    @ivar labels: Lists of patterns of C{name} or C{name:value}: a chart has a
        label that fits each of them.
    """

    chart: str
    context: str
    dimensions: str
    after: int
    before: int
    points: int
    method: str
    argument: str
    format: str
    options: frozenset[str]
    labels: Sequence[str] = ()
    label_key: str = ""
    unit: int = 0

    @classmethod
    def parse(cls, parameters: Parameters) -> Question:
        """
        @raise BadParameter: A number is none.
        @raise Refusal: Neither chart nor context is named, or something is
            asked for that is not offered.
        """
        chart, context = parameters.text("chart"), parameters.text("context")
        if not chart and not context:
            raise Refusal(400, "No chart or context is given.\n")
        words = parameters.words("options")
        return cls(
            chart,
            context,
            "|".join(filter(None, (parameters.text(name) for name in ("dimensions", "dimension", "dims", "dim")))),
            parameters.number("after", -600, -FAR, FAR),
            parameters.number("before", 0, -FAR, FAR),
            parameters.number("points", 0, 0, MOST_ROWS),
            parameters.text("group", "time_group", default="average"),
            parameters.text("group_options"),
            parameters.text("format", default="json"),
            frozenset(OPTIONS[word] for word in words if word in OPTIONS),
            label_patterns(parameters),
            parameters.text("chart_label_key"),
            parameters.number("gtime", 0, 0, RELATIVE),
        )

    @property
    def settled(self) -> bool:
        """
        Whether both ends are fixed seconds, so that the same question will
        have the same answer.
        """
        return self.after > 10**9 and self.before > 10**9

    @property
    def label_keys(self) -> list[str]:
        """
        The labels of which an answer about contexts tells.
        """
        return [key for key in self.label_key.replace("|", ",").split(",") if key]

    @property
    def option_words(self) -> str:
        """
        The options as an answer repeats them.
        """
        return _words_of(self.options)


@lru_cache(256)
def _words_of(options: frozenset[str]) -> str:
    return ",".join(dict.fromkeys(o for o in OPTIONS.values() if o in options))


@frozen(eq=False)
class View:
    """
    The answer to a question, before it is written.

    @ivar charts: What was asked for.
    @ivar dimensions: Chart and dimension of each column.
    @ivar times: int64 of shape (rows,), ascending: the second at which each
        row ends.
    @ivar values: float64 of shape (rows, dimensions); NaN where there is none.
    @ivar rates: The same shape: 100 where samples of the row are anomalous, 0
        where none is; L{None} if nobody asked or none is anywhere.
    @ivar step: Seconds between rows.
    @ivar update_every: Seconds between the stored points.
    @ivar span: What is stored of the charts; L{None} if nothing is.
    @ivar points: Rows times columns that were found to hold a value.
    """

    host: Host
    question: Question
    charts: Sequence[Chart]
    dimensions: Sequence[tuple[Chart, Dimension]]
    times: Int64s
    values: Float64s
    step: int
    update_every: int
    span: Span | None
    points: int
    rates: Float64s | None = None

    @property
    def names(self) -> list[str]:
        """
        What the columns are called.
        """
        return [dimension.name for _, dimension in self.dimensions]

    @property
    def keys(self) -> list[str]:
        """
        A name of its own for each column.
        """
        names = self.names
        twice = {"time", *(name for name in names if names.count(name) > 1)}
        return [
            f"{chart.id}.{dimension.id}" if name in twice else name
            for (chart, dimension), name in zip(self.dimensions, names, strict=True)
        ]

    @property
    def functions(self) -> list[str]:
        """
        The functions of the charts.
        """
        if not self.host.functions:
            return []
        charts = {chart.id for chart in self.charts}
        return list(dict.fromkeys(name for chart, name in self.host.functions if chart in charts))

    @property
    def options(self) -> frozenset[str]:
        """
        Canonical names of what was asked for besides.
        """
        return self.question.options

    def part(self, some: slice) -> View:
        """
        @return: Some of the rows.
        """
        return evolve(self, times=self.times[some], values=self.values[some])


def _wanted(dimension: Dimension, pattern: SimplePattern | None, question: Question) -> bool:
    if pattern is None:
        return not dimension.hidden or "all-dimensions" in question.options
    only_names = "match-names" in question.options and "match-ids" not in question.options
    only_ids = "match-ids" in question.options and "match-names" not in question.options
    by_id = not only_names and pattern.matches(dimension.id)
    return by_id or (not only_ids and pattern.matches(dimension.name))


def nothing() -> Refusal:
    """
    @return: What is answered where nothing is.
    """
    return Refusal(404, "No metrics where matched to query.\n")


async def view(host: Host, question: Question, now: int) -> View:
    """
    Answer a question.

    @param now: The current second.
    @raise Refusal: Nothing fits, too much fits, or there is no such way to
        fold.
    """
    if question.chart:
        charts = chosen(host, question.chart) or await _forgotten(host, question.chart)
    else:
        charts = of_contexts(host, question.context)
    charts = labelled(charts, question.labels)
    pattern = list_pattern(question.dimensions) if question.dimensions else None
    dimensions = [(c, d) for c in charts for d in c.dimensions.values() if _wanted(d, pattern, question)]
    if not dimensions:
        raise nothing()
    if len(dimensions) > MOST_DIMENSIONS:
        raise Refusal(
            400,
            f"{len(dimensions)} dimensions fit, more than {MOST_DIMENSIONS}: narrow chart=, context= or dimensions=.\n",
        )
    some = {chart.id: chart for chart, _ in dimensions}
    return await _fetch(host, question, list(some.values()), dimensions, now)


async def _forgotten(host: Host, chart: str) -> list[Chart]:
    """
    @param chart: Id of a chart that has left the lists; its history stays.
    """
    exchange = exchange_of(host.db)
    return [*await exchange.definitions(host.info.guid, [chart])] if exchange is not None else []


async def _fetch(
    host: Host,
    question: Question,
    charts: Sequence[Chart],
    dimensions: Sequence[tuple[Chart, Dimension]],
    now: int,
) -> View:
    node = host.info.guid
    bounds = await host.db.bounds(node, [chart.id for chart in charts])
    spans = [bounds[chart.id] for chart in charts if chart.id in bounds]
    span = Span(min(s.first for s in spans), max(s.last for s in spans)) if spans else None
    update_every = min(chart.update_every for chart in charts)
    aligned = "unaligned" not in question.options
    most = max(1, min(MOST_ROWS, MOST_CELLS // len(dimensions)))
    unit = unit_of(question.unit, update_every)

    def planned(points: int) -> Window:
        tiers = host.db.tiers
        return window(question.after, question.before, points, update_every, now, aligned, span, tiers, unit)

    plan = planned(question.points)
    if len(plan) > most:  # a window has up to half as many rows again as it is asked for
        plan = planned(max(1, most * 2 // 3))
    if span is not None:
        # Long rows may end before the first sample though their window does not.
        asked = window(question.after, question.before, 0, update_every, now, False, span)
        if asked.before < span.first or asked.after >= span.last:
            raise nothing()

    series = [(chart.id, dimension.id) for chart, dimension in dimensions]
    share = "percentage" in question.options
    if share:
        here = set(series)
        series += [(c.id, d) for c in charts for d in c.dimensions if (c.id, d) not in here]
    try:
        if unit:
            columns = await resampled(host.db, node, series, plan, question.method, question.argument, unit)
        else:
            columns = await host.db.query(node, series, plan, question.method, question.argument)
    except UnknownMethod as problem:
        raise Refusal(400, f"group: {problem}.\n") from problem
    values = columns.values
    rates = _rates(columns, len(dimensions), question.options)
    if rates is not None and "anomaly-bit" in question.options:
        values, share = rates, False
    if "abs" in question.options:
        values = np.abs(values)
    if share:
        values = _share(values, [id for id, _ in series], len(dimensions))
    found = extent(values)[0]
    values, kept = _shape(values, question.options)
    if kept is not None:
        dimensions = [dimensions[at] for at in kept]
        rates = rates[:, kept] if rates is not None else None
    if rates is not None and not np.nansum(rates):
        rates = None
    return View(host, question, charts, dimensions, columns.times, values, plan.step, update_every, span, found, rates)


def _rates(columns: Columns, count: int, options: frozenset[str]) -> Float64s | None:
    """
    @param count: Columns that are shown.
    @return: Anomaly rates in percent, if somebody asks for them.
    """
    if not options & {"anomaly-bit", "jw-anomaly-rates"}:
        return None
    flags = columns.flags[:, :count]
    return np.where(flags & EMPTY, np.nan, np.where(flags & ANOMALOUS, 100.0, 0.0))


def _share(values: Float64s, owners: Sequence[str], count: int) -> Float64s:
    """
    @param owners: Chart of each column.
    @return: The first columns in percent of the sum of all of their chart.
    """
    shares = np.empty((len(values), count))
    for owner in dict.fromkeys(owners[:count]):
        of_owner = np.array([name == owner for name in owners])
        total = np.nansum(values[:, of_owner], axis=1)
        shown = np.flatnonzero(of_owner[:count])
        total[total == 0] = 1.0  # as agents do; values of both signs can make up nothing
        shares[:, shown] = values[:, shown] * 100 / total[:, None]
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
