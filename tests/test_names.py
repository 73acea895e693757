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

from prometheus_client.parser import text_string_to_metric_families

from netstream.testing import WorldNode
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
)
HOSTNAME = "<b>host</b>../../evil\r\nSet-Cookie: a=b\n2026-01-01T00:00:00+0000 [forged] a line of a log\x1b[0m"
FILE = re.compile(r"[A-Za-z0-9._-]+\Z")
PLAIN = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029]*\Z")


def word(text: str) -> str:
    """
    @return: A word of a line as a sender writes it.
    """
    return '"' + text.replace('"', "''") + '"'


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
        lines = [f"LABEL {word(name)} = 2 {word(name)}" for name in NAMES] + ["OVERWRITE labels"]
        now = self.world.now
        for number, name in enumerate(NAMES):
            id = word(f"t{number}.{name}")
            lines += [
                f"CHART {id} {word(name)} {word(name)} {word(name)} {word(name)} {word(name)} line 100 1 '' "
                f"{word(name)} {word(name)}",
                f"CLABEL {word(name)} {word(name)} 1",
                "CLABEL_COMMIT",
                *(f"DIMENSION {word(each)} {word(each)} absolute 1 1" for each in NAMES),
            ]
            lines += [
                f"BEGIN2 {id} 1 {now} #",
                *(f"SET2 {word(each)} {number} # A" for each in NAMES),
                "END2",
            ]
        lines.append(f'FUNCTION GLOBAL {word(NAMES[0])} 10 {word(NAMES[3])} "top" "member" 100')
        lines.append(f"NO-SUCH-LINE {word(NAMES[0])}")
        self.told.say(("\n".join(lines) + "\n").encode())
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
            [shell, "-eu"], input=body + b"\necho read\n", cwd=place, capture_output=True, timeout=30, check=False
        )
        self.assertEqual((done.returncode, done.stdout, list(place.iterdir())), (0, b"read\n", []), done.stderr)

    def test_configuration(self) -> None:
        """
        No page shows the configuration.
        """
        for target in ("/netdata.conf", f"/host/{GUID}/netdata.conf", "/stream.conf", "/api/v1/config"):
            head, body = self.answer(target)
            self.assertNotIn(b" 200 ", head.partition(b"\r\n")[0], target)
            self.assertNotIn(b"type = api", body)
