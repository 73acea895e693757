"""
The engine on disk, without threads and with a clock that is turned by hand.
"""

from __future__ import annotations

from pathlib import Path

from twisted.internet.task import Clock

from netstream.db import DBEngine
from netstream.db.interfaces import IMetricsDB
from netstream.db.workers import Inline
from netstream.testing import metrics_db
from netstream.testing.metrics_db import NOW


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
        return DBEngine(self.directory, self.clock, retention=86400, workers=Inline())


class SealingTests(DBEngineTests):
    """
    L{DBEngine} keeps the contract when everything becomes row groups at once.
    """

    def make_db(self) -> IMetricsDB:
        return DBEngine(self.directory, self.clock, retention=86400, workers=Inline(), rows=1)

    def append(self, *rows: tuple[metrics_db.SeriesKey, int, float]) -> None:
        super().append(*rows)
        self.clock.advance(2)
