"""
The encoder of sample lines.
"""

from array import array
from collections.abc import Container, Iterable
from struct import Struct

import numpy as np

from netstream.kernel.columns import ANOMALOUS, EMPTY, RESET, Bytes, Float64s, Int32s, Int64s

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_DIGITS = _ALPHABET.encode() + b"0123456789ABCDEF"
_BITS = Struct("<Q")
_REAL = Struct("<d")
_MARKS = tuple(
    b" E\n" if n & EMPTY else b" " + ((b"" if n & ANOMALOUS else b"A") + (b"R" if n & RESET else b"") or b"''") + b"\n"
    for n in range(8)
)
COMPILED = not __file__.endswith(".py")
NAN = float("nan")


def _base64(number: int) -> str:
    """
    @return: The digits of an unsigned integer.
    """
    text = _ALPHABET[number & 63]
    number >>= 6
    while number:
        text = _ALPHABET[number & 63] + text
        number >>= 6
    return text


def integer_text(number: int, ieee754: bool) -> str:
    """
    @return: An integer in base 64 or hexadecimal.
    """
    sign = "-" if number < 0 else ""
    return f"{sign}#{_base64(abs(number))}" if ieee754 else f"{sign}0x{abs(number):X}"


def real_text(number: float, ieee754: bool) -> str:
    """
    @return: A floating point number as its bits, or as a decimal with at most
        7 decimals.
    """
    if ieee754:
        return "@" + _base64(_BITS.unpack(_REAL.pack(number))[0])
    if number - number != 0:
        return "null"
    if -1e8 < number < 1e8:
        scaled = int(abs(number) * 1e7 + 0.5)
        whole, part = divmod(scaled, 10000000)
        text = f"{whole}.{part:07}".rstrip("0").rstrip(".") if part else str(whole)
        return "-" + text if number < 0 and scaled else text
    if -1e18 < number < 1e18:
        return f"{number:.7f}".rstrip("0").rstrip(".")
    return repr(number)


def quoted(name: str, quote: str) -> bytes:
    """
    @param quote: The quote to prefer.
    @return: An id between quotes.
    """
    if quote in name:
        quote = "'" if quote == '"' else '"'
    name = name.replace(quote, "_").replace("\n", "_")
    return f"{quote}{name}{quote}".encode("utf-8", "surrogateescape")


class Writer:
    """
    Text that grows; only the compiled kernel writes with it.

    @ivar size: How many bytes were written.
    @ivar room: How many there is room for.
    """

    __slots__ = ("store", "at", "size", "room", "alphabet", "bits", "reals")

    def __init__(self) -> None:
        self.room = 4096
        self.store = bytearray(self.room)
        self.at = self.store
        self.size = 0
        self.alphabet = _DIGITS
        self.bits = array("Q", [0])
        self.reals = memoryview(self.bits).cast("B").cast("d")

    def need(self, size: int) -> int:
        """
        Make room for so many more bytes.
        """
        if self.size + size > self.room:
            self.room = 2 * (self.size + size)
            store = bytearray(self.room)
            store[: self.size] = memoryview(self.store)[: self.size]
            self.store = store
            self.at = store
        return 0

    def put(self, text: bytes) -> int:
        """
        Write bytes.
        """
        size = len(text)
        self.need(size + 1)
        source = text
        at = self.at
        start = self.size
        for n in range(size):
            at[start + n] = source[n]
        self.size = start + size
        return 0

    def byte(self, value: int) -> int:
        """
        Write a byte; there is room for it.
        """
        self.at[self.size] = value
        self.size += 1
        return 0

    def digits(self, number: int, bits: int) -> int:
        """
        Write an unsigned integer in base 64, with 6 bits a digit, or 16, with 4.
        """
        mask = (1 << bits) - 1
        shift = 0
        rest = number >> bits
        while rest:
            shift += bits
            rest >>= bits
        alphabet = self.alphabet
        first = 64 if bits == 4 else 0
        self.need(24)
        while shift >= 0:
            self.byte(alphabet[first + ((number >> shift) & mask)])
            shift -= bits
        return 0

    def decimal(self, number: int, least: int) -> int:
        """
        Write an unsigned integer.

        @param least: With this many digits at least.
        """
        count = 1
        rest = number // 10
        while rest:
            count += 1
            rest //= 10
        if count < least:
            count = least
        self.need(24)
        at = self.size + count
        self.size = at
        while count:
            at -= 1
            self.at[at] = 48 + number % 10
            number //= 10
            count -= 1
        return 0

    def integer(self, number: int, ieee754: bool) -> int:
        """
        Write what L{integer_text} says.
        """
        self.need(24)
        if number < 0:
            self.byte(45)
            number = -number
        if ieee754:
            self.byte(35)
            return self.digits(number, 6)
        self.byte(48)
        self.byte(120)
        return self.digits(number, 4)

    def real(self, number: float, ieee754: bool) -> int:
        """
        Write what L{real_text} says.
        """
        self.need(32)
        if ieee754:
            self.reals[0] = number
            self.byte(64)
            return self.digits(self.bits[0], 6)
        if not -1e8 < number < 1e8:
            return self.put(real_text(number, False).encode())
        magnitude = -number if number < 0 else number
        scaled = int(magnitude * 1e7 + 0.5)
        if number < 0 and scaled:
            self.byte(45)
        self.decimal(scaled // 10000000, 1)
        scaled %= 10000000
        if scaled:
            places = 7
            while scaled % 10 == 0:
                scaled //= 10
                places -= 1
            self.byte(46)
            self.decimal(scaled, places)
        return 0

    def take(self) -> bytes:
        """
        @return: What was written.
        """
        return bytes(memoryview(self.store)[: self.size])


class Opening:
    """
    What the blocks of a chart begin with.

    @ivar sent: Second of its last version 1 block; -1 before the first.
    """

    __slots__ = ("begin1", "begin2", "sent")

    def __init__(self) -> None:
        self.begin1 = b""
        self.begin2 = b""
        self.sent = -1


class Entry:
    """
    What the lines of a series begin with.
    """

    __slots__ = ("opening", "set1", "set2")

    def __init__(self, opening: Opening, set1: bytes, set2: bytes) -> None:
        self.opening = opening
        self.set1 = set1
        self.set2 = set2


class Encoder:
    """
    Columns of one connection, as sample lines.
    """

    __slots__ = ("_ieee754", "_entries", "_openings")

    def __init__(self, ieee754: bool) -> None:
        """
        @param ieee754: Whether version 2 numbers are in base 64.
        """
        self._ieee754 = ieee754
        self._entries: list[Entry | None] = []
        self._openings: dict[str, Opening] = {}

    def series(self, number: int, chart: str, dimension: str, update_every: int) -> None:
        """
        Define a series.

        @param number: Its number in the columns; from 0 on, without large holes.
        @param chart: Id of its chart.
        @param dimension: Id of its dimension.
        @param update_every: Seconds between the samples of the chart.
        """
        opening = self._openings.setdefault(chart, Opening())
        opening.begin1 = b"BEGIN " + quoted(chart, '"') + b" "
        period = integer_text(update_every, self._ieee754).encode()
        opening.begin2 = b"BEGIN2 " + quoted(chart, "'") + b" " + period + b" "
        while len(self._entries) <= number:
            self._entries.append(None)
        self._entries[number] = Entry(
            opening, b"SET " + quoted(dimension, '"') + b" = ", b"SET2 " + quoted(dimension, "'") + b" "
        )

    def sent(self, chart: str, second: int) -> None:
        """
        Let the next version 1 block of a chart follow upon a second of which
        the parent was told otherwise.

        @param chart: Its id.
        """
        self._openings.setdefault(chart, Opening()).sent = second

    def v2(self, series: Int32s, time: Int64s, collected: Int64s, value: Float64s, flags: Bytes) -> bytes:
        """
        Write version 2 lines.

        @param series: Numbers of defined series.
        @param time: UTC seconds.
        @param collected: Integers.
        @param value: Floating point numbers.
        @param flags: Flags.
        @return: A block for each stretch of rows of one chart and second.
        @raise KeyError: A series is not defined.
        @raise ValueError: The columns are not of equal length.
        """
        return self._encode(2, series, time, collected, value, flags)

    def v1(self, series: Int32s, time: Int64s, collected: Int64s, value: Float64s, flags: Bytes) -> bytes:
        """
        Write version 1 lines, of samples that did not come as such.

        @param series: Numbers of defined series.
        @param time: UTC seconds.
        @param collected: Integers.
        @param value: Not used.
        @param flags: Flags; a gap is not written.
        @return: A block for each stretch of rows of one chart and second.
        @raise KeyError: A series is not defined.
        @raise ValueError: The columns are not of equal length.
        """
        return self._encode(1, series, time, collected, value, flags)

    def _encode(
        self, version: int, series: Int32s, time: Int64s, collected: Int64s, value: Float64s, flags: Bytes
    ) -> bytes:
        """
        Write lines, if the columns are such.
        """
        rows = len(series)
        if len(time) != rows or len(collected) != rows or len(value) != rows or len(flags) != rows:
            raise ValueError("columns of unequal length")
        known = len(self._entries)
        if rows and not (series.min() >= 0 and series.max() < known):
            raise KeyError(f"series {int(series.min())} to {int(series.max())} of {known}")
        if not COMPILED:
            columns = (series.tolist(), time.tolist(), collected.tolist(), value.tolist(), flags.tolist())
            return self._plain(version, zip(*columns, strict=True))
        return self._compiled(
            version,
            np.ascontiguousarray(series, np.int32),
            np.ascontiguousarray(time, np.int64),
            np.ascontiguousarray(collected, np.int64),
            np.ascontiguousarray(value, np.float64),
            np.ascontiguousarray(flags, np.uint8),
        )

    def _compiled(
        self, version: int, series: Int32s, time: Int64s, collected: Int64s, value: Float64s, flags: Bytes
    ) -> bytes:
        """
        Write lines with a L{Writer}.
        """
        numbers = series
        times = time
        integers = collected
        reals = value
        marks = flags
        ieee754 = self._ieee754
        writer = Writer()
        opening: Opening | None = None
        second = 0
        for row in range(len(numbers)):
            flag = marks[row] & 7
            if flag & 4 and version == 1:
                continue
            entry = self._entries[numbers[row]]
            if entry is None:
                raise KeyError(f"series {int(numbers[row])}")
            if entry.opening is not opening or times[row] != second:
                if opening is not None:
                    writer.put(b"END\n" if version == 1 else b"END2\n")
                opening = entry.opening
                second = times[row]
                if version == 1:
                    writer.put(opening.begin1)
                    writer.decimal(_elapsed(opening.sent, second), 1)
                    writer.put(b"\n")
                    opening.sent = second
                else:
                    writer.put(opening.begin2)
                    writer.integer(second, ieee754)
                    writer.put(b" #\n")
            number = integers[row]
            if version == 1:
                writer.put(entry.set1)
                if number < 0:
                    writer.byte(45)
                    number = -number
                writer.decimal(number, 1)
                writer.put(b"\n")
            else:
                writer.put(entry.set2)
                writer.integer(number, ieee754)
                writer.put(b" ")
                writer.real(NAN if flag & 4 else reals[row], ieee754)
                if flag == 0:
                    writer.put(b" A\n")
                else:
                    writer.put(_MARKS[flag])
        if opening is not None:
            writer.put(b"END\n" if version == 1 else b"END2\n")
        return writer.take()

    def _plain(self, version: int, rows: Iterable[tuple[int, int, int, float, int]]) -> bytes:
        """
        Write lines as plain Python does it best.
        """
        ieee754 = self._ieee754
        text: list[bytes] = []
        opening: Opening | None = None
        second = 0
        for number, time, collected, value, flag in rows:
            flag &= 7
            if flag & 4 and version == 1:
                continue
            entry = self._entries[number]
            if entry is None:
                raise KeyError(f"series {number}")
            if entry.opening is not opening or time != second:
                if opening is not None:
                    text.append(b"END\n" if version == 1 else b"END2\n")
                opening = entry.opening
                second = time
                if version == 1:
                    text.append(b"%b%d\n" % (opening.begin1, _elapsed(opening.sent, second)))
                    opening.sent = second
                else:
                    text.append(b"%b%b #\n" % (opening.begin2, integer_text(second, ieee754).encode()))
            if version == 1:
                text.append(b"%b%d\n" % (entry.set1, collected))
            else:
                words = f"{integer_text(collected, ieee754)} {real_text(NAN if flag & 4 else value, ieee754)}"
                text.append(entry.set2 + words.encode() + _MARKS[flag])
        if opening is not None:
            text.append(b"END\n" if version == 1 else b"END2\n")
        return b"".join(text)


def _elapsed(sent: int, second: int) -> int:
    """
    @return: Microseconds between two blocks; 0 for the first one.
    """
    if sent < 0 or second <= sent:
        return 0
    return min(second - sent, 10**9) * 1000000


def select(lines: bytes, charts: Container[bytes]) -> bytes:
    """
    Choose blocks of version 1 lines.

    @param lines: Whole blocks, as L{netstream.kernel.Ingest.take} gives them.
    @param charts: Ids of the charts wanted.
    @return: The blocks of those charts.
    """
    chosen: list[bytes] = []
    at = start = 0
    while at < len(lines):
        quote = lines[at + 6 : at + 7]
        name = lines[at + 7 : lines.index(quote, at + 7)]
        after = lines.index(b"\nEND\n", at) + 5
        if name not in charts:
            if at > start:
                chosen.append(lines[start:at])
            start = after
        at = after
    if start == 0:
        return lines
    if at > start:
        chosen.append(lines[start:at])
    return b"".join(chosen)
