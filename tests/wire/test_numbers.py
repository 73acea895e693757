"""
Tests for L{netstream.wire.numbers}.
"""

from __future__ import annotations

import math
from struct import pack

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netstream.wire.numbers import (
    DoubleForm,
    IntegerForm,
    double_or,
    format_double,
    format_integer,
    integer_or,
    parse_double,
    parse_integer,
)

BASE64_INTEGERS = [
    (0, "#A"),
    (1, "#B"),
    (10, "#K"),
    (63, "#/"),
    (64, "#BA"),
    (255, "#D/"),
    (4510, "#BGe"),
    (1795360893, "#BrAwh9"),
    (1795361938, "#BrAwyS"),
    (1795361938050220, "#GYN9Gj4ys"),
    (-5, "-#F"),
    (-2469134, "-#Ja0O"),
    (-32098742, "-#B6cm2"),
]
OTHER_INTEGERS = [
    (1795361930, "0x6B030C8A", IntegerForm.HEXADECIMAL),
    (-2469134, "-0x25AD0E", IntegerForm.HEXADECIMAL),
    (0, "0x0", IntegerForm.HEXADECIMAL),
    (1795360893, "1795360893", IntegerForm.DECIMAL),
    (-7, "-7", IntegerForm.DECIMAL),
]
BASE64_DOUBLES = [
    (0.0, "@A"),
    (0.5, "@D/gAAAAAAAA"),
    (1.0, "@D/wAAAAAAAA"),
    (9.0, "@EAiAAAAAAAA"),
    (24.0, "@EA4AAAAAAAA"),
    (100.0, "@EBZAAAAAAAA"),
    (83.33333333333333, "@EBU1VVVVVVV"),
    (16.666666666666668, "@EAwqqqqqqqr"),
    (-1.5, "@L/4AAAAAAAA"),
    (math.nan, "@H/4AAAAAAAA"),
    (math.inf, "@H/wAAAAAAAA"),
]


class IntegerTests(SynchronousTestCase):
    """
    Integers mean to us what they mean to real agents.
    """

    def test_base64(self) -> None:
        """
        Base 64 integers are read and written as in recordings.
        """
        for number, text in BASE64_INTEGERS:
            self.assertEqual(parse_integer(text), number)
            self.assertEqual(format_integer(number, IntegerForm.BASE64), text)

    def test_others(self) -> None:
        """
        So are hexadecimal and decimal ones.
        """
        for number, text, form in OTHER_INTEGERS:
            self.assertEqual(parse_integer(text), number)
            self.assertEqual(format_integer(number, form), text)

    def test_malformed(self) -> None:
        """
        What is no number is named in the error.
        """
        for text in (
            "",
            "-",
            "#",
            "-#",
            "0x",
            "1x",
            "--1",
            "# ",
            "#AAAAAAAAAAAA",
            "0x11111111111111111",
            "9" * 30,
            "é",
        ):
            self.assertRaises(ValueError, parse_integer, text)

    def test_tolerant(self) -> None:
        """
        In definitions digits are enough, and no digits mean the default.
        """
        self.assertEqual(
            [integer_or(text, 7) for text in ("12abc", "", "x", " -3.5", "0x10", "#K", "9" * 40)],
            [12, 7, 7, -3, 16, 10, 2**63 - 1],
        )

    @given(st.integers(-(2**63), 2**64 - 1), st.sampled_from(IntegerForm))
    @settings(max_examples=300, deadline=None)
    def test_round_trip(self, number: int, form: IntegerForm) -> None:
        """
        Every integer of 64 bits survives every form.
        """
        self.assertEqual(parse_integer(format_integer(number, form)), number)

    @given(st.text(max_size=20))
    @settings(max_examples=300, deadline=None)
    def test_any_text(self, text: str) -> None:
        """
        No text does worse than not being a number.
        """
        self.assertLess(abs(integer_or(text, 0)), 2**63)
        double_or(text, 0.0)


class DoubleTests(SynchronousTestCase):
    """
    Doubles mean to us what they mean to real agents.
    """

    def test_base64(self) -> None:
        """
        Base 64 doubles are read and written to the bit.
        """
        for number, text in BASE64_DOUBLES:
            self.assertEqual(pack(">d", parse_double(text)), pack(">d", number))
            self.assertEqual(format_double(number, DoubleForm.BASE64), text)

    def test_hexadecimal(self) -> None:
        """
        So are hexadecimal ones.
        """
        self.assertEqual(parse_double("%4022000000000000"), 9.0)
        self.assertEqual(format_double(9.0, DoubleForm.HEXADECIMAL), "%4022000000000000")

    def test_decimal(self) -> None:
        """
        Decimals are written with seven decimals at most.
        """
        for number, text in ((16.9493862, "16.9493862"), (51.0, "51"), (-0.0, "0"), (1e-9, "0"), (0.25, "0.25")):
            self.assertEqual(format_double(number), text)
        self.assertEqual(parse_double("6.0000000"), 6.0)
        self.assertEqual(parse_double("-1.5e3"), -1500.0)
        self.assertEqual(parse_double("#K"), 10.0)

    def test_not_finite(self) -> None:
        """
        A gap has several spellings.
        """
        for text in ("nan", "NAN", "NaN", "null", "-nan"):
            self.assertTrue(math.isnan(parse_double(text)), text)
        self.assertEqual(parse_double("-inf"), -math.inf)
        self.assertEqual(format_double(math.inf), "nan")

    def test_malformed(self) -> None:
        """
        What Python alone would take for a number is none.
        """
        for text in ("", "1_0", "@", "%", "%xyz", "@AAAAAAAAAAAA", "0x", "1e", "e5", "٣"):
            self.assertRaises(ValueError, parse_double, text)

    @given(st.floats(), st.sampled_from([DoubleForm.BASE64, DoubleForm.HEXADECIMAL]))
    @settings(max_examples=300, deadline=None)
    def test_round_trip(self, number: float, form: DoubleForm) -> None:
        """
        Every double survives as its bits.
        """
        self.assertEqual(pack(">d", parse_double(format_double(number, form))), pack(">d", number))
