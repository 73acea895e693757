"""
Whatever a child calls itself and its things, that stays text: through a whole
node, from the wire to files, logs, and each thing that is answered.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from urllib.parse import quote
from xml.etree import ElementTree

from prometheus_client.parser import text_string_to_metric_families

from netstream.testing import WorldNode
from tests.export.receivers import LineReceiver
from tests.streaming.case import GUID, WorldCase

NAMES = (
    "<img src=x onerror=alert(1)>",
    "../../../../tmp/evil",
    "/etc/passwd",
    "$(touch evil)`touch evil`;touch evil",
    '\\"};alert(1)//',
    "x' OR '1'='1'; DROP TABLE nodes; --",
    "%0d%0aSet-Cookie: a=b",
    "{format} %s %d \\n",
    "=1+1",
    "a\x1b[31mred",
    "\u202ereversed",
    "..",
    "a,b=c \\d",
)
HOSTNAME = "<b>host</b>../../evil\r\nSet-Cookie: a=b\n2026-01-01T00:00:00+0000 [forged] a line of a log\x1b[0m"
FILE = re.compile(r"[A-Za-z0-9._-]+\Z")
PLAIN = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029]*\Z")


def word(text: str) -> str:
    """
    @return: A word of a line as a sender writes it.
    """
    return '"' + text.replace('"', "''") + '"'


def definitions() -> bytes:
    """
    @return: Charts of such names, as a child tells them once it is let in.
    """
    lines = [f"LABEL {word(name)} = 2 {word(name)}" for name in NAMES] + ["OVERWRITE labels"]
    for number, name in enumerate(NAMES):
        lines += [
            f"CHART {word(f't{number}.{name}')} {' '.join([word(name)] * 5)} line 100 1 '' {word(name)} {word(name)}",
            f"CLABEL {word(name)} {word(name)} 1",
            "CLABEL_COMMIT",
            *(f"DIMENSION {word(each)} {word(each)} absolute 1 1" for each in NAMES),
        ]
    lines.append(f'FUNCTION GLOBAL {word(NAMES[0])} 10 {word(NAMES[3])} "top" "member" 100')
    return ("\n".join(lines) + "\n").encode()


def samples(now: int) -> bytes:
    """
    @param now: UTC second.
    @return: A sample of each.
    """
    lines = []
    for number, name in enumerate(NAMES):
        lines.append(f"BEGIN2 {word(f't{number}.{name}')} 1 {now} #")
        lines += [f"SET2 {word(each)} {number} # A" for each in NAMES]
        lines.append("END2")
    return ("\n".join(lines) + "\n").encode()


class NameTests(WorldCase):
    """
    A parent with a database on disk, and a child whose every name is meant to
    do harm.
    """

    def setUp(self) -> None:
        super().setUp()
        self.top = Path(self.world._directory)
        self.parent = self.world.node("parent", "parent", mode="dbengine")
        self.told = self.child(self.parent, hostname=quote(HOSTNAME, safe=""))
        self.told.say(definitions() + samples(self.world.now))
        self.told.say(f"NO-SUCH-LINE {word(NAMES[0])}\n".encode())
        self.world.advance(5)

    def answer(self, target: str, node: WorldNode | None = None) -> tuple[bytes, bytes]:
        """
        @return: Head and body of what is answered.
        """
        request = f"GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        head, _, body = (node or self.parent).exchange(request.encode(), 3).partition(b"\r\n\r\n")
        self.assertNotIn(b"set-cookie", head.lower(), target)
        self.assertNotIn(b"text/html", head, target)
        return head, body

    def test_files(self) -> None:
        """
        No file is called as a child wishes, none is outside, and after a
        restart all names are there as they were.
        """
        self.assertFalse(self.told.closed, self.logged[-3:])
        known = set(self.host(self.parent).charts)
        self.assertEqual(len(known), len(NAMES))
        self.world.advance(60)
        self.parent.stop()
        found = [path for path in self.top.rglob("*") if path.name != "evil"]
        self.assertGreater(len(found), 5)
        for path in self.top.rglob("*"):
            self.assertRegex(path.name, FILE)
            self.assertNotIn("evil", path.name)
        self.assertFalse(Path("/tmp/evil").exists())
        self.parent.start()
        self.world.advance(1)
        again = self.host(self.parent)
        self.assertEqual((set(again.charts), again.info.guid), (known, GUID))

    def test_logs(self) -> None:
        """
        Each line of the log is one, without anything that a terminal obeys.
        """
        self.told.say(b"END2 " + NAMES[9].encode() + b"\nBEGIN2 nonsense \x1b[31m\r\n\x1b[0m\n")
        self.world.advance(1)
        self.told.leave()
        self.world.advance(1)
        self.assertTrue(any("disconnected" in line or "closed" in line for line in self.logged))
        for line in self.logged:
            self.assertRegex(line, PLAIN)
            self.assertFalse(line.startswith("2026-01-01T00:00:00+0000 [forged]"))

    def test_answers(self) -> None:
        """
        JSON is strict, pages are none, and no header is added.
        """
        for name in ("info", "charts", "contexts", "alarms?all", "allmetrics?format=json", "functions", "alarm_log"):
            for prefix in ("", f"/host/{GUID}"):
                _, body = self.answer(f"{prefix}/api/v1/{name}")
                json.loads(body)
        for name in ("nodes", "stream_path", "contexts", "functions", "overview", "raised", "transitions"):
            head, body = self.answer(f"/api/v3/{name}")
            if b" 200 " in head.partition(b"\r\n")[0]:
                json.loads(body)
        for chart in self.host(self.parent).charts:
            json.loads(self.answer(f"/host/{GUID}/api/v1/chart?chart={quote(chart, safe='')}")[1])

    def test_scraped(self) -> None:
        """
        Who reads metrics as text reads as many as there are.
        """
        for target in (f"/host/{GUID}/api/v1/allmetrics?format=prometheus", "/metrics",
                       "/api/v1/allmetrics?format=prometheus_all_hosts"):  # fmt: skip
            families = list(text_string_to_metric_families(self.answer(target)[1].decode()))
            self.assertTrue(families, target)

    def test_shell(self) -> None:
        """
        A shell that reads all metrics runs nothing of them.
        """
        shell = shutil.which("sh")
        assert shell is not None
        _, body = self.answer(f"/host/{GUID}/api/v1/allmetrics?format=shell")
        place = Path(self.mktemp())
        place.mkdir()
        done = subprocess.run(
            [shell, "-eu"], input=body + b"\necho read\n", cwd=place, capture_output=True, timeout=100, check=False
        )
        self.assertEqual((done.returncode, done.stdout, list(place.iterdir())), (0, b"read\n", []), done.stderr)

    def test_configuration(self) -> None:
        """
        No page shows a key, and none but one any of the configuration, which
        is that of the node itself.
        """
        _, body = self.answer("/netdata.conf")
        self.assertIn(b"# default port = 19999", body)
        self.assertIsNone(re.search(rb"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}", body))
        for target in (f"/host/{GUID}/netdata.conf", "/stream.conf", "/api/v1/config"):
            head, body = self.answer(target)
            self.assertNotIn(b" 200 ", head.partition(b"\r\n")[0], target)
            self.assertNotIn(b"type = api", body)

    def test_live(self) -> None:
        """
        Samples that a page is told as they come are lines of JSON of one
        event each, with nothing between them that a name has put there.
        """
        charts = quote("\n".join(self.host(self.parent).charts), safe="")
        listener = self.connect(self.parent)
        listener.say(f"GET /host/{GUID}/api/v1/live?charts={charts} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        self.world.advance(2)
        self.told.say(samples(self.world.now))
        self.world.advance(3)
        head, _, body = listener.received.partition(b"\r\n\r\n")
        self.assertIn(b"text/event-stream", head)
        self.assertNotIn(b"set-cookie", head.lower())
        listener.leave()
        told = []
        for line in re.split(r"\r\n|\r|\n", body.decode()):
            self.assertRegex(line, r"\A(event: [a-z]+|data: [\[{].*|:.*|[0-9a-f]+|retry: [0-9]+|)\Z")
            if line.startswith("data: "):
                told.append(json.dumps(json.loads(line[6:])))
        for chart in self.host(self.parent).charts:
            self.assertTrue(any(json.dumps(chart) in each for each in told), chart)

    def test_badges(self) -> None:
        """
        No name is anything but text in a badge.
        """
        for chart in self.host(self.parent).charts:
            for prefix in ("", f"/host/{GUID}"):
                head, body = self.answer(f"{prefix}/api/v1/badge.svg?chart={quote(chart, safe='')}")
                self.assertIn(b"image/svg+xml", head)
                self.assertNotIn(b"set-cookie", head.lower())
                kinds = {each.tag.rpartition("}")[2] for each in ElementTree.fromstring(body).iter()}
                self.assertEqual(
                    kinds - {"svg", "title", "linearGradient", "stop", "clipPath", "rect", "g", "text"}, set()
                )


class ExportedTests(WorldCase):
    """
    A parent that sends the samples of such a child on, to each kind of receiver
    of text.
    """

    PORTS = {"graphite": 2003, "opentsdb": 4242, "influxdb": 8094, "json": 5448}

    def setUp(self) -> None:
        super().setUp()
        self.receivers = {kind: LineReceiver(self.world, kind, port) for kind, port in self.PORTS.items()}
        for receiver in self.receivers.values():
            receiver.start()
        targets = "".join(f"[{kind}:far]\n    enabled = yes\n    destination = {kind}\n" for kind in self.PORTS)
        every = "[exporting:global]\n    enabled = yes\n    update every = 2\n    send automatic labels = yes\n"
        every += "    send hosts matching = !localhost *\n"
        self.parent = self.world.node("parent", "parent", exporting=every + targets)
        child = self.child(self.parent, hostname=quote(HOSTNAME, safe=""))
        child.say(definitions())
        for _ in range(10):
            child.say(samples(self.world.now))
            self.world.advance(1)
        self.world.advance(5)
        self.assertFalse(child.closed, self.logged[-3:])

    def lines(self, kind: str) -> list[str]:
        """
        @return: What came: as many lines for each interval as there are
            dimensions.
        """
        lines = self.receivers[kind].lines
        self.assertGreaterEqual(len(lines), 2 * len(NAMES) ** 2)
        self.assertEqual(len(lines) % len(NAMES) ** 2, 0)
        for line in lines:
            self.assertRegex(line, PLAIN)
            self.assertNotRegex(line, r"\A(Set-Cookie|2026-01-01)")
        return lines

    def test_graphite(self) -> None:
        """
        Graphite gets a path, a number and a time a line, and labels that are
        each one.
        """
        for line in self.lines("graphite"):
            path, value, time = line.split(" ")
            self.assertIn(float(value), range(len(NAMES)))
            self.assertLess(abs(int(time) - self.world.now), 60)
            name, *tags = path.split(";")
            self.assertRegex(name, r"\A[A-Za-z0-9._-]+\Z")
            self.assertTrue(all(tag.count("=") == 1 for tag in tags), path)

    def test_opentsdb(self) -> None:
        """
        OpenTSDB gets C{put} with a metric, a time, a number, and tags of plain
        words.
        """
        for line in self.lines("opentsdb"):
            put, metric, _, value, *tags = line.split(" ")
            self.assertEqual(put, "put")
            self.assertRegex(metric, r"\A[\w./-]+\Z")
            self.assertIn(float(value), range(len(NAMES)))
            for tag in tags:
                self.assertRegex(tag, r"\A[\w./-]+=[\w./-]+\Z")

    def test_influx(self) -> None:
        """
        InfluxDB gets a measurement, one field and a time a line, however
        often blanks, commas and equals signs are in names.
        """
        for line in self.lines("influxdb"):
            measurement, field, time = re.split(r"(?<!\\) ", line)
            self.assertFalse(line.startswith("#"))
            self.assertRegex(field, r"\A([^ ,=\\]|\\.)+=\d+(\.\d+)?\Z")
            self.assertEqual(int(time) % 10**9, 0)
            for tag in re.split(r"(?<!\\),", measurement)[1:]:
                self.assertEqual(len(re.split(r"(?<!\\)=", tag)), 2, tag)

    def test_json(self) -> None:
        """
        A receiver of JSON gets an object a line, with names as the node has
        them.
        """
        found = [json.loads(line) for line in self.lines("json")]
        charts = self.host(self.parent).charts.values()
        self.assertEqual({point["id"] for point in found}, {id for chart in charts for id in chart.dimensions})
        self.assertEqual({point["chart_id"] for point in found}, {chart.id for chart in charts})
