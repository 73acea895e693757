"""
What the disk engine has of one node in memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from zlib import crc32

import numpy as np
from attrs import define, field, frozen

from netstream.db import journal
from netstream.db.grid import Block, Grid
from netstream.db.interfaces import Columns, SeriesKey, Span
from netstream.db.journal import Kind, Samples
from netstream.model.samples import Int32s, SampleBatch

_NONE: Int32s = np.zeros(0, np.int32)


@define(eq=False)
class Frozen:
    """
    A grid that is complete and waits to become row groups.

    @ivar numbers: The number of the series of each column; -1 for none.
    @ivar generation: Of the newest journal that it covers.
    """

    grid: Grid
    numbers: Sequence[int]
    generation: int

    def blocks(self) -> list[Block]:
        """
        @return: Its blocks in order of time.
        """
        return [self.grid.blocks[number] for number in sorted(self.grid.blocks)]


@frozen(eq=False)
class Unwritten:
    """
    What the journal does not have yet.

    @ivar series: Keys by number, of series that are new to the journal.
    @ivar chunks: Numbers by column, column of each sample, and the batch.
    @ivar forgotten: Charts that were removed after those samples.
    """

    series: dict[int, SeriesKey] = field(factory=dict)
    chunks: list[tuple[Int32s, Int32s, SampleBatch]] = field(factory=list)
    forgotten: list[str] = field(factory=list)

    def __bool__(self) -> bool:
        return bool(self.series or self.chunks or self.forgotten)

    @property
    def samples(self) -> int:
        """
        How many samples there are in it.
        """
        return sum(len(batch) for _, _, batch in self.chunks)

    def before(self, later: Unwritten) -> Unwritten:
        """
        @return: This and then what came later.
        """
        return Unwritten({**self.series, **later.series}, self.chunks + later.chunks, self.forgotten + later.forgotten)

    def records(self) -> bytes:
        """
        @return: The records of a journal that say all this.
        """
        parts: list[bytes] = []
        if self.series:
            parts.append(journal.series(self.series))
        if self.chunks:
            columns = Samples(
                np.concatenate([numbers[column] for numbers, column, _ in self.chunks]),
                np.concatenate([batch.time for _, _, batch in self.chunks]),
                np.concatenate([batch.value for _, _, batch in self.chunks]),
                np.concatenate([batch.flags for _, _, batch in self.chunks]),
            )
            parts.extend(journal.samples(columns))
        parts.extend(journal.forget(chart) for chart in self.forgotten)
        return b"".join(parts)


class HotNode:
    """
    The newest samples of a node, and what is on the way to the disk.

    @ivar guid: Machine GUID.
    @ivar grid: Samples that no row group has.
    @ivar frozen: Grids on their way to row groups, oldest first.
    @ivar numbers: The number of each series, which it keeps for ever.
    @ivar next_number: For the next new series.
    @ivar unsealed: Series whose number is in a journal only.
    @ivar unwritten: What the journal does not have yet.
    @ivar generation: Of the journal that is written now.
    @ivar oldest_journal: Of the oldest that is still needed.
    @ivar spans: What row groups hold, by chart.
    @ivar retention: Seconds that its own samples are kept; L{None} is the
        default.
    @ivar touched: When it last got samples, UTC seconds.
    @ivar writing: How many writes of its journal are under way.
    """

    def __init__(self, guid: str) -> None:
        self.guid = guid
        self.grid = Grid()
        self.frozen: list[Frozen] = []
        self.numbers: dict[SeriesKey, int] = {}
        self.next_number = 0
        self.unsealed: dict[SeriesKey, int] = {}
        self.unwritten = Unwritten()
        self.generation = 0
        self.oldest_journal = 0
        self.spans: dict[str, Span] = {}
        self.retention: int | None = None
        self.touched = 0.0
        self.writing = 0
        self._column_numbers = _NONE

    @property
    def stagger(self) -> int:
        """
        A number from 0 to 255 that differs from node to node, so that nodes
        which came together do not all seal in the same second.
        """
        return crc32(self.guid.encode()) & 255

    def append(self, batch: SampleBatch, oldest: int) -> None:
        """
        Take samples in.

        @param oldest: What is older than this second is not kept.
        """
        column = self.grid.append(batch, oldest)
        if column is None:
            return
        self._number_columns()
        self.unwritten.chunks.append((self._column_numbers, column, batch))

    def _number_columns(self, again: bool = False) -> None:
        keys = self.grid.keys
        known = _NONE if again else self._column_numbers
        if len(known) < len(keys):
            new = [-1 if key is None else self._number(key) for key in keys[len(known) :]]
            known = np.concatenate((known, np.array(new, np.int32)))
        self._column_numbers = known

    def _number(self, key: SeriesKey) -> int:
        number = self.numbers.get(key)
        if number is None:
            number = self.numbers[key] = self.unsealed[key] = self.next_number
            self.next_number += 1
        self.unwritten.series[number] = key
        return number

    def take(self) -> Unwritten:
        """
        @return: What the journal does not have yet, to be written now.
        """
        taken, self.unwritten = self.unwritten, Unwritten()
        return taken

    def freeze(self) -> None:
        """
        Set the grid aside and begin a new one, and with it a new journal.
        """
        self._number_columns()
        self.frozen.append(Frozen(self.grid, self._column_numbers.tolist(), self.generation))
        self.grid = Grid()
        self._column_numbers = _NONE
        self.generation += 1

    def sealed(self, done: Frozen, series: Mapping[SeriesKey, int]) -> None:
        """
        A frozen grid has become row groups.

        @param series: The numbers that were stored with them.
        """
        self.frozen.remove(done)
        for key in series:
            self.unsealed.pop(key, None)
        self.oldest_journal = done.generation + 1
        for chart, span in done.grid.bounds().items():
            self.spans[chart] = _both(self.spans.get(chart), span)

    def forget(self, chart: str) -> None:
        """
        Remove a chart.

        The grid is set aside, so that its columns are never given to others.
        """
        self._drop(chart)
        self.unwritten.forgotten.append(chart)
        self.freeze()

    def _drop(self, chart: str) -> None:
        for grid in (self.grid, *(waiting.grid for waiting in self.frozen)):
            grid.forget(chart)
        self.spans.pop(chart, None)
        for key in [key for key in self.numbers if key[0] == chart]:
            del self.numbers[key]
            self.unsealed.pop(key, None)
        self._number_columns(again=True)

    def bounds(self, oldest: int) -> dict[str, Span]:
        """
        @param oldest: What is older than this second does not count.
        @return: What it and its row groups hold, by chart.
        """
        found = dict(self.spans)
        for grid in (*(waiting.grid for waiting in self.frozen), self.grid):
            for chart, span in grid.bounds().items():
                found[chart] = _both(found.get(chart), span)
        return {chart: Span(max(span.first, oldest), span.last) for chart, span in found.items() if span.last >= oldest}

    def read(self, series: Sequence[SeriesKey], after: int, before: int) -> list[Columns]:
        """
        @return: Raw rows in memory, oldest write first.
        """
        grids = (*(waiting.grid for waiting in self.frozen), self.grid)
        return [grid.read(series, after, before) for grid in grids]

    def on_disk(self, series: Sequence[SeriesKey], after: int) -> bool:
        """
        @return: Whether row groups may hold samples of these series after
            that second.
        """
        spans = (self.spans.get(chart) for chart in {chart for chart, _ in series})
        return any(span is not None and span.last > after for span in spans)

    def replay(self, records: Iterable[tuple[Kind, bytes]], oldest: int) -> int:
        """
        Take in what a journal kept.

        @return: How many records made no sense.
        """
        keys = {number: key for key, number in self.numbers.items()}
        lost = 0
        for kind, body in records:
            try:
                if kind is Kind.SERIES:
                    self._restore(journal.series_of(body), keys)
                elif kind is Kind.FORGET:
                    self._drop(journal.forget_of(body))
                    keys = {number: key for key, number in self.numbers.items()}
                else:
                    self._rewrite(journal.samples_of(body), keys, oldest)
            except (ValueError, TypeError):
                lost += 1
        self._number_columns(again=True)
        self.unwritten = Unwritten()
        return lost

    def _restore(self, series: Mapping[int, SeriesKey], keys: dict[int, SeriesKey]) -> None:
        for number, key in series.items():
            keys[number] = key
            if key not in self.numbers:
                self.numbers[key] = self.unsealed[key] = number
            self.next_number = max(self.next_number, number + 1)

    def _rewrite(self, samples: Samples, keys: Mapping[int, SeriesKey], oldest: int) -> None:
        numbers, where = np.unique(samples.number, return_inverse=True)
        column = np.array([self.grid.column(keys[n]) if n in keys else -1 for n in numbers.tolist()], np.int32)[where]
        known = column >= 0
        self.grid.write(column[known], samples.time[known], samples.value[known], samples.flags[known], oldest)


def _both(one: Span | None, other: Span) -> Span:
    if one is None:
        return other
    return Span(min(one.first, other.first), max(one.last, other.last))
