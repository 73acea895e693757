"""
The API says what the API of a real agent says: the same keys, the same types,
and over the same samples the same numbers.
"""

from __future__ import annotations

import json
import urllib.error
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from attrs import evolve

from netstream.model.chart import Algorithm, Chart, ChartType, Dimension
from netstream.model.host import Label
from netstream.model.updates import LabelsReplaced
from tests.interop.case import InteropTestCase
from tests.interop.peers import RealAgent, wait_for
from tests.web.stage import NOW, Stage

CHARTS = ("system.cpu", "system.load", "system.processes", "system.io")
SECONDS = 15
"""How long the agent collects before it is asked."""

MORE_IN_INFO = {
    # the agent has them only if its system-info.sh finds something
    *("container_os_name", "container_os_id", "container_os_id_like", "container_os_version"),
    *("container_os_version_id", "container_os_detection", "is_k8s_node"),
    *("cloud_provider_type", "cloud_instance_type", "cloud_instance_region"),
}
KNOWN_HERE = {
    # null until the agent has counted them for its statistics, numbers at once in ours
    *(".hosts-available", ".charts-count", ".metrics-count"),
}
OPEN_KEYS = {
    # keyed by names of this one node, not by the format
    *("host_labels", "charts", "chart_labels", "chart_variables", "functions", "contexts", "dimensions"),
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
)


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


class DifferentialTests(InteropTestCase):
    """
    One agent runs for a few seconds; then its charts and samples are put into
    a node in memory, and both are asked the same.
    """

    maxDiff = None

    def setUp(self) -> None:
        super().setUp()
        self.theirs = self.agent("origin", proc=True)
        self.samples = wait_for("the agent has collected", lambda: self._collected(self.theirs), timeout=40.0)
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
        self.first = min(row[0] for row in self.samples["system.cpu"]["data"])
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
        self._compare_shapes("context", context="system.cpu")
        self._compare_shapes("alarms", all="true")
        self._compare_shapes("alarms_values")
        self._compare_shapes("alarm_log")
        self._compare_shapes("alarm_count")
        for chart in CHARTS:
            self._compare_shapes("chart", chart=chart)
            self._compare_shapes("data", chart=chart, after="-20", options="jsonwrap")
        self._compare_metrics()
        self._compare_data()
        self._compare_refusals()

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
        window = {"after": str(self.first + 3), "before": str(self.last - 2)}
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
