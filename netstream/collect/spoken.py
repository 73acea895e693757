"""
The virtual nodes that one source of charts speaks for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from attrs import define, evolve
from twisted.logger import Logger

from netstream.hub.hub import Host, Hub, Link
from netstream.model.calls import Callee
from netstream.model.host import HostInfo
from netstream.model.samples import SampleBatch, SeriesTable
from netstream.model.updates import LabelsReplaced
from netstream.session.receiver import Receiver
from netstream.session.virtual import ITSELF, OS, VirtualNode

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


class VirtualNodes:
    """
    Makes hosts of the virtual nodes that one source speaks for.

    Each becomes a host of its own in the hub, and so is stored, shown and sent
    on like one that is connected.  It goes offline when nothing was said of it
    for a while.
    """

    _log = Logger()

    def __init__(
        self, hub: Hub, make: MakeReceiver, speaker: str = "a collector", callee: Callee | None = None
    ) -> None:
        """
        @param speaker: What the source is, for people.
        @param callee: Answers calls of their functions.
        """
        self._hub = hub
        self._make = make
        self._speaker = speaker
        self._callee = callee
        self._spoken: dict[str, _Spoken | None] = {}

    def tell(self, guid: str, lines: bytes, now: float) -> None:
        """
        Take in lines about a node that was defined.

        @raise ProtocolError: They say what makes no sense.
        """
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

    def sort(self, said: Iterable[tuple[str, bytes] | VirtualNode], now: float) -> Iterator[bytes]:
        """
        Take what is said of virtual nodes.

        @param said: What L{netstream.session.virtual.HostLines} gave.
        @param now: UTC seconds.
        @return: Whole lines about the node itself.
        @raise ProtocolError: Something said of a virtual node makes no sense.
        """
        for each in said:
            if isinstance(each, VirtualNode):
                self.define(each, now)
                continue
            guid, lines = each
            if guid == ITSELF:
                yield lines
            else:
                self.tell(guid, lines, now)

    def define(self, node: VirtualNode, now: float) -> None:
        """
        Speak for a node.
        """
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
                    "{name} ({guid}) is connected itself as {host}: what {speaker} says of it is dropped",
                    name=info.hostname,
                    guid=info.guid,
                    host=known.info.hostname,
                    speaker=self._speaker,
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
        peer = f"{self._speaker} of {self._hub.local.info.hostname}"
        host = self._hub.connect(info, self._hub.local.db, Link(peer, now), virtual=True)
        host.callee = self._callee
        return host

    def _disconnect(self, host: Host, now: float) -> None:
        if host.callee is self._callee:
            host.callee = None
        self._hub.disconnect(host, now)

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
                self._disconnect(host, now)

    def stop(self, now: float) -> None:
        """
        The source is gone.
        """
        for spoken in self._spoken.values():
            if spoken is not None and spoken.host.virtual and spoken.host.link is not None:
                self._disconnect(spoken.host, now)
        self._spoken.clear()
