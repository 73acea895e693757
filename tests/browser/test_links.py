"""
An address that one reader sends to another, who has another browser.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.browser.case import Keys
from tests.browser.pages import PagesTestCase, alarm
from tests.browser.scripted import ScriptedNode
from tests.interop.peers import wait_for

_SLOW_CLOCK = "const now = Date.now; Date.now = () => now() - 90000000;"
"""A clock that is a day and an hour late."""

_VIEW = """
    const { span } = await import("./static/place.js");
    const card = document.querySelector(`[data-chart='${arguments[0]}']`);
    const end = new KeyboardEvent("keydown", { key: "End" });
    card.querySelector(".plot").dispatchEvent(end);
    const { after, before, last } = span();
    const all = [...document.querySelectorAll(".legend [aria-pressed='false']")];
    return {
        after, before, last,
        values: [...card.querySelectorAll(".value")].map(({ textContent }) => textContent),
        hidden: all.map((each) => [each.closest(".card").dataset.chart, each.dataset.dimension]),
        live: document.querySelector("#live").innerText.trim(),
    };
"""


class LinkTests(PagesTestCase):
    """
    What one reader sees, another sees by the address.
    """

    def view(self, chart: str) -> dict[str, Any]:
        """
        @return: What the dashboard of a node shows, once it does.
        """

        def found() -> dict[str, Any] | None:
            shown: dict[str, Any] = self.run_script(_VIEW, chart)["value"]
            return shown if shown["values"] and "–" not in shown["values"] else None

        return wait_for("the page shows values", found)

    @contextmanager
    def another(self) -> Iterator[None]:
        """
        Look with a browser that has nothing of the first: a telephone in the
        dark, on the other side of the earth, whose clock is late.
        """
        first, self.browser = self.browser, self.start_browser()
        self.resize(360, 740)
        for command, of in (
            ("Emulation.setTimezoneOverride", {"timezoneId": "Pacific/Auckland"}),
            ("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}),
            ("Page.addScriptToEvaluateOnNewDocument", {"source": _SLOW_CLOCK}),
        ):
            self.browser.execute_cdp_cmd(command, of)
        try:
            yield
            self.assertEqual([], self.complaints())
        finally:
            self.browser.quit()
            self.browser = first

    def many(self) -> ScriptedNode:
        """
        Start a node with several screens full of charts, whose values tell
        the second.
        """
        server = self.scripted()
        for number in range(20):
            server.add(f"net.n{number}", family=f"n{number}", priority=7000 + number)
        server.values["net.n6"] = lambda second: [second % 1000, 1]
        return server

    def test_node(self) -> None:
        """
        The stretch of time that was dragged over, the dimension that was
        hidden, and the chart that was scrolled to are what the other one sees,
        with the same values, and in the time of that place.
        """
        server = self.many()
        self.open(server)
        plot = self.find("[data-chart='system.cpu'] .u-over")
        self.chain().move_to_element_with_offset(plot, -60, 0).click_and_hold().move_by_offset(
            80, 0
        ).release().perform()
        self.wait_text("#live", "Paused")
        self.browser.execute_script("document.querySelector(\"#contents a[data-target='chart_net.n6']\").click()")
        wait_for("the chart is on top", lambda: self.near_top("chart_net.n6"))
        self.click("[data-chart='net.n6'] [data-dimension='b']")
        sent, link, said = self.view("net.n6"), self.browser.current_url, self.text("#picker")
        self.assertEqual([["net.n6", "b"]], sent["hidden"])
        with self.another():
            self.open(server, link.removeprefix(server.url))
            wait_for("the chart is on top", lambda: self.near_top("chart_net.n6"))
            self.assertEqual(sent, self.view("net.n6"))
            self.assertEqual("dark", self.find("html").get_attribute("data-theme"))
            self.assertNotEqual(said, self.text("#picker"))
            self.assertEqual(link, self.browser.current_url)

    def near_top(self, id: str) -> bool:
        """
        @return: Whether the first line of an element is what one reads.
        """
        script = """
            const below = document.querySelector("#bar").offsetHeight;
            return document.getElementById(arguments[0]).getBoundingClientRect().top - below;
        """
        return 0 <= self.browser.execute_script(script, id) <= 20

    def test_live(self) -> None:
        """
        A length of time up to now is up to now elsewhere, too, whatever the
        clock there says.
        """
        server = self.many()
        self.open(server, "#last=15m")
        with self.another():
            self.open(server, "#last=15m")
            self.assertEqual("Last 15 minutes", self.text("#picker"))
            self.assertEqual("Live", self.view("system.cpu")["live"])
            script = "return (await import('./static/api.js')).clock.now()"
            began = time.time()
            self.assertTrue(began - 60 < self.run_script(script)["value"] < time.time() + 60)

    def test_place(self) -> None:
        """
        Where one reads comes into the address by itself, and leaves it where
        the page begins.
        """
        server = self.many()
        self.open(server)
        self.browser.execute_script("document.getElementById('menu_net').scrollIntoView()")
        wait_for("the address says where", lambda: "at=chart_net.n0" in self.browser.current_url)
        self.browser.execute_script("scrollTo(0, 0)")
        wait_for("the address says nothing", lambda: "at=" not in self.browser.current_url)

    def test_future(self) -> None:
        """
        What an address says of the future of the node is not shown.
        """
        server = self.many()
        after = int(time.time()) + 5000
        self.open(server, f"#after={after}&before={after + 300}")
        self.wait_text("#live", "Live")
        wait_for("the address is mended", lambda: "after" not in self.browser.current_url)

    def test_compare(self) -> None:
        """
        The comparison is the same elsewhere, with what was hidden in it.
        """
        server = self.scripted(4)
        self.open(server, "compare.html#by=dimension&after=1700000000&before=1700000300")
        button = self.find("[data-dimension='b']")
        button.send_keys(Keys.ENTER)
        wait_for("the address says so", lambda: "hide=" in self.browser.current_url)
        link = self.browser.current_url
        with self.another():
            self.browser.get(link)
            self.assertEqual("false", self.find("[data-dimension='b']").get_attribute("aria-pressed"))
            self.assertEqual("true", self.find("[data-dimension='a']").get_attribute("aria-pressed"))
            self.assertEqual("dimension", self.find("#by").get_property("value"))
            self.wait_text("#live", "Paused")
            # A link to another view of a page that is open already leads there.
            self.browser.execute_script("location.hash = 'context=system.cpu&by=all'")
            wait_for("it is grouped otherwise", lambda: self.rows(".legend .name") == ["all"])

    def test_alerts(self) -> None:
        """
        What was looked for, and the alert that is explained, are so elsewhere.
        """
        server = self.scripted()
        raised: dict[str, Any] = server.said["api/v3/raised"]  # type: ignore[assignment]
        raised["alerts"].append(alarm("load_high", guid="guid-2", hostname="web2"))
        self.open(server, "alerts.html")
        self.find("#search").send_keys("load")
        self.find(".alert-card[data-key^='guid-2'] button").send_keys(Keys.ENTER)
        self.wait_text(".why:not([hidden])", "load.conf")
        link = self.browser.current_url
        with self.another():
            self.browser.get(link)
            self.wait_text(".alert-card[data-key^='guid-2'] .why", "load.conf")
            cards = self.rows(".alert-card .alert-name a:first-child")
            self.assertEqual(["web1", "web2"], cards)
            self.assertEqual(1, len(self.browser.find_elements("css selector", ".why:not([hidden])")))
            self.assertEqual("load", self.find("#search").get_property("value"))
            self.assertFalse(self.find("#every").is_selected())

    def test_streaming(self) -> None:
        """
        The node whose details are open is so elsewhere.
        """
        server = self.scripted()
        self.open(server, "streaming.html")
        self.find("[data-guid='guid-web2']").send_keys(Keys.ENTER)
        self.wait_text("#details", "web2 → web1 → web0")
        link = self.browser.current_url
        with self.another():
            self.browser.get(link)
            self.wait_text("#details", "web2 → web1 → web0")

    def test_zone(self) -> None:
        """
        The page says in which zone its times are, and writes them in UTC for
        who wants that, also what is typed in; what is on show stays the same.
        """
        server = self.many()
        self.browser.execute_cdp_cmd("Emulation.setTimezoneOverride", {"timezoneId": "Asia/Kolkata"})
        self.open(server, "#after=1700000000&before=1700000300")
        self.assertEqual("15 Nov 2023, 03:43:20 – 03:48:20", self.text("#picker"))
        self.click("#picker")
        self.assertRegex(self.text(".zone"), r"Asia/(Kolkata|Calcutta), UTC\+5:30")
        self.click("#zone")
        self.wait_text("#picker", "14 Nov 2023, 22:13:20 – 22:18:20")
        self.find("[data-chart='system.cpu'] canvas")
        self.click("#picker")
        self.assertEqual("2023-11-14T22:13:20", self.find("#from").get_property("value"))
        self.click("#from-to button")
        self.assertIn("after=1700000000&before=1700000300", self.browser.current_url)
        self.click("#picker")
        self.click("#zone")
        self.wait_text("#picker", "03:43:20")
