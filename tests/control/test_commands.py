"""
Tests for the commands that a node is told, in a world of nodes.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from netstream.control.commands import COMMANDS
from netstream.control.lines import CannotDo, Request
from netstream.model.identity import fingerprint
from netstream.testing import KEY, WorldNode
from tests.streaming.case import CHART, GUID
from tests.streaming.test_choice import ChoiceCase

OTHER = GUID.replace("9", "8")


class CommandCase(ChoiceCase):
    """
    Nodes that are told what to do.
    """

    def tell(self, told: WorldNode, command: str, /, **arguments: Any) -> Any:
        return self.world.settle(told.service.control.run(Request(command, arguments)))

    def assert_cannot(self, told: WorldNode, expected: str, command: str, /, **arguments: Any) -> None:
        """
        A command is refused with a text that says why.
        """
        with self.assertRaises(CannotDo) as caught:
            self.tell(told, command, **arguments)
        self.assertIn(expected, str(caught.exception))


class LookingTests(CommandCase):
    """
    C{status}, C{nodes} and C{keys}.
    """

    def test_status(self) -> None:
        """
        The status counts what there is.
        """
        parent = self.world.node("parent", "parent")
        self.world.node("child", "child", destination="parent")
        self.world.advance(10)
        said = self.tell(parent, "status")
        self.assertEqual((said["hostname"], said["role"], said["children"], said["nodes"]), ("parent", "parent", 1, 2))
        self.assertEqual(said["states"], {"live": 2})
        self.assertEqual((said["draining"], said["removed"], said["waiting"], said["sends"]), (False, 0, 0, 0))

    def test_nodes(self) -> None:
        """
        Each node is listed with its state, its clock, and where its samples
        come from and go.
        """
        parent = self.world.node("parent", "parent")
        child = self.world.node("child", "child", destination="parent")
        self.child(parent).leave()
        self.world.advance(10)
        said = self.tell(parent, "nodes")["nodes"]
        self.assertEqual([node["hostname"] for node in said], ["parent", "asker", "child"])
        self.assertEqual([node["state"] for node in said], ["live", "offline", "live"])
        self.assertTrue(said[0]["local"])
        self.assertLess(abs(said[2]["skew"]), 1.1)
        self.assertFalse(said[2]["clock_off"])
        self.assertTrue(said[2]["peer"].startswith("10.0.0."))
        mine = self.tell(child, "nodes")["nodes"][0]
        self.assertEqual((mine["sent_to"], mine["destinations"]), ("parent", ["parent"]))

    def test_keys(self) -> None:
        """
        Keys are named by their fingerprints, and never told.
        """
        late, early = (KEY[:-1] + digit for digit in "89")
        parent = self.world.node(
            "parent",
            "parent",
            stream=f"[{late}]\ntype = api\nenabled = yes\nvalid until = 2020-01-01\n"
            f"[{early}]\ntype = api\nenabled = yes\nvalid from = 2099-01-01\n",
        )
        said = self.tell(parent, "keys")
        self.assertEqual([key["state"] for key in said["keys"]], ["valid", "expired", "not yet valid"])
        self.assertEqual([(key["nodes"], key["used"]) for key in said["keys"]], [(0, None)] * 3)
        child = self.world.node("child", "child", destination="parent")
        self.world.advance(5)
        mine = self.tell(parent, "keys")["keys"][0]
        self.assertEqual((mine["key"], mine["nodes"], mine["used"]), (fingerprint(KEY), 1, self.world.now))
        self.assertEqual(self.tell(parent, "nodes")["nodes"][1]["key"], fingerprint(KEY))
        left = self.world.now
        child.stop()
        self.world.advance(5)
        mine = self.tell(parent, "keys")["keys"][0]
        self.assertEqual((mine["nodes"], mine["used"]), (0, left))
        for command in ("keys", "status", "nodes"):
            self.assertNotIn(KEY, str(self.tell(parent, command)))

    def test_wrong(self) -> None:
        """
        What cannot be done is said with what would be right.
        """
        parent = self.world.node("parent", "parent")
        self.assert_cannot(parent, "there are status", "dance")
        for wrong in ({"node": 5}, {}, {"node": ""}, {"node": "x", "lift": 1}):
            self.assert_cannot(parent, "'", "remove-node", **wrong)
        for wrong in ({"share": 0}, {"share": 101}, {"share": "half"}, {"share": True}, {"nodes": "x"}, {"up": 1}):
            self.assert_cannot(parent, "'", "rebalance", **wrong)
        self.assert_cannot(parent, "no node is called", "rebalance", nodes=["nobody"])
        self.assert_cannot(parent, "is not connected", "rebalance", nodes=["parent"])
        self.assertEqual(
            set(COMMANDS),
            {"status", "nodes", "keys", "refusals", "remove-node", "rebalance", "drain", "reload", "reload-health"},
        )


class RemoveNodeTests(CommandCase):
    """
    C{remove-node}.
    """

    def test_removed(self) -> None:
        """
        A node that is gone is removed with its samples, stays so over a
        restart, and may come back when that is taken back.
        """
        parent = self.world.node("parent", "parent", mode="dbengine")
        child = self.child(parent)
        child.say(CHART)
        child.sample(self.world.now)
        self.world.advance(1)
        self.assert_cannot(parent, "while it is connected from 10.0.0.1", "remove-node", node="asker")
        self.assert_cannot(parent, "this node itself", "remove-node", node="parent")
        child.leave()
        self.world.advance(1)
        self.assertEqual(self.tell(parent, "remove-node", node="ASKER"), {"hostname": "asker", "guid": GUID})
        self.assertIsNone(parent.hub.get(GUID))
        parent.stop()
        parent.start()
        self.assertIsNone(parent.hub.get(GUID))
        self.assertEqual([each["hostname"] for each in self.tell(parent, "nodes")["removed"]], ["asker"])
        self.assert_cannot(parent, "no node called b was removed", "remove-node", node="b", lift=True)
        self.tell(parent, "remove-node", node=GUID.upper(), lift=True)
        self.assertEqual(self.tell(parent, "nodes")["removed"], [])

    def test_equal_names(self) -> None:
        """
        Of two nodes of one name none is removed by that name.
        """
        parent = self.world.node("parent", "parent")
        for guid in (GUID, OTHER):
            self.child(parent, machine_guid=guid).leave()
        self.world.advance(1)
        self.assert_cannot(parent, f"{OTHER}, {GUID}", "remove-node", node="asker")
        self.tell(parent, "remove-node", node=GUID)
        self.assertIsNotNone(parent.hub.get(OTHER))

    def test_along_the_tree(self) -> None:
        """
        A node that was removed does not come back by a proxy that knows it
        still, not even when the proxy or the parent is restarted, but does
        when it streams again.
        """
        parent = self.world.node("parent", "parent")
        proxy = self.world.node("proxy", "proxy", destination="parent", mode="dbengine")
        child = self.child(proxy)
        child.say(CHART)
        child.sample(self.world.now)
        self.world.advance(10)
        self.assertIsNotNone(parent.hub.get(GUID))
        child.leave()
        self.world.advance(5)
        self.tell(parent, "remove-node", node=GUID)
        proxy.stop()
        proxy.start()
        self.world.advance(60)
        self.assertIsNone(parent.hub.get(GUID))
        child = self.child(proxy)
        child.say(CHART)
        self.world.advance(10)
        self.assertIsNone(parent.hub.get(GUID))
        child.sample(self.world.now)
        self.world.advance(5)
        self.assertTrue(self.host(parent).online)
        self.assertEqual(len(parent.read(GUID, "a.b", "c", 0, self.world.now)), 1)


class MovingTests(CommandCase):
    """
    C{drain} and C{rebalance}.
    """

    def test_drain(self) -> None:
        """
        All children go to the other parent, and come back to neither before
        they have to; C{drain --end} takes them again.
        """
        a = self.world.node("a", "parent")
        b = self.world.node("b", "parent")
        children = [self.world.node(f"child-{number}", "child", destination="a b") for number in range(8)]
        self.world.advance(60)
        at = Counter(self.parent_of(child) for child in children)
        self.assertEqual(self.tell(a, "drain"), {"draining": True, "told": at["a"]})
        self.world.advance(60)
        self.assertEqual({self.parent_of(child) for child in children}, {"b"})
        self.assertTrue(self.tell(a, "status")["draining"])
        self.assertEqual(self.tell(a, "status")["children"], 0)
        for child in children:
            guid = child.hub.local.info.guid
            found = dict(b.read(guid, "test.clock", "second", self.world.now - 40, self.world.now - 2))
            self.assertEqual(len(found), 38)
        self.assertEqual(self.tell(a, "drain", end=True), {"draining": False, "was": True})
        self.assertEqual(self.tell(a, "drain", end=True), {"draining": False, "was": False})
        b.stop()
        self.world.advance(200)
        self.assertEqual({self.parent_of(child) for child in children}, {"a"})

    def test_rebalance(self) -> None:
        """
        A share of the children goes to a parent that is new, and each of them
        misses no second.
        """
        a = self.world.node("a", "parent")
        children = [self.world.node(f"child-{number}", "child", destination="a b") for number in range(12)]
        self.world.advance(60)
        self.assertEqual({self.parent_of(child) for child in children}, {"a"})
        b = self.world.node("b", "parent")
        begin = self.world.now
        self.assertEqual(self.tell(a, "rebalance"), {"told": 6, "of": 12})
        self.world.advance(60)
        self.assertEqual(Counter(self.parent_of(child) for child in children), Counter(a=6, b=6))
        for child in children:
            guid = child.hub.local.info.guid
            found: dict[int, float] = {}
            for parent in (a, b):
                if parent.hub.get(guid) is not None:
                    found |= parent.read(guid, "test.clock", "second", begin - 5, self.world.now - 2)
            self.assertEqual(sorted(found), list(range(begin - 4, self.world.now - 1)))
        self.assertEqual(self.tell(a, "rebalance", nodes=[self.names(a, children)[0]]), {"told": 1, "of": 1})

    def names(self, parent: WorldNode, children: list[WorldNode]) -> list[str]:
        return [child.name for child in children if self.parent_of(child) == parent.name]

    def test_up(self) -> None:
        """
        What a node sends chooses anew when told: it stays with the parent that
        has its samples.
        """
        self.world.node("a", "parent")
        child = self.world.node("child", "child", destination="a b")
        self.world.advance(60)
        self.world.node("b", "parent")
        self.assertEqual(self.tell(child, "rebalance", up=True), {"moved": 0, "of": 1})
        self.assertEqual(self.tell(child, "rebalance", up=True, nodes=["child"]), {"moved": 0, "of": 1})
        self.assert_cannot(child, "no node is called x", "rebalance", up=True, nodes=["x"])
        self.assertEqual(self.parent_of(child), "a")


class HealthTests(CommandCase):
    """
    C{reload-health}.
    """

    def test_reload(self) -> None:
        """
        New definitions are in use, and what is wrong in them is said with file and line.
        """
        text = "template: {}\non: test.clock\ncalc: 1\nevery: 1s\n\n"
        node = self.world.node("node", conf="[health]\n    enable stock health configuration = no\n", health=text)
        file = node.service.settings.config_dir / "health.d" / "world.conf"
        file.write_text(text.format("new") + "template: broken\non: test.clock\nwarn: $this >\n")
        said = self.tell(node, "reload-health")
        self.assertEqual(said["definitions"], 1)
        self.assertIn("world.conf:8: ", said["problems"][0])
        self.world.advance(70)
        self.assertEqual(set(node.get("/api/v1/alarms?all")["alarms"]), {"test.clock.new"})

    def test_none(self) -> None:
        """
        A node without a database has no alerts, and says so.
        """
        parent = self.world.node("parent", "parent")
        child = self.world.node("child", "child", destination=parent.name, mode="none")
        self.assert_cannot(child, "this node has no database", "reload-health")


class ClusterTests(CommandCase):
    """
    Two parents that stream to each other.
    """

    def test_drain(self) -> None:
        """
        A child whose parent is drained goes to the other, which had its samples
        all the time and has each of its seconds.
        """
        a = self.world.node("a", "proxy", destination="b")
        b = self.world.node("b", "proxy", destination="a")
        child = self.world.node("child", "child", destination="a b")
        guid = child.hub.local.info.guid
        self.world.advance(60)
        if self.parent_of(child) == "b":
            a, b = b, a
        self.assertTrue(self.host(b, guid).online)
        begin = self.world.now
        self.assertGreaterEqual(self.tell(a, "drain")["told"], 1)
        self.world.advance(60)
        self.assertEqual(self.parent_of(child), b.name)
        found = b.read(guid, "test.clock", "second", begin - 20, self.world.now - 2)
        self.assertEqual(sorted(found), list(range(begin - 19, self.world.now - 1)))

    def test_cut(self) -> None:
        """
        A child whose parent falls silent is with the other parent within half
        a minute, though that still has the silent connection from the first.
        """
        a = self.world.node("a", "proxy", destination="b")
        b = self.world.node("b", "proxy", destination="a")
        child = self.world.node("child", "child", destination="a b")
        guid = child.hub.local.info.guid
        self.world.advance(60)
        if self.parent_of(child) == "b":
            a, b = b, a
        self.world.cut(a, b)
        self.world.advance(2)
        a.stop()
        self.world.advance(30)
        self.assertEqual(self.parent_of(child), b.name)
        self.assertTrue(self.host(b, guid).online)
