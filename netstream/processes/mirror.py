"""
What the process that serves knows of the hosts of one worker.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from twisted.logger import Logger

from netstream.db import metadata
from netstream.db.messages import Message
from netstream.db.remote import RemoteDB, health_of
from netstream.hub.hub import Host, Hub, Link
from netstream.hub.shared import Block, View
from netstream.model.chart import Chart
from netstream.model.host import Function
from netstream.model.samples import Int64s, SeriesTable
from netstream.model.updates import (
    ChartDefined,
    ChartForgotten,
    ClaimSet,
    FunctionOffered,
    FunctionWithdrawn,
    LabelsReplaced,
    PathKnown,
    VariableSet,
)
from netstream.processes.calls import Away, Calls
from netstream.processes.figures import add_counts, take_host


class Mirror:
    """
    Takes the reports of a worker into the hub.

    @ivar hosts: Those that the worker has, by machine GUID.
    @ivar online: The GUIDs of those that are connected to it.
    @ivar series: How many series it has numbered.
    """

    _log = Logger()

    def __init__(self, hub: Hub, name: str, calls: Calls | None = None) -> None:
        """
        @param calls: Passes calls of functions on; nobody answers any if not
            given.
        @param name: Of the worker, for logs.
        """
        self._hub = hub
        self._name = name
        self._calls = calls
        self._counted: Mapping[str, Any] = {}
        self._engines: Sequence[RemoteDB] = ()
        self._words: Int64s | None = None
        self.hosts: dict[str, Host] = {}
        self.online: set[str] = set()
        self.series = 0

    def begin(self, engines: Sequence[RemoteDB], words: Int64s) -> None:
        """
        The worker runs.

        @param engines: Its databases.
        @param words: The memory that it shares.
        """
        self._engines = engines
        self._words = words
        self._counted = {}
        for host in self.hosts.values():
            host.table.withdraw_all()

    def end(self, now: float) -> None:
        """
        The worker ended: its hosts are offline until they come again.
        """
        self._words = None
        self.series = 0
        self.online.clear()
        for host in self.hosts.values():
            _view(host).look(None, None)
            host.callee = host.upstream = host.replication = None
            if host.link is not None:
                self._hub.disconnect(host, now)

    def report(self, message: Message) -> None:
        """
        Take in what the worker says.
        """
        fields = message.fields
        for health, engine in zip(fields.get("health", ()), self._engines, strict=False):
            engine.state = health_of(health)
        self.series = fields.get("series", self.series)
        for entry in fields.get("hosts", ()):
            host = self._host(entry)
            if host is not None:
                self._take(host, entry)
        for guid, figures in fields.get("figures", {}).items():
            if guid in self.hosts:
                take_host(self.hosts[guid], figures)
        if "counts" in fields:
            add_counts(self._hub.counts, fields["counts"], self._counted)
            self._counted = fields["counts"]

    def forget(self, host: Host) -> bool:
        """
        A host was removed.

        @return: Whether the worker had it.
        """
        guid = host.info.guid
        if self.hosts.get(guid) is not host:
            return False
        del self.hosts[guid]
        self.online.discard(guid)
        return True

    def _host(self, entry: Mapping[str, Any]) -> Host | None:
        guid = entry["guid"]
        host = self.hosts.get(guid)
        if host is None and "facts" in entry:
            facts = entry["facts"]
            if self._hub.tombstones.of(guid) is not None:  # it was removed while the worker did not run
                self._engines[facts["db"]].forget(guid).addErrback(
                    lambda failure: self._log.failure("{guid} was not forgotten", failure, guid=guid)
                )
                return None
            host = self._hub.mirror(metadata.host_of(facts["record"]).info, self._engines[facts["db"]])
            if not host.elsewhere or host.db not in self._engines:
                self._log.warn(
                    "{host} ({guid}) is also in the database of {name}, which is not shown",
                    host=host.info.hostname,
                    guid=guid,
                    name=self._name,
                )
                return None
            self.hosts[guid] = host
        return host

    def _take(self, host: Host, entry: Mapping[str, Any]) -> None:
        if "facts" in entry:
            self._facts(host, entry["facts"])
        for chart_id in entry.get("forgotten", ()):
            if chart_id in host.charts:
                host.apply(ChartForgotten(chart_id))
        for text in entry.get("charts", ()):
            host.apply(ChartDefined(metadata.chart_of(text)))
        for chart_id, numbers in entry.get("numbers", {}).items():
            _number(host.table, host.charts[chart_id], numbers)
        for chart_id, name, value in entry.get("variables", ()):
            host.apply(VariableSet(name, float(value), chart_id))
        if "latest" in entry:
            where = entry["latest"]
            _view(host).look(self._words, None if where is None else Block(*where))
        if "facts" in entry:
            self._hub.tell(host)

    def _facts(self, host: Host, facts: Mapping[str, Any]) -> None:
        record = metadata.host_of(facts["record"])
        host.info = record.info
        host.seen, host.known_since, host.left = facts["seen"], facts["known"], facts["left"]
        if facts["link"] is None:
            host.link = None
            self.online.discard(host.info.guid)
        else:
            peer, since, capabilities, spoken, certificate = facts["link"]
            link = Link(peer, since, capabilities, tuple(spoken), certificate=certificate)
            if host.link != link:
                host.link = link
                host.replication = None
            self.online.add(host.info.guid)
        if host.labels != record.labels:
            host.apply(LabelsReplaced(record.labels))
        if host.claim_id != facts["claim"]:
            host.apply(ClaimSet(facts["claim"]))
        host.callee = Away(self._calls, host.info.guid) if self._calls is not None and facts["callable"] else None
        own, before, after = facts["path"]
        if own is not None:
            host.place(own)
        host.apply(PathKnown(tuple(before)))
        host.route.from_parent(after)
        functions = {
            (function.chart, function.name): function for function in (Function(*f) for f in facts["functions"])
        }
        for chart_id, name in host.functions.keys() - functions.keys():
            host.apply(FunctionWithdrawn(name, chart_id))
        for key, function in functions.items():
            if host.functions.get(key) != function:
                host.apply(FunctionOffered(function))


def _view(host: Host) -> View:
    assert isinstance(host.latest, View)
    return host.latest


def _number(table: SeriesTable, chart: Chart, numbers: Sequence[int | None]) -> None:
    for dimension, number in zip(chart.dimensions, numbers, strict=False):
        if number is not None:
            table.assign(chart.id, dimension, number)
