"""
The clock of a chart whose parent computes its values, and the algorithms that
make values of collected integers.

The results are those that a Netdata agent stores.
"""

from netstream.kernel.columns import RESET, Columns
from netstream.kernel.text import signed

ABSOLUTE, INCREMENTAL, ROW_PERCENTAGE, INCREMENT_PERCENTAGE = 0, 1, 2, 3
SECOND = 1000000
_MASK = 0xFFFFFFFFFFFFFFFF


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

    def set(self, value: int) -> None:
        """
        Collect an integer.
        """
        self.value = value
        self.collected = True

    def increment(self) -> int:
        """
        @return: By how much a counter grew, if it only grows; 0 if it was reset.
        """
        last = self.last & _MASK
        value = self.value & _MASK
        if last <= value:
            return signed(value - last)
        highest = self.highest
        if highest > 0xFFFFFFFF:
            cap = _MASK
        elif highest > 0xFFFF:
            cap = 0xFFFFFFFF
        elif highest > 0xFF:
            cap = 0xFFFF
        else:
            cap = 0xFF
        delta = (cap - last + value) & _MASK
        acceptable = cap // 100 * 10
        return signed(delta) if delta < acceptable and last > cap - acceptable else 0


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
        "total",
        "last_total",
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
        self.total = 0
        self.last_total = 0

    def elapsed(self, given: int, now: int) -> int:
        """
        @param given: Duration that the child gives, in microseconds; 0 if none.
        @param now: Microseconds.
        @return: Duration since the last collection, in microseconds.
        """
        if given and self.synchronised:
            return given
        self.synchronised = True
        return abs(now - self.collected_at)

    def collect(self, given: int, now: int, most: int, columns: Columns) -> None:
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
            self.collected_at = now // period * period + (0 if self.store_first else SECOND // 2)
            since = self.collected_at - period
            self.updated_at = self.collected_at // period * period
        else:
            since = self.collected_at
            self.collected_at += self.elapsed(given, now)
        self.calculate()
        self.interpolate(since, most, columns)
        for dimension in self.order:
            if dimension.collected:
                dimension.last = dimension.value
                if dimension.algorithm == INCREMENTAL:
                    if not first:
                        dimension.carried += dimension.calculated
                else:
                    dimension.carried = dimension.calculated
                dimension.calculated = 0.0
                dimension.collected = False
        self.last_total = self.total
        columns.finish()

    def calculate(self) -> None:
        """
        Turn collected integers into calculated values.
        """
        total = 0
        for dimension in self.order:
            if dimension.collected:
                dimension.count += 1
                magnitude = abs(dimension.value)
                if magnitude > dimension.highest:
                    dimension.highest = magnitude
                total = signed(total + dimension.value)
        self.total = total
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
                increment = dimension.increment()
                dimension.calculated += float(increment) * dimension.multiplier / dimension.divisor
            else:
                if dimension.last > dimension.value:
                    dimension.last = dimension.value
                growth = signed(total - self.last_total)
                dimension.calculated = (
                    100.0 * float(signed(dimension.value - dimension.last)) / float(growth) if growth else 0.0
                )

    def interpolate(self, since: int, most: int, columns: Columns) -> None:
        """
        Add the points of all boundaries that are due.
        """
        period = self.period * SECOND
        now = self.collected_at
        stored = self.updated_at
        due = stored + period
        left = (now - stored) // period
        flags = RESET if self.was_reset() else 0
        while due <= now:
            for dimension in self.order:
                if dimension.algorithm == INCREMENTAL:
                    value = dimension.calculated * float(due - since) / float(now - since)
                    dimension.calculated -= value
                    value += dimension.carried
                    dimension.carried = 0.0
                    value /= float(self.period)
                elif left == 1:
                    value = dimension.calculated
                else:
                    value = (dimension.calculated - dimension.carried) * float(due - since) / float(
                        now - since
                    ) + dimension.carried
                if dimension.collected and dimension.count > 1 and left < most:
                    columns.add(dimension.series, due // SECOND, dimension.value, value, flags)
            self.updated_at = due
            flags = 0
            since = due
            due += period
            left -= 1

    def was_reset(self) -> bool:
        """
        @return: Whether a counter fell in this block.
        """
        for dimension in self.order:
            if (
                dimension.collected
                and dimension.count > 1
                and not dimension.no_reset
                and (
                    (dimension.algorithm == INCREMENTAL and (dimension.last & _MASK) > (dimension.value & _MASK))
                    or (dimension.algorithm == INCREMENT_PERCENTAGE and dimension.last > dimension.value)
                )
            ):
                return True
        return False
