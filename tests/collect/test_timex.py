"""
The clock.
"""

from __future__ import annotations

from netstream.collect.timex import ClockState, Timex, adjtimex
from tests.collect.trees import NOW, SECOND, TreeTestCase


class TimexTests(TreeTestCase):
    """
    L{Timex}.
    """

    def test_state(self) -> None:
        """
        Whether the clock follows a server, and how far it is off in milliseconds, each ten seconds.
        """
        said = [ClockState(0, 0, -1500.4), ClockState(5, 0x40, 0.0)]
        collector = Timex(self.machine, 1, lambda: said.pop(0))
        first = collector.collect(NOW).decode()
        self.assertIn('CHART "system.clock_sync_state"', first)
        self.assertIn('SET "state" = 1\n', first)
        self.assertIn('SET "offset" = -1500\n', first)
        self.assertEqual(collector.collect(NOW + SECOND), b"")
        second = collector.collect(NOW + 10 * SECOND).decode()
        self.assertIn('SET "state" = 0\n', second)
        self.assertIn("CHART", collector.withdraw().decode())
        collector.close()

    def test_real(self) -> None:
        """
        The kernel of this machine says something.
        """
        self.assertIn(adjtimex().state, range(6))
