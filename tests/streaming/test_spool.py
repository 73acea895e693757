"""
Tests for nodes without a database whose parent is away.
"""

from __future__ import annotations

import numpy as np

from netstream.model.samples import SampleBatch
from tests.streaming.case import WorldCase

HOUR = 3600


class HeadlessTests(WorldCase):
    """
    Nothing is lost while there is room in the spool.
    """

    def check(self, first: int, viewer: str = "parent", but: int = 2) -> None:
        """
        The parent has each second with the value that was collected.
        """
        node = self.nodes[viewer]
        before = self.world.now - but
        found = node.read("child", "test.clock", "second", first - 1, before)
        self.assertEqual(found, {second: float(second) for second in range(first, before + 1)})

    def setUp(self) -> None:
        super().setUp()
        self.nodes = {"parent": self.world.node("parent", "parent", mode="dbengine")}

    def child(self, destination: str = "parent", stream: str = "") -> int:
        """
        @return: The first second that it stores.
        """
        self.nodes["child"] = self.world.node("child", "child", destination=destination, mode="none", stream=stream)
        first = self.world.now + 2
        self.world.advance(20)
        return first

    def test_parent_away(self) -> None:
        """
        A parent that was stopped, killed or cut off for minutes has
        everything soon after.
        """
        first = self.child()
        self.check(first)
        parent = self.nodes["parent"]
        for away in (3, 250):
            parent.stop()
            self.world.advance(away)
            parent.start()
            self.world.advance(60)
            self.check(first)
        parent.crash()
        self.world.advance(100)
        parent.start()
        self.world.advance(60)
        self.check(first)
        self.world.cut(parent, self.nodes["child"])
        self.world.advance(200)
        self.world.heal(parent, self.nodes["child"])
        self.world.advance(120)
        self.check(first)

    def test_parent_late(self) -> None:
        """
        What was collected before the parent was ever there comes as well.
        """
        self.nodes["parent"].stop()
        first = self.child()
        self.world.advance(300)
        self.nodes["parent"].start()
        self.world.advance(60)
        self.check(first)

    def test_proxies(self) -> None:
        """
        Nor is anything lost on the way through proxies without a database,
        whichever of them was away.
        """
        for name, destination in (("upper", "parent"), ("lower", "upper")):
            self.nodes[name] = self.world.node(name, "proxy", destination=destination, mode="none")
        first = self.child("lower")
        for away in ("parent", "upper", "lower"):
            self.nodes[away].crash()
            self.world.advance(150)
            self.nodes[away].start()
            self.world.advance(120)
            self.check(first)

    def test_disk(self) -> None:
        """
        A spool on disk outlives the child.
        """
        self.nodes["parent"].stop()
        first = self.child(stream="[stream]\n    spool = disk\n")
        self.world.advance(100)
        last = self.world.now - 2
        self.nodes["child"].crash()
        self.world.advance(5)
        self.nodes["child"].start()
        self.world.advance(30)
        self.nodes["parent"].start()
        self.world.advance(60)
        found = self.nodes["parent"].read("child", "test.clock", "second", first - 1, last)
        self.assertEqual(found, {second: float(second) for second in range(first, last + 1)})

    def test_full(self) -> None:
        """
        A spool that is full drops the oldest samples, and the node says so
        once, and counts them.
        """
        self.nodes["parent"].stop()
        first = self.child(stream="[stream]\n    spool size = 5KiB\n")
        self.world.advance(1500)
        child = self.nodes["child"]
        self.assertGreater(child.hub.counts.spilled, 100)
        self.nodes["parent"].start()
        self.world.advance(60)
        found = self.nodes["parent"].read("child", "test.clock", "second", first - 1, self.world.now - 2)
        self.assertEqual(max(found), self.world.now - 2)
        self.assertEqual(sorted(found), list(range(min(found), max(found) + 1)))
        self.assertLess(len(found), 1500)

    def test_full_disk(self) -> None:
        """
        So does one on disk, of what no parent was given, and no more: it is
        among the node's losses, and a parent that comes later gets the rest.
        """
        parent = self.nodes["parent"]
        parent.stop()
        self.child(stream="[stream]\n    spool = disk\n    spool size = 4KiB\n")
        child = self.nodes["child"]
        now = self.world.now
        self.keep(now - 10 * HOUR, 3000)
        self.world.advance(1300)
        self.assertEqual(child.hub.counts.spilled, 3000)
        self.assertEqual(child.get("/api/v1/info")["losses"]["samples_spilled"], 3000)
        self.assertIn('netstream_samples_lost_total{reason="spool_full"} 3000.0', child.get("/metrics"))
        self.assertEqual(len([text for text in self.logged if "spool size of" in text]), 1)
        parent.start()
        self.world.advance(120)
        self.keep(now - 20 * HOUR, 3000)
        self.world.advance(1300)
        self.assertEqual(child.hub.counts.spilled, 3000)

    def keep(self, first: int, count: int) -> None:
        """
        Have the child's spool keep a sample a second of long ago.
        """
        host = self.nodes["child"].hub.local
        numbers = np.full(count, host.table.number("test.clock", "second"), np.int32)
        times, zeros = np.arange(first, first + count, dtype=np.int64), np.zeros(count, np.int64)
        values, flags = np.sin(times * 7919.0), zeros.astype(np.uint8)
        batch = SampleBatch(host.table, numbers, times, zeros, values, flags, past=True)
        self.world.settle(host.past.append(batch))

    def test_none(self) -> None:
        """
        Without a spool a parent that was away for long gets live samples
        only.
        """
        first = self.child(stream="[stream]\n    spool = no\n")
        self.nodes["parent"].stop()
        self.world.advance(200)
        self.nodes["parent"].start()
        self.world.advance(60)
        found = self.nodes["parent"].read("child", "test.clock", "second", first - 1, self.world.now - 2)
        self.assertLess(len(found), self.world.now - 100 - first)
