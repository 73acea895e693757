"""
What a hand does on the charts of a node, with a mouse and without.
"""

from __future__ import annotations

from typing import Any

from tests.browser.case import Keys
from tests.browser.pages import PagesTestCase
from tests.interop.peers import wait_for

FIXED = "#after=1700000000&before=1700000300"


class GestureTests(PagesTestCase):
    """
    Moving, zooming, pointing and widening.
    """

    def span(self) -> tuple[int, int]:
        """
        @return: The stretch of time in the address.
        """
        values = dict(pair.split("=") for pair in self.browser.current_url.partition("#")[2].split("&"))
        return int(values["after"]), int(values["before"])

    def box(self, selector: str) -> dict[str, Any]:
        """
        @return: Where an element is in the window, once there is one.
        """
        self.find(selector)
        script = "return document.querySelector(arguments[0]).getBoundingClientRect().toJSON()"
        return dict(self.browser.execute_script(script, selector))

    def touch(self, *steps: list[tuple[float, float]]) -> None:
        """
        Put fingers on the screen, move them, and take them away.

        @param steps: Where each of them is, one after the other.
        """
        for number, places in enumerate(steps):
            kind = "touchMove" if number else "touchStart"
            points = [{"x": x, "y": y, "id": finger} for finger, (x, y) in enumerate(places)]
            self.browser.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        self.browser.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    def test_fingers(self) -> None:
        """
        On a telephone one finger moves the time, two zoom it, up and down
        scrolls the page, and a tap reads the values with their time.
        """
        server = self.scripted()
        self.resize(360, 740)
        self.browser.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": True, "maxTouchPoints": 2})
        self.open(server, FIXED)
        box = self.box("[data-chart='system.cpu'] .u-over")
        left, y, width = box["left"], box["top"] + box["height"] / 2, box["width"]
        at = [left + part * width for part in (0.25, 0.5, 0.75)]
        self.touch([(at[1], y)], [(at[1] + 5 + width / 8, y)], [(at[1] + width / 4, y)])
        wait_for("the time is moved", lambda: self.span() != (1700000000, 1700000300))
        wait_for("a quarter earlier", lambda: abs(self.span()[0] - 1699999925) <= 2)
        self.assertTrue(299 <= self.span()[1] - self.span()[0] <= 301)
        after, before = self.span()
        self.touch([(at[0], y), (at[2], y)], [(at[0] - 9, y), (at[2] + 9, y)], [(left + 1, y), (left + width - 1, y)])
        wait_for("half is left", lambda: 145 <= self.span()[1] - self.span()[0] <= 155)
        self.assertLess(abs(sum(self.span()) - after - before), 8, "its middle stays")
        self.browser.execute_script("document.querySelector(\"[data-chart='disk.n0']\").scrollIntoView()")
        wait_for("it is drawn", lambda: self.browser.find_elements("css selector", "[data-chart='disk.n0'] canvas"))
        fixed, top = self.span(), self.browser.execute_script("return scrollY")
        box = self.box("[data-chart='disk.n0'] .u-over")
        x, y = box["left"] + box["width"] / 2, box["top"] + box["height"] / 2
        self.touch([(x, y)], [(x, y - 20)], [(x, y - 60)], [(x, y - 90)])
        wait_for("the page scrolls", lambda: self.browser.execute_script("return scrollY") > top + 30)
        self.assertEqual(fixed, self.span())
        box = self.box("[data-chart='disk.n0'] .u-over")
        self.touch([(box["left"] + box["width"] / 2, box["top"] + 20)])
        wait_for("the time is told", lambda: self.text("[data-chart='disk.n0'] time").count(":") == 2)
        self.assertEqual(fixed, self.span())
        self.assertEqual([], self.complaints())

    def test_long_way(self) -> None:
        """
        However long one drags, the chart stays under the pointer, and the
        address has where it ends.
        """
        server = self.scripted()
        self.open(server, FIXED)
        self.find("[data-chart='system.cpu'] .u-over")
        script = """
            const over = document.querySelector("[data-chart='system.cpu'] .u-over");
            const { left, top, width } = over.getBoundingClientRect();
            const fire = (kind, by, on = document) => on.dispatchEvent(new MouseEvent(kind, {
                clientX: left + width / 2 + by, clientY: top + 20, shiftKey: true, button: 0, bubbles: true }));
            fire("mousedown", 0, over);
            for (let step = 0; step < 900; step += 1) {
                fire("mousemove", (step % 300) - 150);
                if (step % 3 === 0) await new Promise((resolve) => setTimeout(resolve));
            }
            fire("mousemove", width);
            fire("mouseup", width);
        """
        self.assertNotIn("problem", self.run_script(script))
        wait_for("the address has the end", lambda: self.span() == (1699999700, 1700000000))
        said = [entry["message"] for entry in self.browser.get_log("browser")]
        self.assertEqual([], [message for message in said if "Throttling" in message])

    def test_tiles(self) -> None:
        """
        What is told at a glance is what was at the second that the pointer is
        on, and else what is now.
        """
        server = self.scripted()
        server.values["system.cpu"] = lambda second: [second - 1700000000, 0.0]
        self.open(server, FIXED)
        plot = self.find("[data-chart='system.cpu'] .plot")
        wait_for("the newest is told", lambda: self.text(".tile b") == "300")
        plot.send_keys(Keys.HOME)
        wait_for("the first is told", lambda: self.text(".tile b") == "1.00")
        plot.send_keys(*[Keys.ARROW_RIGHT] * 4)
        wait_for("it follows", lambda: self.text(".tile b") == "5.00")
        self.find(".tile .cursor")
        plot.send_keys(Keys.ESCAPE)
        wait_for("the newest is told again", lambda: self.text(".tile b") == "300")
        self.assertEqual([], self.browser.find_elements("css selector", ".tile .cursor"))

    def test_meaning(self) -> None:
        """
        What a chart shows is explained to who asks, where that is known.
        """
        server = self.scripted()
        self.open(server)
        self.assertFalse(self.browser.find_element("css selector", "[data-chart='system.cpu'] .meaning").is_displayed())
        for _ in range(2):
            self.find("[data-chart='system.cpu'] .more").send_keys(Keys.ENTER)
            self.find("[data-chart='system.cpu'] .menu li:nth-child(2) button").send_keys(Keys.ENTER)
            shown = self.text("[data-chart='system.cpu'] .meaning")
        self.assertEqual("", shown)
        self.find("[data-chart='system.cpu'] .more").send_keys(Keys.ENTER)
        self.find("[data-chart='system.cpu'] .menu li:nth-child(2) button").send_keys(Keys.ENTER)
        self.assertIn("100 % is all of them busy", self.text("[data-chart='system.cpu'] .meaning"))
        self.find("[data-chart='disk.n0'] .more").send_keys(Keys.ENTER)
        self.assertNotIn("What it shows", self.text("[data-chart='disk.n0'] .menu"))

    def test_wide(self) -> None:
        """
        A chart is made as wide as the page, and the address keeps it.
        """
        server = self.scripted()
        self.open(server)
        card = "[data-chart='disk.n1']"
        usual = self.box(card)["width"]
        self.find(f"{card} .more").send_keys(Keys.ENTER)
        wait_for("the menu is open", lambda: self.text(f"{card} .menu li:first-child") == "Wider")
        self.find(f"{card} .menu button").send_keys(Keys.ENTER)
        self.assertGreater(self.box(card)["width"], 1.9 * usual)
        wait_for(
            "it is drawn so", lambda: self.box(f"{card} canvas")["width"] > 1.8 * self.box(".card canvas")["width"]
        )
        self.browser.refresh()
        self.find(f"{card} canvas")
        self.assertGreater(self.box(card)["width"], 1.9 * usual)
        self.find(f"{card} .plot").send_keys("w")
        self.assertEqual(usual, self.box(card)["width"])
        self.assertNotIn("wide", self.browser.current_url)
