"""
HTTP: methods, headers, compression, connections.
"""

import json
import re
from urllib.parse import quote

from attrs import evolve
from twisted.internet.address import IPv4Address, UNIXAddress
from twisted.internet.defer import fail
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IProtocol
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.http import datetimeToString

from netstream.db.messages import Unavailable
from tests.web.stage import CHILD, LOAD, NOW, Stage


class SiteTests(SynchronousTestCase):
    """
    Tests for L{netstream.web.site}.
    """

    def setUp(self) -> None:
        self.stage = Stage()
        self.stage.usual()

    def test_methods(self) -> None:
        """
        Only reading is offered: what would change something is refused with
        the methods there are, and its body is not kept.
        """
        for method in ("POST", "PUT", "DELETE", "PATCH", "TRACE", "NONSENSE"):
            refused = self.stage.get("/api/v1/info", method=method)
            self.assertEqual((refused.status, refused.headers["Allow"]), (405, "GET, HEAD, OPTIONS"), method)
        body = b"x" * 300_000
        for kind in (b"text/plain", b"multipart/form-data; boundary=b", b"application/x-www-form-urlencoded"):
            head = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n"
            (refused,) = self.stage.raw(head % (kind, len(body)) + body)
            self.assertEqual(refused.status, 405)

    def test_slow_request(self) -> None:
        """
        Who drips its first request is cut off after a minute, though it is
        never idle; who has made one is not.
        """
        for first, gone in ((b"", True), (b"GET /api/v1/info HTTP/1.1\r\nHost: localhost\r\n\r\n", False)):
            stage = Stage()
            stage.usual()
            protocol = stage.site.buildProtocol(IPv4Address("TCP", "127.0.0.1", 4711))
            transport = StringTransport()
            protocol.makeConnection(transport)
            protocol.dataReceived(first)
            for byte in b"GET /" + b"x" * 60:
                stage.clock.advance(1)
                if not transport.disconnected:
                    protocol.dataReceived(bytes([byte]))
            self.assertEqual(transport.disconnected, gone)
            protocol.connectionLost(Failure(ConnectionDone()))
            stage.clock.advance(0)
            self.assertEqual(stage.clock.getDelayedCalls(), [])

    def test_options(self) -> None:
        """
        OPTIONS is answered, and opens the node to no other origin.
        """
        answer = self.stage.get("/api/v1/info", method="OPTIONS", Origin="https://elsewhere.example")
        self.assertEqual((answer.status, answer.text), (200, "OK"))
        self.assertIn("x-auth-token", answer.headers["Access-Control-Allow-Headers"])
        self.assertNotIn("Access-Control-Allow-Origin", answer.headers)

    def test_head(self) -> None:
        """
        HEAD gives the headers of GET and no body.
        """
        with_body = self.stage.get("/api/v1/chart?chart=system.load")
        without = self.stage.get("/api/v1/chart?chart=system.load", method="HEAD")
        self.assertEqual((without.status, without.body), (200, b""))
        self.assertEqual(without.headers["Content-Length"], with_body.headers["Content-Length"])

    def test_headers(self) -> None:
        """
        Nobody else's page may read or frame an answer, or make a browser take
        it for something else.
        """
        for target in ("/", "/api/v1/info", "/api/v1/none", "/host/none/", "/none"):
            headers = self.stage.get(target).headers
            self.assertNotIn("Access-Control-Allow-Origin", headers)
            self.assertEqual(headers["X-Content-Type-Options"], "nosniff")
            self.assertIn("default-src 'none'", headers["Content-Security-Policy"])
            self.assertIn("frame-ancestors 'self'", headers["Content-Security-Policy"])
            self.assertIn("Date", headers)
            self.assertNotIn("TwistedWeb", headers["Server"])

    def test_caching(self) -> None:
        """
        What is relative to now is never kept; a window long past may be.
        """
        for target in ("/api/v1/info", "/api/v1/data?chart=system.load&after=-5", "/api/v1/none"):
            headers = self.stage.get(target).headers
            self.assertEqual(headers["Cache-Control"], "no-cache, no-store, must-revalidate")
            self.assertEqual(headers["Pragma"], "no-cache")
        self.stage.clock.advance(7200)
        past = self.stage.get(f"/api/v1/data?chart=system.load&after={NOW - 60}&before={NOW}").headers
        self.assertEqual(past["Cache-Control"], "public, max-age=3600")
        self.assertEqual(past["Expires"], datetimeToString(NOW + 10800).decode())

    def test_after_a_bad_request(self) -> None:
        """
        What follows a request that is none, as TLS delivers it, is not read.
        """
        for bad in (b"GET /x\r\n", b"nonsense\r\n", b"GET / HTTP/1.1\r\n x\r\n\r\n"):
            protocol, transport = self.stage.connect()
            protocol.dataReceived(bad)
            protocol.dataReceived(b"\r\nmore\r\n\r\n")
            self.assertTrue(transport.value().startswith(b"HTTP/1.1 400 "))
            self.assertTrue(transport.disconnecting)

    def test_typed_targets(self) -> None:
        """
        A target is taken as somebody typed it, with blanks and any letters.
        """
        self.stage.fill(evolve(LOAD, id="disk_space./mnt/Größe ü", name=""), {NOW - 1: [1, 2]})
        typed = "/api/v1/data?chart=disk_space./mnt/Größe ü&after=-1&format=csv&options=seconds&label=a b"
        for line in (f"GET {typed} HTTP/1.1", f"GET {quote(typed, safe='/?&=')} HTTP/1.1", f"HEAD {typed} HTTP/1.0"):
            (answer,) = self.stage.raw(line.encode() + b"\r\nHost: localhost\r\n\r\n")
            self.assertEqual(answer.status, 200, line)
            if line.startswith("GET"):
                self.assertEqual(answer.text.splitlines()[1], f"{NOW - 1},1,2")

    def test_unreadable(self) -> None:
        """
        Who sends what is no request, or too much of one, is told so once.
        """
        long = b"GET /" + b"x" * 20000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"
        for data, status, words in (
            (b"nonsense\r\nmore\r\n\r\n", 400, "no request of HTTP/1.1"),
            (b"GET / HTTP/1.1\r\n x\r\nnonsense\r\n\r\n", 400, "no request of HTTP/1.1"),
            (b"GET /a\tb HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, "no request of HTTP/1.1"),
            (long, 431, "16384 bytes"),
            (b"GET / HTTP/1.1\r\n" + b"Cookie: %b\r\n" % (b"x" * 5000) * 4 + b"\r\n", 431, "16384 bytes"),
            (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 1000 + b"\r\n", 431, "500 headers"),
        ):
            (answer,) = self.stage.raw(data)
            self.assertEqual((answer.status, answer.headers["Connection"]), (status, "close"))
            self.assertIn(words, answer.text)

    def test_kept(self) -> None:
        """
        Who kept a window long past asks whether it is still so, and gets no
        body then; the connection goes on, whoever takes the request apart.
        """
        self.stage.clock.advance(7200)
        target = f"/api/v1/data?chart=system.load&after={NOW - 60}&before={NOW}"
        tag = self.stage.get(target).headers["ETag"]
        head = f"GET {target} HTTP/1.1\r\nHost: localhost\r\n"
        strong = tag.removeprefix("W/")
        for known, status in ((tag, 304), (strong, 304), (f'"x", {tag}', 304), ("*", 304), ('W/"x"', 200)):
            for more in ("", "TE: trailers\r\n"):
                asked = f"{head}{more}If-None-Match: {known}\r\n\r\n".encode()
                first, second = self.stage.raw(asked), self.stage.raw(asked + asked)
                self.assertEqual([answer.status for answer in (*first, *second)], [status] * 3)
                self.assertEqual(first[0].headers["ETag"], tag)
                self.assertEqual(first[0].body == b"", status == 304)
        asked = self.stage.get(target, method="HEAD", If_None_Match=tag)
        self.assertEqual((asked.status, asked.body), (304, b""))
        self.assertEqual(self.stage.get(target, method="HEAD").headers["ETag"], tag)

    def test_gzip(self) -> None:
        """
        Large answers are compressed for those who take it, however large.
        """
        target = "/api/v1/data?chart=disk.sda&after=-600"
        plain = self.stage.get(target)
        packed = self.stage.get(target, Accept_Encoding="deflate, gzip;q=0.5")
        self.assertNotIn("Content-Encoding", plain.headers)
        self.assertEqual(packed.headers["Content-Encoding"], "gzip")
        self.assertEqual(packed.headers["Vary"], "Accept-Encoding, Origin")
        self.assertEqual(packed.body, plain.body)
        self.assertLess(int(packed.headers["Content-Length"]), len(plain.body))
        self.assertNotIn("Content-Encoding", self.stage.get(target, Accept_Encoding="gzip;q=0, br").headers)
        self.assertNotIn("Content-Encoding", self.stage.get("/api/v1/alarms", Accept_Encoding="gzip").headers)
        off = Stage(gzip=False)
        off.usual()
        self.assertNotIn("Content-Encoding", off.get(target, Accept_Encoding="gzip").headers)

    def test_gzip_in_slices(self) -> None:
        """
        An answer of many slices comes out whole.
        """
        stage = Stage()
        stage.usual()
        for number in range(400):
            chart = stage.local.charts["system.load"]
            stage.chart(type(chart)(f"many.c{number}", title="t" * 500, dimensions=chart.dimensions))
        packed = stage.get("/api/v1/charts", Accept_Encoding="gzip")
        self.assertEqual(packed.json()["charts_count"], 403)

    def test_keep_alive(self) -> None:
        """
        Many requests on one connection are answered in order.
        """
        request = b"GET /api/v1/%b HTTP/1.1\r\nHost: localhost\r\n\r\n"
        answers = self.stage.raw(request % b"info" + request % b"none" + request % b"data?chart=system.load")
        self.assertEqual([answer.status for answer in answers], [200, 404, 200])

    def test_keep_alive_of_old(self) -> None:
        """
        A program that speaks HTTP/1.0 and asks for it makes many requests on
        one connection; one that does not ask waits for its end.
        """
        request = b"%b %b HTTP/1.0\r\nConnection: %b\r\n\r\n"
        paths = (b"/api/v1/info", b"/api/v1/none", b"/host/nobody/", b"/api/v1/badge.svg", b"/", b"/metrics")
        for wish in (b"keep-alive", b"Keep-Alive", b"x, keep-alive"):
            for method in (b"GET", b"HEAD", b"OPTIONS", b"POST"):
                protocol, transport = self.stage.connect()
                for path in paths:
                    transport.clear()
                    protocol.dataReceived(request % (method, path, wish))
                    for _ in range(20):
                        self.stage.clock.advance(0)
                    head, _, body = transport.value().partition(b"\r\n\r\n")
                    lines = head.split(b"\r\n")
                    self.assertTrue(lines[0].startswith(b"HTTP/1.0 "), lines[0])
                    self.assertIn(b"Connection: keep-alive", lines)
                    (length,) = (int(line.split()[1]) for line in lines if line.startswith(b"Content-Length: "))
                    self.assertEqual(len(body), 0 if method == b"HEAD" else length)
                    self.assertFalse(transport.disconnecting)
        for wish in (b"close", b"keep-alives"):
            protocol, transport = self.stage.connect()
            protocol.dataReceived(request % (b"GET", b"/api/v1/info", wish))
            self.assertNotIn(b"keep-alive", transport.value())
            self.assertTrue(transport.disconnecting)

    def test_end_of_old(self) -> None:
        """
        An answer that has no length ends with its connection, whatever a
        program that speaks HTTP/1.0 asked for.
        """
        protocol, transport = self.stage.connect()
        protocol.dataReceived(b"GET /api/v1/live?charts=system.load HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        self.assertIn(b"text/event-stream", transport.value())
        self.assertNotIn(b"keep-alive", transport.value())
        protocol.connectionLost(Failure(ConnectionDone()))

    def test_reasons(self) -> None:
        """
        Each status is told with its name, whoever takes the request apart.
        """
        head = "GET /api/v1/info HTTP/1.1\r\nHost: x.example\r\n"
        for more in ("", "TE: trailers\r\n"):
            (got,) = self.stage.raw(f"{head}{more}\r\n".encode())
            self.assertTrue(got.raw.startswith(b"HTTP/1.1 421 Misdirected Request\r\n"), got.raw[:60])

    def test_idle(self) -> None:
        """
        A client that says nothing is cut off after the time that is set, and
        never if that is 0.
        """
        for seconds, cut in ((30, True), (0, False)):
            stage = Stage(idle_timeout=seconds)
            protocol = stage.site.buildProtocol(IPv4Address("TCP", "127.0.0.1", 1))
            assert protocol is not None
            transport = StringTransport(IPv4Address("TCP", "127.0.0.1", 1), IPv4Address("TCP", "127.0.0.1", 1))
            protocol.makeConnection(transport)
            stage.clock.pump([1] * 40)
            self.assertEqual(transport.disconnecting, cut)
            protocol.connectionLost(Failure(ConnectionDone()))

    def test_unix_socket(self) -> None:
        """
        A client on a Unix socket is a local one.
        """
        protocol = self.stage.site.buildProtocol(UNIXAddress(None))
        assert protocol is not None
        transport = StringTransport(UNIXAddress(b"/run/x"), UNIXAddress(None))
        protocol.makeConnection(transport)
        protocol.dataReceived(b"GET /api/v1/alarm_log HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.assertTrue(transport.value().startswith(b"HTTP/1.1 200 "))

    def test_stream_info(self) -> None:
        """
        What children read before they stream comes with its exact length,
        uncompressed, within their limit, whether the host is known or not.
        """
        for guid, status in ((CHILD, 200), ("3" * 8, 404), ("", 404), (CHILD.upper(), 200)):
            found = self.stage.get(f"/api/v3/stream_info?machine_guid={guid}", Accept_Encoding="identity")
            self.assertEqual((found.status, found.json()["status"]), (status, status))
            self.assertIn(b"\r\nContent-Length: %d\r\n" % len(found.body), found.raw)
            self.assertLess(len(found.raw), 8192)
        found = self.stage.get(f"/api/v3/stream_info?machine_guid={CHILD}").json()
        self.assertEqual(
            (found["ingest_type"], found["ingest_status"], found["first_time_s"], found["last_time_s"]),
            ("child", "online", NOW - 600, NOW),
        )
        self.assertEqual((found["nodes"], found["receivers"]), (2, 1))

    def test_stream_info_states(self) -> None:
        """
        A child learns that it asks itself, or that it is away.
        """
        local = self.stage.local.info.guid
        found = self.stage.get(f"/api/v3/stream_info?machine_guid={local}").json()
        self.assertEqual((found["ingest_type"], found["db_liveness"]), ("localhost", "live"))
        child = self.stage.hub.get(CHILD)
        assert child is not None
        self.stage.hub.disconnect(child, NOW)
        found = self.stage.get(f"/api/v3/stream_info?machine_guid={CHILD}").json()
        self.assertEqual((found["ingest_type"], found["db_liveness"]), ("archived", "stale"))

    def test_broken(self) -> None:
        """
        An error of ours is one refused request and one failure in the log,
        without its inside in the answer.
        """
        self.stage.hub.local.charts = {"x": object()}  # type: ignore[dict-item]
        answer = self.stage.get("/api/v1/charts")
        self.assertEqual(answer.status, 500)
        self.assertNotIn("object", answer.text)
        self.assertEqual(len(self.flushLoggedErrors(AttributeError)), 1)

    def test_no_worker(self) -> None:
        """
        What is asked of a worker that does not run just now is refused for a
        while, which is no error of ours; all nodes are shown all the same.
        """

        def bounds(node: str, charts: object = None) -> object:
            return fail(Unavailable("worker 1 does not run just now"))

        self.patch(self.stage.hub.local.db, "bounds", bounds)
        answer = self.stage.get("/api/v1/charts")
        self.assertEqual(answer.status, 503)
        self.assertIn("worker 1 does not run just now", answer.text)
        child = self.stage.hub.find("web1")
        assert child is not None
        self.patch(child.db, "bounds", bounds)
        self.stage.hub.disconnect(child, NOW - 2)
        child.latest.forget(range(len(child.latest.time)))
        for path in ("overview", "node_instances"):
            answer = self.stage.get(f"/api/v3/{path}")
            self.assertEqual((answer.status, len(answer.json()["nodes"])), (200, 2), path)
        self.assertEqual(self.stage.get("/api/v3/overview").json()["nodes"][1]["newest"], NOW - 2)
        self.assertEqual(self.stage.get("/api/v3/data?after=-10&contexts=*").status, 200)

    def tire(self, seconds: float = 0.001) -> None:
        """
        Let all that is done take so long between two looks at the clock.
        """
        clock = self.stage.clock

        def later() -> float:
            clock.rightNow += seconds
            return clock.rightNow

        self.patch(clock, "seconds", later)

    def turn(self) -> None:
        """
        Let calls that are due be made once, as a reactor does in a turn.
        """
        clock = self.stage.clock
        for call in [call for call in clock.getDelayedCalls() if call.getTime() <= clock.rightNow]:
            clock.calls.remove(call)
            call.func(*call.args)

    def connect(self) -> tuple[IProtocol, StringTransport]:
        """
        @return: A connection and what it says.
        """
        address = IPv4Address("TCP", "127.0.0.1", 1)
        protocol, transport = self.stage.site.buildProtocol(address), StringTransport(address, address)
        assert protocol is not None
        protocol.makeConnection(transport)
        return protocol, transport

    def test_many_at_once(self) -> None:
        """
        Of many who ask in one turn of the reactor some are answered in it, and
        the others later, in their order; who has left is not.
        """
        for path in (b"/api/v1/info", b"/"):  # one that is plain, and one that is left to Twisted
            connections = [self.connect() for _ in range(40)]
            self.tire()
            for protocol, _ in connections:
                protocol.dataReceived(b"GET %b HTTP/1.1\r\nHost: localhost\r\n\r\n" % path)
            answered = [bool(transport.value()) for _, transport in connections]
            first = answered.index(False)
            self.assertTrue(0 < first < 20 and not any(answered[first:]), answered)
            self.assertEqual({transport.producerState for _, transport in connections[first:]}, {"paused"})
            connections[-1][0].connectionLost(Failure(ConnectionDone()))
            turns = 0
            while not all(transport.value() for _, transport in connections[:-1]):
                self.turn()
                turns += 1
                now = [bool(transport.value()) for _, transport in connections[:-1]]
                self.assertEqual(now, sorted(now, reverse=True))
                self.assertLess(sum(now) - sum(answered), 20)
                self.assertLess(turns, 100)
                answered = now
            self.assertGreater(turns, 3)
            self.stage.clock.advance(0)
            self.assertEqual(connections[-1][1].value(), b"")
            self.assertEqual({transport.producerState for _, transport in connections[:-1]}, {"producing"})

    def test_many_in_one_piece(self) -> None:
        """
        Many requests that one client sends at once are answered in several
        turns as well, in their order, whoever takes them apart.
        """
        for path in (b"/api/v1/alarms?%d", b"/%d"):
            protocol, transport = self.connect()
            self.tire()
            asked = b"".join(b"GET %b HTTP/1.1\r\nHost: localhost\r\n\r\n" % (path % n) for n in range(40))
            protocol.dataReceived(asked)
            answered = transport.value().count(b"HTTP/1.1 ")
            self.assertTrue(0 < answered < 20, answered)
            turns = 0
            while answered < 40:
                self.turn()
                turns += 1
                now = transport.value().count(b"HTTP/1.1 ")
                self.assertLess(now - answered, 20)
                self.assertLess(turns, 100)
                answered = now
            self.assertGreater(turns, 3)
            self.stage.clock.advance(0)
            self.assertEqual(transport.producerState, "producing")
            if path == b"/%d":
                places = [int(place) for place in re.findall(rb"accessible: (\d+)", transport.value())]
                self.assertEqual(places, [*range(40)])

    def test_unread_answers(self) -> None:
        """
        Who asks again and again and reads nothing gets no more answers until
        what was said is read; then all come, in their order.
        """
        for path in (b"/api/v1/alarm_log?last=%d", b"/api/v1/charts?%d", b"/%d"):
            protocol, transport = self.connect()
            asked = b"".join(b"GET %b HTTP/1.1\r\nHost: localhost\r\n\r\n" % (path % n) for n in range(1, 61))
            written, write = [0], transport.write

            def counted(
                data: bytes, written: list[int] = written, write: object = write, client: object = protocol
            ) -> None:
                written[0] += len(data)
                write(data)  # type: ignore[operator]
                if written[0] > 500:  # of bodies, as Twisted writes heads another way
                    client.pauseProducing()  # type: ignore[attr-defined]

            transport.write = counted
            protocol.dataReceived(asked[:2000])
            for begin in range(2000, len(asked), 700):
                protocol.dataReceived(asked[begin : begin + 700])
            for _ in range(50):
                self.stage.clock.advance(0)
            few = transport.value().count(b"HTTP/1.1 ")
            self.assertTrue(0 < few < 20, few)
            for _ in range(100):
                written[0] = 0
                protocol.resumeProducing()
                for _ in range(20):
                    self.stage.clock.advance(0)
            self.assertEqual(transport.value().count(b"HTTP/1.1 "), 60)
            if path == b"/%d":
                places = [int(place) for place in re.findall(rb"accessible: (\d+)", transport.value())]
                self.assertEqual(places, [*range(1, 61)])

    def test_rest_waits(self) -> None:
        """
        What is said while a connection waits for its turn is read after what
        was said before.
        """
        connections = [self.connect() for _ in range(40)]
        self.tire()
        for protocol, _ in connections:
            protocol.dataReceived(b"GET /api/v1/info HTTP/1.1\r\nHost: localhost\r\n\r\nGET /api/v1/chart?")
            protocol.dataReceived(b"chart=system.load HTTP/1.1\r\nHost: localhost\r\n\r\n")
        for _ in range(200):
            self.stage.clock.advance(0)
        for _, transport in connections:
            self.assertEqual(transport.value().count(b"HTTP/1.1 200 OK"), 2)
            self.assertIn(b'"id": "system.load"', transport.value().split(b"HTTP/1.1 200 OK")[2])

    def test_client_leaves(self) -> None:
        """
        A client that leaves while its answer is made leaves no error behind.
        """
        chart = self.stage.local.charts["system.load"]
        for number in range(500):
            self.stage.chart(type(chart)(f"many.c{number}", dimensions=chart.dimensions))
        protocol = self.stage.site.buildProtocol(IPv4Address("TCP", "127.0.0.1", 1))
        assert protocol is not None
        transport = StringTransport(IPv4Address("TCP", "127.0.0.1", 1), IPv4Address("TCP", "127.0.0.1", 1))
        protocol.makeConnection(transport)
        self.tire()
        protocol.dataReceived(b"GET /api/v1/charts HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.assertEqual(transport.value(), b"")
        protocol.connectionLost(Failure(ConnectionDone()))
        for _ in range(20):
            self.stage.clock.advance(0)
        self.assertEqual(transport.value(), b"")

    def test_strict_json(self) -> None:
        """
        All that is JSON is strict.
        """
        targets = ("info", "charts", "chart?chart=system.load", "contexts", "context?context=disk.io", "alarms",
                   "alarms?all", "alarms?active", "alarms_values", "alarm_count", "alarm_log",
                   "data?chart=system.load", "data?context=*&options=jsonwrap", "allmetrics?format=json")  # fmt: skip
        for target in targets:
            for prefix in ("", "/host/web1", f"/host/{CHILD}"):
                answer = self.stage.get(f"{prefix}/api/v1/{target}")
                self.assertIn(answer.status, (200, 404), target)
                if answer.status == 200:
                    self.assertEqual(answer.headers["Content-Type"], "application/json; charset=utf-8")
                    json.dumps(answer.json(), allow_nan=False)
