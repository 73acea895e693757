"""
A machine of files, measured by the agent that Debian packages and by netstream.

Each number in these files is another one, so a number in a chart tells where it was read.
"""

from __future__ import annotations

from pathlib import Path

from netstream.collect.files import Machine
from netstream.hub.hub import Host
from tests.interop.test_collect_differential import CollectTestCase

MACHINE = Path(__file__).resolve().parents[1] / "collect" / "machine"

FILES = (
    "interrupts",
    "softirqs",
    "net/sockstat",
    "net/sockstat6",
    "net/netstat",
    "net/snmp",
    "net/snmp6",
    "net/sctp/snmp",
    "net/softnet_stat",
    "net/ip_vs_stats",
    "net/stat/nf_conntrack",
    "net/stat/synproxy",
    "net/rpc/nfs",
    "net/rpc/nfsd",
    "mdstat",
)
"""Files of C{/proc} for which the agent can be told another place."""

MODULES = frozenset(
    {
        "/proc/interrupts",
        "/proc/softirqs",
        "/proc/pressure",
        "/proc/net/sockstat",
        "/proc/net/sockstat6",
        "/proc/net/netstat",
        "/proc/net/sctp/snmp",
        "/proc/net/softnet_stat",
        "/proc/net/ip_vs_stats",
        "/proc/net/stat/nf_conntrack",
        "/proc/net/stat/synproxy",
        "/proc/net/rpc/nfs",
        "/proc/net/rpc/nfsd",
        "/proc/mdstat",
        "/proc/spl/kstat/zfs",
        "/sys/class/power_supply",
        "/sys/devices/system/edac/mc",
        "/sys/kernel/mm/ksm",
    }
)
"""What is compared; all of it is made of files."""

ROUNDED = 1
"""The agent cuts off hundredths where we round."""


def elsewhere() -> str:
    """
    @return: Options of the agent, which have it read our files.
    """
    lines = []
    for file in FILES:
        lines += [f"[plugin:proc:/proc/{file}]", f"    filename to monitor = {MACHINE}/proc/{file}"]
    lines += [f"    mismatch_cnt filename to monitor = {MACHINE}/sys/block/%s/md/mismatch_cnt"]
    directories = {
        "/proc/pressure": ("base path of pressure metrics", "proc/pressure"),
        "/proc/spl/kstat/zfs": ("directory to monitor", "proc/spl/kstat/zfs"),
        "/sys/devices/system/edac/mc": ("directory to monitor", "sys/devices/system/edac/mc"),
        "/sys/class/power_supply": ("directory to monitor", "sys/class/power_supply"),
    }
    for section, (option, path) in directories.items():
        lines += [f"[plugin:proc:{section}]", f"    {option} = {MACHINE}/{path}"]
    lines += ["    battery charge = yes", "    battery energy = yes", "    power supply voltage = yes"]
    lines += ["[plugin:proc:/sys/kernel/mm/ksm]"]
    for file in ("pages_shared", "pages_sharing", "pages_unshared", "pages_volatile"):
        lines.append(f"    /sys/kernel/mm/ksm/{file} = {MACHINE}/sys/kernel/mm/ksm/{file}")
    return "\n".join(lines) + "\n"


class MachineTests(CollectTestCase):
    """
    Arrays, file servers, batteries and more, which few machines have.
    """

    def test_same(self) -> None:
        """
        Each chart that the agent makes of these files is there, defined alike, and every dimension shows the same
        number of the same file.
        """
        self.both(self.compare, Machine(MACHINE / "proc", MACHINE / "sys"), elsewhere())

    def compare(self, theirs: Host, ours: Host) -> None:
        """
        All that is to be alike.
        """
        compared = 0
        expected = sorted(chart for chart, it in theirs.charts.items() if it.module in MODULES)
        present = sorted(chart for chart, it in ours.charts.items() if it.module in MODULES)
        self.assertEqual([], sorted(set(expected) ^ set(present)))
        for chart in expected:
            self.assertEqual(theirs.charts[chart], ours.charts[chart])
            for dimension in theirs.charts[chart].dimensions:
                _, _, number = theirs.latest.of(theirs.table.find(chart, dimension))
                _, _, our_number = ours.latest.of(ours.table.find(chart, dimension))
                self.assertLessEqual(abs(number - our_number), ROUNDED, f"{chart} {dimension}: {number}, {our_number}")
                compared += 1
        self.assertGreater(compared, 300)
