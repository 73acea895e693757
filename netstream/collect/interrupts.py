"""
C{/proc/interrupts} and C{/proc/softirqs}: interrupts by what they are for.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from netstream.collect.charts import STACKED, ChartText, Source, incremental
from netstream.collect.collector import PROC, Odd
from netstream.collect.files import KernelFile, Machine
from netstream.collect.growing import Growing
from netstream.model.chart import Dimension


class PerProcessor:
    """
    A table with a column for each processor: a chart of the sums, and one for
    each processor.
    """

    PATH = ""
    """Below C{/proc}."""
    WHAT = ""
    """What is counted, as it stands in names of charts."""
    PRIORITY = 0
    """Of the chart of all processors."""
    PROCESSOR_TITLE = ""
    """Of the chart of one."""
    PROCESSOR_PRIORITY = 0
    """Of the first one's chart."""

    def __init__(self, machine: Machine, update_every: int) -> None:
        self._file = KernelFile(machine.proc / self.PATH)
        self._from = Source(PROC, f"/proc/{self.PATH}", update_every)
        self._names: dict[str, str] = {}
        self._all = Growing(self._sums, self._dimension)
        self._processors: dict[bytes, Growing] = {}

    @property
    def source(self) -> str:
        """
        What it reads, for messages.
        """
        return str(self._file.path)

    def _sums(self, dimensions: Iterable[Dimension]) -> ChartText:
        chart_id = f"system.{self.WHAT}"
        title, units = f"System {self.WHAT}", f"{self.WHAT}/s"
        return self._from.chart(chart_id, title, units, self.WHAT, chart_id, STACKED, self.PRIORITY, *dimensions)

    def _of_processor(self, number: int, dimensions: Iterable[Dimension]) -> ChartText:
        return self._from.chart(
            f"cpu.cpu{number}_{self.WHAT}",
            self.PROCESSOR_TITLE,
            f"{self.WHAT}/s",
            self.WHAT,
            f"cpu.{self.WHAT}",
            STACKED,
            self.PROCESSOR_PRIORITY + number,
            *dimensions,
            labels={"cpu": f"cpu{number}"},
        )

    def _dimension(self, key: str) -> Dimension:
        return incremental(key, name=self._names.get(key, ""))

    def named(self, key: str, words: list[bytes]) -> str:
        """
        @param words: What follows the numbers of a line.
        @return: The name of a line's dimension.
        """
        return key

    def collect(self, now: int) -> bytes:
        """
        Measure.
        """
        heading, *lines = self._file.read().split(b"\n")
        processors = heading.split()
        if not processors or not all(name.startswith(b"CPU") and name[3:].isdigit() for name in processors):
            raise Odd(self._file.path, "it has no heading")
        count = len(processors)
        sums: dict[str, int] = {}
        columns: list[dict[str, int]] = [{} for _ in processors]
        for line in lines:
            label, colon, rest = line.partition(b":")
            if not colon:
                continue
            key = label.strip().decode("ascii")
            words = rest.split(None, count)
            values = [int(word) for word in words[:count] if word.isdigit()]
            if not values:
                raise Odd(self._file.path, f"the line {key} has no number")
            if key not in self._names:
                self._names[key] = self.named(key, b" ".join(words[len(values) :]).replace(b":", b" ").split())
            total = 0
            for column, value in zip(columns, values, strict=False):
                column[key] = value
                total += value
            sums[key] = total
        text = [self._all.grow(now, sums)]
        for name, column in zip(processors, columns, strict=True):
            chart = self._processors.get(name)
            if chart is None:
                chart = Growing(partial(self._of_processor, int(name[3:])), self._dimension)
                self._processors[name] = chart
            text.append(chart.grow(now, column))
        for name in self._processors.keys() - set(processors):
            text.append(self._processors.pop(name).withdraw())
        return b"".join(text)

    def withdraw(self) -> bytes:
        """
        @return: Protocol text that declares all charts obsolete.
        """
        return self._all.withdraw() + b"".join(chart.withdraw() for chart in self._processors.values())

    def close(self) -> None:
        """
        Release what is open.
        """
        self._file.close()


class Interrupts(PerProcessor):
    """
    Interrupts of devices, and those of the architecture.
    """

    PATH = "interrupts"
    WHAT = "interrupts"
    PRIORITY = 1000
    PROCESSOR_TITLE = "CPU Interrupts"
    PROCESSOR_PRIORITY = 1100

    def named(self, key: str, words: list[bytes]) -> str:
        """
        @return: For a numbered interrupt, the name of its device and the
            number.
        """
        if key.isdigit() and words:
            return f"{words[-1].decode('utf-8', 'replace')}_{key}"
        return key


class SoftIrqs(PerProcessor):
    """
    Interrupts that the kernel works off by itself.
    """

    PATH = "softirqs"
    WHAT = "softirqs"
    PRIORITY = 950
    PROCESSOR_TITLE = "CPU softirqs"
    PROCESSOR_PRIORITY = 3000
