"""
The engine on disk in a process that is killed.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from netstream.db import DBEngine
from netstream.db.workers import Inline
from netstream.testing.metrics_db import NODE, X

CHECKOUT = Path(__file__).resolve().parents[2]


class KilledTests(SynchronousTestCase):
    """
    C{kill -9} costs seconds and nothing else.
    """

    def test_killed(self) -> None:
        """
        Of what a node accepted before it was killed, five seconds at most are
        missing, and nothing before them; the next process goes on.
        """
        directory = Path(self.mktemp()).absolute()
        second = first = int(time.time())
        accepted: dict[int, float] = {}
        for life in range(3):
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.db.writer", str(directory), str(second)],
                cwd=CHECKOUT,
                stdout=subprocess.PIPE,
                text=True,
            )
            assert process.stdout is not None
            for count, line in enumerate(process.stdout, 1):
                said, value = line.split()
                accepted[int(said)] = float(value)
                if count == 130 + 40 * life:
                    process.kill()
                    break
            process.stdout.close()
            process.wait()
            second = max(accepted) + 1

            clock = Clock()
            clock.advance(time.time())
            db = DBEngine(directory, clock, workers=Inline())
            self.successResultOf(db.open())
            found = self.successResultOf(db.read(NODE, [X], 0, second))
            self.successResultOf(db.close())
            kept = dict(zip(found.times.tolist(), found.values[:, 0].tolist(), strict=True))
            self.assertEqual(kept, {s: accepted[s] for s in kept})
            self.assertEqual(list(kept), list(range(first, first + len(kept))))
            self.assertLess(max(accepted.values()) - max(kept.values()), 5)
            accepted, second = kept, max(kept) + 1
