"""
An engine that is in another process, for those who are not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from attrs import frozen
from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer

from netstream.db import metadata
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
    Window,
)
from netstream.db.messages import Ask, Message, Unavailable, columns_of, part
from netstream.model.chart import Chart
from netstream.model.samples import SampleBatch


@frozen
class Traits:
    """
    The attributes of an L{IMetricsDB}, as values.
    """

    mode: str
    durability: Durability
    fresh: float
    tiers: tuple[int, ...]
    keeps: bool

    @classmethod
    def of(cls, db: IMetricsDB) -> Traits:
        """
        @return: Those of an engine.
        """
        return cls(db.mode, db.durability, db.fresh, tuple(db.tiers), db.keeps)

    def fields(self) -> dict[str, Any]:
        """
        @return: The same for JSON.
        """
        return {
            "mode": self.mode,
            "durability": self.durability.value,
            "fresh": self.fresh,
            "tiers": list(self.tiers),
            "keeps": self.keeps,
        }

    @classmethod
    def read(cls, fields: Mapping[str, Any]) -> Traits:
        """
        @return: What L{fields} gave.
        """
        return cls(
            fields["mode"],
            Durability(fields["durability"]),
            fields["fresh"],
            tuple(fields["tiers"]),
            fields["keeps"],
        )


def health_fields(health: Health) -> dict[str, Any]:
    """
    @return: The state of an engine, for JSON.
    """
    return {
        "problem": health.problem,
        "damaged": health.damaged,
        "lost": health.lost,
        "disk": dict(health.disk),
    }


def health_of(fields: Mapping[str, Any]) -> Health:
    """
    @return: What L{health_fields} was given.
    """
    return Health(fields["problem"], fields["damaged"], fields["lost"], fields["disk"])


@implementer(IMetricsDB)
class RemoteDB:
    """
    Asks an engine of another process, which opens and closes it.

    Whatever is asked while that process does not run fails with
    L{netstream.db.messages.Unavailable}.

    @ivar state: What L{health} says; who hears of the engine keeps it fresh.
    """

    def __init__(self, ask: Ask, number: int, traits: Traits) -> None:
        """
        @param ask: Puts questions to the other process.
        @param number: Which of its engines it is.
        @param traits: What is known of it.
        """
        self._ask = ask
        self._number = number
        self.mode = traits.mode
        self.durability = traits.durability
        self.fresh = traits.fresh
        self.tiers: Sequence[int] = traits.tiers
        self.keeps = traits.keeps
        self.state = Health()

    def _question(self, verb: str, parts: Sequence[memoryview] = (), **fields: Any) -> Deferred[Message]:
        return self._ask(f"db {verb}", Message({"db": self._number, **fields}, parts))

    def _done(self, verb: str, parts: Sequence[memoryview] = (), **fields: Any) -> Deferred[None]:
        return self._question(verb, parts, **fields).addCallback(lambda _: None)

    def open(self) -> Deferred[None]:
        return succeed(None)

    def close(self) -> Deferred[None]:
        return succeed(None)

    def put_host(self, record: HostRecord) -> Deferred[None]:
        return self._done("put_host", record=metadata.host_text(record))

    def put_chart(self, node: str, chart: Chart) -> Deferred[None]:
        return self._done("put_chart", node=node, chart=metadata.chart_text(chart))

    def stored(self) -> Deferred[Sequence[StoredHost]]:
        def read(message: Message) -> Sequence[StoredHost]:
            return [
                StoredHost(
                    metadata.host_of(host["record"]),
                    {chart.id: chart for chart in map(metadata.chart_of, host["charts"])},
                    _spans(host["spans"]),
                )
                for host in message.fields["hosts"]
            ]

        return self._question("stored").addCallback(read)

    def append(self, batch: SampleBatch) -> Deferred[None]:
        numbers, series = np.unique(batch.series, return_inverse=True)
        return self._done(
            "append",
            (
                part(series.astype(np.int32)),
                part(batch.time),
                part(batch.collected),
                part(batch.value),
                part(batch.flags),
            ),
            node=batch.table.node,
            series=[batch.table[number] for number in numbers.tolist()],
        )

    def bounds(self, node: str, charts: Sequence[str] | None = None) -> Deferred[Mapping[str, Span]]:
        return self._question("bounds", node=node, charts=None if charts is None else list(charts)).addCallback(
            lambda message: _spans(message.fields["spans"])
        )

    def read(self, node: str, series: Sequence[SeriesKey], after: int, before: int) -> Deferred[Columns]:
        return self._question("read", node=node, series=list(series), after=after, before=before).addCallback(
            columns_of
        )

    def query(
        self, node: str, series: Sequence[SeriesKey], window: Window, method: str, options: str = ""
    ) -> Deferred[Columns]:
        return self._question(
            "query",
            node=node,
            series=list(series),
            window=[window.after, window.before, window.step],
            method=method,
            options=options,
        ).addCallback(columns_of)

    def retain(self, node: str, seconds: int | None) -> Deferred[None]:
        return self._done("retain", node=node, seconds=seconds)

    def forget(self, node: str, chart: str | None = None) -> Deferred[None]:
        return self._done("forget", node=node, chart=chart)

    def stats(self) -> Deferred[Stats]:
        return self._question("stats").addCallback(lambda message: Stats(**message.fields))

    def allot(self, sizes: Sequence[int]) -> None:
        """
        As L{netstream.db.dbengine.engine.DBEngine.allot}; one that does not
        run just now begins with what the settings say.
        """
        self._done("allot", sizes=list(sizes)).addErrback(lambda failure: failure.trap(Unavailable))

    def health(self) -> Health:
        return self.state


def _spans(fields: Mapping[str, Sequence[int]]) -> Mapping[str, Span]:
    return {chart: Span(first, last) for chart, (first, last) in fields.items()}
