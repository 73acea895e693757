"""
What processes and files occupy: CPU, memory, page cache, disk.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import numpy
from attrs import frozen

TICK: Final = os.sysconf("SC_CLK_TCK")


@frozen
class Memory:
    """
    Memory that processes hold, in bytes.

    @ivar rss: All that is resident.
    @ivar pss: The same, shared pages divided by who shares them.
    @ivar anonymous: What no file backs.
    @ivar file: What files back: programs, and files that are mapped.
    """

    rss: int
    pss: int
    anonymous: int

    @property
    def file(self) -> int:
        return self.rss - self.anonymous


def family(pid: int) -> list[int]:
    """
    @return: A process and all that it started and that still run.
    """
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                parent = int(_status(int(entry))[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(entry))
    found = [pid]
    for one in found:
        found += children.get(one, [])
    return found


def cpu(pid: int) -> float:
    """
    @return: Seconds of CPU, user and system, of a process and of those it
        started.
    """
    used = 0.0
    for one in family(pid):
        try:
            fields = _status(one)
        except OSError:
            continue
        used += (int(fields[11]) + int(fields[12])) / TICK
    return used


def settle(pid: int, most: float) -> float:
    """
    Wait until a process has nothing to do any more.

    @param most: Seconds to wait at most.
    @return: Seconds that it still worked.
    """
    began = time.monotonic()
    used, worked = cpu(pid), 0.0
    while time.monotonic() - began < most:
        time.sleep(0.5)
        before, used = used, cpu(pid)
        if used - before < 0.03:
            break
        worked = time.monotonic() - began
    return worked


def _status(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def memory(pid: int) -> Memory:
    """
    @return: Memory of a process and of those it started.
    """
    sums = {"Rss": 0, "Pss": 0, "Anonymous": 0}
    for one in family(pid):
        try:
            text = Path(f"/proc/{one}/smaps_rollup").read_text()
        except OSError:
            continue
        for line in text.splitlines():
            name, _, value = line.partition(":")
            if name in sums:
                sums[name] += int(value.split()[0]) * 1024
    return Memory(sums["Rss"], sums["Pss"], sums["Anonymous"])


def files(places: Iterable[Path]) -> Iterator[Path]:
    """
    @return: The files below some places.
    """
    for place in places:
        for directory, _, names in os.walk(place):
            yield from (Path(directory, name) for name in names)


def disk(*places: Path) -> int:
    """
    @return: Bytes that files occupy on disk, holes left out.
    """
    total = 0
    for path in files(places):
        try:
            total += path.lstat().st_blocks * 512
        except OSError:
            continue
    return total


_libc = ctypes.CDLL(None, use_errno=True)


def cached(*places: Path) -> int:
    """
    @return: Bytes of page cache that files occupy, whoever maps them.  What a
        process has mapped of it is part of that process' memory as well.
    """
    total = 0
    for path in files(places):
        try:
            if not path.is_file() or not (size := path.stat().st_size):
                continue
            with path.open("rb") as file, mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ) as mapped:
                pages = numpy.zeros(-(-size // mmap.PAGESIZE), numpy.uint8)
                view = numpy.frombuffer(mapped, numpy.uint8)
                address = ctypes.c_void_p(view.ctypes.data)
                failed = _libc.mincore(address, ctypes.c_size_t(size), ctypes.c_void_p(pages.ctypes.data))
                del view
                if not failed:
                    total += int((pages & 1).sum()) * mmap.PAGESIZE
        except (OSError, ValueError):
            continue
    return total
