"""
The formats on disk are as C{docs/storage.md} says: a reader that was written
after that page, with nothing of the engine, finds every sample.
"""

from __future__ import annotations

import json
import sqlite3
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
from pcodec.standalone import simple_decompress
from twisted.trial.unittest import SynchronousTestCase
from zstandard import ZstdDecompressor

from netstream.db.rowgroups import encode
from netstream.kernel import clocks
from tests.db.dbengine.test_version2 import make, unpacked
from tests.db.test_counters import host as made
from tests.db.test_rowgroups import START, group_of

Samples = dict[tuple[int, int], dict[int, tuple[float, int]]]
"""By host and series, then by second: value and flags."""


def records(path: Path) -> Iterator[tuple[int, int, int, int, int, bytes]]:
    """
    @return: Sequence, kind, host, first second, step and payload of each
        record of a segment file.
    """
    data, at = path.read_bytes(), 0
    while at < len(data):
        head = data[at : at + 64]
        magic, version, kind, _, crc, length, sequence, host, step, first, _, _, _, check = struct.unpack(
            "<4sBBHIIQIIqqIQI", head
        )
        assert magic == b"NSR\x02" and version == 1 and check == crc32(head[:60])
        payload = data[at + 64 : at + 64 + length]
        assert crc32(payload) == crc
        yield sequence, kind, host, first, step, payload
        at += 64 + length + -length % 8


def grown(body: bytes, lates: Any, step: int, there: Any) -> list[float]:
    """
    @return: Values of a column that is stored by its growth.
    """
    multiplier, divisor, exceptions, _ = struct.unpack_from("<iIHH", body)
    rows = struct.unpack_from(f"<{exceptions}H", body, 12)
    raw = struct.unpack_from(f"<{exceptions}d", body, 12 + 2 * exceptions)
    growth = simple_decompress(body[12 + 10 * exceptions :]).tolist()
    values, rest = [], 0.0
    for row, grown in zip(np.flatnonzero(there).tolist(), growth, strict=True):
        before, after = int(lates[row]), int(lates[row + 1])
        left = step * 1_000_000 - before
        share = float(left) / float(left + after) if 0 <= before < step * 1_000_000 and after >= 0 else 1.0
        calculated = float(grown) * multiplier / divisor + 0.0
        part = calculated * share
        values.append((part + rest) / step)
        rest = calculated - part
    for row, value in zip(rows, raw, strict=True):
        values[row] = value
    return values


def columns(group: bytes) -> Iterator[tuple[int, int, list[int], list[float], list[int]]]:
    """
    @return: Field, number, and seconds, values and flags of what was written,
        of each column of a row group.
    """
    magic, version, rows, start, step, _ = struct.unpack_from("<4sHHqIQ", group)
    *counts, patterns, at, length, check = struct.unpack_from("<10I", group, 28)
    assert magic == b"NSG2" and version in (2, 3) and length == len(group)
    assert check == crc32(group[at:], crc32(group[:64]))
    total = sum(counts)
    numbers = struct.unpack_from(f"<{total}I", group, at)
    kinds = struct.unpack_from(f"<{total}I", group, at + 4 * total)
    contents = [group[at + 8 * total + 8 * i : at + 8 * total + 8 * i + 8] for i in range(total)]
    places = [group[at + 16 * total + 8 * i : at + 16 * total + 8 * i + 8] for i in range(patterns)]

    def body(place: bytes) -> bytes:
        offset, size = struct.unpack("<II", place)
        found = group[offset : offset + size]
        assert struct.unpack_from("<I", group, offset + size)[0] == crc32(found)
        return found

    fields = [field for field, count in enumerate(counts) for _ in range(count)]
    for field, number, kind, content in zip(fields, numbers, kinds, contents, strict=True):
        states = np.zeros(rows, np.uint8)
        pattern, shared = (kind >> 8 & 4095, kind >> 20) if kind & 255 >= 6 else (kind >> 8, 0)
        if pattern:
            states = np.frombuffer(ZstdDecompressor().decompress(body(places[pattern - 1])), np.uint8)
        there = (states != 8) & (states & 4 == 0)
        values = np.full(rows, np.nan)
        if kind & 255 == 0:
            values[there] = struct.unpack("<d", content)[0]
        elif kind & 255 <= 3:
            values[there] = simple_decompress(body(content))
        elif kind & 255 == 6:
            values[there] = grown(body(content), simple_decompress(body(places[shared - 1])), step, there)
        elif kind & 255 == 7:
            totals = simple_decompress(body(places[shared - 1]))
            values[there] = 100.0 * simple_decompress(body(content)) / totals[there]
        else:
            values[there] = np.frombuffer(
                ZstdDecompressor().decompress(body(content)), {4: "<f8", 5: "<f4"}[kind & 255]
            )
        written = np.flatnonzero(states != 8)
        yield field, number, (start + step * written).tolist(), values[written].tolist(), states[written].tolist()


def stored(directory: Path) -> Samples:
    """
    @return: What the files of a tier have.
    """
    found: Samples = {}
    every = sorted(record for path in directory.glob("*.seg") for record in records(path))
    newest = {(host, first, step): sequence for sequence, kind, host, first, step, _ in every if kind == 1}
    for sequence, kind, host, first, step, payload in every:
        if kind == 1 and newest[host, first, step] == sequence:
            for field, number, seconds, values, flags in columns(payload):
                if field == 0:
                    cells = zip(seconds, zip(values, flags, strict=True), strict=True)
                    found.setdefault((host, number), {}).update(cells)
    return found


def page(path: Path) -> Samples:
    """
    @return: What a hot page has.
    """
    data = path.read_bytes()
    magic, version, rows, width, step, _, start, check = struct.unpack_from("<4s5IqI", data)
    assert magic == b"NSHP" and (version, rows) == (1, 900) and check == crc32(data[:32])
    directory = np.frombuffer(data, "<u4", 2 * width, 4096).reshape(width, 2)
    at = 4096 + -(-8 * width // 4096) * 4096
    cells = np.frombuffer(data, "<u8", rows * width, at).reshape(rows, width)
    flags = np.frombuffer(data, "u1", rows * width, at + 7200 * width).reshape(rows, width)
    found: Samples = {}
    for column, (host, series) in enumerate(directory.tolist()):
        written = np.flatnonzero(cells[:, column])
        if host and series and len(written):
            bits = cells[written, column] ^ np.uint64(0xFFF800004E530001)
            values = np.where(bits == 0xFFF800004E530002, np.nan, bits.view(np.float64))
            pairs = zip(values.tolist(), flags[written, column].tolist(), strict=True)
            found[host, series - 1] = dict(zip((start + step * written).tolist(), pairs, strict=True))
    return found


class FormatTests(SynchronousTestCase):
    """
    The reader of this page, on the databases of version 2, and on a row group
    of version 3.
    """

    def read(self, name: str) -> Samples:
        directory = unpacked(self, name)
        found = stored(directory / "tier0")
        for path in sorted((directory / "hot").iterdir()):
            for key, cells in page(path).items():
                found.setdefault(key, {}).update(cells)
        names: dict[tuple[int, int], tuple[str, str, str]] = {}
        db = sqlite3.connect(directory / "catalog.sqlite")
        guids = dict(db.execute("SELECT id, guid FROM node"))
        self.assertEqual(db.execute("PRAGMA user_version").fetchone(), (2,))
        for host, chart, series in db.execute("SELECT node, id, series FROM chart WHERE series NOT NULL"):
            for dimension, number in json.loads(series[8:]).items():
                names[host, number] = (guids[host], chart.decode(), dimension)
        db.close()
        for path in sorted((directory / "names").iterdir()):
            data, at = path.read_bytes(), 0
            while at < len(data):
                magic, length, crc = struct.unpack_from("<4sII", data, at)
                body = data[at + 12 : at + 12 + length]
                self.assertEqual((magic, crc), (b"NSNL", crc32(body)))
                record = json.loads(body)
                for number, chart, dimension in record["series"]:
                    names[record["id"], number] = (record["guid"], chart, dimension)
                at += 12 + length
        return {names[key]: cells for key, cells in found.items()}  # type: ignore[misc]

    def test_every_sample(self) -> None:
        """
        Of each series it finds each sample and each gap, and its flags.
        """
        for archive in ("killed", "closed"):
            found = self.read(archive)
            self.assertEqual(len(found), sum(map(len, make.NODES.values())))
            for guid, keys in make.NODES.items():
                for key in keys:
                    times, values, flags = make.samples(key)
                    cells = found[(guid, *key)]  # type: ignore[index]
                    self.assertEqual(sorted(cells), times.tolist())
                    for second, value, flag in zip(times.tolist(), values.tolist(), flags.tolist(), strict=True):
                        got, mark = cells[second]
                        self.assertTrue((got == value or value != value != got) and mark == flag, (key, second))

    def test_counters(self) -> None:
        """
        In a row group with counters, too, it finds what the engine does.
        """
        self.patch(clocks, "COMPILED", True)
        cells = made()
        cells[5] = np.where(np.arange(300) == 9, np.nan, cells[5])
        data = bytes(encode(group_of(cells)))
        found = list(columns(data))
        self.assertEqual([number for _, number, *_ in found], list(cells))
        for (_, _, seconds, values, _), expected in zip(found, cells.values(), strict=True):
            there = ~np.isnan(expected)
            self.assertEqual(seconds, (START + np.flatnonzero(there)).tolist())
            self.assertEqual(values, expected[there].tolist())

    def test_tiers(self) -> None:
        """
        Rows of the tiers are sums of the samples, five fields each.
        """
        directory = unpacked(self, "closed")
        times, values, _ = make.samples(make.OUTSIDE)
        for tier, step in ((1, 60), (2, 3600)):
            fields: dict[int, dict[int, float]] = {}
            for path in (directory / f"tier{tier}").glob("*.seg"):
                for _, kind, host, _, _, payload in records(path):
                    if kind == 1 and host == 2:
                        for field, _, seconds, cells, _ in columns(payload):
                            fields.setdefault(field, {}).update(zip(seconds, cells, strict=True))
            self.assertEqual(set(fields), {1, 2, 3, 4, 5})
            self.assertGreater(len(fields[4]), 250)
            for second in sorted(fields[4])[::50]:
                inside = values[(times > second - step) & (times <= second)]
                self.assertAlmostEqual(fields[1][second], inside.sum())
                found = [fields[field][second] for field in (2, 3, 4, 5)]
                self.assertEqual(found, [inside.min(), inside.max(), len(inside), 0])
