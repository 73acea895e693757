"""
The paths of the API and the dashboard, each for this node and for any other
that it knows.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Any
from urllib.parse import quote

from klein import Klein
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.iweb import IRequest
from werkzeug.exceptions import HTTPException

from netstream.config.settings import Settings
from netstream.db.messages import Unavailable
from netstream.health.service import HealthService
from netstream.hub.hub import Host, Hub
from netstream.turns import Turns
from netstream.web import badges, metrics, openapi, version1, version3
from netstream.web.alerts import Alerts
from netstream.web.answer import (
    JSON,
    SLICE,
    Answer,
    Refusal,
    encode,
    is_browser,
    packed,
    packed_at_once,
    prepare,
    tagged,
    text_answer,
    to_squeeze,
)
from netstream.web.ask import Ask
from netstream.web.endpoints import ENDPOINTS
from netstream.web.events import Events
from netstream.web.kept import Kept, Packed, State
from netstream.web.pages import Dashboard
from netstream.web.plain import PlainRequest, whole
from netstream.web.target import BadParameter, Place, Target

Command = Callable[["API", Host | None, Ask], Awaitable[Answer]]
"""Answers for the one node that the path of a request names, or for all."""

_OF_A_QUERY = "%/?:@!$&'()*+,;=-._~"
"""What stands in a query as it is."""


class API:
    """
    What this node answers over HTTP.
    """

    _log = Logger()
    app = Klein()
    app.url_map.merge_slashes = False

    def __init__(self, hub: Hub, settings: Settings, turns: Turns, health: HealthService | None = None) -> None:
        self._hub = hub
        self._alerts = Alerts(health, settings, turns)
        self._health = health
        self._settings = settings
        self._turns = turns
        self._pages = Dashboard(settings.web.files)
        self._events = Events(turns)
        self._version1 = version1.Commands(hub, settings, turns, self._alerts)
        self._kept = Kept()

    def reconfigure(self, settings: Settings) -> None:
        """
        Answer by other settings from the next request on.
        """
        self._settings = settings
        self._alerts.settings = settings
        self._version1.settings = settings

    # -- paths ---------------------------------------------------------------

    @app.route("/api")
    @app.route("/api/")
    @app.route("/host/<hostname>/api")
    @app.route("/host/<hostname>/api/")
    def _no_version(self, request: IRequest, hostname: str = "") -> Deferred[bytes]:
        if hostname:
            self._host(hostname)
        return self._send(request, text_answer("Which API version?\n", 400))

    @app.route("/api/openapi.json")
    def _openapi(self, request: IRequest) -> Deferred[bytes]:
        return self._send(request, Answer(encode(openapi.document(ENDPOINTS)) + b"\n", JSON, revalidate=True))

    @app.route("/api/<version>")
    @app.route("/host/<hostname>/api/<version>")
    def _no_command(self, request: IRequest, version: str, hostname: str = "") -> Deferred[bytes]:
        if hostname:
            self._host(hostname)
        if version not in VERSIONS:
            raise Refusal(404, f"Unsupported API version: {version}")
        return self._send(request, text_answer(f"Which API {version} command?\n", 400))

    @app.route("/api/<version>/")
    @app.route("/api/<version>/<path:name>")
    def _local(self, request: IRequest, version: str, name: str = "") -> Deferred[bytes]:
        return self._run(request, None, version, name)

    @app.route("/host/<hostname>/api/<version>/")
    @app.route("/host/<hostname>/api/<version>/<path:name>")
    def _other(self, request: IRequest, hostname: str, version: str, name: str = "") -> Deferred[bytes]:
        if name == "badge.svg" and self._hub.find(hostname) is None:
            return self._send(request, badges.failed("host not found"))
        return self._run(request, self._host(hostname), version, name)

    @app.route("/metrics")
    def _metrics(self, request: IRequest) -> Deferred[bytes]:
        return Deferred.fromCoroutine(self._expose(request))

    async def _expose(self, request: IRequest) -> bytes:
        own = metrics.Own(self._hub, self._turns.clock.seconds(), Ask.of(request).parameters.truth("nodes", True))
        body = await metrics.expose(own, self._turns)
        return await prepare(request, Answer(body, metrics.CONTENT_TYPE), self._turns, self._settings.web.gzip)

    @app.route("/netdata.conf")
    @app.route("/host/<hostname>/netdata.conf")
    def _configuration(self, request: IRequest, hostname: str = "") -> Deferred[bytes]:
        if hostname and self._host(hostname) is not self._hub.local:
            raise Refusal(404, "Only the node itself knows its configuration.\n")
        return self._send(request, text_answer(self._settings.effective))

    @app.route("/host/<hostname>")
    def _host_without_slash(self, request: IRequest, hostname: str) -> Deferred[bytes]:
        if not is_browser(request):
            self._host(hostname)
        where = f"{quote(hostname, safe='')}/"  # relative, as a proxy may show this below a path of its own
        if query := request.uri.partition(b"?")[2]:
            where += f"?{quote(query, safe=_OF_A_QUERY)}"
        return self._send(request, Answer(b"Permanent redirect\n", status=308, headers={"Location": where}))

    @app.route("/host/<hostname>/")
    @app.route("/host/<hostname>/<path:name>")
    def _host_page(self, request: IRequest, hostname: str, name: str = "") -> Deferred[bytes]:
        if self._hub.find(hostname) is None and is_browser(request) and (not name or name.endswith(".html")):
            return self._send(request, self._pages.unknown())
        self._host(hostname)
        return self._page(request, name or "index.html")

    @app.route("/")
    @app.route("/<path:name>")
    def _page(self, request: IRequest, name: str = "") -> Deferred[bytes]:
        page = self._pages.get(name, len(self._hub) == 1)
        if page is None:
            raise Refusal(404, f"File does not exist, or is not accessible: {name}\n")
        return self._send(request, page)

    @app.handle_errors(Exception)
    def _broken(self, request: Any, failure: Failure) -> Deferred[bytes]:
        return self._send(request, self.refused(request.target, failure))

    def refused(self, target: Target, failure: Failure) -> Answer:
        """
        @return: What a client is told whose request was not answered.
        """
        return badges.pictured_for(target, self._reason(target, failure))

    def _reason(self, target: Target, failure: Failure) -> Answer:
        problem = failure.value
        if isinstance(problem, Refusal):
            return problem.answer
        if isinstance(problem, BadParameter):
            return text_answer(f"{problem}.\n", 400)
        if isinstance(problem, HTTPException):
            return text_answer("There is nothing here.\n", 404)
        if isinstance(problem, Unavailable):
            return text_answer(f"{problem}; ask again in some seconds.\n", 503)
        self._log.failure("{path}: was not answered", failure, path=target.path)
        return text_answer("This request was not answered; the log of the node tells why.\n", 500)

    # -- answering -------------------------------------------------------------

    def _send(self, request: IRequest, answer: Answer) -> Deferred[bytes]:
        return Deferred.fromCoroutine(prepare(request, answer, self._turns, self._settings.web.gzip))

    def _host(self, name: str) -> Host:
        host = self._hub.find(name)
        if host is None:
            raise Refusal(404, f"This netdata does not maintain a database for host: {name}\n")
        return host

    def _run(self, request: IRequest, only: Host | None, version: str, name: str) -> Deferred[bytes]:
        if version == "v1" and name == "live":
            charts = Ask.of(request).parameters.text("charts")
            return self._events.follow(request, only or self._hub.local, charts)
        if version not in VERSIONS:
            raise Refusal(404, f"Unsupported API version: {version}")
        command = _ANSWERS.get((version, name))
        if command is None:
            raise Refusal(404, f"Unsupported {version} API command: {name}")
        return Deferred.fromCoroutine(self._answer(request, only, command))

    async def _answer(self, request: IRequest, only: Host | None, command: Command) -> bytes:
        answer = await command(self, only, Ask.of(request))
        return await prepare(request, answer, self._turns, self._settings.web.gzip)

    def known(self, request: PlainRequest, command: Command) -> bytes | None:
        """
        @return: All bytes of the response to a plain request, if it was
            answered before and nothing has changed since, or takes no more
            than a look at the newest samples.
        """
        now, name, shape = self._turns.clock.seconds(), request.host, request.head.shape
        key = request.key
        found = self._kept.find(key, now, self._settings)
        if found is not None and (name is None or self._hub.find(name) is found[0]):
            packed = found[1]
            return whole(packed.answer, packed.more, packed.body, now)
        if shape is None or shape.terms is None or command is not _DATA:
            return None
        host = self._hub.local if name is None else self._hub.find(name)
        if host is None:
            return None
        filename = shape.target.parameters.text("filename")
        answer = self._version1.data_at_once(host, shape.terms, request.head.window, filename)
        if answer is not None and len(answer.body) > SLICE and to_squeeze(request, answer, self._settings.web.gzip):
            request.answer, answer = answer, None  # which is compressed in slices
        if answer is None:
            return None
        more, body = packed_at_once(request, answer, self._settings.web.gzip)
        if self._kept.again(key, now):
            self._keep(request, State.of(host, now, self._settings), Packed(answer, more, body), now)
        return whole(answer, more, body, now)

    async def answer(self, request: PlainRequest, command: Command) -> Answer:
        """
        @param command: From L{command_of}.
        @return: What answers a plain request; may raise anything, for
            L{refused}.
        """
        if request.answer is not None:
            return request.answer
        only = None if request.host is None else self._host(request.host)
        if command is not _DATA:
            return await command(self, only, Ask.of(request))
        state = State.of(only or self._hub.local, self._turns.clock.seconds(), self._settings)
        answer = await command(self, only, Ask(request.parameters, request.visitor.address))
        request.state = state
        return answer

    async def whole(self, request: PlainRequest, answer: Answer) -> bytes:
        """
        @return: All bytes of the response to a plain request.
        """
        answer = tagged(request, answer)
        more, body = await packed(request, answer, self._turns, self._settings.web.gzip)
        now = self._turns.clock.seconds()
        if not answer.lifetime:
            self._keep(request, request.state, Packed(answer, more, body), now)
        return whole(answer, more, body, now)

    def _keep(self, request: PlainRequest, state: State | None, packed: Packed, now: float) -> None:
        if state is not None and state.holds(now, self._settings):
            self._kept.keep(request.key, state, packed)


VERSIONS = ("v1", "v2", "v3")
"""Of the API."""


def _of_one(command: version1.Command) -> Command:
    return lambda api, only, ask: command(api._version1, only or api._hub.local, ask)


def _of_many(command: version3.Command) -> Command:
    def answer(api: API, only: Host | None, ask: Ask) -> Awaitable[Answer]:
        return command(version3.Scope(api._hub, api._settings, api._turns, ask, api._alerts, api._health, only))

    return answer


def _answers() -> Iterator[tuple[tuple[str, str], Command]]:
    """
    @return: All commands by version and name.
    """
    for name, command in version1.COMMANDS.items():
        yield ("v1", name), _of_one(command)
    for version in VERSIONS[1:]:
        for name in version1.IN_ALL_VERSIONS - {"stream_info"}:
            yield (version, name), _of_one(version1.COMMANDS[name])
        yield (version, "stream_info"), _of_one(version1.Commands.stream_info)
        for name, tell in version3.COMMANDS.items():
            yield (version, name), _of_many(tell)
    for name, tell in version3.OF_ALL.items():
        yield ("v3", name), _of_many(tell)


_ANSWERS = dict(_answers())
_DATA = _ANSWERS["v1", "data"]


def command_of(place: Place) -> Command | None:
    """
    @return: What answers a request that asks for no more than an answer; L{None}
        for all others, and for those that get none.
    """
    call = place.call
    if call is None or place.acts or call[2] == "badge.svg":  # a picture, even of a host that is not there
        return None
    return _ANSWERS.get(call[1:])
