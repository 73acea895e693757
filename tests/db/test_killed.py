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
    C{kill -9} costs nothing.
    """

    def test_killed(self) -> None:
        """
        All that a node accepted before it was killed is there afterwards; the
        next process goes on.
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
            self.assertEqual(list(kept), list(range(first, first + len(kept))))
            # It may have accepted one that it could not print any more.
            self.assertEqual({s: kept[s] for s in accepted}, accepted)
            self.assertLessEqual(len(kept) - len(accepted), 1)
            accepted, second = kept, max(kept) + 1
