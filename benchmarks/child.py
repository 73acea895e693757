"""
A child: this machine measured each second and streamed, nothing stored.

    python -m benchmarks.child --seconds 120

The parent is a netstream in memory for both, so that what the child sends is
the only difference.  The agent runs its C{proc} collector alone.
"""

from __future__ import annotations

import argparse
import compileall
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import netstream
from benchmarks.figures import Figure, arguments, chosen, run
from benchmarks.footprint import cpu, memory
from benchmarks.targets import scratch
from tests.interop.peers import NetstreamNode, Peer, RealAgent, accepting, sending


def once(target: str, options: argparse.Namespace) -> dict[str, Any]:
    """
    @return: What a child needs.
    """
    from tests.interop.peers import KEY

    with scratch() as directory:
        (directory / "parent").mkdir()
        (directory / "child").mkdir()
        parent = NetstreamNode("bench-parent", directory / "parent", role="parent", stream=accepting(KEY, db="ram"))
        child: Peer | None = None
        try:
            parent.start()
            if target == "agent":
                child = RealAgent("bench-child", directory / "child", sends_to=[parent.address], proc=True, mode="none")
            else:
                stream = sending(parent.address)
                child = NetstreamNode(
                    "bench-child",
                    directory / "child",
                    role="child",
                    stream=stream,
                    options=["db/mode=none", "web/mode=none"],
                )
            child.start()
            parent.wait_samples("system.cpu", child.name, count=options.warmup)
            used, began = cpu(child.pid), time.monotonic()
            time.sleep(options.seconds)
            used, took = cpu(child.pid) - used, time.monotonic() - began
            charts = parent.charts(child.name)
            dimensions = sum(len(chart["dimensions"]) for chart in charts.values())
            held = memory(child.pid)
            return {
                "charts": len(charts),
                "dimensions": dimensions,
                "cpu_percent": 100 * used / took,
                "cpu_us_sample": 1e6 * used / took / dimensions,
                "rss_MB": held.rss / 2**20,
                "pss_MB": held.pss / 2**20,
                "anonymous_MB": held.anonymous / 2**20,
            }
        finally:
            if child is not None:
                child.kill()
            parent.kill()


def measure(options: argparse.Namespace) -> Iterator[Figure]:
    """
    @return: The figures of a child.
    """
    if options.quick:
        options.seconds, options.warmup = 4, 2
    # As an installation does; a node that compiles itself as it starts holds a megabyte more.
    compileall.compile_dir(Path(netstream.__file__).parent, quiet=2)
    seen = {target: once(target, options) for target in chosen(options)}

    yield Figure.of(seen, "child: CPU, % of a core", "cpu_percent", 1.5, details=True)
    yield Figure.of(seen, "child: dimensions it collects of this machine", "dimensions")
    yield Figure.of(seen, "child: RSS, MB", "rss_MB", goal=60.0)


def parser() -> argparse.ArgumentParser:
    """
    @return: The command line.
    """
    found = arguments(__doc__)
    found.add_argument("--seconds", type=int, default=60, help="that are measured")
    found.add_argument("--warmup", type=int, default=15, help="samples before")
    return found


if __name__ == "__main__":
    run(parser(), measure)
