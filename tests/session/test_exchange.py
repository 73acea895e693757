"""
Tests for what netstream nodes say to each other of stored history.
"""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any
from zlib import compress

import numpy as np
from twisted.trial.unittest import SynchronousTestCase

from netstream.model.stored import RESTLESS, Cells, StoredRows
from netstream.session.exchange import (
    CELLS,
    COUNTS,
    MOST_NUMBERS,
    Question,
    cells_answer,
    charts_answer,
    counts_answer,
    kept_answer,
    lacking,
    lots,
    parse_answer,
    parse_question,
    series_at_once,
    worth_asking,
)
from netstream.session.handshake import OFFER, OWN, agreed, negotiate
from netstream.wire.capabilities import Capability
from netstream.wire.decoder import LONGEST_PAYLOAD

ROWS = StoredRows(0, 1_800_000_001, 1, 900, 1800)
MINUTES = StoredRows(1, 1_799_985_660, 60, 240, 480)


def body(line: bytes) -> bytes:
    """
    @return: A document without the lines around it.
    """
    first, text, last, empty = line.split(b"\n")
    assert (first, last, empty) == (b"JSON netstream_tiers", b"JSON_PAYLOAD_END", b"")
    return text


def document(**said: Any) -> bytes:
    return json.dumps({"version": 1, "answer": 1, **said}).encode()


class AgreementTests(SynchronousTestCase):
    """
    With whom it is spoken.
    """

    def test_agents(self) -> None:
        """
        Real agents do not agree to it, and nothing is agreed on with older
        versions.
        """
        self.assertIn(Capability.TIERS, negotiate(OFFER))
        agents = Capability((1 << 29) - 1)
        self.assertNotIn(Capability.TIERS, negotiate(agents))
        self.assertNotIn(Capability.TIERS, agreed(agents))
        self.assertNotIn(Capability.TIERS, negotiate(OFFER & ~Capability.INTERPOLATED))
        self.assertNotIn(Capability.TIERS, negotiate(OFFER, OWN & ~Capability.TIERS))


class QuestionTests(SynchronousTestCase):
    """
    L{Question} on the wire.
    """

    def test_both_ways(self) -> None:
        """
        A question is read as it was written.
        """
        for question in (
            Question(1, "kept"),
            Question(2, COUNTS, ROWS, skip=7),
            Question(3, CELLS, MINUTES, ("a.b", 'it\'s "ä".c'), 12),
            Question(4, "charts", None, ("a.b",)),
        ):
            self.assertEqual(parse_question(body(question.line())), question)

    def test_wrong(self) -> None:
        """
        What is none is refused, whatever it is.
        """
        for text in (
            b"",
            b"[]",
            b"{}",
            b"[" * 100_000,
            b'{"version":2,"ask":"kept","number":1}',
            b'{"version":1,"ask":"all","number":1}',
            b'{"version":1,"ask":"kept","number":NaN}',
            b'{"version":1,"ask":"counts","number":1}',
            b'{"version":1,"ask":"counts","number":1,"rows":[0,1,1,5000,0]}',
            b'{"version":1,"ask":"cells","number":1,"rows":[0,1,1,9,0],"charts":["a\\nb"]}',
        ):
            self.assertRaises(ValueError, parse_question, text)


class AnswerTests(SynchronousTestCase):
    """
    Answers on the wire.
    """

    def test_kept(self) -> None:
        """
        What changes still is not told.
        """
        changing = StoredRows(0, 1_800_000_901, 1, 900, RESTLESS)
        near = StoredRows(0, 1_800_000_961, 1, 30, 5)
        answer = parse_answer(body(kept_answer(5, [ROWS, MINUTES, changing, near])))
        self.assertEqual((answer.number, answer.kept()), (5, [ROWS, MINUTES]))

    def test_counts(self) -> None:
        """
        Many charts are told in several answers.
        """
        counts = {f"chart.{number}": number + 1 for number in range(5000)}
        found: dict[str, int] = {}
        more = True
        while more:
            answer = parse_answer(body(counts_answer(1, counts, len(found))))
            found |= answer.counts()
            more = answer.more
        self.assertEqual(found, counts)

    def test_definitions(self) -> None:
        """
        So many definitions are told as there is room for.
        """
        answer = parse_answer(body(charts_answer(1, [b"CHART \xc3\xa4\n", b"x" * (1 << 20)])))
        self.assertEqual(answer.definitions(), b"CHART \xc3\xa4\n")

    def test_cells(self) -> None:
        """
        Rows arrive bit for bit, in a payload that is not too long.
        """
        chance = np.random.default_rng(1)
        for where, fields in ((ROWS, 1), (MINUTES, 5)):
            count = series_at_once(where)
            values = chance.random((fields, count, where.rows)) * 10
            values[:, chance.random((count, where.rows)) < 0.1] = np.nan
            if fields == 5:
                values[2] = values[1] + 1
                values[3] = np.floor(values[3]) + 1
                values[4] = 0 * values[3]
            flags = (chance.random((count, where.rows)) < 0.5).astype(np.uint8) * (fields == 1)
            series = [("a chart", f"dimension {number}") for number in range(count)]
            line = cells_answer(1, Cells(where, series, values, flags.astype(np.uint8)), True)
            self.assertLess(len(line), LONGEST_PAYLOAD)
            answer = parse_answer(body(line))
            cells = answer.cells(where)
            self.assertTrue(answer.more)
            self.assertEqual(cells.series, series)
            np.testing.assert_array_equal(cells.fields, values)
            np.testing.assert_array_equal(cells.flags, flags)

    def test_wrong(self) -> None:
        """
        What cannot be is refused: too much, too little, not packed, series
        twice, rows of a tier that contradict themselves.
        """
        where = StoredRows(1, 60, 60, 2)

        def packed(data: bytes) -> str:
            return b64encode(compress(data)).decode()

        good = np.array([[[6, 6]], [[1, 1]], [[5, 5]], [[2, 2]], [[0, 0]]], "<f8")

        def rows(values: np.ndarray[Any, np.dtype[np.float64]]) -> str:
            return packed(np.ascontiguousarray(values.reshape(-1, 1).view(np.uint8).T).tobytes())

        def cells(**said: Any) -> Cells:
            return parse_answer(document(**{"charts": ["a"], "dimensions": ["b"], "data": rows(good), **said})).cells(
                where
            )

        np.testing.assert_array_equal(cells().fields, good)
        worse = [good.copy() for _ in range(4)]
        worse[0][3] = 61
        worse[1][1] = 9
        worse[2][4] = 3
        worse[3][0, 0, 0] = np.nan
        for said in (
            {"data": packed(bytes(1 << 24))},
            {"data": packed(b"")},
            {"data": "!"},
            {"data": b64encode(b"nothing").decode()},
            {"data": None},
            {"charts": ["a", "a"], "dimensions": ["b", "b"]},
            {"charts": ["a"] * (MOST_NUMBERS + 1)},
            *({"data": rows(values)} for values in worse),
        ):
            self.assertRaises(ValueError, cells, **said)
        for said in ({"kept": [[1]]}, {"kept": 1}, {"charts": ["a"], "counts": []}, {"charts": ["a"], "counts": [-1]}):
            answer = parse_answer(document(**said))
            self.assertRaises(ValueError, answer.kept)
            self.assertRaises(ValueError, answer.counts)


class ComparisonTests(SynchronousTestCase):
    """
    What is asked for.
    """

    def test_worth_asking(self) -> None:
        """
        Only rows that differ, are kept here, and rest; the finest and the
        newest first, and none twice with nothing new.
        """
        older = StoredRows(0, 1_799_999_101, 1, 900, 1800)
        ancient = StoredRows(0, 901, 1, 900, 1800)
        theirs = [MINUTES, ancient, older, ROWS]
        oldest = [1_700_000_000, 1]
        self.assertEqual(worth_asking(theirs, [], oldest, {}), ([(ROWS, 0), (older, 0), (MINUTES, 0)], False))
        self.assertEqual(worth_asking(theirs, [ROWS, MINUTES], oldest, {}), ([(older, 0)], False))
        partial = StoredRows(1, MINUTES.start, 60, 240, 480, True)
        self.assertEqual(worth_asking(theirs, [ROWS, older, partial], oldest, {}), ([(MINUTES, 0)], False))
        seen = {(0, older.start): (1800, 0)}
        self.assertEqual(worth_asking(theirs, [ROWS, MINUTES], oldest, seen), ([], False))
        changing = StoredRows(0, older.start, 1, 900, RESTLESS)
        self.assertEqual(worth_asking(theirs, [ROWS, MINUTES, changing], oldest, {}), ([], True))

    def test_lacking(self) -> None:
        """
        Charts of which the child has more.
        """
        self.assertEqual(lacking({"a": 5, "b": 5, "c": 5}, {"a": 5, "b": 4, "d": 9}), ["b", "c"])

    def test_lots(self) -> None:
        """
        However many and long the names are, no question is too long.
        """
        charts = [f"{number}" + "x" * 500 for number in range(3000)]
        found = list(lots(charts))
        self.assertEqual([chart for lot in found for chart in lot], charts)
        for lot in found:
            self.assertEqual(parse_question(body(Question(1, CELLS, ROWS, lot).line())).charts, tuple(lot))
