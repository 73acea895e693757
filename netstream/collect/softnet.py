"""
C{/proc/net/softnet_stat}: packets that processors took from network interfaces.
"""

from __future__ import annotations

from netstream.collect.charts import LINE, ChartText, Source, incremental
from netstream.collect.collector import PROC, Odd
from netstream.collect.files import KernelFile, Machine

_COLUMNS = {"processed": 0, "dropped": 1, "squeezed": 2, "received_rps": 9, "flow_limit_count": 10}
_PROCESSOR = 12


class SoftNet:
    """
    What all processors took, and each.
    """

    def __init__(self, machine: Machine, update_every: int) -> None:
        self._file = KernelFile(machine.proc / "net/softnet_stat")
        self._from = Source(PROC, "/proc/net/softnet_stat", update_every)
        self._all = self._chart("system.softnet_stat", "System softnet_stat", "system.softnet_stat", 955)
        self._processors: dict[int, ChartText] = {}

    def _chart(self, chart_id: str, title: str, context: str, priority: int) -> ChartText:
        dimensions = (incremental(name) for name in _COLUMNS)
        return self._from.chart(chart_id, title, "events/s", "softnet_stat", context, LINE, priority, *dimensions)

    @property
    def source(self) -> str:
        return str(self._file.path)

    def collect(self, now: int) -> bytes:
        sums = [0] * len(_COLUMNS)
        text = []
        present = set()
        for row, line in enumerate(self._file.read().splitlines()):
            words = [int(word, 16) for word in line.split()]
            if len(words) <= 2:
                raise Odd(self._file.path, f"a line has {len(words)} columns")
            # Kernels before 5.10 do not tell which processor it is.
            number = words[_PROCESSOR] if len(words) > _PROCESSOR else row
            values = [words[column] if column < len(words) else 0 for column in _COLUMNS.values()]
            sums = [left + right for left, right in zip(sums, values, strict=True)]
            present.add(number)
            chart = self._processors.get(number)
            if chart is None:
                chart = self._processors[number] = self._chart(
                    f"cpu.cpu{number}_softnet_stat", "CPU softnet_stat", "cpu.softnet_stat", 4101 + number
                )
            text.append(chart.block(now, *values))
        if not present:
            raise Odd(self._file.path, "it is empty")
        for number in self._processors.keys() - present:
            text.append(self._processors.pop(number).withdraw())
        return self._all.block(now, *sums) + b"".join(text)

    def withdraw(self) -> bytes:
        return self._all.withdraw() + b"".join(chart.withdraw() for chart in self._processors.values())

    def close(self) -> None:
        self._file.close()
