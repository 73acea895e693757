"""
What happened to alerts, and who is still to be told: a SQLite file.

Its methods block; one thread at a time may use it, but for L{AlertLog.search}.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from attrs import evolve, field, frozen

from netstream.health.alerts import Status, Transition
from netstream.health.past import Asked, Found, kind_of, search

FILE = "alerts.sqlite"
VERSION = 2
MOST_READ = 200_000
"""Transitions that are read at the start, the newest."""
MOST_DEAD = 10_000
"""Messages that could not be delivered, of which a note is kept."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS transition (
    id INTEGER PRIMARY KEY, guid TEXT NOT NULL, at INTEGER NOT NULL, body TEXT NOT NULL, kind TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS transition_at ON transition (at);
CREATE INDEX IF NOT EXISTS transition_guid ON transition (guid);
CREATE TABLE IF NOT EXISTS delivery (
    id TEXT PRIMARY KEY, state TEXT NOT NULL, at INTEGER NOT NULL, body TEXT NOT NULL) WITHOUT ROWID;
"""

AlertKey = tuple[str, str, str]
"""Machine GUID, chart id and name."""


@frozen
class Known:
    """
    What an alert was before this process.

    @ivar last: Its last transition.
    @ivar told: The last status that someone was told.
    """

    last: Transition
    told: Status | None = None


@frozen
class Kept:
    """
    What a file had.

    @ivar transitions: The oldest first.
    @ivar pending: Deliveries that are not done, as they were put.
    @ivar dead: Deliveries that were given up, the newest first.
    @ivar problem: What was wrong with the file; C{""} if nothing was.
    """

    transitions: Sequence[Transition] = ()
    pending: Sequence[Mapping[str, Any]] = ()
    dead: Sequence[Mapping[str, Any]] = ()
    problem: str = ""

    @property
    def last_id(self) -> int:
        """
        The highest unique id.
        """
        return max((each.unique_id for each in self.transitions), default=0)

    @property
    def known(self) -> dict[AlertKey, Known]:
        """
        What each alert was.
        """
        found: dict[AlertKey, Known] = {}
        for each in self.transitions:
            key = each.guid, each.chart, each.name
            before = found.get(key)
            told = each.status if each.told else before.told if before else None
            found[key] = Known(each, told)
        return found


@frozen
class Change:
    """
    What is to be written at once.

    @ivar transitions: New ones, or as they are now.
    @ivar deliveries: By id: state (C{pending}, C{dead}) and body, or L{None}
        for one that is done.
    """

    transitions: Sequence[Mapping[str, Any]] = ()
    deliveries: Mapping[str, tuple[str, int, Mapping[str, Any]] | None] = field(factory=dict)


def _add_kinds(db: sqlite3.Connection) -> None:
    """
    Bring a file of version 1 up to date: its rows say nothing of their kind,
    which stays C{""} for those that cannot be read.
    """
    with db:
        db.execute("BEGIN IMMEDIATE")
        db.execute("ALTER TABLE transition ADD COLUMN kind TEXT NOT NULL DEFAULT ''")
        rows = db.execute("SELECT id, body FROM transition")
        kinds = []
        for number, body in rows:
            with suppress(ValueError, TypeError, AttributeError):
                kinds.append((kind_of(Transition.of(json.loads(body)).kept()), number))
        db.executemany("UPDATE transition SET kind = ? WHERE id = ?", kinds)


class AlertLog:
    """
    The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._db: sqlite3.Connection | None = None

    @property
    def usable(self) -> bool:
        """
        Whether it is open.
        """
        return self._db is not None

    def open(self) -> Kept:
        """
        Read what is there; a file that is no such thing is set aside.

        @raise OSError: It cannot be used.
        """
        try:
            return self._open()
        except sqlite3.DatabaseError as problem:
            self.close()
            aside = self.path.with_suffix(".damaged")
            try:
                for suffix in ("-wal", "-shm"):
                    Path(f"{self.path}{suffix}").unlink(missing_ok=True)
                self.path.replace(aside)
                kept = self._open()
            except sqlite3.DatabaseError as again:
                raise OSError(5, str(again), str(self.path)) from again
            return evolve(kept, problem=f"{self.path}: {problem}; it is now {aside.name}, a new one begins")

    def _open(self) -> Kept:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._db = db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, timeout=30)
        self.path.chmod(0o600)  # addresses and tokens of receivers may be in it
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        columns = [name for _, name, *_ in db.execute("PRAGMA table_info(transition)")]
        if columns and "kind" not in columns:
            _add_kinds(db)
        db.executescript(_SCHEMA)
        db.execute(f"PRAGMA user_version = {VERSION}")
        rows = db.execute("SELECT body FROM transition ORDER BY id DESC LIMIT ?", (MOST_READ,)).fetchall()
        transitions = []
        for (body,) in reversed(rows):
            with suppress(ValueError, TypeError, AttributeError):
                transitions.append(Transition.of(json.loads(body)))
        return Kept(transitions, list(self._bodies("pending")), list(reversed(list(self._bodies("dead")))))

    def _bodies(self, state: str) -> Iterable[Mapping[str, Any]]:
        assert self._db is not None
        for (body,) in self._db.execute("SELECT body FROM delivery WHERE state = ? ORDER BY at", (state,)):
            with suppress(ValueError):
                yield json.loads(body)

    def write(self, change: Change) -> None:
        """
        @raise OSError: It could not be written; nothing of it was.
        """
        db = self._db
        if db is None:
            return
        try:
            with db:
                db.execute("BEGIN IMMEDIATE")
                db.executemany(
                    "INSERT OR REPLACE INTO transition VALUES (?, ?, ?, ?, ?)",
                    [
                        (each["unique_id"], each["guid"], each["when"], json.dumps(each), kind_of(each))
                        for each in change.transitions
                    ],
                )
                for id, put in change.deliveries.items():
                    if put is None:
                        db.execute("DELETE FROM delivery WHERE id = ?", (id,))
                    else:
                        row = id, put[0], put[1], json.dumps(put[2])
                        db.execute("INSERT OR REPLACE INTO delivery VALUES (?, ?, ?, ?)", row)
        except sqlite3.Error as problem:
            raise OSError(5, str(problem), str(self.path)) from problem

    def search(self, asked: Asked, fresh: Iterable[Transition]) -> Found:
        """
        Look for what has happened; any thread may do so at any time.

        @param fresh: What is not written yet, or not as it is now.
        @raise OSError: It cannot be read.
        """
        return search(self.path, asked, fresh)

    def trim(self, before: Mapping[str, int], default: int) -> None:
        """
        Forget what is old.

        @param before: Second by machine GUID, for hosts with their own.
        @param default: For the others.
        @raise OSError: That did not work.
        """
        db = self._db
        if db is None:
            return
        try:
            with db:
                db.execute("BEGIN IMMEDIATE")
                own = list(before)
                marks = ", ".join("?" * len(own))
                db.execute(f"DELETE FROM transition WHERE at < ? AND guid NOT IN ({marks})", (default, *own))
                for guid, second in before.items():
                    db.execute("DELETE FROM transition WHERE guid = ? AND at < ?", (guid, second))
                db.execute(
                    "DELETE FROM delivery WHERE state = 'dead' AND id NOT IN"
                    " (SELECT id FROM delivery WHERE state = 'dead' ORDER BY at DESC LIMIT ?)",
                    (MOST_DEAD,),
                )
        except sqlite3.Error as problem:
            raise OSError(5, str(problem), str(self.path)) from problem

    def close(self) -> None:
        """
        Let go of the file.
        """
        if self._db is not None:
            self._db.close()
            self._db = None
