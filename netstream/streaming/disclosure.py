"""
Answering a parent that asks what else is kept of a host: the third lane, after
live samples and the ordinary replication.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from netstream.db.interfaces import IExchange
from netstream.hub.hub import Host
from netstream.model.chart import Chart
from netstream.session.definitions import definition
from netstream.session.exchange import (
    CELLS,
    CHARTS,
    COUNTS,
    Question,
    cells_answer,
    charts_answer,
    counts_answer,
    kept_answer,
    parse_question,
    series_at_once,
)
from netstream.session.sender import Sender
from netstream.streaming.history import History
from netstream.streaming.outbox import Outbox
from netstream.wire.capabilities import Capability

SOON = 0.25
"""Seconds until it is looked again whether there is room."""

MANY = 16
"""Charts whose definitions are looked for at once."""


class Disclosure:
    """
    Answers one question at a time, when nothing else waits to be told of the
    past and at most half of the outbox waits for the parent.
    """

    _log = Logger()

    def __init__(
        self,
        host: Host,
        exchange: Callable[[], IExchange | None],
        sender: Sender,
        history: History | None,
        outbox: Outbox,
        clock: IReactorTime,
        put: Callable[[bytes], None],
    ) -> None:
        """
        @param exchange: Gives what the database can exchange.
        @param history: The lane before.
        @param put: Sends lines.
        """
        self._host = host
        self._exchange = exchange
        self._sender = sender
        self._history = history
        self._outbox = outbox
        self._clock = clock
        self._put = put
        self._question: Question | None = None
        self._busy = False
        self._timer: IDelayedCall | None = None
        self._stopped = False

    def heard(self, body: bytes) -> None:
        """
        The parent asks; what it asked before counts no more.
        """
        try:
            self._question = parse_question(body)
        except ValueError as problem:
            self._log.warn(
                "{host}: a question of its parent: {problem}", host=self._host.info.hostname, problem=problem
            )
            return
        self._look()

    def _look(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
        if self._stopped or self._busy or self._question is None:
            return
        busy = self._history is not None and not self._history.idle
        if busy or self._outbox.paused or self._outbox.waiting > self._outbox.most // 2:
            self._timer = self._clock.callLater(SOON, self._look)
            return
        question, self._question = self._question, None
        self._busy = True
        Deferred.fromCoroutine(self._answer(question)).addErrback(self._failed).addCallback(self._done)

    def _failed(self, failure: Failure) -> None:
        if not self._stopped:
            self._log.failure("{host}: its older history cannot be told", failure, host=self._host.info.hostname)

    def _done(self, _: None) -> None:
        self._busy = False
        self._look()

    def stop(self) -> None:
        """
        The connection is gone.
        """
        self._stopped = True
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None

    def _selected(self, chart: str) -> bool:
        """
        @return: Whether a chart may be told of: one that is collected no more
            only if everything is sent.
        """
        known = self._host.charts.get(chart)
        return self._sender.selects_all or (known is not None and self._sender.selects(known))

    async def _answer(self, question: Question) -> None:
        exchange, guid, number = self._exchange(), self._host.info.guid, question.number
        if exchange is None:
            text = kept_answer(number, ())
        elif question.where is not None and question.kind == COUNTS:
            counts = await exchange.counts(guid, question.where)
            told = {chart: count for chart, count in counts.items() if self._selected(chart)}
            text = counts_answer(number, told, question.skip)
        elif question.where is not None and question.kind == CELLS:
            charts = [chart for chart in question.charts if self._selected(chart)]
            most = series_at_once(question.where)
            text = cells_answer(number, *await exchange.cells(guid, question.where, charts, question.skip, most))
        elif question.kind == CHARTS:
            charts = [chart for chart in question.charts if self._selected(chart)]
            found: list[Chart] = []
            for at in range(0, len(charts), MANY):
                found += await exchange.definitions(guid, charts[at : at + MANY])
            text = charts_answer(number, (definition(chart, Capability.CLABELS, {}) for chart in found))
        else:
            text = kept_answer(number, exchange.kept(guid))
        if not self._stopped:
            self._put(text)
