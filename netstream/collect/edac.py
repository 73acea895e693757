"""
C{/sys/devices/system/edac/mc}: errors of the memory.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from netstream.collect.charts import LINE, ChartText, Source, incremental
from netstream.collect.collector import PROC
from netstream.collect.files import Machine, read_word
from netstream.collect.growing import Growing
from netstream.model.chart import Dimension


class Edac:
    """
    Errors that each memory controller corrected, and that it could not.
    """

    def __init__(self, machine: Machine, update_every: int) -> None:
        self._directory = machine.sys / "devices/system/edac/mc"
        self._from = Source(PROC, "/sys/devices/system/edac/mc", update_every)
        make = self._chart
        self._kinds = (
            ("ce_count", Growing(partial(make, "mem.ecc_ce", "ECC Memory Correctable Errors", 1550), incremental)),
            ("ue_count", Growing(partial(make, "mem.ecc_ue", "ECC Memory Uncorrectable Errors", 1560), incremental)),
        )

    def _chart(self, chart_id: str, title: str, priority: int, dimensions: Iterable[Dimension]) -> ChartText:
        return self._from.chart(chart_id, title, "errors", "ecc", chart_id, LINE, priority, *dimensions)

    @property
    def source(self) -> str:
        return str(self._directory)

    def collect(self, now: int) -> bytes:
        controllers = sorted(path for path in self._directory.iterdir() if path.name.startswith("mc"))
        text = []
        for file, chart in self._kinds:
            counts = {path.name: read_word(path / file) or "" for path in controllers}
            text.append(chart.block(now, {name: int(count) for name, count in counts.items() if count.isdigit()}))
        return b"".join(text)

    def withdraw(self) -> bytes:
        return b"".join(chart.withdraw() for _, chart in self._kinds)

    def close(self) -> None:
        """
        Nothing is open.
        """
