"""
What became of the metrics of statsd since the last time they were collected.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt

from netstream.collect.charts import safe_id
from netstream.collect.statsd.lines import LONGEST_LINE, LONGEST_NAME, Kind, Said, each_of, number, parse
from netstream.config.feeds import StatsdSettings

MOST_KEPT = 1_000_000
"""Values and texts that are kept until the next collection."""

MOST_KNOWN = 10_000
"""Beginnings and ends of lines that need not be read again."""

_LONGEST_KNOWN = 400
"""Bytes of both."""

OTHER = "other"
"""The dimension of a dictionary for texts that have none of their own."""

EVENTS = "events"
"""The dimension that counts lines."""


class Budget:
    """
    How much may be kept until the next collection, by all metrics together.

    @ivar refused: How much was not kept so far.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._left = most
        self.refused = 0

    def take(self) -> bool:
        """
        @return: Whether one more may be kept, which it is then.
        """
        if self._left <= 0:
            self.refused += 1
            return False
        self._left -= 1
        return True

    def renew(self) -> None:
        """
        Everything was collected.
        """
        self._left = self._most


class Metric(ABC):
    """
    One metric.

    @ivar events: Lines so far.
    @ivar touched: Whether there were lines since the last collection.
    @ivar heard: UTC second of the last collection before which there were.
    @ivar private: Whether it has a chart of its own.
    @ivar gaps: Whether that has gaps, whatever its kind.
    """

    def __init__(self) -> None:
        self.private = True
        self.gaps = False
        self.events = 0
        self.touched = False
        self.heard = 0.0

    @abstractmethod
    def add(self, value: bytes, rate: float, count: int) -> None:
        """
        Take in a line that came a number of times.

        @param rate: How many of all were sent.
        @raise ValueError: The value makes no sense.
        """

    @abstractmethod
    def collect(self) -> Mapping[str, float]:
        """
        @return: Values by dimension; what counts only until the next collection
            begins anew.
        """


def _text(value: bytes) -> bytes:
    text = value.strip()
    if not text:
        raise ValueError("there is no value")
    return text


class Gauge(Metric):
    """
    The last value, or the one before changed by one with a sign.
    """

    def __init__(self) -> None:
        super().__init__()
        self._value = 0.0

    def add(self, value: bytes, rate: float, count: int) -> None:
        for each in each_of(value):
            amount = number(each)
            if each.lstrip().startswith((b"+", b"-")):
                self._value += amount / rate * count
            else:
                self._value = amount

    def collect(self) -> Mapping[str, float]:
        return {Kind.GAUGE.value: self._value}


class Count(Metric):
    """
    A sum that only ever continues.
    """

    def __init__(self, kind: Kind) -> None:
        super().__init__()
        self._dimension = kind.value
        self._sum = 0.0

    def add(self, value: bytes, rate: float, count: int) -> None:
        for each in each_of(value):
            self._sum += (number(each) if each else 1) / rate * count

    def collect(self) -> Mapping[str, float]:
        return {self._dimension: self._sum}


class Distribution(Metric):
    """
    Many values, of which a few figures are shown.

    @ivar percentile: Which of the figures that is.
    @ivar sum: Of all that were collected last.
    """

    def __init__(self, percentile: float, budget: Budget) -> None:
        """
        @param percentile: Above 0 and below 100.
        """
        super().__init__()
        self._percentile = percentile
        self.percentile = f"{percentile:.1f}%"
        self.sum = 0.0
        self._budget = budget
        self._values = array("d")
        self._weights = array("q")

    def add(self, value: bytes, rate: float, count: int) -> None:
        weight = round(1 / rate) * count
        for each in each_of(value):
            amount = number(each)
            if self._budget.take():
                self._values.append(amount)
                self._weights.append(weight)

    def collect(self) -> Mapping[str, float]:
        found = dict.fromkeys(("min", "max", "average", self.percentile, "median", "stddev"), 0.0)
        if len(self._values) == 1:
            found = dict.fromkeys(found, self._values[0])
            found["stddev"] = 0.0
        elif self._values:
            with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is a gap
                figures = _figures(np.array(self._values), np.array(self._weights), self._percentile)
            found = dict(zip(found, figures, strict=True))
        self.sum = float(np.dot(self._values, self._weights)) if self._values else 0.0
        del self._values[:], self._weights[:]
        return found


def _figures(values: npt.NDArray[np.float64], weights: npt.NDArray[np.int64], percentile: float) -> Iterable[float]:
    """
    @param weights: How often each value was there.
    @return: Least, greatest, mean, percentile, median and standard deviation.
    """
    order = values.argsort()
    values, weights = values[order], weights[order]
    ends = weights.cumsum()
    count = int(ends[-1])

    def at(place: int) -> float:
        return float(values[ends.searchsorted(place, "right")])

    mean = float(values @ weights) / count
    spread = float(((values - mean) ** 2) @ weights) / count
    median = (at((count - 1) // 2) + at(count // 2)) / 2
    within = at(max(0, int(count * percentile / 100) - 1))
    return float(values[0]), float(values[-1]), mean, within, median, spread**0.5


class Different(Metric):
    """
    How many different texts there were.
    """

    def __init__(self, budget: Budget) -> None:
        super().__init__()
        self._budget = budget
        self._texts: set[int] = set()

    def add(self, value: bytes, rate: float, count: int) -> None:
        text = hash(_text(value))
        if text not in self._texts and self._budget.take():
            self._texts.add(text)

    def collect(self) -> Mapping[str, float]:
        found = {Kind.SET.value: float(len(self._texts))}
        self._texts = set()
        return found


class Dictionary(Metric):
    """
    How often each text was there.

    @ivar texts: How many different ones there were at each collection before
        which there were any, all together, as agents have it.
    """

    def __init__(self, most: int) -> None:
        """
        @param most: Texts with a dimension of their own.
        """
        super().__init__()
        self.texts = 0
        self._most = most
        self._counts: dict[str, float] = {}

    def add(self, value: bytes, rate: float, count: int) -> None:
        text = safe_id(_text(value)[:LONGEST_NAME].decode(errors="replace"))
        if text not in self._counts and len(self._counts) - (OTHER in self._counts) >= self._most:
            text = OTHER
        self._counts[text] = self._counts.get(text, 0.0) + count

    def collect(self) -> Mapping[str, float]:
        self.texts += len(self._counts) if self.touched else 0
        return self._counts


_Known = tuple[Metric | None, float]
"""A metric, if it has a chart, and the sampling rate of a line."""


class Metrics:
    """
    All metrics.

    @ivar metrics: By kind and name.
    @ivar fresh: Those that are new, with the line that made them; whoever shows
        them takes them out.
    @ivar lines: How many made sense.
    @ivar unread: How many did not.
    @ivar bad: One of those, and why; C{b""} if there was none.
    @ivar refused: How many were about metrics for which there is no room.
    """

    def __init__(self, settings: StatsdSettings) -> None:
        self._settings = settings
        self._known: dict[tuple[bytes, bytes], _Known] = {}
        self.budget = Budget(MOST_KEPT)
        self.metrics: dict[tuple[Kind, bytes], Metric] = {}
        self.fresh: list[tuple[Said, Metric]] = []
        self.lines = self.unread = self.refused = 0
        self.bad: tuple[bytes, str] = (b"", "")

    def take(self, data: bytes) -> None:
        """
        Take in whole lines.

        Equal ones are read once, since most programs say the same again and
        again; only what gauges are told depends on its order.
        """
        lines = data.split(b"\n")
        gauges = b"|g" in data
        for line, count in Counter(lines).items():
            if not (gauges and b"|g" in line):
                self._take(line, count)
        if gauges:
            for line in lines:
                if b"|g" in line:
                    self._take(line, 1)

    def _take(self, line: bytes, count: int) -> None:
        head, _, rest = line.partition(b":")
        value, _, tail = rest.partition(b"|")
        known = self._known.get((head, tail))
        try:
            if known is None:
                known, value = self._learn(line, head, tail, count)
            metric, rate = known
            if metric is None:
                return
            metric.add(value, rate, count)
        except ValueError as problem:
            self.unread += count
            self.bad = line[:LONGEST_LINE], str(problem)
            return
        metric.events += count
        metric.touched = True
        self.lines += count

    def _learn(self, line: bytes, head: bytes, tail: bytes, count: int) -> tuple[_Known, bytes]:
        """
        @param head: What comes before the first colon.
        @param tail: What comes after the first bar that follows.
        @return: What is known of lines with that head and tail; and the value.
        @raise ValueError: It makes no sense.
        """
        text = line.strip()
        if not text:
            return (None, 1.0), b""
        said = parse(text)
        known = self._metric(said, count), said.rate
        if tail and len(head) + len(tail) <= _LONGEST_KNOWN and not (b"=" in head or b"|" in head):
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            self._known[head, tail] = known
        return known, said.value

    def _metric(self, said: Said, count: int) -> Metric | None:
        key = said.kind, said.name
        metric = self.metrics.get(key)
        if metric is None:
            name = said.name.decode(errors="replace")
            app = next((app for app in self._settings.apps if app.metrics.matches(name)), None)
            private = app.private if app is not None else None
            if private is None:
                private = self._settings.private.matches(name)
            if not private and app is None:
                return None
            if len(self.metrics) >= self._settings.most_charts:
                self.refused += count
                return None
            metric = self.metrics[key] = self._new(said.kind)
            metric.private, metric.gaps = private, app is not None and app.gaps
            self.fresh.append((said, metric))
        return metric

    def _new(self, kind: Kind) -> Metric:
        match kind:
            case Kind.GAUGE:
                return Gauge()
            case Kind.COUNTER | Kind.METER:
                return Count(kind)
            case Kind.HISTOGRAM | Kind.TIMER:
                return Distribution(self._settings.percentile, self.budget)
            case Kind.SET:
                return Different(self.budget)
            case Kind.DICTIONARY:
                return Dictionary(self._settings.most_texts)

    def forget(self, key: tuple[Kind, bytes]) -> None:
        """
        Know a metric no more, until it is heard of again.
        """
        self.metrics.pop(key, None)
        self._known.clear()
