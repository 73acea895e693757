"""
What is answered: a body with its type, how long it may be kept, and how it
goes out.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from hashlib import sha256
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Protocol
from wsgiref.handlers import format_date_time

import orjson
from attrs import evolve, field, frozen
from twisted.web.http import NOT_MODIFIED, OK
from twisted.web.http_headers import Headers
from twisted.web.iweb import IRequest

from netstream.turns import Turns

JSON = "application/json; charset=utf-8"
TEXT = "text/plain; charset=utf-8"

SLICE = 64 * 1024
"""Bytes that are compressed before other work gets its turn."""
TOGETHER = 100
"""Members of a long JSON object that are written at once."""
_SMALL = 1024
_SQUEEZED: Mapping[str, str] = MappingProxyType({"Content-Encoding": "gzip"})
_PHRASES = {status.value: status.phrase.encode() for status in HTTPStatus}
_GZIP = 31
_ONCE = 1
"""Level of compression of what goes out once."""
_ACCEPTS_GZIP = re.compile(r"\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|\Z))", re.IGNORECASE)
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; font-src 'self'; "
    "img-src 'self' data:; manifest-src 'self'; base-uri 'none'; form-action 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
"""What a page may load and do: files of this node, and nothing that text could
become a script by."""
_ALWAYS = (
    ("Server", "netstream"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "SAMEORIGIN"),
    ("Referrer-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Vary", "Accept-Encoding, Origin"),
    (
        "Content-Security-Policy",
        f"{POLICY}; frame-ancestors 'self'",
    ),
    ("Permissions-Policy", "camera=(), geolocation=(), microphone=()"),
)


@frozen
class Answer:
    """
    One response.

    @ivar lifetime: Seconds that anyone may keep it; 0 means that nobody may
        answer with it again.
    @ivar revalidate: It may be kept, if it is compared by its entity tag
        before each use.
    @ivar compress: Whether it may be compressed on the way.
    @ivar squeezed: The body compressed, if that was done before.
    @ivar tag: The entity tag of the body, if that is known.
    """

    body: bytes
    content_type: str = TEXT
    status: int = 200
    lifetime: int = 0
    revalidate: bool = False
    compress: bool = True
    squeezed: bytes | None = None
    tag: str = ""
    headers: Mapping[str, str] = field(factory=dict)


class Refusal(Exception):
    """
    A request that gets no more than a reason.

    @ivar status: HTTP status code.
    @ivar text: The reason, for a person.
    @ivar headers: What else the response says.
    """

    def __init__(self, status: int, text: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, text)
        self.status = status
        self.text = text
        self.headers = headers or {}

    @property
    def answer(self) -> Answer:
        """
        The response that says so.
        """
        return Answer(clean(self.text).encode(), status=self.status, headers=self.headers)


def clean(text: str) -> str:
    """
    @return: The text with what UTF-8 cannot carry replaced.
    """
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {clean(str(k)): _cleaned(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_cleaned(v) for v in value]
    return value


def encode(value: Any, readable: bool = False) -> bytes:
    """
    Write strict JSON.

    @param value: Of dictionaries, lists, text, numbers, numpy arrays; NaN and
        infinities become C{null}.
    @param readable: Indent it.
    """
    option = orjson.OPT_SERIALIZE_NUMPY | (orjson.OPT_INDENT_2 if readable else 0)
    try:
        return orjson.dumps(value, option=option)
    except orjson.JSONEncodeError:
        return orjson.dumps(_cleaned(value), option=option)


class Members:
    """
    The members of a long JSON object, written some at a time, so that little
    is left to do at its end.
    """

    def __init__(self) -> None:
        self._written: list[bytes] = []
        self._waiting: dict[str, Any] = {}

    def add(self, name: str, value: Any) -> None:
        """
        @param name: Of which there is no other.
        @param value: As L{encode} takes it.
        """
        self._waiting[name] = value
        if len(self._waiting) >= TOGETHER:
            self._write()

    def whole(self) -> orjson.Fragment:
        """
        @return: What stands for the object in an answer.
        """
        self._write()
        return orjson.Fragment(b"{%b}" % b",".join(self._written))

    def _write(self) -> None:
        if self._waiting:
            self._written.append(encode(self._waiting)[1:-1])
            self._waiting = {}


def json_answer(value: Any, status: int = 200, readable: bool = True) -> Answer:
    """
    @return: A value as a JSON response that is not to be kept.
    """
    return Answer(encode(value, readable) + b"\n", JSON, status)


def text_answer(text: str, status: int = 200) -> Answer:
    """
    @return: A plain text response that is not to be kept.
    """
    return Answer(clean(text).encode(), TEXT, status)


def headers_of(answer: Answer, now: float) -> list[tuple[str, str]]:
    """
    @param now: UTC seconds.
    @return: Names and values of all headers of a response but those that
        depend on how it is sent.
    """
    headers = [*_ALWAYS, ("Date", format_date_time(now)), ("Content-Type", answer.content_type)]
    if answer.lifetime:
        headers += [
            ("Cache-Control", f"public, max-age={answer.lifetime}"),
            ("Expires", format_date_time(now + answer.lifetime)),
        ]
    elif answer.revalidate:
        headers += [("Cache-Control", "no-cache")]
    else:
        headers += [
            ("Cache-Control", "no-cache, no-store, must-revalidate"),
            ("Pragma", "no-cache"),
            ("Expires", format_date_time(now)),
        ]
    return [*headers, *answer.headers.items()]


class Heard(Protocol):
    """
    A request as far as its headers go.
    """

    @property
    def requestHeaders(self) -> Headers: ...


def header(request: Heard | IRequest, name: bytes) -> str:
    """
    @return: All that a client says under the name of a header, C{""} for
        nothing; bytes that are no ASCII stay recognizable as such.
    """
    return said(request.requestHeaders, name)


def said(headers: Headers, name: bytes) -> str:
    """
    @return: As L{header}, of headers alone.
    """
    values = headers.getRawHeaders(name)
    return ", ".join([value.decode("latin-1") for value in values]) if values else ""


def phrase(status: int) -> bytes:
    """
    @return: What a status line says behind the status.
    """
    return _PHRASES.get(status, b"Unknown")


def is_browser(request: Heard | IRequest) -> bool:
    """
    @return: Whether a person is to read what is answered.
    """
    return "text/html" in header(request, b"Accept").lower()


def begin(request: IRequest, answer: Answer, now: float) -> None:
    """
    Set status and headers of a response.

    @param request: Its C{shared}, if any, holds headers for pages of other
        sites that may read what is answered.
    @param now: UTC seconds.
    """
    request.setResponseCode(answer.status, phrase(answer.status))
    for name, value in headers_of(answer, now):
        request.setHeader(name, value)
    for name, value in getattr(request, "shared", {}).items():
        request.setHeader(name, value)


async def prepare(request: IRequest, answer: Answer, turns: Turns, gzip: bool) -> bytes:
    """
    Set status and headers of a response.

    @param gzip: Whether to compress for clients that take it.
    @return: The body to write.
    """
    answer = tagged(request, answer)
    begin(request, answer, turns.clock.seconds())
    if answer.status == NOT_MODIFIED:
        return b""
    more, body = await packed(request, answer, turns, gzip)
    for name, value in more.items():
        request.setHeader(name, value)
    request.setHeader("Content-Length", str(len(body)))
    return body


def tagged(request: Heard | IRequest, answer: Answer) -> Answer:
    """
    Give what a client may keep an entity tag.

    @return: The answer with it; one without a body if this is what the client
        has.
    """
    if answer.status != OK or not (answer.revalidate or answer.lifetime):
        return answer
    tag = answer.tag or tag_of(answer.body)
    known = {each.strip().removeprefix("W/") for each in header(request, b"If-None-Match").split(",")}
    found = evolve(answer, headers={**answer.headers, "ETag": f"W/{tag}"})
    return evolve(found, status=NOT_MODIFIED, body=b"") if known & {tag, "*"} else found


def tag_of(body: bytes) -> str:
    """
    @return: The entity tag of a body.
    """
    return f'"{sha256(body).hexdigest()[:32]}"'


async def packed(
    request: Heard | IRequest, answer: Answer, turns: Turns, gzip: bool
) -> tuple[Mapping[str, str], bytes]:
    """
    Compress the body of a response, in slices between which other work goes
    on, if it is large and its client takes that.

    @return: The headers that say so, and the body.
    """
    if len(answer.body) <= SLICE or not to_squeeze(request, answer, gzip):
        return packed_at_once(request, answer, gzip)
    return _SQUEEZED, await _squeeze(answer.body, turns)


def packed_at_once(request: Heard | IRequest, answer: Answer, gzip: bool) -> tuple[Mapping[str, str], bytes]:
    """
    The same of a body that has no more than L{SLICE} bytes.
    """
    if not to_squeeze(request, answer, gzip):
        return {}, answer.body
    return _SQUEEZED, squeezed(answer.body, _ONCE) if answer.squeezed is None else answer.squeezed


def squeezed(body: bytes, level: int) -> bytes:
    """
    Compress at once.

    @param level: Of gzip.
    """
    stream = zlib.compressobj(level, zlib.DEFLATED, _GZIP)
    return stream.compress(body) + stream.flush()


def to_squeeze(request: Heard | IRequest, answer: Answer, gzip: bool) -> bool:
    """
    @param gzip: Whether anything is compressed.
    @return: Whether the body of a response is.
    """
    if not gzip or not answer.compress or len(answer.body) <= _SMALL:
        return False
    return _ACCEPTS_GZIP.search(header(request, b"Accept-Encoding")) is not None


async def _squeeze(body: bytes, turns: Turns) -> bytes:
    stream = zlib.compressobj(_ONCE, zlib.DEFLATED, _GZIP)
    parts = []
    for at in range(0, len(body), SLICE):
        await turns.breathe()
        parts.append(stream.compress(body[at : at + SLICE]))
    return b"".join([*parts, stream.flush()])
