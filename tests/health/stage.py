"""
A node that watches its hosts, on a clock that stands still.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from attrs import evolve
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock

from netstream.config.settings import HealthSettings, KeySettings, NodeSettings, Role, Settings
from netstream.db.interfaces import IMetricsDB
from netstream.db.ram import RamDB
from netstream.db.workers import Inline, Workers
from netstream.health.alerts import Alert, Transition
from netstream.health.notify.message import Message
from netstream.health.service import HealthService, Outlet
from netstream.hub.hub import Host, Hub, Link
from netstream.model.chart import Chart, Dimension
from netstream.model.host import HostInfo
from netstream.model.samples import EMPTY, SampleBatch
from netstream.model.updates import ChartDefined

NOW = 1_700_000_000
GUID = "11111111-1111-1111-1111-111111111111"
CHILD = "22222222-2222-2222-2222-222222222222"

LOAD = Chart(
    "system.load",
    units="load",
    family="load",
    context="system.load",
    dimensions={name: Dimension(name) for name in ("load1", "load5")},
)


def put(host: Host, chart: Chart, rows: dict[int, list[float]]) -> None:
    """
    Store samples; NaN is a gap, the collected value is the value times ten.
    """
    numbers = [host.table.number(chart.id, dimension) for dimension in chart.dimensions]
    values = np.asarray(list(rows.values()), float).reshape(-1)
    host.apply(
        SampleBatch(
            host.table,
            np.asarray(numbers * len(rows), np.int32),
            np.repeat(np.asarray(list(rows), np.int64), len(numbers)),
            (np.nan_to_num(values) * 10).astype(np.int64),
            values,
            np.where(np.isnan(values), EMPTY, 0).astype(np.uint8),
        )
    )


class Recorder(Outlet):
    """
    Keeps what would be told.
    """

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.programs: list[str] = []

    def tell(self, message: Message, program: str) -> bool:
        self.messages.append(message)
        self.programs.append(program)
        return True

    def receivers(self, roles: str, program: str) -> list[str]:
        return [f"role {role}" for role in roles.split()]

    def stop(self) -> Deferred[None]:
        return succeed(None)


class Stage:
    """
    A hub whose local host has L{LOAD}, and the service that watches it.
    """

    def __init__(self, directory: Path, text: str, db: IMetricsDB | None = None, **health: Any) -> None:
        """
        @param directory: For configuration and data.
        @param text: Alert definitions.
        @param health: Fields of L{HealthSettings}.
        """
        self.clock = Clock()
        self.clock.advance(NOW)
        self.slept = 0.0
        self.directory = directory
        (directory / "health.d").mkdir(parents=True, exist_ok=True)
        (directory / "health.d" / "test.conf").write_text(text)
        self.db = db or RamDB(86400, 1)
        self.hub = Hub(HostInfo(GUID, "node1"), self.db)
        self.local = self.hub.local
        self.values = [1.0, 2.0]
        self.links: dict[str, KeySettings] = {}
        self.feeds: list[tuple[Host, Chart]] = []
        self.outlet = Recorder()
        self.forwarded = False
        self.settings = Settings(
            Role.STANDALONE,
            directory,
            directory,
            NodeSettings("node1"),
            health=evolve(HealthSettings(stock=False), **health),
        )
        self.define(LOAD)

    @property
    def now(self) -> int:
        return int(self.clock.seconds())

    def define(self, chart: Chart, host: Host | None = None, past: int = 600) -> None:
        """
        Collect a chart from now on, with a past of its own.
        """
        host = host or self.local
        host.apply(ChartDefined(chart))
        rows = {second: self.values[: len(chart.dimensions)] for second in range(self.now - past, self.now + 1)}
        put(host, chart, rows)
        self.feeds.append((host, chart))

    def child(self, **key: Any) -> Host:
        """
        A child with L{LOAD} connects.
        """
        self.links[CHILD] = KeySettings(True, **key)
        return self.hub.connect(HostInfo(CHILD, "child1", hops=1), self.db, Link("10.0.0.9:1", self.now))

    def start(self, workers: Workers | None = None) -> HealthService:
        """
        Begin to watch.

        @param workers: Do what takes time; by default at once.
        """
        self.service = HealthService(
            self.hub,
            self.settings,
            self.clock,
            settings_of=lambda host: self.links.get(host.info.guid),
            forwarded=lambda host: self.forwarded,
            workers=workers or Inline(),
            outlet=lambda service: self.outlet,
            monotonic=lambda: self.clock.seconds() - self.slept,
        )
        self.service.startService()
        return self.service

    def advance(self, seconds: int) -> None:
        """
        Let time pass and collect each second.
        """
        for _ in range(seconds):
            self.clock.advance(0.9)
            for host, chart in self.feeds:
                if host.online:
                    put(host, chart, {round(self.clock.seconds() + 0.1): self.values[: len(chart.dimensions)]})
            self.clock.advance(0.1)
            for _ in range(3):
                self.clock.advance(0)

    def alert(self, name: str, host: Host | None = None, chart: str = "system.load") -> Alert:
        """
        @return: One alert.
        """
        return self.service.hosts[(host or self.local).info.guid].alerts[chart, name]

    def transitions(self, host: Host | None = None) -> list[Transition]:
        """
        @return: What has happened, the oldest first.
        """
        return list(self.service.journal.of((host or self.local).info.guid))

    @property
    def told(self) -> list[str]:
        """
        What was told.
        """
        return [f"{message.name} {message.status}" for message in self.outlet.messages]
