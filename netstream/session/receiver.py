"""
The parent's side of a connection: what a child says becomes updates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import isfinite

from attrs import define, evolve, field

from netstream.kernel import Ingest
from netstream.model.chart import Chart, Dimension
from netstream.model.host import Function, Label
from netstream.model.samples import ChartState, SampleBatch, SeriesTable, distinct
from netstream.model.updates import (
    ChartDefined,
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
from netstream.session.errors import ProtocolError
from netstream.session.exchange import DOCUMENT as EXCHANGE
from netstream.session.functions import Asked
from netstream.session.labels import label, label_name
from netstream.session.limits import Limits
from netstream.session.notes import Notes
from netstream.session.past import Past
from netstream.session.path import DOCUMENT, parse_path
from netstream.session.replication import Replication
from netstream.session.stages import MISSING, NEXT, Stage
from netstream.session.vocabulary import Vocabulary
from netstream.wire.capabilities import Capability
from netstream.wire.commands import (
    ChartLabel,
    ClaimedId,
    Command,
    CommitChartLabels,
    DefineChart,
    DefineDimension,
    EndDefinition,
    FunctionProgress,
    FunctionResult,
    HostLabel,
    JsonPayload,
    Line,
    OverwriteLabels,
    Payload,
    RegisterFunction,
    ReplayChartState,
    ReplayDimensionState,
    ReplayEnd,
    SetVariable,
    Unknown,
    WithdrawFunction,
)
from netstream.wire.decoder import Decoder
from netstream.wire.errors import WireError
from netstream.wire.words import clean

__all__ = ["Limits", "ProtocolError", "Receiver"]


LONGEST_HELP = 2000
"""Characters that are kept of a function's help."""
LONGEST_TAGS = 200
"""Characters that are kept of a function's tags."""

_ALLOWED: Mapping[Stage, Mapping[type, Stage]] = {
    stage: {kind: after for (before, kind), after in NEXT.items() if before is stage} for stage in Stage
}
"""What may come in each stage, and the stage after it."""

_APART = frozenset({SetVariable, RegisterFunction, FunctionResult, FunctionProgress})
"""Lines that do not end the definition in which they stand."""


def _weight(chart: Chart | None) -> int:
    """
    @return: Characters of a chart's own texts.
    """
    if chart is None:
        return 0
    texts = (chart.id, chart.name, chart.title, chart.units, chart.family, chart.context, chart.plugin, chart.module)
    return sum(map(len, texts))


def _label_weight(labels: Mapping[str, Label] | None) -> int:
    """
    @return: Characters of labels.
    """
    return sum(len(name) + len(label.value) for name, label in (labels or {}).items())


@define
class _Definition:
    """
    A chart's definition while it comes.

    @ivar id: Chart id as spelled on the wire.
    @ivar pending: Labels that were not committed; L{None} if there are none.
    @ivar held: Updates about the chart that follow its definition.
    @ivar bare: Only the C{CHART} line came, perhaps just to make it current.
    """

    id: str
    chart: Chart
    dimensions: dict[str, Dimension]
    labels: Mapping[str, Label]
    pending: dict[str, Label] | None = None
    held: list[Update] = field(factory=list)
    bare: bool = True


class Receiver:
    """
    What one child, or one collector, says from the first byte after the
    handshake on.

    It tells the kernel of each chart and dimension before their samples are
    read, and is bounded by L{Limits}.

    @ivar notes: What was skipped, by keyword.
    @ivar stage: Where the definition of charts stands.
    """

    def __init__(
        self,
        table: SeriesTable,
        capabilities: Capability,
        *,
        update_every: int = 1,
        gap_when_lost: int = 1,
        node: str = "",
        limits: Limits | None = None,
        vocabulary: Vocabulary | None = None,
        replication: Replication | None = None,
        asked: Asked | None = None,
        exchange: Callable[[bytes], None] | None = None,
    ) -> None:
        """
        @param table: Numbers the series of the host.
        @param capabilities: What was agreed on.
        @param update_every: Seconds, for charts that do not say.
        @param gap_when_lost: Points lost between two collections from which
            on they stay lost, and are not interpolated.
        @param node: Machine GUID of the host; that of the table if empty.
        @param vocabulary: What definitions have in common with those of other
            connections; shared with nobody if not given.
        @param replication: Decides what to ask for, if that was agreed on.
        @param asked: Calls whose answers come on this connection; none if not
            given.
        @param exchange: Is given what is said of stored history, if that was
            agreed on.
        """
        self.notes = Notes()
        self.stage = Stage.START
        self._allowed = _ALLOWED[Stage.START]
        self._vocabulary = vocabulary or Vocabulary()
        self.capabilities = capabilities
        self._limits = limits or Limits()
        self._ingest = Ingest(gap_when_lost, replicated=replication is not None)
        self._replication = replication
        self._past = Past(self._ingest, table)
        self._now = 0.0
        lexicon = self._vocabulary.lexicon
        self._decoder = Decoder(self._ingest, table, self._limits.line, self._limits.payload, lexicon)
        self._decoder.room = self._room_of
        self._asked = asked
        self._exchange = exchange
        self._table = table
        self._update_every = update_every
        self._node = (node or table.node).lower()
        self._current = ""
        self._open: _Definition | None = None
        self._charts: dict[str, Chart] = {}
        self._dimension_count = 0
        self._chart_label_count = 0
        self._text = 0
        self._respelled: set[tuple[str, str]] = set()
        self._obsolete: dict[int, str] = {}
        self._releases = table.releases
        self._labels: dict[str, Label] = {}
        self._variables: set[tuple[str, str]] = set()
        self._functions: set[tuple[str, str]] = set()
        self._obey: dict[type, Callable[..., list[Update]]] = {
            DefineChart: self._define_chart,
            DefineDimension: self._define_dimension,
            ChartLabel: self._chart_label,
            CommitChartLabels: self._commit_chart_labels,
            EndDefinition: self._end_definition,
            SetVariable: self._set_variable,
            RegisterFunction: self._register_function,
            WithdrawFunction: self._withdraw_function,
            ClaimedId: self._claimed_id,
            HostLabel: self._host_label,
            OverwriteLabels: self._overwrite_labels,
            JsonPayload: self._json,
            FunctionResult: self._function_result,
            FunctionProgress: self._function_progress,
        }
        if replication is not None:
            self._obey |= {
                ReplayDimensionState: self._dimension_state,
                ReplayChartState: self._chart_state,
                ReplayEnd: self._replay_end,
            }

    @property
    def lines(self) -> int:
        """
        How many lines were read.
        """
        return self._decoder.line_number

    def receive(self, data: bytes, now: float) -> Iterator[Update]:
        """
        Take in bytes.

        @param now: UTC seconds.
        @return: What they say, in their order; it must be exhausted before
            more bytes are given.
        @raise ProtocolError: While it is exhausted: the child said what it
            must not say.  What was good before it has been delivered.
        """
        self._now = now
        self._decoder.receive(data)
        return self._updates(int(now * 1e6))

    def state(self, chart_id: str) -> ChartState | None:
        """
        @return: Where the collection of a chart stands, if its values are
            calculated here; L{None} if not, or if the chart is not known.
        """
        if chart_id not in self._charts or Capability.INTERPOLATED in self.capabilities:
            return None
        collected_at, updated_at, dimensions = self._ingest.state(chart_id)
        if not collected_at:
            return None
        return ChartState(
            collected_at, updated_at, {number: (collected, rest) for number, collected, rest in dimensions}
        )

    def _drop_released(self) -> None:
        """
        Know no more of the charts whose numbers were released.
        """
        self._releases = self._table.releases
        for chart_id in set(self._obsolete.values()):
            chart = self._charts[chart_id]
            if not self._table.knows(chart.id):
                self._drop(chart_id, chart)

    def _drop(self, chart_id: str, chart: Chart) -> None:
        opened = self._open
        if opened is not None and opened.id == chart_id:
            reason = f"the definition of {chart.id} stopped half-way until the chart was forgotten"
            raise ProtocolError(self._decoder.line_number, reason)
        del self._charts[chart_id]
        self._obsolete = {number: owner for number, owner in self._obsolete.items() if owner != chart_id}
        self._dimension_count -= len(chart.dimensions)
        self._chart_label_count -= len(chart.labels)
        self._text -= _weight(chart) + _label_weight(chart.labels)
        self._text -= sum(len(dimension.id) + len(dimension.name) for dimension in chart.dimensions.values())
        self._respelled = {spelled for spelled in self._respelled if spelled[0] != chart_id}
        for keys in (self._variables, self._functions):
            gone = {key for key in keys if key[0] == chart.id}
            self._text -= sum(len(name) for _, name in gone)
            keys -= gone
        if self._current == chart_id:
            self._current = ""
            self._enter(Stage.START)
        if self._replication is not None:
            self._replication.forget(chart_id)
        self._ingest.forget(chart_id)

    def _updates(self, now: int) -> Iterator[Update]:
        if self._releases != self._table.releases:
            self._drop_released()
        try:
            for item in self._decoder.items(now):
                if isinstance(item, SampleBatch):
                    yield from self._samples(item)
                else:
                    yield from self._command(item)
        except WireError as problem:
            raise ProtocolError(problem.line_number, problem.reason, problem.line) from problem

    def _wrong(self, reason: str, line: Line) -> ProtocolError:
        return ProtocolError(self._decoder.line_number, reason, line.line().rstrip(b"\n"))

    def _room(self, count: int, most: int, what: str, line: Line) -> None:
        if count >= most:
            raise self._wrong(f"more than {most} {what}", line)

    def _keep(self, characters: int, line: Line) -> None:
        self._text += characters
        if self._text > self._limits.text:
            raise self._wrong(f"more than {self._limits.text} characters of definitions", line)

    def _samples(self, batch: SampleBatch) -> Iterator[Update]:
        if self._open is not None:
            yield from self._complete()
        if self._past.came:
            past = self._past.of(batch)
            if past is not None:
                batch = self._past.rest(batch)
                yield past
        if self._obsolete and len(batch):
            yield from self._revive(batch)
        if self._respelled and batch.lines is not None:
            # Its lines name things otherwise than the definitions that are passed on.
            batch = evolve(batch, lines=None)
        if len(batch) or batch.lines is not None:
            yield batch

    def _revive(self, batch: SampleBatch) -> Iterator[Update]:
        for number in self._obsolete.keys() & set(distinct(batch.series).tolist()):
            chart_id = self._obsolete.get(number)
            if chart_id is not None:
                chart = evolve(self._charts[chart_id], obsolete=False)
                self._charts[chart_id] = chart
                self._mark_obsolete(chart_id, chart)
                yield ChartDefined(chart)

    def _mark_obsolete(self, chart_id: str, chart: Chart) -> None:
        for dimension in chart.dimensions:
            number = self._table.number(chart.id, dimension)
            if chart.obsolete:
                self._obsolete[number] = chart_id
            else:
                self._obsolete.pop(number, None)

    def _command(self, command: Command) -> list[Update]:
        kind = command.__class__
        stage = self._allowed.get(kind)
        if stage is not None:
            updates = self._obey[kind](command)
            self._enter(stage)
            return updates
        if isinstance(command, Unknown):
            self.notes.skipped(command.keyword)
            return []
        missing = MISSING.get(type(command))
        if missing is not None:
            raise self._wrong(missing, command)
        updates = [] if kind in _APART else self._complete()
        obey = self._obey.get(kind)
        if obey is None:
            self.notes.skipped(command.KEYWORD)
            return updates
        return [*updates, *obey(command)]

    def _enter(self, stage: Stage) -> None:
        if stage is not self.stage:
            self.stage = stage
            self._allowed = _ALLOWED[stage]

    def _complete(self) -> list[Update]:
        """
        The definition that is open, if any, is complete.
        """
        opened = self._open
        if opened is None:
            return []
        self._open = None
        self._enter(Stage.CHART)
        if opened.pending:
            self._chart_label_count -= len(opened.pending)
            self._text -= _label_weight(opened.pending)
        chart = self._vocabulary.chart(opened.chart, opened.dimensions, opened.labels)
        if opened.bare and chart == self._charts.get(opened.id):
            return opened.held
        self._charts[opened.id] = chart
        if chart.obsolete or self._obsolete:
            self._mark_obsolete(opened.id, chart)
        return [ChartDefined(chart), *opened.held]

    def _define_chart(self, line: DefineChart) -> list[Update]:
        updates = self._complete()
        known = self._charts.get(line.id)
        if known is None:
            self._room(len(self._charts), self._limits.charts, "charts", line)
        dimensions = dict(known.dimensions) if known else {}
        labels = known.labels if known else {}
        chart = self._vocabulary.head(line, self._update_every)
        self._keep(_weight(chart) - _weight(known), line)
        if chart.id != line.id:
            self._respelled.add((line.id, ""))
        self._open = _Definition(line.id, chart, dimensions, labels)
        self._current = line.id
        self._ingest.chart(line.id, chart.update_every, chart.store_first)
        return updates

    def _reopened(self) -> _Definition:
        """
        @return: The definition that is open, else that of the current chart
            once more.
        """
        if self._open is None:
            known = self._charts[self._current]
            self._open = _Definition(self._current, known, dict(known.dimensions), known.labels)
        self._open.bare = False
        return self._open

    def _define_dimension(self, line: DefineDimension) -> list[Update]:
        opened = self._reopened()
        dimension = self._vocabulary.dimension(line)
        known = opened.dimensions.get(dimension.id)
        if known is None:
            count = self._dimension_count + len(self._respelled)
            self._room(count, self._limits.dimensions, "dimensions", line)
            self._room(len(opened.dimensions), self._limits.chart_dimensions, "dimensions of one chart", line)
            self._dimension_count += 1
        if known is not dimension:
            old = len(known.id) + len(known.name) if known else 0
            self._keep(len(dimension.id) + len(dimension.name) - old, line)
        if dimension.id != line.id and (opened.id, line.id) not in self._respelled:
            self._room(len(self._respelled), self._limits.dimensions, "dimensions", line)
            self._respelled.add((opened.id, line.id))
        opened.dimensions[dimension.id] = dimension
        self._ingest.dimension(
            opened.id,
            line.id,
            self._table.number(opened.chart.id, dimension.id),
            int(dimension.algorithm),
            dimension.multiplier,
            dimension.divisor,
            dimension.no_reset,
        )
        return []

    def _chart_label(self, line: ChartLabel) -> list[Update]:
        opened = self._reopened()
        if opened.pending is None:
            opened.pending = {}
        name, new = self._vocabulary.label(line)
        if not name:
            return []
        known = opened.pending.get(name)
        if known is None:
            self._room(self._chart_label_count, self._limits.chart_labels, "chart labels", line)
            self._chart_label_count += 1
        opened.pending[name] = new
        self._keep(len(new.value) - len(known.value) if known else len(name) + len(new.value), line)
        return []

    def _commit_chart_labels(self, line: CommitChartLabels) -> list[Update]:
        opened = self._reopened()
        self._chart_label_count -= len(opened.labels)
        if opened.labels:
            self._text -= _label_weight(opened.labels)
        opened.labels = opened.pending or {}
        opened.pending = None
        return []

    def _end_definition(self, line: EndDefinition) -> list[Update]:
        if self._open is not None:
            self._open.bare = False
        updates = self._complete()
        chart = self._charts.get(self._current)
        if self._replication is None or chart is None:
            return updates
        first, last = (line.first, line.last) if chart.dimensions else (0, 0)
        self._replication.defined(self._current, first, last, line.now, self._now)
        return [*updates, HistorySought(chart.id)]

    def _replayed(self, line: Line) -> str:
        """
        @return: The chart whose past a line is about, as spelled on the wire.
        """
        chart_id = self._ingest.replaying
        if chart_id is None:
            raise self._wrong("what stands at the end of an answer, without an answer", line)
        return chart_id

    def _dimension_state(self, line: ReplayDimensionState) -> list[Update]:
        chart_id = self._replayed(line)
        try:
            self._ingest.stands_dimension(
                chart_id, line.dimension, line.time, line.collected, line.calculated, line.stored
            )
        except KeyError:
            raise self._wrong("unknown dimension", line) from None
        return []

    def _chart_state(self, line: ReplayChartState) -> list[Update]:
        chart_id = self._replayed(line)
        self._ingest.stands(chart_id, line.collected, line.updated)
        return []

    def _replay_end(self, line: ReplayEnd) -> list[Update]:
        chart_id = self._replayed(line)
        assert self._replication is not None
        updates: list[Update] = []
        chart = self._charts[chart_id]
        if line.start and chart_id in self._replication:
            replication = self._replication
            last = self._past.last(replication.own(chart_id), replication.announced(chart_id))
            if last is not None:
                updates.append(last)
            if self._ingest.torn and Capability.INTERPOLATED not in self.capabilities:
                line = evolve(line, start=False)
        if self._replication.ended(chart_id, line, self._past.taken(), self._now):
            updates.append(HistoryComplete(chart.id))
        return updates

    def _chart_meant(self) -> str:
        """
        @return: The chart that a line is about which names none, as spelled on
            the wire: that of the samples it stands between, else the current;
            C{""} if there is neither.
        """
        return self._ingest.current or self._current

    def _hold(self, update: Update) -> list[Update]:
        """
        An update about the chart meant: at once, or after the definition in
        which it stands.
        """
        if self._open is None:
            return [update]
        if self._ingest.current is not None and self._ingest.current != self._open.id:
            return [*self._complete(), update]
        self._open.held.append(update)
        return []

    def _set_variable(self, line: SetVariable) -> list[Update]:
        name, chart_id = clean(line.name), self._chart_meant()
        of_chart = bool(chart_id) if line.chart is None else line.chart
        if of_chart and not chart_id:
            raise self._wrong("a chart variable without a chart", line)
        if not isfinite(line.value):
            self.notes.skipped(line.KEYWORD)
            return []
        key = (clean(chart_id) if of_chart else "", name)
        if key not in self._variables:
            self._room(len(self._variables), self._limits.variables, "variables", line)
            self._keep(len(name), line)
            self._variables.add(key)
        update = VariableSet(name, line.value, key[0])
        return self._hold(update) if of_chart else [*self._complete(), update]

    def _register_function(self, line: RegisterFunction) -> list[Update]:
        name, chart_id = clean(line.name), "" if line.everywhere else self._chart_meant()
        if not chart_id and not line.everywhere:
            raise self._wrong("a chart function without a chart", line)
        key = (clean(chart_id), name)
        if key not in self._functions:
            self._room(len(self._functions), self._limits.functions, "functions", line)
            self._keep(len(name), line)
            self._functions.add(key)
        update = FunctionOffered(
            Function(
                name,
                line.timeout,
                clean(line.help)[:LONGEST_HELP],
                key[0],
                clean(line.tags)[:LONGEST_TAGS],
                line.access,
                line.priority,
                line.version,
            )
        )
        return [*self._complete(), update] if line.everywhere else self._hold(update)

    def _withdraw_function(self, line: WithdrawFunction) -> list[Update]:
        key = ("" if line.everywhere else clean(self._chart_meant()), clean(line.name))
        self._functions.discard(key)
        return [FunctionWithdrawn(key[1], key[0])]

    def _room_of(self, kind: type[Payload], words: Sequence[str]) -> int:
        """
        @return: Bytes that a payload may have: an answer for which nobody waits
            is not kept.
        """
        if kind is not FunctionResult:
            return self._limits.payload
        return self._limits.result if self._asked is not None and self._asked.wants(words[0]) else 0

    def _function_result(self, line: FunctionResult) -> list[Update]:
        if self._asked is None:
            self.notes.skipped(line.KEYWORD)
        else:
            self._asked.result(line)
        return []

    def _function_progress(self, line: FunctionProgress) -> list[Update]:
        if self._asked is None:
            self.notes.skipped(line.KEYWORD)
        else:
            self._asked.progress(line, self._now)
        return []

    def _claimed_id(self, line: ClaimedId) -> list[Update]:
        return [ClaimSet(line.claim_id)] if not self._node or line.guid == self._node else []

    def _host_label(self, line: HostLabel) -> list[Update]:
        name = label_name(line.name)
        if name and name not in self._labels:
            self._room(len(self._labels), self._limits.host_labels, "host labels", line)
        if name:
            self._labels[name] = label(line.value, line.source)
        return []

    def _overwrite_labels(self, line: OverwriteLabels) -> list[Update]:
        labels, self._labels = self._labels, {}
        return [LabelsReplaced(labels)]

    def _json(self, line: JsonPayload) -> list[Update]:
        if line.name == DOCUMENT:
            try:
                return [PathKnown(parse_path(line.body))]
            except ValueError:
                pass
        elif line.name == EXCHANGE and self._exchange is not None:
            self._exchange(line.body)
            return []
        self.notes.skipped(f"{line.KEYWORD} {clean(line.name)[:40]}")
        return []
