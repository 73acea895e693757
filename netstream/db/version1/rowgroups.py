"""
Row groups as the first version of the disk engine wrote them.

A row group is one run of bytes, little endian::

    header     magic "NSG1", rows uint32, columns uint32, length of times uint32,
               crc32 of times and directory uint32
    times      rows int64 seconds, compressed
    directory  for each column, ascending by number:
               number uint32, start uint32, length uint32, crc32 uint32
    columns    each by itself: one float64 if all rows have that value and no
               flags; else compressed: rows float64, and then rows uint8 of
               flags unless all are 0

Values and flags are raw in the sense of L{netstream.db.overlay}.  Each column
can be read, and be damaged, without the others.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from zlib import crc32

import numpy as np
import numpy.typing as npt
from attrs import frozen
from zstandard import ZstdCompressor, ZstdDecompressor, ZstdError

from netstream.db.grid import Block
from netstream.db.interfaces import Columns
from netstream.db.overlay import chained, nothing
from netstream.model.samples import Int32s, Int64s

MOST_ROWS = 1024
"""Rows of a row group, at most."""

_MAGIC = b"NSG1"
_HEADER = struct.Struct("<4sIIII")
_DIRECTORY = np.dtype([("number", "<u4"), ("start", "<u4"), ("length", "<u4"), ("crc", "<u4")])
_LEVEL = 1
_AT_ONCE = 256
_ONE = 8
"""Bytes of a column with one value; what is compressed is always longer."""


class Damaged(ValueError):
    """
    Stored bytes are not what was written.
    """


@frozen(eq=False)
class RowGroup:
    """
    One row group, to be stored.

    @ivar first: Its first second.
    @ivar last: Its last second.
    @ivar samples: How many samples and written gaps it holds.
    """

    first: int
    last: int
    samples: int
    data: bytes


def sealed(blocks: Sequence[Block], numbers: Sequence[int]) -> Iterator[RowGroup]:
    """
    Make row groups of blocks.

    @param blocks: Blocks of one grid in order of time.
    @param numbers: The number of the series of each column; -1 for none.
    """
    number = np.array(numbers, np.int64)
    used = np.flatnonzero(number >= 0)
    column: Int32s = used[np.argsort(number[used], kind="stable")].astype(np.int32)
    for stretch in _stretches(blocks):
        group = _group(stretch, column, number[column])
        if group is not None:
            yield group


def _stretches(blocks: Sequence[Block]) -> Iterator[list[Block]]:
    stretch: list[Block] = []
    rows = 0
    for block in blocks:
        if stretch and (rows + block.rows > MOST_ROWS or block.start - stretch[-1].end > 3600):
            yield stretch
            stretch, rows = [], 0
        stretch.append(block)
        rows += block.rows
    if stretch:
        yield stretch


def _group(stretch: Sequence[Block], column: Int32s, number: Int64s) -> RowGroup | None:
    after, before = stretch[0].start - 1, stretch[-1].end
    times = chained([block.get(column[:0], after, before) for block in stretch], 0).times
    compressor = ZstdCompressor(level=_LEVEL)
    entries: list[tuple[int, int, int, int]] = []
    parts: list[bytes] = []
    samples = start = 0
    for some in range(0, len(column), _AT_ONCE):
        chunk = column[some : some + _AT_ONCE]
        rows = chained([block.get(chunk, after, before) for block in stretch], len(chunk))
        written: npt.NDArray[np.bool_] = np.logical_or(~np.isnan(rows.values), rows.flags)
        samples += int(np.count_nonzero(written))
        values = np.ascontiguousarray(rows.values.T)
        noted = set(np.flatnonzero(rows.flags.any(axis=0)).tolist())
        bits = values.view(np.int64)
        same = set(np.flatnonzero((bits == bits[:, :1]).all(axis=1)).tolist()) - noted
        for place in np.flatnonzero(written.any(axis=0)).tolist():
            if place in same:
                packed = values[place, :1].tobytes()
            else:
                plain = values[place].tobytes()
                if place in noted:
                    plain += rows.flags[:, place].tobytes()
                packed = compressor.compress(plain)
            entries.append((int(number[some + place]), start, len(packed), crc32(packed)))
            parts.append(packed)
            start += len(packed)
    if not entries:
        return None
    seconds = compressor.compress(np.diff(times, prepend=0).astype("<i8").tobytes())
    index = seconds + np.array(entries, _DIRECTORY).tobytes()
    header = _HEADER.pack(_MAGIC, len(times), len(entries), len(seconds), crc32(index))
    return RowGroup(int(times[0]), int(times[-1]), samples, b"".join((header, index, *parts)))


def _unpacked(packed: bytes, most: int) -> bytes:
    try:
        return ZstdDecompressor().decompress(packed, max_output_size=most)
    except ZstdError as problem:
        raise Damaged(str(problem)) from problem


def columns_of(data: bytes, numbers: Sequence[int], after: int, before: int) -> tuple[Columns, int]:
    """
    Read some columns of a row group.

    @param numbers: Of the series wanted; -1 is empty.
    @return: The rows after C{after} up to C{before}, raw, and how many of the
        wanted columns are damaged; these are empty.
    @raise Damaged: Nothing of it can be read.
    """
    if len(data) < _HEADER.size:
        raise Damaged("the header is cut off")
    magic, rows, count, length, crc = _HEADER.unpack_from(data)
    body = _HEADER.size + length + count * _DIRECTORY.itemsize
    if magic != _MAGIC or body > len(data) or rows > MOST_ROWS or crc32(data[_HEADER.size : body]) != crc:
        raise Damaged("the header or directory is not what was written")
    seconds = _unpacked(data[_HEADER.size : _HEADER.size + length], rows * 8)
    if len(seconds) != rows * 8:
        raise Damaged("the times are not what was written")
    times: Int64s = np.cumsum(np.frombuffer(seconds, "<i8"))
    inside = slice(*np.searchsorted(times, (after, before), "right"))
    wanted = np.array(numbers, np.int64)
    if inside.start >= inside.stop:
        return nothing(len(wanted)), 0
    directory = np.frombuffer(data, _DIRECTORY, count, _HEADER.size + length)
    values = np.full((inside.stop - inside.start, len(wanted)), np.nan)
    flags = np.zeros(values.shape, np.uint8)
    places = np.searchsorted(directory["number"], wanted)
    damaged = 0
    for column, (place, number) in enumerate(zip(places.tolist(), wanted.tolist(), strict=True)):
        if place == count or directory["number"][place] != number:
            continue
        start = body + int(directory["start"][place])
        packed = data[start : start + int(directory["length"][place])]
        if crc32(packed) != directory["crc"][place]:
            damaged += 1
            continue
        if len(packed) == _ONE:
            values[:, column] = np.frombuffer(packed, "<f8")
            continue
        plain = _unpacked(packed, rows * 9)
        values[:, column] = np.frombuffer(plain, "<f8", rows)[inside]
        if len(plain) > rows * 8:
            flags[:, column] = np.frombuffer(plain, np.uint8, rows, rows * 8)[inside]
    return Columns(times[inside], values, flags), damaged
