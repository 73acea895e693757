"""
C{alert_transitions}: what happened to the alerts of all hosts, the newest
first.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from netstream.health.alerts import Transition
from netstream.health.past import EVER, Asked, Found
from netstream.health.service import HealthService
from netstream.hub.hub import Host, Hub
from netstream.turns import Turns
from netstream.web import nodes
from netstream.web.target import Parameters

MOST = 5000
"""Transitions of one answer."""
_TITLES: Mapping[str, str] = {
    "status": "Alert Status",
    "type": "Alert Type",
    "role": "Recipient Role",
    "class": "Alert Class",
    "component": "Alert Component",
    "node": "Alert Node",
    "alert": "Alert Name",
    "chart": "Instance Name",
    "context": "Context",
}
"""Of the facets."""


async def transitions(
    hub: Hub, health: HealthService | None, only: Host | None, parameters: Parameters, turns: Turns
) -> dict[str, Any]:
    """
    @param only: The host that is meant; L{None} is all.
    @return: The answer.
    @raise BadParameter: One of the parameters is no number.
    """
    now = int(turns.clock.seconds())
    last = parameters.number("last", 100, 1, MOST)
    after, before = (_second(parameters.number(name, 0, -EVER, EVER), now) for name in ("after", "before"))
    hosts = await nodes.chosen(hub, only, parameters, turns)
    asked = Asked(
        frozenset(host.info.guid for host in hosts),
        last,
        below=parameters.number("anchor_gi", 0, 0, EVER) or EVER,
        since=after,
        until=before or EVER,
        transition=parameters.text("transition"),
        facets={name: frozenset(words) for name in _TITLES if (words := parameters.words(f"f_{name}"))},
        counted=True,
    )
    found = await health.journal.search(asked) if health is not None else Found()
    shown: list[dict[str, Any]] = []
    for said in found.transitions:
        await turns.breathe()
        shown.append(_described(said))
    return {
        "api": 2,
        "facets": [
            {
                "id": f"f_{name}",
                "name": title,
                "order": order,
                "options": [{"id": id, "name": id, "count": count} for id, count in sorted(found.counts[name].items())],
            }
            for order, (name, title) in enumerate(_TITLES.items(), 1)
        ],
        "transitions": shown,
        "items": {
            "evaluated": found.evaluated,
            "matched": found.matched,
            "returned": len(shown),
            "max_to_return": last,
        },
    }


def _second(said: int, now: int) -> int:
    return now + said if said < 0 else said


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _described(said: Transition) -> dict[str, Any]:
    return {
        "gi": said.unique_id,
        "transition_id": said.transition_id,
        "config_hash_id": said.config_hash,
        "machine_guid": said.guid,
        "node_id": None,
        "hostname": said.hostname,
        "alert": said.name,
        "instance": said.chart,
        "instance_n": said.chart_name or said.chart,
        "context": said.context,
        "component": said.component,
        "classification": said.classification,
        "type": said.type,
        "when": said.when,
        "info": said.info,
        "summary": said.summary,
        "units": said.units,
        "new": {"status": said.status.name, "value": _number(said.value)},
        "old": {
            "status": said.old_status.name,
            "value": _number(said.old_value),
            "duration": said.duration,
            "raised_duration": said.raised_for,
        },
        "notification": {
            "when": said.repeated if said.told else 0,
            "delay": said.delay,
            "delay_up_to_time": said.delay_until,
            "exec": said.exec,
            "exec_code": said.exec_code,
            "to": said.recipient,
        },
    }
