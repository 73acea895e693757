"""
Charts and dimensions as the wire defines them, both ways.
"""

from __future__ import annotations

from collections.abc import Mapping

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
    section = chart_id.partition(".")[0]
    name = chart_id if name in _NO_NAME else f"{section}.{name.removeprefix(section + '.')}"
    return Chart(
        id=chart_id,
        name=name,
        title=clean(line.title),
        units=clean(line.units) or "unknown",
        family=clean(line.family),
        context=clean(line.context),
        chart_type=ChartType.parse(line.chart_type),
        priority=line.priority,
        update_every=line.update_every or update_every,
        plugin=clean(line.plugin),
        module=clean(line.module),
        obsolete="obsolete" in line.options,
        detail="detail" in line.options,
        store_first="store_first" in line.options,
        hidden="hidden" in line.options,
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
        clean(line.id),
        clean(line.name),
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
