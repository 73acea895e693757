"""
What Prometheus shows, scraped.
"""

from __future__ import annotations

from functools import partial

from tests.interop.case import InteropTestCase
from tests.interop.peers import Peer, wait_for
from tests.interop.receivers import Prometheus


class ScrapingTests(InteropTestCase):
    """
    A real exporter: Prometheus itself, and another node.
    """

    def chart(self, node: Peer, context: str, **labels: str) -> str | None:
        """
        @return: The id of a chart of a context with these labels.
        """
        for chart_id, chart in node.charts().items():
            if chart["context"] == context:
                found = node.get("chart", chart=chart_id)["chart_labels"]
                if labels.items() <= found.items():
                    return chart_id
        return None

    def wait_chart(self, node: Peer, context: str, **labels: str) -> str:
        """
        Wait until there is one.
        """
        return wait_for(f"{context} {labels}", partial(self.chart, node, context, **labels), 30, 0.5)

    def test_scraped(self) -> None:
        """
        What a real Prometheus counts of itself becomes charts, as far as it is wanted; while it is away there is a gap.
        """
        prometheus = Prometheus("prometheus", self.directory / "prometheus")
        self._started(prometheus)
        node = self.node(
            "node",
            role="standalone",
            options=(
                f"prometheus:own/url=http://{prometheus.address}/metrics",
                "prometheus:own/update every=1s",
                "prometheus:own/metrics matching=!go_gc* go_* prometheus_http_* prometheus_build_info",
                "prometheus:own/label handler matching=/metrics !*/* *",
                "prometheus:own/add label site=cellar",
                "db/db=ram",
            ),
        )
        threads = self.wait_chart(node, "prometheus.go_threads", site="cellar")
        found = node.wait_samples(threads, count=3)
        self.assertGreater(min(found["go_threads"].values()), 1)
        requests = self.wait_chart(node, "prometheus.prometheus_http_requests_total", handler="/metrics", code="200")
        found = node.wait_samples(requests, count=5)["prometheus_http_requests_total"]
        # It was asked once a second, by us.
        self.assertEqual(sorted(found.values())[len(found) // 2], 1.0)
        buckets = self.wait_chart(
            node, "prometheus.prometheus_http_request_duration_seconds_bucket", handler="/metrics"
        )
        self.assertIn("le_+Inf", node.get("chart", chart=buckets)["dimensions"])
        contexts = {chart["context"] for chart in node.charts().values()}
        self.assertIn("prometheus.prometheus_build_info", contexts)
        self.assertFalse({each for each in contexts if each.startswith(("prometheus.go_gc", "prometheus.process_"))})
        prometheus.kill()
        node.wait_log(r"prometheus:own: nothing from http://127\.0\.0\.1:\d+/metrics: ")
        prometheus.start()
        node.wait_log(r"prometheus:own: .* is there again")
        self.assertEqual(node.log().count("prometheus:own: nothing from"), 1)
        self.assert_stopped(node)
