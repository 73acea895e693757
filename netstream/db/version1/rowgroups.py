"""
Row groups of the first version: a stretch of time of one node.

A row group is one run of bytes, little endian::

    header     magic "NSG1", rows uint32, columns uint32, length of times uint32,
               crc32 of times and directory uint32
    times      differences of rows int64 seconds, compressed with zstandard
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
from collections.abc import Container, Iterator
from zlib import crc32

import numpy as np
import numpy.typing as npt
from zstandard import ZstdDecompressor, ZstdError

from netstream.db.version1.samples import Samples
from netstream.model.samples import Bytes, Float64s, Int64s

_MAGIC = b"NSG1"
_HEADER = struct.Struct("<4sIIII")
_DIRECTORY = np.dtype([("number", "<u4"), ("start", "<u4"), ("length", "<u4"), ("crc", "<u4")])
_MOST_ROWS = 1024
_AT_ONCE = 256
_ONE = 8


class RowGroup:
    """
    One row group.

    @ivar times: int64, second of each row.
    @ivar damaged: How many columns turned out to be damaged.
    """

    def __init__(self, data: bytes) -> None:
        """
        @raise ValueError: Nothing of it can be read.
        """
        if len(data) < _HEADER.size:
            raise ValueError("the header is cut off")
        magic, rows, count, length, crc = _HEADER.unpack_from(data)
        self._body = _HEADER.size + length + count * _DIRECTORY.itemsize
        if (
            magic != _MAGIC
            or self._body > len(data)
            or rows > _MOST_ROWS
            or crc32(data[_HEADER.size : self._body]) != crc
        ):
            raise ValueError("the header or directory is not what was written")
        seconds = _unpacked(data[_HEADER.size : _HEADER.size + length], rows * 8)
        if len(seconds) != rows * 8:
            raise ValueError("the times are not what was written")
        self.times: Int64s = np.cumsum(np.frombuffer(seconds, "<i8"))
        self.damaged = 0
        self._data = data
        self._directory: npt.NDArray[np.void] = np.frombuffer(data, _DIRECTORY, count, _HEADER.size + length)

    def samples(self, numbers: Container[int]) -> Iterator[Samples]:
        """
        @param numbers: Series that are wanted.
        @return: Their samples and written gaps, some series at a time.
        """
        wanted = [entry for entry in self._directory.tolist() if entry[0] in numbers]
        for at in range(0, len(wanted), _AT_ONCE):
            yield self._some(wanted[at : at + _AT_ONCE])

    def _some(self, entries: list[tuple[int, int, int, int]]) -> Samples:
        values: Float64s = np.full((len(self.times), len(entries)), np.nan)
        flags: Bytes = np.zeros(values.shape, np.uint8)
        for column, (_, start, length, crc) in enumerate(entries):
            packed = self._data[self._body + start : self._body + start + length]
            if crc32(packed) != crc or not self._fill(packed, values[:, column], flags[:, column]):
                self.damaged += 1
        row, column_of = np.nonzero(~np.isnan(values) | (flags != 0))
        number = np.array([entry[0] for entry in entries], np.int32)
        return Samples(number[column_of], self.times[row], values[row, column_of], flags[row, column_of])

    def _fill(self, packed: bytes, values: Float64s, flags: Bytes) -> bool:
        """
        @return: Whether the column is what was written.
        """
        rows = len(self.times)
        if len(packed) == _ONE:
            values[:] = np.frombuffer(packed, "<f8")
            return True
        try:
            plain = _unpacked(packed, rows * 9)
        except ValueError:
            return False
        if len(plain) not in (rows * 8, rows * 9):
            return False
        values[:] = np.frombuffer(plain, "<f8", rows)
        if len(plain) > rows * 8:
            flags[:] = np.frombuffer(plain, np.uint8, rows, rows * 8)
        return True


def _unpacked(packed: bytes, most: int) -> bytes:
    try:
        return ZstdDecompressor().decompress(packed, max_output_size=most)
    except ZstdError as problem:
        raise ValueError(str(problem)) from problem
