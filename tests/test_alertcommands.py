"""
C{netstream alert}: what a person reads who tries definitions.
"""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

from twisted.internet.task import Clock

from netstream.cli import main
from netstream.config.processes import DATABASE, directory_of
from netstream.db import DBEngine
from netstream.db.workers import Inline
from netstream.health.alerts import Transition
from tests.health.test_world import transitions
from tests.streaming.case import WorldCase

HEALTH = """
template: seconds_there
on: test.clock
lookup: sum -30s unaligned of second
calc: $this / $now
every: 1s
units: seconds there
warn: $this < (($status >= $WARNING) ? (29) : (26))
crit: $this < 20
delay: down 5s multiplier 2 max 20s
summary: Seconds of ${family}
to: sysadmin

template: now
on: test.clock
calc: $second % 60
every: 2s
warn: $this > 50
crit: $test.clock.second % 60 > 55
options: no-clear-notification
to: ops

template: elsewhere
on: test.clok
calc: $x
every: 1s

template: unknown
on: test.clock
calc: $second + $nosuch
every: 1s
warn: $this > 1
"""


class AlertTestTests(WorldCase):
    """
    C{netstream alert test} on the data of a node that has watched, too.
    """

    def setUp(self) -> None:
        super().setUp()
        conf = "[health]\n    enable stock health configuration = no\n"
        self.node = self.world.node("node", conf=conf, health=HEALTH, mode="dbengine")
        self.began = self.world.now
        self.world.advance(90)
        self.file = Path(self.mktemp())
        self.file.write_text(HEALTH)

    @property
    def data(self) -> Path:
        return self.node.service.settings.data_dir

    def run_command(self, *arguments: str) -> tuple[int, str, str]:
        """
        @return: Exit status, standard output and standard error.
        """
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                status = main(["alert", "test", *arguments])
            except SystemExit as stop:
                status = int(stop.code or 0)
        return status, out.getvalue(), err.getvalue()

    def tried(self, *arguments: str) -> Any:
        status, out, err = self.run_command(str(self.file), "--against", str(self.data), "--json", *arguments)
        self.assertEqual((status, err), (0, ""))
        return json.loads(out)

    def test_as_it_was(self) -> None:
        """
        What is said to have happened is what did happen when the node watched, also while it runs.
        """
        self.node.stop()
        self.world.advance(9)
        self.node.start()
        self.world.advance(100)
        live: list[Transition] = transitions(self.node, "node")
        found = self.tried("--from", str(self.began + 45), "--to", str(self.world.now))
        raised = [each for each in live if each.status.raised or each.old_status.raised]
        begun = self.began + 45
        expected = [(t.name, t.when, t.old_status.name, t.status.name) for t in raised if t.when > begun + 5]
        tried = [
            (e["alert"], e["when"], e["old_status"], e["status"]) for e in found["events"] if e["when"] > begun + 5
        ]
        self.assertGreater(len(expected), 6)
        self.assertEqual(sorted(name for name, *_ in tried), sorted(name for name, *_ in expected))
        for one, other in zip(sorted(tried), sorted(expected), strict=True):
            # With its start, the old status began anew.
            self.assertEqual((one[0], one[3]), (other[0], other[3]))
            self.assertLessEqual(abs(one[1] - other[1]), 2)

    def test_read(self) -> None:
        """
        A person reads when it was raised, with which values, who would have been told, and what is odd.
        """
        begun = self.began + 40
        self.node.stop()
        status, out, err = self.run_command(
            str(self.file), "--against", str(self.data), "--from", str(begun), "--to", str(self.world.now)
        )
        self.assertEqual((status, err), (0, ""))
        self.assertIn("test.clock.now  CLEAR -> WARNING  00:00:52  told at 2027-01-15T08:00:52Z (ops)", out)
        self.assertIn("with $this = 5", out)
        self.assertIn("WARNING -> CRITICAL", out)
        self.assertIn("not told: its recovery is not told (no-clear-notification)", out)
        self.assertIn(
            "test.clock.seconds_there: never raised; evaluated 51 times, at last CLEAR with 30 seconds there", out
        )
        self.assertIn("applies to no chart: there is no test.clok; did you mean test.clock?", out)
        self.assertIn("$nosuch had no value", out)

    def test_nobody_is_told(self) -> None:
        """
        What was not over, or is silent, is not said to be told.
        """
        self.file.write_text(HEALTH.replace("to: ops", "to: silent"))
        events = self.tried("--from", str(self.began + 40), "--to", str(self.world.now))["events"]
        self.assertEqual({event["told"] for event in events}, {None})
        self.assertEqual(
            {e["not_told_because"] for e in events if e["status"] != "CLEAR"}, {"its recipient is 'silent'"}
        )

    def test_of_a_worker(self) -> None:
        """
        A host is found in the database of the worker that has it.
        """
        arguments = "--host", "node", "--from", str(self.began + 40), "--to", str(self.world.now)
        self.node.stop()
        alone = self.tried(*arguments)
        ours, theirs = self.data / "db", self.data / "theirs"
        ours.rename(theirs)
        db = DBEngine(ours, Clock(), workers=Inline())
        self.successResultOf(db.open())
        self.successResultOf(db.close())
        theirs.rename(directory_of(self.data, DATABASE, 1))
        self.assertEqual(self.tried(*arguments), alone)

    def test_mistakes(self) -> None:
        """
        What cannot be done is said in a sentence, and the status is 1.
        """
        good, data = str(self.file), str(self.data)
        odd = Path(self.mktemp())
        (odd / "catalog.sqlite").mkdir(parents=True)
        broken = Path(self.mktemp())
        broken.write_text("template: a\non: test.clock\nlookup: nosuch -1m\n")
        for arguments, expected in (
            (["/nowhere.conf", "--against", data], "/nowhere.conf: No such file"),
            ([str(broken), "--against", data], "there is no definition that can be used"),
            ([good, "--against", "/nowhere"], "there is no database here; a node that keeps its history in memory is"),
            ([good, "--against", str(odd)], "catalog.sqlite: cannot be read: "),
            ([good, "--against", "http://127.0.0.1:1"], "http://127.0.0.1:1: cannot be reached"),
            ([good, "--against", data, "--host", "nobody"], "there is no host 'nobody'"),
            ([good, "--against", data, "--from", "soon"], "--from: 'soon' is no time"),
            ([good, "--against", data, "--from", "20", "--to", "10"], "--from: 1970-01-01T00:00:20Z is not before"),
            ([good, "--against", data, "--from", "10", "--to", "20"], "there are only samples from"),
        ):
            status, out, err = self.run_command(*arguments)
            self.assertEqual((status, out), (1, ""))
            self.assertIn("netstream alert test: ", err)
            self.assertIn(expected, err)
        status, out, err = self.run_command(str(broken), "--against", data)
        self.assertIn(f"{broken}:3:", err)
