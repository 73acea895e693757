"""
Who may write to a node over HTTP.
"""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from attrs import evolve
from twisted.internet.task import Clock
from twisted.logger import LogEvent, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from netstream.config import load
from netstream.db.none import NoneDB
from netstream.hub.hub import Hub
from netstream.model.host import HostInfo
from netstream.model.pattern import pattern
from netstream.web import site
from netstream.web.writing import LARGEST
from tests.web.stage import GUID, NOW, Response, Stage

KEY = "11111111-2222-4333-8444-555555555555"


class Kept:
    """
    Keeps what is written.
    """

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    def take(self, body: bytes) -> None:
        """
        Keep it (called by the site).
        """
        if body == b"nonsense":
            raise ValueError("it makes no sense")
        self.bodies.append(body)


class WritingTests(SynchronousTestCase):
    """
    Requests to C{/api/v1/write}.
    """

    def setUp(self) -> None:
        self.stage = Stage()
        directory = Path(self.mktemp())
        directory.mkdir()
        (directory / "stream.conf").write_text(f"[{KEY}]\ntype = api\nenabled = yes\nallow from = 10.* localhost\n")
        self.settings = load("parent", directory, directory)
        self.kept = Kept()
        self.messages: list[str] = []
        globalLogPublisher.addObserver(self._log)
        self.addCleanup(globalLogPublisher.removeObserver, self._log)
        self.serve()

    def _log(self, event: LogEvent) -> None:
        self.messages.append(formatEvent(event))

    def serve(self, *, writer: bool = True, **web: Any) -> None:
        """
        Make the site.
        """
        clock = Clock()
        clock.advance(NOW)
        settings = evolve(self.settings, web=evolve(self.settings.web, **web))
        hub = Hub(HostInfo(GUID, "own"), NoneDB())
        self.stage.site = site(hub, settings, clock, writer=self.kept if writer else None)

    def post(self, body: bytes = b"data", authorization: str = f"Bearer {KEY}", **more: str) -> Response:
        """
        Write.
        """
        headers = {"Host": "anything.example", "Content-Length": str(len(body)), "Authorization": authorization, **more}
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items() if value)
        (response,) = self.stage.raw(f"POST /api/v1/write HTTP/1.1\r\n{head}\r\n".encode() + body)
        return response

    def test_written(self) -> None:
        """
        Who has a key may write, and says it as a token or as a password.
        """
        self.assertEqual(self.post().status, 204)
        self.assertEqual(self.post(b"named", **{"Content-Encoding": "snappy"}).status, 204)
        basic = base64.b64encode(f"anyone:{KEY}".encode()).decode()
        self.assertEqual(self.post(b"more", f"Basic {basic}").status, 204)
        self.assertEqual(self.kept.bodies, [b"data", b"named", b"more"])

    def test_refused(self) -> None:
        """
        Without a key, with a wrong one, or from elsewhere nothing is taken, and the log says why without the key.
        """
        self.assertEqual(self.post(authorization="").status, 401)
        for wrong in (f"Bearer {KEY[:-1]}6", "Bearer x", f"Bearer {GUID}"):
            self.assertEqual(self.post(authorization=wrong).status, 403)
        for wrong in ("Basic ???", "Digest x", "Bearer"):
            self.assertEqual(self.post(authorization=wrong).status, 401)
        self.serve(allow={"streaming": pattern("192.168.*")})
        refused = self.post()
        self.assertEqual(refused.status, 403)
        self.assertNotIn("streaming", refused.text)
        self.assertEqual(self.kept.bodies, [])
        text = "\n".join(self.messages)
        self.assertIn("remote write refused: API key", text)
        self.assertIn("[web] allow streaming from does not admit it", text)
        self.assertNotIn(KEY[:13], text)

    def test_bad(self) -> None:
        """
        What makes no sense, is too large or of another version is refused with the reason.
        """
        self.assertEqual(self.post(b"nonsense").status, 400)
        self.assertEqual(self.post(b"x" * (LARGEST + 1)).status, 413)
        empty = self.post(b"")
        self.assertEqual((empty.status, empty.text), (400, "The request is empty.\n"))
        plain = self.post(**{"Content-Encoding": "identity"})
        self.assertEqual(plain.status, 415)
        self.assertIn("snappy", plain.text)
        version = "application/x-protobuf;proto=io.prometheus.write.v2.Request"
        self.assertEqual(self.post(**{"Content-Type": version}).status, 415)
        asked = f"GET /api/v1/write HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {KEY}\r\n\r\n"
        (response,) = self.stage.raw(asked.encode())
        self.assertEqual((response.status, response.headers["Allow"]), (405, "POST"))
        self.assertEqual(self.kept.bodies, [])

    def test_other_requests(self) -> None:
        """
        Who reads with a password of some proxy is not taken for one who writes.
        """
        asked = "GET /api/v1/info HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic YTpi\r\n"
        asked += "Content-Length: %d\r\n\r\n%s"
        for body in ("", "x" * 100):
            (response,) = self.stage.raw((asked % (len(body), body)).encode())
            self.assertEqual(response.status, 200)
        self.assertFalse([message for message in self.messages if "remote write" in message])

    def test_not_kept(self) -> None:
        """
        A body is not even kept of who may not write.
        """
        self.assertEqual(self.post(b"x" * (LARGEST + 1), authorization=f"Bearer {GUID}").status, 403)

    def test_off(self) -> None:
        """
        A node that takes nothing says so, and so does a port that does not serve streaming.
        """
        self.serve(writer=False)
        self.assertEqual(self.post(Host="localhost").status, 405)
        self.serve()
        self.stage.site = self.stage.site.of_port({"dashboard"})
        self.assertEqual(self.post().status, 403)
        self.assertEqual(self.kept.bodies, [])
