"""
Newest samples that two processes share.
"""

from __future__ import annotations

import os
from unittest.mock import patch

import numpy as np
from twisted.trial.unittest import SynchronousTestCase

from netstream.hub import shared
from netstream.hub.shared import Arena, Block, SharedLatest, View
from netstream.model.samples import SampleBatch, SeriesTable

GUID = "11111111-1111-4111-8111-111111111111"


def batch(table: SeriesTable, count: int, time: int) -> SampleBatch:
    """
    @return: One sample of each of some series, with its number as its value.
    """
    numbers = np.array([table.number("chart", str(i)) for i in range(count)], np.int32)
    return SampleBatch(
        table,
        numbers,
        np.full(count, time, np.int64),
        np.arange(count, dtype=np.int64) * 10,
        np.arange(count, dtype=np.float64),
        np.zeros(count, np.uint8),
    )


class SharedTests(SynchronousTestCase):
    """
    One side writes, the other reads.
    """

    def setUp(self) -> None:
        descriptor = shared.make()
        self.arena = Arena(shared.opened(descriptor, write=True))
        self.words = shared.opened(descriptor, write=False)
        os.close(descriptor)

    def test_seen_at_once(self) -> None:
        """
        What is written is seen where it is, without a copy, and after the columns have grown as well.
        """
        table, latest, view = SeriesTable(GUID), SharedLatest(self.arena), View()
        moves: list[Block | None] = []
        latest.moved = lambda: moves.append(latest.block)
        latest.update(batch(table, 10, 5))
        view.look(self.words, latest.block)
        self.assertEqual(view.of(3), (5, 3.0, 30))
        latest.update(batch(table, 10, 6))
        self.assertEqual(view.of(3), (6, 3.0, 30))
        latest.update(batch(table, 1000, 7))
        view.look(self.words, latest.block)
        self.assertEqual(view.of(999), (7, 999.0, 9990))
        self.assertEqual(view.of(3), (7, 3.0, 30))
        latest.forget([3])
        self.assertEqual(view.of(3)[0], 0)
        self.assertEqual(len(moves), 2)
        view.look(None, None)
        self.assertEqual(view.of(3)[0], 0)

    def test_only_read(self) -> None:
        """
        Who looks cannot change anything.
        """
        with self.assertRaises(ValueError):
            self.words[0] = 1

    def test_reused_when_heard_of(self) -> None:
        """
        Room that a host has left is another's only when the reader has heard of it; what was in it is not seen.
        """
        table, first, second = SeriesTable(GUID), SharedLatest(self.arena), SharedLatest(self.arena)
        first.update(batch(table, 10, 5))
        left = first.block
        first.update(batch(table, 200, 6))
        second.update(batch(table, 1, 7))
        self.assertNotEqual(second.block, left)
        self.arena.reuse(self.arena.returned())
        third = SharedLatest(self.arena)
        third.update(batch(SeriesTable(GUID), 1, 8))
        self.assertEqual(third.block, left)
        self.assertEqual(third.of(0), (8, 0.0, 0))
        self.assertEqual(third.of(5)[::2], (0, 0))
        self.assertTrue(np.isnan(third.of(5)[1]))

    def test_no_room(self) -> None:
        """
        When there is no more room, newest samples are kept all the same, and shown nowhere else.
        """
        with patch.object(shared, "ROOM", 8 * 3 * 64):
            descriptor = shared.make()
            arena = Arena(shared.opened(descriptor, write=True))
            os.close(descriptor)
        table, first, second = SeriesTable(GUID), SharedLatest(arena), SharedLatest(arena)
        first.update(batch(table, 10, 5))
        second.update(batch(table, 10, 5))
        self.assertIsNotNone(first.block)
        self.assertIsNone(second.block)
        self.assertEqual(second.of(3), (5, 3.0, 30))
        first.update(batch(table, 100, 6))
        self.assertIsNone(first.block)
        self.assertEqual(first.of(99), (6, 99.0, 990))
