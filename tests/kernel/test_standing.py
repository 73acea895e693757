"""
Tests of what a child says of the collection of a chart at the end of an answer
about its past.
"""

from __future__ import annotations

from typing import Any

from tests.kernel import plain
from tests.kernel.case import ABSOLUTE, INCREMENTAL, NOW, START, KernelTestCase, block

AT = START * 1_000_000 + 437_000
USUAL = (
    b'RBEGIN "a.b"\n'
    b'RDSTATE "abs" %d 5 5.0000000 5.0000000\n'
    b'RDSTATE "inc" %d -7 0.2500000 2.5000000\n'
    b"RSSTATE %d %d\n" % (AT, AT, AT, START * 1_000_000)
)
SLOTS = (
    b"RBEGIN SLOT:#B 'a.b'\n"
    b"RDSTATE SLOT:#B 'abs' %d #F @EAUAAAAAAAA @EAUAAAAAAAA\n"
    b'RDSTATE SLOT:#C "inc" %d -#H @D/QAAAAAAAA @EAEAAAAAAAA\n'
    b"RSSTATE %d %d\n" % (AT, AT, AT, START * 1_000_000)
)
STATE = (AT, START * 1_000_000, [(0, 5, 5.0), (1, -7, 0.25)])


class StandingTests(KernelTestCase):
    """
    Where a child says that a collection stands, its parent goes on.
    """

    def replicated(self, *dimensions: tuple[Any, ...]) -> Any:
        """
        @return: A decoder that takes rows.
        """
        known = dimensions or (("abs", ABSOLUTE), ("inc", INCREMENTAL))
        return self.ingest(*known, chart="a.b", replicated=True)

    def test_usual(self) -> None:
        """
        The lines of 1.37 and those of 2.x are consumed, and tell the same.
        """
        for text in (USUAL, SLOTS, SLOTS.replace(b"'", b'"')):
            ingest = self.replicated()
            for _ in range(2):
                self.assertEqual(ingest.feed(text + b"REND 1\n", 0, NOW), len(text), text)
                self.assertEqual(ingest.replaying, "a.b")
                self.assertEqual(ingest.state("a.b"), STATE)
                self.assertEqual((ingest.updated, ingest.torn), (START * 1_000_000, False))
                self.assertEqual(ingest.told(), [(0, AT, 5.0), (1, AT, 2.5)])
            self.assertEqual(ingest.lines, 8)

    def test_goes_on(self) -> None:
        """
        The next collection follows upon the one of which was told.
        """
        ingest = self.replicated()
        ingest.feed(USUAL, 0, NOW)
        self.feed(ingest, block(1_000_000, abs=6, inc=-2))
        self.assertEqual([(series, time) for series, time, *_ in self.rows(ingest)], [(0, START + 1), (1, START + 1)])

    def test_first_collection(self) -> None:
        """
        Who goes on from the very first collection has the same points, however
        late in its second that was.
        """
        for late in (30_000, 500_000, 900_000):
            first = START * 1_000_000 + late
            begun, joined = self.replicated(), self.replicated()
            begun.feed(block(0, abs=1, inc=1), 0, first)
            begun.take()
            at, updated_at, _ = begun.state("a.b")
            self.assertEqual((at, updated_at), (first, START * 1_000_000))
            joined.resume("a.b", at, updated_at)
            for name, collected in (("abs", 1), ("inc", 1)):
                joined.resume_dimension("a.b", name, collected, 0.0)
            now = first
            for turn, passed in enumerate((1_030_000 - late, 1_000_000, 2_400_000, 600_000), 2):
                now += passed
                for ingest in (begun, joined):
                    ingest.feed(block(passed, abs=turn, inc=turn * 1000), 0, now)
            # How much of a counter's growth was in the first second is not known; the rest of it is in the next.
            rows = [
                [row for row in self.rows(ingest) if row[0] == 0 or row[1] > START + 2] for ingest in (joined, begun)
            ]
            self.assertEqual(rows[0], rows[1], late)
            self.assertEqual(len(rows[0]), 5 + 3, late)
            self.assertEqual(joined.state("a.b")[0], now)

    def test_word_by_word(self) -> None:
        """
        What is told word by word, where lines are written otherwise, has the
        same effect.
        """
        ingest = self.replicated()
        ingest.feed(b'RBEGIN "a.b"\n', 0, NOW)
        ingest.stands_dimension("a.b", "abs", AT, 5, 5.0, 5.0)
        ingest.stands_dimension("a.b", "inc", AT, -7, 0.25, 2.5)
        ingest.stands("a.b", AT, START * 1_000_000)
        self.assertEqual(ingest.state("a.b"), STATE)
        self.assertEqual(ingest.told(), [(0, AT, 5.0), (1, AT, 2.5)])
        self.assertRaises(KeyError, ingest.stands_dimension, "a.b", "other", AT, 5, 5.0, 5.0)

    def test_left(self) -> None:
        """
        Lines that are written otherwise, that name what is not known, or that
        stand elsewhere are left to who asks.
        """
        begin = b'RBEGIN "a.b"\n'
        for line in (
            b"RDSTATE abs 1 5 5.0 5.0\n",
            b'RDSTATE "abs"\n',
            b'RDSTATE "abs" 1 5 5.0\n',
            b'RDSTATE "abs" 1 5 5.0 5.0 \n',
            b'RDSTATE "abs" 1 five 5.0 5.0\n',
            b'RDSTATE "abs" 1 5 five 5.0\n',
            b'RDSTATE "other" 1 5 5.0 5.0\n',
            b'RDSTATE "" 1 5 5.0 5.0\n',
            b'RDSTATE "abs 1 5 5.0 5.0\n',
            b'RDSTATE "a\\bs" 1 5 5.0 5.0\n',
            b"RDSTATE SLOT:#B\n",
            b"RDSTATE SLOT:#B abs 1 5 5.0 5.0\n",
            b"RDSTATE\n",
            b"RSSTATE 1\n",
            b"RSSTATE one 1\n",
            b"RSSTATE 1 1 1\n",
            b"RSSTATE\n",
            b"RD\n",
            b"R\n",
            b"REND 1\n",
        ):
            ingest = self.replicated()
            self.assertEqual(ingest.feed(begin + line, 0, NOW), len(begin), line)
            self.assertEqual(ingest.feed(line, 0, NOW), 0, line)
            self.assertEqual(ingest.told(), [], line)
        for line in USUAL.splitlines(keepends=True)[1:]:
            self.assertEqual(self.replicated().feed(line, 0, NOW), 0)
            self.assertEqual(self.ingest(("abs", ABSOLUTE)).feed(line, 0, NOW), 0)

    def test_other_chart(self) -> None:
        """
        A dimension is looked for in the chart of the answer alone, and what
        was told of one chart does not count for the next.
        """
        ingest = self.replicated()
        ingest.chart("c.d", 1)
        ingest.dimension("c.d", "other", 2, ABSOLUTE, 1, 1)
        begin = b'RBEGIN "c.d"\n'
        text = USUAL + begin
        self.assertEqual(ingest.feed(text + b'RDSTATE "abs" 1 5 5.0 5.0\n', 0, NOW), len(text))
        self.assertEqual((ingest.told(), ingest.updated), ([], 0))
        self.assertEqual(ingest.feed(b'RDSTATE "other" 1 5 5.0 5.0\n', 0, NOW), 28)
        self.assertEqual(ingest.told(), [(2, 1, 5.0)])

    def test_torn(self) -> None:
        """
        Of what a child tells in the middle of a collection no point is due
        before that.
        """
        ingest = self.replicated()
        later = AT + 1_000_000
        ingest.feed(b'RBEGIN "a.b"\nRSSTATE %d %d\n' % (later, START * 1_000_000), 0, NOW)
        self.assertTrue(ingest.torn)
        self.assertEqual(ingest.state("a.b")[:2], (later, (START + 1) * 1_000_000))
        ingest.answered()
        self.assertEqual((ingest.torn, ingest.updated), (False, 0))

    def test_absurd(self) -> None:
        """
        Times and numbers that cannot be change nothing that would last.
        """
        ingest = self.replicated()
        for numbers in (b"-1 -1", b"9223372036854775807 9223372036854775807", b"0 0", b"-9223372036854775808 1"):
            ingest.feed(b'RBEGIN "a.b"\nRDSTATE "abs" 0 5 5.0 5.0\nRSSTATE %s\n' % numbers, 0, NOW)
            self.assertEqual(ingest.state("a.b")[0], 0, numbers)
            self.assertEqual(ingest.told(), [])
        ingest.feed(b'RBEGIN "a.b"\nRDSTATE "abs" 1 5 nan inf\n', 0, NOW)
        self.assertEqual(ingest.state("a.b")[2], [(0, 5, 0.0)])
        ((_, at, stored),) = ingest.told()
        self.assertEqual((at, stored == stored), (1, False))

    def test_again_and_again(self) -> None:
        """
        A child that repeats itself does not fill the memory.
        """
        ingest = self.replicated()
        ingest.feed(b'RBEGIN "a.b"\n' + b'RDSTATE "abs" 1 5 5.0 5.0\n' * 1000, 0, NOW)
        self.assertLess(len(ingest.told()), 10)

    def test_forgotten(self) -> None:
        """
        With a chart goes what was told of it.
        """
        ingest = self.replicated()
        ingest.feed(USUAL, 0, NOW)
        ingest.forget("a.b")
        self.assertEqual(ingest.told(), [])
        self.assertEqual(ingest.feed(USUAL[13:], 0, NOW), 0)

    def test_every_split(self) -> None:
        """
        What is told does not depend on how the text was cut into pieces.
        """
        for text in (USUAL, SLOTS):
            for cut in range(len(text)):
                ingest = self.replicated()
                at = ingest.feed(text[:cut], 0, NOW)
                self.assertEqual(at + ingest.feed(text[at:], 0, NOW), len(text))
                self.assertEqual(ingest.state("a.b"), STATE)


class PlainStandingTests(StandingTests):
    """
    The same in plain Python.
    """

    kernel = plain
