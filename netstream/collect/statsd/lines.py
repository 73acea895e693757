"""
The lines of statsd.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from enum import Enum

from attrs import field, frozen

LONGEST_LINE = 4096
"""Bytes of a line."""

LONGEST_NAME = 200
"""Bytes of the name of a metric."""

LEAST_RATE = 0.001
"""The smallest sampling rate that is heeded."""

_TAGS = (b"units", b"name", b"family")
"""Tags that mean something here."""


class Kind(Enum):
    """
    What a metric is; its value is the word in the ids of charts.
    """

    GAUGE = "gauge"
    COUNTER = "counter"
    METER = "meter"
    HISTOGRAM = "histogram"
    TIMER = "timer"
    SET = "set"
    DICTIONARY = "dictionary"


KINDS: Mapping[bytes, Kind] = {
    b"g": Kind.GAUGE,
    b"c": Kind.COUNTER,
    b"C": Kind.COUNTER,
    b"m": Kind.METER,
    b"h": Kind.HISTOGRAM,
    b"ms": Kind.TIMER,
    b"s": Kind.SET,
    b"d": Kind.DICTIONARY,
}
"""By their word on the wire."""

_TEXTS = frozenset({Kind.SET, Kind.DICTIONARY})
"""Kinds whose values are texts, not numbers."""

_COUNTS = frozenset({Kind.COUNTER, Kind.METER})
"""Kinds whose value may be left out."""


@frozen
class Said:
    """
    One line::

        name [: value ...] [| kind [|@rate] [|#tag:value,...]]

    @ivar value: As it was written, or C{1}; of numbers several are possible.
    @ivar rate: How many of all were sent, from L{LEAST_RATE} to 1.
    @ivar tags: Those that mean something here.
    """

    name: bytes
    kind: Kind
    value: bytes
    rate: float = 1.0
    tags: Mapping[str, str] = field(factory=dict)


def number(text: bytes) -> float:
    """
    @raise ValueError: It is not a finite number.
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if b"_" in text or not math.isfinite(value):
        raise ValueError("the value is not a number")
    return value


def each_of(value: bytes) -> Iterable[bytes]:
    """
    @return: The values that stand in one line, divided by colons.
    """
    return value.split(b":") if b":" in value else (value,)


def parse(line: bytes) -> Said:
    """
    Read one line.

    @raise ValueError: It makes no sense.
    """
    if len(line) > LONGEST_LINE:
        raise ValueError(f"a line of more than {LONGEST_LINE} bytes")
    head, *parts = line.split(b"|")
    colon = head.find(b":")
    name, value = (head, b"") if colon < 0 else (head[:colon], head[colon + 1 :])
    equals = name.find(b"=")
    if equals >= 0:
        name, value = head[:equals], head[equals + 1 :]
    name = name.strip()
    if not 0 < len(name) <= LONGEST_NAME:
        raise ValueError(f"a metric has a name of 1 to {LONGEST_NAME} bytes")
    kind = KINDS.get(parts[0] or b"m") if parts else Kind.METER
    if kind is None:
        raise ValueError(f"the kind is none of {', '.join(word.decode() for word in KINDS)}")
    rate = 1.0
    tags: dict[str, str] = {}
    for part in parts[1:]:
        if part.startswith(b"@"):
            rate = number(part[1:])
            if rate <= 0:
                raise ValueError("the sampling rate is not above 0")
            rate = max(LEAST_RATE, min(1.0, rate))
        elif part.startswith(b"#"):
            tags = _tags(part[1:])
    value = value.strip() or (b"1" if kind in _COUNTS else b"")
    if not value:
        raise ValueError("there is no value")
    if kind not in _TEXTS:
        for each in each_of(value):
            number(each)
    return Said(name, kind, value, rate, tags)


def _tags(text: bytes) -> dict[str, str]:
    tags = {}
    for tag in text.split(b","):
        name, _, value = tag.partition(b":")
        if name.strip() in _TAGS and value.strip():
            tags[name.strip().decode()] = value.strip().decode(errors="replace")[:LONGEST_NAME]
    return tags
