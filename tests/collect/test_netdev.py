"""
Tests of the network interfaces.
"""

from __future__ import annotations

from netstream.collect.collector import Odd
from netstream.collect.netdev import NetDev
from tests.collect.trees import NET_DEV, NET_HEADING, NOW, SECOND, TreeTestCase, blocks, defined


def row(name: str, received: int, sent: int) -> str:
    """
    @return: A line of an interface.
    """
    return f"{name}: {received}{' 0' * 7} {sent}{' 0' * 7}\n"


class NetDevTests(TreeTestCase):
    """
    C{/proc/net/dev}, and what C{/sys/class/net} adds.
    """

    def hardware(self, name: str) -> None:
        """
        Make an interface that is hardware, up, with one gigabit.
        """
        base = f"class__net__{name}__"
        facts = {"speed": "1000", "duplex": "full", "operstate": "up", "carrier": "1", "mtu": "1500"}
        self.sys(**{base + fact: value + "\n" for fact, value in facts.items()})

    def collector(self, text: str = NET_DEV) -> NetDev:
        """
        Make a collector of some interfaces.
        """
        self.proc(net__dev=text)
        collector = NetDev(self.machine, 1)
        self.closing(collector)
        return collector

    def test_values(self) -> None:
        """
        An interface has the charts that it has at real agents, with every counter where it belongs.
        """
        self.hardware("eth0")
        found = blocks(self.collector().collect(NOW))
        self.assertEqual(
            found,
            {
                "net.eth0": {"received": 1001, "sent": 2001},
                "net_packets.eth0": {"received": 1002, "sent": 2002, "multicast": 1008},
                "net_errors.eth0": {"inbound": 1003, "outbound": 2003},
                "net_drops.eth0": {"inbound": 1004, "outbound": 2004},
                "net_fifo.eth0": {"receive": 1005, "transmit": 2005},
                "net_compressed.eth0": {"received": 1007, "sent": 2008},
                "net_events.eth0": {"frames": 1006, "collisions": 2006, "carrier": 2007},
                "net_speed.eth0": {"speed": 1_000_000},
                "net_duplex.eth0": {"full": 1, "half": 0, "unknown": 0},
                "net_operstate.eth0": {
                    "up": 1,
                    "down": 0,
                    "notpresent": 0,
                    "lowerlayerdown": 0,
                    "testing": 0,
                    "dormant": 0,
                    "unknown": 0,
                },
                "net_carrier.eth0": {"up": 1, "down": 0},
                "net_mtu.eth0": {"mtu": 1500},
                "system.net": {"InOctets": 1001, "OutOctets": 2001},
            },
        )

    def test_definition(self) -> None:
        """
        The chart of the traffic is the one that real agents have, to the letter.
        """
        self.hardware("eth0")
        text = self.collector().collect(NOW).decode()
        self.assertTrue(
            text.startswith(
                'CHART "net.eth0" "" "Bandwidth" "kilobits/s" "eth0" "net.net" "area" 7000 1 "   " "proc.plugin"'
                ' "/proc/net/dev"\n'
                'CLABEL "_collect_plugin" "proc.plugin" 1\n'
                'CLABEL "_collect_module" "/proc/net/dev" 1\n'
                'CLABEL "interface_type" "real" 1\n'
                'CLABEL "device" "eth0" 1\n'
                "CLABEL_COMMIT\n"
                'DIMENSION "received" "received" "incremental" 8 1000 "  "\n'
                'DIMENSION "sent" "sent" "incremental" -8 1000 "  "\n'
            ),
            text,
        )
        self.assertIn(
            '"net_errors.eth0" "" "Interface Errors" "errors/s" "eth0" "net.errors" "line" 7002 1 " det', text
        )
        self.assertIn("VARIABLE CHART nic_speed_max = 1000000", text)

    def test_virtual(self) -> None:
        """
        A virtual interface is not counted as hardware, and one that is idle and down has hardly a chart.
        """
        self.sys(
            "devices/virtual/net/veth1",
            class__net__veth1__operstate="down\n",
            class__net__veth1__mtu="1500\n",
            class__net__veth1__speed="10000\n",
        )
        found = blocks(self.collector(NET_HEADING + row("veth1", 0, 0)).collect(NOW))
        self.assertEqual(sorted(found), ["net_mtu.veth1", "net_operstate.veth1"])
        self.assertEqual(found["net_operstate.veth1"]["down"], 1)

    def test_ignored(self) -> None:
        """
        The loopback and what firewalls make for themselves are left out.
        """
        names = ("lo", "eth0-ifb", "fwpr1", "fwbr1", "fwln1", "fireqos_monitor")
        text = self.collector(NET_HEADING + "".join(row(name, 5, 6) for name in names)).collect(NOW)
        self.assertEqual(text, b"")

    def test_names(self) -> None:
        """
        Names with dots and colons are told apart from the numbers.
        """
        found = blocks(self.collector(NET_HEADING + row("ens1.100", 1, 2) + row("br:0", 3, 4)).collect(NOW))
        self.assertEqual(found["net.ens1.100"], {"received": 1, "sent": 2})
        self.assertEqual(found["net.br:0"], {"received": 3, "sent": 4})
        self.assertEqual(found["system.net"], {"InOctets": 4, "OutOctets": 6})

    def test_removed(self) -> None:
        """
        Charts of an interface that disappears are declared obsolete; they revive with it.
        """
        collector = self.collector(NET_HEADING + row("eth0", 1, 2) + row("eth1", 3, 4))
        shown = [chart for chart in defined(collector.collect(NOW)) if chart.endswith("eth1")]
        self.proc(net__dev=NET_HEADING + row("eth0", 1, 2))
        text = collector.collect(NOW + SECOND)
        self.assertEqual(defined(text, obsolete=True), shown)
        self.assertIn("net.eth0", blocks(text))
        self.proc(net__dev=NET_HEADING + row("eth0", 1, 2) + row("eth1", 3, 4))
        self.assertEqual(defined(collector.collect(NOW + 2 * SECOND)), shown)

    def test_state_changes(self) -> None:
        """
        A cable that is pulled is seen at the next tick.
        """
        self.hardware("eth0")
        collector = self.collector()
        collector.collect(NOW)
        self.sys(class__net__eth0__carrier="0\n", class__net__eth0__operstate="down\n")
        found = blocks(collector.collect(NOW + SECOND))
        self.assertEqual(found["net_carrier.eth0"], {"up": 0, "down": 1})
        self.assertEqual(found["net_operstate.eth0"]["down"], 1)

    def test_odd(self) -> None:
        """
        What is no such table is refused.
        """
        for text in ("", "hello\n", NET_HEADING + "eth0: 1 2 3\n"):
            self.assertRaises(Odd, self.collector(text).collect, NOW)
