"""
The SQLite file of the disk engine: nodes, charts, and the numbers of series.

SQLite does not notice each byte that the disk changed, so texts begin with
their own checksum, in eight hexadecimal digits.

Its methods block; each object belongs to one thread at a time.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from zlib import crc32

from attrs import frozen

from netstream.db.interfaces import Span
from netstream.db.records import NewerVersion

VERSION = 3
"""Of the database, in C{user_version}.  Version 1 is L{netstream.db.version1};
2 has the same schema, and no row groups in which columns share anything but
patterns."""

_SCHEMA = """
CREATE TABLE node (
    id INTEGER PRIMARY KEY, guid TEXT NOT NULL UNIQUE, crc INTEGER NOT NULL, record TEXT, retention INTEGER,
    numbers INTEGER NOT NULL DEFAULT 0);
CREATE TABLE chart (
    node INTEGER NOT NULL, id BLOB NOT NULL, definition TEXT, series TEXT,
    first INTEGER, last INTEGER, PRIMARY KEY (node, id)) WITHOUT ROWID;
CREATE TABLE stale (
    node INTEGER NOT NULL, tier INTEGER NOT NULL, start INTEGER NOT NULL, PRIMARY KEY (node, tier, start))
    WITHOUT ROWID;
CREATE TABLE counter (next INTEGER NOT NULL);
INSERT INTO counter VALUES (1);
"""
_DAMAGED = (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_ERROR)
_NODES = "SELECT id, guid, crc, record, retention, numbers FROM node"
_CHARTS = "SELECT node, id, definition, series, first, last FROM chart"
_NODE = "INSERT OR IGNORE INTO node (id, guid, crc) VALUES (?, ?, ?)"
_AT_ONCE = 200
"""Charts that one statement puts."""


class DamagedCatalog(ValueError):
    """
    The file is not what was written.
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


def _text(stored: bytes) -> str:
    return stored.decode("utf-8", "replace")


def _signed(text: str, *owner: object) -> str:
    """
    @param owner: What the text is about.
    @return: The text, with a checksum before it.
    """
    return f"{crc32(repr((*owner, text)).encode()):08x}{text}"


def _checked(signed: str | None, *owner: object) -> str | None:
    """
    @return: What L{_signed} was made of.
    @raise DamagedCatalog: It was not made of it.
    """
    if signed is None:
        return None
    text = signed[8:]
    if _signed(text, *owner) != signed:
        raise DamagedCatalog("a text is damaged")
    return text


def _crc(id: int, guid: str) -> int:
    return crc32(f"{id} {guid}".encode())


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

    @ivar node: The node's id.
    @ivar definition: JSON; L{None} if it was never put.
    @ivar series: Number by dimension.
    @ivar span: What row groups hold of it, or held.
    """

    node: int
    id: str
    definition: str | None
    series: Mapping[str, int]
    span: Span | None


@frozen
class Contents:
    """
    All of a catalog.

    @ivar stale: Node, tier, and the second before each stretch of coarser
        rows that have to be made anew.
    @ivar next: Ids from this one on were never given to a node that was
        forgotten.
    """

    nodes: Sequence[StoredNode] = ()
    charts: Sequence[StoredChart] = ()
    stale: Sequence[tuple[int, int, int]] = ()
    next: int = 1


def _node_of(row: Sequence[Any]) -> StoredNode:
    """
    @raise DamagedCatalog: It is none.
    """
    id, guid, crc, record, retention, numbers = row
    if crc != _crc(id, guid) or not isinstance(numbers, int) or not isinstance(retention, int | None):
        raise DamagedCatalog("a node is damaged")
    return StoredNode(id, guid, _checked(record, id, guid), retention, numbers)


def _chart_of(row: Sequence[Any], *, strict: bool = True) -> StoredChart:
    """
    @param strict: Whether a damaged definition counts; it comes again with
        the next connection, unlike what else there is of a chart.
    @raise DamagedCatalog: It is none.
    """
    node, blob, definition, series, first, last = row
    if not isinstance(first, int | None) or not isinstance(last, int | None):
        raise DamagedCatalog("the seconds of a chart are damaged")
    span = None if first is None or last is None else Span(first, last)
    numbers = json.loads(_checked(series, node, blob, "series") or "{}")
    text: str | None = None
    try:
        text = _checked(definition, node, blob)
    except DamagedCatalog:
        if strict:
            raise
    return StoredChart(node, text_of(blob), text, numbers, span)


def salvaged(path: Path) -> Contents:
    """
    Read what can be read of a file that is damaged.
    """
    nodes: dict[int, StoredNode] = {}
    charts: dict[tuple[int, str], StoredChart] = {}
    for backwards in ("", " DESC"):
        # From both ends, as it may be that one page in the middle cannot be read.
        for row in _readable(path, f"{_NODES} ORDER BY id{backwards}"):
            with suppress(DamagedCatalog, TypeError):
                node = _node_of(row)
                nodes[node.id] = node
        for row in _readable(path, f"{_CHARTS} ORDER BY node{backwards}, id{backwards}"):
            with suppress(DamagedCatalog, TypeError, AttributeError):
                chart = _chart_of(row, strict=False)
                charts[chart.node, chart.id] = chart
    [next, *_] = [row[0] for row in _readable(path, "SELECT next FROM counter")] or [1]
    return Contents(tuple(nodes.values()), tuple(charts.values()), (), next if isinstance(next, int) else 1)


def _readable(path: Path, query: str) -> Iterator[Sequence[Any]]:
    """
    @return: The rows up to the first that cannot be read.
    """
    try:
        db = sqlite3.connect(path)
    except sqlite3.Error:
        return
    try:
        db.text_factory = _text
        yield from db.execute(query)
    except (sqlite3.Error, UnicodeError, OverflowError):
        return
    finally:
        db.close()


@contextmanager
def _damage() -> Iterator[None]:
    """
    @raise DamagedCatalog: What SQLite says of the file means that.
    """
    try:
        yield
    except sqlite3.DatabaseError as problem:
        if getattr(problem, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF in _DAMAGED:
            raise DamagedCatalog(str(problem)) from problem
        raise


class Catalog:
    """
    One connection to the file.
    """

    def __init__(self, path: Path, *, writable: bool = True) -> None:
        """
        @param writable: If not, it is not made either, and another process
            may be writing to it.
        @raise DamagedCatalog: It is damaged or is something else.
        @raise sqlite3.Error: It cannot be used just now.
        @raise NewerVersion: It was made by a newer version of the program.
        """
        where = path if writable else f"{path.absolute().as_uri()}?mode=ro"
        self._db = sqlite3.connect(where, isolation_level=None, check_same_thread=False, timeout=30, uri=not writable)
        self._db.text_factory = _text
        try:
            with _damage():
                self._prepare(path, writable)
        except BaseException:
            self._db.close()
            raise

    def _prepare(self, path: Path, writable: bool) -> None:
        if writable:
            self._db.execute("PRAGMA auto_vacuum = INCREMENTAL")
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("PRAGMA cache_size = -2048")
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version > VERSION:
            raise NewerVersion(f"{path} was made by a newer version of netstream: run that one")
        if version == 0 and writable:
            self._db.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")
        elif version < VERSION and writable:
            self._db.execute(f"PRAGMA user_version = {VERSION}")

    def close(self) -> None:
        """
        Close the connection.
        """
        self._db.close()

    def check(self) -> list[str]:
        """
        @return: What is wrong with the structure of the file, in sentences.
        """
        try:
            return [text for (text,) in self._db.execute("PRAGMA integrity_check(10)") if text != "ok"]
        except sqlite3.Error as problem:
            return [str(problem)]

    def contents(self) -> Contents:
        """
        @return: All of it.
        @raise DamagedCatalog: Something in it cannot be read.
        """
        with _damage():
            try:
                nodes = [_node_of(row) for row in self._db.execute(_NODES)]
                charts = [_chart_of(row) for row in self._db.execute(_CHARTS)]
                stale = [
                    (int(n), int(t), int(s)) for n, t, s in self._db.execute("SELECT node, tier, start FROM stale")
                ]
                ((next,),) = self._db.execute("SELECT next FROM counter")
                return Contents(nodes, charts, stale, int(next))
            except (TypeError, AttributeError, UnicodeError, OverflowError) as problem:
                raise DamagedCatalog(f"something has the wrong type: {problem}") from problem
            except ValueError as problem:
                raise problem if isinstance(problem, DamagedCatalog) else DamagedCatalog(str(problem)) from problem

    def definitions(self) -> Iterator[tuple[StoredNode, Sequence[StoredChart]]]:
        """
        @return: Nodes and charts that were put, each node with its charts, as
            far as they can be read.
        """
        for row in self._db.execute(f"{_NODES} WHERE record NOT NULL ORDER BY id").fetchall():
            with suppress(DamagedCatalog):
                node, charts = _node_of(row), []
                for of_chart in self._db.execute(f"{_CHARTS} WHERE node = ? AND definition NOT NULL", (node.id,)):
                    with suppress(DamagedCatalog):
                        charts.append(_chart_of(of_chart))
                yield node, charts

    def charts(self, node: int, charts: Iterable[str]) -> Iterator[str]:
        """
        @return: JSON of charts of a node, as far as they were put and can be
            read.
        """
        for chart in charts:
            wanted = (node, blob_of(chart))
            for row in self._db.execute(f"{_CHARTS} WHERE node = ? AND id = ?", wanted).fetchall():
                with suppress(DamagedCatalog):
                    yield _chart_of(row).definition or ""

    def records(self, nodes: Iterable[int]) -> Iterator[tuple[int, str]]:
        """
        @param nodes: Ids.
        @return: Id and JSON of the host record of each that has one, as far
            as they can be read.
        """
        for id in nodes:
            for row in self._db.execute(f"{_NODES} WHERE id = ? AND record NOT NULL", (id,)).fetchall():
                with suppress(DamagedCatalog):
                    yield id, _node_of(row).record or ""

    def restore(self, contents: Contents) -> None:
        """
        Put what was L{salvaged} into a new file.
        """
        self._db.execute("BEGIN IMMEDIATE")
        with self._db:
            self._db.executemany(
                "INSERT OR IGNORE INTO node VALUES (?, ?, ?, ?, ?, ?)",
                [
                    (
                        n.id,
                        n.guid,
                        _crc(n.id, n.guid),
                        n.record and _signed(n.record, n.id, n.guid),
                        n.retention,
                        n.numbers,
                    )
                    for n in contents.nodes
                ],
            )
            self._db.executemany(
                "INSERT OR IGNORE INTO chart VALUES (?, ?, ?, ?, ?, ?)",
                [
                    (
                        c.node,
                        blob_of(c.id),
                        c.definition and _signed(c.definition, c.node, blob_of(c.id)),
                        _signed(json.dumps(c.series), c.node, blob_of(c.id), "series"),
                        c.span and c.span.first,
                        c.span and c.span.last,
                    )
                    for c in contents.charts
                ],
            )
            self._db.executemany("INSERT OR IGNORE INTO stale VALUES (?, ?, ?)", contents.stale)
            self._db.execute("UPDATE counter SET next = ?", (contents.next,))

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
            execute(_NODE, [(id, guid, _crc(id, guid)) for guid, id in nodes.items()])
            execute(
                "UPDATE node SET record = ? WHERE id = ?",
                [(_signed(text, nodes[guid], guid), nodes[guid]) for guid, text in records.items()],
            )
            execute(
                "UPDATE node SET retention = ? WHERE id = ?", [(kept, nodes[guid]) for guid, kept in retentions.items()]
            )
            self._put_charts(
                "definition",
                [
                    (nodes[guid], blob := blob_of(chart), _signed(text, nodes[guid], blob))
                    for (guid, chart), text in charts.items()
                ],
            )
            self._put_charts(
                "series",
                [
                    (nodes[guid], blob := blob_of(chart), _signed(json.dumps(numbers), nodes[guid], blob, "series"))
                    for (guid, chart), numbers in series.items()
                ],
            )

    def _put_charts(self, column: str, rows: Sequence[tuple[int, bytes, str]]) -> None:
        """
        Keep one column of charts, of which others may be there.

        Many rows go into one statement: after each the thread waits for the
        interpreter's lock, which the reactor has just then, when many charts
        are new.

        @param rows: Node, id, and what is to be kept.
        """
        for first in range(0, len(rows), _AT_ONCE):
            some = rows[first : first + _AT_ONCE]
            self._db.execute(
                f"INSERT INTO chart (node, id, {column}) VALUES {', '.join(['(?, ?, ?)'] * len(some))} "
                f"ON CONFLICT (node, id) DO UPDATE SET {column} = excluded.{column}",
                [value for row in some for value in row],
            )

    def widen(
        self,
        nodes: Iterable[tuple[int, str, int]],
        spans: Iterable[tuple[int, Mapping[str, Span]]],
        stale: Iterable[tuple[int, int, int]],
    ) -> None:
        """
        Say what row groups will hold in a moment, besides what they hold.

        @param nodes: Their id, GUID, and the number below which their series
            are.
        @param spans: Nodes, and what of each, by chart.
        @param stale: Node, tier, and the second before the stretch of coarser
            rows that have to be made anew.
        """
        self._db.execute("BEGIN IMMEDIATE")
        with self._db:
            for id, guid, numbers in nodes:
                self._db.execute(_NODE, (id, guid, _crc(id, guid)))
                self._db.execute("UPDATE node SET numbers = max(numbers, ?) WHERE id = ?", (numbers, id))
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
                self._db.execute("UPDATE counter SET next = max(next, ?)", (node + 1,))
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
