"""
The file C{health_alarm_notify.conf}: who is told, and how.

Agents have a shell run this file.  Here it is data: assignments are read, with
what shells do to quotes and to C{${NAME}} of earlier assignments, and all else
is left out and said.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from attrs import define, field, frozen

from netstream.config.places import NOTIFY_CONF

FILE = NOTIFY_CONF

_ASSIGNMENT = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)(?:\[([^\]\n]*)\])?(\+?)=")
_FUNCTION = re.compile(r"\s*(?:function\s+)?[A-Za-z_][A-Za-z0-9_]*\s*\(\s*\)\s*\{?|\s*function\s+\w+\s*\{")
_ROLES = "role_recipients_"
_NAME = re.compile(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)(?::?-([^}]*))?\}|([A-Za-z_][A-Za-z0-9_]*))")
LARGEST = 1 << 20
"""Characters of the file that are read."""


@frozen
class Recipient:
    """
    Someone who is told by one method.

    @ivar address: What the method takes: an address, a channel, a URL.
    @ivar critical: Only if the alert is critical, and then until it is clear.
    @ivar no_warning: Not of warnings.
    @ivar no_clear: Not of recoveries.
    """

    address: str
    critical: bool = False
    no_warning: bool = False
    no_clear: bool = False

    @classmethod
    def parse(cls, text: str) -> Recipient:
        """
        @param text: An address, with C{|critical}, C{|nowarn} and C{|noclear}
            behind it.
        """
        address, *words = text.split("|")
        said = {word.lower() for word in words}
        return cls(address, "critical" in said, "nowarn" in said, "noclear" in said)

    def wants(self, status: str, was_critical: bool) -> bool:
        """
        @param was_critical: It was, since it was clear last.
        """
        if self.critical and not (status == "CRITICAL" or was_critical):
            return False
        return not (self.no_warning and status == "WARNING") and not (self.no_clear and status == "CLEAR")


@define
class Recipients:
    """
    What the file says.

    @ivar options: Plain assignments by name.
    @ivar roles: What stands for a role, by method and role.
    @ivar problems: What is wrong in it, with the line.
    """

    options: dict[str, str] = field(factory=dict, repr=False)
    roles: dict[tuple[str, str], str] = field(factory=dict)
    problems: list[str] = field(factory=list)

    def on(self, method: str) -> bool:
        """
        @return: Whether a method is to be used at all.
        """
        return self.options.get(f"SEND_{method.upper()}", "YES").strip().upper() in ("YES", "AUTO", "TRUE", "ON", "1")

    def of(self, method: str, short: str, role: str) -> list[Recipient]:
        """
        @param short: How options spell the method.
        @return: Who is told of what concerns a role.
        """
        text = self.roles.get((method, role))
        if text is None or not text.strip():
            text = self.options.get(f"DEFAULT_RECIPIENT_{short}", "")
        words = [word for word in re.split(r"[\s,]+", text) if word]
        return [Recipient.parse(word) for word in words if word.lower() != "disabled"]


class _Shell(Exception):
    pass


def _expanded(text: str, known: Mapping[str, str]) -> str:
    if "`" in text or "$(" in text:
        raise _Shell("nothing is run from this file")
    return _NAME.sub(lambda found: known.get(found[1] or found[3]) or found[2] or "", text)


def _value(text: str, at: int, known: Mapping[str, str]) -> tuple[str, int]:
    """
    @return: The value that begins at a place, and the place after it.
    """
    parts: list[str] = []
    while at < len(text):
        letter = text[at]
        if letter in " \t\n;":
            break
        if letter in "\"'":
            end = at + 1
            while end < len(text) and text[end] != letter:
                end += 2 if letter == '"' and text[end] == "\\" else 1
            if end >= len(text):
                raise _Shell(f"{letter} is not closed")
            inside = text[at + 1 : end]
            if letter == '"':
                parts += [
                    piece[1:] if piece.startswith("\\") else _expanded(piece, known)
                    for piece in re.findall(r"\\[\\\"$`]|(?:[^\\]|\\(?![\\\"$`]))+", inside.replace("\\\n", ""))
                ]
            else:
                parts.append(inside)
            at = end + 1
        elif letter == "\\":
            parts.append(text[at + 1 : at + 2].replace("\n", ""))
            at += 2
        else:
            end = at
            while end < len(text) and text[end] not in " \t\n;\"'\\":
                end += 1
            parts.append(_expanded(text[at:end], known))
            at = end
    return "".join(parts), at


def _next_line(text: str, at: int) -> int:
    found = text.find("\n", at)
    return len(text) if found < 0 else found + 1


def _after_function(text: str, at: int) -> int:
    """
    @return: The place after the line that ends a function.
    """
    found = re.compile(r"^\}", re.MULTILINE).search(text, at)
    return len(text) if found is None else _next_line(text, found.end())


def parse(text: str, file: str = FILE) -> Recipients:
    """
    Read the file.

    @param file: What messages call it.
    """
    found = Recipients()
    for line, problem in _read(text[:LARGEST], found):
        found.problems.append(f"{file}:{line}: {problem}")
    return found


def _read(text: str, found: Recipients) -> Iterator[tuple[int, str]]:
    at = 0
    while at < len(text):
        line = text.count("\n", 0, at) + 1
        end = _next_line(text, at)
        words = text[at:end].strip()
        if not words or words.startswith(("#", "declare ", "unset ")):
            at = end
            continue
        function = _FUNCTION.match(text, at)
        if function is not None:
            yield line, f"the function {words.split('(')[0].strip()} is left out: nothing is run from this file"
            at = _after_function(text, at)
            continue
        assignment = _ASSIGNMENT.match(text, at)
        if assignment is None:
            yield line, f'{words[:40]!r} is no assignment such as SEND_EMAIL="YES"; left out'
            at = end
            continue
        name, index, more = assignment.groups()
        try:
            value, at = _value(text, assignment.end(), found.options)
        except _Shell as problem:
            yield line, f"{name}: {problem}; left out"
            at = end
            continue
        at = _next_line(text, at)
        if index is None:
            found.options[name] = (found.options.get(name, "") if more else "") + value
        elif name.startswith(_ROLES):
            key = name.removeprefix(_ROLES).lower(), index.strip("\"' ")
            found.roles[key] = (found.roles.get(key, "") + " " if more else "") + value
