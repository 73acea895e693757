"""
Whom a parent lets in, and when.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Protocol

from attrs import frozen
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from netstream.config.settings import KeySettings, Refused, Settings
from netstream.hub.hub import Host, Hub
from netstream.model.identity import fingerprint
from netstream.streaming.admissions import Admissions
from netstream.streaming.claims import Claim, claim, probed_for
from netstream.streaming.papers import Papers
from netstream.streaming.quotas import Quotas
from netstream.wire.capabilities import Capability
from netstream.wire.handshake import Refusal, StreamRequest

HOSTS_MOST = 20_000
"""Hosts that this node knows at most; a new one beyond is refused as busy."""

CHECKER = "netstream-check"
"""The program that asks whether its key is good, in the name of this node."""

ASKING = f"STREAM hostname={CHECKER} HTTP/1.1\r\n\r\n".encode()
"""Its request that asks for nothing, to see whether there is an answer."""

REMEMBERED = 100
"""Refusals that are remembered."""

SHOWN = 100
"""Characters that are remembered of what one of them is called."""

PASSING = frozenset({Refusal.BUSY, Refusal.INITIALIZING})
"""Reasons that pass, which old agents do not know."""


class Claimant(Protocol):
    """
    The connection of a child, as far as it matters whether it is let in.

    @ivar host: Who it is, once it is admitted.
    @ivar heard: When its last bytes came, UTC seconds.
    """

    host: Host | None
    heard: float

    @property
    def peer(self) -> str:
        """
        Where the child is, for a log.
        """

    @property
    def stale_after(self) -> float:
        """
        Seconds without a byte after which a newer connection may take over.
        """

    def refuse(self, refusal: Refusal, offered: Capability) -> None:
        """
        The child is not admitted.
        """

    def replaced(self) -> None:
        """
        A newer connection of the same host takes over.
        """


@frozen(eq=False)
class Candidate:
    """
    A child that has asked to be admitted.

    @ivar address: The peer as access lists know it.
    @ivar papers: What it presented by TLS.
    """

    connection: Claimant
    request: StreamRequest
    address: str
    papers: Papers = Papers()


@frozen
class Turned:
    """
    A child that was not admitted.

    @ivar at: When, UTC seconds.
    @ivar guid: The machine GUID that it says is its own.
    @ivar key: The first digits of the SHA-256 of its key.
    @ivar reason: Why, and which line would admit it.
    """

    at: float
    peer: str
    hostname: str
    guid: str
    key: str
    reason: str


class Door:
    """
    Lets children in: those who may, in their turn, and each machine GUID once.

    @ivar turned: Those that were refused for good lately, the latest last.
    """

    _log = Logger()

    def __init__(
        self,
        hub: Hub,
        settings: Settings,
        clock: IReactorTime,
        connections: Mapping[str, Claimant],
        begin: Callable[[Candidate], None],
        quotas: Quotas,
        place: Callable[[Candidate], Refusal | bool] = lambda candidate: False,
    ) -> None:
        """
        @param connections: Of those who are in, by machine GUID.
        @param begin: Is given each child that is admitted.
        @param quotas: What is used of quotas.
        @param place: Is given it before: hands it over to another process of
            this node, which is true then, or says why it is refused for now.
        """
        self._quotas = quotas
        self._hub = hub
        self._settings = settings
        self._clock = clock
        self._connections = connections
        self._begin = begin
        self.turned: deque[Turned] = deque(maxlen=REMEMBERED)
        self._place = place
        self._candidates: dict[Claimant, Candidate] = {}
        self._probing: dict[str, tuple[Candidate, IDelayedCall]] = {}
        self._admissions: Admissions[Candidate] = Admissions(
            clock, self._admit, self._too_many, settings.web.streaming_every
        )
        self._stopping = False

    def __len__(self) -> int:
        """
        @return: How many children wait.
        """
        return len(self._candidates)

    def reconfigure(self, settings: Settings) -> None:
        """
        Let children in by other settings; those who wait are judged by them in
        their turn.
        """
        every, self._settings = self._settings.web.streaming_every, settings
        if settings.web.streaming_every != every:
            self._admissions.pace(settings.web.streaming_every)

    def check(self, candidate: Candidate) -> KeySettings:
        """
        Whether C{stream.conf} and C{[web]} admit a child.

        @return: What holds for it.
        @raise Refused: They do not.
        """
        request = candidate.request
        candidate.papers.check(self._settings.web.tls, request.info.guid)
        self._check_no_machine(request.key)
        settings = self._settings.admit(
            request.key, request.info.guid, candidate.address, self._clock.seconds(), candidate.papers.names
        )
        if not settings.stated:
            self._check_owner(request.info.guid, settings.owner)
        return settings

    def _check_owner(self, guid: str, owner: str) -> None:
        """
        Keep who has a key of somebody else out of the history of a node.
        """
        first = self._hub.owners.of(guid, self._settings.access.owners(self._clock.seconds()))
        if first and first != owner:
            this = f"'owner = {owner}'" if owner else "no owner"
            raise Refused(
                f"machine GUID {guid} belongs to 'owner = {first}', with a key of whom it came first, and this key is"
                f" of {this}; if the host is another's now, write so into a"
                " section [ITS MACHINE GUID], or remove the node"
            )

    def close(self) -> None:
        """
        Let nobody in any more.
        """
        self._stopping = True
        self._admissions.stop()
        for _, probe in self._probing.values():
            probe.cancel()
        self._probing.clear()
        for candidate in tuple(self._candidates.values()):
            self._refuse(candidate, Refusal.BUSY)

    def consider(self, candidate: Candidate) -> None:
        """
        Admit a child at once or in its turn, or refuse it.
        """
        self._candidates[candidate.connection] = candidate
        refusal = self._refusal(candidate)
        if refusal is not None:
            self._refuse(candidate, refusal)
        else:
            self._admissions.enter(candidate)

    def take_in(self, candidate: Candidate) -> None:
        """
        Admit a child that had its turn in another process of this node.
        """
        self._candidates[candidate.connection] = candidate
        self._admit(candidate)

    def gave_up(self, connection: Claimant) -> None:
        """
        A child went before it was answered.
        """
        candidate = self._candidates.pop(connection, None)
        if candidate is None:
            return
        self._admissions.leave(candidate)
        guid = candidate.request.info.guid
        if guid in self._probing and self._probing[guid][0] is candidate:
            self._probing.pop(guid)[1].cancel()

    def _refuse(self, candidate: Candidate, refusal: Refusal) -> None:
        self._candidates.pop(candidate.connection, None)
        candidate.connection.refuse(refusal, candidate.request.capabilities)

    def _too_many(self, candidate: Candidate) -> None:
        every = self._settings.web.streaming_every
        if not self._stopping:
            self._log.info(
                "{peer}: {host} refused for now: {reason}",
                peer=candidate.connection.peer,
                host=candidate.request.info.hostname,
                reason=f"[web] accept a streaming request every {every} s" if every else "too many children at once",
            )
        self._refuse(candidate, Refusal.BUSY)

    def _refusal(self, candidate: Candidate) -> Refusal | None:
        """
        @return: Why a child is not admitted; L{None} if it may be.
        """
        connection, info = candidate.connection, candidate.request.info
        try:
            settings = self.check(candidate)
        except Refused as refused:
            self._log.warn(
                "{peer}: {host} ({guid}) refused: {reason}",
                peer=connection.peer,
                host=info.hostname,
                guid=info.guid,
                reason=refused.reason,
            )
            self._remember(candidate, refused.reason)
            return Refusal.DENIED
        if info.guid == self._hub.local.info.guid and info.program == CHECKER:
            self._log.info("{peer}: 'netstream check' there has a key that is good", peer=connection.peer)
            return Refusal.LOCALHOST
        if info.guid == self._hub.local.info.guid:
            self._log.warn(
                "{peer}: {host} streams this node's own machine GUID {guid} back; give each node its own machine.guid",
                peer=connection.peer,
                host=info.hostname,
                guid=info.guid,
            )
            return Refusal.LOCALHOST
        host = self._hub.get(info.guid)
        over = self._quotas.refusal(
            info.guid, settings.quotas, host.table.living if host is not None else 0, self._clock.seconds()
        )
        if over:
            self._log.warn(
                "{peer}: {host} ({guid}) refused: {reason}",
                peer=connection.peer,
                host=info.hostname,
                guid=info.guid,
                reason=over,
            )
            self._remember(candidate, over)
            return Refusal.QUOTA
        if len(self._hub) >= HOSTS_MOST and self._hub.get(info.guid) is None:
            self._log.warn(
                "{peer}: {host} ({guid}) refused: this node knows {most} hosts already, which is the most",
                peer=connection.peer,
                host=info.hostname,
                guid=info.guid,
                most=HOSTS_MOST,
            )
            return Refusal.BUSY
        known = self._hub.get(info.guid)
        if known is not None and known.virtual and known.online:
            self._log.warn(
                "{peer}: {host} refused: {guid} is the virtual node {virtual} of this node",
                peer=connection.peer,
                host=info.hostname,
                guid=info.guid,
                virtual=known.info.hostname,
            )
            return Refusal.VIRTUAL_NODE
        return Refusal.BUSY if self._stopping or self._hub.draining else None

    def _remember(self, candidate: Candidate, reason: str) -> None:
        info = candidate.request.info
        mark = fingerprint(candidate.request.key.lower())
        now = self._clock.seconds()
        name = info.hostname[:SHOWN]
        self.turned.append(Turned(now, candidate.connection.peer, name, info.guid, mark, reason))

    def _check_no_machine(self, key: str) -> None:
        """
        Whatever C{stream.conf} says, the machine GUID of a node is no key:
        whoever sees the node knows it.
        """
        host = self._hub.get(key.lower())
        if host is not None:
            raise Refused(
                f"API key {fingerprint(key.lower())} is the machine GUID of {host.info.hostname}, which is no secret; "
                "give the host a key that 'netstream genkey' made"
            )

    def _claim(self, candidate: Candidate, heard_since: bool | None) -> Claim:
        """
        Find out whether the GUID of a child is free, and free it if whoever
        has it is dead.
        """
        connection, info, now = candidate.connection, candidate.request.info, self._clock.seconds()
        older = self._connections.get(info.guid)
        if older is None or older.host is None:
            return Claim.TAKES_OVER
        name = older.host.info.hostname
        same, every = name == info.hostname, older.host.info.update_every
        decided = claim(now - older.heard, older.stale_after, same, heard_since, every)
        if decided is Claim.WAITS and info.guid in self._probing:
            decided = Claim.REFUSED
        if decided is Claim.REFUSED:
            self._log.warn(
                "{peer}: {host} refused: {guid} is already streaming from {older} as {name}{advice}",
                peer=connection.peer,
                host=info.hostname,
                guid=info.guid,
                older=older.peer,
                name=name,
                advice="" if name == info.hostname else "; if they are two machines, remove the machine.guid of one",
            )
            self._remember(candidate, f"{info.guid} is already streaming from {older.peer} as {name}")
        elif decided is Claim.TAKES_OVER:
            self._log.warn(
                "{peer}: {host} takes over from {name} at {older}, which has been silent for {silent:.0f} s",
                peer=connection.peer,
                host=info.hostname,
                name=name,
                older=older.peer,
                silent=now - older.heard,
            )
            replaced = older.host
            older.replaced()
            if replaced is not None:
                # Who listens begins anew, since the one that comes may be set up otherwise.
                self._hub.disconnect(replaced, now)
        return decided

    def _probe(self, candidate: Candidate) -> None:
        """
        Listen to an older connection for a while before deciding.
        """
        guid = candidate.request.info.guid
        older, asked = self._connections[guid], self._clock.seconds()

        def decide() -> None:
            del self._probing[guid]
            same = self._connections.get(guid) is older
            self._admit(candidate, older.heard > asked if same else None)

        period = older.host.info.update_every if older.host is not None else 1
        self._probing[guid] = candidate, self._clock.callLater(probed_for(period), decide)

    def _admit(self, candidate: Candidate, heard_since: bool | None = None) -> None:
        # Much may have changed while it waited.
        refusal = self._refusal(candidate) or self._place(candidate)
        if refusal is True:
            del self._candidates[candidate.connection]
        elif refusal:
            self._refuse(candidate, refusal)
        else:
            self._decide(candidate, heard_since)

    def _decide(self, candidate: Candidate, heard_since: bool | None) -> None:
        decided = self._claim(candidate, heard_since)
        if decided is Claim.WAITS:
            self._probe(candidate)
        elif decided is Claim.REFUSED:
            self._refuse(candidate, Refusal.ALREADY_STREAMING)
        elif self._stopping:
            self._refuse(candidate, Refusal.BUSY)
        else:
            del self._candidates[candidate.connection]
            self._begin(candidate)
