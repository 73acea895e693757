"""
Samples into the cells of a hot page, and out of them.

A page is a matrix with a row for each point of time and a column for each
series, of eight bytes a cell: the bits of a float64, exclusive-or L{ABSENT}.
So a cell of zeros, which is what a new file is made of, is a sample that was
never written, and any cell can be written by itself: after a power cut it is
the old one or the new one.  Beside it is a matrix of flags, a byte a cell.
"""

import numpy as np
import numpy.typing as npt

COMPILED = not __file__.endswith(".py")

ABSENT = 0xFFF800004E530001
"""Bits of the NaN that says that nothing was written."""
GAP = 0xFFF800004E530002
"""Bits of the NaN that says that a gap was written."""
EMPTY = 4
"""The flag of a sample that is a gap."""
_ABSENT = ABSENT
_GAP = ABSENT ^ GAP
_SIGN = 0x8000000000000000
_MAGNITUDE = 0x7FFFFFFFFFFFFFFF
_INFINITY = 0x7FF0000000000000

Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
Float64s = npt.NDArray[np.float64]
Cells = npt.NDArray[np.uint64]
Bytes = npt.NDArray[np.uint8]


def store(
    cells: Cells,
    marks: Bytes,
    lowest: Int32s,
    highest: Int32s,
    place: Int32s,
    start: int,
    step: int,
    series: Int32s,
    time: Int64s,
    value: Float64s,
    flags: Bytes,
    left: Bytes,
) -> int:
    """
    Write samples into their cells, in order: the last of those with the same
    cell stays.

    @param cells: uint64 of shape (rows, columns), as the module says.
    @param marks: uint8 of the same shape: flags without EMPTY.
    @param lowest: int32 by column: its first row that was written, which is
        kept up to date.
    @param highest: And its last one.
    @param place: int32 by series: its column; -1 if it has none.
    @param start: Second of row 0.
    @param step: Seconds from row to row.
    @param series: int32 by sample.
    @param time: int64 by sample: its second.
    @param value: float64 by sample; what is not finite is a gap.
    @param flags: uint8 by sample.
    @param left: uint8 by sample: set to 1 for those that have no cell here,
        else to 0.
    @return: How many have no cell.
    """
    if COMPILED:
        return _one_by_one(
            cells, marks, lowest, highest, place, start, step, series, time, value, value.view(np.uint64), flags, left
        )
    return _together(cells, marks, lowest, highest, place, start, step, series, time, value, flags, left)


def _one_by_one(
    cells: Cells,
    marks: Bytes,
    lowest: Int32s,
    highest: Int32s,
    place: Int32s,
    start: int,
    step: int,
    series: Int32s,
    time: Int64s,
    value: Float64s,
    bits: Cells,
    flags: Bytes,
    left: Bytes,
) -> int:
    """
    The compiled way.
    """
    rows = cells.shape[0]
    columns = cells.shape[1]
    known = place.shape[0]
    count = series.shape[0]
    missed = 0
    if (
        marks.shape[0] != rows
        or marks.shape[1] != columns
        or lowest.shape[0] != columns
        or highest.shape[0] != columns
        or time.shape[0] != count
        or value.shape[0] != count
        or bits.shape[0] != count
        or flags.shape[0] != count
        or left.shape[0] != count
    ):
        raise ValueError("arrays of unequal length")
    second = start - 1
    row = -1
    for i in range(count):
        if time[i] != second:
            second = time[i]
            row = -1
            if second >= start:
                row = second - start
                if step != 1:
                    row = -1 if row % step else row // step
                if row >= rows:
                    row = -1
        column = -1
        number = series[i]
        if 0 <= number < known:
            column = place[number]
        if row < 0 or column < 0 or column >= columns:
            left[i] = 1
            missed += 1
            continue
        left[i] = 0
        if flags[i] & 4 or value[i] - value[i] != 0.0:
            cells[row, column] = _GAP
        else:
            cells[row, column] = bits[i] ^ _ABSENT
        marks[row, column] = flags[i] & 3
        if row < lowest[column]:
            lowest[column] = row
        if row > highest[column]:
            highest[column] = row
    return missed


def _together(
    cells: Cells,
    marks: Bytes,
    lowest: Int32s,
    highest: Int32s,
    place: Int32s,
    start: int,
    step: int,
    series: Int32s,
    time: Int64s,
    value: Float64s,
    flags: Bytes,
    left: Bytes,
) -> int:
    """
    The way without a compiler.
    """
    known = (series >= 0) & (series < len(place))
    column = np.where(known, place[np.where(known, series, 0)] if len(place) else -1, -1)
    row, rest = np.divmod(time - start, step)
    fits = (column >= 0) & (column < cells.shape[1]) & (row >= 0) & (row < cells.shape[0]) & (rest == 0)
    left[:] = ~fits
    if not fits.all():
        row, column, value, flags = row[fits], column[fits], value[fits], flags[fits]
    gap = ((flags & EMPTY) != 0) | ~np.isfinite(value)
    bits = np.ascontiguousarray(value).view(np.uint64) ^ np.uint64(_ABSENT)
    cells[row, column] = np.where(gap, np.uint64(_GAP), bits)
    marks[row, column] = flags & 3
    np.minimum.at(lowest, column, row.astype(np.int32))
    np.maximum.at(highest, column, row.astype(np.int32))
    return len(series) - len(row)


def load(cells: Cells, marks: Bytes, columns: Int32s, values: Float64s, flags: Bytes) -> None:
    """
    Read samples as an answer has them, where each row of a page is one of it.

    @param cells: uint64 of shape (rows, width).
    @param marks: uint8 of the same shape.
    @param columns: int32: the columns wanted.
    @param values: Filled: float64 of shape (rows, wanted), NaN where there is
        none; never minus zero.
    @param flags: Filled: uint8 of the same shape: EMPTY alone where there is
        none.
    @raise ValueError: The arrays do not fit each other, or there is no such
        column.
    """
    if COMPILED:
        _load(cells, marks, columns, values.view(np.uint64), flags)
        return
    shape = (len(cells), len(columns))
    if marks.shape != cells.shape or values.shape != shape or flags.shape != shape:
        raise ValueError("arrays of unequal shape")
    if len(columns) and not 0 <= columns.min() <= columns.max() < cells.shape[1]:
        raise ValueError("no such column")
    bits = cells[:, columns] ^ np.uint64(_ABSENT)
    values.view(np.uint64)[:] = np.where(bits == _SIGN, 0, bits)
    flags[:] = np.where(np.isnan(values), np.uint8(EMPTY), marks[:, columns] & 3)


def _load(cells: Cells, marks: Bytes, columns: Int32s, bits: Cells, flags: Bytes) -> int:
    """
    The compiled way.
    """
    rows = cells.shape[0]
    width = cells.shape[1]
    wanted = columns.shape[0]
    if (
        marks.shape[0] != rows
        or marks.shape[1] != width
        or bits.shape[0] != rows
        or bits.shape[1] != wanted
        or flags.shape[0] != rows
        or flags.shape[1] != wanted
    ):
        raise ValueError("arrays of unequal shape")
    for i in range(wanted):
        if not 0 <= columns[i] < width:
            raise ValueError("no such column")
    for row in range(rows):
        for i in range(wanted):
            value = cells[row, columns[i]] ^ _ABSENT
            if value == _SIGN:
                value = 0
            bits[row, i] = value
            if value & _MAGNITUDE > _INFINITY:
                flags[row, i] = 4
            else:
                flags[row, i] = marks[row, columns[i]] & 3
    return 0
