"""
Tests for whose nodes are.
"""

from __future__ import annotations

import json
from pathlib import Path

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from netstream.hub.owners import NAME, WRITTEN_AFTER, Owners
from netstream.wire.handshake import Refusal
from tests.streaming.case import GUID, ScriptedChild, WorldCase
from tests.streaming.test_quotas import section

ONE, AGAIN, OTHER, NOBODY = (f"{digit * 8}-1111-4111-8111-111111111111" for digit in "5678")


class OwnerTests(WorldCase):
    """
    Children with keys of several owners.
    """

    def stream(self, *more: str) -> str:
        return "\n".join(
            (
                section(ONE, "owner = web team"),
                section(AGAIN, "owner = web team"),
                section(OTHER, "owner = customer 7"),
                section(NOBODY),
                *more,
            )
        )

    def setUp(self) -> None:
        super().setUp()
        self.parent = self.world.node("parent", "parent", stream=self.stream())

    def lets_in(self, key: str) -> bool:
        """
        @return: Whether a node comes in with a key; it leaves again.
        """
        child: ScriptedChild = self.child(self.parent, key=key)
        self.world.advance(0.1)
        let_in = not child.closed
        self.assertEqual(child.received.startswith(b"Hit me"), let_in)
        if not let_in:
            self.assertEqual(child.received, Refusal.DENIED.line())
        child.leave()
        self.world.advance(1)
        return let_in

    def test_first(self) -> None:
        """
        A node belongs to whose key brings it first: another's does not bring
        it, nor does one of nobody, and who reads the log learns why; a second
        key of its owner does.
        """
        self.assertTrue(self.lets_in(ONE))
        self.assertFalse(self.lets_in(OTHER))
        self.assertIn(f"machine GUID {GUID} belongs to 'owner = web team'", self.logged[-1])
        self.assertIn("this key is of 'owner = customer 7'", self.logged[-1])
        self.assertFalse(self.lets_in(NOBODY))
        self.assertIn("this key is of no owner", self.logged[-1])
        self.assertTrue(self.lets_in(AGAIN))

    def test_remembered(self) -> None:
        """
        After a restart it still does.
        """
        self.assertTrue(self.lets_in(ONE))
        self.parent.stop()
        self.parent.start()
        self.assertFalse(self.lets_in(OTHER))
        self.assertTrue(self.lets_in(AGAIN))

    def test_nobody(self) -> None:
        """
        What keys of nobody bring belongs to nobody, until an owner's brings it.
        """
        self.assertTrue(self.lets_in(NOBODY))
        self.assertTrue(self.lets_in(OTHER))
        self.assertFalse(self.lets_in(NOBODY))

    def test_changes_hands(self) -> None:
        """
        A section of the node names its new owner, at once; and without any key
        its owner has nothing any more.
        """
        self.assertTrue(self.lets_in(ONE))
        self.parent.write("stream.conf", self.stream(section(GUID, "owner = customer 7", kind="machine")))
        self.parent.reload()
        self.assertFalse(self.lets_in(ONE))
        self.assertTrue(self.lets_in(OTHER))
        self.parent.write("stream.conf", self.stream())
        self.parent.reload()
        self.assertFalse(self.lets_in(ONE))
        self.parent.write("stream.conf", section(ONE, "owner = web team"))
        self.parent.reload()
        self.assertTrue(self.lets_in(ONE))

    def test_connected(self) -> None:
        """
        A child whose key turns out to be another's is cut off by the reload
        that says so.
        """
        child = self.child(self.parent, key=ONE)
        self.parent.write("stream.conf", self.stream(section(GUID, "owner = customer 7", kind="machine")))
        self.parent.reload()
        self.world.advance(1)
        self.assertTrue(child.closed)


class FileTests(SynchronousTestCase):
    """
    What is remembered.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.path = Path(self.mktemp()) / NAME
        self.owners = Owners(self.path)

    def test_written(self) -> None:
        """
        Many that come at once are written at once, for nobody else to read.
        """
        for number in range(10):
            self.owners.settle(f"{number:08x}{GUID[8:]}", "web team", self.clock)
        self.assertFalse(self.path.exists())
        self.clock.advance(WRITTEN_AFTER)
        self.assertEqual(self.path.stat().st_mode & 0o777, 0o600)
        self.assertEqual(set(json.loads(self.path.read_text()).values()), {"web team"})
        found = Owners(self.path)
        found.load()
        self.assertEqual(len(found), 10)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_removed(self) -> None:
        """
        A node that is removed is for whoever brings it next.
        """
        self.owners.settle(GUID, "web team", self.clock)
        self.owners.release(GUID, self.clock)
        self.assertEqual(self.owners.of(GUID, {"web team"}), "")

    def test_broken(self) -> None:
        """
        A file that makes no sense is said, and nobody is kept out by it.
        """
        self.path.parent.mkdir()
        for text in ("{", "[1]", '{"no guid": "x"}'):
            self.path.write_text(text)
            self.owners.load()
            self.assertEqual(len(self.owners), 0)

    def test_unwritable(self) -> None:
        """
        What cannot be written holds until the node ends.
        """
        self.path.parent.write_text("a file")
        self.owners.settle(GUID, "web team", self.clock)
        self.clock.advance(WRITTEN_AFTER)
        self.assertEqual(self.owners.of(GUID, {"web team"}), "web team")
