"""
Answers whose rows come from a hot page: planned, read and written in one call.

What is the same for all answers to questions in the same terms is a L{Form},
text with places in it.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

try:
    import cython
except ImportError:
    from netstream.kernel import uncompiled as cython

from netstream.kernel.cells import ABSENT, load
from netstream.kernel.rows import extent, stamped, write

if not cython.compiled:
    from netstream.kernel.rows import LONGEST, put, put_integer, put_number

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

_ABSENT = ABSENT
_RELATIVE = RELATIVE
_NAN = float("nan")

Int32s = npt.NDArray[np.int32]
Cells = npt.NDArray[np.uint64]
Bytes = npt.NDArray[np.uint8]
Float64s = npt.NDArray[np.float64]


class Question:
    """
    A question for samples, and which rows of those that are at hand answer it.
    """

    __slots__ = ("after", "before", "count", "end", "first", "last", "now", "points")

    def __init__(self, after: int, before: int, points: int, now: int, first: int, last: int) -> None:
        """
        @param after: As L{netstream.db.windows.window} has it.
        @param before: The same.
        @param points: The same.
        @param now: The current second.
        @param first: The oldest second that is stored.
        @param last: The newest second.
        """
        self.after = after
        self.before = before
        self.points = points
        self.now = now
        self.first = first
        self.last = last
        self.end = 0
        self.count = 0


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

    def plan(self, question: Question) -> bool:
        """
        Choose rows as L{netstream.db.windows.window} does, where each is one
        sample: C{end} becomes the row of the page behind the last one, and
        C{count} how many there are.

        @return: Whether it is as simple as that, and they are all here.
        """
        after = question.after
        before = question.before
        points = question.points
        now = question.now
        first = question.first
        last = question.last
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
            return False
        after -= after % step
        before -= before % step
        stored = (before - after + 1) // step
        if stored < 1:
            stored = 1
        if points <= 0 or points > stored:
            points = stored
        rest = stored % points
        if stored // points + (1 if rest > points // 2 else 0) != 1:
            return False
        if before - after > points * step:
            points = stored
        after = before - points * step
        if after < self.floor or before < first or after >= last or after + step < start or (after - start) % step:
            return False
        low = (after + step - start) // step
        if low + points > earlier + len(self.cells):
            return False
        question.end = low + points - earlier
        question.count = points
        return True


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

    def fill(self, rows: Rows, question: Question, latest: Float64s, series: Int32s) -> bytes | None:
        """
        Answer a question for samples.

        @param rows: Where they are.
        @param latest: float64 by series of the host.
        @param series: int32 by column: its series, -1 if it has none.
        @return: L{None} if rows are not all here, or each of more than one
            sample, or if there are anomalies that may not be.
        @raise ValueError: There are more columns than series, or less.
        """
        if not cython.compiled:
            return self._by_arrays(rows, question, latest, series)
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
        if not rows.plan(question):
            return None
        high = question.end
        height = question.count
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
        size = (height + 2) * (wanted + 1) * (LONGEST + 4)
        for piece in self._pieces:
            size += len(piece) + LONGEST
        text = bytearray(size)
        begin: Any = text
        at: Any = begin
        places: Any = self._places
        newest_at = start + step * (high - 1)
        number = 0
        for place in range(len(self._pieces)):
            at = put(at, self._pieces[place])
            if place == len(self._pieces) - 1:
                break
            code = places[place]
            if code == 0:
                at = put_integer(at, question.after)
            elif code == 1:
                at = put_integer(at, question.before)
            elif code == 2:
                at = put_integer(at, question.points)
            elif code == 3:
                at = put_integer(at, step)
            elif code == 4:
                at = put_integer(at, question.first)
            elif code == 5:
                at = put_integer(at, question.last)
            elif code == 6:
                at = put_integer(at, start + step * low)
            elif code == 7:
                at = put_integer(at, newest_at)
            elif code == 8:
                at = put_integer(at, height)
            elif code == 9:
                at = put_integer(at, count)
            elif code == 10:
                at = put_number(at, least + 0.0)
            elif code == 11:
                at = put_number(at, greatest + 0.0)
            elif code == 12:
                for i in range(wanted):
                    if i:
                        at[0] = 44
                        at += 1
                    number = series[i]
                    at = put_number(at, latest[number] if 0 <= number < latest.shape[0] else _NAN)
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
                    at = put_number(at, value)
            else:
                for number in range(height):
                    row = high - 1 - number if self._turned else low + number
                    if number:
                        at[0] = 44
                        at += 1
                    at[0] = 91
                    at = put_integer(at + 1, self._factor * (start + step * row))
                    for i in range(wanted):
                        if row < 0:
                            value = past[earlier + row, i]
                        else:
                            cell.bits = cells[row, columns[i]] ^ _ABSENT  # noqa: F821
                            value = cell.value  # noqa: F821
                        at[0] = 44
                        at = put_number(at + 1, value)
                    at[0] = 93
                    at += 1
        return bytes(memoryview(text)[: at - begin])

    def _by_arrays(self, rows: Rows, question: Question, latest: Float64s, series: Int32s) -> bytes | None:
        """
        The way without a compiler.
        """
        wanted, earlier, start, step = len(rows.columns), len(rows.past), rows.start, rows.step
        if len(series) != wanted:
            raise ValueError("arrays of unequal shape")
        if not rows.plan(question):
            return None
        high, height = question.end, question.count
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
            *(b"%d" % whole for whole in (question.after, question.before, question.points)),
            *(b"%d" % whole for whole in (step, question.first, question.last)),
            *(b"%d" % whole for whole in (start + step * low, start + step * (high - 1), height, count)),
            *(write(np.array([[number]]), b"", b"") for number in (least, greatest)),
            write(np.array([newest]), b",", b""),
            write(values[height - 1 :], b",", b""),
            stamped(shown, oldest, stride, b"[", b",", b",", b"],").removesuffix(b","),
        ]
        places = [said[place] for place in self._places] + [b""]
        return b"".join([piece + place for piece, place in zip(self._pieces, places, strict=True)])
