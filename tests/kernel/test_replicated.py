"""
Tests of the rows of a replication.
"""

from __future__ import annotations

import math
from typing import Any

from tests.kernel import plain
from tests.kernel.case import (
    ABSOLUTE,
    ANOMALOUS,
    EMPTY,
    INCREMENTAL,
    NOW,
    PAST,
    RESET,
    START,
    KernelTestCase,
    Row,
    block,
)

COUNTERS = (("abs", ABSOLUTE), ("inc", INCREMENTAL))
V137 = (
    b'RBEGIN "a.b"\n'
    b"RBEGIN '' 1700000000 1700000001 1700000060\n"
    b'RSET "abs" 45.0000000 ""\n'
    b'RSET "inc" 14.8819960 "R"\n'
    b"RBEGIN '' 1700000001 1700000002 1700000060\n"
    b'RSET "abs" nan ""\n'
    b'RSET "inc" NAN "E"\n'
)
V2 = (
    b"RBEGIN SLOT:#B 'a.b'\n"
    b"RBEGIN SLOT:#B '' #BlU/EA #BlU/EB #BlU/E8\n"
    b'RSET SLOT:#B "abs" @EAiAAAAAAAA A\n'
    b'RSET SLOT:#C "inc" @EAIRFAmiQDF AR\n'
    b"RBEGIN SLOT:#B '' #BlU/EB #BlU/EC #BlU/E8\n"
    b"RSET SLOT:#B \"abs\" @EAiAAAAAAAA ''\n"
    b'RSET SLOT:#C "inc" #B E\n'
)


class RowTests(KernelTestCase):
    """
    What a child sends of its past.
    """

    def replicated(self, *dimensions: tuple[Any, ...]) -> Any:
        """
        @return: A decoder that takes rows.
        """
        return self.ingest(*(dimensions or COUNTERS), replicated=True)

    def seen(self, text: bytes) -> list[Row]:
        """
        @return: The samples of a text with a command behind, which is read
            three times, so that its lines are new, known and predicted.
        """
        ingest = self.replicated()
        found = []
        for _ in range(3):
            self.assertEqual(ingest.feed(text + b"REND 1\n", 0, NOW), len(text))
            found.append(self.rows(ingest))
        self.assertEqual(repr(found[0]), repr(found[1]))
        self.assertEqual(repr(found[0]), repr(found[2]))
        self.assertTrue(all(row[4] & PAST for row in found[0]))
        return [(*row[:4], row[4] & ~PAST) for row in found[0]]

    def test_decimal(self) -> None:
        """
        Rows of 1.37 are at their second, with nothing collected; their flags
        do not say what is anomalous.
        """
        first, second, *gaps = self.seen(V137)
        self.assertEqual(first, (0, START + 1, 0, 45.0, 0))
        self.assertEqual(second, (1, START + 1, 0, 14.8819960, RESET))
        self.assertEqual(
            [(*row[:3], math.isnan(row[3]), row[4]) for row in gaps],
            [
                (0, START + 2, 0, True, EMPTY),
                (1, START + 2, 0, True, EMPTY),
            ],
        )

    def test_base64(self) -> None:
        """
        Rows of 2.x are read in their own numbers and flags.
        """
        first, second, third, gap = self.seen(V2)
        self.assertEqual(first, (0, START + 1, 0, 9.0, 0))
        self.assertEqual((*second[:3], second[4]), (1, START + 1, 0, RESET))
        self.assertAlmostEqual(second[3], 3.033356, 6)
        self.assertEqual(third, (0, START + 2, 0, 9.0, ANOMALOUS))
        self.assertEqual((gap[:3], gap[4]), ((1, START + 2, 0), EMPTY))

    def test_unusual(self) -> None:
        """
        A row means the same however it is written; a value that is missing is
        a gap.
        """
        begin = b"RBEGIN a.b\nRBEGIN '' 0x6553F100 #BlU/EB\n"
        for line, value, flags in (
            (b"RSET abs 5 A\n", 5.0, 0),
            (b"RSET SLOT:1 abs = 5 A\n", 5.0, 0),
            (b'RSET "abs" 0x10 A\n', 16.0, 0),
            (b'RSET "abs" -#B A\n', -1.0, 0),
            (b'RSET "abs" %4022000000000000 A\n', 9.0, 0),
            (b'RSET "abs" 5 "A"\n', 5.0, 0),
            (b'RSET "abs" 5\n', 5.0, ANOMALOUS),
            (b'RSET "abs" \n', None, EMPTY),
            (b'RSET "abs"\n', None, EMPTY),
            (b'RSET "abs" "" "R"\n', None, EMPTY | RESET),
        ):
            ((series, time, collected, found, marks),) = self.seen(begin + line)
            self.assertEqual((series, time, collected, marks), (0, START + 1, 0, flags), line)
            self.assertEqual(None if math.isnan(found) else found, value, line)

    def test_times_at_once(self) -> None:
        """
        The line that names the chart may also say the time.
        """
        self.assertEqual(
            self.seen(b'RBEGIN "a.b" 1700000000 1700000001 1700000060\nRSET "abs" 1 A\n'),
            [(0, START + 1, 0, 1.0, 0)],
        )

    def test_wrong_times(self) -> None:
        """
        Rows whose second cannot be are ignored, as those without one; the
        next ones are not.
        """
        good = b"RBEGIN '' 1700000000 1700000001 1700000060\nRSET \"abs\" 1 A\n"
        for times in (
            b"1700000001 1700000001 1700000060",
            b"1700000002 1700000001 1700000060",
            b"0 1700000001 1700000060",
            b"1700000000 0 1700000060",
            b"-5 1700000001 1700000060",
            b"1700000000 1700000062 1700000060",
            b"1700000000 1700000007",
            b"1700000000 9000000000000000000 9000000000000000000",
            b"1700000000 1700000007 99999999999999999999",
            b"",
        ):
            text = b'RBEGIN "a.b"\nRSET "abs" 2 A\nRBEGIN \'\' ' + times + b'\nRSET "abs" 3 A\n'
            self.assertEqual(self.seen(text + good), [(0, START + 1, 0, 1.0, 0)], times)

    def test_child_ahead(self) -> None:
        """
        The clock of the child counts, not ours.
        """
        text = b'RBEGIN "a.b"\nRBEGIN \'\' 1800000000 1800000001 1800000001\nRSET "abs" 1 A\n'
        self.assertEqual(self.seen(text), [(0, 1800000001, 0, 1.0, 0)])

    def test_refused(self) -> None:
        """
        A row that cannot be taken is named, with the reason.
        """
        begin = b"RBEGIN a.b\nRBEGIN '' 1700000000 1700000001 1700000060\n"
        for text, reason in (
            (b"RBEGIN\n", "no chart"),
            (b"RBEGIN nothing\n", "unknown chart"),
            (b"RBEGIN '' 1 2 3\n", "outside of a block"),
            (b"RSET abs 1 A\n", "outside of a block"),
            (block(0, abs=1) + b"RSET abs 1 A\n", "outside of a block"),
            (begin + b"RSET\n", "no dimension"),
            (begin + b"RSET z 1 A\n", "unknown dimension"),
            (begin + b"RSET abs one A\n", "malformed number"),
            (begin + b"RBEGIN '' x 2 3\n", "malformed number"),
            (begin + b"SET abs 1\n", "outside of a block"),
            (begin + b"SET2 abs 1 1 A\n", "outside of a block"),
            (begin + b"END2\n", "outside of a block"),
        ):
            self.assertEqual(self.refused(self.replicated(), text), reason, text)
            known = self.replicated()
            self.feed(known, (V137 + block(0, abs=1)) * 2)
            self.assertEqual(self.refused(known, text), reason, text)

    def test_asked_for_only(self) -> None:
        """
        Who does not ask for rows is not given any: decoding stops at them.
        """
        ingest = self.ingest(*COUNTERS)
        good = block(0, abs=1)
        for line in V137.splitlines(keepends=True):
            self.assertEqual(ingest.feed(good + line, 0, NOW), len(good))
        self.assertEqual(ingest.lines, 7 * 3)

    def test_current(self) -> None:
        """
        A line about a chart that stands behind rows is not about theirs.
        """
        ingest = self.replicated()
        self.feed(ingest, V137)
        self.assertIsNone(ingest.current)

    def test_whole_seconds(self) -> None:
        """
        The rows of a second stand together, up to the next line of another
        kind.
        """
        ingest = self.replicated()
        text = V2 + b"REND 1\n"
        cut = text.index(b"RSET SLOT:#C")
        at = ingest.feed(text[:cut], 0, NOW)
        self.assertEqual((at, self.rows(ingest)), (cut, []))
        ingest.feed(text, cut, NOW)
        self.assertEqual(len(self.rows(ingest)), 4)

    def test_every_split(self) -> None:
        """
        The samples do not depend on how the text was cut into pieces, nor on
        what comes between.
        """
        text = V137 + block(0, abs=1, inc=5) + V2 + b"BEGIN2 'a.b' 1 1700000009 #\nSET2 'abs' 1 1 A\nEND2\n" + V2
        text += b'BEGIN "a.b" 0\nSET "inc" = 5\n' + V137 + block(1_000_000, abs=1, inc=5)

        def decoded(cut: int) -> str:
            ingest = self.replicated()
            at = ingest.feed(text[:cut], 0, NOW)
            self.assertEqual(at + ingest.feed(text[at:], 0, NOW), len(text))
            taken = ingest.take()
            self.assertEqual(taken[5], block(0, abs=1, inc=5) + block(1_000_000, abs=1, inc=5))
            return repr([column.tolist() for column in taken[:5]])

        expected = decoded(0)
        for cut in range(len(text)):
            self.assertEqual(decoded(cut), expected, cut)


class PlainRowTests(RowTests):
    """
    The same in plain Python.
    """

    kernel = plain
