"""
Definitions of alerts that change while a node runs.
"""

from __future__ import annotations

import errno
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from http.client import HTTPConnection
from pathlib import Path
from urllib.request import Request, urlopen

from netstream.model.identity import fingerprint
from tests.interop.case import InteropTestCase
from tests.interop.peers import CHECKOUT, KEY, NetstreamNode, accepting, sending, wait_for

OTHER = "2b1a6f0e-7a53-4c1b-8a70-3f5d0f7f6a11"
HEALTH = "template: {}\non: system.load\ncalc: 1\nevery: 1s\nwarn: $this > 0\n\n"


class InTerminal(NetstreamNode):
    """
    A node that runs in a terminal.

    @ivar terminal: The other end of the terminal.
    """

    terminal = -1

    def _launch(self, command: Sequence[str], environment: Mapping[str, str], directory: Path, output: Path) -> None:
        self.terminal, inside = os.openpty()
        begin = (
            "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
        )
        with output.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", begin, *command],
                stdin=inside,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=directory,
                start_new_session=True,
            )
        os.close(inside)


class FromFile(NetstreamNode):
    """
    A node that has its C{bind to} from its file, where it can change.
    """

    def bind(self, text: str) -> None:
        (self.directory / "etc" / "netstream.conf").write_text(f"[web]\n    bind to = {text}\n")

    def _launch(self, command: Sequence[str], environment: Mapping[str, str], directory: Path, output: Path) -> None:
        at = next(number for number, word in enumerate(command) if word.startswith("web/bind to="))
        super()._launch([*command[: at - 1], *command[at + 1 :]], environment, directory, output)


class ReloadTests(InteropTestCase):
    """
    A node of its own process.
    """

    def test_reload(self) -> None:
        """
        New definitions are in use after SIGUSR2, and after a request with the token; old ones go on.
        """
        options = ["health/enable stock health configuration=no"]
        node = self.node("node", role="standalone", options=options, health=HEALTH.format("first"))

        def names() -> set[str]:
            return {alert["name"] for alert in node.get("alarms?all")["alarms"].values()}

        wait_for("an alert is there", lambda: names() == {"first"})
        (first,) = node.get("alarms?all")["alarms"].values()
        file = self.directory / "node" / "etc" / "health.d" / "test.conf"
        file.write_text(HEALTH.format("first") + HEALTH.format("second"))
        node.signal(signal.SIGUSR2)
        wait_for("another one is there", lambda: names() == {"first", "second"})
        self.assertEqual(node.get("alarms?all")["alarms"]["system.load.first"]["id"], first["id"])
        file.write_text(HEALTH.format("third") + "template: broken\non: system.load\nwarn: $this >\n")
        token = (self.directory / "node" / "data" / "management.key").read_text().strip()
        url = f"http://127.0.0.1:{node.port}/api/v1/manage/health?cmd=RELOAD"
        with urlopen(Request(url, headers={"X-Auth-Token": token}), timeout=60) as answer:
            said = answer.read().decode()
        self.assertIn("1 alert definitions are in use", said)
        self.assertIn("test.conf:9: ", said)
        wait_for("the new one alone is there", lambda: names() == {"third"})
        self.assert_stopped(node)

    def test_children_stay(self) -> None:
        """
        A real child stays connected through SIGHUP and 'netstream ctl reload', whatever changes for others, and is cut
        off when its own key is taken away; files that are wrong change nothing.
        """
        parent = self.node("parent", role="parent", stream=accepting(KEY))
        child = self.agent("real-child", sends_to=[parent.address], fixture=True)
        parent.wait_samples("fixture.simple", child.name, count=4)
        conf = self.directory / "parent" / "etc" / "stream.conf"
        conf.write_text(accepting(KEY, OTHER) + "[stream]\n    timeout = 30s\n")
        parent.signal(signal.SIGHUP)
        mark = fingerprint(OTHER)
        parent.wait_log(rf"changed: stream.conf:\d+: \[key {mark}\] enabled: not given -> yes")
        conf.write_text(accepting(OTHER) + "[stream]\n    timeout = soon\n")
        parent.signal(signal.SIGHUP)
        parent.wait_log(r"the settings stay as they were: stream.conf:4: \[stream\] timeout: 'soon' is not a duration")
        before = max(parent.samples("fixture.simple", child.name)["inc"])
        wait_for("more samples", lambda: max(parent.samples("fixture.simple", child.name)["inc"]) > before + 3)
        self.assertEqual(parent.log().count(f"{child.name} ({child.guid}) connected"), 1)
        conf.write_text(accepting(OTHER))
        command = [sys.executable, "-m", "netstream.cli", "ctl", "reload", "--data-dir", f"{parent.directory}/data"]
        told = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=60, check=True).stdout
        self.assertIn(f"[key {fingerprint(KEY)}] enabled: yes -> not given", told)
        self.assertIn(f"{child.name} ({child.guid}) is cut off: API key {fingerprint(KEY)} is not known", told)
        parent.wait_host(child.name, online=False)
        for text in (told, parent.log()):
            self.assertNotIn(KEY, text)
            self.assertNotIn(OTHER, text)
        self.assert_stopped(parent)

    def test_workers(self) -> None:
        """
        A real child that a worker process has stays connected through a reload, counts among those who use its key, and
        is cut off when that is taken away.
        """
        options = ["global/workers=1"]
        parent = self.node("parent", role="parent", stream=accepting(KEY), options=options)
        child = self.agent("real-child", sends_to=[parent.address], fixture=True)
        parent.wait_samples("fixture.simple", child.name, count=3)

        def ctl(command: str) -> str:
            words = [sys.executable, "-m", "netstream.cli", "ctl", command, "--data-dir", f"{parent.directory}/data"]
            return subprocess.run(words, cwd=CHECKOUT, capture_output=True, text=True, timeout=60, check=True).stdout

        row = next(line for line in ctl("keys").splitlines() if line.startswith(fingerprint(KEY)))
        self.assertEqual(row.split()[1:6], ["valid", "-", "-", "1", "now"])
        conf = self.directory / "parent" / "etc" / "stream.conf"
        conf.write_text(accepting(KEY, OTHER))
        self.assertIn(f"[key {fingerprint(OTHER)}] enabled: not given -> yes", ctl("reload"))
        before = max(parent.samples("fixture.simple", child.name)["inc"])
        wait_for("more samples", lambda: max(parent.samples("fixture.simple", child.name)["inc"]) > before + 3)
        conf.write_text(accepting(OTHER))
        told = ctl("reload")
        self.assertIn(f"{child.name} ({child.guid}) is cut off: API key {fingerprint(KEY)} is not known", told)
        parent.wait_host(child.name, online=False)
        self.assert_stopped(parent)

    def test_sender_moves(self) -> None:
        """
        A node that streams to a real parent stays there while its file names it, and moves to another without a gap.
        """
        real = self.agent("real-parent", accepts=[KEY])
        other = self.node("other", role="parent", stream=accepting(KEY))
        node = self.node("sender", role="child", stream=sending(real.address))
        real.wait_samples("system.load", node.name, count=4)
        conf = self.directory / "sender" / "etc" / "stream.conf"
        conf.write_text(sending(real.address, other.address, timeout="20s"))
        node.signal(signal.SIGHUP)
        node.wait_log(r"changed: stream.conf:\d+: \[stream\] timeout: 60s \(default\) -> 20s")
        conf.write_text(sending(other.address))
        first = max(real.samples("system.ctxt", node.name)["switches"])
        node.signal(signal.SIGHUP)
        node.wait_log(rf"sender streams to {other.address}")
        # A real parent that was stopped for a moment ends connections, and is connected to again.
        moved = re.findall(r"sender streams to (\S+) no more: where and how it is sent was changed", node.log())
        self.assertEqual(moved, [real.address])
        wait_for("samples", lambda: max(other.samples("system.ctxt", node.name).get("switches", {0: 0.0})) > first + 5)
        found = other.samples("system.ctxt", node.name)["switches"]
        # What it lacks itself was never collected.
        had = [second for second in node.samples("system.ctxt")["switches"] if first <= second < first + 5]
        self.assertEqual([second for second in had if second not in found], [])
        self.assertGreaterEqual(len(had), 2)
        self.assert_stopped(node, other)

    def test_port_moves(self) -> None:
        """
        A real child and a browser that keeps its connection go on while the port moves, also to one address of the same
        port; a port that someone else has refuses the files, and changes nothing.
        """
        parent = FromFile("parent", self.directory / "parent", role="parent", stream=accepting(KEY))
        parent.bind("127.0.0.1:0")
        self._started(parent)
        child = self.agent("real-child", sends_to=[parent.address], fixture=True)
        parent.wait_samples("fixture.simple", child.name, count=3)
        browser = HTTPConnection("127.0.0.1", parent.port, timeout=60)
        self.addCleanup(browser.close)

        def ask() -> int:
            browser.request("GET", "/api/v1/info")
            answer = browser.getresponse()
            answer.read()
            return answer.status

        def ctl_reload() -> str:
            command = [sys.executable, "-m", "netstream.cli", "ctl", "reload", "--data-dir", f"{parent.directory}/data"]
            done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=60)
            return done.stdout + done.stderr

        def goes_on() -> None:
            before = max(parent.samples("fixture.simple", child.name)["inc"])
            wait_for("more samples", lambda: max(parent.samples("fixture.simple", child.name)["inc"]) > before + 2)
            self.assertEqual(ask(), 200)
            self.assertEqual(parent.log().count(f"{child.name} ({child.guid}) connected"), 1)

        self.assertEqual(ask(), 200)
        with socket.create_server(("127.0.0.1", 0)) as taken:
            parent.bind(f"127.0.0.1:0=streaming 127.0.0.1:{taken.getsockname()[1]}")
            told = ctl_reload()
            self.assertIn(f"cannot be listened on: [Errno {errno.EADDRINUSE}]", told)
            self.assertIn("the settings stay as they were", told)
            goes_on()
            number = taken.getsockname()[1]
        old = parent.port
        parent.bind(f"*:{number}")
        told = ctl_reload()
        self.assertIn(f"listens on http://localhost:{number}/ now", told)
        self.assertIn("listens on 127.0.0.1:0 no more; 2 that came there go on", told)
        parent.port = number
        goes_on()
        self.assertRaises(ConnectionRefusedError, socket.create_connection, ("127.0.0.1", old), 5)
        parent.bind(f"127.0.0.1:{number}=dashboard|streaming")
        self.assertIn(f"listens on http://127.0.0.1:{number}/ now", ctl_reload())
        goes_on()
        self.assert_stopped(parent)

    def test_terminal(self) -> None:
        """
        A node in the foreground goes by its files on SIGHUP, but stops when its terminal is closed.
        """
        node = InTerminal("node", self.directory / "node", role="standalone")
        self._started(node)
        node.signal(signal.SIGHUP)
        node.wait_log("the files were read again: 0 options changed")
        os.close(node.terminal)
        node.wait_log("the terminal is gone")
        wait_for("its end", lambda: "Server Shut Down." in node.log())
        self.assert_stopped(node)
