"""
What is told of many series together, in the words of newer agents.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import orjson
from attrs import frozen

from netstream.hub.hub import Host, Hub
from netstream.kernel.rows import write as written
from netstream.model.chart import Chart
from netstream.model.samples import Float64s
from netstream.web import nodes
from netstream.web.answer import JSON, Answer, encode
from netstream.web.grouped import Result
from netstream.web.grouping import Bools, Places, Statistics

DECIMALS = 7


@frozen(eq=False)
class _Counts:
    """
    How many of something are selected, excluded, queried and failed, for each
    of several.
    """

    selected: Places
    excluded: Places
    queried: Places
    failed: Places

    @classmethod
    def of(cls, places: Places, count: int, selected: Places, excluded: Places, failed: Bools) -> _Counts:
        """
        @param places: For each thing, which of the several it belongs to.
        @param selected: How many are selected of each thing.
        @param failed: Whether it could not be asked.
        """

        def added(numbers: Places) -> Places:
            return np.bincount(places, numbers, count).astype(np.intp)

        return cls(
            added(selected), added(excluded), added(np.where(failed, 0, selected)), added(np.where(failed, selected, 0))
        )

    def said(self, at: int) -> dict[str, int]:
        return {
            "sl": int(self.selected[at]),
            "ex": int(self.excluded[at]),
            "qr": int(self.queried[at]),
            "fl": int(self.failed[at]),
        }


def _sts(statistics: Statistics) -> list[dict[str, Any]]:
    """
    @return: Statistics one by one.
    """
    said = statistics.said()
    rows = np.round(np.stack([said[name] for name in said], axis=1), DECIMALS) + 0.0
    return [dict(zip(said, row, strict=True)) for row in rows.tolist()]


def _columns(statistics: Statistics) -> dict[str, Any]:
    """
    @return: The same by column.
    """
    return {name: np.round(column, DECIMALS) + 0.0 for name, column in statistics.said().items()}


class Told:
    """
    The parts of an answer.

    @ivar result: What it tells of.
    """

    def __init__(self, result: Result, alerts: Callable[[Host, Chart], Mapping[str, str]]) -> None:
        """
        @param alerts: The statuses of the alerts of a chart, by name.
        """
        self.result = result
        self._instances = result.instances
        self._node = np.asarray([i.node for i in self._instances], np.intp)
        self._failed = np.asarray([i.node in result.failed for i in self._instances], np.bool_)
        self._shown = np.asarray([len(i.shown) for i in self._instances], np.intp)
        self._others = np.asarray([len(i.others) for i in self._instances], np.intp)
        self._wanted = np.asarray([bool(i.shown) for i in self._instances], np.intp)
        of_series = np.asarray([i.number for i in result.series.instances], np.intp)
        self._statistics = result.statistics.folded(of_series, len(self._instances))
        contexts = dict.fromkeys(i.chart.context for i in self._instances)
        contexts |= dict.fromkeys(context for _, context in result.choosing.elsewhere)
        self._contexts = {context: at for at, context in enumerate(contexts)}
        self._context = np.asarray([self._contexts[i.chart.context] for i in self._instances], np.intp)
        self._alerts = [alerts(i.host, i.chart) if i.shown else {} for i in self._instances]

    def _of_instances(self, places: Places, count: int, elsewhere: Iterable[tuple[int, int]]) -> _Counts:
        found = _Counts.of(places, count, self._wanted, 1 - self._wanted, self._failed)
        for at, more in elsewhere:
            found.excluded[at] += more
        return found

    def _of_dimensions(self, places: Places, count: int, elsewhere: Iterable[tuple[int, int]] = ()) -> _Counts:
        found = _Counts.of(places, count, self._shown, self._others, self._failed)
        for at, more in elsewhere:
            found.excluded[at] += more
        return found

    def _raised(self, places: Places, count: int) -> list[dict[str, int]]:
        found: list[Counter[str]] = [Counter() for _ in range(count)]
        for at, alerts in zip(places.tolist(), self._alerts, strict=True):
            found[at].update(alerts.values())
        return [_alert_counts(counts) for counts in found]

    def nodes(self) -> list[dict[str, Any]]:
        result, count = self.result, len(self.result.hosts)
        missed = result.choosing.elsewhere.items()
        instances = self._of_instances(self._node, count, ((node, n) for (node, _), (n, _d) in missed))
        dimensions = self._of_dimensions(self._node, count, ((node, d) for (node, _), (_n, d) in missed))
        statistics = _sts(self._statistics.folded(self._node, count))
        raised = self._raised(self._node, count)
        return [
            nodes.identity(host, at)
            | {
                "st": {"ai": 0, "code": 500 if at in result.failed else 200, "msg": ""},
                "is": instances.said(at),
                "ds": dimensions.said(at),
                "sts": statistics[at],
                "al": raised[at],
            }
            for at, host in enumerate(result.hosts)
        ]

    def contexts(self) -> list[dict[str, Any]]:
        names, count = self._contexts, len(self._contexts)
        missed = self.result.choosing.elsewhere.items()
        instances = self._of_instances(self._context, count, ((names[c], n) for (_, c), (n, _d) in missed))
        dimensions = self._of_dimensions(self._context, count, ((names[c], d) for (_, c), (_n, d) in missed))
        statistics = _sts(self._statistics.folded(self._context, count))
        raised = self._raised(self._context, count)
        return [
            {
                "id": name,
                "is": instances.said(at),
                "ds": dimensions.said(at),
                "sts": statistics[at],
                "al": raised[at],
            }
            for name, at in names.items()
        ]

    def instances(self) -> list[dict[str, Any]]:
        own = np.arange(len(self._instances))
        dimensions, statistics = self._of_dimensions(own, len(own)), _sts(self._statistics)
        return [
            {
                "id": instance.chart.id,
                "nm": instance.chart.name,
                "ni": instance.node,
                "ds": dimensions.said(at),
                "sts": statistics[at],
                "al": _alert_counts(Counter(self._alerts[at].values())),
            }
            for at, instance in enumerate(self._instances)
        ]

    def dimensions(self) -> list[dict[str, Any]]:
        series, places = self.result.series, {}
        first: dict[str, tuple[str, int]] = {}
        selected: Counter[str] = Counter()
        failed: Counter[str] = Counter()
        excluded: Counter[str] = Counter()
        for instance in self._instances:
            lost = instance.node in self.result.failed
            for dimension in instance.shown:
                first.setdefault(dimension.id, (dimension.name, instance.chart.priority))
                selected[dimension.id] += 1
                failed[dimension.id] += lost
            for dimension in instance.others:
                first.setdefault(dimension.id, (dimension.name, instance.chart.priority))
                excluded[dimension.id] += 1
        places = {id: at for at, id in enumerate(first)}
        of_series = np.asarray([places[d.id] for d in series.dimensions], np.intp)
        statistics = _sts(self.result.statistics.folded(of_series, len(first)))
        return [
            {
                "id": id,
                "nm": name,
                "ds": {
                    "sl": selected[id],
                    "ex": excluded[id],
                    "qr": selected[id] - failed[id],
                    "fl": failed[id],
                },
                "sts": statistics[at],
                "pri": priority,
            }
            for at, (id, (name, priority)) in enumerate(first.items())
        ]

    def labels(self) -> list[dict[str, Any]]:
        holders: dict[tuple[str, str], list[int]] = {}
        for instance in self._instances:
            for pair in instance.labels.items():
                holders.setdefault(pair, []).append(instance.number)
        keys: dict[str, int] = {}
        pairs = list(holders)
        of_pair = np.repeat(np.arange(len(pairs)), [len(these) for these in holders.values()])
        every = np.asarray([number for these in holders.values() for number in these], np.intp)
        of_key = np.asarray([keys.setdefault(key, len(keys)) for key, _ in pairs], np.intp)

        def counted(places: Places, count: int) -> tuple[_Counts, list[dict[str, Any]]]:
            counts = _Counts.of(places, count, self._shown[every], self._others[every], self._failed[every])
            return counts, _sts(self._statistics.at(every).folded(places, count))

        by_pair, by_key = counted(of_pair, len(pairs)), counted(of_key[of_pair], len(keys))
        values: dict[str, list[dict[str, Any]]] = {}
        for at, (key, value) in enumerate(pairs):
            one = {"id": value, "ds": by_pair[0].said(at), "sts": by_pair[1][at]}
            values.setdefault(key, []).append(one)
        return [
            {"id": key, "ds": by_key[0].said(at), "sts": by_key[1][at], "vl": values[key]} for key, at in keys.items()
        ]

    def alerts(self) -> list[dict[str, Any]]:
        found: dict[str, Counter[str]] = {}
        for alerts in self._alerts:
            for name, status in alerts.items():
                found.setdefault(name, Counter())[status] += 1
        return [{"nm": name, **_alert_counts(counts)} for name, counts in found.items()]

    def totals(self) -> dict[str, dict[str, int]]:
        result = self.result
        wanted = {i.node for i in self._instances if i.shown}
        contexts = {i.chart.context for i in self._instances if i.shown}
        labels = {pair for i in self._instances if i.shown for pair in i.labels.items()}
        all_labels = {pair for i in self._instances for pair in i.labels.items()}
        keys, all_keys = {key for key, _ in labels}, {key for key, _ in all_labels}
        missed = [sum(column) for column in zip(*result.choosing.elsewhere.values(), strict=True)] or [0, 0]
        lost = result.failed
        return {
            "nodes": _four(len(wanted), len(result.hosts), len(wanted & lost)),
            "contexts": _four(len(contexts), len(self._contexts), 0),
            "instances": _four(
                int(self._wanted.sum()), len(self._instances) + missed[0], int(self._wanted[self._failed].sum())
            ),
            "dimensions": _four(
                int(self._shown.sum()),
                int(self._shown.sum() + self._others.sum()) + missed[1],
                int(self._shown[self._failed].sum()),
            ),
            "label_keys": _four(len(keys), len(all_keys), 0),
            "label_key_values": _four(len(labels), len(all_labels), 0),
        }

    def everything(self) -> Statistics:
        """
        @return: Of all series together.
        """
        return self.result.statistics.folded(np.zeros(len(self.result.series), np.intp), 1)


def _four(selected: int, of: int, failed: int) -> dict[str, int]:
    return {"sl": selected, "ex": of - selected, "qr": selected - failed, "fl": failed}


def _alert_counts(counts: Mapping[str, int]) -> dict[str, int]:
    return {"cl": counts.get("CLEAR", 0), "wr": counts.get("WARNING", 0), "cr": counts.get("CRITICAL", 0)}


def _rows(result: Result) -> bytes:
    """
    @return: The rows as JSON: a time, and for each group its value, anomaly
        rate and notes.
    """
    raw = "raw" in result.question.options
    grouped, flip = result.grouped, "flip" in result.question.options
    parts: list[Float64s] = [grouped.values, grouped.rates * 100, grouped.notes.astype(float)]
    if raw:
        parts.append(grouped.counts.astype(float))
    points = np.stack(parts, axis=2)
    times = result.times * (1000 if "ms" in result.question.options else 1)
    if not flip:
        points, times = points[::-1], times[::-1]
    rows, groups, width = points.shape
    if not rows:
        return b"[]"
    stamps = orjson.dumps(np.ascontiguousarray(times), option=orjson.OPT_SERIALIZE_NUMPY)[1:-1].split(b",")
    text = written(np.ascontiguousarray(points).reshape(-1, width), b",", b"]\n[")
    cells = (b"[" + text).split(b"\n")[:-1]
    pieces = [b""] * (rows * (groups + 1))
    pieces[0 :: groups + 1] = [b"[" + stamp for stamp in stamps]
    for at in range(groups):
        pieces[at + 1 :: groups + 1] = cells[at::groups]
    last = pieces[groups :: groups + 1]
    pieces[groups :: groups + 1] = [piece + b"]" for piece in last]
    return b"[" + b",".join(pieces) + b"]"


def _common(texts: Iterable[str]) -> Any:
    """
    @return: The one text that all are, or all of them.
    """
    different = list(dict.fromkeys(texts))
    return different[0] if len(different) == 1 else different


def _view(result: Result) -> dict[str, Any]:
    charts = [instance.chart for instance in result.instances if instance.shown]
    contexts = list(dict.fromkeys(chart.context for chart in charts))
    values = result.grouped.values
    some = values[~np.isnan(values)]
    statistics = Statistics.of(values, result.grouped.rates)
    groups, how = result.groups, result.question.passes[-1]
    return {
        "title": charts[0].title if len(contexts) == 1 else "Chart for contexts: " + ", ".join(contexts[:20]),
        "update_every": result.plan.step,
        "after": result.plan.after + result.plan.step,
        "before": result.plan.before,
        "units": _common(group.units for group in groups),
        "chart_type": charts[0].chart_type.value if charts else "line",
        "dimensions": {
            "grouped_by": list(how.by),
            "ids": [group.id for group in groups],
            "names": [group.name for group in groups],
            "units": [group.units for group in groups],
            "priorities": [group.priority for group in groups],
            "aggregated": [group.members for group in groups],
            "sts": _columns(statistics),
        },
        "min": float(some.min()) if len(some) else None,
        "max": float(some.max()) if len(some) else None,
    }


def _db(result: Result) -> dict[str, Any]:
    groups, span = result.groups, result.span
    first, last = (span.first, span.last) if span is not None else (0, 0)
    points = int(result.statistics.count.sum())
    shown = np.flatnonzero(result.columns >= 0)
    statistics = result.statistics.at(shown).folded(result.columns[shown], len(groups))
    return {
        "tiers": 1,
        "update_every": result.update_every,
        "first_entry": first,
        "last_entry": last,
        "units": _common(dict.fromkeys(i.chart.units for i in result.series.instances)),
        "dimensions": {
            "ids": [group.id for group in groups],
            "units": [group.units for group in groups],
            "sts": _columns(statistics),
        },
        "per_tier": [
            {
                "tier": 0,
                "queries": len(result.series),
                "points": points,
                "update_every": result.update_every,
                "first_entry": first,
                "last_entry": last,
            }
        ],
    }


def writer(
    told: Told,
    hub: Hub,
    now: float,
    started: float,
    versions: Mapping[str, Any],
    rows: bytes | None = None,
) -> Callable[[], Answer]:
    """
    @param now: UTC seconds.
    @param started: When the request came.
    @param rows: As JSON, in another format; L{None} for the one that belongs here.
    @return: Makes the answer; it may do so in a thread.
    """
    result = told.result
    functions: Sequence[str] = sorted({name for host in result.hosts for _, name in host.functions})
    agents = nodes.agents(hub, now)

    def made() -> Answer:
        point = {"value": 0, "arp": 1, "pa": 2} | ({"count": 3} if "raw" in result.question.options else {})
        (everything,) = _sts(told.everything())
        body = {
            "api": nodes.API,
            "versions": versions,
            "summary": {
                "nodes": told.nodes(),
                "contexts": told.contexts(),
                "instances": told.instances(),
                "dimensions": told.dimensions(),
                "labels": told.labels(),
                "alerts": told.alerts(),
                "globals": {"sts": everything},
            },
            "totals": told.totals(),
            "functions": functions,
            "result": {
                "labels": ["time", *(group.id for group in result.groups)],
                "point": point,
                "data": orjson.Fragment(_rows(result)),
            }
            if rows is None
            else orjson.Fragment(rows),
            "db": _db(result),
            "view": _view(result),
            "agents": agents,
            "timings": {"total_ms": round((now - started) * 1000, 3)},
        }
        return Answer(encode(body, "minify" not in result.question.options) + b"\n", JSON)

    return made
