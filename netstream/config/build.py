"""
From the values of options to one frozen class a section.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from attrs import evolve

from netstream.config.access import Access, Section
from netstream.config.addresses import destination, entries, listener
from netstream.config.cgroup_options import CGROUP_OPTIONS, PATHS, PLUGIN_CGROUPS
from netstream.config.cgroups import CgroupSettings
from netstream.config.credentials import read_credentials
from netstream.config.errors import ConfigError
from netstream.config.layers import STREAM_SPELLINGS, Values, refusal
from netstream.config.node_options import (
    ALLOW,
    DB,
    DB_OPTIONS,
    GLOBAL_OPTIONS,
    HEALTH,
    HEALTH_OPTIONS,
    NODE_OPTIONS,
    WEB,
    WEB_OPTIONS,
)
from netstream.config.options import Option
from netstream.config.settings import (
    DBSettings,
    Destination,
    HealthSettings,
    KeySettings,
    Listener,
    NodeSettings,
    Quota,
    Role,
    StreamSettings,
    WebSettings,
)
from netstream.config.stream_options import KEY_OPTIONS, STREAM, STREAM_OPTIONS
from netstream.config.transport import check_listeners, check_proxied, client_tls, mixed, path_of, server_tls
from netstream.config.values import duration

_NODE = {(option.section, option.name): option for option in NODE_OPTIONS}
_KEY = {option.name: option for option in KEY_OPTIONS}
_FEWEST = 5
"""Fewest entries that a database in memory keeps."""
_FASTEST = {
    "brotli compression level": 1,
    "zstd compression level": 1,
    "lz4 compression acceleration": 9,
    "gzip compression level": 1,
}
"""How those compress who forward many hosts, unless told otherwise."""


def _stream(name: str) -> Option:
    return STREAM_SPELLINGS[STREAM, name]


def _fields(values: Values, options: Iterable[Option]) -> dict[str, Any]:
    """
    @return: The values of those options that are one attribute each, by
        attribute, where there is a value.
    """
    found = {option.field: values.get(option) for option in options if option.field}
    return {name: value for name, value in found.items() if value is not None}


def node_settings(values: Values, hostname: str, *, fixed: bool) -> NodeSettings:
    """
    @param hostname: What it is called.
    @param fixed: Whether the files have no say in that.
    """
    fields = _fields(values, GLOBAL_OPTIONS)
    if fixed or not fields.get("hostname"):
        fields["hostname"] = hostname
    return NodeSettings(**fields)


def db_settings(values: Values) -> DBSettings:
    """
    Section C{[db]}.
    """
    fields = _fields(values, DB_OPTIONS)
    tiers = range(fields["storage_tiers"])
    base: int = fields["update_every"]
    ephemeral = values.entry(_NODE[DB, "cleanup ephemeral hosts after"])
    if 0 < fields["cleanup_ephemeral"] < fields["cleanup_hosts"] and ephemeral is not None:
        values.warnings.add(ephemeral, f"shorter than for other hosts, so {fields['cleanup_hosts']} s are used")
        fields["cleanup_ephemeral"] = fields["cleanup_hosts"]
    return DBSettings(
        **fields,
        retention=_entries(values, _NODE[DB, "retention"], base) * base,
        tier_retention=tuple(values.get(_NODE[DB, f"dbengine tier {tier} retention time"]) for tier in tiers),
        tier_size=tuple(values.get(_NODE[DB, f"dbengine tier {tier} retention size"]) for tier in tiers),
    )


def _entries(values: Values, option: Option, update_every: int, section: str = "") -> int:
    """
    @return: How many entries a database in memory keeps: a number is that
        already, a duration is divided.
    """
    value = values.get(option, section)
    number = value if isinstance(value, int) else round(duration(value) / update_every)
    entry = values.entry(option, section)
    forever = section and not number and isinstance(value, str)
    if number < _FEWEST and entry is not None and not forever:
        values.warnings.add(entry, f"{number} entries are too few, {_FEWEST} are used")
    return max(number, _FEWEST)


def web_settings(values: Values, directory: Path) -> WebSettings:
    """
    Section C{[web]}.

    @param directory: Of the configuration.
    @raise ConfigError: C{bind to} is malformed, names nothing to bind, or
        insists on TLS without a certificate; or the file of those who may look
        cannot be used, or is asked for and not named; or C{dashboard files}
        names no dashboard.
    """
    listeners = () if values.get(_NODE[WEB, "mode"]) == "none" else _listeners(values)
    tls = server_tls(values, directory) if listeners else None
    check_listeners(values, listeners, tls)
    allow = {what: values.get(_NODE[WEB, f"allow {what} from"]) for what in ALLOW}
    _check_protection(values, bool(listeners))
    return WebSettings(
        **_fields(values, WEB_OPTIONS),
        listeners=listeners,
        tls=tls,
        access_file=_access_file(values, directory),
        files=_dashboard_files(values, directory),
        allow={what: pattern for what, pattern in allow.items() if pattern is not None},
    )


def _access_file(values: Values, directory: Path) -> Path | None:
    path = path_of(values, _NODE[WEB, "access token file"], directory)
    if path is not None:
        read_credentials(path)
        if path.stat().st_mode & 0o044:
            values.warnings.line(f"{path}: holds tokens or passwords, but others can read it; chmod 600 it")
    return path


def _check_protection(values: Values, listening: bool) -> None:
    """
    Hold C{bearer token protection}, by which agents ask for a token that their
    cloud gives, against what protects this node.

    @raise ConfigError: It asks for protection that there is not.
    """
    entry = values.entry(_NODE[WEB, "bearer token protection"])
    if entry is None or not values.get(_NODE[WEB, "bearer token protection"]) or not listening:
        return
    if not values.get(_NODE[WEB, "access token file"]):
        raise refusal(
            entry,
            "asks for an API that needs a token, which there cannot be without 'access token file', the file of those"
            " who may look; name one, or write 'no' to leave the API open",
        )
    if "dashboard" not in values.get(_NODE[WEB, "access token for"]):
        raise refusal(
            entry,
            "asks for an API that needs a token, and 'access token for' leaves 'dashboard' out; add it, or write 'no'",
        )


def _dashboard_files(values: Values, directory: Path) -> Path | None:
    entry = values.entry(_NODE[WEB, "dashboard files"])
    text: str = values.get(_NODE[WEB, "dashboard files"]) or ""
    if entry is None or not text:
        return None
    path = directory / Path(text).expanduser()
    if not (path / "index.html").is_file():
        raise refusal(entry, f"'{path}' is no folder with an index.html, such as /usr/share/netdata/web")
    return path


def _listeners(values: Values) -> tuple[Listener, ...]:
    option = _NODE[WEB, "bind to"]
    port: int = values.get(_NODE[WEB, "default port"])
    mode: int = values.get(_NODE[WEB, "unix socket mode"])
    backlog: int = values.get(_NODE[WEB, "listen backlog"])
    written: str = values.get(option)
    entry = values.entry(option)
    if entry is None:
        return (evolve(listener(option.default, port), mode=mode, backlog=backlog),)
    found = []
    for text in entries(written):
        try:
            one = evolve(listener(text, port), mode=mode, backlog=backlog)
        except ValueError as problem:
            raise refusal(entry, str(problem)) from problem
        else:
            found.append(one)
    if not found:
        raise refusal(entry, "names no address that can be bound; write '*' for all, or '[web] mode = none' for none")
    return tuple(found)


def _destinations(values: Values, option: Option, section: str = "") -> tuple[Destination, ...]:
    entry = values.entry(option, section)
    if entry is None:
        return ()
    found = []
    port: int = values.get(_stream("default port"))
    for text in entries(entry.value):
        try:
            found.append(destination(text, port))
        except ValueError as problem:
            raise refusal(entry, str(problem)) from problem
    warning = mixed(found)
    if warning:
        values.warnings.add(entry, warning)
    return tuple(found)


def _check_proxied(values: Values, option: Option, section: str, settings: StreamSettings) -> None:
    entry, wrong = values.entry(option, section), check_proxied(settings.destinations, settings.proxy)
    if wrong and entry is not None:
        raise refusal(entry, wrong)


def stream_settings(values: Values, role: Role, directory: Path) -> StreamSettings:
    """
    Section C{[stream]}; a child and a proxy stream unless it says no.

    @param directory: Of the configuration.
    @raise ConfigError: A child or proxy lacks a destination or a key.
    """
    settings = StreamSettings(
        **_fields(values, STREAM_OPTIONS),
        destinations=_destinations(values, _stream("destination")),
        tls=client_tls(values, directory),
    )
    _check_proxied(values, _stream("destination"), "", settings)
    if role in (Role.PARENT, Role.PROXY):
        left: dict[str, Any] = {
            _stream(name).field: level for name, level in _FASTEST.items() if values.entry(_stream(name)) is None
        }
        settings = evolve(settings, **left)
    sends = role in (Role.CHILD, Role.PROXY)
    enabled = values.entry(_stream("enabled"))
    if sends and enabled is None:
        settings = evolve(settings, enabled=True)
    elif sends and enabled is not None and not settings.enabled:
        values.warnings.add(enabled, f"the {role.value} sends nothing, because this says so")
    if not settings.enabled or (settings.destinations and settings.api_key):
        return settings
    lacking = {
        "destination": None if settings.destinations else "'destination = HOST:PORT' (or start with --destination)",
        "api key": None if settings.api_key else "'api key = UUID', a key of the parent (or start with --api-key)",
    }
    missing = {name: line for name, line in lacking.items() if line}
    message = f"nowhere to stream to; add to [stream] of stream.conf {' and '.join(missing.values())}"
    name = next(iter(missing))
    entry = values.entry(_stream(name))
    if sends:
        if entry is not None:
            raise refusal(entry, message)
        raise ConfigError("stream.conf", STREAM, name, message)
    assert enabled is not None
    values.warnings.add(enabled, message)
    return evolve(settings, enabled=False)


def health_settings(values: Values) -> HealthSettings:
    """
    Section C{[health]}.
    """
    return HealthSettings(**_fields(values, HEALTH_OPTIONS))


def cgroup_settings(values: Values) -> CgroupSettings:
    """
    Section C{[plugin:cgroups]}.
    """
    given = {name: values.get(_NODE[PLUGIN_CGROUPS, path]) for name, path in PATHS.items()}
    paths = {name: path for name, path in given.items() if path}
    return CgroupSettings(**_fields(values, CGROUP_OPTIONS), paths=paths)


def access(values: Values, node: Values, db: DBSettings, stream: StreamSettings, file: str) -> Access:
    """
    The UUID sections, over what the rest says.

    @param values: Of C{stream.conf}.
    @param node: Of C{netstream.conf}.
    @param file: Where a new section would be written.
    """
    base = KeySettings(
        enabled=True,
        mode=db.mode,
        retention=max(db.retention // db.update_every, _FEWEST),
        health="auto" if node.get(_NODE[HEALTH, "enabled"]) else "no",
        proxy=stream,
        compression=stream.compression,
        replication=node.get(_NODE[DB, "enable replication"]),
        replication_period=node.get(_NODE[DB, "replication period"]),
        replication_step=node.get(_NODE[DB, "replication step"]),
        tiers=node.get(_NODE[DB, "replicate tiers"]),
    )
    sections: dict[str, dict[str, int]] = {}
    for (section, name), entry in values.given.entries.items():
        if section != STREAM:
            sections.setdefault(section, {})[name] = entry.line
    found = (_section(values, name, lines, db.update_every, base) for name, lines in sections.items())
    return Access(base, tuple(found), file)


def _limit(values: Values, option: str, section: str) -> int:
    """
    @return: A limit of a quota; 0 is none.
    @raise ConfigError: It is written as 0, which some take for no limit and
        some for nobody.
    """
    entry = values.entry(_KEY[option], section)
    limit: int = values.get(_KEY[option], section) or 0
    if entry is not None and entry.value and not limit:
        raise refusal(entry, "0 is no limit; leave the line out for none, or write 'enabled = no' to let nobody in")
    return limit


def _section(values: Values, name: str, lines: dict[str, int], update_every: int, base: KeySettings) -> Section:
    values.check(KEY_OPTIONS, name)
    given: dict[str, Any] = {}
    proxy: dict[str, Any] = {}
    for option in KEY_OPTIONS:
        if not option.field or values.entry(option, name) is None:
            continue
        value = values.get(option, name)
        if value is not None:
            group, _, attribute = option.field.rpartition(".")
            (proxy if group else given)[attribute] = value
    if values.entry(_KEY["retention"], name) is not None:
        given["retention"] = _entries(values, _KEY["retention"], update_every, name)
        text = values.get(_KEY["retention"], name)
        given["kept"] = round(duration(text)) if isinstance(text, str) else None
    if values.entry(_KEY["proxy destination"], name) is not None:
        proxy["destinations"] = _destinations(values, _KEY["proxy destination"], name)
    kind = values.entry(_KEY["type"], name)
    enabled = values.entry(_KEY["enabled"], name)
    forward = values.entry(_KEY["proxy enabled"], name)
    together = evolve(base.proxy, **proxy)
    _check_proxied(values, _KEY["proxy destination"], name, together)
    if forward is not None and together.enabled and not (together.destinations and together.api_key):
        values.warnings.add(forward, "no effect without 'proxy destination' and 'proxy api key', here or as [stream]'s")
    own_period = values.entry(_KEY["update every"], name)
    if own_period is not None and kind is not None and kind.value == "api":
        values.warnings.add(own_period, "no effect for an API key, only in the section of a machine GUID")
    nodes = values.entry(_KEY["max nodes"], name)
    if nodes is not None and kind is not None and kind.value == "machine":
        values.warnings.add(nodes, "no effect for a machine GUID, which is one node")
    written = Section(
        name,
        kind.value if kind is not None else "",
        values.get(_KEY["enabled"], name) if enabled is not None else None,
        values.get(_KEY["allow from"], name),
        values.get(_KEY["ssl client certificate"], name),
        values.get(_KEY["valid from"], name),
        values.get(_KEY["valid until"], name),
        Quota(
            nodes=_limit(values, "max nodes", name),
            metrics=_limit(values, "max metrics", name),
            samples=_limit(values, "max samples per second", name),
        ),
        given,
        proxy,
        next(entry.file for (section, _), entry in values.given.entries.items() if section == name),
        {"": min((line for line in lines.values() if line), default=0), **lines},
    )
    if written.typeless and enabled is not None:
        values.warnings.add(
            enabled,
            "opens the door to who has this UUID as API key; write 'type = api', or 'type = machine' if it is a "
            "machine GUID",
        )
    return written
