"""
The engine on disk, without threads and with a clock that is turned by hand.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from typing import TypeVar

import numpy as np
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import LogEvent, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from netstream.db import DBEngine
from netstream.db.interfaces import HostRecord, IMetricsDB
from netstream.db.workers import Inline
from netstream.model.chart import Chart
from netstream.model.host import HostInfo
from netstream.model.samples import SeriesTable
from netstream.testing import metrics_db
from netstream.testing.metrics_db import NODE, NOW, X, Y, Z, batch

_T = TypeVar("_T")


def capture(test: SynchronousTestCase) -> list[str]:
    """
    @return: Gets the lines that the engine logs until the test ends.
    """
    lines: list[str] = []

    def observe(event: LogEvent) -> None:
        if event.get("log_namespace") == "netstream.db.engine.DBEngine":
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
    L{DBEngine} keeps the contract with its real threads, while journals and
    row groups are written.
    """

    def setUp(self) -> None:
        self.clock = Pump()
        self.clock.advance(NOW + 60)
        self.directory = Path(self.mktemp())
        metrics_db.MetricsDBTests.setUp(self)

    def make_db(self) -> IMetricsDB:
        return DBEngine(self.directory, self.clock, retention=86400, rows=16)

    def result(self, deferred: Deferred[_T]) -> _T:
        while not deferred.called:
            self.clock.results.get(timeout=60)()
        found: _T = self.successResultOf(deferred)
        return found

    def append(self, *rows: tuple[metrics_db.SeriesKey, int, float]) -> None:
        super().append(*rows)
        self.clock.advance(0.5)


class DurabilityTests(SynchronousTestCase):
    """
    What L{DBEngine} keeps when things go wrong.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(NOW + 60)
        self.directory = Path(self.mktemp())
        self.table = SeriesTable(NODE)
        self.db = self.open()

    def open(self, rows: int = 512, retention: int = 86400) -> DBEngine:
        """
        @return: A new engine in the same place.
        """
        self.db = DBEngine(self.directory, self.clock, retention=retention, workers=Inline(), rows=rows)
        self.successResultOf(self.db.open())
        return self.db

    def die(self) -> None:
        """
        End the engine as C{kill -9} would.
        """
        found = self.db._found
        assert found is not None
        self.db._loop.stop()
        found.writer.close()
        found.reader.close()
        os.close(found.lock)
        self.db._found = None

    def append(self, first: int, count: int = 1, *keys: tuple[str, str]) -> None:
        """
        Store a sample a second, whose value is the second.
        """
        rows = [(key, NOW + i, float(NOW + i)) for i in range(first, first + count) for key in (keys or (X,))]
        self.successResultOf(self.db.append(batch(self.table, rows)))

    def seconds(self, key: tuple[str, str] = X) -> list[int]:
        """
        @return: The seconds that are stored, which must have the right
            values.
        """
        found = self.successResultOf(self.db.read(NODE, [key], 0, NOW + 100_000))
        np.testing.assert_array_equal(found.values[:, 0], found.times)
        return [int(t) - NOW for t in found.times]

    def journal(self) -> Path:
        """
        @return: The newest journal of the node.
        """
        return max((self.directory / "journal").iterdir(), key=lambda path: int(path.name.rpartition(".")[2]))

    def test_killed(self) -> None:
        """
        After C{kill -9} at most the last seconds are missing.
        """
        for i in range(20):
            self.append(i)
            self.clock.advance(1)
        self.die()
        self.open()
        self.assertEqual(self.seconds(), list(range(len(self.seconds()))))
        self.assertGreaterEqual(len(self.seconds()), 20 - 3)

    def test_killed_at_any_time(self) -> None:
        """
        Whenever it is killed, also while row groups are made, and however
        often, nothing is missing but the last seconds.
        """
        self.die()
        self.open(rows=8)
        written = 0
        for life in range(30):
            self.table = SeriesTable(NODE)
            for _ in range(1 + life % 7):
                self.append(written, 3, X, (f"chart.{life}", "x"))
                written += 3
                self.clock.advance(2)
            self.die()
            self.open(rows=8)
            self.assertEqual(self.seconds(), list(range(written)))
        self.assertEqual(len(self.seconds(("chart.29", "x"))), 6)
        self.assertGreater(self.successResultOf(self.db.stats()).samples, written)

    def test_killed_between(self) -> None:
        """
        When it is killed after row groups were stored and before their
        journal was removed, nothing comes twice or is undone.
        """
        self.append(0, 300)
        self.clock.advance(2)
        kept = self.journal().read_bytes(), self.journal()
        self.append(300, 600)
        self.clock.advance(2)
        self.append(900)
        self.clock.advance(2)
        self.assertNotEqual(self.journal(), kept[1])
        self.die()
        kept[1].write_bytes(kept[0])
        self.open()
        self.assertEqual(self.seconds(), list(range(901)))
        self.assertFalse(kept[1].exists())

    def test_torn(self) -> None:
        """
        A journal that was cut off anywhere gives what is whole, and the next
        process goes on behind it.
        """
        for i in range(4):
            self.append(i)
            self.clock.advance(2)
        self.die()
        path, whole = self.journal(), self.journal().read_bytes()
        seen = set()
        for cut in range(0, len(whole), 3):
            path.write_bytes(whole[:cut])
            self.open()
            before = self.seconds()
            self.assertEqual(before, list(range(len(before))))
            seen.add(len(before))
            self.append(50)
            self.clock.advance(2)
            self.die()
            self.open()
            self.assertEqual(self.seconds(), [*before, 50])
            self.die()
        self.assertEqual(seen, {0, 1, 2, 3})
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_flipped_journal(self) -> None:
        """
        A damaged journal costs what is damaged; the start says so once and
        does not fail.
        """
        for i in range(4):
            self.append(i)
            self.clock.advance(2)
        self.die()
        path, whole = self.journal(), bytearray(self.journal().read_bytes())
        for at in range(0, len(whole), 7):
            hurt = whole.copy()
            hurt[at] ^= 16
            path.write_bytes(hurt)
            self.open()
            self.assertLessEqual(set(self.seconds()), {0, 1, 2, 3})
            self.assertLessEqual(self.db.damaged, 1)
            self.die()

    def test_flipped_row_group(self) -> None:
        """
        A damaged row group is a gap that is logged and counted once.
        """
        self.append(0, 2000)
        self.clock.advance(4)
        catalog = sqlite3.connect(self.directory / "metrics.sqlite")
        sequence, stored = catalog.execute("SELECT sequence, data FROM row_group ORDER BY first").fetchone()
        hurt = bytearray(stored)
        hurt[-1] ^= 1
        catalog.execute("UPDATE row_group SET data = ? WHERE sequence = ?", (bytes(hurt), sequence))
        catalog.commit()
        catalog.close()
        seen = capture(self)
        left = self.seconds()
        self.assertEqual(left, list(range(left[0], 2000)))
        self.assertGreater(len(left), 900)
        self.assertEqual(self.seconds(), left)
        self.assertEqual(self.db.damaged, 1)
        self.assertEqual(len(seen), 1)
        self.assertIn(NODE, seen[0])

    def test_not_a_catalog(self) -> None:
        """
        A file that SQLite cannot read is put aside; the node starts, and what
        is in the journals is there.
        """
        self.append(0, 900)
        self.clock.advance(4)
        self.append(900, 10)
        self.clock.advance(2)
        self.die()
        (self.directory / "metrics.sqlite").write_bytes(b"no database " * 1000)
        for suffix in ("-wal", "-shm"):
            (self.directory / f"metrics.sqlite{suffix}").unlink(missing_ok=True)
        seen = capture(self)
        self.open()
        self.assertEqual(self.seconds(), list(range(900, 910)))
        self.assertEqual(len(seen), 1)
        self.assertIn("put aside", seen[0])
        self.assertEqual(len(list(self.directory.glob("metrics.sqlite.damaged-*"))), 1)

    def test_newer(self) -> None:
        """
        What a newer version made is refused and left alone.
        """
        self.die()
        catalog = sqlite3.connect(self.directory / "metrics.sqlite")
        catalog.execute("PRAGMA user_version = 99")
        catalog.close()
        db = DBEngine(self.directory, self.clock, workers=Inline())
        problem = self.failureResultOf(db.open(), ValueError)
        self.assertIn("newer", str(problem.value))
        self.assertIn(str(self.directory), str(problem.value))

    def test_second(self) -> None:
        """
        A second engine in the same directory is refused with a line that says
        why; when the first ends there is room.
        """
        second = DBEngine(self.directory, self.clock, workers=Inline())
        problem = self.failureResultOf(second.open(), OSError)
        self.assertIn(str(self.directory), str(problem.value))
        self.assertIn(f"in use by process {os.getpid()}", str(problem.value))
        self.successResultOf(second.close())
        self.successResultOf(self.db.close())
        self.open()

    def test_no_directory(self) -> None:
        """
        A directory that cannot be made is an error that names it.
        """
        place = Path(self.mktemp())
        place.write_text("a file")
        problem = self.failureResultOf(DBEngine(place / "db", self.clock, workers=Inline()).open(), OSError)
        self.assertIn(str(place / "db"), str(problem.value))

    def test_disk_full(self) -> None:
        """
        When the disk is full it is said once, samples go on being shown, and
        when there is room again all of them are kept.
        """
        seen = capture(self)
        self.append(0, 10)

        def full(*_: object) -> int:
            raise OSError(28, "No space left on device")

        real = os.pwrite
        self.patch(os, "pwrite", full)
        for i in range(10, 60):
            self.append(i)
            self.clock.advance(2)
        self.assertEqual(self.seconds(), list(range(60)))
        self.assertEqual(len(seen), 1)
        self.assertIn("No space left on device", seen[0])
        self.patch(os, "pwrite", real)
        self.clock.advance(2)
        self.assertEqual(len(seen), 2)
        self.die()
        self.open()
        self.assertEqual(self.seconds(), list(range(60)))

    def test_catalog_full(self) -> None:
        """
        When row groups cannot be stored they are tried again later; neither
        what is shown nor what is kept suffers.
        """
        seen = capture(self)
        found = self.db._found
        assert found is not None

        def full(*_: object) -> None:
            raise sqlite3.OperationalError("database or disk is full")

        self.patch(found.writer, "seal", full)
        for i in range(0, 3000, 100):
            self.append(i, 100)
            self.clock.advance(10)
        self.assertEqual(self.seconds(), list(range(3000)))
        self.assertEqual(len(seen), 1)
        self.die()
        self.open()
        self.assertEqual(self.seconds(), list(range(3000)))
        self.assertIsNot(self.db._found, found)
        for _ in range(10):
            self.clock.advance(30)
        self.assertEqual(self.seconds(), list(range(3000)))
        self.assertLess(self.successResultOf(self.db.stats()).memory, 64 * 1024)

    def test_late_samples(self) -> None:
        """
        Samples for seconds that are in row groups already replace them, also
        with a gap, and still do after a restart.
        """
        self.append(0, 900)
        self.clock.advance(4)
        rows = [(X, NOW + 10, -1.0), (X, NOW + 11, float("nan")), (Y, NOW + 12, 5.0)]
        self.successResultOf(self.db.append(batch(self.table, rows)))
        for _ in range(3):
            found = self.successResultOf(self.db.read(NODE, [X, Y], NOW + 9, NOW + 12))
            self.assertEqual(found.times.tolist(), [NOW + 10, NOW + 12])
            self.assertEqual(found.values[1].tolist(), [NOW + 12, 5.0])
            self.assertEqual(found.values[0, 0], -1.0)
            self.successResultOf(self.db.close())
            self.open(rows=1)
            self.clock.advance(2)
            self.table = SeriesTable(NODE)

    def test_expires(self) -> None:
        """
        What is older than the retention goes, and its space is used again.
        """
        self.successResultOf(self.db.close())
        self.open(rows=60, retention=3600)
        for i in range(0, 20_000, 100):
            self.append(i, 100)
            self.clock.advance(100)
        self.assertEqual(self.seconds()[-1], 19_999)
        self.assertGreaterEqual(self.seconds()[0], 19_999 - 3600)
        self.assertEqual(self.successResultOf(self.db.bounds(NODE))["chart.a"].first, NOW + self.seconds()[0])
        self.assertLess(self.successResultOf(self.db.stats()).samples, 3600 + 600 + 1200)

    def test_own_retention(self) -> None:
        """
        How long a node is kept may be its own, which a restart remembers.
        """
        self.append(0, 50)
        self.successResultOf(self.db.retain(NODE, 80))
        self.clock.advance(2)
        self.successResultOf(self.db.close())
        self.open()
        self.assertEqual(self.seconds(), list(range(0, 50)))
        self.clock.advance(48)
        self.assertEqual(self.seconds(), list(range(30, 50)))

    def test_idle(self) -> None:
        """
        A node that went offline holds no memory for long.
        """
        self.append(0, 100, X, Y, Z)
        self.assertGreater(self.successResultOf(self.db.stats()).memory, 2000)
        for _ in range(400):
            self.clock.advance(2)
        self.assertLess(self.successResultOf(self.db.stats()).memory, 1000)
        self.assertEqual(self.seconds(), list(range(100)))

    def test_odd_names(self) -> None:
        """
        Ids that are no valid text are kept like others.
        """
        key = ("chart.\udcff\udcfe", "d'\"\n\udc80")
        self.append(0, 900, key)
        self.successResultOf(self.db.put_chart(NODE, Chart(key[0])))
        self.successResultOf(self.db.put_host(HostRecord(HostInfo(NODE, "h\udcff"))))
        self.clock.advance(4)
        self.die()
        self.open()
        self.assertEqual(self.seconds(key), list(range(900)))
        [stored] = self.successResultOf(self.db.stored())
        self.assertEqual(list(stored.charts), [key[0]])

    def test_hidden_from_others(self) -> None:
        """
        The journals are readable by their owner alone.
        """
        self.append(0)
        self.clock.advance(2)
        self.assertEqual(self.journal().stat().st_mode & 0o777, 0o600)

    def test_closed(self) -> None:
        """
        What comes after the end is ignored and no error.
        """
        self.successResultOf(self.db.close())
        self.append(0)
        self.successResultOf(self.db.close())
        self.assertEqual(len(self.successResultOf(self.db.read(NODE, [X], 0, NOW)).times), 0)
