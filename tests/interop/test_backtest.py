"""
Definitions tried on what running nodes have stored.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import time
from typing import Any
from unittest import mock

from netstream.cli import main
from tests.interop.case import InteropTestCase
from tests.interop.peers import KEY, accepting, wait_for

HEALTH = """
template: rises
on: fixture.gaps
lookup: max -3s unaligned of here
every: 1s
warn: ($this > (($status >= $WARNING) ? (5) : (10)) && $this < 20) || $this > 40
crit: $this > 30 && $this <= 40
"""
"""A ramp of fifty seconds, whose highest of three goes from 49 to 2 at once: no state lasts less than nine seconds."""


class BacktestTests(InteropTestCase):
    """
    C{netstream alert test} against nodes that run.
    """

    def tried(self, *arguments: str) -> Any:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = main(["alert", "test", *arguments, "--json"])
        self.assertEqual((status, err.getvalue()), (0, ""))
        return json.loads(out.getvalue())

    def test_same_everywhere(self) -> None:
        """
        The API of a real agent, that of its netstream parent and the parent's files say the same, and that it was so.
        """
        options = ["db/mode=dbengine", "health/enable stock health configuration=no"]
        stream = accepting(KEY, postpone_alerts_on_connect="0", health_enabled="yes")
        node = self.node("parent", role="parent", stream=stream, options=options, health=HEALTH)
        child = self.agent("real-child", sends_to=[node.address], fixture=True)
        node.wait_samples("fixture.gaps", child.name, count=8)
        begun = int(time.time())
        node.wait_samples("fixture.gaps", child.name, count=36)
        end = begun + 28

        def log() -> list[Any]:
            found: list[Any] = node.get("alarm_log", child.name)
            return [each for each in found if begun + 8 < each["when"] < end - 5]

        wait_for("it changed", log)
        file = str(self.directory / "parent" / "etc" / "health.d" / "test.conf")
        span = ("--from", str(begun), "--to", str(end))
        places = (
            ("--against", str(self.directory / "parent" / "data"), "--host", child.name),
            ("--against", f"http://127.0.0.1:{node.port}", "--host", child.name),
            ("--against", f"http://127.0.0.1:{child.port}/"),
        )
        expected = sorted((each["when"], each["status"]) for each in node.get("alarm_log", child.name))
        for place in places:
            found = self.tried(file, *place, *span)
            self.assertEqual(found["hostname"], child.name)
            events = [(each["when"], each["status"]) for each in found["events"]]
            # Each that happened is among those found and the other way round, as near as a machine evaluates that may
            # stand still for a moment; they are nine seconds apart.
            for some, others in ((events, expected), (expected, events)):
                within = [each for each in some if begun + 8 < each[0] < end - 5]
                self.assertGreaterEqual(len(within), 1, place)
                for when, status in within:
                    near = [other for at, other in others if abs(at - when) <= 4]
                    self.assertEqual(near, [status], (place, when, events, expected))

    def test_signed_in(self) -> None:
        """
        A node that wants a token is asked with one from a file or the
        environment, and what it is is not said; without, the way is.
        """
        etc = self.directory / "parent" / "etc"
        etc.mkdir(parents=True)
        for name in ("access", "mine", "wrong"):
            (etc / name).write_text("another-token-of-others" if name == "wrong" else "the-token-of-the-node")
            (etc / name).chmod(0o600)
        health = "template: t\non: system.uptime\nlookup: max -3s unaligned\nevery: 1s\nwarn: $this < 0\n"
        node = self.node("parent", role="parent", options=["web/access token file=access"], health=health)
        node.token = "the-token-of-the-node"
        node.wait_samples("system.uptime")
        asked = (str(etc / "health.d" / "test.conf"), "--against", f"http://127.0.0.1:{node.port}", "--from", "1m ago")
        self.assertEqual(self.tried(*asked, "--token-file", str(etc / "mine"))["hostname"], "parent")
        with mock.patch.dict(os.environ, {"NETSTREAM_TOKEN": "the-token-of-the-node"}):
            self.assertEqual(self.tried(*asked)["hostname"], "parent")
        for more in ((), ("--token-file", str(etc / "wrong"))):
            err = io.StringIO()
            with contextlib.redirect_stderr(err):
                self.assertEqual(main(["alert", "test", *asked, *more]), 1)
            self.assertIn("HTTP 401", err.getvalue())
            self.assertIn("--token-file FILE, or NETSTREAM_TOKEN", err.getvalue())
            self.assertNotIn("another-token-of-others", err.getvalue())
        self.assertNotIn("the-token-of-the-node", node.log())
