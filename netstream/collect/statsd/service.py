"""
The service that listens for statsd and collects what it heard.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.endpoints import TCP4ServerEndpoint, TCP6ServerEndpoint, UNIXServerEndpoint
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort
from twisted.logger import Logger

from netstream.collect.program import Number, NumberChart, NumberCharts
from netstream.collect.statsd.lines import LONGEST_NAME, Kind, Said
from netstream.collect.statsd.metrics import EVENTS, Metric, Metrics
from netstream.collect.statsd.naming import FAMILIES, FRACTIONS, GROWING, TYPES, UNITS, chart_id, kept
from netstream.collect.statsd.sockets import Datagrams, Streams
from netstream.collect.statsd.synthetic import Synthetic
from netstream.config.feeds import Socket, StatsdSettings
from netstream.config.settings import Settings
from netstream.config.synthetic import App, SyntheticChart
from netstream.hub.hub import Hub
from netstream.session.limits import Limits
from netstream.streaming.listening import remove_unserved
from netstream.wire.errors import excerpt

LARGEST_DATAGRAM = 65_535

SOON = 1 << 18
"""Bytes that wait for the next collection; more are read before."""

TOLD_EVERY = 600.0
"""Seconds between two complaints of one kind."""

PRIORITY = 90_000

_NAMED = frozenset({Kind.GAUGE, Kind.COUNTER, Kind.METER, Kind.SET})
"""Kinds with one dimension, which a tag may name."""


def _limits(statsd: StatsdSettings) -> Limits:
    """
    @return: How much the metrics that are allowed can be.
    """
    most = _most_dimensions(statsd)
    charts = statsd.most_charts + _combined(statsd)
    dimensions = charts * most
    return Limits(
        charts=charts + 1,
        dimensions=dimensions,
        chart_dimensions=most,
        text=(charts + dimensions) * 8 * LONGEST_NAME,
    )


def _most_dimensions(statsd: StatsdSettings) -> int:
    """
    @return: How many a chart can have: a text of a dictionary each, or a line of
        its file and as many metrics that are found.
    """
    lines = (sum(line.exact for line in chart.lines) for app in statsd.apps for chart in app.charts)
    return statsd.most_texts + max(10, *lines, 0)


def _combined(statsd: StatsdSettings) -> int:
    return sum(len(app.charts) for app in statsd.apps)


@define(eq=False)
class _Shown:
    """
    A metric.

    @ivar chart: Its own; L{None} if it has none.
    @ivar name: Of its one dimension; C{""} if nobody said.
    @ivar numbers: By dimension, as the metric calls it.
    """

    chart: NumberChart | None
    kind: Kind
    name: str
    numbers: dict[str, Number] = field(factory=dict)


class Statsd(NumberCharts):
    """
    Listens, and makes a chart of each metric.
    """

    _log = Logger()

    def __init__(self, hub: Hub, settings: Settings, statsd: StatsdSettings, reactor: Any) -> None:
        """
        @param reactor: Provides time, whose seconds are UTC, and sockets.
        """
        super().__init__("statsd.plugin", "private_chart", PRIORITY, statsd.most_charts + _combined(statsd))
        self._statsd = statsd
        self._reactor = reactor
        self._metrics = Metrics(statsd)
        self._shown: dict[tuple[Kind, bytes], _Shown] = {}
        self._synthetic = Synthetic(statsd.apps, self._combine, _most_dimensions(statsd), statsd.decimals)
        self._waiting: list[bytes] = []
        self._size = 0
        self._told: dict[str, tuple[float, int]] = {}
        self._streams = Streams(self.take, statsd.idle_timeout, statsd.most_connections)
        self.ports: list[IListeningPort] = []
        self.attach(hub, settings, reactor, statsd.update_every, _limits(statsd))

    def startService(self) -> None:
        """
        Listen (called by Twisted).
        """
        super().startService()
        Deferred.fromCoroutine(self._listen()).addErrback(
            lambda failure: self._log.failure("statsd: it does not listen", failure)
        )

    async def _listen(self) -> None:
        for socket in self._statsd.sockets:
            try:
                port = await self._port(socket)
            except (CannotListenError, OSError, ValueError) as problem:
                reason = getattr(problem, "socketError", problem)
                self._log.error(
                    "[statsd] bind to: {socket}: {reason}; nothing is heard there", socket=socket.text, reason=reason
                )
                continue
            if not self.running:
                await maybeDeferred(port.stopListening)
                return
            self.ports.append(port)
            place: Any = port.getHost()
            where = socket.host if socket.protocol.startswith("unix") else f"{place.host}:{place.port}"
            self._log.info("statsd listens on {protocol} {where}", protocol=socket.protocol, where=where)

    async def _port(self, socket: Socket) -> Any:
        reactor, backlog = self._reactor, self._statsd.backlog
        if socket.protocol == "udp":
            return reactor.listenUDP(socket.port, Datagrams(self.take), socket.host, LARGEST_DATAGRAM)
        if socket.protocol == "tcp":
            make = TCP6ServerEndpoint if ":" in socket.host else TCP4ServerEndpoint
            return await make(reactor, socket.port, backlog, socket.host).listen(self._streams)
        if socket.protocol == "unix":
            remove_unserved(socket.host)
            return await UNIXServerEndpoint(reactor, socket.host, backlog, 0o666).listen(self._streams)
        remove_unserved(socket.host)
        return reactor.listenUNIXDatagram(socket.host, Datagrams(self.take), LARGEST_DATAGRAM, 0o666)

    def stopService(self) -> Deferred[object]:
        """
        Listen no more (called by Twisted).

        @return: Fires when all is closed.
        """
        super().stopService()
        return Deferred.fromCoroutine(self._close())

    async def _close(self) -> None:
        ports, self.ports = self.ports, []
        for stream in tuple(self._streams.open):
            stream.drop()
        for port in ports:
            await maybeDeferred(port.stopListening)

    def take(self, lines: bytes) -> None:
        """
        Take in lines; they are read when much has come, or at the next
        collection.
        """
        self._waiting.append(lines)
        self._size += len(lines) + 1
        if self._size >= SOON:
            self._read()

    def _read(self) -> None:
        waiting, self._waiting = self._waiting, []
        self._size = 0
        if waiting:
            self._metrics.take(b"\n".join(waiting))
            self._show()

    def _show(self) -> None:
        fresh, self._metrics.fresh = self._metrics.fresh, []
        for said, metric in fresh:
            self._shown[said.kind, said.name] = self._chart(said) if metric.private else _Shown(None, said.kind, "")
            self._synthetic.learn(said.kind, said.name, metric)

    def _combine(self, app: App, chart: SyntheticChart) -> NumberChart:
        section, name = kept(app.name.encode()), kept(chart.id.encode())
        return self.chart(
            f"{section}.{name}",
            chart.title,
            chart.units,
            chart.family,
            kept((chart.context or chart.id).encode()),
            chart.type,
            f"{section}.{kept(chart.name.encode())}" if chart.name else "",
            chart.priority,
            module=app.file.rpartition("/")[2],
            store_first=True,
        )

    def _chart(self, said: Said) -> _Shown:
        kind = said.kind
        wanted = chart_id(said.name, kind)
        if wanted in self.charts:
            # Two names that differ only in what ids cannot hold.
            wanted += f"_{zlib.crc32(said.name):08x}"
        name = said.name.decode(errors="replace")
        chart = self.chart(
            wanted,
            f"statsd private chart for {kind.value} {name}",
            said.tags.get("units", UNITS[kind]),
            said.tags.get("family", FAMILIES[kind]),
            wanted,
            TYPES[kind],
            priority=PRIORITY,
            store_first=True,
            hidden=self._statsd.hidden,
        )
        return _Shown(chart, kind, said.tags.get("name", "") if kind in _NAMED else "")

    def measure(self, now: float) -> None:
        """
        Set the numbers of all charts to what was heard.
        """
        self._read()
        self._synthetic.link()
        metrics, settings = self._metrics, self._statsd
        for key, shown in tuple(self._shown.items()):
            metric = metrics.metrics[key]
            if metric.touched or not metric.heard:
                metric.heard = now
            elif settings.obsolete_after and now - metric.heard >= settings.obsolete_after:
                metrics.forget(key)
                self._synthetic.forget(key)
                del self._shown[key]
                if shown.chart is not None:
                    self.remove(shown.chart.chart.id)
                continue
            values = metric.collect()
            if shown.chart is not None:
                self._set(shown, shown.chart, metric, values)
            self._synthetic.set(key, metric, values)
            metric.touched = False
        self._synthetic.finish()
        self._complain(now)
        metrics.budget.renew()

    def _set(self, shown: _Shown, chart: NumberChart, metric: Metric, values: Mapping[str, float]) -> None:
        if not metric.touched and (metric.gaps or FAMILIES[shown.kind] in self._statsd.gaps):
            for number in shown.numbers.values():
                number.set(None)
            return
        begun = bool(shown.numbers)
        for name, value in values.items():
            known = shown.numbers.get(name)
            number = known or self._number(shown, chart, name)
            if known is None:
                # It counts from the next collection on, in which this is the growth.
                value = 0.0 if begun and shown.kind in GROWING else value
            number.set(value)
        if self._statsd.events:
            if EVENTS not in shown.numbers:
                shown.numbers[EVENTS] = chart.dimension(EVENTS, "incremental")
            shown.numbers[EVENTS].set(metric.events)

    def _number(self, shown: _Shown, chart: NumberChart, name: str) -> Number:
        kind = shown.kind
        shown.numbers[name] = number = chart.dimension(
            name,
            "incremental" if kind in GROWING else "absolute",
            name=shown.name or ("unique" if kind is Kind.SET else ""),
            decimals=self._statsd.decimals if kind in FRACTIONS else 0,
        )
        return number

    def _complain(self, now: float) -> None:
        metrics = self._metrics
        line, reason = metrics.bad
        self._tell(
            "unread",
            metrics.unread,
            now,
            "{count} lines cannot be read, such as {line}: {reason}",
            line=excerpt(line),
            reason=reason,
        )
        self._tell(
            "refused",
            metrics.refused,
            now,
            "{count} lines are about new metrics, but there are {most} charts already",
            most=self._statsd.most_charts,
        )
        self._tell("full", metrics.budget.refused, now, "{count} values were too many for one collection")

    def _tell(self, what: str, count: int, now: float, text: str, **about: object) -> None:
        """
        Complain if it was not done lately.
        """
        since, told = self._told.get(what, (0.0, 0))
        if count > told and now - since >= TOLD_EVERY:
            self._told[what] = now, count
            self._log.warn("statsd: " + text, count=count - told, **about)
