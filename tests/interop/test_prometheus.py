"""
What Prometheus shows, scraped, and what it writes.
"""

from __future__ import annotations

import re
from functools import partial

from tests.interop.case import InteropTestCase
from tests.interop.peers import KEY, Peer, accepting, wait_for
from tests.interop.receivers import Prometheus

OTHER_KEY = "99999999-2222-4333-8444-555555555555"


class WritingPrometheus(Prometheus):
    """
    Prometheus, which looks at itself each second and writes that to a node.

    @ivar node: Address of the node.
    @ivar key: The API key that it presents.
    """

    node = ""
    key = KEY

    def command(self) -> list[str]:
        command = super().command()
        (self.directory / "prometheus.yml").write_text(
            "global:\n  scrape_interval: 1s\n"
            "scrape_configs:\n- job_name: self\n  static_configs:\n"
            f"  - targets: ['127.0.0.1:{self.port}']\n"
            f"remote_write:\n- url: http://{self.node}/api/v1/write\n"
            f"  authorization:\n    credentials: {self.key}\n"
        )
        return command


class PrometheusTestCase(InteropTestCase):
    """
    A node beside a real Prometheus.
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
        return wait_for(f"{context} {labels}", partial(self.chart, node, context, **labels), every=0.5)


class WrittenTests(PrometheusTestCase):
    """
    A real Prometheus writes to a node.
    """

    def test_written(self) -> None:
        """
        The node has what Prometheus has, with the same values at the same seconds; who has no key is turned away.
        """
        node = self.node(
            "node",
            role="standalone",
            stream=accepting(KEY),
            options=(
                "remote write/enabled=yes",
                "remote write/metrics matching=up go_threads prometheus_http*",
                "db/db=ram",
            ),
        )
        prometheus = WritingPrometheus("prometheus", self.directory / "prometheus")
        prometheus.node = node.address
        self._started(prometheus)
        instance = f"127.0.0.1:{prometheus.port}"
        threads = self.wait_chart(node, "prometheus.go_threads", job="self", instance=instance)
        node.wait_samples(threads, count=6)
        mine, theirs = node.samples(threads)["go_threads"], prometheus.points("go_threads")
        self.assertGreaterEqual(len(mine), 6)
        for second, value in mine.items():
            # After it stood still it scrapes twice within a second, of which a node keeps one.
            self.assertIn(value, theirs[second])
        requests = self.wait_chart(node, "prometheus.prometheus_http_requests_total", handler="/metrics", code="200")
        found = node.wait_samples(requests, count=4)["prometheus_http_requests_total"]
        self.assertEqual(sorted(found.values())[len(found) // 2], 1.0)
        self.assertNotIn("prometheus.go_goroutines", {chart["context"] for chart in node.charts().values()})
        prometheus.kill()
        prometheus.key = OTHER_KEY
        prometheus.start()
        node.wait_log("remote write refused: API key")
        self.assert_stopped(node)


class ScrapingTests(PrometheusTestCase):
    """
    A node looks at a real Prometheus.
    """

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
        # It may have been too slow before.
        earlier = len(node.log())

        def since(words: str) -> list[str]:
            return re.findall(f"prometheus:own: {words}", node.log()[earlier:])

        prometheus.kill()
        wait_for("it is missed", lambda: since(r"nothing from http://127\.0\.0\.1:\d+/metrics: "))
        prometheus.start()
        wait_for("it is there again", lambda: since(".* is there again"))
        away = node.log()[earlier:].partition("is there again")[0]
        self.assertEqual(away.count("prometheus:own: nothing from"), 1)
        self.assert_stopped(node)
