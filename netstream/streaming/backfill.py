"""
Fetching what is missing of the past of a child's charts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from netstream.db.interfaces import Span
from netstream.hub.hub import Host
from netstream.model.updates import HistoryComplete
from netstream.session.replication import Replication
from netstream.wire.words import clean

LOOKED_EVERY = 5.0
"""Seconds between two looks for requests that are not answered."""

GATHERED_FOR = 0.25
"""Seconds between two questions to the database about charts that are defined
once more."""

EVERYTHING = 1 << 40
"""Stands for the newest second of charts of which nobody can tell it: nothing
is asked for then."""


class Backfill:
    """
    Asks a child for what is missing, as L{Replication} says, and the database
    for what is here: once for the whole host, and later for all charts at
    once that are defined anew.
    """

    _log = Logger()

    def __init__(
        self, host: Host, replication: Replication, clock: IReactorTime, send: Callable[[bytes], None], peer: str
    ) -> None:
        """
        @param host: Whose past.
        @param send: Sends requests to the child.
        @param peer: Where the child is, for the log.
        """
        self._host = host
        self._replication = replication
        self._clock = clock
        self._send = send
        self._peer = peer
        self._spans: Mapping[str, Span] | None = None
        self._defined: set[str] = set()
        self._waiting: list[str] = []
        self._asking = False
        self._asked = 0.0
        self._turn: IDelayedCall | None = None
        self._timer: IDelayedCall | None = None
        self._stopped = False
        self._said = False

    def look(self) -> None:
        """
        The child said something: go on.
        """
        replication = self._replication
        if not replication.busy or self._stopped:
            return
        wanting = replication.wanting()
        if wanting:
            self._waiting += wanting
            self._find()
        self._request()
        if self._timer is None and not self._stopped:
            self._timer = self._clock.callLater(LOOKED_EVERY, self._check)

    def _find(self) -> None:
        """
        See to it that we learn what is here of the charts that wait.
        """
        if self._asking or not self._waiting:
            return
        if self._spans is None:
            self._asking = True
            # What was written before must be seen.
            if self._host.past.fresh:
                self._turn = self._clock.callLater(self._host.past.fresh, self._ask_everything)
            else:
                self._ask_everything()
            return
        waiting, self._waiting = self._waiting, []
        again = []
        found = {}
        for chart in waiting:
            if chart in self._defined:
                again.append(chart)
            else:
                self._defined.add(chart)
                span = self._spans.get(clean(chart))
                found[chart] = span.last if span is not None else 0
        self._replication.found(found)
        if again:
            self._waiting = again
            if self._turn is None:
                wait = max(0.0, self._asked + GATHERED_FOR - self._clock.seconds())
                self._turn = self._clock.callLater(wait, self._ask_again)

    def _ask_everything(self) -> None:
        self._turn = None
        self._asked = self._clock.seconds()
        asking = self._host.past.bounds(self._host.info.guid)
        asking.addCallbacks(self._know, self._know_nothing)
        asking.addErrback(lambda failure: self._log.failure("what is missing cannot be asked for", failure))

    def _know(self, spans: Mapping[str, Span]) -> None:
        self._spans = spans
        self._asking = False
        if not self._stopped:
            self._find()
            self._request()

    def _ask_again(self) -> None:
        self._turn = None
        self._asking = True
        self._asked = self._clock.seconds()
        charts, self._waiting = self._waiting, []

        def known(spans: Mapping[str, Span]) -> None:
            self._asking = False
            lasts = {chart: spans[clean(chart)].last if clean(chart) in spans else 0 for chart in charts}
            self._replication.found(lasts)
            if not self._stopped:
                self._find()
                self._request()

        def unknown(failure: Failure) -> None:
            self._waiting = charts + self._waiting
            self._know_nothing(failure)

        asking = self._host.past.bounds(self._host.info.guid, [clean(chart) for chart in charts])
        asking.addCallbacks(known, unknown)
        asking.addErrback(lambda failure: self._log.failure("what is missing cannot be asked for", failure))

    def _know_nothing(self, failure: Failure) -> None:
        self._log.failure(
            "{host}: the database does not tell what it has; nothing is asked for",
            failure,
            host=self._host.info.hostname,
        )
        self._asking = False
        waiting, self._waiting = self._waiting, []
        self._replication.found(dict.fromkeys(waiting, EVERYTHING))
        if not self._stopped:
            self._request()

    def _request(self) -> None:
        requests = self._replication.requests(self._clock.seconds())
        if requests:
            self._send(b"".join([request.line() for request in requests]))
        progress = self._replication.progress
        if progress.done and progress.samples and not self._said:
            self._said = True
            self._log.info(
                "{peer}: {host}: {samples} samples of the past came in {seconds:.1f} s; nothing is missing now",
                peer=self._peer,
                host=self._host.info.hostname,
                samples=progress.samples,
                seconds=progress.until - progress.since,
            )

    def _check(self) -> None:
        self._timer = None
        again, given_up = self._replication.overdue(self._clock.seconds())
        if again:
            self._log.info(
                "{peer}: {host}: no answer about the past of {count} charts, such as {chart}; they are asked for again",
                peer=self._peer,
                host=self._host.info.hostname,
                count=len(again),
                chart=clean(again[0].chart),
            )
            self._send(b"".join([request.line() for request in again]))
        if given_up:
            self._log.warn(
                "{peer}: {host}: the past of {count} charts is given up, since it is not answered for: {charts}",
                peer=self._peer,
                host=self._host.info.hostname,
                count=len(given_up),
                charts=", ".join([clean(chart) for chart in given_up[:10]]),
            )
            for chart in given_up:
                self._host.apply(HistoryComplete(clean(chart)))
        self._request()
        if self._replication.busy:
            self._timer = self._clock.callLater(LOOKED_EVERY, self._check)

    def stop(self) -> None:
        """
        The connection is gone.
        """
        self._stopped = True
        for timer in (self._turn, self._timer):
            if timer is not None and timer.active():
                timer.cancel()
        self._turn = self._timer = None
