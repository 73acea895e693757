"""
Tests of the decoder of sample lines.
"""

from __future__ import annotations

import math
import tracemalloc

from tests.kernel import plain
from tests.kernel.case import ABSOLUTE, ANOMALOUS, EMPTY, INCREMENTAL, NOW, RESET, START, KernelTestCase, block

COUNTERS = (("x", ABSOLUTE), ("y", INCREMENTAL))
V2 = b"BEGIN2 'a.b' 1 %d #\nSET2 'x' %b\nEND2\n"


class LineTests(KernelTestCase):
    """
    Which text is consumed, and how it is read.
    """

    def v2(self, words: bytes) -> tuple[int, float, int]:
        """
        @return: Collected value, value and flags of a version 2 line, which is
            read twice: as a new line and as a predicted one.
        """
        ingest = self.ingest(*COUNTERS)
        self.feed(ingest, V2 % (START, words) + V2 % (START + 1, words))
        (s1, t1, *first), (s2, t2, *second) = self.rows(ingest)
        self.assertEqual((s1, t1, s2, t2), (0, START, 0, START + 1))
        self.assertEqual(repr(first), repr(second))
        return tuple(first)

    def test_numbers(self) -> None:
        """
        Numbers in each form of the protocol are the numbers they say.
        """
        for words, collected, value in (
            (b"5 7.25 A", 5, 7.25),
            (b"-5 -7.25 A", -5, -7.25),
            (b"0x25AD0E 16.9493862 A", 0x25AD0E, 16.9493862),
            (b"-0x25AD0E 51 A", -2469134, 51.0),
            (b"-0x25ad0e 51 A", -2469134, 51.0),
            (b"#BGe @EA68xSopIo8 A", 4510, 26.94953397767152),
            (b"-#B6cm2 @EBU1VVVVVVV A", -32098742, 83.33333333333333),
            (b"#A @A A", 0, 0.0),
            (b"#/ @EAwqqqqqqqr A", 63, 16.666666666666668),
            (b"#B %4022000000000000 A", 1, 9.0),
            (b"#B @L/4AAAAAAAA A", 1, -1.5),
            (b"#BGe # A", 4510, 4510.0),
            (b"-#F # A", -5, -5.0),
            (b"1 #BrAwyT A", 1, 1.0),
            (b"1 1e3 A", 1, 1000.0),
            (b"1 -1.5E-3 A", 1, -0.0015),
            (b"1 .5 A", 1, 0.5),
            (b"1 5. A", 1, 5.0),
            (b"1 123456789012345678901.5 A", 1, 123456789012345678901.5),
            (b"1 0.1234567890123456789 A", 1, 0.1234567890123456789),
            (b"1 0x10 A", 1, 16.0),
            (b"9223372036854775807 1 A", 2**63 - 1, 1.0),
            (b"-9223372036854775808 1 A", -(2**63), 1.0),
            (b"18446744073709551615 1 A", -1, 1.0),
        ):
            self.assertEqual(self.v2(words)[:2], (collected, value), words)

    def test_values_of_the_protocol(self) -> None:
        """
        The examples of values in base 64 are read to the last bit.
        """
        for text, value in (
            (b"@D/gAAAAAAAA", 0.5),
            (b"@D/wAAAAAAAA", 1.0),
            (b"@EA4AAAAAAAA", 24.0),
            (b"@EBZAAAAAAAA", 100.0),
            (b"@EAiAAAAAAAA", 9.0),
        ):
            self.assertEqual(self.v2(b"#A " + text + b" A")[1], value)

    def test_flags(self) -> None:
        """
        Flags say what is anomalous, what was reset and what is missing.
        """
        for words, flags in (
            (b"1 1 A", 0),
            (b"1 1 ''", ANOMALOUS),
            (b"1 1 R", ANOMALOUS | RESET),
            (b"1 1 AR", RESET),
            (b"1 1 E", EMPTY),
            (b"1 null A", EMPTY),
            (b"1 nan A", EMPTY),
            (b"1 NAN AR", EMPTY | RESET),
            (b"1 -inf A", EMPTY),
            (b"1 1e999 A", EMPTY),
            (b"1 @H/4AAAAAAAA A", EMPTY),
            (b"1 @H/wAAAAAAAA A", EMPTY),
        ):
            _, value, found = self.v2(words)
            self.assertEqual(found, flags, words)
            self.assertEqual(math.isnan(value), bool(flags & EMPTY), words)

    def test_slots(self) -> None:
        """
        Slots are skipped, in any form of number.
        """
        for slot in (b"SLOT:#B", b"SLOT:0x1", b"SLOT:1"):
            ingest = self.ingest(*COUNTERS)
            text = b"BEGIN2 %b 'a.b' #B #BlU/EC #\nSET2 %b 'x' #D @EAIAAAAAAAA A\nEND2\n" % (slot, slot)
            self.feed(ingest, text * 2)
            self.assertEqual(self.rows(ingest), [(0, 1700000002, 3, 3.0, 0)] * 2)

    def test_separators(self) -> None:
        """
        A line means the same however its words are separated and quoted.
        """
        for line in (
            b'SET "x" = 5',
            b"SET x 5",
            b"SET x=5",
            b"SET 'x' 5",
            b"SET\t'x'\v=\f5\r",
            b"  SET = x = 5 6 7",
            b"SET x '5'",
            b"SET x #F",
            b"SET x 0x5",
            b"SET x 5.9",
            b"SET SLOT:1 x 5",
            b"SET x 5" + b" y" * 5000,
        ):
            ingest = self.ingest(*COUNTERS)
            text = b'BEGIN "a.b" 0\n' + line + b"\nEND\n"
            for second in range(3):
                self.feed(ingest, text, NOW + second * 1_000_000)
            taken = ingest.take()
            self.assertEqual(taken[2].tolist(), [5, 5], line)
            self.assertEqual(taken[5], block(0, x=5) * 3, line)

    def test_where_it_stops(self) -> None:
        """
        Decoding stops at an unfinished line and at one with another keyword.
        """
        ingest = self.ingest(*COUNTERS)
        whole = block(0, x=1)
        for rest in (
            b"",
            b"SET",
            b"BEGI",
            b"END",
            b"CHART x\n",
            b"\n",
            b"SETX 1\n",
            b"  BEGIN3 x\n",
            b"'\n",
            b"BEGIN2 'a",
        ):
            self.assertEqual(ingest.feed(whole + rest, 0, NOW), len(whole), rest)
        self.assertEqual(ingest.feed(b"CHART x\n" + whole, 8, NOW), 8 + len(whole))
        self.assertEqual(ingest.feed(b"", 0, NOW), 0)
        self.assertEqual(ingest.lines, 11 * 3)

    def test_every_split(self) -> None:
        """
        The samples do not depend on how the text was cut into pieces.
        """
        text = block(0, x=1, y=5) + block(1_000_300, x=-2, y=50) + V2 % (START + 9, b"#BGe @EA68xSopIo8 A")
        text += block(1_000_300, y=500, x=7) + b"BEGIN 'a.b' 900000\nSET x=5\nEND\n"

        def decoded(cut: int) -> tuple[object, ...]:
            ingest = self.ingest(*COUNTERS)
            at = ingest.feed(text[:cut], 0, NOW)
            end = at + ingest.feed(text[at:], 0, NOW)
            self.assertEqual(end, len(text))
            taken = ingest.take()
            return (*(column.tolist() for column in taken[:5]), taken[5])

        expected = decoded(0)
        for cut in range(len(text)):
            self.assertEqual(decoded(cut), expected, cut)

    def test_current(self) -> None:
        """
        The chart of the open block is known, so that a line about the chart can
        stand in it.
        """
        ingest = self.ingest(*COUNTERS)
        self.assertIsNone(ingest.current)
        text = b'BEGIN "a.b" 0\nSET "x" = 1\nVARIABLE CHART v = 1\nSET "y" = 2\nEND\n'
        at = ingest.feed(text, 0, NOW)
        self.assertTrue(text[at:].startswith(b"VARIABLE"))
        self.assertEqual(ingest.current, "a.b")
        at = text.index(b"\n", at) + 1
        self.assertEqual(ingest.feed(text, at, NOW), len(text))
        self.assertIsNone(ingest.current)
        self.assertEqual(ingest.take()[5], block(0, x=1, y=2))

    def test_open_block(self) -> None:
        """
        The samples of a block stand together: those of an open one are not
        given away.
        """
        ingest = self.ingest(*COUNTERS)
        self.feed(ingest, V2 % (START, b"1 1 A") + b"BEGIN2 a.b 1 %d #\nSET2 x 2 2 A\n" % (START + 1))
        self.assertEqual(self.rows(ingest), [(0, START, 1, 1.0, 0)])
        self.assertEqual(self.rows(ingest), [])
        self.feed(ingest, b"SET2 y 3 3 A\nEND2\n")
        self.assertEqual(self.rows(ingest), [(0, START + 1, 2, 2.0, 0), (1, START + 1, 3, 3.0, 0)])

    def test_many(self) -> None:
        """
        There may be any number of samples between two takes.
        """
        ingest = self.ingest(*COUNTERS)
        self.feed(ingest, b"".join(V2 % (START + n, b"%d %d.5 A" % (n, n)) for n in range(1000)))
        self.assertEqual(self.rows(ingest), [(0, START + n, n, n + 0.5, 0) for n in range(1000)])
        self.assertIsNone(ingest.take())

    def test_update_every(self) -> None:
        """
        A version 2 block may change the period of its chart.
        """
        ingest = self.ingest(*COUNTERS)
        self.feed(ingest, b"BEGIN2 a.b 0xA %d #\nSET2 x 1 1 A\nEND2\n" % START)
        self.assertEqual(self.rows(ingest), [(0, START, 1, 1.0, 0)])

    def test_refused(self) -> None:
        """
        A line that cannot be taken is named, with the reason.
        """
        begin = b'BEGIN "a.b" 0\n'
        begin2 = b"BEGIN2 a.b 1 1700000000 #\n"
        for text, reason in (
            (b"SET x 1\n", "outside of a block"),
            (b"END\n", "outside of a block"),
            (b"SET2 x 1 1 A\n", "outside of a block"),
            (b"END2\n", "outside of a block"),
            (begin + b"SET2 x 1 1 A\n", "outside of a block"),
            (begin + b"END2\n", "outside of a block"),
            (begin2 + b"SET x 1\n", "outside of a block"),
            (begin2 + b"END\n", "outside of a block"),
            (b"BEGIN\n", "no chart"),
            (b"BEGIN2\n", "no chart"),
            (b"BEGIN nothing 0\n", "unknown chart"),
            (b"BEGIN2 nothing 1 1 #\n", "unknown chart"),
            (b"BEGIN a.b x\n", "malformed number"),
            (b"BEGIN a.b -1\n", "duration out of range"),
            (b"BEGIN a.b 99999999999999999\n", "duration out of range"),
            (b"BEGIN a.b 18446744073709551615\n", "duration out of range"),
            (begin + b"SET\n", "no dimension"),
            (begin + b"SET z 1\n", "unknown dimension"),
            (begin + b"SET x one\n", "malformed number"),
            (begin + b"SET x 1x\n", "malformed number"),
            (begin + b"SET x --1\n", "malformed number"),
            (begin + b"SET x 0x\n", "malformed number"),
            (begin + b"SET x #\n", "malformed number"),
            (begin + b"SET x 1_0\n", "malformed number"),
            (begin + b"SET x nan\n", "number out of range"),
            (begin2 + b"SET2 x 1e300 1 A\n", "number out of range"),
            (b"BEGIN2 a.b 1\n", "too few words"),
            (b"BEGIN2 a.b 0 1700000000 #\n", "update every out of range"),
            (b"BEGIN2 a.b 1 0 #\n", "time out of range"),
            (b"BEGIN2 a.b 1 -5 #\n", "time out of range"),
            (b"BEGIN2 a.b 1 9999999999999 #\n", "time out of range"),
            (begin2 + b"SET2 x 1\n", "too few words"),
            (begin2 + b"SET2 z 1 1 A\n", "unknown dimension"),
            (begin2 + b"SET2 x 1 zero A\n", "malformed number"),
            (begin2 + b"SET2 x 1 @ A\n", "malformed number"),
            (begin2 + b"SET2 x 1 @AAAAAAAAAAAA A\n", "malformed number"),
            (begin2 + b"SET2 x 1 %11111111111111111 A\n", "malformed number"),
            (begin2 + b"SET2 x 1 1.2.3 A\n", "malformed number"),
        ):
            self.assertEqual(self.refused(self.ingest(*COUNTERS), text), reason, text)
            known = self.ingest(*COUNTERS)
            self.feed(known, block(0, x=1) + V2 % (START, b"1 1 A"))
            self.feed(known, block(0, x=1) + V2 % (START, b"1 1 A"))
            self.assertEqual(self.refused(known, text), reason, text)

    def test_kept_before_a_bad_line(self) -> None:
        """
        What came before a bad line can be taken.
        """
        ingest = self.ingest(*COUNTERS)
        good = V2 % (START, b"1 1 A") + b"BEGIN2 a.b 1 %d #\nSET2 x 2 2 A\n" % (START + 1)
        self.refused(ingest, good + b"SET2 x two 2 A\n" + good)
        self.assertEqual([row[1:4] for row in self.rows(ingest)], [(START, 1, 1.0), (START + 1, 2, 2.0)])
        self.assertEqual(ingest.lines, 5)

    def test_too_large(self) -> None:
        """
        A collected number that is too large is the largest, as agents have it.
        """
        for word, collected in ((b"9" * 30, 2**63 - 1), (b"-" + b"9" * 30, -(2**63)), (b"1e300", 2**63 - 1)):
            ingest = self.ingest(*COUNTERS)
            self.feed(ingest, b"BEGIN a.b 0\nSET x " + word + b"\nEND\n")
            self.assertEqual(ingest.take()[5], block(0, x=collected), word)

    def test_empty_value(self) -> None:
        """
        A dimension with an empty value was not collected.
        """
        for line in (b'SET "x" = \n', b'SET "x" =\n', b'SET "x"\n', b'SET "x" = ""\n', b"SET x ''\n"):
            ingest = self.ingest(*COUNTERS)
            for second in range(3):
                text = b'BEGIN "a.b" 0\n' + line + b'SET "y" = 5\nEND\n'
                self.feed(ingest, text, NOW + second * 1_000_000)
            taken = ingest.take()
            self.assertEqual(taken[0].tolist(), [1, 1], line)
            self.assertEqual(taken[5], block(0, y=5) * 3)

    def test_abandoned_block(self) -> None:
        """
        A block that is begun and not ended leaves nothing behind.
        """
        ingest = self.ingest(*COUNTERS)
        for second in range(2):
            self.feed(ingest, b'BEGIN "a.b" 0\nSET "y" = 9\n' + block(0, x=1), NOW + second * 1_000_000)
        taken = ingest.take()
        self.assertEqual(taken[0].tolist(), [0])
        self.assertEqual(taken[5], block(0, x=1) * 2)
        self.feed(ingest, b'BEGIN "a.b" 0\nSET "y" = 9\n' + V2 % (START, b"7 8 A"))
        taken = ingest.take()
        self.assertEqual((taken[2].tolist(), taken[5]), ([7], None))

    def test_lines(self) -> None:
        """
        Version 1 lines are kept as they came; no others, and none if they are
        not wanted.
        """
        plain_text = block(0, x=1, y=-2) + block(1000, y=3, x=0)
        text = plain_text + V2 % (START, b"1 1 A") + plain_text
        ingest = self.ingest(*COUNTERS)
        self.feed(ingest, text)
        self.assertEqual(ingest.take()[5], plain_text * 2)
        ingest = self.ingest(*COUNTERS, keep_lines=False)
        self.feed(ingest, text)
        self.assertIsNone(ingest.take()[5])

    def test_odd_ids(self) -> None:
        """
        Ids may hold anything that can stand between quotes.
        """
        for name in ("a b", "a=b", "sl\\ash", "d\u00e9j\u00e0", "it's", 'say "x"', "\udcff", "#", "SLOT:1"):
            ingest = self.ingest((name, ABSOLUTE), chart=name)
            quote = "'" if '"' in name else '"'
            text = f"BEGIN {quote}{name}{quote} 0\nSET {quote}{name}{quote} = 1\nEND\n".encode(
                "utf-8", "surrogateescape"
            )
            for second in range(3):
                self.feed(ingest, text, NOW + second * 1_000_000)
            taken = ingest.take()
            self.assertEqual((taken[2].tolist(), taken[5]), ([1, 1], text * 3), name)
            self.feed(ingest, text[: text.index(b"\n") + 1])
            self.assertEqual(ingest.current, name)

    def test_disorder(self) -> None:
        """
        Lines that come in ever another order are still those of their charts.
        """
        ingest = self.kernel.Ingest()
        for chart in range(5):
            ingest.chart(f"c.{chart}", 1)
            for dimension in range(3):
                ingest.dimension(f"c.{chart}", f"d{dimension}", 10 * chart + dimension, 0, 1, 1)
        expected = []
        for turn in range(40):
            chart = turn * 7 % 5 if turn % 3 else turn % 5
            text = f"BEGIN2 'c.{chart}' 1 {START + turn} #\n"
            for dimension in sorted(range(3), key=lambda one, turn=turn: (one * turn) % 4):
                text += f"SET2 'd{dimension}' {turn} {turn}.5 A\n"
                expected.append((10 * chart + dimension, START + turn, turn, turn + 0.5, 0))
            self.feed(ingest, text.encode() + b"END2\n")
        self.assertEqual(self.rows(ingest), expected)

    def test_wrong_definitions(self) -> None:
        """
        A chart without period and a dimension without divisor are mistakes.
        """
        ingest = self.ingest(*COUNTERS)
        self.assertRaises(ValueError, ingest.chart, "a.b", 0)
        self.assertRaises(ValueError, ingest.chart, "a.b", 2**58)
        self.assertRaises(ValueError, ingest.dimension, "a.b", "x", 0, 0, 1, 0)
        self.assertRaises(KeyError, ingest.dimension, "no.chart", "x", 0, 0, 1, 1)

    def test_bounded(self) -> None:
        """
        A child that writes its lines in ever new ways does not fill the memory.
        """
        ingest = self.ingest(*COUNTERS)

        def send(rounds: range) -> None:
            for n in rounds:
                blanks = b" " * (n % 1000) + b"\t" * (n // 1000)
                self.feed(ingest, b"BEGIN" + blanks + b" 'a.b' 0\nSET" + blanks + b" 'x' 1\n" + blanks + b"END\n")
                ingest.take()

        send(range(0, 500))
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            send(range(500, 3000))
            self.assertLess(tracemalloc.get_traced_memory()[0] - before, 100_000)
        finally:
            tracemalloc.stop()


class PlainLineTests(LineTests):
    """
    The same in plain Python.
    """

    kernel = plain
