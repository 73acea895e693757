"""
The clock of a collector, found in what became of its counters, and the
integers that they grew by.

Counters that are collected together are interpolated to full points of time
alike, as L{netstream.kernel.interpolate} does: of the growth C{g} of a counter
between two collections, C{g * share} belongs to the point between them, and
the rest to the next one.  The share is C{left / (left + late)}: microseconds
from the collection before to the point, and from there to the collection.  So
the values of all of them follow to the bit from how late each collection was
and from integers.
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
SECOND = 1_000_000
LONGEST = 1000
"""Seconds between rows that a clock can be found with, at most."""
_LIMIT = 1e15
_LARGEST = 1.7976931348623157e308
_CLOSE = 0.05
_EXACT = 1e-7
_SHORT = 8
_TRIES = 1000
_TRUSTED = 3
_ENOUGH = 2
_SMALL = 8.0
_UNKNOWN = -1.0
_PATIENCE = 256
_SOME, _MANY = 16, 32

Float64s = npt.NDArray[np.float64]
Int64s = npt.NDArray[np.int64]
Uint64s = npt.NDArray[np.uint64]
Bytes = npt.NDArray[np.uint8]


def fractions(values: Float64s, found: Int64s) -> None:
    """
    Count values that are no integers.

    @param values: float64 of shape (columns, rows).
    @param found: Filled: int64 by column; 0 if some of its values are not
        finite.
    @raise ValueError: Arrays do not fit.
    """
    if len(found) != len(values):
        raise ValueError("arrays of unequal length")
    _fractions(values, found)


def _fractions(values: Float64s, found: Int64s) -> int:
    """
    The compiled way; what is very large counts as an integer.
    """
    with cython.nogil:
        for i in range(values.shape[0]):
            count = 0
            for row in range(values.shape[1]):
                value = values[i, row]
                if not -_LIMIT < value < _LIMIT:
                    if not -_LARGEST <= value <= _LARGEST:
                        count = 0
                        break
                elif value != floor(value):
                    count += 1
            found[i] = count
    return 0


def follow(values: Float64s, step: int, lates: Int64s) -> int:
    """
    Find by how many microseconds collections came after their points.

    @param values: Finite float64 of shape (columns, rows): counters among
        others.
    @param step: Seconds from row to row.
    @param lates: Filled: int64, one more than there are rows, the first for
        the collection before; -1 where it is not known.
    @return: Of how many rows the share is known.
    @raise ValueError: Arrays do not fit.
    """
    width, rows = values.shape
    if len(lates) != rows + 1 or step <= 0:
        raise ValueError("arrays of unequal length")
    if not width or step > LONGEST:
        lates[:] = -1
        return 0
    return _follow(
        values,
        step,
        lates,
        np.zeros(width),
        np.full(width, _UNKNOWN),
        np.zeros(width, np.int64),
        np.zeros(_SHORT, np.int64),
        np.zeros(3, np.int64),
    )


def _follow(
    values: Float64s,
    step: int,
    lates: Int64s,
    rests: Float64s,
    errors: Float64s,
    trust: Int64s,
    short: Int64s,
    found: Int64s,
) -> int:
    """
    @param rests: By column, what is left of the growth before.
    @param errors: By column, how wrong that may be; L{_UNKNOWN} if nothing is
        known.
    @param trust: By column, how often it was as a counter is lately.
    @param short: Room for columns.
    @param found: Room for what L{_begin} finds.
    """
    width = values.shape[0]
    rows = values.shape[1]
    scale = float(step)
    period = step * SECOND
    known = 0
    before = 1.0
    with cython.nogil:
        lates[0] = -1
        for row in range(rows):
            late = -1
            if known == 0 and row >= _PATIENCE:
                lates[row + 1] = -1
                continue
            if lates[row] >= 0:
                late = _next(values, row, scale, period - lates[row], period, rests, errors, trust, short)
            if late < 0 and row > 0:
                late = _begin(values, row, scale, period, trust, found)
                if late >= 0:
                    lates[row] = found[0]
                    for i in range(width):
                        rests[i] = 0.0
                        errors[i] = 0.0 if values[i, row - 1] == 0.0 else _UNKNOWN
            lates[row + 1] = late
            if late < 0:
                for i in range(width):
                    errors[i] = _UNKNOWN
                continue
            known += 1
            left = float(period - lates[row])
            share = left / (left + float(late))
            for i in range(width):
                value = values[i, row] * scale
                error = errors[i]
                if not -_LIMIT < value < _LIMIT:
                    errors[i] = _UNKNOWN
                    continue
                if error < 0.0:
                    rests[i] = value * (1.0 - before)
                    error = 0.0 if value == 0.0 else abs(value) * 0.05 + 1.0
                growth = (value - rests[i]) / share
                if error < _CLOSE:
                    growth = float(floor(growth + 0.5))
                    if error == 0.0 and value != 0.0:
                        if (growth * share + rests[i]) / scale == values[i, row]:
                            if trust[i] < _TRUSTED:
                                trust[i] += 1
                        else:
                            trust[i] -= 2
                            errors[i] = _UNKNOWN
                            continue
                    error = 0.0
                rests[i] = growth - growth * share
                errors[i] = error * (1.0 - share) / share
            before = share
    return known


def _next(
    values: Float64s,
    row: int,
    scale: float,
    left: int,
    period: int,
    rests: Float64s,
    errors: Float64s,
    trust: Int64s,
    short: Int64s,
) -> int:
    """
    @param left: Microseconds from the collection before to this row.
    @return: How late the collection of a row is; -1 if it cannot be told.
    """
    # The smallest leave the fewest possibilities.
    used = 0
    least = _TRUSTED
    while True:
        for i in range(values.shape[0]):
            if errors[i] != 0.0 or trust[i] < least:
                continue
            part = abs(values[i, row] * scale - rests[i])
            if not 0.5 <= part < _LIMIT:
                continue
            at = used
            while at > 0 and part < abs(values[short[at - 1], row] * scale - rests[short[at - 1]]):
                if at < _SHORT:
                    short[at] = short[at - 1]
                at -= 1
            if at < _SHORT:
                short[at] = i
                if used < _SHORT:
                    used += 1
        if used >= _ENOUGH or least == 0:
            break
        used = 0
        least = 0
    tries = 0
    for j in range(used):
        i = short[j]
        value = abs(values[i, row] * scale)
        part = abs(values[i, row] * scale - rests[i])
        within = _EXACT + 1e-9 * value / part
        count = float(floor(part))
        if count < part - 1e-6:
            count += 1.0
        while tries < _TRIES:
            tries += 1
            exact = (count - part) * left / part
            if exact > period:
                break
            near = floor(exact + 0.5)
            if near >= 0 and abs(exact - near) < within:
                share = float(left) / (float(left) + float(near))
                same = 0
                for k in range(used):
                    i = short[k]
                    growth = float(floor((values[i, row] * scale - rests[i]) / share + 0.5))
                    if (growth * share + rests[i]) / scale == values[i, row]:
                        same += 1
                if same * 2 >= used:
                    return int(near)
                i = short[j]
            count += 1.0
    return -1


def _begin(values: Float64s, row: int, scale: float, period: int, trust: Int64s, found: Int64s) -> int:
    """
    Look for small counters that did not grow before.

    @param found: Filled with how late the collection before was; the rest is
        room.
    @return: How late the collection of a row is; -1 if it cannot be told.
    """
    for i in range(values.shape[0]):
        if trust[i] < 0 or values[i, row - 1] != 0.0 or not _ratio(abs(values[i, row]), scale, period, found):
            continue
        left = found[1]
        late = found[2]
        # Others must say the same.
        share = float(left) / (float(left) + float(late))
        yes = 0
        no = 0
        for k in range(values.shape[0]):
            value = abs(values[k, row])
            if trust[k] >= 0 and values[k, row - 1] == 0.0 and 0.0 < value * scale < _SMALL:
                if float(floor(value * scale / share + 0.5)) * share / scale == value:
                    yes += 1
                else:
                    no += 1
        if yes > 1 or no == 0:
            for k in range(values.shape[0]):
                value = abs(values[k, row])
                if trust[k] >= 0 and values[k, row - 1] == 0.0 and 0.0 < value * scale < _SMALL:
                    if float(floor(value * scale / share + 0.5)) * share / scale != value:
                        trust[k] -= 1
                    elif yes > 1:
                        trust[k] = _TRUSTED
            found[0] = period - left
            return int(late)
    return -1


def _ratio(value: float, scale: float, period: int, found: Int64s) -> bool:
    """
    Find the share of which a value is a small multiple.

    @param scale: What the multiple was divided by.
    @param found: Filled from 1 on: microseconds from the collection before to
        the point, and from there to the collection.
    @return: Whether there is just one.
    """
    exact = value * scale
    if not 0.0 < exact < _SMALL:
        return False
    count = float(floor(exact))
    if count == exact:
        return False
    count += 1.0
    rest = (count - exact) / exact
    above = 1
    above_before = 0
    below = 0
    below_before = 1
    # Continued fractions.
    for _ in range(40):
        if rest > period:
            return False
        whole = int(floor(rest))
        above_before, above = above, above_before + whole * above
        below_before, below = below, below_before + whole * below
        # The first two are swapped at first: above / below is the fraction.
        if below > period or above > period:
            return False
        if below > 0 and count * (float(below) / (float(below) + float(above))) / scale == value:
            break
        rest -= whole
        if rest <= 0.0:
            return False
        rest = 1.0 / rest
    else:
        return False
    times = period // below
    if times < 1 or above * times >= period:
        return False
    # Collections are seldom a tenth of a period late, and seldom half of one.
    last = below * times
    near = last * 10 >= period * 9 and (last - below) * 10 < period * 9
    if not near and (last * 2 < period or (last - below) * 2 >= period):
        return False
    found[1] = below * times
    found[2] = above * times
    return True


def shares(lates: Int64s, step: int) -> Float64s:
    """
    @param lates: int64, one more than there are rows, as from L{follow}.
    @param step: Seconds from row to row.
    @return: The share of each row; 1 where it is not known.
    """
    period = step * SECOND
    before, after = lates[:-1], lates[1:]
    known = (before >= 0) & (before < period) & (after >= 0)
    left = np.where(known, period - before, 1).astype(np.float64)
    return left / (left + np.where(known, after, 0).astype(np.float64))


def counts(values: Float64s, portions: Float64s, step: int, scales: Int64s, numbers: Int64s, odd: Bytes) -> int:
    """
    Find the integers that a counter grew by.

    @param values: Finite float64 by row.
    @param portions: The share of each row.
    @param step: Seconds from row to row.
    @param scales: int64 of shape (scales, 2): multipliers and divisors that
        its dimension may have, at least 1.
    @param numbers: Filled: int64 by row.
    @param odd: Filled: uint8 by row, 1 for exceptions: L{restored} makes
        another value of the numbers there.
    @return: Which of the scales it is; -1 if there are too many exceptions
        with all of them, and then the arrays are not filled.
    @raise ValueError: Arrays do not fit.
    """
    if not len(values) == len(portions) == len(numbers) == len(odd) or scales.shape[1] != 2:
        raise ValueError("arrays of unequal length")
    if step <= 0:
        raise ValueError("no such step")
    return _counts(values, values.view(np.uint64), portions, step, scales, numbers, odd)


def _counts(
    values: Float64s,
    bits: Uint64s,
    portions: Float64s,
    step: int,
    scales: Int64s,
    numbers: Int64s,
    odd: Bytes,
) -> int:
    """
    @return: As L{counts}.
    """
    with cython.nogil:
        for scale in range(scales.shape[0]):
            if (
                scales[scale, 0] > 0
                and scales[scale, 1] > 0
                and _scaled(values, bits, portions, step, scales[scale, 0], scales[scale, 1], numbers, odd)
            ):
                return int(scale)
    return -1


def _scaled(
    values: Float64s,
    bits: Uint64s,
    portions: Float64s,
    step: int,
    multiplier: int,
    divisor: int,
    numbers: Int64s,
    odd: Bytes,
) -> bool:
    """
    The state is what is left of the growth before, as far as it is known, and
    what L{restored} takes for it.

    @return: Whether there are few exceptions.
    """
    scale = float(step)
    above = float(multiplier)
    below = float(divisor)
    unit = above / below
    units = below / above
    rest = 0.0
    error = _UNKNOWN
    restored_rest = 0.0
    before = 1.0
    exceptions = 0
    for row in range(values.shape[0]):
        share = portions[row]
        value = values[row] * scale
        if error < 0.0:
            rest = value * (1.0 - before)
            error = 0.0 if value == 0.0 else abs(value) * 0.05 + unit
        exact = (value - rest) / share
        count = exact * units
        count = float(floor(count + 0.5)) if -_LIMIT < count < _LIMIT else 0.0
        growth = count * above
        if below != 1.0:
            growth /= below
        growth += 0.0
        part = growth * share
        made = part + restored_rest
        if step != 1:
            made /= scale
        same = made == values[row] and (made != 0.0 or bits[row] == 0)
        restored_rest = 0.0 + (growth - part)
        numbers[row] = int(count)
        odd[row] = not same
        # Where the share is not known it is 1.
        if not same and share < 1.0:
            exceptions += 1
            if exceptions > _SOME + row // _MANY:
                return False
        if error < _CLOSE * unit:
            error = _UNKNOWN if error == 0.0 and not same and value != 0.0 else 0.0
            rest = restored_rest
        else:
            rest = exact - exact * share
            error = error * (1.0 - share) / share
        before = share
    return True


def restored(numbers: Int64s, portions: Float64s, step: int, multiplier: int, divisor: int) -> Float64s:
    """
    Make values of the integers that a counter grew by.

    @param numbers: int64 by row, as from L{counts}.
    @param portions: The share of each row.
    @return: The value of each row; those of exceptions are others.
    """
    growth = numbers.astype(np.float64) * float(multiplier) / float(divisor) + 0.0
    part = growth * portions
    rests = 0.0 + (growth - part)
    part[1:] += rests[:-1]
    part[:1] += 0.0
    return part / float(step)
