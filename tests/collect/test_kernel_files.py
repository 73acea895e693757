"""
Tests of the collectors that read a file each: processors, load, memory.
"""

from __future__ import annotations

from netstream.collect.collector import Odd
from netstream.collect.entropy import Entropy
from netstream.collect.loadavg import LoadAverage
from netstream.collect.meminfo import MemInfo
from netstream.collect.own import Own
from netstream.collect.stat import Stat
from netstream.collect.uptime import Uptime
from netstream.collect.vmstat import VMStat
from tests.collect.trees import (
    LOADAVG,
    MEMINFO,
    NOW,
    SECOND,
    STAT,
    UPTIME,
    VMSTAT,
    TreeTestCase,
    blocks,
    defined,
    elapsed,
)


class StatTests(TreeTestCase):
    """
    C{/proc/stat}.
    """

    def test_text(self) -> None:
        """
        The processors' chart is the one that real agents have, to the letter.
        """
        self.proc(stat="cpu  100000 2000 30000 4000000 5000 600 700 80 9000 1100\n")
        text = self.closing(Stat(self.machine, 1)).collect(NOW).decode()
        share = '"percentage-of-incremental-row" 1 1'
        self.assertEqual(
            text,
            'CHART "system.cpu" "" "Total CPU utilization" "percentage" "cpu" "system.cpu" "stacked" 100 1 "   "'
            ' "proc.plugin" "/proc/stat"\n'
            'CLABEL "_collect_plugin" "proc.plugin" 1\n'
            'CLABEL "_collect_module" "/proc/stat" 1\n'
            "CLABEL_COMMIT\n"
            f'DIMENSION "guest_nice" "guest_nice" {share} "  "\n'
            f'DIMENSION "guest" "guest" {share} "  "\n'
            f'DIMENSION "steal" "steal" {share} "  "\n'
            f'DIMENSION "softirq" "softirq" {share} "  "\n'
            f'DIMENSION "irq" "irq" {share} "  "\n'
            f'DIMENSION "user" "user" {share} "  "\n'
            f'DIMENSION "system" "system" {share} "  "\n'
            f'DIMENSION "nice" "nice" {share} "  "\n'
            f'DIMENSION "iowait" "iowait" {share} "  "\n'
            f'DIMENSION "idle" "idle" {share} " hidden "\n'
            'BEGIN "system.cpu" 0\n'
            'SET "guest_nice" = 1100\n'
            'SET "guest" = 9000\n'
            'SET "steal" = 80\n'
            'SET "softirq" = 700\n'
            'SET "irq" = 600\n'
            'SET "user" = 91000\n'
            'SET "system" = 30000\n'
            'SET "nice" = 900\n'
            'SET "iowait" = 5000\n'
            'SET "idle" = 4000000\n'
            "END\n",
        )

    def test_values(self) -> None:
        """
        Each processor has its chart, and the counters of the kernel theirs.
        """
        self.proc(stat=STAT)
        text = self.closing(Stat(self.machine, 1)).collect(NOW)
        found = blocks(text)
        self.assertEqual(found["cpu.cpu0"]["user"], 45500)
        self.assertEqual(found["cpu.cpu3"]["idle"], 2000000)
        self.assertIn(b'"cpu.cpu" "stacked" 1004 1', text)
        self.assertEqual(found["system.intr"], {"interrupts": 1234567})
        self.assertEqual(found["system.ctxt"], {"switches": 7654321})
        self.assertEqual(found["system.forks"], {"started": 4242})
        self.assertEqual(found["system.processes"], {"running": 3, "blocked": 2})
        self.assertIn(b"VARIABLE HOST active_processors = 2", text)

    def test_second_time(self) -> None:
        """
        Once a chart is known only its samples are written, with the time that passed.
        """
        self.proc(stat=STAT)
        collector = self.closing(Stat(self.machine, 1))
        collector.collect(NOW)
        text = collector.collect(NOW + SECOND + 7)
        self.assertEqual(defined(text), [])
        self.assertEqual(elapsed(text, "system.cpu"), 1_000_007)
        self.assertNotIn(b"VARIABLE", text)

    def test_clock_set_back(self) -> None:
        """
        A clock that was set back does not make time negative.
        """
        self.proc(stat=STAT)
        collector = self.closing(Stat(self.machine, 1))
        collector.collect(NOW)
        self.assertEqual(elapsed(collector.collect(NOW - 3600 * SECOND), "system.cpu"), 0)

    def test_old_kernel(self) -> None:
        """
        An old kernel that tells of fewer states is read as well.
        """
        self.proc(stat="cpu 10 2 30 400\nintr 5\n")
        found = blocks(self.closing(Stat(self.machine, 1)).collect(NOW))
        self.assertEqual(found["system.cpu"]["idle"], 400)
        self.assertEqual(found["system.cpu"]["steal"], 0)

    def test_processor_leaves(self) -> None:
        """
        The chart of a processor that is switched off is declared obsolete, and comes back with it.
        """
        self.proc(stat=STAT)
        collector = self.closing(Stat(self.machine, 1))
        collector.collect(NOW)
        self.proc(stat="".join(line for line in STAT.splitlines(True) if not line.startswith("cpu3")))
        text = collector.collect(NOW + SECOND)
        self.assertEqual(defined(text, obsolete=True), ["cpu.cpu3"])
        self.assertNotIn("cpu.cpu3", blocks(text))
        self.proc(stat=STAT)
        text = collector.collect(NOW + 2 * SECOND)
        self.assertEqual(defined(text), ["cpu.cpu3"])
        self.assertEqual(elapsed(text, "cpu.cpu3"), 0)

    def test_odd(self) -> None:
        """
        What is no such file is refused with its name.
        """
        for text in ("", "nonsense 1\n", "cpu 1 2\n"):
            self.proc(stat=text)
            problem = self.assertRaises(Odd, self.closing(Stat(self.machine, 1)).collect, NOW)
            self.assertEqual(problem.path, self.machine.proc / "stat")

    def test_long_file(self) -> None:
        """
        A file that is longer than one reading is read to its end.
        """
        self.proc(stat=STAT.replace("intr 1234567", "intr 1234567" + " 0" * 100_000))
        self.assertIn("system.processes", blocks(self.closing(Stat(self.machine, 1)).collect(NOW)))

    def test_withdraw(self) -> None:
        """
        All charts that were shown can be declared obsolete at once.
        """
        self.proc(stat=STAT)
        collector = self.closing(Stat(self.machine, 1))
        self.assertEqual(collector.withdraw(), b"")
        shown = defined(collector.collect(NOW))
        self.assertEqual(sorted(defined(collector.withdraw(), obsolete=True)), sorted(shown))


class LoadAverageTests(TreeTestCase):
    """
    C{/proc/loadavg}.
    """

    def test_values(self) -> None:
        """
        Load averages keep their decimals, and tasks their limit.
        """
        self.proc(loadavg=LOADAVG, sys__kernel__pid_max="32768\n")
        text = self.closing(LoadAverage(self.machine, 1)).collect(NOW)
        found = blocks(text)
        self.assertEqual(found["system.load"], {"load1": 1230, "load5": 4560, "load15": 7890})
        self.assertEqual(found["system.active_processes"], {"active": 345})
        self.assertIn(b"VARIABLE CHART pidmax = 32768", text)
        self.assertIn(b'"system.load" "line" 100 5 ', text)

    def test_every_five_seconds(self) -> None:
        """
        Load averages are collected at the multiples of five seconds, whenever the node began.
        """
        self.proc(loadavg=LOADAVG)
        collector = self.closing(LoadAverage(self.machine, 1))
        texts = [collector.collect(NOW + second * SECOND) for second in range(3, 12)]
        at = [second for second, text in zip(range(3, 12), texts, strict=True) if "system.load" in blocks(text)]
        self.assertEqual(at, [3, 5, 10])
        self.assertEqual(elapsed(texts[2], "system.load"), 2 * SECOND)
        self.assertTrue(all("system.active_processes" in blocks(text) for text in texts))

    def test_slower_node(self) -> None:
        """
        A node with a longer period collects the load with that.
        """
        self.proc(loadavg=LOADAVG)
        text = self.closing(LoadAverage(self.machine, 10)).collect(NOW)
        self.assertIn(b'"system.load" "line" 100 10 ', text)

    def test_odd(self) -> None:
        """
        What is no load average is refused.
        """
        for text in ("", "1 2 3\n", "1 2 3 4 5\n"):
            self.proc(loadavg=text)
            self.assertRaises(Odd, self.closing(LoadAverage(self.machine, 1)).collect, NOW)


class SmallFilesTests(TreeTestCase):
    """
    Uptime, entropy, paging, and the program itself.
    """

    def test_uptime(self) -> None:
        """
        Uptime is in seconds with decimals.
        """
        self.proc(uptime=UPTIME)
        text = self.closing(Uptime(self.machine, 1)).collect(NOW)
        self.assertEqual(blocks(text), {"system.uptime": {"uptime": 12345670}})
        self.assertIn(b'DIMENSION "uptime" "uptime" "absolute" 1 1000', text)

    def test_entropy(self) -> None:
        """
        Entropy is as the kernel says it.
        """
        self.proc(sys__kernel__random__entropy_avail="256\n")
        text = self.closing(Entropy(self.machine, 1)).collect(NOW)
        self.assertEqual(blocks(text), {"system.entropy": {"entropy": 256}})

    def test_vmstat(self) -> None:
        """
        Paging, swapping, faults and kills each have their chart.
        """
        self.proc(vmstat=VMSTAT)
        text = self.closing(VMStat(self.machine, 1)).collect(NOW)
        self.assertEqual(
            blocks(text),
            {
                "system.pgpgio": {"in": 1111, "out": 2222},
                "system.swapio": {"in": 33, "out": 44},
                "mem.pgfaults": {"minor": 5555, "major": 66},
                "mem.oom_kill": {"kills": 7},
            },
        )

    def test_no_swapping(self) -> None:
        """
        A machine that never swapped has no chart of it, until it does; then the chart stays.
        """
        idle = VMSTAT.replace("pswpin 33", "pswpin 0").replace("pswpout 44", "pswpout 0")
        self.proc(vmstat=idle)
        collector = self.closing(VMStat(self.machine, 1))
        self.assertNotIn("system.swapio", blocks(collector.collect(NOW)))
        self.proc(vmstat=VMSTAT)
        self.assertIn("system.swapio", defined(collector.collect(NOW + SECOND)))
        self.proc(vmstat=idle)
        self.assertIn("system.swapio", blocks(collector.collect(NOW + 2 * SECOND)))

    def test_vmstat_odd(self) -> None:
        """
        A file without paging is refused.
        """
        self.proc(vmstat="nr_free_pages 1\n")
        self.assertRaises(Odd, self.closing(VMStat(self.machine, 1)).collect, NOW)

    def test_own(self) -> None:
        """
        The program shows what it needs itself.
        """
        self.proc(self__statm="9999 512 300 1 0 400 0\n")
        text = self.closing(Own(self.machine, 1)).collect(NOW)
        found = blocks(text)
        self.assertEqual(found["netstream.memory"], {"resident": 512})
        self.assertGreater(found["netstream.cpu"]["user"], 0)


class MemInfoTests(TreeTestCase):
    """
    C{/proc/meminfo}.
    """

    def test_values(self) -> None:
        """
        Memory is divided as real agents divide it.
        """
        self.proc(meminfo=MEMINFO)
        text = self.closing(MemInfo(self.machine, 1)).collect(NOW)
        self.assertEqual(
            blocks(text),
            {
                "system.ram": {"free": 100003, "used": 723967, "cached": 156023, "buffers": 20007},
                "mem.available": {"MemAvailable": 300005},
                "system.swap": {"free": 400023, "used": 99996},
                "mem.hwcorrupt": {"HardwareCorrupted": 128},
                "mem.committed": {"Committed_AS": 700019},
                "mem.writeback": {
                    "Dirty": 1029,
                    "Writeback": 2031,
                    "FuseWriteback": 17,
                    "NfsWriteback": 11,
                    "Bounce": 13,
                },
                "mem.kernel": {
                    "Slab": 30047,
                    "KernelStack": 601,
                    "PageTables": 701,
                    "VmallocUsed": 9023,
                    "Percpu": 664,
                },
                "mem.slab": {"reclaimable": 17053, "unreclaimable": 12059},
                "mem.hugepages": {"free": 9, "used": 5, "surplus": 1, "reserved": 2},
                "mem.transparent_hugepages": {"anonymous": 4096, "shmem": 2048},
            },
        )
        self.assertIn(b'DIMENSION "MemAvailable" "avail" "absolute" 1 1024', text)
        self.assertIn(b'DIMENSION "surplus" "surplus" "absolute" 2048 1024', text)

    def test_without(self) -> None:
        """
        A machine without swap and huge pages has no charts of them.
        """
        self.proc(meminfo="MemTotal: 100 kB\nMemFree: 10 kB\nBuffers: 5 kB\nCached: 20 kB\nSwapTotal: 0 kB\n")
        found = blocks(self.closing(MemInfo(self.machine, 1)).collect(NOW))
        self.assertEqual(sorted(found), ["mem.kernel", "mem.slab", "mem.writeback", "system.ram"])
        self.assertEqual(found["system.ram"]["used"], 65)

    def test_odd(self) -> None:
        """
        A file that lacks what everything is computed from is refused.
        """
        self.proc(meminfo="MemTotal: 100 kB\n")
        problem = self.assertRaises(Odd, self.closing(MemInfo(self.machine, 1)).collect, NOW)
        self.assertEqual(problem.reason, "it has no MemFree")
