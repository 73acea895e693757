"""
How several seconds become one row.
"""

from __future__ import annotations

import json
import math
import operator
import statistics
from collections.abc import Callable
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
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


Groups = list[list[float]]


def each(fold_one: Callable[[list[float]], float]) -> Callable[[Groups], list[float]]:
    """
    @return: What folds groups one by one, of which none is without a value.
    """
    return lambda groups: [fold_one(group) if group else NAN for group in groups]


def some_mean(values: list[float], share: float, middle: bool) -> float:
    """
    The mean of a share of the values from the end nearest to zero, or from
    the middle, the last one in part.
    """
    sign = -1.0 if min(values) < 0 else 1.0
    ordered = sorted(sign * value for value in values)
    wanted = len(ordered) * share
    whole = math.floor(wanted + 1e-9)
    rest = max(0.0, wanted - whole)
    start = (len(ordered) - whole) // 2 if middle else 0
    taken = ordered[start : start + whole]
    if rest > 1e-9 and start + whole < len(ordered):
        before = ordered[start + whole - 1 if start + whole else 0]
        taken.append(before + rest * (ordered[start + whole] - before))
    return sign * (sum(taken) / len(taken) if taken else ordered[0])


def trimmed_median(values: list[float], percent: float) -> float:
    """
    The median of what is not at the edges of the range; else what is next above.
    """
    cut = (max(values) - min(values)) * percent / 100
    above = sorted(v for v in values if v >= min(values) + cut)
    return statistics.median([v for v in above if v <= max(values) - cut] or above[:1])


def variation(values: list[float]) -> float:
    """
    The deviation in percent of the mean.
    """
    deviation, mean = statistics.stdev(values) if len(values) > 1 else 0.0, abs(statistics.fmean(values))
    return (100 * deviation / mean if mean else math.inf) if deviation else 0.0


def smoothed(groups: Groups, double: bool) -> list[float]:
    """
    Exponential smoothing of all values; the trend begins with the second.
    """
    size = max(1, *(len(group) for group in groups))
    weight = 2 / (1 + (15 if size == 1 else min(size, 15)))
    level, trend, count, found = 0.0, 0.0, 0, []
    for group in groups:
        for value in group:
            count += 1
            if count == 1:
                first = level = value
            elif double and count == 2:
                level, trend = value, value - first
            if count == 1 and double:
                continue
            before = level
            level = weight * value + (1 - weight) * (level + trend)
            if double:
                trend = weight * (level - before) + (1 - weight) * trend
        found.append(level if group else NAN)
    return found


SLOW: dict[tuple[str, str], Callable[[Groups], list[float]]] = {
    **{(name, ""): each(statistics.fmean) for name in ("average", "avg", "mean")},
    ("sum", ""): each(math.fsum),
    ("min", ""): each(lambda group: min(group, key=abs)),
    **{(name, ""): each(lambda group: max(group, key=abs)) for name in ("max", "extremes")},
    ("median", ""): each(statistics.median),
    ("stddev", ""): each(lambda group: statistics.stdev(group) if len(group) > 1 else 0.0),
    **{(name, ""): each(variation) for name in ("cv", "rsd", "coefficient-of-variation")},
    **{(name, ""): each(lambda group: group[-1] - group[0]) for name in ("incremental-sum", "incremental_sum")},
    ("latest", ""): each(lambda group: group[-1]),
    **{(name, ""): lambda groups: smoothed(groups, double=False) for name in ("ses", "ema", "ewma")},
    ("des", ""): lambda groups: smoothed(groups, double=True),
    **{
        ("countif", f"{sign}1"): each(lambda group, test=test: 100 * sum(test(v, 1) for v in group) / len(group))
        for sign, test in {
            "": operator.eq, "=": operator.eq, "==": operator.eq, ":": operator.eq, "!": operator.ne,
            "!=": operator.ne, "<>": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt,
            ">=": operator.ge,
        }.items()
    },
    ("percentile", ""): each(lambda group: some_mean(group, 0.95, middle=False)),
    **{
        (f"percentile{n}", ""): each(lambda group, n=n: some_mean(group, n / 100, middle=False))
        for n in (25, 50, 75, 80, 90, 95, 97, 98, 99)
    },
    ("trimmed-mean", ""): each(lambda group: some_mean(group, 0.9, middle=True)),
    ("trimmed-median", ""): each(lambda group: trimmed_median(group, 5)),
    **{
        (f"trimmed-mean{n}", ""): each(lambda group, n=n: some_mean(group, 1 - n / 50, middle=True))
        for n in (1, 2, 3, 5, 10, 15, 20, 25)
    },
    **{
        (f"trimmed-median{n}", ""): each(lambda group, n=n: trimmed_median(group, n))
        for n in (1, 2, 3, 5, 10, 15, 20, 25)
    },
}  # fmt: skip
"""Every method that clients know, written as slowly and as plainly as can be."""


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

    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        st.lists(
            st.lists(
                st.one_of(
                    st.just(NAN),
                    st.integers(-3, 3).map(float),
                    st.floats(-1e6, 1e6, allow_subnormal=False).filter(lambda v: abs(v) > 1e-3),
                ),
                min_size=1,
                max_size=9,
            ),
            min_size=1,
            max_size=6,
        ),
        st.booleans(),
    )
    def test_as_written_plainly(self, groups: Groups, sparse: bool) -> None:
        """
        Every method and every spelling of it gives what a few lines of plain
        Python give, with gaps, and where seconds are missing.
        """
        step = max(map(len, groups))
        rows = [(row * step + place + 1, v) for row, group in enumerate(groups) for place, v in enumerate(group)]
        if sparse:
            rows = [(second, value) for second, value in rows if not math.isnan(value)] or rows[:1]
        values = np.array([[value] for _, value in rows])
        flags = np.where(np.isnan(values), EMPTY, 0).astype(np.uint8)
        stored = Columns(np.array([second for second, _ in rows], np.int64), values, flags)
        there = [[v for v in group if not math.isnan(v)] for group in groups]
        for (method, options), slowly in SLOW.items():
            found = fold(stored, Window(0, len(groups) * step, step), method, options)
            expected = slowly(there)
            most = max((abs(v) for group in there for v in group), default=1.0)
            if method in ("cv", "rsd", "coefficient-of-variation"):  # means near zero say nothing
                expected = [v if v < 1e6 else w for v, w in zip(expected, found.values[:, 0], strict=True)]
            np.testing.assert_allclose(
                found.values[:, 0], expected, rtol=1e-9, atol=1e-9 * most, err_msg=f"{method} {options} {there}"
            )

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
        What lies at the edges of the range does not count; if that leaves
        nothing, what is next above.
        """
        self.check("trimmed-median", [0.0, 0.1, 10.0, 11.0, 12.0, 20.0], 11.0)
        self.check("trimmed-mean25", [1.0, 2.0, 3.0, 1000.0], 2.5)
        self.check("trimmed-median", [1.0, 3.0], 3.0)

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

    def test_long_memory(self) -> None:
        """
        Rows of many thousand values are smoothed like others, in no more time
        than it takes to look at them.
        """
        values = np.random.default_rng(4).normal(10, 1, 30_000)
        for method, double in (("ses", False), ("des", True)):
            found = fold(columns(*[(v,) for v in values]), Window(0, 30_000, 10_000), method)
            expected = smoothed(values.reshape(3, -1).tolist(), double)
            np.testing.assert_allclose(found.values[:, 0], expected, rtol=1e-12, err_msg=method)

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
