"""
One source of charts of this node itself that writes what plugins write.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import evolve

from netstream.config.settings import Settings
from netstream.hub.hub import Host, Hub
from netstream.model.chart import Chart
from netstream.model.host import Label
from netstream.model.samples import ChartState
from netstream.model.updates import (
    ChartDefined,
    ClaimSet,
    FunctionOffered,
    FunctionWithdrawn,
    LabelsReplaced,
    PathKnown,
    Update,
)
from netstream.session.limits import Limits
from netstream.session.notes import Notes
from netstream.session.receiver import Receiver
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


class Feed:
    """
    Reads one source's text as that of a peer is read, and tells the local
    host; but who this node is and what its labels are is not for a source to
    say.
    """

    def __init__(
        self, hub: Hub, settings: Settings, plugin: str, update_every: int = 0, limits: Limits = LIMITS
    ) -> None:
        """
        @param plugin: Name of the source, for charts that do not say.
        @param update_every: Seconds, for charts that do not say; 0 is that of
            the node.
        """
        self._host = hub.local
        self._plugin = plugin
        self._settings = settings
        self._every = update_every or settings.db.update_every
        self._limits = limits
        self._defined: set[str] = set()
        self._functions: set[tuple[str, str]] = set()
        self._receiver = self._new_receiver()
        self._forget_state: Callable[[], None] | None = None

    def _new_receiver(self) -> Receiver:
        return Receiver(
            self._host.table,
            Capability.CLABELS,
            update_every=self._every,
            gap_when_lost=self._settings.db.gap_when_lost,
            node=self._host.info.guid,
            limits=self._limits,
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
        for update in self._receiver.receive(text, now):
            self._apply(update)

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
            case FunctionWithdrawn(name, chart_id):
                self._functions.discard((chart_id, name))
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

    def restart(self) -> None:
        """
        The source is gone, and with it its charts and functions; what is said
        from now on is from a new one.
        """
        for chart_id, name in sorted(self._functions):
            self._host.apply(FunctionWithdrawn(name, chart_id))
        for chart_id in sorted(self._defined):
            chart = self._host.charts.get(chart_id)
            if chart is not None and not chart.obsolete:
                self._host.apply(ChartDefined(evolve(chart, obsolete=True)))
        self._functions.clear()
        self._defined.clear()
        self._receiver = self._new_receiver()
        if self._forget_state is not None:
            self._forget_state()
            self._forget_state = None
