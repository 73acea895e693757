"""
What the disk engine does with its files, in the one thread that changes them.
"""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from attrs import define, field, frozen

from netstream.db.dbengine.catalog import Catalog
from netstream.db.dbengine.names import NameLog
from netstream.db.dbengine.node import Epoch, HotNode
from netstream.db.dbengine.pages import ROWS
from netstream.db.dbengine.pool import PagePool
from netstream.db.interfaces import Span
from netstream.db.rowgroups import Damaged, RowGroup, Writer, rewritten
from netstream.db.segment import Place
from netstream.db.segments import Segments
from netstream.db.tiers import GROUP_ROWS, STEPS, derived

CATALOG = "catalog.sqlite"
HOT = "hot"
NAMES = "names"
TIER = "tier"
LOCK = "lock"

STRETCHES = (6 * 3600, 4 * 86400, 40 * 86400)
"""Seconds of data that a segment file of each tier has: tens of row groups of a node."""

FOREVER = 10**15
"""Seconds: the retention of what has no limit."""

_DAMAGED = (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_ERROR)


@frozen(eq=False)
class Sealed:
    """
    An epoch of a node that shall become a row group.

    @ivar node: The node's id.
    @ivar retention: Seconds, by tier, that it is kept; 0 is for ever.
    @ivar spans: What it holds, by chart.
    """

    node: int
    epoch: Epoch
    retention: Sequence[int]
    spans: Mapping[str, Span]

    def stale(self, tiers: int) -> Iterator[tuple[int, int]]:
        """
        @param tiers: How many there are.
        @return: Tier, and the second before the stretch of coarser rows that
            have to be made anew.
        """
        for tier in range(1, tiers):
            length = STEPS[tier] * GROUP_ROWS[tier]
            for stretch in range(stretch_of(self.epoch.start, tier), self.epoch.end, length):
                yield tier, stretch


def stretch_of(second: int, tier: int) -> int:
    """
    @return: The second before the first that a row group of a tier covers
        which also covers this second.
    """
    length = STEPS[tier] * GROUP_ROWS[tier]
    return (second - 1) // length * length


@define(eq=False)
class Storage:
    """
    The files.

    @ivar lock: Descriptor that keeps other processes out.
    @ivar tiers: The segments of each tier.
    @ivar nodes: What was found of each node.
    @ivar damage: What could not be used, one sentence each.
    @ivar single: Whether values are kept as float32.
    """

    directory: Path
    lock: int
    catalog: Catalog
    names: NameLog
    pool: PagePool
    tiers: Sequence[Segments]
    nodes: list[HotNode] = field(factory=list)
    damage: list[str] = field(factory=list)
    single: bool = False

    def close(self) -> None:
        """
        Release everything.
        """
        try:
            for segments in self.tiers:
                segments.close()
            self.names.close()
            self.catalog.close()
        finally:
            os.close(self.lock)

    def seal(self, jobs: Sequence[Sealed]) -> None:
        """
        Make row groups, which the disk has when this returns.

        @raise OSError: The disk refuses; it may be tried again.
        """
        stale = [(job.node, *stretch) for job in jobs for stretch in job.stale(len(self.tiers))]
        self.catalog.widen([(job.node, job.spans) for job in jobs], stale)
        for job in jobs:
            self._seal(job)
        self.tiers[0].sync()

    def _seal(self, job: Sealed) -> None:
        epoch, segments = job.epoch, self.tiers[0]
        writer = Writer(epoch.start, epoch.step, ROWS, single=self.single)
        for block in epoch.blocks:
            writer.add_cells(block.numbers, block.cells, block.marks)
        data = bytes(writer.finish())
        for place in segments.find(job.node, epoch.start - 1, epoch.end):
            if (place.start, place.step) == (epoch.start, epoch.step):
                data = self._rewritten(segments, place, data)
        group = RowGroup(data)
        if group.samples():
            segments.append(
                job.node, epoch.start, epoch.end, epoch.step, group.samples(), data, job.retention[0] or FOREVER
            )

    def _rewritten(self, segments: Segments, place: Place, data: bytes) -> bytes:
        """
        @return: What is stored, with newer samples written into it.
        """
        try:
            return bytes(rewritten(RowGroup(segments.read(place)), RowGroup(data).group(), single=self.single))
        except Damaged as problem:
            self.damage.append(f"{segments.directory}: {problem}; it is replaced by what is newer")
            return data

    def derive(self, node: int, tier: int, stretch: int, oldest: int, retention: int) -> None:
        """
        Make a row group of a tier anew from those of the next finer one.

        @param stretch: The second before its first.
        @param oldest: What the finer tier has is whole from this second on.
        @param retention: Seconds that it is kept; 0 is for ever.
        @raise OSError: The disk refuses; it may be tried again.
        """
        step = STEPS[tier]
        last = stretch + step * GROUP_ROWS[tier]
        first = max(stretch, -(-oldest // step) * step) + step
        finer, mine = self.tiers[tier - 1], self.tiers[tier]
        if first <= last:
            groups = [RowGroup(finer.read(place)) for place in finer.find(node, first - step, last)]
            data = bytes(derived(groups, first, step, (last - first) // step + 1))
            for place in mine.find(node, stretch, last):
                data = self._rewritten(mine, place, data)
            group = RowGroup(data)
            if group.samples():
                mine.append(node, stretch + step, last, step, group.samples(), data, retention or FOREVER)
                mine.sync()
        self.catalog.derived(node, tier, stretch)

    def expire(self, now: int, sizes: Sequence[int]) -> list[str]:
        """
        Make room: delete what is past its retention, or too much.

        @param sizes: Bytes by tier; 0 is no limit.
        @return: What was done, in sentences.
        @raise OSError: The disk refuses; it may be tried again.
        """
        said: list[str] = []
        for segments, size in zip(self.tiers, sizes, strict=False):
            said += segments.expire(now, size or None)
            while segments.compact():
                pass
        return said


def find(directory: Path, now: float, tiers: int, boot: str, single: bool) -> Storage:
    """
    Make a directory ours and read it.  Blocks.

    @param tiers: How many there are.
    @param boot: See L{netstream.db.dbengine.pages.boot_id}.
    @raise OSError: It cannot be used, or another process uses it.
    @raise ValueError: It was made by a newer version.
    """
    try:
        for part in (HOT, NAMES, *(f"{TIER}{tier}" for tier in range(tiers))):
            (directory / part).mkdir(parents=True, exist_ok=True)
        lock = locked(directory)
    except OSError as problem:
        if problem.errno == errno.EBUSY:
            raise
        reason = f"{problem.strerror}; the database needs a directory that it may write to"
        raise OSError(problem.errno, reason, str(directory)) from problem
    path = directory / CATALOG
    damage: list[str] = []
    try:
        try:
            catalog = Catalog(path)
        except sqlite3.DatabaseError as problem:
            if problem.sqlite_errorcode & 0xFF not in _DAMAGED:
                raise
            aside = _put_aside(path, now)
            damage.append(f"{path}: {problem}; it was put aside as {aside} and an empty one was made")
            catalog = Catalog(path)
        segments = [Segments(directory / f"{TIER}{tier}", STRETCHES[tier]) for tier in range(tiers)]
        storage = Storage(
            directory,
            lock,
            catalog,
            NameLog(directory / NAMES),
            PagePool(directory / HOT, boot),
            segments,
            damage=damage,
            single=single,
        )
        for each in segments:
            damage += each.open()
        _restore(storage)
        return storage
    except sqlite3.Error as problem:
        os.close(lock)
        raise OSError(errno.EIO, f"{problem}; the database cannot be opened", str(path)) from problem
    except BaseException:
        os.close(lock)
        raise


def _put_aside(path: Path, now: float) -> Path:
    aside = path.with_name(f"{path.name}.damaged-{int(now)}")
    for suffix in ("", "-wal", "-shm"):
        part = Path(f"{path}{suffix}")
        if part.exists():
            part.rename(f"{aside}{suffix}")
    return aside


def locked(directory: Path) -> int:
    """
    @return: A descriptor that keeps other processes out of a directory.
    @raise OSError: One is in it.
    """
    descriptor = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as problem:
        owner = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()
        os.close(descriptor)
        reason = f"in use by process {owner or 'unknown'}; stop that one, or use another data directory"
        raise OSError(errno.EBUSY, reason, str(directory)) from problem
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


def _restore(storage: Storage) -> None:
    named, damage = storage.names.read()
    storage.damage += damage
    charts: dict[tuple[str, str], dict[str, int]] = {}
    if named:
        ids = {names.guid: names.id for names in named}
        known = {
            node.guid: {chart.id: dict(chart.series) for chart in storage.catalog.charts(node.id)}
            for node in storage.catalog.nodes()
            if node.guid in ids
        }
        for names in named:
            for number, (chart, dimension) in names.series:
                of_chart = charts.setdefault((names.guid, chart), known.get(names.guid, {}).get(chart, {}))
                of_chart[dimension] = number
        storage.catalog.put(ids, {}, {}, {}, charts)
    storage.names.drop(storage.names.turn())
    nodes: dict[int, HotNode] = {}
    for stored in storage.catalog.nodes():
        node = nodes[stored.id] = HotNode(stored.guid, stored.id)
        node.retention = stored.retention
        for known_chart in storage.catalog.charts(stored.id):
            node.series.chart(known_chart.id)
            for dimension, number in known_chart.series.items():
                node.series.set((known_chart.id, dimension), number)
            if known_chart.span is not None:
                node.series.widen({known_chart.id: known_chart.span})
        node.series.next = max(node.series.next, stored.numbers)
    for stale in storage.catalog.stale():
        if stale[0] in nodes:
            nodes[stale[0]].stale[stale[1:]] = 0.0
    blocks, damage = storage.pool.open()
    storage.damage += damage
    strangers = 0
    for block in blocks:
        owner = nodes.get(block.node)
        if owner is None:
            strangers += 1
            storage.pool.release(block)
            continue
        owner.adopt(block)
    if strangers:
        storage.damage.append(
            f"{storage.directory / HOT}: newest samples of {strangers} nodes that {CATALOG} does not know were dropped"
        )
    storage.nodes = list(nodes.values())
