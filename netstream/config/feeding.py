"""
From the values of options to what feeds this node besides its own collectors.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import evolve

from netstream.config.addresses import entries, statsd_socket
from netstream.config.feeds import (
    FeedSettings,
    PluginOptions,
    PluginSettings,
    ScrapeTarget,
    Socket,
    StatsdSettings,
    WriteSettings,
)
from netstream.config.layers import Values, Warnings, refusal
from netstream.config.node_options import DIRECTORIES, NODE_OPTIONS, PLUGIN, PLUGIN_PROC, PLUGINS, PROMETHEUS
from netstream.config.options import BOOLEAN, DURATION, NUMBER, PATH, PATTERN, PERIOD, TEXT, TIMEOUT, URL, Kind
from netstream.config.reader import Entry
from netstream.config.remote_write_options import REMOTE_WRITE_OPTIONS
from netstream.config.statsd_files import synthetic
from netstream.config.statsd_options import KINDS, STATSD, STATSD_OPTIONS, gaps

CUSTOM = "custom-plugins.d"
"""Directory of plugins, below that of the configuration."""

_OPTIONS = {(option.section, option.name): option for option in NODE_OPTIONS}
_NEW = "enable running new plugins"
_LOOK = "check for new plugins every"

GENERAL: Mapping[str, Kind] = {_NEW: BOOLEAN, _LOOK: DURATION}
"""What C{[plugins]} says besides which plugins run."""


def _read(entry: Entry, kind: Kind, warnings: Warnings) -> Any:
    try:
        value = kind.read(entry.value)
    except ValueError as problem:
        raise refusal(entry, str(problem)) from problem
    doubt = kind.doubt(entry.value)
    if doubt:
        warnings.add(entry, doubt)
    return value


def _words(entry: Entry) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(entry.value))
    except ValueError as problem:
        raise refusal(entry, f"{problem}; quotes come in pairs, as in 'first \"second word\"'") from problem


def _options(entries: Mapping[str, Entry], warnings: Warnings) -> PluginOptions:
    """
    @raise ConfigError: An option of the section is not of its language.
    """
    every = 0
    arguments: tuple[str, ...] = ()
    for name, entry in entries.items():
        if name == "update every":
            every = _read(entry, PERIOD, warnings)
        elif name == "command options":
            arguments = _words(entry)
        else:
            warnings.add(entry, "not known, ignored; known are 'update every' and 'command options'")
    return PluginOptions(every, arguments)


def plugin_settings(values: Values, directory: Path) -> PluginSettings:
    """
    @param values: Of C{netstream.conf}.
    @param directory: Of the configuration.
    @raise ConfigError: An option is not of its language.
    """
    option = _OPTIONS[DIRECTORIES, "plugins"]
    entry = values.entry(option)
    directories: tuple[Path, ...] = ()
    if entry is None:
        if (directory / CUSTOM).is_dir():
            directories = (directory / CUSTOM,)
    else:
        directories = tuple(directory / word for word in _words(entry))
        for each in directories:
            if not each.is_dir():
                values.warnings.add(entry, f"{each} is no directory; its plugins run when there is one")
    stock = values.get(_OPTIONS[DIRECTORIES, "stock config"])
    general = {
        name: _read(entry, GENERAL[name], values.warnings)
        for name, entry in values.given.free.get(PLUGINS, {}).items()
        if name in GENERAL
    }
    options = {
        section.removeprefix(PLUGIN): _options(entries, values.warnings)
        for section, entries in values.given.free.items()
        if section.startswith(PLUGIN) and section != PLUGIN_PROC
    }
    return PluginSettings(
        directories,
        directory / stock if stock else None,
        general.get(_NEW, True),
        general.get(_LOOK, 60),
        options,
    )


def statsd_settings(
    values: Values, directory: Path, switches: Mapping[str, bool], update_every: int
) -> StatsdSettings | None:
    """
    @param values: Of C{netstream.conf}.
    @param directory: Of the configuration.
    @param switches: What C{[plugins]} says.
    @param update_every: Seconds, of the node.
    @return: L{None} if there shall be none.
    @raise ConfigError: An option is not of its language.
    """
    found = {option.name: values.get(option) for option in STATSD_OPTIONS}
    if not switches.get(STATSD, found["enabled"]):
        return None
    stock = values.get(_OPTIONS[DIRECTORIES, "stock config"])
    directories = (directory, directory / stock) if stock else (directory,)
    return StatsdSettings(
        sockets=_sockets(values, found["bind to"], found["default port"]),
        backlog=found["listen backlog"],
        # What is collected cannot be faster than what keeps its samples.
        update_every=max(found["update every (flushInterval)"] or 0, update_every),
        gaps=frozenset(kind for kind in KINDS if found[gaps(kind)]),
        apps=synthetic(directories, values.warnings),
        **{option.field: found[option.name] for option in STATSD_OPTIONS if option.field},
    )


def _sockets(values: Values, text: str, port: int) -> tuple[Socket, ...]:
    option = _OPTIONS[STATSD, "bind to"]
    try:
        return tuple(statsd_socket(entry, port) for entry in entries(text))
    except ValueError as problem:
        entry = values.entry(option)
        assert entry is not None  # the default is right
        raise refusal(entry, str(problem)) from problem


_TARGET: Mapping[str, tuple[str, Kind]] = {
    "url": ("url", URL),
    "update every": ("update_every", PERIOD),
    "timeout": ("timeout", TIMEOUT),
    "metrics matching": ("metrics", PATTERN),
    "labels matching": ("labels", PATTERN),
    "max series": ("most_series", NUMBER),
    "username": ("username", TEXT),
    "password": ("password", TEXT),
    "token": ("token", TEXT),
    "CAfile": ("ca_file", PATH),
}
"""Options of C{[prometheus:NAME]}, with the attribute that each is."""

_ADD, _WANT, _MATCHING = "add label ", "label ", " matching"


def _target(name: str, entries: Mapping[str, Entry], directory: Path, warnings: Warnings) -> ScrapeTarget:
    """
    @raise ConfigError: An option is not of its language, or there is no URL.
    """
    fields: dict[str, Any] = {}
    added: dict[str, str] = {}
    wanted: dict[str, Any] = {}
    for option, entry in entries.items():
        if option in _TARGET:
            field, kind = _TARGET[option]
            fields[field] = _read(entry, kind, warnings)
        elif option.startswith(_ADD) and option.removeprefix(_ADD).strip():
            added[option.removeprefix(_ADD).strip()] = entry.value
        elif option.startswith(_WANT) and option.endswith(_MATCHING):
            wanted[option.removeprefix(_WANT).removesuffix(_MATCHING).strip()] = _read(entry, PATTERN, warnings)
        else:
            known = ", ".join(map(repr, (*_TARGET, "add label NAME", "label NAME matching")))
            warnings.add(entry, f"not known, ignored; known are {known}")
    first = next(iter(entries.values()))
    if not fields.get("url"):
        raise refusal(first, "the section has no 'url = http://HOST:PORT/metrics'")
    secret = next((entries[each] for each in ("password", "token") if each in entries and entries[each].value), None)
    if secret is not None and not fields["url"].startswith("https:"):
        warnings.add(secret, "goes over the network in plain text; a url with https:// encrypts it")
    if fields.get("ca_file"):
        fields["ca_file"] = directory / fields["ca_file"]
    return ScrapeTarget(name=name, wanted=wanted, added=added, **fields)


def scrape_targets(values: Values, directory: Path, update_every: int) -> tuple[ScrapeTarget, ...]:
    """
    @param values: Of C{netstream.conf}.
    @param directory: Of the configuration.
    @param update_every: Seconds, of the node.
    @raise ConfigError: An option is not of its language.
    """
    targets = (
        _target(section.removeprefix(PROMETHEUS), entries, directory, values.warnings)
        for section, entries in values.given.free.items()
        if section.startswith(PROMETHEUS)
    )
    # What is collected cannot be faster than what keeps its samples.
    return tuple(evolve(target, update_every=max(target.update_every, update_every)) for target in targets)


def write_settings(values: Values) -> WriteSettings | None:
    """
    @param values: Of C{netstream.conf}.
    @return: L{None} if nobody may write.
    @raise ConfigError: An option is not of its language.
    """
    found = {option.name: values.get(option) for option in REMOTE_WRITE_OPTIONS}
    if not found["enabled"]:
        return None
    return WriteSettings(**{option.field: found[option.name] for option in REMOTE_WRITE_OPTIONS if option.field})


def feed_settings(values: Values, directory: Path, switches: Mapping[str, bool], update_every: int) -> FeedSettings:
    """
    @param values: Of C{netstream.conf}.
    @param directory: Of the configuration.
    @param switches: What C{[plugins]} says.
    @param update_every: Seconds, of the node.
    @raise ConfigError: An option is not of its language.
    """
    return FeedSettings(
        plugin_settings(values, directory),
        statsd_settings(values, directory, switches, update_every),
        scrape_targets(values, directory, update_every),
        write_settings(values),
    )
