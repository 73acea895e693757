"""
The engine on disk when the power goes.

Whatever was on its way to the disk is there or is not, in sectors of 512
bytes; what the disk was told to have is there.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from netstream.db import DBEngine
from netstream.db.dbengine.catalog import Catalog
from netstream.db.interfaces import SeriesKey, Window
from netstream.db.workers import Inline
from netstream.model.samples import SeriesTable
from netstream.testing.metrics_db import NODE, NOW, OTHER, X, Y, batch
from tests.db.dbengine.lives import die, now, seen

SECTOR = 512


class Disk:
    """
    Knows what of a directory is surely on the disk, as it sees each sync.
    """

    def __init__(self, test: SynchronousTestCase, directory: Path) -> None:
        self.directory = directory.absolute()
        self._synced: dict[int, bytes] = {}
        self._names: dict[Path, dict[str, int]] = {}
        self._open: dict[int, int] = {}
        self._patches = [
            *(test.patch(os, name, self._watched(getattr(os, name))) for name in ("fsync", "fdatasync")),
            # SQLite syncs for itself, at the end of each transaction.
            *(
                test.patch(Catalog, name, self._committed(getattr(Catalog, name)))
                for name in ("__init__", "put", "widen", "derived", "forget", "restore")
            ),
        ]

    def stop(self) -> None:
        """
        Look at it no more.
        """
        for patch in self._patches:
            patch.restore()

    def close(self) -> None:
        """
        Forget it.
        """
        for descriptor in self._open.values():
            os.close(descriptor)

    def _file(self, path: Path) -> int:
        """
        @return: The number of a file, which no other one gets.
        """
        number = path.stat().st_ino
        if number not in self._open:
            self._open[number] = os.open(path, os.O_RDONLY)
        return number

    def _content(self, number: int) -> bytes:
        descriptor = self._open[number]
        return os.pread(descriptor, os.fstat(descriptor).st_size, 0)

    def _listed(self, directory: Path) -> dict[str, int]:
        return {path.name: self._file(path) for path in directory.iterdir() if path.is_file()}

    def _watched(self, real: Callable[[int], None]) -> Callable[[int], None]:
        def sync(descriptor: int) -> None:
            real(descriptor)
            path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
            if path.is_dir():
                self._names[path] = self._listed(path)
            elif path.exists():
                number = self._file(path)
                self._synced[number] = self._content(number)

        return sync

    def _committed(self, real: Callable[..., None]) -> Callable[..., None]:
        def done(*args: object, **named: object) -> None:
            real(*args, **named)
            for path in self.directory.glob("catalog*"):
                self._synced[self._file(path)] = path.read_bytes()
            self._names[self.directory] = self._listed(self.directory)

        return done

    def cut(self, to: Path, rng: random.Random) -> None:
        """
        @param to: Gets what is left when the power goes now.
        """
        for directory in (self.directory, *(path for path in self.directory.iterdir() if path.is_dir())):
            target = to / directory.relative_to(self.directory)
            target.mkdir(parents=True)
            sure, there = self._names.get(directory, {}), self._listed(directory)
            for name in sorted({*sure, *there}):
                number = rng.choice([sure.get(name), there.get(name)])
                if number is not None:
                    mixed = self._mixed(self._synced.get(number, b""), self._content(number), rng)
                    (target / name).write_bytes(mixed)

    def _mixed(self, old: bytes, new: bytes, rng: random.Random) -> bytes:
        if old == new:
            return new
        length = rng.choice([len(old), len(new), rng.randint(min(len(old), len(new)), max(len(old), len(new)))])
        chance = rng.choice([0.0, 0.1, 0.5, 0.9, 1.0])
        mixed = bytearray(old.ljust(length, b"\0")[:length])
        for at in range(0, length, SECTOR):
            part = new[at : min(at + SECTOR, length)]
            if part and part != mixed[at : at + SECTOR] and rng.random() < chance:
                mixed[at : at + len(part)] = part
        tail = len(old) if new.startswith(old) else length
        if tail < length and rng.random() < 0.3:
            mixed[rng.randrange(tail, length)] ^= 1 << rng.randrange(8)
        return bytes(mixed)


class PowerTests(SynchronousTestCase):
    """
    A power cut costs the last second at most.
    """

    def history(self, seed: int) -> None:
        """
        Store for a while, then cut the power in some ways.
        """
        rng = random.Random(seed)
        directory = Path(self.mktemp())
        directory.mkdir()
        disk = Disk(self, directory)
        clock = Clock()
        clock.advance(NOW)
        db = DBEngine(directory, clock, retention=(0, 0, 0), workers=Inline(), boot="one")
        now(db.open())
        tables = {node: SeriesTable(node) for node in (NODE, OTHER)}
        written: dict[tuple[str, SeriesKey], dict[int, list[float]]] = {}
        sure: dict[tuple[str, SeriesKey], dict[int, float]] = {}
        count = 0.0

        def store(node: str, key: SeriesKey, seconds: range) -> None:
            nonlocal count
            rows = []
            for second in seconds:
                count += 1
                rows.append((key, second, count))
                written.setdefault((node, key), {}).setdefault(second, []).append(count)
            now(db.append(batch(tables[node], rows)))

        def newest() -> dict[tuple[str, SeriesKey], dict[int, float]]:
            return {series: {s: values[-1] for s, values in of.items()} for series, of in written.items()}

        for turn in range(30):
            second = int(clock.seconds())
            for node in (NODE, OTHER):
                for key in (X, Y):
                    store(node, key, range(second, second + 1))
            match rng.randrange(6):
                case 0:
                    store(NODE, (f"chart.{turn}", "new"), range(second - 2, second + 1))
                case 1:
                    ago = rng.choice([1000, 5000, 20_000, 40_000])
                    store(OTHER, X, range(second - ago, second - ago + 300))
                case 2:
                    for epoch in range(2, 7):
                        store(
                            NODE,
                            rng.choice([X, (f"late.{turn}", "z")]),
                            range(second - 900 * epoch, second - 900 * epoch + 50),
                        )
                case 3:
                    clock.rightNow += rng.choice([900, 5000, 20_000])
            if rng.random() < 0.7:
                for _ in range(rng.choice([1, 1, 1, 20, 130])):
                    clock.advance(1)
                sure = newest()
        second = int(clock.seconds())
        store(NODE, ("chart.last", "new"), range(second - 3, second + 1))
        disk.stop()
        for _ in range(2):
            after = Path(self.mktemp())
            disk.cut(after, rng)
            self.check(after, int(clock.seconds()), written, sure)
        disk.close()
        die(db)

    def check(
        self,
        directory: Path,
        second: int,
        written: dict[tuple[str, SeriesKey], dict[int, list[float]]],
        sure: dict[tuple[str, SeriesKey], dict[int, float]],
    ) -> None:
        """
        @param written: All values of each sample, in order.
        @param sure: The value that each must have, or a later one.
        """
        clock = Clock()
        clock.advance(second)
        db = DBEngine(directory, clock, retention=(0, 0, 0), workers=Inline(), boot="two")
        now(db.open())
        try:
            fresh = ("chart.fresh", "x")
            now(db.append(batch(SeriesTable(NODE), [(fresh, second, -1.0)])))
            written[NODE, fresh] = {second: [-1.0]}
            for life in range(2):
                for (node, key), of in written.items():
                    [found] = seen(now(db.read(node, [key], 0, 2 * NOW)))
                    for at, (value, _) in found.items():
                        self.assertIn(value, of.get(at, []), (node, key, at))
                    for at, value in sure.get((node, key), {}).items():
                        self.assertIn(at, found, (node, key, at))
                        self.assertGreaterEqual(found[at][0], value)
                    window = Window(second // 3600 * 3600 - 40 * 3600, second // 3600 * 3600 + 3600, 3600)
                    [sums] = seen(now(db.query(node, [key], window, "sum")))
                    rows: dict[int, float] = {}
                    for at, (value, _) in found.items():
                        if window.after < at <= window.before:
                            rows[-(-at // 3600) * 3600] = rows.get(-(-at // 3600) * 3600, 0) + value
                    self.assertEqual({at: value for at, (value, _) in sums.items()}, rows)
                charts = {chart for node, (chart, _) in written if node == NODE}
                self.assertLessEqual(set(now(db.bounds(NODE))), charts)
                if life == 0:
                    # What sealing makes of it is the same.
                    clock.rightNow += 30_000
                    for _ in range(200):
                        clock.advance(1)
            self.assertEqual(self.flushLoggedErrors(), [])
        finally:
            now(db.close())

    def test_cuts(self) -> None:
        """
        Whenever the power goes, all but the last second is there, no sample
        has a value that it never had or that of another series, and rows of
        coarser tiers agree with samples.
        """
        for seed in range(8):
            self.history(seed)
