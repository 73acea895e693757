"""
The sending side: one host's samples to one of several parents.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import cast

from attrs import evolve
from twisted.application.internet import ClientService
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IConsumer,
    IDelayedCall,
    IProtocol,
    IProtocolFactory,
    IReactorTime,
    IStreamClientEndpoint,
    ITCPTransport,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from netstream.config.settings import Destination, StreamSettings
from netstream.hub.hub import Host
from netstream.model.samples import SampleBatch
from netstream.model.updates import Update
from netstream.session.errors import ProtocolError
from netstream.session.handshake import OFFER, agreed
from netstream.session.sender import Sender
from netstream.streaming.destinations import Backoff, Destinations
from netstream.streaming.liveness import watch_over
from netstream.streaming.outbox import Outbox
from netstream.wire.commands import FunctionCall
from netstream.wire.handshake import Accepted, Refusal, ReplyReader, StreamRequest

Connector = Callable[[Destination, float], IStreamClientEndpoint]
"""Makes the endpoint of a destination, with a limit in seconds to connect."""

UNREACHABLE_FOR = 5.0
"""Seconds for which a destination that cannot be connected is left alone."""

REST_OF_REPLY_WITHIN = 0.5
"""Seconds in which the rest of a reply comes that may be incomplete."""

STOP_WITHIN = 5.0
"""Seconds that a parent has to read the rest when we stop."""


class ChildProtocol(Protocol):
    """
    One connection to a parent.
    """

    transport: ITCPTransport | None
    _log = Logger()

    def __init__(self, uplink: Uplink, destination: Destination) -> None:
        self._uplink = uplink
        self._destination = destination
        self._reader = ReplyReader(OFFER)
        self._sender: Sender | None = None
        self._outbox: Outbox | None = None
        self._cancel: Callable[[], None] | None = None
        self._timer: IDelayedCall | None = None
        self._reason = ""
        self._dropping = False

    def connectionMade(self) -> None:
        """
        Ask to be admitted, in one write (called by Twisted).
        """
        assert self.transport is not None
        watch_over(self.transport)
        self.transport.write(self._uplink.request())
        self._timer = self._uplink.clock.callLater(self._uplink.settings.timeout, self._no_answer)

    def _no_answer(self) -> None:
        self._answered(self._reader.finish())

    def dataReceived(self, data: bytes) -> None:
        """
        Read the answer, then what the parent says (called by Twisted).
        """
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
            said = f" (it says: {answer.text})" if answer.text else ""
            self._postpone(answer.postpone, answer.reason + said)
            return
        self._begin(answer)
        if answer.rest:
            self._hear(answer.rest)

    def _begin(self, answer: Accepted) -> None:
        assert self.transport is not None
        uplink, host = self._uplink, self._uplink.host
        self._sender = Sender(
            agreed(answer.capabilities),
            host.info.guid,
            uplink.settings.charts,
            max(1, uplink.settings.clock_resync_iterations),
        )
        self._outbox = Outbox(self.transport, uplink.settings.buffer_size)
        cast(IConsumer, self.transport).registerProducer(self._outbox, True)
        uplink.began(self._destination)
        start = self._sender.start(host.charts.values(), host.labels, host.variables, host.claim_id)
        self._outbox.put(start, samples=False)
        self._cancel = host.subscribe(self._send)

    def _send(self, update: Update) -> None:
        assert self._sender is not None and self._outbox is not None
        piece = self._sender.send(update)
        if not piece:
            return
        fits = self._outbox.put(piece, isinstance(update, SampleBatch))
        if self._outbox.paused and self._timer is None:
            self._timer = self._uplink.clock.callLater(self._uplink.settings.timeout, self._check_progress)
        if fits:
            return
        if not self._dropping:
            self._dropping = True
            self._log.warn(
                "{destination} reads too slowly: [stream] buffer size of {size} bytes is full; the oldest samples of"
                " {host} are dropped",
                destination=self._destination.text,
                size=self._uplink.settings.buffer_size,
                host=self._uplink.host.info.hostname,
            )

    def _check_progress(self) -> None:
        self._timer = None
        if self._outbox is not None and self._outbox.paused:
            self._reason = f"it took nothing for {self._uplink.settings.timeout:g} s"
            self._abort()

    def _hear(self, data: bytes) -> None:
        assert self._sender is not None and self._outbox is not None
        try:
            for command in self._sender.receive(data):
                if isinstance(command, FunctionCall):
                    self._outbox.put(self._sender.answer(command), samples=False)
        except ProtocolError as problem:
            self._reason = f"the parent breaks the protocol: {problem}"
            self._abort()

    def _postpone(self, seconds: float, reason: str) -> None:
        self._reason = reason
        self._uplink.postpone(self._destination, seconds)
        self._abort()

    def _abort(self) -> None:
        assert self.transport is not None
        self.transport.abortConnection()

    def give_up(self) -> None:
        """
        The parent did not read the rest in time.
        """
        self._reason = f"it did not read the rest within {STOP_WITHIN:g} s"
        self._abort()

    def _stop_timer(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        The parent is gone (called by Twisted).
        """
        self._stop_timer()
        if self._cancel is not None:
            self._cancel()
        accepted = self._sender is not None
        if not accepted and not self._reason:
            self._uplink.postpone(self._destination, UNREACHABLE_FOR)
        dropped = self._outbox.dropped if self._outbox is not None else 0
        self._uplink.ended(self._destination, accepted, self._reason or reason.getErrorMessage(), dropped)


@implementer(IStreamClientEndpoint)
class _Choice:
    """
    Connects to whichever destination is next.
    """

    def __init__(self, uplink: Uplink, connector: Connector) -> None:
        self._uplink = uplink
        self._connector = connector

    def __repr__(self) -> str:
        return f"<the parents of {self._uplink.host.info.hostname}>"

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """
        Try the next destination (called by Twisted).
        """
        destination = self._uplink.destinations.choose(self._uplink.clock.seconds())
        endpoint = self._connector(destination, self._uplink.settings.timeout)

        def failed(failure: Failure) -> Failure:
            self._uplink.unreachable(destination, failure)
            return failure

        connecting: Deferred[IProtocol] = endpoint.connect(protocolFactory)
        return connecting.addErrback(failed)


class Uplink(Service):
    """
    Sends one host's samples to a parent as long as it runs: connects, comes
    back, and fails over along the list.

    @ivar host: Whose samples.
    @ivar settings: Where to, and how.
    @ivar connected: The destination that takes samples now, if any.
    @ivar dropped: Pieces of samples that a slow parent made us drop.
    """

    _log = Logger()

    def __init__(
        self,
        host: Host,
        settings: StreamSettings,
        clock: IReactorTime,
        connector: Connector,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.host = host
        self.settings = settings
        self.clock = clock
        self.connected: Destination | None = None
        self.dropped = 0
        backoff = Backoff(1.0, max(settings.reconnect_delay, 1.0), jitter)
        self.destinations = Destinations(settings.destinations, backoff, jitter)
        factory = Factory.forProtocol(self._protocol)
        factory.noisy = False
        self._client = ClientService(
            _Choice(self, connector),
            factory,
            retryPolicy=lambda attempt: self.destinations.delay(clock.seconds()),
            clock=clock,
        )
        self._said: set[tuple[str, str]] = set()
        self._connection: ChildProtocol | None = None

    def _protocol(self) -> ChildProtocol:
        assert self.destinations.current is not None
        self._connection = ChildProtocol(self, self.destinations.current)
        return self._connection

    def startService(self) -> None:
        """
        Begin to connect (called by Twisted).
        """
        super().startService()
        self._client.startService()

    def stopService(self) -> Deferred[None]:
        """
        Send what is on its way, and end.

        @return: Fires when the connection is closed.
        """
        super().stopService()
        stopped: Deferred[None] = self._client.stopService()
        if self._connection is not None:
            limit = self.clock.callLater(STOP_WITHIN, self._connection.give_up)

            def over(result: None) -> None:
                if limit.active():
                    limit.cancel()

            stopped.addCallback(over)
        return stopped

    def request(self) -> bytes:
        """
        @return: The request that introduces the host to a parent.
        """
        info = evolve(self.host.info, hops=self.host.info.hops + 1)
        return StreamRequest(self.settings.api_key, info, OFFER).head()

    def postpone(self, destination: Destination, seconds: float) -> None:
        """
        Leave a destination alone for a while.
        """
        self.destinations.postpone(destination, seconds, self.clock.seconds())

    def unreachable(self, destination: Destination, failure: Failure) -> None:
        """
        A destination could not be connected.
        """
        self.postpone(destination, UNREACHABLE_FOR)
        self._say(destination, f"cannot connect: {failure.getErrorMessage()}")

    def began(self, destination: Destination) -> None:
        """
        A destination accepted us.
        """
        self.destinations.accepted()
        self.connected = destination
        self._said.clear()
        self._log.info("{host} streams to {destination}", host=self.host.info.hostname, destination=destination.text)

    def ended(self, destination: Destination, accepted: bool, reason: str, dropped: int) -> None:
        """
        A connection ended.
        """
        self.connected = None
        self._connection = None
        self.dropped += dropped
        if accepted:
            self.destinations.lost()
            self._log.info(
                "{host} streams to {destination} no more: {reason}",
                host=self.host.info.hostname,
                destination=destination.text,
                reason=reason,
            )
        else:
            self._say(destination, reason)

    def _say(self, destination: Destination, reason: str) -> None:
        """
        Log why an attempt failed, the same reason once until one succeeds.
        """
        if (destination.text, reason) not in self._said:
            self._said.add((destination.text, reason))
            self._log.warn(
                "{host} cannot stream to {destination}: {reason}",
                host=self.host.info.hostname,
                destination=destination.text,
                reason=reason,
            )
