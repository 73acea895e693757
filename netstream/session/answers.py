"""
The child's side of replication: what is kept of a chart, as a parent asks for
it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from heapq import heappop, heappush
from math import nan

import numpy as np
from attrs import frozen

from netstream.kernel import replay
from netstream.model.chart import Algorithm, Chart
from netstream.model.samples import EMPTY, Bytes, ChartState, Float64s, Int64s, SampleBatch
from netstream.wire.replication_lines import (
    ReplayBegin,
    ReplayChart,
    ReplayChartState,
    ReplayDimensionState,
    ReplayEnd,
)

SECOND = 1_000_000

ROW, CELL = 60, 32
"""Bytes of a row of an answer, and of a sample in it besides its id, about."""

NEAR = 120
"""Seconds that the beginnings of questions may differ which are answered with
one look into the database."""

MOST_CHARTS = 256
"""Charts that are answered for at once."""

MOST_CELLS = 1 << 20
"""Samples that are looked for at once, unless one question needs more."""


class Questions:
    """
    What a parent asked for and was not answered: one question a chart, the
    oldest stretches first.
    """

    def __init__(self) -> None:
        self._asked: dict[str, tuple[int, ReplayChart]] = {}
        self._order: list[tuple[int, int, str]] = []
        self._count = 0

    def __len__(self) -> int:
        return len(self._asked)

    def add(self, question: ReplayChart) -> None:
        """
        Take in a question; an older one about the chart counts no more.
        """
        self._count += 1
        self._asked[question.chart] = self._count, question
        heappush(self._order, (question.after, self._count, question.chart))
        if len(self._order) > 64 + 4 * len(self._asked):
            self._order = sorted((asked.after, count, chart) for chart, (count, asked) in self._asked.items())

    def _next(self) -> ReplayChart | None:
        while self._order:
            _, count, chart = self._order[0]
            known = self._asked.get(chart)
            if known is not None and known[0] == count:
                return known[1]
            heappop(self._order)
        return None

    def put_back(self, question: ReplayChart) -> None:
        """
        A question that was taken could not be answered yet; a newer one about
        the chart stays.
        """
        if question.chart not in self._asked:
            self.add(question)

    def take(self, width: Callable[[str], int], most: int = MOST_CELLS) -> list[ReplayChart]:
        """
        @param width: Tells how many dimensions a chart has.
        @param most: Samples that are asked for in them, unless one question
            needs more.
        @return: Questions that can be answered together; none if there are
            none.
        """
        found: list[ReplayChart] = []
        series = 0
        after = before = 0
        while len(found) < MOST_CHARTS:
            question = self._next()
            if question is None:
                break
            if found:
                wide = series + width(question.chart)
                stretch = max(before, question.before) - after
                if question.after - after > NEAR or wide * max(1, stretch) > most:
                    break
            else:
                after = question.after
            series += width(question.chart)
            before = max(before, question.before)
            heappop(self._order)
            del self._asked[question.chart]
            found.append(question)
        return found


@frozen
class Stretch:
    """
    What a question is answered with.

    @ivar after: Second before the first.
    @ivar before: Last second; 0 is whatever there is.
    @ivar start: Whether live samples follow.
    """

    after: int
    before: int
    start: bool


def stretch(question: ReplayChart, chart: Chart, told: int, last: int, live: bool, most: int) -> Stretch:
    """
    Decide on an answer.

    @param told: The newest second that the parent knows of us.
    @param last: Our newest second; 0 is none.
    @param live: Whether the samples of the chart are being sent.
    @param most: Bytes that the answer may have, about.
    """
    nothing = question.after <= 0 or question.before <= 0
    after = told if nothing else question.after
    start = question.start or nothing or question.before >= last
    if live and not question.start:
        start = False
    end = max(last, question.before) if start else question.before
    row = ROW + sum(CELL + len(dimension) for dimension in chart.dimensions)
    longest = max(1, most // row) * chart.update_every
    if end - after > longest:
        return Stretch(after, after + longest, False)
    return Stretch(after, 0 if start else end, start)


@frozen
class Form:
    """
    How answers are written.

    @ivar whole: As 1.37 does: each row has each dimension.
    @ivar ieee754: Numbers in base 64.
    """

    whole: bool
    ieee754: bool


def state_lines(
    chart: Chart, state: ChartState | None, newest: Sequence[tuple[int | None, int, float, int]]
) -> list[bytes]:
    """
    @param state: Where its collection stands; L{None} if nothing but its
        samples is known.
    @param newest: Of each dimension its series number, and time, value and
        collected integer of its newest sample.
    @return: Lines that let a parent go on.
    """
    lines = []
    last = 0
    for dimension, (number, time, value, collected) in zip(chart.dimensions.values(), newest, strict=True):
        last = max(last, time)
        rest = 0.0 if dimension.algorithm is Algorithm.INCREMENTAL else value
        at = time * SECOND
        if state is not None:
            at = 0
            known = state.dimensions.get(-1 if number is None else number)
            if known is not None:
                at, (collected, rest) = state.collected_at, known
            if time != state.updated_at // SECOND:
                value = nan
        if not at:
            collected, rest, value = 0, 0.0, 0.0
        lines.append(ReplayDimensionState(dimension.id, at, collected, rest, value).line())
    collected_at, updated_at = last * SECOND, last * SECOND
    if state is not None:
        collected_at, updated_at = state.collected_at, state.updated_at
    lines.append(ReplayChartState(collected_at, updated_at).line())
    return lines


def answer(
    question: ReplayChart,
    chart: Chart,
    decided: Stretch,
    times: Int64s,
    values: Float64s,
    flags: Bytes,
    span: tuple[int, int],
    now: int,
    form: Form,
    state: Sequence[bytes],
) -> tuple[bytes, int]:
    """
    Write an answer.

    @param times: Seconds of the rows, ascending; those outside of the stretch
        are left out.
    @param values: Of shape (rows, dimensions); NaN is a gap.
    @param flags: Of the same shape.
    @param span: Oldest and newest second that we have of the chart.
    @param now: UTC seconds.
    @param state: Lines for a parent that begins with live samples.
    @return: The answer, and how many samples are in it.
    """
    low = int(np.searchsorted(times, decided.after, "right"))
    high = int(np.searchsorted(times, decided.before, "right")) if decided.before else len(times)
    times, values, flags = times[low:high], values[low:high], flags[low:high]
    filled = ~np.isnan(values)
    some = filled.any(axis=1)
    if not some.all():
        times, values, flags, filled = times[some], values[some], flags[some], filled[some]
    if len(times):
        # The clock of a node behind us may be ahead of ours; parents refuse what is ahead of what we tell.
        now = max(now, int(times[-1]))
    lines = [ReplayBegin(chart.id).line()]
    lines.append(
        replay.rows(list(chart.dimensions), times, values, flags, chart.update_every, now, form.whole, form.ieee754)
    )
    if decided.start:
        lines += state
    span = span[0] or (int(times[0]) if len(times) else 0), max(span[1], int(times[-1]) if len(times) else 0)
    after, before = question.after, decided.before
    if question.after <= 0 or question.before <= 0:
        after = before = 0
    elif decided.start:
        before = max(question.before, span[1])
    lines.append(ReplayEnd(chart.update_every, *span, decided.start, after, before, now).line())
    return b"".join(lines), int(np.count_nonzero(filled))


def with_heard(
    times: Int64s, values: Float64s, flags: Bytes, columns: Mapping[int, int], heard: Iterable[SampleBatch]
) -> tuple[Int64s, Float64s, Bytes]:
    """
    Add samples that were heard to rows that were read.

    @param times: Seconds of the rows, ascending.
    @param values: Of shape (rows, columns).
    @param flags: Of the same shape.
    @param columns: By series number.
    @return: The same with rows for all seconds.
    """
    numbers = np.fromiter(columns, np.int32, len(columns))
    parts = []
    for batch in heard:
        ours = np.isin(batch.series, numbers)
        if ours.any():
            parts.append((batch.series[ours], batch.time[ours], batch.value[ours], batch.flags[ours]))
    if not parts:
        return times, values, flags
    series, second, value, flag = (np.concatenate(column) for column in zip(*parts, strict=True))
    every = np.unique(np.concatenate((times, second)))
    all_values = np.full((len(every), values.shape[1]), np.nan)
    all_flags = np.full(all_values.shape, EMPTY, np.uint8)
    rows = np.searchsorted(every, times)
    all_values[rows], all_flags[rows] = values, flags
    place = np.array([columns[number] for number in series.tolist()], np.int64)
    row = np.searchsorted(every, second)
    all_values[row, place] = np.where(flag & EMPTY, np.nan, value)
    all_flags[row, place] = flag
    return every, all_values, all_flags


def spans_of(heard: Sequence[SampleBatch]) -> dict[str, tuple[int, int]]:
    """
    @return: The oldest and the newest second of each chart of which samples
        were heard.
    """
    if not heard:
        return {}
    series = np.concatenate([batch.series for batch in heard])
    time = np.concatenate([batch.time for batch in heard])
    first = np.full(int(series.max(initial=-1)) + 1, np.iinfo(np.int64).max)
    last = np.zeros(len(first), np.int64)
    np.minimum.at(first, series, time)
    np.maximum.at(last, series, time)
    spans: dict[str, tuple[int, int]] = {}
    table = heard[0].table
    for number in np.unique(series).tolist():
        chart, _ = table[number]
        begin, end = spans.get(chart, (int(first[number]), int(last[number])))
        spans[chart] = min(begin, int(first[number])), max(end, int(last[number]))
    return spans


def unknown(question: ReplayChart, now: int) -> bytes:
    """
    @return: The answer about a chart that was defined and is no more.
    """
    return ReplayBegin(question.chart).line() + ReplayEnd(0, 0, 0, True, 0, 0, now).line()
