"""
The dashboard behind a web server that shows it below some path.
"""

from __future__ import annotations

from tests.browser.case import BrowserTestCase, Keys
from tests.interop.peers import KEY, accepting, free_port, sending, wait_for
from tests.interop.test_proxies import ProxyCase, program


class ProxiedTests(ProxyCase, BrowserTestCase):
    """
    As C{docs/dashboard.md} says to do it.
    """

    def test_below_a_path(self) -> None:
        """
        Behind nginx, below a path, every page works, leads to the others and
        to other nodes, and samples come by themselves.
        """
        parent = self.node("atlas", role="parent", stream=accepting(KEY))
        child = self.node("borealis", role="child", stream=sending(parent.address))
        parent.wait_host("borealis")
        parent.wait_samples("system.cpu", "borealis")
        port = free_port()
        conf = self.directory / "nginx.conf"
        temporary = "".join(
            f"{kind}_temp_path {self.directory}/{kind};\n"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        conf.write_text(
            f"daemon off;\nmaster_process off;\npid {self.directory}/nginx.pid;\nevents {{ }}\nhttp {{\n{temporary}"
            f"access_log off;\nserver {{\nlisten 127.0.0.1:{port};\nlocation /monitoring/ {{\n"
            f"proxy_pass http://127.0.0.1:{parent.port}/;\nproxy_set_header Host localhost;\n}}\n}}\n}}\n"
        )
        command = [program("nginx", "nginx-light"), "-p", str(self.directory)]
        self.launch([*command, "-e", f"{self.directory}/nginx.log", "-c", str(conf)], port)
        top = f"http://127.0.0.1:{port}/monitoring/"
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
        script = """
            return performance.getEntriesByType("resource")
                .filter(({ name }) => name.includes("/data?chart=system.cpu&")).length;
        """
        value = "return document.querySelector(\"[data-chart='system.cpu']\").innerText"

        def quiet() -> bool:
            before, said = self.browser.execute_script(script), self.browser.execute_script(value)
            wait_for("values change", lambda: self.browser.execute_script(value) != said)
            after = self.browser.execute_script(value)
            wait_for("values change", lambda: self.browser.execute_script(value) != after)
            return bool(before == self.browser.execute_script(script))

        wait_for("samples come by themselves", quiet, 60)
        self.find("#pages a[href$='nodes.html']").click()
        wait_for("all nodes are shown", lambda: self.browser.current_url == f"{top}nodes.html")
        self.assertEqual([], self.complaints())
