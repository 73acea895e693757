"""
Charts that a program makes: numbers that it sets and adds to, which become
samples at every tick.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from attrs import evolve, frozen
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from netstream.collect.charts import safe_id, safe_name
from netstream.collect.feed import LIMITS, Feed
from netstream.config.settings import Settings
from netstream.hub.hub import Hub
from netstream.model.chart import Algorithm, Chart, ChartType, Dimension
from netstream.model.host import Label
from netstream.session.definitions import definition
from netstream.session.limits import Limits
from netstream.wire.capabilities import Capability
from netstream.wire.commands import EndDefinition
from netstream.wire.words import quote

_LARGEST = (1 << 63) - 1
_HUGE = 1 << 1000
_AUTOMATIC = 1
_ALGORITHMS = {algorithm.keyword: algorithm for algorithm in Algorithm}


class Number:
    """
    The number behind one dimension.

    It belongs to the thread of the reactor.  Until it is set or added to, and
    while it is L{None}, it gives no samples.
    """

    __slots__ = ("dimension", "_scale", "_value")

    def __init__(self, dimension: Dimension, decimals: int) -> None:
        self.dimension = dimension
        self._scale = 10**decimals
        self._value: float | None = None

    @property
    def value(self) -> float | None:
        """
        What it is now.
        """
        return self._value

    def set(self, value: float | None) -> None:
        """
        Say what it is, for C{incremental} how much was counted so far.

        @param value: L{None} and what is not finite is a gap.
        """
        if value is not None:
            value = _bounded(value)
        self._value = value if value is not None and math.isfinite(value) else None

    def add(self, value: float = 1) -> None:
        """
        Add to it.
        """
        self.set((self._value or 0) + _bounded(value))

    def collected(self) -> int | None:
        """
        @return: As a sample line has it.
        """
        if self._value is None:
            return None
        # Bounded first: with its digits it may be more than there are floats.
        bounded: float = max(-_LARGEST, min(_LARGEST, self._value * self._scale))
        return round(bounded)


def _bounded(value: float) -> float:
    """
    @return: The number; an integer that no float can hold is the largest that
        a sample can.
    """
    if isinstance(value, int) and not -_HUGE < value < _HUGE:
        return _LARGEST if value > 0 else -_LARGEST
    return value


class NumberChart:
    """
    One chart of numbers.

    @ivar chart: How it begins; its dimensions are in L{numbers}.
    @ivar numbers: By dimension id.
    @ivar failing: Whether it could not be written last time.
    @ivar unheard: Whether what it writes is not taken in; another dimension
        gives it another try.
    """

    def __init__(self, chart: Chart) -> None:
        self.chart = chart
        self.numbers: dict[str, Number] = {}
        self.failing = self.unheard = False
        self._changed = True
        self._last = 0

    def dimension(
        self,
        dimension_id: str,
        algorithm: str = "absolute",
        *,
        name: str = "",
        multiplier: int = 1,
        divisor: int = 1,
        decimals: int = 0,
        hidden: bool = False,
    ) -> Number:
        """
        Get or make a dimension; what it was made with stays.

        @param algorithm: C{absolute} shows the number, C{incremental} by how
            much it grows a second; also C{percentage-of-absolute-row} and
            C{percentage-of-incremental-row}.
        @param decimals: How many digits after the point are kept of what is
            set.
        @raise ValueError: There is no such algorithm, or a divisor is 0.
        """
        dimension_id = safe_id(dimension_id)
        if not dimension_id:
            raise ValueError("a dimension needs an id")
        number = self.numbers.get(dimension_id)
        if number is None:
            if algorithm not in _ALGORITHMS:
                raise ValueError(f"{algorithm!r} is none of {', '.join(map(repr, sorted(_ALGORITHMS)))}")
            if not multiplier or not divisor:
                raise ValueError("neither multiplier nor divisor can be 0")
            made = Dimension(
                dimension_id, name, _ALGORITHMS[algorithm], multiplier, divisor * 10**decimals, hidden=hidden
            )
            number = self.numbers[dimension_id] = Number(made, decimals)
            self._changed = True
            self.unheard = False
        return number

    def text(self, now: int) -> bytes:
        """
        Write a collection.

        @param now: UTC microseconds.
        @return: C{b""} if no number has a value.
        """
        sets = [
            f"SET {quote(name)} = {collected}\n"
            for name, number in self.numbers.items()
            if (collected := number.collected()) is not None
        ]
        if not sets:
            return b""
        begin = self._definition() if self._changed else b""
        last, self._last = self._last, now
        self._changed = False
        return (
            begin + f"BEGIN {quote(self.chart.id)} {max(0, now - last) if last else 0}\n{''.join(sets)}END\n".encode()
        )

    def withdraw(self) -> bytes:
        """
        Write that it is not collected any more; L{text} defines it anew.
        """
        if self._changed and not self._last:
            return b""
        self.forget()
        return self._definition(obsolete=True)

    def forget(self) -> None:
        """
        Nobody knows of it any more.
        """
        self._changed, self._last = True, 0

    def _definition(self, *, obsolete: bool = False) -> bytes:
        dimensions = {name: number.dimension for name, number in self.numbers.items()}
        return definition(evolve(self.chart, dimensions=dimensions, obsolete=obsolete), Capability.CLABELS, {})


@frozen
class _Running:
    """
    What there is only while the node runs.
    """

    feed: Feed
    clock: Any


class NumberCharts(Service):
    """
    The charts of one program, or of one part of it.

    They can be made and counted in before the node has started, and stay when
    it is started again.
    """

    _log = Logger()

    def __init__(self, plugin: str, module: str = "", priority: int = 140_000, most: int = 10_000) -> None:
        """
        @param plugin: Name of the source in the charts.
        @param priority: Of the first chart; others follow.
        @param most: How many charts there may be.
        """
        self.charts: dict[str, NumberChart] = {}
        self._plugin = plugin
        self._module = module
        self._priority = priority
        self._most = most
        self._made = 0
        self._every = 1
        self._running: _Running | None = None
        self._next: IDelayedCall | None = None
        self._due = 0.0
        self._apart = False

    def chart(
        self,
        chart_id: str,
        title: str = "",
        units: str = "unknown",
        family: str = "",
        context: str = "",
        chart_type: str = "line",
        name: str = "",
        priority: int = 0,
        labels: Mapping[str, str] | None = None,
        module: str = "",
        store_first: bool = False,
        hidden: bool = False,
    ) -> NumberChart:
        """
        Get or make a chart; what it was made with stays.

        @param chart_id: C{TYPE.NAME}.
        @param name: C{TYPE.NAME} if it differs from the id.
        @param priority: Its place; 0 is after those before.
        @param module: The part of the program that it is of, if not as the
            others.
        @param store_first: Whether counters counted from 0 before their first
            collection.
        @param hidden: Whether dashboards shall leave it out.
        @raise ValueError: The id is not of that form, or there are too many
            charts.
        """
        chart_id = safe_id(chart_id)
        found = self.charts.get(chart_id)
        if found is None:
            section, dot, rest = chart_id.partition(".")
            if not (section and dot and rest):
                raise ValueError(f"{chart_id!r} is not of the form TYPE.NAME, as 'app.requests'")
            if len(self.charts) >= self._most:
                raise ValueError(f"there are {self._most} charts, which is as many as there may be")
            made = Chart(
                id=chart_id,
                name=safe_name(name) if name else chart_id,
                title=title or chart_id,
                units=units,
                family=family or section,
                context=context or chart_id,
                chart_type=ChartType.parse(chart_type),
                priority=priority or self._priority + self._made,
                update_every=self._every,
                plugin=self._plugin,
                module=module or self._module,
                store_first=store_first,
                hidden=hidden,
                labels={label: Label(value or "[none]", _AUTOMATIC) for label, value in (labels or {}).items()},
            )
            self._made += 1
            found = self.charts[chart_id] = NumberChart(made)
        return found

    def remove(self, chart_id: str) -> None:
        """
        Collect a chart no more.
        """
        chart = self.charts.pop(chart_id, None)
        if chart is not None and self._running is not None:
            # Its definition is complete with the line after it, which may never come.
            self._say(chart.withdraw() + EndDefinition().line())

    def attach(self, hub: Hub, settings: Settings, clock: Any, update_every: int = 0, limits: Limits = LIMITS) -> None:
        """
        Say whose charts they are, before the service starts.

        @param clock: Its seconds are UTC.
        @param update_every: Seconds; 0 is that of the node.
        @param limits: How much the charts may be together.
        """
        self._every = update_every or settings.db.update_every
        self._running = _Running(Feed(hub, settings, self._plugin, self._every, limits), clock)
        for each in self.charts.values():
            each.chart = evolve(each.chart, update_every=self._every)
            each.unheard = False
            each.forget()

    def startService(self) -> None:
        """
        Begin to collect at the next whole multiple of the period (called by
        Twisted).
        """
        super().startService()
        if self._running is not None:
            self._plan(self._running.clock.seconds())

    def stopService(self) -> Deferred[object] | None:
        """
        Collect no more (called by Twisted).
        """
        super().stopService()
        if self._next is not None and self._next.active():
            self._next.cancel()
        self._next = None
        if self._running is not None:
            self._running.feed.restart(self._running.clock.seconds())
            self._running = None
        return None

    def _plan(self, now: float) -> None:
        assert self._running is not None
        self._due = (math.floor(now / self._every) + 1) * float(self._every)
        self._next = self._running.clock.callLater(self._due - now, self._tick)

    def _tick(self) -> None:
        assert self._running is not None
        now = self._running.clock.seconds()
        if 0 < self._due - now <= self._every:
            # Timers of some reactors are early by a moment.
            self._next = self._running.clock.callLater(self._due - now, self._tick)
            return
        self._plan(now)
        try:
            self.measure(now)
        except Exception:
            self._log.failure("{plugin}: the numbers could not be had", Failure(), plugin=self._plugin)
            return
        stamp = int(now * 1e6)
        texts = {chart: text for chart in self.charts.values() if (text := self._text(chart, stamp))}
        apart, self._apart = self._apart, False
        if not apart:
            # If one of them is not taken in, the next time tells which it is.
            self._apart = not self._say(b"".join(texts.values()))
            return
        for chart, text in texts.items():
            if not self._say(text, f"chart {chart.chart.id}"):
                chart.unheard = self._apart = True
                # There may be more of them, and none of the others is known any more.
                return

    def _text(self, chart: NumberChart, stamp: int) -> bytes:
        if chart.unheard:
            return b""
        try:
            text = chart.text(stamp)
        except Exception:
            if not chart.failing:
                self._log.failure(
                    "{plugin}: chart {chart} could not be written", Failure(), plugin=self._plugin, chart=chart.chart.id
                )
            chart.failing = True
            chart.forget()
            return b""
        chart.failing = False
        return text

    def measure(self, now: float) -> None:
        """
        Set numbers before they are collected; to be overridden.

        @param now: UTC seconds.
        """

    def _say(self, text: bytes, what: str = "its charts") -> bool:
        """
        @return: Whether it was taken in.
        """
        assert self._running is not None
        if not text:
            return True
        try:
            self._running.feed.say(text, self._running.clock.seconds())
        except Exception:
            # Definitions are checked when they are made, so this is our own mistake.
            self._log.failure("{plugin}: {what} could not be taken in", Failure(), plugin=self._plugin, what=what)
            self._running.feed.restart(self._running.clock.seconds())
            for chart in self.charts.values():
                chart.forget()
            return False
        return True
