"""
The languages of C{destination} and C{bind to}.
"""

from __future__ import annotations

import re
import socket

from netstream.config.feeds import Socket
from netstream.config.settings import Destination, Listener
from netstream.config.values import integer, quoted

FEATURES = frozenset(("dashboard", "registry", "badges", "management", "streaming", "netdata.conf"))
"""What may be served at an address; without a list, all of them."""

_SEPARATORS = re.compile(r"[\s,]+")
_ENTRY = re.compile(
    r"(?:(?P<protocol>tcp|udp):)?"
    r"(?:\[(?P<six>[^\]]*)\]|(?P<host>[^\[\]:%]*))"
    r"(?:%(?P<interface>[^:%]*))?"
    r"(?::(?P<port>[^:]*))?\Z"
)


def entries(text: str) -> list[str]:
    """
    @return: The entries of a list separated by blanks or commas.
    """
    return [entry for entry in _SEPARATORS.split(text) if entry]


def port_number(text: str, default: int, protocol: str = "tcp") -> int:
    """
    @param text: A number, the name of a service, or C{""}.
    @raise ValueError: It is neither.
    """
    if not text:
        return default
    try:
        number = integer(text)
    except ValueError:
        try:
            return socket.getservbyname(text, protocol)
        except (OSError, UnicodeError):
            raise ValueError(f"{quoted(text)} is neither a port number nor a known service") from None
    if not 0 <= number <= 65535:
        raise ValueError(f"port {number} is not between 0 and 65535")
    return number


def _place(text: str, entry: str, default_port: int) -> tuple[str, str, str, int]:
    found = _ENTRY.match(text)
    if found is None:
        hint = "; IPv6 addresses stand in brackets, as in [::1]:19999" if text.count(":") > 1 else ""
        raise ValueError(f"{quoted(entry)} is not of the form [tcp:|udp:]HOST[%INTERFACE][:PORT]{hint}")
    protocol, interface = found["protocol"] or "tcp", found["interface"] or ""
    host = found["six"] if found["six"] is not None else found["host"]
    try:
        port = port_number(found["port"] or "", default_port, protocol)
    except ValueError as problem:
        raise ValueError(f"{quoted(entry)}: {problem}") from problem
    return protocol, host, interface, port


def _check_udp(entry: str, interface: str) -> None:
    if interface:
        raise ValueError(f"{quoted(entry)}: link-local addresses ('%{interface}') are not possible over UDP")


def destination(entry: str, default_port: int) -> Destination:
    """
    Read one entry of C{destination}::

        [tcp:|udp:] host [%interface] [:port] [:SSL]  |  unix:path  |  /path

    Over UDP there is always TLS, with C{:SSL} or without.

    @param default_port: For an entry without one.
    @raise ValueError: It is malformed, or it wants TLS where there is none:
        never is such an entry used without.
    """
    text = entry.removesuffix(":SSL")
    tls = text != entry
    if text.startswith(("unix:", "/")):
        path = text.removeprefix("unix:")
        if tls:
            raise ValueError(
                f"{quoted(entry)} asks for TLS, which parents never speak on Unix sockets; write it without ':SSL'"
            )
        if not path:
            raise ValueError(f"{quoted(entry)} names no socket; write unix:/path")
        return Destination(entry, "unix", path, 0)
    protocol, host, interface, port = _place(text, entry, default_port)
    if not host:
        raise ValueError(f"{quoted(entry)} names no host")
    if not port:
        raise ValueError(f"{quoted(entry)}: port 0 cannot be connected to")
    if protocol == "udp":
        _check_udp(entry, interface)
    return Destination(entry, protocol, host, port, interface, tls or protocol == "udp")


def listener(entry: str, default_port: int) -> Listener:
    """
    Read one entry of C{bind to}::

        [tcp:|udp:] host [%interface] [:port] [=feature[|feature...] [^SSL=force|optional]]  |  unix:path

    Over UDP there is always TLS, whatever C{^SSL=} says.

    @param default_port: For an entry without one.
    @raise ValueError: It is malformed.
    """
    if entry.startswith("unix:"):
        path = entry.removeprefix("unix:")
        if not path:
            raise ValueError(f"{quoted(entry)} names no socket; write unix:/path")
        return Listener(entry, "unix", path, 0, FEATURES)
    place, tls, mode = entry.partition("^SSL=")
    if tls and mode not in ("force", "optional"):
        raise ValueError(f"{quoted(entry)}: after ^SSL= stands 'force' or 'optional', and nothing more")
    place, equals, words = place.partition("=")
    features = FEATURES.intersection(words.split("|")) if equals else FEATURES
    protocol, host, interface, port = _place(place, entry, default_port)
    if protocol == "udp":
        _check_udp(entry, interface)
        if mode == "optional":
            raise ValueError(f"{quoted(entry)}: over UDP there is always TLS; leave '^SSL=optional' out")
        mode = "force"
    if host in ("*", "any", "all"):
        host = ""
    return Listener(entry, protocol, host, port, features, interface, mode)


def statsd_socket(entry: str, default_port: int) -> Socket:
    """
    Read one entry of C{bind to} of C{[statsd]}::

        [udp:|tcp:] host [:port]  |  unix:path  |  unixgram:path

    An entry that says neither is C{udp}.

    @param default_port: For an entry without one.
    @raise ValueError: It is malformed.
    """
    scheme, colon, path = entry.partition(":")
    if colon and scheme in ("unix", "unixgram"):
        if not path:
            raise ValueError(f"{quoted(entry)} names no socket; write {scheme}:/path")
        return Socket(entry, scheme, path)
    named = entry if scheme in ("udp", "tcp") else f"udp:{entry}"
    protocol, host, interface, port = _place(named, entry, default_port)
    if interface:
        raise ValueError(f"{quoted(entry)}: an interface ('%{interface}') is not possible here; write its address")
    if host in ("*", "any", "all"):
        host = ""
    return Socket(entry, protocol, "127.0.0.1" if host == "localhost" else host, port)
