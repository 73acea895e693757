"""
The command C{netstream alert}: alert definitions tried before they are used.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import Request, urlopen

import numpy as np

from netstream.config.places import data_directory
from netstream.config.token import HELP, VARIABLE, token_of
from netstream.db import metadata
from netstream.db.dbengine.archive import Archive, ArchivedNode, NotFound, opened
from netstream.db.interfaces import Columns, SeriesKey, Span
from netstream.db.tiers import STEPS
from netstream.dbcommands import CannotDo, archive_of, directories_of, second_of
from netstream.health.backtest import Backtest, Event, History, Nothing, Outcome
from netstream.health.definitions import Definition, Found, parse
from netstream.health.numbers import value_text
from netstream.health.stretches import Coarse, Stretch, coarse_of, columns_of, joined, spread
from netstream.model.chart import Chart, Dimension
from netstream.model.host import HostInfo, Label
from netstream.model.samples import Float64s, Int64s

LARGEST = 4 << 20
"""Bytes of a file of definitions."""
ASKED = 3600
"""Points that one request asks for."""
MOST_ANSWER = 256 << 20
"""Bytes of an answer."""
PATIENCE = 60.0
"""Seconds in which a node has to answer."""


def add_alert(commands: Any) -> None:
    """
    @param commands: What C{add_subparsers} gave.
    """
    alert = commands.add_parser(
        "alert", help="try alert definitions", description="Try alert definitions before a node uses them."
    )
    actions = alert.add_subparsers(title="commands", metavar="COMMAND", required=True)
    test = actions.add_parser(
        "test",
        help="say when alerts would have fired",
        description="Evaluate the definitions of a file on what a node has stored, and say when they would have fired "
        "and who would have been told. Nothing is changed and nobody is told. A TIME is a second since 1970, a date "
        "such as 2026-01-31 or 2026-01-31T12:00:00Z (UTC unless it says otherwise), or a duration before now such as "
        "'2h ago'. The exit status is 1 if something is wrong with the file, or if nothing could be tried.",
    )
    test.add_argument("file", type=Path, metavar="FILE", help="such as health.d/mine.conf")
    test.add_argument(
        "--against",
        metavar="NODE",
        help="a data directory on this machine, which may be in use, or the URL of a node such as "
        "http://parent:19999; default: the data directory of this machine",
    )
    test.add_argument("--token-file", type=Path, metavar="FILE", help=f"with a URL: {HELP}")
    test.add_argument("--host", metavar="HOST", help="whose history: name or machine GUID; default: the node itself")
    test.add_argument("--from", dest="after", metavar="TIME", default="1d ago", help="default: '1d ago'")
    test.add_argument("--to", dest="before", metavar="TIME", help="default: now")
    test.add_argument("--json", action="store_true", help="print JSON")
    test.set_defaults(run=_run)


def _run(chosen: argparse.Namespace) -> int:
    try:
        return _test(chosen)
    except (CannotDo, NotFound, Nothing) as problem:
        print(f"netstream alert test: {problem}", file=sys.stderr)
        return 1


def _test(chosen: argparse.Namespace) -> int:
    now = time.time()
    after = second_of("--from", chosen.after, now, 0)
    before = second_of("--to", chosen.before, now, int(now))
    if after >= before:
        raise CannotDo(f"--from: {_moment(after)} is not before {_moment(before)}, where it ends")
    found = _definitions(chosen.file)
    for problem in found.problems:
        print(problem, file=sys.stderr)
    if not found.definitions:
        raise CannotDo(f"{chosen.file}: there is no definition that can be used")
    against = chosen.against or str(data_directory())
    if urlsplit(against).scheme in ("http", "https"):
        remote = Remote(against, chosen.host, token_of(chosen.token_file, os.environ))
        return _report(chosen, found, remote, after, before)
    directory = Path(against).expanduser()
    archive = _archive(directory, chosen.host)
    try:
        return _report(chosen, found, Stored(archive, _node(archive, directory, chosen.host)), after, before)
    finally:
        archive.close()


def _archive(directory: Path, host: str | None) -> Archive:
    """
    @param host: Whose history is wanted, as that may be in any of a node's
        databases.
    @raise CannotDo: Nothing can be read there.
    """
    try:
        places = directories_of(directory) if (directory / "db").is_dir() else [directory]
        return archive_of(host, places) if host is not None else opened(places[0])
    except NotFound as problem:
        said = str(problem).partition("; --data-dir")[0]
        raise CannotDo(f"{said}; a node that keeps its history in memory is asked by its URL") from problem
    except OSError as problem:
        raise CannotDo(
            f"{problem.filename or directory}: cannot be read: {problem.strerror}; a node that runs can be asked by its"
            " URL"
        ) from problem


def _definitions(path: Path) -> Found:
    try:
        if path.stat().st_size > LARGEST:
            raise CannotDo(f"{path}: is larger than {LARGEST >> 20} MiB")
        text = path.read_text("utf-8", "replace")
    except OSError as problem:
        raise CannotDo(f"{path}: {problem.strerror}") from problem
    return parse(text, str(path))


def _node(archive: Archive, directory: Path, name: str | None) -> ArchivedNode:
    """
    @return: Whose history is meant.
    """
    if name is not None:
        return archive.host(name)
    for place in (directory, directory.parent):
        with suppress(OSError, NotFound):
            return archive.host((place / "machine.guid").read_text("ascii").strip().lower())
    if len(archive.nodes) == 1:
        return next(iter(archive.nodes.values()))
    raise CannotDo(f"{directory} has {len(archive.nodes)} hosts; name one with --host")


class Stored:
    """
    What a data directory has of a host.
    """

    def __init__(self, archive: Archive, node: ArchivedNode) -> None:
        self._archive = archive
        self._node = node
        record = node.record
        self.info = record.info if record is not None else HostInfo(node.guid, node.hostname or node.guid)
        self.labels: Mapping[str, Label] = record.labels if record is not None else {}
        charts: dict[str, Chart] = {}
        for id, text in node.charts.items():
            with suppress(ValueError):
                charts[id] = metadata.chart_of(text)
        self.charts: Mapping[str, Chart] = charts

    def span(self, chart: str) -> Span | None:
        """
        @return: The seconds of which there are samples.
        """
        node = self._node
        known = node.hot.series.charts.get(chart)
        if known is None or not known.numbers:
            return None
        stored = node.spans.get(chart)
        newest = self._archive.source(node, [(chart, next(iter(known.numbers)))]).tiers[0]
        if newest is None or stored is not None:
            return newest if stored is None else Span(stored.first, max(stored.last, newest.last if newest else 0))
        return Span(max(newest.first, min((each.start for each in node.hot.hot()), default=0)), newest.last)

    def read(self, series: Sequence[SeriesKey], after: int, before: int) -> Stretch:
        """
        @return: Samples, and rows of coarser tiers before the first of them.
        """
        source = self._archive.source(self._node, series)
        every = [self.charts[chart].update_every for chart, _ in series]
        parts: list[Stretch] = []
        for tier, span in enumerate(source.tiers):
            if span is None or before <= after:
                continue
            if tier:
                step = STEPS[tier]
                rows = source.rows(tier, after // step * step, -(-before // step) * step)
                parts.insert(0, spread(rows, step, every, after, before))
            else:
                parts.insert(0, Stretch.exact(source.raw(max(after, span.first - 1), before)))
            before = min(before, span.first - 1)
        return joined(parts, source.width)


class Remote:
    """
    What a node shows of a host through its API.
    """

    def __init__(self, url: str, host: str | None, token: str = "") -> None:
        """
        @param url: Of the node.
        @param token: What lets in there; C{""} if everyone is.
        @raise CannotDo: It cannot be asked.
        """
        self._token = token
        self._base = url.rstrip("/") + (f"/host/{quote(host, safe='')}" if host else "")
        about = self._asked("/api/v1/info", {})
        listed = self._asked("/api/v1/charts", {})
        try:
            labels = about.get("host_labels") or {}
            guid = str(about.get("uid") or listed.get("machine_guid") or "")
            self.info = HostInfo(guid, str(listed.get("hostname") or host or url), os=str(about.get("os_name") or ""))
            if "_os" in labels:
                self.info = HostInfo(guid, self.info.hostname, os=str(labels["_os"]))
            self.labels: Mapping[str, Label] = {name: Label(str(value)) for name, value in labels.items()}
            self._spans = {
                id: Span(int(chart["first_entry"]), int(chart["last_entry"]))
                for id, chart in listed["charts"].items()
                if chart.get("last_entry")
            }
            self.charts: Mapping[str, Chart] = {id: _chart(chart) for id, chart in listed["charts"].items()}
        except (KeyError, TypeError, ValueError, AttributeError) as problem:
            raise CannotDo(f"{self._base}: this is not the API of a node ({problem!r})") from problem

    def _asked(self, path: str, parameters: Mapping[str, Any]) -> Any:
        query = "?" + urlencode(parameters) if parameters else ""
        request = Request(self._base + path + query, headers={"User-Agent": "netstream"})
        if self._token:  # for this node alone, wherever it sends us
            request.add_unredirected_header("Authorization", f"Bearer {self._token}")
        try:
            with urlopen(request, timeout=PATIENCE) as answer:
                return json.loads(answer.read(MOST_ANSWER))
        except HTTPError as problem:
            with problem:
                said = problem.read(500).decode("utf-8", "replace").strip().splitlines()
            advice = f" (--token-file FILE, or {VARIABLE} in the environment)" if problem.code == 401 else ""
            why = said[0] if said else problem.reason
            raise CannotDo(f"{self._base}{path}: HTTP {problem.code}: {why}{advice}") from None
        except URLError as problem:
            raise CannotDo(f"{self._base}: cannot be reached: {problem.reason}") from None
        except (OSError, ValueError) as problem:
            raise CannotDo(f"{self._base}{path}: this is not the API of a node ({problem})") from None

    def span(self, chart: str) -> Span | None:
        """
        @return: The seconds of which there are samples.
        """
        return self._spans.get(chart)

    def read(self, series: Sequence[SeriesKey], after: int, before: int) -> Stretch:
        """
        @return: Samples, or what the node answers where it has none any more:
            that is so where the greatest within a second is not its average.
        """
        average = self._read(series, after, before, "average")
        most = _at(average.times, self._read(series, after, before, "max"))
        rough = np.any(np.abs(most - average.values) > np.abs(most) * 1e-9, axis=1)
        if not rough.any():
            return Stretch.exact(average)
        least = _at(average.times, self._read(series, after, before, "min"))
        coarse = coarse_of(average.times, rough, _step(average.times[rough], average.values[rough]))
        return Stretch(average, least, most, coarse)

    def _read(self, series: Sequence[SeriesKey], after: int, before: int, method: str) -> Columns:
        wanted: dict[str, list[tuple[int, str]]] = {}
        for place, (chart, dimension) in enumerate(series):
            wanted.setdefault(chart, []).append((place, dimension))
        cells: dict[int, dict[int, float]] = {}
        for chart, places in wanted.items():
            span = self._spans.get(chart)
            if span is None:
                continue
            every = max(1, self.charts[chart].update_every)
            at, end = max(after, span.first - 1), min(before, span.last)
            while at < end:
                until = min(end, at + ASKED * every)
                self._rows(chart, places, at, until, method, cells)
                at = until
        times = np.array(sorted(cells), np.int64)
        values = np.full((len(times), len(series)), np.nan)
        for row, second in enumerate(times.tolist()):
            for place, value in cells[second].items():
                values[row, place] = value
        return columns_of(times, values)

    def _rows(
        self,
        chart: str,
        places: Sequence[tuple[int, str]],
        after: int,
        before: int,
        method: str,
        cells: dict[int, dict[int, float]],
    ) -> None:
        every = max(1, self.charts[chart].update_every)
        points = max(1, -(-(before - after) // every))
        asked = {"chart": chart, "after": after, "before": before, "points": points, "group": method}
        answer = self._asked("/api/v1/data", {**asked, "format": "json", "options": "unaligned|seconds"})
        try:
            columns = {name: number for number, name in enumerate(answer["labels"])}
            dimensions = self.charts[chart].dimensions
            known = [(place, columns.get(dimensions[id].name, columns.get(id))) for place, id in places]
            for row in answer["data"]:
                if after < row[0] <= before:
                    of = cells.setdefault(int(row[0]), {})
                    of.update({place: row[n] for place, n in known if n is not None and row[n] is not None})
        except (KeyError, TypeError, IndexError) as problem:
            raise CannotDo(f"{self._base}/api/v1/data: this is not the API of a node ({problem!r})") from problem


def _at(times: Int64s, columns: Columns) -> Float64s:
    """
    @return: The values at these seconds, and NaN where there are none: the
        node may have got some meanwhile.
    """
    values: Float64s = np.full((len(times), columns.values.shape[1]), np.nan)
    _, to, of = np.intersect1d(times, columns.times, assume_unique=True, return_indices=True)
    values[to] = columns.values[of]
    return values


def _step(times: Int64s, values: Float64s) -> int:
    """
    @return: Seconds of the rows that most of these values are of; 0 if they
        are of no tier.
    """
    if len(times) < 2:
        return 0
    change, apart = np.diff(values, axis=0), np.diff(times)
    same = (np.isnan(change) | (change == 0)).all(axis=1) & (apart == apart.min())
    ends = np.concatenate((np.flatnonzero(~same), [len(times) - 1]))
    lasted = times[ends] - times[np.concatenate(([0], ends[:-1] + 1))]
    return next((step for step in STEPS[1:] if np.median(lasted) < step), 0)


def _chart(said: Mapping[str, Any]) -> Chart:
    return Chart(
        str(said["id"]),
        name=str(said.get("name") or said["id"]),
        title=str(said.get("title", "")),
        units=str(said.get("units", "")),
        family=str(said.get("family", "")),
        context=str(said.get("context", "")),
        update_every=int(said.get("update_every", 1)),
        plugin=str(said.get("plugin", "")),
        module=str(said.get("module", "")),
        dimensions={id: Dimension(id, str(of.get("name") or id)) for id, of in said["dimensions"].items()},
        labels={name: Label(str(value)) for name, value in (said.get("chart_labels") or {}).items()},
    )


# What is printed.


def _moment(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%FT%TZ")


def _lasting(seconds: int) -> str:
    days, rest = divmod(seconds, 86400)
    hours, rest = divmod(rest, 3600)
    minutes, rest = divmod(rest, 60)
    parts = [f"{n}{unit}" for n, unit in ((days, "d"), (hours, "h"), (minutes, "m"), (rest, "s")) if n]
    return " ".join(parts[:2]) or "0s"


def _report(chosen: argparse.Namespace, found: Found, history: History, after: int, before: int) -> int:
    trial = Backtest(history, found.definitions, after, before)
    outcomes = trial.run()
    unbound = _unbound(found.definitions, outcomes, history)
    shown = [event for event in trial.events if event.said.status.raised or event.said.old_status.raised]
    if chosen.json:
        print(json.dumps(_machine(trial, shown, outcomes, unbound, found), indent=2, allow_nan=False))
    else:
        _person(trial, shown, outcomes, unbound)
    return 1 if found.problems else 0


def _unbound(definitions: Sequence[Definition], outcomes: Sequence[Outcome], history: History) -> list[str]:
    """
    @return: A sentence for each definition that applies to nothing.
    """
    bound = {(outcome.alert.definition.file, outcome.alert.definition.line) for outcome in outcomes}
    known = {chart.context for chart in history.charts.values()} | history.charts.keys()
    sentences = []
    for definition in definitions:
        if (definition.file, definition.line) in bound:
            continue
        near = get_close_matches(definition.on, sorted(known), 3)
        why = (
            f"its filters fit no chart of {definition.on}"
            if definition.on in known
            else f"there is no {definition.on}" + (f"; did you mean {', '.join(near)}?" if near else "")
        )
        sentences.append(f"{definition.name} ({definition.file}:{definition.line}) applies to no chart: {why}")
    return sentences


def _told(event: Event) -> str:
    if event.told is not None:
        return f"told at {_moment(event.told)} ({event.said.recipient})"
    return f"not told: {event.why}" if event.why else "not told: its delay was not over"


def _person(trial: Backtest, shown: Sequence[Event], outcomes: Sequence[Outcome], unbound: Sequence[str]) -> None:
    print(f"{trial.history.info.hostname}, {_moment(trial.after)} to {_moment(trial.before)}")
    for event in shown:
        said = event.said
        turn = f"{said.old_status.name} -> {said.status.name}"
        value = value_text(said.value, said.units)
        print(f"{_moment(said.when)}  {said.chart}.{said.name}  {turn}  {value}  {_told(event)}")
        if said.status.raised and said.expression_values:
            print(f"    {said.expression}   with {said.expression_values}")
    for coarse in _coarse(trial):
        print(_precision(coarse))
    for outcome in outcomes:
        print(_fared(outcome))
    for sentence in unbound:
        print(sentence)


def _coarse(trial: Backtest) -> list[Coarse]:
    """
    @return: Where there were coarser rows, the oldest first.
    """
    return sorted(trial.coarse.values(), key=lambda each: each.first)


def _precision(coarse: Coarse) -> str:
    rows = f"rows of {_lasting(coarse.step)}" if coarse.step else "coarser rows"
    return (
        f"from {_moment(coarse.first)} to {_moment(coarse.last)} there are only {rows}: lookups of min and max see the"
        " least and the most of each, all else its average; what was shorter may be missed"
    )


def _fared(outcome: Outcome) -> str:
    alert = outcome.alert
    if not outcome.evaluated:
        return f"{alert.key}: never evaluated: its samples, or those that its lookup needs before, are not there"
    times = {0: "never raised", 1: "raised once"}.get(outcome.raised, f"raised {outcome.raised} times")
    lasted = f", for {_lasting(outcome.seconds)} in all" if outcome.raised else ""
    unknown = "".join(f", ${name} had no value" for name in outcome.unknown)
    value = value_text(alert.value, alert.definition.units)
    evaluated = f"evaluated {outcome.evaluated} times, at last {alert.status.name} with {value}"
    return f"{alert.key}: {times}{lasted}; {evaluated}{unknown}"


def _machine(
    trial: Backtest, shown: Sequence[Event], outcomes: Sequence[Outcome], unbound: Sequence[str], found: Found
) -> dict[str, Any]:
    def number(value: float) -> float | None:
        return value if np.isfinite(value) else None

    return {
        "hostname": trial.history.info.hostname,
        "from": trial.after,
        "to": trial.before,
        "problems": found.problems + list(unbound),
        "precision": [{"from": each.first, "to": each.last, "seconds": each.step or None} for each in _coarse(trial)],
        "events": [
            {
                "when": event.said.when,
                "alert": event.said.name,
                "chart": event.said.chart,
                "old_status": event.said.old_status.name,
                "status": event.said.status.name,
                "value": number(event.said.value),
                "units": event.said.units,
                "summary": event.said.summary,
                "info": event.said.info,
                "values": event.said.expression_values,
                "told": event.told,
                "roles": event.said.recipient.split(),
                "not_told_because": None if event.told is not None else event.why or "its delay was not over",
            }
            for event in shown
        ],
        "alerts": [
            {
                "alert": outcome.alert.name,
                "chart": outcome.alert.chart,
                "raised": outcome.raised,
                "seconds": outcome.seconds,
                "evaluated": outcome.evaluated,
                "status": outcome.alert.status.name,
                "value": number(outcome.alert.value),
                "unknown": list(outcome.unknown),
            }
            for outcome in outcomes
        ],
    }
