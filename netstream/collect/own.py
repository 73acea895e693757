"""
What this program itself needs.
"""

from __future__ import annotations

import os
from resource import RUSAGE_SELF, getrusage

from netstream.collect.charts import AREA, STACKED, Source, absolute, incremental
from netstream.collect.files import KernelFile, Machine

OWN = "netstream.plugin"

_PAGE = os.sysconf("SC_PAGE_SIZE")


class Own:
    """
    Processor time and memory of this process.
    """

    def __init__(self, machine: Machine, update_every: int) -> None:
        self._file = KernelFile(machine.proc / "self/statm")
        chart = Source(OWN, "own", update_every)
        self._cpu = chart.chart(
            "netstream.cpu",
            "netstream CPU usage",
            "milliseconds/s",
            "netstream",
            "netstream.cpu",
            STACKED,
            130000,
            incremental("user", 1, 1000),
            incremental("system", 1, 1000),
        )
        self._memory = chart.chart(
            "netstream.memory",
            "netstream memory",
            "MiB",
            "netstream",
            "netstream.memory",
            AREA,
            130010,
            absolute("resident", _PAGE, 1 << 20),
        )

    @property
    def source(self) -> str:
        return str(self._file.path)

    def collect(self, now: int) -> bytes:
        used = getrusage(RUSAGE_SELF)
        text = self._cpu.block(now, round(used.ru_utime * 1e6), round(used.ru_stime * 1e6))
        return text + self._memory.block(now, int(self._file.read().split()[1]))

    def withdraw(self) -> bytes:
        return self._cpu.withdraw() + self._memory.withdraw()

    def close(self) -> None:
        self._file.close()
