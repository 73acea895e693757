"""
HTTP itself: its connections, and what they have in common.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Coroutine, Generator
from copy import copy
from functools import cached_property, partial
from io import BytesIO
from itertools import islice
from types import coroutine
from typing import IO, Any, cast

from klein.resource import KleinResource
from twisted.internet.abstract import FileDescriptor
from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime, IWriteDescriptor
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web import server
from twisted.web.http import NO_BODY_CODES, HTTPChannel
from twisted.web.http_headers import Headers

from netstream.config.settings import Settings
from netstream.health.service import HealthService
from netstream.hub.hub import Hub
from netstream.turns import Turns
from netstream.web.access import Access
from netstream.web.answer import Answer, Refusal, header
from netstream.web.api import API, Command, command_of
from netstream.web.features import ALL
from netstream.web.gate import APIRequest, Asking, Gate, Passed, turned_away
from netstream.web.lines import encoded, refused
from netstream.web.login import Login, Work
from netstream.web.plain import Head, Heads, PlainRequest, whole
from netstream.web.writing import Writer, Writing


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


def _idle(transport: FileDescriptor) -> bool:
    """
    @return: Whether what is written would go out next.
    """
    return not (transport.dataBuffer or transport._tempDataLen or transport.disconnecting or transport.disconnected)


_END = b"\r\n\r\n"
"""What a request without a body ends with."""


class Channel(HTTPChannel):
    """
    A connection that has to make its first request within a time, however
    slowly it drips: each byte resets the limit for idle ones.  HTTP/2 is not
    spoken.

    @ivar at_request: Is called when a request is complete.
    @ivar answering: Whether one is, and its answer is not.
    @ivar passed: The last plain request that nobody had to sign in for.
    @ivar _unreadable: Whether what came is no request, so that no more is read.
    """

    site: APISite
    answering = False
    passed: Passed | None = None
    _first: IDelayedCall | None = None
    _unreadable = False

    def __init__(self) -> None:
        super().__init__()
        self.at_request: Callable[[], None] = lambda: None
        self._kept: list[bytes] = []

    def dataReceived(self, data: bytes) -> None:
        """
        Read a request at once, or in a later turn if this one has dealt with
        enough of them (called by Twisted).
        """
        if self._kept:
            self._kept.append(data)  # TLS delivers several pieces of one read, whether it was paused or not
        elif self._handlingRequest:
            self._read(data)  # which keeps it until that one is answered
        elif self._waitingForTransport or self.site.turns.is_over():
            self._keep(data)
        else:
            self._read_all(data)

    def _keep(self, data: bytes) -> None:
        """
        Read it in a later turn, and not before the answers to what came before
        it are out: who asks and does not read gets no more of them.
        """
        self._kept.append(data)
        self._networkProducer.pauseProducing()
        if not self._waitingForTransport:
            self.site.turns.wait(self._its_turn)

    def resumeProducing(self) -> None:
        """
        What was written is out (called by Twisted).
        """
        super().resumeProducing()
        if self._kept:
            self._networkProducer.pauseProducing()
            self.callLater(0, self._its_turn)

    def _its_turn(self) -> None:
        if self._waitingForTransport:
            return
        data, self._kept = b"".join(self._kept), []
        if data:
            self._read_all(data)
            if not self._kept and not self._waitingForTransport:
                self._networkProducer.resumeProducing()

    def _read_all(self, data: bytes) -> None:
        """
        Read requests that were sent at once one after another, as long as the
        turn goes on.
        """
        begin = 0
        while self.line_mode and not self._unreadable:
            end = data.find(_END, begin) + len(_END)
            if end < len(_END) or end == len(data):
                break
            self._read(data[begin:end])
            begin = end
            if self._waitingForTransport or self.site.turns.is_over():
                self._keep(data[begin:])
                return
        self._read(data[begin:])

    def _read(self, data: bytes) -> None:
        """
        Answer a plain request here, and let Twisted read all others.
        """
        if getattr(self.transport, "disconnecting", False):
            return  # what follows a bad request, which TLS delivers still
        # Nothing may be under way, and nothing of what came before be left.
        between = self.persistent and not (self.requests or self._buffer or self._busyReceiving)
        head = self.site.heads.find(data) if between and not self._waitingForTransport else None
        command = command_of(head.place) if head is not None else None
        if head is None or command is None:
            super().dataReceived(data)
        else:
            self._answer(head, command)

    def _answer(self, head: Head, command: Command) -> None:
        self._complete()
        self.resetTimeout()
        request = PlainRequest(self, head)
        known = self.site.known(request, command)
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

    def lineReceived(self, line: bytes) -> None:
        """
        Read a line of the head of a request (called by Twisted).
        """
        if not self._unreadable:
            super().lineReceived(encoded(line))

    def lineLengthExceeded(self, line: bytes) -> None:
        """
        A line is longer than any may be (called by Twisted).
        """
        self._receivedHeaderSize += len(line)
        self._respondToBadRequestAndDisconnect()

    def _respondToBadRequestAndDisconnect(self) -> None:
        """
        Say why a request cannot be read, and end the connection (called by
        Twisted, which says no reason).
        """
        if self._unreadable:
            return
        self._unreadable = True
        found = refused(self._receivedHeaderSize, self.totalHeadersSize, self._receivedHeaderCount, self.maxHeaders)
        self.write(whole(found, {"Connection": "close"}, found.body, self.site.turns.clock.seconds()))
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
        self._kept.clear()
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
    @ivar turns: Says when other work shall not have to wait any longer.
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
    turns: Turns

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

    def known(self, request: PlainRequest, command: Command) -> bytes | None:
        """
        @return: All bytes of the response to a plain request, if they are
            there without more ado.
        """
        return self.api.known(request, command) if self.gate.repeats(request) else None

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
                known = self.api.known(request, command)
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
            else:
                self.gate.remember(request)
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
    turns = Turns(clock)
    api, access = API(hub, settings, turns, health), Access(settings)
    writing = Writing(settings, hub.local.info.guid, clock, writer) if writer is not None else None
    gate = Gate(access, login, KleinResource(api.app), clock, writing, work)
    found = APISite(
        gate,
        requestFactory=APIRequest,
        timeout=settings.web.idle_timeout or None,
        reactor=clock,
    )
    found.parts = (api, access) if writing is None else (api, access, writing)
    found.heads, found.gate, found.api, found.turns = Heads(), gate, api, turns
    found.open = {}
    found.most = settings.web.max_sockets
    found.first_within = settings.web.first_request_timeout
    found.writing = writing
    return found
