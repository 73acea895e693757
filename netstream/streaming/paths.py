"""
What this node says of itself in the stream paths of its hosts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from netstream.db.interfaces import Span
from netstream.hub.hub import Host, Hub
from netstream.model.identity import guid
from netstream.session.handshake import OWN
from netstream.wire.capabilities import Capability

LOOKED_EVERY = 5.0
"""Seconds between two looks for hosts whose oldest sample may have changed."""

MOST_AT_ONCE = 20
"""Hosts that are looked at in one look."""

SOON = 10.0
"""Seconds until a host is looked at again of which nothing is stored yet."""

LATER = 600.0
"""Seconds until any other is."""


class Paths(Service):
    """
    Keeps this node's entry in the path of each host that is online.

    The oldest sample that is kept of a host is looked up from time to time, of
    few hosts at once, since a database may have to look for it.
    """

    _log = Logger()

    def __init__(self, hub: Hub, clock: IReactorTime) -> None:
        self._hub = hub
        self._clock = clock
        self._started = 0
        self._due: dict[str, float] = {}
        self._timer: IDelayedCall | None = None
        self._turn: IDelayedCall | None = None
        self._cancel: Callable[[], None] | None = None

    def startService(self) -> None:
        """
        Begin with this node itself (called by Twisted).
        """
        super().startService()
        self._started = int(self._clock.seconds())
        self._cancel = self._hub.watch(self._changed)
        for host in self._hub:
            self._changed(host)
        self._timer = self._clock.callLater(LOOKED_EVERY, self._look)

    def stopService(self) -> None:
        """
        Say nothing more (called by Twisted).
        """
        super().stopService()
        if self._cancel is not None:
            self._cancel()
        for call in (self._timer, self._turn):
            if call is not None and call.active():
                call.cancel()
        self._timer = self._turn = None

    def _changed(self, host: Host) -> None:
        if host.elsewhere:
            return  # the process that has it says so
        if not host.online:
            self._due.pop(host.info.guid, None)
            return
        known = host.route.own
        self._place(host, known["first_time_t"] if known is not None else 0)
        self._origin(host)
        if host.db.keeps:
            self._due.setdefault(host.info.guid, self._clock.seconds() + LOOKED_EVERY / 2)

    def _place(self, host: Host, first: int) -> None:
        local = self._hub.local
        ephemeral = local.labels.get("_is_ephemeral")
        host.place(
            {
                "version": 1,
                "hops": host.info.hops,
                "since": int(host.link.since) if host.link is not None else self._started,
                "first_time_t": first,
                "start_time": 0,
                "shutdown_time": 0,
                "hostname": local.info.hostname,
                "host_id": local.info.guid,
                "node_id": None,
                "claim_id": _uuid(local.claim_id),
                "capabilities": tuple(OWN.names()),
                "flags": ("ephemeral",) if ephemeral is not None and ephemeral.value == "true" else (),
            }
        )

    def _origin(self, host: Host) -> None:
        """
        A child that says nothing of paths is at least the origin itself.
        """
        link = host.link
        if link is None or Capability.PATHS & link.capabilities:
            return
        capabilities = Capability(link.capabilities) if host.info.hops == 1 else Capability.V1
        host.route.from_child(
            [
                {
                    "version": 1,
                    "hops": 0,
                    "since": int(link.since),
                    "first_time_t": 0,
                    "start_time": 0,
                    "shutdown_time": 0,
                    "hostname": host.info.hostname,
                    "host_id": host.info.guid,
                    "node_id": None,
                    "claim_id": _uuid(host.claim_id),
                    "capabilities": tuple((capabilities | Capability.V1).names()),
                    "flags": (),
                }
            ]
        )

    def _look(self) -> None:
        self._timer = self._clock.callLater(LOOKED_EVERY, self._look)
        now = self._clock.seconds()
        self._look_at([name for name, second in self._due.items() if second <= now][:MOST_AT_ONCE])

    def _look_at(self, due: list[str]) -> None:
        """
        @param due: GUIDs of hosts, of each of which the charts are looked at
            in a turn of its own.
        """
        self._turn = None
        if not due:
            return
        name, *later = due
        host = self._hub.get(name)
        if host is None:
            self._due.pop(name, None)
        elif name in self._due:
            self._due[name] = self._clock.seconds() + LATER
            self._find(host)
        if later:
            self._turn = self._clock.callLater(0, self._look_at, later)

    def _find(self, host: Host) -> None:
        bounds: Deferred[Mapping[str, Span]] = host.db.bounds(host.info.guid)

        def found(spans: Mapping[str, Span]) -> None:
            first = min((span.first for span in spans.values()), default=0)
            if not self.running or host.info.guid not in self._due:
                return
            if not first:
                self._due[host.info.guid] = self._clock.seconds() + SOON
            self._place(host, first)

        def failed(failure: Any) -> None:
            self._log.failure("{host}: its oldest sample is not known", failure, host=host.info.hostname)

        bounds.addCallback(found).addErrback(failed)


def _uuid(text: str | None) -> str | None:
    try:
        return guid(text) if text else None
    except ValueError:
        return None
