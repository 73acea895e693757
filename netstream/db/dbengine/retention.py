"""
How long what is kept.
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import define

from netstream.db.dbengine.node import HotNode

_LONG = 7 * 86400
"""Seconds after which the next coarser tier has everything, but for a disk that is full for days."""


@define
class Retention:
    """
    The limits of a database.

    @ivar seconds: By tier; 0 is no limit.
    @ivar sizes: Bytes of the files, by tier; 0 is no limit.  They may change.
    """

    seconds: Sequence[int]
    sizes: Sequence[int]

    @property
    def tiers(self) -> range:
        """
        All tiers, the finest first.
        """
        return range(len(self.seconds))

    def of(self, node: HotNode, tier: int) -> int:
        """
        A node's own retention is that of its samples; its coarser tiers are
        kept longer or shorter in the same proportion.

        @return: Seconds that rows of a tier are kept of a node; 0 is no limit.
        """
        kept, own = self.seconds[tier], node.retention
        if own is None:
            return kept
        if tier == 0 or not own:
            return own
        if not kept:
            return 0
        return max(own, kept * own // self.seconds[0] if self.seconds[0] else kept)

    def ends(self, node: HotNode, tier: int, now: float) -> int:
        """
        @return: Rows of a tier that are older than this second are past their
            time.
        """
        kept = self.of(node, tier)
        return int(now) - kept if kept else 0

    def first(self, node: HotNode, now: float) -> int:
        """
        @return: What is older than this second does not count in any tier.
        """
        seconds = self.seconds
        if node.retention is None and min(seconds) >= _LONG:
            return int(now) - max(seconds)
        return min([self.oldest(node, tier, now) for tier in self.tiers])

    def oldest(self, node: HotNode, tier: int, now: float) -> int:
        """
        What the next coarser tier was not made of yet counts, however old.

        @return: Rows of a tier that are older than this second do not count.
        """
        kept = self.of(node, tier)
        oldest = int(now) - kept if kept else 0
        if 0 < kept < _LONG and tier + 1 in self.tiers:
            waiting = node.waiting(tier + 1)
            oldest = oldest if waiting is None else min(oldest, waiting)
        return oldest
