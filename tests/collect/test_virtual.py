"""
Tests for virtual nodes, in a world of nodes.
"""

from __future__ import annotations

from netstream.collect.spoken import SILENT_FOR
from netstream.hub.life import Life
from netstream.session.virtual import OS
from netstream.testing import WorldNode
from netstream.wire.handshake import Refusal
from tests.streaming.case import GUID, WorldCase

DEFINED = f"HOST_DEFINE {GUID} router\nHOST_LABEL site cellar\nHOST_DEFINE_END\n"
CHART = "CHART r.up '' '' '' '' r.up line 100 1\nDIMENSION x '' absolute 1 1\n"


class VirtualNodeTests(WorldCase):
    """
    Nodes that a collector speaks for.
    """

    def speak(self, node: WorldNode, seconds: int, beginning: str = "") -> None:
        """
        A collector speaks for the virtual node for a while.
        """
        node.say(f"{DEFINED}HOST {GUID}\n{CHART}{beginning}")
        for number in range(seconds):
            node.say(
                f"HOST {GUID}\nBEGIN r.up {1000000 if number else 0}\nSET x = {self.world.now}\nEND\nHOST localhost\n"
            )
            self.world.advance(1)

    def test_a_host_of_its_own(self) -> None:
        """
        A virtual node has its charts, samples and labels of its own, at the
        node and, over a connection of its own, at the next parents.
        """
        grandparent = self.world.node("grandparent", "parent")
        parent = self.world.node("parent", "proxy", destination="grandparent")
        child = self.world.node("child", "child", destination="parent")
        self.speak(child, 20)
        for node, hops in ((child, 1), (parent, 2), (grandparent, 3)):
            with self.subTest(node=node.name):
                host = self.host(node)
                self.assertTrue(host.online)
                self.assertEqual((host.info.hostname, host.info.os, host.info.hops), ("router", OS, hops))
                self.assertEqual(host.labels["site"].value, "cellar")
                self.assertEqual(list(host.charts), ["r.up"])
                found = node.read(GUID, "r.up", "x", self.world.now - 10, self.world.now - 3)
                self.assertEqual(list(found.values()), [float(second) for second in found])
                self.assertEqual(len(found), 7)
                self.assertNotIn("r.up", node.hub.local.charts)
        self.assertTrue(self.host(child).virtual)
        self.assertFalse(self.host(parent).virtual)
        self.assertIn("test.clock", child.hub.local.charts)

    def test_goes_and_comes(self) -> None:
        """
        One of which nothing is said any more goes offline, here and at the
        parent, and comes back when something is said of it again.
        """
        parent = self.world.node("parent", "parent")
        child = self.world.node("child", "child", destination="parent")
        self.speak(child, 10)
        self.world.advance(20)
        self.assertIs(self.host(child).life(self.world.now), Life.STALE)
        self.world.advance(SILENT_FOR)
        self.assertIs(self.host(child).life(self.world.now), Life.OFFLINE)
        self.assertFalse(self.host(parent).online)
        self.speak(child, 10)
        for node in (child, parent):
            self.assertIs(self.host(node).life(self.world.now), Life.LIVE)
        child.stop()
        self.world.advance(1)
        self.assertFalse(self.host(parent).online)

    def test_defined_again(self) -> None:
        """
        A definition that is said again changes nothing, one that differs
        changes name and labels.
        """
        child = self.world.node("child")
        self.speak(child, 5)
        link = self.host(child).link
        child.say(DEFINED)
        self.assertIs(self.host(child).link, link)
        child.say(DEFINED.replace("router", "switch").replace("cellar", "attic"))
        self.assertEqual(self.host(child).info.hostname, "switch")
        self.assertEqual(self.host(child).labels["site"].value, "attic")
        self.speak(child, 3)
        self.assertGreater(len(child.read(GUID, "r.up", "x", 0, self.world.now)), 5)

    def test_claimed_twice(self) -> None:
        """
        A GUID that is connected cannot be spoken for by a collector, and one
        that is spoken for cannot connect; both are said.
        """
        parent = self.world.node("parent", "parent")
        child = self.child(parent)
        self.speak(parent, 3)
        self.assertFalse(self.host(parent).virtual)
        self.assertEqual(self.host(parent).charts, {})
        self.assertEqual(len([text for text in self.logged if "is connected itself as asker" in text]), 1)
        child.leave()
        self.world.advance(1)
        self.speak(parent, 3)
        self.assertTrue(self.host(parent).virtual)
        self.assertEqual(self.child(parent).received, Refusal.VIRTUAL_NODE.line())
        self.assertTrue(any("is the virtual node router" in text for text in self.logged))

    def test_removed(self) -> None:
        """
        One that was removed is back when a collector speaks for it again.
        """
        node = self.world.node("node")
        self.speak(node, 3)
        self.world.advance(SILENT_FOR + 5)
        host = self.host(node)
        node.hub.tombstones.bury(GUID, "router", self.world.now)
        self.world.settle(node.hub.remove(host))
        self.speak(node, 3)
        self.assertIsNot(self.host(node), host)
        self.assertTrue(self.host(node).online)
        self.assertEqual(list(self.host(node).charts), ["r.up"])
        self.assertIsNone(node.hub.tombstones.of(GUID))
