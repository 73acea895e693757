"""
C{/proc/vmstat}: paging, swapping, page faults.
"""

from __future__ import annotations

import os

from netstream.collect.charts import AREA, LINE, Source, incremental
from netstream.collect.collector import PROC, Odd
from netstream.collect.files import KernelFile, Machine

_PAGE = os.sysconf("SC_PAGE_SIZE")


class VMStat:
    """
    What the memory management of the kernel counts.
    """

    def __init__(self, machine: Machine, update_every: int) -> None:
        self._file = KernelFile(machine.proc / "vmstat")
        chart = Source(PROC, "/proc/vmstat", update_every)
        self._swapped = chart.chart(
            "system.swapio",
            "Swap I/O",
            "KiB/s",
            "swap",
            "system.swapio",
            AREA,
            250,
            incremental("in", _PAGE, 1024),
            incremental("out", -_PAGE, 1024),
        )
        self._paged = chart.chart(
            "system.pgpgio",
            "Memory Paged from/to disk",
            "KiB/s",
            "disk",
            "system.pgpgio",
            AREA,
            151,
            incremental("in"),
            incremental("out", -1),
        )
        self._faults = chart.chart(
            "mem.pgfaults",
            "Memory Page Faults",
            "faults/s",
            "system",
            "mem.pgfaults",
            LINE,
            1040,
            incremental("minor"),
            incremental("major", -1),
            detail=True,
        )
        self._killed = chart.chart(
            "mem.oom_kill",
            "Out of Memory Kills",
            "kills/s",
            "system",
            "mem.oom_kill",
            LINE,
            1020,
            incremental("kills"),
            detail=True,
        )

    @property
    def source(self) -> str:
        return str(self._file.path)

    def collect(self, now: int) -> bytes:
        words = self._file.read().split()
        of = dict(zip(words[::2], words[1::2], strict=False))
        if b"pgpgin" not in of:
            raise Odd(self._file.path, "it has no pgpgin")
        text = [self._paged.block(now, int(of[b"pgpgin"]), int(of[b"pgpgout"]))]
        if b"pswpin" in of:
            text.append(self._swapped.unless_idle(now, int(of[b"pswpin"]), int(of[b"pswpout"])))
        text.append(self._faults.block(now, int(of[b"pgfault"]), int(of[b"pgmajfault"])))
        if b"oom_kill" in of:
            text.append(self._killed.block(now, int(of[b"oom_kill"])))
        return b"".join(text)

    def withdraw(self) -> bytes:
        return b"".join(chart.withdraw() for chart in (self._swapped, self._paged, self._faults, self._killed))

    def close(self) -> None:
        self._file.close()
