"""
Reading a database that the first version of the disk engine wrote.

It is C{metrics.sqlite} with nodes, charts, series and row groups, and a
directory C{journal} with a file for each node, which has what is in no row
group yet.  Nothing of them is changed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import numpy as np
from attrs import field, frozen

from netstream.db.interfaces import SeriesKey
from netstream.db.version1.journal import Journal, Kind, forgotten_in, samples_of, series_of
from netstream.db.version1.rowgroups import RowGroup
from netstream.db.version1.samples import Samples

CATALOG = "metrics.sqlite"
JOURNALS = "journal"
_MOST_DAMAGE = 100
_EMPTY = """
CREATE TABLE node (id, guid, record, retention, journal);
CREATE TABLE chart (node, definition);
CREATE TABLE series (node, number, chart, dimension);
CREATE TABLE row_group (sequence, node, first, last, data);
"""


@frozen(eq=False)
class StoredNode:
    """
    A node, as it was stored.

    @ivar record: JSON of its host record; L{None} if that was never put.
    @ivar retention: Seconds that its samples are kept; L{None} is the default.
    @ivar charts: The definitions of its charts, as JSON; see
        L{netstream.db.metadata}.
    @ivar series: The number of each series that it has.
    @ivar samples: Call it for its samples: pieces of about a million at most,
        in the order in which they were written, so that later ones replace
        earlier ones of the same series and second.  Only while it is the
        node that was read last.
    """

    guid: str
    record: str | None
    retention: int | None
    charts: Sequence[str]
    series: Mapping[int, SeriesKey]
    samples: Callable[[], Iterator[Samples]] = field(repr=False)


def is_version1(directory: Path) -> bool:
    """
    @return: Whether a directory holds a database of the first version.
    """
    return (directory / CATALOG).exists() or any(True for _ in _journals(directory))


def read(directory: Path, damage: list[str]) -> Iterator[StoredNode]:
    """
    Read a database that no process has open.

    @param damage: Gets a sentence for each part that could not be read; what
        else is there is given.
    @return: Its nodes.
    """
    journals = dict(_journals(directory))
    path = directory / CATALOG
    with closing(_opened(path, damage)) as db:
        catalog = _Catalog(db, path, damage)
        for key, guid, record, retention, oldest in catalog.nodes():
            generations = [one for generation, one in journals.pop(guid, ()) if generation >= oldest]
            yield catalog.node(guid, record, retention, generations, key)
        # Their first row group was not made yet, or the catalog is damaged.
        for guid, those in sorted(journals.items()):
            yield catalog.node(guid, None, None, [one for _, one in those])


def _opened(path: Path, damage: list[str]) -> sqlite3.Connection:
    """
    @return: The catalog; one without tables if it cannot be opened.
    """
    try:
        db = sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro", uri=True, check_same_thread=False)
    except sqlite3.Error as problem:
        damage.append(f"{path}: {problem}; only journals are read")
        db = sqlite3.connect(":memory:", check_same_thread=False)
        db.executescript(_EMPTY)
    db.text_factory = lambda text: text.decode("utf-8", "replace")
    return db


def _journals(directory: Path) -> Iterator[tuple[str, list[tuple[int, Path]]]]:
    """
    @return: GUID of each node that has journals, and these with their
        generations, the oldest first.
    """
    found: dict[str, list[tuple[int, Path]]] = {}
    with suppress(OSError):
        for path in (directory / JOURNALS).iterdir():
            name, _, generation = path.name.rpartition(".")
            if name and generation.isdecimal():
                found.setdefault(unquote(name), []).append((int(generation), path))
    for guid, generations in found.items():
        yield guid, sorted(generations)


class _Catalog:
    """
    What can be read of the SQLite file.
    """

    def __init__(self, db: sqlite3.Connection, path: Path, damage: list[str]) -> None:
        self._db = db
        self._path = path
        self._damage = damage

    def _note(self, path: Path, problem: object) -> None:
        if len(self._damage) < _MOST_DAMAGE:
            self._damage.append(f"{path}: {problem}")

    def _rows(self, kinds: Sequence[Any], query: str, *arguments: object) -> Iterator[Any]:
        """
        @param kinds: Of the values of a row; a damaged file may have others.
        """
        try:
            for row in self._db.execute(query, arguments):
                if all(isinstance(value, kind) for value, kind in zip(row, kinds, strict=True)):
                    yield row
                else:
                    self._note(self._path, f"values of a wrong type in {row!r:.100}")
        except sqlite3.Error as problem:
            self._note(self._path, problem)

    def nodes(self) -> list[tuple[int, str, str | None, int | None, int]]:
        """
        @return: Key, GUID, record, retention and oldest generation of its
            journal that counts, of each node.
        """
        kinds = (int, str, str | None, int | None, int)
        return list(self._rows(kinds, "SELECT id, guid, record, retention, journal FROM node ORDER BY id"))

    def node(
        self, guid: str, record: str | None, retention: int | None, journals: Sequence[Path], key: int | None = None
    ) -> StoredNode:
        """
        @param key: What the catalog calls it.
        """
        charts = [text for (text,) in self._rows((str,), "SELECT definition FROM chart WHERE node = ?", key)]
        rows = self._rows((int, bytes, bytes), "SELECT number, chart, dimension FROM series WHERE node = ?", key)
        series = {number: (_id(chart), _id(dimension)) for number, chart, dimension in rows}
        for path in journals:
            for kind, body in self._records(path):
                # Whatever is wrong is reported when samples are read.
                with suppress(ValueError):
                    if kind is Kind.SERIES:
                        series.update(series_of(body))
                    elif kind is Kind.FORGET:
                        chart = forgotten_in(body)
                        series = {number: name for number, name in series.items() if name[0] != chart}

        def samples() -> Iterator[Samples]:
            yield from self._sealed(key, series)
            for path in journals:
                yield from self._unsealed(path, series)

        return StoredNode(guid, record, retention, charts, series, samples)

    def _sealed(self, key: int | None, series: Mapping[int, SeriesKey]) -> Iterator[Samples]:
        """
        @return: What is in row groups.
        """
        rows = self._rows((int,), "SELECT sequence FROM row_group WHERE node = ? ORDER BY sequence", key)
        one = "SELECT first, last, data FROM row_group WHERE sequence = ?"
        for (sequence,) in list(rows):
            for first, last, data in self._rows((int, int, bytes), one, sequence):
                what = f"row group {sequence} (seconds {first} to {last})"
                try:
                    group = RowGroup(data)
                except ValueError as problem:
                    self._note(self._path, f"{what}: {problem}")
                    continue
                yield from group.samples(series)
                if group.damaged:
                    self._note(self._path, f"{what}: {group.damaged} columns are damaged")

    def _unsealed(self, path: Path, series: Mapping[int, SeriesKey]) -> Iterator[Samples]:
        """
        @return: What is in a journal.
        """
        known = np.array(sorted(series), np.int32)
        lost = 0
        journal = self._journal(path)
        for kind, body in journal.records():
            try:
                if kind is Kind.SERIES:
                    series_of(body)
                elif kind is Kind.FORGET:
                    forgotten_in(body)
                else:
                    piece = samples_of(body)
                    here = np.isin(piece.number, known)
                    yield Samples(piece.number[here], piece.time[here], piece.value[here], piece.flags[here])
            except ValueError:
                lost += 1
        if journal.damaged or lost:
            self._note(path, f"{journal.damaged} bytes and {lost} records are damaged")

    def _journal(self, path: Path) -> Journal:
        try:
            return Journal(path.read_bytes())
        except OSError as problem:
            self._note(path, problem.strerror)
            return Journal(b"")

    def _records(self, path: Path) -> Iterator[tuple[Kind, bytes]]:
        with suppress(OSError):
            yield from Journal(path.read_bytes()).records()


def _id(stored: bytes) -> str:
    return stored.decode("utf-8", "surrogateescape")
