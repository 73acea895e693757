"""
What a node goes by, in the form of its files: with every default, and without
a secret.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from netstream.config.export_options import SECRETS
from netstream.config.layers import Given, shown
from netstream.config.node_options import NODE_OPTIONS
from netstream.config.options import KEY, Option
from netstream.config.reader import Entry
from netstream.config.stream_options import KEY_OPTIONS, STREAM, STREAM_OPTIONS
from netstream.model.identity import fingerprint

HEAD = """# What this node goes by, in the form of its file netstream.conf. Lines that begin
# with '#' are defaults, or what has to be said in another place; secrets are not shown.
"""
HIDDEN = "(hidden)"
"""Stands for a secret."""

_STREAM_HEAD = "\n# What stream.conf says, in comments, as this is not the file for it.\n"
_SECRET = re.compile(r"password|secret|credential|authori[sz]ation|headers?\Z|token\Z", re.IGNORECASE)
_USER_INFO = re.compile(r"(?<=://)\S*@|\A[^\s/?#:]+:(?!//)\S*@")


def public(name: str, value: str) -> str:
    """
    @param name: Of an option.
    @return: Its value as anyone may see it, in one line.
    """
    if name.endswith("api key"):
        return f"key {fingerprint(value.lower())}" if value else ""
    if value and (name in SECRETS or _SECRET.search(name)):
        return HIDDEN
    if "@" in value:
        value = _USER_INFO.sub(f"{HIDDEN}@", value)
    return "".join(letter if letter.isprintable() else "?" for letter in value)


def _said(name: str, value: str, comment: bool) -> str:
    told = public(name, value)
    # What is masked is no value to read again.
    return f"    {'# ' if comment or told != value else ''}{name} = {told}\n"


def _options(options: Iterable[Option], section: str, given: Given) -> Iterator[str]:
    for option in options:
        entry = given.entries.get((section, option.name))
        if entry is None:
            if option.effective:
                yield _said(option.name, option.default, True)
        elif option.effective:
            yield _said(option.name, entry.value, False)
        else:
            yield f"    # not yet effective: {option.name} = {public(option.name, entry.value)}\n"


def _free(entries: Mapping[str, Entry]) -> Iterator[str]:
    for name, entry in entries.items():
        yield _said(name, entry.value, False)


def _node(given: Given) -> Iterator[str]:
    sections = dict.fromkeys([option.section for option in NODE_OPTIONS] + list(given.free))
    for section in sections:
        lines = [*_options((o for o in NODE_OPTIONS if o.section == section), section, given)]
        lines += _free(given.free.get(section, {}))
        if lines:
            yield f"\n[{section}]\n"
            yield from lines


def _stream(given: Given) -> Iterator[str]:
    yield f"\n[{STREAM}]\n"
    yield from _options(STREAM_OPTIONS, STREAM, given)
    for section in dict.fromkeys(section for section, _ in given.entries if section != STREAM):
        yield f"\n[{shown(section)}]\n"
        for option in KEY_OPTIONS:
            assert option.section == KEY
            entry = given.entries.get((section, option.name))
            if entry is not None:
                yield _said(option.name, entry.value, False)


def effective(node: Given, stream: Given) -> str:
    """
    @param node: What was said of C{netstream.conf}.
    @param stream: What was said of C{stream.conf}.
    @return: What a node goes by.
    """
    commented = "".join(_stream(stream)).splitlines()
    return (
        HEAD
        + "".join(_node(node))
        + _STREAM_HEAD
        + "".join(f"# {line.removeprefix('    # ').strip()}\n" if line else "#\n" for line in commented)
    )
