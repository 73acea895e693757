"""
The dashboard of older agents, in front of a node of ours.
"""

from __future__ import annotations

from pathlib import Path

from tests.browser.case import BrowserTestCase
from tests.interop.peers import KEY, accepting, missing, sending, wait_for

FOLDER = Path("/usr/share/netdata/web")
"""Where Debian has it."""


class OtherDashboardTests(BrowserTestCase):
    """
    Debian's C{netdata-web}.
    """

    def test_works(self) -> None:
        """
        It opens, shows the charts of the node and of a child with their
        samples, and reaches nothing but the node.
        """
        if not (FOLDER / "index.html").is_file():
            missing(f"{FOLDER} is not there (apt-get install --no-install-recommends netdata-web)")
        options = [f"web/dashboard files={FOLDER}"]
        parent = self.node("atlas", role="parent", stream=accepting(KEY), options=options)
        self.node("borealis", role="child", stream=sending(parent.address))
        parent.wait_host("borealis")
        drawn = "return document.querySelectorAll('canvas').length"
        values = """
            return [...document.querySelectorAll(".netdata-chart-legend *, .netdata-chart-row *")]
                .filter((each) => !each.children.length && /^[0-9][0-9.,]*$/.test(each.textContent)).length
        """
        for path, name in (("/", "atlas"), ("/host/borealis/", "borealis")):
            parent.wait_samples("system.cpu", name)
            self.browser.get(f"http://{parent.address}{path}")
            self.wait_text("body", "System Overview")
            self.wait_text("body", name)
            wait_for("charts are drawn", lambda: self.browser.execute_script(drawn) > 3)
            # How many there are in sight depends on what an idle machine does.
            wait_for("they have values", lambda: self.browser.execute_script(values) >= 2)
            here = f"http://{parent.address}"
            refused = [said for said in self.complaints() if "Content Security Policy" not in said and here in said]
            self.assertEqual([said for said in refused if "api/v1" in said], [])
            script = (
                "return performance.getEntriesByType('resource').filter((e) => e.responseStatus).map((e) => e.name)"
            )
            self.assertEqual([url for url in self.browser.execute_script(script) if not url.startswith(here)], [])
