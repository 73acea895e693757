"""
The logic of the dashboard, run by Node.js.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.interop.peers import missing

LOGIC = Path(__file__).with_name("logic.test.mjs")
OLDEST = (20, 19)
"""The first that takes files of modules as such by what is in them."""


class LogicTests(SynchronousTestCase):
    """
    C{logic.test.mjs}.
    """

    def test_logic(self) -> None:
        """
        What needs no browser does what its tests say.
        """
        node = shutil.which("node")
        if node is None:
            missing("node is not on the path (apt-get install nodejs)")
        assert node is not None
        said = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=100, check=True).stdout
        version = tuple(map(int, re.findall(r"\d+", said)[:2]))
        if version < OLDEST:
            missing(f"node is {said.strip()}, older than {OLDEST[0]}.{OLDEST[1]}")
        ran = subprocess.run([node, "--test", str(LOGIC)], capture_output=True, text=True, timeout=120, check=False)
        self.assertEqual(0, ran.returncode, ran.stdout + ran.stderr)
