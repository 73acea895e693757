"""
The lines that define a chart.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar, Self

from attrs import field, frozen

from netstream.wire.line import Line, Plain, needed, without_slot, word
from netstream.wire.numbers import double_or, format_double, integer_or
from netstream.wire.words import bare, quote

_CHART_OPTIONS = ("obsolete", "detail", "store_first", "hidden")
_DIMENSION_OPTIONS = ("obsolete", "hidden", "noreset")


def _options(text: str) -> frozenset[str]:
    return frozenset(text.replace(",", " ").split())


def _spelled(options: frozenset[str], known: Sequence[str]) -> str:
    # Options that are not set leave their blanks, as real agents write them.
    return quote(" ".join(option if option in options else "" for option in known))


@frozen
class DefineChart(Line):
    """
    The begin of a chart's definition; the chart is current for what follows::

        CHART [SLOT:n] "type.id" "name" "title" "units" "family" "context"
            "charttype" priority update_every "options" "plugin" "module"

    @ivar name: As written, with or without the type; C{""} if there is none.
    @ivar update_every: Seconds; 0 is that of the connection.
    @ivar options: Words out of C{obsolete detail store_first hidden}.
    """

    KEYWORD: ClassVar[str] = "CHART"

    id: str
    name: str = ""
    title: str = ""
    units: str = ""
    family: str = ""
    context: str = ""
    chart_type: str = "line"
    priority: int = 1000
    update_every: int = 0
    options: frozenset[str] = frozenset()
    plugin: str = ""
    module: str = ""

    @classmethod
    def parse(cls, words: Sequence[str]) -> Self:
        words = needed(without_slot(words), "chart id")
        section, _, rest = words[0].partition(".")
        if not section or not rest:
            raise ValueError("a chart id is of the form type.id")
        return cls(
            words[0],
            word(words, 1),
            word(words, 2),
            word(words, 3),
            word(words, 4),
            word(words, 5),
            word(words, 6) or "line",
            integer_or(word(words, 7), 1000),
            max(0, min(integer_or(word(words, 8), 0), 86400)),
            _options(word(words, 9)),
            word(words, 10),
            word(words, 11),
        )

    def words(self) -> tuple[str, ...]:
        return (
            quote(self.id),
            quote(self.name),
            quote(self.title),
            quote(self.units),
            quote(self.family),
            quote(self.context),
            quote(self.chart_type),
            str(self.priority),
            str(self.update_every),
            _spelled(self.options, _CHART_OPTIONS),
            quote(self.plugin),
            quote(self.module),
        )


@frozen
class ChartLabel(Line):
    """
    A label of the current chart::

        CLABEL "key" "value" source
    """

    KEYWORD: ClassVar[str] = "CLABEL"

    key: str
    value: str
    source: int = 1

    @classmethod
    def parse(cls, words: Sequence[str]) -> Self:
        words = needed(words, "label name")
        return cls(words[0], word(words, 1), integer_or(word(words, 2), 1))

    def words(self) -> tuple[str, ...]:
        return quote(self.key), quote(self.value), str(self.source)


@frozen
class CommitChartLabels(Plain):
    """
    The labels since the last commit are all that the chart has::

        CLABEL_COMMIT
    """

    KEYWORD: ClassVar[str] = "CLABEL_COMMIT"


@frozen
class DefineDimension(Line):
    """
    A dimension of the current chart::

        DIMENSION [SLOT:n] "id" "name" "algorithm" multiplier divisor "options"

    @ivar options: Words out of C{obsolete hidden noreset}.
    """

    KEYWORD: ClassVar[str] = "DIMENSION"

    id: str
    name: str = ""
    algorithm: str = "absolute"
    multiplier: int = 1
    divisor: int = 1
    options: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, words: Sequence[str]) -> Self:
        words = needed(without_slot(words), "dimension id")
        return cls(
            words[0],
            word(words, 1),
            word(words, 2) or "absolute",
            integer_or(word(words, 3), 1) or 1,
            integer_or(word(words, 4), 1) or 1,
            _options(word(words, 5)),
        )

    def words(self) -> tuple[str, ...]:
        return (
            quote(self.id),
            quote(self.name),
            quote(self.algorithm),
            str(self.multiplier),
            str(self.divisor),
            _spelled(self.options, _DIMENSION_OPTIONS),
        )


@frozen
class SetVariable(Line):
    """
    A variable for health expressions, of the host or of the current chart::

        VARIABLE [HOST|GLOBAL|CHART|LOCAL] name = value

    @ivar chart: L{True} for the current chart, L{False} for the host, L{None}
        if it was not said: the chart if there is one.
    @ivar value: NaN if it was not readable.
    """

    KEYWORD: ClassVar[str] = "VARIABLE"

    name: str
    value: float = field(eq=repr)
    chart: bool | None = None

    @classmethod
    def parse(cls, words: Sequence[str]) -> Self:
        scope = {"HOST": False, "GLOBAL": False, "CHART": True, "LOCAL": True}.get(word(words, 0))
        words = needed(words if scope is None else words[1:], "variable name")
        return cls(words[0], double_or(word(words, 1), math.nan), scope)

    def words(self) -> tuple[str, ...]:
        scope = {None: (), False: ("HOST",), True: ("CHART",)}[self.chart]
        return (*scope, bare(self.name), "=", format_double(self.value))


@frozen
class EndDefinition(Line):
    """
    The end of a chart's definition, with what the child keeps of it; sent if
    replication was agreed on::

        CHART_DEFINITION_END first last now

    @ivar first: Its oldest sample, UTC seconds; 0 is none.
    @ivar last: Its newest sample, UTC seconds; 0 is none.
    @ivar now: The child's clock, UTC seconds; 0 if it was not said.
    """

    KEYWORD: ClassVar[str] = "CHART_DEFINITION_END"

    first: int = 0
    last: int = 0
    now: int = 0

    @classmethod
    def parse(cls, words: Sequence[str]) -> Self:
        return cls(*(integer_or(word(words, index), 0) for index in range(3)))

    def words(self) -> tuple[str, ...]:
        return str(self.first), str(self.last), str(self.now)
