"""
What another core is worth: samples as fast as possible, three ways.

    python -m benchmarks.cores                          # v2, plain and lz4
    python -m benchmarks.cores --compression zstd --seconds 30

One process that may use one core, one process that may use two, and one with
two workers on two.  The load is not pinned, and shares the cores of the
machine with what it measures: on a machine with two, the last way has less
than two.  So the CPU of the load is told as well, and the cores that the node
really had.  Otherwise it is the measurement of C{benchmarks.saturation}.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks import saturation
from benchmarks.figures import Figure, run
from benchmarks.saturation import once

WAYS: Sequence[tuple[str, int, int]] = (
    ("one process, one core", 1, 0),
    ("one process, two cores", 2, 0),
    ("two workers, two cores", 2, 2),
)
"""Name, cores and workers."""


def measure(options: argparse.Namespace) -> Iterator[Figure]:
    """
    @return: The figures of each way.
    """
    if options.quick:
        options.seconds, options.back, options.charts, options.compression = 3, 600, 100, ["plain"]
    for compression in options.compression or ["plain", "lz4"]:
        rates: list[float] = []
        for name, options.cores, options.workers in WAYS:
            seen: dict[str, Any] = once("netstream", compression, options)
            rates.append(seen["Msamples_s"])
            title = f"{compression}, {name}: "

            def figure(what: str, value: float | None, title: str = title, seen: dict[str, Any] = seen) -> Figure:
                return Figure(title + what, {"netstream": value}, details={"netstream": seen})

            yield figure("M samples/s", seen["Msamples_s"])
            yield figure("of the first", rates[-1] / rates[0])
            yield figure("M samples a second of its CPU", 1 / seen["cpu_us_sample"])
            yield figure("CPU of the load, % of a core", seen["load_cpu_percent"])
            yield figure("RSS, MB", seen["rss"] / 1e6)
            yield figure("missing afterwards, %", seen["missing_percent"])
            time.sleep(1)


def parser() -> argparse.ArgumentParser:
    """
    @return: The command line.
    """
    found = saturation.parser()
    found.description = __doc__
    found.set_defaults(children=6)
    return found


if __name__ == "__main__":
    run(parser(), measure)
