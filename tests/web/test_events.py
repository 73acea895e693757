"""
New samples as they come.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from attrs import evolve
from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from netstream.model.chart import Dimension
from netstream.turns import ENOUGH
from netstream.web.events import EVERY, MOST_CHARTS, MOST_STREAMS, QUIET
from tests.web.stage import CHILD, CPU, LOAD, NOW, Stage


class Page:
    """
    A browser that listens.
    """

    def __init__(self, stage: Stage, target: str) -> None:
        self.stage = stage
        self.protocol = stage.site.buildProtocol(IPv4Address("TCP", "127.0.0.1", 4321))
        self.transport = StringTransport(IPv4Address("TCP", "127.0.0.1", 19999), IPv4Address("TCP", "127.0.0.1", 4321))
        self.protocol.makeConnection(self.transport)
        self.protocol.dataReceived(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())

    def heard(self, seconds: float = 1.0) -> list[tuple[str, Any]]:
        """
        @return: Name and data of the events of the next seconds.
        """
        self.transport.clear()
        for _ in range(int(seconds / EVERY)):
            self.stage.clock.advance(EVERY)
        found = []
        for block in self.transport.value().decode().split("\n\n"):
            if "event: " in block:
                name, data = block.split("event: ")[1].split("\ndata: ")
                found.append((name, json.loads(data)))
        return found

    def leave(self) -> None:
        """
        The tab is closed.
        """
        self.protocol.connectionLost(Failure(ConnectionDone()))


class Slow(Page):
    """
    One that takes long to be told of something.
    """

    def __init__(self, stage: Stage, name: str, told: list[str]) -> None:
        super().__init__(stage, "/api/v1/live?charts=system.load")
        stage.clock.advance(EVERY)
        send = self.transport.writeSequence

        def write(data: Iterable[bytes]) -> None:
            data = list(data)
            send(data)
            if b"event: samples" in b"".join(data):
                told.append(name)
                stage.clock.rightNow += 2 * ENOUGH

        self.transport.writeSequence = write  # type: ignore[assignment]


class EventsTests(SynchronousTestCase):
    """
    Tests for L{netstream.web.events}.
    """

    def setUp(self) -> None:
        self.stage = Stage()
        self.stage.usual()

    def open(self, target: str = "/api/v1/live?charts=system.load%0Asystem.cpu") -> Page:
        """
        A page begins to listen, and has heard what there is.
        """
        page = Page(self.stage, target)
        self.addCleanup(page.leave)
        page.heard()
        return page

    def test_spread(self) -> None:
        """
        Pages that are opened at once are not all told in one turn of the
        reactor, nor are they after the node stood still for a while.
        """
        for _ in range(20):
            page = Page(self.stage, "/api/v1/live?charts=system.load")
            self.addCleanup(page.leave)

        def crowd() -> int:
            turns = [call.getTime() for call in self.stage.clock.getDelayedCalls() if call.func.__name__ == "_look"]
            self.assertEqual(len(turns), 20)
            return max(sum(first <= turn < first + EVERY / 20 for turn in turns) for first in turns)

        self.assertLessEqual(crowd(), 3)
        self.stage.clock.advance(7.3)
        self.assertLessEqual(crowd(), 3)

    def test_turns(self) -> None:
        """
        Where it takes long to tell pages, all that is due meanwhile is done
        before the rest of them are told; each is told once, and one that is
        closed before its turn is not.
        """
        told: list[str] = []
        pages = [Slow(self.stage, name, told) for name in "abcd"]
        told.clear()
        for page in pages[:3]:
            self.addCleanup(page.leave)
        pages[3].leave()
        self.stage.fill(LOAD, {NOW + 1: [1.5, 2.5]})
        self.stage.clock.callLater(EVERY, told.append, "other")
        self.stage.clock.advance(EVERY)
        self.assertEqual(sorted(told), ["a", "b", "c", "other"])
        self.assertEqual(told.index("other"), 1)

    def test_closed_before_its_turn(self) -> None:
        """
        A page that is closed while it waits for its turn is told nothing.
        """
        told: list[str] = []
        first, second = (Slow(self.stage, name, told) for name in "ab")
        told.clear()
        self.stage.fill(LOAD, {NOW + 1: [1.5, 2.5]})
        self.stage.clock.callLater(EVERY, first.leave)
        self.stage.clock.callLater(EVERY, second.leave)
        self.stage.clock.advance(EVERY)
        self.assertEqual(len(told), 1)

    def test_samples(self) -> None:
        """
        A page hears of each new sample of its charts once, with the values of
        all visible dimensions, and of nothing else.
        """
        page = self.open()
        self.assertEqual([], page.heard())
        self.stage.fill(LOAD, {NOW + 1: [1.5, 2.5]})
        self.stage.fill(evolve(LOAD, id="other.chart", name=""), {NOW + 1: [1.0, 2.0]})
        said = [("samples", {"system.load": [NOW + 1, {"load1": 1.5, "load5": 2.5}]})]
        self.assertEqual(said, page.heard())
        self.stage.fill(CPU, {NOW + 2: [7.0, 93.0]})
        self.assertEqual([("samples", {"system.cpu": [NOW + 2, {"user": 7.0}]})], page.heard())
        self.assertEqual([], page.heard())

    def test_answer(self) -> None:
        """
        The answer is an event stream that no proxy keeps back, and begins with
        what is there.
        """
        page = Page(self.stage, "/api/v1/live?charts=system.load")
        self.addCleanup(page.leave)
        head = page.transport.value().decode()
        self.assertIn("Content-Type: text/event-stream; charset=utf-8", head)
        self.assertIn("X-Accel-Buffering: no", head)
        self.assertIn("Content-Security-Policy: default-src 'none'", head)
        self.assertIn('event: node\ndata: {"online":true}', head)
        self.assertIn("system.load", head)

    def test_other_node(self) -> None:
        """
        Below a child's address its samples come, and a page hears when it
        leaves and returns.
        """
        page = self.open(f"/host/{CHILD}/api/v1/live?charts=system.load")
        child = self.stage.hub.find("web1")
        assert child is not None
        self.stage.fill(evolve(LOAD, priority=7), {NOW + 1: [3.0, 4.0]}, child)
        self.assertEqual([("samples", {"system.load": [NOW + 1, {"load1": 3.0, "load5": 4.0}]})], page.heard())
        self.stage.hub.disconnect(child, NOW)
        self.assertEqual([("node", {"online": False})], page.heard())
        self.stage.child()
        self.assertEqual([("node", {"online": True})], page.heard())

    def test_changed_chart(self) -> None:
        """
        A dimension that is new is told from then on; a chart that appears
        later as well.
        """
        page = self.open("/api/v1/live?charts=system.load%0Aapp.later")
        more = evolve(LOAD, dimensions=LOAD.dimensions | {"load15": Dimension("load15")})
        self.stage.fill(more, {NOW + 1: [1.0, 2.0, 3.0]})
        self.stage.fill(evolve(LOAD, id="app.later", name=""), {NOW + 1: [5.0, 6.0]})
        self.assertEqual(
            [
                (
                    "samples",
                    {
                        "system.load": [NOW + 1, {"load1": 1.0, "load5": 2.0, "load15": 3.0}],
                        "app.later": [NOW + 1, {"load1": 5.0, "load5": 6.0}],
                    },
                )
            ],
            page.heard(),
        )

    def test_gap(self) -> None:
        """
        A gap is told as no value.
        """
        page = self.open("/api/v1/live?charts=system.load")
        self.stage.fill(LOAD, {NOW + 1: [float("nan"), 2.0]})
        self.assertEqual([("samples", {"system.load": [NOW + 1, {"load1": None, "load5": 2.0}]})], page.heard())

    def test_slow(self) -> None:
        """
        For a page that does not read, nothing piles up; later it hears the
        newest.
        """
        page = self.open("/api/v1/live?charts=system.load")
        producer = page.transport.producer
        assert producer is not None
        producer.pauseProducing()
        for second in range(1, 6):
            self.stage.fill(LOAD, {NOW + second: [float(second), 0.0]})
            self.assertEqual([], page.heard())
        producer.resumeProducing()
        self.assertEqual([("samples", {"system.load": [NOW + 5, {"load1": 5.0, "load5": 0.0}]})], page.heard())

    def test_quiet(self) -> None:
        """
        Where nothing happens, the connection is kept by lines without
        meaning; when the page is gone, nothing goes on.
        """
        page = self.open("/api/v1/live?charts=no.such")
        self.assertEqual([], page.heard(QUIET + 1))
        self.assertIn(b":\n\n", page.transport.value())
        page.leave()
        self.assertEqual([], self.stage.clock.getDelayedCalls())

    def test_limits(self) -> None:
        """
        A page cannot ask for too much, nor can there be too many of them; one
        that leaves makes room.
        """
        many = "%0A".join(f"c.{number}" for number in range(MOST_CHARTS + 1))
        self.assertEqual(400, self.stage.get(f"/api/v1/live?charts={many}").status)
        self.assertEqual(400, self.stage.get("/api/v1/live").status)
        pages = [Page(self.stage, "/api/v1/live?charts=system.load") for _ in range(MOST_STREAMS)]
        refused = self.stage.get("/api/v1/live?charts=system.load")
        self.assertEqual((503, "60"), (refused.status, refused.headers["Retry-After"]))
        for page in pages:
            page.leave()
        page = self.open("/api/v1/live?charts=system.load")
        self.stage.fill(LOAD, {NOW + 1: [1.0, 1.0]})
        self.assertEqual(1, len(page.heard()))
