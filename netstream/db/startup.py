"""
How the disk engine finds what an earlier process left.
"""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import quote, unquote

from attrs import define, field

from netstream.db.catalog import Catalog
from netstream.db.hot import HotNode
from netstream.db.journal import Journal, replay

CATALOG = "metrics.sqlite"
JOURNALS = "journal"

_DAMAGED = (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_ERROR)


@define(eq=False)
class Found:
    """
    What was in a directory.

    @ivar lock: Descriptor that keeps other processes out.
    @ivar writer: The connection for the thread that writes.
    @ivar reader: The connection for the thread that reads.
    @ivar nodes: All nodes, with their journals replayed.
    @ivar journals: The one that each node goes on with.
    @ivar damage: What could not be used, one sentence each.
    """

    lock: int
    writer: Catalog
    reader: Catalog
    nodes: list[HotNode] = field(factory=list)
    journals: list[Journal] = field(factory=list)
    damage: list[str] = field(factory=list)


def journal_path(directory: Path, guid: str, generation: int) -> Path:
    """
    @return: The file of a generation of a node's journal.
    """
    return directory / JOURNALS / f"{quote(guid, safe='')}.{generation}"


def find(directory: Path, now: float, retention: int) -> Found:
    """
    Make a directory ours and read it.  Blocks.

    @param retention: Default, in seconds.
    @raise OSError: It cannot be used, or another process uses it.
    @raise ValueError: It was made by a newer version.
    """
    try:
        (directory / JOURNALS).mkdir(parents=True, exist_ok=True)
        lock = _locked(directory)
    except OSError as problem:
        if problem.errno == errno.EBUSY:
            raise
        reason = f"{problem.strerror}; the database needs a directory that it may write to"
        raise OSError(problem.errno, reason, str(directory)) from problem
    path = directory / CATALOG
    damage: list[str] = []
    try:
        try:
            return _read(lock, directory, now, retention, damage)
        except sqlite3.DatabaseError as problem:
            if problem.sqlite_errorcode & 0xFF not in _DAMAGED:
                raise
            aside = _put_aside(path, now)
            damage[:] = [f"{path}: {problem}; it was put aside as {aside} and an empty one was made"]
            return _read(lock, directory, now, retention, damage)
    except sqlite3.Error as problem:
        os.close(lock)
        raise OSError(errno.EIO, f"{problem}; the database cannot be opened", str(path)) from problem
    except BaseException:
        os.close(lock)
        raise


def _read(lock: int, directory: Path, now: float, retention: int, damage: list[str]) -> Found:
    with ExitStack() as undo:
        writer = Catalog(directory / CATALOG)
        undo.callback(writer.close)
        reader = Catalog(directory / CATALOG)
        undo.callback(reader.close)
        found = Found(lock, writer, reader, damage=damage)
        _restore(found, directory, now, retention)
        undo.pop_all()
    return found


def _put_aside(path: Path, now: float) -> Path:
    aside = path.with_name(f"{path.name}.damaged-{int(now)}")
    for suffix in ("", "-wal", "-shm"):
        part = Path(f"{path}{suffix}")
        if part.exists():
            part.rename(f"{aside}{suffix}")
    return aside


def _locked(directory: Path) -> int:
    path = directory / "lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as problem:
        owner = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()
        os.close(descriptor)
        reason = f"in use by process {owner or 'unknown'}; stop that one, or use another data directory"
        raise OSError(errno.EBUSY, reason, str(directory)) from problem
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


def _restore(found: Found, directory: Path, now: float, retention: int) -> None:
    nodes = {}
    for stored in found.writer.nodes():
        node = nodes[stored.guid] = HotNode(stored.guid)
        node.retention = stored.retention
        node.generation = node.oldest_journal = stored.journal
        node.numbers = dict(found.writer.series(stored.id))
        node.spans = dict(found.writer.spans(stored.id))
        node.next_number = max([stored.numbers, *(number + 1 for number in node.numbers.values())])
    for guid, generations in _journals(directory).items():
        node = nodes.get(guid) or nodes.setdefault(guid, HotNode(guid))
        oldest = int(now) - (retention if node.retention is None else node.retention)
        for generation in generations:
            path = journal_path(directory, guid, generation)
            if generation < node.oldest_journal:
                path.unlink()
                continue
            node.generation = generation
            _replay(found, node, path, oldest)
    for node in nodes.values():
        node.touched = now
        found.nodes.append(node)


def _replay(found: Found, node: HotNode, path: Path, oldest: int) -> None:
    try:
        record = replay(path.read_bytes())
        lost = node.replay(record.records, oldest)
        with path.open("r+b") as file:
            file.truncate(record.good)
    except OSError as problem:
        found.damage.append(f"{path}: {problem.strerror}; what it holds is missing")
        node.generation += 1
        return
    if record.damaged or lost:
        found.damage.append(f"{path}: {record.damaged} bytes and {lost} records are damaged, the others were used")
    found.journals.append(Journal(path, record.good))


def _journals(directory: Path) -> dict[str, Sequence[int]]:
    found: dict[str, list[int]] = {}
    for path in (directory / JOURNALS).iterdir():
        name, _, generation = path.name.rpartition(".")
        if name and generation.isdecimal():
            found.setdefault(unquote(name), []).append(int(generation))
    return {guid: sorted(generations) for guid, generations in found.items()}
