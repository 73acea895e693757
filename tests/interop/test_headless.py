"""
A child that keeps nothing and serves nothing.
"""

from __future__ import annotations

import compileall
import os
import subprocess
import sys
from pathlib import Path
from unittest.mock import patch

from twisted.trial.unittest import SynchronousTestCase

import netstream
from netstream.kernel import COMPILED
from tests.interop.case import InteropTestCase
from tests.interop.peers import KEY, accepting, sending

SAMPLES = 4

MEMORY = 64.0
"""
MB that a child of some 500 metrics a second may have resident.  The goal is 60; a tenth more, as Pythons and C
libraries differ: this is against what grows unseen.
"""


def resident(pid: int) -> float:
    """
    @return: MB that a process has resident.
    """
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(lines["VmRSS"].split()[0]) / 1024


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

    def test_memory(self) -> None:
        """
        It stays within the memory of a small machine.
        """
        if not COMPILED:
            self.skipTest("the kernel is not compiled here")
        # A node that compiles itself as it starts holds a megabyte more.
        compileall.compile_dir(Path(netstream.__file__).parent, quiet=2, optimize=2)
        parent = self.node("parent", role="parent", stream=accepting(KEY, db="ram"))
        with patch.dict(os.environ, PYTHONOPTIMIZE="2"):  # as docs/small-machines.md advises
            child = self.node(
                "child",
                role="child",
                stream=sending(parent.address),
                options=["db/mode=none", "web/mode=none", "plugins/apps=no", "plugins/cgroups=no"],
            )
        parent.wait_samples("system.cpu", child.name, count=2 * SAMPLES)
        found = resident(child.pid)
        metrics = sum(len(chart["dimensions"]) for chart in parent.charts(child.name).values())
        print(f"{metrics} metrics, {found:.1f} MB")
        self.assertLessEqual(found, MEMORY)


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

    def test_plain(self) -> None:
        """
        A child that streams unencrypted and serves nothing loads no OpenSSL; one that encrypts has it.
        """
        program = (
            "import sys; from netstream.tap import Options, makeService; options = Options(); options.parseOptions("
            "['--role', 'child', '--config-dir', {0!r}, '--data-dir', {0!r}, '--destination', {1!r}, '--api-key',"
            " {2!r}, '--set', 'db/mode=none', '--set', 'web/mode=none']); makeService(options);"
            " print('OpenSSL' in sys.modules)"
        )
        directory = self.mktemp()
        for destination, needed in (("parent.example", "False"), ("parent.example:19999:SSL", "True")):
            text = program.format(directory, destination, KEY)
            loaded = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True).stdout
            self.assertEqual(loaded.strip(), needed, destination)
