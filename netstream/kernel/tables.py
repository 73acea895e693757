"""
All that a decoder knows of its charts, their dimensions and their lines.
"""

try:
    import cython
except ImportError:
    from netstream.kernel import uncompiled as cython

from netstream.kernel.index import Index

if cython.compiled:
    from cython.cimports.libc.string import memcmp, memset
else:
    from netstream.kernel.records import (
        BEGIN,
        BEGIN2,
        NOTHING,
        RBEGIN,
        Chart,
        Dimension,
        Line,
        Records,
    )

_FIXED = b"\nEND2"
"""What the arena begins with: the prefix of records that are none, and of
lines that are the same for all charts."""
_HEADER = 6
"""Bytes before a name: its length and its owner."""
_LONGEST = 65535
"""Bytes of a name, and of a prefix."""
_LARGEST = 2**32 - 1
"""Bytes of the arena."""
_SLACK = 65536
"""Bytes of forgotten texts that are not worth to be cleaned up."""


class Tables:
    """
    Records in the order in which they became known, and an arena with their
    texts.

    @ivar lines: Records of the lines.
    @ivar dimensions: Records of the dimensions.
    @ivar charts: Records of the charts.
    @ivar arena: Text of all prefixes, and names: the size, the number of the
        owner, and the name itself.
    @ivar begins: How many lines are known that begin a block.
    @ivar count: How many charts there are.
    """

    __slots__ = (
        "lines",
        "dimensions",
        "charts",
        "arena",
        "begins",
        "count",
        "_lines",
        "_dimensions",
        "_charts",
        "_arena",
        "_dead",
        "_line_room",
        "_dimension_room",
        "_chart_room",
        "_line_count",
        "_dimension_count",
        "_chart_count",
        "_free_lines",
        "_free_dimensions",
        "_free_charts",
        "_line_index",
        "_dimension_index",
        "_chart_index",
    )

    lines: "Records[Line]"
    dimensions: "Records[Dimension]"
    charts: "Records[Chart]"

    def __init__(self) -> None:
        self.begins = 0
        self.count = 0
        self._lines = bytearray()
        self._dimensions = bytearray()
        self._charts = bytearray()
        self._arena = bytearray(_FIXED)
        self.arena = self._arena
        self._dead = 0
        self._line_room = self._dimension_room = self._chart_room = 0
        self._line_count = self._dimension_count = self._chart_count = 0
        self._free_lines: list[int] = []
        self._free_dimensions: list[int] = []
        self._free_charts: list[int] = []
        self._line_index = Index()
        self._dimension_index = Index()
        self._chart_index = Index()
        if not cython.compiled:
            self.lines = Records(Line)
            self.dimensions = Records(Dimension)
            self.charts = Records(Chart)
        self._clear_line(self._new_line())
        self._new_dimension()
        self._new_chart()

    def find_line(self, text: bytes, at: int, stop: int, owner: int) -> int:
        """
        @param owner: The chart that the line stands inside of; 0 for a line
            that begins a block.
        @return: The line whose prefix is C{text[at:stop]}; 0 if it is not known.
        """
        tag = self._line_index.tag(text, at, stop, owner)
        place = self._line_index.seek(tag, -1)
        while place >= 0:
            number = self._line_index.number(place)
            line = self.lines + number
            if (
                line.size == stop - at
                and self._owner(line) == owner
                and same(text, at, self.arena, line.prefix, stop - at)
            ):
                return number
            place = self._line_index.seek(tag, place)
        return 0

    def add_line(self, text: bytes, kind: int, plain: bool, chart: int, dimension: int) -> int:
        """
        @param text: Its prefix, which is not known.
        @return: The number of a new line.
        """
        number = self._new_line()
        line = self.lines + number
        line.prefix = self._keep(text)
        line.size = len(text)
        line.kind = kind
        line.plain = plain
        line.chart = chart
        line.dimension = dimension
        line.series = (self.dimensions + dimension).series
        line.sibling = (self.charts + chart).line
        (self.charts + chart).line = number
        if self._owner(line):
            (self.charts + chart).lines += 1
        else:
            self.begins += 1
        self._line_index.add(self._line_index.tag(text, 0, len(text), self._owner(line)), number)
        return number

    def find_chart(self, name: bytes) -> int:
        """
        @return: The chart of a name; 0 if there is none.
        """
        return self.seek_chart(name, 0, len(name))

    def seek_chart(self, text: bytes, at: int, stop: int) -> int:
        """
        @return: The chart whose name is C{text[at:stop]}; 0 if there is none.
        """
        tag = self._chart_index.tag(text, at, stop, 0)
        place = self._chart_index.seek(tag, -1)
        while place >= 0:
            number = self._chart_index.number(place)
            if self._is_named((self.charts + number).name, text, at, stop):
                return number
            place = self._chart_index.seek(tag, place)
        return 0

    def find_dimension(self, chart: int, name: bytes) -> int:
        """
        @return: The dimension of a name; 0 if there is none.
        """
        return self.seek_dimension(chart, name, 0, len(name))

    def seek_dimension(self, chart: int, text: bytes, at: int, stop: int) -> int:
        """
        @return: The dimension whose name is C{text[at:stop]}; 0 if there is
            none.
        """
        tag = self._dimension_index.tag(text, at, stop, chart)
        place = self._dimension_index.seek(tag, -1)
        while place >= 0:
            number = self._dimension_index.number(place)
            offset = (self.dimensions + number).name
            if self.owner_of(offset) == chart and self._is_named(offset, text, at, stop):
                return number
            place = self._dimension_index.seek(tag, place)
        return 0

    def add_chart(self, name: bytes) -> int:
        """
        @param name: A new one.
        @return: Number of the chart.
        """
        offset = self._keep_name(0, name)
        number = self._new_chart()
        (self.charts + number).name = offset
        self._chart_index.add(self._chart_index.tag(name, 0, len(name), 0), number)
        self.count += 1
        return number

    def add_dimension(self, chart: int, name: bytes) -> int:
        """
        @param name: A new one.
        @return: Number of the dimension.
        """
        offset = self._keep_name(chart, name)
        number = self._new_dimension()
        record = self.dimensions + number
        record.name = offset
        record.multiplier = 1.0
        record.divisor = 1.0
        owner = self.charts + chart
        if owner.newest:
            (self.dimensions + owner.newest).sibling = number
        else:
            owner.first = number
        owner.newest = number
        owner.dimensions += 1
        self._dimension_index.add(self._dimension_index.tag(name, 0, len(name), chart), number)
        return number

    def renumber(self, chart: int, dimension: int, series: int) -> int:
        """
        Give a dimension its number in the columns.
        """
        if (self.dimensions + dimension).series != series:
            (self.dimensions + dimension).series = series
            number = (self.charts + chart).line
            while number:
                line = self.lines + number
                if line.dimension == dimension:
                    line.series = series
                number = line.sibling
        return 0

    def forget(self, chart: int) -> int:
        """
        Free a chart, its dimensions and all its lines.
        """
        record = self.charts + chart
        number = record.line
        while number:
            line = self.lines + number
            following = line.sibling
            tag = self._line_index.tag(self.arena, line.prefix, line.prefix + line.size, self._owner(line))
            self._line_index.remove(tag, number)
            if not self._owner(line):
                self.begins -= 1
            if line.prefix >= len(_FIXED):
                self._dead += line.size
            self._clear_line(number)
            self._free_lines.append(number)
            number = following
        freed: list[int] = []
        number = record.first
        while number:
            dimension = self.dimensions + number
            name = self.name_of(dimension.name)
            self._dimension_index.remove(self._dimension_index.tag(name, 0, len(name), chart), number)
            self._dead += len(name) + _HEADER
            following = dimension.sibling
            self._clear_dimension(number)
            freed.append(number)
            number = following
        freed.reverse()
        self._free_dimensions.extend(freed)
        name = self.name_of(record.name)
        self._chart_index.remove(self._chart_index.tag(name, 0, len(name), 0), chart)
        self._dead += len(name) + _HEADER
        self._clear_chart(chart)
        self._free_charts.append(chart)
        self.count -= 1
        if self._dead > _SLACK and 2 * self._dead > len(self._arena):
            self._compact()
        return 0

    def name_of(self, offset: int) -> bytes:
        """
        @param offset: Where in the arena a name is.
        @return: The name.
        """
        size = self._arena[offset] | self._arena[offset + 1] << 8
        return bytes(self._arena[offset + _HEADER : offset + _HEADER + size])

    def _is_named(self, offset: int, text: bytes, at: int, stop: int) -> bool:
        """
        @param offset: Where in the arena a name is.
        @return: Whether it is C{text[at:stop]}.
        """
        arena = self.arena
        size = arena[offset] | arena[offset + 1] << 8
        return size == stop - at and same(text, at, arena, offset + _HEADER, size)

    def owner_of(self, offset: int) -> int:
        """
        @return: The chart whose dimension has that name; 0 if a chart has it.
        """
        arena = self.arena
        return arena[offset + 2] | arena[offset + 3] << 8 | arena[offset + 4] << 16 | arena[offset + 5] << 24

    def _owner(self, line: Line) -> int:
        """
        @return: The chart inside of which a line stands; 0 if it begins a
            block.
        """
        if line.kind == BEGIN or line.kind == BEGIN2 or line.kind == RBEGIN:
            return 0
        return line.chart

    def _keep_name(self, owner: int, name: bytes) -> int:
        """
        @return: Where in the arena the name is now.
        """
        if len(name) > _LONGEST:
            raise ValueError(f"an id of {len(name)} bytes")
        return self._keep(len(name).to_bytes(2, "little") + owner.to_bytes(4, "little") + name)

    def _keep(self, text: bytes) -> int:
        """
        @return: Where in the arena the text is now.
        """
        if text == b"END" or text == b"END2":
            return 1
        offset = len(self._arena)
        if offset + len(text) > _LARGEST:
            raise MemoryError("too many lines are known")
        self._arena += text
        self.arena = self._arena
        return offset

    def _compact(self) -> int:
        """
        Remove what is forgotten from the arena.
        """
        old = self._arena
        self._arena = bytearray(_FIXED)
        for number in range(1, self._chart_count):
            chart = self.charts + number
            if chart.name:
                chart.name = self._moved(old, chart.name)
        for number in range(1, self._dimension_count):
            dimension = self.dimensions + number
            if dimension.name:
                dimension.name = self._moved(old, dimension.name)
        for number in range(1, self._line_count):
            line = self.lines + number
            if line.kind != NOTHING:
                line.prefix = self._keep(bytes(old[line.prefix : line.prefix + line.size]))
        self.arena = self._arena
        self._dead = 0
        return 0

    def _moved(self, old: bytearray, offset: int) -> int:
        """
        @return: Where in the new arena the name is.
        """
        size = old[offset] | old[offset + 1] << 8
        return self._keep(bytes(old[offset : offset + _HEADER + size]))

    def _new_line(self) -> int:
        """
        @return: Number of an empty record.
        """
        if self._free_lines:
            return self._free_lines.pop()
        number = self._line_count
        if number == self._line_room:
            more = number // 8 + 8
            if cython.compiled:
                self._lines = self._lines + bytes(more * cython.sizeof(Line))
                self.lines = cython.cast("Line *", cython.cast("char *", self._lines))
            else:
                self.lines.extend(more)
            self._line_room += more
        self._line_count += 1
        return number

    def _new_dimension(self) -> int:
        """
        @return: Number of an empty record.
        """
        if self._free_dimensions:
            return self._free_dimensions.pop()
        number = self._dimension_count
        if number == self._dimension_room:
            more = number // 8 + 8
            if cython.compiled:
                self._dimensions = self._dimensions + bytes(more * cython.sizeof(Dimension))
                self.dimensions = cython.cast("Dimension *", cython.cast("char *", self._dimensions))
            else:
                self.dimensions.extend(more)
            self._dimension_room += more
        self._dimension_count += 1
        return number

    def _new_chart(self) -> int:
        """
        @return: Number of an empty record.
        """
        if self._free_charts:
            return self._free_charts.pop()
        number = self._chart_count
        if number == self._chart_room:
            more = number // 8 + 4
            if cython.compiled:
                self._charts = self._charts + bytes(more * cython.sizeof(Chart))
                self.charts = cython.cast("Chart *", cython.cast("char *", self._charts))
            else:
                self.charts.extend(more)
            self._chart_room += more
        self._chart_count += 1
        return number

    def _clear_line(self, number: int) -> int:
        """
        Make a record one that no line is like.
        """
        if cython.compiled:
            memset(self.lines + number, 0, cython.sizeof(Line))
        else:
            self.lines.clear(number)
        (self.lines + number).size = 1
        return 0

    def _clear_dimension(self, number: int) -> int:
        """
        Make a record empty.
        """
        if cython.compiled:
            memset(self.dimensions + number, 0, cython.sizeof(Dimension))
        else:
            self.dimensions.clear(number)
        return 0

    def _clear_chart(self, number: int) -> int:
        """
        Make a record empty.
        """
        if cython.compiled:
            memset(self.charts + number, 0, cython.sizeof(Chart))
        else:
            self.charts.clear(number)
        return 0


def same(text: bytes, at: int, other: bytes | bytearray, begin: int, size: int) -> bool:
    """
    @return: Whether so many bytes are the same in two places.
    """
    if cython.compiled:
        return memcmp(text + at, other + begin, size) == 0  # type: ignore[operator, no-any-return]
    else:
        return text[at : at + size] == other[begin : begin + size]
