"""
What this program itself needs.
"""

from __future__ import annotations

import os
from resource import RUSAGE_SELF, getrusage

from netstream.collect.charts import AREA, LINE, STACKED, Source, absolute, incremental
from netstream.collect.files import KernelFile, Machine
from netstream.hub.hub import Hub

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
