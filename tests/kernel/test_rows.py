"""
Rows of numbers as text: the compiled kernel and the plain one write the same,
and what they write is the number.
"""

from __future__ import annotations

import json
from types import ModuleType
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netstream.db.interfaces import Span
from netstream.db.windows import window
from netstream.kernel.rows import PLACES
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

    def form(self, *places: str, **how: Any) -> Any:
        """
        @return: A form with these places, divided by semicolons.
        """
        pieces = [b"<", *[b"; "] * (len(places) - 1), b">"]
        return self.kernel.rows.Form(pieces, list(places), **how)

    def fill(self, form: Any, values: list[list[float]], **asked: Any) -> bytes | None:
        """
        @return: A form filled from a page that begins at second C{START}.
        """
        cells = np.array(values).view(np.uint64) ^ np.uint64(installed.cells.ABSENT)
        marks = asked.pop("marks", np.zeros(cells.shape, np.uint8))
        usual = {"after": -2, "before": 0, "points": 0, "now": START + 4, "first": START - 100}
        usual |= {"last": START + 3, "start": START, "step": 1, "floor": START - 1}
        said = usual | asked
        columns = np.arange(cells.shape[1], dtype=np.int32)
        past = asked_past if (asked_past := said.pop("past", None)) is not None else np.zeros((0, len(columns)))
        past_marks = np.asarray(past == 99, np.uint8)
        *question, start, step, floor = said.values()
        rows = self.kernel.rows.Rows(cells, marks, columns, past, past_marks, start, step, floor)
        text: bytes | None = form.fill(rows, *question, np.array([1.5, np.nan, -0.0, 7]), columns * 2)
        return text

    def test_form(self) -> None:
        """
        A form has rows, and what there is to say of them, where it has a place
        for it.
        """
        page = [[9.0, 8.0], [1.25, 2.0], [float("nan"), -3.5], [4.0, float("inf")], [7.0, 7.0]]
        rest = [place for place in PLACES if place != "result"]
        said = self.fill(self.form(*rest), page)
        self.assertEqual(
            said,
            b"<-2; 0; 0; 1; %d; %d; %d; %d; 2; 3; -3.5; 4; 1.5,0; 4,null>"
            % (START - 100, START + 3, START + 2, START + 3),
        )
        self.assertEqual(self.fill(self.form("result"), page), b"<[%d,4,null],[%d,null,-3.5]>" % (START + 3, START + 2))
        turned = self.fill(self.form("result", flip=True, factor=1000), page)
        self.assertEqual(turned, b"<[%d,null,-3.5],[%d,4,null]>" % (1000 * START + 2000, 1000 * START + 3000))
        self.assertEqual(
            self.fill(self.form("rows", "rows", "step"), page, after=START + 1, before=START + 2), b"<2; 2; 1>"
        )

    def test_elsewhere(self) -> None:
        """
        What is not all there, or takes several samples for a row, is left to
        others.
        """
        page, form = [[1.0]] * 5, self.form("rows")
        for asked in (
            {"after": -5},  # a row before the page
            {"floor": START + 2},
            {"after": START + 2, "before": START + 7, "now": START + 10, "last": START + 9},  # rows behind it
            {"after": START - 200, "before": START - 150},
            {"after": -4, "points": 2},
            {"last": START + 1, "after": START + 2, "before": START + 3},
            {"before": 3, "step": 2},
            {"after": -START, "before": -1, "now": 5},
        ):
            self.assertIsNone(self.fill(form, page, **asked), asked)

    def test_past(self) -> None:
        """
        What comes before the page is as good as what is in it.
        """
        page, past = [[1.5]] * 5, np.array([[-7.0], [np.nan], [2.0]])
        form = self.form("rows", "points", "low", "high", "newest_values", "result")
        for after, before, text in (
            (START - 1, START, b"<2; 2; 1.5; 2; 1.5; [%d,1.5],[%d,2]>" % (START, START - 1)),
            (START - 3, START - 2, b"<2; 1; -7; -7; null; [%d,null],[%d,-7]>" % (START - 2, START - 3)),
        ):
            self.assertEqual(self.fill(form, page, past=past, after=after, before=before, floor=START - 4), text)
        self.assertIsNone(self.fill(form, page, past=past, after=START - 4, before=START, floor=START - 9))
        strict = self.form("rows", anomalies=False)
        for value, text in ((2.0, b"<2>"), (99.0, None)):
            past[-1] = value
            said = self.fill(strict, page, past=past, after=START - 1, before=START, floor=START - 9)
            self.assertEqual(said, text)

    def test_anomalies(self) -> None:
        """
        Where anomalies have to be told, samples that are none are enough.
        """
        page, marks = [[1.0]] * 5, np.array([[0], [1], [2], [0], [0]], np.uint8)
        strict = self.form("rows", anomalies=False)
        self.assertEqual(self.fill(strict, page, marks=marks), b"<2>")
        self.assertIsNone(self.fill(strict, page, marks=marks, after=-3))
        self.assertEqual(self.fill(self.form("rows"), page, marks=marks, after=-3), b"<3>")

    def test_no_form(self) -> None:
        """
        Places that there are not, and arrays that do not fit, are refused.
        """
        for pieces, places in (([b""], ["rows"]), ([b"", b""], ["moon"]), ([], [])):
            with self.assertRaises(ValueError):
                self.kernel.rows.Form(pieces, places)
        form, cells, marks = self.form("rows"), np.zeros((3, 2), np.uint64), np.zeros((3, 2), np.uint8)
        both, past, flags = np.array([0, 1], np.int32), np.zeros((4, 2)), np.zeros((4, 2), np.uint8)
        good = cells, marks, both, past, flags
        for place, wrong in ((1, marks[:2]), (1, marks[:, :1]), (2, both[:1]), (3, past[:3]), (4, flags[:, :1])):
            with self.assertRaises(ValueError):
                self.kernel.rows.Rows(*good[:place], wrong, *good[place + 1 :], START, 1, START)
        for column in (-1, 2):
            with self.assertRaises(ValueError):
                self.kernel.rows.Rows(cells, marks, both * 0 + column, past, flags, START, 1, START)
        rows = self.kernel.rows.Rows(*good, START, 1, START)
        with self.assertRaises(ValueError):
            form.fill(rows, START, START, 1, START + 3, START, START + 2, np.zeros(1), both[:1])


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

    @settings(settings.get_profile("rows"))
    @given(
        st.lists(st.lists(NUMBERS, min_size=2, max_size=2), min_size=1, max_size=12),
        st.fixed_dictionaries(
            {
                "after": st.integers(-15, 2) | st.integers(START - 5, START + 15),
                "before": st.integers(-5, 5) | st.integers(START - 5, START + 15),
                "points": st.integers(-1, 12),
                "now": st.integers(START - 5, START + 15),
                "first": st.integers(START - 10, START + 5),
                "last": st.integers(START, START + 15),
                "start": st.integers(START - 3, START + 3),
                "step": st.integers(1, 3),
                "floor": st.integers(START - 15, START + 2),
            }
        ),
        st.booleans(),
        st.lists(st.lists(NUMBERS, min_size=2, max_size=2), max_size=5),
    )
    def test_same_forms(
        self, page: list[list[float]], asked: dict[str, int], flip: bool, earlier: list[list[float]]
    ) -> None:
        """
        Both fill forms alike, and with the rows that are planned for clients,
        where they fill them at all.
        """
        cells = np.array(page).view(np.uint64) ^ np.uint64(installed.cells.ABSENT)
        columns = np.array([1, 0], np.int32)
        past = np.array(earlier).reshape(-1, 2)
        none = np.zeros(past.shape, np.uint8)
        *question, start, step, floor = asked.values()
        texts = []
        for kernel in (installed, plain):
            form = kernel.rows.Form([b"", b" ", b" ", b" ", b""], ["oldest", "newest", "step", "result"], flip)
            marks = np.zeros(cells.shape, np.uint8)
            rows = kernel.rows.Rows(cells, marks, columns, past, none, start, step, floor)
            texts.append(form.fill(rows, *question, np.array([1.0]), columns))
        self.assertEqual(*texts)
        if texts[0] is not None:
            plan = window(
                *(asked[name] for name in ("after", "before", "points", "step", "now")),
                span=Span(asked["first"], asked["last"]),
                tiers=(1, 60),
            )
            oldest, newest, step, _ = texts[0].split(b" ")
            self.assertEqual((plan.after + plan.step, plan.before, plan.step), (int(oldest), int(newest), int(step)))
