"""
netstream between two real agents.
"""

from __future__ import annotations

from tests.interop.case import InteropTestCase
from tests.interop.fixture import absolute
from tests.interop.peers import KEY, accepting, sending

CLOCKS = {"inc": 0.1}
"""What the arrival of a sample may change of a rate: a tenth of a second, on a busy machine."""


class ProxyTests(InteropTestCase):
    """
    A real child streams through a netstream proxy to a real parent.
    """

    def assert_passes(self, mode: str) -> None:
        """
        The parent shows the child as the child shows itself.

        @param mode: Of the proxy's database.
        """
        parent = self.agent("real-parent", accepts=[KEY])
        proxy = self.node(
            "ns-proxy",
            role="proxy",
            stream=sending(parent.address) + accepting(KEY, db=mode),
            options=[f"db/mode={mode}"],
        )
        child = self.agent("real-child", sends_to=[proxy.address], fixture=True)
        shown = parent.wait_samples("fixture.simple", child.name, count=10)
        for second, value in shown["absolute dim"].items():
            self.assertEqual(value, absolute(second))
        self.assert_same_charts(child, parent)
        for chart in ("fixture.simple", "fixture.rows", "fixture.moves", "fixture.gaps"):
            self.assert_same_samples(child, parent, chart, CLOCKS)
        self.assertEqual(parent.get("info", child.name)["host_labels"], child.get("info")["host_labels"])
        status = {entry["hostname"]: entry for entry in parent.get("info")["mirrored_hosts_status"]}
        self.assertEqual(status[child.name]["guid"], child.guid)
        self.assertEqual(status[child.name]["hops"], 2)
        self.assertEqual(status[proxy.name]["hops"], 1)
        if mode == "none":
            self.assertIs(proxy.reachable()[child.name], True)
        else:
            self.assert_same_samples(child, proxy, "fixture.simple", CLOCKS)
        child.stop()
        parent.wait_host(child.name, online=False)
        self.assertIs(parent.reachable()[proxy.name], True)
        self.assert_stopped(proxy)

    def test_with_memory(self) -> None:
        """
        A proxy that keeps samples in memory passes everything on.
        """
        self.assert_passes("ram")

    def test_with_disk(self) -> None:
        """
        A proxy that keeps samples on disk passes everything on.
        """
        self.assert_passes("dbengine")

    def test_without_a_database(self) -> None:
        """
        A proxy that keeps nothing passes everything on.
        """
        self.assert_passes("none")

    def test_chain_of_netstream(self) -> None:
        """
        A netstream child reaches a real parent through a netstream proxy.
        """
        parent = self.agent("real-parent", accepts=[KEY])
        proxy = self.node("ns-proxy", role="proxy", stream=sending(parent.address) + accepting(KEY))
        child = self.node("ns-child", role="child", stream=sending(proxy.address), options=["db/mode=ram"])
        parent.wait_samples("system.cpu", child.name, count=8)
        self.assert_same_charts(child, parent, ("system.cpu", "system.ram"))
        self.assert_same_samples(child, parent, "system.cpu", timed=True)
        self.assert_stopped(child, proxy)


class RealProxyTests(InteropTestCase):
    """
    A real agent stands between a child and a netstream parent.
    """

    def test_between_netstream(self) -> None:
        """
        A netstream child reaches a netstream parent through a real agent.
        """
        parent = self.node("ns-parent", role="parent", stream=accepting(KEY))
        proxy = self.agent("real-proxy", accepts=[KEY], sends_to=[parent.address], fixture=True)
        child = self.node("ns-child", role="child", stream=sending(proxy.address), options=["db/mode=ram"])
        parent.wait_samples("system.cpu", child.name, count=8)
        self.assert_same_charts(child, parent, ("system.cpu", "system.ram"))
        self.assert_same_samples(child, parent, "system.ram")
        parent.wait_host(proxy.name, online=True)
        status = {entry["hostname"]: entry for entry in parent.get("info")["mirrored_hosts_status"]}
        self.assertEqual((status[proxy.name]["hops"], status[child.name]["hops"]), (1, 2))
        self.assert_stopped(child, parent)

    def test_between_real_and_netstream(self) -> None:
        """
        A real child reaches a netstream parent through a real agent, with all
        its charts, labels and values.
        """
        parent = self.node("ns-parent", role="parent", stream=accepting(KEY))
        proxy = self.agent("real-proxy", accepts=[KEY], sends_to=[parent.address])
        child = self.agent("real-child", sends_to=[proxy.address], fixture=True)
        shown = parent.wait_samples("fixture.simple", child.name, count=10)
        for second, value in shown["absolute dim"].items():
            self.assertEqual(value, absolute(second))
        self.assert_same_charts(child, parent)
        self.assertEqual(parent.get("info", child.name)["host_labels"], child.get("info")["host_labels"])
        self.assert_stopped(parent)
