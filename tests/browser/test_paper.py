"""
The pages on paper.
"""

from __future__ import annotations

import base64
import re
import threading
import time
from typing import Any

from tests.browser.case import Keys
from tests.browser.pages import PAGES, PagesTestCase
from tests.browser.scripted import ScriptedNode
from tests.interop.peers import wait_for

DARK = {"name": "prefers-color-scheme", "value": "dark"}

_PRINTED = """
    window.print = () => {
        dispatchEvent(new Event("beforeprint"));
        const shown = (each) => each.getClientRects().length > 0;
        const seen = [...document.querySelectorAll(".card")].filter(shown).map((card) => {
            const [canvas, plot] = [card.querySelector("canvas"), card.querySelector(".plot")];
            if (!canvas) return { chart: card.dataset.chart };
            const [box, room] = [canvas.getBoundingClientRect(), plot.getBoundingClientRect()];
            // The words of the time axis stand along the lower edge.
            const edge = Math.round(canvas.height * 0.1);
            const { data } = canvas.getContext("2d").getImageData(0, canvas.height - edge, canvas.width, edge);
            return {
                chart: card.dataset.chart,
                axis: data.some((value) => value > 0),
                whole: box.bottom <= room.bottom + 1 && box.right <= room.right + 1,
                true: Math.abs(canvas.width / box.width - canvas.height / box.height) < 0.1,
                sharp: canvas.width / box.width,
            };
        });
        const tiles = [...document.querySelectorAll(".tile b")].map(({ textContent }) => textContent);
        window.sheet = { seen, tiles, theme: document.documentElement.dataset.theme,
                           said: document.querySelector("#printed").innerText };
        dispatchEvent(new Event("afterprint"));
    };
"""


class PaperTests(PagesTestCase):
    """
    What is printed of each page.
    """

    def many(self) -> ScriptedNode:
        """
        Start a node with more charts than a screen has room for.
        """
        server = self.scripted()
        for number in range(20):
            server.add(f"net.n{number}", family=f"n{number}", priority=7000 + number)
        return server

    def printed(self) -> dict[str, Any]:
        """
        @return: What was on the sheet, once it was printed.
        """
        found: dict[str, Any] = wait_for("it is printed", lambda: self.browser.execute_script("return window.sheet"))
        self.browser.execute_script("window.sheet = null")
        return found

    def sheets(self) -> int:
        """
        Print as a browser does of itself.

        @return: How many sheets of A4 that takes.
        """
        paper = {"printBackground": True, "paperWidth": 8.27, "paperHeight": 11.69}
        file = base64.b64decode(self.browser.execute_cdp_cmd("Page.printToPDF", paper)["data"])
        return len(re.findall(rb"/Type /Page\b", file))

    def test_all_charts(self) -> None:
        """
        On paper there are all charts, also those below the screen: whole, with
        their axes, finer than on the screen, in light colours, and under the
        time and zone that they are of.  Afterwards the page is as it was.
        """
        server = self.many()
        self.browser.execute_cdp_cmd("Emulation.setTimezoneOverride", {"timezoneId": "Asia/Kolkata"})
        for width, height in ((1280, 800), (360, 740), (3840, 2160)):
            self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [DARK]})
            self.resize(width, height)
            self.open(server, "#after=1700000000&before=1700000300")
            self.browser.execute_script(_PRINTED)
            self.chain().key_down(Keys.CONTROL).send_keys("p").key_up(Keys.CONTROL).perform()
            printed = self.printed()
            self.assertEqual(26, len(printed["seen"]))
            for chart in printed["seen"]:
                sharp = chart.pop("sharp", 0)
                self.assertEqual({"chart": chart["chart"], "axis": True, "whole": True, "true": True}, chart)
                self.assertGreater(sharp, 1.8)
            self.assertNotIn("–", printed["tiles"])
            self.assertEqual("light", printed["theme"])
            self.assertIn("web0, 15 Nov 2023, 03:43:20 – 03:48:20 UTC+5:30", printed["said"])
            self.assertNotIn("charts", printed["said"])
            self.assertEqual("dark", self.find("html").get_attribute("data-theme"))
            self.assertLess(len(self.browser.find_elements("css selector", "canvas")), 26)

    def test_by_the_browser(self) -> None:
        """
        Who prints by the menu of the browser gets the charts that were read,
        without empty boxes for the others, and is told how to get all.
        """
        server = self.many()
        self.open(server)
        wait_for("the first is read", lambda: self.text("[data-chart='system.cpu'] .value") != "–")
        few = self.sheets()
        said = str(self.find("#printed").get_property("textContent"))
        found = re.search(r"(\d+) of 26 charts: Print, at the end of the page, prints all", said)
        assert found is not None, said
        self.assertLess(int(found[1]), 26)
        unread = self.browser.find_elements("css selector", ".card.unread")
        self.assertEqual(26, int(found[1]) + len(unread))
        self.browser.execute_script(_PRINTED)
        self.find("#print").send_keys(Keys.ENTER)
        self.assertEqual(26, len(self.printed()["seen"]))
        self.assertLess(few, 4)

    def test_early(self) -> None:
        """
        Who prints while the page is still being made gets all of it.
        """
        server = self.scripted()
        for number in range(180):
            server.add(f"net.n{number}", family=f"n{number}", priority=7000 + number)
        self.browser.get(server.url + "#after=1700000000&before=1700000300")
        self.browser.execute_script(_PRINTED)
        self.find("#print").send_keys(Keys.ENTER)
        self.assertEqual(186, len(self.printed()["seen"]))

    def test_slow(self) -> None:
        """
        Charts that come slowly are waited for as long as another one comes.
        """
        server, one = self.many(), threading.Lock()
        answer = server.answer

        def slow(target: str) -> tuple[int, str, bytes]:
            if "data?" in target:
                with one:
                    time.sleep(0.5)
            return answer(target)

        server.answer = slow  # type: ignore[method-assign]
        self.browser.get(server.url + "#after=1700000000&before=1700000300")
        self.browser.execute_script(_PRINTED)
        self.find("#print").send_keys(Keys.ENTER)
        self.assertEqual(26, len(self.printed()["seen"]))

    def test_many_names(self) -> None:
        """
        The names of a chart with very many dimensions end on its sheet, with
        how many are left, and nothing can be scrolled on paper.
        """
        server = self.scripted()
        many = {f"d{number}": {"name": f"backend-{number}.example.internal"} for number in range(120)}
        server.add("net.many", lambda second: [0.0] * 20 + [1.0] * 100, priority=1, dimensions=many)
        self.open(server)
        self.wait_text("[data-chart='net.many'] .rest", "20 at zero")
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
        self.browser.execute_script("dispatchEvent(new Event('beforeprint'))")
        script = """
            const legend = document.querySelector("[data-chart='net.many'] .legend");
            const shown = [...legend.querySelectorAll(".name")].filter((each) => each.checkVisibility());
            const { overflowY } = getComputedStyle(legend);
            return [shown.length, shown[0].textContent, getComputedStyle(legend, "::after").content, overflowY];
        """
        said = self.browser.execute_script(script)
        self.assertEqual([30, "backend-20.example.internal", '"and 70 more"', "visible"], said)
        self.browser.execute_script("dispatchEvent(new Event('afterprint'))")

    def test_pages(self) -> None:
        """
        Whatever the screen shows, each page is printed in light colours, with
        its title, without what one could click, fits the paper and leaves no
        sheet empty.
        """
        server = self.scripted()
        self.resize(718, 1040)  # what margins leave of A4
        for page in PAGES:
            self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [DARK]})
            self.open(server, page)
            title = self.text("h1")
            self.assertEqual("dark", self.find("html").get_attribute("data-theme"))
            self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print", "features": [DARK]})
            self.browser.execute_script("dispatchEvent(new Event('beforeprint'))")
            self.assertEqual("light", self.find("html").get_attribute("data-theme"))
            self.assertIn(f"{title}, ", self.text("#printed"))
            shown = [
                each.is_displayed() for each in self.browser.find_elements("css selector", "main .button, main input")
            ]
            self.assertNotIn(True, shown, page)
            self.assertFalse(self.find("#bar").is_displayed())
            self.assertFalse(self.find("#side").is_displayed())
            self.assertLessEqual(self.browser.execute_script("return document.documentElement.scrollWidth"), 718, page)
            self.browser.execute_script("dispatchEvent(new Event('afterprint'))")
            self.assertEqual("dark", self.find("html").get_attribute("data-theme"))
            self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": [DARK]})
            self.assertEqual(1, self.sheets(), page)
