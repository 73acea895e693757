"""
How long a parent keeps its children.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from netstream.config.settings import Mode
from netstream.testing import World


class RetentionTests(SynchronousTestCase):
    """
    A parent with C{dbengine}, a child that streams to it.
    """

    def retention(self, *lines: str) -> int | None:
        """
        @param lines: Of the section of the child's key.
        @return: Seconds that the parent's database keeps the child's samples
            for; L{None} is the default.
        """
        directory = Path(self.mktemp())
        directory.mkdir()
        world = World(directory)
        self.addCleanup(world.stop)
        parent = world.node("parent", "parent", mode="dbengine", stream="".join(f"{line}\n" for line in lines))
        child = world.node("child", "child", destination="parent")
        world.advance(30)
        databases = parent.service._databases
        assert databases is not None
        database: Any = databases.of(Mode.DBENGINE)
        [node] = [node for guid, node in database._nodes.items() if guid == child.hub.local.info.guid]
        kept: int | None = node.retention
        return kept

    def test_own(self) -> None:
        """
        A duration in the section of a key is how long its hosts are kept; a
        number of points is not for the disk.
        """
        self.assertEqual(self.retention("retention = 30d"), 30 * 86400)
        self.assertEqual(self.retention("retention = off"), 0)
        self.assertEqual(self.retention("retention = 600"), None)
        self.assertEqual(self.retention(), None)
