"""
The commands of version 1 of the API, each about one node.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from netstream.config.settings import Settings
from netstream.db.interfaces import Span
from netstream.hub.hub import Host, Hub
from netstream.model.calls import MOST_TIMEOUT
from netstream.turns import Turns
from netstream.web import badges, contexts, formats, latest, node, prometheus, query, registry, weights, wrapping
from netstream.web import charts as charted
from netstream.web import functions as called
from netstream.web.alerts import MOST_LOGGED, Alerts
from netstream.web.answer import JSON, Answer, Members, Refusal, encode, json_answer, text_answer
from netstream.web.ask import Ask
from netstream.web.formats import MOST_AT_ONCE
from netstream.web.grouped import in_thread
from netstream.web.questions import Numbers, Question, Terms, begin_of, is_settled
from netstream.web.scraping import Visits

SETTLED = 3600
"""Seconds after which what happened is taken as settled, and for which an
answer about it may be kept."""

IN_ALL_VERSIONS = frozenset(("stream_info", "functions", "function", "badge.svg", "allmetrics", "context"))
"""Commands of version 1 that the later ones have as well."""

Command = Callable[["Commands", Host, Ask], Awaitable[Answer]]
"""Answers for one node."""
COMMANDS: dict[str, Command] = {}
"""By name."""


def _lifetime(after: int | None, before: int | None, now: int) -> int:
    """
    @return: Seconds for which an answer may be kept.
    """
    return SETTLED if is_settled(after, before) and (before or 0) < now - SETTLED else 0


def _command(name: str) -> Callable[[Command], Command]:
    def register(command: Command) -> Command:
        COMMANDS[name] = command
        return command

    return register


class Commands:
    """
    What they have in common.

    @ivar settings: What they go by from now on.
    """

    def __init__(self, hub: Hub, settings: Settings, turns: Turns, alerts: Alerts) -> None:
        """
        @param alerts: Tells of alerts.
        """
        self.settings = settings
        self._hub = hub
        self._turns = turns
        self._alerts = alerts
        self._visits = Visits()
        self._memories = charted.Memories()
        self._choices = query.Choices(turns)

    def _now(self) -> int:
        return int(self._turns.clock.seconds())

    async def _bounds(self, host: Host) -> Mapping[str, Span]:
        return await host.db.bounds(host.info.guid)

    @_command("info")
    async def info(self, host: Host, ask: Ask) -> Answer:
        """
        Who the node is, and which others it has.
        """
        return json_answer(node.info(self._hub, host, self.settings, self._alerts.counts(host)))

    @_command("charts")
    async def charts(self, host: Host, ask: Ask) -> Answer:
        """
        All charts of a node.
        """
        memory = await self._memories.of(host.db, self._turns.clock.seconds())
        await self._turns.breathe()
        bounds = await self._bounds(host)
        await self._turns.breathe()
        variables, functions = charted.variables(host), charted.functions_of(host)
        found = Members()
        count = dimensions = alarms = 0
        for chart in charted.listed(host):
            await self._turns.breathe()
            alerts = self._alerts.of_chart(host, chart.id)
            described = charted.describe(host, chart, bounds, variables, functions) | {"alarms": alerts}
            found.add(chart.id, described)
            count += 1
            dimensions += len(chart.dimensions)
            alarms += len(alerts)
        await self._turns.breathe()
        told = charted.overview(self._hub, host, self.settings, found.whole(), count, dimensions, alarms, memory)
        return json_answer(told, readable=False)

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
        question = Question.parse(ask.parameters)
        formats.check_format(question.terms.format)
        now = self._now()
        view = await query.view(host, question, now, self._choices)
        lifetime = _lifetime(question.after, question.before, now)
        return await wrapping.write(view, self._turns, lifetime, ask.parameters.text("filename"))

    def data_at_once(self, host: Host, terms: Terms, window: Numbers, filename: str) -> Answer | None:
        """
        The same, if newest samples are asked for in terms that are known.

        @param window: C{after}, C{before} and C{points}.
        @param filename: As L{wrapping.write} has it.
        @return: L{None} if it takes more than that.
        """
        now, choice = self._now(), self._choices.known(host, terms)
        look = choice.look(host, now) if choice is not None else None
        if choice is None or look is None or _lifetime(*window[:2], now):
            return None
        begin = begin_of(window, look.span.last, now)
        if (now - begin) // look.step * len(choice.dimensions) > MOST_AT_ONCE:
            return None
        if begin <= look.floor:
            look = choice.look(host, now, begin - look.step) or look
        return wrapping.at_once(host, choice, window, look, now, filename)

    @_command("contexts")
    async def contexts(self, host: Host, ask: Ask) -> Answer:
        """
        The contexts of a node.
        """
        wanted = contexts.Wanted.parse(ask.parameters, self._now())
        labels = {name: label.value for name, label in host.labels.items()}
        found = await wanted.of(host, await self._bounds(host), self._turns)
        return json_answer(
            {
                "hostname": host.info.hostname,
                "machine_guid": host.info.guid,
                "node_id": "",
                "claim_id": host.claim_id or "",
                **({"host_labels": labels} if "labels" in wanted.options else {}),
                "contexts": found,
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
        found = (await wanted.of(host, await self._bounds(host), self._turns, name)).get(name)
        if found is None:
            raise Refusal(404, f"Context is not found: {name}\n")
        return json_answer(found)

    @_command("weights")
    async def weights(self, host: Host, ask: Ask) -> Answer:
        """
        Which series are worth a look, by context.
        """
        series = await weights.of_host(host, ask.parameters, self._turns)
        weighed = await weights.weigh(series, ask.parameters, "anomaly-rate", self._turns)
        return json_answer(await in_thread(self._turns.clock, lambda: weights.by_context(weighed)))

    @_command("metric_correlations")
    async def metric_correlations(self, host: Host, ask: Ask) -> Answer:
        """
        Which series changed most, by chart.
        """
        series = await weights.of_host(host, ask.parameters, self._turns)
        weighed = await weights.weigh(series, ask.parameters, "ks2", self._turns)
        return json_answer(await in_thread(self._turns.clock, lambda: weights.by_chart(weighed)))

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
        usual = min(self.settings.health.log_entries, MOST_LOGGED)
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
        chosen = charted.any_pattern(asked.patterns("filter"))
        if form == "json":
            return Answer(encode(await latest.tree(host, chosen, self._turns)) + b"\n", JSON)
        if form == "shell":
            return Answer(await latest.shell(host, chosen, self._turns, self._alerts.of(host)))
        if form not in ("prometheus", "prometheus_all_hosts"):
            raise Refusal(
                400, "Which format? 'shell', 'prometheus', 'prometheus_all_hosts' and 'json' are currently supported.\n"
            )
        every = form == "prometheus_all_hosts"
        choice = prometheus.Choice.parse(asked, every)
        hosts = node.mirrored(self._hub) if every else [host]
        scraper = asked.text("server", default=ask.client)
        visits = {h.info.guid: self._visits.visit(h.info.guid, scraper, self._now()) for h in hosts}
        return Answer(await prometheus.expose(hosts, choice, visits, self._turns), prometheus.CONTENT_TYPE)

    @_command("badge.svg")
    async def badge(self, host: Host, ask: Ask) -> Answer:
        """
        A value as a small picture.
        """
        missed, these = self.settings.db.gap_when_lost, self._alerts.of(host)
        return await badges.badge(host, ask.parameters, these, missed, self._turns)

    @_command("aclk")
    async def aclk(self, host: Host, ask: Ask) -> Answer:
        """
        How an agent is connected to its cloud, which this node has not.
        """
        return json_answer({"aclk-available": False})

    @_command("registry")
    async def registry(self, host: Host, ask: Ask) -> Answer:
        """
        What older dashboards ask before anything else.
        """
        return json_answer(registry.answer(node.mirrored(self._hub), host, ask.parameters.text("action")))

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
        called.check(ask.client, self.settings.web.allow.get("management"))
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
