"""
The request target: its path, and the parameters behind it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property, lru_cache
from urllib.parse import quote, unquote

from attrs import field, frozen

from netstream.web.features import does_something, feature_of

_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?]*")
_NUMBER = re.compile(r"[+-]?\d{1,30}(\.\d*)?\Z", re.ASCII)
_SEPARATORS = re.compile(r"[,| ]+")
_CALL = re.compile(r"(?:/host/([^/]+))?/api/(v[123])/([a-z0-9_./]+)\Z", re.ASCII)
_SLASHES = re.compile("/{2,}")
_NODE = re.compile(r"\A/node(?=/[^/]+/api/)")
"""How later agents begin the path of another node's API."""
_LISTS = frozenset(("options", "dimensions", "dimension", "dims", "dim"))
"""Parameters that add up when they are said several times, as agents have it."""
_TRUE = frozenset(("yes", "true", "1", "on"))


MOST_STARS = 100
"""Stars in a list of patterns: what they cost is for each name that there is."""


class BadParameter(ValueError):
    """
    A parameter has a value that means nothing.

    Its text names the parameter, the value, and what would be right.
    """


@frozen
class Parameters:
    """
    What a client asked for behind the path.

    An empty value counts as no value; of several the last counts, and of
    lists all do.

    @ivar values: Decoded text by name; C{""} for a name without C{=}.
    """

    values: Mapping[str, str] = field(factory=dict)

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def text(self, *names: str, default: str = "") -> str:
        """
        @param names: Spellings of the same parameter.
        @return: The value of the first that has one.
        """
        for name in names:
            if value := self.values.get(name):
                return value
        return default

    def patterns(self, *names: str) -> str:
        """
        @param names: Spellings of the same parameter.
        @return: The value of the first that has one, a list of patterns.
        @raise BadParameter: It has too many stars.
        """
        for name in names:
            if value := self.text(name):
                return starred(name, value)
        return ""

    def number(self, name: str, default: int, lowest: int, highest: int) -> int:
        """
        @return: An integer, moved to the nearer bound if it is outside.
        @raise BadParameter: It is not a number.
        """
        text = self.text(name).strip()
        if not text:
            return default
        if text.isdecimal() and text.isascii() and len(text) <= 30:
            return max(lowest, min(highest, int(text)))
        if not _NUMBER.match(text):
            raise BadParameter(f"{name}: {text[:40]!r} is not a whole number such as {default}")
        return max(lowest, min(highest, int(text.partition(".")[0] or "0")))

    def words(self, name: str) -> list[str]:
        """
        @return: The words of a list that is divided by commas, bars or blanks.
        """
        return [word for word in _SEPARATORS.split(self.text(name)) if word]

    def truth(self, name: str, default: bool) -> bool:
        """
        @return: Whether a switch is on; a bare name or an empty value leaves
            the default.
        """
        text = self.text(name).lower()
        return text in _TRUE if text else default


def starred(name: str, text: str) -> str:
    """
    @param name: Of the parameter.
    @return: The same text, if it has no more stars than it may.
    @raise BadParameter: It has.
    """
    count = text.count("*")
    if count > MOST_STARS:
        raise BadParameter(
            f"{name}: {text[:40]!r}... has {count} stars, more than {MOST_STARS}; "
            "write more of the names in full, or one pattern for many of them such as 'disk*'"
        )
    return text


@frozen(eq=False)
class Place:
    """
    The path of a request, and what is known by it alone.

    @ivar path: Decoded, from its first slash on.
    @ivar hidden: What stands behind a question mark that was encoded.
    """

    path: str
    hidden: str = ""

    @cached_property
    def feature(self) -> str:
        """
        The feature of C{bind to} that it belongs to.
        """
        return feature_of(self.path)

    @cached_property
    def acts(self) -> bool:
        """
        Whether what is asked for makes a node do something.
        """
        return does_something(self.path)

    @cached_property
    def call(self) -> tuple[str | None, str, str] | None:
        """
        The host, version and command of the API that it names; L{None} if it
        is something else.
        """
        found = _CALL.match(self.path)
        return None if found is None else (found[1], found[2], found[3])

    @cached_property
    def quoted(self) -> bytes:
        """
        The path as it would be written in a request.
        """
        return quote(self.path).encode()


@frozen(eq=False)
class Target:
    """
    What a request line names.
    """

    place: Place
    parameters: Parameters

    @property
    def path(self) -> str:
        """
        The decoded path, from its first slash on.
        """
        return self.place.path


def _decode(text: str) -> str:
    return unquote(text.replace("+", " "), errors="replace")


def parse(uri: bytes) -> Target:
    """
    Take a request target apart.

    Agents decode the whole target before they look for the question mark, and
    clients rely on it: they send C{/api/v1/alarms%3Fall&format=json}.  So a
    target without a question mark is decoded first.  One that has it is split
    first, so that a value may hold an encoded C{&}.  Several slashes are one,
    as older dashboards ask for C{/host/NAME//api/v1/info}, and C{/node/NAME/api} is
    C{/host/NAME/api}.
    """
    path, _, query = uri.partition(b"?")
    place = _place(path)
    values: dict[str, str] = {}
    for pair in _pairs(place.hidden, query.decode("utf-8", "replace")):
        name, _, value = pair.partition("=")
        if name and (value or not values.get(name)):
            before = values.get(name) if name in _LISTS else ""
            values[name] = f"{before}|{value}" if before else value
    return Target(place, Parameters(values))


@lru_cache(1024)
def _place(path: bytes) -> Place:
    """
    @param path: What stands before the question mark; those who ask again and
        again name the same few.
    """
    text = path.decode("utf-8", "replace")
    if not text.startswith("/"):
        text = _ABSOLUTE.sub("", text, count=1)
    text, _, hidden = unquote(text, errors="replace").partition("?")
    return Place(_NODE.sub("/host", _SLASHES.sub("/", "/" + text)), hidden)


def _pairs(hidden: str, query: str) -> list[str]:
    pairs = query.split("&")
    if "%" in query or "+" in query:
        pairs = [_decode(pair) for pair in pairs]
    return [*hidden.replace("+", " ").split("&"), *pairs] if hidden else pairs
