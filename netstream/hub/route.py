"""
The way that a host's samples take: which agents they pass.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from netstream.hub.listeners import Listeners

Entry = Mapping[str, Any]
"""What an agent says of itself in a stream path, as decoded from JSON."""


class Route:
    """
    The agents before this node, as the child says, this node itself, and those
    after it, as its parent says.

    Each side is asked only for what it can know, so that what one node says
    about another settles however nodes come and go.

    @ivar own: This node's entry; L{None} until it is known.
    @ivar before: Nearest to the origin first.
    @ivar after: Nearest to this node first.
    """

    def __init__(self) -> None:
        self.own: Entry | None = None
        self.before: tuple[Entry, ...] = ()
        self.after: tuple[Entry, ...] = ()
        self._listeners: Listeners[Callable[[], None]] = Listeners()

    @property
    def entries(self) -> tuple[Entry, ...]:
        """
        All of it, the origin first.
        """
        return (*self.before, *(() if self.own is None else (self.own,)), *self.after)

    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        """
        Hear of each change.

        @return: Call it to hear no more.
        """
        return self._listeners.add(listener)

    def place(self, own: Entry) -> bool:
        """
        This node says what it is.

        @return: Whether that is new.
        """
        if own == self.own:
            return False
        self.own = own
        self.before = self._others(self.before, -1)
        self.after = self._others(self.after, 1)
        self._tell()
        return True

    def from_child(self, entries: Sequence[Entry]) -> bool:
        """
        The child says which way the samples came.

        @return: Whether that is new.
        """
        before = self._others(entries, -1)
        if before == self.before:
            return False
        self.before = before
        self._tell()
        return True

    def from_parent(self, entries: Sequence[Entry]) -> bool:
        """
        The parent says which way they go on; nowhere if it is gone.

        @return: Whether that is new.
        """
        after = self._others(entries, 1)
        if after == self.after:
            return False
        self.after = after
        self._tell()
        return True

    def _others(self, entries: Sequence[Entry], side: int) -> tuple[Entry, ...]:
        """
        @param side: -1 for those nearer to the origin than we, 1 for those
            farther from it.
        """
        if self.own is None:
            return tuple(entries)
        me, hops = self.own["host_id"], self.own["hops"]
        return tuple(e for e in entries if e["host_id"] != me and (e["hops"] - hops) * side > 0)

    def _tell(self) -> None:
        for listener in tuple(self._listeners):
            listener()
