"""
The spool: samples of nodes without a database, for parents that are away.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer

from netstream.db.grid import SECONDS, Grid
from netstream.db.interfaces import Health, HostRecord, IMetricsDB, StoredHost
from netstream.db.memory import InMemory
from netstream.db.spooling import Spooling
from netstream.model.chart import Chart
from netstream.model.samples import SampleBatch

KEPT = 1200
"""Seconds for which samples are kept that a parent was given: an agent that is
killed loses about as many, and asks for them when it is back."""

ROOM = 16
"""The part of the room that is made at once when there is none, as a divisor,
so that it is not looked for with each sample."""


LATE = 16
"""Seconds after the end of a block in which samples of it may still come; then
it is packed."""

WIDEST = 2048
"""Series of a node whose blocks are packed.  With more of them that would keep
others waiting for more than some ten milliseconds."""


class _Node:
    """
    @ivar size: Bytes of its samples.
    @ivar delivered: The newest second that a parent was given.
    """

    def __init__(self) -> None:
        self.grid = Grid()
        self.size = 0
        self.delivered = 0
        self._packed = 0

    def pack(self, newest: int) -> None:
        """
        Pack what is complete.

        @param newest: The second of the samples that came last.
        """
        number = (newest - LATE) // SECONDS
        if number > self._packed:
            self._packed = number
            self.pack_again()

    def pack_again(self) -> None:
        """
        Pack what was complete and was written again.
        """
        if len(self.grid.keys) <= WIDEST:
            self.grid.pack(self._packed * SECONDS)

    def measure(self) -> int:
        """
        @return: By how many bytes it grew since.
        """
        before, self.size = self.size, self.grid.nbytes
        return self.size - before

    def drop_oldest(self) -> int:
        """
        @return: How many samples nobody was given of those that were dropped.
        """
        number = min(self.grid.blocks)
        block = self.grid.blocks[number]
        lost = 0
        if block.end > self.delivered:
            columns = np.arange(block.width, dtype=np.int32)
            rows = block.get(columns, max(self.delivered, block.start - 1), block.end)
            lost = int(np.count_nonzero(~np.isnan(rows.values)))
        self.grid.trim((number + 1) * SECONDS)
        return lost


@implementer(IMetricsDB)
class Spool(Spooling, InMemory[_Node]):
    """
    The newest samples of all nodes, in so many bytes of memory; the oldest go.

    What a parent was given is kept for L{KEPT} seconds of the node's time.
    What is complete is packed, to a quarter of its size or less.
    """

    mode = "spool"

    def __init__(self, most: int) -> None:
        Spooling.__init__(self, most)
        InMemory.__init__(self)
        self._size = 0

    def close(self) -> Deferred[None]:
        self._nodes.clear()
        self._size = 0
        return succeed(None)

    def put_host(self, record: HostRecord) -> Deferred[None]:
        return succeed(None)

    def put_chart(self, node: str, chart: Chart) -> Deferred[None]:
        return succeed(None)

    def stored(self) -> Deferred[Sequence[StoredHost]]:
        return succeed([])

    def append(self, batch: SampleBatch) -> Deferred[None]:
        if len(batch):
            node = self._nodes.get(batch.table.node)
            if node is None:
                node = self._nodes[batch.table.node] = _Node()
            node.grid.append(batch)
            node.pack(int(batch.time.max()))
            self._size += node.measure()
            if self._size > self.most:
                self._make_room()
        return succeed(None)

    def _make_room(self) -> None:
        """
        Drop the oldest samples of all.
        """
        for node in self._nodes.values():
            node.pack_again()
            self._size += node.measure()
        least = self.most - self.most // ROOM
        while self._size > least:
            filled = [(min(node.grid.blocks), guid) for guid, node in self._nodes.items() if node.grid.blocks]
            if not filled:
                break
            guid = min(filled)[1]
            node = self._nodes[guid]
            lost = node.drop_oldest()
            self._size += node.measure()
            self.spill(guid, lost)

    def delivered(self, node: str, second: int) -> None:
        known = self._nodes.get(node)
        if known is None or second <= known.delivered:
            return
        known.delivered = second
        oldest = second - KEPT
        if known.grid.blocks and (min(known.grid.blocks) + 1) * SECONDS <= oldest:
            known.grid.trim(oldest)
            self._size += known.measure()

    def retain(self, node: str, seconds: int | None) -> Deferred[None]:
        return succeed(None)

    def forget(self, node: str, chart: str | None = None) -> Deferred[None]:
        if chart is None:
            gone = self._nodes.pop(node, None)
            self._size -= gone.size if gone is not None else 0
        elif node in self._nodes:
            self._nodes[node].grid.forget(chart)
        return succeed(None)

    def health(self) -> Health:
        return Health(lost=self.lost)
