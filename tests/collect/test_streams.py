"""
What the program shows of its streams.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from netstream.collect.collector import Collector
from netstream.collect.files import Machine
from netstream.collect.streams import Streams
from netstream.db import NoneDB
from netstream.hub.figures import Upstream
from netstream.hub.hub import Hub, Link
from netstream.model.host import HostInfo
from tests.collect.trees import NOW, SECOND, blocks

GUID = "aaaaaaaa-bbbb-4ccc-8ddd-000000000001"
CHILD = "aaaaaaaa-bbbb-4ccc-8ddd-000000000002"


def streaming(machine: Machine, update_every: int) -> Collector:
    """
    @return: The collector of a node to which everything has happened.
    """
    hub = Hub(HostInfo(GUID, "here"), NoneDB())
    hub.connect(HostInfo(CHILD, "there", hops=1), NoneDB(), Link("x", 1.0))
    counts = hub.counts
    counts.lag, counts.backlog, counts.filling, counts.broken = 1.0, 1, 1, 1
    counts.refused["busy"] += 1
    counts.calls["answered"] += 1
    return Streams(hub, update_every)


class StreamsTests(SynchronousTestCase):
    """
    L{Streams}.
    """

    def setUp(self) -> None:
        self.hub = Hub(HostInfo(GUID, "here"), NoneDB())
        self.streams = Streams(self.hub, 1)

    def test_alone(self) -> None:
        """
        A node that neither receives nor sends has no such charts.
        """
        self.assertEqual(self.streams.collect(NOW), b"")
        self.assertEqual(self.streams.withdraw(), b"")

    def test_shown(self) -> None:
        """
        What is counted is shown, and each loss by its reason.
        """
        counts = self.hub.counts
        child = self.hub.connect(HostInfo(CHILD, "there", hops=1), NoneDB(), Link("x", 1.0))
        child.upstream = Upstream(connected=True)
        counts.received.moved(wire=1000, text=2500, samples=40)
        counts.sent.moved(wire=500, text=500, samples=39)
        counts.spilled = 7
        counts.dropped, counts.ahead, counts.lag, counts.backlog = 1, 2, 3.5, 4096
        counts.refused.update({"denied": 3, "internal_error": 4})
        counts.calls["expired"] += 1
        found = blocks(self.streams.collect(NOW))
        self.assertEqual(found["netstream.nodes"], {"online": 2, "offline": 0})
        self.assertEqual(found["netstream.streams"], {"children": 1, "parents": 1})
        self.assertEqual(found["netstream.samples"], {"received": 40, "sent": 39})
        self.assertEqual(found["netstream.traffic"], {"received": 1000, "sent": 500})
        self.assertEqual(found["netstream.compression"], {"received": 250, "sent": 100})
        self.assertEqual(found["netstream.lag"], {"lag": 3500})
        self.assertEqual(found["netstream.backlog"], {"waiting": 4096})
        self.assertEqual(found["netstream.lost"], {"slow_parent": 1, "ahead": 2, "spool_full": 7})
        self.assertEqual((found["netstream.refused"]["denied"], found["netstream.refused"]["other"]), (3, 4))
        self.assertEqual(found["netstream.calls"]["expired"], 1)
        self.assertNotIn("netstream.broken", found)
        self.assertNotIn("netstream.filling", found)

    def test_goes_on(self) -> None:
        """
        When the last child has left, the charts go on.
        """
        child = self.hub.connect(HostInfo(CHILD, "there", hops=1), NoneDB(), Link("x", 1.0))
        self.streams.collect(NOW)
        self.hub.disconnect(child, 2.0)
        found = blocks(self.streams.collect(NOW + SECOND))
        self.assertEqual(found["netstream.streams"], {"children": 0, "parents": 0})
        self.assertIn(b"obsolete", self.streams.withdraw())
        self.streams.close()
