"""
Measure how fast a parent fetches the past of a child.

A scripted child in the words of an agent 1.37 defines its charts, says that it has so many
seconds of each, and answers every question from text that was written before, so that the parent
is the slower side.  The same child meets netstream and the real agent, one after the other, each
with an empty database on disk; figures of different machines do not compare.

    python benchmarks/replication.py                         # 200 charts of 10 dimensions, an hour
    python benchmarks/replication.py --target netstream --charts 50 --back 86400

Prints rows of a Markdown table.  The time is from the first question to the last answer taken.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(CHECKOUT))

from benchmarks.stream import Connection, cpu, each, make_parent  # noqa: E402
from tests.interop.peers import PeerFailed, RealAgent, wait_for  # noqa: E402

MASK: Final = 8 | 16 | 32 | 64 | 128 | 512 | 4096
"""Plain v1 with labels and replication."""
QUESTION: Final = re.compile(rb'REPLAY_CHART "([^"]+)" "(true|false)" (\d+) (\d+)\n')
WITHIN: Final = 600.0
"""Seconds that it may take."""


class Child:
    """
    A child that has a past.

    @ivar questions: That were answered.
    @ivar sent: Samples in the answers.
    @ivar began: When the first question came.
    """

    def __init__(self, port: int, charts: int, dimensions: int, back: int) -> None:
        """
        @param back: Seconds of its past.
        """
        self.last = int(time.time()) - 5
        self.first = self.last - back + 1
        self.charts = [f"past.chart_{number:04}" for number in range(charts)]
        self.dimensions = [f"value{number}" for number in range(dimensions)]
        # Rows are alike for all charts; values that differ from second to second.
        self._rows = {}
        for second in range(self.first, self.last + 1):
            sets = "".join(
                f'RSET "{name}" {(second * (place + 3)) % 9973}.{place:07} ""\n'
                for place, name in enumerate(self.dimensions)
            )
            self._rows[second] = f"RBEGIN '' {second - 1} {second} {self.last + 5}\n{sets}"
        self.connection = Connection(port, 1, MASK)
        self.questions = self.sent = 0
        self.began = 0.0
        self._live = 0
        self._heard = b""

    def run(self) -> None:
        """
        Define everything, and answer until each chart is live.
        """
        text = []
        for chart in self.charts:
            text.append(f'CHART "{chart}" "" "Past" "units" "past" "past.chart" "line" 1000 1 "" "bench" "past"\n')
            text += [f'DIMENSION "{name}" "{name}" "absolute" 1 1 ""\n' for name in self.dimensions]
            text.append(f"CHART_DEFINITION_END {self.first} {self.last} {self.last + 5}\n")
        link = self.connection.socket
        link.settimeout(WITHIN)
        link.sendall("".join(text).encode())
        while self._live < len(self.charts):
            data = link.recv(1 << 16)
            if not data:
                raise PeerFailed("the parent closed")
            self.began = self.began or time.monotonic()
            self._heard += data
            end = 0
            for found in QUESTION.finditer(self._heard):
                end = found.end()
                link.sendall(self._answer(found[1].decode(), found[2] == b"true", int(found[3]), int(found[4])))
            self._heard = self._heard[end:]

    def _answer(self, chart: str, start: bool, after: int, before: int) -> bytes:
        self.questions += 1
        end = self.last if start and after else before
        rows = [self._rows[second] for second in range(max(after + 1, self.first), min(end, self.last) + 1)]
        self.sent += len(rows) * len(self.dimensions)
        start = start or before >= self.last
        self._live += start
        word = "true" if start else "false"
        tail = f"REND 1 {self.first} {self.last} {word} {after} {end} {self.last + 5}\n"
        return f'RBEGIN "{chart}"\n{"".join(rows)}{tail}'.encode()


def measure(target: str, options: argparse.Namespace, directory: Path) -> Iterator[str]:
    """
    @return: A row: how fast a parent fetched everything.
    """
    parent = make_parent(target, directory, "dbengine")
    try:
        parent.start()
        child = Child(parent.port, options.charts, options.dimensions, options.back)
        used = cpu(parent.pid)
        child.run()
        name = child.connection.name

        def taken() -> bool:
            shown = parent.samples(child.charts[-1], name, child.last - 30, child.last)
            return max(shown[child.dimensions[-1]], default=0) >= child.last

        wait_for("the last sample", taken, WITHIN, 0.05)
        took, used = time.monotonic() - child.began, cpu(parent.pid) - used
        # Of a few charts all is looked at.
        missing = 0
        for chart in child.charts[:: max(1, len(child.charts) // 5)]:
            for column in parent.samples(chart, name, child.first - 1, child.last).values():
                missing += options.back - len(column)
        cells = (target, f"{child.sent:,}", str(child.questions), f"{took:.1f}", f"{child.sent / took:,.0f}")
        yield "| " + " | ".join((*cells, f"{used / child.sent * 1e6:.2f}", str(missing))) + " |"
    finally:
        parent.kill()


def main() -> None:
    """
    Measure what the command line asks for.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", action="append", choices=["netstream", "agent"], help="default: both")
    parser.add_argument("--charts", type=int, default=200)
    parser.add_argument("--dimensions", type=int, default=10, help="of each chart")
    parser.add_argument("--back", type=int, default=3600, help="seconds of the past")
    options = parser.parse_args()
    targets = options.target or ["netstream", "agent"]
    if "agent" in targets and not RealAgent.installed():
        print("the real agent is not installed and left out", file=sys.stderr)
        targets.remove("agent")
    print("| parent | samples | questions | s | samples/s | CPU a sample, µs | missing |\n" + "|---" * 7 + "|")
    for target in targets:
        each(partial(measure, target, options))


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
