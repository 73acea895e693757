"""
Tests for nodes that stream by TLS, on a simulated network.
"""

from pathlib import Path
from typing import Any

from cryptography import x509

from netstream.config import ConfigError
from netstream.control.lines import Request
from netstream.testing import WorldNode
from netstream.tls.reminders import EVERY
from tests.streaming.case import WorldCase
from tests.tls.papers import pair, write, write_authority


class NodeTests(WorldCase):
    """
    A child, a proxy and a parent with TLS between them.
    """

    def setUp(self) -> None:
        super().setUp()
        self.directory = Path(self.mktemp()).absolute()
        self.ca = write_authority(self.directory)
        self.certificate, self.key = write(pair("parent", "proxy"), self.directory)
        self.web = f"ssl certificate = {self.certificate}\nssl key = {self.key}\nbind to = *:19999^SSL=force\n"

    def values(self, node: WorldNode, child: str) -> int:
        now = self.world.now
        return len(node.read(child, "test.clock", "second", now - 10, now))

    def test_chain(self) -> None:
        """
        Samples travel from a child through a proxy to a parent, each way by
        TLS, however the bytes are cut; each knows how long the certificates
        last that it sees; and all end in good order.
        """
        self.world.network.chunk = lambda size: min(size, 700)
        parent = self.world.node("parent", "parent", conf="[web]\n" + self.web)
        trust = f"[stream]\nCAfile = {self.ca}\n"
        proxy = self.world.node("proxy", "proxy", destination="parent:SSL", stream=trust, conf="[web]\n" + self.web)
        child = self.world.node("child", "child", destination="proxy:SSL", stream=trust)
        self.world.advance(30)
        self.assertGreater(self.values(proxy, "child"), 8)
        self.assertGreater(self.values(parent, "child"), 8)
        ends = x509.load_pem_x509_certificate(self.certificate.read_bytes()).not_valid_after_utc.timestamp()
        for node in (child, proxy):
            assert node.hub.local.upstream is not None
            self.assertEqual(node.hub.local.upstream.certificate, ends)
        self.assertEqual((parent.hub.certificate(), child.hub.certificate()), (ends, None))
        for node in (child, proxy, parent):
            node.stop()
        self.assertEqual([line for line in self.logged if "handshake" in line], [])
        self.assertIn("child streams to proxy:SSL", " ".join(self.logged))

    def test_recovers(self) -> None:
        """
        A child that trusted nobody streams as soon as it trusts the parent,
        without a restart of the parent; meanwhile each reason is said once.
        """
        parent = self.world.node("parent", "parent", conf="[web]\n" + self.web)
        other = self.directory / "trusted.pem"
        other.write_bytes(write(pair("x"), self.directory, "x-")[0].read_bytes())
        child = self.world.node("child", "child", destination="parent:SSL", stream=f"[stream]\nCAfile = {other}\n")
        self.world.advance(2000)
        said = [line for line in self.logged if "child cannot stream to parent:SSL: TLS handshake failed" in line]
        self.assertEqual(len(said), 1, self.logged)
        self.assertIn("an authority that is not known here", said[0])
        other.write_bytes(self.ca.read_bytes())
        self.world.advance(2000)
        self.assertGreater(self.values(parent, "child"), 8)
        self.assertTrue(child.service.running)

    def test_moved(self) -> None:
        """
        A child asks its parents by TLS, does without one whose certificate is
        that of another, and goes to the third when the second is drained; that
        misses nothing, although the child keeps nothing itself.
        """
        conf, trust = "[web]\n" + self.web, f"[stream]\nCAfile = {self.ca}\n"
        parents = {name: self.world.node(name, "parent", conf=conf) for name in ("wrong", "parent", "proxy")}
        wrong = parents.pop("wrong")
        every = "wrong:SSL parent:SSL proxy:SSL"
        child = self.world.node("child", "child", destination=every, stream=trust, mode="none")
        self.world.advance(20)
        begin = self.world.now
        (uplink,) = child.service.uplinks.values()
        assert uplink.connected is not None
        old = parents.pop(uplink.connected.host)
        (new,) = parents.values()
        drained = old.service.control.run(Request("drain", {}))
        self.world.advance(20)
        self.assertEqual(self.successResultOf(drained)["told"], 1)
        assert uplink.connected is not None
        self.assertEqual(uplink.connected.host, new.name)
        found: dict[int, float] = {}
        for node in (old, new):
            found |= node.read("child", "test.clock", "second", begin - 10, self.world.now - 2)
        self.assertEqual(sorted(found), list(range(begin - 9, self.world.now - 1)))
        said = [line for line in self.logged if "child cannot stream to " in line]
        self.assertEqual(len(said), 1, said)
        self.assertIn("wrong:SSL: TLS handshake failed", said[0])
        self.assertIsNone(wrong.hub.find("child"))

    def test_reminder(self) -> None:
        """
        That nobody is verified is said at the start and each hour.
        """
        parent = self.world.node("parent", "parent", conf="[web]\n" + self.web)
        stream = "[stream]\nssl skip certificate verification = yes\n"
        self.world.node("child", "child", destination="parent:SSL", stream=stream)
        self.world.advance(2 * EVERY + 10)
        said = [line for line in self.logged if "'ssl skip certificate verification' is on" in line]
        self.assertEqual(len(said), 3)
        self.assertIn("parent:SSL", said[0])
        self.assertGreater(self.values(parent, "child"), 8)

    def test_does_not_start(self) -> None:
        """
        A child whose C{CAfile} cannot be read does not start, and says so.
        """
        problem: Any = self.assertRaises(
            ConfigError,
            self.world.node,
            "child",
            "child",
            destination="parent:SSL",
            stream="[stream]\nCAfile = /nonexistent/ca.pem\n",
        )
        self.assertIn("/nonexistent/ca.pem: cannot be read", str(problem))
        self.world._nodes.clear()
