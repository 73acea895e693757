"""
Small nodes give back what only their start needed: a sixth of their memory.

Much of Python, numpy and OpenSSL runs once, while modules are loaded, and stays
in memory as long as nobody else wants the room.  It is in files, and what of it is
used again is there again within microseconds.
"""

from __future__ import annotations

import ctypes
import gc
import re
from collections.abc import Iterable, Iterator
from typing import Final

from twisted.logger import Logger

from netstream.config.settings import Mode, Settings

SETTLED: Final = 10.0
"""Seconds after its start when a node has done all that it does from then on."""

_MADV_DONTNEED: Final = 4
_MAPPING: Final = re.compile(rb"([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \d+ +/")
"""Of a file; whatever begins otherwise belongs to none."""

_log = Logger()


def sheds(settings: Settings) -> bool:
    """
    @return: Whether a node is small: it keeps nothing and serves nothing.
    """
    return settings.modes == {Mode.NONE} and not settings.web.listeners


def droppable(smaps: Iterable[bytes]) -> Iterator[tuple[int, int]]:
    """
    @param smaps: Lines as of C{/proc/self/smaps}.
    @return: Where mappings begin and end that can be read from their files
        again: those that cannot be written and never were.
    """
    place: tuple[int, int] | None = None
    for line in smaps:
        name, _, amount = line.partition(b":")
        if b"-" in name:
            found = _MAPPING.match(line)
            place = (int(found[1], 16), int(found[2], 16)) if found and b"w" not in found[3] else None
        elif name == b"Anonymous" and place is not None and int(amount.split()[0]) == 0:
            yield place


def shed() -> int:
    """
    Give back what can be had again, and what is free.

    @return: Bytes of mappings that were given back; 0 where the system has no
        such thing.
    """
    gc.collect()
    libc, count = ctypes.CDLL(None), 0
    try:
        with open("/proc/self/smaps", "rb") as smaps:
            places = list(droppable(smaps))
        for start, end in places:
            if libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), _MADV_DONTNEED) == 0:
                count += end - start
        libc.malloc_trim(0)
    except (OSError, AttributeError) as problem:
        _log.debug("memory is not given back: {problem}", problem=problem)
    return count
