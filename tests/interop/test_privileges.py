"""
What a running node writes, and does without.
"""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from unittest import SkipTest

from tests.interop.case import InteropTestCase
from tests.interop.peers import KEY, NetstreamNode, accepting, sending
from tests.tls.papers import pair, write

NO_NEW_CODE = (
    "import ctypes, os, sys\n"
    "if ctypes.CDLL(None).prctl(65, 1, 0, 0, 0): sys.exit(77)\n"
    "os.execv(sys.argv[1], sys.argv[1:])\n"
)
"""Refuses memory that can be written and run from then on, as
C{MemoryDenyWriteExecute} does."""


class StrictNode(NetstreamNode):
    """
    A node whose memory holds no code but that of files.
    """

    def _launch(self, command: Sequence[str], environment: Mapping[str, str], directory: Path, output: Path) -> None:
        super()._launch([sys.executable, "-c", NO_NEW_CODE, *command], environment, directory, output)


class PrivilegeTests(InteropTestCase):
    """
    Processes of the system.
    """

    def test_files(self) -> None:
        """
        Nobody but the user of the node can read or write what it keeps.
        """
        old = os.umask(0o022)
        self.addCleanup(os.umask, old)
        data = self.directory / "kept"
        parent = self.node(
            "atlas",
            role="parent",
            stream=accepting(KEY),
            options=["db/mode=dbengine"],
            arguments=["--data-dir", str(data)],
        )
        child = self.node("borealis", role="child", stream=sending(parent.address))
        parent.wait_samples("system.cpu", child.name, count=3)
        seen = 0
        for path in (data, *data.rglob("*")):
            mode = stat.S_IMODE(path.lstat().st_mode)
            if path.is_dir():
                self.assertEqual(mode & 0o077, 0, f"{path}: {mode:o}")
            elif not path.is_symlink():
                self.assertIn(mode, (0o600, 0o400), f"{path}: {mode:o}")
            seen += 1
        self.assertGreater(seen, 10)
        parent.stop()
        for path in data.rglob("*"):
            self.assertEqual(stat.S_IMODE(path.lstat().st_mode) & 0o077, 0, path)

    def test_no_new_code(self) -> None:
        """
        A node needs no memory that can be both written and run: with TLS, a
        database, compression and alerts it works without.
        """
        if subprocess.run([sys.executable, "-c", NO_NEW_CODE, "/bin/true"], check=False, timeout=20).returncode == 77:
            raise SkipTest("this kernel cannot refuse memory that is written and run, as Linux 6.3 does")
        certificate, key = write(pair("localhost", "127.0.0.1"), self.directory / "papers")
        node = StrictNode(
            "atlas",
            self.directory / "strict",
            role="parent",
            stream=accepting(KEY),
            options=[
                "db/mode=dbengine",
                f"web/ssl certificate={certificate}",
                f"web/ssl key={key}",
                "web/bind to=127.0.0.1^SSL=optional",
            ],
        )
        node.start()
        self.addCleanup(node.stop)
        child = self.node(
            "borealis",
            role="child",
            stream=sending(f"127.0.0.1:{node.port}:SSL", **{"ssl skip certificate verification": "yes"}),
        )
        node.scheme = "http"
        node.wait_samples("system.cpu", child.name, count=3)
