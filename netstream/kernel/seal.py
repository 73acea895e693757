"""
Columns of a hot page on their way to where they are kept: turned, packed, and
folded into the rows of a tier.

All of it runs without the GIL where it is compiled, so that a thread can seal
beside the reactor.  Raw columns are float64, NaN where nothing was written;
a gap that was written is a NaN with the flag EMPTY.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from netstream.kernel.cells import ABSENT

try:
    import cython
except ImportError:  # Only the compiler needs it.
    cython = None

COMPILED = not __file__.endswith(".py")

SAME, PLAIN, WHOLE, SMALL, SINGLE = 1, 2, 4, 8, 16
"""What L{pack} finds out of a column: its values are equal to the bit; every
row has a value and no flags; its values are integers of at most 2**53, none of
them -0.0; of less than 2**24; they are in the range of float32."""
MISSING = 8
"""State of a row in which nothing was written; else it is the flags."""

_SAME = SAME
_PLAIN = PLAIN
_INTEGER = WHOLE
_SHORT = SMALL
_SINGLE = SINGLE
_ABSENT = ABSENT
_EXPONENT = 0x7FF0000000000000
_FRACTION = 0x000FFFFFFFFFFFFF
_NEGATIVE = 0x8000000000000000
# Bits of float64 without the sign are in the order of the sizes: 2**53, 2**24, the normal range of float32.
_SIZE = 0x7FFFFFFFFFFFFFFF
_EXACT = 0x4340000000000000
_BRIEF = 0x4170000000000000
_LEAST = 0x3810000000000000
_MOST = 0x47EFFFFFE0000000
_AT_ONCE = 64

Int32s = npt.NDArray[np.int32]
Float64s = npt.NDArray[np.float64]
Cells = npt.NDArray[np.uint64]
Bytes = npt.NDArray[np.uint8]
Fields = Sequence[Float64s]


def turn(cells: Cells, marks: Bytes, columns: Int32s, values: Float64s, flags: Bytes) -> None:
    """
    Make raw columns of the cells of a page.

    @param cells: uint64 of shape (rows, width), as L{netstream.kernel.cells}
        says.
    @param marks: uint8 of the same shape.
    @param columns: int32: the columns wanted.
    @param values: Filled: float64 of shape (wanted, rows).
    @param flags: Filled: uint8 of the same shape.
    """
    shape = (len(columns), cells.shape[0])
    if marks.shape != cells.shape or values.shape != shape or flags.shape != shape:
        raise ValueError("arrays of unequal shape")
    if len(columns) and not 0 <= columns.min() <= columns.max() < cells.shape[1]:
        raise ValueError("no such column")
    if COMPILED:
        _turn(cells, marks, columns, values.view(np.uint64), flags)
        return
    bits = cells[:, columns].T ^ np.uint64(_ABSENT)
    values.view(np.uint64)[:] = bits
    written = np.where(np.isfinite(values), 0, 4) | (marks[:, columns].T & 3)
    flags[:] = np.where(bits == _ABSENT, 0, written)


def _turn(cells: Any, marks: Any, columns: Any, bits: Any, flags: Any) -> int:
    """
    The compiled way, some columns at a time: of each row of the page as much
    as fits the cache together with what is written of it.
    """
    rows = cells.shape[0]
    wanted = columns.shape[0]
    with cython.nogil:
        begin = 0
        while begin < wanted:
            end = begin + _AT_ONCE
            if end > wanted:
                end = wanted
            for row in range(rows):
                for i in range(begin, end):
                    value = cells[row, columns[i]] ^ _ABSENT
                    bits[i, row] = value
                    if value & _EXPONENT != _EXPONENT:
                        flags[i, row] = marks[row, columns[i]] & 3
                    elif value == _ABSENT:
                        flags[i, row] = 0
                    else:
                        flags[i, row] = marks[row, columns[i]] & 3 | 4
            begin = end
    return 0


def pack(
    values: Float64s, flags: Bytes, packed: Float64s, states: Bytes, counts: Int32s, written: Int32s, facts: Bytes
) -> None:
    """
    Take apart, for each raw column, its values and which rows have them.

    @param values: float64 of shape (columns, rows).
    @param flags: uint8 of the same shape.
    @param packed: Filled: float64 of the same shape; in front the values of
        the column, and zeros behind them.
    @param states: Filled: uint8 of the same shape: the flags of each row, or
        L{MISSING}.
    @param counts: Filled: int32 by column: how many values it has.
    @param written: Filled: int32 by column: how many of its rows were written,
        gaps included.
    @param facts: Filled: uint8 by column: what is true of it.
    """
    shape = values.shape
    if flags.shape != shape or packed.shape != shape or states.shape != shape:
        raise ValueError("arrays of unequal shape")
    if counts.shape != shape[:1] or written.shape != shape[:1] or facts.shape != shape[:1]:
        raise ValueError("arrays of unequal length")
    if COMPILED:
        _pack(values, values.view(np.uint64), flags, packed.view(np.uint64), states, counts, written, facts)
        return
    there = np.isfinite(values)
    gap = ~there & ((flags & 4 > 0) | np.isinf(values))
    states[:] = np.where(there, flags & 3, np.where(gap, flags & 3 | 4, MISSING))
    counts[:] = there.sum(axis=1)
    written[:] = counts + gap.sum(axis=1)
    packed[:] = 0
    packed[np.arange(shape[1]) < counts[:, None]] = values[there]
    bits = packed.view(np.uint64)
    used = np.arange(shape[1]) < counts[:, None]
    size = bits & np.uint64(_SIZE)
    whole = (size <= _EXACT) & (packed == np.trunc(packed)) & (bits != _NEGATIVE)
    small = whole & (size < _BRIEF)
    single = (size == 0) | ((size >= _LEAST) & (size <= _MOST))
    facts[:] = (
        np.where((~used | (bits == bits[:, :1])).all(axis=1), SAME, 0)
        | np.where((states == 0).all(axis=1), PLAIN, 0)
        | np.where((~used | whole).all(axis=1), WHOLE, 0)
        | np.where((~used | small).all(axis=1), SMALL, 0)
        | np.where((~used | single).all(axis=1), SINGLE, 0)
    )


def _pack(values: Any, bits: Any, flags: Any, packed: Any, states: Any, counts: Any, written: Any, facts: Any) -> int:
    """
    The compiled way.
    """
    columns = values.shape[0]
    rows = values.shape[1]
    with cython.nogil:
        for i in range(columns):
            count = 0
            gaps = 0
            marked = 0
            fact = _SAME | _INTEGER | _SHORT | _SINGLE
            first = 0
            for row in range(rows):
                word = bits[i, row]
                if word & _EXPONENT == _EXPONENT:
                    if flags[i, row] & 4 or word & _FRACTION == 0:
                        states[i, row] = flags[i, row] & 3 | 4
                        gaps += 1
                    else:
                        states[i, row] = 8
                    marked = 1
                    continue
                state = flags[i, row] & 3
                states[i, row] = state
                marked |= state
                packed[i, count] = word
                if count == 0:
                    first = word
                count += 1
                if word == first and count > 1:
                    continue
                if word != first:
                    fact &= ~_SAME
                size = word & _SIZE
                if fact & _INTEGER:
                    if size > _EXACT or word == _NEGATIVE:
                        fact &= ~(_INTEGER | _SHORT)
                    else:
                        integer = cython.cast("int64_t", values[i, row])
                        if integer != values[i, row]:
                            fact &= ~(_INTEGER | _SHORT)
                        elif size >= _BRIEF:
                            fact &= ~_SHORT
                if size != 0 and (size < _LEAST or size > _MOST):
                    fact &= ~_SINGLE
            for row in range(count, rows):
                packed[i, row] = 0
            if marked == 0:
                fact |= _PLAIN
            counts[i] = count
            written[i] = count + gaps
            facts[i] = fact
    return 0


def fold(values: Float64s, flags: Bytes, rows: Int32s, place: Int32s, fields: Fields) -> None:
    """
    Add raw columns to rows of a tier.  Sums are added up in order of the rows.

    @param values: float64 of shape (columns, rows).
    @param flags: uint8 of the same shape.
    @param rows: int32 by row: the row of the tier it belongs to; -1 for none.
    @param place: int32 by column: which series of the tier it is; no two
        columns are the same.
    @param fields: Changed: sum, minimum, maximum, count, anomalous count, each
        float64 of shape (series, rows of the tier), at first 0, infinity,
        minus infinity, 0, 0.
    """
    _fits((values, flags), rows, place, fields)
    sums, lows, highs, counts, anomalous = fields
    if COMPILED:
        _fold(values, flags, rows, place, sums, lows, highs, counts, anomalous)
        return
    for row, to in enumerate(rows.tolist()):
        if to >= 0:
            some = np.flatnonzero(~np.isnan(values[:, row]))
            value, at = values[some, row], (place[some], to)
            sums[at] += value
            lows[at] = np.where(value < lows[at], value, lows[at])
            highs[at] = np.where(value > highs[at], value, highs[at])
            counts[at] += 1
            anomalous[at] += flags[some, row] & 1


def _fold(
    values: Any, flags: Any, rows: Any, place: Any, sums: Any, lows: Any, highs: Any, counts: Any, anomalous: Any
) -> int:
    """
    The compiled way.
    """
    width = values.shape[0]
    depth = values.shape[1]
    with cython.nogil:
        for i in range(width):
            series = place[i]
            row = 0
            while row < depth:
                to = rows[row]
                if to < 0:
                    row += 1
                    continue
                total = sums[series, to]
                low = lows[series, to]
                high = highs[series, to]
                count = 0
                odd = 0
                while row < depth and rows[row] == to:
                    value = values[i, row]
                    if value == value:
                        total += value
                        if value < low:
                            low = value
                        if value > high:
                            high = value
                        count += 1
                        odd += flags[i, row] & 1
                    row += 1
                sums[series, to] = total
                lows[series, to] = low
                highs[series, to] = high
                counts[series, to] += count
                anomalous[series, to] += odd
    return 0


def fold_rows(given: Fields, rows: Int32s, place: Int32s, fields: Fields) -> None:
    """
    Add columns of a finer tier to rows of a tier; see L{fold}.

    @param given: The fields of the finer tier, in the same order, each of
        shape (columns, rows).  Where the count is not above 0, there is
        nothing.
    """
    _fits(given, rows, place, fields)
    more_sums, more_lows, more_highs, more_counts, more_anomalous = given
    sums, lows, highs, counts, anomalous = fields
    if COMPILED:
        _fold_rows(
            more_sums,
            more_lows,
            more_highs,
            more_counts,
            more_anomalous,
            rows,
            place,
            sums,
            lows,
            highs,
            counts,
            anomalous,
        )
        return
    for row, to in enumerate(rows.tolist()):
        if to >= 0:
            some = np.flatnonzero(more_counts[:, row] > 0)
            at = (place[some], to)
            low, high = more_lows[some, row], more_highs[some, row]
            sums[at] += more_sums[some, row]
            lows[at] = np.where(low < lows[at], low, lows[at])
            highs[at] = np.where(high > highs[at], high, highs[at])
            counts[at] += more_counts[some, row]
            anomalous[at] += more_anomalous[some, row]


def _fold_rows(
    more_sums: Any,
    more_lows: Any,
    more_highs: Any,
    more_counts: Any,
    more_anomalous: Any,
    rows: Any,
    place: Any,
    sums: Any,
    lows: Any,
    highs: Any,
    counts: Any,
    anomalous: Any,
) -> int:
    """
    The compiled way.
    """
    width = more_sums.shape[0]
    depth = more_sums.shape[1]
    with cython.nogil:
        for i in range(width):
            series = place[i]
            for row in range(depth):
                to = rows[row]
                if to >= 0 and more_counts[i, row] > 0:
                    sums[series, to] += more_sums[i, row]
                    if more_lows[i, row] < lows[series, to]:
                        lows[series, to] = more_lows[i, row]
                    if more_highs[i, row] > highs[series, to]:
                        highs[series, to] = more_highs[i, row]
                    counts[series, to] += more_counts[i, row]
                    anomalous[series, to] += more_anomalous[i, row]
    return 0


def _fits(given: Sequence[npt.NDArray[Any]], rows: Int32s, place: Int32s, fields: Fields) -> None:
    """
    @raise ValueError: The arrays do not belong together.
    """
    shape = fields[0].shape
    if any(values.shape != (len(place), len(rows)) for values in given) or any(
        field.shape != shape for field in fields
    ):
        raise ValueError("arrays of unequal shape")
    if (len(rows) and rows.max() >= shape[1]) or (len(place) and not 0 <= place.min() <= place.max() < shape[0]):
        raise ValueError("no such series or row")
