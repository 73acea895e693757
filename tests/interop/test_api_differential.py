"""
The API says what the API of a real agent says: the same keys, the same types,
and over the same samples the same numbers.
"""

from __future__ import annotations

import json
import math
import time
import urllib.error
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import numpy as np
from attrs import evolve

from netstream.db.interfaces import Span, Window
from netstream.db.planning import answer
from netstream.model.chart import Algorithm, Chart, ChartType, Dimension
from netstream.model.host import Label
from netstream.model.updates import LabelsReplaced
from tests.db.history import History, gaps
from tests.interop.case import InteropTestCase
from tests.interop.peers import KEY, RealAgent, wait_for
from tests.interop.teller import tell
from tests.web.stage import NOW, Stage
from tests.web.test_badges import Seen

CHARTS = ("system.cpu", "system.load", "system.processes", "system.io")
SECONDS = 20
"""How long the agent collects before it is asked."""

MORE_IN_INFO = {
    # the agent has them only if its system-info.sh finds something
    *("container_os_name", "container_os_id", "container_os_id_like", "container_os_version"),
    *("container_os_version_id", "container_os_detection", "is_k8s_node"),
    *("cloud_provider_type", "cloud_instance_type", "cloud_instance_region"),
    # only if it was built with the cloud's connection and machine learning, as Debian's is not
    *("aclk-implementation", "ml-info"),
}
KNOWN_HERE = {
    # null until the agent has counted them for its statistics, numbers at once in ours
    *(".hosts-available", ".charts-count", ".metrics-count"),
}
OPEN_KEYS = {
    # keyed by names of this one node, not by the format
    *("host_labels", "charts", "labels", "chart_labels", "chart_variables", "functions", "contexts", "dimensions"),
}

QUESTIONS: tuple[Mapping[str, str], ...] = (
    {},
    {"points": "3"},
    {"points": "3", "group": "max"},
    {"points": "3", "group": "min"},
    {"points": "3", "group": "sum"},
    {"points": "3", "options": "unaligned"},
    {"points": "4", "options": "flip"},
    {"options": "ms"},
    {"options": "abs,seconds"},
    {"options": "objectrows"},
    {"options": "nonzero"},
    {"options": "percentage"},
    {"options": "null2zero"},
    {"format": "array"},
    {"format": "array", "options": "abs"},
    {"format": "array", "options": "min2max"},
)
"""Asked of each chart over the same fixed window."""

TEXTS: tuple[Mapping[str, str], ...] = (
    {"format": "csv"},
    {"format": "csv", "options": "seconds"},
    {"format": "tsv"},
    {"format": "ssv"},
    {"format": "ssvcomma"},
    {"format": "markdown"},
    {"format": "html"},
    {"format": "html", "options": "seconds,flip"},
)

BADGES: tuple[Mapping[str, str], ...] = (
    {},
    {"dimension": "user"},
    {"dimensions": "user,system"},
    {"dimensions": "user|system", "options": "percentage"},
    {"dimension": "none"},
    {"chart": "none"},
    {"chart": "system.processes"},
    {"chart": "system.io", "options": "abs"},
    {"chart": "system.io", "options": "min2max", "units": "x<y"},
    *(
        {"chart": "system.io", "dimension": "out", "options": o, "value_color": "red<0|blue"}
        for o in ("display-absolute", "abs")
    ),
    {"alarm": "none"},
    {"label": "a <b>c</b>", "units": "empty"},
    {"points": "4", "options": "flip"},
    {"group": "max", "precision": "3"},
    {"group": "min", "multiply": "2", "divide": "3"},
    {"multiply": "-1", "units": "days"},
    *({"units": units, "multiply": "100"} for units in ("seconds", "minutes", "hours", "seconds ago", "minutes ago")),
    *({"units": units} for units in ("on/off", "up/down", "ok/error", "ok/failed", "percent", "pcent", "null", " z")),
    *(
        {"value_color": color}
        for color in (
            *("red", "f0f", "nothing", "RED", "red<1|blue>=1", "red:null|yellow>0", "nothing>0|red", "red|blue>0"),
            *("red>1000000|blue<0", "red(1000000|blue", "red)1000000|blue", "red}0|blue", "red{0|green", "red!5|blue"),
            *("red:0|green!0", "red=0|green", "red:null", "red>1000000"),
        )
    ),
    {"value_color": "red:null|yellow", "dimension": "none"},
    {"value_color": "yellow", "dimension": "none"},
    {"value_color": "yellow>5", "dimension": "none"},
    {"label_color": "red", "text_color_lbl": "000", "text_color_val": "yellow"},
    {"scale": "200"},
    {"scale": "50"},
    {"fixed_width_lbl": "50", "fixed_width_val": "80"},
)
"""Asked over the same fixed window, of C{system.cpu} unless another chart is named."""


def kind(value: object) -> str:
    """
    @return: What JSON calls it.
    """
    if isinstance(value, bool):
        return "boolean"
    names = {dict: "object", list: "array", str: "text", int: "number", float: "number", type(None): "null"}
    return names[type(value)]


def shape(value: Any, path: str = "") -> dict[str, str]:
    """
    @return: Type by path of all that JSON holds; of a list its first element
        stands for all.
    """
    found = {path: kind(value)}
    if isinstance(value, dict):
        is_open = path.rpartition(".")[2] in OPEN_KEYS
        for name, inner in list(value.items())[: 1 if is_open else None]:
            found.update(shape(inner, path + (".*" if is_open else f".{name}")))
    elif isinstance(value, list) and value:
        found.update(shape(value[0], path + "[]"))
    return found


def close(one: Any, other: Any) -> bool:
    """
    @return: Whether values are the same but for the precision in which an
        agent stores and prints.
    """
    if isinstance(one, dict) and isinstance(other, dict):
        return list(one) == list(other) and all(close(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(close, one, other))
    if kind(one) == kind(other) == "number":
        return bool(abs(one - other) <= 1e-5 * max(1, abs(one)))
    return bool(one == other)


def agents_median(values: list[float], percent: float) -> float:
    """
    @return: What an agent takes for the median of values: of an even number
        not the mean of the two in the middle but of the next two, and if the
        edges are all there is, the lowest of the upper edge.
    """
    lowest, highest = min(values), max(values)
    cut = (highest - lowest) * percent / 100
    kept = sorted(v for v in values if lowest + cut <= v <= highest - cut)
    if not kept:
        return min(v for v in values if v >= lowest + cut)
    middle = len(kept) // 2
    return kept[middle] if len(kept) % 2 else sum(kept[middle : middle + 2] if middle > 1 else kept) / 2


def alike(one: float | None, other: float | None) -> bool:
    """
    @return: Whether two numbers are the same in the precision of an agent.
    """
    if one is None or other is None:
        return one is other
    return math.isclose(one, other, rel_tol=5e-6, abs_tol=1e-6)


class DifferentialTests(InteropTestCase):
    """
    One agent runs for a few seconds; then its charts and samples are put into
    a node in memory, and both are asked the same.
    """

    maxDiff = None

    def setUp(self) -> None:
        super().setUp()
        self.theirs = self.agent("origin", proc=True)
        self.samples = wait_for("the agent has collected", lambda: self._collected(self.theirs))
        self.ours = self._stage()

    def _collected(self, agent: RealAgent) -> dict[str, Any] | None:
        charts = agent.charts()
        if any(chart not in charts for chart in CHARTS) or charts["system.cpu"]["duration"] < SECONDS:
            return None
        first = min(charts[chart]["first_entry"] for chart in CHARTS)
        last = charts["system.cpu"]["last_entry"]
        return {chart: agent.get("data", chart=chart, after=first, before=last, dimensions="*") for chart in CHARTS}

    def _stage(self) -> Stage:
        described = self.theirs.charts()
        stage = Stage()
        last = max(row[0] for row in self.samples["system.cpu"]["data"])
        stage.clock.advance(last + 1 - NOW)
        self.last = last
        stage.local.info = evolve(stage.local.info, hostname=self.theirs.name, timezone="Etc/UTC")
        stage.local.apply(LabelsReplaced({"_os": Label("linux")}))
        for id in CHARTS:
            theirs, data = described[id], self.samples[id]
            shown = theirs["dimensions"]
            chart = Chart(
                id,
                name=theirs["name"],
                title=theirs["title"].removesuffix(f" ({theirs['name']})"),
                units=theirs["units"],
                family=theirs["family"],
                context=theirs["context"],
                chart_type=ChartType.parse(theirs["chart_type"]),
                priority=theirs["priority"],
                update_every=theirs["update_every"],
                plugin=theirs["plugin"],
                module=theirs["module"],
                dimensions={
                    name: Dimension(name, algorithm=Algorithm.ABSOLUTE, hidden=name not in shown)
                    for name in data["labels"][1:]
                },
            )
            rows = {row[0]: row[1:] for row in data["data"] if None not in row}
            stage.fill(chart, dict(sorted(rows.items())))
        return stage

    def _ask(self, path: str, **parameters: str) -> tuple[bytes, bytes]:
        query = f"/api/v1/{path}" + ("?" + urlencode(parameters) if parameters else "")
        ours = self.ours.get(query)
        self.assertEqual(ours.status, 200, f"{query}: {ours.text}")
        return self.theirs.fetch(query), ours.body

    def _shapes(self, path: str, **parameters: str) -> tuple[dict[str, str], dict[str, str]]:
        theirs, ours = self._ask(path, **parameters)
        return shape(json.loads(theirs)), shape(json.loads(ours))

    def _compare_shapes(self, path: str, **parameters: str) -> None:
        theirs, ours = self._shapes(path, **parameters)
        for name, value in theirs.items():
            if name in KNOWN_HERE and value == "null":
                theirs[name] = ours.get(name, "missing")
        for found in (theirs, ours):
            for name in MORE_IN_INFO:
                found.pop(f".{name}", None)
        self.assertEqual(theirs, ours, path)

    def _status(self, path: str) -> tuple[int, str]:
        try:
            return 200, self.theirs.fetch(path).decode()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read().decode()

    def test_answers(self) -> None:
        """
        A program written for an agent finds every key that it reads, with the
        type it expects, and gets the same numbers and the same refusals.
        """
        self._compare_shapes("info")
        self._compare_shapes("charts")
        self._compare_shapes("contexts")
        for asked in (
            {},
            {"options": "charts"},
            {"options": "labels"},
            {"options": "dimensions,labels"},
            {"dimensions": "user,system"},
            {"chart_label_key": "_collect_plugin"},
            {"chart_labels_filter": "_collect_plugin:proc.plugin", "options": "labels"},
        ):
            self._compare_shapes("context", context="system.cpu", **asked)
            self._compare_shapes("contexts", **asked)
        self._compare_shapes("alarms", all="true")
        self._compare_shapes("alarms_values")
        self._compare_shapes("alarm_log")
        self._compare_shapes("alarm_count")
        for chart in CHARTS:
            self._compare_shapes("chart", chart=chart)
            self._compare_shapes("data", chart=chart, after="-20", options="jsonwrap")
            asked = {"context": chart, "chart_label_key": "_collect_plugin", "options": "jsonwrap"}
            self._compare_shapes("data", after="-20", **asked)
            self._compare_wrapping(after=str(self.last - 18), before=str(self.last - 6), **asked)
        self._compare_metrics()
        self._compare_data()
        self._compare_refusals()
        self._compare_badges()

    def _compare_wrapping(self, **asked: str) -> None:
        for points in ("0", "3"):
            if points == "3" and asked["context"] == "system.load":
                continue  # see below
            theirs, ours = (json.loads(body) for body in self._ask("data", points=points, **asked))
            for name in ("id", "options", "functions", "chart_ids", "chart_labels", "dimension_ids"):
                self.assertEqual(theirs[name], ours[name], name)

    def _compare_metrics(self) -> None:
        theirs, ours = (json.loads(body) for body in self._ask("allmetrics", format="json"))
        for chart in CHARTS:
            self.assertEqual(shape(theirs[chart]), shape(ours[chart]))
        for source in ("average", "sum", "as-collected"):
            asked = {"format": "prometheus", "source": source, "filter": "system.cpu", "timestamps": "no"}
            lines = [body.decode().splitlines() for body in self._ask("allmetrics", **asked)]
            series = [{line.rpartition(" ")[0] for line in found if "cpu" in line} for found in lines]
            if source != "as-collected":  # there the algorithm, which the API does not tell, makes the name
                self.assertEqual(*series)
        shells = [body.decode().splitlines() for body in self._ask("allmetrics", format="shell")]
        names = [
            {line.partition("=")[0] for line in found if line.startswith("NETDATA_SYSTEM_CPU_U")} for found in shells
        ]
        self.assertEqual(*names)

    def _compare_data(self) -> None:
        # The agent goes on collecting. A window that is widened to whole points must still end before ours do.
        window = {"after": str(self.last - 18), "before": str(self.last - 6)}
        for chart in CHARTS:
            for question in QUESTIONS:
                if "points" in question and chart == "system.load":
                    continue  # the agent's rows of a slow chart leave its grid in so short a window
                asked = {"chart": chart, **window, **question}
                theirs, ours = (json.loads(body) for body in self._ask("data", **asked))
                self.assertTrue(close(theirs, ours), f"{asked}: {theirs} is not {ours}")
        for question in TEXTS:
            theirs_text, ours_text = self._ask("data", chart="system.processes", **window, **question)
            self.assertEqual(theirs_text, ours_text, str(question))

    def _compare_refusals(self) -> None:
        for path in (
            "/api/v1/nothing",
            "/api/v9/info",
            "/api/v1/chart",
            "/api/v1/chart?chart=none",
            "/api/v1/data",
            "/api/v1/data?chart=none",
            "/api/v1/data?chart=system.cpu&dimensions=none",
            "/api/v1/data?chart=system.cpu&after=1000&before=2000",
            "/api/v1/allmetrics?format=none",
            "/host/nobody/api/v1/info",
        ):
            ours = self.ours.get(path)
            theirs = self._status(path)
            self.assertEqual((theirs[0], theirs[1].strip()), (ours.status, ours.text.strip()), path)
        for window in (
            "after=-2592000&points=360",
            "after=-86400&points=2",
            "after=-864000&before=-3600&points=2",
            "after=-7200&before=-3600",
        ):
            path = f"/api/v1/data?chart=system.cpu&{window}"
            self.assertEqual(self._status(path)[0], self.ours.get(path).status, path)

    def _compare_badges(self) -> None:
        # Aligned, it ends up to its length later, which must still be before ours do.
        window = {"chart": "system.cpu", "after": str(self.last - 16), "before": str(self.last - 10)}
        for question in BADGES:
            asked = {**window, **question}
            theirs, ours = map(Seen, self._ask("badge.svg", **asked))
            self.assertEqual(theirs.said, ours.said, str(asked))
            if "fixed_width_lbl" in asked:
                self.assertEqual(theirs.widths, ours.widths)


METHODS = (
    *("average", "avg", "mean", "min", "max", "sum", "median", "stddev", "cv", "rsd", "incremental-sum"),
    *("incremental_sum", "ses", "ema", "ewma", "des"),
    *("countif", "countif|>99.5", "countif|<=-5", "countif|!=0", "countif|<>7", "countif|:3", "countif|>=99.5"),
    *("percentile", "percentile|60", *(f"percentile{n}" for n in (25, 50, 75, 80, 90, 95, 97, 98, 99))),
    *("trimmed-mean", "trimmed-mean|12.5", *(f"trimmed-mean{n}" for n in (1, 2, 3, 5, 10, 15, 20, 25))),
    *("trimmed-median", "trimmed-median|12.5", *(f"trimmed-median{n}" for n in (1, 2, 3, 5, 10, 15, 20, 25))),
)
"""Methods that agent 1.37.1 knows, some with an argument."""

STORED = 10_000
"""Seconds of history."""


class HistoryTests(InteropTestCase):
    """
    An agent and we are given the same history of some hours, and asked the
    same.
    """

    def setUp(self) -> None:
        super().setUp()
        self.agent_ = self.agent("keeper", accepts=[KEY], mode="dbengine", tiers=3)
        now = int(time.time())
        self.last = now - now % 3600 - 20
        self.first = self.last - STORED + 1
        rng = np.random.default_rng(7)
        seconds = np.arange(STORED)
        values = np.column_stack(
            [
                np.round(500 + 400 * np.sin(seconds / 300) + rng.normal(0, 20, STORED)),
                rng.integers(-9, 10, STORED),
                np.cumsum(rng.integers(0, 9, STORED)),
                np.select([seconds % 1000 < 200, seconds % 1000 < 400], [0.0, -5.0], rng.integers(-9973, 1, STORED)),
            ]
        ).astype(float)
        values[rng.random(values.shape) < 0.02] = np.nan
        values[3000:3333] = np.nan
        values[5000:7500, 1] = np.nan
        self.values = values
        self.chart = Chart(
            "t.history",
            context="t.c",
            dimensions={name: Dimension(name) for name in ("wave", "noise", "growing", "falling")},
        )
        self.addCleanup(tell(self.agent_, "teller", self.first, now, [(self.chart, values)]).close)
        self.ours = Stage()
        self.ours.clock.advance(now - NOW)
        self.ours.fill(self.chart, dict(zip(range(self.first, self.last + 1), values.tolist(), strict=True)))

    def _theirs(self, **asked: object) -> Any:
        return self.agent_.get("data", "teller", chart=self.chart.id, **asked)

    def _ours(self, **asked: object) -> Any:
        found = self.ours.get("/api/v1/data?" + urlencode({"chart": self.chart.id, **asked}))
        self.assertEqual(found.status, 200, found.text)
        return found.json()

    def test_methods(self) -> None:
        """
        Every method gives the numbers of the agent: aligned or not, with as
        many rows as seconds and with far fewer, across gaps.
        """
        windows = (
            {"after": self.last - 599, "before": self.last, "points": 10},
            {"after": self.last - 599, "before": self.last, "points": 10, "options": "unaligned"},
            {"after": self.last - 77, "before": self.last - 3, "points": 20},
            {"after": self.last - 30, "before": self.last},
            {"after": self.first + 2900, "before": self.first + 3499, "points": 60},
            {"after": self.first + 2911, "before": self.first + 8110, "points": 13, "options": "unaligned"},
        )
        wrong = []
        compared = 0
        for asked in windows:
            for method in METHODS:
                group, _, argument = method.partition("|")
                question = asked | {"group": group} | ({"group_options": argument} if argument else {})
                tier = {"tier": 0, "options": ",".join(["selected-tier", str(asked.get("options", ""))])}
                theirs, ours = self._theirs(**question | tier), self._ours(**question)
                self.assertEqual([row[0] for row in theirs["data"]], [row[0] for row in ours["data"]], str(question))
                step = theirs["data"][0][0] - theirs["data"][1][0]
                for one, other in zip(theirs["data"], ours["data"], strict=True):
                    for number, (his, mine) in enumerate(zip(one[1:], other[1:], strict=True)):
                        compared += 1
                        seen = self._values(number, one[0] - step, one[0])
                        if not self._as_agents(group, argument, his, mine, seen):
                            wrong.append(f"{question} {number} at {one[0]}: {his} is the agent's, {mine} ours, {seen}")
        self.assertEqual(len(wrong), 0, f"of {compared}\n" + "\n".join(wrong[:40]))
        self.assertGreater(compared, 20_000)

    def _values(self, number: int, after: int, before: int) -> list[float]:
        values = self.values[max(0, after + 1 - self.first) : before + 1 - self.first, number]
        found: list[float] = values[~np.isnan(values)].tolist()
        return found

    def _as_agents(
        self, group: str, argument: str, his: float | None, mine: float | None, seen: Sequence[float]
    ) -> bool:
        """
        @param seen: The samples of the row.
        @return: Whether our number is the one of the agent, or it differs as
            it shall.
        """
        if group in ("ses", "ema", "ewma", "des") and not seen:
            return mine is None  # the agent goes on with the last level
        if "median" in group and seen:
            trimmed = 0 if group == "median" else float(argument or group.removeprefix("trimmed-median") or 5)
            return alike(his, agents_median(list(seen), trimmed)) and (alike(his, mine) or len(seen) > 1)
        return alike(his, mine)

    def test_another_time(self) -> None:
        """
        Averages for another time than a second are those of the agent, and
        what is no average stays as it is.
        """
        compared = 0
        for unit in (2, 7, 10, 60, 90):
            for window in (
                {"after": self.last - 599, "before": self.last, "points": 10},
                {"after": self.last - 599, "before": self.last, "points": 10, "options": "unaligned"},
                {"after": self.first + 2900, "before": self.first + 3499, "points": 60},
            ):
                for method in ("average", "sum", "max", "incremental-sum"):
                    question = {**window, "gtime": unit, "group": method}
                    tier = {"tier": 0, "options": ",".join(["selected-tier", str(window.get("options", ""))])}
                    theirs = {row[0]: row[1:] for row in self._theirs(**question | tier)["data"]}
                    ours = self._ours(**question)["data"]
                    self.assertGreater(len(ours), 1)
                    self.assertLessEqual({row[0] for row in ours}, set(theirs), str(question))
                    for second, *mine in ours:
                        for one, other in zip(theirs[second], mine, strict=True):
                            compared += 1
                            self.assertTrue(alike(one, other), f"{question} at {second}: {theirs[second]} {mine}")
        self.assertGreater(compared, 1000)

    def test_selected_tier(self) -> None:
        """
        Where a tier is asked for, rows are those of the agent, and both say
        that one was; a tier that is not kept changes nothing.
        """
        self.patch(type(self.ours.local.db), "tiers", (1, 60, 3600))
        before = self.last // 3600 * 3600
        for after, points in ((before - 3659, 0), (before - 3659, 10), (before - 1000, 0), (before - 5000, 7)):
            window = {"after": after, "before": before, "points": points, "options": "flip,jsonwrap"}
            for tier in (0, 1):
                asked = {**window, "tier": tier}
                theirs, ours = self._theirs(**asked), self._ours(**asked)
                times = [[row[0] for row in answer["result"]["data"]] for answer in (theirs, ours)]
                self.assertEqual(*times, str(asked))
                self.assertEqual(theirs["view_update_every"], ours["view_update_every"], str(asked))
                for told in (theirs, ours):
                    self.assertIn("selected-tier", told["options"].split(","))
            self.assertEqual(self._ours(**window, tier=3)["result"], self._ours(**window)["result"])

    def test_tiers(self) -> None:
        """
        What an agent says of minutes and hours, when its samples are not
        looked at, is what we say when we have none.  But the agent's minutes
        and hours begin and end a second later; and of several it makes the
        mean of their means, whatever they hold, and adds what is before to the
        first row of an answer, which is not compared.
        """
        flags = gaps(self.values)
        times = np.arange(self.first, self.last + 1, dtype=np.int64) - 1
        spans = [(n, Span((self.first - 1) // s * s + 1, self.last // s * s)) for n, s in enumerate((1, 60, 3600))]
        before = self.last // 3600 * 3600
        wrong = []
        compared = 0
        for tier, step, after in ((1, 60, before - 3660), (2, 3600, before - 7200)):
            ours = History(times, self.values, flags, [span if number == tier else None for number, span in spans])
            for group in ("average", "min", "max", "sum"):
                asked = {"after": after + 1, "before": before, "points": (before - after) // step, "group": group}
                theirs = self._theirs(**asked, tier=tier, options="selected-tier,flip")["data"]
                found = answer(ours, Window(after, before, step), group)
                self.assertEqual([row[0] for row in theirs], found.times.tolist())
                for (second, *his), mine in list(zip(theirs, found.values.tolist(), strict=True))[1:]:
                    # of values below zero it takes the least for what is nearest to it
                    columns = (0, 2) if group in ("min", "max") else range(4)
                    compared += len(columns)
                    wrong += [
                        f"tier {tier} {group} of {step} at {second}: {his} is the agent's, {mine} ours"
                        for column in columns
                        if not alike(his[column], None if math.isnan(mine[column]) else mine[column])
                    ]
        self.assertEqual(len(wrong), 0, f"of {compared}\n" + "\n".join(wrong[:40]))
        self.assertGreater(compared, 700)
