"""
The engine on disk, without threads and with a clock that is turned by hand.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from typing import TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import LogEvent, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from netstream.db import DBEngine
from netstream.db.interfaces import IMetricsDB
from netstream.db.workers import Inline
from netstream.testing import metrics_db
from netstream.testing.metrics_db import NOW

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
