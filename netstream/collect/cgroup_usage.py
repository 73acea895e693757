"""
The files of one control group, read as numbers.

Both versions give the same names: C{user} and C{system}; C{periods}, C{throttled}
and C{stalled} (nanoseconds) of processors; C{usage}, C{ram}, C{swap} and C{failures}
of memory; and for disks C{io}, C{ops} and more, each followed by C{.read} and
C{.write}. What C{memory.stat} says has the names that it has there.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from attrs import frozen

from netstream.collect.cgroup_find import UNIFIED
from netstream.collect.files import read_once
from netstream.collect.pressure import Stall, stalls

_ENDLESS = (1 << 64) - 1
"""Bytes of a limit that is none."""
_RESOURCES = ("cpu", "memory", "io")


@frozen
class Limits:
    """
    What a group may use.

    @ivar cpu: Percent of one processor; 0 is not known.
    @ivar memory: Bytes.
    @ivar swap: Bytes of swap, in version 1 with memory.
    """

    cpu: float = 0.0
    memory: int = _ENDLESS
    swap: int = _ENDLESS


def _counters(text: bytes) -> dict[bytes, bytes]:
    words = text.split()
    return dict(zip(words[::2], words[1::2], strict=True))


class Usage(ABC):
    """
    What one group uses.
    """

    TICKS: ClassVar[int] = 1
    """How often C{user} and C{system} count in a second."""
    STAT: ClassVar[Mapping[str, str]] = {}
    """What is wanted of C{memory.stat}, and its name there."""
    OF_SERVICES: ClassVar[bool] = False
    """Whether agents read C{memory.stat} of services as well."""

    def __init__(self, directories: Mapping[str, str], detailed: bool) -> None:
        """
        @param directories: Its own, of each hierarchy.
        @param detailed: Whether all files are read, and not only those of
            which services have charts.
        """
        self._directories = directories
        self._detailed = detailed
        self._files: dict[str, str] = {}

    def look(self) -> None:
        """
        See which files there are: a controller may be switched on later.
        """
        self._files = {
            name: f"{directory}/{name}" for directory in self._directories.values() for name in self._listed(directory)
        }

    @staticmethod
    def _listed(directory: str) -> Sequence[str]:
        try:
            return os.listdir(directory)
        except OSError:
            return ()

    def _text(self, name: str) -> bytes | None:
        path = self._files.get(name)
        return None if path is None else read_once(path)

    def _number(self, name: str) -> int | None:
        text = self._text(name)
        return None if text is None else int(text)

    @abstractmethod
    def numbers(self) -> dict[str, int]:
        """
        @return: All numbers, by name.
        @raise OSError: The group is gone.
        @raise ValueError: A file does not say what it should.
        @raise LookupError: The same.
        """

    def cores(self) -> dict[str, int]:
        """
        @return: Nanoseconds of each processor, by its name.
        """
        return {}

    def pressures(self) -> dict[str, dict[str, Stall]]:
        """
        @return: What tasks wait for, by resource.
        """
        return {}

    @abstractmethod
    def limits(self, processors: int) -> Limits:
        """
        @param processors: How many the machine has.
        """

    def _stat(self, of: dict[str, int]) -> None:
        text = self._text("memory.stat") if self._detailed or self.OF_SERVICES else None
        if text is not None:
            found = _counters(text)
            for name, spelling in self.STAT.items():
                of[name] = int(found.get(spelling.encode(), 0))
        usage = of.get("usage")
        if usage is not None:
            of["ram"] = max(0, usage - of.get("inactive_file", 0))

    def _limit(self, name: str) -> int:
        text = self._text(name)
        return _ENDLESS if text is None or text.strip() == b"max" else int(text)


class Usage2(Usage):
    """
    In version 2.
    """

    TICKS = 1_000_000
    STAT = {
        name: name
        for name in (
            "anon",
            "kernel_stack",
            "slab",
            "sock",
            "anon_thp",
            "file",
            "file_dirty",
            "file_writeback",
            "pgfault",
            "pgmajfault",
            "inactive_file",
        )
    }

    def numbers(self) -> dict[str, int]:
        of: dict[str, int] = {}
        text = self._text("cpu.stat")
        if text is not None:
            cpu = _counters(text)
            of["user"], of["system"] = int(cpu[b"user_usec"]), int(cpu[b"system_usec"])
            if self._detailed and b"nr_periods" in cpu:
                of["periods"], of["throttled"] = int(cpu[b"nr_periods"]), int(cpu[b"nr_throttled"])
                of["stalled"] = int(cpu[b"throttled_usec"]) * 1000
        usage, swap = self._number("memory.current"), self._number("memory.swap.current")
        if usage is not None:
            of["usage"] = usage
        if swap is not None:
            of["swap"] = swap
        self._stat(of)
        text = self._text("io.stat")
        if text is not None:
            totals = {b"rbytes": 0, b"wbytes": 0, b"rios": 0, b"wios": 0}
            for word in text.split():
                key, _, value = word.partition(b"=")
                if key in totals:
                    totals[key] += int(value)
            of["io.read"], of["io.write"], of["ops.read"], of["ops.write"] = totals.values()
        return of

    def pressures(self) -> dict[str, dict[str, Stall]]:
        found = {}
        for resource in _RESOURCES:
            text = self._text(f"{resource}.pressure")
            if text is not None:
                found[resource] = stalls(text)
        return found

    def limits(self, processors: int) -> Limits:
        words = (self._text("cpu.max") or b"").split()
        cpu = 100.0 * processors
        if words and words[0] != b"max":
            cpu = 100.0 * int(words[0]) / int(words[1])
        return Limits(cpu, self._limit("memory.max"), self._limit("memory.swap.max"))


class Usage1(Usage):
    """
    In version 1.
    """

    TICKS = os.sysconf("SC_CLK_TCK")
    STAT = {
        "cache": "total_cache",
        "rss": "total_rss",
        "swapped": "total_swap",
        "rss_huge": "total_rss_huge",
        "mapped_file": "total_mapped_file",
        "dirty": "total_dirty",
        "writeback": "total_writeback",
        "pgpgin": "total_pgpgin",
        "pgpgout": "total_pgpgout",
        "pgfault": "total_pgfault",
        "pgmajfault": "total_pgmajfault",
        "inactive_file": "total_inactive_file",
    }
    OF_SERVICES = True
    DISKS: ClassVar[Mapping[str, str]] = {
        "io": "io_service_bytes",
        "ops": "io_serviced",
        "throttled_io": "throttle.io_service_bytes",
        "throttled_ops": "throttle.io_serviced",
        "merged": "io_merged",
        "queued": "io_queued",
    }

    def numbers(self) -> dict[str, int]:
        of: dict[str, int] = {}
        text = self._text("cpuacct.stat")
        if text is not None:
            cpu = _counters(text)
            of["user"], of["system"] = int(cpu[b"user"]), int(cpu[b"system"])
        text = self._text("cpu.stat") if self._detailed else None
        if text is not None:
            cpu = _counters(text)
            of["periods"], of["throttled"] = int(cpu[b"nr_periods"]), int(cpu[b"nr_throttled"])
            of["stalled"] = int(cpu[b"throttled_time"])
        usage, both = self._number("memory.usage_in_bytes"), self._number("memory.memsw.usage_in_bytes")
        if usage is not None:
            of["usage"] = usage
            if both is not None:
                of["swap"] = max(0, both - usage)
        self._stat(of)
        if "rss" in of:
            of["rss"] = max(0, of["rss"] - of["rss_huge"])
        failures = self._number("memory.failcnt")
        if failures is not None:
            of["failures"] = failures
        for name, file in self.DISKS.items():
            text = self._text(f"blkio.{file}_recursive")
            text = self._text(f"blkio.{file}") if text is None else text
            if text is not None:
                words = text.split()
                for operation in (b"Read", b"Write"):
                    total = sum(int(n) for kind, n in zip(words[1::3], words[2::3], strict=False) if kind == operation)
                    of[f"{name}.{operation.decode().lower()}"] = total
        return of

    def cores(self) -> dict[str, int]:
        text = self._text("cpuacct.usage_percpu") if self._detailed else None
        return {f"cpu{number}": int(word) for number, word in enumerate((text or b"").split())}

    def limits(self, processors: int) -> Limits:
        usable = _members(self._text("cpuset.cpus") or b"") or processors
        cpu = 100.0 * usable
        quota, period = self._number("cpu.cfs_quota_us"), self._number("cpu.cfs_period_us")
        if quota and period and quota > 0:
            cpu = min(cpu, 100.0 * quota / period)
        return Limits(cpu, self._limit("memory.limit_in_bytes"), self._limit("memory.memsw.limit_in_bytes"))


def _members(text: bytes) -> int:
    """
    @return: How many numbers a list such as C{0-3,8} has.
    """
    found = 0
    for part in text.decode("ascii").strip().split(","):
        first, dash, last = part.partition("-")
        if part:
            found += int(last) - int(first) + 1 if dash else 1
    return found


def ticks_of(unified: bool) -> int:
    """
    @return: How often the time of processors counts in a second.
    """
    return (Usage2 if unified else Usage1).TICKS


def usage_of(roots: Mapping[str, Path], path: str, detailed: bool) -> Usage:
    """
    @param roots: Of the hierarchies, by name.
    @param path: Of the group below each.
    """
    directories = {name: f"{root}{path}" for name, root in roots.items()}
    return Usage2(directories, detailed) if UNIFIED in roots else Usage1(directories, detailed)
