"""
Engines that begin and end in every way, and what they must have then.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import LogEvent, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from netstream.db import DBEngine
from netstream.db.interfaces import Columns, SeriesKey
from netstream.db.workers import Inline
from netstream.model.samples import SeriesTable
from netstream.testing.metrics_db import NODE, NOW, X, batch

NEVER = (0, 0, 0)
"""A retention: nothing becomes too old."""

_T = TypeVar("_T")


def now(deferred: Deferred[_T]) -> _T:
    """
    @return: What a Deferred has fired with.
    """
    results: list[_T] = []
    deferred.addCallback(results.append)
    if not results:
        deferred.addErrback(lambda failure: failure.raiseException())
        failures: list[BaseException] = []
        deferred.addErrback(lambda failure: failures.append(failure.value))
        raise failures[0] if failures else AssertionError("it has not fired")
    return results[0]


def die(db: DBEngine) -> None:
    """
    End an engine without threads as C{kill -9} would.
    """
    storage = db._storage
    assert storage is not None
    db._loop.stop()
    storage.catalog.close()
    storage.names.close()
    os.close(storage.lock)
    db._storage = None


def seen(columns: Columns) -> list[Mapping[int, tuple[float, int]]]:
    """
    @return: Of each series value and flags by second.
    """
    return [
        {
            int(time): (float(value), int(flags))
            for time, value, flags in zip(columns.times, columns.values[:, i], columns.flags[:, i], strict=True)
            if not np.isnan(value)
        }
        for i in range(columns.values.shape[1])
    ]


class Case(SynchronousTestCase):
    """
    An engine without threads, whose clock is turned by hand.
    """

    retention: Sequence[int] = NEVER

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(NOW)
        self.directory = Path(self.mktemp())
        self.lines: list[str] = []
        globalLogPublisher.addObserver(self._observe)
        self.addCleanup(globalLogPublisher.removeObserver, self._observe)
        self.start()
        self.addCleanup(lambda: now(self.db.close()))

    def _observe(self, event: LogEvent) -> None:
        if str(event.get("log_namespace")).startswith("netstream.db.dbengine."):
            self.lines.append(formatEvent(event))

    def make(self, boot: str = "boot") -> DBEngine:
        """
        @return: A new engine in the same place, not open yet.
        """
        return DBEngine(self.directory, self.clock, retention=self.retention, workers=Inline(), boot=boot)

    def start(self, boot: str = "boot") -> None:
        """
        Begin a life.
        """
        self.db = self.make(boot)
        self.successResultOf(self.db.open())
        self.table = SeriesTable(NODE)

    def stop(self) -> None:
        """
        End it cleanly.
        """
        self.successResultOf(self.db.close())

    def die(self) -> None:
        """
        End it as C{kill -9} would.
        """
        die(self.db)

    def pass_time(self, seconds: int) -> None:
        """
        Let the engine do all that it does in some seconds.
        """
        for _ in range(seconds):
            self.clock.advance(1)

    def append(self, first: int, count: int = 1, *keys: SeriesKey, offset: float = 0) -> None:
        """
        Store a sample a second, whose value is the second after L{NOW}.
        """
        rows = [(key, NOW + i, i + offset) for i in range(first, first + count) for key in (keys or (X,))]
        self.successResultOf(self.db.append(batch(self.table, rows)))

    def values(self, key: SeriesKey = X, node: str = NODE) -> Mapping[int, float]:
        """
        @return: What is stored of a series, by second after L{NOW}.
        """
        found = self.successResultOf(self.db.read(node, [key], 0, 2 * NOW))
        return {second - NOW: value for second, (value, _) in seen(found)[0].items()}

    def assert_seconds(self, seconds: Sequence[int], key: SeriesKey = X) -> None:
        """
        @param seconds: Those that are stored, and no others, with the values
            of L{append}.
        """
        found = self.values(key)
        self.assertEqual(list(found), list(seconds))
        self.assertEqual(found, {second: float(second) for second in seconds})

    def files(self, pattern: str) -> list[Path]:
        """
        @return: Files of the engine, in order of their names.
        """
        return sorted(self.directory.glob(pattern))
