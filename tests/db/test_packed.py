"""
Tests for blocks of samples that are packed.
"""

from __future__ import annotations

import numpy as np
from twisted.trial.unittest import SynchronousTestCase

from netstream.db.grid import SECONDS, Grid
from netstream.db.packed import TOGETHER, Packed
from netstream.model.samples import EMPTY, SampleBatch, SeriesTable

RESET = 1


class PackedTests(SynchronousTestCase):
    """
    Tests for L{Packed}.
    """

    def test_bits(self) -> None:
        """
        Each value comes back to the last bit, whichever columns are asked for.
        """
        rng = np.random.default_rng(5)
        for rows, width in ((1, 1), (128, TOGETHER), (7, TOGETHER + 1), (128, 3 * TOGETHER - 1), (4, 0)):
            values = rng.integers(-(2**63), 2**63 - 1, (rows, width)).view(np.float64)
            for flags in (None, rng.integers(0, 4, (rows, width)).astype(np.uint8)):
                packed = Packed(values, flags)
                columns = rng.permutation(width).astype(np.int32)[: width // 2 + 1]
                for found, wanted in ((packed.take(columns), columns), (packed.all(), np.arange(width))):
                    self.assertEqual(found[0].tobytes(), np.ascontiguousarray(values[:, wanted]).tobytes())
                    if flags is None:
                        self.assertIsNone(found[1])
                    else:
                        self.assertEqual(found[1].tolist(), flags[:, wanted].tolist())


class GridTests(SynchronousTestCase):
    """
    Two grids are given the same, and one is packed again and again.
    """

    def test_same(self) -> None:
        """
        Whatever is written, read or forgotten, in whatever order, they answer the same.
        """
        rng = np.random.default_rng(11)
        table = SeriesTable("node")
        keys = [(f"c{number // 3}", f"d{number}") for number in range(90)]
        plain, packed = Grid(), Grid()
        for turn in range(300):
            size = int(rng.integers(1, 40))
            picked = rng.integers(0, len(keys), size)
            time = rng.integers(1000, 1000 + 4 * SECONDS, size if turn % 2 else 1).astype(np.int64)
            batch = SampleBatch(
                table,
                np.array([table.number(*keys[each]) for each in picked], np.int32),
                np.broadcast_to(time, size).copy(),
                np.zeros(size, np.int64),
                np.where(rng.random(size) < 0.1, np.nan, rng.random(size)),
                np.where(rng.random(size) < 0.1, EMPTY | RESET, 0).astype(np.uint8),
            )
            for grid in (plain, packed):
                grid.append(batch)
                if turn % 50 == 49:
                    grid.forget(f"c{turn % 30}")
                if turn == 250:
                    grid.trim(1000 + SECONDS)
            if rng.random() < 0.3:
                packed.pack(int(rng.integers(1000, 1000 + 5 * SECONDS)))
            first = int(rng.integers(900, 1500))
            asked = [keys[each] for each in rng.integers(0, len(keys), 5)]
            one, other = (grid.read(asked, first, first + 200) for grid in (plain, packed))
            self.assertEqual(one.times.tolist(), other.times.tolist())
            self.assertEqual(one.values.tobytes(), other.values.tobytes())
            self.assertEqual(one.flags.tolist(), other.flags.tolist())
            self.assertEqual((plain.count(), plain.bounds()), (packed.count(), packed.bounds()))
            self.assertEqual((len(plain), plain.rows), (len(packed), packed.rows))
