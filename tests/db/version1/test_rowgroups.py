"""
Row groups of the first version: what is sealed comes back, and damage stays small.
"""

from __future__ import annotations

import numpy as np
from twisted.trial.unittest import SynchronousTestCase

from netstream.db.grid import Grid
from netstream.db.interfaces import Columns
from netstream.db.version1.rowgroups import MOST_ROWS, RowGroup, columns_of, sealed
from netstream.model.samples import ANOMALOUS, EMPTY, SeriesTable
from netstream.testing.metrics_db import NODE, NOW, X, Y, Z, batch

NAN = float("nan")


def groups(grid: Grid, numbers: list[int]) -> list[RowGroup]:
    """
    @return: The row groups of a grid.
    """
    return list(sealed([grid.blocks[number] for number in sorted(grid.blocks)], numbers))


class RowGroupTests(SynchronousTestCase):
    """
    L{sealed} and L{columns_of} are each other's opposite.
    """

    def setUp(self) -> None:
        self.grid = Grid()
        self.table = SeriesTable(NODE)

    def put(self, *rows: tuple[tuple[str, str], int, float], flags: list[int] | None = None) -> None:
        """
        Write samples into the grid.
        """
        self.grid.append(batch(self.table, rows, flags))

    def read(self, group: RowGroup, *numbers: int) -> Columns:
        """
        @return: All rows of some columns, which are whole.
        """
        found, damaged = columns_of(group.data, numbers, 0, 1 << 60)
        self.assertEqual(damaged, 0)
        return found

    def test_both_ways(self) -> None:
        """
        Values, flags and gaps come back under the numbers of their series.
        """
        self.put((X, NOW, 1.5), (Y, NOW, 2.5), (X, NOW + 7, -0.0), (Y, NOW + 9, NAN), flags=[0, ANOMALOUS, 0, 0])
        [group] = groups(self.grid, [30, 20])
        self.assertEqual((group.first, group.last, group.samples), (NOW, NOW + 9, 4))
        found = self.read(group, 20, 5, 30)
        self.assertEqual(found.times.tolist(), [NOW, NOW + 7, NOW + 9])
        np.testing.assert_array_equal(found.values, [[2.5, NAN, 1.5], [NAN, NAN, -0.0], [NAN, NAN, NAN]])
        self.assertEqual(found.flags.tolist(), [[ANOMALOUS, 0, 0], [0, 0, 0], [EMPTY, 0, 0]])

    def test_span(self) -> None:
        """
        Only rows of the span are read.
        """
        self.put(*[(X, NOW + i, float(i)) for i in range(10)])
        [group] = groups(self.grid, [0])
        found, _ = columns_of(group.data, [0], NOW + 2, NOW + 4)
        self.assertEqual(found.times.tolist(), [NOW + 3, NOW + 4])
        found, _ = columns_of(group.data, [0], NOW + 20, NOW + 40)
        self.assertEqual(found.values.shape, (0, 1))

    def test_stretches(self) -> None:
        """
        A row group stands for one stretch of time and has a bounded number of
        rows.
        """
        self.put(*[(X, NOW + i, float(i)) for i in range(3000)], (X, NOW - 86400, 1.0))
        found = groups(self.grid, [0])
        self.assertEqual((found[0].first, found[0].last), (NOW - 86400, NOW - 86400))
        self.assertEqual(sum(group.samples for group in found), 3001)
        for group in found:
            self.assertLessEqual(group.last - group.first, MOST_ROWS)

    def test_nobody(self) -> None:
        """
        Columns without a series, and columns without samples, take no room.
        """
        self.put((X, NOW, 1.0), (Y, NOW, 2.0), (Z, NOW + 5000, 3.0))
        first, second = groups(self.grid, [7, -1, 9])
        self.assertEqual((first.samples, second.samples), (1, 1))
        self.put((X, NOW, NAN))
        self.grid.forget("chart.a")
        self.assertEqual([group.first for group in groups(self.grid, [7, -1, 9])], [NOW + 5000])

    def test_wide(self) -> None:
        """
        A node may have thousands of series.
        """
        rng = np.random.default_rng(1)
        values = rng.normal(size=3000)
        self.put(*[(("c", str(i)), NOW, value) for i, value in enumerate(values.tolist())])
        [group] = groups(self.grid, rng.permutation(3000).tolist())
        numbers = rng.permutation(3000).tolist()
        [again] = groups(self.grid, numbers)
        np.testing.assert_array_equal(self.read(again, *numbers).values[0], values)
        self.assertEqual(group.samples, 3000)

    def test_flipped_anywhere(self) -> None:
        """
        A bit that flipped costs a column or the row group; it never shows as
        a value.
        """
        self.put(*[(key, NOW + i, i * 1.5) for i in range(20) for key in (X, Y)], flags=[1, 0] * 20)
        [group] = groups(self.grid, [0, 1])
        whole = self.read(group, 0, 1)
        for at in range(len(group.data)):
            hurt = bytearray(group.data)
            hurt[at] ^= 1 << (at % 8)
            try:
                found, damaged = columns_of(bytes(hurt), [0, 1], 0, 1 << 60)
            except ValueError:
                continue
            self.assertEqual(damaged, 1, at)
            lost = np.isnan(found.values).all(axis=0)
            self.assertEqual(lost.sum(), 1)
            np.testing.assert_array_equal(found.values[:, ~lost], whole.values[:, ~lost])

    def test_cut_anywhere(self) -> None:
        """
        A row group that is cut off is an error or lacks columns.
        """
        self.put(*[(key, NOW + i, i * 1.5) for i in range(20) for key in (X, Y)])
        [group] = groups(self.grid, [0, 1])
        for cut in range(len(group.data)):
            try:
                _, damaged = columns_of(group.data[:cut], [0, 1], 0, 1 << 60)
            except ValueError:
                continue
            self.assertGreater(damaged, 0)
