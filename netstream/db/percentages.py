"""
Columns that are percentages of the same totals, stored as integers.

A value is C{100 * n / total}; the totals are pcodec of int64, one for each row,
and a column is pcodec of int64, C{n} for each row that has a value.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from netstream.kernel import portions
from netstream.model.samples import Float64s, Int64s


def groups(columns: Sequence[Float64s]) -> Iterator[tuple[Int64s, dict[int, Int64s]]]:
    """
    Find columns that are percentages of the same totals, where these stand
    beside each other.

    @param columns: Finite float64 by row, of each column.
    @return: Totals, and the integers of columns by their place.
    """
    if not portions.COMPILED:
        return
    at = 0
    while at < len(columns):
        totals = np.ones(len(columns[at]), np.int64)
        more = np.empty_like(totals)
        members: list[int] = []
        greatest = 0
        while at < len(columns):
            found = portions.joined(columns[at], totals, more)
            # Totals of another chart would be multiplied with these.
            if not found or (members and found > greatest + greatest // 8):
                break
            totals, more = more, totals
            greatest = found
            members.append(at)
            at += 1
        if not members:
            at += 1
            continue
        usual = np.median(totals[2 * totals > greatest])
        # Any multiple will do; those that are alike take the least room.
        totals *= np.maximum(1, np.rint(usual / totals).astype(np.int64))
        # Parts of a fixed whole are no percentages, and numbers with few digits are smaller as such.
        if (totals == totals[0]).all():
            continue
        numbers = {member: np.rint(columns[member] * totals / 100.0).astype(np.int64) for member in members}
        same = {
            member: found
            for member, found in numbers.items()
            if (restored(found, totals).view(np.uint64) == columns[member].view(np.uint64)).all()
        }
        if same:
            yield totals, same


def restored(numbers: Int64s, totals: Int64s) -> Float64s:
    """
    @return: Percentages.
    """
    made: Float64s = 100.0 * numbers.astype(np.float64) / totals.astype(np.float64)
    return made
