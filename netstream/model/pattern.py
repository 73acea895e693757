"""
Simple patterns: the white-space separated lists that options use to select.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Self

from attrs import field, frozen


def _words(text: str, separators: str) -> list[str]:
    words, word, escaped = [], "", False
    for letter in text:
        if escaped:
            word, escaped = word + "\\" + letter, False
        elif letter == "\\":
            escaped = True
        elif letter in separators:
            words.append(word)
            word = ""
        else:
            word += letter
    return [w for w in [*words, word] if w]


def _pieces(word: str) -> tuple[str, ...]:
    """
    @return: The literal texts between the stars of a word.
    """
    pieces, piece, escaped = [], "", False
    for letter in word:
        if not escaped and letter == "*":
            pieces.append(piece)
            piece = ""
        elif not escaped and letter == "\\":
            escaped = True
            continue
        else:
            piece += letter
        escaped = False
    return (*pieces, piece)


def _between(pieces: tuple[str, ...], text: str) -> str | None:
    """
    @return: What stands between these pieces, if a text is made of them with
        anything between.  Each piece is taken where it first fits, so that the
        time is bounded by the length of both.
    """
    first, *rest = pieces
    if not rest:
        return "" if text == first else None
    *middle, last = rest
    if not text.startswith(first) or not text.endswith(last):
        return None
    at, end = len(first), len(text) - len(last)
    between = ""
    for piece in middle:
        found = text.find(piece, at, end)
        if found < 0:
            return None
        between += text[at:found]
        at = found + len(piece)
    return between + text[at:end] if at <= end else None


@frozen
class SimplePattern:
    """
    A list of words that is read from left to right; the first that fits
    decides.  C{*} fits any run of characters, a leading C{!} refuses, a
    backslash makes the next character literal.

    @ivar text: The list as it was written.
    @ivar _rules: What each word says, and the texts between its stars.
    @ivar _starred: Those with stars, each with its place.
    @ivar _plain: The place of the first word without stars that is a text.
    """

    text: str
    _rules: tuple[tuple[bool, tuple[str, ...]], ...] = field(eq=False, repr=False)
    _starred: tuple[tuple[int, bool, tuple[str, ...]], ...] = field(eq=False, repr=False)
    _plain: Mapping[str, int] = field(eq=False, repr=False)

    @classmethod
    def parse(cls, text: str, separators: str = " \t\r\n\f\v") -> Self:
        """
        @param separators: What divides words; HTTP parameters use C{,} and
            C{|} in place of blanks.
        """
        rules = []
        for word in _words(text, separators):
            negative = word.startswith("!")
            rules.append((not negative, _pieces(word[negative:])))
        starred = [(at, positive, pieces) for at, (positive, pieces) in enumerate(rules) if len(pieces) > 1]
        plain: dict[str, int] = {}
        for at, (_, pieces) in enumerate(rules):
            if len(pieces) == 1:
                plain.setdefault(pieces[0], at)
        return cls(text, tuple(rules), tuple(starred), plain)

    @property
    def everything(self) -> bool:
        """
        Whether it fits every text at all.
        """
        return self.text.strip() == "*"

    def verdict(self, text: str) -> bool | None:
        """
        @return: What the first word that fits says; L{None} if none fits.
        """
        plain = self._plain.get(text, len(self._rules))
        for at, positive, pieces in self._starred:
            if at > plain:
                break
            if _between(pieces, text) is not None:
                return positive
        return self._rules[plain][0] if plain < len(self._rules) else None

    def starred(self, text: str) -> str:
        """
        @return: What the stars of the first word that fits a text stand for
            there; C{""} if none fits, or it has none.
        """
        for _, pieces in self._rules:
            between = _between(pieces, text)
            if between is not None:
                return between
        return ""

    def matches(self, text: str) -> bool:
        """
        @return: Whether the text is selected; if no word fits it is not.
        """
        return self.verdict(text) is True


@lru_cache(256)
def pattern(text: str) -> SimplePattern:
    """
    @return: The pattern of a white-space separated list, parsed once.
    """
    return SimplePattern.parse(text)
