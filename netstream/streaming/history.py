"""
Answering a parent that asks for the past, beside the live samples.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from netstream.db.interfaces import Columns, Span
from netstream.hub.hub import Host
from netstream.model.chart import Chart
from netstream.model.progress import Progress
from netstream.model.samples import SampleBatch
from netstream.session.answers import (
    CELL,
    MOST_CELLS,
    Form,
    Questions,
    Stretch,
    answer,
    spans_of,
    state_lines,
    stretch,
    unknown,
    with_heard,
)
from netstream.session.sender import Sender
from netstream.streaming.outbox import Outbox
from netstream.wire.replication_lines import ReplayChart

ANNOUNCED = 500
"""Charts that are defined in one turn of the reactor."""

DEFINED = 20
"""Charts that are defined without looking whether the parent takes them."""

AHEAD = 120
"""Seconds of the future that are looked at as well."""

HELD = 1 << 20
"""Samples that are held, on a node without a database, for charts that are not
live yet."""


_NONE = Span(0, 0)


@frozen
class _Part:
    """
    One question among those that are answered together.

    @ivar span: Oldest and newest second of the chart.
    """

    question: ReplayChart
    chart: Chart
    decided: Stretch
    span: tuple[int, int]


class History:
    """
    Defines charts with what the database has of them, answers questions, and
    lets each chart go live when its parent has what it missed.

    A sample that is collected while the database reads is taken from what was
    heard meanwhile, so that an answer tells all up to the moment when it is
    written, and live samples tell the rest.

    The lane stops while more than half of the outbox is full, and goes on at a
    tenth, so that live samples pass.  What was read and does not fit any more
    is read again.

    @ivar progress: How far it is.
    """

    _log = Logger()

    def __init__(
        self,
        host: Host,
        sender: Sender,
        outbox: Outbox,
        clock: IReactorTime,
        put: Callable[[bytes], None],
        held: Iterable[SampleBatch] = (),
    ) -> None:
        """
        @param put: Sends lines.
        @param held: What was heard since the connection before, which is all
            that a node without a database can tell.
        """
        self._host = host
        self._sender = sender
        self._outbox = outbox
        self._clock = clock
        self._put = put
        self._questions = Questions()
        self._form = Form(not sender.interpolated, sender.ieee754 and sender.interpolated)
        self._busy = False
        self._paused = False
        self._turn: IDelayedCall | None = None
        self._stopped = False
        self._keep = not host.past.keeps
        self._heard: deque[SampleBatch] = deque(held if self._keep else ())
        self._held = sum(map(len, self._heard))
        self._restarting = False
        self.progress = Progress()
        outbox.drained = self._drained

    # What is heard.

    def look(self) -> None:
        """
        Something was defined, or became complete.
        """
        if self._turn is None and not self._busy and not self._stopped:
            self._turn = self._clock.callLater(0, self._go)

    def heard(self, batch: SampleBatch) -> None:
        """
        Live samples came, which are in the database by now.
        """
        if batch.past or not len(batch):
            return
        if self._busy or (self._keep and self._sender.dormant):
            self._heard.append(batch)
            self._held += len(batch)
            while self._held > HELD and self._keep and self._heard:
                self._held -= len(self._heard.popleft())
        elif self._heard:
            self._clear()

    def _clear(self) -> None:
        self._heard.clear()
        self._held = 0

    def asked(self, question: ReplayChart) -> None:
        """
        The parent asks for the past of a chart.
        """
        if self._sender.announced(question.chart) is None:
            self._put(unknown(question, int(self._clock.seconds())))
            return
        self._questions.add(question)
        self.progress.asked += 1
        if not self.progress.since:
            self.progress.since = self.progress.until = self._clock.seconds()
        self.look()

    def restart(self) -> bool:
        """
        The parent reads too slowly: leave the samples out that wait, and let
        it ask for them when it has read the rest.

        @return: Whether that is possible.
        """
        if not self._host.past.keeps:
            return False
        self._outbox.drop()
        self._sender.restart()
        self._restarting = True
        return True

    def stop(self) -> None:
        """
        The connection is gone.
        """
        self._stopped = True
        self._outbox.drained = None
        self._clear()
        if self._turn is not None and self._turn.active():
            self._turn.cancel()
        self._turn = None

    # What is done.

    @property
    def _full(self) -> bool:
        """
        Whether the rest of the outbox is for live samples.
        """
        return self._outbox.waiting > self._outbox.most // 2

    def _drained(self) -> None:
        if self._outbox.waiting <= self._outbox.most // 10:
            self._paused = self._restarting = False
            self.look()

    def _go(self) -> None:
        self._turn = None
        if self._stopped or self._busy or self._restarting:
            return
        if self._full:
            self._paused = True
        if self._paused and self._outbox.paused:
            return
        self._paused = False
        charts = self._sender.waiting(self._host.incomplete)[:ANNOUNCED]
        if not charts and not self._questions:
            return
        self._busy = True
        if not self._keep:
            self._clear()
        work = self._announce(charts) if charts else self._answer()
        Deferred.fromCoroutine(work).addErrback(self._failed).addCallback(self._done)

    def _failed(self, failure: Failure) -> None:
        if not self._stopped:
            self._log.failure("{host}: its past cannot be told", failure, host=self._host.info.hostname)

    def _done(self, _: None) -> None:
        self._busy = False
        if not self._sender.dormant or not self._keep:
            self._clear()
        if self._questions or self._sender.waiting(self._host.incomplete):
            self.look()

    async def _announce(self, charts: list[str]) -> None:
        host = self._host
        every = len(charts) * 2 > len(host.charts)
        spans = await host.past.bounds(host.info.guid, None if every else charts)
        if self._stopped:
            return
        known = {chart: (span.first, span.last) for chart, span in spans.items()}
        if self._keep:
            known = spans_of(tuple(self._heard))
        for at in range(0, len(charts), DEFINED):
            if self._full or self._stopped:
                break  # the others wait
            some = charts[at : at + DEFINED]
            self.progress.charts += len(some)
            self._put(self._sender.announce(some, known, int(self._clock.seconds())))

    async def _answer(self) -> None:
        host, sender = self._host, self._sender
        charts = []
        for question in self._questions.take(self._width, min(MOST_CELLS, self._outbox.most // 2 // CELL)):
            known = sender.announced(question.chart)
            if known is None:
                self._put(unknown(question, int(self._clock.seconds())))
            else:
                charts.append((question, *known))
        if not charts or self._stopped:
            return
        spans = await host.past.bounds(host.info.guid, [chart.id for _, chart, _ in charts])
        most = self._outbox.most // 4
        parts = []
        for question, chart, told in charts:
            span = spans.get(chart.id, _NONE)
            decided = stretch(question, chart, told, span.last, sender.live(chart.id), most)
            parts.append(_Part(question, chart, decided, (span.first, span.last)))
        columns = await self._read(parts)
        if not self._stopped:
            self._write(parts, columns)

    def _width(self, chart_id: str) -> int:
        known = self._sender.announced(chart_id)
        return len(known[0].dimensions) if known is not None else 0

    async def _read(self, parts: Sequence[_Part]) -> Columns:
        host = self._host
        series = [(part.chart.id, dimension) for part in parts for dimension in part.chart.dimensions]
        ahead = int(self._clock.seconds()) + AHEAD
        after = min(part.decided.after for part in parts)
        before = max(part.decided.before or ahead for part in parts)
        if not self._keep:
            self._clear()  # the database has what was heard up to here
        try:
            columns = await host.past.read(host.info.guid, series, after, before)
        except Exception:
            self._log.failure("{host}: its past cannot be read", Failure(), host=host.info.hostname)
            empty = np.zeros((0, len(series)))
            columns = Columns(np.zeros(0, np.int64), empty, empty.astype(np.uint8))
        if not self._heard:
            return columns
        found = {host.table.find(*key): place for place, key in enumerate(series)}
        places = {number: place for number, place in found.items() if number is not None}
        return Columns(*with_heard(columns.times, columns.values, columns.flags, places, self._heard))

    def _write(self, parts: Sequence[_Part], columns: Columns) -> None:
        now = int(self._clock.seconds())
        at = 0
        for part in parts:
            here = slice(at, at + len(part.chart.dimensions))
            at = here.stop
            if self._full:
                self._questions.put_back(part.question)
                continue
            state, second = self._state(part.chart) if part.decided.start else ([], 0)
            text, samples = answer(
                part.question,
                part.chart,
                part.decided,
                columns.times,
                columns.values[:, here],
                columns.flags[:, here],
                part.span,
                now,
                self._form,
                state,
            )
            self._put(text)
            if self._stopped:
                return
            self.progress.samples += samples
            self.progress.until = self._clock.seconds()
            if part.decided.start:
                self.progress.complete += not self._sender.live(part.chart.id)
                self._sender.begin(part.chart.id, second)

    def _state(self, chart: Chart) -> tuple[list[bytes], int]:
        """
        @return: Where the collection of a chart stands, as lines; and the
            second upon which version 1 lines follow, if they are made of samples.
        """
        host = self._host
        numbers = [host.table.find(chart.id, dimension) for dimension in chart.dimensions]
        known = host.state(chart.id)
        latest = host.latest
        newest = [
            (number, *(latest.of(number) if known is not None or latest.is_collected(number) else (0, 0.0, 0)))
            for number in numbers
        ]
        second = max((time for _, time, _, _ in newest), default=0) if known is None else 0
        return state_lines(chart, known, newest), second
