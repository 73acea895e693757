"""
Measure what exporting costs: 100 000 metrics, each collected once a second and sent every 10 s.

A process hears the samples of hosts, stores nothing, and exports over loopback to a sink that is a
process of its own.  It does the same once more without a target; the difference is what exporting
costs.  Samples come in real time, as one batch a host and second.

    python benchmarks/export.py                              # graphite, averages
    python benchmarks/export.py --type prometheus_remote_write --source 'as collected'
    python benchmarks/export.py --hosts 10 --charts 25 --seconds 11

Prints JSON: percent of a core that exporting costs, the longest time the reactor was held up with and
without it (milliseconds), CPU of the first interval, in which all names become bytes (seconds),
resident memory a metric (bytes), and samples sent.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(CHECKOUT))

from benchmarks.figures import Figure, arguments, chosen  # noqa: E402 -- also run as a file

DIMENSIONS = 4
KINDS = ("graphite", "prometheus_remote_write")
"""What is measured with all other figures."""
SINK = """
import socket, sys, threading
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
def lines(connection):
    while connection.recv(1 << 20):
        pass
def posts(connection):
    data = b""
    while piece := connection.recv(1 << 20):
        data += piece
        while (end := data.find(b"\\r\\n\\r\\n")) >= 0:
            head = data[:end].lower()
            size = int(head.split(b"content-length:")[1].split(b"\\r")[0])
            if len(data) < end + 4 + size:
                break
            data = data[end + 4 + size:]
            connection.sendall(b"HTTP/1.1 204 No Content\\r\\n\\r\\n")
while True:
    connection = server.accept()[0]
    threading.Thread(target=posts if sys.argv[1] == "http" else lines, args=(connection,), daemon=True).start()
"""


def node(options: argparse.Namespace) -> None:
    """
    Be the node; prints JSON.
    """
    import numpy as np
    from twisted.internet import reactor as installed
    from twisted.internet.endpoints import HostnameEndpoint

    from netstream.config.settings import Destination, ExportTarget
    from netstream.db.none import NoneDB
    from netstream.export.service import ExportService
    from netstream.hub.hub import Hub, Link
    from netstream.model.chart import Chart, Dimension
    from netstream.model.host import HostInfo
    from netstream.model.samples import SampleBatch
    from netstream.model.updates import ChartDefined

    reactor: Any = installed
    db = NoneDB()
    hub = Hub(HostInfo("11111111-1111-1111-1111-111111111111", "parent"), db)
    hosts = [
        hub.connect(HostInfo(f"22222222-2222-2222-2222-{n:012}", f"host-{n}", hops=1), db, Link("-", 0.0))
        for n in range(options.hosts)
    ]
    width = options.charts * DIMENSIONS
    for host in hosts:
        for number in range(options.charts):
            names = [f"dimension{d}" for d in range(DIMENSIONS)]
            host.apply(
                ChartDefined(
                    Chart(
                        f"bench_family{number}.chart{number}",
                        units="requests/s",
                        family=f"family {number % 30}",
                        context=f"bench.context{number % 50}",
                        dimensions={name: Dimension(name) for name in names},
                    )
                )
            )
            for name in names:
                host.table.number(f"bench_family{number}.chart{number}", name)
    rng = np.random.default_rng(1)
    series = np.arange(width, dtype=np.int32)
    collected = rng.integers(0, 1 << 40, width)
    values = rng.uniform(0, 1e6, width)
    flags = np.zeros(width, np.uint8)
    service = None
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if options.node:
        http = options.type in ("prometheus_remote_write", "otlp") or options.http
        place = Destination("sink", "tcp", "127.0.0.1", options.node, "")
        target = ExportTarget("bench:sink", options.type, http, (place,), path="/", source=options.source)
        service = ExportService(
            hub,
            (target,),
            Path(options.directory),
            reactor,
            lambda to, timeout: HostnameEndpoint(reactor, to.host, to.port, timeout=timeout),
        )
        service.startService()
    started = [0.0, 0.0]
    first = [0.0]
    longest = [0.0]
    counting = [False]

    def feed(second: int) -> None:
        at = np.full(width, second, np.int64)
        for host in hosts:
            host.apply(SampleBatch(host.table, series, at, collected, values + second % 7, flags))
        reactor.callLater(max(0.0, second + 1 - time.time()), feed, second + 1)

    def probe(due: float) -> None:
        now = time.monotonic()
        if counting[0]:
            longest[0] = max(longest[0], now - due)
        reactor.callLater(0.005, probe, now + 0.005)

    def begin() -> None:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        first[0] = usage.ru_utime + usage.ru_stime - started[1]
        started[:] = [time.monotonic(), usage.ru_utime + usage.ru_stime]
        counting[0] = True

    def end() -> None:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        spent = usage.ru_utime + usage.ru_stime - started[1]
        print(
            json.dumps(
                {
                    "cpu": 100 * spent / (time.monotonic() - started[0]),
                    "first": first[0],
                    "stall": 1000 * longest[0],
                    "rss": (usage.ru_maxrss - before) * 1024 / (width * len(hosts)),
                    "sent": sum(d.sent for d in service.deliveries.values()) if service else 0,
                    "waiting": sum(d.waiting for d in service.deliveries.values()) if service else 0,
                }
            )
        )
        sys.stdout.flush()
        os._exit(0)

    usage = resource.getrusage(resource.RUSAGE_SELF)
    started[1] = usage.ru_utime + usage.ru_stime
    # The first interval that is sent is not counted, in which names become bytes.
    now = time.time()
    ready = (now // 10 + 1) * 10 + 8 - now
    reactor.callWhenRunning(feed, int(now) + 1)
    reactor.callWhenRunning(probe, time.monotonic())
    reactor.callLater(ready, begin)
    reactor.callLater(ready + options.seconds, end)
    reactor.run()


def parser() -> argparse.ArgumentParser:
    """
    @return: The options.
    """
    options = arguments("what exporting costs")
    options.add_argument("--hosts", type=int, default=100)
    options.add_argument("--charts", type=int, default=250, help="of each host, with 4 dimensions each")
    options.add_argument("--seconds", type=float, default=30.0)
    options.add_argument("--type", default="graphite")
    options.add_argument("--http", action="store_true")
    options.add_argument("--source", default="average")
    options.add_argument("--node", type=int, default=None, help=argparse.SUPPRESS)
    options.add_argument("--directory", default="", help=argparse.SUPPRESS)
    return options


def cost(options: argparse.Namespace) -> dict[str, float]:
    """
    @return: What is printed.
    """
    given = ["--hosts", str(options.hosts), "--charts", str(options.charts), "--seconds", str(options.seconds)]
    given += ["--type", options.type, "--source", options.source, *(["--http"] if options.http else [])]
    http = options.type in ("prometheus_remote_write", "otlp") or options.http
    sink = subprocess.Popen(
        [sys.executable, "-c", SINK, "http" if http else "lines"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert sink.stdout is not None
        port = sink.stdout.readline().strip()
        found = []
        for place in (port, "0"):
            with tempfile.TemporaryDirectory(prefix="netstream-bench-") as directory:
                command = [sys.executable, __file__, *given, "--node", place, "--directory", directory]
                output = subprocess.run(command, capture_output=True, text=True, timeout=options.seconds + 90)
                if output.returncode:
                    raise RuntimeError(output.stderr)
                found.append(json.loads(output.stdout))
        exporting, idle = found
        return {
            "cpu_percent": exporting["cpu"] - idle["cpu"],
            "stall_ms": exporting["stall"],
            "stall_without_ms": idle["stall"],
            "first_interval_cpu_s": exporting["first"] - idle["first"],
            "rss_a_metric": exporting["rss"] - idle["rss"],
            "sent": exporting["sent"],
            "waiting": exporting["waiting"],
        }
    finally:
        sink.kill()
        sink.wait()


def measure(options: argparse.Namespace) -> Iterator[Figure]:
    """
    @return: The figures of exporting, which the agent is not asked for.
    """
    if "netstream" not in chosen(options):
        return
    if options.quick:
        options.hosts, options.charts, options.seconds = 5, 25, 11.0
    for kind in KINDS:
        options.type = kind
        found = cost(options)
        name = f"exporting {options.hosts * options.charts * DIMENSIONS:,} metrics every 10 s, {kind}: CPU, % of a core"
        yield Figure(name, {"netstream": found["cpu_percent"]}, 5.0, details={"netstream": found})


def main() -> None:
    """
    Run from the command line.
    """
    options = parser().parse_args()
    if options.node is not None:
        node(options)
    else:
        json.dump(cost(options), sys.stdout, indent=1)
        print()


if __name__ == "__main__":
    main()
