"""
One page of an exporter, over HTTP.
"""

from __future__ import annotations

import base64
import ssl
from typing import Any, cast

from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectError, DNSLookupError
from twisted.internet.interfaces import IProtocol
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.ssl import Certificate, trustRootFromCertificates
from twisted.python.failure import Failure
from twisted.web.client import Agent, BrowserLikePolicyForHTTPS, HTTPConnectionPool, ResponseDone, ResponseFailed
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent

import netstream
from netstream.config.feeds import ScrapeTarget
from netstream.endings import how_ended

LARGEST = 16 << 20
"""Bytes of a page."""

_ACCEPT = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"


class Unfit(Exception):
    """
    There is no page.

    @ivar reason: Why, for people.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@frozen
class Fetched:
    """
    A page.
    """

    body: bytes
    content_type: str


class _Body(Protocol):
    """
    Reads a body, up to a bound.
    """

    def __init__(self) -> None:
        self.done: Deferred[bytes] = Deferred()
        self._parts: list[bytes] = []
        self._size = 0

    def dataReceived(self, data: bytes) -> None:
        """
        Keep it (called by Twisted).
        """
        self._parts.append(data)
        self._size += len(data)
        if self._size > LARGEST:
            self._parts.clear()
            self._end(Unfit(f"the page has more than {LARGEST >> 20} MiB"))
            cast(Any, self.transport).abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        That is all (called by Twisted).
        """
        self._end(None if reason.check(ResponseDone) else Unfit("the connection was lost within the page"))

    def _end(self, problem: Unfit | None) -> None:
        if not self.done.called:
            self.done.errback(problem) if problem is not None else self.done.callback(b"".join(self._parts))


def agent(target: ScrapeTarget, reactor: Any) -> IAgent:
    """
    @return: What makes requests to a target.
    @raise Unfit: Its file of certificates cannot be read.
    """
    trust = None
    if target.ca_file is not None:
        try:
            text = target.ca_file.read_bytes()
            mark = b"-----END CERTIFICATE-----"
            certificates = [Certificate.loadPEM(part + mark) for part in text.split(mark)[:-1]]
        except (OSError, ValueError, ssl.SSLError) as problem:
            raise Unfit(f"{target.ca_file}: {problem}") from None
        if not certificates:
            raise Unfit(f"{target.ca_file} holds no certificate")
        trust = trustRootFromCertificates(certificates)
    pool = HTTPConnectionPool(reactor)
    pool.maxPersistentPerHost = 1
    pool.cachedConnectionTimeout = 2 * target.update_every + 5
    return cast(
        IAgent, Agent(reactor, BrowserLikePolicyForHTTPS(trustRoot=trust), connectTimeout=target.timeout, pool=pool)
    )


def headers(target: ScrapeTarget) -> Headers:
    """
    @return: The headers of a request to it.
    """
    found = {"Accept": _ACCEPT, "User-Agent": f"netstream/{netstream.__version__}"}
    found["X-Prometheus-Scrape-Timeout-Seconds"] = f"{target.timeout:g}"
    if target.token:
        found["Authorization"] = f"Bearer {target.token}"
    elif target.username or target.password:
        pair = f"{target.username}:{target.password}".encode()
        found["Authorization"] = "Basic " + base64.b64encode(pair).decode()
    return Headers({name: [value] for name, value in found.items()})


async def fetch(requests: IAgent, target: ScrapeTarget) -> Fetched:
    """
    Look once.

    @raise Unfit: There is no page.
    """
    try:
        response = await requests.request(b"GET", target.url.encode(), headers(target), None)
    except (ConnectError, DNSLookupError, ResponseFailed, OSError) as problem:
        raise Unfit(_said(problem)) from None
    body = _Body()
    response.deliverBody(cast(IProtocol, body))
    content = await body.done
    if response.code != 200:
        raise Unfit(f"it answers with status {response.code}")
    kind = (response.headers.getRawHeaders("Content-Type") or [""])[0]
    return Fetched(content, kind)


def _said(problem: BaseException) -> str:
    if isinstance(problem, ResponseFailed):
        return "; ".join(dict.fromkeys(how_ended(reason) for reason in problem.reasons)) or "no answer"
    return how_ended(Failure(problem))
