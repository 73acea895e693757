"""
What alerts cost: 10 000 over 100 000 metrics, each evaluated every 10 seconds.

C{python benchmarks/alerts.py [HOSTS]} prints the processor time of a pass.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import react

from netstream.db import DBEngine
from netstream.health.definitions import parse
from netstream.health.engine import Counter, HostAlerts, Rules
from netstream.health.passes import evaluate
from netstream.hub.hub import Host
from netstream.model.chart import Chart, Dimension
from netstream.model.host import HostInfo
from netstream.model.samples import SampleBatch
from netstream.model.updates import ChartDefined

ALERTS, DIMENSIONS, PASSES = 10_000, 10, 6
TEXT = """
template: busy
on: bench.context
lookup: average -1m unaligned
every: 10s
units: %
warn: $this > (($status >= $WARNING) ? (175) : (185))
crit: $this > (($status == $CRITICAL) ? (185) : (195))
delay: down 15m multiplier 1.5 max 1h
"""


def _host(db: DBEngine, number: int, charts: int) -> Host:
    host = Host(HostInfo(f"00000000-0000-0000-0000-{number:012}", f"host{number}"), db, local=True)
    dimensions = {f"d{n}": Dimension(f"d{n}") for n in range(DIMENSIONS)}
    for chart in range(charts):
        host.apply(ChartDefined(Chart(f"bench.c{chart}", context="bench.context", dimensions=dimensions)))
    return host


def _fill(host: Host, second: int, random: np.random.Generator) -> None:
    numbers = [host.table.number(chart, d) for chart, of in host.charts.items() for d in of.dimensions]
    values = random.uniform(0, 33, len(numbers))
    host.apply(
        SampleBatch(
            host.table,
            np.asarray(numbers, np.int32),
            np.full(len(numbers), second, np.int64),
            values.astype(np.int64),
            values,
            np.zeros(len(numbers), np.uint8),
        )
    )


async def _main(hosts: int) -> None:
    directory = Path(tempfile.mkdtemp(prefix="netstream-bench-"))
    db = DBEngine(directory, reactor)
    await db.open()
    random = np.random.default_rng(1)
    rules = Rules(tuple(parse(TEXT, "bench.conf").definitions))
    watched = [HostAlerts(_host(db, n, ALERTS // hosts), rules, Counter(), {}) for n in range(hosts)]
    now = int(time.time())
    for second in range(now - 80, now):
        for these in watched:
            _fill(these.host, second, random)
    for these in watched:
        these.refresh(now)
    costs = []
    for turn in range(PASSES):
        now += 10
        for second in range(now - 10, now):
            for these in watched:
                _fill(these.host, second, random)
        before, began, happened = time.process_time(), time.monotonic(), 0
        for these in watched:
            happened += len(await evaluate(these, now, reactor))  # type: ignore[arg-type]
        costs.append(time.process_time() - before)
        alerts = sum(len(these.alerts) for these in watched)
        print(
            f"pass {turn + 1}: {alerts} alerts of {hosts} hosts, {happened} transitions,"
            f" {costs[-1]:.3f} s of processor in {time.monotonic() - began:.3f} s: {costs[-1] * 10:.1f} % of a core",
            flush=True,
        )
    print(f"median of the passes but the first: {float(np.median(costs[1:])) * 10:.1f} % of a core")
    await db.close()


if __name__ == "__main__":
    chosen = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    react(lambda _: Deferred.fromCoroutine(_main(chosen)), [])
