"""
Tests of charts of series whose values come with their time.
"""

from __future__ import annotations

from math import isfinite
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from netstream.collect.prometheus.board import Board
from netstream.collect.prometheus.points import LONGEST_NAME, About, Kind, Series, chart, kind_of, units
from netstream.db.none import NoneDB
from netstream.hub.hub import Hub
from netstream.model.host import HostInfo
from netstream.model.samples import RESET, SampleBatch

NOW = 1_800_000_000
GAUGE = Series("temp_celsius", (("room", "cellar"),), Kind.GAUGE)
COUNTER = Series("http_requests_total", (("code", "200"), ("method", "get")), Kind.COUNTER)


class BoardCase(SynchronousTestCase):
    """
    A host that hears of series.
    """

    def setUp(self) -> None:
        self.host = Hub(HostInfo("11111111-1111-4111-8111-111111111111", "own"), NoneDB()).local
        self.rows: dict[tuple[str, str], dict[int, float]] = {}
        self.batches: list[SampleBatch] = []
        self.host.subscribe(self._hear)

    def _hear(self, update: Any) -> None:
        if isinstance(update, SampleBatch):
            self.batches.append(update)
            for series, time, value in zip(update.series, update.time, update.value, strict=True):
                if isfinite(value):
                    self.rows.setdefault(update.table[int(series)], {})[int(time) - NOW] = float(value)


class BoardTests(BoardCase):
    """
    What becomes of values.
    """

    def board(self, most: int = 100, every: int = 10) -> Board:
        """
        @return: One whose charts are called C{prometheus_x}.
        """
        return Board(self.host, lambda series: "prometheus_x", "prometheus.plugin", "x", most, every)

    def test_lines(self) -> None:
        """
        No name breaks a line of what is shown of its chart.
        """
        series = Series("temp\n\x1b[1mroom_x", (), Kind.GAUGE)
        made = chart("prometheus_x.y", series, About(), 10, "prometheus.plugin", "x")
        self.assertEqual((made.title, made.family), ("Metric temp \x1b[1mroom_x", "temp_"))

    def test_gauge(self) -> None:
        """
        A gauge is shown as it is, exactly.
        """
        board = self.board()
        board.about["temp_celsius"] = About("gauge", "How warm it is")
        for number, value in enumerate((21.123456789, 1e-9, float("nan"), 5.0)):
            board.take([(GAUGE, value, NOW + number * 10)], NOW + number * 10)
        rows = self.rows["prometheus_x.temp_celsius-room_cellar", "temp_celsius"]
        self.assertEqual(rows, {0: 21.123456789, 10: 1e-9, 30: 5.0})
        chart = self.host.charts["prometheus_x.temp_celsius-room_cellar"]
        self.assertEqual((chart.title, chart.units, chart.family), ("How warm it is", "Celsius", "temp_celsius"))
        self.assertEqual((chart.context, chart.update_every), ("prometheus.temp_celsius", 10))
        self.assertEqual(chart.labels["room"].value, "cellar")
        self.assertEqual(chart.labels["_collect_plugin"].value, "prometheus.plugin")

    def test_counter(self) -> None:
        """
        A counter is shown by its growth a second, over gaps and beginnings too.
        """
        board = self.board()
        for second, value in ((0, 100.0), (10, 150.0), (40, 180.0), (50, 20.0)):
            board.take([(COUNTER, value, NOW + second)], NOW + second)
        rows = self.rows["prometheus_x.http_requests_total-code_200-method_get", "http_requests_total"]
        self.assertEqual(rows, {10: 5.0, 40: 1.0, 50: 2.0})
        self.assertEqual([int(batch.flags[0]) for batch in self.batches], [0, 0, RESET])
        self.assertEqual([int(batch.collected[0]) for batch in self.batches], [150_000, 180_000, 20_000])

    def test_together(self) -> None:
        """
        Buckets and quantiles are dimensions of one chart, and stand together.
        """
        board = self.board()
        series = [
            *(Series("lat_bucket", (("le", le),), Kind.BUCKET) for le in ("0.1", "1", "+Inf")),
            *(Series("rpc", (("a", "b"), ("quantile", q)), Kind.QUANTILE) for q in ("0.5", "0.9")),
        ]
        for number in range(2):
            second = NOW + number * 10
            board.take([(each, 10.0 * number * place, second) for place, each in enumerate(series)], second)
        self.assertEqual([*self.host.charts["prometheus_x.lat_bucket"].dimensions], ["le_0.1", "le_1", "le_+Inf"])
        self.assertEqual([*self.host.charts["prometheus_x.rpc-a_b"].dimensions], ["quantile_0.5", "quantile_0.9"])
        charts = [self.host.table[int(number)][0] for number in self.batches[-1].series]
        self.assertEqual(charts, sorted(charts, key=charts.index))
        self.assertEqual(self.rows["prometheus_x.lat_bucket", "le_+Inf"], {10: 2.0})

    def test_finds_period(self) -> None:
        """
        Where nobody says how often values come, the first two tell, and closer ones correct that.
        """
        board = self.board(every=0)
        for second in (7, 67, 82, 97):
            board.take([(GAUGE, float(second), NOW + second)], NOW + second)
        chart = self.host.charts["prometheus_x.temp_celsius-room_cellar"]
        self.assertEqual(chart.update_every, 15)
        self.assertEqual(self.rows[chart.id, "temp_celsius"], {60: 67.0, 75: 82.0, 90: 97.0})

    def test_time(self) -> None:
        """
        Values that come late fill the past and are no news; those out of order, too old or of the future are left out.
        """
        board = self.board()
        for second in (NOW - 100_000, NOW - 600, NOW - 600, NOW - 700, NOW - 10, NOW + 100):
            board.take([(GAUGE, 1.0, second)], NOW)
        self.assertEqual([(batch.past, len(batch)) for batch in self.batches], [(True, 1), (False, 1)])
        self.assertEqual(board.late, 4)

    def test_bounded(self) -> None:
        """
        Neither series nor what they are called grows without end.
        """
        board = self.board(most=5)
        many = [(Series("m", (("n", str(number)),), Kind.GAUGE), 1.0, NOW) for number in range(20)]
        board.take(many, NOW)
        self.assertEqual((len(board), board.refused), (5, 15))
        board = self.board()
        board.take([(Series("m" * (LONGEST_NAME + 1), (), Kind.GAUGE), 1.0, NOW)], NOW)
        board.take([(Series("m", (("n", "x" * 100_000),), Kind.GAUGE), 1.0, NOW)], NOW)
        self.assertEqual(len(board), 0)
        board.take([(Series("m", tuple((f"n{n}", "x" * 60) for n in range(20)), Kind.GAUGE), 1.0, NOW)], NOW)
        self.assertLessEqual(max(map(len, self.host.charts)), LONGEST_NAME)

    def test_alike(self) -> None:
        """
        Labels that differ only in what ids cannot hold are charts of their own.
        """
        board = self.board()
        board.take([(Series("m", (("p", path),), Kind.GAUGE), 1.0, NOW) for path in ("/a", "_a", "=a")], NOW)
        self.assertEqual(len(self.host.charts), 3)

    def test_forgets(self) -> None:
        """
        A series that is not there any more has no chart, until it comes back.
        """
        board = self.board()
        board.take([(GAUGE, 1.0, NOW), (COUNTER, 1.0, NOW)], NOW)
        board.take([(COUNTER, 2.0, NOW + 100)], NOW + 100)
        board.sweep(NOW + 100, 100)
        chart = "prometheus_x.temp_celsius-room_cellar"
        self.assertTrue(self.host.charts[chart].obsolete)
        board.take([(GAUGE, 2.0, NOW + 110)], NOW + 110)
        self.assertFalse(self.host.charts[chart].obsolete)
        board.end()
        self.assertTrue(all(each.obsolete for each in self.host.charts.values()))


class KindTests(SynchronousTestCase):
    """
    What names tell.
    """

    def test_kinds(self) -> None:
        """
        What a series is, is known by its exporter's word, else by its name.
        """
        for name, labels, declared, kind in (
            ("a_total", {}, "", Kind.COUNTER),
            ("a_total", {}, "gauge", Kind.GAUGE),
            ("a", {}, "counter", Kind.COUNTER),
            ("a", {}, "", Kind.GAUGE),
            ("a_bucket", {"le": "1"}, "histogram", Kind.BUCKET),
            ("a_bucket", {"le": "1"}, "", Kind.BUCKET),
            ("a_count", {}, "histogram", Kind.COUNTER),
            ("a_sum", {}, "summary", Kind.COUNTER),
            ("a", {"quantile": "0.5"}, "summary", Kind.QUANTILE),
            ("a", {"quantile": "0.5"}, "gauge", Kind.GAUGE),
        ):
            with self.subTest(name=name, declared=declared):
                self.assertIs(kind_of(name, labels, declared), kind)

    def test_units(self) -> None:
        """
        Units are those that names end in.
        """
        for name, kind, expected in (
            ("process_cpu_seconds_total", Kind.COUNTER, "seconds/s"),
            ("node_memory_free_bytes", Kind.GAUGE, "bytes"),
            ("http_requests_total", Kind.COUNTER, "requests/s"),
            ("rpc_seconds_count", Kind.COUNTER, "events/s"),
            ("rpc_seconds_sum", Kind.COUNTER, "seconds/s"),
            ("rpc_seconds_bucket", Kind.BUCKET, "observations/s"),
            ("node_load1", Kind.GAUGE, "value"),
        ):
            with self.subTest(name=name):
                self.assertEqual(units(name, kind), expected)
