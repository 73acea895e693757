"""
C{/proc/mdstat}: disks that are arrays.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from attrs import frozen

from netstream.collect.charts import LINE, STACKED, ChartText, Source, absolute
from netstream.collect.collector import PROC, Odd
from netstream.collect.files import KernelFile, Machine, read_word
from netstream.collect.growing import Growing
from netstream.model.chart import Dimension

_ARRAY = re.compile(r"^(\S+) : active(?: \([^)]*\))? (\S+)")
_DISKS = re.compile(r"\[(\d+)/(\d+)\]")
_OPERATION = re.compile(r"\b(check|resync|recovery|reshape)\s*=\s*([\d.]+)%")
_FINISH = re.compile(r"\bfinish=([\d.]+)min")
_SPEED = re.compile(r"\bspeed=(\d+)K/sec")
_OPERATIONS = ("check", "resync", "recovery", "reshape")
_FIRST, _STEP = 2105, 10
_NOT_REDUNDANT = frozenset({"linear", "raid0"})


@frozen
class Array:
    """
    What is said of one array.

    @ivar level: Its kind.
    @ivar total: Disks that it should have; L{None} if it can lose none.
    @ivar used: Those that work.
    @ivar done: Hundredths of a percent, by what is going on.
    @ivar seconds: Until it is finished.
    @ivar speed: KiB/s.
    """

    name: str
    level: str
    total: int | None
    used: int
    done: dict[str, int]
    seconds: int
    speed: int


def arrays(text: bytes) -> list[Array]:
    """
    Read the file.

    @return: Arrays that are active.
    """
    found = []
    for stretch in re.split(r"\n(?=\S)", text.decode("utf-8", "replace")):
        heading = _ARRAY.match(stretch)
        if heading is None:
            continue
        name, level = heading.groups()
        disks = _DISKS.search(stretch)
        operation = _OPERATION.search(stretch)
        finish, speed = _FINISH.search(stretch), _SPEED.search(stretch)
        found.append(
            Array(
                name,
                level,
                int(disks[1]) if disks is not None and level not in _NOT_REDUNDANT else None,
                int(disks[2]) if disks is not None else 0,
                {operation[1]: round(float(operation[2]) * 100)} if operation is not None else {},
                round(float(finish[1]) * 60) if finish is not None else 0,
                int(speed[1]) if speed is not None else 0,
            )
        )
    return found


class _Charts:
    """
    The charts of one array.
    """

    def __init__(self, array: Array, number: int, mismatches: Path, source: Source) -> None:
        self._mismatches = mismatches
        self.level = array.level
        labels = {"device": array.name, "raid_level": array.level}
        priority = _FIRST + number * _STEP

        def chart(what: str, title: str, units: str, context: str, more: int, *dimensions: Dimension) -> ChartText:
            return source.chart(
                f"mdstat.{array.name}_{what}",
                title,
                units,
                f"{array.name} ({array.level})",
                f"md.{context}",
                STACKED if what == "disks" else LINE,
                priority + more,
                *dimensions,
                labels=labels,
            )

        available = absolute("available")
        self._available = chart(
            "availability", "Nonredundant Array Availability", "boolean", "nonredundant", 0, available
        )
        self._disks = chart("disks", "Disks Stats", "disks", "disks", 1, absolute("inuse"), absolute("down"))
        self._mismatch = chart(
            "mismatch", "Mismatch Count", "unsynchronized blocks", "mismatch_cnt", 2, absolute("count")
        )
        operations = (absolute(operation, 1, 100) for operation in _OPERATIONS)
        self._operation = chart("operation", "Current Status", "percent", "status", 3, *operations)
        self._finish = chart(
            "finish",
            "Approximate Time Until Finish",
            "seconds",
            "expected_time_until_operation_finish",
            4,
            absolute("finish_in"),
        )
        self._speed = chart("speed", "Operation Speed", "KiB/s", "operation_speed", 5, absolute("speed"))

    def blocks(self, now: int, array: Array) -> bytes:
        if array.total is None:
            return self._available.block(now, 1)
        text = [self._disks.block(now, array.used, max(0, array.total - array.used))]
        mismatches = read_word(self._mismatches) or ""
        if mismatches.isdigit():
            text.append(self._mismatch.block(now, int(mismatches)))
        text += [
            self._operation.block(now, *(array.done.get(operation, 0) for operation in _OPERATIONS)),
            self._finish.block(now, array.seconds),
            self._speed.block(now, array.speed),
        ]
        return b"".join(text)

    def withdraw(self) -> bytes:
        charts = self._available, self._disks, self._mismatch, self._operation, self._finish, self._speed
        return b"".join(chart.withdraw() for chart in charts)


class MdStat:
    """
    Arrays of disks: whether they are whole, and what is going on.
    """

    def __init__(self, machine: Machine, update_every: int) -> None:
        self._file = KernelFile(machine.proc / "mdstat")
        self._blocks = machine.sys / "block"
        self._from = Source(PROC, "/proc/mdstat", update_every)
        self._arrays: dict[str, _Charts] = {}
        self._health = Growing(self._health_chart, absolute)

    def _health_chart(self, dimensions: Iterable[Dimension]) -> ChartText:
        return self._from.chart(
            "mdstat.mdstat_health",
            "Faulty Devices In MD",
            "failed disks",
            "health",
            "md.health",
            LINE,
            2100,
            *dimensions,
        )

    @property
    def source(self) -> str:
        return str(self._file.path)

    def collect(self, now: int) -> bytes:
        content = self._file.read()
        if not content.startswith(b"Personalities"):
            raise Odd(self._file.path, "it does not begin with Personalities")
        found = arrays(content)
        failed = {array.name: array.total - array.used for array in found if array.total is not None}
        text = [self._health.block(now, failed)]
        for number, array in enumerate(found):
            charts = self._arrays.get(array.name)
            if charts is not None and charts.level != array.level:
                text.append(charts.withdraw())
                charts = None
            if charts is None:
                mismatches = self._blocks / array.name / "md/mismatch_cnt"
                charts = self._arrays[array.name] = _Charts(array, number, mismatches, self._from)
            text.append(charts.blocks(now, array))
        for name in self._arrays.keys() - {array.name for array in found}:
            text.append(self._arrays.pop(name).withdraw())
        return b"".join(text)

    def withdraw(self) -> bytes:
        return self._health.withdraw() + b"".join(charts.withdraw() for charts in self._arrays.values())

    def close(self) -> None:
        self._file.close()
