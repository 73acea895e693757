"""
What collectors say, taken in: of this node, and of the virtual nodes that they
speak for.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, evolve
from twisted.logger import Logger

from netstream.collect.feed import add_state
from netstream.hub.hub import Host, Hub, Link
from netstream.model.host import HostInfo
from netstream.model.samples import SampleBatch, SeriesTable
from netstream.model.updates import LabelsReplaced
from netstream.session.receiver import Receiver
from netstream.session.virtual import ITSELF, OS, HostLines, VirtualNode

SILENT_FOR = 60.0
"""Seconds without a sample after which a virtual node is offline, at least."""

MakeReceiver = Callable[[SeriesTable, str], Receiver]
"""Makes what reads the lines about a node; is given its series and its machine
GUID."""


@define(eq=False)
class _Spoken:
    """
    A virtual node that is spoken for.
    """

    host: Host
    receiver: Receiver


class Collected:
    """
    Takes in the text of collectors.

    Each virtual node becomes a host of its own in the hub, and so is stored,
    shown and sent on like one that is connected.  It goes offline when nothing
    was said of it for a while.

    @ivar forget_states: Call it when another one takes over: the local host
        then no longer asks this one where the collection of charts stands.
    """

    _log = Logger()

    def __init__(self, hub: Hub, make: MakeReceiver) -> None:
        self._hub = hub
        self._make = make
        local = hub.local
        self._lines = HostLines((local.info.guid, local.info.hostname.lower()))
        self._receiver = make(local.table, local.info.guid)
        self.forget_states = add_state(local, self._receiver.state)
        self._spoken: dict[str, _Spoken | None] = {}

    def tell(self, text: bytes, now: float) -> None:
        """
        Take in text.

        @param now: UTC seconds.
        @raise ProtocolError: It says what makes no sense.
        """
        for said in self._lines.receive(text):
            if isinstance(said, VirtualNode):
                self._define(said, now)
                continue
            guid, lines = said
            if guid == ITSELF:
                for update in self._receiver.receive(lines, now):
                    self._hub.local.apply(update)
            else:
                self._tell_of(guid, lines, now)

    def _tell_of(self, guid: str, lines: bytes, now: float) -> None:
        spoken = self._spoken.get(guid)
        if spoken is None:
            return  # it speaks for itself, which was said
        host = spoken.host
        if host.removed or not host.virtual:
            spoken = self._begin(host.info, now)
            if spoken is None:
                return
            host = spoken.host
        elif host.link is None:
            self._connect(host.info, now).state = spoken.receiver.state
        for update in spoken.receiver.receive(lines, now):
            if isinstance(update, SampleBatch) and len(update) and host.link is not None:
                host.link.clock.note(int(update.time.max()), now)
            host.apply(update)

    def _define(self, node: VirtualNode, now: float) -> None:
        local = self._hub.local.info
        info = evolve(
            local, guid=node.guid, hostname=node.hostname, registry_hostname=node.hostname, os=OS, hops=1, system={}
        )
        known = self._spoken.get(node.guid)
        if known is not None and known.host.virtual and known.host.online and known.host.info == info:
            spoken: _Spoken | None = known
        else:
            spoken = self._begin(info, now)
        if spoken is not None and spoken.host.labels != node.labels:
            spoken.host.apply(LabelsReplaced(node.labels))

    def _begin(self, info: HostInfo, now: float) -> _Spoken | None:
        """
        Speak for a node from now on.

        @return: L{None} if it is connected and speaks for itself.
        """
        known = self._hub.get(info.guid)
        if known is not None and known.online and not known.virtual:
            if self._spoken.get(info.guid, known) is not None:
                self._log.warn(
                    "{name} ({guid}) is connected itself as {host}: what a collector says of it is dropped",
                    name=info.hostname,
                    guid=info.guid,
                    host=known.info.hostname,
                )
            self._spoken[info.guid] = None
            return None
        before = self._spoken.get(info.guid)
        host = self._connect(info, now)
        if before is None or before.host is not host:
            before = self._spoken[info.guid] = _Spoken(host, self._make(host.table, info.guid))
        host.state = before.receiver.state
        return before

    def _connect(self, info: HostInfo, now: float) -> Host:
        try:
            self._hub.tombstones.lift(info.guid)
        except OSError as problem:
            self._log.error("the removal of {guid} cannot be taken back: {problem}", guid=info.guid, problem=problem)
        peer = f"a collector of {self._hub.local.info.hostname}"
        return self._hub.connect(info, self._hub.local.db, Link(peer, now), virtual=True)

    def sweep(self, now: float) -> None:
        """
        See who has not been spoken for lately; call it again and again.
        """
        for spoken in self._spoken.values():
            if spoken is None:
                continue
            host = spoken.host
            silent = now - host.link.clock.heard if host.link is not None and host.virtual else 0.0
            if silent > max(SILENT_FOR, 3 * host.info.update_every):
                self._log.info("{host}: no collector speaks for it any more", host=host.info.hostname)
                self._hub.disconnect(host, now)

    def stop(self, now: float) -> None:
        """
        Nothing more is collected.
        """
        for spoken in self._spoken.values():
            if spoken is not None and spoken.host.virtual and spoken.host.link is not None:
                self._hub.disconnect(spoken.host, now)
        self._spoken.clear()
        self.forget_states()
