"""
Finding the records of a segment file, whatever happened to it.

Lists (see L{netstream.db.records}) name most records.  What was written after
the last list is found by its headers; there, a record whose payload is damaged
counts as never written, since a power cut may have cost just that.  Damaged
bytes are skipped up to the next header.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

import numpy as np
from attrs import define, field

from netstream.db.records import (
    END_BYTES,
    ENTRY,
    HEADER_BYTES,
    MAGIC,
    Entries,
    Entry,
    Header,
    Kind,
    NewerVersion,
    entries_of,
    header_of,
    is_newer,
    list_before,
)
from netstream.db.rowgroups import Damaged

_WINDOW = 1 << 20
_FARTHEST = 1 << 62
_MOST_DAMAGE = 10


@define(eq=False)
class Found:
    """
    What a file holds.

    @ivar size: Its length.
    @ivar entries: All its records but lists, by offset.
    @ivar listed: Offset of the last list; 0 if there is none.
    @ivar lists: How many lists lead from there to the first one.
    @ivar list_bytes: Their bytes.
    @ivar unlisted: The records that none of these names.
    @ivar good: Length of the file up to the end of its last good record.
    @ivar damage: Sentences.
    """

    size: int = 0
    entries: Entries = field(factory=lambda: np.empty(0, ENTRY))
    listed: int = 0
    lists: int = 0
    list_bytes: int = 0
    unlisted: list[Entry] = field(factory=list)
    good: int = 0
    damage: list[str] = field(factory=list)


def found_in(descriptor: int, path: Path) -> Found:
    """
    @param path: Its name, for the sentences.
    @raise OSError: It cannot be read at all.
    @raise NewerVersion: A newer version of the program wrote some of it.
    """
    size = os.fstat(descriptor).st_size
    _refuse_newer(descriptor, 0, path)
    listed = list_before(os.pread(descriptor, END_BYTES, max(0, size - END_BYTES))) or _last_list(descriptor, size)
    try:
        found = follow(descriptor, listed)
    except Damaged as problem:
        found = Found(damage=[f"{path}: {problem}; every record is looked for"])
    found.size = size
    _scan(descriptor, size, path, found)
    return found


def header_at(descriptor: int, offset: int) -> Header | None:
    """
    @return: The header at a place of a file, if there is one.
    """
    if offset >= _FARTHEST:
        return None
    return header_of(os.pread(descriptor, HEADER_BYTES, offset))


def _refuse_newer(descriptor: int, at: int, path: Path) -> None:
    """
    @raise NewerVersion: A newer version of the program wrote a record there.
    """
    if is_newer(os.pread(descriptor, HEADER_BYTES, at)):
        raise NewerVersion(f"{path} was written by a newer version of netstream: run that one")


def _last_list(descriptor: int, size: int) -> int:
    """
    Ask the last readable header of a file where the last list is.
    """
    end = size
    while end > 0:
        start = max(0, end - _WINDOW)
        data = os.pread(descriptor, end - start + HEADER_BYTES - 1, start)
        at = len(data)
        while (at := data.rfind(MAGIC, 0, at + len(MAGIC) - 1)) >= 0:
            header = header_of(data[at : at + HEADER_BYTES])
            if header is not None:
                whole = start + at + header.nbytes <= size
                return start + at if header.kind == Kind.LIST and whole else header.listed
        end = start
    return 0


def follow(descriptor: int, offset: int) -> Found:
    """
    Read the lists from the last to the first.

    @param offset: Where the last one is; 0 if there is none.
    @return: What they name.
    @raise Damaged: One of them is.
    """
    found = Found(listed=offset)
    parts = []
    while offset:
        header = header_at(descriptor, offset)
        if header is None or header.listed >= offset:
            raise Damaged(f"at {offset} there is no list of records")
        parts.append(entries_of(header, offset, os.pread(descriptor, header.length, offset + HEADER_BYTES)))
        found.good = max(found.good, offset + header.nbytes)
        found.lists += 1
        found.list_bytes += header.nbytes
        offset = header.listed
    if parts:
        found.entries = np.concatenate(parts[::-1])
    return found


def _scan(descriptor: int, size: int, path: Path, found: Found) -> None:
    """
    Find what follows the last list.
    """
    headers: list[tuple[int, Header]] = []
    listed: list[Entries] = []
    checked = 0
    at = good = found.good
    for offset, header in _headers(descriptor, at, size, path):
        if offset > at:
            found.damage.append(f"{path}: {offset - at} bytes from {at} on are damaged and were skipped")
        at = offset + header.nbytes
        if header.kind == Kind.LIST:
            try:
                listed.append(entries_of(header, offset, os.pread(descriptor, header.length, offset + HEADER_BYTES)))
            except Damaged as problem:
                found.damage.append(f"{path}: at {offset}: {problem}")
            else:
                checked = len(headers)
                good = at
        else:
            headers.append((offset, header))
    entries: list[Entry] = []
    for number, (offset, header) in enumerate(headers):
        if number >= checked and crc32(os.pread(descriptor, header.length, offset + HEADER_BYTES)) != header.crc:
            found.damage.append(
                f"{path}: the record at {offset} (node {header.node}, seconds {header.start} to {header.last}) is "
                "damaged and was skipped"
            )
        else:
            entries.append(header.entry(offset))
            good = max(good, offset + header.nbytes)
    if 0 < good < size:
        found.damage.append(f"{path}: {size - good} bytes at the end are no whole record and were cut off")
    more = len(found.damage) - _MOST_DAMAGE
    if more > 0:
        found.damage[_MOST_DAMAGE:] = [f"{path}: {more} more places are damaged"]
    rows = np.concatenate((*listed, np.array(entries, ENTRY)))
    _, first = np.unique(rows["offset"], return_index=True)
    rows = rows[first]
    found.unlisted = rows.tolist()
    found.entries = np.concatenate((found.entries, rows))
    found.good = good


def _headers(descriptor: int, at: int, size: int, path: Path) -> Iterator[tuple[int, Header]]:
    """
    @return: Offsets and headers of whole records, in order.
    @raise NewerVersion: A newer version of the program wrote some.
    """
    while at + HEADER_BYTES <= size:
        header = header_at(descriptor, at)
        if header is not None and at + header.nbytes <= size:
            yield at, header
            at += header.nbytes
        else:
            if header is None:
                _refuse_newer(descriptor, at, path)
            at = _next(descriptor, at + 1, size)


def _next(descriptor: int, at: int, size: int) -> int:
    """
    @return: Where the next bytes are that may be a record; C{size} if nowhere.
    """
    while at < size:
        data = os.pread(descriptor, min(_WINDOW, size - at) + len(MAGIC) - 1, at)
        place = data.find(MAGIC)
        if place >= 0:
            return at + place
        if not data:
            break
        at += _WINDOW
    return size
