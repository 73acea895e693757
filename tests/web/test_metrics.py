"""
Tests for L{netstream.web.metrics}.
"""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families
from twisted.trial.unittest import SynchronousTestCase

from netstream.hub.figures import Upstream
from netstream.model.host import HostInfo
from tests.web.stage import CHILD, GUID, NOW, Stage


class MetricsTests(SynchronousTestCase):
    """
    What scrapers get of the program itself.
    """

    def setUp(self) -> None:
        self.stage = Stage()
        self.stage.usual()

    def figures(self, target: str = "/metrics") -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
        """
        @return: Values by name and labels, as the parser of the field reads
            them; no name comes twice, and each has its help and type.
        """
        response = self.stage.get(target)
        self.assertEqual(response.status, 200)
        self.assertEqual(response.headers["Content-Type"], "text/plain; version=0.0.4; charset=utf-8")
        families = list(text_string_to_metric_families(response.text))
        names = [family.name for family in families]
        self.assertEqual(len(names), len(set(names)))
        for family in families:
            self.assertTrue(family.documentation and family.type != "unknown", family.name)
        found = {}
        for family in families:
            for sample in family.samples:
                key = sample.name, tuple(sorted(sample.labels.items()))
                self.assertNotIn(key, found)
                found[key] = sample.value
        return found

    def test_whole(self) -> None:
        """
        Everything that is counted is there.
        """
        counts = self.stage.hub.counts
        counts.received.moved(wire=1000, text=3000, samples=50)
        counts.sent.moved(wire=10, text=30, samples=5)
        counts.spilled = 7
        counts.ahead, counts.dropped, counts.broken, counts.accepted = 1, 2, 3, 4
        counts.refused["denied"] += 5
        counts.calls["expired"] += 6
        found = self.figures()
        for name, value in (
            ("netstream_received_bytes_total", 1000),
            ("netstream_received_text_bytes_total", 3000),
            ("netstream_received_samples_total", 50),
            ("netstream_sent_samples_total", 5),
            ("netstream_connections_broken_total", 3),
            ("netstream_children_accepted_total", 4),
            ("netstream_children", 1),
            ("netstream_parents", 0),
        ):
            self.assertEqual(found[name, ()], value, name)
        for name, label, of, value in (
            ("netstream_samples_lost_total", "reason", "ahead_of_clock", 1),
            ("netstream_samples_lost_total", "reason", "slow_parent", 2),
            ("netstream_samples_lost_total", "reason", "spool_full", 7),
            ("netstream_samples_lost_total", "reason", "not_stored", 0),
            ("netstream_children_refused_total", "reason", "denied", 5),
            ("netstream_function_calls_total", "outcome", "expired", 6),
            ("netstream_nodes", "state", "online", 2),
        ):
            self.assertEqual(found[name, ((label, of),)], value, name)
        self.assertGreater(found["process_resident_memory_bytes", ()], 1 << 20)
        info = dict(next(labels for name, labels in found if name == "netstream_info"))
        self.assertEqual((info["guid"], info["node"]), (GUID, "parent.example"))

    def test_nodes(self) -> None:
        """
        Each child and each connection to a parent is there, unless it is left
        out.
        """
        child = self.stage.hub.get(CHILD)
        assert child is not None and child.link is not None
        child.link.traffic.moved(wire=10, text=20, samples=7)
        shown = Upstream(
            destination="top", connected=True, dropped=3, backlog=lambda: 99, lag=lambda now: now - NOW + 4
        )
        child.upstream = shown
        found, labels = self.figures(), (("guid", CHILD), ("node", "web1"))
        for name, value in (
            ("netstream_child_received_bytes_total", 10),
            ("netstream_child_received_samples_total", 7),
            ("netstream_child_received_compression_ratio", 2),
            ("netstream_child_hops", 1),
            ("netstream_child_lag_seconds", 0),
            ("netstream_child_replication_done_ratio", 1),
            ("netstream_parent_up", 1),
            ("netstream_parent_backlog_bytes", 99),
            ("netstream_parent_lag_seconds", 4),
            ("netstream_parent_dropped_samples_total", 3),
        ):
            self.assertEqual(found[name, labels], value, name)
        self.assertFalse([name for name, _ in self.figures("/metrics?nodes=no") if "_child_" in name])

    def test_many_and_strange(self) -> None:
        """
        Thousands of children fit, and names that try to break the format do
        not.
        """
        for number in range(1000):
            guid = f"33333333-3333-4333-8333-{number:012}"
            self.stage.child('a"b\\c\nd{e="f"} 1 \u2028' + str(number % 3), guid)
        found = self.figures()
        self.assertEqual(sum(name == "netstream_child_hops" for name, _ in found), 1001)
        self.assertEqual(HostInfo(GUID, "x").hops, 0)
