"""
What two netstream nodes say to each other of what their databases keep of a
host, beyond what agents replicate: holes, charts that are collected no more,
coarser tiers.

The parent asks and the child answers, one question at a time.  Questions and
answers are JSON documents that are sent only where L{Capability.TIERS} was
agreed on.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NoReturn
from zlib import compress, decompressobj
from zlib import error as ZlibError

import numpy as np
from attrs import frozen

from netstream.model.stored import COUNT, FIELDS, RESTLESS, Cells, StoredRows
from netstream.wire.function_lines import JsonPayload
from netstream.wire.words import clean

DOCUMENT = "netstream_tiers"
"""The name of the documents."""

VERSION = 1
"""Of what is said in them; others are not understood."""

KEPT, COUNTS, CELLS, CHARTS = "kept", "counts", "cells", "charts"
"""What can be asked for: which rows are stored at all, how many samples of
each chart some rows have, the rows themselves, definitions of charts."""

KINDS = frozenset((KEPT, COUNTS, CELLS, CHARTS))

MOST_ROWS = 1024
"""Rows that are stored together, at most."""

MOST_STEP = 86400
"""Seconds of a row, at most."""

MOST_KEPT = 20_000
"""Stretches of rows that one answer tells of."""

MOST_CHARTS = 2_000
"""Charts that one question names."""

MOST_NAMES = 1 << 19
"""Characters of the names in one document: half of what a payload may have."""

NAMES_AT_ONCE = 1 << 17
"""Characters of the names that we put in one."""

MOST_SERIES = 256
"""Series of which one answer has rows."""

MOST_NUMBERS = 1 << 16
"""Numbers in one answer about rows: they fit into a payload."""

MOST_TEXT = 1 << 19
"""Bytes of the definitions in one answer."""


@frozen
class Question:
    """
    What a parent asks.

    @ivar number: Of the question, which the answer repeats.
    @ivar kind: One of L{KINDS}.
    @ivar where: Which rows.
    @ivar charts: Ids of the charts that are meant.
    @ivar skip: How many charts, or series of these charts, were told already.
    """

    number: int
    kind: str
    where: StoredRows | None = None
    charts: Sequence[str] = ()
    skip: int = 0

    def line(self) -> bytes:
        """
        @return: The document as it is sent.
        """
        said: dict[str, Any] = {"ask": self.kind, "number": self.number}
        if self.where is not None:
            said["rows"] = _place(self.where)
        if self.charts:
            said["charts"] = list(self.charts)
        if self.skip:
            said["skip"] = self.skip
        return _line(said)


def _line(said: Mapping[str, Any]) -> bytes:
    text = json.dumps({"version": VERSION, **said}, separators=(",", ":"))
    return JsonPayload(DOCUMENT, text.encode()).line()


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _read(body: bytes) -> dict[str, Any]:
    try:
        said = json.loads(body, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("the document is nested too deeply") from None
    if not isinstance(said, dict) or said.get("version") != VERSION:
        raise ValueError(f"the document is not of version {VERSION}")
    return said


def _whole(value: Any, least: int, most: int, what: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise ValueError(f"{what} is not from {least} to {most}")
    return value


def _list(value: Any, most: int, what: str) -> list[Any]:
    if not isinstance(value, list) or len(value) > most:
        raise ValueError(f"{what} is no list of up to {most}")
    return value


def _names(value: Any, most: int, what: str) -> list[str]:
    names = _list(value, most, what)
    for name in names:
        if not isinstance(name, str) or not name or clean(name) != name:
            raise ValueError(f"{what} has something that is no name")
    if sum(map(len, names)) > MOST_NAMES:
        raise ValueError(f"{what} has more than {MOST_NAMES} characters")
    return names


def _place(rows: StoredRows) -> list[int]:
    return [rows.tier, rows.start, rows.step, rows.rows, rows.samples]


def _where(value: Any) -> StoredRows:
    numbers = _list(value, 5, "rows")
    if len(numbers) != 5:
        raise ValueError("rows are five numbers")
    return StoredRows(
        _whole(numbers[0], 0, 9, "the tier"),
        _whole(numbers[1], 1, 1 << 40, "the first second"),
        _whole(numbers[2], 1, MOST_STEP, "the step"),
        _whole(numbers[3], 1, MOST_ROWS, "the number of rows"),
        _whole(numbers[4], 0, 1 << 50, "the number of samples"),
    )


def parse_question(body: bytes) -> Question:
    """
    Read what a parent asks.

    @raise ValueError: It is no question.
    """
    said = _read(body)
    kind = said.get("ask")
    if kind not in KINDS:
        raise ValueError("nothing known is asked for")
    where = _where(said["rows"]) if "rows" in said else None
    if where is None and kind in (COUNTS, CELLS):
        raise ValueError("a question about no rows")
    return Question(
        _whole(said.get("number"), 0, 1 << 40, "the number of the question"),
        kind,
        where,
        tuple(_names(said.get("charts", []), MOST_CHARTS, "charts")),
        _whole(said.get("skip", 0), 0, 1 << 30, "what to skip"),
    )


@frozen
class Answer:
    """
    What a child says.

    @ivar number: Of the question.
    """

    number: int
    _said: Mapping[str, Any]

    def kept(self) -> list[StoredRows]:
        """
        @return: All that is stored and changes no more.
        @raise ValueError: It does not tell.
        """
        return [_where(rows) for rows in _list(self._said.get(KEPT), MOST_KEPT, "what is kept")]

    def counts(self) -> dict[str, int]:
        """
        @return: How many samples there are, by chart.
        @raise ValueError: It does not tell.
        """
        names = _names(self._said.get("charts"), MOST_CHARTS, "charts")
        counts = _list(self._said.get(COUNTS), len(names), "counts")
        if len(counts) != len(names):
            raise ValueError("a chart without its count")
        return {name: _whole(count, 0, 1 << 50, "a count") for name, count in zip(names, counts, strict=True)}

    def definitions(self) -> bytes:
        """
        @return: Lines that define charts.
        @raise ValueError: It does not tell.
        """
        text = self._said.get("text")
        if not isinstance(text, str) or len(text) > MOST_TEXT:
            raise ValueError("no definitions")
        return text.encode("utf-8", "surrogateescape")

    @property
    def more(self) -> bool:
        """
        Whether there is more of what was asked for.
        """
        return self._said.get("more") is True

    def cells(self, where: StoredRows) -> Cells:
        """
        @param where: The rows that were asked for.
        @raise ValueError: It does not tell them.
        """
        charts = _names(self._said.get("charts"), MOST_NUMBERS, "charts")
        dimensions = _names(self._said.get("dimensions"), MOST_NUMBERS, "dimensions")
        if len(charts) != len(dimensions) or len({*zip(charts, dimensions, strict=True)}) != len(charts):
            raise ValueError("series are not told apart")
        fields = FIELDS if where.tier else 1
        shape = (fields, len(charts), where.rows)
        if fields * len(charts) * where.rows > max(MOST_NUMBERS, fields * where.rows):
            raise ValueError(f"more than {MOST_NUMBERS} numbers")
        size = fields * len(charts) * where.rows
        flags = size if fields == 1 else 0
        data = _unpacked(self._said.get("data"), 8 * size + flags)
        turned = np.frombuffer(data, np.uint8, 8 * size).reshape(8, size)
        values = np.ascontiguousarray(turned.T).view("<f8").reshape(shape).astype(np.float64)
        values[~np.isfinite(values)] = np.nan
        marks = (
            np.frombuffer(data, np.uint8, flags, 8 * size) if flags else np.zeros(len(charts) * where.rows, np.uint8)
        )
        if where.tier:
            _check(values, where.step)
        return Cells(where, list(zip(charts, dimensions, strict=True)), values, marks.reshape(shape[1:]).copy())


def _check(fields: np.ndarray[Any, np.dtype[np.float64]], step: int) -> None:
    """
    @raise ValueError: These are no rows of a coarser tier.
    """
    there = ~np.isnan(fields)
    if (there.any(axis=0) != there.all(axis=0)).any():
        raise ValueError("rows that are not whole")
    count, anomalous = fields[COUNT], fields[COUNT + 1]
    with np.errstate(invalid="ignore"):
        wrong = (count < 1) | (count > step) | (anomalous < 0) | (anomalous > count) | (fields[1] > fields[2])
    if wrong.any():
        raise ValueError("rows that cannot be")


def _packed(data: bytes) -> str:
    return b64encode(compress(data, 1)).decode()


def _unpacked(text: Any, size: int) -> bytes:
    """
    @param size: Bytes that it has to be.
    """
    if not isinstance(text, str):
        raise ValueError("no data")
    unpacking = decompressobj()
    try:
        data = unpacking.decompress(b64decode(text, validate=True), size + 1)
    except ZlibError as problem:
        raise ValueError(f"data that cannot be unpacked: {problem}") from None
    if len(data) != size:
        raise ValueError(f"data is not of {size} bytes")
    return data


def parse_answer(body: bytes) -> Answer:
    """
    Read what a child says.

    @raise ValueError: It is no answer.
    """
    said = _read(body)
    return Answer(_whole(said.get("answer"), 0, 1 << 40, "the number of the question"), said)


def kept_answer(number: int, kept: Iterable[StoredRows]) -> bytes:
    """
    Say what is stored and changes no more.
    """
    kept = tuple(kept)
    restless = [rows for rows in kept if rows.samples == RESTLESS]
    told = [rows for rows in kept if rows.samples > 0 and not any(rows.overlaps(other) for other in restless)]
    return _line({"answer": number, KEPT: [_place(rows) for rows in told[:MOST_KEPT]]})


def counts_answer(number: int, counts: Mapping[str, int], skip: int) -> bytes:
    """
    Say how many samples there are, by chart.

    @param skip: How many charts were told already.
    """
    charts = sorted(counts)[skip:]
    told = next(iter(lots(charts)), [])
    more = len(told) < len(charts)
    return _line({"answer": number, "charts": told, COUNTS: [counts[chart] for chart in told], "more": more})


def charts_answer(number: int, definitions: Iterable[bytes]) -> bytes:
    """
    Say how charts are defined, as far as there is room.
    """
    text = b""
    for definition in definitions:
        if len(text) + len(definition) > MOST_TEXT:
            break
        text += definition
    return _line({"answer": number, "text": text.decode("utf-8", "surrogateescape")})


def cells_answer(number: int, cells: Cells, more: bool) -> bytes:
    """
    Tell rows.

    @param more: Whether there are more series.
    """
    numbers = np.ascontiguousarray(cells.fields, "<f8").reshape(-1, 1).view(np.uint8)
    # Bytes of the same weight stand together, which packs well.
    data = np.ascontiguousarray(numbers.T).tobytes()
    if not cells.where.tier:
        data += np.ascontiguousarray(cells.flags).tobytes()
    return _line(
        {
            "answer": number,
            "charts": [chart for chart, _ in cells.series],
            "dimensions": [dimension for _, dimension in cells.series],
            "data": _packed(data),
            "more": more,
        }
    )


def series_at_once(where: StoredRows) -> int:
    """
    @return: Of how many series rows fit into one answer.
    """
    return max(1, min(MOST_SERIES, MOST_NUMBERS // (where.rows * (FIELDS if where.tier else 1))))


Seen = dict[tuple[int, int], tuple[int, int]]
"""By tier and first second: how many samples the child and we had when the
rows were looked at last."""


def worth_asking(
    theirs: Iterable[StoredRows], own: Sequence[StoredRows], oldest: Sequence[int], seen: Seen
) -> tuple[list[tuple[StoredRows, int]], bool]:
    """
    Find the rows of which we may lack something.

    @param own: What is stored here.
    @param oldest: By tier: what ends before this second is not kept here.
    @param seen: What was looked at, with nothing changed since.
    @return: Rows, with how many samples are surely here: the finest tier first, and
        the newest; and whether some have to be looked at later, since ours
        change still.
    """
    here = {
        (rows.tier, rows.start, rows.step): 0 if rows.partial else rows.samples
        for rows in own
        if rows.samples != RESTLESS
    }
    restless = [rows for rows in own if rows.samples == RESTLESS]
    found, later = [], False
    for rows in sorted(theirs, key=lambda rows: (rows.tier, -rows.start)):
        if rows.tier >= len(oldest) or rows.last < oldest[rows.tier]:
            continue
        mine = here.get((rows.tier, rows.start, rows.step), 0)
        if mine == rows.samples or seen.get((rows.tier, rows.start)) == (rows.samples, mine):
            continue
        if any(rows.overlaps(other) for other in restless):
            later = True
        else:
            found.append((rows, mine))
    return found, later


def lacking(theirs: Mapping[str, int], own: Mapping[str, int]) -> list[str]:
    """
    @return: The charts of which they have more.
    """
    return [chart for chart, count in theirs.items() if count > own.get(chart, 0)]


def lots(charts: Collection[str]) -> Iterable[list[str]]:
    """
    @return: The charts in lots, each of which one question can name.
    """
    lot: list[str] = []
    size = 0
    for chart in charts:
        if lot and (len(lot) == MOST_CHARTS or size + len(chart) > NAMES_AT_ONCE):
            yield lot
            lot, size = [], 0
        lot.append(chart)
        size += len(chart)
    if lot:
        yield lot
