"""
netstream sends metrics to real receivers, which are killed, stand still and
come back while data flows; what they have is compared with what the node has.
"""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable
from pathlib import Path

from tests.interop.case import InteropTestCase
from tests.interop.peers import NetstreamNode, wait_for
from tests.interop.receivers import (
    CarbonCache,
    CarbonRelay,
    Decoding,
    InfluxDB,
    Points,
    Prometheus,
    Receiver,
    TLSReceiver,
    VictoriaMetrics,
)

CHART = "system.uptime"


class ExportTestCase(InteropTestCase):
    """
    A node that exports each second.
    """

    def receiver(self, kind: type[Receiver]) -> Receiver:
        """
        Start a receiver.
        """
        peer = kind(kind.__name__.lower(), self.directory / kind.__name__.lower())
        self._started(peer)
        return peer

    def exporting(self, targets: dict[str, dict[str, str]], name: str = "ns-export") -> NetstreamNode:
        """
        Start a node with targets.
        """
        options = {
            "exporting:global/enabled": "yes",
            "exporting:global/update every": "1s",
            "exporting:global/send charts matching": CHART,
            "exporting:global/reconnect delay": "1s",
            "exporting:global/send configured labels": "no",
        }
        for section, more in targets.items():
            options |= {f"{section}/enabled": "yes", **{f"{section}/{name}": value for name, value in more.items()}}
        return self.node(
            name,
            role="standalone",
            options=["db/mode=ram", *(f"exporting.conf:{name}={value}" for name, value in options.items())],
        )

    def wait_points(self, read: Callable[[], Points], newer: int = 0, count: int = 3) -> Points:
        """
        Wait until a receiver has some points after a second.
        """

        def enough() -> Points | None:
            found = read()
            return found if sum(second > newer for second in found) >= count else None

        return wait_for(f"{count} points after {newer}", enough, every=0.3)

    def assert_complete(self, node: NetstreamNode, read: Callable[[], Points], *, once: bool = True) -> None:
        """
        A receiver has each second that the node has, with the same value.

        @param once: Nothing came twice.
        """
        found = self.wait_points(read)
        first, last = min(found), max(found)
        (column,) = node.samples(CHART, after=-600).values()
        expected = {second: value for second, value in column.items() if first <= second <= last}
        self.assertEqual(sorted(found), sorted(expected))
        for second, values in found.items():
            for value in values:
                self.assertTrue(math.isclose(value, expected[second], rel_tol=1e-5), (second, value))
            if once:
                self.assertEqual(len(values), 1, second)

    def disturb(self, node: NetstreamNode, receiver: Receiver, *reads: Callable[[], Points], kill: bool) -> None:
        """
        Stop a receiver, let it go on, end it, and start it again, with data
        flowing all the time.

        @param kill: Whether its end is a sudden one.
        """
        for read in reads:
            self.wait_points(read)
        receiver.pause()
        time.sleep(2)  # the time is the disturbance, nothing is waited for
        receiver.go_on()
        now = int(time.time())
        for read in reads:
            self.wait_points(read, now)
        receiver.kill() if kill else receiver.end()
        node.wait_log("points wait until it takes them again")
        time.sleep(2)
        receiver.start()
        now = int(time.time())
        for read in reads:
            self.wait_points(read, now)


class ReceiverTests(ExportTestCase):
    """
    One receiver after the other.
    """

    def test_carbon(self) -> None:
        """
        Graphite's own receiver is killed, and lacks nothing afterwards.
        """
        carbon = self.receiver(CarbonCache)
        node = self.exporting({"graphite:carbon": {"destination": carbon.address}})

        def read() -> Points:
            assert isinstance(carbon, CarbonCache)
            return carbon.points("netdata.ns-export.system.uptime.uptime")

        self.disturb(node, carbon, read, kill=True)
        self.assert_complete(node, read)
        self.assert_stopped(node)

    def test_relay(self) -> None:
        """
        So does a relay that is stopped in good order.
        """
        relay = self.receiver(CarbonRelay)
        node = self.exporting({"graphite:relay": {"destination": relay.address}})

        def read() -> Points:
            assert isinstance(relay, CarbonRelay)
            return relay.points("netdata.ns-export.system.uptime.uptime")

        self.disturb(node, relay, read, kill=False)
        self.assert_complete(node, read, once=False)

    def test_prometheus(self) -> None:
        """
        Prometheus is killed, and has each point once afterwards.
        """
        prometheus = self.receiver(Prometheus)
        node = self.exporting(
            {
                "prometheus_remote_write:real": {
                    "destination": prometheus.address,
                    "remote write URL path": "/api/v1/write",
                }
            }
        )

        def read() -> Points:
            assert isinstance(prometheus, Prometheus)
            return prometheus.points('netdata_system_uptime_seconds_average{dimension="uptime",instance="ns-export"}')

        self.disturb(node, prometheus, read, kill=True)
        self.assert_complete(node, read)
        assert isinstance(prometheus, Prometheus)
        info = prometheus.points('netdata_info{instance="ns-export",application="netstream"}')
        self.assertEqual({value for values in info.values() for value in values}, {1.0})
        self.assertNotIn("given up", node.log())

    def test_influxdb(self) -> None:
        """
        InfluxDB is killed, and has each point once afterwards.
        """
        influx = self.receiver(InfluxDB)
        assert isinstance(influx, InfluxDB)
        wait_for("a database", lambda: influx.query("CREATE DATABASE netdata"))
        node = self.exporting({"influxdb:http:real": {"destination": influx.address}})

        def read() -> Points:
            return influx.points("netdata.system.uptime", "uptime")

        self.disturb(node, influx, read, kill=True)
        self.assert_complete(node, read)

    def test_victoria_metrics(self) -> None:
        """
        VictoriaMetrics takes everything at once, is stopped, and lacks nothing
        of any afterwards.
        """
        victoria = self.receiver(VictoriaMetrics)
        assert isinstance(victoria, VictoriaMetrics)
        node = self.exporting(
            {
                "prometheus_remote_write:vm": {"destination": victoria.address, "url path": "/api/v1/write"},
                "graphite:vm": {"destination": f"127.0.0.1:{victoria.graphite}"},
                "opentsdb:vm": {"destination": f"127.0.0.1:{victoria.opentsdb}", "prefix": "telnet"},
                "opentsdb:http:vm": {"destination": f"127.0.0.1:{victoria.put}", "prefix": "put"},
                "influxdb:vm": {"destination": f"127.0.0.1:{victoria.influx}", "prefix": "lines"},
                "influxdb:http:vm": {"destination": victoria.address, "prefix": "posted"},
            }
        )
        selectors = {
            "{__name__='netdata_system_uptime_seconds_average'}": True,
            "{__name__='netdata.ns-export.system.uptime.uptime'}": False,
            "{__name__='telnet.system.uptime.uptime',host='ns-export'}": False,
            "{__name__='put.system.uptime.uptime',host='ns-export'}": True,
            "{__name__='lines.system.uptime_uptime',host='ns-export'}": False,
            "{__name__='posted.system.uptime_uptime',host='ns-export'}": True,
        }
        reads = {selector: lambda s=selector: victoria.points(s) for selector in selectors}
        self.disturb(node, victoria, *reads.values(), kill=False)
        for selector, read in reads.items():
            with self.subTest(selector=selector):
                self.assert_complete(node, read, once=selectors[selector])

    def test_decoded(self) -> None:
        """
        What takes OpenTelemetry metrics and remote write 2.0 is killed, and lacks nothing of either afterwards.
        """
        receiver = self.receiver(Decoding)
        assert isinstance(receiver, Decoding)
        node = self.exporting(
            {
                "otlp:real": {"destination": receiver.address},
                "prometheus_remote_write:real": {"destination": receiver.address, "remote write version": "2.0"},
            }
        )
        reads = [
            lambda name=name: receiver.points(name)
            for name in ("netdata.system.uptime uptime", "netdata_system_uptime_seconds_average uptime")
        ]
        self.disturb(node, receiver, *reads, kill=True)
        for read in reads:
            # A body whose answer was lost comes twice.
            self.assert_complete(node, read, once=False)
        self.assertNotIn("given up", node.log())


class NodeTests(ExportTestCase):
    """
    What happens to the node.
    """

    def test_killed(self) -> None:
        """
        A node that is killed while the receiver is away sends what waited once
        it is started again.
        """
        relay = self.receiver(CarbonRelay)
        assert isinstance(relay, CarbonRelay)
        node = self.exporting({"graphite:relay": {"destination": relay.address}})

        def read() -> Points:
            return relay.points("netdata.ns-export.system.uptime.uptime")

        self.wait_points(read)
        relay.end()
        node.wait_log("points wait until it takes them again")
        last = max(read())

        def several() -> list[int] | None:
            (column,) = node.samples(CHART, after=-600).values()
            later = [second for second in column if second > last]
            return later if len(later) >= 2 else None

        before = wait_for("some are missed", several)
        folder = Path(node.directory / "data" / "export")
        # So long after its end, at most, an interval is written.
        written = max(before) + 4
        wait_for("they are written", lambda: any(path.stat().st_mtime > written for path in folder.rglob("*.spool")))
        node.kill()
        relay.start()
        node.start()
        found = self.wait_points(read, int(time.time()))
        self.assertEqual([second for second in before if second not in found], [])

    def test_encrypted(self) -> None:
        """
        Over TLS points arrive, if the receiver is who it should be.
        """
        receiver = self.receiver(TLSReceiver)
        assert isinstance(receiver, TLSReceiver)
        place = f"localhost:{receiver.port}:SSL"
        trusting = self.exporting(
            {"graphite:tls": {"destination": place, "CAfile": str(receiver.certificate())}}, "ns-trusting"
        )
        self.wait_points(lambda: receiver.points("netdata.ns-trusting.system.uptime.uptime"))
        trusting.signal(signal.SIGTERM)
        careful = self.exporting({"graphite:tls": {"destination": place}}, "ns-careful")
        careful.wait_log("exporting to .*certificate.*points wait")
        self.assertNotIn("ns-careful", receiver.log())
