"""
The registry of older dashboards: which machines a person has looked at.

It needs a cookie and remembers people, so there is none here; but dashboards
ask a node for it, and learn from the answer what the node is called.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from netstream.hub.hub import Host
from netstream.web.answer import Refusal

CLOUD = "https://app.netdata.cloud"
"""What agents name.  The dashboard of 1.37 draws nothing if it is empty; its
pages may not go there."""
ACTIONS = ("hello", "access", "delete", "search", "switch")
"""What a registry can be asked for."""


def answer(hosts: Sequence[Host], host: Host, action: str) -> dict[str, Any]:
    """
    @param hosts: All nodes that are known.
    @param host: The one that is asked.
    @param action: What is asked for.
    @return: Who the node is; anything but C{hello} is switched off.
    @raise Refusal: There is no such action.
    """
    if action not in ACTIONS:
        raise Refusal(400, f"A registry is asked for an action: {', '.join(ACTIONS)}.\n")
    hello = action == "hello"
    told: dict[str, Any] = {
        "action": action,
        "status": "ok" if hello else "disabled",
        "hostname": host.info.hostname,
        "machine_guid": host.info.guid,
    }
    if not hello:
        return told
    return told | {
        "registry": ".",  # where the question was asked, seen from there
        "cloud_base_url": CLOUD,
        "anonymous_statistics": False,
        "cloud_status": "disabled",
        "agent": _identity(host) | {"claim_id": host.claim_id, "bearer_protection": False},
        "nodes": [_identity(each) | {"hostname": each.info.hostname} for each in hosts],
    }


def _identity(host: Host) -> dict[str, Any]:
    return {"machine_guid": host.info.guid, "node_id": None}
