"""
Journals of the first version: what a node had in memory and in no row group.

A journal is a file of records, each of them, little endian::

    magic "NSJ1", kind uint8, length uint32, crc32 uint32 of kind and body, body

Kinds: C{SERIES}, JSON of C{[[number, chart, dimension], ...]}; C{SAMPLES}, their
count uint32 and, compressed with zstandard, numbers int32, seconds int64,
values float64 and flags uint8; C{FORGET}, JSON of the id of a chart that was
removed.  Each file names all series that it has samples of.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from enum import IntEnum
from zlib import crc32

import numpy as np
from attrs import define
from zstandard import ZstdDecompressor, ZstdError

from netstream.db.interfaces import SeriesKey
from netstream.db.version1.samples import Samples
from netstream.model.samples import EMPTY

_MAGIC = b"NSJ1"
_HEADER = struct.Struct("<4sBII")
_COUNT = struct.Struct("<I")
_SAMPLE_BYTES = 4 + 8 + 8 + 1
_MOST_BODY = 1 << 28
_MOST_SAMPLES = 1 << 20


class Kind(IntEnum):
    """
    What a record holds.
    """

    SERIES = 1
    SAMPLES = 2
    FORGET = 3


@define
class Journal:
    """
    The bytes of a journal.

    @ivar damaged: Bytes that L{records} skipped; those after the last whole
        record, which a kill may have cut off, do not count.
    """

    data: bytes
    damaged: int = 0

    def records(self) -> Iterator[tuple[Kind, bytes]]:
        """
        @return: The bodies that are as they were written, in order.
        """
        data = self.data
        self.damaged = at = good = 0
        while (at := data.find(_MAGIC, at)) >= 0 and at + _HEADER.size <= len(data):
            _, kind, length, crc = _HEADER.unpack_from(data, at)
            body = data[at + _HEADER.size : at + _HEADER.size + min(length, _MOST_BODY)]
            if kind not in Kind.__members__.values() or len(body) != length or crc32(body, kind) != crc:
                at += 1
                continue
            self.damaged += at - good
            at = good = at + _HEADER.size + length
            yield Kind(kind), body


def series_of(body: bytes) -> dict[int, SeriesKey]:
    """
    @return: The keys of series by number.
    @raise ValueError: The body is no such record.
    """
    try:
        return {int(number): (str(chart), str(dimension)) for number, chart, dimension in json.loads(body)}
    except TypeError as problem:
        raise ValueError(str(problem)) from problem


def forgotten_in(body: bytes) -> str:
    """
    @return: The id of the chart.
    @raise ValueError: The body is no such record.
    """
    return str(json.loads(body))


def samples_of(body: bytes) -> Samples:
    """
    @raise ValueError: The body is no such record.
    """
    try:
        (count,) = _COUNT.unpack_from(body)
        if count > _MOST_SAMPLES:
            raise ValueError(f"{count} samples in one record")
        plain = ZstdDecompressor().decompress(body[_COUNT.size :], max_output_size=count * _SAMPLE_BYTES)
    except (struct.error, ZstdError) as problem:
        raise ValueError(str(problem)) from problem
    if len(plain) != count * _SAMPLE_BYTES:
        raise ValueError("a column is cut off")
    value = np.frombuffer(plain, "<f8", count, 12 * count).astype(np.float64)
    flags = np.frombuffer(plain, np.uint8, count, 20 * count)
    return Samples(
        np.frombuffer(plain, "<i4", count).astype(np.int32),
        np.frombuffer(plain, "<i8", count, 4 * count).astype(np.int64),
        np.where(flags & EMPTY, np.nan, value),
        np.where(np.isnan(value), flags | np.uint8(EMPTY), flags).astype(np.uint8),
    )
