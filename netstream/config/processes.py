"""
Where each process of a node keeps its files.

The process that serves has its directories; in each of them are those of the
workers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

DATABASE, SPOOL, EXPORT = "db", "spool", "export"
"""Directories in the data directory."""

_WORKER = "worker-"


def directory_of(data_dir: Path, what: str, number: int = 0) -> Path:
    """
    @param what: L{DATABASE}, L{SPOOL} or L{EXPORT}.
    @param number: Of a worker; 0 is the process that serves.
    @return: Where the process keeps that.
    """
    return data_dir / what / f"{_WORKER}{number}" if number else data_dir / what


def of_workers(data_dir: Path) -> Sequence[int]:
    """
    @return: The numbers of the workers that keep something on disk, or did.
    """
    found = set()
    for what in (DATABASE, SPOOL, EXPORT):
        for path in directory_of(data_dir, what).glob(f"{_WORKER}*"):
            number = path.name.removeprefix(_WORKER)
            if number.isdecimal() and int(number) and path.is_dir():
                found.add(int(number))
    return sorted(found)


def left_to(number: int, count: int, workers: Iterable[int]) -> Sequence[int]:
    """
    @param number: Of a worker; 0 is the process that serves.
    @param count: How many workers run.
    @param workers: The numbers of all that ever ran.
    @return: Those among them that run no more and whose files this one opens.
    """
    return [other for other in workers if other > count and (not count or (other - 1) % count + 1 == number)]
