"""
This machine, measured by the agent that Debian packages and by netstream, side by side.

The agent streams to a parent in this process; netstream's collectors run in this process on a clock that
follows the real one.
"""

from __future__ import annotations

import math
import re
import select
import socket
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from twisted.internet.task import Clock

from netstream.collect import CollectService
from netstream.collect.files import Machine
from netstream.config.settings import NodeSettings, Role, Settings
from netstream.db.none import NoneDB
from netstream.hub.hub import Host, Hub
from netstream.model.host import HostInfo
from netstream.session.receiver import Receiver
from netstream.wire.capabilities import Capability
from tests.interop.case import InteropTestCase
from tests.interop.peers import PATIENCE, RealAgent, missing, require_agent

DURATION = 14.0
"""Seconds to watch both at least; the load is collected every five."""

AGREED = Capability.VCAPS | Capability.HLABELS | Capability.CLABELS

ESSENTIAL = (
    "system.cpu",
    "system.load",
    "system.ram",
    "system.uptime",
    "system.processes",
    "system.active_processes",
    "system.forks",
    "system.ctxt",
    "system.intr",
    "system.pgpgio",
    "mem.available",
    "mem.committed",
    "mem.pgfaults",
    "cpu.cpu0",
)
"""What both must have on any machine."""

LEFT_OUT: Mapping[str, str] = {
    r"mem\.(numa|thp_.*|zswap.*|balloon)\Z": "needs a kernel with more than one node, or later than the agent",
    r"cpu\.(cpufreq|core_throttling)\Z|cpu.*_cpuidle\Z": "of hardware, not virtual machines",
    r"disk_bcache": "bcache",
}
"""Charts of the agent's proc and diskspace plugins that netstream does not have, and why."""

OWN = frozenset({"/proc/sys/fs/file-nr", "/sys/class/hwmon", "/sys/class/thermal", "/sys/class/powercap"})
"""Modules that this agent does not have."""

PLUGINS = frozenset({"proc.plugin", "diskspace.plugin"})
"""Whose charts are all compared."""

MOMENTARY = re.compile(r"disk_qops\.|ipv[46]\.sockstat6?_")
"""Charts that only one may have come to see: there are none while they are nought."""

CLOSE: Mapping[str, float] = {
    "system.uptime": 2.0,
    "system.load": 2.0,
    "system.ram": 512.0,
    "mem.available": 512.0,
    "mem.committed": 2048.0,
    "mem.kernel": 256.0,
    "mem.slab": 256.0,
    "system.swap": 256.0,
    "system.entropy": 4096.0,
}
"""How far the last values may be apart, in the units of the chart: other programs are at work meanwhile."""

COUNTERS = ("system.cpu", "system.ctxt", "system.intr", "system.forks", "system.pgpgio", "mem.pgfaults", "system.io")
"""Charts of counters since the machine started, which must nearly agree."""


class CollectingAgent(RealAgent):
    """
    An agent that measures the machine and the space on its disks.

    @ivar more: More of its configuration.
    @ivar groups: Whether it shows control groups, too.
    """

    more = ""
    groups = False

    def _write(self) -> None:
        super()._write()
        conf = self.directory / "etc" / "netdata.conf"
        text = conf.read_text().replace("    diskspace = no", "    diskspace = yes")
        if self.groups:
            text = text.replace("    cgroups = no", "    cgroups = yes")
        conf.write_text(text + self.more)


class CollectTestCase(InteropTestCase):
    """
    Collecting beside the agent.
    """

    sending: Callable[[], None] = staticmethod(lambda: None)
    """Called again and again while both measure."""

    def setUp(self) -> None:
        super().setUp()
        if not Path("/proc/stat").exists():
            missing("this machine has no /proc/stat")
        require_agent()

    def ours(self, clock: Clock, machine: Machine | None) -> tuple[Host, CollectService]:
        """
        Start to collect.
        """
        hub = Hub(HostInfo("22222222-2222-4222-8222-222222222222", "ours"), NoneDB())
        nowhere = self.directory / "nowhere"
        settings = Settings(Role.STANDALONE, nowhere, nowhere, NodeSettings("ours"))
        service = CollectService(hub, settings, clock, machine=machine)
        service.startService()
        self.addCleanup(service.stopService)
        return hub.local, service

    def both(
        self,
        compare: Callable[[Host, Host], None],
        machine: Machine | None = None,
        more: str = "",
        *,
        groups: bool = False,
    ) -> None:
        """
        Let both measure for a while, and until they are alike; on a machine
        with much to do one may be late.

        @param compare: Asserts that the agent and netstream, as hosts, are so.
        @param machine: What netstream measures, if not this machine.
        @param more: More of the agent's configuration.
        @param groups: Whether the agent shows control groups, too.
        """
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        listener.settimeout(PATIENCE)
        agent = CollectingAgent(
            "collecting", self.directory / "agent", proc=True, sends_to=[address], stream={"enable compression": "no"}
        )
        agent.more, agent.groups = more, groups
        self._started(agent)
        connection, _ = listener.accept()
        self.addCleanup(connection.close)
        connection.settimeout(PATIENCE)
        request = b""
        while b"\r\n\r\n" not in request:
            chunk = connection.recv(65536)
            self.assertTrue(chunk, "the agent hung up")
            request += chunk
        connection.sendall(b"Hit me baby, push them over with the version=%d" % AGREED)
        theirs = Host(HostInfo(agent.guid, agent.name), NoneDB())
        receiver = Receiver(theirs.table, AGREED, update_every=1, node=agent.guid)
        clock = Clock()
        clock.advance(time.time())
        ours, _ = self.ours(clock, machine)
        alike = time.monotonic() + DURATION
        end = alike + PATIENCE
        while time.monotonic() < end:
            if time.monotonic() > alike:
                try:
                    compare(theirs, ours)
                    break
                except (AssertionError, LookupError):
                    alike = time.monotonic() + 1
            ready, _, _ = select.select([connection], [], [], 0.02)
            if ready:
                chunk = connection.recv(1 << 20)
                self.assertTrue(chunk, "the agent hung up")
                for update in receiver.receive(chunk, time.time()):
                    theirs.apply(update)
            clock.advance(max(0.0, time.time() - clock.seconds()))
            self.sending()
        self.assertEqual(agent.stop(), 0)
        compare(theirs, ours)


class CollectTests(CollectTestCase):
    """
    What netstream collects is what the agent collects.
    """

    def test_same(self) -> None:
        """
        Every chart that both have is defined alike to the last detail, netstream misses none of the modules it
        covers, and what changes slowly has the same values.
        """
        self.both(self.compare)

    def compare(self, theirs: Host, ours: Host) -> None:
        """
        All that is to be alike.
        """
        common = sorted(theirs.charts.keys() & ours.charts.keys())
        for chart in ESSENTIAL:
            self.assertIn(chart, common)
        for chart in common:
            self.assertEqual(theirs.charts[chart], ours.charts[chart])
            self.assertEqual(list(theirs.charts[chart].dimensions), list(ours.charts[chart].dimensions))
        covered = {
            chart.id
            for chart in theirs.charts.values()
            if chart.plugin in PLUGINS and not any(re.match(left_out, chart.id) for left_out in LEFT_OUT)
        }
        ours_only = {chart.id for chart in ours.charts.values() if chart.plugin in PLUGINS and chart.module not in OWN}
        self.assertEqual([], sorted(x for x in covered ^ ours_only if not MOMENTARY.match(x)))
        self.assert_close(theirs, ours)

    def assert_close(self, theirs: Host, ours: Host) -> None:
        """
        The newest values of slow charts and of counters agree.
        """
        compared = 0
        for chart in sorted(theirs.charts.keys() & ours.charts.keys()):
            space = chart.startswith(("disk_space.", "disk_inodes."))
            if chart not in CLOSE and chart not in COUNTERS and not space:
                continue
            for dimension in theirs.charts[chart].dimensions:
                second, value, collected = theirs.latest.of(theirs.table.find(chart, dimension))
                our_second, our_value, our_collected = ours.latest.of(ours.table.find(chart, dimension))
                what = f"{chart} {dimension}: {value} ({collected}) and {our_value} ({our_collected})"
                self.assertLessEqual(abs(second - our_second), 6, what)
                if chart in COUNTERS:
                    room = max(20_000, 0.02 * abs(collected))
                    self.assertLessEqual(abs(collected - our_collected), room, what)
                elif space:
                    close = math.isclose(value, our_value, rel_tol=0.05, abs_tol=1.0 if "space" in chart else 5000)
                    self.assertTrue(close, what)
                else:
                    self.assertLessEqual(abs(value - our_value), CLOSE[chart], what)
                compared += 1
        self.assertGreater(compared, 20)
