"""
Who times the collections of version 1 lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_BEGIN = re.compile(rb"^BEGIN ([\"'])(.*?)\1 [0-9]+$", re.MULTILINE)


class Resync:
    """
    Leaves the first collections of each chart on a connection to the parent's
    clock.

    A version 1 line says how long ago the collection before was.  A parent
    that was without us for a while would take that one for the last it has,
    and put the samples in the past; told nothing (C{0}), it takes its own
    clock.
    """

    def __init__(self, iterations: int) -> None:
        """
        @param iterations: Collections of each chart; 0 leaves all lines as they
            are.
        """
        self._iterations = iterations
        self._left: dict[bytes, int] = {}

    def begin(self, chart: str) -> None:
        """
        A chart was defined for the first time on the connection.
        """
        if self._iterations:
            self._left[chart.encode("utf-8", "surrogateescape")] = self._iterations

    def leave_gap(self, charts: Iterable[str]) -> None:
        """
        Collections were left out: what follows upon them cannot be told from
        how long after them it is.
        """
        for chart in charts:
            name = chart.encode("utf-8", "surrogateescape")
            self._left[name] = max(1, self._left.get(name, 0))

    def apply(self, lines: bytes) -> bytes:
        """
        @param lines: Whole blocks.
        @return: The same, with no duration where the parent's clock is to be
            taken.
        """
        return _BEGIN.sub(self._begin, lines) if self._left else lines

    def _begin(self, found: re.Match[bytes]) -> bytes:
        chart = found[2]
        left = self._left.get(chart)
        if left is None:
            return found[0]
        if left == 1:
            del self._left[chart]
        else:
            self._left[chart] = left - 1
        return b"BEGIN %s%s%s 0" % (found[1], chart, found[1])
