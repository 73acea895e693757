"""
What a request has to pass before anything answers it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

from attrs import frozen
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web import server
from twisted.web.iweb import IRequest
from twisted.web.resource import Resource

from netstream.config.settings import WebSettings
from netstream.web.access import Access
from netstream.web.answer import Answer, Refusal, begin, header, is_browser, text_answer
from netstream.web.badges import pictured_for
from netstream.web.features import ALL, not_served
from netstream.web.login import Login, Work
from netstream.web.plain import Head, PlainRequest
from netstream.web.refused import page
from netstream.web.target import Parameters, Place, Target, parse
from netstream.web.visitor import UNKNOWN, Visitor, check_intent, visitor
from netstream.web.writing import WRITE, Body, Writing

if TYPE_CHECKING:
    from netstream.web.site import Channel

STREAM_INFO = b"/api/v3/stream_info"
"""What children ask, who are no browsers."""

METHODS = "GET, HEAD, OPTIONS"
"""Those that are answered."""


class APIRequest(server.Request):
    """
    A request whose target is taken apart as clients of agents expect.

    @ivar target: What it names.
    @ivar place: Where that is.
    @ivar parameters: What stands behind the path.
    @ivar visitor: Who makes it.
    @ivar shared: Headers that let a page of another site read the answer.
    """

    shared: Mapping[str, str] = MappingProxyType({})
    parameters = Parameters()
    place = Place("/")
    target = Target(place, parameters)
    visitor = UNKNOWN

    def gotLength(self, length: int | None) -> None:
        """
        The headers are there, and the body begins (called by Twisted).
        """
        super().gotLength(length)
        writing = cast("Channel", self.channel).site.writing
        if writing is not None and length != 0 and self.requestHeaders.hasHeader("Authorization"):
            address = getattr(self.channel.getPeer(), "host", None) or "localhost"
            if writing.expects(address, self.requestHeaders):
                self.content = Body()

    def process(self) -> None:
        """
        Take the target apart, then find what answers (called by Twisted).
        """
        self.target = parse(self.uri)
        self.parameters = self.target.parameters
        self.place = self.target.place
        self.path = self.place.quoted
        super().process()


Asking = APIRequest | PlainRequest


@frozen(eq=False)
class Passed:
    """
    The last plain request over a connection that was let pass, and by what.
    """

    head: Head
    visitor: Visitor
    web: WebSettings
    features: Collection[str]


class Gate(Resource):
    """
    Lets requests pass that come from where they may, call this node by a name
    that is its own, only read or are meant, and present a password or token
    where one is needed.

    @ivar access: Which addresses and names may.
    @ivar login: Who signs in; L{None} if that is not needed.
    """

    _log = Logger()
    isLeaf = True
    features = ALL

    def __init__(
        self,
        access: Access,
        login: Login | None,
        inside: Resource,
        clock: IReactorTime,
        writing: Writing | None = None,
        work: Work = maybeDeferred,
    ) -> None:
        """
        @param work: Verifies passwords where that holds nobody up.
        """
        super().__init__()
        self._work = work
        self.access = access
        self.login = login
        self._writing = writing
        self._inside = inside
        self._clock = clock
        self._told_of: set[str] = set()

    def prepare(self, path: Path | None) -> Callable[[], None]:
        """
        Read another file of those who sign in.

        @param path: L{None} if nobody need.
        @return: Asks by it from the next request on.
        @raise ConfigError: It cannot be used.
        """
        if self.login is not None and path is not None:
            return self.login.prepare(path) if path != self.login.path else lambda: None
        login = Login(path, self._clock, self._work) if path is not None else None

        def go_by() -> None:
            self.login = login

        return go_by

    def render(self, request: APIRequest) -> bytes | int:
        """
        Answer, or let others do (called by Twisted).
        """
        try:
            signed_in = self.check(request)
            if self._writing is not None and request.path == WRITE:
                return self._now(request, self._writing.answer(request, _address(request)))
        except Refusal as refusal:
            return self._refuse(request, refusal)
        if signed_in is None or request.method == b"OPTIONS":
            return self._inward(request)
        outcome: list[Failure | None] = []
        waits: list[APIRequest] = []

        def known(failure: Failure | None) -> None:
            outcome.append(failure)
            if waits:
                self._go_on(request, failure)

        signed_in.addBoth(known)
        if not outcome:
            waits.append(request)
            return server.NOT_DONE_YET
        return self._inward(request) if outcome[0] is None else self._refused(request, outcome[0])

    def _go_on(self, request: APIRequest, failure: Failure | None) -> None:
        """
        Answer a request that had to wait for who makes it.
        """
        if getattr(request, "_disconnected", False):
            return
        answered = self._inward(request) if failure is None else self._refused(request, failure)
        if isinstance(answered, bytes):
            request.write(answered)
            request.finish()

    def _inward(self, request: IRequest) -> bytes | int:
        if request.method == b"OPTIONS":
            return self._now(request, _options())
        # It was looked at as far as it matters: what is left of it may be any bytes, which Klein does not take.
        request.requestHeaders.setRawHeaders(b"Host", [b"localhost"])
        answered: bytes | int = self._inside.render(request)
        return answered

    def _refused(self, request: APIRequest, failure: Failure) -> bytes:
        refusal = failure.value
        if not isinstance(refusal, Refusal):
            self._log.failure("who asks for {path} was not found out", failure, path=request.path)
            refusal = Refusal(500, "This request was not answered; the log of the node tells why.\n")
        return self._refuse(request, refusal)

    def _refuse(self, request: APIRequest, refusal: Refusal) -> bytes:
        return self._now(request, turned_away(request, refusal))

    def check(self, request: Asking) -> Deferred[None] | None:
        """
        Let a request pass, or not.

        @return: Fires when it is known who signs in; L{None} if nobody need.
        @raise Refusal: The request does not pass.
        """
        feature = request.place.feature
        if feature not in getattr(request, "site", self).features:
            raise Refusal(403, not_served(feature))
        if self._writing is not None and request.path == WRITE:
            return None  # who may write is asked for a key
        who = visitor(request, self.access.web.proxies)
        request.visitor = who
        if isinstance(request, APIRequest):  # plain ones are of no other site
            request.shared = self.access.shared(header(request, b"Origin"))
        self._tell_of(who)
        asks = request.path == STREAM_INFO
        self.access.check_peer(who.address, streaming=asks)
        self.access.check_feature(who.address, feature)
        if not asks:  # a child says its destination there, as its owner wrote it
            self.access.check_name(who.host)
        if request.method not in (b"GET", b"HEAD", b"OPTIONS"):
            raise Refusal(405, f"Only {METHODS} are answered here.\n", {"Allow": METHODS})
        if request.place.acts:
            check_intent(request, who)
        if self.login is None or asks or feature not in self.access.web.protected:
            return None
        return self.login.check(request, who.address)

    def repeats(self, request: PlainRequest) -> bool:
        """
        @return: Whether the last request over the same connection passed, was
            like this one, and nothing of what it had to pass has changed;
            L{check} is spared then.
        """
        last = request.channel.passed
        if last is None or last.web is not self.access.web or last.features is not request.site.features:
            return False
        if self.login is not None or not request.head.like(last.head):
            return False
        request.visitor = last.visitor
        return True

    def remember(self, request: PlainRequest) -> None:
        """
        A request passed for which nobody had to sign in: spare those like it
        the same.  What children ask passes where others do not.
        """
        if not request.head.manner.secret and request.path != STREAM_INFO:
            request.channel.passed = Passed(request.head, request.visitor, self.access.web, request.site.features)

    def _tell_of(self, who: Visitor) -> None:
        if who.forwarded_by and who.forwarded_by not in self._told_of and len(self._told_of) < 100:
            self._told_of.add(who.forwarded_by)
            self._log.info(
                "{peer}: asks on behalf of others (X-Forwarded-For), and counts as the one who asks; if it is a proxy"
                " of yours, write it into [web] trusted proxies",
                peer=who.forwarded_by,
            )

    def _now(self, request: IRequest, answer: Answer) -> bytes:
        begin(request, answer, self._clock.seconds())
        request.setHeader("Content-Length", str(len(answer.body)))
        return answer.body


def turned_away(request: Asking, refusal: Refusal) -> Answer:
    """
    @return: What is said to who may not pass: a picture where one was asked
        for, a page to a person, else text.
    """
    said = refusal.answer
    answer = pictured_for(request.target, said)
    return page(refusal) if answer is said and is_browser(request) else answer


def _address(request: IRequest) -> str:
    return getattr(request.getClientAddress(), "host", None) or "localhost"


def _options() -> Answer:
    answer = text_answer("OK")
    return Answer(
        answer.body,
        headers={
            "Allow": METHODS,
            "Access-Control-Allow-Methods": "GET, OPTIONS",
            "Access-Control-Allow-Headers": "accept, x-requested-with, origin, content-type, cookie, pragma, "
            "cache-control, x-auth-token",
            "Access-Control-Max-Age": "1209600",
        },
    )
