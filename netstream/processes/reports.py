"""
What a worker tells the process that serves of the hosts it has.

A report says how things are now, not what happened: what changed again
before it could be said is said once.  The next report waits for the answer
to the last, so that however much children define, little is under way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from attrs import define, field
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from netstream.db import metadata
from netstream.db.interfaces import HostRecord, IMetricsDB
from netstream.db.messages import Ask, Message, Unavailable
from netstream.db.remote import health_fields
from netstream.hub.hub import Host, Hub
from netstream.hub.shared import Arena, SharedLatest
from netstream.model.samples import SampleBatch
from netstream.model.updates import ChartDefined, ChartForgotten, Update, VariableSet
from netstream.processes.figures import counts_fields, host_fields

REPORT = "report"
"""The verb of a report."""

READY = "ready"
"""The verb that tells that all was said that is known from before."""

CHARTS_AT_ONCE = 1000
"""Charts and variables in a report, about."""

SOON = 0.05
"""Seconds from a change to the report of it."""

EVERY = 1.0
"""Seconds between two looks at what does not tell by itself."""

FIGURES_EVERY = 3
"""Looks from one at figures to the next."""


@define(eq=False)
class _Unsaid:
    """
    What was not said yet of a host.

    @ivar facts: Whether anything is that is neither chart nor variable.
    @ivar charts: Ids of charts that are new, changed or forgotten, in order.
    @ivar variables: By (chart id, name).
    @ivar unnumbered: What was said last of the numbers of each chart of which
        some dimension has none yet.
    @ivar given: How many numbers were given when that was looked at.
    @ivar callable: What was said last of whether its functions can be called.
    @ivar way: What was said last of its stream path.
    @ivar figures: What was said last of its figures.
    """

    host: Host
    facts: bool = True
    charts: dict[str, None] = field(factory=dict)
    variables: dict[tuple[str, str], None] = field(factory=dict)
    unnumbered: dict[str, Sequence[int | None]] = field(factory=dict)
    given: int = 0
    callable: bool = False
    way: object = None
    figures: object = None

    def anything(self) -> bool:
        return self.facts or bool(self.charts) or bool(self.variables)

    def heard(self, update: Update) -> bool:
        """
        @return: Whether there is something to say.
        """
        match update:
            case SampleBatch():
                return False
            case ChartDefined(chart):
                self.charts[chart.id] = None
            case ChartForgotten(chart_id):
                self.charts[chart_id] = None
                self.unnumbered.pop(chart_id, None)
            case VariableSet(name, _, chart_id):
                self.variables[chart_id, name] = None
            case _:
                self.facts = True
        return True

    def entry(self, engines: Sequence[IMetricsDB], room: int) -> dict[str, Any]:
        """
        @param room: For how many charts and variables.
        @return: What is said of the host, and from now on is no more unsaid.
        """
        host = self.host
        said: dict[str, Any] = {"guid": host.info.guid}
        if self.facts:
            self.facts = False
            self.callable, self.way = host.callee is not None, host.path
            said["facts"] = _facts(host, engines)
        charts, forgotten = [], []
        for chart_id in list(self.charts)[:room]:
            del self.charts[chart_id]
            chart = host.charts.get(chart_id)
            if chart is None:
                forgotten.append(chart_id)
            else:
                charts.append(metadata.chart_text(chart))
                self.unnumbered[chart_id] = ()
        if forgotten:
            said["forgotten"] = forgotten
        if charts:
            said["charts"] = charts
        if numbers := self._numbers():
            said["numbers"] = numbers
        variables = list(self.variables)[: room - len(charts)]
        if variables:
            said["variables"] = [[*key, repr(host.variables[key])] for key in variables if key in host.variables]
            for key in variables:
                del self.variables[key]
        return said

    def _numbers(self) -> dict[str, Sequence[int | None]]:
        """
        @return: The numbers of the dimensions of each chart of which some are
            new.
        """
        host = self.host
        found: dict[str, Sequence[int | None]] = {}
        self.given = host.table.given
        for chart_id, before in tuple(self.unnumbered.items()):
            chart = host.charts.get(chart_id)
            if chart is None or chart_id in self.charts:  # that is for a later report
                continue
            numbers = [host.table.find(chart_id, dimension) for dimension in chart.dimensions]
            if any(number is not None for number in numbers) and numbers != before:
                found[chart_id] = numbers
            if None in numbers or not numbers:
                self.unnumbered[chart_id] = numbers
            else:
                del self.unnumbered[chart_id]
        return found


def _facts(host: Host, engines: Sequence[IMetricsDB]) -> dict[str, Any]:
    """
    @return: What is known of a host besides charts and variables.
    """
    link = host.link
    return {
        "record": metadata.host_text(HostRecord(host.info, host.labels, int(host.seen))),
        "seen": host.seen,
        "db": engines.index(host.db),
        "known": host.known_since,
        "left": host.left,
        "link": None
        if link is None
        else [link.peer, link.since, link.capabilities, list(link.spoken), link.certificate],
        "callable": host.callee is not None,
        "claim": host.claim_id,
        "path": [host.route.own, list(host.route.before), list(host.route.after)],
        "functions": [
            [
                function.name,
                function.timeout,
                function.help,
                function.chart,
                function.tags,
                function.access,
                function.priority,
                function.version,
            ]
            for function in host.functions.values()
        ],
    }


class Reports:
    """
    Watches the hosts of a worker and says what changes.
    """

    _log = Logger()

    def __init__(
        self,
        hub: Hub,
        engines: Sequence[IMetricsDB],
        arena: Arena,
        ask: Ask,
        ready: Callable[[], None],
        clock: IReactorTime,
    ) -> None:
        """
        @param ask: Puts a report to the process that serves.
        @param ready: Is called once, when everything was said that is known
            now.
        """
        self._hub = hub
        self._engines = engines
        self._arena = arena
        self._ask = ask
        self._ready: Callable[[], None] | None = ready
        self._clock = clock
        self._hosts: dict[str, _Unsaid] = {}
        self._changed: dict[str, _Unsaid] = {}
        self._moved: dict[str, Host] = {}
        self._engines_said: list[dict[str, Any]] = []
        self._series = -1
        self._counts = counts_fields(hub.counts)
        self._looks = 0
        self._asking = False
        self._timer: IDelayedCall | None = None
        self._loop = LoopingCall(self._look)
        self._loop.clock = clock
        self._cancel: Callable[[], None] = lambda: None

    def start(self) -> None:
        """
        Say what there is, and what comes.
        """
        for host in self._hub:
            self._told(host)
        self._cancel = self._hub.watch(self._told)
        self._loop.start(EVERY)

    def stop(self) -> None:
        """
        Say nothing any more.
        """
        self._cancel()
        if self._loop.running:
            self._loop.stop()
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._asking = True

    def _told(self, host: Host) -> None:
        """
        A host is new, or came online or went offline.
        """
        if host.local:
            return
        guid = host.info.guid
        if host.removed:
            self._gone(host)
            return
        unsaid = self._hosts.get(guid)
        if unsaid is None:
            unsaid = self._hosts[guid] = _Unsaid(host)
            unsaid.charts.update(dict.fromkeys(host.charts))
            unsaid.variables.update(dict.fromkeys(host.variables))
            host.subscribe(lambda update, unsaid=unsaid: self._heard(unsaid, update))  # type: ignore[misc]
            if isinstance(host.latest, SharedLatest):
                host.latest.moved = lambda: self._move(host)
                self._move(host)
        unsaid.facts = True
        self._note(unsaid)

    def _gone(self, host: Host) -> None:
        guid = host.info.guid
        for known in (self._hosts, self._changed, self._moved):
            known.pop(guid, None)
        if isinstance(host.latest, SharedLatest):
            host.latest.moved = lambda: None
            if host.latest.block is not None:
                self._arena.give_back(host.latest.block)

    def _heard(self, unsaid: _Unsaid, update: Update) -> None:
        if unsaid.heard(update):
            self._note(unsaid)

    def _move(self, host: Host) -> None:
        self._moved[host.info.guid] = host
        self._soon()

    def _note(self, unsaid: _Unsaid) -> None:
        self._changed[unsaid.host.info.guid] = unsaid
        self._soon()

    def _soon(self) -> None:
        if self._timer is None and not self._asking:
            self._timer = self._clock.callLater(SOON, self._say)

    def _look(self) -> None:
        """
        See what has changed that does not tell.
        """
        self._looks += 1
        for unsaid in self._hosts.values():
            host = unsaid.host
            if unsaid.callable != (host.callee is not None) or unsaid.way != host.path:
                unsaid.facts = True
                self._changed[host.info.guid] = unsaid
            if unsaid.unnumbered and unsaid.host.table.given != unsaid.given:
                self._changed[unsaid.host.info.guid] = unsaid
        self._soon()

    def _say(self) -> None:
        self._timer = None
        said = self._report()
        if not said:
            self._be_ready()
            return
        self._asking = True
        returned = self._arena.returned()
        self._ask(REPORT, Message(said)).addCallbacks(lambda _: self._go_on(returned), self._not_said)

    def _report(self) -> dict[str, Any]:
        """
        @return: What is to be said; nothing if there is nothing.
        """
        hosts: dict[str, dict[str, Any]] = {}
        room = CHARTS_AT_ONCE
        for guid, unsaid in tuple(self._changed.items()):
            if room <= 0:
                break
            entry = unsaid.entry(self._engines, room)
            hosts[guid] = entry
            room -= 1 + len(entry.get("charts", ())) + len(entry.get("variables", ()))
            if not unsaid.anything():
                del self._changed[guid]
        moved, self._moved = self._moved, {}
        for guid, host in moved.items():
            if guid in self._changed and self._hosts[guid].facts:
                self._moved[guid] = host  # nothing was said of the host yet
                continue
            assert isinstance(host.latest, SharedLatest)
            block = host.latest.block
            entry = hosts.setdefault(guid, {"guid": guid})
            entry["latest"] = None if block is None else [block.offset, block.size]
        report: dict[str, Any] = {"hosts": list(hosts.values())} if hosts else {}
        health = [health_fields(engine.health()) for engine in self._engines]
        if health != self._engines_said:
            self._engines_said = report["health"] = health
        if self._looks >= FIGURES_EVERY:
            self._looks = 0
            report |= self._figures()
        series = sum(unsaid.host.table.living for unsaid in self._hosts.values())
        if series != self._series:
            self._series = report["series"] = series
        return report

    def _figures(self) -> dict[str, Any]:
        """
        @return: Those that changed.
        """
        said: dict[str, Any] = {}
        now = self._clock.seconds()
        figures = {}
        for guid, unsaid in self._hosts.items():
            these = host_fields(unsaid.host, now)
            if these != (unsaid.figures or {}):
                figures[guid] = unsaid.figures = these
        if figures:
            said["figures"] = figures
        counts = counts_fields(self._hub.counts)
        if counts != self._counts:
            said["counts"] = self._counts = counts
        return said

    def _go_on(self, returned: Any) -> None:
        self._asking = False
        self._arena.reuse(returned)
        if self._changed or self._moved:
            self._say()
        else:
            self._be_ready()

    def _be_ready(self) -> None:
        if self._ready is not None:
            ready, self._ready = self._ready, None
            ready()

    def _not_said(self, failure: Failure) -> None:
        """
        Without the process that serves there is nobody to tell, and this one
        ends soon.
        """
        if not failure.check(Unavailable):
            self._log.failure("a report was not taken in", failure)
            self._asking = False
