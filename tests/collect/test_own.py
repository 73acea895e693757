"""
What the program shows of its database.
"""

from __future__ import annotations

from pathlib import Path

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from netstream.collect.collector import Collector, MakeCollector
from netstream.collect.files import Machine
from netstream.collect.own import Stored
from netstream.db import DBEngine, NoneDB
from netstream.db.workers import Inline
from netstream.hub.hub import Hub
from netstream.model.host import HostInfo
from tests.collect.trees import NOW, SECOND, blocks

GUID = "aaaaaaaa-bbbb-4ccc-8ddd-000000000001"


def stored(test: SynchronousTestCase) -> tuple[DBEngine, MakeCollector]:
    """
    @return: A database on disk, and what makes the collector of its node.
    """
    clock = Clock()
    clock.advance(NOW // 1_000_000)
    db = DBEngine(Path(test.mktemp()), clock, workers=Inline())
    test.successResultOf(db.open())
    test.addCleanup(lambda: test.successResultOf(db.close()))

    def make(machine: Machine, update_every: int) -> Collector:
        return Stored(Hub(HostInfo(GUID, "here"), db), update_every)

    return db, make


class StoredTests(SynchronousTestCase):
    """
    L{Stored}.
    """

    def test_shown(self) -> None:
        """
        Size by part, losses and damage are charts; what was lost is seen.
        """
        db, make = stored(self)
        collector = make(Machine(), 1)
        found = blocks(collector.collect(NOW))
        self.assertEqual(set(found["netstream.db_size"]), {"newest", "tier_0", "tier_1", "tier_2"})
        self.assertEqual((found["netstream.db_lost"], found["netstream.db_damaged"]), ({"lost": 0}, {"damaged": 0}))
        db._trouble.lost, db.damaged = 17, 2
        found = blocks(collector.collect(NOW + SECOND))
        self.assertEqual((found["netstream.db_lost"], found["netstream.db_damaged"]), ({"lost": 17}, {"damaged": 2}))

    def test_nothing_on_disk(self) -> None:
        """
        A node whose database is not on disk has no such charts.
        """
        collector = Stored(Hub(HostInfo(GUID, "here"), NoneDB()), 1)
        self.assertEqual(collector.collect(NOW) + collector.withdraw(), b"")
