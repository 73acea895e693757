"""
The SQLite file of the disk engine: nodes, charts, and the numbers of series.

Its methods block; each object belongs to one thread at a time.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from attrs import frozen

from netstream.db.interfaces import Span

VERSION = 2
"""Of the schema, in C{user_version}.  Version 1 is L{netstream.db.version1}."""

_SCHEMA = """
CREATE TABLE node (
    id INTEGER PRIMARY KEY, guid TEXT NOT NULL UNIQUE, record TEXT, retention INTEGER,
    numbers INTEGER NOT NULL DEFAULT 0);
CREATE TABLE chart (
    node INTEGER NOT NULL, id BLOB NOT NULL, definition TEXT, series TEXT NOT NULL DEFAULT '{}',
    first INTEGER, last INTEGER, PRIMARY KEY (node, id)) WITHOUT ROWID;
CREATE TABLE stale (
    node INTEGER NOT NULL, tier INTEGER NOT NULL, start INTEGER NOT NULL, PRIMARY KEY (node, tier, start))
    WITHOUT ROWID;
"""


class NewerVersion(ValueError):
    """
    The file was made by a newer version of the program.
    """


def blob_of(text: str) -> bytes:
    """
    Ids come from the wire and need not be valid UTF-8.
    """
    return text.encode("utf-8", "surrogateescape")


def text_of(stored: bytes) -> str:
    """
    @return: What L{blob_of} was made of.
    """
    return stored.decode("utf-8", "surrogateescape")


@frozen
class StoredNode:
    """
    A node as the catalog has it.

    @ivar id: Its key there, which hot pages and segments use; from 1 on.
    @ivar record: JSON of its host record; L{None} if that was never put.
    @ivar retention: Seconds; L{None} is the default.
    @ivar numbers: Numbers below this one may have been given to series.
    """

    id: int
    guid: str
    record: str | None
    retention: int | None
    numbers: int


@frozen
class StoredChart:
    """
    A chart as the catalog has it.

    @ivar definition: JSON; L{None} if it was never put.
    @ivar series: Number by dimension.
    @ivar span: What row groups hold of it, or held.
    """

    id: str
    definition: str | None
    series: Mapping[str, int]
    span: Span | None


class Catalog:
    """
    One connection to the file.
    """

    def __init__(self, path: Path) -> None:
        """
        @raise sqlite3.DatabaseError: It is damaged or is something else.
        @raise NewerVersion: It was made by a newer version of the program.
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
            raise NewerVersion(f"{path} was made by a newer version of netstream: run that one")
        if version == 0:
            self._db.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")
        for table in ("node", "chart", "stale"):
            self._db.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchall()  # noqa: S608

    def close(self) -> None:
        """
        Close the connection.
        """
        self._db.close()

    def nodes(self) -> Sequence[StoredNode]:
        """
        @return: All nodes.
        """
        rows = self._db.execute("SELECT id, guid, record, retention, numbers FROM node ORDER BY id")
        return [StoredNode(*row) for row in rows]

    def charts(self, node: int) -> Iterator[StoredChart]:
        """
        @return: The charts of a node.
        """
        rows = self._db.execute("SELECT id, definition, series, first, last FROM chart WHERE node = ?", (node,))
        for chart, definition, series, first, last in rows:
            span = None if first is None else Span(first, last)
            yield StoredChart(text_of(chart), definition, json.loads(series), span)

    def put(
        self,
        nodes: Mapping[str, int],
        records: Mapping[str, str],
        charts: Mapping[tuple[str, str], str],
        retentions: Mapping[str, int | None],
        series: Mapping[tuple[str, str], Mapping[str, int]],
    ) -> None:
        """
        Keep definitions, in one transaction.

        @param nodes: The id of each GUID that is named here.
        @param records: JSON of host records by GUID.
        @param charts: JSON of charts by GUID and chart id.
        @param retentions: Seconds by GUID; L{None} is the default.
        @param series: Number by dimension, of all of a chart's, by GUID and
            chart id.
        """
        execute = self._db.executemany
        self._db.execute("BEGIN IMMEDIATE")
        with self._db:
            execute("INSERT OR IGNORE INTO node (id, guid) VALUES (?, ?)", [(id, guid) for guid, id in nodes.items()])
            execute("UPDATE node SET record = ? WHERE id = ?", [(text, nodes[guid]) for guid, text in records.items()])
            execute(
                "UPDATE node SET retention = ? WHERE id = ?", [(kept, nodes[guid]) for guid, kept in retentions.items()]
            )
            execute(
                "INSERT INTO chart (node, id, definition) VALUES (?, ?, ?) "
                "ON CONFLICT (node, id) DO UPDATE SET definition = excluded.definition",
                [(nodes[guid], blob_of(chart), text) for (guid, chart), text in charts.items()],
            )
            execute(
                "INSERT INTO chart (node, id, series) VALUES (?, ?, ?) "
                "ON CONFLICT (node, id) DO UPDATE SET series = excluded.series",
                [(nodes[guid], blob_of(chart), json.dumps(numbers)) for (guid, chart), numbers in series.items()],
            )

    def widen(self, spans: Iterable[tuple[int, Mapping[str, Span]]], stale: Iterable[tuple[int, int, int]]) -> None:
        """
        Say what row groups will hold in a moment, besides what they hold.

        @param spans: Nodes, and what of each, by chart.
        @param stale: Node, tier, and the second before the stretch of coarser
            rows that have to be made anew.
        """
        self._db.execute("BEGIN IMMEDIATE")
        with self._db:
            self._db.executemany(
                "INSERT INTO chart (node, id, first, last) VALUES (?, ?, ?, ?) ON CONFLICT (node, id) DO UPDATE SET "
                "first = min(ifnull(first, excluded.first), excluded.first), "
                "last = max(ifnull(last, excluded.last), excluded.last)",
                [
                    (node, blob_of(chart), span.first, span.last)
                    for node, charts in spans
                    for chart, span in charts.items()
                ],
            )
            self._db.executemany("INSERT OR IGNORE INTO stale VALUES (?, ?, ?)", stale)

    def stale(self) -> Sequence[tuple[int, int, int]]:
        """
        @return: Node, tier, and the second before each stretch of coarser
            rows that have to be made anew.
        """
        return self._db.execute("SELECT node, tier, start FROM stale").fetchall()

    def derived(self, node: int, tier: int, start: int) -> None:
        """
        A stretch of coarser rows was made.
        """
        self._db.execute("DELETE FROM stale WHERE node = ? AND tier = ? AND start = ?", (node, tier, start))

    def forget(self, node: int, charts: Iterable[str] | None, numbers: int) -> None:
        """
        Remove charts, or a node with everything.

        @param charts: Ids; L{None} is the node.
        @param numbers: Numbers below this one are never given again.
        """
        self._db.execute("BEGIN IMMEDIATE")
        with self._db:
            if charts is None:
                self._db.execute("DELETE FROM chart WHERE node = ?", (node,))
                self._db.execute("DELETE FROM stale WHERE node = ?", (node,))
                self._db.execute("DELETE FROM node WHERE id = ?", (node,))
                return
            self._db.execute("UPDATE node SET numbers = max(numbers, ?) WHERE id = ?", (numbers, node))
            self._db.executemany(
                "DELETE FROM chart WHERE node = ? AND id = ?", [(node, blob_of(chart)) for chart in charts]
            )

    def vacuum(self) -> None:
        """
        Give room that is free back to the file system.
        """
        self._db.execute("PRAGMA incremental_vacuum").fetchall()
