"""
The hosts that stream here as charts of this node: for alerts about children
that say nothing any more.

Each has a chart of the context C{netstream.child}, so that such alerts are
definitions like all others, with a history to look at.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from attrs import define, field, frozen

from netstream.hub.hub import Host, Hub
from netstream.model.chart import Chart, Dimension
from netstream.model.host import Label
from netstream.model.samples import Int64s, SampleBatch
from netstream.model.updates import ChartDefined, ChartForgotten, Update

EVERY = 10
"""Seconds between two samples."""
AT_ONCE = 50
"""Hosts between two steps, if their charts are known."""
MOST_VALUES = 400
"""Of new charts and others that are stored at once."""
CONTEXT = "netstream.child"
STOPPED_AFTER = 60
"""Seconds behind the host's newest sample after which a chart has stopped, at
least; or five of its periods."""
EPHEMERAL_GONE = 3600
"""Seconds after which a host that comes and goes is gone, and not missed."""

_PLUGIN = "netstream.plugin"
_NODE = Chart(
    "netstream.alerts",
    title="netstream alerts: what keeps people from being told",
    units="count",
    family="alerts",
    context="netstream.alerts",
    priority=130031,
    update_every=EVERY,
    plugin=_PLUGIN,
    module="own",
    dimensions={
        name: Dimension(name, name.replace("_", " "))
        for name in ("messages_waiting", "messages_given_up", "database_problem")
    },
)


@frozen(eq=False)
class _Series:
    """
    The first series of each chart of a host.

    @ivar given: How many numbers the host had given then.
    @ivar numbers: Their numbers.
    @ivar patience: Seconds after which each has stopped.
    """

    given: int
    numbers: Int64s
    patience: Int64s


@define(eq=False)
class _Child:
    host: Host
    chart: Chart | None = None
    series: _Series | None = None

    def heard(self, update: Update) -> None:
        if isinstance(update, ChartDefined | ChartForgotten):
            self.series = None

    def find(self) -> bool:
        """
        Find the series of all charts, if others are known than before.

        @return: Whether they were looked for.
        """
        host = self.host
        if self.series is not None and self.series.given == host.table.given:
            return False
        charts = [chart for chart in host.charts.values() if not chart.obsolete and chart.dimensions]
        found = [(host.table.find(chart.id, next(iter(chart.dimensions))), chart) for chart in charts]
        known = [(number, chart.update_every) for number, chart in found if number is not None]
        numbers = np.array([number for number, _ in known], np.int64)
        patience = np.array([max(STOPPED_AFTER, 5 * every) for _, every in known], np.int64)
        self.series = _Series(host.table.given, numbers, patience)
        return True

    def stopped(self) -> int:
        """
        @return: How many charts send nothing, while others do.
        """
        self.find()
        assert self.series is not None
        times = self.host.latest.time
        inside = self.series.numbers < len(times)
        last = times[self.series.numbers[inside]]
        if not len(last):
            return 0
        return int(np.count_nonzero((last > 0) & (last < int(last.max()) - self.series.patience[inside])))


def _ephemeral(host: Host) -> bool:
    label = host.labels.get("_is_ephemeral")
    return label is not None and label.value.lower() in ("true", "yes", "1")


@define(eq=False)
class Children:
    """
    Collects the charts.

    @ivar started: Since when a host can be missed.
    """

    hub: Hub
    started: int
    _children: dict[str, _Child] = field(factory=dict)

    def collect(self, now: int, waiting: int, given_up: int) -> Iterator[None]:
        """
        Collect all charts once, in steps between which others may work.

        @param now: UTC second.
        @param waiting: Messages that are not delivered yet.
        @param given_up: Messages that were given up.
        """
        local = self.hub.local
        local.apply(ChartDefined(_NODE))
        databases = {host.db for host in (local, *self._hosts())}
        problem = int(any(db.health().problem is not None for db in databases))
        numbers = [local.table.number(_NODE.id, dimension) for dimension in _NODE.dimensions]
        values = [waiting, given_up, problem]
        for at, host in enumerate(tuple(self._hosts())):
            child = self._child(host)
            if self._is_gone(host, now):
                self._withdraw(child)
                continue
            is_new = child.chart is None
            chart = self._chart(child, _ephemeral(host))
            numbers += [local.table.number(chart.id, dimension) for dimension in chart.dimensions]
            came = host.online or host.seen >= self.started
            looked = host.online and child.find()
            values += [self.silence(host, now), int(host.online), int(came), child.stopped() if host.online else 0]
            if is_new or looked or at % AT_ONCE == AT_ONCE - 1:
                if len(values) >= MOST_VALUES:
                    local.apply(SampleBatch.of_second(local.table, now, numbers, values))
                    numbers, values = [], []
                yield
        if numbers:
            local.apply(SampleBatch.of_second(local.table, now, numbers, values))
        for guid in [guid for guid in self._children if self.hub.get(guid) is None]:
            self._withdraw(self._children.pop(guid))

    def _child(self, host: Host) -> _Child:
        child = self._children.get(host.info.guid)
        if child is None:
            child = self._children[host.info.guid] = _Child(host)
            host.subscribe(child.heard, samples=False)
        return child

    def _is_gone(self, host: Host, now: int) -> bool:
        return _ephemeral(host) and self.silence(host, now) > EPHEMERAL_GONE and not host.online

    def _hosts(self) -> Iterable[Host]:
        return (host for host in self.hub if not host.local)

    def silence(self, host: Host, now: int) -> int:
        """
        @return: Seconds since a host was heard of; before it ever was since
            the start of this node, since then.
        """
        times = host.latest.time
        newest = int(times.max()) if len(times) else 0
        # One that is ahead of our clock is heard of now.
        heard = newest if host.online else max(newest, int(host.seen))
        since = int(host.link.since) if host.link is not None and not newest else self.started
        return max(0, now - min(now, max(heard, since)))

    def _chart(self, child: _Child, ephemeral: bool) -> Chart:
        host, known = child.host, child.chart
        labels = {
            "child": Label(host.info.hostname),
            "child_guid": Label(host.info.guid),
            "ephemeral": Label("yes" if ephemeral else "no"),
        }
        if known is not None and known.labels == labels:
            return known
        chart = child.chart = Chart(
            f"netstream.child_{host.info.guid}",
            title="netstream child",
            units="value",
            family=host.info.hostname,
            context=CONTEXT,
            priority=130030,
            update_every=EVERY,
            plugin=_PLUGIN,
            module="children",
            dimensions={
                id: Dimension(id, name)
                for id, name in (
                    ("silent", "seconds silent"),
                    ("connected", "connected"),
                    ("came", "came since the start"),
                    ("stopped", "charts stopped"),
                )
            },
            labels=labels,
        )
        self.hub.local.apply(ChartDefined(chart))
        return chart

    def _withdraw(self, child: _Child) -> None:
        if child.chart is not None:
            self.hub.local.apply(ChartForgotten(child.chart.id))
            child.chart = None
