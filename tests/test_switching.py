"""
Tests for L{netstream.switching}.
"""

import sys

from twisted.trial.unittest import SynchronousTestCase

from netstream.switching import SOON, Switching


class SwitchingTests(SynchronousTestCase):
    """
    L{Switching}.
    """

    def test_runs(self) -> None:
        """
        Threads make room soon while the node runs, and an application that
        goes on without it has Python as it was.
        """
        before = sys.getswitchinterval()
        switching = Switching()
        switching.startService()
        self.assertAlmostEqual(sys.getswitchinterval(), SOON)
        switching.stopService()
        self.assertAlmostEqual(sys.getswitchinterval(), before)
