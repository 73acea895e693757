"""
C{/proc/stat}: processors, interrupts, context switches, processes.
"""

from __future__ import annotations

from netstream.collect.charts import LINE, STACKED, ChartText, Source, absolute, incremental
from netstream.collect.collector import PROC, Odd
from netstream.collect.files import KernelFile, Machine
from netstream.model.chart import Algorithm, Dimension
from netstream.wire.commands import SetVariable

_SHARE = Algorithm.PERCENTAGE_OF_INCREMENTAL_ROW
_STATES = ("guest_nice", "guest", "steal", "softirq", "irq", "user", "system", "nice", "iowait")
_DIMENSIONS = (
    *(Dimension(state, algorithm=_SHARE) for state in _STATES),
    Dimension("idle", algorithm=_SHARE, hidden=True),
)
_OLDEST_COLUMNS = 4
_COLUMNS = 10


class Stat:
    """
    The processors' time by state, in all and of each, and the kernel's own
    counters.
    """

    def __init__(self, machine: Machine, update_every: int) -> None:
        self._file = KernelFile(machine.proc / "stat")
        self._from = chart = Source(PROC, "/proc/stat", update_every)
        self._processors: dict[bytes, ChartText] = {}
        self._count = 0
        self._all = chart.chart(
            "system.cpu", "Total CPU utilization", "percentage", "cpu", "system.cpu", STACKED, 100, *_DIMENSIONS
        )
        self._interrupts = chart.chart(
            "system.intr",
            "CPU Interrupts",
            "interrupts/s",
            "interrupts",
            "system.intr",
            LINE,
            900,
            incremental("interrupts"),
            detail=True,
        )
        self._switches = chart.chart(
            "system.ctxt",
            "CPU Context Switches",
            "context switches/s",
            "processes",
            "system.ctxt",
            LINE,
            800,
            incremental("switches"),
        )
        self._forks = chart.chart(
            "system.forks",
            "Started Processes",
            "processes/s",
            "processes",
            "system.forks",
            LINE,
            700,
            incremental("started"),
            detail=True,
        )
        self._processes = chart.chart(
            "system.processes",
            "System Processes",
            "processes",
            "processes",
            "system.processes",
            LINE,
            600,
            absolute("running"),
            absolute("blocked", -1),
        )

    @property
    def source(self) -> str:
        return str(self._file.path)

    def _states(self, words: list[bytes]) -> tuple[int, ...]:
        columns = [int(word) for word in words[1 : _COLUMNS + 1]]
        if len(columns) < _OLDEST_COLUMNS:
            raise Odd(self._file.path, f"{words[0].decode()} has {len(columns)} columns")
        columns += [0] * (_COLUMNS - len(columns))
        user, nice, system, idle, iowait, irq, softirq, steal, guest, guest_nice = columns
        # The kernel counts guests as user time as well.
        return guest_nice, guest, steal, softirq, irq, user - guest, system, nice - guest_nice, iowait, idle

    def _processor(self, name: bytes) -> ChartText:
        known = self._processors.get(name)
        if known is None:
            number = int(name[3:])
            known = self._processors[name] = self._from.chart(
                f"cpu.cpu{number}",
                "Core utilization",
                "percentage",
                "utilization",
                "cpu.cpu",
                STACKED,
                1001 + number,
                *_DIMENSIONS,
            )
        return known

    def collect(self, now: int) -> bytes:
        text: list[bytes] = []
        present = set()
        counters: dict[bytes, int] = {}
        for line in self._file.read().split(b"\n"):
            if line.startswith(b"cpu"):
                words = line.split()
                if words[0] == b"cpu":
                    text.append(self._all.block(now, *self._states(words)))
                else:
                    present.add(words[0])
                    text.append(self._processor(words[0]).block(now, *self._states(words)))
            elif line and not line.startswith(b"softirq"):
                # The line of interrupts has a column for each; only their sum counts.
                name, value = line.split(None, 2)[:2]
                counters[name] = int(value)
        if not self._all.shown:
            raise Odd(self._file.path, "it has no line of processors")
        for name in self._processors.keys() - present:
            text.append(self._processors.pop(name).withdraw())
        if b"intr" in counters:
            text.append(self._interrupts.block(now, counters[b"intr"]))
        if b"ctxt" in counters:
            text.append(self._switches.block(now, counters[b"ctxt"]))
        if b"processes" in counters:
            text.append(self._forks.block(now, counters[b"processes"]))
        if b"procs_running" in counters:
            text.append(self._processes.block(now, counters[b"procs_running"], counters.get(b"procs_blocked", 0)))
        if len(present) != self._count:
            self._count = len(present)
            text.append(SetVariable("active_processors", float(self._count), False).line())
        return b"".join(text)

    def withdraw(self) -> bytes:
        charts = (self._all, *self._processors.values(), self._interrupts, self._switches, self._forks, self._processes)
        return b"".join(chart.withdraw() for chart in charts)

    def close(self) -> None:
        self._file.close()
