"""
The charts of systemd's services, each of which is a dimension.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from attrs import frozen

from netstream.collect.cgroup_charts import PLUGIN
from netstream.collect.charts import STACKED, ChartText, Source
from netstream.collect.growing import Growing
from netstream.model.chart import Algorithm, Dimension

_MEBIBYTE = 1 << 20


@frozen
class _Kind:
    """
    What one chart shows of every service.

    @ivar keys: The numbers that are summed up.
    @ivar divisor: 0 is that of the time of processors.
    """

    name: str
    title: str
    units: str
    family: str
    priority: int
    keys: tuple[str, ...]
    algorithm: Algorithm = Algorithm.INCREMENTAL
    multiplier: int = 1
    divisor: int = 1


def _disks() -> Iterable[_Kind]:
    kinds = (
        ("io", "Disk {} Bandwidth", "KiB/s", "io", 1024),
        ("io_ops", "Disk {} Operations", "operations/s", "ops", 1),
        ("throttle_io", "Throttle Disk {} Bandwidth", "KiB/s", "throttled_io", 1024),
        ("throttle_io_ops", "Throttle Disk {} Operations", "operations/s", "throttled_ops", 1),
        ("queued_io_ops", "Queued Disk {} Operations", "operations/s", "queued", 1),
        ("merged_io_ops", "Merged Disk {} Operations", "operations/s", "merged", 1),
    )
    priority = 19120
    for name, title, units, key, divisor in kinds:
        for operation in ("read", "write"):
            told = title.format(operation.title())
            yield _Kind(f"{name}_{operation}", told, units, "disk", priority, (f"{key}.{operation}",), divisor=divisor)
            priority += 10


_LEVEL = Algorithm.ABSOLUTE
_KINDS = (
    _Kind(
        "cpu",
        "CPU utilization (100% = 1 core)",
        "percentage",
        "cpu",
        19000,
        ("user", "system"),
        multiplier=100,
        divisor=0,
    ),
    _Kind("mem_usage", "Used Memory", "MiB", "mem", 19010, ("ram",), _LEVEL, divisor=_MEBIBYTE),
    _Kind("mem_failcnt", "Memory Limit Failures", "failures", "mem", 19110, ("failures",)),
    _Kind("swap_usage", "Swap Memory Used", "MiB", "swap", 19100, ("swap",), _LEVEL, divisor=_MEBIBYTE),
    *_disks(),
)


class Services:
    """
    These charts. One that has only seen noughts is not there.
    """

    def __init__(self, ticks: int, update_every: int) -> None:
        """
        @param ticks: How often the time of processors counts in a second.
        """
        self._source = Source(PLUGIN, "systemd", update_every)
        self._titles: Mapping[str, str] = {}
        self._charts = [(kind, self._growing(kind, ticks)) for kind in _KINDS]
        self._shown: set[str] = set()

    def _growing(self, kind: _Kind, ticks: int) -> Growing:
        context = f"services.{kind.name}"

        def chart(dimensions: Iterable[Dimension]) -> ChartText:
            title = f"Systemd Services {kind.title}"
            return self._source.chart(
                context, title, kind.units, kind.family, context, STACKED, kind.priority, *dimensions
            )

        def dimension(name: str) -> Dimension:
            return Dimension(name, self._titles[name], kind.algorithm, kind.multiplier, kind.divisor or ticks)

        return Growing(chart, dimension)

    def blocks(self, now: int, of: Mapping[str, Mapping[str, int]], titles: Mapping[str, str]) -> bytes:
        """
        Write a collection.

        @param of: The numbers of each service, by its name.
        @param titles: What people call each.
        """
        self._titles = titles
        text = []
        for kind, chart in self._charts:
            values = {
                name: sum(numbers[key] for key in kind.keys) for name, numbers in of.items() if kind.keys[0] in numbers
            }
            if kind.name in self._shown or any(values.values()):
                self._shown.add(kind.name)
                text.append(chart.block(now, values))
        return b"".join(text)

    def withdraw(self) -> bytes:
        """
        @return: Protocol text that declares all charts obsolete.
        """
        return b"".join(chart.withdraw() for _, chart in self._charts)
