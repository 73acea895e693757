"""
Who makes a request, and by what address this node was called: as the
connection says, or a trusted proxy in front of it.
"""

from __future__ import annotations

import re
from typing import Protocol
from urllib.parse import urlsplit

from attrs import frozen
from twisted.internet.interfaces import IAddress

from netstream.model.address import peer_name
from netstream.model.networks import NO_NETWORKS, Networks, numeric
from netstream.web.answer import Heard, Refusal, header

MOST_PROXIES = 32
"""Proxies that a request may come through."""

_AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]]*)(?::(\d{1,5}))?\Z", re.ASCII)
_DEFAULT_PORTS = {"http": "80", "https": "443"}


class Asked(Heard, Protocol):
    """
    A request as far as it tells who makes it.
    """

    def getClientAddress(self) -> IAddress: ...

    def isSecure(self) -> bool: ...


@frozen
class Visitor:
    """
    Who asks.

    @ivar address: Of the client, as access lists know it: numeric, or
        C{localhost}.
    @ivar host: Under which name, with port, the client called this node;
        C{""} if it did not say.
    @ivar scheme: C{http} or C{https}, as the client called; C{""} if a proxy
        in front does not tell.
    @ivar proxied: Whether a trusted proxy told so.
    @ivar forwarded_by: The peer that says for whom it asks without being
        trusted to; C{""} if there is none.
    """

    address: str
    host: str
    scheme: str
    proxied: bool = False
    forwarded_by: str = ""


UNKNOWN = Visitor("UNKNOWN", "", "")
"""Who makes a request before it was looked at."""


def visitor(request: Asked, trusted: Networks = NO_NETWORKS) -> Visitor:
    """
    @param trusted: Proxies whose C{X-Forwarded-} headers hold.
    @raise Refusal: A trusted proxy says what has no meaning.
    """
    peer = getattr(request.getClientAddress(), "host", None)
    name = peer_name(peer or "localhost")
    host, scheme = header(request, b"Host"), "https" if request.isSecure() else "http"
    forwarded = header(request, b"X-Forwarded-For")
    if peer not in trusted:
        return Visitor(name, host, scheme, forwarded_by=name if forwarded else "")
    address = _client(forwarded, trusted) if forwarded else name
    # Where proxies follow each other the last one adds to what is there, and it alone is sure.
    called = header(request, b"X-Forwarded-Host").rpartition(",")[2].strip() or host
    said = header(request, b"X-Forwarded-Proto").rpartition(",")[2].strip().lower()
    return Visitor(peer_name(address), called, said if said in _DEFAULT_PORTS else "", proxied=True)


def _client(forwarded: str, trusted: Networks) -> str:
    """
    @param forwarded: Addresses, each added by a proxy behind those that were
        there: the last that is no proxy of ours is the one that can be
        believed.
    """
    address: str | None = None
    for text in reversed(forwarded.split(",")[-MOST_PROXIES:]):
        address = numeric(text)
        if address is None:
            raise Refusal(400, "X-Forwarded-For: the proxy in front of this node does not give an address there.\n")
        if address not in trusted:
            break
    assert address is not None  # nothing splits into no parts
    return address


def check_intent(request: Heard, who: Visitor) -> None:
    """
    Refuse what a page of another site makes a browser ask for, where that
    would do something: browsers send along the passwords that they know, and
    come from addresses that may.

    A program that is no browser is asked nothing: it can say what it likes.

    @raise Refusal: It is, or may be, such a page.
    """
    site = header(request, b"Sec-Fetch-Site").lower()
    if site in ("same-origin", "none"):
        return
    if site:
        raise Refusal(403, "Pages of other sites may not make this node do anything.\n")
    origin = header(request, b"Origin")
    if origin:
        if not _ours(origin, who):
            raise Refusal(403, f"Pages of {origin[:100]!r} may not make this node do anything.\n")
        return
    if not header(request, b"User-Agent").startswith("Mozilla/") or _deliberate(request):
        return
    if not _ours(header(request, b"Referer"), who):
        raise Refusal(
            403,
            "Your browser does not tell which page asks for this: it does so over HTTPS, and to 'localhost'.\n"
            "A program of yours adds a header X-Requested-With, which pages of other sites cannot.\n",
        )


def _deliberate(request: Heard) -> bool:
    """
    @return: Whether there is a header that browsers do not let other sites
        send along.
    """
    return bool(
        header(request, b"X-Auth-Token")
        or header(request, b"X-Requested-With")
        or header(request, b"Authorization").lower().startswith("bearer ")
    )


def _ours(address: str, who: Visitor) -> bool:
    """
    @param address: Begins as an origin does: C{https://name:port}.
    @return: Whether that is how this node was called.
    """
    try:
        page = urlsplit(address)
    except ValueError:
        return False
    wanted, there = _AUTHORITY.match(who.host.strip().lower()), _AUTHORITY.match(page.netloc.lower())
    if wanted is None or there is None or page.scheme not in _DEFAULT_PORTS or not page.netloc:
        return False
    if wanted[1] != there[1] or (who.scheme and page.scheme != who.scheme):
        return False
    port = there[2] or _DEFAULT_PORTS[page.scheme]
    # Proxies often leave the port out of what they tell.
    return port == (wanted[2] or (port if who.proxied else _DEFAULT_PORTS[page.scheme]))
