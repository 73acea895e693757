"""
Tests of what a Prometheus writes to a node.
"""

from __future__ import annotations

import cramjam
from twisted.internet.task import Clock
from twisted.logger import LogEvent, formatEvent, globalLogPublisher

from netstream.collect.prometheus import receiving
from netstream.collect.prometheus.receiving import FORGET_AFTER, RemoteWrite
from netstream.config.feeds import WriteSettings
from netstream.model.pattern import pattern
from tests.collect.prometheus.test_board import NOW, BoardCase
from tests.export.schemas import WriteRequest


def request(*series: tuple[dict[str, str], dict[int, float]]) -> bytes:
    """
    @param series: Labels, and values by second since the beginning.
    @return: A request as Prometheus makes it.
    """
    message = WriteRequest()
    for labels, values in series:
        written = message.timeseries.add()
        for name, value in sorted(labels.items()):
            written.labels.add(name=name, value=value)
        for second, value in values.items():
            written.samples.add(value=value, timestamp=round((NOW + second) * 1000))
    return bytes(cramjam.snappy.compress_raw(message.SerializeToString()))


class RemoteWriteTests(BoardCase):
    """
    Requests become charts.
    """

    def setUp(self) -> None:
        super().setUp()
        self.clock = Clock()
        self.clock.advance(NOW)

    def written(self, settings: WriteSettings | None = None) -> RemoteWrite:
        """
        Begin.
        """
        service = RemoteWrite(self.host, settings or WriteSettings(), self.clock)
        service.startService()
        self.addCleanup(lambda: service.running and service.stopService())
        return service

    def test_samples(self) -> None:
        """
        Series become charts of their job, with the times that they were written with.
        """
        service = self.written()
        up = {"__name__": "up", "job": "shop", "instance": "a:1"}
        orders = {"__name__": "orders_total", "job": "shop"}
        service.take(request((up, {-30: 1.0, -15: 1.0}), (orders, {-30: 10.0})))
        service.take(request((up, {0: 0.0}), (orders, {-15: 40.0, 0: 70.0})))
        self.assertEqual(self.rows["prometheus_shop.up-instance_a:1-job_shop", "up"], {-15: 1.0, 0: 0.0})
        self.assertEqual(self.rows["prometheus_shop.orders_total-job_shop", "orders_total"], {-15: 2.0, 0: 2.0})
        self.assertEqual(self.host.charts["prometheus_shop.orders_total-job_shop"].update_every, 15)

    def test_chosen(self) -> None:
        """
        Only metrics and labels that patterns choose are taken.
        """
        service = self.written(WriteSettings(metrics=pattern("a*"), labels=pattern("!x *")))
        service.take(request(({"__name__": "ab", "x": "1", "y": "2"}, {0: 1.0, 1: 1.0}), ({"__name__": "b"}, {0: 1.0})))
        self.assertEqual([*self.host.charts], ["prometheus_written.ab-y_2"])

    def test_stale(self) -> None:
        """
        A series that ends has a gap, and no chart after a while.
        """
        service = self.written()
        up = {"__name__": "up"}
        service.take(request((up, {-15: 1.0, 0: float("nan")})))
        service.take(request((up, {0: 1.0})))
        self.clock.pump([60] * (int(FORGET_AFTER) // 60 + 1))
        self.assertTrue(self.host.charts["prometheus_written.up"].obsolete)
        service.stopService()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_bounded(self) -> None:
        """
        More series than allowed are left out, which is told.
        """
        messages: list[str] = []

        def hear(event: LogEvent) -> None:
            messages.append(formatEvent(event))

        globalLogPublisher.addObserver(hear)
        self.addCleanup(globalLogPublisher.removeObserver, hear)
        self.patch(receiving, "MOST_KNOWN", 10)
        service = self.written(WriteSettings(most_series=3))
        service.take(request(*[({"__name__": f"m{number}"}, {0: 1.0, 1: 2.0}) for number in range(30)]))
        self.assertEqual(len(self.host.charts), 3)
        self.clock.advance(60)
        self.assertIn("54 values were of series that are more than 3", messages[-1])

    def test_nonsense(self) -> None:
        """
        What is no such request is refused, and so is one that grows without end when it is unpacked.
        """
        service = self.written()
        bomb = bytes(cramjam.snappy.compress_raw(bytes(receiving.LARGEST + 1)))
        for body in (b"", b"nonsense", bytes(cramjam.snappy.compress_raw(b"\xff" * 50)), bomb, b"\xff" * 9):
            with self.subTest(body=body[:10]):
                self.assertRaises(ValueError, service.take, body)
        service.take(request(({"job": "nameless"}, {0: 1.0})))
        self.assertEqual(self.host.charts, {})
