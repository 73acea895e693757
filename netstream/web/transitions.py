"""
C{alert_transitions}: what happened to the alerts of all hosts, the newest
first.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from netstream.health.alerts import Transition
from netstream.health.service import HealthService
from netstream.hub.hub import Host, Hub
from netstream.web import nodes
from netstream.web.target import Parameters

MOST = 5000
"""Transitions of one answer."""
_FACETS: Mapping[str, tuple[str, Callable[[Transition], Iterable[str]]]] = {
    "f_status": ("Alert Status", lambda said: (said.status.name,)),
    "f_type": ("Alert Type", lambda said: (said.type,)),
    "f_role": ("Recipient Role", lambda said: said.recipient.split()),
    "f_class": ("Alert Class", lambda said: (said.classification,)),
    "f_component": ("Alert Component", lambda said: (said.component,)),
    "f_node": ("Alert Node", lambda said: (said.hostname, said.guid)),
    "f_alert": ("Alert Name", lambda said: (said.name,)),
    "f_chart": ("Instance Name", lambda said: (said.chart_name or said.chart, said.chart)),
    "f_context": ("Context", lambda said: (said.context,)),
}
"""By parameter: its title, and which values a transition has, the first for people."""


def transitions(
    hub: Hub, health: HealthService | None, only: Host | None, parameters: Parameters, now: int
) -> dict[str, Any]:
    """
    @param only: The host that is meant; L{None} is all.
    @return: The answer.
    @raise BadParameter: One of the parameters is no number.
    """
    last = parameters.number("last", 100, 1, MOST)
    after, before = (_second(parameters.number(name, 0, -(1 << 62), 1 << 62), now) for name in ("after", "before"))
    anchor = parameters.number("anchor_gi", 0, 0, 1 << 62)
    wanted = parameters.text("transition")
    chosen = {name: words for name in _FACETS if (words := set(parameters.words(name)))}
    hosts = [only] if only is not None else nodes.chosen(hub, parameters.text("scope_nodes", "nodes"))
    known = [said for host in hosts for said in (health.journal.of(host.info.guid) if health is not None else ())]
    counts: dict[str, Counter[str]] = {name: Counter() for name in _FACETS}
    found: list[Transition] = []
    for said in known:
        if (
            (wanted and wanted != said.transition_id)
            or (after and said.when < after)
            or (before and said.when > before)
        ):
            continue
        missed = [name for name, words in chosen.items() if not words.intersection(_FACETS[name][1](said))]
        for name, (_, values) in _FACETS.items():
            # What else could be chosen counts as if nothing were chosen here yet.
            if not missed or missed == [name]:
                counts[name].update(list(values(said))[: None if name == "f_role" else 1])
        if not missed:
            found.append(said)
    found.sort(key=lambda said: said.unique_id, reverse=True)
    returned = [said for said in found if not anchor or said.unique_id < anchor][:last]
    return {
        "api": 2,
        "facets": [
            {
                "id": name,
                "name": title,
                "order": order,
                "options": [{"id": id, "name": id, "count": count} for id, count in sorted(counts[name].items())],
            }
            for order, (name, (title, _)) in enumerate(_FACETS.items(), 1)
        ],
        "transitions": [_described(said) for said in returned],
        "items": {"evaluated": len(known), "matched": len(found), "returned": len(returned), "max_to_return": last},
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
