"""
Questions and answers between two processes.
"""

from __future__ import annotations

import os

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from netstream.db.interfaces import UnknownMethod
from netstream.db.messages import NOTHING, Message, Unavailable
from netstream.processes.channel import Channel, Failed
from tests.processes.case import connect


class ChannelTests(SynchronousTestCase):
    """
    Two L{Channel}s in memory.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.lost: list[str] = []
        self.here = Channel("there", lambda: self.lost.append("here"))
        self.there = Channel("here", lambda: self.lost.append("there"))
        self.end = connect(self.here, self.there, self.clock)

    def settle(self) -> None:
        """
        Let everything arrive.
        """
        for _ in range(4):
            self.clock.advance(0)

    def test_answered(self) -> None:
        """
        Each question gets its own answer, in whichever order they come.
        """
        waiting: list[Deferred[Message]] = []

        def later(message: Message) -> Deferred[Message]:
            waiting.append(Deferred())
            return waiting[-1]

        self.there.verbs = {"later": later, "now": lambda message: Message({"twice": 2 * message.fields["x"]})}
        first, second = self.here.ask("later"), self.here.ask("now", Message({"x": 21}))
        self.settle()
        self.assertEqual(self.successResultOf(second).fields, {"twice": 42})
        self.assertNoResult(first)
        waiting[0].callback(NOTHING)
        self.settle()
        self.assertEqual(self.successResultOf(first), NOTHING)

    def test_told(self) -> None:
        """
        What is told is heard, and nobody waits for it.
        """
        heard: list[Message] = []
        self.there.verbs["news"] = heard.append
        self.here.tell("news", Message({"a": 1}))
        self.settle()
        self.assertEqual(heard, [Message({"a": 1})])

    def test_failures(self) -> None:
        """
        A failure arrives as what it was, if callers know it; what is our own mistake is logged where it happened.
        """

        def failing(problem: Exception) -> Message:
            raise problem

        for problem, kind in (
            (UnknownMethod("no such method"), UnknownMethod),
            (OSError("no room"), OSError),
            (KeyError("oops"), Failed),
        ):
            self.there.verbs["fail"] = lambda _, problem=problem: failing(problem)  # type: ignore[misc]
            asked = self.here.ask("fail")
            self.settle()
            self.assertIn(str(problem), str(self.failureResultOf(asked, kind).value))
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)
        asked = self.here.ask("nothing that anyone knows")
        self.settle()
        self.failureResultOf(asked, ValueError)

    def test_descriptor(self) -> None:
        """
        A descriptor comes with its question, and each with its own.
        """
        found: list[bytes] = []

        def taken(_: Message) -> None:
            descriptor = self.there.descriptor()
            found.append(os.read(descriptor, 10))
            os.close(descriptor)

        self.there.verbs["take"] = taken
        for text in (b"one", b"two"):
            reads, writes = os.pipe()
            os.write(writes, text)
            done = self.here.ask("take", descriptor=reads)
            os.close(writes)
            self.settle()
            self.successResultOf(done)
            os.close(reads)
        self.assertEqual(found, [b"one", b"two"])
        with self.assertRaises(ValueError):
            self.there.descriptor()

    def test_lost(self) -> None:
        """
        Who waits for an answer when the other process ends is told so, and so is who asks later.
        """
        self.there.verbs["never"] = lambda _: Deferred()
        asked = self.here.ask("never")
        self.settle()
        self.end.cut()
        self.failureResultOf(asked, Unavailable)
        self.failureResultOf(self.here.ask("never"), Unavailable)
        self.here.tell("never")
        self.assertEqual(self.lost, ["here", "there"])

    def test_nonsense(self) -> None:
        """
        Nonsense ends the connection.
        """
        self.here.dataReceived(b"\xff" * 8)
        self.settle()
        self.assertEqual(self.lost, ["here", "there"])
