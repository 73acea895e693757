"""
Alerts over HTTP: how they stand, what happened, why, and how to silence them.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from zlib import crc32

from netstream.config.settings import Settings
from netstream.health.alerts import Alert, Status, Transition
from netstream.health.engine import HostAlerts
from netstream.health.expressions import Expression
from netstream.health.journal import reason_not_to_tell
from netstream.health.numbers import value_text
from netstream.health.past import EVER, Asked
from netstream.health.service import HealthService
from netstream.hub.hub import Host
from netstream.model.chart import Chart
from netstream.turns import Turns
from netstream.web.answer import Refusal
from netstream.web.charts import list_pattern, named, newest
from netstream.web.management import check
from netstream.web.target import Parameters

BUILT_IN = "built-in"
"""What the API says of the program that tells people, if there is none."""
MOST_LOGGED = 5000
"""Transitions of one answer."""
MOST_EXPLAINED = 100
"""Alerts of one answer of C{explain}."""
_COUNTED = ("critical", "warning", "clear", "undefined", "uninitialized")
"""Statuses that are counted for a node."""

_CALLED = {"percentile": "percentile95", "trimmed-mean": "trimmed-mean5", "trimmed-median": "trimmed-median5"}
"""What agents call methods that stand for another one."""

_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;", "/": "&#x2F;"})


def _escaped(text: str) -> str:
    return text.translate(_ESCAPES)


def finite(value: float) -> float | None:
    """
    @return: A value as answers have it: not a number is none.
    """
    return value if math.isfinite(value) else None


def alert_filter(text: str, alerts: Alerts) -> Callable[[Host, Chart], bool]:
    """
    @param text: Patterns of C{name} or C{name:STATUS}; nothing is no
        restriction.
    @return: Tells whether a chart has an alert that is wanted.
    """
    if not text:
        return lambda host, chart: True
    wanted = list_pattern(text)

    def chosen(host: Host, chart: Chart) -> bool:
        these = alerts.statuses(host, chart.id).items()
        return any(wanted.matches(name) or wanted.matches(f"{name}:{status}") for name, status in these)

    return chosen


class Alerts:
    """
    What there is to say of alerts.

    @ivar settings: What the node was told.
    """

    def __init__(self, health: HealthService | None, settings: Settings, turns: Turns) -> None:
        """
        @param health: What watches; L{None} if nothing does.
        """
        self._turns = turns
        self._health = health
        self.settings = settings

    def of(self, host: Host) -> HostAlerts | None:
        """
        @return: The alerts of a host; L{None} if nothing watches it.
        """
        return self._health.find(host) if self._health is not None else None

    def last_transition(self, host: Host, alert: Alert) -> Transition | None:
        """
        @return: What happened to an alert last, as far as it is known.
        """
        if self._health is None:
            return None
        return self._health.journal.last_of(host.info.guid, alert.chart, alert.name)

    def counts(self, host: Host) -> dict[str, int]:
        """
        @return: How many alerts of a host are clear, warning and critical.
        """
        these = self.of(host)
        return these.counts() if these is not None else {"normal": 0, "warning": 0, "critical": 0}

    def summary(self, host: Host) -> dict[str, Any]:
        """
        @return: What is known of a host's alerts, as C{nodes} answers it.
        """
        these, health = self.of(host), self._health
        counts = Counter(alert.status.name.lower() for alert in these.alerts.values()) if these is not None else {}
        watched = these is not None and health is not None and health.watched(host)
        return {
            "status": "online" if watched else "disabled",
            "alerts": {name: counts.get(name, 0) for name in _COUNTED},
        }

    def revisions(self) -> tuple[int, int]:
        """
        @return: A number that changes when there are other alerts, and one
            that changes when one of them changes its status.
        """
        if self._health is None:
            return 0, 0
        there = ((guid, these.revision, len(these.alerts)) for guid, these in self._health.hosts.items())
        return crc32(repr(sorted(there)).encode()), self._health.journal.last_id

    def statuses(self, host: Host, chart_id: str) -> dict[str, str]:
        """
        @return: How the alerts of a chart stand, by name.
        """
        these = self.of(host)
        return {} if these is None else {alert.name: alert.status.name for alert in these.of_chart(chart_id)}

    def of_chart(self, host: Host, chart_id: str) -> dict[str, Any]:
        """
        @return: The alerts of a chart, as a description of the chart has them.
        """
        these = self.of(host)
        if these is None:
            return {}
        return {
            alert.name: {
                "id": alert.id,
                "status": alert.status.name,
                "units": these.units(alert, host.charts.get(chart_id)),
                "update_every": alert.every,
            }
            for alert in these.of_chart(chart_id)
        }

    def _shown(self, host: Host, every: bool) -> list[Alert]:
        these = self.of(host)
        if these is None:
            return []
        return [alert for alert in these.alerts.values() if every or alert.status.raised]

    def alarms(self, host: Host, parameters: Parameters, now: int) -> dict[str, Any]:
        """
        @return: What C{alarms} answers.
        """
        health = self._health
        every = "all" in parameters and parameters.text("all").lower() not in ("false", "no", "0")
        these = self.of(host)
        recent = health.journal.of(host.info.guid) if health is not None else ()
        return {
            "hostname": host.info.hostname,
            "latest_alarm_log_unique_id": recent[-1].unique_id if recent else 0,
            "status": health is not None and health.watched(host),
            "now": now,
            "alarms": {
                alert.key: self._described(these, alert) for alert in self._shown(host, every) if these is not None
            },
        }

    def _described(self, these: HostAlerts, alert: Alert) -> dict[str, Any]:
        definition = alert.definition
        chart = these.host.charts.get(alert.chart)
        said = these.transition_texts(alert)
        delay = definition.delay
        repeat = definition.repeat
        shown: dict[str, Any] = {
            "id": alert.id,
            "config_hash_id": definition.hash,
            "name": alert.name,
            "chart": alert.chart,
            "family": chart.family if chart is not None else "",
            "class": definition.classification,
            "component": definition.component,
            "type": definition.type,
            "active": not alert.disabled,
            "disabled": alert.disabled,
            "silenced": alert.silenced,
            "exec": definition.exec or self.settings.health.exec or BUILT_IN,
            "recipient": definition.to,
            "source": definition.source,
            "units": these.units(alert, chart),
            "summary": said[0],
            "info": said[1],
            "status": alert.status.name,
            "no_data": alert.no_data,
            "last_status_change": alert.changed,
            "last_updated": alert.updated,
            "next_update": alert.next,
            "update_every": alert.every,
            "delay_up_duration": delay.up,
            "delay_down_duration": delay.down,
            "delay_max_duration": delay.max,
            "delay_multiplier": round(delay.multiplier, 6),
            "delay": alert.delay,
            "delay_up_to_timestamp": alert.delay_until,
            "warn_repeat_every": str(repeat.warning if repeat is not None else self.settings.health.repeat_warning),
            "crit_repeat_every": str(repeat.critical if repeat is not None else self.settings.health.repeat_critical),
            "value_string": value_text(alert.value, these.units(alert, chart)),
            "last_repeat": str(alert.repeated if alert.times_repeated else 0),
            "times_repeat": alert.times_repeated,
        }
        if definition.no_clear:
            shown["no_clear_notification"] = True
        lookup = definition.lookup
        if lookup is not None:
            shown |= {
                **({"lookup_dimensions": lookup.dimensions} if lookup.dimensions else {}),
                "db_after": alert.after,
                "db_before": alert.before,
                "lookup_method": _CALLED.get(lookup.method, lookup.method),
                "lookup_after": lookup.after,
                "lookup_before": lookup.before,
                "lookup_options": lookup.option_words,
            }
        for name in ("calc", "warn", "crit"):
            expression: Expression | None = getattr(definition, name)
            if expression is not None:
                shown |= {name: _escaped(expression.source), f"{name}_parsed": _escaped(expression.parsed)}
        return shown | {
            "green": finite(definition.green),
            "red": finite(definition.red),
            "value": finite(alert.value),
        }

    def values(self, host: Host, parameters: Parameters) -> dict[str, Any]:
        """
        @return: What C{alarms_values} answers.
        """
        every = "all" in parameters and parameters.text("all").lower() not in ("false", "no", "0")
        return {
            "hostname": host.info.hostname,
            "alarms": {
                alert.key: {
                    "id": alert.id,
                    "value": finite(alert.value),
                    "last_updated": alert.updated,
                    "status": alert.status.name,
                }
                for alert in self._shown(host, every)
            },
        }

    def count(self, host: Host, parameters: Parameters) -> list[int]:
        """
        @return: What C{alarm_count} answers.
        """
        wanted = parameters.text("status", default="RAISED").upper()
        contexts = set(parameters.words("context") + parameters.words("ctx"))

        def counts(alert: Alert) -> bool:
            chart = host.charts.get(alert.chart)
            fits = alert.status.raised if wanted == "RAISED" else alert.status.name == wanted
            return fits and (not contexts or (chart is not None and chart.context in contexts))

        return [sum(map(counts, self._shown(host, True)))]

    async def log(self, hosts: Sequence[Host], parameters: Parameters, most: int) -> list[tuple[Host, dict[str, Any]]]:
        """
        @param most: Transitions that are wanted.
        @return: What C{alarm_log} answers, each with its host: the newest
            first.
        @raise BadParameter: One of the parameters is no number.
        """
        if self._health is None:
            return []
        of = {host.info.guid: host for host in hosts}
        chart = parameters.text("chart")
        asked = Asked(
            frozenset(of),
            most,
            above=parameters.number("after", 0, 0, EVER),
            below=parameters.number("anchor_gi", 0, 0, EVER) or EVER,
            facets={"chart": frozenset((chart,))} if chart else {},
        )
        found = await self._health.journal.search(asked)
        shown = []
        for said in found.transitions:
            await self._turns.breathe()
            shown.append((of[said.guid], self._logged(of[said.guid], said)))
        return shown

    def _logged(self, host: Host, said: Transition) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "hostname": said.hostname,
            "utc_offset": host.info.utc_offset,
            "timezone": host.info.abbrev_timezone,
            "unique_id": said.unique_id,
            "alarm_id": said.alarm_id,
            "alarm_event_id": said.event_id,
            "config_hash_id": said.config_hash,
            "transition_id": said.transition_id,
            "name": said.name,
            "chart": said.chart,
            "context": said.context,
            "family": said.family,
            "class": said.classification,
            "component": said.component,
            "type": said.type,
            "processed": said.processed,
            "updated": bool(said.updated_by),
            "exec_run": said.repeated if said.told else 0,
            "exec_failed": said.failed,
            "exec": said.exec or BUILT_IN,
            "recipient": said.recipient,
            "exec_code": said.exec_code,
            "source": said.source,
            "command": "",
            "units": said.units,
            "when": said.when,
            "duration": said.duration,
            "non_clear_duration": said.raised_for,
            "status": said.status.name,
            "old_status": said.old_status.name,
            "delay": said.delay,
            "delay_up_to_timestamp": said.delay_until,
            "updated_by_id": said.updated_by,
            "updates_id": said.updates,
            "value_string": value_text(said.value, said.units),
            "old_value_string": value_text(said.old_value, said.units),
            "last_repeat": str(said.repeated if said.repeat else 0),
            "silenced": "true" if said.silenced else "false",
            "summary": said.summary,
            "info": said.info or None,
        }
        if said.no_clear:
            shown["no_clear_notification"] = True
        return shown | {"value": finite(said.value), "old_value": finite(said.old_value)}

    def variables(self, host: Host, parameters: Parameters) -> dict[str, Any]:
        """
        @return: What C{alarm_variables} answers: all that an expression about
            a chart can name.
        @raise Refusal: There is no such chart.
        """
        name = parameters.text("chart")
        if not name:
            raise Refusal(400, "No chart id is given at the request.")
        chart = named(host, name)
        if chart is None:
            raise Refusal(404, f"Chart is not found: {name}")
        of_chart: dict[str, float | None] = {}
        for dimension in chart.dimensions.values():
            second, value, collected = host.latest.of(host.table.find(chart.id, dimension.id))
            for spelled in dict.fromkeys((dimension.id, dimension.name)):
                of_chart[spelled] = finite(value)
                of_chart[f"{spelled}_raw"] = collected
                of_chart[f"{spelled}_last_collected_t"] = second
        of_chart |= {name: finite(v) for (owner, name), v in host.variables.items() if owner == chart.id}
        of_chart |= {"update_every": chart.update_every, "last_collected_t": newest(host, chart)}
        of_chart |= {"green": None, "red": None}  # agents have had those of charts
        these = self.of(host)
        if these is not None:
            of_chart |= {alert.name: finite(alert.value) for alert in these.of_chart(chart.id)}
        return {
            "chart": chart.id,
            "chart_name": chart.name,
            "chart_context": chart.context,
            "chart_variables": of_chart,
            "family": chart.family,
            "family_variables": {},
            "host": host.info.hostname,
            "host_variables": {name: finite(v) for (owner, name), v in host.variables.items() if not owner}
            | {alert.key: finite(alert.value) for alert in self._shown(host, True)},
        }

    def explain(self, host: Host, parameters: Parameters, now: int) -> dict[str, Any]:
        """
        @return: What C{explain} answers: why each alert of a name stands as it
            does, and who would be told; without a name all that are raised.
        @raise Refusal: There is no such alert.
        """
        name, chart_name = parameters.text("alert", "alarm"), parameters.text("chart")
        these = self.of(host)
        found = [
            alert
            for alert in self._shown(host, bool(name))
            if (not name or name in (alert.name, alert.key)) and (not chart_name or chart_name == alert.chart)
        ]
        if name and not found:
            raise Refusal(404, f"There is no alert {name} on {host.info.hostname}.\n")
        return {
            "hostname": host.info.hostname,
            "now": now,
            "alerts": {alert.key: self._explained(these, alert, now) for alert in found[:MOST_EXPLAINED] if these},
        }

    def _explained(self, these: HostAlerts, alert: Alert, now: int) -> dict[str, Any]:
        assert self._health is not None
        host, definition, lookup = these.host, alert.definition, alert.definition.lookup
        chart = host.charts.get(alert.chart)
        units = these.units(alert, chart)
        why: dict[str, Any] = {}
        if lookup is not None:
            why["lookup"] = {
                "method": lookup.method,
                "condition": lookup.condition or None,
                "dimensions": list(alert.columns[0][: alert.columns[1]]),
                "folded": lookup.fold,
                "options": lookup.option_words,
                "after": alert.after,
                "before": alert.before,
                "found": finite(alert.looked),
                "no_data": alert.no_data,
            }
        for key in ("calc", "warn", "crit"):
            expression: Expression | None = getattr(definition, key)
            if expression is None:
                continue
            values = these.explained(alert, expression, now)
            filled = expression.parsed
            for variable, value in values.items():
                filled = filled.replace(f"${{{variable}}}", f"{value:.15g}")
            result = expression.evaluate([values[each] for each in expression.names])
            why[key] = {
                "expression": expression.source,
                "filled_in": filled,
                "variables": {each: finite(value) for each, value in values.items()},
                "result": finite(result),
            }
        told = self._health.journal.told.get((host.info.guid, alert.chart, alert.name))
        repeat = these.repeat_of(alert)
        return {
            "definition": {"file": definition.file, "line": definition.line, "stock": definition.stock},
            "status": alert.status.name,
            "since": alert.changed,
            "value": finite(alert.value),
            "value_string": value_text(alert.value, units),
            **why,
            "evaluated": alert.updated,
            "next": alert.next,
            "waits_until": these.ready if these.ready > now else None,
            "watched": self._health.watched(host),
            "disabled": alert.disabled,
            "silenced": alert.silenced,
            "delay": {
                "up": definition.delay.up,
                "down": definition.delay.down,
                "multiplier": definition.delay.multiplier,
                "max": definition.delay.max,
                "running_until": alert.delay_until if alert.delay_until > now else None,
            },
            "repeat_every": repeat or None,
            "last_told": told.name if told is not None else None,
            "roles": definition.to.split(),
            "would_tell": [] if not self._health.owned(host) else self._health.receivers(alert),
            "not_told_because": self._quiet(these, alert, told) or None,
        }

    def _quiet(self, these: HostAlerts, alert: Alert, told: Status | None) -> str:
        assert self._health is not None
        if not self._health.owned(these.host):
            return f"[health] notification ownership = {self.settings.health.ownership} leaves it to another node"
        return reason_not_to_tell(these.would_say(alert), told, alert.silenced)

    async def manage(self, parameters: Parameters, client: str, token: str) -> str | dict[str, Any]:
        """
        Do what C{manage/health} says.

        @param client: Where the request comes from.
        @param token: What it presents.
        @return: The lines of the answer; for C{cmd=LIST} what is JSON.
        @raise Refusal: It may not.
        """
        health = self._health
        check(self.settings, health, client, token, "Alerts are not managed")
        assert health is not None
        values: Mapping[str, str] = parameters.values
        if values.get("cmd", "").upper() == "LIST":
            return health.silencers.listed
        return await health.manage(values)
