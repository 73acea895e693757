"""
The totals of which columns are percentages.

A chart that shows how counters share something has values C{100 * n / total},
with the same total for all its dimensions, and C{n} by how much each grew.
Both are small integers, and found in the values.
"""

import numpy as np
import numpy.typing as npt

try:
    import cython
except ImportError:
    from netstream.kernel import uncompiled as cython

if not cython.compiled:
    from math import floor

COMPILED = not __file__.endswith(".py")
MOST = 1 << 14
"""No total is greater.  It is enough for 160 processors, and less than 25 600,
the total of kilobytes in megabytes, of which nothing is gained."""
_MOST = MOST

Float64s = npt.NDArray[np.float64]
Int64s = npt.NDArray[np.int64]


def joined(values: Float64s, totals: Int64s, more: Int64s) -> int:
    """
    Find the least totals of which a column and others are percentages.

    @param values: Finite float64 by row.
    @param totals: int64 by row: those of the others; 1 if there are none.
    @param more: Filled: int64 by row: those of all.
    @return: The greatest; 0 if they are no percentages, and then C{more} is
        not filled.
    @raise ValueError: Arrays do not fit.
    """
    if not len(values) == len(totals) == len(more):
        raise ValueError("arrays of unequal length")
    return _joined(values, totals, more)


def _joined(values: Float64s, totals: Int64s, more: Int64s) -> int:
    """
    The compiled way.
    """
    greatest = 1
    with cython.nogil:
        for row in range(values.shape[0]):
            value = values[row]
            if not 0.0 <= value <= 100.0:
                return 0
            total = totals[row]
            if not 0 < total <= _MOST:
                return 0
            if 100.0 * float(floor(value * total / 100.0 + 0.5)) / total != value:
                least = _least(value)
                if least == 0:
                    return 0
                a = total
                b = least
                while b > 0:
                    a, b = b, a % b
                total = total // a * least
                if total > _MOST:
                    return 0
            more[row] = total
            if total > greatest:
                greatest = total
    return int(greatest)


def _least(value: float) -> int:
    """
    @return: The least total of which a value is a percentage; 0 if there is
        none.
    """
    rest = value / 100.0
    above = 1
    above_before = 0
    below = 0
    below_before = 1
    # Continued fractions; see the clock of a collector.
    for _ in range(20):
        if rest > _MOST:
            return 0
        whole = int(floor(rest))
        above_before, above = above, above_before + whole * above
        below_before, below = below, below_before + whole * below
        if below > _MOST:
            return 0
        if below > 0 and 100.0 * above / below == value:
            return below
        rest -= whole
        if rest <= 0.0:
            return 0
        rest = 1.0 / rest
    return 0
