"""
The side that is connected to by UDP.
"""

from __future__ import annotations

import contextlib
import hmac
import os
from collections import Counter
from hashlib import sha256
from typing import Any

from aioquic.buffer import Buffer
from aioquic.quic.configuration import SMALLEST_MAX_DATAGRAM_SIZE
from aioquic.quic.packet import (
    QuicHeader,
    QuicPacketType,
    encode_quic_retry,
    encode_quic_version_negotiation,
    pull_quic_header,
)
from aioquic.quic.retry import QuicRetryTokenHandler
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.error import CannotListenError, MessageLengthError
from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IListeningPort,
    IProtocolFactory,
    IStreamServerEndpoint,
)
from twisted.internet.protocol import DatagramProtocol
from twisted.logger import Logger
from zope.interface import implementer

from netstream.quic.carrier import Address, Carrier, Owner
from netstream.quic.client import LARGEST, widen
from netstream.quic.connection import CID_LENGTH, SMALLEST_RESET, Connection, configuration
from netstream.quic.explain import ABORTED, CERTIFICATE_REQUIRED, CERTIFICATE_UNKNOWN, Ending
from netstream.tls.certificates import Pair
from netstream.tls.problem import HELLO, Problem
from netstream.tls.server import Server

HANDSHAKE_WITHIN = 10.0
"""Seconds that a client has for its handshake."""

HANDSHAKES = 200
"""Handshakes that may be under way at once; clients beyond try again."""

HANDSHAKES_PER_ADDRESS = 50
"""The same for one address."""

CONNECTIONS = 10_000
"""Connections of one port."""

ANSWERS = 100
"""Answers a second to what belongs to no connection, but for first datagrams,
which prove their address by them."""

_LONG = 0x80
_RESET = 42
_DCID = 6


def reset_key(pair: Pair) -> bytes:
    """
    @return: What tokens that say that a connection is forgotten are made with:
        the same after a restart, so that clients need not wait.
    """
    secret = pair.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return hmac.digest(secret, b"netstream quic stateless reset", sha256)


@implementer(IListeningPort)
class QuicPort(DatagramProtocol, Owner):
    """
    One UDP port and its connections.

    Nothing is kept of who has not shown that it receives what is sent to its
    address: each first datagram is answered with a token, smaller than itself,
    and counts only when it comes back with that.

    @ivar connections: Those that are not over.
    """

    noisy = False
    transport: Any
    _log = Logger()

    def __init__(self, reactor: Any, port: int, interface: str, tls: Server, factory: IProtocolFactory) -> None:
        """
        @param reactor: Provides time and UDP.
        @param tls: Has the certificate of this node.
        """
        self._reactor = reactor
        self._port = port
        self._interface = interface
        self._tls = tls
        self._factory = factory
        self._retry = QuicRetryTokenHandler()
        self._pair = tls.pair
        self._reset_key = reset_key(tls.pair)
        self._routes: dict[bytes, Carrier] = {}
        self.connections: dict[Carrier, set[bytes]] = {}
        self._handshakes: dict[Carrier, tuple[str, IDelayedCall]] = {}
        self._undecided: Counter[str] = Counter()
        self._accepting = False
        self._second = 0
        self._answers = 0

    # IListeningPort

    def startListening(self) -> None:
        """
        Listen (called by Twisted).

        @raise CannotListenError: The port is taken, or the like.
        """
        self._reactor.listenUDP(self._port, self, interface=self._interface, maxPacketSize=LARGEST)
        widen(self.transport)
        self._accepting = True
        self._factory.doStart()

    def stopListening(self) -> Deferred[None]:
        """
        Take no more connections; the port is closed with the last of those
        that there are (called by Twisted).
        """
        if self._accepting:
            self._accepting = False
            self._factory.doStop()
            for carrier in tuple(self._handshakes):
                carrier.give_up("this port is closed")
            if not self.connections:
                return maybeDeferred(self.transport.stopListening)
        return succeed(None)

    def getHost(self) -> IAddress:
        """
        @return: Where it listens (called by Twisted).
        """
        address: IAddress = self.transport.getHost()
        return address

    # What comes.

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        """
        Give a datagram to its connection (called by Twisted).
        """
        if len(datagram) < SMALLEST_RESET:
            return
        size = datagram[_DCID - 1]
        name = datagram[_DCID : _DCID + size] if datagram[0] & _LONG else datagram[1 : 1 + CID_LENGTH]
        carrier = self._routes.get(name)
        if carrier is not None:
            carrier.received(datagram, addr)
        elif datagram[0] & _LONG:
            self._first(datagram, addr)
        else:
            self._forgotten(name, datagram, addr)

    def _send(self, datagram: bytes, address: Address) -> None:
        # What the system does not take counts as lost on the way, and is sent again.
        with contextlib.suppress(OSError, MessageLengthError):
            self.transport.write(datagram, address)

    def _may_answer(self) -> bool:
        second = int(self._reactor.seconds())
        if second != self._second:
            self._second, self._answers = second, 0
        self._answers += 1
        return self._answers <= ANSWERS

    def _forgotten(self, name: bytes, datagram: bytes, address: Address) -> None:
        """
        Tell who believes to be connected that it is not.
        """
        size = min(len(datagram) - 1, _RESET)
        if size < SMALLEST_RESET or not self._may_answer():
            return
        noise = os.urandom(size - 16)
        self._send(bytes([0x40 | noise[0] & 0x3F]) + noise[1:] + self._token(name), address)

    def _token(self, name: bytes) -> bytes:
        return hmac.digest(self._reset_key, name, sha256)[:16]

    def _first(self, datagram: bytes, address: Address) -> None:
        if not self._accepting or len(datagram) < SMALLEST_MAX_DATAGRAM_SIZE:
            return
        try:
            header = pull_quic_header(Buffer(data=datagram), host_cid_length=CID_LENGTH)
        except ValueError:
            return
        settings = configuration(client=False)
        if header.packet_type == QuicPacketType.VERSION_NEGOTIATION:
            return
        if header.version is None or header.version not in settings.supported_versions:
            if self._may_answer():
                versions = encode_quic_version_negotiation(
                    source_cid=header.destination_cid,
                    destination_cid=header.source_cid,
                    supported_versions=settings.supported_versions,
                )
                self._send(versions, address)
            return
        if header.packet_type != QuicPacketType.INITIAL:
            return
        if not header.token:
            self._ask_again(header, address)
            return
        now = self._reactor.seconds()
        try:
            original = self._retry.validate_token(
                address=address, destination_cid=header.destination_cid, token=header.token, now=now
            )
        except ValueError:
            return  # what made it knows better, or is gone
        self._accept(header, original, datagram, address)

    def _ask_again(self, header: QuicHeader, address: Address) -> None:
        """
        Let a client show that it has the address that it says.
        """
        name = os.urandom(CID_LENGTH)
        token = self._retry.create_token(
            address=address,
            original_destination_connection_id=header.destination_cid,
            retry_source_connection_id=name,
            now=self._reactor.seconds(),
        )
        retry = encode_quic_retry(
            version=header.version or 0,
            source_cid=name,
            destination_cid=header.source_cid,
            original_destination_cid=header.destination_cid,
            retry_token=token,
        )
        self._send(retry, address)

    def _accept(self, header: QuicHeader, original: bytes, datagram: bytes, address: Address) -> None:
        host = address[0]
        if (
            len(self.connections) >= CONNECTIONS
            or len(self._handshakes) >= HANDSHAKES
            or self._undecided[host] >= HANDSHAKES_PER_ADDRESS
        ):
            return
        pair = self._tls.refresh()
        if pair is not self._pair:
            self._pair, self._reset_key = pair, reset_key(pair)
        connection = Connection(
            configuration(client=False, certificate=pair.chain, key=pair.key),
            asks=self._tls.asks,
            reset_token=self._token,
            original_destination_connection_id=original,
            retry_source_connection_id=header.destination_cid,
        )
        carrier = Carrier(connection, self._reactor, self._send, self, self.getHost())
        self.connections[carrier] = set()
        limit = self._reactor.callLater(HANDSHAKE_WITHIN, self._too_late, carrier)
        self._handshakes[carrier] = host, limit
        self._undecided[host] += 1
        for name in (header.destination_cid, connection.host_cid):
            self.named(carrier, name, True)
        carrier.received(datagram, address)

    def _too_late(self, carrier: Carrier) -> None:
        carrier.give_up(f"it was not complete within {HANDSHAKE_WITHIN:g} s")

    # What connections tell.

    def named(self, carrier: Carrier, name: bytes, known: bool) -> None:
        """
        Find a connection by another name.
        """
        if known:
            self._routes[name] = carrier
            self.connections[carrier].add(name)
        else:
            self._routes.pop(name, None)
            self.connections[carrier].discard(name)

    def _decided(self, carrier: Carrier) -> None:
        host, limit = self._handshakes.pop(carrier, ("", None))
        if limit is not None:
            self._undecided[host] -= 1
            if not self._undecided[host]:
                del self._undecided[host]
            if limit.active():
                limit.cancel()

    def completed(self, carrier: Carrier) -> None:
        """
        Judge what the client presented, and let the protocol begin.
        """
        self._decided(carrier)
        presented = carrier.connection.presented
        problem = self._tls.examine(presented)
        if problem is not None:
            self._say(carrier, problem)
            carrier.refuse(CERTIFICATE_UNKNOWN if presented else CERTIFICATE_REQUIRED, "")
            return
        carrier.trusted = True
        protocol = self._factory.buildProtocol(carrier.getPeer())
        if protocol is None:
            carrier.abortConnection()
        else:
            carrier.begin(protocol)

    def ended(self, carrier: Carrier, ending: Ending) -> None:
        """
        Say why no protocol began.
        """
        if carrier not in self._handshakes and (ending.ours or ending.silent):
            return  # refused for what is said already
        self._decided(carrier)
        if ending.other_application:
            self._say(carrier, Problem(HELLO, "it speaks QUIC, but wants something else than a streaming node"))
        elif ending.silent or ending.code == ABORTED:
            self._say(carrier, Problem(HELLO, ending.text))
        else:
            self._say(carrier, self._tls.explain(None, ending.failure))

    def _say(self, carrier: Carrier, problem: Problem) -> None:
        address = carrier.getPeer()
        host = f"[{address.host}]" if ":" in address.host else address.host
        self._log.warn("{peer} by UDP: {problem}", peer=f"{host}:{address.port}", problem=str(problem))

    def closed(self, carrier: Carrier) -> None:
        """
        Wait for nobody when this node stops.
        """
        if not self._accepting:
            carrier.forget()

    def over(self, carrier: Carrier) -> None:
        """
        Forget a connection.
        """
        self._decided(carrier)
        for name in self.connections.pop(carrier, ()):
            self._routes.pop(name, None)
        if not self._accepting and not self.connections and self.transport is not None:
            self.transport.stopListening()


@implementer(IStreamServerEndpoint)
class QuicServerEndpoint:
    """
    Listens by UDP.
    """

    def __init__(self, reactor: Any, port: int, tls: Server, interface: str = "") -> None:
        """
        @param reactor: Provides time and UDP.
        @param port: 0 for a free one.
        @param tls: Has the certificate.
        @param interface: Numeric address; C{""} for all of them.
        """
        self._reactor = reactor
        self._port = port
        self._tls = tls
        self._interface = interface

    def listen(self, protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:
        """
        Listen (called by Twisted).
        """
        return maybeDeferred(self._listen, protocolFactory)

    def _listen(self, factory: IProtocolFactory) -> IListeningPort:
        if self._interface:
            return self._on(self._interface, factory)
        try:
            # That takes IPv4 as well, but where the system is set up otherwise.
            return self._on("::", factory)
        except CannotListenError:
            return self._on("0.0.0.0", factory)

    def _on(self, interface: str, factory: IProtocolFactory) -> IListeningPort:
        port = QuicPort(self._reactor, self._port, interface, self._tls, factory)
        port.startListening()
        return port
