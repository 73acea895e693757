"""
Tests of small nodes that give memory back.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from unittest import skipUnless

from twisted.trial.unittest import SynchronousTestCase

from netstream.config import load
from netstream.config.settings import Role
from netstream.shedding import droppable, shed, sheds
from netstream.testing import KEY

SMAPS = b"""\
00400000-00401000 r--p 00000000 08:01 11                                 /usr/bin/python3
Size:                  4 kB
Rss:                   4 kB
Anonymous:             0 kB
VmFlags: rd mr mw me sd
00401000-00403000 r-xp 00001000 08:01 11                                 /usr/bin/with-dash and space
Rss:                   8 kB
Anonymous:             0 kB
00403000-00404000 r--p 00003000 08:01 11                                 /usr/bin/relocated
Anonymous:             4 kB
00404000-00405000 rw-p 00004000 08:01 11                                 /usr/bin/python3
Anonymous:             0 kB
00405000-00406000 r--p 00000000 00:00 0
Anonymous:             0 kB
00406000-00407000 r-xp 00000000 00:00 0                                  [vdso]
Anonymous:             0 kB
7fff0000-7fff1000 rw-p 00000000 00:00 0                                  [stack]
Anonymous:             4 kB
"""


class SheddingTests(SynchronousTestCase):
    """
    L{netstream.shedding}.
    """

    def test_droppable(self) -> None:
        """
        Only what is in a file, and as it is there, is given back: nothing that the process has written is lost.
        """
        found = list(droppable(SMAPS.splitlines(keepends=True)))
        self.assertEqual(found, [(0x400000, 0x401000), (0x401000, 0x403000)])

    def test_sheds(self) -> None:
        """
        A node that serves or keeps something is left alone.
        """
        directory = Path(self.mktemp())
        directory.mkdir()
        for overrides, expected in (
            (("db/mode=none", "web/mode=none"), True),
            (("db/mode=ram", "web/mode=none"), False),
            (("db/mode=none",), False),
        ):
            settings = load(
                Role.CHILD,
                config_dir=directory,
                data_dir=directory,
                overrides=overrides,
                destination="parent.example",
                api_key=KEY,
            )
            self.assertEqual(sheds(settings), expected, overrides)

    @skipUnless(Path("/proc/self/smaps").exists(), "this system does not say what a process has in memory")
    def test_shed(self) -> None:
        """
        Memory becomes free, and the program goes on with what it had loaded.
        """
        program = (
            "import numpy, netstream.roles; from netstream.shedding import shed\n"
            "def resident(): return int(open('/proc/self/statm').read().split()[1])\n"
            "before = resident(); print(shed() > 0, resident() < before, numpy.arange(1000).sum())"
        )
        said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
        self.assertEqual(said.split(), ["True", "True", "499500"])

    def test_elsewhere(self) -> None:
        """
        Where the system has no such thing, nothing is given back, and nothing fails.
        """

        def missing(path: str, mode: str) -> None:
            raise FileNotFoundError(2, "No such file", path)

        self.patch(sys.modules["builtins"], "open", missing)
        self.assertEqual(shed(), 0)
