"""
The engine C{none}: it keeps nothing, for nodes that only pass samples on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from twisted.internet.defer import Deferred, fail, succeed
from zope.interface import implementer

from netstream.db.folding import fold
from netstream.db.interfaces import (
    Columns,
    Durability,
    Health,
    HostRecord,
    IMetricsDB,
    SeriesKey,
    Span,
    Stats,
    StoredHost,
    UnknownMethod,
    Window,
)
from netstream.db.overlay import nothing
from netstream.model.chart import Chart
from netstream.model.samples import SampleBatch


@implementer(IMetricsDB)
class NoneDB:
    """
    A database that accepts everything and has nothing.
    """

    mode = "none"
    durability = Durability.MEMORY
    fresh = 0.0
    keeps = False
    tiers = (1,)

    def open(self) -> Deferred[None]:
        return succeed(None)

    def close(self) -> Deferred[None]:
        return succeed(None)

    def put_host(self, record: HostRecord) -> Deferred[None]:
        return succeed(None)

    def put_chart(self, node: str, chart: Chart) -> Deferred[None]:
        return succeed(None)

    def stored(self) -> Deferred[Sequence[StoredHost]]:
        return succeed([])

    def append(self, batch: SampleBatch) -> Deferred[None]:
        return succeed(None)

    def bounds(self, node: str, charts: Sequence[str] | None = None) -> Deferred[Mapping[str, Span]]:
        return succeed({})

    def read(self, node: str, series: Sequence[SeriesKey], after: int, before: int) -> Deferred[Columns]:
        return succeed(nothing(len(series)))

    def query(
        self, node: str, series: Sequence[SeriesKey], window: Window, method: str, options: str = ""
    ) -> Deferred[Columns]:
        try:
            return succeed(fold(nothing(len(series)), window, method, options))
        except UnknownMethod:
            return fail()

    def retain(self, node: str, seconds: int | None) -> Deferred[None]:
        return succeed(None)

    def forget(self, node: str, chart: str | None = None) -> Deferred[None]:
        return succeed(None)

    def stats(self) -> Deferred[Stats]:
        return succeed(Stats())

    def health(self) -> Health:
        return Health()
