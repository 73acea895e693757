"""
Forgetting nodes that are gone.
"""

from __future__ import annotations

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from netstream.db.messages import Unavailable
from netstream.hub.hub import Host, Hub
from netstream.hub.life import past

LOOKED_EVERY = 60.0
"""Seconds between two looks at all nodes."""


class NodeCleaning(Service):
    """
    Looks for nodes that have been away for long.
    """

    _log = Logger()

    def __init__(self, hub: Hub, clock: IReactorTime, cleanup: float, cleanup_ephemeral: float) -> None:
        """
        @param cleanup: Seconds after which a node that is gone is forgotten if
            no samples of it are on disk; 0 is never.
        @param cleanup_ephemeral: Seconds after which one that is ephemeral is
            forgotten with its samples; 0 is never.
        """
        self._hub = hub
        self._clock = clock
        self._cleanup = cleanup
        self._cleanup_ephemeral = cleanup_ephemeral
        self._next: IDelayedCall | None = None
        self._looking: Deferred[None] | None = None

    def reconfigure(self, cleanup: float, cleanup_ephemeral: float) -> None:
        """
        Forget nodes after other times, as of C{__init__}.
        """
        self._cleanup, self._cleanup_ephemeral = cleanup, cleanup_ephemeral

    def startService(self) -> None:
        """
        Begin to look (called by Twisted).
        """
        super().startService()
        self._next = self._clock.callLater(LOOKED_EVERY, self._look)

    def stopService(self) -> Deferred[None] | None:
        """
        Look no more (called by Twisted).
        """
        super().stopService()
        if self._next is not None and self._next.active():
            self._next.cancel()
        return self._looking

    def _look(self) -> None:
        self._next = self._clock.callLater(LOOKED_EVERY, self._look)
        if self._looking is not None:
            return
        self._looking = Deferred.fromCoroutine(self._clean())
        self._looking.addErrback(lambda failure: self._log.failure("nodes that are gone were not forgotten", failure))
        self._looking.addCallback(self._looked)

    def _looked(self, _: object) -> None:
        self._looking = None

    async def _clean(self) -> None:
        for host in self._hub:
            if self.running and not host.online and await self._is_past(host):
                self._log.info(
                    "{host} ({guid}) was forgotten: {why}",
                    host=host.info.hostname,
                    guid=host.info.guid,
                    why="it is ephemeral and gone" if host.ephemeral else "it is gone, and nothing is kept of it",
                )
                await self._hub.remove(host)

    async def _is_past(self, host: Host) -> bool:
        offline = self._clock.seconds() - max(host.seen, host.known_since)
        on_disk = host.db.keeps and host.db.mode != "ram"

        def decides(empty: bool) -> bool:
            return past(
                offline,
                ephemeral=host.ephemeral,
                keeps=on_disk,
                empty=empty,
                cleanup=self._cleanup,
                cleanup_ephemeral=self._cleanup_ephemeral,
            )

        if decides(False):
            return True
        if not decides(True):
            return False
        try:
            return not await host.db.bounds(host.info.guid) and not host.online
        except Unavailable:
            return False  # that is for the next look
