"""
C{/proc/sys/fs/file-nr}: open files of the whole system.
"""

from __future__ import annotations

from netstream.collect.charts import LINE, Source, absolute
from netstream.collect.collector import PROC
from netstream.collect.files import KernelFile, Machine


class FileHandles:
    """
    How many files are open, and how near that is to the limit.
    """

    def __init__(self, machine: Machine, update_every: int) -> None:
        self._file = KernelFile(machine.proc / "sys/fs/file-nr")
        source = Source(PROC, "/proc/sys/fs/file-nr", update_every)
        self._used = source.chart(
            "system.file_nr_used",
            "File Descriptors",
            "files",
            "files",
            "system.file_nr_used",
            LINE,
            1002,
            absolute("used"),
        )
        self._utilization = source.chart(
            "system.file_nr_utilization",
            "File Descriptors Utilization",
            "percentage",
            "files",
            "system.file_nr_utilization",
            LINE,
            1003,
            absolute("utilization", 1, 10_000),
        )

    @property
    def source(self) -> str:
        return str(self._file.path)

    def collect(self, now: int) -> bytes:
        allocated, unused, most = map(int, self._file.read().split())
        used = allocated - unused
        share = used * 1_000_000 // most if most > 0 else 0
        return self._used.block(now, used) + self._utilization.block(now, share)

    def withdraw(self) -> bytes:
        return self._used.withdraw() + self._utilization.withdraw()

    def close(self) -> None:
        self._file.close()
