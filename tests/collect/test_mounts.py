"""
Tests of the space of what is mounted.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from threading import Event

from netstream.collect.mountinfo import Mount, parse_mounts
from netstream.collect.mounts import Mounts
from tests.collect.trees import MOUNTINFO, NOW, SECOND, TreeTestCase, blocks, defined

GIB = 1 << 30


def state(blocks: int = 1000, files: int = 500, size: int = 4096) -> os.statvfs_result:
    """
    @return: A file system of which 400 blocks are free, 300 of them for all.
    """
    free, available = (400, 300) if blocks else (0, 0)
    free_files = 100 if files else 0
    return os.statvfs_result((size, size, blocks, free, available, files, free_files, free_files, 0, 255))


def line(point: str, filesystem: str = "ext4", options: str = "rw", device: str = "8:1") -> str:
    """
    @return: A line of a mount.
    """
    return f"30 27 {device} / {point} {options} shared:1 - {filesystem} /dev/x rw\n"


class ParseTests(TreeTestCase):
    """
    The table of mounts.
    """

    def test_fields(self) -> None:
        """
        Each field is found, whatever optional fields stand between.
        """
        text = b"36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 shared:2 - ext3 /dev/root rw,errors=continue\n"
        self.assertEqual(list(parse_mounts(text)), [Mount("98:0", "/mnt1", "/mnt2", "ext3", False)])

    def test_escapes(self) -> None:
        """
        Blanks in the name of a directory are written out.
        """
        self.assertEqual(parse_mounts(line("/a\\040b\\134c").encode())[0].point, "/a b\\c")

    def test_hidden(self) -> None:
        """
        Of two file systems at one place the later one counts.
        """
        text = line("/a", device="8:1") + line("/a", device="8:2")
        self.assertEqual([mount.device for mount in parse_mounts(text.encode())], ["8:2"])

    def test_read_only(self) -> None:
        """
        A mount is read-only if the mount or its file system is.
        """
        text = line("/a", options="ro,relatime") + line("/b").replace("/dev/x rw", "/dev/x ro") + line("/c")
        self.assertEqual([mount.read_only for mount in parse_mounts(text.encode())], [True, True, False])

    def test_odd(self) -> None:
        """
        Lines that are none are passed over.
        """
        self.assertEqual(list(parse_mounts(b"\nhello\n1 2 3 - a\n")), [])


class MountsTests(TreeTestCase):
    """
    The charts of mounts.
    """

    def collector(self, text: str = MOUNTINFO, **answers: os.statvfs_result | OSError) -> Mounts:
        """
        Make a collector that gets the same answer for each mount.
        """
        self.proc(self__mountinfo=text)
        self.answer: os.statvfs_result | OSError = state()

        def statvfs(point: str) -> os.statvfs_result:
            if isinstance(self.answer, OSError):
                raise self.answer
            return self.answer

        collector = Mounts(self.machine, 1, statvfs)
        self.closing(collector)
        return collector

    def test_text(self) -> None:
        """
        The charts are those of real agents, to the letter.
        """
        text = self.collector(MOUNTINFO.replace(" / / ", " / /data/my\\040disk ")).collect(NOW).decode()
        labels = (
            'CLABEL "_collect_plugin" "diskspace.plugin" 1\n'
            'CLABEL "_collect_module" "[none]" 1\n'
            'CLABEL "mount_point" "/data/my disk" 1\n'
            'CLABEL "filesystem" "ext4" 1\n'
            'CLABEL "mount_root" "/" 1\n'
            "CLABEL_COMMIT\n"
        )
        proc = text.index('CHART "disk_space._data_my_disk"')
        self.assertEqual(
            text[proc:],
            'CHART "disk_space._data_my_disk" "" "Disk Space Usage" "GiB" "/data/my disk" "disk.space" "stacked" 2023'
            ' 1 "   " "diskspace.plugin" ""\n' + labels + f'DIMENSION "avail" "avail" "absolute" 4096 {GIB} "  "\n'
            f'DIMENSION "used" "used" "absolute" 4096 {GIB} "  "\n'
            f'DIMENSION "reserved_for_root" "reserved for root" "absolute" 4096 {GIB} "  "\n'
            'BEGIN "disk_space._data_my_disk" 0\nSET "avail" = 300\nSET "used" = 600\n'
            'SET "reserved_for_root" = 100\nEND\n'
            'CHART "disk_inodes._data_my_disk" "" "Disk Files (inodes) Usage" "inodes" "/data/my disk" "disk.inodes"'
            ' "stacked" 2024 1 "   " "diskspace.plugin" ""\n'
            + labels
            + 'DIMENSION "avail" "avail" "absolute" 1 1 "  "\n'
            'DIMENSION "used" "used" "absolute" 1 1 "  "\n'
            'DIMENSION "reserved_for_root" "reserved for root" "absolute" 1 1 "  "\n'
            'BEGIN "disk_inodes._data_my_disk" 0\nSET "avail" = 100\nSET "used" = 400\n'
            'SET "reserved_for_root" = 0\nEND\n',
        )

    def shown(self, mounts: Iterable[str]) -> list[str]:
        """
        @return: Charts of space of a table of mounts.
        """
        text = self.collector("".join(mounts)).collect(NOW)
        return [chart for chart in defined(text) if chart.startswith("disk_space")]

    def test_left_out(self) -> None:
        """
        What cannot be written to, belongs to the kernel, or is somebody's bookkeeping is left out.
        """
        mounts = [
            line("/ro", options="ro"),
            line("/sys/fs/cgroup", "tmpfs"),
            line("/run/user/1000", "tmpfs"),
            line("/snap/core/1", "squashfs"),
            line("/var/lib/docker/overlay2/x", "overlay"),
            line("/auto", "autofs"),
            line("/cloud", "fuse.sshfs"),
            line("/dev", "devtmpfs"),
        ]
        self.assertEqual(self.shown(mounts), ["disk_space._dev"])

    def test_nothing_in_it(self) -> None:
        """
        A file system without blocks has no charts, and one without inodes no chart of those.
        """
        collector = self.collector()
        self.answer = state(blocks=0)
        self.assertEqual(collector.collect(NOW), b"")
        self.answer = state(files=0)
        self.assertEqual(sorted(blocks(collector.collect(NOW + SECOND))), ["disk_space._", "disk_space._proc"])

    def test_forbidden(self) -> None:
        """
        A mount that may not be looked at is passed over.
        """
        collector = self.collector()
        self.answer = PermissionError(13, "Permission denied")
        self.assertEqual(collector.collect(NOW), b"")

    def test_unmounted(self) -> None:
        """
        Charts of what is unmounted are declared obsolete within a quarter of a minute, and revive with it.
        """
        both = line("/", device="8:1") + line("/data", device="8:2")
        collector = self.collector(both)
        collector.collect(NOW)
        self.proc(self__mountinfo=line("/", device="8:1"))
        self.assertEqual(defined(collector.collect(NOW + SECOND), obsolete=True), [])
        text = collector.collect(NOW + 15 * SECOND)
        self.assertEqual(defined(text, obsolete=True), ["disk_space._data", "disk_inodes._data"])
        self.proc(self__mountinfo=both)
        self.assertEqual(defined(collector.collect(NOW + 30 * SECOND)), ["disk_space._data", "disk_inodes._data"])

    def test_network(self) -> None:
        """
        A file server that does not answer holds up nothing but its own charts.
        """
        self.proc(self__mountinfo=line("/") + line("/far", "nfs4"))
        asked, answering, answered = Event(), Event(), Event()

        def statvfs(point: str) -> os.statvfs_result:
            if point == "/far":
                asked.set()
                answering.wait(30)
                answered.set()
            return state()

        self.addCleanup(answering.set)
        collector = Mounts(self.machine, 1, statvfs)
        self.closing(collector)
        for second in range(60):
            self.assertEqual(
                sorted(blocks(collector.collect(NOW + second * SECOND))), ["disk_inodes._", "disk_space._"]
            )
        self.assertTrue(asked.wait(30))
        answering.set()
        self.assertTrue(answered.wait(30))
        for mount in collector._mounts.values():
            if mount._question is not None:
                mount._question.thread.join(30)
        text = collector.collect(NOW + 60 * SECOND)
        self.assertIn("disk_space._far", blocks(text))
        self.assertIn(b'"/far" "disk.space" "stacked" 2023 10 ', text)

    def test_many_hang(self) -> None:
        """
        However many file servers are dead, only so many threads wait for them.
        """
        answering = Event()
        threads: list[str] = []

        def statvfs(point: str) -> os.statvfs_result:
            threads.append(point)
            answering.wait(30)
            return state()

        self.addCleanup(answering.set)
        self.proc(self__mountinfo="".join(line(f"/far{number}", "nfs") for number in range(50)))
        collector = Mounts(self.machine, 1, statvfs)
        self.closing(collector)
        for second in range(0, 100, 10):
            collector.collect(NOW + second * SECOND)
            self.proc(self__mountinfo="".join(line(f"/far{second}-{number}", "nfs") for number in range(50)))
        self.assertLessEqual(len(threads), 32)
