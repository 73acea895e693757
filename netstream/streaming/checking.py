"""
Walking the way to a destination step by step, and saying where it ends.

The walk disturbs nobody.  Whether the key is good is asked in the name of the
parent itself: a request with its own machine GUID passes all that a request
with this key passes, and is refused then, before any host is known for it.
Only for a node that runs nowhere at the time a short stream follows.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from attrs import evolve, frozen
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IHostResolution,
    IReactorPluggableNameResolver,
    IReactorTime,
    IResolutionReceiver,
    ITCPTransport,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from zope.interface import implementer

from netstream.config.settings import Destination, StreamSettings
from netstream.hub.hub import Host
from netstream.model.host import HostInfo
from netstream.model.identity import fingerprint
from netstream.model.identity import guid as checked_guid
from netstream.session.handshake import OFFER
from netstream.streaming.causes import (
    CAPABILITIES,
    CLOCK,
    CONNECTION,
    KEY,
    NAME,
    PARENT,
    SAMPLE,
    TLS,
    Finding,
    Verdict,
    bad,
    cannot_connect,
    ended,
    refused,
    silent,
)
from netstream.streaming.choice import Connector
from netstream.streaming.door import ASKING, CHECKER
from netstream.streaming.uplink import Uplink
from netstream.wire.capabilities import COMPRESSIONS, Capability
from netstream.wire.handshake import Accepted, Refusal, ReplyReader, StreamRequest

CONNECT_MOST = 10.0
"""Seconds to connect, at most."""

ANSWER_WITHIN = 10.0
"""Seconds for an answer."""

LONGEST_ANSWER = 4 << 20
"""Bytes of an answer that are read."""

ACCEPTED_WITHIN = 20.0
"""Seconds in which a stream is accepted: a parent may look for three whether
an older one lives."""

SHOWN_WITHIN = 15.0
"""Seconds in which a sample is to be seen at the parent."""

LASTS = 4.0
"""Seconds that a stream has to last where nothing can be seen."""

APART, TOO_FAR = 5.0, 60.0
"""Seconds that clocks may be apart: more are odd, more make samples useless."""


_VERIFIED = Finding(TLS, Verdict.GOOD, "certificate verified")
_UNVERIFIED = Finding(
    TLS,
    Verdict.ODD,
    "any certificate is accepted, so whoever stands between can read and change what is sent",
    "write 'CAfile' or 'ssl certificate fingerprint' in its place",
    "ssl skip certificate verification",
)


@frozen
class Running:
    """
    How the node that runs here with the same data is doing.

    @ivar sent_to: To which destination it streams itself now, as written.
    @ivar problem: Why that is not known; C{""} if it is.
    """

    sent_to: str | None = None
    problem: str = ""


@frozen
class _Reply:
    """
    What came over a connection of its own.

    @ivar reason: How it ended.
    """

    data: bytes
    reason: Failure | None


class _Exchange(Protocol):
    """
    Says something, and collects what comes until it is enough.
    """

    transport: ITCPTransport | None

    def __init__(self, text: bytes, enough: Callable[[bytes], bool], clock: IReactorTime) -> None:
        self._text = text
        self._enough = enough
        self._clock = clock
        self._data = b""
        self._limit: IDelayedCall | None = None
        self.reply: Deferred[_Reply] = Deferred(lambda _: self._end(None))

    def connectionMade(self) -> None:
        """
        Say it (called by Twisted).
        """
        assert self.transport is not None
        self._limit = self._clock.callLater(ANSWER_WITHIN, self._end, None)
        self.transport.write(self._text)

    def dataReceived(self, data: bytes) -> None:
        """
        Collect (called by Twisted).
        """
        self._data += data
        if len(self._data) > LONGEST_ANSWER or self._enough(self._data):
            self._end(None)

    def _end(self, reason: Failure | None) -> None:
        if self._limit is not None and self._limit.active():
            self._limit.cancel()
        if self.reply.called:
            return
        if self.transport is not None and reason is None:
            self.transport.abortConnection()
        self.reply.callback(_Reply(self._data, reason))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Nothing more comes (called by Twisted).
        """
        self._end(reason)


@implementer(IResolutionReceiver)
class _Addresses:
    def __init__(self) -> None:
        self.found: list[str] = []
        self.done: Deferred[list[str]] = Deferred()

    def resolutionBegan(self, resolutionInProgress: IHostResolution) -> None:
        pass

    def addressResolved(self, address: IAddress) -> None:
        self.found.append(str(getattr(address, "host", address)))

    def resolutionComplete(self) -> None:
        self.done.callback(self.found)


@frozen
class _Page:
    """
    An answer by HTTP.

    @ivar date: By the clock of who answers, UTC seconds; L{None} if not told.
    """

    status: int
    date: float | None
    body: bytes

    @property
    def said(self) -> Mapping[str, Any]:
        """
        The object that it is, if it is one.
        """
        try:
            said = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return said if isinstance(said, dict) else {}


def _page(data: bytes) -> _Page | None:
    head, found, body = data.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    words = lines[0].split()
    if not found or not lines[0].startswith(b"HTTP/1.") or len(words) < 2 or not words[1].isdigit():
        return None
    date = None
    for line in lines[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"date":
            try:
                date = parsedate_to_datetime(value.decode("latin-1").strip()).timestamp()
            except (ValueError, TypeError, OverflowError):
                date = None
    return _Page(int(words[1]), date, body)


def _whole(data: bytes) -> bool:
    """
    @return: Whether an answer by HTTP is complete.
    """
    head, found, body = data.partition(b"\r\n\r\n")
    for line in head.split(b"\r\n")[1:] if found else ():
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            return value.strip().isdigit() and len(body) >= int(value)
    return False


def _guid(said: object) -> str:
    try:
        return checked_guid(said) if isinstance(said, str) else ""
    except ValueError:
        return ""


class Walk:
    """
    The way to one destination.
    """

    def __init__(
        self,
        destination: Destination,
        settings: StreamSettings,
        connector: Connector,
        reactor: Any,
        info: HostInfo,
        *,
        running: Running | None = None,
        host: Host | None = None,
        chart: str = "",
        dimension: str = "",
        token: str = "",
        instead: Finding | None = None,
    ) -> None:
        """
        @param connector: Makes endpoints of destinations.
        @param reactor: Provides time and names.
        @param info: Who this node is; its GUID is C{""} before its first
            start.
        @param running: How the node is doing if it runs; L{None} if it does
            not.
        @param host: What is streamed for a moment where the node does not run;
            someone collects into it.  L{None} streams nothing.
        @param chart: Id of the chart that is collected.
        @param token: What opens the API of the parent.
        @param instead: What is found of a first sample where only those of
            other nodes go: this node is not known there, and does not become
            so.
        """
        self._destination = destination
        self._settings = settings
        self._connector = connector
        self._reactor = reactor
        self._info = info
        self._running = running
        self._host = host
        self._series = chart, dimension
        self._within = min(settings.timeout, CONNECT_MOST)
        self._agent = self._called = ""
        self._shows = False
        self._instead = instead
        self._token = token
        self._hides = "does not show itself to this address"
        self._others: frozenset[str] = frozenset()

    async def findings(self) -> AsyncIterator[Finding]:
        """
        @return: What each step finds, up to the first that fails.
        """
        key, mine = self._settings.api_key.lower(), self._info.guid
        if mine and key == mine:
            yield self._machine_key("this node's own machine GUID")
            return
        async for finding in self._reach():
            yield finding
            if finding.verdict is Verdict.BAD and finding.step != CLOCK:
                return
        if key in self._others:
            yield self._machine_key("the machine GUID of a node that the parent shows")
            return
        if mine and self._agent == mine:
            yield refused(Refusal.LOCALHOST, b"", self._destination, key, self._info.hostname)
            return
        async for finding in self._stream():
            yield finding

    def _machine_key(self, whose: str) -> Finding:
        return bad(
            KEY,
            f"the API key is {whose}, which is no secret, so no parent takes it",
            "write a key that 'netstream genkey' made and the parent has",
            "api key",
        )

    # The way there.

    async def _reach(self) -> AsyncIterator[Finding]:
        destination, proxy = self._destination, self._settings.proxy
        if destination.protocol != "unix":
            name = proxy.host if proxy is not None else destination.host
            addresses = await self._resolve(name)
            if not addresses and proxy is not None:
                yield bad(
                    NAME, f"the name '{name}' of the proxy is not known to this machine", "write another", "proxy"
                )
                return
            if not addresses:
                yield bad(
                    NAME,
                    f"the name '{name}' is not known to this machine",
                    "write a name that 'getent hosts NAME' knows, or an address",
                    "destination",
                )
                return
            what = f"proxy {name}: " if proxy is not None else ""
            yield Finding(NAME, Verdict.GOOD, what + " ".join(addresses))
        began = self._reactor.seconds()
        try:
            reply = await self._say(self._get(f"/api/v3/stream_info?machine_guid={self._info.guid}"), _whole)
        except Exception as problem:
            finding = cannot_connect(problem, destination, self._within)
            if finding.step == TLS:
                yield Finding(CONNECTION, Verdict.GOOD, "there is something that accepts connections")
            yield finding
            return
        closed = ended(reply.reason) if reply.reason is not None and not reply.data else None
        through = f" through SOCKS5 proxy {proxy.text}" if proxy is not None else ""
        yield Finding(CONNECTION, Verdict.GOOD, f"connected{through}")
        if closed is not None:
            yield closed
            return
        if destination.tls:
            yield _UNVERIFIED if self._settings.tls.skip_verification else _VERIFIED
        page = _page(reply.data)
        if page is not None and page.date is not None:
            yield self._clock(page.date, (began + self._reactor.seconds()) / 2)
        if page is not None:
            await self._ask_who(page)

    async def _resolve(self, name: str) -> list[str]:
        addresses = _Addresses()
        resolver = IReactorPluggableNameResolver(self._reactor).nameResolver
        resolver.resolveHostName(addresses, name.partition("%")[0])
        return list(dict.fromkeys(await addresses.done))

    def _clock(self, theirs: float, ours: float) -> Finding:
        apart = ours - theirs
        # They say whole seconds.
        apart = 0.0 if 0.0 <= apart < 1.0 else apart
        text = f"this clock is {abs(apart):.0f} s {'ahead of' if apart > 0 else 'behind'} the parent's"
        if abs(apart) <= APART:
            return Finding(CLOCK, Verdict.GOOD, "the clocks agree")
        advice = "set both clocks right, by NTP ('timedatectl set-ntp true')"
        if abs(apart) <= TOO_FAR:
            return Finding(CLOCK, Verdict.ODD, text, advice)
        return bad(CLOCK, text + ", so that its samples are refused or stand at a wrong time", advice)

    async def _ask_who(self, page: _Page) -> None:
        """
        Find out the machine GUID of the parent, and of the nodes that it
        shows.
        """
        self._agent = _guid(page.said.get("host_id"))
        info = await self._fetch("/api/v1/info")
        if info is not None and info.status == 401:
            self._hides = "does not know the token" if self._token else "shows itself with --token-file alone"
        if info is None or info.status != 200:
            return
        self._shows = True
        self._agent = self._agent or _guid(info.said.get("uid"))
        names, others = info.said.get("mirrored_hosts"), info.said.get("mirrored_hosts_status")
        self._called = names[0] if isinstance(names, list) and names and isinstance(names[0], str) else ""
        named = (
            [_guid(other.get("guid")) for other in others if isinstance(other, dict)]
            if isinstance(others, list)
            else []
        )
        self._others = frozenset({self._agent, *named} - {""})

    # The stream.

    async def _stream(self) -> AsyncIterator[Finding]:
        mark = fingerprint(self._settings.api_key.lower())
        # With a certificate that is bound to this node, no other name is good.
        asked = bool(self._agent) and self._settings.tls.certificate is None
        finding = await (self._try_key() if asked else self._try_answer())
        # Whether there is room within the quota of the key shows in a stream of this node alone.
        streams = self._running is None and self._host is not None
        if finding is not None and not (streams and finding.verdict is Verdict.GOOD):
            yield finding
        if finding is not None and finding.verdict is not Verdict.GOOD:
            return
        if not asked and (self._running is not None or self._host is None):
            yield Finding(KEY, Verdict.UNKNOWN, "not tried, since the parent does not say who it is")
        if self._instead is not None:
            yield self._instead
            return
        if self._running is not None:
            yield self._tell_running(self._running)
            yield await self._seen()
            return
        if self._host is None:
            yield Finding(
                SAMPLE,
                Verdict.UNKNOWN,
                "not tried, since this node has no machine GUID before its first start"
                if not self._info.guid
                else "not tried",
            )
            return
        status = await self._status()
        if status in ("online", "replicating"):
            if finding is not None:
                yield finding
            yield refused(Refusal.ALREADY_STREAMING, b"", self._destination, "", self._info.hostname)
            return
        async for found in self._send(self._host, f"key {mark} is accepted"):
            if finding is not None and found.step != KEY:
                yield finding
            finding = None
            yield found

    async def _try_answer(self) -> Finding | None:
        """
        Ask for nothing at all, which every parent denies.
        """
        return await self._ask(ASKING, denied=None)

    async def _try_key(self) -> Finding | None:
        """
        Ask in the name of the parent itself.
        """
        key = self._settings.api_key
        # By its own name too: if another one answers behind the same address, it hears nothing that is wrong.
        name = self._called or self._info.hostname
        info = evolve(self._info, guid=self._agent, hostname=name, registry_hostname=name, hops=1, program=CHECKER)
        good = Finding(KEY, Verdict.GOOD, f"key {fingerprint(key.lower())} is accepted")
        return await self._ask(StreamRequest(key, info, OFFER).head(), localhost=good)

    async def _ask(self, request: bytes, **instead: Finding | None) -> Finding | None:
        """
        @param instead: What some refusals mean, by their names.
        """
        try:
            reply = await self._say(request, lambda data: ReplyReader(OFFER).receive(data) is not None)
        except Exception as problem:
            return cannot_connect(problem, self._destination, self._within)
        closed = ended(reply.reason) if reply.reason is not None and not reply.data else None
        if closed is not None:
            return closed
        if not reply.data and reply.reason is None:
            return silent(self._destination, ANSWER_WITHIN)
        reader = ReplyReader(OFFER)
        answer = (reader.receive(reply.data) if reply.data else None) or reader.finish()
        refusal = Refusal.LOCALHOST if isinstance(answer, Accepted) else answer
        name = refusal.name.lower()
        if name in instead:
            return instead[name]
        found = refused(refusal, reply.data, self._destination, self._settings.api_key, self._info.hostname)
        if refusal is Refusal.DENIED and self._destination.tls and self._settings.tls.certificate is None:
            return evolve(found, text=f"{found.text}; it may also demand a certificate, and none is presented")
        return found

    def _tell_running(self, running: Running) -> Finding:
        if running.sent_to == self._destination.text:
            return Finding(SAMPLE, Verdict.GOOD, "the node that runs here streams to it")
        if running.problem:
            return Finding(SAMPLE, Verdict.UNKNOWN, f"not tried, since the node may run: {running.problem}")
        where = f"to {running.sent_to}" if running.sent_to else "nowhere just now"
        return Finding(SAMPLE, Verdict.UNKNOWN, f"not tried, since the node runs; it streams {where}")

    async def _send(self, host: Host, accepted: str) -> AsyncIterator[Finding]:
        """
        Stream for a moment.
        """
        begin = int(self._reactor.seconds())
        settings = evolve(self._settings, enabled=True, destinations=(self._destination,), timeout=self._within)
        uplink = Uplink(host, settings, self._reactor, self._connector, node=self._info.guid)
        uplink.startService()
        try:
            async for finding in self._watch(uplink, begin, accepted):
                yield finding
        finally:
            await uplink.stopService()

    async def _watch(self, uplink: Uplink, begin: int, accepted: str) -> AsyncIterator[Finding]:
        shown = uplink.upstream
        for _ in range(int(ACCEPTED_WITHIN / 0.2)):
            if shown.connected or shown.reason:
                break
            await deferLater(self._reactor, 0.2)
        if not shown.connected:
            reason = shown.reason or f"the parent did not answer within {ACCEPTED_WITHIN:g} s"
            for refusal in Refusal:
                if reason.startswith(refusal.reason):
                    yield refused(refusal, b"", self._destination, self._settings.api_key, self._info.hostname)
                    return
            cause, _, advice = reason.partition("; ")
            yield bad(PARENT, cause, advice or "the log of the parent says more")
            return
        yield Finding(KEY, Verdict.GOOD, accepted)
        yield capabilities(shown.spoken)
        finding = await self._arrived(uplink, begin)
        yield finding
        if finding.verdict is Verdict.GOOD:
            yield await self._seen()

    async def _arrived(self, uplink: Uplink, begin: int) -> Finding:
        chart, dimension = self._series
        shown = uplink.upstream
        if not self._settings.charts.matches(chart):
            return Finding(SAMPLE, Verdict.UNKNOWN, f"not sent, since 'send charts matching' leaves {chart} out")
        path = f"/host/{self._info.guid}/api/v1/data?chart={chart}&dimensions={dimension}&after=-20&format=json"
        within = SHOWN_WITHIN if self._shows else LASTS
        for _ in range(int(within)):
            await deferLater(self._reactor, 1.0)
            if not shown.connected:
                return bad(SAMPLE, f"the parent ended the stream: {shown.reason}", "its log says why")
            page = await self._fetch(path) if self._shows else None
            rows = page.said.get("data") if page is not None and page.status == 200 else None
            for row in rows if isinstance(rows, list) else ():
                if isinstance(row, list) and len(row) > 1 and row[1] is not None and row[0] >= begin:
                    return Finding(SAMPLE, Verdict.GOOD, f"{chart} of second {row[0]} is at the parent")
        if not self._shows:
            return Finding(SAMPLE, Verdict.UNKNOWN, f"it was sent, but the parent {self._hides}")
        text = f"it was sent, but the parent does not show it after {within:g} s"
        return Finding(SAMPLE, Verdict.ODD, text, "the log of the parent says why")

    # What the parent says.

    async def _status(self) -> str:
        page = await self._fetch(f"/api/v3/stream_info?machine_guid={self._info.guid}")
        said = page.said.get("ingest_status") if page is not None else None
        if isinstance(said, str):
            return said
        host = await self._mirrored()
        return "online" if host is not None and host.get("reachable") else ""

    async def _mirrored(self) -> Mapping[str, Any] | None:
        page = await self._fetch("/api/v1/info")
        others = page.said.get("mirrored_hosts_status") if page is not None else None
        for other in others if isinstance(others, list) else ():
            if isinstance(other, dict) and other.get("guid") == self._info.guid:
                return other
        return None

    async def _seen(self) -> Finding:
        """
        What the parent has of this node.
        """
        page = await self._fetch(f"/api/v3/stream_info?machine_guid={self._info.guid}")
        said = page.said if page is not None else {}
        if said.get("status") == 200:
            last = said.get("last_time_s")
            newest = (
                f", newest sample {self._reactor.seconds() - last:.0f} s ago" if isinstance(last, int) and last else ""
            )
            text = f"it has {self._info.hostname}: {said.get('ingest_status')}{newest}"
            return Finding(PARENT, Verdict.GOOD, "".join(c for c in text if c.isprintable()))
        host = await self._mirrored()
        if host is not None:
            state = "connected" if host.get("reachable") else "known, but not connected"
            return Finding(PARENT, Verdict.GOOD, f"it has {self._info.hostname}: {state}")
        if page is not None and page.status in (401, 403, 421):
            return Finding(PARENT, Verdict.UNKNOWN, f"it {self._hides}")
        if page is None:
            return Finding(PARENT, Verdict.UNKNOWN, "it does not say what it has")
        return Finding(PARENT, Verdict.ODD, f"it does not know {self._info.hostname} ({self._info.guid})", "see above")

    def _get(self, path: str) -> bytes:
        destination = self._destination
        host = f"[{destination.host}]" if ":" in destination.host else destination.host
        name = "localhost" if destination.protocol == "unix" else f"{host}:{destination.port}"
        # What everyone is told, and who is asked first of all may be a stranger, does without it.
        token = f"Authorization: Bearer {self._token}\r\n" if self._token and "/api/v1/" in path else ""
        return (
            f"GET {path} HTTP/1.1\r\nHost: {name}\r\nUser-Agent: {CHECKER}/{self._info.version}\r\n{token}"
            "Accept: */*\r\nAccept-Encoding: identity\r\nConnection: close\r\n\r\n"
        ).encode()

    async def _fetch(self, path: str) -> _Page | None:
        try:
            reply = await self._say(self._get(path), _whole)
        except Exception:
            return None  # what keeps from connecting was said, or will be
        return _page(reply.data)

    async def _say(self, text: bytes, enough: Callable[[bytes], bool]) -> _Reply:
        exchange = _Exchange(text, enough, self._reactor)
        factory = Factory.forProtocol(lambda: exchange)
        factory.noisy = False
        await self._connector(self._destination, self._within).connect(factory)
        return await exchange.reply


def capabilities(spoken: tuple[str, ...]) -> Finding:
    """
    @param spoken: Names of what both sides agreed on.
    @return: What that means.
    """
    missing = [
        what
        for what, names in (
            ("replication", Capability.REPLICATION.names()),
            ("compression", COMPRESSIONS.names()),
            ("labels", Capability.HLABELS.names()),
        )
        if not set(names) & set(spoken)
    ]
    text = " ".join(spoken) or "nothing but the oldest protocol"
    if not spoken or len(missing) == 3:
        return Finding(
            CAPABILITIES,
            Verdict.ODD,
            f"hardly anything in common: {text}; samples travel without labels, compression and past",
            "update the parent",
        )
    return Finding(CAPABILITIES, Verdict.GOOD, text + (f"; no {' and no '.join(missing)}" if missing else ""))
