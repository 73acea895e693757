"""
Nodes: who they are, and what a child asks of one before it streams there.
"""

from __future__ import annotations

from collections.abc import Mapping
from random import getrandbits
from typing import Any

from netstream.config.settings import Settings
from netstream.db.interfaces import Span
from netstream.db.messages import Unavailable
from netstream.hub.figures import Counts
from netstream.hub.hub import Host, Hub
from netstream.web.charts import listed, version_of
from netstream.web.functions import described

UNKNOWN = "unknown"

_FACTS = {
    "os_name": "NETDATA_SYSTEM_OS_NAME",
    "os_id": "NETDATA_SYSTEM_OS_ID",
    "os_id_like": "NETDATA_SYSTEM_OS_ID_LIKE",
    "os_version": "NETDATA_SYSTEM_OS_VERSION",
    "os_version_id": "NETDATA_SYSTEM_OS_VERSION_ID",
    "os_detection": "NETDATA_SYSTEM_OS_DETECTION",
    "cores_total": "NETDATA_SYSTEM_CPU_LOGICAL_CPU_COUNT",
    "total_disk_space": "NETDATA_SYSTEM_TOTAL_DISK_SIZE",
    "cpu_freq": "NETDATA_SYSTEM_CPU_FREQ",
    "ram_total": "NETDATA_SYSTEM_TOTAL_RAM",
    "container_os_name": "NETDATA_CONTAINER_OS_NAME",
    "container_os_id": "NETDATA_CONTAINER_OS_ID",
    "container_os_id_like": "NETDATA_CONTAINER_OS_ID_LIKE",
    "container_os_version": "NETDATA_CONTAINER_OS_VERSION",
    "container_os_version_id": "NETDATA_CONTAINER_OS_VERSION_ID",
    "container_os_detection": "NETDATA_CONTAINER_OS_DETECTION",
    "is_k8s_node": "NETDATA_HOST_IS_K8S_NODE",
    "kernel_name": "NETDATA_SYSTEM_KERNEL_NAME",
    "kernel_version": "NETDATA_SYSTEM_KERNEL_VERSION",
    "architecture": "NETDATA_SYSTEM_ARCHITECTURE",
    "virtualization": "NETDATA_SYSTEM_VIRTUALIZATION",
    "virt_detection": "NETDATA_SYSTEM_VIRT_DETECTION",
    "container": "NETDATA_SYSTEM_CONTAINER",
    "container_detection": "NETDATA_SYSTEM_CONTAINER_DETECTION",
    "cloud_provider_type": "NETDATA_INSTANCE_CLOUD_TYPE",
    "cloud_instance_type": "NETDATA_INSTANCE_CLOUD_INSTANCE_TYPE",
    "cloud_instance_region": "NETDATA_INSTANCE_CLOUD_INSTANCE_REGION",
}


def fact(host: Host, name: str) -> str:
    """
    @return: What a node said of its system; C{unknown} for nothing.
    """
    return host.info.system.get(_FACTS[name]) or UNKNOWN


def _collectors(host: Host) -> list[dict[str, str]]:
    found = dict.fromkeys((chart.plugin, chart.module) for chart in host.charts.values() if not chart.obsolete)
    return [{"plugin": plugin, "module": module} for plugin, module in found]


def mirrored(hub: Hub) -> list[Host]:
    """
    @return: All nodes: this one, then those that are online, then the others.
    """
    return sorted(hub, key=lambda host: (not host.local, not host.online))


def info(hub: Hub, host: Host, settings: Settings, alerts: Mapping[str, int]) -> dict[str, Any]:
    """
    @param alerts: How many are C{normal}, C{warning} and C{critical}.
    @return: What C{info} answers.
    """
    hosts = mirrored(hub)
    charts = listed(host)
    said = {
        "version": version_of(host),
        "uid": host.info.guid,
        "mirrored_hosts": [other.info.hostname for other in hosts],
        "mirrored_hosts_status": [
            {
                "guid": other.info.guid,
                "hostname": other.info.hostname,
                "reachable": other.online,
                "hops": other.info.hops,
                "claim_id": other.claim_id,
                "node_id": None,
            }
            for other in hosts
        ],
        "alarms": dict(alerts),
        **{name: fact(host, name) for name in _FACTS},
        "host_labels": {name: label.value for name, label in host.labels.items()},
        "functions": described(host.functions.values()),
        "collectors": _collectors(host),
        "cloud-enabled": False,
        "cloud-available": False,
        "agent-claimed": host.claim_id is not None,
        "aclk-available": False,
        "aclk-implementation": "",
        "memory-mode": host.db.mode,
        "multidb-disk-quota": sum(settings.db.tier_size) >> 20,
        "page-cache-size": 0,
        "stream-enabled": settings.stream.enabled,
        "stream-compression": settings.stream.compression if settings.stream.enabled else None,
        "hosts-available": len(hosts),
        "https-enabled": any(listener.tls for listener in settings.web.listeners),
        "buildinfo": "netstream",
        "release-channel": "stable",
        "web-enabled": True,
        "notification-methods": None,
        "exporting-enabled": True if settings.exporting else None,
        "exporting-connectors": "|".join(sorted({each.kind for each in settings.exporting})) or None,
        "allmetrics-prometheus-used": None,
        "allmetrics-shell-used": None,
        "allmetrics-json-used": None,
        "dashboard-used": None,
        "charts-count": len(charts),
        "metrics-count": sum(len(chart.dimensions) for chart in charts),
        "ml-info": {},
    }
    health = hub.health() if host.local else host.db.health()
    problem = health.problem
    if problem is not None:  # agents have no such key
        said["database-problem"] = problem
    if host.local:
        lost = losses(hub.counts, health.lost)
        if any(lost.values()):
            said["losses"] = lost
    return said


async def bounds(host: Host) -> Mapping[str, Span]:
    """
    @return: Of what time samples are stored, by chart id, for an answer about
        many nodes: nothing of one whose process does not run just now.
    """
    try:
        return await host.db.bounds(host.info.guid)
    except Unavailable:
        return {}


def ingest_type(host: Host) -> str:
    """
    @return: Where a node's samples come from, in a word.
    """
    if host.local:
        return "localhost"
    if host.online and host.virtual:
        return "virtual"
    return "child" if host.online or host.left else "archived"


def ingest_status(host: Host) -> str:
    """
    @return: Whether they come, in a word.
    """
    if host.link is not None:
        return "replicating" if host.replication is not None and not host.replication.done else "online"
    if host.local:
        return "online"
    return "offline" if host.left else "archived"


def losses(counts: Counts, not_stored: int) -> dict[str, Any]:
    """
    @param not_stored: Samples that the database could not keep.
    @return: What was lost since the start, and who was refused.
    """
    return {
        "samples_dropped": counts.dropped,
        "samples_spilled": counts.spilled,
        "samples_ahead": counts.ahead,
        "samples_not_stored": not_stored,
        "children_refused": dict(sorted(counts.refused.items())),
        "connections_broken": counts.broken,
    }


def stream_info(hub: Hub, host: Host | None, bounds: Mapping[str, Span]) -> dict[str, Any]:
    """
    @param host: The one that was asked for; L{None} if it is not known.
    @param bounds: What the database has of it.
    @return: What children read before they choose a parent.
    """
    answer: dict[str, Any] = {
        "version": 1,
        "status": 404 if host is None else 200,
        "host_id": hub.local.info.guid,
        "nodes": len(hub),
        "receivers": sum(other.link is not None for other in hub),
        "nonce": getrandbits(32),
    }
    if host is None:
        return answer
    return answer | {
        # Who is being drained takes nobody; children know that of a parent that is starting.
        "db_status": "initializing" if hub.draining else "online",
        "db_liveness": "live" if host.online else "stale",
        "ingest_type": ingest_type(host),
        "ingest_status": ingest_status(host),
        "first_time_s": min((span.first for span in bounds.values()), default=0),
        "last_time_s": max((span.last for span in bounds.values()), default=0),
    }
