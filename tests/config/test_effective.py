"""
What a node goes by, as anyone may see it.
"""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from netstream.config.effective import public
from netstream.config.load import load
from netstream.config.settings import Settings
from netstream.model.identity import fingerprint

KEY = "11111111-2222-3333-4444-555555555555"
ACCEPTED = "21111111-2222-3333-4444-555555555555"

NODE = """
[global]
timezone = Etc/UTC
history = 7200
run as user = nobody
[web]
disconnect idle clients after seconds = 30
[host labels]
site = berlin
[prometheus:x]
url = https://db.example:9100/metrics
username = alice
password = pw2 pw2
[prometheus:y]
url = https://db.example:9100/metrics
token = pw3
"""
STREAM = f"""
[stream]
enabled = yes
destination = parent.example
api key = {KEY}
proxy = socks5://bob:pw4@proxy.example:1080
[{ACCEPTED}]
enabled = yes
proxy api key = {KEY.replace("1", "a")}
"""


class EffectiveTests(SynchronousTestCase):
    """
    Tests for L{netstream.config.effective}.
    """

    def load(self, node: str, stream: str = "") -> Settings:
        """
        @return: The settings of a node with these files.
        """
        directory = Path(self.mktemp())
        directory.mkdir()
        for name, text in (("netstream.conf", node), ("stream.conf", stream)):
            path = directory / name
            path.write_text(text)
            path.chmod(0o600)
        return load("parent", directory, directory, hostname="box")

    def test_form(self) -> None:
        """
        What was set stands as it counts, under the name of today; what was not
        is a comment with its default.
        """
        lines = self.load(NODE, STREAM).effective.splitlines()
        for line in (
            "[global]",
            "    timezone = Etc/UTC",
            "    # workers = 0",
            "    retention = 7200",
            "    # default port = 19999",
            "    disconnect idle clients after = 30",
            "    site = berlin",
            "    username = alice",
            "# destination = parent.example",
            "# timeout = 60s",
        ):
            self.assertIn(line, lines)
        self.assertIn("    # not yet effective: run as user = nobody", lines)

    def test_secrets(self) -> None:
        """
        No key, password or token is told, wherever it stands; keys have a
        fingerprint.
        """
        text = self.load(NODE, STREAM).effective
        for secret in ("pw2", "pw3", "pw4", "bob", KEY, ACCEPTED, KEY.replace("1", "a")):
            self.assertNotIn(secret, text)
        for told in (
            f"# api key = key {fingerprint(KEY)}",
            f"# [key {fingerprint(ACCEPTED)}]",
            "# proxy = socks5://(hidden)@proxy.example:1080",
            "    # password = (hidden)",
            "    # token = (hidden)",
            "    url = https://db.example:9100/metrics",
        ):
            self.assertIn(told, text.splitlines())
        for name in ("X password", "client secret", "authorization", "bearer token", "http headers", "credentials"):
            self.assertEqual(public(name, "value"), "(hidden)")
        self.assertEqual(public("access token file", "/etc/x"), "/etc/x")
        self.assertEqual(public("url", "https://a:pw@b/c@d.example/"), "https://(hidden)@d.example/")
        self.assertEqual(public("a", "b\r\n[web]\x1b"), "b??[web]?")

    def test_again(self) -> None:
        """
        A node that is given this file goes by the same, and finds nothing odd
        in it.
        """
        first = self.load("[global]\ntimezone = Etc/UTC\n[web]\nbind to = 127.0.0.1\n[host labels]\na = b\n")
        again = self.load(first.effective)
        self.assertEqual((again.warnings, again.web, again.db), ((), first.web, first.db))
        self.assertEqual((again.node, again.host_labels), (first.node, first.host_labels))
        self.assertEqual(again.effective, first.effective)
