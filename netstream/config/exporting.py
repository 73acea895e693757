"""
From C{exporting.conf} to the targets that it names.

An option of a target is looked for in its own section, then in C{[TYPE]},
then in C{[exporting:global]}.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from attrs import evolve, frozen

from netstream.config.addresses import destination, entries
from netstream.config.errors import ConfigError, at
from netstream.config.export_options import (
    ELSEWHERE,
    EXPORT_OPTIONS,
    GLOBAL,
    HTTP_PORTS,
    INSTANCE,
    PATHS,
    PORTS,
    SECRETS,
    TRANSPORTS,
    TYPES,
)
from netstream.config.layers import Warnings, close_to
from netstream.config.options import Option, by_spelling
from netstream.config.reader import Entry
from netstream.config.settings import Destination, ExportTarget
from netstream.config.values import quoted

PREFIX = "exporting.conf:"
"""Begins what C{--set} says of this file."""

__all__ = ["PREFIX", "SECRETS", "exporting", "exporting_override"]

_SPELLINGS = by_spelling(EXPORT_OPTIONS)
_OPTIONS = {option.name: option for option in EXPORT_OPTIONS}
_LATER = frozenset(("send variables",))


@frozen
class _Kind:
    """
    What the name of a section says.
    """

    kind: str
    transport: str
    name: str


def _kind(section: str) -> _Kind | None:
    """
    @return: What a section C{TYPE[:TRANSPORT][:NAME]} says; L{None} if it is
        no such section.
    """
    kind, _, rest = section.partition(":")
    if kind not in (*TYPES, *ELSEWHERE):
        return None
    transport, colon, name = rest.partition(":")
    if transport in TRANSPORTS:
        return _Kind(kind, transport, name if colon else "")
    return _Kind(kind, "", rest)


def exporting_override(text: str) -> Entry:
    """
    Read C{exporting.conf:SECTION/OPTION=VALUE}.

    @raise ConfigError: It is not of that form.
    """
    left, equals, value = text.removeprefix(PREFIX).partition("=")
    section, slash, name = left.partition("/")
    if not (equals and slash and section.strip() and name.strip()):
        raise ConfigError("--set", "", "", f"{quoted(left)} is not of the form exporting.conf:SECTION/OPTION=VALUE")
    return Entry(section.strip(), name.strip(), value.strip(), "--set")


def _refusal(entry: Entry, message: str) -> ConfigError:
    return ConfigError(entry.file, entry.section, entry.name, message, entry.line)


def _warn(warnings: Warnings, entry: Entry, message: str) -> None:
    warnings.line(at(entry.file, entry.line, entry.section, entry.name) + message)


def exporting(found: Iterable[Entry], warnings: Warnings) -> tuple[ExportTarget, ...]:
    """
    @param found: Of the file, then of the command line.
    @return: The targets that are enabled, if exporting is at all.
    @raise ConfigError: Something is wrong that must not be guessed.
    """
    sections: dict[str, dict[str, Entry]] = {}
    for entry in found:
        if entry.section != GLOBAL and _kind(entry.section) is None:
            if entry.section not in sections:
                close = close_to(entry.section.partition(":")[0], (*TYPES, GLOBAL))
                hint = f"; did you mean [{close}:NAME]?" if close and close != GLOBAL else ""
                known = f"sections are [{GLOBAL}] and [TYPE:NAME], where TYPE is one of {', '.join(TYPES)}"
                warnings.line(
                    at(entry.file, entry.line, entry.section) + f"not a known section, ignored{hint}; {known}"
                )
                sections[entry.section] = {}
            continue
        option = _SPELLINGS.get((INSTANCE, entry.name))
        if option is None:
            later = "not yet effective" if entry.name in _LATER else ""
            close = close_to(entry.name, (name for _, name in _SPELLINGS))
            hint = f"; did you mean '{close}'?" if close else ""
            _warn(warnings, entry, later or f"not known, ignored{hint}")
            continue
        sections.setdefault(entry.section, {})[option.name] = entry
    base = sections.get(GLOBAL, {})
    if not _value(_OPTIONS["enabled"], [base], warnings):
        return ()
    targets = []
    for section, own in sections.items():
        kind = None if section == GLOBAL else _kind(section)
        if kind is None or not kind.name:
            continue
        layers = [own, sections.get(f"{kind.kind}:{kind.transport}", {}), sections.get(kind.kind, {})]
        # That exporting is on at all does not switch each target on.
        if not _value(_OPTIONS["enabled"], layers, warnings):
            continue
        if kind.kind in ELSEWHERE:
            entry = own.get("enabled") or next(iter(own.values()))
            warnings.line(at(entry.file, entry.line, section) + f"left out: netstream has no {kind.kind} connector")
            continue
        targets.append(_target(section, kind, [*layers, base], warnings))
    return tuple(targets)


def _entry(option: Option, layers: Sequence[Mapping[str, Entry]]) -> Entry | None:
    return next((layer[option.name] for layer in layers if option.name in layer), None)


def _value(option: Option, layers: Sequence[Mapping[str, Entry]], warnings: Warnings) -> Any:
    """
    @return: The value of an option, its default where it was not given;
        L{None} if it has no default either.
    @raise ConfigError: The text is not of the option's language.
    """
    entry = _entry(option, layers)
    if entry is None:
        return option.kind.read(option.default) if option.default else None
    try:
        value = option.kind.read(entry.value)
    except ValueError as problem:
        raise _refusal(entry, str(problem)) from problem
    doubt = option.kind.doubt(entry.value)
    if doubt:
        _warn(warnings, entry, doubt)
    return value


def _target(section: str, kind: _Kind, layers: Sequence[Mapping[str, Entry]], warnings: Warnings) -> ExportTarget:
    values = {option.name: _value(option, layers, warnings) for option in EXPORT_OPTIONS}
    fields = {
        option.field: values[option.name]
        for option in EXPORT_OPTIONS
        if option.field and values[option.name] is not None
    }
    http = kind.transport in ("http", "https") or kind.kind not in PORTS
    destinations = _destinations(section, kind, http, layers)
    kept = values["buffer on failures"]
    if isinstance(kept, int):
        kept = float(kept * fields["update_every"])
    fields.setdefault("path", PATHS[kind.kind])
    if not http:
        for name in ("username", "password", "token"):
            entry = _entry(_OPTIONS[name], layers)
            if entry is not None and entry.value:
                _warn(warnings, entry, f"no effect for [{section}], which is not HTTP; write [{kind.kind}:http:NAME]")
    plain = any(not each.tls for each in destinations)
    for name in ("password", "token"):
        entry = _entry(_OPTIONS[name], layers)
        if http and plain and entry is not None and entry.value:
            _warn(warnings, entry, f"goes over the network in plain text; [{kind.kind}:https:NAME] encrypts it")
    return ExportTarget(
        section=section,
        kind=kind.kind,
        http=http,
        destinations=destinations,
        buffered=kept,
        verify=not values["ssl skip certificate verification"],
        **fields,
    )


def _destinations(
    section: str, kind: _Kind, http: bool, layers: Sequence[Mapping[str, Entry]]
) -> tuple[Destination, ...]:
    option = _OPTIONS["destination"]
    entry = _entry(option, layers)
    text = entry.value if entry is not None else option.default
    place = entry if entry is not None else next(iter(layers[0].values()))
    port = (HTTP_PORTS if http else PORTS)[kind.kind]
    found = []
    for word in entries(text):
        tls = kind.transport == "https" or word.endswith(":SSL")
        try:
            one = destination(word.removesuffix(":SSL"), port)
        except ValueError as problem:
            raise _refusal(place, str(problem)) from problem
        if one.protocol == "udp":
            raise _refusal(place, f"{quoted(word)}: there is no exporting over UDP; leave 'udp:' out")
        found.append(evolve(one, text=word, tls=tls))
    if not found:
        raise _refusal(place, f"names no receiver for [{section}]; write 'destination = HOST:PORT'")
    return tuple(found)
