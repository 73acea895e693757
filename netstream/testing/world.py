"""
A world of nodes: real services on a simulated network and clock.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any
from uuid import NAMESPACE_DNS, uuid5

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.interfaces import IDelayedCall, IReactorTime, ITCPTransport
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from netstream.collect.virtual import Collected
from netstream.config.reload import Configuration
from netstream.config.settings import Role, Settings
from netstream.control.reloading import Reloaded
from netstream.db.interfaces import Columns
from netstream.db.workers import Inline
from netstream.hub.hub import Hub
from netstream.roles import Node
from netstream.session.receiver import Receiver
from netstream.testing.network import Machine, Network
from netstream.wire.capabilities import Capability

KEY = "6ea7d4b2-52f0-4f43-9d5e-0d7cbbd1a3ba"
"""An API key for simulated nodes."""

BEGINNING = 1_800_000_000.0
"""When the time of a world begins, UTC seconds."""


class Script(Service):
    """
    Stands where collectors stand, and says what a test wants said.

    By itself it collects one chart, C{test.clock}, each second: dimension
    C{second} is the second of the time, C{count} a counter that grows by the
    second within the minute.
    """

    def __init__(self, hub: Hub, settings: Settings, clock: IReactorTime) -> None:
        self._clock = clock
        self._collected = Collected(
            hub, lambda table, node: Receiver(table, Capability.CLABELS, update_every=1, node=node)
        )
        self._count = 0
        self._last = 0.0
        self._next: IDelayedCall | None = None

    def say(self, text: str) -> None:
        """
        Let the node collect what is said: lines as an external plugin writes
        them.
        """
        self._collected.tell(text.encode(), self._clock.seconds())

    def startService(self) -> None:
        """
        Begin to collect (called by Twisted).
        """
        super().startService()
        self.say(
            "CHART test.clock '' 'The clock' seconds clock test.clock line 100 1 '' script clock\n"
            "DIMENSION second '' absolute 1 1\nDIMENSION count '' incremental 1 1\n"
        )
        self._tick()

    def _tick(self) -> None:
        now = self._clock.seconds()
        elapsed = round((now - self._last) * 1e6) if self._last else 0
        self._last = now
        self._count += int(now) % 60
        self.say(f"BEGIN test.clock {elapsed}\nSET second = {int(now)}\nSET count = {self._count}\nEND\n")
        self._collected.sweep(now)
        self._next = self._clock.callLater(math.floor(now) + 1 - now, self._tick)

    def stopService(self) -> None:
        """
        Collect no more (called by Twisted).
        """
        super().stopService()
        if self._next is not None and self._next.active():
            self._next.cancel()
        self._collected.stop(self._clock.seconds())


class _Answer(Protocol):
    transport: ITCPTransport | None

    def __init__(self, request: bytes) -> None:
        self._request = request
        self.received = b""
        self.closed = False

    def connectionMade(self) -> None:
        assert self.transport is not None
        self.transport.write(self._request)

    def dataReceived(self, data: bytes) -> None:
        self.received += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.closed = True


class WorldNode:
    """
    One node of a world.

    @ivar name: Its host name on the network.
    @ivar machine: Where it runs.
    @ivar service: The node itself.
    @ivar port: Where it listens.
    @ivar crashed: Whether it ended otherwise than by L{stop}.
    @ivar destination: Names of the nodes it streams to from its next start on.
    """

    port = 19999
    crashed = False

    def __init__(
        self,
        world: World,
        name: str,
        machine: Machine,
        data: Path,
        make: Callable[[Path, str | None], Configuration],
        destination: str | None,
    ) -> None:
        """
        @param data: Its data directory.
        @param make: Reads its files, given the data directory and where it
            streams to.
        """
        self._world = world
        self._data = data
        self._make = make
        self.destination = destination
        self._script: Script | None = None
        self.name = name
        self.machine = machine
        self.service: Node

    def start(self) -> None:
        """
        Start it, with its files as they are now.

        @raise Exception: It could not start.
        """
        self.machine.power_on()
        self.crashed = False
        files, chance = self._make(self._data, self.destination), self._world.random.random
        self.service = Node(files.settings, self.machine, self._collector, Inline(), chance, configuration=files)
        self.service.startService()
        self._world.settle(self.service.ready)

    def _collector(self, hub: Hub, settings: Settings, clock: IReactorTime) -> Script:
        self._script = Script(hub, settings, clock)
        return self._script

    def write(self, file: str, text: str) -> None:
        """
        Put other text into one of its configuration files.
        """
        (self.service.settings.config_dir / file).write_text(text)

    def reload(self) -> Reloaded:
        """
        Let it read its files again.

        @raise ConfigError: Something is wrong in them.
        """
        found: Reloaded = self._world.settle(self.service.reload())
        return found

    def stop(self) -> None:
        """
        Stop it cleanly.
        """
        self._world.settle(self.service.stopService())

    def crash(self, silent: bool = False) -> None:
        """
        End it as C{kill -9} does, or, in silence, as a power cut does to the
        machine; its files stay as they are.
        """
        self.crashed = True
        self.machine.crash(silent)
        # The dead program holds locks on its files: the next one gets copies, as they were now.
        if self._data.exists():
            left = self._data
            self._data = left.with_name(f"data-{self.machine.life}")
            shutil.copytree(left, self._data, ignore=shutil.ignore_patterns("*.sock"))

    @property
    def hub(self) -> Hub:
        """
        What it knows.
        """
        return self.service.hub

    def say(self, text: str) -> None:
        """
        Let it collect: lines as an external plugin writes them.
        """
        assert self._script is not None
        self._script.say(text)

    def read(self, node: str, chart: str, dimension: str, after: int, before: int) -> dict[int, float]:
        """
        Read what it has stored.

        @param node: Host name or machine GUID.
        @return: Values by second, gaps left out.
        """
        host = self.hub.find(node)
        assert host is not None, f"{self.name} does not know {node}"
        columns: Columns = self._world.settle(host.past.read(host.info.guid, [(chart, dimension)], after, before))
        rows = zip(columns.times.tolist(), columns.values[:, 0].tolist(), strict=True)
        return {time: value for time, value in rows if not math.isnan(value)}

    def get(self, path: str) -> Any:
        """
        Ask its API as a visitor from the same machine's network.

        @return: Decoded JSON; the text if it is none.
        """
        head, body = self.exchange(
            f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
        ).split(b"\r\n\r\n", 1)
        return json.loads(body) if b"application/json" in head else body.decode()

    def exchange(self, request: bytes, seconds: float = 1.0) -> bytes:
        """
        Send bytes to its port.

        @return: What came back until the connection closed, or in the given
            time.
        """
        visitor = self._world.visitor
        answer = _Answer(request)
        factory = Factory.forProtocol(lambda: answer)
        TCP4ClientEndpoint(visitor, self.machine.address, self.port).connect(factory)
        self._world.advance(seconds)
        if not answer.closed and answer.transport is not None:
            answer.transport.abortConnection()
            self._world.advance(0)
        return answer.received


class World:
    """
    Nodes on a simulated network.

    Nothing here waits, opens a socket or sleeps: time passes only in
    L{advance}, and the same world always does the same.

    @ivar network: Machines, links and the clock.
    @ivar random: What the nodes leave to chance.
    """

    def __init__(self, directory: Path, chunk: Callable[[int], int] = lambda size: size, seed: int = 0) -> None:
        """
        @param directory: Where the nodes keep their files; exists.
        @param chunk: Says how many of the bytes that wait arrive at once, to
            cut what is sent into pieces.
        @param seed: Of what the nodes leave to chance.
        """
        self.network = Network(BEGINNING, chunk)
        self.random = Random(seed)
        self.visitor = self.network.machine("visitor")
        self._directory = directory
        self._nodes: list[WorldNode] = []

    @property
    def now(self) -> int:
        """
        The second of the time.
        """
        return int(self.network.clock.seconds())

    def node(
        self,
        name: str,
        role: str = "standalone",
        *,
        destination: str | None = None,
        stream: str = "",
        conf: str = "",
        exporting: str = "",
        health: str = "",
        notify: str = "",
        mode: str = "ram",
        skew: float = 0.0,
    ) -> WorldNode:
        """
        Make a node and start it.

        A parent or proxy accepts L{KEY}; a child or proxy presents it.

        @param destination: Names of other nodes of the world.
        @param stream: More of its C{stream.conf}.
        @param conf: More of its C{netstream.conf}.
        @param exporting: Its C{exporting.conf}.
        @param health: Definitions of its alerts.
        @param notify: Its C{health_alarm_notify.conf}.
        @param mode: Its database.
        @param skew: Seconds by which its clock is ahead.
        """
        config = self._directory / name / "etc"
        config.mkdir(parents=True)
        if role in ("parent", "proxy"):
            stream = f"[{KEY}]\n    type = api\n    enabled = yes\n" + stream
        (config / "stream.conf").write_text(stream)
        (config / "stream.conf").chmod(0o600)
        conf = f"[db]\n    mode = {mode}\n[web]\n    bind to = *:{WorldNode.port}\n" + conf
        (config / "netstream.conf").write_text(conf)
        if health:
            (config / "health.d").mkdir()
            (config / "health.d" / "world.conf").write_text(health)
        if notify:
            (config / "health_alarm_notify.conf").write_text(notify)
            (config / "health_alarm_notify.conf").chmod(0o600)
        if exporting:
            (config / "exporting.conf").write_text(exporting)
            (config / "exporting.conf").chmod(0o600)

        def make(data: Path, destination: str | None) -> Configuration:
            return Configuration(
                Role(role),
                config_dir=config,
                data_dir=data,
                overrides=(),
                hostname=name,
                destination=destination,
                api_key=KEY if destination else None,
            )

        machine = self.network.machine(name)
        machine.skew = skew
        data = self._directory / name / "data"
        data.mkdir()
        # So that the same world is made of the same nodes each time.
        (data / "machine.guid").write_text(f"{uuid5(NAMESPACE_DNS, name)}\n")
        node = WorldNode(self, name, machine, data, make, destination)
        self._nodes.append(node)
        node.start()
        return node

    def advance(self, seconds: float) -> None:
        """
        Let time pass.
        """
        self.network.advance(seconds)

    def settle(self, waiting: Deferred[Any]) -> Any:
        """
        Let up to a minute pass until a Deferred fires.

        @return: Its result.
        @raise Exception: What it failed with.
        """
        results: list[Any] = []
        waiting.addBoth(results.append)
        for _ in range(60):
            if results:
                break
            self.advance(0.01 if not _ else 1)
        if not results:
            raise AssertionError("nothing happened within a minute")
        if isinstance(results[0], Failure):
            results[0].raiseException()
        return results[0]

    def cut(self, a: WorldNode, b: WorldNode) -> None:
        """
        Let nothing pass between two nodes, in silence.
        """
        self.network.cut(a.name, b.name)

    def heal(self, a: WorldNode, b: WorldNode) -> None:
        """
        Let bytes pass again.
        """
        self.network.heal(a.name, b.name)

    def stop(self) -> None:
        """
        Stop all nodes that run.
        """
        for node in self._nodes:
            if node.service.running and not node.crashed:
                node.stop()
