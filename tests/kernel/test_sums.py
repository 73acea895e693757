"""
Sums and counts of a stretch of time: the compiled kernel and the plain one
make the same of the same samples, to the bit.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.kernel import installed, plain

settings.register_profile("sums", max_examples=200, deadline=None, database=None, derandomize=True)

SIZE = 4
SAMPLES = st.lists(
    st.tuples(
        st.integers(0, SIZE - 1), st.integers(0, 12), st.floats(width=32, allow_infinity=False), st.integers(0, 7)
    ),
    max_size=20,
)


def batch(samples: list[tuple[int, int, float, int]]) -> tuple[Any, ...]:
    """
    @return: The columns of samples.
    """
    kinds = (np.int32, np.int64, np.float64, np.uint8)
    rows = list(zip(*samples, strict=True)) or [()] * 4
    return tuple(np.array(column, kind) for column, kind in zip(rows, kinds, strict=True))


class SumsTests(SynchronousTestCase):
    """
    Each test runs with the kernel that is installed; a subclass names the
    other.
    """

    kernel: ModuleType = installed

    def test_stretch(self) -> None:
        """
        What is within the stretch counts, and gaps do not; what is earlier or
        later waits.
        """
        sums, counts = np.zeros(SIZE), np.zeros(SIZE, np.int64)
        columns = batch([(0, 11, 1.0, 0), (1, 20, 2.0, 1), (1, 15, 9.0, 4), (2, 21, 5.0, 0), (3, 20, 1.0, 0)])
        self.assertEqual(self.kernel.gather(sums, counts, *columns, 0, 10, 20), 3)
        self.assertEqual((sums.tolist(), counts.tolist()), ([1, 2, 0, 0], [1, 1, 0, 0]))
        self.assertEqual(self.kernel.gather(sums, counts, *columns, 3, 20, 30), 4)
        self.assertEqual(self.kernel.gather(sums, counts, *columns, 5, 20, 30), 5)
        self.assertEqual(sums.tolist(), [1, 2, 5, 0])

    def test_bounds(self) -> None:
        """
        Columns that do not fit are an error, and nothing is written elsewhere.
        """
        for series in (-1, SIZE):
            with self.assertRaises(ValueError):
                self.kernel.gather(np.zeros(SIZE), np.zeros(SIZE, np.int64), *batch([(series, 10, 1.0, 0)]), 0, 0, 10)
        with self.assertRaises(ValueError):
            self.kernel.gather(np.zeros(SIZE), np.zeros(SIZE - 1, np.int64), *batch([]), 0, 0, 10)
        with self.assertRaises(ValueError):
            self.kernel.gather(np.zeros(SIZE), np.zeros(SIZE, np.int64), *batch([]), -1, 0, 10)
        for short in range(4):
            columns = [column[: int(at != short)] for at, column in enumerate(batch([(0, 1, 1.0, 0)]))]
            with self.assertRaises(ValueError):
                self.kernel.gather(np.zeros(SIZE), np.zeros(SIZE, np.int64), *columns, 0, 0, 10)


class PlainSumsTests(SumsTests):
    """
    The same in plain Python.
    """

    kernel = plain


class SameTests(SynchronousTestCase):
    """
    Both kernels.
    """

    @settings(settings.get_profile("sums"))
    @given(SAMPLES, st.integers(0, 22), st.integers(0, 12), st.integers(0, 12))
    def test_same(self, samples: Any, start: int, after: int, before: int) -> None:
        """
        Whether there is a compiler makes no difference to what is sent.
        """
        found = []
        for kernel in (installed, plain):
            sums, counts = np.zeros(SIZE), np.zeros(SIZE, np.int64)
            end = kernel.gather(sums, counts, *batch(samples), start, after, before)
            found.append((end, sums.tobytes(), counts.tobytes()))
        self.assertEqual(*found)
