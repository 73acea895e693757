"""
Tests for L{netstream.garbage}.
"""

import gc
from weakref import ref

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from netstream.garbage import ALL_EVERY, ASIDE_EVERY, Garbage


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
