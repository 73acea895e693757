"""
What this program receives and sends, and what of it is lost.
"""

from __future__ import annotations

from netstream.collect.charts import AREA, LINE, STACKED, ChartText, Source, absolute, incremental
from netstream.collect.own import OWN
from netstream.hub.hub import Hub
from netstream.model.chart import ChartType, Dimension
from netstream.wire.handshake import Refusal

REFUSALS = tuple(
    refusal.name.lower()
    for refusal in (
        Refusal.DENIED,
        Refusal.NOT_ALLOWED,
        Refusal.ALREADY_STREAMING,
        Refusal.LOCALHOST,
        Refusal.BUSY,
        Refusal.INITIALIZING,
    )
)
"""Reasons for which a child is refused that have a dimension of their own."""

CALLS = ("answered", "expired", "lost", "cancelled", "late")
"""What becomes of a call."""

OTHER = "other"
_PERCENT = 100
_THOUSAND = 1000


class Streams:
    """
    Streaming in all directions, of all nodes together.

    There are no charts as long as nobody streams, and those of what is rare
    appear when it happens.
    """

    def __init__(self, hub: Hub, update_every: int) -> None:
        self._hub = hub
        self._priority = 130030
        self._source = Source(OWN, "streams", update_every)
        both = incremental("received"), incremental("sent")
        up, gone = absolute("online"), absolute("offline")
        self._nodes = self._chart("nodes", "nodes", "nodes", STACKED, up, gone)
        children, parents = absolute("children"), absolute("parents")
        self._streams = self._chart("streams", "connections of nodes", "streams", LINE, children, parents)
        self._samples = self._chart("samples", "samples that travel", "samples/s", LINE, *both)
        kib = incremental("received", 1, 1024), incremental("sent", -1, 1024)
        self._traffic = self._chart("traffic", "bytes that travel", "KiB/s", AREA, *kib)
        ratios = absolute("received", 1, _PERCENT), absolute("sent", 1, _PERCENT)
        self._ratio = self._chart("compression", "bytes of lines for each byte that travels", "ratio", LINE, *ratios)
        lag = absolute("lag", 1, _THOUSAND)
        self._lag = self._chart("lag", "age of the newest sample of the last child", "seconds", LINE, lag)
        waiting = absolute("waiting", 1, 1024)
        self._backlog = self._chart("backlog", "bytes that wait for parents", "KiB", AREA, waiting)
        filling = absolute("filling")
        self._filling = self._chart("filling", "connections that fill gaps", "streams", LINE, filling)
        slow, ahead = incremental("slow_parent", 1, 1, "slow parent"), incremental("ahead", 1, 1, "ahead of clock")
        spilled = incremental("spool_full", 1, 1, "spool full")
        self._lost = self._chart("lost", "samples lost on the way", "samples/s", STACKED, slow, ahead, spilled)
        reasons = [incremental(reason, 1, 1, reason.replace("_", " ")) for reason in (*REFUSALS, OTHER)]
        self._refused = self._chart("refused", "children not admitted", "children/s", STACKED, *reasons)
        broken = incremental("broken")
        self._broken = self._chart("broken", "connections closed for what was said", "connections/s", LINE, broken)
        self._calls = self._chart("calls", "calls of functions", "calls/s", STACKED, *map(incremental, CALLS))
        self._all = (
            *(self._nodes, self._streams, self._samples, self._traffic, self._ratio, self._lag),
            *(self._backlog, self._filling, self._lost, self._refused, self._broken, self._calls),
        )

    def _chart(self, name: str, title: str, units: str, chart_type: ChartType, *dimensions: Dimension) -> ChartText:
        self._priority += 1
        chart_id = f"netstream.{name}"
        return self._source.chart(
            chart_id, f"netstream {title}", units, "streaming", chart_id, chart_type, self._priority, *dimensions
        )

    @property
    def source(self) -> str:
        return "the streams"

    def collect(self, now: int) -> bytes:
        hub, counts = self._hub, self._hub.counts
        online = children = parents = 0
        for host in hub:
            online += host.online
            children += host.link is not None
            parents += host.upstream is not None and host.upstream.connected
        if not (children or parents or self._streams.shown or len(hub) > 1 or any(counts.refused.values())):
            return b""
        received, sent = counts.received, counts.sent
        refused = [counts.refused[reason] for reason in REFUSALS]
        refused.append(sum(counts.refused.values()) - sum(refused))
        return b"".join(
            (
                self._nodes.block(now, online, len(hub) - online),
                self._streams.block(now, children, parents),
                self._samples.block(now, received.samples, sent.samples),
                self._traffic.block(now, received.wire, sent.wire),
                self._ratio.block(now, round(received.ratio * _PERCENT), round(sent.ratio * _PERCENT)),
                self._lag.unless_idle(now, round(counts.lag * _THOUSAND)),
                self._backlog.unless_idle(now, counts.backlog),
                self._filling.unless_idle(now, counts.filling),
                self._lost.block(now, counts.dropped, counts.ahead, counts.spilled),
                self._refused.unless_idle(now, *refused),
                self._broken.unless_idle(now, counts.broken),
                self._calls.unless_idle(now, *(counts.calls[outcome] for outcome in CALLS)),
            )
        )

    def withdraw(self) -> bytes:
        return b"".join(chart.withdraw() for chart in self._all)

    def close(self) -> None:
        pass
