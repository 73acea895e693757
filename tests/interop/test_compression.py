"""
Compressed streams between netstream and a real agent, and among nodes of netstream.
"""

from __future__ import annotations

from tests.interop.case import InteropTestCase
from tests.interop.fixture import absolute, gauge
from tests.interop.peers import KEY, Peer, accepting, sending

CLOCKS = {"inc": 0.1}
"""What the arrival of a sample may change of a rate: a tenth of a second, on a busy machine."""

CHARTS = ("fixture.simple", "fixture.rows", "fixture.moves", "fixture.gaps")


class RealAgentTests(InteropTestCase):
    """
    An agent compresses with LZ4 when both sides can.
    """

    def assert_fixture(self, child: Peer, parent: Peer) -> None:
        """
        A parent has what the collector of the fixture made, and all that the
        child itself shows.
        """
        shown = parent.wait_samples("fixture.simple", child.name, count=10)
        for second, value in shown["absolute dim"].items():
            self.assertEqual(value, absolute(second))
            self.assertAlmostEqual(shown["gauge"][second], gauge(second), places=5)
        self.assert_same_charts(child, parent)
        for chart in CHARTS:
            self.assert_same_samples(child, parent, chart, CLOCKS)

    def test_real_child(self) -> None:
        """
        What a real child compresses arrives as the child itself shows it.
        """
        parent = self.node("ns-parent", role="parent", stream=accepting(KEY))
        child = self.agent("real-child", sends_to=[parent.address], fixture=True)
        self.assert_fixture(child, parent)
        parent.wait_log(r"real-child .* connected: .*, lz4, ")
        child.stop()
        self.assert_stopped(parent)

    def test_whole_machine_of_a_real_child(self) -> None:
        """
        The same with all charts of a machine, whose definitions are cut within lines.
        """
        parent = self.node("ns-parent", role="parent", stream=accepting(KEY))
        child = self.agent("real-child", sends_to=[parent.address], proc=True)
        parent.wait_samples("system.cpu", child.name, count=8)
        parent.wait_log(r"real-child .* connected: .*, lz4, ")
        for chart in ("system.cpu", "system.ram"):
            self.assert_same_samples(child, parent, chart)

    def test_real_child_that_may_not(self) -> None:
        """
        A key that accepts no compression gets plain text from a real child.
        """
        parent = self.node("ns-parent", role="parent", stream=accepting(KEY, enable_compression="no"))
        child = self.agent("real-child", sends_to=[parent.address], fixture=True)
        parent.wait_samples("fixture.simple", child.name)
        parent.wait_log(r"real-child .* connected: .*, not compressed, ")

    def test_real_parent(self) -> None:
        """
        A real parent understands what a netstream child compresses, at any effort, and shows the same.
        """
        parent = self.agent("real-parent", accepts=[KEY])
        for number, acceleration in enumerate(("1", "9")):
            child = self.node(
                f"ns-child-{number}",
                role="child",
                stream=sending(parent.address, lz4_compression_acceleration=acceleration),
                options=["db/mode=ram"],
            )
            child.wait_log("compressed with lz4")
            parent.wait_samples("system.cpu", child.name, count=8)
            self.assert_same_charts(child, parent, ("system.cpu", "system.ram", "system.load"))
            for chart in ("system.cpu", "system.ram"):
                self.assert_same_samples(child, parent, chart)
            self.assert_stopped(child)

    def test_real_parent_plain(self) -> None:
        """
        A netstream child that may not compress streams plain text to a real parent.
        """
        parent = self.agent("real-parent", accepts=[KEY])
        child = self.node("ns-child", role="child", stream=sending(parent.address, enable_compression="no"))
        parent.wait_samples("system.cpu", child.name)
        self.assertNotIn("compressed with", child.log())

    def test_proxy(self) -> None:
        """
        What a real child compresses goes compressed through a netstream proxy to a real parent.
        """
        parent = self.agent("real-parent", accepts=[KEY])
        proxy = self.node("ns-proxy", role="proxy", stream=sending(parent.address) + accepting(KEY))
        child = self.agent("real-child", sends_to=[proxy.address], fixture=True)
        self.assert_fixture(child, parent)
        proxy.wait_log(r"real-child .* connected: .*, lz4, ")
        proxy.wait_log("real-child streams to .*, compressed with lz4")


class NetstreamTests(InteropTestCase):
    """
    Nodes of netstream among themselves.
    """

    def test_every_algorithm(self) -> None:
        """
        With each algorithm a parent shows what its child shows; zstd is the one unless another is asked for.
        """
        for name, options in (
            ("zstd", {}),
            ("lz4", {"compression_algorithms_order": "lz4 zstd"}),
            ("brotli", {"compression_algorithms_order": "brotli"}),
            ("gzip", {"compression_algorithms_order": "gzip"}),
        ):
            parent = self.node(f"ns-parent-{name}", role="parent", stream=accepting(KEY, **options))
            child = self.node(f"ns-child-{name}", role="child", stream=sending(parent.address), options=["db/mode=ram"])
            child.wait_log(f"compressed with {name}")
            parent.wait_samples("system.cpu", child.name, count=6)
            for chart in ("system.cpu", "system.ram"):
                self.assert_same_samples(child, parent, chart, least=4)
            self.assert_stopped(child, parent)
