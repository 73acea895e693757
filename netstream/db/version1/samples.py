"""
Samples as the readers of the first version give them.
"""

from __future__ import annotations

from attrs import frozen

from netstream.model.samples import Bytes, Float64s, Int32s, Int64s


@frozen(eq=False)
class Samples:
    """
    Columns of equal length.

    @ivar number: int32, number of the series.
    @ivar time: int64, second.
    @ivar value: float64; NaN where a gap was written.
    @ivar flags: uint8, as in L{netstream.model.samples}; a gap has EMPTY.
    """

    number: Int32s
    time: Int64s
    value: Float64s
    flags: Bytes
