"""
What may be said on a connection: a mask of capabilities.
"""

from __future__ import annotations

from enum import IntFlag
from typing import Self


class Capability(IntFlag):
    """
    The bits of C{ver} in the request and of the number in the reply.  All but
    L{TIERS} are those of real agents, which answer with none that they do not
    know.
    """

    V1 = 1 << 3
    V2 = 1 << 4
    VN = 1 << 5
    VCAPS = 1 << 6
    HLABELS = 1 << 7
    CLAIM = 1 << 8
    CLABELS = 1 << 9
    LZ4 = 1 << 10
    FUNCTIONS = 1 << 11
    REPLICATION = 1 << 12
    BINARY = 1 << 13
    INTERPOLATED = 1 << 14
    IEEE754 = 1 << 15
    ML = 1 << 16
    SLOTS = 1 << 18
    ZSTD = 1 << 19
    GZIP = 1 << 20
    BROTLI = 1 << 21
    PROGRESS = 1 << 22
    DYNCFG = 1 << 23
    NODEID = 1 << 24
    PATHS = 1 << 25
    MLMODELS = 1 << 26
    FLOATBASELINE = 1 << 27
    FUNCDEL = 1 << 28
    TIERS = 1 << 30

    @classmethod
    def parse(cls, version: int) -> Self:
        """
        Read the number of a request or reply: a mask, or the version of a
        node that is older than masks.

        @return: What a number that is neither means is L{V1}.
        """
        if version & cls.VCAPS and 0 < version < 1 << 31:
            return cls(version)
        return cls(_NUMBERED.get(version, cls.V1))

    def names(self) -> list[str]:
        """
        @return: The names of its known bits, lowest first.
        """
        mask = int(self)
        return [name for bit, name in _NAMES if bit & mask]


_NAMES = [(int(bit), bit.name) for bit in Capability if bit.name]


MARKERS = Capability.V1 | Capability.V2 | Capability.VN
"""Say only that a version is spoken; an offer has them, an answer has not."""

COMPRESSIONS = Capability.ZSTD | Capability.LZ4 | Capability.BROTLI | Capability.GZIP

_NUMBERED: dict[int, Capability] = {
    2: Capability.V1 | Capability.V2 | Capability.HLABELS,
    3: MARKERS | Capability.HLABELS | Capability.CLAIM,
    4: MARKERS | Capability.HLABELS | Capability.CLAIM | Capability.CLABELS,
    5: MARKERS | Capability.HLABELS | Capability.CLAIM | Capability.CLABELS | Capability.LZ4,
}


def old_version(capabilities: Capability) -> int:
    """
    @return: The highest version, 1 to 5, all of whose capabilities a node
        that is older than masks and its peer have in common.
    """
    for version, needed in sorted(_NUMBERED.items(), reverse=True):
        if needed & capabilities == needed:
            return version
    return 1


def of_old_version(version: int) -> Capability:
    """
    @return: What a node of version 0 to 5 can do.
    """
    return _NUMBERED.get(version, Capability.V1)
