"""
Several databases of one node as one.
"""

from __future__ import annotations

from unittest import mock

from twisted.internet.defer import fail, succeed
from twisted.trial.unittest import SynchronousTestCase

from netstream.db import NoneDB, together
from netstream.db.interfaces import Health, IMetricsDB, Stats
from netstream.db.messages import Unavailable


def engine(health: Health, stats: Stats | None) -> IMetricsDB:
    """
    @param stats: L{None} is one of a process that does not run.
    """
    found = mock.Mock()
    found.health.return_value = health
    found.stats.side_effect = lambda: fail(Unavailable("worker 1 ended")) if stats is None else succeed(stats)
    return found  # type: ignore[no-any-return]


class TogetherTests(SynchronousTestCase):
    """
    What is shown of them.
    """

    def test_sum(self) -> None:
        """
        All that was lost, that is damaged and that is on disk is counted, and the first problem is told.
        """
        engines = [
            NoneDB(),
            engine(Health(None, 1, 2, {"newest": 4, "tier 0": 8}), Stats(1, 2, 3, 4, 5)),
            engine(Health("the disk is full", 16, 32, {"tier 0": 64}), Stats(10, 20, 30, 40, 50)),
            engine(Health("it cannot be read"), None),
        ]
        self.assertEqual(together.health(engines), Health("the disk is full", 17, 34, {"newest": 4, "tier 0": 72}))
        self.assertEqual(self.successResultOf(together.stats(engines)), Stats(11, 22, 33, 44, 55))

    def test_none(self) -> None:
        """
        A node without any has nothing.
        """
        self.assertEqual(together.health([]), Health())
        self.assertEqual(self.successResultOf(together.stats([])), Stats())
