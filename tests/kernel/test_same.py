"""
The compiled kernel and the plain one give the same, to the bit, whatever they
are fed; and neither ever crashes.
"""

from __future__ import annotations

import struct
from types import ModuleType
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.kernel import installed, plain
from tests.kernel.case import NOW, START, KernelTestCase

settings.register_profile("kernel", max_examples=300, deadline=None, database=None, derandomize=True)
settings.load_profile("kernel")

NAMES = ("x", "y", "p", "q", "a b", "it's")
BLANKS = st.sampled_from((" ", " ", " ", " ", "  ", "\t", "=", " = ", "\r", "\v\f", ""))
INTEGERS = st.one_of(
    st.integers(-10, 10),
    st.integers(-(2**63), 2**63 - 1),
    st.sampled_from((2**32 - 1, 2**32 - 7, 2**63 - 1, -(2**63), -1, 2**64 - 1, 2**64, 10**25)),
)


def _base64(number: int) -> str:
    text = ""
    while number or not text:
        text = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[number & 63] + text
        number >>= 6
    return text


def _integer(number: int, form: int) -> str:
    sign = "-" if number < 0 else ""
    return (str(number), f"{sign}0x{abs(number):X}", f"{sign}#{_base64(abs(number))}", f"{number}.75")[form]


def _real(bits: int, form: int) -> str:
    value = struct.unpack("<d", struct.pack("<Q", bits))[0]
    return (f"%{bits:X}", "@" + _base64(bits), repr(value), f"{value:.7f}", "#", f"{value:.3e}")[form]


GARBAGE = st.text(st.sampled_from("0123456789.-+eExX#@%nNaAiIlLuUfF_ '\"=\\\t\r\v\x00\xff/Z"), max_size=14)
WORDS = st.one_of(
    st.builds(_integer, INTEGERS, st.integers(0, 3)),
    st.builds(_integer, st.integers(0, 3_000_000), st.integers(0, 2)),
    st.builds(_real, st.integers(0, 2**64 - 1), st.integers(0, 5)),
    st.sampled_from(
        ("null", "nan", "-inf", "NAN", "''", '""', "A", "AR", "E", "R", "1e999", "1_0", "0x", "@", "--1", "0")
    ),
    GARBAGE,
)
KEYWORDS = st.sampled_from(
    ("BEGIN", "SET", "END", "BEGIN2", "SET2", "END2", "RBEGIN", "RBEGIN ''", "RSET", "BEGIN3", "", "S", "R")
)
IDS = st.sampled_from(
    ('"x"', "x", "'y'", '"y"', '"p"', "q", "'a b'", '"it\'s"', '"a.b"', "'a.b'", "a.b", '"c.d"', "z", "'x")
)
ODD = st.builds(
    lambda *parts: "".join(parts),
    *(st.sampled_from(("", "", "", " ")), KEYWORDS, BLANKS, st.sampled_from(("", "", "SLOT:1 ")), IDS, BLANKS, WORDS),
    *(BLANKS, WORDS, BLANKS, WORDS, st.sampled_from(("", " ", "\r"))),
)
VALUES = st.lists(st.tuples(st.sampled_from(NAMES), INTEGERS.filter(lambda n: abs(n) < 2**63)), max_size=8)


def _block1(chart: str, usec: int, values: list[tuple[str, int]]) -> str:
    return f'BEGIN "{chart}" {usec}\n' + "".join(f'SET "{name}" = {value}\n' for name, value in values) + "END\n"


def _block2(chart: str, second: int, values: list[tuple[str, int]], form: int, bits: int) -> str:
    time = _integer(START + second, form)
    sets = "".join(f'SET2 "{name}" {_integer(value, form)} {_real(bits, form % 6)} A\n' for name, value in values)
    return f"BEGIN2 '{chart}' 1 {time} #\n{sets}END2\n"


def _rows(chart: str, second: int, values: list[tuple[str, int]], form: int, bits: int) -> str:
    times = " ".join(_integer(START + time, form) for time in (second, second + 1, 60))
    sets = "".join(f'RSET "{name}" {_real(bits ^ abs(value), form)} "{"R" * form}"\n' for name, value in values)
    return f"RBEGIN SLOT:1 '{chart}'\nRBEGIN '' {times}\n{sets}"


CHARTS = st.sampled_from(("a.b", "c.d", "e.f"))
USEC = st.one_of(st.sampled_from((0, 1_000_000, 999_999, 500_000)), st.integers(0, 5_000_000), st.integers(0, 10**15))
BLOCKS = st.one_of(
    st.builds(_block1, CHARTS, USEC, VALUES),
    st.builds(_block1, CHARTS, USEC, VALUES),
    st.builds(_block2, CHARTS, st.integers(0, 5), VALUES, st.integers(0, 2), st.integers(0, 2**64 - 1)),
    st.builds(_rows, CHARTS, st.integers(0, 70), VALUES, st.integers(0, 2), st.integers(0, 2**64 - 1)),
)
TEXTS = st.lists(st.one_of(BLOCKS, BLOCKS, BLOCKS, ODD.map(lambda line: line + "\n"), ODD), max_size=14).map(
    lambda parts: "".join(parts).encode("latin-1")
)


def fed(
    kernel: ModuleType, text: bytes, cuts: list[int], keep_lines: bool = True, forgetful: bool = False
) -> list[Any]:
    """
    @param forgetful: Whether a chart is forgotten and defined again at each cut.
    @return: All that a kernel makes of a text: offsets, errors and samples.
    """
    ingest = kernel.Ingest(1, keep_lines, True)
    for number, chart in enumerate(("a.b", "c.d", "e.f")):
        ingest.chart(chart, number + 1, number == 1)
        for index, name in enumerate(NAMES):
            ingest.dimension(
                chart, name, 10 * number + index, index % 4, (1, -3)[index % 2], (1, 7)[index % 3 % 2], index > 3
            )
    seen: list[Any] = []
    at = 0
    for turn, cut in enumerate((*sorted(cut % (len(text) + 1) for cut in cuts), len(text))):
        while at < cut:
            try:
                after = ingest.feed(text[:cut], at, NOW + turn * 700_000)
                end = text.find(b"\n", after, cut) + 1
                seen.append((after, ingest.current))
                if not end:
                    at = after
                    break
                at = end
            except kernel.SampleError as error:
                seen.append((str(error), error.line, error.reason))
                at = text.index(error.line + b"\n", at) + len(error.line) + 1
        taken = ingest.take()
        if taken is not None:
            assert not np.isinf(taken[3]).any()
            assert (np.isnan(taken[3]) == (taken[4] & 4 > 0)).all()
            seen.append([*(column.tobytes() for column in taken[:5]), taken[5]])
        if forgetful:
            ingest.forget("c.d")
            ingest.chart("c.d", 1)
            ingest.dimension("c.d", "x", 90 + turn, turn % 4, 1, 1)
    seen.append(ingest.lines)
    return seen


class SameTests(SynchronousTestCase):
    """
    The kernel that is installed, and the plain one.
    """

    def test_which(self) -> None:
        """
        It is known which kernel runs.
        """
        self.assertFalse(plain.COMPILED)
        self.assertIsInstance(installed.COMPILED, bool)
        self.assertIsNot(plain.Ingest, installed.Ingest)

    @given(TEXTS, st.lists(st.integers(0, 2000), max_size=3), st.booleans(), st.booleans())
    def test_decode(self, text: bytes, cuts: list[int], keep_lines: bool, forgetful: bool) -> None:
        """
        All text, good or bad, gives the same samples and the same errors.
        """
        expected = fed(plain, text, cuts, keep_lines, forgetful)
        self.assertEqual(fed(installed, text, cuts, keep_lines, forgetful), expected)

    @given(st.binary(max_size=200), st.integers(0, 200))
    def test_noise(self, noise: bytes, at: int) -> None:
        """
        Arbitrary bytes do no harm.
        """
        text = b"BEGIN 'a.b' 0\n" + noise + b"\nSET " + noise + b"\nSET2 'x' " + noise + b"\n"
        self.assertEqual(fed(installed, text, [at]), fed(plain, text, [at]))

    @given(TEXTS, st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=20), st.integers(0, 2000))
    def test_damaged(self, text: bytes, damage: list[tuple[int, int]], cut: int) -> None:
        """
        Good text with any bytes of it changed, and cut anywhere, does no harm.
        """
        damaged = bytearray(text * 2)
        for at, byte in damage:
            if damaged:
                damaged[at % len(damaged)] = byte
        self.assertEqual(fed(installed, bytes(damaged), [cut]), fed(plain, bytes(damaged), [cut]))

    @given(st.binary(max_size=400), st.lists(st.integers(0, 400), max_size=4))
    def test_anything(self, noise: bytes, cuts: list[int]) -> None:
        """
        Nor do arbitrary bytes alone; only whole lines are consumed.
        """
        self.assertEqual(fed(installed, noise, cuts), fed(plain, noise, cuts))
        ingest = installed.Ingest(1, True, True)
        for cut in range(len(noise) + 1):
            try:
                self.assertLessEqual(ingest.feed(noise[:cut], 0, NOW), noise.rfind(b"\n", 0, cut) + 1)
            except installed.SampleError as error:
                self.assertIn(error.line + b"\n", noise[:cut])

    @given(
        st.lists(
            st.tuples(
                st.integers(0, 3),
                st.integers(0, 3),
                st.integers(-(2**63), 2**63 - 1),
                st.one_of(st.floats(), st.floats(-1e9, 1e9), st.integers(-1000, 1000).map(float)),
                st.integers(0, 255),
            ),
            max_size=12,
        ),
        st.booleans(),
    )
    def test_encode(self, rows: list[Any], ieee754: bool) -> None:
        """
        All columns give the same lines.
        """
        texts = []
        for kernel in (installed, plain):
            encoder = kernel.Encoder(ieee754)
            for number in range(4):
                encoder.series(number, "ab"[number // 2], "xy"[number % 2], 1)
            series, time, collected, value, flags = zip(*rows, strict=True) if rows else ((),) * 5
            columns = (
                np.array(series, np.int32),
                np.array(time, np.int64),
                np.array(collected, np.int64),
                np.array(value, np.float64),
                np.array(flags, np.uint8),
            )
            texts.append((encoder.v2(*columns), encoder.v1(*columns), encoder.v1(*columns)))
        self.assertEqual(*texts)


class LimitTests(KernelTestCase):
    """
    Input of unusual size.
    """

    def test_long_lines(self) -> None:
        """
        Very long numbers, words and lines are refused or skipped.
        """
        for kernel in (installed, plain):
            for text in (
                b"BEGIN a.b " + b"1" * 15_000 + b"\n",
                b"BEGIN2 a.b 1 5 #\nSET2 x #" + b"B" * 15_000 + b" 1 A\n",
                b"BEGIN2 a.b 1 5 #\nSET2 x 1 " + b"1" * 15_000 + b" A\n",
                b"BEGIN2 a.b 1 5 #\nSET2 x 1 ." + b"1" * 15_000 + b" A\n",
                b"BEGIN2 a.b 1 5 #\nSET2 x 1 @" + b"A" * 15_000 + b" A\n",
                b"BEGIN2 a.b 1 5 #\nSET2 x 1 1 " + b"A" * 15_000 + b"\n",
                b"BEGIN '" + b"a" * 15_000 + b"\n",
                b"SET " * 4_000 + b"\n",
            ):
                self.assertEqual(fed(kernel, text, []), fed(plain, text, []))
