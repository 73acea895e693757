"""
What is told of a transition, whichever way it goes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from attrs import asdict, fields, frozen

from netstream.health.alerts import Status, Transition
from netstream.health.numbers import span_text, value_text

LONGEST = 2000
"""Characters of a text that came with metrics; receivers refuse longer ones."""
_NO_CONTROL = {code: " " for code in (*range(32), 127, *range(0x80, 0xA0), 0x2028, 0x2029)}


def plain(text: str) -> str:
    """
    @return: A text of a peer as one line without control characters, that
        UTF-8 can carry.
    """
    carried = text.encode("utf-8", "replace").decode("utf-8", "replace")
    return carried.translate(_NO_CONTROL)[:LONGEST]


@frozen
class Message:
    """
    One transition, for one or more receivers.

    @ivar unique_id: Counts the transitions of this node.
    @ivar transition_id: A UUID, the same whenever the same is told again.
    @ivar value_string: The value with its units.
    @ivar expression: What raised the alert.
    @ivar expression_values: The variables in it.
    @ivar warnings: Names of the other alerts of the host that are in warning,
        and since when.
    @ivar criticals: The same of critical ones.
    @ivar repeat: It was told before, and is still so.
    @ivar use_summary: Begin with the summary of the alert, not its name.
    @ivar was_critical: It was, since it was clear last.
    """

    unique_id: int
    transition_id: str
    guid: str
    hostname: str
    alarm_id: int
    event_id: int
    name: str
    chart: str
    context: str
    family: str
    status: str
    old_status: str
    value: float | None
    old_value: float | None
    when: int
    duration: int
    raised_for: int
    units: str
    summary: str
    info: str
    value_string: str
    old_value_string: str
    expression: str
    expression_values: str
    source: str
    roles: str
    classification: str
    component: str
    type: str
    warnings: Sequence[tuple[str, int]] = ()
    criticals: Sequence[tuple[str, int]] = ()
    edit: str = ""
    repeat: bool = False
    use_summary: bool = True
    was_critical: bool = False

    @classmethod
    def of(
        cls,
        said: Transition,
        warnings: Sequence[tuple[str, int]] = (),
        criticals: Sequence[tuple[str, int]] = (),
        edit: str = "",
        use_summary: bool = True,
        was_critical: bool = False,
    ) -> Message:
        """
        @param said: What happened.
        @param edit: The command that opens the definition.
        """
        return cls(
            said.unique_id,
            said.transition_id,
            said.guid,
            plain(said.hostname),
            said.alarm_id,
            said.event_id,
            said.name,
            plain(said.chart_name),
            plain(said.context),
            plain(said.family),
            said.status.name,
            said.old_status.name,
            said.value if math.isfinite(said.value) else None,
            said.old_value if math.isfinite(said.old_value) else None,
            said.when,
            said.duration,
            said.raised_for,
            plain(said.units),
            plain(said.summary),
            plain(said.info),
            plain(value_text(said.value, said.units)),
            plain(value_text(said.old_value, said.units)),
            plain(said.expression),
            plain(said.expression_values),
            plain(said.source),
            plain(said.recipient),
            plain(said.classification),
            plain(said.component),
            plain(said.type),
            tuple(warnings),
            tuple(criticals),
            plain(edit),
            said.repeat,
            use_summary,
            was_critical,
        )

    def kept(self) -> dict[str, Any]:
        """
        @return: It as JSON takes it.
        """
        return asdict(self)

    @classmethod
    def from_kept(cls, kept: Mapping[str, Any]) -> Message:
        """
        @raise TypeError: Something is missing.
        """
        known = {each.name for each in fields(cls)}
        values = {name: value for name, value in kept.items() if name in known}
        for name in ("warnings", "criticals"):
            values[name] = tuple((str(alert), int(when)) for alert, when in values.get(name, ()))
        return cls(**values)

    @property
    def level(self) -> Status:
        """
        How the alert stands.
        """
        return Status[self.status]

    @property
    def what(self) -> str:
        """
        The alert as a person reads it.
        """
        return self.summary if self.summary and self.use_summary else self.name.replace("_", " ")

    @property
    def headline(self) -> str:
        """
        One line.
        """
        state = {
            Status.CRITICAL: "is critical",
            Status.WARNING: "needs attention",
            Status.CLEAR: "recovered",
        }.get(self.level, self.status.lower())
        worth = f" = {self.value_string}" if self.level.raised else ""
        return f"{self.hostname} {state}: {self.what}{worth}"

    @property
    def at(self) -> str:
        """
        When it happened, as ISO 8601 in UTC.
        """
        return datetime.fromtimestamp(self.when, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    @property
    def facts(self) -> list[tuple[str, str]]:
        """
        What else there is to say, as pairs.
        """
        found = [
            ("Status", self.status),
            ("Value", self.value_string),
            ("Chart", self.chart),
            ("Host", self.hostname),
            ("Time", self.at),
        ]
        if self.old_status not in ("UNINITIALIZED", "UNDEFINED") and not self.repeat:
            found.append(("Before", f"{self.old_status} for {span_text(self.duration)}"))
        if self.repeat:
            found.append(("Since", span_text(self.duration)))
        if self.expression:
            found.append(("Because", self.expression))
        if self.expression_values:
            found.append(("With", self.expression_values))
        if self.info:
            found.append(("About", self.info))
        return found

    @property
    def body(self) -> str:
        """
        All of it as lines.
        """
        return "\n".join(f"{name}: {value}" for name, value in self.facts)
