"""
The commands of versions 2 and 3 of the API, which tell of many nodes at once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from attrs import frozen
from twisted.internet.interfaces import IReactorTime

from netstream.config.settings import Settings
from netstream.db import together
from netstream.hub.hub import Host, Hub
from netstream.web import nodes
from netstream.web.alerts import Alerts
from netstream.web.answer import Answer, breathe, json_answer
from netstream.web.node import bounds
from netstream.web.target import Parameters

PAUSE_EVERY = 50
"""Nodes that are described before other work gets its turn."""


@frozen
class Scope:
    """
    What is asked, and of whom.

    @ivar hub: All nodes.
    @ivar alerts: Tells of alerts.
    @ivar only: The one node that the path of the request names, if any.
    """

    hub: Hub
    settings: Settings
    clock: IReactorTime
    parameters: Parameters
    alerts: Alerts
    only: Host | None = None

    @property
    def hosts(self) -> list[Host]:
        """
        The nodes that are meant.
        """
        if self.only is not None:
            return [self.only]
        return nodes.chosen(self.hub, self.parameters.text("scope_nodes", "nodes"))

    @property
    def now(self) -> float:
        """
        UTC seconds.
        """
        return self.clock.seconds()

    async def answer(self, describe: Callable[[Host, int], Awaitable[dict[str, Any]]]) -> Answer:
        """
        @param describe: Describes one node, in its place.
        """
        found = []
        for index, host in enumerate(self.hosts):
            if index % PAUSE_EVERY == PAUSE_EVERY - 1:
                await breathe(self.clock)
            found.append(await describe(host, index))
        return json_answer(
            {
                "api": nodes.API,
                "nodes": found,
                "versions": nodes.versions(self.hub),
                "agents": nodes.agents(self.hub, self.now),
            }
        )


async def _nodes(scope: Scope) -> Answer:
    async def describe(host: Host, index: int) -> dict[str, Any]:
        return nodes.node(host, index, scope.alerts.summary(host))

    return await scope.answer(describe)


async def _instances(scope: Scope) -> Answer:
    async def describe(host: Host, index: int) -> dict[str, Any]:
        return nodes.instance(host, index, scope.now, await bounds(host), scope.alerts.summary(host))

    return await scope.answer(describe)


async def _path(scope: Scope) -> Answer:
    async def describe(host: Host, index: int) -> dict[str, Any]:
        return nodes.stream_path(host, index)

    return await scope.answer(describe)


async def _versions(scope: Scope) -> Answer:
    answer = {
        "api": nodes.API,
        "agents": nodes.agents(scope.hub, scope.now),
        "versions": nodes.versions(scope.hub),
    }
    return json_answer(answer)


async def _info(scope: Scope) -> Answer:
    own = scope.hub.local.route.own
    capabilities = own["capabilities"] if own is not None else ()
    stats = await together.stats(scope.hub.databases())
    agent = nodes.agent(scope.hub, scope.settings, scope.now, stats, capabilities)
    return json_answer({"api": nodes.API, "agents": [agent], "versions": nodes.versions(scope.hub)})


COMMANDS: dict[str, Callable[[Scope], Awaitable[Answer]]] = {
    "nodes": _nodes,
    "node_instances": _instances,
    "stream_path": _path,
    "versions": _versions,
    "info": _info,
}
"""By name."""
