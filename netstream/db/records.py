"""
The records that segment files are made of.

A segment file is only ever appended to.  A record is a header of 64 bytes,
little endian, and a payload, filled up with zeros to a multiple of 8 bytes::

    magic "NSR" 0x02, version uint8 = 1, kind uint8, zeros uint16,
    crc32 of the payload uint32, length of the payload uint32,
    sequence uint64, node uint32, step uint32, start int64, last int64,
    samples uint32, offset in the file of the list before it uint64 (0: none),
    crc32 of the 60 bytes before uint32

Sequences grow over all files of a directory.  Kinds:

C{GROUP}: the payload is a row group.  It replaces older ones of the same node,
start and step.

C{FORGET}, C{DROP}: no payload.  Older records of this file are dead: those of
the node, or the one of that node, start and step.

C{LIST}: the payload is an L{ENTRY} for each other record after the list
before it, then the list's own offset uint64, a crc32 of these eight bytes
uint32, and "NSRL"; with these sixteen bytes ends a file that was closed.  A
list is written when the disk has all that it names.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from enum import IntEnum
from zlib import crc32

import numpy as np
import numpy.typing as npt
from attrs import frozen

from netstream.db.rowgroups import Damaged

MAGIC = b"NSR\x02"
VERSION = 1

_HEADER = struct.Struct("<4sBBHIIQIIqqIQ")
_CRC = struct.Struct("<I")
HEADER_BYTES = _HEADER.size + _CRC.size
"""Bytes of a record before its payload."""

MOST_PAYLOAD = 1 << 30
"""Bytes of a payload, at most."""

_MOST = 1 << 62
"""Seconds and offsets are less."""
_LAST_SEQUENCE = 10**18
"""None is greater, as nobody writes that much."""

_END = struct.Struct("<QI4s")
_END_MAGIC = b"NSRL"
END_BYTES = _END.size
"""Bytes of the end of a list."""

ENTRY = np.dtype(
    [
        ("sequence", "<u8"),
        ("offset", "<u8"),
        ("start", "<i8"),
        ("last", "<i8"),
        ("node", "<u4"),
        ("step", "<u4"),
        ("samples", "<u4"),
        ("length", "<u4"),
        ("crc", "<u4"),
        ("kind", "<u4"),
    ]
)
"""A record in a list: what its header says, and its offset in the file."""

Entry = tuple[int, int, int, int, int, int, int, int, int, int]
"""The values of one L{ENTRY}."""

Data = bytes | bytearray | memoryview
"""What a payload may be."""

Entries = npt.NDArray[np.void]
"""Array of L{ENTRY}."""


class NewerVersion(ValueError):
    """
    The file was made by a newer version of the program.
    """


class Kind(IntEnum):
    """
    What a record holds.
    """

    GROUP = 1
    FORGET = 2
    DROP = 3
    LIST = 4


def record_bytes(length: int) -> int:
    """
    @return: Bytes of a record in the file.
    @param length: Bytes of its payload.
    """
    return HEADER_BYTES + length + (-length & 7)


@frozen
class Header:
    """
    What is said of a record.

    @ivar crc: crc32 of the payload.
    @ivar length: Bytes of the payload.
    @ivar sequence: Greater than that of all records written before.
    @ivar start: First second of the row group.
    @ivar last: Its last second.
    @ivar listed: Offset of the list before it in the file; 0 if there is none.
    """

    kind: int
    crc: int
    length: int
    sequence: int
    node: int
    step: int
    start: int
    last: int
    samples: int
    listed: int

    @property
    def nbytes(self) -> int:
        """
        Bytes of the record in the file.
        """
        return record_bytes(self.length)

    @property
    def sane(self) -> bool:
        """
        Whether a record can say this.
        """
        if self.sequence > _LAST_SEQUENCE or self.listed > _MOST:
            return False
        return self.kind != Kind.GROUP or (-_MOST < self.start <= self.last < _MOST and self.step > 0)

    def entry(self, offset: int) -> Entry:
        """
        @return: What a list says of it.
        """
        return (
            self.sequence,
            offset,
            self.start,
            self.last,
            self.node,
            self.step,
            self.samples,
            self.length,
            self.crc,
            self.kind,
        )

    def packed(self) -> bytes:
        """
        @return: Its 64 bytes.
        """
        head = _HEADER.pack(
            MAGIC,
            VERSION,
            self.kind,
            0,
            self.crc,
            self.length,
            self.sequence,
            self.node,
            self.step,
            self.start,
            self.last,
            self.samples,
            self.listed,
        )
        return head + _CRC.pack(crc32(head))


def header_of(data: bytes) -> Header | None:
    """
    @param data: What may begin with a header.
    @return: L{None} unless it does.
    """
    if len(data) < HEADER_BYTES:
        return None
    head = data[: _HEADER.size]
    magic, version, kind, _, crc, length, sequence, node, step, start, last, samples, listed = _HEADER.unpack(head)
    if magic != MAGIC or version != VERSION or length > MOST_PAYLOAD:
        return None
    if _CRC.unpack_from(data, _HEADER.size)[0] != crc32(head):
        return None
    header = Header(kind, crc, length, sequence, node, step, start, last, samples, listed)
    return header if header.sane else None


def is_newer(data: bytes) -> bool:
    """
    @param data: What may begin with a header.
    @return: Whether it does with one that a newer version of this program
        wrote.
    """
    if len(data) < HEADER_BYTES or data[: len(MAGIC)] != MAGIC or data[len(MAGIC)] <= VERSION:
        return False
    return bool(_CRC.unpack_from(data, _HEADER.size)[0] == crc32(data[: _HEADER.size]))


def list_of(entries: Sequence[Entry], offset: int, listed: int) -> bytes:
    """
    @param offset: Where in the file the list will be.
    @param listed: Where the list before it is; 0 if there is none.
    @return: The whole record.
    """
    rows = np.array(entries, ENTRY)
    end = offset.to_bytes(8, "little")
    payload = rows.tobytes() + _END.pack(offset, crc32(end), _END_MAGIC)
    header = Header(
        kind=Kind.LIST,
        crc=crc32(payload),
        length=len(payload),
        sequence=int(rows["sequence"].max(initial=0)),
        node=0,
        step=0,
        start=0,
        last=0,
        samples=len(rows),
        listed=listed,
    )
    return header.packed() + payload


def entries_of(header: Header, offset: int, payload: bytes) -> Entries:
    """
    @param offset: Where in the file the list is.
    @return: The entries of a list.
    @raise Damaged: It is none, or not what was written.
    """
    if header.kind != Kind.LIST or len(payload) != header.length or crc32(payload) != header.crc:
        raise Damaged("a list of records is damaged")
    rows, odd = divmod(header.length - END_BYTES, ENTRY.itemsize)
    if rows < 0 or odd:
        raise Damaged("a list of records has an odd length")
    entries = np.frombuffer(payload, ENTRY, rows)
    groups = entries[entries["kind"] == Kind.GROUP]
    if (
        entries["sequence"].max(initial=0) > _LAST_SEQUENCE
        or entries["offset"].max(initial=0) > offset
        or (entries["offset"] + HEADER_BYTES + entries["length"]).max(initial=0) > offset
        or groups["start"].min(initial=0) <= -_MOST
        or groups["last"].max(initial=0) >= _MOST
        or (groups["start"] > groups["last"]).any()
        or not groups["step"].all()
    ):
        raise Damaged("a list of records says what cannot be")
    return entries


def list_before(end: bytes) -> int:
    """
    @param end: The last bytes of a file.
    @return: The offset of the list that ends there; 0 if none does.
    """
    if len(end) < END_BYTES:
        return 0
    offset, crc, magic = _END.unpack(end[-END_BYTES:])
    return int(offset) if magic == _END_MAGIC and crc == crc32(offset.to_bytes(8, "little")) else 0
