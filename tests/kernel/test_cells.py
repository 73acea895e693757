"""
Samples out of the cells of a hot page: the compiled kernel and the plain one
give the same, and that is what a query gives.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netstream.model.samples import ANOMALOUS, EMPTY, RESET
from tests.kernel import installed, plain

settings.register_profile("cells", max_examples=200, deadline=None, database=None, derandomize=True)

SIGN = 1 << 63
INFINITE = 0x7FF << 52
BITS = st.one_of(
    st.integers(0, 2**64 - 1),
    st.sampled_from((0, SIGN, INFINITE, SIGN | INFINITE, INFINITE | 1, SIGN | INFINITE | 1, (1 << 64) - 1)),
    st.sampled_from((installed.cells.ABSENT, installed.cells.GAP)),
)


def _loaded(kernel: ModuleType, cells: Any, marks: Any, columns: list[int]) -> tuple[Any, Any]:
    """
    @return: Values and flags.
    """
    values = np.full((len(cells), len(columns)), 7.0)
    flags = np.full(values.shape, 99, np.uint8)
    kernel.cells.load(cells, marks, np.array(columns, np.int32), values, flags)
    return values, flags


class LoadTests(SynchronousTestCase):
    """
    Each test runs with the kernel that is installed; a subclass names the
    other.
    """

    kernel: ModuleType = installed

    def test_load(self) -> None:
        """
        Cells that were not written and gaps are both empty; what is beside the
        page that is meant is not looked at.
        """
        bits = np.array([[1.5, -0.0, np.inf], [2.5, 0.5, -3.0]]).view(np.uint64)
        cells = np.zeros((4, 4), np.uint64)
        cells[1:3, :3] = bits ^ np.uint64(self.kernel.cells.ABSENT)
        cells[1, 3] = self.kernel.cells.ABSENT ^ self.kernel.cells.GAP
        marks = np.zeros((4, 4), np.uint8)
        marks[1, 2], marks[2, 0], marks[1, 3] = ANOMALOUS, RESET, ANOMALOUS
        values, flags = _loaded(self.kernel, cells[1:3], marks[1:3], [2, 0, 3, 1])
        np.testing.assert_array_equal(values, [[np.inf, 1.5, np.nan, 0.0], [-3.0, 2.5, np.nan, 0.5]])
        self.assertFalse(np.signbit(values[0, 3]))
        self.assertEqual(flags.tolist(), [[ANOMALOUS, 0, EMPTY, 0], [0, RESET, EMPTY, 0]])

    def test_wrong(self) -> None:
        """
        Nothing is read outside of the page.
        """
        cells, marks = np.zeros((2, 3), np.uint64), np.zeros((2, 3), np.uint8)
        for columns in ([3], [-1], [0, 1, 2**31 - 1]):
            with self.assertRaises(ValueError):
                _loaded(self.kernel, cells, marks, columns)
        one = np.zeros(1, np.int32)
        for shape, flags in (((1, 1), (2, 1)), ((2, 1), (2, 2)), ((2, 2), (2, 2))):
            with self.assertRaises(ValueError):
                self.kernel.cells.load(cells, marks, one, np.zeros(shape), np.zeros(flags, np.uint8))
        with self.assertRaises(ValueError):
            self.kernel.cells.load(cells, marks[:1], one, np.zeros((2, 1)), np.zeros((2, 1), np.uint8))


class PlainLoadTests(LoadTests):
    """
    The same with the plain kernel.
    """

    kernel = plain


class SameLoadTests(SynchronousTestCase):
    """
    Both kernels, held against each other.
    """

    @settings(settings.get_profile("cells"))
    @given(st.lists(st.tuples(BITS, st.integers(0, 255)), min_size=1, max_size=12))
    def test_same(self, said: list[tuple[int, int]]) -> None:
        """
        To the bit.
        """
        cells = np.array([[bits for bits, _ in said]], np.uint64)
        marks = np.array([[mark for _, mark in said]], np.uint8)
        columns = list(range(len(said)))[::-1]
        (values, flags), (others, marked) = (_loaded(each, cells, marks, columns) for each in (installed, plain))
        self.assertEqual(values.view(np.uint64).tolist(), others.view(np.uint64).tolist())
        self.assertEqual(flags.tolist(), marked.tolist())
