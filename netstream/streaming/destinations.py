"""
Which parent to try next, and when.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from netstream.config.settings import Destination
from netstream.wire.handshake import Refusal

SETTLED_AFTER = 30.0
"""Seconds that a connection lasts before its end is no failure any more."""

AWAY = 5.0
"""Seconds for which a destination that cannot be connected is left alone, at
most, the first time."""

LONGEST = 3600.0
"""Seconds after which the list is looked at again, whatever was said."""

LEAST: Mapping[Refusal, float] = {
    Refusal.BAD_CERTIFICATE: 300.0,
    Refusal.TLS: 60.0,
    Refusal.CANNOT_CONNECT: 30.0,
}
"""Seconds for which a destination is left alone at least, where that is more
than five."""

_ROUNDING = 1e-3


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
    The parents of one host in the order of trying, and what became of the last
    attempt at each.

    Only an accepted handshake counts as success, and only one that holds ends
    the growth of the pauses.  A parent that refuses is left alone for a random
    time up to what its answer asks for, so that the others come first.

    @ivar current: The one that is being tried or that accepted us.
    """

    def __init__(self, destinations: Sequence[Destination], backoff: Backoff, jitter: Callable[[], float]) -> None:
        """
        @param destinations: At least one, in the order of the configuration.
        @param jitter: Gives a random number from 0 to 1.
        """
        self._order = list(destinations)
        self._not_before: dict[Destination, float] = {}
        self._backoff = backoff
        self._jitter = jitter
        self._tried: set[Destination] = set()
        self._away: dict[Destination, Backoff] = {}
        self.current: Destination | None = None

    def __len__(self) -> int:
        return len(self._order)

    def due(self, now: float) -> list[Destination]:
        """
        @return: Those that are not to be left alone, in the order of trying.
        """
        return [d for d in self._order if self._not_before.get(d, 0.0) <= now + _ROUNDING]

    def begins(self) -> bool:
        """
        @return: Whether none has been tried in this round.
        """
        return not self._tried

    def arrange(self, order: Sequence[Destination]) -> None:
        """
        Try some in this order, and before the others.
        """
        first = set(order)
        self._order = [*order, *(d for d in self._order if d not in first)]

    def choose(self, now: float) -> Destination | None:
        """
        @return: The destination to try now: the first of those that are due,
            one that was not tried in this round before others; L{None} if all
            are to be left alone.
        """
        free = self.due(now)
        if not free:
            return None
        fresh = [d for d in free if d not in self._tried]
        self.current = (fresh or free)[0]
        self._tried.add(self.current)
        return self.current

    def postpone(self, destination: Destination, seconds: float, now: float, least: float = 5.0) -> None:
        """
        A destination refused us.

        @param seconds: Leave it alone for a random time up to this.
        @param least: And as long as this, seconds, at least.
        """
        least = min(least, seconds)
        self._not_before[destination] = now + least + (seconds - least) * self._jitter()

    def refused(self, destination: Destination, refusal: Refusal, now: float) -> None:
        """
        A destination refused us for a reason that says for how long.
        """
        self.postpone(destination, refusal.postpone, now, LEAST.get(refusal, 5.0))

    def unreachable(self, destination: Destination, now: float) -> None:
        """
        A destination could not be connected: leave it alone for a time that is
        random, and longer each time up to the bound of all pauses.
        """
        backoff = self._away.get(destination)
        if backoff is None:
            backoff = self._away[destination] = Backoff(AWAY, max(AWAY, self._backoff.most), self._jitter)
        self._not_before[destination] = now + backoff.next()

    def exclude(self, destination: Destination) -> None:
        """
        A destination never comes into question.
        """
        self._not_before[destination] = float("inf")

    def accepted(self) -> None:
        """
        The current destination takes our samples.
        """
        assert self.current is not None
        self._tried.clear()
        self._not_before.pop(self.current, None)
        self._away.clear()

    def lost(self, lasted: float, now: float) -> None:
        """
        The connection to one that had accepted us ended: the others go first,
        and have a while for it.

        @param lasted: For how many seconds it took our samples; one that ends
            us soon each time is left alone for growing pauses.
        """
        if self.current is None:
            return
        self._order.remove(self.current)
        self._order.append(self.current)
        if lasted < SETTLED_AFTER:
            self._not_before[self.current] = now + self._backoff.next()
            return
        self._backoff.reset()
        if len(self._order) > 1:
            most = self._backoff.most
            self.postpone(self.current, most + 5, now, most / 2)

    def delay(self, now: float) -> float:
        """
        @return: Seconds until the next attempt makes sense: nearly none while
            there is a destination not tried in this round.
        """
        if any(d not in self._tried for d in self.due(now)):
            return 0.1 + 0.4 * self._jitter()
        rest = min(LONGEST, *(self._not_before.get(d, 0.0) - now for d in self._order))
        if self._tried:
            self._tried.clear()
            return max(self._backoff.next(), rest)
        return max(0.1, rest)
