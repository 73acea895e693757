"""
Tests for what happens when a parent reads more slowly than its children have
to say: nothing is reset, and all comes in the end.
"""

from pathlib import Path

import numpy as np

from netstream.model.samples import SampleBatch
from netstream.testing import World, WorldNode
from tests.streaming.case import WorldCase

CHARTS, DIMENSIONS, BACK = 40, 10, 600


def buffer(size: str) -> str:
    return f"[stream]\n    buffer size = {size}\n"


class LongPastTests(WorldCase):
    """
    A child that has much more of the past than its buffer holds meets a
    parent whose database is empty, over a thin line.
    """

    def setUp(self) -> None:
        super().setUp()
        directory = Path(self.mktemp())
        directory.mkdir(parents=True)
        self.world.stop()
        self.world = World(directory, lambda size: min(size, 4096))
        self.addCleanup(self.world.stop)

    def live(self, child: WorldNode) -> None:
        for number in range(CHARTS):
            sets = "".join(f"SET d{place} = {self.world.now % 1000 + place}\n" for place in range(DIMENSIONS))
            child.say(f"BEGIN past.c{number} 1000000\n{sets}END\n")
        self.world.advance(1)

    def make_past(self, child: WorldNode) -> int:
        dimensions = "".join(f"DIMENSION d{place} '' absolute 1 1\n" for place in range(DIMENSIONS))
        for number in range(CHARTS):
            child.say(f"CHART past.c{number} '' '' '' '' past.c\n{dimensions}")
        host = child.hub.local
        numbers = [host.table.number(f"past.c{c}", f"d{d}") for c in range(CHARTS) for d in range(DIMENSIONS)]
        last = self.world.now
        times = np.arange(last - BACK + 1, last + 1)
        series = np.repeat(np.array(numbers, np.int32), BACK)
        time = np.tile(times, len(numbers))
        value = (time * 7 + series) % 997 / 4
        zeros = np.zeros(len(time), np.int64)
        batch = SampleBatch(host.table, series, time, zeros, value, zeros.astype(np.uint8), past=True)
        self.successResultOf(host.db.append(batch))
        return last

    def check(self, mode: str) -> None:
        child = self.world.node("child", "child", mode=mode, destination="parent", stream=buffer("256KiB"))
        last = self.make_past(child)
        for _ in range(5):
            self.live(child)
        parent = self.world.node("parent", "parent", mode=mode)
        for _ in range(240):
            self.live(child)
            host = parent.hub.find("child")
            if host is not None and host.replication is not None and host.replication.done:
                break
        self.assertNotIn("streams to parent no more", "\n".join(self.logged))
        assert host is not None and host.link is not None and host.replication is not None
        self.assertTrue(host.replication.done, host.replication)
        for _ in range(3):
            self.live(child)
        for chart in ("past.c0", f"past.c{CHARTS - 1}"):
            for dimension in ("d0", f"d{DIMENSIONS - 1}"):
                span = (last - BACK, self.world.now - 2)
                mine = child.read("child", chart, dimension, *span)
                self.assertGreater(len(mine), BACK)
                self.assertEqual(parent.read("child", chart, dimension, *span), mine)

    def test_memory(self) -> None:
        """
        A child gets its whole past to a new parent over one connection, while
        its live samples pass.
        """
        self.check("ram")

    def test_disk(self) -> None:
        """
        The same with databases on disk.
        """
        self.check("dbengine")

    def test_definitions(self) -> None:
        """
        More charts than the buffer holds definitions of are defined one lot
        after the other.
        """
        plain = "    enable compression = no\n"
        child = self.world.node("child", "child", destination="parent", stream=buffer("64KiB") + plain)
        title = "One of very many charts. " * 20
        for number in range(1500):
            child.say(f"CHART many.c{number} '' '{title}' units many many.c\nDIMENSION d\n")
            child.say(f"BEGIN many.c{number}\nSET d = {number}\nEND\n")
        parent = self.world.node("parent", "parent")
        self.world.advance(40)
        self.assertNotIn("streams to parent no more", "\n".join(self.logged))
        host = parent.hub.find("child")
        assert host is not None
        self.assertEqual(len([chart for chart in host.charts if chart.startswith("many.")]), 1500)
