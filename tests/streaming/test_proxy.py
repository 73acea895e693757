"""
Tests for forwarding, by proxies in a world of nodes.
"""

from netstream.streaming.child import STOP_WITHIN
from tests.streaming.case import CHART, GUID, WorldCase

OTHER_KEY = "77777777-7777-4777-8777-777777777777"


class ForwarderTests(WorldCase):
    """
    What a proxy sends on.
    """

    def test_not_this_key(self) -> None:
        """
        C{proxy enabled = no} of a key keeps its hosts here, and only those.
        """
        parent = self.world.node("parent", "parent")
        proxy = self.world.node(
            "proxy",
            "proxy",
            destination="parent",
            stream=f"[{OTHER_KEY}]\n type = api\n enabled = yes\n proxy enabled = no\n",
        )
        self.child(proxy, key=OTHER_KEY)
        other = GUID.replace("9", "8")
        self.child(proxy, machine_guid=other)
        self.world.advance(5)
        self.assertIsNone(parent.hub.get(GUID))
        self.assertTrue(self.host(parent, other).online)
        self.assertTrue(self.host(parent, proxy.hub.local.info.guid).online)

    def test_elsewhere(self) -> None:
        """
        C{proxy destination} and C{proxy send charts matching} of a key hold for
        its hosts.
        """
        first = self.world.node("first", "parent")
        second = self.world.node("second", "parent")
        proxy = self.world.node(
            "proxy",
            "proxy",
            destination="first",
            stream=f"[{OTHER_KEY}]\n type = api\n enabled = yes\n proxy destination = second\n"
            " proxy send charts matching = !a.b *\n",
        )
        child = self.child(proxy, key=OTHER_KEY)
        child.say(CHART + CHART.replace(b"a.b", b"d.e"))
        for chart in ("a.b", "d.e"):
            child.sample(self.world.now, chart=chart)
        self.world.advance(5)
        self.assertIsNone(first.hub.get(GUID))
        self.assertEqual(list(self.host(second).charts), ["d.e"])
        self.assertTrue(self.host(first, proxy.hub.local.info.guid).online)

    def test_without_a_key(self) -> None:
        """
        A key section that says where, but has no key to say there, sends
        nothing.
        """
        self.world.node("parent", "parent")
        proxy = self.world.node(
            "proxy",
            "parent",
            stream=f"[{OTHER_KEY}]\n type = api\n enabled = yes\n proxy enabled = yes\n proxy destination = parent\n",
        )
        self.child(proxy, key=OTHER_KEY)
        self.world.advance(5)
        self.assertFalse([text for text in self.logged if "stream to" in text])

    def test_flapping(self) -> None:
        """
        A child that comes and goes faster than the connection onward closes is
        forwarded once, and is there in the end.
        """
        parent = self.world.node("parent", "parent")
        proxy = self.world.node("proxy", "proxy", destination="parent", mode="none")
        self.world.network.latency = 0.02
        child = None
        for _ in range(20):
            if child is not None:
                child.leave()
                self.world.advance(0.05)
            child = self.child(proxy)
            self.world.advance(0.05)
        assert child is not None
        child.say(CHART)
        for _ in range(10):
            child.sample(self.world.now)
            self.world.advance(1)
        host = self.host(parent)
        self.assertTrue(host.online)
        self.assertFalse([text for text in self.logged if "already" in text])
        self.assertEqual(len(parent.read(GUID, "a.b", "c", self.world.now - 5, self.world.now - 1)), 4)

    def test_flapping_while_the_parent_hangs(self) -> None:
        """
        The same while the parent reads nothing: it is there again soon after.
        """
        parent = self.world.node("parent", "parent")
        proxy = self.world.node("proxy", "proxy", destination="parent", mode="none")
        child = self.child(proxy)
        self.world.advance(3)
        self.world.cut(parent, proxy)
        child.say(CHART)
        for _ in range(5):
            child.leave()
            self.world.advance(0.5)
            child = self.child(proxy)
            self.world.advance(0.5)
        self.world.heal(parent, proxy)
        for _ in range(90):
            child.say(CHART)
            self.world.advance(1)
        self.assertTrue(self.host(parent).online)

    def test_takes_over(self) -> None:
        """
        When a newer connection of a host takes over, the next parent learns
        what is new of the host.
        """
        parent = self.world.node("parent", "parent")
        proxy = self.world.node("proxy", "proxy", destination="parent")
        self.child(proxy)
        self.world.advance(15)
        self.assertEqual(self.host(parent).info.hostname, "asker")
        child = self.child(proxy, hostname="renamed")
        for _ in range(10):
            child.say(CHART)
            self.world.advance(1)
        self.assertTrue(self.host(parent).online)
        self.assertEqual(self.host(parent).info.hostname, "renamed")

    def test_definitions_after_a_reconnect(self) -> None:
        """
        A parent that restarts without a database gets all definitions again
        from a proxy whose child did not notice.
        """
        parent = self.world.node("parent", "parent")
        proxy = self.world.node("proxy", "proxy", destination="parent", mode="none")
        child = self.child(proxy)
        child.say(CHART)
        self.world.advance(3)
        parent.stop()
        self.world.advance(3)
        parent.start()
        for _ in range(30):
            child.sample(self.world.now)
            self.world.advance(1)
        self.assertIn("a.b", self.host(parent).charts)
        self.assertGreater(len(parent.read(GUID, "a.b", "c", self.world.now - 20, self.world.now)), 5)

    def test_stop(self) -> None:
        """
        A proxy stops within its limit though the parent reads nothing, and no
        timer stays.
        """
        parent = self.world.node("parent", "parent")
        before = len(self.world.network.clock.getDelayedCalls())
        proxy = self.world.node("proxy", "proxy", destination="parent", mode="none")
        self.child(proxy)
        self.world.advance(3)
        self.world.cut(parent, proxy)
        self.world.advance(3)
        begin = self.world.network.clock.seconds()
        proxy.stop()
        self.assertLess(self.world.network.clock.seconds() - begin, STOP_WITHIN + 2)
        self.world.advance(70)
        self.assertEqual(len(self.world.network.clock.getDelayedCalls()), before)
