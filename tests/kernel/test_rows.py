"""
Rows of numbers as text: the compiled kernel and the plain one write the same,
and what they write is the number.
"""

from __future__ import annotations

import json
from types import ModuleType

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.kernel import installed, plain

settings.register_profile("rows", max_examples=200, deadline=None, database=None, derandomize=True)

START = 1_700_000_000
NUMBERS = st.one_of(
    st.floats(),
    st.floats(-1e9, 1e9),
    st.floats(-1e-5, 1e-5),
    st.integers(-(2**64), 2**64).map(float),
    st.integers(-(10**15), 10**15).map(lambda whole: whole / 1e7),
    st.sampled_from((5e-8, 1.5e-7, -4.9e-8, 99999999.99999999, 1e8, 100000000.5, 999999999.9999999, 2.0**63, 5e-324)),
)


def _texts(kernel: ModuleType, numbers: list[float]) -> list[str]:
    text: str = kernel.rows.write(np.array([numbers]), b" ", b"").decode()
    return text.split(" ")


class RowsTests(SynchronousTestCase):
    """
    Each test runs with the kernel that is installed; a subclass names the
    other.
    """

    kernel: ModuleType = installed

    def text(self, *numbers: float) -> str:
        """
        @return: Numbers, divided by blanks.
        """
        return " ".join(_texts(self.kernel, list(numbers)))

    def test_rows(self) -> None:
        """
        Each row has its stamp, and its numbers in their order, also where the
        columns lie the other way round in memory.
        """
        values = np.array([[1.5, -2.0], [0.25, float("nan")], [-0.0, 3.0]])
        stamped = self.kernel.rows.stamped
        for form in (values, np.asfortranarray(values)):
            text = stamped(form, 1700000000, 60, b"[", b",", b",", b"];")
            self.assertEqual(text, b"[1700000000,1.5,-2];[1700000060,0.25,null];[1700000120,0,3];")
            turned = stamped(form[::-1], 5, -5, b"[", b",", b",", b"];")
            self.assertEqual(turned, b"[5,0,3];[0,0.25,null];[-5,1.5,-2];")
        self.assertEqual(self.kernel.rows.write(values, b"|", b"\n"), b"1.5|-2\n0.25|null\n0|3\n")

    def test_nothing(self) -> None:
        """
        No rows are no text, and rows without numbers are as many rows.
        """
        self.assertEqual(self.kernel.rows.stamped(np.zeros((0, 3)), 7, 1, b"[", b",", b",", b"]"), b"")
        self.assertEqual(self.kernel.rows.write(np.zeros((2, 0)), b",", b";"), b";;")

    def test_numbers(self) -> None:
        """
        Numbers have seven decimals at most, rounded half to even, no zeros at
        their end and, below a billion of billions, no exponent.
        """
        for number, text in (
            (0.1, "0.1"),
            (0.12345678, "0.1234568"),
            (5e-8, "0"),
            (1e-7, "0.0000001"),
            (-0.00000049, "-0.0000005"),
            (-1e-8, "0"),
            (40.0, "40"),
            (99999999.5, "99999999.5"),
            (123456789012.5, "123456789012.5"),
            (5e17, "500000000000000000"),
            (2.0**63, "9.223372036854776e+18"),
            (-1e300, "-1e+300"),
            (float("inf"), "null"),
        ):
            self.assertEqual(self.text(number), text)
        self.assertEqual(self.text(0.5, -1e300, 5e17, 0.0000001), "0.5 -1e+300 500000000000000000 0.0000001")

    def test_extent(self) -> None:
        """
        What is infinite is a number, but neither the least nor the greatest.
        """
        nan, inf = float("nan"), float("inf")
        for rows, expected in (
            ([[1.5, -2.0], [nan, 3.0]], (3, -2.0, 3.0)),
            ([[inf, -inf], [nan, -4.0]], (3, -4.0, -4.0)),
            ([[inf, nan]], (1, 0.0, 0.0)),
            ([[5.0]], (1, 5.0, 5.0)),
            ([[]], (0, 0.0, 0.0)),
        ):
            values = np.array(rows)
            self.assertEqual(self.kernel.rows.extent(values), expected)
            self.assertEqual(self.kernel.rows.extent(values.T), expected)


class PlainRowsTests(RowsTests):
    """
    The same with the plain kernel.
    """

    kernel = plain


class SameRowsTests(SynchronousTestCase):
    """
    Both kernels, held against each other.
    """

    @settings(settings.get_profile("rows"))
    @given(st.lists(NUMBERS, min_size=1, max_size=20))
    def test_same(self, numbers: list[float]) -> None:
        """
        Both kernels write the same; it is JSON, and not farther from the number
        than half of the seventh decimal.
        """
        texts = _texts(installed, numbers)
        self.assertEqual(texts, _texts(plain, numbers))
        for number, text in zip(numbers, texts, strict=True):
            read = json.loads(text)
            if number - number != 0:
                self.assertIsNone(read)
            else:
                self.assertLessEqual(abs(read - number), 5.01e-8 + abs(number) * 2.0**-52)
