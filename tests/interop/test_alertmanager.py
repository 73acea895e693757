"""
A real Alertmanager is told of alerts.
"""

from __future__ import annotations

import time
from typing import Any

from tests.interop.case import InteropTestCase
from tests.interop.peers import wait_for
from tests.interop.receivers import Alertmanager

HEALTH = """
template: by_the_clock
on: system.load
class: Utilization
component: Load
calc: $now - {begun}
every: 1s
units: seconds
warn: $this < 20
crit: $this >= 5 && $this < 20
summary: It is "time" for ${{family}}
info: <b>seconds</b> & more
to: sysadmin
"""


class AlertmanagerTests(InteropTestCase):
    """
    A node that tells a real Alertmanager.
    """

    def receiver(self, name: str) -> Alertmanager:
        peer = Alertmanager(name, self.directory / name)
        self._started(peer)
        return peer

    def test_raised_and_resolved(self) -> None:
        """
        An alert is there while it is raised, once and as severe as it is, and is resolved with its recovery.
        """
        receiver = self.receiver("alertmanager")
        etc = self.directory / "node" / "etc"
        etc.mkdir(parents=True)
        (etc / "health_alarm_notify.conf").write_text(
            f'DEFAULT_RECIPIENT_ALERTMANAGER="http://127.0.0.1:{receiver.port}"\n'
        )
        health = HEALTH.format(begun=int(time.time()) + 12)
        node = self.node(
            "node", role="standalone", health=health, options=["health/enable stock health configuration=no"]
        )

        def severities() -> list[str]:
            return [alert["labels"]["severity"] for alert in receiver.alerts()]

        wait_for("a warning is there", lambda: severities() == ["warning"])
        (alert,) = receiver.alerts()
        expected: dict[str, Any] = {
            "alertname": "by_the_clock",
            "instance": "node",
            "machine_guid": node.guid,
            "chart": "system.load",
            "context": "system.load",
            "class": "Utilization",
            "component": "Load",
        }
        self.assertEqual({name: alert["labels"].get(name) for name in expected}, expected)
        self.assertIn('It is "time" for load', alert["annotations"]["summary"])
        self.assertEqual(alert["annotations"]["description"], "<b>seconds</b> & more")
        wait_for("it is critical, and nothing else", lambda: severities() == ["critical"])
        wait_for("it is resolved", lambda: severities() == [])
        self.assert_stopped(node)
