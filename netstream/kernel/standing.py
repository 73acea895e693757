"""
Where the collection of a chart stands, as a child says at the end of an answer
about its past.

These lines come once a connection for each dimension of each chart, which is
most of what a child says when it connects; so they are read here, but not
remembered.
"""

from array import array

try:
    import cython
except ImportError:
    from netstream.kernel import uncompiled as cython

from netstream.kernel.numbers import Reader
from netstream.kernel.tables import Tables

if not cython.compiled:
    from netstream.kernel.interpolate import SECOND, take_over, take_over_dimension
    from netstream.kernel.tables import same

LAST = 10**17
"""No time is later, in microseconds."""
_DIMENSION = b"RDSTATE "
_CHART = b"RSSTATE "
_SHORTEST = 8
"""Bytes of either keyword, with the blank behind it."""


class Standing:
    """
    What the answer that is being read says of the collection of its chart.

    @ivar updated: Time of the chart's last point, microseconds; 0 if that was
        not told.
    @ivar torn: Whether it was told in the middle of a collection.
    @ivar count: How many dimensions are noted.
    """

    __slots__ = (
        "reader",
        "tables",
        "updated",
        "torn",
        "count",
        "of_dimension",
        "of_chart",
        "noted",
        "times",
        "values",
    )

    def __init__(self, tables: Tables, reader: Reader) -> None:
        """
        @param reader: Has the text that is read.
        """
        self.reader = reader
        self.tables = tables
        self.updated = 0
        self.torn = False
        self.count = 0
        self.of_dimension = _DIMENSION
        self.of_chart = _CHART
        self.noted = array("i", bytes(4 * 4))
        self.times = array("q", bytes(8 * 4))
        self.values = array("d", bytes(8 * 4))

    def clear(self) -> int:
        """
        Another answer begins.
        """
        self.updated = 0
        self.torn = False
        self.count = 0
        return 0

    def reserve(self, count: int) -> int:
        """
        Make room for a chart of so many dimensions.
        """
        if count > len(self.noted):
            self.noted = array("i", bytes(self.noted) + bytes(4 * count))
            self.times = array("q", bytes(self.times) + bytes(8 * count))
            self.values = array("d", bytes(self.values) + bytes(8 * count))
        return 0

    def read(self, chart: int, at: int, end: int) -> int:
        """
        Consume a line, if it is one of these and written as usual.

        @param chart: That of the answer.
        @param end: Where the last whole line ends.
        @return: Offset of the next line; -1 if it is not.
        """
        text = self.reader.text
        if end - at <= _SHORTEST:
            return -1
        self.reader.good = True
        if same(text, at, self.of_dimension, 0, _SHORTEST):
            at = after_slot(text, at + _SHORTEST)
            if text[at] != 34 and text[at] != 39:
                return -1
            stop = end_of_quoted(text, at)
            if text[stop] == 10 or text[stop + 1] != 32:
                return -1
            number = self.tables.seek_dimension(chart, text, at + 1, stop)
            if not number:
                return -1
            self.reader.at = stop + 2
            time = self.reader.integer()
            if text[self.reader.at] != 32:
                return -1
            self.reader.at += 1
            collected = self.reader.integer()
            if text[self.reader.at] != 32:
                return -1
            self.reader.at += 1
            calculated = self.reader.real()
            if text[self.reader.at] != 32:
                return -1
            self.reader.at += 1
            stored = self.reader.real()
            if text[self.reader.at] != 10 or not self.reader.good:
                return -1
            self.dimension(number, time, collected, calculated, stored)
        elif same(text, at, self.of_chart, 0, _SHORTEST):
            self.reader.at = at + _SHORTEST
            time = self.reader.integer()
            if text[self.reader.at] != 32:
                return -1
            self.reader.at += 1
            updated = self.reader.integer()
            if text[self.reader.at] != 10 or not self.reader.good:
                return -1
            self.chart(chart, time, updated)
        else:
            return -1
        return self.reader.at + 1

    def dimension(self, number: int, time: int, collected: int, calculated: float, stored: float) -> int:
        """
        Go on with a dimension where the child is.

        @param time: Of its last collection, microseconds; 0 or less if there
            was none.
        @param collected: Integer collected last.
        @param calculated: What was calculated of it; of an incremental
            dimension, what is not stored yet.
        @param stored: Its last stored value.
        """
        if time <= 0:
            return 0
        if calculated - calculated != 0.0:
            calculated = 0.0
        take_over_dimension(self.tables.dimensions + number, collected, calculated)
        if self.count < len(self.noted):  # a child may say it again and again
            self.noted[self.count] = number
            self.times[self.count] = time
            self.values[self.count] = stored
            self.count += 1
        return 0

    def chart(self, number: int, collected_at: int, updated_at: int) -> int:
        """
        Go on with a chart where the child is.

        A real agent takes no lock to tell it.  In the middle of a collection
        the time of that is told already, and what it stores of it not yet: it
        comes neither in the answer nor in a live sample, since these begin
        with the next collection.

        @param collected_at: Time of its last collection, microseconds; 0 is
            taken for a time that cannot be.
        @param updated_at: Time of its last point; the same.
        """
        period = (self.tables.charts + number).period * SECOND
        collected_at = collected_at if 0 < collected_at < LAST else 0
        updated_at = updated_at if 0 < updated_at < LAST else 0
        self.updated = updated_at
        self.torn = 0 < updated_at <= collected_at - period
        if self.torn:
            # No point is due before the collection upon which the next one follows.
            updated_at = collected_at - collected_at % period
        take_over(self.tables.charts + number, collected_at, updated_at)
        return 0

    def told(self) -> list[tuple[int, int, float]]:
        """
        @return: Of each dimension its number in the columns, the time of its
            last collection in microseconds, and its last stored value.
        """
        found: list[tuple[int, int, float]] = []
        for index in range(self.count):
            series = (self.tables.dimensions + self.noted[index]).series
            found.append((series, self.times[index], self.values[index]))
        return found


def after_slot(text: bytes, at: int) -> int:
    """
    @param at: Where the words of a line begin.
    @return: Where the first one begins that is not the C{SLOT:} of the line.
    """
    if text[at] != 83:
        return at
    while text[at] > 32:
        at += 1
    return at + 1 if text[at] == 32 else at


def end_of_quoted(text: bytes, at: int) -> int:
    """
    @param at: Where a quote is.
    @return: Where the other one is; that of the newline if there is none, or
        if something between them has a meaning of its own.
    """
    quote = text[at]
    at += 1
    while text[at] != quote and text[at] != 10:
        if text[at] == 92:
            while text[at] != 10:
                at += 1
            return at
        at += 1
    return at
