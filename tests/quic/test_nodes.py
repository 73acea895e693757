"""
Tests for nodes that stream by UDP, on a simulated network.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from netstream.control.lines import Request
from netstream.testing import WorldNode
from tests.streaming.case import WorldCase
from tests.tls.papers import pair, write, write_authority


class NodeTests(WorldCase):
    """
    A child, a proxy and a parent with UDP between them.
    """

    def setUp(self) -> None:
        super().setUp()
        self.directory = Path(self.mktemp()).absolute()
        self.ca = write_authority(self.directory)
        self.certificate, self.key = write(pair("parent", "proxy", "second"), self.directory)
        self.web = f"ssl certificate = {self.certificate}\nssl key = {self.key}\nbind to = udp:*:19999 *:19999\n"
        self.trust = f"[stream]\nCAfile = {self.ca}\n"

    def seconds(self, node: WorldNode, child: str, after: int) -> list[int]:
        """
        @return: The seconds that a node has of a child, but for the newest.
        """
        return sorted(node.read(child, "test.clock", "second", after, self.world.now - 3))

    def test_chain(self) -> None:
        """
        Samples travel from a child through a proxy to a parent by UDP, though
        one datagram in twenty is lost, and others come twice or late; while
        addresses change none is missed; and all end in good order.
        """
        weather = self.world.network.weather
        weather.loss, weather.doubles, weather.late = 0.05, 0.05, 0.1
        parent = self.world.node("parent", "parent", conf="[web]\n" + self.web)
        proxy = self.world.node(
            "proxy", "proxy", destination="udp:parent", stream=self.trust, conf="[web]\n" + self.web
        )
        child = self.world.node("child", "child", destination="udp:proxy", stream=self.trust)
        self.world.advance(20)
        begin = self.world.now - 5
        for name in ("child", "proxy", "child"):
            self.world.advance(15)
            self.world.network.move(name)
        self.world.advance(20)
        for node in (proxy, parent):
            self.assertEqual(self.seconds(node, "child", begin), list(range(begin + 1, self.world.now - 2)), node.name)
        self.assertEqual([line for line in self.logged if "no more" in line], [])
        for node in (child, proxy, parent):
            node.stop()
        self.assertEqual([line for line in self.logged if "handshake" in line], [])
        self.assertIn("child streams to udp:proxy", " ".join(self.logged))

    def test_outage(self) -> None:
        """
        What was collected while nothing passed, and while the parent was
        away, is there afterwards.
        """
        parent = self.world.node("parent", "parent", conf="[web]\n" + self.web)
        child = self.world.node("child", "child", destination="udp:parent", stream=self.trust)
        self.world.advance(20)
        begin = self.world.now - 5
        self.world.cut(parent, child)
        self.world.advance(60)
        self.world.heal(parent, child)
        self.world.advance(60)
        self.assertEqual(self.seconds(parent, "child", begin), list(range(begin + 1, self.world.now - 2)))
        parent.crash()
        self.world.advance(5)
        parent.start()
        self.world.advance(60)
        begin = self.world.now - 50  # a database in memory begins anew
        self.assertEqual(self.seconds(parent, "child", begin), list(range(begin + 1, self.world.now - 2)))

    def test_choice(self) -> None:
        """
        A child asks its parents by UDP which has more of it, and moves when
        one is drained.
        """
        parents = {name: self.world.node(name, "parent", conf="[web]\n" + self.web) for name in ("parent", "second")}
        child = self.world.node("child", "child", destination="udp:parent udp:second", stream=self.trust)
        self.world.advance(20)
        begin = self.world.now - 10
        (uplink,) = child.service.uplinks.values()
        assert uplink.connected is not None
        old = parents.pop(uplink.connected.host)
        drained = old.service.control.run(Request("drain", {}))
        self.world.advance(20)
        self.assertEqual(self.successResultOf(drained)["told"], 1)
        (new,) = parents.values()
        assert uplink.connected is not None
        self.assertEqual(uplink.connected.host, new.name)
        found = {*self.seconds(old, "child", begin), *self.seconds(new, "child", begin)}
        self.assertEqual(sorted(found), list(range(begin + 1, self.world.now - 2)))

    def test_wrong(self) -> None:
        """
        A wrong key, a certificate for another name, and a plain connection to
        a port of UDP are each told for what they are.
        """
        certificate, key = write(pair("elsewhere"), self.directory, "wrong-")
        wrong = f"[web]\nssl certificate = {certificate}\nssl key = {key}\nbind to = udp:*:19999\n"
        self.world.node("parent", "parent", conf=wrong)
        self.world.node("second", conf="[web]\n" + self.web)
        self.world.node("misled", "child", destination="udp:parent", stream=self.trust)
        self.world.node("plain", "child", destination="parent", stream=self.trust)
        self.world.node("unknown", "child", destination="udp:second", stream=self.trust)
        self.world.advance(5)
        text = " ".join(self.logged)
        for said in (
            "misled cannot stream to udp:parent: TLS handshake failed (certificate): the certificate is not for",
            "plain cannot stream to parent: cannot connect: the connection was refused",
            "refused: API key ba052598 is not known",
            "unknown cannot stream to udp:second: not permitted by the parent",
        ):
            self.assertIn(said, text)

    def test_memory(self) -> None:
        """
        A node that neither connects nor listens by UDP does not load what
        that needs.
        """
        code = "import sys, netstream.roles, netstream.tap; print([m for m in sys.modules if 'quic' in m])"
        found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
        self.assertEqual(found.stdout.strip(), "[]")
