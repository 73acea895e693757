"""
Parents of ours that stream to each other, with a real child.
"""

from __future__ import annotations

import time

from tests.interop.peers import KEY, NetstreamNode, accepting, sending, wait_for
from tests.interop.test_replication import ReplicationTestCase


class ClusterTests(ReplicationTestCase):
    """
    Two parents each of which has all that the other has.
    """

    def pair(self) -> tuple[NetstreamNode, NetstreamNode]:
        one = self.node("ns-one", role="parent", stream=accepting(KEY))
        two = self.node("ns-two", role="proxy", stream=sending(one.address, reconnect_delay="5") + accepting(KEY))
        one.stop()
        one.role, one.stream = "proxy", sending(two.address, reconnect_delay="5") + accepting(KEY)
        return one.start(), two

    def test_one_is_killed(self) -> None:
        """
        Both show each sample of a real child; when the one that it streams to
        is killed, the other goes on without a gap, and the one that comes back
        has what it missed.
        """
        one, two = self.pair()
        child = self.agent("real-child", sends_to=[one.address, two.address], fixture=True)
        first = min(two.wait_samples("fixture.simple", child.name, count=5)["absolute dim"]) + 2
        self.assert_nothing_missing(child, one, "fixture.simple", first)
        self.assert_nothing_missing(child, two, "fixture.simple", first)
        one.kill()
        time.sleep(5)
        two.wait_samples("fixture.simple", child.name, newer=int(time.time()), count=5)
        self.assert_nothing_missing(child, two, "fixture.simple", first)
        one.start()
        one.wait_samples("fixture.simple", child.name, newer=int(time.time()), count=5)
        for node in (one, two):
            self.assert_nothing_missing(child, node, "fixture.simple", first)
            wait_for(f"{node.name} knows all", lambda node=node: len(node.reachable()) == 3 or None)
        self.assert_stopped(one, two)
