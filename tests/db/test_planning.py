"""
Questions are answered from tiers as if each sample had been looked at.
"""

from __future__ import annotations

from unittest import mock

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netstream.db import planning
from netstream.db.folding import fold
from netstream.db.interfaces import Columns, Span, UnknownMethod, Window
from netstream.db.planning import answer
from netstream.model.samples import ANOMALOUS
from tests.db.history import History, gaps

METHODS = (
    *("average", "min", "max", "sum", "extremes", "median", "stddev", "cv", "incremental-sum", "latest"),
    *("countif", "percentile", "trimmed-mean", "trimmed-median", "ses", "des"),
)
BY_PARTS = ("average", "min", "max", "sum", "extremes")
NOON = 1_700_006_400
"""Divided by all lengths of rows of a day and less."""


def history(
    seconds: int, tier1: int = 0, tier2: int = 0, *, start: int = NOON, step: int = 1, seed: int = 1, around: float = 5
) -> History:
    """
    @param tier1: Seconds of which there are rows of tier 1 and of tier 2.
    @param around: Mean of the values.
    """
    times = np.arange(start + step, start + seconds + 1, step, dtype=np.int64)
    values = np.random.default_rng(seed).normal(around, 1, (len(times), 3))
    tiers = [Span(start + 1, start + n) if n else None for n in (seconds, tier1, tier2)]
    return History(times, values, gaps(values), tiers, step)


@st.composite
def histories(draw: st.DrawFn) -> History:
    """
    A node whose tiers end anywhere, with gaps and missing rows.
    """
    step = draw(st.sampled_from((1, 1, 5, 10)))
    count = draw(st.integers(2, 9000))
    start = draw(st.integers(1000, 200_000)) * step
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    times = start + step * np.arange(1, count + 1, dtype=np.int64)
    times = times[rng.random(count) >= draw(st.sampled_from((0, 0, 0.3)))]
    if not len(times):
        times = np.array([start + step])
    shape = (len(times), 3)
    values = draw(
        st.sampled_from((rng.integers(-3, 4, shape).astype(float), rng.normal(5, 1, shape), rng.normal(0, 1, shape)))
    )
    values[rng.random(shape) < draw(st.sampled_from((0, 0, 0.2, 0.95)))] = np.nan
    flags = gaps(values)
    flags[(rng.random(shape) < 0.001) & (flags == 0)] = ANOMALOUS
    first, last = int(times[0]), int(times[-1])
    tier1 = Span((first - 1) // 60 * 60 + 1, draw(st.integers(first, last)) // 60 * 60)
    tier2 = Span((first - 1) // 3600 * 3600 + 1, tier1.last // 3600 * 3600)
    tiers = [Span(first, last), *(tier if tier.last > tier.first else None for tier in (tier1, tier2))]
    return History(times, values, flags, tiers, step)


class AnswerTests(SynchronousTestCase):
    """
    Tests for L{answer}.
    """

    def assert_same(self, found: Columns, expected: Columns, message: str = "") -> None:
        """
        The same rows, but for the order in which numbers were added.
        """
        np.testing.assert_array_equal(found.times, expected.times, message)
        np.testing.assert_allclose(found.values, expected.values, rtol=1e-9, atol=1e-9, err_msg=message)
        np.testing.assert_array_equal(found.flags, expected.flags, message)

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        histories(),
        st.sampled_from((1, 5, 7, 10, 60, 120, 144, 1800, 2400, 3600, 4320, 5000, 7200)),
        st.integers(-4000, 9000),
        st.integers(1, 40),
        st.booleans(),
    )
    def test_as_all_samples(self, stored: History, step: int, offset: int, rows: int, aligned: bool) -> None:
        """
        Whatever tiers there are and however the rows of a window lie, every
        method gives what it gives over all samples.
        """
        after = int(stored.times[0]) + offset
        if aligned:
            after -= after % step
        window = Window(after, after + rows * step, step)
        everything = Columns(stored.times, stored.values, stored.flags)
        for method in METHODS:
            self.assert_same(answer(stored, window, method), fold(everything, window, method), f"{method} {window}")

    def test_coarsest(self) -> None:
        """
        Thirty days in aligned rows do not touch samples that are in tiers.
        """
        stored = history(86400 * 3, 86400 * 3 - 7200, 86400 * 3 - 14400)
        window = Window(NOON, NOON + 86400 * 3, 7200)
        expected = fold(Columns(stored.times, stored.values, stored.flags), window, "average")
        self.assert_same(answer(stored, window, "average"), expected)
        end = NOON + 86400 * 3
        self.assertEqual(stored.read[2], [(NOON, end - 14400)])
        self.assertEqual(stored.read[1], [(end - 14400, end - 7200)])
        self.assertEqual(min(after for after, _ in stored.read[0]), end - 7200)

    def test_edges(self) -> None:
        """
        Long rows that end within rows of a tier read samples only there.
        """
        stored = history(86400, 86400, 86400)
        window = Window(NOON + 30, NOON + 30 + 7200 * 11, 7200)
        expected = fold(Columns(stored.times, stored.values, stored.flags), window, "sum")
        self.assert_same(answer(stored, window, "sum"), expected)
        self.assertEqual(sum(before - after for after, before in stored.read[0]), 60 * 10 + 60)

    def test_around_zero(self) -> None:
        """
        What is nearest to zero is found where a minute has values on both
        sides, and without samples where it has not.
        """
        for around, samples in ((5.0, False), (-5.0, False), (0.0, True)):
            stored = history(7200, 7200, around=around, seed=4)
            window = Window(NOON, NOON + 7200, 3600)
            expected = fold(Columns(stored.times, stored.values, stored.flags), window, "min")
            self.assert_same(answer(stored, window, "min"), expected)
            if around:
                stored.values[:] = np.sign(around) * np.abs(stored.values)
                stored.read[0].clear()
                answer(stored, window, "min")
            self.assertEqual(bool(stored.read[0]), samples)

    def test_only_coarse(self) -> None:
        """
        What is older than the samples is answered from tiers: exactly where
        rows fit, evenly spread where they do not.
        """
        stored = history(7200, 7200, 7200)
        everything = Columns(stored.times, stored.values, stored.flags)
        stored.tiers = [Span(NOON + 3601, NOON + 7200), *stored.tiers[1:]]
        for method in BY_PARTS:
            window = Window(NOON, NOON + 7200, 60)
            self.assert_same(answer(stored, window, method), fold(everything, window, method))
        found = answer(stored, Window(NOON, NOON + 7200, 40), "sum")
        minutes = fold(everything, Window(NOON, NOON + 3600, 60), "sum").values
        hour = found.values[:90].reshape(30, 3, 3)
        np.testing.assert_allclose(hour[:, 0], minutes[::2] * 2 / 3)
        np.testing.assert_allclose(hour[:, 1], minutes[::2] / 3 + minutes[1::2] / 3)
        np.testing.assert_allclose(hour[:, 2], minutes[1::2] * 2 / 3)
        self.assert_same(
            answer(stored, Window(NOON + 3600, NOON + 7200, 40), "sum"),
            fold(everything, Window(NOON + 3600, NOON + 7200, 40), "sum"),
        )

    def test_old_medians(self) -> None:
        """
        A method that needs every sample takes the averages of a tier where
        there are no samples any more.
        """
        stored = history(7200, 7200, 7200)
        everything = Columns(stored.times, stored.values, stored.flags)
        minutes = fold(everything, Window(NOON, NOON + 7200, 60), "average")
        stored.tiers = [Span(NOON + 3601, NOON + 7200), *stored.tiers[1:]]
        window = Window(NOON, NOON + 7200, 600)
        for method in ("median", "stddev", "latest"):
            found = answer(stored, window, method)
            np.testing.assert_allclose(found.values[:6], fold(minutes, window, method).values[:6])
            np.testing.assert_allclose(found.values[6:], fold(everything, window, method).values[6:])

    def test_bounded(self) -> None:
        """
        A wide question over a long time is read in parts, with the same
        answer.
        """
        rng = np.random.default_rng(3)
        times = np.arange(NOON + 1, NOON + 20_001, dtype=np.int64)
        values = rng.normal(5, 1, (len(times), 20))
        stored = History(times, values, gaps(values), [Span(NOON + 1, NOON + 20_000), None, None])
        window = Window(NOON, NOON + 20_000, 40)
        with mock.patch.object(planning, "MOST_CELLS", 10_000):
            for method in METHODS:
                found = answer(stored, window, method)
                self.assert_same(found, fold(Columns(times, values, stored.flags), window, method), method)
        self.assertLessEqual(stored.largest, 10_000)

    def test_very_long_rows(self) -> None:
        """
        A row that would need too many samples at once is made of averages.
        """
        stored = history(7200, 7200, 7200)
        with mock.patch.object(planning, "MOST_GATHERED", 1000):
            found = answer(stored, Window(NOON, NOON + 7200, 7200), "median")
        self.assertEqual(stored.read[0], [])
        everything = Columns(stored.times, stored.values, stored.flags)
        minutes = fold(everything, Window(NOON, NOON + 7200, 60), "average")
        np.testing.assert_allclose(found.values[0], np.median(minutes.values, axis=0))

    def test_nothing_stored(self) -> None:
        """
        Where nothing is stored, each row is a gap.
        """
        empty = history(0)
        for method in METHODS:
            found = answer(empty, Window(NOON, NOON + 600, 60), method)
            self.assertEqual(found.values.shape, (10, 3))
            self.assertTrue(np.isnan(found.values).all())

    def test_unknown(self) -> None:
        """
        What is no method is refused before anything is read.
        """
        stored = history(60)
        with self.assertRaises(UnknownMethod):
            answer(stored, Window(NOON, NOON + 60, 60), "magic")
        self.assertEqual(stored.read[0], [])
