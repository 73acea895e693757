"""
The clock of a collector: it is found in what was made of its counters, and
makes the same of their growth again, to the bit.
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
from tests.kernel.case import INCREMENTAL, START, KernelTestCase

settings.register_profile("clocks", max_examples=60, deadline=None, database=None, derandomize=True)
PROFILE = settings.get_profile("clocks")

ROWS = 120
SCALES = np.array([(1, 1), (8, 1000), (1, 1024)])
SPEEDS = (0, 0.05, 0.3, 1, 2, 5, 40, 900, 12_345, 5_000_000)
"""By how much counters grow in a second, some seconds not at all."""


def collected(
    kernel: ModuleType, rng: np.random.Generator, rows: int = ROWS, period: int = 1, scale: tuple[int, int] = (1, 1)
) -> tuple[Any, Any, Any]:
    """
    @return: Values of shape (columns, rows) that a parent makes of counters,
        how late each was collected, and by how much each grew.
    """
    ingest = kernel.Ingest()
    ingest.chart("a.b", period, False)
    growth = np.array([rng.poisson(speed, rows + 3) * (rng.random(rows + 3) < 0.8) for speed in SPEEDS])
    for series in range(len(SPEEDS)):
        ingest.dimension("a.b", f"d{series}", series, INCREMENTAL, *scale, False)
    lates = rng.integers(1, 60_000 * period, rows + 3)
    totals = np.zeros(len(SPEEDS), np.int64)
    before = 0
    for row in range(rows + 3):
        totals += growth[:, row]
        now = (START + period * row) * 1_000_000 + int(lates[row])
        sets = "".join(f'SET "d{series}" = {total}\n' for series, total in enumerate(totals.tolist()))
        given = now - before if row > 1 else 0
        ingest.feed(f'BEGIN "a.b" {given}\n{sets}END\n'.encode(), 0, now)
        before = now
    series, times, _, values, *_ = ingest.take()
    found = np.full((len(SPEEDS), rows + 3), np.nan)
    found[series, (times - START) // period] = values
    return found[:, 3:], lates[2:], growth[:, 3:]


class ClocksTests(KernelTestCase):
    """
    Each test runs with the kernel that is installed; a subclass names the
    other.
    """

    @property
    def clocks(self) -> Any:
        """
        What is tested.
        """
        return self.kernel.clocks

    def counts(self, values: Any, shares: Any, step: int = 1) -> tuple[int, Any, Any]:
        """
        @return: Scale, numbers and exceptions of a column.
        """
        numbers, odd = np.zeros(len(values), np.int64), np.zeros(len(values), np.uint8)
        return self.clocks.counts(values, shares, step, SCALES, numbers, odd), numbers, odd

    def check(self, values: Any, shares: Any, step: int = 1) -> tuple[int, Any, Any]:
        """
        See that the values are made again.
        """
        scale, numbers, odd = self.counts(values, shares, step)
        if scale >= 0:
            made = self.clocks.restored(numbers, shares, step, *SCALES[scale].tolist())
            there = odd == 0
            np.testing.assert_array_equal(made[there].view(np.uint64), values[there].view(np.uint64))
        return scale, numbers, odd

    def test_followed(self) -> None:
        """
        It is known how late all collections were but a few at the beginning,
        and all counters are made again with few exceptions, the growth of each
        as it was.
        """
        for period in (1, 5):
            values, lates, growth = collected(self.kernel, np.random.default_rng(3), period=period)
            found = np.zeros(ROWS + 1, np.int64)
            known = self.clocks.follow(values, period, found)
            self.assertGreater(known, ROWS - 12)
            self.assertEqual(found[found >= 0].tolist(), lates[found >= 0].tolist())
            shares = self.clocks.shares(found, period)
            for column, grown in zip(values, growth, strict=True):
                scale, numbers, odd = self.check(column, shares, period)
                self.assertEqual(scale, 0)
                self.assertLess(odd.sum(), 16)
                self.assertEqual(numbers[20:].tolist(), grown[20:].tolist())

    def test_scales(self) -> None:
        """
        Counters with a multiplier and a divisor are made again by the clock
        of others.
        """
        for scale in (1, 2):
            rng = np.random.default_rng(4)
            _, lates, _ = collected(self.kernel, np.random.default_rng(4))
            values, _, _ = collected(self.kernel, rng, scale=tuple(SCALES[scale].tolist()))
            shares = self.clocks.shares(lates, 1)
            self.assertEqual({self.check(column, shares)[0] for column in values[3:]}, {scale})

    def test_negative(self) -> None:
        """
        Counters that are shown as negative are as the others; zeros with a
        sign stay what they are.
        """
        values, lates, _ = collected(self.kernel, np.random.default_rng(5), scale=(-1, 1))
        found = np.zeros(ROWS + 1, np.int64)
        self.assertGreater(self.clocks.follow(values, 1, found), ROWS - 12)
        shares = self.clocks.shares(lates, 1)
        for column in values:
            self.assertEqual(self.check(column, shares)[0], 0)
        scale, _, odd = self.check(np.where(np.arange(ROWS) % 40 == 7, -0.0, 0.0), shares)
        self.assertEqual((scale, np.flatnonzero(odd).tolist()), (0, [7, 47, 87]))

    def test_broken(self) -> None:
        """
        Where the recording has a break the clock is found anew.
        """
        first, _, _ = collected(self.kernel, np.random.default_rng(6))
        second, _, _ = collected(self.kernel, np.random.default_rng(7))
        values = np.concatenate([first, second], axis=1)
        found = np.zeros(2 * ROWS + 1, np.int64)
        self.assertGreater(self.clocks.follow(values, 1, found), 2 * ROWS - 24)
        shares = self.clocks.shares(found, 1)
        for column in values:
            scale, _, odd = self.check(column, shares)
            self.assertEqual(scale, 0)
            self.assertEqual(odd[20:ROWS].sum(), 0)

    def test_others(self) -> None:
        """
        Columns that are no counters do not hide the clock of those that are.
        """
        rng = np.random.default_rng(8)
        values, lates, _ = collected(self.kernel, rng)
        noise = rng.random((10, ROWS)) * rng.integers(0, 2, (10, ROWS)) * 10
        found = np.zeros(ROWS + 1, np.int64)
        self.assertGreater(self.clocks.follow(np.concatenate([noise, values]), 1, found), ROWS - 24)
        self.assertEqual(found[found >= 0].tolist(), lates[found >= 0].tolist())

    def test_none(self) -> None:
        """
        In other columns there is no clock, and none of them is a counter.
        """
        rng = np.random.default_rng(9)
        found = np.zeros(ROWS + 1, np.int64)
        for values in (rng.random((20, ROWS)), rng.normal(size=(3, ROWS)) * 1e18, np.zeros((0, ROWS))):
            self.assertEqual(self.clocks.follow(values, 1, found), 0)
            self.assertEqual(found.tolist(), [-1] * (ROWS + 1))
            self.assertTrue((self.clocks.shares(found, 1) == 1).all())
        self.assertEqual(self.clocks.follow(collected(self.kernel, rng)[0], 1001, found), 0)
        shares = self.clocks.shares(rng.integers(0, 1000, ROWS + 1), 1)
        self.assertEqual(self.counts(rng.random(ROWS), shares)[0], -1)

    def test_fractions(self) -> None:
        """
        Values that are no integers are counted, in columns that are whole.
        """
        values = np.array([[1, 2, 3], [0.5, 1, -0.5], [0.5, np.nan, 1], [np.inf, 0.5, 0.5], [1e300, -1e18, 0.5]])
        found = np.full(5, -1)
        self.clocks.fractions(values, found)
        self.assertEqual(found.tolist(), [0, 2, 0, 0, 1])

    def test_unequal(self) -> None:
        """
        Arrays that do not fit are an error, and nothing is written elsewhere.
        """
        values, some = np.zeros((2, 5)), np.zeros(5, np.int64)
        for call in (
            lambda: self.clocks.follow(values, 1, some),
            lambda: self.clocks.follow(values, 0, np.zeros(6, np.int64)),
            lambda: self.clocks.fractions(values, some),
            lambda: self.clocks.counts(values[0], np.ones(4), 1, SCALES, some, np.zeros(5, np.uint8)),
            lambda: self.clocks.counts(values[0], np.ones(5), 1, SCALES, some[:4].copy(), np.zeros(5, np.uint8)),
            lambda: self.clocks.counts(values[0], np.ones(5), 1, SCALES, some, np.zeros(4, np.uint8)),
            lambda: self.clocks.counts(values[0], np.ones(5), 1, SCALES.T.copy(), some, np.zeros(5, np.uint8)),
        ):
            self.assertRaises(ValueError, call)


class PlainClocksTests(ClocksTests):
    """
    The same in plain Python.
    """

    kernel = plain


NUMBERS = st.one_of(
    st.sampled_from((0.0, -0.0, 1.0, 0.5, 5e-324, 1e308, -1e308, 2.0**53, 1e15)),
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(0, 9).map(float),
)


class SameTests(SynchronousTestCase):
    """
    Both kernels, with whatever values.
    """

    @settings(PROFILE)
    @given(st.integers(0, 2**32), st.integers(0, 8), arrays(np.float64, (4, 40), elements=NUMBERS), st.data())
    def test_same(self, seed: int, noise: int, others: Any, data: Any) -> None:
        """
        Whether there is a compiler makes no difference, and what is not an
        exception is made again to the bit, whatever the values are.
        """
        rng = np.random.default_rng(seed)
        values, _, _ = collected(installed, rng, 40, scale=(int(rng.integers(1, 3)), 1))
        for _ in range(noise):
            values[rng.integers(len(values)), rng.integers(40)] = data.draw(NUMBERS)
        values = np.concatenate([values, others])
        made = []
        self.enterContext(np.errstate(all="ignore"))
        for kernel in (installed, plain):
            found, fractions = np.zeros(41, np.int64), np.zeros(len(values), np.int64)
            known = kernel.clocks.follow(values, 1, found)
            kernel.clocks.fractions(values, fractions)
            shares = kernel.clocks.shares(found, 1)
            columns = []
            for column in values:
                numbers, odd = np.zeros(40, np.int64), np.zeros(40, np.uint8)
                scale = kernel.clocks.counts(column, shares, 1, SCALES, numbers, odd)
                columns.append((scale, numbers.tobytes(), odd.tobytes()) if scale >= 0 else scale)
                if scale >= 0:
                    again = kernel.clocks.restored(numbers, shares, 1, *SCALES[scale].tolist())
                    there = odd == 0
                    np.testing.assert_array_equal(again[there].view(np.uint64), column[there].view(np.uint64))
            made.append((known, found.tobytes(), fractions.tobytes(), columns))
        self.assertEqual(*made)
