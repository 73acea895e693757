"""
What the engine on disk keeps when things go wrong, one thing at a time.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from threading import Event
from typing import TypeVar

import numpy as np
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from netstream.db import DBEngine
from netstream.db.dbengine import engine, upkeep
from netstream.db.interfaces import HostRecord, Stats, Window
from netstream.db.workers import Inline
from netstream.model.chart import Chart
from netstream.model.host import HostInfo
from netstream.model.samples import EMPTY, SampleBatch, SeriesTable
from netstream.testing.metrics_db import NODE, NOW, OTHER, X, Y, Z, batch
from tests.db.dbengine.lives import NEVER, Case, die, now

_T = TypeVar("_T")


class DurabilityTests(Case):
    """
    Nothing that was accepted is lost or changed.
    """

    def seal(self) -> None:
        """
        Have everything become row groups, and coarser rows.
        """
        self.clock.rightNow += 30_000
        self.pass_time(200)
        self.assertEqual(self.files("hot/*"), [])

    def test_second(self) -> None:
        """
        A second engine in the same directory is refused with a line that says
        why; when the first ends there is room.
        """
        second = self.make()
        problem = self.failureResultOf(second.open(), OSError)
        self.assertIn(str(self.directory), str(problem.value))
        self.assertIn(f"in use by process {os.getpid()}", str(problem.value))
        self.successResultOf(second.close())
        self.append(0, 10)
        self.stop()
        self.start()
        self.assert_seconds(range(10))

    def test_no_directory(self) -> None:
        """
        A directory that cannot be made is an error that names it.
        """
        place = Path(self.mktemp())
        place.write_text("a file")
        problem = self.failureResultOf(DBEngine(place / "db", self.clock, workers=Inline()).open(), OSError)
        self.assertIn(str(place / "db"), str(problem.value))

    def test_newer(self) -> None:
        """
        What a newer version made is refused and left alone.
        """
        self.stop()
        with sqlite3.connect(self.directory / "catalog.sqlite") as catalog:
            catalog.execute("PRAGMA user_version = 99")
        catalog.close()
        problem = self.failureResultOf(self.make().open(), ValueError)
        self.assertIn("newer", str(problem.value))
        self.assertIn(str(self.directory), str(problem.value))

    def test_closed(self) -> None:
        """
        What comes after the end is ignored and no error.
        """
        self.stop()
        self.append(0)
        self.stop()
        self.assertEqual(self.values(), {})

    def test_hidden_from_others(self) -> None:
        """
        Files with samples are readable by their owner alone.
        """
        self.append(0, 10)
        self.seal()
        self.append(30_300)
        for path in [*self.files("hot/*.page"), *self.files("names/*"), *self.files("tier*/*.seg")]:
            self.assertEqual(path.stat().st_mode & 0o777, 0o600, path)

    def test_odd_names(self) -> None:
        """
        Ids that are no valid text are kept like others.
        """
        key = ("chart.\udcff\udcfe", "d'\"\n\udc80")
        self.append(0, 900, key)
        self.die()
        self.start()
        self.assert_seconds(range(900), key)
        self.successResultOf(self.db.put_chart(NODE, Chart(key[0])))
        self.successResultOf(self.db.put_host(HostRecord(HostInfo(NODE, "h\udcff"))))
        self.seal()
        self.die()
        self.start()
        self.assert_seconds(range(900), key)
        [stored] = self.successResultOf(self.db.stored())
        self.assertEqual(list(stored.charts), [key[0]])

    def test_late_samples(self) -> None:
        """
        Samples for seconds that are in row groups already replace them, also
        with a gap, and coarser rows follow; also after a restart.
        """
        self.append(0, 900)
        self.seal()
        rows = [(X, NOW + 10, -1.0), (X, NOW + 11, float("nan")), (Y, NOW + 12, 5.0)]
        self.successResultOf(self.db.append(batch(self.table, rows)))
        for end in (lambda: None, self.seal, self.stop, None):
            found = self.successResultOf(self.db.read(NODE, [X, Y], NOW + 9, NOW + 12))
            self.assertEqual(found.times.tolist(), [NOW + 10, NOW + 12])
            np.testing.assert_array_equal(found.values, [[-1.0, np.nan], [12.0, 5.0]])
            sums = self.successResultOf(self.db.query(NODE, [X], Window(NOW, NOW + 60, 60), "sum"))
            self.assertEqual(sums.values[:, 0].tolist(), [sum(range(61)) - 10 - 1 - 11])
            if end is not None:
                end()
                if end == self.stop:
                    self.start()

    def test_gap_of_a_minute(self) -> None:
        """
        Gaps in place of all samples of a minute leave nothing of them in
        coarser rows.
        """
        self.append(1, 900)
        self.seal()
        self.successResultOf(self.db.append(batch(self.table, [(X, NOW + 61 + i, float("nan")) for i in range(60)])))
        self.seal()
        window = Window(NOW, NOW + 180, 60)
        sums = self.successResultOf(self.db.query(NODE, [X], window, "sum"))
        np.testing.assert_array_equal(sums.values[:, 0], [sum(range(1, 61)), np.nan, sum(range(121, 181))])

    def test_twice(self) -> None:
        """
        The same samples again change nothing, wherever they meet the first.
        """
        for _ in range(3):
            self.append(0, 1000)
            self.append(0, 1000)
            self.assert_seconds(range(1000))
            self.seal()
            self.assert_seconds(range(1000))
            self.assertEqual(self.successResultOf(self.db.stats()).samples, 1000)

    def test_other_step(self) -> None:
        """
        A node that sends at odd seconds for once, after every other second,
        has each second once.
        """
        self.successResultOf(self.db.put_host(HostRecord(HostInfo(NODE, "host", update_every=2))))
        self.successResultOf(self.db.append(batch(self.table, [(X, NOW + i, 1.0) for i in range(0, 1800, 2)])))
        self.seal()
        self.successResultOf(self.db.append(batch(self.table, [(X, NOW + i, 2.0) for i in range(100, 200)])))
        expected = [float(2 if 100 <= i < 200 else 1) for i in range(1, 301) if i % 2 == 0 or 100 <= i < 200]
        for _ in range(2):
            window = Window(NOW, NOW + 300, 60)
            found = self.successResultOf(self.db.query(NODE, [X], window, "sum"))
            self.assertEqual(found.values[:, 0].sum(), sum(expected))
            values = self.values()
            self.assertEqual(sum(values.values()), 850 + 2.0 * 100)
            self.assertEqual(len(values), 950)
            self.seal()
            self.die()
            self.start()

    def test_keeps_its_step(self) -> None:
        """
        A node that sends every 10 s does so after a restart as well: an epoch
        is as long as before.
        """
        self.successResultOf(self.db.put_host(HostRecord(HostInfo(NODE, "host", update_every=10))))
        self.successResultOf(self.db.append(batch(self.table, [(X, NOW + 10, 1.0)])))
        self.die()
        self.start()
        self.successResultOf(self.db.append(batch(self.table, [(X, NOW + i, 1.0) for i in range(20, 5000, 10)])))
        self.assertEqual([epoch.step for epoch in self.db._nodes[NODE].hot()], [10])
        self.assertEqual(len(self.values()), 499)

    def test_idle(self) -> None:
        """
        A node that went offline holds no memory for long.
        """
        self.append(0, 100, X, Y, Z)
        self.assertGreater(self.successResultOf(self.db.stats()).memory, 100_000)
        self.pass_time(1200)
        self.assertEqual(self.successResultOf(self.db.stats()).memory, 0)
        self.assert_seconds(range(100))

    def test_forgotten_while_sealed(self) -> None:
        """
        When a node is forgotten while its samples become row groups, those
        that others have in the same pages survive a kill.
        """
        works: list[Callable[[], None]] = []

        class Slow(Inline):
            def write(self, work: Callable[[], _T]) -> Deferred[_T]:
                done: Deferred[_T] = Deferred()
                works.append(lambda: maybeDeferred(work).chainDeferred(done))
                return done

        def work_off() -> None:
            while works:
                works.pop(0)()

        self.stop()
        self.db = DBEngine(self.directory, self.clock, retention=NEVER, workers=Slow(), boot="boot")
        opened = self.db.open()
        work_off()
        self.successResultOf(opened)
        self.append(1, 10)
        other = SeriesTable(OTHER)
        self.successResultOf(self.db.append(batch(other, [(X, NOW + 1, 1.0), (X, NOW + 2, 2.0)])))
        self.assertEqual(len(self.files("hot/*.page")), 1)
        self.db._nodes[NODE].retire(next(iter(self.db._nodes[NODE].epochs.values())))
        self.pass_time(1)
        self.assertGreater(len(works), 0)
        forgotten = self.db.forget(NODE)
        work_off()
        self.successResultOf(forgotten)
        self.clock.rightNow += 905
        self.successResultOf(self.db.append(batch(other, [(X, NOW + 3, 3.0)])))
        self.pass_time(1)
        work_off()
        die(self.db)
        self.start()
        self.assertEqual(self.values(node=OTHER), {1: 1.0, 2: 2.0, 3: 3.0})
        self.assertEqual(self.values(), {})

    def test_back_pressure(self) -> None:
        """
        Whoever writes to more epochs than can wait is made to wait, until row
        groups were made of them.
        """
        self.patch(upkeep, "MOST_PRIVATE", 20)
        works: list[Callable[[], None]] = []

        class Blocked(Inline):
            def write(self, work: Callable[[], _T]) -> Deferred[_T]:
                done: Deferred[_T] = Deferred()
                works.append(lambda: maybeDeferred(work).chainDeferred(done))
                return done

        self.stop()
        self.patch(engine, "MOST_PRIVATE", 20)
        self.db = DBEngine(self.directory, self.clock, retention=NEVER, workers=Blocked(), boot="boot")
        opened = self.db.open()
        works.pop()()
        self.successResultOf(opened)
        waiting = []
        for i in range(30):
            done = self.db.append(batch(self.table, [(X, NOW - 900 * i, float(-900 * i))]))
            if not done.called:
                waiting.append(done)
        self.assertGreater(len(waiting), 5)
        while works:
            works.pop(0)()
        for done in waiting:
            self.successResultOf(done)
        read = self.successResultOf(self.db.read(NODE, [X], 0, 2 * NOW))
        self.assertEqual(read.times.tolist(), [NOW - 900 * i for i in range(29, -1, -1)])
        closed = self.db.close()
        while works:
            works.pop(0)()
        self.successResultOf(closed)
        self.start()
        self.assert_seconds([-900 * i for i in range(29, -1, -1)])


class SizeTests(Case):
    """
    Many nodes, and nodes with many series.
    """

    def store(self, nodes: int, series: int, seconds: int) -> None:
        """
        Have nodes send for some seconds.
        """
        tables = [SeriesTable(f"{n:08d}-1111-4111-8111-111111111111") for n in range(nodes)]
        for table in tables:
            for i in range(series):
                table.number(f"chart.{i // 10}", f"d{i}")
        numbers = np.arange(series, dtype=np.int32)
        for _ in range(seconds):
            second = int(self.clock.seconds())
            for n, table in enumerate(tables):
                value = numbers + n * 1000.0 + second
                now(
                    self.db.append(
                        SampleBatch(
                            table,
                            numbers,
                            np.full(series, second, np.int64),
                            np.zeros(series, np.int64),
                            value,
                            np.zeros(series, np.uint8),
                        )
                    )
                )
            self.clock.advance(1)

    def assert_stored(self, nodes: int, series: int) -> None:
        """
        Look at the last series of each node.
        """
        for n in range(nodes):
            last = series - 1
            found = self.values((f"chart.{last // 10}", f"d{last}"), f"{n:08d}-1111-4111-8111-111111111111")
            self.assertEqual(found, {i: last + n * 1000.0 + NOW + i for i in range(1, 6)})

    def counted(self) -> Stats:
        """
        @return: What there is, which takes a turn for each hundred nodes.
        """
        counting = self.db.stats()
        self.clock.advance(0)
        return self.successResultOf(counting)

    def check(self, nodes: int, series: int, most: int) -> None:
        """
        @param most: Bytes for each series in hot pages.
        """
        self.pass_time(1)
        self.store(nodes, series, 5)
        self.assertLess(self.counted().memory, most * nodes * series)
        self.die()
        self.start()
        self.assertEqual(self.counted().nodes, nodes)
        self.assert_stored(nodes, series)
        self.pass_time(950)
        self.assertEqual(self.counted().memory, 0)
        self.assert_stored(nodes, series)
        self.stop()
        self.start()
        self.assertEqual(self.lines, [])
        self.assert_stored(nodes, series)

    def test_many_nodes(self) -> None:
        """
        Many small nodes share a few pages, and give their memory back.
        """
        self.check(200, 5, 9 * 900 * 4)

    def test_large_nodes(self) -> None:
        """
        Large nodes need no more than their samples, and give it back.
        """
        self.check(3, 2000, 9 * 900 * 4)


class DamageTests(Case):
    """
    What is damaged is a gap that is said, never a wrong value and never the
    end.
    """

    def test_page(self) -> None:
        """
        A page that was cut off anywhere gives what is left of it, and is said
        to be so; what follows is stored.
        """
        self.append(1, 500)
        self.die()
        [page] = self.files("hot/*.page")
        whole = page.read_bytes()
        for cut in (0, 10, 80, 4096, 5000, 100_000, len(whole) // 2, len(whole) - 1):
            for other in self.files("hot/*"):
                other.unlink()
            page.write_bytes(whole[:cut])
            self.start()
            found = self.values()
            self.assertLessEqual(found.items(), {i: float(i) for i in range(1, 501)}.items())
            self.assertEqual(self.db.damaged, 1)
            self.assertIn(str(page), self.lines[-1])
            self.append(501, 5)
            self.assertLessEqual({i: float(i) for i in range(501, 506)}.items(), self.values().items())
            self.die()

    def test_names(self) -> None:
        """
        A damaged record of the log of names costs its series, which are
        dropped and said; no other series gets their samples.
        """
        self.pass_time(1)
        self.append(1, 10, X)
        self.append(1, 10, Z)
        self.die()
        [log] = self.files("names/*.names")
        whole = log.read_bytes()
        kept = {path: path.read_bytes() for path in self.files("**/*") if path.is_file()}
        for at in range(0, len(whole), 3):
            for path in self.files("**/*"):
                if path.is_file():
                    path.unlink()
            for path, data in kept.items():
                path.write_bytes(data)
            hurt = bytearray(whole)
            hurt[at] ^= 4
            log.write_bytes(hurt)
            self.start()
            self.assertGreaterEqual(self.db.damaged, 1)
            self.append(11, 2, Y)
            found = [self.values(key) for key in (X, Z)]
            self.assertIn(
                found, [[{i: float(i) for i in range(1, 11)}, {}], [{}, {i: float(i) for i in range(1, 11)}], [{}, {}]]
            )
            self.assert_seconds([11, 12], Y)
            self.die()

    def history(self) -> None:
        """
        Store some nodes with many charts, all in row groups, and end.
        """
        for node in (NODE, OTHER):
            table = SeriesTable(node)
            self.successResultOf(self.db.put_host(HostRecord(HostInfo(node, f"host {node[0]}"))))
            for i in range(60):
                self.successResultOf(self.db.put_chart(node, Chart(f"chart.{i}", title="x" * 100)))
            rows = [((f"chart.{i}", d), NOW + 1, i + ord(d) + ord(node[0]) * 1000) for i in range(60) for d in "xy"]
            self.successResultOf(self.db.append(batch(table, rows)))
        self.clock.rightNow += 30_000
        self.pass_time(200)
        self.stop()

    def assert_right(self) -> int:
        """
        @return: How many series are left; all others must be gone, and none
            has a value that it never had.
        """
        count = 0
        for node in (NODE, OTHER):
            for i in range(60):
                for d in "xy":
                    found = self.values((f"chart.{i}", d), node)
                    self.assertIn(found, [{}, {1: i + ord(d) + ord(node[0]) * 1000}])
                    count += len(found)
        return count

    def test_flipped_catalog(self) -> None:
        """
        A bit of the catalog that the disk changed costs a chart or a few at
        most; the node starts, and no series has the samples of another.
        """
        self.history()
        catalog = self.directory / "catalog.sqlite"
        whole = catalog.read_bytes()
        rng = np.random.default_rng(5)
        left = []
        for at in rng.integers(0, len(whole), 60).tolist():
            for path in self.files("catalog*"):
                path.unlink()
            hurt = bytearray(whole)
            hurt[at] ^= 1 << int(rng.integers(8))
            catalog.write_bytes(hurt)
            self.start()
            left.append(self.assert_right())
            new = SeriesTable("99999999-9999-4999-8999-999999999999")
            self.successResultOf(self.db.append(batch(new, [(("chart.1", "x"), NOW + 30_300, 1.0)])))
            self.assertEqual(self.values(("chart.1", "x"), new.node), {30_300: 1.0})
            self.die()
        self.assertGreater(np.mean(np.array(left) == 240), 0.75)

    def test_not_a_catalog(self) -> None:
        """
        A file that SQLite cannot read is put aside; the node starts, and new
        nodes do not get the samples of old ones.
        """
        self.history()
        for path in self.files("catalog*"):
            path.write_bytes(b"no database " * 1000)
        self.start()
        self.assertEqual(len(self.lines), 1)
        self.assertIn("put aside", self.lines[0])
        self.assertEqual(len(self.files("catalog.sqlite.damaged-*")), 1)
        for i in range(60):
            self.append(30_000, 5, (f"chart.{i}", "x"))
            self.assert_seconds(range(30_000, 30_005), (f"chart.{i}", "x"))

    def test_forgotten_id(self) -> None:
        """
        A node that is new gets nothing of one that was forgotten, also when
        the power goes at once.
        """
        self.append(1, 10)
        self.clock.rightNow += 30_000
        self.pass_time(100)
        segments = {path: path.read_bytes() for path in self.files("tier*/*.seg")}
        self.successResultOf(self.db.forget(NODE))
        self.die()
        for path, data in segments.items():
            path.write_bytes(data)
        self.start("another")
        self.successResultOf(self.db.append(batch(SeriesTable(OTHER), [(X, NOW + 30_000, 1.0)])))
        self.assertEqual(self.values(node=OTHER), {30_000: 1.0})

    def test_flipped_row_group(self) -> None:
        """
        A damaged row group is a gap that is logged and counted.
        """
        self.append(1, 900)
        self.append(901, 100)
        self.clock.rightNow += 30_000
        self.pass_time(20)
        self.stop()
        [segment] = self.files("tier0/*.seg")
        hurt = bytearray(segment.read_bytes())
        hurt[150] ^= 1
        segment.write_bytes(hurt)
        self.start()
        left = self.values()
        self.assertEqual(left, {i: float(i) for i in left})
        self.assertLess(len(left), 1000)
        self.assertGreaterEqual(self.db.damaged, 1)


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


class ThreadsTests(SynchronousTestCase):
    """
    Threads that seal, write and read do not disturb each other.
    """

    def test_no_hole(self) -> None:
        """
        Whoever reads while an epoch becomes a row group, and its page goes,
        sees every sample at any moment.
        """
        clock = Pump()
        clock.advance(NOW)
        db = DBEngine(Path(self.mktemp()), clock, retention=NEVER)

        def result(deferred: Deferred[_T]) -> _T:
            while not deferred.called:
                clock.results.get(timeout=60)()
            return now(deferred)

        result(db.open())
        self.addCleanup(lambda: db._storage and db._workers.stop())
        table = SeriesTable(NODE)
        keys = [(f"chart.{i}", "x") for i in range(20)]
        numbers = np.array([table.number(*key) for key in keys], np.int32)
        reads = []
        stored = 0
        for turn in range(150):
            times = NOW + 1 + np.arange(stored, stored + 100, dtype=np.int64)
            stored += 100
            size = len(times) * len(keys)
            now(
                db.append(
                    SampleBatch(
                        table,
                        np.tile(numbers, len(times)),
                        np.repeat(times, len(keys)),
                        np.zeros(size, np.int64),
                        np.repeat(times - NOW, len(keys)).astype(np.float64),
                        np.zeros(size, np.uint8),
                    )
                )
            )
            clock.rightNow = NOW + stored - 1.0
            clock.advance(1)
            reads.append((stored, db.read(NODE, keys, 0, 2 * NOW)))
            if turn % 3 == 0:
                count, reading = reads.pop(0)
                found = result(reading)
                # Of what came later, a second may be there in part.
                self.assertEqual(found.times[:count].tolist(), list(range(NOW + 1, NOW + 1 + count)))
                self.assertFalse((found.flags[:count] & EMPTY).any())
                self.assertTrue((found.values[:count] == np.arange(1, count + 1)[:, None]).all())
        for count, reading in reads:
            self.assertGreaterEqual(len(result(reading).times), count)
        while not any(db.directory.glob("tier0/*.seg")):  # its thread may be the last to be given a processor
            clock.results.get(timeout=60)()
        result(db.close())

    def test_column_once(self) -> None:
        """
        A thread that looks for a series while others get their columns does
        not make the engine forget them.
        """
        clock = Clock()
        clock.advance(NOW)
        db = DBEngine(Path(self.mktemp()), clock, retention=NEVER, workers=Inline())
        now(db.open())
        self.addCleanup(lambda: now(db.close()))
        table = SeriesTable(NODE)
        for key in (X, Y, Z):
            table.number(*key)
        now(db.append(batch(table, [(X, NOW + 1, 1.0)])))
        [epoch] = db._nodes[NODE].epochs.values()
        [block] = epoch.blocks
        seen: list[Event] = []

        class Late(type(block)):  # type: ignore[misc]
            @property
            def numbers(self) -> object:
                found = super().numbers
                if not seen:
                    seen.append(Event())
                    now(db.append(batch(table, [(Y, NOW + 1, 2.0)])))
                return found

        block.changes += 1
        block.__class__ = Late
        block.columns(np.array([0], np.int32))
        now(db.append(batch(SeriesTable(NODE), [(Y, NOW + 2, 3.0)])))
        self.assertEqual(block.used, 2)
        found = now(db.read(NODE, [Y], 0, 2 * NOW))
        self.assertEqual(found.values[:, 0].tolist(), [2.0, 3.0])
