"""
Tests of all collectors on a machine of files, and on broken ones.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from netstream.collect.apps import FILE, Apps
from netstream.collect.collector import LOOK_AGAIN, MakeCollector, Odd
from netstream.collect.files import Machine
from netstream.collect.interrupts import SoftIrqs
from netstream.collect.mdstat import MdStat
from netstream.collect.modules import MODULES
from netstream.collect.netstat import NetStat
from netstream.collect.power import PowerCap
from netstream.collect.process_groups import parse
from netstream.collect.temperatures import HardwareMonitors
from netstream.wire.words import parent_words
from tests.collect.trees import (
    DISKSTATS,
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
    blocks,
    defined,
    write,
)

FILES = Path(__file__).with_name("machine")
USUAL = {
    "stat": STAT,
    "loadavg": LOADAVG,
    "uptime": UPTIME,
    "vmstat": VMSTAT,
    "meminfo": MEMINFO,
    "net/dev": NET_DEV,
    "diskstats": DISKSTATS,
    "sys/kernel/random/entropy_avail": "256\n",
}
EXPECTED = (OSError, Odd, ValueError, LookupError)
"""What a collector may raise; the service says it in one line."""


class MachineTests(TreeTestCase):
    """
    A machine that has everything.
    """

    def setUp(self) -> None:
        super().setUp()
        shutil.copytree(FILES, self.root, dirs_exist_ok=True)
        write(self.machine.proc, {**USUAL, **PROCESS})

    def start(self, make: MakeCollector) -> bytes:
        """
        @return: What a collector says at first.
        """
        self.collector = make(self.machine, 1)
        self.closing(self.collector)
        return self.collector.collect(NOW)

    def test_everything(self) -> None:
        """
        Every collector measures, and takes all its charts back when it ends.
        """
        for make in MODULES:
            text = self.start(make) + self.collector.collect(NOW + SECOND)
            self.assertTrue(defined(text), self.collector.source)
            gone = self.collector.withdraw()
            self.assertEqual(set(defined(gone, obsolete=True)), set(defined(text)), self.collector.source)

    def test_titles(self) -> None:
        """
        The title of a chart is for people: it does not repeat the id, which the API puts behind it.
        """
        for make in (*MODULES, Apps):
            told = self.start(make) + b"".join(self.collector.collect(NOW + n * SECOND) for n in range(1, 12))
            charts = [parent_words(line) for line in told.decode().splitlines() if line.startswith("CHART ")]
            self.assertTrue(charts, self.collector.source)
            for _, id, _, title, *_ in charts:
                self.assertNotIn(id, title)

    def broken(self) -> Iterator[tuple[Path, bytes]]:
        """
        @return: Each file of the machine, with each thing that may be wrong.
        """
        for path in sorted(path for path in self.root.rglob("*") if path.is_file()):
            good = path.read_bytes()
            for bad in (b"", b"\xff\x00 nonsense: -\n1 2 3\n" * 3, good[: len(good) // 2], good.replace(b"1", b"x")):
                path.write_bytes(bad)
                yield path, bad
            path.write_bytes(good)

    def test_broken(self) -> None:
        """
        A file that is empty, cut off or nonsense is told as what it is, and never in another way.
        """
        tried = 0
        makers = [*MODULES, Apps]
        for path, _ in self.broken():
            for make in makers:
                collector = make(self.machine, 1)
                if Path(collector.source).parent not in path.parents:
                    continue
                try:
                    for second in range(2):
                        collector.collect(NOW + second * SECOND)
                except EXPECTED:
                    pass
                except Exception as problem:
                    self.fail(f"{make} and {path}: {problem!r}")
                finally:
                    collector.close()
                tried += 1
        self.assertGreater(tried, 500)

    def test_headings(self) -> None:
        """
        Counters whose headings are of another line are not taken for something else.
        """
        (self.machine.proc / "net/snmp").write_text("Ip: A B\nIp: 1\n")
        with self.assertRaises(Odd):
            self.start(NetStat)

    def test_arrays(self) -> None:
        """
        An array that fails shows it, one that is gone takes its charts along, and disks that are missing are counted.
        """
        found = blocks(self.start(MdStat))
        self.assertEqual(found["mdstat.mdstat_health"], {"md0": 0, "md1": 1, "md4": 0})
        self.assertEqual(found["mdstat.md1_disks"], {"inuse": 2, "down": 1})
        self.assertEqual(found["mdstat.md0_mismatch"], {"count": 8})
        self.proc(mdstat="Personalities : [raid1]\nmd0 : active raid1 sda1[0]\n      9 blocks [2/1] [U_]\n")
        text = self.collector.collect(NOW + SECOND)
        self.assertEqual(blocks(text)["mdstat.mdstat_health"], {"md0": 1})
        self.assertIn("mdstat.md1_disks", defined(text, obsolete=True))
        self.assertIn('DIMENSION "md1" "md1" "absolute" 1 1 "obsolete', text.decode())

    def test_new_dimension(self) -> None:
        """
        What begins to count later joins the chart, whose values go on.
        """
        self.assertNotIn("HI", blocks(self.start(SoftIrqs))["system.softirqs"])
        path = self.machine.proc / "softirqs"
        path.write_text(path.read_text().replace("HI:          0          0", "HI:          3          4"))
        text = self.collector.collect(NOW + SECOND)
        self.assertEqual(blocks(text)["system.softirqs"]["HI"], 7)
        self.assertIn(f'BEGIN "system.softirqs" {SECOND}'.replace('"', ""), text.decode().replace('"', ""))

    def test_unplugged(self) -> None:
        """
        A chip that is taken away takes its chart along; one that comes is found.
        """
        self.assertEqual(
            blocks(self.start(HardwareMonitors)),
            {"sensors.coretemp-hwmon0_temperature": {"temp1": 45000, "temp2": 43500}},
        )
        chip = self.machine.sys / "class/hwmon/hwmon0"
        chip.rename(chip.with_name("hwmon1"))
        text = self.collector.collect(NOW + LOOK_AGAIN)
        self.assertEqual(defined(text, obsolete=True), ["sensors.coretemp-hwmon0_temperature"])
        self.assertIn("sensors.coretemp-hwmon1_temperature", blocks(text))

    def test_energy(self) -> None:
        """
        A counter of energy that begins anew is no fall.
        """
        first = blocks(self.start(PowerCap))["cpu.powercap_intel_rapl_zone_intel-rapl_0"]["power"]
        (self.machine.sys / "class/powercap/intel-rapl:0/energy_uj").write_text("5\n")
        second = blocks(self.collector.collect(NOW + SECOND))["cpu.powercap_intel_rapl_zone_intel-rapl_0"]["power"]
        self.assertEqual((first, second), (123456789, 262143328850 + 5))


class AppsTests(TreeTestCase):
    """
    Processes.
    """

    def test_groups(self) -> None:
        """
        Processes belong to the group of their name or of their parent, and what they need is summed up by it.
        """
        child = {name.replace("7/", "8/"): text.replace("7 (a b) S 1", "8 (sh) R 7") for name, text in PROCESS.items()}
        write(self.machine.proc, {**PROCESS, **child, "uptime": UPTIME})
        write(self.root, {FILE: "# groups\nmine: 'a b'\n"})
        apps = Apps(Machine(self.machine.proc, self.machine.sys, self.root), 1)
        self.closing(apps)
        for second in range(5):
            self.assertEqual(apps.collect(NOW + second * SECOND), b"")
        grown = PROCESS["7/stat"].replace("300 50", "400 50")
        write(self.machine.proc, {"7/stat": grown})
        found = blocks(b"".join([apps.collect(NOW + second * SECOND) for second in range(5, 10)]))
        self.assertEqual(found["apps.processes"], {"mine": 2})
        self.assertEqual(found["apps.mem"], {"mine": 2048})
        self.assertEqual(found["apps.swap"], {"mine": 1024})
        self.assertEqual(found["apps.cpu_user"], {"mine": 20 * 10_000})
        self.assertEqual(found["users.threads"], {"root": 6})
        self.assertEqual(found["system.processes_state"]["running"], 1)

    def test_ended(self) -> None:
        """
        A process that ends is not counted any more, and its group's dimension is declared obsolete.
        """
        write(self.machine.proc, {**PROCESS, "uptime": UPTIME})
        apps = Apps(Machine(self.machine.proc, self.machine.sys, self.root), 1)
        self.closing(apps)
        for second in range(10):
            apps.collect(NOW + second * SECOND)
        shutil.rmtree(self.machine.proc / "7")
        text = b"".join([apps.collect(NOW + second * SECOND) for second in range(10, 15)])
        self.assertIn("apps.cpu", defined(text, obsolete=True))

    def test_names(self) -> None:
        """
        Stars stand where an agent's file has them.
        """
        groups = parse(["web: nginx* *httpd", "py: *script.py*", "  # no: line", "odd 'line", "one: two"])
        self.assertEqual(groups.of("nginx-worker", ""), "web")
        self.assertEqual(groups.of("httpd-worker", ""), None)
        self.assertEqual(groups.of("myhttpd", ""), "web")
        self.assertEqual(groups.of("python3", "python3 /a/script.py -x"), "py")
        self.assertEqual(groups.of("two", ""), "one")
