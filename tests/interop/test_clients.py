"""
Programs that were written for an agent, asking us: the client library of home automation.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from typing import Any

from tests.interop.case import InteropTestCase
from tests.interop.peers import KEY, Peer, accepting, missing, wait_for

ASKED = """
import asyncio, json, sys
from netdata import Netdata

async def ask(port, path):
    client = Netdata("127.0.0.1", port=int(port), path=path or None)
    for question in (client.get_chart("system.load"), client.get_alarms(), client.get_allmetrics(), client.get_info()):
        await question
    await client.close()
    json.dump([client.values, client.alarms, client.metrics, client.info], sys.stdout)

asyncio.run(ask(*sys.argv[1:]))
"""
"""Asks all that the library knows."""

ALERTS = """
template: load_is_there
on: system.load
lookup: average -10s unaligned of load1
every: 1s
warn: $this >= 0
to: somebody
"""


class HomeAutomationTests(InteropTestCase):
    """
    The library C{netdata} of PyPI, with which Home Assistant asks.
    """

    def setUp(self) -> None:
        super().setUp()
        if importlib.util.find_spec("netdata") is None:
            missing("the package netdata is not there (pip install netdata)")

    def _asked(self, node: Peer, path: str = "") -> list[Any]:
        """
        @return: Values of a chart, alerts, all metrics, and who the node is, as the library understands them.
        """
        command = [sys.executable, "-c", ASKED, str(node.port), path]
        done = subprocess.run(command, capture_output=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 0, done.stderr.decode(errors="replace"))
        found: list[Any] = json.loads(done.stdout)
        return found

    def test_as_of_an_agent(self) -> None:
        """
        It gets of us, and of an agent that streams to us, what it gets of that agent itself.
        """
        stream = accepting(KEY, postpone_alerts_on_connect="0")
        options = ["health/enable stock health configuration=no"]
        parent = self.node("atlas", role="parent", stream=stream, options=options, health=ALERTS)
        agent = self.agent("origin", proc=True, sends_to=[parent.address], alerts=ALERTS)
        below = "/host/origin/api/v1/"
        for node, host in ((agent, ""), (parent, ""), (parent, "origin")):
            node.wait_samples("system.load", host)
            wait_for(f"{node.name} has an alert of {host}", lambda n=node, h=host: n.get("alarms", h)["alarms"])
        theirs, *ours = self._asked(agent), self._asked(parent), self._asked(parent, below)
        for values, alarms, metrics, info in ours:
            self.assertEqual(list(values), list(theirs[0]))
            self.assertTrue(all(isinstance(value, int | float) for value in values.values()))
            raised = alarms["alarms"]["system.load.load_is_there"]
            self.assertEqual((raised["status"], raised["recipient"]), ("WARNING", "somebody"))
            self.assertLessEqual(set(theirs[1]["alarms"]["system.load.load_is_there"]), set(raised))
            for chart in ("system.load", "system.cpu", "system.io"):
                self.assertEqual(set(metrics[chart]), set(theirs[2][chart]))
                self.assertLessEqual(set(theirs[2][chart]["dimensions"]), set(metrics[chart]["dimensions"]))
            self.assertEqual(set(info["alarms"]), set(theirs[3]["alarms"]))
        self.assertEqual(ours[1][3]["version"], theirs[3]["version"])
        self.assertEqual(ours[1][2]["system.load"]["units"], "load")
