"""
What was missed comes later, between netstream and real agents.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from tests.interop.case import PRECISION, InteropTestCase
from tests.interop.fixture import absolute, gauge
from tests.interop.peers import KEY, Peer, accepting, sending, wait_for

CHARTS = ("fixture.simple", "fixture.rows", "fixture.moves", "fixture.gaps", "fixture.slow")


class ReplicationTestCase(InteropTestCase):
    """
    A test that compares every second.
    """

    def begins(self, viewer: Peer, host: str) -> dict[str, int]:
        """
        @return: By chart, from when on a node has what is compared: of a chart
            that an agent has never heard of it stores nothing at its first two
            collections, and what comes next may be a part.
        """
        found = {}
        for chart in CHARTS:
            period = 5 if chart == "fixture.slow" else 1
            shown = viewer.wait_samples(chart, host, count=8 // period)
            found[chart] = min(min(values) for values in shown.values() if values) + 2 * period
        return found

    def assert_nothing_missing(
        self, origin: Peer, viewer: Peer, chart: str, first: int, tolerance: float = PRECISION, host: str = ""
    ) -> None:
        """
        From a second on, a node has each sample that the origin has, with its
        value, and no other; but for the newest, which may be under way.
        """
        host = host or origin.name
        self.wrong: dict[str, str] = {}

        def seen() -> Mapping[str, str] | None:
            before = int(time.time()) - 6
            after = first - 1
            expected = origin.samples(chart, "" if host == origin.name else host, after, before)
            found = viewer.samples(chart, "" if host == viewer.name else host, after, before)
            wrong = {}
            for dimension, values in expected.items():
                theirs = found.get(dimension, {})
                missing = sorted(set(values) - set(theirs))
                more = sorted(set(theirs) - set(values))
                odd = [
                    (second, values[second], theirs[second])
                    for second in sorted(values.keys() & theirs.keys())
                    if abs(values[second] - theirs[second]) > tolerance * max(1.0, abs(values[second]))
                ]
                if missing or more or odd:
                    wrong[dimension] = f"missing {missing}, more {more}, wrong {odd}"
            self.wrong = wrong
            return None if wrong or not any(expected.values()) else {"right": "yes"}

        try:
            wait_for("the same samples", seen, every=1.0)
        except AssertionError:
            self.fail(f"{chart} from {first} on: {self.wrong}")


class ParentTests(ReplicationTestCase):
    """
    A netstream parent of a real child.
    """

    def test_killed(self) -> None:
        """
        A parent that was killed and was away has no gap in what its child has,
        nor one after a clean restart.
        """
        parent = self.node("ns-parent", role="parent", stream=accepting(KEY), options=["db/mode=dbengine"])
        child = self.agent("real-child", sends_to=[parent.address], fixture=True)
        begins = self.begins(parent, child.name)
        for end in (parent.kill, parent.stop):
            end()
            time.sleep(8)
            parent.start()
            parent.wait_host(child.name)
            back = int(time.time())
            parent.wait_samples("fixture.simple", child.name, newer=back, count=5)
        for chart, first in begins.items():
            self.assert_nothing_missing(child, parent, chart, first)
        shown = parent.samples("fixture.simple", child.name, after=begins["fixture.simple"])
        for second, value in shown["absolute dim"].items():
            self.assertEqual(value, absolute(second))
            self.assertAlmostEqual(shown["gauge"][second], gauge(second), places=2)
        child.stop()
        self.assert_stopped(parent)


class ChildTests(ReplicationTestCase):
    """
    A netstream node between a real child and a real parent: what it sends to
    the parent is known to the origin.
    """

    def through_outage(self, mode: str) -> tuple[Peer, Peer, Peer, dict[str, int]]:
        """
        Have a real parent killed and started again above a proxy that takes
        the samples of a real child.

        @param mode: What database the proxy has.
        @return: Parent, proxy, child, and what L{begins} says of the parent
            before it was killed.
        """
        parent = self.agent("real-parent", accepts=[KEY], mode="dbengine")
        proxy = self.node(
            "ns-proxy",
            role="proxy",
            stream=sending(parent.address) + accepting(KEY),
            options=[f"db/mode={mode}"],
        )
        child = self.agent("real-child", sends_to=[proxy.address], fixture=True)
        begins = self.begins(parent, child.name)
        parent.kill()
        time.sleep(8)
        parent.start()
        parent.wait_host(child.name)
        back = int(time.time())
        parent.wait_samples("fixture.simple", child.name, newer=back, count=8)
        return parent, proxy, child, begins

    def check_outage(self, mode: str) -> None:
        # In memory, the agent puts what its own child replicates a second too late as well.
        parent, proxy, child, begins = self.through_outage(mode)
        for chart, first in begins.items():
            self.assert_nothing_missing(child, proxy, chart, first)
            self.assert_nothing_missing(proxy, parent, chart, first, host=child.name)

    def test_memory(self) -> None:
        """
        A real parent that was away gets from our memory what it missed.
        """
        self.check_outage("ram")

    def test_disk(self) -> None:
        """
        The same from disk.
        """
        self.check_outage("dbengine")

    def test_headless(self) -> None:
        """
        A real parent that was killed gets what it missed from a node without
        a database.
        """
        parent, _, child, begins = self.through_outage("none")
        for chart, first in begins.items():
            self.assert_nothing_missing(child, parent, chart, first)

    def test_proxy_killed(self) -> None:
        """
        A netstream proxy that was killed leaves no hole at a real parent.
        """
        parent = self.agent("real-parent", accepts=[KEY], mode="dbengine")
        proxy = self.node(
            "ns-proxy",
            role="proxy",
            stream=sending(parent.address) + accepting(KEY),
            options=["db/mode=dbengine"],
        )
        child = self.agent("real-child", sends_to=[proxy.address], fixture=True)
        begins = self.begins(parent, child.name)
        proxy.kill()
        time.sleep(6)
        proxy.start()
        proxy.wait_host(child.name)
        back = int(time.time())
        parent.wait_samples("fixture.simple", child.name, newer=back, count=8)
        for chart, first in begins.items():
            self.assert_nothing_missing(child, parent, chart, first)
