"""
Simple patterns: the white-space separated lists that options use to select.
"""

from __future__ import annotations

import re
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


def _expression(word: str) -> re.Pattern[str]:
    out, escaped = "", False
    for letter in word:
        if escaped:
            out, escaped = out + re.escape(letter), False
        elif letter == "\\":
            escaped = True
        elif letter == "*":
            if not out.endswith(".*"):
                out += ".*"
        else:
            out += re.escape(letter)
    return re.compile(out + r"\Z", re.DOTALL)


@frozen
class SimplePattern:
    """
    A list of words that is read from left to right; the first that fits
    decides.  C{*} fits any run of characters, a leading C{!} refuses, a
    backslash makes the next character literal.

    @ivar text: The list as it was written.
    """

    text: str
    _rules: tuple[tuple[bool, re.Pattern[str]], ...] = field(eq=False, repr=False)

    @classmethod
    def parse(cls, text: str, separators: str = " \t\r\n\f\v") -> Self:
        """
        @param separators: What divides words; HTTP parameters use C{,} and
            C{|} in place of blanks.
        """
        rules = []
        for word in _words(text, separators):
            negative = word.startswith("!")
            rules.append((not negative, _expression(word[negative:])))
        return cls(text, tuple(rules))

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
        for positive, expression in self._rules:
            if expression.match(text):
                return positive
        return None

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
