"""
Updates: everything that can become known of a node, one value each.

They come from the collectors of this node or from a child, change a host in
the hub, and go on to storage and to the next parent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from netstream.model.chart import Chart
from netstream.model.host import Function, Label
from netstream.model.samples import SampleBatch


@frozen
class ChartDefined:
    """
    A chart is new or its definition changed; it stands for the whole of it.
    """

    chart: Chart


@frozen
class ChartForgotten:
    """
    A chart has been obsolete for long, and is known no more.
    """

    chart_id: str


@frozen
class HistorySought:
    """
    What is missing of a chart's past is being asked for.
    """

    chart_id: str


@frozen
class HistoryComplete:
    """
    Nothing is missing of a chart's past any more, as far as it could be had.
    """

    chart_id: str


@frozen
class LabelsReplaced:
    """
    All labels of the host.
    """

    labels: Mapping[str, Label]


@frozen
class VariableSet:
    """
    A variable for health expressions.

    @ivar chart: Chart id, or C{""} for a variable of the host.
    """

    name: str
    value: float
    chart: str = ""


@frozen
class FunctionOffered:
    """
    The node offers a function.
    """

    function: Function


@frozen
class FunctionWithdrawn:
    """
    The node offers a function no more.
    """

    name: str
    chart: str = ""


@frozen
class ClaimSet:
    """
    The id under which the node is known to its owner's cloud, passed on as
    it came; L{None} is none.
    """

    claim_id: str | None


@frozen
class PathKnown:
    """
    The agents that the node's samples pass, origin first: entries of a stream
    path as decoded from JSON.  A child says those up to itself, and perhaps
    more; listeners hear of all.
    """

    entries: tuple[Mapping[str, Any], ...]


Update = (
    ChartDefined
    | ChartForgotten
    | HistorySought
    | HistoryComplete
    | LabelsReplaced
    | VariableSet
    | FunctionOffered
    | FunctionWithdrawn
    | ClaimSet
    | PathKnown
    | SampleBatch
)
