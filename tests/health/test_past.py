"""
What has happened, as it is found in the file.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.internet.testing import EventLoggingObserver  # type: ignore[attr-defined]
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from netstream.db.workers import Inline
from netstream.health.alerts import Status, Transition
from netstream.health.journal import Journal
from netstream.health.log import AlertLog
from netstream.health.past import Asked, Found

ONE, OTHER = "guid-1", "guid-2"
HELD = 10
"""Transitions that are held in memory."""


def transition(number: int, guid: str = ONE, **more: Any) -> Transition:
    """
    @return: One whose second is a thousand after its unique id.
    """
    said = Transition(
        *(number, f"id-{number}", guid, f"host of {guid}", 7, number, "hash", "load_high", "system.load", "load.name"),
        *("system.load", "load", "Load", "CPU", "System", "sysadmin dba", "", "line=1,file=x", "load", "s", "i"),
        *(number + 1000, 0, 0, Status.WARNING, Status.CLEAR, 4.0),
    )
    return evolve(said, **more)


class PastTests(SynchronousTestCase):
    """
    L{Journal.search}.
    """

    def setUp(self) -> None:
        self.path = Path(self.mktemp()) / "alerts.sqlite"
        self.journal = self.opened()

    def opened(self) -> Journal:
        """
        @return: A journal of the file.
        """
        journal = Journal(AlertLog(self.path), Inline(), HELD)
        self.successResultOf(journal.open())
        self.addCleanup(journal.close)
        return journal

    def fill(self, *more: Transition) -> None:
        """
        Let a hundred things happen, every tenth on another host, and more.
        """
        for number in range(1, 101):
            self.journal.add(transition(number, ONE if number % 10 else OTHER))
        for said in more:
            self.journal.add(said)
        self.successResultOf(self.journal.flush())

    def ask(self, *guids: str, most: int = 1000, **more: Any) -> Found:
        """
        @return: The answer to a question.
        """
        return self.successResultOf(self.journal.search(Asked(frozenset(guids), most, **more)))

    def ids(self, *guids: str, **more: Any) -> list[int]:
        """
        @return: The unique ids of an answer.
        """
        return [said.unique_id for said in self.ask(*guids, **more).transitions]

    def test_all(self) -> None:
        """
        All that was kept is found, not just what is in memory: of one host and of several, page by page and by time.
        """
        self.fill()
        self.assertEqual(len(self.journal.of(ONE)), HELD)
        self.assertEqual(self.ids(ONE), [n for n in range(100, 0, -1) if n % 10])
        self.assertEqual(self.ids(OTHER), list(range(100, 0, -10)))
        self.assertEqual(self.ids("none"), [])
        self.assertEqual(self.ids(), [])
        read: list[int] = []
        while page := self.ids(ONE, OTHER, most=7, below=read[-1] if read else 1 << 62):
            self.assertLessEqual(len(page), 7)
            read += page
        self.assertEqual(read, list(range(100, 0, -1)))
        self.assertEqual(self.ids(ONE, OTHER, above=97), [100, 99, 98])
        self.assertEqual(self.ids(ONE, OTHER, above=10, below=13), [12, 11])
        self.assertEqual(self.ids(ONE, OTHER, since=1005, until=1007), [7, 6, 5])
        self.assertEqual(self.ids(ONE, transition="id-3"), [3])
        self.assertEqual(self.ids(ONE, transition='id-3" '), [])
        self.assertEqual(self.ids(OTHER, transition="id-3"), [])

    def test_facets(self) -> None:
        """
        Of each facet it is told what else could be chosen, over all pages.
        """
        self.fill(transition(101, name='it\'s "load"; --', status=Status.CRITICAL), transition(102, type="Net\udc80"))
        found = self.ask(ONE, OTHER, most=1, counted=True, facets={"status": frozenset({"WARNING"})})
        self.assertEqual((found.evaluated, found.matched, len(found.transitions)), (102, 101, 1))
        self.assertEqual(found.counts["status"], {"WARNING": 101, "CRITICAL": 1})
        self.assertEqual(found.counts["role"], {"sysadmin": 101, "dba": 101})
        self.assertEqual(found.counts["alert"], {"load_high": 101})
        self.assertEqual(found.counts["type"], {"System": 100, "Net\udc80": 1})
        self.assertEqual(self.ids(ONE, facets={"alert": frozenset({'it\'s "load"; --'})}), [101])
        for by in (OTHER, f"host of {OTHER}"):
            self.assertEqual(len(self.ids(ONE, OTHER, facets={"node": frozenset({by})})), 10)
        for by in ("system.load", "load.name"):
            self.assertEqual(len(self.ids(ONE, OTHER, facets={"chart": frozenset({by})})), 102)
        some = self.ask(ONE, counted=True, since=1101)
        self.assertEqual((some.evaluated, some.matched, some.counts["status"]["WARNING"]), (92, 2, 1))

    def test_not_written(self) -> None:
        """
        While the file cannot be written, what happens is found once all the same, as it is now.
        """
        self.fill()
        logged = EventLoggingObserver.createWithCleanup(self, globalLogPublisher)
        with closing(sqlite3.connect(self.path)) as db:
            db.execute("CREATE TRIGGER full BEFORE INSERT ON transition BEGIN SELECT RAISE(FAIL, 'no room'); END")
        self.journal.add(transition(101))
        self.assertEqual(self.ids(ONE, most=3), [101, 99, 98])
        self.assertIn("no room", str([event["problem"] for event in logged]))
        found = self.ask(ONE, counted=True)
        self.assertEqual((found.evaluated, found.matched, len(found.transitions)), (91, 91, 91))
        before = found.transitions[1]
        self.assertEqual((before.unique_id, before.updated_by), (99, 101))
        self.assertEqual(self.ids(ONE, below=101, most=1), [99])
        self.assertEqual(self.ids(OTHER, above=99), [100])

    def test_not_written_yet(self) -> None:
        """
        What is just being written is found.
        """
        self.fill()
        waiting: list[Any] = []

        def later(work: Any) -> Deferred[Any]:
            waiting.append(work)
            return Deferred()

        self.patch(self.journal._workers, "write", later)
        self.journal.add(transition(101))
        self.journal.flush()
        self.assertEqual(len(waiting), 1)
        self.assertEqual(self.ids(ONE, most=2), [101, 99])

    def test_unreadable(self) -> None:
        """
        If the file cannot be read, what is in memory is found, and the log says why there is no more.
        """
        self.fill()
        logged = EventLoggingObserver.createWithCleanup(self, globalLogPublisher)
        with closing(sqlite3.connect(self.path)) as db:
            db.execute("ALTER TABLE transition RENAME TO elsewhere")
        for _ in range(2):
            self.assertEqual(self.ids(ONE), [99, 98, 97, 96, 95, 94, 93, 92, 91, 89])
        (problem,) = [event["problem"] for event in logged]
        self.assertIn("alerts.sqlite", problem)

    def test_version_1(self) -> None:
        """
        A file of an older version keeps all that is in it.
        """
        self.fill()
        self.successResultOf(self.journal.close())
        with closing(sqlite3.connect(self.path, isolation_level=None)) as db:
            db.executescript(
                "ALTER TABLE transition DROP COLUMN kind; DROP INDEX transition_guid; PRAGMA user_version = 1"
            )
            db.execute("INSERT INTO transition VALUES (1000, ?, 1000, 'no JSON')", (ONE,))
            db.execute("INSERT INTO transition VALUES (1001, ?, 1000, ?)", (ONE, json.dumps({"unique_id": 1001})))
        self.journal = self.opened()
        self.assertEqual(len(self.ids(ONE)), 90)
        found = self.ask(ONE, OTHER, counted=True, facets={"node": frozenset({OTHER})})
        self.assertEqual((found.matched, found.counts["node"][f"host of {ONE}"]), (10, 90))
        self.journal.add(transition(2000))
        self.assertEqual(self.ids(ONE, most=2), [2000, 99])
