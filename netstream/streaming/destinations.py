"""
Which parent to try next, and when.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from netstream.config.settings import Destination

SETTLED_AFTER = 30.0
"""Seconds that a connection lasts before its end is no failure any more."""


class Backoff:
    """
    Pauses between rounds of failure: each up to twice the one before, never
    above a bound, and random so that many children do not return as one.

    @ivar most: Upper bound of a pause, seconds.
    """

    def __init__(self, first: float, most: float, jitter: Callable[[], float]) -> None:
        """
        @param jitter: Gives a random number from 0 to 1.
        """
        self._first = min(first, most)
        self.most = most
        self._jitter = jitter
        self._delay = self._first

    def next(self) -> float:
        """
        @return: Seconds to wait now.
        """
        delay = self._delay
        self._delay = min(self.most, delay * 2)
        return delay * (0.5 + self._jitter() / 2)

    def reset(self) -> None:
        """
        A parent took our samples for a while: begin with short pauses again.
        """
        self._delay = self._first


class Destinations:
    """
    The parents of one host in the order of the configuration, and what became
    of the last attempt at each.

    Only an accepted handshake counts as success, and only one that holds ends
    the growth of the pauses.  A parent that refuses is left alone for a random
    time up to what its answer asks for, so that the others come first.

    @ivar current: The one that is being tried or that accepted us.
    """

    def __init__(self, destinations: Sequence[Destination], backoff: Backoff, jitter: Callable[[], float]) -> None:
        """
        @param destinations: At least one.
        @param jitter: Gives a random number from 0 to 1.
        """
        self._order = list(destinations)
        self._not_before: dict[Destination, float] = {}
        self._backoff = backoff
        self._jitter = jitter
        self._tried: set[Destination] = set()
        self.current: Destination | None = None

    def choose(self, now: float) -> Destination:
        """
        @return: The destination to try now: the first that is not to be left
            alone, else the one whose time comes first.
        """
        free = [d for d in self._order if self._not_before.get(d, 0.0) <= now]
        fresh = [d for d in free if d not in self._tried]
        if fresh or free:
            self.current = (fresh or free)[0]
        else:
            self.current = min(self._order, key=lambda d: self._not_before.get(d, 0.0))
        self._tried.add(self.current)
        return self.current

    def postpone(self, destination: Destination, seconds: float, now: float) -> None:
        """
        A destination refused us, or could not be reached.

        @param seconds: Leave it alone for a random time up to this, but 5 at
            least.
        """
        wait = seconds if seconds <= 5 else 5 + (seconds - 5) * self._jitter()
        self._not_before[destination] = now + wait

    def accepted(self) -> None:
        """
        The current destination takes our samples.
        """
        assert self.current is not None
        self._tried.clear()
        self._not_before.pop(self.current, None)

    def lost(self, lasted: float, now: float) -> None:
        """
        The connection to one that had accepted us ended: the others go first.

        @param lasted: For how many seconds it took our samples; one that ends
            us soon each time is left alone for growing pauses.
        """
        if self.current is None:
            return
        self._order.remove(self.current)
        self._order.append(self.current)
        if lasted >= SETTLED_AFTER:
            self._backoff.reset()
        else:
            self._not_before[self.current] = now + self._backoff.next()

    def delay(self, now: float) -> float:
        """
        @return: Seconds until the next attempt makes sense: nearly none while
            there is a destination not tried in this round.
        """
        if any(self._not_before.get(d, 0.0) <= now and d not in self._tried for d in self._order):
            return 0.1 + 0.4 * self._jitter()
        rests = [self._not_before.get(d, 0.0) - now for d in self._order]
        if self._tried:
            self._tried.clear()
            return max(self._backoff.next(), min(rests))
        return max(0.1, min(rests))
