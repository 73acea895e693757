"""
Many open dashboards on one parent in real time, and requests a second.

    python -m benchmarks.dashboards --children 50 --open 200
    python -m benchmarks.dashboards --children 0 --target agent --target netstream

The first part: other nodes were here before; children send 2000 samples a second
each; then so many pages are opened at the same moment, as browsers do.  Each
listens to the charts that a screen shows of one of them, by Server-Sent Events,
a new visitor opens one now and then, and at last a large child connects.  A call is due every 5 ms in the
parent's reactor; how late it comes is the stall.  The second: connections that
are kept ask a parent with an hour of 200 charts for the last minute of one, then
for one or two minutes of each, as fast as they are answered.
"""

from __future__ import annotations

import argparse
import json
import selectors
import socket
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import cycle
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure, arguments, chosen, run
from benchmarks.footprint import cpu, memory
from benchmarks.load import Load, NoLoad, child_name
from benchmarks.pages import Crowd, Listeners, charts_of, whole
from benchmarks.stall import Noise, Stalls
from benchmarks.targets import ProbedNode, make_parent, preferred, scratch
from tests.interop.peers import Peer

LIVE: Mapping[str, Any] = {"protocol": "v2", "dimensions": 4, "seconds": 3600, "warmup": 0}
"""How children stream in real time."""
KINDS = {
    "a minute of one chart": (1, 1, 60),
    "each another chart or window": (200, 50, 60),
    "ten minutes, each another chart or window": (200, 50, 560),
}
"""Charts and windows that are asked for, and seconds of the first window."""


def watched(options: argparse.Namespace) -> dict[str, Any]:
    """
    @return: How late turns came, in ms: without pages, while they open, when
        they are open, and when a large child connects besides.
    """
    with scratch() as directory, ExitStack() as stack:
        parent = make_parent("netstream", directory, probed=True)
        assert isinstance(parent, ProbedNode)
        parent.long = options.long
        stack.callback(parent.kill)
        parent.start()
        if options.known:
            _come_and_go(parent, options.known)
        load = Load(parent.port, {**LIVE, "children": options.children, "charts": 500, "pause": 5})
        with load:
            load.until("begin")
            time.sleep(10)
            names = charts_of(parent.port, child_name(0))
            before = _Watched(parent)
            time.sleep(options.watched)
            before.stop()

            crowd = Crowd(parent.port, options.open, options.children, names)
            stack.callback(crowd.close)
            opening = _Watched(parent)
            crowd.open()
            opening.stop()
            pages = Listeners(crowd.sockets)
            pages.start()
            stack.callback(pages.stop)
            time.sleep(5)

            during, events, took = _Watched(parent), pages.events, []
            while time.time() < during.began + options.watched:
                asked = time.perf_counter()
                charts_of(parent.port, child_name(0))
                took.append(time.perf_counter() - asked)
                time.sleep(5)
            events, held = pages.events - events, memory(parent.pid)
            during.stop()
            large = _Watched(parent)
            if options.large:
                one = {**LIVE, "prefix": "large", "seed": 3, "children": 1, "charts": options.large}
                with Load(parent.port, one) as another:
                    another.until("begin")
                    time.sleep(5)
            large.stop()
            known = len(parent.reachable()) - 1
            pages.stop()
        turns = [json.loads(line) for line in parent.turns.read_text().splitlines()]
        return {
            **before.told(turns, "before"),
            **opening.told(turns, "opening"),
            **during.told(turns, "during"),
            **(large.told(turns, "large") if options.large else {}),
            "known": known,
            "opened_s": sum(crowd.seconds.values()),
            "opened_requests": crowd.requests,
            "opened_steps_s": crowd.seconds,
            "events_a_page_s": events / options.open / (during.ended - during.began),
            "charts_ms": statistics.median(took) * 1000,
            "rss": held.rss,
        }


class _Watched:
    """
    A stretch of time in which a parent is watched.

    @ivar began: UTC seconds.
    @ivar ended: The same.
    """

    def __init__(self, parent: ProbedNode) -> None:
        self._pid = parent.pid
        self._noise = Noise()
        self._used = cpu(parent.pid)
        self.began = self.ended = time.time()

    def stop(self) -> None:
        """
        It is over.
        """
        self.ended = time.time()
        self._used = cpu(self._pid) - self._used
        time.sleep(1.1)  # until its last second was told of
        self._idle = self._noise.stop()

    def told(self, turns: Sequence[Mapping[str, Any]], name: str) -> dict[str, Any]:
        """
        @param turns: What the parent wrote.
        @param name: What the keys begin with.
        """
        found = Stalls.of(turns, self.began, self.ended + 1)
        return {
            f"{name}_ms": found.worst,
            f"{name}_queued_ms": found.queued,
            f"{name}_own_ms": found.own,
            f"{name}_worked_ms": found.worked,
            f"{name}_median_ms": found.median,
            f"{name}_stolen_ms": found.stolen,
            f"{name}_seconds_over_20_ms": found.over,
            f"{name}_seconds": found.seconds,
            f"{name}_idle_ms": self._idle,
            f"{name}_cores": self._used / (self.ended - self.began),
        }


def _come_and_go(parent: ProbedNode, count: int) -> None:
    """
    Let so many nodes become known, of which none stays.
    """
    few = {**LIVE, "prefix": "known", "seed": 2, "children": count, "charts": 1, "seconds": 2}
    with Load(parent.port, few) as load:
        load.until("end")


def answered(target: str, options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """
    @return: Requests a second, and the processor time of each, by kind.
    """
    with scratch() as directory:
        parent = make_parent(target, directory)
        try:
            parent.start()
            preferred(parent.pid)
            load = Load(
                parent.port,
                {
                    "protocol": "v1" if target == "agent" else "v2",
                    "pace": "second",
                    "children": 1,
                    "charts": 200,
                    "dimensions": 4,
                    "back": 3600,
                    "warmup": 0,
                    "seconds": 3600,
                },
            )
            with load:
                load.until("caught up")
                time.sleep(5)
                names = sorted(charts_of(parent.port, child_name(0)))
                return {
                    kind: _asked(parent, _paths(names[:charts], windows, shortest), options)
                    for kind, (charts, windows, shortest) in KINDS.items()
                }
        finally:
            parent.kill()


def _paths(charts: Sequence[str], windows: int, shortest: int) -> list[str]:
    """
    @param shortest: Seconds of the first window; each is a second longer.
    @return: Questions in an order in which none comes soon again.
    """
    return [
        f"/host/{child_name(0)}/api/v1/data?chart={chart}&after=-{seconds}&points={seconds}"
        "&format=json&options=seconds,jsonwrap"
        for seconds in range(shortest, shortest + windows)
        for chart in charts
    ]


def _asked(parent: Peer, paths: Sequence[str], options: argparse.Namespace) -> dict[str, Any]:
    """
    Ask over several connections as fast as they are answered, by one thread
    that does little besides.
    """
    questions = cycle(
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{parent.port}\r\nConnection: keep-alive\r\n\r\n".encode()
        for path in paths
    )
    total, ends = 0, time.monotonic() + options.asking
    used = cpu(parent.pid)
    with ExitStack() as stack, selectors.DefaultSelector() as selector:
        for _ in range(options.connections):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", parent.port), 60))
            selector.register(connection, selectors.EVENT_READ, bytearray())
            connection.sendall(next(questions))
        while time.monotonic() < ends:
            ready = selector.select(60)
            if not ready:
                raise NoLoad("nothing was answered within a minute")
            for key, _ in ready:
                heard: bytearray = key.data
                said = key.fileobj.recv(1 << 16)  # type: ignore[union-attr]
                if not said:
                    raise NoLoad("a connection was closed before its question was answered")
                heard += said
                answer = whole(heard)
                if answer is None:
                    continue
                if len(answer) < 500:
                    raise NoLoad(f"an answer has only {len(answer)} bytes")
                heard.clear()
                total += 1
                key.fileobj.sendall(next(questions))  # type: ignore[union-attr]
    used = cpu(parent.pid) - used
    return {"per_second": total / options.asking, "cpu_ms": used / total * 1000, "requests": total}


def _stalls(options: argparse.Namespace, seen: Mapping[str, Any]) -> Iterator[Figure]:
    """
    @return: The figures of the first part.
    """
    rate = f"{options.children * 2000:,}".replace(",", " ")
    known = f", {options.known} more nodes known" if options.known else ""
    rows = [
        (f"longest stall with {options.open} dashboards open at {rate} samples/s{known}, ms", "during", 20.0),
        (f"longest stall while these {options.open} open at once, ms", "opening", 20.0),
        ("longest stall without dashboards before, ms", "before", None),
    ]
    if options.large:
        rows.insert(2, (f"longest stall while a child with {options.large} charts connects, ms", "large", 20.0))
    details = {"netstream": seen}
    for name, stretch, goal in rows:
        for row, key, limit in (
            (name, "ms", goal),
            ("for which of it the thread of the reactor waited for a processor, ms", "queued_ms", None),
            ("longest less such waiting, ms", "own_ms", goal),
            ("for which of one the thread of the reactor worked, at most, ms", "worked_ms", goal),
            ("median of the longest of each second, ms", "median_ms", None),
            ("an idle thread of another process at the same time, ms", "idle_ms", None),
            ("processor, cores", "cores", None),
        ):
            yield Figure(row, {"netstream": seen[f"{stretch}_{key}"]}, limit, True, {"agent": "-"}, details)
    for name, key in (
        (f"until all {options.open} are open, {seen['opened_requests']} requests, s", "opened_s"),
        ("events a dashboard and second", "events_a_page_s"),
        ("asking for all 500 charts of a node meanwhile, ms", "charts_ms"),
    ):
        yield Figure(name, {"netstream": seen[key]}, None, True, {"agent": "-"}, details)


def measure(options: argparse.Namespace) -> Iterator[Figure]:
    """
    @return: The figures of both parts.
    """
    if options.quick:
        options.children, options.open, options.watched, options.asking = 2, 10, 10, 3
        options.known, options.large = min(options.known, 20), min(options.large, 200)
    if options.children and "netstream" in chosen(options):
        yield from _stalls(options, watched(options))
    found: dict[str, dict[str, dict[str, Any]]] = {}
    notes = {}
    for target in chosen(options):
        try:
            found[target] = answered(target, options)
        except NoLoad as problem:
            notes[target] = str(problem)
    for kind in KINDS:
        details = {target: each[kind] for target, each in found.items()}
        values = {target: each["per_second"] for target, each in details.items()}
        yield Figure(f"requests/s, {kind}", values, values.get("agent"), False, notes, details)
        values = {target: each["cpu_ms"] for target, each in details.items()}
        yield Figure(f"processor of each request, {kind}, ms", values, None, True, notes, details)


def parser() -> argparse.ArgumentParser:
    """
    @return: The command line.
    """
    made = arguments(__doc__)
    made.add_argument("--children", type=int, default=50, help="of 2000 metrics each; 0 leaves the first part out")
    made.add_argument("--open", type=int, default=200, help="dashboards")
    made.add_argument("--known", type=int, default=1000, help="nodes that were here before; 0 leaves them out")
    made.add_argument("--large", type=int, default=2000, help="charts of a child that comes then; 0 leaves it out")
    made.add_argument("--watched", type=int, default=30, help="seconds")
    made.add_argument("--asking", type=int, default=10, help="seconds")
    made.add_argument("--long", type=Path, help="write to this file what was in the turns over 10 ms")
    made.add_argument("--connections", type=int, default=4)
    return made


if __name__ == "__main__":
    run(parser(), measure)
