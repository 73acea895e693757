"""
The service tree of a node: what its settings switch on, put together.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from twisted.application.service import IService, MultiService
from twisted.internet.defer import CancelledError, Deferred, fail, maybeDeferred, succeed
from twisted.internet.interfaces import (
    IReactorInThreads,
    IReactorTime,
)
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger

import netstream
from netstream import plain
from netstream.collect.facts import host_info, host_labels
from netstream.collect.feeds import feeds, writer
from netstream.collect.service import CollectService
from netstream.config.machine import machine_guid
from netstream.config.processes import left_to, of_workers
from netstream.config.reload import Configuration
from netstream.config.settings import Destination, KeySettings, Mode, Settings, StreamSettings
from netstream.control.commands import Control
from netstream.control.reloading import Reloaded, Reloading
from netstream.control.service import ControlSocket
from netstream.db.databases import Databases
from netstream.db.interfaces import IMetricsDB
from netstream.db.sharing import Sharing
from netstream.db.workers import Workers
from netstream.hub.cleaning import NodeCleaning
from netstream.hub.hub import Host, Hub
from netstream.hub.owners import NAME as OWNERS
from netstream.hub.owners import Owners
from netstream.hub.tombstones import NAME as TOMBSTONES
from netstream.hub.tombstones import Tombstones
from netstream.kernel import COMPILED
from netstream.model.updates import LabelsReplaced
from netstream.streaming.figures import Figures
from netstream.streaming.paths import Paths
from netstream.streaming.proxy import Forwarder
from netstream.streaming.spills import count_spills
from netstream.streaming.uplink import Uplink
from netstream.streaming.uplinks import Uplinks

if TYPE_CHECKING:
    from netstream.collect.program import NumberChart, NumberCharts
    from netstream.health.service import HealthService, Outlet
    from netstream.processes.crew import Crew
    from netstream.processes.member import Spawn
    from netstream.streaming.parent import Parent
    from netstream.streaming.ports import Ports, Prepared
    from netstream.tls.reminders import Reminders
    from netstream.tls.server import Server

MakeCollector = Callable[[Hub, Settings, IReactorTime], IService]
"""Makes the service that measures this machine and tells the hub."""


def _collecting(hub: Hub, settings: Settings, reactor: Any) -> CollectService:
    threads = IReactorInThreads(reactor, None)
    if threads is None:
        return CollectService(hub, settings, reactor)
    return CollectService(hub, settings, reactor, start=threads.callInThread)


def _secure(stream: StreamSettings) -> list[Destination]:
    return [destination for destination in stream.destinations if destination.tls] if stream.enabled else []


def _unverified(stream: StreamSettings) -> list[Destination]:
    return _secure(stream) if stream.tls.skip_verification else []


def _replaced(settings: Settings) -> tuple[object, ...]:
    """
    @return: What feeds and exports are made of.
    """
    return settings.exporting, settings.feeds, settings.plugins.get("twisted", False)


class CannotServe(Exception):
    """
    None of the entries of C{bind to} could be listened on, or a worker cannot
    run.
    """


class Node(MultiService):
    """
    A node of any role: one service for any Twisted application.

    What only some roles need (databases, workers, alerts, exporting, the site,
    taking in streams, TLS) is imported once it is needed: small machines run
    the others.

    It starts in order: what is kept is opened and read, then the ports open,
    then collecting and sending begin; and it stops in the opposite order, so
    that the last sample is written before C{stopService} is done.  What it
    opened before it failed to start is closed again.

    @ivar settings: What it was told.
    @ivar ready: Fires with the node when it has started; fails with
        L{CannotServe} or L{OSError} if it could not, and with
        C{CancelledError} if it was stopped before.
    @ivar hub: What it knows; set once L{ready} has fired.
    @ivar health: What watches the hosts; L{None} if none has a database.
    @ivar control: What it can be told; set once L{ready} has fired.
    @ivar urls: Where it serves, as C{http://ADDRESS:PORT/}, C{https://} where
        browsers need TLS.
    """

    _log = Logger()
    hub: Hub
    control: Control

    def __init__(
        self,
        settings: Settings,
        reactor: Any,
        collect: MakeCollector = _collecting,
        workers: Workers | None = None,
        jitter: Callable[[], float] = random.random,
        spawn: Spawn | None = None,
        configuration: Configuration | None = None,
    ) -> None:
        """
        @param reactor: Provides time, TCP, Unix sockets, names and threads.
        @param collect: Makes the service that measures this machine.
        @param workers: Where databases do blocking work; threads of their own
            if not given.
        @param jitter: Gives a random number from 0 to 1, for pauses and for
            the choice among equal parents.
        @param spawn: Starts the processes of C{[global] workers}; fresh
            interpreters if not given.
        @param configuration: What reads the files again; L{None} if the
            settings are not of files.
        """
        super().__init__()
        self.settings = settings
        self.ready: Deferred[Node] = Deferred()
        self.urls: list[str] = []
        self._reactor = reactor
        self._make_collector = collect
        self._workers = workers
        self._jitter = jitter
        self._spawn = spawn
        self._crew: Crew | None = None
        self._sharing: Sharing | None = None
        self._program: NumberCharts | None = None
        self._configuration = configuration
        self._reloading: Reloading | None = None
        self._told: list[Callable[[Settings], object]] = []
        self._reminders: Reminders | None = None
        self._uplinks: Uplinks | None = None
        self._anew: list[IService] = []
        self._left: Sequence[int] = ()
        self._databases: Databases | None = None
        self._ports: Ports | None = None
        self._tls: Server | None = None
        self._parent: Parent | None = None
        self._forwarder: Forwarder | None = None
        self._collector: IService | None = None
        self.health: HealthService | None = None
        self._starting: Deferred[None] | None = None
        self._stopping = False

    def startService(self) -> None:
        """
        Begin to start; L{ready} tells when that is done (called by Twisted).
        """
        super().startService()
        self._stopping = False
        self._starting = Deferred.fromCoroutine(self._start_or_release())
        self._starting.addCallbacks(lambda _: self.ready.callback(self), self.ready.errback)

    async def _start_or_release(self) -> None:
        try:
            await self._start()
        except Exception:
            await self._release()
            raise

    def _go_on(self) -> None:
        """
        Between two steps of the start.

        @raise CancelledError: There shall be no next one.
        """
        if self._stopping:
            raise CancelledError()

    async def _start(self) -> None:
        settings, self._told, self._reminders = self.settings, [], None
        for warning in settings.warnings:
            self._log.warn("{text}", text=warning)
        guid = machine_guid(settings.data_dir)
        self._uplinks = uplinks = Uplinks(self._reactor, self._jitter, guid)
        self._prepare_tls()
        count = settings.node.workers
        self._left = left = left_to(0, count, of_workers(settings.data_dir))
        self._databases = Databases(settings, self._reactor, self._workers, left=left)
        self._told.append(self._databases.reconfigure)
        await self._databases.open()
        self._go_on()
        info = host_info(guid, settings.node.hostname, settings.db.update_every, timezone=settings.node.timezone)
        tombstones = Tombstones(settings.data_dir / TOMBSTONES)
        tombstones.load()
        owners = Owners(settings.data_dir / OWNERS)
        owners.load()
        self.hub = Hub(info, self._databases.of(settings.db.mode), tombstones, owners=owners)
        self.hub.databases = self._engines
        uplinks.counts, uplinks.spool = self.hub.counts, self._databases.spool_of
        self.hub.certificate = lambda: self._tls.expires if self._tls is not None else None
        self._databases.ask(self.hub.definition)
        count_spills(self._databases.spools, self.hub)
        for database in self._databases:
            for stored in await database.stored():
                if tombstones.of(stored.record.info.guid) is not None:
                    await database.forget(stored.record.info.guid)  # that was cut short
                else:
                    self.hub.restore(stored, database).known_since = self._reactor.seconds()
            self._go_on()
        self.hub.local.info = info
        self.hub.local.save()
        self._label(settings)
        self._told.append(self._label)
        Paths(self.hub, self._reactor).setServiceParent(self)
        Figures(self.hub, self._reactor).setServiceParent(self)
        if settings.web.listeners or count:
            from netstream.streaming.parent import Parent

            self._parent = Parent(self.hub, settings, self._database, self._reactor)
        self.health = self._watching()
        if self.health is not None:
            self._told.append(self.health.reconfigure)
        if count and self._parent is not None:
            await self._start_crew(self._parent)
            self._go_on()
        sharing = self._sharing = Sharing(self._engines, settings.db.tier_size, self._reactor)
        self._told.append(lambda new: sharing.limit(new.db.tier_size))
        self._sharing.start()
        if self._parent is not None:
            await self._listen(self._parent)
        self._go_on()
        self._collector = self._make_collector(self.hub, settings, self._reactor)
        self._collector.setServiceParent(self)
        if isinstance(self._collector, CollectService):
            self._told.append(self._collector.reconfigure)
        db = settings.db
        cleaning = NodeCleaning(self.hub, self._reactor, db.cleanup_hosts, db.cleanup_ephemeral)
        cleaning.setServiceParent(self)
        self._told.append(lambda new: cleaning.reconfigure(new.db.cleanup_hosts, new.db.cleanup_ephemeral))
        if self._program is not None:
            self._run_program(self._program)
        forwarder = self._forwarder = Forwarder(self.hub, self._forwarding, uplinks.make, uplinks.connector)
        self._forwarder.setServiceParent(self)
        self._told.append(lambda new: forwarder.reconfigure())
        self._begin_anew(settings)
        if self.health is not None:
            self.health.setServiceParent(self)
        reload_health = self.reload_health if self.health is not None else None
        if self._configuration is not None:
            self._reloading = Reloading(self._configuration, self._prepare, self._reconfigure, reload_health)
        self.control = Control(
            self.hub,
            settings,
            self._parent,
            self._forwarder,
            self._reactor,
            self._jitter,
            netstream.__version__,
            self._crew,
            reload_health,
            self._reloading,
        )
        self._told.append(self.control.reconfigure)
        ControlSocket(self.control, settings.data_dir, self._reactor).setServiceParent(self)
        self._greet()

    def chart(self, chart_id: str, **about: Any) -> NumberChart:
        """
        Get or make a chart of the program that this node is part of, also
        before the node has started.

        @param chart_id: C{TYPE.NAME}.
        @param about: As of L{netstream.collect.program.NumberCharts.chart}.
        @raise ValueError: The id is not of that form.
        """
        if self._program is None:
            from netstream.collect.program import NumberCharts

            self._program = NumberCharts("program.plugin")
            if self._forwarder is not None:
                self._run_program(self._program)
        return self._program.chart(chart_id, **about)

    def _run_program(self, program: NumberCharts) -> None:
        program.attach(self.hub, self.settings, self._reactor)
        if program.parent is None:
            program.setServiceParent(self)
        elif not program.running:
            program.startService()

    def _prepare_tls(self) -> None:
        """
        Read certificates, so that a wrong one stops the start.

        @raise ConfigError: One cannot be used.
        """
        if self.settings.web.tls is not None:
            from netstream.tls.server import Server

            self._tls = Server(self.settings.web.tls)
            self._tell_ciphers()
        self._check(self.settings)
        self._remind(self.settings)
        self._told.append(self._remind)

    def _tell_ciphers(self) -> None:
        if self._tls is not None and self._tls.left_out:
            self._log.warn(
                "[web] tls ciphers: {names} left out: only ECDHE with authenticated encryption is used",
                names=", ".join(self._tls.left_out),
            )

    def _remind(self, settings: Settings) -> None:
        """
        Have the log remind of what its owner should look at.
        """
        unverified = _unverified(settings.stream)
        if self._reminders is not None:
            self._reminders.reconfigure(self._tls, unverified)
        elif self._tls is not None or unverified:
            from netstream.tls.reminders import Reminders

            self._reminders = Reminders(self._reactor, self._tls, unverified)
            self._reminders.setServiceParent(self)

    async def _prepare(self, settings: Settings) -> Prepared | None:
        """
        Read and open what settings name.

        @return: What becomes of the ports, if there are any.
        @raise ConfigError: Something cannot be read or opened, and then nothing
            has changed.
        """
        self._check(settings)
        return await self._ports.prepare(settings) if self._ports is not None else None

    def _check(self, settings: Settings) -> None:
        """
        Read the certificates that settings name for what this node connects
        to.

        @raise ConfigError: One cannot be used, or this process has no TLS.
        """
        plain.check(settings)
        if _secure(settings.stream):
            assert self._uplinks is not None
            self._uplinks.trust(settings.stream.tls)
        encrypted = [target for target in settings.exporting if any(each.tls for each in target.destinations)]
        if encrypted:
            from netstream.export.tls import TLS

            for target in encrypted:
                TLS(target)

    def reconfigure(self, settings: Settings) -> Deferred[Sequence[str]]:
        """
        Go by other settings while it runs; those that
        L{netstream.config.reload.AT_START} names have to be as they were.

        @return: Fires with a line for each child that had to go; fails with
            L{ConfigError}, and then nothing has changed.
        """
        return Deferred.fromCoroutine(self._prepare_and_reconfigure(settings))

    async def _prepare_and_reconfigure(self, settings: Settings) -> Sequence[str]:
        return await self._reconfigure(settings, await self._prepare(settings))

    async def _reconfigure(self, settings: Settings, prepared: Prepared | None) -> Sequence[str]:
        before, self.settings = self.settings, settings
        closed: Deferred[Any] = succeed(None)
        if self._ports is not None and prepared is not None:
            closed = self._ports.go_by(prepared)
            self._tls, self.urls[:] = self._ports.tls, self._ports.urls
            if settings.web.tls != before.web.tls:
                self._tell_ciphers()
        went = self._parent.reconfigure(settings) if self._parent is not None else []
        for tell in self._told:
            tell(settings)
        if self._crew is not None:
            went += await self._crew.reconfigure(settings, self.hub.local.labels)
        if _replaced(settings) != _replaced(before):
            services, self._anew = self._anew, []
            for service in services:
                await maybeDeferred(service.disownServiceParent)
            if not self._stopping:
                self._begin_anew(settings)
        await closed
        return went

    def reload(self) -> Deferred[Reloaded]:
        """
        Read the files again, and go by them.

        @return: Fires when it does; fails with L{ConfigError}, and then
            nothing has changed.
        """
        if self._reloading is None or self._stopping:
            return fail(CancelledError())
        return self._reloading.reload()

    def _label(self, settings: Settings) -> None:
        labels = host_labels(settings)
        if labels != self.hub.local.labels:
            self.hub.local.apply(LabelsReplaced(labels))

    def _begin_anew(self, settings: Settings) -> None:
        """
        Begin what is made anew whenever its settings change.
        """
        self._anew += feeds(self.hub, settings, self._reactor)
        if settings.exporting:
            from netstream.export.service import exports

            assert self._uplinks is not None
            connect = partial(self._uplinks.plain, StreamSettings())
            self._anew += exports(self.hub, settings, self._reactor, connect, left=self._left)
        for service in self._anew:
            service.setServiceParent(self)

    async def _start_crew(self, parent: Parent) -> None:
        """
        Have the workers run, so that their hosts are known before a port
        opens.

        @raise CannotServe: One cannot.
        """
        from netstream.processes.crew import Crew
        from netstream.processes.member import CannotStart, spawn_with

        assert self._databases is not None
        spawn, spooled = self._spawn or spawn_with(self._reactor), self._databases.spooled
        crew = self._crew = Crew(self.settings, self.hub, self._reactor, spawn, spooled=spooled)
        try:
            await self._crew.start()
        except CannotStart as problem:
            raise CannotServe(str(problem)) from problem
        self.hub.processes = lambda: {member.name: member.pid for member in crew.members}
        parent.elsewhere = self._crew.where

    def _engines(self) -> Iterator[IMetricsDB]:
        """
        @return: All databases, of every process.
        """
        yield from self._databases or ()
        yield from self._crew.engines if self._crew is not None else ()

    def _greet(self) -> None:
        role = self.settings.role.value
        if COMPILED:
            self._log.info("the compiled kernel runs")
        else:
            self._log.info(
                "the kernel runs as plain Python, with the same results but some forty times slower; with a C compiler"
                " and Python's headers (gcc libc6-dev python3-dev) an installation compiles it"
            )
        if not self.urls:
            self._log.info("netstream {version} ({role}) runs without a port", version=netstream.__version__, role=role)
        for url in self.urls:
            self._log.info(
                "netstream {version} ({role}) serves {url}", version=netstream.__version__, role=role, url=url
            )

    @property
    def port(self) -> int:
        """
        The first TCP port that it listens on; 0 if there is none.
        """
        return self._ports.first if self._ports is not None else 0

    @property
    def uplinks(self) -> Mapping[str, Uplink]:
        """
        What sends hosts on, by machine GUID.
        """
        return self._forwarder.uplinks if self._forwarder is not None else {}

    def _database(self, settings: KeySettings) -> Any:
        assert self._databases is not None
        return self._databases.of(settings.mode)

    def _watching(self) -> HealthService | None:
        """
        @return: What watches the hosts, if any of them has a database.
        """
        if self.settings.modes == {Mode.NONE}:
            return None
        from netstream.health.service import HealthService

        return HealthService(
            self.hub,
            self.settings,
            self._reactor,
            settings_of=self._admitted,
            forwarded=self._forwarded,
            expires=self.hub.certificate,
            workers=self._workers,
            outlet=self._outlet,
        )

    def _outlet(self, health: HealthService) -> Outlet:
        from netstream.health.notify.notifier import Notifier
        from netstream.health.notify.wires import Reactor

        settings, journal = self.settings, health.journal
        wires = Reactor(self._reactor, settings.health.exec_timeout)
        return Notifier(
            settings.config_dir,
            self._reactor,
            wires,
            journal.delivery,
            lambda message, good: journal.ended(message.guid, message.unique_id, good),
        )

    async def reload_health(self) -> tuple[int, list[str]]:
        """
        Read the definitions of alerts, and who is told, again.

        @return: How many definitions are in use, and what is wrong in the
            files.
        """
        if self.health is None or not self.health.running:
            return 0, []
        await self.health.reload()
        count, problems = self.health.definitions_count(), self.health.problems
        self._log.info("{count} alert definitions are in use", count=count)
        return count, problems

    def _admitted(self, host: Host) -> KeySettings | None:
        return self._parent.admitted.get(host.info.guid) if self._parent is not None else None

    def _forwarded(self, host: Host) -> bool:
        return host.upstream is not None and host.upstream.connected

    def _forwarding(self, host: Host) -> StreamSettings | None:
        if host.local or host.virtual:
            return self.settings.stream
        if host.elsewhere:
            return None
        admitted = self._admitted(host)
        return admitted.proxy if admitted is not None else None

    async def _listen(self, parent: Parent) -> None:
        """
        Open the ports.

        @raise CannotServe: None of them can be opened.
        """
        if not self.settings.web.listeners:
            return
        from netstream.streaming.ports import Ports
        from netstream.web.site import site

        written = writer(self.hub, self.settings, self._reactor)
        if written is not None:
            written.setServiceParent(self)
        pages = site(self.hub, self.settings, self._reactor, self.health, self._beside, written)
        self._ports = Ports(self._reactor, self.settings, parent.protocol, pages, self._tls)
        problems = await self._ports.open()
        self.urls[:] = self._ports.urls
        if problems and not self.urls:
            raise CannotServe("; ".join(problems))

    def _beside(self, work: Callable[[], bool]) -> Deferred[bool]:
        """
        Do what takes long, but not where it holds everybody up.
        """
        if self._workers is not None:
            return self._workers.read(work)
        return deferToThreadPool(self._reactor, self._reactor.getThreadPool(), work)

    def stopService(self) -> Deferred[None]:
        """
        Stop in the opposite order of starting.

        @return: Fires when the last connection is closed and the last sample
            is written.
        """
        self._stopping = True
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        if self._starting is not None:
            # A database that is being opened must be there to be closed.
            await self._starting
        await self._release()

    async def _release(self) -> None:
        """
        Close all that is open; what cannot be closed keeps nothing else open.
        """
        ports, self._ports = self._ports, None
        if ports is not None:
            await ports.stop_listening()
        if self._parent is not None:
            self._parent.stop()
        await super().stopService()
        if ports is not None:
            await ports.close()
        if self._sharing is not None:
            self._sharing.stop()
        if self._crew is not None:
            await self._crew.stop()
        databases, self._databases = self._databases, None
        if databases is not None:
            await databases.close()
