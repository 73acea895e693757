"""
The engine C{ram}: everything in memory, for as long as the process lives.
"""

from __future__ import annotations

from collections.abc import Sequence

from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer

from netstream.db.grid import Grid
from netstream.db.interfaces import Health, HostRecord, IMetricsDB, StoredHost
from netstream.db.memory import InMemory
from netstream.model.chart import Chart
from netstream.model.samples import SampleBatch


class _Node:
    def __init__(self, retention: int) -> None:
        self.record: HostRecord | None = None
        self.charts: dict[str, Chart] = {}
        self.grid = Grid()
        self.retention = retention

    def append(self, batch: SampleBatch) -> None:
        newest = max(self.grid.newest, int(batch.time.max()))
        oldest = newest - self.retention + 1
        self.grid.append(batch, oldest)
        self.grid.trim(oldest)


@implementer(IMetricsDB)
class RamDB(InMemory[_Node]):
    """
    The newest samples of each node in memory.

    Retention counts back from the newest sample of a node, so that a node
    that went offline keeps what it had.

    @ivar retention: Seconds that are kept unless L{retain} says otherwise.
    """

    mode = "ram"

    def __init__(self, retention: int = 3600, update_every: int = 1) -> None:
        """
        @param retention: Seconds to keep.
        @param update_every: Base period of this node in seconds; at least one
            sample of each series is kept however short the retention is.
        """
        super().__init__()
        self.retention = max(retention, update_every)

    def _node(self, guid: str) -> _Node:
        node = self._nodes.get(guid)
        if node is None:
            node = self._nodes[guid] = _Node(self.retention)
        return node

    def close(self) -> Deferred[None]:
        self._nodes.clear()
        return succeed(None)

    def put_host(self, record: HostRecord) -> Deferred[None]:
        self._node(record.info.guid).record = record
        return succeed(None)

    def put_chart(self, node: str, chart: Chart) -> Deferred[None]:
        self._node(node).charts[chart.id] = chart
        return succeed(None)

    def stored(self) -> Deferred[Sequence[StoredHost]]:
        return succeed(
            [
                StoredHost(node.record, dict(node.charts), node.grid.bounds())
                for node in self._nodes.values()
                if node.record is not None
            ]
        )

    def append(self, batch: SampleBatch) -> Deferred[None]:
        if len(batch):
            self._node(batch.table.node).append(batch)
        return succeed(None)

    def retain(self, node: str, seconds: int | None) -> Deferred[None]:
        known = self._node(node)
        known.retention = self.retention if seconds is None else max(1, seconds)
        known.grid.trim(known.grid.newest - known.retention + 1)
        return succeed(None)

    def forget(self, node: str, chart: str | None = None) -> Deferred[None]:
        if chart is None:
            self._nodes.pop(node, None)
        elif node in self._nodes:
            self._nodes[node].charts.pop(chart, None)
            self._nodes[node].grid.forget(chart)
        return succeed(None)

    def health(self) -> Health:
        return Health()
