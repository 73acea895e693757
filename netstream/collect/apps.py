"""
C{/proc/PID}: what processes need, by group, user and group of users.
"""

from __future__ import annotations

import grp
import os
import pwd
from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import lru_cache, partial
from typing import Any

from attrs import define

from netstream.collect.charts import LINE, STACKED, ChartText, Source, absolute
from netstream.collect.files import Machine
from netstream.collect.growing import Growing
from netstream.collect.process_groups import OTHER, STOCK, parse
from netstream.model.chart import ChartType, Dimension

FILE = "apps_groups.conf"
"""In the folder of the configuration."""

_SLOWEST = 5
"""Seconds between collections, at least: there may be thousands of processes."""
_MOST = 20_000
"""Processes beyond these are not looked at."""
_TICKS = os.sysconf("SC_CLK_TCK")
_PRECISE = 10_000

_STATES = {
    "R": "running",
    "D": "sleeping_uninterruptible",
    "S": "sleeping_interruptible",
    "I": "sleeping_interruptible",
    "Z": "zombie",
    "T": "stopped",
    "t": "stopped",
}

_CHARTS: tuple[tuple[str, str, str, str, ChartType, int, int], ...] = (
    ("cpu", "CPU Time (100% = 1 core)", "percentage", "cpu", STACKED, 20001, _PRECISE),
    ("cpu_user", "CPU User Time (100% = 1 core)", "percentage", "cpu", STACKED, 20020, _PRECISE),
    ("cpu_system", "CPU System Time (100% = 1 core)", "percentage", "cpu", STACKED, 20021, _PRECISE),
    ("threads", "Threads", "threads", "processes", STACKED, 20006, 1),
    ("processes", "Processes", "processes", "processes", STACKED, 20007, 1),
    ("uptime", "Carried Over Uptime", "seconds", "processes", LINE, 20008, 1),
    ("mem", "Real Memory (w/o shared)", "MiB", "mem", STACKED, 20003, 1024),
    ("vmem", "Virtual Memory Size", "MiB", "mem", STACKED, 20005, 1024),
    ("swap", "Swap Memory", "MiB", "swap", STACKED, 20011, 1024),
    ("minor_faults", "Minor Page Faults", "page faults/s", "mem", STACKED, 20011, _PRECISE),
    ("major_faults", "Major Page Faults (swap read)", "page faults/s", "swap", STACKED, 20012, _PRECISE),
    ("lreads", "Disk Logical Reads", "KiB/s", "disk", STACKED, 20042, 1024 * _PRECISE),
    ("lwrites", "I/O Logical Writes", "KiB/s", "disk", STACKED, 20042, 1024 * _PRECISE),
    ("preads", "Disk Reads", "KiB/s", "disk", STACKED, 20002, 1024 * _PRECISE),
    ("pwrites", "Disk Writes", "KiB/s", "disk", STACKED, 20002, 1024 * _PRECISE),
)
"""Name, title, units, family, type, priority, divisor."""

_COUNTED = ("cpu_user", "cpu_system", "minor_faults", "major_faults", "lreads", "lwrites", "preads", "pwrites")
_IO = {b"rchar": 4, b"wchar": 5, b"read_bytes": 6, b"write_bytes": 7}


@define
class Process:
    """
    A process that was seen.

    @ivar began: When, in ticks since the machine started; tells it from a
        later one with the same number.
    @ivar group: That it belongs to.
    @ivar counters: As they were, in the order of what is counted.
    @ivar rates: By how much they grow in a second.
    @ivar at: When that was seen, in UTC microseconds.
    @ivar levels: Threads, memory, virtual memory and swap now, in KiB.
    """

    parent: int
    began: int
    group: str = OTHER
    own: str | None = None
    state: str = ""
    user: int = 0
    user_group: int = 0
    counters: tuple[int, ...] = ()
    rates: tuple[float, ...] = (0.0,) * 8
    at: int = 0
    levels: tuple[int, int, int, int] = (0, 0, 0, 0)


def _read(path: str) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, 8192)
    finally:
        os.close(descriptor)


@lru_cache(1024)
def _name_of(look: Callable[[int], Any], number: int) -> str:
    try:
        return str(look(number)[0])
    except KeyError:
        return str(number)


class _Family:
    """
    The charts of one way to sort processes.
    """

    def __init__(self, section: str, title: str, source: Source) -> None:
        def chart(
            name: str,
            what: str,
            units: str,
            family: str,
            chart_type: ChartType,
            priority: int,
            dimensions: Iterable[Dimension],
        ) -> ChartText:
            chart_id = f"{section}.{name}"
            return source.chart(chart_id, f"{title} {what}", units, family, chart_id, chart_type, priority, *dimensions)

        self._charts = {
            name: Growing(
                partial(chart, name, what, units, family, chart_type, priority), partial(absolute, divisor=divisor)
            )
            for name, what, units, family, chart_type, priority, divisor in _CHARTS
        }

    def blocks(self, now: int, sums: dict[str, dict[str, int]]) -> bytes:
        return b"".join(
            [
                chart.block(now, {key: values.get(name, 0) for key, values in sums.items()})
                for name, chart in self._charts.items()
            ]
        )

    def withdraw(self) -> bytes:
        return b"".join(chart.withdraw() for chart in self._charts.values())


class Apps:
    """
    Processes, by the groups of C{apps_groups.conf}, by user, and by group of
    users. A process that is in no group itself is in that of its parent.
    """

    def __init__(self, machine: Machine, update_every: int) -> None:
        self._proc = str(machine.proc)
        self._every = update_every * max(1, -(-_SLOWEST // update_every))
        source = Source("apps.plugin", "", self._every)
        try:
            text = (machine.etc / FILE).read_text("utf-8", "replace")
        except OSError:
            text = STOCK
        self._groups = parse(text.splitlines())
        self._families: tuple[tuple[_Family, Callable[[Process], str]], ...] = (
            (_Family("apps", "Apps", source), lambda it: it.group),
            (_Family("users", "Users", source), lambda it: _name_of(pwd.getpwuid, it.user)),
            (_Family("groups", "User Groups", source), lambda it: _name_of(grp.getgrgid, it.user_group)),
        )
        self._states = source.chart(
            "system.processes_state",
            "System Processes State",
            "processes",
            "processes",
            "system.processes_state",
            LINE,
            601,
            *(absolute(state) for state in dict.fromkeys(_STATES.values())),
        )
        self._processes: dict[int, Process] = {}
        self._turns = max(1, self._every // update_every)
        self._turn = 0
        self._begun = False

    @property
    def source(self) -> str:
        """
        What it reads, for messages.
        """
        return f"{self._proc}/PID"

    def _look(self, number: int, now: int) -> Process | None:
        """
        @return: The process as it is now; L{None} if it is gone meanwhile.
        """
        base = f"{self._proc}/{number}"
        try:
            text = _read(f"{base}/stat")
            status = _read(f"{base}/status")
        except OSError:
            return None
        head, _, tail = text.rpartition(b")")
        words = tail.split()
        began = int(words[19])
        found = self._processes.get(number)
        if found is None or found.began != began:
            found = Process(int(words[1]), began)
            name = head.partition(b"(")[2].decode("utf-8", "replace")
            found.own = self._groups.of(name, self._command_line(base) if self._groups.parts else "")
        found.parent, found.state = int(words[1]), words[0].decode("ascii", "replace")
        facts = dict(line.split(b":", 1) for line in status.split(b"\n") if b":" in line)
        found.user, found.user_group = int(facts[b"Uid"].split()[1]), int(facts[b"Gid"].split()[1])
        kib = [int(facts[name].split()[0]) if name in facts else 0 for name in (b"RssAnon", b"VmSize", b"VmSwap")]
        found.levels = int(words[17]), kib[0], kib[1], kib[2]
        counters = [int(words[11]), int(words[12]), int(words[7]), int(words[9]), 0, 0, 0, 0]
        try:
            for line in _read(f"{base}/io").splitlines():
                key, _, value = line.partition(b":")
                if key in _IO:
                    counters[_IO[key]] = int(value)
        except OSError:
            # Of other users' processes only root may know.
            pass
        before, seconds = found.counters or counters, max(now - found.at, 1000) / 1e6
        found.rates = tuple(max(0, new - old) / seconds for new, old in zip(counters, before, strict=True))
        found.counters, found.at = tuple(counters), now
        return found

    def _command_line(self, base: str) -> str:
        try:
            return _read(f"{base}/cmdline").replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            return ""

    def _assign(self, processes: dict[int, Process]) -> None:
        """
        Give each process the group of the nearest of its forebears that has
        one.
        """
        known: dict[int, str] = {0: OTHER}
        for number in processes:
            way = []
            at = number
            while at not in known and at in processes and at not in way:
                way.append(at)
                if processes[at].own is not None:
                    break
                at = processes[at].parent
            process = processes.get(at)
            group = known.get(at) or (process.own if process is not None else None) or OTHER
            for step in way:
                known[step] = group
        for number, process in processes.items():
            process.group = known[number]

    def collect(self, now: int) -> bytes:
        """
        Measure a part of the processes; after the last part, write what they need.
        """
        turn, self._turn = self._turn, (self._turn + 1) % self._turns
        seen = 0
        present = {int(name) for name in os.listdir(self._proc) if name.isdigit()}
        for number in [number for number in self._processes if number not in present]:
            del self._processes[number]
        for number in present:
            # A number has its turn once a period, so no tick takes long.
            if number % self._turns != turn or seen >= _MOST // self._turns:
                continue
            seen += 1
            process = self._look(number, now)
            if process is not None:
                self._processes[number] = process
            else:
                self._processes.pop(number, None)
        if turn != self._turns - 1:
            return b""
        self._assign(self._processes)
        if not self._begun:
            # Nothing has grown yet.
            self._begun = True
            return b""
        uptime = float(_read(f"{self._proc}/uptime").split()[0])
        states = dict.fromkeys(_STATES.values(), 0)
        for process in self._processes.values():
            if process.state in _STATES:
                states[_STATES[process.state]] += 1
        _name_of.cache_clear()  # each is looked up once a round, which takes reading a file
        text = [self._states.block(now, *states.values())]
        for family, key in self._families:
            text.append(family.blocks(now, self._sums(key, uptime)))
        return b"".join(text)

    def _sums(self, key: Callable[[Process], str], uptime: float) -> dict[str, dict[str, int]]:
        sums: defaultdict[str, defaultdict[str, float]] = defaultdict(lambda: defaultdict(float))
        for process in self._processes.values():
            of = sums[key(process)]
            of["processes"] += 1
            threads, memory, virtual, swap = process.levels
            of["threads"] += threads
            of["mem"] += memory
            of["vmem"] += virtual
            of["swap"] += swap
            of["uptime"] = max(of["uptime"], uptime - process.began / _TICKS)
            for name, rate in zip(_COUNTED, process.rates, strict=True):
                of[name] += rate * _PRECISE * (100 / _TICKS if name.startswith("cpu") else 1)
        for of in sums.values():
            of["cpu"] = of["cpu_user"] + of["cpu_system"]
        return {key: {name: int(value) for name, value in of.items()} for key, of in sums.items()}

    def withdraw(self) -> bytes:
        """
        @return: Protocol text that declares all charts obsolete.
        """
        return self._states.withdraw() + b"".join(family.withdraw() for family, _ in self._families)

    def close(self) -> None:
        """
        Nothing is open.
        """
