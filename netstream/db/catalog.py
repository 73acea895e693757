"""
The SQLite file of the disk engine: nodes, charts, series and row groups.

Its methods block; each object belongs to one thread at a time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from attrs import frozen

from netstream.db.interfaces import SeriesKey, Span
from netstream.db.version1.rowgroups import RowGroup

VERSION = 1
"""Of the schema, in C{user_version}."""

_SCHEMA = """
CREATE TABLE node (
    id INTEGER PRIMARY KEY, guid TEXT NOT NULL UNIQUE, record TEXT, retention INTEGER,
    numbers INTEGER NOT NULL DEFAULT 0, journal INTEGER NOT NULL DEFAULT 0);
CREATE TABLE chart (
    node INTEGER NOT NULL, id BLOB NOT NULL, definition TEXT NOT NULL, PRIMARY KEY (node, id)) WITHOUT ROWID;
CREATE TABLE series (
    node INTEGER NOT NULL, number INTEGER NOT NULL, chart BLOB NOT NULL, dimension BLOB NOT NULL,
    PRIMARY KEY (node, number)) WITHOUT ROWID;
CREATE TABLE span (
    node INTEGER NOT NULL, chart BLOB NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
    PRIMARY KEY (node, chart)) WITHOUT ROWID;
CREATE TABLE row_group (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, node INTEGER NOT NULL, first INTEGER NOT NULL,
    last INTEGER NOT NULL, samples INTEGER NOT NULL, data BLOB NOT NULL);
CREATE INDEX row_group_last ON row_group (node, last, first, samples);
"""
_DELETED_AT_ONCE = 64


def _id(text: str) -> bytes:
    """
    Ids come from the wire and need not be valid UTF-8.
    """
    return text.encode("utf-8", "surrogateescape")


def _text(stored: bytes) -> str:
    return stored.decode("utf-8", "surrogateescape")


@frozen
class StoredNode:
    """
    A node as the catalog has it.

    @ivar id: Its key there.
    @ivar record: JSON of its host record; L{None} if that was never put.
    @ivar retention: Seconds; L{None} is the default.
    @ivar numbers: Numbers below this one may have been given to series.
    @ivar journal: Generation of its oldest journal that is still needed.
    """

    id: int
    guid: str
    record: str | None
    retention: int | None
    numbers: int
    journal: int


class Catalog:
    """
    One connection to the file.
    """

    def __init__(self, path: Path) -> None:
        """
        @raise sqlite3.DatabaseError: It is damaged or is something else.
        @raise ValueError: It was made by a newer version of the program.
        """
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)
        try:
            self._prepare(path)
        except BaseException:
            self._db.close()
            raise

    def _prepare(self, path: Path) -> None:
        self._db.execute("PRAGMA auto_vacuum = INCREMENTAL")
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("PRAGMA cache_size = -2048")
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version > VERSION:
            raise ValueError(f"{path} was made by a newer version of netstream: run that one")
        if version == 0:
            self._db.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")
        for table in ("node", "chart", "series", "span", "row_group"):
            self._db.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchall()  # noqa: S608

    def close(self) -> None:
        """
        Close the connection.
        """
        self._db.close()

    def node(self, guid: str) -> int:
        """
        @return: The key of a node, which is made now if there is none.
        """
        with self._db:
            self._db.execute("INSERT OR IGNORE INTO node (guid) VALUES (?)", (guid,))
            key: int = self._db.execute("SELECT id FROM node WHERE guid = ?", (guid,)).fetchone()[0]
        return key

    def nodes(self) -> Sequence[StoredNode]:
        """
        @return: All nodes.
        """
        rows = self._db.execute("SELECT id, guid, record, retention, numbers, journal FROM node ORDER BY id")
        return [StoredNode(*row) for row in rows]

    def charts(self, node: int) -> Sequence[str]:
        """
        @return: The definitions of the charts of a node, as JSON.
        """
        return [text for (text,) in self._db.execute("SELECT definition FROM chart WHERE node = ?", (node,))]

    def series(self, node: int) -> Mapping[SeriesKey, int]:
        """
        @return: The number of each series of a node.
        """
        rows = self._db.execute("SELECT chart, dimension, number FROM series WHERE node = ?", (node,))
        return {(_text(chart), _text(dimension)): number for chart, dimension, number in rows}

    def spans(self, node: int) -> Mapping[str, Span]:
        """
        @return: What the row groups of a node hold, by chart.
        """
        rows = self._db.execute("SELECT chart, first, last FROM span WHERE node = ?", (node,))
        return {_text(chart): Span(first, last) for chart, first, last in rows}

    def put(
        self,
        records: Mapping[str, str],
        charts: Mapping[tuple[str, str], str],
        retentions: Mapping[str, int | None],
    ) -> None:
        """
        Keep definitions.

        @param records: JSON of host records by GUID.
        @param charts: JSON of charts by GUID and chart id.
        @param retentions: Seconds by GUID; L{None} is the default.
        """
        keys = {guid: self.node(guid) for guid in {*records, *retentions, *(guid for guid, _ in charts)}}
        self._db.execute("BEGIN IMMEDIATE")
        with self._db:
            self._db.executemany(
                "UPDATE node SET record = ? WHERE id = ?", [(text, keys[guid]) for guid, text in records.items()]
            )
            self._db.executemany(
                "UPDATE node SET retention = ? WHERE id = ?", [(kept, keys[guid]) for guid, kept in retentions.items()]
            )
            self._db.executemany(
                "INSERT OR REPLACE INTO chart VALUES (?, ?, ?)",
                [(keys[guid], _id(chart), text) for (guid, chart), text in charts.items()],
            )

    def seal(
        self,
        guid: str,
        groups: Iterable[RowGroup],
        series: Mapping[SeriesKey, int],
        spans: Mapping[str, Span],
        numbers: int,
        journal: int,
    ) -> None:
        """
        Keep row groups, in one transaction with all that they need.

        @param series: Numbers that may not be known yet.
        @param spans: What the row groups hold, by chart.
        @param journal: Generation of the oldest journal needed from now on.
        """
        node = self.node(guid)
        self._db.execute("BEGIN IMMEDIATE")
        with self._db:
            self._db.executemany(
                "INSERT OR REPLACE INTO series VALUES (?, ?, ?, ?)",
                [(node, number, _id(chart), _id(dimension)) for (chart, dimension), number in series.items()],
            )
            self._db.executemany(
                "INSERT INTO row_group (node, first, last, samples, data) VALUES (?, ?, ?, ?, ?)",
                ((node, group.first, group.last, group.samples, group.data) for group in groups),
            )
            self._db.executemany(
                "INSERT INTO span VALUES (?, ?, ?, ?) ON CONFLICT (node, chart) DO UPDATE SET "
                "first = min(first, excluded.first), last = max(last, excluded.last)",
                [(node, _id(chart), span.first, span.last) for chart, span in spans.items()],
            )
            self._db.execute("UPDATE node SET numbers = ?, journal = ? WHERE id = ?", (numbers, journal, node))

    def groups(self, guid: str, after: int, before: int) -> Iterator[tuple[int, bytes]]:
        """
        @return: Sequence and bytes of the row groups that overlap a span, in
            the order in which they were written.
        """
        found = self._db.execute(
            "SELECT sequence FROM row_group WHERE node = (SELECT id FROM node WHERE guid = ?) "
            "AND last > ? AND first <= ? ORDER BY sequence",
            (guid, after, before),
        ).fetchall()
        for (sequence,) in found:
            row = self._db.execute("SELECT data FROM row_group WHERE sequence = ?", (sequence,)).fetchone()
            if row is not None:
                yield sequence, bytes(row[0])

    def expire(self, guid: str, oldest: int) -> bool:
        """
        Remove row groups that end before a second: some, so that it does not
        take long.

        @return: Whether there may be more.
        """
        with self._db:
            done = self._db.execute(
                "DELETE FROM row_group WHERE sequence IN (SELECT sequence FROM row_group WHERE "
                "node = (SELECT id FROM node WHERE guid = ?) AND last < ? LIMIT ?)",
                (guid, oldest, _DELETED_AT_ONCE),
            )
        self._db.execute("PRAGMA incremental_vacuum(4096)").fetchall()
        return done.rowcount == _DELETED_AT_ONCE

    def forget(self, guid: str, chart: str | None, numbers: int) -> None:
        """
        Remove a chart, or a node with everything.

        @param numbers: Numbers below this one are never given again.
        """
        key = self._db.execute("SELECT id FROM node WHERE guid = ?", (guid,)).fetchone()
        if key is None:
            return
        self._db.execute("BEGIN IMMEDIATE")
        with self._db:
            if chart is not None:
                self._db.execute("UPDATE node SET numbers = max(numbers, ?) WHERE id = ?", (numbers, *key))
                self._db.execute("DELETE FROM chart WHERE node = ? AND id = ?", (*key, _id(chart)))
                self._db.execute("DELETE FROM series WHERE node = ? AND chart = ?", (*key, _id(chart)))
                self._db.execute("DELETE FROM span WHERE node = ? AND chart = ?", (*key, _id(chart)))
                return
            for table in ("chart", "series", "span", "row_group"):
                self._db.execute(f"DELETE FROM {table} WHERE node = ?", key)  # noqa: S608
            self._db.execute("DELETE FROM node WHERE id = ?", key)

    def samples(self) -> int:
        """
        @return: Samples in all row groups.
        """
        with closing(self._db.execute("SELECT coalesce(sum(samples), 0) FROM row_group")) as found:
            count: int = found.fetchone()[0]
        return count
