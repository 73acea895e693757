"""
Bytes that come to the API and the dashboard.
"""

from __future__ import annotations

import tempfile
from base64 import b64encode
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.logger import LogEvent, globalLogPublisher
from twisted.python.failure import Failure

from netstream.config.settings import NodeSettings, Role, Settings, WebSettings
from netstream.db.ram import RamDB
from netstream.hub.hub import Hub
from netstream.model.chart import Chart, Dimension
from netstream.model.host import HostInfo
from netstream.model.networks import Networks
from netstream.model.pattern import pattern
from netstream.model.samples import SampleBatch
from netstream.model.updates import ChartDefined
from netstream.web.site import APISite, site

NOW: Final = 1_763_800_000
GUID: Final = "11111111-1111-1111-1111-111111111111"
TOKEN: Final = "a-token-that-fits-here"
BASIC: Final = b64encode(b"token:" + TOKEN.encode()).decode()
TARGETS: Final = (
    "/",
    "/nodes.html",
    "/metrics",
    "/api/v1/info",
    "/api/v1/charts",
    "/api/v1/data?chart=a.b&after=-60&points=20&group=average&format=json&options=jsonwrap|nonzero",
    "/api/v1/data?context=*&format=csv&dimensions=x|y&gtime=60",
    "/api/v1/allmetrics?format=prometheus&source=average&filter=a*",
    "/api/v1/alarm_variables?chart=a.b",
    "/api/v3/nodes?scope_nodes=*",
    "/api/v3/stream_info?machine_guid=" + GUID,
    f"/host/{GUID}/api/v1/function?function=top&timeout=5",
    "/host/node/api/v1/manage/health?cmd=LIST",
)


@lru_cache
def _site() -> tuple[APISite, Clock]:
    clock = Clock()
    clock.advance(NOW)
    hub = Hub(HostInfo(GUID, "node"), RamDB(3600, 1))
    chart = Chart("a.b", context="a.b", dimensions={name: Dimension(name) for name in ("x", "y")})
    hub.local.apply(ChartDefined(chart))
    numbers = [hub.local.table.number("a.b", name) for name in chart.dimensions]
    seconds = np.repeat(np.arange(NOW - 60, NOW, dtype=np.int64), 2)
    values = np.arange(120, dtype=float)
    hub.local.apply(
        SampleBatch(
            hub.local.table,
            np.asarray(numbers * 60, np.int32),
            seconds,
            values.astype(np.int64),
            values,
            np.zeros(120, np.uint8),
        )
    )
    with tempfile.TemporaryDirectory(prefix="netstream-fuzz-") as directory:
        access = Path(directory, "access")
        access.write_text(TOKEN + "\n")
        web = WebSettings(
            access_file=access,
            proxies=Networks.parse("127.0.0.1 10.0.0.0/8"),
            allow={"dashboard": pattern("localhost 192.0.2.*")},
            host_names=pattern("metrics.example"),
        )
        settings = Settings(Role.STANDALONE, Path("/nowhere"), Path("/nowhere"), NodeSettings("node"), web=web)
        return site(hub, settings, clock), clock


def pages(data: bytes) -> None:
    """
    Requests to the API and the dashboard, through a proxy or not, signed in or
    not.
    """
    found, clock = _site()
    broken: list[LogEvent] = []

    def observe(event: LogEvent) -> None:
        if "log_failure" in event:
            broken.append(event)

    address = IPv4Address("TCP", "127.0.0.1", 1)
    protocol = found.buildProtocol(address)
    assert protocol is not None
    transport = StringTransport(address, address)
    globalLogPublisher.addObserver(observe)
    try:
        protocol.makeConnection(transport)
        cut = data[0] % 7 * len(data) // 7 if data else 0
        for piece in (data[1 : 1 + cut], data[1 + cut :]):
            if not transport.disconnected:
                protocol.dataReceived(piece)
        for _ in range(60):
            clock.advance(0)
        protocol.connectionLost(Failure(ConnectionDone()))
    finally:
        globalLogPublisher.removeObserver(observe)
    if broken:
        raise AssertionError(broken[0]["log_failure"].getTraceback())


def seeds() -> Iterator[bytes]:
    """
    @return: Good inputs.
    """
    for number, target in enumerate(TARGETS):
        headers = [
            f"Authorization: {('Basic ' + BASIC) if number % 2 else 'Bearer ' + TOKEN}",
            "X-Forwarded-For: 203.0.113.7, 192.0.2.9",
            "X-Forwarded-Host: metrics.example",
            "X-Forwarded-Proto: https",
            "User-Agent: Mozilla/5.0",
            "Origin: https://metrics.example",
            "Sec-Fetch-Site: same-origin",
            "Accept-Encoding: gzip",
        ]
        head = "\r\n".join([f"GET {target} HTTP/1.1", "Host: localhost:19999", *headers[: 1 + number % len(headers)]])
        yield bytes((number,)) + head.encode() + b"\r\n\r\n"
    yield b"\x00POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n"
