"""
The lines with which a parent fetches what it missed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar, Self

from attrs import field, frozen

from netstream.wire.line import Line, needed, without_slot, word
from netstream.wire.numbers import double_or, format_double, integer_or
from netstream.wire.words import quote


@frozen
class ReplayChart(Line):
    """
    From a parent: send what you keep of a chart::

        REPLAY_CHART "id" "true|false" after before

    @ivar start: Begin with live samples after it.
    @ivar after: UTC second before the first one wanted; 0 with C{before} 0
        asks for nothing.
    @ivar before: Last UTC second wanted.
    """

    KEYWORD: ClassVar[str] = "REPLAY_CHART"

    chart: str
    start: bool
    after: int = 0
    before: int = 0

    @classmethod
    def parse(cls, words: Sequence[str]) -> Self:
        words = needed(words, "chart id")
        return cls(words[0], word(words, 1) == "true", integer_or(word(words, 2), 0), integer_or(word(words, 3), 0))

    def words(self) -> tuple[str, ...]:
        return quote(self.chart), f'"{str(self.start).lower()}"', str(self.after), str(self.before)


@frozen
class ReplayBegin(Line):
    """
    What follows is of a chart, or of one second of the chart said before::

        RBEGIN [SLOT:n] "id"
        RBEGIN [SLOT:n] '' start end now

    @ivar chart: C{""} is the chart said before.
    @ivar start: UTC second at which the period of the sample begins; 0 if
        the line only names the chart.
    @ivar end: UTC second of the sample.
    @ivar now: The child's clock, UTC seconds.
    """

    KEYWORD: ClassVar[str] = "RBEGIN"

    chart: str
    start: int = 0
    end: int = 0
    now: int = 0

    @classmethod
    def parse(cls, words: Sequence[str]) -> Self:
        words = without_slot(words)
        return cls(word(words, 0), *(integer_or(word(words, index), 0) for index in range(1, 4)))

    def words(self) -> tuple[str, ...]:
        times = (str(self.start), str(self.end), str(self.now))
        return (quote(self.chart), *times) if self.end else (quote(self.chart),)


@frozen
class ReplaySet(Line):
    """
    A stored value at the second of the L{ReplayBegin} before::

        RSET [SLOT:n] "dim" value "flags"

    @ivar value: NaN in a gap.
    """

    KEYWORD: ClassVar[str] = "RSET"

    dimension: str
    value: float = field(default=math.nan, eq=repr)
    flags: str = ""

    @classmethod
    def parse(cls, words: Sequence[str]) -> Self:
        words = needed(without_slot(words), "dimension id")
        return cls(words[0], double_or(word(words, 1), math.nan), word(words, 2))

    def words(self) -> tuple[str, ...]:
        return quote(self.dimension), format_double(self.value), quote(self.flags)


@frozen
class ReplayDimensionState(Line):
    """
    Where the collection of a dimension stands::

        RDSTATE [SLOT:n] "dim" last_collected_usec collected calculated stored

    @ivar time: Of the last collection, UTC microseconds.
    @ivar collected: Last raw value.
    @ivar calculated: Of an incremental dimension the part of the rate that is
        not stored yet.
    @ivar stored: Last stored value.
    """

    KEYWORD: ClassVar[str] = "RDSTATE"

    dimension: str
    time: int
    collected: int
    calculated: float = field(eq=repr)
    stored: float = field(eq=repr)

    @classmethod
    def parse(cls, words: Sequence[str]) -> Self:
        words = needed(without_slot(words), "dimension id")
        return cls(
            words[0],
            integer_or(word(words, 1), 0),
            integer_or(word(words, 2), 0),
            double_or(word(words, 3), 0.0),
            double_or(word(words, 4), 0.0),
        )

    def words(self) -> tuple[str, ...]:
        return (
            quote(self.dimension),
            str(self.time),
            str(self.collected),
            format_double(self.calculated),
            format_double(self.stored),
        )


@frozen
class ReplayChartState(Line):
    """
    Where the collection of a chart stands::

        RSSTATE last_collected_usec last_updated_usec
    """

    KEYWORD: ClassVar[str] = "RSSTATE"

    collected: int
    updated: int

    @classmethod
    def parse(cls, words: Sequence[str]) -> Self:
        return cls(integer_or(word(words, 0), 0), integer_or(word(words, 1), 0))

    def words(self) -> tuple[str, ...]:
        return str(self.collected), str(self.updated)


@frozen
class ReplayEnd(Line):
    """
    The end of an answer::

        REND update_every first last start after before now

    All but C{start} are UTC seconds, C{update_every} seconds.

    @ivar start: Live samples follow.
    """

    KEYWORD: ClassVar[str] = "REND"

    update_every: int
    first: int
    last: int
    start: bool
    after: int
    before: int
    now: int

    @classmethod
    def parse(cls, words: Sequence[str]) -> Self:
        if len(words) < 7:
            raise ValueError("REND has seven words")
        numbers = [integer_or(text, 0) for text in words]
        return cls(numbers[0], numbers[1], numbers[2], words[3] == "true", numbers[4], numbers[5], numbers[6])

    def words(self) -> tuple[str, ...]:
        numbers = (self.update_every, self.first, self.last, self.after, self.before, self.now)
        texts = [str(number) for number in numbers]
        return (*texts[:3], str(self.start).lower(), *texts[3:])
