"""
A site in memory: a hub with charts and samples, and a client without sockets.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Container
from http.client import HTTPResponse
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from attrs import evolve, frozen
from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from netstream.config.settings import NodeSettings, Role, Settings, WebSettings
from netstream.db.interfaces import IMetricsDB
from netstream.db.ram import RamDB
from netstream.hub.hub import Host, Hub, Link
from netstream.model.chart import Algorithm, Chart, ChartType, Dimension
from netstream.model.host import HostInfo, Label
from netstream.model.samples import ANOMALOUS, EMPTY, SampleBatch
from netstream.model.updates import ChartDefined, LabelsReplaced, VariableSet
from netstream.web import site

NOW = 1_700_000_000
GUID = "11111111-1111-1111-1111-111111111111"
CHILD = "22222222-2222-2222-2222-222222222222"

LOAD = Chart(
    "system.load",
    title="System Load Average",
    units="load",
    family="load",
    context="system.load",
    priority=100,
    plugin="proc.plugin",
    module="/proc/loadavg",
    dimensions={d: Dimension(d, divisor=1000) for d in ("load1", "load5")},
)
CPU = Chart(
    "system.cpu",
    title="Total CPU utilization",
    units="percentage",
    family="cpu",
    context="system.cpu",
    chart_type=ChartType.STACKED,
    priority=101,
    dimensions={
        "user": Dimension("user", algorithm=Algorithm.PERCENTAGE_OF_INCREMENTAL_ROW),
        "idle": Dimension("idle", algorithm=Algorithm.PERCENTAGE_OF_INCREMENTAL_ROW, hidden=True),
    },
)
DISK = Chart(
    "disk.sda",
    name="disk.system",
    title="Disk I/O Bandwidth",
    units="KiB/s",
    family="sda",
    context="disk.io",
    priority=2000,
    dimensions={
        "reads": Dimension("reads", algorithm=Algorithm.INCREMENTAL, multiplier=512, divisor=1024),
        "writes": Dimension("writes", algorithm=Algorithm.INCREMENTAL, multiplier=-512, divisor=1024),
    },
    labels={"device": Label("sda")},
)


@frozen
class Response:
    """
    What came back.
    """

    status: int
    headers: dict[str, str]
    body: bytes
    raw: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    def json(self) -> Any:
        """
        @return: The body as JSON, which has to be strict.
        """

        def refuse(constant: str) -> Any:
            raise AssertionError(f"{constant} is not JSON")

        return json.loads(self.body, parse_constant=refuse)


class _Socket:
    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, *args: object) -> BytesIO:
        return BytesIO(self._data)


def settings(**web: Any) -> Settings:
    """
    @param web: Fields of L{WebSettings}.
    """
    return Settings(
        Role.STANDALONE, Path("/nowhere"), Path("/nowhere"), NodeSettings("parent.example"), web=WebSettings(**web)
    )


class Stage:
    """
    A node with a site, and a clock that stands still.
    """

    def __init__(self, db: IMetricsDB | None = None, clock: Clock | None = None, **web: Any) -> None:
        """
        @param clock: That of the database, if it has one; the site is at C{NOW}.
        """
        if clock is None:
            clock = Clock()
            clock.advance(NOW)
        self.clock = clock
        self.db = db or RamDB(86400, 1)
        self.hub = Hub(HostInfo(GUID, "parent.example", timezone="Etc/UTC", version="v0.1.0"), self.db)
        self.local = self.hub.local
        self.site = site(self.hub, settings(**web), self.clock)

    def child(self, hostname: str = "web1", guid: str = CHILD) -> Host:
        """
        A child connects.
        """
        return self.hub.connect(HostInfo(guid, hostname, hops=1), self.db, Link("10.0.0.9:1234", NOW - 100))

    def chart(self, chart: Chart, host: Host | None = None) -> None:
        """
        Define a chart.
        """
        (host or self.local).apply(ChartDefined(chart))

    def fill(
        self, chart: Chart, rows: dict[int, list[float]], host: Host | None = None, anomalous: Container[int] = ()
    ) -> None:
        """
        Define a chart and store samples.

        @param anomalous: Seconds whose samples are.

        @param rows: Values of all its dimensions by second; NaN is a gap.  The
            collected value is the value times ten.
        """
        host = host or self.local
        self.chart(chart, host)
        rows = dict(sorted(rows.items()))
        width = len(chart.dimensions)
        numbers = [host.table.number(chart.id, dimension) for dimension in chart.dimensions]
        values = np.asarray(list(rows.values()), float).reshape(-1)
        marks = np.repeat([ANOMALOUS if second in anomalous else 0 for second in rows], width)
        host.apply(
            SampleBatch(
                host.table,
                np.asarray(numbers * len(rows), np.int32),
                np.repeat(np.asarray(list(rows), np.int64), width),
                (np.nan_to_num(values) * 10).astype(np.int64),
                values,
                np.where(np.isnan(values), EMPTY, marks).astype(np.uint8),
            )
        )

    def usual(self) -> None:
        """
        A node with charts, labels and a child, all with ten minutes of data.
        """
        self.local.apply(LabelsReplaced({"_os": Label("linux"), "site": Label("berlin")}))
        self.local.apply(VariableSet("active_processors", 2.0))
        seconds = range(NOW - 600, NOW + 1)
        self.fill(LOAD, {s: [(s % 10) / 10, 0.5] for s in seconds})
        self.fill(CPU, {s: [25.0, 75.0] for s in seconds})
        self.fill(DISK, {s: [100.0, -50.0] for s in seconds})
        self.fill(evolve(LOAD, priority=7), {s: [1.0, 2.0] for s in seconds}, self.child())

    def raw(self, data: bytes, peer: str = "127.0.0.1") -> list[Response]:
        """
        Send bytes over one connection.

        @return: The responses to them.
        """
        protocol = self.site.buildProtocol(IPv4Address("TCP", peer, 4321))
        transport = StringTransport(IPv4Address("TCP", "127.0.0.1", 19999), IPv4Address("TCP", peer, 4321))
        protocol.makeConnection(transport)
        protocol.dataReceived(data)
        for _ in range(200):
            self.clock.advance(0)
        written = transport.value()
        protocol.connectionLost(Failure(ConnectionDone()))
        return list(_responses(written, head=data.startswith(b"HEAD ")))

    def connect(self, peer: str = "127.0.0.1") -> tuple[Any, Any]:
        """
        @return: A connection on which nothing was said, and its transport.
        """
        protocol = self.site.buildProtocol(IPv4Address("TCP", peer, 4321))
        transport = StringTransport(IPv4Address("TCP", "127.0.0.1", 19999), IPv4Address("TCP", peer, 4321))
        protocol.makeConnection(transport)
        return protocol, transport

    def ask(self, client: tuple[Any, Any], target: str = "/api/v1/info") -> int:
        """
        Make a request on a connection that stays.

        @return: The status of the answer.
        """
        protocol, transport = client
        transport.clear()
        protocol.dataReceived(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        for _ in range(200):
            self.clock.advance(0)
        return int(transport.value().split(b" ", 2)[1])

    def get(self, target: str | bytes, peer: str = "127.0.0.1", method: str = "GET", **headers: str) -> Response:
        """
        Make one request.
        """
        uri = target if isinstance(target, bytes) else target.encode()
        fields = {"Host": "localhost:19999"} | {name.replace("_", "-"): value for name, value in headers.items()}
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items() if value)
        (response,) = self.raw(b"%b %b HTTP/1.1\r\n%b\r\n" % (method.encode(), uri, head.encode()), peer)
        return response


def _responses(written: bytes, head: bool) -> Any:
    while written:
        response = HTTPResponse(_Socket(written), method="HEAD" if head else "GET")  # type: ignore[arg-type]
        response.begin()
        body = response.read()
        assert response.fp is None or head, "the body is shorter than the header says"
        top = written.index(b"\r\n\r\n") + 4
        raw, written = written[: top + len(body)], written[top + len(body) :]
        if response.getheader("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        yield Response(response.status, dict(response.getheaders()), body, raw)
