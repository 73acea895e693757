"""
Tests for compressed connections, with children that are written down and nodes in a simulated world.
"""

from __future__ import annotations

import zstandard

from netstream.session.handshake import SPOILED_FOR
from netstream.streaming.arrival import STALE_AFTER
from netstream.testing import WorldNode
from netstream.wire.capabilities import COMPRESSIONS, Capability
from netstream.wire.compression import ALGORITHMS, Compressor
from netstream.wire.handshake import Accepted, ReplyReader
from tests.streaming.case import CHART, GUID, ScriptedChild, WorldCase

PLAIN = 17144
OFFER = Capability(PLAIN) | COMPRESSIONS | Capability.BINARY


class CompressedCase(WorldCase):
    """
    Children that can compress.
    """

    def offering(self, parent: WorldNode, offer: Capability = OFFER, **changes: str) -> tuple[ScriptedChild, str]:
        """
        @return: A child that was admitted, and the algorithm it was told.
        """
        child = self.child(parent, ver=str(int(offer)), **changes)
        reader = ReplyReader(offer)
        answer = reader.receive(child.received) or reader.finish()
        assert isinstance(answer, Accepted), answer
        return child, " ".join(name for name, bit in ALGORITHMS.items() if bit in answer.capabilities)


class ParentTests(CompressedCase):
    """
    A parent and compressed children.
    """

    def text(self, count: int = 10) -> bytes:
        """
        @return: A chart and samples of it.
        """
        now = int(self.world.now)
        samples = (f"BEGIN2 a.b 1 {now - count + n} #\nSET2 c {n} # A\nEND2\n".encode() for n in range(count))
        return CHART + b"".join(samples)

    def newest(self, parent: WorldNode, guid: str = GUID) -> float:
        """
        @return: The newest value of the chart of L{text}.
        """
        host = self.host(parent, guid)
        return host.latest.of(host.table.number("a.b", "c"))[1]

    def test_every_algorithm(self) -> None:
        """
        What a child compresses is understood, whichever algorithm the key asks for, in whatever pieces it comes.
        """
        for name in ALGORITHMS:
            parent = self.world.node(f"parent-{name}", "parent", stream=f"compression algorithms order = {name}\n")
            child, told = self.offering(parent)
            self.assertEqual(told, name)
            frames = Compressor(name).compress(self.text())
            for at in range(0, len(frames), 50):
                child.say(frames[at : at + 50])
                self.world.advance(0.01)
            self.world.advance(0.2)
            self.assertEqual(self.newest(parent), 9.0, name)
            self.assertFalse(child.closed)
            self.assertTrue(any(f"1 hops, {name}, database" in line for line in self.logged))

    def test_order(self) -> None:
        """
        The first of the configured order that a child offers is used; a GUID section has its own, or none.
        """
        other, third = GUID.replace("9", "8"), GUID.replace("9", "7")
        stream = "compression algorithms order = brotli lz4\n"
        stream += f"[{other}]\n type = machine\n enable compression = no\n"
        stream += f"[{third}]\n type = machine\n compression algorithms order = gzip\n"
        parent = self.world.node("parent", "parent", stream=stream)
        self.assertEqual(self.offering(parent)[1], "brotli")
        self.world.advance(STALE_AFTER)
        self.assertEqual(self.offering(parent, OFFER & ~Capability.BROTLI)[1], "lz4")
        self.world.advance(STALE_AFTER)
        self.assertEqual(self.offering(parent, Capability(PLAIN) | Capability.ZSTD)[1], "")
        self.assertEqual(self.offering(parent, machine_guid=other)[1], "")
        self.assertEqual(self.offering(parent, machine_guid=third)[1], "gzip")

    def test_switched_off(self) -> None:
        """
        C{enable compression = no} of C{[stream]} is what keys say that do not say otherwise.
        """
        own = "22222222-2222-4222-8222-222222222222"
        stream = "[stream]\n enable compression = no\n"
        stream += f"[{own}]\n type = api\n enabled = yes\n enable compression = yes\n"
        parent = self.world.node("parent", "parent", stream=stream)
        self.assertEqual(self.offering(parent)[1], "")
        self.world.advance(STALE_AFTER)
        self.assertEqual(self.offering(parent, key=own)[1], "zstd")

    def test_bad_frame(self) -> None:
        """
        A frame that cannot be read ends its connection, after what was good before it; the log names peer and
        algorithm, and that host's next connections use another one for a while.
        """
        parent = self.world.node("parent", "parent")
        child, told = self.offering(parent)
        child.say(Compressor("zstd").compress(self.text()) + b"\xfa\x85\x80\n12345")
        self.world.advance(0.2)
        self.assertTrue(child.closed)
        self.assertEqual((told, self.newest(parent)), ("zstd", 9.0))
        (line,) = [line for line in self.logged if "zstd compression" in line and "do without" in line]
        self.assertIn(str(self.world.visitor.address), line)
        child, told = self.offering(parent)
        self.assertEqual(told, "lz4")
        self.assertEqual(self.offering(parent, machine_guid=GUID.replace("9", "8"))[1], "zstd")
        child.say(b"nonsense\n")
        self.world.advance(0.2)
        self.assertTrue(child.closed)
        for _ in range(3):
            self.world.advance(SPOILED_FOR / 4)
            child, told = self.offering(parent)
            self.assertEqual(told, "brotli")
            child.leave()
        self.world.advance(SPOILED_FOR / 4 + 1)
        self.assertEqual(self.offering(parent)[1], "zstd")

    def test_bomb(self) -> None:
        """
        Some bytes that expand to megabytes close that connection, and no other.
        """
        parent = self.world.node("parent", "parent")
        other, _ = self.offering(parent, machine_guid=GUID.replace("9", "8"))
        child, _ = self.offering(parent)
        stream = zstandard.ZstdCompressor().compressobj()
        payload = stream.compress(bytes(1 << 24)) + stream.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
        child.say(b"\xfa%c%c\n" % (0x80 | len(payload) & 0x7F, 0x80 | len(payload) >> 7) + payload)
        self.world.advance(0.2)
        self.assertTrue(child.closed)
        self.assertFalse(other.closed)
        self.assertTrue(any("expands to more than 16384 bytes" in line for line in self.logged))

    def test_wrong_line(self) -> None:
        """
        A line that is wrong ends the connection also if it came compressed; that is not the compression's fault.
        """
        parent = self.world.node("parent", "parent")
        child, _ = self.offering(parent)
        child.say(Compressor("zstd").compress(self.text() + b"BEGIN2 unknown 1 1 #\n" + b"x" * 40_000))
        self.world.advance(0.2)
        self.assertTrue(child.closed)
        self.assertEqual(self.newest(parent), 9.0)
        self.assertEqual(self.offering(parent)[1], "zstd")

    def test_no_frames(self) -> None:
        """
        A child that was told to compress and sends text is closed, with the reason in the log.
        """
        parent = self.world.node("parent", "parent")
        child, _ = self.offering(parent)
        child.say(CHART)
        self.world.advance(0.2)
        self.assertTrue(child.closed)
        self.assertTrue(any("is no header of a frame" in line for line in self.logged))

    def test_older_than_masks(self) -> None:
        """
        A child of version 5, which is older than masks, compresses with LZ4.
        """
        parent = self.world.node("parent", "parent")
        child = self.child(parent, ver="5")
        self.assertTrue(child.received.endswith(b"version=5"))
        child.say(Compressor("lz4").compress(CHART + b"BEGIN a.b 0\nSET c = 5\nEND\n"))
        self.world.advance(0.2)
        self.assertFalse(child.closed)
        self.assertIn("a.b", self.host(parent).charts)


class NodeTests(CompressedCase):
    """
    Nodes of netstream among themselves.
    """

    def test_child_proxy_parent(self) -> None:
        """
        Nodes compress with zstd among themselves unless told otherwise, and every sample arrives.
        """
        for order, used in (("", "zstd"), ("compression algorithms order = lz4\n", "lz4")):
            parent = self.world.node(f"parent-{used}", "parent", stream=order)
            self.world.node(f"proxy-{used}", "proxy", destination=parent.name, stream=order)
            child = self.world.node(f"child-{used}", "child", destination=f"proxy-{used}")
            start = self.world.now
            self.world.advance(30)
            self.assertEqual(sum(f"hops, {used}, database" in line for line in self.logged), 3, self.logged)
            span = start + 10, start + 29
            expected = child.read(child.name, "test.clock", "count", *span)
            self.assertEqual(len(expected), 19)
            self.assertEqual(parent.read(child.name, "test.clock", "count", *span), expected)
