"""
What a peer is called.
"""

from __future__ import annotations

from netstream.model.address import peer_name, unmapped


def address_text(address: object) -> str:
    """
    @return: The peer's address as the access lists know it: numeric, or
        C{localhost}.
    """
    return peer_name(getattr(address, "host", None) or "localhost")


def peer_text(address: object) -> str:
    """
    @return: The peer for a log: address and port, or C{unix socket}.
    """
    host, port = getattr(address, "host", None), getattr(address, "port", None)
    if host is None:
        return "unix socket"
    host = unmapped(host)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
