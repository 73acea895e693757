"""
Tests for parents that stream to each other, so that any of them can be lost.
"""

from __future__ import annotations

from collections.abc import Sequence

from netstream.hub.life import Life
from netstream.testing import WorldNode
from tests.streaming.test_replication import ReplicationCase


class ClusterCase(ReplicationCase):
    """
    Parents each of which streams to the others, and children that may stream to
    any of them.

    @ivar started: When nodes were started again.
    """

    members: Sequence[str] = ()

    def setUp(self) -> None:
        super().setUp()
        self.parents = {
            name: self.world.node(name, "proxy", destination=" ".join(self.others(name)), mode=self.mode)
            for name in self.members
        }
        self.children = [
            self.world.node(f"child-{number + 1}", "child", destination=" ".join(self.members))
            for number in range(self.count)
        ]
        self.first = self.world.now + 1
        self.started: dict[str, int] = {}
        self.world.advance(self.settle)

    mode = "ram"
    count = 2
    settle = 200
    """Seconds until who was refused or left out has tried again."""

    def others(self, name: str) -> Sequence[str]:
        at = self.members.index(name)
        return (*self.members[at + 1 :], *self.members[:at])

    def way(self, node: WorldNode) -> list[str]:
        """
        @return: The parents that the samples of a node pass, as these send them
            on.
        """
        passed: list[str] = []
        at, guid = node, node.hub.local.info.guid
        while True:
            uplink = at.service.uplinks.get(guid)
            if uplink is None or uplink.connected is None:
                return passed
            at = self.parents[uplink.connected.host]
            if at.name in passed:
                self.fail(f"{node.name} goes round in circles: {passed} and {at.name} again")
            passed.append(at.name)

    def assert_all_know_all(self, *without: WorldNode) -> None:
        """
        Each parent has all samples of each node that runs, over one connection,
        and everybody knows which way they go.
        """
        living = [node for node in self.parents.values() if node not in without]
        for node in (*self.children, *living):
            viewers = [viewer for viewer in living if viewer is not node]
            self.assert_complete(node, *viewers, first=max(self.first, self.started.get(node.name, 0)))
            way = self.way(node)
            self.assertEqual(sorted(way), sorted(viewer.name for viewer in viewers), f"the way of {node.name}")
            for each in (node, *viewers):
                told = [entry["hostname"] for entry in self.host(each, node.hub.local.info.guid).path]
                self.assertEqual(told, [node.name, *way], f"what {each.name} says of {node.name}")
        for viewer in living:
            names = sorted(host.info.hostname for host in viewer.hub if host.life(self.world.now) is Life.LIVE)
            self.assertEqual(names, sorted(node.name for node in (*self.children, *living)), viewer.name)

    def check(self) -> None:
        self.assert_all_know_all()
        self.assertEqual([line for line in self.logged if "already streaming" in line], [])
        for name, parent in self.parents.items():
            self.logged.clear()
            parent.crash()
            self.world.advance(self.settle)
            self.assert_all_know_all(parent)
            parent.start()
            self.started[name] = self.world.now + 1
            self.world.advance(self.settle)
            self.assert_all_know_all()


class PairTests(ClusterCase):
    """
    Two parents.
    """

    members = ("one", "two")

    def test_any_is_lost(self) -> None:
        """
        Both have all samples of all nodes; while either of them is gone the
        other has them, and when it is back it has what it missed.
        """
        self.check()


class TripleTests(ClusterCase):
    """
    Three parents.
    """

    members = ("one", "two", "three")
    count = 1

    def test_any_is_lost(self) -> None:
        """
        All three have all samples of all nodes, whichever of them is gone
        meanwhile.
        """
        self.check()
