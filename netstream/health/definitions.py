"""
Alert definitions: the text of C{health.d/*.conf} to values.

A bad definition is left out and said with file and line; all others stand.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from attrs import define, evolve, field, frozen

from netstream.config.values import duration, quoted
from netstream.health.expressions import Expression, ExpressionError
from netstream.health.lookups import Lookup
from netstream.model.pattern import SimplePattern, pattern

SILENT = "silent"
"""The recipient that means nobody."""

MOST_NAME = 200
"""Characters of the name of an alert."""

_STRANGE = re.compile(r"[^A-Za-z0-9_.-]")
_QUOTED = frozenset(("class", "component", "type", "exec", "to", "units", "summary", "info"))
_FILTERS = frozenset(("os", "hosts", "plugin", "module"))
_LABELS = frozenset(("host labels", "chart labels"))
_MILD = frozenset(("delay", "repeat", "options", "green", "red"))
_PLAIN = frozenset(("on", "lookup", "calc", "every", "warn", "crit")) | _QUOTED
_IGNORED = frozenset(("families", "charts"))
_KEYS = _FILTERS | _LABELS | _MILD | _PLAIN | _IGNORED | {"alarm", "template"}

Labels = tuple[tuple[str, SimplePattern], ...]
"""Patterns by label; each label has to fit."""


class BadMultiplier(ValueError):
    """
    Delays cannot be multiplied with that.
    """


@frozen
class Delay:
    """
    How long a change of status waits until it is told.

    @ivar up: Seconds for a rise.
    @ivar down: Seconds for a fall.
    @ivar multiplier: What they are multiplied with if the status changes
        again while one waits.
    @ivar max: The longest, seconds.
    """

    up: int = 0
    down: int = 0
    multiplier: float = 1.0
    max: int = 0

    @classmethod
    def parse(cls, text: str) -> Delay:
        """
        @raise ValueError: It is none.
        """
        words = text.split()
        said: dict[str, float] = {}
        while words:
            name = words.pop(0).lower()
            if name not in ("up", "down", "multiplier", "max") or not words:
                raise ValueError(f"{quoted(text)} is not of the form 'up 1m down 5m multiplier 1.5 max 1h'")
            value = words.pop(0)
            said[name] = float(value) if name == "multiplier" else duration(value)
        multiplier = said.get("multiplier", 1.0)
        if not math.isfinite(multiplier) or multiplier < 0:
            raise BadMultiplier(f"multiplier {multiplier:g} is no number that a delay can be multiplied with")
        up, down = round(said.get("up", 0)), round(said.get("down", 0))
        longest = round(said["max"]) if "max" in said else round(max(up, down) * multiplier)
        return cls(up, down, multiplier, longest)


@frozen
class Repeat:
    """
    How often an alert that stays raised is told again; 0 is never.

    @ivar warning: Seconds.
    @ivar critical: Seconds.
    """

    warning: int = 0
    critical: int = 0

    @classmethod
    def parse(cls, text: str) -> Repeat:
        """
        @raise ValueError: It is none.
        """
        if text.strip().lower() in ("off", "never", "0", "no"):
            return cls()
        words = text.split()
        said: dict[str, int] = {}
        while words:
            name = words.pop(0).lower()
            if name not in ("warning", "critical") or not words:
                raise ValueError(f"{quoted(text)} is not 'off' nor of the form 'warning 1h critical 10m'")
            said[name] = round(duration(words.pop(0)))
        return cls(said.get("warning", 0), said.get("critical", 0))


@frozen
class Definition:
    """
    One C{alarm} or C{template}.

    @ivar template: It applies to all charts of a context, not to one chart.
    @ivar on: Chart id or name; context of a template.
    @ivar file: Where it stands.
    @ivar line: Its first line.
    @ivar stock: The file came with netstream.
    @ivar order: Counts the definitions in the order of their loading.
    @ivar repeat: L{None} is what the node says.
    @ivar to: Roles that are told.
    @ivar disabled: A filter of it refuses everything.
    @ivar hash: Names its content, as a UUID.
    """

    name: str
    template: bool
    on: str
    file: str = ""
    line: int = 0
    stock: bool = False
    order: int = 0
    os: SimplePattern | None = None
    hosts: SimplePattern | None = None
    plugin: SimplePattern | None = None
    module: SimplePattern | None = None
    host_labels: Labels = ()
    chart_labels: Labels = ()
    classification: str = "Unknown"
    type: str = "Unknown"
    component: str = "Unknown"
    lookup: Lookup | None = None
    calc: Expression | None = None
    every: int = 0
    green: float = math.nan
    red: float = math.nan
    warn: Expression | None = None
    crit: Expression | None = None
    units: str = ""
    summary: str = ""
    info: str = ""
    exec: str = ""
    to: str = "root"
    delay: Delay = Delay()
    repeat: Repeat | None = None
    no_clear: bool = False
    disabled: bool = False
    hash: str = ""

    @property
    def source(self) -> str:
        """
        Where it stands, as agents of version 2 write it.
        """
        return f"line={self.line},file={self.file}"

    @property
    def raises(self) -> bool:
        """
        Whether it can be raised at all.
        """
        return self.warn is not None or self.crit is not None

    @property
    def expressions(self) -> Iterator[Expression]:
        """
        Those that it has.
        """
        return (each for each in (self.calc, self.warn, self.crit) if each is not None)

    def of_dimension(self, dimension: str) -> Definition:
        """
        @return: The alert of one dimension, of a definition with C{foreach}.
        """
        assert self.lookup is not None
        escaped = re.sub(r"([\\,| \t*!])", r"\\\1", dimension)
        lookup = evolve(self.lookup, dimensions=escaped, foreach="")
        return evolve(self, name=sanitized(f"{self.name}_{dimension}"), lookup=lookup)


def sanitized(name: str) -> str:
    """
    @return: The name of an alert, with what names cannot have replaced.
    """
    return _STRANGE.sub("_", name.strip())[:MOST_NAME]


@frozen
class Line:
    """
    One logical line.

    @ivar number: Where it begins.
    """

    number: int
    key: str
    value: str


@define
class Found:
    """
    What files say.

    @ivar problems: What is wrong in them, one line each, with file and line.
    """

    definitions: list[Definition] = field(factory=list)
    problems: list[str] = field(factory=list)


def _logical(text: str) -> Iterator[tuple[int, str]]:
    """
    @return: Number and text of each line, with those joined that end in a
        backslash.
    """
    started = 0
    parts: list[str] = []
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip() if parts else raw.rstrip()
        if not parts:
            if line.lstrip().startswith("#"):
                continue
            started = number
        if line.endswith("\\"):
            parts.append(line[:-1].strip())
            continue
        yield started, " ".join([*parts, line]).strip()
        parts = []
    if parts:
        yield started, " ".join(parts).strip()


def parse(text: str, file: str, *, stock: bool = False, into: Found | None = None) -> Found:
    """
    Read one file.

    @param file: What messages call it.
    @param into: What was found so far; it is added to.
    """
    found = Found() if into is None else into
    block: list[Line] = []
    for number, line in _logical(text):
        if not line:
            continue
        key, colon, value = line.partition(":")
        key, value = " ".join(key.split()).lower(), value.strip()
        if not colon:
            found.problems.append(
                f"{file}:{number}: {quoted(line)} is not of the form 'key: value'; the line is skipped"
            )
            continue
        if key in ("alarm", "template"):
            _close(found, block, file, stock)
            block = []
        elif not block:
            found.problems.append(f"{file}:{number}: {quoted(key)} stands before any 'alarm:' or 'template:'; skipped")
            continue
        block.append(Line(number, key, value))
    _close(found, block, file, stock)
    return found


class _Wrong(ValueError):
    def __init__(self, line: Line, problem: object) -> None:
        super().__init__(f"{line.key}: {problem}")
        self.number = line.number


def _close(found: Found, block: Sequence[Line], file: str, stock: bool) -> None:
    if not block:
        return
    name = sanitized(block[0].value)
    try:
        if not name:
            raise _Wrong(block[0], "the definition has no name")
        definition = _definition(name, block, file, found.problems)
    except _Wrong as problem:
        found.problems.append(f"{file}:{problem.number}: {block[0].key} {name}: {problem}; the definition is left out")
        return
    found.definitions.append(evolve(definition, stock=stock, order=len(found.definitions)))


def _definition(name: str, block: Sequence[Line], file: str, problems: list[str]) -> Definition:
    first = block[0]
    fields: dict[str, Any] = {}
    labels: dict[str, dict[str, list[str]]] = {"host labels": {}, "chart labels": {}}
    every = 0
    for line in block[1:]:
        key, value = line.key, _unquoted(line.value) if line.key in _QUOTED else line.value
        if key not in _KEYS:
            problems.append(f"{file}:{line.number}: {first.key} {name}: {quoted(key)} is no key of alerts; ignored")
        elif key in labels:
            _add_labels(labels[key], value)
        elif key in _MILD:
            # Agents take the rest of such a definition, so files rely on that.
            try:
                fields |= _mild(key, value)
            except BadMultiplier as problem:
                raise _Wrong(line, problem) from problem
            except ValueError as problem:
                where = f"{file}:{line.number}: {first.key} {name}: {key}"
                problems.append(f"{where}: {problem}; the line is ignored")
        elif key == "every":
            every = _every(line)
        elif key not in _IGNORED:
            fields |= _field(line, key, value)
    return _complete(name, first, fields, labels, every, file, block)


def _complete(
    name: str,
    first: Line,
    fields: dict[str, Any],
    labels: Mapping[str, Mapping[str, list[str]]],
    every: int,
    file: str,
    block: Sequence[Line],
) -> Definition:
    lookup: Lookup | None = fields.get("lookup")
    if not fields.get("on"):
        what = "context" if first.key == "template" else "chart"
        raise _Wrong(first, f"has no 'on' line, which names the {what}")
    if not any(fields.get(key) for key in ("lookup", "calc", "warn", "crit")):
        raise _Wrong(first, "has none of 'lookup', 'calc', 'warn' and 'crit', so there is nothing to watch")
    if lookup is not None:
        every = every or lookup.every or abs(lookup.after)
    if not every:
        raise _Wrong(first, "has no 'every' line, and no 'lookup' that would tell it")
    chosen: dict[str, Any] = {name.replace(" ", "_"): _labels(given) for name, given in labels.items()}
    patterns = [fields.get(key) for key in _FILTERS]
    chosen |= {key: value for key, value in fields.items() if key not in _FILTERS or not _any(value)}
    disabled = any(_nothing(each) for each in patterns)
    text = "\n".join(f"{line.key}:{line.value}" for line in block)
    digest = hashlib.sha256(text.encode("utf-8", "replace")).digest()
    return Definition(
        name,
        first.key == "template",
        file=file,
        line=first.number,
        every=every,
        disabled=disabled,
        hash=str(UUID(bytes=digest[:16])),
        **chosen,
    )


def _any(filter: SimplePattern | None) -> bool:
    return filter is None or filter.text.strip() in ("", "*")


def _nothing(filter: SimplePattern | None) -> bool:
    return filter is not None and filter.text.split() in (["!*"], ["!*", "*"])


def _every(line: Line) -> int:
    try:
        every = round(duration(line.value))
    except ValueError as problem:
        raise _Wrong(line, problem) from problem
    if every <= 0:
        raise _Wrong(line, f"{quoted(line.value)} is not longer than nothing; write for instance '10s'")
    return every


def _field(line: Line, key: str, value: str) -> dict[str, Any]:
    try:
        if key in ("calc", "warn", "crit"):
            return {key: Expression.parse(value)} if value else {}
        if key == "lookup":
            return {key: Lookup.parse(value)}
    except ExpressionError as problem:
        raise _Wrong(line, f"the expression {quoted(value)} {_verb(problem)}") from problem
    except ValueError as problem:
        raise _Wrong(line, problem) from problem
    if key in _FILTERS:
        return {key: pattern(value)}
    if key == "class":
        return {"classification": value or "Unknown"}
    return {key: value} if value or key not in ("to", "type", "component") else {}


def _verb(problem: Exception) -> str:
    text = str(problem)
    return text if text.startswith(("is ", "has ")) else f"cannot be read: {text}"


def _mild(key: str, value: str) -> dict[str, Any]:
    if key == "delay":
        return {key: Delay.parse(value)}
    if key == "repeat":
        return {key: Repeat.parse(value)}
    if key == "options":
        words = {word.lower() for word in re.split(r"[ \t,]+", value) if word}
        unknown = words - {"no-clear-notification", "no-clear"}
        if unknown:
            raise ValueError(f"{quoted(sorted(unknown)[0])} is no option; known is 'no-clear-notification'")
        return {"no_clear": bool(words)}
    try:
        return {key: float(value)}
    except ValueError:
        raise ValueError(f"{quoted(value)} is not a number") from None


def _unquoted(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
        return value[1:-1]
    return value


def _add_labels(labels: dict[str, list[str]], value: str) -> None:
    key = ""
    for word in re.sub(r"\s*=\s*", "=", value).split():
        name, equals, rest = word.partition("=")
        if equals:
            key = name.strip("\"'")
            word = rest
        if key and word:
            labels.setdefault(key, []).append(word.strip("\"'"))


def _labels(given: Mapping[str, list[str]]) -> Labels:
    return tuple((name, pattern(" ".join(words))) for name, words in given.items())


def first_of_each(definitions: Sequence[Definition]) -> list[Definition]:
    """
    @return: In the order of their precedence: an alarm before a template, a
        user's file before a stock one, then the first one loaded.
    """
    return sorted(definitions, key=lambda each: (each.template, each.stock, each.order))
