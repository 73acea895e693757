"""
The state of one alert, and what happens to it: transitions.
"""

from __future__ import annotations

import math
from enum import IntEnum
from typing import Any

from attrs import asdict, define, field, fields

from netstream.health.definitions import Definition
from netstream.health.expressions import Expression
from netstream.model.chart import Chart


class Status(IntEnum):
    """
    How an alert stands.
    """

    REMOVED = -2
    UNINITIALIZED = -1
    UNDEFINED = 0
    CLEAR = 1
    WARNING = 2
    CRITICAL = 3

    @property
    def raised(self) -> bool:
        """
        Whether someone should look.
        """
        return self >= Status.WARNING


CONSTANTS = {status.name: float(status) for status in Status}
"""Variables of expressions that never change."""


@define(eq=False)
class Alert:
    """
    A definition that applies to a chart of a host.

    @ivar id: Stays the same over restarts.
    @ivar old_status: The status before the last change.
    @ivar value: Of the last evaluation; NaN if there was none or it failed.
    @ivar looked: What the lookup found.
    @ivar no_data: The lookup found nothing.
    @ivar after: First second of the last window, as a variable.
    @ivar before: Last second of the last window.
    @ivar changed: When the status last changed.
    @ivar updated: When it was last evaluated.
    @ivar next: When it is evaluated next.
    @ivar delay_up: Working delays, seconds.
    @ivar delay_until: When the last transition may be told.
    @ivar told: The last status that someone was told; L{None} if none was.
    @ivar repeated: When that was.
    @ivar raised_for: Seconds that it was raised without a pause, until its
        last change.
    @ivar events: How many transitions there were.
    @ivar last_event: Unique id of the last one.
    @ivar disabled: It is not evaluated just now, because someone said so.
    @ivar silenced: Nobody is told just now, because someone said so.
    @ivar fired: The expression that raised it last.
    @ivar bound: For which generation of the names C{readers} hold.
    @ivar columns: The dimensions of its lookup, as C{columns_of} has them, and
        how many of them are meant.
    """

    id: int
    guid: str
    chart: str
    definition: Definition
    every: int
    status: Status = Status.UNINITIALIZED
    value: float = math.nan
    old_value: float = math.nan
    looked: float = math.nan
    no_data: bool = False
    after: int = 0
    before: int = 0
    changed: int = 0
    updated: int = 0
    next: int = 0
    delay_up: int = 0
    delay_down: int = 0
    delay: int = 0
    delay_until: int = 0
    told: Status | None = None
    repeated: int = 0
    times_repeated: int = 0
    raised_for: int = 0
    events: int = 0
    last_event: int = 0
    disabled: bool = False
    silenced: bool = False
    fired: Expression | None = None
    bound: int = -1
    readers: dict[str, Any] = field(factory=dict, repr=False)
    columns: tuple[tuple[str, ...], int] = ((), 0)
    columns_of: Chart | None = field(default=None, repr=False)
    old_status: Status = Status.UNINITIALIZED

    @property
    def name(self) -> str:
        """
        The name of its definition.
        """
        return self.definition.name

    @property
    def key(self) -> str:
        """
        How an API names it.
        """
        return f"{self.chart}.{self.name}"

    def turn(self, status: Status, now: int) -> int:
        """
        Take a new status.

        @return: Seconds that the old one lasted.
        """
        lasted = max(0, now - self.changed) if self.changed else 0
        delay = self.definition.delay
        if now > self.delay_until:
            self.delay_up, self.delay_down = delay.up, delay.down
        else:
            self.delay_up = min(delay.max, int(self.delay_up * delay.multiplier))
            self.delay_down = min(delay.max, int(self.delay_down * delay.multiplier))
        self.delay = self.delay_up if status > self.status else self.delay_down
        self.delay_until = now + self.delay
        self.raised_for = self.raised_for + lasted if self.status.raised else 0
        self.old_status, self.status = self.status, status
        self.changed = now
        self.times_repeated = 0
        self.events += 1
        return lasted


def verdict(warn: float | None, crit: float | None) -> Status:
    """
    @param warn: What the expression gave; NaN if it could not be evaluated,
        L{None} if there is none.
    @param crit: The same.
    """
    status = Status.UNDEFINED
    if warn is not None and not math.isnan(warn):
        status = Status.WARNING if warn else Status.CLEAR
    if crit is not None and not math.isnan(crit):
        if crit:
            return Status.CRITICAL
        if status == Status.UNDEFINED:
            return Status.CLEAR
    return status


@define(eq=False)
class Transition:
    """
    One change of the status of an alert, as it is logged and told.

    @ivar unique_id: Counts all transitions of this node; grows over restarts.
    @ivar transition_id: A UUID: the same for everyone who is told.
    @ivar when: UTC second.
    @ivar updated_by: Unique id of the next one of the same alert; then this
        one is told no more.
    @ivar updates: Unique id of the one before.
    @ivar processed: It was decided whether to tell.
    @ivar told: Someone was told.
    @ivar failed: But that went wrong for good.
    @ivar repeat: It is no change, but the same told again.
    @ivar node: Variables that say where it happened, for a person.
    """

    unique_id: int
    transition_id: str
    guid: str
    hostname: str
    alarm_id: int
    event_id: int
    config_hash: str
    name: str
    chart: str
    chart_name: str
    context: str
    family: str
    classification: str
    component: str
    type: str
    recipient: str
    exec: str
    source: str
    units: str
    summary: str
    info: str
    when: int
    duration: int
    raised_for: int
    status: Status = field(converter=Status)
    old_status: Status = field(converter=Status)
    value: float = math.nan
    old_value: float = math.nan
    delay: int = 0
    delay_until: int = 0
    no_clear: bool = False
    expression: str = ""
    expression_values: str = ""
    updates: int = 0
    updated_by: int = 0
    processed: bool = False
    told: bool = False
    failed: bool = False
    silenced: bool = False
    exec_code: int = 0
    repeated: int = 0
    repeat: bool = False

    def kept(self) -> dict[str, Any]:
        """
        @return: It as JSON takes it.
        """
        values = asdict(self, recurse=False)
        for name in ("value", "old_value"):
            if not math.isfinite(values[name]):
                values[name] = None
        values["status"], values["old_status"] = int(self.status), int(self.old_status)
        return values

    @classmethod
    def of(cls, kept: dict[str, Any]) -> Transition:
        """
        @param kept: What L{kept} gave, maybe of another version.
        @raise TypeError: Something is missing.
        """
        known = {each.name for each in fields(cls)}
        values = {name: value for name, value in kept.items() if name in known}
        for name in ("value", "old_value"):
            if values.get(name) is None:
                values[name] = math.nan
        return cls(**values)
