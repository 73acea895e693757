"""
Tests for what a parent asks for of the past.
"""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netstream.session.replication import (
    ATTEMPTS,
    FRUITLESS,
    NOTHING,
    OUTSTANDING,
    STALLED_AFTER,
    Replication,
    Window,
    next_window,
)
from netstream.wire.replication_lines import ReplayChart, ReplayEnd

NOW = 1_800_000_000
DAY = 86400


class WindowTests(SynchronousTestCase):
    """
    Which stretch is asked for.
    """

    def test_table(self) -> None:
        """
        A parent asks for what is between its newest sample and the child's, in
        steps, the oldest first.
        """
        n = NOW
        for title, given_, expected in (
            # first, last, child's clock, own newest, asked up to, step
            ("a child without samples", (0, 0, n, 0, 0, 600), NOTHING),
            ("a child that contradicts itself", (n, n - 5, n, 0, 0, 600), NOTHING),
            ("nonsense", (-5, -3, n, 0, 0, 600), NOTHING),
            ("a new host with a short history", (n - 50, n - 1, n, 0, 0, 600), Window(True, n - 51, n - 1)),
            ("a new host with a long one", (n - 5000, n, n, 0, 0, 600), Window(False, n - 5001, n - 4401)),
            ("its next step", (n - 5000, n, n, 0, n - 4401, 600), Window(False, n - 4401, n - 3801)),
            ("the last step", (n - 5000, n, n, 0, n - 300, 600), Window(True, n - 300, n)),
            ("more history than is wanted", (n - 9 * DAY, n, n, 0, 0, 600), Window(False, n - DAY, n - DAY + 600)),
            ("a gap", (n - 5000, n, n, n - 60, 0, 600), Window(True, n - 60, n)),
            ("a gap longer than the period", (n - 9 * DAY, n, n, n - 3 * DAY, 0, 600), None),
            ("a gap of more than the child has", (n - 100, n, n, n - 5000, 0, 600), Window(True, n - 101, n)),
            ("nothing missing", (n - 5000, n, n, n, 0, 600), Window(True, n, n)),
            ("more than the child has", (n - 5000, n - 9, n, n, 0, 600), Window(True, n - 9, n - 9)),
            ("a child whose samples are ahead of its clock", (n - 9, n + 500, n, 0, 0, 600), Window(True, n - 10, n)),
        ):
            first, last, clock, own, previous, step = given_
            found = next_window(first, last, clock, own, previous, DAY, step)
            if expected is None:
                expected = Window(False, own, own + step)
            self.assertEqual(found, expected, title)

    @given(
        st.integers(0, 5000),
        st.integers(0, 5000),
        st.integers(0, 5000),
        st.integers(1, 700),
        st.integers(1, 6000),
    )
    @settings(max_examples=300, deadline=None)
    def test_covers(self, first: int, last: int, own: int, step: int, period: int) -> None:
        """
        Whatever both have, the windows follow upon each other without hole or
        overlap, up to what the child has, and end.
        """
        at = NOW + 5000
        first, last, own = NOW + first, NOW + last, NOW + own
        previous, windows = 0, []
        while True:
            window = next_window(first, last, at, own, previous, period, step)
            windows.append(window)
            if window.start:
                break
            self.assertGreater(window.before, window.after)
            self.assertLessEqual(window.before - window.after, step)
            previous = window.before
        for earlier, later in zip(windows, windows[1:], strict=False):
            self.assertEqual(later.after, earlier.before)
        if first <= last:
            self.assertEqual(windows[-1].before, last)
            self.assertEqual(windows[0].after, min(last, max(own, first - 1)))


class ReplicationCase(SynchronousTestCase):
    """
    One connection.
    """

    def setUp(self) -> None:
        self.one = Replication(DAY, 600)

    def define(self, chart: str = "a.b", first: int = NOW - 5000, last: int = NOW, own: int = 0) -> None:
        """
        The child defines a chart, and the database has that much of it.
        """
        self.one.defined(chart, first, last, NOW, NOW)
        self.one.found(dict.fromkeys(self.one.wanting(), own))

    def end(self, start: bool, after: int = 0, before: int = 0, chart: str = "a.b", **rest: Any) -> bool:
        """
        The child ends an answer.
        """
        now = rest.pop("now", NOW)
        rows = rest.pop("rows", 10)
        first, last = rest.pop("first", NOW - 5000), rest.pop("last", NOW)
        return self.one.ended(chart, ReplayEnd(1, first, last, start, after, before, int(now)), rows, now)

    def ask(self, now: float = NOW) -> list[ReplayChart]:
        """
        @return: What is asked for.
        """
        return self.one.requests(now)


class DialogTests(ReplicationCase):
    """
    The dialog about one chart.
    """

    def test_steps(self) -> None:
        """
        One question at a time, until live samples follow.
        """
        self.define(own=NOW - 1500)
        self.assertEqual(self.ask(), [ReplayChart("a.b", False, NOW - 1500, NOW - 900)])
        self.assertEqual(self.ask(), [])
        self.assertFalse(self.end(False, NOW - 1500, NOW - 900))
        self.assertEqual(self.ask(), [ReplayChart("a.b", False, NOW - 900, NOW - 300)])
        self.assertFalse(self.end(False, NOW - 900, NOW - 300))
        self.assertEqual(self.ask(), [ReplayChart("a.b", True, NOW - 300, NOW)])
        self.assertIn("a.b", self.one)
        self.assertTrue(self.end(True, NOW - 300, NOW + 1))
        self.assertNotIn("a.b", self.one)
        self.assertTrue(self.one.progress.done)
        self.assertEqual(self.one.progress.samples, 30)
        self.assertEqual(self.one.progress.fraction, 1.0)

    def test_child_decides(self) -> None:
        """
        The answer may be shorter than the question, or end all questions.
        """
        self.define(own=NOW - 1500)
        self.ask()
        self.assertFalse(self.end(False, NOW - 1500, NOW - 1400))
        self.assertEqual(self.ask(), [ReplayChart("a.b", False, NOW - 1400, NOW - 800)])
        self.assertTrue(self.end(True, NOW - 1400, NOW))
        self.assertEqual(self.ask(), [])

    def test_defined_again(self) -> None:
        """
        A definition while an answer is due changes nothing; one after it begins
        the dialog anew.
        """
        self.define(own=NOW - 100)
        self.ask()
        self.define(own=NOW - 100)
        self.assertEqual(self.ask(), [])
        self.assertTrue(self.end(True))
        self.define(own=NOW)
        self.assertEqual(self.ask(), [ReplayChart("a.b", True, NOW, NOW)])
        self.assertEqual(self.one.progress.charts, 1)
        self.assertEqual(self.one.progress.complete, 0)
        self.assertTrue(self.end(True))
        self.assertEqual(self.one.progress.complete, 1)

    def test_nothing_kept(self) -> None:
        """
        Who keeps nothing asks for nothing but live samples.
        """
        self.one = Replication(DAY, 600, keeps=False)
        self.one.defined("a.b", NOW - 5000, NOW, NOW, NOW)
        self.assertEqual(self.one.wanting(), [])
        self.assertEqual(self.ask(), [ReplayChart("a.b", True, 0, 0)])

    def test_not_asked(self) -> None:
        """
        An answer to no question changes nothing.
        """
        self.assertFalse(self.end(True))
        self.define()
        self.assertFalse(self.end(True))
        self.assertEqual(len(self.ask()), 1)

    def test_forgotten(self) -> None:
        """
        Nothing is asked for of a chart that is known no more.
        """
        self.define()
        self.define("c.d")
        self.one.forget("a.b")
        self.assertEqual([request.chart for request in self.ask()], ["c.d"])
        self.one.forget("c.d")
        self.assertTrue(self.one.progress.done)
        self.assertEqual(self.one.progress.missing, 0)


class PaceTests(ReplicationCase):
    """
    How much is asked for at once.
    """

    def test_bounded(self) -> None:
        """
        No more questions wait for an answer than a bound, and the charts that
        can be live soonest come first.
        """
        for n in range(OUTSTANDING):
            self.define(f"long.{n}", own=NOW - 4000)
        for n in range(10):
            self.define(f"short.{n}", own=NOW - 5)
        asked = self.ask()
        self.assertEqual(len(asked), OUTSTANDING)
        self.assertEqual([request.chart for request in asked[:10]], [f"short.{n}" for n in range(10)])
        self.assertEqual(self.ask(), [])
        self.end(True, chart="short.0")
        self.assertEqual(len(self.ask()), 1)

    def test_progress(self) -> None:
        """
        It is told how much is missing, at which speed it comes, and how long
        the rest takes.
        """
        for n in range(2):
            self.define(f"a.{n}", own=NOW - 1200)
        progress = self.one.progress
        self.assertEqual((progress.charts, progress.missing, progress.left), (2, 2400, None))
        self.ask()
        self.end(False, NOW - 1200, NOW - 600, "a.0", rows=600, now=NOW + 2)
        self.assertEqual((progress.seconds, progress.missing), (600, 1800))
        self.assertEqual(progress.rate, 300.0)
        self.assertEqual(progress.left, 6.0)
        self.assertEqual(progress.fraction, 0.25)
        self.end(True, NOW - 1200, NOW, "a.1", now=NOW + 2)
        self.assertEqual(progress.missing, 600)


class RogueTests(ReplicationCase):
    """
    A child that does not do as it must.
    """

    def test_fruitless(self) -> None:
        """
        After ten answers within a minute that bring nothing the chart goes
        live, whatever comes.
        """
        for before in (NOW - 4000, NOW - 9000, 0, NOW + 10**6):
            self.one = Replication(DAY, 600)
            self.define(own=NOW - 4000)
            answers = 0
            while self.ask():
                answers += 1
                self.assertLess(answers, 2 * FRUITLESS + 5)
                if self.end(False, NOW - 4000, before, rows=0):
                    break
            self.assertLessEqual(answers, FRUITLESS + 1, before)
            self.assertFalse(self.one.busy)

    def test_same_rows(self) -> None:
        """
        Rows that do not get any further are no fruit.
        """
        self.define(own=NOW - 4000)
        answers = 0
        while self.one.busy and answers < 50:
            self.ask()
            self.end(False, NOW - 4000, NOW - 4000, rows=600)
            answers += 1
        self.assertEqual(answers, FRUITLESS + 1)

    def test_long_hole(self) -> None:
        """
        A hole in what an honest child has is passed over in a few steps.
        """
        self.define(first=NOW - 80000, own=NOW - 80000)
        while True:
            (request,) = self.ask()
            if request.start:
                break
            self.end(False, request.after, request.before, rows=0, first=NOW - 80000)
        self.assertGreater(request.before, NOW - 5)

    def test_silent(self) -> None:
        """
        A chart that is not answered for is asked for again, then only for live
        samples, then given up.
        """
        self.define(own=NOW - 100)
        (asked,) = self.ask()
        now = float(NOW)
        for _ in range(ATTEMPTS - 1):
            self.assertEqual(self.one.overdue(now + STALLED_AFTER - 1), ([], []))
            now += STALLED_AFTER
            self.assertEqual(self.one.overdue(now), ([asked], []))
        now += STALLED_AFTER
        self.assertEqual(self.one.overdue(now), ([ReplayChart("a.b", True, 0, 0)], []))
        now += STALLED_AFTER
        self.assertEqual(self.one.overdue(now), ([], ["a.b"]))
        self.assertFalse(self.one.busy)
        self.assertEqual(self.one.progress.given_up, 1)

    def test_at_work(self) -> None:
        """
        A child that answers for other charts is given more time.
        """
        self.define(own=NOW - 100)
        for n in range(20):
            self.define(f"c.{n}", own=NOW - 100)
        self.ask()
        for n in range(9):
            self.end(True, chart=f"c.{n}", now=NOW + 50.0 * (n + 1))
            self.assertEqual(self.one.overdue(NOW + 50.0 * (n + 1) + 9), ([], []))
