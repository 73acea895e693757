"""
Definitions of alerts that change while a node runs.
"""

from __future__ import annotations

import signal
from urllib.request import Request, urlopen

from tests.interop.case import InteropTestCase
from tests.interop.peers import wait_for

HEALTH = "template: {}\non: system.load\ncalc: 1\nevery: 1s\nwarn: $this > 0\n\n"


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
        with urlopen(Request(url, headers={"X-Auth-Token": token}), timeout=10) as answer:
            said = answer.read().decode()
        self.assertIn("1 alert definitions are in use", said)
        self.assertIn("test.conf:9: ", said)
        wait_for("the new one alone is there", lambda: names() == {"third"})
        self.assert_stopped(node)
