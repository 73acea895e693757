"""
The C{lookup} lines of alert definitions.
"""

from __future__ import annotations

import re
from typing import Self

from attrs import frozen

from netstream.config.values import duration
from netstream.db.aggregations import method_of
from netstream.model.pattern import SimplePattern

_METHOD = re.compile(r"\s*([A-Za-z][A-Za-z0-9_-]*)\s*(?:\(([^()]*)\))?\s+(.*)\Z", re.DOTALL)

_OPTIONS = {
    "absolute": "absolute",
    "abs": "absolute",
    "absolute_sum": "absolute",
    "absolute-sum": "absolute",
    "min2max": "min2max",
    "average": "average",
    "min": "min",
    "max": "max",
    "sum": "sum",
    "null2zero": "null2zero",
    "percentage": "percentage",
    "unaligned": "unaligned",
    "anomaly-bit": "anomaly-bit",
    "match-ids": "match-ids",
    "match_ids": "match-ids",
    "match-names": "match-names",
    "match_names": "match-names",
}
FOLDS = ("min2max", "average", "min", "max", "sum")
"""How the dimensions of a chart can become one number; C{sum} if nothing is said."""


@frozen
class Lookup:
    """
    A question to the database that has one number as its answer.

    @ivar method: Time aggregation, in lower case.
    @ivar condition: Argument of the method, such as a condition of C{countif}.
    @ivar after: Seconds, negative, counted from C{before}.
    @ivar before: Seconds, negative or 0, counted from now.
    @ivar every: Seconds between two evaluations; 0 if the line does not say.
    @ivar options: Canonical names.
    @ivar dimensions: What stands behind C{of}; C{""} is all.
    @ivar foreach: What stands behind C{foreach}: patterns of dimensions of
        which each gets an alert of its own.
    """

    method: str
    condition: str
    after: int
    before: int
    every: int
    options: frozenset[str]
    dimensions: str = ""
    foreach: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """
        @raise ValueError: It is no lookup; the message says what would be.
        """
        found = _METHOD.match(text + " ")
        if found is None:
            raise ValueError("is not of the form METHOD AFTER [at BEFORE] [every DURATION] [OPTIONS] [of DIMENSIONS]")
        method, condition = found[1].lower(), (found[2] or "").strip()
        words = found[3].split()
        method_of(method, condition)
        if not words:
            raise ValueError(f"says no time after {method!r}, such as '-1m'")
        after = _relative(words.pop(0))
        if not after:
            raise ValueError("looks at no time at all; write for instance '-1m'")
        before = every = 0
        options: set[str] = set()
        dimensions = foreach = ""
        while words:
            word = words.pop(0).lower()
            if word in ("of", "foreach"):
                rest: list[str] = []
                while words and not (words[0].lower() in ("of", "foreach") and rest):
                    rest.append(words.pop(0))
                if not rest:
                    raise ValueError(f"says no dimensions after {word!r}")
                listed = " ".join(rest)
                if word == "of":
                    dimensions = "" if listed.strip().lower() in ("all", "*") else listed
                else:
                    foreach = listed
            elif word in ("at", "every"):
                if not words:
                    raise ValueError(f"says no time after {word!r}")
                value = words.pop(0)
                if word == "at":
                    before = _relative(value)
                else:
                    every = abs(round(duration(value)))
            elif word in _OPTIONS:
                options.add(_OPTIONS[word])
            else:
                raise ValueError(f"{word!r} is no option of a lookup; known are {', '.join(sorted(_OPTIONS))}")
        return cls(method, condition, after, before, every, frozenset(options), dimensions, foreach)

    @property
    def fold(self) -> str:
        """
        How dimensions become one number: one of L{FOLDS}.
        """
        return next((fold for fold in FOLDS if fold in self.options), "sum")

    @property
    def pattern(self) -> SimplePattern | None:
        """
        The dimensions; L{None} is all.
        """
        return SimplePattern.parse(self.dimensions, ",| \t") if self.dimensions else None

    @property
    def option_words(self) -> str:
        """
        The options in the order in which agents name them.
        """
        return " ".join(dict.fromkeys(name for name in _OPTIONS.values() if name in self.options))


def _relative(text: str) -> int:
    return -abs(round(duration(text)))
