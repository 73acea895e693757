"""
Real scrapers fetch the newest metrics, and their linter reads them.
"""

from __future__ import annotations

import json
import subprocess
from urllib.request import urlopen

from tests.interop.case import InteropTestCase
from tests.interop.peers import KEY, NetstreamNode, accepting, sending, wait_for
from tests.interop.receivers import Points, Prometheus, VictoriaMetrics, require

SELECTOR = 'netdata_system_uptime_seconds_average{dimension="uptime",instance="%s"}'


class ScrapingTests(InteropTestCase):
    """
    A parent with a child, whose metrics others come for.
    """

    def setUp(self) -> None:
        super().setUp()
        self.parent = self.node("atlas", role="parent", stream=accepting(KEY), options=["db/mode=ram"])
        self.child = self.node("borealis", role="child", stream=sending(self.parent.address))
        self.parent.wait_host("borealis")
        self.parent.wait_samples("system.uptime", "borealis")

    def check(self, scraper: Prometheus | VictoriaMetrics) -> None:
        """
        What a scraper has of both nodes is what they have measured.
        """
        scraper.scrapes = self.parent.address
        self._started(scraper)
        for node in (self.parent, self.child):

            def several(node: NetstreamNode = node) -> Points | None:
                found = scraper.points(SELECTOR % node.name)
                return found if len(found) >= 3 else None

            found = wait_for(f"{scraper.name} has samples of {node.name}", several)
            first, last = min(found), max(found)
            with urlopen(
                f"http://{self.parent.address}/host/{node.name}/api/v1/data?chart=system.uptime&points=0"
                f"&after={first - 15}&before={last}&options=seconds"
            ) as answer:
                said = answer.read().decode()
            stored = {int(row[0]): row[1] for row in json.loads(said)["data"] if row[1] is not None}
            for second, values in found.items():
                near = [stored[s] for s in range(second - 12, second + 1) if s in stored]
                for value in values:
                    self.assertTrue(min(near) <= value <= max(near), (second, value, near))

    def test_prometheus(self) -> None:
        """
        Prometheus, set up as the documentation says, has the samples of a
        parent and of its child.
        """
        self.check(Prometheus("prometheus", self.directory / "prometheus"))

    def test_victoria_metrics(self) -> None:
        """
        So has VictoriaMetrics.
        """
        self.check(VictoriaMetrics("victoria", self.directory / "victoria"))

    def test_linter(self) -> None:
        """
        Prometheus's own linter can read all that is told in its format.
        """
        promtool = require("promtool", "prometheus")
        for target in (
            "/api/v1/allmetrics?format=prometheus_all_hosts&types=yes&help=yes",
            "/api/v1/allmetrics?format=prometheus&source=as-collected&types=yes&help=yes",
            "/metrics",
        ):
            with urlopen(f"http://{self.parent.address}{target}") as answer:
                text = answer.read()
            ran = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, timeout=60)
            said = (ran.stdout + ran.stderr).decode()
            # 3 is advice about names and units, which are those of agents; anything else is what it cannot read.
            self.assertIn(ran.returncode, (0, 3), f"{target}: {said[:2000]}")
            self.assertNotIn("error while linting", said)
