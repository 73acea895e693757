"""
What this program does, in numbers for Prometheus: how samples come and go, and
what is lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from attrs import frozen
from prometheus_client import ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

import netstream
from netstream.hub.figures import Traffic
from netstream.hub.hub import Host, Hub
from netstream.model.progress import Progress
from netstream.turns import Turns
from netstream.web.answer import clean

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_PROCESS = ProcessCollector(registry=None)
_NODE = ("node", "guid")


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, value=value)


def _counter(name: str, text: str, value: float) -> CounterMetricFamily:
    return CounterMetricFamily(name, text, value=value)


@frozen
class Own:
    """
    The figures of a node.

    @ivar now: UTC seconds.
    @ivar nodes: Whether each node is told of by itself, or only all together.
    """

    hub: Hub
    now: float
    nodes: bool = True

    def families(self) -> Iterator[Metric]:
        """
        @return: One family of metrics after the other.
        """
        yield from _PROCESS.collect()
        yield from self._whole()
        yield from self._lost()
        if self.nodes:
            yield from self._children()
            yield from self._parents()

    def _whole(self) -> Iterator[Metric]:
        hub = self.hub
        info = {"version": netstream.__version__, "node": clean(hub.local.info.hostname), "guid": hub.local.info.guid}
        yield InfoMetricFamily("netstream", "Who this is.", info)
        nodes = GaugeMetricFamily("netstream_nodes", "Nodes that are known.", labels=["state"])
        nodes.add_metric(["online"], sum(host.online for host in hub))
        nodes.add_metric(["offline"], sum(not host.online for host in hub))
        yield nodes
        yield _gauge("netstream_series", "Series of all nodes.", sum(host.table.living for host in hub))
        counts = hub.counts
        for name, moved, whom in (
            ("received", counts.received, "from children"),
            ("sent", counts.sent, "to parents"),
        ):
            yield _counter(f"netstream_{name}_bytes", f"Bytes {name} {whom}, as they travelled.", moved.wire)
            yield _counter(f"netstream_{name}_text_bytes", f"Bytes {name} {whom}, not compressed.", moved.text)
            yield _counter(f"netstream_{name}_samples", f"Samples {name} {whom}.", moved.samples)
        yield _counter("netstream_children_accepted", "Children that were admitted.", counts.accepted)
        yield _gauge("netstream_children", "Children that are connected.", sum(host.link is not None for host in hub))
        up = sum(host.upstream is not None and host.upstream.connected for host in hub)
        yield _gauge("netstream_parents", "Connections to parents.", up)
        calls = CounterMetricFamily(
            "netstream_function_calls", "Calls of functions of children, by what became of them.", labels=["outcome"]
        )
        for outcome in ("answered", "expired", "late", "lost", "cancelled"):
            calls.add_metric([outcome], counts.calls[outcome])
        yield calls

    def _lost(self) -> Iterator[Metric]:
        counts, health = self.hub.counts, self.hub.health()
        lost = CounterMetricFamily("netstream_samples_lost", "Samples that were lost, by reason.", labels=["reason"])
        lost.add_metric(["slow_parent"], counts.dropped)
        lost.add_metric(["spool_full"], counts.spilled)
        lost.add_metric(["ahead_of_clock"], counts.ahead)
        lost.add_metric(["not_stored"], health.lost)
        yield lost
        refused = CounterMetricFamily(
            "netstream_children_refused", "Children that were not admitted, by reason.", labels=["reason"]
        )
        for reason, count in sorted(counts.refused.items()):
            refused.add_metric([reason], count)
        yield refused
        yield _counter(
            "netstream_connections_broken", "Connections of children closed for what they said.", counts.broken
        )
        disk = GaugeMetricFamily("netstream_db_disk_bytes", "Bytes of the database on disk.", labels=["part"])
        for part, size in health.disk.items():
            disk.add_metric([part], size)
        yield disk
        yield _gauge("netstream_db_damaged_parts", "Parts of the database that could not be read.", health.damaged)

    def _children(self) -> Iterator[Metric]:
        linked = [(host, host.link) for host in self.hub if host.link is not None]
        yield from _moved("child_received", ((host, link.traffic) for host, link in linked))
        yield _of_nodes("child_hops", "Hops from the origin.", ((host, host.info.hops) for host, _ in linked))
        lags = ((host, self.now - host.latest.newest) for host, _ in linked if host.latest.newest)
        yield _of_nodes("child_lag_seconds", "Age of the newest sample.", lags)
        done = ((host, _done(host.replication)) for host, _ in linked)
        yield _of_nodes("child_replication_done_ratio", "Part of its gaps that is filled.", done)

    def _parents(self) -> Iterator[Metric]:
        sending = [(host, host.upstream) for host in self.hub if host.upstream is not None]
        yield from _moved("parent_sent", ((host, shown.traffic) for host, shown in sending))
        yield _of_nodes(
            "parent_up", "Whether a parent takes samples.", ((host, shown.connected) for host, shown in sending)
        )
        yield _of_nodes(
            "parent_backlog_bytes", "Bytes that wait for it.", ((host, shown.backlog()) for host, shown in sending)
        )
        lags = ((host, shown.lag(self.now)) for host, shown in sending)
        yield _of_nodes("parent_lag_seconds", "Seconds for which it has taken nothing that waits.", lags)
        done = ((host, _done(shown.replication)) for host, shown in sending)
        yield _of_nodes("parent_replication_done_ratio", "Part of its gaps that is filled.", done)
        dropped = CounterMetricFamily(
            "netstream_parent_dropped_samples", "Samples dropped since it was too slow.", labels=_NODE
        )
        for host, shown in sending:
            dropped.add_metric(_labels(host), shown.dropped)
        yield dropped


def _of_nodes(name: str, text: str, values: Iterable[tuple[Host, float]]) -> Metric:
    family = GaugeMetricFamily(f"netstream_{name}", text, labels=_NODE)
    for host, value in values:
        family.add_metric(_labels(host), value)
    return family


def _done(progress: Progress | None) -> float:
    return 1.0 if progress is None else progress.fraction


def _labels(host: Host) -> list[str]:
    return [clean(host.info.hostname), host.info.guid]


def _moved(name: str, connections: Iterable[tuple[Host, Traffic]]) -> Iterator[Metric]:
    """
    @param name: Who did what, such as C{child_received}.
    @return: What was said on each connection, since it began.
    """
    wire = CounterMetricFamily(f"netstream_{name}_bytes", "Bytes as they travelled.", labels=_NODE)
    samples = CounterMetricFamily(f"netstream_{name}_samples", "Samples.", labels=_NODE)
    ratio = GaugeMetricFamily(f"netstream_{name}_compression_ratio", "Bytes of lines for each byte.", labels=_NODE)
    for host, moved in connections:
        labels = _labels(host)
        wire.add_metric(labels, moved.wire)
        samples.add_metric(labels, moved.samples)
        ratio.add_metric(labels, moved.ratio)
    yield from (wire, samples, ratio)


class _Some(Collector):
    """
    Families that are written by themselves, so that other work gets its turn
    in between.
    """

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


async def expose(own: Own, turns: Turns) -> bytes:
    """
    @return: All figures in the text format.
    """
    pieces = []
    for family in own.families():
        pieces.append(generate_latest(_Some([family])))
        if len(family.samples) > 100:
            await turns.breathe()
    return b"".join(pieces)
