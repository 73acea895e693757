"""
All commands: which keyword is which line, in each direction.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

from netstream.wire.chart_lines import (
    ChartLabel,
    CommitChartLabels,
    DefineChart,
    DefineDimension,
    EndDefinition,
    SetVariable,
)
from netstream.wire.function_lines import (
    AskProgress,
    CancelFunction,
    FunctionCall,
    FunctionCallWithPayload,
    FunctionProgress,
    FunctionResult,
    JsonPayload,
    Payload,
    RegisterFunction,
    WithdrawFunction,
)
from netstream.wire.host_lines import (
    ClaimedId,
    DefinedHostLabel,
    DefineHost,
    Disable,
    EndHostDefinition,
    Flush,
    HostLabel,
    NodeId,
    OverwriteLabels,
    SelectHost,
)
from netstream.wire.line import Line
from netstream.wire.replication_lines import (
    ReplayBegin,
    ReplayChart,
    ReplayChartState,
    ReplayDimensionState,
    ReplayEnd,
    ReplaySet,
)

__all__ = [
    "TO_CHILD",
    "TO_PARENT",
    "AskProgress",
    "FunctionCall",
    "FunctionCallWithPayload",
    "CancelFunction",
    "ChartLabel",
    "ClaimedId",
    "Command",
    "CommitChartLabels",
    "DefineChart",
    "DefineDimension",
    "DefineHost",
    "DefinedHostLabel",
    "Disable",
    "EndDefinition",
    "EndHostDefinition",
    "Flush",
    "FunctionProgress",
    "FunctionResult",
    "HostLabel",
    "JsonPayload",
    "Line",
    "NodeId",
    "OverwriteLabels",
    "Payload",
    "RegisterFunction",
    "ReplayBegin",
    "ReplayChart",
    "ReplayChartState",
    "ReplayDimensionState",
    "ReplayEnd",
    "ReplaySet",
    "SelectHost",
    "SetVariable",
    "Unknown",
    "WithdrawFunction",
]


@frozen
class Unknown:
    """
    A line whose keyword is none of ours, which newer peers may say.

    @ivar keyword: At most 40 characters of it.
    """

    keyword: str


Command = Line | Unknown


def _by_keyword(*lines: type[Line]) -> Mapping[str, type[Line]]:
    return {line.KEYWORD: line for line in lines}


TO_PARENT = _by_keyword(
    DefineChart,
    ChartLabel,
    CommitChartLabels,
    DefineDimension,
    SetVariable,
    EndDefinition,
    ClaimedId,
    HostLabel,
    OverwriteLabels,
    Flush,
    Disable,
    SelectHost,
    DefineHost,
    DefinedHostLabel,
    EndHostDefinition,
    RegisterFunction,
    WithdrawFunction,
    FunctionResult,
    FunctionProgress,
    JsonPayload,
    ReplayBegin,
    ReplaySet,
    ReplayDimensionState,
    ReplayChartState,
    ReplayEnd,
)
"""
What children and collectors say.  The keywords of the first dynamic
configuration (1.43 and 1.44) are not in it: nothing came of them.
"""

TO_CHILD = _by_keyword(
    ReplayChart,
    FunctionCall,
    FunctionCallWithPayload,
    CancelFunction,
    AskProgress,
    NodeId,
    JsonPayload,
)
"""What parents say."""
