"""
Walking to the destinations of a node that may not even run: what C{netstream
check} does once the files are right.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

from twisted.internet.defer import Deferred

from netstream.collect.facts import host_info, host_labels
from netstream.collect.service import CollectService
from netstream.collect.uptime import Uptime
from netstream.config.machine import known_guid
from netstream.config.reload import Configuration
from netstream.config.settings import Settings
from netstream.control.client import say
from netstream.control.lines import CannotDo, Request, socket_path
from netstream.db.none import NoneDB
from netstream.hub.hub import Hub
from netstream.model.updates import LabelsReplaced
from netstream.streaming.causes import Finding, Verdict
from netstream.streaming.checking import Running, Walk
from netstream.streaming.uplinks import Uplinks

Print = Callable[[str], None]


def walk(configuration: Configuration, reactor: Any, tell: Print, token: str = "") -> Deferred[bool]:
    """
    Walk to all destinations.

    @param tell: Is given each line.
    @param token: What opens the API of the parents; C{""} if there is none.
    @return: Fires with whether all can be streamed to.
    """
    return Deferred.fromCoroutine(_walk(configuration, reactor, tell, token))


async def _walk(configuration: Configuration, reactor: Any, tell: Print, token: str) -> bool:
    settings, good = configuration.settings, True
    guid = known_guid(settings.data_dir)
    running = _running(settings)
    info = host_info(guid, settings.node.hostname, settings.db.update_every, timezone=settings.node.timezone)
    hub = Hub(info, NoneDB())
    hub.local.apply(LabelsReplaced(host_labels(settings)))
    collecting = CollectService(hub, settings, reactor, plugins={"proc": (Uptime,)})
    collecting.startService()
    try:
        for destination in settings.stream.destinations:
            tell(f"\n{destination.text}")
            steps = Walk(
                destination,
                settings.stream,
                Uplinks(reactor, random.random).connector(settings.stream),
                reactor,
                info,
                running=running,
                host=hub.local if guid else None,
                chart="system.uptime",
                dimension="uptime",
                token=token,
            )
            async for finding in steps.findings():
                good = good and finding.verdict is not Verdict.BAD
                for line in _lines(finding, configuration):
                    tell(line)
    finally:
        collecting.stopService()
    return good


def _running(settings: Settings) -> Running | None:
    """
    @return: How the node with this data is doing, if it runs.
    """
    if not socket_path(settings.data_dir).exists():
        return None
    try:
        said = say(settings.data_dir, Request("nodes", {}), 10.0)
    except CannotDo as problem:
        # A socket that nobody serves is left behind by a node that was killed.
        return None if "no node runs" in str(problem) else Running(problem=str(problem))
    return next((Running(node["sent_to"]) for node in said["nodes"] if node["local"]), Running())


def _lines(finding: Finding, configuration: Configuration) -> Iterator[str]:
    yield f"  {finding.step:<14}{finding.verdict.value:<8}{_printable(finding.text)}"
    if finding.option:
        yield f"  {'':<14}{'change':<8}{configuration.place('stream', finding.option)}: {_printable(finding.advice)}"
    elif finding.advice:
        yield f"  {'':<14}{'do':<8}{_printable(finding.advice)}"


def _printable(text: str) -> str:
    """
    @return: Text of others, without what a terminal would obey.
    """
    return "".join(c if c.isprintable() else "?" for c in text)
