"""
C{/proc/loadavg}: how many tasks wait for a processor, and how many there are.
"""

from __future__ import annotations

from netstream.collect.charts import LINE, Source, absolute
from netstream.collect.collector import PROC, Odd
from netstream.collect.files import KernelFile, Machine, read_word

_LOAD_EVERY = 5
"""Seconds: the kernel itself computes the averages no more often."""


class LoadAverage:
    """
    The load averages, every five seconds, and the number of tasks.
    """

    def __init__(self, machine: Machine, update_every: int) -> None:
        self._file = KernelFile(machine.proc / "loadavg")
        self._load_every = max(update_every, _LOAD_EVERY)
        self._load = Source(PROC, "/proc/loadavg", self._load_every).chart(
            "system.load",
            "System Load Average",
            "load",
            "load",
            "system.load",
            LINE,
            100,
            absolute("load1", 1, 1000),
            absolute("load5", 1, 1000),
            absolute("load15", 1, 1000),
        )
        most = read_word(machine.proc / "sys/kernel/pid_max") or ""
        self._active = Source(PROC, "/proc/loadavg", update_every).chart(
            "system.active_processes",
            "System Active Processes",
            "processes",
            "processes",
            "system.active_processes",
            LINE,
            750,
            absolute("active"),
            variables={"pidmax": float(most)} if most.isdigit() else {},
        )
        self._turn = 0

    @property
    def source(self) -> str:
        return str(self._file.path)

    def collect(self, now: int) -> bytes:
        words = self._file.read().split()
        if len(words) < 4 or b"/" not in words[3]:
            raise Odd(self._file.path, f"{b' '.join(words)[:60].decode(errors='replace')!r} is not a load average")
        text = self._active.block(now, int(words[3].partition(b"/")[2]))
        # At the multiples of its own period, so that its points stand on whole ones.
        turn = now // (self._load_every * 1_000_000)
        if turn != self._turn:
            self._turn = turn
            text += self._load.block(now, *(round(float(word) * 1000) for word in words[:3]))
        return text

    def withdraw(self) -> bytes:
        return self._load.withdraw() + self._active.withdraw()

    def close(self) -> None:
        self._file.close()
