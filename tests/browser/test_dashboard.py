"""
What someone sees who opens a node's address.
"""

from __future__ import annotations

import time

from tests.browser.case import BrowserTestCase, Keys
from tests.interop.peers import KEY, Peer, accepting, sending, wait_for

CARD = "[data-chart='system.cpu']"


class DashboardTests(BrowserTestCase):
    """
    The page at C{/} and at C{/host/NAME/}.
    """

    def open(self, peer: Peer, path: str = "/") -> None:
        """
        Look at a page of a node, once it has collected something, until the
        CPU chart has values.
        """
        peer.wait_samples("system.cpu")
        self.browser.get(f"http://{peer.address}{path}")
        self.wait_values()

    def values(self) -> list[str]:
        """
        @return: What the legend of the CPU chart says.
        """
        script = "return [...document.querySelectorAll(arguments[0])].map((value) => value.textContent)"
        return list(self.browser.execute_script(script, f"{CARD} .value"))

    def wait_values(self) -> list[str]:
        """
        Wait until that legend has numbers.
        """
        return wait_for("the CPU chart has values", lambda: [v for v in self.values() if v != "–"] and self.values())

    def wait_moved(self) -> None:
        """
        Wait until new samples have come in: the newest point of the chart is
        a later one.
        """
        newest = """
            const plot = document.querySelector(arguments[0] + " .plot");
            const press = (key) => plot.dispatchEvent(new KeyboardEvent("keydown", { key }));
            press("End");
            const said = document.querySelector(arguments[0] + " time").textContent;
            press("Escape");
            return said;
        """
        seen: set[str] = set()

        def moved() -> bool:
            if said := self.browser.execute_script(newest, CARD):
                seen.add(said)
            return len(seen) >= 3

        wait_for("the CPU chart moves", moved)

    def test_moves(self) -> None:
        """
        The charts of a node are there by section and move, and the browser has
        nothing to complain about.
        """
        node = self.node("atlas", role="standalone")
        self.open(node)
        self.wait_moved()
        before = self.values()
        wait_for("the values of the CPU chart change", lambda: self.values() != before)
        self.assertEqual("atlas", self.text("h1"))
        self.assertEqual("Live", self.text("#live"))
        self.assertIn("System Overview", self.text("#contents"))
        self.assertTrue(self.find(f"{CARD} canvas").is_displayed())
        self.assertEqual([], self.complaints())
        self.assert_stopped(node)

    def test_keyboard(self) -> None:
        """
        Everything can be reached and used with the keyboard alone: a dimension
        is hidden, a chart is read point by point, and the time range stays in
        the address.
        """
        self.open(self.node("atlas", role="standalone"))
        self.wait_moved()
        button = self.find(f"{CARD} [data-dimension='user']")
        button.send_keys(Keys.SPACE)
        self.assertEqual("false", button.get_attribute("aria-pressed"))
        button.send_keys(Keys.ENTER)
        self.assertEqual("true", button.get_attribute("aria-pressed"))

        def times() -> list[str]:
            found = self.browser.find_elements("css selector", "[data-chart] time")
            return [each.text for each in found if each.text]

        def together() -> bool:
            # Further and further back, where each chart has a point.
            self.find(f"{CARD} .plot").send_keys(Keys.ARROW_LEFT)
            at = self.text(f"{CARD} time")
            self.assertRegex(at, r"^\d\d:\d\d:\d\d$")
            return times().count(at) > 1

        wait_for("another chart shows the same second", together)

        self.find("#picker").send_keys(Keys.ENTER)
        self.find("#ranges input:checked").send_keys(Keys.ARROW_LEFT)
        self.assertIn("#last=1m", self.browser.current_url)
        self.press(Keys.ESCAPE)
        self.assertEqual("picker", self.browser.switch_to.active_element.get_attribute("id"))
        self.browser.refresh()
        self.wait_values()
        self.assertEqual("Last 1 minute", self.text("#picker"))
        self.assertEqual([], self.complaints())

    def test_other_nodes(self) -> None:
        """
        The menu of replicated nodes leads to a child, and says so when it is
        away; whoever comes to a node that knows others sees all of them.
        """
        parent = self.node("atlas", role="parent", stream=accepting(KEY))
        child = self.node("borealis", role="child", stream=sending(parent.address))
        parent.wait_host("borealis")
        parent.wait_samples("system.cpu", "borealis")
        self.open(parent, "/host/atlas/")
        self.find("#nodes-button").send_keys(Keys.ENTER)
        self.assertIn("live", self.text(f"#nodes [data-guid='{child.guid}']"))
        self.press(Keys.ARROW_DOWN, Keys.ENTER)
        self.wait_text("h1", "borealis")
        self.assertTrue(self.browser.current_url.startswith(f"http://{parent.address}/host/borealis/"))
        self.wait_moved()
        self.assertEqual([], self.complaints())
        child.stop()
        self.wait_text("#notice", "borealis is offline")
        self.click("#brand")
        self.wait_text("h1", "Nodes")
        self.click(f"tr[data-guid='{parent.guid}'] .name")
        self.wait_text("h1", "atlas")

    def test_recovers(self) -> None:
        """
        A page says that its node does not answer, and goes on by itself when
        it does again.
        """
        node = self.node("atlas", role="standalone")
        self.open(node)
        node.stop()
        self.wait_text("#notice", "atlas does not answer")
        node.start()
        self.wait_text("#live", "Live")
        self.assertEqual("", self.text("#notice"))
        self.wait_moved()

    def test_by_themselves(self) -> None:
        """
        New samples come without being asked for, also of a child, and nothing
        is missing between what was asked for and what came.
        """
        parent = self.node("atlas", role="parent", stream=accepting(KEY))
        child = self.node("borealis", role="child", stream=sending(parent.address))
        parent.wait_host("borealis")
        parent.wait_samples("system.cpu", "borealis")
        self.open(parent, f"/host/{child.guid}/")
        self.wait_told("system.cpu")
        shown = """
            const plot = document.querySelector("[data-chart='system.cpu'] .plot");
            const seen = [];
            for (let step = 0; step < 8; step += 1) {
                plot.dispatchEvent(new KeyboardEvent("keydown", { key: step ? "ArrowLeft" : "End" }));
                seen.push(document.querySelector("[data-chart='system.cpu'] time").textContent);
            }
            return seen;
        """
        seen = self.run_script(shown)["value"]
        # A child that had no time to collect has a gap, which is none of the page's making.
        there = parent.samples("system.cpu", "borealis")["user"]
        clock = {second: time.strftime("%H:%M:%S", time.localtime(second)) for second in there}
        end = max(second for second, said in clock.items() if said in seen)
        wanted = [said for second, said in clock.items() if end - 5 < second <= end]
        self.assertEqual([], [said for said in wanted if said not in seen], seen)
        self.assertEqual([], self.complaints())

    def test_network(self) -> None:
        """
        The pages about all nodes show a parent, a proxy and the child behind
        it as they are, and say so when one is gone.
        """
        parent = self.node("atlas", role="parent", stream=accepting(KEY))
        relay = self.node("relay", role="proxy", stream=f"{sending(parent.address)}\n{accepting(KEY)}")
        child = self.node("borealis", role="child", stream=sending(relay.address))
        for name in ("relay", "borealis"):
            parent.wait_host(name)
            parent.wait_samples("system.cpu", name)
        self.browser.get(f"http://{parent.address}/nodes.html")
        for node in (parent, relay, child):
            self.wait_text(f"tr[data-guid='{node.guid}'] .state", "Live")
            self.wait_text(f"tr[data-guid='{node.guid}'] .newest", "now")
        self.wait_text(f"tr[data-guid='{child.guid}'] .hops", "via relay")
        self.find(f"tr[data-guid='{child.guid}'] .spark path[d^='M']")

        self.browser.get(f"http://{parent.address}/streaming.html")
        self.wait_text(f".vertex[data-guid='{parent.guid}']", "this node, parent")
        self.wait_text(f".vertex[data-guid='{relay.guid}']", "proxy")
        self.wait_text(f".vertex[data-guid='{child.guid}']", "child")
        self.wait_text(f"[data-hop='{relay.guid}>{parent.guid}']", "up")
        self.find(f".vertex[data-guid='{child.guid}']").send_keys(Keys.ENTER)
        self.wait_text("#details", "borealis → relay → atlas")

        self.assertIn("api key = API-KEY", self.text("#child-lines"))
        token = (parent.directory / "data" / "management.key").read_text().strip()
        self.find("#token").send_keys("wrong", Keys.ENTER)
        self.wait_text("#key-form", "That is not the token")
        self.assertEqual(1, len(self.complaints()), "the answer of the node")
        self.find("#token").send_keys(token, Keys.ENTER)
        self.wait_text("#child-lines", f"api key = {KEY}")
        self.assertFalse(self.find("#key-form").is_displayed())

        self.resize(360, 740)
        self.browser.refresh()
        self.wait_text(f"[data-hop='{relay.guid}>{parent.guid}']", "up")
        wide, seen = self.browser.execute_script(
            "const [canvas, box] = [document.querySelector('.canvas'), document.querySelector(arguments[0])];"
            "return [canvas.scrollWidth - canvas.clientWidth, box.getBoundingClientRect().left];",
            f".vertex[data-guid='{child.guid}']",
        )
        self.assertGreater(wide, 0)
        self.assertGreaterEqual(seen, 0)
        self.resize(1280, 800)

        self.browser.get(f"http://{parent.address}/compare.html#context=system.cpu")
        wait_for("all have a line", lambda: len(self.browser.find_elements("css selector", ".legend li")) == 3)
        self.assertEqual([], self.complaints())
        child.stop()
        self.browser.get(f"http://{parent.address}/nodes.html")
        self.wait_text(f"tr[data-guid='{child.guid}'] .state", "Offline")

    def test_raised(self) -> None:
        """
        An alert that a node raises is counted beside the way to it, and the
        page says why it is raised.
        """
        node = self.node("atlas", role="standalone", options=["health/enable stock health configuration=no"])
        folder = node.directory / "etc" / "health.d"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "test.conf").write_text(
            "template: always\non: system.load\ncalc: $load1 + 7\nevery: 1s\nwarn: $this > 6\ninfo: more than six\n"
        )
        node.stop()
        node.start()
        self.open(node)
        self.wait_text("#raised", "1")
        self.wait_text("[data-chart='system.load'] .badge", "always")
        self.click("#pages a[href$='alerts.html']")
        self.click("[data-alert='always'] button")
        self.wait_text("[data-alert='always'] .why", "$this > 6")
        self.wait_text(".past-table", "always")
        self.assertEqual([], self.complaints())
