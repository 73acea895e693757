"""
The log of series that are new, so that no sample is without its name.

A hot page names series by numbers.  What a number means is in the catalog,
but only once that was written; until then it is here, in a file of records,
each of them, little endian::

    magic "NSNL", length uint32, crc32 of the body uint32, body

A body is JSON: C{{"id": node, "guid": GUID, "series": [[number, chart,
dimension], ...]}}.  A record is one write, which the process's death cannot
undo.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Iterator, Sequence
from errno import ENOSPC
from pathlib import Path
from zlib import crc32

from attrs import frozen

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

    @ivar dirty: Whether something was written since the last L{sync} began.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._descriptor: int | None = None
        self._generation = 0
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
            found = list(_records(data))
            names += [record for _, record in found]
            good = found[-1][0] if found else 0
            if good < len(data):
                damage.append(f"{path}: {len(data) - good} bytes at its end are damaged; series may lack their names")
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
                raise OSError(ENOSPC, "no room for the names of series", str(self._path(self._generation)))
        except OSError:
            os.ftruncate(descriptor, at)
            raise
        self.dirty = True

    def sync(self) -> None:
        """
        Wait until the disk has it.  Blocks.
        """
        if not self.dirty:
            return
        self.dirty = False
        try:
            descriptor = os.open(self._path(self._generation), os.O_WRONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return  # the catalog has it by now
        try:
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)

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
        Remove the files of older generations.
        """
        for generation, path in self._files():
            if generation < before:
                path.unlink(missing_ok=True)

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
        return self._descriptor

    def _path(self, generation: int) -> Path:
        return self._directory / f"{generation:06d}{_SUFFIX}"

    def _files(self) -> list[tuple[int, Path]]:
        found = [path for path in self._directory.glob(f"*{_SUFFIX}") if path.stem.isdecimal()]
        return sorted((int(path.stem), path) for path in found)


def _records(data: bytes) -> Iterator[tuple[int, Names]]:
    """
    @return: The records up to the first that is damaged, each with the offset
        of its end.
    """
    at = 0
    while at + _HEADER.size <= len(data):
        magic, length, crc = _HEADER.unpack_from(data, at)
        body = data[at + _HEADER.size : at + _HEADER.size + length]
        if magic != _MAGIC or length > _MOST_BODY or len(body) != length or crc32(body) != crc:
            return
        fields = json.loads(body)
        at += _HEADER.size + length
        yield at, Names(fields["id"], fields["guid"], [(n, (chart, dim)) for n, chart, dim in fields["series"]])
