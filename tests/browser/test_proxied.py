"""
The dashboard behind a web server that shows it below some path.
"""

from __future__ import annotations

from netstream.config.credentials import hash_password
from netstream.config.keys import new_key
from tests.browser.case import BrowserTestCase, Keys
from tests.interop.peers import KEY, accepting, sending, wait_for
from tests.interop.test_proxies import WebFrontCase

PASSWORD = "correct-horse"


class ProxiedTests(WebFrontCase, BrowserTestCase):
    """
    As C{docs/dashboard.md} says to do it.
    """

    def test_below_a_path(self) -> None:
        """
        Behind nginx, below a path, and for who has signed in, every page works,
        leads to the others and to other nodes, and samples come by themselves.
        """
        access = self.directory / "access"
        token = new_key()
        access.write_text(f"alice:{hash_password(PASSWORD).text}\n{token}\n")
        access.chmod(0o600)
        options = (f"web/access token file={access}", "web/trusted proxies=127.0.0.1")
        parent = self.node("atlas", role="parent", stream=accepting(KEY), options=options)
        child = self.node("borealis", role="child", stream=sending(parent.address))
        parent.token = token
        parent.wait_host("borealis")
        parent.wait_samples("system.cpu", "borealis")
        port = self.web_front(parent.port, "/monitoring/")
        top = f"http://127.0.0.1:{port}/monitoring/"
        # A browser that has signed in once does so on each page; one whose address says how cannot read samples.
        self.browser.get(top.replace("//", f"//alice:{PASSWORD}@"))
        self.complaints()
        for page, shows in (
            ("nodes.html", f"tr[data-guid='{child.guid}'] .name"),
            ("alerts.html", ".past-table"),
            ("streaming.html", f".vertex[data-guid='{child.guid}']"),
            ("compare.html", ".card canvas"),
            ("index.html", "[data-chart='system.cpu'] canvas"),
        ):
            self.browser.get(top + page)
            self.find(shows)
        self.find("#nodes-button").send_keys(Keys.ENTER)
        self.press(Keys.ARROW_DOWN, Keys.ENTER)
        self.wait_text("h1", "borealis")
        self.assertTrue(self.browser.current_url.startswith(f"{top}host/borealis/"), self.browser.current_url)
        self.wait_told("system.cpu")
        self.click("#pages a[href$='nodes.html']")
        wait_for("all nodes are shown", lambda: self.browser.current_url == f"{top}nodes.html")
        self.assertEqual([], self.complaints())
