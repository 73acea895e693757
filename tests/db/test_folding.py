"""
How several seconds become one row.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from twisted.trial.unittest import SynchronousTestCase

from netstream.db.folding import fold
from netstream.db.interfaces import Columns, UnknownMethod, Window
from netstream.model.samples import ANOMALOUS, EMPTY, RESET

NAN = float("nan")
METHODS = ("average", "min", "max", "sum", "median", "stddev", "cv", "incremental-sum") + (
    "extremes",
    "latest",
    "countif",
    "percentile",
    "trimmed-mean",
    "trimmed-median",
    "ses",
    "des",
)


def columns(*rows: tuple[float, ...], start: int = 1) -> Columns:
    """
    @return: A row for each second from C{start} on.
    """
    values = np.array(rows, np.float64)
    return Columns(
        np.arange(start, start + len(rows), dtype=np.int64),
        values,
        np.where(np.isnan(values), EMPTY, 0).astype(np.uint8),
    )


class FoldTests(SynchronousTestCase):
    """
    L{fold} gives what clients of agents get.
    """

    def check(self, method: str, values: list[float], expected: float, options: str = "") -> None:
        """
        Fold some seconds into one row.
        """
        found = fold(columns(*[(v,) for v in values]), Window(0, len(values), len(values)), method, options)
        np.testing.assert_allclose(found.values, [[expected]], rtol=1e-12, err_msg=f"{method} {options} {values}")

    def test_as_agents_do(self) -> None:
        """
        Every method gives the numbers that agent 1.37.1 gave for the same
        samples; they were read from one with seven digits.
        """
        table = json.loads(Path(__file__).with_name("agent_folds.json").read_text())
        raw = np.array(table["raw"], np.float64)
        empty = np.where(np.isnan(raw[:, 1:]), EMPTY, 0).astype(np.uint8)
        stored = Columns(raw[:, 0].astype(np.int64), raw[:, 1:], empty)
        self.assertGreater(len(table["folds"]), 30)
        for name, rows in table["folds"].items():
            method, options, points = name.split("|")
            expected = np.array(rows, np.float64)
            last, step = int(expected[-1, 0]), 120 // int(points)
            found = fold(stored, Window(last - len(expected) * step, last, step), method, options)
            np.testing.assert_array_equal(found.times, expected[:, 0])
            gaps = (found.flags & EMPTY) != 0
            np.testing.assert_allclose(found.values[~gaps], expected[:, 1:][~gaps], rtol=1e-5, atol=2e-3, err_msg=name)

    def test_simple(self) -> None:
        """
        The methods that everyone uses.
        """
        for method, expected in {
            "average": 3.0, "avg": 3.0, "mean": 3.0, "sum": 12.0, "min": 1.0, "max": 6.0, "median": 2.5, "latest": 3.0,
            "incremental-sum": 1.0, "incremental_sum": 1.0, "extremes": 6.0, "stddev": np.sqrt(14 / 3),
        }.items():  # fmt: skip
            self.check(method, [2.0, 1.0, NAN, 6.0, 3.0], expected)

    def test_by_distance_from_zero(self) -> None:
        """
        The minimum of a falling chart is what is nearest to zero.
        """
        self.check("min", [-5.0, 2.0, -1.0], -1.0)
        self.check("max", [-5.0, 2.0, -1.0], -5.0)

    def test_one_value(self) -> None:
        """
        One value is its own average, median, percentile and trimmed mean, and
        does not deviate.
        """
        for method in (
            "average",
            "min",
            "max",
            "sum",
            "median",
            "percentile",
            "trimmed-mean",
            "trimmed-median10",
            "ses",
        ):
            self.check(method, [NAN, -7.0, NAN], -7.0)
        for method in ("stddev", "cv", "incremental-sum"):
            self.check(method, [NAN, -7.0, NAN], 0.0)
        self.check("des", [NAN, -7.0, NAN], -7.0)

    def test_median(self) -> None:
        """
        Half of the values are below the median, whatever their number.
        """
        rng = np.random.default_rng(2)
        for size in range(1, 12):
            values = rng.normal(size=size).tolist()
            self.check("median", [*values, NAN], float(np.median(values)))

    def test_trimmed(self) -> None:
        """
        What lies at the edges of the range does not count, unless that leaves
        nothing.
        """
        self.check("trimmed-median", [0.0, 0.1, 10.0, 11.0, 12.0, 20.0], 11.0)
        self.check("trimmed-mean25", [1.0, 2.0, 3.0, 1000.0], 2.5)
        self.check("trimmed-median", [1.0, 3.0], 2.0)

    def test_count_if(self) -> None:
        """
        A condition gives the share of the seconds that fulfil it.
        """
        for condition, expected in {
            "": 25.0, "==0": 25.0, "=0": 25.0, ":0": 25.0, "!=0": 75.0, "<>0": 75.0, "!0": 75.0,
            ">2": 25.0, ">=2": 50.0, "<2": 50.0, "<= 2": 75.0, "> -1e0": 100.0,
        }.items():  # fmt: skip
            self.check("countif", [0.0, 1.0, 2.0, NAN, 3.0], expected, condition)

    def test_gap(self) -> None:
        """
        Where nothing was stored there is a gap and not a number.
        """
        found = fold(columns((1.0, NAN), (NAN, NAN), (NAN, NAN), (2.0, 3.0)), Window(0, 8, 2), "sum")
        np.testing.assert_array_equal(found.values, [[1.0, NAN], [2.0, 3.0], [NAN, NAN], [NAN, NAN]])
        self.assertEqual(found.flags.tolist(), [[0, EMPTY], [0, 0], [EMPTY, EMPTY], [EMPTY, EMPTY]])

    def test_gaps_of_every_method(self) -> None:
        """
        No method fills a gap, and none warns.
        """
        stored = columns((1.0, NAN), (2.0, NAN), (NAN, NAN), (NAN, NAN), (3.0, 5.0), (4.0, NAN))
        for method in METHODS:
            found = fold(stored, Window(0, 6, 2), method)
            self.assertEqual(
                ((found.flags & EMPTY) != 0).tolist(), [[False, True], [True, True], [False, False]], method
            )
        self.assertEqual(self.flushWarnings(), [])

    def test_flags(self) -> None:
        """
        A row is anomalous if one of its seconds is.
        """
        stored = columns((1.0,), (2.0,), (NAN,), (3.0,))
        stored.flags[:, 0] = [ANOMALOUS, RESET, EMPTY, 0]
        found = fold(stored, Window(0, 4, 2), "average")
        self.assertEqual(found.flags.tolist(), [[ANOMALOUS | RESET], [0]])

    def test_outside(self) -> None:
        """
        Seconds outside the window do not count.
        """
        found = fold(columns(*[(float(i),) for i in range(1, 11)]), Window(4, 8, 2), "sum")
        self.assertEqual(found.times.tolist(), [6, 8])
        self.assertEqual(found.values.tolist(), [[11.0], [15.0]])

    def test_smoothing_goes_on(self) -> None:
        """
        Exponential smoothing over groups is the same as value by value.
        """
        values = np.random.default_rng(3).normal(size=60)
        level, expected = values[0], []
        for i, value in enumerate(values):
            level = value * 2 / 13 + level * 11 / 13
            if i % 12 == 11:
                expected.append([level])
        found = fold(columns(*[(v,) for v in values]), Window(0, 60, 12), "ewma")
        np.testing.assert_allclose(found.values, expected)

    def test_unknown(self) -> None:
        """
        What is no method is an error that says what would be one.
        """
        for method, options in [
            ("magic", ""), ("", ""), ("average7", ""), ("percentile", "101"), ("percentile", "many"), ("countif", ">"),
            ("trimmed-mean60", ""), ("countif", "=>5"), ("countif", "1.2.3"),
        ]:  # fmt: skip
            with self.assertRaises(UnknownMethod):
                fold(columns((1.0,)), Window(0, 1, 1), method, options)
