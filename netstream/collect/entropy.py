"""
C{/proc/sys/kernel/random/entropy_avail}: what the random number generator has.
"""

from __future__ import annotations

from netstream.collect.charts import LINE, Source, absolute
from netstream.collect.collector import PROC
from netstream.collect.files import KernelFile, Machine

_PATH = "sys/kernel/random/entropy_avail"


class Entropy:
    """
    Bits of entropy that are available.
    """

    def __init__(self, machine: Machine, update_every: int) -> None:
        self._file = KernelFile(machine.proc / _PATH)
        self._entropy = Source(PROC, f"/proc/{_PATH}", update_every).chart(
            "system.entropy",
            "Available Entropy",
            "entropy",
            "entropy",
            "system.entropy",
            LINE,
            1000,
            absolute("entropy"),
        )

    @property
    def source(self) -> str:
        return str(self._file.path)

    def collect(self, now: int) -> bytes:
        return self._entropy.block(now, int(self._file.read()))

    def withdraw(self) -> bytes:
        return self._entropy.withdraw()

    def close(self) -> None:
        self._file.close()
