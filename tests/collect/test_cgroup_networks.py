"""
Tests of the network interfaces of containers.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping

from twisted.logger import LogEvent, formatEvent, globalLogPublisher

from netstream.collect.cgroup_networks import Owner, Owners, inner_names
from netstream.collect.cgroups import Cgroups
from netstream.collect.charts import safe_id
from netstream.collect.links import Link, Netlink, link
from netstream.collect.netdev import NetDev
from tests.collect.groups import second_version
from tests.collect.trees import NET_HEADING, NOW, SECOND, TreeTestCase, blocks, write

MCAST = """\
2    eth0            1     0     333300000001
2    eth0            1     0     01005e000001
3    lan0            1     0     333300000001
"""
IGMP = """\
Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter
1\tlo        :     1      V3
\t\t\t\t010000E0     1 0:00000000\t\t0
5\teth5      :     1      V3
\t\t\t\t010000E0     1 0:00000000\t\t0
"""


class Knows:
    """
    Links that a test makes.

    @ivar links: What there are.
    @ivar places: Of processes.
    @ivar problem: What happens instead.
    """

    def __init__(self, links: list[Link], places: Mapping[int, int]) -> None:
        self.links = links
        self.places = places
        self.problem: OSError | None = None

    def far(self) -> list[Link]:
        """
        @return: All (called by the collector).
        """
        if self.problem is not None:
            raise self.problem
        return self.links

    def namespace(self, pid: int) -> int:
        """
        @return: Where a process is (called by the collector).
        """
        return self.places.get(pid, -1)


class NetworkTests(TreeTestCase):
    """
    From namespaces to charts.
    """

    def setUp(self) -> None:
        super().setUp()
        self.tree = self.machine.sys / "fs" / "cgroup"
        second_version(self.tree, ["machine.slice/web", "machine.slice/mail", "system.slice/cron.service"])
        write(self.tree, {"machine.slice/web/cgroup.procs": "10\n11\n"})
        write(self.tree, {"machine.slice/mail/below/cgroup.procs": "20\n"})
        write(self.machine.proc, {"11/net/dev_mcast": MCAST})
        self.proc(net__dev=NET_HEADING + self.row("veth1", 100, 200) + self.row("veth2", 300, 400))
        for name in ("veth1", "veth2", "br0"):
            write(self.machine.sys, {f"devices/virtual/net/{name}/x": ""})
        self.knows = Knows([Link("veth1", 2, 0), Link("veth2", 2, 7)], {11: 0, 20: 7})
        self.owners = Owners()
        self.events: list[LogEvent] = []
        globalLogPublisher.addObserver(self.events.append)
        self.addCleanup(globalLogPublisher.removeObserver, self.events.append)
        self.groups = Cgroups(self.machine, 1, None, self.owners, self.knows)
        self.net = NetDev(self.machine, 1, self.owners)
        self.closing(self.net)

    def row(self, name: str, received: int, sent: int) -> str:
        """
        @return: A line of an interface with numbers that all differ.
        """
        columns = [*range(received, received + 8), *range(sent, sent + 8)]
        return f"{name}: {' '.join(map(str, columns))}\n"

    def tick(self, seconds: int = 0) -> bytes:
        """
        @return: What the interfaces' collector says after the other one.
        """
        self.groups.collect(NOW + seconds * SECOND)
        return self.net.collect(NOW + seconds * SECOND)

    def test_shown(self) -> None:
        """
        An interface of a container is among its charts, as the container calls it and sees it.
        """
        text = self.tick()
        found = blocks(text)
        self.assertEqual(found["cgroup_machine-slice_web.net_eth0"], {"received": 200, "sent": 100})
        self.assertEqual(
            found["cgroup_machine-slice_web.net_packets_eth0"], {"received": 201, "sent": 101, "multicast": 107}
        )
        self.assertEqual(found["cgroup_machine-slice_web.net_errors_eth0"], {"inbound": 202, "outbound": 102})
        # Of a process in a group below; nothing says what the interface is called there.
        self.assertEqual(found["cgroup_machine-slice_mail.net_veth2"], {"received": 400, "sent": 300})
        self.assertFalse([chart for chart in found if chart.startswith("net")])
        begin = next(line for line in text.decode().splitlines() if line.startswith("CHART ") and ".net_eth0" in line)
        for expected in ("'net eth0'", "cgroup.net_net", "43000"):
            self.assertIn(expected, begin.replace('"', "'"))

    def test_comes_and_goes(self) -> None:
        """
        An interface that comes with a new container is never shown as the machine's; one that is no container's is
        shown a tick later.
        """
        self.tick()
        names = ("veth1", "veth2", "veth3", "br0")
        self.proc(net__dev=NET_HEADING + "".join(self.row(name, 100, 200) for name in names))
        write(self.machine.sys, {"devices/virtual/net/veth3/x": ""})
        self.knows.links.append(Link("veth3", 3, 0))
        found = blocks(self.tick(1))
        self.assertFalse([chart for chart in found if "br0" in chart or "veth3" in chart])
        found = blocks(self.tick(2))
        self.assertIn("cgroup_machine-slice_web.net_lan0", found)
        self.assertIn("net.br0", found)
        self.knows.links = []
        text = self.tick(12)
        self.assertIn("cgroup_machine-slice_web.net_lan0", text.decode())
        self.assertNotIn("cgroup_machine-slice_web.net_lan0", blocks(text))
        self.assertIn("net.veth3", blocks(self.tick(13)))

    def test_switched_off(self) -> None:
        """
        Without the other collector the interfaces are the machine's.
        """
        self.tick()
        self.groups.close()
        self.assertEqual(sorted(x for x in blocks(self.net.collect(NOW + SECOND)) if "." in x)[0], "net.veth1")

    def test_not_allowed(self) -> None:
        """
        Where the kernel does not say, they are the machine's, which is said once.
        """
        self.knows.problem = PermissionError(1, "Operation not permitted")
        self.tick()
        self.assertIn("net.veth1", blocks(self.tick(1)))
        self.tick(20)
        lines = [text for text in map(formatEvent, self.events) if "interfaces of containers" in text]
        self.assertEqual(len(lines), 1)
        self.assertIn("Operation not permitted", lines[0])

    def test_shared(self) -> None:
        """
        Where two groups share one place, the first has the interface; two interfaces of one name stay apart.
        """
        self.knows.places = {11: 0, 20: 0}
        self.knows.links = [Link("veth1", 2, 0), Link("veth2", 2, 0)]
        self.tick()
        first = next(iter({owner.charts for owner in self.owners.of.values()}))
        self.assertEqual({owner.charts for owner in self.owners.of.values()}, {first})
        self.assertEqual(len({owner.inner for owner in self.owners.of.values()}), 2)

    def test_hostile_name(self) -> None:
        """
        What a container calls its interface is no more than a name.
        """
        write(self.machine.proc, {"11/net/dev_mcast": "2 e'\"=| 1 0 00\n"})
        self.tick()
        owner = self.owners.of["veth1"]
        self.assertEqual(owner, Owner("cgroup_machine-slice_web", "cgroup", safe_id("e'\"=|")))

    def test_inner_names(self) -> None:
        """
        Names are had of either file, and of none if there is neither.
        """
        write(self.machine.proc, {"12/net/igmp": IGMP})
        self.assertEqual(inner_names(self.machine.proc, 11), {2: "eth0", 3: "lan0"})
        self.assertEqual(inner_names(self.machine.proc, 12), {1: "lo", 5: "eth5"})
        self.assertEqual(inner_names(self.machine.proc, 13), {})


class LinkTests(TreeTestCase):
    """
    L{netstream.collect.links}.
    """

    def attribute(self, kind: int, value: bytes) -> bytes:
        """
        @return: As netlink has it.
        """
        return struct.pack("=HH", 4 + len(value), kind) + value + b"\0" * (-len(value) % 4)

    def test_read(self) -> None:
        """
        Only an interface with its other end elsewhere counts, and nonsense does not.
        """
        head = b"\0" * 16
        name, peer, place = (
            self.attribute(3, b"veth1\0"),
            self.attribute(5, b"\2\0\0\0"),
            self.attribute(37, b"\7\0\0\0"),
        )
        self.assertEqual(link(head + name + peer + place), Link("veth1", 2, 7))
        for body in (head, head + name, head + name + peer, head + b"\0\0\0\0" + name, head + name[:3]):
            self.assertIsNone(link(body))

    def test_this_machine(self) -> None:
        """
        The kernel of this machine answers; the own place and a process that is gone have no name.
        """
        netlink = Netlink()
        for each in netlink.far():
            self.assertTrue(each.name)
        self.assertEqual(netlink.namespace(os.getpid()), -1)
        self.assertEqual(netlink.namespace((1 << 22) + 1), -1)
