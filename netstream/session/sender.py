"""
The child's side of a connection: updates become lines for a parent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from typing import Any

import numpy as np
from attrs import define, field

from netstream.kernel import Encoder, select
from netstream.model.chart import Chart
from netstream.model.host import Function, Label
from netstream.model.pattern import SimplePattern
from netstream.model.samples import SampleBatch
from netstream.model.updates import (
    ChartDefined,
    ChartForgotten,
    ClaimSet,
    FunctionOffered,
    FunctionWithdrawn,
    HistoryComplete,
    HistorySought,
    LabelsReplaced,
    PathKnown,
    Update,
    VariableSet,
)
from netstream.session.definitions import chart_line, definition
from netstream.session.errors import ProtocolError
from netstream.session.notes import Notes
from netstream.session.path import path_document
from netstream.session.timing import Resync
from netstream.wire.capabilities import Capability
from netstream.wire.commands import (
    ClaimedId,
    EndDefinition,
    HostLabel,
    Line,
    OverwriteLabels,
    RegisterFunction,
    SetVariable,
    Unknown,
    WithdrawFunction,
)
from netstream.wire.decoder import LineDecoder
from netstream.wire.errors import WireError

CONFIG = "config"
"""The function by which a node's dynamic configuration is reached."""

_NEW, _SENT, _LEFT_OUT = 0, 1, 2


@define
class _Waiting:
    """
    A chart whose definition is to be sent once it is known what is kept of
    it.

    @ivar lines: What belongs to the definition.
    """

    chart: Chart
    lines: list[bytes] = field(factory=list)


class Sender:
    """
    What we say to one parent about one host, after its reply.

    Only what was agreed on is said, charts that the pattern does not select
    are left out, and no sample comes before its chart's definition.

    If replication was agreed on, definitions wait until L{announce} is told
    what is kept of their charts, and live samples until L{begin}, when the
    parent has what it missed.

    @ivar notes: What the parent said that was skipped, by keyword.
    @ivar replicates: Whether replication was agreed on.
    @ivar interpolated: Whether samples are sent with their values, not as they
        were collected.
    @ivar ieee754: Whether numbers are sent in base 64.
    @ivar samples: Samples that were to be sent.
    """

    def __init__(
        self, capabilities: Capability, guid: str, charts: SimplePattern, clock_resync_iterations: int = 0
    ) -> None:
        """
        @param capabilities: What was agreed on.
        @param guid: Machine GUID of the host.
        @param charts: Selects charts by context, name and id: one of them must
            be wanted, and none refused.
        @param clock_resync_iterations: How many collections of each chart
            leave the timing to a version 1 parent.
        """
        self.replicates = Capability.REPLICATION in capabilities
        self._resync = Resync(0 if self.replicates else clock_resync_iterations)
        self.notes = Notes()
        self.samples = 0
        self._capabilities = capabilities
        self._guid = guid
        self._pattern = charts
        self.interpolated = self._interpolated = Capability.INTERPOLATED in capabilities
        self.ieee754 = Capability.IEEE754 in capabilities
        self._encoder = Encoder(Capability.IEEE754 in capabilities)
        self._decoder = LineDecoder()
        self._charts: dict[str, Chart] = {}
        self._ids: set[bytes] = set()
        self._states = np.zeros(0, np.uint8)
        self._numbers: dict[str, list[int]] = {}
        self._waiting: dict[str, _Waiting] = {}
        self._announced: dict[str, int] = {}
        self._dormant: set[str] = set()
        self._filled: set[str] = set()

    def start(
        self,
        charts: Iterable[Chart] = (),
        labels: Mapping[str, Label] | None = None,
        variables: Mapping[tuple[str, str], float] | None = None,
        claim_id: str | None = None,
        functions: Iterable[Function] = (),
        path: Sequence[Mapping[str, Any]] = (),
    ) -> bytes:
        """
        Begin with all that is known of the host.

        @param variables: By (chart id or C{""}, name).
        @param path: Entries of the stream path, ours the last.
        """
        of_charts: dict[str, dict[str, float]] = {}
        for (chart, name), value in (variables or {}).items():
            of_charts.setdefault(chart, {})[name] = value
        pieces = [self._path(path) if path else b"", self._claim(claim_id), self._labels(labels) if labels else b""]
        pieces += [SetVariable(name, value, False).line() for name, value in of_charts.get("", {}).items()]
        pieces += [self._define(chart, of_charts.get(chart.id, {})) for chart in charts]
        pieces += [self._offer(function) for function in functions]
        return b"".join(pieces)

    def send(self, update: Update) -> bytes:
        """
        @return: What is to be sent of an update; may be nothing.
        """
        match update:
            case SampleBatch():
                return self._fill(update) if update.past else self._samples(update)
            case HistorySought():
                return b""
            case HistoryComplete(chart_id):
                return self._filled_up(chart_id)
            case ChartDefined(chart):
                return self._define(chart, {})
            case ChartForgotten(chart_id):
                return self._forget(chart_id)
            case VariableSet(name, value, chart_id):
                return self._about(chart_id, SetVariable(name, value, bool(chart_id)))
            case LabelsReplaced(labels):
                return self._labels(labels)
            case ClaimSet(claim_id):
                return self._claim(claim_id)
            case FunctionOffered(function):
                return self._offer(function)
            case FunctionWithdrawn(name, chart_id):
                if Capability.FUNCDEL not in self._capabilities:
                    return b""
                return self._about(chart_id, WithdrawFunction(name, not chart_id))
            case PathKnown(entries):
                return self._path(entries)

    def receive(self, data: bytes) -> Iterator[Line]:
        """
        Take in what the parent says.

        @return: Its commands; what is not known or not readable is skipped.
        @raise ProtocolError: While it is exhausted: a line or payload is too
            long.
        """
        self._decoder.receive(data)
        return self._commands()

    def _commands(self) -> Iterator[Line]:
        try:
            for command in self._decoder.commands(tolerant=True):
                if isinstance(command, Unknown):
                    self.notes.skipped(command.keyword)
                else:
                    yield command
        except WireError as problem:
            raise ProtocolError(problem.line_number, problem.reason, problem.line) from problem

    def _selects(self, chart: Chart) -> bool:
        if self._pattern.everything:
            return True
        verdicts = {self._pattern.verdict(text) for text in (chart.context, chart.name, chart.id)}
        return True in verdicts and False not in verdicts

    def _define(self, chart: Chart, variables: Mapping[str, float]) -> bytes:
        self._states[self._numbers.pop(chart.id, [])] = _NEW
        if not self._selects(chart):
            return self._forget(chart.id)
        if self.replicates:
            self._ids.discard(chart.id.encode())
            self._dormant.add(chart.id)
            lines = [SetVariable(name, value, True).line() for name, value in variables.items()]
            self._waiting[chart.id] = _Waiting(chart, lines)
            return b""
        if chart.id not in self._charts:
            self._resync.begin(chart.id)
        self._charts[chart.id] = chart
        self._ids.add(chart.id.encode())
        return definition(chart, self._capabilities, variables)

    def _forget(self, chart_id: str) -> bytes:
        """
        Keep nothing of a chart; the parent forgets it by itself.
        """
        self._states[self._numbers.pop(chart_id, [])] = _NEW
        self._charts.pop(chart_id, None)
        self._ids.discard(chart_id.encode())
        self._waiting.pop(chart_id, None)
        self._announced.pop(chart_id, None)
        self._dormant.discard(chart_id)
        self._filled.discard(chart_id)
        return b""

    def waiting(self, incomplete: Set[str] = frozenset()) -> list[str]:
        """
        @param incomplete: Charts of which we ourselves miss something.
        @return: The charts that can be announced.
        """
        return [chart_id for chart_id in self._waiting if chart_id not in incomplete]

    def announce(self, charts: Iterable[str], spans: Mapping[str, tuple[int, int]], now: int) -> bytes:
        """
        Define charts, and tell what is kept of them.

        @param charts: Ids of charts that wait; others are ignored.
        @param spans: By chart, the oldest and the newest second.
        @param now: UTC seconds.
        """
        lines = []
        for chart_id in charts:
            waiting = self._waiting.pop(chart_id, None)
            if waiting is None:
                continue
            first, last = spans.get(chart_id, (0, 0))
            if first:
                # Parents ask for what comes after it.
                first -= waiting.chart.update_every
            self._charts[chart_id] = waiting.chart
            self._announced[chart_id] = last or now - waiting.chart.update_every
            lines.append(definition(waiting.chart, self._capabilities, {}))
            lines += waiting.lines
            lines.append(EndDefinition(first, last, max(now, last)).line())
        return b"".join(lines)

    def announced(self, chart_id: str) -> tuple[Chart, int] | None:
        """
        @return: A chart as it was defined last, and the newest second that the
            parent was told of; L{None} if it was not.
        """
        chart = self._charts.get(chart_id)
        return None if chart is None else (chart, self._announced[chart_id])

    def live(self, chart_id: str) -> bool:
        """
        @return: Whether the samples of a chart that was announced are sent.
        """
        return chart_id not in self._dormant

    @property
    def dormant(self) -> int:
        """
        How many charts wait for the parent to have what it missed.
        """
        return len(self._dormant)

    def begin(self, chart_id: str, second: int) -> None:
        """
        Send samples from now on, unless the chart is about to be defined anew.

        @param second: The newest second that the parent has.
        """
        if chart_id in self._waiting or chart_id not in self._charts:
            return
        self._dormant.discard(chart_id)
        self._ids.add(chart_id.encode())
        self._states[self._numbers.pop(chart_id, [])] = _NEW
        if second:
            self._encoder.sent(chart_id, second)

    def restart(self) -> None:
        """
        Send samples of no chart until all have been defined and filled up
        anew.
        """
        for chart in tuple(self._charts.values()):
            if chart.id not in self._waiting:
                self._define(chart, {})

    def leave_gap(self) -> None:
        """
        Samples that were to be sent are dropped, and will not be sent again: a
        parent that times collections by those before them has to take its
        clock for the next ones.
        """
        if not self._interpolated:
            self._resync.leave_gap(self._charts)

    def _fill(self, batch: SampleBatch) -> bytes:
        """
        Samples of the past reach a parent only if it asks for them.
        """
        if self.replicates:
            self._filled |= {batch.table[number][0] for number in np.unique(batch.series).tolist()}
        return b""

    def _filled_up(self, chart_id: str) -> bytes:
        """
        We have now what we missed of a chart: announce it once more.

        A parent that makes the values itself has to hear in any case where
        the collection stands now: what it was told before may be of a time
        when we did not know that ourselves.
        """
        if chart_id in self._filled or (self.replicates and not self._interpolated):
            self._filled.discard(chart_id)
            chart = self._charts.get(chart_id)
            if chart is not None and chart_id not in self._waiting:
                return self._define(chart, {})
        return b""

    def _about(self, chart_id: str, line: Line) -> bytes:
        """
        @return: A line about a chart, after one that makes the chart current;
            nothing if the chart is not sent.
        """
        if not chart_id:
            return line.line()
        waiting = self._waiting.get(chart_id)
        if waiting is not None:
            waiting.lines.append(line.line())
            return b""
        chart = self._charts.get(chart_id)
        return b"" if chart is None else chart_line(chart).line() + line.line()

    def _labels(self, labels: Mapping[str, Label]) -> bytes:
        if Capability.HLABELS not in self._capabilities:
            return b""
        lines = [HostLabel(name, label.value, label.source).line() for name, label in labels.items()]
        return b"".join([*lines, OverwriteLabels().line()])

    def _claim(self, claim_id: str | None) -> bytes:
        return ClaimedId(self._guid, claim_id).line() if Capability.CLAIM in self._capabilities else b""

    def _path(self, entries: Sequence[Mapping[str, Any]]) -> bytes:
        return path_document(entries) if Capability.PATHS in self._capabilities else b""

    def _offer(self, function: Function) -> bytes:
        if Capability.FUNCTIONS not in self._capabilities or not (function.chart or self._interpolated):
            return b""  # 1.37 does not take functions of the host from a stream
        if function.name == CONFIG and Capability.DYNCFG not in self._capabilities:
            return b""
        line = RegisterFunction(
            function.name,
            function.timeout,
            function.help,
            function.tags,
            function.access,
            function.priority,
            function.version,
            everywhere=not function.chart,
            details=self._interpolated,
        )
        return self._about(function.chart, line)

    def _samples(self, batch: SampleBatch) -> bytes:
        states = self._states_of(batch)
        sent = states == _SENT
        count = int(np.count_nonzero(sent))
        everything = count == len(sent)
        self.samples += count
        if not self._interpolated and batch.lines is not None:
            if everything and self._pattern.everything and not self._dormant:
                return self._resync.apply(batch.lines)
            return self._resync.apply(select(batch.lines, self._ids))
        wanted = slice(None) if everything else sent
        encode = self._encoder.v2 if self._interpolated else self._encoder.v1
        lines = encode(
            batch.series[wanted],
            batch.time[wanted],
            batch.collected[wanted],
            batch.value[wanted],
            batch.flags[wanted],
        )
        return lines if self._interpolated else self._resync.apply(lines)

    def _states_of(self, batch: SampleBatch) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        """
        @return: For each sample whether its series is sent; new series are
            made known to the encoder.
        """
        if len(batch.table) > len(self._states):
            more = np.zeros(len(batch.table) * 2 - len(self._states), np.uint8)
            self._states = np.concatenate([self._states, more])
        states = self._states[batch.series]
        new = np.unique(batch.series[states == _NEW]).tolist()
        if not new:
            return states
        for number in new:
            chart_id, dimension = batch.table[number]
            chart = self._charts.get(chart_id)
            self._states[number] = _LEFT_OUT if chart is None or chart_id in self._dormant else _SENT
            self._numbers.setdefault(chart_id, []).append(number)
            if chart is not None and chart_id not in self._dormant:
                self._encoder.series(number, chart_id, dimension, chart.update_every)
        return self._states[batch.series]
