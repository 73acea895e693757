"""
Measure everything that docs/benchmarks.md tells, beside the real agent.

    python -m benchmarks              # some 25 minutes
    python -m benchmarks --quick      # three minutes: shows that it works, not how fast it is

Prints one Markdown table.  Each part runs alone as well: C{python -m
benchmarks.parent}, C{saturation}, C{cores}, C{stall}, C{latency}, C{opening}, C{disk}, C{child}.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks import child, cores, disk, latency, opening, parent, recording, saturation, stall
from benchmarks.figures import Figure, arguments, run

RECORDED = 11 * 60
"""Seconds of this machine that are recorded, while it works on the other parts."""


def measure(options: argparse.Namespace) -> Iterator[Figure]:
    """
    @return: The figures of all parts; a part that fails is told, and the
        others go on.
    """
    with tempfile.TemporaryDirectory(prefix="netstream-bench-") as place:
        tape = Path(place) / "tape.txt"
        parts = (child, parent, saturation, cores, latency, stall, opening)
        if options.only and "disk" not in options.only:
            for part in parts:
                yield from _part(part, options, [])
            return
        recorder = recording.in_background(15 if options.quick else RECORDED, tape)
        try:
            for part in parts:
                yield from _part(part, options, [])
            began = time.monotonic()
            recorder.wait(RECORDED + 60)
            print(f"the recording ended {time.monotonic() - began:.0f} s after the other parts", file=sys.stderr)
            yield from _part(disk, options, ["--tape", str(tape)])
        finally:
            if recorder.poll() is None:
                recorder.terminate()
                recorder.wait()


def _part(part: object, options: argparse.Namespace, more: list[str]) -> Iterator[Figure]:
    name = part.__name__.rpartition(".")[2]  # type: ignore[attr-defined]
    if options.only and name not in options.only:
        return
    given = part.parser().parse_args(more)  # type: ignore[attr-defined]
    given.target, given.quick = options.target, options.quick
    began = time.monotonic()
    print(f"{name} ...", file=sys.stderr, flush=True)
    try:
        yield from part.measure(given)  # type: ignore[attr-defined]
    except Exception as problem:
        reason = f"failed: {str(problem).splitlines()[0] if str(problem) else type(problem).__name__}"
        print(f"{name} {problem}", file=sys.stderr, flush=True)
        yield Figure(name, {}, notes={"netstream": reason})
    print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)


def parser() -> argparse.ArgumentParser:
    """
    @return: The command line.
    """
    found = arguments(__doc__)
    parts = ["child", "parent", "saturation", "cores", "latency", "stall", "opening", "disk"]
    found.add_argument("--only", action="append", choices=parts, help="measure only this; may be repeated")
    return found


if __name__ == "__main__":
    run(parser(), measure)
