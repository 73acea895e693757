"""
The encoder of sample lines.
"""

from collections.abc import Container
from struct import Struct

from netstream.kernel.columns import ANOMALOUS, EMPTY, RESET, Bytes, Float64s, Int32s, Int64s

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_BITS = Struct("<Q")
_REAL = Struct("<d")
_FLAGS = tuple(
    "E" if n & EMPTY else ("" if n & ANOMALOUS else "A") + ("R" if n & RESET else "") or "''" for n in range(8)
)


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


class _Series:
    """
    What the lines of a series begin with.
    """

    __slots__ = ("chart", "begin1", "begin2", "set1", "set2")

    def __init__(self, chart: str, begin1: bytes, begin2: bytes, set1: bytes, set2: bytes) -> None:
        self.chart = chart
        self.begin1 = begin1
        self.begin2 = begin2
        self.set1 = set1
        self.set2 = set2


class Encoder:
    """
    Columns of one connection, as sample lines.
    """

    def __init__(self, ieee754: bool) -> None:
        """
        @param ieee754: Whether version 2 numbers are in base 64.
        """
        self._ieee754 = ieee754
        self._series: dict[int, _Series] = {}
        self._sent: dict[str, int] = {}

    def series(self, number: int, chart: str, dimension: str, update_every: int) -> None:
        """
        Define a series.

        @param number: Its number in the columns.
        @param chart: Id of its chart.
        @param dimension: Id of its dimension.
        @param update_every: Seconds between its samples.
        """
        self._series[number] = _Series(
            chart,
            b"BEGIN " + quoted(chart, '"') + b" ",
            b"BEGIN2 " + quoted(chart, "'") + b" " + integer_text(update_every, self._ieee754).encode() + b" ",
            b"SET " + quoted(dimension, '"') + b" = ",
            b"SET2 " + quoted(dimension, "'") + b" ",
        )

    def v2(self, series: Int32s, time: Int64s, collected: Int64s, value: Float64s, flags: Bytes) -> bytes:
        """
        Write version 2 lines.

        @param series: Numbers of defined series.
        @param time: UTC seconds.
        @param collected: Integers.
        @param value: Floating point numbers.
        @param flags: Flags.
        @return: A block for each stretch of rows of one chart and second.
        """
        ieee754 = self._ieee754
        text: list[bytes] = []
        chart = None
        second = 0
        for n, t, c, v, f in zip(
            series.tolist(), time.tolist(), collected.tolist(), value.tolist(), flags.tolist(), strict=True
        ):
            known = self._series[n]
            if known.chart != chart or t != second:
                if chart is not None:
                    text.append(b"END2\n")
                chart = known.chart
                second = t
                text.append(b"%s%s #\n" % (known.begin2, integer_text(t, ieee754).encode()))
            if f & EMPTY:
                v = float("nan")
            line = f"{integer_text(c, ieee754)} {real_text(v, ieee754)} {_FLAGS[f & 7]}\n"
            text.append(known.set2 + line.encode())
        if chart is not None:
            text.append(b"END2\n")
        return b"".join(text)

    def v1(self, series: Int32s, time: Int64s, collected: Int64s, value: Float64s, flags: Bytes) -> bytes:
        """
        Write version 1 lines, of samples that did not come as such.

        @param series: Numbers of defined series.
        @param time: UTC seconds.
        @param collected: Integers.
        @param value: Not used.
        @param flags: Flags; a gap is not written.
        @return: A block for each stretch of rows of one chart and second.
        """
        text: list[bytes] = []
        chart = None
        second = 0
        for n, t, c, f in zip(series.tolist(), time.tolist(), collected.tolist(), flags.tolist(), strict=True):
            if f & EMPTY:
                continue
            known = self._series[n]
            if known.chart != chart or t != second:
                if chart is not None:
                    text.append(b"END\n")
                chart = known.chart
                second = t
                sent = self._sent.get(chart)
                text.append(b"%s%d\n" % (known.begin1, 0 if sent is None else max(0, t - sent) * 1000000))
                self._sent[chart] = t
            text.append(b"%s%d\n" % (known.set1, c))
        if chart is not None:
            text.append(b"END\n")
        return b"".join(text)


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
