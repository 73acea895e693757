"""
HTTP itself: what a request has to pass before anything answers it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Coroutine, Generator, Mapping
from copy import copy
from functools import cached_property, partial
from io import BytesIO
from itertools import islice
from pathlib import Path
from types import MappingProxyType, coroutine
from typing import IO, Any, cast

from attrs import frozen
from klein.resource import KleinResource
from twisted.internet.abstract import FileDescriptor
from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime, IWriteDescriptor
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web import server
from twisted.web.http import NO_BODY_CODES, HTTPChannel
from twisted.web.http_headers import Headers
from twisted.web.iweb import IRequest
from twisted.web.resource import Resource

from netstream.config.settings import Settings, WebSettings
from netstream.health.service import HealthService
from netstream.hub.hub import Hub
from netstream.web.access import Access
from netstream.web.answer import Answer, Refusal, begin, header, is_browser, text_answer
from netstream.web.api import API, Command, command_of
from netstream.web.badges import pictured_for
from netstream.web.features import ALL, not_served
from netstream.web.login import Login, Work
from netstream.web.plain import Head, Heads, PlainRequest
from netstream.web.refused import page
from netstream.web.target import Parameters, Target, parse
from netstream.web.visitor import UNKNOWN, Visitor, check_intent, visitor
from netstream.web.writing import WRITE, Body, Writer, Writing

STREAM_INFO = b"/api/v3/stream_info"
"""What children ask, who are no browsers."""

METHODS = "GET, HEAD, OPTIONS"


@coroutine
def _resumed(begun: Coroutine[Any, Any, bytes], waits: Any) -> Generator[Any, Any, bytes]:
    """
    Let Twisted go on with a coroutine that was begun without it, which costs
    much less where it need not wait.

    @param waits: What it waits for.
    @return: What it returns.
    """
    while True:
        try:
            go_on = partial(begun.send, (yield waits))
        except BaseException as problem:
            go_on = partial(begun.throw, problem)
        try:
            waits = go_on()
        except StopIteration as answered:
            return cast(bytes, answered.value)


class _Nowhere(BytesIO):
    """
    Takes the body of a request, and keeps nothing of it.
    """

    def write(self, data: object) -> int:
        return len(data)  # type: ignore[arg-type]


class APIRequest(server.Request):
    """
    A request whose target is taken apart as clients of agents expect.

    @ivar target: What it names.
    @ivar parameters: What stands behind the path.
    @ivar visitor: Who makes it.
    @ivar shared: Headers that let a page of another site read the answer.
    """

    shared: Mapping[str, str] = MappingProxyType({})
    parameters = Parameters()
    target = Target("/", parameters)
    visitor = UNKNOWN

    def gotLength(self, length: int | None) -> None:
        """
        The headers are there, and the body begins (called by Twisted).
        """
        super().gotLength(length)
        writing = cast(Channel, self.channel).site.writing
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
        self.path = self.target.quoted
        super().process()


Asking = APIRequest | PlainRequest


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
        feature = request.target.feature
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
        if request.target.acts:
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


def _address(request: IRequest) -> str:
    return getattr(request.getClientAddress(), "host", None) or "localhost"


def turned_away(request: Asking, refusal: Refusal) -> Answer:
    """
    @return: What is said to who may not pass: a picture where one was asked
        for, a page to a person, else text.
    """
    said = refusal.answer
    answer = pictured_for(request.target, said)
    return page(refusal) if answer is said and is_browser(request) else answer


def _idle(transport: FileDescriptor) -> bool:
    """
    @return: Whether what is written would go out next.
    """
    return not (transport.dataBuffer or transport._tempDataLen or transport.disconnecting or transport.disconnected)


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


@frozen(eq=False)
class Passed:
    """
    The last plain request over a connection that was let pass, and by what.
    """

    head: Head
    visitor: Visitor
    web: WebSettings
    features: Collection[str]


class Channel(HTTPChannel):
    """
    A connection that has to make its first request within a time, however
    slowly it drips: each byte resets the limit for idle ones.  HTTP/2 is not
    spoken.

    @ivar at_request: Is called when a request is complete.
    @ivar answering: Whether one is, and its answer is not.
    @ivar passed: The last plain request that nobody had to sign in for.
    """

    site: APISite
    answering = False
    passed: Passed | None = None
    _first: IDelayedCall | None = None

    def __init__(self) -> None:
        super().__init__()
        self.at_request: Callable[[], None] = lambda: None

    def dataReceived(self, data: bytes) -> None:
        """
        Answer a plain request here, and let Twisted read all others (called by
        Twisted).
        """
        if getattr(self.transport, "disconnecting", False):
            return  # what follows a bad request, which TLS delivers still
        # Nothing may be under way, and nothing of what came before be left.
        between = self.persistent and not (self.requests or self._buffer or self._busyReceiving)
        head = self.site.heads.find(data) if between and not self._waitingForTransport else None
        command = command_of(head.target) if head is not None else None
        if head is None or command is None:
            super().dataReceived(data)
        else:
            self._answer(head, command)

    def _answer(self, head: Head, command: Command) -> None:
        self._complete()
        self.resetTimeout()
        request = PlainRequest(self, head)
        known = self.site.known(request)
        if known is not None:
            self._send(known)
            return
        answering = self.site.reply(request, command)
        try:
            waits = answering.send(None)
        except StopIteration as answered:
            self._send(answered.value)
            return
        replies: list[bytes] = []
        reply = Deferred.fromCoroutine(_resumed(answering, waits)).addCallback(replies.append)
        # From here on it is one of Twisted's, which keeps what comes meanwhile.
        request.reply = reply
        self.answering = True
        self.requests.append(request)
        self._command, self._path, self._version = b"GET", head.uri, b"HTTP/1.1"
        super().allContentReceived()
        reply.addCallback(lambda _: self._answered(request, replies[0]))
        reply.addErrback(self._not_answered)

    def _send(self, reply: bytes) -> None:
        """
        Say all of an answer at once, as not to wait for another turn costs
        less.
        """
        transport = self.transport
        if isinstance(transport, FileDescriptor) and _idle(transport):
            sent = transport.writeSomeData(reply)
            if sent == len(reply):
                return
            if isinstance(sent, int):
                reply = reply[sent:]
        self.write(reply)
        if IWriteDescriptor.providedBy(transport) and not transport.disconnecting:
            transport.doWrite()  # what does not go out, or goes wrong, is for another turn

    def _answered(self, request: PlainRequest, reply: bytes) -> None:
        self.write(reply)
        self.requestDone(request)

    def _not_answered(self, failure: Failure) -> None:
        if failure.check(CancelledError) is None:
            self._log.failure("a request was not answered", failure)
            self.loseConnection()

    def checkPersistence(self, request: server.Request, version: bytes) -> bool:
        """
        Whether another request may follow (called by Twisted, for which those
        of HTTP/1.0 are always the last).
        """
        if version == b"HTTP/1.0":
            return "keep-alive" in header(request, b"Connection").lower().replace(",", " ").split()
        return bool(super().checkPersistence(request, version))

    def writeHeaders(self, version: bytes, code: bytes, reason: bytes, headers: Headers) -> None:
        """
        Begin an answer (called by Twisted).  To one of HTTP/1.0 another can
        follow only if its length is known.
        """
        if version == b"HTTP/1.0" and self.persistent:
            self.persistent = headers.hasHeader("Content-Length") or int(code) in NO_BODY_CODES
            if self.persistent:
                headers.setRawHeaders(b"Connection", [b"keep-alive"])
        super().writeHeaders(version, code, reason, headers)

    @cached_property
    def secure(self) -> bool:
        """
        Whether it is within TLS.
        """
        return bool(self.isSecure())

    def connectionMade(self) -> None:
        """
        Begin to wait for the first request (called by Twisted).
        """
        super().connectionMade()
        if not self.site.make_room():
            self.forceAbortClient()
            return
        self.site.open[self] = None
        if self.site.first_within:
            self._first = self.callLater(self.site.first_within, self.forceAbortClient)

    def allContentReceived(self) -> None:
        """
        A request is complete (called by Twisted).
        """
        self._complete()
        self.answering = True
        super().allContentReceived()

    def _complete(self) -> None:
        self._stop_waiting()
        self.at_request()
        if self.site.open.pop(self, self) is None:
            self.site.open[self] = None  # the last one to be given up

    def requestDone(self, request: Asking) -> None:
        """
        A request is answered (called by Twisted).
        """
        self.answering = False
        super().requestDone(request)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        The client is gone (called by Twisted).
        """
        self._stop_waiting()
        self.site.open.pop(self, None)
        super().connectionLost(reason)

    def _stop_waiting(self) -> None:
        if self._first is not None and self._first.active():
            self._first.cancel()
        self._first = None


class APISite(server.Site):
    """
    The factory of HTTP connections.  It takes no bodies but of those who may
    write, and writes no access log.

    @ivar gate: What each request has to pass, on all ports.
    @ivar features: What is served to its connections.
    @ivar first_within: Seconds that a connection has for its first request; 0
        is no limit.
    @ivar parts: What goes by settings besides.
    @ivar open: The connections on all ports, the one whose last request is
        longest ago first.
    @ivar most: How many there may be.
    @ivar writing: Lets in who may write; L{None} if nobody may.
    @ivar heads: Plain requests that came lately.
    @ivar api: What answers plain ones.
    """

    protocol = Channel  # type: ignore[assignment]  # Twisted's own can change to HTTP/2
    requestFactory = APIRequest
    features = ALL
    first_within = 0
    parts: tuple[API | Access | Writing, ...] = ()
    open: dict[Channel, None]
    most = 5000
    heads: Heads
    gate: Gate
    api: API

    def reconfigure(self, settings: Settings) -> None:
        """
        Serve by other settings: connections from the next one on, requests at
        once.
        """
        self.timeOut = settings.web.idle_timeout or None
        self.first_within = settings.web.first_request_timeout
        self.most = settings.web.max_sockets
        for part in self.parts:
            part.reconfigure(settings)

    def prepare(self, settings: Settings) -> Callable[[], None]:
        """
        Read what other settings name.

        @return: Goes by it, on all ports.
        @raise ConfigError: It cannot be used.
        """
        return self.gate.prepare(settings.web.access_file)

    def serve(self, features: Collection[str]) -> None:
        """
        Serve these features alone, from the next request on.
        """
        self.features = ALL.intersection(features)

    def make_room(self) -> bool:
        """
        One more connection begins: the one that has been idle for longest has
        to go, if there are too many.

        @return: Whether there is room.
        """
        if len(self.open) < self.most:
            return True
        idle = next((each for each in islice(self.open, 100) if not each.answering), None)
        if idle is None:
            return False
        del self.open[idle]
        idle.forceAbortClient()
        return True

    def known(self, request: PlainRequest) -> bytes | None:
        """
        @return: All bytes of the response to a plain request, if they are
            there without more ado.
        """
        return self.api.known(request) if self.gate.repeats(request) else None

    async def reply(self, request: PlainRequest, command: Command) -> bytes:
        """
        @return: All bytes of the response to a plain request, which has to
            pass what all others pass.
        """
        try:
            if not self.gate.repeats(request):
                refused = await self._refused(request)
                if refused is not None:
                    return await self.api.whole(request, refused)
                known = self.api.known(request)
                if known is not None:
                    return known
            answer = await self.api.answer(request, command)
        except CancelledError:
            raise
        except Exception:
            answer = self.api.refused(request.target, Failure())
        return await self.api.whole(request, answer)

    async def _refused(self, request: PlainRequest) -> Answer | None:
        """
        @return: What is said to a request that may not pass.
        """
        try:
            signed_in = self.gate.check(request)
            if signed_in is not None:
                await signed_in
            elif not request.head.manner.secret:
                request.channel.passed = Passed(request.head, request.visitor, self.gate.access.web, self.features)
        except Refusal as refusal:
            return turned_away(request, refusal)
        return None

    writing: Writing | None = None

    def of_port(self, features: Collection[str]) -> APISite:
        """
        @return: The same for a port that serves these features alone.
        """
        one = copy(self)
        one.serve(features)
        return one

    def getContentFile(self, length: int | None) -> IO[bytes]:
        """
        Where the body of a request goes (called by Twisted).
        """
        return _Nowhere()

    def log(self, request: object) -> None:
        """
        A request is answered (called by Twisted).
        """


def site(
    hub: Hub,
    settings: Settings,
    clock: IReactorTime,
    health: HealthService | None = None,
    work: Work = maybeDeferred,
    writer: Writer | None = None,
) -> APISite:
    """
    @param hub: What is answered from.
    @param clock: Tells the time and lets other work go on in between.
    @param health: What watches the hosts.
    @param work: Does what takes long where it holds nobody up.
    @param writer: Takes what is written to this node.
    @return: The factory of HTTP connections: the API, and the dashboard.
    """
    login = Login(settings.web.access_file, clock, work) if settings.web.access_file is not None else None
    api, access = API(hub, settings, clock, health), Access(settings)
    writing = Writing(settings, hub.local.info.guid, clock, writer) if writer is not None else None
    gate = Gate(access, login, KleinResource(api.app), clock, writing, work)
    found = APISite(
        gate,
        requestFactory=APIRequest,
        timeout=settings.web.idle_timeout or None,
        reactor=clock,
    )
    found.parts = (api, access) if writing is None else (api, access, writing)
    found.heads, found.gate, found.api = Heads(), gate, api
    found.open = {}
    found.most = settings.web.max_sockets
    found.first_within = settings.web.first_request_timeout
    found.writing = writing
    return found
