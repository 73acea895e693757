"""
What two nodes agree on.
"""

from __future__ import annotations

from collections.abc import Iterable

from netstream.wire.capabilities import COMPRESSIONS, MARKERS, Capability, of_old_version, old_version
from netstream.wire.compression import ALGORITHMS

OWN = (
    MARKERS
    | Capability.VCAPS
    | Capability.HLABELS
    | Capability.CLAIM
    | Capability.CLABELS
    | Capability.FUNCTIONS
    | Capability.REPLICATION
    | Capability.BINARY
    | Capability.INTERPOLATED
    | Capability.IEEE754
    | Capability.SLOTS
    | Capability.PROGRESS
    | Capability.DYNCFG
    | Capability.PATHS
    | Capability.FUNCDEL
    | Capability.TIERS
    | COMPRESSIONS
)
"""What we can do as a parent."""

OFFER = OWN & ~Capability.SLOTS
"""What we can do as a child: all but number charts."""

COMPRESSION_ORDER = tuple(ALGORITHMS.values())
"""Which compression a parent prefers, the best first."""


def negotiate(
    offered: Capability, own: Capability = OWN, compressions: Iterable[Capability] = COMPRESSION_ORDER
) -> Capability:
    """
    What a parent agrees on with a child.

    @param offered: What the child said.
    @param own: What the parent can do.
    @param compressions: In the order in which the parent prefers them; one
        at most is kept, and none that is not among them.
    @return: What may be used.  A child that is older than masks gets the
        capabilities of the highest version that both speak.
    """
    both = offered & own
    compression = next((each for each in compressions if each in both), Capability(0))
    both = both & ~COMPRESSIONS | compression
    if Capability.VCAPS not in offered:
        return of_old_version(old_version(both | MARKERS & offered))
    agreed = both & ~MARKERS
    if Capability.INTERPOLATED not in agreed:
        agreed &= ~(Capability.MLMODELS | Capability.TIERS)
    return agreed


def agreed(answer: Capability, offered: Capability = OFFER) -> Capability:
    """
    What a child may use after a parent's answer, which is taken literally by
    real children but cannot exceed what was offered.
    """
    return answer & offered


SPOILED_FOR = 3600.0
"""Seconds for which an algorithm is not agreed on after it failed."""


class Spoiled:
    """
    Which algorithms failed on a connection of which host, so that its next
    connection does without.
    """

    def __init__(self) -> None:
        self._until: dict[tuple[str, str], float] = {}

    def note(self, guid: str, algorithm: str, now: float) -> None:
        """
        An algorithm failed.

        @param now: UTC seconds.
        """
        self._until = {what: until for what, until in self._until.items() if until > now}
        self._until[guid, algorithm] = now + SPOILED_FOR

    def left(self, guid: str, algorithms: Iterable[str], now: float) -> list[Capability]:
        """
        @param algorithms: Names of those that are wanted, in order.
        @return: Those of them that did not fail lately.
        """
        return [ALGORITHMS[name] for name in algorithms if self._until.get((guid, name), now) <= now]
