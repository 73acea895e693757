"""
The sending side: one host's samples to one of several parents.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from attrs import evolve
from twisted.application.internet import ClientService
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IReactorTime,
)
from twisted.internet.protocol import Factory
from twisted.logger import Logger, LogPublisher

from netstream.config.settings import Destination, StreamSettings
from netstream.hub.figures import Counts, Traffic, Upstream
from netstream.hub.hub import Host
from netstream.session.handshake import OFFER
from netstream.streaming.child import STOP_WITHIN, ChildProtocol
from netstream.streaming.choice import Choice, Connector
from netstream.streaming.destinations import Backoff, Destinations
from netstream.streaming.handover import Handover
from netstream.wire.capabilities import COMPRESSIONS, Capability
from netstream.wire.compression import ALGORITHMS, Levels
from netstream.wire.handshake import Refusal, StreamRequest


class _Client(ClientService):
    """
    Tells the log nothing of each attempt; what matters is said by L{Uplink}.
    """

    _log = Logger(observer=LogPublisher())


class Uplink(Service):
    """
    Sends one host's samples to a parent as long as it runs: connects, comes
    back, and fails over along the list.

    @ivar host: Whose samples.
    @ivar settings: Where to, and how.
    @ivar levels: How much effort goes into compressing.
    @ivar connected: The destination that takes samples now, if any.
    @ivar dropped: Pieces of samples that a slow parent made us drop.
    @ivar upstream: How it goes, for others to see.
    @ivar handover: What is said between two connections.
    """

    _log = Logger()

    def __init__(
        self,
        host: Host,
        settings: StreamSettings,
        clock: IReactorTime,
        connector: Connector,
        jitter: Callable[[], float] = random.random,
        node: str = "",
        counts: Counts | None = None,
    ) -> None:
        """
        @param jitter: Gives a random number from 0 to 1.
        @param node: Machine GUID of this node.
        @param counts: Where what is sent and lost is counted; nowhere else if
            not given.
        """
        self.host = host
        self.settings = settings
        self.clock = clock
        self.connected: Destination | None = None
        self.dropped = 0
        self._counts = counts or Counts()
        self.upstream = Upstream()
        self.destinations = _destinations(settings, jitter)
        factory = Factory.forProtocol(self._protocol)
        factory.noisy = False
        self.handover = Handover(host, clock)
        self._jitter = jitter
        self._choice = Choice(host, self.destinations, connector, clock, settings.timeout, jitter, self._failed, node)
        self._client = _Client(
            self._choice,
            factory,
            retryPolicy=lambda attempt: self.destinations.delay(clock.seconds()),
            clock=clock,
        )
        self.levels = _levels(settings)
        self._avoided = Capability(0)
        self._said: set[tuple[str, str]] = set()
        self._connection: ChildProtocol | None = None
        self._since = 0.0

    def _protocol(self) -> ChildProtocol:
        assert self.destinations.current is not None
        self.upstream.attempts += 1
        self.upstream.traffic = Traffic(self._counts.sent)
        self._connection = ChildProtocol(self, self.destinations.current)
        return self._connection

    def reconfigure(self, settings: StreamSettings, connector: Connector) -> None:
        """
        Send by other settings.  A connection that they would make alike stays;
        else another one follows it at once, and what is said between the two
        is held.  Levels, sizes and pauses hold from the next connection on.
        """
        before, self.settings = self.settings, settings
        self.levels = _levels(settings)
        self.destinations = _destinations(settings, self._jitter)
        self._choice.reconfigure(self.destinations, connector, settings.timeout)
        self._said.clear()
        connection, connected = self._connection, self.connected
        if connection is not None and connected is not None:
            if connected in settings.destinations and _alike(before, settings):
                self.destinations.current = connected
            else:
                connection.leave("where and how it is sent was changed")
            return
        if connection is not None:
            connection.forsake("where and how it is sent was changed")
        # Do not wait for the rest of a pause, nor for who is no parent any more.
        self._client.stopService().addCallback(lambda _: self._client.startService() if self.running else None)

    def startService(self) -> None:
        """
        Begin to connect (called by Twisted).
        """
        super().startService()
        self.host.upstream = self.upstream
        self.handover.begin()
        self._client.startService()

    def stopService(self) -> Deferred[None]:
        """
        Send what is on its way, and end.

        @return: Fires when the connection is closed.
        """
        super().stopService()
        if self.host.upstream is self.upstream:
            self.host.upstream = None
        self.handover.stop()
        connection = self._connection
        if connection is not None:
            connection.finish()
        stopped: Deferred[None] = self._client.stopService()
        if connection is not None and self._connection is connection:
            limit = self.clock.callLater(STOP_WITHIN, connection.cut_off)

            def over(result: None) -> None:
                if limit.active():
                    limit.cancel()

            stopped.addCallback(over)
        return stopped

    @property
    def offer(self) -> Capability:
        """
        What the next connection may agree on.
        """
        return OFFER & ~(self._avoided if self.settings.compression else COMPRESSIONS)

    def avoid(self, algorithm: str) -> None:
        """
        An algorithm failed: do not offer it again.
        """
        self._avoided |= ALGORITHMS[algorithm]

    def request(self, offer: Capability) -> bytes:
        """
        @param offer: What may be agreed on.
        @return: The request that introduces the host to a parent.
        """
        info = evolve(self.host.info, hops=self.host.info.hops + 1)
        return StreamRequest(self.settings.api_key, info, offer).head()

    def refused(self, destination: Destination, refusal: Refusal) -> None:
        """
        Leave a destination alone for as long as its reason asks for.
        """
        self.destinations.refused(destination, refusal, self.clock.seconds())

    def _failed(self, destination: Destination, reason: str) -> None:
        """
        A destination could not be connected, or does not come into question.
        """
        self.upstream.attempts += 1
        if self.connected is None:
            self._shown(destination, False, reason)
        self._say(destination, reason)

    def began(self, destination: Destination, algorithm: str = "") -> None:
        """
        A destination accepted us.

        @param algorithm: What is compressed with, if anything.
        """
        self.destinations.accepted()
        self.connected = destination
        self._since = self.clock.seconds()
        self._shown(destination, True, "")
        self._said.clear()
        self._log.info(
            "{host} streams to {destination}{how}",
            host=self.host.info.hostname,
            destination=destination.text,
            how=f", compressed with {algorithm}" if algorithm else "",
        )

    def ended(self, destination: Destination, accepted: bool, reason: str, dropped: int) -> None:
        """
        A connection ended.
        """
        self.connected = None
        self._connection = None
        self.dropped += dropped
        self._shown(destination, False, reason)
        if accepted:
            now = self.clock.seconds()
            self.destinations.lost(now - self._since, now)
            self._log.info(
                "{host} streams to {destination} no more: {reason}",
                host=self.host.info.hostname,
                destination=destination.text,
                reason=reason,
            )
        else:
            self._say(destination, reason)
        if self.running:
            self.handover.begin()

    async def reconsider(self) -> bool:
        """
        Ask all parents anew, and move to the best one of them; one that is as
        good as the others may be chosen by chance.

        @return: Whether this is another than the one that takes samples now.
        """
        connection, connected = self._connection, self.connected
        if connection is None or connected is None:
            return False
        order = await self._choice.look()
        if not order or order[0] == connected or self._connection is not connection:
            return False
        connection.leave("another parent is preferred")
        return True

    def lost(self, samples: int) -> None:
        """
        Samples were dropped, since the parent was too slow.
        """
        self.upstream.dropped += samples
        self._counts.dropped += samples

    def _shown(self, destination: Destination, connected: bool, reason: str) -> None:
        """
        Let others see where samples go.
        """
        shown = self.upstream
        shown.destination, shown.connected, shown.reason = destination.text, connected, reason
        shown.since = self.clock.seconds()
        if not connected:
            shown.backlog, shown.lag, shown.replication = lambda: 0, lambda now: 0.0, None

    def _say(self, destination: Destination, reason: str) -> None:
        """
        Log why an attempt failed, the same reason once until one succeeds.
        """
        if self.running and (destination.text, reason) not in self._said:
            self._said.add((destination.text, reason))
            self._log.warn(
                "{host} cannot stream to {destination}: {reason}",
                host=self.host.info.hostname,
                destination=destination.text,
                reason=reason,
            )


def _destinations(settings: StreamSettings, jitter: Callable[[], float]) -> Destinations:
    return Destinations(settings.destinations, Backoff(1.0, max(settings.reconnect_delay, 1.0), jitter), jitter)


def _levels(settings: StreamSettings) -> Levels:
    return Levels(settings.zstd_level, settings.lz4_acceleration, settings.brotli_level, settings.gzip_level)


def _alike(one: StreamSettings, other: StreamSettings) -> bool:
    """
    @return: Whether both make the same of a connection to one destination.
    """

    def made(settings: StreamSettings) -> tuple[object, ...]:
        return settings.api_key, settings.tls, settings.proxy, settings.charts, settings.compression

    return made(one) == made(other)
