"""
The service of a node that watches its hosts: time, hosts that come and go, and
what is told.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import LoopingCall, deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from netstream.config.settings import KeySettings, Settings
from netstream.db.workers import Threads, Workers
from netstream.health import silencers as silenced
from netstream.health.alerts import Alert, Status, Transition
from netstream.health.children import EVERY, Children
from netstream.health.definitions import Repeat
from netstream.health.engine import Counter, HostAlerts, Rules
from netstream.health.journal import Journal, reason_not_to_tell
from netstream.health.library import library
from netstream.health.log import FILE, AlertLog, Kept
from netstream.health.notify.message import Message
from netstream.health.own import EVERY as OWN_EVERY
from netstream.health.own import OwnCharts
from netstream.health.passes import evaluate
from netstream.health.silencers import Silencers
from netstream.hub.hub import Host, Hub
from netstream.model.identity import new_guid

TOKEN_FILE = "management.key"
"""In the data directory: the token of those who silence alerts."""
TRIMMED_EVERY = 3600
"""Seconds between two times at which old transitions are forgotten."""
AT_ONCE = 100
"""Charts that are looked at for their alerts before other work gets its turn."""
JUMP = 5.0
"""Seconds that the clock may be ahead of the time that passed without this
being taken for a sleep."""

UNNOTICED = 300
"""Seconds in which another node may have been away before that was noticed."""

SettingsOf = Callable[[Host], KeySettings | None]
"""What holds for a host that streams here; L{None} if it did not yet."""


class Outlet:
    """
    Where messages go.  This one drops them.
    """

    @property
    def waiting(self) -> int:
        """
        How many messages are not delivered yet.
        """
        return 0

    def restore(self, kept: Kept) -> None:
        """
        Go on with deliveries that were not done when the process ended.
        """

    def tell(self, message: Message, program: str) -> bool:
        """
        Send a message to all whom it concerns.  It returns at once.

        @param program: What the alert wants to be run in place of what is
            built in; C{""} is nothing.
        @return: Whether there is anyone.
        """
        return False

    def receivers(self, roles: str, program: str) -> list[str]:
        """
        @return: Who would be told, for a person.
        """
        return []

    def reload(self) -> None:
        """
        Read the files again.
        """

    def stop(self) -> Deferred[None] | None:
        """
        Begin nothing more.
        """
        return None


class HealthService(Service):
    """
    Watches all hosts that have a database.

    @ivar hosts: Their alerts, by machine GUID.
    @ivar journal: What has happened.
    @ivar silencers: What someone silenced.
    @ivar token: The secret of those who may silence alerts over HTTP; C{""}
        as long as there is none.
    @ivar problems: What is wrong in the definitions, with file and line.
    """

    _log = Logger()

    def __init__(
        self,
        hub: Hub,
        settings: Settings,
        reactor: Any,
        *,
        settings_of: SettingsOf = lambda host: None,
        forwarded: Callable[[Host], bool] = lambda host: False,
        expires: Callable[[], float | None] = lambda: None,
        workers: Workers | None = None,
        outlet: Callable[[HealthService], Outlet] = lambda service: Outlet(),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        @param reactor: Provides time, and threads unless C{workers} does.
        @param forwarded: Whether a host is streamed on to a parent now.
        @param expires: When the certificate of this node expires, UTC seconds;
            L{None} if it has none.
        @param outlet: Makes what tells people.
        @param monotonic: Time that does not pass while the machine sleeps.
        """
        self.hub = hub
        self.settings = settings
        self.hosts: dict[str, HostAlerts] = {}
        self.silencers = Silencers()
        self.problems: list[str] = []
        self.token = ""
        self._reactor = reactor
        self._settings_of = settings_of
        self._forwarded = forwarded
        self._monotonic = monotonic
        self._workers = workers or Threads(reactor)
        self.journal = Journal(AlertLog(settings.data_dir / FILE), self._workers, settings.health.log_entries)
        self._rules = Rules()
        self._numbers = Counter()
        self._outlet = outlet(self)
        self._cancel: Callable[[], None] = lambda: None
        self._loop = LoopingCall(self._tick)
        self._loop.clock = reactor
        self._loop_done: Deferred[Any] | None = None
        self._busy = False
        self._idle: list[Deferred[None]] = []
        self._last = (0.0, 0.0)
        self._pause = 0.0
        self._trimmed = 0.0
        self._opened = False
        self._started: Deferred[None] = succeed(None)
        self._children: Children | None = None
        self._counted = 0
        self._own = OwnCharts(hub, expires, settings.db)
        self._own_at = 0

    # Its life.

    def startService(self) -> None:
        """
        Read what there is; then begin to watch (called by Twisted).
        """
        super().startService()
        self._workers.start()
        self._started = Deferred.fromCoroutine(self._start()).addErrback(
            lambda failure: self._log.failure("alerts are not evaluated", failure)
        )

    async def _start(self) -> None:
        try:
            kept = await self.journal.open()
            self._opened = True
        except OSError as problem:
            self._log.error("alerts are not logged: {problem}", problem=str(problem))
            kept = Kept()
        self._numbers.last = max(kept.last_id, int(self._reactor.seconds()))
        try:
            self.token = await self._workers.write(self._own_token)
        except OSError as problem:
            self._log.error("{problem}; alerts cannot be silenced over HTTP", problem=problem)
        self._read_silencers(await self._workers.write(self._silencers_text))
        await self.reload()
        if not self.running:
            return
        self._outlet.restore(kept)
        self._cancel = self.hub.watch(self._seen)
        for host in self.hub:
            self._seen(host)
        if self.mode(self.hub.local) == "yes":
            self._children = Children(self.hub, int(self._reactor.seconds()))
        self._last = self._reactor.seconds(), self._monotonic()
        self._loop_done = self._loop.start(1.0)

    def stopService(self) -> Deferred[None]:
        """
        Watch no more (called by Twisted).

        @return: Fires when what happened is written.
        """
        super().stopService()
        self._cancel()
        if self._loop.running:
            self._loop.stop()
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        await self._started  # what is being read keeps a thread
        stopping = self._outlet.stop()
        if stopping is not None:
            await stopping
        if self._busy:
            waiting: Deferred[None] = Deferred()
            self._idle.append(waiting)
            await waiting
        for these in self.hosts.values():
            these.close()
        if self._opened:
            self._opened = False
            await self.journal.close()
        self._workers.stop()

    def reconfigure(self, settings: Settings) -> None:
        """
        Watch by other settings; L{reload} reads the definitions.
        """
        self.settings = settings
        if self._loop.running:
            for host in self.hub:
                self._seen(host)

    def reload(self) -> Deferred[None]:
        """
        Read the definitions and who is told again; alerts whose definition is
        the same go on as they are.

        @return: Fires when they are in use.
        """
        return Deferred.fromCoroutine(self._reload())

    async def _reload(self) -> None:
        health = self.settings.health
        found = await self._workers.read(lambda: library(self.settings.config_dir, stock=health.stock))
        self.problems = found.problems
        for problem in found.problems:
            self._log.warn("{problem}", problem=problem)
        repeat = Repeat(health.repeat_warning, health.repeat_critical)
        self._rules = Rules(tuple(found.definitions), health.alerts, repeat, health.exec)
        for these in self.hosts.values():
            these.follow(self._rules)
        self._outlet.reload()

    # Hosts.

    def mode(self, host: Host) -> str:
        """
        @return: C{yes}, C{no} or C{auto}, as the settings of a host say.
        """
        if not host.db.keeps:
            return "no"
        if host.local:
            return "yes" if self.settings.health.enabled else "no"
        settings = self._settings_of(host)
        return settings.health if settings is not None else "auto"

    def watched(self, host: Host) -> bool:
        """
        @return: Whether the alerts of a host are evaluated just now.
        """
        mode = self.mode(host)
        return mode == "yes" or (mode == "auto" and host.online)

    def _seen(self, host: Host) -> None:
        """
        A host is new, came, went, or was removed.
        """
        if host.removed:
            gone = self.hosts.pop(host.info.guid, None)
            if gone is not None:
                gone.close()
            return
        these = self.hosts.get(host.info.guid)
        if these is None:
            if self.mode(host) == "no":
                return
            known = {
                (chart, name): known.last
                for (guid, chart, name), known in self.journal.known.items()
                if guid == host.info.guid
            }
            these = self.hosts[host.info.guid] = HostAlerts(host, self._rules, self._numbers, known)
        if host.link is not None and these.link is not host.link:
            settings = self._settings_of(host)
            these.ready = int(host.link.since) + (settings.postpone_alerts if settings is not None else 60)
        these.link = host.link

    def find(self, host: Host) -> HostAlerts | None:
        """
        @return: The alerts of a host; L{None} if it has none.
        """
        return self.hosts.get(host.info.guid)

    # Time.

    def _tick(self) -> None:
        now, passed = self._reactor.seconds(), self._monotonic()
        ahead = (now - self._last[0]) - (passed - self._last[1])
        slept = ahead > JUMP and now - self._last[0] > 2 * (passed - self._last[1])
        self._last = now, passed
        if slept:
            self._pause = now + self.settings.health.hibernation
            self._log.info(
                "the clock is {ahead:.0f} s ahead of the time that passed, as after sleep; alerts pause for {pause} s",
                ahead=ahead,
                pause=self.settings.health.hibernation,
            )
        if self._pause > now + self.settings.health.hibernation:
            self._pause = now  # the clock went back
        if self._busy:
            return
        self._busy = True
        Deferred.fromCoroutine(self._pass(int(now))).addErrback(
            lambda failure: self._log.failure("alerts were not evaluated", failure)
        ).addCallback(lambda _: self._done())

    def _done(self) -> None:
        self._busy = False
        idle, self._idle = self._idle, []
        for deferred in idle:
            deferred.callback(None)

    async def _pass(self, now: int) -> None:
        if self._children is not None and not self._counted <= now < self._counted + EVERY:
            self._counted = now
            for _ in self._children.collect(now, self._outlet.waiting, len(self.journal.dead)):
                await deferLater(self._reactor, 0)
            if not self._own_at <= now < self._own_at + OWN_EVERY:
                self._own_at = now
                await self._own.collect(now)
        if now >= self._pause:
            bound = False
            for these in tuple(self.hosts.values()):
                if now < these.ready or not self.watched(these.host):
                    continue
                if bound and these.stale:
                    await deferLater(self._reactor, 0)  # all hosts may have to be looked at again
                bound = bound or these.stale
                if not self.running:
                    break
                await self._evaluate(these, now)
        self._tell(now)
        if self._opened:
            await self.journal.flush()
        if not self._trimmed <= now < self._trimmed + TRIMMED_EVERY and self._opened:
            self._trimmed = now
            await self.journal.trim(self._own_retention(now), now - self.settings.health.log_retention)
            self._forget()

    async def _evaluate(self, these: HostAlerts, now: int) -> None:
        try:
            bound = these.stale
            while these.stale and self.running:
                for said in these.refresh(now, AT_ONCE):
                    self.journal.add(said)
                if these.stale:
                    await deferLater(self._reactor, 0)
            if bound:
                self._silence(these)
            if these.evaluated <= now < these.wake:
                return
            these.evaluated = now
            for said in await evaluate(these, now, self._reactor):
                self.journal.add(said)
            these.wake = these.next_due
            for said in these.repeats(now):
                self._say(said, now)
        except Exception:
            self._log.failure("{host}: alerts were not evaluated", Failure(), host=these.host.info.hostname)

    def _own_retention(self, now: int) -> dict[str, int]:
        found = {}
        for host in self.hub:
            settings = None if host.local else self._settings_of(host)
            if settings is not None and settings.log_retention is not None:
                found[host.info.guid] = now - settings.log_retention
        return found

    def _forget(self) -> None:
        """
        Drop the alerts of hosts that are no longer known.
        """
        for guid in [guid for guid in self.hosts if self.hub.get(guid) is None]:
            self.hosts.pop(guid).close()

    # Telling.

    def _tell(self, now: int) -> None:
        for these in self.hosts.values():
            owned = self.owned(these.host)
            if owned and not these.owned:
                self._inherit(these, now)
            these.owned = owned
        for said in self.journal.due(now):
            self._say(said, now)

    def owned(self, host: Host) -> bool:
        """
        @return: Whether people are told of a host by this node.
        """
        ownership = self.settings.health.ownership
        if ownership == "nearest":
            return host.local or host.info.hops <= 1
        return ownership != "highest" or not self._forwarded(host)

    def _inherit(self, these: HostAlerts, now: int) -> None:
        """
        Another node should have told of a host, but it is away: what was left
        to it lately may not have reached it.
        """
        for alert in these.alerts.values():
            if alert.status.raised and now - alert.changed <= UNNOTICED:
                self.journal.reconsider((alert.guid, alert.chart, alert.name))

    def _say(self, said: Transition, now: int) -> None:
        these = self.hosts.get(said.guid)
        alert = these.alerts.get((said.chart, said.name)) if these is not None else None
        told = self.journal.told.get((said.guid, said.chart, said.name))
        said.silenced = alert.silenced if alert is not None else False
        host = self.hub.get(said.guid)
        foreign = host is not None and not self.owned(host)
        if not reason_not_to_tell(said, told, said.silenced) and not foreign:
            health = self.settings.health
            critical = self.journal.was_critical(said)
            message = Message.of(said, *self._others(these, alert), self._edit(said), health.use_summary, critical)
            if self._outlet.tell(message, said.exec):
                said.told, said.repeated = True, now
        self.journal.decided(said)
        if alert is not None and said.told:
            alert.told, alert.repeated = said.status, now

    def _others(
        self, these: HostAlerts | None, told: Alert | None
    ) -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
        """
        @return: Which other alerts of a host are raised, and since when:
            warnings and critical ones.
        """
        found: tuple[list[tuple[str, int]], list[tuple[str, int]]] = ([], [])
        for alert in these.alerts.values() if these is not None else ():
            if alert.status.raised and alert is not told:
                kind = found[alert.status == Status.CRITICAL]
                if len(kind) < 100:
                    kind.append((alert.name, alert.changed))
        return found

    def _edit(self, said: Transition) -> str:
        name = Path(said.source.partition(",file=")[2]).name
        return f"netstream edit-config health.d/{name}" if name else ""

    def receivers(self, alert: Alert) -> list[str]:
        """
        @return: Who is told of an alert, for a person.
        """
        program = alert.definition.exec or self.settings.health.exec
        return self._outlet.receivers(alert.definition.to, program)

    # Silencers.

    @property
    def _silencers_path(self) -> Path:
        chosen = self.settings.health.silencers_file
        return Path(chosen) if chosen else self.settings.data_dir / silenced.FILE

    def _own_token(self) -> str:
        path = self.settings.data_dir / TOKEN_FILE
        try:
            token = path.read_text("ascii").strip()
        except FileNotFoundError:
            token = ""
        if token:
            return token
        path.parent.mkdir(parents=True, exist_ok=True)
        token = new_guid()
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(token + "\n")
        return token

    def _silencers_text(self) -> str:
        try:
            return self._silencers_path.read_text()
        except FileNotFoundError:
            return ""
        except (OSError, UnicodeError) as problem:
            self._log.error("{path}: silencers are not known: {problem}", path=self._silencers_path, problem=problem)
            return ""

    def _read_silencers(self, text: str) -> None:
        if text:
            try:
                self.silencers = Silencers.parse(text)
            except ValueError as problem:
                self._log.error("{path}: {problem}; nothing is silenced", path=self._silencers_path, problem=problem)

    def _write_silencers(self, text: str) -> None:
        path = self._silencers_path
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_suffix(".new")
        new.write_text(text)
        new.replace(path)

    def _silence(self, these: HostAlerts) -> None:
        these.wake = 0
        host = these.host
        for alert in these.alerts.values():
            chart = host.charts.get(alert.chart)
            names = (alert.chart, chart.name if chart is not None else alert.chart)
            about = alert.name, names, chart.context if chart is not None else "", host.info.hostname
            alert.silenced = self.silencers.silenced(*about)
            alert.disabled = self.silencers.disabled(*about)

    async def manage(self, parameters: Mapping[str, str]) -> str:
        """
        Do what a request to manage alerts says.

        @return: The lines of the answer.
        """
        if " ".join(parameters.get("cmd", "").upper().split()) == "RELOAD":
            await self.reload()
            lines = "".join(f"WARNING: {problem}\n" for problem in self.problems)
            return f"{self.definitions_count()} alert definitions are in use\n{lines}"
        self.silencers, said = self.silencers.told(parameters)
        for these in self.hosts.values():
            self._silence(these)
        text = json.dumps(self.silencers.listed)
        try:
            await self._workers.write(lambda: self._write_silencers(text))
        except OSError as problem:
            self._log.error("{path}: silencers are not kept: {problem}", path=self._silencers_path, problem=problem)
            said += "WARNING: This holds until the node stops, since it could not be written; its log tells why.\n"
        return said

    def definitions_count(self) -> int:
        """
        @return: How many definitions are in use.
        """
        return len(self._rules.definitions)

    def all_alerts(self) -> Iterable[tuple[HostAlerts, Alert]]:
        """
        @return: Every alert of every host.
        """
        return ((these, alert) for these in self.hosts.values() for alert in these.alerts.values())
