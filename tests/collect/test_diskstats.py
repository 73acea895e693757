"""
Tests of the disks.
"""

from __future__ import annotations

from netstream.collect.collector import Odd
from netstream.collect.diskstats import DiskStats
from tests.collect.trees import DISKSTATS, MOUNTINFO, NOW, SECOND, TreeTestCase, blocks, defined

FIRST = "254 0 vda 100 3 1100 83 203 2 4064 90 1 637 1111 12 1 848 14 4 5\n"
SECOND_LATER = "254 0 vda 107 6 1200 116 206 4 4128 110 2 774 1322 14 2 896 23 5 8\n"


class DiskStatsTests(TreeTestCase):
    """
    C{/proc/diskstats}, and what C{/sys} adds.
    """

    def collector(self, text: str = DISKSTATS, mounts: str = MOUNTINFO) -> DiskStats:
        """
        Make a collector of some disks, of which C{vda} is hardware.
        """
        self.proc(diskstats=text, self__mountinfo=mounts)
        self.sys("block/vda", dev__block__254_1__partition="1\n")
        (self.machine.sys / "dev/block/254_1").rename(self.machine.sys / "dev/block/254:1")
        collector = DiskStats(self.machine, 1)
        self.closing(collector)
        return collector

    def test_values(self) -> None:
        """
        A disk has the charts and values that a real agent was seen to make of the same numbers.
        """
        collector = self.collector(FIRST)
        self.assertEqual(
            blocks(collector.collect(NOW)),
            {
                "disk.vda": {"reads": 1100, "writes": 4064},
                "disk_ext.vda": {"discards": 848},
                "disk_ops.vda": {"reads": 100, "writes": 203},
                "disk_ext_ops.vda": {"discards": 12, "flushes": 4},
                "disk_qops.vda": {"operations": 1},
                "disk_backlog.vda": {"backlog": 1111},
                "disk_busy.vda": {"busy": 637},
                "disk_mops.vda": {"reads": 3, "writes": 2},
                "disk_ext_mops.vda": {"discards": 1},
                "disk_iotime.vda": {"reads": 83, "writes": 90},
                "disk_ext_iotime.vda": {"discards": 14, "flushes": 5},
                "system.io": {"in": 550, "out": 2032},
            },
        )
        self.proc(diskstats=SECOND_LATER)
        found = blocks(collector.collect(NOW + SECOND))
        self.assertEqual(found["disk_util.vda"], {"utilization": 13})
        self.assertEqual(found["disk_await.vda"], {"reads": 4, "writes": 6})
        self.assertEqual(found["disk_ext_await.vda"], {"discards": 4, "flushes": 3})
        self.assertEqual(found["disk_avgsz.vda"], {"reads": 14, "writes": 21})
        self.assertEqual(found["disk_ext_avgsz.vda"], {"discards": 24})
        self.assertEqual(found["disk_svctm.vda"], {"svctm": 13})
        self.assertEqual(found["system.io"], {"in": 600, "out": 2064})

    def test_definition(self) -> None:
        """
        The family of a disk is where it is mounted.
        """
        text = self.collector(FIRST).collect(NOW).decode()
        self.assertTrue(
            text.startswith(
                'CHART "disk.vda" "" "Disk I/O Bandwidth" "KiB/s" "/" "disk.io" "area" 2000 1 "   " "proc.plugin"'
                ' "/proc/diskstats"\n'
                'CLABEL "_collect_plugin" "proc.plugin" 1\n'
                'CLABEL "_collect_module" "/proc/diskstats" 1\n'
                'CLABEL "device" "vda" 1\n'
                'CLABEL "mount_point" "/" 1\n'
                'CLABEL "device_type" "physical" 1\n'
                "CLABEL_COMMIT\n"
                'DIMENSION "reads" "reads" "incremental" 512 1024 "  "\n'
                'DIMENSION "writes" "writes" "incremental" -512 1024 "  "\n'
            ),
            text,
        )

    def test_left_out(self) -> None:
        """
        Partitions and loop devices have no charts and are not counted twice.
        """
        found = blocks(self.collector().collect(NOW))
        self.assertEqual([chart for chart in found if chart.startswith("disk.")], ["disk.vda"])
        self.assertEqual(found["system.io"], {"in": 550, "out": 2032})

    def test_virtual(self) -> None:
        """
        A volume has the name that its owner gave it, and is not counted beside the disks below it.
        """
        collector = self.collector(FIRST + FIRST.replace("254 0 vda", "252 0 dm-0"))
        self.sys("devices/virtual/block/dm-0", **{"block__dm-0__dm__name": "vg-data\n"})
        text = collector.collect(NOW)
        self.assertIn(
            b'CHART "disk.dm-0" "vg-data" "Disk I/O Bandwidth" "KiB/s" "vg-data" "disk.io" "area" 2000 1', text
        )
        self.assertIn(
            b'CLABEL "device" "vg-data" 1\nCLABEL "mount_point" "[none]" 1\nCLABEL "device_type" "virtual"', text
        )
        self.assertEqual(blocks(text)["system.io"], {"in": 550, "out": 2032})

    def test_slash(self) -> None:
        """
        A disk with a slash in its name has a name for charts without.
        """
        text = self.collector(FIRST.replace("254 0 vda", "104 0 cciss/c0d0")).collect(NOW)
        self.assertIn(b'CHART "disk.cciss/c0d0" "cciss_c0d0" ', text)

    def test_idle(self) -> None:
        """
        A disk that never did anything has no charts.
        """
        self.assertEqual(self.collector("254 0 vda" + " 0" * 17 + "\n").collect(NOW), b"")

    def test_old_kernel(self) -> None:
        """
        Kernels that know no discards and flushes are read as well.
        """
        found = blocks(self.collector("254 0 vda 100 3 1100 83 203 2 4064 90 1 637 1111\n").collect(NOW))
        self.assertIn("disk_iotime.vda", found)
        self.assertNotIn("disk_ext.vda", found)

    def test_reset(self) -> None:
        """
        Counters that start again give no negative averages.
        """
        collector = self.collector(SECOND_LATER)
        collector.collect(NOW)
        self.proc(diskstats=FIRST)
        found = blocks(collector.collect(NOW + SECOND))
        for chart in ("disk_util.vda", "disk_await.vda", "disk_avgsz.vda", "disk_svctm.vda"):
            self.assertEqual(set(found[chart].values()), {0}, chart)

    def test_busy_all_the_time(self) -> None:
        """
        No disk is busy for more than all of the time.
        """
        collector = self.collector(FIRST)
        collector.collect(NOW)
        self.proc(diskstats=FIRST.replace(" 637 ", " 99637 "))
        self.assertEqual(blocks(collector.collect(NOW + SECOND))["disk_util.vda"], {"utilization": 100})

    def test_removed(self) -> None:
        """
        Charts of a disk that is removed are declared obsolete; they revive with it.
        """
        other = FIRST.replace("254 0 vda", "8 0 sda")
        collector = self.collector(FIRST + other)
        shown = [chart for chart in defined(collector.collect(NOW)) if chart.endswith("sda")]
        self.proc(diskstats=FIRST)
        self.assertEqual(sorted(defined(collector.collect(NOW + SECOND), obsolete=True)), sorted(shown))
        self.proc(diskstats=FIRST + other)
        self.assertEqual(defined(collector.collect(NOW + 2 * SECOND)), shown)

    def test_odd(self) -> None:
        """
        What is no such table is refused.
        """
        self.assertRaises(Odd, self.collector("hello world\n").collect, NOW)
