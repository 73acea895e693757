"""
Pictures of the dashboard, as the documentation has them.

    python -m benchmarks.pictures                      # some ten minutes; writes docs/images
    python -m benchmarks.pictures --of http://localhost:19999/ --into /tmp/pictures

A parent is started with two children, one of them behind a proxy, and, where it
is installed, a real agent.  When they have collected for some minutes, each page is looked at with a
headless Chromium in three sizes, light and dark.  With Pillow (C{pip install
pillow}) the pictures get a palette, which makes them a third as large, and those
of 4K half the width; without it they stay as they are.  Nothing is measured, so
the machine may do other things, which gives charts something to show.
"""

from __future__ import annotations

import argparse
import base64
import importlib
import io
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from attrs import frozen

from benchmarks.targets import scratch
from tests.browser.case import SWITCHES, program, webdriver
from tests.browser.pages import SHOWS
from tests.interop.peers import CHECKOUT, KEY, NetstreamNode, Peer, RealAgent, accepting, sending, wait_for

COLOURS = 256
"""Of the palette of a picture."""
REFINED = 2
"""How often the palette is brought nearer to the colours of the picture."""
COLLECTED = 6 * 60
"""Seconds that the nodes collect before they are looked at: charts show five minutes."""
SETTLED = 2.0
"""Seconds in which nothing must come any more before a page is taken."""

ALERTS = """
template: busy
      on: system.cpu
  lookup: average -20s unaligned of user,system
   every: 5s
   units: %
    warn: $this > 10
    crit: $this > 95
 summary: Processors are busy
    info: processor time of programs and the kernel in the last 20 seconds

template: load
      on: system.load
    calc: $load1
   every: 5s
   units: processes
    warn: $this > 0.2
 summary: Load of the last minute
    info: how many processes wanted a processor
"""
"""What raises something on any machine that does anything."""


@frozen
class Size:
    """
    A screen.

    @ivar width: Pixels of the page.
    @ivar height: The same.
    @ivar sharp: Pixels of the screen for each of them.
    @ivar kept: Pixels of the picture for each of the screen.
    """

    width: int
    height: int
    sharp: float = 1
    kept: float = 1


SIZES: Mapping[str, Size] = {
    "telephone": Size(360, 740, sharp=2),
    "notebook": Size(1280, 800),
    "4k": Size(3840, 2160, kept=0.5),
}
"""Which screens the pages are looked at on."""
THEMES = ("light", "dark")
PAGES: Mapping[str, str] = {
    "nodes": "nodes.html",
    "node": "host/web1/",
    "alerts": "alerts.html",
    "streaming": "streaming.html",
    "compare": "compare.html#context=netstream.cpu",
}
"""What is looked at, by the name of its pictures."""

STILL = """
    const seen = (each) => {
        const { top, bottom } = each.getBoundingClientRect();
        return top < innerHeight && bottom > 0 && each.checkVisibility();
    };
    const all = (which) => [...document.querySelectorAll(which)].filter(seen);
    const waits = all(".blank").some(({ textContent }) => textContent === "Loading…") || all(".waiting").length;
    const values = all(".card .value");
    return !waits && (!values.length || values.some(({ textContent }) => textContent !== "–"));
"""
"""Whether nothing is being loaded of what can be seen."""


UNNAMED = """
    const system = document.querySelector("#system");
    if (system) system.textContent = system.textContent.replace(/Linux (\\d+\\.\\d+)\\S*/, "Linux $1");
"""
"""Leaves of the kernel's release what says nothing about the machine that takes the pictures."""


def labelled(directory: Path, **labels: str) -> Path:
    """
    @return: The directory of a node that has these labels; what else runs on
        the machine that takes the pictures is not shown.
    """
    folder = directory / "etc"
    folder.mkdir(parents=True, exist_ok=True)
    lines = "".join(f"    {name} = {value}\n" for name, value in labels.items())
    (folder / "netstream.conf").write_text(f"[plugins]\n    cgroups = no\n[host labels]\n{lines}")
    return directory


@contextmanager
def network(directory: Path) -> Iterator[Peer]:
    """
    @return: A parent to which others stream.
    """
    with ExitStack() as stack:

        def started(peer: Peer) -> Peer:
            stack.callback(peer.kill)
            return peer.start()

        parent = started(
            NetstreamNode(
                "atlas",
                labelled(directory / "atlas", site="berlin"),
                role="parent",
                stream=accepting(KEY),
                health=ALERTS,
            )
        )
        place = labelled(directory / "relay", site="oslo")
        relay = started(
            NetstreamNode("relay", place, role="proxy", stream=f"{sending(parent.address)}\n{accepting(KEY)}")
        )
        for name, site, above in (("web1", "berlin", parent), ("web2", "oslo", relay)):
            place = labelled(directory / name, site=site)
            started(NetstreamNode(name, place, role="child", stream=sending(above.address)))
            parent.wait_host(name)
        if RealAgent.installed():
            started(RealAgent("db1", directory / "db1", sends_to=[parent.address], proc=True))
            parent.wait_host("db1")
        yield parent


@contextmanager
def looking(directory: Path) -> Iterator[Any]:
    """
    @return: A browser.
    """
    options = webdriver.ChromeOptions()
    options.binary_location = program("NETSTREAM_CHROMIUM", "chromium", "chromium-browser", "google-chrome")
    for switch in (*SWITCHES, "--hide-scrollbars", f"--user-data-dir={directory / 'browser'}"):
        options.add_argument(switch)
    driver = program("NETSTREAM_CHROMEDRIVER", "chromedriver")
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    try:
        yield browser
    finally:
        browser.quit()


def small(picture: bytes, kept: float) -> bytes:
    """
    @param kept: Pixels that are left of each.
    @return: The same in fewer bytes, where that can be done.
    """
    try:
        pillow = importlib.import_module("PIL.Image")
    except ImportError:
        return picture
    image = pillow.open(io.BytesIO(picture)).convert("RGB")
    if kept != 1:
        image = image.resize((round(image.width * kept), round(image.height * kept)), pillow.Resampling.LANCZOS)
    found = io.BytesIO()
    few = image.quantize(COLOURS, pillow.Quantize.MAXCOVERAGE, kmeans=REFINED, dither=pillow.Dither.NONE)
    few.save(found, "PNG", optimize=True)
    return found.getvalue()


def taken(browser: Any, address: str, shows: str, size: Size, theme: str, scroll: int = 0) -> bytes:
    """
    @param shows: What is on the page when it shows something.
    @param scroll: Pixels from its top.
    @return: A picture of the page at an address, as PNG.
    """
    metrics = {"width": size.width, "height": size.height, "deviceScaleFactor": size.sharp, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    features = [
        {"name": "prefers-color-scheme", "value": theme},
        {"name": "prefers-reduced-motion", "value": "reduce"},
    ]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    browser.get("about:blank")
    browser.get(address)
    wait_for(f"{address} shows {shows}", lambda: browser.find_elements("css selector", shows))
    if scroll:
        browser.execute_script("scrollTo(0, arguments[0])", scroll)
    since = time.monotonic()

    def settled() -> bool:
        nonlocal since
        if not browser.execute_script(STILL):
            since = time.monotonic()
        return time.monotonic() - since > SETTLED

    wait_for(f"{address} is all there", settled)
    browser.execute_script(UNNAMED)
    shot: str = browser.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})["data"]
    return base64.b64decode(shot)


def take(options: argparse.Namespace, address: str, directory: Path) -> Iterator[tuple[str, int]]:
    """
    @return: The name of each picture, and how many bytes it has.
    """
    options.into.mkdir(parents=True, exist_ok=True)
    with looking(directory) as browser:
        for page in options.page or PAGES:
            path = PAGES.get(page, page)
            shows = SHOWS.get(path.partition("#")[0], SHOWS[""])
            for name in options.size or SIZES:
                size = SIZES[name]
                for theme in options.theme or THEMES:
                    picture = taken(browser, address + path, shows, size, theme, options.scroll)
                    file = options.into / f"{page.replace('/', '_')}-{name}-{theme}.png"
                    file.write_bytes(picture if options.whole else small(picture, size.kept))
                    yield file.name, file.stat().st_size


def main(arguments: Sequence[str] | None = None) -> int:
    """
    @return: The exit status.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--of", help="the address of a node that runs already, with a slash at its end")
    parser.add_argument("--into", type=Path, default=CHECKOUT / "docs" / "images", help="the folder of the pictures")
    parser.add_argument("--page", action="append", help=f"only this: {', '.join(PAGES)}, or a path; may be repeated")
    parser.add_argument("--size", action="append", choices=SIZES, help="only this; may be repeated")
    parser.add_argument("--theme", action="append", choices=THEMES, help="only this; may be repeated")
    parser.add_argument("--scroll", type=int, default=0, help="pixels from the top of the page")
    parser.add_argument("--seconds", type=float, default=COLLECTED, help="how long the nodes collect before")
    parser.add_argument("--whole", action="store_true", help="with all colours and pixels")
    options = parser.parse_args(arguments)
    with scratch() as directory, ExitStack() as stack:
        address = options.of
        if not address:
            parent = stack.enter_context(network(directory))
            address = f"http://{parent.address}/"
            time.sleep(options.seconds)
        whole = 0
        for name, size in take(options, address, directory):
            whole += size
            print(f"{size / 1000:8.1f} kB  {name}", flush=True)
        print(f"{whole / 1000:8.1f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
