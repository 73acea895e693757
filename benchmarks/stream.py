"""
Measure what streaming costs: CPU and memory of a parent under load, and of a child.

The load comes from synthetic children that send one sample of every metric a second, spread over
the second as real ones are, in the words of an agent 1.37 (C{v1}: raw values, the parent computes)
or 2.x (C{v2}: stored values).  The same load drives netstream and the real agent, one after the
other on the same machine; figures of different machines do not compare.

    python benchmarks/stream.py parent                       # 20 000 and 100 000 samples/s, both programs
    python benchmarks/stream.py parent --target netstream --rates 200000 --protocols v2 --seconds 120
    python benchmarks/stream.py child                        # this machine measured and streamed

Prints rows of a Markdown table.
"""

from __future__ import annotations

import argparse
import os
import selectors
import shutil
import socket
import struct
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(CHECKOUT))

from tests.interop.peers import KEY, NetstreamNode, Peer, PeerFailed, RealAgent, accepting, sending, wait_for  # noqa: E402

TICK: Final = os.sysconf("SC_CLK_TCK")
DIGITS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
V1: Final = 8 | 16 | 32 | 64 | 128 | 512
"""Plain v1 with labels, all in one request (C{V1 V2 VN VCAPS HLABELS CLABELS})."""
V2: Final = V1 | 16384 | 32768
"""With C{INTERPOLATED} and C{IEEE754}."""
PHASES: Final = 50
"""How many moments of the second children are spread over."""


def base64_number(number: int) -> str:
    """
    @return: A number as 2.x agents write it, without its sign C{#} or C{@}.
    """
    text = DIGITS[number & 63]
    while number := number >> 6:
        text = DIGITS[number & 63] + text
    return text


def double(value: float) -> str:
    """
    @return: A stored value as 2.x agents write it.
    """
    return "@" + base64_number(struct.unpack("<Q", struct.pack("<d", value))[0])


SEGMENT: Final = 1400
"""Bytes of a write: real children write as they collect, and a network delivers packets."""


class Metrics:
    """
    The charts of a synthetic child: three in ten are counters, the others are gauges, and some
    three in five of all samples repeat the one before, as on a machine that is nearly idle.
    """

    def __init__(self, charts: int, dimensions: int) -> None:
        self.charts = [f"app{k % 8}_unit{k % 37:02}.metric_{k:04}" for k in range(charts)]
        self.dimensions = [f"value{d}" for d in range(dimensions)]
        self._first = True

    def _raw(self, chart: int, dimension: int, tick: int) -> int:
        kind = chart % 10
        if kind <= 2:
            return 1000 + (0 if dimension % 3 == 2 else tick * (12 + chart + (tick * 7 + dimension) % 13))
        if kind <= 5:
            return chart * 100 + dimension
        if kind <= 7:
            return 100_000 + ((tick // 2 + chart) * 7919 % 20_011)
        return (tick * 104_729 + chart * 31 + dimension) % 1_000_003 if kind == 8 else 500 * (tick % 10 == 0)

    def definitions(self) -> bytes:
        """
        @return: The lines that define all charts.
        """
        lines = []
        for k, chart in enumerate(self.charts):
            lines.append(
                f'CHART "{chart}" "" "Synthetic metric {k}" "units" "family{k % 37}" "synthetic.context{k % 120}"'
                f' "line" {1000 + k} 1 "" "benchmark" "kind{k % 10}"'
            )
            algorithm = "incremental" if k % 10 <= 2 else "absolute"
            divisor = 100 if k % 10 in (6, 7) else 1
            lines += [f'DIMENSION "{d}" "{d}" "{algorithm}" 1 {divisor} ""' for d in self.dimensions]
        return ("\n".join(lines) + "\n").encode()

    def v1(self, tick: int) -> bytes:
        """
        @return: A collection of everything, as raw values.
        """
        elapsed = 0 if tick == 0 else 1_000_000
        parts = []
        for k, chart in enumerate(self.charts):
            parts.append(f'BEGIN "{chart}" {elapsed}\n')
            parts += [f'SET "{name}" = {self._raw(k, d, tick)}\n' for d, name in enumerate(self.dimensions)]
            parts.append("END\n")
        return "".join(parts).encode()

    def v2(self, tick: int, second: int) -> bytes:
        """
        @return: A collection of everything, as values to store.
        """
        at = base64_number(second)
        parts = []
        for k, chart in enumerate(self.charts):
            parts.append(f"BEGIN2 '{chart}' #B #{at} #\n")
            for d, name in enumerate(self.dimensions):
                raw = self._raw(k, d, tick)
                value: float = raw
                if k % 10 <= 2:
                    value = raw - self._raw(k, d, tick - 1)
                elif k % 10 in (6, 7):
                    value = raw / 100
                stored = "#" if value == raw else double(value)
                parts.append(f"SET2 '{name}' #{base64_number(raw)} {stored} A\n")
            parts.append("END2\n")
        return "".join(parts).encode()


class Connection:
    """
    One synthetic child, connected.

    @ivar unsent: What the parent has not taken yet.
    """

    def __init__(self, port: int, number: int, mask: int) -> None:
        self.name = f"load-{number:04}"
        self.unsent = memoryview(b"")
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.sendall(
            f"STREAM key={KEY}&hostname={self.name}&registry_hostname={self.name}"
            f"&machine_guid=10adf000-0000-4000-8000-{number:012}&update_every=1&os=linux&timezone=Etc/UTC"
            f"&abbrev_timezone=UTC&utc_offset=0&hops=1&ver={mask}&NETDATA_PROTOCOL_VERSION=1.1 HTTP/1.1\r\n"
            "User-Agent: benchmark/1\r\nAccept: */*\r\n\r\n".encode()
        )
        reply = self.socket.recv(4096)
        if not reply.startswith(b"Hit me baby"):
            raise PeerFailed(f"refused: {reply!r}")
        self.socket.setblocking(False)

    def send(self, data: bytes) -> None:
        """
        Send after all that still waits.
        """
        self.unsent = memoryview(bytes(self.unsent) + data) if self.unsent else memoryview(data)
        self.flush()

    def flush(self) -> None:
        """
        Hand over what the parent takes now.
        """
        try:
            while self.unsent:
                self.unsent = self.unsent[self.socket.send(self.unsent[:SEGMENT]) :]
        except BlockingIOError:
            pass


class Load:
    """
    Many synthetic children at the pace of real ones.

    @ivar sent: Samples handed over so far.
    @ivar waiting: Most bytes that ever waited for the parent.
    """

    def __init__(self, port: int, children: int, metrics: Metrics, protocol: str) -> None:
        self._metrics = metrics
        self._protocol = protocol
        self.sent = 0
        self.waiting = 0
        self._each = len(metrics.charts) * len(metrics.dimensions)
        self._selector = selectors.DefaultSelector()
        self.connections = [Connection(port, n, V1 if protocol == "v1" else V2) for n in range(children)]
        definitions = metrics.definitions()
        for connection in self.connections:
            connection.send(definitions)
            self._selector.register(connection.socket, selectors.EVENT_READ, connection)
        self._ticks = self._steps()

    def run(self, seconds: int) -> None:
        """
        Send for so many seconds.
        """
        for _ in range(seconds * PHASES):
            next(self._ticks)

    def _steps(self) -> Iterator[None]:
        first = int(time.time()) + 1
        tick = 0
        while True:
            second = first + tick
            block = self._metrics.v1(tick) if self._protocol == "v1" else self._metrics.v2(tick, second)
            for phase in range(PHASES):
                self._wait(second + (phase + 0.5) / PHASES)
                for connection in self.connections[phase::PHASES]:
                    connection.send(block)
                    self.sent += self._each
                self.waiting = max(self.waiting, sum(len(connection.unsent) for connection in self.connections))
                yield
            tick += 1

    def _wait(self, until: float) -> None:
        while (left := until - time.time()) > 0:
            if any(connection.unsent for connection in self.connections):
                left = min(left, 0.01)
            for key, _ in self._selector.select(left):
                if not key.data.socket.recv(65536):
                    raise PeerFailed(f"the parent closed the connection of {key.data.name}")
            for connection in self.connections:
                connection.flush()

    def close(self) -> None:
        """
        End all connections.
        """
        self._selector.close()
        for connection in self.connections:
            connection.socket.close()


def cpu(pid: int) -> float:
    """
    @return: CPU seconds that a process and its threads have used, user and
        system.
    """
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def resident(pid: int) -> int:
    """
    @return: Bytes of memory that a process holds.
    """
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Rss:"):
            return int(line.split()[1]) * 1024
    raise ValueError("no Rss line")


def make_parent(target: str, directory: Path, mode: str) -> Peer:
    """
    @return: A parent that accepts children, not yet started.
    """
    if target == "agent":
        return RealAgent("bench-parent", directory, accepts=[KEY], mode=mode, tiers=3)
    options = [f"db/mode={mode}"]
    return NetstreamNode("bench-parent", directory, role="parent", stream=accepting(KEY, db=mode), options=options)


def measure_parent(
    target: str, protocol: str, rate: int, options: argparse.Namespace, directory: Path
) -> Iterator[str]:
    """
    @return: Rows: what a parent needs for a load, for each time it is measured.
    """
    metrics = Metrics(options.charts, options.dimensions)
    children = max(1, round(rate / (options.charts * options.dimensions)))
    parent = make_parent(target, directory, options.mode)
    load = None
    try:
        parent.start()
        empty = resident(parent.pid)
        load = Load(parent.port, children, metrics, protocol)
        load.run(options.warmup)
        for _ in range(options.repeat):
            used, sent, began = cpu(parent.pid), load.sent, time.monotonic()
            load.run(options.seconds)
            used, sent, took = cpu(parent.pid) - used, load.sent - sent, time.monotonic() - began
            memory = resident(parent.pid)
            shown = parent.samples(metrics.charts[0], load.connections[0].name)
            cells = [
                target,
                protocol,
                str(children),
                f"{sent / took:,.0f}",
                f"{used / sent * 1e6:.2f}",
                f"{100 * used / took:.1f}",
                f"{memory / 2**20:.0f}",
                f"{(memory - empty) / (children * options.charts * options.dimensions) / 1024:.2f}",
                f"{load.waiting / 2**20:.1f}",
                f"{time.time() - max(max(column) for column in shown.values()):.1f}",
            ]
            yield "| " + " | ".join(cells) + " |"
    finally:
        if load is not None:
            load.close()
        parent.kill()


def measure_child(target: str, options: argparse.Namespace, directory: Path) -> Iterator[str]:
    """
    @return: One row: what a child needs that measures this machine and keeps
        nothing.
    """
    parent = NetstreamNode("bench-parent", directory / "parent", role="parent", stream=accepting(KEY, db="ram"))
    child: Peer | None = None
    try:
        parent.start()
        if target == "agent":
            child = RealAgent("bench-child", directory / "child", sends_to=[parent.address], proc=True, mode="none")
        else:
            stream = sending(parent.address)
            child = NetstreamNode(
                "bench-child", directory / "child", role="child", stream=stream, options=["db/mode=none"]
            )
        child.start()
        parent.wait_samples("system.cpu", child.name, count=options.warmup)
        used, began = cpu(child.pid), time.monotonic()
        wait_for("the end of the measurement", lambda: time.monotonic() - began > options.seconds, options.seconds + 5)
        used, took = cpu(child.pid) - used, time.monotonic() - began
        charts = parent.charts(child.name)
        dimensions = sum(len(chart["dimensions"]) for chart in charts.values())
        memory = resident(child.pid) / 2**20
        yield f"| {target} | {len(charts)} | {dimensions} | {100 * used / took:.2f} | {memory:.0f} |"
    finally:
        if child is not None:
            child.kill()
        parent.kill()


def each(measure: Callable[[Path], Iterator[str]]) -> None:
    """
    Measure in a directory that is gone afterwards, and print the rows.
    """
    directory = Path(tempfile.mkdtemp(prefix="netstream-"))
    try:
        for row in measure(directory):
            print(row, flush=True)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def main() -> None:
    """
    Measure what the command line asks for.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["parent", "child"])
    parser.add_argument("--target", action="append", choices=["netstream", "agent"], help="default: both")
    parser.add_argument("--rates", type=int, nargs="+", default=[20_000, 100_000], help="samples a second")
    parser.add_argument("--protocols", nargs="+", choices=["v1", "v2"], default=["v1", "v2"])
    parser.add_argument("--charts", type=int, default=500, help="of each child")
    parser.add_argument("--dimensions", type=int, default=4, help="of each chart")
    parser.add_argument("--seconds", type=int, default=30, help="that are measured")
    parser.add_argument("--repeat", type=int, default=1, help="rows that are measured one after the other")
    parser.add_argument("--warmup", type=int, default=10, help="seconds before")
    parser.add_argument(
        "--mode", default="dbengine", choices=["none", "ram", "dbengine"], help="of the parent's database"
    )
    options = parser.parse_args()
    targets = options.target or ["netstream", "agent"]
    if "agent" in targets and not RealAgent.installed():
        print("the real agent is not installed and left out", file=sys.stderr)
        targets.remove("agent")
    if options.what == "child":
        print("| child | charts | dimensions | CPU, % of a core | RSS, MB |\n|---|---|---|---|---|")
        for target in targets:
            each(partial(measure_child, target, options))
        return
    print(
        "| parent | protocol | children | samples/s | CPU a sample, µs | CPU, % of a core | RSS, MB"
        " | RSS a metric, KB | most unsent, MB | newest sample, s ago |\n" + "|---" * 10 + "|"
    )
    for rate in options.rates:
        for protocol in options.protocols:
            for target in targets:
                # The agent of the Debian package knows v1 only.
                if (target, protocol) != ("agent", "v2"):
                    each(partial(measure_parent, target, protocol, rate, options))


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
