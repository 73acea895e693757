"""
The files of alert definitions: a user's over those that come with netstream.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from netstream.config.places import STOCK
from netstream.health.definitions import Found, parse

DIRECTORY = "health.d"
LARGEST = 4 << 20
"""Bytes of a file; a larger one is not read."""


def _files(directory: Path) -> Iterator[Path]:
    if directory.is_dir():
        yield from sorted(path for path in directory.rglob("*.conf") if path.is_file())


def library(config_dir: Path, *, stock: bool = True, stock_dir: Path | None = None) -> Found:
    """
    Read all definitions; this blocks for as long as the disk does.

    @param config_dir: Where a user's C{health.d} is.
    @param stock: Whether those that come with netstream apply.
    @param stock_dir: Where these are, if not at their place.
    """
    found = Found()
    own = list(_files(config_dir / DIRECTORY))
    shadowed = {path.name for path in own}
    theirs = [path for path in _files(stock_dir or STOCK / DIRECTORY) if path.name not in shadowed] if stock else []
    for paths, is_stock in ((own, False), (theirs, True)):
        for path in paths:
            try:
                if path.stat().st_size > LARGEST:
                    found.problems.append(f"{path}: is larger than {LARGEST >> 20} MiB, so it is not read")
                    continue
                text = path.read_text("utf-8", "replace")
            except OSError as problem:
                found.problems.append(f"{path}: cannot be read: {problem.strerror}; its definitions are left out")
                continue
            parse(text, str(path), stock=is_stock, into=found)
    return found
