"""
What the disk engine forgets by itself: charts and nodes of which nothing is
left.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np
from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from netstream.db import metadata
from netstream.db.dbengine.node import HotNode
from netstream.db.dbengine.retention import Retention
from netstream.db.dbengine.storage import Storage
from netstream.db.interfaces import HostRecord
from netstream.db.workers import Workers
from netstream.model.chart import Chart

EPHEMERAL = "_is_ephemeral"
"""Label of hosts that come and go."""

_EVERY = 600
_NEW = 86400
_AT_ONCE = 200


@frozen
class Cleanup:
    """
    When charts and nodes are forgotten; 0 is never.

    @ivar charts: Seconds after its last sample for which a chart that is
        obsolete is given to whoever starts.
    @ivar nodes: Seconds that a node of which nothing is left has to be
        offline.
    @ivar ephemeral: Seconds after which a node that is ephemeral and offline
        is forgotten with all its samples.
    """

    charts: int = 3600
    nodes: int = 3600
    ephemeral: int = 0

    def shows(self, chart: Chart, last: int, now: float) -> bool:
        """
        @param last: Second of its newest sample; 0 if it has none.
        @return: Whether a chart is among those that a node begins with.
        """
        return not (chart.obsolete and self.charts) or last >= now - self.charts

    def forgets(self, record: HostRecord, last: int, empty: bool, now: float) -> bool:
        """
        @param last: Second of the newest sample; 0 if there is none.
        @param empty: Whether all of it is past its retention.
        @return: Whether a node is to be forgotten.
        """
        offline = now - max(record.connected, last)
        label = record.labels.get(EPHEMERAL)
        if self.ephemeral and label is not None and label.value == "true" and offline > self.ephemeral:
            return True
        # One that never had a sample may be about to send its first.
        return bool(empty and self.nodes and offline > (self.nodes if last else max(self.nodes, _NEW)))


class Cleaning:
    """
    Looks at all nodes every ten minutes, at some of them each second.

    @ivar cleanup: When what is forgotten.
    """

    _log = Logger()

    def __init__(
        self,
        storage: Storage,
        nodes: Mapping[str, HotNode],
        retention: Retention,
        cleanup: Cleanup,
        clock: Any,
        workers: Workers,
        forget: Callable[[str, Sequence[str] | None], Awaitable[None]],
    ) -> None:
        """
        @param nodes: By GUID, all there are at any time.
        @param clock: Provides C{IReactorTime}.
        @param forget: Removes charts of a node, or with L{None} all of it.
        """
        self._storage = storage
        self._nodes = nodes
        self._retention = retention
        self.cleanup = cleanup
        self._clock = clock
        self._workers = workers
        self._forget = forget
        self._busy = False
        self._stopped = False
        self._left: Iterator[HotNode] = iter(())
        self._next = clock.seconds() + _EVERY

    def stop(self) -> None:
        """
        Begin nothing more.
        """
        self._stopped = True

    def work(self) -> None:
        """
        Look at some nodes; to be called every second.
        """
        if self._busy or self._stopped:
            return
        some = list(islice(self._left, _AT_ONCE))
        now = self._clock.seconds()
        if not some and not self._next - _EVERY <= now < self._next:
            self._next = now + _EVERY
            self._left = iter(tuple(self._nodes.values()))
        if some:
            self._busy = True
            Deferred.fromCoroutine(self._clean(some)).addErrback(self._failed).addCallback(self._done)

    def _failed(self, failure: Any) -> None:
        self._log.failure("not everything that is past its retention was forgotten", failure)

    def _done(self, _: object) -> None:
        self._busy = False

    async def _clean(self, nodes: Sequence[HotNode]) -> None:
        now = self._clock.seconds()
        quiet: dict[int, tuple[HotNode, int, bool]] = {}
        for node in nodes:
            if self._stopped or self._nodes.get(node.guid) is not node:
                continue
            gone = self._charts(node, now)
            if gone:
                await self._forget(node.guid, gone)
                self._log.info(
                    "{guid}: {count} charts were forgotten: nothing is left of them", guid=node.guid, count=len(gone)
                )
            if not any(node.hot()):
                last, empty = self._rest(node, now)
                if empty or self.cleanup.ephemeral:
                    quiet[node.id] = node, last, empty
        if not quiet:
            return
        records = await self._workers.write(lambda: self._records(quiet))
        for id, record in records.items():
            node, last, empty = quiet[id]
            current = not self._stopped and self._nodes.get(node.guid) is node and not any(node.hot())
            if current and self.cleanup.forgets(record, last, empty, now):
                await self._forget(node.guid, None)
                self._log.info(
                    "{host} ({guid}) was forgotten: {why}",
                    host=record.info.hostname,
                    guid=node.guid,
                    why="nothing is left of it" if empty else "it is ephemeral and gone",
                )

    def _charts(self, node: HotNode, now: float) -> list[str]:
        """
        @return: The charts of which nothing is left.
        """
        oldest = self._retention.first(node, now)
        last = node.series.last
        if not np.any((last > 0) & (last < oldest)):
            return []
        live = node.spans(max(oldest, 1))
        return [
            chart for chart, known in node.series.charts.items() if chart not in live and 0 < last[known.index] < oldest
        ]

    def _rest(self, node: HotNode, now: float) -> tuple[int, bool]:
        """
        @return: Second of the newest sample in row groups, 0 if there is
            none; and whether all of them are past their retention.
        """
        newest, empty = 0, True
        for tier, segments in enumerate(self._storage.tiers):
            span = segments.span(node.id)
            if span is not None:
                newest = max(newest, span.last)
                empty = empty and span.last < self._retention.oldest(node, tier, now)
        return newest, empty

    def _records(self, ids: Mapping[int, object]) -> dict[int, HostRecord]:
        """
        @return: Of those nodes that have one.
        """
        found = {}
        for id, text in self._storage.catalog.records(ids):
            try:
                found[id] = metadata.host_of(text)
            except ValueError:
                continue  # it is said at the next start
        return found
