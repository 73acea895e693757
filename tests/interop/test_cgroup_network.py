"""
The network interfaces of a real container, shown by the agent that Debian packages and by netstream.

The container is a control group with one process in namespaces of its own, and two pairs of interfaces.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
from functools import partial
from pathlib import Path
from typing import Any

from netstream.collect.links import Netlink
from netstream.hub.hub import Host
from tests.interop.peers import missing, wait_for
from tests.interop.test_collect_differential import CollectTestCase

HELPERS = Path("/usr/lib/netdata/plugins.d")
GROUPS = Path("/sys/fs/cgroup")
V1 = ("cpuacct", "memory", "blkio", "cpuset", "devices")
PARTS = ("", "packets_", "operstate_", "carrier_", "mtu_")
"""Of the charts' names: what every interface that is up has."""


class Container:
    """
    A process that sleeps in a control group, with an address in a network of its own.

    @ivar name: Of the group.
    @ivar outer: Names of its interfaces outside.
    """

    def __init__(self, case: CollectTestCase) -> None:
        self.name = f"nstest{os.getpid()}"
        self.outer = [f"nst{number}x{os.getpid() % 100_000}" for number in range(2)]
        roots = [GROUPS / name for name in V1 if (GROUPS / name).is_dir()]
        if not roots and (GROUPS / "cgroup.controllers").exists():
            roots = [GROUPS]
        self.unified = roots == [GROUPS]
        self._groups = [root / self.name for root in roots]
        inside = "mount -t sysfs sysfs /sys && echo in && exec sleep 600"
        self._process = subprocess.Popen(
            ["unshare", "--net", "--mount", "sh", "-c", inside],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        case.addCleanup(self._end)
        assert self._process.stdout is not None and self._process.stderr is not None
        if self._process.stdout.readline() != b"in\n":
            missing(f"no namespaces can be made here: {self._process.stderr.read().decode()}")
        try:
            self._make()
        except (OSError, subprocess.CalledProcessError) as problem:
            said = getattr(problem, "stderr", b"") or b""
            missing(f"no container can be made here: {problem} {said.decode()}")

    def _make(self) -> None:
        pid = str(self._process.pid)
        if not self._groups:
            raise FileNotFoundError(2, "there are no control groups", str(GROUPS))
        for group in self._groups:
            group.mkdir()
            for file in ("cpuset.cpus", "cpuset.mems"):
                if group.parent.name == "cpuset":
                    (group / file).write_text((group.parent / file).read_text())
            (group / "cgroup.procs").write_text(pid)
        for number, outer in enumerate(self.outer):
            inner = f"lan{number}"
            self._run("ip", "link", "add", outer, "type", "veth", "peer", "name", inner, "netns", pid)
            self._run("ip", "link", "set", outer, "up")
            self._run("nsenter", "-t", pid, "-n", "ip", "link", "set", inner, "up")
        self._run("ip", "addr", "add", "198.51.100.1/30", "dev", self.outer[0])
        self._run("nsenter", "-t", pid, "-n", "ip", "addr", "add", "198.51.100.2/30", "dev", "lan0")

    def _run(self, *command: str) -> None:
        subprocess.run(command, check=True, capture_output=True, timeout=60)

    def send(self) -> None:
        """
        Send it something.
        """
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender, contextlib.suppress(OSError):
            sender.sendto(b"x" * 1000, ("198.51.100.2", 9))

    def _end(self) -> None:
        self._process.kill()
        self._process.communicate()
        for group in self._groups:
            with contextlib.suppress(OSError):
                # A group can be removed once the kernel is done with its process.
                wait_for("the group is empty", lambda group=group: not (group / "cgroup.procs").read_text())
                group.rmdir()


class CgroupNetworkTests(CollectTestCase):
    """
    Beside the agent, with its helper that enters the container.
    """

    def test_same(self) -> None:
        """
        Charts of the container's interfaces are those of the agent, with the same traffic, and the machine has none
        of them; without any right to enter the container.
        """
        for program in ("unshare", "nsenter", "ip"):
            if shutil.which(program) is None:
                missing(f"{program} is not there (apt-get install --no-install-recommends util-linux iproute2)")
        for helper in ("cgroup-network", "cgroup-name.sh"):
            if not (HELPERS / helper).exists():
                missing(f"{HELPERS / helper} is not there (apt-get install netdata-core netdata-plugins-bash)")
        container = Container(self)
        self.assertEqual({link.name for link in Netlink().far()} & {*container.outer}, {*container.outer})
        lines = [
            "[plugin:cgroups]",
            "check for new cgroups every = 1",
            f"use unified cgroups = {'yes' if container.unified else 'no'}",
            f"script to get cgroup names = {HELPERS / 'cgroup-name.sh'}",
            f"script to get cgroup network interfaces = {HELPERS / 'cgroup-network'}",
        ]
        self.sending = container.send
        self.both(partial(self.compare, container), None, "\n".join(lines) + "\n", groups=True)

    def compare(self, container: Container, theirs: Host, ours: Host) -> None:
        """
        All that is to be alike.
        """
        prefix = f"cgroup_{container.name}.net_"
        wanted = {f"{prefix}{part}lan{number}" for part in PARTS for number in range(2)}
        for host in (theirs, ours):
            self.assertEqual({chart for chart in host.charts if chart.startswith(prefix)}, wanted)
        # The agent begins to show them as the machine's own.
        self.assertFalse([chart for chart in ours.charts if any(outer in chart for outer in container.outer)])
        for chart in sorted(wanted):
            self.assertEqual(theirs.charts[chart], ours.charts[chart])
        for host in (theirs, ours):
            received, sent = (self.newest(host, f"{prefix}lan0", name) for name in ("received", "sent"))
            self.assertGreater(received, abs(sent))
        self.assertEqual(self.newest(ours, f"{prefix}mtu_lan0", "mtu"), 1500)

    def newest(self, host: Any, chart: str, dimension: str) -> float:
        """
        @return: The newest value.
        """
        _, _, value = host.latest.of(host.table.find(chart, dimension))
        return float(value)
