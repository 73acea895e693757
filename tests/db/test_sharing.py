"""
Several databases share the room of one node.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from netstream.db import NoneDB, sharing
from netstream.db.interfaces import Health, IMetricsDB
from netstream.db.sharing import Sharing, shares


class Files:
    """
    An engine that says how much it uses.
    """

    mode = "dbengine"

    def __init__(self, *used: int) -> None:
        self.used = used
        self.sizes: Sequence[int] | None = None

    def allot(self, sizes: Sequence[int]) -> None:
        self.sizes = sizes

    def health(self) -> Health:
        return Health(disk={f"tier {tier}": used for tier, used in enumerate(self.used)})


class SharingTests(SynchronousTestCase):
    """
    L{shares}, and who is told.
    """

    def test_shares(self) -> None:
        """
        All together keep to the limit, and only who uses most makes room.
        """
        for most, used, expected in (
            (0, [5, 7], [0, 0]),
            (100, [5, 7], [0, 95]),
            (100, [60, 50], [50, 0]),
            (100, [30, 80, 20], [0, 50, 0]),
            (10, [50, 60], [0, 1]),
        ):
            self.assertEqual(shares(most, used), expected, f"{most} for {used}")

    def test_told(self) -> None:
        """
        Each is told its share of each tier, again and again; one alone keeps the limit that it has.
        """
        clock = Clock()
        engines: list[Any] = [NoneDB(), Files(60, 1)]
        sharing_all = Sharing(lambda: cast("list[IMetricsDB]", engines), (100, 10), clock)
        sharing_all.start()
        self.addCleanup(sharing_all.stop)
        clock.advance(sharing.EVERY)
        self.assertIsNone(engines[1].sizes)
        engines.append(Files(50, 4))
        clock.advance(sharing.EVERY)
        self.assertEqual([engine.sizes for engine in engines[1:]], [(50, 0), (0, 9)])
