"""
Tests for the preference among parents.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from netstream.session.choosing import (
    EQUAL,
    LONGEST,
    AnswerReader,
    StreamInfo,
    Verdict,
    judge,
    question,
    ranked,
)

AGENT = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa"
HOST = "11111111-1111-4111-8111-111111111111"
KNOWN = {
    "version": 1,
    "status": 200,
    "host_id": AGENT,
    "nodes": 3,
    "receivers": 2,
    "nonce": 7,
    "db_status": "online",
    "db_liveness": "live",
    "ingest_type": "child",
    "ingest_status": "online",
    "first_time_s": 1_800_000_000,
    "last_time_s": 1_800_000_100,
}


def answer(body: Any, status: str = "200 OK", length: str | None = None, name: str = "Content-Length") -> bytes:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n"
    if length != "":
        head += f"{name}: {len(text) if length is None else length}\r\n"
    return head.encode() + b"\r\n" + text


def read(data: bytes) -> StreamInfo | None:
    reader = AnswerReader()
    reader.receive(data)
    return reader.finish()


class AnswerTests(SynchronousTestCase):
    """
    What a parent answers.
    """

    def test_known(self) -> None:
        """
        A parent that has the host says up to when.
        """
        expected = StreamInfo(AGENT, True, 1_800_000_100, "child", "online")
        for name in ("Content-Length", "content-length"):
            self.assertEqual(read(answer(KNOWN, name=name)), expected)
        self.assertEqual(read(answer(KNOWN, length="")), expected)

    def test_every_split(self) -> None:
        """
        However an answer is cut, it is complete with its last byte and not
        before.
        """
        data = answer(KNOWN)
        for at in range(1, len(data)):
            reader = AnswerReader()
            self.assertFalse(reader.receive(data[:at]))
            self.assertTrue(reader.receive(data[at:]))
            self.assertIsNotNone(reader.finish())

    def test_unknown(self) -> None:
        """
        A parent that does not have the host says who it is.
        """
        body = {"version": 1, "status": 404, "host_id": AGENT.upper(), "nodes": 1, "receivers": 0, "nonce": 1}
        self.assertEqual(read(answer(body, "404 Not Found")), StreamInfo(AGENT))

    def test_starting(self) -> None:
        """
        A parent that is starting says so.
        """
        for changes in ({"db_status": "initializing"}, {"ingest_status": "initializing"}):
            info = read(answer(KNOWN | changes))
            assert info is not None
            self.assertTrue(info.starting)

    def test_no_information(self) -> None:
        """
        Old agents, other programs and hostile ones give no information, and
        nothing worse comes of it.
        """
        for data in (
            b"",
            b"\r\n\r\n",
            b"Unsupported API version: v3",
            answer(b"Unsupported API version: v3", "404 Not Found"),
            answer(KNOWN, "500 Internal Server Error"),
            answer(KNOWN, "301 Moved Permanently"),
            answer(KNOWN)[:-1],
            answer(KNOWN).replace(b"HTTP/1.1", b"ICY"),
            answer(KNOWN, length="9" * 30),
            answer(KNOWN | {"version": 2}),
            answer(KNOWN | {"host_id": "x"}),
            answer(KNOWN | {"host_id": 5}),
            answer([KNOWN]),
            answer(b"[" * 5000),
            answer(b"\xff\xfe"),
            answer({**KNOWN, "more": "x" * LONGEST}),
        ):
            self.assertIsNone(read(data), data[:80])

    def test_odd_members(self) -> None:
        """
        A member that is no sensible value counts as none.
        """
        for odd in (-1, 1 << 50, True, "1800000000", None, 1.5, [1]):
            info = read(answer(KNOWN | {"last_time_s": odd, "ingest_type": odd, "ingest_status": {}}))
            assert info is not None
            self.assertEqual((info.last, info.status), (0, ""))

    def test_bounded(self) -> None:
        """
        An answer that does not end is given up.
        """
        reader = AnswerReader()
        pieces = 0
        while not reader.receive(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1000):
            pieces += 1
        self.assertLess(pieces, 10)
        self.assertIsNone(reader.finish())

    def test_question(self) -> None:
        """
        The question is one that agents answer.
        """
        text = question(HOST, "parent:19999", "netstream/1")
        self.assertTrue(text.startswith(b"GET /api/v3/stream_info?machine_guid=11111111-"))
        self.assertIn(b"\r\nHost: parent:19999\r\nUser-Agent: netstream/1\r\n", text)
        self.assertTrue(text.endswith(b"\r\n\r\n"))


class JudgeTests(SynchronousTestCase):
    """
    Who comes into question.
    """

    def test_table(self) -> None:
        """
        The host itself never does, who is nearer to it not while that is so,
        who is starting not yet; everyone else does.
        """
        live = StreamInfo(AGENT, True, 5, "child", "online")
        path = [{"host_id": HOST, "hops": 0}, {"host_id": AGENT, "hops": 1}]
        for info, along, nodes, expected in (
            (None, path, (), Verdict.TRY),
            (StreamInfo(AGENT), path, (), Verdict.TRY),
            (live, (), (), Verdict.TRY),
            (live, path, (), Verdict.LOOP),
            (StreamInfo(AGENT, True, 5, "child", "replicating"), path, (), Verdict.LOOP),
            (StreamInfo(AGENT, True, 5, "archived", "archived"), path, (), Verdict.TRY),
            (live, [{"host_id": AGENT, "hops": 2}], (), Verdict.TRY),
            (StreamInfo(AGENT, True, 5, "localhost", "online"), (), (), Verdict.ITSELF),
            (StreamInfo(AGENT, True, 5, "virtual", "online"), (), (), Verdict.ITSELF),
            (StreamInfo(AGENT), (), (AGENT,), Verdict.ITSELF),
            (StreamInfo(AGENT, starting=True), (), (), Verdict.STARTING),
        ):
            with self.subTest(info=info, path=along):
                self.assertIs(judge(info, along, 2, nodes), expected)


class RankedTests(SynchronousTestCase):
    """
    The order of trying.
    """

    def order(self, random: Callable[[], float], *lasts: int | None) -> str:
        candidates = [
            ("abcdef"[number], None if last is None else StreamInfo(AGENT, last > 0, last))
            for number, last in enumerate(lasts)
        ]
        return "".join(ranked(candidates, random))

    def test_newest_first(self) -> None:
        """
        Who has the newest samples comes first, who knows nothing last.
        """
        self.assertEqual(self.order(lambda: 0.5, 1000, 5000, None, 3000), "bdac")

    def test_configured_order(self) -> None:
        """
        If nobody says anything, the order of the configuration holds.
        """
        numbers = iter((0.9, 0.1, 0.5))
        self.assertEqual(self.order(lambda: next(numbers), None, None, None), "abc")

    def test_equals_at_random(self) -> None:
        """
        Those within two minutes of the best of them change places.
        """
        numbers = iter((0.9, 0.1, 0.5))
        self.assertEqual(self.order(lambda: next(numbers), 5000, 5000 - EQUAL, 5000 - EQUAL - 1), "bac")
        numbers = iter((0.1, 0.9, 0.5, 0.2))
        self.assertEqual(self.order(lambda: next(numbers), 0, None, 9000, 9060), "dcba")

    def test_spreads(self) -> None:
        """
        Each of many equals is first about as often as the others.
        """
        random = Random(7).random
        firsts = [self.order(random, 0, 0, 0)[0] for _ in range(3000)]
        for name in "abc":
            self.assertLess(abs(firsts.count(name) - 1000), 120)
