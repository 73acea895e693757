"""
C{NETSTREAM_PURE} means all of the kernel.
"""

import os
import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

import netstream.kernel

TELL = "import netstream.kernel, sys; print(*(m.__file__ for n, m in sys.modules.items() if n.startswith(%r)))"


class SourcesTests(SynchronousTestCase):
    """
    Which files a process takes.
    """

    def test_pure(self) -> None:
        """
        With C{NETSTREAM_PURE} a node runs the sources of every module that
        could be compiled, though compiled ones are there.
        """
        top = Path(netstream.kernel.__file__).parent
        path = os.pathsep.join([str(top.parents[1]), *sys.path])
        environment = {**os.environ, "NETSTREAM_PURE": "1", "PYTHONPATH": path}
        command = [sys.executable, "-c", TELL % "netstream.kernel."]
        files = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.split()
        self.assertEqual([file for file in files if not file.endswith(".py")], [])
        wanted = {path.stem for path in top.glob("*.pxd")}
        self.assertGreater(len(wanted), 10)
        self.assertEqual(wanted - {Path(file).stem for file in files}, set())
