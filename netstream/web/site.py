"""
HTTP itself: what a request has to pass before anything answers it.
"""

from __future__ import annotations

from collections.abc import Collection
from copy import copy
from io import BytesIO
from typing import IO
from urllib.parse import unquote

from klein.resource import KleinResource
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web import server
from twisted.web.http import HTTPChannel
from twisted.web.iweb import IRequest
from twisted.web.resource import Resource

from netstream.config.settings import Settings
from netstream.health.service import HealthService
from netstream.hub.hub import Hub
from netstream.web.access import Access
from netstream.web.answer import Answer, Refusal, header, headers_of, text_answer
from netstream.web.api import API
from netstream.web.features import ALL, feature_of, not_served
from netstream.web.target import Parameters, parse

STREAM_INFO = b"/api/v3/stream_info"
"""What children ask, who are no browsers."""

METHODS = "GET, HEAD, OPTIONS"


class _Nowhere(BytesIO):
    """
    Takes the body of a request, and keeps nothing of it.
    """

    def write(self, data: object) -> int:
        return len(data)  # type: ignore[arg-type]


class APIRequest(server.Request):
    """
    A request whose target is taken apart as clients of agents expect.

    @ivar parameters: What stands behind the path.
    """

    parameters = Parameters()

    def process(self) -> None:
        """
        Take the target apart, then find what answers (called by Twisted).
        """
        target = parse(self.uri)
        self.parameters = target.parameters
        self.path = target.quoted
        super().process()


class Gate(Resource):
    """
    Lets requests pass that come from where they may, call this node by a name
    that is its own, and only read.
    """

    isLeaf = True
    features = ALL

    def __init__(self, access: Access, inside: Resource, clock: IReactorTime) -> None:
        super().__init__()
        self._access = access
        self._inside = inside
        self._clock = clock

    def render(self, request: IRequest) -> bytes | int:
        """
        Answer, or let others do (called by Twisted).
        """
        try:
            self._check(request)
        except Refusal as refusal:
            return self._now(request, refusal.answer)
        if request.method == b"OPTIONS":
            return self._now(request, _options())
        answered: bytes | int = self._inside.render(request)
        return answered

    def _check(self, request: IRequest) -> None:
        feature = feature_of(unquote(request.path.decode("utf-8", "replace")))
        if feature not in getattr(request, "site", self).features:
            raise Refusal(403, not_served(feature))
        address = getattr(request.getClientAddress(), "host", None) or "localhost"
        asks = request.path == STREAM_INFO
        self._access.check_peer(address, streaming=asks)
        if not asks:  # a child says its destination there, as its owner wrote it
            self._access.check_name(header(request, b"Host"))
        if request.method not in (b"GET", b"HEAD", b"OPTIONS"):
            raise Refusal(405, f"Only {METHODS} are answered here.\n", {"Allow": METHODS})

    def _now(self, request: IRequest, answer: Answer) -> bytes:
        request.setResponseCode(answer.status)
        for name, value in headers_of(answer, self._clock.seconds()):
            request.setHeader(name, value)
        return answer.body


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


class Channel(HTTPChannel):
    """
    A connection that has to make its first request within a time, however
    slowly it drips: each byte resets the limit for idle ones.  HTTP/2 is not
    spoken.
    """

    site: APISite
    _first: IDelayedCall | None = None

    def connectionMade(self) -> None:
        """
        Begin to wait for the first request (called by Twisted).
        """
        super().connectionMade()
        if self.site.first_within:
            self._first = self.callLater(self.site.first_within, self.forceAbortClient)

    def allContentReceived(self) -> None:
        """
        A request is complete (called by Twisted).
        """
        self._stop_waiting()
        super().allContentReceived()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        The client is gone (called by Twisted).
        """
        self._stop_waiting()
        super().connectionLost(reason)

    def _stop_waiting(self) -> None:
        if self._first is not None and self._first.active():
            self._first.cancel()
        self._first = None


class APISite(server.Site):
    """
    The factory of HTTP connections.  It takes no bodies and writes no access
    log.

    @ivar features: What is served to its connections.
    @ivar first_within: Seconds that a connection has for its first request; 0
        is no limit.
    @ivar parts: What goes by settings besides.
    """

    protocol = Channel  # type: ignore[assignment]  # Twisted's own can change to HTTP/2
    requestFactory = APIRequest
    features = ALL
    first_within = 0
    parts: tuple[API | Access, ...] = ()

    def reconfigure(self, settings: Settings) -> None:
        """
        Serve by other settings: connections from the next one on, requests at
        once.
        """
        self.timeOut = settings.web.idle_timeout or None
        self.first_within = settings.web.first_request_timeout
        for part in self.parts:
            part.reconfigure(settings)

    def of_port(self, features: Collection[str]) -> APISite:
        """
        @return: The same for a port that serves these features alone.
        """
        one = copy(self)
        one.features = ALL.intersection(features)
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


def site(hub: Hub, settings: Settings, clock: IReactorTime, health: HealthService | None = None) -> APISite:
    """
    @param hub: What is answered from.
    @param clock: Tells the time and lets other work go on in between.
    @param health: What watches the hosts.
    @return: The factory of HTTP connections: the API, and the dashboard.
    """
    api, access = API(hub, settings, clock, health), Access(settings)
    found = APISite(
        Gate(access, KleinResource(api.app), clock),
        requestFactory=APIRequest,
        timeout=settings.web.idle_timeout or None,
        reactor=clock,
    )
    found.parts = (api, access)
    found.first_within = settings.web.first_request_timeout
    return found
