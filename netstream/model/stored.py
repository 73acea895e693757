"""
What a database keeps of a node, as one node tells it another.
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from netstream.model.samples import Bytes, Float64s

FIELDS = 5
"""What a row of a coarser tier has of each series: sum, minimum, maximum,
count and how many are anomalous."""

COUNT = 3
"""Where the count is among them."""

RESTLESS = -1
"""Stands for a number of samples that changes still."""


@frozen
class StoredRows:
    """
    Rows of a tier that are stored together, or would be.

    @ivar tier: 0 is the samples themselves.
    @ivar start: Second of the first row.
    @ivar step: Seconds from row to row.
    @ivar rows: How many there are.
    @ivar samples: How many samples are there, over all series, of a coarser
        tier how many rows; L{RESTLESS} is that it changes.
    @ivar partial: Whether some of the rows may be made of a part of what they
        are about, since the finer tier begins there.
    """

    tier: int
    start: int
    step: int
    rows: int
    samples: int = 0
    partial: bool = False

    @property
    def last(self) -> int:
        """
        Second of the last row.
        """
        return self.start + self.step * (self.rows - 1)

    def overlaps(self, other: StoredRows) -> bool:
        """
        @return: Whether both are of the same tier and have a second in common.
        """
        return self.tier == other.tier and self.start <= other.last and other.start <= self.last


@frozen(eq=False)
class Cells:
    """
    Rows of a tier, of some series.

    @ivar series: Chart id and dimension id of each.
    @ivar fields: float64 of shape (fields, series, rows): the samples, of a
        coarser tier the five fields; NaN where there is none.
    @ivar flags: uint8 of shape (series, rows): those of the samples.
    """

    where: StoredRows
    series: Sequence[tuple[str, str]]
    fields: Float64s
    flags: Bytes
