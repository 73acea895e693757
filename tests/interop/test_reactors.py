"""
A node on each of the reactors that Twisted offers here.
"""

from __future__ import annotations

from tests.interop.case import InteropTestCase


class ReactorTests(InteropTestCase):
    """
    A standalone node starts, answers and ends.
    """

    def assert_runs(self, reactor: str) -> None:
        """
        The node collects, answers and ends without a complaint.
        """
        node = self.node("ns-node", role="standalone", reactor=reactor, options=["db/mode=ram"])
        node.wait_samples("system.cpu", count=2)
        self.assertEqual(node.get("info")["uid"], node.guid)
        self.assert_stopped(node)

    def test_select(self) -> None:
        """
        C{--reactor select}.
        """
        self.assert_runs("select")

    def test_poll(self) -> None:
        """
        C{--reactor poll}.
        """
        self.assert_runs("poll")

    def test_epoll(self) -> None:
        """
        C{--reactor epoll}.
        """
        self.assert_runs("epoll")

    def test_asyncio(self) -> None:
        """
        C{--reactor asyncio}.
        """
        self.assert_runs("asyncio")
