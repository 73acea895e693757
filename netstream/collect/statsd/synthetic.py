"""
Charts that are made of several metrics.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

from attrs import define, field
from twisted.logger import Logger

from netstream.collect.charts import safe_id
from netstream.collect.program import Number, NumberChart
from netstream.collect.statsd.lines import Kind
from netstream.collect.statsd.metrics import Dictionary, Distribution, Metric
from netstream.collect.statsd.naming import FRACTIONS, GROWING
from netstream.config.synthetic import App, Line, SyntheticChart

_ORDER = {kind: place for place, kind in enumerate(Kind)}
"""Which of several metrics of one name is shown, if they come at once."""

Key = tuple[Kind, bytes]
"""What a metric is known by."""

Make = Callable[[App, SyntheticChart], NumberChart]
"""Makes a chart; it may raise L{ValueError}."""


def dimensions(chart: SyntheticChart, metric: str) -> Iterator[tuple[str, Line]]:
    """
    @return: The dimensions that a metric is in a chart, with their ids.
    """
    # What is named goes before what is found.
    lines = sorted((line for line in chart.lines if line.fits(metric)), key=lambda line: not line.exact)
    counts, numbers = Counter(line.shows for line in lines), Counter[str]()
    for line in lines:
        numbers[line.shows] += 1
        number = str(numbers[line.shows]) if counts[line.shows] > 1 else ""
        yield safe_id(f"{metric}_{line.shows}{number}" if len(lines) > 1 else metric), line


def dimension_name(app: App, line: Line, metric: str) -> str:
    """
    @return: What a dimension is called; C{""} is its id.
    """
    if line.exact and line.name:
        return app.names.get(line.name, line.name)
    called = line.name + line.metrics.starred(metric)
    return app.names.get(called) or app.names.get(metric) or called


def value_of(metric: Metric, shows: str, values: Mapping[str, float]) -> float:
    """
    @param shows: A selector of a line.
    @param values: What was collected of the metric.
    """
    if shows == "events":
        return metric.events
    if isinstance(metric, Dictionary):
        return metric.texts
    if not isinstance(metric, Distribution):
        return next(iter(values.values()))
    match shows:
        case "sum":
            return metric.sum
        case "percentile":
            return values[metric.percentile]
        case "last":
            return values["average"]
        case _:
            return values[shows]


@define(eq=False)
class _Dimension:
    """
    A metric in a chart.

    @ivar late: Whether it grows, and was not there when the chart began.
    """

    number: Number
    shows: str
    late: bool


@define(eq=False)
class _Combined:
    """
    A chart of a file.

    @ivar made: L{None} until one of its metrics came.
    @ivar begun: Whether it was collected.
    @ivar dimensions: By metric and id.
    @ivar touched: Whether one of its metrics came since the last collection.
    """

    app: App
    chart: SyntheticChart
    made: NumberChart | None = None
    begun: bool = False
    dimensions: dict[Key, dict[str, _Dimension]] = field(factory=dict)
    touched: bool = False

    def taken(self, dimension_id: str) -> bool:
        """
        @return: Whether a metric is that dimension: another may have its name
            and be of another kind.
        """
        return any(dimension_id in each for each in self.dimensions.values())

    def all(self) -> Iterator[_Dimension]:
        """
        @return: All dimensions.
        """
        for each in self.dimensions.values():
            yield from each.values()


class Synthetic:
    """
    All charts of the files.
    """

    _log = Logger()

    def __init__(self, apps: Sequence[App], make: Make, most: int, decimals: int) -> None:
        """
        @param most: Dimensions of a chart.
        @param decimals: Digits after the point.
        """
        self._make = make
        self._most = most
        self._decimals = decimals
        self._all = [_Combined(app, chart) for app in apps for chart in app.charts]
        self._fresh: dict[Key, Metric] = {}
        self._of: dict[Key, list[_Combined]] = {}
        self._told: set[object] = set()

    def learn(self, kind: Kind, name: bytes, metric: Metric) -> None:
        """
        A metric is new.
        """
        if self._all:
            self._fresh[kind, name] = metric

    def forget(self, key: Key) -> None:
        """
        A metric is no more.
        """
        self._fresh.pop(key, None)
        for combined in self._of.pop(key, ()):
            for dimension in combined.dimensions.pop(key).values():
                dimension.number.set(None)

    def link(self) -> None:
        """
        Make dimensions of the metrics that are new, in the order of the files.
        """
        fresh, self._fresh = self._fresh, {}
        if not fresh:
            return
        for combined in self._all:
            mine = sorted(
                (key for key in fresh if combined.app.metrics.matches(_text(key))), key=lambda key: _ORDER[key[0]]
            )
            places = {line: place for place, line in enumerate(combined.chart.lines)}
            found = [
                (not line.exact, places[line], key, dimension_id, line)
                for key in mine
                for dimension_id, line in dimensions(combined.chart, _text(key))
            ]
            for _, _, key, dimension_id, line in sorted(found, key=lambda each: each[:2]):
                self._link(combined, key, fresh[key], dimension_id, line)

    def _link(self, combined: _Combined, key: Key, metric: Metric, dimension_id: str, line: Line) -> None:
        if combined.taken(dimension_id):
            return
        made = combined.made
        if made is None:
            try:
                made = combined.made = self._make(combined.app, combined.chart)
            except ValueError as problem:
                self._tell(
                    combined,
                    "{file}: [{chart}]: {problem}",
                    file=combined.app.file,
                    chart=combined.chart.id,
                    problem=problem,
                )
                return
        if len(made.numbers) >= self._most and dimension_id not in made.numbers:
            text = "{chart} has {most} dimensions; others are left out"
            self._tell(made, text, chart=made.chart.id, most=self._most)
            return
        kind, shows = key[0], line.shows
        if not isinstance(metric, Distribution) and shows not in ("last", "events"):
            self._tell(
                (made, line),
                "{chart}: {name} is a {kind}, which has no {shows}; its last value is shown",
                chart=made.chart.id,
                name=_text(key),
                kind=kind.value,
                shows=shows,
            )
        grows = shows == "events" or kind in GROWING
        number = made.dimension(
            dimension_id,
            "incremental" if grows else "absolute",
            name=dimension_name(combined.app, line, _text(key)),
            multiplier=line.multiplier,
            divisor=line.divisor,
            decimals=self._decimals if kind in FRACTIONS and shows != "events" else 0,
            hidden=line.hidden,
        )
        if key not in combined.dimensions:
            combined.dimensions[key] = {}
            self._of.setdefault(key, []).append(combined)
        combined.dimensions[key][dimension_id] = _Dimension(number, shows, grows and combined.begun)

    def set(self, key: Key, metric: Metric, values: Mapping[str, float]) -> None:
        """
        A metric was collected.
        """
        for combined in self._of.get(key, ()):
            combined.touched = combined.touched or metric.touched
            for dimension in combined.dimensions[key].values():
                # Later than its chart, it counts from the next collection on, in which this is the growth.
                late, dimension.late = dimension.late, False
                dimension.number.set(0 if late else value_of(metric, dimension.shows, values))

    def finish(self) -> None:
        """
        All metrics were: make gaps where there shall be some.
        """
        for combined in self._all:
            if combined.app.gaps and not combined.touched:
                for dimension in combined.all():
                    dimension.number.set(None)
            combined.begun = combined.made is not None
            combined.touched = False

    def _tell(self, once: object, text: str, **about: object) -> None:
        if once not in self._told:
            self._told.add(once)
            self._log.warn("statsd: " + text, **about)


def _text(key: Key) -> str:
    return key[1].decode(errors="replace")
