"""
Tests for L{netstream.garbage}.
"""

import gc
import re
import subprocess
import sys
from unittest import skipUnless
from weakref import ref

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from netstream.garbage import ALL_EVERY, ASIDE_EVERY, KEPT_FREE, Garbage


class _Ring:
    """
    Refers to itself.
    """

    def __init__(self) -> None:
        self.me = self


class GarbageTests(SynchronousTestCase):
    """
    L{Garbage}.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.garbage = Garbage(self.clock)
        self.before = gc.get_threshold()

    def test_rarely(self) -> None:
        """
        What lives is not looked at again and again, and what became garbage
        since it was put aside is gone after a day.
        """
        ring = _Ring()
        gone = ref(ring)
        self.garbage.startService()
        self.addCleanup(self.garbage.stopService)
        self.assertGreater(gc.get_freeze_count(), 0)
        self.assertGreater(gc.get_threshold()[2], 100)
        del ring
        for _ in range(ALL_EVERY - 1):
            self.clock.advance(ASIDE_EVERY)
        self.assertIsNotNone(gone())
        self.clock.advance(ASIDE_EVERY)
        self.assertIsNone(gone())
        self.assertGreater(gc.get_freeze_count(), 0)

    def test_stopped(self) -> None:
        """
        An application that goes on without the node has Python as it was.
        """
        self.garbage.startService()
        self.garbage.stopService()
        self.assertEqual((gc.get_threshold(), gc.get_freeze_count()), (self.before, 0))
        self.assertEqual(self.clock.getDelayedCalls(), [])


class FreeTests(SynchronousTestCase):
    """
    L{netstream.garbage.keep_free}.
    """

    @skipUnless(sys.platform == "linux", "another C library may do as it likes")
    def test_kept(self) -> None:
        """
        Memory that was used is there at once when as much is needed again, and much of it is given back.
        """
        program = (
            "import resource\n"
            "from netstream.garbage import KEPT_FREE, keep_free\n"
            "def faults():\n"
            "    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
            "def use(size):\n"
            "    before = faults()\n"
            "    for _ in range(10):\n"
            "        held = [bytearray(1 << 20) for _ in range(size >> 20)]\n"
            "        del held\n"
            "    return faults() - before\n"
            "keep_free()\n"
            "use(KEPT_FREE // 2)\n"
            "print(use(KEPT_FREE // 2), use(KEPT_FREE * 2))\n"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        few, many = map(int, re.findall(r"\d+", done.stdout))
        self.assertLess(few, KEPT_FREE // 2 // 4096)
        self.assertGreater(many, 10 * KEPT_FREE // 4096)
