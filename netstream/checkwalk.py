"""
Walking to the destinations of a node that may not even run: what C{netstream
check} does once the files are right.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from attrs import field, frozen
from twisted.internet.defer import Deferred

from netstream.collect.facts import host_info, host_labels
from netstream.collect.service import CollectService
from netstream.collect.uptime import Uptime
from netstream.config.layers import shown
from netstream.config.machine import known_guid
from netstream.config.reload import Configuration
from netstream.config.settings import Destination, Settings, StreamSettings
from netstream.config.stream_options import STREAM
from netstream.control.client import say
from netstream.control.lines import CannotDo, Request, socket_path
from netstream.db.none import NoneDB
from netstream.hub.hub import Hub
from netstream.model.updates import LabelsReplaced
from netstream.streaming.causes import SAMPLE, Finding, Verdict
from netstream.streaming.checking import Running, Walk
from netstream.streaming.uplinks import Uplinks

Print = Callable[[str], None]

_MOST_NAMED = 10
"""Sections that are named where several name the same way."""


@frozen
class Way:
    """
    One way to walk.

    @ivar settings: By which it is gone.
    @ivar sections: Of C{stream.conf}, which name it: C{stream}, keys and
        machine GUIDs.
    """

    destination: Destination
    settings: StreamSettings = field(repr=False)
    sections: list[str] = field(repr=False)

    @property
    def text(self) -> str:
        """
        What it is called in the report.
        """
        if self.sections == [STREAM]:
            return self.destination.text
        return f"{self.destination.text}, of {_named(self.sections)}"


def _named(sections: Sequence[str]) -> str:
    some = [f"[{shown(section)}]" for section in sections[:_MOST_NAMED]]
    more = len(sections) - len(some)
    return " ".join(some) + (f" and {more} more" if more else "")


def walk(configuration: Configuration, reactor: Any, tell: Print, token: str = "") -> Deferred[bool]:
    """
    Walk to all destinations, of C{[stream]} and of the sections of keys and
    machine GUIDs.

    @param tell: Is given each line.
    @param token: What opens the API of the parents; C{""} if there is none.
    @return: Fires with whether all can be streamed to.
    """
    return Deferred.fromCoroutine(_walk(configuration, reactor, tell, token))


async def _walk(configuration: Configuration, reactor: Any, tell: Print, token: str) -> bool:
    settings, good = configuration.settings, True
    guid = known_guid(settings.data_dir)
    running, others = _running(settings)
    info = host_info(guid, settings.node.hostname, settings.db.update_every, timezone=settings.node.timezone)
    hub = Hub(info, NoneDB())
    hub.local.apply(LabelsReplaced(host_labels(settings)))
    collecting = CollectService(hub, settings, reactor, plugins={"proc": (Uptime,)})
    collecting.startService()
    try:
        for way in ways(settings, reactor.seconds()):
            tell(f"\n{way.text}")
            own = STREAM in way.sections
            steps = Walk(
                way.destination,
                way.settings,
                Uplinks(reactor, random.random).connector(way.settings),
                reactor,
                info,
                running=running if own else None,
                host=hub.local if guid and own else None,
                chart="system.uptime",
                dimension="uptime",
                token=token,
                instead=None if own else _of_others(others[way.destination.text]),
            )
            async for finding in steps.findings():
                good = good and finding.verdict is not Verdict.BAD
                for line in _lines(finding, configuration, way):
                    tell(line)
    finally:
        collecting.stopService()
    return good


def ways(settings: Settings, now: float) -> list[Way]:
    """
    @param now: UTC seconds.
    @return: All that there are to walk, each once, those of C{[stream]} first.
    """
    sending: list[tuple[str, StreamSettings]] = [(STREAM, settings.stream)] if settings.stream.enabled else []
    found: dict[tuple[Destination, str], Way] = {}
    for section, stream in (*sending, *settings.access.onward(now)):
        for destination in stream.destinations:
            way = found.setdefault((destination, stream.api_key.lower()), Way(destination, stream, []))
            way.sections.append(section)
    return list(found.values())


def _of_others(count: int) -> Finding:
    """
    @param count: Of how many other nodes the samples go there.
    """
    if count:
        nodes = "one node" if count == 1 else f"{count} nodes"
        return Finding(SAMPLE, Verdict.GOOD, f"the samples of {nodes} go there from the node that runs here")
    return Finding(SAMPLE, Verdict.UNKNOWN, "not tried, since only samples of other nodes go there")


def _running(settings: Settings) -> tuple[Running | None, Mapping[str, int]]:
    """
    @return: How the node with this data is doing, if it runs; and how many of
        those that it receives it sends on to each destination.
    """
    others: Counter[str] = Counter()
    if not socket_path(settings.data_dir).exists():
        return None, others
    try:
        said = say(settings.data_dir, Request("nodes", {}), 10.0)
    except CannotDo as problem:
        # A socket that nobody serves is left behind by a node that was killed.
        return (None if "no node runs" in str(problem) else Running(problem=str(problem))), others
    others.update(node["sent_to"] for node in said["nodes"] if node["sent_to"] and not node["local"])
    return next((Running(node["sent_to"]) for node in said["nodes"] if node["local"]), Running()), others


def _lines(finding: Finding, configuration: Configuration, way: Way) -> Iterator[str]:
    yield f"  {finding.step:<14}{finding.verdict.value:<8}{_printable(finding.text)}"
    if finding.option:
        yield f"  {'':<14}{'change':<8}{_place(configuration, way, finding.option)}: {_printable(finding.advice)}"
    elif finding.advice:
        yield f"  {'':<14}{'do':<8}{_printable(finding.advice)}"


def _place(configuration: Configuration, way: Way, option: str) -> str:
    """
    @return: Where an option stands by which a way is gone.
    """
    section, proxied = way.sections[0], f"proxy {option}"
    if section != STREAM and configuration.says(section, proxied):
        return configuration.place(section, proxied)
    return configuration.place(STREAM, option)


def _printable(text: str) -> str:
    """
    @return: Text of others, without what a terminal would obey.
    """
    return "".join(c if c.isprintable() else "?" for c in text)
