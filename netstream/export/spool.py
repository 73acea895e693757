"""
What waits for one receiver: an append-only queue on disk, in a few files.

Each file begins with a header that says how far it was confirmed; each record
has a checksum, and is compressed.  What a kill of the process interrupts is
cut off at the next start.  A power cut costs at most what the system had not
yet written.

Files are removed as a whole: when all of one is confirmed, or, at the bound,
the oldest with what is in it.
"""

from __future__ import annotations

import os
import re
import struct
from collections import deque
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from zlib import crc32

import zstandard
from attrs import define, field
from twisted.logger import Logger

_MAGIC = b"NSSPOOL1"
_HEADER = struct.Struct("<8s8sQI4x")
_DONE = struct.Struct("<QI")
_DONE_AT = 16
_RECORD = struct.Struct("<IIdI")
_CHECKED = struct.Struct("<dI")
_NAME = re.compile(r"(\d{12})\.spool\Z")
_FILES = 8
"""The bound is divided into so many files."""
_LARGEST_FILE = 8 << 20
_LARGEST_RECORD = 64 << 20
_IN_MEMORY = 4 << 20
"""Bytes of compressed records that are also kept in memory, so that they need not be read again."""
_LEVEL = 1


def directory_name(section: str) -> str:
    """
    @return: Name of the directory of a target, which no other target has.
    """
    return re.sub(r"[^A-Za-z0-9_-]", "_", section)[:40] + "-" + sha256(section.encode()).hexdigest()[:8]


@define(eq=False)
class _File:
    number: int
    path: Path
    size: int
    entries: int = 0


@define(eq=False)
class Entry:
    """
    One record.

    @ivar created: When it was put there, UTC seconds.
    @ivar samples: How many samples it has.
    """

    file: _File | None = field(repr=False)
    offset: int
    length: int
    created: float
    samples: int
    content: bytes | None = field(default=None, repr=False)


class Spool:
    """
    A queue of bodies.

    Reading and writing are done at once, in the thread that calls.  Nothing
    here raises because of the disk: what cannot be kept there is kept in
    memory while there is room, and else dropped and counted.

    @ivar waiting: Samples that are not confirmed.
    @ivar dropped: Samples that were dropped since the start.
    @ivar size: Bytes on disk.
    @ivar problem: What keeps it from writing now; L{None} if nothing does.
    """

    _log = Logger()

    def __init__(self, directory: Path, kind: str, most: int) -> None:
        """
        @param directory: Is made when there is something to keep.
        @param kind: What the bodies are; those of another kind are of no use.
        @param most: Bytes on disk.
        """
        self._directory = directory
        self._kind = sha256(kind.encode()).digest()[:8]
        self._most = most
        self._file_size = max(64 << 10, min(_LARGEST_FILE, most // _FILES))
        self._entries: deque[Entry] = deque()
        self._sent = 0
        self._files: deque[_File] = deque()
        self._descriptor = -1
        self._writing: _File | None = None
        self._memory = 0
        self._compressor = zstandard.ZstdCompressor(_LEVEL)
        self._decompressor = zstandard.ZstdDecompressor()
        self.waiting = 0
        self.dropped = 0
        self.size = 0
        self.problem: str | None = None

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def oldest(self) -> float | None:
        """
        When the first record was put there, UTC seconds; L{None} if there is
        none.
        """
        return self._entries[0].created if self._entries else None

    def open(self) -> None:
        """
        Find what an earlier process left.

        @raise OSError: The directory cannot be read.
        """
        if not self._directory.is_dir():
            return
        for path in sorted(p for p in self._directory.iterdir() if _NAME.match(p.name)):
            file = _File(int(path.name[:12]), path, path.stat().st_size)
            found = list(self._recover(file))
            if not found:
                path.unlink()
                continue
            self._files.append(file)
            self.size += file.size
            file.entries = len(found)
            self._entries += found
            self.waiting += sum(entry.samples for entry in found)

    def _recover(self, file: _File) -> Iterator[Entry]:
        """
        @return: The records of a file that are whole and not confirmed; what
            follows a damaged one is given up.
        """
        content = file.path.read_bytes()
        if len(content) < _HEADER.size:
            return
        magic, kind, done, check = _HEADER.unpack_from(content)
        if magic != _MAGIC or kind != self._kind:
            self._log.warn("{path}: is of another kind, and is removed", path=file.path)
            return
        if crc32(content[_DONE_AT : _DONE_AT + 8]) != check:
            done = 0
        at = _HEADER.size
        while at < len(content):
            if at + _RECORD.size > len(content):
                break
            length, check, created, samples = _RECORD.unpack_from(content, at)
            start, end = at + _RECORD.size, at + _RECORD.size + length
            if end > len(content) or crc32(content[start:end], crc32(_CHECKED.pack(created, samples))) != check:
                break
            if end > done:
                yield Entry(file, start, length, created, samples)
            at = end
        if at < len(content):
            self._log.warn(
                "{path}: the last {bytes} bytes are damaged, and are left out", path=file.path, bytes=len(content) - at
            )

    def append(self, body: bytes, samples: int, now: float) -> None:
        """
        Put a body at the end.

        @param now: UTC seconds.
        """
        content = self._compressor.compress(body)
        entry = Entry(None, 0, len(content), now, samples)
        try:
            self._write(entry, content)
        except OSError as problem:
            self.problem = f"{problem.strerror or problem}: {problem.filename or self._directory}"
            self._abandon_file()
        else:
            self.problem = None
        if self._memory + len(content) <= _IN_MEMORY:
            entry.content = content
            self._memory += len(content)
        elif entry.file is None:
            self.dropped += samples
            return
        self._entries.append(entry)
        self.waiting += samples

    def _write(self, entry: Entry, content: bytes) -> None:
        check = crc32(content, crc32(_CHECKED.pack(entry.created, entry.samples)))
        record = _RECORD.pack(len(content), check, entry.created, entry.samples) + content
        self._make_room(len(record))
        file = self._writing
        if file is None or file.size + len(record) > self._file_size:
            file = self._begin()
        try:
            written = os.write(self._descriptor, record)
            if written != len(record):
                raise OSError(28, "No space left on device", str(file.path))
        except OSError:
            os.ftruncate(self._descriptor, file.size)
            raise
        entry.file, entry.offset = file, file.size + _RECORD.size
        file.size += len(record)
        file.entries += 1
        self.size += len(record)

    def _begin(self) -> _File:
        self._abandon_file()
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o750)
        number = self._files[-1].number + 1 if self._files else 1
        path = self._directory / f"{number:012}.spool"
        flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_APPEND
        descriptor = os.open(path, flags, 0o600)
        header = _HEADER.pack(_MAGIC, self._kind, 0, crc32(bytes(8)))
        try:
            if os.write(descriptor, header) != len(header):
                raise OSError(28, "No space left on device", str(path))
        except OSError:
            os.close(descriptor)
            path.unlink(missing_ok=True)
            raise
        self._descriptor = descriptor
        file = self._writing = _File(number, path, len(header))
        self._files.append(file)
        self.size += file.size
        return file

    def _abandon_file(self) -> None:
        """
        Write to the file no more.
        """
        if self._descriptor >= 0:
            os.close(self._descriptor)
        file, self._descriptor, self._writing = self._writing, -1, None
        if file is not None and not file.entries:
            self._remove(file)

    def _remove(self, file: _File) -> None:
        if file is self._writing:
            os.close(self._descriptor)
            self._descriptor, self._writing = -1, None
        self._files.remove(file)
        self.size -= file.size
        try:
            file.path.unlink(missing_ok=True)
        except OSError as problem:
            self.problem = f"{problem.strerror}: {file.path}"

    def _make_room(self, length: int) -> None:
        """
        Drop the oldest file as long as there would be too much.
        """
        while self._files and self.size + length > self._most:
            oldest = self._files[0]
            while self._entries and (self._entries[0].file is None or self._entries[0].file is oldest):
                self._drop_first()
            if oldest in self._files:
                self._remove(oldest)

    def _drop_first(self) -> None:
        entry = self._entries[0]
        self.dropped += entry.samples
        self._take_first(entry)

    def _take_first(self, entry: Entry) -> None:
        """
        The first record is not wanted any more.
        """
        self._entries.popleft()
        self._sent = max(0, self._sent - 1)
        self.waiting -= entry.samples
        if entry.content is not None:
            self._memory -= len(entry.content)
        file = entry.file
        if file is None:
            return
        file.entries -= 1
        # The file that is written to may be kept until it is large.
        if not file.entries and (file is not self._writing or file.size > self._file_size // 2):
            self._remove(file)

    def expire(self, oldest: float) -> None:
        """
        Drop what was put there before a moment.

        @param oldest: UTC seconds.
        """
        while self._entries and self._entries[0].created < oldest:
            self._drop_first()

    def ahead(self) -> Entry | None:
        """
        @return: The next record to send, after those that this gave already;
            L{None} if there is none.
        """
        if self._sent >= len(self._entries):
            return None
        entry = self._entries[self._sent]
        self._sent += 1
        return entry

    def rewind(self) -> None:
        """
        Begin again with the first record that is not confirmed.
        """
        self._sent = 0

    def read(self, entry: Entry) -> bytes | None:
        """
        @return: The body of a record; L{None} if it cannot be read any more.
        """
        content = entry.content
        if content is None:
            assert entry.file is not None
            try:
                with entry.file.path.open("rb") as stream:
                    stream.seek(entry.offset)
                    content = stream.read(entry.length)
            except OSError:
                return None
        try:
            return self._decompressor.decompress(content, max_output_size=_LARGEST_RECORD)
        except zstandard.ZstdError:
            return None

    def confirm(self, entry: Entry) -> None:
        """
        A record, and all before it, need not be sent again.  One that was
        dropped meanwhile is none any more.
        """
        if entry not in self._entries:
            return
        file, end = entry.file, entry.offset + entry.length
        while True:
            first = self._entries[0]
            self._take_first(first)
            if first is entry:
                break
        if file is not None and file in self._files:
            self._note(file, end)

    def _note(self, file: _File, done: int) -> None:
        """
        Write how far a file is confirmed.
        """
        place = done.to_bytes(8, "little")
        try:
            descriptor = os.open(file.path, os.O_WRONLY | os.O_CLOEXEC)
            try:
                os.pwrite(descriptor, _DONE.pack(done, crc32(place)), _DONE_AT)
            finally:
                os.close(descriptor)
        except OSError as problem:
            self.problem = f"{problem.strerror}: {file.path}"

    def close(self) -> None:
        """
        Write no more; what waits is there at the next start.
        """
        self._abandon_file()
        for file in tuple(self._files):
            if not file.entries:
                self._remove(file)
