"""
Tests of what a node says of itself.
"""

from __future__ import annotations

import os
from pathlib import Path

from attrs import evolve

from netstream.collect.facts import host_info, host_labels, system_facts, timezone_name
from netstream.config.settings import Destination, NodeSettings, Role, Settings, StreamSettings
from netstream.model.host import Label
from tests.collect.trees import TreeTestCase, write

GUID = "11111111-1111-4111-8111-111111111111"
MACHINE = {
    "etc/os-release": 'NAME="Debian GNU/Linux"\nID=debian\nVERSION="12 (bookworm)"\n# odd\nVERSION_ID=\'12\'\n',
    "etc/timezone": "Europe/Berlin\n",
    "proc/meminfo": "MemTotal:       1000 kB\n",
    "proc/cpuinfo": "processor : 0\ncpu MHz : 2596.122\nflags : fpu hypervisor\n",
    "proc/1/environ": "A=1\x00container=lxc\x00",
    "sys/class/dmi/id/sys_vendor": "QEMU\n",
    "sys/block/vda/size": "100\n",
    "sys/block/vda/removable": "0\n",
    "sys/block/sr0/size": "100\n",
    "sys/block/sr0/removable": "1\n",
    "sys/block/loop0/size": "100\n",
    "sys/devices/virtual/block/loop0/size": "100\n",
}


class FactsTests(TreeTestCase):
    """
    The facts of the system.
    """

    def test_known(self) -> None:
        """
        What files say of the machine is found.
        """
        write(self.root, MACHINE)
        facts = system_facts(self.root)
        expected = {
            "NETDATA_SYSTEM_OS_NAME": "Debian GNU/Linux",
            "NETDATA_SYSTEM_OS_ID": "debian",
            "NETDATA_SYSTEM_OS_VERSION": "12 (bookworm)",
            "NETDATA_SYSTEM_OS_VERSION_ID": "12",
            "NETDATA_SYSTEM_OS_DETECTION": "/etc/os-release",
            "NETDATA_SYSTEM_VIRTUALIZATION": "qemu",
            "NETDATA_SYSTEM_VIRT_DETECTION": "dmi",
            "NETDATA_SYSTEM_CONTAINER": "lxc",
            "NETDATA_SYSTEM_CONTAINER_DETECTION": "/proc/1/environ",
            "NETDATA_SYSTEM_CPU_FREQ": "2596122000",
            "NETDATA_SYSTEM_TOTAL_RAM": "1024000",
            "NETDATA_SYSTEM_TOTAL_DISK_SIZE": "51200",
        }
        self.assertEqual({name: facts.get(name) for name in expected}, expected)

    def test_unknown(self) -> None:
        """
        What nothing tells is left out, and nothing fails.
        """
        facts = system_facts(self.root)
        self.assertTrue(all(facts.values()))
        self.assertNotIn("NETDATA_SYSTEM_TOTAL_RAM", facts)
        self.assertEqual(facts["NETDATA_SYSTEM_VIRTUALIZATION"], "none")
        self.assertIn("NETDATA_SYSTEM_KERNEL_VERSION", facts)

    def test_odd_files(self) -> None:
        """
        Files with nonsense in them are as good as none.
        """
        write(self.root, {**dict.fromkeys(MACHINE, "\ufffd=\n:\n"), "proc/cpuinfo": "cpu MHz : fast\n"})
        self.assertNotIn("NETDATA_SYSTEM_CPU_FREQ", system_facts(self.root))

    def test_timezone(self) -> None:
        """
        The time zone is found by its file, else by where the local time points to.
        """
        self.patch_environment()
        write(self.root, {"etc/timezone": "Europe/Berlin\n"})
        self.assertEqual(timezone_name(self.root), "Europe/Berlin")
        (self.root / "etc/timezone").unlink()
        self.assertEqual(timezone_name(self.root), "unknown")
        (self.root / "etc/localtime").symlink_to("/usr/share/zoneinfo/Asia/Tokyo")
        self.assertEqual(timezone_name(self.root), "Asia/Tokyo")

    def patch_environment(self) -> None:
        """
        Be without C{TZ}.
        """
        environment = {name: value for name, value in os.environ.items() if name != "TZ"}
        self.patch(os, "environ", environment)

    def test_host(self) -> None:
        """
        A node introduces itself with its name, period and facts.
        """
        write(self.root, MACHINE)
        info = host_info(GUID, "here", 2, timezone="Mars/Olympus", root=self.root)
        self.assertEqual((info.guid, info.hostname, info.update_every), (GUID, "here", 2))
        self.assertEqual((info.timezone, info.hops, info.program), ("Mars/Olympus", 0, "netstream"))
        self.assertEqual(info.system, system_facts(self.root))


class LabelsTests(TreeTestCase):
    """
    The labels of this node.
    """

    settings = Settings(Role.CHILD, Path("/nowhere"), Path("/nowhere"), NodeSettings("here", ephemeral=True))

    def test_automatic(self) -> None:
        """
        Facts of the system are labels, with where they come from.
        """
        write(self.root, MACHINE)
        labels = host_labels(self.settings, self.root)
        self.assertEqual(labels["_os_name"], Label("Debian GNU/Linux", 1))
        self.assertEqual(labels["_system_ram_total"], Label("1024000", 1))
        self.assertEqual(labels["_hostname"], Label("here", 1))
        self.assertEqual(labels["_is_ephemeral"], Label("true", 2))
        self.assertEqual(labels["_is_parent"], Label("false", 1))
        self.assertNotIn("_streams_to", labels)

    def test_configured(self) -> None:
        """
        Configured labels come cleaned, and win over those that were found.
        """
        given = {"rack": 'A;1 "left"', "two words": "x", "_os_name": "mine", " ": "nothing"}
        labels = host_labels(evolve(self.settings, host_labels=given), self.root)
        self.assertEqual(labels["rack"], Label("A:1 _left_", 2))
        self.assertEqual(labels["two_words"], Label("x", 2))
        self.assertEqual(labels["_os_name"], Label("mine", 2))
        self.assertNotIn("", labels)

    def test_destination(self) -> None:
        """
        A node that streams says where to.
        """
        stream = StreamSettings(enabled=True, destinations=[Destination("parent:19999", "tcp", "parent", 19999)])
        labels = host_labels(evolve(self.settings, stream=stream), self.root)
        self.assertEqual(labels["_streams_to"], Label("parent:19999", 1))
