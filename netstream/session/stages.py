"""
Which line of a chart's definition may come when.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto

from netstream.wire.chart_lines import (
    ChartLabel,
    CommitChartLabels,
    DefineChart,
    DefineDimension,
    EndDefinition,
)
from netstream.wire.line import Line


class Stage(Enum):
    """
    Where the definition of charts stands.
    """

    START = auto()
    """No chart was named yet."""
    DEFINITION = auto()
    """A chart is being defined."""
    LABELS = auto()
    """And some of its labels wait for their commit."""
    CHART = auto()
    """A chart is current and its definition complete."""

    __hash__ = object.__hash__  # there is one of each, and that of L{Enum} is slow


NEXT: Mapping[tuple[Stage, type[Line]], Stage] = {
    (Stage.START, DefineChart): Stage.DEFINITION,
    (Stage.DEFINITION, DefineChart): Stage.DEFINITION,
    (Stage.LABELS, DefineChart): Stage.DEFINITION,
    (Stage.CHART, DefineChart): Stage.DEFINITION,
    (Stage.DEFINITION, DefineDimension): Stage.DEFINITION,
    (Stage.LABELS, DefineDimension): Stage.LABELS,
    (Stage.CHART, DefineDimension): Stage.DEFINITION,
    (Stage.DEFINITION, ChartLabel): Stage.LABELS,
    (Stage.LABELS, ChartLabel): Stage.LABELS,
    (Stage.CHART, ChartLabel): Stage.LABELS,
    (Stage.LABELS, CommitChartLabels): Stage.DEFINITION,
    (Stage.DEFINITION, EndDefinition): Stage.CHART,
    (Stage.LABELS, EndDefinition): Stage.CHART,
    (Stage.CHART, EndDefinition): Stage.CHART,
}
"""Which line of a definition may come when, and what is then."""

MISSING = {
    DefineDimension: "a dimension without a chart",
    ChartLabel: "a chart label without a chart",
    CommitChartLabels: "a commit without a chart label",
    EndDefinition: "the end of a definition without a chart",
}
"""What is wrong with a line that L{NEXT} does not have."""
