"""
Columns of a hot page: the compiled kernel and the plain one make the same of
them, to the bit.
"""

from __future__ import annotations

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from twisted.trial.unittest import SynchronousTestCase

from netstream.kernel import seal as installed
from netstream.kernel.cells import ABSENT, GAP
from netstream.kernel.seal import MISSING, PLAIN, SAME, SINGLE, SMALL, WHOLE

settings.register_profile("seal", max_examples=100, deadline=None, database=None, derandomize=True)

NAN = float("nan")
INFINITY = float("inf")
NUMBERS = st.one_of(
    st.sampled_from((0.0, -0.0, 1.0, 1.5, NAN, NAN, INFINITY, -INFINITY)),
    st.sampled_from(
        (2.0**24, 2.0**24 - 1, -(2.0**24), 2.0**53, -(2.0**53), 2.0**53 + 2, 2.0**63, 1e300, 3.5e38, 1e-40)
    ),
    st.floats(),
    st.integers(-(2**55), 2**55).map(float),
)
SHAPES = st.tuples(st.integers(0, 5), st.integers(1, 9))


def _plain() -> ModuleType:
    """
    @return: The module once more, from its source.
    """
    path = Path(str(installed.__file__)).with_name("seal.py")
    spec = spec_from_file_location("netstream.kernel._plain_seal", path)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


plain = _plain()


def turned(kernel: ModuleType, cells: Any, marks: Any, columns: Any) -> tuple[Any, Any]:
    """
    @return: Raw columns: values and flags.
    """
    values = np.full((len(columns), len(cells)), 77.0)
    flags = np.full(values.shape, 77, np.uint8)
    kernel.turn(cells, marks, np.array(columns, np.int32), values, flags)
    return values, flags


def packed(kernel: ModuleType, values: Any, flags: Any) -> tuple[Any, ...]:
    """
    @return: Packed values, states, counts, written, facts.
    """
    result = (
        np.full(values.shape, 77.0),
        np.full(values.shape, 77, np.uint8),
        *(np.full(len(values), 77, kind) for kind in (np.int32, np.int32, np.uint8)),
    )
    kernel.pack(values, flags, *result)
    return result


def empty(series: int, rows: int) -> list[Any]:
    """
    @return: Rows of a tier to which nothing was added.
    """
    return [np.full((series, rows), value) for value in (0.0, np.inf, -np.inf, 0.0, 0.0)]


def bits(found: Any) -> list[bytes]:
    """
    @return: Arrays as what can be compared to the bit.
    """
    return [array.tobytes() for array in found]


class SameTests(SynchronousTestCase):
    """
    The module that is installed, and the plain one.
    """

    def test_which(self) -> None:
        """
        It is known which one runs, and the plain one needs no compiler.
        """
        self.assertFalse(plain.COMPILED)
        self.assertIsNot(plain.turn, installed.turn)

    @settings(settings.get_profile("seal"))
    @given(st.data(), SHAPES)
    def test_turn(self, data: st.DataObject, shape: tuple[int, int]) -> None:
        """
        All pages give the same columns, whatever is in their cells.
        """
        rows, width = shape
        words = st.one_of(
            st.sampled_from((0, ABSENT ^ GAP, ABSENT, GAP)),
            st.integers(0, 2**64 - 1),
            NUMBERS.map(lambda number: int(np.float64(number).view(np.uint64)) ^ ABSENT),
        )
        cells = data.draw(arrays(np.uint64, shape, elements=words))
        marks = data.draw(arrays(np.uint8, shape))
        columns = data.draw(st.lists(st.integers(0, width - 1), max_size=150))
        self.assertEqual(bits(turned(installed, cells, marks, columns)), bits(turned(plain, cells, marks, columns)))
        # A part of a wider page, as a node has it.
        part = (cells[:, 1:], marks[:, 1:], [column - 1 for column in columns if column])
        self.assertEqual(bits(turned(installed, *part)), bits(turned(plain, *part)))

    @settings(settings.get_profile("seal"))
    @given(st.data(), SHAPES)
    def test_pack(self, data: st.DataObject, shape: tuple[int, int]) -> None:
        """
        All columns are taken apart in the same way.
        """
        values = data.draw(arrays(np.float64, shape, elements=NUMBERS))
        flags = data.draw(arrays(np.uint8, shape, elements=st.integers(0, 7)))
        self.assertEqual(bits(packed(installed, values, flags)), bits(packed(plain, values, flags)))
        none = np.broadcast_to(np.uint8(0), shape)
        self.assertEqual(bits(packed(installed, values, none)), bits(packed(plain, values, none)))

    @settings(settings.get_profile("seal"))
    @given(st.data(), SHAPES, st.integers(1, 4))
    def test_fold(self, data: st.DataObject, shape: tuple[int, int], tier: int) -> None:
        """
        Rows of a tier are the same, with what was in them before.
        """
        width, depth = shape
        rows = np.array(data.draw(st.lists(st.integers(-1, tier - 1), min_size=depth, max_size=depth)), np.int32)
        place = np.array(data.draw(st.permutations(range(width))), np.int32)
        # Of several kinds of NaN it would depend on the order of operands which is left.
        finite = st.one_of(
            st.sampled_from((0.0, -0.0, NAN)), st.floats(allow_nan=False, allow_infinity=False, width=32)
        )
        values = data.draw(arrays(np.float64, shape, elements=finite))
        flags = data.draw(arrays(np.uint8, shape, elements=st.integers(0, 7)))
        number = st.one_of(st.just(NAN), st.integers(0, 3600).map(float))
        given = [
            data.draw(arrays(np.float64, shape, elements=what)) for what in (finite, finite, finite, number, number)
        ]
        found = []
        for kernel in (installed, plain):
            fields = empty(width, tier)
            for array in (values, np.asfortranarray(values)):
                kernel.fold(array, flags, rows, place, fields)
                kernel.fold_rows(given, rows, place, fields)
            found.append(bits(fields))
        self.assertEqual(*found)


class TurnTests(SynchronousTestCase):
    """
    L{netstream.kernel.seal.turn}
    """

    def test_states(self) -> None:
        """
        What was written, a gap, and what was not written stay apart.
        """
        values = np.array([[1.5, -0.0, 3.0, 4.0]])
        cells = values.view(np.uint64) ^ np.uint64(ABSENT)
        cells[0, 2] = ABSENT ^ GAP
        cells[0, 3] = 0
        marks = np.array([[2, 0, 1, 3]], np.uint8)
        for kernel in (installed, plain):
            found, flags = turned(kernel, cells, marks, [3, 2, 1, 0])
            np.testing.assert_array_equal(found[:, 0], [NAN, NAN, -0.0, 1.5])
            self.assertTrue(np.signbit(found[2, 0]))
            self.assertEqual(flags[:, 0].tolist(), [0, 5, 0, 2])

    def test_many(self) -> None:
        """
        A page may be wider than what is turned at once.
        """
        cells = np.arange(7 * 300, dtype=np.uint64).reshape(7, 300)
        columns = np.random.default_rng(1).permutation(300).tolist()
        for kernel in (installed, plain):
            found, _ = turned(kernel, cells, np.zeros(cells.shape, np.uint8), columns)
            np.testing.assert_array_equal(found.view(np.uint64) ^ np.uint64(ABSENT), cells[:, columns].T)

    def test_refused(self) -> None:
        """
        Columns that are not there, and arrays that do not fit, are an error and not a crash.
        """
        cells, marks = np.zeros((4, 3), np.uint64), np.zeros((4, 3), np.uint8)
        for kernel in (installed, plain):
            for columns in ([3], [-1]):
                self.assertRaises(ValueError, turned, kernel, cells, marks, columns)
            self.assertRaises(ValueError, turned, kernel, cells, marks[:, :2], [0])
            self.assertRaises(ValueError, packed, kernel, np.zeros((2, 3)), np.zeros((3, 2), np.uint8))
            self.assertRaises(
                ValueError,
                kernel.pack,
                np.zeros((2, 3)),
                np.zeros((2, 3), np.uint8),
                np.zeros((2, 3)),
                np.zeros((2, 3), np.uint8),
                np.zeros(1, np.int32),
                np.zeros(2, np.int32),
                np.zeros(2, np.uint8),
            )
            flags = np.zeros((2, 3), np.uint8)
            for rows, place, fields in (
                ([0, 0, 4], [0, 1], empty(2, 4)),
                ([0, 0, 0], [0, 2], empty(2, 4)),
                ([0, 0, 0], [-1, 0], empty(2, 4)),
                ([0, 0], [0, 1], empty(2, 4)),
                ([0, 0, 0], [0, 1], [*empty(2, 4)[:4], np.zeros((2, 3))]),
            ):
                of = (np.array(rows, np.int32), np.array(place, np.int32), fields)
                self.assertRaises(ValueError, kernel.fold, np.zeros((2, 3)), flags, *of)
                self.assertRaises(ValueError, kernel.fold_rows, [np.zeros((2, 3))] * 5, *of)


class PackTests(SynchronousTestCase):
    """
    L{netstream.kernel.seal.pack}
    """

    def test_facts(self) -> None:
        """
        What is said of a column is true, at the edges too.
        """
        every = SAME | PLAIN | WHOLE | SMALL | SINGLE
        for values, fact in (
            ([5.0, 5.0], every),
            ([5.0, 6.0], every - SAME),
            ([5.0, 6.5], PLAIN | SINGLE),
            ([0.0, -0.0], PLAIN | SINGLE),
            ([1.0, 2.0**24 - 1], PLAIN | WHOLE | SMALL | SINGLE),
            ([1.0, -(2.0**24)], PLAIN | WHOLE | SINGLE),
            ([1.0, 2.0**53], PLAIN | WHOLE | SINGLE),
            ([1.0, 2.0**53 + 2], PLAIN | SINGLE),
            ([0.5, float(np.finfo(np.float32).max)], PLAIN | SINGLE),
            ([0.5, 3.41e38], PLAIN),
            ([0.5, -3.41e38], PLAIN),
            ([0.5, float(np.finfo(np.float32).tiny)], PLAIN | SINGLE),
            ([0.5, 1e-39], PLAIN),
            ([5.0, NAN], every - PLAIN),
            ([NAN, NAN], every - PLAIN),
        ):
            for kernel in (installed, plain):
                found = packed(kernel, np.array([values]), np.zeros((1, 2), np.uint8))
                self.assertEqual(found[-1].tolist(), [fact], values)

    def test_taken_apart(self) -> None:
        """
        Values move to the front; each row says what it was.
        """
        values = np.array([[NAN, 1.5, NAN, 2.5, 3.5], [NAN] * 5])
        flags = np.array([[0, 1, 4, 0, 2], [0] * 5], np.uint8)
        for kernel in (installed, plain):
            front, states, counts, written, _ = packed(kernel, values, flags)
            self.assertEqual(front.tolist(), [[1.5, 2.5, 3.5, 0, 0], [0] * 5])
            self.assertEqual(states.tolist(), [[MISSING, 1, 4, 0, 2], [MISSING] * 5])
            self.assertEqual((counts.tolist(), written.tolist()), ([3, 0], [4, 0]))
