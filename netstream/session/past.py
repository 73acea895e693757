"""
What a child says in answer to a request for its past.
"""

from __future__ import annotations

from math import isfinite

import numpy as np
from attrs import evolve

from netstream.kernel import Ingest
from netstream.kernel.columns import PAST
from netstream.model.samples import SampleBatch, SeriesTable

SECOND = 1_000_000


class Past:
    """
    Tells samples of the past from live ones, and goes on with collection
    where the child stands.

    @ivar newest: The newest second of the answer so far; 0 before the first.
    """

    def __init__(self, ingest: Ingest, table: SeriesTable) -> None:
        self.newest = 0
        self._ingest = ingest
        self._table = table
        self._rows = 0
        self._seconds = 0

    @property
    def came(self) -> bool:
        """
        Whether the samples that were decoded last may be of the past.
        """
        return self._seconds != self._ingest.seconds

    def of(self, batch: SampleBatch) -> SampleBatch | None:
        """
        @return: The samples of the past among others, if there are any.
        """
        marked = (batch.flags & PAST) != 0
        if not marked.any():
            return None
        past = SampleBatch(
            batch.table,
            batch.series[marked],
            batch.time[marked],
            batch.collected[marked],
            batch.value[marked],
            batch.flags[marked] & ~np.uint8(PAST),
            past=True,
        )
        self._rows += len(past)
        self.newest = max(self.newest, int(past.time.max()))
        return past

    def rest(self, batch: SampleBatch) -> SampleBatch:
        """
        @return: The other ones.
        """
        live = (batch.flags & PAST) == 0
        return evolve(
            batch,
            series=batch.series[live],
            time=batch.time[live],
            collected=batch.collected[live],
            value=batch.value[live],
            flags=batch.flags[live],
        )

    def last(self, own: int, announced: int) -> SampleBatch | None:
        """
        A real agent does not send the sample that it is just about to store,
        but says what it will be.

        @param own: The newest second before the answer.
        @param announced: The newest second that the child said it had.
        @return: That sample, if it did not come otherwise.
        """
        updated = self._ingest.updated
        second = updated // SECOND
        # The first collection of a chart stores nothing, and would be told as zero.
        if updated <= 0 or announced <= 0 or second <= max(self.newest, own, announced):
            return None
        found = [(number, value) for number, time, value in self._ingest.told() if time >= updated and isfinite(value)]
        if not found:
            return None
        self._rows += len(found)
        return SampleBatch(
            self._table,
            np.array([number for number, _ in found], np.int32),
            np.full(len(found), second, np.int64),
            np.zeros(len(found), np.int64),
            np.array([value for _, value in found]),
            np.zeros(len(found), np.uint8),
            past=True,
        )

    def taken(self) -> int:
        """
        An answer is over.

        @return: How many samples it brought.
        """
        rows, self._rows = self._rows, 0
        self._seconds = self._ingest.seconds
        self._ingest.answered()
        self.newest = 0
        return rows
