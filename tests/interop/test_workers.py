"""
A netstream parent in several processes, with real agents as children.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.interop.case import InteropTestCase
from tests.interop.fixture import absolute
from tests.interop.peers import KEY, NetstreamNode, accepting, sending, wait_for
from tests.interop.test_parent import CLOCKS, FIXTURE_CHARTS
from tests.interop.test_tls import TLSTestCase


def workers_of(parent: NetstreamNode) -> list[int]:
    """
    @return: The processes that a node started, in no order.
    """
    text = Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text()
    return [int(pid) for pid in text.split()]


def connections_of(pid: int, port: int) -> int:
    """
    @return: How many connections to a port a process holds.
    """
    inodes = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, _, state, *rest = line.split()
        if local.endswith(f":{port:04X}") and state == "01":
            inodes.add(f"socket:[{rest[5]}]")
    held = 0
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            held += os.readlink(entry) in inodes
        except OSError:
            continue
    return held


ALERT = """
   alarm: it_works
      on: fixture.simple
  lookup: sum -3s unaligned absolute
   every: 1s
    warn: $this > 0
"""
"""An alert that a lookup raises."""


class Sink:
    """
    Takes what is exported, and looks for the name of a node in it.
    """

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._server.getsockname()[1]}"
        self.heard: set[bytes] = set()
        self._thread = threading.Thread(target=self._take, daemon=True)
        self._thread.start()

    def _take(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._read, args=(connection,), daemon=True).start()

    def _read(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as lines, contextlib.suppress(OSError):
            for line in lines:
                self.heard.add(line.split(b".")[1])

    def close(self) -> None:
        """
        Take no more connections.
        """
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()


class WholeTests(TLSTestCase):
    """
    What else a node does for its children, with a worker that has them.
    """

    def call(self, viewer: NetstreamNode, node: str, command: str) -> tuple[int, bytes]:
        """
        @return: Status and body of the answer.
        """
        query = urlencode({"function": command, "timeout": 5})
        url = f"https://127.0.0.1:{viewer.port}/host/{node}/api/v1/function?{query}"
        trust = ssl.create_default_context(cafile=str(self.ca))
        with urllib.request.urlopen(url, timeout=60, context=trust) as answer:
            return answer.status, answer.read()

    def ctl(self, node: NetstreamNode, *arguments: str) -> Any:
        """
        @return: What a node answers to C{netstream ctl}.
        """
        command = [sys.executable, "-m", "netstream.cli", "ctl", *arguments, "--json"]
        done = subprocess.run(
            [*command, "--data-dir", str(node.directory / "data")], capture_output=True, text=True, timeout=60
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def test_whole(self) -> None:
        """
        A real child that comes by TLS has a worker; its functions are called, alerts look at its samples, these
        are exported and sent to a real parent, and it is drained and removed, as without workers.
        """
        sink = Sink()
        self.addCleanup(sink.close)
        above = self.agent("real-parent", accepts=[KEY])
        exports = {
            "exporting:global/enabled": "yes",
            "exporting:global/update every": "1s",
            "graphite:sink/enabled": "yes",
            "graphite:sink/destination": sink.address,
        }
        parent = self.node(
            "ns-proxy",
            role="parent",
            stream=accepting(KEY, type="api", postpone_alerts_on_connect="0", health_enabled="yes")
            + sending(above.address),
            health=ALERT,
            options=[
                *self.options("optional"),
                "health/enable stock health configuration=no",
                "global/workers=1",
                "plugins/proc=no",
                *(f"exporting.conf:{name}={value}" for name, value in exports.items()),
            ],
        )
        child = self.agent(
            "real-child",
            sends_to=[f"{parent.address}:SSL"],
            fixture=True,
            functions=True,
            stream={"CAfile": str(self.ca)},
        )
        above.wait_samples("fixture.simple", child.name, count=3)
        wait_for("the functions are known", lambda: "fixture-chart" in parent.get("info", child.name)["functions"])
        status, body = self.call(parent, child.name, "fixture-chart a b")
        self.assertEqual((status, json.loads(body)["asked"]), (200, "fixture-chart a b"))
        wait_for("an alert is raised", lambda: parent.get("alarms", child.name)["alarms"])
        wait_for("the samples are exported", lambda: child.name.encode() in sink.heard)
        shown = next(node for node in self.ctl(parent, "nodes")["nodes"] if node["hostname"] == child.name)
        self.assertEqual((shown["state"], shown["sent_to"]), ("live", above.address))
        self.assertEqual(self.ctl(parent, "status")["children"], 1)
        self.assertEqual(self.ctl(parent, "drain")["told"], 1)
        parent.wait_host(child.name, online=False)
        child.stop()
        self.ctl(parent, "remove-node", child.name)
        self.assertNotIn(child.name, parent.reachable())
        self.assert_stopped(parent)


class WorkersTests(InteropTestCase):
    """
    Two workers carry the children, and the node shows them as one.
    """

    def parent(self, workers: int = 2, name: str = "ns-parent") -> NetstreamNode:
        """
        @return: A parent that runs.
        """
        return self.node(
            name, role="parent", stream=accepting(KEY), options=[f"global/workers={workers}", "plugins/proc=no"]
        )

    def test_shows_what_the_children_show(self) -> None:
        """
        Each worker holds the connection of one child, and the API of the node shows the charts, labels,
        samples and newest values of both; when it stops and runs again as one process, all is still there.
        """
        parent = self.parent()
        children = [
            self.agent(name, sends_to=[parent.address], fixture=True) for name in ("real-child-a", "real-child-b")
        ]
        for child in children:
            parent.wait_host(child.name)
            shown = parent.wait_samples("fixture.simple", child.name, count=8)
            for second, value in shown["absolute dim"].items():
                self.assertEqual(value, absolute(second))
            self.assert_same_charts(child, parent)
            for chart in FIXTURE_CHARTS:
                self.assert_same_samples(child, parent, chart, CLOCKS)
            wait_for(
                "the labels of the child at the parent",
                lambda child=child: parent.get("info", child.name)["host_labels"] == child.get("info")["host_labels"],
            )
            newest = parent.get("allmetrics", child.name, format="json")["fixture.simple"]
            self.assertEqual(newest["dimensions"]["abs"]["value"], absolute(newest["last_updated"]))
        self.assertEqual(sorted(connections_of(pid, parent.port) for pid in workers_of(parent)), [1, 1])
        before = {child.name: parent.samples("fixture.simple", child.name) for child in children}
        for child in children:
            child.stop()
        self.assert_stopped(parent)
        parent.options = ["plugins/proc=no"]
        parent.start()
        self.assertEqual(workers_of(parent), [])
        for name, samples in before.items():
            self.assertIn(name, parent.reachable())
            found = parent.samples("fixture.simple", name, after=-600)["absolute dim"]
            self.assertLessEqual(samples["absolute dim"].items(), found.items())
        self.assert_stopped(parent)

    def test_killed(self) -> None:
        """
        A worker that is killed is started again, its child comes back by itself, and no sample that was
        there before is gone; the other child does not notice.
        """
        parent = self.parent()
        children = [
            self.agent(name, sends_to=[parent.address], fixture=True) for name in ("real-child-a", "real-child-b")
        ]
        for child in children:
            parent.wait_samples("fixture.simple", child.name, count=5)
        victim, other = workers_of(parent)
        before = {child.name: parent.samples("fixture.simple", child.name) for child in children}
        os.kill(victim, signal.SIGKILL)
        wait_for("the worker runs again", lambda: len(set(workers_of(parent)) - {victim, other}) == 1)
        parent.wait_log(r"worker \d ended: .*signal 9")
        for child in children:
            newest = max(before[child.name]["absolute dim"])
            parent.wait_samples("fixture.simple", child.name, newer=newest + 3, count=2)
            after = parent.samples("fixture.simple", child.name, after=-600)
            self.assertLessEqual(before[child.name]["absolute dim"].items(), after["absolute dim"].items())
        self.assertIn(other, workers_of(parent))
        for child in children:
            child.stop()
        parent.stop()

    def test_spool(self) -> None:
        """
        While the parent of a proxy with workers and without a database is away, and though the worker is killed
        then, nothing is lost that the proxy got.
        """
        above = self.node("ns-above", role="parent", stream=accepting(KEY))
        options = ["global/workers=2", "plugins/proc=no", "db/db=none", "stream.conf:stream/spool=disk"]
        proxy = self.node("ns-proxy", role="parent", stream=accepting(KEY) + sending(above.address), options=options)
        child = self.node("ns-child", role="child", stream=sending(proxy.address, spool="no"))
        above.wait_samples("system.cpu", child.name, count=3)
        began = max(above.samples("system.cpu", child.name)["user"])
        above.stop()
        victim = next(pid for pid in workers_of(proxy) if connections_of(pid, proxy.port))

        got = set()

        def more() -> bool:
            got.add(int(proxy.get("allmetrics", child.name, format="json")["system.cpu"]["last_updated"]))
            return max(got) >= began + 8 and len(got) >= 4

        wait_for("the proxy has some seconds more", more)
        os.kill(victim, signal.SIGKILL)
        above.start()
        above.wait_samples("system.cpu", child.name, newer=max(got) + 12, count=2)
        found = above.samples("system.cpu", child.name, after=-600)["user"]
        # The last may have been under way.
        self.assertEqual(sorted({second for second in got if second < max(got)} - set(found)), [])
        self.assert_stopped(child, proxy, above)

    def test_main_killed(self) -> None:
        """
        When the process that serves is killed, its workers write what they have and end by themselves, so that
        the node can be started again at once.
        """
        parent = self.parent()
        child = self.agent("real-child-a", sends_to=[parent.address], fixture=True)
        parent.wait_samples("fixture.simple", child.name, count=5)
        before = parent.samples("fixture.simple", child.name)["absolute dim"]
        workers = workers_of(parent)
        os.kill(parent.pid, signal.SIGKILL)
        wait_for("the workers end", lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))
        parent.kill()
        parent.start()
        parent.wait_samples("fixture.simple", child.name, newer=max(before) + 1, count=2)
        found = parent.samples("fixture.simple", child.name, after=-600)
        self.assertLessEqual(before.items(), found["absolute dim"].items())
        child.stop()
        self.assert_stopped(parent)
