"""
The newest samples: the compiled kernel and the plain one keep the same of
them, to the bit.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.kernel import installed, plain

settings.register_profile("latest", max_examples=200, deadline=None, database=None, derandomize=True)

SIZE = 5
SAMPLES = st.lists(
    st.tuples(
        st.integers(0, SIZE - 1),
        st.integers(-2, 4),
        st.integers(-(2**63), 2**63 - 1),
        st.floats(allow_nan=False),
        st.integers(0, 7),
    ),
    max_size=20,
)


def columns() -> tuple[Any, Any, Any]:
    """
    @return: The columns of series without a sample.
    """
    return np.zeros(SIZE, np.int64), np.full(SIZE, np.nan), np.zeros(SIZE, np.int64)


def batch(samples: list[tuple[int, int, int, float, int]]) -> tuple[Any, ...]:
    """
    @return: The columns of samples.
    """
    kinds = (np.int32, np.int64, np.int64, np.float64, np.uint8)
    rows = list(zip(*samples, strict=True)) or [()] * 5
    return tuple(np.array(column, kind) for column, kind in zip(rows, kinds, strict=True))


class LatestTests(SynchronousTestCase):
    """
    Each test runs with the kernel that is installed; a subclass names the
    other.
    """

    kernel: ModuleType = installed

    def newest(self, *batches: list[tuple[int, int, int, float, int]]) -> list[tuple[int, float, int]]:
        """
        @return: Time, value and integer of each series after some batches.
        """
        latest = columns()
        for samples in batches:
            self.kernel.renew(*latest, *batch(samples))
        return list(zip(*(column.tolist() for column in latest), strict=True))

    def test_newest_stays(self) -> None:
        """
        A late sample does not show up as the newest one.
        """
        found = self.newest([(1, 10, 5, 0.5, 0), (1, 8, 6, 0.6, 0)], [(1, 9, 7, 0.7, 0)])
        self.assertEqual(found[1], (10, 0.5, 5))

    def test_last_of_a_second(self) -> None:
        """
        A second sample of the same second replaces the first.
        """
        found = self.newest([(1, 10, 5, 0.5, 0), (2, 10, 1, 1.0, 0), (1, 10, 6, 0.6, 0)], [(2, 10, 2, 2.0, 0)])
        self.assertEqual(found[1:3], [(10, 0.6, 6), (10, 2.0, 2)])

    def test_gap(self) -> None:
        """
        A gap has no value; a series without a sample has no time.
        """
        found = self.newest([(0, 10, 5, 0.5, 4)])
        self.assertEqual((found[0][0], found[0][2]), (10, 5))
        self.assertNotEqual(found[0][1], found[0][1])
        self.assertEqual(found[3][0], 0)

    def test_bounds(self) -> None:
        """
        Columns that do not fit are an error, and nothing is written elsewhere.
        """
        for series in (-1, SIZE):
            with self.assertRaises(ValueError):
                self.newest([(series, 10, 5, 0.5, 0)])
        for short in range(5):
            samples = [column[: int(at != short)] for at, column in enumerate(batch([(0, 1, 1, 1.0, 0)]))]
            with self.assertRaises(ValueError):
                self.kernel.renew(*columns(), *samples)
        with self.assertRaises(ValueError):
            self.kernel.renew(columns()[0], *(column[:-1] for column in columns()[1:]), *batch([]))


class PlainLatestTests(LatestTests):
    """
    The same in plain Python.
    """

    kernel = plain


class SameTests(SynchronousTestCase):
    """
    Both kernels.
    """

    @settings(settings.get_profile("latest"))
    @given(st.lists(SAMPLES, max_size=4))
    def test_same(self, batches: list[Any]) -> None:
        """
        Whether there is a compiler makes no difference to what is shown.
        """
        kept = []
        for kernel in (installed, plain):
            latest = columns()
            for samples in batches:
                kernel.renew(*latest, *batch(samples))
            kept.append([column.tobytes() for column in latest])
        self.assertEqual(*kept)
