"""
The nodes of version 3 of the API: who they are, how their samples come and
go, and how well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from netstream import __version__
from netstream.config.settings import Settings
from netstream.db.interfaces import Span, Stats
from netstream.hub.figures import Traffic
from netstream.hub.hub import Host, Hub
from netstream.model.progress import Progress
from netstream.turns import Turns
from netstream.web.charts import list_pattern, version_of
from netstream.web.functions import described
from netstream.web.node import fact, ingest_status, ingest_type, losses, mirrored
from netstream.web.selection import passes
from netstream.web.target import Parameters

API = 2
"""The number by which answers of this shape call themselves."""

_COMPRESSIONS = {"LZ4", "ZSTD", "GZIP", "BROTLI"}


async def chosen(hub: Hub, only: Host | None, parameters: Parameters, turns: Turns) -> list[Host]:
    """
    @param only: The one that the path of a request names.
    @return: The nodes that a request means.
    """
    pattern = parameters.patterns("scope_nodes", "nodes")
    if only is not None or not pattern:
        return mirrored(hub) if only is None else [only]
    wanted = list_pattern(pattern)
    found = []
    for host in mirrored(hub):
        await turns.breathe()
        if passes(wanted, host.info.hostname, host.info.guid):
            found.append(host)
    return found


def identity(host: Host, index: int) -> dict[str, Any]:
    """
    @param index: Its place in the answer.
    """
    return {"ni": index, "mg": host.info.guid, "nd": None, "nm": host.info.hostname}


def node(host: Host, index: int, health: Mapping[str, Any]) -> dict[str, Any]:
    """
    @param health: What is known of its alerts.
    @return: A node as C{nodes} answers it.
    """
    return identity(host, index) | {
        "v": version_of(host),
        "labels": {name: label.value for name, label in host.labels.items()},
        "hw": {
            "architecture": fact(host, "architecture"),
            "cpu_frequency": fact(host, "cpu_freq"),
            "cpus": fact(host, "cores_total"),
            "memory": fact(host, "ram_total"),
            "disk_space": fact(host, "total_disk_space"),
            "virtualization": fact(host, "virtualization"),
            "container": fact(host, "container"),
        },
        "os": {
            "id": fact(host, "os_id"),
            "nm": fact(host, "os_name"),
            "v": fact(host, "os_version"),
            "kernel": {"nm": fact(host, "kernel_name"), "v": fact(host, "kernel_version")},
        },
        "state": "reachable" if host.online else "stale",
        "health": dict(health),
        "capabilities": list(host.link.spoken) if host.link is not None else [],
    }


def _progress(progress: Progress | None) -> dict[str, Any]:
    progress = progress or Progress()
    return {
        "in_progress": not progress.done,
        "completion": round(100 * progress.fraction, 2),
        "instances": progress.charts - progress.complete,
        "given_up": progress.given_up,
        "samples": progress.samples,
        "samples_per_second": round(progress.rate, 1),
        "seconds_left": None if progress.left is None else round(progress.left, 1),
    }


def traffic(moved: Traffic, spoken: Sequence[str] = ()) -> dict[str, Any]:
    """
    @param spoken: The capabilities that were agreed on.
    @return: What was said on a connection.  C{data} is all that is neither
        functions nor replication.
    """
    return {
        "compression": bool(_COMPRESSIONS & set(spoken)),
        "data": max(0, moved.text - moved.functions - moved.replication),
        "functions": moved.functions,
        "replication": moved.replication,
        "bytes": moved.wire,
        "samples": moved.samples,
        "compression_ratio": round(moved.ratio, 3),
        "bytes_per_second": round(moved.bytes_per_second, 1),
        "samples_per_second": round(moved.samples_per_second, 1),
    }


def _certificate(until: float | None) -> dict[str, Any]:
    """
    @param until: When it expires, UTC seconds; 0 if there is none.
    """
    return {"certificate": {"not_after": int(until)}} if until else {}


def _ingest(host: Host, now: float, held: Mapping[str, int]) -> dict[str, Any]:
    link, newest = host.link, host.latest.newest
    since = link.since if link is not None else host.seen
    answer: dict[str, Any] = {
        "id": 0,
        "hops": host.info.hops,
        "type": ingest_type(host),
        "status": ingest_status(host),
        "since": int(since),
        "age": max(0, int(now - since)) if since else 0,
        **held,
        "lag": round(now - newest, 1) if newest else None,
    }
    if link is None:
        if not host.local:
            answer["reason"] = host.left or "not connected since this node started"
        return answer
    return answer | {
        "replication": _progress(host.replication),
        "source": {
            "local": "",
            "remote": link.peer,
            **_certificate(link.certificate),
            "capabilities": list(link.spoken),
            "traffic": traffic(link.traffic, link.spoken),
        },
    }


def _stream(host: Host, now: float) -> dict[str, Any]:
    shown = host.upstream
    if shown is None:
        return {"id": 0, "hops": host.info.hops + 1, "status": "disabled"}
    status = "offline"
    if shown.connected:
        status = "replicating" if shown.replication is not None and not shown.replication.done else "online"
    return {
        "id": 0,
        "hops": host.info.hops + 1,
        "status": status,
        "since": int(shown.since),
        "age": max(0, int(now - shown.since)) if shown.since else 0,
        "reason": shown.reason,
        "attempts": shown.attempts,
        "replication": _progress(shown.replication),
        "destination": {
            "local": "",
            "remote": shown.destination,
            "peer": shown.peer,
            **_certificate(shown.certificate if shown.connected else 0),
            "capabilities": list(shown.spoken) if shown.connected else [],
            "traffic": traffic(shown.traffic, shown.spoken),
        },
        "backlog": shown.backlog(),
        "lag": round(shown.lag(now), 1),
        "dropped": shown.dropped,
    }


def instance(
    hub: Hub, host: Host, index: int, now: float, bounds: Mapping[str, Span], health: Mapping[str, Any]
) -> dict[str, Any]:
    """
    @param hub: Knows the certificate of this node.
    @param health: What is known of its alerts.
    @param bounds: What the database has of it.
    @return: A node as C{node_instances} answers it.
    """
    charts = [chart for chart in host.charts.values() if not chart.obsolete]
    held = {
        "metrics": sum(len(chart.dimensions) for chart in charts),
        "instances": len(charts),
        "contexts": len({chart.context for chart in charts}),
    }
    return node(host, index, health) | {
        **_certificate(hub.certificate() if host.local else 0),
        "instances": [
            {
                "db": {
                    "status": "online",
                    "liveness": "live" if host.online else "stale",
                    "mode": host.db.mode,
                    "first_time": min((span.first for span in bounds.values()), default=0),
                    "last_time": max((span.last for span in bounds.values()), default=0),
                    **held,
                },
                "ingest": _ingest(host, now, held),
                "stream": _stream(host, now) | {"path": path(host)},
                "ml": {"status": "disabled"},
                "health": dict(health),
                "functions": described(host.functions.values()),
                "capabilities": list(host.link.spoken) if host.link is not None else [],
                "dyncfg": {"status": "online" if ("", "config") in host.functions else "unavailable"},
            }
        ],
    }


def path(host: Host) -> list[dict[str, Any]]:
    """
    @return: The agents that a node's samples pass, the origin first.
    """
    return [dict(entry) for entry in host.path]


def stream_path(host: Host, index: int) -> dict[str, Any]:
    """
    @return: A node as C{stream_path} answers it.
    """
    return identity(host, index) | {"streaming_path": path(host)}


def agents(hub: Hub, now: float) -> list[dict[str, Any]]:
    """
    @return: Who answers: this node.
    """
    local = hub.local.info
    return [{"mg": local.guid, "nd": None, "nm": local.hostname, "now": int(now), "ai": 0}]


def versions(hub: Hub, alerts: tuple[int, int]) -> dict[str, Any]:
    """
    @param alerts: The numbers of which alerts there are, and how they stand.
    @return: Numbers that change when what is known changes.
    """
    charts = sum(len(host.charts) for host in hub)
    return {
        "nodes_hard_hash": len(hub),
        "contexts_hard_hash": charts,
        "contexts_soft_hash": charts,
        "alerts_hard_hash": alerts[0],
        "alerts_soft_hash": alerts[1],
    }


def agent(hub: Hub, settings: Settings, now: float, stats: Stats, capabilities: Sequence[str]) -> dict[str, Any]:
    """
    @param capabilities: What this node can do.
    @return: This node as C{info} answers it.
    """
    (answer,) = agents(hub, now)
    hosts, health = list(hub), hub.health()
    charts = [chart for host in hosts for chart in host.charts.values() if not chart.obsolete]
    return answer | {
        "application": {
            "package": {"version": __version__, "type": "netstream"},
            "role": settings.role.value,
        },
        "cloud": {"id": 0, "status": "disabled"},
        "nodes": {
            "total": len(hosts),
            "receiving": sum(host.link is not None for host in hosts),
            "sending": sum(host.upstream is not None and host.upstream.connected for host in hosts),
            "archived": sum(not host.online for host in hosts),
        },
        "metrics": sum(len(chart.dimensions) for chart in charts),
        "instances": len(charts),
        "contexts": len({chart.context for chart in charts}),
        "capabilities": list(capabilities),
        "api": {"version": API, "bearer_protection": False},
        "db_size": [
            {"tier": number, "granularity": f"{seconds}s", "disk_used": health.disk.get(f"tier {number}", 0)}
            for number, seconds in enumerate(hub.local.db.tiers)
        ],
        "samples": stats.samples,
        "disk_used": stats.disk,
        "traffic": {"received": traffic(hub.counts.received), "sent": traffic(hub.counts.sent)},
        "losses": losses(hub.counts, health.lost),
        "function_calls": dict(sorted(hub.counts.calls.items())),
    }
