"""
What the program shows of its database and its processes.
"""

from __future__ import annotations

from pathlib import Path

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from netstream.collect.collector import Collector, MakeCollector
from netstream.collect.files import Machine
from netstream.collect.own import Stored, Workers
from netstream.db import DBEngine, NoneDB
from netstream.db.workers import Inline
from netstream.hub.hub import Hub
from netstream.model.host import HostInfo
from tests.collect.trees import NOW, SECOND, TreeTestCase, blocks, defined

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


def stat_of(user: int, system: int, pages: int) -> str:
    """
    @return: C{/proc/PID/stat} of a process with an awkward name.
    """
    return f"7 (a) b) S {'0 ' * 10}{user} {system} {'0 ' * 8}{pages} 0\n"


def working(machine: Machine, update_every: int) -> Collector:
    """
    @return: The collector of a node with a worker.
    """
    hub = Hub(HostInfo(GUID, "here"), NoneDB())
    hub.processes = lambda: {"worker 1": 1}
    return Workers(machine, hub, update_every)


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


class WorkersTests(TreeTestCase):
    """
    L{Workers}.
    """

    def test_shown(self) -> None:
        """
        What workers need is shown by worker, also when one is started again.
        """
        hub = Hub(HostInfo(GUID, "here"), NoneDB())
        pids = {"worker 1": 10, "worker 2": 20}
        hub.processes = lambda: pids
        self.proc(**{"10__stat": stat_of(3, 4, 7), "20__stat": stat_of(10, 0, 8)})
        collector = self.closing(Workers(self.machine, hub, 1))
        self.assertEqual(defined(collector.collect(NOW)), ["netstream.workers_cpu", "netstream.workers_memory"])
        self.proc(**{"10__stat": stat_of(4, 6, 9), "20__stat": stat_of(12, 0, 8)})
        pids["worker 2"] = 0
        found = blocks(collector.collect(NOW + SECOND))
        self.assertEqual(found["netstream.workers_cpu"], {"worker_1": 3, "worker_2": 0})
        self.assertEqual(found["netstream.workers_memory"], {"worker_1": 9, "worker_2": 0})
        pids["worker 2"] = 30
        self.proc(**{"30__stat": stat_of(5, 0, 6)})
        found = blocks(collector.collect(NOW + 2 * SECOND))
        self.assertEqual(found["netstream.workers_cpu"], {"worker_1": 3, "worker_2": 5})
        self.assertEqual(found["netstream.workers_memory"], {"worker_1": 9, "worker_2": 6})
