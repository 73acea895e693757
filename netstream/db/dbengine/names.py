"""
The log of series that are new, so that no sample is without its name.

A hot page names series by numbers.  What a number means is in the catalog,
but only once that was written; until then it is here, in a file of records,
each of them, little endian::

    magic "NSNL", length uint32, crc32 of the body uint32, body

A body is JSON: C{{"id": node, "guid": GUID, "series": [[number, chart,
dimension], ...]}}.  A record is one write, which the process's death cannot
undo.  The disk has it before it has samples that need it, as far as
L{netstream.db.dbengine.storage} decides; where a power cut decides, and a
number is without a name, its samples are dropped.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Iterator, Sequence
from errno import ENOSPC
from pathlib import Path
from threading import Lock
from zlib import crc32

from attrs import frozen

from netstream.config.places import sync_directory
from netstream.db.interfaces import SeriesKey

_MAGIC = b"NSNL"
_HEADER = struct.Struct("<4sII")
_MOST_BODY = 1 << 28
_SUFFIX = ".names"


@frozen
class Names:
    """
    Series of one node.

    @ivar id: The node's id.
    @ivar series: Number and key of each.
    """

    id: int
    guid: str
    series: Sequence[tuple[int, SeriesKey]]


class NameLog:
    """
    Appends to a file, and begins a new one when the catalog has the rest.

    One thread appends and turns; L{sync} and L{drop} may be called in others.

    @ivar dirty: Whether something was written since the last L{sync} began.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._descriptor: int | None = None
        self._generation = 0
        self._lock = Lock()
        self._created = False
        self.dirty = False

    def read(self) -> tuple[list[Names], list[str]]:
        """
        Read what there is, at the start.

        @return: Records in order, and a sentence for each damage.
        """
        names: list[Names] = []
        damage: list[str] = []
        for generation, path in self._files():
            data = path.read_bytes()
            good = 0
            for start, end, record in _records(data):
                names.append(record)
                good += end - start
            if good < len(data):
                damage.append(f"{path}: {len(data) - good} bytes are damaged; series may lack their names")
            self._generation = generation
        return names, damage

    def append(self, names: Names) -> None:
        """
        Write a record.

        @raise OSError: It cannot be written; nothing of it is there then.
        """
        body = json.dumps(
            {"id": names.id, "guid": names.guid, "series": [[n, *key] for n, key in names.series]},
            separators=(",", ":"),
        ).encode()
        record = _HEADER.pack(_MAGIC, len(body), crc32(body)) + body
        descriptor = self._opened()
        at = os.lseek(descriptor, 0, os.SEEK_END)
        try:
            if os.write(descriptor, record) != len(record):
                raise OSError(ENOSPC, os.strerror(ENOSPC), str(self._path(self._generation)))
        except OSError:
            os.ftruncate(descriptor, at)
            raise
        self.dirty = True

    def sync(self) -> None:
        """
        Wait until the disk has all of it, older files as well.  Blocks.

        @raise OSError: The disk cannot say so.
        """
        with self._lock:
            if not self.dirty:
                return
            self.dirty = False
            try:
                for _, path in self._files():
                    _synced(path)
                if self._created:
                    self._created = False
                    sync_directory(self._directory)
            except BaseException:
                self.dirty = self._created = True
                raise

    def turn(self) -> int:
        """
        Begin a new file.

        @return: The generation before which files are not needed once the
            catalog has what they say.
        """
        self.close()
        self._generation += 1
        return self._generation

    def drop(self, before: int) -> None:
        """
        Remove the files of older generations, for good.  Blocks.

        @raise OSError: They cannot be removed.
        """
        old = [path for generation, path in self._files() if generation < before]
        for path in old:
            path.unlink(missing_ok=True)
        if old:
            sync_directory(self._directory)

    def close(self) -> None:
        """
        Close the file.
        """
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _opened(self) -> int:
        if self._descriptor is None:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
            self._descriptor = os.open(self._path(self._generation), flags, 0o600)
            self._created = True
        return self._descriptor

    def _path(self, generation: int) -> Path:
        return self._directory / f"{generation:06d}{_SUFFIX}"

    def _files(self) -> list[tuple[int, Path]]:
        found = [path for path in self._directory.glob(f"*{_SUFFIX}") if path.stem.isdecimal()]
        return sorted((int(path.stem), path) for path in found)


def _synced(path: Path) -> None:
    """
    Wait until the disk has a file, if it is there.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return  # the catalog has it by now
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _records(data: bytes) -> Iterator[tuple[int, int, Names]]:
    """
    @return: The records that are whole, with the offsets of their start and
        end.
    """
    at = 0
    while (at := data.find(_MAGIC, at)) >= 0 and at + _HEADER.size <= len(data):
        _, length, crc = _HEADER.unpack_from(data, at)
        end = at + _HEADER.size + length
        body = data[at + _HEADER.size : end]
        if length > _MOST_BODY or len(body) != length or crc32(body) != crc:
            at += 1
            continue
        fields = json.loads(body)
        series = [(number, (chart, dimension)) for number, chart, dimension in fields["series"]]
        yield at, end, Names(fields["id"], fields["guid"], series)
        at = end
