"""
The clock of a chart whose parent computes its values, and the algorithms that
make values of collected integers.

The results are those that a Netdata agent stores.
"""

try:
    import cython
except ImportError:
    from netstream.kernel import uncompiled as cython

from netstream.kernel.columns import Columns

if not cython.compiled:
    from netstream.kernel.columns import RESET
    from netstream.kernel.records import (
        ABSOLUTE,
        INCREMENT_PERCENTAGE,
        INCREMENTAL,
        NO_RESET,
        ROW_PERCENTAGE,
        WIDE,
        Chart,
        Dimension,
        Records,
    )

    SECOND = 1000000

FARTHEST = 10**15
"""A clock that is more microseconds ahead begins anew."""
LONG = 2000
"""Seconds whose microseconds are too many for 32 bits."""
_MASK = 0xFFFFFFFFFFFFFFFF
_SIGN = 0x8000000000000000
_CAP = 0xFFFFFFFF


def redefine(chart: Chart, period: int, store_first: bool) -> int:
    """
    Take a new definition of a chart.  The next duration is that of the
    parent's own clock.

    @param period: Seconds between its points.
    """
    if period != chart.period:
        chart.period = period
        chart.updated_at -= chart.updated_at % (period * SECOND)
    chart.store_first = store_first
    chart.synchronised = False
    return 0


def restart(dimension: Dimension, algorithm: int) -> int:
    """
    Begin anew with another algorithm.
    """
    dimension.algorithm = algorithm
    dimension.count = 0
    dimension.marks &= ~WIDE
    dimension.last = 0
    dimension.calculated = 0.0
    dimension.carried = 0.0
    return 0


def take_over(chart: Chart, collected_at: int, updated_at: int) -> int:
    """
    Go on where the child's own database is.

    @param collected_at: Time of its last collection, microseconds.
    @param updated_at: Time of its last point, microseconds.
    """
    chart.collected_at = max(chart.collected_at, collected_at)
    chart.updated_at = max(chart.updated_at, updated_at - updated_at % (chart.period * SECOND))
    chart.synchronised = True
    chart.off = 0
    return 0


def take_over_dimension(dimension: Dimension, collected: int, calculated: float) -> int:
    """
    Go on with a dimension where the child's own database is.

    @param collected: Integer collected last.
    @param calculated: What was calculated of it; of an incremental
        dimension, what is not stored yet.
    """
    dimension.last = collected
    dimension.carried = calculated
    if dimension.count < 1:
        dimension.count = 1
    return 0


def collect(chart: Chart, dimensions: Records[Dimension], given: int, now: int, most: int, columns: Columns) -> int:
    """
    End a block: add the points that are due.

    @param given: Duration since the last collection, in microseconds; 0 if
        the child gave none.
    @param now: Microseconds.
    @param most: Points are stored while fewer than this many are due.
    @param columns: Where the points go.
    """
    period = chart.period * SECOND
    first = chart.collected_at == 0
    if first:
        # The agent takes the middle of the second as the time of the first collection.
        chart.collected_at = now - now % period
        chart.updated_at = chart.collected_at
        since = chart.collected_at - period
        if chart.store_first:
            chart.updated_at = since
            number = chart.first
            while number:
                dimension = dimensions + number
                dimension.count = 1
                number = dimension.sibling
        else:
            chart.collected_at += SECOND // 2
            since += SECOND // 2
        if chart.period < LONG:
            chart.off = now - chart.collected_at
    else:
        elapsed = _elapsed(chart, given, now)
        since = chart.collected_at
        chart.collected_at += elapsed
    reset = _calculate(chart, dimensions)
    _interpolate(chart, dimensions, since, most, reset, columns)
    number = chart.first
    while number:
        dimension = dimensions + number
        if dimension.collected:
            dimension.last = dimension.value
            if dimension.algorithm != INCREMENTAL:
                dimension.carried = dimension.calculated
            elif not first:
                dimension.carried += dimension.calculated
            dimension.calculated = 0.0
            dimension.collected = False
        number = dimension.sibling
    return 0


def _elapsed(chart: Chart, given: int, now: int) -> int:
    """
    @return: Duration since the last collection, in microseconds.
    """
    if chart.collected_at > now + FARTHEST:
        chart.collected_at = now
        chart.updated_at = now - now % (chart.period * SECOND)
        return 0
    if given and chart.synchronised:
        return given
    chart.synchronised = True
    chart.off = 0
    return now - chart.collected_at if now > chart.collected_at else chart.collected_at - now


def _calculate(chart: Chart, dimensions: Records[Dimension]) -> bool:
    """
    Turn collected integers into calculated values.

    @return: Whether a counter was reset or overflowed.
    """
    total = 0
    last_total = 0
    reset = False
    number = chart.first
    while number:
        dimension = dimensions + number
        if dimension.collected:
            if dimension.count < 2:
                dimension.count += 1
            magnitude = _signed(-dimension.value & _MASK) if dimension.value < 0 else dimension.value
            if magnitude >> 32 > 0:
                dimension.marks |= WIDE
            total = _signed((total + dimension.value) & _MASK)
            if dimension.algorithm == INCREMENT_PERCENTAGE and dimension.last > dimension.value:
                reset = reset or (dimension.count > 1 and not dimension.marks & NO_RESET)
                dimension.last = dimension.value
            last_total = _signed((last_total + dimension.last) & _MASK)
        number = dimension.sibling
    growth = _signed((total - last_total) & _MASK)
    number = chart.first
    while number:
        dimension = dimensions + number
        if not dimension.collected:
            dimension.calculated = 0.0
        elif dimension.algorithm == ABSOLUTE:
            dimension.calculated = float(dimension.value) * dimension.multiplier / dimension.divisor
        elif dimension.algorithm == ROW_PERCENTAGE:
            dimension.calculated = 100.0 * float(dimension.value) / float(total) if total else 0.0
        elif dimension.count <= 1:
            dimension.calculated = 0.0
        elif dimension.algorithm == INCREMENTAL:
            # Counters are unsigned.
            last = dimension.last & _MASK
            value = dimension.value & _MASK
            reset = reset or (last > value and not dimension.marks & NO_RESET)
            dimension.calculated += float(_increment(dimension)) * dimension.multiplier / dimension.divisor
        elif growth:
            value = (dimension.value - dimension.last) & _MASK
            dimension.calculated = 100.0 * float(_signed(value)) / float(growth)
        else:
            dimension.calculated = 0.0
        number = dimension.sibling
    return reset


def _increment(dimension: Dimension) -> int:
    """
    @return: By how much a counter grew; 0 if it was reset.
    """
    last = dimension.last & _MASK
    value = dimension.value & _MASK
    if last <= value:
        return _signed(value - last)
    cap = _MASK if dimension.marks & WIDE else _CAP
    delta = (cap - last + value) & _MASK
    acceptable = cap // 100 * 10
    return _signed(delta) if delta < acceptable and last > cap - acceptable else 0


def _interpolate(
    chart: Chart, dimensions: Records[Dimension], since: int, most: int, reset: bool, columns: Columns
) -> int:
    """
    Add the points that are due.

    @param since: When the interval began that the block is about.
    @param most: Points are stored while fewer than this many are due.
    @param reset: Whether to mark the first one.
    """
    period = chart.period * SECOND
    now = chart.collected_at
    due = chart.updated_at + period
    left = (now - chart.updated_at) // period
    if now % period == 0:
        left += 1
    flags = RESET if reset else 0
    if left > most:
        # Of a long hole only the end is filled: no need to walk all of it.
        skipped = left - most
        since = _skip(chart, dimensions, since, due + (skipped - 1) * period)
        due = since + period
        left = most
        flags = 0
    while due <= now:
        # Nothing lies between only where a child says that it was updated after it collected.
        part = float(due - since) / float(now - since) if now != since else 1.0
        number = chart.first
        while number:
            dimension = dimensions + number
            if dimension.algorithm == INCREMENTAL:
                value = dimension.calculated * part
                dimension.calculated -= value
                value = (value + dimension.carried) / float(chart.period)
                dimension.carried = 0.0
            elif left == 1:
                value = dimension.calculated
            else:
                value = (dimension.calculated - dimension.carried) * part + dimension.carried
            if dimension.collected and dimension.count > 1 and left < most:
                columns.add(dimension.series, due // SECOND, dimension.value, value, flags)
            number = dimension.sibling
        chart.updated_at = due
        flags = 0
        since = due
        due += period
        left -= 1
    columns.finish()
    return 0


def _skip(chart: Chart, dimensions: Records[Dimension], since: int, until: int) -> int:
    """
    Leave out points.

    @param since: When the interval began that the block is about.
    @param until: Time of the last point that is left out, microseconds.
    @return: C{until}.
    """
    part = float(until - since) / float(chart.collected_at - since) if chart.collected_at != since else 1.0
    number = chart.first
    while number:
        dimension = dimensions + number
        if dimension.algorithm == INCREMENTAL:
            dimension.calculated -= dimension.calculated * part
            dimension.carried = 0.0
        number = dimension.sibling
    chart.updated_at = until
    return until


def _signed(value: int) -> int:
    """
    @return: What an integer modulo 2**64 is, between -2**63 and 2**63 - 1.
    """
    return ((value + _SIGN) & _MASK) - _SIGN
