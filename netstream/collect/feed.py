"""
One source of charts of this node itself that writes what plugins write.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from attrs import evolve

from netstream.collect.callees import Callees
from netstream.collect.spoken import VirtualNodes
from netstream.config.settings import Settings
from netstream.hub.hub import Host, Hub
from netstream.model.calls import Callee
from netstream.model.chart import Chart
from netstream.model.host import Label
from netstream.model.samples import ChartState, SeriesTable
from netstream.model.updates import (
    ChartDefined,
    ClaimSet,
    FunctionOffered,
    FunctionWithdrawn,
    LabelsReplaced,
    PathKnown,
    Update,
)
from netstream.session.functions import Asked
from netstream.session.limits import Limits
from netstream.session.notes import Notes
from netstream.session.receiver import Receiver
from netstream.session.virtual import HostLines
from netstream.wire.capabilities import Capability

Known = Callable[[str], ChartState | None]
"""Tells where the collection of a chart stands; L{None} if it does not know."""

_AUTOMATIC = 1

LIMITS = Limits(charts=20_000, dimensions=100_000, functions=100, variables=10_000, text=1 << 25)
"""How much one source may make us keep."""


class _States:
    """
    Where the collection of charts stands, of all sources of one host.
    """

    def __init__(self, first: Known) -> None:
        self.known = [first]

    def __call__(self, chart_id: str) -> ChartState | None:
        for known in self.known:
            state = known(chart_id)
            if state is not None:
                return state
        return None


def add_state(host: Host, known: Known) -> Callable[[], None]:
    """
    Let a host tell, too, where one more source's charts stand.

    @return: Call it when that source is gone.
    """
    states = host.state if isinstance(host.state, _States) else _States(host.state)
    host.state = states
    states.known.append(known)

    def remove() -> None:
        if known in states.known:
            states.known.remove(known)

    return remove


class Answerer(Callee, Protocol):
    """
    Has a source answer calls of the functions that it offers.
    """

    @property
    def asked(self) -> Asked:
        """
        The calls that wait for it.
        """

    def end(self) -> None:
        """
        The source is gone.
        """


class Feed:
    """
    Reads one source's text as that of a peer is read, and tells the local
    host, and the virtual nodes that the source speaks for; but who this node is
    and what its labels are is not for a source to say.
    """

    def __init__(
        self,
        hub: Hub,
        settings: Settings,
        plugin: str,
        update_every: int = 0,
        limits: Limits = LIMITS,
        answerer: Callable[[], Answerer] | None = None,
    ) -> None:
        """
        @param plugin: Name of the source, for charts that do not say.
        @param update_every: Seconds, for charts that do not say; 0 is that of
            the node.
        @param answerer: Makes what answers calls, again after each restart;
            none if the source cannot be asked.
        """
        self._hub = hub
        self._host = hub.local
        self._plugin = plugin
        self._settings = settings
        self._every = update_every or settings.db.update_every
        self._limits = limits
        self._make_answerer = answerer
        self._forget_state: Callable[[], None] | None = None
        self._begin()

    def _begin(self) -> None:
        info = self._host.info
        self._answerer = self._make_answerer() if self._make_answerer is not None else None
        self._defined: set[str] = set()
        self._functions: set[tuple[str, str]] = set()
        self._receiver = self._new_receiver(self._host.table, info.guid)
        self._lines = HostLines((info.guid, info.hostname.lower()))
        self._others = VirtualNodes(self._hub, self._new_receiver, self._plugin, self._answerer)

    def _new_receiver(self, table: SeriesTable, guid: str) -> Receiver:
        return Receiver(
            table,
            Capability.CLABELS,
            update_every=self._every,
            gap_when_lost=self._settings.db.gap_when_lost,
            node=guid,
            limits=self._limits,
            asked=self._answerer.asked if self._answerer is not None else None,
        )

    @property
    def notes(self) -> Notes:
        """
        What was skipped, by keyword.
        """
        return self._receiver.notes

    @property
    def charts(self) -> int:
        """
        How many charts it has.
        """
        return len(self._defined)

    def say(self, text: bytes, now: float) -> None:
        """
        Take in bytes.

        @param now: UTC seconds.
        @raise ProtocolError: There is something wrong in them; what was good
            before it has been taken in.
        """
        if self._forget_state is None:
            self._forget_state = add_state(self._host, self._state)
        for lines in self._others.sort(self._lines.receive(text), now):
            for update in self._receiver.receive(lines, now):
                self._apply(update)

    def sweep(self, now: float) -> None:
        """
        See which virtual nodes have not been spoken for lately; call it again
        and again.
        """
        self._others.sweep(now)

    def _state(self, chart_id: str) -> ChartState | None:
        return self._receiver.state(chart_id)

    def _apply(self, update: Update) -> None:
        match update:
            case LabelsReplaced() | ClaimSet() | PathKnown():
                return
            case ChartDefined(chart):
                if chart.obsolete:
                    self._defined.discard(chart.id)
                else:
                    self._defined.add(chart.id)
                update = ChartDefined(self._signed(chart))
            case FunctionOffered(function):
                self._functions.add((function.chart, function.name))
                if self._answerer is not None:
                    Callees.of(self._host).add((function.chart, function.name), self._answerer)
            case FunctionWithdrawn(name, chart_id):
                self._functions.discard((chart_id, name))
                if not self._withdraw((chart_id, name)):
                    return
        self._host.apply(update)

    def _signed(self, chart: Chart) -> Chart:
        """
        @return: The chart, which says who collects it.
        """
        plugin = chart.plugin or self._plugin
        source = {
            "_collect_plugin": Label(plugin, _AUTOMATIC),
            "_collect_module": Label(chart.module or "[none]", _AUTOMATIC),
        }
        return evolve(chart, plugin=plugin, labels={**chart.labels, **source})

    def _withdraw(self, key: tuple[str, str]) -> bool:
        """
        @return: Whether no other source offers a function of that name.
        """
        return self._answerer is None or Callees.of(self._host).remove(key, self._answerer)

    def restart(self, now: float) -> None:
        """
        The source is gone, and with it its charts, functions and virtual nodes;
        what is said from now on is from a new one.

        @param now: UTC seconds.
        """
        if self._answerer is not None:
            self._answerer.end()
        self._others.stop(now)
        for chart_id, name in sorted(self._functions):
            if self._withdraw((chart_id, name)):
                self._host.apply(FunctionWithdrawn(name, chart_id))
        for chart_id in sorted(self._defined):
            chart = self._host.charts.get(chart_id)
            if chart is not None and not chart.obsolete:
                self._host.apply(ChartDefined(evolve(chart, obsolete=True)))
        self._begin()
        if self._forget_state is not None:
            self._forget_state()
            self._forget_state = None
