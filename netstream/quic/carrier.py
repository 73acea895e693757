"""
A QUIC connection as a transport: what is written and read, its timers, and its
end.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from aioquic.quic import events
from aioquic.quic.packet import QuicErrorCode
from OpenSSL.crypto import X509
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.internet.interfaces import (
    IConsumer,
    IDelayedCall,
    IHalfCloseableProtocol,
    IProtocol,
    IPushProducer,
    IReactorTime,
    ISSLTransport,
)
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from netstream.quic.connection import STREAM, Connection
from netstream.quic.explain import ABORTED, DONE, Ending

FULL, EASED = 512 * 1024, 256 * 1024
"""Bytes on their way at which a producer is paused, and resumed."""

CLOSED_WITHIN = 30.0
"""Seconds that the other side has to end its side of the stream as well."""

Address = tuple[str, int]
Send = Callable[[bytes, Address], None]


def address_of(address: Address) -> IPv4Address | IPv6Address:
    """
    @return: An address as Twisted has it.
    """
    host, port = address[0], address[1]
    return IPv6Address("UDP", host, port) if ":" in host else IPv4Address("UDP", host, port)


class Owner:
    """
    Who made a connection, and hears of it.
    """

    def completed(self, carrier: Carrier) -> None:
        """
        The handshake is done: what was presented may be judged, and
        L{Carrier.begin} called.
        """

    def ended(self, carrier: Carrier, ending: Ending) -> None:
        """
        The connection ended before a protocol began.
        """

    def named(self, carrier: Carrier, name: bytes, known: bool) -> None:
        """
        The other side may call the connection so, or no longer.
        """

    def closed(self, carrier: Carrier) -> None:
        """
        The other side was told that this is over; it may not hear it.
        """

    def over(self, carrier: Carrier) -> None:
        """
        Nothing more has to be sent or received.
        """


@implementer(ISSLTransport, IConsumer, IPushProducer)
class Carrier:
    """
    One connection and its stream.

    It reads and writes at the end of a turn of the reactor, what came in many
    datagrams as one piece.

    @ivar heard: When the other side was heard of last, seconds.
    @ivar disconnecting: Whether it closes once all is sent.
    @ivar trusted: Whether what the other side presented was found good.
    """

    _log = Logger()

    def __init__(self, connection: Connection, clock: IReactorTime, send: Send, owner: Owner, host: Any) -> None:
        """
        @param send: Sends a datagram.
        @param host: Our address.
        """
        self.connection = connection
        self.heard = clock.seconds()
        self.disconnecting = False
        self.trusted = False
        self.host: IPv4Address | IPv6Address = host
        self._clock = clock
        self._send = send
        self._owner = owner
        self._protocol: IProtocol | None = None
        self._unopened: list[bytes] = []
        self._held: deque[bytes] = deque()
        self._reading = True
        self._their_end = False
        self._their_end_read = False
        self._our_end = False
        self._told = False
        self._over = False
        self._ending: Ending | None = None
        self._producer: Any = None
        self._streaming = False
        self._paused = False
        self._turn: IDelayedCall | None = None
        self._timer: IDelayedCall | None = None
        self._limit: IDelayedCall | None = None
        self._farewell: list[tuple[bytes, Address]] = []
        self._unanswered = 0

    # What the datagrams say.

    def received(self, datagram: bytes, address: Address) -> None:
        """
        A datagram came.
        """
        if self._over:
            return
        if self._farewell:
            self._repeat()
            return
        now = self._clock.seconds()
        if self.connection.is_forgotten(datagram):
            self.give_up("the other side knows nothing of this connection any more, as after a restart")
            return
        try:
            self.connection.receive_datagram(datagram, address, now)
        except Exception as problem:
            # Whatever a datagram does to the library, it does to its own connection alone.
            self._log.warn(
                "{peer}: QUIC connection ended; a datagram was not understood: {problem}",
                peer=f"{address[0]}:{address[1]}",
                problem=repr(problem)[:200],
            )
            self.give_up("a datagram was not understood")
            return
        self.heard = now
        self.soon()

    def _repeat(self) -> None:
        """
        Say again that this is over, to who has not heard it; ever less often.
        """
        self._unanswered += 1
        if self._unanswered & (self._unanswered - 1) == 0:
            for datagram, address in self._farewell:
                self._send(datagram, address)

    def soon(self) -> None:
        """
        Look at what has come, and send what there is, in this turn of the
        reactor.
        """
        if self._turn is None and not (self._over and self._told):
            self._turn = self._clock.callLater(0, self._take_turn)

    def _take_turn(self) -> None:
        self._turn = None
        self._look()
        self._deliver()
        self._progress()
        self.transmit()

    def _look(self) -> None:
        """
        Take what the connection has to tell.
        """
        while not self._over and (event := self.connection.next_event()) is not None:
            self._take(event)
        ending = self.connection.ending
        if ending is not None and self._ending is None:
            ours = self.connection.is_ended_by_us
            self._ending = Ending(ending.error_code, ending.reason_phrase, ending.frame_type, ours)

    def _take(self, event: events.QuicEvent) -> None:
        if isinstance(event, events.StreamDataReceived):
            if event.stream_id != STREAM:
                self.connection.close(QuicErrorCode.STREAM_LIMIT_ERROR, reason_phrase="one stream only")
            elif event.data:
                self._held.append(event.data)
            self._their_end = self._their_end or event.end_stream
        elif isinstance(event, events.StreamReset | events.StopSendingReceived):
            self.connection.close(ABORTED, reason_phrase="the stream was reset")
        elif isinstance(event, events.HandshakeCompleted):
            self._owner.completed(self)
        elif isinstance(event, events.ConnectionIdIssued):
            self._owner.named(self, event.connection_id, True)
        elif isinstance(event, events.ConnectionIdRetired):
            self._owner.named(self, event.connection_id, False)
        elif isinstance(event, events.ConnectionTerminated):
            if self._ending is None:
                self._ending = Ending(event.error_code, event.reason_phrase, event.frame_type, silent=True)
            self._tell()
            self._finish()

    def begin(self, protocol: IProtocol) -> None:
        """
        Let a protocol use the connection.
        """
        self._protocol = protocol
        if self.connection.configuration.is_client:
            self.connection.open()
        protocol.makeConnection(self)
        self.soon()

    def _deliver(self) -> None:
        """
        Give the protocol what came, in one piece.
        """
        if self._protocol is None or self._told:
            return
        if self._held and self._reading:
            data = self._held[0] if len(self._held) == 1 else b"".join(self._held)
            self._held.clear()
            self.connection.consume(len(data))
            self._call(self._protocol.dataReceived, data)
        if self._their_end and not self._held and not self._told and not self._ending:
            self._their_end = False
            self._their_end_read = True
            if IHalfCloseableProtocol.providedBy(self._protocol):
                self._call(IHalfCloseableProtocol(self._protocol).readConnectionLost)
            else:
                self.loseConnection()

    def _call(self, method: Callable[..., object], *arguments: object) -> None:
        try:
            method(*arguments)
        except Exception:
            self._log.failure("{peer}: a protocol failed", Failure(), peer=str(self.getPeer()))
            self.abortConnection()

    def _progress(self) -> None:
        """
        Go on with what had to wait for the other side.
        """
        connection = self.connection
        if self._ending is not None:
            self._tell()
            return
        if self._unopened and connection.is_open:
            waiting, self._unopened = self._unopened, []
            connection.send_stream_data(STREAM, b"".join(waiting))
        if self._producer is not None and self._unsent() <= EASED and (self._paused or not self._streaming):
            self._paused = False
            self._call(self._producer.resumeProducing)
        if self.disconnecting and not self._our_end and not self._paused and not self._unopened:
            if connection.is_open:
                connection.send_stream_data(STREAM, b"", end_stream=True)
                self._our_end = True
            elif not connection.configuration.is_client:
                self._close(DONE, "")  # there was no stream at all
        if self._our_end and self._their_end_read and connection.all_arrived:
            self._close(DONE, "")

    def _unsent(self) -> int:
        return self.connection.unacknowledged + sum(map(len, self._unopened))

    def transmit(self) -> None:
        """
        Send what there is, and set the timer.
        """
        if self._over:
            return
        now = self._clock.seconds()
        closes = self._ending is not None
        try:
            datagrams = self.connection.datagrams_to_send(now)
        except Exception as problem:
            self._log.warn("a QUIC connection ended: {problem}", problem=repr(problem)[:200])
            self.give_up("there was an error in the library")
            return
        for datagram, address in datagrams:
            self._send(datagram, address)
        if closes and datagrams:
            self._farewell = datagrams
            self._repeat()  # it is never acknowledged, and the other side would wait long
            self._owner.closed(self)
        self._look()
        self._set_timer()

    def _set_timer(self) -> None:
        if self._over:
            return
        at = self.connection.get_timer()
        if at is None:
            return
        delay = max(0.0, at - self._clock.seconds())
        if self._timer is None or not self._timer.active():
            self._timer = self._clock.callLater(delay, self._due)
        elif self._timer.getTime() > at:
            self._timer.reset(delay)
        # One that is too early looks again.

    def _due(self) -> None:
        self._timer = None
        if self._over:
            return
        at = self.connection.get_timer()
        now = self._clock.seconds()
        if at is not None and at - now > 1e-6:
            self._set_timer()
            return
        self.connection.handle_timer(max(now, at or now))
        if self._turn is not None:
            self._turn.cancel()
        self._take_turn()

    # How it ends.

    def refuse(self, alert: int, reason: str) -> None:
        """
        Say that what the other side presented is not good.

        @param alert: Of TLS.
        """
        self._close(QuicErrorCode.CRYPTO_ERROR + alert, reason)

    def _close(self, code: int, reason: str) -> None:
        if self._ending is None and not self._over:
            # What is not the transport's own has no frame at fault.
            frame = 0 if code >= QuicErrorCode.CRYPTO_ERROR else None
            self.connection.close(code, frame, reason)
            self._ending = Ending(code, reason, frame, ours=True)
            self.soon()

    def give_up(self, reason: str) -> None:
        """
        Say nothing more to the other side.
        """
        if self._ending is None:
            self._ending = Ending(ABORTED, reason, None, silent=True)
        self._tell()
        self._finish()

    def _tell(self) -> None:
        """
        Let whoever uses the connection know that it is over.
        """
        if self._told or self._ending is None:
            return
        if self._held and not self._reading and self._protocol is not None and not self._ending.ours:
            return  # what came before the end is read first, whenever that is
        self._told = True
        if self._limit is not None and self._limit.active():
            self._limit.cancel()
        protocol, self._protocol = self._protocol, None
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.stopProducing()
        if protocol is None:
            self._owner.ended(self, self._ending)
            return
        try:
            protocol.connectionLost(self._failure(self._ending))
        except Exception:
            self._log.failure("a protocol failed when its connection was lost", Failure())

    def _failure(self, ending: Ending) -> Failure:
        if ending.clean:
            return Failure(ConnectionDone())
        if ending.ours and ending.code == ABORTED:
            return Failure(ConnectionAborted())
        return ending.failure

    def _finish(self) -> None:
        if self._over:
            return
        self._over = True
        for call in (self._turn, self._timer, self._limit):
            if call is not None and call.active():
                call.cancel()
        self._owner.over(self)

    @property
    def is_ending(self) -> bool:
        """
        Whether it is known how the connection ends.
        """
        return self._ending is not None

    def forget(self) -> None:
        """
        Wait no longer for those who have not heard that this is over.
        """
        self._tell()
        self._finish()

    # What Twisted calls.

    def write(self, data: bytes) -> None:
        """
        Send bytes (called by Twisted).
        """
        if not data or self._ending is not None or self._our_end or self._told:
            return
        if self.connection.is_open and not self._unopened:
            self.connection.send_stream_data(STREAM, bytes(data))
        else:
            self._unopened.append(bytes(data))
        if self._producer is not None and self._streaming and not self._paused and self._unsent() >= FULL:
            self._paused = True
            self._producer.pauseProducing()
        self.soon()

    def writeSequence(self, data: Iterable[bytes]) -> None:
        """
        Send pieces (called by Twisted).
        """
        self.write(b"".join(data))

    def loseConnection(self) -> None:
        """
        Close once all is sent and the other side has ended too; what it has
        under way is still read (called by Twisted).
        """
        if self._limit is not None or self._ending is not None:
            return
        self.disconnecting = True
        self._limit = self._clock.callLater(CLOSED_WITHIN, self.abortConnection)
        self.soon()

    def abortConnection(self) -> None:
        """
        Close at once (called by Twisted).
        """
        self._close(ABORTED, "aborted")

    def getPeer(self) -> IPv4Address | IPv6Address:
        """
        @return: Where the other side is by now.
        """
        return address_of(self.connection.get_peer_address() or ("0.0.0.0", 0))

    def getHost(self) -> IPv4Address | IPv6Address:
        """
        @return: Our address.
        """
        return self.host

    def loseWriteConnection(self) -> None:
        """
        End our side of the stream once all is sent (called by Twisted).
        """
        self.disconnecting = True
        self.soon()

    def setTcpNoDelay(self, enabled: bool) -> None:
        """
        Nothing is ever delayed (called by Twisted).
        """

    def getTcpNoDelay(self) -> bool:
        """
        @return: L{True} (called by Twisted).
        """
        return True

    def setTcpKeepAlive(self, enabled: bool) -> None:
        """
        Clients look after that (called by Twisted).
        """

    def getTcpKeepAlive(self) -> bool:
        """
        @return: L{True} (called by Twisted).
        """
        return True

    def getPeerCertificate(self) -> X509 | None:
        """
        @return: What the other side presented, if it was found good.
        """
        presented = self.connection.presented if self.trusted else []
        return X509.from_cryptography(presented[0]) if presented else None

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """
        Let a producer be paused and resumed (called by Twisted).
        """
        if self._producer is not None:
            raise RuntimeError(f"{producer} cannot be registered, {self._producer} is")
        if self._told:
            producer.stopProducing()
            return
        self._producer, self._streaming, self._paused = producer, streaming, False
        if not streaming:
            producer.resumeProducing()

    def unregisterProducer(self) -> None:
        """
        Do without (called by Twisted).
        """
        self._producer, self._paused = None, False
        self.soon()

    def pauseProducing(self) -> None:
        """
        Read no more: the other side may send until its window is full (called
        by Twisted).
        """
        self._reading = False

    def resumeProducing(self) -> None:
        """
        Read again (called by Twisted).
        """
        if not self._reading:
            self._reading = True
            self.soon()

    def stopProducing(self) -> None:
        """
        Nobody reads any more (called by Twisted).
        """
        self.loseConnection()
