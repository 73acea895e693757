"""
Who may look: by address, and by the name under which this node was called.
"""

from __future__ import annotations

import re
import socket
from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path

from netstream.config.settings import Settings
from netstream.model.address import peer_name, private
from netstream.web.answer import Refusal

_HOST = re.compile(r"(?:\[([0-9A-Fa-f:.]+)(?:%25[\w.-]+)?\]|([^:\[\]]*))(?::\d{1,5})?\Z", re.ASCII)
_LABEL = re.compile(r"[A-Za-z0-9_-]{1,63}\Z", re.ASCII)
_NEAR_DOMAINS = ("local", "localdomain", "lan", "internal", "home.arpa")
_NARROWED = frozenset(("badges", "netdata.conf"))
"""Features with a list of their own, for some of those who may look."""
_RESOLV_CONF = Path("/etc/resolv.conf")


def _search_domains(path: Path = _RESOLV_CONF) -> list[str]:
    try:
        lines = path.read_text("utf-8", "replace").splitlines()
    except OSError:
        return []
    words = [line.split() for line in lines]
    return [domain for line in words if line and line[0] in ("search", "domain") for domain in line[1:]]


def own_names(*hostnames: str) -> frozenset[str]:
    """
    The names under which a node is called without any set-up, in lower case:
    its host names, long and short, alone and in the domains that are local by
    agreement or that this machine searches.
    """
    short = {name.lower().partition(".")[0] for name in hostnames if name}
    domains = [*_NEAR_DOMAINS, *(d.strip(".").lower() for d in _search_domains())]
    return frozenset(
        {"localhost", *short, *(name.lower() for name in hostnames if name)}
        | {f"{name}.{domain}" for name in short for domain in domains if domain}
    )


@lru_cache(256)
def called(host: str) -> str | None:
    """
    @param host: A C{Host} header.
    @return: The name or address in it, lower case and without port; L{None} if
        it is no such thing.
    """
    match = _HOST.match(host.strip())
    if match is None:
        return None
    address, name = match.groups()
    if address is None:
        name = name.lower().removesuffix(".")
        return name if len(name) <= 253 and all(map(_LABEL.match, name.split("."))) else None
    try:
        return str(ip_address(address))
    except ValueError:
        return None


@lru_cache(256)
def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


class Access:
    """
    The access lists of C{[web]} as far as they concern HTTP.

    @ivar web: What they are now; to be set anew when that changes.
    """

    def __init__(self, settings: Settings) -> None:
        self._names = own_names(settings.node.hostname, socket.gethostname())
        self.reconfigure(settings)

    def reconfigure(self, settings: Settings) -> None:
        """
        Go by other lists from the next request on.
        """
        self.web = settings.web

    def check_peer(self, address: str, streaming: bool = False) -> None:
        """
        Admit a client by its address.

        @param address: Numeric, or C{localhost} for a Unix socket.
        @param streaming: The question is one that children ask, so whoever
            may stream may ask it as well.
        @raise Refusal: It may not look at this node.
        """
        name = peer_name(address)
        allow = self.web.allow
        allowed = allow.get("dashboard")
        if allowed.matches(name) if allowed else private(name) or self.web.access_file is not None:
            return
        if streaming and ("streaming" not in allow or allow["streaming"].matches(name)):
            return
        was = allowed.text if allowed else "localhost 10.* 192.168.* fe80* fd*"
        raise Refusal(
            403,
            f"This node does not show itself to {name}.\n"
            "To let it, its owner writes in netstream.conf:\n\n"
            f"[web]\n    allow dashboard from = {was} {name}\n"
            + ("" if allowed else "\nor lets those in who sign in, from anywhere, with 'access token file'.\n"),
        )

    def check_feature(self, address: str, feature: str) -> None:
        """
        Admit a client that may look at this node to what not everyone who may
        is shown.

        @param feature: One of C{bind to}.
        @raise Refusal: It may not see that.
        """
        allowed = self.web.allow.get(feature) if feature in _NARROWED else None
        name = peer_name(address)
        if allowed is None or allowed.matches(name):
            return
        raise Refusal(
            403,
            f"This node does not show '{feature}' to {name}.\n"
            "To let it, its owner writes in netstream.conf:\n\n"
            f"[web]\n    allow {feature} from = {allowed.text} {name}\n",
        )

    def check_name(self, host: str) -> None:
        """
        Refuse to be called by a name that is not ours, since a page from
        anywhere can give its own name our address and then read us through
        the browser that shows it.

        @param host: The C{Host} header; programs may leave it out, browsers
            never do.  More than one is malformed.
        @raise Refusal: The name is unknown or malformed.
        """
        if not host:
            return
        name = called(host)
        if name is None:
            raise Refusal(400, "The Host header is malformed.\n")
        if name in self._names or _is_address(name) or name.endswith(".localhost") or self.web.host_names.matches(name):
            return
        raise Refusal(
            421,
            f"This node does not know itself by the name {name}.\n"
            "If the name is right, its owner writes in netstream.conf:\n\n"
            f"[web]\n    allowed host names = {name}\n",
        )
