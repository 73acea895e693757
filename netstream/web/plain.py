"""
Plain requests: a C{GET} without a body whose head comes in one piece, as
browsers and programs that ask again and again over a connection send it.

They are taken apart once and known again by their bytes, so that what is asked
each second costs no parsing.  Whatever is not as plain as this is left to
Twisted, which knows all of HTTP.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, TypeVar

from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress
from twisted.python.failure import Failure
from twisted.web.http import NOT_MODIFIED
from twisted.web.http_headers import Headers

from netstream.kernel.requests import Window as Cut
from netstream.kernel.requests import window_of
from netstream.web.answer import Answer, Refusal, headers_of, phrase, said
from netstream.web.kept import State
from netstream.web.questions import Numbers, Terms
from netstream.web.target import BadParameter, Parameters, Place, Target, parse
from netstream.web.visitor import UNKNOWN, Visitor

if TYPE_CHECKING:
    from netstream.web.site import Channel

T = TypeVar("T")

LONGEST = 2048
"""Bytes of a head that is known again."""
MOST = 1024
"""Heads, and shapes of heads, that are known at once."""

_REQUEST = re.compile(rb"GET (/[!-~]*) HTTP/1\.1\Z")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t -~\x80-\xff]*?)[ \t]*\Z")
_NOT_PLAIN = frozenset((b"content-length", b"transfer-encoding", b"expect", b"upgrade", b"te", b"trailer", b"origin"))
_SECRETS = frozenset((b"authorization", b"proxy-authorization", b"x-auth-token", b"cookie"))
_LINES = re.compile(r"[\r\n]+")


@frozen(eq=False)
class Manner:
    """
    How a plain request asks: all of its head but the first line.

    @ivar encoding: What it says of the packing that its client takes.
    @ivar secret: Whether it presents what is not to be kept.
    """

    headers: Headers
    encoding: str
    secret: bool


@frozen(eq=False, slots=False)
class Shape:
    """
    What requests have in common that differ in their window alone.
    """

    target: Target
    manner: Manner

    @cached_property
    def terms(self) -> Terms | None:
        """
        What they ask for; L{None} if it is nothing that there can be.
        """
        try:
            return Terms.parse(self.target.parameters)
        except (BadParameter, Refusal):
            return None


class Head:
    """
    What a plain request says.

    @ivar manner: The same object for all that ask in the same manner, as long
        as that is known.
    @ivar shape: What it has in common with those that ask for another window;
        L{None} if it names none.
    @ivar window: The numbers of C{after}, C{before} and C{points}, if it does.
    """

    __slots__ = ("_target", "manner", "place", "shape", "uri", "window")

    def __init__(
        self,
        uri: bytes,
        place: Place,
        manner: Manner,
        shape: Shape | None = None,
        window: Numbers = (None, None, None),
        target: Target | None = None,
    ) -> None:
        """
        @param target: What it names, if that is known.
        """
        self.uri = uri
        self.place = place
        self.manner = manner
        self.shape = shape
        self.window = window
        self._target = target

    @property
    def target(self) -> Target:
        """
        What it names.
        """
        target = self._target
        if target is None:
            target = self._target = parse(self.uri)
        return target

    def like(self, other: Head) -> bool:
        """
        @return: Whether another asks in all the same way for what belongs to
            the same feature.
        """
        if self is other:
            return True
        return self.manner is other.manner and self.place.feature == other.place.feature


def _manner(rest: bytes) -> Manner | None:
    headers, secret = Headers(), False
    for line in rest.split(b"\r\n") if rest else ():
        field = _FIELD.match(line)
        if field is None:
            return None
        name, value = field[1].lower(), field[2]
        if name in _NOT_PLAIN or (name == b"connection" and value.lower() != b"keep-alive"):
            return None
        secret = secret or name in _SECRETS
        headers.addRawHeader(name, value)
    return Manner(headers, said(headers, b"accept-encoding"), secret)


class Heads:
    """
    The heads of plain requests that came lately.
    """

    def __init__(self) -> None:
        self._known: dict[bytes, Head] = {}
        self._shapes: dict[bytes, Shape] = {}
        self._manners: dict[bytes, Manner] = {}

    def __len__(self) -> int:
        return len(self._known) + len(self._shapes)

    def find(self, data: bytes) -> Head | None:
        """
        @param data: All bytes of a connection that wait to be looked at.
        @return: What they say, if they are one plain request.
        """
        head = self._known.get(data)
        if head is not None or len(data) > LONGEST:
            return head
        cut = window_of(data)
        shape = self._shapes.get(cut[0]) if cut is not None else None
        if cut is None or shape is None:
            return self._parsed(data, cut)
        return Head(data[4 : data.index(b" ", 4)], shape.target.place, shape.manner, shape, cut[1:])

    def _parsed(self, data: bytes, cut: Cut | None) -> Head | None:
        """
        @param cut: The same without its window, if it names one.
        """
        if not data.endswith(b"\r\n\r\n"):
            return None
        first, _, rest = data[:-4].partition(b"\r\n")
        request = _REQUEST.match(first)
        if request is None:
            return None
        manner = self._manners.get(rest)
        if manner is None:
            manner = _manner(rest)
            if manner is None:
                return None
            if not manner.secret:
                _remember(self._manners, rest, manner)
        target = parse(request[1])
        if cut is None:
            head = Head(request[1], target.place, manner, target=target)
            if not manner.secret:
                _remember(self._known, data, head)
            return head
        shape = Shape(target, manner)
        if not manner.secret:
            _remember(self._shapes, cut[0], shape)
        return Head(request[1], target.place, manner, shape, cut[1:], target)


def _remember(known: dict[bytes, T], data: bytes, what: T) -> None:
    if len(known) >= MOST:
        del known[next(iter(known))]
    known[data] = what


class PlainRequest:
    """
    A plain request while it is answered: of Twisted's what access checks and
    connections ask for.

    @ivar head: What it says.
    @ivar visitor: Who makes it.
    @ivar state: How things were when it was answered, where the same answer
        holds for others as long as they are.
    @ivar answer: What answers it, if that is known already.
    @ivar reply: Fires when its answer is there; L{None} before it is known
        that this takes a while.
    """

    method = b"GET"

    def __init__(self, channel: Channel, head: Head) -> None:
        self.channel = channel
        self.site = channel.site
        self.head = head
        self.place = head.place
        self.path = head.place.quoted
        self.requestHeaders = head.manner.headers
        self.visitor: Visitor = UNKNOWN
        self.state: State | None = None
        self.answer: Answer | None = None
        self.reply: Deferred[None] | None = None

    @property
    def target(self) -> Target:
        """
        What it names.
        """
        return self.head.target

    @property
    def parameters(self) -> Parameters:
        """
        What stands behind its path.
        """
        return self.head.target.parameters

    @property
    def key(self) -> tuple[bytes, str]:
        """
        What is asked, and how the answer may be packed.
        """
        return self.head.uri, self.head.manner.encoding

    @property
    def host(self) -> str | None:
        """
        The node that its path names; L{None} for this one.
        """
        call = self.place.call
        return None if call is None else call[0]

    def getClientAddress(self) -> IAddress:
        """
        Who asks.
        """
        found: IAddress = self.channel.getPeer()
        return found

    def isSecure(self) -> bool:
        """
        Whether it came through TLS.
        """
        return self.channel.secure

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        """
        Its answer is on its way (called by the connection).
        """

    def connectionLost(self, reason: Failure) -> None:
        """
        The client is gone (called by the connection).
        """
        if self.reply is not None:
            self.reply.cancel()


@lru_cache(64)
def _constant(status: int, content_type: str, lifetime: int, revalidate: bool, second: int) -> bytes:
    """
    @return: Status line and all headers that answers of this kind have in
        common for a second.
    """
    answer = Answer(b"", content_type, status, lifetime, revalidate)
    lines = [f"{name}: {value}\r\n" for name, value in headers_of(answer, second)]
    return b"HTTP/1.1 %d %b\r\n" % (status, phrase(status)) + "".join(lines).encode("latin-1")


def whole(answer: Answer, more: Mapping[str, str], body: bytes, now: float) -> bytes:
    """
    @param more: Headers besides those of the answer.
    @param body: What goes out for that of the answer.
    @param now: UTC seconds.
    @return: All bytes of a response.
    """
    head = _constant(answer.status, answer.content_type, answer.lifetime, answer.revalidate, int(now))
    if more or answer.headers:
        lines = [f"{name}: {_LINES.sub(' ', value)}\r\n" for name, value in {**answer.headers, **more}.items()]
        head += "".join(lines).encode("utf-8", "replace")
    if answer.status == NOT_MODIFIED:
        return head + b"\r\n"
    return b"%bContent-Length: %d\r\n\r\n%b" % (head, len(body), body)
