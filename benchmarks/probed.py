"""
Start a node whose reactor is watched.

    python -m benchmarks.probed TURNS SHIFT twistd's-arguments ...

A call is due every 5 ms; how late it comes is how long everybody waits.  Once
a second a JSON object is appended to the file TURNS: C{time}, C{worst} (ms
late, of this second) and C{late} (how many calls came more than 5 ms late).
The node's clock is SHIFT seconds ahead, so that the end of a stretch of time
need not be waited for.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

EVERY: Final = 0.005


def shift_clock(seconds: int) -> None:
    """
    Let this process' clock be ahead; before anything else reads it.
    """
    real, real_ns = time.time, time.time_ns
    if seconds:
        time.time = lambda: real() + seconds
        time.time_ns = lambda: real_ns() + seconds * 10**9


class Probe:
    """
    Watches a reactor.
    """

    def __init__(self, reactor: Any, path: Path) -> None:
        self._reactor = reactor
        self._file = path.open("a", buffering=1)
        self._worst = 0.0
        self._late = 0
        self._due = time.perf_counter() + EVERY
        self._report = time.perf_counter() + 1
        reactor.callLater(EVERY, self._turn)

    def _turn(self) -> None:
        now = time.perf_counter()
        late = now - self._due
        self._worst = max(self._worst, late)
        self._late += late > EVERY
        if now >= self._report:
            seen = {"time": round(time.time(), 3), "worst": round(self._worst * 1000, 2), "late": self._late}
            self._file.write(json.dumps(seen) + "\n")
            self._worst, self._late, self._report = 0.0, 0, now + 1
        self._due = time.perf_counter() + EVERY
        self._reactor.callLater(EVERY, self._turn)


def main() -> None:
    """
    Start it.
    """
    turns, shift, *arguments = sys.argv[1:]
    shift_clock(int(shift))
    from twisted.scripts.twistd import run

    from netstream import tap

    make_service: Callable[..., Any] = tap.makeService

    def probed_service(options: Any) -> Any:
        from twisted.internet import reactor

        Probe(reactor, Path(turns))
        return make_service(options)

    tap.makeService = probed_service
    sys.argv = ["twistd", *arguments]
    run()


if __name__ == "__main__":
    main()
