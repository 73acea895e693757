"""
Making the history of a host whole, once a child has answered for what its
parent missed: holes, charts that are collected no more, coarser tiers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import evolve
from twisted.internet.defer import CancelledError, Deferred, DeferredSemaphore
from twisted.internet.error import TimeoutError as TimedOut
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from netstream.db.interfaces import IExchange
from netstream.hub.hub import Host
from netstream.model.samples import SeriesTable
from netstream.model.stored import StoredRows
from netstream.model.updates import ChartDefined
from netstream.session.errors import ProtocolError
from netstream.session.exchange import (
    CELLS,
    CHARTS,
    COUNTS,
    KEPT,
    Answer,
    Question,
    Seen,
    lacking,
    lots,
    parse_answer,
    worth_asking,
)
from netstream.session.receiver import Receiver
from netstream.session.replication import Replication
from netstream.wire.capabilities import Capability
from netstream.wire.commands import EndDefinition

FIRST = 5.0
"""Seconds between two looks whether the ordinary replication is over."""

SOON = 60.0
"""Seconds until rows are looked at once more that change still."""

AGAIN = 3600.0
"""Seconds until everything is looked at once more."""

PATIENCE = 120.0
"""Seconds in which a question is answered."""

DEFINED_AT_ONCE = 50
"""Charts whose definitions are asked for at once."""


class Completion:
    """
    Compares what a child keeps with what is kept here, stretch by stretch, and
    fetches what is missing here, with one question under way.

    It begins when nothing is missing of what the ordinary replication brings,
    and comes again from time to time, since others may make the child's
    history whole meanwhile.

    @ivar samples: How many samples, and rows of coarser tiers, came.
    """

    _log = Logger()

    def __init__(
        self,
        host: Host,
        exchange: Callable[[], IExchange | None],
        replication: Replication | None,
        clock: IReactorTime,
        send: Callable[[bytes], None],
        peer: str,
        at_once: DeferredSemaphore,
    ) -> None:
        """
        @param exchange: Gives what the database can exchange.
        @param at_once: How many hosts are dealt with at the same time.
        """
        self._host = host
        self._exchange = exchange
        self._replication = replication
        self._clock = clock
        self._send = send
        self._peer = peer
        self._at_once = at_once
        self._number = 0
        self._waiting: Deferred[Answer] | None = None
        self._seen: Seen = {}
        self._later = False
        self._stopped = False
        self.samples = 0
        self._timer: IDelayedCall | None = clock.callLater(FIRST, self._look)

    def _look(self) -> None:
        self._timer = None
        replication = self._replication
        if replication is not None and (replication.busy or not replication.progress.charts):
            self._timer = self._clock.callLater(FIRST, self._look)
            return
        running: Deferred[None] = self._at_once.run(lambda: Deferred.fromCoroutine(self._complete()))
        running.addErrback(self._failed).addCallback(self._over)

    def _failed(self, failure: Failure) -> None:
        if self._stopped or failure.check(CancelledError):
            return
        if failure.check(ValueError, TimedOut, ProtocolError):
            self._log.warn(
                "{peer}: {host}: its older history is not fetched: {problem}",
                peer=self._peer,
                host=self._host.info.hostname,
                problem=failure.getErrorMessage(),
            )
        else:
            self._log.failure("{host}: its older history is not fetched", failure, host=self._host.info.hostname)
        self._later = False

    def _over(self, _: None) -> None:
        if not self._stopped:
            self._timer = self._clock.callLater(SOON if self._later else AGAIN, self._look)

    def stop(self) -> None:
        """
        The connection is gone: what came is kept still, and nothing is asked
        any more.
        """
        self._stopped = True
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.cancel()

    def heard(self, body: bytes) -> None:
        """
        The child answers.
        """
        waiting = self._waiting
        if waiting is None or self._stopped:
            return
        try:
            answer = parse_answer(body)
        except ValueError:
            self._waiting = None
            waiting.errback(Failure())
            return
        if answer.number == self._number:
            self._waiting = None
            waiting.callback(answer)

    async def _ask(
        self, kind: str, where: StoredRows | None = None, charts: Sequence[str] = (), skip: int = 0
    ) -> Answer:
        if self._stopped:
            raise CancelledError
        self._number += 1
        waiting: Deferred[Answer] = Deferred()
        self._waiting = waiting
        waiting.addTimeout(PATIENCE, self._clock, self._silence)
        self._send(Question(self._number, kind, where, charts, skip).line())
        return await waiting

    def _silence(self, result: object, timeout: float) -> object:
        self._waiting = None
        raise TimedOut(f"no answer in {timeout:g} s")

    async def _complete(self) -> None:
        guid, before = self._host.info.guid, self.samples
        exchange = self._exchange()
        if exchange is None or self._stopped:
            return
        kept = (await self._ask(KEPT)).kept()
        found, self._later = worth_asking(kept, exchange.kept(guid), exchange.oldest(guid), self._seen)
        for where, own in found:
            await self._fetch(exchange, where)
            self._seen[where.tier, where.start] = where.samples, own
        # What came made coarser rows change.
        self._later = self._later or self.samples > before
        if self.samples > before:
            self._log.info(
                "{peer}: {host}: {samples} samples and rows of coarser tiers were missing and came",
                peer=self._peer,
                host=self._host.info.hostname,
                samples=self.samples - before,
            )

    async def _fetch(self, exchange: IExchange, where: StoredRows) -> None:
        """
        Fetch what is missing of some rows.
        """
        guid = self._host.info.guid
        theirs: dict[str, int] = {}
        more = True
        while more:
            answer = await self._ask(COUNTS, where, skip=len(theirs))
            told = answer.counts()
            more = answer.more and bool(told.keys() - theirs.keys())
            theirs |= told
        charts = lacking(theirs, await exchange.counts(guid, where))
        for lot in lots(charts):
            await self._define(exchange.lacks(guid, lot))
            skip, more = 0, True
            while more:
                answer = await self._ask(CELLS, where, lot, skip)
                cells = answer.cells(where)
                wanted = {*lot}
                if any(chart not in wanted for chart, _ in cells.series):
                    raise ValueError("it tells what was not asked for")
                skip += len(cells.series)
                more = answer.more and bool(cells.series)
                self.samples += await exchange.fill(guid, cells)
                self._host.changes += 1

    async def _define(self, charts: Sequence[str]) -> None:
        """
        Learn of charts that are collected no more.
        """
        host = self._host
        new = [chart for chart in charts if chart not in host.charts]
        for at in range(0, len(new), DEFINED_AT_ONCE):
            some = new[at : at + DEFINED_AT_ONCE]
            text = (await self._ask(CHARTS, charts=some)).definitions()
            receiver = Receiver(SeriesTable(host.info.guid), Capability.CLABELS, update_every=host.info.update_every)
            end = EndDefinition(0, 0, 0).line() if text else b""
            for update in receiver.receive(text + end, self._clock.seconds()):
                if isinstance(update, ChartDefined) and update.chart.id in some:
                    await host.past.put_chart(host.info.guid, evolve(update.chart, obsolete=True))
