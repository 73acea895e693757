"""
A node that exports, on a simulated network and clock.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from netstream.config import ConfigError
from netstream.testing import World
from tests.export.receivers import HTTPReceiver, LineReceiver, Posted

GRAPHITE = """
[exporting:global]
    enabled = yes
    {options}
[graphite:far]
    enabled = yes
    send configured labels = no
    destination = graphite
"""
REMOTE = """
[exporting:global]
    enabled = yes
    {options}
[json:http:far]
    enabled = yes
    destination = prometheus:9090
"""


def seconds(lines: list[str], metric: str) -> list[int]:
    """
    @return: The times of one metric's points, in the order of their arrival.
    """
    return [int(line.split(" ")[2]) for line in lines if line.split(" ")[0] == metric]


class ExportCase(SynchronousTestCase):
    """
    A world, and what nodes say in their logs.
    """

    def setUp(self) -> None:
        directory = Path(self.mktemp())
        directory.mkdir()
        self.directory = directory
        self.world = World(directory)
        self.addCleanup(self.world.stop)
        self.said: list[str] = []

        def hear(event: Any) -> None:
            text = str(event.get("log_format") or "")
            if "exporting" in text:
                self.said.append(text.format(**event))

        globalLogPublisher.addObserver(hear)
        self.addCleanup(globalLogPublisher.removeObserver, hear)

    def spooled(self, name: str = "box") -> list[Path]:
        """
        @return: The files in which points wait.
        """
        return sorted((self.directory / name / "data" / "export").rglob("*.spool"))


CLOCK = "netdata.box.test.clock.second"


class LineTests(ExportCase):
    """
    Tests of exporting over a connection of lines.
    """

    def start(self, options: str = "", **more: Any) -> Any:
        self.receiver = LineReceiver(self.world)
        self.receiver.start()
        return self.world.node("box", exporting=GRAPHITE.format(options=options), **more)

    def test_averages(self) -> None:
        """
        Each interval arrives once, as the average of its samples, at its end.
        """
        self.start()
        self.world.advance(65)
        found = [line.split(" ") for line in self.receiver.lines if line.startswith(CLOCK)]
        times = [int(time) for _, _, time in found]
        self.assertEqual(times, list(range(times[0], times[0] + 10 * len(times), 10)))
        self.assertGreaterEqual(len(times), 6)
        for _, value, time in found[1:]:
            self.assertEqual(float(value), int(time) - 4.5)
        self.assertEqual(self.said, [])

    def test_sums(self) -> None:
        """
        Sums and raw values come when they are asked for.
        """
        self.start("data source = sum\n    update every = 5")
        self.world.advance(40)
        found = [line.split(" ") for line in self.receiver.lines if line.startswith(CLOCK)]
        for _, value, time in found[1:]:
            self.assertEqual(float(value), sum(range(int(time) - 4, int(time) + 1)))
        self.assertGreaterEqual(len(found), 6)

    def test_collected(self) -> None:
        """
        What was collected last in each interval comes as it was.
        """
        self.start("data source = as collected")
        self.world.advance(50)
        found = [line.split(" ") for line in self.receiver.lines if line.startswith(CLOCK)]
        self.assertGreaterEqual(len(found), 4)
        for _, value, time in found:
            self.assertEqual(value, time)

    def test_filters(self) -> None:
        """
        Charts, dimensions, prefix and host name are as the file says.
        """
        node = self.start(
            "send charts matching = !test.no* test.*\n    send dimensions matching = s*\n    prefix = my.own\n"
            "    hostname = other"
        )
        node.say("CHART test.nope '' t u f c line 1 1\nDIMENSION second '' absolute 1 1\n")
        for _ in range(40):
            node.say("BEGIN test.nope 1000000\nSET second = 1\nEND\n")
            self.world.advance(1)
        self.assertEqual({line.split(" ")[0] for line in self.receiver.lines}, {"my.own.other.test.clock.second"})

    def test_labels(self) -> None:
        """
        The labels of a node come along, those of the file or all.
        """
        self.receiver = LineReceiver(self.world)
        self.receiver.start()
        config = GRAPHITE.replace("send configured labels = no", "{labels}")
        labels = "[host labels]\n    rack = r1\n"
        for number, (text, tags) in enumerate(
            (
                ("send configured labels = yes", {"rack", "_is_ephemeral", "_has_unstable_connection"}),
                ("send configured labels = no", set()),
            )
        ):
            node = self.world.node(f"box{number}", conf=labels, exporting=config.format(options="", labels=text))
            self.world.advance(30)
            node.stop()
            lines = [line for line in self.receiver.lines if line.startswith(f"netdata.box{number}.test.clock.second")]
            self.assertGreaterEqual(len(lines), 2)
            for line in lines:
                self.assertEqual({tag.partition("=")[0] for tag in line.split(" ")[0].split(";")[1:]}, tags)

    def test_away(self) -> None:
        """
        A receiver that is away for an hour gets all of that hour when it is
        back, in order and each point once; the log says it twice.
        """
        self.start()
        self.world.advance(60)
        self.receiver.kill()
        self.world.advance(3600 - 60)
        self.assertTrue(self.spooled())
        self.receiver.start()
        self.world.advance(150)
        times = seconds(self.receiver.lines, CLOCK)
        once = sorted(set(times))
        self.assertEqual(once, list(range(once[0], once[0] + 10 * len(once), 10)))
        self.assertGreater(len(once), 360)
        # What was written in the last seconds before the end may come twice; and it comes in order.
        self.assertLessEqual(len(times) - len(once), 1)
        again = times.index(once[-1]) + 1
        self.assertEqual(times[-again:] if again else [], sorted(times[-again:]))
        self.assertEqual(len(self.said), 2, self.said)
        self.assertIn("graphite:", self.said[0])
        self.assertIn("0 points had to be dropped", self.said[1])

    def test_too_long_away(self) -> None:
        """
        What is older than 'buffer on failures' is dropped, and that is said
        once.
        """
        self.start("buffer on failures = 12")
        self.world.advance(30)
        self.receiver.kill()
        before = len(self.receiver.lines)
        self.world.advance(1000)
        self.receiver.start()
        self.world.advance(100)
        times = seconds(self.receiver.lines[before:], CLOCK)
        self.assertEqual(times, list(range(times[0], times[0] + 10 * len(times), 10)))
        self.assertLess(len(times), 27)
        self.assertGreater(len(times), 15)
        self.assertEqual(len(self.said), 3, self.said)
        self.assertIn("the oldest points are dropped", self.said[1])
        self.assertRegex(self.said[2], r"[1-9]\d* points had to be dropped")

    def test_slow(self) -> None:
        """
        A receiver that reads nothing delays nothing else; it is left, and gets
        all when it reads again.
        """
        node = self.start("update every = 1s\n    timeout ms = 5000")
        dimensions = [f"d{n}_{'x' * 60}" for n in range(100)]
        node.say("CHART big.c '' t u f c line 1 1\n" + "".join(f"DIMENSION {d} '' absolute 1 1\n" for d in dimensions))
        values = "".join(f"SET {d} = 1\n" for d in dimensions)

        def pass_time(length: int) -> None:
            for _ in range(length):
                node.say("BEGIN big.c 1000000\n" + values + "END\n")
                self.world.advance(1)

        pass_time(10)
        self.receiver.read(slow=True)
        pass_time(60)
        self.assertIn("took nothing for 5 s", " ".join(self.said))
        service = next(s for s in node.service if hasattr(s, "deliveries"))
        self.assertGreater(service.deliveries["graphite:far"].waiting, 4000)
        self.receiver.read()
        pass_time(90)
        times = Counter(seconds(self.receiver.lines, f"netdata.box.big.c.{dimensions[50]}"))
        self.assertEqual(sorted(times), list(range(min(times), max(times) + 1)))
        self.assertGreater(len(times), 140)

    def test_restart(self) -> None:
        """
        What waited when the node stopped, or was killed, is sent when it is
        back.
        """
        node = self.start()
        self.world.advance(60)
        self.receiver.kill()
        self.world.advance(300)
        kept = self.directory / "kept"
        shutil.copytree(self.directory / "box" / "data" / "export", kept)
        node.stop()
        shutil.rmtree(self.directory / "box" / "data" / "export")
        shutil.copytree(kept, self.directory / "box" / "data" / "export")  # as if it had been killed
        self.receiver.start()
        node.start()
        self.world.advance(60)
        times = sorted(set(seconds(self.receiver.lines, CLOCK)))
        missed = [t for t in range(times[0], times[0] + 350, 10) if t not in times]
        self.assertEqual(missed, [])

    def test_of_a_worker(self) -> None:
        """
        What waited in a worker that runs no more is sent by the process that does.
        """
        node = self.start()
        self.world.advance(60)
        self.receiver.kill()
        self.world.advance(300)
        node.stop()
        ours, kept = self.directory / "box" / "data" / "export", self.directory / "kept"
        ours.rename(kept)
        ours.mkdir()
        kept.rename(ours / "worker-2")
        self.receiver.start()
        node.start()
        self.world.advance(60)
        times = sorted(set(seconds(self.receiver.lines, CLOCK)))
        self.assertEqual([t for t in range(times[0], times[0] + 350, 10) if t not in times], [])

    def test_nothing_twice(self) -> None:
        """
        A node that is stopped and started in good order sends nothing again.
        """
        node = self.start()
        self.world.advance(66)
        node.stop()
        node.start()
        self.world.advance(60)
        times = seconds(self.receiver.lines, CLOCK)
        self.assertEqual(len(times), len(set(times)))
        self.assertEqual(self.said, [])

    def test_children(self) -> None:
        """
        A parent exports its children by their own names, or only itself.
        """
        self.receiver = LineReceiver(self.world)
        self.receiver.start()
        self.world.node("box", "parent", exporting=GRAPHITE.format(options=""))
        self.world.node("web1", "child", destination="box")
        self.world.advance(60)
        self.assertEqual({line.split(".")[1] for line in self.receiver.lines}, {"box", "web1"})
        for metric in ("netdata.web1.test.clock.second", CLOCK):
            times = seconds(self.receiver.lines, metric)
            self.assertEqual(times, list(range(times[0], times[0] + 10 * len(times), 10)))
            self.assertGreaterEqual(len(times), 4)

    def test_one_host(self) -> None:
        """
        Which hosts are sent is chosen by their names; 'localhost' is the node
        itself.
        """
        self.receiver = LineReceiver(self.world)
        self.receiver.start()
        self.world.node("box", "parent", exporting=GRAPHITE.format(options="send hosts matching = !localhost *"))
        self.world.node("web1", "child", destination="box")
        self.world.advance(60)
        self.assertEqual({line.split(".")[1] for line in self.receiver.lines}, {"web1"})

    def test_other_destination(self) -> None:
        """
        Where the first receiver is not there, the second one gets the points.
        """
        self.receiver = LineReceiver(self.world)
        self.receiver.start()
        config = GRAPHITE.format(options="").replace("destination = graphite", "destination = nowhere graphite")
        self.world.node("box", exporting=config)
        self.world.advance(60)
        self.assertGreaterEqual(len(seconds(self.receiver.lines, CLOCK)), 5)

    def test_charts_come_and_go(self) -> None:
        """
        A chart that is defined or changed while the node runs is sent as it is
        now.
        """
        node = self.start("update every = 5s")
        self.world.advance(10)
        for number in range(30):
            if number == 0:
                node.say("CHART late.c '' t u f c line 1 1\nDIMENSION one '' absolute 1 1\n")
            if number == 15:
                node.say("CHART late.c '' t u f c line 1 1\nDIMENSION one 'two' absolute 1 1\n")
            node.say("BEGIN late.c 1000000\nSET one = 4\nEND\n")
            self.world.advance(1)
        names = [line.split(" ")[0] for line in self.receiver.lines if ".late.c." in line]
        self.assertEqual(sorted(set(names)), ["netdata.box.late.c.one", "netdata.box.late.c.two"])
        self.assertEqual(names, sorted(names))


class PostingTests(ExportCase):
    """
    Tests of exporting over HTTP.
    """

    def start(self, options: str = "") -> Any:
        self.receiver = HTTPReceiver(self.world)
        self.receiver.start()
        return self.world.node("box", exporting=REMOTE.format(options=options))

    def times(self) -> list[int]:
        """
        @return: Times of one metric, in the order of their arrival.
        """
        return [
            point["timestamp"]
            for posted in self.receiver.accepted
            for point in json.loads(posted.body)
            if point["id"] == "second"
        ]

    def assert_all(self, least: int) -> None:
        """
        Each interval came once, in order.
        """
        times = self.times()
        self.assertEqual(times, list(range(times[0], times[0] + 10 * len(times), 10)))
        self.assertGreaterEqual(len(times), least)

    def test_posted(self) -> None:
        """
        Bodies are posted over one connection, with who sends them.
        """
        self.start("username = me\n    password = pass word\n    url path = /in?a=b")
        self.world.advance(100)
        self.assert_all(9)
        self.assertEqual(self.receiver.connections, 1)
        posted = self.receiver.accepted[0]
        self.assertEqual(posted.path, "/in?a=b")
        self.assertEqual(posted.headers["authorization"], "Basic bWU6cGFzcyB3b3Jk")
        self.assertEqual(posted.headers["content-type"], "application/json")
        self.assertEqual(posted.headers["host"], "prometheus:9090")
        self.assertTrue(posted.headers["user-agent"].startswith("netstream/"))

    def test_away(self) -> None:
        """
        After an hour without the receiver nothing is lost and nothing doubled.
        """
        self.start()
        self.world.advance(30)
        self.receiver.kill()
        self.world.advance(3500)
        self.receiver.start()
        self.world.advance(120)
        self.assert_all(360)

    def test_errors(self) -> None:
        """
        Answers that say 'later' are obeyed: nothing is lost, and the receiver
        is left alone as long as it asks.
        """
        asked: list[float] = []

        def answer(posted: Posted) -> tuple[int, dict[str, str], bytes]:
            asked.append(self.world.network.clock.seconds())
            return 503, {"Retry-After": "40"}, b"overloaded <b>\n\x1b[31m"

        self.start()
        self.receiver.answer = answer
        self.world.advance(200)
        self.assertTrue(all(b - a >= 40 for a, b in zip(asked, asked[1:], strict=False)), asked)
        self.receiver.answer = lambda posted: (204, {}, b"")
        self.world.advance(100)
        self.assert_all(25)
        self.assertIn("answered 503: overloaded <b> [31m;", self.said[0])
        self.assertEqual(len(self.said), 2)

    def test_refused(self) -> None:
        """
        What a receiver refuses for good is given up, said once, and holds up
        nothing.
        """
        self.start()
        self.receiver.answer = lambda posted: (400, {}, b"bad")
        self.world.advance(100)
        self.receiver.answer = lambda posted: (200, {}, b"ok")
        self.world.advance(60)
        self.assert_all(5)
        self.assertEqual(len(self.said), 1, self.said)
        self.assertIn("given up: answered 400: bad", self.said[0])
        bodies = [posted.body for posted in self.receiver.refused]
        self.assertEqual(len(bodies), len(set(bodies)))

    def test_silent(self) -> None:
        """
        A receiver that accepts and never answers is left after the timeout;
        one that answers without end is too.
        """
        self.start("timeout ms = 2000")
        self.receiver.answer = lambda posted: (500, {}, b"x" * 10_000_000)
        self.world.advance(40)
        self.receiver.answer = lambda posted: (204, {}, b"")
        self.world.advance(60)
        self.assert_all(6)

    def test_redirected(self) -> None:
        """
        No receiver can send us, and our password, elsewhere.
        """
        self.start("password = secret")
        self.receiver.answer = lambda posted: (307, {"Location": "http://elsewhere/"}, b"")
        self.world.advance(40)
        self.assertIn("answered 307", self.said[0])
        self.assertNotIn("secret", " ".join(self.said))


class ConfigurationTests(ExportCase):
    """
    Tests of what stops the start.
    """

    def test_authorities(self) -> None:
        """
        A file of authorities that cannot be used is named.
        """
        for text, reason in (
            ("/nowhere/ca.pem", "cannot be read"),
            (__file__, "holds no PEM certificate"),
        ):
            conf = f"[exporting:global]\nenabled = yes\n[json:https:x]\nenabled = yes\nCAfile = {text}\n"
            shutil.rmtree(self.directory / "box", ignore_errors=True)
            problem = self.assertRaises(ConfigError, self.world.node, "box", exporting=conf)
            self.assertIn(f"exporting.conf: [json:https:x] CAfile: {reason}", str(problem))
