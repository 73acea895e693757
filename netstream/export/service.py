"""
Exporting: rounds at which each target is told what is new of each node.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from attrs import define, field
from twisted.application.service import MultiService
from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime, IStreamClientEndpoint
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from netstream.config.processes import EXPORT, directory_of
from netstream.config.settings import Destination, ExportTarget, Settings
from netstream.export.carrier import Carrier, Connect
from netstream.export.delivery import Delivery
from netstream.export.format import Format
from netstream.export.formats import format_of
from netstream.export.line import LineCarrier
from netstream.export.posting import PostingCarrier
from netstream.export.sheet import Sheet
from netstream.export.spool import Spool, directory_name
from netstream.export.tls import TLS
from netstream.export.windows import Windows
from netstream.hub.hub import Host, Hub
from netstream.model.samples import SampleBatch
from netstream.model.updates import ChartDefined, ChartForgotten, LabelsReplaced, Update

GRACE = 3.0
"""Seconds after the end of an interval until it is sent: for samples that travelled."""
BODY_SAMPLES = 5000
BODY_BYTES = 1 << 20
"""A body ends with the part at which it has so many samples or bytes."""


@define(eq=False)
class _View:
    """
    One node.

    @ivar windows: Its open intervals by period.
    @ivar sheets: By section of the target.
    @ivar seen: Whether a sample has come.
    """

    host: Host
    name: str
    windows: dict[int, Windows]
    sheets: dict[str, Sheet] = field(factory=dict)
    seen: bool = False
    cancel: Callable[[], None] = lambda: None


@define(eq=False)
class _Target:
    """
    One target, and the body that is being put together for it.
    """

    settings: ExportTarget
    form: Format
    delivery: Delivery
    parts: list[bytes] = field(factory=list)
    samples: int = 0
    size: int = 0

    def add(self, part: bytes, samples: int) -> None:
        """
        Take in a part.
        """
        self.parts.append(part)
        self.samples += samples
        self.size += len(part)
        if not self.form.together or self.samples >= BODY_SAMPLES or self.size >= BODY_BYTES:
            self.flush()

    def flush(self) -> None:
        """
        What is there is a body.
        """
        parts, samples = self.parts, self.samples
        self.parts, self.samples, self.size = [], 0, 0
        if parts:
            self.delivery.put(self.form.body(parts), samples)


def exports(
    hub: Hub, settings: Settings, clock: IReactorTime, connect: Connect, *, number: int = 0, left: Iterable[int] = ()
) -> Iterator[ExportService]:
    """
    @param number: Of the worker that this process is; 0 is the one that
        serves.
    @param left: Numbers of workers that run no more.
    @return: What exports the nodes of a process, and what sends the rest of
        what others left to it.
    @raise ConfigError: See L{ExportService}.
    """
    targets = tuple(settings.exporting)
    yield ExportService(hub, targets, directory_of(settings.data_dir, EXPORT, number), clock, connect)
    for one in left:
        directory = directory_of(settings.data_dir, EXPORT, one)
        if any(directory.rglob("*.spool")):
            yield ExportService(None, targets, directory, clock, connect)


class ExportService(MultiService):
    """
    Hears the samples of all nodes, and sends what targets want of them.

    Samples only add to sums as they pass; all else happens once an interval,
    some thousand series at a time, and lets other work in between.

    @ivar deliveries: By section of the target.
    """

    _log = Logger()

    def __init__(
        self,
        hub: Hub | None,
        targets: tuple[ExportTarget, ...],
        directory: Path,
        clock: IReactorTime,
        connect: Callable[[Destination, float], IStreamClientEndpoint],
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """
        @param hub: L{None} has no nodes, so that only what waits is sent.
        @param directory: Where that waits.
        @param connect: Makes a plain endpoint; the number is seconds to
            connect.
        @param jitter: Gives a random number from 0 to 1.
        @raise ConfigError: A target names a file that is of no use.
        """
        super().__init__()
        self._hub = hub
        self._clock = clock
        self._views: dict[str, _View] = {}
        self._targets: dict[str, _Target] = {}
        self._timers: dict[int, IDelayedCall] = {}
        self._rounds: dict[int, Deferred[None]] = {}
        self._unwatch: Callable[[], None] = lambda: None
        for settings in targets:
            form = format_of(settings)
            kind = f"{type(form).__name__} {settings.section}"
            spool = Spool(directory / directory_name(settings.section), kind, settings.spool_size)
            endpoints = _endpoints(settings, connect)
            carrier: Carrier
            if settings.http:
                carrier = PostingCarrier(settings, form, clock, endpoints)
            else:
                carrier = LineCarrier(settings, clock, endpoints)
            delivery = Delivery(settings, spool, carrier, clock, jitter)
            delivery.setServiceParent(self)
            self._targets[settings.section] = _Target(settings, form, delivery)
        self._periods = sorted({target.settings.update_every for target in self._targets.values()})

    @property
    def deliveries(self) -> dict[str, Delivery]:
        """
        What waits for each target, by its section.
        """
        return {section: target.delivery for section, target in self._targets.items()}

    def startService(self) -> None:
        """
        Begin to listen and to send (called by Twisted).
        """
        super().startService()
        if self._hub is None:
            return
        for host in self._hub:
            self._look(host)
        self._unwatch = self._hub.watch(self._look)
        for period in self._periods:
            self._schedule(period)

    def stopService(self) -> Deferred[None]:
        """
        Stop; what waits is kept for the next start (called by Twisted).
        """
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        self._unwatch()
        for view in self._views.values():
            view.cancel()
        self._views.clear()
        for timer in self._timers.values():
            if timer.active():
                timer.cancel()
        for running in tuple(self._rounds.values()):
            running.cancel()
        for target in self._targets.values():
            target.flush()
        await maybeDeferred(super().stopService)

    def _name(self, host: Host) -> str:
        """
        @return: What a node is called; one whose name an older one has goes by
            its GUID.
        """
        name = host.info.hostname
        for view in self._views.values():
            if view.host is not host and view.name == name:
                return host.info.guid
        return name

    def _look(self, host: Host) -> None:
        """
        A node is new, or something about it has changed.
        """
        guid = host.info.guid
        view = self._views.get(guid)
        if host.removed:
            if view is not None:
                view.cancel()
                del self._views[guid]
            return
        name = self._name(host)
        if view is None or view.host is not host:
            if view is not None:
                view.cancel()
            view = _View(host, name, {period: Windows(period) for period in self._summed()})
            self._views[guid] = view
            view.cancel = host.subscribe(lambda update, view=view: self._heard(view, update))  # type: ignore[misc]
        elif view.name != name:
            view.name = name
            view.sheets.clear()

    def _summed(self) -> set[int]:
        """
        @return: Periods of which someone wants averages or sums.
        """
        every = self._targets.values()
        return {t.settings.update_every for t in every if t.settings.source != "as collected"}

    def _heard(self, view: _View, update: Update) -> None:
        match update:
            case SampleBatch():
                view.seen = True
                for windows in view.windows.values():
                    windows.add(update)
            case ChartDefined(chart):
                for sheet in view.sheets.values():
                    sheet.define(chart)
            case ChartForgotten(chart_id):
                for sheet in view.sheets.values():
                    sheet.forget(chart_id)
            case LabelsReplaced():
                for section, sheet in view.sheets.items():
                    sheet.call(self._called(view, self._targets[section].settings))

    def _called(self, view: _View, settings: ExportTarget) -> str:
        return settings.hostname if view.host.local and settings.hostname else view.name

    def _sheet(self, view: _View, target: _Target) -> Sheet | None:
        """
        @return: What a target is told of a node; L{None} if it wants nothing
            of it.
        """
        settings, host = target.settings, view.host
        matches = settings.hosts.matches
        # One decision for this node, whichever of its names is written first.
        verdicts = [settings.hosts.verdict("localhost")] if host.local else []
        if not (any(verdicts) or matches(host.info.hostname)) or False in verdicts:
            return None
        sheet = view.sheets.get(settings.section)
        if sheet is None:
            sheet = Sheet(host, self._called(view, settings), settings, target.form)
            view.sheets[settings.section] = sheet
        return sheet

    def _schedule(self, period: int) -> None:
        """
        Call the next round of a period.
        """
        grace = min(GRACE, period / 2)
        now = self._clock.seconds() - grace
        due = (now // period + 1) * period
        self._timers[period] = self._clock.callLater(due - now, self._due, period)

    def _due(self, period: int) -> None:
        self._schedule(period)
        if period in self._rounds:
            return  # the one before is not done; the next one takes it all
        running = Deferred.fromCoroutine(self._round(period))
        if not running.called:
            self._rounds[period] = running
        running.addErrback(self._failed)
        running.addBoth(lambda _: self._rounds.pop(period, None))

    def _failed(self, failure: Failure) -> None:
        if not failure.check(CancelledError):
            self._log.failure("a round of exporting went wrong", failure)

    async def _round(self, period: int) -> None:
        """
        Tell all targets of a period what is new.
        """
        targets = [target for target in self._targets.values() if target.settings.update_every == period]
        now = int(self._clock.seconds())
        known = {host.info.guid for host in self._hub or ()}
        for guid, view in tuple(self._views.items()):
            if guid not in known:
                view.cancel()
                del self._views[guid]
            elif view.seen:
                for target, part, samples in self._news(view, period, targets, now):
                    target.add(part, samples)
                    await deferLater(self._clock, 0)
        for target in targets:
            target.flush()

    def _news(self, view: _View, period: int, targets: list[_Target], now: int) -> Iterator[tuple[_Target, bytes, int]]:
        for target in targets:
            if target.settings.source == "as collected" and (sheet := self._sheet(view, target)) is not None:
                for part, samples in sheet.collected(now):
                    yield target, part, samples
        windows = view.windows.get(period)
        for interval in windows.close() if windows is not None else ():
            for target in targets:
                source = target.settings.source
                if source != "as collected" and (sheet := self._sheet(view, target)) is not None:
                    for part, samples in sheet.folded(interval, source == "average"):
                        yield target, part, samples
            assert windows is not None
            windows.done(interval)


def _endpoints(settings: ExportTarget, connect: Connect) -> Connect:
    """
    @return: What makes the endpoints of a target.
    """
    if not any(destination.tls for destination in settings.destinations):
        return connect
    tls = TLS(settings)

    def encrypted(destination: Destination, timeout: float) -> IStreamClientEndpoint:
        endpoint = connect(destination, timeout)
        return tls.wrap(endpoint, destination.host) if destination.tls else endpoint

    return encrypted
