"""
A database of the first version is taken over when the node starts.
"""

from __future__ import annotations

import errno
import json
import os
import sqlite3
import tarfile
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from netstream.db import DBEngine, metadata
from netstream.db.dbengine import upgrade
from netstream.db.interfaces import HostRecord, Window
from netstream.db.segments import Segments
from netstream.db.version1 import is_version1
from netstream.db.workers import Inline
from netstream.model.host import HostInfo
from netstream.model.samples import EMPTY, SampleBatch, SeriesTable
from tests.db.version1.test_reading import EXPECTED, FIXTURES, ONE, THREE, TWO, files, samples_expected

NOW = 1_790_000_400
LONG = (10**9, 10**9, 10**9)


class UpgradeTests(SynchronousTestCase):
    """
    The engine, given a data directory of the old program.
    """

    def setUp(self) -> None:
        self.events: list[Any] = []
        globalLogPublisher.addObserver(self.events.append)
        self.addCleanup(globalLogPublisher.removeObserver, self.events.append)

    def unpacked(self, name: str = "killed") -> Path:
        """
        @return: A data directory.
        """
        directory = Path(self.mktemp())
        with tarfile.open(FIXTURES / f"{name}.tar.xz") as archive:
            archive.extractall(directory, filter="data")
        return directory

    def engine(self, directory: Path, now: int = NOW, **options: Any) -> DBEngine:
        """
        @return: One that is not open yet.
        """
        clock = Clock()
        clock.advance(now)
        options = {"retention": LONG, "boot": "a boot id", **options}
        return DBEngine(directory, clock, workers=Inline(), **options)

    def open(self, directory: Path, now: int = NOW, **options: Any) -> DBEngine:
        """
        @return: One that is open until the test ends.
        """
        db = self.engine(directory, now, **options)
        self.successResultOf(db.open())
        self.addCleanup(lambda: self.successResultOf(db.close()))
        return db

    def assert_samples(self, db: DBEngine, guid: str, but: int = 0) -> None:
        """
        All samples of a node are there, to the bit, and no others.

        @param but: A second about which nothing is said.
        """
        for key, expected in samples_expected(guid).items():
            found = self.successResultOf(db.read(guid, [key], 0, 1 << 34))
            columns = (found.times.tolist(), found.values[:, 0].tolist(), found.flags[:, 0].tolist())
            there = {time: (value.hex(), flags) for time, value, flags in zip(*columns, strict=True)}
            # To this version an infinite value is a gap.
            wanted = {t: sample for t, sample in expected.items() if not sample[1] & EMPTY and sample[0] != "inf"}
            there.pop(but, None)
            wanted.pop(but, None)
            self.assertEqual(there, wanted, key)

    def assert_all(self, db: DBEngine) -> None:
        """
        Everything is there, once.
        """
        hosts = {host.record.info.guid: host for host in self.successResultOf(db.stored())}
        self.assertEqual(set(hosts), {ONE, TWO})
        for guid in EXPECTED:
            self.assert_samples(db, guid)
            if guid in hosts:
                self.assertEqual(json.loads(metadata.host_text(hosts[guid].record)), EXPECTED[guid]["record"])
                charts = {id: metadata.chart_of(json.dumps(text)) for id, text in EXPECTED[guid]["charts"].items()}
                self.assertEqual(hosts[guid].charts, charts)
            spans: dict[str, list[int]] = {}
            for (chart, _), samples in samples_expected(guid).items():
                spans.setdefault(chart, []).extend(samples)
            bounds = self.successResultOf(db.bounds(guid))
            self.assertEqual(
                {chart: (span.first, span.last) for chart, span in bounds.items()},
                {chart: (min(times), max(times)) for chart, times in spans.items()},
            )
        retentions = {node.guid: node.retention for node in db._nodes.values()}
        self.assertEqual(retentions, {guid: EXPECTED[guid]["retention"] for guid in EXPECTED} | {TWO: 86400 * 365})
        count = sum(len(samples) for guid in EXPECTED for samples in samples_expected(guid).values())
        self.assertEqual(self.successResultOf(db.stats()).samples, count)
        self.assertEqual(db.damaged, 0)

    def test_everything(self) -> None:
        """
        Every sample, name, definition and retention is there, at once and after another start.
        """
        for name in ("killed", "closed"):
            directory = self.unpacked(name)
            before = files(directory)
            db = self.engine(directory)
            self.successResultOf(db.open())
            self.assert_all(db)
            self.successResultOf(db.close())
            self.assertFalse(is_version1(directory))
            self.assertTrue(is_version1(directory / "version1"))
            moved = {path.replace(str(directory), str(directory / "version1")): data for path, data in before.items()}
            self.assertLessEqual(moved.items(), files(directory / "version1").items())
            self.assertFalse((directory / "upgrade").exists())
            self.assert_all(self.open(directory))

    def test_said(self) -> None:
        """
        One line says what was done, and that the old files may go; another start says nothing.
        """
        directory = self.unpacked()
        for _ in range(2):
            db = self.engine(directory)
            self.successResultOf(db.open())
            self.successResultOf(db.close())
        [sentence] = [event["sentence"] for event in self.events if "sentence" in event]
        for part in ("3 nodes", "9 series", "may be deleted", str(directory / "version1")):
            self.assertIn(part, sentence)

    def test_steps(self) -> None:
        """
        A slow node's samples are stored as points of its period.
        """
        db = self.open(self.unpacked())
        storage: Any = db._storage
        steps = {db._nodes[guid].id: step for guid, step in ((ONE, 1), (TWO, 5), (THREE, 1))}
        for node, step in steps.items():
            places = storage.tiers[0].find(node, 0, 1 << 34)
            self.assertEqual({place.step for place in places}, {step})

    def test_queries(self) -> None:
        """
        Coarser rows are made afterwards, and answer as the samples do.
        """
        directory = self.unpacked()
        key = ("system.cpu", "user")
        values = [
            (time, float.fromhex(value))
            for time, (value, flags) in samples_expected(ONE)[key].items()
            if not flags & EMPTY and value != "inf"
        ]
        window = Window(NOW // 3600 * 3600 - 3600, NOW // 3600 * 3600 + 3600, 60)
        wanted: dict[int, list[float]] = {}
        for time, value in values:
            wanted.setdefault(-(-time // 60) * 60, []).append(value)
        db = self.engine(directory, NOW + 86400)
        self.successResultOf(db.open())
        clock: Any = db._reactor
        self.assertTrue(all(node.stale for node in db._nodes.values()))
        for _ in range(2):
            found = self.successResultOf(db.query(ONE, [key], window, "max"))
            there = {t: v for t, v in zip(found.times.tolist(), found.values[:, 0].tolist(), strict=True) if v == v}
            self.assertEqual(set(there), set(wanted))
            self.assertEqual(there, {time: max(some, key=abs) for time, some in wanted.items()})
            clock.pump([1] * 200)
        self.assertFalse(any(node.stale for node in db._nodes.values()))
        self.successResultOf(db.close())
        self.assertGreater(len(list((directory / "tier1").iterdir())), 0)

    def test_old(self) -> None:
        """
        Samples that are too old for the finest tier are summed up before they go.
        """
        db = self.open(self.unpacked(), NOW + 40 * 86400, retention=(14 * 86400, 10**9, 10**9))
        key = ("system.cpu", "system")
        clock: Any = db._reactor
        clock.pump([1] * 3)
        storage: Any = db._storage
        self.assertEqual(storage.tiers[0].find(db._nodes[ONE].id, 0, 1 << 34), [])
        window = Window(NOW // 3600 * 3600 - 3600, NOW // 3600 * 3600 + 3600, 3600)
        found = self.successResultOf(db.query(ONE, [key], window, "average"))
        self.assertIn(1.25, found.values[:, 0].tolist())

    def test_killed(self) -> None:
        """
        Killed wherever it may be, the next start takes everything over, once.
        """
        places: list[tuple[Any, str]] = [
            (Segments, "append"),
            (Segments, "sync"),
            (upgrade, "_put_aside"),
            (upgrade, "sync_directory"),
            (Path, "rename"),
        ]
        killed = 0
        for owner, name in places:
            for after in range(30):
                directory = self.unpacked()
                if not self.dies(directory, owner, name, after):
                    break
                killed += 1
                again = self.engine(directory)
                self.successResultOf(again.open())
                self.assert_all(again)
                self.successResultOf(again.close())
                self.assertTrue(is_version1(directory / "version1"))
                self.assertFalse(is_version1(directory))
        self.assertGreater(killed, 20)

    def dies(self, directory: Path, owner: Any, name: str, after: int) -> bool:
        """
        Start a node that is killed instead of calling something after so many times.

        @return: Whether it was called so often.
        """
        original, calls = getattr(owner, name), [0]
        child = os.fork()
        if not child:

            def dying(*arguments: Any, **named: Any) -> Any:
                calls[0] += 1
                if calls[0] > after:
                    os._exit(9)
                return original(*arguments, **named)

            try:  # whatever happens, the tests go on in the parent alone
                setattr(owner, name, dying)
                self.successResultOf(self.engine(directory).open())
                os._exit(0)
            finally:
                os._exit(1)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        self.assertIn(status, (0, 9))
        return status == 9

    def test_full(self) -> None:
        """
        A full disk is an error that says how much is needed; nothing of the old database is changed.
        """
        directory = self.unpacked()
        before = files(directory)

        def full(*_: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device", "a file")

        patched = self.patch(Segments, "sync", full)
        problem = self.failureResultOf(self.engine(directory).open(), OSError).value
        patched.restore()
        self.assertEqual(problem.errno, errno.ENOSPC)
        for part in ("No space left", "an older version", "MiB", str(directory)):
            self.assertIn(part, str(problem))
        after = files(directory)
        self.assertEqual({path: after[path] for path in before}, before)
        self.assertFalse((directory / "upgrade").exists())
        self.assert_all(self.open(directory))

    def test_damaged(self) -> None:
        """
        What is damaged is said, and all else is taken over.
        """
        directory = self.unpacked("closed")
        with closing(sqlite3.connect(directory / "metrics.sqlite")) as db, db:
            [(sequence, data)] = db.execute(
                "SELECT sequence, data FROM row_group ORDER BY length(data) DESC LIMIT 1"
            ).fetchall()
            db.execute("UPDATE row_group SET data = ? WHERE sequence = ?", (data[:50], sequence))
            db.execute("UPDATE node SET record = '{' WHERE guid = ?", (TWO,))
        engine = self.open(directory)
        self.assertEqual(engine.damaged, 2)
        said = [event["problem"] for event in self.events if "problem" in event]
        self.assertTrue(any(f"row group {sequence} " in sentence for sentence in said), said)
        self.assert_samples(engine, TWO)
        self.assert_samples(engine, THREE)
        self.assertGreater(len(self.successResultOf(engine.read(ONE, [("system.cpu", "user")], 0, 1 << 34)).times), 150)

    def test_beside(self) -> None:
        """
        Where a newer database is there already, what it has stays, and the old one is added to it.
        """
        directory = self.unpacked()
        second = 1_790_000_020
        new = HostRecord(HostInfo(guid=ONE, hostname="renamed", update_every=1))
        db = self.engine(Path(self.mktemp()))
        self.successResultOf(db.open())
        self.successResultOf(db.put_host(new))
        table = SeriesTable(ONE)
        keys = [("other.chart", "x"), ("system.cpu", "user")]
        numbers = np.array([table.number(*key) for key in keys], np.int32)
        times = np.full(2, second, np.int64)
        batch = SampleBatch(table, numbers, times, times * 1_000_000, np.array([7.0, -7.0]), np.zeros(2, np.uint8))
        self.successResultOf(db.append(batch))
        clock: Any = db._reactor
        clock.pump([10] * 200)
        self.successResultOf(db.close())
        for path in db.directory.iterdir():
            path.rename(directory / path.name)
        for _ in range(2):
            db = self.engine(directory)
            self.successResultOf(db.open())
            self.assert_samples(db, ONE, but=second)
            self.assert_samples(db, TWO)
            found = self.successResultOf(db.read(ONE, keys, second - 1, second))
            self.assertEqual(found.values.tolist(), [[7.0, -7.0]])
            hosts = {host.record.info.hostname for host in self.successResultOf(db.stored())}
            self.assertEqual(hosts, {"renamed", "zwei"})
            self.assertEqual(db.damaged, 0)
            self.successResultOf(db.close())

    def test_again(self) -> None:
        """
        Whoever went back to the old program meanwhile has both databases kept.
        """
        directory = self.unpacked()
        for name in ("version1", "version1-2"):
            db = self.engine(directory)
            self.successResultOf(db.open())
            self.successResultOf(db.close())
            self.assertTrue(is_version1(directory / name))
            for path in self.unpacked("closed").iterdir():
                path.rename(directory / path.name)
        self.assert_all(self.open(directory))

    def test_pieces(self) -> None:
        """
        It does not matter in how many pieces samples come.
        """
        for name, value in (("_AT_ONCE", 1), ("_COLUMNS", 1)):
            self.patch(upgrade, name, value)
        self.assert_all(self.open(self.unpacked()))
