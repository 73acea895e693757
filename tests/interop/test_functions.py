"""
Functions of real nodes, called through netstream.
"""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from urllib.parse import quote, urlencode

from tests.interop.case import InteropTestCase
from tests.interop.fixture import LARGE
from tests.interop.peers import KEY, Peer, accepting, sending, wait_for

NAMES = ["fixture-chart", "fixture-large", "fixture-silent"]


class FunctionTests(InteropTestCase):
    """
    A real child offers functions of a chart.
    """

    def call(self, viewer: Peer, node: str, command: str, timeout: int = 10) -> tuple[int, bytes]:
        """
        @return: Status and body of the answer.
        """
        query = urlencode({"function": command, "timeout": timeout})
        url = f"http://127.0.0.1:{viewer.port}/host/{quote(node)}/api/v1/function?{query}"
        try:
            with urllib.request.urlopen(url, timeout=60) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as problem:
            return problem.code, problem.read()

    def wait_functions(self, viewer: Peer, node: str) -> None:
        wait_for(
            f"{viewer.name} knows the functions of {node}",
            lambda: sorted(viewer.get("info", node)["functions"]) == NAMES or None,
        )

    def assert_answers(self, viewer: Peer, node: str) -> None:
        """
        What the child answers arrives whole, and who gets no answer is told.
        """
        self.wait_functions(viewer, node)
        for arguments in ("", " a:1 b", " x" * 200):
            status, body = self.call(viewer, node, "fixture-chart" + arguments)
            self.assertEqual(status, 200, body)
            self.assertEqual(json.loads(body), {"status": 200, "asked": "fixture-chart" + arguments})
        self.assertEqual(self.call(viewer, node, "fixture-large"), (200, LARGE.encode()))
        began = time.monotonic()
        status, body = self.call(viewer, node, "fixture-silent", timeout=2)
        self.assertEqual((status, json.loads(body)["status"]), (504, 504))
        # Ten are the default.
        self.assertLess(time.monotonic() - began, 10)
        self.assertEqual(self.call(viewer, node, "fixture-none")[0], 404)

    def test_child(self) -> None:
        """
        Functions of a real child are called through its netstream parent, as
        long as it is there, and its samples go on.
        """
        parent = self.node("ns-parent", role="parent", stream=accepting(KEY))
        child = self.agent("real-child", sends_to=[parent.address], fixture=True, functions=True)
        parent.wait_samples("fixture.simple", child.name, count=3)
        self.assert_answers(parent, child.name)
        shown = parent.get("chart", child.name, chart="fixture.simple")
        self.assertEqual(sorted(shown["functions"]), NAMES)
        parent.wait_samples("fixture.simple", child.name, count=8)
        self.assert_same_samples(child, parent, "fixture.simple", {"inc": 0.1})
        child.stop()
        parent.wait_host(child.name, online=False)
        self.assertEqual(self.call(parent, child.name, "fixture-chart")[0], 503)
        self.assert_stopped(parent)

    def test_through_netstream(self) -> None:
        """
        A netstream proxy passes calls and answers on, also without a database.
        """
        parent = self.node("ns-parent", role="parent", stream=accepting(KEY))
        proxy = self.node(
            "ns-proxy",
            role="proxy",
            stream=sending(parent.address) + accepting(KEY, db="none"),
            options=["db/mode=none"],
        )
        child = self.agent("real-child", sends_to=[proxy.address], fixture=True, functions=True)
        parent.wait_samples("fixture.simple", child.name, count=3)
        self.assert_answers(parent, child.name)
        self.assert_stopped(proxy, parent)

    def test_through_real(self) -> None:
        """
        Functions of a real child are called through a real proxy and a
        netstream parent above it.
        """
        parent = self.node("ns-parent", role="parent", stream=accepting(KEY))
        proxy = self.agent("real-proxy", accepts=[KEY], sends_to=[parent.address])
        child = self.agent("real-child", sends_to=[proxy.address], fixture=True, functions=True)
        parent.wait_samples("fixture.simple", child.name, count=3)
        self.assert_answers(parent, child.name)
        self.assert_stopped(parent)

    def test_to_a_real_parent(self) -> None:
        """
        A real parent above a netstream proxy knows the functions of a real
        child as it would without the proxy.
        """
        parent = self.agent("real-parent", accepts=[KEY])
        proxy = self.node("ns-proxy", role="proxy", stream=sending(parent.address) + accepting(KEY))
        child = self.agent("real-child", sends_to=[proxy.address], fixture=True, functions=True)
        parent.wait_samples("fixture.simple", child.name, count=3)
        parent.wait_samples("fixture.slow", child.name)
        self.wait_functions(parent, child.name)
        self.assertEqual(parent.get("info", child.name)["functions"], child.get("info")["functions"])
        self.assert_same_charts(child, parent)
        self.assert_stopped(proxy)
