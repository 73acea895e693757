"""
Tests of what becomes of metrics.
"""

from __future__ import annotations

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from netstream.collect.statsd import metrics as module
from netstream.collect.statsd.lines import Kind
from netstream.collect.statsd.metrics import MOST_KNOWN, Metrics
from netstream.config.feeds import StatsdSettings
from netstream.model.pattern import pattern

SETTINGS = StatsdSettings()


class MetricsTests(SynchronousTestCase):
    """
    What lines add up to.
    """

    def collected(self, *packets: str, settings: StatsdSettings = SETTINGS) -> dict[str, dict[str, float]]:
        """
        @return: Values by name of the metric and dimension.
        """
        self.metrics = Metrics(settings)
        for packet in packets:
            self.metrics.take(packet.encode())
        return {name.decode(): {**metric.collect()} for (_, name), metric in self.metrics.metrics.items()}

    def test_gauge(self) -> None:
        """
        A gauge is what it was told last; with a sign it changes.
        """
        found = self.collected("a:10|g\nb:1|g\na:+5|g\nb:2|g", "a:-7|g|@0.5\nb:1|g\nb:-0.5|g", "c:+3|g\nb:+0.5|g\n")
        self.assertEqual(found, {"a": {"gauge": 1.0}, "b": {"gauge": 1.0}, "c": {"gauge": 3.0}})

    def test_counts(self) -> None:
        """
        Counters and meters add up, by more where only some were sent.
        """
        found = self.collected("a:1|c\na:1|c\na:4|c|@0.1\na|c\na:2:3|c", "a:|c\nm:2|m\nm\nm:5", "a:0.5|c\na:-1|c")
        self.assertEqual(found, {"a": {"counter": 48.5}, "m": {"meter": 8.0}})

    def test_distribution(self) -> None:
        """
        Of histograms and timers the usual figures are shown, until the next collection.
        """
        found = self.collected("a:5|h\na:7|h\na:9.5|h", "\n".join(f"b:{each}|ms" for each in range(1, 101)), "c:-4|h")
        self.assertEqual({name: round(value, 3) for name, value in found["a"].items()}, {
            "min": 5.0, "max": 9.5, "average": 7.167, "95.0%": 7.0, "median": 7.0, "stddev": 1.841,
        })  # fmt: skip
        self.assertEqual([found["b"][name] for name in ("min", "max", "95.0%", "median")], [1.0, 100.0, 95.0, 50.5])
        self.assertEqual(set(found["c"].values()), {-4.0, 0.0})
        again = self.metrics.metrics[Kind.HISTOGRAM, b"a"].collect()
        self.assertEqual(set(again.values()), {0.0})

    def test_sampled_distribution(self) -> None:
        """
        A value that stands for several weighs as much.
        """
        found = self.collected("a:1|h|@0.25\na:9|h", settings=evolve(SETTINGS, percentile=50.0))["a"]
        self.assertEqual((found["average"], found["median"], found["50.0%"]), (2.6, 1.0, 1.0))
        self.assertAlmostEqual(found["stddev"], 3.2)

    def test_set(self) -> None:
        """
        A set counts different texts, anew after each collection.
        """
        found = self.collected("a:x|s\na:y|s\na:x|s\na:x|s|@0.1")
        self.assertEqual(found, {"a": {"set": 2.0}})
        self.metrics.take(b"a:x|s")
        self.assertEqual(self.metrics.metrics[Kind.SET, b"a"].collect(), {"set": 1.0})

    def test_dictionary(self) -> None:
        """
        A dictionary counts each text; those that are too many together.
        """
        found = self.collected("a:x|d\na:y|d\na:x|d|@0.5\na:z z|d\na:z=z|d", settings=evolve(SETTINGS, most_texts=2))
        self.assertEqual(found, {"a": {"x": 2.0, "y": 1.0, "other": 2.0}})

    def test_same_name(self) -> None:
        """
        A name that is used for several kinds is as many metrics.
        """
        found = self.collected("a:1|c\na:7|g")
        self.assertEqual(len(self.metrics.metrics), 2)
        self.assertEqual(found, {"a": {"gauge": 7.0}})

    def test_bad_lines(self) -> None:
        """
        Bad lines harm no others, make no metric, and are counted.
        """
        found = self.collected("a:1|c\n\n  \r\na:x|c\nb:x|c\r\nnonsense|x\na:1|c\r\n")
        self.assertEqual(found, {"a": {"counter": 2.0}})
        self.assertEqual((self.metrics.lines, self.metrics.unread), (2, 3))
        self.assertTrue(all(self.metrics.bad))

    def test_selected(self) -> None:
        """
        Only metrics that the pattern selects are kept.
        """
        settings = evolve(SETTINGS, private=pattern("!a.secret a.*"))
        self.assertEqual(set(self.collected("a.secret:1|c\na.x:1|c\nb:1|c", settings=settings)), {"a.x"})

    def test_bounded(self) -> None:
        """
        Neither metrics, nor their values, nor what is remembered of lines grows without end.
        """
        self.patch(module, "MOST_KEPT", 100)
        settings = evolve(SETTINGS, most_charts=5)
        names = [f"name{number}" for number in range(MOST_KNOWN * 2)]
        found = self.collected("\n".join(f"{name}:1|c" for name in names), settings=settings)
        self.assertEqual((len(found), self.metrics.refused), (5, len(names) - 5))
        self.collected("\n".join(f"t:{number}|ms\ns:{number}|s" for number in range(1000)))
        self.assertEqual(self.metrics.budget.refused, 1900)
        self.metrics.budget.renew()
        self.metrics.take(b"t:1|ms")
        self.assertEqual(self.metrics.budget.refused, 1900)
