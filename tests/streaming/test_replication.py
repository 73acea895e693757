"""
Tests for replication between nodes of a world: every second of what the origin
collected is compared.
"""

from __future__ import annotations

from typing import Any

from netstream.testing import WorldNode
from tests.streaming.case import CHART, GUID, WorldCase


class ReplicationCase(WorldCase):
    """
    Nodes that collect the clock.
    """

    def assert_complete(self, origin: WorldNode, *viewers: WorldNode, first: int, but: int = 2) -> None:
        """
        Each node has each second of the clock as the origin collected it.

        @param first: The first second that counts.
        @param but: Seconds that may be under way.
        """
        before = self.world.now - but
        for dimension in ("second", "count"):
            expected = origin.read(origin.name, "test.clock", dimension, first - 1, before)
            self.assertGreater(len(expected), 5)
            for viewer in viewers:
                found = viewer.read(origin.name, "test.clock", dimension, first - 1, before)
                missing = sorted(set(expected) - set(found))
                self.assertEqual(missing, [], f"{dimension} at {viewer.name}, {first} to {before}")
                self.assertEqual(found, expected, f"{dimension} at {viewer.name}")
        for second, value in origin.read(origin.name, "test.clock", "second", first - 1, before).items():
            self.assertEqual(value, second)


class PairTests(ReplicationCase):
    """
    A child and its parent.
    """

    mode = "ram"

    def setUp(self) -> None:
        super().setUp()
        self.parent = self.world.node("parent", "parent", mode=self.mode, conf=self.conf())
        self.child_node = self.world.node("child", "child", destination="parent", mode=self.mode)
        self.first = self.world.now + 2
        self.world.advance(20)

    def conf(self) -> str:
        return ""

    def check(self) -> None:
        self.assert_complete(self.child_node, self.parent, first=self.first)

    def test_at_once(self) -> None:
        """
        What a child collected before its parent knew of it is there.
        """
        self.check()

    def test_parent_restarted(self) -> None:
        """
        A parent that comes back has what was collected meanwhile.
        """
        for away in (1, 5, 70):
            self.parent.stop()
            self.world.advance(away)
            self.parent.start()
            self.world.advance(40)
            if self.mode == "ram":
                # It forgot, and fetches all that the child has.
                self.first = max(self.first, self.world.now - 3000)
            self.check()

    def test_child_restarted(self) -> None:
        """
        Seconds that a child did not collect are a gap, no others.
        """
        self.child_node.stop()
        self.world.advance(10)
        back = self.world.now
        self.child_node.start()
        self.world.advance(60)
        found = self.parent.read("child", "test.clock", "second", self.first - 1, self.world.now - 2)
        expected = {*range(self.first, back - 10), *range(back + 3, self.world.now - 1)}
        self.assertEqual(expected - set(found), set())

    def test_cut(self) -> None:
        """
        What could not pass follows when it can.
        """
        for cut in (3, 30, 200):
            self.world.cut(self.parent, self.child_node)
            self.world.advance(cut)
            self.world.heal(self.parent, self.child_node)
            self.world.advance(150)
            self.check()

    def test_progress(self) -> None:
        """
        Both sides tell how far they are.
        """
        self.parent.stop()
        self.world.advance(30)
        self.parent.start()
        self.world.advance(30)
        host = self.parent.hub.find("child")
        assert host is not None and host.replication is not None
        self.assertTrue(host.replication.done)
        self.assertEqual(host.incomplete, set())
        self.assertGreater(host.replication.samples, 40)
        assert host.link is not None
        traffic = host.link.traffic
        self.assertGreater(traffic.replication, 0)
        self.assertLess(traffic.replication, traffic.text)


class DiskTests(PairTests):
    """
    The same with databases on disk.
    """

    mode = "dbengine"


class SmallStepTests(PairTests):
    """
    The same in small steps.
    """

    def conf(self) -> str:
        return "[db]\n    replication step = 7\n"


class OffTests(ReplicationCase):
    """
    Without replication.
    """

    def test_refused(self) -> None:
        """
        C{enable replication = no} of a parent fetches nothing, and the child
        streams all the same; what it tells is at most 20 seconds old.
        """
        parent = self.world.node("parent", "parent", conf="[db]\n    enable replication = no\n")
        child = self.world.node("child", "child", destination="parent")
        self.world.advance(20)
        parent.stop()
        away = self.world.now
        self.world.advance(200)
        parent.start()
        self.world.advance(30)
        found = parent.read("child", "test.clock", "second", away - 100, self.world.now)
        self.assertFalse([second for second in found if away < second < away + 179])
        self.assertIn(self.world.now - 3, found)
        self.assertTrue(child.service.running)

    def test_no_database(self) -> None:
        """
        A child that keeps nothing streams from its first second on, through a
        proxy that keeps nothing.
        """
        parent = self.world.node("parent", "parent")
        self.world.node("proxy", "proxy", destination="parent", mode="none")
        self.world.node("child", "child", destination="proxy", mode="none")
        self.world.advance(30)
        first = self.world.now
        self.world.advance(30)
        found = parent.read("child", "test.clock", "second", first, self.world.now - 2)
        self.assertEqual(found, {second: float(second) for second in range(first + 1, self.world.now - 1)})


class ChainTests(ReplicationCase):
    """
    A proxy between.
    """

    def setUp(self) -> None:
        super().setUp()
        self.parent = self.world.node("parent", "parent")
        self.proxy = self.world.node("proxy", "proxy", destination="parent")
        self.child_node = self.world.node("child", "child", destination="proxy")
        self.first = self.world.now + 2
        self.world.advance(60)

    def test_each_in_turn(self) -> None:
        """
        Whichever is away for a while, nothing is missing in the end.
        """
        for node in (self.proxy, self.parent, self.proxy):
            node.stop()
            self.world.advance(25)
            node.start()
            self.world.advance(120)
            self.assert_complete(self.child_node, self.proxy, self.parent, first=self.first)

    def test_both(self) -> None:
        """
        Nor if two are away at once.
        """
        self.proxy.stop()
        self.parent.stop()
        self.world.advance(25)
        self.proxy.start()
        self.world.advance(40)
        self.parent.start()
        self.world.advance(100)
        self.assert_complete(self.child_node, self.proxy, self.parent, first=self.first)

    def test_cuts(self) -> None:
        """
        Cuts on either side, overlapping, leave no hole.
        """
        self.world.cut(self.child_node, self.proxy)
        self.world.advance(80)
        self.world.cut(self.proxy, self.parent)
        self.world.advance(30)
        self.world.heal(self.child_node, self.proxy)
        self.world.advance(80)
        self.world.heal(self.proxy, self.parent)
        self.world.advance(200)
        self.assert_complete(self.child_node, self.proxy, self.parent, first=self.first)


class ScriptedTests(WorldCase):
    """
    A child that is written down.
    """

    def speaking(self, node: WorldNode) -> Any:
        child = self.child(node, ver=str(17144 | 4096))
        child.received = b""
        child.say(CHART)
        return child

    def test_silent(self) -> None:
        """
        A child that does not answer is asked again, then its live samples are
        taken, and the log tells why.
        """
        parent = self.world.node("parent", "parent")
        child = self.speaking(parent)
        now = self.world.now
        child.say(f"CHART_DEFINITION_END {now - 100} {now} {now}\n".encode())
        for _ in range(30):
            self.world.advance(10)
            child.sample(self.world.now)
        self.assertEqual(
            child.received.decode().splitlines(),
            [f'REPLAY_CHART "a.b" "true" {now - 101} {now}'] * 3 + ['REPLAY_CHART "a.b" "true" 0 0'],
        )
        self.assertTrue([text for text in self.logged if "is given up" in text])
        self.assertIn(self.world.now - 10, parent.read(GUID, "a.b", "c", now, self.world.now))

    def test_rogue(self) -> None:
        """
        A child that answers with nothing for ever is not asked for ever.
        """
        parent = self.world.node("parent", "parent")
        child = self.speaking(parent)
        now = self.world.now
        child.say(f"CHART_DEFINITION_END {now - 80000} {now} {now}\n".encode())
        for _ in range(200):
            self.world.advance(0.1)
            child.say(f"RBEGIN 'a.b'\nREND 1 {now - 80000} {now} false 0 0 {now}\n".encode())
        self.assertLessEqual(child.received.count(b"REPLAY_CHART"), 11)
        self.assertFalse(child.closed)

    def test_one_question_to_the_database(self) -> None:
        """
        However many charts a child defines, the database is asked once.
        """
        parent = self.world.node("parent", "parent")
        child = self.child(parent, ver=str(17144 | 4096))
        asked = []
        db = self.host(parent).db
        bounds = db.bounds
        db.bounds = lambda *given: (asked.append(given), bounds(*given))[1]  # type: ignore[method-assign]
        now = self.world.now
        end = f"CHART_DEFINITION_END {now - 100} {now} {now}\n".encode()
        for n in range(300):
            child.say(CHART.replace(b"a.b", b"a.b%d" % n) + end)
            self.world.advance(0.01)
        self.assertEqual(len(asked), 1)
        self.assertEqual(child.received.count(b"REPLAY_CHART"), 256)


class StoppedTests(ReplicationCase):
    """
    Charts that are not collected any more.
    """

    def check(self, restart: bool) -> None:
        parent = self.world.node("parent", "parent", mode="dbengine")
        parent.stop()
        child = self.world.node("child", "child", destination="parent", mode="dbengine")
        chart = "CHART test.gone '' t u f c line 1 1 '{}'\nDIMENSION x '' absolute 1 1\n"
        child.say(chart.format(""))
        for _ in range(30):
            child.say(f"BEGIN test.gone\nSET x = {self.world.now}\nEND\n")
            self.world.advance(1)
        last = self.world.now
        child.say(chart.format("obsolete"))
        self.world.advance(60)
        if restart:
            child.stop()
            self.world.advance(5)
            child.start()
            self.world.advance(20)
        parent.start()
        self.world.advance(60)
        expected = child.read("child", "test.gone", "x", last - 40, last)
        self.assertGreater(len(expected), 25)
        self.assertEqual(parent.read("child", "test.gone", "x", last - 40, last), expected)

    def test_obsolete(self) -> None:
        """
        A parent that is new gets what there is of them.
        """
        self.check(False)

    def test_restarted(self) -> None:
        """
        Also from a child that has not collected them since its start.
        """
        self.check(True)
