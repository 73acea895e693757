"""
A real nginx in front of the dashboard and the API.
"""

from __future__ import annotations

import http.client
import json
from base64 import b64encode
from pathlib import Path

from netstream.config.credentials import hash_password
from tests.interop.peers import NetstreamNode
from tests.interop.test_proxies import WebFrontCase

PASSWORD = "correct horse"


class WebFrontTests(WebFrontCase):
    """
    As C{docs/security.md} says to do it.
    """

    def ask(
        self, port: int, path: str, source: str = "127.0.0.1", **headers: str
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", port, 60, source_address=(source, 0))
        self.addCleanup(connection.close)
        connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        return response.status, response.headers, response.read()

    def guarded(self, *lines: str) -> NetstreamNode:
        options = ("web/trusted proxies=127.0.0.1", "web/allowed host names=metrics.example", *lines)
        return self.node("atlas", role="standalone", options=options)

    def test_forwarded_address(self) -> None:
        """
        The list of who may look is about who asks nginx, whatever it says
        about itself, while the same address may not connect directly.
        """
        node = self.guarded("web/allow dashboard from=localhost 127.0.0.8")
        port = self.web_front(node.port)
        for source, said, status in (
            ("127.0.0.8", "", 200),
            ("127.0.0.9", "", 403),
            ("127.0.0.9", "127.0.0.8", 403),
            ("127.0.0.1", "", 200),
        ):
            headers = {"X_Forwarded_For": said} if said else {}
            got, _, body = self.ask(port, "/api/v1/info", source, Host="metrics.example", **headers)
            self.assertEqual(got, status, (source, said, body))
        got, _, body = self.ask(node.port, "/api/v1/info", "127.0.0.9", X_Forwarded_For="127.0.0.8")
        self.assertEqual(got, 403)
        node.wait_log("127.0.0.9: asks on behalf of others")

    def test_sub_domain(self) -> None:
        """
        Under a name of its own everything is there, under another nothing.
        """
        node = self.guarded()
        port = self.web_front(node.port)
        for path in ("/", "/nodes.html", "/api/v1/charts", "/metrics", "/host/atlas/"):
            self.assertEqual(self.ask(port, path, Host="metrics.example")[0], 200, path)
        self.assertEqual(self.ask(port, "/", Host="evil.example")[0], 421)

    def test_sub_path(self) -> None:
        """
        Below a path, an address without its slash leads to the one with it
        below the same path.
        """
        node = self.guarded()
        port = self.web_front(node.port, "/monitoring/")
        status, headers, _ = self.ask(port, "/monitoring/host/atlas", Host="metrics.example")
        self.assertEqual((status, headers["Location"]), (308, "atlas/"))
        status, _, body = self.ask(port, "/monitoring/host/atlas/api/v1/info", Host="metrics.example")
        self.assertEqual((status, json.loads(body)["mirrored_hosts"]), (200, ["atlas"]))

    def test_signing_in(self) -> None:
        """
        Passwords pass through nginx; guessing counts for who guesses.
        """
        access = Path(self.directory) / "access"
        access.write_text(f"alice:{hash_password(PASSWORD).text}\n")
        access.chmod(0o600)
        node = self.guarded(f"web/access token file={access}")
        port = self.web_front(node.port)

        def sign_in(password: str, source: str) -> int:
            said = "Basic " + b64encode(f"alice:{password}".encode()).decode()
            return self.ask(port, "/", source, Host="metrics.example", Authorization=said)[0]

        self.assertEqual(self.ask(port, "/", Host="metrics.example")[0], 401)
        self.assertEqual(sign_in(PASSWORD, "127.0.0.8"), 200)
        guesses = [sign_in(f"guess {number}", "127.0.0.9") for number in range(11)]
        self.assertEqual(guesses, [401] * 10 + [429])
        self.assertEqual(sign_in("wrong", "127.0.0.8"), 401)
        self.assertEqual(sign_in(PASSWORD, "127.0.0.9"), 200)
