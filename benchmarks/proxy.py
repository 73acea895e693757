"""
A proxy without a database: CPU a sample that it passes on.

    python -m benchmarks.proxy                                   # 20 000 samples/s, both programs
    python -m benchmarks.proxy --target netstream --rate 100000 --seconds 60

Synthetic children as those of L{benchmarks.parent} stream to the proxy, in
the words of an agent 1.37, and it to a netstream that keeps all in memory, so
that the proxy is the only difference.  What arrived there is counted.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure, arguments, chosen, run
from benchmarks.footprint import cpu, memory, settle
from benchmarks.load import Load, child_name
from benchmarks.targets import preferred, scratch
from tests.interop.peers import KEY, NetstreamNode, Peer, RealAgent, accepting, sending


def make_proxy(target: str, directory: Path, parent: str) -> Peer:
    """
    @param parent: Where it sends to.
    @return: A proxy that stores nothing, not yet started.
    """
    directory.mkdir()
    if target == "agent":
        return RealAgent("bench-proxy", directory, accepts=[KEY], sends_to=[parent], mode="none")
    return NetstreamNode(
        "bench-proxy",
        directory,
        role="proxy",
        stream=sending(parent) + accepting(KEY, db="none"),
        options=["db/mode=none"],
    )


def once(target: str, options: argparse.Namespace) -> dict[str, Any]:
    """
    @return: What a proxy needs.
    """
    metrics = options.charts * options.dimensions
    children = max(1, round(options.rate / metrics))
    with scratch() as directory:
        (directory / "parent").mkdir()
        parent = NetstreamNode(
            "bench-parent",
            directory / "parent",
            role="parent",
            stream=accepting(KEY, db="ram"),
            options=["db/mode=ram", "db/retention=600"],
        )
        proxy: Peer | None = None
        try:
            parent.start()
            proxy = make_proxy(target, directory / "proxy", parent.address).start()
            preferred(parent.pid)
            preferred(proxy.pid)
            load = Load(
                proxy.port,
                {
                    "protocol": "v1",
                    "children": children,
                    "charts": options.charts,
                    "dimensions": options.dimensions,
                    "seconds": options.seconds,
                    "warmup": options.warmup,
                    "pause": options.pause,
                    "no-replication": True,
                },
            )
            with load:
                load.until("ready")
                settle(proxy.pid, options.pause - 1)
                begin, used = load.until("begin"), cpu(proxy.pid)
                end, used = load.until("end"), cpu(proxy.pid) - used
                held = memory(proxy.pid)
                time.sleep(3)
                expected, arrived = 0, 0
                for number in range(children):
                    shown = parent.samples("app_unit00.metric_0000", child_name(number), -options.seconds)
                    expected += options.dimensions * max(1, options.seconds - 4)
                    arrived += sum(len(column) for column in shown.values())
            samples = end.samples - begin.samples
            return {
                "samples_s": samples / (end.time - begin.time),
                "cpu_us_sample": 1e6 * used / samples,
                "cpu_percent": 100 * used / (end.time - begin.time),
                "rss_MB": held.rss / 2**20,
                "missing_percent": max(0.0, 100 * (1 - arrived / expected)),
                "dropped": end.dropped,
            }
        finally:
            if proxy is not None:
                proxy.kill()
            parent.kill()


def measure(options: argparse.Namespace) -> Iterator[Figure]:
    """
    @return: The figures of a proxy.
    """
    if options.quick:
        options.rate, options.seconds, options.warmup, options.pause = min(options.rate, 10_000), 8, 2, 2
    seen = {target: once(target, options) for target in chosen(options)}

    rate = f"{options.rate:,}".replace(",", " ")
    yield Figure.of(
        seen, f"proxy without database: CPU a sample at {rate} samples/s, v1, µs", "cpu_us_sample", details=True
    )
    yield Figure.of(seen, "proxy without database: RSS, MB", "rss_MB")
    yield Figure.of(seen, "of one chart of each child missing at the parent, %", "missing_percent", goal=0)


def parser() -> argparse.ArgumentParser:
    """
    @return: The command line.
    """
    found = arguments(__doc__)
    found.add_argument("--rate", type=int, default=20_000, help="samples a second; as many metrics")
    found.add_argument("--charts", type=int, default=500, help="of each child")
    found.add_argument("--dimensions", type=int, default=4, help="of each chart")
    found.add_argument("--seconds", type=int, default=30, help="that are measured")
    found.add_argument("--warmup", type=int, default=10, help="seconds of samples before")
    found.add_argument("--pause", type=int, default=5, help="seconds between definitions and samples")
    return found


if __name__ == "__main__":
    run(parser(), measure)
