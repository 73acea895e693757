"""
Several databases of one node share the room that its settings give it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, runtime_checkable

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall

from netstream.db.interfaces import Health, IMetricsDB

EVERY = 10.0
"""Seconds between two looks at what they use."""


@runtime_checkable
class Allotted(Protocol):
    """
    An engine that is told how much room it has.
    """

    mode: str

    def allot(self, sizes: Sequence[int]) -> None:
        """
        @param sizes: Bytes by tier; 0 is no limit.
        """

    def health(self) -> Health:
        """
        As L{netstream.db.interfaces.IMetricsDB.health}.
        """


def shares(most: int, used: Sequence[int]) -> Sequence[int]:
    """
    Divide room.

    The one that uses most makes room when there is too little; for the others
    there is no limit, until one of them uses most.

    @param most: Bytes that all may use together; 0 is no limit.
    @param used: Bytes that each uses.
    @return: The limit of each; 0 is none.
    """
    greatest = used.index(max(used))
    left = max(1, most - sum(used) + used[greatest]) if most else 0
    return [left if at == greatest else 0 for at in range(len(used))]


class Sharing:
    """
    Tells engines again and again how much each may use.
    """

    def __init__(self, engines: Callable[[], Iterable[IMetricsDB]], sizes: Sequence[int], clock: IReactorTime) -> None:
        """
        @param engines: Gives all there are; those that have files share.
        @param sizes: Bytes by tier, of all together; 0 is no limit.
        """
        self._engines = engines
        self._sizes = sizes
        self._loop = LoopingCall(self.share)
        self._loop.clock = clock

    def limit(self, sizes: Sequence[int]) -> None:
        """
        Share another room from the next look on.
        """
        self._sizes = sizes

    def start(self) -> None:
        """
        Begin; until then each has the limit of all.
        """
        self._loop.start(EVERY, now=False)

    def stop(self) -> None:
        """
        Leave each with what it was told last.
        """
        if self._loop.running:
            self._loop.stop()

    def share(self) -> None:
        """
        Tell each what it may use now.
        """
        engines = [engine for engine in self._engines() if isinstance(engine, Allotted) and engine.mode == "dbengine"]
        if len(engines) < 2:
            return
        disks = [engine.health().disk for engine in engines]
        by_tier = [
            shares(most, [disk.get(f"tier {tier}", 0) for disk in disks]) for tier, most in enumerate(self._sizes)
        ]
        for engine, sizes in zip(engines, zip(*by_tier, strict=True), strict=True):
            engine.allot(sizes)
