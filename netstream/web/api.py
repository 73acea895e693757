"""
The paths of the API and the dashboard, each for this node and for any other
that it knows.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

from klein import Klein
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.iweb import IRequest
from werkzeug.exceptions import HTTPException

from netstream.config.settings import Settings
from netstream.db.interfaces import Span
from netstream.db.messages import Unavailable
from netstream.health.service import HealthService
from netstream.hub.hub import Host, Hub
from netstream.model.calls import MOST_TIMEOUT
from netstream.web import (
    badges,
    contexts,
    fleet,
    formats,
    latest,
    management,
    metrics,
    node,
    openapi,
    prometheus,
    query,
    registry,
    version3,
)
from netstream.web import charts as charted
from netstream.web import functions as called
from netstream.web.alerts import MOST_LOGGED, Alerts
from netstream.web.answer import (
    JSON,
    Answer,
    Refusal,
    breathe,
    encode,
    header,
    is_browser,
    json_answer,
    packed,
    prepare,
    tagged,
    text_answer,
)
from netstream.web.endpoints import ENDPOINTS
from netstream.web.events import Events
from netstream.web.kept import Kept, Packed, State
from netstream.web.pages import Dashboard
from netstream.web.plain import PlainRequest, whole
from netstream.web.scraping import Visits
from netstream.web.target import BadParameter, Parameters, Target
from netstream.web.transitions import transitions

SETTLED = 3600
"""Seconds after which what happened is taken as settled, and for which an
answer about it may be kept."""

IN_ALL_VERSIONS = frozenset(("stream_info", "functions", "function", "badge.svg"))
"""Commands of version 1 that the later ones have as well."""

_Command = Callable[["API", Host, "Ask"], Awaitable[Answer]]
_COMMANDS: dict[str, _Command] = {}
Command = Callable[["API", Host | None, "Ask"], Awaitable[Answer]]
"""Answers for the one node that the path of a request names, or for all."""


_OF_A_QUERY = "%/?:@!$&'()*+,;=-._~"
"""What stands in a query as it is."""


class Ask:
    """
    What one request brings along.

    @ivar parameters: What stands behind the path.
    @ivar client: The address of the client, as text.
    @ivar token: The secret that it presents, if any.
    """

    def __init__(
        self,
        parameters: Parameters,
        client: str,
        token: str = "",
        gone: Callable[[], Deferred[None]] | None = None,
    ) -> None:
        """
        @param gone: Gives what fails when the client leaves.
        """
        self.parameters = parameters
        self.client = client
        self.token = token
        self._gone = gone

    def on_gone(self, action: Callable[[], None]) -> None:
        """
        Do something if the client leaves before it is answered.
        """
        if self._gone is not None:
            self._gone().addErrback(lambda failure: action())


def _command(name: str) -> Callable[[_Command], _Command]:
    def register(command: _Command) -> _Command:
        _COMMANDS[name] = command
        return command

    return register


def _ask(request: Any) -> Ask:
    token = header(request, b"X-Auth-Token") or header(request, b"Authorization").removeprefix("Bearer ")
    return Ask(request.parameters, request.visitor.address, token, getattr(request, "notifyFinish", None))


class API:
    """
    What this node answers over HTTP.
    """

    _log = Logger()
    app = Klein()
    app.url_map.merge_slashes = False

    def __init__(self, hub: Hub, settings: Settings, clock: IReactorTime, health: HealthService | None = None) -> None:
        self._hub = hub
        self._alerts = Alerts(health, settings, clock)
        self._health = health
        self._settings = settings
        self._clock = clock
        self._pages = Dashboard(settings.web.files)
        self._visits = Visits()
        self._events = Events(clock)
        self._kept = Kept()

    def reconfigure(self, settings: Settings) -> None:
        """
        Answer by other settings from the next request on.
        """
        self._settings = settings
        self._alerts.settings = settings

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
        own = metrics.Own(self._hub, self._clock.seconds(), _ask(request).parameters.truth("nodes", True))
        body = await metrics.expose(own, self._clock)
        return await prepare(request, Answer(body, metrics.CONTENT_TYPE), self._clock, self._settings.web.gzip)

    @app.route("/netdata.conf")
    @app.route("/host/<hostname>/netdata.conf")
    def _configuration(self, request: IRequest, hostname: str = "") -> Deferred[bytes]:
        if hostname and self._host(hostname) is not self._hub.local:
            raise Refusal(404, "Only the node itself knows its configuration.\n")
        return self._send(request, text_answer(self._settings.effective))

    @app.route("/api/v2/alert_transitions")
    @app.route("/api/v3/alert_transitions")
    @app.route("/host/<hostname>/api/v2/alert_transitions")
    @app.route("/host/<hostname>/api/v3/alert_transitions")
    def _alert_transitions(self, request: IRequest, hostname: str = "") -> Deferred[bytes]:
        only = self._host(hostname) if hostname else None
        asked = _ask(request).parameters
        return Deferred.fromCoroutine(self._list_transitions(request, only, asked))

    async def _list_transitions(self, request: IRequest, only: Host | None, asked: Parameters) -> bytes:
        found = json_answer(await transitions(self._hub, self._health, only, asked, self._clock))
        return await prepare(request, found, self._clock, self._settings.web.gzip)

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
        return Deferred.fromCoroutine(prepare(request, answer, self._clock, self._settings.web.gzip))

    def _host(self, name: str) -> Host:
        host = self._hub.find(name)
        if host is None:
            raise Refusal(404, f"This netdata does not maintain a database for host: {name}\n")
        return host

    def _run(self, request: IRequest, only: Host | None, version: str, name: str) -> Deferred[bytes]:
        if version == "v1" and name == "live":
            charts = _ask(request).parameters.text("charts")
            return self._events.follow(request, only or self._hub.local, charts)
        if version not in VERSIONS:
            raise Refusal(404, f"Unsupported API version: {version}")
        command = _ANSWERS.get((version, name))
        if command is None:
            raise Refusal(404, f"Unsupported {version} API command: {name}")
        return Deferred.fromCoroutine(self._answer(request, only, command))

    async def _answer(self, request: IRequest, only: Host | None, command: Command) -> bytes:
        answer = await command(self, only, _ask(request))
        return await prepare(request, answer, self._clock, self._settings.web.gzip)

    def known(self, request: PlainRequest) -> bytes | None:
        """
        @return: All bytes of the response to a plain request, if it was
            answered before and nothing has changed since.
        """
        now = self._clock.seconds()
        found = self._kept.find(request.key, now, self._settings)
        if found is None:
            return None
        host, packed = found
        name = request.host
        if name is not None and self._hub.find(name) is not host:
            return None
        return whole(packed.answer, packed.more, packed.body, now)

    async def answer(self, request: PlainRequest, command: Command) -> Answer:
        """
        @param command: From L{command_of}.
        @return: What answers a plain request; may raise anything, for
            L{refused}.
        """
        only = None if request.host is None else self._host(request.host)
        if command is not _DATA:
            return await command(self, only, _ask(request))
        state = State.of(only or self._hub.local, self._clock.seconds(), self._settings)
        answer = await command(self, only, Ask(request.parameters, request.visitor.address))
        request.state = state
        return answer

    async def whole(self, request: PlainRequest, answer: Answer) -> bytes:
        """
        @return: All bytes of the response to a plain request.
        """
        answer = tagged(request, answer)
        more, body = await packed(request, answer, self._clock, self._settings.web.gzip)
        now, state = self._clock.seconds(), request.state
        if state is not None and not answer.lifetime and state.holds(now, self._settings):
            self._kept.keep(request.key, state, Packed(answer, more, body))
        return whole(answer, more, body, now)

    def _now(self) -> int:
        return int(self._clock.seconds())

    async def _bounds(self, host: Host) -> Mapping[str, Span]:
        return await host.db.bounds(host.info.guid)

    # -- commands --------------------------------------------------------------

    @_command("info")
    async def info(self, host: Host, ask: Ask) -> Answer:
        """
        Who the node is, and which others it has.
        """
        return json_answer(node.info(self._hub, host, self._settings, self._alerts.counts(host)))

    @_command("charts")
    async def charts(self, host: Host, ask: Ask) -> Answer:
        """
        All charts of a node.
        """
        bounds = await self._bounds(host)
        variables, functions = charted.variables(host), charted.functions_of(host)
        found: dict[str, Any] = {}
        dimensions = 0
        for number, chart in enumerate(charted.listed(host)):
            if number % charted.PAUSE_EVERY == charted.PAUSE_EVERY - 1:
                await breathe(self._clock)
            found[chart.id] = charted.describe(host, chart, bounds, variables, functions) | {
                "alarms": self._alerts.of_chart(host, chart.id)
            }
            dimensions += len(chart.dimensions)
        memory = (await host.db.stats()).memory
        return json_answer(charted.overview(self._hub, host, self._settings, found, dimensions, memory), readable=False)

    @_command("chart")
    async def chart(self, host: Host, ask: Ask) -> Answer:
        """
        One chart of a node.
        """
        name = ask.parameters.text("chart")
        if not name:
            raise Refusal(400, "No chart id is given at the request.")
        found = charted.named(host, name)
        if found is None:
            raise Refusal(404, f"Chart is not found: {name}")
        bounds, variables = await self._bounds(host), charted.variables(host)
        described = charted.describe(host, found, bounds, variables, charted.functions_of(host))
        return json_answer(described | {"alarms": self._alerts.of_chart(host, found.id)})

    @_command("data")
    async def data(self, host: Host, ask: Ask) -> Answer:
        """
        Samples, folded in time.
        """
        question = query.Question.parse(ask.parameters)
        formats.check_format(question.format)
        now = self._now()
        view = await query.view(host, question, now)
        lifetime = SETTLED if question.settled and question.before < now - SETTLED else 0
        return await formats.write(view, self._clock, lifetime, ask.parameters.text("filename"))

    @_command("contexts")
    async def contexts(self, host: Host, ask: Ask) -> Answer:
        """
        The contexts of a node.
        """
        wanted = contexts.Wanted.parse(ask.parameters, self._now())
        labels = {name: label.value for name, label in host.labels.items()}
        return json_answer(
            {
                "hostname": host.info.hostname,
                "machine_guid": host.info.guid,
                "node_id": "",
                "claim_id": host.claim_id or "",
                **({"host_labels": labels} if "labels" in wanted.options else {}),
                "contexts": wanted.of(host, await self._bounds(host)),
            }
        )

    @_command("context")
    async def context(self, host: Host, ask: Ask) -> Answer:
        """
        One context of a node.
        """
        name = ask.parameters.text("context")
        if not name:
            raise Refusal(400, "No context is given at the request.\n")
        wanted = contexts.Wanted.parse(ask.parameters, self._now())
        found = wanted.of(host, await self._bounds(host), name).get(name)
        if found is None:
            raise Refusal(404, f"Context is not found: {name}\n")
        return json_answer(found)

    @_command("alarms")
    async def alarms(self, host: Host, ask: Ask) -> Answer:
        """
        Alerts that are raised, or with C{all} every one.
        """
        return json_answer(self._alerts.alarms(host, ask.parameters, self._now()))

    @_command("alarms_values")
    async def alarms_values(self, host: Host, ask: Ask) -> Answer:
        """
        The values of alerts.
        """
        return json_answer(self._alerts.values(host, ask.parameters))

    @_command("alarm_count")
    async def alarm_count(self, host: Host, ask: Ask) -> Answer:
        """
        How many alerts there are of a status.
        """
        return json_answer(self._alerts.count(host, ask.parameters))

    @_command("alarm_log")
    async def alarm_log(self, host: Host, ask: Ask) -> Answer:
        """
        What happened to alerts.
        """
        usual = min(self._settings.health.log_entries, MOST_LOGGED)
        most = ask.parameters.number("last", usual, 1, MOST_LOGGED)
        found = await self._alerts.log([host], ask.parameters, most)
        return json_answer([said for _, said in found])

    @_command("alarm_variables")
    async def alarm_variables(self, host: Host, ask: Ask) -> Answer:
        """
        What expressions about a chart can name.
        """
        return json_answer(self._alerts.variables(host, ask.parameters))

    @_command("explain")
    async def explain(self, host: Host, ask: Ask) -> Answer:
        """
        Why an alert stands as it does, and who would be told.
        """
        return json_answer(self._alerts.explain(host, ask.parameters, self._now()))

    @_command("manage/health")
    async def manage_health(self, host: Host, ask: Ask) -> Answer:
        """
        Silence alerts.
        """
        said = await self._alerts.manage(ask.parameters, ask.client, ask.token)
        return text_answer(said) if isinstance(said, str) else json_answer(said)

    @_command("allmetrics")
    async def allmetrics(self, host: Host, ask: Ask) -> Answer:
        """
        The newest of everything, for other systems.
        """
        asked = ask.parameters
        form = asked.text("format", default="shell")
        chosen = charted.any_pattern(asked.text("filter"))
        if form == "json":
            return Answer(encode(await latest.tree(host, chosen, self._clock)) + b"\n", JSON)
        if form == "shell":
            return Answer(await latest.shell(host, chosen, self._clock, self._alerts.of(host)))
        if form not in ("prometheus", "prometheus_all_hosts"):
            raise Refusal(
                400, "Which format? 'shell', 'prometheus', 'prometheus_all_hosts' and 'json' are currently supported.\n"
            )
        every = form == "prometheus_all_hosts"
        choice = prometheus.Choice.parse(asked, every)
        hosts = node.mirrored(self._hub) if every else [host]
        scraper = asked.text("server", default=ask.client)
        visits = {h.info.guid: self._visits.visit(h.info.guid, scraper, self._now()) for h in hosts}
        return Answer(await prometheus.expose(hosts, choice, visits, self._clock), prometheus.CONTENT_TYPE)

    @_command("badge.svg")
    async def badge(self, host: Host, ask: Ask) -> Answer:
        """
        A value as a small picture.
        """
        missed, these = self._settings.db.gap_when_lost, self._alerts.of(host)
        return await badges.badge(host, ask.parameters, these, self._now(), missed)

    @_command("registry")
    async def registry(self, host: Host, ask: Ask) -> Answer:
        """
        What older dashboards ask before anything else.
        """
        return json_answer(registry.answer(host, ask.parameters.text("action")))

    @_command("functions")
    async def functions(self, host: Host, ask: Ask) -> Answer:
        """
        What a node can be asked for.
        """
        return json_answer({"functions": called.described(host.functions.values())})

    @_command("function")
    async def function(self, host: Host, ask: Ask) -> Answer:
        """
        Ask a node for something.
        """
        called.check(ask.client, self._settings.web.allow.get("management"))
        timeout = ask.parameters.number("timeout", 0, 0, MOST_TIMEOUT)
        return await called.call(host, ask.parameters.text("function"), timeout, ask.client, ask.on_gone)

    async def stream_info(self, host: Host, ask: Ask) -> Answer:
        """
        What a child asks before it streams to this node.
        """
        wanted = ask.parameters.text("machine_guid").lower()
        found = self._hub.get(wanted)
        bounds = await self._bounds(found) if found is not None else {}
        answer = node.stream_info(self._hub, found, bounds)
        return json_answer(answer, answer["status"])


async def _overview(api: API, host: Host, ask: Ask) -> Answer:
    return json_answer(await fleet.overview(api._hub, api._alerts, api._settings, api._clock), readable=False)


async def _raised(api: API, host: Host, ask: Ask) -> Answer:
    return json_answer(await fleet.raised(api._hub, api._alerts, ask.parameters, api._clock), readable=False)


async def _transitions(api: API, host: Host, ask: Ask) -> Answer:
    return json_answer(await fleet.transitions(api._hub, api._alerts, ask.parameters, api._clock), readable=False)


async def _keys(api: API, host: Host, ask: Ask) -> Answer:
    return json_answer(management.keys(api._settings, api._health, ask.client, ask.token))


OF_ALL: dict[str, _Command] = {
    "overview": _overview,
    "raised": _raised,
    "transitions": _transitions,
    "keys": _keys,
}
"""Commands of version 3 about all nodes that agents do not have, by name."""
VERSIONS = ("v1", "v2", "v3")
"""Of the API."""


def _of_one(command: _Command) -> Command:
    return lambda api, only, ask: command(api, only or api._hub.local, ask)


def _of_many(command: Callable[[version3.Scope], Awaitable[Answer]]) -> Command:
    def answer(api: API, only: Host | None, ask: Ask) -> Awaitable[Answer]:
        return command(version3.Scope(api._hub, api._settings, api._clock, ask.parameters, api._alerts, only))

    return answer


def _answers() -> Iterator[tuple[tuple[str, str], Command]]:
    """
    @return: All commands by version and name.
    """
    for name, command in _COMMANDS.items():
        yield ("v1", name), _of_one(command)
    for version in VERSIONS[1:]:
        for name in IN_ALL_VERSIONS - {"stream_info"}:
            yield (version, name), _of_one(_COMMANDS[name])
        yield (version, "stream_info"), _of_one(API.stream_info)
        for name, tell in version3.COMMANDS.items():
            yield (version, name), _of_many(tell)
    for name, command in OF_ALL.items():
        yield ("v3", name), _of_one(command)


_ANSWERS = dict(_answers())
_DATA = _ANSWERS["v1", "data"]


def command_of(target: Target) -> Command | None:
    """
    @return: What answers a request that asks for no more than an answer; L{None}
        for all others, and for those that get none.
    """
    call = target.call
    if call is None or target.acts or call[2] == "badge.svg":  # a picture, even of a host that is not there
        return None
    return _ANSWERS.get(call[1:])


COMMANDS = tuple(_COMMANDS)
"""Names of the commands of version 1."""
