"""
Measure how long it takes until a child's samples reach the next parent, once the first one is killed.

A netstream child collects the machine and has two parents in its list.  The one that it streams to
is killed as by C{kill -9}; the time counts until the other one shows a sample that was collected
after that.  Then it is started again, for the next round.

    python benchmarks/failover.py                    # five rounds with netstream parents, then with real agents

Prints rows of a Markdown table.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from statistics import median

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(CHECKOUT))

from benchmarks.targets import preferred  # noqa: E402
from tests.interop.peers import KEY, NetstreamNode, Peer, RealAgent, accepting, sending, wait_for  # noqa: E402

CHART, WITHIN = "system.cpu", 120.0


def parent_of(target: str, name: str, directory: Path) -> Peer:
    """
    @return: A parent that is started.
    """
    (directory / name).mkdir()
    if target == "agent":
        return RealAgent(name, directory / name, accepts=[KEY]).start()
    return NetstreamNode(
        name, directory / name, role="parent", stream=accepting(KEY, db="ram"), options=["db/mode=ram"]
    ).start()


def rounds(child: Peer, parents: Sequence[Peer], count: int) -> list[float]:
    """
    @return: Seconds of each round.
    """
    found = []
    for number in range(count):
        first, second = parents[number % 2], parents[1 - number % 2]

        def fresh(parent: Peer = first) -> bool:
            if not parent.reachable().get(child.name):
                return False
            samples = parent.samples(CHART, child.name, -10)
            return max((second for column in samples.values() for second in column), default=0) > time.time() - 4

        wait_for("the first parent has samples", fresh, WITHIN)
        killed = time.time()
        first.kill()

        def arrived(parent: Peer = second, killed: float = killed) -> bool:
            if not parent.reachable().get(child.name):
                return False
            samples = parent.samples(CHART, child.name, -60)
            return any(second > killed for column in samples.values() for second in column)

        wait_for("the second parent has a newer sample", arrived, WITHIN, 0.02)
        found.append(time.time() - killed)
        first.start()
        preferred(first.pid)
    return found


def taker(parents: Sequence[Peer], child: Peer) -> Peer | None:
    """
    @return: The parent that a child streams to.
    """
    return next((parent for parent in parents if parent.reachable().get(child.name)), None)


def main() -> None:
    """
    Measure what the command line asks for.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", action="append", choices=["netstream", "agent"], help="default: both")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print("| parents | rounds | shortest, s | median, s | longest, s |\n" + "|---" * 5 + "|")
    for target in options.target or ["netstream", "agent"]:
        directory = Path(tempfile.mkdtemp(prefix="netstream-"))
        peers: list[Peer] = []
        try:
            peers += [parent_of(target, name, directory) for name in ("one", "two")]
            stream = sending(*(parent.address for parent in peers))
            (directory / "child").mkdir()
            child = NetstreamNode(
                "bench-child", directory / "child", role="child", stream=stream, options=["db/mode=ram"]
            ).start()
            peers.append(child)
            for peer in peers:
                preferred(peer.pid)
            first = wait_for("one of them has the child", partial(taker, peers[:2], child), WITHIN)
            parents = [first, *(peer for peer in peers[:2] if peer is not first)]
            took = rounds(child, parents, options.rounds)
            print(f"| {target} | {len(took)} | {min(took):.1f} | {median(took):.1f} | {max(took):.1f} |")
        finally:
            for peer in peers:
                peer.kill()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
