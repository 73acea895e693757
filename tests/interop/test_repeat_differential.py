"""
Raised alerts are told again as often as a real agent tells, and its script
hears the same.
"""

from __future__ import annotations

import time
from itertools import dropwhile, pairwise
from pathlib import Path

from attrs import frozen

from tests.interop.case import InteropTestCase
from tests.interop.peers import KEY, accepting, wait_for

SECONDS = 38
"""How long both are watched at least: more than one wave."""
REPEATED = ("warns", "is_critical", "half", "small")
"""Those that are raised and told again all the time."""
STEADY = (*REPEATED, "once", "off")
"""Those that are raised all the time."""
CHANGING = ("waves", "no_clear")
STANDSTILL = 0.5
"""Seconds without this process from which on it counts that the machine stood still."""

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

    @ivar at: When the script ran, which may be long after it was called.
    """

    at: int
    arguments: dict[str, str]

    @property
    def when(self) -> int:
        """
        When it was found that this had to be told.
        """
        return int(self.arguments["when"])

    @property
    def duration(self) -> int:
        """
        For how long it had been so.
        """
        return int(self.arguments["duration"])

    @property
    def change(self) -> tuple[str, str]:
        """
        What it is, and what it was before.
        """
        return self.arguments["status"], self.arguments["old_status"]


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
        self.stood: list[tuple[float, float]] = []
        began = looked = time.time()
        told: list[dict[str, list[Told]]] = []

        def enough() -> bool:
            nonlocal looked
            before, looked = looked, time.time()
            if looked - before > STANDSTILL:
                self.stood.append((before, looked))
            if looked < began + SECONDS:
                return False
            told[:] = [
                self.told(real, NAMES, looked - 3),
                self.told(own, tuple(name for name in NAMES if name != "family"), looked - 3),
            ]
            return all(
                min(len(calls.get(name, ())) for name in REPEATED) > 3
                and all(len(self.since_raised(calls.get(name, []), 0)) > 3 for name in CHANGING)
                for calls in told
            )

        wait_for("there is enough to compare", enough, timeout=SECONDS + 120)
        theirs, ours = told
        for name in STEADY:
            self.assert_same(theirs[name], ours[name])
            self.assertEqual({call.change for call in theirs[name]}, {call.change for call in ours[name]})
            for one, other in zip(theirs[name], ours[name], strict=False):
                for field in ("info", "units", "value_string", "classification"):
                    self.assertEqual(other.arguments[field], one.arguments[field])
            # When it is told first, others may not have been looked at.
            for one, other in zip(theirs[name][1:], ours[name][1:], strict=False):
                self.assertEqual(self.others(other), self.others(one))
        for name in REPEATED:
            self.assert_same_pace(name, theirs[name], ours[name])
        for name in ("once", "off"):
            self.assertEqual((len(theirs[name]), len(ours[name])), (1, 1))
        for name in CHANGING:
            # One of them may have begun while it was raised.
            raised = [self.since_raised(calls[name], 0) for calls in (theirs, ours)]
            begun = max(calls[0].when for calls in raised) - 8
            self.assert_same_phases(name, *(self.since_raised(calls, begun) for calls in raised))
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
        return list(dropwhile(lambda call: call.arguments["old_status"] != "CLEAR" or call.when < begun, calls))

    def assert_same(self, theirs: list[Told], ours: list[Told]) -> None:
        """
        Who is told, and since when it is so, is the same.
        """
        for field in ("recipient", "hostname", "chart"):
            self.assertEqual({call.arguments[field] for call in ours}, {call.arguments[field] for call in theirs})
        for calls in (theirs, ours):
            for phase in self.phases(calls):
                # What has changed is told at once, with how long it was otherwise; an agent waits until it would tell
                # again.
                already = phase[0].duration if calls is theirs else 0
                for call in phase[1:]:
                    self.assertLessEqual(abs(call.duration - already - (call.when - phase[0].when)), 1, str(phase))

    def phases(self, calls: list[Told]) -> list[list[Told]]:
        """
        @return: What was told while it stayed as it was.
        """
        phases: list[list[Told]] = []
        for call in calls:
            last = phases[-1][-1] if phases else None
            # One that was clear meanwhile may have said nothing of that; what comes first may say how long it was
            # otherwise.
            again = last is not None and call.duration < last.duration and len(phases[-1]) > 1
            if last is None or call.change != last.change or again:
                phases.append([])
            phases[-1].append(call)
        return phases

    def assert_same_pace(self, name: str, theirs: list[Told], ours: list[Told]) -> None:
        """
        It is told as often, but for what the machine missed while it stood still.
        """
        self.assertLessEqual(abs(theirs[0].when - ours[0].when), 4 + sum(end - start for start, end in self.stood))
        real, own = ([after.when - before.when for before, after in pairwise(calls)] for calls in (theirs, ours))
        self.assertLessEqual(abs(min(real) - min(own)), 1, f"{name}: {real} and {own}")
        self.assertLessEqual(abs(len(real) - len(own)), 1 + len(self.stood), f"{name}: {real} and {own}")

    def assert_same_phases(self, name: str, theirs: list[Told], ours: list[Told]) -> None:
        """
        Whenever it changed both were told so, at the same time but for a period of evaluation; an agent waits until it
        would tell again, at most six seconds, and may tell nothing of what was over by then.
        """
        self.assert_same(theirs, ours)
        real, own = self.phases(theirs), self.phases(ours)
        # What one told last, the other may not have told yet.
        last = min(theirs[-1].when, ours[-1].when)
        for phase in real:
            if phase[0].when >= last:
                break
            while own[0][0].change != phase[0].change or own[0][0].when < phase[0].when - 10:
                passed = own.pop(0)
                self.assertTrue(own, f"{name}: {phase} was told by one only: {theirs} and {ours}")
                still = any(start < own[0][0].when + 2 and end > passed[0].when - 2 for start, end in self.stood)
                self.assertTrue(still, f"{name}: {passed} was told by one only: {theirs} and {ours}")
            found = own.pop(0)
            self.assertLessEqual(found[0].when, phase[0].when + 3, f"{name}: {phase} and {found}")
            if phase[1:] and found[1:]:
                paces = [min(after.when - before.when for before, after in pairwise(one)) for one in (phase, found)]
                self.assertLessEqual(abs(paces[0] - paces[1]), 1 + 3 * bool(self.stood), f"{name}: {phase} and {found}")
