"""
From what the files say to the options that are meant: older spellings, files
over each other, the command line over all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from attrs import define, field, frozen

from netstream.config.errors import ConfigError, at
from netstream.config.node_options import FREE_SECTIONS, LATER_SECTIONS, NODE_OPTIONS, free
from netstream.config.options import KEY, Option, by_spelling
from netstream.config.reader import Entry
from netstream.config.stream_options import KEY_OPTIONS, STREAM, STREAM_OPTIONS
from netstream.config.values import quoted
from netstream.model.identity import fingerprint, guid

NODE_SPELLINGS = by_spelling(NODE_OPTIONS)
STREAM_SPELLINGS = by_spelling((*STREAM_OPTIONS, *KEY_OPTIONS))
NODE_SECTIONS = frozenset(section for section, _ in NODE_SPELLINGS)

PLACEHOLDERS = frozenset(("API_KEY", "MACHINE_GUID"))
"""Sections of examples, which stand for a UUID that someone is to fill in."""

_LONGEST_NAME = 24
"""Longest name of an unknown section that is shown: a longer one may be a mistyped key."""


def is_uuid(section: str) -> bool:
    """
    @return: Whether a section is named by an API key or machine GUID.
    """
    try:
        guid(section)
    except ValueError:
        return False
    return True


def shown(section: str) -> str:
    """
    @return: The name of a section of C{stream.conf} without telling a key.
    """
    if is_uuid(section) or len(section) > _LONGEST_NAME:
        return f"key {fingerprint(section.lower())}"
    return section


@define
class Warnings:
    """
    What was odd, one line each, each but once.
    """

    lines: list[str] = field(factory=list)
    _told: set[object] = field(factory=set)

    def add(self, entry: Entry, message: str, once: object = None) -> None:
        """
        @param once: What the warning is about; it is left out if there was
            one about the same.
        """
        self.line(at(entry.file, entry.line, shown(entry.section), entry.name) + message, once)

    def line(self, text: str, once: object = None) -> None:
        """
        @param text: A whole warning.
        """
        about = text if once is None else once
        if about not in self._told:
            self._told.add(about)
            self.lines.append(text)


@frozen
class Given:
    """
    The options of one family of files that were given.

    @ivar entries: By (section, name today).
    @ivar free: Options of sections whose options have any name, by section.
    """

    entries: Mapping[tuple[str, str], Entry] = field(factory=dict, repr=False)
    free: Mapping[str, Mapping[str, Entry]] = field(factory=dict, repr=False)

    def over(self, lower: Given) -> Given:
        """
        @return: These, and those below that are not among them.
        """
        sections = {*lower.free, *self.free}
        named = {section: {**lower.free.get(section, {}), **self.free.get(section, {})} for section in sections}
        return Given({**lower.entries, **self.entries}, named)


def _choose(found: Iterable[tuple[tuple[str, str], int, Entry]], warnings: Warnings) -> dict[tuple[str, str], Entry]:
    """
    Let today's spelling of each option win over older ones.
    """
    chosen: dict[tuple[str, str], tuple[int, Entry]] = {}
    for place, age, entry in found:
        other = chosen.get(place)
        if other is None:
            chosen[place] = age, entry
            continue
        winner, loser = (other[1], entry) if other[0] <= age else (entry, other[1])
        chosen[place] = min(other[0], age), winner
        where = f"line {winner.line}" if winner.line else winner.file
        warnings.add(loser, f"ignored, because {where} sets the same by the name '{winner.name}'")
    return {place: entry for place, (_, entry) in chosen.items()}


def _unknown(entry: Entry, names: Iterable[str], warnings: Warnings, once: object) -> None:
    close = get_close_matches(entry.name, list(names), 1, 0.75)
    hint = f"; did you mean '{close[0]}'?" if close else ""
    warnings.add(entry, f"not known, ignored{hint}", once)


def _unknown_sections(found: Mapping[str, list[Entry]], known: Iterable[str], warnings: Warnings) -> None:
    for section, entries in found.items():
        first = entries[0]
        names = list(known)
        close = get_close_matches(section.strip(), names, 1, 0.75)
        hint = f"; did you mean [{close[0]}]?" if close else ""
        count = "its option is" if len(entries) == 1 else f"its {len(entries)} options are"
        warnings.line(at(first.file, first.line, shown(section)) + f"not a known section, {count} ignored{hint}")


def node_given(entries: Iterable[Entry], warnings: Warnings) -> Given:
    """
    @param entries: Of C{netstream.conf}, or of the command line for it.
    """
    found: list[tuple[tuple[str, str], int, Entry]] = []
    named: dict[str, dict[str, Entry]] = {}
    unknown: dict[str, list[Entry]] = {}
    for entry in entries:
        spelling = entry.section, entry.name
        option = NODE_SPELLINGS.get(spelling)
        if option is not None:
            found.append(((option.section, option.name), option.spellings().index(spelling), entry))
        elif free(entry.section):
            named.setdefault(entry.section, {})[entry.name] = entry
        elif entry.section in LATER_SECTIONS:
            warnings.line(at(entry.file, entry.line, entry.section) + "not yet effective", ("section", entry.section))
        elif entry.section in NODE_SECTIONS:
            names = [name for section, name in NODE_SPELLINGS if section == entry.section]
            _unknown(entry, names, warnings, spelling)
        else:
            unknown.setdefault(entry.section, []).append(entry)
    _unknown_sections(unknown, (*NODE_SECTIONS, *FREE_SECTIONS), warnings)
    return Given(_choose(found, warnings), named)


def stream_given(entries: Iterable[Entry], warnings: Warnings) -> Given:
    """
    @param entries: Of C{stream.conf}, or of the command line for it.
    """
    found: list[tuple[tuple[str, str], int, Entry]] = []
    unknown: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.section == STREAM:
            kind = STREAM
        elif is_uuid(entry.section):
            kind = KEY
        else:
            if entry.section not in PLACEHOLDERS:
                unknown.setdefault(entry.section, []).append(entry)
            continue
        option = STREAM_SPELLINGS.get((kind, entry.name))
        if option is None:
            names = [name for section, name in STREAM_SPELLINGS if section == kind]
            _unknown(entry, names, warnings, (kind, entry.name))
            continue
        age = option.spellings().index((kind, entry.name))
        # UUIDs that differ in capitals alone are one.
        place = STREAM if kind == STREAM else entry.section.lower(), option.name
        found.append((place, age, entry))
    _unknown_sections(unknown, (STREAM,), warnings)
    return Given(_choose(found, warnings))


@frozen
class Values:
    """
    The values of the options of one family of files.
    """

    given: Given
    warnings: Warnings

    def entry(self, option: Option, section: str = "") -> Entry | None:
        """
        @param section: The section, for options of UUID sections.
        @return: What was written; L{None} if the option was not given.
        """
        return self.given.entries.get((section or option.section, option.name))

    def get(self, option: Option, section: str = "") -> Any:
        """
        @return: The value of an option, its default if it was not given;
            L{None} if it has no default either.
        @raise ConfigError: The text is not of the option's language, and the
            option is effective.
        """
        entry = self.entry(option, section)
        if entry is not None:
            try:
                value = option.kind.read(entry.value)
            except ValueError as problem:
                if option.effective:
                    raise refusal(entry, str(problem)) from problem
            else:
                doubt = option.kind.doubt(entry.value)
                if doubt and option.effective:
                    self.warnings.add(entry, doubt)
                return value
        return option.kind.read(option.default) if option.default else None

    def check(self, options: Iterable[Option], section: str = "") -> None:
        """
        Warn of each given option that has no effect yet.
        """
        for option in options:
            entry = self.entry(option, section)
            if entry is None or option.effective:
                continue
            try:
                option.kind.read(entry.value)
            except ValueError as problem:
                also = f"; besides, {problem}"
            else:
                also = ""
            once = (option.section, option.name, also)
            self.warnings.add(entry, f"not yet effective{also}", once)


def refusal(entry: Entry, message: str) -> ConfigError:
    """
    @return: The error to raise about an option.
    """
    return ConfigError(entry.file, shown(entry.section), entry.name, message, entry.line)


def override(text: str) -> tuple[bool, Entry]:
    """
    Read C{[FILE:]SECTION/OPTION=VALUE}.

    @return: Whether it belongs to C{stream.conf}, and the option.
    @raise ConfigError: It is not of that form.
    """
    left, equals, value = text.partition("=")
    stream, prefixed = False, False
    for prefix in ("stream.conf:", "netstream.conf:", "netdata.conf:"):
        if left.startswith(prefix):
            left, stream, prefixed = left.removeprefix(prefix), prefix == "stream.conf:", True
    section, slash, name = left.partition("/")
    known = section.strip() in NODE_SECTIONS or free(section.strip())
    if not known and not stream and left.count("/") > 1:
        section, slash, name = left.rpartition("/")
    section, name, value = section.strip(), name.strip(), value.strip()
    if not (equals and slash and section and name):
        raise ConfigError(
            "--set", "", "", f"{quoted(left)} is not of the form SECTION/OPTION=VALUE, as in 'web/bind to=127.0.0.1'"
        )
    if not prefixed and (section == STREAM or is_uuid(section)):
        stream = True
    return stream, Entry(section, name, value, "--set")
