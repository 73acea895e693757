"""
What all lines have in common.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Self


class Line(ABC):
    """
    One line of the protocol.

    Each class has the keyword, and both directions: L{parse} from the words
    after the keyword, and L{words} as they are written.
    """

    __slots__ = ()

    KEYWORD: ClassVar[str]

    @classmethod
    @abstractmethod
    def parse(cls, words: Sequence[str]) -> Self:
        """
        @param words: What follows the keyword, quotes removed.
        @raise ValueError: A mandatory word is missing or not readable.
        """

    @abstractmethod
    def words(self) -> tuple[str, ...]:
        """
        @return: What follows the keyword, quoted where that is needed.
        """

    def line(self) -> bytes:
        """
        @return: The line as it is sent, with its newline.
        """
        return (" ".join((self.KEYWORD, *self.words())) + "\n").encode()


class Plain(Line):
    """
    A line that is a keyword alone.
    """

    __slots__ = ()

    @classmethod
    def parse(cls, words: Sequence[str]) -> Self:
        return cls()

    def words(self) -> tuple[str, ...]:
        return ()


def word(words: Sequence[str], index: int) -> str:
    """
    @return: That word, or C{""} if the line ended before.
    """
    return words[index] if index < len(words) else ""


def needed(words: Sequence[str], *names: str) -> Sequence[str]:
    """
    @return: The words, as many as there are names or more.
    @raise ValueError: One is missing or empty; it says which.
    """
    for index, name in enumerate(names):
        if not word(words, index):
            raise ValueError(f"the {name} is missing")
    return words


def without_slot(words: Sequence[str]) -> Sequence[str]:
    """
    @return: The words without the C{SLOT:} number in front, which is a
        shortcut for the id behind it.
    """
    return words[1:] if len(words) > 1 and words[0].startswith("SLOT:") else words
