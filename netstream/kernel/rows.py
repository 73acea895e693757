"""
Numbers as text, and rows of them: what an answer to a question is made of.

A number is written as JSON takes it, with at most seven decimals and no more
digits than it needs; what is not finite is C{null}.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

COMPILED = not __file__.endswith(".py")

LONGEST = 24
"""Bytes of the longest number: a sign, 17 digits, a point, and an exponent of five."""
_FINE = 1e8
"""Below this, a number of seven decimals has 15 digits at most: these are the shortest that mean it."""
_COARSE = 1e9
"""From here on, floating point numbers are farther apart than seven decimals."""
_WHOLE = 2.0**63
_MAGIC = 2.0**52
_PLAIN = 1e-3
"""From here on, Python writes numbers without an exponent."""
_NULL = b"null"
_PAIRS = b"".join(b"%02d" % number for number in range(100))

Int64s = npt.NDArray[np.int64]
Float64s = npt.NDArray[np.float64]


def write(values: Float64s, between: bytes, behind: bytes) -> bytes:
    """
    Write rows, each its numbers with C{between} between them, and C{behind}.

    @param values: float64 of shape (rows, columns).
    """
    if not COMPILED:
        return _together(values, None, b"", b"", between, behind)
    return _one_by_one(values, 0, 0, 0, b"", b"", between, behind)


def stamped(
    values: Float64s, first: int, step: int, before: bytes, after: bytes, between: bytes, behind: bytes
) -> bytes:
    """
    Write rows, each C{before}, its stamp, C{after}, and as L{write} does.

    @param first: The stamp of the first row.
    @param step: What to add for the next.
    """
    if not COMPILED:
        stamps = first + step * np.arange(len(values), dtype=np.int64)
        return _together(values, stamps, before, after, between, behind)
    return _one_by_one(values, first, step, 1, before, after, between, behind)


def extent(values: Float64s) -> tuple[int, float, float]:
    """
    @param values: float64 of shape (rows, columns).
    @return: How many of them are not NaN, and the least and the greatest of
        those that are finite; zeros if none is.
    """
    if COMPILED:
        return _extent(values)
    finite = values[np.isfinite(values)]
    count = int(np.count_nonzero(~np.isnan(values)))
    return (count, float(finite.min()), float(finite.max())) if finite.size else (count, 0.0, 0.0)


def _extent(values: Any) -> tuple[int, float, float]:
    """
    The compiled way.
    """
    count = 0
    finite = 0
    low = 0.0
    high = 0.0
    for row in range(values.shape[0]):
        for column in range(values.shape[1]):
            value = values[row, column]
            if value == value:
                count += 1
            if value - value == 0:
                if not finite or value < low:
                    low = value
                if not finite or value > high:
                    high = value
                finite = 1
    return count, low, high


def long_text(value: float) -> bytes:
    """
    @param value: One of L{_FINE} or more, or less than minus that.
    @return: How it is written.
    """
    if value - value != 0:
        return _NULL
    if -_WHOLE < value < _WHOLE and value == int(value):
        return b"%d" % int(value)
    if -_COARSE < value < _COARSE:
        value = round(value * 1e7) / 1e7
    text = repr(value)
    return text.removesuffix(".0").encode()


def _one_by_one(
    values: Float64s,
    stamp: int,
    step: int,
    with_stamp: int,
    before: bytes,
    after: bytes,
    between: bytes,
    behind: bytes,
) -> bytes:
    """
    The compiled way.
    """
    rows = values.shape[0]
    columns = values.shape[1]
    size = 0
    if with_stamp:
        size = len(before) + len(after) + LONGEST
    size = rows * (size + len(behind) + columns * (len(between) + LONGEST))
    text = bytearray(size)
    start: Any = text
    at: Any = start
    for row in range(rows):
        if with_stamp:
            at = put(at, before)
            at = put(put_integer(at, stamp), after)
            stamp += step
        for column in range(columns):
            if column:
                at = put(at, between)
            at = put_number(at, values[row, column])
        at = put(at, behind)
    return bytes(memoryview(text)[: at - start])


def put_integer(at: Any, number: int) -> Any:
    """
    Write an integer (in C).
    """
    if number < 0:
        at[0] = 45
        return _digits(at + 1, -number)
    return _digits(at, number)


def put_number(at: Any, value: float) -> Any:
    """
    Write a number (in C).
    """
    if value - value != 0:
        return put(at, _NULL)
    magnitude = -value if value < 0 else value
    if magnitude >= _FINE:
        return put(at, long_text(value))
    # Rounds to the nearest whole number, halves to the even one.
    scaled = int(magnitude * 1e7 + _MAGIC - _MAGIC)
    if value < 0 and scaled:
        at[0] = 45
        at += 1
    at = _digits(at, scaled // 10000000)
    scaled %= 10000000
    return _decimals(at, scaled) if scaled else at


def put(at: Any, text: bytes) -> Any:
    """
    Write bytes (in C, where a place in text can be counted on).
    """
    size = len(text)
    source = text
    for i in range(size):
        at[i] = source[i]
    return at + size


def _digits(at: Any, number: int) -> Any:
    """
    Write an unsigned integer (in C).
    """
    pairs = _PAIRS
    if number < 10:
        at[0] = 48 + number
        return at + 1
    if number < 100:
        at[0] = pairs[2 * number]
        at[1] = pairs[2 * number + 1]
        return at + 2
    count = 1
    rest = number
    while rest >= 10000:
        rest //= 10000
        count += 4
    if rest >= 100:
        count += 3 if rest >= 1000 else 2
    elif rest >= 10:
        count += 1
    place = count
    while place > 1:
        rest = number // 100
        pair = 2 * (number - 100 * rest)
        number = rest
        place -= 2
        at[place] = pairs[pair]
        at[place + 1] = pairs[pair + 1]
    if place:
        at[0] = 48 + number
    return at + count


def _decimals(at: Any, number: int) -> Any:
    """
    Write a point and seven decimals without the zeros at their end (in C).

    @param number: The decimals; not 0.
    """
    pairs = _PAIRS
    at[0] = 46
    for place in range(6, 0, -2):
        rest = number // 100
        pair = 2 * (number - 100 * rest)
        number = rest
        at[place] = pairs[pair]
        at[place + 1] = pairs[pair + 1]
    at[1] = 48 + number
    place = 7
    while at[place] == 48:
        place -= 1
    return at + place + 1


def _together(
    values: Float64s, stamps: Int64s | None, before: bytes, after: bytes, between: bytes, behind: bytes
) -> bytes:
    """
    The way without a compiler.
    """
    texts = [text.encode() for text in _texts(values.ravel())]
    width = values.shape[1]
    lines = [between.join(texts[row * width : (row + 1) * width]) + behind for row in range(len(values))]
    if stamps is None:
        return b"".join(lines)
    begins = [b"%b%d%b" % (before, stamp, after) for stamp in stamps.tolist()]
    return b"".join([begin + line for begin, line in zip(begins, lines, strict=True)])


def _texts(values: Float64s) -> list[str]:
    """
    @return: How numbers are written.
    """
    magnitude = np.abs(values)
    if len(values) and (magnitude < _FINE).all():
        rounded = np.rint(values * 1e7) / 1e7 + 0.0
        if ((magnitude >= _PLAIN) | (rounded == 0)).all():
            text = repr(rounded.tolist()).strip("[]")
            return text.replace(".0,", ",").removesuffix(".0").split(", ")
    return [_short(value) if -_FINE < value < _FINE else long_text(value).decode() for value in values.tolist()]


def _short(value: float) -> str:
    rounded = round(value * 1e7) / 1e7
    text = repr(rounded) if abs(rounded) >= _PLAIN else f"{rounded + 0.0:.7f}".rstrip("0")
    return "0" if not rounded else text.removesuffix(".0")
