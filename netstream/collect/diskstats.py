"""
C{/proc/diskstats}: disks.
"""

from __future__ import annotations

from collections.abc import Sequence

from netstream.collect.charts import AREA, LINE, ChartText, Source, absolute, incremental
from netstream.collect.collector import PROC, Odd
from netstream.collect.files import KernelFile, Machine, read_word
from netstream.collect.mountinfo import MountTable
from netstream.model.chart import ChartType, Dimension
from netstream.model.pattern import pattern

_IGNORED = pattern("loop* ram*")
_COLUMNS = 17
_OLDEST_COLUMNS = 11
_WITH_DISCARDS = 15


def _kind(name: str, device: str, machine: Machine) -> str:
    file_name = name.replace("/", "!")
    if (machine.sys / "block" / file_name).exists():
        virtual = (machine.sys / "devices/virtual/block" / file_name).exists()
        return "virtual" if virtual else "physical"
    if (machine.sys / "dev/block" / device / "partition").exists():
        return "partition"
    return "unknown"


def _each(amount: int, operations: int) -> int:
    return amount // operations if operations > 0 and amount > 0 else 0


class Disk:
    """
    One disk.

    @ivar physical: Whether it is hardware.
    """

    def __init__(self, number: str, shown: str, kind: str, mount_point: str, source: Source) -> None:
        """
        @param number: Its id in charts: the name of the kernel.
        @param shown: The name that it has for people.
        @param mount_point: Where it is mounted; C{""} if it is not.
        """
        self.physical = kind == "physical"
        self._last: Sequence[int] | None = None
        self._at = 0
        labels = {"device": shown, "mount_point": mount_point, "device_type": kind}

        def chart(
            section: str,
            title: str,
            units: str,
            context: str,
            priority: int,
            *dimensions: Dimension,
            chart_type: ChartType = LINE,
            detail: bool = True,
        ) -> ChartText:
            return source.chart(
                f"{section}.{number}",
                title,
                units,
                mount_point or shown,
                context,
                chart_type,
                priority,
                *dimensions,
                name=f"{section}.{shown}",
                detail=detail,
                labels=labels,
            )

        both = incremental("reads"), incremental("writes", -1)
        each = absolute("reads"), absolute("writes", -1)
        self._io = chart(
            "disk",
            "Disk I/O Bandwidth",
            "KiB/s",
            "disk.io",
            2000,
            incremental("reads", 512, 1024),
            incremental("writes", -512, 1024),
            chart_type=AREA,
            detail=False,
        )
        self._discarded = chart(
            "disk_ext",
            "Amount of Discarded Data",
            "KiB/s",
            "disk_ext.io",
            2001,
            incremental("discards", 512, 1024),
            chart_type=AREA,
            detail=False,
        )
        self._operations = chart("disk_ops", "Disk Completed I/O Operations", "operations/s", "disk.ops", 2010, *both)
        self._more_operations = chart(
            "disk_ext_ops",
            "Disk Completed Extended I/O Operations",
            "operations/s",
            "disk_ext.ops",
            2011,
            incremental("discards"),
            incremental("flushes"),
        )
        self._queued = chart(
            "disk_qops", "Disk Current I/O Operations", "operations", "disk.qops", 2015, absolute("operations")
        )
        self._backlog = chart(
            "disk_backlog",
            "Disk Backlog",
            "milliseconds",
            "disk.backlog",
            2020,
            incremental("backlog"),
            chart_type=AREA,
        )
        self._busy = chart(
            "disk_busy", "Disk Busy Time", "milliseconds", "disk.busy", 2030, incremental("busy"), chart_type=AREA
        )
        self._used = chart(
            "disk_util",
            "Disk Utilization Time",
            "% of time working",
            "disk.util",
            2040,
            absolute("utilization"),
            chart_type=AREA,
        )
        self._merged = chart("disk_mops", "Disk Merged Operations", "merged operations/s", "disk.mops", 2080, *both)
        self._more_merged = chart(
            "disk_ext_mops",
            "Disk Merged Discard Operations",
            "merged operations/s",
            "disk_ext.mops",
            2081,
            incremental("discards"),
        )
        self._time = chart("disk_iotime", "Disk Total I/O Time", "milliseconds/s", "disk.iotime", 2090, *both)
        self._more_time = chart(
            "disk_ext_iotime",
            "Disk Total I/O Time for Extended Operations",
            "milliseconds/s",
            "disk_ext.iotime",
            2091,
            incremental("discards"),
            incremental("flushes"),
        )
        self._waited = chart(
            "disk_await",
            "Average Completed I/O Operation Time",
            "milliseconds/operation",
            "disk.await",
            2050,
            *each,
        )
        self._more_waited = chart(
            "disk_ext_await",
            "Average Completed Extended I/O Operation Time",
            "milliseconds/operation",
            "disk_ext.await",
            2051,
            absolute("discards"),
            absolute("flushes"),
        )
        self._size = chart(
            "disk_avgsz",
            "Average Completed I/O Operation Bandwidth",
            "KiB/operation",
            "disk.avgsz",
            2060,
            absolute("reads", 512, 1024),
            absolute("writes", -512, 1024),
            chart_type=AREA,
        )
        self._more_size = chart(
            "disk_ext_avgsz",
            "Average Amount of Discarded Data",
            "KiB/operation",
            "disk_ext.avgsz",
            2060,
            absolute("discards", 512, 1024),
            chart_type=AREA,
        )
        self._service = chart(
            "disk_svctm",
            "Average Service Time",
            "milliseconds/operation",
            "disk.svctm",
            2070,
            absolute("svctm"),
        )

    def collect(self, now: int, columns: Sequence[int]) -> bytes:
        """
        @param columns: Its numbers in C{/proc/diskstats}, as many as the
            kernel gives.
        """
        given = len(columns)
        padded = (*columns[:_COLUMNS], *(0,) * (_COLUMNS - given))
        reads, read_merges, read_sectors, read_ms, writes, write_merges, write_sectors, write_ms = padded[:8]
        queued, busy_ms, backlog_ms, discards, discard_merges, discard_sectors, discard_ms = padded[8:15]
        flushes, flush_ms = padded[15:17]
        text = [
            self._io.unless_idle(now, read_sectors, write_sectors),
            self._operations.unless_idle(now, reads, writes),
            self._queued.unless_idle(now, queued),
            self._backlog.unless_idle(now, backlog_ms),
            self._busy.unless_idle(now, busy_ms),
            self._merged.unless_idle(now, read_merges, write_merges),
            self._time.unless_idle(now, read_ms, write_ms),
        ]
        if given >= _WITH_DISCARDS:
            text += [
                self._discarded.unless_idle(now, discard_sectors),
                self._more_operations.unless_idle(now, discards, flushes),
                self._more_merged.unless_idle(now, discard_merges),
                self._more_time.unless_idle(now, discard_ms, flush_ms),
            ]
        if self._last is not None and now > self._at:
            text.append(self._averages(now, padded))
        self._last, self._at = padded, now
        return b"".join(text)

    def _averages(self, now: int, columns: Sequence[int]) -> bytes:
        grown = [new - old for new, old in zip(columns, self._last or columns, strict=True)]
        reads, _, read_sectors, read_ms, writes, _, write_sectors, write_ms, _, busy_ms, _ = grown[:11]
        discards, _, discard_sectors, discard_ms, flushes, flush_ms = grown[11:17]
        text = []
        if self._busy.shown:
            share = busy_ms * 100_000 // (now - self._at)
            text.append(self._used.block(now, max(0, min(100, share))))
        if self._time.shown and self._operations.shown:
            text.append(self._waited.block(now, _each(read_ms, reads), _each(write_ms, writes)))
        if self._more_time.shown and self._more_operations.shown:
            text.append(self._more_waited.block(now, _each(discard_ms, discards), _each(flush_ms, flushes)))
        if self._io.shown and self._operations.shown:
            text.append(self._size.block(now, _each(read_sectors, reads), _each(write_sectors, writes)))
        if self._discarded.shown and self._more_operations.shown:
            text.append(self._more_size.block(now, _each(discard_sectors, discards)))
        if self._busy.shown and self._operations.shown:
            text.append(self._service.block(now, _each(busy_ms, reads + writes)))
        return b"".join(text)

    def withdraw(self) -> bytes:
        """
        @return: Protocol text that declares its charts obsolete.
        """
        charts = (
            self._io,
            self._discarded,
            self._operations,
            self._more_operations,
            self._queued,
            self._backlog,
            self._busy,
            self._used,
            self._merged,
            self._more_merged,
            self._time,
            self._more_time,
            self._waited,
            self._more_waited,
            self._size,
            self._more_size,
            self._service,
        )
        return b"".join(chart.withdraw() for chart in charts)


class DiskStats:
    """
    The work of each disk, and of all that are hardware.  Partitions are left
    out: their disk has their work.
    """

    def __init__(self, machine: Machine, update_every: int) -> None:
        self._file = KernelFile(machine.proc / "diskstats")
        self._machine = machine
        self._mounts = MountTable(machine)
        self._from = Source(PROC, "/proc/diskstats", update_every)
        self._disks: dict[bytes, Disk | None] = {}
        self._all = self._from.chart(
            "system.io",
            "Disk I/O",
            "KiB/s",
            "disk",
            "system.io",
            AREA,
            150,
            incremental("in"),
            incremental("out", -1),
        )

    @property
    def source(self) -> str:
        return str(self._file.path)

    def _mounted(self, device: str) -> str:
        try:
            points = [mount.point for mount in self._mounts.read() if mount.device == device and mount.root == "/"]
        except OSError:
            return ""
        return points[0] if points else ""

    def _found(self, key: bytes, device: str) -> Disk | None:
        name = key.decode("utf-8", "replace")
        disk = None
        if not _IGNORED.matches(name):
            kind = _kind(name, device, self._machine)
            if kind != "partition":
                shown = read_word(self._machine.sys / "block" / name.replace("/", "!") / "dm/name") or name
                disk = Disk(name, shown, kind, self._mounted(device), self._from)
        self._disks[key] = disk
        return disk

    def collect(self, now: int) -> bytes:
        text: list[bytes] = []
        read = written = 0
        present = set()
        for line in self._file.read().split(b"\n"):
            words = line.split()
            if not words:
                continue
            if len(words) < 3 + _OLDEST_COLUMNS:
                # A partition, as kernels before 2.6.25 told of it; anything else is no table of disks.
                if len(words) == 7:
                    continue
                raise Odd(self._file.path, f"a line has {len(words)} columns")
            key = words[2]
            present.add(key)
            disk = self._disks[key] if key in self._disks else self._found(key, f"{int(words[0])}:{int(words[1])}")
            if disk is None:
                continue
            columns = [int(word) for word in words[3:]]
            text.append(disk.collect(now, columns))
            if disk.physical:
                read += columns[2]
                written += columns[6]
        for key in self._disks.keys() - present:
            if (gone := self._disks.pop(key)) is not None:
                text.append(gone.withdraw())
        # Sectors have 512 bytes, whatever the disk says.
        text.append(self._all.unless_idle(now, read // 2, written // 2))
        return b"".join(text)

    def withdraw(self) -> bytes:
        return b"".join(disk.withdraw() for disk in self._disks.values() if disk is not None) + self._all.withdraw()

    def close(self) -> None:
        self._file.close()
        self._mounts.close()
