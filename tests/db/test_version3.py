"""
A row group that this version wrote, as a file: every later version reads it.
"""

from __future__ import annotations

import lzma
from pathlib import Path

import numpy as np
from twisted.trial.unittest import SynchronousTestCase

from netstream.db import encoded
from netstream.db.groups import Field
from netstream.db.rowgroups import RowGroup
from tests.db.test_formats import columns

FIXTURES = Path(__file__).parent / "fixtures" / "version3"
NUMBERS = [*range(10), 15, *range(20, 30), 50, 51, *range(60, 65)]


class Version3Tests(SynchronousTestCase):
    """
    Counters by their growth and percentages, with gaps, flags and shared bodies.
    """

    def setUp(self) -> None:
        self.data = lzma.decompress((FIXTURES / "group.xz").read_bytes())
        cells = lzma.decompress((FIXTURES / "cells.xz").read_bytes())
        size = len(NUMBERS) * 300
        self.values = np.frombuffer(cells, "<f8", size).reshape(-1, 300)
        self.flags = np.frombuffer(cells, np.uint8, size, 8 * size).reshape(-1, 300)

    def test_read(self) -> None:
        """
        Each sample, gap and flag is what was written, to the bit.
        """
        group = RowGroup(self.data)
        self.assertEqual(group.check(), [])
        self.assertEqual(group.numbers().tolist(), NUMBERS)
        self.assertEqual(np.count_nonzero(group.directory_kinds & 255 == encoded.GROWTH), 18)
        self.assertEqual(np.count_nonzero(group.directory_kinds & 255 == encoded.PERCENT), 5)
        part = group.group().parts[Field.VALUE]
        np.testing.assert_array_equal(part.values, self.values)
        np.testing.assert_array_equal(part.marks(), self.flags)

    def test_documented(self) -> None:
        """
        What the page on storage says is enough to read it.
        """
        found = list(columns(self.data))
        self.assertEqual([number for _, number, *_ in found], NUMBERS)
        for (_, _, _, values, flags), expected, marks in zip(found, self.values, self.flags, strict=True):
            np.testing.assert_array_equal(np.array(values), expected)
            self.assertEqual(flags, marks.tolist())
