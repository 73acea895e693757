"""
Figures that were measured, as JSON and as a Markdown table.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from attrs import asdict, field, frozen

import netstream
from benchmarks.load import NoLoad

TARGETS: Final = ("netstream", "agent")


@frozen
class Figure:
    """
    One row: the same thing measured of each program.

    @ivar name: What it is, with its unit.
    @ivar values: By program; L{None} where it could not be measured.
    @ivar goal: What netstream is to reach; L{None} if none was set.
    @ivar most: Whether the goal is the most that is good, or the least.
    @ivar notes: By program, why there is no value.
    @ivar details: By program, what else was seen in the same run.
    """

    name: str
    values: Mapping[str, float | None]
    goal: float | None = None
    most: bool = True
    notes: Mapping[str, str] = field(factory=dict)
    details: Mapping[str, Any] = field(factory=dict)

    @classmethod
    def of(
        cls,
        seen: Mapping[str, Mapping[str, Any]],
        name: str,
        key: str,
        goal: float | None = None,
        details: bool = False,
    ) -> Figure:
        """
        @param seen: By program, all that was seen in its run.
        @param key: Which of it the row shows.
        @param details: Whether the rest is kept with this row.
        """
        values = {target: found[key] for target, found in seen.items()}
        return cls(name, values, goal, details=seen if details else {})

    @property
    def reached(self) -> bool | None:
        """
        Whether netstream reaches the goal; L{None} where that is not known.
        """
        value = self.values.get("netstream")
        if value is None or self.goal is None:
            return None
        return value <= self.goal if self.most else value >= self.goal


def short(value: float | None) -> str:
    """
    @return: A number with three digits that count.
    """
    if value is None:
        return "-"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def markdown(figures: Iterable[Figure], targets: Sequence[str] = TARGETS) -> Iterator[str]:
    """
    @return: The lines of a table.
    """
    names = {"agent": "agent " + agent_version()}
    yield "| | goal | " + " | ".join(names.get(target, target) for target in targets) + " |"
    yield "|---" * (len(targets) + 2) + "|"
    for figure in figures:
        goal = "" if figure.goal is None else f"{'≤' if figure.most else '≥'} {short(figure.goal)}"
        cells = []
        for target in targets:
            cells.append(figure.notes.get(target) or short(figure.values.get(target)))
        yield f"| {figure.name} | {goal} | " + " | ".join(cells) + " |"


def agent_version() -> str:
    """
    @return: The version of the agent that is installed; empty if none is.
    """
    from tests.interop.peers import AGENT

    if not os.access(AGENT, os.X_OK):
        return ""
    said = subprocess.run([AGENT, "-V"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"v?(\d+\.\d+\.\d+)", said)
    return found[1] if found else ""


def machine() -> dict[str, str]:
    """
    @return: Where and with what it was measured.
    """
    from netstream.kernel import COMPILED

    cpu = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text())
    system = re.search(r'PRETTY_NAME="(.*)"', Path("/etc/os-release").read_text())
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False, cwd=Path(__file__).parent
    ).stdout.strip()
    return {
        "taken": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "processor": f"{os.cpu_count()} x {cpu[1] if cpu else platform.machine()}",
        "memory": f"{int(memory[1]) / 2**20:.0f} GiB" if memory else "",
        "system": f"{system[1] if system else platform.system()}, Linux {platform.release()}",
        "python": platform.python_version(),
        "packages": ", ".join(f"{name} {version(name)}" for name in ("Twisted", "numpy", "pcodec") if _installed(name)),
        "netstream": f"{netstream.__version__} ({commit})",
        "kernel": "compiled" if COMPILED else "plain Python",
        "agent": agent_version() or "not installed",
        "filesystem": f"{shutil.disk_usage('/tmp').free / 2**30:.0f} GiB free in /tmp",
    }


def _installed(name: str) -> bool:
    try:
        return bool(version(name))
    except ImportError:
        return False


def report(figures: Sequence[Figure], output: Path | None, seconds: float) -> None:
    """
    Print the table, and write the JSON where that was asked for.
    """
    about = machine()
    command = "python -m " + " ".join([_module(), *sys.argv[1:]])
    print("\n" + "; ".join(f"{name}: {text}" for name, text in about.items()) + ".")
    print(f"`{command}`, {seconds:.0f} s.\n")
    print("\n".join(markdown(figures)), flush=True)
    if output is not None:
        rows = [{**asdict(figure), "reached": figure.reached} for figure in figures]
        output.write_text(json.dumps({"machine": about, "command": command, "figures": rows}, indent=2) + "\n")
        print(f"\nEverything that was seen: {output}")


def _module() -> str:
    name = Path(sys.argv[0])
    return name.parent.name if name.stem == "__main__" else f"{name.parent.name}.{name.stem}"


def arguments(description: str | None) -> argparse.ArgumentParser:
    """
    @return: A command line with what every benchmark takes.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", action="append", choices=TARGETS, help="measure this program; default: both")
    parser.add_argument("--quick", action="store_true", help="smaller and shorter: a smoke test, not a measurement")
    parser.add_argument("--json", type=Path, help="write everything that was seen to this file")
    return parser


def chosen(options: argparse.Namespace) -> list[str]:
    """
    @return: The programs to measure; says so if the agent is left out.
    """
    from tests.interop.peers import AGENT, RealAgent

    targets = list(options.target or TARGETS)
    if "agent" in targets and not RealAgent.installed():
        print(f"the real agent is left out: {AGENT} is not installed (apt-get install netdata-core)", file=sys.stderr)
        targets.remove("agent")
    return targets


def run(parser: argparse.ArgumentParser, measure: Callable[[argparse.Namespace], Iterator[Figure]]) -> None:
    """
    Measure as the command line says, and report.
    """
    options = parser.parse_args()
    began = time.monotonic()
    figures = []
    try:
        for figure in measure(options):
            figures.append(figure)
            print("\n".join(list(markdown([figure]))[2:]), file=sys.stderr, flush=True)
    except NoLoad as problem:
        print(f"not measured: {problem}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
    report(figures, options.json, time.monotonic() - began)
