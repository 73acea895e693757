"""
What a host says while no parent takes it: between two connections.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from attrs import evolve
from twisted.internet.interfaces import IReactorTime

from netstream.hub.hub import Host
from netstream.model.samples import SampleBatch
from netstream.model.updates import Update

HELD_FOR = 20.0
"""Seconds for which samples are held."""

HELD_MOST = 50_000
"""Samples that are held; the oldest are dropped first."""


class Handover:
    """
    Holds the newest samples of a host from the end of one connection to the
    begin of the next, so that moving from one parent to another leaves no gap.

    It bridges the time that finding another parent takes.  What is missing
    after a longer time is for replication to bring.
    """

    def __init__(self, host: Host, clock: IReactorTime) -> None:
        self._host = host
        self._clock = clock
        self._held: deque[tuple[float, SampleBatch]] = deque()
        self._count = 0
        self._cancel: Callable[[], None] | None = None

    def begin(self) -> None:
        """
        No parent takes the samples: hold them.
        """
        if self._cancel is None:
            self._cancel = self._host.subscribe(self._hold)

    def take(self) -> list[SampleBatch]:
        """
        A parent takes them again.

        @return: What was held, the oldest first; nothing is held any more.
        """
        self._forget(self._clock.seconds() - HELD_FOR)
        batches = [batch for _, batch in self._held]
        self.stop()
        return batches

    def stop(self) -> None:
        """
        Hold nothing, and forget what was held.
        """
        if self._cancel is not None:
            self._cancel()
            self._cancel = None
        self._held.clear()
        self._count = 0

    def _hold(self, update: Update) -> None:
        if not isinstance(update, SampleBatch) or not len(update) or update.past:
            return
        now = self._clock.seconds()
        # Lines of version 1 only tell their distance from those before, which were sent elsewhere.
        self._held.append((now, update if update.lines is None else evolve(update, lines=None)))
        self._count += len(update)
        self._forget(now - HELD_FOR)

    def _forget(self, before: float) -> None:
        while self._held and (self._held[0][0] < before or self._count > HELD_MOST):
            _, batch = self._held.popleft()
            self._count -= len(batch)
