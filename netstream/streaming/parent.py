"""
The receiving side: children connect, are checked, and stream into the hub.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from attrs import evolve
from twisted.internet.defer import Deferred, DeferredSemaphore
from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IReactorTime,
)
from twisted.logger import Logger

from netstream.config.settings import KeySettings, Mode, Refused, Settings
from netstream.db import NoneDB
from netstream.db.interfaces import IMetricsDB, exchange_of
from netstream.hub.figures import Traffic
from netstream.hub.hub import Host, Hub, Link
from netstream.model.host import HostInfo
from netstream.model.identity import fingerprint
from netstream.session.handshake import OWN, Spoiled, negotiate
from netstream.session.vocabulary import Vocabulary
from netstream.streaming.arrival import ParentProtocol
from netstream.streaming.door import Candidate, Door, Turned
from netstream.streaming.passing import Taker
from netstream.streaming.peername import address_text
from netstream.streaming.quotas import Quotas
from netstream.streaming.rounds import Rounds
from netstream.turns import Turns
from netstream.wire.capabilities import Capability
from netstream.wire.compression import algorithm_of
from netstream.wire.handshake import Refusal

SWEPT_EVERY = 60.0
"""Seconds between two looks for charts that have been obsolete for long."""

EXPIRY_LOOKED_AT = 3600.0
"""Seconds after which it is looked again at when keys expire, at most: the
clock may be set."""

COMPLETED_AT_ONCE = 4
"""Hosts whose older history is fetched at the same time."""

LET_GO_AT_ONCE, LET_GO_EVERY = 5, 0.1
"""How many children are let go at once, and seconds between two such lots."""


class Parent:
    """
    What all children's connections share.

    @ivar clock: Where timers are; its seconds are UTC.
    @ivar connections: The connection of each child, by machine GUID.
    @ivar vocabulary: What definitions have in common.
    @ivar spoiled: Which compressions failed, by machine GUID.
    @ivar turns: When each may be dealt with.
    @ivar rounds: When those that trickle are read.
    @ivar completing: How many hosts' older history may be fetched at once.
    @ivar counts: What is counted.
    @ivar used: When each API key was used last, UTC seconds, by the first
        digits of its SHA-256.
    @ivar quotas: What is used of quotas.
    @ivar admitted: What C{stream.conf} says for each host that was admitted,
        by machine GUID.
    @ivar elsewhere: Says which process of this node takes a host, by machine
        GUID: L{None} is this one.
    """

    _log = Logger()

    def __init__(
        self,
        hub: Hub,
        settings: Settings,
        database: Callable[[KeySettings], IMetricsDB],
        clock: IReactorTime,
    ) -> None:
        """
        @param database: Gives the database that a host's settings ask for.
        """
        self.settings = settings
        self.clock = clock
        self.connections: dict[str, ParentProtocol] = {}
        self.admitted: dict[str, KeySettings] = {}
        self.used: dict[str, float] = {}
        self._expiring: IDelayedCall | None = None
        self.elsewhere: Callable[[str], Taker | Refusal | None] = lambda guid: None
        self.spoiled = Spoiled()
        self.turns = Turns(clock)
        self.rounds = Rounds(clock)
        self.completing = DeferredSemaphore(COMPLETED_AT_ONCE)
        self.vocabulary = Vocabulary()
        self._sweeping: IDelayedCall | None = None
        self._plan_sweep()
        self._hub = hub
        self.counts = hub.counts
        self._database = database
        self.quotas = Quotas()
        self._door = Door(hub, settings, clock, self.connections, self._begin, self.quotas, self._place)
        self._stopping = False
        self._unwatch = hub.watch(self._told)

    def reconfigure(self, settings: Settings) -> list[str]:
        """
        Go by other settings.  Who is admitted by them as before stays
        connected; who is not is cut off, and who needs another database or
        period is asked to connect anew.

        @return: One line for each child that had to go.
        """
        self.settings = settings
        self._door.reconfigure(settings)
        if self._sweeping is None:
            self._plan_sweep()
        went = [line for each in tuple(self.connections.values()) for line in self._judge(each)]
        known = set(settings.keys)
        self.used = {key: at for key, at in self.used.items() if key in known}
        self._plan_expiry()
        return went

    def _plan_expiry(self) -> None:
        """
        Wait for the moment at which the first section of a child that is
        connected expires.
        """
        if self._expiring is not None and self._expiring.active():
            self._expiring.cancel()
        ends = [self.admitted[guid].until for guid in self.connections if guid in self.admitted]
        first = min((end for end in ends if end is not None), default=None)
        self._expiring = None
        if first is not None:
            wait = min(max(0.0, first - self.clock.seconds()), EXPIRY_LOOKED_AT)
            self._expiring = self.clock.callLater(wait, self._expire)

    def _expire(self) -> None:
        now = self.clock.seconds()
        for connection in tuple(self.connections.values()):
            settings = self.admitted.get(connection.host.info.guid) if connection.host is not None else None
            if settings is not None and settings.until is not None and settings.until <= now:
                list(self._judge(connection))
        self._plan_expiry()

    def _judge(self, connection: ParentProtocol) -> Iterable[str]:
        """
        Hold a child that is connected against the settings as they are now.

        @return: What became of it, if it had to go.
        """
        host, candidate = connection.host, connection.candidate
        if host is None or candidate is None:
            return
        try:
            if not self._allows(candidate.address):
                raise Refused(f"[web] allow streaming from does not admit {candidate.address}")
            settings = self._door.check(candidate)
        except Refused as refused:
            self._log.warn(
                "{peer}: {host} ({guid}) is cut off: {reason}",
                peer=connection.peer,
                host=host.info.hostname,
                guid=host.info.guid,
                reason=refused.reason,
            )
            connection.expel("stream.conf does not admit it any more")
            yield f"{host.info.hostname} ({host.info.guid}) is cut off: {refused.reason}"
            return
        before, self.admitted[host.info.guid] = self.admitted[host.info.guid], settings
        if (settings.mode, settings.update_every) != (before.mode, before.update_every):
            connection.let_go("its settings in stream.conf changed")
            yield f"{host.info.hostname} ({host.info.guid}) connects anew, since its database or period changed"
            return
        if settings.quotas != before.quotas:
            self.quotas.enter(host.info.guid, settings.quotas, host.table.living, self.clock.seconds())
        if (settings.retention, settings.kept) != (before.retention, before.kept):
            self._retain(host, self._database(settings), settings)

    def protocol(self, address: IAddress, allowed: bool) -> ParentProtocol:
        """
        @return: The protocol of a new connection.
        """
        return ParentProtocol(self, address, allowed)

    def address_allowed(self, address: IAddress) -> bool:
        """
        @return: Whether C{[web] allow streaming from} admits a peer.
        """
        return self._allows(address_text(address))

    def _allows(self, address: str) -> bool:
        allowed = self.settings.web.allow.get("streaming")
        return allowed is None or allowed.matches(address)

    def consider(self, candidate: Candidate) -> None:
        """
        Admit a child at once or in its turn, or refuse it.
        """
        self._door.consider(candidate)

    @property
    def key_use(self) -> Counter[str]:
        """
        How many children are connected with each API key.
        """
        return Counter(connection.key for connection in self.connections.values())

    @property
    def turned(self) -> Sequence[Turned]:
        """
        The children that were refused for good lately, the latest last.
        """
        return tuple(self._door.turned)

    def gave_up(self, connection: ParentProtocol) -> None:
        """
        A child went before it was answered.
        """
        self._door.gave_up(connection)

    def take_in(self, candidate: Candidate) -> None:
        """
        Take in a child that another process of this node has admitted, or
        refuse it after all.
        """
        self._door.take_in(candidate)

    def _place(self, candidate: Candidate) -> Refusal | bool:
        """
        Hand a child over to the process that takes it.

        One that was removed is dealt with here, where that is remembered.

        @return: Whether that was done; why the child is refused for now.
        """
        guid = candidate.request.info.guid
        if self._hub.tombstones.of(guid) is not None:
            return False
        taker = self.elsewhere(guid)
        if isinstance(taker, Refusal):
            self._log.warn(
                "{peer}: {host} refused for now: its worker is not ready",
                peer=candidate.connection.peer,
                host=candidate.request.info.hostname,
            )
            return taker
        if taker is None:
            return False
        assert isinstance(candidate.connection, ParentProtocol)
        names, now = candidate.papers.names, self.clock.seconds()
        self._admit(guid, self.settings.admit(candidate.request.key, guid, candidate.address, now, names))
        candidate.connection.hand_over(taker, candidate.papers)
        return True

    def _admit(self, guid: str, settings: KeySettings) -> None:
        self.admitted[guid] = settings
        if settings.owner:
            self._hub.owners.settle(guid, settings.owner, self.clock)

    def _begin(self, candidate: Candidate) -> None:
        connection, request = candidate.connection, candidate.request
        assert isinstance(connection, ParentProtocol)
        info, now = request.info, self.clock.seconds()
        settings = self.settings.admit(request.key, info.guid, candidate.address, now, candidate.papers.names)
        self._admit(info.guid, settings)
        connection.candidate = candidate
        if settings.update_every:
            info = evolve(info, update_every=settings.update_every)
        wanted = settings.compressions if settings.compression else ()
        own = OWN if settings.replication else OWN & ~Capability.REPLICATION
        database = self._database(settings)
        if not (settings.replication and settings.tiers and exchange_of(database)):
            own &= ~Capability.TIERS
        agreed = negotiate(request.capabilities, own, compressions=self.spoiled.left(info.guid, wanted, now))
        link = Link(
            connection.peer,
            now,
            int(agreed),
            tuple(agreed.names()),
            Traffic(self.counts.received),
            candidate.papers.expires,
        )
        self.counts.accepted += 1
        host = self._known(connection, info, database, link)
        self._retain(host, database, settings)
        self.connections[info.guid] = connection
        self.used[fingerprint(request.key.lower())] = now
        self.quotas.enter(info.guid, settings.quotas, host.table.living, now)
        connection.begin(agreed, host)
        if settings.until is not None and not self._expires_before(settings.until):
            self._plan_expiry()
        self._log.info(
            "{peer}: {host} ({guid}) connected: {program} {version}, {hops} hops, {compression}, database {mode}",
            peer=connection.peer,
            host=info.hostname,
            guid=info.guid,
            program=info.program,
            version=info.version,
            hops=info.hops,
            compression=algorithm_of(agreed) or "not compressed",
            mode=host.db.mode,
        )

    def _expires_before(self, moment: float) -> bool:
        due = self._expiring.getTime() if self._expiring is not None and self._expiring.active() else math.inf
        return due <= moment

    def _known(self, connection: ParentProtocol, info: HostInfo, database: IMetricsDB, link: Link) -> Host:
        """
        @return: The host of a connection; one that was removed here, and that
            another node brings, is not in the hub yet.
        """
        known = self._hub.get(info.guid)
        if known is not None and known.info.hostname != info.hostname:
            self._log.info(
                "{guid}, known as {old}, is now called {new}",
                guid=info.guid,
                old=known.info.hostname,
                new=info.hostname,
            )
        tombstone = self._hub.tombstones.of(info.guid)
        if tombstone is not None and info.hops > 1:
            connection.removed_at = tombstone.at
            apart = Host(info, NoneDB())
            apart.link = link
            return apart
        if tombstone is not None:
            self._lift(info.guid)
        return self._hub.connect(info, database, link)

    def _lift(self, guid: str) -> None:
        try:
            self._hub.tombstones.lift(guid)
        except OSError as problem:
            self._log.error("the removal of {guid} cannot be taken back: {problem}", guid=guid, problem=problem)

    def returned(self, connection: ParentProtocol) -> None:
        """
        A host that was removed here is back: others bring samples of it that
        were taken later.
        """
        host = connection.host
        assert host is not None and host.link is not None
        connection.removed_at = 0.0
        self._lift(host.info.guid)
        settings = self.admitted[host.info.guid]
        database = self._database(settings)
        self._hub.adopt(host, database, host.link)
        self._retain(host, database, settings)
        self._log.info("{host} ({guid}), which was removed, is back", host=host.info.hostname, guid=host.info.guid)

    def _retain(self, host: Host, database: IMetricsDB, settings: KeySettings) -> None:
        if host.db is not database or not database.keeps:
            return
        kept = settings.retention * host.info.update_every if settings.mode is Mode.RAM else settings.kept
        database.retain(host.info.guid, kept).addErrback(
            lambda failure: self._log.failure("{host}: retention", failure, host=host.info.hostname)
        )

    def let_go(self, guids: Iterable[str], reason: str) -> Deferred[int]:
        """
        Let children go elsewhere, at a pace.

        @return: Fires with how many there were, once each has been told.
        """
        going = [guid for guid in guids if guid in self.connections]
        done: Deferred[int] = Deferred()

        def some(first: int) -> None:
            after = first + LET_GO_AT_ONCE
            for guid in going[first:after]:
                if guid in self.connections:
                    self.connections[guid].let_go(reason)
            if after < len(going) and not self._stopping:
                self.clock.callLater(LET_GO_EVERY, some, after)
            else:
                done.callback(len(going))

        some(0)
        return done

    def _told(self, host: Host) -> None:
        """
        A host came, went or was removed; those of other processes count here
        as well, since here it is decided who is let in.
        """
        guid = host.info.guid
        if host.elsewhere:
            settings = self.admitted.get(guid)
            if settings is not None and host.online and not host.removed:
                self.quotas.enter(guid, settings.quotas, host.table.living, self.clock.seconds())
            else:
                self.quotas.leave(guid)
        if host.removed:
            self.admitted.pop(guid, None)
            self._hub.owners.release(guid, self.clock)

    @property
    def waiting(self) -> int:
        """
        How many children wait to be admitted.
        """
        return len(self._door)

    def lost(self, connection: ParentProtocol) -> None:
        """
        A child's connection ended.
        """
        host = connection.host
        if host is not None and self.connections.get(host.info.guid) is connection:
            del self.connections[host.info.guid]
            if connection.key in self.used:
                self.used[connection.key] = self.clock.seconds()
            self.quotas.leave(host.info.guid)
            host.left = connection.reason
            if not connection.removed_at:
                self._hub.disconnect(host, self.clock.seconds())

    def _plan_sweep(self) -> None:
        after = self.settings.db.cleanup_charts
        self._sweeping = self.clock.callLater(SWEPT_EVERY, self._sweep) if after else None

    def _sweep(self) -> None:
        self._plan_sweep()
        if self._sweeping is None:
            return
        now = self.clock.seconds()
        for host in self._hub:
            host.sweep(now, self.settings.db.cleanup_charts)

    def stop(self) -> None:
        """
        Accept nobody any more and close all connections.
        """
        self._stopping = True
        self._unwatch()
        self._hub.owners.write()
        self._door.close()
        for timer in (self._sweeping, self._expiring):
            if timer is not None and timer.active():
                timer.cancel()
        for connection in tuple(self.connections.values()):
            connection.close()
