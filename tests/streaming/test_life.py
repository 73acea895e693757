"""
Tests for the life of nodes, in a world: their states, their clocks, their
removal, and their going elsewhere.
"""

from __future__ import annotations

from typing import Any

from netstream.hub.life import Life
from netstream.streaming.arrival import LET_GO_WITHIN
from netstream.streaming.intake import AHEAD_MOST
from netstream.testing import WorldNode
from tests.streaming.case import CHART, GUID, WorldCase
from tests.streaming.test_choice import ChoiceCase


class StateTests(WorldCase):
    """
    How nodes are doing.
    """

    def life(self, node: WorldNode) -> Life:
        return self.host(node).life(self.world.network.clock.seconds())

    def test_states(self) -> None:
        """
        A child is live, stale when it says nothing, and offline when it is
        gone, also after a restart of the parent.
        """
        parent = self.world.node("parent", "parent", mode="dbengine")
        child = self.child(parent)
        child.say(CHART)
        for _ in range(3):
            child.sample(self.world.now)
            self.world.advance(1)
        self.assertIs(self.life(parent), Life.LIVE)
        self.world.advance(15)
        self.assertIs(self.life(parent), Life.STALE)
        child.sample(self.world.now)
        self.world.advance(1)
        self.assertIs(self.life(parent), Life.LIVE)
        child.leave()
        self.world.advance(1)
        self.assertIs(self.life(parent), Life.OFFLINE)
        self.assertIs(parent.hub.local.life(self.world.now), Life.LIVE)
        parent.stop()
        parent.start()
        self.assertIs(self.life(parent), Life.OFFLINE)

    def test_skew(self) -> None:
        """
        How far the clock of a child is off is known, and shown as wrong from
        five seconds on.
        """
        parent = self.world.node("parent", "parent")
        for ahead, off in ((0, False), (20, True), (-20, True)):
            child = self.child(parent)
            child.say(CHART)
            for _ in range(3):
                child.sample(self.world.now + ahead)
                self.world.advance(1)
            link: Any = self.host(parent).link
            self.assertLess(abs(link.clock.skew - ahead), 1)
            self.assertEqual(link.clock.off, off)
            child.leave()
            self.world.advance(1)

    def test_far_ahead(self) -> None:
        """
        Samples too far ahead are refused and counted; the honest seconds of
        the same child stay right, and other children never notice.
        """
        parent = self.world.node("parent", "parent")
        other = self.child(parent, machine_guid=GUID.replace("9", "8"))
        child = self.child(parent)
        for each in (child, other):
            each.say(CHART)
        for number in range(20):
            if number == 5:
                child.sample(self.world.now + 3600)
            child.sample(self.world.now)
            other.sample(self.world.now)
            self.world.advance(1)
        link: Any = self.host(parent).link
        self.assertEqual(link.clock.ahead, 1)
        for guid in (GUID, GUID.replace("9", "8")):
            found = parent.read(guid, "a.b", "c", 0, self.world.now + AHEAD_MOST + 5000)
            self.assertEqual(len(found), 20)

    def test_own_period(self) -> None:
        """
        A host keeps its own period: one of ten seconds is live between two
        samples.
        """
        parent = self.world.node("parent", "parent")
        child = self.child(parent, update_every="10")
        child.say(CHART.replace(b"a.b\nD", b"a.b line 100 10\nD"))
        self.assertEqual(self.host(parent).info.update_every, 10)
        for _ in range(3):
            child.sample(self.world.now)
            self.world.advance(10)
            self.assertIs(self.life(parent), Life.LIVE)
        self.world.advance(25)
        self.assertIs(self.life(parent), Life.STALE)


class CleaningTests(WorldCase):
    """
    Nodes that are gone.
    """

    def once(self, parent: WorldNode, labels: bytes = b"") -> None:
        """
        A child comes, sends for a while, and goes.
        """
        child = self.child(parent, ver=str(17144 | 128))
        child.say(labels + CHART)
        for _ in range(3):
            child.sample(self.world.now)
            self.world.advance(1)
        child.leave()
        self.world.advance(1)

    def test_orphan(self) -> None:
        """
        A node that is gone is forgotten after C{cleanup orphan hosts after} if
        its samples were in memory alone; the parent itself and who is there
        stay.
        """
        parent = self.world.node("parent", "parent", conf="[db]\n    cleanup orphan hosts after = 3m\n")
        stays = self.child(parent, machine_guid=GUID.replace("9", "8"))
        stays.say(CHART)
        self.once(parent)
        for _ in range(4):
            stays.sample(self.world.now)
            self.world.advance(40)
        self.assertIsNotNone(parent.hub.get(GUID))
        for _ in range(4):
            stays.sample(self.world.now)
            self.world.advance(40)
        self.assertIsNone(parent.hub.get(GUID))
        self.assertEqual(len(parent.hub), 2)
        self.assertTrue(any("was forgotten" in line for line in self.logged))
        self.once(parent)
        self.assertIsNotNone(parent.hub.get(GUID))

    def test_history_on_disk_stays(self) -> None:
        """
        A node whose samples are on disk stays as long as they do.
        """
        parent = self.world.node(
            "parent", "parent", mode="dbengine", conf="[db]\n    cleanup orphan hosts after = 3m\n"
        )
        self.once(parent)
        self.world.advance(400)
        self.assertIsNotNone(parent.hub.get(GUID))

    def test_ephemeral(self) -> None:
        """
        A node that says that it comes and goes is forgotten with its samples,
        if that is set; others are not.
        """
        for mode in ("ram", "dbengine"):
            with self.subTest(mode=mode):
                parent = self.world.node(
                    f"parent-{mode}",
                    "parent",
                    mode=mode,
                    conf="[db]\n    cleanup orphan hosts after = 3m\n    cleanup ephemeral hosts after = 3m\n",
                )
                self.once(parent, b"LABEL _is_ephemeral = 2 true\nOVERWRITE labels\n")
                host = self.host(parent)
                self.assertTrue(host.ephemeral)
                self.world.advance(120)
                self.assertIsNotNone(parent.hub.get(GUID))
                self.world.advance(120)
                self.assertIsNone(parent.hub.get(GUID))
                stored = self.world.settle(host.db.stored())
                self.assertNotIn(GUID, [each.record.info.guid for each in stored])
                parent.stop()


class RemovalTests(WorldCase):
    """
    Nodes that are removed on purpose.
    """

    def remove(self, node: WorldNode, guid: str = GUID) -> None:
        host = self.host(node, guid)
        node.hub.tombstones.bury(guid, host.info.hostname, self.world.network.clock.seconds())
        self.world.settle(node.hub.remove(host))

    def test_stays_removed(self) -> None:
        """
        A removed node is gone with its samples, also after a restart, even
        one that cut the removal short; when it connects itself it is back.
        """
        parent = self.world.node("parent", "parent", mode="dbengine")
        child = self.child(parent)
        child.say(CHART)
        child.sample(self.world.now)
        self.world.advance(1)
        child.leave()
        self.world.advance(1)
        host = self.host(parent)
        self.assertRaises(ValueError, parent.hub.remove, parent.hub.local)
        # Killed before its samples were forgotten.
        parent.hub.tombstones.bury(GUID, host.info.hostname, self.world.network.clock.seconds())
        for _ in range(2):
            parent.stop()
            parent.start()
            self.assertIsNone(parent.hub.get(GUID))
        self.child(parent)
        self.assertTrue(self.host(parent).online)
        self.assertEqual(self.host(parent).charts, {})
        self.assertIsNone(parent.hub.tombstones.of(GUID))

    def test_not_resurrected_by_others(self) -> None:
        """
        Another node that still sends old samples of a removed node does not
        bring it back, and neither do definitions; samples that are newer do.
        """
        parent = self.world.node("parent", "parent")
        child = self.child(parent, hops="2")
        child.say(CHART)
        child.sample(self.world.now)
        self.world.advance(1)
        child.leave()
        self.world.advance(1)
        self.remove(parent)
        removed = self.world.now
        self.world.advance(60)
        child = self.child(parent, hops="2")
        child.say(CHART)
        for second in range(5):
            child.sample(removed - second)
        self.world.advance(5)
        self.assertIsNone(parent.hub.get(GUID))
        self.assertIsNotNone(parent.hub.tombstones.of(GUID))
        child.sample(removed - 9)
        child.sample(self.world.now)
        self.world.advance(1)
        self.assertTrue(self.host(parent).online)
        self.assertIn("a.b", self.host(parent).charts)
        self.assertEqual(list(parent.read(GUID, "a.b", "c", 0, self.world.now)), [self.world.now - 1])
        self.assertIsNone(parent.hub.tombstones.of(GUID))
        self.assertTrue(any("which was removed, is back" in line for line in self.logged))
        child.leave()
        self.world.advance(1)
        self.assertFalse(self.host(parent).online)

    def test_leaves_removed(self) -> None:
        """
        Another node that brings nothing new and goes leaves nothing behind.
        """
        parent = self.world.node("parent", "parent")
        self.child(parent, hops="2").leave()
        self.world.advance(1)
        self.remove(parent)
        self.world.advance(1)
        for _ in range(2):
            child = self.child(parent, hops="2")
            child.say(CHART)
            self.world.advance(15)
        child.leave()
        self.world.advance(1)
        self.assertIsNone(parent.hub.get(GUID))
        self.assertEqual(len(parent.hub), 1)


class LettingGoTests(ChoiceCase):
    """
    A parent sends its children elsewhere.
    """

    def let_go(self, node: WorldNode, *guids: str) -> int:
        parent = node.service._parent
        assert parent is not None
        count: int = self.world.settle(parent.let_go(guids, "it shall go elsewhere"))
        return count

    def test_without_a_gap(self) -> None:
        """
        A child that is let go is with the other parent a moment later, and the
        two parents together have each of its seconds.
        """
        for mode in ("none", "ram"):
            with self.subTest(mode=mode):
                a = self.world.node(f"a-{mode}", "parent")
                b = self.world.node(f"b-{mode}", "parent")
                child = self.world.node(f"child-{mode}", "child", destination=f"a-{mode} b-{mode}", mode=mode)
                self.world.advance(60)
                guid = child.hub.local.info.guid
                if self.parent_of(child) == b.name:
                    a, b = b, a
                begin = self.world.now
                self.assertEqual(self.let_go(a, guid, GUID), 1)
                self.world.advance(30)
                self.assertEqual(self.parent_of(child), b.name)
                found = {}
                for parent in (a, b):
                    found |= parent.read(guid, "test.clock", "second", begin - 5, self.world.now - 2)
                self.assertEqual(sorted(found), list(range(begin - 4, self.world.now - 1)))

    def test_who_does_not_go(self) -> None:
        """
        A child that does not end its side is cut off.
        """
        parent = self.world.node("parent", "parent")
        before = len(self.world.network.clock.getDelayedCalls())
        self.child(parent)
        self.world.network.cut("parent", "visitor")
        self.let_go(parent, GUID)
        self.world.advance(LET_GO_WITHIN + 1)
        self.assertFalse(self.host(parent).online)
        self.assertEqual(len(self.world.network.clock.getDelayedCalls()), before)

    def test_draining(self) -> None:
        """
        A parent that is being drained takes nobody, says so to who asks, and
        takes them again afterwards.
        """
        a = self.world.node("a", "parent")
        b = self.world.node("b", "parent")
        child = self.world.node("child", "child", destination="a b")
        self.world.advance(60)
        if self.parent_of(child) == "b":
            a, b = b, a
        a.hub.draining = True
        self.let_go(a, child.hub.local.info.guid)
        self.world.advance(5)
        self.assertEqual(self.parent_of(child), b.name)
        self.assertEqual(a.get("/api/v3/stream_info?machine_guid=" + GUID)["status"], 404)
        b.stop()
        self.world.advance(60)
        self.assertEqual(self.parent_of(child), "")
        a.hub.draining = False
        self.world.advance(60)
        self.assertEqual(self.parent_of(child), a.name)
