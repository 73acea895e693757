"""
The command C{netstream check}: is the configuration right, and does what is
collected reach the parents?
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from netstream.config.keys import mark
from netstream.config.layers import shown
from netstream.config.reload import Configuration
from netstream.config.settings import KeyRecord, Role, Settings, StreamSettings
from netstream.config.token import HELP, token_of
from netstream.tls.certificates import Pair, doubts
from netstream.tls.client import Client
from netstream.tls.server import Server


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
    check.add_argument("--token-file", type=Path, metavar="FILE", help=f"for the parents: {HELP}")
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
    warnings = [*settings.warnings]
    if settings.web.tls is not None:
        warnings += _doubts(Server(settings.web.tls).pair, settings.web.tls.certificate)
    onward = settings.access.onward(time.time())
    sending = (settings.stream, *(stream for _, stream in onward))
    if any(parent.tls for stream in sending for parent in stream.destinations):
        warnings += _doubts(Client(settings.stream.tls).pair, settings.stream.tls.certificate)
    for warning in warnings:
        print(f"warning: {warning}")
    for name, value in _summary(settings):
        print(f"{name + ':':<15}{value}")
    if chosen.files or not (settings.stream.enabled or onward):
        return 0
    token = token_of(chosen.token_file, os.environ)
    # What most commands do without takes a while to import.
    from netstream.checkwalk import walk

    return _run(lambda reactor: walk(configuration, reactor, partial(print, flush=True), token))


def _doubts(pair: Pair | None, path: Path | None) -> list[str]:
    """
    @return: What is odd about a certificate.
    """
    return [f"{path}: {doubt}" for doubt in doubts(pair.certificate, time.time())] if pair is not None else []


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


def _summary(settings: Settings) -> Iterator[tuple[str, str]]:
    db = settings.db
    yield "role", settings.role.value
    yield "hostname", settings.node.hostname
    yield "read from", ", ".join(map(str, settings.sources))
    yield "data in", str(settings.data_dir)
    yield "database", f"{db.mode.value}, one point every {db.update_every} s"
    yield "listens on", " ".join(listener.text for listener in settings.web.listeners) or "nothing"
    dashboard = settings.web.allow.get("dashboard")
    near = (
        "everyone who signs in"
        if settings.web.access_file
        else "this machine, private networks and link-local addresses"
    )
    yield "dashboard for", dashboard.text if dashboard else near
    if settings.web.access_file is not None:
        yield "signed in by", f"{settings.web.access_file}, for {' '.join(sorted(settings.web.protected)) or 'nothing'}"
    yield "TLS", f"with {settings.web.tls.certificate}" if settings.web.tls is not None else "no"
    yield "streams to", _sending(settings.stream)
    for section, stream in settings.access.onward(time.time()):
        yield "sends on to", f"{_sending(stream)}, of [{shown(section)}]"
    receives = settings.role in (Role.PARENT, Role.PROXY)
    none = "none yet; the first start makes one" if receives else "none, so no host can stream here"
    yield "API keys", " ".join(map(_key, settings.access.records)) or none


def _key(record: KeyRecord) -> str:
    state = record.state(time.time())
    return record.mark if state == "valid" else f"{record.mark} ({state})"


def _sending(stream: StreamSettings) -> str:
    if not stream.enabled:
        return "nobody"
    return f"{' '.join(parent.text for parent in stream.destinations)} with API key {mark(stream.api_key)}"
