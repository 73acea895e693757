"""
Answers to questions for data, as they go out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import orjson
from attrs import evolve

from netstream.db.interfaces import Look
from netstream.hub.hub import Host
from netstream.kernel.forms import Form, Question, Rows
from netstream.kernel.rows import extent
from netstream.kernel.rows import write as written
from netstream.turns import Turns
from netstream.web import formats
from netstream.web.answer import JSON, Answer, encode
from netstream.web.charts import own_labels
from netstream.web.formats import FOLDED, body_of, embedded, folded, json_head, saved_as
from netstream.web.query import Choice, View
from netstream.web.questions import Numbers, within


def _place(name: str) -> bytes:
    """
    @param name: Of L{netstream.kernel.forms.PLACES}, or C{kind}.
    @return: Where something will stand in a text.  No JSON has such bytes.
    """
    return b"\0%b\0" % name.encode()


def _divided(text: bytes) -> tuple[list[bytes], list[str]]:
    """
    @return: What stands before, between and behind places, and their names.
    """
    parts = text.split(b"\0")
    return parts[::2], [name.decode() for name in parts[1::2]]


def _text(*parts: str | bytes) -> orjson.Fragment:
    """
    @param parts: Text, and places for more of it.
    @return: One string.
    """
    return orjson.Fragment(b'"%b"' % b"".join([encode(p)[1:-1] if isinstance(p, str) else p for p in parts]))


def _charts(choice: Choice) -> dict[str, Any]:
    """
    @return: Where each column comes from, if a context was asked for.
    """
    if choice.terms.chart:
        return {}
    charts = [chart for chart, _ in choice.dimensions]
    found: dict[str, Any] = {"chart_ids": [chart.id for chart in charts]}
    if keys := choice.terms.label_keys:
        found["chart_labels"] = {key: [own_labels(chart).get(key, "") for chart in charts] for key in keys}
    return found


def _functions(host: Host, choice: Choice) -> list[str]:
    """
    @return: The functions of the charts.
    """
    charts = set(choice.ids)
    return list(dict.fromkeys(name for chart, name in host.functions if chart in charts))


def _frame(host: Host, choice: Choice) -> bytes:
    """
    @return: What C{jsonwrap} says of a choice, with places for what it says of
        one question.
    """
    terms, words = choice.terms, choice.terms.option_words
    kind, what = "chart", f"instance:{terms.chart}"
    if not terms.chart:
        kind, what = "context", f"contexts:{terms.context}/instances:*"
    identity = _text(
        f"{kind}://host:{host.info.hostname}/{what}/dimensions:{terms.dimensions or '*'}/after:",
        _place("asked_after"),
        "/before:",
        _place("asked_before"),
        "/points:",
        _place("asked_points"),
        f"/group:{terms.method}{terms.argument}/options:{words}",
    )

    def place(name: str) -> orjson.Fragment:
        return orjson.Fragment(_place(name))

    def array(name: str) -> orjson.Fragment:
        return orjson.Fragment(b"[%b]" % _place(name))

    return encode(
        {
            "api": 1,
            "id": identity,
            "name": identity,
            "view_update_every": place("step"),
            "update_every": choice.update_every,
            "first_entry": place("first"),
            "last_entry": place("last"),
            "before": place("newest"),
            "after": place("oldest"),
            "group": terms.method,
            "options": _text(words and f"{words},", _place("kind")),
            "dimension_names": choice.names,
            "dimension_ids": [dimension.id for _, dimension in choice.dimensions],
            "functions": _functions(host, choice),
            **_charts(choice),
            "latest_values": array("latest_values"),
            "view_latest_values": array("newest_values"),
            "dimensions": len(choice.dimensions),
            "points": place("rows"),
            "format": terms.format,
            "db_points_per_tier": array("points"),
            "result": place("result"),
            "min": place("low"),
            "max": place("high"),
        }
    )


def _frame_of(host: Host, choice: Choice) -> bytes:
    if not choice.frame:
        choice.frame = _frame(host, choice)
    return choice.frame


def _form(host: Host, choice: Choice) -> Form:
    """
    @return: Writes answers that have samples as they are, as JSON.
    """
    options = choice.terms.options
    text = json_head(choice.names) + _place("result") + b"]}"
    if "jsonwrap" in options:
        text = _frame_of(host, choice).replace(_place("kind"), b"natural-points").replace(_place("result"), text)
    factor = 1000 if "ms" in options else 1
    return Form(*_divided(text), "flip" in options, factor, "jw-anomaly-rates" not in options)


def _numbers(values: Sequence[float]) -> bytes:
    """
    @return: Them as text, divided by commas.
    """
    return written(np.array([values]), b",", b"")


def _wrapped(view: View, body: bytes, content_type: str) -> bytes:
    host, question, choice, plan, values = view.host, view.question, view.choice, view.plan, view.values
    extremes = extent(folded(view)[:, np.newaxis] if choice.terms.format in FOLDED else values)
    several = plan.step > choice.update_every and question.settled  # as agents call them in a fixed window
    rows, every, span = len(values), choice.update_every, view.span
    said: Mapping[str, int | bytes] = {
        "asked_after": question.after,
        "asked_before": question.before,
        "asked_points": question.points,
        "step": plan.step,
        "first": span.first if span else 0,
        "last": span.last if span else 0,
        "newest": plan.before if rows else 0,
        "oldest": plan.before - rows * plan.step + every if rows else 0,
        "kind": b"virtual-points" if several else b"natural-points",
        "latest_values": _numbers(host.latest.values(choice.numbers(host.table))),
        "newest_values": written(values[-1:], b",", b""),
        "rows": rows,
        "points": view.points,
        "result": embedded(body, content_type),
        "low": _numbers(extremes[1:2]),
        "high": _numbers(extremes[2:]),
    }
    pieces, places = _divided(_frame_of(host, choice))
    parts = [said[name] for name in places]
    texts = [part if isinstance(part, bytes) else b"%d" % part for part in parts]
    text = b"".join([each for both in zip(pieces, [*texts, b""], strict=True) for each in both])
    if view.rates is not None and "jw-anomaly-rates" in view.options:
        rates, _ = formats.at_once(evolve(view, values=view.rates), "json")
        text = b'%b,"anomaly_rates":%b}' % (text[:-1], rates)
    return text


def at_once(host: Host, choice: Choice, window: Numbers, look: Look, now: int, filename: str = "") -> Answer | None:
    """
    Answer a question for newest samples, as JSON and such as they are, which
    is mostly asked for.

    @param window: C{after}, C{before} and C{points}.
    @param look: Where they are.
    @param now: The current second.
    @param filename: Under which a browser shall save it; C{""} shows it.
    @return: L{None} if it takes more than that.
    """
    page, form = look.page(), choice.form
    if page is None or not choice.is_plain or choice.update_every != look.step:
        return None
    if form is None:
        form = choice.form = _form(host, choice)
    rows = Rows(page.cells, page.marks, look.columns, look.past, look.past_marks, look.start, look.step, look.floor)
    question = Question(*within(*window), now, look.span.first, look.span.last)
    text = form.fill(rows, question, host.latest.value, choice.numbers(host.table))
    return None if text is None else Answer(text, JSON, headers=saved_as(filename))


async def write(view: View, turns: Turns, lifetime: int = 0, filename: str = "") -> Answer:
    """
    Write a view in the format that was asked for, letting other work go on in
    between.

    @param lifetime: Seconds for which the answer may be kept.
    @param filename: Under which a browser shall save it; C{""} shows it.
    """
    body, content_type = await body_of(view, view.choice.terms.format, turns)
    if "jsonwrap" in view.options:
        await turns.breathe()
        body, content_type = _wrapped(view, body, content_type), JSON
    return Answer(body, content_type, lifetime=lifetime, headers=saved_as(filename))
