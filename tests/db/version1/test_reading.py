"""
Databases of the first version: what that program stored is read to the bit.
"""

from __future__ import annotations

import json
import lzma
import os
import sqlite3
import tarfile
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from netstream.db import metadata
from netstream.db.version1 import is_version1, read
from netstream.db.version1.journal import Journal, Kind, samples_of, series_of
from netstream.db.version1.rowgroups import RowGroup

FIXTURES = Path(__file__).parents[1] / "fixtures" / "version1"
EXPECTED: Mapping[str, Any] = json.loads(lzma.decompress((FIXTURES / "expected.json.xz").read_bytes()))
ONE, TWO, THREE = EXPECTED

Found = dict[tuple[str, str], dict[int, tuple[str, int]]]
"""By series and second: the value as C{float.hex()}, and flags."""


def samples_expected(guid: str) -> Found:
    """
    @return: What is to be found of a node.
    """
    return {
        (chart, dimension): {second: (value, flags) for second, value, flags in samples}
        for chart, dimension, samples in EXPECTED[guid]["samples"]
    }


def files(directory: Path) -> dict[str, bytes]:
    """
    @return: All that could be changed, by name.
    """
    return {str(path): path.read_bytes() for path in directory.rglob("*") if path.is_file() and "-shm" not in path.name}


class ReadingTests(SynchronousTestCase):
    """
    L{read} of data directories that the old program made.
    """

    def unpacked(self, name: str) -> Path:
        """
        @return: A data directory.
        """
        directory = Path(self.mktemp())
        with tarfile.open(FIXTURES / f"{name}.tar.xz") as archive:
            archive.extractall(directory, filter="data")
        return directory

    def samples(self, directory: Path) -> tuple[dict[str, Found], list[str]]:
        """
        @return: Samples by node, and what is damaged.
        """
        damage: list[str] = []
        found: dict[str, Found] = {}
        for node in read(directory, damage):
            mine: Found = found.setdefault(node.guid, {})
            for piece in node.samples():
                columns = (piece.number.tolist(), piece.time.tolist(), piece.value.tolist(), piece.flags.tolist())
                for number, second, value, flags in zip(*columns, strict=True):
                    mine.setdefault(node.series[number], {})[second] = value.hex(), flags
        return found, damage

    def check(self, name: str) -> None:
        """
        All is there.
        """
        directory = self.unpacked(name)
        self.assertTrue(is_version1(directory))
        before = files(directory)
        found, damage = self.samples(directory)
        self.assertEqual(damage, [])
        self.assertEqual(set(found), {ONE, TWO, THREE})
        for guid in found:
            self.assertEqual(found[guid], samples_expected(guid))
        self.assertLessEqual(before.items(), files(directory).items())

    def test_killed(self) -> None:
        """
        What a killed process left is complete: row groups, and journals for the rest.
        """
        self.check("killed")

    def test_closed(self) -> None:
        """
        What a stopped process left is complete.
        """
        self.check("closed")

    def test_what_is_in_it(self) -> None:
        """
        The databases have what the tests are about.
        """
        samples = samples_expected(ONE)
        kept = [flags for rows in samples.values() for _, flags in rows.values()]
        self.assertEqual(set(kept), {0, 1, 2, 4, 5})
        self.assertIn("inf", [value for value, _ in samples["system.cpu", "user"].values()])
        directory = self.unpacked("closed")
        with closing(sqlite3.connect(directory / "metrics.sqlite")) as db:
            self.assertEqual(db.execute("PRAGMA user_version").fetchone(), (1,))
            self.assertGreater(db.execute("SELECT count(*) FROM row_group").fetchone()[0], 5)
        kinds = [kind for path in (directory / "journal").iterdir() for kind, _ in Journal(path.read_bytes()).records()]
        self.assertEqual(set(kinds), set(Kind))

    def test_definitions(self) -> None:
        """
        Nodes have their record, their retention and their charts.
        """
        for node in read(self.unpacked("closed"), []):
            expected = EXPECTED[node.guid]
            self.assertEqual(node.record and json.loads(node.record), expected["record"])
            self.assertEqual(node.retention, expected["retention"])
            charts = {metadata.chart_of(text).id: json.loads(text) for text in node.charts}
            self.assertEqual(charts, expected["charts"])
            if node.record:
                self.assertEqual(metadata.host_of(node.record).info.guid, node.guid)

    def test_nothing(self) -> None:
        """
        A directory without such a database is none, and is as good as empty.
        """
        directory = Path(self.mktemp())
        self.assertFalse(is_version1(directory))
        directory.mkdir()
        (directory / "catalog.sqlite").write_bytes(b"")
        self.assertFalse(is_version1(directory))

    def test_old_journal(self) -> None:
        """
        A journal whose samples are in row groups is left out.
        """
        directory = self.unpacked("closed")
        newest = next((directory / "journal").glob(f"{ONE}.*"))
        newest.with_name(f"{ONE}.0").write_bytes(next((directory / "journal").glob(f"{THREE}.*")).read_bytes())
        found, _ = self.samples(directory)
        self.assertEqual(found[ONE], samples_expected(ONE))

    def test_damaged_row_group(self) -> None:
        """
        A damaged row group costs itself or a column, and is reported.
        """
        directory = self.unpacked("closed")
        with closing(sqlite3.connect(directory / "metrics.sqlite")) as db, db:
            rows = db.execute("SELECT sequence, data FROM row_group ORDER BY length(data) DESC LIMIT 3").fetchall()
            (first, whole), (second, other), (third, _) = rows
            hurt = bytearray(other)
            hurt[-5] ^= 1
            db.execute("UPDATE row_group SET data = ? WHERE sequence = ?", (whole[:50], first))
            db.execute("UPDATE row_group SET data = ? WHERE sequence = ?", (bytes(hurt), second))
            db.execute("UPDATE row_group SET data = 12345678901 WHERE sequence = ?", (third,))
        found, damage = self.samples(directory)
        self.assertEqual(len(damage), 3)
        for sentence in (f"row group {first} ", "1 columns are damaged", "a wrong type"):
            self.assertIn(sentence, "\n".join(damage))
        self.assertEqual(found[THREE], samples_expected(THREE))
        self.assert_part(found[ONE], samples_expected(ONE))

    def assert_part(self, found: Found, expected: Found) -> None:
        """
        Much is there.
        """
        for key, rows in expected.items():
            there = found.get(key, {})
            self.assertLess(len(rows) - len(there), 150)

    def test_damaged_catalog(self) -> None:
        """
        Wherever the catalog is damaged, all of the journals is there, and nothing wrong is said.
        """
        original = self.unpacked("closed")
        data = (original / "metrics.sqlite").read_bytes()
        journals = self.unpacked("closed")
        (journals / "metrics.sqlite").unlink()
        unsealed, damage = self.samples(journals)
        self.assertEqual(len(damage), 1)
        self.assertEqual(set(unsealed), {ONE, TWO, THREE})
        for at in range(0, len(data), 4096):
            hurt = bytearray(data)
            hurt[at : at + 4096] = os.urandom(4096)
            (original / "metrics.sqlite").write_bytes(hurt)
            found, damage = self.samples(original)
            self.assertEqual(found[THREE], samples_expected(THREE))
            for key, rows in unsealed[ONE].items():
                self.assertLessEqual(rows.items(), found[ONE][key].items())
            if any(found.get(guid) != samples_expected(guid) for guid in EXPECTED):
                self.assertTrue(damage, at)
        (original / "metrics.sqlite").write_bytes(b"")
        self.assertEqual(self.samples(original)[0], unsealed)


class DamageTests(SynchronousTestCase):
    """
    Bits that flipped anywhere in what the old program wrote.
    """

    def setUp(self) -> None:
        self.directory = Path(self.mktemp())
        with tarfile.open(FIXTURES / "closed.tar.xz") as archive:
            archive.extractall(self.directory, filter="data")

    def test_row_group(self) -> None:
        """
        One costs a column or the row group; it never shows as a value.
        """
        with closing(sqlite3.connect(self.directory / "metrics.sqlite")) as db:
            [(data,)] = db.execute("SELECT data FROM row_group ORDER BY length(data) DESC LIMIT 1")

        def columns(data: bytes) -> tuple[dict[int, list[object]], int]:
            group = RowGroup(data)
            found: dict[int, list[object]] = {}
            for piece in group.samples(range(100)):
                values = zip(piece.time.tolist(), piece.value.tolist(), piece.flags.tolist(), strict=True)
                for number, sample in zip(piece.number.tolist(), values, strict=True):
                    found.setdefault(number, []).append(repr(sample))
            return found, group.damaged

        whole, damaged = columns(data)
        self.assertEqual(damaged, 0)
        self.assertGreater(len(whole), 1)
        for at in range(len(data)):
            hurt = bytearray(data)
            hurt[at] ^= 1 << at % 8
            try:
                found, damaged = columns(bytes(hurt))
            except ValueError:
                continue
            self.assertEqual(damaged, 1, at)
            self.assertEqual(len(found), len(whole) - 1)
            self.assertLessEqual(found.items(), whole.items())
        for cut in range(len(data)):
            try:
                found, damaged = columns(data[:cut])
            except ValueError:
                continue
            self.assertGreater(damaged, 0)

    def test_journal(self) -> None:
        """
        One costs a record, and what is cut off costs what is cut off.
        """
        path = next((self.directory / "journal").glob(f"{ONE}.*"))
        data = path.read_bytes()

        def records(data: bytes) -> tuple[list[bytes], int]:
            journal = Journal(data)
            bodies = [body for _, body in journal.records()]
            return bodies, journal.damaged

        whole, damaged = records(data)
        self.assertEqual(damaged, 0)
        self.assertGreater(len(whole), 10)
        for at in range(len(data)):
            hurt = bytearray(data)
            hurt[at] ^= 1 << at % 8
            found, _ = records(bytes(hurt))
            self.assertEqual(len(found), len(whole) - 1)
            self.assertTrue(set(found) < set(whole))
        for cut in range(len(data)):
            found, damaged = records(data[:cut])
            self.assertEqual((found, damaged), (whole[: len(found)], 0))

    def test_odd_records(self) -> None:
        """
        Records that make no sense although they are whole are an error that says so.
        """
        for body in (b"", b"\0\0\0\0", b"\xff\xff\xff\xff", b"\1\0\0\0 this is not zstandard"):
            with self.assertRaises(ValueError):
                if not len(samples_of(body).time):
                    raise ValueError
        for body in (b"", b"[[1]]", b"7", b'[["x", "y", "z"]]'):
            with self.assertRaises(ValueError):
                series_of(body)
