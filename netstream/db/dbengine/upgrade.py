"""
Taking over what the first version of the disk engine wrote.

A node is converted after the other: its row groups are first made in a
directory of their own, since samples may come in any order, and are then
stored below what this engine already has.  All of that can be done again, so
whoever was killed meanwhile begins anew.  When the disk has everything, a
directory is made that says so, and the old files go there.
"""

from __future__ import annotations

import errno
import shutil
import sqlite3
import time
from collections.abc import Iterable, Mapping, Sequence, Set
from contextlib import suppress
from math import gcd
from pathlib import Path

import numpy as np
from attrs import define

from netstream.config.places import sync_directory
from netstream.db import metadata, version1
from netstream.db.dbengine.node import HotNode
from netstream.db.dbengine.pages import ROWS
from netstream.db.dbengine.retention import Retention
from netstream.db.dbengine.storage import FOREVER, STRETCHES, Storage, stretches, without
from netstream.db.interfaces import SeriesKey, Span
from netstream.db.rowgroups import Damaged, Field, Group, Part, RowGroup, encode, rewritten
from netstream.db.segment import Place
from netstream.db.segments import Segments
from netstream.model.samples import Int64s

ASIDE = "version1"
"""Where old files are kept."""

_MOVING = "version1.moving"
_SCRATCH = "upgrade"
_FILES = ("journal", "metrics.sqlite-shm", "metrics.sqlite-wal", "metrics.sqlite")
_AT_ONCE = 1 << 20
_COLUMNS = 4096
_LATEST = 1 << 40
_NEVER = np.iinfo(np.int64).max


def upgraded(storage: Storage, retention: Retention, now: float, said: list[str]) -> Storage:
    """
    Take over what is there of the first version, if anything is.  Blocks, for
    minutes if it is much.

    @param storage: Just opened; it is closed if that fails.
    @param retention: How long things are to be kept.
    @param said: Gets a sentence about what was done.
    @return: The storage.
    @raise OSError: There is no room, or the disk fails; the old files are as
        they were, and it can be tried again.
    """
    directory = storage.directory
    try:
        if (directory / _MOVING).is_dir():
            _put_aside(directory)
        if version1.is_version1(directory):
            said.append(_Upgrade(storage, retention, now).work())
    except (OSError, sqlite3.Error) as problem:
        with suppress(OSError, sqlite3.Error):
            storage.close(now)
        code = problem.errno if isinstance(problem, OSError) else errno.EIO
        reason = problem.strerror if isinstance(problem, OSError) else str(problem)
        raise OSError(
            code,
            f"{reason}; the database of an older version cannot be taken over and is as it was. This needs about as "
            f"much free space as that has: {_nbytes(directory) >> 20} MiB",
            str(directory),
        ) from problem
    except BaseException:
        with suppress(OSError, sqlite3.Error):
            storage.close(now)
        raise
    return storage


def _nbytes(directory: Path) -> int:
    """
    @return: Bytes of the old files.
    """
    nbytes = 0
    for name in _FILES:
        path = directory / name
        with suppress(OSError):
            nbytes += sum(one.stat().st_size for one in (path, *path.glob("*")))
    return nbytes


def _put_aside(directory: Path) -> Path:
    """
    Move the old files, which are not needed any more.

    @return: The directory where they are.
    """
    moving = directory / _MOVING
    moving.mkdir(exist_ok=True)
    sync_directory(directory)
    for name in _FILES:
        if (directory / name).exists():
            (directory / name).rename(moving / name)
    aside = directory / ASIDE
    number = 1
    while aside.exists():
        number += 1
        aside = directory / f"{ASIDE}-{number}"
    moving.rename(aside)
    sync_directory(directory)
    return aside


@define(eq=False)
class _Upgrade:
    """
    One conversion of a whole database.

    @ivar recorded: GUIDs of the nodes of which the catalog has a record.
    @ivar defined: Node and id of each chart that it has the definition of.
    """

    storage: Storage
    retention: Retention
    now: float
    samples: int = 0
    series: int = 0
    recorded: Set[str] = frozenset()
    defined: Set[tuple[int, str]] = frozenset()

    def work(self) -> str:
        """
        @return: What was done, as a sentence.
        """
        began = time.monotonic()
        storage, damage, nodes = self.storage, list[str](), 0
        nbytes = _nbytes(storage.directory)
        known = {node.guid: node for node in storage.nodes}
        contents = storage.catalog.contents()
        self.recorded = {node.guid for node in contents.nodes if node.record is not None}
        self.defined = {(chart.node, chart.id) for chart in contents.charts if chart.definition is not None}
        scratch = storage.directory / _SCRATCH
        try:
            for old in version1.read(storage.directory, damage):
                node = known.get(old.guid)
                if node is None:
                    node = known[old.guid] = HotNode(old.guid, storage.next_id)
                    storage.next_id += 1
                    storage.nodes.append(node)
                    node.retention = old.retention
                numbers = self._define(node, old, damage)
                self._convert(node, old, numbers, scratch)
                nodes += 1
            storage.tiers[0].sync()
            for node in known.values():
                self._derive_old(node)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        storage.damage += dict.fromkeys(damage)
        aside = _put_aside(storage.directory)
        return (
            f"{storage.directory}: the database of an older version was taken over: {nodes} nodes with {self.series} "
            f"series and {self.samples} samples, {nbytes >> 20} MiB, in {time.monotonic() - began:.1f} s. Its files "
            f"are now in {aside} and may be deleted"
        )

    def _define(
        self, node: HotNode, old: version1.StoredNode, damage: list[str]
    ) -> Mapping[int, tuple[int, SeriesKey]]:
        """
        Have the catalog have all that is known of a node but its samples; what
        it has already is newer.

        @return: Number now and key of each series, by its number then.
        """
        guid = node.guid
        records: dict[str, str] = {}
        if guid not in self.recorded and old.record is not None:
            try:
                metadata.host_of(old.record)
                records[guid] = old.record
            except ValueError as problem:
                damage.append(f"{self.storage.directory}: node {guid}: {problem}")
        charts: dict[tuple[str, str], str] = {}
        for text in old.charts:
            try:
                chart = metadata.chart_of(text).id
            except ValueError as problem:
                damage.append(f"{self.storage.directory}: node {guid}: {problem}")
                continue
            if (node.id, chart) not in self.defined:
                charts[guid, chart] = text
                node.series.chart(chart)
        numbers: dict[int, tuple[int, SeriesKey]] = {}
        for number, key in sorted(old.series.items()):
            if node.series.find(key) < 0:
                node.series.set(key, node.series.next)
            numbers[number] = node.series.find(key), key
        named = {(guid, chart): node.series.chart(chart).numbers for _, (chart, _) in numbers.values()}
        self.storage.catalog.put({guid: node.id}, records, charts, {guid: node.retention}, named)
        self.series += len(numbers)
        return numbers

    def _convert(
        self,
        node: HotNode,
        old: version1.StoredNode,
        numbers: Mapping[int, tuple[int, SeriesKey]],
        directory: Path,
    ) -> None:
        """
        Take over the samples of a node.

        @param directory: One that nobody else uses.
        """
        if not numbers:
            return
        shutil.rmtree(directory, ignore_errors=True)
        scratch = Segments(directory, STRETCHES[0])
        scratch.open()
        try:
            spans = _RowGroups(scratch, _step_of(old), numbers).made(old.samples())
            places = scratch.find(0, 0, 2 * _LATEST)
            stale = [(node.id, *stretch) for stretch in self._stale(places)]
            self.storage.catalog.widen([(node.id, node.guid, node.series.next)], [(node.id, spans)], stale)
            node.series.widen(spans)
            node.stale.update(((tier, stretch), 0.0) for _, tier, stretch in stale)
            for place in places:
                self._store(node, bytes(scratch.read(place)))
        finally:
            scratch.close()

    def _stale(self, places: Sequence[Place]) -> list[tuple[int, int]]:
        """
        @return: Tier, and the second before each stretch of coarser rows that
            have to be made.
        """
        found = {stretch for place in places for stretch in stretches(place.start, place.last)}
        return [(tier, stretch) for tier in range(1, len(self.storage.tiers)) for stretch in sorted(found)]

    def _store(self, node: HotNode, data: bytes) -> None:
        """
        Store a row group below what is there.
        """
        storage, segments = self.storage, self.storage.tiers[0]
        mine = RowGroup(data)
        self.samples += mine.samples()
        last = mine.start + mine.step * (mine.rows - 1)
        for place in segments.find(node.id, mine.start - 1, last):
            try:
                newer = RowGroup(segments.read(place))
                if (place.start, place.step) != (mine.start, mine.step):
                    data = bytes(encode(without(mine.group(), newer), single=storage.single))
                else:
                    data = bytes(rewritten(mine, newer.group(), single=storage.single))
                    if _same(RowGroup(data).group(), newer.group()):
                        return
                mine = RowGroup(data)
            except Damaged as problem:
                storage.damage.append(f"{segments.directory}: {problem}; it is replaced by what is older")
        if mine.samples():
            kept = self.retention.of(node, 0) or FOREVER
            segments.append(node.id, mine.start, last, mine.step, mine.samples(), data, kept)

    def _derive_old(self, node: HotNode) -> None:
        """
        Make coarser rows of samples that are about to be deleted.
        """
        oldest = self.retention.ends(node, 0, self.now)
        for tier, stretch in sorted(node.stale):
            if stretch < oldest:
                self.storage.derive(node.id, tier, stretch, 0, self.retention.of(node, tier))
                del node.stale[tier, stretch]


class _RowGroups:
    """
    Makes row groups of samples that come in any order.
    """

    def __init__(self, segments: Segments, step: int, numbers: Mapping[int, tuple[int, SeriesKey]]) -> None:
        """
        @param segments: Where they are stored, as those of node 0.
        @param step: Seconds of which all times are multiples.
        @param numbers: Number now and key of each series, by its number then.
        """
        self._segments = segments
        self._step = step
        self._numbers = numbers
        self._then = np.array(sorted(numbers), np.int64)
        self._now = np.array([numbers[number][0] for number in self._then.tolist()], np.uint32)
        self._first: Int64s = np.full(len(numbers), _NEVER)
        self._last: Int64s = np.zeros(len(numbers), np.int64)

    def made(self, pieces: Iterable[version1.Samples]) -> dict[str, Span]:
        """
        @param pieces: Later ones replace earlier ones.
        @return: The seconds of each chart.
        """
        some: list[version1.Samples] = []
        for piece in pieces:
            some.append(piece)
            if sum(len(each.time) for each in some) >= _AT_ONCE:
                self._add(some)
                some = []
        self._add(some)
        spans: dict[str, Span] = {}
        for then, first, last in zip(self._then.tolist(), self._first.tolist(), self._last.tolist(), strict=True):
            if last:
                _, (chart, _) = self._numbers[then]
                span = spans.get(chart, Span(first, last))
                spans[chart] = Span(min(first, span.first), max(last, span.last))
        return spans

    def _add(self, pieces: Sequence[version1.Samples]) -> None:
        if not pieces:
            return
        time = np.concatenate([piece.time for piece in pieces])
        sane = (time > 0) & (time < _LATEST)
        time = time[sane]
        place = np.searchsorted(self._then, np.concatenate([piece.number for piece in pieces])[sane])
        value = np.concatenate([piece.value for piece in pieces])[sane]
        flags = np.concatenate([piece.flags for piece in pieces])[sane]
        np.minimum.at(self._first, place, time)
        np.maximum.at(self._last, place, time)
        length = ROWS * self._step
        starts = (time - self._step) // length * length + self._step
        for start in np.unique(starts).tolist():
            here = np.flatnonzero(starts == start)
            row = (time[here] - start) // self._step
            columns, column = np.unique(place[here], return_inverse=True)
            for low in range(0, len(columns), _COLUMNS):
                mine = (column >= low) & (column < low + _COLUMNS)
                at = (column[mine] - low, row[mine])
                values = np.full((len(columns[low : low + _COLUMNS]), ROWS), np.nan)
                marks = np.zeros(values.shape, np.uint8)
                # Of the same series and second the last one stays.
                values[at] = value[here][mine]
                marks[at] = flags[here][mine]
                numbers = self._now[columns[low : low + _COLUMNS]]
                order = np.argsort(numbers)
                part = Part(numbers[order], values[order], marks[order])
                self._put(Group(start, self._step, ROWS, {Field.VALUE: part}))

    def _put(self, group: Group) -> None:
        """
        Store a row group, upon what is there of the same seconds.
        """
        end = group.start + group.step * (ROWS - 1)
        places = self._segments.find(0, group.start - 1, end)
        older = RowGroup(self._segments.read(places[0])) if places else None
        data = bytes(encode(group) if older is None else rewritten(older, group))
        self._segments.append(0, group.start, end, group.step, RowGroup(data).samples(), data, FOREVER)


def _step_of(old: version1.StoredNode) -> int:
    """
    @return: Seconds of which all times of a node are multiples.
    """
    step = 1
    if old.record is not None:
        with suppress(ValueError):
            step = max(1, metadata.host_of(old.record).info.update_every)
    if step > 1:
        for piece in old.samples():
            step = gcd(step, int(np.gcd.reduce(piece.time)))
            if step == 1:
                break
    return step


def _same(one: Group, other: Group) -> bool:
    """
    @return: Whether two row groups have the same samples.
    """
    a, b = one.parts.get(Field.VALUE), other.parts.get(Field.VALUE)
    return (
        a is not None
        and b is not None
        and np.array_equal(a.numbers, b.numbers)
        and a.values.tobytes() == b.values.tobytes()
        and bool(np.array_equal(a.marks(), b.marks()))
    )
