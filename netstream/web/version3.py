"""
The commands of versions 2 and 3 of the API, which tell of many nodes at once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from attrs import evolve, frozen

from netstream.config.settings import Settings
from netstream.db import together
from netstream.health.service import HealthService
from netstream.hub.hub import Host, Hub
from netstream.turns import Turns
from netstream.web import catalog, fleet, formats, grouped, json2, management, nodes, weights
from netstream.web.alerts import Alerts, alert_filter
from netstream.web.answer import Answer, Refusal, json_answer
from netstream.web.ask import Ask
from netstream.web.grouped import in_thread
from netstream.web.node import bounds, mirrored
from netstream.web.query import nothing
from netstream.web.selection import Choice, Choosing
from netstream.web.standing import standing
from netstream.web.target import Parameters
from netstream.web.transitions import transitions


@frozen
class Scope:
    """
    What is asked, and of whom.

    @ivar hub: All nodes.
    @ivar alerts: Tells of alerts.
    @ivar health: Raises them, if anything does.
    @ivar only: The one node that the path of the request names, if any.
    """

    hub: Hub
    settings: Settings
    turns: Turns
    ask: Ask
    alerts: Alerts
    health: HealthService | None = None
    only: Host | None = None

    @property
    def parameters(self) -> Parameters:
        """
        What stands behind the path.
        """
        return self.ask.parameters

    @property
    def everyone(self) -> list[Host]:
        """
        The nodes that the path of the request may mean.
        """
        return mirrored(self.hub) if self.only is None else [self.only]

    @property
    def versions(self) -> dict[str, Any]:
        """
        Numbers that change when what is known changes.
        """
        return nodes.versions(self.hub, self.alerts.revisions())

    @property
    def now(self) -> float:
        """
        UTC seconds.
        """
        return self.turns.clock.seconds()

    async def answer(self, describe: Callable[[Host, int], Awaitable[dict[str, Any]]]) -> Answer:
        """
        @param describe: Describes one node, in its place.
        """
        found = []
        for index, host in enumerate(await nodes.chosen(self.hub, self.only, self.parameters, self.turns)):
            await self.turns.breathe()
            found.append(await describe(host, index))
        return self.told({"nodes": found})

    def told(self, found: dict[str, Any]) -> Answer:
        """
        @param found: What is answered.
        @return: It, with what every answer has.
        """
        return json_answer(
            {"api": nodes.API, **found, "versions": self.versions, "agents": nodes.agents(self.hub, self.now)}
        )


async def _nodes(scope: Scope) -> Answer:
    async def describe(host: Host, index: int) -> dict[str, Any]:
        return nodes.node(host, index, scope.alerts.summary(host))

    return await scope.answer(describe)


async def _instances(scope: Scope) -> Answer:
    async def describe(host: Host, index: int) -> dict[str, Any]:
        return nodes.instance(scope.hub, host, index, scope.now, await bounds(host), scope.alerts.summary(host))

    return await scope.answer(describe)


async def _path(scope: Scope) -> Answer:
    async def describe(host: Host, index: int) -> dict[str, Any]:
        return nodes.stream_path(host, index)

    return await scope.answer(describe)


async def _versions(scope: Scope) -> Answer:
    return scope.told({})


async def _info(scope: Scope) -> Answer:
    own = scope.hub.local.route.own
    capabilities = own["capabilities"] if own is not None else ()
    stats = await together.stats(scope.hub.databases())
    agent = nodes.agent(scope.hub, scope.settings, scope.now, stats, capabilities)
    return json_answer({"api": nodes.API, "agents": [agent], "versions": scope.versions})


async def _data(scope: Scope) -> Answer:
    started = scope.now
    question = grouped.Question.parse(scope.parameters)
    alerts = scope.alerts
    chosen = alert_filter(question.alerts, alerts)
    result = await grouped.ask(scope.everyone, question, int(started), scope.turns, chosen)
    headers, rows = formats.saved_as(scope.parameters.text("filename")), None
    if question.format != grouped.JSON2:
        if not result.groups:
            raise nothing()
        body, content_type = await formats.body_of(result, question.format, scope.turns)
        if "jsonwrap" not in question.options:
            return Answer(body, content_type, headers=headers)
        rows = formats.embedded(body, content_type)
    told = json2.Told(result, lambda host, chart: alerts.statuses(host, chart.id))
    answer = json2.writer(told, scope.hub, scope.now, started, scope.versions, rows)
    return evolve(await in_thread(scope.turns.clock, answer), headers=headers)


async def _weights(scope: Scope) -> Answer:
    asked = Choice.parse(scope.parameters, "scope_"), Choice.parse(scope.parameters)
    choosing = Choosing(*asked, False, alert_filter(scope.parameters.patterns("alerts"), scope.alerts))

    def series() -> Iterator[weights.Series | None]:
        for number, host in enumerate(scope.everyone):
            yield None
            for instance in choosing.of(number, host) if asked[0].node(host) else ():
                if instance is None:
                    yield None
                else:
                    yield from (weights.Series(host, instance.chart, dimension) for dimension in instance.shown)

    weighed = await weights.weigh(series(), scope.parameters, "anomaly-rate", scope.turns)
    return scope.told(await in_thread(scope.turns.clock, lambda: weights.by_node(weighed)))


async def _contexts(scope: Scope) -> Answer:
    choices = Choice.parse(scope.parameters, "scope_"), Choice.parse(scope.parameters)
    found = await catalog.contexts(scope.everyone, *choices, scope.parameters.words("options"), scope.turns)
    return scope.told({"contexts": found})


async def _alerts(scope: Scope) -> Answer:
    return scope.told(await standing(scope.everyone, scope.alerts, scope.parameters, scope.turns))


async def _search(scope: Scope) -> Answer:
    wanted = scope.parameters.text("q")
    if not wanted.strip():
        raise Refusal(400, "q: what shall be looked for?\n")
    return scope.told(
        await catalog.search(scope.everyone, Choice.parse(scope.parameters, "scope_"), wanted, scope.turns)
    )


async def _alert_transitions(scope: Scope) -> Answer:
    return json_answer(await transitions(scope.hub, scope.health, scope.only, scope.parameters, scope.turns))


async def _overview(scope: Scope) -> Answer:
    found = await fleet.overview(scope.hub, scope.alerts, scope.settings, scope.turns)
    return json_answer(found, readable=False)


async def _raised(scope: Scope) -> Answer:
    found = await fleet.raised(scope.hub, scope.alerts, scope.parameters, scope.turns)
    return json_answer(found, readable=False)


async def _transitions(scope: Scope) -> Answer:
    found = await fleet.transitions(scope.hub, scope.alerts, scope.parameters, scope.turns)
    return json_answer(found, readable=False)


async def _keys(scope: Scope) -> Answer:
    return json_answer(management.keys(scope.settings, scope.health, scope.ask.client, scope.ask.token))


Command = Callable[[Scope], Awaitable[Answer]]
"""Answers for many nodes."""
COMMANDS: dict[str, Command] = {
    "nodes": _nodes,
    "node_instances": _instances,
    "stream_path": _path,
    "data": _data,
    "weights": _weights,
    "contexts": _contexts,
    "q": _search,
    "alerts": _alerts,
    "alert_transitions": _alert_transitions,
    "versions": _versions,
    "info": _info,
}
"""By name."""
OF_ALL: dict[str, Command] = {
    "overview": _overview,
    "raised": _raised,
    "transitions": _transitions,
    "keys": _keys,
}
"""Those of version 3 about all nodes that agents do not have, by name."""
