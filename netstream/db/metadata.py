"""
Nodes and charts as JSON text, the form in which they are kept.

The text carries a version; fields that are unknown are left out and missing
ones take their default, so that a newer and an older program read each other.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import Enum
from typing import Any, TypeVar

import attrs

from netstream.db.interfaces import HostRecord
from netstream.model.chart import Algorithm, Chart, ChartType, Dimension
from netstream.model.host import HostInfo, Label

VERSION = 1

_T = TypeVar("_T")


def _plain(instance: Any, attribute: Any, value: Any) -> Any:
    return value.value if isinstance(value, Enum) else value


def _made(kind: type[_T], fields: Mapping[str, Any], **instead: Any) -> _T:
    known = {a.name for a in attrs.fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: value for name, value in fields.items() if name in known}, **instead)


def _labels(fields: Mapping[str, Any]) -> dict[str, Label]:
    return {name: _made(Label, label) for name, label in fields.items()}


def _text(value: attrs.AttrsInstance) -> str:
    return json.dumps({"v": VERSION, **attrs.asdict(value, value_serializer=_plain)}, separators=(",", ":"))


def chart_text(chart: Chart) -> str:
    """
    @return: The definition of a chart as JSON.
    """
    return _text(chart)


def chart_of(text: str) -> Chart:
    """
    @raise ValueError: The text is not the definition of a chart.
    """
    try:
        fields = json.loads(text)
        dimensions = {
            name: _made(
                Dimension,
                {k: v for k, v in dimension.items() if k != "algorithm"},
                algorithm=Algorithm(dimension.get("algorithm", 0)),
            )
            for name, dimension in fields.pop("dimensions", {}).items()
        }
        chart_type = ChartType.parse(fields.pop("chart_type", ""))
        labels = _labels(fields.pop("labels", {}))
        return _made(Chart, fields, dimensions=dimensions, chart_type=chart_type, labels=labels)
    except (TypeError, KeyError, AttributeError) as problem:
        raise ValueError(f"not the definition of a chart: {problem}") from problem


def host_text(record: HostRecord) -> str:
    """
    @return: A node's record as JSON.
    """
    return _text(record)


def host_of(text: str) -> HostRecord:
    """
    @raise ValueError: The text is not the record of a node.
    """
    try:
        fields = json.loads(text)
        info = _made(HostInfo, fields["info"])
        return HostRecord(info, _labels(fields.get("labels", {})), int(fields.get("connected", 0)))
    except (TypeError, KeyError, AttributeError) as problem:
        raise ValueError(f"not the record of a node: {problem}") from problem
