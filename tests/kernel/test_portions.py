"""
Percentages: the totals that they are parts of are found, and make the same of
small integers again.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from twisted.trial.unittest import SynchronousTestCase

from tests.kernel import installed, plain

settings.register_profile("portions", max_examples=200, deadline=None, database=None, derandomize=True)


class PortionsTests(SynchronousTestCase):
    """
    Each test runs with the kernel that is installed; a subclass names the
    other.
    """

    kernel: ModuleType = installed

    def joined(self, values: Any, totals: Any = 1) -> tuple[int, list[int]]:
        """
        @return: The greatest total, and all.
        """
        column = np.array(values, float)
        more = np.zeros(len(column), np.int64)
        before = np.broadcast_to(np.array(totals, np.int64), column.shape).copy()
        return self.kernel.portions.joined(column, before, more), more.tolist()

    def test_least(self) -> None:
        """
        The total is the least that all columns agree with.
        """
        totals = np.array([197, 200, 199, 16384, 3, 100])
        found = self.joined(100.0 * np.array([1, 50, 199, 16383, 2, 0]) / totals)
        self.assertEqual(found, (16384, [197, 4, 1, 16384, 3, 1]))
        self.assertEqual(self.joined(100.0 * np.array([5, 3]) / [200, 9], [4, 6]), (40, [40, 6]))

    def test_none(self) -> None:
        """
        Other values are no percentages.
        """
        for value in (-1.0, 100.5, 0.1234567, np.pi, 5e-324, 100 / 16385):
            self.assertEqual(self.joined([50.0, value])[0], 0, value)
        self.assertEqual(self.joined([100 / 257], [256])[0], 0)
        self.assertEqual(self.joined([50.0], [0])[0], 0)

    def test_unequal(self) -> None:
        """
        Arrays that do not fit are an error.
        """
        for sizes in ((1, 2, 2), (2, 1, 2), (2, 2, 1)):
            values, totals, more = (np.ones(size) for size in sizes)
            call = (values, totals.astype(np.int64), more.astype(np.int64))
            self.assertRaises(ValueError, self.kernel.portions.joined, *call)


class PlainPortionsTests(PortionsTests):
    """
    The same in plain Python.
    """

    kernel = plain


class SameTests(SynchronousTestCase):
    """
    Both kernels.
    """

    @settings(settings.get_profile("portions"))
    @given(
        arrays(
            np.float64,
            6,
            elements=st.one_of(
                st.floats(allow_nan=False),
                st.tuples(st.integers(0, 300), st.integers(1, 40_000)).map(lambda it: 100.0 * it[0] / it[1]),
            ),
        ),
        arrays(np.int64, 6, elements=st.integers(-1, 2**63 - 1) | st.integers(1, 400)),
    )
    def test_same(self, values: Any, totals: Any) -> None:
        """
        Whether there is a compiler makes no difference.
        """
        found = []
        for kernel in (installed, plain):
            more = np.zeros(6, np.int64)
            greatest = kernel.portions.joined(values, totals, more)
            found.append((greatest, more.tolist() if greatest else None))
        self.assertEqual(*found)
