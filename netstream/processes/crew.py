"""
All workers of a node: which has which host.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from attrs import evolve
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from netstream.config.processes import left_to, of_workers
from netstream.config.settings import Settings
from netstream.db.messages import Message
from netstream.db.remote import RemoteDB
from netstream.hub.hub import Host, Hub
from netstream.model.host import Label
from netstream.processes.member import NEW_HOST, Member, Spawn
from netstream.processes.work import CHOOSE, KEY_USE, LET_GO, RECONFIGURE, REMOVE, Orders
from netstream.streaming.passing import Taker
from netstream.wire.handshake import Refusal


class Crew:
    """
    All workers.

    A host stays with the process that has its history; one that is new goes
    to the worker that has least to do.
    """

    def __init__(
        self,
        settings: Settings,
        hub: Hub,
        clock: IReactorTime,
        spawn: Spawn,
        jitter: Callable[[], float] = random.random,
        spooled: Collection[str] = (),
    ) -> None:
        """
        @param spooled: As L{Member.spooled}, of this process.
        @param hub: Of this process, which serves.
        @param spawn: Starts a process.
        @param jitter: A number from 0 to 1, for pauses.
        """
        self._hub = hub
        self._spooled = spooled
        hub.watch(self._seen)
        self._given: dict[str, Member] = {}
        count = settings.node.workers
        self.members: Sequence[Member] = [
            Member(
                Orders(
                    number,
                    settings,
                    hub.local.info,
                    left_to(number, count, of_workers(settings.data_dir)),
                    hub.local.labels,
                ),
                hub,
                spawn,
                clock,
                jitter,
            )
            for number in range(1, count + 1)
        ]

    def start(self) -> Deferred[None]:
        """
        @return: Fires when all of them take connections; fails with
            L{CannotStart}.
        """
        for member in self.members:
            member.start()
        ready = gatherResults([member.first for member in self.members], consumeErrors=True)
        return ready.addCallbacks(lambda _: None, _first_failure)

    @property
    def engines(self) -> Iterator[RemoteDB]:
        """
        The databases of all workers.
        """
        for member in self.members:
            yield from member.engines

    def where(self, guid: str) -> Taker | Refusal | None:
        """
        Say who takes a host's connection, by its machine GUID.

        @return: L{None} is this process; a refusal if too many wait already
            for a worker that does not run just now.
        """
        host = self._hub.get(guid)
        if host is not None and not host.elsewhere:
            return None
        member = next((member for member in self.members if guid in member.mirror.hosts), self._given.get(guid))
        if member is None:
            if guid in self._spooled:
                return None
            member = next((member for member in self.members if guid in member.spooled), None)
        if member is None:
            self._given = {one: given for one, given in self._given.items() if one not in given.mirror.hosts}
            ready = [member for member in self.members if member.ready]
            member = self._given[guid] = min(ready or self.members, key=self._load)
        return member.take if member.ready or not member.crowded else Refusal.BUSY

    def _seen(self, host: Host) -> None:
        if host.removed and host.elsewhere:
            for member in self.members:
                if member.mirror.forget(host):
                    member.tell(REMOVE, Message({"guid": host.info.guid}))

    def let_go(self, guids: Sequence[str], reason: str) -> Deferred[int]:
        """
        As L{netstream.streaming.parent.Parent.let_go}, for children that
        workers have.
        """
        return self._all(LET_GO, guids, {"reason": reason})

    def reconfigure(self, settings: Settings, labels: Mapping[str, Label]) -> Deferred[list[str]]:
        """
        Let workers go by other settings, also those that are started again.

        @return: Fires with a line for each child that had to go.
        """
        asked = []
        for member in self.members:
            orders = member.orders = evolve(member.orders, settings=settings, labels=labels)
            if member.ready:
                asked.append(
                    member.ask(RECONFIGURE, orders.message()).addCallbacks(
                        lambda said: list(said.fields["went"]), lambda failure: []
                    )
                )
        return gatherResults(asked).addCallback(lambda found: [line for lines in found for line in lines])

    def key_use(self) -> Deferred[list[tuple[Mapping[str, int], Mapping[str, float]]]]:
        """
        @return: Fires with what L{netstream.streaming.parent.Parent.key_use}
            and C{used} are in each worker.
        """
        asked = [
            member.ask(KEY_USE).addCallbacks(
                lambda said: (said.fields["nodes"], said.fields["used"]), lambda failure: ({}, {})
            )
            for member in self.members
            if member.ready
        ]
        return gatherResults(asked)

    def choose_anew(self, guids: Sequence[str]) -> Deferred[int]:
        """
        Let workers choose a parent anew for what they send.

        @return: Fires with how many hosts moved.
        """
        return self._all(CHOOSE, guids, {})

    def _all(self, verb: str, guids: Sequence[str], fields: dict[str, Any]) -> Deferred[int]:
        """
        Tell each worker of its hosts among some.

        @return: Fires with the sum of what they counted; one that ends
            meanwhile counts nothing.
        """
        asked = []
        for member in self.members:
            theirs = [guid for guid in guids if guid in member.mirror.online]
            if theirs:
                message = Message({**fields, "guids": theirs})
                asked.append(
                    member.ask(verb, message).addCallbacks(lambda said: int(said.fields["count"]), lambda failure: 0)
                )
        return gatherResults(asked).addCallback(sum)

    def _load(self, member: Member) -> int:
        coming = sum(given is member for given in self._given.values())
        return member.load + coming * NEW_HOST

    def stop(self) -> Deferred[None]:
        """
        @return: Fires when all processes have ended.
        """
        return gatherResults([member.stop() for member in self.members]).addCallback(lambda _: None)


def _first_failure(failure: Failure) -> Failure:
    first = getattr(failure.value, "subFailure", failure)
    assert isinstance(first, Failure)
    return first
