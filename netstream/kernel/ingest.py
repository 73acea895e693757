"""
The decoder of sample lines.

Lines are predicted.  A child sends its lines in nearly the same order every
second, so every known line remembers the one that followed it: its prefix, up
to the first number, is compared with the text, and the numbers are read in
place.  A line that was not predicted is looked up by its prefix; one that is
not known, or is written in an unusual way, is split into words.
"""

from netstream.kernel.columns import ANOMALOUS, EMPTY, RESET, Bytes, Columns, Float64s, Int32s, Int64s
from netstream.kernel.interpolate import Chart, Dimension
from netstream.kernel.text import Reader, SampleError, words

BEGIN, SET, END, BEGIN2, SET2, END2 = range(6)
KEYWORDS = {b"BEGIN": BEGIN, b"SET": SET, b"END": END, b"BEGIN2": BEGIN2, b"SET2": SET2, b"END2": END2}
LONGEST = 10**15
"""No duration is longer, in microseconds."""
PERIODS = 10**6
"""No update every is longer, in seconds."""
LAST = 10**11
"""No time is later, in seconds."""
NAN = float("nan")


class Line:
    """
    A known line.

    @ivar prefix: Its text up to the first number; all of it if it has none.
    @ivar size: Length of the prefix.
    @ivar plain: Whether it is written as version 1 lines are kept.
    @ivar next: Number of the line that followed it; -1 if none did.
    @ivar other: Number of the line that came the last time in its place.
    """

    __slots__ = ("prefix", "size", "kind", "number", "plain", "chart", "dimension", "next", "other")

    def __init__(
        self, prefix: bytes, kind: int, number: int, plain: bool, chart: Chart | None, dimension: Dimension | None
    ) -> None:
        self.prefix = prefix
        self.size = len(prefix)
        self.kind = kind
        self.number = number
        self.plain = plain
        self.chart = chart
        self.dimension = dimension
        self.next = -1
        self.other = -1


class Ingest:
    """
    The sample lines of one connection, as columns.

    @ivar lines: How many sample lines were consumed.
    """

    __slots__ = (
        "lines",
        "_most",
        "_keep",
        "_charts",
        "_known",
        "_begins",
        "_inside",
        "_last",
        "_columns",
        "_chart",
        "_version",
        "_usec",
        "_now",
        "_begun",
        "_time",
        "_block",
        "_plain",
        "_from",
        "_run",
        "_kept",
    )

    def __init__(self, gap_when_lost: int = 1, keep_lines: bool = True) -> None:
        """
        @param gap_when_lost: Points between two collections are interpolated
            while fewer than this many and 2 more are due.
        @param keep_lines: Whether version 1 lines are handed on as well.
        """
        self.lines = 0
        self._most = gap_when_lost + 2
        self._keep = keep_lines
        self._charts: dict[bytes, Chart] = {}
        self._known: list[Line] = []
        self._begins: dict[bytes, Line] = {}
        self._inside: dict[bytes, dict[bytes, Line]] = {}
        self._last: Line | None = None
        self._columns = Columns()
        self._chart: Chart | None = None
        self._version = 0
        self._usec = 0
        self._now = 0
        self._begun = 0
        self._time = 0
        self._block: list[Dimension] = []
        self._plain = False
        self._from = -1
        self._run = -1
        self._kept: list[bytes] = []

    @property
    def current(self) -> str | None:
        """
        Id of the chart of the open block; L{None} outside of blocks.
        """
        if self._chart is None:
            return None
        return self._chart.name.decode("utf-8", "surrogateescape")

    def chart(self, chart: str, update_every: int, store_first: bool = False) -> None:
        """
        Define a chart.  One that is known keeps its dimensions and its clock.

        @param chart: Its id.
        @param update_every: Seconds between its points.
        @param store_first: Whether the first collection is stored as well.
        """
        name = chart.encode("utf-8", "surrogateescape")
        if update_every < 1:
            raise ValueError(f"update every of {chart} is {update_every} seconds")
        known = self._charts.get(name)
        if known is None:
            self._charts[name] = Chart(name, update_every, store_first)
            self._inside[name] = {}
        else:
            known.change(update_every, store_first)

    def dimension(
        self,
        chart: str,
        dimension: str,
        series: int,
        algorithm: int,
        multiplier: int,
        divisor: int,
        no_reset: bool = False,
    ) -> None:
        """
        Define a dimension.  One that is known keeps its state, unless its
        algorithm is another.

        @param chart: Id of its chart, which is defined.
        @param dimension: Its id.
        @param series: Its number in the columns.
        @param algorithm: 0 absolute, 1 incremental, 2 percentage of the row, 3
            percentage of the row of increments.
        @param multiplier: Collected values are multiplied with it.
        @param divisor: And divided by it; not 0.
        @param no_reset: Whether a falling counter is no reset.
        """
        if not divisor:
            raise ValueError(f"divisor of {chart}.{dimension} is 0")
        name = dimension.encode("utf-8", "surrogateescape")
        owner = self._charts[chart.encode("utf-8", "surrogateescape")]
        known = owner.dimensions.get(name)
        if known is None:
            known = Dimension(name, series, algorithm)
            owner.dimensions[name] = known
            owner.order.append(known)
        elif known.algorithm != algorithm:
            known.restart(algorithm)
        known.series = series
        known.multiplier = float(multiplier)
        known.divisor = float(divisor)
        known.no_reset = no_reset

    def resume(self, chart: str, collected_at: int, updated_at: int) -> None:
        """
        Go on with a chart where the database of the child is, as it says at
        the end of a replication.

        @param chart: Its id; it is defined.
        @param collected_at: Time of its last collection, microseconds.
        @param updated_at: Time of its last point, microseconds.
        """
        self._charts[chart.encode("utf-8", "surrogateescape")].resume(collected_at, updated_at)

    def resume_dimension(self, chart: str, dimension: str, collected: int, calculated: float) -> None:
        """
        Go on with a dimension where the database of the child is.

        @param chart: Id of its chart.
        @param dimension: Its id; it is defined.
        @param collected: Integer collected last.
        @param calculated: What was calculated of it; of an incremental
            dimension, what is not stored yet.
        """
        owner = self._charts[chart.encode("utf-8", "surrogateescape")]
        owner.dimensions[dimension.encode("utf-8", "surrogateescape")].resume(collected, calculated)

    def take(self) -> tuple[Int32s, Int64s, Int64s, Float64s, Bytes, bytes | None] | None:
        """
        Remove what was decoded.

        @return: Arrays of series, times (s), collected values, values and
            flags, and the version 1 lines they were made of; L{None} if there
            is nothing.
        """
        columns = self._columns
        if not columns.complete and not self._kept:
            return None
        lines = b"".join(self._kept) if self._kept else None
        self._kept = []
        return (*columns.take(), lines)

    def feed(self, data: bytes, at: int, now: int) -> int:
        """
        Consume sample lines.

        @param data: Text of whole lines and perhaps the begin of another one.
        @param at: Where to begin.
        @param now: UTC, microseconds.
        @return: Offset of the first byte not consumed, which begins an
            unfinished line or one that is not a sample line.
        @raise SampleError: A sample line cannot be taken.  The samples before
            it can be.
        """
        end = data.rfind(b"\n") + 1
        reader = Reader(data)
        self._from = -1
        self._run = -1
        self._now = now
        try:
            while at < end:
                after = self._predicted(data, at, reader)
                if after < 0:
                    after = self._unusual(data, at)
                    if after < 0:
                        break
                at = after
                self.lines += 1
        except BaseException:
            self._columns.finish()
            raise
        finally:
            self._pause(data)
        return at

    def _predicted(self, data: bytes, at: int, reader: Reader) -> int:
        """
        Consume a line that is known.

        @return: Offset of the next one; -1 if it is not known, or not written
            as usual.
        """
        text = data
        line: Line | None = None
        if self._last is not None:
            number = self._last.next
            if number >= 0:
                line = self._known[number]
                if not data.startswith(line.prefix, at):
                    line = None
        if line is None:
            line = self._look_up(data, at)
            if line is None:
                return -1
        kind = line.kind
        stop = at + line.size
        reader.at = stop
        reader.good = True
        reader.plain = True
        if kind == SET2:
            if self._version != 2 or line.chart is not self._chart:
                return -1
            collected = reader.integer()
            stop = reader.at
            if text[stop] != 32:
                return -1
            stop += 1
            if text[stop] == 35:
                value = float(collected)
                while text[stop] > 32:
                    stop += 1
            else:
                reader.at = stop
                value = reader.real()
                stop = reader.at
            if text[stop] != 32 or not reader.good:
                return -1
            stop += 1
            flags = ANOMALOUS
            byte = text[stop]
            while byte != 10:
                if byte == 65:
                    flags &= ~ANOMALOUS
                elif byte == 82:
                    flags |= RESET
                elif byte == 69:
                    flags |= EMPTY
                elif byte != 39:
                    return -1
                stop += 1
                byte = text[stop]
            self._sample2(line.dimension, collected, value, flags)
        elif kind == SET:
            if self._version != 1 or line.chart is not self._chart:
                return -1
            collected = reader.integer()
            stop = reader.at
            if text[stop] != 10 or not reader.good:
                return -1
            self._set(line.dimension, collected, line.plain and reader.plain)
        elif kind == BEGIN:
            usec = reader.unsigned()
            stop = reader.at
            if text[stop] != 10 or not reader.good or usec > LONGEST:
                return -1
            self._begin(line.chart, usec, line.plain and reader.plain, data, at)
        elif kind == BEGIN2:
            period = reader.integer()
            if text[reader.at] != 32:
                return -1
            reader.at += 1
            time = reader.integer()
            stop = reader.at
            if text[stop] != 32 or not reader.good:
                return -1
            if not 0 < period < PERIODS or not 0 < time < LAST:
                return -1
            while text[stop] != 10:
                stop += 1
            self._begin2(line.chart, period, time, data)
        else:
            if line.chart is not self._chart or text[stop] != 10:
                return -1
            if kind == END:
                if self._version != 1:
                    return -1
                self._end(line.plain, data, stop + 1)
            else:
                if self._version != 2:
                    return -1
                self._end2()
        self._follow(line)
        return stop + 1

    def _follow(self, line: Line) -> int:
        """
        Remember which line came after the last one; twice in a row makes it
        the one to expect.
        """
        last = self._last
        if last is not None:
            if last.next < 0 or last.other == line.number:
                last.next = line.number
            last.other = line.number
        self._last = line
        return 0

    def _look_up(self, data: bytes, at: int) -> Line | None:
        """
        @return: The known line that begins there.
        """
        text = data
        stop = at
        byte = text[stop]
        while byte != 10 and byte != 39 and byte != 34:
            stop += 1
            byte = text[stop]
        if byte != 10:
            quote = byte
            stop += 1
            byte = text[stop]
            while byte != 10 and byte != quote:
                stop += 1
                byte = text[stop]
            if byte == 10:
                return None
            stop += 1
            byte = text[stop]
            while byte == 32 or byte == 61:
                stop += 1
                byte = text[stop]
        prefix = data[at:stop]
        if text[at] == 66:
            return self._begins.get(prefix)
        if self._chart is None:
            return None
        return self._inside[self._chart.name].get(prefix)

    def _unusual(self, data: bytes, at: int) -> int:
        """
        Consume a line word by word.

        @return: Offset of the next one; -1 if it is not a sample line.
        @raise SampleError: It cannot be taken.
        """
        stop = data.index(b"\n", at)
        if data[at] not in b"BSE =\t\v\f\r'\"":
            return -1
        text = data[at:stop]
        found = words(text)
        kind = KEYWORDS.get(found[0][1], -1) if found else -1
        if kind < 0:
            return -1
        chart = self._chart
        dimension = None
        if len(found) > 2 and text.startswith(b"SLOT:", found[1][0]):
            del found[1]
        given = [word for _, word in found[1:]]
        if kind in (BEGIN, BEGIN2):
            if not given:
                raise SampleError(text, "no chart")
            chart = self._charts.get(given[0])
            if chart is None:
                raise SampleError(text, "unknown chart")
        elif chart is None or self._version != (1 if kind in (SET, END) else 2):
            raise SampleError(text, "outside of a block")
        if kind in (SET, SET2):
            if not given:
                raise SampleError(text, "no dimension")
            assert chart is not None
            dimension = chart.dimensions.get(given[0])
            if dimension is None:
                raise SampleError(text, "unknown dimension")
        if kind == BEGIN:
            usec = _whole(text, given[1]) if len(given) > 1 and given[1] else 0
            if not 0 <= usec <= LONGEST:
                raise SampleError(text, "duration out of range")
            self._begin(chart, usec, False, data, at)
        elif kind == SET:
            if len(given) > 1 and given[1]:
                self._set(dimension, _whole(text, given[1]), False)
            else:
                self._plain = False
        elif kind == END:
            self._end(False, data, stop + 1)
        elif kind == BEGIN2:
            if len(given) < 3:
                raise SampleError(text, "too few words")
            period = _whole(text, given[1])
            time = _whole(text, given[2])
            if not 0 < period < PERIODS:
                raise SampleError(text, "update every out of range")
            if not 0 < time < LAST:
                raise SampleError(text, "time out of range")
            self._begin2(chart, period, time, data)
        elif kind == SET2:
            if len(given) < 3:
                raise SampleError(text, "too few words")
            collected = _whole(text, given[1])
            value = float(collected) if given[2][:1] == b"#" else _real(text, given[2])
            marks = given[3] if len(given) > 3 else b""
            flags = 0 if b"A" in marks else ANOMALOUS
            flags |= RESET if b"R" in marks else 0
            flags |= EMPTY if b"E" in marks else 0
            self._sample2(dimension, collected, value, flags)
        else:
            self._end2()
        self._learn(text, kind, found, chart, dimension)
        return stop + 1

    def _learn(
        self,
        text: bytes,
        kind: int,
        found: list[tuple[int, bytes]],
        chart: Chart | None,
        dimension: Dimension | None,
    ) -> int:
        """
        Make a line known, so that it can be predicted.

        There is a limit, so that a child cannot fill the memory by writing the
        same line in ever new ways.
        """
        assert chart is not None
        if kind in (END, END2):
            prefix = text
        elif len(found) > 2:
            prefix = text[: found[2][0]]
        else:
            self._last = None
            return 0
        table = self._inside[chart.name]
        limit = 4 * len(chart.order) + 16
        if kind in (BEGIN, BEGIN2):
            table = self._begins
            limit = 4 * len(self._charts) + 16
        line = table.get(prefix)
        if line is None:
            if len(table) >= limit:
                self._last = None
                return 0
            name = chart.name if dimension is None else dimension.name
            plain = prefix == b"END" or prefix == b'BEGIN "' + name + b'" ' or prefix == b'SET "' + name + b'" = '
            line = Line(prefix, kind, len(self._known), plain, chart, dimension)
            self._known.append(line)
            table[prefix] = line
        self._follow(line)
        return 0

    def _begin(self, chart: Chart | None, usec: int, plain: bool, data: bytes, at: int) -> int:
        """
        Open a version 1 block.
        """
        if self._version == 1:
            self._drop(data)
        self._chart = chart
        self._version = 1
        self._usec = usec
        self._begun = self._now
        self._from = at
        if not plain:
            self._pause(data)
        elif self._keep and self._run < 0:
            self._run = at
        self._plain = plain
        return 0

    def _set(self, dimension: Dimension | None, value: int, plain: bool) -> int:
        """
        Collect an integer.
        """
        assert dimension is not None
        if dimension.collected:
            self._plain = False
        else:
            self._block.append(dimension)
        if not plain:
            self._plain = False
        dimension.set(value)
        return 0

    def _end(self, plain: bool, data: bytes, after: int) -> int:
        """
        Close a version 1 block.
        """
        chart = self._chart
        assert chart is not None
        if self._keep:
            if plain and self._plain:
                self._from = after
            else:
                self._pause(data)
                self._kept.append(self._canonical())
        self._block.clear()
        self._chart = None
        self._version = 0
        chart.collect(self._usec, self._begun, self._most, self._columns)
        return 0

    def _canonical(self) -> bytes:
        """
        @return: The lines of the open block, as they are kept.
        """
        assert self._chart is not None
        lines = [b"BEGIN %s %d\n" % (_quoted(self._chart.name), self._usec)]
        for dimension in self._block:
            lines.append(b"SET %s = %d\n" % (_quoted(dimension.name), dimension.value))
        lines.append(b"END\n")
        return b"".join(lines)

    def _begin2(self, chart: Chart | None, period: int, time: int, data: bytes) -> int:
        """
        Open a version 2 block.
        """
        assert chart is not None
        if self._version == 1:
            self._drop(data)
        elif self._run >= 0:
            self._pause(data)
        self._columns.finish()
        self._chart = chart
        self._version = 2
        self._time = time
        chart.period = period
        return 0

    def _sample2(self, dimension: Dimension | None, collected: int, value: float, flags: int) -> int:
        """
        Add a sample of a version 2 block.
        """
        assert dimension is not None
        if flags & EMPTY or value - value != 0.0:
            value = NAN
            flags = (flags & RESET) | EMPTY
        self._columns.add(dimension.series, self._time, collected, value, flags)
        return 0

    def _end2(self) -> int:
        """
        Close a version 2 block.
        """
        self._columns.finish()
        self._chart = None
        self._version = 0
        return 0

    def _drop(self, data: bytes) -> int:
        """
        Forget the open version 1 block.
        """
        for dimension in self._block:
            dimension.collected = False
        self._block.clear()
        self._pause(data)
        return 0

    def _pause(self, data: bytes) -> int:
        """
        Keep the lines of the whole blocks up to the open one, which has to be
        written anew.
        """
        if self._run >= 0 and self._from > self._run:
            self._kept.append(data[self._run : self._from])
        self._run = -1
        self._plain = False
        return 0


def _quoted(name: bytes) -> bytes:
    """
    @return: An id between quotes.
    """
    quote = b"'" if b'"' in name else b'"'
    return quote + name + quote


def _whole(text: bytes, word: bytes) -> int:
    """
    @return: The integer that a word says.
    @raise SampleError: It says none.
    """
    reader = Reader(word + b"\n")
    value = reader.integer()
    if reader.good and reader.at == len(word):
        return value
    real = _real(text, word)
    if not -(2.0**63) <= real < 2.0**63:
        raise SampleError(text, "number out of range")
    return int(real)


def _real(text: bytes, word: bytes) -> float:
    """
    @return: The number that a word says.
    @raise SampleError: It says none.
    """
    reader = Reader(word + b"\n")
    value = reader.real()
    if not reader.good or reader.at != len(word):
        raise SampleError(text, "malformed number")
    return value
