"""
What a series is called, for all formats.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from attrs import field, frozen

from netstream.config.settings import ExportTarget
from netstream.model.chart import Algorithm, Chart, Dimension
from netstream.model.host import Label
from netstream.model.naming import name_part, name_start, units_part

COUNTERS = (Algorithm.INCREMENTAL, Algorithm.PERCENTAGE_OF_INCREMENTAL_ROW)
AUTOMATIC, CONFIGURED = 1, 2

_NOT_IN_PATHS = re.compile(r"[^A-Za-z0-9.]")
_NOT_IN_HOSTS = re.compile(r"[^A-Za-z0-9._-]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")


def plain(text: str) -> str:
    """
    @return: The text without control characters, and such that UTF-8 can
        encode it.
    """
    return _SURROGATE.sub("\ufffd", _CONTROL.sub(" ", text))


def path_part(text: str) -> str:
    """
    @return: The text as part of a dotted name: letters, digits and dots.
    """
    return _NOT_IN_PATHS.sub("_", text)


def host_part(text: str) -> str:
    """
    @return: A host name as part of a dotted name.
    """
    return _NOT_IN_HOSTS.sub("_", text) or "_"


def _plain_pairs(labels: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    return tuple((plain(name), plain(value)) for name, value in labels)


@frozen
class Origin:
    """
    The node that a series is of, as a target shall know it.

    @ivar name: What it is called.
    @ivar program: What runs there.
    @ivar version: And which version of it.
    @ivar labels: Names and values of the labels that are sent, in the order
        of the names; control characters become blanks.
    """

    name: str
    program: str = "netstream"
    version: str = ""
    labels: tuple[tuple[str, str], ...] = field(default=(), converter=_plain_pairs)


def sent_labels(labels: Mapping[str, Label], target: ExportTarget) -> tuple[tuple[str, str], ...]:
    """
    @return: Those of a node's labels that a target asks for.
    """
    wanted = CONFIGURED * target.configured_labels | AUTOMATIC * target.automatic_labels
    return tuple(
        sorted((name, label.value) for name, label in labels.items() if name.strip() and label.source & wanted)
    )


@frozen
class Series:
    """
    One series, with what a target calls it.

    @ivar chart_name: Name or id of its chart, which no other chart of the node
        has there.
    @ivar name: Name or id of its dimension, which no other of the chart has
        there.
    """

    chart: Chart
    dimension: Dimension
    chart_name: str
    name: str


def label_key(name: str) -> str:
    """
    @return: The name of a label of a node as that of a Prometheus label; those
        with two underscores belong to Prometheus.
    """
    key = name_start(name)
    return "_" + key.lstrip("_") if key.startswith("__") else key


@frozen
class Naming:
    """
    How a target calls things.

    @ivar prefix: First part of each metric's name.
    @ivar names: Whether charts and dimensions go by their names, not ids.
    @ivar source: C{average}, C{sum} or C{as collected}.
    """

    prefix: str
    names: bool
    source: str

    @classmethod
    def of(cls, target: ExportTarget) -> Naming:
        """
        @return: What a target says.
        """
        return cls(plain(target.prefix), target.names, target.source)

    @property
    def integers(self) -> bool:
        """
        Whether values are collected integers.
        """
        return self.source == "as collected"

    def counts(self, series: Series) -> bool:
        """
        @return: Whether its values only grow, until a reset.
        """
        return self.integers and series.dimension.algorithm in COUNTERS

    def metric(self, series: Series) -> tuple[str, bool]:
        """
        @return: The name of its metric as Prometheus calls it, and whether
            that stands for all dimensions of the chart.
        """
        chart = series.chart
        start = name_start(self.prefix) + "_" if self.prefix else ""
        name = start + (name_part(chart.context) if start else name_start(chart.context))
        if not self.integers:
            units = units_part(chart.units) if self.source == "average" else ""
            return f"{name}{units}_{self.source}", True
        total = "_total" if self.counts(series) and chart.module != "prometheus" else ""
        ways = {(d.algorithm, abs(d.multiplier), abs(d.divisor)) for d in chart.dimensions.values()}
        if len(ways) > 1:
            return f"{name}_{name_part(series.name)}{total}", False
        return name + total, True
