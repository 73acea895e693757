"""
Values of series, and the charts that these are.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from enum import Enum

from attrs import frozen

from netstream.collect.charts import safe_id, safe_name
from netstream.model.chart import Algorithm, Chart, ChartType, Dimension
from netstream.model.host import Label

LONGEST_NAME = 200
"""Characters of the name of a metric, and of the id of a chart."""

MOST_LABELS = 64
LONGEST_LABELS = 4000
"""Characters of all labels of a series."""

DIVISOR = 1000
"""Collected integers are thousandths, for those who cannot take more."""

PRIORITY = 70_000

_AUTOMATIC = 1

Labels = tuple[tuple[str, str], ...]
"""Name and value of each, in the order of names."""


class Kind(Enum):
    """
    How the values of a series are meant.
    """

    GAUGE = "gauge"
    COUNTER = "counter"
    BUCKET = "le"
    QUANTILE = "quantile"


SPECIAL: Mapping[str, Kind] = {Kind.BUCKET.value: Kind.BUCKET, Kind.QUANTILE.value: Kind.QUANTILE}
"""Labels that tell the dimensions of one chart apart."""

GROWING = frozenset({Kind.COUNTER, Kind.BUCKET})
"""Kinds that only ever grow, until they begin anew."""

_COUNTERS = ("_total", "_sum", "_count")

_UNITS = {
    "seconds": "seconds",
    "milliseconds": "milliseconds",
    "bytes": "bytes",
    "bits": "bits",
    "ratio": "ratio",
    "percent": "percentage",
    "celsius": "Celsius",
    "volts": "Volts",
    "amperes": "Ampere",
    "joules": "Joule",
    "watts": "Watt",
    "grams": "grams",
    "meters": "meters",
    "hertz": "Hz",
    "packets": "packets",
    "requests": "requests",
    "connections": "connections",
    "threads": "threads",
}


@frozen
class Series:
    """
    One series.
    """

    name: str
    labels: Labels
    kind: Kind

    @property
    def reasonable(self) -> bool:
        """
        Whether its name and labels are not too long to be kept.
        """
        text = sum(len(name) + len(value) for name, value in self.labels)
        return 0 < len(self.name) <= LONGEST_NAME and len(self.labels) <= MOST_LABELS and text <= LONGEST_LABELS


@frozen
class About:
    """
    What is said of a metric.

    @ivar kind: As exporters say it: C{counter}, C{histogram} and so on.
    """

    kind: str = ""
    help: str = ""
    unit: str = ""


def kind_of(name: str, labels: Mapping[str, str], declared: str = "") -> Kind:
    """
    @param declared: What its exporter calls it; C{""} if nobody knows.
    @return: What a series is, by its name if nobody says.
    """
    if "le" in labels and name.endswith("_bucket"):
        return Kind.BUCKET
    if "quantile" in labels and declared in ("summary", "", "unknown"):
        return Kind.QUANTILE
    if declared in ("gauge", "stateset", "info"):
        return Kind.GAUGE
    if declared == "counter" or name.endswith(_COUNTERS):
        return Kind.COUNTER
    return Kind.GAUGE


def units(name: str, kind: Kind, unit: str = "") -> str:
    """
    @return: Units, as names of metrics tell them.
    """
    if kind is Kind.BUCKET:
        return "observations/s"
    words = re.split("[_:]", name.removesuffix("_total").removesuffix("_sum"))
    found = unit or next((_UNITS[word] for word in reversed(words[-2:]) if word in _UNITS), "")
    if kind is not Kind.COUNTER:
        return found or "value"
    return "events/s" if name.endswith("_count") or not found else f"{found}/s"


def _family(name: str) -> str:
    return "_".join(safe_id(name).split("_")[:2])


def shorter(text: str, distinct: bool = True) -> str:
    """
    @param distinct: Whether nothing else has that id.
    @return: An id that is not too long.
    """
    if distinct and len(text) <= LONGEST_NAME:
        return text
    return f"{text[: LONGEST_NAME - 9]}_{zlib.crc32(text.encode()):08x}"


def chart_labels(series: Series) -> Labels:
    """
    @return: The labels that it has in common with all series of its chart.
    """
    return tuple((name, value) for name, value in series.labels if SPECIAL.get(name) is not series.kind)


def chart_id(section: str, series: Series) -> str:
    """
    @return: The id of the chart that a series belongs to.
    """
    labels = [f"{name}={value}" for name, value in chart_labels(series)]
    return safe_id(f"{safe_name(section).replace('.', '_')}.{'-'.join([series.name, *labels])}")


def dimension_id(series: Series) -> str:
    """
    @return: The id of its dimension.
    """
    value = next((value for name, value in series.labels if SPECIAL.get(name) is series.kind), "")
    return safe_id(f"{series.kind.value}_{value}") if value else safe_id(series.name)


def dimension(series: Series) -> Dimension:
    """
    @return: Its dimension.
    """
    growing = series.kind in GROWING
    return Dimension(
        dimension_id(series),
        algorithm=Algorithm.INCREMENTAL if growing else Algorithm.ABSOLUTE,
        divisor=DIVISOR,
    )


def chart(chart_id: str, series: Series, about: About, update_every: int, plugin: str, module: str) -> Chart:
    """
    @return: Its chart, without dimensions.
    """
    labels = {name: Label(value or "[none]", _AUTOMATIC) for name, value in chart_labels(series)}
    source = {"_collect_plugin": Label(plugin, _AUTOMATIC), "_collect_module": Label(module, _AUTOMATIC)}
    measured = units(series.name, series.kind, about.unit)
    return Chart(
        id=chart_id,
        name=safe_name(chart_id),
        title=" ".join((about.help[:LONGEST_NAME] or f"Metric {series.name}").split()),
        units=measured,
        family=_family(series.name),
        context=f"prometheus.{safe_id(series.name)}",
        chart_type=ChartType.AREA if measured.startswith(("bytes", "bits")) else ChartType.LINE,
        priority=PRIORITY,
        update_every=update_every,
        plugin=plugin,
        module=module,
        labels={**labels, **source},
    )
