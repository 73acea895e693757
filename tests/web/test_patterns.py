"""
Patterns that choose among many charts cost others no time, and no more than
they may.
"""

from __future__ import annotations

import re
from html import unescape

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from netstream.web.target import MOST_STARS
from tests.web.stage import LOAD, NOW, Stage

CHOICES = (
    "/api/v1/data?after=-5&chart=%s",
    "/api/v1/data?after=-5&context=%s",
    "/api/v1/data?after=-5&context=*&dimensions=%s",
    "/api/v1/data?after=-5&context=*&chart_label_key=%s",
    "/api/v1/data?after=-5&context=*&chart_labels_filter=%s",
    "/api/v1/contexts?dimensions=%s",
    "/api/v1/contexts?chart_label_key=%s",
    "/api/v1/weights?context=%s",
    "/api/v1/allmetrics?format=json&filter=%s",
    "/api/v1/allmetrics?format=shell&filter=%s",
    "/api/v1/allmetrics?format=prometheus&filter=%s",
    "/api/v3/data?after=-5&scope_contexts=%s",
    "/api/v3/data?after=-5&scope_instances=%s",
    "/api/v3/data?after=-5&scope_dimensions=%s",
    "/api/v3/data?after=-5&labels=%s",
    "/api/v3/contexts?scope_instances=%s",
    "/api/v3/contexts?dimensions=%s",
    "/api/v3/q?q=x&scope_labels=%s",
    "/api/v3/weights?scope_instances=%s",
)
"""Questions in which a pattern is compared with names of all charts."""
OTHERS = (
    "/api/v1/badge.svg?chart=system.load&dimensions=%s",
    "/api/v3/nodes?nodes=%s",
    "/api/v3/stream_path?scope_nodes=%s",
    "/api/v3/alert_transitions?nodes=%s",
    "/api/v3/alerts?alert=%s",
    "/api/v3/data?alerts=%s",
)
"""Questions in which it is compared with other names."""


class PatternTests(SynchronousTestCase):
    """
    A node with many charts is asked for some of them.
    """

    def setUp(self) -> None:
        self.stage = Stage()
        for number in range(80):
            self.stage.fill(evolve(LOAD, id=f"c{number}.x", name=""), {NOW - 1: [1, 2]})
        self.stage.fill(LOAD, {NOW - 1: [1, 2]})

    def turns(self, target: str) -> int:
        """
        @return: In how many turns a question is answered, if there is always
            time for a few charts alone.
        """
        clock = self.stage.clock
        protocol, transport = self.stage.connect()
        protocol.dataReceived(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        turns = 1
        while not transport.value():
            for call in [call for call in clock.getDelayedCalls() if call.getTime() <= clock.rightNow]:
                clock.calls.remove(call)
                call.func(*call.args)
            turns += 1
            self.assertLess(turns, 1000, target)
        return turns

    def test_others_get_their_turn(self) -> None:
        """
        While a pattern is compared with the names of many charts, others are
        answered in between, whether anything fits or not.
        """
        clock = self.stage.clock

        def later() -> float:
            clock.rightNow += 0.001
            return clock.rightNow

        self.patch(clock, "seconds", later)
        for question in CHOICES:
            for pattern in ("*no*such*,*nothing*", "!*no*such*,*nothing*"):
                self.assertGreater(self.turns(question % pattern), 8, question % pattern)

    def test_stars(self) -> None:
        """
        Patterns with too many stars are refused by a line that says so; names
        are as many as there is room for.
        """
        for question in CHOICES + OTHERS:
            refused = self.stage.get(question % ",".join(f"*x{n}" for n in range(MOST_STARS + 1)))
            self.assertEqual(refused.status, 400, question)
            name = re.search(r"(\w+)=%s", question)
            assert name is not None
            self.assertIn(f"{name[1]}: '*x0,", unescape(refused.text))
            self.assertIn(f" has {MOST_STARS + 1} stars, more than {MOST_STARS}; write ", refused.text)
            self.assertLess(len(refused.text), 3000)
            for pattern in (",".join(f"*x{n}" for n in range(MOST_STARS)), ",".join(f"x{n}" for n in range(1000))):
                if "labels" not in question or "chart_" in question or "*" in pattern:
                    self.assertIn(self.stage.get(question % pattern).status, (200, 404), question)
        many = ",".join(f"x{n}" for n in range(MOST_STARS + 1))
        for name in ("labels", "scope_labels"):
            refused = self.stage.get(f"/api/v3/data?{name}={many}")
            self.assertEqual((refused.status, refused.text.partition(":")[0]), (400, name))

    def test_long_words(self) -> None:
        """
        What a client says of a method is not repeated at length.
        """
        for method in ("x" * 5000, "countif&group_options=" + "x" * 5000, "percentile&group_options=" + "9" * 5000):
            refused = self.stage.get(f"/api/v1/data?chart=system.load&after=-5&group={method}")
            self.assertEqual(refused.status, 400)
            self.assertLess(len(refused.text), 200)
