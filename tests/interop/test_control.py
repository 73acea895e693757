"""
Real agents among themselves: what the other tests compare with.

If these fail, a comparison or the machine is wrong, and not netstream.
"""

from __future__ import annotations

from tests.interop.case import InteropTestCase
from tests.interop.fixture import absolute, gauge
from tests.interop.peers import KEY


class ControlTests(InteropTestCase):
    """
    Two agents, no netstream.
    """

    def test_same(self) -> None:
        """
        An agent shows what another streams to it as that one shows it.
        """
        parent = self.agent("ctl-parent", accepts=[KEY])
        child = self.agent("ctl-child", sends_to=[parent.address], fixture=True)
        shown = parent.wait_samples("fixture.simple", child.name, count=8)
        for second, value in shown["absolute dim"].items():
            self.assertEqual(value, absolute(second))
            self.assertAlmostEqual(shown["gauge"][second], gauge(second), places=2)
        self.assert_same_charts(child, parent)
        for chart in ("fixture.simple", "fixture.rows", "fixture.moves", "fixture.gaps"):
            self.assert_same_samples(child, parent, chart, {"inc": 0.01})
        labels = child.get("info")["host_labels"]
        self.assertEqual(parent.get("info", child.name)["host_labels"], labels)
