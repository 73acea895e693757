"""
Answering a question from what is stored: which tier tells which part of it.

Where rows of a tier lie within rows of the window, they stand for their
samples; where they lie across, or do not tell enough, the next finer tier is
read.  What is older than the finer tiers is answered as well as the coarser
ones can.  The answer is the same as if each sample had been looked at, wherever
samples are still stored.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
from attrs import frozen

from netstream.db.aggregations import method_of
from netstream.db.folding import Gathering, merging, times_of
from netstream.db.interfaces import Columns, Span, Window
from netstream.db.merging import MERGING, NOTED, Mask, Merging, as_answered
from netstream.db.overlay import chained
from netstream.db.tier_rows import Aggregates, cut, straddling
from netstream.model.samples import ANOMALOUS, EMPTY, Int64s

STEPS = (1, 60, 3600)
"""Seconds of a row of each tier; of tier 0 it is the step of the node."""
UNITS = (900, 240, 240)
"""Rows of each tier that are stored together and cost as much to read as one
of them."""
MOST_CELLS = 1 << 19
"""Rows times series that are looked at at once, unless one row of one series
needs more."""
MOST_GATHERED = 1 << 20
"""Samples of which one row of a window is made, if it has to see all at once;
longer ones are made of the averages of a coarser tier."""

_NEVER = 1 << 62


class Source(Protocol):
    """
    What is stored of some series of a node, for one question.  It is used in
    one thread.

    @ivar width: How many series.
    @ivar step: Seconds between the rows of tier 0.
    @ivar tiers: For each tier the seconds of which it has rows.  Between
        these, a coarser tier agrees with what tier 0 has; tier 0 reaches to
        the newest sample.
    """

    @property
    def width(self) -> int: ...

    @property
    def step(self) -> int: ...

    @property
    def tiers(self) -> Sequence[Span | None]: ...

    def raw(self, after: int, before: int) -> Columns:
        """
        @return: The rows of tier 0 after C{after} up to C{before}, raw (see
            L{netstream.db.overlay}).
        """

    def rows(self, tier: int, after: int, before: int) -> Aggregates:
        """
        @return: The rows of another tier that end after C{after} and not
            after C{before}, both multiples of its step.  Rows without samples
            may be left out.
        """

    def part(self, first: int, last: int) -> Source:
        """
        @return: The same for the series from C{first} up to C{last}, which is
            not included.
        """


@frozen
class _Reach:
    """
    The seconds that a tier can tell of.

    @ivar after: Second before the first.
    @ivar before: Last second.
    @ivar finer: From which second on a finer tier tells more, as C{after}.
    """

    step: int
    after: int
    before: int
    finer: int

    @property
    def only(self) -> int:
        """
        End of the last row, C{after} or later, that has a second of which no
        finer tier tells.
        """
        if self.finer >= self.before:
            return self.before
        return max(self.after, -(-self.finer // self.step) * self.step)


def _reaches(source: Source) -> list[_Reach]:
    found: list[_Reach] = []
    finer = _NEVER
    for tier, span in enumerate(source.tiers):
        step = STEPS[tier] if tier else 1
        if span is None:
            reach = _Reach(step, _NEVER, -_NEVER, finer)
        elif tier == 0:
            reach = _Reach(step, span.first - 1, _NEVER, finer)
        else:
            start = (span.first - 1) // step * step
            begins = start < finer < start + step  # all began there; nothing finer was dropped
            reach = _Reach(step, start, span.last // step * step, start if begins else finer)
        found.append(reach)
        finer = min(finer, reach.after)
    return found


class _Plan:
    """
    Reads what makes the rows of a window.

    @ivar sampled: After this second nothing is known but by its samples.
    """

    def __init__(self, source: Source, window: Window) -> None:
        self.source = source
        self.window = window
        self.reaches = _reaches(source)
        self.coarsest = len(self.reaches) - 1
        dropped = any(reach.after < reach.finer for reach in self.reaches[1:])
        self.sampled = self.reaches[0].after if dropped or source.tiers[0] is None else -_NEVER

    def stretches(self, tier: int, after: int, before: int) -> Iterator[tuple[int, int]]:
        """
        @return: A span, in parts that are not too large.
        """
        unit = UNITS[tier] * (STEPS[tier] if tier else self.source.step)
        row = unit // UNITS[tier]
        most = max(1, MOST_CELLS // max(1, self.source.width)) * row
        most = max(unit, most - most % unit)
        while after < before:
            end = min(before, after - after % unit + most)
            yield after, end
            after = end

    def raw(self, after: int, before: int) -> Iterator[Columns]:
        """
        @return: Samples of a span, in order of time.
        """
        after = max(after, self.reaches[0].after)
        for start, end in self.stretches(0, after, before):
            yield self.source.raw(start, end)

    def overlapping(self, tier: int, after: int, before: int, only: bool) -> tuple[int, int]:
        """
        @param only: Leave out rows of which a finer tier tells more.
        @return: The span of the rows of a tier that have a second in common
            with another span, as far as there are such rows.
        """
        reach = self.reaches[tier]
        start = max(reach.after, after // reach.step * reach.step)
        end = min(reach.only if only else reach.before, -(-before // reach.step) * reach.step)
        return start, end


class _Merged:
    """
    Fills a L{Merging}.
    """

    def __init__(self, plan: _Plan, result: Merging) -> None:
        self._plan = plan
        self._result = result
        self._waiting: list[Columns] = []
        self._cells = 0

    def fill(self) -> None:
        window = self._plan.window
        self._cover(window.after, window.before, self._plan.coarsest)
        self._flush()

    def _useful(self, tier: int) -> bool:
        """
        @return: Whether reading a tier saves reading finer ones.
        """
        window, step = self._plan.window, STEPS[tier]
        if window.step < step:
            return False
        if window.step % step == 0 and window.after % step == 0:
            return True
        finer = STEPS[tier - 1] if tier > 1 else self._plan.source.step
        return window.step >= 2 * UNITS[tier - 1] * finer

    def _cover(self, after: int, before: int, tier: int) -> None:
        if before <= after:
            return
        plan = self._plan
        if tier <= 0:
            for columns in plan.raw(after, before):
                self._add(columns)
            return
        start, end = plan.overlapping(tier, after, before, only=not self._useful(tier))
        if end <= start:
            self._cover(after, before, tier - 1)
            return
        self._cover(after, start, tier - 1)
        for first, last in plan.stretches(tier, start, end):
            self._rows(tier, first, last, after, before)
        self._cover(end, before, tier - 1)

    def _rows(self, tier: int, start: int, end: int, after: int, before: int) -> None:
        plan, window = self._plan, self._plan.window
        reach = plan.reaches[tier]
        rows = plan.source.rows(tier, start, end)
        vague = straddling(rows, reach.step, window) | self._result.unsure(rows)
        if not vague.any():
            self._result.add_rows(rows)
            return
        finer = vague & (rows.times - reach.step >= reach.finer)
        self._result.add_rows(cut(rows.taken(~finer), reach.step, window))
        for first, last in _runs(rows.times[finer], reach.step):
            self._cover(max(after, first), min(before, last), tier - 1)

    def _add(self, columns: Columns) -> None:
        self._waiting.append(columns)
        self._cells += columns.values.size
        if self._cells >= MOST_CELLS:
            self._flush()

    def _flush(self) -> None:
        waiting = sorted((part for part in self._waiting if len(part.times)), key=lambda part: int(part.times[0]))
        self._waiting, self._cells = [], 0
        if waiting:
            self._result.add(chained(waiting, self._plan.source.width))


def _runs(times: Int64s, step: int) -> list[tuple[int, int]]:
    """
    @param times: Ends of rows.
    @return: The spans that they make up, after and before.
    """
    if not len(times):
        return []
    breaks = np.flatnonzero(np.diff(times) != step)
    firsts = times[np.concatenate(([0], breaks + 1))] - step
    lasts = times[np.concatenate((breaks, [len(times) - 1]))]
    return list(zip(firsts.tolist(), lasts.tolist(), strict=True))


def _averages(rows: Aggregates) -> Columns:
    """
    @return: Rows of a tier as if they were samples.
    """
    flags = (rows.anomalous > 0).astype(np.uint8) * np.uint8(ANOMALOUS)
    return Columns(rows.times, rows.averages(), flags)


def _samples(plan: _Plan, chunk: Window, after: int, before: int, tier: int, least: int) -> Iterator[Columns]:
    """
    @param chunk: The rows of the window that are being made.
    @param least: Rather the averages of this tier than samples of finer ones.
    @return: Samples of a span in order of time, or averages where there are
        none.
    """
    if before <= after:
        return
    if tier <= 0:
        yield from plan.raw(after, before)
        return
    start, end = plan.overlapping(tier, after, before, only=tier > least)
    if end <= start:
        yield from _samples(plan, chunk, after, before, tier - 1, least)
        return
    yield from _samples(plan, chunk, after, start, tier - 1, least)
    for first, last in plan.stretches(tier, start, end):
        yield _averages(cut(plan.source.rows(tier, first, last), STEPS[tier], chunk))
    yield from _samples(plan, chunk, end, before, tier - 1, least)


def _gathered(source: Source, window: Window, method: str, options: str) -> Columns:
    """
    Answer by a method that has to see all samples of a row at once.
    """
    plan = _Plan(source, window)
    least = 0
    while least < plan.coarsest and _samples_a_row(source, window, least) > MOST_GATHERED:
        least += 1
    if source.tiers[least] is None:
        least = 0
    cells = max(1, _samples_a_row(source, window, least) * max(1, source.width))
    at_once = max(1, MOST_CELLS // cells) * window.step
    result = Gathering(window, source.width, method, options)
    for after in range(window.after, window.before, at_once):
        chunk = Window(after, min(window.before, after + at_once), window.step)
        parts = list(_samples(plan, chunk, chunk.after, chunk.before, plan.coarsest, least))
        result.add(chained(parts, source.width))
    return result.done()


def _samples_a_row(source: Source, window: Window, tier: int) -> int:
    return max(1, window.step // (STEPS[tier] if tier else source.step))


def _merged(source: Source, window: Window, method: str, options: str) -> Columns | None:
    stored = _stored(source, window) if method in MERGING else None
    if stored is not None:
        return stored
    result = merging(method, window, source.width)
    if result is None:
        return None
    plan = _Plan(source, window)
    _Merged(plan, result).fill()
    found = result.done()
    if _samples_a_row(source, window, 0) <= MOST_GATHERED:
        _settle(source, window, method, options, result.doubtful(), found, plan.sampled)
    return found


def _settle(
    source: Source, window: Window, method: str, options: str, doubtful: Mask, found: Columns, sampled: int
) -> None:
    """
    Look again at the rows that parts could not decide on.

    @param found: Changed in place.
    @param sampled: Only rows that begin then or later are looked at.
    """
    ends = times_of(window)
    places = np.flatnonzero(doubtful & (ends - window.step >= sampled))
    for after, before in _runs(ends[places], window.step):
        again = _gathered(source, Window(after, before, window.step), method, options)
        rows = slice((after - window.after) // window.step, (before - window.after) // window.step)
        found.values[rows], found.flags[rows] = again.values, again.flags


def _stored(source: Source, window: Window) -> Columns | None:
    """
    @return: The samples themselves, if each row of the window is one second
        of the node, all of which tier 0 has: then all methods that go by parts
        agree.  Otherwise L{None}.
    """
    if window.step != source.step:
        return None
    plan = _Plan(source, window)
    if plan.reaches[0].after > window.after:
        return None
    found = chained(list(plan.raw(window.after, window.before)), source.width)
    if window.step == 1 and len(found.times) == len(window):  # which leaves no second out
        return as_answered(found)
    values, flags = found.values + 0.0, found.flags & NOTED
    rows, odd = np.divmod(found.times - (window.after + window.step), window.step)
    if odd.any():
        return None
    if len(rows) != len(window):
        some = values, flags
        values = np.full((len(window), source.width), np.nan)
        flags = np.zeros(values.shape, np.uint8)
        values[rows], flags[rows] = some
    return Columns(times_of(window), values, np.where(np.isnan(values), np.uint8(EMPTY), flags))


def answer(source: Source, window: Window, method: str, options: str = "") -> Columns:
    """
    Answer a question; it may take a while, in any thread.

    @param method: Name of a time aggregation.
    @param options: Its argument.
    @return: One row for each of the window, gaps included.
    @raise UnknownMethod: There is none of that name.
    """
    method_of(method, options)
    window = Window(window.after, window.after + len(window) * window.step, window.step)
    gathered = 0 if method in MERGING else _samples_a_row(source, window, 0)
    needed = max(UNITS[0], min(MOST_GATHERED, gathered))
    most = max(1, MOST_CELLS // needed)
    parts = [
        source if source.width <= most else source.part(first, min(first + most, source.width))
        for first in range(0, max(1, source.width), most)
    ]
    answers = []
    for part in parts:
        merged = _merged(part, window, method, options)
        answers.append(merged if merged is not None else _gathered(part, window, method, options))
    if len(answers) == 1:
        return answers[0]
    return Columns(
        answers[0].times,
        np.concatenate([found.values for found in answers], axis=1),
        np.concatenate([found.flags for found in answers], axis=1),
    )
