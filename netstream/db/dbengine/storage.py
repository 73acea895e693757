"""
What the disk engine does with its files, in the one thread that changes them.
"""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from attrs import define, evolve, field, frozen

from netstream.db.dbengine.catalog import Catalog, Contents, DamagedCatalog, salvaged
from netstream.db.dbengine.names import NameLog
from netstream.db.dbengine.node import Epoch, HotNode
from netstream.db.dbengine.pages import ROWS, Block
from netstream.db.dbengine.pool import PagePool
from netstream.db.interfaces import Span
from netstream.db.records import Data
from netstream.db.rowgroups import Damaged, Field, Group, Part, RowGroup, Writer, encode, merged, rewritten
from netstream.db.segment import Place
from netstream.db.segments import Segments
from netstream.db.tiers import GROUP_ROWS, STEPS, derived
from netstream.model.samples import EMPTY

CATALOG = "catalog.sqlite"
HOT = "hot"
NAMES = "names"
TIER = "tier"
LOCK = "lock"

STRETCHES = (6 * 3600, 4 * 86400, 40 * 86400)
"""Seconds of data that a segment file of each tier has: tens of row groups of a node."""

STRETCH = STEPS[1] * GROUP_ROWS[1]
"""Seconds of coarser rows that are made at once."""

FOREVER = 10**15
"""Seconds: the retention of what has no limit."""


def stretches(first: int, last: int) -> range:
    """
    @return: The seconds before the stretches of coarser rows that seconds are
        in.
    """
    return range((first - 1) // STRETCH * STRETCH, last, STRETCH)


@frozen(eq=False)
class Sealed:
    """
    An epoch of a node that shall become a row group.

    @ivar node: The node's id.
    @ivar numbers: The number below which those of its series are.
    @ivar retention: Seconds, by tier, that it is kept; 0 is for ever.
    @ivar spans: What it holds, by chart.
    """

    node: int
    guid: str
    numbers: int
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
            for stretch in stretches(self.epoch.start, self.epoch.end):
                yield tier, stretch


@define(eq=False)
class Storage:
    """
    The files.

    @ivar lock: Descriptor that keeps other processes out.
    @ivar tiers: The segments of each tier.
    @ivar nodes: What was found of each node.
    @ivar damage: What could not be used, one sentence each.
    @ivar next_id: For the next new node.
    @ivar single: Whether values are kept as float32.
    @ivar dropped: Told which samples were deleted to make room, in the thread
        that writes.
    """

    directory: Path
    lock: int
    catalog: Catalog
    names: NameLog
    pool: PagePool
    tiers: Sequence[Segments]
    nodes: list[HotNode] = field(factory=list)
    damage: list[str] = field(factory=list)
    next_id: int = 1
    single: bool = False
    dropped: Callable[[Sequence[Place]], object] | None = None

    def close(self, now: float) -> None:
        """
        Have the disk have everything, and release it.

        @param now: The time.
        @raise OSError: The disk does not have everything.
        """
        try:
            self.pool.close(int(now))
        finally:
            try:
                for segments in self.tiers:
                    segments.close()
            finally:
                self.names.close()
                self.catalog.close()
                os.close(self.lock)

    def seal(self, jobs: Sequence[Sealed]) -> None:
        """
        Make row groups, which the disk has when this returns, with the names
        of their series.

        @raise OSError: The disk refuses; it may be tried again.
        """
        stale = [(job.node, *stretch) for job in jobs for stretch in job.stale(len(self.tiers))]
        self.names.sync()
        self.catalog.widen(
            [(job.node, job.guid, job.numbers) for job in jobs], [(job.node, job.spans) for job in jobs], stale
        )
        pages = {block.page for job in jobs for block in job.epoch.blocks}
        for page in pages:
            page.read_on()
        for job in jobs:
            self._seal(job)
        for page in pages:
            page.rest()
        self.tiers[0].sync()

    def _seal(self, job: Sealed) -> None:
        epoch, segments = job.epoch, self.tiers[0]
        writer = Writer(epoch.start, epoch.step, ROWS, single=self.single)
        for block in epoch.blocks:
            writer.add_cells(block.numbers, block.cells, block.marks)
        data: Data = writer.finish()
        for place in segments.find(job.node, epoch.start - 1, epoch.end):
            if (place.start, place.step) == (epoch.start, epoch.step):
                data = self._rewritten(segments, place, data)
            elif place.step != epoch.step:
                self._hide(segments, place, RowGroup(data), job.retention[0] or FOREVER)
        group = RowGroup(data)
        if group.samples():
            segments.append(
                job.node, epoch.start, epoch.end, epoch.step, group.samples(), data, job.retention[0] or FOREVER
            )

    def _rewritten(self, segments: Segments, place: Place, data: Data) -> Data:
        """
        @return: What is stored, with newer samples written into it.
        """
        try:
            return rewritten(RowGroup(segments.read(place)), RowGroup(data).group(), single=self.single)
        except Damaged as problem:
            self.damage.append(f"{segments.directory}: {problem}; it is replaced by what is newer")
            return data

    def _hide(self, segments: Segments, place: Place, newer: RowGroup, retention: int) -> None:
        """
        Take out of a row group of another step what a newer one has, so that
        nothing is stored twice.
        """
        try:
            older = RowGroup(segments.read(place)).group()
        except Damaged as problem:
            self.damage.append(f"{segments.directory}: {problem}")
            return
        left = without(older, newer)
        if left is older:
            return
        data = encode(left, single=self.single)
        samples = RowGroup(data).samples()
        segments.append(place.node, place.start, place.last, place.step, samples, data, retention)

    def derive(self, node: int, tier: int, stretch: int, oldest: int, retention: int) -> None:
        """
        Make the rows of a tier in a stretch anew from those of the next finer
        one.

        @param stretch: The second before it.
        @param oldest: What the finer tier has is whole from this second on.
        @param retention: Seconds that it is kept; 0 is for ever.
        @raise OSError: The disk refuses; it may be tried again.
        """
        step, last = STEPS[tier], stretch + STRETCH
        first = max(stretch, -(-oldest // step) * step) + step
        finer, mine = self.tiers[tier - 1], self.tiers[tier]
        if first <= last:
            groups = []
            for place in finer.find(node, first - step, last):
                try:
                    groups.append(RowGroup(finer.read(place)))
                except Damaged as problem:
                    self.damage.append(f"{finer.directory}: {problem}")
            data: Data = derived(groups, first, step, (last - first) // step + 1, single=self.single)
            length = step * GROUP_ROWS[tier]
            start = stretch // length * length + step
            places = [place for place in mine.find(node, start - step, start - step + length) if place.start == start]
            begins = _begins(groups, finer.span(node))
            data = self._around(mine, places[0] if places else None, start, data, begins)
            group = RowGroup(data)
            if group.samples() or places:
                end = start + step * (group.rows - 1)
                mine.append(node, start, end, step, group.samples(), data, retention or FOREVER)
                mine.sync()
        self.catalog.derived(node, tier, stretch)

    def _around(self, segments: Segments, place: Place | None, start: int, data: Data, begins: int) -> Data:
        """
        @param place: What is stored; L{None} if nothing is.
        @param start: The second of the first row there shall be.
        @param data: Newer rows.
        @param begins: The first second that the finer tier tells of: rows that
            began before stay if they were made of more.
        @return: These, and before and behind them what is stored.
        """
        newer = RowGroup(data)
        older = None
        if place is not None:
            try:
                older = RowGroup(segments.read(place)).group()
            except Damaged as problem:
                self.damage.append(f"{segments.directory}: {problem}; it is replaced by what is newer")
        low = (newer.start - start) // newer.step
        if older is None:
            if not low:
                return data
            older = Group(start, newer.step, low, {})
        made = newer.group()
        fuller = _fuller(older, made, low, begins)
        if not low and newer.rows >= older.rows and not fuller.any():
            return data
        for kind, part in older.parts.items():
            window = part.values[:, low : low + newer.rows]
            if not fuller.any():
                window[:] = np.nan
                continue
            window[~fuller] = np.nan
            other = made.parts.get(kind)
            if other is not None:
                _, mine, theirs = np.intersect1d(part.numbers, other.numbers, return_indices=True)
                rows = window.shape[1]
                other.values[theirs, :rows] = np.where(fuller[mine], np.nan, other.values[theirs, :rows])
        return encode(merged(older, made), single=self.single)

    def forget(self, node: int) -> None:
        """
        Remove a node with all that is stored of it, for good.

        @raise OSError: The disk refuses.
        """
        for segments in self.tiers:
            segments.forget(node)
            segments.sync()
        self.catalog.forget(node, None, 0)

    def damages(self) -> list[str]:
        """
        @return: What could not be used since this was asked last.
        """
        said, self.damage = self.damage, []
        return said

    def expire(self, now: int, sizes: Sequence[int], waiting: Sequence[Mapping[int, int]] = ()) -> list[str]:
        """
        Make room: delete what is past its retention, or too much.

        @param sizes: Bytes by tier; 0 is no limit.
        @param waiting: By tier, nodes of which rows are not in the next coarser
            one yet, and from which second on.
        @return: What was done, in sentences.
        @raise OSError: The disk refuses; it may be tried again.
        """
        said: list[str] = []
        needed = dict(enumerate(waiting))
        for tier, (segments, size) in enumerate(zip(self.tiers, sizes, strict=False)):
            dropped = self.dropped if not tier else None
            said += segments.expire(now, size or None, dropped=dropped, needed=needed.get(tier))
            while segments.compact():
                pass
        return said


def _begins(groups: Sequence[RowGroup], span: Span | None) -> int:
    """
    @param groups: Of one tier.
    @param span: What the tier has.
    @return: The first second that the tier tells of, if it begins with these
        groups, else 0.
    """
    if not groups or span is None:
        return 1 << 62
    first = groups[0]
    if first.start > span.first:
        return 0
    parts = [part for part in first.group().parts.values() if len(part.numbers)]
    written = ~np.isnan(parts[0].values) | (parts[0].marks() & EMPTY > 0) if parts else np.zeros((0, 0), np.bool_)
    some = np.flatnonzero(written.any(axis=0))
    row = int(some[0]) if len(some) else 0
    return first.start + row * first.step - (first.step - 1 if Field.VALUE not in first.fields else 0)


def _fuller(older: Group, newer: Group, low: int, begins: int) -> npt.NDArray[np.bool_]:
    """
    Find rows that were made of more samples than are here now, as another node
    told them that had them all.

    @param low: The row of C{older} with which C{newer} begins.
    @param begins: Only rows that began before this second are looked at.
    @return: By series of C{older} and row that both have.
    """
    count = older.parts.get(Field.COUNT)
    if count is None or any(not np.array_equal(part.numbers, count.numbers) for part in older.parts.values()):
        return np.zeros((0, 0), np.bool_)
    kept = np.nan_to_num(count.values[:, low : low + newer.rows])
    made = np.zeros((len(count.numbers), newer.rows))
    part = newer.parts.get(Field.COUNT)
    if part is not None:
        _, mine, theirs = np.intersect1d(count.numbers, part.numbers, return_indices=True)
        made[mine] = np.nan_to_num(part.values[theirs])
    first = newer.start - newer.step + 1 + newer.step * np.arange(kept.shape[1])
    fuller: npt.NDArray[np.bool_] = (kept > made[:, : kept.shape[1]]) & (first < begins)
    return fuller


def without(older: Group, newer: RowGroup) -> Group:
    """
    @param older: Samples, of another step.
    @return: What C{newer} does not have; C{older} itself if that is all.
    """
    part = older.parts.get(Field.VALUE)
    if part is None:
        return older
    times = older.start + older.step * np.arange(older.rows, dtype=np.int64)
    rows, odd = np.divmod(times - newer.start, newer.step)
    here = np.flatnonzero((odd == 0) & (rows >= 0) & (rows < newer.rows))
    values, flags, _ = newer.read(part.numbers.tolist())
    written = (~np.isnan(values) | (flags & EMPTY > 0))[rows[here]].T
    hidden = np.zeros(part.values.shape, np.bool_)
    hidden[:, here] = written & (~np.isnan(part.values) | (part.marks() & EMPTY > 0))[:, here]
    if not hidden.any():
        return older
    left = Part(part.numbers, np.where(hidden, np.nan, part.values), np.where(hidden, np.uint8(0), part.marks()))
    return evolve(older, parts={Field.VALUE: left})


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
        catalog, contents = _opened(path, now, damage)
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
        _restore(storage, contents)
        return storage
    except sqlite3.Error as problem:
        os.close(lock)
        raise OSError(errno.EIO, f"{problem}; the database cannot be opened", str(path)) from problem
    except BaseException:
        os.close(lock)
        raise


def _opened(path: Path, now: float, damage: list[str]) -> tuple[Catalog, Contents]:
    """
    @param damage: Gets a sentence if the catalog was damaged.
    @return: The catalog, and what was in it.
    """
    try:
        catalog = Catalog(path)
        try:
            return catalog, catalog.contents()
        except BaseException:
            catalog.close()
            raise
    except DamagedCatalog as problem:
        contents = salvaged(path)
        aside = _put_aside(path, now)
        damage.append(
            f"{path}: {problem}; it was put aside as {aside}, and {len(contents.nodes)} nodes with "
            f"{len(contents.charts)} charts that could be read were taken over"
        )
    catalog = Catalog(path)
    catalog.restore(contents)
    return catalog, contents


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


def _restore(storage: Storage, contents: Contents) -> None:
    """
    Find out which nodes there are, and what they have.

    @param contents: What was in the catalog.
    """
    named, damage = storage.names.read()
    storage.damage += damage
    nodes: dict[int, HotNode] = {}
    for stored in contents.nodes:
        node = nodes[stored.id] = HotNode(stored.guid, stored.id)
        node.retention = stored.retention
        node.series.next = stored.numbers
    for chart in contents.charts:
        if chart.node in nodes:
            series = nodes[chart.node].series
            series.chart(chart.id)
            for dimension, number in chart.series.items():
                series.set((chart.id, dimension), number)
            if chart.span is not None:
                series.widen({chart.id: chart.span})
    new: dict[tuple[str, str], dict[str, int]] = {}
    owners = {node.guid: node.id for node in nodes.values()}
    for names in named:
        if owners.setdefault(names.guid, names.id) != names.id:
            continue
        node = nodes.setdefault(names.id, HotNode(names.guid, names.id))
        for number, key in names.series:
            node.series.set(key, number)
            new[node.guid, key[0]] = node.series.charts[key[0]].numbers
    if new:
        ids = {guid: owners[guid] for guid, _ in new}
        storage.catalog.put(ids, {}, {}, {}, new)
    storage.names.drop(storage.names.turn())
    for of_node, tier, stretch in contents.stale:
        if of_node in nodes and tier < len(storage.tiers):
            nodes[of_node].stale[tier, stretch] = 0.0
    blocks, damage = storage.pool.open()
    storage.damage += damage
    known = [*nodes, *(block.node for block in blocks), *(node for each in storage.tiers for node in each.nodes())]
    storage.next_id = max(contents.next, max(known, default=0) + 1)
    _adopt(storage, nodes, blocks, contents.next)
    storage.nodes = list(nodes.values())


def _adopt(storage: Storage, nodes: Mapping[int, HotNode], blocks: Sequence[Block], forgotten: int) -> None:
    """
    Give nodes the hot pages that they had.

    @param forgotten: Nodes with ids below this one may have been forgotten.
    """
    strangers, nameless = set(), 0
    for block in blocks:
        owner = nodes.get(block.node)
        if owner is None:
            if block.node >= forgotten:
                strangers.add(block.node)
            block.clear()
            block.release()
            continue
        unknown = owner.series.unknown(block.numbers)
        if len(unknown):
            nameless += int((unknown >= owner.series.next).sum())
            owner.series.next = max(owner.series.next, int(unknown.max()) + 1)
            block.forget(unknown)
        owner.adopt(block)
    where = storage.directory / HOT
    if strangers:
        storage.damage.append(f"{where}: newest samples of {len(strangers)} nodes whose names are lost were dropped")
    if nameless:
        storage.damage.append(f"{where}: newest samples of {nameless} series whose names are lost were dropped")
