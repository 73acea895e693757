"""
From files and command line to L{Settings}.
"""

from __future__ import annotations

import socket
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from attrs import define, field, frozen

from netstream.config.build import (
    access,
    cgroup_settings,
    db_settings,
    health_settings,
    node_settings,
    stream_settings,
    web_settings,
)
from netstream.config.effective import effective
from netstream.config.exporting import PREFIX, SECRETS, exporting, exporting_override
from netstream.config.feeding import GENERAL, feed_settings
from netstream.config.layers import Given, Values, Warnings, is_uuid, node_given, override, stream_given
from netstream.config.node_options import HOST_LABELS, NODE_OPTIONS, PLUGIN_PROC, PLUGINS
from netstream.config.places import (
    EXPORTING_CONF,
    OWN_KEYS,
    STOCK,
    STREAM_CONF,
    config_directory,
    data_directory,
    node_conf,
)
from netstream.config.reader import Entry, read
from netstream.config.settings import Role, Settings
from netstream.config.stream_options import STREAM, STREAM_OPTIONS
from netstream.config.values import boolean, boolean_doubt


@define
class _Files:
    """
    What was read so far.
    """

    warnings: Warnings = field(factory=Warnings)
    sources: list[Path] = field(factory=list)

    def entries(self, path: Path, label: str = "") -> Iterator[Entry]:
        document = read(path, label)
        self.sources.append(path)
        for line in document.warnings:
            self.warnings.line(line)
        entries = list(document.entries())
        for what, secret in (("API keys", _holds_key), ("a password", _holds_password)):
            if any(map(secret, entries)) and stat.S_IMODE(path.stat().st_mode) & 0o044:
                self.warnings.line(f"{path}: holds {what}, but others can read it; chmod 600 it")
                break
        yield from entries


def _holds_key(entry: Entry) -> bool:
    return is_uuid(entry.section) or (entry.section == STREAM and entry.name == "api key" and bool(entry.value))


def _holds_password(entry: Entry) -> bool:
    if entry.name in SECRETS:
        return bool(entry.value)
    return entry.section == STREAM and entry.name == "proxy" and "@" in entry.value


@frozen
class Written:
    """
    What the files and the command line of a node say, the layers put over each
    other.

    @ivar node: Of C{netstream.conf}.
    @ivar stream: Of C{stream.conf}.
    @ivar targets: Of C{exporting.conf}.
    @ivar hostname: Of the command line.
    """

    role: Role
    config_dir: Path
    data_dir: Path
    node: Given
    stream: Given
    targets: tuple[Entry, ...] = field(repr=False)
    hostname: str | None
    sources: tuple[Path, ...]
    warnings: tuple[str, ...]


def load(
    role: Role | str,
    config_dir: Path | str | None = None,
    data_dir: Path | str | None = None,
    overrides: Sequence[str] = (),
    hostname: str | None = None,
    destination: str | None = None,
    api_key: str | None = None,
) -> Settings:
    """
    Read the configuration of a node.  Nothing is written.

    @param config_dir: Where C{netstream.conf} (else C{netdata.conf}) and
        C{stream.conf} are; L{None} is C{/etc/netstream} if it is there, else
        C{~/.config/netstream}.
    @param data_dir: L{None} is C{/var/lib/netstream} if it is writable, else
        C{~/.local/share/netstream}.
    @param overrides: C{SECTION/OPTION=VALUE} each, over the files; C{SECTION}
        may begin with C{stream.conf:} or C{exporting.conf:}.  The last one of an option wins.
    @param hostname: Over C{[global] hostname}.
    @param destination: Over C{[stream] destination}; also enables C{[stream]}.
    @param api_key: Over C{[stream] api key}.
    @raise ConfigError: Something is wrong that must not be guessed.
    """
    return settings_of(written(role, config_dir, data_dir, overrides, hostname, destination, api_key))


def written(
    role: Role | str,
    config_dir: Path | str | None = None,
    data_dir: Path | str | None = None,
    overrides: Sequence[str] = (),
    hostname: str | None = None,
    destination: str | None = None,
    api_key: str | None = None,
) -> Written:
    """
    The first half of L{load}: what is said, without what it means.

    @raise ConfigError: A file cannot be read.
    """
    role = Role(role)
    chosen = config_dir
    config_dir, data_dir = config_directory(config_dir), data_directory(data_dir)
    files = _Files()
    warnings = files.warnings
    if chosen is not None and not config_dir.is_dir():
        warnings.line(f"{config_dir}: there is no such directory; the defaults apply")
    node_path = node_conf(config_dir)
    node = node_given(files.entries(node_path), warnings) if node_path else Given()
    stream_path = config_dir / STREAM_CONF
    stream = stream_given(files.entries(stream_path if stream_path.exists() else STOCK / STREAM_CONF), warnings)
    own_keys = data_dir / OWN_KEYS
    if own_keys.exists():
        own = (entry for entry in files.entries(own_keys, str(own_keys)) if is_uuid(entry.section))
        stream = stream.over(stream_given(own, warnings))

    line = [Entry(STREAM, "enabled", "yes", "--destination")] if destination else []
    if destination is not None:
        line.append(Entry(STREAM, "destination", destination, "--destination"))
    if api_key is not None:
        line.append(Entry(STREAM, "api key", api_key, "--api-key"))
    stream = stream_given(line, warnings).over(stream)
    export_path = config_dir / EXPORTING_CONF
    targets = [
        *(files.entries(export_path) if export_path.exists() else ()),
        *(exporting_override(text) for text in overrides if text.startswith(PREFIX)),
    ]
    for for_stream, entry in map(override, (text for text in overrides if not text.startswith(PREFIX))):
        if for_stream:
            stream = stream_given([entry], warnings).over(stream)
        else:
            node = node_given([entry], warnings).over(node)
    return Written(
        role,
        config_dir,
        data_dir,
        node,
        stream,
        tuple(targets),
        hostname,
        tuple(files.sources),
        tuple(warnings.lines),
    )


def settings_of(said: Written) -> Settings:
    """
    The second half of L{load}: what it means.

    @raise ConfigError: Something is wrong that must not be guessed.
    """
    warnings = Warnings()
    for text in said.warnings:
        warnings.line(text)
    node, config_dir = said.node, said.config_dir
    targets = exporting(said.targets, warnings)
    node_values, stream_values = Values(node, warnings), Values(said.stream, warnings)
    node_values.check(NODE_OPTIONS)
    stream_values.check(STREAM_OPTIONS)
    sending = stream_settings(stream_values, said.role, config_dir)
    db = db_settings(node_values)
    admission = access(stream_values, node_values, db, sending, str(config_dir / STREAM_CONF))
    name = node_settings(node_values, said.hostname or socket.gethostname(), fixed=bool(said.hostname))
    web = web_settings(node_values, config_dir)
    plugins = _switches(node, PLUGINS, warnings)
    feeds = feed_settings(node_values, config_dir, plugins, db.update_every)
    return Settings(
        role=said.role,
        config_dir=config_dir,
        data_dir=said.data_dir,
        node=name,
        db=db,
        web=web,
        stream=sending,
        health=health_settings(node_values),
        host_labels={label: entry.value for label, entry in node.free.get(HOST_LABELS, {}).items()},
        plugins=plugins,
        cgroups=cgroup_settings(node_values),
        modules=_switches(node, PLUGIN_PROC, warnings),
        sources=said.sources,
        warnings=tuple(warnings.lines),
        access=admission,
        exporting=targets,
        effective=effective(node, said.stream),
        feeds=feeds,
    )


def _switches(node: Given, section: str, warnings: Warnings) -> dict[str, bool]:
    switches = {}
    for name, entry in node.free.get(section, {}).items():
        if section == PLUGINS and name in GENERAL:
            continue
        doubt = boolean_doubt(entry.value)
        if doubt:
            warnings.add(entry, doubt)
        switches[name] = boolean(entry.value)
    return switches
