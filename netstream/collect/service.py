"""
The service that measures this machine at every tick.
"""

from __future__ import annotations

import errno
import math
from collections.abc import Mapping, Sequence
from time import perf_counter

from twisted.application.service import Service
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from netstream.collect.aside import Aside, Start
from netstream.collect.cgroup_networks import Owners
from netstream.collect.cgroups import Cgroups
from netstream.collect.collector import Collector, MakeCollector, Odd
from netstream.collect.files import Machine
from netstream.collect.modules import MODULES, OPTIONAL, PATIENT, PLUGINS
from netstream.collect.netdev import NetDev
from netstream.collect.own import Own, Stored, Workers
from netstream.collect.streams import Streams
from netstream.collect.virtual import Collected
from netstream.config.settings import Settings
from netstream.hub.hub import Hub
from netstream.model.samples import SeriesTable
from netstream.session.receiver import Receiver
from netstream.session.vocabulary import Vocabulary
from netstream.wire.capabilities import Capability
from netstream.wire.lexicon import Lexicon

_PASSING = frozenset({errno.EINTR, errno.EAGAIN, errno.EMFILE, errno.ENFILE, errno.ENOMEM})
"""Failures that say nothing of the file that could not be read."""

_FEW = 64
"""Lines of definitions that are remembered."""

_AT_ONCE = 0.004
"""Seconds of measuring after which others get their turn."""

_MUCH = 32768
"""Bytes that are told at once: more are definitions."""

_PAUSE = 60
"""Seconds without collecting after our own text could not be read."""


class CollectService(Service):
    """
    Ticks at the whole multiples of the period on the wall clock, lets each
    collector measure, and tells the hub what they say.

    A collector that fails is switched off with one line in the log; ticks that
    come too late are left out, not made up for.
    """

    _log = Logger()

    def __init__(
        self,
        hub: Hub,
        settings: Settings,
        clock: IReactorTime,
        *,
        machine: Machine | None = None,
        plugins: Mapping[str, Sequence[MakeCollector]] = PLUGINS,
        start: Start = lambda measure: measure(),
    ) -> None:
        """
        @param clock: Its seconds are UTC.
        @param machine: Where the machine shows itself; this one by itself.
        @param plugins: What there is to run.
        @param start: Has something measured in a thread; at once by itself.
        """
        self._hub = hub
        self._settings = settings
        self._clock = clock
        self._machine = machine or Machine(etc=settings.config_dir)
        self._plugins = plugins
        self._start = start
        self._every = settings.db.update_every
        self._collectors: list[Collector] = []
        self._owners = Owners()
        self._made: dict[MakeCollector, list[Collector]] = {}
        self._measuring: set[str] = set()
        self._collected: Collected | None = None
        self._resume = 0.0
        self._next: IDelayedCall | None = None
        self._due = 0.0
        self._turn: IDelayedCall | None = None
        self._left: list[Collector] = []
        self._texts: list[bytes] = []

    def startService(self) -> None:
        """
        Begin to collect at the next whole multiple of the period (called by
        Twisted).
        """
        super().startService()
        self._collected = self._begin()
        for make in self._wanted():
            self._add(make)
        self._plan(self._clock.seconds())

    def _wanted(self) -> list[MakeCollector]:
        settings = self._settings
        return [
            make
            for plugin, makers in self._plugins.items()
            if settings.plugins.get(plugin, True)
            for make in makers
            if settings.modules.get(MODULES.get(make, ""), True)
        ]

    def _add(self, make: MakeCollector) -> None:
        made = [self._measuring_with(make)]
        if make is Own:
            made += (Stored(self._hub, self._every), Streams(self._hub, self._every))
            if self._settings.node.workers:
                made.append(Workers(self._machine, self._hub, self._every))
        self._made[make] = made
        self._collectors += made

    def _measuring_with(self, make: MakeCollector) -> Collector:
        if make is Cgroups:
            return Cgroups(self._machine, self._every, self._settings.cgroups, self._owners)
        if make is NetDev:
            return NetDev(self._machine, self._every, self._owners)
        collector = make(self._machine, self._every)
        return Aside(collector, self._start) if make in PATIENT else collector

    def reconfigure(self, settings: Settings) -> None:
        """
        Begin to run what was switched on, and end what was switched off or is
        set up otherwise; the rest goes on.
        """
        before, self._settings = self._settings, settings
        if not self.running:
            return
        self._finish(self._clock.seconds())
        wanted, text = self._wanted(), b""
        for make in list(self._made):
            if make in wanted and (make is not Cgroups or settings.cgroups == before.cgroups):
                continue
            for collector in self._made.pop(make):
                if collector in self._collectors:
                    text += self._remove(collector)
        self._tell(text, self._clock.seconds())
        for make in wanted:
            if make not in self._made:
                self._add(make)

    def stopService(self) -> None:
        """
        Stop collecting (called by Twisted).
        """
        super().stopService()
        if self._next is not None and self._next.active():
            self._next.cancel()
        self._next = None
        self._finish(self._clock.seconds())
        for collector in self._collectors:
            collector.close()
        self._collectors.clear()
        self._made.clear()
        self._measuring.clear()
        if self._collected is not None:
            self._collected.stop(self._clock.seconds())
        self._collected = None

    def _begin(self) -> Collected:
        def make(table: SeriesTable, node: str) -> Receiver:
            gap = self._settings.db.gap_when_lost
            # A node defines its own charts once: there is nothing to share with others, but some dimensions and labels.
            few = Vocabulary(Lexicon(_FEW), _FEW)
            return Receiver(
                table,
                Capability.CLABELS,
                update_every=self._every,
                gap_when_lost=gap,
                node=node,
                vocabulary=few,
            )

        return Collected(self._hub, make)

    def _plan(self, now: float) -> None:
        self._due = (math.floor(now / self._every) + 1) * float(self._every)
        self._next = self._clock.callLater(self._due - now, self._tick)

    def _tick(self) -> None:
        now = self._clock.seconds()
        if 0 < self._due - now <= self._every:
            # Timers of some reactors are early by a moment.
            self._next = self._clock.callLater(self._due - now, self._tick)
            return
        self._plan(now)
        if self._turn is None and (now >= self._resume or self._resume - now > _PAUSE):
            self._left = self._collectors[::-1]
            self._go_on(now)

    def _go_on(self, second: float) -> None:
        """
        Measure what is left, some of it at once: to read many files takes as
        long as others may wait.

        All of it counts as of one moment, as agents have it, so that charts
        fit each other, and counters need little room on disk.

        @param second: That moment, UTC seconds.
        """
        self._turn = None
        ends = perf_counter() + _AT_ONCE
        while self._left:
            collector = self._left.pop()
            if collector in self._collectors:
                self._texts.append(self._measured(collector, int(second * 1e6)))
            if perf_counter() > ends:
                if sum(map(len, self._texts)) > _MUCH:
                    self._tell_all(second)
                self._turn = self._clock.callLater(0, self._go_on, second)
                return
        self._finish(second)

    def _finish(self, second: float) -> None:
        """
        Tell of all that was measured.
        """
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None
        self._left.clear()
        self._tell_all(second)

    def _tell_all(self, second: float) -> None:
        texts, self._texts = self._texts, []
        if texts:
            self._tell(b"".join(texts), second)

    def _measured(self, collector: Collector, now: int) -> bytes:
        try:
            text = collector.collect(now)
        except OSError as problem:
            if problem.errno in _PASSING:
                return self._skip(collector, problem)
            if problem.errno == errno.ENOENT and _is_optional(collector):
                self._log.info("{source}: not collected: this machine has none", source=collector.source)
                return self._remove(collector)
            return self._switch_off(collector, problem.strerror or str(problem))
        except Odd as problem:
            return self._switch_off(collector, problem.reason)
        except (ValueError, LookupError) as problem:
            return self._switch_off(collector, f"it is not as expected ({problem!r})")
        except Exception:
            self._log.failure("{source}: the collector failed", Failure(), source=collector.source)
            return self._remove(collector)
        self._measuring.add(collector.source)
        return text

    def _skip(self, collector: Collector, problem: OSError) -> bytes:
        if collector.source in self._measuring:
            self._log.warn(
                "{source}: not collected until it can be read again: {reason}",
                source=collector.source,
                reason=problem.strerror,
            )
        return self._withdrawn(collector)

    def _switch_off(self, collector: Collector, reason: str) -> bytes:
        self._log.warn("{source}: not collected: {reason}", source=collector.source, reason=reason)
        return self._remove(collector)

    def _remove(self, collector: Collector) -> bytes:
        self._collectors.remove(collector)
        text = self._withdrawn(collector)
        collector.close()
        return text

    def _withdrawn(self, collector: Collector) -> bytes:
        text = collector.withdraw()
        if collector.source not in self._measuring:
            # Nobody has heard of its charts.
            return b""
        self._measuring.remove(collector.source)
        return text

    def _tell(self, text: bytes, now: float) -> None:
        if self._collected is None:
            return
        try:
            self._collected.tell(text, now)
            self._collected.sweep(now)
        except Exception:
            self._log.failure(
                "what was collected could not be taken in; nothing is collected for {pause} s", Failure(), pause=_PAUSE
            )
            # What was not heard is lost: everyone begins anew, definitions first.
            self._resume = now + _PAUSE
            self._collected.forget_states()
            self._collected = self._begin()
            for collector in self._collectors:
                collector.withdraw()


def _is_optional(collector: Collector) -> bool:
    return isinstance(collector.collector if isinstance(collector, Aside) else collector, OPTIONAL)
