"""
A host made of updates alone, to compare hosts by.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from attrs import define, field

from netstream.model.chart import Chart
from netstream.model.host import Function, Label
from netstream.model.samples import SampleBatch
from netstream.model.updates import (
    ChartDefined,
    ClaimSet,
    FunctionOffered,
    FunctionWithdrawn,
    LabelsReplaced,
    PathKnown,
    Update,
    VariableSet,
)

Sample = tuple[int, int, float, int]


@define
class HostModel:
    """
    What updates say of a host.

    @ivar samples: Of each series, the time, collected value, value and flags of
        each.
    @ivar lines: All version 1 lines.
    """

    charts: dict[str, Chart] = field(factory=dict)
    labels: Mapping[str, Label] = field(factory=dict)
    variables: dict[tuple[str, str], float] = field(factory=dict)
    functions: dict[tuple[str, str], Function] = field(factory=dict)
    claimed: list[str | None] = field(factory=list)
    path: tuple[Mapping[str, Any], ...] = ()
    samples: dict[tuple[str, str], list[Sample]] = field(factory=dict)
    lines: bytes = b""

    def apply(self, update: Update) -> None:
        match update:
            case SampleBatch():
                self._samples(update)
            case ChartDefined(chart):
                self.charts[chart.id] = chart
            case LabelsReplaced(labels):
                self.labels = labels
            case VariableSet(name, value, chart_id):
                self.variables[chart_id, name] = value
            case FunctionOffered(function):
                self.functions[function.chart, function.name] = function
            case FunctionWithdrawn(name, chart_id):
                del self.functions[chart_id, name]
            case ClaimSet(claim_id):
                self.claimed.append(claim_id)
            case PathKnown(entries):
                self.path = entries

    def _samples(self, batch: SampleBatch) -> None:
        self.lines += batch.lines or b""
        columns = (batch.series, batch.time, batch.collected, batch.value, batch.flags)
        for number, *sample in zip(*(column.tolist() for column in columns), strict=True):
            chart_id, dimension = batch.table[number]
            if dimension not in self.charts[chart_id].dimensions:
                raise AssertionError(f"a sample of {chart_id}.{dimension} came before its definition")
            self.samples.setdefault((chart_id, dimension), []).append(tuple(sample))


def model(updates: Iterable[Update]) -> HostModel:
    """
    @return: The host that the updates make.
    """
    host = HostModel()
    for update in updates:
        host.apply(update)
    return host


def told(updates: Iterable[Update]) -> list[object]:
    """
    @return: The updates in a form that can be compared, stretches of samples
        joined.
    """
    found: list[object] = []
    for update in updates:
        if not isinstance(update, SampleBatch):
            found.append(update)
            continue
        columns = [update.series, update.time, update.collected, update.value, update.flags]
        pieces = [np.asarray(column).tobytes() for column in columns] + [update.lines or b""]
        if found and isinstance(found[-1], list):
            pieces = [old + new for old, new in zip(found.pop(), pieces, strict=True)]  # type: ignore[call-overload]
        found.append(pieces)
    return found
