"""
netstream as the child of a real agent, and of itself.
"""

from __future__ import annotations

import re
import time

from tests.interop.case import InteropTestCase
from tests.interop.peers import KEY, NetstreamNode, Peer, accepting, free_port, sending, wait_for

SHOWN = ("system.cpu", "system.ram", "system.load")


class ChildTests(InteropTestCase):
    """
    A netstream child streams what it collects.
    """

    def child(self, *destinations: str) -> NetstreamNode:
        """
        Start a child that keeps its samples, to compare with.
        """
        return self.node(
            "ns-child", role="child", stream=sending(*destinations, reconnect_delay="5"), options=["db/mode=ram"]
        )

    def assert_streams(self, child: Peer, parent: Peer) -> None:
        """
        The parent shows what the child collects.
        """
        parent.wait_host(child.name)
        parent.wait_samples("system.cpu", child.name, count=8)
        self.assertLess({"system.cpu", "system.ram", "system.net", "system.uptime"}, parent.charts(child.name).keys())
        self.assert_same_charts(child, parent, SHOWN)
        for chart in ("system.cpu", "system.ram"):
            self.assert_same_samples(child, parent, chart)
        labels = {name: value for name, value in child.get("info")["host_labels"].items() if name.startswith("_os")}
        self.assertTrue(labels)
        shown = parent.get("info", child.name)["host_labels"]
        self.assertEqual({name: shown.get(name) for name in labels}, labels)

    def test_real_parent(self) -> None:
        """
        A real parent shows the charts and values of a netstream child as the child does.
        """
        parent = self.agent("real-parent", accepts=[KEY])
        child = self.child(parent.address)
        self.assert_streams(child, parent)
        self.assert_stopped(child)
        parent.wait_host(child.name, online=False)

    def test_netstream_parent(self) -> None:
        """
        A netstream parent shows the charts and values of a netstream child as the child does.
        """
        parent = self.node("ns-parent", role="parent", stream=accepting(KEY))
        child = self.child(parent.address)
        self.assert_streams(child, parent)
        self.assert_stopped(child)
        parent.wait_host(child.name, online=False)
        self.assert_stopped(parent)

    def test_without_a_database(self) -> None:
        """
        A child that stores nothing streams all the same.
        """
        parent = self.agent("real-parent", accepts=[KEY])
        child = self.node("ns-child", role="child", stream=sending(parent.address), options=["db/mode=none"])
        parent.wait_samples("system.cpu", child.name, count=5)

    def assert_reconnects(self, parent: Peer) -> None:
        """
        The child comes back after its parent was away.
        """
        child = self.child(parent.address)
        parent.wait_samples("system.cpu", child.name)
        parent.stop()
        away = time.time()
        wait_for("three seconds without a parent", lambda: time.time() - away > 3)
        again = int(time.time())
        parent.start()
        parent.wait_samples("system.cpu", child.name, newer=again)
        self.assert_stopped(child)

    def test_reconnects_to_a_real_parent(self) -> None:
        """
        Values arrive again after a real parent was restarted.
        """
        self.assert_reconnects(self.agent("real-parent", accepts=[KEY]))

    def test_reconnects_to_a_netstream_parent(self) -> None:
        """
        Values arrive again after a netstream parent was restarted.
        """
        self.assert_reconnects(self.node("ns-parent", role="parent", stream=accepting(KEY)))

    def test_passes_over_a_dead_destination(self) -> None:
        """
        A destination where nobody listens does not keep a child from the next.
        """
        parent = self.agent("real-parent", accepts=[KEY])
        child = self.child(f"127.0.0.1:{free_port()}", parent.address)
        parent.wait_samples("system.cpu", child.name)

    def test_fails_over(self) -> None:
        """
        When its parent goes away, a child goes on with the other of its list.
        """
        parents: list[Peer] = [
            self.agent("real-parent", accepts=[KEY]),
            self.node("ns-parent", role="parent", stream=accepting(KEY)),
        ]
        child = self.child(*(parent.address for parent in parents))
        chosen = child.wait_log(rf"{child.name} streams to (127\.0\.0\.1:\d+)")[1]
        # Neither has anything of it, so that either may be chosen.
        first, second = sorted(parents, key=lambda parent: parent.address != chosen)
        first.wait_samples("system.cpu", child.name)
        self.assertNotIn(child.name, second.reachable())
        first.stop()
        second.wait_samples("system.cpu", child.name)
        self.assert_stopped(child)

    def test_passes_over_a_refusal(self) -> None:
        """
        A parent that refuses the key does not keep a child from the next, and the log tells why.
        """
        first = self.agent("real-first")
        second = self.agent("real-second", accepts=[KEY])
        child = self.child(first.address, second.address)
        second.wait_samples("system.cpu", child.name)
        self.assertNotIn(child.name, first.reachable())
        child.wait_log(f"{re.escape(first.address)}.*permit")
        self.assertNotIn(KEY, child.log())
