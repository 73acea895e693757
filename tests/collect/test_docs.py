"""
Tests of the page on collection.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from netstream.collect.cgroups import Cgroups
from netstream.collect.collector import MakeCollector
from netstream.collect.files import Machine
from netstream.collect.modules import PLUGINS
from tests.collect.groups import GROUPS, first_version, second_version
from tests.collect.test_own import stored, working
from tests.collect.test_streams import streaming
from tests.collect.trees import (
    LOADAVG,
    MEMINFO,
    NET_DEV,
    NOW,
    PROCESS,
    SECOND,
    STAT,
    UPTIME,
    VMSTAT,
    TreeTestCase,
    write,
)

MACHINE = Path(__file__).with_name("machine")
PAGE = Path(__file__).resolve().parents[2] / "docs" / "collection.md"
CHART = re.compile(r'^CHART "[^"]*" "[^"]*" "[^"]*" "[^"]*" "[^"]*" "([^"]*)"', re.MULTILINE)
DISK = "254 0 vda 100 3 1100 83 203 2 4064 90 1 637 1111 12 1 848 14 4 5\n"


class PageTests(TreeTestCase):
    """
    C{docs/collection.md}.
    """

    def contexts(self, make: MakeCollector) -> set[str]:
        """
        @return: The contexts that a collector has on a machine with everything.
        """
        collector = make(self.machine, 1)
        self.addCleanup(collector.close)
        text = b"".join([collector.collect(NOW + second * SECOND) for second in range(10)])
        return set(CHART.findall(text.decode()))

    def test_contexts(self) -> None:
        """
        The page names every context beside the option that switches it off, and none that does not exist.
        """
        shutil.copytree(MACHINE, self.root, dirs_exist_ok=True)
        self.sys("block/vda")
        self.sys(
            **{
                f"class__net__eth0__{name}": value
                for name, value in {"mtu": "1500", "carrier": "1", "operstate": "up", "speed": "1"}.items()
            }
        )
        write(
            self.machine.proc,
            {
                "stat": STAT,
                "loadavg": LOADAVG,
                "uptime": UPTIME,
                **PROCESS,
                "vmstat": VMSTAT,
                "meminfo": MEMINFO,
                "net/dev": NET_DEV,
                "diskstats": DISK,
                "self/mountinfo": "27 1 254:0 / / rw - ext4 /dev/vda rw\n",
                "self/statm": "1 2 3 4 5 6 7\n",
                "sys/kernel/random/entropy_avail": "256\n",
            },
        )
        groups = [group for group in GROUPS if "kubepods" not in group]
        second_version(self.machine.sys / "fs" / "cgroup", groups)
        older = Machine(self.machine.proc, self.root / "older")
        first_version(older.sys / "fs" / "cgroup", groups)
        documented: dict[str, set[str]] = {}
        for line in PAGE.read_text().splitlines():
            cells = line.split("|")
            if len(cells) == 5 and cells[1].strip().strip("`") in PLUGINS:
                documented.setdefault(cells[1].strip().strip("`"), set()).update(re.findall(r"`([^`]*)`", cells[3]))
        for plugin, makers in PLUGINS.items():
            more: list[MakeCollector] = []
            if plugin == "netstream monitoring":
                more = [stored(self)[1], streaming, working]
            elif plugin == "cgroups":
                more = [lambda _, update_every: Cgroups(older, update_every)]
            self.assertEqual(
                documented[plugin], set().union(*(self.contexts(make) for make in [*makers, *more])), plugin
            )
