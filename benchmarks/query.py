"""
Measure what an answer costs: a node with history is asked for one chart over HTTP.

The node is a process of its own, started through the public API, that collects nothing; its history
is stored through its database.  A client with one connection that is kept asks the same question
again and again, in other words each time, after some answers that do not count.

    python benchmarks/query.py                                    # 1 h at 1 s, ram
    python benchmarks/query.py --seconds 86400 --points 600 --engine dbengine
    python benchmarks/query.py --seconds 2592000 --points 600 --group max --format csv

Prints JSON: milliseconds at the client (median, 95th percentile, least), CPU milliseconds of the node
per answer, rows and bytes of the answer.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(CHECKOUT))

BATCH = 900
"""Seconds that are stored at once."""


def serve(options: argparse.Namespace) -> None:
    """
    Be the node: store history, then print the port and serve until killed.
    """
    import numpy as np
    from twisted.application.service import Service
    from twisted.internet import reactor
    from twisted.internet.defer import Deferred

    import netstream
    from netstream.model.chart import Chart, Dimension
    from netstream.model.samples import SampleBatch
    from netstream.model.updates import ChartDefined

    directory = Path(options.serve)
    (directory / "etc").mkdir(parents=True, exist_ok=True)
    settings = netstream.settings(
        "standalone",
        config_dir=directory / "etc",
        data_dir=directory / "data",
        overrides=(
            f"db/mode={options.engine}",
            f"db/retention={options.seconds + 86400}",
            "web/bind to=127.0.0.1",
            f"web/default port={_free_port()}",
        ),
    )
    node = netstream.Node(settings, reactor, lambda *_: Service())

    async def fill() -> None:
        await node.ready
        host = node.hub.local
        charts = [
            Chart(f"bench.c{number}", dimensions={f"d{i}": Dimension(f"d{i}") for i in range(options.dims)})
            for number in range(options.charts)
        ]
        for chart in charts:
            host.apply(ChartDefined(chart))
        numbers = np.array([host.table.number(c.id, d) for c in charts for d in c.dimensions], np.int32)
        rng = np.random.default_rng(1)
        now = int(time.time())
        for start in range(now - options.seconds - 60, now, BATCH):
            seconds = np.arange(start, min(start + BATCH, now), dtype=np.int64)
            values = rng.normal(50, 10, (len(seconds), len(numbers)))
            if options.whole:
                values = np.round(values)
            if options.gaps:
                values[rng.random(values.shape) < options.gaps] = np.nan
            flat = values.ravel()
            batch = SampleBatch(
                host.table,
                np.tile(numbers, len(seconds)),
                np.repeat(seconds, len(numbers)),
                np.nan_to_num(flat).astype(np.int64),
                flat,
                np.where(np.isnan(flat), 4, 0).astype(np.uint8),
            )
            await host.db.append(batch)
        if options.profile:
            import cProfile

            profile = cProfile.Profile()
            reactor.addSystemEventTrigger(  # type: ignore[attr-defined]
                "before", "shutdown", lambda: (profile.disable(), profile.dump_stats(options.profile))
            )
            profile.enable()
        print(node.port, flush=True)

    def failed(failure: Any) -> None:
        failure.printTraceback()
        os._exit(1)

    reactor.callWhenRunning(node.startService)  # type: ignore[attr-defined]
    Deferred.fromCoroutine(fill()).addErrback(failed)
    reactor.run()  # type: ignore[attr-defined]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def cpu(pid: int) -> float:
    """
    @return: Milliseconds of CPU that all threads of a process have used.
    """
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        total += int((task / "schedstat").read_text().split()[0])
    return total / 1e6


class Client:
    """
    One connection that is kept.
    """

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = bytearray(1 << 25)

    def get(self, path: str) -> bytes:
        """
        @return: The body of an answer with status 200.
        """
        self._socket.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        view, have, top, size = memoryview(self._buffer), 0, -1, 0
        while top < 0 or have < top + size:
            read = self._socket.recv_into(view[have:])
            if not read:
                raise EOFError("the node closed the connection")
            have += read
            if top < 0 and (found := self._buffer.find(b"\r\n\r\n", 0, have)) >= 0:
                head = bytes(self._buffer[:found]).lower()
                if not head.startswith(b"http/1.1 200 "):
                    raise ValueError(head.split(b"\r\n")[0].decode())
                top, size = found + 4, int(head.split(b"content-length:")[1].split()[0])
        return bytes(view[top : top + size])


def measure(options: argparse.Namespace, pid: int, port: int) -> dict[str, Any]:
    """
    @return: What is printed.
    """
    asked = {"chart": "bench.c0", "after": -options.seconds, "points": options.points, "group": options.group}
    path = "/api/v1/data?" + urlencode(asked | {"format": options.format, "options": options.options})
    client = Client(port)
    for turn in range(options.warm):
        body = client.get(f"{path}&_={turn}")
    before = cpu(pid)
    taken = []
    for turn in range(options.requests):
        start = time.perf_counter()
        body = client.get(f"{path}&_={options.warm + turn}")  # another question, whose answer nobody has kept
        taken.append((time.perf_counter() - start) * 1000)
    used = (cpu(pid) - before) / options.requests
    rows = len(json.loads(body)["data"]) if options.format == "json" and "jsonwrap" not in options.options else None
    return {
        "engine": options.engine,
        "seconds": options.seconds,
        "points": options.points,
        "dims": options.dims,
        "group": options.group,
        "format": options.format,
        "rows": rows,
        "bytes": len(body),
        "median_ms": round(statistics.median(taken), 3),
        "p95_ms": round(sorted(taken)[int(len(taken) * 0.95)], 3),
        "least_ms": round(min(taken), 3),
        "cpu_ms": round(used, 3),
    }


def main() -> None:
    """
    Start the node, ask it, print what it took.
    """
    parser = argparse.ArgumentParser(description="Measure what an answer costs.")
    parser.add_argument("--seconds", type=int, default=3600, help="length of the window")
    parser.add_argument("--points", type=int, default=0, help="rows asked for; 0 is one a second")
    parser.add_argument("--dims", type=int, default=4, help="dimensions of the chart")
    parser.add_argument("--charts", type=int, default=1, help="charts that the node has")
    parser.add_argument("--engine", choices=("ram", "dbengine"), default="ram")
    parser.add_argument("--group", default="average", help="time aggregation")
    parser.add_argument("--format", default="json")
    parser.add_argument("--options", default="", help="options of the question")
    parser.add_argument("--whole", action="store_true", help="store whole numbers")
    parser.add_argument("--gaps", type=float, default=0.0, help="share of the samples that are gaps")
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--warm", type=int, default=20, help="answers that do not count")
    parser.add_argument("--profile", default="", help="where the node writes what cProfile sees")
    parser.add_argument("--serve", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options)
        return
    with tempfile.TemporaryDirectory(prefix="netstream-query-") as directory:
        command = [sys.executable, __file__, *sys.argv[1:], "--serve", directory]
        node = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert node.stdout is not None
            print(json.dumps(measure(options, node.pid, int(node.stdout.readline()))))
        finally:
            node.terminate()
            try:
                node.wait(30)
            except subprocess.TimeoutExpired:
                node.kill()


if __name__ == "__main__":
    main()
