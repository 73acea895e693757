"""
C{/sys/block/zram*}: disks in compressed memory.
"""

from __future__ import annotations

from pathlib import Path

from netstream.collect.charts import AREA, LINE, ChartText, Source, absolute
from netstream.collect.collector import PROC
from netstream.collect.devices import Device, Devices
from netstream.collect.files import KernelFile, Machine
from netstream.model.chart import ChartType, Dimension

_MEBIBYTE = 1 << 20


class Zram:
    """
    One such disk.
    """

    def __init__(self, path: Path, source: Source) -> None:
        self._file = KernelFile(path / "mm_stat")
        name = path.name

        def chart(
            what: str, title: str, units: str, chart_type: ChartType, priority: int, *dimensions: Dimension
        ) -> ChartText:
            return source.chart(
                f"mem.zram_{what}.{name}",
                title,
                units,
                name,
                f"mem.zram_{what}",
                chart_type,
                priority,
                *dimensions,
                labels={"device": name},
            )

        self._usage = chart(
            "usage",
            "ZRAM Memory Usage",
            "MiB",
            AREA,
            1600,
            absolute("compressed", 1, _MEBIBYTE),
            absolute("metadata", 1, _MEBIBYTE),
        )
        self._savings = chart(
            "savings",
            "ZRAM Memory Savings",
            "MiB",
            AREA,
            1601,
            absolute("savings", 1, _MEBIBYTE),
            absolute("original", 1, _MEBIBYTE),
        )
        self._ratio = chart(
            "ratio",
            "ZRAM Compression Ratio (original to compressed)",
            "ratio",
            LINE,
            1602,
            absolute("ratio", 1, 100),
        )
        self._efficiency = chart(
            "efficiency", "ZRAM Efficiency", "percentage", LINE, 1603, absolute("percent", 1, 10_000)
        )

    def collect(self, now: int) -> bytes:
        """
        Measure.
        """
        original, compressed, used = map(int, self._file.read().split()[:3])
        # An empty disk is told as agents do.
        ratio = original * 100 // compressed if compressed else 1
        percent = compressed * 1_000_000 // used if used else 100
        return b"".join(
            (
                self._usage.block(now, compressed, used - compressed),
                self._savings.block(now, compressed - original, original),
                self._ratio.block(now, ratio),
                self._efficiency.block(now, percent),
            )
        )

    def withdraw(self) -> bytes:
        """
        @return: Protocol text that declares all its charts obsolete.
        """
        charts = self._usage, self._savings, self._ratio, self._efficiency
        return b"".join(chart.withdraw() for chart in charts)

    def close(self) -> None:
        """
        Release what is open.
        """
        self._file.close()


class ZramDisks(Devices):
    """
    Disks in compressed memory.
    """

    def __init__(self, machine: Machine, update_every: int) -> None:
        super().__init__(machine.sys / "block")
        self._from = Source(PROC, "/sys/block/zram", update_every)

    def found(self, path: Path) -> Device | None:
        """
        @return: The disk at this place, if it is one.
        """
        return Zram(path, self._from) if path.name.startswith("zram") and (path / "mm_stat").exists() else None
