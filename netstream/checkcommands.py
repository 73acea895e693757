"""
The command C{netstream check}: is the configuration right, and does what is
collected reach the parents?
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from netstream.collect.facts import host_info, host_labels
from netstream.collect.service import CollectService
from netstream.collect.uptime import Uptime
from netstream.config.keys import mark
from netstream.config.machine import known_guid
from netstream.config.reload import Configuration
from netstream.config.settings import Role, Settings, StreamSettings
from netstream.control.client import say
from netstream.control.lines import CannotDo, Request, socket_path
from netstream.db.none import NoneDB
from netstream.hub.hub import Hub
from netstream.model.updates import LabelsReplaced
from netstream.outgoing import Outgoing
from netstream.streaming.causes import Finding, Verdict
from netstream.streaming.checking import Running, Walk
from netstream.tls.server import Server

Print = Callable[[str], None]


def add_check(commands: Any) -> None:
    """
    @param commands: What C{add_subparsers} gave.
    """
    check = commands.add_parser(
        "check",
        help="say what is wrong with the configuration, and on the way to the parents",
        description="Read the configuration as 'twistd netstream' with the same options would, print what is odd in it "
        "and what it amounts to. Then walk the way to each destination: name, connection, proxy, TLS, clock, API key, "
        "capabilities, first sample, and what the parent says; each failure with its cause and the line to change. A "
        "node that runs is not disturbed. The exit status is 1 if a node would not start with the configuration, or if "
        "a destination cannot be streamed to.",
    )
    check.add_argument("--role", choices=[role.value for role in Role], default=Role.STANDALONE.value)
    check.add_argument("--config-dir", type=Path, metavar="DIR")
    check.add_argument("--data-dir", type=Path, metavar="DIR")
    check.add_argument("--hostname", metavar="NAME")
    check.add_argument("--destination", metavar="HOST[:PORT]")
    check.add_argument("--api-key", metavar="KEY")
    check.add_argument("--set", action="append", default=[], metavar="SECTION/OPTION=VALUE", dest="overrides")
    check.add_argument("--files", action="store_true", help="only read the files, connect to nobody")
    check.set_defaults(run=_check)


def _check(chosen: argparse.Namespace) -> int:
    configuration = Configuration(
        chosen.role,
        config_dir=chosen.config_dir,
        data_dir=chosen.data_dir,
        overrides=chosen.overrides,
        hostname=chosen.hostname,
        destination=chosen.destination,
        api_key=chosen.api_key,
    )
    settings = configuration.settings
    if settings.web.tls is not None:
        Server(settings.web.tls)
    if any(parent.tls for parent in settings.stream.destinations):
        Outgoing(None).trust(settings.stream.tls)
    for warning in settings.warnings:
        print(f"warning: {warning}")
    for name, value in _summary(settings):
        print(f"{name + ':':<15}{value}")
    if chosen.files or not settings.stream.enabled:
        return 0
    return _run(lambda reactor: walk(configuration, reactor, partial(print, flush=True)))


def _run(checking: Callable[[Any], Deferred[bool]]) -> int:
    """
    Let the reactor run until it is checked.

    @return: The exit status.
    """
    from twisted.internet import reactor

    results: list[bool | Failure] = []

    def done(result: bool | Failure) -> None:
        results.append(result)
        reactor.stop()

    reactor.callWhenRunning(lambda: checking(reactor).addBoth(done))
    reactor.run()
    if not results:
        return 1  # interrupted
    if isinstance(results[0], Failure):
        results[0].raiseException()
    return 0 if results[0] is True else 1


def walk(configuration: Configuration, reactor: Any, tell: Print) -> Deferred[bool]:
    """
    Walk to all destinations.

    @param tell: Is given each line.
    @return: Fires with whether all can be streamed to.
    """
    return Deferred.fromCoroutine(_walk(configuration, reactor, tell))


async def _walk(configuration: Configuration, reactor: Any, tell: Print) -> bool:
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
                Outgoing(reactor).connector(settings.stream),
                reactor,
                info,
                running=running,
                host=hub.local if guid else None,
                chart="system.uptime",
                dimension="uptime",
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
        return None if "no node runs" in str(problem) else Running()
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


def _summary(settings: Settings) -> Iterator[tuple[str, str]]:
    db = settings.db
    yield "role", settings.role.value
    yield "hostname", settings.node.hostname
    yield "read from", ", ".join(map(str, settings.sources))
    yield "data in", str(settings.data_dir)
    yield "database", f"{db.mode.value}, one point every {db.update_every} s"
    yield "listens on", " ".join(listener.text for listener in settings.web.listeners) or "nothing"
    dashboard = settings.web.allow.get("dashboard")
    yield "dashboard for", dashboard.text if dashboard else "this machine, private networks and link-local addresses"
    yield "TLS", f"with {settings.web.tls.certificate}" if settings.web.tls is not None else "no"
    yield "streams to", _sending(settings.stream)
    receives = settings.role in (Role.PARENT, Role.PROXY)
    none = "none yet; the first start makes one" if receives else "none, so no host can stream here"
    yield "API keys", " ".join(settings.keys) or none


def _sending(stream: StreamSettings) -> str:
    if not stream.enabled:
        return "nobody"
    return f"{' '.join(parent.text for parent in stream.destinations)} with API key {mark(stream.api_key)}"
