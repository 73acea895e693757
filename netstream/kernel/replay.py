"""
The encoder of the rows of a replication.
"""

from collections.abc import Sequence

import numpy as np

from netstream.kernel.columns import ANOMALOUS, EMPTY, RESET, Bytes, Float64s, Int64s
from netstream.kernel.encode import Writer, integer_text, quoted, real_text

_SPARSE = tuple(
    b" " + ((b"" if n & ANOMALOUS else b"A") + (b"R" if n & RESET else b"") or b"''") + b"\n" for n in range(8)
)
_GAP = b'nan "E"\n'
COMPILED = not __file__.endswith(".py")


def rows(
    dimensions: Sequence[str],
    times: Int64s,
    values: Float64s,
    flags: Bytes,
    period: int,
    now: int,
    whole: bool,
    ieee754: bool,
) -> bytes:
    """
    Write the rows of one chart.

    @param dimensions: Ids, one for each column.
    @param times: UTC seconds, ascending.
    @param values: Of shape (rows, dimensions); what is not finite is a gap.
    @param flags: Of the same shape.
    @param period: Seconds that a row stands for.
    @param now: Our clock, UTC seconds.
    @param whole: Whether each row has each dimension, with decimal numbers, as
        1.37 has it; else gaps are left out, and rows that have nothing else.
    @param ieee754: Whether numbers are in base 64.
    @return: C{RBEGIN} with its times and C{RSET} lines.
    @raise ValueError: The shapes do not fit.
    """
    if values.shape != (len(times), len(dimensions)) or flags.shape != values.shape:
        raise ValueError("columns of unequal length")
    quote = '"' if whole else "'"
    names = [b"RSET " + quoted(dimension, quote) + b" " for dimension in dimensions]
    if not COMPILED:
        return _plain(names, times, values, flags, period, now, whole, ieee754)
    return _compiled(
        names,
        np.ascontiguousarray(times, np.int64),
        np.ascontiguousarray(values, np.float64),
        np.ascontiguousarray(flags, np.uint8),
        period,
        now,
        whole,
        ieee754,
    )


def _compiled(
    names: list[bytes],
    times: Int64s,
    values: Float64s,
    flags: Bytes,
    period: int,
    now: int,
    whole: bool,
    ieee754: bool,
) -> bytes:
    """
    Write rows with a L{Writer}.
    """
    seconds = times
    reals = values
    marks = flags
    width = len(names)
    writer = Writer()
    for row in range(len(seconds)):
        begun = False
        for column in range(width):
            number = reals[row, column]
            flag = marks[row, column] & 7
            gap = flag & 4 != 0 or number - number != 0.0
            if gap and not whole:
                continue
            if not begun:
                begun = True
                second = seconds[row]
                writer.put(b"RBEGIN '' ")
                _time(writer, second - period, ieee754)
                writer.put(b" ")
                _time(writer, second, ieee754)
                writer.put(b" ")
                _time(writer, now, ieee754)
                writer.put(b"\n")
            writer.put(names[column])
            if gap:
                writer.put(_GAP)
                continue
            writer.real(number, ieee754)
            if whole:
                writer.put(b' "R"\n' if flag & 2 else b' ""\n')
            elif flag == 0:
                writer.put(b" A\n")
            else:
                writer.put(_SPARSE[flag])
    return writer.take()


def _time(writer: Writer, second: int, ieee754: bool) -> int:
    """
    Write a second.
    """
    return writer.integer(second, True) if ieee754 else writer.decimal(second, 1)


def _plain(
    names: list[bytes],
    times: Int64s,
    values: Float64s,
    flags: Bytes,
    period: int,
    now: int,
    whole: bool,
    ieee754: bool,
) -> bytes:
    """
    Write rows as plain Python does it best.
    """
    text: list[bytes] = []

    def time(second: int) -> str:
        return integer_text(second, True) if ieee754 else str(second)

    for second, row, marks in zip(times.tolist(), values.tolist(), flags.tolist(), strict=True):
        begin = f"RBEGIN '' {time(second - period)} {time(second)} {time(now)}\n".encode()
        for name, number, flag in zip(names, row, marks, strict=True):
            flag &= 7
            gap = flag & EMPTY or number - number != 0
            if gap and not whole:
                continue
            text.append(begin)
            begin = b""
            if gap:
                text.append(name + _GAP)
            elif whole:
                text.append(name + real_text(number, ieee754).encode() + (b' "R"\n' if flag & RESET else b' ""\n'))
            else:
                text.append(name + real_text(number, ieee754).encode() + _SPARSE[flag])
    return b"".join(text)
