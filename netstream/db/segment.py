"""
One segment file: appended to by one thread, read by any.
"""

from __future__ import annotations

import ctypes
import mmap
import os
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock
from zlib import crc32

import numpy as np
from attrs import Factory, define, field, frozen

from netstream.db.places import ROW, Index, Row
from netstream.db.records import (
    ENTRY,
    HEADER_BYTES,
    Data,
    Entries,
    Entry,
    Header,
    Kind,
    header_of,
    list_of,
    record_bytes,
)
from netstream.db.recovery import Found, follow, found_in, header_at
from netstream.db.rowgroups import Damaged
from netstream.model.samples import Bytes

_LIBC = ctypes.CDLL(None)
_PAGE = mmap.PAGESIZE
_MAPPED = 1 << 19
_MOST_LISTS = 64
_PIECE = 1 << 20


def resident(data: Bytes) -> bool:
    """
    @param data: Of a mapped file, not empty.
    @return: Whether the system has all of it in memory; also not if it cannot
        tell.
    """
    start = data.ctypes.data // _PAGE * _PAGE
    size = data.ctypes.data + len(data) - start
    pages = np.empty(-(-size // _PAGE), np.uint8)
    failed = _LIBC.mincore(ctypes.c_void_p(start), ctypes.c_size_t(size), ctypes.c_void_p(pages.ctypes.data))
    return not failed and bool((pages & 1).all())


class Descriptor:
    """
    An open file, closed when nobody uses it any more.
    """

    def __init__(self, path: Path, flags: int) -> None:
        self.number = os.open(path, flags | os.O_CLOEXEC, 0o600)

    def __del__(self) -> None:
        with suppress(AttributeError, OSError):
            os.close(self.number)


class OpenFiles:
    """
    Which segments have their file open: so many at most.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._segments: deque[Segment] = deque()
        self._lock = Lock()

    def add(self, segment: Segment) -> None:
        """
        Note that a segment opened its file; another one's may be closed.
        """
        with self._lock:
            self._segments.append(segment)
            while len(self._segments) > self._most:
                self._segments.popleft().close()

    def remove(self, segment: Segment) -> None:
        """
        Forget about a segment.
        """
        with self._lock, suppress(ValueError):
            self._segments.remove(segment)


@frozen
class Place:
    """
    Where a stored row group is.

    @ivar start: First second.
    @ivar last: Last second.
    @ivar samples: How many it holds.
    @ivar length: Bytes of the row group.
    @ivar offset: Offset of its record in the file.
    """

    node: int
    start: int
    last: int
    step: int
    samples: int
    length: int
    offset: int
    segment: Segment = field(eq=False, repr=False)


@define(eq=False)
class Segment:
    """
    @ivar stretch: The second after which its data begins.
    @ivar retention: Seconds that its data is kept.
    @ivar nbytes: Length of the file.
    @ivar live: Bytes of records that count.
    @ivar listed: Offset of the last list; 0 if there is none.
    @ivar index: The records that count.
    @ivar unlisted: The records that no list has yet.
    """

    path: Path
    stretch: int
    retention: int
    files: OpenFiles
    writable: bool = True
    nbytes: int = 0
    live: int = 0
    listed: int = 0
    lists: int = 0
    list_bytes: int = 0
    unlisted: list[Entry] = Factory(list)
    unlisted_bytes: int = 0
    index: Index = Factory(lambda: Index(np.empty(0, ROW)))
    _descriptor: Descriptor | None = None
    _inode: int = 0
    _kept: bool = False
    _synced: int = 0
    _unsure: bool = False

    # The file.

    def create(self) -> None:
        """
        Make the file.

        @raise OSError: It is there already, or cannot be made.
        """
        self._opened(os.O_RDWR | os.O_CREAT | os.O_EXCL)

    def load(self) -> Found:
        """
        Find what the file holds, and cut off a torn end.  Who calls it says
        with L{count} which of the records count.

        @raise OSError: It cannot be read.
        @raise NewerVersion: It was written by a newer version.
        """
        descriptor = self.open()
        found = found_in(descriptor.number, self.path)
        if 0 < found.good < found.size and self.writable:
            os.ftruncate(descriptor.number, found.good)
            os.fsync(descriptor.number)
        self.nbytes = found.good
        self.listed, self.lists, self.list_bytes = found.listed, found.lists, found.list_bytes
        self.unlisted = found.unlisted
        self.unlisted_bytes = sum(record_bytes(entry[7]) for entry in found.unlisted)
        return found

    def open(self) -> Descriptor:
        """
        @return: The file; keep it as long as its number is used.
        @raise OSError: It cannot be opened.
        """
        descriptor = self._descriptor
        return self._opened(os.O_RDWR if self.writable else os.O_RDONLY) if descriptor is None else descriptor

    def _opened(self, flags: int) -> Descriptor:
        descriptor = Descriptor(self.path, flags)
        inode = os.fstat(descriptor.number).st_ino
        if not self._inode:
            self._inode = inode
        kept = self._descriptor
        if inode != self._inode:
            if kept is None:
                raise Damaged(f"{self.path} was replaced by another file")
            return kept
        self._descriptor = descriptor
        self.files.add(self)
        return descriptor

    def close(self) -> None:
        """
        Close the file, until it is needed again.
        """
        if not self._kept:
            self._descriptor = None

    def keep(self) -> None:
        """
        Leave the file open for those that have found places in it, since its
        name will be gone.
        """
        self._kept = True
        self.files.remove(self)
        self._descriptor = self.open()

    # Appending.

    def append(
        self,
        kind: Kind,
        sequence: int,
        node: int,
        start: int = 0,
        last: int = 0,
        step: int = 0,
        samples: int = 0,
        data: Data = b"",
    ) -> int:
        """
        Write a record; see L{Header}.

        @return: Its offset.
        @raise OSError: It was not written; the file is as it was.
        """
        header = Header(kind, crc32(data), len(data), sequence, node, step, start, last, samples, self.listed)
        return self._put(header, data)

    def _put(self, header: Header, data: Data) -> int:
        offset = self.nbytes
        self._write((header.packed(), data, bytes(-len(data) & 7)), header.nbytes)
        self.unlisted.append(header.entry(offset))
        self.unlisted_bytes += header.nbytes
        return offset

    def _write(self, parts: Sequence[Data], nbytes: int) -> None:
        descriptor = self.open()
        at = self.nbytes
        end = at + nbytes
        try:
            at += os.pwritev(descriptor.number, parts, at)
            if at < end:
                rest = b"".join(parts)
                while at < end:
                    at += os.pwrite(descriptor.number, memoryview(rest)[at - end :], at)
        except OSError as problem:
            with suppress(OSError):
                os.ftruncate(descriptor.number, self.nbytes)
            raise OSError(problem.errno, problem.strerror, str(self.path)) from problem
        self.nbytes = end

    def sync(self) -> None:
        """
        Wait until the disk has what was appended.

        @raise OSError: It cannot say so.
        """
        try:
            descriptor = self.open()
            if self._unsure:
                # A system that could not write something may have forgotten that it should.
                for at in range(self._synced, self.nbytes, _PIECE):
                    os.pwrite(descriptor.number, os.pread(descriptor.number, min(_PIECE, self.nbytes - at), at), at)
            self._unsure = True
            os.fdatasync(descriptor.number)
        except OSError as problem:
            raise OSError(problem.errno, problem.strerror, str(self.path)) from problem
        self._unsure = False
        self._synced = self.nbytes

    def list_records(self) -> None:
        """
        Append a list of the records that have none.  The disk has them.

        @raise OSError: It was not written; the file is as it was.
        """
        if not self.unlisted:
            return
        entries, before = self.unlisted, self.listed
        if self.lists >= _MOST_LISTS:
            descriptor = self.open()
            with suppress(Damaged):
                entries, before = [*follow(descriptor.number, before).entries.tolist(), *entries], 0
        offset = self.nbytes
        record = list_of(entries, offset, before)
        self._write((record,), len(record))
        if not before:
            self.lists = self.list_bytes = 0
        self.listed = offset
        self.lists += 1
        self.list_bytes += len(record)
        self.unlisted = []
        self.unlisted_bytes = 0

    def compacted(self, aside: str) -> Segment:
        """
        Write the records that count into a new file, and put that in the
        place of this one; what was found in this one can still be read.

        @param aside: What is added to the name while it is written.
        @raise OSError: It was not done.
        """
        descriptor = self.open()
        entries = found_in(descriptor.number, self.path).entries
        entries = entries[np.isin(entries["offset"], self.index.rows()["offset"])]
        entries = entries[np.argsort(entries["offset"])]
        path = self.path.with_name(self.path.name + aside)
        path.unlink(missing_ok=True)
        new = Segment(path, self.stretch, self.retention, self.files)
        try:
            new.create()
            for sequence, offset, start, last, node, step, samples, length, crc, kind in entries.tolist():
                data = os.pread(descriptor.number, length, offset + HEADER_BYTES)
                if len(data) == length:
                    new._put(Header(kind, crc, length, sequence, node, step, start, last, samples, 0), data)
            new.count(np.array(new.unlisted, ENTRY))
            new.list_records()
            new.sync()
            self.keep()
            os.replace(path, self.path)
        except OSError:
            self.files.remove(new)
            with suppress(OSError):
                path.unlink(missing_ok=True)
            raise
        new.path = self.path
        return new

    # What counts.

    def count(self, entries: Entries) -> None:
        """
        @param entries: The records that count from now on.
        """
        rows = np.empty(len(entries), ROW)
        for name in ROW.names or ():
            rows[name] = entries[name]
        lengths = rows["length"].astype(np.int64)
        self.index = Index(rows)
        self.live = int((HEADER_BYTES + lengths + (-lengths & 7)).sum())

    def drop(self, node: int, start: int, step: int) -> Row | None:
        """
        @return: The record that counted until now, if there was one.
        """
        row = self.index.remove(node, start, step)
        if row is not None:
            self.live -= record_bytes(row.length)
        return row

    @property
    def dead(self) -> int:
        """
        Bytes that a new file with the same live records would not have.
        """
        return max(0, self.nbytes - self.live - self.list_bytes)

    # Reading.

    def read(self, place: Place) -> memoryview:
        """
        @return: The bytes of a row group.
        @raise Damaged: The file does not have it any more.
        @raise OSError: The disk cannot read it.
        """
        descriptor = self.open()
        nbytes = HEADER_BYTES + place.length
        if place.offset + nbytes > self.nbytes:
            data = memoryview(b"")
        elif nbytes > _MAPPED:
            data = self._mapped(descriptor, place.offset, nbytes)
        else:
            data = memoryview(os.pread(descriptor.number, nbytes, place.offset))
        if len(data) < nbytes:
            raise Damaged(f"{self.path} ends before the record at {place.offset} does")
        header = header_of(data[:HEADER_BYTES].tobytes())
        # The lists say where it is; a header that cannot be read is no loss, but another one is.
        if header is not None and (header.node, header.start, header.step) != (place.node, place.start, place.step):
            raise Damaged(f"{self.path} has another record at {place.offset}")
        return data[HEADER_BYTES:]

    def _mapped(self, descriptor: Descriptor, offset: int, nbytes: int) -> memoryview:
        """
        A large record is mapped, so that what nobody looks at is not read.
        """
        before = offset % mmap.ALLOCATIONGRANULARITY
        if os.fstat(descriptor.number).st_size < offset + nbytes:
            return memoryview(b"")
        pages = mmap.mmap(descriptor.number, nbytes + before, prot=mmap.PROT_READ, offset=offset - before)
        return memoryview(pages)[before:]

    def cached(self, place: Place) -> bool:
        """
        @return: Whether the system has all of a row group in memory, so that
            to read it waits for no disk.
        """
        try:
            descriptor = self.open()
            data = self._mapped(descriptor, place.offset, HEADER_BYTES + place.length)
        except OSError:
            return False
        return len(data) > 0 and resident(np.frombuffer(data, np.uint8))

    def check(self, place: Place) -> list[str]:
        """
        @return: What is wrong with a record, in sentences.
        """
        where = f"{self.path}: the record at {place.offset} (node {place.node}, seconds {place.start} to {place.last})"
        try:
            descriptor = self.open()
            header = header_at(descriptor.number, place.offset)
            data = b"" if header is None else os.pread(descriptor.number, place.length, place.offset + HEADER_BYTES)
        except OSError as problem:
            return [f"{where} cannot be read: {problem.strerror}"]
        if header is None:
            return [f"{where} has a damaged header"]
        if header.length != place.length or crc32(data) != header.crc:
            return [f"{where} is damaged"]
        return []
