"""
Row groups: the stored form of a stretch of time of one node.

A row group has one row each C{step} seconds and columns of one or more
fields, a column a series.  It is one run of bytes, little endian::

    header     magic "NSG2", version uint16 (2), rows uint16, start int64,
               step uint32, samples uint64, columns of each of the six fields
               uint32, patterns uint32, offset of the directory uint32, length
               of everything uint32, crc32 uint32 of the header up to here and
               the directory
    bodies     columns and patterns, in any order
    directory  for each column, by field and then by number: the numbers
               uint32, then kind and pattern (shifted by 8) uint32, then eight
               bytes: the value, if all are the same, else offset and length
               uint32 of a body; then offset and length uint32 of each pattern

A body is what its kind says, followed by the crc32 of that.  It holds only the
values that are there.  Which rows these are, which rows are gaps that were
written, and the flags, is a pattern: the flags of each row, or 8 if nothing was
written, a byte each, compressed with zstandard.  Equal patterns are stored
once.  Pattern 0 is not stored: every row has a value, without flags.

Values and flags are raw in the sense of L{netstream.db.overlay}.  Each column
can be read, and be damaged, without the others.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any
from zlib import crc32

import numpy as np
import numpy.typing as npt
from attrs import frozen
from pcodec import ChunkConfig
from pcodec.standalone import simple_compress, simple_decompress_into
from zstandard import ZstdCompressor, ZstdDecompressor, ZstdError, frame_content_size

from netstream.kernel.seal import MISSING, PLAIN, SAME, SINGLE, SMALL, WHOLE, pack, turn
from netstream.model.samples import EMPTY, Bytes, Float64s, Int32s

EPOCH_ROWS = 900
"""Rows of a row group of samples."""

MOST_ROWS = 4096
"""Rows of any row group, at most."""

Uint32s = npt.NDArray[np.uint32]
Uint64s = npt.NDArray[np.uint64]

_MAGIC = b"NSG2"
_VERSION = 2
_HEADER = struct.Struct("<4sHHqIQ6IIII")
_CRC = struct.Struct("<I")
_BEFORE = _HEADER.size + _CRC.size
_CONFIG = ChunkConfig(compression_level=4)
_LEVEL = 1
_AT_ONCE = 64
_MOST_BYTES = 0xFFFFFFFF
_CONSTANT, _FLOAT64, _FLOAT32, _INTEGER, _PLAIN = range(5)
_TYPES: Mapping[int, type[np.generic]] = {_FLOAT64: np.float64, _FLOAT32: np.float32, _INTEGER: np.int64}


class Damaged(ValueError):
    """
    Stored bytes are not what was written.
    """


class Field(IntEnum):
    """
    What a column holds: samples, or what is left of those of a longer time.
    """

    VALUE = 0
    SUM = 1
    MIN = 2
    MAX = 3
    COUNT = 4
    ANOMALOUS = 5


@frozen(eq=False)
class Part:
    """
    The columns of one field, raw.

    @ivar numbers: uint32, ascending: the series.
    @ivar values: float64 of shape (series, rows).
    @ivar flags: uint8 of the same shape; L{None} if all are 0.
    """

    numbers: Uint32s
    values: Float64s
    flags: Bytes | None = None

    def marks(self) -> Bytes:
        """
        @return: The flags; read only if there are none.
        """
        return np.broadcast_to(np.uint8(0), self.values.shape) if self.flags is None else self.flags


@frozen(eq=False)
class Group:
    """
    A row group as plain columns.

    @ivar start: Second of the first row.
    @ivar step: Seconds from row to row.
    @ivar rows: How many rows there are.
    @ivar parts: The columns of each field that there is.
    @ivar damaged: How many columns are missing because they are damaged.
    """

    start: int
    step: int
    rows: int
    parts: Mapping[Field, Part]
    damaged: int = 0


class Writer:
    """
    Makes one row group, some columns at a time, in any order.

    @ivar samples: How many samples and written gaps it holds.
    """

    def __init__(self, start: int, step: int, rows: int, *, single: bool = False) -> None:
        """
        @param single: Whether to round to float32 what is in its range.
        @raise ValueError: Such a row group cannot be.
        """
        if not 0 < rows <= MOST_ROWS or not 0 < step <= 0xFFFFFFFF:
            raise ValueError(f"a row group of {rows} rows of {step} s")
        self.start = start
        self.step = step
        self.rows = rows
        self.samples = 0
        self._single = single
        self._data = bytearray(_BEFORE)
        self._entries: dict[Field, list[tuple[Uint32s, Uint32s, Uint64s]]] = {}
        self._patterns: dict[bytes, int] = {}
        self._places: list[int] = []
        self._compressor = ZstdCompressor(level=_LEVEL, write_content_size=True)

    def add(self, field: Field, part: Part) -> None:
        """
        Add columns; those in which nothing was written are left out.

        @raise ValueError: They have another number of rows, or are too large.
        """
        marks = part.marks()
        if part.values.shape != (len(part.numbers), self.rows):
            raise ValueError(f"columns of shape {part.values.shape} in a row group of {self.rows} rows")
        for begin in range(0, len(part.numbers), _AT_ONCE):
            some = slice(begin, begin + _AT_ONCE)
            self._add(field, part.numbers[some], part.values[some], marks[some])

    def add_cells(self, numbers: npt.NDArray[Any], cells: Uint64s, flags: Bytes) -> None:
        """
        Add columns of a hot page, as L{of_cells} reads them, in little memory.

        @raise ValueError: They have another number of rows, or are too large.
        """
        columns = _used(numbers)
        series = np.asarray(numbers)[columns].astype(np.uint32)
        values = np.empty((_AT_ONCE, len(cells)))
        marks = np.empty(values.shape, np.uint8)
        for begin in range(0, len(columns), _AT_ONCE):
            some = columns[begin : begin + _AT_ONCE]
            turn(cells, flags, some, values[: len(some)], marks[: len(some)])
            self.add(Field.VALUE, Part(series[begin : begin + _AT_ONCE], values[: len(some)], marks[: len(some)]))

    def _add(self, field: Field, numbers: Uint32s, values: Float64s, marks: Bytes) -> None:
        packed = np.empty(values.shape)
        states = np.empty(values.shape, np.uint8)
        counts = np.empty(len(values), np.int32)
        written = np.empty(len(values), np.int32)
        facts = np.empty(len(values), np.uint8)
        pack(values, marks, packed, states, counts, written, facts)
        live = written > 0
        kinds = np.zeros(len(values), np.uint32)
        content = packed.view(np.uint64)[:, 0].copy()
        for i in np.flatnonzero(live & (facts & PLAIN == 0)).tolist():
            kinds[i] = self._pattern(states[i].tobytes()) << 8
        for i in np.flatnonzero(live & (facts & SAME == 0)).tolist():
            kind, body = self._packed(packed[i, : counts[i]], int(facts[i]))
            kinds[i] |= kind
            content[i] = self._body(body)
        if field in (Field.VALUE, Field.COUNT):
            self.samples += int(written.sum())
        self._entries.setdefault(field, []).append((numbers[live], kinds[live], content[live]))

    def _packed(self, values: Float64s, fact: int) -> tuple[int, bytes]:
        """
        @return: Kind and body of a column.
        """
        kind = _FLOAT64
        if fact & (SMALL if self._single else WHOLE):
            kind = _INTEGER
        elif self._single and fact & SINGLE:
            kind = _FLOAT32
        try:
            body: bytes = simple_compress(values.astype(_TYPES[kind], copy=False), _CONFIG)
        except (RuntimeError, TypeError):
            body = bytes(values.nbytes)
        if len(body) < values.nbytes:
            return kind, body
        return _PLAIN, self._compressor.compress(values.astype("<f8", copy=False).tobytes())

    def _pattern(self, states: bytes) -> int:
        """
        @return: The number of a pattern.
        """
        pattern = self._patterns.get(states)
        if pattern is None:
            self._places.append(self._body(self._compressor.compress(states)))
            pattern = self._patterns[states] = len(self._places)
        return pattern

    def _body(self, body: bytes) -> int:
        """
        @return: Where a body was put: offset and length, as in the directory.
        """
        offset = len(self._data)
        if offset + len(body) > _MOST_BYTES:
            raise ValueError("a row group of more than 4 GiB")
        self._data += body
        self._data += _CRC.pack(crc32(body))
        return offset | len(body) << 32

    def copy(self, group: RowGroup, field: Field, but: Uint32s) -> None:
        """
        Add columns of a row group as they are stored, damaged or not; the
        samples are not counted.

        @param but: Numbers of columns to leave out.
        """
        span = group.span(field)
        kept = np.flatnonzero(~np.isin(group.directory_numbers[span], but)) + span.start
        kinds = group.directory_kinds[kept].astype(np.uint32)
        content = group.directory_content[kept].astype(np.uint64)
        patterns = {0: 0}
        for pattern in np.unique(kinds >> 8).tolist():
            if pattern:
                self._places.append(self._copied(group, group.pattern_place(pattern)))
                patterns[pattern] = len(self._places)
        for i in np.flatnonzero(kinds >> 8).tolist():
            kinds[i] = kinds[i] & 255 | patterns[int(kinds[i]) >> 8] << 8
        for i in np.flatnonzero(kinds & 255 != _CONSTANT).tolist():
            content[i] = self._copied(group, int(content[i]))
        self._entries.setdefault(field, []).append((group.directory_numbers[kept], kinds, content))

    def _copied(self, group: RowGroup, place: int) -> int:
        """
        @return: Where a body of another row group was put.
        """
        offset = len(self._data)
        body = group.stored(place)
        if offset + len(body) > _MOST_BYTES:
            raise ValueError("a row group of more than 4 GiB")
        self._data += body
        return offset | (len(body) - _CRC.size) << 32

    def finish(self) -> bytearray:
        """
        @return: The row group; nothing can be added afterwards.
        @raise ValueError: A column was added twice, or it is too large.
        """
        directory = len(self._data)
        counts = [0] * len(Field)
        sections: tuple[list[npt.NDArray[Any]], ...] = ([], [], [])
        for field in sorted(self._entries):
            added = [np.concatenate(column) for column in zip(*self._entries[field], strict=True)]
            order = np.argsort(added[0], kind="stable")
            numbers = added[0][order]
            if (numbers[1:] == numbers[:-1]).any():
                raise ValueError("two columns of the same series")
            counts[field] = len(order)
            for section, column in zip(sections, added, strict=True):
                section.append(column[order])
        for section, kind in zip(sections, ("<u4", "<u4", "<u8"), strict=True):
            for column in section:
                self._data += np.ascontiguousarray(column, kind).data.cast("B")
        self._data += np.array(self._places, "<u8").tobytes()
        length = len(self._data)
        if length > _MOST_BYTES:
            raise ValueError("a row group of more than 4 GiB")
        header = _HEADER.pack(
            _MAGIC,
            _VERSION,
            self.rows,
            self.start,
            self.step,
            self.samples,
            *counts,
            len(self._places),
            directory,
            length,
        )
        with memoryview(self._data) as view:
            crc = crc32(view[directory:], crc32(header))
            view[:_BEFORE] = header + _CRC.pack(crc)
        return self._data


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
        if len(view) < _BEFORE:
            raise Damaged("the header is cut off")
        magic, version, rows, start, step, samples, *more = _HEADER.unpack_from(view)
        *counts, patterns, directory, length = more
        if magic != _MAGIC:
            raise Damaged("this is not a row group")
        if version != _VERSION:
            raise Damaged(f"a row group of version {version}, only {_VERSION} is known")
        columns = sum(counts)
        if (
            length != len(view)
            or directory < _BEFORE
            or directory + 16 * columns + 8 * patterns != length
            or crc32(view[directory:], crc32(view[: _HEADER.size])) != _CRC.unpack_from(view, _HEADER.size)[0]
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
            whole = np.isfinite(constants) | (kinds != _CONSTANT)
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
        kind = int(self.directory_kinds[entry])
        pattern = kind >> 8
        kind &= 255
        if not pattern:
            if kind == _CONSTANT:
                values[:] = _finite(self.directory_content[entry])
            else:
                self._decode(kind, int(self.directory_content[entry]), values)
            return
        states = patterns.get(pattern)
        if states is None:
            states = patterns[pattern] = self._states(pattern)
        there = states < EMPTY
        values[:] = np.nan
        if kind == _CONSTANT:
            values[there] = _finite(self.directory_content[entry])
        else:
            some = np.empty(int(np.count_nonzero(there)))
            self._decode(kind, int(self.directory_content[entry]), some)
            values[there] = some
        np.bitwise_and(states, MISSING - 1, out=flags)

    def _states(self, pattern: int) -> Bytes:
        """
        @return: uint8 by row: its flags, or L{MISSING}.
        @raise Damaged: They are not what was written.
        """
        if pattern > len(self._places):
            raise Damaged("its pattern is not there")
        states: Bytes = np.frombuffer(_inflated(self._whole(self.pattern_place(pattern)), self.rows), np.uint8)
        if states.max() > MISSING:
            raise Damaged("its pattern is not what was written")
        return states

    def pattern_place(self, pattern: int) -> int:
        """
        @return: Offset and length of a pattern, as in the directory.
        """
        return int(self._places[pattern - 1])

    def stored(self, place: int) -> memoryview:
        """
        @param place: Offset and length, as in the directory.
        @return: A body and its checksum as they are stored, damaged or not.
        @raise Damaged: It is not within the row group.
        """
        offset, length = place & 0xFFFFFFFF, place >> 32
        end = offset + length + _CRC.size
        if offset < _BEFORE or end > self._bodies:
            raise Damaged("it is not within the row group")
        return self._view[offset:end]

    def _whole(self, place: int) -> bytes:
        """
        @return: A body.
        @raise Damaged: It is not what was written.
        """
        stored = self.stored(place)
        body = bytes(stored[: -_CRC.size])
        if crc32(body) != _CRC.unpack_from(stored, len(body))[0]:
            raise Damaged("its checksum is wrong")
        return body

    def _decode(self, kind: int, place: int, values: Float64s) -> None:
        """
        Fill in the values of a body.

        @raise Damaged: They are not what was written.
        """
        body = self._whole(place)
        if kind == _PLAIN:
            values[:] = np.frombuffer(_inflated(body, 8 * len(values)), "<f8")
            return
        kept = _TYPES.get(kind)
        if kept is None:
            raise Damaged(f"it is of kind {kind}, which is not known")
        into: npt.NDArray[Any] = values if kind == _FLOAT64 else np.empty(len(values), kept)
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


def encode(group: Group, *, single: bool = False) -> bytearray:
    """
    @param single: Whether to round to float32 what is in its range.
    @return: The row group, to be stored; without the columns in which nothing
        was written.
    """
    writer = Writer(group.start, group.step, group.rows, single=single)
    for field, part in group.parts.items():
        writer.add(field, part)
    return writer.finish()


def of_cells(start: int, step: int, numbers: npt.NDArray[Any], cells: Uint64s, flags: Bytes) -> Group:
    """
    Read columns of a hot page.

    @param start: Second of row 0.
    @param step: Seconds from row to row.
    @param numbers: The series of each column of the page; -1 for none.
    @param cells: uint64 of shape (rows, columns).
    @param flags: uint8 of the same shape.
    @return: All columns that have a series.
    """
    columns = _used(numbers)
    values = np.empty((len(columns), len(cells)))
    marks = np.empty(values.shape, np.uint8)
    turn(cells, flags, columns, values, marks)
    part = Part(np.asarray(numbers)[columns].astype(np.uint32), values, marks)
    return Group(start, step, len(cells), {Field.VALUE: part})


def sealed(
    start: int, step: int, numbers: npt.NDArray[Any], cells: Uint64s, flags: Bytes, *, single: bool = False
) -> bytearray:
    """
    Make a row group of columns of a hot page: L{encode} of L{of_cells}, in
    little memory.
    """
    writer = Writer(start, step, len(cells), single=single)
    writer.add_cells(numbers, cells, flags)
    return writer.finish()


def _used(numbers: npt.NDArray[Any]) -> Int32s:
    """
    @return: The columns that have a series, by number of the series.
    """
    number = np.asarray(numbers, np.int64)
    used = np.flatnonzero(number >= 0)
    return used[np.argsort(number[used], kind="stable")].astype(np.int32)


def merged(older: Group, newer: Group) -> Group:
    """
    @return: Both as one, cell by cell: what C{newer} has written is as it says,
        gaps included.
    @raise ValueError: Their rows do not fit together.
    """
    start = min(older.start, newer.start)
    end = max(group.start + group.step * group.rows for group in (older, newer))
    rows = (end - start) // newer.step
    if older.step != newer.step or (older.start - newer.start) % newer.step or rows > MOST_ROWS:
        raise ValueError("row groups of other times")
    parts = {}
    for field in sorted({*older.parts, *newer.parts}):
        layers = [(group, group.parts[field]) for group in (older, newer) if field in group.parts]
        numbers = np.unique(np.concatenate([part.numbers for _, part in layers]))
        values = np.full((len(numbers), rows), np.nan)
        flags = np.zeros(values.shape, np.uint8)
        for group, part in layers:
            first = (group.start - start) // group.step
            at = (np.searchsorted(numbers, part.numbers)[:, None], np.arange(first, first + group.rows))
            written = ~np.isnan(part.values) | (part.marks() & EMPTY > 0)
            values[at] = np.where(written, part.values, values[at])
            flags[at] = np.where(written, part.marks(), flags[at])
        parts[field] = Part(numbers, values, flags if flags.any() else None)
    return Group(start, newer.step, rows, parts, older.damaged + newer.damaged)


def rewritten(older: RowGroup, newer: Group, *, single: bool = False) -> bytearray:
    """
    Write into a row group: L{encode} of L{merged}, but columns of series that
    C{newer} has not are copied as they are stored.

    @raise ValueError: Their rows do not fit together.
    @raise Damaged: A column of the older one cannot be copied.
    """
    end = newer.start + newer.step * newer.rows
    if newer.start < older.start or end > older.start + older.step * older.rows:
        return encode(merged(older.group(), newer), single=single)
    writer = Writer(older.start, older.step, older.rows, single=single)
    writer.samples = older.samples()
    none = np.zeros(0, np.uint32)
    for field in sorted({*older.fields, *newer.parts}):
        part = newer.parts.get(field)
        numbers = none if part is None else part.numbers
        writer.copy(older, field, numbers)
        if part is None:
            continue
        values, flags, _ = older.read(numbers, field)
        before = Group(older.start, older.step, older.rows, {field: Part(numbers, values.T, flags.T)})
        if field in (Field.VALUE, Field.COUNT):
            writer.samples -= int(np.count_nonzero(~np.isnan(values) | (flags & EMPTY > 0)))
        writer.add(field, merged(before, Group(newer.start, newer.step, newer.rows, {field: part})).parts[field])
    return writer.finish()
