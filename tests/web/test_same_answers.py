"""
Answers do not depend on the way they are made: from hot pages as they are, or
from what is put together of several places.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import nan
from pathlib import Path
from unittest.mock import patch

from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from netstream.db import DBEngine
from netstream.db.dbengine.node import HotNode
from netstream.db.dbengine.pages import start_of
from netstream.db.interfaces import SeriesKey, Window
from netstream.db.workers import Inline
from netstream.model.chart import Chart, Dimension
from netstream.model.host import Function
from netstream.model.updates import ChartForgotten, FunctionOffered
from netstream.web import query
from tests.web.stage import GUID, NOW, Stage

settings.register_profile("answers", max_examples=150, deadline=None, database=None, derandomize=True)

FIRST = NOW - 1500
"""Of the samples, which are those of two epochs."""
WIDE = Chart("wide.chart", context="c.wide", dimensions={f"d{n}": Dimension(f"d{n}", f"n{n}") for n in range(40)})
NARROW = Chart(
    "narrow.chart",
    name="narrow.other",
    context="c.narrow",
    dimensions={"a": Dimension("a"), "b": Dimension("b", hidden=True), "c": Dimension("c", 'the "c"')},
)
LATE = Chart("late.chart", context="c.late", dimensions={"x": Dimension("x"), "y": Dimension("y")})
SLOW = Chart("slow.chart", context="c.slow", update_every=2, dimensions={"a": Dimension("a"), "b": Dimension("b")})
SECONDS = st.one_of(
    st.integers(-1700, 0), st.integers(FIRST - 60, NOW + 60), st.sampled_from((-60, -1, -2, -800, -801, -802))
)
OPTIONS = st.sets(
    st.sampled_from(
        ("seconds", "ms", "flip", "jsonwrap", "unaligned", "nonzero", "null2zero", "abs", "percentage", "min2max")
        + ("anomaly-bit", "jw-anomaly-rates", "all-dimensions", "objectrows", "match-ids", "match-names")
    ),
    max_size=4,
)
CHARTS = (
    *("chart=wide.chart", "chart=narrow.chart", "chart=narrow.other", "chart=late.chart", "chart=slow.chart"),
    *("context=c.*", "context=c.slow", "chart=no"),
)
QUESTIONS = st.builds(
    "/api/v1/data?{}&after={}&before={}&points={}&group={}&format={}&options={}&dimensions={}".format,
    st.sampled_from(CHARTS),
    SECONDS,
    st.one_of(st.just(0), SECONDS),
    st.one_of(st.just(0), st.integers(1, 200)),
    st.sampled_from(("average", "average", "average", "sum", "min", "max", "median", "stddev")),
    st.sampled_from(("json", "json", "json", "csv", "array", "datatable")),
    OPTIONS.map(lambda words: ",".join(sorted(words))),
    st.sampled_from(("", "", "", "a", "d1*|n5", "nothing", "c")),
)
MANNERS = ("", "Accept-Encoding: gzip\r\n", "X-Folded: a\r\n b\r\n")


def _filled(stage: Stage) -> Stage:
    inf = float("inf")
    stage.fill(WIDE, {second: [n * (second % 7) / 3 for n in range(40)] for second in range(FIRST, NOW, 1)})
    odd = {NOW - 5: [nan, 1.0, nan], NOW - 30: [1e300, -0.0, -1e-9], NOW - 31: [-2.5e9, 1e15 + 0.5, 0.0]}
    rows = {second: [second % 11 - 5.0, 0.0, second / 1e7] for second in range(FIRST, NOW) if second % 13}
    stage.fill(NARROW, rows | odd, anomalous=range(NOW - 40, NOW - 20))
    stage.fill(LATE, {second: [1.0, inf] for second in range(NOW - 50, NOW)})
    stage.fill(SLOW, {second: [second % 9, 1.0] for second in range(FIRST + FIRST % 2, NOW, 2)})
    return stage


class _Thorough(DBEngine):
    """
    Puts every answer together of all places where something may be.
    """

    def _recent(self, node: HotNode, series: Sequence[SeriesKey], window: Window) -> None:
        """
        There is no short way.
        """

    def near(self, node: str, series: Sequence[SeriesKey]) -> None:
        """
        Nor one that is shorter still.
        """


class SameAnswersTests(SynchronousTestCase):
    """
    Two nodes with the same samples.
    """

    def setUp(self) -> None:
        self.stages = []
        for kind in (DBEngine, _Thorough):
            clock = Clock()
            clock.advance(NOW)
            disk = kind(Path(self.mktemp()), clock, workers=Inline())
            self.successResultOf(disk.open())
            self.addCleanup(lambda disk=disk: self.successResultOf(disk.close()))
            self.stages.append(_filled(Stage(disk, clock=clock)))

    def hold(self, target: str) -> None:
        """
        Compare what both answer, to all who ask and when asked again.
        """
        for manner in MANNERS:
            data = f"GET {target} HTTP/1.1\r\nHost: localhost\r\n{manner}\r\n".encode()
            (here,), (there,) = (stage.raw(data) for stage in self.stages)
            self.assertEqual((here.status, here.headers), (there.status, there.headers), target)
            self.assertEqual(here.body, there.body, target)
            (again,) = self.stages[0].raw(data)
            self.assertEqual(again.raw, here.raw, target)

    @settings(settings.get_profile("answers"))
    @given(QUESTIONS)
    def test_same(self, target: str) -> None:
        """
        Whatever is asked.
        """
        self.hold(target)

    def test_at_once(self) -> None:
        """
        Whoever looks at newest samples is answered from where they are, once it
        is known what its terms mean.
        """
        stage = self.stages[0]
        for options in ("seconds,jsonwrap", "ms,flip", "flip,jsonwrap,jw-anomaly-rates"):
            for chart in ("chart=wide.chart", "chart=late.chart", "context=c.wide"):
                terms = f"GET /api/v1/data?{chart}&options={options}&after=%d HTTP/1.1\r\nHost: localhost\r\n\r\n"
                self.assertEqual([each.status for each in stage.raw((terms % -18).encode())], [200])
                with patch.object(query, "view", side_effect=AssertionError("it took more")):
                    for after in (-19, -1, NOW - 7):
                        self.assertEqual([each.status for each in stage.raw((terms % after).encode())], [200])

    def test_slow(self) -> None:
        """
        A chart that has a sample every other second has no gaps in between,
        however it is asked for.
        """
        terms = "/api/v1/data?chart=slow.chart&options=seconds,flip,jsonwrap"
        for after in (-20, -9, -1, NOW - 30, NOW - 7, FIRST):
            for rest in ("", "&points=0", "&points=4", f"&before={NOW - 3}"):
                self.hold(f"{terms}&after={after}{rest}")
            found = self.stages[0].get(f"{terms}&after={after}&points=0").json()
            self.assertEqual(found["view_update_every"], 2, after)
            self.assertNotIn(None, [value for _, *values in found["result"]["data"] for value in values], after)

    def test_epochs(self) -> None:
        """
        Nor does it matter that an epoch ends, or that the one before becomes a
        row group, or that a sample comes late for it.
        """
        start = start_of(NOW, 1)
        for number, change in enumerate(
            (
                lambda stage: None,
                lambda stage: [stage.clock.advance(1) for _ in range(3)],
                lambda stage: stage.fill(NARROW, {start - 20: [5.0, 6.0, 7.0]}),
                lambda stage: [stage.clock.advance(1) for _ in range(30)],
                lambda stage: stage.fill(NARROW, {NOW + 32: [1.0, nan, 3.0]}),
            )
        ):
            for stage in self.stages:
                change(stage)
            for chart in ("narrow.chart", "late.chart", "wide.chart"):
                for options in ("seconds,jsonwrap", "ms,flip,jsonwrap,jw-anomaly-rates"):
                    asked = f"/api/v1/data?chart={chart}&options={options}&format=json"
                    for after in (-1, start - NOW - 1, start - NOW - 30, -890, -1400):
                        self.hold(f"{asked}&after={after - 8 * number}&points=0")
                    self.hold(f"{asked}&after={start - 40}&before={start - 9}&points=0")

    def test_further(self) -> None:
        """
        Whoever looks at epochs that are over, in pages or row groups, is
        answered as soon.
        """
        stage, start = self.stages[0], start_of(NOW, 1)
        terms = "GET /api/v1/data?chart=narrow.chart&options=jsonwrap&after=%d HTTP/1.1\r\nHost: localhost\r\n\r\n"
        self.assertEqual([each.status for each in stage.raw((terms % -1).encode())], [200])
        older = {start - 900 * n + s: [s, n, -1.0] for n in range(1, 4) for s in range(0, 890, 3)}
        for other in self.stages:
            other.fill(NARROW, older)
        for seconds in (0, 1, 30):  # by then they are row groups
            for other in self.stages:
                other.clock.advance(seconds)
            for after in (-600, -1700, -2600, -3400):
                for options in ("seconds,jsonwrap", "ms,flip,jsonwrap,jw-anomaly-rates"):
                    self.hold(f"/api/v1/data?chart=narrow.chart&after={after}&points=0&options={options}")
            with patch.object(query, "view", side_effect=AssertionError("it took more")):
                for after in (start - 5, start - NOW - 100, -1700, -2600, -3400):
                    self.assertEqual([each.status for each in stage.raw((terms % after).encode())], [200])

    def test_changes(self) -> None:
        """
        What is defined anew, renamed, hidden, forgotten, or has other samples
        is told so at once.
        """
        usual = "/api/v1/data?chart=late.chart&after=-9&options=seconds,jsonwrap"
        hidden = evolve(LATE, dimensions={"x": Dimension("x", "an x"), "y": Dimension("y", hidden=True)})
        wider = evolve(LATE, dimensions={**hidden.dimensions, "z": Dimension("z")})
        self.hold(usual)
        for change in (
            lambda stage: stage.fill(LATE, {NOW - 2: [nan, 5.0], NOW - 3: [7.0, 8.0]}),
            lambda stage: stage.fill(hidden, {NOW - 1: [3.0, 4.0]}),
            lambda stage: stage.fill(wider, {NOW - 1: [3.0, 4.0, 5.0]}),
            lambda stage: stage.local.apply(FunctionOffered(Function("top", chart="late.chart"))),
            lambda stage: setattr(stage.local, "info", evolve(stage.local.info, hostname="renamed")),
            lambda stage: stage.clock.advance(1),
            lambda stage: stage.fill(wider, {NOW: [1.0, 2.0, 3.0]}),
            lambda stage: stage.clock.advance(900),
            lambda stage: stage.fill(wider, {NOW + n: [1.0, n, 3.0] for n in range(880, 900)}),
            lambda stage: stage.local.apply(ChartForgotten("late.chart")),
            lambda stage: self.successResultOf(stage.db.forget(GUID, "late.chart")),
            lambda stage: stage.fill(LATE, {NOW + 899: [9.0, 9.0]}),
        ):
            for stage in self.stages:
                change(stage)
            self.hold(usual)

    def test_usual(self) -> None:
        """
        What dashboards ask all the time, for each second of an epoch and the
        one before.
        """
        for after in range(-1500, 0, 50):
            for options in ("seconds,jsonwrap", "ms,flip,jsonwrap,nonzero"):
                self.hold(f"/api/v1/data?chart=narrow.chart&after={after}&points={-after}&options={options}")
