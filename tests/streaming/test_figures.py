"""
Tests for what nodes count of their streams.
"""

from __future__ import annotations

from netstream.streaming import intake
from netstream.testing import WorldNode
from tests.streaming.case import CHART, GUID, WorldCase


class FigureTests(WorldCase):
    """
    Every sample is either where it should be, or counted as lost.
    """

    def instance(self, node: WorldNode, host: str) -> dict[str, dict[str, object]]:
        answer = node.get(f"/host/{host}/api/v3/node_instances")
        instance: dict[str, dict[str, object]] = answer["nodes"][0]["instances"][0]
        return instance

    def test_chain(self) -> None:
        """
        What one node sends is what the next one receives, in samples and in
        bytes, and both show how fast.
        """
        top = self.world.node("top", "parent")
        middle = self.world.node("middle", "proxy", destination="top", mode="none")
        origin = self.world.node("origin", "child", destination="middle", conf="[health]\n    enabled = no\n")
        self.world.advance(60.5)
        sent, received = origin.hub.counts.sent, middle.hub.counts.received
        self.assertEqual((sent.samples, sent.text), (received.samples, received.text))
        self.assertEqual(middle.hub.counts.sent.samples, top.hub.counts.received.samples)
        guid = origin.hub.local.info.guid
        host = self.host(top, guid)
        assert host.link is not None
        stored = len(top.read(guid, "test.clock", "second", 0, self.world.now + 5))
        self.assertEqual(host.link.traffic.samples, 2 * stored)
        self.assertGreater(stored, 40)
        ingest, stream = self.instance(top, guid)["ingest"], self.instance(middle, guid)["stream"]
        traffic = ingest["source"]["traffic"]  # type: ignore[index]
        self.assertEqual(traffic["samples_per_second"], 2.0)
        self.assertGreater(traffic["bytes_per_second"], 10)
        self.assertGreater(traffic["compression_ratio"], 1)
        self.assertTrue(traffic["compression"])
        self.assertLessEqual(ingest["lag"], 2)  # type: ignore[operator]
        self.assertEqual((ingest["hops"], stream["hops"], stream["status"]), (2, 2, "online"))
        self.assertEqual((stream["backlog"], stream["dropped"], stream["lag"]), (0, 0, 0))
        top.stop()
        self.world.advance(5)
        stream = self.instance(middle, guid)["stream"]
        self.assertEqual(stream["status"], "offline")
        self.assertTrue(stream["reason"])

    def test_refused(self) -> None:
        """
        Children that are not admitted are counted by reason.
        """
        node = self.world.node("node", "parent")
        self.child(node, key="11111111-1111-4111-8111-111111111111")
        first = self.child(node)
        self.child(node)
        first.say(CHART)
        self.world.advance(5)
        self.child(node, machine_guid=node.hub.local.info.guid)
        self.assertEqual(node.hub.counts.refused, {"denied": 1, "already_streaming": 1, "localhost": 1})
        self.assertEqual(node.hub.counts.accepted, 1)

    def test_ahead(self) -> None:
        """
        Samples ahead of our clock are counted, and what breaks the protocol.
        """
        node = self.world.node("node", "parent")
        child = self.child(node)
        child.say(CHART)
        for ahead in (0, intake.AHEAD_MOST + 5, intake.AHEAD_MOST + 6):
            child.sample(self.world.now + ahead)
        self.world.advance(1)
        counts = node.hub.counts
        self.assertEqual((counts.ahead, counts.received.samples, counts.broken), (2, 1, 0))
        child.say(b"BEGIN2 nothing 1 1 #\n")
        self.world.advance(1)
        self.assertEqual(counts.broken, 1)
        self.assertIn("nothing", self.host(node).left)
        self.assertEqual(node.get("/api/v1/info")["losses"]["samples_ahead"], 2)

    def test_slow(self) -> None:
        """
        Samples that a slow parent made us drop are counted: what was collected
        is what was sent, what waits, and what was lost.
        """
        top = self.world.node("top", "parent", conf="[db]\n    enable replication = no\n")
        conf = "[stream]\n    buffer size = 100KiB\n    timeout = 10m\n    enable compression = no\n"
        proxy = self.world.node("proxy", "proxy", destination="top", stream=conf)
        self.world.advance(2)
        child = self.child(proxy)
        child.say(CHART)
        self.world.advance(2)
        self.world.cut(proxy, top)
        self.patch(intake, "SILENT_FOR", 1e9)
        count = 0
        for _ in range(40):
            for second in range(100):
                child.sample(self.world.now + second % 50)
                count += 1
            self.world.advance(1)
        host = self.host(proxy)
        assert host.upstream is not None
        waiting = host.upstream.backlog()
        self.assertGreater(waiting, 50_000)
        self.assertGreater(
            proxy.get(f"/host/{GUID}/api/v3/node_instances")["nodes"][0]["instances"][0]["stream"]["lag"], 5
        )
        self.world.heal(proxy, top)
        self.world.advance(20)
        counts = proxy.hub.counts
        own = [host.upstream.traffic.samples for host in proxy.hub if host.local and host.upstream]
        self.assertGreater(counts.dropped, 0)
        self.assertEqual(host.upstream.dropped, counts.dropped)
        self.assertEqual(host.upstream.traffic.samples + counts.dropped, count)
        self.assertEqual(sum(own) + host.upstream.traffic.samples, counts.sent.samples)
