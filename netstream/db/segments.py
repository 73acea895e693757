"""
The row groups of one tier, in files by time and retention.

A file is called C{<start>-<retention>.seg}: it holds the row groups of all
nodes that begin in a stretch of time, which begins after second C{start}, and
that are kept for C{retention} seconds.  Retention is that the file is deleted.
What the files consist of is in L{netstream.db.records}.

One thread writes: it calls all methods but L{Segments.find}, L{Segments.read},
L{Segments.check} and L{Segments.nodes}, which any thread may call.  No lock is
held while a file is read or written.
"""

from __future__ import annotations

import os
import re
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock

import numpy as np

from netstream.config.places import sync_directory
from netstream.db.interfaces import Span
from netstream.db.places import NEVER, ROW, Row
from netstream.db.records import Data, Entries, Kind, NewerVersion, record_bytes
from netstream.db.rowgroups import Damaged
from netstream.db.segment import OpenFiles, Place, Segment
from netstream.db.survivors import newest, spans_of, surviving

SUFFIX = ".seg"
_ASIDE = ".new"
_DAMAGED = ".damaged"
_NAME = re.compile(r"(\d{1,18})-(\d{1,18})\.seg")
_MOST_OPEN = 128
_LIST_RECORDS = 1024
_LIST_BYTES = 64 << 20
_LATE = 64


class Segments:
    """
    @ivar directory: Where the files are.
    @ivar stretch: Seconds of data that a file covers.
    """

    def __init__(self, directory: Path, stretch: int, *, writable: bool = True, most_open: int = _MOST_OPEN) -> None:
        """
        @param stretch: Always the same for one directory.
        @param writable: Whether torn ends may be cut off, and more written.
        @param most_open: Files that are open at the same time.
        """
        self.directory = directory
        self.stretch = stretch
        self._writable = writable
        self._open_files = OpenFiles(most_open)
        self._lock = Lock()
        self._stretches: dict[int, dict[int, Segment]] = {}
        self._starts: list[int] = []
        self._longest = 0
        self._sequence = 0
        self._spans: dict[int, Span] | None = {}
        self._spans_lost = 0
        self._changed: set[Segment] = set()
        self._drops: dict[tuple[Segment, int, int, int], bool] = {}
        self._directory_changed = False

    # Its life.

    def open(self) -> list[str]:
        """
        Find what is there, and cut off what a power cut left unfinished.

        @return: What is damaged, in sentences.
        @raise OSError: The directory cannot be made or listed.
        @raise NewerVersion: A file was written by a newer version of the
            program, and nothing can be written beside it.
        """
        if self._writable:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        damage: list[str] = []
        found: dict[int, dict[Segment, Entries]] = {}
        for path in sorted(self.directory.iterdir()):
            if path.name.endswith(SUFFIX + _ASIDE) and self._writable:
                path.unlink()
                continue
            name = _NAME.fullmatch(path.name)
            if name is None:
                continue
            start, retention = int(name[1]), int(name[2])
            segment = Segment(path, start, retention, self._open_files, self._writable)
            try:
                entries = self._loaded(segment, damage)
            except NewerVersion as problem:
                if self._writable:
                    raise
                damage.append(str(problem))
                continue
            except OSError as problem:
                damage.append(str(problem))
                continue
            if entries is not None:
                found.setdefault(start, {})[segment] = entries
        for start, segments in found.items():
            self._count(segments)
            self._stretches[start] = {segment.retention: segment for segment in segments}
            self._longest = max([self._longest, *(segment.index.longest for segment in segments)])
        self._starts = sorted(self._stretches)
        self._lose_spans()
        # Who was killed may have left it so.
        self._directory_changed = True
        return damage

    def _loaded(self, segment: Segment, damage: list[str]) -> Entries | None:
        """
        @return: What a file holds; L{None} if that is nothing.
        """
        found = segment.load()
        damage.extend(found.damage)
        if found.good:
            self._sequence = max(self._sequence, int(found.entries["sequence"].max(initial=0)))
            if segment.unlisted:
                self._changed.add(segment)
            return found.entries
        if self._writable:
            if found.size:
                aside = segment.path.with_name(segment.path.name + _DAMAGED)
                os.replace(segment.path, aside)
                damage.append(f"{segment.path}: no record is in {found.size} bytes; it is now called {aside.name}")
            else:
                segment.path.unlink()
            self._directory_changed = True
        elif found.size:
            damage.append(f"{segment.path}: no record is in {found.size} bytes")
        return None

    def _count(self, segments: Mapping[Segment, Entries]) -> None:
        """
        Find out which records of the files of one stretch count.
        """
        live = {segment: surviving(entries) for segment, entries in segments.items()}
        if len(live) > 1:
            files = list(live)
            parts, older = newest(list(live.values()))
            live = dict(zip(files, parts, strict=True))
            # Those that were replaced in another file, of which this one does not know yet.
            self._drops.update(((files[number], *key), False) for number, key in older)
        for segment, entries in live.items():
            segment.count(entries)

    def close(self) -> None:
        """
        Wait until the disk has everything, with lists of all records, so that
        it is opened quickly.

        @raise OSError: It could not be written.
        """
        try:
            if self._writable:
                self.sync()
                self.sync()
                unlisted = [s for s in self._segments() if s.unlisted]
                for segment in unlisted:
                    # Without them it is opened less quickly, that is all.
                    with suppress(OSError):
                        segment.list_records()
                        segment.sync()
        finally:
            for segment in self._segments():
                segment.close()
            with self._lock:
                self._stretches = {}
                self._starts = []
                self._spans = {}
            self._changed.clear()
            self._drops.clear()

    def _segments(self) -> list[Segment]:
        return [segment for segments in self._stretches.values() for segment in segments.values()]

    @property
    def nbytes(self) -> int:
        """
        Bytes of all files.
        """
        with self._lock:
            return sum(segment.nbytes for segment in self._segments())

    @property
    def dead(self) -> int:
        """
        Bytes of records that do not count any more.
        """
        with self._lock:
            return sum(segment.dead for segment in self._segments())

    @property
    def samples(self) -> int:
        """
        How many samples and written gaps there are.
        """
        with self._lock:
            return sum(segment.index.samples for segment in self._segments())

    # Writing.

    def append(self, node: int, start: int, last: int, step: int, samples: int, data: Data, retention: int) -> None:
        """
        Store a row group, in place of the one with the same node, start and
        step.  It can be found at once; it survives a power cut after L{sync}.

        @param node: Number of the node, less than 2**32.
        @param start: Its first second, which is its name.
        @param last: Its last second.
        @param samples: How many it holds.
        @param retention: Seconds after which it may be deleted.
        @raise OSError: It was not stored, and the one before is as it was;
            the error names the file.
        """
        stretch = (start - 1) // self.stretch * self.stretch
        segment = self._stretches.get(stretch, {}).get(retention) or self._created(stretch, retention)
        self._sequence += 1
        self._changed.add(segment)
        offset = segment.append(Kind.GROUP, self._sequence, node, start, last, step, samples, data)
        row = Row(node, start, last, step, samples, len(data), offset)
        anew = segment.index.sorted_anew() if segment.index.crowded else segment.index
        with self._lock:
            segment.index = anew
            for other in self._stretches[stretch].values():
                old = other.drop(node, start, step)
                if old is not None:
                    if other is not segment:
                        self._drops[other, node, start, step] = False
                    if old.last > last:
                        self._lose_spans()
            anew.add(row)
            segment.live += record_bytes(row.length)
            self._longest = max(self._longest, last - start)
            if self._spans is not None:
                span = self._spans.get(node)
                if span is None:
                    self._spans[node] = Span(start, last)
                elif start < span.first or last > span.last:
                    self._spans[node] = Span(min(start, span.first), max(last, span.last))
        self._drops.pop((segment, node, start, step), None)

    def _created(self, stretch: int, retention: int) -> Segment:
        path = self.directory / f"{stretch}-{retention}{SUFFIX}"
        segment = Segment(path, stretch, retention, self._open_files)
        segment.create()
        self._directory_changed = True
        if self._starts and stretch > self._starts[-1]:
            # Those before are complete: the next sync lists what they have.
            self._changed.update(segment for segment in self._segments() if segment.unlisted)
        with self._lock:
            self._stretches.setdefault(stretch, {})[retention] = segment
            if stretch not in self._starts:
                insort(self._starts, stretch)
        return segment

    def sync(self) -> None:
        """
        Wait until the disk has what was appended.

        @raise OSError: It does not; the error names the file.
        """
        if self._directory_changed:
            self._sync_directory()
        problem: OSError | None = None
        for segment in list(self._changed):
            try:
                segment.sync()
            except OSError as one:
                problem = one
                continue
            self._changed.discard(segment)
            # Of a stretch that is over there is not much to come.
            late = _LATE if segment.stretch < self._starts[-1] else 1
            if len(segment.unlisted) >= _LIST_RECORDS // late or segment.unlisted_bytes >= _LIST_BYTES // late:
                # Lists only make opening faster.
                with suppress(OSError):
                    segment.list_records()
        if problem is not None:
            raise problem
        # What a record of another file replaced is dropped only now that the disk has that.
        for drop, written in list(self._drops.items()):
            segment, node, start, step = drop
            if written:
                del self._drops[drop]
            elif not written:
                with suppress(OSError):
                    segment.append(Kind.DROP, self._next(), node, start, 0, step)
                    self._changed.add(segment)
                    self._drops[drop] = True

    def _next(self) -> int:
        self._sequence += 1
        return self._sequence

    def forget(self, node: int) -> None:
        """
        Remove all row groups of a node; others of it can be stored afterwards.

        @raise OSError: That could not be written; it is to be called again.
        """
        if any(drop[1] == node for drop in self._drops):
            # Else what was replaced might come back, if only some of what follows is on the disk.
            self.sync()
            self.sync()
        dropped = [drop for drop in self._drops if drop[1] == node]
        concerned = {segment for segment, *_ in dropped}
        with self._lock:
            concerned.update(s for s in self._segments() if any(s.index.find(node, NEVER, -NEVER)))
        for segment in concerned:
            segment.append(Kind.FORGET, self._next(), node)
            self._changed.add(segment)
        with self._lock:
            for segment in concerned:
                for row in list(segment.index.find(node, NEVER, -NEVER)):
                    segment.drop(node, row.start, row.step)
            if self._spans is not None:
                self._spans.pop(node, None)
        for drop in dropped:
            del self._drops[drop]

    # Reading.

    def find(self, node: int, after: int, before: int) -> list[Place]:
        """
        @return: The row groups of a node that overlap a span, by start;
            C{after} is excluded and C{before} included.
        """
        places: list[Place] = []
        with self._lock:
            low = bisect_right(self._starts, after - self.stretch - self._longest)
            for start in self._starts[low : bisect_left(self._starts, before)]:
                for segment in self._stretches[start].values():
                    if segment.index.last > after:
                        places.extend([Place(*row, segment) for row in segment.index.find(node, after, before)])
        places.sort(key=_start)
        return places

    def read(self, place: Place) -> memoryview:
        """
        @return: The bytes of a row group, which stay as they are, whatever
            becomes of the file.
        @raise Damaged: The file does not have it any more.
        @raise OSError: The disk cannot read it.
        """
        return place.segment.read(place)

    def cached(self, place: Place) -> bool:
        """
        @return: Whether to read a row group waits for no disk.
        """
        return place.segment.cached(place)

    def check(self, place: Place) -> list[str]:
        """
        Hold a whole record against its checksums.

        @return: What is wrong with it, in sentences.
        """
        return place.segment.check(place)

    def nodes(self) -> Mapping[int, Span]:
        """
        @return: The first and last second that there is of each node.
        """
        with self._lock:
            if self._spans is not None:
                return dict(self._spans)
            segments, before = self._segments(), (self._sequence, self._spans_lost)
        rows = [np.empty(0, ROW)]
        for segment in segments:
            with self._lock:
                rows.append(segment.index.rows())
        spans = spans_of(np.concatenate(rows))
        with self._lock:
            if self._spans is None and before == (self._sequence, self._spans_lost):
                self._spans = dict(spans)
        return spans

    def _lose_spans(self) -> None:
        """
        Have the spans be found out when they are needed.
        """
        self._spans = None
        self._spans_lost += 1

    def span(self, node: int) -> Span | None:
        """
        @return: The first and last second that there is of a node.
        """
        spans = self._spans
        return (self.nodes() if spans is None else spans).get(node)

    # Getting rid of data.

    def expire(
        self,
        now: int,
        most_bytes: int | None,
        oldest: Mapping[int, int] | None = None,
        dropped: Callable[[Sequence[Place]], object] | None = None,
        needed: Mapping[int, int] | None = None,
    ) -> list[str]:
        """
        Delete the files that are past their retention; then, while there are
        more bytes than there should be, those of the oldest stretch, but never
        the newest one, nor that before it while it is needed.

        @param now: The time.
        @param most_bytes: L{None} if there is no limit.
        @param oldest: Nodes of which older row groups do not count, to be
            given again each time.
        @param dropped: Told what was in the files that were deleted, which can
            be read still.
        @param needed: Nodes of which what is from a second on is not deleted
            for its age.
        @return: What was done, in sentences.
        """
        # What was replaced by what is deleted now must not come back, so the disk is to have the drops.
        with suppress(OSError):
            self.sync()
            self.sync()
        done: list[str] = []
        gone: list[Segment] = []
        for segment in self._segments():
            end = max(segment.stretch + self.stretch, segment.index.last)
            if end + segment.retention < now and not _has(segment, needed or {}):
                gone.append(segment)
                done.append(f"{segment.path} was deleted: it is past its retention of {segment.retention} s")
        if most_bytes is not None:
            left = self.nbytes - sum(segment.nbytes for segment in gone)
            last = self._starts[-2:-1]
            for start in self._starts[:-1]:
                files = self._stretches[start].values()
                if left <= most_bytes or ([start] == last and any(_has(file, needed or {}) for file in files)):
                    break
                for segment in self._stretches[start].values():
                    if segment not in gone:
                        left -= segment.nbytes
                        gone.append(segment)
                        done.append(f"{segment.path} was deleted: there were more than {most_bytes} bytes")
        problems = self._unlink(gone)
        if dropped is not None and gone:
            left_here = self._segments()
            lost = [segment for segment in gone if segment not in left_here]
            dropped([Place(*Row(*row), segment) for segment in lost for row in segment.index.rows().tolist()])
        self._skip(oldest or {})
        return [*done, *problems]

    def _skip(self, oldest: Mapping[int, int]) -> None:
        """
        Leave out the row groups of nodes that end before a second.
        """
        for node, second in oldest.items():
            with self._lock:
                for segment in self._segments():
                    past = segment.stretch < second and segment.index.find(node, NEVER, second - 1)
                    for row in [row for row in past or () if row.last < second]:
                        segment.drop(node, row.start, row.step)
                        self._lose_spans()

    def _unlink(self, segments: Sequence[Segment]) -> list[str]:
        """
        @return: What went wrong, in sentences.
        """
        problems: list[str] = []
        for segment in segments:
            with suppress(OSError, Damaged):
                segment.keep()
            try:
                segment.path.unlink(missing_ok=True)
            except OSError as problem:
                problems.append(f"{segment.path} cannot be deleted: {problem.strerror}")
                continue
            self._directory_changed = True
            self._let_go(segment)
            with self._lock:
                segments_then = self._stretches[segment.stretch]
                del segments_then[segment.retention]
                if not segments_then:
                    del self._stretches[segment.stretch]
                    self._starts.remove(segment.stretch)
                self._lose_spans()
        if self._directory_changed:
            try:
                self._sync_directory()
            except OSError as problem:
                problems.append(f"{self.directory} cannot be written: {problem.strerror}")
        return problems

    def _let_go(self, segment: Segment) -> None:
        self._changed.discard(segment)
        for drop in [drop for drop in self._drops if drop[0] is segment]:
            del self._drops[drop]

    def compact(self) -> bool:
        """
        Rewrite the file with the most dead bytes of those that are dead for
        more than half.

        @return: Whether there was one.
        @raise OSError: It could not be rewritten, and is as it was.
        """
        mostly_dead = [segment for segment in self._segments() if segment.dead > segment.nbytes // 2]
        if not mostly_dead:
            return False
        # What replaced the records that are left out is on the disk first.
        self.sync()
        old = max(mostly_dead, key=lambda segment: segment.dead)
        if not old.live:
            problems = self._unlink([old])
            if problems:
                raise OSError(problems[0])
            return True
        new = old.compacted(_ASIDE)
        self._directory_changed = True
        self._let_go(old)
        with self._lock:
            self._stretches[old.stretch][old.retention] = new
        self._sync_directory()
        return True

    def _sync_directory(self) -> None:
        sync_directory(self.directory)
        self._directory_changed = False


def _start(place: Place) -> int:
    return place.start


def _has(segment: Segment, needed: Mapping[int, int]) -> bool:
    """
    @return: Whether a file has something of one of these nodes, from its second
        on.
    """
    last = segment.index.last
    return any(
        next(iter(segment.index.find(node, second - 1, last)), None) is not None
        for node, second in needed.items()
        if second <= last
    )
