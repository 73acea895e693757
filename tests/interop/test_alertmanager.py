"""
A real Alertmanager is told of alerts.
"""

from __future__ import annotations

import socket
from typing import Any

from tests.interop.case import InteropTestCase
from tests.interop.peers import wait_for
from tests.interop.receivers import Alertmanager

HEALTH = """
template: as_told
on: statsd_stage.gauge
class: Utilization
component: Stage
calc: $gauge
every: 1s
units: steps
warn: $this > 0
crit: $this > 1
summary: It is "time" for ${family}
info: <b>steps</b> & more
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
        options = ["health/enable stock health configuration=no", "plugins/statsd=yes"]
        options.append("statsd/bind to=udp:127.0.0.1:0")
        node = self.node("node", role="standalone", health=HEALTH, options=options)
        port = int(node.wait_log(r"statsd listens on udp 127\.0\.0\.1:(\d+)")[1])

        def tell(value: int) -> None:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                sender.sendto(f"stage:{value}|g".encode(), ("127.0.0.1", port))

        def severities() -> list[str]:
            return [alert["labels"]["severity"] for alert in receiver.alerts()]

        tell(1)
        wait_for("a warning is there", lambda: severities() == ["warning"])
        (alert,) = receiver.alerts()
        expected: dict[str, Any] = {
            "alertname": "as_told",
            "instance": "node",
            "machine_guid": node.guid,
            "chart": "statsd_stage.gauge",
            "context": "statsd_stage.gauge",
            "class": "Utilization",
            "component": "Stage",
        }
        self.assertEqual({name: alert["labels"].get(name) for name in expected}, expected)
        self.assertIn('It is "time" for gauges', alert["annotations"]["summary"])
        self.assertEqual(alert["annotations"]["description"], "<b>steps</b> & more")
        tell(2)
        wait_for("it is critical, and nothing else", lambda: severities() == ["critical"])
        tell(0)
        wait_for("it is resolved", lambda: severities() == [])
        self.assert_stopped(node)
