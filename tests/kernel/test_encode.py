"""
Tests of the encoder of sample lines.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.kernel import plain
from tests.kernel.case import ANOMALOUS, EMPTY, NOW, RESET, START, KernelTestCase, Row, block

NAN = float("nan")


def columns(*rows: Row) -> tuple[Any, ...]:
    """
    @return: Rows as columns.
    """
    series, time, collected, value, flags = zip(*rows, strict=True) if rows else ((),) * 5
    return (
        np.array(series, np.int32),
        np.array(time, np.int64),
        np.array(collected, np.int64),
        np.array(value, np.float64),
        np.array(flags, np.uint8),
    )


class EncoderTests(KernelTestCase):
    """
    What columns look like as lines.
    """

    def encoder(self, ieee754: bool = False) -> Any:
        """
        @return: An encoder that knows two charts with two dimensions each.
        """
        encoder = self.kernel.Encoder(ieee754)
        for number, (chart, dimension) in enumerate((("a.b", "x"), ("a.b", "y"), ("c.d", "x"), ("c.d", "y"))):
            encoder.series(number, chart, dimension, 1)
        return encoder

    def test_captured(self) -> None:
        """
        Samples look as a real child writes them.
        """
        rows = columns((0, 1795361930, 48, 51.0, 0), (1, 1795361930, 2360, 16.9493862, 0))
        self.assertEqual(
            self.encoder().v2(*rows),
            b"BEGIN2 'a.b' 0x1 0x6B030C8A #\nSET2 'x' 0x30 51 A\nSET2 'y' 0x938 16.9493862 A\nEND2\n",
        )
        rows = columns((0, 1795360893, 78, 81.25, 0), (1, 1795360893, -32098742, -1.5, 0))
        self.assertEqual(
            self.encoder(True).v2(*rows),
            b"BEGIN2 'a.b' #B #BrAwh9 #\nSET2 'x' #BO @EBUUAAAAAAA A\nSET2 'y' -#B6cm2 @L/4AAAAAAAA A\nEND2\n",
        )

    def test_numbers(self) -> None:
        """
        Decimals have at most 7 places and no needless zeros.
        """
        for value, text in (
            (0.0, b"0"),
            (-0.0, b"0"),
            (51.0, b"51"),
            (0.5, b"0.5"),
            (-0.00000001, b"0"),
            (-16.94938620001, b"-16.9493862"),
            (0.99999999, b"1"),
            (0.1234567, b"0.1234567"),
            (1e7, b"10000000"),
            (99999999.5, b"99999999.5"),
            (123456789.125, b"123456789.125"),
            (-1e15, b"-1000000000000000"),
            (1e300, b"1e+300"),
            (NAN, b"null"),
            (float("inf"), b"null"),
        ):
            line = self.encoder().v2(*columns((0, START, 1, value, 0))).splitlines()[1]
            self.assertEqual(line, b"SET2 'x' 0x1 " + text + b" A", value)

    def test_flags(self) -> None:
        """
        Flags are written as the protocol says.
        """
        for flags, text in (
            (0, b"A"),
            (RESET, b"AR"),
            (ANOMALOUS, b"''"),
            (ANOMALOUS | RESET, b"R"),
            (EMPTY, b"E"),
            (EMPTY | RESET, b"E"),
        ):
            for ieee754 in (False, True):
                lines = self.encoder(ieee754).v2(*columns((0, START, 1, 1.0, flags)))
                self.assertTrue(lines.splitlines()[1].endswith(b" " + text), lines)

    def test_blocks(self) -> None:
        """
        Rows that stand together, of one chart and second, make one block.
        """
        rows = columns(
            (0, START, 1, 1.0, 0),
            (1, START, 2, 2.0, 0),
            (2, START, 3, 3.0, 0),
            (2, START + 1, 4, 4.0, 0),
            (0, START + 1, 5, 5.0, 0),
        )
        lines = self.encoder().v2(*rows).splitlines()
        self.assertEqual(
            [line.split()[0] + line[6:11] for line in lines if not line.startswith(b"SET2")],
            [b"BEGIN2 'a.b", b"END2", b"BEGIN2 'c.d", b"END2", b"BEGIN2 'c.d", b"END2", b"BEGIN2 'a.b", b"END2"],
        )
        self.assertEqual(self.encoder().v2(*columns()), b"")
        self.assertEqual(self.encoder().v1(*columns()), b"")

    def test_version1(self) -> None:
        """
        Version 1 blocks say how long ago the last one was; gaps are left out.
        """
        encoder = self.encoder()
        rows = columns((0, START, 1, 1.0, 0), (1, START, -2, 2.0, 0), (2, START, 3, 3.0, 0))
        self.assertEqual(encoder.v1(*rows), block(0, x=1, y=-2) + block(0, "c.d", x=3))
        rows = columns((0, START + 1, 7, 1.0, 0), (1, START + 1, 8, NAN, EMPTY), (2, START + 3, 9, 3.0, 0))
        self.assertEqual(encoder.v1(*rows), block(1_000_000, x=7) + block(3_000_000, "c.d", x=9))

    def test_ids(self) -> None:
        """
        Ids stand between quotes that they do not contain, and cannot add lines.
        """
        for name, first, second in (
            ("it's", b'"it\'s"', b'"it\'s"'),
            ('say "x"', b"'say \"x\"'", b"'say \"x\"'"),
            ("both ' and \"", b"'both _ and \"'", b'"both \' and _"'),
            ("two\nlines", b'"two_lines"', b"'two_lines'"),
            ("d\u00e9j\u00e0", b'"d\xc3\xa9j\xc3\xa0"', b"'d\xc3\xa9j\xc3\xa0'"),
        ):
            encoder = self.kernel.Encoder(False)
            encoder.series(0, name, name, 5)
            rows = columns((0, START, 1, 1.0, 0))
            self.assertEqual(encoder.v1(*rows), b"BEGIN " + first + b" 0\nSET " + first + b" = 1\nEND\n")
            self.assertEqual(
                encoder.v2(*rows),
                b"BEGIN2 %b 0x5 0x%X #\nSET2 %b 0x1 1 A\nEND2\n" % (second, START, second),
            )

    def test_round_trip(self) -> None:
        """
        What is encoded and decoded again is the same, to the bit in base 64.
        """
        source = np.random.default_rng(7)
        n = 400
        rows = (
            np.tile(np.arange(4, dtype=np.int32), n // 4),
            START + np.repeat(np.arange(n // 4), 4),
            source.integers(-(2**63), 2**63, n),
            source.integers(0, 2**64, n, np.uint64).view(np.float64),
            source.choice(np.array([0, RESET, ANOMALOUS, ANOMALOUS | RESET], np.uint8), n),
        )
        bad = ~np.isfinite(rows[3])
        rows[3][bad] = np.nan
        rows[4][bad] = EMPTY
        ingest = self.ingest(("x", 0), ("y", 0))
        ingest.chart("c.d", 1)
        ingest.dimension("c.d", "x", 2, 0, 1, 1)
        ingest.dimension("c.d", "y", 3, 0, 1, 1)
        self.feed(ingest, self.encoder(True).v2(*rows))
        for expected, found in zip(rows, ingest.take(), strict=False):
            np.testing.assert_array_equal(expected, found)
        rows = (*rows[:3], np.where(bad, np.nan, source.normal(0, 1e5, n)), rows[4])
        self.feed(ingest, self.encoder(False).v2(*rows))
        taken = ingest.take()
        np.testing.assert_allclose(taken[3], rows[3], rtol=0, atol=0.51e-7)
        np.testing.assert_array_equal(taken[4], rows[4])

    def test_wrong_columns(self) -> None:
        """
        A series that was not defined, and columns of unequal length, are
        mistakes.
        """
        rows = columns((9, START, 1, 1.0, 0))
        self.assertRaises(KeyError, self.encoder().v2, *rows)
        self.assertRaises(KeyError, self.encoder().v1, *rows)
        rows = columns((0, START, 1, 1.0, 0), (0, START, 1, 1.0, 0))
        for n in range(5):
            for method in (self.encoder().v1, self.encoder().v2):
                if n != 3 or method.__name__ == "v2":
                    short = [column[:1] if m == n else column for m, column in enumerate(rows)]
                    self.assertRaises(ValueError, method, *short)

    def test_select(self) -> None:
        """
        Of kept lines, the blocks of some charts can be chosen.
        """
        first, second, third = block(0, x=1), block(5, "c.d", x=-1, END=2), b"BEGIN 'say \"x\"' 0\nEND\n"
        lines = first + second + third + second + first
        for charts, expected in (
            ([b"a.b", b"c.d", b'say "x"'], lines),
            ([b"a.b"], first + first),
            ([b"c.d"], second + second),
            ([b'say "x"', b"a.b"], first + third + first),
            ([], b""),
        ):
            self.assertEqual(self.kernel.select(lines, charts), expected)
        self.assertEqual(self.kernel.select(b"", []), b"")

    def test_select_kept(self) -> None:
        """
        The lines that a decoder keeps can be chosen from.
        """
        ingest = self.ingest(("x", 0))
        ingest.chart("c.d", 1)
        ingest.dimension("c.d", "y", 1, 0, 1, 1)
        self.feed(ingest, block(0, x=1) + b"BEGIN c.d\nSET y 2\nEND\n" + block(0, x=3), NOW)
        lines = ingest.take()[5]
        self.assertEqual(self.kernel.select(lines, {b"c.d"}), block(0, "c.d", y=2))
        self.assertEqual(self.kernel.select(lines, {b"a.b"}), block(0, x=1) + block(0, x=3))


class PlainEncoderTests(EncoderTests):
    """
    The same in plain Python.
    """

    kernel = plain
