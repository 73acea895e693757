"""
What of HTTP a port may serve: the features of C{bind to}.
"""

from __future__ import annotations

import re

BADGES = "badges"
ALL = frozenset(("dashboard", "registry", BADGES, "management", "streaming", "netdata.conf"))
"""The features that are asked for by HTTP."""

_PATHS = (
    (re.compile(r"/api/v1/write\Z"), "streaming"),
    (re.compile(r"(?:/host/[^/]+)?/netdata\.conf/*\Z"), "netdata.conf"),
    (re.compile(r"(?:/host/[^/]+)?/api/v\d+/badge\.svg/*\Z"), BADGES),
    (re.compile(r"(?:/host/[^/]+)?/api/v\d+/registry(?:/.*)?\Z"), "registry"),
    (re.compile(r"(?:/host/[^/]+)?/api/v\d+/manage(?:/.*)?\Z"), "management"),
)

_OWN = re.compile(r"write|netdata\.conf|badge\.svg|registry|manage")
"""What the path of each of them has."""


def feature_of(path: str) -> str:
    """
    @param path: Decoded path of a request, from its first slash on.
    @return: The feature that it belongs to.
    """
    if not _OWN.search(path):
        return "dashboard"
    path = re.sub("/{2,}", "/", path)
    return next((feature for pattern, feature in _PATHS if pattern.match(path)), "dashboard")


_DOES = re.compile(r"(?:/host/[^/]+)?/api/v\d+/(?:function|manage(?:/.*)?)/*\Z")


def does_something(path: str) -> bool:
    """
    @param path: Decoded path of a request.
    @return: Whether what is asked for makes a node do something, whatever the
        method.
    """
    return ("function" in path or "manage" in path) and _DOES.match(re.sub("/{2,}", "/", path)) is not None


def not_served(feature: str) -> str:
    """
    @return: What a browser is told that asks for a feature on another port.
    """
    return (
        f"This port does not serve '{feature}': its owner adds it to the features in [web] bind to of the node's "
        f"netstream.conf, as in 'bind to = *={feature}'.\n"
    )
