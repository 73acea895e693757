"""
What engines that keep samples in memory have in common: how they are read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Generic, Protocol, TypeVar

from twisted.internet.defer import Deferred, fail, succeed

from netstream.db.folding import fold
from netstream.db.grid import Grid
from netstream.db.interfaces import Columns, Durability, SeriesKey, Span, Stats, UnknownMethod, Window
from netstream.db.overlay import finished


class HasGrid(Protocol):
    """
    What an engine has of a node.
    """

    @property
    def grid(self) -> Grid:
        """
        Its samples.
        """


_NodeT = TypeVar("_NodeT", bound=HasGrid)


class InMemory(Generic[_NodeT]):
    """
    Reads grids of samples, one for each node.
    """

    durability = Durability.MEMORY
    fresh = 0.0
    keeps = True
    tiers = (1,)

    def __init__(self) -> None:
        self._nodes: dict[str, _NodeT] = {}

    def open(self) -> Deferred[None]:
        return succeed(None)

    def bounds(self, node: str, charts: Sequence[str] | None = None) -> Deferred[Mapping[str, Span]]:
        known = self._nodes.get(node)
        return succeed(known.grid.bounds(charts) if known else {})

    def _read(self, node: str, series: Sequence[SeriesKey], after: int, before: int) -> Columns:
        known = self._nodes.get(node)
        return finished((known.grid if known else Grid()).read(series, after, before))

    def read(self, node: str, series: Sequence[SeriesKey], after: int, before: int) -> Deferred[Columns]:
        return succeed(self._read(node, series, after, before))

    def query(
        self, node: str, series: Sequence[SeriesKey], window: Window, method: str, options: str = ""
    ) -> Deferred[Columns]:
        try:
            return succeed(fold(self._read(node, series, window.after, window.before), window, method, options))
        except UnknownMethod:
            return fail()

    def stats(self) -> Deferred[Stats]:
        grids = [node.grid for node in self._nodes.values()]
        return succeed(
            Stats(
                nodes=len(grids),
                series=sum(len(grid) for grid in grids),
                samples=sum(grid.count() for grid in grids),
                memory=sum(grid.nbytes for grid in grids),
            )
        )
