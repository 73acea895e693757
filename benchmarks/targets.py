"""
The programs that are measured, each in a directory of its own.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.footprint import cached, disk
from netstream.collect.modules import PLUGINS
from tests.interop.peers import KEY, TWISTD, NetstreamNode, Peer, RealAgent, accepting

NOTHING_ELSE = tuple(f"plugins/{name}=no" for name in PLUGINS)
"""Options of a netstream that does not measure its own machine; no agent that
is measured here does."""


class ProbedNode(NetstreamNode):
    """
    A netstream whose reactor is watched, and whose clock may be another.  It
    has the priority of the benchmark from the beginning.

    @ivar shift: Seconds that its clock is ahead.
    @ivar turns: Where it writes how late its turns were; see
        L{benchmarks.probed}.
    @ivar long: The file in which it tells what was in those that were long, if
        that is wanted.
    """

    shift = 0
    long: Path | None = None

    @property
    def turns(self) -> Path:
        return self.directory / "turns.jsonl"

    def _launch(self, command: Sequence[str], environment: Mapping[str, str], directory: Path, output: Path) -> None:
        probed = [sys.executable, "-m", "benchmarks.probed", str(self.turns), str(self.shift), str(self.long or "")]
        super()._launch([*probed, *command[len(TWISTD) :]], environment, directory, output)
        preferred(self.pid)


@contextmanager
def scratch() -> Iterator[Path]:
    """
    @return: A directory that is gone afterwards.
    """
    directory = Path(tempfile.mkdtemp(prefix="netstream-bench-"))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def preferred(pid: int) -> None:
    """
    Let a process that leads a session of its own have the priority of this
    one, where the kernel weighs sessions and not processes.
    """
    priority, group = os.getpriority(os.PRIO_PROCESS, 0), Path(f"/proc/{pid}/autogroup")
    if priority and group.exists():
        group.write_text(str(priority))


def make_parent(target: str, directory: Path, *, probed: bool = False, options: Sequence[str] = ()) -> Peer:
    """
    @param options: More C{SECTION/OPTION=VALUE} of a netstream.
    @return: A parent that accepts children and stores on disk with all tiers,
        not yet started.
    """
    if target == "agent":
        return RealAgent("bench-parent", directory, accepts=[KEY], mode="dbengine", tiers=3)
    kind = ProbedNode if probed else NetstreamNode
    stream = accepting(KEY, db="dbengine")
    return kind("bench-parent", directory, role="parent", stream=stream, options=["db/mode=dbengine", *options])


def data_of(peer: Peer) -> Path:
    """
    @return: Where it keeps what it stores.
    """
    return peer.directory / ("cache" if isinstance(peer, RealAgent) else "data")


def stored_bytes(peer: Peer) -> int:
    """
    @return: Bytes on disk of all that it stores.
    """
    return disk(data_of(peer))


def cached_bytes(peer: Peer) -> int:
    """
    @return: Bytes of page cache of all that it stores.
    """
    return cached(data_of(peer))
