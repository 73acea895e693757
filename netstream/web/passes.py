"""
By what series are put together, and the groups that they come to.
"""

from __future__ import annotations

from attrs import define, evolve, frozen

from netstream.model.chart import Dimension
from netstream.web.answer import Refusal
from netstream.web.grouping import AGGREGATIONS
from netstream.web.selection import UNSET, Instance
from netstream.web.target import Parameters

GROUP_BY = (
    "dimension",
    "instance",
    "label",
    "node",
    "context",
    "units",
    "percentage-of-instance",
    "selected",
)
"""What series can be grouped by, in the order in which names of groups say it."""


@frozen
class Pass:
    """
    How series are put together once.

    @ivar by: Some of L{GROUP_BY}, in its order.
    @ivar labels: Names of the labels that are meant by C{label}.
    @ivar way: One of the values of L{AGGREGATIONS}.
    """

    by: tuple[str, ...] = ("dimension",)
    labels: tuple[str, ...] = ()
    way: str = "average"

    @classmethod
    def parse(cls, parameters: Parameters, behind: str) -> Pass | None:
        """
        @param behind: What stands behind the names of its parameters, such as
            C{[1]}.
        @return: L{None} if none of them is there.
        @raise Refusal: It says something that is not known.
        """
        by = parameters.words("group_by" + behind)
        labels = tuple(parameters.words("group_by_label" + behind))
        said = parameters.text("aggregation" + behind)
        if not by and not labels and not said:
            return None
        for word in by:
            if word not in GROUP_BY:
                raise Refusal(400, f"group_by: {word[:40]!r} is none of {', '.join(GROUP_BY)}.\n")
        if "label" in by and not labels:
            raise Refusal(400, "group_by_label: which label? It is missing.\n")
        if said and said not in AGGREGATIONS:
            raise Refusal(400, f"aggregation: {said[:40]!r} is none of {', '.join(AGGREGATIONS)}.\n")
        by = by or (["label"] if labels else ["dimension"])
        way = AGGREGATIONS[said or "avg"]
        if "percentage-of-instance" in by:
            way = "percentage"
        return cls(tuple(word for word in GROUP_BY if word in by), labels if "label" in by else (), way)

    def covering(self, other: Pass) -> Pass:
        """
        @return: The same, fine enough that the other can go on from it.
        """
        by = tuple(w for w in GROUP_BY if w in self.by or w in other.by)
        return evolve(self, by=by, labels=tuple(dict.fromkeys((*self.labels, *other.labels))))

    @property
    def parts(self) -> list[tuple[str, str]]:
        """
        What a group is told apart by: word, and name of a label.
        """
        found: list[tuple[str, str]] = []
        for word in self.by:
            if word == "label":
                found += [(word, name) for name in self.labels]
            elif word != "selected":
                found.append(("instance" if word == "percentage-of-instance" else word, ""))
        return list(dict.fromkeys(found))


def passes_of(parameters: Parameters) -> tuple[Pass, ...]:
    """
    @return: How series are put together: once, or twice.
    """
    first = Pass.parse(parameters, "") or Pass.parse(parameters, "[0]") or Pass()
    second = Pass.parse(parameters, "[1]")
    return (first,) if second is None else (first.covering(second), second)


@define(eq=False)
class Group:
    """
    Series that are put together.

    @ivar parts: Id and name of each part by which it is told apart.
    @ivar units: Those of the first of them.
    @ivar members: How many series.
    """

    parts: tuple[tuple[str, str], ...]
    units: str
    priority: int
    members: int = 0

    @property
    def id(self) -> str:
        """
        What it is called where ids are meant.
        """
        return ",".join(id for id, _ in self.parts) or "selected"

    @property
    def name(self) -> str:
        """
        What it is called.
        """
        return ",".join(name for _, name in self.parts) or "selected"


class Groups:
    """
    The groups of one pass, numbered as they are found.

    @ivar found: Them.
    @ivar totals: For each the number of the total that it is a share of.
    """

    def __init__(self, how: Pass) -> None:
        self.found: list[Group] = []
        self.totals: list[int] = []
        self._how = how
        self._numbers: dict[tuple[str, ...], int] = {}
        self._wholes: dict[tuple[str, ...], int] = {}
        self._of_whole = [at for at, (word, _) in enumerate(how.parts) if word != "dimension"]

    def number(self, parts: tuple[tuple[str, str], ...], units: str, priority: int, members: int) -> int:
        """
        @param parts: What tells the group apart.
        @param members: How many series come to it.
        @return: The number of the group.
        """
        key = tuple(id for id, _ in parts)
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self.found)
            self.found.append(Group(parts, "%" if self._how.way == "percentage" else units, priority))
            self.totals.append(self.total(parts))
        self.found[number].members += members
        return number

    def total(self, parts: tuple[tuple[str, str], ...]) -> int:
        """
        @return: The number of the total that groups told apart by these are
            shares of: that of all their dimensions.
        """
        return self._wholes.setdefault(tuple(parts[at][0] for at in self._of_whole), len(self._wholes))


def parts_of(how: Pass, instance: Instance, dimension: Dimension) -> tuple[tuple[str, str], ...]:
    """
    @return: What the group of a series is told apart by: ids and names.
    """
    found = []
    info, chart = instance.host.info, instance.chart
    for word, label in how.parts:
        match word:
            case "dimension":
                found.append((dimension.name, dimension.name))
            case "instance":
                found.append((f"{chart.id}@{info.guid}", f"{chart.name}@{info.hostname}"))
            case "label":
                value = instance.labels.get(label, UNSET)
                found.append((value, value))
            case "node":
                found.append((info.guid, info.hostname))
            case "context":
                found.append((chart.context, chart.context))
            case _:
                found.append((chart.units, chart.units))
    return tuple(found)
