"""
Two connections that claim the same machine GUID: which of them is the host?
"""

from __future__ import annotations

from enum import Enum

PROBED_FOR = 3.0
"""Seconds for which the older connection is listened to, at least."""

PROBED_MOST = 20.0
"""And at most: a child gives up some time."""

DEAD_AFTER = 30.0
"""Seconds of silence after which agents take any child for dead."""


class Claim(Enum):
    """
    What becomes of the newer one.

    @cvar TAKES_OVER: The older one is dead.
    @cvar WAITS: It is not clear yet; listen to the older one for a while.
    @cvar REFUSED: The older one lives.
    """

    TAKES_OVER = "takes over"
    WAITS = "waits"
    REFUSED = "refused"


def claim(silent: float, stale_after: float, same_name: bool, heard_since: bool | None, update_every: int = 1) -> Claim:
    """
    Decide between two connections.

    A child whose network failed, or whose machine was switched off, comes back
    while its old connection still seems to be there; refused, it would stay
    away for two minutes.  It is told from a copy by what the older connection
    does: a child that lives says something at each of its periods.

    @param silent: For how many seconds the older one has said nothing.
    @param stale_after: Seconds after which it is taken for dead.
    @param same_name: Whether both call themselves alike.
    @param heard_since: Whether the older one has said something while the
        newer waited; L{None} if it has not waited yet.
    @param update_every: Period of the older one, seconds: nothing can be told
        from a silence that is shorter.
    """
    if silent >= stale_after:
        return Claim.TAKES_OVER
    if not same_name:
        return Claim.REFUSED
    if heard_since is None:
        return Claim.WAITS
    alive = heard_since or silent < min(DEAD_AFTER, 2.0 * update_every)
    return Claim.REFUSED if alive else Claim.TAKES_OVER


def probed_for(update_every: int) -> float:
    """
    @param update_every: Period of the older one, seconds.
    @return: Seconds for which it is listened to.
    """
    return min(PROBED_MOST, max(PROBED_FOR, 2.0 * update_every))
