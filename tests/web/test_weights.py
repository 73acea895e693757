"""
Which series changed, over HTTP: methods, windows, limits and shapes.
"""

from __future__ import annotations

from typing import Any
from unittest import mock

import numpy as np
from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from netstream.model.chart import Chart, Dimension
from netstream.web import changes, weights
from tests.web.stage import CPU, LOAD, NOW, Stage

NAN = float("nan")
WINDOW = f"after={NOW - 60}&before={NOW - 1}"


class ChangesTests(SynchronousTestCase):
    """
    The numbers, against cases that can be told without them.
    """

    def test_ks2(self) -> None:
        """
        What moves as before has no weight, what moves otherwise has all of it;
        how far it moved from where it was does not count.
        """
        rng = np.random.default_rng(3)
        before, after = rng.normal(0, 1, (400, 4)), rng.normal(0, 1, (100, 4))
        before[:, 0] = after[:, 0] = 5
        after[:, 1] *= 5
        after[:, 2] += 100
        after[:, 3] = 0
        found = changes.ks2(before, after)
        self.assertEqual(found[0], 0)
        self.assertGreater(found[1], 0.999999)
        self.assertLess(found[2], 0.9)
        self.assertTrue(np.isnan(found[3]))
        self.assertTrue(np.isnan(changes.ks2(np.full((400, 1), NAN), after[:, :1])).all())

    def test_slope(self) -> None:
        """
        What grows by the same each second moves as before, though floating
        point says otherwise.
        """
        line = np.arange(1000)[:, None] * 0.1
        self.assertEqual(changes.ks2(line[:800], line[800:]).tolist(), [0])

    def test_certainty(self) -> None:
        """
        It is that of the published tables: a sample of so many is at most so
        far from its distribution in 95 and 99 of 100 cases.
        """
        for count, critical in ((15, 0.33760), (20, 0.29408), (40, 0.21012), (100, 0.13403)):
            (found,) = changes._certainty(np.asarray([critical]), count)
            self.assertLess(abs(found - 0.95), 0.001)
        for count, critical in ((15, 0.40420), (20, 0.35241), (40, 0.25205)):
            (found,) = changes._certainty(np.asarray([critical]), count)
            self.assertLess(abs(found - 0.99), 0.001)

    def test_volume(self) -> None:
        """
        The part by which an average differs, times how much of the window is
        beside the old one; the share alone where there was nothing before.
        """
        window = np.asarray([[8.0, 8, -8, 3, 1, 4], [0, 12, -12, 3, 0, NAN]])
        before, after = np.asarray([4.0, 5, -5, 3, 0, NAN]), np.asarray([4.0, 10, -10, 3, 0.5, 4])
        found = changes.volume(before, after, window)
        np.testing.assert_array_equal(found, [NAN, 1, 1, NAN, 0.5, 1])

    def test_evenly(self) -> None:
        """
        The greatest is 0, the others follow at the same distance, equal ones
        at the same place.
        """
        found = changes.evenly(np.asarray([1.0, 7, NAN, 7, 100, 0]))
        np.testing.assert_array_equal(found, [0.5, 0.25, NAN, 0.25, 0, 0.75])


class WeightsTests(SynchronousTestCase):
    """
    Tests for C{weights} and C{metric_correlations}.
    """

    def setUp(self) -> None:
        self.stage = Stage()
        rng = np.random.default_rng(5)
        seconds = range(NOW - 1100, NOW)
        late = NOW - 60
        self.stage.fill(
            CPU, {s: [rng.integers(1, 9) * (9.0 if s >= late else 1.0), 5.0] for s in seconds}, anomalous={NOW - 1}
        )
        self.stage.fill(LOAD, {s: [rng.integers(1, 9), 1.0] for s in seconds})
        self.stage.fill(evolve(LOAD, priority=7), {s: [1.0, s % 3] for s in seconds}, self.stage.child())

    def ask(self, question: str, path: str = "/api/v1/metric_correlations") -> Any:
        """
        @return: The answer, as JSON.
        """
        return self.stage.get(f"{path}?{WINDOW}&{question}").json()

    def test_most_changed(self) -> None:
        """
        What changed comes first, what did not change is left out, and hidden
        dimensions count only if they are asked for.
        """
        for method in ("ks2", "volume"):
            found = self.ask(f"method={method}")
            self.assertEqual(
                found["correlated_charts"]["system.cpu"], {"context": "system.cpu", "dimensions": {"user": 0}}
            )
            self.assertEqual(set(found["correlated_charts"]["system.load"]["dimensions"]), {"load1"})
            self.assertEqual(found["correlated_dimensions"], 2)
            self.assertEqual(found["total_dimensions_count"], 4)
            raw = self.ask(f"method={method}&options=raw")["correlated_charts"]
            self.assertGreater(raw["system.cpu"]["dimensions"]["user"], raw["system.load"]["dimensions"]["load1"])
        found = self.ask("options=raw,all-dimensions")["correlated_charts"]["system.cpu"]["dimensions"]
        self.assertEqual(set(found), {"user", "idle"})
        self.assertEqual(self.ask("cardinality_limit=1")["correlated_dimensions"], 1)

    def test_by_context(self) -> None:
        """
        C{weights} tells of contexts and charts, of each of these the mean, and
        by default of anomalies.
        """
        found = self.ask("", "/api/v1/weights")
        self.assertEqual(found["method"], "anomaly-rate")
        self.assertEqual(found["options"], "nonzero,null2zero,unaligned,anomaly-bit")
        self.assertNotIn("baseline_after", found)
        self.assertEqual(list(found["contexts"]), ["system.cpu"])
        raw = self.ask("options=raw", "/api/v1/weights")["contexts"]
        self.assertAlmostEqual(raw["system.cpu"]["charts"]["system.cpu"]["dimensions"]["user"], 100 / 60, 6)
        self.assertEqual(raw["system.load"]["weight"], 0)
        value = self.ask("method=value&options=raw&context=system.load", "/api/v1/weights")["contexts"]
        self.assertEqual(list(value), ["system.load"])
        load = value["system.load"]
        self.assertEqual(load["charts"]["system.load"]["dimensions"]["load5"], 1)
        self.assertAlmostEqual(load["weight"], sum(load["charts"]["system.load"]["dimensions"].values()) / 2, 6)

    def test_of_all(self) -> None:
        """
        Later versions tell of all nodes, or of those that are chosen.
        """
        for version in ("v2", "v3"):
            path = f"/api/{version}/weights"
            found = self.ask("method=value&options=raw", path)
            self.assertEqual([node["nm"] for node in found["nodes"]], ["parent.example", "web1"])
            self.assertEqual(found["total_dimensions_count"], 5)
            self.assertEqual(list(found["nodes"][1]["contexts"]), ["system.load"])
            chosen = self.ask("method=value&scope_nodes=web1&dimensions=load5&time_group=max&options=raw", path)
            self.assertEqual(chosen["nodes"][0]["contexts"]["system.load"]["weight"], 2)
            self.assertEqual(chosen["weighted_dimensions"], 1)
            one = self.ask("method=value&options=raw", f"/host/web1{path}")
            self.assertEqual([node["nm"] for node in one["nodes"]], ["web1"])

    def test_refused(self) -> None:
        """
        What cannot be weighed is refused with the reason.
        """
        for question, status, said in (
            (f"{WINDOW}&method=magic", 400, "ks2"),
            (f"{WINDOW}&group=magic&method=ks2", 400, "magic"),
            (f"{WINDOW}&points=3&method=ks2", 400, "at least 15"),
            (f"after={NOW - 1}&before={NOW - 1}", 400, "time-range"),
            ("after=x", 400, "after"),
            (f"{WINDOW}&context=none", 404, "no results"),
            ("method=ks2&after=1300000000&before=1300000600", 404, "no results"),
        ):
            for command in ("weights", "metric_correlations"):
                answer = self.stage.get(f"/api/v1/{command}?{question}")
                self.assertEqual(answer.status, status, question)
                self.assertIn(said, answer.text)

    def test_limits(self) -> None:
        """
        Only so much is weighed at once, and what is weighed in parts weighs
        the same.
        """
        for method in weights.METHODS:
            whole = self.ask(f"method={method}&options=raw", "/api/v1/weights")
            with mock.patch.object(weights, "PART", 1):
                parts = self.ask(f"method={method}&options=raw", "/api/v1/weights")
            self.assertGreaterEqual(parts["statistics"]["db_queries"], whole["statistics"]["db_queries"])
            for answer in (whole, parts):
                del answer["statistics"]
            self.assertEqual(parts, whole)
        for name in ("MOST_SERIES", "MOST_READ"):
            with mock.patch.object(weights, name, 3):
                answer = self.stage.get(f"/api/v1/metric_correlations?{WINDOW}")
            self.assertEqual(answer.status, 400)
            self.assertIn("narrow contexts=", answer.text)

    def test_slow_charts(self) -> None:
        """
        A chart of another period is weighed by its own samples.
        """
        slow = Chart("slow.one", context="slow", update_every=10, dimensions={"a": Dimension("a")})
        self.stage.fill(slow, {s: [5.0 + 5 * (s >= NOW - 60)] for s in range(NOW - 1000, NOW, 10)})
        found = self.ask("method=volume&options=raw", "/api/v1/weights")["contexts"]["slow"]
        self.assertGreater(found["weight"], 0.8)
