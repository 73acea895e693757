"""
New samples as they come, for pages that show them: Server-Sent Events.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from attrs import define
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConsumer, IDelayedCall, IPushProducer, IReactorTime
from twisted.web.iweb import IRequest
from zope.interface import implementer

from netstream.hub.hub import Host
from netstream.model.chart import Chart
from netstream.model.samples import Int64s
from netstream.turns import Turns
from netstream.web.answer import Answer, Refusal, begin, encode

CONTENT_TYPE = "text/event-stream; charset=utf-8"
MOST_STREAMS = 1000
"""Pages that are told at once."""
MOST_CHARTS = 200
"""Charts of one of them."""
EVERY = 0.5
"""Seconds between looks at what is new: half of the shortest update every, so
that no sample is passed over."""
QUIET = 15.0
"""Seconds after which a line without meaning keeps proxies from hanging up."""
_SPREAD = (math.sqrt(5) - 1) / 2
"""Multiples of this, less their whole parts, lie evenly between 0 and 1, however many there are."""
SETTLED = 3
"""Seconds after which a sample is sent although dimensions are missing."""


@define(eq=False)
class _Followed:
    """
    A chart that a page shows.

    @ivar series: Numbers of its visible dimensions, in their order.
    @ivar sent: UTC second of the newest sample that was sent.
    """

    chart: Chart
    dimensions: list[str]
    series: Int64s
    sent: int


@implementer(IPushProducer)
class _Stream:
    """
    What one page is told.

    Only the newest sample counts, so a client that reads slowly is told less
    and nothing piles up for it.
    """

    def __init__(
        self, request: IRequest, host: Host, charts: Sequence[str], clock: IReactorTime, turns: Turns, phase: float
    ) -> None:
        """
        @param request: Has its headers already.
        @param charts: Ids.
        @param turns: Says when others shall not have to wait any longer.
        @param phase: From 0 to 1: when in the time between two looks it looks.
        """
        self.done: Deferred[bytes] = Deferred(lambda _: self._stop())
        self._request = request
        self._host = host
        self._ids = tuple(charts)
        self._clock = clock
        self._turns = turns
        self._waits = False
        self._paused = False
        self._call: IDelayedCall | None = None
        self._followed: dict[str, _Followed] = {}
        self._known: tuple[int, int] | None = None
        self._online: bool | None = None
        self._wrote = clock.seconds()
        self._due = self._wrote - EVERY * (1 - phase) if phase else self._wrote
        self._look()

    def pauseProducing(self) -> None:
        """
        The client does not keep up (called by Twisted).
        """
        self._paused = True

    def resumeProducing(self) -> None:
        """
        The client has read what was sent (called by Twisted).
        """
        self._paused = False

    def stopProducing(self) -> None:
        """
        The client is gone (called by Twisted).
        """
        self._stop()

    def _stop(self) -> None:
        if self._call is not None and self._call.active():
            self._call.cancel()
        self._call = None

    def _look(self) -> None:
        # By the schedule, not by the last look: after a pause all would look at once, and go on so.
        now = self._clock.seconds()
        self._due += EVERY * max(1, math.ceil((now - self._due) / EVERY))
        self._call = self._clock.callLater(max(0.0, self._due - now), self._look)
        if self._paused or self._waits:
            return
        if self._turns.is_over():
            self._waits = True
            self._turns.wait(self._its_turn)
        else:
            self._tell()

    def _its_turn(self) -> None:
        self._waits = False
        if self._call is not None:
            self._tell()

    def _tell(self) -> None:
        said = self._news()
        now = self._clock.seconds()
        if not said and now - self._wrote >= QUIET:
            said = b":\n\n"
        if said:
            self._wrote = now
            self._request.write(said)

    def _news(self) -> bytes:
        said = b""
        if self._host.online != self._online:
            self._online = self._host.online
            said = _event("node", {"online": self._online})
        samples = self._samples()
        return said + _event("samples", samples) if samples else said

    def _follow(self) -> None:
        """
        Find the series of the charts, which may be others than before.
        """
        table, charts = self._host.table, self._host.charts
        known = (table.generation, table.releases)
        for id in self._ids:
            chart, followed = charts.get(id), self._followed.get(id)
            if chart is None:
                self._followed.pop(id, None)
                continue
            if followed is not None and followed.chart is chart and known == self._known and -1 not in followed.series:
                continue
            shown = [d for d in chart.dimensions.values() if not d.hidden]
            found = [table.find(id, d.id) for d in shown]
            series = np.array([-1 if number is None else number for number in found], np.int64)
            sent = followed.sent if followed is not None else 0
            self._followed[id] = _Followed(chart, [d.id for d in shown], series, sent)
        self._known = known

    def _samples(self) -> dict[str, tuple[int, dict[str, float]]]:
        self._follow()
        latest = self._host.latest
        settled = int(self._clock.seconds()) - SETTLED
        found: dict[str, tuple[int, dict[str, float]]] = {}
        for id, followed in self._followed.items():
            series = followed.series
            if not len(series) or series.max() >= len(latest.time) or series.min() < 0:
                continue
            times = latest.time[series]
            newest = int(times.max())
            if newest <= followed.sent or (newest > settled and times.min() != newest):
                continue
            values = np.where(times == newest, latest.value[series], np.nan)
            found[id] = newest, dict(zip(followed.dimensions, values.tolist(), strict=True))
            followed.sent = newest
        return found


def _event(name: str, value: object) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (name.encode(), encode(value))


class Events:
    """
    All pages that are told of new samples.
    """

    def __init__(self, turns: Turns) -> None:
        """
        @param turns: Says when others shall not have to wait any longer.
        """
        self._clock = turns.clock
        self._turns = turns
        self._streams = 0
        self._opened = -1

    def follow(self, request: IRequest, host: Host, charts: str) -> Deferred[bytes]:
        """
        Begin to tell a page of the new samples of charts.

        @param charts: Their ids, one a line.
        @return: Does not fire before the client is gone.
        @raise Refusal: It asks for too much, or too many ask.
        """
        ids = list(dict.fromkeys(filter(None, charts.split("\n"))))
        if not ids:
            raise Refusal(400, "charts: names no chart; give their ids, one a line.\n")
        if len(ids) > MOST_CHARTS:
            raise Refusal(400, f"charts: {len(ids)} are too many, at most {MOST_CHARTS} are told of at once.\n")
        if self._streams >= MOST_STREAMS:
            raise Refusal(503, "Too many pages are told of new samples already; ask instead.\n", {"Retry-After": "60"})
        # Nginx would collect what is meant to be there at once.
        headers = {"X-Accel-Buffering": "no"}
        begin(request, Answer(b"", CONTENT_TYPE, headers=headers), self._clock.seconds())
        if request.method == b"HEAD":
            done: Deferred[bytes] = Deferred()
            done.callback(b"")
            return done
        request.write(b"retry: 5000\n\n")
        self._opened += 1
        stream = _Stream(request, host, ids, self._clock, self._turns, self._opened * _SPREAD % 1)
        IConsumer(request).registerProducer(stream, True)
        self._streams += 1

        def gone(result: object) -> object:
            self._streams -= 1
            return result

        return stream.done.addBoth(gone)
