"""
The journal of one node: what is in memory and not yet in a row group.

A journal is a file of records, each of them, little endian::

    magic "NSJ1", kind uint8, length uint32, crc32 uint32 of kind and body, body

Kinds: C{series}, JSON of C{[[number, chart, dimension], ...]}; C{samples},
compressed columns (see L{samples}); C{forget}, JSON of a chart id.  A record
that is damaged is skipped; what is cut off at the end is left out.  Each file
names all series that it has samples of, so that it needs no other.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from enum import IntEnum
from pathlib import Path
from zlib import crc32

import numpy as np
from attrs import frozen
from zstandard import ZstdCompressor, ZstdDecompressor, ZstdError

from netstream.db.interfaces import SeriesKey
from netstream.model.samples import Bytes, Float64s, Int32s, Int64s

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


@frozen(eq=False)
class Samples:
    """
    Columns of equal length, in the order in which they were written.

    @ivar number: int32, number of the series.
    """

    number: Int32s
    time: Int64s
    value: Float64s
    flags: Bytes


@frozen
class Replay:
    """
    What a journal holds.

    @ivar records: The bodies that are as they were written, in order.
    @ivar good: Length of the file up to the end of the last of them.
    @ivar damaged: Bytes that were skipped, a torn end not counted.
    @ivar torn: Bytes after C{good}.
    """

    records: Sequence[tuple[Kind, bytes]]
    good: int
    damaged: int
    torn: int


def _record(kind: Kind, body: bytes) -> bytes:
    return _HEADER.pack(_MAGIC, kind, len(body), crc32(body, kind)) + body


def series(keys: Mapping[int, SeriesKey]) -> bytes:
    """
    @return: The record that gives series their numbers.
    """
    return _record(Kind.SERIES, json.dumps([[n, *key] for n, key in keys.items()]).encode())


def series_of(body: bytes) -> dict[int, SeriesKey]:
    """
    @return: The keys of series by number.
    """
    return {int(number): (str(chart), str(dimension)) for number, chart, dimension in json.loads(body)}


def forget(chart: str) -> bytes:
    """
    @return: The record of a chart that was removed.
    """
    return _record(Kind.FORGET, json.dumps(chart).encode())


def forget_of(body: bytes) -> str:
    """
    @return: The id of the chart.
    """
    return str(json.loads(body))


def samples(columns: Samples) -> Iterator[bytes]:
    """
    Records of samples: count uint32, and compressed numbers int32, seconds
    int64, values float64, flags uint8.
    """
    for at in range(0, len(columns.time), _MOST_SAMPLES):
        part = slice(at, at + _MOST_SAMPLES)
        plain = (
            columns.number[part].astype("<i4").tobytes(),
            columns.time[part].astype("<i8").tobytes(),
            columns.value[part].astype("<f8").tobytes(),
            columns.flags[part].tobytes(),
        )
        packed = ZstdCompressor(level=1).compress(b"".join(plain))
        yield _record(Kind.SAMPLES, _COUNT.pack(len(columns.time[part])) + packed)


def samples_of(body: bytes) -> Samples:
    """
    @raise ValueError: The body is not what L{samples} makes.
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
    return Samples(
        np.frombuffer(plain, "<i4", count).astype(np.int32),
        np.frombuffer(plain, "<i8", count, 4 * count).astype(np.int64),
        np.frombuffer(plain, "<f8", count, 12 * count).astype(np.float64),
        np.frombuffer(plain, np.uint8, count, 20 * count),
    )


def replay(data: bytes) -> Replay:
    """
    Find the records in the bytes of a journal.
    """
    records: list[tuple[Kind, bytes]] = []
    at = good = damaged = 0
    while (at := data.find(_MAGIC, at)) >= 0:
        if at + _HEADER.size > len(data):
            break
        _, kind, length, crc = _HEADER.unpack_from(data, at)
        body = data[at + _HEADER.size : at + _HEADER.size + length]
        whole = len(body) == length <= _MOST_BODY and kind in Kind.__members__.values()
        if not whole or crc32(body, kind) != crc:
            at += 1
            continue
        records.append((Kind(kind), body))
        damaged += at - good
        at = good = at + _HEADER.size + length
    return Replay(records, good, damaged, len(data) - good)


class Journal:
    """
    The file that is appended to.

    @ivar path: Where it is; it is made by the first write.
    """

    def __init__(self, path: Path, length: int = 0) -> None:
        """
        @param length: Bytes of the file that are good; others are cut off.
        """
        self.path = path
        self._descriptor: int | None = None
        self._length = length

    def write(self, data: bytes) -> None:
        """
        Append; either all of it is in the file afterwards or nothing.

        @raise OSError: It could not be written.
        """
        if self._descriptor is None:
            self._descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            os.ftruncate(self._descriptor, self._length)
        view, at = memoryview(data), self._length
        try:
            while view:
                done = os.pwrite(self._descriptor, view, at)
                view, at = view[done:], at + done
        except OSError:
            os.ftruncate(self._descriptor, self._length)
            raise
        self._length = at

    def close(self) -> None:
        """
        Wait until the disk has it.

        @raise OSError: The disk cannot say so.
        """
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def remove(self) -> None:
        """
        Delete the file, as what it holds is elsewhere by now.
        """
        with suppress(OSError):
            if self._descriptor is not None:
                os.close(self._descriptor)
        self._descriptor = None
        self._length = 0
        with suppress(OSError):
            self.path.unlink(missing_ok=True)
