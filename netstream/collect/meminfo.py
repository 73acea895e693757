"""
C{/proc/meminfo}: what the memory is used for.
"""

from __future__ import annotations

import re

from netstream.collect.charts import AREA, LINE, STACKED, ChartText, Source, absolute
from netstream.collect.collector import PROC, Odd
from netstream.collect.files import KernelFile, Machine
from netstream.model.chart import Dimension

_ENTRY = re.compile(rb"^([^:\n]+):\s*(\d+)", re.MULTILINE)
_NEEDED = (b"MemTotal", b"MemFree", b"Buffers", b"Cached")


def _kibibytes(*dimensions: str) -> tuple[Dimension, ...]:
    return tuple(absolute(dimension, 1, 1024) for dimension in dimensions)


class MemInfo:
    """
    Memory, swap, and what the kernel keeps for itself.
    """

    def __init__(self, machine: Machine, update_every: int) -> None:
        self._file = KernelFile(machine.proc / "meminfo")
        self._from = chart = Source(PROC, "/proc/meminfo", update_every)
        self._ram = chart.chart(
            "system.ram",
            "System RAM",
            "MiB",
            "ram",
            "system.ram",
            STACKED,
            200,
            *_kibibytes("free", "used", "cached", "buffers"),
        )
        self._available = chart.chart(
            "mem.available",
            "Available RAM for applications",
            "MiB",
            "system",
            "mem.available",
            AREA,
            1010,
            absolute("MemAvailable", 1, 1024, "avail"),
        )
        self._swap = chart.chart(
            "system.swap",
            "System Swap",
            "MiB",
            "swap",
            "system.swap",
            STACKED,
            201,
            *_kibibytes("free", "used"),
            detail=True,
        )
        self._corrupt = chart.chart(
            "mem.hwcorrupt",
            "Corrupted Memory, detected by ECC",
            "MiB",
            "ecc",
            "mem.hwcorrupt",
            LINE,
            1500,
            *_kibibytes("HardwareCorrupted"),
            detail=True,
        )
        self._committed = chart.chart(
            "mem.committed",
            "Committed (Allocated) Memory",
            "MiB",
            "system",
            "mem.committed",
            AREA,
            1030,
            *_kibibytes("Committed_AS"),
            detail=True,
        )
        self._writeback = chart.chart(
            "mem.writeback",
            "Writeback Memory",
            "MiB",
            "kernel",
            "mem.writeback",
            LINE,
            1100,
            *_kibibytes("Dirty", "Writeback", "FuseWriteback", "NfsWriteback", "Bounce"),
            detail=True,
        )
        self._kernel = chart.chart(
            "mem.kernel",
            "Memory Used by Kernel",
            "MiB",
            "kernel",
            "mem.kernel",
            STACKED,
            1101,
            *_kibibytes("Slab", "KernelStack", "PageTables", "VmallocUsed", "Percpu"),
            detail=True,
        )
        self._slab = chart.chart(
            "mem.slab",
            "Reclaimable Kernel Memory",
            "MiB",
            "slab",
            "mem.slab",
            STACKED,
            1200,
            *_kibibytes("reclaimable", "unreclaimable"),
            detail=True,
        )
        self._transparent = chart.chart(
            "mem.transparent_hugepages",
            "Transparent HugePages Memory",
            "MiB",
            "hugepages",
            "mem.transparent_hugepages",
            STACKED,
            1250,
            *_kibibytes("anonymous", "shmem"),
            detail=True,
        )
        self._huge: ChartText | None = None

    @property
    def source(self) -> str:
        return str(self._file.path)

    def _huge_pages(self, kibibytes: int) -> ChartText:
        if self._huge is None:
            self._huge = self._from.chart(
                "mem.hugepages",
                "Dedicated HugePages Memory",
                "MiB",
                "hugepages",
                "mem.hugepages",
                STACKED,
                1251,
                *(absolute(name, kibibytes, 1024) for name in ("free", "used", "surplus", "reserved")),
                detail=True,
            )
        return self._huge

    def collect(self, now: int) -> bytes:
        kib = {name: int(value) for name, value in _ENTRY.findall(self._file.read())}
        for name in _NEEDED:
            if name not in kib:
                raise Odd(self._file.path, f"it has no {name.decode()}")
        free, buffers = kib[b"MemFree"], kib[b"Buffers"]
        reclaimable = kib.get(b"SReclaimable", 0)
        # Shared memory counts as cached there, but nothing can reclaim it.
        cached = kib[b"Cached"] + reclaimable - kib.get(b"Shmem", 0)
        text = [self._ram.block(now, free, kib[b"MemTotal"] - free - cached - buffers, cached, buffers)]
        if b"MemAvailable" in kib:
            text.append(self._available.block(now, kib[b"MemAvailable"]))
        swap_free = kib.get(b"SwapFree", 0)
        text.append(self._swap.unless_idle(now, swap_free, kib.get(b"SwapTotal", 0) - swap_free))
        text.append(self._corrupt.unless_idle(now, kib.get(b"HardwareCorrupted", 0)))
        if b"Committed_AS" in kib:
            text.append(self._committed.block(now, kib[b"Committed_AS"]))
        writeback = (b"Dirty", b"Writeback", b"WritebackTmp", b"NFS_Unstable", b"Bounce")
        text.append(self._writeback.block(now, *(kib.get(name, 0) for name in writeback)))
        kernel = (b"Slab", b"KernelStack", b"PageTables", b"VmallocUsed", b"Percpu")
        text.append(self._kernel.block(now, *(kib.get(name, 0) for name in kernel)))
        text.append(self._slab.block(now, reclaimable, kib.get(b"SUnreclaim", 0)))
        if total := kib.get(b"HugePages_Total", 0):
            huge_free, reserved = kib.get(b"HugePages_Free", 0), kib.get(b"HugePages_Rsvd", 0)
            surplus = kib.get(b"HugePages_Surp", 0)
            huge = self._huge_pages(kib.get(b"Hugepagesize", 2048))
            text.append(huge.block(now, huge_free, total - huge_free - reserved, surplus, reserved))
        transparent = kib.get(b"AnonHugePages", 0), kib.get(b"ShmemHugePages", 0)
        text.append(self._transparent.unless_idle(now, *transparent))
        return b"".join(text)

    def withdraw(self) -> bytes:
        charts = (
            self._ram,
            self._available,
            self._swap,
            self._corrupt,
            self._committed,
            self._writeback,
            self._kernel,
            self._slab,
            self._transparent,
        )
        text = b"".join(chart.withdraw() for chart in charts)
        return text + (self._huge.withdraw() if self._huge else b"")

    def close(self) -> None:
        self._file.close()
