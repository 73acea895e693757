"""
Row groups: the stored form of a stretch of time of one node.

A row group has one row each C{step} seconds and columns of one or more
fields, a column a series.  It is one run of bytes, little endian::

    header     magic "NSG2", version uint16 (3 if columns share
               anything but patterns, else 2), rows uint16, start int64,
               step uint32, samples uint64, columns of each of the six fields
               uint32, patterns uint32, offset of the directory uint32, length
               of everything uint32, crc32 uint32 of the header up to here and
               the directory
    bodies     columns and patterns, in any order
    directory  for each column, by field and then by number: the numbers
               uint32, then kind and pattern (shifted by 8) uint32, then eight
               bytes: the value, if all are the same, else offset and length
               uint32 of a body; then offset and length uint32 of each pattern
               and all else that is shared

The clock or the totals of a column of kind L{GROWTH} or L{PERCENT} are shifted
by 20; they count among the patterns, and are stored as
L{netstream.db.counters} and L{netstream.db.percentages} say.

A body is what its kind says (see L{CONSTANT}), followed by the crc32 of that.
It holds only the values that are there.  Which rows these are, which rows are
gaps that were written, and the flags, is a pattern: the flags of each row, or 8
if nothing was written, a byte each, compressed with zstandard.  Equal patterns
are stored once.  Pattern 0 is not stored: every row has a value, without flags.

Values and flags are raw in the sense of L{netstream.db.overlay}.  Each column
can be read, and be damaged, without the others.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any
from zlib import crc32

import numpy as np
import numpy.typing as npt
from pcodec.standalone import simple_decompress_into
from zstandard import ZstdDecompressor, ZstdError, frame_content_size

from netstream.db.counters import Clock, clock_of, integers, unpack
from netstream.db.groups import MOST_ROWS, Field, Group, Part, Uint32s, Uint64s
from netstream.db.percentages import restored
from netstream.kernel.seal import MISSING
from netstream.model.samples import EMPTY, Bytes, Float64s

MAGIC = b"NSG2"
VERSION = 3
_OLDEST = 2
HEADER = struct.Struct("<4sHHqIQ6IIII")
CRC = struct.Struct("<I")
BEFORE = HEADER.size + CRC.size
"""Bytes in front of the first body."""
CONSTANT, FLOAT64, FLOAT32, INTEGER, PLAIN, PLAIN_SINGLE, GROWTH, PERCENT = range(8)
"""Kinds of columns: all values are the same; pcodec of float64, float32, int64;
zstandard of float64, float32; see L{netstream.db.counters} and
L{netstream.db.percentages}."""
SHARING = (GROWTH, PERCENT)
"""Kinds of columns that share a clock or totals."""
MOST_SHARED = 0xFFF
"""Columns that share something have no greater numbers of it and of patterns."""
TYPES: Mapping[int, type[np.generic]] = {
    FLOAT64: np.float64,
    FLOAT32: np.float32,
    INTEGER: np.int64,
    PLAIN: np.float64,
    PLAIN_SINGLE: np.float32,
}


class Damaged(ValueError):
    """
    Stored bytes are not what was written.
    """


def pattern_of(word: int) -> int:
    """
    @param word: Kind and pattern of a column, as in the directory.
    @return: The number of its pattern.
    """
    return word >> 8 & MOST_SHARED if word & 255 in SHARING else word >> 8


class RowGroup:
    """
    A row group as it is stored.  It may be read by many threads.

    @ivar start: Second of the first row.
    @ivar step: Seconds from row to row.
    @ivar rows: How many rows there are.
    """

    def __init__(self, data: bytes | bytearray | memoryview) -> None:
        """
        @param data: It is kept, and not copied.
        @raise Damaged: Nothing of it can be read.
        """
        view = memoryview(data)
        if len(view) < BEFORE:
            raise Damaged("the header is cut off")
        magic, version, rows, start, step, samples, *more = HEADER.unpack_from(view)
        *counts, patterns, directory, length = more
        if magic != MAGIC:
            raise Damaged("this is not a row group")
        if not _OLDEST <= version <= VERSION:
            raise Damaged(f"a row group of version {version}, only {_OLDEST} to {VERSION} are known")
        columns = sum(counts)
        if (
            length != len(view)
            or directory < BEFORE
            or directory + 16 * columns + 8 * patterns != length
            or crc32(view[directory:], crc32(view[: HEADER.size])) != CRC.unpack_from(view, HEADER.size)[0]
            or not 0 < rows <= MOST_ROWS
            or not step
        ):
            raise Damaged("the header or directory is not what was written")
        self.start: int = start
        self.step: int = step
        self.rows: int = rows
        self._samples: int = samples
        self._view = view
        self._bodies: int = directory
        ends = [sum(counts[: field + 1]) for field in Field]
        self._spans = [slice(end - count, end) for end, count in zip(ends, counts, strict=True)]
        self.directory_numbers: Uint32s = np.frombuffer(view, "<u4", columns, directory)
        self.directory_kinds: Uint32s = np.frombuffer(view, "<u4", columns, directory + 4 * columns)
        self.directory_content: Uint64s = np.frombuffer(view, "<u8", columns, directory + 8 * columns)
        self._places: Uint64s = np.frombuffer(view, "<u8", patterns, directory + 16 * columns)
        self._clocks: dict[int, Clock] = {}
        self._totals: dict[int, npt.NDArray[np.int64]] = {}

    def __len__(self) -> int:
        """
        @return: How many bytes it has.
        """
        return len(self._view)

    @property
    def fields(self) -> tuple[Field, ...]:
        """
        @return: The fields of which it has columns.
        """
        return tuple(field for field in Field if self._spans[field].start < self._spans[field].stop)

    def span(self, field: Field) -> slice:
        """
        @return: Where the columns of a field are in the directory.
        """
        return self._spans[field]

    def numbers(self, field: Field = Field.VALUE) -> Uint32s:
        """
        @return: uint32, ascending: the series of which it has columns of a
            field.
        """
        return self.directory_numbers[self._spans[field]]

    def samples(self) -> int:
        """
        @return: How many samples and written gaps it holds; of a tier how many
            rows of series.
        """
        return self._samples

    def read(
        self,
        numbers: Sequence[int] | npt.NDArray[Any],
        field: Field = Field.VALUE,
        first: int = 0,
        last: int | None = None,
    ) -> tuple[Float64s, Bytes, int]:
        """
        Read some columns, raw.

        @param numbers: The series wanted; of those that it has not, the column
            is empty.
        @param first: The first row wanted.
        @param last: The row behind the last one wanted.
        @return: float64 and uint8 of shape (rows, series): values and flags;
            and how many of the columns are damaged; these are empty.
        """
        wanted = np.asarray(numbers, np.int64)
        values = np.empty((len(wanted), self.rows))
        flags = np.zeros((len(wanted), self.rows), np.uint8)
        span = self._spans[field]
        have = self.directory_numbers[span]
        patterns: dict[int, Bytes] = {}
        damaged = 0
        places = have.searchsorted(wanted.astype(np.uint32))
        for i, (place, number) in enumerate(zip(places.tolist(), wanted.tolist(), strict=True)):
            if place < len(have) and have[place] == number:
                try:
                    self._read(span.start + place, values[i], flags[i], patterns)
                    continue
                except Damaged:
                    damaged += 1
                    flags[i] = 0
            values[i] = np.nan
        return values[:, first:last].T, flags[:, first:last].T, damaged

    def group(self, low: int = 0, high: int = 1 << 32) -> Group:
        """
        Read everything.

        @param low: The first number of a series wanted.
        @param high: The number behind the last one wanted.
        @return: The columns, without those that are damaged.
        """
        parts: dict[Field, Part] = {}
        damaged = 0
        patterns: dict[int, Bytes] = {}
        for field in self.fields:
            span = self._spans[field]
            begin, end = (
                span.start + int(place) for place in np.searchsorted(self.directory_numbers[span], (low, high))
            )
            kinds = self.directory_kinds[begin:end]
            # Constant columns are most of them: all at once.
            constants = self.directory_content[begin:end].view("<f8")
            values = np.repeat(constants[:, None], self.rows, axis=1)
            whole = np.isfinite(constants) | (kinds != CONSTANT)
            damaged += int(np.count_nonzero(~whole))
            flags = np.zeros(values.shape, np.uint8)
            for i in np.flatnonzero(kinds).tolist():
                try:
                    self._read(begin + i, values[i], flags[i], patterns)
                except Damaged:
                    damaged += 1
                    whole[i] = False
            numbers = self.directory_numbers[begin:end]
            if not whole.all():
                numbers, values, flags = numbers[whole], values[whole], flags[whole]
            parts[field] = Part(numbers, values, flags if flags.any() else None)
        return Group(self.start, self.step, self.rows, parts, damaged)

    def check(self) -> list[str]:
        """
        @return: A sentence for each column that is damaged.
        """
        wrong = []
        values, flags = np.empty(self.rows), np.empty(self.rows, np.uint8)
        for field in self.fields:
            span = self._spans[field]
            numbers = self.directory_numbers[span]
            if (numbers[1:] <= numbers[:-1]).any():
                wrong.append(f"{field.name.lower()}: the series are not in order")
            for entry in range(span.start, span.stop):
                try:
                    self._read(entry, values, flags, {})
                except Damaged as problem:
                    wrong.append(f"{field.name.lower()} of series {self.directory_numbers[entry]}: {problem}")
        return wrong

    def _read(self, entry: int, values: Float64s, flags: Bytes, patterns: dict[int, Bytes]) -> None:
        """
        Fill in one column.

        @param patterns: Those read before.
        @raise Damaged: It is not what was written.
        """
        word = int(self.directory_kinds[entry])
        pattern = pattern_of(word)
        if not pattern:
            if word & 255 == CONSTANT:
                values[:] = _finite(self.directory_content[entry])
            else:
                self._decode(word, int(self.directory_content[entry]), values)
            return
        states = patterns.get(pattern)
        if states is None:
            states = patterns[pattern] = self._states(pattern)
        there = states < EMPTY
        values[:] = np.nan
        if word & 255 == CONSTANT:
            values[there] = _finite(self.directory_content[entry])
        else:
            some = np.empty(int(np.count_nonzero(there)))
            self._decode(word, int(self.directory_content[entry]), some, there)
            values[there] = some
        np.bitwise_and(states, MISSING - 1, out=flags)

    def _states(self, pattern: int) -> Bytes:
        """
        @return: uint8 by row: its flags, or 8 if nothing was written.
        @raise Damaged: They are not what was written.
        """
        states: Bytes = np.frombuffer(_inflated(self._whole(self.pattern_place(pattern)), self.rows), np.uint8)
        if states.max() > MISSING:
            raise Damaged("its pattern is not what was written")
        return states

    def pattern_place(self, pattern: int) -> int:
        """
        @return: Offset and length of a pattern, as in the directory.
        @raise Damaged: There is no such pattern.
        """
        if pattern > len(self._places):
            raise Damaged("its pattern is not there")
        return int(self._places[pattern - 1])

    def stored(self, place: int) -> memoryview:
        """
        @param place: Offset and length, as in the directory.
        @return: A body and its checksum as they are stored, damaged or not.
        @raise Damaged: It is not within the row group.
        """
        offset, length = place & 0xFFFFFFFF, place >> 32
        end = offset + length + CRC.size
        if offset < BEFORE or end > self._bodies:
            raise Damaged("it is not within the row group")
        return self._view[offset:end]

    def _whole(self, place: int) -> bytes:
        """
        @return: A body.
        @raise Damaged: It is not what was written.
        """
        stored = self.stored(place)
        body = bytes(stored[: -CRC.size])
        if crc32(body) != CRC.unpack_from(stored, len(body))[0]:
            raise Damaged("its checksum is wrong")
        return body

    def _clock(self, number: int) -> Clock:
        """
        @raise Damaged: It is not what was written.
        """
        clock = self._clocks.get(number)
        if clock is None:
            clock = self._clocks[number] = clock_of(self._shared(number), self.rows, self.step)
        return clock

    def _percentages(self, body: bytes, number: int, there: npt.NDArray[np.bool_] | None, values: Float64s) -> None:
        """
        Fill in the values of a body.

        @param number: That of the totals.
        @raise ValueError: Body or totals are not what was written.
        """
        totals = self._totals.get(number)
        if totals is None:
            totals = integers(self._shared(number), self.rows)
            if (totals < 1).any():
                raise ValueError("its totals cannot be")
            self._totals[number] = totals
        values[:] = restored(integers(body, len(values)), totals if there is None else totals[there])

    def _shared(self, number: int) -> bytes:
        """
        @raise Damaged: It is not what was written.
        """
        if not number:
            raise Damaged("what it shares is not there")
        return self._whole(self.pattern_place(number))

    def _decode(self, word: int, place: int, values: Float64s, there: npt.NDArray[np.bool_] | None = None) -> None:
        """
        Fill in the values of a body.

        @param word: The kind of the column, as in the directory.
        @param there: Which rows have a value; L{None} if all do.
        @raise Damaged: They are not what was written.
        """
        body = self._whole(place)
        kind = word & 255
        if kind in SHARING:
            try:
                if kind == GROWTH:
                    unpack(body, self._clock(word >> 20), there, values)
                else:
                    self._percentages(body, word >> 20, there, values)
            except Damaged:
                raise
            except ValueError as problem:
                raise Damaged(str(problem)) from problem
            return
        kept = TYPES.get(kind)
        if kept is None:
            raise Damaged(f"it is of kind {kind}, which is not known")
        if kind in (PLAIN, PLAIN_SINGLE):
            stored = np.dtype(kept).newbyteorder("<")
            values[:] = np.frombuffer(_inflated(body, stored.itemsize * len(values)), stored)
            return
        into: npt.NDArray[Any] = values if kind == FLOAT64 else np.empty(len(values), kept)
        try:
            progress = simple_decompress_into(body, into)
        except (RuntimeError, TypeError) as problem:
            raise Damaged(f"it cannot be decompressed: {problem}") from problem
        if progress.n_processed != len(values) or not progress.finished:
            raise Damaged("it has another number of values")
        if into is not values:
            values[:] = into


def _finite(content: np.uint64) -> float:
    """
    @return: A value out of the directory.
    @raise Damaged: It cannot have been written.
    """
    value = float(content.view(np.float64))
    if value - value != 0:
        raise Damaged("its value is not a number")
    return value


def _inflated(body: bytes, size: int) -> bytes:
    """
    @raise Damaged: It is not of that size.
    """
    try:
        if frame_content_size(body) != size:
            raise Damaged("it has another number of values")
        return ZstdDecompressor().decompress(body)
    except ZstdError as problem:
        raise Damaged(f"it cannot be decompressed: {problem}") from problem
