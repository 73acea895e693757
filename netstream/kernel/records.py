"""
What is known of lines, charts and dimensions.

Compiled, these are structs, one after another in the order in which they
became known, which is the order of the wire: a decoder walks through memory as
a child walks through its charts.  C{records.pxd} has the structs; here is what
stands for them in plain Python.  Records are named by their numbers; 0 is none,
and the record of that number is empty.
"""

from typing import Generic, TypeVar

NOTHING, SET, SET2, RSET, BEGIN, END, BEGIN2, END2, RBEGIN, RTIME = range(10)
"""Kinds of lines; an C{RBEGIN} that has times in place of an id is C{RTIME}."""
ABSOLUTE, INCREMENTAL, ROW_PERCENTAGE, INCREMENT_PERCENTAGE = range(4)
"""Algorithms."""
NO_RESET, WIDE = 1, 2
"""Marks of a dimension: that a falling counter is no reset; that more than 32
bits were collected."""


class Line:
    """
    A known line: 32 bytes.

    @ivar prefix: Where in the arena its text up to the first number begins;
        all of it if it has none.
    @ivar size: Length of the prefix.
    @ivar plain: Whether it is written as version 1 lines are kept.
    @ivar chart: The chart that it names, or inside of which it stands.
    @ivar series: That of its dimension, so that only version 1 lines need the
        dimension itself.
    @ivar next: The line to expect after it.
    @ivar other: The line that came after it the last time.
    @ivar sibling: Another line of the same chart; of a free record, another
        free one.
    """

    __slots__ = ("prefix", "size", "kind", "plain", "chart", "dimension", "series", "next", "other", "sibling")

    def __init__(self) -> None:
        self.prefix = 0
        self.size = 0
        self.kind = NOTHING
        self.plain = False
        self.chart = 0
        self.dimension = 0
        self.series = 0
        self.next = 0
        self.other = 0
        self.sibling = 0


class Dimension:
    """
    A dimension and where its algorithm stands: 64 bytes.

    @ivar value: Integer collected in the open block.
    @ivar last: Integer collected before that.
    @ivar calculated: What the algorithm made of the block and is not stored.
    @ivar carried: For incremental dimensions, what earlier blocks left; for
        the others, the last calculated value.
    @ivar series: Its number in the columns.
    @ivar sibling: The next one of its chart, in the order of their definition.
    @ivar name: Where in the arena its name is.
    @ivar count: Collections so far: 0, 1, or 2 for all larger numbers.
    @ivar collected: Whether the open block has it.
    """

    __slots__ = (
        "value",
        "last",
        "calculated",
        "carried",
        "multiplier",
        "divisor",
        "series",
        "sibling",
        "name",
        "algorithm",
        "count",
        "collected",
        "marks",
    )

    def __init__(self) -> None:
        self.value = 0
        self.last = 0
        self.calculated = 0.0
        self.carried = 0.0
        self.multiplier = 1.0
        self.divisor = 1.0
        self.series = 0
        self.sibling = 0
        self.name = 0
        self.algorithm = ABSOLUTE
        self.count = 0
        self.collected = False
        self.marks = 0


class Chart:
    """
    A chart and its clock: 56 bytes.

    @ivar collected_at: Time of the last collection, in microseconds; 0 before
        the first.
    @ivar updated_at: Time of the last point, in microseconds.
    @ivar period: Seconds between its points.
    @ivar first: Its first dimension.
    @ivar newest: Its last one.
    @ivar dimensions: How many it has.
    @ivar line: The newest of its lines.
    @ivar lines: How many lines are known that stand inside of its blocks.
    @ivar name: Where in the arena its name is.
    @ivar synchronised: Whether the duration before the next collection can be
        taken as given.
    @ivar off: By how much later than C{collected_at} the first collection was,
        in microseconds; 0 once the chart is synchronised.
    """

    __slots__ = (
        "collected_at",
        "updated_at",
        "period",
        "first",
        "newest",
        "dimensions",
        "line",
        "lines",
        "name",
        "store_first",
        "synchronised",
        "off",
    )

    def __init__(self) -> None:
        self.collected_at = 0
        self.updated_at = 0
        self.period = 1
        self.first = 0
        self.newest = 0
        self.dimensions = 0
        self.line = 0
        self.lines = 0
        self.name = 0
        self.store_first = False
        self.synchronised = False
        self.off = 0


R = TypeVar("R", Line, Dimension, Chart)


class Records(Generic[R]):
    """
    Records of one kind.  Adding a number gives the record of that number, as
    it does with a C pointer.
    """

    __slots__ = ("_kind", "_records")

    def __init__(self, kind: type[R]) -> None:
        self._kind: type[R] = kind
        self._records: list[R] = []

    def __add__(self, number: int) -> R:
        return self._records[number]

    def extend(self, count: int) -> None:
        """
        Add empty ones.
        """
        self._records.extend(self._kind() for _ in range(count))

    def clear(self, number: int) -> None:
        """
        Make one empty.
        """
        self._records[number] = self._kind()
