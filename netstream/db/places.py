"""
Where records are within one file: arrays sorted by node and time.

A large database has hundred thousands of records; so there is no object for
each until it is found.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.void]
"""Structured array with the fields of L{ROW}."""

ROW = np.dtype(
    [
        ("node", np.uint32),
        ("start", np.int64),
        ("last", np.int64),
        ("step", np.uint32),
        ("samples", np.uint32),
        ("length", np.uint32),
        ("offset", np.uint64),
    ]
)
"""What an index knows of a record."""

NEVER = -(1 << 62)
"""A second before all others."""

_FEW = 256


class Row(NamedTuple):
    """
    One record of a file; see L{ROW}.
    """

    node: int
    start: int
    last: int
    step: int
    samples: int
    length: int
    offset: int


class Index:
    """
    The live records of one file, at most one for each node, start and step.

    Records that were added last are in a dictionary, until there are enough
    of them to be worth sorting: L{crowded} and L{sorted_anew}.  Readers and
    the one writer share a lock, which is not ours.

    @ivar last: Last second of all; L{NEVER} if there is none.
    @ivar longest: The greatest difference between last and start.
    """

    def __init__(self, rows: Rows) -> None:
        """
        @param rows: In any order.
        """
        rows = rows[np.lexsort((rows["step"], rows["start"], rows["node"]))]
        self._nodes, self._starts, self._lasts, self._steps, self._samples, self._lengths, self._offsets = (
            np.array(rows[name]).data for name in ROW.names or ()
        )
        self._live = bytearray(b"\x01") * len(rows)
        self._recent: dict[int, dict[tuple[int, int], Row]] = {}
        self._added = 0
        self.last = int(rows["last"].max(initial=NEVER))
        self.longest = int((rows["last"] - rows["start"]).max(initial=0))

    @property
    def crowded(self) -> bool:
        """
        Whether so many were added that they should be sorted in.
        """
        return self._added > _FEW + len(self._live) // 4

    def sorted_anew(self) -> Index:
        """
        @return: An index of the same records, without those that are dead.
        """
        return Index(self.rows())

    def rows(self) -> Rows:
        """
        @return: All live records, in no order.
        """
        rows = np.empty(len(self._live), ROW)
        columns = (
            self._nodes,
            self._starts,
            self._lasts,
            self._steps,
            self._samples,
            self._lengths,
            self._offsets,
        )
        for name, column in zip(ROW.names or (), columns, strict=True):
            rows[name] = column
        recent: list[Any] = [row for some in self._recent.values() for row in some.values()]
        return np.concatenate((rows[np.array(self._live, np.uint8) != 0], np.array(recent, ROW)))

    def add(self, row: Row) -> None:
        """
        Add a record; none with its node, start and step is here.
        """
        self._recent.setdefault(row.node, {})[row.start, row.step] = row
        self._added += 1
        self.last = max(self.last, row.last)
        self.longest = max(self.longest, row.last - row.start)

    def remove(self, node: int, start: int, step: int) -> Row | None:
        """
        @return: The record that was here and is not any more.
        """
        some = self._recent.get(node)
        if some is not None and (row := some.pop((start, step), None)) is not None:
            return row
        low, high = self._of(node)
        for at in range(bisect_left(self._starts, start, low, high), high):
            if self._starts[at] != start:
                break
            if self._live[at] and self._steps[at] == step:
                self._live[at] = 0
                return self._row(at)
        return None

    def find(self, node: int, after: int, before: int) -> Iterator[Row]:
        """
        @return: The records of a node that overlap a span, C{after} excluded
            and C{before} included, in no order.
        """
        low, high = self._of(node)
        if low < high:
            lasts, live = self._lasts, self._live
            low = bisect_left(self._starts, after + 1 - self.longest, low, high)
            for at in range(low, bisect_right(self._starts, before, low, high)):
                if lasts[at] > after and live[at]:
                    yield self._row(at)
        some = self._recent.get(node)
        if some:
            for row in some.values():
                if row.last > after and row.start <= before:
                    yield row

    @property
    def samples(self) -> int:
        """
        Samples of all live records.
        """
        sorted_ones = np.array(self._samples, np.int64)[np.array(self._live, np.uint8) != 0]
        return int(sorted_ones.sum()) + sum(row.samples for some in self._recent.values() for row in some.values())

    def _of(self, node: int) -> tuple[int, int]:
        low = bisect_left(self._nodes, node)
        if low == len(self._nodes) or self._nodes[low] != node:
            return low, low
        return low, bisect_right(self._nodes, node, low)

    def _row(self, at: int) -> Row:
        return Row(
            self._nodes[at],
            self._starts[at],
            self._lasts[at],
            self._steps[at],
            self._samples[at],
            self._lengths[at],
            self._offsets[at],
        )
