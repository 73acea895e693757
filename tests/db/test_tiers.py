"""
Tiers: their rows are what a plain calculation gives, wherever they are made.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from twisted.trial.unittest import SynchronousTestCase

from netstream.db.interfaces import Columns
from netstream.db.rowgroups import Field, Group, Part, RowGroup, encode
from netstream.db.tiers import FIELDS, GROUP_ROWS, STEPS, derived, rolled, rolled_rows, stored_rows
from netstream.model.samples import ANOMALOUS, EMPTY, RESET

NAN = float("nan")
HOUR = 1_700_002_800
"""A whole number of minutes and hours."""

settings.register_profile("tiers", max_examples=60, deadline=None, database=None, derandomize=True)
PROFILE = settings.get_profile("tiers")

VALUES = st.one_of(st.just(NAN), st.sampled_from((0.0, -0.0, 1.0)), st.floats(-1e12, 1e12), st.floats(0, 1))

Row = tuple[float, float, float, int, int]


@st.composite
def samples(draw: Callable[[Any], Any], step: int, start: int) -> Group:
    """
    A row group of samples.
    """
    rows = draw(st.integers(1, 20))
    numbers = np.array(sorted(draw(st.sets(st.integers(0, 6), max_size=4))), np.uint32)
    values = draw(arrays(np.float64, (len(numbers), rows), elements=VALUES))
    flags = draw(arrays(np.uint8, values.shape, elements=st.integers(0, 7)))
    flags = np.where(np.isnan(values), flags, flags & (ANOMALOUS | RESET)).astype(np.uint8)
    return Group(start, step, rows, {Field.VALUE: Part(numbers, values, flags if flags.any() else None)})


@st.composite
def histories(draw: Callable[[Any], Any]) -> tuple[list[Group], int]:
    """
    Row groups in order of time, and a step to roll them to.
    """
    step = draw(st.sampled_from((1, 2, 7, 10, 60, 90)))
    start = HOUR + draw(st.integers(-5, 5)) * step
    groups = []
    for _ in range(draw(st.integers(0, 3))):
        groups.append(draw(samples(step, start)))
        start += step * (groups[-1].rows + draw(st.integers(0, 4)))
    return groups, draw(st.sampled_from((5, 10, 60)))


def plain(groups: Iterable[Group], step: int, first: int, last: int) -> dict[tuple[int, int], Row]:
    """
    @return: Rows of a tier by series and second, one sample after the other.
    """
    rows: dict[tuple[int, int], Row] = {}
    for group in groups:
        part = group.parts[Field.VALUE]
        for row in range(group.rows):
            time = math.ceil((group.start + row * group.step) / step) * step
            for at, number in enumerate(part.numbers.tolist()):
                value = float(part.values[at, row])
                if value == value and first <= time <= last:
                    odd = int(part.marks()[at, row]) & ANOMALOUS
                    total, low, high, count, anomalous = rows.get((number, time), (0.0, math.inf, -math.inf, 0, 0))
                    rows[number, time] = (
                        total + value, min(low, value), max(high, value), count + 1, anomalous + odd,
                    )  # fmt: skip
    return rows


def rows_of(group: Group) -> dict[tuple[int, int], Row]:
    """
    @return: The same out of a row group of a tier.
    """
    parts = [group.parts[field] for field in FIELDS]
    rows: dict[tuple[int, int], Row] = {}
    for at, number in enumerate(parts[0].numbers.tolist()):
        for row in range(group.rows):
            total, low, high, count, anomalous = (float(part.values[at, row]) for part in parts)
            if count == count:
                rows[number, group.start + row * group.step] = (total, low, high, int(count), int(anomalous))
    return rows


class RolledTests(SynchronousTestCase):
    """
    L{rolled} and L{derived}
    """

    @settings(PROFILE)
    @given(histories())
    def test_samples(self, history: tuple[list[Group], int]) -> None:
        """
        Rows made of samples are what they are one by one, to the bit, in
        memory and stored, whatever the step of the node.
        """
        groups, step = history
        made = rolled(groups, HOUR, step, 15)
        expected = plain(groups, step, HOUR, HOUR + 14 * step)
        self.assertEqual(rows_of(made), expected)
        stored = RowGroup(derived([RowGroup(encode(group)) for group in groups], HOUR, step, 15))
        self.assertEqual(stored.check(), [])
        self.assertEqual(stored.samples(), len(expected))
        if expected:
            self.assertEqual(rows_of(stored.group()), expected)
        else:
            self.assertEqual(stored.fields, ())

    @settings(PROFILE)
    @given(histories())
    def test_tiers(self, history: tuple[list[Group], int]) -> None:
        """
        Rows made of rows of a finer tier are what the samples give, but for
        the rounding of sums.
        """
        groups, step = history
        finer = [rolled(groups, HOUR - 20 * step, step, 20), rolled(groups, HOUR, step, 40)]
        found = rows_of(rolled(finer, HOUR, 4 * step, 9))
        expected = plain(groups, 4 * step, HOUR, HOUR + 32 * step)
        expected = {key: row for key, row in expected.items() if key[1] - 4 * step >= HOUR - 21 * step}
        self.assertEqual({key: row[1:] for key, row in found.items()}, {key: row[1:] for key, row in expected.items()})
        for key, (total, low, high, count, _) in found.items():
            error = 1e-14 * count * max(-low, high, 0.0)
            self.assertTrue(math.isclose(total, expected[key][0], rel_tol=1e-12, abs_tol=error), key)

    def test_gaps(self) -> None:
        """
        Gaps, and what was not written, do not count; minutes without samples
        are holes.
        """
        values = np.full((2, 180), NAN)
        values[0, 70:80] = 4.0
        flags = np.zeros(values.shape, np.uint8)
        flags[0, 79] = ANOMALOUS
        flags[0, 80:90] = EMPTY | ANOMALOUS
        flags[1, 5] = EMPTY
        group = Group(HOUR + 1, 1, 180, {Field.VALUE: Part(np.array([3, 4], np.uint32), values, flags)})
        made = rolled([group], HOUR + 60, 60, 3)
        self.assertEqual(rows_of(made), {(3, HOUR + 120): (40.0, 4.0, 4.0, 10, 1)})
        self.assertEqual(made.parts[Field.COUNT].numbers.tolist(), [3])
        self.assertTrue(np.isnan(made.parts[Field.SUM].values[0, [0, 2]]).all())

    def test_epochs(self) -> None:
        """
        Row groups of samples tile row groups of the first tier, and these
        those of the second.
        """
        self.assertEqual(GROUP_ROWS[1] * STEPS[1] % (GROUP_ROWS[0] * STEPS[0]), 0)
        self.assertEqual(GROUP_ROWS[2] * STEPS[2] % (GROUP_ROWS[1] * STEPS[1]), 0)
        start = HOUR // 14400 * 14400
        numbers = np.arange(3, dtype=np.uint32)
        groups = [
            Group(start + 900 * epoch + 1, 1, 900, {Field.VALUE: Part(numbers, np.full((3, 900), epoch + 0.5))})
            for epoch in range(16)
        ]
        made = rolled(groups, start + 60, 60, 240)
        np.testing.assert_array_equal(made.parts[Field.COUNT].values, np.full((3, 240), 60))
        np.testing.assert_array_equal(made.parts[Field.MIN].values[0], np.repeat(np.arange(16) + 0.5, 15))
        hours = rolled([made], start + 3600, 3600, 4)
        np.testing.assert_array_equal(hours.parts[Field.COUNT].values, np.full((3, 4), 3600))
        np.testing.assert_array_equal(hours.parts[Field.SUM].values[0], [3600 * (4 * hour + 2) for hour in range(4)])

    def test_many(self) -> None:
        """
        A node may have more series than are worked on at once, and not the
        same ones all the time.
        """
        rng = np.random.default_rng(1)
        groups = []
        for epoch in range(3):
            numbers = np.flatnonzero(rng.random(3000) < 0.8).astype(np.uint32)
            part = Part(numbers, rng.integers(0, 9, (len(numbers), 1)) + np.zeros((1, 120)))
            groups.append(Group(HOUR + 1 + 120 * epoch, 1, 120, {Field.VALUE: part}))
        made = rows_of(rolled(groups, HOUR + 60, 60, 6))
        self.assertEqual(made, plain(groups, 60, HOUR, HOUR + 360))
        stored = derived([RowGroup(encode(group)) for group in groups], HOUR + 60, 60, 6)
        self.assertEqual(rows_of(RowGroup(stored).group()), made)

    def test_damaged(self) -> None:
        """
        A damaged column of samples makes no rows, and is counted.
        """
        rng = np.random.default_rng(1)
        part = Part(np.arange(2, dtype=np.uint32), rng.normal(size=(2, 60)))
        data = encode(Group(HOUR + 1, 1, 60, {Field.VALUE: part}))
        data[int(RowGroup(data).directory_content[0]) & 0xFFFFFFFF] ^= 1
        made = rolled([RowGroup(data).group()], HOUR + 60, 60, 1)
        self.assertEqual((made.parts[Field.SUM].numbers.tolist(), made.damaged), ([1], 1))

    def test_incomplete(self) -> None:
        """
        Rows of a finer tier of which a field is missing count for nothing; the
        other series do.
        """
        group = Group(HOUR + 1, 1, 60, {Field.VALUE: Part(np.arange(3, dtype=np.uint32), np.ones((3, 60)))})
        minute = rolled([group], HOUR + 60, 60, 1)
        short = Part(*(column[1:] for column in (minute.parts[Field.MAX].numbers, minute.parts[Field.MAX].values)))
        finer = Group(minute.start, 60, 1, {**minute.parts, Field.MAX: short})
        self.assertEqual(
            rows_of(rolled([finer], HOUR + 3600, 3600, 1)),
            {(number, HOUR + 3600): (60.0, 1.0, 1.0, 60, 0) for number in (1, 2)},
        )
        none = Group(minute.start, 60, 1, {Field.SUM: minute.parts[Field.SUM]})
        self.assertEqual(rows_of(rolled([none], HOUR + 3600, 3600, 1)), {})


class RowsTests(SynchronousTestCase):
    """
    L{rolled_rows} and L{stored_rows}
    """

    @settings(PROFILE)
    @given(histories())
    def test_same(self, history: tuple[list[Group], int]) -> None:
        """
        What is not stored yet looks as what is.
        """
        groups, step = history
        for group in groups:
            part = group.parts[Field.VALUE]
            times = group.start + group.step * np.arange(group.rows)
            rows = rolled_rows(Columns(times, part.values.T, part.marks().T), step)
            stored = RowGroup(derived([RowGroup(encode(group))], HOUR - 600, step, 1000))
            found, damaged = stored_rows(stored, part.numbers, 0, 1 << 40)
            self.assertEqual(damaged, 0)
            found = found.taken((found.count > 0).any(axis=1))
            self.assertEqual(rows.times.tolist(), found.times.tolist())
            for name in ("sum", "min", "max", "count", "anomalous"):
                np.testing.assert_array_equal(getattr(rows, name), getattr(found, name), name)

    def test_span(self) -> None:
        """
        Rows after one second up to another are read, and no others.
        """
        part = Part(np.array([4], np.uint32), np.arange(600.0)[None])
        stored = RowGroup(derived([RowGroup(encode(Group(HOUR + 1, 1, 600, {Field.VALUE: part})))], HOUR + 60, 60, 240))
        for after, before, times in (
            (HOUR, HOUR + 120, [60, 120]),
            (HOUR + 60, HOUR + 120, [120]),
            (HOUR + 59, HOUR + 179, [60, 120]),
            (HOUR - 5000, HOUR + 60, [60]),
            (HOUR + 120, HOUR + 120, []),
            (HOUR + 10**6, HOUR + 10**7, []),
            (HOUR - 10**6, HOUR - 10**5, []),
            (HOUR + 14400 - 60, HOUR + 10**7, [14400]),
        ):
            rows, _ = stored_rows(stored, [4, 5], after, before)
            self.assertEqual((rows.times - HOUR).tolist(), times)
            self.assertEqual(rows.sum.shape, (len(times), 2))
            self.assertFalse(rows.count[:, 1].any())
        rows, _ = stored_rows(stored, [4], HOUR, HOUR + 720)
        self.assertEqual(rows.count[:, 0].tolist(), [60.0] * 10 + [0.0] * 2)
        self.assertEqual(rows.max[:10, 0].tolist(), [60.0 * minute + 59 for minute in range(10)])
        self.assertEqual(rows.averages()[0, 0], 29.5)

    def test_nothing(self) -> None:
        """
        No rows give no rows.
        """
        rows = rolled_rows(Columns(np.zeros(0, np.int64), np.zeros((0, 3)), np.zeros((0, 3), np.uint8)), 60)
        self.assertEqual((len(rows), rows.sum.shape), (0, (0, 3)))
        gap = Columns(np.array([HOUR]), np.full((1, 3), NAN), np.full((1, 3), EMPTY, np.uint8))
        self.assertEqual(len(rolled_rows(gap, 60)), 0)

    def test_damaged(self) -> None:
        """
        A series of which a field is damaged has no rows, and is counted.
        """
        rng = np.random.default_rng(1)
        part = Part(np.arange(2, dtype=np.uint32), rng.normal(size=(2, 900)))
        data = derived([RowGroup(encode(Group(HOUR + 1, 1, 900, {Field.VALUE: part})))], HOUR + 60, 60, 15)
        data[int(RowGroup(data).directory_content[0]) & 0xFFFFFFFF] ^= 1
        rows, damaged = stored_rows(RowGroup(data), [0, 1], HOUR, HOUR + 900)
        self.assertEqual((damaged, rows.count[:, 0].any(), rows.count[:, 1].all()), (1, False, True))
