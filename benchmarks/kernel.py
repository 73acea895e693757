"""
What a sample costs in the kernel, in nanoseconds of one core.

    python benchmarks/kernel.py [--charts 250] [--seconds 20] [--disorder 0.0] [--connections 100] [--cold-only]

Runs the compiled kernel, if there is one, and the plain Python one.

Hot: a child of 250 charts with 4 dimensions sends 20 seconds; the text of a
second is fed at once.  The least time of five rounds counts.

Cold: as many such children as connections say are fed in turn, each once a
second, in pieces of a whole second, of 16 KiB and of 1400 bytes; between two
seconds the caches are filled with something else.  What is measured is C{feed}
and C{take}; the text is as fresh as it is after reading a socket.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import subprocess
import sys
from time import process_time_ns
from typing import Any

import numpy as np

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


def defined(ingest: Any, arguments: argparse.Namespace) -> Any:
    """
    @return: A decoder, which now knows the charts of a child.
    """
    for chart in range(arguments.charts):
        ingest.chart(CHARTS.format(chart), 1)
        for number, dimension in enumerate(DIMENSIONS):
            series = len(DIMENSIONS) * chart + number
            ingest.dimension(CHARTS.format(chart), dimension, series, 1 if number else 0, 1, 1)
    return ingest


def resident() -> int:
    """
    @return: Bytes of memory that this process has.
    """
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def fed(ingest: Any, text: bytes, size: int, now: int) -> tuple[int, int]:
    """
    Feed the text of a second in pieces.

    @return: Samples, and nanoseconds for L{Ingest.feed} and L{Ingest.take}.
    """
    samples = spent = 0
    rest = b""
    for begin in range(0, len(text), size):
        piece = rest + text[begin : begin + size]
        began = process_time_ns() if size >= 16384 else 0
        at = ingest.feed(piece, 0, now)
        taken = ingest.take()
        spent += process_time_ns() - began if size >= 16384 else 0
        rest = piece[at:]
        if taken is not None:
            samples += len(taken[0])
    return samples, spent


def measure_cold(arguments: argparse.Namespace) -> None:
    """
    Print what a sample costs when there are many children.
    """
    from netstream.kernel import COMPILED, Ingest

    kind = "compiled" if COMPILED else "pure"
    other = np.ones(16 * 2**20)
    first = True
    for name, seconds in (("v1", version1(arguments)), ("v2 base64", version2(arguments, True))):
        for size, what in ((2**30, "seconds"), (16384, "16 KiB"), (1400, "1400 B")):
            gc.collect()
            before = resident()
            children = [defined(Ingest(), arguments) for _ in range(arguments.connections)]
            times = []
            now = START * 1_000_000 + 100_000
            for turn, text in enumerate(seconds[:8]):
                other += 1.0
                samples = spent = 0
                for child in children:
                    fresh = bytes(bytearray(text))
                    began = process_time_ns()
                    more, exactly = fed(child, fresh, size, now)
                    samples += more
                    spent += exactly or process_time_ns() - began
                now += 1_000_000
                if turn > 2:
                    times.append(spent / samples)
            series = arguments.connections * arguments.charts * len(DIMENSIONS)
            # Later ones get the memory that the first ones gave back.
            memory = f"  {(resident() - before) / series:5.0f} B/series" if first else ""
            first = False
            times.sort()
            print(
                f"{kind:9} cold {name:9} {what:8} least {times[0]:6.1f} median {times[len(times) // 2]:6.1f} ns/sample"
                f"{memory}"
            )
            del children


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
            ingest = defined(Ingest(), arguments)
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
    parser.add_argument("--connections", type=int, default=100, help="how many children there are in the cold part")
    parser.add_argument("--cold-only", action="store_true", help="leave out the hot part")
    parser.add_argument("--hot-only", action="store_true", help="leave out the cold part")
    arguments = parser.parse_args()
    if not arguments.cold_only:
        measure(arguments)
    if not arguments.hot_only and not os.environ.get("NETSTREAM_PURE"):
        measure_cold(arguments)
    if not os.environ.get("NETSTREAM_PURE"):
        from netstream.kernel import COMPILED

        if COMPILED:
            subprocess.run([sys.executable, *sys.argv], env={**os.environ, "NETSTREAM_PURE": "1"}, check=True)


if __name__ == "__main__":
    main()
