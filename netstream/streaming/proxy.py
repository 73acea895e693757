"""
Forwarding: every host that comes in goes on, each on a connection of its own.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList
from twisted.logger import Logger

from netstream.config.settings import StreamSettings
from netstream.hub.hub import Host, Hub
from netstream.streaming.choice import Connector
from netstream.streaming.uplink import Uplink


class Forwarder(Service):
    """
    Runs an L{Uplink} for each host that is online and to be forwarded, this
    node's own among them.

    @ivar uplinks: By machine GUID.
    """

    _log = Logger()

    def __init__(
        self,
        hub: Hub,
        forwarding: Callable[[Host], StreamSettings | None],
        uplink: Callable[[Host, StreamSettings], Uplink],
        connector: Callable[[StreamSettings], Connector],
    ) -> None:
        """
        @param forwarding: Says where a host goes; L{None} if nowhere.
        @param uplink: Makes the service that sends a host's samples.
        @param connector: Gives what connects by other settings.
        """
        self._hub = hub
        self._forwarding = forwarding
        self._make = uplink
        self._connector = connector
        self._cancel: Callable[[], None] | None = None
        self._stopping: dict[str, Deferred[None]] = {}
        self.uplinks: dict[str, Uplink] = {}

    def startService(self) -> None:
        """
        Forward what is online now and what comes (called by Twisted).
        """
        super().startService()
        self._cancel = self._hub.watch(self._changed)
        for host in self._hub:
            self._changed(host)

    def reconfigure(self) -> None:
        """
        Where hosts go may have changed.
        """
        for host in self._hub:
            self._changed(host)

    def _changed(self, host: Host) -> None:
        guid = host.info.guid
        running = self.uplinks.get(guid)
        settings = self._forwarding(host) if host.online and self.running else None
        wanted = settings is not None and settings.enabled and bool(settings.destinations and settings.api_key)
        if running is not None and not wanted:
            del self.uplinks[guid]
            self._end(host, running)
        elif running is not None and settings is not None and running.settings != settings:
            running.reconfigure(settings, self._connector(settings))
        elif running is None and wanted and guid not in self._stopping:
            assert settings is not None
            self.uplinks[guid] = self._make(host, settings)
            self.uplinks[guid].startService()

    def _end(self, host: Host, uplink: Uplink) -> None:
        """
        Stop sending a host; should it come back meanwhile, it is sent again
        only when the old connection is closed, since the parent would refuse
        a second one.
        """
        guid = host.info.guid
        stopping = self._stopping[guid] = uplink.stopService()

        def stopped(result: object) -> None:
            del self._stopping[guid]
            self._changed(host)

        stopping.addErrback(lambda failure: self._log.failure("an uplink did not stop", failure))
        stopping.addCallback(stopped)

    def stopService(self) -> Deferred[None]:
        """
        End all connections.

        @return: Fires when the last one is closed.
        """
        super().stopService()
        if self._cancel is not None:
            self._cancel()
        uplinks, self.uplinks = self.uplinks, {}
        for uplink in uplinks.values():
            self._end(uplink.host, uplink)
        done: Deferred[None] = Deferred()
        DeferredList(list(self._stopping.values())).addCallback(lambda _: done.callback(None))
        return done
