"""
What the charts of statsd metrics are called.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from netstream.collect.statsd.lines import Kind

GROWING = frozenset({Kind.COUNTER, Kind.METER, Kind.DICTIONARY})
"""Kinds whose numbers only ever grow."""

FRACTIONS = frozenset({Kind.GAUGE, Kind.COUNTER, Kind.METER, Kind.HISTOGRAM, Kind.TIMER})
"""Kinds whose numbers have digits after the point."""

_APART = re.compile(rb"[._]")
_UNKEPT = re.compile(rb"[^a-z0-9._-]")

FAMILIES: Mapping[Kind, str] = {
    Kind.GAUGE: "gauges",
    Kind.COUNTER: "counters",
    Kind.METER: "meters",
    Kind.HISTOGRAM: "histograms",
    Kind.TIMER: "timers",
    Kind.SET: "sets",
    Kind.DICTIONARY: "dictionaries",
}

UNITS: Mapping[Kind, str] = {
    Kind.GAUGE: "value",
    Kind.COUNTER: "events/s",
    Kind.METER: "events/s",
    Kind.HISTOGRAM: "value",
    Kind.TIMER: "milliseconds",
    Kind.SET: "entries",
    Kind.DICTIONARY: "events/s",
}

TYPES: Mapping[Kind, str] = {
    Kind.GAUGE: "line",
    Kind.COUNTER: "area",
    Kind.METER: "area",
    Kind.HISTOGRAM: "area",
    Kind.TIMER: "area",
    Kind.SET: "line",
    Kind.DICTIONARY: "stacked",
}
"""How each is drawn."""


def kept(text: bytes) -> str:
    """
    @return: The text with C{_} for what an id cannot have.
    """
    return _UNKEPT.sub(b"_", text.lower().replace(b",", b".")).decode()


def chart_id(name: bytes, kind: Kind) -> str:
    """
    @return: The id as agents make it: what is before the first dot or
        underscore of the name is the section.
    """
    section, rest = name, b""
    found = _APART.search(name)
    if found is not None:
        section, rest = name[: found.start()], name[found.end() :]
    last = f"{kept(rest)}_{kind.value}" if rest else kind.value
    return f"statsd_{kept(section)}.{last}"
