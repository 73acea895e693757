"""
Alerts say what the alerts of a real agent say: the same definitions over the
same metrics have the same values, statuses and transitions.
"""

from __future__ import annotations

import math
import time
from typing import Any

from tests.interop.case import InteropTestCase
from tests.interop.peers import KEY, Peer, accepting, wait_for

SECONDS = 34
"""How long both are watched at least."""
PATIENCE = 300
"""How long at most, until each that changes has had a transition at both."""
STANDSTILL = 1.5
"""Seconds between two looks at both from which on the machine is said to have stood still."""

LOOKUPS = {
    "average": "average -10s unaligned of abs",
    "sum": "sum -10s unaligned of abs",
    "min": "min -7s unaligned of abs",
    "max": "max -7s unaligned of abs",
    "all_dimensions": "average -5s unaligned",
    "absolute": "average -5s unaligned absolute of gauge",
    "percentage": "average -5s unaligned percentage of abs",
    "min2max": "average -5s unaligned min2max",
    "by_name": "max -5s unaligned match-names of absolute*",
    "by_id": "max -5s unaligned match-ids of a*",
    "several": "max -5s unaligned of abs,inc",
    "earlier": "average -5s at -5s unaligned of abs",
    "median": "median -9s unaligned of gauge",
    "stddev": "stddev -9s unaligned of gauge",
    "incremental": "incremental_sum -9s unaligned of abs",
    "aligned": "average -5s of abs",
    "ses": "ses -9s unaligned of gauge",
    "cv": "cv -9s unaligned of gauge",
    "countif": "countif -9s unaligned of gauge",
    "des": "des -9s unaligned of gauge",
    "percentile": "percentile -9s unaligned of gauge",
    "percentile80": "percentile80 -9s unaligned of gauge",
    "trimmed_mean": "trimmed-mean -9s unaligned of gauge",
    "trimmed_median": "trimmed-median10 -9s unaligned of gauge",
    "no_zeros": "average -6s unaligned null2zero of nosuch",
    "absolute_at": "max -5s at -3s every 2s unaligned absolute of gauge",
    "not_inc": "max -5s unaligned of !inc *",
    "aligned_sum": "sum -4s at -4s of abs",
}
FILTERS = {
    "os: linux": "on_linux",
    "os: freebsd": "on_freebsd",
    "hosts: real-*": "of_host",
    "hosts: !real-* *": "of_others",
    "plugin: fixture.plugin": "of_plugin",
    "plugin: !fixture.* *": "of_other_plugin",
    "module: simple": "of_module",
    "module: nothing": "of_no_module",
    "families: some*": "of_family",
    "host labels: _os_name = *": "of_label",
    "host labels: nosuch = *": "of_no_label",
}
CHANGING = ("rises", "waves", "critical", "sticks")
"""Those that have transitions all the time."""
DEFINITIONS = (
    "".join(f"alarm: {name}\non: fixture.simple\nlookup: {lookup}\nevery: 1s\n\n" for name, lookup in LOOKUPS.items())
    + "".join(
        f"template: {name}\non: fixture.context\n{line}\ncalc: 1\nevery: 2s\n\n" for line, name in FILTERS.items()
    )
    + """
template: waves
on: fixture.gaps
lookup: max -3s unaligned of here
every: 1s
warn: $this > (($status == $WARNING) ? (15) : (25)) && $this < 45
delay: down 4s multiplier 2 max 10s

template: critical
on: fixture.gaps
calc: abs($here - 25)
every: 1s
crit: $this > (($status == $CRITICAL) ? (12) : (18))
delay: up 1s down 1s multiplier 1.2 max 3s

template: sticks
on: fixture.gaps
calc: ($here - 25) * ($here - 25) / 25
every: 1s
warn: $this > (($status >= $WARNING) ? (4) : (9))
crit: $this > (($status == $CRITICAL) ? (12) : (18))

template: calculated
on: fixture.context
lookup: average -5s unaligned of abs
calc: ($this * 2 + 1) / 3
every: 1s
green: 10
red: 20

alarm: dimension
on: fixture.simple
calc: $abs
every: 1s

alarm: raw
on: fixture.simple
calc: $gauge_raw
every: 1s

alarm: elsewhere
on: fixture.simple
calc: ${fixture.gaps.here} * 2
every: 1s

alarm: other_alert
on: fixture.simple
calc: $constant + 1
every: 1s

alarm: constant
on: fixture.simple
calc: 41
every: 1s
units: things

alarm: nothing
on: fixture.simple
calc: $nosuch + 1
every: 1s
warn: $this > 1

alarm: division
on: fixture.simple
calc: 1 / 0
every: 1s
crit: $this > 1

alarm: undefined
on: fixture.simple
calc: 1
every: 1s
warn: 1 / 0

alarm: half_defined
on: fixture.simple
calc: 1
every: 1s
warn: 1 / 0
crit: $this > 5

alarm: both
on: fixture.simple
calc: 5
every: 1s
warn: $this > 3
crit: $this > 4

alarm: words
on: fixture.simple
calc: (1 OR 0) AND NOT 0
every: 1s
warn: $this == 1

alarm: long
on: fixture.simple
lookup: average -1h unaligned of abs
every: 1s
warn: $this > 0

template: rises
on: fixture.gaps
calc: $here
every: 1s
warn: ($this > (($status >= $WARNING) ? (5) : (10)) && $this < 20) || $this > 40
crit: $this > 30 && $this < 40
delay: up 2s down 3s multiplier 1.5 max 5s
info: here of $family and ${label:none}
options: no-clear-notification
"""
)

SAME = (
    *("name", "chart", "class", "component", "type", "recipient", "units", "update_every", "family", "info"),
    *("delay_up_duration", "delay_down_duration", "delay_max_duration", "delay_multiplier", "warn_repeat_every"),
    *("crit_repeat_every", "lookup_method", "lookup_after", "lookup_before", "lookup_dimensions", "calc", "warn"),
    *("crit", "calc_parsed", "warn_parsed", "crit_parsed", "green", "red", "active", "disabled", "silenced"),
    *("last_repeat", "times_repeat", "no_clear_notification"),
)
"""What the API says alike of each alert."""
OTHERWISE = {"all_dimensions", "percentage", "several"}
"""Their values have a rate in them, which a version 1 connection carries as its counter and clock."""


class AlertsDifferentialTests(InteropTestCase):
    """
    A real agent evaluates its own metrics, and its netstream parent the same.
    """

    def watched(self, peer: Peer, host: str) -> dict[str, Any]:
        """
        @return: All alerts that a node has of a host, by name.
        """
        found = peer.get("alarms?all", host)["alarms"].values()
        return {alert["name"]: alert for alert in found}

    def test_same(self) -> None:
        """
        Values over the same seconds, statuses, transitions and all that the API says are the same.
        """
        node = self.node(
            "ns-parent",
            role="parent",
            stream=accepting(KEY, postpone_alerts_on_connect="0", health_enabled="yes"),
            options=["health/enable stock health configuration=no"],
            health=DEFINITIONS,
        )
        child = self.agent("real-child", sends_to=[node.address], fixture=True, alerts=DEFINITIONS)
        stood: list[tuple[float, float]] = []
        looked = time.time()

        def look() -> None:
            nonlocal looked
            before, looked = looked, time.time()
            if looked - before > STANDSTILL:
                stood.append((before, looked))

        def both_evaluate() -> bool:
            look()
            return len(next(iter(node.samples("fixture.simple", child.name).values()))) >= 12 and all(
                (alert := self.watched(peer, child.name).get("rises")) and alert["status"] != "UNINITIALIZED"
                for peer in (node, child)
            )

        wait_for("both evaluate", both_evaluate)
        begun = quiet = int(time.time()) + 1
        seen: tuple[dict[Any, float], dict[Any, float]] = ({}, {})
        last: list[dict[str, Any]] = []
        while time.time() < begun + SECONDS or not self.changed(quiet, node, child):
            self.assertLess(time.time(), begun + PATIENCE, "an alert has had no transition")
            last = [self.watched(peer, child.name) for peer in (child, node)]
            for found, alerts in zip(seen, last, strict=True):
                for name, alert in alerts.items():
                    if alert.get("db_before") and alert["value"] is not None:
                        found[name, alert["db_after"], alert["db_before"]] = alert["value"]
            time.sleep(0.25)
            look()
            quiet = max([begun, *(math.ceil(end) + 3 for _, end in stood)])

        for found in seen:
            for name, after, before in tuple(found):
                # Who is woken first evaluates before the samples of that time are there.
                if any(after <= end + 1 and start - 1 <= before for start, end in stood):
                    del found[name, after, before]
        self.assertEqual(set(last[0]), set(last[1]))
        self.assert_same_values(*seen)
        for name in last[0]:
            theirs, ours = ({field: alerts[name].get(field) for field in SAME} for alerts in last)
            self.assertEqual(ours, theirs)
        steady = set(last[0]) - set(CHANGING)
        theirs, ours = ({name: alerts[name]["status"] for name in steady} for alerts in last)
        self.assertEqual(ours, theirs)
        until = int(time.time()) - 3
        found = [peer.get("alarm_log", child.name) for peer in (child, node)]
        for name in CHANGING:
            self.assert_same_transitions(name, *found, quiet, until)
        keys = [set(next(entry for entry in log if entry["name"] == "rises")) for log in found]
        self.assertEqual(keys[1] - keys[0], {"transition_id", "summary"})
        self.assertEqual(keys[0] - keys[1], set())

    def changed(self, since: int, node: Peer, child: Peer) -> bool:
        """
        @return: Whether each alert that changes has had a transition at both
            since then, so long ago that it can be compared.
        """
        logs = [peer.get("alarm_log", child.name) for peer in (node, child)]
        return all(
            any(entry["name"] == name and since < entry["when"] < time.time() - 4 for entry in log)
            for log in logs
            for name in CHANGING
        )

    def assert_same_values(self, theirs: dict[Any, float], ours: dict[Any, float]) -> None:
        """
        Where both looked at the same seconds, they found the same.
        """
        both = theirs.keys() & ours.keys()
        self.assertEqual({name for name, *_ in both}, {name for name, *_ in theirs})
        for key in both:
            exact = key[0] not in OTHERWISE
            same = math.isclose(theirs[key], ours[key], rel_tol=1e-5 if exact else 1e-2, abs_tol=1e-6 if exact else 1)
            self.assertTrue(same, f"{key}: {theirs[key]} and {ours[key]}")

    def assert_same_transitions(self, name: str, theirs: list[Any], ours: list[Any], begun: int, until: int) -> None:
        """
        What happened since is the same, and at the same time but for a period of evaluation.
        """
        logs = [[entry for entry in reversed(log) if entry["name"] == name] for log in (theirs, ours)]
        for log, others in (logs, logs[::-1]):
            within = [entry for entry in log if begun < entry["when"] < until]
            self.assertGreaterEqual(len(within), 1)
            first = min(range(len(others)), key=lambda at: self.distance(within[0], others[at]))
            for one, other in zip(within, others[first : first + len(within)], strict=True):
                for field in ("old_status", "status", "delay", "info", "units", "chart", "no_clear_notification"):
                    self.assertEqual(other.get(field), one.get(field))
                self.assertLessEqual(abs(one["when"] - other["when"]), 2)
                self.assertLessEqual(abs(one["duration"] - other["duration"]), 3)

    def distance(self, one: dict[str, Any], other: dict[str, Any]) -> tuple[bool, float]:
        """
        How far two transitions are from being the same one.
        """
        return one["status"] != other["status"], abs(one["when"] - other["when"])
