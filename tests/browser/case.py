"""
What a test of the dashboard starts from: a headless Chromium.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from tests.interop.case import InteropTestCase
from tests.interop.peers import PATIENCE, missing, wait_for

try:
    from selenium import webdriver
    from selenium.common.exceptions import StaleElementReferenceException
    from selenium.webdriver import ActionChains, Keys
    from selenium.webdriver.chrome.service import Service
    from selenium.webdriver.remote.webelement import WebElement
except ImportError:
    webdriver = Keys = None  # type: ignore[assignment,misc]

STATIC = Path(__file__).resolve().parents[2] / "netstream" / "web" / "static"
SWITCHES = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
)


def program(variable: str, *names: str) -> str:
    """
    @param variable: What of the environment may name another one.
    @param names: What it may be called.
    @return: A program that a browser needs; where there is none, the test is
        skipped.
    """
    found = os.environ.get(variable) or next(filter(None, map(shutil.which, names)), None)
    if not found:
        missing(f"none of {', '.join(names)} is on the path (apt-get install chromium chromium-driver)")
    assert found is not None
    return found


class BrowserTestCase(InteropTestCase):
    """
    A test with nodes and a browser that looks at them.

    @ivar browser: Its window is as wide as that of a small notebook.
    """

    def setUp(self) -> None:
        super().setUp()
        if webdriver is None:
            missing("selenium cannot be imported (pip install selenium)")
        self.browser = self.start_browser()
        self.browser.execute_cdp_cmd("Performance.enable", {"timeDomain": "threadTicks"})
        self.resize(1280, 800)

    def start_browser(self, **preferences: object) -> Any:
        """
        @param preferences: What someone has set who uses it, by the names of
            Chromium with C{__} for dots.
        @return: A browser with nothing that another one has stored.
        """
        options = webdriver.ChromeOptions()
        options.binary_location = program("NETSTREAM_CHROMIUM", "chromium", "chromium-browser", "google-chrome")
        for switch in (*SWITCHES, f"--user-data-dir={tempfile.mkdtemp(dir=self.directory)}"):
            options.add_argument(switch)
        set_to = {name.replace("__", "."): value for name, value in preferences.items()}
        options.add_experimental_option("prefs", set_to)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        driver = program("NETSTREAM_CHROMEDRIVER", "chromedriver")
        browser = webdriver.Chrome(options=options, service=Service(driver))
        self.addCleanup(browser.quit)
        browser.set_script_timeout(100)
        return browser

    def resize(self, width: int, height: int) -> None:
        """
        Make the page so many CSS pixels large, also where windows have a
        smallest width.
        """
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def busy(self) -> float:
        """
        @return: The seconds of processor time that the main thread of the page
            has taken since it was opened, whatever else the machine did.
        """
        metrics = self.browser.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
        return float(next(each["value"] for each in metrics if each["name"] == "TaskDuration"))

    def cost(self, script: str) -> float:
        """
        @param script: As for L{run_script}.
        @return: The seconds of processor time that it takes, with what follows
            from it up to the next frame.
        """
        before = self.busy()
        answer = self.run_script(f"{script}; for (const _ of [1, 2]) await new Promise(requestAnimationFrame);")
        self.assertNotIn("problem", answer)
        return self.busy() - before

    def find(self, selector: str) -> WebElement:
        """
        @param selector: A CSS selector.
        @return: The first element that it fits, once there is one.
        """
        found: WebElement = wait_for(
            f"the page has {selector}", lambda: next(iter(self.browser.find_elements("css selector", selector)), None)
        )
        return found

    def click(self, selector: str) -> None:
        """
        Click on an element, once there is one; one that the page replaced by
        another before it was clicked on is looked for again.
        """
        try:
            self.find(selector).click()
        except StaleElementReferenceException:
            self.click(selector)

    def press(self, *keys: str) -> None:
        """
        Press keys one after the other, wherever the focus is.
        """
        ActionChains(self.browser).send_keys(*keys).perform()

    def text(self, selector: str) -> str:
        """
        @return: What the page says there, without what is hidden.
        """
        try:
            return str(self.find(selector).text)
        except StaleElementReferenceException:
            return self.text(selector)

    def wait_text(self, selector: str, wanted: str, timeout: float = PATIENCE) -> None:
        """
        Wait until the page says so.
        """
        wait_for(f"{selector} says {wanted!r}", lambda: wanted in self.text(selector), timeout)

    def run_script(self, script: str, *arguments: Any) -> Any:
        """
        @param script: The body of an async function in the page.
        @return: What it returns.
        """
        return self.browser.execute_async_script(
            "const done = arguments[arguments.length - 1];"
            f"(async () => {{ {script} }}).call(null, ...arguments)"
            ".then((value) => done({ value }), (problem) => done({ problem: String(problem) }));",
            *arguments,
        )

    def wait_told(self, chart: str) -> None:
        """
        Wait until three samples of a chart on the page of a node have come by
        themselves, one after the other: the page shows a later second, and has
        asked for nothing between.

        A page that only asks never gets so far, however slow the machine is; one
        that is told asks now and then besides, and when samples are late.
        """
        script = """
            const [chart] = arguments;
            const plot = document.querySelector(`[data-chart='${chart}'] .plot`);
            const said = document.querySelector(`[data-chart='${chart}'] time`);
            const press = (key) => plot.dispatchEvent(new KeyboardEvent("keydown", { key }));
            const questions = () => performance.getEntriesByType("resource")
                .filter(({ name }) => name.includes(`/data?chart=${chart}&`)).length;
            performance.setResourceTimingBufferSize(10000);
            const ends = performance.now() + 25000;
            let [asked, shown, told] = [questions(), "", 0];
            while (told < 3 && performance.now() < ends) {
                press("End");
                const [now, count] = [said.textContent, questions()];
                press("Escape");
                if (count !== asked) [asked, told] = [count, 0];
                else if (shown && now !== shown) told += 1;
                shown = now;
                await new Promise((resolve) => setTimeout(resolve, 50));
            }
            return told;
        """
        wait_for(
            f"samples of {chart} come by themselves", lambda: self.run_script(script, chart).get("value") == 3, 150
        )

    def complaints(self) -> list[str]:
        """
        @return: What the browser has had to complain about since it was last
            asked: scripts that failed, and what a policy forbids.
        """
        said = [entry["message"] for entry in self.browser.get_log("browser") if entry["level"] == "SEVERE"]
        # A chart without a first sample is answered so, and the page asks again.
        return [message for message in said if not ("/api/v1/data?" in message and "status of 404" in message)]
