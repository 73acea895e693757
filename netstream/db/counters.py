"""
Columns of counters that were collected together, stored as the integers that
they grew by.

A clock says how late each collection was, and all columns of a row group that
were collected by it share it: L{netstream.kernel.clocks} makes the values of
both, bit for bit.  A clock is stored as pcodec of int64, the microseconds of
the collection before the first row and of that of each row, -1 where that is
not known.  A column is::

    scale      multiplier int32, divisor uint32
    exceptions how many uint16, zeros uint16, then row uint16 of each, ascending,
               then value float64 of each
    growth     pcodec of int64, for each row

where rows are those that have a value.  A value is what the kernel makes of the
growth, or an exception, where it would make another one.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
from pcodec import ChunkConfig
from pcodec.standalone import simple_compress, simple_decompress_into

from netstream.kernel import clocks
from netstream.model.samples import Float64s, Int64s

LEAST_ROWS = 60
"""A clock of fewer rows is not looked for."""

_SCALES = np.array([(1, 1), (8, 1000), (1, 1000), (1, 1024), (1, 10), (1, 100), (1, 10_000), (1, 1_000_000)], np.int64)
"""Multipliers and divisors that counters may have; the sign is that of the
integers."""
_CONFIG = ChunkConfig(compression_level=6)
_BEFORE = struct.Struct("<iIHH")
_EXCEPTION = 10
_ENOUGH = 64
"""In so many columns with fractions the clock is looked for, at most."""
_SLOWER = 3
"""Columns with one row in so many, or fewer, were collected less often."""
_WORTH = 8
"""One row in so many of some column has to gain by a clock."""


class Clock:
    """
    When what a row group holds was collected.

    @ivar lates: int64, one more than there are rows: by how many microseconds
        after the point; -1 where it is not known.
    @ivar shares: What share of a growth each row gets.
    """

    def __init__(self, lates: Int64s, step: int) -> None:
        """
        @param step: Seconds from row to row.
        """
        self.lates = lates
        self.step = step
        self.shares = clocks.shares(lates, step)

    def stored(self) -> bytes:
        """
        @return: Its body.
        """
        body: bytes = simple_compress(self.lates, _CONFIG)
        return body

    def packed(self, values: Float64s, there: npt.NDArray[np.bool_] | None) -> tuple[bytes, int] | None:
        """
        @param values: A column: those that are there.
        @param there: Which these are; L{None} if all are.
        @return: Its body, and how many bytes of it are exceptions; L{None} if
            this is no counter that was collected by this clock.
        """
        if len(values) * _SLOWER < len(self.shares):
            return None
        shares = self.shares if there is None else self.shares[there]
        numbers = np.empty(len(values), np.int64)
        odd = np.empty(len(values), np.uint8)
        scale = clocks.counts(values, shares, self.step, _SCALES, numbers, odd)
        if scale < 0:
            return None
        multiplier, divisor = _SCALES[scale].tolist()
        exceptions = np.flatnonzero(odd)
        body = b"".join(
            (
                _BEFORE.pack(multiplier, divisor, len(exceptions), 0),
                exceptions.astype("<u2").tobytes(),
                values[exceptions].astype("<f8").tobytes(),
                simple_compress(numbers, _CONFIG),
            )
        )
        return body, _EXCEPTION * len(exceptions)


def clock_of(body: bytes, rows: int, step: int) -> Clock:
    """
    @return: A clock that was stored.
    @raise ValueError: It is not what was written.
    """
    return Clock(integers(body, rows + 1), step)


def unpack(body: bytes, clock: Clock, there: npt.NDArray[np.bool_] | None, values: Float64s) -> None:
    """
    Fill in the values of a column.

    @param there: Which rows have one; L{None} if all do.
    @raise ValueError: It is not what was written.
    """
    if len(body) < _BEFORE.size:
        raise ValueError("it is cut off")
    multiplier, divisor, count, _ = _BEFORE.unpack_from(body)
    end = _BEFORE.size + _EXCEPTION * count
    if not multiplier or not divisor or end > len(body):
        raise ValueError("it has another scale or number of exceptions")
    rows = np.frombuffer(body, "<u2", count, _BEFORE.size)
    exceptions = np.frombuffer(body, "<f8", count, _BEFORE.size + 2 * count)
    numbers = integers(body[end:], len(values))
    if count and (rows.max() >= len(values) or not np.isfinite(exceptions).all()):
        raise ValueError("its exceptions cannot be")
    shares = clock.shares if there is None else clock.shares[there]
    values[:] = clocks.restored(numbers, shares, clock.step, multiplier, divisor)
    values[rows] = exceptions


def find(batches: Iterable[Float64s], rows: int, step: int) -> Clock | None:
    """
    Look for the clock by which counters were collected.

    @param batches: float64 of shape (columns, rows), NaN where nothing was
        written.
    @return: It; L{None} if there is none, or it would not gain anything, or
        looking would take long, as there was no compiler.
    """
    if not clocks.COMPILED or rows < LEAST_ROWS:
        return None
    found: list[Float64s] = []
    enough = 0
    for values in batches:
        fractions = np.empty(len(values), np.int64)
        clocks.fractions(values, fractions)
        found.append(values[fractions > 0])
        enough += len(found[-1])
        if enough >= _ENOUGH:
            break
    pool = np.concatenate(found) if found else np.empty((0, rows))
    lates = np.empty(rows + 1, np.int64)
    if clocks.follow(pool, step, lates) * 2 < rows:
        return None
    clock = Clock(lates, step)
    fractions = np.empty(len(pool), np.int64)
    clocks.fractions(pool, fractions)
    return clock if any(clock.packed(values, None) for values in pool[fractions * _WORTH > rows]) else None


def integers(body: bytes, count: int) -> Int64s:
    """
    @return: So many integers of pcodec.
    @raise ValueError: It is not what was written.
    """
    values = np.empty(count, np.int64)
    try:
        progress = simple_decompress_into(body, values)
    except (RuntimeError, TypeError) as problem:
        raise ValueError(f"it cannot be decompressed: {problem}") from problem
    if progress.n_processed != count or not progress.finished:
        raise ValueError("it has another number of values")
    return values
