"""
Tests of the service that listens for statsd.
"""

from __future__ import annotations

from math import isfinite
from pathlib import Path
from typing import Any

from attrs import evolve
from twisted.internet.address import IPv4Address
from twisted.internet.error import CannotListenError
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.logger import LogEvent, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from netstream.collect.statsd.lines import LONGEST_LINE
from netstream.collect.statsd.service import SOON, Statsd
from netstream.collect.statsd.sockets import Stream, Streams
from netstream.config.feeds import Socket, StatsdSettings
from netstream.config.layers import Warnings
from netstream.config.settings import NodeSettings, Role, Settings
from netstream.config.statsd_files import parse
from netstream.config.synthetic import App
from netstream.db.none import NoneDB
from netstream.hub.hub import Hub
from netstream.model.host import HostInfo
from netstream.model.samples import SampleBatch

GUID = "11111111-1111-4111-8111-111111111111"
START = 1_800_000_000.0
SETTINGS = StatsdSettings((Socket("udp:localhost", "udp", "127.0.0.1", 8125), Socket("tcp", "tcp", "127.0.0.1", 8125)))


class Port:
    """
    Something to listen on.
    """

    def __init__(self, protocol: Any) -> None:
        self.protocol = protocol
        self.closed = False

    def getHost(self) -> IPv4Address:
        """
        @return: Where (called by the service).
        """
        return IPv4Address("UDP", "127.0.0.1", 8125)

    def stopListening(self) -> None:
        """
        Close it (called by the service).
        """
        self.closed = True


class Reactor(MemoryReactorClock):
    """
    Has ports for datagrams, too.
    """

    def __init__(self) -> None:
        super().__init__()
        self.udp: dict[int, Port] = {}

    def listenUDP(self, port: int, protocol: Any, interface: str, most: int) -> Port:
        """
        Listen (called by the service).
        """
        if port in self.udp:
            raise CannotListenError(interface, port, OSError(98, "Address already in use"))
        self.udp[port] = Port(protocol)
        return self.udp[port]


class StatsdTests(SynchronousTestCase):
    """
    From lines to samples.
    """

    def setUp(self) -> None:
        self.reactor = Reactor()
        self.reactor.advance(START)
        self.hub = Hub(HostInfo(GUID, "own"), NoneDB())
        self.rows: dict[tuple[str, str], dict[int, float]] = {}
        self.hub.local.subscribe(self._hear)
        self.messages: list[str] = []
        globalLogPublisher.addObserver(self._log)
        self.addCleanup(globalLogPublisher.removeObserver, self._log)

    def _log(self, event: LogEvent) -> None:
        self.messages.append(formatEvent(event))

    def _hear(self, update: Any) -> None:
        if isinstance(update, SampleBatch):
            for series, time, value in zip(update.series, update.time, update.value, strict=True):
                if isfinite(value):
                    self.rows.setdefault(update.table[int(series)], {})[int(time - START)] = float(value)

    def start(self, **changes: Any) -> Statsd:
        """
        Run it.
        """
        settings = Settings(Role.STANDALONE, Path("/none"), Path("/none"), NodeSettings("own"))
        service = Statsd(self.hub, settings, evolve(SETTINGS, **changes), self.reactor)
        service.startService()
        self.addCleanup(lambda: service.running and service.stopService())
        return service

    def say(self, *packets: str) -> None:
        """
        Send a datagram each second.
        """
        for packet in packets:
            if packet:
                self.reactor.udp[8125].protocol.datagramReceived(packet.encode(), ("127.0.0.1", 7))
            self.reactor.advance(1)

    def values(self, chart: str, dimension: str) -> dict[int, float]:
        """
        @return: Values by second since the beginning.
        """
        return self.rows[chart, dimension]

    def test_charts(self) -> None:
        """
        Each metric is a chart, with all of its values from the first on.
        """
        self.start()
        self.say("g:1.5|g\nc:3|c\nt:7|ms\ns:x|s\nd:x|d", "c:2|c\nd:x|d\nd:y|d", "g:-1|g", "")
        self.assertEqual(self.values("statsd_g.gauge", "gauge"), {1: 1.5, 2: 1.5, 3: 0.5, 4: 0.5})
        self.assertEqual(self.values("statsd_c.counter", "counter"), {1: 3.0, 2: 2.0, 3: 0.0, 4: 0.0})
        self.assertEqual(self.values("statsd_t.timer", "average"), {1: 7.0, 2: 0.0, 3: 0.0, 4: 0.0})
        self.assertEqual(self.values("statsd_s.set", "set"), {1: 1.0, 2: 0.0, 3: 0.0, 4: 0.0})
        self.assertEqual(self.values("statsd_d.dictionary", "x"), {1: 1.0, 2: 1.0, 3: 0.0, 4: 0.0})
        self.assertEqual(sum(self.values("statsd_d.dictionary", "y").values()), 1.0)
        chart = self.hub.local.charts["statsd_s.set"]
        self.assertEqual((chart.units, chart.family, chart.priority), ("entries", "sets", 90000))
        self.assertEqual((chart.plugin, chart.module), ("statsd.plugin", "private_chart"))
        self.assertEqual(chart.dimensions["set"].name, "unique")

    def test_tags(self) -> None:
        """
        Tags say units, family and the name of the dimension.
        """
        self.start(hidden=True)
        self.say("g:1|g|#units:req/s,name:my name,family:mine,other:x")
        chart = self.hub.local.charts["statsd_g.gauge"]
        self.assertEqual((chart.units, chart.family, chart.dimensions["gauge"].name), ("req/s", "mine", "my name"))
        self.assertTrue(chart.hidden)

    def test_huge(self) -> None:
        """
        A number that is larger than samples can be is shown as the largest, and the others go on.
        """
        self.start()
        self.say("g:1e308|g\nl:-1e308|g\nt:1e308:1|ms\nc:1e308|c\nc:1e308|c\nok:1|g", "g:2|g")
        self.assertEqual(self.values("statsd_ok.gauge", "gauge"), {1: 1.0, 2: 1.0})
        self.assertGreater(self.values("statsd_g.gauge", "gauge")[1], 9e15)
        self.assertLess(self.values("statsd_l.gauge", "gauge")[1], -9e15)
        self.assertGreater(self.values("statsd_t.timer", "max")[1], 9e15)
        self.assertEqual(self.values("statsd_g.gauge", "gauge")[2], 2.0)

    def test_gaps(self) -> None:
        """
        Where it is wanted, there is a gap when nothing was heard of a metric.
        """
        self.start(gaps=frozenset({"gauges", "timers"}), events=True)
        self.say("g:1|g\nt:1|ms\ns:x|s", "", "g:2|g", "")
        self.assertEqual(self.values("statsd_g.gauge", "gauge"), {1: 1.0, 3: 2.0})
        self.assertEqual(self.values("statsd_t.timer", "max"), {1: 1.0})
        self.assertEqual(self.values("statsd_s.set", "set"), {1: 1.0, 2: 0.0, 3: 0.0, 4: 0.0})
        self.assertEqual(self.values("statsd_s.set", "events"), {1: 1.0, 2: 0.0, 3: 0.0, 4: 0.0})

    def test_obsolete(self) -> None:
        """
        A metric of which nothing is heard for long has no chart, until it is heard of again.
        """
        self.start(obsolete_after=5)
        self.say("g:1|g\nc:1|c", *["c:1|c"] * 6)
        self.assertTrue(self.hub.local.charts["statsd_g.gauge"].obsolete)
        self.assertFalse(self.hub.local.charts["statsd_c.counter"].obsolete)
        self.say("g:4|g", "")
        self.assertFalse(self.hub.local.charts["statsd_g.gauge"].obsolete)
        self.assertEqual(self.values("statsd_g.gauge", "gauge")[8], 4.0)

    def test_period(self) -> None:
        """
        It collects as often as it shall.
        """
        self.start(update_every=5)
        self.say(*["c:1|c"] * 10)
        self.assertEqual(self.values("statsd_c.counter", "counter"), {5: 1.0, 10: 1.0})

    def test_most(self) -> None:
        """
        As many texts as are allowed have dimensions, also more than a child's chart may have.
        """
        self.start(most_charts=2, most_texts=12_000)
        self.say("\n".join(f"d:{text}|d" for text in range(13_000)))
        self.assertEqual(len(self.hub.local.charts["statsd_d.dictionary"].dimensions), 12_001)
        self.assertFalse([message for message in self.messages if "could not be taken in" in message])

    def test_same_id(self) -> None:
        """
        Names that differ only in what ids cannot hold are charts of their own.
        """
        self.start()
        self.say("a.b:1|g\na_b:2|g\nA.b:3|g")
        self.assertEqual(len(self.hub.local.charts), 3)
        self.assertEqual(sorted(next(iter(rows.values())) for rows in self.rows.values()), [1.0, 2.0, 3.0])

    def test_flood(self) -> None:
        """
        What comes in masses is read at once, and not kept until the next collection.
        """
        service = self.start()
        for _ in range(10):
            service.take(b"c:1|c\n" * (SOON // 10))
        self.assertLess(service._size, SOON)
        self.say("")
        self.assertEqual(self.values("statsd_c.counter", "counter"), {1: float(SOON // 10 * 10)})

    def test_complaints(self) -> None:
        """
        Bad lines and too many metrics are told, not each of them.
        """
        self.start(most_charts=1)
        self.say(*["c:1|c\nc:\x1b[31m|c\nother:1|c"] * 10)
        told = [message for message in self.messages if "statsd: " in message]
        self.assertEqual(len(told), 2, told)
        self.assertIn("1 lines cannot be read, such as 'c:\\x1b[31m|c'", told[0])
        self.assertIn("there are 1 charts already", told[1])

    def test_stop(self) -> None:
        """
        Its charts are not current when it has stopped, and it listens no more.
        """
        service = self.start()
        self.say("g:1|g")
        self.successResultOf(service.stopService())
        self.assertTrue(self.hub.local.charts["statsd_g.gauge"].obsolete)
        self.assertTrue(self.reactor.udp[8125].closed)

    def test_port_in_use(self) -> None:
        """
        Where it cannot listen that is told, and it listens at the other places.
        """
        self.reactor.listenUDP(8125, None, "", 0)
        self.start()
        self.assertTrue(any("[statsd] bind to: udp:localhost: " in message for message in self.messages), self.messages)
        self.assertEqual(len(self.reactor.tcpServers), 1)

    def combined(self, *lines: str, **app: Any) -> App:
        """
        @return: An application C{shop} with one chart C{all}.
        """
        text = "[app]\nname = shop\nmetrics = shop.*\n[all]\n" + "".join(f"dimension = {line}\n" for line in lines)
        return evolve(parse(text, "statsd.d/shop.conf", Warnings())[0], **app)

    def test_synthetic(self) -> None:
        """
        A chart of several metrics has them all from their first values on, also those that come later.
        """
        self.start(apps=(self.combined("shop.c counted", "shop.h all sum", "shop.h lines events", private=False),))
        self.say("shop.h:1:2|h", "shop.c:4|c\nshop.h:5|h", "", "other:1|g")
        self.assertEqual(self.values("shop.all", "shop.h_sum"), {1: 3.0, 2: 5.0, 3: 0.0, 4: 0.0})
        self.assertEqual(self.values("shop.all", "shop.h_events"), {1: 1.0, 2: 1.0, 3: 0.0, 4: 0.0})
        self.assertEqual(sum(self.values("shop.all", "shop.c").values()), 4.0)
        chart = self.hub.local.charts["shop.all"]
        self.assertEqual((chart.module, chart.title, chart.context), ("shop.conf", "Statsd chart", "all"))
        self.assertEqual(chart.dimensions["shop.h_sum"].name, "all")
        self.assertEqual({name for name in self.hub.local.charts if "shop." in name}, {"shop.all"})

    def test_synthetic_gaps(self) -> None:
        """
        If the file says so, a chart has a gap where none of its metrics came, and so have the charts of each.
        """
        self.start(apps=(self.combined("shop.a", "shop.b", gaps=True),))
        self.say("shop.a:1|g\nshop.b:2|g", "shop.a:3|g", "", "shop.b:4|g")
        self.assertEqual(self.values("shop.all", "shop.a"), {1: 1.0, 2: 3.0, 4: 3.0})
        self.assertEqual(self.values("shop.all", "shop.b"), {1: 2.0, 2: 2.0, 4: 4.0})
        self.assertEqual(self.values("statsd_shop.a_gauge", "gauge"), {1: 1.0, 2: 3.0})

    def test_synthetic_ends(self) -> None:
        """
        A metric that is forgotten has no values in the charts of several, and comes again.
        """
        self.start(apps=(self.combined("shop.a", "shop.b"),), obsolete_after=2)
        self.say("shop.a:1|g\nshop.b:2|g", *["shop.b:2|g"] * 3, "shop.a:7|g", "shop.b:2|g")
        self.assertEqual(self.values("shop.all", "shop.a"), {1: 1.0, 2: 1.0, 5: 7.0, 6: 7.0})

    def test_synthetic_limits(self) -> None:
        """
        Metrics that are found go on as dimensions only as long as there is room, which is said once.
        """
        self.start(apps=(self.combined("pattern shop.* ''", private=False),), most_texts=5)
        self.say("\n".join(f"shop.{number}:1|g" for number in range(40)), "shop.x:1|g")
        self.assertEqual(len(self.hub.local.charts["shop.all"].dimensions), 15)
        self.assertEqual(len([each for each in self.messages if "others are left out" in each]), 1)

    def test_synthetic_wrong_kind(self) -> None:
        """
        Of a metric that has no such figure its last value is shown, and that is said.
        """
        self.start(apps=(self.combined("shop.g least min"),))
        self.say("shop.g:3|g")
        self.assertEqual(self.values("shop.all", "shop.g"), {1: 3.0})
        self.assertTrue(any("shop.g is a gauge, which has no min" in each for each in self.messages))

    def test_synthetic_like_names(self) -> None:
        """
        Of two metrics whose names differ only in what ids cannot hold, one is shown.
        """
        self.start(apps=(self.combined("pattern shop.* ''"),))
        self.say("shop.a/b:3|g\nshop.a_b:4|g", "shop.a/b:5|g\nshop.a_b:6|g")
        self.assertEqual(list(self.hub.local.charts["shop.all"].dimensions), ["shop.a_b"])
        self.assertEqual(self.values("shop.all", "shop.a_b"), {1: 3.0, 2: 5.0})

    def test_synthetic_weights(self) -> None:
        """
        A sum counts values that stand for several as often.
        """
        self.start(apps=(self.combined("shop.h all sum"),))
        self.say("shop.h:2|h|@0.1", "shop.h:1:2|h|@0.5", "shop.h:1|h")
        self.assertEqual(self.values("shop.all", "shop.h"), {1: 20.0, 2: 6.0, 3: 1.0})

    def test_synthetic_same_name(self) -> None:
        """
        Of two metrics of one name the gauge is shown, if they come at once.
        """
        self.start(apps=(self.combined("shop.g"),))
        self.say("shop.g:9|c\nshop.g:3|g", "shop.g:9|c")
        self.assertEqual(self.values("shop.all", "shop.g"), {1: 3.0, 2: 3.0})


class StreamTests(SynchronousTestCase):
    """
    Connections.
    """

    def setUp(self) -> None:
        self.taken: list[bytes] = []
        self.streams = Streams(self.taken.append, 600, 2)

    def connect(self) -> tuple[Stream, StringTransport]:
        """
        @return: A connection.
        """
        stream = self.streams.buildProtocol(None)
        assert stream is not None
        self.addCleanup(stream.setTimeout, None)
        transport = StringTransport()
        stream.makeConnection(transport)
        return stream, transport

    def test_lines(self) -> None:
        """
        Lines are whole, however they are cut; the last one need not end.
        """
        stream, _ = self.connect()
        for piece in (b"a:1|c\nb:", b"1", b"|c\nc:1|c\n", b"d:1", b"|c"):
            stream.dataReceived(piece)
        stream.connectionLost()
        self.assertEqual(self.taken, [b"a:1|c", b"b:1|c\nc:1|c", b"d:1|c"])

    def test_endless_line(self) -> None:
        """
        Who never ends a line is cut off.
        """
        stream, transport = self.connect()
        stream.dataReceived(b"x" * (LONGEST_LINE + 1))
        self.assertTrue(transport.disconnected or transport.disconnecting)
        self.assertEqual(self.taken, [])

    def test_most(self) -> None:
        """
        No more clients than allowed are let in, and others when some have left.
        """
        stream, _ = self.connect()
        self.connect()
        self.assertIsNone(self.streams.buildProtocol(None))
        stream.connectionLost()
        self.connect()
