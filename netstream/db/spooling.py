"""
What spools have in common, in memory or on disk.
"""

from __future__ import annotations

from collections.abc import Callable


class Spooling:
    """
    Keeps the newest samples of nodes without a database, in so many bytes.

    @ivar most: Bytes, over all nodes.
    @ivar lost: Samples that were dropped and that no parent was given.
    @ivar spilled: Told of each loss: the machine GUID of the node, and how
        many samples.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.lost = 0
        self.spilled: Callable[[str, int], None] | None = None

    def delivered(self, node: str, second: int) -> None:
        """
        A parent was given all samples of a node up to a second.
        """
        raise NotImplementedError

    def spill(self, node: str, samples: int) -> None:
        """
        Samples of a node were dropped that no parent was given.
        """
        self.lost += samples
        if samples and self.spilled is not None:
            self.spilled(node, samples)
