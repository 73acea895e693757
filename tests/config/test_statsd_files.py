"""
Tests of the files of C{statsd.d}.
"""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from netstream.config import load
from netstream.config.layers import Warnings
from netstream.config.settings import Role
from netstream.config.statsd_files import parse
from netstream.config.synthetic import App, Line, SyntheticChart
from netstream.model.pattern import pattern

TEXT = """\
# a comment
[app]
    name = shop
    metrics = shop.*
    private charts = no
    gaps when not collected = yes
    memory mode = ram
    history = 60
[dictionary]
    m1 = first = one
[orders]
    title = Orders taken
    priority = 91000
    type = stacked
    dimension = shop.a
    dimension = shop.b 'two words' events -3 7 "hidden other"
    dimension = pattern '!shop.x shop.*' pre. median
[app]
    metrics = b
"""


class StatsdFileTests(SynchronousTestCase):
    """
    From text to applications.
    """

    def test_read(self) -> None:
        """
        Everything that a file can say is heeded.
        """
        warnings = Warnings()
        first, second = parse(TEXT, "statsd.d/shop.conf", warnings)
        self.assertEqual(warnings.lines, [])
        self.assertEqual(
            (first.name, first.private, first.gaps, first.file), ("shop", False, True, "statsd.d/shop.conf")
        )
        self.assertEqual(first.names, {"m1": "first = one"})
        self.assertEqual(
            first.charts,
            (
                SyntheticChart(
                    "orders",
                    title="Orders taken",
                    priority=91000,
                    type="stacked",
                    lines=(
                        Line(pattern("shop.a"), True),
                        Line(pattern("shop.b"), True, "two words", "events", -3, 7, True),
                        Line(pattern("!shop.x shop.*"), False, "pre.", "median"),
                    ),
                ),
            ),
        )
        self.assertEqual(second, App(metrics=pattern("b"), file="statsd.d/shop.conf"))

    def test_doubts(self) -> None:
        """
        What makes no sense is said with its place and what is done instead, and all else holds.
        """
        for text, expected in (
            ("[lost]\n", "f:1: [lost]: ignored, because it stands before the first [app]"),
            ("x = y\n", "f:1: x: skipped, because it stands before the first [app]"),
            ("[app]\nnonsense\n", "f:2: [app]: skipped, because it is neither '[section]' nor 'name = value'"),
            ("[app]\nprivate charts = perhaps\n", "f:2: [app] private charts: "),
            ("[app]\ncolour = red\n", "f:2: [app] colour: not known, ignored"),
            ("[app]\n[c]\ncolour = red\n", "f:3: [c] colour: not known, ignored"),
            ("[app]\n[c]\ntype = round\n", "f:3: [c] type: 'round' is none of line, area, stacked; line is used"),
            ("[app]\n[c]\npriority = high\n", "f:3: [c] priority: "),
            ("[app]\n[c]\ndimension = pattern\n", "f:3: [c] dimension: names no metric, ignored"),
            ("[app]\n[c]\ndimension =\n", "f:3: [c] dimension: names no metric, ignored"),
            ("[app]\n[c]\ndimension = m n mode\n", "f:3: [c] dimension: 'mode' is none of last, events, min"),
            ("[app]\n[c]\ndimension = m n last 0\n", "f:3: [c] dimension: '0' is no multiplier or divisor"),
            ("[app]\n[c]\ndimension = m n last 1 x\n", "f:3: [c] dimension: 'x' is no multiplier or divisor"),
        ):
            warnings = Warnings()
            parse(text, "f", warnings)
            self.assertEqual(len(warnings.lines), 1, text)
            self.assertTrue(warnings.lines[0].startswith(expected), warnings.lines[0])

    def test_directories(self) -> None:
        """
        Files are read in the order of their names; one of the user's stands for that which came with the system.
        """
        own, stock = Path(self.mktemp()), Path(self.mktemp())
        for directory, name, app in ((own, "b", "mine"), (stock, "a", "theirs"), (stock, "b", "hidden")):
            (directory / "statsd.d").mkdir(parents=True, exist_ok=True)
            (directory / "statsd.d" / f"{name}.conf").write_text(f"[app]\nname = {app}\n")
        (own / "statsd.d" / "b.txt").write_text("[app]\n")
        (own / "statsd.d" / "c.conf").mkdir()
        settings = load(
            Role.STANDALONE,
            config_dir=own,
            data_dir=own,
            overrides=["plugins/statsd=yes", f"directories/stock config={stock.resolve()}"],
        )
        assert settings.feeds.statsd is not None
        self.assertEqual([app.name for app in settings.feeds.statsd.apps], ["mine", "theirs"])
        self.assertTrue(any("c.conf: cannot be read" in warning for warning in settings.warnings), settings.warnings)
