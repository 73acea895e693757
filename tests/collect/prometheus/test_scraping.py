"""
Tests of exporters that are scraped.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, execute
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.task import Clock
from twisted.logger import LogEvent, formatEvent, globalLogPublisher
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.client import ResponseDone
from twisted.web.http_headers import Headers

from netstream.collect.prometheus import fetching
from netstream.collect.prometheus.exposition import Page, read
from netstream.collect.prometheus.fetching import Fetched, headers
from netstream.collect.prometheus.points import Kind, Series
from netstream.collect.prometheus.scraping import Scraper, _read
from netstream.config.feeds import ScrapeTarget
from netstream.model.pattern import pattern
from tests.collect.prometheus.test_board import NOW, BoardCase

TARGET = ScrapeTarget("x", "http://127.0.0.1:9100/metrics")
PAGE = """# HELP http_requests_total All of them.
# TYPE http_requests_total counter
http_requests_total{method="post",code="200"} %d 1395066363000
http_requests_total{method="get",code="404"} 3
# TYPE lat histogram
lat_bucket{le="0.1"} 3
lat_bucket{le="+Inf"} 5
lat_sum 1.2
lat_count 5
# TYPE rpc summary
rpc{quantile="0.5"} 4.7
rpc_count 2
# TYPE temp gauge
temp{a="x\\"y"} -7.5
untyped 4
"""


class ExpositionTests(SynchronousTestCase):
    """
    What is taken of a page.
    """

    def names(self, page: Page) -> list[tuple[str, Kind]]:
        """
        @return: Name and kind of each series.
        """
        return [(series.name, series.kind) for series, _ in page.points]

    def test_plain(self) -> None:
        """
        All kinds of metrics are told apart.
        """
        page = read(PAGE % 7, "text/plain; version=0.0.4", TARGET)
        self.assertEqual(
            self.names(page),
            [
                ("http_requests_total", Kind.COUNTER),
                ("http_requests_total", Kind.COUNTER),
                ("lat_bucket", Kind.BUCKET),
                ("lat_bucket", Kind.BUCKET),
                ("lat_sum", Kind.COUNTER),
                ("lat_count", Kind.COUNTER),
                ("rpc", Kind.QUANTILE),
                ("rpc_count", Kind.COUNTER),
                ("temp", Kind.GAUGE),
                ("untyped", Kind.GAUGE),
            ],
        )
        self.assertEqual(page.points[0][1], 7.0)
        self.assertEqual(page.about["http_requests_total"].help, "All of them.")

    def test_open_metrics(self) -> None:
        """
        OpenMetrics is read as such; when a counter was made is no metric.
        """
        text = "# TYPE a counter\n# HELP a Of a.\na_total 5\na_created 1\n"
        text += "# TYPE t_seconds gauge\n# UNIT t_seconds seconds\n"
        page = read(f"{text}t_seconds 2\n# EOF\n", "application/openmetrics-text; version=1.0.0", TARGET)
        self.assertEqual(self.names(page), [("a_total", Kind.COUNTER), ("t_seconds", Kind.GAUGE)])
        self.assertEqual(page.about["t_seconds"].unit, "seconds")
        self.assertRaises(ValueError, read, text, "application/openmetrics-text", TARGET)

    def test_relabelled(self) -> None:
        """
        Patterns choose metrics, series by the value of a label, and labels; others are added.
        """
        target = ScrapeTarget(
            "x",
            "http://x/",
            metrics=pattern("!lat* http*"),
            labels=pattern("!method *"),
            wanted={"code": pattern("2*")},
            added={"site": "cellar"},
        )
        page = read(PAGE % 7, "", target)
        expected = Series("http_requests_total", (("code", "200"), ("site", "cellar")), Kind.COUNTER)
        self.assertEqual(page.points, [(expected, 7.0)])

    def test_doubled(self) -> None:
        """
        Series that are one without the labels that are left out count once.
        """
        page = read(PAGE % 7, "", ScrapeTarget("x", "http://x/", metrics=pattern("http*"), labels=pattern("")))
        self.assertEqual((len(page.points), page.doubled), (1, 1))

    def test_bounded(self) -> None:
        """
        No more series are taken than the target says.
        """
        page = read(PAGE % 7, "", ScrapeTarget("x", "http://x/", most_series=4))
        self.assertEqual((len(page.points), page.excess), (4, 6))

    def test_nonsense(self) -> None:
        """
        What is no such page is refused, whatever the parser stumbles on.
        """
        for body in (b"<html>{", b"a{ 1", b"a{b=} 1", b"\xff\xfe 1", b"a 1 2 3 4 x", b'a{b="c} 1\n', b"\0"):
            with self.subTest(body=body):
                try:
                    page = _read(Fetched(body, ""), TARGET)
                except ValueError:
                    continue
                self.assertLessEqual(len(page.points), 1)


class Response:
    """
    An answer over HTTP.
    """

    def __init__(self, body: bytes, code: int = 200) -> None:
        self.body = body
        self.code = code
        self.headers = Headers({"Content-Type": ["text/plain"]})

    def deliverBody(self, protocol: Any) -> None:
        """
        Give it (called by the scraper).
        """
        protocol.makeConnection(self)
        for at in range(0, len(self.body), 1000):
            protocol.dataReceived(self.body[at : at + 1000])
        protocol.connectionLost(Failure(ResponseDone()))

    def abortConnection(self) -> None:
        """
        Called when it is too long.
        """


class Exporter:
    """
    Answers requests.

    @ivar answer: Gives a response, or raises.
    """

    def __init__(self) -> None:
        self.count = 0
        self.answer: Callable[[], Response] | None = None
        self.waiting: list[Deferred[Any]] = []

    def request(self, method: bytes, uri: bytes, headers: Headers, body: None) -> Deferred[Any]:
        """
        Ask (called by the scraper).
        """
        self.count += 1
        if self.answer is None:
            self.waiting.append(Deferred())
            return self.waiting[-1]
        return execute(self.answer)


class ScraperTests(BoardCase):
    """
    What is scraped becomes samples.
    """

    def setUp(self) -> None:
        super().setUp()
        self.clock = Clock()
        self.clock.advance(NOW)
        self.exporter = Exporter()
        self.messages: list[str] = []
        globalLogPublisher.addObserver(self._log)
        self.addCleanup(globalLogPublisher.removeObserver, self._log)

    def _log(self, event: LogEvent) -> None:
        self.messages.append(formatEvent(event))

    def scrape(self, target: ScrapeTarget = TARGET) -> Scraper:
        """
        Begin.
        """
        scraper = Scraper(self.host, target, self.clock, self.exporter, lambda page: execute(_read, page, target))
        scraper.startService()
        self.addCleanup(lambda: scraper.running and scraper.stopService())
        return scraper

    def page(self) -> Response:
        """
        @return: One whose first counter grows by 2 a second.
        """
        return Response((PAGE % ((self.clock.seconds() - NOW) * 2)).encode())

    def test_samples(self) -> None:
        """
        Series have a sample at each look.
        """
        self.exporter.answer = self.page
        self.scrape()
        self.clock.pump([5] * 6)
        self.assertEqual(self.rows["prometheus_x.temp-a_x_y", "temp"], {10: -7.5, 20: -7.5, 30: -7.5})
        rows = self.rows["prometheus_x.http_requests_total-code_200-method_post", "http_requests_total"]
        self.assertEqual(rows, {20: 2.0, 30: 2.0})
        self.assertEqual(self.rows["prometheus_x.lat_bucket", "le_0.1"], {20: 0.0, 30: 0.0})

    def test_down(self) -> None:
        """
        While it does not answer there is a gap, told with one line, and another when it is back.
        """

        def refuse() -> Response:
            raise ConnectionRefusedError(111, "Connection refused")

        self.scrape()
        for answer in (self.page, refuse, refuse, self.page):
            self.exporter.answer = answer
            self.clock.advance(10)
        self.assertEqual(set(self.rows["prometheus_x.untyped", "untyped"]), {10, 40})
        told = [message for message in self.messages if "prometheus:x" in message]
        self.assertEqual(len(told), 2, told)
        self.assertIn("nothing from http://127.0.0.1:9100/metrics: the connection was refused", told[0])
        self.assertIn("is there again", told[1])

    def test_problems(self) -> None:
        """
        Whatever is wrong with an answer is told.
        """
        self.patch(fetching, "LARGEST", 100_000)
        for response, reason in (
            (Response(b"", 503), "status 503"),
            (Response(b"a{b=\n"), "cannot be read"),
            (Response(b"# " + b"x" * 200_000), "MiB"),
        ):
            scraper = self.scrape()
            self.exporter.answer = lambda response=response: response
            self.clock.advance(10)
            self.assertIn(reason, self.messages[-1])
            scraper.stopService()

    def test_slow(self) -> None:
        """
        An answer that takes too long is given up, and it is not asked twice at once.
        """
        self.scrape(ScrapeTarget("x", "http://x/", timeout=25.0))
        self.clock.pump([10] * 3)
        self.assertEqual(self.exporter.count, 1)
        self.clock.advance(5)
        self.assertIn("no answer within 25 s", self.messages[-1])
        self.clock.advance(5)
        self.assertEqual(self.exporter.count, 2)

    def test_stop(self) -> None:
        """
        When it has stopped its charts are not current, and nothing is left that waits.
        """
        self.exporter.answer = self.page
        scraper = self.scrape()
        self.clock.advance(10)
        self.exporter.answer = None
        self.clock.advance(10)
        scraper.stopService()
        self.assertTrue(all(chart.obsolete for chart in self.host.charts.values()))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_credentials(self) -> None:
        """
        It says who it is, as the target wants it.
        """
        basic = headers(ScrapeTarget("x", "https://x/", username="me", password="it"))
        self.assertEqual(basic.getRawHeaders("Authorization"), ["Basic bWU6aXQ="])
        bearer = headers(ScrapeTarget("x", "https://x/", token="t"))
        self.assertEqual(bearer.getRawHeaders("Authorization"), ["Bearer t"])
