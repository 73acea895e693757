"""
Hot pages: the newest samples, in memory-mapped files.

A page is a matrix of samples (see L{netstream.kernel.cells}) for one epoch: a
stretch of L{ROWS} points of time.  The nodes that send now share pages, so
that one C{fdatasync} a second serves many of them; what is older goes to a
page of the node's own.  A page is its own journal: what is written is in the
operating system's cache at once and outlives the process, so C{kill -9} costs
nothing.

A power cut costs what came after the last L{HotPage.sync} had begun, which is
a second with the time that the disk takes.  Of that, each cell is afterwards
the old one or the new one, as no cell crosses a sector.  When a page is opened
under another boot id without having been closed, L{HotPage.recover} drops the
rows after the newest that the disk surely has, the columns whose directory
entry the disk has not, and marks without a cell.  A column whose series has
lost its name (see L{netstream.db.dbengine.names}) is dropped by whoever knows
the names.

Cells have no checksum until they are in a row group: what the disk itself
changes within these 15 minutes is not found.  A file has all its room from the
beginning, so that a full disk cannot end the process by a signal; where a
file system copies on write (btrfs, ZFS) it cannot promise that.

The file, little endian::

    header      magic "NSHP", version, rows, width, step uint32, reserved uint32,
                start int64, crc32 of all this uint32, open uint32 (0: closed),
                synced int64 (newest second that the disk has), boot id 40 bytes;
                padded to 4096
    directory   width times node uint32, series uint32; padded to a multiple of 4096
    cells       rows times width uint64
    marks       rows times width uint8

The directory has the id of the column's node, 0 for a free column, and the
number of its series plus 1, 0 for a column that its node does not use yet.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import weakref
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from zlib import crc32

import numpy as np
import numpy.typing as npt

from netstream.kernel.cells import Cells
from netstream.model.samples import Bytes, Int32s

ROWS = 900
"""Points of time in an epoch: so epochs are whole minutes, and four an hour."""

SUFFIX = ".page"
UNFINISHED = ".new"
"""What the name of a file also ends with until it is a page."""

_MAGIC = b"NSHP"
_VERSION = 1
_PAGE = 4096
_HEADER = np.dtype(
    [
        ("magic", "S4"),
        ("version", "<u4"),
        ("rows", "<u4"),
        ("width", "<u4"),
        ("step", "<u4"),
        ("reserved", "<u4"),
        ("start", "<i8"),
        ("crc", "<u4"),
        ("open", "<u4"),
        ("synced", "<i8"),
        ("boot", "S40"),
    ]
)
_FIXED = 32
_MOST_WIDTH = 1 << 24
_LIBC = ctypes.CDLL(None, use_errno=True)
_FEW = 2048
_FEW_COLUMNS = 32
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_KEPT_ROWS = 32
"""Rows that stay mapped; older ones are left to the system's cache."""
_AGAIN_AFTER = 10
"""Seconds after which what was mapped again is left as well."""


class DamagedPage(ValueError):
    """
    A file that is no hot page, or whose header is not what was written.
    """


def boot_id() -> str:
    """
    @return: What tells one start of the operating system from the next; empty
        if nothing does.
    """
    try:
        return _BOOT_ID.read_text().strip()[:40]
    except OSError:
        return ""


def start_of(second: int, step: int) -> int:
    """
    @return: The first second of the epoch that a second is in.
    """
    return (second - step) // (ROWS * step) * (ROWS * step) + step


def _up(size: int) -> int:
    return -(-size // _PAGE) * _PAGE


class HotPage:
    """
    One file, mapped.

    @ivar start: Second of the first row.
    @ivar step: Seconds from row to row.
    @ivar shared: Whether nodes that come later may get columns in it.
    @ivar used: Columns that belong to a node.
    @ivar torn: Whether the file was shorter than it should be.
    @ivar blocks: How many L{Block}s there are of it.
    @ivar dirty: Whether something was written since the last L{sync} began.
    @ivar cells: uint64 of shape (rows, width).
    @ivar marks: uint8 of the same shape.
    @ivar nodes: uint32 by column: id of its node.
    @ivar series: uint32 by column: number of its series plus 1.
    """

    def __init__(self, path: Path, *, shared: bool = False, writable: bool = True, empty: bool = False) -> None:
        """
        Map a file that is there.

        @param writable: If not, another process may be writing to it.
        @param empty: Whether nothing was written to it yet.
        @raise DamagedPage: It is not a page, or is cut off and may not be
            written to.
        @raise OSError: It cannot be mapped.
        """
        self.path = path
        self.shared = shared
        self.blocks = 0
        self.dirty = False
        self.torn = False
        self._highest: list[Int32s] = []
        descriptor = os.open(path, (os.O_RDWR if writable else os.O_RDONLY) | os.O_CLOEXEC)
        try:
            raw = os.pread(descriptor, _HEADER.itemsize, 0)
            if len(raw) < _HEADER.itemsize:
                raise DamagedPage(f"{path}: the header is cut off")
            header = np.frombuffer(raw, _HEADER)[0]
            rows, width = int(header["rows"]), int(header["width"])
            if (
                bytes(header["magic"]) != _MAGIC
                or crc32(raw[:_FIXED]) != int(header["crc"])
                or int(header["version"]) != _VERSION
                or rows != ROWS
                or not 0 < width <= _MOST_WIDTH
                or int(header["step"]) < 1
            ):
                raise DamagedPage(f"{path}: the header is not what was written")
            size = _size(width)
            self.torn = os.fstat(descriptor).st_size < size
            if self.torn and not writable:
                raise DamagedPage(f"{path}: its end is cut off")
            if writable:
                # Also if it is long enough: a copy may have holes, and to write there may need room.
                os.posix_fallocate(descriptor, 0, size)
            self._map = mmap.mmap(descriptor, size, access=mmap.ACCESS_WRITE if writable else mmap.ACCESS_READ)
        finally:
            os.close(descriptor)
        if empty:
            self.await_rows()
        self._header = np.frombuffer(self._map, _HEADER, 1)
        self.start, self.step, self.width = int(header["start"]), int(header["step"]), width
        directory: npt.NDArray[np.uint32] = np.frombuffer(self._map, "<u4", 2 * width, _PAGE).reshape(width, 2)
        self.nodes, self.series = directory[:, 0], directory[:, 1]
        at = _PAGE + _up(8 * width)
        self.cells: Cells = np.frombuffer(self._map, "<u8", rows * width, at).reshape(rows, width)
        self.marks: Bytes = np.frombuffer(self._map, np.uint8, rows * width, at + 8 * rows * width).reshape(rows, width)
        self._cells_at = at
        self._released = [0, 0]
        self._released_at = 0
        self.used = width if self.nodes.any() or self.series.any() else 0  # some may hold what is not needed any more

    @classmethod
    def create(cls, path: Path, start: int, step: int, width: int, boot: str, *, shared: bool) -> HotPage:
        """
        Make a file, with all the room on the disk that it can ever need.

        @raise OSError: There is no room for it, or it cannot be made.
        """
        header = np.zeros(1, _HEADER)
        header["magic"], header["version"], header["rows"], header["width"] = _MAGIC, _VERSION, ROWS, width
        header["step"], header["start"], header["boot"] = step, start, boot.encode()
        header["crc"], header["open"] = crc32(header.tobytes()[:_FIXED]), 1
        aside = path.with_name(path.name + UNFINISHED)
        descriptor = os.open(aside, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, _size(width))
            os.pwrite(descriptor, header.tobytes(), 0)
            aside.rename(path)
            return cls(path, shared=shared, empty=True)
        except BaseException as problem:
            aside.unlink(missing_ok=True)
            path.unlink(missing_ok=True)
            if isinstance(problem, OSError):
                raise OSError(problem.errno or errno.EIO, problem.strerror, str(path)) from problem
            raise
        finally:
            os.close(descriptor)

    @property
    def end(self) -> int:
        """
        Second of the last row.
        """
        return self.start + (ROWS - 1) * self.step

    @property
    def nbytes(self) -> int:
        """
        Bytes of the file.
        """
        return len(self._map)

    def await_rows(self) -> None:
        """
        Be written to row by row.

        What is not in memory yet is otherwise read with megabytes around it,
        which are all zeros: milliseconds in the middle of whatever goes on.
        """
        self._map.madvise(mmap.MADV_RANDOM)

    def read_on(self) -> None:
        """
        Be read as a whole.
        """
        self._map.madvise(mmap.MADV_NORMAL)

    def watch(self, highest: Int32s) -> None:
        """
        @param highest: Last rows that were written of some columns, as they
            will be.
        """
        self._highest.append(highest)

    def take(self, node: int, width: int) -> Block:
        """
        @return: Free columns for a node.
        """
        at = self.used
        self.nodes[at : at + width] = node
        self.used = at + width
        return Block(self, node, at, width)

    def found(self) -> Iterator[Block]:
        """
        @return: The blocks that an earlier process took.
        """
        nodes = self.nodes[: self.used]
        edges = np.flatnonzero(np.diff(nodes)) + 1
        for at, end in zip([0, *edges.tolist()], [*edges.tolist(), self.used], strict=True):
            if end > at and nodes[at]:
                block = Block(self, int(nodes[at]), at, end - at)
                block.measure()
                yield block

    def recover(self, boot: str) -> int | None:
        """
        Drop what may not be as it was written, if the operating system has
        been started anew since and the page was not closed.

        @return: How many samples were dropped, all of them later than the
            last L{sync}; L{None} if there was nothing to be feared.
        """
        header = self._header[0]
        whole = header["boot"].decode("ascii", "replace") == boot or not header["open"]
        self._header["boot"], self._header["open"] = boot.encode(), 1
        self.dirty = True  # the process before may not have come to that
        if whole:
            return None
        row = max(0, min(ROWS, (int(header["synced"]) - self.start) // self.step + 1))
        dropped = 0
        for part in (np.s_[row:], np.s_[:row, np.flatnonzero(self.series == 0)]):
            lost = int(np.count_nonzero(self.cells[part]))
            if lost:
                self.cells[part] = 0
            dropped += lost
        for cells, marks in zip(self.cells, self.marks, strict=True):
            marks[(cells == 0) & (marks != 0)] = 0
        return dropped

    def sync(self, second: int) -> None:
        """
        Wait until the disk has everything that was written before.  Blocks.

        @param second: The current one; older rows need no memory.
        @raise OSError: The disk cannot say so.
        """
        self.dirty = False
        row = max((int(highest.max(initial=-1)) for highest in self._highest), default=-1)
        descriptor = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
        try:
            os.fdatasync(descriptor)
            self._header["synced"] = self.start + self.step * row
            os.fdatasync(descriptor)
        except BaseException:
            self.dirty = True
            raise
        finally:
            os.close(descriptor)
        self._release(second)

    def close(self, second: int) -> None:
        """
        Have the disk have everything, and say so in the file.  Blocks.

        @raise OSError: The disk cannot say so.
        """
        with suppress(FileNotFoundError):  # it is not needed any more
            self.sync(second)
            self._header["open"] = 0
            self.sync(second)

    def _release(self, second: int) -> None:
        """
        Give the memory of old rows back; the system's cache has them.
        """
        row = max(0, min((second - self.start) // self.step, ROWS) - _KEPT_ROWS)
        again = second - self._released_at >= _AGAIN_AFTER
        if again:
            # Rows that were written, or read, after their memory was given back.
            self._released = [0, 0]
            self._released_at = second
        for part, (at, size) in enumerate(((self._cells_at, 8), (self._cells_at + 8 * ROWS * self.width, 1))):
            begin = max(self._released[part], -(-at // _PAGE) * _PAGE)
            stop = (at + size * self.width * row) // _PAGE * _PAGE
            if stop - begin >= (1 if again else 16) * _PAGE:
                self._give_back(begin, stop - begin)
                self._released[part] = stop

    def rest(self) -> None:
        """
        Give all memory back, since much of the page was read for the last time.
        """
        self._give_back(0, len(self._map) // _PAGE * _PAGE)

    def _give_back(self, at: int, size: int) -> None:
        # Not by the method of mmap, which would keep all other threads from running meanwhile.
        address = self._header.ctypes.data
        _LIBC.madvise(ctypes.c_void_p(address + at), ctypes.c_size_t(size), mmap.MADV_DONTNEED)

    def unlink(self, open_files: Callable[[int], object] | None = None) -> None:
        """
        Remove the file; what is mapped stays readable.

        The system lets go of a file of hundreds of megabytes when its last
        user does.  That takes long, and if it is the mapping, whose end comes
        in any thread, nothing else runs meanwhile; so the file is held open.

        @param open_files: Gets the descriptor when nothing is mapped any more,
            and closes it; without it the file is not held.
        """
        if open_files is not None:
            with suppress(OSError):  # then the mapping is the last user
                descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
                weakref.finalize(self._map, open_files, descriptor).atexit = False
        self.path.unlink(missing_ok=True)
        self.rest()


def _size(width: int) -> int:
    return _PAGE + _up(8 * width) + _up(9 * ROWS * width)


class Block:
    """
    Columns of a page that belong to one node.

    @ivar node: Its id.
    @ivar used: Columns that were given to a series, from the first on.
    @ivar cells: uint64 of shape (rows, width), the node's own part.
    @ivar marks: uint8 of the same shape.
    @ivar lowest: int32 by column: first row that was written.
    @ivar highest: int32 by column: last row that was written; -1 if none was.
    @ivar changes: How often columns were given or taken away.
    """

    def __init__(self, page: HotPage, node: int, at: int, width: int) -> None:
        self.page = page
        self.node = node
        self.width = width
        self.cells = page.cells[:, at : at + width]
        self.marks = page.marks[:, at : at + width]
        self._series = page.series[at : at + width]
        self._owner = page.nodes[at : at + width]
        self.used = int(np.flatnonzero(self._series).max(initial=-1)) + 1
        self.lowest: Int32s = np.full(width, ROWS, np.int32)
        self.highest: Int32s = np.full(width, -1, np.int32)
        self.changes = 0
        self._columns: tuple[int, Int32s] | None = None
        self._released = False
        page.blocks += 1
        page.watch(self.highest)

    @property
    def room(self) -> int:
        """
        Columns without a series.
        """
        return self.width - self.used

    @property
    def numbers(self) -> Int32s:
        """
        int32 by used column: number of its series; -1 if that was forgotten.
        """
        return self._series[: self.used].astype(np.int32) - np.int32(1)

    def assign(self, numbers: Int32s) -> Int32s:
        """
        Give series a column each; there is room.

        @return: int32, their columns.
        """
        at = self.used
        self._series[at : at + len(numbers)] = numbers + 1
        self.used = at + len(numbers)
        self.changes += 1
        return np.arange(at, self.used, dtype=np.int32)

    def columns(self, numbers: Int32s) -> Int32s:
        """
        @param numbers: Of series; -1 is none.
        @return: int32, the column of each; -1 if it has none here.
        """
        changes, known = self.changes, self._columns
        if known is not None and known[0] == changes:
            index = known[1]
        else:
            # Threads that read get here as well, so it may be an older state that is looked at here.
            mine = self.numbers
            some = np.flatnonzero(mine >= 0)
            # By number and 1, with a place at both ends for what has no column.
            index = np.full(int(mine.max(initial=-1)) + 3, -1, np.int32)
            index[mine[some] + 1] = some
            self._columns = changes, index
        found: Int32s = index.take(numbers + 1, mode="clip")
        return found

    def reach(self, columns: Int32s) -> tuple[int, int]:
        """
        @param columns: -1 is none.
        @return: The first and the last row that was written of any of them;
            the last is -1 if none was.
        """
        if len(columns) > _FEW_COLUMNS:
            columns = columns[columns >= 0]
            return int(self.lowest[columns].min(initial=ROWS)), int(self.highest[columns].max(initial=-1))
        some = [column for column in columns.tolist() if column >= 0]
        return min(map(self.lowest.item, some), default=ROWS), max(map(self.highest.item, some), default=-1)

    def measure(self) -> None:
        """
        Find the first and last row of each column, of a page that was mapped
        again.
        """
        cells = self.cells[:, : self.used]
        if 0 < self.used <= _FEW:
            there = cells != 0
            some = np.flatnonzero(there.any(axis=0))
            self.lowest[some] = there.argmax(axis=0)[some]
            self.highest[some] = ROWS - 1 - there[::-1].argmax(axis=0)[some]
            return
        for limit, rows in ((self.lowest, range(ROWS)), (self.highest, range(ROWS - 1, -1, -1))):
            left = np.arange(self.used)
            for row in rows:
                if not len(left):
                    break
                written = cells[row, left] != 0
                if written.any():
                    limit[left[written]] = row
                    left = left[~written]

    def forget(self, numbers: Int32s) -> None:
        """
        Take series out; their columns are not used again.
        """
        columns = self.columns(numbers)
        columns = columns[columns >= 0]
        if len(columns):
            self._series[columns] = 0
            self.cells[:, columns] = 0
            self.marks[:, columns] = 0
            self.lowest[columns] = ROWS
            self.highest[columns] = -1
            self.changes += 1
            self.page.dirty = True

    def clear(self) -> None:
        """
        Have no series any more.
        """
        self.forget(self.numbers)

    def release(self) -> None:
        """
        Be needed no more: its samples are in a row group, or nobody wants
        them.
        """
        if not self._released:
            self._released = True
            self._owner[:] = 0  # the series stay, for those that read just now
            self.page.blocks -= 1
            self.page.dirty = True

    def count(self) -> int:
        """
        @return: Samples and written gaps in it, if each series has one in each
            row between its first and its last.
        """
        high = self.highest[: self.used]
        return int((high - self.lowest[: self.used] + 1)[high >= 0].sum())
