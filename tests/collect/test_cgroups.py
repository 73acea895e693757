"""
Tests of control groups: containers, virtual machines, services.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any, cast

from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher

from netstream.collect.cgroup_names import ContainerNames, group_name
from netstream.collect.cgroups import Cgroups
from netstream.collect.files import Machine
from netstream.config.cgroups import CgroupSettings
from netstream.model.pattern import pattern
from tests.collect.groups import CONTAINER, IDLE, first_version, second_version
from tests.collect.trees import NOW, SECOND, TreeTestCase, blocks, defined, write

DOCKER = f"docker/{CONTAINER}"
SHORT = CONTAINER[:12]


class CgroupTestCase(TreeTestCase):
    """
    A machine with control groups.
    """

    def setUp(self) -> None:
        super().setUp()
        self.machine = Machine(self.root / "proc", self.root / "sys", var=self.root / "var")
        self.tree = self.machine.sys / "fs" / "cgroup"
        self.proc(meminfo="MemTotal: 16000000 kB\n")
        self.events: list[LogEvent] = []
        observer = cast(ILogObserver, self.events.append)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)

    def cgroups(self, **settings: Any) -> Cgroups:
        """
        @return: The collector, with these settings.
        """
        return Cgroups(self.machine, 1, CgroupSettings(**settings))

    def logged(self) -> list[str]:
        """
        @return: The lines of the log.
        """
        return [formatEvent(event) for event in self.events]


class VersionTests(CgroupTestCase):
    """
    Both versions.
    """

    def test_second(self) -> None:
        """
        A container and a service of version 2 are shown, with the name that Docker shows where only the id is known.
        """
        second_version(self.tree, [DOCKER, "system.slice/cron.service"])
        of = blocks(self.cgroups().collect(NOW))
        prefix = f"cgroup_{SHORT}"
        stat = dict(line.split() for line in (self.tree / DOCKER / "cpu.stat").read_text().splitlines())
        self.assertEqual(of[f"{prefix}.cpu"], {"user": int(stat["user_usec"]), "system": int(stat["system_usec"])})
        self.assertEqual(of[f"{prefix}.throttled_duration"], {"duration": int(stat["throttled_usec"]) * 1000})
        self.assertEqual(of[f"{prefix}.cpu_some_pressure"], {"some 10": 301, "some 60": 302, "some 300": 303})
        self.assertIn("system-slice_cron-service", of["services.cpu"])
        self.assertNotIn(f"{prefix}.cpu_per_core", of)

    def test_first(self) -> None:
        """
        Those of version 1 are shown as well, each hierarchy read where it is mounted.
        """
        first_version(self.tree, [DOCKER, "system.slice/cron.service"])
        of = blocks(self.cgroups().collect(NOW))
        prefix = f"cgroup_{SHORT}"
        stat = dict(line.split() for line in (self.tree / "cpuacct" / DOCKER / "cpuacct.stat").read_text().splitlines())
        self.assertEqual(of[f"{prefix}.cpu"], {"user": int(stat["user"]), "system": int(stat["system"])})
        self.assertEqual(len(of[f"{prefix}.cpu_per_core"]), 2)
        usage = int((self.tree / "memory" / DOCKER / "memory.usage_in_bytes").read_text())
        self.assertEqual(sum(of[f"{prefix}.mem_usage_limit"].values()), usage * 2)
        self.assertIn("system-slice_cron-service", of["services.throttle_io_read"])

    def test_limits(self) -> None:
        """
        What a container uses is shown as a share of its limits, and a limit that changes is told.
        """
        second_version(self.tree, [DOCKER])
        collector = self.cgroups()
        text = collector.collect(NOW)
        self.assertIn(b"VARIABLE CHART cpu_limit = 50", text)
        self.assertEqual(blocks(text)[f"cgroup_{SHORT}.cpu_limit"], {"used": 0})
        stat = (self.tree / DOCKER / "cpu.stat").read_text()
        user = int(dict(line.split() for line in stat.splitlines())["user_usec"])
        periods = int(dict(line.split() for line in stat.splitlines())["nr_periods"])
        changed = stat.replace(f"user_usec {user}", f"user_usec {user + 250_000}")
        (self.tree / DOCKER / "cpu.stat").write_text(
            changed.replace(f"nr_periods {periods}", f"nr_periods {periods + 10}").replace(
                f"nr_throttled {periods + 4096}", f"nr_throttled {periods + 4096 + 3}"
            )
        )
        of = blocks(collector.collect(NOW + SECOND))
        self.assertEqual(of[f"cgroup_{SHORT}.cpu_limit"], {"used": 50_000_000})
        self.assertEqual(of[f"cgroup_{SHORT}.throttled"], {"throttled": 30})
        (self.tree / DOCKER / "cpu.max").write_text("80000 100000\n")
        self.assertNotIn(b"VARIABLE", collector.collect(NOW + 2 * SECOND))
        self.assertIn(b"VARIABLE CHART cpu_limit = 80", collector.collect(NOW + 12 * SECOND))

    def test_idle(self) -> None:
        """
        A container that has done nothing has no charts of it, until it does something.
        """
        second_version(self.tree, [f"docker/{IDLE}"])
        collector = self.cgroups()
        shown = {chart.partition(".")[2] for chart in blocks(collector.collect(NOW))}
        self.assertEqual({name for name in shown if "pressure" not in name}, {"throttled", "throttled_duration"})
        (self.tree / "docker" / IDLE / "memory.current").write_text("4096\n")
        of = blocks(collector.collect(NOW + SECOND))
        self.assertEqual(of[f"cgroup_{IDLE[:12]}.mem_usage"], {"ram": 4096, "swap": 0})

    def test_none(self) -> None:
        """
        A machine without control groups has none to be read, which is no failure of a file that is there.
        """
        self.assertRaises(FileNotFoundError, self.cgroups().collect, NOW)


class ComingTests(CgroupTestCase):
    """
    Groups that come, go, and are renamed.
    """

    def test_come_and_go(self) -> None:
        """
        A container that is started is shown within ten seconds; the charts of one that ended are declared obsolete at
        once, and a service that ended is no dimension any more.
        """
        second_version(self.tree, [DOCKER, "system.slice/cron.service", "system.slice/ssh.service"])
        collector = self.cgroups()
        self.assertNotIn("cgroup_web.cpu", blocks(collector.collect(NOW)))
        second_version(self.tree, ["web"])
        self.assertNotIn("cgroup_web.cpu", blocks(collector.collect(NOW + SECOND)))
        shutil.rmtree(self.tree / DOCKER)
        shutil.rmtree(self.tree / "system.slice/ssh.service")
        text = collector.collect(NOW + 2 * SECOND)
        self.assertIn(f"cgroup_{SHORT}.cpu", defined(text, obsolete=True))
        self.assertEqual(list(blocks(text)["services.cpu"]), ["system-slice_cron-service"])
        self.assertIn(b'DIMENSION "system-slice_ssh-service" "ssh" "incremental" 100 1000000 "obsolete  "', text)
        text = collector.collect(NOW + 12 * SECOND)
        self.assertIn("cgroup_web.cpu", blocks(text))
        self.assertNotIn(f"cgroup_{SHORT}.cpu", blocks(text))
        shutil.rmtree(self.tree)
        self.tree.mkdir()
        collector.collect(NOW + 13 * SECOND)
        self.assertEqual(blocks(collector.collect(NOW + 14 * SECOND)), {})

    def test_service_comes(self) -> None:
        """
        A service that is started joins the charts that are there.
        """
        second_version(self.tree, ["system.slice/cron.service"])
        collector = self.cgroups()
        collector.collect(NOW)
        second_version(self.tree, ["system.slice/cron.service", "system.slice/ssh.service"])
        of = blocks(collector.collect(NOW + 10 * SECOND))
        self.assertEqual(set(of["services.cpu"]), {"system-slice_cron-service", "system-slice_ssh-service"})

    def test_renamed(self) -> None:
        """
        A container has the name that Docker gave it; after a renaming its charts are those of the new name.
        """
        second_version(self.tree, [DOCKER])
        config = self.root / "var/lib/docker/containers" / CONTAINER / "config.v2.json"
        write(config.parent, {config.name: json.dumps({"Name": "/Web.1"})})
        collector = self.cgroups()
        self.assertIn("cgroup_web-1.cpu", blocks(collector.collect(NOW)))
        config.write_text(json.dumps({"Name": "/shop"}))
        os.utime(config, (1, 1))
        text = collector.collect(NOW + 10 * SECOND)
        self.assertIn("cgroup_web-1.cpu", defined(text, obsolete=True))
        self.assertIn("cgroup_shop.cpu", blocks(text))

    def test_withdrawn(self) -> None:
        """
        All charts are declared obsolete when the collector ends, and defined anew if it goes on.
        """
        second_version(self.tree, [DOCKER, "system.slice/cron.service"])
        collector = self.cgroups()
        shown = set(blocks(collector.collect(NOW)))
        self.assertEqual(set(defined(collector.withdraw(), obsolete=True)), shown)
        self.assertEqual(set(defined(collector.collect(NOW + SECOND))), shown)


class SelectionTests(CgroupTestCase):
    """
    Which groups are shown.
    """

    def shown(self, **settings: Any) -> set[str]:
        """
        @return: What the charts of the groups begin with.
        """
        return {chart.partition(".")[0] for chart in blocks(self.cgroups(**settings).collect(NOW))}

    def test_patterns(self) -> None:
        """
        The patterns of the configuration select by path and by name, say where to search, and what is a service.
        """
        second_version(self.tree)
        everything = self.shown()
        self.assertIn("cgroup_machine-slice_web", everything)
        self.assertIn("services", everything)
        self.assertNotIn("cgroup_system-slice_tmp-mount", everything)
        self.assertNotIn("cgroup_machine-slice_web", self.shown(shown=pattern("!*/web *")))
        self.assertNotIn("cgroup_mail", self.shown(shown_names=pattern("!mail *")))
        self.assertNotIn("cgroup_machine-slice_web", self.shown(searched=pattern("!/machine.slice *")))
        self.assertIn(f"cgroup_docker_{CONTAINER}", self.shown(renamed=pattern("!*")))
        self.assertNotIn("services", self.shown(services=False))
        self.assertEqual(self.shown(deepest=1), {"cgroup_mail"})

    def test_bound(self) -> None:
        """
        Of more groups than are allowed the rest is not shown, and one line tells how many.
        """
        second_version(self.tree, [f"box{number}" for number in range(7)])
        collector = self.cgroups(most=3)
        for second in range(25):
            of = blocks(collector.collect(NOW + second * SECOND))
        self.assertEqual(len({chart.partition(".")[0] for chart in of}), 3)
        self.assertEqual(len(self.logged()), 1)
        self.assertIn("4 control groups are not shown; 'max cgroups to allow' is 3", self.logged()[0])

    def test_same_name(self) -> None:
        """
        Two groups that would have the same charts do not spoil each other.
        """
        second_version(self.tree, ["a b", "a_b"])
        text = self.cgroups().collect(NOW)
        self.assertEqual(text.count(b'CHART "cgroup_a_b.cpu"'), 1)
        self.assertEqual(text.count(b'BEGIN "cgroup_a_b.cpu"'), 1)

    def test_no_links(self) -> None:
        """
        A link that leads in a circle is not followed.
        """
        second_version(self.tree, ["web"])
        (self.tree / "web" / "again").symlink_to(self.tree)
        self.assertEqual(self.shown(), {"cgroup_web"})

    def test_odd(self) -> None:
        """
        A group of which a file is damaged is left out with one line; the others are shown on.
        """
        second_version(self.tree, ["good", "bad", "system.slice/cron.service", "system.slice/ssh.service"])
        collector = self.cgroups()
        collector.collect(NOW)
        (self.tree / "bad" / "memory.current").write_text("much\n")
        (self.tree / "system.slice/ssh.service/cpu.stat").write_text("user_usec\n")
        for second in range(1, 25):
            text = collector.collect(NOW + second * SECOND)
            if second == 1:
                self.assertIn("cgroup_bad.cpu", defined(text, obsolete=True))
        of = blocks(text)
        self.assertIn("cgroup_good.cpu", of)
        self.assertNotIn("cgroup_bad.cpu", of)
        self.assertEqual(list(of["services.cpu"]), ["system-slice_cron-service"])
        self.assertEqual(len(self.logged()), 2)
        self.assertIn("the control group /bad is not shown: a file is not as expected", self.logged()[0])


class NameTests(CgroupTestCase):
    """
    What groups are called.
    """

    def test_names(self) -> None:
        """
        Containers, machines and services are called as agents call them.
        """
        containers = ContainerNames(self.root)
        for path, name in (
            (f"/docker/{CONTAINER}", SHORT),
            (f"/system.slice/docker-{CONTAINER}.scope", SHORT),
            (f"/machine.slice/libpod-{CONTAINER}.scope/container", SHORT),
            (f"/docker-ce/{CONTAINER}", f"docker-ce_{CONTAINER}"),
            ("/machine.slice/machine-qemu\\x2d12\\x2dvm\\x2d01.scope", "qemu_vm01"),
            ("/machine.slice/machine-lxc\\x2d1\\x2dbox.scope", "lxc_box"),
            ("/machine.slice/systemd-nspawn@web.service", "systemd-nspawn@web"),
            ("/lxc.payload.mail", "mail"),
            ("/kubepods/pod1/abc", "k8s_kubepods_pod1_abc"),
            ("/machine.slice/Odd@Name:x+y,z", "machine.slice_odd_name_x_y.z"),
        ):
            self.assertEqual(group_name(path, containers), name)

    def test_podman(self) -> None:
        """
        A container that Podman keeps has its name.
        """
        file = Path("lib/containers/storage/overlay-containers/containers.json")
        write(self.root, {str(file): json.dumps([{"id": IDLE, "names": ["x"]}, {"id": CONTAINER, "names": ["shop"]}])})
        self.assertEqual(ContainerNames(self.root).name(CONTAINER), "shop")

    def test_damaged(self) -> None:
        """
        A file of Docker that is damaged, or says something else, costs the name and nothing more.
        """
        file = f"lib/docker/containers/{CONTAINER}/config.v2.json"
        for text in ("", "{", "[]", "{}", '{"Name": 5}', '{"Name": "/"}', "\xff"):
            write(self.root, {file: text})
            self.assertEqual(ContainerNames(self.root).name(CONTAINER), SHORT, text)
