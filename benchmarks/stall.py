"""
The longest stall of the reactor while 100 000 series are sealed.

    python -m benchmarks.stall

A node whose reactor is watched (L{benchmarks.probed}) and whose clock is ahead,
so that a quarter of an hour of it ends soon, is filled with the past quarter
hour as fast as it takes it, then gets samples in real time until that quarter
hour has been sealed.  How late its turns came is told for the time after it
ended, and for real time before.  The real agent is no event loop; there is
nothing to compare.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import frozen

from benchmarks.figures import Figure, arguments, run
from benchmarks.footprint import cpu, disk, memory
from benchmarks.load import Load, NoLoad
from benchmarks.targets import ProbedNode, cached_bytes, data_of, make_parent, scratch

EPOCH = 900
STARTING = 3
"""Seconds after the start, which imports much, that do not count."""


def once(options: argparse.Namespace) -> dict[str, Any]:
    """
    @return: How late turns came, in ms.
    """
    children = max(1, options.series // 2000)
    total = children * 2000
    with scratch() as directory:
        parent = make_parent("netstream", directory, probed=True)
        assert isinstance(parent, ProbedNode)
        now = int(time.time())
        parent.long = options.long
        parent.shift = (EPOCH - options.filling - now) % EPOCH
        ends = now + parent.shift + options.filling
        try:
            parent.start()
            began = time.time() + parent.shift + STARTING
            load = Load(
                parent.port,
                {
                    "protocol": "v2",
                    "pace": "second",
                    "children": children,
                    "charts": 500,
                    "dimensions": 4,
                    "back": EPOCH - options.filling - 10,
                    "shift": parent.shift,
                    "warmup": 0,
                    "seconds": options.filling + options.watched,
                },
            )
            with load:
                caught = load.until("caught up").time
                full = memory(parent.pid)
                _sleep_until(ends - 2 - parent.shift)
                used, pages, held = cpu(parent.pid), cached_bytes(parent), memory(parent.pid)
                noise = Noise()
                _sleep_until(ends + options.watched - parent.shift)
                used = cpu(parent.pid) - used
                after, late = memory(parent.pid), noise.stop()
            turns = [json.loads(line) for line in parent.turns.read_text().splitlines()]
            filling = Stalls.of(turns, min(began, caught - 2), caught)
            before = Stalls.of(turns, caught + 3, ends)
            sealing = Stalls.of(turns, ends)
            groups = [path for path in data_of(parent).rglob("*.seg")]
            return {
                "series": total,
                "worst_ms": sealing.worst,
                "worst_queued_ms": sealing.queued,
                "worst_own_ms": sealing.own,
                "worst_of_an_idle_thread_ms": late,
                "worst_after_s": sealing.at - ends,
                "turns_over_5_ms_a_second": sealing.late / max(1, sealing.seconds),
                "worst_in_real_time_before_ms": before.worst,
                "own_in_real_time_before_ms": before.own,
                "worst_while_filling_ms": filling.worst,
                "own_while_filling_ms": filling.own,
                "worked_while_filling_ms": filling.worked,
                "median_while_filling_ms": filling.median,
                "cpu_s_in_watched_time": used,
                "sealed_bytes": sum(path.stat().st_blocks * 512 for path in groups),
                "disk": disk(data_of(parent)),
                "rss_KB_metric_full_page": held.rss / total / 1024,
                "anonymous_KB_metric_full_page": held.anonymous / total / 1024,
                "page_cache_KB_metric_full_page": pages / total / 1024,
                "rss_KB_metric_after_sealing": after.rss / total / 1024,
                "anonymous_KB_metric_after_sealing": after.anonymous / total / 1024,
                "rss_KB_metric_caught_up": full.rss / total / 1024,
            }
        finally:
            parent.kill()


@frozen
class Stalls:
    """
    How late turns of a reactor came in a stretch of time, in ms.

    @ivar worst: The longest.
    @ivar queued: For which of it the thread of the reactor waited for a processor.
    @ivar own: The longest less such waiting.
    @ivar worked: For which of one it had a processor, at most.
    @ivar at: The second in which the longest was.
    @ivar median: Of the longest of each second.
    @ivar late: Turns that came more than 5 ms late.
    @ivar over: Seconds with one over 20 ms.
    @ivar stolen: What the machine beneath took from all processors.
    """

    worst: float
    queued: float
    own: float
    worked: float
    at: float
    median: float
    late: int
    over: int
    stolen: float
    seconds: int

    @classmethod
    def of(cls, seconds: Sequence[Mapping[str, Any]], after: float, before: float = math.inf) -> Stalls:
        """
        @param seconds: What L{benchmarks.probed} wrote.
        @param after: Seconds that ended later count,
        @param before: unless they ended later than this.
        @raise NoLoad: There are none.
        """
        found = [second for second in seconds if after < second["time"] <= before]
        if not found:
            raise NoLoad("the reactor had no turn in the time that was watched")
        worst = max(found, key=lambda second: float(second["worst"]))
        return cls(
            worst["worst"],
            worst["queued"],
            max(second["own"] for second in found),
            max(second["worked"] for second in found),
            worst["time"],
            statistics.median(second["worst"] for second in found),
            sum(second["late"] for second in found),
            sum(second["worst"] > 20 for second in found),
            sum(second["stolen"] for second in found),
            len(found),
        )


class Noise:
    """
    How late an idle thread wakes while all this goes on: what the machine
    adds to any stall.

    @ivar worst: Milliseconds.
    """

    def __init__(self) -> None:
        self.worst = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._over.is_set():
            began = time.perf_counter()
            time.sleep(0.005)
            self.worst = max(self.worst, (time.perf_counter() - began - 0.005) * 1000)

    def stop(self) -> float:
        """
        @return: The worst.
        """
        self._over.set()
        self._thread.join()
        return self.worst


def _sleep_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.time()))


def measure(options: argparse.Namespace) -> Iterator[Figure]:
    """
    @return: The figures of one node.
    """
    if options.quick:
        options.series, options.filling, options.watched = 4000, 10, 10
    if "netstream" not in (options.target or ["netstream"]):
        return
    seen = once(options)
    notes = {"agent": "no event loop"}
    name = f"{seen['series']:,}".replace(",", " ")
    goal = 20.0
    blank = {"agent": "-"}
    if not seen["sealed_bytes"]:
        notes["netstream"] = "nothing was sealed in the watched time"
    yield Figure(
        f"longest stall of the reactor while {name} series are sealed, ms",
        {"netstream": seen["worst_ms"]},
        goal,
        True,
        notes,
        {"netstream": seen},
    )
    for row, key in (
        ("for which of it the thread of the reactor waited for a processor, ms", "worst_queued_ms"),
        ("longest stall less such waiting, ms", "worst_own_ms"),
        ("an idle thread of another process at the same time, ms", "worst_of_an_idle_thread_ms"),
        ("longest stall while the past is taken as fast as possible, ms", "worst_while_filling_ms"),
        ("the same less waiting for a processor, ms", "own_while_filling_ms"),
        ("for which of it the thread of the reactor worked, at most, ms", "worked_while_filling_ms"),
        ("longest stall in real time before, ms", "worst_in_real_time_before_ms"),
        ("the same less waiting for a processor, ms", "own_in_real_time_before_ms"),
    ):
        yield Figure(row, {"netstream": seen[key]}, notes=blank)
    key = "rss_KB_metric_full_page"
    yield Figure("RSS a metric when the hot pages are full, v2, KB", {"netstream": seen[key]}, 3.0, notes=blank)
    key = "anonymous_KB_metric_full_page"
    yield Figure("of it anonymous, full, KB", {"netstream": seen[key]}, notes=blank)
    key = "page_cache_KB_metric_full_page"
    yield Figure("page cache of its data files a metric, full, KB", {"netstream": seen[key]}, notes=blank)


def parser() -> argparse.ArgumentParser:
    """
    @return: The command line.
    """
    found = arguments(__doc__)
    found.add_argument("--series", type=int, default=100_000)
    found.add_argument("--filling", type=int, default=90, help="seconds from the start to the end of the quarter hour")
    found.add_argument("--watched", type=int, default=60, help="seconds after it")
    found.add_argument("--long", type=Path, help="write to this file what was in the turns over 10 ms")
    return found


if __name__ == "__main__":
    run(parser(), measure)
