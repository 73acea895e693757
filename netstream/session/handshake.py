"""
What two nodes agree on.
"""

from __future__ import annotations

from collections.abc import Iterable

from netstream.wire.capabilities import COMPRESSIONS, MARKERS, Capability, of_old_version, old_version

OWN = (
    MARKERS
    | Capability.VCAPS
    | Capability.HLABELS
    | Capability.CLAIM
    | Capability.CLABELS
    | Capability.FUNCTIONS
    | Capability.INTERPOLATED
    | Capability.IEEE754
    | Capability.SLOTS
)
"""What we can do as a parent."""

OFFER = OWN & ~Capability.FUNCTIONS & ~Capability.SLOTS
"""What we can do as a child: not yet answer calls, and number no charts."""

COMPRESSION_ORDER = (Capability.ZSTD, Capability.LZ4, Capability.BROTLI, Capability.GZIP)
"""Which compression a parent prefers, the best first."""


def negotiate(
    offered: Capability, own: Capability = OWN, compressions: Iterable[Capability] = COMPRESSION_ORDER
) -> Capability:
    """
    What a parent agrees on with a child.

    @param offered: What the child said.
    @param own: What the parent can do.
    @param compressions: In the order in which the parent prefers them; one
        at most is kept.
    @return: What may be used.  A child that is older than masks gets the
        capabilities of the highest version that both speak.
    """
    both = offered & own
    if Capability.VCAPS not in offered:
        return of_old_version(old_version(both | MARKERS & offered))
    agreed = both & ~MARKERS & ~COMPRESSIONS
    if Capability.INTERPOLATED not in agreed:
        agreed &= ~Capability.MLMODELS
    for compression in compressions:
        if compression in both:
            return agreed | compression
    return agreed


def agreed(answer: Capability, offered: Capability = OFFER) -> Capability:
    """
    What a child may use after a parent's answer, which is taken literally by
    real children but cannot exceed what was offered.
    """
    return answer & offered
