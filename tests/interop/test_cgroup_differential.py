"""
Control groups of both versions, measured by the agent that Debian packages and by netstream.

Each number in these trees is another one, so a number in a chart tells where it was read.
"""

from __future__ import annotations

from pathlib import Path

from netstream.collect.cgroup_charts import PLUGIN
from netstream.collect.cgroup_find import V1
from netstream.collect.files import Machine
from netstream.hub.hub import Host
from tests.collect.groups import first_version, second_version
from tests.interop.peers import missing
from tests.interop.test_collect_differential import CollectTestCase

NAMES = Path("/usr/lib/netdata/plugins.d/cgroup-name.sh")
ROUNDED = 1
"""The agent cuts off hundredths where we round."""


class CgroupTests(CollectTestCase):
    """
    Containers, virtual machines, and services of systemd.
    """

    def compare(self, options: list[str]) -> None:
        """
        Let both measure the tree, and compare all charts of it.

        @param options: Of the agent, which have it read the tree.
        """
        if not NAMES.exists():
            missing(f"{NAMES} is not there (apt-get install --no-install-recommends netdata-plugins-bash)")
        lines = [
            "[plugin:cgroups]",
            "check for new cgroups every = 1",
            f"script to get cgroup names = {NAMES}",
            "script to get cgroup network interfaces = /bin/true",
            *options,
        ]
        machine = Machine(sys=self.directory / "sys", var=self.directory / "nowhere")
        self.both(self.alike, machine, "\n".join(lines) + "\n", groups=True)

    def alike(self, theirs: Host, ours: Host) -> None:
        """
        All that is to be alike.
        """
        expected = sorted(chart for chart, it in theirs.charts.items() if it.plugin == PLUGIN)
        present = sorted(chart for chart, it in ours.charts.items() if it.plugin == PLUGIN)
        self.assertEqual([], sorted(set(expected) ^ set(present)))
        compared = 0
        for chart in expected:
            self.assertEqual(theirs.charts[chart], ours.charts[chart])
            for dimension in theirs.charts[chart].dimensions:
                _, _, number = theirs.latest.of(theirs.table.find(chart, dimension))
                _, _, our_number = ours.latest.of(ours.table.find(chart, dimension))
                self.assertLessEqual(abs(number - our_number), ROUNDED, f"{chart} {dimension}: {number}, {our_number}")
                compared += 1
        of_groups = [
            {key: value for key, value in host.variables.items() if key[0] in expected} for host in (theirs, ours)
        ]
        self.assertEqual(*of_groups)
        self.assertGreater(compared, 250)

    def test_first_version(self) -> None:
        """
        Of a tree of version 1 every chart is there, defined alike, and shows the same numbers.
        """
        root = self.directory / "sys" / "fs" / "cgroup"
        first_version(root)
        self.compare(["use unified cgroups = no", *(f"path to /sys/fs/cgroup/{name} = {root / name}" for name in V1)])

    def test_second_version(self) -> None:
        """
        The same for version 2.
        """
        root = self.directory / "sys" / "fs" / "cgroup"
        second_version(root)
        self.compare(["use unified cgroups = yes", f"path to unified cgroups = {root}"])
