"""
Bodies posted over HTTP, one after the other, on one connection that is kept.
"""

from __future__ import annotations

import base64
import math
import re
from email.utils import parsedate_to_datetime
from typing import Any

from attrs import frozen
from treq.client import HTTPClient
from twisted.internet.defer import CancelledError, Deferred, maybeDeferred, succeed
from twisted.internet.interfaces import IConsumer, IReactorTime, IStreamClientEndpoint
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import Agent, HTTPConnectionPool, ResponseDone
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgentEndpointFactory, IBodyProducer
from zope.interface import implementer

import netstream
from netstream.config.settings import Destination, ExportTarget
from netstream.endings import how_ended
from netstream.export.carrier import Connect, Told, Unreachable
from netstream.export.format import Format
from netstream.export.spool import Spool

_MOST = 1 << 16
"""Bytes of an answer that are read; a connection that says more is closed."""
_SHOWN = 200
_LONGEST_WISH = 3600.0
_UNPRINTABLE = re.compile(r"[^ -~]+")
_IDLE = 120.0
"""Seconds that a connection is kept without a request."""


@implementer(IAgentEndpointFactory)
@frozen(eq=False)
class _Endpoints:
    """
    Leads all requests to one destination.
    """

    connect: Connect
    destination: Destination
    timeout: float

    def endpointForURI(self, uri: Any) -> IStreamClientEndpoint:
        """
        @return: The endpoint (called by C{Agent}).
        """
        return self.connect(self.destination, self.timeout)


@implementer(IBodyProducer)
@frozen(eq=False)
class _Content:
    """
    Writes a body at once; it is there anyway.
    """

    content: bytes

    @property
    def length(self) -> int:
        """
        Bytes of the body.
        """
        return len(self.content)

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:
        """
        Write it (called by C{Agent}).
        """
        consumer.write(self.content)
        return succeed(None)

    def pauseProducing(self) -> None:
        """
        Called by the transport.
        """

    def resumeProducing(self) -> None:
        """
        Called by the transport.
        """

    def stopProducing(self) -> None:
        """
        Called by C{Agent}.
        """


class _Answer(Protocol):
    """
    Reads an answer, up to a bound.
    """

    def __init__(self) -> None:
        self.done: Deferred[bytes] = Deferred()
        self._content = b""

    def dataReceived(self, data: bytes) -> None:
        self._content += data
        if len(self._content) > _MOST:
            self._finish()
            transport: Any = self.transport
            transport.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if reason.check(ResponseDone) or self._content:
            self._finish()
        elif not self.done.called:
            self.done.errback(reason)

    def _finish(self) -> None:
        if not self.done.called:
            self.done.callback(self._content[:_MOST])


def wish(text: str, now: float) -> float | None:
    """
    @param text: Value of C{Retry-After}.
    @param now: UTC seconds.
    @return: Seconds that a receiver wants to be left alone; at most an hour.
    """
    try:
        seconds = float(text) if text.strip().isdigit() else parsedate_to_datetime(text).timestamp() - now
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(seconds, 0.0), _LONGEST_WISH) if math.isfinite(seconds) else None


def address(destination: Destination, path: str) -> str:
    """
    @return: The URL that is posted to.
    """
    host = destination.host if destination.protocol == "tcp" else "localhost"
    host = f"[{host}]" if ":" in host else host
    port = f":{destination.port}" if destination.port else ""
    return f"{'https' if destination.tls else 'http'}://{host}{port}{path}"


def credentials(target: ExportTarget) -> dict[str, str]:
    """
    @return: The header that says who sends, if that was configured.
    """
    if target.token:
        scheme = "Token" if target.kind == "influxdb" else "Bearer"
        return {"Authorization": f"{scheme} {target.token}"}
    if target.username or target.password:
        pair = f"{target.username}:{target.password}".encode()
        return {"Authorization": "Basic " + base64.b64encode(pair).decode()}
    return {}


class PostingCarrier:
    """
    A carrier over HTTP.

    What is answered with success is received.  Answers 5xx, 408 and 429, and
    none, mean to try again; any other means that the receiver will never take
    this body.
    """

    def __init__(self, target: ExportTarget, form: Format, clock: IReactorTime, connect: Connect) -> None:
        self._target = target
        self._format = form
        self._clock = clock
        self._connect = connect
        self._pool = HTTPConnectionPool(clock)
        self._pool.maxPersistentPerHost = 1
        self._pool.cachedConnectionTimeout = int(_IDLE)
        # A request must not be sent twice without our knowing.
        self._pool.retryAutomatically = False
        self._clients: dict[Destination, HTTPClient] = {}

    def wake(self) -> None:
        """
        There is more to send; L{carry} is called for that.
        """

    def _client(self, destination: Destination) -> HTTPClient:
        client = self._clients.get(destination)
        if client is None:
            endpoints = _Endpoints(self._connect, destination, self._target.timeout)
            client = HTTPClient(Agent.usingEndpointFactory(self._clock, endpoints, self._pool), None, _Content)
            self._clients[destination] = client
        return client

    async def carry(self, destination: Destination, spool: Spool, told: Told) -> None:
        """
        Post what waits.

        @raise Unreachable: The receiver cannot take it now.
        """
        while (entry := spool.ahead()) is not None:
            body = spool.read(entry)
            if body is None:
                told.refused(entry.samples, "its file cannot be read any more")
                spool.confirm(entry)
                continue
            reason = await self._post(destination, body)
            spool.confirm(entry)
            if reason is None:
                told.taken(entry.samples)
            else:
                told.refused(entry.samples, reason)

    async def _post(self, destination: Destination, body: bytes) -> str | None:
        """
        @return: Why the receiver never will take it; L{None} if it did.
        @raise Unreachable: It cannot now.
        """
        target = self._target
        headers, content = self._format.request(body)
        head = {"User-Agent": f"netstream/{netstream.__version__}", **headers, **credentials(target)}
        asked = Deferred.fromCoroutine(self._exchange(destination, head, content))
        # The answer has to be there in time as well as its beginning.
        limit = self._clock.callLater(target.timeout, asked.cancel)
        try:
            status, wait, text = await asked
        except Exception as problem:
            if isinstance(problem, CancelledError) and limit.active():
                raise
            late = isinstance(problem, CancelledError) or not limit.active()
            raise Unreachable(f"no answer within {target.timeout:g} s" if late else _why(problem)) from problem
        finally:
            if limit.active():
                limit.cancel()
        if 200 <= status < 300:
            return None
        said = _UNPRINTABLE.sub(" ", text.decode("utf-8", "replace")).strip()[:_SHOWN]
        reason = f"answered {status}" + (f": {said}" if said else "")
        if status >= 500 or status in (408, 429):
            raise Unreachable(reason, wish(wait, self._clock.seconds()) if wait else None, worked=status == 429)
        return reason

    async def _exchange(
        self, destination: Destination, headers: dict[str, str], content: bytes
    ) -> tuple[int, str, bytes]:
        """
        @return: Status, C{Retry-After} and text of the answer.
        """
        response = await self._client(destination).request(
            "POST",
            address(destination, self._target.path),
            headers=Headers({name: [value] for name, value in headers.items()}),
            data=content,
            allow_redirects=False,
            unbuffered=True,
        )
        answer = _Answer()
        response.original.deliverBody(answer)
        try:
            text = await answer.done
        except Exception:
            text = b""
        return response.code, (response.headers.getRawHeaders("Retry-After") or [""])[0], text

    async def close(self) -> None:
        """
        Close the connection that is kept.
        """
        await maybeDeferred(self._pool.closeCachedConnections)


def _why(problem: Exception) -> str:
    reasons = getattr(problem, "reasons", None)
    if reasons:
        return how_ended(reasons[0]) if isinstance(reasons[0], Failure) else str(reasons[0])
    return how_ended(Failure(problem))
