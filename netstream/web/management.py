"""
What only the owner of a node may do: who presents the token of the node, from
where that is allowed.
"""

from __future__ import annotations

import hmac
from typing import Any

from netstream.config.settings import Settings
from netstream.health.service import HealthService
from netstream.model.address import peer_name
from netstream.model.identity import fingerprint
from netstream.web.answer import Refusal


def check(settings: Settings, health: HealthService | None, client: str, token: str, what: str) -> None:
    """
    Let the owner of a node pass.

    @param health: Knows the token.
    @param client: The address of whoever asks.
    @param token: What it presents.
    @param what: What is not done from elsewhere, such as C{Alerts are not
        managed}.
    @raise Refusal: It is somebody else.
    """
    allowed = settings.web.allow.get("management")
    name = peer_name(client)
    if not (allowed.matches(name) if allowed is not None else name == "localhost"):
        raise Refusal(
            403,
            f"{what} from {name}.\nTo let it, the owner of this node writes in netstream.conf:\n\n"
            f"[web]\n    allow management from = {allowed.text if allowed is not None else 'localhost'} {name}\n",
        )
    if health is None or not health.token or not hmac.compare_digest(health.token.encode(), token.encode()):
        raise Refusal(403, "Auth Error\n")


def keys(settings: Settings, health: HealthService | None, client: str, token: str) -> dict[str, Any]:
    """
    Tell of the API keys, by fingerprint, and whole to the owner of the node.

    @param token: What whoever asks presents; C{""} is nothing.
    @raise Refusal: It presents something else than the token.
    """
    told: list[dict[str, str]] = [{"fingerprint": mark} for mark in settings.keys]
    if token:
        check(settings, health, client, token, "API keys are not told")
        whole = {fingerprint(key): key for key in settings.access.secrets}
        for each in told:
            if each["fingerprint"] in whole:
                each["key"] = whole[each["fingerprint"]]
    return {"keys": told}
