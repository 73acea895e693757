"""
One target: what waits for it, and who carries that there.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from netstream.config.settings import ExportTarget
from netstream.export.carrier import Carrier, Unreachable
from netstream.export.spool import Spool
from netstream.export.waiting import Bell, Pauses

_FIRST_PAUSE = 1.0
_RECENT = 15.0
"""Seconds that points wait although all is well."""


class Delivery(Service):
    """
    Sends what waits for a target, in order, and tries again what failed.

    A receiver that is away or slow is said once in the log, with the reason,
    and once more when that is over; so is what had to be dropped.

    @ivar sent: Samples that the receiver has, since the start.
    @ivar rejected: Samples that it refused for good, since the start.
    """

    _log = Logger()

    def __init__(
        self,
        target: ExportTarget,
        spool: Spool,
        carrier: Carrier,
        clock: IReactorTime,
        jitter: Callable[[], float],
    ) -> None:
        """
        @param jitter: Gives a random number from 0 to 1.
        """
        self._target = target
        self._spool = spool
        self._carrier = carrier
        self._clock = clock
        self._bell = Bell(clock)
        self._pauses = Pauses(_FIRST_PAUSE, target.reconnect_delay, jitter)
        self._loop: Deferred[None] | None = None
        self._stopped = False
        self._turn = 0
        self._away_since: float | None = None
        self._dropped_before = 0
        self._told_dropped = False
        self._told_refused = False
        self._told_problem = False
        self.sent = 0
        self.rejected = 0

    @property
    def dropped(self) -> int:
        """
        Samples that were dropped because they waited too long, or were too
        many.
        """
        return self._spool.dropped

    @property
    def waiting(self) -> int:
        """
        Samples that the receiver does not have yet.
        """
        return self._spool.waiting

    def startService(self) -> None:
        """
        Begin to send; what an earlier process left goes first (called by
        Twisted).
        """
        super().startService()
        self._stopped = False
        try:
            self._spool.open()
        except OSError as problem:
            self._log.error(
                "exporting to [{target}]: what waited cannot be read: {problem}",
                target=self._target.section,
                problem=problem,
            )
        if self._spool.waiting:
            self._log.info(
                "exporting to [{target}]: {count} points wait from before",
                target=self._target.section,
                count=self._spool.waiting,
            )
        self._loop = Deferred.fromCoroutine(self._run())

    async def stop(self) -> None:
        """
        Send no more; what waits is kept for the next start.
        """
        self._stopped = True
        loop, self._loop = self._loop, None
        if loop is not None:
            loop.cancel()
            await loop
        await self._carrier.close()
        self._spool.close()

    def stopService(self) -> Deferred[None]:
        """
        As L{stop} (called by Twisted).
        """
        super().stopService()
        return Deferred.fromCoroutine(self.stop())

    def put(self, body: bytes, samples: int) -> None:
        """
        Let a body wait behind the others.
        """
        now = self._clock.seconds()
        spool = self._spool
        spool.append(body, samples, now)
        spool.expire(now - self._target.buffered)
        if spool.problem and not self._told_problem:
            self._log.error(
                "exporting to [{target}]: what waits cannot be kept on disk, and little of it in memory: {problem}",
                target=self._target.section,
                problem=spool.problem,
            )
        self._told_problem = spool.problem is not None
        if spool.dropped > self._dropped_before and not self._told_dropped:
            self._told_dropped = True
            self._log.warn(
                "exporting to [{target}]: the oldest points are dropped from now on, since more wait than 'buffer on"
                " failures' ({seconds:g} s) and 'spool size' ({bytes} bytes) allow",
                target=self._target.section,
                seconds=self._target.buffered,
                bytes=self._target.spool_size,
            )
        self._bell.ring()
        self._carrier.wake()

    async def _run(self) -> None:
        while True:
            try:
                await self._turns()
                return
            except CancelledError:
                return
            except Exception:
                if self._stopped:
                    return
                self._log.failure("exporting to [{target}] went wrong", Failure(), target=self._target.section)
                self._spool.rewind()
                await self._rest(self._pauses.next())

    async def _rest(self, seconds: float) -> None:
        """
        Pause, whatever comes meanwhile.
        """
        end = self._clock.seconds() + seconds
        while (left := end - self._clock.seconds()) > 0:
            await self._bell.wait(left)

    async def _turns(self) -> None:
        """
        Carry what waits to the destinations by turns, until it is stopped.
        """
        destinations = self._target.destinations
        failed = 0
        while True:
            while not len(self._spool):
                await self._bell.wait()
            destination = destinations[self._turn % len(destinations)]
            try:
                await self._carrier.carry(destination, self._spool, self)
            except Unreachable as problem:
                self._spool.rewind()
                if self._stopped:
                    return
                if len(self._spool):
                    self._away(f"{destination.text}: {problem.reason}")
                self._turn += 1
                failed = 1 if problem.worked else failed + 1
                if problem.after is not None:
                    await self._rest(problem.after)
                elif failed % len(destinations) == 0 or problem.worked:
                    await self._rest(self._pauses.next())
            else:
                failed = 0

    def _away(self, reason: str) -> None:
        if self._away_since is None:
            self._away_since = self._clock.seconds()
            self._log.warn(
                "exporting to [{target}]: {reason}; points wait until it takes them again",
                target=self._target.section,
                reason=reason,
            )

    def taken(self, samples: int) -> None:
        """
        The receiver has samples.
        """
        self.sent += samples
        self._pauses.reset()
        self._told_refused = False
        since, self._away_since = self._away_since, None
        if since is None and not self._told_dropped:
            return
        oldest = self._spool.oldest
        if oldest is not None and oldest < self._clock.seconds() - max(2 * self._target.update_every, _RECENT):
            # Said when all that waited is sent.
            self._away_since = since
            return
        lost = self._spool.dropped - self._dropped_before
        self._dropped_before, self._told_dropped = self._spool.dropped, False
        self._log.info(
            "exporting to [{target}]: all that waited is sent, {seconds:.0f} s after it was away first; {lost} points"
            " had to be dropped",
            target=self._target.section,
            seconds=self._clock.seconds() - since if since is not None else 0,
            lost=lost,
        )

    def refused(self, samples: int, reason: str) -> None:
        """
        The receiver never will have samples.
        """
        self.rejected += samples
        if not self._told_refused:
            self._told_refused = True
            self._log.warn(
                "exporting to [{target}]: {count} points are given up: {reason}; so are later ones, without a word,"
                " until some are accepted",
                target=self._target.section,
                count=samples,
                reason=reason,
            )
