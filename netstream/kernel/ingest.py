"""
The decoder of sample lines.

Lines that are known go through L{netstream.kernel.lines}.  One that is not
known, or is written in an unusual way, is split into words here, and is known
from then on.
"""

try:
    import cython
except ImportError:
    from netstream.kernel import uncompiled as cython

from netstream.kernel.columns import Bytes, Columns, Float64s, Int32s, Int64s
from netstream.kernel.lines import Walk
from netstream.kernel.numbers import Reader
from netstream.kernel.tables import Tables
from netstream.kernel.text import SampleError, words

if not cython.compiled:
    from netstream.kernel.columns import ANOMALOUS, EMPTY, PAST, RESET
    from netstream.kernel.interpolate import redefine, restart, take_over, take_over_dimension
    from netstream.kernel.records import BEGIN, BEGIN2, END, END2, NO_RESET, RBEGIN, RSET, RTIME, SET, SET2

KEYWORDS = {
    b"BEGIN": BEGIN,
    b"SET": SET,
    b"END": END,
    b"BEGIN2": BEGIN2,
    b"SET2": SET2,
    b"END2": END2,
    b"RBEGIN": RBEGIN,
    b"RSET": RSET,
}
VERSIONS = {SET: 1, END: 1, SET2: 2, END2: 2, RSET: 3}
"""In blocks of which version a line can stand."""
LONGEST = 10**15
"""No duration is longer, in microseconds."""
PERIODS = 10**6
"""No update every is longer, in seconds."""
LAST = 10**11
"""No time is later, in seconds."""
NAN = float("nan")
FREE = 32768
"""Bytes of text from which on other threads may run meanwhile.  Of less text
it would be a loss: who lets another thread run may have to wait for it for 5
milliseconds, in which a processor decodes a megabyte."""


class Ingest:
    """
    The sample lines of one connection, as columns.

    It is for one thread at a time.  While it decodes a long text, other
    threads can run; a second one that calls a method of the same object
    meanwhile gets a L{RuntimeError}.
    """

    __slots__ = ("_tables", "_columns", "_walk", "_numbers", "_busy", "_kept", "_held")

    def __init__(self, gap_when_lost: int = 1, keep_lines: bool = True, replicated: bool = False) -> None:
        """
        @param gap_when_lost: Points between two collections are interpolated
            while fewer than this many and 2 more are due.
        @param keep_lines: Whether version 1 lines are handed on as well.
        @param replicated: Whether C{RBEGIN} and C{RSET} are sample lines.
            Else decoding stops at them.
        """
        self._tables = Tables()
        self._columns = Columns()
        self._walk = Walk(self._tables, self._columns)
        self._walk.most = gap_when_lost + 2
        self._walk.keep = keep_lines
        self._walk.replicated = replicated
        self._numbers = Reader()
        self._busy = False
        self._kept: list[bytes] = []
        self._held = b""

    @property
    def lines(self) -> int:
        """
        How many sample lines were consumed.
        """
        return self._walk.lines

    @property
    def replicated(self) -> bool:
        """
        Whether C{RBEGIN} and C{RSET} are sample lines.
        """
        return self._walk.replicated

    @property
    def keep_lines(self) -> bool:
        """
        Whether version 1 lines are handed on as well, from the next block on.
        """
        return self._walk.keep

    @keep_lines.setter
    def keep_lines(self, keep: bool) -> None:
        self._alone()
        self._walk.keep = keep
        self._walk.plain = False
        self._held = b""

    @property
    def current(self) -> str | None:
        """
        Id of the chart of the open block; L{None} outside of blocks.
        """
        self._alone()
        if not self._walk.chart or self._walk.version == 3:
            return None
        return self._tables.name_of((self._tables.charts + self._walk.chart).name).decode("utf-8", "surrogateescape")

    @property
    def replaying(self) -> str | None:
        """
        Id of the chart whose past was read last; L{None} if another block came
        after it.
        """
        self._alone()
        if not self._walk.chart or self._walk.version != 3:
            return None
        return self._tables.name_of((self._tables.charts + self._walk.chart).name).decode("utf-8", "surrogateescape")

    @property
    def torn(self) -> bool:
        """
        Whether the child told the state of the chart whose past was read last
        in the middle of a collection.
        """
        return self._walk.standing.torn

    @property
    def updated(self) -> int:
        """
        Time of the last point of that chart, microseconds; 0 if it was not
        told.
        """
        return self._walk.standing.updated

    @property
    def seconds(self) -> int:
        """
        How many seconds of replications began.
        """
        return self._walk.seconds

    def chart(self, chart: str, update_every: int, store_first: bool = False) -> None:
        """
        Define a chart.  One that is known keeps its dimensions and its clock.

        @param chart: Its id.
        @param update_every: Seconds between its points, less than a million.
        @param store_first: Whether the first collection is stored as well.
        """
        self._alone()
        name = chart.encode("utf-8", "surrogateescape")
        if not 0 < update_every < PERIODS:
            raise ValueError(f"update every of {chart} is {update_every} seconds")
        number = self._tables.find_chart(name)
        if not number:
            number = self._tables.add_chart(name)
            (self._tables.charts + number).period = update_every
        redefine(self._tables.charts + number, update_every, store_first)

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
        self._alone()
        if not divisor:
            raise ValueError(f"divisor of {chart}.{dimension} is 0")
        owner = self._known(chart)
        name = dimension.encode("utf-8", "surrogateescape")
        tables = self._tables
        number = tables.find_dimension(owner, name)
        if not number:
            number = tables.add_dimension(owner, name)
            (tables.dimensions + number).algorithm = algorithm
            self._walk.reserve((tables.charts + owner).dimensions)
        elif (tables.dimensions + number).algorithm != algorithm:
            restart(tables.dimensions + number, algorithm)
        tables.renumber(owner, number, series)
        (tables.dimensions + number).multiplier = float(multiplier)
        (tables.dimensions + number).divisor = float(divisor)
        if no_reset:
            (tables.dimensions + number).marks |= NO_RESET
        else:
            (tables.dimensions + number).marks &= ~NO_RESET

    def resume(self, chart: str, collected_at: int, updated_at: int) -> None:
        """
        Go on with a chart where the database of the child is, as it says at
        the end of a replication.

        @param chart: Its id; it is defined.
        @param collected_at: Time of its last collection, microseconds; 0 is
            taken for a time that cannot be.
        @param updated_at: Time of its last point, microseconds; the same.
        """
        self._alone()
        collected_at = collected_at if 0 < collected_at < LAST * 1000000 else 0
        updated_at = updated_at if 0 < updated_at < LAST * 1000000 else 0
        take_over(self._tables.charts + self._known(chart), collected_at, updated_at)

    def resume_dimension(self, chart: str, dimension: str, collected: int, calculated: float) -> None:
        """
        Go on with a dimension where the database of the child is.

        @param chart: Id of its chart.
        @param dimension: Its id; it is defined.
        @param collected: Integer collected last.
        @param calculated: What was calculated of it; of an incremental
            dimension, what is not stored yet.
        """
        self._alone()
        number = self._tables.find_dimension(self._known(chart), dimension.encode("utf-8", "surrogateescape"))
        if not number:
            raise KeyError(dimension)
        take_over_dimension(self._tables.dimensions + number, collected, calculated)

    def stands(self, chart: str, collected_at: int, updated_at: int) -> None:
        """
        Go on with the chart whose past was read last where the child is, as
        L{resume}, but mind that it may have been collecting meanwhile.

        @param chart: Its id.
        """
        self._alone()
        self._walk.standing.chart(self._known(chart), collected_at, updated_at)

    def stands_dimension(
        self, chart: str, dimension: str, time: int, collected: int, calculated: float, stored: float
    ) -> None:
        """
        The same of one of its dimensions, as L{resume_dimension}, and note
        what was stored.

        @param time: Of its last collection, microseconds; 0 or less if there
            was none.
        @param stored: Its last stored value.
        @raise KeyError: There is no such dimension.
        """
        self._alone()
        number = self._tables.find_dimension(self._known(chart), dimension.encode("utf-8", "surrogateescape"))
        if not number:
            raise KeyError(dimension)
        self._walk.standing.dimension(number, time, collected, calculated, stored)

    def told(self) -> list[tuple[int, int, float]]:
        """
        @return: What the child noted of the chart whose past was read last: of
            each dimension its number in the columns, the time of its last
            collection in microseconds, and its last stored value.
        """
        self._alone()
        return self._walk.standing.told()

    def answered(self) -> None:
        """
        An answer is over: know no more what it said of the collection.
        """
        self._walk.standing.clear()

    def state(self, chart: str) -> tuple[int, int, list[tuple[int, int, float]]]:
        """
        Tell where the collection of a chart stands, as L{resume} and
        L{resume_dimension} take it.

        @param chart: Its id; it is defined.
        @return: Times of its last collection and of its last point,
            microseconds, 0 before the first; of each dimension that was
            collected its number in the columns, integer, and what was calculated.
        """
        self._alone()
        number = self._known(chart)
        # Who goes on from there takes durations as given, and the first collection has another time than it was at.
        collected_at = (self._tables.charts + number).collected_at + (self._tables.charts + number).off
        updated_at = (self._tables.charts + number).updated_at
        found: list[tuple[int, int, float]] = []
        number = (self._tables.charts + number).first
        while number:
            if (self._tables.dimensions + number).count:
                found.append(
                    (
                        (self._tables.dimensions + number).series,
                        (self._tables.dimensions + number).last,
                        (self._tables.dimensions + number).carried,
                    )
                )
            number = (self._tables.dimensions + number).sibling
        return collected_at, updated_at, found

    def forget(self, chart: str) -> None:
        """
        Free what is known of a chart, its dimensions and its lines.  Samples
        of it are bad lines until it is defined again.

        @param chart: Its id; it is defined.
        """
        self._alone()
        number = self._known(chart)
        if self._walk.chart == number:
            self._walk.standing.clear()
            self._held = b""
            self._walk.drop()
            self._columns.finish()
        self._walk.last = 0
        self._tables.forget(number)

    def take(self) -> tuple[Int32s, Int64s, Int64s, Float64s, Bytes, bytes | None] | None:
        """
        Remove what was decoded.

        @return: Arrays of series, times (s), collected values, values and
            flags, and the version 1 lines they were made of; L{None} if there
            is nothing.
        """
        self._alone()
        if not self._columns.complete and not self._kept:
            return None
        lines = None
        if self._kept:
            lines = self._kept[0] if len(self._kept) == 1 else b"".join(self._kept)
            self._kept = []
        return (*self._columns.take(), lines)

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
        self._alone()
        if at < 0:
            raise ValueError("a negative offset")
        end = data.rfind(b"\n") + 1
        if at >= end:
            return at
        walk = self._walk
        walk.reader.open(data)
        walk.now = now
        # The begin of an open block was kept when the text before ended.
        walk.start = at
        walk.run = at if walk.plain else -1
        self._busy = True
        try:
            while at < end:
                if end - at < FREE:
                    at = walk.walk(at, end)
                else:
                    with cython.nogil:
                        at = walk.walk(at, end)
                if at >= end:
                    break
                after = self._unusual(data, at)
                if after < 0:
                    if walk.version == 3:
                        self._columns.finish()
                    break
                at = after
                walk.lines += 1
        except BaseException:
            self._columns.finish()
            raise
        finally:
            self._busy = False
            self._pause(data, at)
            walk.reader.open(b"\n")
        return at

    def _alone(self) -> int:
        """
        @raise RuntimeError: Another thread is within L{feed}.
        """
        if self._busy:
            raise RuntimeError("two threads decode one connection")
        return 0

    def _known(self, name: str) -> int:
        """
        @return: The number of a chart.
        @raise KeyError: It is not defined.
        """
        chart = self._tables.find_chart(name.encode("utf-8", "surrogateescape"))
        if not chart:
            raise KeyError(name)
        return chart

    def _pause(self, data: bytes, at: int) -> int:
        """
        Keep the lines of the whole blocks, and hold those of an open one that
        can be handed on as they came, up to an offset.
        """
        walk = self._walk
        if walk.run >= 0:
            if walk.start > walk.run:
                if self._held:
                    self._kept.append(self._held)
                    self._held = b""
                self._kept.append(data[walk.run : walk.start])
            walk.run = -1
        if walk.plain:
            self._held += data[walk.start : at]
        else:
            self._held = b""
        return 0

    def _abandon(self, data: bytes, at: int) -> int:
        """
        Keep the lines of the whole blocks.  Those of the open one cannot be
        handed on as they came.
        """
        self._walk.plain = False
        return self._pause(data, at)

    def _unusual(self, data: bytes, at: int) -> int:
        """
        Consume a line word by word.

        @return: Offset of the next one; -1 if it is not a sample line.
        @raise SampleError: It cannot be taken.
        """
        stop = data.index(b"\n", at)
        if data[at] not in b"BSER =\t\v\f\r'\"" or data[at : at + 3] in (b"REN", b"RDS", b"RSS"):
            return -1
        text = data[at:stop]
        found = words(text)
        kind = KEYWORDS.get(found[0][1], -1) if found else -1
        walk = self._walk
        if kind < 0 or (kind in (RBEGIN, RSET) and not walk.replicated):
            return -1
        chart = walk.chart
        dimension = 0
        if len(found) > 2 and text.startswith(b"SLOT:", found[1][0]):
            del found[1]
        given = [word for _, word in found[1:]]
        if kind in (BEGIN, BEGIN2, RBEGIN):
            if not given:
                raise SampleError(text, "no chart")
            if kind == RBEGIN and not given[0]:
                if walk.version != 3:
                    raise SampleError(text, "outside of a block")
                kind = RTIME
            else:
                chart = self._tables.find_chart(given[0])
                if not chart:
                    raise SampleError(text, "unknown chart")
        elif not chart or walk.version != VERSIONS[kind]:
            raise SampleError(text, "outside of a block")
        if kind in (SET, SET2, RSET):
            if not given:
                raise SampleError(text, "no dimension")
            dimension = self._tables.find_dimension(chart, given[0])
            if not dimension:
                raise SampleError(text, "unknown dimension")
        if kind == BEGIN:
            collected = self._whole(text, given[1]) if len(given) > 1 and given[1] else 0
            if not 0 <= collected <= LONGEST:
                raise SampleError(text, "duration out of range")
            if walk.version == 1:
                self._abandon(data, at)
            walk.begin(chart, collected, False, at)
        elif kind == SET:
            if len(given) > 1 and given[1]:
                walk.set(dimension, self._whole(text, given[1], True), False)
            else:
                walk.plain = False
        elif kind == END:
            if walk.keep:
                self._abandon(data, at)
                self._kept.append(self._canonical())
            walk.end(stop + 1)
        elif kind == BEGIN2:
            if len(given) < 3:
                raise SampleError(text, "too few words")
            period = self._whole(text, given[1])
            time = self._whole(text, given[2])
            if not 0 < period < PERIODS:
                raise SampleError(text, "update every out of range")
            if not 0 < time < LAST:
                raise SampleError(text, "time out of range")
            self._abandon(data, at)
            walk.begin2(chart, 2, time)
            (self._tables.charts + chart).period = period
        elif kind == SET2:
            if len(given) < 3:
                raise SampleError(text, "too few words")
            collected = self._whole(text, given[1])
            value = float(collected) if given[2][:1] == b"#" else self._real(text, given[2])
            flags = _flags(given[3] if len(given) > 3 else b"", ANOMALOUS)
            walk.sample((self._tables.dimensions + dimension).series, collected, value, flags)
        elif kind == END2:
            walk.end2()
        elif kind == RBEGIN:
            self._abandon(data, at)
            walk.begin2(chart, 3, 0)
        elif kind == RSET:
            value = self._real(text, given[1]) if len(given) > 1 and given[1] else NAN
            if walk.time:
                quoted = len(found) > 3 and text[found[3][0]] == 34
                flags = _flags(given[2] if len(given) > 2 else b"", 0 if quoted else ANOMALOUS)
                walk.sample((self._tables.dimensions + dimension).series, 0, value, flags | PAST)
        if kind == RTIME or (kind == RBEGIN and len(given) > 1):
            since, time, collected = (
                self._whole(text, given[i]) if len(given) > i and given[i] else 0 for i in range(1, 4)
            )
            walk.row(since, time, collected)
        self._learn(text, kind, found, chart, dimension)
        return stop + 1

    def _learn(self, text: bytes, kind: int, found: list[tuple[int, bytes]], chart: int, dimension: int) -> int:
        """
        Make a line known, so that it can be predicted.

        There is a limit, so that a child cannot fill the memory by writing the
        same line in ever new ways.
        """
        self._walk.last, last = 0, self._walk.last
        if kind in (END, END2) or (kind == RBEGIN and len(found) == 2):
            prefix = text
        elif len(found) > 2 and kind != RBEGIN:
            prefix = text[: found[2][0]]
        else:
            return 0
        if len(prefix) > 65535:
            return 0
        inside = kind not in (BEGIN, BEGIN2, RBEGIN)
        line = self._tables.find_line(prefix, 0, len(prefix), chart if inside else 0)
        if not line:
            record = self._tables.charts + chart
            if inside and record.lines >= 4 * record.dimensions + 16:
                return 0
            if not inside and self._tables.begins >= 4 * self._tables.count + 16:
                return 0
            name = self._tables.name_of((self._tables.dimensions + dimension).name if dimension else record.name)
            plain = prefix == b"END" or prefix == b'BEGIN "' + name + b'" ' or prefix == b'SET "' + name + b'" = '
            line = self._tables.add_line(prefix, kind, plain, chart, dimension)
        self._walk.last = last
        self._walk.follow(line)
        return 0

    def _canonical(self) -> bytes:
        """
        @return: The lines of the open block, as they are kept.
        """
        walk = self._walk
        tables = self._tables
        lines = [b"BEGIN %s %d\n" % (_quoted(tables.name_of((tables.charts + walk.chart).name)), walk.usec)]
        for index in range(walk.collected):
            number = walk.block[index]
            name = tables.name_of((tables.dimensions + number).name)
            lines.append(b"SET %s = %d\n" % (_quoted(name), (tables.dimensions + number).value))
        lines.append(b"END\n")
        return b"".join(lines)

    def _whole(self, text: bytes, word: bytes, clamped: bool = False) -> int:
        """
        @param clamped: Whether a number that is too large is the largest, as
            agents have it.
        @return: The integer that a word says.
        @raise SampleError: It says none.
        """
        self._numbers.open(word + b"\n")
        value = self._numbers.integer()
        if self._numbers.good and self._numbers.at == len(word):
            return value
        real = self._real(text, word)
        if not -(2.0**63) <= real < 2.0**63:
            if not clamped or real != real:
                raise SampleError(text, "number out of range")
            return 9223372036854775807 if real > 0 else -9223372036854775807 - 1
        return int(real)

    def _real(self, text: bytes, word: bytes) -> float:
        """
        @return: The number that a word says.
        @raise SampleError: It says none.
        """
        self._numbers.open(word + b"\n")
        value = self._numbers.real()
        if not self._numbers.good or self._numbers.at != len(word):
            raise SampleError(text, "malformed number")
        return value


def _flags(marks: bytes, flags: int) -> int:
    """
    @param flags: Those of a sample without marks.
    @return: What the marks of a sample say.
    """
    if b"A" in marks:
        flags &= ~ANOMALOUS
    if b"R" in marks:
        flags |= RESET
    if b"E" in marks:
        flags |= EMPTY
    return flags


def _quoted(name: bytes) -> bytes:
    """
    @return: An id between quotes.
    """
    quote = b"'" if b'"' in name else b'"'
    return quote + name + quote
