"""
A parent that is given samples as fast as it takes them.

    python -m benchmarks.saturation                              # plain, lz4 and zstd, both programs
    python -m benchmarks.saturation --target netstream --compression zstd --seconds 30

Synthetic children send the seconds of the past, in order, each as fast as its
connection takes them; then they wait until the parent has taken everything.
The rate is over both; the CPU is counted until the parent has nothing to do any
more, so that sealing and writing are in it.  Afterwards the parent's API is asked for one chart in
ten of every child, second by second, and what is missing is counted.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.figures import Figure, arguments, chosen, run
from benchmarks.footprint import cpu, memory, settle
from benchmarks.load import Event, Load, NoLoad, child_name
from benchmarks.targets import cached_bytes, make_parent, preferred, scratch, stored_bytes
from tests.interop.peers import Peer

COMPRESSIONS = ("plain", "lz4", "zstd")
CHECKED = 10
"""One chart of so many is asked for afterwards."""


def once(target: str, compression: str, options: argparse.Namespace) -> dict[str, Any]:
    """
    @return: How much a parent takes, and at what price.
    @raise NoLoad: It does not speak this.
    """
    protocol = "v1" if target == "agent" else "v2"
    with scratch() as directory:
        more = [f"global/workers={options.workers}"] if options.workers and target == "netstream" else []
        parent = make_parent(target, directory, options=more)
        try:
            with pinned(options.cores):
                parent.start()
            preferred(parent.pid)
            load = Load(
                parent.port,
                {
                    "protocol": protocol,
                    "pace": "none",
                    "compression": compression,
                    "children": options.children,
                    "charts": options.charts,
                    "dimensions": options.dimensions,
                    "back": options.back,
                    "seconds": options.seconds,
                    "warmup": 0,
                    "pause": 2,
                },
            )
            with load:
                ready, _ = load.until("ready"), load.until("begin")
                used, sender = cpu(parent.pid), cpu(load.pid)
                load.until("end")
                drained, held = load.until("drained"), memory(parent.pid)
                taken = drained.time - ready.time - 2
                sender = cpu(load.pid) - sender
                settled = settle(parent.pid, 5 if options.quick else 60)
                used = cpu(parent.pid) - used
                lost, checked = missing(parent, ready, drained, options)
                total = options.children * options.charts * options.dimensions
                return {
                    "protocol": protocol,
                    "samples": drained.samples,
                    "seconds": taken,
                    "Msamples_s": drained.samples / taken / 1e6,
                    "cpu_us_sample": used / drained.samples * 1e6,
                    "settled_s_later": settled,
                    "load_cpu_percent": 100 * sender / taken,
                    "bytes_sample": (drained.bytes - ready.bytes) / drained.samples,
                    "checked": checked,
                    "missing": lost,
                    "missing_percent": 100 * lost / checked if checked else None,
                    "rss": held.rss,
                    "rss_KB_metric": held.rss / total / 1024,
                    "page_cache_of_its_files": cached_bytes(parent),
                    "disk_now": stored_bytes(parent),
                }
        finally:
            parent.kill()


@contextmanager
def pinned(cores: int) -> Iterator[None]:
    """
    Let what is started meanwhile use some cores only.

    @param cores: How many; 0 is all.
    """
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(before)[: cores or None])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def missing(parent: Peer, ready: Event, drained: Event, options: argparse.Namespace) -> tuple[int, int]:
    """
    Ask for a part of what was sent.

    @return: How many samples are missing, and how many were looked for.
    """
    lost = checked = 0
    for number in range(options.children):
        first, last = ready.newest[number] + 1, drained.newest[number]
        names = sorted(parent.charts(child_name(number)), key=lambda name: name.rpartition("_")[2])
        for name in names[::CHECKED]:
            there = 0
            for after in range(first - 1, last, 3600):
                before = min(after + 3600, last)
                there += _count(parent, child_name(number), name, after, before)
            wanted = (last - first + 1) * options.dimensions
            # The first collection of a counter is no rate yet, and v1 places values between collections.
            lost += max(0, wanted - there - 2 * options.dimensions)
            checked += wanted
        lost += (options.charts - len(names)) // CHECKED * (last - first + 1) * options.dimensions
    return lost, checked


def _count(parent: Peer, host: str, chart: str, after: int, before: int) -> int:
    path = (
        f"/host/{host}/api/v1/data?chart={chart}&after={after}&before={before}&points={before - after}"
        "&group=average&format=json&options=seconds"
    )
    rows = json.loads(parent.fetch(path, 60))["data"]
    return sum(value is not None for row in rows if after < row[0] <= before for value in row[1:])


def measure(options: argparse.Namespace) -> Iterator[Figure]:
    """
    @return: The figures of each compression.
    """
    if options.quick:
        options.seconds, options.back, options.charts, options.compression = 3, 600, 100, ["plain", "lz4"]
    targets = chosen(options)
    for compression in options.compression or COMPRESSIONS:
        seen: dict[str, dict[str, Any]] = {}
        notes = {}
        for target in targets:
            try:
                seen[target] = once(target, compression, options)
            except NoLoad as problem:
                if "compiler" in str(problem):
                    raise
                notes[target] = "refused" if "does not speak" in str(problem) else str(problem)
            time.sleep(1)

        def figure(
            name: str, key: str, goal: float | None = None, most: bool = True, of: Any = seen, notes: Any = notes
        ) -> Figure:
            values = {target: found[key] for target, found in of.items()}
            return Figure(name, values, goal, most, notes, of if goal else {})

        yield figure(f"as fast as possible, {compression}, M samples/s", "Msamples_s", 8, False)
        yield figure(f"its CPU a sample, {compression}, µs", "cpu_us_sample")
        yield figure(f"of it missing afterwards, {compression}, %", "missing_percent", 0.0)


def parser() -> argparse.ArgumentParser:
    """
    @return: The command line.
    """
    found = arguments(__doc__)
    found.add_argument("--compression", action="append", choices=COMPRESSIONS, help="default: all")
    found.add_argument("--workers", type=int, default=0, help="processes of netstream that take children")
    found.add_argument("--cores", type=int, default=0, help="that the parent may use; default: all")
    found.add_argument("--children", type=int, default=5)
    found.add_argument("--charts", type=int, default=500, help="of each child")
    found.add_argument("--dimensions", type=int, default=4, help="of each chart")
    found.add_argument("--back", type=int, default=7200, help="seconds in the past to begin")
    found.add_argument("--seconds", type=int, default=12, help="to send; it ends earlier when the present is reached")
    return found


if __name__ == "__main__":
    run(parser(), measure)
