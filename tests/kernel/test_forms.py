"""
Answers made of a hot page: the compiled kernel and the plain one give the same,
and the rows that are planned for any client.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netstream.db.interfaces import Span
from netstream.db.windows import window
from netstream.kernel.forms import PLACES
from tests.kernel import installed, plain
from tests.kernel.test_rows import NUMBERS, START


class FormTests(SynchronousTestCase):
    """
    Each test runs with the kernel that is installed; a subclass names the
    other.
    """

    kernel: ModuleType = installed

    def form(self, *places: str, **how: Any) -> Any:
        """
        @return: A form with these places, divided by semicolons.
        """
        pieces = [b"<", *[b"; "] * (len(places) - 1), b">"]
        return self.kernel.forms.Form(pieces, list(places), **how)

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
        rows = self.kernel.forms.Rows(cells, marks, columns, past, past_marks, start, step, floor)
        asked_for = self.kernel.forms.Question(*question)
        text: bytes | None = form.fill(rows, asked_for, np.array([1.5, np.nan, -0.0, 7]), columns * 2)
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
                self.kernel.forms.Form(pieces, places)
        form, cells, marks = self.form("rows"), np.zeros((3, 2), np.uint64), np.zeros((3, 2), np.uint8)
        both, past, flags = np.array([0, 1], np.int32), np.zeros((4, 2)), np.zeros((4, 2), np.uint8)
        good = cells, marks, both, past, flags
        for place, wrong in ((1, marks[:2]), (1, marks[:, :1]), (2, both[:1]), (3, past[:3]), (4, flags[:, :1])):
            with self.assertRaises(ValueError):
                self.kernel.forms.Rows(*good[:place], wrong, *good[place + 1 :], START, 1, START)
        for column in (-1, 2):
            with self.assertRaises(ValueError):
                self.kernel.forms.Rows(cells, marks, both * 0 + column, past, flags, START, 1, START)
        rows = self.kernel.forms.Rows(*good, START, 1, START)
        question = self.kernel.forms.Question(START, START, 1, START + 3, START, START + 2)
        with self.assertRaises(ValueError):
            form.fill(rows, question, np.zeros(1), both[:1])


class PlainFormTests(FormTests):
    """
    The same with the plain kernel.
    """

    kernel = plain


class SameFormsTests(SynchronousTestCase):
    """
    Both kernels, held against each other.
    """

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
    def test_same(self, page: list[list[float]], asked: dict[str, int], flip: bool, earlier: list[list[float]]) -> None:
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
            form = kernel.forms.Form([b"", b" ", b" ", b" ", b""], ["oldest", "newest", "step", "result"], flip)
            marks = np.zeros(cells.shape, np.uint8)
            rows = kernel.forms.Rows(cells, marks, columns, past, none, start, step, floor)
            texts.append(form.fill(rows, kernel.forms.Question(*question), np.array([1.0]), columns))
        self.assertEqual(*texts)
        if texts[0] is not None:
            plan = window(
                *(asked[name] for name in ("after", "before", "points", "step", "now")),
                span=Span(asked["first"], asked["last"]),
                tiers=(1, 60),
            )
            oldest, newest, step, _ = texts[0].split(b" ")
            self.assertEqual((plan.after + plan.step, plan.before, plan.step), (int(oldest), int(newest), int(step)))
