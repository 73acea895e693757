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
import orjson

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


def _read(text: str) -> Any:
    try:
        return orjson.loads(text)
    except ValueError:  # it holds half of a surrogate pair
        return json.loads(text)


def _text(fields: Mapping[str, Any]) -> str:
    try:
        return orjson.dumps(fields).decode()
    except TypeError:  # an id that is not valid UTF-8
        return json.dumps(fields, separators=(",", ":"))


def _told(value: attrs.AttrsInstance, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """
    @return: The fields of a value that are not as they are by default.
    """
    return {name: said for name, default in defaults.items() if (said := getattr(value, name)) != default}


def _defaults(kind: type[attrs.AttrsInstance], *others: str) -> dict[str, Any]:
    return {a.name: a.default for a in attrs.fields(kind) if a.name not in others}


_CHART = _defaults(Chart, "chart_type", "dimensions", "labels")
_DIMENSION = _defaults(Dimension, "algorithm")


def chart_text(chart: Chart) -> str:
    """
    @return: The definition of a chart as JSON; what is as it is by default is
        left out.
    """
    fields: dict[str, Any] = {"v": VERSION, **_told(chart, _CHART), "chart_type": chart.chart_type.value}
    fields["dimensions"] = {
        name: {**_told(dimension, _DIMENSION), "algorithm": int(dimension.algorithm)}
        for name, dimension in chart.dimensions.items()
    }
    if chart.labels:
        fields["labels"] = {
            name: {"value": label.value, "source": label.source} for name, label in chart.labels.items()
        }
    return _text(fields)


def chart_of(text: str) -> Chart:
    """
    @raise ValueError: The text is not the definition of a chart.
    """
    try:
        fields = _read(text)
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
    return _text({"v": VERSION, **attrs.asdict(record, value_serializer=_plain)})


def host_of(text: str) -> HostRecord:
    """
    @raise ValueError: The text is not the record of a node.
    """
    try:
        fields = _read(text)
        info = _made(HostInfo, fields["info"])
        return HostRecord(info, _labels(fields.get("labels", {})), int(fields.get("connected", 0)))
    except (TypeError, KeyError, AttributeError) as problem:
        raise ValueError(f"not the record of a node: {problem}") from problem
