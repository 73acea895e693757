"""
C{/proc/uptime}: how long the machine has been running.
"""

from __future__ import annotations

from netstream.collect.charts import LINE, Source, absolute
from netstream.collect.collector import PROC
from netstream.collect.files import KernelFile, Machine


class Uptime:
    """
    Seconds since the machine started.
    """

    def __init__(self, machine: Machine, update_every: int) -> None:
        self._file = KernelFile(machine.proc / "uptime")
        self._uptime = Source(PROC, "/proc/uptime", update_every).chart(
            "system.uptime",
            "System Uptime",
            "seconds",
            "uptime",
            "system.uptime",
            LINE,
            1000,
            absolute("uptime", 1, 1000),
        )

    @property
    def source(self) -> str:
        return str(self._file.path)

    def collect(self, now: int) -> bytes:
        return self._uptime.block(now, round(float(self._file.read().split()[0]) * 1000))

    def withdraw(self) -> bytes:
        return self._uptime.withdraw()

    def close(self) -> None:
        self._file.close()
