"""
The engine on disk, without threads and with a clock that is turned by hand.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from typing import TypeVar

import numpy as np
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import LogEvent, formatEvent, globalLogPublisher
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from netstream.db import DBEngine
from netstream.db.interfaces import IMetricsDB, Window
from netstream.db.segment import resident
from netstream.db.workers import Inline
from netstream.testing import metrics_db
from netstream.testing.metrics_db import NODE, NOW, X
from tests.db.dbengine.lives import Case

RETENTION = (86400, 10 * 86400, 100 * 86400)

_T = TypeVar("_T")


def capture(test: SynchronousTestCase) -> list[str]:
    """
    @return: Gets the lines that the engine logs until the test ends.
    """
    lines: list[str] = []

    def observe(event: LogEvent) -> None:
        if event.get("log_namespace") == "netstream.db.dbengine.engine.DBEngine":
            lines.append(formatEvent(event))

    globalLogPublisher.addObserver(observe)
    test.addCleanup(globalLogPublisher.removeObserver, observe)
    return lines


class DBEngineTests(metrics_db.MetricsDBTests):
    """
    L{DBEngine} keeps the contract.
    """

    durable = True

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(NOW + 60)
        self.directory = Path(self.mktemp())
        super().setUp()

    def make_db(self) -> IMetricsDB:
        return DBEngine(self.directory, self.clock, retention=RETENTION, workers=Inline())


class SealingTests(DBEngineTests):
    """
    L{DBEngine} keeps the contract when everything becomes row groups at once.
    """

    def append(self, *rows: tuple[metrics_db.SeriesKey, int, float]) -> None:
        super().append(*rows)
        for node in self.db._nodes.values():
            for epoch in list(node.epochs.values()):
                node.retire(epoch)
        self.db._upkeep.seal()


class Pump(Clock):
    """
    As much of a reactor as threads need, turned by whoever waits.
    """

    def __init__(self) -> None:
        super().__init__()
        self.results: SimpleQueue[Callable[[], object]] = SimpleQueue()

    def callFromThread(self, function: Callable[..., object], *args: object, **named: object) -> None:
        """
        A thread has a result.
        """
        self.results.put(lambda: function(*args, **named))


class ThreadsTests(DBEngineTests):
    """
    L{DBEngine} keeps the contract with its real threads, while row groups
    are written.
    """

    def setUp(self) -> None:
        self.clock = Pump()
        self.clock.advance(NOW + 60)
        self.directory = Path(self.mktemp())
        metrics_db.MetricsDBTests.setUp(self)

    def make_db(self) -> IMetricsDB:
        return DBEngine(self.directory, self.clock, retention=RETENTION)

    def result(self, deferred: Deferred[_T]) -> _T:
        while not deferred.called:
            self.clock.results.get(timeout=60)()
        found: _T = self.successResultOf(deferred)
        return found

    def append(self, *rows: tuple[metrics_db.SeriesKey, int, float]) -> None:
        super().append(*rows)
        self.clock.advance(0.5)


class _Watched(Inline):
    """
    Counts what is given to threads that read.
    """

    count = 0

    def read(self, work: Callable[[], _T]) -> Deferred[_T]:
        self.count += 1
        return super().read(work)


class AtHandTests(Case):
    """
    Little questions about what is in memory need no thread.
    """

    def make(self, boot: str = "boot") -> DBEngine:
        self.workers = _Watched()
        return DBEngine(self.directory, self.clock, retention=self.retention, workers=self.workers, boot=boot)

    def rows(self, after: int, before: int) -> list[float]:
        """
        @return: A value of each second.
        """
        found = self.successResultOf(self.db.query(NODE, [X], Window(NOW + after, NOW + before, 1), "average"))
        return [float(value) for value in found.values[:, 0]]

    def test_newest(self) -> None:
        """
        What is in hot pages, in one epoch or two.
        """
        self.append(0, 1200)
        self.assertEqual(self.rows(1000, 1199), [float(second) for second in range(1001, 1200)])
        self.assertEqual(self.rows(500, 1199), [float(second) for second in range(501, 1200)])
        self.assertEqual(self.workers.count, 0)

    def test_row_groups(self) -> None:
        """
        Row groups as long as the system has them in memory.
        """
        self.append(0, 3600)
        self.pass_time(4000)
        expected = [float(second) for second in range(1, 3600)]
        self.assertTrue(self.files("tier0/*"))
        self.assertEqual(self.rows(0, 3599), expected)
        self.assertEqual(self.workers.count, 0)
        for path in self.files("tier0/*"):
            with path.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as pages:
                os.fsync(file.fileno())
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
                if resident(np.frombuffer(pages, np.uint8)):
                    raise SkipTest(f"{path.parent} is on a file system that is all in memory")
        self.assertEqual(self.rows(0, 3599), expected)
        self.assertEqual(self.workers.count, 1)

    def test_much(self) -> None:
        """
        Much is for threads.
        """
        self.append(0, 3600)
        self.rows(-20_000, 3599)
        self.assertEqual(self.workers.count, 1)
