"""
Tests for the stream paths that nodes tell each other.
"""

from __future__ import annotations

from typing import Any

from netstream.session.path import parse_path
from netstream.streaming.paths import LATER
from netstream.testing import WorldNode
from tests.recordings import ROOT
from tests.streaming.case import CHART, GUID, WorldCase
from tests.streaming.test_calls import EVERYTHING, OLD, _Parent


def documents(said: bytes) -> list[list[str]]:
    """
    @return: The host names of each path that was said.
    """
    found = [line for line in said.split(b"\n") if line.startswith(b'{"version":1,"streaming_path":')]
    return [[e["hostname"] for e in parse_path(line)] for line in found]


class PathTests(WorldCase):
    """
    Every node on the way knows the whole way.
    """

    def path(self, node: WorldNode, guid: str) -> list[tuple[str, int]]:
        return [(entry["hostname"], entry["hops"]) for entry in self.host(node, guid).path]

    def chain(self, mode: str = "ram") -> tuple[WorldNode, WorldNode, WorldNode]:
        top = self.world.node("top", "parent")
        middle = self.world.node("middle", "proxy", destination="top", mode=mode)
        origin = self.world.node("origin", "child", destination="middle")
        self.world.advance(10)
        return origin, middle, top

    def assert_known(self, mode: str) -> None:
        nodes = self.chain(mode)
        guid = nodes[0].hub.local.info.guid
        for node in nodes:
            self.assertEqual(self.path(node, guid), [("origin", 0), ("middle", 1), ("top", 2)], node.name)
        proxy = nodes[1].hub.local.info.guid
        for node in nodes[1:]:
            self.assertEqual(self.path(node, proxy), [("middle", 0), ("top", 1)], node.name)
        paths = [self.host(node, guid).path for node in nodes]
        self.assertEqual(paths[0], paths[1])
        self.assertEqual(paths[0], paths[2])
        self.assertEqual([bool(e["first_time_t"]) for e in paths[0]], [True, mode == "ram", True])

    def test_chain(self) -> None:
        """
        In a chain all nodes have the same path, with the hops of each.
        """
        self.assert_known("ram")

    def test_chain_without_a_database(self) -> None:
        """
        The same if the node between keeps nothing.
        """
        self.assert_known("none")

    def test_parent_lost(self) -> None:
        """
        When the top is gone, nobody says that samples still go there; when it
        is back, everybody knows.
        """
        origin, middle, top = self.chain()
        guid = origin.hub.local.info.guid
        top.stop()
        self.world.advance(5)
        for node in (origin, middle):
            self.assertEqual(self.path(node, guid), [("origin", 0), ("middle", 1)])
        top.start()
        self.world.advance(60)
        for node in (origin, middle, top):
            self.assertEqual(self.path(node, guid), [("origin", 0), ("middle", 1), ("top", 2)])

    def test_cluster(self) -> None:
        """
        Of parents that stream to each other both know the same way of a child,
        which is called through either of them.
        """
        key = "[stream]\n    enabled = yes\n"
        conf = "[web]\n    allow management from = *\n"
        one = self.world.node("one", "proxy", destination="two", stream=key, conf=conf)
        two = self.world.node("two", "proxy", destination="one", stream=key, conf=conf)
        self.world.advance(60)
        child = self.child(one, ver=EVERYTHING)
        child.say(CHART + b'FUNCTION GLOBAL "top" 20 "Another" "top" 0x0 100 0\n')
        for _ in range(60):
            child.sample(self.world.now)
            self.world.advance(1)
        for node in (one, two):
            self.assertEqual(self.path(node, GUID), [("one", 1), ("two", 2)], node.name)
        self.assertEqual(documents(child.received)[-1], ["one", "two"])
        visitor = self.connect(two)
        visitor.say(f"GET /host/{GUID}/api/v1/function?function=top HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        self.world.advance(1)
        self.assertEqual(child.received.count(b'"top" "0x8"'), 1)
        for a, b in ((one, two), (two, one)):
            host = self.host(a, b.hub.local.info.guid)
            self.assertEqual([(e["hostname"], e["hops"]) for e in host.path], [(b.name, 0), (a.name, 1)])

    def test_settles(self) -> None:
        """
        Once everybody knows, nothing more is said.
        """
        node = self.world.node("node", "parent")
        child = self.child(node, ver=EVERYTHING)
        child.say(CHART)
        child.sample(self.world.now)
        self.world.advance(10)
        said = documents(child.received)
        self.assertEqual(said[-1], ["node"])
        self.world.advance(LATER / 2)
        self.assertEqual(documents(child.received), said)

    def test_reply_alone(self) -> None:
        """
        Nothing is said to a child before it has said something, since real
        ones would take it for a part of the reply.
        """
        node = self.world.node("node", "parent")
        child = self.child(node, ver=EVERYTHING)
        self.world.advance(20)
        self.assertEqual(documents(child.received), [])
        child.say(CHART)
        self.world.advance(1)
        self.assertEqual(documents(child.received), [["node"]])

    def test_recorded(self) -> None:
        """
        What a real child of version 2.9 says of its path is told to the next
        parent, with ourselves at the end, and what that says back to the child.
        """
        document = (ROOT / "v29-proxy/child-proxy.2.c2p.bin").read_bytes()
        begin = document.index(b"JSON STREAM_PATH\n")
        origin = document[begin : document.index(b"JSON_PAYLOAD_END\n", begin) + 17]
        answer = (ROOT / "v29-proxy/proxy-parent.2.p2c.bin").read_bytes()
        begin = answer.rindex(b"JSON STREAM_PATH\n")
        back = answer[begin : answer.index(b"JSON_PAYLOAD_END\n", begin) + 17]
        node = self.world.node("node", "proxy", destination="visitor:7777")
        listening = _Parent(self)
        self.world.advance(5)
        child = self.child(node, ver=EVERYTHING, machine_guid="11111111-1111-4111-8111-111111111111")
        child.say(origin + CHART)
        self.world.advance(5)
        up = listening.of("11111111-1111-4111-8111-111111111111")
        self.assertEqual(documents(up.received)[-1], ["child-a", "node"])
        up.transport.write(back)
        self.world.advance(5)
        self.assertEqual(documents(child.received)[-1], ["child-a", "node", "parent-a"])
        self.assertEqual(documents(up.received)[-1], ["child-a", "node"])
        up.transport.write(b"JSON STREAM_PATH\nnonsense\nJSON_PAYLOAD_END\nJSON OTHER\n{}\nJSON_PAYLOAD_END\n")
        self.world.advance(5)
        self.assertFalse(up.closed)
        up.leave()
        self.world.advance(1)
        self.assertEqual(documents(child.received)[-1], ["child-a", "node"])

    def test_old_child(self) -> None:
        """
        A child of version 1.37, which says nothing of paths, is the origin.
        """
        node = self.world.node("node", "parent")
        child = self.child(node, ver=OLD, hops="1")
        child.say(CHART)
        self.world.advance(1)
        entries: Any = self.host(node).path
        self.assertEqual([(e["hostname"], e["hops"]) for e in entries], [("asker", 0), ("node", 1)])
        self.assertEqual(entries[0]["host_id"], GUID)
        self.assertIn("FUNCTIONS", entries[0]["capabilities"])
        self.assertNotIn("PATHS", entries[0]["capabilities"])
        self.assertNotIn(b"JSON", child.received)
