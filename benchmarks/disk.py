"""
What a sample occupies on disk, with all tiers, on real system metrics.

    python -m benchmarks.disk                         # records ten minutes of this machine first
    python -m benchmarks.disk --tape recorded.txt     # of python -m benchmarks.recording 900 recorded.txt

A child measures this machine, really, once a second for some minutes.  What it
says is then sent to a parent as that of several hosts over a day and a half:
each repeats the recording and begins elsewhere in it.  When the parent has
nothing to do any more it is ended, and its files are counted by what they are
for.  Samples of unsealed pages are not compressed yet; both are told.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure, arguments, run
from benchmarks.footprint import cpu, settle
from benchmarks.recording import Recorder, Tape, play, tape_of
from benchmarks.targets import data_of, make_parent, scratch


def kinds(data: Path) -> dict[str, int]:
    """
    @return: Bytes on disk by directory, or by name, below a data directory.
    """
    found: dict[str, int] = {}
    for path in data.rglob("*"):
        if path.is_file():
            relative = path.relative_to(data)
            kind = str(relative.parent) if path.suffix == ".seg" else relative.name
            found[kind] = found.get(kind, 0) + path.stat().st_blocks * 512
    return found


def has_option(section: str, name: str) -> bool:
    """
    @return: Whether a node knows an option of C{netstream.conf}.
    """
    from netstream.config.node_options import NODE_OPTIONS

    return any(option.section == section and option.name == name for option in NODE_OPTIONS)


def once(tape: Tape, precision: str, options: argparse.Namespace) -> dict[str, Any]:
    """
    @return: Bytes on disk, and how many samples they are for.
    """
    more = [f"{options.precision_option}={precision}"] if precision != "float64" else []
    more += [f"db/dbengine tier {tier} retention time=3650d" for tier in range(3)]
    with scratch() as directory:
        parent = make_parent("netstream", directory, options=more)
        try:
            parent.start()
            now = int(time.time())
            first = now - options.hours * 3600
            sent, connections = play(tape, parent.port, options.hosts, first, now - 5)
            settled = settle(parent.pid, 3 if options.quick else 300)
            used = cpu(parent.pid)
            parent.stop()
            for connection in connections:
                connection.close()
        finally:
            parent.kill()
        found = kinds(data_of(parent))
        segments = {kind: size for kind, size in found.items() if (data_of(parent) / kind).is_dir()}
        return {
            "samples": sent,
            "tape_seconds": len(tape.seconds),
            "tape_samples_second": tape.samples / len(tape.seconds),
            "files": dict(sorted(found.items())),
            "sealed_B_sample": sum(segments.values()) / sent,
            "all_B_sample": sum(found.values()) / sent,
            "cpu_us_sample": used / sent * 1e6,
            "settled_s_later": settled,
        }


def measure(options: argparse.Namespace) -> Iterator[Figure]:
    """
    @return: The figures of both precisions.
    """
    if options.quick:
        options.minutes, options.hours, options.hosts = 0.25, 5, 1
    if options.tape:
        tape = tape_of(options.tape.read_bytes())
    else:
        with scratch() as directory:
            with Recorder(directory / "child") as recorder:
                time.sleep(options.minutes * 60)
            tape = recorder.tape()
    notes = {"agent": "not measured"}
    goals = {"float64": 0.9, "float32": 0.5}
    for precision in options.precision or ["float64", "float32"]:
        name = {"float64": "exact float64", "float32": "float32"}[precision]
        if precision == "float32" and not has_option(*options.precision_option.split("/", 1)):
            none = {**notes, "netstream": "no such option"}
            yield Figure(f"disk a sample, all tiers, {name}, B", {}, goals[precision], True, none)
            continue
        seen = once(tape, precision, options)
        yield Figure(
            f"disk a sample, all tiers, {name}, B",
            {"netstream": seen["sealed_B_sample"]},
            goals[precision],
            True,
            notes,
            {"netstream": seen},
        )
        yield Figure(
            f"the same with unsealed pages and metadata, {name}, B", {"netstream": seen["all_B_sample"]}, notes=notes
        )


def parser() -> argparse.ArgumentParser:
    """
    @return: The command line.
    """
    found = arguments(__doc__)
    found.add_argument("--tape", type=Path, help="what was recorded before")
    found.add_argument("--minutes", type=float, default=10, help="to record")
    found.add_argument("--hours", type=int, default=36, help="of samples for each host")
    found.add_argument("--hosts", type=int, default=4)
    found.add_argument("--precision", action="append", choices=["float64", "float32"], help="default: both")
    found.add_argument("--precision-option", default="db/precision", help="which option of a node sets it")
    return found


if __name__ == "__main__":
    run(parser(), measure)
