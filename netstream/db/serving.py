"""
Engines of this process, for those who ask from another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
import numpy as np
from twisted.internet.defer import Deferred, succeed

from netstream.db import metadata
from netstream.db.interfaces import IMetricsDB, SeriesKey, Span, Window
from netstream.db.messages import NOTHING, Message, array, of_columns
from netstream.db.sharing import Allotted
from netstream.model.samples import SampleBatch, SeriesTable


class Serving:
    """
    Answers what a L{netstream.db.remote.RemoteDB} asks.

    @ivar engines: Those that may be asked, by number.
    @ivar verbs: What can be asked, and who answers.
    """

    def __init__(self, engines: Sequence[IMetricsDB]) -> None:
        self.engines = engines
        self.verbs: Mapping[str, Callable[[Message], Deferred[Message]]] = {
            f"db {verb}": answer
            for verb, answer in {
                "put_host": self._put_host,
                "put_chart": self._put_chart,
                "stored": self._stored,
                "append": self._append,
                "bounds": self._bounds,
                "read": self._read,
                "query": self._query,
                "retain": self._retain,
                "forget": self._forget,
                "stats": self._stats,
                "allot": self._allot,
            }.items()
        }
        self._tables: dict[tuple[int, str], SeriesTable] = {}

    def _of(self, message: Message) -> IMetricsDB:
        number: int = message.fields["db"]
        return self.engines[number]

    def _put_host(self, message: Message) -> Deferred[Message]:
        return self._of(message).put_host(metadata.host_of(message.fields["record"])).addCallback(_nothing)

    def _put_chart(self, message: Message) -> Deferred[Message]:
        fields = message.fields
        chart = metadata.chart_of(fields["chart"])
        return self._of(message).put_chart(fields["node"], chart).addCallback(_nothing)

    def _stored(self, message: Message) -> Deferred[Message]:
        return (
            self._of(message)
            .stored()
            .addCallback(
                lambda hosts: Message(
                    {
                        "hosts": [
                            {
                                "record": metadata.host_text(host.record),
                                "charts": [metadata.chart_text(chart) for chart in host.charts.values()],
                                "spans": _spans(host.spans),
                            }
                            for host in hosts
                        ]
                    }
                )
            )
        )

    def _append(self, message: Message) -> Deferred[Message]:
        fields, (series, time, collected, value, flags) = message.fields, message.parts
        table = self._tables.setdefault((fields["db"], fields["node"]), SeriesTable(fields["node"]))
        numbers = np.array([table.number(*key) for key in fields["series"]], np.int32)
        batch = SampleBatch(
            table,
            numbers[array(series, np.int32)],
            array(time, np.int64),
            array(collected, np.int64),
            array(value, np.float64),
            array(flags, np.uint8),
        )
        return self._of(message).append(batch).addCallback(_nothing)

    def _bounds(self, message: Message) -> Deferred[Message]:
        fields = message.fields
        found = self._of(message).bounds(fields["node"], fields["charts"])
        return found.addCallback(lambda spans: Message({"spans": _spans(spans)}))

    def _read(self, message: Message) -> Deferred[Message]:
        fields = message.fields
        found = self._of(message).read(fields["node"], _series(fields["series"]), fields["after"], fields["before"])
        return found.addCallback(of_columns)

    def _query(self, message: Message) -> Deferred[Message]:
        fields = message.fields
        window = Window(*fields["window"])
        series = _series(fields["series"])
        found = self._of(message).query(fields["node"], series, window, fields["method"], fields["options"])
        return found.addCallback(of_columns)

    def _retain(self, message: Message) -> Deferred[Message]:
        fields = message.fields
        return self._of(message).retain(fields["node"], fields["seconds"]).addCallback(_nothing)

    def _forget(self, message: Message) -> Deferred[Message]:
        fields = message.fields
        node, chart = fields["node"], fields["chart"]
        table = self._tables.get((fields["db"], node))
        if table is not None:
            if chart is None:
                del self._tables[fields["db"], node]
            else:
                table.release(chart)
                table.recycle()
        return self._of(message).forget(node, chart).addCallback(_nothing)

    def _allot(self, message: Message) -> Deferred[Message]:
        engine = self._of(message)
        if isinstance(engine, Allotted):
            engine.allot(message.fields["sizes"])
        return succeed(NOTHING)

    def _stats(self, message: Message) -> Deferred[Message]:
        return self._of(message).stats().addCallback(lambda stats: Message(attrs.asdict(stats)))


def _nothing(_: object) -> Message:
    return NOTHING


def _series(keys: Sequence[Sequence[str]]) -> Sequence[SeriesKey]:
    return [(chart, dimension) for chart, dimension in keys]


def _spans(spans: Mapping[str, Span]) -> dict[str, Any]:
    return {chart: (span.first, span.last) for chart, span in spans.items()}
