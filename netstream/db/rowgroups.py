"""
Making row groups: of columns, of hot pages, of older row groups.

What they are is said in L{netstream.db.groups}, how they are stored in
L{netstream.db.encoded}.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from typing import Any
from zlib import crc32

import numpy as np
import numpy.typing as npt
from pcodec import ChunkConfig
from pcodec.standalone import simple_compress
from zstandard import ZstdCompressor

from netstream.db.counters import Clock, find
from netstream.db.encoded import (
    BEFORE,
    CONSTANT,
    CRC,
    FLOAT32,
    FLOAT64,
    GROWTH,
    HEADER,
    INTEGER,
    MAGIC,
    MOST_SHARED,
    PERCENT,
    PLAIN,
    PLAIN_SINGLE,
    SHARING,
    TYPES,
    VERSION,
    Damaged,
    RowGroup,
    pattern_of,
)
from netstream.db.groups import (
    EPOCH_ROWS,
    MOST_ROWS,
    Field,
    Group,
    Part,
    Uint32s,
    Uint64s,
    columns_used,
    merged,
    of_cells,
)
from netstream.db.percentages import groups
from netstream.kernel import seal
from netstream.model.samples import EMPTY, Bytes, Float64s

__all__ = [
    "EPOCH_ROWS",
    "MOST_ROWS",
    "Damaged",
    "Field",
    "Group",
    "Part",
    "RowGroup",
    "Writer",
    "encode",
    "merged",
    "of_cells",
    "rewritten",
    "sealed",
]

_CONFIG = ChunkConfig(compression_level=6)
_LEVEL = 3
_GOOD, _NOISE = 1.0, 5.5
"""Bytes a value of pcodec between which zstandard is worth a try: it finds
values that come again among others that do not."""
_AT_ONCE = 64
_MOST_BYTES = 0xFFFFFFFF
_SAMPLED = 2048
"""In how many columns the clock of a collector is looked for, at most."""
_MOST_BODIES = 10_000
"""Among how many bodies one is looked for that is the same."""
_WITHOUT = 2
"""Version of a row group without clocks and shared bodies."""


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
        self._data = bytearray(BEFORE)
        self._entries: dict[Field, list[tuple[Uint32s, Uint32s, Uint64s]]] = {}
        self._patterns: dict[bytes, int] = {}
        self._places: list[int] = []
        self._clock: Clock | None = None
        self._clock_place = 0
        self._version = _WITHOUT
        self._bodies: dict[bytes, tuple[int, int]] = {}
        self._compressor = ZstdCompressor(level=_LEVEL, write_content_size=True)

    def add(self, field: Field, part: Part) -> None:
        """
        Add columns; those in which nothing was written are left out.

        @raise ValueError: They have another number of rows, or are too large.
        """
        marks = part.marks()
        if part.values.shape != (len(part.numbers), self.rows):
            raise ValueError(f"columns of shape {part.values.shape} in a row group of {self.rows} rows")
        if field == Field.VALUE and self._clock is None:
            sample = part.values[:: 1 + len(part.numbers) // _SAMPLED]
            self._clock = find(
                (sample[begin : begin + _AT_ONCE] for begin in range(0, len(sample), _AT_ONCE)), self.rows, self.step
            )
        self._add_all(field, part, marks)

    def _add_all(self, field: Field, part: Part, marks: Bytes) -> None:
        for begin in range(0, len(part.numbers), _AT_ONCE):
            some = slice(begin, begin + _AT_ONCE)
            self._add(field, part.numbers[some], part.values[some], marks[some])

    def add_cells(self, numbers: npt.NDArray[Any], cells: Uint64s, flags: Bytes) -> None:
        """
        Add columns of a hot page, as L{of_cells} reads them, in little memory.

        @raise ValueError: They have another number of rows, or are too large.
        """
        columns = columns_used(numbers)
        series = np.asarray(numbers)[columns].astype(np.uint32)
        values = np.empty((_AT_ONCE, len(cells)))
        marks = np.empty(values.shape, np.uint8)

        def turned(of: npt.NDArray[Any]) -> Iterator[int]:
            for begin in range(0, len(of), _AT_ONCE):
                some = of[begin : begin + _AT_ONCE]
                seal.turn(cells, flags, some, values[: len(some)], marks[: len(some)])
                yield begin

        if self._clock is None:
            sample = np.ascontiguousarray(columns[:: 1 + len(columns) // _SAMPLED])
            batches = (values[: len(sample) - begin] for begin in turned(sample))
            self._clock = find(batches, self.rows, self.step)
        for begin in turned(columns):
            some = series[begin : begin + _AT_ONCE]
            self._add(Field.VALUE, some, values[: len(some)], marks[: len(some)])

    def _add(self, field: Field, numbers: Uint32s, values: Float64s, marks: Bytes) -> None:
        packed = np.empty(values.shape)
        states = np.empty(values.shape, np.uint8)
        counts = np.empty(len(values), np.int32)
        written = np.empty(len(values), np.int32)
        facts = np.empty(len(values), np.uint8)
        seal.pack(values, marks, packed, states, counts, written, facts)
        live = written > 0
        kinds = np.zeros(len(values), np.uint32)
        content = packed.view(np.uint64)[:, 0].copy()
        for i in np.flatnonzero(live & (facts & seal.PLAIN == 0)).tolist():
            kinds[i] = self._pattern(states[i].tobytes()) << 8
        changing = np.flatnonzero(live & (facts & seal.SAME == 0)).tolist()
        portions: dict[int, tuple[int, bytes]] = {}
        if field == Field.VALUE:
            whole = [i for i in changing if counts[i] == self.rows and not facts[i] & seal.WHOLE]
            portions = self._portions(packed, [i for i in whole if kinds[i] >> 8 <= MOST_SHARED])
        for i in changing:
            some = packed[i, : counts[i]]
            digest = blake2b(some.data, digest_size=16, salt=CRC.pack(kinds[i])).digest()
            same = self._bodies.get(digest)
            if same is not None:
                kinds[i], content[i] = same
                self._version = VERSION
                continue
            growth = portions.get(i) or self._growth(field, some, states[i], int(facts[i]), int(kinds[i]))
            kind, body = growth or self._packed(some, int(facts[i]))
            kinds[i] |= kind
            content[i] = self._body(body)
            if len(self._bodies) < _MOST_BODIES:
                self._bodies[digest] = int(kinds[i]), int(content[i])
        if field in (Field.VALUE, Field.COUNT):
            self.samples += int(written.sum())
        self._entries.setdefault(field, []).append((numbers[live], kinds[live], content[live]))

    def _packed(self, values: Float64s, fact: int) -> tuple[int, bytes]:
        """
        @return: Kind and body of a column.
        """
        kind, plain = FLOAT64, PLAIN
        if self._single and fact & seal.SINGLE:
            kind, plain = FLOAT32, PLAIN_SINGLE
        if fact & (seal.SMALL if self._single else seal.WHOLE):
            kind = INTEGER
        try:
            body: bytes = simple_compress(values.astype(TYPES[kind], copy=False), _CONFIG)
        except (RuntimeError, TypeError):
            body = bytes(2 * values.nbytes)
        dense = len(body) / len(values)
        stored = np.dtype(TYPES[plain]).newbyteorder("<")
        if dense <= _GOOD or _NOISE <= dense < stored.itemsize:
            return kind, body
        other = self._compressor.compress(values.astype(stored, copy=False).tobytes())
        return (plain, other) if len(other) < len(body) else (kind, body)

    def _portions(self, packed: Float64s, columns: list[int]) -> dict[int, tuple[int, bytes]]:
        """
        @param columns: Which of the columns have a value in each row.
        @return: Kind, with the number of the totals, and body of those that
            are percentages.
        """
        found: dict[int, tuple[int, bytes]] = {}
        for totals, numbers in groups([packed[i] for i in columns]):
            if len(self._places) < MOST_SHARED:
                self._places.append(self._body(simple_compress(totals, _CONFIG)))
                self._version = VERSION
                kind = PERCENT | len(self._places) << 20
                found |= {columns[at]: (kind, simple_compress(part, _CONFIG)) for at, part in numbers.items()}
        return found

    def _growth(
        self, field: Field, values: Float64s, states: Bytes, fact: int, pattern: int
    ) -> tuple[int, bytes] | None:
        """
        @param pattern: The number of its pattern, as in the directory.
        @return: Kind, with the number of the clock, and body of a column, if
            it is a counter that was collected by the clock.
        """
        clock = self._clock
        if clock is None or field != Field.VALUE or fact & seal.WHOLE or pattern >> 8 > MOST_SHARED:
            return None
        found = clock.packed(values, states < EMPTY if len(values) < len(states) else None)
        if found is None:
            return None
        body, exceptions = found
        if 2 * exceptions > len(body):
            other = self._packed(values, fact)
            if len(other[1]) <= len(body):
                return other
        if not self._clock_place:
            if len(self._places) >= MOST_SHARED:
                return None
            self._places.append(self._body(clock.stored()))
            self._clock_place = len(self._places)
            self._version = VERSION
        return GROWTH | self._clock_place << 20, body

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
        self._data += CRC.pack(crc32(body))
        return offset | len(body) << 32

    def copy(self, group: RowGroup, field: Field, but: Uint32s) -> None:
        """
        Add columns of a row group as they are stored, damaged or not; the
        samples are not counted.

        @param but: Numbers of columns to leave out.
        @raise Damaged: It cannot be copied.
        """
        span = group.span(field)
        kept = np.flatnonzero(~np.isin(group.directory_numbers[span], but)) + span.start
        kinds = group.directory_kinds[kept].astype(np.uint32)
        content = group.directory_content[kept].astype(np.uint64)
        if int((np.unique(content[kinds & 255 != CONSTANT]) >> np.uint64(32)).sum()) > len(group):
            raise Damaged("its columns are longer than all of it")
        patterns = {0: 0}
        bodies: dict[int, int] = {}

        def copied(number: int) -> int:
            if number not in patterns:
                self._places.append(self._copied(group, group.pattern_place(number)))
                patterns[number] = len(self._places)
            return patterns[number]

        sharing = np.isin(kinds & 255, SHARING)
        # Those with small numbers first.
        for i in np.flatnonzero(sharing).tolist():
            pattern, other = copied(pattern_of(int(kinds[i]))), copied(int(kinds[i]) >> 20)
            if max(pattern, other) > MOST_SHARED:
                raise Damaged("its columns have too many patterns")
            kinds[i] = kinds[i] & 255 | pattern << 8 | other << 20
            self._version = VERSION
        for i in np.flatnonzero((kinds >> 8 > 0) & ~sharing).tolist():
            kinds[i] = kinds[i] & 255 | copied(int(kinds[i]) >> 8) << 8
        for i in np.flatnonzero(kinds & 255 != CONSTANT).tolist():
            place = int(content[i])
            if place in bodies:
                self._version = VERSION
            else:
                bodies[place] = self._copied(group, place)
            content[i] = bodies[place]
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
        return offset | (len(body) - CRC.size) << 32

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
        header = HEADER.pack(
            MAGIC,
            self._version,
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
            view[:BEFORE] = header + CRC.pack(crc)
        return self._data


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
