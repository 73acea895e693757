"""
Lines that are known, read without a Python object.

A child sends its lines in nearly the same order every second, so every known
line remembers the one that followed it: its prefix, up to the first number, is
compared with the text, and the numbers are read in place.  A line that was not
predicted is looked up by its prefix.
"""

from array import array

try:
    import cython
except ImportError:
    from netstream.kernel import uncompiled as cython

from netstream.kernel.columns import Columns
from netstream.kernel.numbers import Reader
from netstream.kernel.standing import Standing
from netstream.kernel.tables import Tables

if not cython.compiled:
    from netstream.kernel.columns import ANOMALOUS, EMPTY, PAST, RESET
    from netstream.kernel.interpolate import collect
    from netstream.kernel.records import (
        BEGIN,
        BEGIN2,
        END,
        END2,
        RBEGIN,
        RSET,
        RTIME,
        SET,
        SET2,
        Line,
    )
    from netstream.kernel.standing import after_slot, end_of_quoted
    from netstream.kernel.tables import same

LONGEST = 10**15
"""No duration is longer, in microseconds."""
PERIODS = 10**6
"""No update every is longer, in seconds."""
LAST = 10**11
"""No time is later, in seconds."""
NAN = float("nan")
_RBEGIN = b"RBEGIN "


class Walk:
    """
    Where the decoder is: between blocks, or in one.

    Nothing here runs past the last newline of the text.  Before a prefix is
    compared it is checked that so many bytes are left; it contains no newline,
    so that one comes after it; and what is read after it ends at a newline or
    before.

    @ivar lines: How many sample lines were consumed.
    @ivar seconds: How many seconds of replications began.
    @ivar keep: Whether version 1 lines are handed on as well.
    @ivar replicated: Whether rows of a replication are samples.
    @ivar most: Points are stored while fewer than this many are due.
    @ivar chart: The chart of the open block; 0 outside of blocks.
    @ivar version: 0 outside of blocks, 3 after an C{RBEGIN}.
    @ivar usec: Duration that the open version 1 block gives.
    @ivar now: UTC microseconds.
    @ivar begun: The same when the open version 1 block began.
    @ivar time: Second of the samples of the open block of another version; 0
        if they are not wanted.
    @ivar plain: Whether the open version 1 block can be handed on as it is.
    @ivar start: Offset of what of the text does not belong to whole blocks.
    @ivar run: Where the lines begin that can be handed on as they are; -1 if
        the last ones cannot.
    @ivar last: The last line.
    @ivar block: The dimensions that the open version 1 block collected.
    @ivar collected: How many these are.
    @ivar standing: What the open answer says of the collection of its chart.
    """

    __slots__ = (
        "lines",
        "seconds",
        "keep",
        "replicated",
        "most",
        "reader",
        "tables",
        "columns",
        "chart",
        "version",
        "usec",
        "now",
        "begun",
        "time",
        "plain",
        "start",
        "run",
        "last",
        "block",
        "collected",
        "standing",
        "rbegin",
    )

    def __init__(self, tables: Tables, columns: Columns) -> None:
        self.lines = 0
        self.seconds = 0
        self.keep = False
        self.replicated = False
        self.most = 3
        self.reader = Reader()
        self.tables = tables
        self.columns = columns
        self.chart = 0
        self.version = 0
        self.usec = 0
        self.now = 0
        self.begun = 0
        self.time = 0
        self.plain = False
        self.start = -1
        self.run = -1
        self.last = 0
        self.block = array("i", bytes(4 * 16))
        self.collected = 0
        self.standing = Standing(tables, self.reader)
        self.rbegin = _RBEGIN

    def walk(self, at: int, end: int) -> int:
        """
        Consume lines that are known and written as usual.

        @param end: Where the last whole line ends.
        @return: Offset of the first other one.
        """
        text = self.reader.text
        arena = self.tables.arena
        lines = self.tables.lines
        while at < end:
            before = lines + self.last
            number = before.next
            line = lines + number
            if line.size >= end - at or not same(text, at, arena, line.prefix, line.size):
                number = self._look_up(at)
                if not number:
                    after = self._answer(at, end)
                    if after < 0:
                        break
                    at = after
                    self.lines += 1
                    continue
                line = lines + number
            after = self._take(line, at, at + line.size)
            if after < 0:
                break
            at = after
            self.lines += 1
            # Twice in a row makes it the one to expect.
            if before.other != number:
                before.other = number
                if not before.next:
                    before.next = number
            elif before.next != number:
                before.next = number
            self.last = number
        return at

    def follow(self, number: int) -> int:
        """
        Note which line came after the last one, as L{walk} does.
        """
        before = self.tables.lines + self.last
        if not before.next or before.other == number:
            before.next = number
        before.other = number
        self.last = number
        return 0

    def _take(self, line: "Line", at: int, stop: int) -> int:
        """
        Consume a line that is known.

        @param stop: Where its prefix ends.
        @return: Offset of the next one; -1 if it is not written as usual.
        """
        text = self.reader.text
        kind = line.kind
        self.reader.at = stop
        self.reader.good = True
        self.reader.plain = True
        if kind == SET:
            if self.version != 1 or line.chart != self.chart:
                return -1
            collected = self.reader.integer()
            stop = self.reader.at
            if text[stop] != 10 or not self.reader.good:
                return -1
            self.set(line.dimension, collected, line.plain and self.reader.plain)
        elif kind == SET2:
            if self.version != 2 or line.chart != self.chart:
                return -1
            collected = self.reader.integer()
            stop = self.reader.at
            if text[stop] != 32:
                return -1
            stop += 1
            if text[stop] == 35:
                value = float(collected)
                while text[stop] > 32:
                    stop += 1
            else:
                self.reader.at = stop
                value = self.reader.real()
                stop = self.reader.at
            if text[stop] != 32 or not self.reader.good:
                return -1
            flags = self._flags(stop + 1, ANOMALOUS)
            if flags < 0:
                return -1
            self.sample(line.series, collected, value, flags)
            stop = self.reader.at
        elif kind == BEGIN:
            if self.run >= 0 and self.version == 1:
                return -1
            usec = self.reader.unsigned()
            stop = self.reader.at
            if text[stop] != 10 or not self.reader.good or usec > LONGEST:
                return -1
            self.begin(line.chart, usec, line.plain and self.reader.plain, at)
        elif kind == END:
            if self.version != 1 or line.chart != self.chart or text[stop] != 10:
                return -1
            if self.keep and not (self.plain and line.plain):
                return -1
            self.end(stop + 1)
        elif kind == BEGIN2:
            if self.run >= 0:
                return -1
            period = self.reader.integer()
            if text[self.reader.at] != 32:
                return -1
            self.reader.at += 1
            time = self.reader.integer()
            stop = self.reader.at
            if text[stop] != 32 or not self.reader.good:
                return -1
            if not 0 < period < PERIODS or not 0 < time < LAST:
                return -1
            while text[stop] != 10:
                stop += 1
            self.begin2(line.chart, 2, time)
            (self.tables.charts + line.chart).period = period
        elif kind == END2:
            if self.version != 2 or line.chart != self.chart or text[stop] != 10:
                return -1
            self.end2()
        elif kind == RSET:
            if self.version != 3 or line.chart != self.chart:
                return -1
            value = self.reader.real()
            stop = self.reader.at
            if text[stop] != 32 or not self.reader.good:
                return -1
            flags = self._flags(stop + 1, 0 if text[stop + 1] == 34 else ANOMALOUS)
            if flags < 0:
                return -1
            if self.time:
                self.sample(line.series, 0, value, flags | PAST)
            stop = self.reader.at
        elif kind == RTIME:
            if self.version != 3 or line.chart != self.chart:
                return -1
            since = self.reader.integer()
            if text[self.reader.at] != 32:
                return -1
            self.reader.at += 1
            time = self.reader.integer()
            if text[self.reader.at] != 32:
                return -1
            self.reader.at += 1
            now = self.reader.integer()
            stop = self.reader.at
            if text[stop] != 10 or not self.reader.good:
                return -1
            self.row(since, time, now)
        elif kind == RBEGIN:
            if self.run >= 0 or text[stop] != 10:
                return -1
            self.begin2(line.chart, 3, 0)
        else:
            return -1
        return stop + 1

    def _answer(self, at: int, end: int) -> int:
        """
        Consume a line of which there is one an answer, and which is not
        remembered: its begin, or where the collection of its chart stands.

        @param end: Where the last whole line ends.
        @return: Offset of the next one; -1 if it is none of these, or not
            written as usual.
        """
        text = self.reader.text
        if text[at] != 82 or not self.replicated or end - at <= 8:
            return -1
        if text[at + 1] != 66:
            return self.standing.read(self.chart, at, end) if self.version == 3 else -1
        if self.run >= 0 or not same(text, at, self.rbegin, 0, 7):
            return -1
        at = after_slot(text, at + 7)
        if text[at] != 34 and text[at] != 39:
            return -1
        stop = end_of_quoted(text, at)
        if text[stop] == 10 or text[stop + 1] != 10:
            return -1
        chart = self.tables.seek_chart(text, at + 1, stop)
        if not chart:
            return -1
        self.begin2(chart, 3, 0)
        return stop + 2

    def _flags(self, stop: int, flags: int) -> int:
        """
        Read flags to the end of the line, where the reader is then.

        @param flags: Those of a sample whose line has none.
        @return: The flags; -1 if they are not written as usual.
        """
        text = self.reader.text
        byte = text[stop]
        while byte != 10:
            if byte == 65:
                flags &= ~ANOMALOUS
            elif byte == 82:
                flags |= RESET
            elif byte == 69:
                flags |= EMPTY
            elif byte != 39 and byte != 34:
                return -1
            stop += 1
            byte = text[stop]
        self.reader.at = stop
        return flags

    def _look_up(self, at: int) -> int:
        """
        @return: The known line that begins there; 0 if there is none.
        """
        text = self.reader.text
        stop = at
        name = 0
        byte = text[stop]
        while byte != 10 and byte != 39 and byte != 34:
            stop += 1
            byte = text[stop]
        if byte != 10:
            quote = byte
            stop += 1
            name = stop
            byte = text[stop]
            while byte != 10 and byte != quote:
                stop += 1
                byte = text[stop]
            if byte == 10:
                return 0
            name = stop - name
            stop += 1
            byte = text[stop]
            while byte == 32 or byte == 61:
                stop += 1
                byte = text[stop]
        owner = self.chart
        if text[at] == 66 or (name and text[at] == 82 and text[at + 1] == 66):
            owner = 0
        elif not owner:
            return 0
        return self.tables.find_line(text, at, stop, owner)

    def begin(self, chart: int, usec: int, plain: bool, at: int) -> int:
        """
        Open a version 1 block.

        @param plain: Whether its line is written as lines are kept.
        @param at: Where this line begins.
        """
        if self.version == 1:
            self.drop()
        self.chart = chart
        self.version = 1
        self.usec = usec
        self.begun = self.now
        self.start = at
        self.plain = plain and self.keep
        if self.plain and self.run < 0:
            self.run = at
        return 0

    def set(self, dimension: int, value: int, plain: bool) -> int:
        """
        Collect an integer.
        """
        record = self.tables.dimensions + dimension
        if record.collected:
            self.plain = False
        else:
            self.block[self.collected] = dimension
            self.collected += 1
        if not plain:
            self.plain = False
        record.value = value
        record.collected = True
        return 0

    def end(self, after: int) -> int:
        """
        Close a version 1 block.

        @param after: Where its last line ends.
        """
        chart = self.chart
        self.start = after
        self.collected = 0
        self.chart = 0
        self.version = 0
        collect(self.tables.charts + chart, self.tables.dimensions, self.usec, self.begun, self.most, self.columns)
        return 0

    def begin2(self, chart: int, version: int, time: int) -> int:
        """
        Open a version 2 block, or an answer of a replication.
        """
        if self.version == 1:
            self.drop()
        self.columns.finish()
        self.chart = chart
        self.version = version
        self.time = time
        self.standing.clear()
        return 0

    def row(self, since: int, time: int, now: int) -> int:
        """
        Begin a second of a replication.

        @param now: The child's clock, UTC seconds; 0 if it did not say.
        """
        period = (self.tables.charts + self.chart).period
        most = now + period + 1
        if not 0 < now < LAST:
            most = self.now // 1000000 + period + 5
        self.columns.finish()
        self.seconds += 1
        self.time = time if 0 < since < time < most and time < LAST else 0
        return 0

    def sample(self, series: int, collected: int, value: float, flags: int) -> int:
        """
        Add a sample whose value is given.
        """
        if flags & EMPTY or value - value != 0.0:
            value = NAN
            flags = (flags & (RESET | PAST)) | EMPTY
        self.columns.add(series, self.time, collected, value, flags)
        return 0

    def end2(self) -> int:
        """
        Close a version 2 block.
        """
        self.columns.finish()
        self.chart = 0
        self.version = 0
        return 0

    def drop(self) -> int:
        """
        Forget the open version 1 block.
        """
        for number in range(self.collected):
            (self.tables.dimensions + self.block[number]).collected = False
        self.collected = 0
        self.chart = 0
        self.version = 0
        self.plain = False
        return 0

    def reserve(self, count: int) -> int:
        """
        Make room for a block of so many dimensions.
        """
        if count > len(self.block):
            self.block = array("i", bytes(self.block) + bytes(4 * count))
        self.standing.reserve(count)
        return 0
