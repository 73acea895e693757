"""
Writing out what is stored of a chart, a piece at a time.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import orjson
from attrs import frozen

from netstream.db.dbengine.sources import StoredSource
from netstream.db.interfaces import SeriesKey
from netstream.db.tiers import GROUP_ROWS, STEPS
from netstream.model.samples import ANOMALOUS, EMPTY, RESET, Float64s, Int64s

FIELDS = ("sum", "min", "max", "count", "anomalous")
"""Columns of each dimension in a coarser tier."""

_ROWS = 4
_WORDS = np.array(["", "anomalous", "reset", "anomalous reset"], object)
_WHOLE = re.compile(r"\.0(?=[,\n]|\Z)")
_PARQUET_ROWS = 1 << 16


class NoParquet(ValueError):
    """
    What writes Parquet is not installed.
    """


@frozen(eq=False)
class Piece:
    """
    Some rows.

    @ivar times: int64 by row, UTC seconds.
    @ivar values: float64 of shape (rows, columns); NaN is none.
    @ivar notes: Words of shape (rows, dimensions); L{None} if not wanted.
    """

    times: Int64s
    values: Float64s
    notes: Any = None


@frozen(eq=False)
class Extract:
    """
    What is to be written.

    @ivar tier: 0 is samples.
    @ivar after: Second before the first.
    @ivar before: Last second.
    @ivar flags: Whether to say which samples are marked.
    """

    source: StoredSource
    series: Sequence[SeriesKey]
    tier: int
    after: int
    before: int
    flags: bool = False

    @property
    def columns(self) -> list[str]:
        """
        Names of the columns of values.
        """
        names = [dimension for _, dimension in self.series]
        return [f"{name} {field}" for name in names for field in FIELDS] if self.tier else names

    @property
    def note_columns(self) -> list[str]:
        """
        Names of the columns of notes.
        """
        return [f"{dimension} flags" for _, dimension in self.series] if self.flags and not self.tier else []

    def pieces(self) -> Iterator[Piece]:
        """
        @return: All rows in order, in pieces that fit in memory.
        """
        span = self.source.tiers[self.tier]
        if span is None:
            return
        step = STEPS[self.tier] if self.tier else self.source.step
        length = GROUP_ROWS[self.tier] * step * _ROWS
        at = max(self.after, span.first - 1)
        end = min(self.before, -(-span.last // step) * step)
        while at < end:
            until = min(end, at - at % length + length)
            piece = self._rows(at, until) if self.tier else self._samples(at, until)
            if len(piece.times):
                yield piece
            at = until

    def _samples(self, after: int, before: int) -> Piece:
        raw = self.source.raw(after, before)
        written = (~np.isnan(raw.values) | (raw.flags & EMPTY > 0)).any(axis=1)
        notes = None
        if self.note_columns:
            flags = raw.flags[written]
            notes = _WORDS[np.where(flags & EMPTY, 0, flags) & (ANOMALOUS | RESET)]
        return Piece(raw.times[written], raw.values[written], notes)

    def _rows(self, after: int, before: int) -> Piece:
        rows = self.source.rows(self.tier, after, before)
        some = (rows.count > 0).any(axis=1)
        fields = [np.asarray(getattr(rows, name), np.float64)[some] for name in FIELDS]
        values = np.stack([np.where(fields[3] > 0, field, np.nan) for field in fields], axis=2)
        return Piece(rows.times[some], values.reshape(len(values), -1))


def write_csv(extract: Extract, out: TextIO) -> int:
    """
    @return: How many rows were written.
    """
    csv.writer(out, lineterminator="\n").writerow(["time", "unix", *extract.columns, *extract.note_columns])
    written = 0
    for piece in extract.pieces():
        out.write(_text(piece))
        written += len(piece.times)
    return written


def _text(piece: Piece) -> str:
    """
    @return: Lines; numbers as short as they can be and still be exact.
    """
    encoded = orjson.dumps(np.ascontiguousarray(piece.values), option=orjson.OPT_SERIALIZE_NUMPY).decode()
    rows = _WHOLE.sub("", encoded[2:-2].replace("null", "").replace("],[", "\n")).split("\n")
    times = np.datetime_as_string(piece.times.astype("datetime64[s]"), timezone="UTC").tolist()
    seconds = piece.times.tolist()
    if piece.notes is None:
        return "".join(f"{time},{second},{row}\n" for time, second, row in zip(times, seconds, rows, strict=True))
    notes = [",".join(words) for words in piece.notes.tolist()]
    lines = zip(times, seconds, rows, notes, strict=True)
    return "".join(f"{time},{second},{row},{words}\n" for time, second, row, words in lines)


def write_parquet(extract: Extract, path: Path) -> int:
    """
    @return: How many rows were written.
    @raise NoParquet: It cannot be, and why.
    """
    try:
        pyarrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError as problem:
        raise NoParquet("Parquet needs pyarrow: pip install 'netstream[parquet]'") from problem
    names = [*extract.columns, *extract.note_columns]
    schema = pyarrow.schema(
        [
            pyarrow.field("time", pyarrow.timestamp("s", tz="UTC")),
            *(pyarrow.field(name, pyarrow.float64()) for name in extract.columns),
            *(pyarrow.field(name, pyarrow.string()) for name in extract.note_columns),
        ]
    )
    written = 0
    with parquet.ParquetWriter(path, schema) as writer:
        for times, values, notes in _large(extract):
            columns = [pyarrow.array(times.astype("datetime64[s]"), schema.field(0).type)]
            columns += [pyarrow.array(column, from_pandas=True) for column in values.T]
            columns += [pyarrow.array(column.tolist(), pyarrow.string()) for column in notes.T]
            writer.write_table(pyarrow.Table.from_arrays(columns, names=["time", *names]))
            written += len(times)
    return written


def _large(extract: Extract) -> Iterator[tuple[Int64s, Float64s, Any]]:
    """
    @return: The pieces, several together.
    """
    waiting: list[Piece] = []
    for piece in extract.pieces():
        waiting.append(piece)
        if sum(len(each.times) for each in waiting) >= _PARQUET_ROWS:
            yield _joined(waiting)
            waiting = []
    if waiting:
        yield _joined(waiting)


def _joined(pieces: Sequence[Piece]) -> tuple[Int64s, Float64s, Any]:
    times, values = (np.concatenate([getattr(piece, name) for piece in pieces]) for name in ("times", "values"))
    notes = [piece.notes for piece in pieces if piece.notes is not None]
    return times, values, np.concatenate(notes) if notes else np.empty((len(times), 0), object)
