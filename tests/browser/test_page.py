"""
The page by itself, in front of a node that answers what a test wants.
"""

from __future__ import annotations

import time

from tests.browser.case import STATIC, BrowserTestCase, Keys
from tests.browser.scripted import ScriptedNode
from tests.interop.peers import wait_for

HOSTILE = "<img src=x onerror=\"document.title='taken'\">\"'&</script>\u202e"
MOST_BYTES = 300_000


class PageTests(BrowserTestCase):
    """
    What the page asks for, and what it makes of the answers.
    """

    def scripted(self, hostname: str = "atlas", hosts: tuple[str, ...] = ()) -> ScriptedNode:
        """
        Start a node whose answers are given.
        """
        node = ScriptedNode(hostname, hosts)
        self.addCleanup(node.stop)
        return node

    def test_light(self) -> None:
        """
        All that the page loads is less than 300 kB, and comes from the node.
        """
        node = self.scripted()
        node.add("system.cpu")
        self.browser.get(node.url)
        self.find("[data-chart='system.cpu'] canvas")
        script = "return performance.getEntriesByType('resource').map(({ name }) => name)"
        names = self.browser.execute_script(script)
        self.assertEqual([], [name for name in names if not name.startswith(node.url)])
        files = [STATIC / name.partition("/static/")[2] for name in names if "/static/" in name]
        self.assertGreater(len(files), 20)
        self.assertLess(sum(file.stat().st_size for file in files), MOST_BYTES)

    def test_hostile_names(self) -> None:
        """
        Names are shown as they are and never taken as markup, whatever a
        machine calls itself and its charts.
        """
        node = self.scripted(HOSTILE, (HOSTILE, "..", "b/c", "plain"))
        dimensions = {HOSTILE: {"name": HOSTILE}, "__proto__": {"name": "__proto__"}}
        node.add(f"a.{HOSTILE}", title=HOSTILE, units=HOSTILE, family=HOSTILE, dimensions=dimensions)
        node.add("__proto__.constructor", chart_type="__proto__", family="__proto__")
        self.browser.get(node.url)
        wait_for("the legend has values", lambda: self.text("[data-chart^='a.'] .value") != "–")
        self.click("#nodes-button")
        self.assertEqual(HOSTILE, self.find("h1").get_property("textContent"))
        self.assertEqual(HOSTILE, self.find("[data-chart^='a.'] .name").get_property("textContent"))
        names = [
            name.get_property("textContent") for name in self.browser.find_elements("css selector", "#nodes .name")
        ]
        self.assertEqual(sorted([HOSTILE, HOSTILE, "..", "b/c", "plain"]), sorted(map(str, names)))
        self.assertEqual([], self.browser.find_elements("css selector", "img, .card script"))
        self.assertNotEqual("taken", self.browser.title)
        links = [link.get_attribute("href") for link in self.browser.find_elements("css selector", "#nodes a")]
        paths = ["host/guid-0/", "host/guid-1/", "host/guid-2/", "host/guid-3/", "host/plain/"]
        self.assertEqual(sorted(node.url + path for path in paths), sorted(filter(None, links)))
        self.assertEqual([], self.complaints())

    def test_only_what_is_seen(self) -> None:
        """
        Only charts on or near the screen are asked for, few at a time, each no
        more than about once a second; none while the page is paused or behind
        another.
        """
        node = self.scripted()
        for number in range(60):
            node.add(f"test.n{number:02}", priority=number)
        self.browser.get(node.url)
        wait_for("charts are asked for again", lambda: node.asked.count("test.n00") >= 3)
        self.assertNotIn("test.n59", node.asked)
        self.assertLessEqual(node.most, 4)
        self.browser.execute_script("scrollTo(0, document.documentElement.scrollHeight)")
        wait_for("the last chart is asked for", lambda: "test.n59" in node.asked)
        node.asked.clear()
        # As the page has it: on the way to the node they may have bunched.
        script = """
            return performance.getEntriesByType("resource")
                .filter(({ name }) => name.includes("/data?chart=test.n59&")).map(({ startTime }) => startTime / 1000);
        """
        self.browser.execute_script("performance.setResourceTimingBufferSize(10000)")
        wait_for("the last chart is kept up to date", lambda: len(self.browser.execute_script(script)) >= 5)
        self.assertNotIn("test.n00", node.asked)
        times = self.browser.execute_script(script)
        self.assertLessEqual(len(times) - 1, times[-1] - times[0] + 1)

        self.click("#live")
        self.wait_text("#live", "Paused")
        self.assert_silent(node)
        self.click("#live")
        wait_for("it goes on", lambda: node.asked.count("test.n59") >= 2)

        page = self.browser.current_window_handle
        self.browser.switch_to.new_window("tab")
        self.assert_silent(node)
        self.browser.switch_to.window(page)
        wait_for("it goes on in front", lambda: node.asked.count("test.n59") >= 2)

    def assert_silent(self, node: ScriptedNode, seconds: float = 2.5) -> None:
        """
        Once what is under way is done, nothing is asked for as long as several
        questions take to come otherwise.
        """
        since = time.monotonic()

        def silent() -> bool:
            nonlocal since
            if node.asked:
                node.asked.clear()
                since = time.monotonic()
            return time.monotonic() - since > seconds

        wait_for("nothing is asked for", silent)

    def test_narrow(self) -> None:
        """
        Nothing sticks out on a small telephone, however long a name is; the
        contents open over the page there.
        """
        self.resize(360, 740)
        node = self.scripted("long-name." * 20, ("long-name." * 20,))
        dimensions = {"d": {"name": "long name " * 20}, "e": {"name": "longname" * 20}}
        node.add("system.cpu", title="Long title " * 20, units="unit/" * 20, family="fam" * 40, dimensions=dimensions)
        node.add("system.load", family="other")
        self.browser.get(node.url)
        wait_for("the legend has values", lambda: self.text(".card .value") != "–")
        self.click("#nodes-button")
        self.assertGreaterEqual(360, self.browser.execute_script("return document.documentElement.scrollWidth"))
        self.press(Keys.ESCAPE)
        button = self.find("#contents-button")
        button.click()
        self.assertTrue(self.find("#contents").is_displayed())
        self.press(Keys.ESCAPE)
        self.assertFalse(self.find("#contents").is_displayed())
        self.assertEqual(button, self.browser.switch_to.active_element)

    def test_long_contents(self) -> None:
        """
        A section with a long name has two lines in the contents, and nothing
        is to be seen of a third.
        """
        node = self.scripted()
        node.add("cgroup_process_api_082f2b4bde8f8d3aeef75e0f80a6_another_part_of_it_x.cpu")
        self.browser.get(node.url)
        self.find("#contents a")
        script = """
            const link = document.querySelector("#contents a");
            const high = link.clientHeight / parseFloat(getComputedStyle(link).lineHeight);
            return [high, link.scrollHeight > link.clientHeight];
        """
        high, more = self.browser.execute_script(script)
        self.assertTrue(more)
        self.assertLess(abs(high - 2), 0.1)

    def test_gap(self) -> None:
        """
        Seconds without samples are a gap in the drawn line, also when the node
        leaves them out; seconds that are not there yet are none.
        """
        node = self.scripted()
        self.browser.get(node.url)
        kept = self.run_script("""
            const { Feed } = await import("./static/feed.js");
            const feed = new Feed({ id: "a.b", update_every: 1, dimensions: { x: { name: "x" } } });
            const reply = (data) => ({ view_update_every: 1, dimension_ids: ["x"], dimension_names: ["x"],
                                       result: { data } });
            const first = feed.question(60, 0, 1000);
            feed.absorb(first, reply([[990, 1], [991, null], [992, 2], [995, 3], [996, null]]), 1000);
            const second = feed.question(60, 0, 1001.9);
            feed.absorb(second, reply([[995, 4], [996, 5], [997, null]]), 1001.9);
            return [first.after, second.after, feed.times, feed.values, feed.newest];
        """)["value"]
        times = [990, 991, 992, 993, 994, 995, 996]
        self.assertEqual([-60, 994, times, [[1, None, 2, None, None, 4, 5]], 996], kept)

    def test_units(self) -> None:
        """
        Large and small values are written in units that suit them.
        """
        self.browser.get(self.scripted().url)
        script = """
            const { scaleFor, reading, duration } = await import("./static/format.js");
            return arguments[0].map(([units, value]) => {
                const { units: shown, factor, duration: time } = scaleFor(units, Math.abs(value));
                return time ? duration(value) : `${reading(value * factor, Math.abs(value * factor))} ${shown}`.trim();
            });
        """
        for units, value, wanted in (
            ("kilobits/s", -2500, "−2.50 Mbit/s"),
            ("kilobits/s", 0, "0.00 kbit/s"),
            ("KiB/s", 0.5, "512.0 B/s"),
            ("MiB", 16384, "16.00 GiB"),
            ("milliseconds", 1500, "1.50 seconds"),
            ("percentage", 12.345, "12.35 %"),
            ("seconds", 93784, "1d 02:03:04"),
            ("processes/s", 123456, "123,456 processes/s"),
        ):
            self.assertEqual([wanted], self.run_script(script, [[units, value]])["value"])

    def test_order(self) -> None:
        """
        Sections stand in the order of their first charts, under names for
        people; charts of a family stand together.
        """
        self.browser.get(self.scripted().url)
        arranged = self.run_script("""
            const { arrange } = await import("./static/sections.js");
            const chart = ([id, family, priority]) => ({ id, family, priority, type: id.split(".")[0] });
            return arrange(arguments[0].map(chart)).map(({ title, families }) =>
                [title, families.map(({ key, charts }) => [key, charts.map(({ id }) => id)])]);
        """, [
            ["net.eth0", "eth0", 7000],
            ["system.ram", "ram", 200],
            ["disk_ops.sda", "sda", 2010],
            ["disk.sdb", "sdb", 2000],
            ["disk.sda", "sda", 2000],
            ["system.cpu", "cpu", 100],
            ["cgroup_web.cpu", "cpu", 40000],
            ["my_app.hits", "hits", 90000],
            ["disk_space._", "/", 2023],
        ])["value"]  # fmt: skip
        self.assertEqual(
            [
                ["System Overview", [["cpu", ["system.cpu"]], ["ram", ["system.ram"]]]],
                ["Disks", [["sda", ["disk.sda", "disk_ops.sda"]], ["sdb", ["disk.sdb"]]]],
                ["Mount Points", [["/", ["disk_space._"]]]],
                ["Network Interfaces", [["eth0", ["net.eth0"]]]],
                ["Container web", [["cpu", ["cgroup_web.cpu"]]]],
                ["My app", [["hits", ["my_app.hits"]]]],
            ],
            arranged,
        )
