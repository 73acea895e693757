"""
Percentages of the same totals, in row groups: they come back to the bit, and
take little room.
"""

from __future__ import annotations

from typing import Any
from unittest import mock
from zlib import crc32

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from netstream.db import encoded, percentages
from netstream.db.groups import Field, Group, Part
from netstream.db.rowgroups import RowGroup, encode, rewritten
from netstream.model.samples import ANOMALOUS, RESET
from tests.db.test_rowgroups import START, RowGroupTestCase, group_of
from tests.kernel import installed, plain

settings.register_profile("percentages", max_examples=60, deadline=None, database=None, derandomize=True)


def shares(seed: int, rows: int = 300, width: int = 5, size: int = 200) -> Any:
    """
    @return: Percentages of shape (width, rows), as the processor's.
    """
    rng = np.random.default_rng(seed)
    parts = rng.poisson(rng.random((width, 1)) * size / width * 2, (width, rows)).astype(float)
    parts[0] += 1
    return 100.0 * parts / parts.sum(axis=0)


class PercentagesTests(RowGroupTestCase):
    """
    What is stored of percentages.
    """

    def setUp(self) -> None:
        self.patch(installed.portions, "COMPILED", True)

    def test_small(self) -> None:
        """
        Those of two charts come back exactly, flags too, each with the totals
        of its own, in a third of the room; other columns are as before.
        """
        columns = dict(enumerate([*shares(1), *shares(2), *np.random.default_rng(3).random((3, 300)) * 100]))
        flags = {3: np.where(np.arange(300) == 5, ANOMALOUS, 0)}
        group = group_of(columns, flags)
        data = encode(group)
        self.assertEqual(self.kinds(data)[:10], [encoded.PERCENT] * 10)
        self.assertNotIn(encoded.PERCENT, self.kinds(data)[10:])
        self.assertEqual(len({int(kind) >> 20 for kind in RowGroup(data).directory_kinds[:10]}), 2)
        self.assert_same(self.whole(data).group(), group)
        self.assert_same(
            self.whole(encode(group_of(dict(list(columns.items())[:10])), single=True)).group(),
            group_of(dict(list(columns.items())[:10])),
        )
        with mock.patch.object(percentages.portions, "COMPILED", False):
            self.assertLess(len(data) - 7200, (len(encode(group)) - 7200) / 2)
        self.assertEqual(data[4], 3)

    def test_fixed(self) -> None:
        """
        Parts of a fixed whole are not stored so.
        """
        columns = dict(enumerate(np.random.default_rng(3).integers(0, 9999, (3, 300)) / 100))
        self.assertNotIn(encoded.PERCENT, self.kinds(encode(group_of(columns))))

    def test_rewritten(self) -> None:
        """
        Where samples of one change the others are copied.
        """
        columns = dict(enumerate(shares(4)))
        older = RowGroup(encode(group_of(columns, {2: np.where(np.arange(300) == 7, RESET, 0)})))
        values = np.full((1, 300), np.nan)
        values[0, 9] = 12.5
        data = rewritten(older, Group(START, 1, 300, {Field.VALUE: Part(np.array([1], np.uint32), values)}))
        columns[1] = np.where(np.arange(300) == 9, 12.5, columns[1])
        expected = group_of(columns, {2: np.where(np.arange(300) == 7, RESET, 0)})
        self.assert_same(self.whole(data).group(), expected)
        self.assertGreater(self.kinds(data).count(encoded.PERCENT), 3)

    @settings(settings.get_profile("percentages"))
    @given(
        st.integers(0, 2**32),
        st.sampled_from([1, 7, 200, 6400, 40_000]),
        st.lists(
            st.tuples(
                st.integers(0, 4),
                st.integers(0, 79),
                st.sampled_from((0.0, -0.0, 100.0, 33.3, np.nan)) | st.floats(-1, 101),
            ),
            max_size=3,
        ),
    )
    def test_any(self, seed: int, size: int, changes: list[tuple[int, int, float]]) -> None:
        """
        Whatever stands among them comes back, with and without a compiler.
        """
        columns = dict(enumerate(shares(seed, 80, 5, size)))
        for number, row, value in changes:
            columns[number][row] = value
        group = group_of(columns)
        data = encode(group)
        self.assert_same(self.whole(data).group(), group)
        self.patch(plain.portions, "COMPILED", True)
        with mock.patch.object(percentages, "portions", plain.portions):
            self.assertEqual(encode(group), data)

    def test_damaged(self) -> None:
        """
        Damaged totals cost the columns that are parts of them, and totals or
        parts that someone made up are no more than wrong values.
        """
        data = encode(group_of(dict(enumerate([*shares(5), *shares(6)]))))
        group = RowGroup(data)
        totals = group.pattern_place(int(group.directory_kinds[0]) >> 20)
        for place, lost in ((totals, 5), (int(group.directory_content[0]), 1)):
            begin, end = place & 0xFFFFFFFF, (place & 0xFFFFFFFF) + (place >> 32)
            hurt = bytearray(data)
            hurt[begin + 9] ^= 1
            self.assertEqual(RowGroup(hurt).read(range(10))[2], lost)
            self.assertEqual(len(RowGroup(hurt).check()), lost)
            rng = np.random.default_rng(6)
            for _ in range(500):
                hurt = bytearray(data)
                hurt[rng.integers(begin, end)] = rng.integers(0, 256)
                hurt[end : end + 4] = encoded.CRC.pack(crc32(hurt[begin:end]))
                values, _, damaged = RowGroup(hurt).read(range(10))
                self.assertIn(damaged, (0, lost))
                self.assertFalse(np.isinf(values).any())
