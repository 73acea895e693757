"""
What a worker does: children's connections, their samples, and their way to
the next parent.
"""

from __future__ import annotations

import os
import pickle
import random
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from attrs import asdict, frozen
from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure

from netstream.config.settings import Destination, KeySettings, Mode, Settings, StreamSettings
from netstream.db.databases import Databases
from netstream.db.interfaces import IMetricsDB
from netstream.db.messages import NOTHING, Message
from netstream.db.remote import Traits
from netstream.db.serving import Serving
from netstream.db.workers import Workers
from netstream.hub.hub import Host, Hub
from netstream.hub.shared import Arena, SharedLatest
from netstream.model.host import HostInfo, Label
from netstream.model.samples import Int64s
from netstream.model.updates import LabelsReplaced
from netstream.processes.calls import Answering
from netstream.processes.channel import Channel
from netstream.processes.reports import READY, Reports
from netstream.streaming.arrival import ParentProtocol
from netstream.streaming.closing import Connections
from netstream.streaming.papers import Papers
from netstream.streaming.parent import Parent
from netstream.streaming.passing import Handed, One, family_of
from netstream.streaming.paths import Paths
from netstream.streaming.proxy import Forwarder
from netstream.streaming.spills import count_spills
from netstream.streaming.uplinks import Uplinks

BEGIN = "begin"
"""The verb that tells a worker what it is."""

LET_GO, CHOOSE, REMOVE = "let go", "choose", "remove"
"""Verbs: children shall go elsewhere, hosts that are sent shall choose a parent
anew, a host is to be forgotten."""

RECONFIGURE, KEY_USE = "reconfigure", "key use"
"""Verbs: go by other settings, say who uses which API key."""

ADOPT = "adopt"
"""The verb that hands a connection over; its descriptor comes with it."""


def handed_fields(handed: Handed) -> Message:
    """
    @return: What another process is told of a connection.
    """
    papers = asdict(handed.papers) | {"guids": sorted(handed.papers.guids)}
    return Message({"host": handed.host, "port": handed.port, "papers": papers}, (handed.head, handed.rest))


def handed_of(message: Message) -> Handed:
    """
    @return: What L{handed_fields} was given.
    """
    fields, (head, rest) = message.fields, message.parts
    said = fields["papers"]
    papers = Papers(**said | {"names": tuple(said["names"]), "guids": frozenset(said["guids"])})
    return Handed(fields["host"], fields["port"], bytes(head), bytes(rest), papers)


@frozen
class Orders:
    """
    What a worker is told first.

    They go from one process of a node to another that it started, as a
    pickle: nothing in them comes from a peer.

    @ivar number: From 1 on.
    @ivar settings: Of the node.
    @ivar info: The node itself.
    @ivar left: Numbers of workers that do not run any more, whose databases
        this one opens besides its own.
    @ivar labels: Of the node.
    """

    number: int
    settings: Settings
    info: HostInfo
    left: Sequence[int] = ()
    labels: Mapping[str, Label] = {}

    def message(self) -> Message:
        """
        @return: The orders as they are sent.
        """
        return Message({}, (pickle.dumps(self),))

    @classmethod
    def read(cls, message: Message) -> Orders:
        """
        @return: What L{message} gave.
        """
        (data,) = message.parts
        orders = pickle.loads(data)
        assert isinstance(orders, cls)
        return orders


class _Adopted(ParentProtocol):
    """
    The connection of a child that another process accepted.
    """

    def __init__(self, parent: Parent, handed: Handed, ended: Callable[[_Adopted], None]) -> None:
        super().__init__(parent, handed.address, True)
        self._ended = ended

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        The child is gone (called by Twisted).
        """
        super().connectionLost(reason)
        self._ended(self)


class Worker:
    """
    All that runs in a worker, once it is told what it is.

    @ivar hub: The hosts that it has.
    @ivar engines: Its databases.
    """

    _log = Logger()
    hub: Hub

    def __init__(self, channel: Channel, words: Int64s, reactor: Any, threads: Workers | None = None) -> None:
        """
        @param channel: To the process that serves.
        @param words: Memory that it shares with that.
        @param reactor: Provides time, sockets, names and threads.
        @param threads: Where databases do blocking work.
        """
        self.engines: list[IMetricsDB] = []
        self._channel = channel
        self._arena = Arena(words)
        self._reactor = reactor
        self._threads = threads
        self._settings: Settings | None = None
        self._databases: Databases | None = None
        self._parent: Parent | None = None
        self._forwarder: Forwarder | None = None
        self._reports: Reports | None = None
        self._services: list[Service] = []
        self._exports: list[Service] = []
        self._orders: Orders
        self._connect: Callable[[Destination, float], IStreamClientEndpoint]
        self._connections = Connections(reactor)
        self._stopping = False
        self._starting: Deferred[Message] | None = None
        channel.verbs[BEGIN] = self._begin
        channel.verbs[ADOPT] = self._adopt
        channel.verbs[LET_GO] = self._let_go
        channel.verbs[CHOOSE] = self._choose
        channel.verbs[REMOVE] = self._remove
        channel.verbs[RECONFIGURE] = self._reconfigure
        channel.verbs[KEY_USE] = self._key_use

    # Its life.

    def _begin(self, message: Message) -> Deferred[Message]:
        self._starting = Deferred()
        started = Deferred.fromCoroutine(self._start(Orders.read(message)))

        def done(result: Any) -> Any:
            assert self._starting is not None
            self._starting.callback(NOTHING)
            return result

        return started.addBoth(done)

    async def _start(self, orders: Orders) -> Message:
        settings = self._settings = orders.settings
        self._databases = Databases(
            settings,
            self._reactor,
            self._threads,
            number=orders.number,
            left=orders.left,
        )
        await self._databases.open()
        self.engines = engines = list(self._databases)
        serving = Serving(engines)
        self._channel.verbs.update(serving.verbs)
        self.hub = Hub(orders.info, self._databases.of(Mode.NONE), latest=lambda: SharedLatest(self._arena))
        for engine in engines:
            for stored in await engine.stored():
                self.hub.restore(stored, engine).known_since = self._reactor.seconds()
        self._databases.ask(self.hub.definition)
        self.hub.local.apply(LabelsReplaced(orders.labels))
        Answering(self.hub, self._channel)
        self._parent = Parent(self.hub, settings, self._database, self._reactor)
        self._reports = Reports(
            self.hub, engines, self._arena, self._channel.ask, lambda: self._channel.tell(READY), self._reactor
        )
        uplinks = Uplinks(self._reactor, random.random, orders.info.guid, self.hub.counts)
        uplinks.spool = self._databases.spool_of
        count_spills(self._databases.spools, self.hub)
        self._forwarder = Forwarder(self.hub, self._forwarding, uplinks.make, uplinks.connector)
        self._services.append(Paths(self.hub, self._reactor))
        self._services.append(self._forwarder)
        self._connect = partial(uplinks.plain, StreamSettings())
        self._orders = orders
        self._exports += self._made_exports(settings)
        self._reactor.callLater(0, self._go)
        return Message(
            {
                "engines": [Traits.of(engine).fields() for engine in engines],
                "spooled": sorted(self._databases.spooled),
            }
        )

    def _made_exports(self, settings: Settings) -> Sequence[Service]:
        if not settings.exporting:
            return ()
        from netstream.export.service import exports

        orders = self._orders
        return tuple(exports(self.hub, settings, self._reactor, self._connect, number=orders.number, left=orders.left))

    def _reconfigure(self, message: Message) -> Deferred[Message]:
        return Deferred.fromCoroutine(self._go_by(Orders.read(message)))

    async def _go_by(self, orders: Orders) -> Message:
        """
        Go by other settings, as L{netstream.roles.Node.reconfigure}.
        """
        assert self._parent is not None and self._databases is not None and self._forwarder is not None
        before, settings = self._settings, orders.settings
        self._settings, self._orders = settings, orders
        self._databases.reconfigure(settings)
        went = self._parent.reconfigure(settings)
        self._forwarder.reconfigure()
        if orders.labels != self.hub.local.labels:
            self.hub.local.apply(LabelsReplaced(orders.labels))
        if before is not None and settings.exporting != before.exporting:
            services, self._exports = self._exports, []
            for service in services:
                await maybeDeferred(service.stopService)
            if not self._stopping:
                self._exports += self._made_exports(settings)
                for service in self._exports:
                    service.startService()
        return Message({"went": went})

    def _key_use(self, message: Message) -> Deferred[Message]:
        """
        @return: How many children use each key, and when each was used last.
        """
        assert self._parent is not None
        return succeed(Message({"nodes": dict(self._parent.key_use), "used": self._parent.used}))

    def _go(self) -> None:
        """
        Begin, once the other process knows the databases.
        """
        if not self._stopping and self._reports is not None and self._forwarder is not None:
            self._reports.start()
            for service in (*self._services, *self._exports):
                service.startService()

    def _database(self, settings: KeySettings) -> IMetricsDB:
        assert self._databases is not None
        return self._databases.of(settings.mode)

    def _forwarding(self, host: Host) -> StreamSettings | None:
        assert self._parent is not None
        admitted = self._parent.admitted.get(host.info.guid)
        return admitted.proxy if admitted is not None and not host.local else None

    # Connections.

    def _adopt(self, message: Message) -> None:
        """
        Go on with a connection.

        @raise OSError: The child has gone meanwhile.
        """
        descriptor = self._channel.descriptor()
        try:
            handed = handed_of(message)
            if self._parent is None or self._stopping:
                return
            protocol = _Adopted(self._parent, handed, self._connections.lost)
            self._reactor.adoptStreamConnection(descriptor, family_of(descriptor), One(protocol))
        finally:
            os.close(descriptor)
        self._connections.add(protocol)
        protocol.go_on(handed)

    # What it is told.

    def _let_go(self, message: Message) -> Deferred[Message]:
        assert self._parent is not None
        gone = self._parent.let_go(message.fields["guids"], message.fields["reason"])
        return gone.addCallback(lambda count: Message({"count": count}))

    def _choose(self, message: Message) -> Deferred[Message]:
        return Deferred.fromCoroutine(self._chosen(message.fields["guids"]))

    async def _chosen(self, guids: Sequence[str]) -> Message:
        uplinks = self._forwarder.uplinks if self._forwarder is not None else {}
        moved = [await uplinks[guid].reconsider() for guid in guids if guid in uplinks]
        return Message({"count": sum(map(bool, moved))})

    def _remove(self, message: Message) -> None:
        host = self.hub.get(message.fields["guid"])
        if host is not None and not host.online:
            self.hub.remove(host).addErrback(
                lambda failure: self._log.failure("{host} was not forgotten", failure, host=host.info.hostname)
            )

    def stop(self) -> Deferred[None]:
        """
        @return: Fires when the last connection is closed and the last sample
            is written.
        """
        self._stopping = True
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        if self._starting is not None:
            await self._starting
        if self._reports is not None:
            self._reports.stop()
        if self._parent is not None:
            self._parent.stop()
        await self._connections.close()
        for service in reversed((*self._services, *self._exports)):
            if service.running:
                await maybeDeferred(service.stopService)
        databases, self._databases = self._databases, None
        if databases is not None:
            await databases.close()
