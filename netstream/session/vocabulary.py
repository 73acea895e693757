"""
What definitions have in common, kept once.

The charts of one kind of machine are the same on each, and so are most
dimensions and labels of the charts of one machine.  So most lines of a
definition were read before, and what they said is there.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import evolve

from netstream.model.chart import Chart, Dimension
from netstream.model.host import Label
from netstream.session.definitions import chart_of, dimension_of
from netstream.session.labels import label, label_name
from netstream.wire.chart_lines import ChartLabel, DefineChart, DefineDimension
from netstream.wire.lexicon import Lexicon

MOST = 16_384
"""Values of a kind that are remembered, unless told otherwise."""


class Vocabulary:
    """
    Gives the same value for what was said before, by whichever connection.

    Values are found by the identity of what they were made of, which a
    L{Lexicon} gives to equal lines, and which is kept with them.

    @ivar lexicon: The lines.
    """

    def __init__(self, lexicon: Lexicon | None = None, most: int = MOST) -> None:
        """
        @param most: Values of a kind that are remembered.
        """
        self.lexicon = lexicon or Lexicon()
        self._most = most
        self._dimensions: dict[int, tuple[DefineDimension, Dimension]] = {}
        self._labels: dict[int, tuple[ChartLabel, str, Label]] = {}
        self._heads: dict[tuple[int, int], tuple[DefineChart, Chart]] = {}
        self._charts: dict[tuple[object, ...], tuple[Chart, Chart]] = {}

    def dimension(self, line: DefineDimension) -> Dimension:
        """
        @return: What a line defines.
        """
        known = self._dimensions.get(id(line))
        if known is not None:
            return known[1]
        if len(self._dimensions) >= self._most:
            self._dimensions.clear()
        dimension = dimension_of(line)
        self._dimensions[id(line)] = line, dimension
        return dimension

    def label(self, line: ChartLabel) -> tuple[str, Label]:
        """
        @return: The name of a label, C{""} if it has none, and what it says.
        """
        known = self._labels.get(id(line))
        if known is not None:
            return known[1], known[2]
        if len(self._labels) >= self._most:
            self._labels.clear()
        name, said = label_name(line.key), label(line.value, line.source)
        self._labels[id(line)] = line, name, said
        return name, said

    def head(self, line: DefineChart, update_every: int) -> Chart:
        """
        @param update_every: Seconds, for a chart that does not say.
        @return: What a line defines, without dimensions and labels.
        """
        key = id(line), update_every
        known = self._heads.get(key)
        if known is not None:
            return known[1]
        if len(self._heads) >= self._most:
            self._heads.clear()
        chart = chart_of(line, update_every, {}, {})
        self._heads[key] = line, chart
        return chart

    def chart(self, head: Chart, dimensions: Mapping[str, Dimension], labels: Mapping[str, Label]) -> Chart:
        """
        @param dimensions: By id; not changed afterwards.
        @param labels: By name; not changed afterwards.
        @return: A chart with its dimensions and labels.
        """
        key = (id(head), *map(id, dimensions.values()), *labels, *map(id, labels.values()))
        known = self._charts.get(key)
        if known is not None:
            return known[1]
        if len(self._charts) >= self._most:
            self._charts.clear()
        chart = evolve(head, dimensions=dimensions, labels=labels)
        self._charts[key] = head, chart
        return chart
