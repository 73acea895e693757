"""
The child's side of a connection: updates become lines for a parent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

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


class Sender:
    """
    What we say to one parent about one host, after its reply.

    Only what was agreed on is said, charts that the pattern does not select
    are left out, and no sample comes before its chart's definition.

    @ivar notes: What the parent said that was skipped, by keyword.
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
        self._resync = Resync(clock_resync_iterations)
        self.notes = Notes()
        self.samples = 0
        self._capabilities = capabilities
        self._guid = guid
        self._pattern = charts
        self._interpolated = Capability.INTERPOLATED in capabilities
        self._encoder = Encoder(Capability.IEEE754 in capabilities)
        self._decoder = LineDecoder()
        self._charts: dict[str, Chart] = {}
        self._ids: set[bytes] = set()
        self._states = np.zeros(0, np.uint8)
        self._numbers: dict[str, list[int]] = {}

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
                return self._samples(update)
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
            self._charts.pop(chart.id, None)
            self._ids.discard(chart.id.encode())
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
        return b""

    def _about(self, chart_id: str, line: Line) -> bytes:
        """
        @return: A line about a chart, after one that makes the chart current;
            nothing if the chart is not sent.
        """
        if not chart_id:
            return line.line()
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
            if everything and self._pattern.everything:
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
            self._states[number] = _LEFT_OUT if chart is None else _SENT
            self._numbers.setdefault(chart_id, []).append(number)
            if chart is not None:
                self._encoder.series(number, chart_id, dimension, chart.update_every)
        return self._states[batch.series]
