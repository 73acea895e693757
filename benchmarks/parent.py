"""
A parent under load: CPU a sample, memory a metric, and what new metrics cost.

    python -m benchmarks.parent                                  # 100 000 samples/s, both programs
    python -m benchmarks.parent --target netstream --protocol v2 --rate 20000 --seconds 120

Synthetic children with 500 charts of 4 dimensions connect, define everything,
and send one sample of every metric a second, in writes of 1400 bytes spread
over the second.  CPU is that of the whole process, and of those it started.
Neither program measures the machine meanwhile, unless told to.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from typing import Any

from benchmarks.figures import Figure, arguments, chosen, run
from benchmarks.footprint import cpu, memory, settle
from benchmarks.load import Load, NoLoad, child_name
from benchmarks.targets import NOTHING_ELSE, cached_bytes, make_parent, preferred, scratch, stored_bytes

PROTOCOLS = ("v1", "v2")


def once(target: str, protocol: str, options: argparse.Namespace) -> dict[str, Any]:
    """
    @return: What a parent needs for the load.
    @raise NoLoad: It does not speak this.
    """
    metrics = options.charts * options.dimensions
    children = max(1, round(options.rate / metrics))
    with scratch() as directory:
        parent = make_parent(target, directory, options=() if options.own else NOTHING_ELSE)
        try:
            parent.start()
            preferred(parent.pid)
            time.sleep(2)
            empty, idle = memory(parent.pid), cpu(parent.pid)
            load = Load(
                parent.port,
                {
                    "protocol": protocol,
                    "children": children,
                    "charts": options.charts,
                    "dimensions": options.dimensions,
                    "seconds": options.seconds,
                    "warmup": options.warmup,
                    "pause": options.pause,
                    "no-replication": options.no_replication,
                },
            )
            with load:
                load.until("ready")
                settle(parent.pid, options.pause - 1)
                first = cpu(parent.pid) - idle
                begin, used = load.until("begin"), cpu(parent.pid)
                end, used = load.until("end"), cpu(parent.pid) - used
                held, pages = memory(parent.pid), cached_bytes(parent)
                load.until("drained")
                shown = parent.samples("app_unit00.metric_0000", child_name(0))
            samples = end.samples - begin.samples
            total = children * metrics
            return {
                "samples_s": samples / (end.time - begin.time),
                "cpu_us_sample": used / samples * 1e6,
                "cpu_percent": 100 * used / (end.time - begin.time),
                "connect_cpu_s": first,
                "rss": held.rss,
                "pss": held.pss,
                "anonymous": held.anonymous,
                "file_backed": held.file,
                "page_cache_of_its_files": pages,
                "rss_idle": empty.rss,
                "rss_KB_metric": held.rss / total / 1024,
                "rss_KB_metric_over_idle": (held.rss - empty.rss) / total / 1024,
                "anonymous_KB_metric": held.anonymous / total / 1024,
                "page_cache_KB_metric": pages / total / 1024,
                "disk": stored_bytes(parent),
                "dropped": end.dropped,
                "most_unsent": end.waiting,
                "newest_shown_s_ago": time.time() - max(max(column, default=0) for column in shown.values()),
            }
        finally:
            parent.kill()


def measure(options: argparse.Namespace) -> Iterator[Figure]:
    """
    @return: The figures of both protocols.
    """
    if options.quick:
        options.rate, options.seconds, options.warmup, options.pause = min(options.rate, 10_000), 4, 2, 2
    targets = chosen(options)
    for protocol in options.protocol or PROTOCOLS:
        seen: dict[str, dict[str, Any]] = {}
        notes = {}
        for target in targets:
            if (target, protocol) == ("agent", "v2"):
                notes[target] = "speaks v1 only"
                continue
            try:
                seen[target] = once(target, protocol, options)
            except NoLoad as problem:
                if "compiler" in str(problem):
                    raise
                notes[target] = str(problem)

        def figure(name: str, key: str, goal: float | None = None, seen: Any = seen, notes: Any = notes) -> Figure:
            return Figure(
                name,
                {target: found[key] for target, found in seen.items()},
                goal,
                True,
                notes,
                seen if goal == 0.25 else {},
            )

        rate = f"{options.rate:,}".replace(",", " ")
        yield figure(f"CPU a sample at {rate} samples/s, {protocol}, µs", "cpu_us_sample", 0.25)
        yield figure(f"RSS a metric at {rate} metrics, {protocol}, KB", "rss_KB_metric", 3)
        yield figure(f"of it anonymous, {protocol}, KB", "anonymous_KB_metric")
        yield figure(f"page cache of its data files a metric, {protocol}, KB", "page_cache_KB_metric")
        yield figure(f"first connection of {rate} new metrics, {protocol}, CPU s", "connect_cpu_s", 2)


def parser() -> argparse.ArgumentParser:
    """
    @return: The command line.
    """
    found = arguments(__doc__)
    found.add_argument("--protocol", action="append", choices=PROTOCOLS, help="default: both")
    found.add_argument("--rate", type=int, default=100_000, help="samples a second; as many metrics")
    found.add_argument("--charts", type=int, default=500, help="of each child")
    found.add_argument("--dimensions", type=int, default=4, help="of each chart")
    found.add_argument("--seconds", type=int, default=30, help="that are measured")
    found.add_argument("--warmup", type=int, default=10, help="seconds of samples before")
    found.add_argument("--pause", type=int, default=5, help="seconds between definitions and samples")
    found.add_argument("--own", action="store_true", help="netstream measures this machine as well; the agent does not")
    found.add_argument("--no-replication", action="store_true", help="children do not offer their history")
    return found


if __name__ == "__main__":
    run(parser(), measure)
