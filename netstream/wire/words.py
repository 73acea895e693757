"""
Lines split into words, and words quoted.

To a parent C{=} separates words as blanks do, so that C{SET "a" = 5} and
C{SET a=5} are equal; to a child only white space does.
"""

from __future__ import annotations

import re

MOST_WORDS = 30
"""What a line has beyond these is dropped, as real agents do."""


def _splitter(separators: str) -> re.Pattern[str]:
    # A backslash protects the character after it and stays in the word.  What is not closed ends with the line.
    return re.compile(
        rf"[{separators}]*(?:"
        r'"((?:[^"\\]|\\.?)*)(?:"|\Z)'
        r"|'((?:[^'\\]|\\.?)*)(?:'|\Z)"
        rf"|((?:[^{separators}\\]|\\.?)+))",
        re.DOTALL,
    )


_BLANKS = " \t\r\n\v\f"
_PARENT = _splitter(_BLANKS + "=")
_CHILD = _splitter(_BLANKS)
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_BARE = re.compile(r"[A-Za-z0-9_.:/+-]+\Z")


def _split(line: str, separators: str, word: re.Pattern[str]) -> list[str]:
    # With nothing but a word at the end there is no place from which to search in vain.
    found = word.findall(line.rstrip(separators))
    return [double or single or plain for double, single, plain in found[:MOST_WORDS]]


def _ordinary(line: str) -> list[str] | None:
    """
    Split a line in a short way, as nearly all allow: no quotes but double
    ones, each with its other, and a blank before each that opens.

    @return: Its words; L{None} if it is not like that.
    """
    if "'" in line or "\\" in line or not line.isprintable():
        return None
    pieces = line.split('"')
    last = len(pieces) - 1
    if last % 2:
        return None
    words: list[str] = []
    for at in range(0, last, 2):
        piece = pieces[at]
        if piece:
            if piece[-1] not in " =":
                return None
            words += piece.replace("=", " ").split()
        words.append(pieces[at + 1])
    words += pieces[last].replace("=", " ").split()
    return words[:MOST_WORDS]


def parent_words(line: str) -> list[str]:
    """
    Split a line from a child, or from a collector, into words.
    """
    words = _ordinary(line)
    return _split(line, _BLANKS + "=", _PARENT) if words is None else words


def child_words(line: str) -> list[str]:
    """
    Split a line from a parent into words.
    """
    return _split(line, _BLANKS, _CHILD)


def clean(text: str) -> str:
    """
    @return: The text with C{_} for each control character, and for each byte
        that was not UTF-8, so that it breaks neither a line nor a log.
    """
    return text if text.isprintable() else _UNSAFE.sub("_", text)


def quote(text: str) -> str:
    """
    Make one quoted word of a text, in the quote that it does not contain.

    There is no escape on the wire: of a text with both quotes the double ones
    become single ones, and a backslash at the end, which would protect the
    closing quote, becomes a slash.
    """
    text = clean(text)
    if (len(text) - len(text.rstrip("\\"))) % 2:
        text = text[:-1] + "/"
    if '"' not in text:
        return f'"{text}"'
    if "'" not in text:
        return f"'{text}'"
    text = text.replace('"', "'")
    return f'"{text}"'


def bare(text: str) -> str:
    """
    @return: The text as a word without quotes if it can be one, else quoted.
    """
    return text if _BARE.match(text) else quote(text)
