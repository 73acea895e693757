"""
The text of a peer's address, as access lists see it.
"""

from __future__ import annotations

from ipaddress import ip_address, ip_network

_NEAR = tuple(
    ip_network(text)
    for text in (
        "127.0.0.0/8",
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "169.254.0.0/16",
        "::1/128",
        "fc00::/7",
        "fe80::/10",
    )
)

_MAPPED = "::ffff:"


def unmapped(address: str) -> str:
    """
    @param address: Numeric address.
    @return: IPv4 without the prefix that it has on a port that takes IPv6 as
        well; any other as it is.
    """
    mapped = address.lower().startswith(_MAPPED) and "." in address
    return address[len(_MAPPED) :] if mapped else address


def peer_name(address: str) -> str:
    """
    The text that C{allow ... from} patterns are compared with.

    @param address: Numeric address of a peer; C{unix}, or text that begins
        with C{unix:}, for the peer of a Unix socket.
    @return: C{localhost} for C{127.0.0.1}, C{::1} and Unix sockets; IPv4
        without the prefix of a mapped address; C{UNKNOWN} for no address.
    """
    text = unmapped(address.strip())
    if text in ("127.0.0.1", "::1", "localhost", "unix") or text.startswith("unix:"):
        return "localhost"
    return text or "UNKNOWN"


def private(address: str) -> bool:
    """
    Whether a peer is near: loopback, in a private network, or on the same
    link.

    @param address: As for L{peer_name}; what that returns is taken too.
    @return: L{False} for every other address and for what is none.
    """
    text = peer_name(address)
    if text == "localhost":
        return True
    try:
        number = ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return any(number in network for network in _NEAR if network.version == number.version)
