"""
A child that keeps nothing and serves nothing.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.interop.case import InteropTestCase
from tests.interop.peers import KEY, accepting, sending

SAMPLES = 4


def written(pid: int) -> int:
    """
    @return: Bytes that a process had written to disks so far.
    """
    lines = dict(line.split(": ") for line in Path(f"/proc/{pid}/io").read_text().splitlines())
    return int(lines["write_bytes"])


class HeadlessTests(InteropTestCase):
    """
    What it costs the machine.
    """

    def test_no_writes(self) -> None:
        """
        Once it runs, it measures and sends without one byte going to a disk, and what it collects arrives.
        """
        parent = self.node("parent", role="parent", stream=accepting(KEY, db="ram"))
        child = self.node(
            "child", role="child", stream=sending(parent.address), options=["db/mode=none", "web/mode=none"]
        )
        parent.wait_samples("system.cpu", child.name, count=SAMPLES)
        before = written(child.pid)
        parent.wait_samples("system.cpu", child.name, count=2 * SAMPLES)
        self.assertEqual(written(child.pid) - before, 0)
        self.assertIn("system.ip", parent.charts(child.name))


class ImportTests(SynchronousTestCase):
    """
    What a node has to load.
    """

    def test_parts(self) -> None:
        """
        What makes a node loads no engine on disk, no workers, no alerts, no exporting and no site; each comes with
        its use.
        """
        heavy = (
            "sqlite3",
            "treq",
            "klein",
            "netstream.db.dbengine.engine",
            "netstream.health.service",
            "netstream.processes.crew",
        )
        program = f"import sys, netstream.tap, netstream.roles; print([m for m in {heavy!r} if m in sys.modules])"
        loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
        self.assertEqual(loaded.strip(), "[]")
