"""
The engine on disk in a process that is killed.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from random import Random

import numpy as np
from twisted.internet.task import Clock
from twisted.logger import LogEvent, LogLevel, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from netstream.db import DBEngine
from netstream.db.interfaces import Window
from netstream.db.workers import Inline
from netstream.testing.metrics_db import NOW
from tests.db.dbengine.lives import die
from tests.db.writer import NODES, SERIES

CHECKOUT = Path(__file__).resolve().parents[2]
LIVES = 40


class KilledTests(SynchronousTestCase):
    """
    C{kill -9} costs nothing.
    """

    def setUp(self) -> None:
        self.directory = Path(self.mktemp()).absolute()
        self.accepted: dict[tuple[str, int], dict[int, int]] = defaultdict(dict)
        self.perhaps: dict[tuple[str, int], dict[int, set[int]]] = defaultdict(lambda: defaultdict(set))
        self.said: list[str] = []
        globalLogPublisher.addObserver(self.observe)
        self.addCleanup(globalLogPublisher.removeObserver, self.observe)
        self.version = 0
        self.newest = NOW
        self.batches = 0
        self.writer = subprocess.Popen(
            [sys.executable, "-m", "tests.db.writer"],
            cwd=CHECKOUT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.addCleanup(self.end)

    def end(self) -> None:
        """
        End the process.
        """
        self.writer.communicate()
        self.assertEqual(self.writer.returncode, 0)

    def live(self, second: int, seed: int, milliseconds: float, speed: float) -> None:
        """
        Let a child live for a while, and note what it accepted.
        """
        assert self.writer.stdin is not None and self.writer.stdout is not None
        arguments = {
            "directory": str(self.directory),
            "second": second,
            "version": self.version,
            "seed": seed,
            "milliseconds": milliseconds,
            "speed": speed,
        }
        self.writer.stdin.write(json.dumps(arguments) + "\n")
        self.writer.stdin.flush()
        begun = None
        for line in self.writer.stdout:
            word, _, rest = line.partition(" ")
            if line == "\n":
                break
            self.assertIn(word, ("begin", "done\n"), line)
            if word == "begin":
                begun = json.loads(rest)
            else:
                self.note(*begun, done=True)
                self.batches += 1
                begun = None
        self.assertEqual(self.writer.stdout.readline(), "\n")
        if begun is not None:
            self.note(*begun, done=False)

    def note(self, version: int, node: str, first: int, count: int, every: int, series: list[int], done: bool) -> None:
        """
        @param done: Whether it was accepted for sure.
        """
        self.version = version
        self.newest = max(self.newest, first + (count - 1) * every)
        for number in series:
            for i in range(count):
                if done:
                    self.accepted[node, number][first + i * every] = version
                    self.perhaps[node, number].pop(first + i * every, None)
                else:
                    self.perhaps[node, number][first + i * every].add(version)

    def observe(self, event: LogEvent) -> None:
        """
        Hear what the engine has to say.
        """
        if event.get("log_level") is not None and event["log_level"] >= LogLevel.warn:
            self.said.append(formatEvent(event))

    def check(self, second: int) -> None:
        """
        All of it is there, and nothing else.
        """
        clock = Clock()
        clock.advance(second)
        db = DBEngine(self.directory, clock, workers=Inline())
        self.successResultOf(db.open())
        self.assertEqual(self.said, [])
        for node in NODES:
            found = self.successResultOf(db.read(node, SERIES, 0, second))
            for number in range(len(SERIES)):
                some = ~np.isnan(found.values[:, number])
                stored = dict(zip(found.times[some].tolist(), found.values[some, number].tolist(), strict=True))
                for at, value in stored.items():
                    version, series = divmod(int(value), len(SERIES))
                    self.assertEqual(series, number)
                    accepted, perhaps = self.accepted[node, number], self.perhaps[node, number].get(at, set())
                    self.assertTrue(version == accepted.get(at) or version in perhaps, (node, number, at, version))
                missing = sorted(self.accepted[node, number].keys() - stored.keys())
                self.assertEqual(missing[:5], [], (node, number, len(missing)))
                for at, versions in self.perhaps[node, number].items():
                    if at in stored and int(stored[at]) // len(SERIES) in versions:
                        self.accepted[node, number][at] = int(stored[at]) // len(SERIES)
                    versions.clear()
            window = Window(second // 60 * 60 - 86400, second // 60 * 60, 60)
            counted = self.successResultOf(db.query(node, SERIES, window, "sum"))
            inside = (found.times > window.after) & (found.times <= window.before)
            np.testing.assert_allclose(
                np.nansum(counted.values, axis=0), np.nansum(found.values[inside], axis=0), rtol=1e-12
            )
        die(db)

    def test_killed(self) -> None:
        """
        All that nodes accepted before they were killed is there afterwards,
        in its place and under its name, whatever was going on: at the start,
        while row groups and coarser rows are made, when series are new.
        """
        random = Random(9)
        second = NOW
        for life in range(LIVES):
            speed = random.choice([1.0, 300.0, 3000.0, 3000.0])
            milliseconds = random.choice([random.uniform(1, 40), random.uniform(40, 200)])
            self.live(second, life, milliseconds, speed)
            second = self.newest + random.choice([1, 1, 1000, 15_000])
            if life % 5 == 4:
                self.check(second)
        self.live(second, LIVES, 1000, 3000.0)
        self.check(self.newest)
        self.assertGreater(self.batches, 60)
        self.assertGreater(len(list(self.directory.glob("tier1/*.seg"))), 0)
