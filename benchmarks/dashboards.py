"""
Many open dashboards on one parent in real time, and requests a second.

    python -m benchmarks.dashboards --children 50 --open 200
    python -m benchmarks.dashboards --children 0 --target agent --target netstream

The first part: children send 2000 samples a second each; then so many pages
listen to the charts that a screen shows of one of them, by Server-Sent Events,
and a new visitor opens one now and then.  A call is due every 5 ms in the
parent's reactor; how late it comes is the stall.  The second: connections that
are kept ask a parent with an hour of 200 charts for the last minute of one, then
for one or two minutes of each, as fast as they are answered.
"""

from __future__ import annotations

import argparse
import http.client
import json
import re
import selectors
import socket
import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import cycle
from pathlib import Path
from typing import Any
from urllib.parse import quote

from attrs import define, field

from benchmarks.figures import Figure, arguments, chosen, run
from benchmarks.footprint import cpu, memory
from benchmarks.load import Load, NoLoad, child_name
from benchmarks.stall import Noise, Stalls
from benchmarks.targets import ProbedNode, make_parent, preferred, scratch
from tests.interop.peers import Peer

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)

SHOWN = 12
"""Charts on a screen."""
KINDS = {
    "a minute of one chart": (1, 1, 60),
    "each another chart or window": (200, 50, 60),
    "ten minutes, each another chart or window": (200, 50, 560),
}
"""Charts and windows that are asked for, and seconds of the first window."""


@define(eq=False)
class Listeners:
    """
    Pages that listen, all in one thread.

    @ivar events: What each was told.
    """

    port: int
    count: int
    children: int
    charts: Sequence[str]
    events: int = 0
    bytes: int = 0
    _over: threading.Event = field(factory=threading.Event)
    _thread: threading.Thread | None = None
    _sockets: list[socket.socket] = field(factory=list)

    def start(self) -> None:
        """
        Open them, one after the other.
        """
        for number in range(self.count):
            first = number * SHOWN % (len(self.charts) - SHOWN)
            names = "\n".join(self.charts[first : first + SHOWN])
            path = f"/host/{child_name(number % self.children)}/api/v1/live?charts={quote(names, safe='')}"
            one = socket.create_connection(("127.0.0.1", self.port))
            one.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            one.setblocking(False)
            self._sockets.append(one)
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        with selectors.DefaultSelector() as selector:
            for one in self._sockets:
                selector.register(one, selectors.EVENT_READ)
            while not self._over.is_set():
                for key, _ in selector.select(0.2):
                    got = key.fileobj.recv(1 << 16)  # type: ignore[union-attr]
                    self.bytes += len(got)
                    self.events += got.count(b"event: samples")
                    if not got:
                        selector.unregister(key.fileobj)

    def stop(self) -> None:
        """
        Close them.
        """
        self._over.set()
        if self._thread is not None:
            self._thread.join()
        for one in self._sockets:
            one.close()


def _charts(port: int) -> list[str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", f"/host/{child_name(0)}/api/v1/charts")
    found: list[str] = list(json.loads(connection.getresponse().read())["charts"])
    connection.close()
    return found


def watched(options: argparse.Namespace) -> dict[str, Any]:
    """
    @return: How late turns came, in ms, without and with the pages.
    """
    with scratch() as directory:
        parent = make_parent("netstream", directory, probed=True)
        assert isinstance(parent, ProbedNode)
        parent.long = options.long
        try:
            parent.start()
            load = Load(
                parent.port,
                {
                    "protocol": "v2",
                    "children": options.children,
                    "charts": 500,
                    "dimensions": 4,
                    "seconds": 3600,
                    "warmup": 0,
                    "pause": 5,
                },
            )
            with load:
                load.until("begin")
                time.sleep(10)
                names = _charts(parent.port)
                began = time.time()
                used = cpu(parent.pid)
                time.sleep(options.watched)
                alone = (cpu(parent.pid) - used) / options.watched
                pages = Listeners(parent.port, options.open, options.children, names)
                pages.start()
                time.sleep(5)
                opened = time.time()
                events, noise, used = pages.events, Noise(), cpu(parent.pid)
                took = []
                while time.time() < opened + options.watched:
                    asked = time.perf_counter()
                    _charts(parent.port)
                    took.append(time.perf_counter() - asked)
                    time.sleep(5)
                with_pages = (cpu(parent.pid) - used) / options.watched
                events, idle = pages.events - events, noise.stop()
                held = memory(parent.pid)
                pages.stop()
            turns = [json.loads(line) for line in parent.turns.read_text().splitlines()]
            before = Stalls.of(turns, began, began + options.watched)
            during = Stalls.of(turns, opened, opened + options.watched)
            return {
                "before_ms": before.worst,
                "before_own_ms": before.own,
                "before_median_ms": before.median,
                "during_ms": during.worst,
                "during_queued_ms": during.queued,
                "during_own_ms": during.own,
                "during_median_ms": during.median,
                "during_stolen_ms": during.stolen,
                "seconds_over_20_ms": during.over,
                "seconds": during.seconds,
                "idle_ms": idle,
                "cores_before": alone,
                "cores": with_pages,
                "events_a_page_s": events / options.open / options.watched,
                "opening_ms": statistics.median(took) * 1000,
                "rss": held.rss,
            }
        finally:
            parent.kill()


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
                names = sorted(_charts(parent.port))
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
                if not _is_answer(heard):
                    continue
                heard.clear()
                total += 1
                key.fileobj.sendall(next(questions))  # type: ignore[union-attr]
    used = cpu(parent.pid) - used
    return {"per_second": total / options.asking, "cpu_ms": used / total * 1000, "requests": total}


def _is_answer(heard: bytearray) -> bool:
    """
    @return: Whether all of an answer is there.
    @raise NoLoad: It is not what was asked for.
    """
    head, end, body = heard.partition(b"\r\n\r\n")
    if not end:
        return False
    if not head.startswith(b"HTTP/1.1 200 "):
        raise NoLoad(f"a question was answered with {bytes(head[:60])!r}")
    said = _LENGTH.search(head)
    if said is None:
        raise NoLoad("an answer does not say how long it is")
    length = int(said[1])
    if length < 500:
        raise NoLoad(f"an answer has only {length} bytes")
    return len(body) >= length


def measure(options: argparse.Namespace) -> Iterator[Figure]:
    """
    @return: The figures of both parts.
    """
    if options.quick:
        options.children, options.open, options.watched, options.asking = 2, 10, 10, 3
    if options.children and "netstream" in chosen(options):
        seen = watched(options)
        details = {"netstream": seen}
        rate = f"{options.children * 2000:,}".replace(",", " ")
        for name, key, goal in (
            (f"longest stall with {options.open} dashboards open at {rate} samples/s, ms", "during_ms", 20.0),
            ("for which of it the thread of the reactor waited for a processor, ms", "during_queued_ms", None),
            ("longest stall less such waiting, ms", "during_own_ms", 20.0),
            ("median of the longest of each second, ms", "during_median_ms", None),
            ("longest stall without dashboards before, ms", "before_ms", None),
            ("the same less waiting for a processor, ms", "before_own_ms", None),
            ("an idle thread of another process at the same time, ms", "idle_ms", None),
            ("processor, cores", "cores", None),
            ("without dashboards, cores", "cores_before", None),
            ("events a dashboard and second", "events_a_page_s", None),
            ("asking for all 500 charts of a node meanwhile, ms", "opening_ms", None),
        ):
            yield Figure(name, {"netstream": seen[key]}, goal, True, {"agent": "-"}, details)
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
    made.add_argument("--watched", type=int, default=30, help="seconds")
    made.add_argument("--asking", type=int, default=10, help="seconds")
    made.add_argument("--long", type=Path, help="write to this file what was in the turns over 10 ms")
    made.add_argument("--connections", type=int, default=4)
    return made


if __name__ == "__main__":
    run(parser(), measure)
