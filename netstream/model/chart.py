"""
Charts and their dimensions.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, IntEnum
from typing import Self

from attrs import field, frozen

from netstream.model.host import Label


class Algorithm(IntEnum):
    """
    How collected integers become stored values.
    """

    ABSOLUTE = 0
    INCREMENTAL = 1
    PERCENTAGE_OF_ABSOLUTE_ROW = 2
    PERCENTAGE_OF_INCREMENTAL_ROW = 3

    @classmethod
    def parse(cls, text: str) -> Self:
        """
        @return: The algorithm of that name; unknown names are absolute, as
            real agents take them.
        """
        return cls.__members__.get(text.upper().replace("-", "_"), cls.ABSOLUTE)

    @property
    def keyword(self) -> str:
        """
        Its name on the wire.
        """
        return self.name.lower().replace("_", "-")


class ChartType(Enum):
    """
    How a chart is drawn.
    """

    LINE = "line"
    AREA = "area"
    STACKED = "stacked"
    HEATMAP = "heatmap"

    @classmethod
    def parse(cls, text: str) -> Self:
        """
        @return: The type of that name; unknown names are lines.
        """
        try:
            return cls(text)
        except ValueError:
            return cls("line")


@frozen
class Dimension:
    """
    One dimension of a chart.

    @ivar id: Key within the chart.
    @ivar name: What is shown; equal to the id if nothing else was given.
    @ivar multiplier: A collected value is multiplied with it; never 0.
    @ivar divisor: And divided by it; never 0.
    @ivar hidden: Not shown, but collected and stored.
    @ivar no_reset: A falling counter is not taken as reset or overflow.
    @ivar obsolete: Not collected any more.
    """

    id: str
    name: str = ""
    algorithm: Algorithm = Algorithm.ABSOLUTE
    multiplier: int = 1
    divisor: int = 1
    hidden: bool = False
    no_reset: bool = False
    obsolete: bool = False

    def __attrs_post_init__(self) -> None:
        if not self.name:
            object.__setattr__(self, "name", self.id)


@frozen
class Chart:
    """
    A chart: the definition of what is collected together.

    @ivar id: C{type.id}; the text before the first dot is the type.
    @ivar name: Full name C{type.name}; equal to the id if none was given.
    @ivar update_every: Seconds between its points.
    @ivar dimensions: By id, in the order of their definition.
    @ivar labels: Chart labels by name.
    @ivar store_first: Its first collection is stored as well.
    """

    id: str
    name: str = ""
    title: str = ""
    units: str = "unknown"
    family: str = ""
    context: str = ""
    chart_type: ChartType = ChartType.LINE
    priority: int = 1000
    update_every: int = 1
    plugin: str = ""
    module: str = ""
    obsolete: bool = False
    detail: bool = False
    store_first: bool = False
    hidden: bool = False
    dimensions: Mapping[str, Dimension] = field(factory=dict)
    labels: Mapping[str, Label] = field(factory=dict)

    def __attrs_post_init__(self) -> None:
        fill = object.__setattr__
        if not self.name:
            fill(self, "name", self.id)
        if not self.family:
            fill(self, "family", self.type)
        if not self.context:
            fill(self, "context", self.id)

    @property
    def type(self) -> str:
        """
        The text of the id before its first dot: the section of a dashboard.
        """
        return self.id.partition(".")[0]
