"""
Stored history in memory, with tiers, for tests of questions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from netstream.db.interfaces import Columns, Span
from netstream.db.tier_rows import Aggregates
from netstream.model.samples import ANOMALOUS, EMPTY, Bytes, Float64s, Int64s

STEPS = (1, 60, 3600)


class History:
    """
    A C{Source}: every sample, and tiers over spans of them.

    @ivar read: Spans that were read, by tier.
    @ivar largest: Most cells that were read at once.
    """

    def __init__(
        self, times: Int64s, values: Float64s, flags: Bytes, tiers: Sequence[Span | None], step: int = 1
    ) -> None:
        """
        @param times: Multiples of C{step}, ascending.
        """
        self.times, self.values, self.flags = times, values, flags
        self.tiers = tiers
        self.step = step
        self.read: dict[int, list[tuple[int, int]]] = {0: [], 1: [], 2: []}
        self.largest = 0

    @property
    def width(self) -> int:
        """
        How many series.
        """
        return self.values.shape[1]

    def part(self, first: int, last: int) -> History:
        """
        Some of the series.
        """
        some = History(self.times, self.values[:, first:last], self.flags[:, first:last], self.tiers, self.step)
        some.read = self.read
        return some

    def _note(self, tier: int, after: int, before: int, cells: int) -> None:
        self.read[tier].append((after, before))
        self.largest = max(self.largest, cells)

    def raw(self, after: int, before: int) -> Columns:
        """
        The samples of tier 0.
        """
        span = self.tiers[0]
        assert span is not None, "there are no samples"
        assert span.first <= after + 1, "older than what is stored"
        inside = slice(*np.searchsorted(self.times, (after, before), "right"))
        found = Columns(self.times[inside], self.values[inside], self.flags[inside])
        self._note(0, after, before, found.values.size)
        return found

    def rows(self, tier: int, after: int, before: int) -> Aggregates:
        """
        The rows of another tier.
        """
        step, span = STEPS[tier], self.tiers[tier]
        assert span is not None and span.first <= after + 1 and before <= span.last, "no such rows"
        assert after % step == 0 and before % step == 0, "not at rows"
        times = np.arange(after + step, before + 1, step, dtype=np.int64)
        shape = (len(times), self.width)
        found = Aggregates(
            times,
            np.zeros(shape),
            np.full(shape, np.nan),
            np.full(shape, np.nan),
            np.zeros(shape, np.uint16),
            np.zeros(shape, np.uint16),
        )
        for row, time in enumerate(times.tolist()):
            inside = slice(*np.searchsorted(self.times, (time - step, time), "right"))
            for series in range(self.width):
                values = self.values[inside, series]
                there = ~np.isnan(values)
                if there.any():
                    found.sum[row, series] = values[there].sum()
                    found.min[row, series] = values[there].min()
                    found.max[row, series] = values[there].max()
                    found.count[row, series] = there.sum()
                    found.anomalous[row, series] = ((self.flags[inside, series] & ANOMALOUS) != 0)[there].sum()
        self._note(tier, after, before, found.sum.size)
        return found


def gaps(values: Float64s) -> Bytes:
    """
    @return: Flags of samples that are ordinary where they are.
    """
    found: Bytes = np.where(np.isnan(values), EMPTY, 0).astype(np.uint8)
    return found
