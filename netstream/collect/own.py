"""
What this program itself needs.
"""

from __future__ import annotations

import os
from collections import Counter
from resource import RUSAGE_SELF, getrusage

from netstream.collect.charts import AREA, LINE, STACKED, Source, absolute, incremental
from netstream.collect.files import KernelFile, Machine
from netstream.hub.hub import Hub

OWN = "netstream.plugin"

_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICK = 1000 // os.sysconf("SC_CLK_TCK")


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


class Workers:
    """
    Processor time and memory of the other processes of this node.
    """

    def __init__(self, machine: Machine, hub: Hub, update_every: int) -> None:
        self._proc = machine.proc
        self._hub = hub
        self._seen: dict[str, tuple[int, int]] = {}
        self._ticks: Counter[str] = Counter()
        names = list(hub.processes())
        chart = Source(OWN, "own", update_every)
        self._cpu = chart.chart(
            "netstream.workers_cpu",
            "netstream CPU usage of workers",
            "milliseconds/s",
            "netstream",
            "netstream.workers_cpu",
            STACKED,
            130001,
            *(incremental(name.replace(" ", "_"), _TICK, 1, name) for name in names),
        )
        self._memory = chart.chart(
            "netstream.workers_memory",
            "netstream memory of workers",
            "MiB",
            "netstream",
            "netstream.workers_memory",
            STACKED,
            130011,
            *(absolute(name.replace(" ", "_"), _PAGE, 1 << 20, name) for name in names),
        )

    @property
    def source(self) -> str:
        return "the workers"

    def collect(self, now: int) -> bytes:
        processes, memory = self._hub.processes(), []
        for name, pid in processes.items():
            ticks, pages = self._of(pid)
            before, self._seen[name] = self._seen.get(name, (pid, ticks)), (pid, ticks)
            # A new process begins at 0.
            self._ticks[name] += ticks - before[1] if before[0] == pid else ticks
            memory.append(pages)
        return self._cpu.block(now, *(self._ticks[name] for name in processes)) + self._memory.block(now, *memory)

    def _of(self, pid: int) -> tuple[int, int]:
        """
        @return: The ticks of processor time that a process has used, and its
            pages of memory; 0 of one that does not run.
        """
        try:
            fields = (self._proc / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()
        except OSError:
            return 0, 0
        return int(fields[11]) + int(fields[12]), int(fields[21])

    def withdraw(self) -> bytes:
        return self._cpu.withdraw() + self._memory.withdraw()

    def close(self) -> None:
        pass


class Stored:
    """
    What the database of this node needs on disk, and what it could not keep.
    """

    def __init__(self, hub: Hub, update_every: int) -> None:
        self._hub = hub
        chart = Source(OWN, "own", update_every)
        self._size = chart.chart(
            "netstream.db_size",
            "netstream database on disk",
            "MiB",
            "database",
            "netstream.db_size",
            STACKED,
            130020,
            *(absolute(part.replace(" ", "_"), 1, 1 << 20, part) for part in hub.health().disk),
        )
        self._lost = chart.chart(
            "netstream.db_lost",
            "netstream samples that could not be stored",
            "samples/s",
            "database",
            "netstream.db_lost",
            LINE,
            130021,
            incremental("lost"),
        )
        self._damaged = chart.chart(
            "netstream.db_damaged",
            "netstream damaged parts of the database",
            "parts",
            "database",
            "netstream.db_damaged",
            LINE,
            130022,
            absolute("damaged"),
        )

    @property
    def source(self) -> str:
        return "the database"

    def collect(self, now: int) -> bytes:
        health = self._hub.health()
        if not health.disk:
            return b""
        text = self._size.block(now, *health.disk.values())
        return text + self._lost.block(now, health.lost) + self._damaged.block(now, health.damaged)

    def withdraw(self) -> bytes:
        return self._size.withdraw() + self._lost.withdraw() + self._damaged.withdraw()

    def close(self) -> None:
        pass
