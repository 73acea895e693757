"""
What a sample costs in the kernel, in nanoseconds of one core.

    python benchmarks/kernel.py [--charts 250] [--seconds 20] [--disorder 0.0]

Runs the compiled kernel, if there is one, and the plain Python one.  A child of
250 charts with 4 dimensions sends 20 seconds; the text of a second is fed at
once.  The least time of five rounds counts.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
from time import process_time_ns

CHARTS = "netstream_bench.chart_number_{:03}"
DIMENSIONS = ("user", "system", "iowait", "a_longer_name")
START = 1_700_000_000


def version1(arguments: argparse.Namespace) -> list[bytes]:
    """
    @return: The text of each second, as a child without v2 sends it.
    """
    source = random.Random(1)
    counters = {}
    seconds = []
    for _ in range(arguments.seconds):
        blocks = []
        for chart in range(arguments.charts):
            lines = [f'BEGIN "{CHARTS.format(chart)}" {1_000_000 + source.randrange(-300, 300)}\n']
            for dimension in DIMENSIONS:
                key = chart, dimension
                counters[key] = counters.get(key, source.randrange(10**7)) + source.randrange(1000)
                lines.append(f'SET "{dimension}" = {counters[key]}\n')
            lines.append("END\n")
            blocks.append("".join(lines))
        seconds.append(blocks)
    return shuffled(seconds, arguments, source)


def version2(arguments: argparse.Namespace, ieee754: bool) -> list[bytes]:
    """
    @return: The text of each second, as a child with slots sends it.
    """
    from netstream.kernel.encode import integer_text, real_text

    source = random.Random(1)
    seconds = []
    for second in range(arguments.seconds):
        blocks = []
        for chart in range(arguments.charts):
            slot = integer_text(chart + 1, ieee754)
            time = integer_text(START + second, ieee754)
            lines = [f"BEGIN2 SLOT:{slot} '{CHARTS.format(chart)}' {integer_text(1, ieee754)} {time} #\n"]
            for number, dimension in enumerate(DIMENSIONS):
                slot = integer_text(number + 1, ieee754)
                collected = integer_text(source.randrange(10**7), ieee754)
                value = real_text(source.random() * 1000, ieee754)
                lines.append(f"SET2 SLOT:{slot} '{dimension}' {collected} {value} A\n")
            lines.append("END2\n")
            blocks.append("".join(lines))
        seconds.append(blocks)
    return shuffled(seconds, arguments, source)


def shuffled(seconds: list[list[str]], arguments: argparse.Namespace, source: random.Random) -> list[bytes]:
    """
    @return: The text of each second, with the asked share of charts elsewhere.
    """
    for blocks in seconds:
        for _ in range(int(len(blocks) * arguments.disorder)):
            blocks.insert(source.randrange(len(blocks)), blocks.pop(source.randrange(len(blocks))))
    return ["".join(blocks).encode() for blocks in seconds]


def measure(arguments: argparse.Namespace) -> None:
    """
    Print the figures of the kernel that this process has.
    """
    from netstream.kernel import COMPILED, Encoder, Ingest

    kind = "compiled" if COMPILED else "pure"

    def encoder(ieee754: bool) -> Encoder:
        one = Encoder(ieee754)
        for chart in range(arguments.charts):
            for number, dimension in enumerate(DIMENSIONS):
                one.series(len(DIMENSIONS) * chart + number, CHARTS.format(chart), dimension, 1)
        return one

    def report(name: str, times: list[int], samples: int, size: int) -> None:
        cost = min(times) / samples
        print(f"{kind:9} {name:18} {cost:8.1f} ns/sample  {1000 / cost:7.2f} M/s  {size / samples:5.1f} B/sample")

    for name, seconds in (
        ("decode v1", version1(arguments)),
        ("decode v2 base64", version2(arguments, True)),
        ("decode v2 hex", version2(arguments, False)),
    ):
        times = []
        for _ in range(5):
            ingest = Ingest()
            for chart in range(arguments.charts):
                ingest.chart(CHARTS.format(chart), 1)
                for number, dimension in enumerate(DIMENSIONS):
                    ingest.dimension(
                        CHARTS.format(chart), dimension, len(DIMENSIONS) * chart + number, 1 if number else 0, 1, 1
                    )
            now = START * 1_000_000 + 100_000
            for text in seconds[:2]:
                ingest.feed(text, 0, now)
                now += 1_000_000
            ingest.take()
            began = process_time_ns()
            samples = size = 0
            for text in seconds[2:]:
                assert ingest.feed(text, 0, now) == len(text)
                taken = ingest.take()
                assert taken is not None
                samples += len(taken[0])
                size += len(text)
            times.append(process_time_ns() - began)
        report(name, times, samples, size)
    columns = taken[:5]
    for name, ieee754 in (("encode v2 base64", True), ("encode v2 hex", False), ("encode v1", True)):
        one = encoder(ieee754)
        times = []
        for _ in range(5):
            began = process_time_ns()
            for _ in range(10):
                text = one.v1(*columns) if name == "encode v1" else one.v2(*columns)
            times.append(process_time_ns() - began)
        report(name, times, 10 * len(columns[0]), 10 * len(text))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--charts", type=int, default=250)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--disorder", type=float, default=0.0, help="share of the charts moved every second")
    arguments = parser.parse_args()
    measure(arguments)
    if not os.environ.get("NETSTREAM_PURE"):
        from netstream.kernel import COMPILED

        if COMPILED:
            subprocess.run([sys.executable, *sys.argv], env={**os.environ, "NETSTREAM_PURE": "1"}, check=True)


if __name__ == "__main__":
    main()
