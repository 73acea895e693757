"""
C{/sys/kernel/mm/ksm}: pages that processes share because they are equal.
"""

from __future__ import annotations

import os

from netstream.collect.charts import AREA, LINE, STACKED, Source, absolute
from netstream.collect.collector import PROC
from netstream.collect.files import KernelFile, Machine

_PAGE = os.sysconf("SC_PAGE_SIZE")
_MEBIBYTE = 1 << 20
_FILES = ("pages_shared", "pages_sharing", "pages_unshared", "pages_volatile")


class Ksm:
    """
    Equal pages, and what sharing them saves.
    """

    def __init__(self, machine: Machine, update_every: int) -> None:
        self._directory = machine.sys / "kernel/mm/ksm"
        self._files = [KernelFile(self._directory / name) for name in _FILES]
        source = Source(PROC, "/sys/kernel/mm/ksm", update_every)
        self._pages = source.chart(
            "mem.ksm",
            "Kernel Same Page Merging",
            "MiB",
            "ksm",
            "mem.ksm",
            STACKED,
            1300,
            absolute("shared", 1, _MEBIBYTE),
            absolute("unshared", -1, _MEBIBYTE),
            absolute("sharing", 1, _MEBIBYTE),
            absolute("volatile", -1, _MEBIBYTE),
        )
        self._savings = source.chart(
            "mem.ksm_savings",
            "Kernel Same Page Merging Savings",
            "MiB",
            "ksm",
            "mem.ksm_savings",
            AREA,
            1301,
            absolute("savings", -1, _MEBIBYTE),
            absolute("offered", 1, _MEBIBYTE),
        )
        self._ratios = source.chart(
            "mem.ksm_ratios",
            "Kernel Same Page Merging Effectiveness",
            "percentage",
            "ksm",
            "mem.ksm_ratios",
            LINE,
            1302,
            absolute("savings", 1, 10_000),
        )

    @property
    def source(self) -> str:
        return str(self._directory)

    def collect(self, now: int) -> bytes:
        shared, sharing, unshared, volatile = (int(file.read()) * _PAGE for file in self._files)
        offered = shared + sharing + unshared + volatile
        if not offered and not self._pages.shown:
            return b""
        ratio = sharing * 1_000_000 // offered if offered else 0
        return b"".join(
            (
                self._pages.block(now, shared, unshared, sharing, volatile),
                self._savings.block(now, sharing, offered),
                self._ratios.block(now, ratio),
            )
        )

    def withdraw(self) -> bytes:
        return self._pages.withdraw() + self._savings.withdraw() + self._ratios.withdraw()

    def close(self) -> None:
        for file in self._files:
            file.close()
