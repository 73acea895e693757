"""
The weights of series are those of a real agent that has the same history.
"""

from __future__ import annotations

import json
import time
import urllib.error
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import numpy as np

from netstream.model.chart import Chart, Dimension
from netstream.model.samples import Float64s
from tests.interop.case import InteropTestCase
from tests.interop.peers import KEY
from tests.interop.teller import tell
from tests.interop.test_api_differential import shape
from tests.web.stage import NOW, Stage

STORED = 2000
"""Seconds of history."""
CHANGED = 300
"""Of these, those at the end in which some series are otherwise."""
WINDOWS = (299, 100, 30, 14)
SURE = 0.002
"""How far certainties may be apart: in one the law for small samples is
exact, in the other a correction of the limit."""


def histories() -> dict[str, dict[str, Float64s]]:
    """
    @return: Whole values by chart and dimension: series that stay as they
        are, and others that change in many ways.
    """
    rng = np.random.default_rng(7)
    seconds = np.arange(STORED)
    late = seconds >= STORED - CHANGED
    found: dict[str, dict[str, Any]] = {
        "t.one": {
            "steady": rng.integers(0, 10, STORED),
            "jump": rng.integers(0, 10, STORED) + late * 50,
            "gone": np.where(late, np.nan, 5),
        },
        "t.two": {
            "constant": np.full(STORED, 7),
            "zero": np.zeros(STORED),
            "slope": seconds,
            "below": -np.round(np.where(late, 90, 30) + rng.normal(0, 1, STORED)),
            "above": np.zeros(STORED),
            "half": np.where(rng.random(STORED) < 0.5, np.nan, rng.integers(0, 5, STORED) + late),
        },
    }
    found["t.two"]["above"] = -found["t.two"]["below"]
    for number in range(5):
        size = 10.0 ** (number % 3 + 1)
        found[f"u.{number}"] = {
            "same": rng.normal(9, 1, STORED) * size,
            "wider": rng.normal(9, 1, STORED) * size * np.where(late, 1 + rng.random(), 1),
            "higher": (rng.normal(9, 1, STORED) + late * rng.random() * 5) * size,
            "rare": np.where(rng.random(STORED) < 0.9, 0, rng.normal(9, 1, STORED) * size),
            "bursts": np.abs(rng.normal(0, 1, STORED)) * size + np.where(late, rng.random() * size * 3, 0),
        }
    return {id: {name: np.round(v.astype(float)) for name, v in chart.items()} for id, chart in found.items()}


def by_name(answer: Any) -> dict[str, float]:
    """
    @return: The weight of each chart and dimension.
    """
    return {
        f"{id}.{name}": weight
        for id, chart in answer["correlated_charts"].items()
        for name, weight in chart["dimensions"].items()
    }


class WeightsTests(InteropTestCase):
    """
    An agent and we are given the same history, and asked what changed.
    """

    def setUp(self) -> None:
        super().setUp()
        self.agent_ = self.agent("keeper", accepts=[KEY], mode="dbengine")
        now = int(time.time())
        self.last = now - 20
        first = self.last - STORED + 1
        self.ours = Stage()
        self.ours.clock.advance(now - NOW)
        charts = []
        for id, values in histories().items():
            dimensions = {name: Dimension(name, name=name.title()) for name in values}
            chart = Chart(id, context=f"{id[0]}.c", dimensions=dimensions)
            rows = np.column_stack([*values.values()])
            charts.append((chart, rows))
            self.ours.fill(chart, dict(zip(range(first, self.last + 1), rows.tolist(), strict=True)))
        self.addCleanup(tell(self.agent_, "teller", first, now, charts).close)

    def _both(self, path: str, asked: Mapping[str, object]) -> tuple[tuple[int, Any], tuple[int, Any]]:
        query = f"/api/v1/{path}?{urlencode(asked)}"
        try:
            theirs = 200, json.loads(self.agent_.fetch(f"/host/teller{query}"))
        except urllib.error.HTTPError as refused:
            theirs = refused.code, json.loads(refused.read())
        ours = self.ours.get(query)
        return theirs, (ours.status, ours.json())

    def _weights(self, **asked: object) -> tuple[dict[str, float], dict[str, float]]:
        (status, theirs), (_, ours) = self._both("metric_correlations", {"options": "raw", **asked})
        self.assertEqual(status, 200)
        for name in set(theirs) - {"statistics", "correlated_charts", "correlated_dimensions"}:
            self.assertEqual(ours[name], theirs[name], f"{name} of {asked}")
        return by_name(theirs), by_name(ours)

    def test_weights(self) -> None:
        """
        The same series are weighed, the same windows are compared, each series
        weighs the same, and places are the same.
        """
        for length in WINDOWS:
            window = {"after": self.last - length, "before": self.last}
            theirs, ours = self._weights(method="volume", **window)
            self.assertEqual(set(ours), set(theirs))
            for name in set(theirs) - {"t.two.Below"}:
                self.assertLess(abs(ours[name] - theirs[name]), 1e-5 * max(1, theirs[name]), name)
            theirs, ours = self._weights(method="ks2", **window)
            self.assertEqual(set(ours), set(theirs))
            apart = sorted(abs(ours[name] - theirs[name]) for name in theirs)
            # of movements that are often the same the agent misses one now and then
            self.assertLess(apart[len(apart) * 4 // 5], SURE, f"ks2 of {length}")
            self.assertLess(apart[-1], 0.2)
            for method in ("ks2", "volume"):
                theirs, ours = self._weights(method=method, options="nonzero", **window)
                self.assertLessEqual(set(ours) ^ set(theirs), {"t.two.Below"})
                same = set(ours) & set(theirs)
                apart = [abs(ours[name] - theirs[name]) for name in same]
                # what weighs nearly the same may lie the other way round
                self.assertLess(sum(apart) / len(apart), 0.05, f"{method} of {length}")

    def test_below_zero(self) -> None:
        """
        A series below zero weighs as much as the same above it does.  To the
        agent one that falls further weighs nothing.
        """
        theirs, ours = self._weights(method="volume", after=self.last - 299, before=self.last)
        self.assertAlmostEqual(ours["t.two.Above"], theirs["t.two.Above"], 5)
        self.assertEqual(ours["t.two.Below"], ours["t.two.Above"])
        self.assertEqual(theirs["t.two.Below"], 0)

    def test_windows(self) -> None:
        """
        Windows and baselines are those of the agent, however they are given,
        and so are points and options; and what makes none is refused alike.
        """
        last = self.last
        window = {"after": last - 100, "before": last}
        for asked in (
            *({"after": last - length, "before": last} for length in (9, 15, 30, 59, 60, 99, 149, 150, 151, 300, 599)),
            *({**window, "baseline_after": -n} for n in (10, 100, 150, 200, 250, 300, 450, 600, 900, 1500)),
            {**window, "baseline_after": last - 500, "baseline_before": last - 200},
            {**window, "baseline_after": last - 450, "baseline_before": last - 150},
            {**window, "baseline_after": -300, "baseline_before": -50},
            {**window, "baseline_after": -300, "baseline_before": last - 200},
            {"after": -100, "before": last},
            {"after": last, "before": last - 100},
            {"after": last, "before": last},
            *({**window, "points": points} for points in (0, 1, 14, 15, 50, 100, 250, 1000, 2500, 100_000)),
            *({**window, "options": words} for words in ("raw", "abs", "nonzero", "flip,jsonwrap", "ms|seconds")),
            {**window, "group": "max"},
            {**window, "context": "t.c"},
            {**window, "contexts": "t.*,u.c"},
            {**window, "context": "none"},
        ):
            for path in ("weights", "metric_correlations"):
                for method in ("ks2", "volume"):
                    theirs, ours = self._both(path, {"method": method, **asked})
                    for status, answer in (theirs, ours):
                        if status == 200:
                            del answer["statistics"]
                            for name in ("correlated_charts", "contexts"):
                                answer.pop(name, None)
                            for name in ("correlated_dimensions", "weighted_dimensions"):
                                answer.pop(name, None)
                    self.assertEqual(ours, theirs, f"{path} {method} {asked}")

    def test_shapes(self) -> None:
        """
        Answers have the members of the agent's, with their types.
        """
        for path in ("weights", "metric_correlations"):
            for method in ({}, {"method": "ks2"}, {"method": "volume"}, {"method": "anomaly-rate"}):
                asked = {"after": self.last - 299, "before": self.last, "options": "raw", **method}
                (_, theirs), (status, ours) = self._both(path, asked)
                self.assertEqual(status, 200)
                if ours["method"] == "anomaly-rate":  # the agent takes all that is replicated for anomalous
                    self.assertEqual(
                        len(ours.get("contexts", ours.get("correlated_charts"))),
                        len(theirs.get("contexts", theirs.get("correlated_charts"))),
                    )
                del theirs["statistics"]["db_points_per_tier"][1:]
                self.assertEqual(shape(theirs), shape(ours), f"{path} {method}")
