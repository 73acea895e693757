"""
A child that keeps nothing and serves nothing.
"""

from __future__ import annotations

import compileall
import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

import netstream
from netstream.kernel import COMPILED
from netstream.shedding import SETTLED
from tests.interop.case import InteropTestCase
from tests.interop.peers import KEY, accepting, sending

SAMPLES = 4

MEMORY = 58.0
"""
MB that a child of some 500 metrics a second may have resident when it has started: what it keeps for a parent that
restarts is two more after twenty minutes, and 60 the most that there shall ever be.
"""


NOT_FOR_CHILDREN = (
    "OpenSSL",
    "aioquic",
    "brotli",
    "cramjam",
    "cryptography",
    "google.protobuf",
    "klein",
    "lz4",
    "netstream.collect.external",
    "netstream.collect.program",
    "netstream.collect.prometheus",
    "netstream.collect.statsd",
    "netstream.db.dbengine",
    "netstream.export",
    "netstream.health",
    "netstream.processes",
    "netstream.quic",
    "netstream.streaming.front",
    "netstream.streaming.parent",
    "netstream.tls.server",
    "netstream.web",
    "numpy.ma",
    "numpy.random",
    "orjson",
    "pcodec",
    "prometheus_client",
    "psutil",
    "sqlite3",
    "treq",
    "twisted.web",
    "zstandard",
)
"""Modules that a headless child has no use for, before it has connected."""


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
        compileall.compile_dir(Path(netstream.__file__).parent, quiet=2)
        parent = self.node("parent", role="parent", stream=accepting(KEY, db="ram"))
        child = self.node(
            "child",
            role="child",
            stream=sending(parent.address),
            options=["db/mode=none", "web/mode=none", "plugins/apps=no", "plugins/cgroups=no"],
        )
        parent.wait_samples("system.cpu", child.name, count=int(SETTLED) + SAMPLES)
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

    def test_headless(self) -> None:
        """
        A child that keeps and serves nothing loads nothing of what serves, stores, tells and exports.
        """
        program = (
            "import sys; from netstream.tap import Options, makeService; options = Options(); options.parseOptions("
            "['--role', 'child', '--config-dir', {0!r}, '--data-dir', {0!r}, '--destination', 'parent.example',"
            " '--api-key', {1!r}, '--set', 'db/mode=none', '--set', 'web/mode=none']); makeService(options);"
            " print(*(name for name in {2!r} if name in sys.modules))"
        )
        text = program.format(self.mktemp(), KEY, NOT_FOR_CHILDREN)
        loaded = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True).stdout
        self.assertEqual(loaded.split(), [])

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
