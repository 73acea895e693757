"""
How long a node takes to open a database of 10 GB.

    python -m benchmarks.opening
    python -m benchmarks.opening --gigabytes 1

A node's database is filled with noise, which nothing can compress, of 50 hosts
with 50 charts of 4 dimensions each: the past until now, a second each.  Then
the node is stopped and started again, each time as a process of its own.
Measured is the time from its first step to when it serves, less that of a
node with an empty database, which is told as well; all of it with what the
system has in its cache, and once more after that was dropped (as root).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from benchmarks.figures import Figure, arguments, run
from benchmarks.footprint import disk
from benchmarks.targets import scratch

HOSTS, CHARTS, DIMENSIONS = 50, 50, 4
SAMPLE: Final = 8.2
"""Bytes on disk of a sample of noise, with its tiers."""


def serve(directory: Path, seconds: int) -> None:
    """
    Be the node: tell when it is ready, store the past, stop.
    """
    began = time.perf_counter()
    import numpy as np
    from attrs import evolve
    from twisted.application.service import Service
    from twisted.internet import reactor
    from twisted.internet.defer import Deferred, ensureDeferred

    import netstream
    from netstream.db.interfaces import HostRecord
    from netstream.model.chart import Chart, Dimension
    from netstream.model.samples import SampleBatch, SeriesTable

    real: Any = reactor
    (directory / "etc").mkdir(parents=True, exist_ok=True)
    settings = netstream.settings(
        "standalone",
        config_dir=directory / "etc",
        data_dir=directory / "data",
        overrides=(
            "db/db=dbengine",
            *(f"db/dbengine tier {tier} retention size=off" for tier in range(3)),
            f"web/bind to=unix:{directory}/port",
        ),
    )
    node = netstream.Node(settings, reactor, lambda *_: Service())

    async def fill() -> None:
        await node.ready
        print(time.perf_counter() - began, len(list(node.hub)), flush=True)
        if not seconds:
            return
        db, local = node.hub.local.db, node.hub.local.info
        charts = [
            Chart(f"bench.c{number}", dimensions={f"d{i}": Dimension(f"d{i}") for i in range(DIMENSIONS)})
            for number in range(CHARTS)
        ]
        tables = []
        for number in range(HOSTS):
            guid = f"00000000-0000-4000-8000-{number:012d}"
            await db.put_host(HostRecord(evolve(local, guid=guid, hostname=f"bench-{number}")))
            for chart in charts:
                await db.put_chart(guid, chart)
            tables.append(SeriesTable(guid))
        rng = np.random.default_rng(1)
        now = int(time.time())
        for start in range(now - seconds, now, 900):
            times = np.arange(start, min(start + 900, now), dtype=np.int64)
            for table in tables:
                series = np.array([table.number(c.id, d) for c in charts for d in c.dimensions], np.int32)
                values = rng.random(len(times) * len(series))
                await db.append(
                    SampleBatch(
                        table,
                        np.tile(series, len(times)),
                        np.repeat(times, len(series)),
                        values.astype(np.int64),
                        values,
                        np.zeros(len(values), np.uint8),
                    )
                )
                await turn()

    def turn() -> Deferred[None]:
        waited: Deferred[None] = Deferred()
        real.callLater(0, waited.callback, None)
        return waited

    def ended(result: object) -> None:
        if result is not None:
            print(result, file=sys.stderr)
        real.stop()

    real.callWhenRunning(node.startService)
    real.addSystemEventTrigger("before", "shutdown", node.stopService)
    ensureDeferred(fill()).addBoth(ended)
    real.run()


def started(directory: Path, seconds: int = 0) -> tuple[float, int]:
    """
    Start the node and let it end.

    @return: Seconds until it served, and how many hosts it knew then.
    """
    command = [sys.executable, "-m", "benchmarks.opening", "--serve", str(directory), "--seconds", str(seconds)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    took, hosts = done.stdout.split()
    return float(took), int(hosts)


def forget_cache() -> bool:
    """
    Let the system forget what it has read, if it may be told.
    """
    os.sync()
    try:
        Path("/proc/sys/vm/drop_caches").write_text("3")
    except OSError:
        return False
    return True


def measure(options: argparse.Namespace) -> Iterator[Figure]:
    """
    @return: The figures.
    """
    size = 0.1 if options.quick else options.gigabytes
    with scratch() as directory:
        started(directory / "empty")
        empty = min(started(directory / "empty")[0] for _ in range(3))
        full = directory / "full"
        seconds = int(size * 1e9 / SAMPLE / HOSTS / CHARTS / DIMENSIONS)
        began = time.monotonic()
        started(full, seconds)
        print(f"filled in {time.monotonic() - began:.0f} s", file=sys.stderr)
        started(full)  # what was being sealed when it stopped is sealed now
        written = disk(full / "data") / 1e9
        warm, hosts = min(started(full) for _ in range(3))
        cold = started(full)[0] if forget_cache() else None
        details = {"gigabytes": written, "hosts": hosts, "empty_s": empty, "warm_s": warm, "cold_s": cold}
    name = f"opening a database of {written:.1f} GB, {hosts - 1} hosts"
    yield Figure(f"{name}, s", {"netstream": warm - empty}, 2.0, details={"netstream": details})
    yield Figure(
        f"{name}, nothing cached, s",
        {"netstream": cold},
        notes={"netstream": "the cache cannot be dropped"} if cold is None else {},
    )
    yield Figure("start of a node with an empty database, s", {"netstream": empty})


def parser() -> argparse.ArgumentParser:
    """
    @return: The command line.
    """
    found = arguments(__doc__)
    found.add_argument("--gigabytes", type=float, default=10.0)
    found.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    found.add_argument("--seconds", type=int, default=0, help=argparse.SUPPRESS)
    return found


if __name__ == "__main__":
    given = parser().parse_args()
    if given.serve:
        serve(given.serve, given.seconds)
    else:
        run(parser(), measure)
