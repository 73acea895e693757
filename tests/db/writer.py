"""
A process that stores samples until it is killed; L{tests.db.test_killed} runs
it.

Each sample's value is the time at which it was accepted, and is printed.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from twisted.internet import reactor
from twisted.internet.task import LoopingCall

from netstream.db import DBEngine
from netstream.model.samples import SeriesTable
from netstream.testing.metrics_db import NODE, X, batch


def main(directory: str, second: int) -> None:
    """
    Store a sample every 20 ms, each for the next second.
    """
    db = DBEngine(Path(directory), reactor)
    table = SeriesTable(NODE)

    def store() -> None:
        nonlocal second
        now = time.time()
        db.append(batch(table, [(X, second, now)]))
        print(second, now, flush=True)
        second += 1

    db.open().addCallback(lambda _: LoopingCall(store).start(0.02)).addErrback(lambda f: print(f, flush=True))
    reactor.run()  # type: ignore[attr-defined]


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
