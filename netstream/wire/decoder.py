"""
Bytes to commands and columns of samples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import cast

from attrs import define, field

from netstream.kernel import Ingest, SampleError
from netstream.model.samples import SampleBatch, SeriesTable
from netstream.wire.commands import (
    TO_CHILD,
    TO_PARENT,
    ChartLabel,
    Command,
    CommitChartLabels,
    DefineChart,
    DefineDimension,
    EndDefinition,
    Line,
    Payload,
    ReplayEnd,
    Unknown,
)
from netstream.wire.errors import WireError
from netstream.wire.lexicon import LONGEST, Lexicon
from netstream.wire.words import child_words, parent_words

LONGEST_LINE = 16384
"""Bytes; real agents stop at 15487 and below."""

LONGEST_PAYLOAD = 1 << 20
"""Bytes of a body between its two lines."""

_NO_END = 64
"""Bytes of a line that are kept to see that it ends no payload."""

_FRAME = 0xFA
_SAMPLES = frozenset({"BEGIN", "SET", "END", "BEGIN2", "SET2", "END2"})
_STARTS: tuple[bytes, ...] = (b"BEGIN", b"SET", b"END")
_ROWS = frozenset({"RBEGIN", "RSET"})
_ROW_STARTS = (b"RBEGIN", b"RSET", b"RDSTATE", b"RSSTATE")
_REPEATED = frozenset({DefineChart, DefineDimension, ChartLabel, CommitChartLabels})
"""Lines that are said on each connection, and of many charts and nodes alike."""
_MOMENTARY = frozenset({EndDefinition, ReplayEnd})
"""Lines that are said of many charts alike within a second, and then no more."""
_MOMENT = 32
"""How many of these are remembered."""


@define
class _Body:
    """
    A payload that is being received.

    @ivar limit: Bytes that it may have.
    @ivar skipped: It has more, and is read to its end without being kept.
    """

    kind: type[Payload]
    words: Sequence[str]
    limit: int
    size: int = 0
    skipped: bool = False
    lines: list[bytes] = field(factory=list)


class LineDecoder:
    """
    Makes commands of the bytes of one direction of one connection.

    Give it bytes with L{receive}, then exhaust L{commands}.  It holds at most
    an unfinished line and an unfinished payload.

    @ivar room: Says how many bytes a payload may have, by its kind and the
        words of its first line; L{None} if all may have the same.
    """

    def __init__(
        self,
        keywords: Mapping[str, type[Line]] = TO_CHILD,
        split: Callable[[str], list[str]] = child_words,
        longest_line: int = LONGEST_LINE,
        longest_payload: int = LONGEST_PAYLOAD,
    ) -> None:
        self._keywords = keywords
        self._split = split
        self._longest_line = longest_line
        self._longest_payload = longest_payload
        self._data = b""
        self._at = 0
        self._unfinished = bytearray()
        self._rest: tuple[bytes, int] | None = None
        self._lines = 0
        self._body: _Body | None = None
        self.room: Callable[[type[Payload], Sequence[str]], int] | None = None

    @property
    def line_number(self) -> int:
        """
        How many lines have been read.
        """
        return self._lines

    def receive(self, data: bytes) -> None:
        """
        Take in bytes.
        """
        if self._unfinished:
            end = data.find(b"\n") + 1
            if not end:
                self._unfinished += data
                return
            # The line alone, so that all the rest need not be copied.
            line = bytes(self._unfinished) + data[:end]
            self._unfinished.clear()
            self._data, self._at, self._rest = line, 0, (data, end)
            return
        if self._rest is not None:
            self._data, self._rest = self._data[self._at :] + self._rest[0][self._rest[1] :], None
            self._at = 0
        self._data = self._data[self._at :] + data if self._at < len(self._data) else data
        self._at = 0

    def _go_on(self) -> bool:
        """
        The line that had been unfinished is over: go on behind it.

        @return: Whether there is anything.
        """
        if self._rest is None:
            return False
        (self._data, self._at), self._rest = self._rest, None
        return self._at < len(self._data)

    def commands(self, tolerant: bool = False) -> Iterator[Command]:
        """
        @param tolerant: Make L{Unknown} of a line that cannot be read.
        @return: The commands that are complete, in order.
        @raise WireError: A line is too long or cannot be read; what was good
            before it has been delivered.
        """
        while (line := self._line()) is not None:
            try:
                command = self._read(line)
            except WireError:
                if not tolerant:
                    raise
                command = self._unknown(line.split(maxsplit=1)[0].decode("utf-8", "surrogateescape"), line)
            if command is not None:
                yield command

    def _wrong(self, line: bytes, reason: str, line_number: int | None = None) -> WireError:
        return WireError(self.line_number if line_number is None else line_number, line, reason)

    def _line(self) -> bytes | None:
        if self._at == len(self._data):
            self._go_on()
        end = self._data.find(b"\n", self._at)
        if end < 0:
            self._unfinished += self._data[self._at :]
            self._data, self._at = b"", 0
            self._bound(self._unfinished, self.line_number + 1)
            if self._body is not None and self._body.skipped:
                del self._unfinished[_NO_END:]
            return None
        line = self._data[self._at : end]
        self._at = end + 1
        self._lines += 1
        self._bound(line, self.line_number)
        return line

    def _bound(self, line: bytes | bytearray, line_number: int) -> None:
        body = self._body
        if body is not None:
            if not body.skipped and body.size + len(line) > body.limit + len(body.kind.END) + 1:
                if not body.kind.MAY_BE_SKIPPED:
                    reason = f"the payload before it is longer than {body.limit} bytes"
                    raise self._wrong(bytes(line[:200]), reason, line_number)
                body.skipped = True
                body.lines.clear()
        elif line and line[0] == _FRAME:
            reason = "a compressed frame, but no compression was agreed on"
            raise self._wrong(bytes(line[:200]), reason, line_number)
        elif len(line) > self._longest_line:
            reason = f"a line of more than {self._longest_line} bytes"
            raise self._wrong(bytes(line[:200]), reason, line_number)

    def _read(self, line: bytes) -> Command | None:
        return self._command(line) if self._body is None else self._continue(self._body, line)

    def _continue(self, body: _Body, line: bytes) -> Command | None:
        if line.strip() != body.kind.END.encode():
            if not body.skipped:
                body.lines.append(line)
                body.size += len(line) + 1
            return None
        self._body = None
        try:
            return body.kind.of(body.words, None if body.skipped else b"\n".join(body.lines))
        except ValueError as problem:
            raise self._wrong(line, str(problem)) from problem

    def _command(self, line: bytes) -> Command | None:
        words = self._split(line.decode("utf-8", "surrogateescape"))
        if not words:
            return None
        kind = self._keywords.get(words[0])
        if kind is None:
            return self._unknown(words[0], line)
        try:
            if issubclass(kind, Payload):
                kind.of(words[1:], b"")
                limit = self._longest_payload if self.room is None else self.room(kind, words[1:])
                self._body = _Body(kind, words[1:], limit)
                return None
            return kind.parse(words[1:])
        except ValueError as problem:
            raise self._wrong(line, str(problem)) from problem

    def _unknown(self, keyword: str, line: bytes) -> Command | None:
        return Unknown(keyword[:40].encode("utf-8", "backslashreplace").decode())


class Decoder(LineDecoder):
    """
    Makes commands and columns of samples of the bytes of one child.

    Give it bytes with L{receive}, then exhaust L{items}.  The lines of samples
    are read by the kernel, which must know each chart and dimension before
    its samples are reached: whoever takes a command from L{items} tells the
    kernel what it defines before taking the next.

    Rows of a replication are samples if the kernel was made to take them, else
    they are commands.
    """

    def __init__(
        self,
        ingest: Ingest,
        table: SeriesTable,
        longest_line: int = LONGEST_LINE,
        longest_payload: int = LONGEST_PAYLOAD,
        lexicon: Lexicon | None = None,
    ) -> None:
        """
        @param lexicon: Remembers lines that were read before.
        """
        keywords: Mapping[str, type[Line]] = TO_PARENT
        self._samples, self._starts = _SAMPLES, _STARTS
        if ingest.replicated:
            keywords = {keyword: kind for keyword, kind in TO_PARENT.items() if keyword not in _ROWS}
            self._samples, self._starts = _SAMPLES | _ROWS, _STARTS + _ROW_STARTS
        super().__init__(keywords, parent_words, longest_line, longest_payload)
        self._lexicon = lexicon or Lexicon()
        self._known = self._lexicon.lines
        self._momentary: dict[bytes, Line] = {}
        self._ingest = ingest
        self._table = table
        self._now = 0
        self._fed = False

    @property
    def line_number(self) -> int:
        return self._lines + self._ingest.lines

    def items(self, now: int) -> Iterator[SampleBatch | Command]:
        """
        @param now: UTC microseconds.
        @return: What is complete, in order: a batch for each stretch of sample
            lines, a command for each other line.
        @raise WireError: A line is too long or cannot be read; what was good
            before it has been delivered.
        """
        self._now = now
        while True:
            wrong = None
            if self._body is None and self._data.startswith(self._starts, self._at):
                self._fed = True
                try:
                    self._at = self._ingest.feed(self._data, self._at, now)
                except SampleError as problem:
                    wrong = self._wrong(problem.line, problem.reason, self.line_number + 1)
            if self._at == len(self._data) and self._go_on():
                continue
            if self._fed:
                self._fed = False
                taken = self._ingest.take()
                if taken is not None:
                    yield SampleBatch(self._table, *taken)
                if wrong is not None:
                    raise wrong
            if self._at == len(self._data) and not self._unfinished:
                self._data, self._at = b"", 0
                return
            if self._body is None:
                # Lines that were read before; before any other the kernel is asked.
                data, known, momentary = self._data, self._known.get, self._momentary.get
                begun = self._at
                while (end := data.find(b"\n", self._at)) >= 0:
                    said = data[self._at : end]
                    command = known(said) or momentary(said)
                    if command is None:
                        break
                    self._at = end + 1
                    self._lines += 1
                    yield command
                if self._at > begun:
                    continue
            line = self._line()
            if line is None:
                return
            read = self._read(line)
            if read is not None:
                yield read
                kind = read.__class__
                if kind in _REPEATED:
                    self._lexicon.remember(line, cast(Line, read))
                elif kind in _MOMENTARY and len(line) <= LONGEST:
                    if len(self._momentary) >= _MOMENT:
                        self._momentary.clear()
                    self._momentary[line] = cast(Line, read)

    def _unknown(self, keyword: str, line: bytes) -> Command | None:
        if keyword not in self._samples:
            return super()._unknown(keyword, line)
        # The kernel stopped at the spelling: give it the plain one.
        rest = line.partition(keyword.encode())[2]
        plain = keyword.encode() + b" " + rest.removeprefix(b'"').removeprefix(b"'") + b"\n"
        self._lines -= 1
        self._fed = True
        try:
            if self._ingest.feed(plain, 0, self._now) == len(plain):
                return None
        except SampleError as problem:
            raise self._wrong(problem.line, problem.reason, self.line_number + 1) from problem
        raise self._wrong(line, "these samples cannot be read", self.line_number + 1)
