"""
C{/proc/pressure}: for how long tasks wait for processors, memory and disks.
"""

from __future__ import annotations

from netstream.collect.charts import LINE, ChartText, Source, absolute, incremental
from netstream.collect.collector import PROC, Odd
from netstream.collect.files import KernelFile, Machine

_WINDOWS = ("10", "60", "300")
_SLOWEST = 2
"""Seconds between collections, at least: the kernel's averages are slow."""

Stall = tuple[tuple[int, ...], int]
"""Hundredths of a percent in each window, and microseconds in all."""


def stalls(text: bytes) -> dict[str, Stall]:
    """
    Read a file of this form.

    @return: By C{some} and C{full}.
    @raise ValueError: It has another form.
    """
    found: dict[str, Stall] = {}
    for line in text.decode("ascii").splitlines():
        kind, *words = line.split()
        of = dict(word.split("=", 1) for word in words)
        try:
            found[kind] = tuple(round(float(of[f"avg{window}"]) * 100) for window in _WINDOWS), int(of["total"])
        except KeyError as missing:
            raise ValueError(f"the line {kind} has no {missing}") from None
    return found


class Waiting:
    """
    The two charts of one kind of waiting for one resource.
    """

    def __init__(
        self,
        source: Source,
        prefix: str,
        context: str,
        title: str,
        family: str,
        kind: str,
        priority: int,
        step: int,
        average_id: str = "",
    ) -> None:
        """
        @param prefix: Of the charts' ids, as far as the kind.
        @param context: The same, of their contexts.
        @param priority: Of the first one.
        @param step: From there to the second one's.
        @param average_id: Of the first one, if it is an exception.
        """
        name = f"{prefix}_{kind}_pressure"
        family_of = f"{context}_{kind}_pressure"
        self._average = source.chart(
            average_id or name,
            f"{title} {kind} pressure",
            "percentage",
            family,
            family_of,
            LINE,
            priority,
            *(absolute(f"{kind} {window}", 1, 100) for window in _WINDOWS),
        )
        self._total = source.chart(
            f"{name}_stall_time",
            f"{title} {kind} pressure stall time",
            "ms",
            family,
            f"{family_of}_stall_time",
            LINE,
            priority + step,
            incremental("time"),
        )

    @property
    def charts(self) -> tuple[ChartText, ChartText]:
        """
        Both.
        """
        return self._average, self._total

    def blocks(self, now: int, stall: Stall) -> bytes:
        """
        Write a collection.
        """
        averages, total = stall
        return self._average.block(now, *averages) + self._total.block(now, total // 1000)

    def withdraw(self) -> bytes:
        """
        @return: Protocol text that declares both obsolete.
        """
        return self._average.withdraw() + self._total.withdraw()


class _Pressure:
    RESOURCE = ""
    TITLE = ""
    FAMILY = ""
    PRIORITY = 0

    def __init__(self, machine: Machine, update_every: int) -> None:
        self._file = KernelFile(machine.proc / "pressure" / self.RESOURCE)
        self._every = max(update_every, _SLOWEST)
        source = Source(PROC, "/proc/pressure", self._every)
        prefix = f"system.{self.RESOURCE}"
        self._charts = {
            kind: Waiting(source, prefix, prefix, self.TITLE, self.FAMILY, kind, self.PRIORITY + more, 5)
            for kind, more in (("some", 0), ("full", 10))
        }
        self._at = 0

    @property
    def source(self) -> str:
        """
        What it reads, for messages.
        """
        return str(self._file.path)

    def collect(self, now: int) -> bytes:
        """
        Measure, if it is time.
        """
        # Ticks are whole seconds, but not to the microsecond.
        if 0 < now - self._at < self._every * 1_000_000 - 500_000:
            return b""
        self._at = now
        found = stalls(self._file.read())
        if not found:
            raise Odd(self._file.path, "it is empty")
        return b"".join(chart.blocks(now, found[kind]) for kind, chart in self._charts.items() if kind in found)

    def withdraw(self) -> bytes:
        """
        @return: Protocol text that declares all charts obsolete.
        """
        return b"".join(chart.withdraw() for chart in self._charts.values())

    def close(self) -> None:
        """
        Release what is open.
        """
        self._file.close()


class CpuPressure(_Pressure):
    """
    Waiting for a processor.
    """

    RESOURCE, TITLE, FAMILY, PRIORITY = "cpu", "CPU", "cpu", 140


class MemoryPressure(_Pressure):
    """
    Waiting for memory.
    """

    RESOURCE, TITLE, FAMILY, PRIORITY = "memory", "Memory", "ram", 240


class IoPressure(_Pressure):
    """
    Waiting for disks.
    """

    RESOURCE, TITLE, FAMILY, PRIORITY = "io", "I/O", "disk", 190
