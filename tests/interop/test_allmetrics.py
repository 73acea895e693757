"""
All formats of C{allmetrics}, beside those of the real agent whose metrics they are.
"""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from tests.interop.case import PRECISION, InteropTestCase
from tests.interop.peers import KEY, Peer, PeerFailed, accepting, wait_for
from tests.interop.receivers import require

SAMPLE = re.compile(r"(?P<series>[a-zA-Z_:][a-zA-Z0-9_:]*(?:\{.*\})?) (?P<value>[-+.eE0-9]+)(?: (?P<moment>\d+))?")
"""A line of Prometheus's format that is no comment."""

ASSIGNED = re.compile(r"^(NETDATA_\w+)=\"(.*?)\"", re.MULTILINE)

QUESTIONS = (
    {},
    {"source": "sum"},
    {"data": "volume", "names": "no"},
    {"source": "as-collected"},
    {"data": "raw", "names": "no", "prefix": "my"},
    {"hideunits": "yes"},
    {"oldunits": "yes"},
    {"timestamps": "no", "prefix": "other"},
    {"filter": "!system.io system.* disk*"},
    {"filter": "system.*", "variables": "yes", "help": "yes", "types": "yes"},
)
"""All parameters of the formats of Prometheus."""

Told = dict[str, tuple[float, int]]
"""Value and time by series."""

OWN = "netdata."
"""What charts of the agent about itself begin with: they come and go with what is asked of it."""


def told(text: str) -> Told:
    """
    @return: Value and time of each series of a chart in a text in Prometheus's format. Variables of a host are not
        compared: an agent streams them only when they change.
    """
    found = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            matched = SAMPLE.fullmatch(line)
            if matched is None:
                raise AssertionError(f"not a sample: {line!r}")
            series = matched["series"]
            if 'chart="' in series and f'chart="{OWN}' not in series:
                found[series] = float(matched["value"]), int(matched["moment"] or 0)
    return found


class FormatTests(InteropTestCase):
    """
    A parent is asked for what an agent that streams to it tells itself.
    """

    maxDiff = None

    def setUp(self) -> None:
        super().setUp()
        self.parent = self.node("atlas", role="parent", stream=accepting(KEY), options=["db/mode=ram"])
        self.theirs = self.agent("origin", proc=True, sends_to=[self.parent.address])
        self.parent.wait_samples("system.load", self.theirs.name, count=2)
        wait_for("the parent has all charts of the agent", self._whole)

    def _whole(self) -> bool:
        theirs = {chart for chart in self.theirs.charts() if not chart.startswith(OWN)}
        return theirs <= set(self.parent.charts(self.theirs.name)) and "system.net" in theirs

    def _asked(self, host: str = "", **parameters: str) -> Callable[[Peer], str]:
        query = "/api/v1/allmetrics?" + urlencode(parameters)
        return lambda node: node.fetch((f"/host/{host}" if host and node is self.parent else "") + query).decode()

    def _both(self, scraper: Mapping[str, str]) -> tuple[Told, Told]:
        """
        @return: What both tell, once that is the same series: a chart that
            begins is known to the agent first.
        """
        ask = self._asked(self.theirs.name, **scraper)
        found: list[Told] = []

        def look() -> bool:
            found[:] = told(ask(self.parent)), told(ask(self.theirs))
            return set(found[0]) == set(found[1])

        with contextlib.suppress(PeerFailed):  # who compares says what is missing
            wait_for("both tell the same series", look, every=0.5)
        ours, theirs = found
        return ours, theirs

    def _among(self, name: str, asked: Mapping[str, str]) -> tuple[str, set[str], set[str]]:
        """
        @return: What is told of all hosts, the series of one among them, and
            those that are told of it alone, once these are the same.
        """
        found: list[Any] = []

        def look() -> bool:
            text = self._asked(**asked)(self.parent)
            alone = self._asked(name, **{**asked, "format": "prometheus", "server": "alone"})(self.parent)
            instance = f',instance="{name}"'
            mine = {series.replace(instance, "") for series in told(text) if instance in series}
            found[:] = text, mine, set(told(alone))
            return bool(found[1] == found[2])

        with contextlib.suppress(PeerFailed):
            wait_for("the same series are told", look, every=0.5)
        text, mine, alone = found
        return text, mine, alone

    def _alike(self, what: str, ours: set[str], theirs: set[str]) -> None:
        self.assertTrue(theirs, what)
        self.assertEqual((sorted(theirs - ours), sorted(ours - theirs)), ([], []), what)

    def test_shell(self) -> None:
        """
        A script that reads an agent's variables finds each of them at the parent.
        """
        ask = self._asked(self.theirs.name, format="shell")
        names: list[set[str]] = []

        def look() -> bool:
            # Charts of the agent about itself and its alerts, which are not streamed, are its own.
            names[:] = [
                {
                    name
                    for name, _ in ASSIGNED.findall(ask(node))
                    if not name.startswith(("NETDATA_NETDATA", "NETDATA_ALARM"))
                }
                for node in (self.parent, self.theirs)
            ]
            return names[0] == names[1]

        with contextlib.suppress(PeerFailed):  # who compares says what is missing
            wait_for("both tell the same names", look, every=0.5)
        self._alike("shell", *names)
        said = self._asked(self.theirs.name)(self.parent)
        self.assertEqual({n for n, _ in ASSIGNED.findall(said)} & names[0], names[0], "shell is the default")

    def test_json(self) -> None:
        """
        A program that reads an agent's tree finds each chart and dimension, described alike, and of the same second
        the same number.
        """
        ask = self._asked(self.theirs.name, format="json", help="no", types="no", timestamps="yes", names="yes")

        def trees() -> list[dict[str, Any]]:
            found = [json.loads(ask(node)) for node in (self.parent, self.theirs)]
            return [{id: chart for id, chart in tree.items() if not id.startswith(OWN)} for tree in found]

        compared: set[str] = set()
        missing: set[str] = set()

        def look() -> bool:
            ours, theirs = trees()
            missing.clear()
            missing.update(set(ours) ^ set(theirs))
            if missing:
                return False  # a chart may begin between the two questions
            for id, chart in theirs.items():
                mine = ours[id]
                for key in ("name", "family", "context", "units"):
                    self.assertEqual(mine[key], chart[key], f"{id}: {key}")
                self.assertEqual(
                    {key: d["name"] for key, d in mine["dimensions"].items()},
                    {key: d["name"] for key, d in chart["dimensions"].items()},
                    id,
                )
                if mine["last_updated"] == chart["last_updated"]:
                    compared.add(id)
                    for key, dimension in chart["dimensions"].items():
                        one, other = dimension["value"], mine["dimensions"][key]["value"]
                        if one is None or other is None:
                            continue
                        self.assertLessEqual(abs(one - other), PRECISION * max(1.0, abs(one)), f"{id} {key}")
            return len(compared) * 2 > len(theirs)

        try:
            wait_for("half of the charts are of the same second", look, every=0.3)
        except PeerFailed as problem:
            self.fail(f"{problem}; not at both: {sorted(missing)}")

    def test_prometheus(self) -> None:
        """
        A scraper that leaves an agent for its parent finds the same series, whatever it asks for, and each value that
        was collected in the same second is the same.
        """
        promtool = require("promtool", "prometheus")
        for number, parameters in enumerate(QUESTIONS):
            scraper = {"format": "prometheus", "server": f"s{number}", **parameters}
            ours, theirs = self._both(scraper)
            self._alike(str(parameters), set(ours), set(theirs))
            collected = scraper.get("source", scraper.get("data")) in ("as-collected", "raw")
            same = [series for series, (_, moment) in theirs.items() if moment and ours[series][1] == moment]
            for series in same if collected else ():
                self.assertEqual(ours[series][0], theirs[series][0], series)
        for parameters in ({}, {"source": "as-collected"}, {"source": "sum", "variables": "yes"}):
            asked = {"format": "prometheus_all_hosts", "help": "yes", "types": "yes", **parameters}
            text = ""
            for name in ("atlas", "origin"):
                text, mine, alone = self._among(name, asked)
                self._alike(f"{name} among all hosts, {parameters}", mine, alone)
            ran = subprocess.run([promtool, "check", "metrics"], input=text.encode(), capture_output=True, timeout=60)
            complaint = (ran.stdout + ran.stderr).decode()
            # 3 is advice about names and units, which are those of agents.
            self.assertIn(ran.returncode, (0, 3), complaint[:2000])
            self.assertNotIn("error while linting", complaint)


ALERTS = """
template: simple_abs
on: fixture.context
calc: $abs * 0 + 2.5
every: 1s
warn: $this > 1
to: silent

template: a-share
on: fixture.rows
calc: $one * 0 - 6.5
every: 1s
units: of < 100 %
crit: $this > 1
to: silent

template: unknown
on: fixture.rows
calc: $no_such_thing
every: 1s
to: silent
"""


class ShellAlertTests(InteropTestCase):
    """
    An agent and a parent to which it streams watch the same.
    """

    def test_alarms(self) -> None:
        """
        A script that reads an agent's alerts finds the same at the parent, whichever charts it asks for.
        """
        stream = accepting(KEY, postpone_alerts_on_connect="0")
        options = ["health/enable stock health configuration=no"]
        parent = self.node("atlas", role="parent", stream=stream, options=options, health=ALERTS)
        agent = self.agent("origin", fixture=True, sends_to=[parent.address], alerts=ALERTS)

        def alarms(node: Peer, path: str) -> list[str]:
            text = node.fetch(f"{path}/api/v1/allmetrics?filter=fixture.slow").decode()
            _, _, told = text.partition("# NETDATA ALARMS RUNNING\n")
            return sorted(told.splitlines())

        wanted = wait_for(
            "the agent has looked at all",
            lambda: [line for line in alarms(agent, "") if "WARNING" in line] and alarms(agent, ""),
        )
        self.assertEqual(len(wanted), 6)
        with contextlib.suppress(PeerFailed):  # who compares says what differs
            wait_for("the parent has looked at all", lambda: alarms(parent, "/host/origin") == wanted)
        self.assertEqual(alarms(parent, "/host/origin"), wanted)
