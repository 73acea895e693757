"""
Requests that write: what Prometheus sends with its remote write.
"""

from __future__ import annotations

import base64
import binascii
from io import BytesIO
from typing import Protocol

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.web.http_headers import Headers
from twisted.web.iweb import IRequest

from netstream.config.settings import Refused, Settings
from netstream.model.address import peer_name
from netstream.web.answer import Answer, Refusal

WRITE = b"/api/v1/write"

LARGEST = 8 << 20
"""Bytes of a body."""

TOLD_EVERY = 60.0
"""Seconds between two lines in the log about who was refused."""

_VERSION_2 = "io.prometheus.write.v2"


class Writer(Protocol):
    """
    Who takes what is written.
    """

    def take(self, body: bytes) -> None:
        """
        Take in a request.

        @raise ValueError: It makes no sense.
        """


class Body(BytesIO):
    """
    The body of a request, of which no more than L{LARGEST} is kept.

    @ivar excess: Whether there was more.
    """

    excess = False

    def write(self, data: object) -> int:
        """
        Keep it (called by Twisted).
        """
        assert isinstance(data, bytes)
        if self.tell() + len(data) > LARGEST:
            self.excess = True
            self.truncate(0)
            self.seek(0)
        elif not self.excess:
            super().write(data)
        return len(data)


def _key(headers: Headers) -> str:
    """
    @return: The API key that a request presents; C{""} if it has none.
    """
    kind, _, word = (headers.getRawHeaders("Authorization") or [""])[0].partition(" ")
    if kind.lower() == "bearer":
        return word.strip()
    if kind.lower() == "basic":
        try:
            return base64.b64decode(word, validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return ""


class Writing:
    """
    Lets those write who may stream here: with an API key, from where the key
    and C{[web] allow streaming from} allow it.
    """

    _log = Logger()

    def __init__(self, settings: Settings, guid: str, clock: IReactorTime, writer: Writer) -> None:
        """
        @param guid: Machine GUID of this node, whose charts are written.
        @param clock: Its seconds are UTC.
        """
        self._settings = settings
        self._guid = guid
        self._clock = clock
        self._writer = writer
        self._told = -TOLD_EVERY

    def reconfigure(self, settings: Settings) -> None:
        """
        Let others write from the next request on.
        """
        self._settings = settings

    def _reason(self, address: str, headers: Headers) -> str | None:
        """
        @param address: Numeric, or C{localhost} for a Unix socket.
        @return: Why it may not write, for our log; C{""} if it has no key, and
            L{None} if it may.
        """
        allowed = self._settings.web.allow.get("streaming")
        if allowed is not None and not allowed.matches(peer_name(address)):
            return "[web] allow streaming from does not admit it"
        key = _key(headers)
        if not key:
            return ""
        try:
            self._settings.admit(key, self._guid, address, self._clock.seconds())
        except Refused as problem:
            return problem.reason
        return None

    def expects(self, address: str, headers: Headers) -> bool:
        """
        @return: Whether the body of a request is worth keeping.
        """
        return self._reason(address, headers) is None

    def _check(self, address: str, headers: Headers) -> None:
        reason = self._reason(address, headers)
        if reason is None:
            return
        if not reason:
            raise Refusal(
                401,
                "Writing needs an API key: 'Authorization: Bearer KEY'.\n",
                {"WWW-Authenticate": 'Bearer realm="netstream"'},
            )
        now = self._clock.seconds()
        if now - self._told >= TOLD_EVERY:
            self._told = now
            self._log.warn("{peer}: remote write refused: {reason}", peer=peer_name(address), reason=reason)
        raise Refusal(403, "You may not write to this node.\n")

    def answer(self, request: IRequest, address: str) -> Answer:
        """
        Take what was written.

        @raise Refusal: It cannot be taken.
        """
        if request.method != b"POST":
            raise Refusal(405, "Only POST is answered here.\n", {"Allow": "POST"})
        headers = request.requestHeaders
        self._check(address, headers)
        body = request.content
        coding = (headers.getRawHeaders("Content-Encoding") or ["snappy"])[0].strip().lower()
        if coding != "snappy":
            raise Refusal(415, "A request of remote write is compressed: 'Content-Encoding: snappy'.\n")
        if headers.getRawHeaders("Content-Length") == ["0"]:
            raise Refusal(400, "The request is empty.\n")
        if not isinstance(body, Body) or body.excess:
            raise Refusal(413, f"A request has at most {LARGEST >> 20} MiB.\n")
        if _VERSION_2 in (headers.getRawHeaders("Content-Type") or [""])[0]:
            raise Refusal(415, "Only version 1.0 of remote write is taken here.\n")
        try:
            self._writer.take(body.getvalue())
        except ValueError as problem:
            raise Refusal(400, f"{problem}\n") from problem
        return Answer(b"", status=204)
