"""
Raised alerts are told again as often as a real agent tells, and its script
hears the same.
"""

from __future__ import annotations

import time
from itertools import dropwhile, groupby
from pathlib import Path

from attrs import frozen

from tests.interop.case import InteropTestCase
from tests.interop.peers import KEY, accepting, wait_for

SECONDS = 38
"""How long both are watched: more than one wave."""
STEADY = ("warns", "is_critical", "half", "small", "once", "off")
"""Those that are raised all the time."""
CHANGING = ("waves", "no_clear")

DEFINITIONS = """
alarm: warns
on: fixture.simple
calc: 5
every: 1s
warn: $this > 3
repeat: warning 5s critical 2s
units: things
info: it is $family
to: sysadmin webmaster
exec: PROGRAM

alarm: is_critical
on: fixture.simple
calc: 7
every: 1s
warn: $this > 3
crit: $this > 6
repeat: warning 2s critical 7s
to: dba
exec: PROGRAM

alarm: half
on: fixture.simple
calc: 5.25
every: 1s
warn: $this > 3 && $abs > -1
repeat: warning 9s
to: sysadmin
exec: PROGRAM

alarm: small
on: fixture.simple
calc: 1 / 3000
every: 1s
warn: $this < 3
repeat: warning 9s
to: sysadmin
exec: PROGRAM

alarm: once
on: fixture.simple
calc: 5
every: 1s
warn: $this > 3
to: sysadmin
exec: PROGRAM

alarm: off
on: fixture.simple
calc: 5
every: 1s
warn: $this > 3
repeat: off
to: sysadmin
exec: PROGRAM

alarm: silent
on: fixture.simple
calc: 5
every: 1s
warn: $this > 3
repeat: warning 2s
to: silent
exec: PROGRAM

template: waves
on: fixture.gaps
calc: abs($here - 25)
every: 1s
warn: $this > 5 && $this < 20
crit: $this > 10 && $this < 15
repeat: warning 4s critical 3s
to: sysadmin
exec: PROGRAM

template: no_clear
on: fixture.gaps
calc: abs($here - 25)
every: 1s
warn: $this > 5 && $this < 20
repeat: warning 6s
options: no-clear-notification
to: sysadmin
exec: PROGRAM
"""

NAMES = (
    *("recipient", "hostname", "unique_id", "alarm_id", "event_id", "when", "name", "chart", "family", "status"),
    *("old_status", "value", "old_value", "source", "duration", "non_clear_duration", "units", "info"),
    *("value_string", "old_value_string", "expression_source", "expression_values", "total_warnings"),
    *("total_critical", "warning_list", "critical_list", "classification", "edit_command", "machine_guid"),
)
"""Arguments of an agent of version 1.37; later ones have no family."""


@frozen
class Told:
    """
    One call of the script.
    """

    at: int
    arguments: dict[str, str]


class RepeatTests(InteropTestCase):
    """
    A script is called for a real agent, and for its netstream parent.
    """

    def program(self, name: str) -> Path:
        """
        @return: A script that notes its arguments.
        """
        script = self.directory / f"tell-{name}"
        script.write_text(
            '#!/bin/sh\nexec 9>>"$0.out"\nflock 9\n{ printf \'%s\\0\' "$(date +%s)" "$@"; printf \'\\1\'; } >&9\n'
        )
        script.chmod(0o755)
        return script

    def told(self, script: Path, names: tuple[str, ...], end: float) -> dict[str, list[Told]]:
        """
        @param names: Of the arguments.
        @return: What was told until then of each alert, in order.
        """
        found: dict[str, list[Told]] = {}
        for text in Path(f"{script}.out").read_text().split("\1")[:-1]:
            at, *values = text.split("\0")[:-1]
            call = Told(int(at), dict(zip(names, values, strict=False)))
            if call.at < end:
                found.setdefault(call.arguments["name"], []).append(call)
        return found

    def test_same(self) -> None:
        """
        Who is told again, how often, and with which arguments, is the same.
        """
        real, own = self.program("real"), self.program("own")
        node = self.node(
            "ns-parent",
            role="parent",
            stream=accepting(KEY, postpone_alerts_on_connect="0", health_enabled="yes"),
            options=["health/enable stock health configuration=no"],
            health=DEFINITIONS.replace("PROGRAM", str(own)),
        )
        self.agent(
            "real-child",
            sends_to=[node.address],
            fixture=True,
            alerts=DEFINITIONS.replace("PROGRAM", str(real)),
        )
        wait_for("both tell", lambda: all(Path(f"{script}.out").exists() for script in (real, own)))
        end = time.time() + SECONDS
        wait_for("there is enough to compare", lambda: time.time() > end, timeout=SECONDS + 20)
        theirs = self.told(real, NAMES, end - 3)
        ours = self.told(own, tuple(name for name in NAMES if name != "family"), end - 3)
        for name in STEADY:
            self.assert_same(theirs[name], ours[name])
            for one, other in zip(theirs[name], ours[name], strict=False):
                for field in ("info", "units", "value_string", "classification"):
                    self.assertEqual(other.arguments[field], one.arguments[field])
                self.assertEqual(self.others(other), self.others(one))
        for name in CHANGING:
            # One of them may have begun while it was raised.
            raised = [self.since_raised(calls[name], 0) for calls in (theirs, ours)]
            begun = max(calls[0].at for calls in raised) - 2
            self.assert_same(*(self.since_raised(calls, begun) for calls in raised))
        # An agent leaves it to its script to be silent.
        self.assertNotIn("silent", ours)
        self.assertEqual([call.arguments["value"] for call in ours["half"]][:2], ["5.25", "5.25"])
        self.assertEqual([call.arguments["value"] for call in ours["warns"]][:2], ["5", "5"])
        first = ours["warns"][1].arguments
        # An agent may name the expression of another alert here.
        self.assertEqual((first["expression_source"], first["expression_values"]), ("$this > 3", "[ $this = 5 ] "))
        self.assertEqual(first["edit_command"].partition("edit-config ")[2], "health.d/test.conf=2=real-child")

    def others(self, call: Told) -> set[str]:
        """
        @return: The other alerts that are raised all the time, as a script hears of them.
        """
        listed = f"{call.arguments['warning_list']},{call.arguments['critical_list']}".split(",")
        return {name for each in listed if (name := each.partition("=")[0]) and name not in CHANGING}

    def since_raised(self, calls: list[Told], begun: int) -> list[Told]:
        """
        @return: What was told since an alert that was clear was raised, at some second or later.
        """
        return list(dropwhile(lambda call: call.arguments["old_status"] != "CLEAR" or call.at < begun, calls))

    def assert_same(self, theirs: list[Told], ours: list[Told]) -> None:
        """
        What is told of one alert is the same, at the same time but for a period of evaluation, in which it may be told
        once more.
        """
        for field in ("recipient", "hostname", "chart"):
            self.assertEqual({call.arguments[field] for call in ours}, {call.arguments[field] for call in theirs})
        statuses = [
            [
                (key, list(some))
                for key, some in groupby(calls, lambda c: (c.arguments["status"], c.arguments["old_status"]))
            ]
            for calls in (theirs, ours)
        ]
        self.assertGreaterEqual(min(map(len, statuses)), 1)
        for (one, theirs), (other, ours) in zip(*statuses, strict=False):
            self.assertEqual(other, one)
            apart = theirs[0].at - ours[0].at
            # What has changed is told at once; an agent waits until it would tell again.
            self.assertLessEqual(abs(apart), 4)
            self.assertLessEqual(abs(len(theirs) - len(ours)), 1)
            for real, own in zip(theirs, ours, strict=False):
                self.assertLessEqual(abs(real.at - own.at - apart), 2)
            for real, own in zip(theirs[1:], ours[1:], strict=False):
                self.assertLessEqual(abs(int(real.arguments["duration"]) - int(own.arguments["duration"])), 3)
