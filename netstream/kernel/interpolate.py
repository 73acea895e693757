"""
The clock of a chart whose parent computes its values, and the algorithms that
make values of collected integers.

The results are those that a Netdata agent stores.
"""

from netstream.kernel.columns import RESET, Columns

ABSOLUTE, INCREMENTAL, ROW_PERCENTAGE, INCREMENT_PERCENTAGE = 0, 1, 2, 3
SECOND = 1000000
FARTHEST = 10**15
"""A clock that is more microseconds ahead begins anew."""
_MASK = 0xFFFFFFFFFFFFFFFF
_SIGN = 0x8000000000000000
_CAP = 0xFFFFFFFF


class Dimension:
    """
    A dimension and where its algorithm stands.

    @ivar series: Its number.
    @ivar value: Integer collected in the open block.
    @ivar last: Integer collected before that.
    @ivar highest: Largest magnitude ever collected.
    @ivar count: Collections so far.
    @ivar collected: Whether the open block has it.
    @ivar calculated: What the algorithm made of the block and is not stored.
    @ivar carried: For incremental dimensions, what earlier blocks left; for
        the others, the last calculated value.
    """

    __slots__ = (
        "name",
        "series",
        "algorithm",
        "multiplier",
        "divisor",
        "no_reset",
        "value",
        "last",
        "highest",
        "count",
        "collected",
        "calculated",
        "carried",
    )

    def __init__(self, name: bytes, series: int, algorithm: int) -> None:
        self.name = name
        self.series = series
        self.algorithm = algorithm
        self.multiplier = 1.0
        self.divisor = 1.0
        self.no_reset = False
        self.value = 0
        self.last = 0
        self.highest = 0
        self.count = 0
        self.collected = False
        self.calculated = 0.0
        self.carried = 0.0

    def restart(self, algorithm: int) -> None:
        """
        Begin anew with another algorithm.
        """
        self.algorithm = algorithm
        self.count = 0
        self.highest = 0
        self.last = 0
        self.calculated = 0.0
        self.carried = 0.0

    def resume(self, collected: int, calculated: float) -> None:
        """
        Go on where the child's own database is.

        @param collected: Integer collected last.
        @param calculated: What was calculated of it; of an incremental
            dimension, what is not stored yet.
        """
        self.last = collected
        self.carried = calculated
        self.count = max(self.count, 1)

    def set(self, value: int) -> int:
        """
        Collect an integer.
        """
        self.value = value
        self.collected = True
        return 0

    def fell(self) -> bool:
        """
        @return: Whether a counter is below its last value.  Counters are
            unsigned.
        """
        last = self.last & _MASK
        value = self.value & _MASK
        return last > value

    def increment(self) -> int:
        """
        @return: By how much a counter grew; 0 if it was reset.
        """
        last = self.last & _MASK
        value = self.value & _MASK
        if last <= value:
            return _signed(value - last)
        cap = _MASK if self.highest > 0xFFFFFFFF else _CAP
        delta = (cap - last + value) & _MASK
        acceptable = cap // 100 * 10
        return _signed(delta) if delta < acceptable and last > cap - acceptable else 0


class Chart:
    """
    A chart, its dimensions and its clock.

    @ivar period: Seconds between its points.
    @ivar collected_at: Time of the last collection, in microseconds; 0 before
        the first.
    @ivar updated_at: Time of the last point, in microseconds.
    @ivar synchronised: Whether the duration before the next collection can be
        taken as given.
    @ivar order: The dimensions in the order of their definition.
    """

    __slots__ = (
        "name",
        "period",
        "store_first",
        "dimensions",
        "order",
        "collected_at",
        "updated_at",
        "synchronised",
    )

    def __init__(self, name: bytes, period: int, store_first: bool) -> None:
        self.name = name
        self.period = period
        self.store_first = store_first
        self.dimensions: dict[bytes, Dimension] = {}
        self.order: list[Dimension] = []
        self.collected_at = 0
        self.updated_at = 0
        self.synchronised = False

    def change(self, period: int, store_first: bool) -> None:
        """
        Take a new definition.  The next duration is that of the parent's own
        clock.
        """
        if period != self.period:
            self.period = period
            self.updated_at -= self.updated_at % (period * SECOND)
        self.store_first = store_first
        self.synchronised = False

    def resume(self, collected_at: int, updated_at: int) -> None:
        """
        Go on where the child's own database is.

        @param collected_at: Time of its last collection, microseconds.
        @param updated_at: Time of its last point, microseconds.
        """
        self.collected_at = max(self.collected_at, collected_at)
        self.updated_at = max(self.updated_at, updated_at - updated_at % (self.period * SECOND))
        self.synchronised = True

    def elapsed(self, given: int, now: int) -> int:
        """
        @param given: Duration that the child gives, in microseconds; 0 if none.
        @param now: Microseconds.
        @return: Duration since the last collection, in microseconds.
        """
        if self.collected_at > now + FARTHEST:
            self.collected_at = now
            self.updated_at = now - now % (self.period * SECOND)
            return 0
        if given and self.synchronised:
            return given
        self.synchronised = True
        return now - self.collected_at if now > self.collected_at else self.collected_at - now

    def collect(self, given: int, now: int, most: int, columns: Columns) -> int:
        """
        End a block: add the points that are due.

        @param given: Duration since the last collection, in microseconds.
        @param now: Microseconds.
        @param most: Points are stored while fewer than this many are due.
        @param columns: Where the points go.
        """
        period = self.period * SECOND
        first = self.collected_at == 0
        if first:
            # The agent takes the middle of the second as the time of the first collection.
            self.collected_at = now - now % period
            self.updated_at = self.collected_at
            since = self.collected_at - period
            if self.store_first:
                self.updated_at = since
                for dimension in self.order:
                    dimension.count = 1
            else:
                self.collected_at += SECOND // 2
                since += SECOND // 2
        else:
            elapsed = self.elapsed(given, now)
            since = self.collected_at
            self.collected_at += elapsed
        self.interpolate(since, most, self.calculate(), columns)
        for dimension in self.order:
            if dimension.collected:
                dimension.last = dimension.value
                if dimension.algorithm != INCREMENTAL:
                    dimension.carried = dimension.calculated
                elif not first:
                    dimension.carried += dimension.calculated
                dimension.calculated = 0.0
                dimension.collected = False
        return 0

    def calculate(self) -> bool:
        """
        Turn collected integers into calculated values.

        @return: Whether a counter was reset or overflowed.
        """
        total = 0
        last_total = 0
        reset = False
        for dimension in self.order:
            if dimension.collected:
                dimension.count += 1
                magnitude = _signed(-dimension.value) if dimension.value < 0 else dimension.value
                if magnitude > dimension.highest:
                    dimension.highest = magnitude
                total = _signed(total + dimension.value)
                if dimension.algorithm == INCREMENT_PERCENTAGE and dimension.last > dimension.value:
                    reset |= dimension.count > 1 and not dimension.no_reset
                    dimension.last = dimension.value
                last_total = _signed(last_total + dimension.last)
        growth = _signed(total - last_total)
        for dimension in self.order:
            if not dimension.collected:
                dimension.calculated = 0.0
            elif dimension.algorithm == ABSOLUTE:
                dimension.calculated = float(dimension.value) * dimension.multiplier / dimension.divisor
            elif dimension.algorithm == ROW_PERCENTAGE:
                dimension.calculated = 100.0 * float(dimension.value) / float(total) if total else 0.0
            elif dimension.count <= 1:
                dimension.calculated = 0.0
            elif dimension.algorithm == INCREMENTAL:
                reset |= dimension.fell() and not dimension.no_reset
                dimension.calculated += float(dimension.increment()) * dimension.multiplier / dimension.divisor
            else:
                dimension.calculated = (
                    100.0 * float(_signed(dimension.value - dimension.last)) / float(growth) if growth else 0.0
                )
        return reset

    def interpolate(self, since: int, most: int, reset: bool, columns: Columns) -> int:
        """
        Add the points that are due.

        @param since: When the interval began that the block is about.
        @param most: Points are stored while fewer than this many are due.
        @param reset: Whether to mark the first one.
        """
        period = self.period * SECOND
        now = self.collected_at
        due = self.updated_at + period
        left = (now - self.updated_at) // period
        if now % period == 0:
            left += 1
        flags = RESET if reset else 0
        if left > most:
            # Of a long hole only the end is filled: no need to walk all of it.
            skipped = left - most
            since = self.skip(since, due + (skipped - 1) * period)
            due = since + period
            left = most
            flags = 0
        while due <= now:
            part = float(due - since) / float(now - since)
            for dimension in self.order:
                if dimension.algorithm == INCREMENTAL:
                    value = dimension.calculated * part
                    dimension.calculated -= value
                    value = (value + dimension.carried) / float(self.period)
                    dimension.carried = 0.0
                elif left == 1:
                    value = dimension.calculated
                else:
                    value = (dimension.calculated - dimension.carried) * part + dimension.carried
                if dimension.collected and dimension.count > 1 and left < most:
                    columns.add(dimension.series, due // SECOND, dimension.value, value, flags)
            self.updated_at = due
            flags = 0
            since = due
            due += period
            left -= 1
        columns.finish()
        return 0

    def skip(self, since: int, until: int) -> int:
        """
        Leave out points.

        @param since: When the interval began that the block is about.
        @param until: Time of the last point that is left out, microseconds.
        @return: C{until}.
        """
        part = float(until - since) / float(self.collected_at - since)
        for dimension in self.order:
            if dimension.algorithm == INCREMENTAL:
                dimension.calculated -= dimension.calculated * part
                dimension.carried = 0.0
        self.updated_at = until
        return until


def _signed(value: int) -> int:
    """
    @return: An integer modulo 2**64, between -2**63 and 2**63 - 1.
    """
    return ((value + _SIGN) & _MASK) - _SIGN
