"""
The parent's side of replication: which stretch of a chart's past to ask for
next, and when to ask no more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from heapq import heappop, heappush

from attrs import define, frozen

from netstream.model.progress import Progress
from netstream.wire.replication_lines import ReplayChart, ReplayEnd

OUTSTANDING = 256
"""Requests of one connection that are not answered, at most."""

STALLED_AFTER = 60.0
"""Seconds without an answer after which a chart is asked for once more."""

LONGEST_WAIT = 600.0
"""The same while the child answers for other charts."""

ATTEMPTS = 3
"""Times that the same is asked for; after that only that live samples begin."""

FRUITLESS = 10
"""Answers of a chart that bring nothing, within a minute, before it is asked
only to begin with live samples."""

MINUTE = 60.0


@frozen
class Window:
    """
    A stretch of a chart's past to ask for.

    @ivar start: Whether live samples shall follow.
    @ivar after: UTC second before the first one; 0 with C{before} 0 asks for
        nothing.
    @ivar before: Last UTC second.
    """

    start: bool
    after: int
    before: int


NOTHING = Window(True, 0, 0)
"""Ask for live samples only."""


def next_window(first: int, last: int, now: int, own: int, previous: int, period: int, step: int) -> Window:
    """
    What to ask for, given what both sides have.

    @param first: Oldest second of the child; 0 is none.
    @param last: Its newest.
    @param now: Its clock, or ours if it did not say.
    @param own: Our newest second; 0 is none.
    @param previous: Up to where was asked already; 0 if it was not.
    @param period: Seconds of the past that are wanted where we have nothing.
    @param step: Seconds to ask for at once.
    """
    last = min(last, now)
    if first <= 0 or last <= 0 or first > last:
        return NOTHING
    known = previous or own or now - period
    after = max(known, first - 1)
    if after >= last:
        # Nothing is missing yet, but something may be by the time of the answer.
        return Window(True, last, last)
    before = min(after + step, last)
    return Window(before >= last or now - after <= step, after, before)


@define
class _Chart:
    """
    A chart whose past is looked after.

    @ivar first: Oldest second of the child.
    @ivar last: Its newest.
    @ivar own: Our newest; L{None} as long as that is not known.
    @ivar previous: Up to where was asked.
    @ivar asked: The request that is not answered yet.
    @ivar asked_at: When it was made.
    @ivar attempts: How often.
    @ivar window: What to ask for; L{None} if that has to be looked at.
    @ivar fruitless: When the latest answers came that brought nothing.
    @ivar step: Seconds to ask for at once.
    @ivar missing: Seconds that count as missing.
    @ivar only_live: Ask for live samples only.
    """

    id: str
    first: int
    last: int
    now: int
    step: int
    own: int | None = None
    previous: int = 0
    window: Window | None = None
    asked: Window | None = None
    asked_at: float = 0.0
    attempts: int = 0
    fruitless: tuple[float, ...] = ()
    missing: int = 0
    only_live: bool = False


class Replication:
    """
    What a parent asks a child for, chart by chart, on one connection.

    Tell it of each definition with L{defined}, give it what the database has
    with L{found}, and send what L{requests} gives.

    @ivar progress: How far it is.
    """

    def __init__(self, period: int, step: int, keeps: bool = True) -> None:
        """
        @param period: Seconds of the past that are wanted where there is
            nothing yet.
        @param step: Seconds to ask for at once.
        @param keeps: Whether samples are kept here; else none are wanted.
        """
        self._period = period
        self._step = max(1, step)
        self._keeps = keeps
        self._charts: dict[str, _Chart] = {}
        self._unknown: dict[str, None] = {}
        self._ready: list[tuple[bool, int, int, str]] = []
        self._order = 0
        self._outstanding: set[str] = set()
        self._seen: set[str] = set()
        self.progress = Progress()

    def __contains__(self, chart: str) -> bool:
        """
        @return: Whether something of a chart is still missing.
        """
        return chart in self._charts

    @property
    def busy(self) -> bool:
        """
        Whether something of some chart is still missing.
        """
        return bool(self._charts)

    def defined(self, chart: str, first: int, last: int, child_now: int, now: float) -> None:
        """
        A definition ended.

        @param chart: Id as spelled on the wire.
        @param first: Oldest second that the child has; 0 is none.
        @param last: Its newest.
        @param child_now: Its clock; 0 if it did not say.
        @param now: UTC seconds.
        """
        clock = child_now if child_now > 0 else int(now)
        known = self._charts.get(chart)
        if known is None:
            if chart in self._seen:
                self.progress.complete -= 1
            else:
                self._seen.add(chart)
                self.progress.charts += 1
            known = self._charts[chart] = _Chart(chart, first, last, clock, self._step)
        else:
            # Asked for already; the answer will tell the rest.
            known.first, known.last, known.now, known.window = first, last, clock, None
            if known.asked is not None or known.own is not None or chart in self._unknown:
                return
        if self._keeps and last > 0:
            self._unknown[chart] = None
        else:
            known.own = 0
            self._queue(known)

    def forget(self, chart: str) -> None:
        """
        A chart is known no more.
        """
        known = self._charts.pop(chart, None)
        self._unknown.pop(chart, None)
        self._outstanding.discard(chart)
        if chart in self._seen:
            self._seen.discard(chart)
            self.progress.charts -= 1
            self.progress.complete -= known is None
        if known is not None:
            self.progress.missing -= known.missing

    def own(self, chart: str) -> int:
        """
        @return: Up to where the past of a chart is known to be here.
        """
        known = self._charts.get(chart)
        return max(known.own or 0, known.previous) if known is not None else 0

    def announced(self, chart: str) -> int:
        """
        @return: The newest second that the child said it has; 0 is none.
        """
        known = self._charts.get(chart)
        return known.last if known is not None else 0

    def wanting(self) -> Sequence[str]:
        """
        @return: Charts of which we must know what our database has; each is
            given once.
        """
        charts = list(self._unknown)
        self._unknown.clear()
        return charts

    def found(self, lasts: Mapping[str, int]) -> None:
        """
        What our database has.

        @param lasts: By chart, its newest second; 0 is none.
        """
        for chart, last in lasts.items():
            known = self._charts.get(chart)
            if known is not None and known.own is None:
                known.own = last
                self._queue(known)

    def _window(self, chart: _Chart) -> Window:
        if not self._keeps or chart.only_live:
            return NOTHING
        return next_window(chart.first, chart.last, chart.now, chart.own or 0, chart.previous, self._period, chart.step)

    def _queue(self, chart: _Chart) -> None:
        window = chart.window = self._window(chart)
        missing = max(0, chart.last - window.after) if window.after else 0
        self.progress.missing += missing - chart.missing
        chart.missing = missing
        self._order += 1
        heappush(self._ready, (not window.start, window.after, self._order, chart.id))

    def requests(self, now: float) -> list[ReplayChart]:
        """
        @param now: UTC seconds.
        @return: What is to be asked for now.
        """
        found: list[ReplayChart] = []
        while self._ready and len(self._outstanding) < OUTSTANDING:
            name = heappop(self._ready)[3]
            chart = self._charts.get(name)
            if chart is None or chart.asked is not None or chart.own is None:
                continue
            found.append(self._ask(chart, chart.window or self._window(chart), now))
        return found

    def _ask(self, chart: _Chart, window: Window, now: float) -> ReplayChart:
        chart.asked, chart.asked_at = window, now
        chart.attempts += 1
        self._outstanding.add(chart.id)
        self.progress.asked += 1
        if not self.progress.since:
            self.progress.since = self.progress.until = now
        return ReplayChart(chart.id, window.start, window.after, window.before)

    def ended(self, chart_id: str, end: ReplayEnd, rows: int, now: float) -> bool:
        """
        An answer ended.

        @param chart_id: Id as spelled on the wire.
        @param rows: Samples that it brought.
        @param now: UTC seconds.
        @return: Whether nothing of the chart is missing any more.
        """
        chart = self._charts.get(chart_id)
        if chart is None or chart.asked is None:
            return False
        asked, chart.asked = chart.asked, None
        chart.attempts = 0
        self._outstanding.discard(chart_id)
        progress = self.progress
        progress.samples += rows
        progress.until = now
        if end.start:
            return self._complete(chart)
        if end.first > 0 and end.last > 0:
            chart.first, chart.last = end.first, end.last
        if end.now > 0:
            chart.now = end.now
        reached = min(end.before, chart.last) if end.before > 0 else 0
        known = asked.after
        if reached > known:
            progress.seconds += reached - known
        chart.previous = max(known, reached)
        if rows and reached > known and asked != NOTHING:
            chart.step = self._step
        else:
            # A hole in what the child has is passed over in ever longer steps.
            chart.step = min(2 * chart.step, max(self._step, self._period))
            chart.fruitless = (*chart.fruitless, now)[-FRUITLESS:]
            if len(chart.fruitless) == FRUITLESS and now - chart.fruitless[0] < MINUTE:
                if chart.only_live:
                    return self._complete(chart)
                chart.only_live = True
        self._queue(chart)
        return False

    def _complete(self, chart: _Chart) -> bool:
        del self._charts[chart.id]
        self._outstanding.discard(chart.id)
        self.progress.complete += 1
        self.progress.seconds += chart.missing
        self.progress.missing -= chart.missing
        return True

    def overdue(self, now: float) -> tuple[list[ReplayChart], list[str]]:
        """
        Look for requests that are not answered.

        @param now: UTC seconds.
        @return: What is to be asked for once more, and the charts that were
            given up.
        """
        again: list[ReplayChart] = []
        given_up: list[str] = []
        at_work = now - self.progress.until < STALLED_AFTER
        for name in sorted(self._outstanding):
            chart = self._charts[name]
            waited = now - chart.asked_at
            if waited < STALLED_AFTER or (at_work and waited < LONGEST_WAIT):
                continue
            if chart.attempts < ATTEMPTS:
                assert chart.asked is not None
                again.append(self._ask(chart, chart.asked, now))
            elif chart.attempts == ATTEMPTS:
                again.append(self._ask(chart, NOTHING, now))
            else:
                self.progress.given_up += 1
                self._complete(chart)
                given_up.append(name)
        return again, given_up
