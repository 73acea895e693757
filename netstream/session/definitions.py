"""
Charts and dimensions as the wire defines them, both ways.
"""

from __future__ import annotations

from collections.abc import Mapping
from sys import intern

from netstream.model.chart import Algorithm, Chart, ChartType, Dimension
from netstream.model.host import Label
from netstream.wire.capabilities import Capability
from netstream.wire.chart_lines import (
    ChartLabel,
    CommitChartLabels,
    DefineChart,
    DefineDimension,
    SetVariable,
)
from netstream.wire.words import clean

_NO_NAME = frozenset({"", "NULL", "(NULL)"})


def chart_of(
    line: DefineChart, update_every: int, dimensions: Mapping[str, Dimension], labels: Mapping[str, Label]
) -> Chart:
    """
    Read a chart's definition.

    @param update_every: Seconds, for a chart that does not say.
    @param dimensions: Of the chart, by id.
    @param labels: Of the chart, by name.
    """
    chart_id, name = clean(line.id), clean(line.name)
    if name in _NO_NAME:
        name = chart_id
    else:
        section = chart_id.partition(".")[0]
        name = f"{section}.{name.removeprefix(section + '.')}"
    options = line.options
    return Chart(
        id=chart_id,
        name=name,
        title=clean(line.title),
        units=intern(clean(line.units)) or "unknown",
        family=intern(clean(line.family)),
        context=intern(clean(line.context)),
        chart_type=ChartType.parse(line.chart_type),
        priority=line.priority,
        update_every=line.update_every or update_every,
        plugin=intern(clean(line.plugin)),
        module=intern(clean(line.module)),
        obsolete="obsolete" in options,
        detail="detail" in options,
        store_first="store_first" in options,
        hidden="hidden" in options,
        dimensions=dimensions,
        labels=labels,
    )


def chart_line(chart: Chart) -> DefineChart:
    """
    Write the line that begins a chart's definition.
    """
    flags = {
        "obsolete": chart.obsolete,
        "detail": chart.detail,
        "store_first": chart.store_first,
        "hidden": chart.hidden,
    }
    return DefineChart(
        chart.id,
        "" if chart.name == chart.id else chart.name.removeprefix(f"{chart.type}."),
        chart.title,
        chart.units,
        chart.family,
        chart.context,
        chart.chart_type.value,
        chart.priority,
        chart.update_every,
        frozenset(flag for flag, is_set in flags.items() if is_set),
        chart.plugin,
        chart.module,
    )


def dimension_of(line: DefineDimension) -> Dimension:
    """
    Read a dimension's definition.
    """
    return Dimension(
        intern(clean(line.id)),
        intern(clean(line.name)),
        Algorithm.parse(line.algorithm),
        line.multiplier,
        line.divisor,
        "hidden" in line.options,
        bool({"noreset", "nooverflow"} & line.options),
        "obsolete" in line.options,
    )


def dimension_line(dimension: Dimension) -> DefineDimension:
    """
    Write a dimension's definition.
    """
    flags = {"obsolete": dimension.obsolete, "hidden": dimension.hidden, "noreset": dimension.no_reset}
    return DefineDimension(
        dimension.id,
        dimension.name,
        dimension.algorithm.keyword,
        dimension.multiplier,
        dimension.divisor,
        frozenset(flag for flag, is_set in flags.items() if is_set),
    )


def definition(chart: Chart, capabilities: Capability, variables: Mapping[str, float]) -> bytes:
    """
    Write all of a chart's definition that was agreed on.

    @param variables: Of the chart, by name.
    """
    lines = [chart_line(chart).line()]
    if chart.labels and Capability.CLABELS in capabilities:
        lines += [ChartLabel(name, label.value, label.source).line() for name, label in chart.labels.items()]
        lines.append(CommitChartLabels().line())
    lines += [dimension_line(dimension).line() for dimension in chart.dimensions.values()]
    lines += [SetVariable(name, value, True).line() for name, value in variables.items()]
    return b"".join(lines)
