"""
From the values of options to what feeds this node besides its own collectors.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from netstream.config.feeds import FeedSettings, PluginOptions, PluginSettings
from netstream.config.layers import Values, Warnings, refusal
from netstream.config.node_options import DIRECTORIES, NODE_OPTIONS, PLUGIN, PLUGIN_PROC, PLUGINS
from netstream.config.options import BOOLEAN, DURATION, PERIOD, Kind
from netstream.config.reader import Entry

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


def feed_settings(values: Values, directory: Path) -> FeedSettings:
    """
    @param values: Of C{netstream.conf}.
    @param directory: Of the configuration.
    @raise ConfigError: An option is not of its language.
    """
    return FeedSettings(plugin_settings(values, directory))
