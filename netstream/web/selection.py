"""
Which series of which nodes a question is about.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from attrs import define, field, frozen

from netstream.hub.hub import Host
from netstream.model.chart import Chart, Dimension
from netstream.model.pattern import SimplePattern
from netstream.web.charts import list_pattern
from netstream.web.target import MOST_STARS, BadParameter, Parameters

COLLECTOR_LABELS = ("_collect_plugin", "_collect_module")
"""Labels that every chart has: what collects it."""
UNSET = "[unset]"
"""The value of a label that a chart does not have."""

_Filter = SimplePattern | None


def labels_of(host: Host, chart: Chart) -> Mapping[str, str]:
    """
    @return: The labels of a chart by name, and those of its node that it has
        not itself.
    """
    found = {name: label.value for name, label in host.labels.items()}
    found |= dict(zip(COLLECTOR_LABELS, (chart.plugin or "[none]", chart.module or "[none]"), strict=True))
    return found | {name: label.value for name, label in chart.labels.items()}


def passes(wanted: _Filter, *names: str) -> bool:
    """
    @param names: What something is called.
    @return: Whether one of its names is wanted and none is refused.
    """
    if wanted is None:
        return True
    verdicts = {wanted.verdict(name) for name in names}
    return True in verdicts and False not in verdicts


class LabelFilter:
    """
    Wanted labels: C{name:value} or C{name}, patterns of either.

    Of several values of one name any will do; of several names each has to
    be there.  A leading C{!} refuses.
    """

    def __init__(self, text: str, called: str = "labels") -> None:
        """
        @param text: Words divided by commas or bars.
        @param called: The parameter that says so.
        @raise BadParameter: There are too many.
        """
        self._wanted: dict[str, list[SimplePattern]] = {}
        self._refused: list[SimplePattern] = []
        words = text.replace("|", ",").split(",")
        if len(words) > MOST_STARS:
            raise BadParameter(
                f"{called}: {text[:40]!r}... has {len(words)} labels, more than {MOST_STARS}; name fewer"
            )
        for word in words:
            name, colon, value = word.strip().partition(":")
            if not name:
                continue
            one = SimplePattern.parse(f"{name.removeprefix('!')}:{value if colon else '*'}", "\n")
            if name.startswith("!"):
                self._refused.append(one)
            else:
                self._wanted.setdefault(name, []).append(one)

    @property
    def empty(self) -> bool:
        """
        Whether it wants everything.
        """
        return not self._wanted and not self._refused

    def passes(self, labels: Mapping[str, str]) -> bool:
        """
        @return: Whether something with these labels is wanted.
        """
        if self.empty:
            return True
        said = [f"{name}:{value}" for name, value in labels.items()]
        if any(refused.matches(text) for refused in self._refused for text in said):
            return False
        return all(any(one.matches(text) for one in these for text in said) for these in self._wanted.values())


def _filter(text: str) -> _Filter:
    return list_pattern(text) if text else None


@frozen
class Choice:
    """
    What a client wants to be told of.

    What is outside of the scope is not told of at all; of what is in it, the
    filters say what the samples are made of.
    """

    nodes: _Filter = None
    contexts: _Filter = None
    instances: _Filter = None
    dimensions: _Filter = None
    labels: LabelFilter = field(factory=lambda: LabelFilter(""))

    @classmethod
    def parse(cls, parameters: Parameters, before: str = "") -> Choice:
        """
        @param before: C{scope_} for the scope.
        @raise BadParameter: A list has too many stars, or too many labels.
        """

        def said(name: str) -> _Filter:
            return _filter(parameters.patterns(before + name))

        return cls(
            said("nodes"),
            said("contexts"),
            said("instances"),
            said("dimensions"),
            LabelFilter(parameters.patterns(before + "labels"), before + "labels"),
        )

    def node(self, host: Host) -> bool:
        """
        Whether a node is wanted.
        """
        return passes(self.nodes, host.info.hostname, host.info.guid)

    def context(self, chart: Chart) -> bool:
        """
        Whether charts of the kind are wanted.
        """
        return passes(self.contexts, chart.context)

    def instance(self, host: Host, chart: Chart) -> bool:
        """
        Whether a chart is called as is wanted.
        """
        return self.instances is None or passes(self.instances, *instance_names(host, chart))

    def chart(self, host: Host, chart: Chart) -> bool:
        """
        Whether a chart is wanted, of a node that is: by all that is said of
        it, its labels and dimensions included.
        """
        return (
            self.context(chart)
            and self.instance(host, chart)
            and (self.labels.empty or self.labels.passes(labels_of(host, chart)))
            and (self.dimensions is None or any(self.dimension(d, True) for d in chart.dimensions.values()))
        )

    def dimension(self, dimension: Dimension, otherwise: bool) -> bool:
        """
        @param otherwise: What is said if no dimension is named.
        @return: Whether a dimension is wanted.
        """
        wanted = self.dimensions
        return otherwise if wanted is None else wanted.matches(dimension.id) or wanted.matches(dimension.name)


def instance_names(host: Host, chart: Chart) -> Iterable[str]:
    """
    @return: What a chart may be called by where there are many nodes.
    """
    return dict.fromkeys((chart.id, chart.name, f"{chart.id}@{host.info.guid}", f"{chart.name}@{host.info.guid}"))


@define(eq=False)
class Instance:
    """
    A chart of a wanted node, in scope.

    @ivar number: Its place among all of them.
    @ivar node: The place of its node.
    @ivar labels: Those of it and of its node.
    @ivar wanted: Whether it passes the filters.
    @ivar shown: Dimensions that do as well.
    @ivar others: Dimensions in scope that do not.
    """

    number: int
    node: int
    host: Host
    chart: Chart
    labels: Mapping[str, str]
    wanted: bool
    shown: list[Dimension] = field(factory=list)
    others: list[Dimension] = field(factory=list)


class Choosing:
    """
    Finds what is in scope and what of it is wanted, node by node.

    @ivar count: How many charts were found.
    @ivar elsewhere: Charts and dimensions in scope of which no more is told
        since their node or their context is not wanted, by place of the node
        and context.
    """

    def __init__(self, scope: Choice, filters: Choice, hidden: bool, alerts: Callable[[Host, Chart], bool]) -> None:
        """
        @param hidden: Whether dimensions that are not shown are wanted although
            nobody names them.
        @param alerts: Whether the alerts of a chart are such that it is wanted.
        """
        self.count = 0
        self.elsewhere: dict[tuple[int, str], list[int]] = {}
        self._scope = scope
        self._filters = filters
        self._hidden = hidden
        self._alerts = alerts
        self._in_scope: dict[str, bool] = {}
        self._of_context: dict[str, bool] = {}

    def of(self, node: int, host: Host) -> Iterator[Instance | None]:
        """
        @param node: Place of the node.
        @return: Its charts in scope, L{None} for each that is not.
        """
        scope, filters = self._scope, self._filters
        of_node = filters.node(host)
        for chart in tuple(host.charts.values()):
            if not self._known(chart.context, self._in_scope, scope.contexts):
                yield None
                continue
            if not of_node or not self._known(chart.context, self._of_context, filters.contexts):
                missed = self.elsewhere.setdefault((node, chart.context), [0, 0])
                missed[0] += 1
                missed[1] += len(chart.dimensions)
                yield None
                continue
            labels = labels_of(host, chart)
            if not scope.instance(host, chart) or not scope.labels.passes(labels):
                yield None
                continue
            wanted = filters.instance(host, chart) and filters.labels.passes(labels) and self._alerts(host, chart)
            found = Instance(self.count, node, host, chart, labels, wanted)
            for dimension in chart.dimensions.values():
                if scope.dimension(dimension, True):
                    shown = wanted and filters.dimension(dimension, self._hidden or not dimension.hidden)
                    (found.shown if shown else found.others).append(dimension)
            if found.shown or found.others:
                self.count += 1
                yield found
            else:
                yield None

    @staticmethod
    def _known(context: str, known: dict[str, bool], wanted: _Filter) -> bool:
        verdict = known.get(context)
        if verdict is None:
            verdict = known[context] = passes(wanted, context)
        return verdict
