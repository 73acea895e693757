"""
Rows of numbers as text: what an answer to a question is made of.

A number is written as JSON takes it, with at most seven decimals and no more
digits than it needs; what is not finite is C{null}.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from netstream.kernel.cells import ABSENT, load

RELATIVE = 3 * 365 * 86400
"""Times closer to 0 than this are relative."""
PLACES = (
    "asked_after",
    "asked_before",
    "asked_points",
    "step",
    "first",
    "last",
    "oldest",
    "newest",
    "rows",
    "points",
    "low",
    "high",
    "latest_values",
    "newest_values",
    "result",
)
"""What L{Form} can say: the question; seconds between rows, the first and last
that are stored, and those of the oldest and newest row; how many rows there
are, and how many numbers; the least and the greatest; the latest values of all,
and the newest of these; and the rows."""

COMPILED = not __file__.endswith(".py")

_LONGEST = 24
"""Bytes of the longest number: a sign, 17 digits, a point, and an exponent of five."""
_FINE = 1e8
"""Below this, a number of seven decimals has 15 digits at most: these are the shortest that mean it."""
_COARSE = 1e9
"""From here on, floating point numbers are farther apart than seven decimals."""
_WHOLE = 2.0**63
_MAGIC = 2.0**52
_PLAIN = 1e-3
"""From here on, Python writes numbers without an exponent."""
_ABSENT = ABSENT
_RELATIVE = RELATIVE
_NAN = float("nan")
_NULL = b"null"
_PAIRS = b"".join(b"%02d" % number for number in range(100))

Int32s = npt.NDArray[np.int32]
Cells = npt.NDArray[np.uint64]
Bytes = npt.NDArray[np.uint8]
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
        size = len(before) + len(after) + _LONGEST
    size = rows * (size + len(behind) + columns * (len(between) + _LONGEST))
    text = bytearray(size)
    start: Any = text
    at: Any = start
    for row in range(rows):
        if with_stamp:
            at = _put(at, before)
            at = _put(_stamp(at, stamp), after)
            stamp += step
        for column in range(columns):
            if column:
                at = _put(at, between)
            at = _number(at, values[row, column])
        at = _put(at, behind)
    return bytes(memoryview(text)[: at - start])


def _stamp(at: Any, number: int) -> Any:
    """
    Write an integer (in C).
    """
    if number < 0:
        at[0] = 45
        return _digits(at + 1, -number)
    return _digits(at, number)


def _number(at: Any, value: float) -> Any:
    """
    Write a number (in C).
    """
    if value - value != 0:
        return _put(at, _NULL)
    magnitude = -value if value < 0 else value
    if magnitude >= _FINE:
        return _put(at, long_text(value))
    # Rounds to the nearest whole number, halves to the even one.
    scaled = int(magnitude * 1e7 + _MAGIC - _MAGIC)
    if value < 0 and scaled:
        at[0] = 45
        at += 1
    at = _digits(at, scaled // 10000000)
    scaled %= 10000000
    return _decimals(at, scaled) if scaled else at


def _put(at: Any, text: bytes) -> Any:
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


class Rows:
    """
    Rows of some series, one sample each: those of a hot page, and what comes
    right before them.
    """

    __slots__ = ("cells", "columns", "floor", "marks", "past", "past_marks", "start", "step")

    def __init__(
        self,
        cells: Cells,
        marks: Bytes,
        columns: Int32s,
        past: Float64s,
        past_marks: Bytes,
        start: int,
        step: int,
        floor: int,
    ) -> None:
        """
        @param cells: uint64 of shape (rows, width), as L{netstream.kernel.cells}
            says.
        @param marks: uint8 of the same shape.
        @param columns: int32 by series: its column.
        @param past: float64 of shape (rows, series): what comes before the
            page; NaN where there is none.
        @param past_marks: uint8 of the same shape.
        @param start: Second of the first row of the page.
        @param step: Seconds from row to row.
        @param floor: Rows up to this second may be elsewhere.
        @raise ValueError: The arrays do not fit each other, or there is no such
            column.
        """
        self.cells = cells
        self.marks = marks
        self.columns = columns
        self.past = past
        self.past_marks = past_marks
        self.start = start
        self.step = step
        self.floor = floor
        width = self.cells.shape[1]
        wanted = self.columns.shape[0]
        if (
            self.marks.shape[0] != self.cells.shape[0]
            or self.marks.shape[1] != width
            or self.past.shape[1] != wanted
            or self.past_marks.shape[0] != self.past.shape[0]
            or self.past_marks.shape[1] != wanted
        ):
            raise ValueError("arrays of unequal shape")
        for i in range(wanted):
            if not 0 <= self.columns[i] < width:
                raise ValueError("no such column")

    def plan(self, after: int, before: int, points: int, now: int, first: int, last: int) -> int:
        """
        Choose rows as L{netstream.db.windows.window} does, where each is one
        sample.

        @return: The row behind the last one, counted from the first of the
            past, times 2**32, and how many there are; 0 if it is not so simple,
            or they are not all here.
        """
        earlier = len(self.past)
        step = self.step
        start = self.start - earlier * step
        if before == 0:
            before = last
        elif -_RELATIVE <= before <= _RELATIVE:
            before = now - 1 - (before if before > 0 else -before)
        if after == 0:
            after = first
        elif -_RELATIVE <= after <= _RELATIVE:
            after = before - (after if after > 0 else -after) + 1
        if after > before:
            after, before = before, after
        if before > now - 1:
            after, before = after - (before - now + 1), now - 1
        if after <= 0 or step <= 0 or (step > 1 and 0 < points * step < before - after + 1):  # a tier might fit
            return 0
        after -= after % step
        before -= before % step
        stored = (before - after + 1) // step
        if stored < 1:
            stored = 1
        if points <= 0 or points > stored:
            points = stored
        rest = stored % points
        if stored // points + (1 if rest > points // 2 else 0) != 1:
            return 0
        if before - after > points * step:
            points = stored
        after = before - points * step
        if after < self.floor or before < first or after >= last or after + step < start or (after - start) % step:
            return 0
        low = (after + step - start) // step
        if low + points > earlier + len(self.cells):
            return 0
        return (low + points << 32) + points


class Form:
    """
    Text with rows of a hot page in it, and what there is to say of them.

    Each row is its time, newest first, and its numbers, in brackets.
    """

    __slots__ = ("_anomalies", "_factor", "_pieces", "_places", "_turned")

    def __init__(
        self, pieces: list[bytes], places: list[str], flip: bool = False, factor: int = 1, anomalies: bool = True
    ) -> None:
        """
        @param pieces: What stands before, between and behind the places.
        @param places: Names of L{PLACES}: what stands there.
        @param flip: Write the oldest row first.
        @param factor: Of the times of rows.
        @param anomalies: Whether anomalous samples may be among them.
        @raise ValueError: There is no such place, or there are not as many as
            between the pieces.
        """
        if len(places) != len(pieces) - 1:
            raise ValueError("as many places as between the pieces")
        self._pieces = pieces
        self._places = bytes([PLACES.index(name) for name in places])
        self._turned = not flip
        self._factor = factor
        self._anomalies = anomalies

    def fill(
        self,
        rows: Rows,
        after: int,
        before: int,
        points: int,
        now: int,
        first: int,
        last: int,
        latest: Float64s,
        series: Int32s,
    ) -> bytes | None:
        """
        Answer a question for samples.

        @param rows: Where they are.
        @param after: As L{netstream.db.windows.window} has it.
        @param before: The same.
        @param points: The same.
        @param now: The current second.
        @param first: The oldest second that is stored.
        @param last: The newest second.
        @param latest: float64 by series of the host.
        @param series: int32 by column: its series, -1 if it has none.
        @return: L{None} if rows are not all here, or each of more than one
            sample, or if there are anomalies that may not be.
        @raise ValueError: There are more columns than series, or less.
        """
        if not COMPILED:
            return self._by_arrays(rows, after, before, points, now, first, last, latest, series)
        cell: Any  # in C, the bits of a number and the number in the same place
        cells: Any = rows.cells
        marks: Any = rows.marks
        columns: Any = rows.columns
        past: Any = rows.past
        past_marks: Any = rows.past_marks
        start = rows.start
        step = rows.step
        wanted = columns.shape[0]
        earlier = past.shape[0]
        if series.shape[0] != wanted:
            raise ValueError("arrays of unequal shape")
        end = rows.plan(after, before, points, now, first, last)
        if not end:
            return None
        high = (end >> 32) - earlier
        height = end & 0xFFFFFFFF
        low = high - height
        count = 0
        finite = 0
        least = 0.0
        greatest = 0.0
        for row in range(low, high):
            for i in range(wanted):
                if row < 0:
                    mark = past_marks[earlier + row, i]
                    value = past[earlier + row, i]
                else:
                    mark = 0 if self._anomalies else marks[row, columns[i]]
                    cell.bits = cells[row, columns[i]] ^ _ABSENT  # noqa: F821
                    value = cell.value  # noqa: F821
                if mark & 1 and not self._anomalies:
                    return None
                if value == value:
                    count += 1
                if value - value == 0:
                    if not finite or value < least:
                        least = value
                    if not finite or value > greatest:
                        greatest = value
                    finite = 1
        size = (height + 2) * (wanted + 1) * (_LONGEST + 4)
        for piece in self._pieces:
            size += len(piece) + _LONGEST
        text = bytearray(size)
        begin: Any = text
        at: Any = begin
        places: Any = self._places
        newest_at = start + step * (high - 1)
        number = 0
        for place in range(len(self._pieces)):
            at = _put(at, self._pieces[place])
            if place == len(self._pieces) - 1:
                break
            code = places[place]
            if code == 0:
                at = _stamp(at, after)
            elif code == 1:
                at = _stamp(at, before)
            elif code == 2:
                at = _stamp(at, points)
            elif code == 3:
                at = _stamp(at, step)
            elif code == 4:
                at = _stamp(at, first)
            elif code == 5:
                at = _stamp(at, last)
            elif code == 6:
                at = _stamp(at, start + step * low)
            elif code == 7:
                at = _stamp(at, newest_at)
            elif code == 8:
                at = _stamp(at, height)
            elif code == 9:
                at = _stamp(at, count)
            elif code == 10:
                at = _number(at, least + 0.0)
            elif code == 11:
                at = _number(at, greatest + 0.0)
            elif code == 12:
                for i in range(wanted):
                    if i:
                        at[0] = 44
                        at += 1
                    number = series[i]
                    at = _number(at, latest[number] if 0 <= number < latest.shape[0] else _NAN)
            elif code == 13:
                for i in range(wanted):
                    if i:
                        at[0] = 44
                        at += 1
                    if high < 1:
                        value = past[earlier + high - 1, i]
                    else:
                        cell.bits = cells[high - 1, columns[i]] ^ _ABSENT  # noqa: F821
                        value = cell.value  # noqa: F821
                    at = _number(at, value)
            else:
                for number in range(height):
                    row = high - 1 - number if self._turned else low + number
                    if number:
                        at[0] = 44
                        at += 1
                    at[0] = 91
                    at = _stamp(at + 1, self._factor * (start + step * row))
                    for i in range(wanted):
                        if row < 0:
                            value = past[earlier + row, i]
                        else:
                            cell.bits = cells[row, columns[i]] ^ _ABSENT  # noqa: F821
                            value = cell.value  # noqa: F821
                        at[0] = 44
                        at = _number(at + 1, value)
                    at[0] = 93
                    at += 1
        return bytes(memoryview(text)[: at - begin])

    def _by_arrays(
        self,
        rows: Rows,
        after: int,
        before: int,
        points: int,
        now: int,
        first: int,
        last: int,
        latest: Float64s,
        series: Int32s,
    ) -> bytes | None:
        """
        The way without a compiler.
        """
        wanted, earlier, start, step = len(rows.columns), len(rows.past), rows.start, rows.step
        if len(series) != wanted:
            raise ValueError("arrays of unequal shape")
        end = rows.plan(after, before, points, now, first, last)
        if not end:
            return None
        high, height = (end >> 32) - earlier, end & 0xFFFFFFFF
        low = high - height
        here = slice(max(0, low), max(0, high))
        loaded, flags = np.empty((here.stop - here.start, wanted)), np.empty((here.stop - here.start, wanted), np.uint8)
        load(rows.cells[here], rows.marks[here], rows.columns, loaded, flags)
        there = slice(min(earlier, earlier + low), min(earlier, earlier + high))
        values = np.concatenate((rows.past[there], loaded))
        marks = np.concatenate((rows.past_marks[there], rows.marks[here][:, rows.columns]))
        if not self._anomalies and (marks & 1).any():
            return None
        count, least, greatest = extent(values)
        newest = [latest[number] if 0 <= number < len(latest) else _NAN for number in series.tolist()]
        oldest, stride = self._factor * (start + step * low), self._factor * step
        shown = values
        if self._turned:
            shown, oldest, stride = values[::-1], oldest + stride * (height - 1), -stride
        said = [
            *(b"%d" % whole for whole in (after, before, points, step, first, last)),
            *(b"%d" % whole for whole in (start + step * low, start + step * (high - 1), height, count)),
            *(write(np.array([[number]]), b"", b"") for number in (least, greatest)),
            write(np.array([newest]), b",", b""),
            write(values[height - 1 :], b",", b""),
            stamped(shown, oldest, stride, b"[", b",", b",", b"],").removesuffix(b","),
        ]
        places = [said[place] for place in self._places] + [b""]
        return b"".join([piece + place for piece, place in zip(self._pieces, places, strict=True)])


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
