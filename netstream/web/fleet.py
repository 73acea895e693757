"""
All nodes at a glance: how they stand, which alerts are raised, and what
happened.
"""

from __future__ import annotations

from typing import Any

from netstream.config.settings import Settings
from netstream.hub.hub import Host, Hub
from netstream.turns import Turns
from netstream.web.alerts import Alerts
from netstream.web.charts import version_of
from netstream.web.node import bounds, mirrored
from netstream.web.target import Parameters

MOST_ALERTS = 2000
"""Raised alerts of one answer."""
MOST_TRANSITIONS = 1000
"""Transitions of one answer."""
RECENT = 900
"""Seconds for which a sample tells how busy a node is."""
_CPU = "system.cpu"
_IDLE = ("idle", "iowait")


def _named(host: Host) -> dict[str, Any]:
    return {"guid": host.info.guid, "hostname": host.info.hostname, "hops": host.info.hops}


def state(host: Host) -> str:
    """
    @return: How a node stands, in a word.
    """
    if not host.online:
        return "offline"
    return "replicating" if host.replication is not None and not host.replication.done else "live"


def _cpu(host: Host, now: int) -> float | None:
    """
    @return: How busy its processors are, in percent; L{None} if no recent
        sample tells.
    """
    chart = host.charts.get(_CPU)
    if chart is None or not host.online:
        return None
    busy = [d for d in chart.dimensions.values() if not d.hidden and d.id not in _IDLE]
    latest = [host.latest.of(host.table.find(_CPU, d.id)) for d in busy]
    known = [value for time, value, _ in latest if time > now - RECENT and value == value]
    return round(sum(known), 2) if known else None


async def _newest(host: Host) -> int:
    """
    @return: The second of its newest sample, also of one from before this
        node started; if none is known, when it was connected last, or 0.
    """
    times = host.latest.time
    newest = int(times.max()) if len(times) else 0
    if newest or host.online:
        return newest
    return max((span.last for span in (await bounds(host)).values()), default=int(host.seen))


async def _overview(host: Host, alerts: Alerts, now: int) -> dict[str, Any]:
    charts = [chart for chart in host.charts.values() if not chart.obsolete]
    return _named(host) | {
        "state": state(host),
        "newest": await _newest(host),
        "seen": int(host.seen),
        "charts": len(charts),
        "metrics": sum(len(chart.dimensions) for chart in charts),
        "version": version_of(host),
        "os": host.info.os,
        "alarms": alerts.counts(host),
        "cpu": _cpu(host, now),
        "labels": {name: label.value for name, label in host.labels.items() if not name.startswith("_")},
    }


async def overview(hub: Hub, alerts: Alerts, settings: Settings, turns: Turns) -> dict[str, Any]:
    """
    @return: What C{overview} answers: every node, with how it stands, and the
        fingerprints of the API keys of this one.
    """
    found = []
    for host in mirrored(hub):
        await turns.breathe()
        found.append(await _overview(host, alerts, int(turns.clock.seconds())))
    return {"now": int(turns.clock.seconds()), "own": hub.local.info.guid, "keys": list(settings.keys), "nodes": found}


async def raised(hub: Hub, alerts: Alerts, parameters: Parameters, turns: Turns) -> dict[str, Any]:
    """
    @return: What C{raised} answers: the raised alerts of every node, the
        critical first and then the latest.
    """
    found: list[dict[str, Any]] = []
    for host in mirrored(hub):
        await turns.breathe()
        these = alerts.alarms(host, parameters, int(turns.clock.seconds()))
        found += [_named(host) | alarm for alarm in these["alarms"].values()]
    found.sort(key=lambda alarm: (alarm["status"] != "CRITICAL", -alarm["last_status_change"]))
    return {"now": int(turns.clock.seconds()), "total": len(found), "alerts": found[:MOST_ALERTS]}


async def transitions(hub: Hub, alerts: Alerts, parameters: Parameters, turns: Turns) -> dict[str, Any]:
    """
    @return: What C{transitions} answers: what happened to the alerts of every
        node, the newest first.
    """
    most = parameters.number("last", 200, 1, MOST_TRANSITIONS)
    found = await alerts.log(mirrored(hub), parameters, most)
    return {"now": int(turns.clock.seconds()), "transitions": [_named(host) | said for host, said in found]}
