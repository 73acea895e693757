"""
A process whose children store samples until they are killed;
L{tests.db.test_killed} runs it.

Each line that it reads begins a life: JSON of the arguments of L{live}.  It
writes what each life prints, and an empty line when that has ended.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from twisted.internet.selectreactor import SelectReactor
from twisted.logger import LogEvent, LogLevel, formatEvent, globalLogPublisher

from netstream.db import DBEngine
from netstream.model.samples import SampleBatch, SeriesTable

NODES = {
    "11111111-1111-4111-8111-111111111111": 1,
    "22222222-2222-4222-8222-222222222222": 1,
    "33333333-3333-4333-8333-333333333333": 5,
}
"""Seconds between their samples."""

SERIES = [(f"chart.{i // 3}", f"dimension.{i}") for i in range(100)]
"""Of each node; it does not have all of them from the beginning."""


def values(version: int, series: list[int]) -> list[float]:
    """
    @return: What the samples of some series are in a batch.
    """
    return [float(version * len(SERIES) + number) for number in series]


class FastReactor:
    """
    The reactor, in a world where time goes faster.
    """

    def __init__(self, reactor: Any, begin: float, speed: float) -> None:
        self._reactor = reactor
        self._begin = begin
        self._speed = speed
        self._first = time.time()
        self.callFromThread = reactor.callFromThread

    def seconds(self) -> float:
        """
        @return: The time there.
        """
        return self._begin + (time.time() - self._first) * self._speed

    def callLater(self, delay: float, call: Callable[..., object], *args: object, **named: object) -> Any:
        """
        Call something then, there.
        """
        return self._reactor.callLater(delay / self._speed, call, *args, **named)


class Life:
    """
    Stores as fast as it can.
    """

    def __init__(self, db: DBEngine, clock: FastReactor, reactor: Any, version: int, random: Random) -> None:
        self._db = db
        self._clock = clock
        self._reactor = reactor
        self._version = version
        self._random = random
        self._tables = {node: SeriesTable(node) for node in NODES}
        self._known = 10

    def store(self) -> None:
        """
        Store a batch, and say so before and afterwards.
        """
        random = self._random
        node = random.choice(list(NODES))
        step = NODES[node]
        last = int(self._clock.seconds()) // step * step
        count, every = random.randint(1, 5), step
        kind = random.random()
        if kind < 0.15:  # replication
            last -= random.choice([100, 1000, 5000, 20_000]) // step * step
            count = random.randint(1, 400)
        elif kind < 0.2:  # a chart that is collected less often
            every, count = 60 * step, 50
        elif kind < 0.3:
            self._known = min(len(SERIES), self._known + 3)
        series = sorted(random.sample(range(self._known), random.randint(1, self._known)))
        self._version += 1
        said = json.dumps([self._version, node, last - (count - 1) * every, count, every, series])
        os.write(1, f"begin {said}\n".encode())
        table = self._tables[node]
        numbers = [table.number(*SERIES[i]) for i in series]
        seconds = last - every * np.arange(count - 1, -1, -1, dtype=np.int64)
        self._db.append(
            SampleBatch(
                table,
                np.tile(np.array(numbers, np.int32), count),
                np.repeat(seconds, len(series)),
                np.zeros(count * len(series), np.int64),
                np.tile(np.array(values(self._version, series)), count),
                np.zeros(count * len(series), np.uint8),
            )
        )
        os.write(1, b"done\n")
        self._reactor.callLater(0, self.store)


reactor = SelectReactor()
"""Of each child; it is made before, as that takes longer than some live."""


def complain(event: LogEvent) -> None:
    """
    Print what goes wrong.
    """
    if event.get("log_level", LogLevel.info) >= LogLevel.warn:
        os.write(1, f"failed {formatEvent(event)}\n".encode())


def live(directory: str, second: float, version: int, seed: int, milliseconds: float, speed: float) -> None:
    """
    Store until the alarm ends it, as C{kill -9} would: after some time of the
    processor, so that it does not matter how fast that is.

    @param version: The number of the batch before the first.
    """
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, milliseconds / 1000)
    clock = FastReactor(reactor, second, speed)
    db = DBEngine(Path(directory), clock)
    life = Life(db, clock, reactor, version, Random(seed))
    globalLogPublisher.addObserver(complain)
    db.open().addCallback(lambda _: life.store()).addErrback(
        lambda failure: os.write(1, f"failed {failure}\n".encode())
    )
    reactor.run()  # type: ignore[attr-defined]


def main() -> None:
    """
    Live as often as asked.
    """
    for line in sys.stdin:
        child = os.fork()
        if not child:
            live(**json.loads(line))
            os._exit(1)
        os.waitpid(child, 0)
        os.write(1, b"\n\n")


if __name__ == "__main__":
    main()
