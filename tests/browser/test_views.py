"""
The pages in front of a node that answers what a test wants: what one can do
on them, and how they behave with much to show.
"""

from __future__ import annotations

import gzip
import time
from pathlib import Path
from statistics import median

from tests.browser.axe import serious
from tests.browser.case import Keys
from tests.browser.pages import PAGES, SHOWS, PagesTestCase, alarm, stream, transition
from tests.browser.scripted import PAGES as DASHBOARD
from tests.browser.test_page import HOSTILE
from tests.interop.peers import wait_for

MOST_BYTES = 300_000
OPENING = 1.0
"""Seconds of processor time for a page to be there; it takes a tenth or two."""
SORTING = 0.4
"""The same for a thousand nodes in another order; it takes less than a tenth."""
FRAME = 0.4
"""The same for a frame of a scrolling page, on the average; it takes less than a tenth."""
FRAMES = 60
"""How many it scrolls."""


class ViewTests(PagesTestCase):
    """
    All pages.
    """

    # -- the charts of a node ---------------------------------------------------

    def test_zoom(self) -> None:
        """
        Dragging over a chart zooms all of them, the address says so and leads
        another reader there, going back shows what was before, and a
        double-click the present.
        """
        server = self.scripted()
        self.open(server)
        plot = self.find("[data-chart='system.cpu'] .u-over")
        self.chain().move_to_element_with_offset(plot, -60, 0).click_and_hold().move_by_offset(
            80, 0
        ).release().perform()
        wait_for("the address has the time", lambda: "after=" in self.browser.current_url)
        self.wait_text("#live", "Paused")
        self.assertIn(" – ", self.text("#picker"))
        link = self.browser.current_url
        values = dict(pair.split("=") for pair in link.partition("#")[2].split("&"))
        width = int(values["before"]) - int(values["after"])
        self.assertTrue(20 < width < 200, link)
        wait_for("other charts show that time", lambda: "disk.n0" in server.asked)
        plot = self.find("[data-chart='system.cpu'] .u-over")
        self.chain().move_to_element_with_offset(plot, 0, 0).click_and_hold().move_by_offset(80, 0).release().perform()
        wait_for("it is zoomed once more", lambda: self.browser.current_url != link)
        self.browser.back()
        wait_for("what was zoomed last is undone", lambda: self.browser.current_url == link)
        self.browser.back()
        self.wait_text("#live", "Live")
        self.browser.get("about:blank")
        self.browser.get(link)
        self.wait_text("#live", "Paused")
        plot = self.find("[data-chart='system.cpu'] .u-over")
        self.chain().double_click(plot).perform()
        self.wait_text("#live", "Live")
        self.assertEqual("Last 5 minutes", self.text("#picker"))
        self.assertEqual([], self.complaints())

    def test_pan(self) -> None:
        """
        The time is moved by dragging with shift, by keys and by buttons, and
        zoomed by a wheel with shift and by keys.
        """
        server = self.scripted()
        self.open(server, "#after=1700000000&before=1700000300")

        def span() -> tuple[int, int]:
            values = dict(pair.split("=") for pair in self.browser.current_url.partition("#")[2].split("&"))
            return int(values["after"]), int(values["before"])

        self.click("#earlier")
        self.assertEqual((1699999850, 1700000150), span())
        self.click("#later")
        plot = self.find("[data-chart='system.cpu'] .plot")
        plot.send_keys("<")
        self.assertEqual((1699999850, 1700000150), span())
        plot.send_keys(">")
        plot.send_keys("+")
        self.assertEqual((1700000075, 1700000225), span())
        plot.send_keys("-")
        self.assertEqual((1700000000, 1700000300), span())
        over = self.find("[data-chart='system.cpu'] .u-over")
        self.chain().key_down(Keys.SHIFT).move_to_element(over).click_and_hold().move_by_offset(
            -50, 0
        ).release().key_up(Keys.SHIFT).perform()
        wait_for("it is moved", lambda: span()[0] > 1700000000)
        self.assertEqual(300, span()[1] - span()[0])
        script = """
            const over = document.querySelector("[data-chart='system.cpu'] .u-over");
            const box = over.getBoundingClientRect();
            over.dispatchEvent(new WheelEvent("wheel", { deltaY: -100, shiftKey: true, bubbles: true, cancelable: true,
                clientX: box.left + box.width / 2, clientY: box.top + 5 }));
        """
        self.browser.execute_script(script)
        wait_for("it is zoomed", lambda: 235 <= span()[1] - span()[0] <= 245)

    def test_picker(self) -> None:
        """
        The time is chosen from a list, as a length of one's own, and from and
        to; what makes no sense is refused with what would.
        """
        server = self.scripted()
        self.open(server)
        self.click("#picker")
        own = self.find("#own-range")
        own.clear()
        own.send_keys("tomorrow", Keys.ENTER)
        self.assertIn("such as 45m", self.text("form.own + .wrong"))
        own.clear()
        own.send_keys("45m", Keys.ENTER)
        self.assertIn("#last=45m", self.browser.current_url)
        self.assertEqual("Last 45 minutes", self.text("#picker"))
        self.click("#picker")
        self.browser.execute_script(
            "document.querySelector('#from').value = '2024-01-02T03:04:05';"
            "document.querySelector('#to').value = '2024-01-02T03:14:05';"
        )
        self.click("#from-to button")
        self.wait_text("#picker", "2 Jan 2024, 03:04")
        self.wait_text("#live", "Paused")
        self.click("#live")
        self.wait_text("#picker", "Last 45 minutes")

    def test_tiles(self) -> None:
        """
        What a tile says is so now, however long the time is that its line is
        about, and goes on by itself.
        """
        server = self.scripted()
        start = int(time.time()) - 3600
        server.add("system.uptime", lambda second: [float(second - start)], units="seconds", priority=1,
                   dimensions={"uptime": {"name": "uptime"}})  # fmt: skip
        self.open(server, "#last=12h")
        script = """
            const said = document.querySelector(".tile[href*='system.uptime'] b").textContent;
            return [said, Date.now() / 1000];
        """

        def behind() -> float:
            said, now = self.browser.execute_script(script)
            hours, minutes, seconds = map(int, said.split(":"))
            return float(now) - start - (hours * 3600 + minutes * 60 + seconds)

        wait_for("it says what is so now", lambda: abs(behind()) < 10)
        since = self.browser.execute_script(script)[0]
        wait_for("it goes on", lambda: self.browser.execute_script(script)[0] != since and abs(behind()) < 10)
        self.assertEqual([], self.complaints())

    def test_hover(self) -> None:
        """
        The pointer on a chart shows the values there beside it, and all other
        charts show the same second.
        """
        server = self.scripted()
        self.open(server)
        wait_for("the other has values", lambda: self.text("[data-chart='disk.n0'] .value") != "–")
        plot = self.find("[data-chart='system.cpu'] .u-over")
        self.chain().move_to_element(plot).perform()
        self.wait_text(".tooltip", "%")
        self.assertEqual(1, self.text(".tooltip").count("%"), "units are said once")
        self.assertEqual("%", self.text(".tooltip .units"))
        # All at once, as time passes below the pointer.
        at, when, other = self.browser.execute_script(
            "return [...arguments].map((which) => document.querySelector(which).innerText)",
            *("[data-chart='system.cpu'] time", ".tooltip .when", "[data-chart='disk.n0'] time"),
        )
        self.assertRegex(at, r"\d\d:\d\d:\d\d")
        self.assertIn(at, when)
        self.assertEqual(at, other)
        self.chain().move_to_element(self.find("h1")).perform()
        wait_for("the tooltip goes", lambda: not self.find(".tooltip").is_displayed())

    def test_marks(self) -> None:
        """
        An alert that is raised is named on its chart, and its changes are
        marked where they happened.
        """
        server = self.scripted()
        server.transitions = [transition(2, "CLEAR", "WARNING", when=int(time.time()) - 150)]
        server.charts["system.cpu"]["alarms"] = {"cpu_busy": {"id": 1, "status": "WARNING"}}
        self.open(server)
        self.wait_text("[data-chart='system.cpu'] .badge", "cpu_busy")
        badge = self.find("[data-chart='system.cpu'] .badge")
        self.assertLessEqual(badge.get_property("scrollWidth"), badge.get_property("clientWidth"), "it is cut off")
        plot = self.find("[data-chart='system.cpu'] .u-over")

        def marked() -> bool:
            # As time passes it moves to the left.
            for back in range(0, 60, 3):
                self.chain().move_to_element_with_offset(plot, 1 - back, 0).perform()
                if "cpu_busy: CLEAR → WARNING" in str(self.find(".tooltip").get_property("textContent")):
                    return True
            return False

        wait_for("the change is told where it happened", marked)
        self.click("[data-chart='system.cpu'] .badge")
        wait_for("the alerts are shown", lambda: "alerts.html" in self.browser.current_url)

    def test_legend(self) -> None:
        """
        The legend stands still, however long the numbers are that it shows.
        """
        server = self.scripted()
        server.add("net.swing", lambda second: [-999.5 if second % 2 else 0.0, 1.0], priority=1)
        self.open(server)
        wait_for("it has values", lambda: self.text("[data-chart='net.swing'] .value") != "–")
        script = """
            const card = document.querySelector("[data-chart='net.swing']");
            const seen = [];
            for (let step = 0; step < 6; step += 1) {
                const key = step ? "ArrowLeft" : "End";
                card.querySelector(".plot").dispatchEvent(new KeyboardEvent("keydown", { key }));
                seen.push([...card.querySelectorAll(".legend button")].map((each) =>
                    [each.querySelector(".value").textContent, each.getBoundingClientRect().left]));
            }
            return seen;
        """
        seen = self.browser.execute_script(script)
        self.assertEqual({"−999.5", "0.0"}, {first[0] for first, _ in seen})
        self.assertEqual(1, len({second[1] for _, second in seen}), seen)

    def test_zero(self) -> None:
        """
        Dimensions that are zero all the time do not fill the legend and the
        words beside the pointer, but can be shown; where there is nothing but
        zero, or all is hidden, the chart says so.
        """
        server = self.scripted()
        many = {name: {"name": name} for name in "abcdef"}
        values = [0, 3, 0, 0, 5, 0]
        server.add("net.few", lambda second: [float(v) for v in values], priority=1, dimensions=many)
        server.add("net.none", lambda second: [0.0, 0.0], priority=2)
        server.add("net.gone", lambda second: [None, None], priority=3)
        self.open(server)
        self.wait_text("[data-chart='net.none'] .blank", "All zero in this time")
        self.wait_text("[data-chart='net.gone'] .blank", "No data in this time")
        self.assertEqual(["a", "b"], self.text("[data-chart='net.none'] .legend").split()[::2])
        self.wait_text("[data-chart='net.few'] .rest", "4 at zero")
        self.assertEqual("", self.text("[data-chart='net.few'] .blank"))

        def names() -> list[str]:
            script = """return [...document.querySelectorAll("[data-chart='net.few'] .legend .name")]
                .filter((each) => each.checkVisibility()).map((each) => each.textContent)"""
            return list(self.browser.execute_script(script))

        self.assertEqual(["b", "e"], names())
        self.chain().move_to_element(self.find("[data-chart='net.few'] .u-over")).perform()
        self.wait_text(".tooltip .more", "4 at zero")
        self.assertEqual(2, len(self.browser.find_elements("css selector", ".tooltip li")))
        values[2] = 7
        wait_for("what is no longer zero is there", lambda: names() == ["b", "c", "e"])
        self.find("[data-chart='net.few'] .rest").send_keys(Keys.ENTER)
        self.assertEqual(list("abcdef"), names())
        self.find("[data-chart='net.few'] .rest").send_keys(Keys.ENTER)
        self.assertEqual(["b", "c", "e"], names())
        only = self.find("[data-chart='net.few'] [data-dimension='e']")
        self.chain().key_down(Keys.SHIFT).click(only).key_up(Keys.SHIFT).perform()
        self.assertEqual(
            "false", self.find("[data-chart='net.few'] [data-dimension='b']").get_attribute("aria-pressed")
        )
        wait_for("what is zero stays away", lambda: names() == ["b", "c", "e"])
        for name in "ab":
            self.click(f"[data-chart='net.none'] [data-dimension='{name}']")
        self.wait_text("[data-chart='net.none'] .blank", "All dimensions are hidden")
        self.assertEqual([], self.complaints())

    def test_slow(self) -> None:
        """
        A chart that has a sample less often than the time on show is long says
        of when its newest is, as its legend tells that.
        """
        server = self.scripted()
        every = int(time.time()) - 1000
        server.add("net.slow", lambda second: [7.0, 8.0], priority=1, update_every=every)
        self.open(server)
        self.wait_text("[data-chart='net.slow'] .blank", "The newest sample is of ")
        self.assertEqual(["a", "7", "b", "8"], self.text("[data-chart='net.slow'] .legend").split())

    def test_stands_still(self) -> None:
        """
        What can be seen of a page does not move while it is loaded.
        """
        server = self.scripted()
        server.add("net.some", lambda second: [0.0] * 11 + [1.0], priority=1,
                   dimensions={f"d{number}": {"name": f"dimension {number}"} for number in range(12)})  # fmt: skip
        watch = """
            window.moved = 0;
            new PerformanceObserver((list) => {
                for (const { value } of list.getEntries()) window.moved += value;
            }).observe({ type: "layout-shift", buffered: true });
        """
        self.browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": watch})
        for width in (1280, 360):
            self.resize(width, 740)
            for page in PAGES:
                self.browser.get("about:blank")
                self.open(server, page)
                if ".card" in SHOWS[page]:
                    wait_for("it has values", lambda: self.text(".card .value") != "–")
                self.run_script("for (const _ of [1, 2, 3]) await new Promise(requestAnimationFrame)")
                self.assertLess(self.browser.execute_script("return window.moved"), 0.04, (page, width))

    def test_large(self) -> None:
        """
        On a very large screen lines and marks grow with the type, and the
        picture of the streams does.
        """
        server = self.scripted()
        self.resize(3840, 2160)
        self.open(server)
        wait_for("the legend has values", lambda: self.text(".card .value") != "–")
        script = "return parseFloat(getComputedStyle(document.querySelector(arguments[0]))[arguments[1]])"
        for which, what, usual in (
            (".tile path", "strokeWidth", 1.3),
            (".legend .swatch", "width", 10),
            (".dot", "width", 8),
        ):
            self.assertAlmostEqual(1.4 * usual, self.browser.execute_script(script, which, what), 1, which)
        self.open(server, "streaming.html")
        self.assertGreater(self.find(".vertex .box").rect["width"], 330)
        self.assertFalse(self.browser.execute_script("return document.documentElement.scrollWidth > innerWidth"))

    def test_copy(self) -> None:
        """
        The link to a chart, and the lines for a child, are copied also where
        the page came without TLS and the browser keeps its clipboard from it,
        and that it was done is said.
        """
        server = self.scripted()
        for page, menu, button, word, said in (
            ("", ".card .more", "Copy a link to this chart", ".toast", "The link is copied."),
            ("streaming.html", "", "Copy", ".after-code", "Copied."),
        ):
            self.open(server, page=page)
            self.browser.execute_script("""
                Object.defineProperty(navigator, "clipboard", { value: undefined });
                document.addEventListener("copy", () => { window.copied = String(document.activeElement.value); });
            """)
            if menu:
                self.click(menu)
            self.find(".card .menu" if menu else ".after-code").find_element(
                "xpath", f".//button[.='{button}']"
            ).click()
            self.wait_text(word, said)
            copied = self.browser.execute_script("return window.copied")
            self.assertIn("#at=chart_system.cpu" if menu else "api key = ", copied)
            self.assertEqual([], self.browser.find_elements("css selector", "textarea"))
        self.assertEqual([], self.complaints())

    def test_card_menu(self) -> None:
        """
        The menu of a chart is gone through with the arrows, and left with
        Escape.
        """
        server = self.scripted()
        server.add("net.net", lambda second: [5.0, -3.0], priority=1)
        self.open(server)
        wait_for("the legend has values", lambda: self.text("[data-chart='net.net'] .value") != "–")
        self.find("[data-chart='net.net'] .more").send_keys(Keys.ENTER)
        both = self.find("[data-chart='net.net'] .menu a").get_attribute("href")
        self.assertIn("compare.html#context=net.net&by=both", str(both), "what goes is not added to what comes")
        self.press(Keys.ESCAPE)
        self.find("[data-chart='system.cpu'] .more").send_keys(Keys.ENTER)

        def focused() -> str:
            return str(self.browser.switch_to.active_element.text)

        self.assertEqual("Wider", focused())
        self.press(Keys.ARROW_DOWN, Keys.ARROW_DOWN)
        self.assertEqual("Save picture (PNG)", focused())
        self.press(Keys.ARROW_UP)
        self.assertEqual("What it shows", focused())
        self.press(Keys.END)
        self.assertEqual("Its alerts", focused())
        self.press(Keys.ARROW_DOWN)
        self.assertEqual("Its alerts", focused())
        self.press(Keys.ESCAPE)
        self.assertEqual(self.find("[data-chart='system.cpu'] .more"), self.browser.switch_to.active_element)

    def test_spoken(self) -> None:
        """
        Who hears the page is told the values where the keys are on a chart.
        """
        server = self.scripted()
        server.add("net.few", lambda second: [3.0, 0.0, 0.0], priority=1, dimensions={n: {"name": n} for n in "abc"})
        self.open(server, "#after=1700000000&before=1700000300")
        self.wait_text("[data-chart='net.few'] .rest", "2 at zero")
        self.find("[data-chart='net.few'] .plot").send_keys(Keys.END)

        def spoken() -> str:
            return str(self.find("#spoken").get_property("textContent"))

        self.assertRegex(spoken(), r"^\d\d:18:20: a 3 things$")
        self.press(Keys.ARROW_LEFT)
        self.assertRegex(spoken(), r"^\d\d:18:19: a 3 things$")
        self.press(Keys.ESCAPE)
        self.assertEqual("", spoken())
        self.assertEqual([], self.complaints())

    def test_anomalies(self) -> None:
        """
        What a node's machine learning finds odd is marked on the chart, and
        named beside the pointer.
        """
        server = self.scripted()
        server.odd.add("system.cpu")
        self.open(server)
        plot = self.find("[data-chart='system.cpu'] .u-over")
        self.chain().move_to_element(plot).perform()
        self.wait_text(".tooltip", "Anomalous: a")
        self.find("[data-chart='disk.n0'] canvas")
        script = """
            const canvas = document.querySelector(`[data-chart='${arguments[0]}'] canvas`);
            const ink = canvas.getContext("2d");
            const { data } = ink.getImageData(canvas.width / 2, 0, 1, 20);
            return [...Array(20).keys()].filter((at) => data[4 * at + 2] > 150 && data[4 * at + 3] > 60
                && data[4 * at + 1] < 120).length;
        """
        wait_for("it is marked", lambda: self.browser.execute_script(script, "system.cpu") >= 3)
        self.assertEqual(self.browser.execute_script(script, "disk.n0"), 0)

    def test_save(self) -> None:
        """
        What is on show of a chart is saved as a picture and as values; what
        is hidden stays so for whoever opens the same address.
        """
        server = self.scripted()
        folder = Path(self.mktemp()).resolve()
        folder.mkdir()
        self.browser.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(folder)})
        self.open(server)
        self.click("[data-chart='system.cpu'] [data-dimension='b']")
        self.assertIn("hide=system.cpu", self.browser.current_url)
        self.browser.refresh()
        hidden = self.find("[data-chart='system.cpu'] [data-dimension='b']")
        self.assertEqual("false", hidden.get_attribute("aria-pressed"))
        wait_for("the legend has values", lambda: self.text("[data-chart='system.cpu'] .value") != "–")
        saved = {}
        for entry, ending in (("Save picture (PNG)", "png"), ("Save values (CSV)", "csv")):
            self.click("[data-chart='system.cpu'] .more")
            script = """
                [...document.querySelectorAll("[data-chart='system.cpu'] .menu button")]
                    .find((each) => each.textContent === arguments[0]).click()
            """
            self.browser.execute_script(script, entry)
            saved[ending] = wait_for(f"the {ending} is there", lambda ending=ending: self._file(folder, ending))
            self.assertRegex(saved[ending].name, rf"^web0-system\.cpu-\d{{8}}T\d{{6}}Z?-\d{{8}}T\d{{6}}Z?\.{ending}$")
        picture = saved["png"].read_bytes()
        self.assertEqual(b"\x89PNG\r\n\x1a\n", picture[:8])
        self.assertGreater(int.from_bytes(picture[16:20], "big"), 900)
        head, *rows = saved["csv"].read_text().splitlines()
        self.assertEqual("time,a", head)
        self.assertGreater(len(rows), 250)
        self.assertRegex(rows[0], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ,\d+$")
        self.assertEqual([], self.complaints())

    def _file(self, folder: Path, ending: str) -> Path | None:
        return next((file for file in folder.glob(f"*.{ending}") if file.stat().st_size), None)

    def test_picture(self) -> None:
        """
        The picture of a chart with very many dimensions is a chart, not a list
        of names.
        """
        server = self.scripted()
        many = {f"d{number}": {"name": f"backend-{number}.example.internal"} for number in range(120)}
        server.add("net.many", lambda second: [1.0] * 120, priority=1, dimensions=many)
        folder = Path(self.mktemp()).resolve()
        folder.mkdir()
        self.browser.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(folder)})
        self.open(server)
        wait_for("the legend has values", lambda: self.text("[data-chart='net.many'] .value") != "–")
        self.click("[data-chart='net.many'] .more")
        self.find("[data-chart='net.many'] .menu").find_element("xpath", ".//button[.='Save picture (PNG)']").click()
        file = wait_for("it is there", lambda: self._file(folder, "png"))
        self.assertLess(int.from_bytes(file.read_bytes()[20:24], "big"), 1500)

    def test_many_charts(self) -> None:
        """
        A node with 2 000 charts is shown part by part and scrolls smoothly, and
        only those that are seen are asked for.
        """
        server = self.scripted()
        for number in range(2000):
            server.add(f"app.n{number:04}", family=f"f{number // 20}", priority=9000 + number)
        parts = """
            window.parts = new Set();
            const count = () => window.parts.add(document.querySelectorAll("#sections .card").length);
            addEventListener("DOMContentLoaded", () =>
                new MutationObserver(count).observe(document.body, { childList: true, subtree: true }));
        """
        self.browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": parts})
        self.open(server)
        wait_for("all are there", lambda: len(self.browser.find_elements("css selector", "#contents a")) > 100)
        seen = self.browser.execute_script("return [...window.parts].sort((a, b) => a - b)")
        self.assertTrue(any(0 < part < 2006 for part in seen), seen)
        self.assertEqual(2006, seen[-1])
        costs = [self.cost("scrollBy(0, 120)") for _ in range(FRAMES)]
        self.assertLess(sum(costs) / FRAMES, FRAME)
        self.assertLess(max(costs), 4 * FRAME)
        self.assertLess(self.browser.execute_script("return document.querySelectorAll('canvas').length"), 60)
        self.assertLess(len(set(server.asked)), 400)

    # -- all nodes ----------------------------------------------------------------

    def test_nodes(self) -> None:
        """
        A thousand nodes are listed, sorted, chosen and found, the address
        keeps how, and only those that are seen have their spark lines drawn.
        """
        server = self.scripted(1000)
        every = server.said["api/v3/overview"]
        assert isinstance(every, dict)
        every["nodes"][7] |= {"state": "offline", "newest": int(time.time()) - 7200}
        every["nodes"][9] |= {"alarms": {"normal": 0, "warning": 2, "critical": 1}}
        self.open(server, "nodes.html")
        wait_for("all are there", lambda: len(self.rows()) == 1000)
        self.assertEqual(["web7", "web0", "web1"], self.rows()[:3])
        self.assertIn("2 h ago", self.text("[data-guid='guid-7'] .newest"))
        self.click("th.cpu button")
        self.assertEqual("web99", self.rows()[0])
        self.assertEqual("ascending", self.find("th.cpu").get_attribute("aria-sort"))
        # An even number of times: back to the order that there was.
        costs = [self.cost("document.querySelector('th.cpu button').click()") for _ in range(10)]
        self.assertLess(median(costs), SORTING)
        self.find(".chips input[value='alerts']").send_keys(Keys.SPACE)
        self.assertEqual(["web9"], self.rows())
        self.assertEqual("1 critical 2 warnings", self.text("[data-guid='guid-9'] .pills").replace("\n", " "))
        self.find(".chips input[value='all']").send_keys(Keys.SPACE)
        self.find("#search").send_keys("site=berlin web99")
        wait_for("few are left", lambda: len(self.rows()) == 6)
        self.assertIn("sort=cpu", self.browser.current_url)
        self.browser.refresh()
        # A page that has little time shows the first before the others are made.
        wait_for("the same are there", lambda: len(self.rows()) == 6)
        self.assertEqual("site=berlin web99", self.find("#search").get_attribute("value"))
        self.assertLess(server.asked.count("system.cpu"), 200)
        self.assertEqual("web99", self.find("tbody .name").text)
        self.click("tbody .name")
        wait_for("its dashboard is shown", lambda: self.browser.current_url.startswith(f"{server.url}host/web99/"))

    def test_nodes_narrow(self) -> None:
        """
        On a telephone the alerts of a node stand in one line, nothing sticks
        out, and the way of its samples is told as soon as it is known.
        """
        server = self.scripted(3)
        every = server.said["api/v3/overview"]
        assert isinstance(every, dict)
        every["nodes"][2] |= {"hops": 2, "alarms": {"normal": 0, "warning": 2, "critical": 1}}
        path = [{"hostname": f"web{number}"} for number in (2, 1, 0)]
        server.said["api/v3/stream_path"] = {"nodes": [{"mg": "guid-2", "streaming_path": path}]}
        watch = """
            addEventListener("DOMContentLoaded", () => new MutationObserver((_, me) => {
                if (!document.querySelector("[data-guid='guid-2'] .hops")?.textContent.includes("via web1")) return;
                me.disconnect();
                const questions = performance.getEntriesByType("resource");
                window.asked = questions.filter(({ name }) => name.includes("overview")).length;
            }).observe(document.body, { childList: true, subtree: true, characterData: true }));
        """
        self.browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": watch})
        self.resize(360, 740)
        self.open(server, "nodes.html")
        asked = wait_for("the way is told", lambda: self.browser.execute_script("return window.asked"))
        self.assertEqual(2, asked, "by the page and by its menu, once each")
        script = """
            const pills = [...document.querySelectorAll("[data-guid='guid-2'] .pill")];
            const lines = new Set(pills.map((each) => each.getBoundingClientRect().top));
            return [lines.size, pills.length, document.documentElement.scrollWidth > innerWidth];
        """
        self.assertEqual([1, 2, False], self.browser.execute_script(script))

    def test_without_processors(self) -> None:
        """
        A node that does not tell how busy it is is not asked for that, which
        could only fail.
        """
        server = self.scripted(3)
        every = server.said["api/v3/overview"]
        assert isinstance(every, dict)
        every["nodes"][1] |= {"cpu": None}
        self.open(server, "nodes.html")
        script = "return performance.getEntriesByType('resource').map(({ name }) => name)"

        def asked() -> set[str]:
            addresses = [name for name in self.browser.execute_script(script) if "/data?" in name]
            return {address.partition("/host/")[2].partition("/")[0] for address in addresses}

        wait_for("the others are asked", lambda: {"guid-0", "guid-2"} <= asked())
        self.assertEqual({"guid-0", "guid-2"}, asked())
        self.assertEqual("–", self.text("[data-guid='guid-1'] .cpu .value"))
        self.assertEqual([], self.complaints())

    def test_menu(self) -> None:
        """
        Every page leads to every other and to every node, also from below a
        node's address.
        """
        server = self.scripted()
        for page in PAGES:
            self.open(server, page)
            self.click("#nodes-button")
            self.click("#nodes [data-guid='guid-1']")
            wait_for("the node is shown", lambda: self.browser.current_url.startswith(f"{server.url}host/web1/"))
            links = [link.get_attribute("href") for link in self.browser.find_elements("css selector", "#pages a")]
            here = f"{server.url}host/web1/"
            wanted = [
                f"{server.url}nodes.html", f"{here}index.html", f"{here}alerts.html",
                f"{server.url}streaming.html", f"{server.url}compare.html",
            ]  # fmt: skip
            self.assertEqual(links, wanted)

    # -- alerts -------------------------------------------------------------------

    def test_alerts(self) -> None:
        """
        The worst alert is first, says why it is raised, and what happened is
        listed with a way to its time on the chart.
        """
        server = self.scripted()
        self.open(server, "alerts.html")
        self.assertEqual(["Summary of load_high", "Summary of cpu_busy"], self.rows(".alert-card h3"))
        self.find("[data-alert='load_high'] button").send_keys(Keys.ENTER)
        self.wait_text("[data-alert='load_high'] .why", "(42 > 10)")
        self.assertIn("nobody: sysadmin has no recipient here", self.text("[data-alert='load_high'] .why"))
        self.assertEqual(2, len(self.rows(".past-table tbody tr")))
        link = str(self.find(".past-table tbody a[title]").get_attribute("href"))
        self.assertIn("host/web1/#after=", link)
        self.find("#search").send_keys("load")
        wait_for("one is left", lambda: self.rows(".alert-card h3") == ["Summary of load_high"])
        self.wait_text("h2", "1 of 2 raised now")
        self.find("#search").clear()
        self.find("#search").send_keys("summary of cpu_busy")
        wait_for("what is written is found", lambda: self.rows(".alert-card h3") == ["Summary of cpu_busy"])
        self.find("#search").send_keys(" nowhere")
        self.wait_text("#calm", "No alert is like that.")
        self.wait_text(".sheet + .empty", "No change is like that.")
        self.assertFalse(self.find(".past-table").is_displayed())
        self.assertEqual([], self.complaints())

    def test_clears(self) -> None:
        """
        An alert that is clear while someone reads why it was raised stays
        until that is closed.
        """
        server = self.scripted()
        self.open(server, "alerts.html")
        self.click("[data-alert='cpu_busy'] button")
        self.wait_text("[data-alert='cpu_busy'] .why", "(42 > 10)")
        raised, said = server.said["api/v3/raised"], server.said["api/v1/explain"]
        assert isinstance(raised, dict) and isinstance(said, dict)
        said["alerts"]["x"] |= {"status": "CLEAR", "value_string": "3 %"}
        raised["alerts"] = [alarm("load_high", "CRITICAL")]
        self.wait_text("[data-alert='cpu_busy'] .pill", "clear")
        self.wait_text("[data-alert='cpu_busy'] .why", "(42 > 10)")
        self.wait_text("[data-alert='cpu_busy'] .alert-value", "3 %")
        self.wait_text("h2", "1 raised now")
        self.assertEqual(["Summary of load_high", "Summary of cpu_busy"], self.rows(".alert-card h3"))
        self.click("[data-alert='cpu_busy'] button")
        self.assertEqual(["Summary of load_high"], self.rows(".alert-card h3"))
        self.assertEqual([], self.complaints())

    def test_many_alerts(self) -> None:
        """
        Where hundreds are raised, what happened is still near, and all can be
        reached.
        """
        server = self.scripted()
        alerts = [alarm(f"alert{number}", chart=f"c.n{number}") for number in range(300)]
        server.said["api/v3/raised"] = {"now": int(time.time()), "total": 300, "alerts": alerts}
        self.open(server, "alerts.html")
        self.wait_text("h2", "300 raised now")
        self.assertEqual(20, len(self.rows(".alert-card")))
        button = self.find("section .alert-list ~ .button")
        self.assertEqual("Show 200 more of 280", button.text)
        button.send_keys(Keys.ENTER)
        self.assertEqual(220, len(self.rows(".alert-card")))
        self.assertTrue(
            self.browser.execute_script(
                "return document.querySelectorAll('.alert-card')[20].contains(document.activeElement)"
            )
        )
        self.find("#search").send_keys("alert299")
        wait_for("it is found", lambda: self.rows(".alert-card h3") == ["Summary of alert299"])

    def test_focus(self) -> None:
        """
        What has the focus keeps it, also where lists are made anew under it.
        """
        server = self.scripted()
        every = [alarm("same", hostname=f"web{n}", guid=f"guid-{n}", value_string="1") for n in range(3)]
        server.said["api/v3/raised"] = {"now": int(time.time()), "total": 3, "alerts": every}
        self.open(server, "alerts.html")
        self.browser.execute_script("document.querySelectorAll('.alert-card .button')[1].focus()")
        every[1]["value_string"] = "2"
        wait_for("it is told", lambda: self.rows(".alert-value")[1] == "2")
        focused = "return document.querySelectorAll('.alert-card')[1].contains(document.activeElement)"
        self.assertTrue(self.browser.execute_script(focused))

        self.open(server, "streaming.html")
        self.find("[data-guid='guid-web1']").send_keys(Keys.ENTER)
        self.browser.execute_script(
            "const link = document.querySelector('#details a'); link.focus(); link.dataset.old = 'yes';"
        )
        wait_for("it is told anew", lambda: not self.browser.find_elements("css selector", "[data-old]"))
        self.assertEqual("Open its dashboard", self.browser.switch_to.active_element.text)

    def test_calm(self) -> None:
        """
        Where nothing is raised, the page says so.
        """
        server = self.scripted()
        server.said["api/v3/raised"] = {"now": 0, "total": 0, "alerts": []}
        server.said["api/v3/transitions"] = {"now": 0, "transitions": []}
        self.browser.get(server.url + "alerts.html")
        self.wait_text("#calm", "No alert is raised.")

    # -- streaming ------------------------------------------------------------------

    def test_streaming(self) -> None:
        """
        The way of the samples is drawn, with what each connection carries, and
        a node that is chosen tells all about itself; a certificate that is about
        to expire is pointed out.
        """
        server = self.scripted()
        (coming, *_) = server.said["api/v3/node_instances"]["nodes"][1]["instances"]  # type: ignore[index]
        coming["ingest"]["source"]["certificate"] = {"not_after": int(time.time()) + 5 * 86400 + 600}
        self.open(server, "streaming.html")
        self.wait_text("[data-guid='guid-web1']", "proxy")
        self.assertIn("5 d left", self.text("[data-hop='guid-web1>guid-web0'] [data-status='WARNING']"))
        labels = [each.text for each in self.browser.find_elements("css selector", ".hop-label")]
        self.assertIn("4.00 KiB/s", labels)
        self.assertIn("40 % replicated", labels)
        self.find("[data-guid='guid-web2']").send_keys(Keys.ENTER)
        self.wait_text("#details", "web2 → web1 → web0")
        self.assertIn("compressed 5.00 : 1", self.text("#details"))
        self.assertIn("not seen from here", self.text("[data-hop='guid-web2>guid-web1']"))
        heights = {self.find(each).size["height"] for each in (".canvas", "#details")}
        self.assertEqual(1, len(heights), "the picture is as high as what stands beside it")
        self.press(Keys.ESCAPE)
        self.assertFalse(self.find("#details").is_displayed())
        self.assertNotIn("of=", self.browser.current_url)
        self.assertIn("api key = API-KEY", self.text("#child-lines"))
        self.assertIn("0a1b2c3d", self.text("main"))
        self.assertEqual([], self.complaints())

    def test_connected(self) -> None:
        """
        A connection that has just begun is not said to carry nothing.
        """
        server = self.scripted()
        told = server.said["api/v3/node_instances"]
        assert isinstance(told, dict)
        told["nodes"] = [stream("web0"), stream("web1", "web0")]
        ingest = told["nodes"][1]["instances"][0]["ingest"]
        ingest["since"] = int(time.time()) - 2
        ingest["source"]["traffic"] |= {"bytes_per_second": 0.0, "samples_per_second": 0.0}
        self.open(server, "streaming.html")
        self.wait_text(".hop-label", "connected")
        self.assertNotIn("0/s", self.text("[data-hop='guid-web1>guid-web0']"))
        ingest["since"] -= 60
        self.wait_text(".hop-label", "0 B/s")
        self.assertEqual([], self.complaints())

    # -- compare ----------------------------------------------------------------------

    def test_compare(self) -> None:
        """
        One context over several nodes is grouped by node, dimension or label,
        and put together in the way that is chosen; a link shows the same.
        """
        server = self.scripted(4)
        server.values["system.cpu"] = lambda second: [1.0, 2.0]
        self.open(server, "compare.html")

        legend = self._legend
        wait_for("each node has a line", lambda: self._same(legend(), {f"web{n}": "3" for n in range(4)}))
        for key, wanted in (
            ("dimension", {"a": "4.00", "b": "8.00"}),
            ("label:site", {"berlin": "6.00", "oslo": "6.00"}),
            ("all", {"all": "12.0"}),
        ):
            self.browser.execute_script(
                "const by = document.querySelector('#by'); by.value = arguments[0];"
                "by.dispatchEvent(new Event('change'))",
                key,
            )
            wait_for(f"it is grouped by {key}", lambda wanted=wanted: self._same(legend(), wanted))
        self.assertIn("4 of 4 nodes", self.text(".found"))
        self.find("#which").send_keys("web1 web2", Keys.ENTER)
        self.wait_text(".found", "2 of 4 nodes")
        self.browser.refresh()
        wait_for("a link shows the same", lambda: self._same(legend(), {"all": "6.00"}))
        self.assertEqual([], self.complaints())

    def test_compare_average(self) -> None:
        """
        The average of nodes with a label is that of what each has in all, and
        dimensions can be looked at one by one, too; the page says which.
        """
        server = self.scripted(4)
        server.values["system.cpu"] = lambda second: [1.0, 2.0]
        self.open(server, "compare.html#context=system.cpu&by=label:site&way=avg")
        wait_for("whole charts are averaged", lambda: self._same(self._legend(), {"berlin": "3", "oslo": "3"}))
        self.wait_text(".found", "the average of the charts of its group; the dimensions of a chart are added up")
        self.browser.execute_script(
            "const by = document.querySelector('#by'); by.value = 'dimension,label:site';"
            "by.dispatchEvent(new Event('change'))"
        )
        each = {"berlin: a": "1.00", "berlin: b": "2.00", "oslo: a": "1.00", "oslo: b": "2.00"}
        wait_for("dimensions stay apart", lambda: self._same(self._legend(), each))
        self.wait_text(".found", "the average of that dimension")
        self.assertEqual("site and dimension", self.text("#by option:checked"))
        self.browser.refresh()
        wait_for("a link shows the same", lambda: self._same(self._legend(), each))
        self.assertEqual([], self.complaints())

    def _legend(self) -> dict[str, str]:
        script = """
            return Object.fromEntries([...document.querySelectorAll(".legend li")].map((each) =>
                [each.querySelector(".name").textContent, each.querySelector(".value").textContent]));
        """
        return dict(self.browser.execute_script(script))

    def test_compare_back(self) -> None:
        """
        Going back undoes one zoom after the other, and does not lose the page.
        """
        server = self.scripted()
        self.open(server, "compare.html")
        self.wait_text(".legend", "web0")  # the plot is made anew when the first answer is there
        places = [self.browser.current_url]
        for _ in range(2):
            plot = self.find(".card .u-over")
            self.chain().move_to_element(plot).click_and_hold().move_by_offset(120, 0).release().perform()
            wait_for("it is zoomed", lambda: self.browser.current_url not in places)
            places.append(self.browser.current_url)
        for place in places[-2::-1]:
            self.browser.back()
            wait_for("it is undone", lambda place=place: self.browser.current_url.startswith(place))
            self.wait_text("#live", "Paused" if "after=" in place else "Live")
        self.find(".card canvas")
        self.assertEqual([], self.complaints())

    def test_compare_many(self) -> None:
        """
        The sum of those that are too many for lines of their own is not drawn
        beside these, which would be flat, until somebody wants to see it.
        """
        server = self.scripted(200)
        server.values["system.cpu"] = lambda second: [1.0, 2.0]
        self.open(server, "compare.html")
        rest = self.find("[data-dimension='__remaining_dimensions__']")
        wait_for("its sum is said", lambda: rest.text.endswith("\n420"))
        self.assertIn("remaining 140 smaller ones", rest.text)
        self.assertEqual("false", rest.get_attribute("aria-pressed"))
        rest.send_keys(Keys.ENTER)
        self.assertEqual("true", rest.get_attribute("aria-pressed"))

    def _same(self, found: dict[str, str], wanted: dict[str, str]) -> bool:
        def numbers(said: dict[str, str]) -> dict[str, float]:
            return {name: float(value) for name, value in said.items() if value != "–"}

        return numbers(found) == numbers(wanted)

    # -- all pages --------------------------------------------------------------------

    def test_accessible(self) -> None:
        """
        Axe finds nothing serious on any page, in light and dark, wide and
        narrow.
        """
        server = self.scripted()
        server.charts["system.cpu"]["alarms"] = {"cpu_busy": {"id": 1, "status": "WARNING"}}
        for theme in ("light", "dark"):
            features = [{"name": "prefers-color-scheme", "value": theme}]
            self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
            for width, height in ((1280, 800), (360, 740), (3840, 2160)):
                self.resize(width, height)
                for page in PAGES:
                    self.open(server, page)
                    self.assertEqual([], serious(self), f"{page or 'dashboard'}, {theme}, {width}")

    def test_widths(self) -> None:
        """
        Nothing sticks out on any page, from a small telephone to a large
        screen.
        """
        server = self.scripted()
        raised = {"normal": 3, "warning": 23, "critical": 12}
        server.said["api/v3/overview"]["nodes"][1]["alarms"] = raised  # type: ignore[index]
        for width, height in ((360, 740), (768, 1024), (1280, 800), (3840, 2160)):
            self.resize(width, height)
            for page in PAGES:
                self.open(server, page)
                wide = self.browser.execute_script("return document.documentElement.scrollWidth")
                self.assertGreaterEqual(width, wide, page)

    def test_large_type(self) -> None:
        """
        Who has set type of twice the size reads all pages, as nothing is cut
        off or lies over something else.
        """
        server = self.scripted()
        self.browser = self.start_browser(webkit__webprefs__default_font_size=32)
        for width, height in ((1280, 800), (360, 740)):
            self.resize(width, height)
            for page in PAGES:
                self.open(server, page)
                size = self.browser.execute_script("return parseFloat(getComputedStyle(document.body).fontSize)")
                self.assertEqual(28, size)
                wide = self.browser.execute_script("return document.documentElement.scrollWidth")
                self.assertGreaterEqual(width, wide, page)

    def test_hostile(self) -> None:
        """
        Names are taken as text on every page.
        """
        server = self.scripted()
        overview = server.said["api/v3/overview"]
        raised = server.said["api/v3/raised"]
        past = server.said["api/v3/transitions"]
        assert isinstance(overview, dict) and isinstance(raised, dict) and isinstance(past, dict)
        overview["nodes"][1] |= {"hostname": HOSTILE, "version": HOSTILE, "labels": {HOSTILE: HOSTILE}}
        raised["alerts"] = [alarm(HOSTILE, hostname=HOSTILE, summary=HOSTILE, info=HOSTILE, value_string=HOSTILE)]
        past["transitions"] = [transition(2, "CLEAR", "WARNING", name=HOSTILE, hostname=HOSTILE, chart=HOSTILE)]
        server.said["api/v3/node_instances"] = {
            "agents": [{"mg": "guid-web0", "nm": "web0", "now": 0}],
            "nodes": [stream("web0"), stream(HOSTILE, "web0")],
        }
        for page in PAGES[1:]:
            self.open(server, page)
            wait_for("the name is there", lambda: HOSTILE[:10] in str(self.find("main").get_property("textContent")))
            self.assertEqual([], self.browser.find_elements("css selector", "img, main script"))
            self.assertNotEqual("taken", self.browser.title)
            self.assertEqual([], self.complaints())

    def test_first_paint(self) -> None:
        """
        Each page loads less than 300 kB, all of it from the node, and shows
        something before the node has told it anything; it is there for little
        processor time.
        """
        server = self.scripted()
        painted = "return performance.getEntriesByName('first-contentful-paint').length"
        script = """
            const files = performance.getEntriesByType("resource").filter(({ name }) => name.includes("/static/"));
            return files.map(({ name }) => name);
        """
        for page in PAGES:
            with server.silence():
                self.browser.get("about:blank")
                self.browser.get(server.url + page)
                wait_for("something is shown", lambda: self.browser.execute_script(painted))
            self.find(SHOWS[page])
            self.assertLess(self.busy(), OPENING, page)
            names = self.browser.execute_script(script)
            self.assertTrue(all(name.startswith(server.url) for name in names), names)
            files = [DASHBOARD.get(name.partition("/static/")[2]) for name in names]
            files.append(DASHBOARD.get(page or "index.html"))
            bodies = [file.body for file in files if file is not None]
            self.assertEqual(len(bodies), len(names) + 1)
            plain = sum(map(len, bodies))
            packed = sum(len(gzip.compress(body, 1)) for body in bodies)
            self.assertLess(plain, MOST_BYTES, page)
            self.assertLess(packed, MOST_BYTES / 3, page)

    def test_recovers(self) -> None:
        """
        A page says that the node does not answer as it should, and goes on by
        itself when it does.
        """
        server = self.scripted()
        for page in PAGES[1:]:
            self.open(server, page)
            kept, server.said = server.said, {}
            self.wait_text("#notice", "refuses to answer")
            server.said = kept
            wait_for("it goes on", lambda: not self.find("#notice").is_displayed())

    def test_whose_fault(self) -> None:
        """
        Where the node does not answer that tells about another, the page names
        the one that is silent, not the one that it is about.
        """
        server = self.scripted()
        self.browser.get(f"{server.url}host/web1/")
        self.wait_text("h1", "web1")
        with server.silence():
            self.wait_text("#notice", "web0, which tells about web1 here, does not answer")
