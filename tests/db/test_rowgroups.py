"""
Row groups: what is sealed comes back, and damage stays small.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any
from unittest import mock
from zlib import crc32

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from twisted.trial.unittest import SynchronousTestCase

from netstream.db import encoded, rowgroups
from netstream.db.rowgroups import (
    Damaged,
    Field,
    Group,
    Part,
    RowGroup,
    Writer,
    encode,
    merged,
    of_cells,
    rewritten,
    sealed,
)
from netstream.kernel.cells import ABSENT, GAP
from netstream.model.samples import ANOMALOUS, EMPTY, RESET

NAN = float("nan")
START = 1_700_000_101

settings.register_profile("rowgroups", max_examples=100, deadline=None, database=None, derandomize=True)
PROFILE = settings.get_profile("rowgroups")

VALUES = st.one_of(
    st.just(NAN),
    st.sampled_from((0.0, -0.0, 1.0, 2.0**53, 2.0**53 + 2, 1e300, 1e-300, 5e-324, 3.5e38)),
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-100, 100).map(float),
)


def group_of(columns: dict[int, Any], flags: dict[int, Any] | None = None, field: Field = Field.VALUE) -> Group:
    """
    @return: A row group of columns by number.
    """
    numbers = np.array(sorted(columns), np.uint32)
    values = np.array([columns[number] for number in sorted(columns)], float)
    marks = np.zeros(values.shape, np.uint8)
    for number, column in (flags or {}).items():
        marks[sorted(columns).index(number)] = column
    return Group(START, 1, values.shape[1], {field: Part(numbers, values, marks if marks.any() else None)})


@st.composite
def groups(draw: Callable[[Any], Any], rows: int = 12) -> Group:
    """
    Row groups of all kinds, with the flags that raw rows may have.
    """
    parts = {}
    for field in draw(st.lists(st.sampled_from(list(Field)), unique=True, max_size=3)):
        numbers = np.array(sorted(draw(st.sets(st.one_of(st.integers(0, 5), st.integers(0, 2**32 - 1)), max_size=5))))
        values = draw(arrays(np.float64, (len(numbers), rows), elements=VALUES))
        flags = draw(arrays(np.uint8, values.shape, elements=st.integers(0, 3)))
        gaps = draw(arrays(np.bool_, values.shape))
        flags = np.where(np.isnan(values), np.where(gaps, flags | EMPTY, 0), flags).astype(np.uint8)
        parts[field] = Part(numbers.astype(np.uint32), values, flags if flags.any() else None)
    return Group(START, 1, rows, parts)


def changing(rows: int = 900) -> dict[int, Any]:
    """
    @return: Columns as systems have them.
    """
    rng = np.random.default_rng(5)
    return {
        1: rng.normal(size=rows) * 1e6,
        2: rng.integers(0, 40, rows),
        3: rng.integers(0, 10_000, rows) / 100,
        4: np.full(rows, 17.25),
        5: np.where(rng.random(rows) < 0.02, 3, 0),
        6: np.arange(rows) * 4096.0 + 2.0**40,
    }


class RowGroupTestCase(SynchronousTestCase):
    """
    What row groups are compared with.
    """

    def kinds(self, data: Any) -> list[int]:
        """
        @return: The kinds of the columns of a row group.
        """
        return [int(kind) & 255 for kind in RowGroup(data).directory_kinds]

    def assert_same(self, found: Group, expected: Group) -> None:
        """
        Both have the same columns, to the bit; one in which nothing was
        written need not be there.
        """
        self.assertEqual((found.start, found.step, found.rows), (expected.start, expected.step, expected.rows))
        self.assertEqual(self.cells(found), self.cells(expected))

    def cells(self, group: Group) -> dict[tuple[Field, int], Any]:
        """
        @return: What was written: by field and number, bits and flags by row.
        """
        cells = {}
        for field, part in group.parts.items():
            for number, values, flags in zip(part.numbers.tolist(), part.values, part.marks(), strict=True):
                bits = np.where(np.isnan(values), np.nan, values).view(np.uint64).tolist()
                column = {
                    row: (None if flag & EMPTY else bits[row], flag)
                    for row, flag in enumerate(flags.tolist())
                    if flag & EMPTY or not np.isnan(values[row])
                }
                if column:
                    cells[field, number] = column
        return cells

    def whole(self, data: bytes | bytearray) -> RowGroup:
        """
        @return: A row group in which nothing is damaged.
        """
        group = RowGroup(data)
        self.assertEqual(group.check(), [])
        return group


class BothWaysTests(RowGroupTestCase):
    """
    L{encode} and L{RowGroup} are each other's opposite.
    """

    def test_system(self) -> None:
        """
        Columns as systems have them come back exactly, and small.
        """
        columns = changing()
        data = encode(group_of(columns))
        values, flags, damaged = self.whole(data).read([6, 5, 4, 3, 2, 1])
        self.assertEqual((values.shape, flags.any(), damaged), ((900, 6), False, 0))
        for at, number in enumerate([6, 5, 4, 3, 2, 1]):
            np.testing.assert_array_equal(values[:, at], columns[number])
        self.assertLess(len(data), 900 * 6 * 8 * 0.32)

    @settings(PROFILE)
    @given(groups())
    def test_any(self, group: Group) -> None:
        """
        Any row group comes back: values to the bit, gaps, flags.
        """
        found = self.whole(encode(group))
        self.assert_same(found.group(), group)
        counted = Field.VALUE if Field.VALUE in group.parts else None
        if Field.COUNT not in group.parts:
            samples = sum(len(column) for (field, _), column in self.cells(group).items() if field == counted)
            self.assertEqual(found.samples(), samples)
        for field, part in group.parts.items():
            values, flags, damaged = found.read(part.numbers, field, 2, 7)
            self.assertEqual(damaged, 0)
            np.testing.assert_array_equal(values, part.values.T[2:7])
            np.testing.assert_array_equal(flags, part.marks().T[2:7])

    def test_not_there(self) -> None:
        """
        Series and fields that it has not are empty columns.
        """
        group = self.whole(encode(group_of({7: [1.0, 2.0], 2**32 - 1: [3.0, 4.0]})))
        values, flags, damaged = group.read([-1, 7, 6, 8, 2**32 - 1, 2**32 + 7])
        np.testing.assert_array_equal(values[0], [NAN, 1, NAN, NAN, 3, NAN])
        self.assertEqual((flags.any(), damaged), (False, 0))
        self.assertTrue(np.isnan(group.read([7], Field.SUM)[0]).all())
        self.assertEqual(group.read([])[0].shape, (2, 0))
        self.assertEqual(group.numbers().tolist(), [7, 2**32 - 1])
        self.assertEqual((group.fields, group.numbers(Field.SUM).tolist()), ((Field.VALUE,), []))

    def test_rows(self) -> None:
        """
        Only the rows wanted are read.
        """
        group = self.whole(encode(group_of({1: np.arange(900.0)})))
        self.assertEqual(group.read([1], first=890)[0][:, 0].tolist(), list(range(890, 900)))
        self.assertEqual(group.read([1], first=3, last=5)[0][:, 0].tolist(), [3, 4])
        self.assertEqual(group.read([1], first=5, last=5)[0].shape, (0, 1))

    def test_some_series(self) -> None:
        """
        A stretch of the series can be taken out of all.
        """
        part = (
            self.whole(encode(group_of({number: [number, 1] for number in range(10)}))).group(3, 6).parts[Field.VALUE]
        )
        self.assertEqual((part.numbers.tolist(), part.values[:, 0].tolist()), ([3, 4, 5], [3, 4, 5]))

    def test_nothing(self) -> None:
        """
        A row group may be empty; series without samples take no room.
        """
        empty = encode(Group(START, 1, 900, {}))
        self.assertEqual((self.whole(empty).fields, self.whole(empty).samples()), ((), 0))
        self.assertEqual(len(encode(group_of({number: [NAN] * 900 for number in range(50)}))), len(empty))

    def test_only_gaps(self) -> None:
        """
        A series of which only gaps were written stays that.
        """
        group = group_of({1: [NAN, NAN, NAN]}, {1: [EMPTY, 0, EMPTY | ANOMALOUS]})
        found = self.whole(encode(group))
        self.assertEqual(found.samples(), 2)
        self.assert_same(found.group(), group)

    def test_small(self) -> None:
        """
        A constant column costs a directory entry; charts that miss the same
        rows share one pattern.
        """
        empty = len(encode(Group(START, 1, 900, {})))
        self.assertEqual(len(encode(group_of({number: [5.5] * 900 for number in range(100)}))) - empty, 100 * 16)
        slow = np.where(np.arange(900) % 10 == 0, 5.5, NAN)
        self.assertLess(len(encode(group_of({number: slow for number in range(100)}))) - empty, 100 * 16 + 100)

    def test_single(self) -> None:
        """
        In float32 values are rounded, but what is not in its range, constants
        and small integers stay exact; so do gaps and flags.
        """
        rng = np.random.default_rng(2)
        columns = changing() | {
            7: np.where(np.arange(900) == 5, 3.5e38, rng.normal(size=900)),
            8: np.where(np.arange(900) == 5, 1e-42, rng.normal(size=900)),
            9: np.where(np.arange(900) % 3, -0.0, rng.normal(size=900)),
            10: np.where(np.arange(900) % 3, NAN, rng.normal(size=900)),
            11: np.full(900, 0.1),
        }
        exact, data = encode(group_of(columns)), encode(group_of(columns), single=True)
        self.assertLess(len(data), len(exact) * 0.85)
        values, _, _ = self.whole(data).read(list(range(1, 12)))
        for number, column in columns.items():
            rounded = number in (1, 3, 6, 9, 10)
            expected = np.asarray(column, np.float32).astype(float) if rounded else column
            np.testing.assert_array_equal(values[:, number - 1], expected)
        self.assertTrue(np.signbit(values[1, 8]))

    def test_without_pcodec(self) -> None:
        """
        What pcodec cannot compress, or not well, is stored in another way.
        """
        short = group_of({1: [1.5, 2.75, 3e300]})
        self.assertIn(encoded.PLAIN, RowGroup(encode(short)).directory_kinds & 255)
        self.assert_same(self.whole(encode(short)).group(), short)
        rng = np.random.default_rng(6)
        again = np.repeat(rng.normal(size=300), 3)
        group = group_of({1: again})
        for single, kind in ((False, encoded.PLAIN), (True, encoded.PLAIN_SINGLE)):
            data = encode(group, single=single)
            self.assertEqual(RowGroup(data).directory_kinds.tolist(), [kind])
            expected = again.astype(np.float32) if single else again
            np.testing.assert_array_equal(self.whole(data).read([1])[0][:, 0], expected)
        group = group_of(changing())
        with mock.patch.object(rowgroups, "simple_compress", side_effect=RuntimeError):
            data = encode(group)
        self.assert_same(self.whole(data).group(), group)

    def test_refused(self) -> None:
        """
        What cannot be a row group is refused when it is made.
        """
        self.assertRaises(ValueError, Writer, START, 1, 0)
        self.assertRaises(ValueError, Writer, START, 1, rowgroups.MOST_ROWS + 1)
        self.assertRaises(ValueError, Writer, START, 0, 10)
        writer = Writer(START, 1, 3)
        part = group_of({1: [1, 2, 3]}).parts[Field.VALUE]
        self.assertRaises(ValueError, writer.add, Field.VALUE, group_of({1: [1, 2]}).parts[Field.VALUE])
        writer.add(Field.VALUE, part)
        writer.add(Field.VALUE, part)
        self.assertRaises(ValueError, writer.finish)


class CellsTests(RowGroupTestCase):
    """
    L{sealed} and L{of_cells}.
    """

    def setUp(self) -> None:
        rng = np.random.default_rng(3)
        values = rng.normal(size=(900, 150))
        values[:, ::3] = 4.0
        self.cells_of = values.view(np.uint64) ^ np.uint64(ABSENT)
        self.marks = np.zeros(values.shape, np.uint8)
        self.cells_of[5:9, 7] = 0
        self.cells_of[9, 7] = ABSENT ^ GAP
        self.cells_of[:, 10] = 0
        self.marks[3, 8] = ANOMALOUS | RESET
        self.values = values

    def test_page(self) -> None:
        """
        Columns of a page come back under the numbers of their series.
        """
        numbers = np.random.default_rng(4).permutation(150) * 3
        numbers[[0, 20]] = -1
        group = of_cells(START, 1, numbers, self.cells_of, self.marks)
        data = sealed(START, 1, numbers, self.cells_of, self.marks)
        found = self.whole(data)
        self.assert_same(found.group(), group)
        self.assertEqual(found.samples(), 900 * 147 - 4)
        self.assertEqual(found.numbers().tolist(), sorted(set(numbers.tolist()) - {-1, numbers[10]}))
        values, flags, _ = found.read([numbers[7], numbers[8], numbers[10]])
        np.testing.assert_array_equal(values[4:11, 0], [*self.values[4:5, 7], *[NAN] * 5, *self.values[10:11, 7]])
        self.assertEqual(flags[4:11, 0].tolist(), [0, 0, 0, 0, 0, EMPTY, 0])
        self.assertEqual(flags[:5, 1].tolist(), [0, 0, 0, ANOMALOUS | RESET, 0])
        self.assertTrue(np.isnan(values[:, 2]).all())

    def test_part_of_a_page(self) -> None:
        """
        A node may have some columns of a page.
        """
        some = slice(40, 60)
        data = sealed(START, 5, np.arange(20), self.cells_of[:, some], self.marks[:, some])
        values, _, _ = self.whole(data).read(np.arange(20))
        np.testing.assert_array_equal(values, self.values[:, some])
        self.assertEqual(RowGroup(data).step, 5)

    def test_single(self) -> None:
        """
        A page can be sealed in float32.
        """
        data = sealed(START, 1, np.arange(150), self.cells_of, self.marks, single=True)
        np.testing.assert_array_equal(self.whole(data).read([1])[0][:, 0], self.values[:, 1].astype(np.float32))


class MergeTests(RowGroupTestCase):
    """
    L{merged} and L{rewritten}
    """

    def one_by_one(self, older: Group, newer: Group) -> Any:
        """
        @return: The cells of both, the obvious way.
        """
        cells: dict[Any, Any] = {}
        for group in (older, newer):
            for key, column in self.cells(group).items():
                cells.setdefault(key, {}).update(column)
        return cells

    @settings(PROFILE)
    @given(groups(), groups(), st.booleans())
    def test_any(self, older: Group, newer: Group, single: bool) -> None:
        """
        What is newer is in its place, all else is as it was; and it makes no
        difference whether the stored one is rewritten.
        """
        both = merged(older, newer)
        self.assertEqual(self.cells(both), self.one_by_one(older, newer))
        data = rewritten(RowGroup(encode(older, single=single)), newer, single=single)
        expected = self.whole(encode(both, single=single))
        found = self.whole(data)
        self.assert_same(found.group(), expected.group())
        self.assertEqual(found.samples(), expected.samples())

    def test_other_rows(self) -> None:
        """
        Row groups of other rows of the same step are put together.
        """
        older = group_of({1: [1, 2, 3], 2: [4, 5, 6]})
        newer = Group(
            START + 2, 1, 3, {Field.VALUE: Part(np.array([1, 9], np.uint32), np.array([[7.0, 8, 9], [1, 1, 1]]))}
        )
        for both in (merged(older, newer), RowGroup(rewritten(RowGroup(encode(older)), newer)).group()):
            self.assertEqual((both.start, both.rows), (START, 5))
            np.testing.assert_array_equal(
                both.parts[Field.VALUE].values, [[1, 2, 7, 8, 9], [4, 5, 6, NAN, NAN], [NAN, NAN, 1, 1, 1]]
            )
        one = Group(START + 1, 1, 1, {Field.VALUE: Part(np.array([2], np.uint32), np.array([[0.5]]))})
        again = self.whole(rewritten(RowGroup(encode(older)), one))
        self.assertEqual(again.read([1, 2])[0].tolist(), [[1, 4], [2, 0.5], [3, 6]])

    def test_refused(self) -> None:
        """
        What is of other times is refused, however far away it is.
        """
        older = group_of({1: [1, 2, 3]})
        for start, step in ((START, 2), (START + 10**9, 1), (START - 10**9, 1)):
            newer = Group(start, step, 3, older.parts)
            self.assertRaises(ValueError, merged, older, newer)
            self.assertRaises(ValueError, rewritten, RowGroup(encode(older)), newer)
        by_two = Group(START, 2, 3, older.parts)
        self.assertRaises(ValueError, merged, by_two, Group(START + 1, 2, 3, older.parts))

    def test_untouched(self) -> None:
        """
        A damaged column of which nothing is written does not prevent the rest
        from being rewritten, and stays damaged.
        """
        columns = changing()
        data = encode(group_of(columns))
        content = int(RowGroup(data).directory_content[0])
        data[content & 0xFFFFFFFF] ^= 1
        again = RowGroup(rewritten(RowGroup(data), group_of({2: [9.0] * 900})))
        self.assertEqual(len(again.check()), 1)
        values, _, damaged = again.read([1, 2, 3])
        self.assertEqual(damaged, 1)
        self.assertTrue(np.isnan(values[:, 0]).all())
        np.testing.assert_array_equal(values[:, 1:], np.array([[9.0] * 900, columns[3]]).T)


def tiny() -> bytearray:
    """
    @return: A row group with a column of each kind.
    """
    rng = np.random.default_rng(1)
    columns: dict[int, Sequence[float]] = {
        1: rng.integers(0, 3, 60).tolist(),
        2: rng.normal(size=60).tolist(),
        3: [2.5] * 60,
        4: np.where(np.arange(60) % 4, NAN, 7.5).tolist(),
        5: np.where(np.arange(60) % 4, NAN, rng.integers(0, 9, 60)).tolist(),
        6: [0.5, *[NAN] * 58, 1e300],
    }
    return encode(group_of(columns, {3: [0] * 50 + [ANOMALOUS] * 10, 6: [0, EMPTY, *[0] * 58]}))


def forged(data: bytearray) -> bytes:
    """
    @return: The same with the checksum of the directory put right.
    """
    directory = encoded.HEADER.unpack_from(data)[-2]
    crc = crc32(data[directory:], crc32(data[: encoded.HEADER.size]))
    data[encoded.HEADER.size : encoded.BEFORE] = encoded.CRC.pack(crc)
    return bytes(data)


class DamageTests(RowGroupTestCase):
    """
    Damage is found, costs no more than it must, and never shows as a value.
    """

    def setUp(self) -> None:
        self.data = tiny()
        self.group = self.whole(self.data).group()
        self.values, self.flags, _ = RowGroup(self.data).read(range(1, 7))

    def test_flipped_anywhere(self) -> None:
        """
        A bit that flipped costs the columns that it belongs to, or the row
        group.
        """
        lost = set()
        for at in range(8 * len(self.data)):
            hurt = bytearray(self.data)
            hurt[at // 8] ^= 1 << at % 8
            try:
                group = RowGroup(hurt)
            except Damaged:
                lost.add(at // 8)
                continue
            values, flags, damaged = group.read(range(1, 7))
            self.assertIn(damaged, (1, 2), at)
            gone = np.isnan(values).all(axis=0)
            self.assertEqual(np.count_nonzero(gone), damaged)
            np.testing.assert_array_equal(values[:, ~gone], self.values[:, ~gone])
            np.testing.assert_array_equal(flags[:, ~gone], self.flags[:, ~gone])
            self.assertFalse(flags[:, gone].any())
            self.assertEqual(len(group.check()), damaged)
            everything = group.group()
            self.assertEqual(everything.damaged, damaged)
            self.assertEqual(len(everything.parts[Field.VALUE].numbers), 6 - damaged)
        directory = encoded.HEADER.unpack_from(self.data)[-2]
        self.assertEqual(lost, {*range(encoded.BEFORE), *range(directory, len(self.data))})

    def test_cut_anywhere(self) -> None:
        """
        A row group that is cut off, or has something behind it, is an error.
        """
        for cut in range(len(self.data)):
            self.assertRaises(Damaged, RowGroup, self.data[:cut])
        self.assertRaises(Damaged, RowGroup, self.data + b"\0")

    def test_newer(self) -> None:
        """
        What a later version wrote is refused, and says so.
        """
        self.data[4] = encoded.VERSION + 1
        problem = self.assertRaises(Damaged, RowGroup, forged(self.data))
        self.assertIn(f"version {encoded.VERSION + 1}, only 2 to {encoded.VERSION}", str(problem))

    def test_forged(self) -> None:
        """
        A header and directory that someone made up are refused or give empty
        columns, whatever they say; memory stays bounded.
        """
        rng = np.random.default_rng(7)
        directory = encoded.HEADER.unpack_from(self.data)[-2]
        places = [*range(encoded.HEADER.size), *range(directory, len(self.data))]
        for _ in range(3000):
            hurt = bytearray(self.data)
            for at in rng.choice(places, rng.integers(1, 4)).tolist():
                hurt[at] = int(rng.choice([0, 1, 255, rng.integers(0, 256)]))
            try:
                group = RowGroup(forged(hurt))
            except Damaged:
                continue
            self.assertLessEqual(group.rows, rowgroups.MOST_ROWS)
            values, flags, _ = group.read(range(1, 7))
            self.assertFalse(np.isinf(values).any())
            self.assertFalse((flags > 7).any())
            group.group()
            group.check()
            with contextlib.suppress(ValueError):
                rewritten(group, self.group)

    def test_forged_bodies(self) -> None:
        """
        Bodies that someone made up, checksums included, cost their column at
        most.
        """
        rng = np.random.default_rng(8)
        group = RowGroup(self.data)
        kinds, content = group.directory_kinds & 255, group.directory_content
        places = [int(place) for place in content[kinds != encoded.CONSTANT]]
        places += [group.pattern_place(pattern + 1) for pattern in range(int(group.directory_kinds.max() >> 8))]
        for _ in range(3000):
            hurt = bytearray(self.data)
            place = places[rng.integers(len(places))]
            begin, end = place & 0xFFFFFFFF, (place & 0xFFFFFFFF) + (place >> 32)
            for _ in range(rng.integers(1, 4)):
                hurt[rng.integers(begin, end)] = rng.integers(0, 256)
            hurt[end : end + 4] = encoded.CRC.pack(crc32(hurt[begin:end]))
            values, flags, damaged = RowGroup(hurt).read(range(1, 7))
            self.assertEqual((values.shape, flags.shape), ((60, 6), (60, 6)))
            self.assertEqual(len(RowGroup(hurt).check()), damaged)

    @settings(PROFILE)
    @given(st.binary(max_size=200))
    def test_noise(self, noise: bytes) -> None:
        """
        Arbitrary bytes are refused.
        """
        self.assertRaises(Damaged, RowGroup, noise)
        self.assertRaises(Damaged, RowGroup, b"NSG2\x02\0" + noise)
