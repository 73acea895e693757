"""
The charts of one container or virtual machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial

from netstream.collect.cgroup_find import Group
from netstream.collect.cgroup_usage import Limits, Usage
from netstream.collect.charts import AREA, LINE, STACKED, ChartText, Source, incremental
from netstream.collect.counters import Column, Row, Sheet, level, rate
from netstream.collect.growing import Growing
from netstream.collect.pressure import Waiting
from netstream.model.chart import ChartType, Dimension

PLUGIN = "cgroups.plugin"
_MEBIBYTE = 1 << 20
_PAGE = 4096
_MEGA = 1_000_000


def _memory(name: str, dimension: str = "") -> Column:
    return level(name, dimension or name, 1, _MEBIBYTE)


def _pages(name: str, multiplier: int, shown: str = "") -> Column:
    return rate(name, name, multiplier * _PAGE, _MEBIBYTE, name=shown)


def _disks(number: str, divisor: int = 1, make: Callable[..., Column] = rate) -> tuple[Column, Column]:
    return make(f"{number}.read", "read", 1, divisor), make(f"{number}.write", "write", -1, divisor)


def _rows(prefix: str, context: str, ticks: int) -> list[Row]:
    """
    @param prefix: Of the charts' ids.
    @param context: Of their contexts.
    @param ticks: How often the time of processors counts in a second.
    """

    def row(
        name: str,
        title: str,
        units: str,
        family: str,
        chart_type: ChartType,
        priority: int,
        *columns: Column,
        always: bool = False,
        group: str = "",
    ) -> Row:
        return Row(
            f"{prefix}.{name}",
            title,
            units,
            family,
            chart_type,
            priority,
            *columns,
            context=f"{context}.{name}",
            always=always,
            group=group,
        )

    detailed, memory, cpu = "detailed", "memory", "cpu"
    # The two versions tell of memory in other words: whose words are missing has no such dimensions.
    second = ("anon", "kernel_stack", "slab", "sock", "anon_thp", "file")
    first = ("cache", "rss", "swapped", "rss_huge", "mapped_file")
    words = first if ticks < _MEGA else second
    dirty = ("dirty", "writeback") if ticks < _MEGA else ("file_dirty", "file_writeback")
    return [
        row(
            "cpu",
            "CPU Usage (100% = 1 core)",
            "percentage",
            "cpu",
            STACKED,
            40000,
            rate("user", "user", 100, ticks),
            rate("system", "system", 100, ticks),
            group=cpu,
        ),
        row(
            "cpu_limit",
            "CPU Usage within the limits",
            "percentage",
            "cpu",
            LINE,
            39999,
            level("within", "used", 1, ticks),
            group=cpu,
        ),
        row(
            "throttled",
            "CPU Throttled Runnable Periods",
            "percentage",
            "cpu",
            LINE,
            40010,
            level("throttled percent", "throttled"),
            always=True,
        ),
        row(
            "throttled_duration",
            "CPU Throttled Time Duration",
            "ms",
            "cpu",
            LINE,
            40015,
            rate("stalled", "duration", 1, _MEGA),
            always=True,
        ),
        row(
            "mem",
            "Memory Usage",
            "MiB",
            "mem",
            STACKED,
            40220,
            *(_memory(name, "swap" if name == "swapped" else name) for name in words),
            group=detailed,
        ),
        row(
            "writeback",
            "Writeback Memory",
            "MiB",
            "mem",
            AREA,
            40300,
            *(_memory(name, shown) for name, shown in zip(dirty, ("dirty", "writeback"), strict=True)),
            group=detailed,
        ),
        row(
            "mem_activity",
            "Memory Activity",
            "MiB/s",
            "mem",
            LINE,
            40400,
            _pages("pgpgin", 1, "in"),
            _pages("pgpgout", -1, "out"),
            group=detailed,
        ),
        row(
            "pgfaults",
            "Memory Page Faults",
            "MiB/s",
            "mem",
            LINE,
            40500,
            _pages("pgfault", 1),
            _pages("pgmajfault", -1, "swap"),
            group=detailed,
        ),
        row(
            "mem_usage",
            "Used Memory",
            "MiB",
            "mem",
            STACKED,
            40210,
            _memory("ram"),
            _memory("swap"),
            group=memory,
        ),
        row(
            "mem_usage_limit",
            "Used RAM within the limits",
            "MiB",
            "mem",
            STACKED,
            40200,
            _memory("available"),
            _memory("used"),
            group=memory,
        ),
        row(
            "mem_utilization",
            "Memory Utilization",
            "percentage",
            "mem",
            AREA,
            40199,
            level("utilization", "utilization"),
            group=memory,
        ),
        row("mem_failcnt", "Memory Limit Failures", "count", "mem", LINE, 40250, rate("failures", "failures")),
        row("io", "I/O Bandwidth (all disks)", "KiB/s", "disk", AREA, 41200, *_disks("io", 1024)),
        row(
            "serviced_ops",
            "Serviced I/O Operations (all disks)",
            "operations/s",
            "disk",
            LINE,
            41200,
            *_disks("ops"),
        ),
        row(
            "throttle_io",
            "Throttle I/O Bandwidth (all disks)",
            "KiB/s",
            "disk",
            AREA,
            41200,
            *_disks("throttled_io", 1024),
        ),
        row(
            "throttle_serviced_ops",
            "Throttle Serviced I/O Operations (all disks)",
            "operations/s",
            "disk",
            LINE,
            41200,
            *_disks("throttled_ops"),
        ),
        row(
            "queued_ops",
            "Queued I/O Operations (all disks)",
            "operations",
            "disk",
            LINE,
            42000,
            *_disks("queued", 1, level),
        ),
        row(
            "merged_ops",
            "Merged I/O Operations (all disks)",
            "operations/s",
            "disk",
            LINE,
            42100,
            *_disks("merged", 1024),
        ),
    ]


_PRESSURES = {
    "cpu": ("CPU", "cpu", 42200),
    "memory": ("Memory", "mem", 42300),
    "io": ("I/O", "disk", 42400),
}
"""Of each resource: its name, the family of its charts, and the first one's priority."""


class Container:
    """
    The charts of one group that is no service.

    @ivar group: Which one.
    @ivar context: What the contexts of its charts begin with.
    """

    def __init__(self, group: Group, usage: Usage, update_every: int) -> None:
        self.group = group
        self._usage = usage
        self._every = update_every
        self._source = Source(PLUGIN, "/sys/fs/cgroup", update_every)
        self._prefix = f"cgroup_{group.name}"
        self.context = "k8s.cgroup" if group.name.startswith("k8s_") else "cgroup"
        self._sheet = Sheet(self._source, _rows(self._prefix, self.context, usage.TICKS))
        self._cores = Growing(self._per_core, partial(incremental, multiplier=100, divisor=1_000_000_000))
        self._waiting: dict[tuple[str, str], Waiting] = {}
        self._limits = Limits()
        self._machine_memory = 0
        self._former: Mapping[str, int] = {}
        self._busy = self._filled = False

    def _per_core(self, dimensions: Iterable[Dimension]) -> ChartText:
        return self._source.chart(
            f"{self._prefix}.cpu_per_core",
            "CPU Usage (100% = 1 core) Per Core",
            "percentage",
            "cpu",
            f"{self.context}.cpu_per_core",
            STACKED,
            40100,
            *dimensions,
        )

    def look(self, processors: int, memory: int) -> None:
        """
        See again which files it has, and what its limits are.

        @param processors: How many the machine has.
        @param memory: Bytes that the machine has; 0 is not known.
        @raise OSError: The group is gone.
        """
        self._usage.look()
        self._limits = self._usage.limits(processors)
        self._machine_memory = memory

    def collect(self, now: int) -> bytes:
        """
        Measure.
        """
        of = self._usage.numbers()
        self._derive(of)
        self._former = of
        text: list[bytes] = []
        limits = self._limits
        if "ram" in of:
            of_memory = {"memory_limit": limits.memory, "memory_and_swap_limit": limits.swap}
            megabytes = {name: float(value // _MEBIBYTE) for name, value in of_memory.items()}
            text.append(self._sheet.vary(f"{self._prefix}.mem_usage", megabytes))
        if limits.cpu and "user" in of:
            text.append(self._sheet.vary(f"{self._prefix}.cpu", {"cpu_limit": limits.cpu}))
        text.append(self._sheet.blocks(now, of))
        cores = self._usage.cores()
        self._busy = self._busy or any(cores.values())
        if self._busy:
            text.append(self._cores.block(now, cores))
        for resource, kinds in self._usage.pressures().items():
            text += [self._wait(resource, kind).blocks(now, stall) for kind, stall in kinds.items()]
        return b"".join(text)

    def _derive(self, of: dict[str, int]) -> None:
        former, limits = self._former, self._limits
        if "user" in of and limits.cpu:
            busy = of["user"] + of["system"] - former.get("user", of["user"]) - former.get("system", of["system"])
            of["within"] = max(0, int(busy * 10_000 / limits.cpu / self._every))
        if "periods" in of:
            periods = of["periods"] - former.get("periods", of["periods"])
            throttled = of["throttled"] - former.get("throttled", of["throttled"])
            of["throttled percent"] = max(0, throttled * 100 // periods) if periods > 0 else 0
        memory = min(limits.memory, self._machine_memory or limits.memory)
        self._filled = self._filled or bool(of.get("ram") or of.get("swap"))
        if self._filled and "ram" in of and memory < Limits().memory:
            of["used"], of["available"] = of["ram"], max(0, memory - of["ram"])
            of["utilization"] = of["ram"] * 100 // memory if memory else 0

    def _wait(self, resource: str, kind: str) -> Waiting:
        known = self._waiting.get((resource, kind))
        if known is None:
            title, family, priority = _PRESSURES[resource]
            # Two of these ids are the agent's exceptions to its own rule.
            average = f"{self._prefix}.mem_{kind}_pressure" if resource == "memory" else ""
            known = self._waiting[resource, kind] = Waiting(
                self._source,
                f"{self._prefix}.{resource}",
                f"{self.context}.{resource}",
                title,
                family,
                kind,
                priority + (40 if kind == "full" else 0),
                20,
                average,
            )
        return known

    def withdraw(self) -> bytes:
        """
        @return: Protocol text that declares all its charts obsolete.
        """
        waiting = (waiting.withdraw() for waiting in self._waiting.values())
        return b"".join([self._sheet.withdraw(), self._cores.withdraw(), *waiting])
