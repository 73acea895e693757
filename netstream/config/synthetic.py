"""
Charts that are made of several metrics of statsd: what their files say.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen

from netstream.model.pattern import SimplePattern, pattern

SELECTORS = ("last", "events", "min", "max", "sum", "average", "percentile", "median", "stddev")
"""What of a metric a dimension can show."""


@frozen
class Line:
    """
    A line of a chart::

        dimension = [pattern] METRIC [NAME [TYPE [MULTIPLIER [DIVISOR [OPTIONS]]]]]

    @ivar metrics: Which metrics are a dimension each.
    @ivar exact: Whether that is one, whose name it is.
    @ivar name: Of the dimension, or what it begins with.
    @ivar shows: One of L{SELECTORS}.
    """

    metrics: SimplePattern
    exact: bool
    name: str = ""
    shows: str = SELECTORS[0]
    multiplier: int = 1
    divisor: int = 1
    hidden: bool = False

    def fits(self, metric: str) -> bool:
        """
        @return: Whether a metric is a dimension of it.
        """
        return self.metrics.text == metric if self.exact else self.metrics.matches(metric)


@frozen
class SyntheticChart:
    """
    A section of a file: a chart.

    @ivar id: Without that of the application.
    @ivar name: The same for people; C{""} is the id.
    """

    id: str
    name: str = ""
    title: str = "Statsd chart"
    family: str = "overview"
    context: str = ""
    units: str = "value"
    priority: int = 90_000
    type: str = "line"
    lines: tuple[Line, ...] = ()


@frozen
class App:
    """
    A section C{[app]}, with those that follow it.

    @ivar name: What the ids of its charts begin with.
    @ivar metrics: Which metrics are its own.
    @ivar private: Whether these have charts of their own; L{None} is what
        C{[statsd]} says.
    @ivar gaps: Whether there are gaps where none of a chart's metrics came.
    @ivar names: Names of dimensions by what they are called otherwise.
    @ivar file: Where it is from.
    """

    name: str = "unnamed"
    metrics: SimplePattern = pattern("")
    private: bool | None = None
    gaps: bool = False
    names: Mapping[str, str] = field(factory=dict)
    charts: tuple[SyntheticChart, ...] = ()
    file: str = ""
