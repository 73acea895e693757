"""
The journal of a node: what is written comes back, and damage stays small.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from twisted.trial.unittest import SynchronousTestCase

from netstream.db import journal
from netstream.db.journal import Journal, Kind, Samples, replay


def made(count: int, start: int = 1_800_000_000) -> Samples:
    """
    @return: Samples that are all different.
    """
    rng = np.random.default_rng(count)
    return Samples(
        rng.integers(0, 1000, count).astype(np.int32),
        start + rng.integers(0, 100, count),
        rng.normal(size=count),
        rng.integers(0, 8, count).astype(np.uint8),
    )


class RecordTests(SynchronousTestCase):
    """
    Records carry what they were made of.
    """

    def check(self, columns: Samples) -> None:
        """
        Write samples and read them back.
        """
        records = replay(b"".join(journal.samples(columns)))
        self.assertEqual((records.damaged, records.torn), (0, 0))
        parts = [journal.samples_of(body) for _, body in records.records]
        found = sorted(
            (int(t), int(n), v, int(f))
            for part in parts
            for t, n, v, f in zip(part.time, part.number, part.value, part.flags, strict=True)
        )
        expected = sorted(
            (int(t), int(n), v, int(f))
            for t, n, v, f in zip(columns.time, columns.number, columns.value, columns.flags, strict=True)
        )
        self.assertEqual(found, expected)

    def test_samples(self) -> None:
        """
        Samples come back to the bit.
        """
        for count in (1, 2, 1000):
            self.check(made(count))

    def test_ages_apart(self) -> None:
        """
        Samples of any age go into one batch.
        """
        self.check(
            Samples(
                np.arange(4, dtype=np.int32),
                np.array([0, 1 << 40, 5, 1_800_000_000], np.int64),
                np.ones(4),
                np.zeros(4, np.uint8),
            )
        )

    def test_series(self) -> None:
        """
        Ids of series may hold anything that came over the wire.
        """
        keys = {0: ("a.b", "x y"), 7: ("\udcff", 'quote"'), 9: ("", "ü")}
        [(kind, body)] = replay(journal.series(keys)).records
        self.assertEqual((kind, journal.series_of(body)), (Kind.SERIES, keys))
        [(kind, body)] = replay(journal.forget("\udcff.x")).records
        self.assertEqual((kind, journal.forget_of(body)), (Kind.FORGET, "\udcff.x"))

    def test_cut_anywhere(self) -> None:
        """
        A file that ends too early gives all records that are whole.
        """
        parts = [journal.series({0: ("a", "b")}), *journal.samples(made(20)), journal.forget("c")]
        data = b"".join(parts)
        ends = np.cumsum([0, *(len(part) for part in parts)]).tolist()
        for cut in range(len(data) + 1):
            found = replay(data[:cut])
            whole = sum(end <= cut for end in ends) - 1
            self.assertEqual((len(found.records), found.good), (whole, ends[whole]))
            self.assertEqual((found.damaged, found.torn), (0, cut - ends[whole]))

    def test_flipped_anywhere(self) -> None:
        """
        A bit that flipped costs one record and no other.
        """
        parts = [journal.series({0: ("a", "b")}), *journal.samples(made(20)), journal.forget("c")]
        data = b"".join(parts)
        ends = np.cumsum([0, *(len(part) for part in parts)]).tolist()
        for at in range(len(data)):
            hurt = bytearray(data)
            hurt[at] ^= 1 << (at % 8)
            found = replay(bytes(hurt))
            place = sum(end <= at for end in ends) - 1
            left = [body for i, (_, body) in enumerate(replay(data).records) if i != place]
            self.assertEqual([body for _, body in found.records], left, at)

    def test_lies(self) -> None:
        """
        A record that tells of more than it holds is an error and takes no
        memory.
        """
        for body in (b"", b"\xff" * 12, b"\xff\xff\xff\xff" + b"\0" * 20, b"\x05\0\0\0" + b"\0" * 30):
            with self.assertRaises(ValueError):
                journal.samples_of(body)


class JournalTests(SynchronousTestCase):
    """
    L{Journal} appends to a file.
    """

    def test_append(self) -> None:
        """
        Writes follow one another, also after a restart, which cuts off what
        is not good.
        """
        path = Path(self.mktemp())
        file = Journal(path)
        file.write(b"one")
        file.write(b"two")
        file.close()
        self.assertEqual(path.read_bytes(), b"onetwo")
        file = Journal(path, 4)
        file.write(b"X")
        file.close()
        self.assertEqual(path.read_bytes(), b"onetX")
        file.remove()
        self.assertFalse(path.exists())

    def test_refused(self) -> None:
        """
        A write that the disk refuses leaves the file as it was.
        """
        path = Path(self.mktemp())
        file = Journal(path)
        file.write(b"good")
        real, calls = os.pwrite, []

        def full(descriptor: int, data: bytes, at: int) -> int:
            calls.append(at)
            if len(calls) > 1:
                raise OSError(28, "No space left on device")
            return real(descriptor, data[:2], at)

        self.patch(os, "pwrite", full)
        with self.assertRaises(OSError):
            file.write(b"lost")
        self.assertEqual(path.read_bytes(), b"good")
        self.patch(os, "pwrite", real)
        file.write(b" again")
        file.close()
        self.assertEqual(path.read_bytes(), b"good again")
