"""
The sums and counts of one node's samples, interval by interval, as they pass
by.

Time is that of the samples: an interval is over when later samples of the
node are there, whatever the clock of this machine says.
"""

from __future__ import annotations

import numpy as np
from attrs import define, frozen

from netstream.kernel import gather
from netstream.model.samples import Float64s, Int64s, SampleBatch

_OPEN = 4
"""How many intervals may be open; samples of more come from a clock gone astray."""
_PATIENCE = 2
"""So many rounds in a row with nothing but old samples: the node's clock was set back."""


@frozen(eq=False)
class Interval:
    """
    One interval that is over.

    @ivar end: Its last second.
    @ivar sums: float64 by series.
    @ivar counts: int64 by series: how many samples are in its sum.
    """

    end: int
    sums: Float64s
    counts: Int64s


@define(eq=False)
class _Open:
    sums: Float64s
    counts: Int64s


def _larger(sums: Float64s, counts: Int64s, size: int) -> _Open:
    more = max(64, size * 3 // 2) - len(sums)
    return _Open(np.concatenate((sums, np.zeros(more))), np.concatenate((counts, np.zeros(more, np.int64))))


class Windows:
    """
    The intervals of one node that are not over.

    @ivar period: Seconds of an interval; it ends at a multiple of that.
    """

    def __init__(self, period: int) -> None:
        self.period = period
        self._open: dict[int, _Open] = {}
        self._spare: list[_Open] = []
        self._floor = 0
        self._newest = 0
        self._stale = 0
        self._taken = False

    def add(self, batch: SampleBatch) -> None:
        """
        Take in samples; those of intervals that are over are too late.
        """
        count = len(batch)
        if not count:
            return
        time = batch.time
        self._newest = max(self._newest, int(time[-1]))
        start, period = 0, self.period
        # Samples that follow one another are of one interval nearly always.
        while start < count:
            end = -(-int(time[start]) // period) * period
            state = self._state(end, len(batch.table))
            if state is None:
                start = self._pass(batch, start)
                continue
            self._taken = True
            start = gather(
                state.sums, state.counts, batch.series, time, batch.value, batch.flags, start, end - period, end
            )

    def _pass(self, batch: SampleBatch, start: int) -> int:
        """
        @return: Number of the next sample that is not too late.
        """
        later = batch.time[start:] > self._floor
        at = int(later.argmax())
        return start + at if later[at] else len(batch)

    def _state(self, end: int, size: int) -> _Open | None:
        """
        @return: What an interval has so far; L{None} if it is over.
        """
        if end <= self._floor:
            return None
        state = self._open.get(end)
        if state is None:
            if len(self._open) >= _OPEN:
                self._floor = min(end, *self._open)
                if self._floor == end:
                    return None
                self._give_back(self._open.pop(self._floor))
            state = self._open[end] = self._spare.pop() if self._spare else _Open(np.zeros(0), np.zeros(0, np.int64))
        if len(state.sums) < size:
            state = self._open[end] = _larger(state.sums, state.counts, size)
        return state

    def _give_back(self, state: _Open) -> None:
        state.sums[:] = 0
        state.counts[:] = 0
        self._spare.append(state)

    def close(self) -> list[Interval]:
        """
        Call it once an interval, and L{done} when what it gave is used.

        @return: The intervals that are over, oldest first: those before the
            newest sample, or all if none has come since the last call.
        """
        newest, self._newest = self._newest, 0
        if newest and not self._taken:
            self._stale += 1
            if self._stale >= _PATIENCE:
                self._floor = self._stale = 0
        elif self._taken:
            self._stale = 0
        self._taken = False
        over = sorted(end for end in self._open if not newest or end < newest)
        found = []
        for end in over:
            state = self._open.pop(end)
            found.append(Interval(end, state.sums, state.counts))
            self._floor = max(self._floor, end)
        return found

    def done(self, interval: Interval) -> None:
        """
        An interval is used; its arrays are for another one now.
        """
        if len(self._spare) < _OPEN:
            self._give_back(_Open(interval.sums, interval.counts))
