"""
What a test of the kernel starts from.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
from twisted.trial.unittest import SynchronousTestCase

from tests.kernel import installed

ABSOLUTE, INCREMENTAL, ROW, INCREMENTS = range(4)
ANOMALOUS, RESET, EMPTY, PAST = 1, 2, 4, 8
START = 1_700_000_000
NOW = START * 1_000_000 + 100_000
"""A tenth of a second after a whole second, microseconds."""

Row = tuple[int, int, int, float, int]


class KernelTestCase(SynchronousTestCase):
    """
    A test of one of the kernels; a subclass names another one.
    """

    kernel: ModuleType = installed

    def ingest(self, *dimensions: tuple[Any, ...], chart: str = "a.b", update_every: int = 1, **settings: Any) -> Any:
        """
        @param dimensions: Id, algorithm, and if need be multiplier, divisor
            and whether it has no resets; numbered from 0.
        @return: A decoder that knows one chart.
        """
        store_first = settings.pop("store_first", False)
        ingest = self.kernel.Ingest(**settings)
        ingest.chart(chart, update_every, store_first)
        for series, (name, algorithm, *more) in enumerate(dimensions):
            multiplier, divisor, no_reset = (*more, *(1, 1, False)[len(more) :])
            ingest.dimension(chart, name, series, algorithm, multiplier, divisor, no_reset)
        return ingest

    def rows(self, ingest: Any) -> list[Row]:
        """
        @return: The samples that a decoder has.
        """
        taken = ingest.take()
        if taken is None:
            return []
        for column, kind in zip(taken, (np.int32, np.int64, np.int64, np.float64, np.uint8), strict=False):
            self.assertEqual(column.dtype, kind)
        return list(zip(*(column.tolist() for column in taken[:5]), strict=True))

    def values(self, ingest: Any) -> list[tuple[int, float]]:
        """
        @return: Second from the start and value of each sample that it has.
        """
        return [(time - START, value) for _, time, _, value, _ in self.rows(ingest)]

    def collect(self, ingest: Any, usec: int, now: int = NOW, chart: str = "a.b", **values: int) -> None:
        """
        Feed a version 1 block.
        """
        self.feed(ingest, block(usec, chart, **values), now)

    def feed(self, ingest: Any, text: bytes, now: int = NOW) -> None:
        """
        Feed text that is consumed as a whole.
        """
        self.assertEqual(ingest.feed(text, 0, now), len(text))

    def refused(self, ingest: Any, text: bytes) -> str:
        """
        @return: Why a text was refused.
        """
        error = self.assertRaises(self.kernel.SampleError, ingest.feed, text, 0, NOW)
        self.assertIn(error.line, text)
        self.assertNotIn(b"\n", error.line)
        reason: str = error.reason
        return reason


def block(usec: int, chart: str = "a.b", **values: int) -> bytes:
    """
    @return: A version 1 block as it is kept.
    """
    sets = "".join(f'SET "{name}" = {value}\n' for name, value in values.items())
    return f'BEGIN "{chart}" {usec}\n{sets}END\n'.encode()
