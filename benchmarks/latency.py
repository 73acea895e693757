"""
What an answer costs: one chart over HTTP, for an hour, a day and 30 days.

    python -m benchmarks.latency --days 30

One synthetic child sends 30 days of one chart of four noisy dimensions, a
second each, over the streaming protocol (30 days cannot be waited for).  Then
the parent is asked again and again over one connection that is kept.  Before
that it gets the time in which coarser rows are made of what came to rest, as it
has in life; C{--quick} does not wait for them.
"""

from __future__ import annotations

import argparse
import http.client
import json
import statistics
import time
from collections.abc import Iterator
from typing import Any

from benchmarks.figures import Figure, arguments, chosen, run
from benchmarks.footprint import cpu, settle
from benchmarks.load import Load, NoLoad, child_name
from benchmarks.targets import make_parent, preferred, scratch, stored_bytes
from tests.interop.peers import Peer

CHART = "app_unit00.metric_0000"
REST = 180
"""Seconds after the last sample of a stretch in which coarser rows have been made of it."""


def once(target: str, options: argparse.Namespace) -> dict[str, Any]:
    """
    @return: Milliseconds and more, by question.
    """
    back = options.days * 86400
    with scratch() as directory:
        parent = make_parent(target, directory, options=["db/dbengine tier 0 retention time=60d"])
        try:
            parent.start()
            preferred(parent.pid)
            load = Load(
                parent.port,
                {
                    "protocol": "v1" if target == "agent" else "v2",
                    "pace": "second",
                    "children": 1,
                    "charts": 1,
                    "dimensions": 4,
                    "back": back,
                    "warmup": 0,
                    "seconds": 3600,
                },
            )
            with load:
                load.until("caught up")
                settled = settle(parent.pid, 3 if options.quick else 120)
                if target == "netstream" and not options.quick:
                    time.sleep(REST)
                    settled += settle(parent.pid, 120)
                newest = int(time.time()) - 5
                questions = {
                    "1 h at 1 s": (newest - 3600, 3600),
                    "1 d at 600 points": (newest - 86400, 600),
                }
                if options.days > 1:
                    questions[f"{options.days} d at 600 points"] = (newest - back + 3600, 600)
                seen: dict[str, Any] = {
                    name: _asked(parent, after, newest, points, options.times)
                    for name, (after, points) in questions.items()
                }
                seen["settled_s_later"] = settled
                seen["disk"] = stored_bytes(parent)
                return seen
        finally:
            parent.kill()


def _asked(parent: Peer, after: int, before: int, points: int, times: int) -> dict[str, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", parent.port, timeout=60)
    path = (
        f"/host/{child_name(0)}/api/v1/data?chart={CHART}&after={after}&before={before}&points={points}"
        "&group=average&format=json&options=seconds"
    )
    taken = []
    body = b""
    for turn in range(times + 3):
        if turn == 3:
            used = cpu(parent.pid)
        began = time.perf_counter()
        connection.request("GET", f"{path}&_={turn}")  # another question, whose answer nobody has kept
        answer = connection.getresponse()
        body = answer.read()
        taken.append(time.perf_counter() - began)
        if answer.status != 200:
            raise NoLoad(f"{path} was answered with {answer.status}")
    used = cpu(parent.pid) - used
    connection.close()
    rows = json.loads(body)["data"]
    taken = sorted(taken[3:])
    return {
        "ms": statistics.median(taken) * 1000,
        "p95_ms": taken[int(len(taken) * 0.95)] * 1000,
        "cpu_ms": used / times * 1000,
        "rows": len(rows),
        "bytes": len(body),
        "empty_rows": sum(all(value is None for value in row[1:]) for row in rows),
    }


def measure(options: argparse.Namespace) -> Iterator[Figure]:
    """
    @return: The figures of each question.
    """
    if options.quick:
        options.days, options.times = 1, 10
    seen: dict[str, dict[str, Any]] = {}
    notes = {}
    for target in chosen(options):
        try:
            seen[target] = once(target, options)
        except NoLoad as problem:
            if "compiler" in str(problem):
                raise
            notes[target] = str(problem)
    goals = {"1 h at 1 s": 1.6, "1 d at 600 points": 5.0, "30 d at 600 points": 10.0}
    names = [name for name in next(iter(seen.values()), {}) if " at " in name]
    for name in names:
        values = {target: found[name]["ms"] for target, found in seen.items()}
        details = {target: found[name] for target, found in seen.items()}
        yield Figure(f"1 chart, {name}, through HTTP, ms", values, goals.get(name), True, notes, details)


def parser() -> argparse.ArgumentParser:
    """
    @return: The command line.
    """
    found = arguments(__doc__)
    found.add_argument("--days", type=int, default=30, help="of history")
    found.add_argument("--times", type=int, default=200, help="that each question is asked")
    return found


if __name__ == "__main__":
    run(parser(), measure)
