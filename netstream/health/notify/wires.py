"""
What really reaches the world: HTTP, SMTP, datagrams and programs.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from io import BytesIO
from typing import Any, cast

from treq.client import HTTPClient
from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, execute, fail
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.error import ConnectError, DNSLookupError, ProcessDone, ProcessTerminated
from twisted.internet.interfaces import IAddress, IHostnameResolver, IHostResolution, IProtocol, IResolutionReceiver
from twisted.internet.protocol import ProcessProtocol, Protocol, connectionDone
from twisted.internet.ssl import optionsForClientTLS
from twisted.internet.task import Cooperator
from twisted.mail.smtp import ESMTPClientError, ESMTPSender, ESMTPSenderFactory, SMTPClientError
from twisted.python.failure import Failure
from twisted.web.client import Agent, BrowserLikePolicyForHTTPS, FileBodyProducer, ResponseFailed
from twisted.web.http_headers import Headers
from zope.interface import implementer

from netstream.health.notify.email import Server
from netstream.health.notify.methods import Refused, TryLater, Wires

CONNECT_WITHIN = 15.0
MOST_ANSWER = 64 * 1024
"""Bytes of an answer that are read."""
MOST_OUTPUT = 4096
"""Bytes that a program says of which the end is logged."""


class _Short(Protocol):
    """
    Reads the beginning of a body.
    """

    def __init__(self) -> None:
        self.done: Deferred[bytes] = Deferred()
        self._got = b""

    def dataReceived(self, data: bytes) -> None:
        self._got += data
        if len(self._got) > MOST_ANSWER and self.transport is not None:
            cast(Any, self.transport).abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if not self.done.called:
            self.done.callback(self._got[:MOST_ANSWER])


class _Running(ProcessProtocol):
    def __init__(self) -> None:
        self.done: Deferred[int] = Deferred()
        self.said = b""
        self.late = ""

    def outReceived(self, data: bytes) -> None:
        self.said = (self.said + data)[-MOST_OUTPUT:]

    errReceived = outReceived

    def processEnded(self, reason: Failure) -> None:
        if self.done.called:
            return
        if self.late:
            self.done.errback(Refused(self.late))
        elif reason.check(ProcessDone):
            self.done.callback(0)
        elif reason.check(ProcessTerminated) and cast(Any, reason.value).exitCode is not None:
            self.done.callback(cast(Any, reason.value).exitCode)
        else:
            self.done.errback(Refused("a signal ended it"))


class Reactor(Wires):
    """
    All of it with Twisted.
    """

    def __init__(self, reactor: Any, program_timeout: float = 120.0, tls: Any = None) -> None:
        """
        @param reactor: Provides TCP, names, processes and time.
        @param program_timeout: Seconds that a program has; 0 is no limit.
        @param tls: The certificates of authorities that are trusted; those of
            the system if not given.
        """
        self._reactor = reactor
        self._program_timeout = program_timeout
        self._trust = tls
        policy = BrowserLikePolicyForHTTPS(trustRoot=tls)
        self._http = HTTPClient(Agent(reactor, policy, connectTimeout=CONNECT_WITHIN))
        # Bodies are written in the time of this reactor too.
        self._cooperator = Cooperator(scheduler=lambda call: reactor.callLater(0, call))

    def request(self, verb: str, url: str, headers: Mapping[str, str], body: bytes) -> Deferred[bytes]:
        return Deferred.fromCoroutine(self._request(verb, url, headers, body))

    async def _request(self, verb: str, url: str, headers: Mapping[str, str], body: bytes) -> bytes:
        sent = Headers({name: [value] for name, value in {"User-Agent": "netstream", **headers}.items()})
        content = FileBodyProducer(BytesIO(body), self._cooperator) if body else None
        try:
            response = await self._http.request(
                verb, url, headers=sent, data=content, allow_redirects=False, unbuffered=True
            )
        except (ConnectError, DNSLookupError, ResponseFailed, OSError) as problem:
            raise TryLater(_said(problem)) from None
        short = _Short()
        response.deliverBody(cast(IProtocol, short))
        answer = await short.done
        if 200 <= response.code < 300:
            return answer
        text = f"HTTP {response.code}: {answer[:200].decode('utf-8', 'replace').strip()}"
        if response.code in (408, 425, 429) or response.code >= 500:
            wait = response.headers.getRawHeaders("Retry-After", [""])[0]
            raise TryLater(text, float(wait) if wait.isdigit() else 0.0)
        raise Refused(text)

    def mail(self, server: Any, sender: str, recipient: str, content: bytes) -> Deferred[None]:
        assert isinstance(server, Server)
        done: Deferred[Any] = Deferred()
        host = server.host
        starts = server.tls in ("auto", "starttls")
        factory = ESMTPSenderFactory(
            server.user.encode() or None,
            server.password.encode() or None,
            sender,
            recipient,
            BytesIO(content.replace(b"\r\n", b"\n")),
            done,
            retries=0,
            timeout=60,
            contextFactory=self._for(host) if starts else None,
            requireAuthentication=bool(server.user),
            requireTransportSecurity=server.tls == "starttls",
        )
        factory.noisy = False
        # With TLS from the first byte on, the sender has to be told that it is safe.
        factory.protocol = _Wrapped if server.tls == "tls" else _Sender
        endpoint: Any = HostnameEndpoint(self._reactor, host, server.port, timeout=CONNECT_WITHIN)
        if server.tls == "tls":
            endpoint = wrapClientTLS(self._for(host), endpoint)
        endpoint.connect(factory).addErrback(lambda failure: None if done.called else done.errback(failure))
        return done.addCallbacks(lambda _: None, _mail_failed)

    def _for(self, host: str) -> Any:
        """
        @return: What makes TLS with a host whose certificate has its name.
        """
        if self._trust is not None:
            return optionsForClientTLS(host, trustRoot=self._trust)
        return optionsForClientTLS(host)

    def datagram(self, host: str, port: int, data: bytes) -> Deferred[None]:
        if host.startswith("/"):
            return execute(_send, socket.AF_UNIX, host, data)
        if isIPAddress(host):
            return execute(_send, socket.AF_INET, (host, port), data)
        if isIPv6Address(host):
            return execute(_send, socket.AF_INET6, (host, port), data)
        found = _Address(host)
        resolver: IHostnameResolver = self._reactor.nameResolver
        resolver.resolveHostName(found, host, port, transportSemantics="UDP")
        return found.result.addCallback(
            lambda address: _send(
                socket.AF_INET6 if isinstance(address, IPv6Address) else socket.AF_INET, (address.host, port), data
            )
        )

    def run(self, program: str, arguments: list[str], environment: Mapping[str, str]) -> Deferred[int]:
        running = _Running()
        try:
            process = self._reactor.spawnProcess(
                running, program, [program, *arguments], env=dict(environment), path="/"
            )
        except OSError as problem:
            return fail(TryLater(f"it cannot be started: {problem.strerror}"))
        if self._program_timeout:

            def give_up() -> None:
                running.late = f"it did not end within {self._program_timeout:g} s"
                process.signalProcess("KILL")

            late = self._reactor.callLater(self._program_timeout, give_up)
            running.done.addBoth(lambda result: (late.active() and late.cancel(), result)[1])
        return running.done


@implementer(IResolutionReceiver)
class _Address:
    """
    Takes the first address of a name.

    @ivar result: Fires with it; fails with C{DNSLookupError} if there is none.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._resolution: IHostResolution | None = None
        self.result: Deferred[IPv4Address | IPv6Address] = Deferred(self._cancel)

    def resolutionBegan(self, resolutionInProgress: IHostResolution) -> None:
        self._resolution = resolutionInProgress

    def addressResolved(self, address: IAddress) -> None:
        if not self.result.called:
            self.result.callback(cast(IPv4Address | IPv6Address, address))

    def resolutionComplete(self) -> None:
        if not self.result.called:
            self.result.errback(DNSLookupError(f"{self._name} has no address"))

    def _cancel(self, result: object) -> None:
        if self._resolution is not None:
            self._resolution.cancel()


def _send(family: socket.AddressFamily, address: Any, data: bytes) -> None:
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.sendto(data, address)


class _Sender(ESMTPSender):
    """
    Says that it failed when its connection ends early, as when a certificate
    is refused.
    """

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        super().connectionLost(reason)
        result: Deferred[Any] | None = getattr(self.factory, "result", None)  # it is gone once it has fired
        if result is not None and not result.called:
            result.errback(reason)


class _Wrapped(_Sender):
    """
    Speaks SMTP within TLS.
    """

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._tlsMode = True


def _mail_failed(failure: Failure) -> None:
    problem = failure.value
    if (
        isinstance(problem, SMTPClientError)
        and not isinstance(problem, ESMTPClientError)
        and 500 <= (problem.code or 0) < 600
    ):
        raise Refused(_said(problem)) from None
    raise TryLater(_said(problem)) from None


def _said(problem: BaseException | None) -> str:
    """
    @return: What went wrong, without what was sent.
    """
    reasons = getattr(problem, "reasons", None)
    if reasons:
        return _said(reasons[0].value)
    if isinstance(problem, SMTPClientError):
        return f"SMTP {problem.code}: {problem.resp.decode('utf-8', 'replace')[:200] if problem.resp else ''}"
    return f"{type(problem).__name__}: {problem}"[:300]
