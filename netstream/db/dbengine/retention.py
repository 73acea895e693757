"""
How long what is kept.
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import define

from netstream.db.dbengine.node import HotNode


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

    def oldest(self, node: HotNode, tier: int, now: float) -> int:
        """
        @return: Rows of a tier that are older than this second do not count.
        """
        kept = self.of(node, tier)
        return int(now) - kept if kept else 0
