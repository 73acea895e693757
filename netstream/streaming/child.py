"""
The sending side: one connection over which one host's samples go to a parent.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, cast

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import (
    IConsumer,
    IDelayedCall,
    IHalfCloseableProtocol,
    ISSLTransport,
    ITCPTransport,
)
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from netstream.config.settings import Destination
from netstream.db.interfaces import exchange_of
from netstream.db.spooling import Spooling
from netstream.endings import how_ended
from netstream.model.samples import SampleBatch
from netstream.model.updates import Update
from netstream.session.errors import ProtocolError
from netstream.session.exchange import DOCUMENT as EXCHANGE
from netstream.session.handshake import agreed
from netstream.session.path import DOCUMENT, parse_path
from netstream.session.sender import Sender
from netstream.streaming.calls import ServedParent
from netstream.streaming.disclosure import Disclosure
from netstream.streaming.history import History
from netstream.streaming.liveness import watch_over
from netstream.streaming.outbox import Outbox
from netstream.streaming.peername import peer_text
from netstream.streaming.strangers import recognised
from netstream.wire.capabilities import Capability
from netstream.wire.commands import CancelFunction, FunctionCall, JsonPayload, ReplayChart
from netstream.wire.compression import CompressionError, Compressor, algorithm_of
from netstream.wire.handshake import Accepted, Refusal, ReplyReader

if TYPE_CHECKING:
    from netstream.streaming.uplink import Uplink

REST_OF_REPLY_WITHIN = 0.5
"""Seconds in which the rest of a reply comes that may be incomplete."""

SLICE = 32768
"""Bytes of a long beginning that are handed to the transport at once, so that
it is seen whether a slow parent takes them."""

SAMPLE = 56
"""Bytes of the line of a sample, about."""

STOP_WITHIN = 5.0
"""Seconds that a parent has to read the rest when we stop."""


@implementer(IHalfCloseableProtocol)
class ChildProtocol(Protocol):
    """
    One connection to a parent.
    """

    transport: ITCPTransport | None
    _log = Logger()

    def __init__(self, uplink: Uplink, destination: Destination) -> None:
        self._uplink = uplink
        self._destination = destination
        self._offer = uplink.offer
        self._reader = ReplyReader(self._offer)
        self._sender: Sender | None = None
        self._outbox: Outbox | None = None
        self._history: History | None = None
        self._disclosure: Disclosure | None = None
        self._served: ServedParent | None = None
        self._cancel: Callable[[], None] | None = None
        self._timer: IDelayedCall | None = None
        self._reason = ""
        self._dropping = False
        self._lost = 0
        self._timed = False

    def connectionMade(self) -> None:
        """
        Ask to be admitted, in one write (called by Twisted).
        """
        assert self.transport is not None
        watch_over(self.transport)
        try:
            request = self._uplink.request(self._offer)
        except ValueError as problem:
            self._refused(Refusal.CANNOT_SEND, f"it cannot be asked: {problem}")
            return
        self.transport.write(request)
        self._timer = self._uplink.clock.callLater(self._uplink.settings.timeout, self._no_answer)

    def _no_answer(self) -> None:
        self._answered(self._reader.finish())

    def dataReceived(self, data: bytes) -> None:
        """
        Read the answer, then what the parent says (called by Twisted).
        """
        if self._reason:
            return
        if self._sender is not None:
            self._hear(data)
            return
        answer = self._reader.receive(data)
        self._stop_timer()
        if answer is None:
            self._timer = self._uplink.clock.callLater(REST_OF_REPLY_WITHIN, self._no_answer)
        else:
            self._answered(answer)

    def _answered(self, answer: Accepted | Refusal) -> None:
        self._timer = None
        if isinstance(answer, Refusal):
            self._refused(answer, self._why(answer))
            return
        self._begin(answer)
        if answer.rest and not self._reason:
            self._hear(answer.rest)

    def _begin(self, answer: Accepted) -> None:
        assert self.transport is not None
        uplink, host = self._uplink, self._uplink.host
        capabilities = agreed(answer.capabilities, self._offer)
        self._timed = Capability.INTERPOLATED in capabilities
        sender = Sender(
            capabilities,
            host.info.guid,
            uplink.settings.charts,
            max(1, uplink.settings.clock_resync_iterations),
        )
        try:
            start = sender.start(
                host.charts.values(), host.labels, host.variables, host.claim_id, host.functions.values(), host.path
            )
        except Exception:
            self._log.failure("{host}: what is known of it cannot be sent", Failure(), host=host.info.hostname)
            self._refused(Refusal.CANNOT_SEND, "what is known of it cannot be sent")
            return
        self._sender = sender
        algorithm = algorithm_of(capabilities)
        self._outbox = Outbox(
            self.transport,
            max(uplink.settings.buffer_size, 3 * len(start)),
            uplink.clock,
            Compressor(algorithm, uplink.levels, SAMPLE * len(host.table)) if algorithm else None,
            self._cannot_compress,
            uplink.upstream.traffic,
        )
        self._served = ServedParent(host, capabilities, self._reply, self._room)
        cast(IConsumer, self.transport).registerProducer(self._outbox, True)
        uplink.began(self._destination, algorithm)
        self._show(capabilities, self._outbox)
        at = 0
        while at < len(start) and not self._reason:
            end = start.rfind(b"\n", at, at + SLICE) + 1 or at + SLICE
            self._outbox.put(start[at:end], 0)
            at = end
        held = uplink.handover.take()
        if not self._reason:
            if sender.replicates:
                self._history = History(host, sender, self._outbox, uplink.clock, self._put, held)
                uplink.upstream.replication = self._history.progress
                self._history.look()
            if Capability.TIERS in capabilities:
                self._disclosure = Disclosure(
                    host, lambda: exchange_of(host.past), sender, self._history, self._outbox, uplink.clock, self._put
                )
            self._cancel = host.subscribe(self._send)
            self._watch()
        if self._timed and not sender.replicates:
            for batch in held:
                if not self._reason:
                    self._send(batch)

    def _put(self, piece: bytes) -> None:
        """
        Send lines that cannot be left out.
        """
        if self._outbox is None or self._reason or not piece:
            return
        self._outbox.put(piece, 0)
        self._outbox.traffic.moved(replication=len(piece))
        if self._outbox.overfull and not self._reason:
            self._give_up(f"it reads too slowly: [stream] buffer size of {self._outbox.most} bytes is full")
        elif not self._reason:
            self._watch()

    def _count_lost(self, outbox: Outbox) -> None:
        self._uplink.lost(outbox.lost - self._lost)
        self._lost = outbox.lost

    def _show(self, capabilities: Capability, outbox: Outbox) -> None:
        """
        Let others see how it goes.
        """
        assert self.transport is not None
        shown = self._uplink.upstream
        shown.spoken = tuple(capabilities.names())
        shown.peer = peer_text(self.transport.getPeer())
        shown.certificate = _certificate_ends(self.transport)
        shown.backlog = lambda: outbox.waiting
        shown.lag = lambda now: now - outbox.paused_since if outbox.paused and outbox.waiting else 0.0

    def _send(self, update: Update) -> None:
        assert self._sender is not None and self._outbox is not None
        before = self._sender.samples
        try:
            piece = self._sender.send(update)
        except Exception:
            self._log.failure("{host}: an update cannot be sent", Failure(), host=self._uplink.host.info.hostname)
            self._give_up("something of it cannot be sent")
            return
        if isinstance(update, SampleBatch):
            self._tell_spool(update)
        if self._history is not None:
            if isinstance(update, SampleBatch):
                self._history.heard(update)
            else:
                self._history.look()
        if not piece:
            return
        # Lines of samples may be dropped also if they hold none.
        samples = max(1, self._sender.samples - before) if isinstance(update, SampleBatch) else 0
        fits = self._outbox.put(piece, samples)
        if not fits:
            self._count_lost(self._outbox)
        if self._reason:
            return
        if not fits and self._history is not None and self._history.restart():
            self._watch()
            self._say_dropping("the rest of what was collected follows later")
            return
        if not fits and not self._timed:
            # Lines of version 1 say how long after the ones before they are: all that wait go.
            self._outbox.lost += self._outbox.drop()
            self._count_lost(self._outbox)
            self._sender.leave_gap()
        if self._outbox.overfull:
            self._give_up(f"it reads too slowly: [stream] buffer size of {self._outbox.most} bytes is full")
            return
        self._watch()
        if not fits:
            self._say_dropping("the oldest samples are dropped")

    def _tell_spool(self, batch: SampleBatch) -> None:
        """
        Let the spool know that the parent has all up to here.
        """
        assert self._sender is not None and self._outbox is not None
        spool = self._uplink.host.spool
        if (
            isinstance(spool, Spooling)
            and len(batch)
            and not (batch.past or self._sender.dormant or self._outbox.paused)
        ):
            spool.delivered(self._uplink.host.info.guid, int(batch.time.max()))

    def _say_dropping(self, what: str) -> None:
        if self._dropping or self._outbox is None:
            return
        self._dropping = True
        self._log.warn(
            "{destination} reads too slowly: [stream] buffer size of {size} bytes is full; of {host} {what}",
            destination=self._destination.text,
            size=self._outbox.most,
            host=self._uplink.host.info.hostname,
            what=what,
        )

    def _cannot_compress(self, problem: CompressionError) -> None:
        self._uplink.avoid(problem.algorithm)
        self._give_up(f"{problem}; the next connection does without")

    def _watch(self) -> None:
        """
        While the parent takes nothing, see to it that this ends.
        """
        assert self._outbox is not None
        if self._outbox.paused and self._timer is None:
            clock = self._uplink.clock
            left = self._outbox.paused_since + self._uplink.settings.timeout - clock.seconds()
            self._timer = clock.callLater(max(0.0, left), self._check_progress)

    def _check_progress(self) -> None:
        self._timer = None
        assert self._outbox is not None
        waited = self._uplink.clock.seconds() - self._outbox.paused_since
        if self._outbox.paused and waited >= self._uplink.settings.timeout:
            self._give_up(f"it took nothing for {self._uplink.settings.timeout:g} s")
        else:
            self._watch()

    def _hear(self, data: bytes) -> None:
        assert self._sender is not None and self._outbox is not None
        try:
            for command in self._sender.receive(data):
                if self._served is None:
                    return  # it is over
                if isinstance(command, FunctionCall | CancelFunction):
                    self._served.heard(command)
                elif isinstance(command, ReplayChart) and self._history is not None:
                    self._history.asked(command)
                elif isinstance(command, JsonPayload):
                    self._hear_document(command)
        except ProtocolError as problem:
            self._give_up(f"the parent breaks the protocol: {problem}")
            return
        if self._outbox.overfull:
            self._give_up("it asks more than it reads answers")

    def _hear_document(self, line: JsonPayload) -> None:
        if line.name == EXCHANGE and self._disclosure is not None:
            self._disclosure.heard(line.body)
        elif line.name == DOCUMENT:
            with suppress(ValueError):
                self._uplink.host.route.from_parent(parse_path(line.body))

    def _reply(self, text: bytes) -> None:
        """
        Tell the parent something that is no sample.
        """
        if self._outbox is not None and not self._reason:
            self._outbox.put(text, 0)
            self._outbox.traffic.moved(functions=len(text))
            self._watch()

    def _room(self) -> int:
        assert self._outbox is not None
        return self._outbox.most - self._outbox.waiting

    def _refused(self, refusal: Refusal, reason: str) -> None:
        self._uplink.refused(self._destination, refusal)
        self._give_up(reason)

    def _give_up(self, reason: str) -> None:
        assert self.transport is not None
        self._reason = reason
        self._unsubscribe()
        self._stop_timer()
        self.transport.abortConnection()

    def finish(self) -> None:
        """
        Nothing more will come: hand the rest to the transport, which is about
        to be closed.
        """
        self._unsubscribe()
        if self._outbox is not None and not self._reason:
            self._outbox.flush()
            # A transport with a producer that it has paused would never close.
            cast(IConsumer, self.transport).unregisterProducer()

    def cut_off(self) -> None:
        """
        The parent did not read the rest in time.
        """
        self._give_up(f"it did not read the rest within {STOP_WITHIN:g} s")

    def forsake(self, reason: str) -> None:
        """
        Wait no longer for the answer of a parent.
        """
        if not self._reason:
            self._give_up(reason)

    def leave(self, reason: str) -> None:
        """
        End the connection once all that was said is sent.
        """
        assert self.transport is not None
        if self._reason:
            return
        self._uplink.handover.begin()
        self.finish()
        self._reason = reason
        self._stop_timer()
        self._timer = self._uplink.clock.callLater(STOP_WITHIN, self.cut_off)
        self.transport.loseConnection()

    def readConnectionLost(self) -> None:
        """
        The parent says no more, but may read: it lets us go (called by
        Twisted).
        """
        assert self.transport is not None
        if self._sender is None:
            self.transport.loseConnection()
        else:
            self.leave("the parent ended the connection")

    def writeConnectionLost(self) -> None:
        """
        We have said all (called by Twisted).
        """

    def _unsubscribe(self) -> None:
        if self._disclosure is not None:
            self._disclosure.stop()
            self._disclosure = None
        if self._history is not None:
            self._history.stop()
            self._history = None
        if self._cancel is not None:
            self._cancel()
            self._cancel = None
        if self._served is not None:
            self._served.end()
            self._served = None
            self._uplink.host.route.from_parent(())

    def _stop_timer(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        The parent is gone (called by Twisted).
        """
        self._stop_timer()
        self._unsubscribe()
        accepted = self._sender is not None
        if not accepted and not self._reason:
            answer = self._reader.finish()
            if isinstance(answer, Refusal) and answer is not Refusal.NO_REPLY:
                self._reason = self._why(answer)
                self._uplink.refused(self._destination, answer)
            else:
                self._uplink.destinations.unreachable(self._destination, self._uplink.clock.seconds())
                if reason.check(ConnectionDone):
                    self._reason = silence(self._destination)
        dropped = 0
        if self._outbox is not None:
            self._outbox.stopProducing()
            dropped = self._outbox.dropped
        if self._outbox is not None:
            self._count_lost(self._outbox)
        self._uplink.ended(self._destination, accepted, self._reason or how_ended(reason, "the parent"), dropped)

    def _why(self, refusal: Refusal) -> str:
        if refusal is Refusal.NOT_UNDERSTOOD:
            return f"what answers is no parent: {recognised(self._reader.data)}"
        return refusal.reason + (f" (it says: {refusal.text})" if refusal.text else "")


def silence(destination: Destination) -> str:
    """
    @return: What it may mean that a parent closed without an answer.
    """
    if destination.tls or destination.protocol == "unix":
        return "it closed without an answer; its log may say why"
    return (
        "it closed without an answer, as ports do that take TLS only: then write ':SSL' at the end of the destination; "
        "else its log may say why"
    )


def _certificate_ends(transport: object) -> float:
    """
    @return: When the certificate of the other end expires, UTC seconds; 0 if
        the connection is plain.
    """
    if not ISSLTransport.providedBy(transport):
        return 0.0
    from netstream.tls.server import expires

    return expires(transport)
