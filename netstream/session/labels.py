"""
The hygiene of labels, which every node applies to what it is told.
"""

from __future__ import annotations

import re
from sys import intern

from netstream.model.host import Label
from netstream.wire.words import clean

LONGEST_NAME = 200
"""Bytes of a label's name."""
LONGEST_VALUE = 800
"""Bytes of a label's value."""

_SOURCES = 0x0F
_BLANKS = re.compile(r"\s+")
_NAME = str.maketrans({**dict.fromkeys("=:+;@()\"'!, \t", "_"), "\\": "/"})
_VALUE = str.maketrans({'"': "_", ";": ":", "=": ":", ",": "."})


def _cut(text: str, longest: int) -> str:
    return text if 4 * len(text) <= longest else text.encode()[:longest].decode("utf-8", "ignore")


def label_name(text: str) -> str:
    """
    @return: The text as the name of a label; C{""} if nothing is left of it.
    """
    return intern(_cut(_BLANKS.sub("_", clean(text).strip()).translate(_NAME), LONGEST_NAME))


def label_value(text: str) -> str:
    """
    @return: The text as the value of a label.
    """
    return _cut(_BLANKS.sub(" ", clean(text)).translate(_VALUE), LONGEST_VALUE).strip()


def label(value: str, source: int) -> Label:
    """
    @param source: Its sources as a peer spelled them; real agents leak other
        bits into it.
    """
    return Label(intern(label_value(value)), source & _SOURCES)
