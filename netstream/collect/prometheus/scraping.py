"""
The service that looks at one exporter again and again.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.web.iweb import IAgent

from netstream.collect.prometheus.board import Board
from netstream.collect.prometheus.exposition import Page, read
from netstream.collect.prometheus.fetching import Fetched, Unfit, agent, fetch
from netstream.config.feeds import ScrapeTarget
from netstream.hub.hub import Host

FORGET_AFTER = 10
"""Looks after which a series that is not there any more has no chart."""

TOLD_EVERY = 3600.0
"""Seconds between two complaints about what is left out."""

Read = Callable[[Fetched], Deferred[Page]]
"""Reads a page without keeping others waiting; fails with C{ValueError}."""


class Scraper(Service):
    """
    Looks at the whole multiples of the period on the wall clock, and makes
    charts of what it finds.

    While there is nothing, there is a gap; that is told once, and when it is
    over.
    """

    _log = Logger()

    def __init__(
        self,
        host: Host,
        target: ScrapeTarget,
        reactor: Any,
        requests: IAgent | None = None,
        reads: Read | None = None,
    ) -> None:
        """
        @param host: Whose charts they become.
        @param reactor: Provides time, whose seconds are UTC, TCP, names and
            threads.
        @param requests: Makes requests; of its own if not given.
        @param reads: Reads pages; in a thread if not given.
        """
        self._target = target
        self._reactor = reactor
        self._requests = requests
        self._read = reads or self._in_thread
        section = f"prometheus_{target.name}"
        every = target.update_every
        self._board = Board(host, lambda series: section, "prometheus.plugin", target.name, target.most_series, every)
        self._next: IDelayedCall | None = None
        self._due = 0.0
        self._looking: Deferred[None] | None = None
        self._problem = ""
        self._left_out = -TOLD_EVERY

    def _in_thread(self, page: Fetched) -> Deferred[Page]:
        return deferToThreadPool(self._reactor, self._reactor.getThreadPool(), partial(_read, page, self._target))

    def startService(self) -> None:
        """
        Begin to look (called by Twisted).
        """
        super().startService()
        self._plan(self._reactor.seconds())

    def stopService(self) -> None:
        """
        Look no more (called by Twisted).
        """
        super().stopService()
        if self._next is not None and self._next.active():
            self._next.cancel()
        self._next = None
        if self._looking is not None:
            self._looking.cancel()
        self._board.end()

    def _plan(self, now: float) -> None:
        every = self._target.update_every
        self._due = (math.floor(now / every) + 1) * float(every)
        self._next = self._reactor.callLater(self._due - now, self._tick)

    def _tick(self) -> None:
        now = self._reactor.seconds()
        if 0 < self._due - now <= self._target.update_every:
            # Timers of some reactors are early by a moment.
            self._next = self._reactor.callLater(self._due - now, self._tick)
            return
        second = math.floor(now / self._target.update_every) * self._target.update_every
        self._plan(now)
        self._board.sweep(now, FORGET_AFTER * self._target.update_every)
        if self._looking is None:
            self._looking = Deferred.fromCoroutine(self._look(second))
            late = self._reactor.callLater(self._target.timeout, self._looking.cancel)
            self._looking.addBoth(self._looked, late)

    def _looked(self, result: Any, late: IDelayedCall) -> None:
        self._looking = None
        if late.active():
            late.cancel()
        if not self.running:
            return
        problem = getattr(result, "value", None)
        if problem is None:
            if self._problem:
                self._log.info("prometheus:{name}: {url} is there again", name=self._target.name, url=self._target.url)
            self._problem = ""
        elif isinstance(problem, Unfit):
            self._complain(problem.reason)
        elif isinstance(problem, CancelledError):
            self._complain(f"no answer within {self._target.timeout:g} s")
        elif isinstance(problem, ValueError):
            self._complain(f"its page cannot be read: {problem}")
        else:
            self._log.failure("prometheus:{name}: it could not be scraped", result, name=self._target.name)

    def _complain(self, reason: str) -> None:
        if not self._problem:
            self._log.warn(
                "prometheus:{name}: nothing from {url}: {reason}; it is tried again every {every} s",
                name=self._target.name,
                url=self._target.url,
                reason=reason[:300],
                every=self._target.update_every,
            )
        self._problem = reason

    async def _look(self, second: int) -> None:
        if self._requests is None:
            self._requests = agent(self._target, self._reactor)
        page = await self._read(await fetch(self._requests, self._target))
        if not self.running:
            return
        now = self._reactor.seconds()
        self._board.about = page.about
        self._board.take(((series, value, second) for series, value in page.points), now)
        left_out = page.excess + page.doubled
        if left_out and now - self._left_out >= TOLD_EVERY:
            self._left_out = now
            self._log.warn(
                "prometheus:{name}: {excess} series are more than the {most} that are taken, {doubled} came twice",
                name=self._target.name,
                excess=page.excess,
                most=self._target.most_series,
                doubled=page.doubled,
            )


def _read(page: Fetched, target: ScrapeTarget) -> Page:
    try:
        return read(page.body.decode(), page.content_type, target)
    except ValueError:
        raise
    except Exception as problem:
        # The parser raises what comes its way where a page makes no sense.
        raise ValueError(repr(problem)) from problem
