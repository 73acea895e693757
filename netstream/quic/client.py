"""
The side that connects by UDP.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from typing import Any

from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionRefusedError as Refused
from twisted.internet.error import DNSLookupError, MessageLengthError
from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IHostnameResolver,
    IHostResolution,
    IProtocol,
    IProtocolFactory,
    IResolutionReceiver,
    IStreamClientEndpoint,
)
from twisted.internet.protocol import DatagramProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from netstream.quic.carrier import Address, Carrier, Owner, address_of
from netstream.quic.connection import Connection, configuration
from netstream.quic.explain import CERTIFICATE_UNKNOWN, Ending
from netstream.tls.client import Client
from netstream.tls.endpoint import HANDSHAKE_WITHIN
from netstream.tls.problem import HELLO, Problem, TLSFailed

LARGEST = 65536
"""Bytes of a datagram that are read."""

BUFFER = 4 << 20
"""Bytes that the system is asked to hold until they are read; it may give less."""

WATCH = 5.0
"""Seconds of silence after which the way to the other side is doubted."""

KEEP_ALIVE = 10.0
"""Seconds of silence after which a sign of life is asked for, so that what
translates addresses in between remembers the way."""

REFUSED_AFTER = 3.0
"""Seconds of silence after which the word of the other machine counts, that
nothing listens there."""


class QuicFailed(Exception):
    """
    No QUIC connection came about.
    """


def widen(transport: Any) -> None:
    """
    Let the system hold bursts of datagrams.
    """
    handle = getattr(transport, "getHandle", lambda: None)()
    if handle is not None:
        with contextlib.suppress(OSError):
            handle.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)


class _Socket(DatagramProtocol):
    """
    One socket, whose other end is the parent.
    """

    noisy = False
    transport: Any

    def __init__(self, link: _Link, address: Address) -> None:
        self._link = link
        self._address = address

    def startProtocol(self) -> None:
        self.transport.connect(*self._address)
        widen(self.transport)

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        # The system passes on only what comes from there.
        self._link.received(datagram)

    def connectionRefused(self) -> None:
        self._link.refused()

    def stopProtocol(self) -> None:
        # With epoll, Twisted closes a socket of which the system says that it was refused.
        self._link.closed_by_refusal(self)


class _Link(Owner):
    """
    One connection to one address, from its first datagram to its last.
    """

    def __init__(
        self, reactor: Any, client: Client, name: str, address: Address, factory: IProtocolFactory, within: float
    ) -> None:
        self._reactor = reactor
        self._attempt = client.attempt(name)
        self._address = address
        self._factory = factory
        self._within = within
        self._done = False
        self._heard_any = False
        self._asked = False
        self.result: Deferred[IProtocol] = Deferred(self._cancel)
        pair = self._attempt.pair
        settings = configuration(
            client=True,
            certificate=pair.chain if pair is not None else (),
            key=pair.key if pair is not None else None,
            name=self._attempt.name,
        )
        self._connection = Connection(settings)
        self._socket = self._open()
        self._carrier = Carrier(self._connection, reactor, self._send, self, self._host())
        self._timer: IDelayedCall = reactor.callLater(within, self._too_late)

    def begin(self) -> Deferred[IProtocol]:
        """
        Send the first datagram.
        """
        self._connection.connect(self._address, self._reactor.seconds())
        self._carrier.transmit()
        return self.result

    def _open(self) -> _Socket:
        found = _Socket(self, self._address)
        interface = "::" if ":" in self._address[0] else "0.0.0.0"
        self._reactor.listenUDP(0, found, interface=interface, maxPacketSize=LARGEST)
        return found

    def _host(self) -> IPv4Address | IPv6Address:
        address: IPv4Address | IPv6Address = self._socket.transport.getHost()
        return address

    def _send(self, datagram: bytes, address: Address) -> None:
        if self._socket.transport is None:
            return
        # What the system does not take counts as lost on the way, and is sent again.
        with contextlib.suppress(OSError, MessageLengthError):
            self._socket.transport.write(datagram)

    def received(self, datagram: bytes) -> None:
        """
        A datagram came from the parent.
        """
        self._heard_any = True
        self._asked = False
        self._carrier.received(datagram, self._address)

    def refused(self) -> None:
        """
        The other machine says that nothing listens there.
        """
        if not self._heard_any:
            self._fail(Refused("nothing listens there for UDP"))
            self._carrier.give_up("refused")
        elif self._reactor.seconds() - self._carrier.heard > REFUSED_AFTER:
            self._carrier.give_up("nothing listens there any more")

    def closed_by_refusal(self, closed: _Socket) -> None:
        """
        A socket is gone; if that is not our doing, the other machine refused.
        """
        if closed is not self._socket or self._done:
            return
        self.refused()
        if not self._done:
            # Maybe a forged word, or the parent is back soon.
            self._replace()

    def _replace(self) -> None:
        old, self._socket = self._socket, self._open()
        if old.transport is not None:
            old.transport.stopListening()
        self._carrier.host = self._host()

    def _too_late(self) -> None:
        if self._heard_any:
            text = f"the QUIC handshake was not complete within {self._within:g} s"
        else:
            text = (
                f"nothing answered by UDP within {self._within:g} s; does the parent have 'udp:' in 'bind to' of "
                "[web], and do firewalls in between let UDP pass?"
            )
        self._fail(QuicFailed(text))
        self._carrier.give_up("too late")

    def completed(self, carrier: Carrier) -> None:
        """
        Judge what the parent presented, and let the protocol begin.
        """
        if not self._attempt.examine(self._connection.presented):
            carrier.refuse(CERTIFICATE_UNKNOWN, "the certificate is not accepted")
            return
        carrier.trusted = True
        protocol = self._factory.buildProtocol(address_of(self._address))
        if protocol is None:
            carrier.abortConnection()
            return
        self._timer.cancel()
        self._timer = self._reactor.callLater(WATCH, self._watch)
        carrier.begin(protocol)
        if not self.result.called:
            self.result.callback(protocol)

    def _watch(self) -> None:
        """
        Keep the way open, and look for another one where it seems lost.
        """
        self._timer = self._reactor.callLater(WATCH, self._watch)
        if self._carrier.is_ending:
            return
        silence = self._reactor.seconds() - self._carrier.heard
        if silence < WATCH:
            return
        if self._asked or self._connection.unacknowledged:
            # Another port of ours, and another address maybe, on the way that the system takes by now.
            self._replace()
            self._connection.change_connection_id()
        elif silence < KEEP_ALIVE:
            return
        self._asked = True
        self._connection.probe()
        self._carrier.transmit()

    def ended(self, carrier: Carrier, ending: Ending) -> None:
        """
        Say why no protocol began.
        """
        if ending.other_application:
            problem = Problem(HELLO, "what answers speaks QUIC, but is no streaming node; check host and port")
        elif ending.silent:
            self._fail(QuicFailed(ending.text))
            return
        else:
            problem = self._attempt.explain(ending.failure)
        self._fail(TLSFailed(problem))

    def _fail(self, problem: Exception) -> None:
        if not self.result.called:
            self.result.errback(Failure(problem))

    def _cancel(self, result: Deferred[IProtocol]) -> None:
        self._carrier.give_up("nobody wants the connection any more")

    def over(self, carrier: Carrier) -> None:
        """
        Close the socket.
        """
        self._done = True
        if self._timer.active():
            self._timer.cancel()
        if self._socket.transport is not None:
            self._socket.transport.stopListening()


@implementer(IResolutionReceiver)
class _Addresses:
    """
    The addresses of a name.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._found: list[Address] = []
        self._resolution: IHostResolution | None = None
        self.result: Deferred[list[Address]] = Deferred(self._cancel)

    def resolutionBegan(self, resolutionInProgress: IHostResolution) -> None:
        self._resolution = resolutionInProgress

    def addressResolved(self, address: IAddress) -> None:
        self._found.append((address.host, self._port))  # type: ignore[attr-defined]  # IPv4Address or IPv6Address

    def resolutionComplete(self) -> None:
        if not self.result.called:
            self.result.callback(list(dict.fromkeys(self._found)))

    def _cancel(self, result: Deferred[list[Address]]) -> None:
        if self._resolution is not None:
            self._resolution.cancel()


@implementer(IStreamClientEndpoint)
class QuicEndpoint:
    """
    Connects by UDP: its Deferred fires once the certificate of the other side
    is accepted, and fails with L{TLSFailed} if it is not, with L{QuicFailed}
    or another error if nothing came about.

    All addresses of a name are tried, one after the other.
    """

    def __init__(
        self, reactor: Any, host: str, port: int, client: Callable[[], Client], timeout: float = 30.0, name: str = ""
    ) -> None:
        """
        @param reactor: Provides time, UDP and names.
        @param host: Host name or numeric address.
        @param client: Gives whom is trusted; what it raises, the connection
            fails with.
        @param timeout: Seconds until the handshake must be done; more than
            L{HANDSHAKE_WITHIN} counts as that.
        @param name: For what the certificate must be, if not for the host.
        """
        self._reactor = reactor
        self._host = host
        self._port = port
        self._client = client
        self._timeout = timeout
        self._name = name or host

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """
        Connect (called by Twisted).
        """
        return Deferred.fromCoroutine(self._connect(protocolFactory))

    async def _connect(self, factory: IProtocolFactory) -> IProtocol:
        end = self._reactor.seconds() + min(self._timeout, HANDSHAKE_WITHIN)
        client = self._client()
        addresses = await self._addresses()
        problem: Exception = DNSLookupError(f"{self._host} has no address")
        for number, address in enumerate(addresses):
            left = end - self._reactor.seconds()
            try:
                link = _Link(
                    self._reactor, client, self._name, address, factory, max(0.1, left / (len(addresses) - number))
                )
                return await link.begin()
            except TLSFailed:
                raise  # somebody answered
            except (OSError, QuicFailed, Refused) as found:
                problem = found
        raise problem

    async def _addresses(self) -> list[Address]:
        if isIPAddress(self._host) or isIPv6Address(self._host):
            return [(self._host, self._port)]
        receiver = _Addresses(self._port)
        resolver: IHostnameResolver = self._reactor.nameResolver
        resolver.resolveHostName(receiver, self._host, self._port, transportSemantics="UDP")
        limit = self._reactor.callLater(self._timeout, receiver.result.cancel)
        try:
            return await receiver.result
        finally:
            if limit.active():
                limit.cancel()
