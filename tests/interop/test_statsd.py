"""
statsd beside a real agent.
"""

from __future__ import annotations

import contextlib
import math
import random
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.interop.case import InteropTestCase
from tests.interop.peers import NetstreamNode, Peer, RealAgent, missing, wait_for

PACKETS = (
    "g1:10|g\nc1:3|c\nm1:2|m\nh1:5|h\nh1:7|h\nh1:9.5|h\nt.one:320|ms\nt.one:100|ms\n"
    "s1:a|s\ns1:b|s\ns1:a|s\nd1:x|d\nd1:y|d\nd1:x|d",
    "g1:+5|g\nc1:4|c|@0.1\nm1:1|m\nh2:1|h|@0.5\nt.two:10|ms|@0.1\nd1:z:3|d",
    "g1:-7|g\nd1:x|d|@0.5\nc1|c\nc1:|c\nm1\nm2\nc2:5\n",
    "g1:1.25|g\ng1:-3|g\nc1:4|C\ng2:-2|g\nh3:4|h\nh3:8|h\ns2:c|s|@0.5",
    "tag1:2|g|#units:req,name:hello,family:fam\nA.Bad/na me:4|g\r\neq=1|g\n"
    + "\n".join(f"h21:{number}|h" for number in range(1, 22)),
    "\n".join(f"t101:{number / 4}|ms" for number in range(101)),
)
"""Each timer, histogram and set is in one of them, since what is shown of it depends on what is collected at once."""
SHOWN = (
    "name",
    "type",
    "family",
    "context",
    "title",
    "priority",
    "plugin",
    "module",
    "units",
    "chart_type",
    "update_every",
)


def free_for_both() -> int:
    """
    @return: A port that is free for datagrams and for connections, and not one
        that a system gives to whoever connects somewhere meanwhile.
    """
    low = max(2048, int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0]))
    while True:
        port = random.randrange(max(1024, low - 12000), low)
        datagrams, connections = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), socket.socket()
        with datagrams, connections, contextlib.suppress(OSError):
            for one in (datagrams, connections):
                one.bind(("127.0.0.1", port))
            return port


def wait_bound(port: int) -> None:
    """
    Wait until somebody listens on a port for datagrams: an agent answers
    requests before its thread for statsd has opened it, and what is sent
    before is lost.
    """
    address = f"0100007F:{port:04X}"
    wait_for("it listens", lambda: address in Path("/proc/net/udp").read_text())


class StatsdTests(InteropTestCase):
    """
    What programs send, sent to both.
    """

    def charts(self, peer: Peer) -> dict[str, dict[str, Any]]:
        """
        @return: The charts of statsd, with what is comparable of them.
        """
        return {
            chart_id: {
                **{name: chart[name] for name in SHOWN},
                "dimensions": {each: about["name"] for each, about in sorted(chart["dimensions"].items())},
            }
            for chart_id, chart in peer.charts().items()
            if chart_id.startswith("statsd_")
        }

    def totals(self, peer: Peer, chart: str) -> Mapping[str, float]:
        """
        @return: The sum of all values of each dimension of a chart.
        """
        return {name: round(math.fsum(column.values()), 2) for name, column in peer.samples(chart).items()}

    def wait_shown(self, chart: str, *peers: Peer) -> None:
        """
        Wait until all have values of a chart.
        """
        for peer in peers:
            peer.wait_samples(chart, count=1)

    def test_same(self) -> None:
        """
        Charts are those of a real agent, and so are their values, sent by datagrams and over a connection.
        """
        port = free_for_both()
        bind = f"udp:127.0.0.1:{port} tcp:127.0.0.1:{port}"
        agent = self.agent("agent", statsd={"bind to": bind, "add dimension for number of events received": "yes"})
        node = self.node(
            "node",
            role="standalone",
            options=(
                "plugins/statsd=yes",
                "statsd/bind to=udp:127.0.0.1:0 tcp:127.0.0.1:0",
                "statsd/add dimension for number of events received=yes",
                "db/db=ram",
            ),
        )
        wait_bound(port)
        udp = int(node.wait_log(r"statsd listens on udp 127\.0\.0\.1:(\d+)")[1])
        tcp = int(node.wait_log(r"statsd listens on tcp 127\.0\.0\.1:(\d+)")[1])
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for number, packet in enumerate(PACKETS):
                for one in (port, udp):
                    sender.sendto(f"{packet}\nstep{number}:1|g".encode(), ("127.0.0.1", one))
                self.wait_shown(f"statsd_step{number}.gauge", agent, node)
        for one in (port, tcp):
            with socket.create_connection(("127.0.0.1", one)) as stream:
                stream.sendall(b"last:1|g\nlast:2|")
                stream.sendall(b"g")
        self.wait_shown("statsd_last.gauge", agent, node)
        for peer in (agent, node):
            # What was counted last is spread over two seconds.
            peer.wait_samples("statsd_last.gauge", count=3)
        expected, found = self.charts(agent), self.charts(node)
        self.assertEqual(set(found), set(expected))
        for chart_id, chart in expected.items():
            self.assertEqual(found[chart_id], chart)
        for chart_id, chart in expected.items():
            if chart["family"] in ("gauges", "fam"):
                dimension = next(name for name in chart["dimensions"].values() if name != "events")
                last = [list(peer.samples(chart_id)[dimension].values())[-1] for peer in (agent, node)]
                self.assertEqual(last[0], last[1], chart_id)
                continue
            # How a counter's growth lies over the seconds depends on the moment at which each collects.
            mine, theirs = self.totals(node, chart_id), self.totals(agent, chart_id)
            if mine["events"].is_integer() and theirs["events"].is_integer():
                self.assertEqual(mine, theirs, chart_id)
                continue
            # One of them was late: seconds that are no seconds have sums that are nearly right.
            self.assertEqual(set(mine), set(theirs))
            for name, total in theirs.items():
                self.assertTrue(
                    math.isclose(mine[name], total, rel_tol=0.15, abs_tol=1), f"{chart_id} {name}: {mine} and {theirs}"
                )
        self.assert_stopped(node)

    def test_unix_sockets(self) -> None:
        """
        Programs of the same machine send to Unix sockets, also again after the node was killed.
        """
        stream, datagrams = self.directory / "s.sock", self.directory / "d.sock"
        node = self.node(
            "node",
            role="standalone",
            options=("plugins/statsd=yes", f"statsd/bind to=unix:{stream} unixgram:{datagrams}", "db/db=ram"),
        )
        for number in range(2):
            for place, kind in ((stream, socket.SOCK_STREAM), (datagrams, socket.SOCK_DGRAM)):
                node.wait_log(rf"statsd listens on \w+ {place}")
                with socket.socket(socket.AF_UNIX, kind) as sender:
                    sender.connect(str(place))
                    sender.sendall(f"{place.stem}.{number}:7|g\n".encode())
                found = node.wait_samples(f"statsd_{place.stem}.{number}_gauge", count=1)
                self.assertEqual(set(found["gauge"].values()), {7.0})
            if not number:
                node.kill()
                (node.directory / "output.log").write_text("")
                node.start()
        self.assert_stopped(node)


APPS = """\
[app]
    name = Shop-1
    metrics = !shop.secret shop.*
    private charts = no
[dictionary]
    m1 = metric one
    shop.named = The Name
    get.200 = 200 ok
    shop.api.del.404 = not there
    post = POST
[one]
    name = number one
    title = of many kinds
    family = some
    context = shop.Kinds!
    units = things
    priority = 91000
    type = area
    dimension = shop.named
    dimension = shop.gauge
    dimension = shop.other 'm1' last -2 10
    dimension = shop.twice level
    dimension = shop.twice lines events
    dimension = shop.count 'counted so far' last 1 1
    dimension = shop.count again last 1 1
    dimension = shop.words words last
    dimension = shop.words 'how many' events
    dimension = shop.set different
[Of A Timer]
    type = stacked
    dimension = shop.time least min
    dimension = shop.time greatest max
    dimension = shop.time all sum
    dimension = shop.time mean average 1 2
    dimension = shop.time within percentile
    dimension = shop.time middle median
    dimension = shop.time spread stddev
    dimension = shop.time came events
    dimension = shop.time last last 3 1
[found]
    dimension = pattern 'shop.api.get.*' 'get.' last 1 1
    dimension = pattern '!shop.api.all.* shop.api.*.404' ''
    dimension = pattern 'shop.*.x.*' '' events
    dimension = pattern 'shop.api.*.201' ''
[app]
    name = second
    metrics = second.* shop.gauge
    private charts = yes
[mixed]
    dimension = second.gauge g
    dimension = shop.gauge of_another
[never]
    dimension = second.never n
"""
APP_LINES = (
    "shop.named:1|g\nshop.gauge:2.5|g\nshop.other:40|g\nshop.twice:3|g\nshop.twice:4|g\nshop.count:7|c\nshop.set:a|s\n"
    "shop.set:b|s\nshop.set:a|s\nshop.words:x|d\nshop.words:y|d\nshop.words:x|d\nshop.time:1|ms\nshop.time:2|ms\n"
    "shop.time:6|ms\nshop.api.get.200:5|c\nshop.api.get.404:2|c\nshop.api.del.404:9|c\nshop.api.all.404:1|c\n"
    "shop.1.x.2:1|m\nshop.api.post.201:2|c\nshop.secret:1|g\nsecond.gauge:8|g\nelse:1|g\n"
)
STOCK = Path("/usr/lib/netdata/conf.d/statsd.d")
"""Files that come with the agent."""
STOCK_LINES = """\
myexampleapp.metric1:3|h
myexampleapp.metric1:5|h
myexampleapp.metric2:7|g
asterisk.channels.count:4|g
asterisk.endpoints.count:2|g
asterisk.endpoints.state.online:1|g
asterisk.endpoints.SIP.alice.channels:1|g
asterisk.dialstatus.ANSWER:2|m
asterisk.hangupcause.16:1|m
asterisk.hangupcause.200:1|m
asterisk.dialhangupcause.ANSWER.17:3|m
k6.http_reqs:5|c
k6.http_reqs_failed:1|c
k6.vus:3|g
k6.vus_max:9|g
k6.data_received:100|c
k6.data_sent:50|c
"""


class SyntheticTests(InteropTestCase):
    """
    Charts of several metrics, of the same file.
    """

    def charts(self, peer: Peer) -> dict[str, dict[str, Any]]:
        """
        @return: What is comparable of the charts, by id.
        """
        return {
            chart_id: {
                **{name: chart[name] for name in SHOWN},
                "dimensions": {each: about["name"] for each, about in sorted(chart["dimensions"].items())},
            }
            for chart_id, chart in peer.charts().items()
            if chart["plugin"] == "statsd.plugin"
        }

    def both(self, files: Mapping[str, str], lines: str, last: str) -> tuple[RealAgent, NetstreamNode]:
        """
        Start both with the same files, and send both the same.

        @param last: A chart to wait for.
        """
        port = free_for_both()
        for name in ("agent", "node"):
            place = self.directory / name / "etc" / "statsd.d"
            place.mkdir(parents=True)
            for file, text in files.items():
                (place / file).write_text(text)
        agent = self.agent("agent", statsd={"bind to": f"udp:127.0.0.1:{port}"})
        node = self.node(
            "node",
            role="standalone",
            options=("plugins/statsd=yes", "statsd/bind to=udp:127.0.0.1:0", "db/db=ram"),
        )
        wait_bound(port)
        ports = (port, int(node.wait_log(r"statsd listens on udp 127\.0\.0\.1:(\d+)")[1]))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for each in ports:
                sender.sendto(lines.encode(), ("127.0.0.1", each))
        for peer in (agent, node):
            peer.wait_samples(last, count=3)
        return agent, node

    def test_same(self) -> None:
        """
        They are those of a real agent, with its names and numbers, and so is which metrics have a chart of their own.
        """
        agent, node = self.both({"shop.conf": APPS}, APP_LINES, "second.mixed")
        expected, found = self.charts(agent), self.charts(node)
        self.assertEqual(set(found), set(expected))
        self.assertIn("shop-1.of_a_timer", found)
        for chart_id, chart in expected.items():
            self.assertEqual(found[chart_id], chart)
        for chart_id in found:
            mine, theirs = node.samples(chart_id), agent.samples(chart_id)
            # What is a gauge stays; all else is 0 but in one second.
            self.assertEqual(
                {name: round(max(column.values(), key=abs), 3) for name, column in mine.items()},
                {name: round(max(column.values(), key=abs), 3) for name, column in theirs.items()},
                chart_id,
            )
        self.assert_stopped(node)

    def test_stock(self) -> None:
        """
        Files that come with the agent make the charts that they make there, but that a dimension waits for its
        metric.
        """
        files = {path.name: path.read_text() for path in STOCK.glob("*.conf")}
        if not files:
            missing(f"{STOCK} has no files (apt-get install --no-install-recommends netdata-core)")
        agent, node = self.both(files, STOCK_LINES, "myexampleapp.myexamplechart")
        expected, found = self.charts(agent), self.charts(node)
        self.assertEqual(set(found), set(expected))
        print(f"{len(found)} charts of {', '.join(sorted(files))}")
        for chart_id, chart in expected.items():
            dimensions, theirs = found[chart_id].pop("dimensions"), chart.pop("dimensions")
            self.assertEqual(found[chart_id], chart)
            self.assertEqual(dimensions, {each: name for each, name in theirs.items() if each in dimensions}, chart_id)
            self.assertTrue(dimensions, chart_id)
        self.assertEqual(node.log().count("statsd.d/"), 0)
        self.assert_stopped(node)
