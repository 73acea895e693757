"""
The formats in which C{data} answers.

Numbers are written all at once, never one by one: a million of them is an
ordinary answer.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from html import escape
from typing import Protocol

import numpy as np
import orjson
from attrs import frozen

from netstream.kernel.rows import stamped
from netstream.kernel.rows import write as written
from netstream.model.samples import Float64s, Int64s
from netstream.turns import Turns
from netstream.web.answer import JSON, TEXT, Refusal, encode

_NOT_IN_FILE_NAMES = re.compile(r"[^A-Za-z0-9._-]")
HTML = "text/html; charset=utf-8"
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_ARRAY = (b"[", b",", b",", b"],")
"""What stands before and after the time of a row, between its numbers, and
behind them."""
MOST_AT_ONCE = 1 << 16
"""Numbers that are written before other work gets its turn."""


class Rows(Protocol):
    """
    What can be written: rows of numbers, each with its second, below names.

    @ivar options: Canonical names of options, of which C{flip}, C{ms},
        C{seconds} and others say how.
    @ivar first: Second of the oldest row.
    @ivar step: Seconds between rows.
    @ivar times: int64 of shape (rows,), ascending.
    @ivar values: float64 of shape (rows, columns); NaN where there is none.
    @ivar names: Of the columns, as people know them.
    @ivar keys: Of the columns, such that no two are the same.
    @ivar part: Gives some of the rows.
    """

    @property
    def options(self) -> frozenset[str]: ...

    @property
    def first(self) -> int: ...

    @property
    def step(self) -> int: ...

    @property
    def times(self) -> Int64s: ...

    @property
    def values(self) -> Float64s: ...

    @property
    def names(self) -> list[str]: ...

    @property
    def keys(self) -> list[str]: ...

    def part(self, some: slice) -> Rows: ...


def _ordered(view: Rows, values: Float64s) -> Float64s:
    return values if "flip" in view.options else values[::-1]


def _lines(view: Rows, separator: bytes = b",") -> list[bytes]:
    """
    @return: The values of each row, divided by a separator.
    """
    return written(_ordered(view, view.values), separator, b"\n").split(b"\n")[:-1]


def _seconds(view: Rows) -> Int64s:
    """
    @return: The time of each row, in milliseconds if they are asked for.
    """
    times = view.times if "flip" in view.options else view.times[::-1]
    factor = 1000 if "ms" in view.options else 1
    return np.ascontiguousarray(times) * factor


def _times(view: Rows, before: bytes = b"", after: bytes = b"") -> list[bytes]:
    """
    @return: The time of each row as a number, with a text before and after it.
    """
    if not len(view.times):
        return []
    text = orjson.dumps(_seconds(view), option=orjson.OPT_SERIALIZE_NUMPY)[1:-1]
    return (before + text.replace(b",", after + b"\0" + before) + after).split(b"\0")


def _dates(view: Rows, before: bytes = b"", after: bytes = b"") -> list[bytes]:
    """
    @return: The time of each row as text, with another before and after it:
        the local date, unless seconds or milliseconds are asked for.
    """
    if view.options & {"seconds", "ms"} or not len(view.times):
        return _times(view, before, after)
    first, last = time.localtime(int(view.times[0])), time.localtime(int(view.times[-1]))
    times = _seconds(view)
    if first.tm_gmtoff == last.tm_gmtoff and view.times[-1] - view.times[0] < 28 * 86400:
        return _local_dates(times + first.tm_gmtoff, before, after)
    return [
        before + time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(moment)).encode() + after
        for moment in times.tolist()
    ]


def _local_dates(times: Int64s, before: bytes, after: bytes) -> list[bytes]:
    day, second = np.divmod(times, 86400)
    days, which = np.unique(day, return_inverse=True)
    dates = np.datetime_as_string(days.astype("datetime64[D]")).astype("S10").view(np.uint8).reshape(-1, 10)
    template = before + b"0000-00-00 00:00:00" + after
    table = np.tile(np.frombuffer(template, np.uint8), (len(times), 1))
    start = len(before)
    table[:, start : start + 10] = dates[which]
    for place, number in ((11, second // 3600), (14, second // 60 % 60), (17, second % 60)):
        table[:, start + place] += (number // 10).astype(np.uint8)
        table[:, start + place + 1] += (number % 10).astype(np.uint8)
    found: list[bytes] = table.view(f"S{len(template)}").ravel().tolist()
    return found


def _alternating(one: Sequence[bytes], other: Sequence[bytes]) -> bytes:
    parts = [b""] * (2 * len(one))
    parts[0::2] = one
    parts[1::2] = other
    return b"".join(parts)


def _arrays(view: Rows, between: bytes = b",") -> bytes:
    """
    @param between: What divides the rows.
    @return: The rows as JSON arrays.
    """
    rows, first, step = len(view.values), view.first, view.step
    if "flip" not in view.options:
        first, step = first + step * (rows - 1), -step
    if "ms" in view.options:
        first, step = 1000 * first, 1000 * step
    text = stamped(_ordered(view, view.values), first, step, *_ARRAY[:3], b"]" + between)
    return text.removesuffix(between)


def _objects(view: Rows) -> bytes:
    """
    @return: The rows as JSON objects.
    """
    members = _members(tuple(view.keys))
    rows = [members % tuple(line.split(b",")) for line in _lines(view)]
    return b",\n".join([time + row for time, row in zip(_times(view, b'{"time":'), rows, strict=True)])


@lru_cache(4)
def _members(keys: tuple[str, ...]) -> bytes:
    """
    @return: What stands behind the time of an object, with places for numbers.
    """
    return b"".join([b"," + encode(key).replace(b"%", b"%%") + b":%b" for key in keys]) + b"}"


def json_head(names: Sequence[str]) -> bytes:
    """
    @return: What JSON has before the rows.
    """
    return b'{"labels":' + encode(["time", *names]) + b',\n"data":['


def cell(text: str, separator: str, quotes: bool = False) -> str:
    """
    Write a name for a spreadsheet.

    @param quotes: Quote it in any case.
    @return: The text quoted as needed, and never such that a spreadsheet takes
        it as a formula.
    """
    text = "".join(letter if letter.isprintable() else " " for letter in text)
    if text.startswith(_FORMULA):
        text = "'" + text
    if quotes or separator in text or '"' in text:
        text = '"' + text.replace('"', '""') + '"'
    return text


def _labels(separator: str) -> Callable[[Rows], bytes]:
    def labels(view: Rows) -> bytes:
        quotes = "label-quotes" in view.options
        names = (cell(name, separator, quotes) for name in ["time", *view.names])
        return separator.join(names).encode("utf-8", "replace")

    return labels


def _table(separator: bytes) -> Callable[[Rows], bytes]:
    def rows(view: Rows) -> bytes:
        return _alternating(_dates(view, b"\r\n", separator), _lines(view, separator))

    return rows


def _ruled(view: Rows) -> bytes:
    names = ["time", *(cell(name, "|").replace("|", "\\|").replace("<", "&lt;") for name in view.names)]
    return "|".join(names).encode("utf-8", "replace") + b"\r\n" + b"|".join([b":---:"] * len(names))


def _hypertext(view: Rows) -> bytes:
    cells = "".join(f"<td>{escape(name)}</td>" for name in ["time", *view.names])
    return b'<html>\n<center>\n<table border="0" cellpadding="5" cellspacing="5">\n<tr>%b</tr>' % cells.encode(
        "utf-8", "replace"
    )


def _cells(view: Rows) -> bytes:
    return _alternating(
        _dates(view, b"\n<tr><td>", b"</td><td>"),
        [line + b"</td></tr>" for line in _lines(view, b"</td><td>")],
    )


def folded(view: Rows) -> Float64s:
    """
    @return: One number a row, made of its dimensions, oldest first: their sum
        or what C{options} say.
    """
    options, values = view.options, view.values
    empty = np.count_nonzero(~np.isnan(values), axis=1, keepdims=True) == 0
    safe = np.where(empty, 0.0, values)
    if "min2max" in options:
        one = np.maximum(np.nanmax(safe, axis=1), 0) - np.minimum(np.nanmin(safe, axis=1), 0)
    elif "average" in options:
        one = np.nanmean(safe, axis=1)
    elif "min" in options:
        one = np.nanmin(safe, axis=1)
    elif "max" in options:
        one = np.nanmax(safe, axis=1)
    else:
        one = np.nansum(safe, axis=1)
    result: Float64s = np.where(empty[:, 0], np.nan, one)
    return result


def _single(separator: bytes) -> Callable[[Rows], bytes]:
    def rows(view: Rows) -> bytes:
        values = _ordered(view, folded(view))[:, np.newaxis]
        return written(values, b"", separator).removesuffix(separator)

    return rows


def _columns(view: Rows) -> bytes:
    roles = ("annotation", "annotationText")
    columns = [
        {"id": "", "label": "time", "pattern": "", "type": "datetime"},
        *({"id": "", "label": "", "pattern": "", "type": "string", "p": {"role": role}} for role in roles),
        *({"id": "", "label": name, "pattern": "", "type": "number"} for name in view.names),
    ]
    return b'{"cols":' + encode(columns) + b',"rows":['


def _datatable(view: Rows) -> bytes:
    cells = b',{"v":%b}' * len(view.names)
    template = b'{"c":[{"v":"Date(%d,%d,%d,%d,%d,%d)"},{"v":null},{"v":null}' + cells + b"]}"
    rows = []
    times = (view.times if "flip" in view.options else view.times[::-1]).tolist()
    for moment, line in zip(times, _lines(view), strict=True):
        year, month, *rest = time.localtime(moment)[:6]
        rows.append(template % (year, month - 1, *rest, *line.split(b",")))
    return b",\n".join(rows)


@frozen
class _Format:
    """
    How a view is written.

    @ivar head: What comes before the rows.
    @ivar rows: Writes some rows.
    @ivar between: What divides them from those before.
    @ivar tail: What comes after the rows.
    @ivar cost: Of a number, as a multiple of what it costs in JSON.
    """

    content_type: str
    head: Callable[[Rows], bytes]
    rows: Callable[[Rows], bytes]
    between: bytes = b""
    tail: bytes = b""
    cost: int = 1


_WRITERS = {
    "json": _Format(JSON, lambda view: json_head(view.names), _arrays, b",", b"]}"),
    "csv": _Format(TEXT, _labels(","), _table(b","), tail=b"\r\n", cost=2),
    "tsv": _Format(TEXT, _labels("\t"), _table(b"\t"), tail=b"\r\n", cost=2),
    "tsv-excel": _Format(TEXT, _labels("\t"), _table(b"\t"), tail=b"\r\n", cost=2),
    "ssv": _Format(TEXT, lambda _: b"", _single(b" "), b" "),
    "ssvcomma": _Format(TEXT, lambda _: b"", _single(b","), b","),
    "array": _Format(JSON, lambda _: b"[", _single(b","), b",", b"]"),
    "csvjsonarray": _Format(
        JSON, lambda view: b"[" + encode(["time", *view.names]) + b",\n", partial(_arrays, between=b",\n"), b",\n", b"]"
    ),
    "markdown": _Format(TEXT, _ruled, _table(b"|"), tail=b"\r\n", cost=2),
    "html": _Format(HTML, _hypertext, _cells, tail=b"\n</table>\n</center>\n</html>\n", cost=2),
    "datatable": _Format(JSON, _columns, _datatable, b",\n", b"]}", cost=3),
}

_OBJECTS = _Format(JSON, lambda view: json_head(view.keys), _objects, b",\n", b"]}", cost=6)

FORMATS = tuple(_WRITERS)
"""Names of the formats that are offered."""

FOLDED = frozenset(("ssv", "ssvcomma", "array"))
"""Formats that have one number a row."""


def check_format(name: str, *others: str) -> None:
    """
    @param others: What is offered besides L{FORMATS}.
    @raise Refusal: There is no such format.
    """
    if name not in _WRITERS:
        raise Refusal(400, f"format: {name[:40]!r} is not offered; there are {', '.join((*others, *FORMATS))}.\n")


def _format_of(view: Rows, form: str) -> _Format:
    return _OBJECTS if form == "json" and "objectrows" in view.options else _WRITERS[form]


def at_once(view: Rows, form: str) -> tuple[bytes, str]:
    """
    Write rows, of which there are few.

    @param form: One of L{FORMATS}.
    @return: What is written, and its content type.
    """
    how = _format_of(view, form)
    return b"".join((how.head(view), how.rows(view), how.tail)), how.content_type


def _slices(view: Rows, cost: int) -> Iterator[Rows]:
    """
    @param cost: Of a number.
    @return: The rows in the order in which they are written, some at a time.
    """
    rows, columns = view.values.shape
    most = max(1, MOST_AT_ONCE // cost // max(1, columns))
    for start in range(0, rows, most):
        some = slice(start, start + most)
        if "flip" not in view.options:
            some = slice(max(0, rows - start - most), rows - start)
        yield view.part(some)


async def body_of(view: Rows, form: str, turns: Turns) -> tuple[bytes, str]:
    """
    Write rows, letting other work go on in between.

    @param form: One of L{FORMATS}.
    @return: What is written, and its content type.
    """
    how = _format_of(view, form)
    if view.values.size * how.cost <= MOST_AT_ONCE:
        return at_once(view, form)
    parts = [how.head(view)]
    for number, some in enumerate(_slices(view, how.cost)):
        if number:
            await turns.breathe()
            parts.append(how.between)
        parts.append(how.rows(some))
    return b"".join([*parts, how.tail]), how.content_type


def embedded(body: bytes, content_type: str) -> bytes:
    """
    @return: What L{body_of} wrote as a part of JSON: text becomes a string,
        whose lines end as those of agents do there.
    """
    return body if content_type == JSON else encode(body.replace(b"\r\n", b"\n").decode("utf-8", "replace"))


def saved_as(filename: str) -> dict[str, str]:
    """
    @param filename: Under which a browser shall save an answer; C{""} shows it.
    @return: Headers that say so.
    """
    if not filename:
        return {}
    name = _NOT_IN_FILE_NAMES.sub("_", filename)[:100].lstrip(".")
    return {"Content-Disposition": f'attachment; filename="{name}"'} if name else {}
