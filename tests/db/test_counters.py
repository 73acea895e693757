"""
Counters that were collected together, in row groups: they come back to the
bit, and take little room.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest import mock
from zlib import crc32

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from netstream.db import counters, encoded
from netstream.db.groups import Field, Group, Part
from netstream.db.rowgroups import RowGroup, encode, rewritten, sealed
from netstream.kernel.cells import ABSENT
from netstream.model.samples import ANOMALOUS, EMPTY, RESET
from tests.db.test_rowgroups import START, RowGroupTestCase, forged, group_of
from tests.kernel import installed, plain
from tests.kernel.test_clocks import collected

settings.register_profile("counters", max_examples=40, deadline=None, database=None, derandomize=True)
PROFILE = settings.get_profile("counters")

VALUES = st.one_of(st.sampled_from((0.0, -0.0, 1.0, 5e-324, 1e300)), st.floats(allow_nan=False, allow_infinity=False))


def host(seed: int = 1, rows: int = 300) -> dict[int, Any]:
    """
    @return: Columns of a host, most of them counters.
    """
    columns: dict[int, Any] = {}
    rng = np.random.default_rng(seed)
    for first, scale in ((0, (1, 1)), (20, (-8, 1000))):
        # The same seed is the same clock.
        values, _, _ = collected(installed, np.random.default_rng(seed), rows, scale=scale)
        columns.update(enumerate(values[::-1] if first else values, first))
    columns[50] = rng.normal(size=rows)
    columns[51] = rng.integers(0, 9, rows).astype(float)
    return columns


class CountersTests(RowGroupTestCase):
    """
    What is stored of counters.
    """

    def setUp(self) -> None:
        # They are stored so where there is a compiler; that they can be is the same everywhere.
        self.patch(installed.clocks, "COMPILED", True)

    def test_small(self) -> None:
        """
        Counters of a host come back exactly, also rounded to float32 ones,
        and take a third of the room.
        """
        group = group_of(host(rows=900))
        with mock.patch.object(counters.clocks, "COMPILED", False):
            before = encode(group)
        self.assertNotIn(encoded.GROWTH, self.kinds(before))
        for single in (False, True):
            data = encode(group, single=single)
            self.assertGreater(self.kinds(data).count(encoded.GROWTH), 10)
            self.assertLess(len(data), len(before) / 2)
            values, _, _ = self.whole(data).read(range(10))
            np.testing.assert_array_equal(values.T, group.parts[Field.VALUE].values[:10])
        self.assert_same(self.whole(encode(group)).group(), group)

    def test_page(self) -> None:
        """
        Of a hot page the same is made.
        """
        columns = host()
        cells = np.array(list(columns.values())).T.copy().view(np.uint64) ^ np.uint64(ABSENT)
        flags = np.zeros(cells.shape, np.uint8)
        self.assertEqual(sealed(START, 1, np.array(list(columns)), cells, flags), encode(group_of(columns)))

    def test_flags(self) -> None:
        """
        Anomalous samples, resets and gaps do not keep a column from being
        stored so.
        """
        columns, flags = host(), {}
        rng = np.random.default_rng(2)
        for number in (6, 7):
            gaps = rng.random(300) < 0.005
            columns[number] = np.where(gaps, np.nan, columns[number])
            flags[number] = np.where(
                gaps, np.where(rng.random(300) < 0.5, EMPTY, 0), rng.choice([0, ANOMALOUS, RESET], 300)
            )
        group = group_of(columns, flags)
        data = encode(group)
        self.assertEqual(self.kinds(data)[6:8], [encoded.GROWTH] * 2)
        self.assert_same(self.whole(data).group(), group)

    @settings(PROFILE)
    @given(st.integers(0, 2**32), st.lists(st.tuples(st.integers(0, 9), st.integers(0, 99), VALUES), max_size=40))
    def test_any(self, seed: int, changes: list[tuple[int, int, float]]) -> None:
        """
        Whatever stands among the values of counters comes back, whether or
        not there is a compiler where it is read.
        """
        columns = host(seed, 100)
        for number, row, value in changes:
            columns[number][row] = value
        group = group_of(columns)
        data = encode(group)
        self.assert_same(self.whole(data).group(), group)
        with mock.patch.object(counters, "clocks", plain.clocks):
            self.assert_same(self.whole(data).group(), group)

    def test_plain(self) -> None:
        """
        The kernel in plain Python stores the same bytes, if it is told to.
        """
        group = group_of(host(3, 120))
        self.patch(plain.clocks, "COMPILED", True)
        expected = encode(group)
        with mock.patch.object(counters, "clocks", plain.clocks):
            self.assertEqual(encode(group), expected)

    def test_version(self) -> None:
        """
        A row group without counters can be read by older versions still; one
        with counters is refused by them.
        """
        self.assertEqual(encode(group_of({1: host()[50]}))[4], 2)
        self.assertEqual(encode(group_of(host()))[4], 3)

    def test_rewritten(self) -> None:
        """
        Where a few samples change the other columns are copied, whatever they
        share.
        """
        columns = host()
        columns[30] = columns[7]
        flags = {7: np.where(np.arange(300) == 5, RESET, 0), 8: np.where(np.arange(300) == 6, RESET, 0)}
        older = RowGroup(encode(group_of(columns, flags)))
        newer = Group(START, 1, 300, {Field.VALUE: Part(np.array([3, 8], np.uint32), np.full((2, 300), np.nan))})
        newer.parts[Field.VALUE].values[:, 17] = 3.5, 4.5
        data = rewritten(older, newer)
        columns[3] = np.where(np.arange(300) == 17, 3.5, columns[3])
        columns[8] = np.where(np.arange(300) == 17, 4.5, columns[8])
        self.assert_same(self.whole(data).group(), group_of(columns, flags))
        self.assertGreater(self.kinds(data).count(encoded.GROWTH), 10)

    def test_shared(self) -> None:
        """
        Columns that are the same are stored once, and once in what is copied
        from it; those that differ in their flags are not.
        """
        columns = {number: np.random.default_rng(4).normal(size=300) for number in range(20)}
        group = group_of(columns, {19: np.where(np.arange(300) == 3, ANOMALOUS, 0)})
        data = encode(group)
        self.assertLess(len(data), 2 * 2400 + 1000)
        self.assert_same(self.whole(data).group(), group)
        newer = group_of({30: np.arange(300.0)})
        again = rewritten(RowGroup(data), newer)
        self.assertLess(len(again), len(data) + 1000)
        self.assertEqual((data[4], again[4]), (3, 3))
        self.assertEqual(len(self.whole(again).group().parts[Field.VALUE].numbers), 21)

    def damaged(self, change: Callable[[RowGroup, bytearray], None]) -> None:
        """
        Change a row group, and see that what cannot be read is said, and that
        the rest is as it was.
        """
        data = encode(group_of(host()))
        hurt = bytearray(data)
        change(RowGroup(data), hurt)
        values, _, damaged = RowGroup(hurt).read(list(host()))
        self.assertGreater(damaged, 0)
        self.assertEqual(len(RowGroup(hurt).check()), damaged)
        for column, expected in zip(values.T, host().values(), strict=True):
            if not np.isnan(column).all():
                np.testing.assert_array_equal(column, expected)

    def body(self, group: RowGroup, number: int) -> tuple[int, int]:
        """
        @return: Where the body of a column begins and ends.
        """
        place = int(group.directory_content[number])
        return place & 0xFFFFFFFF, (place & 0xFFFFFFFF) + (place >> 32)

    def test_clock_damaged(self) -> None:
        """
        A damaged clock costs the counters that were collected by it.
        """

        def clock(group: RowGroup, hurt: bytearray) -> None:
            hurt[group.pattern_place(int(group.directory_kinds[9]) >> 20) & 0xFFFFFFFF] ^= 1

        self.damaged(clock)

    def test_no_clock(self) -> None:
        """
        So does one that is not there.
        """
        for word in (encoded.GROWTH, encoded.GROWTH | 7 << 20):

            def clock(group: RowGroup, hurt: bytearray, word: int = word) -> None:
                at = encoded.HEADER.unpack_from(hurt)[-2] + 4 * len(group.directory_kinds)
                hurt[at + 36 : at + 40] = word.to_bytes(4, "little")
                hurt[:] = forged(hurt)

            self.damaged(clock)

    def test_forged(self) -> None:
        """
        Bodies that someone made up, checksums included, cost their column at
        most.
        """
        data = encode(group_of(host(rows=100)))
        group = RowGroup(data)
        rng = np.random.default_rng(5)
        for _ in range(1500):
            hurt = bytearray(data)
            begin, end = self.body(group, int(rng.choice([8, 9])))
            for _ in range(rng.integers(1, 4)):
                hurt[rng.integers(begin, min(end, begin + 40))] = rng.integers(0, 256)
            hurt[end : end + 4] = encoded.CRC.pack(crc32(hurt[begin:end]))
            values, _, damaged = RowGroup(hurt).read(list(host(rows=100)))
            self.assertEqual(values.shape[0], 100)
            self.assertIn(damaged, (0, 1))
            self.assertFalse(np.isinf(values).any())

    def test_bodies(self) -> None:
        """
        A body that does not have what it says is refused.
        """
        clock = counters.Clock(np.full(61, 1000), 1)
        values = np.empty(60)
        packed = clock.packed(np.full(60, 0.999) * 7, None)
        assert packed is not None
        body = packed[0]
        counters.unpack(body, clock, None, values)
        for wrong in (b"", body[:11], body[:14], body[:-1], b"\0" * 8 + body[8:], body[:8] + b"\xff\xff" + body[10:]):
            self.assertRaises(ValueError, counters.unpack, wrong, clock, None, values)
        self.assertRaises(ValueError, counters.unpack, body, clock, None, np.empty(59))
        self.assertRaises(ValueError, counters.clock_of, clock.stored(), 59, 1)
        self.assertEqual(counters.clock_of(clock.stored(), 60, 1).lates.tolist(), [1000] * 61)
