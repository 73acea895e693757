"""
How a node is doing, and when one that is gone is forgotten: decisions without
a clock of their own.
"""

from __future__ import annotations

from enum import Enum

QUIET = 10.0
"""Seconds without a sample after which a node that is connected is stale, at
least."""

PERIODS = 3
"""Of its own periods, the same."""

OFF = 5.0
"""Seconds by which the clock of a node may differ from ours before it is said
to be wrong."""

_WINDOW = 60.0


class Life(Enum):
    """
    The state of a node.

    @cvar LIVE: Samples are coming in.
    @cvar STALE: It is connected, and silent.
    @cvar OFFLINE: It is not connected; what it sent is there.
    @cvar UNSEEN: It is known, and was never connected here.
    """

    LIVE = "live"
    STALE = "stale"
    OFFLINE = "offline"
    UNSEEN = "unseen"


def life(online: bool, heard: float, seen: float, update_every: int, now: float) -> Life:
    """
    @param online: Whether it is connected.
    @param heard: When its last sample came while it is, UTC seconds.
    @param seen: When its last connection ended; 0 is never.
    @param update_every: Its period, seconds.
    @return: The state of a node.
    """
    if not online:
        return Life.OFFLINE if seen else Life.UNSEEN
    return Life.LIVE if now - heard <= max(QUIET, PERIODS * update_every) else Life.STALE


def past(
    offline: float, *, ephemeral: bool, keeps: bool, empty: bool, cleanup: float, cleanup_ephemeral: float
) -> bool:
    """
    Whether a node that is not connected is to be forgotten.

    @param offline: For how many seconds it has been away.
    @param ephemeral: Whether it is one that comes and goes.
    @param keeps: Whether its samples are on disk, and so stay without it.
    @param empty: Whether none of them are left.
    @param cleanup: Seconds after which a node of which nothing is kept is
        forgotten; 0 is never.
    @param cleanup_ephemeral: Seconds after which an ephemeral one is, with
        its samples; 0 is never.
    """
    if ephemeral and cleanup_ephemeral and offline > cleanup_ephemeral:
        return True
    return bool(cleanup and offline > cleanup and (empty or not keeps))


class PeerClock:
    """
    What is known of the clock of a node that is connected, from the samples
    that come in.

    A sample can only be late, so that the least delay of the last one or two
    minutes tells how far the clocks are apart, to within a second or the
    period of the node.  A node that sends old samples only cannot be told from
    one whose clock is behind.

    @ivar heard: When the last sample came, UTC seconds of our clock.
    @ivar ahead: Samples that were refused, being too far ahead of our clock.
    """

    __slots__ = ("heard", "ahead", "_since", "_now", "_before")

    def __init__(self, heard: float = 0.0) -> None:
        self.heard = heard
        self.ahead = 0
        self._since = 0.0
        self._now: float | None = None
        self._before: float | None = None

    def note(self, last: float, now: float) -> None:
        """
        Samples came.

        @param last: The newest second of them.
        """
        self.heard = now
        difference = last - now
        if not self._since <= now < self._since + _WINDOW:
            self._since, self._before, self._now = now, self._now, difference
        elif self._now is None or difference > self._now:
            self._now = difference

    def know(self, heard: float, skew: float | None, ahead: int) -> None:
        """
        Take over what another process of this node knows.
        """
        self.heard, self.ahead = heard, ahead
        self._now, self._before = skew, None

    @property
    def skew(self) -> float | None:
        """
        Seconds by which its clock is ahead of ours, negative if it is behind;
        L{None} before the first sample.
        """
        if self._now is None or self._before is None:
            return self._now
        return max(self._now, self._before)

    @property
    def off(self) -> bool:
        """
        Whether its clock is wrong, or ours.
        """
        skew = self.skew
        return skew is not None and abs(skew) > OFF
