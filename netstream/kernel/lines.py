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
from netstream.kernel.tables import Tables

if not cython.compiled:
    from netstream.kernel.columns import ANOMALOUS, EMPTY, RESET
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
    from netstream.kernel.tables import same

LONGEST = 10**15
"""No duration is longer, in microseconds."""
PERIODS = 10**6
"""No update every is longer, in seconds."""
LAST = 10**11
"""No time is later, in seconds."""
NAN = float("nan")
_MASK = 0xFFFFFFFFFFFFFFFF
_SIGN = 0x8000000000000000


def _digits() -> bytes:
    """
    @return: For each byte its value as a digit of base 64; 255 if it is none.
    """
    table = bytearray(b"\xff" * 256)
    digits = list(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
    for value in range(64):
        table[digits[value]] = value
    return bytes(table)


def _hexadecimal() -> bytes:
    """
    @return: For each byte its value as a hexadecimal digit; 255 if it is none.
    """
    table = bytearray(b"\xff" * 256)
    digits = list(b"0123456789ABCDEF")
    for value in range(16):
        table[digits[value]] = value
        table[digits[value] | 32] = value
    return bytes(table)


_BASE64 = _digits()
_HEXADECIMAL = _hexadecimal()
_POWERS = array("d", [10.0**n for n in range(16)])


class Reader:
    """
    Reads numbers out of a piece of text, each from where the last one ended.

    The text must have a newline at or after C{at}.  No number contains one, so
    that no number ends behind it.

    @ivar at: Offset of the next byte.
    @ivar good: Whether all numbers were well-formed since this was set.
    @ivar plain: Whether all integers were decimal since this was set.
    """

    __slots__ = ("data", "text", "at", "good", "plain", "base64", "hexadecimal", "powers", "bits", "reals")

    def __init__(self) -> None:
        self.open(b"\n")
        self.base64 = _BASE64
        self.hexadecimal = _HEXADECIMAL
        self.powers = _POWERS
        self.bits = array("Q", [0])
        self.reals = memoryview(self.bits).cast("B").cast("d")

    def open(self, data: bytes) -> int:
        """
        Take another text.
        """
        self.data = data
        self.text = data
        self.at = 0
        self.good = True
        self.plain = True
        return 0

    def digits(self, bits: int) -> int:
        """
        Read digits of base 16 or 64.

        @param bits: How many bits a digit has.
        @return: The number modulo 2**64.
        """
        text = self.text
        table = self.base64 if bits == 6 else self.hexadecimal
        at = start = self.at
        value = 0
        digit = table[text[at]]
        while digit != 255:
            value = ((value << bits) | digit) & _MASK
            at += 1
            digit = table[text[at]]
        if at == start or (at - start) * bits > 66:
            self.good = False
        self.at = at
        return value

    def unsigned(self) -> int:
        """
        Read an integer in any form, without sign.

        @return: The number modulo 2**64.
        """
        text = self.text
        at = self.at
        byte = text[at]
        if byte == 35:  # '#'
            self.plain = False
            self.at = at + 1
            return self.digits(6)
        if byte == 48 and text[at + 1] == 120:  # '0x'
            self.plain = False
            self.at = at + 2
            return self.digits(4)
        start = at
        value = 0
        while 48 <= byte <= 57:
            value = (value * 10 + (byte - 48)) & _MASK
            at += 1
            byte = text[at]
        if at == start or at - start > 20:
            self.good = False
        self.at = at
        return value

    def integer(self) -> int:
        """
        Read an integer in any form.

        @return: The number modulo 2**64, between -2**63 and 2**63 - 1.
        """
        if self.text[self.at] == 45:
            self.at += 1
            return signed(-self.unsigned() & _MASK)
        return signed(self.unsigned())

    def real(self) -> float:
        """
        Read a floating point number in any form.

        @return: The number; NaN for all words that are not finite.
        """
        text = self.text
        at = start = self.at
        byte = text[at]
        if byte == 64:  # '@'
            self.at = at + 1
            return self.of_bits(self.digits(6))
        if byte == 37:  # '%'
            self.at = at + 1
            return self.of_bits(self.digits(4))
        negative = byte == 45
        if negative:
            at += 1
            byte = text[at]
        if byte == 35 or (byte == 48 and text[at + 1] == 120):
            return float(self.integer())
        value = 0
        count = 0
        decimals = 0
        while 48 <= byte <= 57 and count < 16:
            value = value * 10 + (byte - 48)
            count += 1
            at += 1
            byte = text[at]
        if byte == 46:
            at += 1
            byte = text[at]
            while 48 <= byte <= 57 and count < 16:
                value = value * 10 + (byte - 48)
                count += 1
                decimals += 1
                at += 1
                byte = text[at]
        if 0 < count <= 15 and byte != 101 and byte != 69:
            # Both are exact, so that the quotient is the nearest number.
            self.at = at
            quotient = float(value) / self.powers[decimals]
            return -quotient if negative else quotient
        return self.word(start)

    def of_bits(self, bits: int) -> float:
        """
        @return: The floating point number of 64 bits.
        """
        self.bits[0] = bits
        return self.reals[0]

    def word(self, start: int) -> float:
        """
        Read a floating point number that is not a plain one.

        @param start: Where it begins.
        @return: The number; NaN for all words that are not finite.
        """
        text = self.data
        at = start
        while text[at] in b"+-.0123456789eE":
            at += 1
        if at == start or text[at] in b"nNiI":
            while text[at] in b"+-abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ":
                at += 1
            self.at = at
            if text[start:at].lower().lstrip(b"+-") not in (b"nan", b"null", b"inf", b"infinity"):
                self.good = False
            return float("nan")
        self.at = at
        try:
            return float(text[start:at])
        except ValueError:
            self.good = False
            return 0.0


class Walk:
    """
    Where the decoder is: between blocks, or in one.

    Nothing here runs past the last newline of the text.  Before a prefix is
    compared it is checked that so many bytes are left; it contains no newline,
    so that one comes after it; and what is read after it ends at a newline or
    before.

    @ivar lines: How many sample lines were consumed.
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
    """

    __slots__ = (
        "lines",
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
    )

    def __init__(self, tables: Tables, columns: Columns) -> None:
        self.lines = 0
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
                    break
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
                self.sample(line.series, 0, value, flags)
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
        self.time = time if 0 < since < time < most and time < LAST else 0
        return 0

    def sample(self, series: int, collected: int, value: float, flags: int) -> int:
        """
        Add a sample whose value is given.
        """
        if flags & EMPTY or value - value != 0.0:
            value = NAN
            flags = (flags & RESET) | EMPTY
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
        return 0


def signed(value: int) -> int:
    """
    @return: What an integer modulo 2**64 is, between -2**63 and 2**63 - 1.
    """
    return ((value + _SIGN) & _MASK) - _SIGN
