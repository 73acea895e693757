"""
HTTP itself: what a request has to pass before anything answers it.
"""

from __future__ import annotations

from io import BytesIO
from typing import IO

from klein.resource import KleinResource
from twisted.internet.interfaces import IReactorTime
from twisted.web import server
from twisted.web.iweb import IRequest
from twisted.web.resource import Resource

from netstream.config.settings import Settings
from netstream.hub.hub import Hub
from netstream.web.access import Access
from netstream.web.answer import Answer, Refusal, header, headers_of, text_answer
from netstream.web.api import API
from netstream.web.target import Parameters, parse

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
        address = getattr(request.getClientAddress(), "host", None) or "localhost"
        streaming = request.path == b"/api/v3/stream_info"
        self._access.check_peer(address, streaming=streaming)
        if not streaming:  # children call us as their destination is written
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


class APISite(server.Site):
    """
    The factory of HTTP connections.  It takes no bodies and writes no access
    log.
    """

    requestFactory = APIRequest

    def getContentFile(self, length: int | None) -> IO[bytes]:
        """
        Where the body of a request goes (called by Twisted).
        """
        return _Nowhere()

    def log(self, request: object) -> None:
        """
        A request is answered (called by Twisted).
        """


def site(hub: Hub, settings: Settings, clock: IReactorTime) -> server.Site:
    """
    @param hub: What is answered from.
    @param clock: Tells the time and lets other work go on in between.
    @return: The factory of HTTP connections: the API, and the dashboard.
    """
    inside = KleinResource(API(hub, settings, clock).app)
    return APISite(
        Gate(Access(settings), inside, clock),
        requestFactory=APIRequest,
        timeout=settings.web.idle_timeout or None,
        reactor=clock,
    )
