"""
Admitting many children one after the other.

When a parent comes back, all its children come at once.  Each of them has much
to say at its begin, so that they are let in at a pace.  Who has to wait is
answered later, and not refused: a refusal would keep it away for a minute or
two, and old agents do not even understand it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from twisted.internet.interfaces import IDelayedCall, IReactorTime

RATE = 200.0
"""Children a second."""

BURST = 200.0
"""Children at once, after a while without any."""

WAITING_MOST = 5_000
"""Children that wait at most."""

WAITING_FOR = 25.0
"""Seconds that a child waits for its answer at most: real ones give up after
60."""

TICK = 0.02
"""Seconds between two looks at those who wait."""

LATE = 0.1
"""Seconds by which a timer is late when there is more to do than time."""

_Child = TypeVar("_Child", bound=Hashable)


class Bucket:
    """
    A token bucket: a pace that allows for a burst.
    """

    def __init__(self, rate: float, burst: float, now: float) -> None:
        """
        @param rate: Tokens a second.
        @param burst: Tokens that gather at most; as many are there now.
        """
        self.rate = rate
        self._burst = burst
        self._tokens = burst
        self._at = now

    def _fill(self, now: float) -> None:
        # A clock that was set back gives nothing, and takes nothing.
        self._tokens = min(self._burst, self._tokens + max(0.0, now - self._at) * self.rate)
        self._at = now

    def take(self, now: float) -> bool:
        """
        @return: Whether there was a token.
        """
        self._fill(now)
        if self._tokens < 1.0 - 1e-9:
            return False
        self._tokens -= 1.0
        return True

    def wait(self, now: float) -> float:
        """
        @return: Seconds until there is a token.
        """
        self._fill(now)
        return max(0.0, 1.0 - self._tokens) / self.rate


class Admissions(Generic[_Child]):
    """
    Children that wait to be admitted, first come first served.

    Besides the pace that is set, it feels how busy this process is: while its
    own timer comes late, children are admitted one at a time.
    """

    def __init__(
        self,
        clock: IReactorTime,
        admit: Callable[[_Child], None],
        refuse: Callable[[_Child], None],
        every: float = 0.0,
    ) -> None:
        """
        @param admit: Is given each child in its turn.
        @param refuse: Is given those that would have to wait for too long.
        @param every: Seconds between two of them at least; 0 leaves it to the
            pace of this module.
        """
        self._clock = clock
        self._admit = admit
        self._refuse = refuse
        self.pace(every)
        self._waiting: dict[_Child, float] = {}
        self._timer: IDelayedCall | None = None
        self._due = 0.0

    def pace(self, every: float) -> None:
        """
        Admit children at another pace from now on, as of C{__init__}.
        """
        rate, burst = (1.0 / every, 1.0) if every else (RATE, BURST)
        self._bucket = Bucket(rate, burst, self._clock.seconds())

    def __len__(self) -> int:
        return len(self._waiting)

    def enter(self, child: _Child) -> None:
        """
        A child asks to be admitted: it is now, or later, or refused.
        """
        now = self._clock.seconds()
        if not self._waiting and self._bucket.take(now):
            self._admit(child)
        elif len(self._waiting) >= WAITING_MOST or (len(self._waiting) + 1) / self._bucket.rate > WAITING_FOR:
            self._refuse(child)
        else:
            self._waiting[child] = now
            self._plan(now)

    def leave(self, child: _Child) -> None:
        """
        A child waits no more.
        """
        self._waiting.pop(child, None)

    def stop(self) -> None:
        """
        Refuse all that wait.
        """
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
        waiting, self._waiting = self._waiting, {}
        for child in waiting:
            self._refuse(child)

    def _plan(self, now: float) -> None:
        if self._timer is None:
            self._due = now + max(TICK, self._bucket.wait(now))
            self._timer = self._clock.callLater(self._due - now, self._turn)

    def _turn(self) -> None:
        self._timer = None
        now = self._clock.seconds()
        room = 1 if now - self._due > LATE else len(self._waiting)
        while self._waiting and room:
            child, since = next(iter(self._waiting.items()))
            if now - since > WAITING_FOR:
                del self._waiting[child]
                self._refuse(child)
                continue
            if not self._bucket.take(now):
                break
            del self._waiting[child]
            room -= 1
            self._admit(child)
        if self._waiting:
            self._plan(self._clock.seconds())
