"""
Tiers: what is kept of samples for longer than the samples themselves.

A row of a tier at time t is about the samples after t - step up to t: their
sum, added up in order of time, their minimum and maximum, how many they are,
and how many of them are anomalous.  Without samples there is no row.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from netstream.db.interfaces import Columns
from netstream.db.rowgroups import Field, Group, Part, RowGroup, Writer
from netstream.db.tier_rows import Aggregates
from netstream.kernel.seal import fold, fold_rows
from netstream.model.samples import Float64s, Int32s, Int64s

STEPS = (1, 60, 3600)
"""Seconds a row of each tier; of tier 0 it is that of the node."""

GROUP_ROWS = (900, 240, 240)
"""Rows of a row group of each tier."""

FIELDS = (Field.SUM, Field.MIN, Field.MAX, Field.COUNT, Field.ANOMALOUS)
"""What a tier has, besides tier 0."""

_AT_ONCE = 256
Uint32s = npt.NDArray[np.uint32]


class _Rows:
    """
    Rows of a tier while they are made, for series that become known.
    """

    def __init__(self, rows: int) -> None:
        self.numbers: Uint32s = np.zeros(0, np.uint32)
        self.fields: list[Float64s] = [np.full((0, rows), value) for value in _INITIAL]

    def places(self, numbers: Uint32s) -> Int32s:
        """
        @return: Where the rows of some series are.
        """
        missing = np.setdiff1d(numbers, self.numbers)
        if len(missing):
            known = np.concatenate([self.numbers, missing])
            order = np.argsort(known)
            self.numbers = known[order]
            more = [
                np.full((len(missing), field.shape[1]), value)
                for field, value in zip(self.fields, _INITIAL, strict=True)
            ]
            self.fields = [np.concatenate([field, new])[order] for field, new in zip(self.fields, more, strict=True)]
        return np.searchsorted(self.numbers, numbers).astype(np.int32)

    def add(self, group: Group, rows: Int32s) -> None:
        """
        @param rows: The row of the tier that each row of the group belongs to;
            -1 for none.
        """
        samples = group.parts.get(Field.VALUE)
        if samples is not None:
            fold(samples.values, samples.marks(), rows, self.places(samples.numbers), self.fields)
        if all(field in group.parts for field in FIELDS):
            numbers, given = _complete([group.parts[field] for field in FIELDS])
            fold_rows(given, rows, self.places(numbers), self.fields)

    def finished(self) -> Iterator[tuple[Field, Part]]:
        """
        @return: The columns of each field.
        """
        empty = self.fields[FIELDS.index(Field.COUNT)] == 0
        some = ~empty.all(axis=1)
        for field, values in zip(FIELDS, self.fields, strict=True):
            yield field, Part(self.numbers[some], np.where(empty, np.nan, values)[some])


_INITIAL = (0.0, np.inf, -np.inf, 0.0, 0.0)


def _complete(parts: Sequence[Part]) -> tuple[Uint32s, tuple[Float64s, ...]]:
    """
    @return: The series that have all fields, and these.
    """
    numbers = parts[0].numbers
    if all(np.array_equal(part.numbers, numbers) for part in parts):
        return numbers, tuple(part.values for part in parts)
    for part in parts:
        numbers = np.intersect1d(numbers, part.numbers)
    return numbers, tuple(part.values[np.searchsorted(part.numbers, numbers)] for part in parts)


def _rows(times: Int64s, start: int, step: int, rows: int) -> Int32s:
    """
    @return: int32 by time: the row of a tier that it belongs to; -1 for none.
    """
    row = -((start - times) // step)
    return np.where((row >= 0) & (row < rows), row, -1).astype(np.int32)


def _times(group: Group | RowGroup) -> Int64s:
    return group.start + group.step * np.arange(group.rows, dtype=np.int64)


def rolled(groups: Iterable[Group], start: int, step: int, rows: int) -> Group:
    """
    Make rows of a tier.

    @param groups: Samples or rows of a finer tier, in order of time.
    @param start: Second of the first row.
    @param step: Seconds from row to row.
    @param rows: How many rows to make.
    """
    made = _Rows(rows)
    damaged = 0
    for group in groups:
        made.add(group, _rows(_times(group), start, step, rows))
        damaged += group.damaged
    return Group(start, step, rows, dict(made.finished()), damaged)


def derived(groups: Sequence[RowGroup], start: int, step: int, rows: int, *, single: bool = False) -> bytearray:
    """
    Make a row group of a tier, as it is to be stored, in little memory: its
    L{rolled} rows, some series at a time.

    @param groups: Samples or rows of a finer tier, in order of time.
    @param single: Whether to round to float32 what is in its range.
    """
    writer = Writer(start, step, rows, single=single)
    found = [group.numbers(field) for group in groups for field in (Field.VALUE, Field.COUNT)]
    numbers = np.unique(np.concatenate(found)) if found else np.zeros(0, np.uint32)
    for begin in range(0, len(numbers), _AT_ONCE):
        some = numbers[begin : begin + _AT_ONCE]
        low, high = int(some[0]), int(some[-1]) + 1
        for field, part in rolled((group.group(low, high) for group in groups), start, step, rows).parts.items():
            writer.add(field, part)
    return writer.finish()


def rolled_rows(columns: Columns, step: int) -> Aggregates:
    """
    Make rows of a tier that are not stored yet.

    @param columns: Samples, raw or not.
    @param step: Seconds a row.
    @return: The rows that have samples; their times are multiples of the step.
    """
    ends = -(-columns.times // step) * step
    times, rows = np.unique(ends, return_inverse=True)
    series = columns.values.shape[1]
    fields = [np.full((series, len(times)), value) for value in _INITIAL]
    fold(columns.values.T, columns.flags.T, rows.astype(np.int32), np.arange(series, dtype=np.int32), fields)
    some = (fields[FIELDS.index(Field.COUNT)] > 0).any(axis=0)
    return Aggregates(times[some], *(field.T[some] for field in fields))


def stored_rows(
    group: RowGroup, numbers: Sequence[int] | npt.NDArray[np.integer], after: int, before: int
) -> tuple[Aggregates, int]:
    """
    Read rows of a tier.

    @param numbers: The series wanted.
    @return: The rows after C{after} up to C{before}, of which some may be
        empty; and how many columns are damaged.
    """
    first = min(max((after - group.start) // group.step + 1, 0), group.rows)
    last = min(max((before - group.start) // group.step + 1, first), group.rows)
    fields, damaged = [], 0
    for field in FIELDS:
        values, _, hurt = group.read(numbers, field, first, last)
        fields.append(values)
        damaged += hurt
    there = ~np.isnan(fields).any(axis=0)
    whole = (np.where(there, field, value) for field, value in zip(fields, _INITIAL, strict=True))
    return Aggregates(_times(group)[first:last], *whole), damaged
