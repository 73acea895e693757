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
            self.world.node(name, "child", destination=" ".join(self.members)) for name in ("child-1", "child-2")
        ]
        self.first = self.world.now + 1
        self.started: dict[str, int] = {}
        self.world.advance(self.settle)

    mode = "ram"
    settle = 300
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
        Each parent has all samples of each node that runs, over one connection.
        """
        living = [node for node in self.parents.values() if node not in without]
        for node in (*self.children, *living):
            viewers = [viewer for viewer in living if viewer is not node]
            self.assert_complete(node, *viewers, first=max(self.first, self.started.get(node.name, 0)))
            self.assertEqual(
                sorted(self.way(node)), sorted(viewer.name for viewer in viewers), f"the way of {node.name}"
            )
        for viewer in living:
            names = sorted(host.info.hostname for host in viewer.hub if host.life(self.world.now) is Life.LIVE)
            self.assertEqual(names, sorted(node.name for node in (*self.children, *living)), viewer.name)

    def check(self) -> None:
        self.assert_all_know_all()
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

    def test_any_is_lost(self) -> None:
        """
        All three have all samples of all nodes, whichever of them is gone
        meanwhile.
        """
        self.check()
